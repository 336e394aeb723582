//! Each check against a run that is broken, which it must find, and one that is not.

use std::{net::SocketAddrV4, time::Duration};

use selkie::{
    BroadcastHandler, Config, Incarnation, Invalidates, Member,
    codecs::PostcardCodec,
    sim::{
        AllSeen, Bounds, Bursts, Limits, Link, Load, Loss, Machine, NoneStaysDown, Peer, Rule,
        Simulation,
    },
};

use crate::{
    Peers,
    beacon::{Beacons, beacons, send_every},
    joined, millis, secs,
};

#[test]
fn a_member_that_never_joined_is_found() {
    let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    sim.add_peers(5);
    (1..4).for_each(|node| sim.join(node, 0));
    let violation = sim.expect_all_seen(secs(10)).unwrap_err();
    assert_eq!(violation.rule(), Rule::AllSeen);
    assert!(
        violation.details().contains("of node 4: nothing"),
        "{violation}"
    );
    sim.join(4, 0);
    sim.expect_all_seen(secs(300)).unwrap();
}

#[test]
fn a_member_that_was_never_seen_is_found_all_along() {
    let mut sim = joined(5, Config::lan(), 1);
    sim.guard(AllSeen::within(secs(20)));
    // Nobody ever knew it, so that it does not stay down.
    sim.guard(NoneStaysDown::longer_than(secs(1)));
    sim.run_for(secs(60));
    sim.verdict().unwrap();
    let start = sim.now();
    sim.add_peers(1);
    sim.run_for(secs(60));
    let violation = sim.verdict().unwrap_err();
    assert_eq!(violation.rule(), Rule::AllSeen);
    assert!(
        violation.details().contains("node 0 misses node 5"),
        "{violation}"
    );
    assert!(
        (secs(20)..secs(22)).contains(&(violation.at() - start)),
        "{violation}"
    );
}

#[test]
fn a_member_that_starts_again_has_as_long_as_any_to_be_seen() {
    let mut sim = joined(5, Config::lan(), 1);
    sim.guard(AllSeen::within(secs(20)));
    let stranger = sim.add_peers(1).start;
    // It does not find the others, and is away for no time, so that nobody looks meanwhile.
    for node in 0..stranger {
        sim.set_link(stranger, node, Link::lan().loss(1.0));
    }
    for _ in 0..4 {
        sim.run_for(secs(15));
        sim.restart(stranger);
    }
    assert_eq!(sim.verdict().map_err(|violation| violation.rule()), Ok(()));
}

#[test]
fn nobody_sees_nobody() {
    let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    assert!(sim.all_see_all() && sim.is_converged());
    sim.add_peers(2);
    assert!(!sim.all_see_all());
    for node in 0..2 {
        sim.crash(node);
    }
    assert!(sim.all_see_all() && sim.is_converged());
}

#[test]
fn a_member_that_is_seen_after_its_death_is_found() {
    let mut sim = joined(5, Config::lan(), 1);
    sim.crash(2);
    let violation = sim.expect_all_seen(secs(1)).unwrap_err();
    assert_eq!(violation.rule(), Rule::AllSeen);
    assert!(
        violation.details().contains("node 0 sees 4 members"),
        "{violation}"
    );
    sim.expect_all_seen(secs(300)).unwrap();
}

/// Ten members, of which one does not take part for a minute.
fn one_is_paused<M: Machine>(mut sim: Simulation<M>) -> (Simulation<M>, Duration) {
    sim.join_all(0);
    sim.expect_all_seen(secs(300)).unwrap();
    sim.guard(NoneStaysDown::longer_than(secs(130)));
    let start = sim.now();
    sim.pause_for(3, secs(60));
    sim.run_for(secs(600));
    (sim, start)
}

#[test]
fn a_healthy_member_that_stays_down_is_found() {
    // A socket address cannot be renewed: once declared down, it stays so.
    let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    for port in 1..=10 {
        sim.add(SocketAddrV4::new([10, 0, 0, 1].into(), port));
    }
    let (broken, start) = one_is_paused(sim);
    let violation = broken.verdict().unwrap_err();
    assert_eq!(violation.rule(), Rule::NoneStaysDown);
    assert!(violation.details().contains("node 3"), "{violation}");
    // 60 s of pause, in which it has reason to be down, and 130 more.
    let took = violation.at() - start;
    assert!((secs(190)..secs(195)).contains(&took), "{violation}");
    assert_eq!(broken.now(), violation.at(), "a violation stops the run");

    let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    sim.add_peers(10);
    let (sound, _) = one_is_paused(sim);
    sound.verdict().unwrap();
    assert!(sound.identity(3).life > 0, "it was never declared down");
}

#[test]
fn a_loss_of_nothing_excuses_nobody() {
    for nothing in [
        Loss::from(0.0),
        Loss::from(Bursts::new(secs(9), secs(1)).losing(0.0, 0.0)),
    ] {
        let mut sim = joined(5, Config::lan(), 1);
        sim.set_ingress_loss(3, 1.0);
        sim.run_for(secs(60));
        assert!(sim.is_troubled(3));
        sim.set_ingress_loss(3, nothing);
        sim.set_egress_loss(3, nothing);
        assert!(!sim.is_troubled(3), "{nothing:?}");
    }
}

