//! How long down members are remembered, how many, and what for.

use core::time::Duration;
use std::collections::HashSet;

use selkie::{Message, State, Timer};

use crate::{
    codec::{Packet, Peer, peer},
    solo::{Solo, count, swim},
    world::SECOND,
};

fn is_forget(timer: &Timer<Peer>) -> bool {
    matches!(timer, Timer::Forget { .. })
}

fn is_announce_down(timer: &Timer<Peer>) -> bool {
    matches!(timer, Timer::AnnounceDown { .. })
}

/// Lets so many seconds pass, for the memory of the dead alone.
fn ages(solo: &mut Solo, seconds: u32) {
    for _ in 0..2 * seconds {
        solo.fires(SECOND / 2, is_forget);
    }
}

/// Remembers the dead for a hundred seconds, at most so many.
fn rememberer(bound: usize) -> Solo {
    let mut config = swim();
    config.remove_down_after = Some(100 * SECOND);
    config.max_down_members = bound;
    let mut solo = Solo::new(config);
    solo.knows(peer(2), 0, State::Alive);
    solo
}

fn dies(solo: &mut Solo, addr: u16) {
    solo.hears_of(2, peer(addr), 0, State::Alive);
    solo.hears_of(2, peer(addr), 0, State::Down);
}

fn dead(solo: &Solo) -> HashSet<u16> {
    let down = |member: &selkie::Member<&Peer>| member.state == State::Down;
    let all = solo.engine.membership_state().filter(down);
    all.map(|member| member.id.addr).collect()
}

#[test]
fn down_members_are_forgotten_after_the_time_set_and_may_come_back_then() {
    let mut solo = rememberer(100);
    dies(&mut solo, 9);
    ages(&mut solo, 99);
    solo.hears_of(2, peer(9), 5, State::Alive);
    assert_eq!(solo.belief(9), Some((State::Down, 0)));
    ages(&mut solo, 14);
    assert_eq!(solo.belief(9), None);
    solo.hears_of(2, peer(9), 0, State::Alive);
    assert_eq!(solo.belief(9), Some((State::Alive, 0)));
}

#[test]
fn down_members_are_never_forgotten_if_set_so() {
    let mut config = swim();
    config.remove_down_after = None;
    let mut solo = Solo::new(config);
    solo.knows(peer(2), 0, State::Alive);
    dies(&mut solo, 9);
    solo.fires(Duration::from_secs(1 << 40), is_forget);
    assert_eq!(solo.belief(9), Some((State::Down, 0)));
}

#[test]
fn a_later_death_is_remembered_as_long_as_a_former_one() {
    let mut solo = rememberer(100);
    dies(&mut solo, 9);
    ages(&mut solo, 60);
    let newer = Peer { addr: 9, life: 1 };
    solo.hears_of(2, newer, 0, State::Alive);
    solo.hears_of(2, newer, 0, State::Down);
    ages(&mut solo, 99);
    assert_eq!(solo.belief(9), Some((State::Down, 0)));
    ages(&mut solo, 14);
    assert_eq!(solo.belief(9), None);
}

#[test]
fn who_came_back_is_not_forgotten() {
    let mut solo = rememberer(100);
    dies(&mut solo, 9);
    solo.hears_of(2, Peer { addr: 9, life: 1 }, 0, State::Alive);
    ages(&mut solo, 200);
    assert_eq!(solo.belief(9), Some((State::Alive, 0)));
}

/// Never again: Down forgotten sooner than it is disseminated, endless re-learning.
#[test]
fn an_unknown_down_is_remembered_and_not_gossiped_on() {
    let mut solo = rememberer(100);
    solo.hears_of(2, peer(9), 4, State::Down);
    assert_eq!(solo.belief(9), Some((State::Down, 4)));
    assert_eq!((solo.engine.updates_backlog(), solo.notices()), (0, vec![]));
    solo.hears_of(2, peer(9), 9, State::Alive);
    assert_eq!(
        solo.belief(9),
        Some((State::Down, 4)),
        "late news is recognised"
    );
    assert_eq!(solo.engine.updates_backlog(), 0);
}

#[test]
fn a_forgotten_member_is_not_brought_up_by_the_cluster_again() {
    let mut solo = rememberer(100);
    dies(&mut solo, 9);
    ages(&mut solo, 113);
    solo.sent();
    assert_eq!(solo.belief(9), None);
    assert_eq!(
        solo.engine.updates_backlog(),
        0,
        "what waited about it is gone"
    );
    solo.hears_of(2, peer(9), 0, State::Down);
    assert_eq!(solo.engine.updates_backlog(), 0);
}

#[test]
fn at_the_bound_those_never_active_go_first_and_then_the_oldest() {
    let mut solo = rememberer(4);
    solo.hears_of(2, peer(50), 0, State::Down);
    dies(&mut solo, 10);
    solo.hears_of(2, peer(51), 0, State::Down);
    dies(&mut solo, 11);
    assert_eq!(dead(&solo), HashSet::from([50, 10, 51, 11]));
    solo.hears_of(2, peer(52), 0, State::Down);
    assert_eq!(
        dead(&solo),
        HashSet::from([10, 51, 11, 52]),
        "the oldest stranger"
    );
    dies(&mut solo, 12);
    dies(&mut solo, 13);
    assert_eq!(dead(&solo), HashSet::from([10, 11, 12, 13]));
    solo.hears_of(2, peer(53), 0, State::Down);
    assert_eq!(
        dead(&solo),
        HashSet::from([10, 11, 12, 13]),
        "strangers displace nobody"
    );
    dies(&mut solo, 14);
    assert_eq!(dead(&solo), HashSet::from([11, 12, 13, 14]));
    assert_eq!(solo.engine.counters().down_evicted, 5);
}

