//! What an engine tells of who probes whom.

use selkie::{Message, ProbeNumber, State, Timer};

use crate::{
    codec::{Peer, peer},
    solo::{Solo, swim},
    world::SECOND,
};

#[test]
fn who_probes_whom_is_told_at_every_stage() {
    let mut solo = Solo::new(swim());
    let idle = solo.engine.probing();
    assert_eq!((idle.target, idle.pinged_by), (None, None));
    for addr in 2..=4 {
        solo.knows(peer(addr), 0, State::Alive);
    }

    let number = begins(&mut solo);
    let waiting = solo.engine.probing();
    let target = waiting.target.expect("a probe");
    assert!(!waiting.is_answered && waiting.helpers.is_empty());

    solo.fires(SECOND, |timer| matches!(timer, Timer::IndirectProbe { .. }));
    let asked = solo.engine.probing();
    assert_eq!(asked.helpers.len(), 2);
    assert!(!asked.helpers.contains(&target));

    solo.hears_from(target.addr, Message::Ack(number));
    assert!(solo.engine.probing().is_answered);
    assert_eq!(solo.engine.probing().target, Some(target));
}

#[test]
fn who_pinged_us_last_is_told_and_who_only_gossips_is_not() {
    let mut solo = Solo::new(swim());
    solo.meets(2);
    solo.meets(3);
    assert_eq!(solo.engine.probing().pinged_by, None);
    for addr in [2, 3] {
        solo.hears_from(addr, Message::Ping(ProbeNumber(7)));
    }
    solo.meets(2);
    assert_eq!(solo.engine.probing().pinged_by, Some(peer(3)));
    assert_eq!(solo.engine.counters().pings_heard, 2);
}

/// Lets a period begin; the number of its ping.
#[track_caller]
fn begins(solo: &mut Solo) -> ProbeNumber {
    let sent = solo.fires(SECOND, |timer: &Timer<Peer>| {
        matches!(timer, Timer::Probe { .. })
    });
    let mut numbers = sent
        .iter()
        .filter_map(|(_, packet)| match packet.header.message {
            Message::Ping(number) => Some(number),
            _ => None,
        });
    numbers.next_back().expect("a ping")
}
