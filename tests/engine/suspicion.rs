//! From suspicion to Down.

use selkie::{Config, Message, Notice, State, Suspicion, Timer};

use crate::{
    codec::{Packet, Peer, peer},
    solo::{Solo, count, suspected, swim},
    world::{SECOND, World},
};

fn is_suspicion(timer: &Timer<Peer>) -> bool {
    matches!(timer, Timer::Suspicion { .. })
}

fn told_down(sent: &[(Peer, Packet)]) -> usize {
    count(sent, "turn-undead")
}

/// Knows members 2 to 4; suspicions take five seconds.
fn watcher() -> Solo {
    let mut config = swim();
    config.suspicion = Suspicion::Fixed(5 * SECOND);
    let mut solo = Solo::new(config);
    for addr in 2..=4 {
        solo.knows(peer(addr), 0, State::Alive);
    }
    solo
}

#[test]
fn whoever_holds_a_suspicion_declares_the_member_down_in_time() {
    let mut solo = watcher();
    solo.hears_of(3, peer(2), 0, State::Suspect);
    solo.fires(SECOND * 49 / 10, is_suspicion);
    assert_eq!(solo.belief(2), Some((State::Suspect, 0)));
    let sent = solo.fires(SECOND / 10, is_suspicion);
    assert_eq!(solo.belief(2), Some((State::Down, 0)));
    assert_eq!(told_down(&sent), 0, "only an accuser tells");
    assert_eq!(solo.engine.counters().suspicions_expired, 1);
    let down = [suspected(peer(2)), Notice::MemberDown(peer(2))];
    assert_eq!(solo.notices(), down);
}

#[test]
fn an_accuser_tells_the_member_that_it_is_down() {
    let mut solo = Solo::new(swim());
    solo.knows(peer(2), 0, State::Alive);
    let sent = solo.passes(10 * SECOND);
    assert_eq!(solo.belief(2), Some((State::Down, 0)));
    assert_eq!(told_down(&sent), 1);
    assert_eq!(sent.last().unwrap().0, peer(2));
}

#[test]
fn an_own_failed_probe_of_a_suspect_is_an_accusation() {
    let mut solo = Solo::new(swim());
    solo.knows(peer(2), 0, State::Suspect);
    let sent = solo.passes(10 * SECOND);
    assert_eq!(told_down(&sent), 1);
}

#[test]
fn nobody_is_told_when_that_is_off() {
    let mut config = swim();
    config.notify_down_members = false;
    let mut solo = Solo::new(config);
    solo.knows(peer(2), 0, State::Alive);
    assert_eq!(told_down(&solo.passes(10 * SECOND)), 0);
    assert_eq!(solo.belief(2), Some((State::Down, 0)));
}

/// Never again: a suspicion that was refuted in time still tells the healthy member it is Down
/// when its timer fires.
#[test]
fn a_suspicion_refuted_in_time_neither_ends_in_down_nor_tells_anybody() {
    let mut config = swim();
    config.suspicion = Suspicion::Fixed(5 * SECOND);
    let mut solo = Solo::new(config);
    solo.knows(peer(2), 0, State::Alive);
    // Fails a probe of our own, so that we are an accuser.
    while solo.belief(2) != Some((State::Suspect, 0)) {
        solo.passes(SECOND / 10);
    }
    let refutation = Packet::new(peer(2), peer(1), Message::Gossip).incarnation(1);
    solo.hears(refutation);
    let sent = solo.fires(60 * SECOND, is_suspicion);
    assert_eq!(solo.belief(2), Some((State::Alive, 1)));
    assert_eq!(
        (told_down(&sent), solo.engine.counters().suspicions_expired),
        (0, 0)
    );
}

#[test]
fn a_second_suspicion_has_a_timer_of_its_own() {
    let mut solo = watcher();
    solo.hears_of(3, peer(2), 0, State::Suspect);
    solo.fires(SECOND * 4, is_suspicion);
    solo.hears_of(3, peer(2), 1, State::Alive);
    solo.hears_of(3, peer(2), 1, State::Suspect);
    solo.fires(SECOND * 4, is_suspicion);
    assert_eq!(
        solo.belief(2),
        Some((State::Suspect, 1)),
        "by the first one's timer"
    );
    solo.fires(SECOND, is_suspicion);
    assert_eq!(solo.belief(2), Some((State::Down, 1)));
}

