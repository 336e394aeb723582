//! What is said about ourselves, and what we become of it.

use selkie::{Config, Error, Identity, Message, Notice, ProbeNumber, State, Timer};

use crate::{
    codec::{ANYBODY, MORTAL, Packet, Peer, peer},
    solo::{Solo, count, kinds, swim},
    turn_undead::turn_undead,
    world::SECOND,
};

const N: ProbeNumber = ProbeNumber(9);

/// An engine that knows members 2 to 5.
pub fn known_to_four() -> Solo {
    let mut solo = Solo::new(swim());
    for addr in 2..=5 {
        solo.knows(peer(addr), 0, State::Alive);
    }
    solo
}

pub fn life(life: u8) -> Peer {
    Peer { addr: 1, life }
}

pub fn own(solo: &Solo) -> (Peer, u16) {
    (*solo.engine.identity(), solo.engine.incarnation().0)
}

/// Raises our incarnation to `incarnation` by refuting.
pub fn at_incarnation(solo: &mut Solo, incarnation: u16) {
    solo.hears_of(2, *solo.engine.identity(), incarnation - 1, State::Suspect);
    assert_eq!(solo.engine.incarnation().0, incarnation);
}

#[test]
fn a_suspicion_of_ourselves_is_refuted_at_once_with_the_next_incarnation() {
    for (own_incarnation, heard) in [(1, 1), (1, 2), (1, 40), (7, 7)] {
        let mut solo = known_to_four();
        at_incarnation(&mut solo, own_incarnation);
        solo.hears_of(3, peer(9), 0, State::Alive);
        let sent = solo.hears_of(2, peer(1), heard, State::Suspect);
        assert_eq!(own(&solo), (peer(1), heard + 1));
        assert_eq!(sent.len(), 3);
        for (_, packet) in &sent {
            assert_eq!(packet.header.message, Message::Gossip);
            let first = &packet.members[0];
            assert_eq!(
                (first.id, first.incarnation.0, first.state),
                (peer(1), heard + 1, State::Alive)
            );
        }
    }
}

#[test]
fn a_stale_suspicion_is_answered_to_its_sender_alone() {
    let mut solo = known_to_four();
    at_incarnation(&mut solo, 5);
    let refutations = solo.engine.counters().refutations;
    for state in [State::Suspect, State::Down] {
        let says = |message| Packet::new(peer(2), peer(1), message).member(peer(1), 4, state);
        assert_eq!(kinds(&solo.hears(says(Message::Gossip))), [(2, "gossip")]);
        assert_eq!(kinds(&solo.hears(says(Message::Ack(N)))), [(2, "gossip")]);
        assert_eq!(kinds(&solo.hears(says(Message::Ping(N)))), [(2, "ack")]);
        let origin = peer(3);
        let sent = solo.hears(says(Message::IndirectPing { origin, number: N }));
        assert_eq!(kinds(&sent), [(2, "indirect-ack")]);
        assert_eq!(sent[0].1.header.src_incarnation.0, 5);
    }
    assert_eq!(own(&solo), (peer(1), 5));
    assert_eq!(solo.engine.counters().refutations, refutations);
}

#[test]
fn many_stale_claims_in_one_datagram_are_answered_once() {
    let mut solo = known_to_four();
    at_incarnation(&mut solo, 5);
    let mut gossip = Packet::new(peer(2), peer(1), Message::Gossip);
    for incarnation in 0..5 {
        gossip = gossip.member(peer(1), incarnation, State::Suspect);
    }
    assert_eq!(kinds(&solo.hears(gossip)), [(2, "gossip")]);
}

/// Never again: a stale suspicion kills a member whose incarnation is at its maximum.
#[test]
fn at_the_last_incarnation_a_stale_suspicion_changes_nothing() {
    let mut solo = Solo::known_as(peer(MORTAL), swim());
    solo.meets(2);
    solo.hears_of(2, peer(MORTAL), u16::MAX - 1, State::Suspect);
    assert_eq!(own(&solo), (peer(MORTAL), u16::MAX));
    solo.hears_of(2, peer(MORTAL), u16::MAX - 1, State::Suspect);
    solo.hears_of(2, peer(MORTAL), u16::MAX - 1, State::Down);
    assert_eq!(own(&solo), (peer(MORTAL), u16::MAX));
    assert_eq!(solo.notices(), []);
}

