//! What becomes of nodes.

use std::time::Duration;

use selkie::{
    Config,
    sim::{Fate, Happening, Link, News},
};

use crate::{
    beacon::{beacons, numbers, received, send_every},
    joined, millis, secs,
};

const ON_THE_WAY: Duration = Duration::from_micros(500);

#[test]
fn a_paused_receiver_takes_all_in_at_once_when_it_is_resumed() {
    let mut sim = beacons(2, 1);
    sim.set_links(Link::perfect());
    send_every(&mut sim, secs(1));
    sim.pause_for(1, millis(4500));
    sim.run_for(millis(4400));
    assert!(sim.is_troubled(1) && numbers(&sim).is_empty());
    sim.run_for(secs(1));
    let expected = [
        (millis(4500), 0),
        (millis(4500), 1),
        (millis(4500), 2),
        (millis(4500), 3),
        (secs(5) + ON_THE_WAY, 4),
    ];
    assert_eq!(received(&sim), expected);
    assert_eq!((sim.faults().pauses, sim.faults().held_in), (1, 4));
    assert!(!sim.is_troubled(1));
}

#[test]
fn a_paused_senders_timers_fire_and_what_it_sends_goes_out_when_it_is_resumed() {
    let mut sim = beacons(2, 1);
    sim.set_links(Link::perfect());
    send_every(&mut sim, secs(1));
    sim.pause(0);
    // Pauses overlap: it goes on when the last one ends.
    sim.pause_for(0, secs(2));
    sim.run_for(millis(2500));
    let sent = &sim.machine(0).unwrap().sent;
    assert_eq!(sent, &[secs(1), secs(2)]);
    assert!(numbers(&sim).is_empty());
    sim.resume(0);
    sim.run_for(millis(100));
    let arrived = millis(2500) + ON_THE_WAY;
    assert_eq!(received(&sim), [(arrived, 0), (arrived, 1)]);
    assert_eq!(sim.faults().held_out, 2);
}

#[test]
fn a_pauses_time_ends_that_pause_and_no_later_one() {
    let mut sim = beacons(2, 1);
    sim.pause_for(1, secs(10));
    sim.freeze_for(0, secs(10));
    sim.run_for(secs(5));
    sim.resume(1);
    sim.thaw(0);
    assert!(!sim.is_troubled(0) && !sim.is_troubled(1));
    sim.pause(1);
    sim.freeze(0);
    sim.run_for(secs(10));
    assert!(sim.is_troubled(0) && sim.is_troubled(1));
    sim.resume(1);
    sim.thaw(0);
    assert!(!sim.is_troubled(0) && !sim.is_troubled(1));
    assert_eq!((sim.faults().pauses, sim.faults().freezes), (2, 2));
}

#[test]
fn an_inbox_overflows_at_its_bound() {
    let mut sim = beacons(2, 1);
    sim.set_inbox_max(3);
    send_every(&mut sim, secs(1));
    sim.pause_for(1, millis(9500));
    sim.run_for(secs(10));
    assert_eq!(numbers(&sim), [0, 1, 2]);
    assert_eq!(sim.faults().overflowed, 6);
}

#[test]
fn a_frozen_nodes_timers_wait_and_fire_late() {
    let mut sim = beacons(2, 1);
    send_every(&mut sim, secs(1));
    sim.run_for(millis(1500));
    sim.freeze_for(0, secs(3));
    sim.run_for(millis(4200));
    let sent = &sim.machine(0).unwrap().sent;
    assert_eq!(sent, &[secs(1), millis(4500), millis(5500)]);
    assert_eq!((sim.faults().freezes, sim.faults().timers_late), (1, 1));
}

#[test]
fn a_stopped_clock_delays_timers_by_as_long_as_it_stood() {
    let mut sim = beacons(2, 1);
    send_every(&mut sim, secs(2));
    sim.run_for(millis(2500));
    sim.stall_clock(0, secs(3));
    assert!(sim.is_troubled(0));
    sim.run_for(secs(7));
    let sent = &sim.machine(0).unwrap().sent;
    assert_eq!(sent, &[secs(2), secs(7), secs(9)]);
    assert_eq!((sim.faults().stalls, sim.faults().timers_late), (1, 1));
    // A timer that is set while it stands still begins when it goes on.
    sim.stall_clock(0, secs(10));
    sim.input(0, |beacon, port| {
        beacon.sent.clear();
        port.after(secs(1), ());
    });
    let start = sim.now();
    sim.run_for(millis(11_100));
    assert_eq!(sim.machine(0).unwrap().sent, [start + secs(11)]);
}

