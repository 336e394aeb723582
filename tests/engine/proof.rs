//! Strangers that must prove where they are (`Config::prove_joiners`).

use selkie::{Config, Message, ProbeNumber, State};

use crate::{
    codec::{Packet, Peer, peer},
    solo::{Solo, kinds, swim},
    world::{SECOND, World},
};

const N: ProbeNumber = ProbeNumber(9);

fn proving() -> Solo {
    let mut config = swim();
    config.prove_joiners = true;
    Solo::new(config)
}

/// The number of the only datagram sent: a bare ping.
#[track_caller]
fn challenge(sent: &[(Peer, Packet)], to: Peer) -> ProbeNumber {
    let [(receiver, packet)] = sent else {
        panic!("{sent:?}")
    };
    assert_eq!(*receiver, to);
    assert_eq!((packet.members.len(), packet.broadcasts.len()), (0, 0));
    match packet.header.message {
        Message::Ping(number) => number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unproven_joiner_becomes_a_member_and_is_fed_after_its_ack_only() {
    let mut solo = proving();
    solo.knows(peer(3), 0, State::Alive);
    let sent = solo.hears_from(2, Message::Announce);
    let number = challenge(&sent, peer(2));
    assert_eq!(solo.belief(2), None);
    assert_eq!(solo.engine.counters().dropped_unproven, 1);
    let sent = solo.hears_from(2, Message::Ack(number));
    assert_eq!(kinds(&sent), [(2, "feed")]);
    assert_eq!(sent[0].1.members.len(), 1);
    assert_eq!(solo.belief(2), Some((State::Alive, 0)));
}

#[test]
fn what_an_unproven_sender_tells_is_not_believed() {
    let mut solo = proving();
    let sent = solo.hears_of(2, peer(4), 0, State::Alive);
    challenge(&sent, peer(2));
    assert_eq!(solo.engine.num_members(), 0);
}

#[test]
fn an_ack_proves_only_the_one_that_was_pinged() {
    let mut solo = proving();
    let sent = solo.hears_from(2, Message::Announce);
    let number = challenge(&sent, peer(2));
    assert_eq!(solo.hears_from(5, Message::Ack(number)), []);
    assert_eq!(solo.engine.num_members(), 0);
}

/// Whoever forges an address could tell the next number from a challenge of its own.
#[test]
fn one_challenge_does_not_tell_the_number_of_the_next() {
    let mut solo = proving();
    for addr in (10..30).step_by(2) {
        let sent = solo.hears_from(addr, Message::Announce);
        let number = challenge(&sent, peer(addr));
        solo.hears_from(addr + 1, Message::Announce);
        solo.hears_from(addr + 1, Message::Ack(number.next()));
    }
    assert!(solo.engine.num_members() <= 1);
}

#[test]
fn a_feed_from_an_unproven_sender_is_asked_for_again() {
    let mut solo = proving();
    let feed = Packet::new(peer(2), peer(1), Message::Feed).member(peer(3), 0, State::Alive);
    let sent = solo.hears(feed);
    let number = challenge(&sent, peer(2));
    let sent = solo.hears_from(2, Message::Ack(number));
    assert_eq!(kinds(&sent), [(2, "announce")]);
}

/// Never again: both sides ask for proof, and ask for ever.
#[test]
fn members_that_all_ask_for_proof_join_each_other() {
    for seed in 0..5 {
        let mut config = swim();
        config.prove_joiners = true;
        let mut world = World::new(5, config, seed);
        for addr in 2..=5 {
            world.announces(addr, 1);
        }
        let took = world.run_until(10 * SECOND, World::all_see_all);
        assert!(took.is_some(), "seed {seed}");
        assert!(world.trace.len() < 400, "{} datagrams", world.trace.len());
    }
}

#[test]
fn two_that_ask_for_proof_join_in_three_round_trips_and_then_are_quiet() {
    let mut config = Config::simple();
    config.prove_joiners = true;
    let mut world = World::new(2, config, 3);
    world.announces(2, 1);
    world.run_for(world.latency * 6);
    assert!(world.all_see_all());
    assert!(world.trace.len() <= 10, "{:?}", world.trace);
}

/// It proves us to somebody who asks for proof, too, and tells nothing.
#[test]
fn an_unproven_ping_gets_a_bare_ack_and_is_challenged() {
    let mut solo = proving();
    solo.hears_of(3, peer(4), 0, State::Alive);
    let sent = solo.hears_from(2, Message::Ping(N));
    assert_eq!(kinds(&sent), [(2, "ack"), (2, "ping")]);
    assert_eq!(sent[0].1.header.message, Message::Ack(N));
    assert!(sent.iter().all(|(_, packet)| packet.members.is_empty()));
    assert_eq!(solo.belief(2), None);
}

/// Whatever somebody answers a challenge with that is no Ack must not make us ask again at once.
#[test]
fn a_challenge_answered_by_something_else_is_not_repeated_at_once() {
    for message in [
        Message::Ping(N),
        Message::Gossip,
        Message::PingReq {
            target: peer(3),
            number: N,
        },
    ] {
        let mut solo = proving();
        challenge(&solo.hears_from(2, Message::Announce), peer(2));
        let pings = |sent: Vec<(Peer, Packet)>| crate::solo::count(&sent, "ping");
        let asked: Vec<_> = (0..6).map(|_| pings(solo.hears_from(2, message))).collect();
        assert_eq!(asked, [0, 1, 0, 1, 0, 1], "{message:?}");
    }
}

#[test]
fn an_ack_is_never_answered_by_a_challenge() {
    let mut solo = proving();
    assert_eq!(solo.hears_from(2, Message::Ack(N)), []);
    let number = challenge(&solo.hears_from(2, Message::Announce), peer(2));
    assert_eq!(solo.hears_from(2, Message::Ack(number.next())), []);
    assert_eq!(solo.engine.num_members(), 0);
}

/// A forged datagram must not spoil the proof of the one whose address it carries.
#[test]
fn what_a_challenged_sender_says_meanwhile_neither_changes_the_number_nor_what_it_gets() {
    let mut solo = proving();
    let number = challenge(&solo.hears_from(2, Message::Announce), peer(2));
    for message in [Message::Gossip, Message::Ping(N), Message::Announce] {
        for (_, packet) in solo.hears_from(2, message) {
            match packet.header.message {
                Message::Ping(again) => assert_eq!(again, number),
                Message::Ack(answered) => assert_eq!(answered, N),
                other => panic!("{other:?}"),
            }
        }
    }
    let sent = solo.hears_from(2, Message::Ack(number));
    assert_eq!(kinds(&sent), [(2, "feed")]);
}

#[test]
fn who_wants_more_than_at_first_gets_it() {
    let mut solo = proving();
    let number = challenge(&solo.hears_from(2, Message::Gossip), peer(2));
    solo.hears_from(2, Message::Announce);
    solo.hears_from(2, Message::Feed);
    let sent = solo.hears_from(2, Message::Ack(number));
    assert_eq!(kinds(&sent), [(2, "feed"), (2, "announce")]);
}

/// Two that hold on to no room for each other answer each other's pings, and that is it.
#[test]
fn a_full_member_that_asks_for_proof_is_not_asked_for_ever() {
    let mut config = Config::simple();
    config.prove_joiners = true;
    config.max_members = 1;
    let mut world = World::new(4, config, 3);
    world.announces(2, 1);
    world.announces(4, 3);
    world.run_for(SECOND);
    let before = world.trace.len();
    world.announces(1, 3);
    world.run_for(SECOND / 2);
    let sent = world.trace.len() - before;
    assert!(sent < 20, "{sent} datagrams");
}

/// A TurnUndead is what a challenge leads to where we are held down: it proves nothing.
#[test]
fn turn_undead_from_the_unproven_is_heard_only_from_whom_we_announced_ourselves_to() {
    let mut solo = proving();
    assert_eq!(solo.hears_from(2, Message::TurnUndead), []);
    assert_eq!(solo.engine.counters().claims_ignored, 1);
    solo.engine.announce(peer(2), &mut solo.runtime).unwrap();
    solo.sent();
    let sent = solo.hears_from(2, Message::TurnUndead);
    challenge(&sent, peer(2));
}

#[test]
fn who_is_held_down_by_its_seed_comes_back_though_it_asks_for_proof() {
    let mut config = swim();
    config.prove_joiners = true;
    let mut world = World::joined(3, config, 4);
    world.kill(3);
    let gone = world.run_until(60 * SECOND, |world| {
        (1..=2).all(|at| world.belief(at, 3) == Some(State::Down))
    });
    assert!(gone.is_some());
    world.restart(peer(3));
    world.announces(3, 1);
    assert!(world.run_until(10 * SECOND, World::all_see_all).is_some());
    assert_eq!(world.site(3).engine.identity().life, 1);
}
