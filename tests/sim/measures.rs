//! What can be measured: the beginnings of experiments.

use selkie::{
    Config, Suspicion,
    sim::{FalsePositives, Link, Loss, News},
};

use crate::{joined, secs};

#[test]
fn message_load_is_two_packets_per_member_and_period() {
    for count in [10, 40] {
        let mut sim = joined(count, Config::simple(), 1);
        sim.expect_quiet(secs(120)).unwrap();
        let before = sim.traffic();
        sim.run_for(secs(1500));
        let load = sim.traffic().since(&before);
        let per_period = load.sent().packets as f64 / (1000 * count) as f64;
        assert!(
            (1.99..2.01).contains(&per_period),
            "{per_period} at {count}"
        );
        assert_eq!(
            load.sent_of("ping").packets,
            load.received_of("ack").packets
        );
        assert!(load.sent_of("ping").bytes > 10 * load.sent_of("ping").packets);
        assert_eq!(load.sent_of("no such kind").packets, 0);
        let of_nodes: u64 = (0..count)
            .map(|node| sim.traffic_of(node).sent().packets)
            .sum();
        assert_eq!(of_nodes, sim.traffic().sent().packets);
        assert_eq!(of_nodes, sim.faults().sent);
    }
}

#[test]
fn a_crash_is_found_out_and_told_to_all() {
    let mut sim = joined(40, Config::lan(), 1);
    sim.record([News::Up, News::Suspected, News::Down]);
    let crash = sim.crash(17);
    sim.run_for(secs(60));
    let history = sim.history();
    let suspected = history.first(News::Suspected, 17, crash).unwrap();
    let down = history.first(News::Down, 17, crash).unwrap();
    let heard = history.heard_by(News::Down, 17, crash);
    // A period or a few until somebody notices, 4·log10 40 until it is declared, and gossip.
    assert!((secs(0)..secs(10)).contains(&(suspected - crash)));
    assert!((secs(6)..secs(8)).contains(&(down - suspected)));
    assert_eq!((heard.len(), heard[0]), (39, down));
    assert!(heard.is_sorted() && heard[38] - down < secs(10));
    assert_eq!(
        history.false_positives(crash, |_| true),
        FalsePositives::default()
    );
    assert_eq!(sim.seen_by(17), 0);
    let restart = sim.now();
    sim.restart(17);
    sim.expect_all_seen(secs(300)).unwrap();
    assert_eq!(sim.seen_by(17), 39);
    assert_eq!(sim.history().heard_by(News::Up, 17, restart).len(), 39);
    sim.clear_history();
    assert!(sim.history().all().is_empty());
}

#[test]
fn false_positives_are_told_apart_by_subject_and_observer() {
    // Lifeguard would leave too few to tell apart.
    let mut swim = Config::lan();
    swim.local_health = false;
    swim.suspicion = Suspicion::PeriodsPerLog10(4);
    let mut sim = joined(20, swim, 1);
    let start = sim.now();
    for node in 0..3 {
        sim.pause_for(node, secs(25));
    }
    sim.run_for(secs(60));
    let is_healthy = |node| node >= 3;
    let wrong = sim.history().false_positives(start, is_healthy);
    let all = sim.history().false_positives(start, |_| true);
    // Each of the three declares most others down.
    assert!(wrong.about_healthy >= 30 && wrong.at_healthy < wrong.about_healthy);
    assert!(all.about_healthy > wrong.about_healthy);
    assert_eq!(all.about_healthy, all.at_healthy);
}

#[test]
fn flip_flop_and_lossy_nodes_take_a_few_lines() {
    let mut sim = joined(30, Config::lan(), 1);
    let mut turns = 0;
    sim.every(secs(20), move |sim| {
        turns += 1;
        for node in 0..3 {
            let loss = if turns % 2 == 1 {
                Loss::from(1.0)
            } else {
                Loss::None
            };
            sim.set_ingress_loss(node, loss);
        }
        turns < 10
    });
    sim.set_egress_loss(29, 0.8);
    sim.run_for(secs(220));
    assert!(sim.faults().lost_at_nodes > 500);
    assert!(!sim.is_troubled(0) && sim.is_troubled(29));
    sim.set_egress_loss(29, Loss::None);
    sim.expect_converged(secs(260)).unwrap();
}

#[test]
fn two_hundred_members_join_and_half_of_them_crash() {
    let mut sim = joined(200, Config::lan(), 1);
    sim.set_links(Link::lan());
    let crash = sim.now();
    (1..101).for_each(|node| _ = sim.crash(node));
    let took = sim.expect_all_seen(secs(600)).unwrap();
    assert!(took > secs(5));
    assert_eq!(sim.live().count(), 100);
    assert_eq!(sim.faults().crashes, 100);
    assert_eq!(sim.history().heard_by(News::Down, 50, crash).len(), 100);
}
