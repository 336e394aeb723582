//! The failure detector's probes.

use core::time::Duration;
use std::collections::HashMap;

use selkie::{Message, Notice, ProbeNumber, State, Timer};

use crate::{
    codec::{Packet, Peer, peer},
    solo::{Solo, count, kinds, suspected_by, swim},
    world::SECOND,
};

/// An engine that knows some members and does nothing but probe.
fn prober(members: impl IntoIterator<Item = u16>) -> Solo {
    let mut config = swim();
    config.periodic_gossip = None;
    config.periodic_announce = None;
    config.periodic_announce_to_down_members = None;
    config.digest = None;
    config.suspicion = selkie::Suspicion::Fixed(3600 * SECOND);
    let mut solo = Solo::new(config);
    for addr in members {
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

/// Ends the present period and begins the next; whom it pings, and under which number.
#[track_caller]
fn pings(solo: &mut Solo) -> (Peer, ProbeNumber) {
    let mut sent = solo.fires(SECOND, is_probe);
    if sent.is_empty() {
        asks_helpers(solo);
        sent = solo.fires(SECOND, is_probe);
    }
    let [(to, packet)] = &sent[..] else {
        panic!("{sent:?}")
    };
    let Message::Ping(number) = packet.header.message else {
        panic!("{packet:?}")
    };
    (*to, number)
}

/// Lets the direct answer be late; the requests to the helpers.
fn asks_helpers(solo: &mut Solo) -> Vec<(Peer, Packet)> {
    solo.fires(SECOND / 2, is_indirect)
}

#[test]
fn one_member_is_pinged_each_period() {
    let mut solo = prober(2..=30);
    let sent = solo.passes(100 * SECOND);
    let pings = count(&sent, "ping");
    assert!((99..=101).contains(&pings), "{pings}");
}

#[test]
fn the_first_probe_comes_within_a_period() {
    let mut solo = prober([2]);
    assert_eq!(kinds(&solo.fires(SECOND, is_probe)), [(2, "ping")]);
}

#[test]
fn an_ack_in_time_leaves_the_target_alone() {
    let mut solo = prober([2, 3]);
    let (target, number) = pings(&mut solo);
    solo.hears(Packet::new(target, peer(1), Message::Ack(number)));
    assert_eq!(asks_helpers(&mut solo), []);
    pings(&mut solo);
    assert_eq!(solo.belief(target.addr), Some((State::Alive, 0)));
    assert_eq!(solo.engine.counters().probes_failed, 0);
}

#[test]
fn an_ack_after_the_helpers_were_asked_still_counts() {
    let mut solo = prober([2, 3]);
    let (target, number) = pings(&mut solo);
    assert_eq!(asks_helpers(&mut solo).len(), 1);
    solo.hears(Packet::new(target, peer(1), Message::Ack(number)));
    pings(&mut solo);
    assert_eq!(solo.belief(target.addr), Some((State::Alive, 0)));
}

#[test]
fn who_does_not_answer_is_suspected_at_the_end_of_the_period_at_the_incarnation_probed() {
    let mut solo = prober([2]);
    solo.knows(peer(2), 6, State::Alive);
    pings(&mut solo);
    assert_eq!(solo.belief(2), Some((State::Alive, 6)));
    asks_helpers(&mut solo);
    assert_eq!(solo.belief(2), Some((State::Alive, 6)));
    pings(&mut solo);
    assert_eq!(solo.belief(2), Some((State::Suspect, 6)));
    assert_eq!(solo.notices(), [suspected_by(peer(2), peer(1))]);
    assert_eq!(solo.engine.updates_backlog(), 1);
}

#[test]
fn a_failed_probe_does_not_accuse_a_later_incarnation() {
    let mut solo = prober([2]);
    pings(&mut solo);
    asks_helpers(&mut solo);
    solo.hears(Packet::new(peer(2), peer(1), Message::Gossip).incarnation(1));
    pings(&mut solo);
    assert_eq!(solo.belief(2), Some((State::Alive, 1)));
}

#[test]
fn a_failed_probe_does_not_accuse_a_later_life() {
    let mut solo = prober([2]);
    pings(&mut solo);
    asks_helpers(&mut solo);
    solo.hears(Packet::new(
        Peer { addr: 2, life: 1 },
        peer(1),
        Message::Gossip,
    ));
    pings(&mut solo);
    assert_eq!(solo.belief(2), Some((State::Alive, 0)));
}

#[test]
fn suspects_are_probed_too() {
    let mut solo = prober([]);
    solo.knows(peer(2), 0, State::Suspect);
    assert_eq!(pings(&mut solo).0, peer(2));
}

#[test]
fn down_members_are_not_probed() {
    let mut solo = prober([2]);
    solo.knows(peer(3), 0, State::Down);
    for _ in 0..5 {
        assert_eq!(pings(&mut solo).0, peer(2));
    }
}

/// Never again: a helper chosen at the target's own address.
#[test]
fn helpers_are_others_and_as_many_as_set() {
    for (members, helpers) in [(1, 0), (2, 1), (3, 2), (4, 3), (20, 3)] {
        let mut solo = prober(2..2 + members);
        for _ in 0..40 {
            let (target, number) = pings(&mut solo);
            let sent = asks_helpers(&mut solo);
            assert_eq!(sent.len(), helpers);
            let mut asked: Vec<u16> = sent.iter().map(|(to, _)| to.addr).collect();
            asked.sort_unstable();
            asked.dedup();
            assert_eq!(asked.len(), helpers, "one was asked twice");
            assert!(!asked.contains(&target.addr));
            for (_, packet) in sent {
                assert_eq!(packet.header.message, Message::PingReq { target, number });
            }
        }
    }
}

#[test]
fn no_helper_is_at_the_targets_address_even_if_the_target_has_a_new_life_by_now() {
    let mut solo = prober([2]);
    pings(&mut solo);
    solo.hears(Packet::new(
        Peer { addr: 2, life: 1 },
        peer(1),
        Message::Gossip,
    ));
    assert_eq!(asks_helpers(&mut solo), []);
}

/// Never again: a `ForwardedAck` accepted for a wrong target.
#[test]
fn a_forwarded_ack_counts_only_if_number_helper_and_target_match() {
    let mut wrong = 0;
    for round in 0..8 {
        let mut solo = prober(2..=8);
        let (target, number) = pings(&mut solo);
        let helpers: Vec<Peer> = asks_helpers(&mut solo).iter().map(|(to, _)| *to).collect();
        let bystander = (2..=8)
            .map(peer)
            .find(|id| *id != target && !helpers.contains(id))
            .unwrap();
        let (from, origin, number) = match round {
            0 => (helpers[0], target, number),
            1 => (helpers[1], target, number),
            2 => (helpers[0], bystander, number),
            3 => (bystander, target, number),
            4 => (helpers[0], target, number.next()),
            5 => (target, target, number),
            6 => (
                Peer {
                    life: 1,
                    ..helpers[0]
                },
                target,
                number,
            ),
            _ => (helpers[0], Peer { life: 1, ..target }, number),
        };
        solo.hears(Packet::new(
            from,
            peer(1),
            Message::ForwardedAck { origin, number },
        ));
        pings(&mut solo);
        let (state, _) = solo.belief(target.addr).unwrap();
        let counts = round < 2;
        assert_eq!(state == State::Alive, counts, "round {round}");
        wrong += u64::from(!counts);
        assert_eq!(solo.engine.counters().acks_unmatched, u64::from(!counts));
    }
    assert_eq!(wrong, 6);
}

#[test]
fn an_ack_counts_only_with_the_number_and_from_the_target() {
    let mut solo = prober([2, 3]);
    let (target, number) = pings(&mut solo);
    let other = peer(if target.addr == 2 { 3 } else { 2 });
    solo.hears(Packet::new(other, peer(1), Message::Ack(number)));
    solo.hears(Packet::new(target, peer(1), Message::Ack(number.next())));
    asks_helpers(&mut solo);
    pings(&mut solo);
    assert_eq!(solo.belief(target.addr), Some((State::Suspect, 0)));
    assert_eq!(solo.engine.counters().acks_unmatched, 2);
}

#[test]
fn the_answers_to_a_probe_name_who_asked() {
    let mut solo = prober([2, 3]);
    let sent = solo.hears_from(2, Message::Ping(ProbeNumber(77)));
    assert_eq!(sent[0].1.header.message, Message::Ack(ProbeNumber(77)));
    let (origin, number) = (peer(3), ProbeNumber(78));
    let sent = solo.hears_from(2, Message::IndirectPing { origin, number });
    assert_eq!(sent[0].0, peer(2));
    let (target, number) = (peer(3), ProbeNumber(78));
    assert_eq!(
        sent[0].1.header.message,
        Message::IndirectAck { target, number }
    );
}

const N: ProbeNumber = ProbeNumber(40);

fn ping_req(target: Peer) -> Message<Peer> {
    Message::PingReq { target, number: N }
}

fn indirect_ack(target: Peer) -> Message<Peer> {
    Message::IndirectAck { target, number: N }
}

#[test]
fn a_request_is_passed_on_and_so_is_its_answer_once() {
    let mut solo = prober([2, 3]);
    let sent = solo.hears_from(2, ping_req(peer(3)));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].0, peer(3));
    let (origin, number) = (peer(2), N);
    assert_eq!(
        sent[0].1.header.message,
        Message::IndirectPing { origin, number }
    );
    let sent = solo.hears_from(3, indirect_ack(peer(2)));
    assert_eq!(sent[0].0, peer(2));
    let origin = peer(3);
    assert_eq!(
        sent[0].1.header.message,
        Message::ForwardedAck { origin, number }
    );
    assert_eq!(solo.hears_from(3, indirect_ack(peer(2))), [], "only once");
    assert_eq!(solo.engine.counters().relays_refused, 1);
}