/// Never again: one forged maximum makes refutation impossible.
#[test]
fn at_the_end_of_the_incarnations_we_renew() {
    let mut solo = known_to_four();
    let sent = solo.hears_of(2, peer(1), u16::MAX, State::Suspect);
    assert_eq!(own(&solo), (life(1), 0));
    assert_eq!(solo.notices(), [Notice::Rejoin(life(1))]);
    let about: Vec<_> = sent[0].1.members.iter().map(|m| (m.id, m.state)).collect();
    assert_eq!(about, [(life(1), State::Alive), (life(0), State::Down)]);
}

#[test]
fn at_the_end_of_the_incarnations_who_cannot_renew_is_defunct() {
    let mut solo = Solo::known_as(peer(MORTAL), swim());
    solo.meets(2);
    assert_eq!(solo.hears_of(2, peer(MORTAL), u16::MAX, State::Suspect), []);
    assert_eq!(solo.notices(), [Notice::Defunct]);
}

#[test]
fn a_down_about_us_from_a_member_makes_us_renew() {
    for (own_incarnation, heard) in [(0, 0), (0, 3), (4, 4), (4, 9)] {
        let mut solo = known_to_four();
        if own_incarnation > 0 {
            at_incarnation(&mut solo, own_incarnation);
        }
        let sent = solo.hears_of(2, peer(1), heard, State::Down);
        assert_eq!(own(&solo), (life(1), 0));
        assert_eq!(solo.notices(), [Notice::Rejoin(life(1))]);
        assert_eq!(solo.engine.counters().renewals, 1);
        assert!(!sent.is_empty());
        for (_, packet) in &sent {
            assert_eq!(packet.header.src, life(1));
            let former = packet.members.iter().find(|m| m.id == life(0)).unwrap();
            assert_eq!(
                (former.state, former.incarnation.0),
                (State::Down, own_incarnation),
                "a departure carries our incarnation"
            );
        }
    }
}

#[test]
fn a_down_about_us_from_a_stranger_is_ignored_and_counted() {
    let mut solo = known_to_four();
    solo.hears_of(9, peer(1), 7, State::Down);
    assert_eq!(own(&solo), (peer(1), 0));
    assert_eq!(solo.engine.counters().claims_ignored, 1);
    // By now it is a member.
    solo.hears_of(9, peer(1), 7, State::Down);
    assert_eq!(own(&solo), (life(1), 0));
}

/// Never again: the last incarnation suspected by a stranger deposes us.
#[test]
fn at_the_last_incarnation_a_stranger_has_no_more_say_than_with_a_down() {
    for addr in [1, MORTAL] {
        let mut solo = Solo::known_as(peer(addr), swim());
        solo.hears_of(9, peer(addr), u16::MAX, State::Suspect);
        assert_eq!(own(&solo), (peer(addr), 0));
        assert_eq!(solo.engine.counters().claims_ignored, 1);
        let told = solo.notices();
        assert!(!told.contains(&Notice::Defunct), "{told:?}");
    }
}

/// An announce to whoever lives somewhere is answered by anybody who says to live there.
#[test]
fn an_announce_to_somebody_nameless_gives_nobody_a_say() {
    let mut solo = Solo::new(swim());
    solo.engine.announce(ANYBODY, &mut solo.runtime).unwrap();
    solo.sent();
    assert_eq!(solo.hears(turn_undead(9)), []);
    let down = Packet::new(peer(8), peer(1), Message::Gossip).member(peer(1), 0, State::Down);
    solo.hears(down);
    assert_eq!(own(&solo), (peer(1), 0));
    assert_eq!(solo.engine.counters().claims_ignored, 2);
    // Who feeds us is a member from then on, and has one.
    solo.hears_from(7, Message::Feed);
    solo.hears_of(7, peer(1), 0, State::Down);
    assert_eq!(own(&solo), (life(1), 0));
}

