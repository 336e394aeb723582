//! Finding out who died, and not accusing who did not.

use selkie::{Config, Notice, State};

use crate::{
    codec::peer,
    world::{SECOND, World},
};

#[test]
fn a_member_that_stops_answering_is_suspected_then_down_at_everybody() {
    for seed in 0..5 {
        let mut world = World::joined(16, Config::lan(), seed);
        world.run_for(10 * SECOND);
        let killed_at = world.now;
        world.kill(7);
        let took = world.run_until(40 * SECOND, |world| world.all_see_all());
        assert!(took.is_some(), "seed {seed}");
        // Gossip may skip one member or another; the Down reaches it all the same.
        let mut suspected = 0;
        for at in world.up() {
            let down = world
                .notified(at, &Notice::MemberDown(peer(7)))
                .expect("down");
            if let Some(suspect) = world.suspected(at, 7) {
                assert!(killed_at < suspect && suspect < down, "seed {seed}");
                suspected += 1;
            }
        }
        assert!(
            suspected >= 12,
            "seed {seed}: {suspected} of 15 heard of the suspicion"
        );
    }
}

#[test]
fn a_suspicion_of_a_healthy_member_is_refuted_everywhere() {
    let mut world = World::joined(12, Config::lan(), 3);
    // 5 hears nobody for a while, and nobody hears 5.
    world.cut([5], &(1..=12).filter(|&a| a != 5).collect::<Vec<_>>());
    let suspected = world.run_until(20 * SECOND, |world| {
        world.belief(1, 5) == Some(State::Suspect)
    });
    assert!(suspected.is_some());
    world.heal();
    world.run_for(30 * SECOND);
    assert!(world.all_see_all());
    for at in (1..=12).filter(|&at| at != 5) {
        assert_eq!(world.belief(at, 5), Some(State::Alive));
        assert_eq!(
            world.notified(at, &Notice::MemberDown(peer(5))),
            None,
            "at {at}"
        );
    }
}

#[test]
fn a_member_with_one_bad_link_is_vouched_for_by_others() {
    let mut world = World::joined(8, Config::lan(), 4);
    world.cut([2], &[3]);
    world.run_for(120 * SECOND);
    assert!(world.all_see_all());
    for (at, about) in [(2, 3), (3, 2)] {
        assert_eq!(world.suspected(at, about), None);
    }
}

#[test]
fn no_healthy_member_is_lost_for_good_under_heavy_loss() {
    let mut world = World::joined(20, Config::lan(), 5);
    world.loss = 0.2;
    world.run_for(600 * SECOND);
    world.loss = 0.0;
    assert!(
        world
            .run_until(130 * SECOND, |world| world.all_see_all())
            .is_some()
    );
}
