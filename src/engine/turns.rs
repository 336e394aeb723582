//! Whose turn it is to be announced to, among the down members of one kind.
//!
//! Two ways lead through them, and every other announce goes along each: there is no pause in
//! which nobody is announced to. One way comes to all, from the oldest to the youngest. The other
//! is for those that fell last, of whom it is the likeliest that a cut keeps them from us: from the
//! youngest to older ones, twice as many each time, and from the start whenever somebody falls.
//! So whoever fell is asked at once, then after one more announce on this way, two, four, eight:
//! few of those that are gone for ever stand before it.

use super::{
    age_list::AgeList,
    entry::{Entry, Slot},
};

/// Where both ways have come to.
#[derive(Clone, Copy)]
pub(super) struct Turns {
    /// On the way through all: the next one; `None`: the oldest.
    all: Option<Slot>,
    /// Among those that fell last: the next one.
    recent: Option<Slot>,
    /// How many of them there are, this time.
    reach: usize,
    /// How many of them have not had their turn, this time.
    left: usize,
    was_recent: bool,
}

impl Turns {
    pub(super) const NEW: Self = Self {
        all: None,
        recent: None,
        reach: 0,
        left: 0,
        was_recent: false,
    };

    /// The next one that is not `taken`, if there is any.
    pub(super) fn next<I>(
        &mut self,
        ages: &AgeList,
        entries: &[Entry<I>],
        taken: &[Slot],
    ) -> Option<Slot> {
        self.was_recent = !self.was_recent;
        if self.was_recent {
            let slot = self.next_recent(ages, entries)?;
            if !taken.contains(&slot) {
                return Some(slot);
            }
        }
        // Each of these is another one, until all had their turn.
        let mut through_all = (0..=taken.len()).filter_map(|_| self.next_of_all(ages, entries));
        through_all.find(|slot| !taken.contains(slot))
    }

    /// Somebody fell.
    pub(super) fn restart(&mut self) {
        self.recent = None;
        self.reach = 0;
        self.left = 0;
    }

    /// This one leaves its list.
    pub(super) fn pass_over<I>(&mut self, slot: Slot, entries: &[Entry<I>]) {
        let place = entries[slot.at()].place;
        if self.all == Some(slot) {
            self.all = Slot::from_link(place.second);
        }
        if self.recent == Some(slot) {
            self.recent = Slot::from_link(place.first);
        }
    }

    /// The entry at `from` moves to `to`.
    pub(super) fn renumber(&mut self, from: Slot, to: Slot) {
        for turn in [&mut self.all, &mut self.recent] {
            if *turn == Some(from) {
                *turn = Some(to);
            }
        }
    }

    fn next_of_all<I>(&mut self, ages: &AgeList, entries: &[Entry<I>]) -> Option<Slot> {
        let slot = self.all.or_else(|| ages.oldest())?;
        self.all = Slot::from_link(entries[slot.at()].place.second);
        Some(slot)
    }

    fn next_recent<I>(&mut self, ages: &AgeList, entries: &[Entry<I>]) -> Option<Slot> {
        if self.left == 0 {
            self.reach = (2 * self.reach).clamp(1, ages.len().max(1));
            self.left = self.reach;
            self.recent = None;
        }
        self.left -= 1;
        let slot = self.recent.or_else(|| ages.youngest())?;
        self.recent = Slot::from_link(entries[slot.at()].place.first);
        Some(slot)
    }
}