#[test]
fn a_down_about_us_is_heard_from_whom_we_lately_announced_ourselves_to() {
    let mut solo = Solo::new(swim());
    solo.engine.announce(peer(9), &mut solo.runtime).unwrap();
    solo.hears_of(9, peer(1), 0, State::Down);
    assert_eq!(own(&solo), (life(1), 0));
}

#[test]
fn only_the_last_sixteen_unanswered_announces_count() {
    let mut solo = Solo::new(swim());
    for addr in 10..27 {
        solo.engine.announce(peer(addr), &mut solo.runtime).unwrap();
    }
    solo.hears_of(10, peer(1), 0, State::Down);
    assert_eq!(own(&solo), (peer(1), 0));
    solo.hears_of(11, peer(1), 0, State::Down);
    assert_eq!(own(&solo), (life(1), 0));
}

#[test]
fn who_cannot_renew_is_defunct_once_and_silent() {
    let mut solo = Solo::known_as(peer(MORTAL), swim());
    solo.meets(2);
    solo.meets(3);
    solo.hears_of(2, peer(MORTAL), 0, State::Down);
    solo.hears_of(3, peer(MORTAL), 0, State::Down);
    assert_eq!(solo.notices(), [Notice::Defunct]);
    assert_eq!(solo.passes(600 * SECOND), []);
    assert_eq!(solo.hears_from(2, Message::Ping(N)), []);
    assert_eq!(solo.engine.counters().dropped_while_undead, 2);
    assert!(matches!(
        solo.engine.gossip(&mut solo.runtime),
        Err(Error::Undead)
    ));
    let announced = solo.engine.announce(peer(2), &mut solo.runtime);
    assert!(matches!(announced, Err(Error::Undead)));
    assert!(matches!(
        solo.engine.broadcast(&mut solo.runtime),
        Err(Error::Undead)
    ));
    assert!(matches!(
        solo.engine.leave_cluster(&mut solo.runtime),
        Err(Error::Undead)
    ));
}

#[test]
fn of_several_claims_in_one_datagram_each_counts_against_what_we_are_by_then() {
    let mut solo = known_to_four();
    let gossip = Packet::new(peer(2), peer(1), Message::Gossip)
        .member(peer(1), 3, State::Suspect)
        .member(peer(1), 3, State::Down)
        .member(peer(1), 3, State::Suspect);
    solo.hears(gossip);
    assert_eq!(own(&solo), (peer(1), 4));
}

/// Who wrote the datagram cannot know the identity that we take because of it.
#[test]
fn a_datagram_makes_us_renew_once() {
    let mut solo = known_to_four();
    let gossip = Packet::new(peer(2), peer(1), Message::Gossip)
        .member(life(0), 0, State::Down)
        .member(life(1), 0, State::Down)
        .member(life(1), u16::MAX, State::Suspect);
    let sent = solo.hears(gossip);
    assert_eq!(own(&solo), (life(1), 0));
    assert_eq!(solo.engine.counters().claims_ignored, 2);
    assert!(sent.iter().all(|(_, packet)| packet.header.src == life(1)));
}

/// Never again: one datagram runs through our identities.
#[test]
fn whatever_a_datagram_says_it_changes_our_identity_once() {
    let rows = [
        |n: u8| (life(n), 0, State::Down),
        |n: u8| (life(2 * n), 0, State::Down),
        |n: u8| (life(2 * n + 1), 0, State::Down),
        |n: u8| (life(2 * n + 1), 0, State::Alive),
        |n: u8| (life(2 * n + 1), 0, State::Suspect),
        |n: u8| (life(n), u16::MAX, State::Suspect),
    ];
    for (a, first) in rows.iter().enumerate() {
        for (b, then) in rows.iter().enumerate() {
            let mut solo = known_to_four();
            let mut gossip = Packet::new(peer(2), peer(1), Message::Gossip);
            for n in 0..10 {
                let row = if n == 0 { first(n) } else { then(n) };
                gossip = gossip.member(row.0, row.1, row.2);
            }
            solo.hears(gossip);
            assert!(solo.engine.counters().renewals <= 1, "{a}, then {b}");
            assert!(!solo.notices().contains(&Notice::Defunct), "{a}, then {b}");
            assert!(solo.engine.counters().claims_ignored > 0, "{a}, then {b}");
        }
    }
}