#[test]
fn a_higher_incarnation_starts_the_suspicion_afresh() {
    let mut solo = watcher();
    solo.hears_of(3, peer(2), 0, State::Suspect);
    solo.fires(SECOND * 4, is_suspicion);
    solo.hears_of(3, peer(2), 1, State::Suspect);
    solo.fires(SECOND * 4, is_suspicion);
    assert_eq!(solo.belief(2), Some((State::Suspect, 1)));
}

#[test]
fn the_same_suspicion_again_does_not_prolong_it() {
    let mut solo = watcher();
    solo.hears_of(3, peer(2), 0, State::Suspect);
    solo.fires(SECOND * 4, is_suspicion);
    solo.hears_of(4, peer(2), 0, State::Suspect);
    solo.fires(SECOND, is_suspicion);
    assert_eq!(solo.belief(2), Some((State::Down, 0)));
}

/// Never again: each incarnation suspected leaves a timer, and there are 65,536 of them.
#[test]
fn a_suspect_has_a_few_timers_however_often_its_suspicion_starts_afresh() {
    let mut solo = watcher();
    let timers = |solo: &mut Solo| {
        solo.schedule();
        let mut copy = solo.timers.clone();
        core::iter::from_fn(|| copy.pop_due(SECOND * 3600))
            .filter(is_suspicion)
            .count()
    };
    for incarnation in 0..1000 {
        solo.hears_of(3, peer(2), incarnation, State::Suspect);
    }
    assert_eq!(timers(&mut solo), 4);
    for life in 1..200 {
        let id = Peer { addr: 2, life };
        solo.hears_of(3, id, 0, State::Suspect);
        solo.hears_of(3, id, 0, State::Down);
    }
    assert_eq!(timers(&mut solo), 4);
    let last = Peer { addr: 2, life: 200 };
    solo.hears_of(3, last, 0, State::Suspect);
    // Its own timer is submitted when another one's is out of the way.
    solo.fires(SECOND * 5, is_suspicion);
    assert_eq!(solo.belief(2), Some((State::Suspect, 0)));
    assert_eq!(timers(&mut solo), 1);
    solo.fires(SECOND * 5, is_suspicion);
    assert_eq!(solo.belief(2), Some((State::Down, 0)));
    assert_eq!(timers(&mut solo), 0);
}

#[test]
fn timers_that_fire_while_we_are_gone_are_owed_when_we_are_back() {
    let mut solo = watcher();
    for incarnation in 0..10 {
        solo.hears_of(3, peer(2), incarnation, State::Suspect);
    }
    solo.engine.leave_cluster(&mut solo.runtime).unwrap();
    solo.fires(SECOND * 60, is_suspicion);
    assert_eq!(solo.belief(2), Some((State::Suspect, 9)));
    solo.engine.reuse_down_identity(&mut solo.runtime).unwrap();
    solo.fires(SECOND * 49 / 10, is_suspicion);
    assert_eq!(solo.belief(2), Some((State::Suspect, 9)));
    solo.fires(SECOND / 10, is_suspicion);
    assert_eq!(solo.belief(2), Some((State::Down, 9)));
}

#[test]
fn a_later_life_is_not_declared_down_by_the_former_ones_timer() {
    let mut solo = watcher();
    let newer = Peer { addr: 2, life: 1 };
    solo.hears_of(3, peer(2), 0, State::Suspect);
    solo.fires(SECOND * 4, is_suspicion);
    solo.hears_of(3, newer, 0, State::Suspect);
    solo.fires(SECOND * 2, is_suspicion);
    assert_eq!(solo.belief(2), Some((State::Suspect, 0)));
}

