//! Everybody we know of, one entry per address.
//!
//! Every operation takes constant time: a keyed hash finds an address, active members stand in one
//! dense array from which any number can be drawn at random, and down members in two lists by age.
//! Entries are dense too: removing one moves the last into its place, and everything that refers
//! to it by [`Slot`] is put right.

use alloc::vec::Vec;

use fastrand::Rng;
use hashbrown::HashTable;
use smallvec::SmallVec;

use super::{
    age_list::AgeList,
    backlog::ItemId,
    draw::{Draw, Preferring},
    entry::{Entry, Held, Place, Slot},
    lookup::{Hashed, Keyed, Lookup},
    ring::Ring,
    suspicion::Suspected,
    suspicion::SuspicionTimers,
    turns::Turns,
};
use crate::{Epoch, Identity, Incarnation, Member};

/// The two kinds of down members.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kin {
    /// Never was active here.
    Stranger,
    /// Once was.
    Fallen,
}

impl Kin {
    fn other(self) -> Self {
        match self {
            Self::Stranger => Self::Fallen,
            Self::Fallen => Self::Stranger,
        }
    }
}

/// The down members announced to in one go.
#[derive(Default)]
pub(super) struct DownRound {
    /// How many of each kind.
    counts: [usize; 2],
    slots: SmallVec<[Slot; 8]>,
}

/// What [`Table::remove`] did.
pub(super) struct Removed<I> {
    /// Who it was.
    pub(super) id: I,
    /// What waited to be sent about the removed entry.
    pub(super) item: Option<ItemId>,
    /// What waits to be sent about the entry that took its slot.
    pub(super) moved_item: Option<ItemId>,
}

pub(super) struct Table<I: Identity> {
    entries: Vec<Entry<I>>,
    index: HashTable<u32>,
    hash_key: Keyed,
    /// The active members: `..cursor` were probed in this round, `cursor..` were not.
    active: Vec<u32>,
    cursor: usize,
    suspects: Vec<Suspected<I>>,
    /// Down members that never were active here.
    strangers: AgeList,
    /// Down members that once were active.
    fallen: AgeList,
    /// Which stranger and which fallen is to be announced to.
    turns: [Turns; 2],
    /// Which of the two kinds was announced to last.
    last_turn: Kin,
    /// Who comes after us.
    pub(super) ring: Ring,
}