#[test]
fn another_life_of_ours_that_loses_is_ignored() {
    let mut solo = Solo::known_as(life(4), swim());
    solo.meets(2);
    for state in [State::Alive, State::Suspect, State::Down] {
        assert_eq!(solo.hears_of(2, life(3), 9, state), []);
    }
    assert_eq!(own(&solo), (life(4), 0));
    assert_eq!(
        (solo.engine.membership_state().count(), solo.notices()),
        (1, vec![])
    );
}

#[test]
fn a_down_life_of_ours_that_wins_is_renewed_past_every_time() {
    let mut solo = known_to_four();
    for heard in [3, 9, 30] {
        solo.hears_of(2, life(heard), 0, State::Down);
        assert_eq!(own(&solo), (life(heard + 1), 0));
    }
    let conflict = Notice::AddrConflict {
        ours: life(0),
        theirs: life(3),
    };
    assert_eq!(solo.notices()[..2], [conflict, Notice::Rejoin(life(4))]);
    assert_eq!(solo.engine.num_members(), 4, "never stored");
}

#[test]
fn an_active_winner_of_our_address_is_renewed_past_once_then_we_are_defunct() {
    let mut solo = known_to_four();
    solo.hears_of(2, life(3), 0, State::Alive);
    assert_eq!(own(&solo), (life(4), 0));
    solo.notices();
    solo.hears_of(2, life(7), 0, State::Suspect);
    assert_eq!(own(&solo), (life(4), 0));
    assert!(solo.notices().contains(&Notice::Defunct));
}

/// Never again: our own previous identity kept as a member and announced to.
#[test]
fn a_former_identity_is_never_a_member() {
    let mut solo = known_to_four();
    solo.engine
        .change_identity(peer(7), &mut solo.runtime)
        .unwrap();
    solo.sent();
    solo.hears_of(2, peer(1), 3, State::Alive);
    solo.knows(peer(1), 4, State::Alive);
    solo.knows(peer(1), 4, State::Down);
    assert_eq!(
        solo.hears(Packet::new(peer(1), peer(7), Message::Announce)),
        []
    );
    assert_eq!(solo.belief(1), None);
    assert_eq!(solo.engine.num_down_members(), 0);
}

#[test]
fn reuse_down_identity_brings_back_who_left() {
    let mut solo = known_to_four();
    let reused = solo.engine.reuse_down_identity(&mut solo.runtime);
    assert!(matches!(reused, Err(Error::NotUndead)));
    solo.engine.leave_cluster(&mut solo.runtime).unwrap();
    solo.sent();
    solo.engine.reuse_down_identity(&mut solo.runtime).unwrap();
    assert_eq!(own(&solo), (peer(1), 0));
    assert_eq!(kinds(&solo.hears_from(2, Message::Ping(N))), [(2, "ack")]);
    let sent = solo.passes(5 * SECOND);
    assert!(count(&sent, "ping") > 0);
    let says_down = |packet: &Packet| packet.members.iter().any(|m| m.id == peer(1));
    assert!(
        !sent.iter().any(|(_, packet)| says_down(packet)),
        "still says that it left"
    );
}

#[test]
fn reuse_down_identity_brings_back_who_is_defunct() {
    let mut solo = Solo::known_as(peer(MORTAL), swim());
    solo.meets(2);
    solo.hears_of(2, peer(MORTAL), 0, State::Down);
    solo.engine.reuse_down_identity(&mut solo.runtime).unwrap();
    assert_eq!(kinds(&solo.hears_from(2, Message::Ping(N))), [(2, "ack")]);
    assert!(count(&solo.passes(5 * SECOND), "ping") > 0);
}

