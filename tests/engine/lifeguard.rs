//! Lifeguard: doubting oneself first, and waiting for others to agree.

use core::time::Duration;

use selkie::{Config, Member, Message, Notice, ProbeNumber, State, Suspicion, Timer};

use crate::{
    codec::{Packet, Peer, peer},
    solo::{Solo, count, kinds, suspected_by, swim},
    world::{SECOND, World},
};

/// An engine in a cluster of `n` members, with nothing else to do than what the test is about.
fn among(n: u16, change: impl FnOnce(&mut Config)) -> Solo {
    let mut config = swim();
    config.periodic_gossip = None;
    config.periodic_announce = None;
    config.periodic_announce_to_down_members = None;
    config.suspicion = Suspicion::Fixed(3600 * SECOND);
    change(&mut config);
    let mut solo = Solo::new(config);
    for addr in 2..=n {
        solo.knows(peer(addr), 0, State::Alive);
    }
    solo
}

fn is_probe(timer: &Timer<Peer>) -> bool {
    matches!(timer, Timer::Probe { .. })
}

fn is_indirect(timer: &Timer<Peer>) -> bool {
    matches!(timer, Timer::IndirectProbe { .. })
}

fn is_nack(timer: &Timer<Peer>) -> bool {
    matches!(timer, Timer::Nack { .. })
}

/// A whole period in which nobody answers, however long it is.
fn period(solo: &mut Solo) -> Vec<(Peer, Packet)> {
    let mut sent = solo.fires(100 * SECOND, is_probe);
    sent.extend(solo.fires(100 * SECOND, is_indirect));
    sent
}

#[track_caller]
fn pinged(sent: &[(Peer, Packet)]) -> (Peer, ProbeNumber) {
    let ping = sent.iter().find_map(|(to, packet)| {
        let Message::Ping(number) = packet.header.message else {
            return None;
        };
        Some((*to, number))
    });
    ping.expect("a ping")
}

mod local_health {
    use super::*;

    #[test]
    fn failed_probes_make_us_slower_up_to_ninefold_and_answered_ones_faster() {
        let mut solo = among(30, |config| config.local_health = true);
        // The first period begins with no probe that could have failed.
        for score in [0, 1, 2, 3, 4, 5, 6, 7, 8, 8] {
            period(&mut solo);
            assert_eq!(solo.engine.local_health(), score);
        }
        assert_eq!(solo.engine.local_health(), 8);
        let sent = solo.passes(90 * SECOND);
        assert_eq!(count(&sent, "ping"), 10, "one in nine seconds");

        for _ in 0..10 {
            let sent = solo.fires(100 * SECOND, is_probe);
            let (to, number) = pinged(&sent);
            solo.hears_from(to.addr, Message::Ack(number));
            solo.fires(100 * SECOND, is_indirect);
        }
        solo.fires(100 * SECOND, is_probe);
        assert_eq!(solo.engine.local_health(), 0);
    }

    #[test]
    fn both_stages_of_a_probe_are_stretched() {
        let mut solo = among(30, |config| config.local_health = true);
        period(&mut solo);
        let healthy = solo.fires(100 * SECOND, is_probe);
        assert_eq!(
            (count(&healthy, "ping"), solo.engine.local_health()),
            (1, 1)
        );
        assert_eq!(solo.fires(SECOND * 99 / 100, is_indirect), []);
        assert_eq!(count(&solo.fires(SECOND / 100, is_indirect), "ping-req"), 3);
        assert_eq!(solo.fires(SECOND * 99 / 100, is_probe), []);
        assert_eq!(count(&solo.fires(SECOND / 100, is_probe), "ping"), 1);
    }

    #[test]
    fn having_to_refute_is_a_bad_sign() {
        let mut solo = among(5, |config| config.local_health = true);
        solo.hears_of(2, peer(1), 0, State::Suspect);
        assert_eq!(solo.engine.local_health(), 1);
        // What we refuted already is not.
        solo.hears_of(3, peer(1), 0, State::Suspect);
        assert_eq!(solo.engine.local_health(), 1);
    }

    #[test]
    fn a_failed_probe_says_nothing_about_us_if_others_accuse_the_target() {
        let mut solo = among(3, |config| {
            config.local_health = true;
            config.nacks = true;
        });
        for about in [2, 3] {
            solo.hears_of(5 - about, peer(about), 0, State::Suspect);
        }
        for _ in 0..5 {
            period(&mut solo);
        }
        assert!(solo.engine.counters().probes_failed > 0);
        assert_eq!(solo.engine.local_health(), 0);
    }

