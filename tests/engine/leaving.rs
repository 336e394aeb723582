//! Leaving, and staying away.

use selkie::{Config, Incarnation, Member, Message, Notice, State};

use crate::{
    codec::{ANYBODY, Packet, Peer, peer},
    ourselves::{at_incarnation, known_to_four, life, own},
    solo::{Solo, count, kinds, swim},
    turn_undead::turn_undead,
    world::SECOND,
};

#[test]
fn after_leaving_nothing_about_ourselves_is_acted_on() {
    let mut solo = known_to_four();
    let sent = {
        solo.engine.leave_cluster(&mut solo.runtime).unwrap();
        solo.sent()
    };
    assert_eq!(count(&sent, "ping"), 3);
    for (_, packet) in &sent {
        assert_eq!(
            (packet.members[0].id, packet.members[0].state),
            (peer(1), State::Down)
        );
    }
    for state in [State::Suspect, State::Down] {
        assert_eq!(solo.hears_of(2, peer(1), 8, state), []);
        assert_eq!(solo.hears_of(2, life(3), 8, state), []);
    }
    assert_eq!(solo.hears(turn_undead(2)), []);
    assert_eq!(solo.hears_from(2, Message::Announce), []);
    assert_eq!((own(&solo), solo.notices()), ((peer(1), 0), vec![]));
    solo.engine.leave_cluster(&mut solo.runtime).unwrap();
    assert_eq!(solo.sent(), [], "leaving twice");
}

#[test]
fn a_departure_carries_our_incarnation() {
    let mut solo = known_to_four();
    at_incarnation(&mut solo, 6);
    solo.engine.leave_cluster(&mut solo.runtime).unwrap();
    assert_eq!(solo.sent()[0].1.members[0].incarnation.0, 6);
}

#[test]
fn a_departure_is_handed_over_until_it_was_sent_often_enough_and_acks_are_told() {
    for config in [swim(), Config::simple()] {
        let mut solo = Solo::new(config);
        for addr in 2..=5 {
            solo.knows(peer(addr), 0, State::Alive);
        }
        solo.engine.leave_cluster(&mut solo.runtime).unwrap();
        let sent = solo.passes(60 * SECOND);
        assert_eq!(count(&sent, "ping"), sent.len());
        let due = usize::from(solo.engine.config().transmissions.at(5));
        assert_eq!(sent.len(), due);
        let (to, packet) = &sent[0];
        let Message::Ping(number) = packet.header.message else {
            panic!()
        };
        solo.hears(Packet::new(*to, peer(1), Message::Ack(number)));
        solo.hears(Packet::new(*to, peer(1), Message::Ack(number)));
        assert_eq!(solo.notices(), [Notice::LeaveAcked(*to)]);
        assert!(solo.timers.len() < 10);
        assert_eq!(solo.passes(600 * SECOND), []);
    }
}

/// A path so narrow that nothing but headers goes must not keep us busy for ever.
#[test]
fn a_departure_that_fits_no_datagram_is_given_up() {
    let mut solo = known_to_four();
    solo.runtime.room = 12;
    solo.engine.leave_cluster(&mut solo.runtime).unwrap();
    let sent = solo.passes(600 * SECOND);
    assert!(sent.len() <= 20, "{} pings", sent.len());
}

/// Never again: who leaves before it was fed tells nobody, and is taken for failed.
#[test]
fn who_leaves_before_it_was_fed_tells_those_it_announced_itself_to() {
    for config in [swim(), Config::simple()] {
        let mut solo = Solo::new(config);
        for to in [peer(8), ANYBODY, peer(9)] {
            solo.engine.announce(to, &mut solo.runtime).unwrap();
        }
        solo.sent();
        solo.engine.leave_cluster(&mut solo.runtime).unwrap();
        let sent = solo.sent();
        assert_eq!(kinds(&sent), [(9, "ping"), (8, "ping")], "the latest first");
        for (_, packet) in &sent {
            assert_eq!(packet.members[0].id, peer(1));
            assert_eq!(packet.members[0].state, State::Down);
        }
        let Message::Ping(number) = sent[0].1.header.message else {
            panic!()
        };
        solo.hears(Packet::new(peer(9), peer(1), Message::Ack(number)));
        assert_eq!(solo.notices(), [Notice::LeaveAcked(peer(9))]);
        let more = solo.passes(600 * SECOND);
        assert!(more.len() <= 4, "{more:?}");
    }
}

