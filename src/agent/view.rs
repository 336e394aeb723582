//! What the agent knows of the members, in a form that is cheap to change and cheap to copy.
//!
//! Members live in slots, slots in chunks, and a copy shares the chunks: it costs a reference
//! count per chunk, and a change afterwards costs a copy of one chunk. A member keeps its slot
//! until it is forgotten, so that two copies are compared slot by slot, and chunks that they
//! share are not looked at.

use alloc::{sync::Arc, vec::Vec};
use core::{fmt, hash::BuildHasher};
use std::{hash::RandomState, time::SystemTime};

use hashbrown::HashTable;

use super::Metadata;
use crate::{Identity, Incarnation, Member, State};

/// What is believed about one member.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberInfo<I> {
    /// Who it is.
    pub id: I,
    /// The latest incarnation heard of.
    pub incarnation: Incarnation,
    /// The state believed at that incarnation.
    pub state: State,
    /// When it took this state here, or this identity, by the wall clock.
    pub since: SystemTime,
    /// What it says of itself, if it says anything, and we know it.
    pub metadata: Option<Metadata>,
}

/// The members at one moment, down ones included, ourselves not: see
/// [`Cluster::members`](super::Cluster::members).
///
/// Does not change; cheap to clone. A member keeps its place in the order for as long as it is
/// remembered.
#[derive(Clone)]
pub struct Members<I> {
    chunks: Arc<[Arc<Chunk<I>>]>,
    version: u64,
    len: usize,
    num_active: usize,
}

/// The slots of some members; all chunks but the last have [`CHUNK_LEN`].
type Chunk<I> = Vec<Option<MemberInfo<I>>>;

impl<I> Members<I> {
    /// All of them, down ones included.
    pub fn iter(&self) -> impl Iterator<Item = &MemberInfo<I>> {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.iter())
            .filter_map(Option::as_ref)
    }

    /// Those that take part: alive or suspected.
    pub fn active(&self) -> impl Iterator<Item = &MemberInfo<I>> {
        self.iter().filter(|member| member.state.is_active())
    }

    /// The member with this address. Looks at one after the other.
    pub fn find(&self, addr: &I::Addr) -> Option<&MemberInfo<I>>
    where
        I: Identity,
    {
        self.iter().find(|member| member.id.addr() == *addr)
    }

    /// How many there are, down ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none, not even a down one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many are alive or suspected.
    #[must_use]
    pub fn num_active(&self) -> usize {
        self.num_active
    }

    /// Grows with every change: equal versions from one agent are equal members.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Hands over each place that is not the same `before`, as it was there and as it is here.
    pub(super) fn for_each_change<'a>(
        &'a self,
        before: &'a Self,
        mut change: impl FnMut(Option<&'a MemberInfo<I>>, Option<&'a MemberInfo<I>>),
    ) where
        I: Eq,
    {
        for index in 0..self.chunks.len().max(before.chunks.len()) {
            let (was, is) = (before.chunks.get(index), self.chunks.get(index));
            if let (Some(was), Some(is)) = (was, is)
                && Arc::ptr_eq(was, is)
            {
                continue;
            }
            let slots = |chunk: Option<&'a Arc<Chunk<I>>>| chunk.map_or(&[][..], |c| c.as_slice());
            let (was, is) = (slots(was), slots(is));
            for slot in 0..was.len().max(is.len()) {
                let was = was.get(slot).and_then(Option::as_ref);
                let is = is.get(slot).and_then(Option::as_ref);
                if was != is {
                    change(was, is);
                }
            }
        }
    }
}

impl<I: fmt::Debug> fmt::Debug for Members<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The members as they are now.
pub(super) struct View<I: Identity> {
    chunks: Vec<Arc<Chunk<I>>>,
    /// By address, which is in the slot: large addresses are not held twice.
    slots: HashTable<usize>,
    hasher: RandomState,
    free: Vec<usize>,
    num_active: usize,
    version: u64,
    copy: Option<Members<I>>,
}

impl<I: Identity> View<I> {
    pub(super) fn new() -> Self {
        Self {
            chunks: Vec::new(),
            slots: HashTable::new(),
            hasher: RandomState::new(),
            free: Vec::new(),
            num_active: 0,
            version: 0,
            copy: None,
        }
    }