/// Never again: a `PingReq` relayed to any address (reflector).
#[test]
fn requests_are_passed_on_to_known_active_members_only() {
    let mut solo = prober([2, 3]);
    solo.knows(peer(4), 0, State::Down);
    solo.knows(peer(5), 0, State::Suspect);
    for target in [
        peer(4),
        peer(9),
        peer(1),
        Peer { addr: 3, life: 1 },
        peer(0),
    ] {
        assert_eq!(solo.hears_from(2, ping_req(target)), [], "{target:?}");
    }
    assert_eq!(solo.engine.counters().relays_refused, 5);
    assert_eq!(
        kinds(&solo.hears_from(2, ping_req(peer(5)))),
        [(5, "indirect-ping")]
    );
}

#[test]
fn an_answer_that_nobody_asked_for_is_not_passed_on() {
    let mut solo = prober([2, 3, 4]);
    assert_eq!(solo.hears_from(3, indirect_ack(peer(2))), []);
    solo.hears_from(2, ping_req(peer(3)));
    assert_eq!(
        solo.hears_from(4, indirect_ack(peer(2))),
        [],
        "from another"
    );
    assert_eq!(solo.hears_from(3, indirect_ack(peer(4))), [], "for another");
    let (target, number) = (peer(2), N.next());
    let message = Message::IndirectAck { target, number };
    assert_eq!(solo.hears_from(3, message), [], "under another number");
    assert_eq!(solo.hears_from(3, indirect_ack(peer(2))).len(), 1);
}

