//! Changing settings while at work.

use selkie::{Config, Error, Message, Periodic, ProbeNumber, State};

use crate::{
    codec::peer,
    solo::{Solo, Versions, count, kinds, swim},
    world::SECOND,
};

fn busy() -> Solo<Versions> {
    let mut solo = Solo::with_broadcasts(Config::lan(), Versions::default());
    for addr in 2..300 {
        solo.hears_of(2, peer(addr), 0, State::Alive);
    }
    for key in 0..50 {
        let data = vec![key; usize::from(key) * 10 + 2];
        solo.engine.add_broadcast(&data, &mut solo.runtime).unwrap();
    }
    solo
}

fn sized(size: usize) -> Config {
    let mut config = Config::lan();
    config.max_packet_size = size;
    config.digest = config.digest.filter(|_| size >= 384);
    config
}

/// Never again: `set_config` with another packet size panics at the next send.
#[test]
fn packets_follow_a_change_of_their_size_at_once() {
    let mut solo = busy();
    for size in [200, 128, 1400, 9000, 65_507, 300] {
        solo.engine
            .set_config(sized(size), &mut solo.runtime)
            .unwrap();
        let mut largest = 0;
        for message in [Message::Ping(ProbeNumber(1)), Message::Announce] {
            let sent = solo.hears_from(2, message);
            largest = largest.max(sent[0].1.encode().len());
        }
        assert!(
            largest <= size && largest > size.min(1500) * 9 / 10,
            "{largest} of {size}"
        );
        for (_, packet) in solo.passes(3 * SECOND) {
            assert!(packet.encode().len() <= size);
        }
        for addr in 2..300 {
            solo.hears_of(
                2,
                peer(addr),
                u16::try_from(size / 128).unwrap(),
                State::Alive,
            );
        }
    }
}

#[test]
fn datagrams_are_accepted_by_the_new_size() {
    let mut solo = busy();
    solo.engine
        .set_config(sized(128), &mut solo.runtime)
        .unwrap();
    assert!(matches!(
        solo.tries(&[0; 129]),
        Err(Error::DataTooBig { .. })
    ));
    solo.engine
        .set_config(sized(3000), &mut solo.runtime)
        .unwrap();
    assert!(!matches!(
        solo.tries(&[0; 3000]),
        Err(Error::DataTooBig { .. })
    ));
}

#[test]
fn an_invalid_setting_is_refused_and_the_present_ones_stay() {
    let mut solo = busy();
    let mut config = Config::lan();
    config.probe_rtt = config.probe_period;
    let outcome = solo.engine.set_config(config, &mut solo.runtime);
    assert!(matches!(outcome, Err(Error::InvalidConfig(_))));
    assert_eq!(*solo.engine.config(), Config::lan());
    assert!(solo.passes(3 * SECOND).len() > 3);
}

#[test]
fn members_and_backlog_survive() {
    let mut solo = busy();
    let (members, updates) = (solo.engine.num_members(), solo.engine.updates_backlog());
    solo.engine
        .set_config(Config::wan(), &mut solo.runtime)
        .unwrap();
    assert_eq!(solo.engine.num_members(), members);
    assert_eq!(solo.engine.updates_backlog(), updates);
    assert_eq!(
        solo.notices()
            .iter()
            .filter(|n| **n == selkie::Notice::Idle)
            .count(),
        0
    );
}

#[test]
fn the_former_periods_timers_are_void() {
    let mut solo = Solo::new(swim());
    solo.knows(peer(2), 0, State::Alive);
    let mut slow = swim();
    slow.probe_period = 10 * SECOND;
    slow.suspicion = selkie::Suspicion::Fixed(3600 * SECOND);
    for _ in 0..5 {
        solo.engine
            .set_config(slow.clone(), &mut solo.runtime)
            .unwrap();
    }
    let pings = count(&solo.passes(100 * SECOND), "ping");
    assert!((9..=11).contains(&pings), "{pings}");
}

#[test]
fn periodic_tasks_can_be_turned_on_and_off() {
    let mut quiet = Config::simple();
    quiet.suspicion = selkie::Suspicion::Fixed(3600 * SECOND);
    let mut solo = Solo::new(quiet.clone());
    solo.knows(peer(2), 0, State::Alive);
    assert_eq!(count(&solo.passes(100 * SECOND), "announce"), 0);
    let mut chatty = quiet.clone();
    chatty.periodic_announce = Some(Periodic::secs(5, 1));
    solo.engine.set_config(chatty, &mut solo.runtime).unwrap();
    assert_eq!(count(&solo.passes(50 * SECOND), "announce"), 10);
    solo.engine.set_config(quiet, &mut solo.runtime).unwrap();
    assert_eq!(count(&solo.passes(100 * SECOND), "announce"), 0);
}

#[test]
fn settings_can_change_after_leaving_and_the_departure_goes_on() {
    let mut solo = Solo::new(Config::lan());
    for addr in 2..=9 {
        solo.knows(peer(addr), 0, State::Alive);
    }
    solo.engine.leave_cluster(&mut solo.runtime).unwrap();
    let at_once = count(&solo.sent(), "ping");
    solo.engine
        .set_config(Config::wan(), &mut solo.runtime)
        .unwrap();
    let later = count(&solo.passes(60 * SECOND), "ping");
    let due = usize::from(Config::wan().transmissions.at(9));
    assert_eq!(at_once + later, due);
    assert_eq!(kinds(&solo.hears_from(2, Message::Announce)), []);
}
