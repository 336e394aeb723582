//! What is done with a datagram, and in which order.

use selkie::{Error, Member, Message, Notice, ProbeNumber, State};

use crate::{
    codec::{Packet, Peer, peer},
    solo::{Solo, Versions, kinds, swim},
    world::SECOND,
};

const N: ProbeNumber = ProbeNumber(9);

fn every_kind() -> [Message<Peer>; 11] {
    let (target, origin, number) = (peer(3), peer(3), N);
    [
        Message::Ping(N),
        Message::Ack(N),
        Message::PingReq { target, number },
        Message::IndirectPing { origin, number },
        Message::IndirectAck { target, number },
        Message::ForwardedAck { origin, number },
        Message::Announce,
        Message::Feed,
        Message::Gossip,
        Message::Broadcast,
        Message::TurnUndead,
    ]
}

/// The header alone.
fn header(message: Message<Peer>) -> Vec<u8> {
    let has_count = !matches!(
        message,
        Message::Announce | Message::TurnUndead | Message::Broadcast
    );
    let mut data = Packet::new(peer(2), peer(1), message).encode();
    data.truncate(data.len() - if has_count { 2 } else { 0 });
    data
}

fn with(message: Message<Peer>, body: &[u8]) -> Vec<u8> {
    [header(message).as_slice(), body].concat()
}

#[test]
fn a_datagram_larger_than_a_packet_is_not_even_decoded() {
    let mut solo = Solo::new(swim());
    let data = vec![0xff; solo.engine.config().max_packet_size + 1];
    assert!(matches!(
        solo.tries(&data),
        Err(Error::DataTooBig { len: 1401 })
    ));
    assert_eq!(solo.engine.counters().dropped_too_big, 1);
    assert_eq!(solo.engine.counters().dropped_undecodable, 0);
}

#[test]
fn what_the_codec_cannot_read_is_refused() {
    let mut solo = Solo::new(swim());
    for data in [&[][..], &[1], &[0; 5]] {
        assert!(matches!(solo.tries(data), Err(Error::Decode(_))));
    }
    assert_eq!(solo.engine.counters().dropped_undecodable, 3);
}

#[test]
fn a_datagram_from_ourselves_is_refused() {
    let mut solo = Solo::new(swim());
    let own = Packet::new(peer(1), peer(1), Message::Gossip).member(peer(5), 0, State::Alive);
    assert!(matches!(
        solo.tries(&own.encode()),
        Err(Error::DataFromOurselves)
    ));
    assert_eq!(solo.engine.counters().dropped_from_ourselves, 1);
    assert_eq!(solo.engine.num_members(), 0);
}

#[test]
fn nothing_after_the_header_is_fine_for_every_kind() {
    for message in every_kind() {
        let mut solo = Solo::new(swim());
        solo.tries(&header(message)).unwrap();
        assert_eq!(solo.belief(2), Some((State::Alive, 0)), "{message:?}");
    }
}

#[test]
fn one_byte_after_the_header_is_malformed_for_every_kind() {
    for message in every_kind() {
        check_malformed(&with(message, &[0]));
    }
}

#[test]
fn an_announce_or_turn_undead_with_anything_is_malformed() {
    for message in [Message::Announce, Message::TurnUndead] {
        check_malformed(&with(message, &[0, 0]));
        check_malformed(&with(message, &[0, 1, 65]));
    }
}

#[test]
fn broadcast_lengths_must_add_up() {
    for tail in [
        &[0][..],
        &[0, 0],
        &[0, 0, 0],
        &[0, 2, 65],
        &[0, 1],
        &[0, 1, 65, 0],
        &[0, 1, 65, 0, 0],
        &[0, 1, 65, 0, 0, 0],
        &[255, 255, 1, 2, 3],
    ] {
        check_malformed(&with(Message::Broadcast, tail));
        check_malformed(&with(Message::Gossip, &[&[0, 0], tail].concat()));
    }
}

#[track_caller]
fn check_malformed(data: &[u8]) {
    let mut solo = Solo::with_broadcasts(swim(), Versions::default());
    assert!(
        matches!(solo.tries(data), Err(Error::MalformedPacket)),
        "{data:?}"
    );
    assert_eq!(solo.engine.counters().dropped_malformed, 1);
    assert_eq!(solo.engine.num_members(), 0, "the sender was believed");
    assert_eq!(solo.sent(), []);
}

#[test]
fn framing_that_the_kind_does_not_allow_is_malformed_whomever_it_is_for() {
    let mut solo = Solo::new(swim());
    let mut data = Packet::new(peer(2), peer(9), Message::Announce).encode();
    data.push(0);
    assert!(matches!(solo.tries(&data), Err(Error::MalformedPacket)));
}

#[test]
fn a_datagram_for_somebody_else_is_dropped_and_counted() {
    let mut solo = Solo::new(swim());
    for message in every_kind() {
        assert_eq!(solo.hears(Packet::new(peer(2), peer(9), message)), []);
    }
    let newer_life = Peer { addr: 1, life: 1 };
    solo.hears(Packet::new(peer(2), newer_life, Message::Gossip));
    assert_eq!(solo.engine.counters().dropped_not_for_us, 12);
    assert_eq!(solo.engine.num_members(), 0);
}