#[test]
fn a_slow_node_takes_one_packet_after_another() {
    let mut sim = beacons(2, 1);
    sim.set_links(Link::perfect());
    sim.slow_down(1, millis(1500));
    send_every(&mut sim, secs(1));
    sim.run_for(millis(6200));
    let first = secs(1) + ON_THE_WAY;
    let expected: Vec<_> = (1..=3).map(|n| (first + n * millis(1500), n - 1)).collect();
    assert_eq!(received(&sim), expected);
    assert_eq!(sim.faults().slowed, 6);
    sim.speed_up(1);
    assert!(!sim.is_troubled(1));
}

#[test]
fn a_crashed_node_hears_nothing_and_a_restarted_one_is_new() {
    let mut sim = beacons(2, 1);
    send_every(&mut sim, secs(1));
    sim.run_for(millis(2500));
    let crash = sim.crash(1);
    assert_eq!(crash, millis(2500));
    assert_eq!(sim.crash(1), crash);
    assert!(sim.machine(1).is_none() && !sim.is_live(1));
    sim.run_for(secs(2));
    assert_eq!(sim.faults().to_down, 2);
    sim.restart(1);
    assert_eq!(sim.identity(1).life, 1);
    sim.run_for(secs(1));
    assert_eq!(numbers(&sim), [4]);
    // The timers of a former life do not fire.
    sim.restart(0);
    sim.run_for(secs(5));
    assert_eq!(numbers(&sim), [4]);
    assert_eq!((sim.faults().crashes, sim.faults().restarts), (2, 2));
}

#[test]
fn what_waits_at_a_slow_node_ends_with_its_life() {
    let mut sim = beacons(2, 1);
    send_every(&mut sim, secs(1));
    sim.slow_down(1, secs(20));
    sim.run_for(millis(5500));
    sim.restart(1);
    sim.set_links(Link::perfect().loss(1.0));
    sim.run_for(secs(300));
    assert_eq!(numbers(&sim), [0_u32; 0]);
    assert_eq!(sim.faults().to_down, 5);
    // What it has to do now does not wait for that.
    sim.set_links(Link::perfect());
    sim.run_for(secs(1));
    assert_eq!(numbers(&sim).len(), 1);
}

#[test]
fn a_node_that_left_is_not_live_and_others_know() {
    let mut sim = joined(8, Config::lan(), 1);
    let start = sim.now();
    sim.leave(3);
    assert!(!sim.is_live(3) && sim.machine(3).is_some());
    // Gossip alone reaches nearly all; who missed it finds out by probing.
    sim.run_for(secs(3));
    assert!(sim.history().heard_by(News::Left, 3, start).len() >= 5);
    sim.expect_all_seen(secs(60)).unwrap();
    assert_eq!(sim.history().heard_by(News::Left, 3, start).len(), 7);
    let seen = sim.history().since(start);
    assert!(seen.iter().all(|seen| !seen.subject_was_live()));
    assert_eq!((sim.faults().leaves, sim.live().count()), (1, 7));
}

#[test]
fn packets_to_nowhere_are_counted_and_shown() {
    let mut sim = beacons(1, 1);
    let fates = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let noted = fates.clone();
    sim.watch(move |_, happening| {
        if let Happening::Lost { fate, .. } = happening {
            noted.borrow_mut().push(*fate);
        }
    });
    let nobody = selkie::sim::Peer::numbered(9);
    sim.input(0, |_, port| port.send(&nobody, "beacon", &[0; 4]));
    assert_eq!(sim.faults().to_nobody, 1);
    assert_eq!(*fates.borrow(), [Fate::Nobody]);
}

#[test]
fn a_paused_member_accuses_others_and_comes_back() {
    let mut sim = joined(10, Config::lan(), 2);
    let start = sim.now();
    sim.pause_for(4, secs(30));
    sim.run_for(secs(29));
    assert!(sim.history().first(News::Down, 4, start).is_some());
    let accused = |seen: &&selkie::sim::Observation| {
        seen.observer() == 4 && seen.news() == News::Down && seen.observer_was_troubled()
    };
    assert!(sim.history().since(start).iter().any(|seen| accused(&seen)));
    sim.run_for(secs(1));
    sim.expect_converged(secs(260)).unwrap();
    assert!(sim.identity(4).life > 0, "it was renewed");
}