#[test]
fn a_request_is_forgotten_after_a_period() {
    let mut solo = prober([2, 3]);
    pings(&mut solo);
    solo.hears_from(2, ping_req(peer(3)));
    pings(&mut solo);
    pings(&mut solo);
    assert_eq!(solo.hears_from(3, indirect_ack(peer(2))), []);
}

#[test]
fn requests_remembered_are_bounded() {
    let mut solo = prober(2..=200);
    for addr in 3..=200 {
        solo.hears_from(2, ping_req(peer(addr)));
    }
    let answered = (3..=200)
        .filter(|&addr| !solo.hears_from(addr, indirect_ack(peer(2))).is_empty())
        .count();
    assert_eq!(answered, 64);
}

/// Never again: timers that come late all at once leave the helpers no time, and a member that
/// answers is accused.
#[test]
fn after_a_stall_the_helpers_still_have_their_full_time() {
    for stall in [1, 2, 7, 60] {
        let mut solo = prober([2, 3, 4]);
        let (target, number) = pings(&mut solo);
        // The clock jumps; then everything that is due fires, before any packet is read.
        solo.schedule();
        solo.now += SECOND * stall;
        while let Some(timer) = solo.timers.pop_due(solo.now) {
            solo.engine.handle_timer(timer, &mut solo.runtime);
            solo.schedule();
        }
        assert_eq!(count(&solo.sent(), "ping-req"), 2, "after {stall} s");
        assert_eq!(solo.passes(SECOND * 49 / 100), []);
        let forwarded = Message::ForwardedAck {
            origin: target,
            number,
        };
        let helper = (2..=4).find(|&addr| addr != target.addr).unwrap();
        solo.hears_from(helper, forwarded);
        solo.passes(SECOND * 2 / 100);
        assert_eq!(solo.belief(target.addr), Some((State::Alive, 0)));
        assert_eq!(solo.engine.counters().probes_failed, 0);
        assert_eq!(solo.engine.counters().probes, 2, "the next one runs");
    }
}