impl<I: Identity> Table<I> {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self {
            entries: Vec::new(),
            index: HashTable::new(),
            hash_key: Keyed(rng.u64(..), rng.u64(..)),
            active: Vec::new(),
            cursor: 0,
            suspects: Vec::new(),
            strangers: AgeList::EMPTY,
            fallen: AgeList::EMPTY,
            turns: [Turns::NEW; 2],
            last_turn: Kin::Stranger,
            ring: Ring::default(),
        }
    }

    pub(super) fn find(&self, addr: &I::Addr) -> Option<Slot> {
        self.find_hashed(self.hash_key.hash(addr), addr)
    }

    fn find_hashed(&self, hashed: Hashed, addr: &I::Addr) -> Option<Slot> {
        self.index
            .find(hashed.0, |&slot| {
                self.entries[slot as usize].id.addr() == *addr
            })
            .map(|&s| Slot(s))
    }

    /// Looks for whom each update is about.
    pub(super) fn look_up(&self, updates: &[Member<I>], lookups: &mut Vec<Lookup>) {
        lookups.clear();
        lookups.extend(updates.iter().map(|update| self.lookup(&update.id.addr())));
        for lookup in lookups.iter_mut() {
            // The first that may be it. Its entry is not looked at yet.
            let likely = self.index.find(lookup.hashed.0, |_| true);
            lookup.likely = likely.copied().unwrap_or(Slot::NONE);
        }
        for (lookup, update) in lookups.iter_mut().zip(updates) {
            if !self.is_at(lookup.likely, &update.id.addr()) {
                lookup.likely = Slot::NONE;
            }
        }
    }

    /// Begins to look for one.
    pub(super) fn lookup(&self, addr: &I::Addr) -> Lookup {
        Lookup::begin(self.hash_key.hash(addr))
    }

    /// Ends the search for an address.
    pub(super) fn found(&self, lookup: Lookup, addr: &I::Addr) -> Option<Slot> {
        if self.is_at(lookup.likely, addr) {
            Some(Slot(lookup.likely))
        } else {
            self.find_hashed(lookup.hashed, addr)
        }
    }

    fn is_at(&self, slot: u32, addr: &I::Addr) -> bool {
        let entry = self.entries.get(slot as usize);
        entry.is_some_and(|entry| entry.id.addr() == *addr)
    }

    /// Makes room for as many more, if they are so many that growing step by step is dearer.
    pub(super) fn reserve(&mut self, additional: usize) {
        if additional < growth(self.entries.len()) {
            return;
        }
        self.entries.reserve_exact(additional);
        self.active.reserve_exact(additional);
        let (entries, key) = (&self.entries, self.hash_key);
        self.index
            .reserve(additional, |&s| key.hash(&entries[s as usize].id.addr()).0);
    }

    pub(super) fn get(&self, slot: Slot) -> &Entry<I> {
        &self.entries[slot.at()]
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut Entry<I> {
        &mut self.entries[slot.at()]
    }

    /// How many entries there are, down members included.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn num_active(&self) -> usize {
        self.active.len()
    }

    pub(super) fn num_down(&self) -> usize {
        self.strangers.len() + self.fallen.len()
    }

    pub(super) fn active(&self) -> impl Iterator<Item = &Entry<I>> {
        self.active.iter().map(|&slot| &self.entries[slot as usize])
    }

    /// The active member at a place below [`num_active`](Self::num_active).
    pub(super) fn active_at(&self, place: usize) -> Slot {
        Slot(self.active[place])
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<I>> {
        self.entries.iter()
    }

    pub(super) fn num_suspects(&self) -> usize {
        self.suspects.len()
    }

    /// The suspect at a place below [`num_suspects`](Self::num_suspects).
    pub(super) fn suspect(&self, place: usize) -> Slot {
        self.suspects[place].slot
    }

    /// What we hold about a suspicion, if there is one.
    pub(super) fn suspected(&self, slot: Slot) -> Option<&Suspected<I>> {
        let entry = self.get(slot);
        (entry.held == Held::Suspect).then(|| &self.suspects[entry.place.second as usize])
    }

    pub(super) fn suspected_mut(&mut self, slot: Slot) -> Option<&mut Suspected<I>> {
        let entry = self.get(slot);
        let place = entry.place.second as usize;
        (entry.held == Held::Suspect).then(|| &mut self.suspects[place])
    }

    /// Adds an identity whose address is not held.
    pub(super) fn insert(
        &mut self,
        hashed: Hashed,
        update: Member<I>,
        held: Held,
        epoch: Epoch,
    ) -> Slot {
        let slot = Slot(self.entries.len() as u32);
        grow_a_little(&mut self.entries);
        self.entries.push(Entry {
            id: update.id,
            incarnation: update.incarnation,
            held,
            accused_by_us: false,
            timers: SuspicionTimers::default(),
            was_active: held.is_active(),
            bucket: 0,
            epoch,
            item: None,
            place: Place::NOWHERE,
        });
        let (entries, key) = (&self.entries, self.hash_key);
        self.index.insert_unique(hashed.0, slot.0, |&s| {
            key.hash(&entries[s as usize].id.addr()).0
        });
        self.take_place(slot);
        slot
    }

    /// Puts an entry into a state, from whichever it is in; the suspicion, if any, starts afresh.
    /// An active member that stays active keeps its turn to be probed.
    pub(super) fn set(&mut self, slot: Slot, incarnation: Incarnation, held: Held, epoch: Epoch) {
        let before = self.entries[slot.at()].held;
        let moves = !before.is_active() || !held.is_active();
        if moves {
            self.leave_place(slot);
        } else if before == Held::Suspect {
            self.leave_suspects(slot);
        }
        let entry = &mut self.entries[slot.at()];
        entry.incarnation = incarnation;
        entry.held = held;
        entry.was_active |= held.is_active();
        entry.accused_by_us = false;
        entry.epoch = epoch;
        if moves {
            self.take_place(slot);
        } else if held == Held::Suspect {
            self.join_suspects(slot);
        }
    }

    /// Puts another identity with the same address into an entry.
    pub(super) fn rename(&mut self, slot: Slot, id: I) -> I {
        self.ring.leaves(slot);
        self.ring.joins(slot);
        core::mem::replace(&mut self.entries[slot.at()].id, id)
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Removed<I> {
        self.leave_place(slot);
        let last = Slot((self.entries.len() - 1) as u32);
        if last != slot {
            self.move_place(last, slot);
        }
        self.ring.moves(last, slot);
        self.unindex(slot);
        let entry = self.entries.swap_remove(slot.at());
        let moved_item = (last != slot).then(|| {
            self.reindex(last, slot);
            self.entries[slot.at()].item
        });
        Removed {
            id: entry.id,
            item: entry.item,
            moved_item: moved_item.flatten(),
        }
    }

    /// The next member to probe: each active one once per round, in random order. A newcomer is
    /// still probed in the round in which it comes.
    pub(super) fn next_to_probe(&mut self, rng: &mut Rng) -> Option<Slot> {
        if self.active.is_empty() {
            return None;
        }
        if self.cursor >= self.active.len() {
            self.cursor = 0;
        }
        let chosen = rng.usize(self.cursor..self.active.len());
        self.swap_active(self.cursor, chosen);
        self.cursor += 1;
        Some(Slot(self.active[self.cursor - 1]))
    }

    /// Begins to draw active members at random, none twice.
    pub(super) fn drawing(&self, rng: &mut Rng) -> Draw {
        Draw::new(self.active.len(), rng)
    }

    /// The next one of a drawing. The active members must not change before it ends.
    pub(super) fn draw(&self, draw: &mut Draw) -> Option<Slot> {
        draw.next().map(|place| Slot(self.active[place]))
    }

    /// Begins to draw active members at random, none twice, those before others that are preferred.
    pub(super) fn preferring(&self, rng: &mut Rng) -> Preferring {
        Preferring::new(self.drawing(rng))
    }

    /// The next one of such a drawing. What is preferred must not change before it ends.
    pub(super) fn prefer(
        &self,
        draw: &mut Preferring,
        is_preferred: impl Fn(&I) -> bool,
    ) -> Option<Slot> {
        let slot = |place: usize| Slot(self.active[place]);
        let place = draw.next(|place| is_preferred(&self.get(slot(place)).id))?;
        Some(slot(place))
    }

    /// The next down member to announce to: each kind in turn, and of each kind whose
    /// [turn](Turns) it is. Strangers are whatever somebody told us; they must not crowd out those
    /// that we knew. `round` sees to it that none comes twice.
    pub(super) fn next_down(&mut self, round: &mut DownRound) -> Option<Slot> {
        let next = self.last_turn.other();
        let kin = [next, self.last_turn]
            .into_iter()
            .find(|&kin| round.counts[kin as usize] < self.down(kin).len())?;
        self.last_turn = kin;
        let ages = match kin {
            Kin::Stranger => &self.strangers,
            Kin::Fallen => &self.fallen,
        };
        let slot = self.turns[kin as usize].next(ages, &self.entries, &round.slots)?;
        round.counts[kin as usize] += 1;
        round.slots.push(slot);
        Some(slot)
    }

    /// The down member to forget first: one that never was active here, else the oldest.
    pub(super) fn first_to_forget(&self) -> Option<Slot> {
        self.strangers.oldest().or(self.fallen.oldest())
    }

    /// Of each kind of down members, the one that is down longest.
    pub(super) fn oldest_down(&self) -> [Option<Slot>; 2] {
        [self.strangers.oldest(), self.fallen.oldest()]
    }

    /// Whether all down members were active once.
    pub(super) fn knows_all_down(&self) -> bool {
        self.strangers.len() == 0
    }

    fn take_place(&mut self, slot: Slot) {
        let entry = &mut self.entries[slot.at()];
        if !entry.held.is_active() {
            let (kin, list) = match entry.was_active {
                true => (Kin::Fallen, &mut self.fallen),
                false => (Kin::Stranger, &mut self.strangers),
            };
            list.push(&mut self.entries, slot.0);
            self.turns[kin as usize].restart();
            return;
        }
        self.ring.joins(slot);
        entry.place.first = self.active.len() as u32;
        let is_suspect = entry.held == Held::Suspect;
        grow_a_little(&mut self.active);
        self.active.push(slot.0);
        if is_suspect {
            self.join_suspects(slot);
        }
    }

    fn join_suspects(&mut self, slot: Slot) {
        self.entries[slot.at()].place.second = self.suspects.len() as u32;
        self.suspects.push(Suspected::new(slot));
    }

    fn leave_suspects(&mut self, slot: Slot) {
        let place = self.entries[slot.at()].place.second;
        self.suspects.swap_remove(place as usize);
        if let Some(moved) = self.suspects.get(place as usize) {
            self.entries[moved.slot.at()].place.second = place;
        }
    }

    fn leave_place(&mut self, slot: Slot) {
        let Entry {
            held,
            was_active,
            place,
            ..
        } = self.entries[slot.at()];
        match held {
            Held::Down | Held::Left => {
                for turns in &mut self.turns {
                    turns.pass_over(slot, &self.entries);
                }
                let list = if was_active {
                    &mut self.fallen
                } else {
                    &mut self.strangers
                };
                list.unlink(&mut self.entries, slot.0);
            }
            Held::Suspect => {
                self.leave_suspects(slot);
                self.deactivate(place.first as usize);
            }
            Held::Alive => self.deactivate(place.first as usize),
        }
        self.entries[slot.at()].place = Place::NOWHERE;
    }

    fn deactivate(&mut self, mut place: usize) {
        self.ring.leaves(Slot(self.active[place]));
        if place < self.cursor {
            self.cursor -= 1;
            self.swap_active(place, self.cursor);
            place = self.cursor;
        }
        self.active.swap_remove(place);
        if let Some(&moved) = self.active.get(place) {
            self.entries[moved as usize].place.first = place as u32;
        }
    }

    fn swap_active(&mut self, a: usize, b: usize) {
        self.active.swap(a, b);
        for place in [a, b] {
            self.entries[self.active[place] as usize].place.first = place as u32;
        }
    }

    /// Lets everything that refers to the entry at `from` refer to `to`.
    fn move_place(&mut self, from: Slot, to: Slot) {
        let Entry {
            held,
            was_active,
            place,
            ..
        } = self.entries[from.at()];
        if !held.is_active() {
            let list = if was_active {
                &mut self.fallen
            } else {
                &mut self.strangers
            };
            list.renumber(&mut self.entries, from.0, to.0);
            for turns in &mut self.turns {
                turns.renumber(from, to);
            }
            return;
        }
        self.active[place.first as usize] = to.0;
        if held == Held::Suspect {
            self.suspects[place.second as usize].slot = to;
        }
    }

    fn unindex(&mut self, slot: Slot) {
        let hash = self.hash_key.hash(&self.entries[slot.at()].id.addr());
        if let Ok(found) = self.index.find_entry(hash.0, |&s| s == slot.0) {
            found.remove();
        }
    }

    fn reindex(&mut self, from: Slot, to: Slot) {
        let hash = self.hash_key.hash(&self.entries[to.at()].id.addr());
        if let Some(found) = self.index.find_mut(hash.0, |&s| s == from.0) {
            *found = to.0;
        }
    }

    fn down(&self, kin: Kin) -> &AgeList {
        match kin {
            Kin::Stranger => &self.strangers,
            Kin::Fallen => &self.fallen,
        }
    }
}

/// Makes room for one more, and for an eighth more when that takes an allocation: doubling would
/// leave up to half of the memory unused.
pub(super) fn grow_a_little<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(growth(list.len()));
    }
}

pub(super) fn growth(len: usize) -> usize {
    (len / 8).max(16)
}