    #[test]
    fn switched_off_it_stretches_nothing() {
        let mut solo = among(30, |_| {});
        for _ in 0..5 {
            period(&mut solo);
        }
        let pings = count(&solo.passes(20 * SECOND), "ping");
        assert!((19..=21).contains(&pings), "{pings}");
    }
}

mod nacks {
    use super::*;

    const N: ProbeNumber = ProbeNumber(9);

    fn asks(solo: &mut Solo, target: u16) -> Vec<(Peer, Packet)> {
        let target = peer(target);
        solo.hears_from(2, Message::PingReq { target, number: N })
    }

    #[test]
    fn a_helper_without_an_answer_says_so_in_time_and_still_passes_a_late_one_on() {
        let mut solo = among(5, |config| config.nacks = true);
        assert_eq!(kinds(&asks(&mut solo, 3)), [(3, "indirect-ping")]);
        assert_eq!(solo.fires(Duration::from_millis(399), is_nack), []);
        let nacks = solo.fires(Duration::from_millis(1), is_nack);
        assert_eq!(kinds(&nacks), [(2, "nack")]);
        assert_eq!(
            nacks[0].1.header.message,
            Message::Nack {
                target: peer(3),
                number: N
            }
        );
        let late = solo.hears_from(
            3,
            Message::IndirectAck {
                target: peer(2),
                number: N,
            },
        );
        assert_eq!(kinds(&late), [(2, "forwarded-ack")]);
    }

    #[test]
    fn a_helper_with_an_answer_sends_no_nack() {
        let mut solo = among(5, |config| config.nacks = true);
        asks(&mut solo, 3);
        solo.hears_from(
            3,
            Message::IndirectAck {
                target: peer(2),
                number: N,
            },
        );
        assert_eq!(solo.fires(SECOND, is_nack), []);
    }

    #[test]
    fn a_target_that_is_no_member_is_nacked_at_once_and_one_that_is_down_told_first() {
        let mut solo = among(5, |config| config.nacks = true);
        assert_eq!(kinds(&asks(&mut solo, 77)), [(2, "nack")]);
        solo.hears_of(3, peer(4), 0, State::Down);
        for _ in 0..20 {
            // Long since spread as often as it is.
            solo.engine.gossip(&mut solo.runtime).unwrap();
        }
        solo.sent();
        let nacks = asks(&mut solo, 4);
        assert_eq!(kinds(&nacks), [(2, "nack")]);
        assert_eq!(
            nacks[0].1.members,
            [Member::down(peer(4), Default::default())]
        );
    }

    #[test]
    fn switched_off_none_is_sent() {
        let mut solo = among(5, |_| {});
        asks(&mut solo, 3);
        assert_eq!(asks(&mut solo, 77), []);
        assert_eq!(solo.fires(SECOND, is_nack), []);
    }

    #[test]
    fn nacks_that_are_missing_are_a_worse_sign_than_the_silence_of_the_target_alone() {
        for (heard, score) in [(0, 2), (2, 2), (3, 1)] {
            let mut solo = among(5, |config| {
                config.local_health = true;
                config.nacks = true;
            });
            let (target, number) = pinged(&solo.fires(SECOND, is_probe));
            let asked = solo.fires(SECOND, is_indirect);
            assert_eq!(asked.len(), 3);
            for (helper, _) in &asked[..heard] {
                solo.hears_from(helper.addr, Message::Nack { target, number });
                solo.hears_from(helper.addr, Message::Nack { target, number });
            }
            solo.fires(SECOND, is_probe);
            assert_eq!(solo.engine.local_health(), score, "{heard} of 3");
        }
    }

    #[test]
    fn who_was_asked_in_vain_is_told_after_the_accusation_and_who_said_so() {
        let mut solo = among(5, |config| config.nacks = true);
        let (target, number) = pinged(&solo.fires(SECOND, is_probe));
        let asked = solo.fires(SECOND, is_indirect);
        let heard = asked[1].0;
        solo.hears_from(heard.addr, Message::Nack { target, number });
        solo.notices();
        solo.fires(SECOND, is_probe);
        let through = asked.iter().map(|(helper, _)| Notice::ProbedThrough {
            target,
            helper: *helper,
            was_heard: *helper == heard,
        });
        let accused = suspected_by(target, *solo.engine.identity());
        let expected: Vec<_> = core::iter::once(accused).chain(through).collect();
        assert_eq!(solo.notices(), expected);
    }