#[test]
fn without_a_stall_the_period_is_kept_to_the_millisecond() {
    let mut solo = prober([2]);
    while solo.engine.counters().probes == 0 {
        solo.passes(SECOND / 1000);
    }
    for failed in 0..20 {
        solo.passes(SECOND * 998 / 1000);
        assert_eq!(solo.engine.counters().probes_failed, failed);
        solo.passes(SECOND * 2 / 1000);
        assert_eq!(solo.engine.counters().probes_failed, failed + 1);
        assert_eq!(solo.engine.counters().probes, failed + 2);
    }
}

/// Never again: timers delivered together in the wrong order stop probing.
#[test]
fn timers_in_any_order_and_number_neither_stop_nor_multiply_probing() {
    let mut rng = fastrand::Rng::with_seed(3);
    let mut solo = prober(2..=5);
    let mut old: Vec<Timer<Peer>> = Vec::new();
    for _ in 0..400 {
        solo.schedule();
        let mut due: Vec<_> = core::iter::from_fn(|| solo.timers.pop_due(Duration::MAX)).collect();
        due.retain(|timer| is_probe(timer) || is_indirect(timer));
        assert_eq!(due.len(), 1);
        old.extend(due.iter().cloned());
        due.extend((0..3).filter_map(|_| rng.choice(&old).cloned()));
        rng.shuffle(&mut due);
        for timer in due {
            solo.engine.handle_timer(timer, &mut solo.runtime);
        }
    }
    assert!(solo.engine.counters().probes >= 200);
    solo.sent();
    let sent = solo.passes(100 * SECOND);
    assert!(
        (98..=102).contains(&count(&sent, "ping")),
        "{}",
        count(&sent, "ping")
    );
}

/// Never again: somebody that comes and goes makes us start over, and each time leaves timers.
#[test]
fn a_thousand_changes_of_the_connection_leave_a_handful_of_timers() {
    let mut config = swim();
    config.suspicion = selkie::Suspicion::Fixed(3600 * SECOND);
    let mut solo = Solo::new(config);
    for life in 0..=255 {
        for _ in 0..4 {
            let flapping = Peer { addr: 2, life };
            solo.hears(Packet::new(flapping, peer(1), Message::Gossip));
            let leaves = Packet::new(flapping, peer(1), Message::Gossip);
            solo.hears(leaves.member(flapping, 0, State::Down));
        }
    }
    let flaps = solo.notices();
    let idle = flaps.iter().filter(|notice| **notice == Notice::Idle);
    assert_eq!(idle.count(), 256);
    solo.schedule();
    assert!(solo.timers.len() <= 6, "{} timers", solo.timers.len());
    // And everything still runs, at its usual pace.
    solo.knows(peer(3), 0, State::Alive);
    solo.passes(SECOND);
    let sent = solo.passes(60 * SECOND);
    let pings = count(&sent, "ping");
    assert!((59..=61).contains(&pings), "{pings}");
    assert_eq!(count(&sent, "announce"), 2);
}

#[test]
fn renewals_leave_a_handful_of_timers() {
    let mut solo = Solo::new(swim());
    solo.meets(2);
    solo.knows(peer(3), 0, State::Suspect);
    for _ in 0..200 {
        let us = *solo.engine.identity();
        solo.hears_of(2, us, 0, State::Down);
    }
    assert_eq!(solo.engine.identity().life, 200);
    solo.schedule();
    assert!(solo.timers.len() <= 9, "{} timers", solo.timers.len());
}

