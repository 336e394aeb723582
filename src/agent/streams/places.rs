//! How many streams there are, and how many more there may be.

use alloc::sync::Arc;
use std::collections::HashMap;

use crate::{Identity, agent::Limits};

/// Counts streams by who holds a place: dropped, it is free.
pub(in crate::agent) struct Places<I: Identity> {
    greeting: Room,
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

    /// Whether another peer may begin to speak.
    pub(in crate::agent) fn has_greeting(&self) -> bool {
        self.greeting.len() < self.greeting.max
    }

    /// How many streams of peers there are.
    pub(in crate::agent) fn inbound(&self) -> usize {
        self.inbound.len()
    }

    /// How many streams of our own there are.
    pub(in crate::agent) fn outbound(&self) -> usize {
        self.outgoing.len()
    }

    pub(super) fn greeting(&self) -> Option<Place> {
        self.greeting.take().map(Place::new)
    }

    pub(super) fn outgoing(&self) -> Option<Place> {
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

/// How many peers may be about to say for what their streams are.
const GREETINGS_MAX: usize = 64;
