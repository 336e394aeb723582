//! What waits to be sent, until it was sent often enough (SWIM, section 4.1).
//!
//! A datagram takes what was sent least first and, among equals, what is largest. Items stand in
//! buckets by (times sent, length), so that adding, replacing and taking one costs the same
//! however many wait: there are few levels, and few distinct lengths in each.

use alloc::vec::Vec;
use core::ops::Range;

use slab::Slab;
use smallvec::SmallVec;

use super::{buckets::Buckets, table::growth};

/// Names an item while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ItemId(core::num::NonZeroU32);

impl ItemId {
    fn from_key(key: usize) -> Self {
        Self(core::num::NonZeroU32::MIN.saturating_add(key as u32))
    }

    fn key(self) -> usize {
        (self.0.get() - 1) as usize
    }
}

/// How items stand in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// One after the other.
    Bare,
    /// Each after its length, a big-endian `u16`.
    Length,
}

impl Framing {
    pub(super) fn overhead(self) -> usize {
        match self {
            Self::Bare => 0,
            Self::Length => 2,
        }
    }
}

/// Which items a datagram takes, by how often they were sent.
#[derive(Clone, Copy)]
pub(super) enum Order {
    /// Those first that were sent least.
    All,
    /// The same, of those that were sent less often than this.
    Below(u8),
    /// Those first that were sent so often, or more.
    From(u8),
}

impl Order {
    /// Which levels come first, of so many, and which ones then.
    fn levels(self, count: usize) -> [Range<usize>; 2] {
        match self {
            Self::All => [0..count, 0..0],
            Self::Below(bound) => [0..count.min(usize::from(bound)), 0..0],
            Self::From(bound) => {
                let bound = count.min(usize::from(bound));
                [bound..count, 0..bound]
            }
        }
    }
}

/// How much a datagram takes, and how often each item is sent in all.
pub(super) struct Fill {
    pub(super) room: usize,
    pub(super) items_max: usize,
    pub(super) transmissions: u8,
    pub(super) order: Order,
    /// Goes before all others, if it still waits and fits.
    pub(super) first: Option<ItemId>,
}

struct Item<T> {
    subject: T,
    bytes: SmallVec<[u8; 16]>,
    sent: u8,
    prev: Option<ItemId>,
    next: Option<ItemId>,
}

pub(super) struct Backlog<T> {
    framing: Framing,
    items: Slab<Item<T>>,
    /// What all items take, with their framing.
    size: usize,
    /// By times sent.
    levels: Vec<Buckets>,
    /// Taken for the present datagram.
    taken: Vec<ItemId>,
}

