//! Down members by age.

use super::entry::{Entry, Place, Slot};

/// Down members from the oldest to the youngest, linked through their [`Place`]s.
pub(super) struct AgeList {
    oldest: u32,
    youngest: u32,
    len: usize,
}

impl AgeList {
    pub(super) const EMPTY: Self = Self {
        oldest: Slot::NONE,
        youngest: Slot::NONE,
        len: 0,
    };

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn oldest(&self) -> Option<Slot> {
        Slot::from_link(self.oldest)
    }

    pub(super) fn youngest(&self) -> Option<Slot> {
        Slot::from_link(self.youngest)
    }

    pub(super) fn push<I>(&mut self, entries: &mut [Entry<I>], slot: u32) {
        entries[slot as usize].place = Place {
            first: self.youngest,
            second: Slot::NONE,
        };
        match self.youngest {
            Slot::NONE => self.oldest = slot,
            older => entries[older as usize].place.second = slot,
        }
        self.youngest = slot;
        self.len += 1;
    }

    pub(super) fn unlink<I>(&mut self, entries: &mut [Entry<I>], slot: u32) {
        let Place {
            first: older,
            second: younger,
        } = entries[slot as usize].place;
        self.join(entries, older, younger);
        self.join_back(entries, younger, older);
        self.len -= 1;
    }

    /// Lets the neighbours of `from` point at `to`.
    pub(super) fn renumber<I>(&mut self, entries: &mut [Entry<I>], from: u32, to: u32) {
        let Place {
            first: older,
            second: younger,
        } = entries[from as usize].place;
        self.join(entries, older, to);
        self.join_back(entries, younger, to);
    }

    fn join<I>(&mut self, entries: &mut [Entry<I>], older: u32, younger: u32) {
        match older {
            Slot::NONE => self.oldest = younger,
            older => entries[older as usize].place.second = younger,
        }
    }

    fn join_back<I>(&mut self, entries: &mut [Entry<I>], younger: u32, older: u32) {
        match younger {
            Slot::NONE => self.youngest = older,
            younger => entries[younger as usize].place.first = older,
        }
    }
}
