//! Items that were sent equally often, by length.
//!
//! Updates have few bytes: those of up to [`SHORT_MAX`] have a bucket each, and a bit that says
//! whether anything is in it. Finding one takes no search, which no processor could foresee.

use alloc::vec::Vec;

use super::backlog::ItemId;

/// Items of one length, in the order in which they came.
#[derive(Clone, Copy)]
struct Bucket {
    head: ItemId,
    tail: ItemId,
}

/// The greatest length whose bucket is found without a search.
const SHORT_MAX: usize = 63;

/// There are buckets for so many lengths more, one time after the other: of one kind of identity
/// all updates are about as long, and each number of times sent has buckets of its own.
const SHORT_STEP: usize = 15;

#[derive(Default)]
pub(super) struct Buckets {
    /// The lengths in `short` of which there are any: the bits of their numbers.
    present: u64,
    /// By length. Goes as far as any was long.
    short: Vec<Option<Bucket>>,
    /// From the longest to the shortest.
    long: Vec<(usize, Bucket)>,
}

impl Buckets {
    /// Puts an item last among those of its length. Returns the one before it.
    pub(super) fn join(&mut self, len: usize, id: ItemId) -> Option<ItemId> {
        let alone = Bucket { head: id, tail: id };
        if len <= SHORT_MAX {
            if len >= self.short.len() {
                self.short.resize((len | SHORT_STEP) + 1, None);
            }
            self.present |= 1 << len;
            let bucket = self.short[len].get_or_insert(alone);
            let before = core::mem::replace(&mut bucket.tail, id);
            return (before != id).then_some(before);
        }
        match self.place(len) {
            Ok(place) => Some(core::mem::replace(&mut self.long[place].1.tail, id)),
            Err(place) => {
                self.long.insert(place, (len, alone));
                None
            }
        }
    }

    /// Takes an item out from between its neighbours, of which the ends of the bucket have one or
    /// none.
    pub(super) fn leave(&mut self, len: usize, prev: Option<ItemId>, next: Option<ItemId>) {
        match (prev, next) {
            (Some(_), Some(_)) => {}
            (None, next) => self.behead(len, next),
            (Some(prev), None) => {
                if let Some(bucket) = self.bucket(len) {
                    bucket.tail = prev;
                }
            }
        }
    }

    /// Takes all out that stand before `head`: all there are, if it is none.
    pub(super) fn behead(&mut self, len: usize, head: Option<ItemId>) {
        match head {
            None => self.remove(len),
            Some(head) => {
                if let Some(bucket) = self.bucket(len) {
                    bucket.head = head;
                }
            }
        }
    }

    /// The first item of the longest that have no more than `len_max` bytes.
    pub(super) fn longest(&self, len_max: usize) -> Option<ItemId> {
        if len_max > SHORT_MAX {
            let (Ok(place) | Err(place)) = self.place(len_max);
            if let Some((_, bucket)) = self.long.get(place) {
                return Some(bucket.head);
            }
        }
        let within = u64::MAX >> (SHORT_MAX - len_max.min(SHORT_MAX));
        let longest = (self.present & within).checked_ilog2()?;
        self.short[longest as usize].map(|bucket| bucket.head)
    }

    pub(super) fn has_any(&self) -> bool {
        self.present != 0 || !self.long.is_empty()
    }

    /// The last item of the shortest.
    pub(super) fn last(&self) -> Option<ItemId> {
        let bucket = if self.present == 0 {
            self.long.last().map(|(_, bucket)| *bucket)
        } else {
            self.short[self.present.trailing_zeros() as usize]
        };
        bucket.map(|bucket| bucket.tail)
    }

    fn bucket(&mut self, len: usize) -> Option<&mut Bucket> {
        if len <= SHORT_MAX {
            return self.short[len].as_mut();
        }
        let place = self.place(len).ok()?;
        Some(&mut self.long[place].1)
    }

    fn remove(&mut self, len: usize) {
        if len <= SHORT_MAX {
            self.present &= !(1 << len);
            self.short[len] = None;
        } else if let Ok(place) = self.place(len) {
            self.long.remove(place);
        }
    }

    /// Where a length is among the long ones, or would be.
    fn place(&self, len: usize) -> Result<usize, usize> {
        self.long.binary_search_by(|(other, _)| len.cmp(other))
    }
}
