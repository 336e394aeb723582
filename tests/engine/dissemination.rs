//! How often, in which order and in which packets news travels.

use selkie::{
    BroadcastHandler, Config, Error, Message, Periodic, ProbeNumber, State, Timer, Transmissions,
};

use crate::{
    codec::{Packet, Peer, peer},
    solo::{Solo, Versions, count, kinds, swim},
    world::SECOND,
};

const N: ProbeNumber = ProbeNumber(1);

/// Knows 2 as a member, and has nothing to say.
fn speaker(config: Config) -> Solo<Versions> {
    let mut solo = Solo::with_broadcasts(config, Versions::default());
    solo.knows(peer(2), 0, State::Alive);
    solo
}

fn is_gossip(timer: &Timer<Peer>) -> bool {
    matches!(timer, Timer::Gossip { .. })
}

/// Pings, and returns what the Ack carries.
fn ack<H: BroadcastHandler<Peer>>(solo: &mut Solo<H>) -> Packet {
    let sent = solo.hears_from(2, Message::Ping(N));
    assert_eq!(kinds(&sent), [(2, "ack")]);
    sent[0].1.clone()
}

/// Lets 2 tell of further members.
fn learns<H: BroadcastHandler<Peer>>(solo: &mut Solo<H>, addrs: impl IntoIterator<Item = u16>) {
    for addr in addrs {
        solo.hears_of(2, peer(addr), 0, State::Alive);
    }
}

#[test]
fn each_update_is_sent_as_often_as_the_cluster_needs_and_no_more() {
    for (members, times) in [(1, 3), (8, 4), (30, 7), (98, 8), (400, 11)] {
        let mut config = swim();
        config.max_packet_size = 9000;
        let mut solo = speaker(config);
        for addr in 3..2 + members {
            solo.knows(peer(addr), 0, State::Alive);
        }
        solo.hears_of(2, peer(2), 1, State::Suspect);
        for _ in 0..times {
            assert_eq!(ack(&mut solo).members.len(), 1);
        }
        assert_eq!(ack(&mut solo).members.len(), 0, "{members} members");
        assert_eq!(solo.engine.updates_backlog(), 0);
    }
}

#[test]
fn a_fixed_number_of_transmissions_is_kept_to() {
    let mut config = swim();
    config.transmissions = Transmissions::Fixed(2);
    let mut solo = speaker(config);
    learns(&mut solo, [3]);
    let lens = [ack(&mut solo), ack(&mut solo), ack(&mut solo)].map(|ack| ack.members.len());
    assert_eq!(lens, [1, 1, 0]);
}

#[test]
fn what_was_sent_least_goes_first() {
    let mut config = swim();
    config.max_packet_size = 128;
    config.digest = None;
    let mut solo = speaker(config);
    // An Ack holds (128 - 12) / 6 = 19 of them.
    learns(&mut solo, 10..30);
    let first = ack(&mut solo).members;
    assert_eq!(first.len(), 19);
    let second = ack(&mut solo).members;
    assert!(!first.contains(&second[0]), "the one left over goes first");
    learns(&mut solo, [50]);
    assert_eq!(ack(&mut solo).members[0].id, peer(50));
}

#[test]
fn a_newer_update_replaces_the_waiting_one_and_starts_afresh() {
    let mut solo = speaker(swim());
    learns(&mut solo, [3]);
    ack(&mut solo);
    ack(&mut solo);
    solo.hears_of(2, peer(3), 4, State::Suspect);
    assert_eq!(solo.engine.updates_backlog(), 1);
    for _ in 0..3 {
        let members = ack(&mut solo).members;
        assert_eq!((members.len(), members[0].state), (1, State::Suspect));
    }
}

#[test]
fn among_equals_larger_broadcasts_go_first_and_what_does_not_fit_is_skipped() {
    let mut config = swim();
    config.max_packet_size = 128;
    config.digest = None;
    let mut solo = speaker(config);
    for (key, len) in [(1, 20), (2, 90), (3, 40), (4, 4)] {
        let mut data = vec![key; len];
        data[1] = 1;
        solo.engine.add_broadcast(&data, &mut solo.runtime).unwrap();
    }
    let keys = |packet: Packet| packet.broadcasts.iter().map(|b| b[0]).collect::<Vec<_>>();
    // 116 bytes: 92, then 42 do not fit, but 22 do.
    assert_eq!(keys(ack(&mut solo)), [2, 1]);
    assert_eq!(keys(ack(&mut solo)), [3, 4, 1]);
}

#[test]
fn no_packet_exceeds_the_room_to_its_receiver() {
    let mut solo = speaker(swim());
    learns(&mut solo, 10..200);
    for room in [0, 11, 12, 13, 14, 18, 19, 100, 1000, 1399, 1400, 5000] {
        solo.runtime.room = room;
        let len = ack(&mut solo).encode().len();
        assert!(len <= room.clamp(12, 1400), "{len} of {room}");
    }
}

