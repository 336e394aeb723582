//! The probe of last resort: where datagrams get lost, another way may not.

use selkie::{Message, Notice, ProbeNumber, State, Timer};

use crate::{
    codec::{Packet, Peer, peer},
    solo::{Solo, kinds, suspected_by, swim},
    world::SECOND,
};

/// An engine with a reliable way that knows one member and does nothing but probe.
fn prober() -> Solo {
    let mut config = swim();
    config.periodic_gossip = None;
    config.periodic_announce = None;
    config.periodic_announce_to_down_members = None;
    config.digest = None;
    let mut solo = Solo::new(config);
    solo.knows(peer(2), 0, State::Alive);
    solo.runtime.reliably = Some(Vec::new());
    solo
}

/// Ends the period; the number of the ping that begins the next.
fn pings(solo: &mut Solo) -> ProbeNumber {
    let sent = solo.fires(SECOND, |timer| matches!(timer, Timer::Probe { .. }));
    assert_eq!(kinds(&sent), [(2, "ping")]);
    number(&sent[0].1)
}

/// Ends the direct stage; the number of the ping that goes by the reliable way.
fn pings_reliably(solo: &mut Solo) -> Option<ProbeNumber> {
    let is_indirect = |timer: &Timer<Peer>| matches!(timer, Timer::IndirectProbe { .. });
    assert_eq!(solo.fires(SECOND / 2, is_indirect), []);
    let sent = solo.runtime.reliably.as_mut().unwrap().pop();
    sent.map(|(to, data)| {
        assert_eq!(to, peer(2));
        number(&Packet::decode(&data))
    })
}

fn number(packet: &Packet) -> ProbeNumber {
    match packet.header.message {
        Message::Ping(number) => number,
        _ => panic!("{packet:?}"),
    }
}

#[test]
fn who_answers_by_the_reliable_way_only_is_reported_and_not_accused() {
    let mut solo = prober();
    let direct = pings(&mut solo);
    let reliable = pings_reliably(&mut solo).unwrap();
    assert_ne!(direct, reliable);
    solo.hears(Packet::new(peer(2), peer(1), Message::Ack(reliable)));
    pings(&mut solo);
    assert_eq!(solo.belief(2), Some((State::Alive, 0)));
    assert_eq!(solo.notices(), [Notice::DatagramsBlocked(peer(2))]);
    let counters = solo.engine.counters();
    assert_eq!(counters.probes_last_resort, 1);
    assert_eq!(counters.probes_answered_reliably, 1);
    assert_eq!(counters.probes_failed, 0);
}

#[test]
fn who_answers_both_ways_is_not_reported() {
    for is_late in [false, true] {
        let mut solo = prober();
        let direct = pings(&mut solo);
        let reliable = pings_reliably(&mut solo).unwrap();
        let mut answers = [direct, reliable];
        if is_late {
            answers.reverse();
        }
        for number in answers {
            solo.hears(Packet::new(peer(2), peer(1), Message::Ack(number)));
        }
        pings(&mut solo);
        assert_eq!(solo.notices(), []);
        assert_eq!(solo.engine.counters().acks_unmatched, 0);
    }
}

#[test]
fn who_answers_in_time_is_not_pinged_twice() {
    let mut solo = prober();
    let direct = pings(&mut solo);
    solo.hears(Packet::new(peer(2), peer(1), Message::Ack(direct)));
    assert_eq!(pings_reliably(&mut solo), None);
}

#[test]
fn who_answers_neither_way_is_suspected() {
    let mut solo = prober();
    pings(&mut solo);
    let reliable = pings_reliably(&mut solo).unwrap();
    let other = Message::Ack(reliable.next());
    solo.hears(Packet::new(peer(2), peer(1), other));
    pings(&mut solo);
    assert_eq!(solo.belief(2), Some((State::Suspect, 0)));
    assert!(solo.notices().contains(&suspected_by(peer(2), peer(1))));
}

#[test]
fn an_answer_of_last_resort_that_comes_after_the_period_is_of_no_use() {
    let mut solo = prober();
    pings(&mut solo);
    let reliable = pings_reliably(&mut solo).unwrap();
    pings(&mut solo);
    solo.hears(Packet::new(peer(2), peer(1), Message::Ack(reliable)));
    assert_eq!(solo.engine.counters().acks_unmatched, 1);
    assert_eq!(solo.belief(2), Some((State::Suspect, 0)));
}
