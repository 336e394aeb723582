//! The members that a snapshot remembers, to be asked like seeds, until the cluster is found again.

use alloc::vec::Vec;

use crate::{Identity, Member};

/// Those of them that were not heard of yet, as they were then.
#[derive(Debug)]
pub(super) struct Remembered<I> {
    members: Vec<Member<I>>,
    turn: usize,
}

impl<I: Identity> Remembered<I> {
    /// Asked in this order, all in turn.
    pub(super) fn new(members: Vec<Member<I>>) -> Self {
        Self { members, turn: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.members.clear();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member<I>> {
        self.members.iter()
    }

    /// The next ones in turn, at most so many. Those that need not be remembered any more, as
    /// `is_known` says, are forgotten on the way.
    pub(super) fn next(&mut self, most: usize, is_known: impl Fn(&I) -> bool) -> Vec<I> {
        let mut next = Vec::new();
        for _ in 0..self.members.len() {
            if next.len() >= most {
                break;
            }
            if self.turn >= self.members.len() {
                self.turn = 0;
            }
            match self.members.get(self.turn) {
                Some(Member { id, .. }) if is_known(id) => {
                    drop(self.members.swap_remove(self.turn));
                }
                Some(Member { id, .. }) => {
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
