//! How many streams there are, and how many more there may be.

use alloc::sync::Arc;
use core::net::IpAddr;
use std::collections::HashMap;

use crate::{
    Identity,
    agent::{Limits, admission::Source},
    transport::ProvenPeer,
};

/// Counts streams by who holds a place: dropped, it is free.
pub(in crate::agent) struct Places<I: Identity> {
    greeting: Room,
    greeters: HashMap<Greeter, Room>,
    inbound: Room,
    outgoing: Room,
    peers: HashMap<I::Addr, Room>,
    per_peer: usize,
}

/// A place for one stream.
pub(in crate::agent) struct Place {
    _all: Arc<()>,
    _peer: Option<Arc<()>>,
}

/// Who is about to speak, as far as that is known yet.
#[derive(PartialEq, Eq, Hash)]
enum Greeter {
    Proven(ProvenPeer),
    At(IpAddr),
}

struct Room {
    taken: Arc<()>,
    max: usize,
}

impl Room {
    fn new(max: usize) -> Self {
        Self {
            taken: Arc::new(()),
            max,
        }
    }

    fn len(&self) -> usize {
        Arc::strong_count(&self.taken) - 1
    }

    fn take(&self) -> Option<Arc<()>> {
        (self.len() < self.max).then(|| self.taken.clone())
    }
}

impl<I: Identity> Places<I> {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            greeting: Room::new(GREETINGS_MAX),
            greeters: HashMap::new(),
            inbound: Room::new(limits.streams),
            outgoing: Room::new(limits.dials),
            peers: HashMap::new(),
            per_peer: limits.streams_per_peer,
        }
    }

    pub(in crate::agent) fn set_limits(&mut self, limits: &Limits) {
        self.inbound.max = limits.streams;
        self.outgoing.max = limits.dials;
        self.per_peer = limits.streams_per_peer;
        for room in self.peers.values_mut() {
            room.max = limits.streams_per_peer;
        }
    }

    /// How many streams of peers there are.
    pub(in crate::agent) fn inbound(&self) -> usize {
        self.inbound.len()
    }

    /// How many streams of our own there are.
    pub(in crate::agent) fn outbound(&self) -> usize {
        self.outgoing.len()
    }

    /// A place for a stream of which it is not known what it is for: some for each source.
    pub(super) fn greeting(&mut self, source: &Source) -> Option<Place> {
        let all = self.greeting.take()?;
        if self.greeters.len() >= self.greeting.max {
            self.greeters.retain(|_, room| room.len() > 0);
        }
        let greeter = match &source.peer {
            Some(peer) => Greeter::Proven(peer.clone()),
            None => Greeter::At(source.from.ip().to_canonical()),
        };
        let room = self.greeters.entry(greeter);
        let room = room.or_insert_with(|| Room::new(GREETINGS_PER_SOURCE));
        Some(Place {
            _all: all,
            _peer: Some(room.take()?),
        })
    }

    /// Whether a stream of messages leaves places to those that the agent cannot do without.
    pub(in crate::agent) fn has_room_for_messages(&self) -> bool {
        let spare = SPARE_MAX.min(self.outgoing.max / 4);
        self.outgoing.len() + spare < self.outgoing.max
    }

    /// Whether there is ever a place for a stream of our own.
    pub(in crate::agent) fn may_open_any(&self) -> bool {
        self.outgoing.max > 0
    }

    /// A place for a stream of our own.
    pub(in crate::agent) fn outgoing(&self) -> Option<Place> {
        self.outgoing.take().map(Place::new)
    }

    /// A place for a stream of this peer.
    pub(in crate::agent) fn of_peer(&mut self, peer: I::Addr) -> Option<Place> {
        let all = self.inbound.take()?;
        if self.peers.len() >= self.inbound.max {
            self.peers.retain(|_, room| room.len() > 0);
        }
        let room = self
            .peers
            .entry(peer)
            .or_insert_with(|| Room::new(self.per_peer));
        Some(Place {
            _all: all,
            _peer: Some(room.take()?),
        })
    }
}

impl Place {
    fn new(all: Arc<()>) -> Self {
        Self {
            _all: all,
            _peer: None,
        }
    }
}

/// How many places of our own streams messages leave to others.
const SPARE_MAX: usize = 8;
/// How many peers may be about to say for what their streams are.
const GREETINGS_MAX: usize = 256;
/// How many streams of one source of them: a proven peer, or an IP address, which many may share.
const GREETINGS_PER_SOURCE: usize = 32;
