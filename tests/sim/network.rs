//! What becomes of packets.

use std::time::Duration;

use selkie::sim::{Bursts, Latency, Link, Loss, SizeLimit};

use crate::{
    beacon::{Beacons, beacons, numbers, received, send_every},
    millis, secs,
};

/// Runs node 0 sending to node 1 a thousand times, ten milliseconds apart, over a link.
fn thousand_over(link: Link) -> Beacons {
    let mut sim = beacons(2, 1);
    sim.set_links(link);
    send_every(&mut sim, millis(10));
    sim.run_for(secs(10));
    // What is still on its way.
    sim.run_for(millis(9));
    sim
}

/// How long each packet took, in the order of their numbers.
fn times(sim: &Beacons) -> Vec<Duration> {
    let sent = &sim.machine(0).unwrap().sent;
    let mut arrived = received(sim).to_vec();
    arrived.sort_by_key(|(_, number)| *number);
    arrived
        .iter()
        .map(|(at, number)| *at - sent[*number as usize])
        .collect()
}

fn mean(times: &[Duration]) -> Duration {
    times.iter().sum::<Duration>() / u32::try_from(times.len()).unwrap()
}

#[test]
fn a_perfect_link_delivers_all_in_order_in_half_a_millisecond() {
    let sim = thousand_over(Link::perfect());
    assert_eq!(numbers(&sim), (0..1000).collect::<Vec<u32>>());
    assert!(
        times(&sim)
            .iter()
            .all(|&time| time == Duration::from_micros(500))
    );
    assert_eq!((sim.faults().sent, sim.faults().delivered), (1000, 1000));
}

#[test]
fn latencies_follow_their_distributions() {
    let (low, high) = (millis(1), millis(9));
    let uniform = times(&thousand_over(
        Link::perfect().latency(Latency::Uniform(low, high)),
    ));
    assert!(uniform.iter().all(|time| (low..=high).contains(time)));
    assert!((millis(4)..millis(6)).contains(&mean(&uniform)));

    let normal = Latency::Normal {
        mean: millis(5),
        deviation: millis(1),
    };
    let normal = times(&thousand_over(Link::perfect().latency(normal)));
    assert!((Duration::from_micros(4900)..Duration::from_micros(5100)).contains(&mean(&normal)));
    let near = |time: &&Duration| (millis(4)..millis(6)).contains(*time);
    assert!((630..730).contains(&normal.iter().filter(near).count()));

    let log_normal = Latency::LogNormal {
        median: millis(4),
        sigma: 0.3,
    };
    let mut log_normal = times(&thousand_over(Link::perfect().latency(log_normal)));
    log_normal.sort();
    assert!((Duration::from_micros(3800)..Duration::from_micros(4200)).contains(&log_normal[500]));
    assert!(mean(&log_normal) > log_normal[500], "the tail is long");

    let exponential = Latency::Exponential {
        min: millis(2),
        mean: millis(1),
    };
    let exponential = times(&thousand_over(Link::perfect().latency(exponential)));
    assert!(exponential.iter().all(|&time| time >= millis(2)));
    assert!(
        (Duration::from_micros(2800)..Duration::from_micros(3200)).contains(&mean(&exponential))
    );
}

#[test]
fn independent_loss_loses_its_share() {
    let sim = thousand_over(Link::perfect().loss(0.2));
    let lost = sim.faults().lost;
    assert!((150..250).contains(&lost), "lost {lost}");
    assert_eq!(sim.faults().delivered, 1000 - lost);
    assert_eq!(sim.faults().lost_in_bursts, 0);
}

#[test]
fn bursts_lose_their_share_in_rows() {
    let bursts = Bursts::new(millis(400), millis(100));
    let mut sim = thousand_over(Link::perfect().loss(bursts));
    sim.run_for(secs(90));
    let lost = sim.faults().lost_in_bursts;
    assert!((1300..2700).contains(&lost), "lost {lost}");
    assert_eq!(sim.faults().lost, 0);
    let numbers = numbers(&sim);
    let gaps = numbers
        .windows(2)
        .filter(|pair| pair[1] - pair[0] > 1)
        .count() as u64;
    // Independent losses of this many would make some 1,600 gaps.
    assert!(gaps > 50 && lost / gaps >= 5, "{lost} lost in {gaps} rows");
}

#[test]
fn duplicates_arrive_twice() {
    let sim = thousand_over(Link::perfect().duplicates(0.1));
    let duplicated = sim.faults().duplicated;
    assert!((60..140).contains(&duplicated), "{duplicated} duplicated");
    assert_eq!(sim.faults().delivered, 1000 + duplicated);
}