#[test]
fn suspicion_timers_survive_a_change_of_connection() {
    let mut solo = watcher();
    solo.hears_of(3, peer(2), 0, State::Suspect);
    let config = solo.engine.config().clone();
    solo.engine.set_config(config, &mut solo.runtime).unwrap();
    solo.fires(SECOND * 5, is_suspicion);
    assert_eq!(solo.belief(2), Some((State::Down, 0)));
}

#[test]
fn after_a_change_of_our_own_identity_suspicions_start_again_from_zero() {
    for renew in [true, false] {
        let mut solo = Solo::new({
            let mut config = swim();
            config.suspicion = Suspicion::Fixed(5 * SECOND);
            config
        });
        solo.knows(peer(3), 0, State::Alive);
        solo.knows(peer(2), 0, State::Suspect);
        solo.fires(SECOND * 4, is_suspicion);
        if renew {
            solo.hears_of(3, peer(1), 0, State::Down);
            assert_eq!(solo.engine.identity().life, 1);
        } else {
            solo.engine.leave_cluster(&mut solo.runtime).unwrap();
            solo.fires(SECOND / 2, is_suspicion);
            solo.engine.reuse_down_identity(&mut solo.runtime).unwrap();
        }
        solo.sent();
        solo.fires(SECOND * 4, is_suspicion);
        assert_eq!(solo.belief(2), Some((State::Suspect, 0)), "renew {renew}");
        solo.fires(SECOND, is_suspicion);
        assert_eq!(solo.belief(2), Some((State::Down, 0)));
    }
}

#[test]
fn nobody_is_declared_down_after_leaving() {
    let mut solo = watcher();
    solo.hears_of(3, peer(2), 0, State::Suspect);
    solo.engine.leave_cluster(&mut solo.runtime).unwrap();
    solo.fires(SECOND * 60, is_suspicion);
    assert_eq!(solo.belief(2), Some((State::Suspect, 0)));
}

#[test]
fn the_timeout_grows_with_the_logarithm_of_the_cluster() {
    for (members, periods) in [(2, 4.0), (9, 4.0), (99, 8.0), (999, 12.0)] {
        let mut solo = Solo::new(swim());
        for addr in 2..2 + members {
            solo.knows(peer(addr), 0, State::Alive);
        }
        solo.hears_of(3, peer(2), 0, State::Suspect);
        let due = SECOND.mul_f64(periods);
        solo.fires(due - SECOND / 1000, is_suspicion);
        assert_eq!(solo.belief(2), Some((State::Suspect, 0)), "{members}");
        solo.fires(SECOND / 500, is_suspicion);
        assert_eq!(solo.belief(2), Some((State::Down, 0)), "{members}");
    }
}

#[test]
fn a_dead_accuser_is_no_reprieve() {
    let mut world = World::joined(6, Config::lan(), 11);
    world.kill(2);
    let suspected = world.run_until(30 * SECOND, |world| {
        (3..=6).any(|at| world.belief(at, 2) == Some(State::Suspect))
    });
    assert!(suspected.is_some());
    let accuser = (3..=6)
        .find(|&at| world.belief(at, 2) == Some(State::Suspect))
        .unwrap();
    world.run_for(SECOND);
    world.kill(accuser);
    assert!(world.run_until(40 * SECOND, World::all_see_all).is_some());
}

#[test]
fn a_member_that_is_declared_down_is_spread_as_such_and_may_come_back() {
    let mut solo = watcher();
    let declare = |solo: &mut Solo, id| {
        let declared = solo.engine.declare_down(&id, &mut solo.runtime);
        declared.expect("we take part")
    };
    assert!(declare(&mut solo, peer(2)));
    assert_eq!(solo.belief(2), Some((State::Down, 0)));
    assert_eq!(solo.notices(), [Notice::MemberDown(peer(2))]);
    assert_eq!(solo.engine.updates_backlog(), 1);
    // It is down already, nobody knows the other one, and we are no member but ourselves.
    for nobody in [peer(2), peer(9), peer(1)] {
        assert!(!declare(&mut solo, nobody));
    }
    assert_eq!(solo.notices(), []);
}