#[test]
fn gossip_carries_one_item_alone_that_does_not_fit_the_room() {
    let mut solo = speaker(swim());
    let mut data = vec![7; 500];
    data[1] = 1;
    solo.engine.add_broadcast(&data, &mut solo.runtime).unwrap();
    solo.runtime.room = 100;
    assert_eq!(ack(&mut solo).broadcasts.len(), 0, "not in answers");
    let sent = solo.fires(SECOND, is_gossip);
    assert_eq!(sent[0].1.broadcasts, [data.clone()]);
    solo.engine.broadcast(&mut solo.runtime).unwrap();
    let sent = solo.sent();
    assert_eq!(kinds(&sent), [(2, "broadcast")]);
    assert_eq!(sent[0].1.broadcasts, [data]);
}

/// A broadcast that fits no answer must not crowd the updates out of it.
#[test]
fn a_broadcast_too_large_for_the_room_takes_no_place_from_updates() {
    let mut config = Config::simple();
    config.broadcast_share = 0;
    let mut solo = speaker(config);
    learns(&mut solo, 10..40);
    let mut data = vec![7; 500];
    data[1] = 1;
    solo.engine.add_broadcast(&data, &mut solo.runtime).unwrap();
    solo.runtime.room = 120;
    assert_eq!(ack(&mut solo).members.len(), 18);
}

/// Never again: a broadcast larger than any packet stays in the backlog for ever.
#[test]
fn a_broadcast_that_can_never_fit_is_refused_when_added() {
    let mut solo = speaker(swim());
    let room = 1400 - 10 - 2 - 2;
    let empty = solo.engine.add_broadcast(&[], &mut solo.runtime);
    assert!(matches!(empty, Err(Error::EmptyBroadcast)));
    for len in [room + 1, 1400, 70_000] {
        let outcome = solo.engine.add_broadcast(&vec![1; len], &mut solo.runtime);
        assert!(
            matches!(outcome, Err(Error::TooBigToSend { len: l, room: r }) if (l, r) == (len, room)),
            "{outcome:?}"
        );
    }
    assert!(solo.engine.handler().0.is_empty(), "not even judged");
    assert!(
        solo.engine
            .add_broadcast(&vec![1; room], &mut solo.runtime)
            .unwrap()
    );
    assert_eq!(solo.engine.broadcasts_backlog(), 1);
    let sent = solo.passes(30 * SECOND);
    assert!(sent.iter().any(|(_, packet)| packet.broadcasts.len() == 1));
    assert_eq!(solo.engine.broadcasts_backlog(), 0);
}

#[test]
fn what_does_not_fit_a_smaller_packet_size_any_more_is_given_up() {
    for config in [swim(), Config::simple()] {
        let mut solo = speaker(config.clone());
        solo.engine
            .add_broadcast(&[1; 1000], &mut solo.runtime)
            .unwrap();
        let mut smaller = config;
        smaller.max_packet_size = 200;
        smaller.digest = None;
        solo.engine.set_config(smaller, &mut solo.runtime).unwrap();
        solo.passes(60 * SECOND);
        assert_eq!(solo.engine.broadcasts_backlog(), 0);
    }
}

#[test]
fn updates_and_broadcasts_share_a_packet_fairly() {
    let mut config = swim();
    config.max_packet_size = 400;
    config.broadcast_share = 25;
    let mut solo = speaker(config);
    learns(&mut solo, 100..400);
    for key in 0..40 {
        solo.engine
            .add_broadcast(&[key, 1, 0, 0, 0, 0, 0, 0], &mut solo.runtime)
            .unwrap();
    }
    let packet = ack(&mut solo);
    let bytes = (packet.members.len() * 6, packet.broadcasts.len() * 10);
    assert!(bytes.1 >= 90 && bytes.1 <= 100, "{bytes:?}");
    assert!(bytes.0 >= 282, "{bytes:?}");
    // What one does not need is the other's.
    let mut solo = speaker(swim());
    learns(&mut solo, 100..400);
    assert!(ack(&mut solo).members.len() >= 230);
}

#[test]
fn a_large_broadcast_leaves_a_place_to_updates() {
    let mut solo = speaker(swim());
    learns(&mut solo, 100..110);
    let mut data = vec![1; 1386];
    data[1] = 1;
    solo.engine.add_broadcast(&data, &mut solo.runtime).unwrap();
    assert_eq!(ack(&mut solo).members.len(), 1);
}

#[test]
fn a_large_broadcast_leaves_a_feed_its_members() {
    let mut solo = speaker(swim());
    for addr in 10..200 {
        solo.knows(peer(addr), 0, State::Alive);
    }
    let mut data = vec![1; 1386];
    data[1] = 1;
    solo.engine.add_broadcast(&data, &mut solo.runtime).unwrap();
    let sent = solo.hears_from(5, Message::Announce);
    assert!(sent[0].1.members.len() > 100, "{}", sent[0].1.members.len());
}