#[test]
fn change_identity_refuses_what_it_cannot_take_and_changes_nothing() {
    let mut solo = known_to_four();
    let same = solo.engine.change_identity(peer(1), &mut solo.runtime);
    assert!(matches!(same, Err(Error::SameIdentity)));
    let nameless = solo.engine.change_identity(peer(0), &mut solo.runtime);
    assert!(matches!(nameless, Err(Error::NamelessIdentity)));
    assert_eq!(own(&solo), (peer(1), 0));
    assert_eq!((solo.sent(), solo.notices()), (vec![], vec![]));
}

#[test]
fn change_identity_spreads_that_the_former_one_is_down_and_the_new_one_first() {
    let mut solo = known_to_four();
    at_incarnation(&mut solo, 3);
    solo.engine
        .change_identity(life(1), &mut solo.runtime)
        .unwrap();
    let sent = solo.sent();
    assert_eq!(count(&sent, "gossip"), 3);
    for (_, packet) in sent {
        let about: Vec<_> = packet
            .members
            .iter()
            .map(|m| (m.id, m.incarnation.0, m.state))
            .collect();
        assert_eq!(
            about,
            [(life(1), 0, State::Alive), (life(0), 3, State::Down)]
        );
    }
}

#[test]
fn change_identity_brings_back_who_left() {
    let mut solo = known_to_four();
    solo.engine.leave_cluster(&mut solo.runtime).unwrap();
    solo.engine
        .change_identity(life(1), &mut solo.runtime)
        .unwrap();
    solo.sent();
    let ping = Packet::new(peer(2), life(1), Message::Ping(N));
    assert_eq!(kinds(&solo.hears(ping)), [(2, "ack")]);
}

#[test]
fn a_member_whose_address_we_take_is_one_no_more_and_that_is_told() {
    let mut solo = Solo::new(swim());
    solo.knows(peer(2), 0, State::Alive);
    let taken = Peer { addr: 2, life: 1 };
    solo.engine
        .change_identity(taken, &mut solo.runtime)
        .unwrap();
    assert_eq!((solo.belief(2), solo.engine.num_members()), (None, 0));
    let notices = solo.notices();
    assert!(
        notices.contains(&Notice::MemberDown(peer(2))),
        "{notices:?}"
    );
    assert!(notices.contains(&Notice::Idle), "{notices:?}");
}

#[test]
fn changing_identity_over_and_over_leaves_a_bounded_backlog() {
    let mut solo = Solo::new(swim());
    for addr in 1000..3000 {
        solo.engine
            .change_identity(peer(addr), &mut solo.runtime)
            .unwrap();
    }
    assert!(
        solo.engine.updates_backlog() <= 32,
        "{}",
        solo.engine.updates_backlog()
    );
}

#[test]
fn the_renewals_of_the_test_identity_win() {
    assert!(peer(1).renew().unwrap().win_addr_conflict(&peer(1)));
    assert_eq!(peer(MORTAL).renew(), None);
}

/// What was asked by somebody whom we have become since.
#[test]
fn nothing_is_sent_to_ourselves_whoever_we_become() {
    let mut config = Config::lan();
    config.periodic_gossip = None;
    let mut solo = Solo::new(config);
    solo.knows(peer(3), 0, State::Alive);
    let request = Message::PingReq {
        target: peer(3),
        number: ProbeNumber(9),
    };
    solo.hears_from(2, request);
    solo.engine
        .change_identity(peer(2), &mut solo.runtime)
        .unwrap();
    solo.sent();
    let is_nack = |timer: &Timer<Peer>| matches!(timer, Timer::Nack { .. });
    assert_eq!(solo.fires(SECOND, is_nack), []);
    let answer = Message::IndirectAck {
        target: peer(2),
        number: ProbeNumber(9),
    };
    assert_eq!(solo.hears_from(3, answer), []);
}