#[test]
fn lowering_the_bound_forgets_what_is_beyond_it() {
    let mut solo = rememberer(100);
    for addr in 10..30 {
        dies(&mut solo, addr);
    }
    let mut config = solo.engine.config().clone();
    config.max_down_members = 3;
    solo.engine.set_config(config, &mut solo.runtime).unwrap();
    assert_eq!(dead(&solo), HashSet::from([27, 28, 29]));
}

/// Whom the next goes of announces are for, two each.
fn announced(solo: &mut Solo, goes: usize) -> Vec<u16> {
    let mut announced = Vec::new();
    for _ in 0..goes {
        let sent = solo.fires(65 * SECOND, is_announce_down);
        assert_eq!(count(&sent, "announce"), 2, "no pause");
        assert_ne!(sent[0].0, sent[1].0);
        announced.extend(sent.iter().map(|(to, _)| to.addr));
    }
    announced
}

#[test]
fn down_members_are_announced_to_in_turn() {
    let mut solo = rememberer(100);
    for addr in 10..17 {
        dies(&mut solo, addr);
    }
    for _ in 0..5 {
        let round: HashSet<_> = announced(&mut solo, 7).into_iter().collect();
        assert_eq!(round, (10..17).collect());
    }
}

/// Never again: those that a cut keeps from us wait for hundreds that are gone for ever.
#[test]
fn who_fell_last_is_announced_to_first_and_then_less_and_less_often() {
    let mut solo = rememberer(1000);
    for addr in 100..600 {
        dies(&mut solo, addr);
    }
    announced(&mut solo, 100);
    for addr in 10..15 {
        dies(&mut solo, addr);
    }
    let announced = announced(&mut solo, 505);
    let goes = |addr| {
        let all = announced.iter().enumerate();
        let goes = all.filter(move |(_, to)| **to == addr).map(|(n, _)| n / 2);
        goes.collect::<Vec<_>>()
    };
    for addr in 10..15 {
        assert!(goes(addr)[0] < 15, "{addr}: {:?}", goes(addr));
    }
    let last = goes(14);
    assert_eq!(last[..5], [0, 1, 3, 7, 15]);
    // All others have their turn meanwhile.
    let all: HashSet<_> = announced.into_iter().collect();
    assert_eq!(all.len(), 505);
}

#[test]
fn who_lost_everybody_keeps_announcing_to_the_dead_and_comes_back() {
    let mut solo = rememberer(100);
    dies(&mut solo, 9);
    solo.hears_of(9, peer(2), 0, State::Down);
    solo.knows(peer(2), 0, State::Down);
    assert_eq!(solo.engine.num_members(), 0);
    let sent = solo.fires(65 * SECOND, is_announce_down);
    assert_eq!(count(&sent, "announce"), 2);
    // 2 restarted, and answers.
    let feed = Packet::new(Peer { addr: 2, life: 1 }, peer(1), Message::Feed);
    solo.hears(feed);
    assert_eq!(solo.engine.num_members(), 1);
}

/// Whoever forges deaths of people that nobody knows must not keep us from asking those we knew.
#[test]
fn strangers_do_not_keep_us_from_announcing_to_those_we_knew() {
    let mut solo = rememberer(1000);
    for addr in 1000..1500 {
        solo.hears_of(2, peer(addr), 0, State::Down);
    }
    solo.fires(65 * SECOND, is_announce_down);
    dies(&mut solo, 9);
    let sent: Vec<_> = (0..3)
        .flat_map(|_| solo.fires(65 * SECOND, is_announce_down))
        .collect();
    assert!(sent.iter().any(|(to, _)| *to == peer(9)));
}

#[test]
fn the_bound_holds_whatever_is_told() {
    let mut solo = rememberer(16);
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..3000 {
        let state = [State::Alive, State::Suspect, State::Down][rng.usize(..3)];
        let about = Peer {
            addr: rng.u16(3..60),
            life: rng.u8(..4),
        };
        solo.hears_of(2, about, rng.u16(..3), state);
        assert!(solo.engine.num_down_members() <= 16);
        if rng.u8(..20) == 0 {
            solo.fires(10 * SECOND, is_forget);
        }
    }
}

#[test]
fn one_timer_forgets_all_the_dead() {
    let mut solo = rememberer(16);
    for addr in 3..20_000 {
        solo.hears_of(2, peer(addr), 0, State::Down);
    }
    let before = solo.timers.len();
    assert!(before < 10, "{before} timers for 16 dead");
    ages(&mut solo, 113);
    assert_eq!(solo.engine.num_down_members(), 0);
    assert_eq!(
        solo.timers.len(),
        before - 1,
        "nothing left to forget, nothing left to tick"
    );
}