#[test]
fn our_own_news_goes_first() {
    let mut config = swim();
    config.max_packet_size = 128;
    config.digest = None;
    let mut solo = speaker(config);
    learns(&mut solo, 10..60);
    solo.hears_of(2, peer(1), 0, State::Suspect);
    learns(&mut solo, 60..90);
    let first = ack(&mut solo).members[0];
    assert_eq!((first.id, first.incarnation.0), (peer(1), 1));
}

#[test]
fn periodic_gossip_is_not_armed_while_there_is_nothing_to_say() {
    let mut solo = speaker(swim());
    solo.schedule();
    let armed = |solo: &mut Solo<Versions>| {
        solo.schedule();
        let mut all = core::iter::from_fn(|| solo.timers.pop_due(core::time::Duration::MAX));
        all.any(|timer| is_gossip(&timer))
    };
    assert!(!armed(&mut solo));
    let mut solo = speaker(swim());
    learns(&mut solo, [3]);
    assert!(armed(&mut solo));
}

#[test]
fn periodic_gossip_sends_what_waits_and_never_an_empty_packet() {
    let mut solo = speaker(swim());
    learns(&mut solo, [3, 4, 5]);
    let sent = solo.passes(10 * SECOND);
    assert!(count(&sent, "gossip") > 0);
    for (_, packet) in &sent {
        assert!(packet.header.message != Message::Gossip || !packet.members.is_empty());
    }
    assert_eq!(count(&solo.fires(60 * SECOND, is_gossip), "gossip"), 0);
}

#[test]
fn news_after_a_silence_waits_for_a_quarter_and_further_news_for_its_turn() {
    let mut config = swim();
    config.transmissions = Transmissions::Fixed(1);
    config.periodic_gossip = Some(Periodic::millis(200, 1));
    // Nothing else takes it along.
    config.probe_period = 3600 * SECOND;
    let mut solo = speaker(config);
    let waits = |solo: &mut Solo<Versions>, addr| {
        learns(solo, [addr]);
        let waited = (1..=100).find(|_| count(&solo.passes(SECOND / 100), "gossip") > 0);
        waited.map(|turns| turns * SECOND / 100)
    };
    assert_eq!(waits(&mut solo, 3), Some(SECOND / 20));
    for addr in 4..9 {
        assert_eq!(waits(&mut solo, addr), Some(SECOND / 5));
    }
    assert_eq!(count(&solo.passes(SECOND / 5), "gossip"), 0);
    assert_eq!(waits(&mut solo, 9), Some(SECOND / 20));
}

#[test]
fn a_gossip_timer_delivered_twice_does_not_double_the_gossip() {
    let mut config = swim();
    config.transmissions = Transmissions::Fixed(200);
    config.periodic_gossip = Some(Periodic::millis(200, 1));
    let mut solo = speaker(config);
    learns(&mut solo, [3]);
    for _ in 0..5 {
        solo.schedule();
        let mut due = Vec::new();
        while let Some(at) = solo.timers.next_deadline() {
            due.push((at, solo.timers.pop_due(at).unwrap()));
        }
        for (at, timer) in due {
            if is_gossip(&timer) {
                solo.timers.push(at, timer);
            }
            solo.timers.push(at, timer);
        }
        solo.fires(SECOND / 5, is_gossip);
    }
    solo.sent();
    let sent: usize = (0..10)
        .map(|_| solo.fires(SECOND / 5, is_gossip).len())
        .sum();
    assert_eq!(sent, 10, "in ten intervals");
}

#[test]
fn a_broadcast_makes_those_it_invalidates_obsolete() {
    let mut solo = speaker(swim());
    for version in 1..=5 {
        assert!(
            solo.engine
                .add_broadcast(&[1, version], &mut solo.runtime)
                .unwrap()
        );
        assert!(
            solo.engine
                .add_broadcast(&[2, version], &mut solo.runtime)
                .unwrap()
        );
    }
    assert!(
        !solo
            .engine
            .add_broadcast(&[1, 4], &mut solo.runtime)
            .unwrap()
    );
    assert_eq!(solo.engine.broadcasts_backlog(), 2);
    let mut broadcasts = ack(&mut solo).broadcasts;
    broadcasts.sort();
    assert_eq!(broadcasts, [vec![1, 5], vec![2, 5]]);
}

