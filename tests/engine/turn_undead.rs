//! Being told that we are down, and finding out whether it is meant.

use selkie::{Message, Notice, ProbeNumber, State, Timer};

use crate::{
    codec::{Packet, Peer, peer},
    ourselves::{known_to_four, life, own},
    solo::{Solo, count, kinds, swim},
};

pub fn turn_undead(from: u16) -> Packet {
    Packet::new(peer(from), peer(1), Message::TurnUndead)
}

/// Checks that a TurnUndead from a member is answered by a bare ping; its number.
#[track_caller]
fn is_checked(solo: &mut Solo, from: u16) -> ProbeNumber {
    let sent = solo.hears(turn_undead(from));
    let [(to, packet)] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!((to.addr, packet.members.len()), (from, 0));
    let Message::Ping(number) = packet.header.message else {
        panic!("{packet:?}")
    };
    number
}

fn is_check(timer: &Timer<Peer>) -> bool {
    matches!(timer, Timer::UndeadCheck { .. })
}

/// Lets the time pass that whoever is checked has.
fn judges(solo: &mut Solo) -> Vec<(Peer, Packet)> {
    solo.fires(solo.engine.config().probe_rtt, is_check)
}

#[test]
fn turn_undead_is_checked_and_an_ack_refutes_it() {
    let mut solo = known_to_four();
    let number = is_checked(&mut solo, 2);
    solo.hears_from(2, Message::Ack(number));
    assert_eq!(own(&solo), (peer(1), 0));
    // A later one is checked again.
    is_checked(&mut solo, 2);
}

#[test]
fn turn_undead_again_instead_of_an_ack_makes_us_renew() {
    let mut solo = known_to_four();
    is_checked(&mut solo, 2);
    assert_eq!(solo.hears(turn_undead(2)), []);
    assert_eq!(own(&solo), (peer(1), 0), "before its time is up");
    let sent = judges(&mut solo);
    assert_eq!(own(&solo), (life(1), 0));
    assert_eq!(solo.notices(), [Notice::Rejoin(life(1))]);
    assert_eq!(count(&sent, "turn-undead"), 0, "2 is a member to us");
    assert_eq!(count(&sent, "gossip"), sent.len());
}

/// Never again: a TurnUndead that the network delivers twice counts as the answer to our ping.
#[test]
fn turn_undead_delivered_twice_is_refuted_by_an_ack_all_the_same() {
    let mut solo = known_to_four();
    let number = is_checked(&mut solo, 2);
    for _ in 0..3 {
        solo.hears(turn_undead(2));
    }
    solo.hears_from(2, Message::Ack(number));
    judges(&mut solo);
    assert_eq!(own(&solo), (peer(1), 0));
    assert_eq!(solo.notices(), []);
}

/// It need not be a member to us: it may be one that we declared down by mistake.
#[test]
fn an_ack_from_who_is_down_to_us_refutes_its_turn_undead_too() {
    let mut solo = known_to_four();
    solo.knows(peer(9), 0, State::Down);
    let number = is_checked(&mut solo, 9);
    solo.hears(turn_undead(9));
    solo.hears_from(9, Message::Ack(number));
    judges(&mut solo);
    assert_eq!(own(&solo), (peer(1), 0));
    assert_eq!(solo.belief(9), Some((State::Down, 0)));
}

/// Its full time, whatever timer is still under way from the one before.
#[test]
fn each_check_has_at_least_its_time_and_one_timer_is_under_way() {
    let mut solo = known_to_four();
    solo.schedule();
    let before = solo.timers.len();
    let rtt = solo.engine.config().probe_rtt;
    for _ in 0..1000 {
        let number = is_checked(&mut solo, 2);
        solo.hears_from(2, Message::Ack(number));
    }
    solo.schedule();
    assert_eq!(solo.timers.len(), before + 1);
    solo.fires(rtt / 2, is_check);
    is_checked(&mut solo, 2);
    solo.hears(turn_undead(2));
    solo.fires(rtt * 2 / 3, is_check);
    assert_eq!(own(&solo), (peer(1), 0));
    solo.fires(rtt, is_check);
    assert_eq!(own(&solo), (life(1), 0));
}

#[test]
fn turn_undead_and_then_silence_changes_nothing() {
    let mut solo = known_to_four();
    is_checked(&mut solo, 2);
    judges(&mut solo);
    is_checked(&mut solo, 2);
    assert_eq!(own(&solo), (peer(1), 0));
}

#[test]
fn one_turn_undead_is_checked_at_a_time() {
    let mut solo = known_to_four();
    is_checked(&mut solo, 2);
    assert_eq!(solo.hears(turn_undead(3)), []);
    judges(&mut solo);
    assert_eq!(own(&solo), (peer(1), 0));
}

/// Each of them would lose sight of us until the next announce.
#[test]
fn all_that_held_us_down_meanwhile_hear_of_the_renewed_identity() {
    let mut solo = known_to_four();
    solo.knows(peer(9), 0, State::Down);
    is_checked(&mut solo, 2);
    for from in [3, 9, 9, 2] {
        assert_eq!(solo.hears(turn_undead(from)), []);
    }
    let sent = judges(&mut solo);
    assert!(sent.iter().all(|(_, packet)| packet.header.src == life(1)));
    let told: Vec<_> = kinds(&sent).into_iter().take(3).collect();
    assert_eq!(told, [(2, "gossip"), (3, "gossip"), (9, "turn-undead")]);
    assert_eq!(count(&sent, "turn-undead"), 1);
}

#[test]
fn turn_undead_from_a_stranger_is_ignored_and_counted() {
    let mut solo = known_to_four();
    assert_eq!(solo.hears(turn_undead(9)), []);
    assert_eq!(solo.engine.counters().claims_ignored, 1);
}

#[test]
fn turn_undead_from_whom_we_announced_ourselves_to_is_checked() {
    let mut solo = Solo::new(swim());
    solo.engine.announce(peer(9), &mut solo.runtime).unwrap();
    solo.sent();
    is_checked(&mut solo, 9);
}

/// Never again: two partitions that hold each other down answer TurnUndead with TurnUndead for
/// ever.
#[test]
fn who_holds_us_down_and_is_down_to_us_gets_one_turn_undead_from_the_new_identity() {
    let mut solo = known_to_four();
    solo.knows(peer(9), 0, State::Down);
    is_checked(&mut solo, 9);
    solo.hears(turn_undead(9));
    let sent = judges(&mut solo);
    assert_eq!(own(&solo), (life(1), 0));
    let told: Vec<_> = sent.iter().filter(|(to, _)| *to == peer(9)).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].1.header.message, Message::TurnUndead);
    assert_eq!(told[0].1.header.src, life(1));
    // What it still says to the former identity is void.
    assert_eq!(solo.hears(turn_undead(9)), []);
}
