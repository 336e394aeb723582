//! What is to happen, in order.

use alloc::{collections::BinaryHeap, vec::Vec};
use core::{cmp::Reverse, time::Duration};

use slab::Slab;

/// A packet on its way.
pub(super) struct Parcel {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) kind: &'static str,
    pub(super) data: Vec<u8>,
}

pub(super) enum Event<T> {
    /// A packet reaches its node.
    Arrives(Parcel),
    /// A slow node has come to this packet, in the life in which it arrived.
    Processed { parcel: Parcel, life: u32 },
    /// A node's timer is due.
    Due(Alarm<T>),
    /// A node that knows nobody announces itself again.
    Joins { node: usize, life: u32 },
    /// The scenario goes on, with the action at this place.
    Acts(usize),
}

/// A timer of a node.
pub(super) struct Alarm<T> {
    pub(super) node: usize,
    /// In which life of the node.
    pub(super) life: u32,
    /// For how long the node's clock had stood still, when it was set.
    pub(super) stalled: Duration,
    pub(super) timer: T,
}

/// Events in the order in which they happen; those at one time in the order in which they were
/// pushed.
pub(super) struct Queue<T> {
    /// Time in nanoseconds, order, place. Small, since the heap moves them about.
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Slab<Event<T>>,
    pushed: u64,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            events: Slab::new(),
            pushed: 0,
        }
    }

    /// Time ends after 584 years.
    pub(super) fn push(&mut self, at: Duration, event: Event<T>) {
        let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let place = self.events.insert(event);
        self.heap.push(Reverse((at, self.pushed, place)));
        self.pushed += 1;
    }

    /// Takes the first event, unless it is later than `end`.
    pub(super) fn pop(&mut self, end: Duration) -> Option<(Duration, Event<T>)> {
        let Reverse((at, ..)) = self.heap.peek()?;
        let at = Duration::from_nanos(*at);
        if at > end {
            return None;
        }
        let Reverse((_, _, place)) = self.heap.pop()?;
        Some((at, self.events.remove(place)))
    }
}
