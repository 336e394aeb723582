//! How many bytes may be held at a time, whoever waits for more.

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
pub(in crate::agent) struct Held {
    budget: Arc<Budget>,
    bytes: usize,
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

    /// Takes so many bytes, if there are, or if nobody else has any.
    pub(super) fn try_take(self: &Arc<Self>, bytes: usize) -> Option<Held> {
        let bytes = bytes.max(COST_MIN);
        let mut state = self.state();
        let fits = state.taken == 0 || state.taken.saturating_add(bytes) <= state.max;
        fits.then(|| {
            state.taken += bytes;
            let budget = self.clone();
            Held { budget, bytes }
        })
    }

    /// Waits for so many bytes.
    pub(super) async fn take(self: &Arc<Self>, bytes: usize) -> Held {
        let waiting = self.waiting();
        poll_fn(|cx| {
            if let Some(held) = self.try_take(bytes) {
                return Poll::Ready(held);
            }
            waiting.note(cx.waker());
            // Somebody may have gone in between.
            self.try_take(bytes).map_or(Poll::Pending, Poll::Ready)
        })
        .await
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
        let mut state = self.budget.state();
        state.taken = state.taken.saturating_sub(self.bytes);
        let waiting = core::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

/// What the smallest message takes: what is around it is not for nothing.
const COST_MIN: usize = 512;

#[cfg(test)]
mod tests;
