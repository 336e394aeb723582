//! What a handler of broadcasts decides, and what deciding may cost.

use std::{cell::Cell, rc::Rc};

use selkie::{BroadcastHandler, Invalidates, Message, State, Timer};

use crate::{
    codec::{Packet, Peer, peer},
    solo::{Solo, swim},
    world::SECOND,
};

fn is_gossip(timer: &Timer<Peer>) -> bool {
    matches!(timer, Timer::Gossip { .. })
}

/// Only lets broadcasts go to members with an even address.
struct Even;

#[derive(Clone, Copy)]
struct Never;

impl Invalidates for Never {
    fn invalidates(&self, _other: &Self) -> bool {
        false
    }
}

impl BroadcastHandler<Peer> for Even {
    type Key = Never;

    fn receive_item(
        &mut self,
        _data: &[u8],
        _sender: Option<&Peer>,
    ) -> Result<Option<Never>, Box<dyn core::error::Error + Send + Sync>> {
        Ok(Some(Never))
    }

    fn should_add_broadcast_data(&self, member: &Peer) -> bool {
        member.addr.is_multiple_of(2)
    }
}

#[test]
fn broadcasts_go_only_to_whom_the_handler_lets_them() {
    let mut solo = Solo::with_broadcasts(swim(), Even);
    for addr in 2..=5 {
        solo.knows(peer(addr), 0, State::Alive);
    }
    solo.engine
        .add_broadcast(b"hello", &mut solo.runtime)
        .unwrap();
    let sent = solo.passes(20 * SECOND);
    let carriers: Vec<_> = sent
        .iter()
        .filter(|(_, packet)| !packet.broadcasts.is_empty())
        .collect();
    assert!(!carriers.is_empty());
    assert!(carriers.iter().all(|(to, _)| to.addr.is_multiple_of(2)));
    assert_eq!(solo.engine.broadcasts_backlog(), 0);
    solo.knows(peer(2), 1, State::Down);
    solo.knows(peer(4), 1, State::Down);
    solo.sent();
    solo.engine
        .add_broadcast(b"to nobody", &mut solo.runtime)
        .unwrap();
    assert_eq!(solo.fires(SECOND, is_gossip), [], "an empty packet");
}

/// Takes everything for news, and counts how often two keys are compared. A first byte below 200
/// is a topic, of which the newest stands.
#[derive(Default)]
struct Compares(Rc<Cell<usize>>);

struct Compared {
    topic: Option<u8>,
    compared: Rc<Cell<usize>>,
}

impl Invalidates for Compared {
    fn invalidates(&self, other: &Self) -> bool {
        self.compared.set(self.compared.get() + 1);
        self.topic.is_some() && self.topic == other.topic
    }
}

impl BroadcastHandler<Peer> for Compares {
    type Key = Compared;

    fn receive_item(
        &mut self,
        data: &[u8],
        _sender: Option<&Peer>,
    ) -> Result<Option<Compared>, Box<dyn core::error::Error + Send + Sync>> {
        let topic = data.first().copied().filter(|&topic| topic < 200);
        let compared = self.0.clone();
        Ok(Some(Compared { topic, compared }))
    }
}

const COMPARISONS_MAX: usize = 16_384;

/// An engine with as many broadcasts waiting, and none of them compared yet.
fn waiting(broadcasts: usize, members: u16) -> Solo<Compares> {
    let mut config = swim();
    config.max_broadcasts = broadcasts;
    let mut solo = Solo::with_broadcasts(config, Compares::default());
    for addr in 2..2 + members {
        solo.knows(peer(addr), 0, State::Alive);
    }
    while solo.engine.broadcasts_backlog() < broadcasts {
        hears_as_many_as_fit(&mut solo);
    }
    assert_eq!(solo.engine.broadcasts_backlog(), broadcasts);
    solo.engine.handler().0.set(0);
    solo
}

fn hears_as_many_as_fit(solo: &mut Solo<Compares>) -> usize {
    let mut gossip = Packet::new(peer(2), peer(1), Message::Gossip);
    while gossip.encode().len() <= solo.engine.config().max_packet_size - 3 {
        gossip = gossip.broadcast(&[255]);
    }
    let count = gossip.broadcasts.len();
    solo.hears(gossip);
    count
}

/// Never again: a datagram full of tiny broadcasts costs a walk through all that wait for each.
#[test]
fn what_a_datagram_may_cost_is_bounded_however_many_broadcasts_wait() {
    for (backlog, members) in [(1024, 1), (1024, 500), (20_000, 1)] {
        let mut solo = waiting(backlog, members);
        let before = solo.engine.counters().broadcasts_applied;
        let heard = hears_as_many_as_fit(&mut solo);
        assert!(heard > 400, "{heard}");
        let compared = solo.engine.handler().0.get();
        assert!(compared <= backlog.max(COMPARISONS_MAX), "{compared}");
        let applied = solo.engine.counters().broadcasts_applied - before;
        assert_eq!(applied as usize, heard, "all are taken");
        assert_eq!(solo.engine.broadcasts_backlog(), backlog);
    }
}

#[test]
fn usual_datagrams_are_compared_with_all_that_waits() {
    let mut solo = waiting(1000, 3);
    for topic in 0..10 {
        let version = |n| [topic, n];
        let gossip = Packet::new(peer(2), peer(1), Message::Gossip);
        solo.hears(gossip.broadcast(&version(1)).broadcast(&version(2)));
    }
    // 16 are compared with all, in a datagram by itself.
    let mut gossip = Packet::new(peer(2), peer(1), Message::Gossip);
    for topic in 0..10 {
        gossip = gossip.broadcast(&[topic, 3]);
    }
    solo.hears(gossip);
    solo.sent();
    let sent = solo.hears_from(2, Message::Ping(Default::default()));
    let versions = sent[0].1.broadcasts.iter().filter(|data| data[0] < 200);
    let versions: Vec<u8> = versions.map(|data| data[1]).collect();
    assert_eq!(versions, [3; 10]);
}

#[test]
fn the_first_of_a_datagram_is_compared_even_with_more_than_the_bound() {
    let mut solo = waiting(20_000, 1);
    for version in 1..=3 {
        let gossip = Packet::new(peer(2), peer(1), Message::Gossip);
        solo.hears(gossip.broadcast(&[7, version]));
    }
    let sent = solo.hears_from(2, Message::Ping(Default::default()));
    let versions = sent[0].1.broadcasts.iter().filter(|data| data[0] == 7);
    assert_eq!(versions.collect::<Vec<_>>(), [&[7, 3]]);
}