    #[test]
    fn nacks_from_others_or_about_others_do_not_count() {
        let mut solo = among(9, |config| config.nacks = true);
        let (target, number) = pinged(&solo.fires(SECOND, is_probe));
        let asked = solo.fires(SECOND, is_indirect);
        let is_asked = |addr: u16| asked.iter().any(|(to, _)| to.addr == addr);
        let other = (2..=9)
            .find(|&addr| !is_asked(addr) && addr != target.addr)
            .unwrap();
        solo.hears_from(other, Message::Nack { target, number });
        let helper = asked[0].0.addr;
        solo.hears_from(
            helper,
            Message::Nack {
                target: peer(other),
                number,
            },
        );
        solo.hears_from(
            helper,
            Message::Nack {
                target,
                number: number.next(),
            },
        );
        assert_eq!(solo.engine.counters().nacks_heard, 0);
        assert_eq!(solo.engine.counters().acks_unmatched, 3);
    }

    #[test]
    fn a_flood_of_requests_leaves_a_bounded_number_of_timers() {
        let mut solo = among(5, |config| config.nacks = true);
        for _ in 0..1000 {
            asks(&mut solo, 3);
        }
        solo.schedule();
        assert!(solo.timers.len() <= 70, "{} timers", solo.timers.len());
    }
}

mod accusers {
    use super::*;

    fn judge(n: u16) -> Solo {
        among(n, |config| {
            config.accusers = true;
            config.suspicion = Suspicion::Confirmed { min: 5, max: 6 };
        })
    }

    fn accuses(solo: &mut Solo, accuser: u16, suspect: u16) {
        let gossip = Packet::new(peer(accuser), peer(1), Message::Gossip);
        solo.hears(gossip.suspected_by(peer(suspect), 0, peer(accuser)));
    }

    fn is_suspicion(timer: &Timer<Peer>) -> bool {
        matches!(timer, Timer::Suspicion { .. })
    }

    /// How long it takes from now until somebody is down, with no timer but those of suspicions.
    fn down_after(solo: &mut Solo, addr: u16) -> Duration {
        let step = SECOND / 100;
        let start = solo.now;
        while solo
            .belief(addr)
            .is_some_and(|(state, _)| state != State::Down)
        {
            solo.fires(step, is_suspicion);
            assert!(solo.now - start < 300 * SECOND, "never");
        }
        solo.now - start
    }

    /// The paper's figures for 128 members, α = 5, β = 6.
    #[test]
    fn the_wait_is_the_papers_for_each_number_of_confirmations() {
        for (accusers, seconds) in [(1, 63.2), (2, 36.9), (3, 21.47), (4, 10.54), (7, 10.54)] {
            let mut solo = judge(128);
            for accuser in 0..accusers {
                accuses(&mut solo, 10 + accuser, 2);
            }
            let took = down_after(&mut solo, 2).as_secs_f64();
            assert!((took - seconds).abs() < 0.15, "{accusers}: {took} s");
        }
    }

    #[test]
    fn a_confirmation_after_its_deadline_counts_at_once() {
        let mut solo = judge(128);
        accuses(&mut solo, 10, 2);
        solo.fires(30 * SECOND, is_suspicion);
        accuses(&mut solo, 11, 2);
        assert_eq!(solo.belief(2), Some((State::Suspect, 0)));
        accuses(&mut solo, 12, 2);
        assert_eq!(solo.belief(2), Some((State::Down, 0)));
    }

    #[test]
    fn only_members_confirm_and_each_once() {
        let mut solo = judge(128);
        for accuser in [10, 10, 10] {
            accuses(&mut solo, accuser, 2);
        }
        let gossip = Packet::new(peer(11), peer(1), Message::Gossip);
        solo.hears(gossip.suspected_by(peer(2), 0, peer(4000)));
        let took = down_after(&mut solo, 2);
        assert!(took > 60 * SECOND, "{took:?}");
    }

    #[test]
    fn the_first_accusers_are_told_and_gossiped_and_no_more() {
        let mut solo = judge(128);
        let mut gossiped = Vec::new();
        for accuser in 10..18 {
            accuses(&mut solo, accuser, 2);
            solo.engine.gossip(&mut solo.runtime).unwrap();
            for (_, packet) in solo.sent().into_iter().take(1) {
                let about = packet.members.iter().filter(|member| member.id == peer(2));
                gossiped.extend(about.filter_map(|member| member.accuser));
            }
        }
        gossiped.dedup();
        assert_eq!(gossiped, [10, 11, 12, 13].map(peer));
        let confirmed = |by, confirmations| Notice::SuspicionConfirmed {
            id: peer(2),
            by: peer(by),
            confirmations,
        };
        assert_eq!(
            solo.notices(),
            [
                suspected_by(peer(2), peer(10)),
                confirmed(11, 1),
                confirmed(12, 2),
                confirmed(13, 3)
            ]
        );
    }

