//! The last few of something, oldest out first.

use alloc::collections::VecDeque;

/// Remembers at most `N`.
pub(super) struct Recent<T, const N: usize>(VecDeque<T>);

impl<T, const N: usize> Recent<T, N> {
    pub(super) fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(super) fn push(&mut self, item: T) {
        if self.0.len() >= N {
            self.0.pop_front();
        }
        self.0.push_back(item);
    }

    /// The first of the last `N`, once there are so many.
    pub(super) fn oldest_of_all(&self) -> Option<&T> {
        self.0.front().filter(|_| self.0.len() >= N)
    }

    /// The last one, or so many before it.
    pub(super) fn latest(&self, before: usize) -> Option<&T> {
        self.0.iter().rev().nth(before)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn any(&self, is_it: impl Fn(&T) -> bool) -> bool {
        self.0.iter().any(is_it)
    }

    /// The first that fits.
    pub(super) fn find_mut(&mut self, is_it: impl Fn(&T) -> bool) -> Option<&mut T> {
        self.0.iter_mut().find(|item| is_it(item))
    }

    /// Forgets the first that fits, and returns it.
    pub(super) fn take(&mut self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let at = self.0.iter().position(is_it)?;
        self.0.remove(at)
    }

    /// Forgets all, and returns them.
    pub(super) fn take_all(&mut self) -> VecDeque<T> {
        core::mem::take(&mut self.0)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.0.retain(keep);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