fn split_for_two_minutes(config: Config) -> Peers {
    let mut sim = joined(10, config, 1);
    let cut = sim.partition(0..5, 5..10);
    sim.run_for(secs(120));
    assert_eq!(sim.unseen().count(), 50);
    sim.heal(cut);
    sim
}

#[test]
fn views_that_do_not_converge_are_found() {
    let mut config = Config::lan();
    config.periodic_announce_to_down_members = None;
    let violation = split_for_two_minutes(config)
        .expect_converged(secs(600))
        .unwrap_err();
    assert_eq!(violation.rule(), Rule::Converged);

    let mut sound = split_for_two_minutes(Config::lan());
    sound.expect_converged(secs(260)).unwrap();
}

/// Three beacons that believe each other alive, but for what the first believes of the second.
fn believing(belief: Member<Peer>) -> Beacons {
    let mut sim = beacons(3, 1);
    for node in 0..3 {
        let alive = (1..=3)
            .filter(|&number| number != node + 1)
            .map(Peer::numbered);
        let beliefs = alive.map(Member::alive).collect();
        sim.input(node, |beacon, _| beacon.beliefs = beliefs);
    }
    assert!(sim.is_converged());
    sim.input(0, |beacon, _| beacon.beliefs[0] = belief);
    sim
}

#[test]
fn views_that_differ_in_state_identity_or_incarnation_have_not_converged() {
    let second = Peer::numbered(2);
    let renewed = Peer { life: 1, ..second };
    for (belief, details) in [
        (
            Member::suspect(second, Incarnation(0)),
            "node 0 holds node 1 suspect",
        ),
        (
            Member::new(second, Incarnation(1), selkie::State::Alive),
            "node 1 is at incarnation 1 and, to node 2, 0",
        ),
        (Member::alive(renewed), "node 0 does not know node 1"),
        (
            Member::down(second, Incarnation(0)),
            "node 0 holds node 1 down",
        ),
    ] {
        let violation = believing(belief).expect_converged(secs(1)).unwrap_err();
        assert!(violation.details().contains(details), "{violation}");
    }
}

/// Takes everything for news.
struct Gullible;

struct Rumour;

impl Invalidates for Rumour {
    fn invalidates(&self, _other: &Self) -> bool {
        true
    }
}

impl<I> BroadcastHandler<I> for Gullible {
    type Key = Rumour;

    fn receive_item(
        &mut self,
        _data: &[u8],
        _sender: Option<&I>,
    ) -> Result<Option<Rumour>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Some(Rumour))
    }
}

#[test]
fn members_that_never_run_out_of_things_to_say_are_found() {
    let mut sim = Simulation::with_broadcasts(1, Config::lan(), PostcardCodec, |_| Gullible);
    sim.add_peers(5);
    sim.join_all(0);
    sim.expect_all_seen(secs(300)).unwrap();
    sim.expect_quiet(secs(30)).unwrap();
    let told = sim.input(2, |engine, port| engine.add_broadcast(b"so they say", port));
    assert!(told.is_some_and(|told| told.unwrap()));
    let violation = sim.expect_quiet(secs(120)).unwrap_err();
    assert_eq!(violation.rule(), Rule::Quiet);
    assert!(violation.details().contains("broadcasts: 1"), "{violation}");
}

#[test]
fn a_packet_larger_than_its_senders_limit_is_found() {
    let mut sim = beacons(2, 1);
    sim.guard(Bounds::new());
    send_every(&mut sim, secs(1));
    sim.input(0, |beacon, _| beacon.limits.packet_size = 10);
    sim.run_for(secs(5));
    sim.verdict().unwrap();
    sim.input(0, |beacon, _| beacon.padding = 7);
    sim.run_for(secs(5));
    let violation = sim.verdict().unwrap_err();
    assert_eq!(violation.rule(), Rule::Packets);
    assert!(
        violation.details().contains("sent 11 bytes, of at most 10"),
        "{violation}"
    );
}

#[test]
fn packets_and_backlogs_beyond_tighter_bounds_are_found() {
    let run = |bounds: Bounds| {
        let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
        sim.guard(bounds);
        sim.add_peers(50);
        sim.join_all(0);
        sim.run_for(secs(30));
        sim.verdict()
    };
    run(Bounds::new().packets_per_second(1000)).unwrap();
    let tight = Limits::default();
    for (bounds, rule) in [
        (
            Bounds::new().within(Limits {
                packet_size: 200,
                ..tight
            }),
            Rule::Packets,
        ),
        (
            Bounds::new().within(Limits {
                updates: 3,
                ..tight
            }),
            Rule::Backlogs,
        ),
        (
            Bounds::new().within(Limits {
                active: 20,
                ..tight
            }),
            Rule::Backlogs,
        ),
        (Bounds::new().packets_per_second(1), Rule::Packets),
    ] {
        assert_eq!(run(bounds).unwrap_err().rule(), rule);
    }
}