#[test]
fn who_became_whom_it_announced_itself_to_does_not_tell_itself() {
    let mut solo = Solo::new(Config::lan());
    for to in [peer(8), peer(9)] {
        solo.engine.announce(to, &mut solo.runtime).unwrap();
    }
    solo.engine
        .change_identity(peer(9), &mut solo.runtime)
        .unwrap();
    solo.sent();
    solo.engine.leave_cluster(&mut solo.runtime).unwrap();
    assert_eq!(kinds(&solo.sent()), [(8, "ping")]);
}

#[test]
fn leaving_alone_is_quiet() {
    let mut solo = Solo::new(swim());
    solo.engine.leave_cluster(&mut solo.runtime).unwrap();
    assert_eq!(solo.passes(600 * SECOND), []);
}

#[test]
fn a_departure_says_so_where_that_is_on() {
    for (config, state) in [(Config::lan(), State::Left), (swim(), State::Down)] {
        let mut solo = Solo::new(config);
        solo.knows(peer(2), 0, State::Alive);
        solo.engine.leave_cluster(&mut solo.runtime).unwrap();
        let sent = solo.sent();
        assert_eq!(
            sent[0].1.members[0],
            Member::new(peer(1), Incarnation(0), state)
        );
    }
}

#[test]
fn who_left_is_told_apart_from_who_failed() {
    let mut solo = known_to_four();
    solo.hears_of(2, peer(2), 0, State::Left);
    solo.hears_of(3, peer(4), 0, State::Down);
    assert_eq!(
        solo.notices(),
        [Notice::MemberLeft(peer(2)), Notice::MemberDown(peer(4))]
    );
    assert_eq!(solo.belief(2), Some((State::Left, 0)));
    assert_eq!(solo.belief(4), Some((State::Down, 0)));
    assert_eq!(
        (solo.engine.num_members(), solo.engine.num_down_members()),
        (2, 2)
    );
}

#[test]
fn left_is_the_better_word_for_down_and_is_spread_once_more() {
    let mut solo = known_to_four();
    solo.hears_of(3, peer(2), 4, State::Down);
    for _ in 0..50 {
        solo.engine.gossip(&mut solo.runtime).unwrap();
    }
    solo.notices();
    assert_eq!(solo.engine.updates_backlog(), 0);
    solo.hears_of(3, peer(2), 3, State::Left);
    assert_eq!(solo.belief(2), Some((State::Down, 4)), "stale");
    solo.hears_of(3, peer(2), 4, State::Left);
    assert_eq!(solo.belief(2), Some((State::Left, 4)));
    assert_eq!(solo.notices(), [Notice::MemberLeft(peer(2))]);
    assert_eq!(solo.engine.updates_backlog(), 1);
    solo.hears_of(3, peer(2), 9, State::Down);
    solo.hears_of(3, peer(2), 9, State::Alive);
    assert_eq!(solo.belief(2), Some((State::Left, 4)), "the last word");
    assert_eq!(solo.notices(), []);
}

#[test]
fn who_left_comes_back_under_an_identity_that_wins() {
    let mut solo = known_to_four();
    solo.hears_of(2, peer(2), 0, State::Left);
    let next = Peer { addr: 2, life: 1 };
    solo.hears(Packet::new(next, peer(1), Message::Gossip));
    assert_eq!(solo.belief(2), Some((State::Alive, 0)));
}

#[test]
fn a_rumour_that_we_left_is_taken_as_one_that_we_are_down() {
    let mut solo = known_to_four();
    solo.hears_of(2, peer(1), 0, State::Left);
    assert_eq!(*solo.engine.identity(), life(1));
}