    /// Takes over what is believed about a member: nothing, once it is forgotten.
    pub(super) fn set(&mut self, addr: &I::Addr, member: Option<Member<I>>, now: SystemTime) {
        match (member, self.slot_of(addr)) {
            (None, None) => {}
            (None, Some(slot)) => {
                let hash = self.hasher.hash_one(addr);
                if let Ok(entry) = self.slots.find_entry(hash, |&other| other == slot) {
                    entry.remove();
                }
                self.free.push(slot);
                self.put(slot, None);
            }
            (Some(member), None) => {
                let slot = self.new_slot();
                self.put(slot, Some(info(member, now)));
                self.index(addr, slot);
            }
            (Some(member), Some(slot)) => {
                let mut new = info(member, now);
                if let Some(old) = self.at(slot) {
                    new.metadata.clone_from(&old.metadata);
                    if old.id == new.id && old.state == new.state {
                        new.since = old.since;
                    }
                    if *old == new {
                        return;
                    }
                }
                self.put(slot, Some(new));
            }
        }
    }

    /// Takes over a member's metadata, if the member is known.
    pub(super) fn set_metadata(&mut self, addr: &I::Addr, metadata: Option<Metadata>) {
        if let Some(slot) = self.slot_of(addr)
            && let Some(member) = self.at(slot)
            && member.metadata != metadata
        {
            let member = member.clone();
            self.put(slot, Some(MemberInfo { metadata, ..member }));
        }
    }

    /// The members, to be kept.
    pub(super) fn copy(&mut self) -> Members<I> {
        let copy = self.copy.get_or_insert_with(|| Members {
            chunks: self.chunks.as_slice().into(),
            version: self.version,
            len: self.slots.len(),
            num_active: self.num_active,
        });
        copy.clone()
    }

    fn slot_of(&self, addr: &I::Addr) -> Option<usize> {
        let is_it = |&slot: &usize| self.at(slot).is_some_and(|m| m.id.addr() == *addr);
        let hash = self.hasher.hash_one(addr);
        self.slots.find(hash, is_it).copied()
    }

    fn index(&mut self, addr: &I::Addr, slot: usize) {
        let (chunks, hasher) = (&self.chunks, &self.hasher);
        let hash_of = |&slot: &usize| {
            let member = at(chunks, slot);
            member.map_or(0, |member| hasher.hash_one(member.id.addr()))
        };
        let hash = hasher.hash_one(addr);
        self.slots.insert_unique(hash, slot, hash_of);
    }

    fn at(&self, slot: usize) -> Option<&MemberInfo<I>> {
        at(&self.chunks, slot)
    }

    fn new_slot(&mut self) -> usize {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK_LEN => {
                let last = Arc::make_mut(last);
                if last.len() == last.capacity() {
                    last.reserve_exact(GROWTH);
                }
                last.push(None);
            }
            _ => self.chunks.push(Arc::new(Vec::from([None]))),
        }
        // Slots are never given up, only freed: all that are not free are taken.
        self.slots.len()
    }

    fn put(&mut self, slot: usize, member: Option<MemberInfo<I>>) {
        // First of all: a chunk that nobody else holds need not be copied to be changed.
        self.copy = None;
        let place = self.chunks.get_mut(slot / CHUNK_LEN);
        let Some(place) = place.and_then(|c| Arc::make_mut(c).get_mut(slot % CHUNK_LEN)) else {
            debug_assert!(false, "slot {slot} does not exist");
            return;
        };
        let is_active = |m: &Option<MemberInfo<I>>| m.as_ref().is_some_and(|m| m.state.is_active());
        self.num_active -= usize::from(is_active(place));
        self.num_active += usize::from(is_active(&member));
        *place = member;
        self.version += 1;
    }
}

fn at<I>(chunks: &[Arc<Chunk<I>>], slot: usize) -> Option<&MemberInfo<I>> {
    let chunk = chunks.get(slot / CHUNK_LEN)?;
    chunk.get(slot % CHUNK_LEN)?.as_ref()
}

fn info<I>(member: Member<I>, since: SystemTime) -> MemberInfo<I> {
    MemberInfo {
        id: member.id,
        incarnation: member.incarnation,
        state: member.state,
        since,
        metadata: None,
    }
}

/// Slots in a chunk: the more, the cheaper a copy, and the dearer a change after it.
const CHUNK_LEN: usize = 64;

/// By how many slots a chunk grows: doubling would leave up to half of it unused.
const GROWTH: usize = 8;

#[cfg(test)]
mod tests;
