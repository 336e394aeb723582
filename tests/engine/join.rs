//! Joining, and letting join.

use std::collections::HashSet;

use selkie::{Error, Identity, Member, Message, Notice, State};

use crate::{
    codec::{Packet, Peer, peer},
    solo::{Solo, count, kinds, swim},
    world::{SECOND, World},
};

/// Knows so many members, from 10 on.
fn host(members: u16) -> Solo {
    let mut solo = Solo::new(swim());
    for addr in 10..10 + members {
        solo.knows(peer(addr), 0, State::Alive);
    }
    solo
}

fn fed(solo: &mut Solo, addr: u16) -> Vec<Member<Peer>> {
    let sent = solo.hears_from(addr, Message::Announce);
    assert_eq!(kinds(&sent), [(addr, "feed")]);
    sent[0].1.members.clone()
}

#[test]
fn an_announce_says_nothing_but_who_wants_to_join() {
    let mut solo = host(3);
    solo.hears_of(10, peer(50), 0, State::Alive);
    solo.engine.announce(peer(9), &mut solo.runtime).unwrap();
    let sent = solo.sent();
    assert_eq!(kinds(&sent), [(9, "announce")]);
    assert_eq!(sent[0].1.encode().len(), 9);
}

#[test]
fn one_announces_to_others_only() {
    let mut solo = host(0);
    let outcome = solo.engine.announce(peer(1), &mut solo.runtime);
    assert!(matches!(outcome, Err(Error::SameIdentity)));
}

#[test]
fn a_joiner_becomes_a_member_and_gets_the_active_ones() {
    let mut solo = host(5);
    solo.knows(peer(30), 0, State::Down);
    solo.knows(peer(31), 3, State::Suspect);
    let mut members: Vec<_> = fed(&mut solo, 9).iter().map(|m| m.id.addr).collect();
    members.sort_unstable();
    assert_eq!(
        members,
        [10, 11, 12, 13, 14, 31],
        "neither itself nor the dead"
    );
    assert_eq!(solo.notices(), [Notice::MemberUp(peer(9))]);
    assert_eq!(solo.engine.updates_backlog(), 1, "and is spread");
}

/// Never again: a Feed sample cached.
#[test]
fn each_feed_is_a_fresh_random_sample_that_fits_the_packet() {
    let mut solo = host(2000);
    let samples: Vec<HashSet<u16>> = (0..10)
        .map(|_| {
            let sample = fed(&mut solo, 9);
            assert_eq!(sample.len(), (1400 - 9 - 2) / 6);
            sample.iter().map(|member| member.id.addr).collect()
        })
        .collect();
    for (at, sample) in samples.iter().enumerate() {
        assert_eq!(sample.len(), 231, "each member once");
        assert!(!samples[..at].contains(sample));
    }
    let all: HashSet<u16> = samples.into_iter().flatten().collect();
    assert!(all.len() > 1000, "{}", all.len());
}

#[test]
fn a_feed_knows_of_members_that_joined_since_the_last_one() {
    let mut solo = host(3);
    fed(&mut solo, 9);
    let second = fed(&mut solo, 8);
    assert!(second.iter().any(|member| member.id == peer(9)));
}

#[test]
fn a_feed_makes_its_members_known_and_ends_the_announce() {
    let mut solo = host(0);
    solo.engine.announce(peer(2), &mut solo.runtime).unwrap();
    solo.sent();
    let feed = Packet::new(peer(2), peer(1), Message::Feed)
        .member(peer(3), 0, State::Alive)
        .member(peer(4), 1, State::Suspect)
        .member(peer(1), 0, State::Alive);
    assert_eq!(solo.hears(feed), []);
    assert_eq!(solo.engine.num_members(), 3);
    assert!(solo.notices().contains(&Notice::Active));
}

/// Never again: the bootstrap-with-well-known-peers recipe never sends anything.
#[test]
fn well_known_peers_handed_in_as_down_are_announced_to_while_alone() {
    let mut solo = host(0);
    let peers = [2, 3, 4].map(|addr| Member::down(peer(addr), Default::default()));
    solo.engine.apply_many(peers, &mut solo.runtime);
    assert_eq!(solo.notices(), []);
    let sent = solo.passes(200 * SECOND);
    let receivers: HashSet<u16> = sent.iter().map(|(to, _)| to.addr).collect();
    assert_eq!(receivers, HashSet::from([2, 3, 4]));
    assert_eq!(count(&sent, "announce"), sent.len());
    assert_eq!(sent.len(), 6, "two each 65 seconds");
}

#[test]
fn members_are_announced_to_every_now_and_then() {
    let mut solo = host(3);
    let sent = solo.fires(30 * SECOND, |timer| {
        matches!(timer, selkie::Timer::Announce { .. })
    });
    assert_eq!(count(&sent, "announce"), 1);
    let sent = solo.fires(30 * SECOND, |timer| {
        matches!(timer, selkie::Timer::Announce { .. })
    });
    assert_eq!(count(&sent, "announce"), 1);
}

#[test]
fn periodic_tasks_delivered_twice_do_not_run_twice_as_often() {
    let mut solo = host(3);
    solo.knows(peer(50), 0, State::Down);
    let is_task = |timer: &selkie::Timer<Peer>| {
        use selkie::Timer;
        matches!(timer, Timer::Announce { .. } | Timer::AnnounceDown { .. })
    };
    for _ in 0..4 {
        solo.schedule();
        let mut due = Vec::new();
        while let Some(at) = solo.timers.next_deadline() {
            due.push((at, solo.timers.pop_due(at).unwrap()));
        }
        for (at, timer) in due {
            solo.timers.push(at, timer);
            solo.timers.push(at, timer);
        }
        let sent = solo.fires(65 * SECOND, is_task);
        assert_eq!(count(&sent, "announce"), 2);
    }
}

#[test]
fn a_joiner_may_start_before_its_seed() {
    let mut world = World::new(2, swim(), 5);
    world.kill(1);
    world.input(2, |engine, out| {
        engine.apply_many([Member::down(peer(1), Default::default())], out);
    });
    world.run_for(40 * SECOND);
    world.restart(peer(1));
    assert!(world.run_until(70 * SECOND, World::all_see_all).is_some());
}

#[test]
fn a_destination_that_names_no_member_can_be_announced_to() {
    assert!(!peer(0).names_member());
    let mut solo = host(0);
    solo.engine.announce(peer(0), &mut solo.runtime).unwrap();
    assert_eq!(kinds(&solo.sent()), [(0, "announce")]);
}