/// Node 0 sends so many packets at once, at a time.
fn burst(sim: &mut Beacons, at: Duration, packets: usize) {
    sim.after(at - sim.now(), move |sim| {
        let to = *sim.identity(1);
        sim.input(0, |_, port| {
            (0..packets).for_each(|_| port.send(&to, "burst", &[0; 4]));
        });
    });
}

#[test]
fn a_storm_is_found_wherever_its_second_begins_and_however_seldom_guards_look() {
    let found = |tick, most, bursts: &[(u64, usize)]| {
        let mut sim = beacons(2, 1);
        sim.set_tick(tick);
        sim.guard(Bounds::new().packets_per_second(most));
        for &(at, packets) in bursts {
            burst(&mut sim, millis(at), packets);
        }
        sim.run_for(secs(60));
        sim.verdict().is_err_and(|violation| {
            assert!(violation.details().contains("node 0"), "{violation}");
            violation.rule() == Rule::Packets
        })
    };
    for tick in [millis(1), millis(100), secs(30)] {
        // Within 100 ms, over the edge of a second of the clock.
        assert!(found(tick, 40, &[(4950, 32), (5050, 32)]));
        assert!(found(tick, 8, &[(10_000, 60)]));
        assert!(found(tick, 8, &[(10_000, 4), (10_500, 4), (10_999, 1)]));
        assert!(!found(tick, 8, &[(10_000, 4), (10_500, 4), (11_000, 4)]));
    }
}

#[test]
fn a_backlog_beyond_a_members_own_limit_is_found() {
    let full = Load {
        updates: 2,
        broadcasts: 2,
        active: 2,
        down: 2,
    };
    let wide = Limits::default();
    for limits in [
        Limits { updates: 1, ..wide },
        Limits {
            broadcasts: 1,
            ..wide
        },
        Limits { active: 1, ..wide },
        Limits { down: 1, ..wide },
    ] {
        let mut sim = beacons(2, 1);
        sim.guard(Bounds::new());
        sim.input(1, |beacon, _| beacon.load = full);
        sim.run_for(secs(1));
        sim.verdict().unwrap();
        sim.input(1, |beacon, _| beacon.limits = limits);
        sim.run_for(secs(1));
        let violation = sim.verdict().unwrap_err();
        assert_eq!(violation.rule(), Rule::Backlogs);
        assert!(
            violation.details().contains("node 1 holds 2"),
            "{violation}"
        );
    }
}

#[test]
fn a_run_in_which_time_does_not_go_on_is_found() {
    let mut sim = beacons(2, 1);
    sim.set_links(Link::perfect().latency(millis(0)));
    send_every(&mut sim, secs(1));
    sim.input(0, |beacon, _| beacon.echoes = true);
    sim.run_for(secs(3));
    sim.verdict().unwrap();
    sim.input(1, |beacon, _| beacon.echoes = true);
    sim.run_for(secs(3));
    assert_eq!(sim.verdict().unwrap_err().rule(), Rule::Livelock);
}

#[test]
fn suspicions_and_declarations_about_live_members_are_found() {
    let troubled = |seed, trouble: fn(&mut Peers)| {
        let mut sim = joined(8, Config::lan(), seed);
        sim.expect_none_suspected(secs(30)).unwrap();
        trouble(&mut sim);
        sim
    };
    // That a dead member is suspected, and declared, is right.
    let dead = |sim: &mut Peers| _ = sim.crash(3);
    troubled(1, dead).expect_none_suspected(secs(60)).unwrap();
    troubled(1, dead)
        .expect_none_declared_down(secs(60))
        .unwrap();

    let away = |sim: &mut Peers| sim.freeze_for(3, secs(3));
    let violation = troubled(1, away)
        .expect_none_suspected(secs(60))
        .unwrap_err();
    assert_eq!(violation.rule(), Rule::NoneSuspected);
    assert!(violation.details().ends_with("of node 3"), "{violation}");
    troubled(1, away)
        .expect_none_declared_down(secs(60))
        .unwrap();

    let long_away = |sim: &mut Peers| sim.freeze_for(3, secs(20));
    let violation = troubled(1, long_away)
        .expect_none_declared_down(secs(15))
        .unwrap_err();
    assert_eq!(violation.rule(), Rule::NoneDeclaredDown);
    assert!(violation.details().ends_with("of node 3"), "{violation}");
}

#[test]
fn a_rule_of_ones_own_is_held_against_the_run() {
    let mut sim = joined(5, Config::lan(), 1);
    sim.guard(|sim: &Peers| {
        let gone = (0..sim.len()).find(|&node| !sim.is_live(node));
        gone.map_or(Ok(()), |node| {
            Err((Rule::Custom("nobody dies"), format!("node {node} did")))
        })
    });
    sim.run_for(secs(10));
    sim.verdict().unwrap();
    sim.crash(2);
    sim.run_for(secs(10));
    let violation = sim.verdict().unwrap_err();
    assert_eq!(violation.rule(), Rule::Custom("nobody dies"));
    assert!(violation.to_string().ends_with("nobody dies: node 2 did"));
}
