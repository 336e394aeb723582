//! Joining, spreading, leaving and coming back, among several.

use selkie::{Config, Member, Notice, State};

use crate::{
    codec::{Peer, peer},
    world::{SECOND, World},
};

#[test]
fn members_that_announce_to_one_seed_all_see_each_other() {
    for config in [Config::simple(), Config::local(), Config::lan()] {
        let world = World::joined(20, config, 1);
        for addr in world.up() {
            assert_eq!(world.site(addr).engine.num_members(), 19);
        }
    }
}

#[test]
fn a_member_that_leaves_is_gone_to_all_at_once_and_stays_so() {
    let mut world = World::joined(10, Config::lan(), 2);
    world
        .input(4, |engine, out| engine.leave_cluster(out))
        .unwrap();
    world.run_for(5 * SECOND);
    let unaware = (1..=10)
        .filter(|&at| at != 4)
        .filter(|&at| world.belief(at, 4) != Some(State::Left))
        .count();
    // Gossip alone misses one member now and then: that one finds out by probing.
    assert!(unaware <= 1, "{unaware} did not hear of it");
    let acked = |notice: &Notice<Peer>| matches!(notice, Notice::LeaveAcked(_));
    assert!(
        world
            .site(4)
            .notices
            .iter()
            .any(|(_, notice)| acked(notice))
    );
    world.run_for(120 * SECOND);
    assert_eq!(
        *world.site(4).engine.identity(),
        peer(4),
        "renewed itself after leaving"
    );
    assert!(
        (1..=10)
            .filter(|&at| at != 4)
            .all(|at| world.belief(at, 4) == Some(State::Left))
    );
}

#[test]
fn a_restarted_member_with_a_newer_identity_takes_over_at_once() {
    let mut world = World::joined(8, Config::lan(), 3);
    world.kill(5);
    world.restart(Peer { addr: 5, life: 1 });
    world.announces(5, 1);
    let took = world.run_until(5 * SECOND, |world| {
        world.all_see_all()
            && (1..=8).filter(|&at| at != 5).all(|at| {
                world
                    .notified(
                        at,
                        &Notice::Rename {
                            before: peer(5),
                            after: Peer { addr: 5, life: 1 },
                        },
                    )
                    .is_some()
            })
    });
    assert!(took.is_some());
    for at in (1..=8).filter(|&at| at != 5) {
        assert_eq!(world.notified(at, &Notice::MemberDown(peer(5))), None);
    }
}

#[test]
fn broadcasts_reach_everybody_and_only_the_newest_of_a_key_stays() {
    let mut world = World::joined(20, Config::lan(), 0);
    assert!(
        world
            .input(7, |engine, out| engine.add_broadcast(&[9, 1, 0], out))
            .unwrap()
    );
    assert!(
        world
            .input(7, |engine, out| engine.add_broadcast(&[9, 2, 0], out))
            .unwrap()
    );
    assert_eq!(world.site(7).engine.broadcasts_backlog(), 1);
    let took = world.run_until(5 * SECOND, |world| {
        world
            .sites
            .iter()
            .all(|site| site.engine.handler().0.get(&9) == Some(&2))
    });
    assert!(took.is_some());
    world.run_for(20 * SECOND);
    assert!(
        world
            .sites
            .iter()
            .all(|site| site.engine.broadcasts_backlog() == 0)
    );
}

#[test]
fn two_halves_that_hold_each_other_down_become_one_again() {
    for seed in 0..10 {
        let mut world = World::joined(20, Config::lan(), seed);
        let (one, other): (Vec<u16>, Vec<u16>) = (1..=20).partition(|&addr| addr <= 10);
        world.cut(one, &other);
        let apart = world.run_until(120 * SECOND, |world| {
            world
                .sites
                .iter()
                .all(|site| site.engine.num_members() == 9)
        });
        assert!(apart.is_some(), "seed {seed}");
        world.run_for(60 * SECOND);
        world.heal();
        // Two intervals of announcing to down members.
        let together = world.run_until(130 * SECOND, World::all_see_all);
        assert!(together.is_some(), "seed {seed}");
    }
}

#[test]
fn members_that_were_all_cut_off_from_each_other_become_one_cluster_again() {
    for seed in 0..20 {
        let mut world = World::joined(12, Config::lan(), seed);
        let all: Vec<u16> = (1..=12).collect();
        world.cut(1..=12, &all);
        let apart = world.run_until(300 * SECOND, |world| {
            world
                .sites
                .iter()
                .all(|site| site.engine.num_members() == 0)
        });
        assert!(apart.is_some(), "seed {seed}");
        world.heal();
        // Two intervals of announcing to down members, and some seconds for the news to spread.
        let together = world.run_until(140 * SECOND, World::all_see_all);
        assert!(together.is_some(), "seed {seed}");
    }
}

#[test]
fn well_known_peers_given_as_down_are_announced_to_until_they_are_there() {
    let mut world = World::new(3, Config::local(), 8);
    world.kill(1);
    for addr in [2, 3] {
        world.input(addr, |engine, out| {
            engine.apply_many([Member::down(peer(1), Default::default())], out);
        });
    }
    world.run_for(60 * SECOND);
    world.restart(peer(1));
    assert!(
        world
            .run_until(60 * SECOND, |world| world.all_see_all())
            .is_some()
    );
}