#[test]
fn an_announce_is_for_us_if_our_identity_accepts_it() {
    let mut solo = Solo::new(swim());
    let any_life = Peer { addr: 1, life: 77 };
    let sent = solo.hears(Packet::new(peer(2), any_life, Message::Announce));
    assert_eq!(kinds(&sent), [(2, "feed")]);
}

#[test]
fn what_is_addressed_to_a_former_life_is_heard() {
    let mut solo = Solo::known_as(Peer { addr: 1, life: 4 }, swim());
    solo.meets(2);
    let sent = solo.hears(Packet::new(
        peer(2),
        Peer { addr: 1, life: 2 },
        Message::Ping(N),
    ));
    assert_eq!(kinds(&sent), [(2, "ack")]);
    assert_eq!(sent[0].1.header.src, Peer { addr: 1, life: 4 });
}

/// That the former life is down is true. But two that renewed at the same time, each told by the
/// other, must not lose sight of each other.
#[test]
fn who_holds_a_former_life_down_becomes_known_and_learns_of_the_present_one() {
    let mut solo = Solo::known_as(Peer { addr: 1, life: 4 }, swim());
    solo.knows(peer(2), 0, State::Down);
    let undead = |from| Packet::new(from, Peer { addr: 1, life: 2 }, Message::TurnUndead);
    let sent = solo.hears(undead(Peer { addr: 2, life: 1 }));
    assert_eq!(kinds(&sent), [(2, "gossip")]);
    assert_eq!(sent[0].1.header.src, Peer { addr: 1, life: 4 });
    assert_eq!(solo.belief(2), Some((State::Alive, 0)));
    // One that is down to us has nothing to say about it.
    assert_eq!(solo.hears(undead(peer(2))), []);
    assert_eq!(solo.engine.counters().dropped_not_for_us, 1);
    let asked = crate::solo::count(&solo.passes(SECOND / 4), "ping");
    assert_eq!(asked, 0, "whether it means it");
    assert_eq!(solo.engine.identity().life, 4);
}

#[test]
fn a_header_that_fails_the_callers_check_is_dropped_before_anything_is_believed() {
    let mut solo = Solo::new(swim());
    let data = Packet::new(peer(2), peer(1), Message::Ping(N))
        .member(peer(3), 0, State::Alive)
        .encode();
    let refuse = |header: &selkie::Header<Peer>| header.src != peer(2);
    solo.engine
        .handle_data_if(&data, refuse, &mut solo.runtime)
        .unwrap();
    assert_eq!(solo.engine.counters().dropped_by_check, 1);
    assert_eq!(solo.engine.num_members(), 0);
    assert_eq!(solo.sent(), []);
    solo.engine
        .handle_data_if(&data, |_| true, &mut solo.runtime)
        .unwrap();
    assert_eq!(solo.engine.num_members(), 2);
}

/// Never again: a framing error reported after updates were applied and the reply sent.
#[test]
fn nothing_of_a_datagram_that_does_not_add_up_is_believed_or_answered() {
    let mut solo = Solo::with_broadcasts(swim(), Versions::default());
    let whole = Packet::new(peer(2), peer(1), Message::Ping(N))
        .member(peer(3), 0, State::Alive)
        .member(peer(4), 0, State::Alive)
        .broadcast(&[1, 1, 1])
        .encode();
    for end in 11..whole.len() {
        let parts_end = [whole.len() - 5, whole.len() - 17];
        if parts_end.contains(&end) {
            continue;
        }
        let outcome = solo.tries(&whole[..end]);
        assert!(
            matches!(outcome, Err(Error::Decode(_) | Error::MalformedPacket)),
            "cut at {end}: {outcome:?}"
        );
        assert_eq!(solo.engine.num_members(), 0);
        assert!(solo.engine.handler().0.is_empty());
        assert_eq!(solo.sent(), []);
    }
    solo.tries(&whole).unwrap();
    assert_eq!(solo.engine.num_members(), 3);
}

#[test]
fn a_kind_from_the_future_is_dropped_and_counted() {
    let mut solo = Solo::new(swim());
    let mut data = header(Message::TurnUndead);
    *data.last_mut().unwrap() = 200;
    data.extend([1, 2, 3, 4, 5]);
    solo.tries(&data).unwrap();
    assert_eq!(solo.engine.counters().dropped_unknown_kind, 1);
    assert_eq!(solo.engine.num_members(), 0);
}

#[test]
fn a_state_from_the_future_is_skipped_and_counted_and_the_rest_applied() {
    let mut solo = Solo::new(swim());
    let gossip = Packet::new(peer(2), peer(1), Message::Gossip)
        .member(peer(3), 0, State::Unknown(7))
        .member(peer(4), 0, State::Alive);
    solo.hears(gossip);
    assert_eq!(solo.engine.counters().updates_unknown_state, 1);
    assert_eq!(
        (solo.belief(3), solo.belief(4)),
        (None, Some((State::Alive, 0)))
    );
}

