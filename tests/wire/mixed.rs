//! Clusters of selkie and foca members, under loss.

use selkie::State;

use crate::{
    peer::peer,
    site::{
        Kind::{
            self, Foca1Bincode, Foca1LegacyBincode, Foca2Postcard, SelkieBincode,
            SelkieLegacyBincode, SelkiePostcard,
        },
        Notice, Pace,
    },
    world::{SECOND, World, seed},
};

/// A foca and a selkie that speak the same.
const PAIRS: [(Kind, Kind); 3] = [
    (Foca2Postcard, SelkiePostcard),
    (Foca1Bincode, SelkieBincode),
    (Foca1LegacyBincode, SelkieLegacyBincode),
];

/// A place with a foca, and one with a selkie.
const EITHER: [usize; 2] = [2, 3];

/// Runs it in a joined cluster of four focas (even places) and four selkies (odd ones), for each
/// pair, with a member of either kind as the one it is about.
#[track_caller]
fn with_either(pace: Pace, story: impl Fn(&mut World, usize)) {
    for (foca, selkie) in PAIRS {
        for about in EITHER {
            let kinds = [foca, selkie].repeat(4);
            let mut world = World::joined(&kinds, pace, seed(), about);
            story(&mut world, about);
        }
    }
}

#[test]
fn members_join_at_a_member_of_either_kind_and_all_see_all() {
    for pace in [Pace::Simple, Pace::Lan] {
        with_either(pace, |world, _| {
            world.runs_for(60 * SECOND);
            world.wait("all see all, still", World::all_see_all);
        });
    }
}

#[test]
fn a_member_of_either_kind_that_dies_is_down_to_all() {
    for pace in [Pace::Simple, Pace::Lan] {
        with_either(pace, |world, dead| {
            world.kill(dead);
            world.wait("down to all", |world| world.is_down_to_all(dead));
            world.wait("the others see each other", World::all_see_all);
        });
    }
}

#[test]
fn a_member_of_either_kind_refutes_a_suspicion() {
    with_either(Pace::Lan, |world, suspect| {
        let before = world.site(suspect).identity();
        world.loss = 0.0;
        world.cut_off(suspect);
        world.wait("suspected by one of each kind", |world| {
            [true, false].into_iter().all(|is_selkie| {
                world.up().any(|at| {
                    world.places[at].kind.is_selkie() == is_selkie
                        && at != suspect
                        && world.belief(at, suspect).unwrap().state == State::Suspect
                })
            })
        });
        world.heal();
        world.loss = 0.05;
        world.wait("alive again to all", |world| {
            world.up().filter(|&at| at != suspect).all(|at| {
                world.belief(at, suspect).is_some_and(|belief| {
                    belief.state == State::Alive
                        && (belief.incarnation.0 > 0 || belief.id != before)
                })
            })
        });
        let refuted = world
            .up()
            .any(|at| at != suspect && !world.places[at].notices.contains(&Notice::Down(before)));
        assert!(refuted, "declared down by everybody");
    });
}

/// foca tells a member whose suspicion it raised that it is down, even if that was refuted. A foca
/// takes that for true; a selkie asks.
#[test]
fn what_foca_tells_a_healthy_member_by_mistake_does_not_move_a_selkie() {
    for (foca, selkie) in PAIRS {
        let mut world = World::joined(&[foca, selkie], Pace::Lan, seed(), 0);
        world.loss = 0.0;
        world.cut_off(1);
        world.wait("suspected", |world| {
            world.belief(0, 1).unwrap().state == State::Suspect
        });
        world.heal();
        world.wait("refuted", |world| {
            world.belief(0, 1).unwrap().state == State::Alive
        });
        world.runs_for(60 * SECOND);
        assert!(world.verdicts > 0, "this foca has learned better: {foca:?}");
        assert_eq!(world.site(1).identity(), peer(1), "{foca:?}");
        assert!(world.all_see_all());
    }
}

#[test]
fn a_restarted_member_of_either_kind_takes_its_own_place() {
    for pace in [Pace::Simple, Pace::Lan] {
        with_either(pace, |world, restarted| {
            let before = world.site(restarted).identity();
            world.kill(restarted);
            world.restart(restarted);
            let after = world.site(restarted).identity();
            assert_eq!(after, before.next());
            world.joins(restarted, (restarted + 1) % 8);
            world.wait("all see all", World::all_see_all);
            let renamed = Notice::Rename(before, after);
            let told = world
                .up()
                .filter(|&at| world.places[at].notices.contains(&renamed))
                .count();
            assert!(told > 0, "nobody was told of the new identity");
        });
    }
}

#[test]
fn custom_broadcasts_go_from_either_kind_to_all() {
    for pace in [Pace::Simple, Pace::Lan] {
        with_either(pace, |world, from| {
            for data in [&b"hello"[..], b"hi", &[7; 300]] {
                world.input(from, |site, out| site.add_broadcast(data, out));
            }
            for data in [&b"hello"[..], b"hi", &[7; 300]] {
                world.wait("heard by all", |world| {
                    world.up().all(|at| world.site(at).has_heard(data))
                });
            }
        });
    }
}

#[test]
fn a_member_of_either_kind_that_leaves_is_down_to_all_at_once() {
    with_either(Pace::Lan, |world, leaver| {
        world.input(leaver, |site, out| site.leave(out));
        // A process that leaves ends; foca would hear of its own end, and come back.
        world.runs_for(SECOND / 2);
        world.kill(leaver);
        world.wait("down to all", |world| world.is_down_to_all(leaver));
        world.wait("the others see each other", World::all_see_all);
    });
}

#[test]
fn a_selkie_that_left_stays_away_from_focas() {
    for (foca, selkie) in PAIRS {
        let mut world = World::joined(&[foca, selkie].repeat(4), Pace::Lan, seed(), 0);
        let identity = world.site(3).identity();
        world.input(3, |site, out| site.leave(out));
        world.wait("down to all", |world| world.is_down_to_all(3));
        world.runs_for(120 * SECOND);
        assert!(world.is_down_to_all(3), "came back: {foca:?}");
        assert_eq!(world.site(3).identity(), identity);
    }
}

#[test]
fn members_of_each_kind_that_were_cut_off_come_back() {
    for (foca, selkie) in PAIRS {
        let mut world = World::joined(&[foca, selkie].repeat(3), Pace::Lan, seed(), 0);
        world.cut_off(1);
        world.cut_off(2);
        world.wait("cut off to all", |world| {
            let lost = |at: usize, of: usize| {
                world
                    .belief(at, of)
                    .is_some_and(|belief| belief.state == State::Down)
            };
            (3..6).all(|at| lost(at, 1) && lost(at, 2)) && lost(0, 1) && lost(1, 2) && lost(2, 1)
        });
        world.heal();
        world.wait("all see all", World::all_see_all);
    }
}