#[test]
fn received_news_is_spread_on_and_old_news_is_not() {
    let mut solo = speaker(swim());
    let says = |data: &[u8]| Packet::new(peer(2), peer(1), Message::Gossip).broadcast(data);
    solo.hears(says(&[1, 2]));
    solo.hears(says(&[1, 2]));
    solo.hears(says(&[1, 1]));
    assert_eq!(solo.engine.broadcasts_backlog(), 1);
    let counters = solo.engine.counters();
    assert_eq!(
        (counters.broadcasts_applied, counters.broadcasts_stale),
        (1, 2)
    );
}

#[test]
fn a_refused_broadcast_is_an_error_after_all_else_was_handled() {
    let mut solo = speaker(swim());
    let ping = Packet::new(peer(2), peer(1), Message::Ping(N))
        .member(peer(3), 0, State::Alive)
        .broadcast(&[9])
        .broadcast(&[1, 1])
        .encode();
    assert!(matches!(solo.tries(&ping), Err(Error::CustomBroadcast(_))));
    assert_eq!(kinds(&solo.sent()), [(2, "ack")]);
    assert_eq!(solo.belief(3), Some((State::Alive, 0)));
    assert_eq!(solo.engine.handler().0.get(&1), Some(&1));
    assert_eq!(solo.engine.counters().broadcasts_refused, 1);
    assert!(matches!(
        solo.engine.add_broadcast(&[9], &mut solo.runtime),
        Err(Error::CustomBroadcast(_))
    ));
}

/// Never again: data that nobody will hear is taken, and called news.
#[test]
fn who_left_or_is_defunct_takes_no_broadcasts() {
    for leaves in [true, false] {
        let mut solo = speaker(swim());
        if leaves {
            solo.engine.leave_cluster(&mut solo.runtime).unwrap();
        } else {
            let mortal = peer(crate::codec::MORTAL);
            solo.engine
                .change_identity(mortal, &mut solo.runtime)
                .unwrap();
            solo.hears_of(2, mortal, 0, State::Down);
        }
        let added = solo.engine.add_broadcast(&[1, 1], &mut solo.runtime);
        assert!(matches!(added, Err(Error::Undead)), "{added:?}");
        assert!(solo.engine.handler().0.is_empty(), "not even judged");
        assert_eq!(solo.engine.broadcasts_backlog(), 0);
        solo.engine.reuse_down_identity(&mut solo.runtime).unwrap();
        assert!(
            solo.engine
                .add_broadcast(&[1, 1], &mut solo.runtime)
                .unwrap()
        );
    }
}

#[test]
fn without_a_handler_broadcasts_are_refused() {
    let mut solo = Solo::new(swim());
    solo.meets(2);
    let added = solo.engine.add_broadcast(&[1, 1], &mut solo.runtime);
    assert!(matches!(added, Err(Error::CustomBroadcast(_))));
    let gossip = Packet::new(peer(2), peer(1), Message::Gossip).broadcast(&[1, 1]);
    assert!(matches!(
        solo.tries(&gossip.encode()),
        Err(Error::CustomBroadcast(_))
    ));
}

#[test]
fn beyond_the_bound_the_broadcast_sent_most_often_goes() {
    let mut config = swim();
    config.max_broadcasts = 3;
    let mut solo = speaker(config);
    for key in 1..=3 {
        solo.engine
            .add_broadcast(&[key, 1], &mut solo.runtime)
            .unwrap();
    }
    ack(&mut solo);
    solo.engine
        .add_broadcast(&[4, 1], &mut solo.runtime)
        .unwrap();
    solo.engine
        .add_broadcast(&[5, 1], &mut solo.runtime)
        .unwrap();
    assert_eq!(solo.engine.broadcasts_backlog(), 3);
    assert_eq!(solo.engine.counters().broadcasts_evicted, 2);
    let keys: Vec<u8> = ack(&mut solo).broadcasts.iter().map(|b| b[0]).collect();
    assert_eq!(keys[..2], [4, 5]);
}

#[test]
fn lowering_the_bound_drops_what_is_beyond_it() {
    let mut solo = speaker(swim());
    for key in 1..=9 {
        solo.engine
            .add_broadcast(&[key, 1], &mut solo.runtime)
            .unwrap();
    }
    let mut config = swim();
    config.max_broadcasts = 2;
    solo.engine.set_config(config, &mut solo.runtime).unwrap();
    assert_eq!(solo.engine.broadcasts_backlog(), 2);
}

#[test]
fn broadcast_sends_broadcasts_alone_and_nothing_when_none_waits() {
    let mut solo = speaker(swim());
    learns(&mut solo, [3]);
    solo.engine.broadcast(&mut solo.runtime).unwrap();
    assert_eq!(solo.sent(), []);
    solo.engine
        .add_broadcast(&[1, 1], &mut solo.runtime)
        .unwrap();
    solo.engine.broadcast(&mut solo.runtime).unwrap();
    let sent = solo.sent();
    assert_eq!(count(&sent, "broadcast"), 2);
    assert!(sent.iter().all(|(_, packet)| packet.members.is_empty()));
}