#[test]
fn who_names_no_member_is_never_one() {
    let mut solo = Solo::new(swim());
    solo.hears(Packet::new(peer(0), peer(1), Message::Announce));
    assert_eq!(solo.engine.counters().dropped_bad_sender, 1);
    solo.hears_of(2, peer(0), 0, State::Alive);
    assert_eq!(solo.engine.counters().updates_nameless, 1);
    assert_eq!(solo.engine.num_members(), 1);
}

#[test]
fn a_sender_at_our_own_address_is_reported_and_not_stored() {
    let other = Peer { addr: 1, life: 3 };
    let mut solo = Solo::new(swim());
    assert_eq!(
        solo.hears(Packet::new(other, peer(1), Message::Announce)),
        []
    );
    let conflict = Notice::AddrConflict {
        ours: peer(1),
        theirs: other,
    };
    assert_eq!(solo.notices(), [conflict]);
    assert_eq!(solo.engine.membership_state().count(), 0);
    assert_eq!(solo.engine.counters().dropped_bad_sender, 1);
}

#[test]
fn a_down_sender_is_not_heard_and_told_so_if_set() {
    for notify in [true, false] {
        let mut config = swim();
        config.notify_down_members = notify;
        let mut solo = Solo::new(config);
        solo.knows(peer(2), 0, State::Down);
        let ping = Packet::new(peer(2), peer(1), Message::Ping(N)).incarnation(7);
        let sent = solo.hears(ping.member(peer(5), 0, State::Alive));
        let told: &[(u16, &str)] = if notify { &[(2, "turn-undead")] } else { &[] };
        assert_eq!(kinds(&sent), told);
        assert_eq!(solo.belief(2), Some((State::Down, 0)));
        assert_eq!(solo.belief(5), None);
        assert_eq!(solo.engine.counters().dropped_from_down, 1);
    }
}

#[test]
fn newcomers_that_are_not_admitted_are_refused_as_senders_and_as_gossip() {
    let mut solo = Solo::new(swim());
    solo.runtime.refused.extend([peer(2), peer(4)]);
    assert_eq!(solo.hears_from(2, Message::Announce), []);
    solo.hears_of(3, peer(4), 0, State::Alive);
    assert_eq!(solo.engine.counters().refused_by_admission, 2);
    assert_eq!((solo.belief(2), solo.belief(4)), (None, None));
    assert_eq!(solo.belief(3), Some((State::Alive, 0)));
}

#[test]
fn memberships_that_a_member_tells_of_are_put_to_admission() {
    let mut solo = Solo::new(swim());
    solo.runtime.refused.insert(peer(4));
    let members = [Member::alive(peer(4)), Member::alive(peer(5))];
    solo.engine
        .apply_many_from(members, &peer(2), &mut solo.runtime);
    assert_eq!(solo.engine.counters().refused_by_admission, 1);
    assert_eq!(solo.belief(4), None);
    assert_eq!(solo.belief(5), Some((State::Alive, 0)));
}

#[test]
fn a_new_identity_at_a_known_address_must_be_admitted_too() {
    let newer = Peer { addr: 2, life: 1 };
    let mut solo = Solo::new(swim());
    solo.meets(2);
    solo.runtime.refused.insert(newer);
    solo.hears(Packet::new(newer, peer(1), Message::Gossip));
    solo.hears_of(3, newer, 0, State::Alive);
    assert_eq!(*solo.engine.member(&2).unwrap().id, peer(2));
    assert_eq!(solo.engine.counters().refused_by_admission, 2);
}

#[test]
fn beyond_the_bound_newcomers_are_refused_and_counted() {
    let mut config = swim();
    config.max_members = 2;
    let mut solo = Solo::new(config);
    solo.meets(2);
    solo.hears_of(2, peer(3), 0, State::Alive);
    solo.hears_of(2, peer(4), 0, State::Suspect);
    assert_eq!(solo.hears_from(5, Message::Announce), []);
    assert_eq!(solo.engine.counters().refused_for_room, 2);
    assert_eq!(solo.engine.num_members(), 2);
    // A newer life of a member is no further member; a down one may come back when there is room.
    solo.hears_of(2, Peer { addr: 3, life: 1 }, 0, State::Alive);
    assert_eq!(solo.engine.member(&3).unwrap().id.life, 1);
    solo.hears_of(2, Peer { addr: 3, life: 1 }, 0, State::Down);
    assert!(!solo.hears_from(5, Message::Announce).is_empty());
    solo.hears_of(2, Peer { addr: 3, life: 2 }, 0, State::Alive);
    assert_eq!(solo.belief(3), Some((State::Down, 0)));
    assert_eq!(solo.engine.num_members(), 2);
}

#[test]
fn an_error_leaves_everything_usable() {
    let mut solo = Solo::new(swim());
    solo.meets(2);
    solo.meets(3);
    for data in [&[][..], &with(Message::Gossip, &[0]), &[7; 2000]] {
        assert!(solo.tries(data).is_err());
    }
    assert_eq!(solo.engine.num_members(), 2);
    assert_eq!(kinds(&solo.hears_from(2, Message::Ping(N))), [(2, "ack")]);
    assert!(!solo.passes(3 * SECOND).is_empty());
}
