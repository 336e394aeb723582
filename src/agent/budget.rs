//! How many bytes may be held at a time, whoever waits for more.
//!
//! What arrives takes its room as it comes, not by what was announced. Several that arrive may so
//! take all the room, and none come to its end: when nothing is left that could be read to make
//! room, one of them may go beyond the bound.

use alloc::{sync::Arc, vec::Vec};
use core::{
    future::poll_fn,
    task::{Poll, Waker},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A number of bytes, to be shared.
pub(super) struct Budget {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    max: usize,
    taken: usize,
    /// How much of that arrives yet.
    arriving: usize,
    /// Whether somebody who arrives goes beyond the bound.
    is_overdrawn: bool,
    waiting: Vec<(u64, Waker)>,
    /// How many have waited.
    waited: u64,
}

/// Who waits, until it is dropped.
struct Waiting<'a> {
    budget: &'a Budget,
    number: u64,
}

/// Some of the bytes, until dropped.
pub(super) struct Held {
    budget: Arc<Budget>,
    bytes: usize,
    is_arriving: bool,
    may_overdraw: bool,
}

impl Budget {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                max,
                ..State::default()
            }),
        })
    }

    pub(super) fn set_max(&self, max: usize) {
        let mut state = self.state();
        state.max = max;
        let waiting = core::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// How many bytes are left; any number, as long as nobody has any.
    pub(super) fn left(&self) -> usize {
        let state = self.state();
        match state.taken {
            0 => usize::MAX,
            taken => state.max.saturating_sub(taken),
        }
    }

    /// Takes so many bytes, if there are, or if nobody else has any.
    pub(super) fn try_take(self: &Arc<Self>, bytes: usize) -> Option<Held> {
        let bytes = bytes.max(COST_MIN);
        let mut state = self.state();
        let fits = state.taken == 0 || state.taken.saturating_add(bytes) <= state.max;
        fits.then(|| {
            state.taken += bytes;
            Held {
                budget: self.clone(),
                bytes,
                is_arriving: false,
                may_overdraw: false,
            }
        })
    }

    /// For what begins to arrive: waits for the room that the smallest takes.
    pub(super) async fn begin(self: &Arc<Self>) -> Held {
        let mut held = Held {
            budget: self.clone(),
            bytes: 0,
            is_arriving: true,
            may_overdraw: false,
        };
        held.grow(COST_MIN).await;
        held
    }

    fn waiting(&self) -> Waiting<'_> {
        let mut state = self.state();
        state.waited = state.waited.wrapping_add(1);
        Waiting {
            budget: self,
            number: state.waited,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether what arrives may take so many bytes more, beyond the bound if need be.
    fn has_room(&mut self, bytes: usize, may_overdraw: &mut bool) -> bool {
        if *may_overdraw || self.taken == 0 || self.taken.saturating_add(bytes) <= self.max {
            return true;
        }
        // Else room is made as what is complete is read.
        let is_stuck = self.taken == self.arriving && !self.is_overdrawn;
        self.is_overdrawn |= is_stuck;
        *may_overdraw = is_stuck;
        is_stuck
    }
}

impl Held {
    /// So many bytes at least: waits for those that it has not.
    pub(super) async fn grow(&mut self, bytes: usize) {
        let Some(more) = bytes.checked_sub(self.bytes) else {
            return;
        };
        let budget = self.budget.clone();
        let waiting = budget.waiting();
        poll_fn(|cx| {
            if self.try_grow(more) {
                return Poll::Ready(());
            }
            waiting.note(cx.waker());
            // Somebody may have gone in between.
            match self.try_grow(more) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// All of it has arrived.
    pub(super) fn complete(&mut self) {
        let mut state = self.budget.state();
        if core::mem::take(&mut self.is_arriving) {
            state.arriving = state.arriving.saturating_sub(self.bytes);
        }
        let was_overdrawn = core::mem::take(&mut self.may_overdraw);
        state.is_overdrawn &= !was_overdrawn;
    }

    fn try_grow(&mut self, more: usize) -> bool {
        let mut state = self.budget.state();
        let has_room = state.has_room(more, &mut self.may_overdraw);
        if has_room {
            state.taken += more;
            state.arriving += more;
            self.bytes += more;
        }
        has_room
    }
}

impl Waiting<'_> {
    fn note(&self, waker: &Waker) {
        let former = self.forget();
        let waker = waker.clone();
        self.budget.state().waiting.push((self.number, waker));
        drop(former);
    }

    fn forget(&self) -> Option<(u64, Waker)> {
        let waiting = &mut self.budget.state().waiting;
        let place = waiting.iter().position(|(n, _)| *n == self.number)?;
        Some(waiting.swap_remove(place))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        drop(self.forget());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.complete();
        let mut state = self.budget.state();
        state.taken = state.taken.saturating_sub(self.bytes);
        let waiting = core::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

/// What the smallest takes: what is around it is not for nothing.
const COST_MIN: usize = 512;

#[cfg(test)]
mod tests;
