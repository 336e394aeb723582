//! The members that a snapshot remembers, to be asked like seeds, until the cluster is found again.

use alloc::vec::Vec;

use crate::Identity;

/// Those of them that were not heard of yet.
#[derive(Debug)]
pub(super) struct Remembered<I> {
    ids: Vec<I>,
    turn: usize,
}

impl<I: Identity> Remembered<I> {
    /// Asked in this order, all in turn.
    pub(super) fn new(ids: Vec<I>) -> Self {
        Self { ids, turn: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.ids.clear();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &I> {
        self.ids.iter()
    }

    /// The next ones in turn, at most so many. Those that need not be remembered any more, as
    /// `is_known` says, are forgotten on the way.
    pub(super) fn next(&mut self, most: usize, is_known: impl Fn(&I) -> bool) -> Vec<I> {
        let mut next = Vec::new();
        for _ in 0..self.ids.len() {
            if next.len() >= most {
                break;
            }
            if self.turn >= self.ids.len() {
                self.turn = 0;
            }
            match self.ids.get(self.turn) {
                Some(id) if is_known(id) => drop(self.ids.swap_remove(self.turn)),
                Some(id) => {
                    next.push(id.clone());
                    self.turn += 1;
                }
                None => break,
            }
        }
        next
    }
}

#[cfg(test)]
mod tests;