impl<T> Backlog<T> {
    pub(super) fn new(framing: Framing) -> Self {
        Self {
            framing,
            items: Slab::new(),
            size: 0,
            levels: Vec::new(),
            taken: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many bytes all items take, with their framing.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Adds an item of 1 to 65,535 bytes.
    pub(super) fn add(&mut self, subject: T, bytes: &[u8]) -> ItemId {
        self.size += bytes.len() + self.framing.overhead();
        if self.items.len() == self.items.capacity() {
            self.items.reserve_exact(growth(self.items.len()));
        }
        let id = ItemId::from_key(self.items.vacant_key());
        let prev = level(&mut self.levels, 0).join(bytes.len(), id);
        self.items.insert(Item {
            subject,
            bytes: SmallVec::from_slice(bytes),
            sent: 0,
            prev,
            next: None,
        });
        if let Some(prev) = prev {
            self.items[prev.key()].next = Some(id);
        }
        id
    }

    /// Lets an item say something else, as if it had never been sent.
    pub(super) fn replace(&mut self, id: ItemId, bytes: &[u8]) {
        let item = &mut self.items[id.key()];
        if item.sent == 0 && item.bytes.len() == bytes.len() {
            item.bytes.copy_from_slice(bytes);
            return;
        }
        self.unlink(id);
        let item = &mut self.items[id.key()];
        self.size = self.size - item.bytes.len() + bytes.len();
        item.bytes.clear();
        item.bytes.extend_from_slice(bytes);
        item.sent = 0;
        self.link(id);
    }

    pub(super) fn remove(&mut self, id: ItemId) -> T {
        self.unlink(id);
        self.drop_unlinked(id)
    }

    pub(super) fn subject_mut(&mut self, id: ItemId) -> &mut T {
        &mut self.items[id.key()].subject
    }

    /// Removes the items whose subject `is_obsolete`. Looks at each.
    pub(super) fn remove_where(&mut self, is_obsolete: impl Fn(&T) -> bool) {
        let mut obsolete = core::mem::take(&mut self.taken);
        let found = self
            .items
            .iter()
            .filter(|(_, item)| is_obsolete(&item.subject));
        obsolete.extend(found.map(|(key, _)| ItemId::from_key(key)));
        for id in obsolete.drain(..) {
            self.remove(id);
        }
        self.taken = obsolete;
    }

    /// Removes an item of those that were sent most often.
    pub(super) fn evict(&mut self) -> Option<T> {
        let last = self.levels.iter().rev().find_map(Buckets::last)?;
        Some(self.remove(last))
    }

    /// Whether any item was sent so often, or more.
    pub(super) fn has_from(&self, bound: u8) -> bool {
        let levels = self.levels.get(usize::from(bound)..);
        levels.is_some_and(|levels| levels.iter().any(Buckets::has_any))
    }

    /// Whether any item was sent less often.
    pub(super) fn has_below(&self, bound: u8) -> bool {
        let mut levels = self.levels.iter().take(usize::from(bound));
        levels.any(Buckets::has_any)
    }

    /// Removes the items that were sent so often, or more.
    pub(super) fn remove_from(&mut self, bound: u8) {
        for level in usize::from(bound)..self.levels.len() {
            while let Some(id) = self.levels[level].last() {
                self.remove(id);
            }
        }
    }

    /// How many bytes the item takes, with its framing, that goes next where there is so much
    /// room; 0 if none fits.
    pub(super) fn next_size(&self, room: usize, order: Order) -> usize {
        let mut levels = order.levels(self.levels.len()).into_iter().flatten();
        let next = levels.find_map(|level| self.first_that_fits(level, room));
        next.map_or(0, |id| {
            self.items[id.key()].bytes.len() + self.framing.overhead()
        })
    }

    /// Removes what is longer than `len`.
    pub(super) fn remove_larger(&mut self, len: usize, mut removed: impl FnMut(T)) {
        for level in 0..self.levels.len() {
            while let Some(largest) = self.levels[level].longest(usize::MAX) {
                if self.items[largest.key()].bytes.len() <= len {
                    break;
                }
                removed(self.remove(largest));
            }
        }
    }

    /// Appends items to `buf`. Returns how many; `spent` gets the subjects of those that were
    /// sent for the last time.
    pub(super) fn fill(
        &mut self,
        buf: &mut Vec<u8>,
        mut fill: Fill,
        mut spent: impl FnMut(T),
    ) -> usize {
        let mut taken = core::mem::take(&mut self.taken);
        if let Some(first) = fill.first {
            let size = self.items[first.key()].bytes.len() + self.framing.overhead();
            if size <= fill.room && fill.items_max > 0 {
                self.take(first, buf, &mut fill, &mut taken);
            }
        }
        let [first, then] = fill.order.levels(self.levels.len());
        self.take_levels(first, buf, &mut fill, &mut taken);
        self.take_levels(then, buf, &mut fill, &mut taken);
        let count = taken.len();
        for id in taken.drain(..) {
            self.sent_once_more(id, fill.transmissions, &mut spent);
        }
        self.taken = taken;
        count
    }

    /// Treats the item that goes next as sent: it is too large for where it should have gone.
    pub(super) fn pass_over(&mut self, transmissions: u8, order: Order, spent: impl FnMut(T)) {
        let mut levels = order.levels(self.levels.len()).into_iter().flatten();
        if let Some(id) = levels.find_map(|level| self.levels[level].longest(usize::MAX)) {
            self.count_as_sent(id, transmissions, spent);
        }
    }

    /// Treats an item as sent that was not.
    pub(super) fn count_as_sent(
        &mut self,
        id: ItemId,
        transmissions: u8,
        mut spent: impl FnMut(T),
    ) {
        self.unlink(id);
        self.sent_once_more(id, transmissions, &mut spent);
    }

    /// How often a waiting item was sent.
    pub(super) fn times_sent(&self, id: ItemId) -> u8 {
        self.items[id.key()].sent
    }

    fn take(&mut self, id: ItemId, buf: &mut Vec<u8>, fill: &mut Fill, taken: &mut Vec<ItemId>) {
        self.unlink(id);
        put(&self.items[id.key()].bytes, self.framing, buf);
        fill.room -= self.items[id.key()].bytes.len() + self.framing.overhead();
        taken.push(id);
    }

    fn take_levels(
        &mut self,
        levels: Range<usize>,
        buf: &mut Vec<u8>,
        fill: &mut Fill,
        taken: &mut Vec<ItemId>,
    ) {
        for level in levels {
            while taken.len() < fill.items_max {
                let Some(head) = self.first_that_fits(level, fill.room) else {
                    break;
                };
                self.take_run(head, buf, fill, taken);
            }
        }
    }

    /// Takes the first item of a bucket, and those behind it as far as they fit, too.
    fn take_run(
        &mut self,
        head: ItemId,
        buf: &mut Vec<u8>,
        fill: &mut Fill,
        taken: &mut Vec<ItemId>,
    ) {
        let Item {
            sent, ref bytes, ..
        } = self.items[head.key()];
        let len = bytes.len();
        let size = len + self.framing.overhead();
        let mut next = Some(head);
        while let Some(id) = next
            && size <= fill.room
            && taken.len() < fill.items_max
        {
            let item = &self.items[id.key()];
            put(&item.bytes, self.framing, buf);
            next = item.next;
            fill.room -= size;
            taken.push(id);
        }
        self.levels[usize::from(sent)].behead(len, next);
        if let Some(next) = next {
            self.items[next.key()].prev = None;
        }
    }

    fn first_that_fits(&self, level: usize, room: usize) -> Option<ItemId> {
        let len_max = room.checked_sub(self.framing.overhead())?;
        self.levels[level].longest(len_max)
    }

    /// Puts an unlinked item back, or drops it when it was sent often enough.
    fn sent_once_more(&mut self, id: ItemId, transmissions: u8, spent: &mut impl FnMut(T)) {
        let item = &mut self.items[id.key()];
        item.sent = item.sent.saturating_add(1);
        if item.sent >= transmissions {
            spent(self.drop_unlinked(id));
        } else {
            self.link(id);
        }
    }

    fn drop_unlinked(&mut self, id: ItemId) -> T {
        let item = self.items.remove(id.key());
        self.size -= item.bytes.len() + self.framing.overhead();
        item.subject
    }

    fn link(&mut self, id: ItemId) {
        let item = &mut self.items[id.key()];
        item.next = None;
        item.prev = level(&mut self.levels, item.sent).join(item.bytes.len(), id);
        if let Some(prev) = item.prev {
            self.items[prev.key()].next = Some(id);
        }
    }

    fn unlink(&mut self, id: ItemId) {
        let item = &mut self.items[id.key()];
        let (prev, next) = (item.prev.take(), item.next.take());
        self.levels[usize::from(item.sent)].leave(item.bytes.len(), prev, next);
        if let Some(prev) = prev {
            self.items[prev.key()].next = next;
        }
        if let Some(next) = next {
            self.items[next.key()].prev = prev;
        }
    }
}

fn level(levels: &mut Vec<Buckets>, sent: u8) -> &mut Buckets {
    let sent = usize::from(sent);
    if levels.len() <= sent {
        levels.resize_with(sent + 1, Buckets::default);
    }
    &mut levels[sent]
}

fn put(bytes: &[u8], framing: Framing, buf: &mut Vec<u8>) {
    if framing == Framing::Length {
        buf.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    }
    buf.extend_from_slice(bytes);
}
