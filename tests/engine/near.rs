//! Where a way must be made to some members first, the others are preferred, if any will do.

use std::collections::BTreeSet;

use selkie::{Config, Message, State, Timer};

use crate::{
    codec::{Packet, Peer, peer},
    solo::{Solo, kinds, swim},
    world::SECOND,
};

const MEMBERS: u16 = 200;

/// An engine with many members, of whom all are far but these.
fn with_near(near: &[u16]) -> Solo {
    let mut config: Config = swim();
    config.num_indirect_probes = 3;
    let mut solo = Solo::new(config);
    for addr in 2..2 + MEMBERS {
        solo.knows(peer(addr), 0, State::Alive);
        if !near.contains(&addr) {
            solo.runtime.far.insert(peer(addr));
        }
    }
    solo
}

/// To whom the engine gossips, once.
fn gossips_to(solo: &mut Solo) -> BTreeSet<u16> {
    solo.engine.gossip(&mut solo.runtime).unwrap();
    solo.sent().iter().map(|(to, _)| to.addr).collect()
}

#[test]
fn gossip_goes_to_those_that_are_near_first() {
    // Not all are looked at, in a large cluster: among so many, most are found.
    let near: Vec<u16> = (2..102).collect();
    let mut solo = with_near(&near);
    let mut reached = BTreeSet::new();
    for _ in 0..100 {
        let targets = gossips_to(&mut solo);
        assert_eq!(targets.len(), 3);
        assert!(
            targets.iter().all(|addr| near.contains(addr)),
            "{targets:?}"
        );
        reached.extend(targets);
    }
    assert!(reached.len() > 80, "always the same: {reached:?}");
}

#[test]
fn where_too_few_are_near_others_make_up_for_it() {
    let mut solo = with_near(&[]);
    let mut reached = BTreeSet::new();
    for _ in 0..100 {
        let targets = gossips_to(&mut solo);
        assert_eq!(targets.len(), 3);
        reached.extend(targets);
    }
    assert!(reached.len() > 100, "{reached:?}");

    let mut solo = Solo::new(swim());
    for addr in 2..6 {
        solo.knows(peer(addr), 0, State::Alive);
        solo.runtime.far.insert(peer(addr));
    }
    solo.runtime.far.remove(&peer(4));
    for _ in 0..20 {
        let targets = gossips_to(&mut solo);
        assert_eq!(targets.len(), 3, "{targets:?}");
        assert!(targets.contains(&4), "{targets:?}");
    }
}

#[test]
fn who_is_near_is_asked_to_help_with_a_probe() {
    let near: Vec<u16> = (2..150).collect();
    let mut solo = with_near(&near);
    let mut asked = 0;
    for _ in 0..50 {
        let sent = solo.fires(SECOND, |timer| matches!(timer, Timer::Probe { .. }));
        assert!(kinds(&sent).iter().any(|(_, kind)| *kind == "ping"));
        let is_indirect = |timer: &Timer<Peer>| matches!(timer, Timer::IndirectProbe { .. });
        let sent = solo.fires(SECOND / 2, is_indirect);
        let is_request = |packet: &Packet| matches!(packet.header.message, Message::PingReq { .. });
        for (helper, _) in sent.iter().filter(|(_, packet)| is_request(packet)) {
            assert!(near.contains(&helper.addr), "{helper:?}");
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked}");
}