#[test]
fn packets_that_take_a_detour_are_overtaken() {
    let sim = thousand_over(Link::perfect().reorders(0.1, millis(25)));
    let detoured = sim.faults().detoured;
    assert!((60..140).contains(&detoured), "{detoured} detoured");
    let overtaken = numbers(&sim)
        .windows(2)
        .filter(|pair| pair[1] < pair[0])
        .count();
    assert!(overtaken > 40, "{overtaken} overtaken");
}

#[test]
fn what_is_too_large_is_dropped_and_only_those_who_are_told_know() {
    for (limit, room) in [
        (SizeLimit::None, usize::MAX),
        (SizeLimit::Silent(100), usize::MAX),
        (SizeLimit::Told(100), 100),
    ] {
        let mut sim = beacons(2, 1);
        sim.set_links(Link::perfect().size_limit(limit));
        send_every(&mut sim, secs(1));
        sim.run_for(millis(3500));
        sim.input(0, |beacon, _| beacon.padding = 97);
        sim.run_for(secs(4));
        let dropped = if limit == SizeLimit::None { 0 } else { 4 };
        assert_eq!(sim.faults().too_big, dropped);
        assert_eq!(sim.faults().delivered, 7 - dropped);
        let to = *sim.identity(1);
        assert_eq!(sim.input(0, |_, port| port.room_to(&to)), Some(room));
    }
}

#[test]
fn a_cut_is_one_way_a_partition_both_ways_and_healing_ends_them() {
    let mut sim = beacons(3, 1);
    send_every(&mut sim, secs(1));
    let wrong_way = sim.cut([1, 2], [0]);
    sim.run_for(millis(1500));
    assert_eq!((sim.faults().delivered, sim.faults().cut), (1, 0));
    let right_way = sim.cut([0], [1, 2]);
    sim.run_for(secs(1));
    assert_eq!((sim.faults().delivered, sim.faults().cut), (1, 1));
    sim.heal(right_way);
    sim.run_for(secs(1));
    assert_eq!((sim.faults().delivered, sim.faults().cut), (2, 1));
    sim.heal(wrong_way);
    sim.partition([1], [0, 2]);
    sim.run_for(secs(1));
    sim.isolate([0]);
    sim.run_for(secs(1));
    assert_eq!((sim.faults().delivered, sim.faults().cut), (2, 3));
    assert!(sim.is_cut(0, 2) && sim.is_cut(2, 0) && sim.is_cut(1, 2));
    sim.heal_all();
    sim.run_for(secs(1));
    assert_eq!((sim.faults().delivered, sim.faults().cut), (3, 3));
    assert_eq!(sim.faults().cuts, 4);
}

#[test]
fn isolated_nodes_are_cut_off_from_those_added_later() {
    let mut sim = beacons(2, 1);
    let cut = sim.isolate([0]);
    let later = sim.add_peers(1).start;
    assert!(sim.is_cut(0, later) && sim.is_cut(later, 0) && !sim.is_cut(1, later));
    sim.heal(cut);
    assert!(!sim.is_cut(0, later));
}

#[test]
fn losses_at_a_node_hit_its_packets_only() {
    let mut sim = beacons(3, 1);
    send_every(&mut sim, secs(1));
    sim.set_ingress_loss(2, 1.0);
    sim.set_egress_loss(1, 1.0);
    sim.run_for(millis(1500));
    assert_eq!(sim.faults().lost_at_nodes, 0);
    sim.set_ingress_loss(1, 1.0);
    sim.run_for(secs(1));
    sim.set_ingress_loss(1, Loss::None);
    sim.set_egress_loss(0, 1.0);
    assert!(sim.is_troubled(0) && sim.is_troubled(1) && sim.is_troubled(2));
    sim.run_for(secs(1));
    assert_eq!(sim.faults().lost_at_nodes, 2);
    assert_eq!(sim.faults().delivered, 1);
}

#[test]
fn links_can_differ_by_pair_and_by_place() {
    let mut sim = beacons(2, 1);
    sim.set_topology(|from, _| Link::perfect().latency(secs(1 + from as u64)));
    send_every(&mut sim, secs(10));
    sim.run_for(secs(12));
    assert_eq!(received(&sim), [(secs(11), 0)]);
    sim.set_link(1, 0, Link::perfect().loss(1.0));
    sim.set_link(0, 1, Link::perfect().latency(secs(4)));
    sim.run_for(secs(13));
    assert_eq!(received(&sim), [(secs(11), 0), (secs(24), 1)]);
}