#[test]
fn changed_settings_count_at_once_though_a_timer_is_under_way() {
    let mut config = swim();
    config.probe_period = SECOND * 3000;
    config.probe_rtt = SECOND * 1000;
    config.periodic_announce = Some(selkie::Periodic::secs(5000, 1));
    let mut solo = Solo::new(config);
    solo.knows(peer(2), 0, State::Alive);
    solo.schedule();
    let mut config = swim();
    config.suspicion = selkie::Suspicion::Fixed(3600 * SECOND);
    solo.engine.set_config(config, &mut solo.runtime).unwrap();
    let sent = solo.passes(SECOND * 30);
    assert!(count(&sent, "ping") >= 3);
    assert_eq!(count(&sent, "announce"), 1);
}

#[test]
fn a_timer_delivered_twice_does_nothing_the_second_time() {
    let mut solo = prober([2, 3, 4]);
    solo.schedule();
    let probe = solo.timers.pop_due(Duration::MAX).unwrap();
    solo.engine.handle_timer(probe, &mut solo.runtime);
    assert_eq!(solo.sent().len(), 1);
    solo.engine.handle_timer(probe, &mut solo.runtime);
    assert_eq!(solo.sent(), []);
    solo.schedule();
    while let Some(timer) = solo.timers.pop_due(Duration::MAX) {
        if is_indirect(&timer) {
            solo.engine.handle_timer(timer, &mut solo.runtime);
            assert_eq!(solo.sent().len(), 2);
            solo.engine.handle_timer(timer, &mut solo.runtime);
            assert_eq!(solo.sent(), []);
        }
    }
}

/// How often each is pinged in so many periods; `between` happens before each.
fn round(solo: &mut Solo, periods: usize, between: impl Fn(&mut Solo, usize)) -> HashMap<u16, u32> {
    let mut pinged = HashMap::new();
    for period in 0..periods {
        between(solo, period);
        let (target, number) = pings(solo);
        solo.hears(Packet::new(target, peer(1), Message::Ack(number)));
        *pinged.entry(target.addr).or_default() += 1;
    }
    pinged
}

#[test]
fn each_member_is_probed_once_per_round_in_another_order() {
    let mut solo = prober(2..=41);
    let mut orders = Vec::new();
    for _ in 0..5 {
        let mut order = Vec::new();
        for _ in 0..40 {
            order.push(pings(&mut solo).0.addr);
            asks_helpers(&mut solo);
        }
        let mut once = order.clone();
        once.sort_unstable();
        assert_eq!(once, (2..=41).collect::<Vec<_>>());
        orders.push(order);
    }
    orders.dedup();
    assert_eq!(orders.len(), 5);
}

#[test]
fn newcomers_are_probed_within_the_round_in_which_they_come() {
    let mut solo = prober(2..=11);
    let pinged = round(&mut solo, 15, |solo, period| {
        if period == 5 {
            for addr in 12..=16 {
                solo.knows(peer(addr), 0, State::Alive);
            }
        }
    });
    assert_eq!(pinged.len(), 15);
}

#[test]
fn members_that_go_do_not_disturb_the_round() {
    let mut solo = prober(2..=21);
    let mut pinged = round(&mut solo, 10, |_, _| {});
    for addr in (2..=21).step_by(2) {
        solo.knows(peer(addr), 0, State::Down);
    }
    let rest = (2..=21)
        .filter(|addr| addr % 2 == 1 && !pinged.contains_key(addr))
        .count();
    for (addr, times) in round(&mut solo, rest, |_, _| {}) {
        *pinged.entry(addr).or_default() += times;
    }
    assert!(
        (3..=21).step_by(2).all(|addr| pinged[&addr] == 1),
        "{pinged:?}"
    );
}

/// Suspicions, refutations and gossip in the midst of it do not change whose turn it is.
#[test]
fn news_about_members_does_not_disturb_the_round() {
    let mut solo = prober(2..=41);
    let pinged = round(&mut solo, 40, |solo, period| {
        for addr in 2..=41 {
            let state = [State::Alive, State::Suspect][(period + usize::from(addr)) % 2];
            solo.hears_of(2, peer(addr), period as u16 + 1, state);
        }
    });
    assert_eq!(
        pinged.len(),
        40,
        "some were probed more than once: {pinged:?}"
    );
}

#[test]
fn probing_stops_while_nobody_is_active_and_starts_again() {
    let mut solo = prober([2]);
    solo.knows(peer(2), 0, State::Down);
    assert_eq!(solo.passes(20 * SECOND), []);
    solo.knows(peer(3), 0, State::Alive);
    assert!(count(&solo.passes(5 * SECOND), "ping") >= 4);
}