    #[test]
    fn a_refutation_clears_the_accusers() {
        let mut solo = judge(128);
        for accuser in 10..14 {
            accuses(&mut solo, accuser, 2);
        }
        solo.hears_of(2, peer(2), 1, State::Alive);
        let gossip = Packet::new(peer(14), peer(1), Message::Gossip);
        solo.hears(gossip.suspected_by(peer(2), 1, peer(14)));
        let took = down_after(&mut solo, 2);
        assert!(took > 60 * SECOND, "{took:?}");
    }

    #[test]
    fn a_small_cluster_expects_no_more_confirmations_than_it_can_give() {
        for (n, shortest_with) in [(2, 1), (3, 2), (4, 3), (5, 4)] {
            let mut solo = judge(n);
            let mut failing = Packet::new(peer(2), peer(1), Message::Gossip);
            failing = failing.suspected_by(peer(2), 0, peer(1));
            solo.hears(failing);
            for accuser in 3..3 + shortest_with - 1 {
                accuses(&mut solo, accuser, 2);
            }
            let took = down_after(&mut solo, 2);
            assert!(took <= SECOND * 51 / 10, "{n} members: {took:?}");
        }
    }

    #[test]
    fn who_is_not_confirmed_in_time_is_told_by_its_accuser_and_so_are_others_again() {
        let mut solo = judge(128);
        let (suspect, _) = pinged(&solo.fires(SECOND, is_probe));
        solo.fires(SECOND, is_indirect);
        solo.fires(SECOND, is_probe);
        assert_eq!(solo.belief(suspect.addr), Some((State::Suspect, 0)));
        while solo.engine.updates_backlog() > 0 {
            solo.engine.gossip(&mut solo.runtime).unwrap();
        }
        solo.sent();
        let told = solo.fires(SECOND * 106 / 10, is_suspicion);
        assert_eq!(kinds(&told), [(suspect.addr, "gossip")]);
        assert_eq!(solo.engine.updates_backlog(), 1);
        assert_eq!(told[0].1.members[0].id, suspect);
        assert_eq!(told[0].1.members[0].state, State::Suspect);
    }

    #[test]
    fn without_accusers_on_the_wire_the_wait_is_the_shortest_and_none_is_told() {
        let mut solo = among(128, |config| {
            config.suspicion = Suspicion::Confirmed { min: 5, max: 6 };
        });
        accuses(&mut solo, 10, 2);
        solo.engine.gossip(&mut solo.runtime).unwrap();
        let sent = solo.sent();
        assert!(
            sent.iter()
                .all(|(_, packet)| packet.members[0].accuser.is_none())
        );
        let took = down_after(&mut solo, 2).as_secs_f64();
        assert!((took - 10.54).abs() < 0.15, "{took} s");
    }
}

mod buddy_system {
    use super::*;

    #[test]
    fn whatever_a_suspect_is_sent_tells_it_of_the_suspicion_first() {
        let mut solo = among(5, |config| config.buddy_system = true);
        solo.hears_of(3, peer(2), 0, State::Suspect);
        for _ in 0..20 {
            solo.engine.gossip(&mut solo.runtime).unwrap();
        }
        solo.sent();
        let answer = solo.hears_from(2, Message::Ping(ProbeNumber(3)));
        assert_eq!(kinds(&answer), [(2, "ack")]);
        assert_eq!(
            answer[0].1.members,
            [Member::suspect(peer(2), Default::default())]
        );
        let answer = solo.hears_from(3, Message::Ping(ProbeNumber(3)));
        assert_eq!(answer[0].1.members, [], "only the suspect");
    }

    #[test]
    fn switched_off_it_hears_nothing_of_it_from_us() {
        let mut solo = among(5, |_| {});
        solo.hears_of(3, peer(2), 0, State::Suspect);
        for _ in 0..20 {
            solo.engine.gossip(&mut solo.runtime).unwrap();
        }
        solo.sent();
        let answer = solo.hears_from(2, Message::Ping(ProbeNumber(3)));
        assert_eq!(answer[0].1.members, []);
    }
}

/// Understand first, send later: members of both kinds form one cluster all the way.
#[test]
fn a_cluster_is_upgraded_member_by_member() {
    let mut world = World::joined(8, swim(), 3);
    for addr in 1..=8 {
        world
            .input(addr, |engine, out| engine.set_config(Config::lan(), out))
            .unwrap();
        world.run_for(30 * SECOND);
        assert!(world.all_see_all(), "after {addr}");
    }
    world.kill(5);
    let took = world.run_until(60 * SECOND, |world| {
        world
            .up()
            .into_iter()
            .all(|at| world.belief(at, 5) == Some(State::Down))
    });
    assert!(took.is_some());
}
