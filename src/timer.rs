//! What the engine wants to be reminded of, and a queue that remembers.

use alloc::collections::BinaryHeap;
use core::{cmp::Ordering, time::Duration};

use crate::Incarnation;

/// Tells timers that are awaited from those that are not any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TimerToken(pub(crate) u32);

impl TimerToken {
    pub(crate) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// Tells one stay of a member in a state from the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Epoch(pub(crate) u32);

impl Epoch {
    pub(crate) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Whether it came later, as long as they are less than half of all epochs apart.
    pub(crate) fn is_after(self, other: Self) -> bool {
        self != other && self.0.wrapping_sub(other.0) < u32::MAX / 2
    }
}

/// Something the engine asked to be reminded of by [`Runtime::submit_after`].
///
/// Opaque to the caller, who hands it to [`Engine::handle_timer`]. Delivering one late, twice, or
/// out of order is harmless; delivering none stops what depends on it.
///
/// [`Runtime::submit_after`]: crate::Runtime::submit_after
/// [`Engine::handle_timer`]: crate::Engine::handle_timer
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timer<I> {
    /// A protocol period ends and the next begins: judge the probe, start another.
    Probe {
        /// Which one.
        token: TimerToken,
    },
    /// The direct stage of a probe ends: ask others to probe, if it was not answered.
    IndirectProbe {
        /// Which one.
        token: TimerToken,
    },
    /// A suspicion was not refuted in time.
    Suspicion {
        /// The suspect.
        id: I,
        /// Suspected at this incarnation.
        incarnation: Incarnation,
        /// Of which suspicion.
        epoch: Epoch,
        /// It counts if so many members, beyond the first, accuse the suspect by then.
        confirmations: u8,
    },
    /// Whom we probe for somebody had its time: say that it is silent, and we are not.
    Nack {
        /// Which one.
        token: TimerToken,
    },
    /// Time to forget members that were down long enough.
    Forget {
        /// Which turn of this task.
        turn: u32,
    },
    /// The member that told us we are down had its time to say whether it means it.
    UndeadCheck {
        /// Which one.
        token: TimerToken,
    },
    /// Time to gossip what waits to be sent.
    Gossip {
        /// Which one.
        token: TimerToken,
    },
    /// Time to announce ourselves to active members.
    Announce {
        /// Which one.
        token: TimerToken,
    },
    /// Time to announce ourselves to down members.
    AnnounceDown {
        /// Which one.
        token: TimerToken,
    },
    /// Time to compare what we hold of the membership with others.
    Digest {
        /// Which one.
        token: TimerToken,
    },
}

/// Timers in the order in which they are due: what a caller of the engine needs beside a clock.
///
/// Time is a [`Duration`] since an origin that the caller chooses, so that any clock will do, a
/// virtual one included. Timers that are due at the same time come out in the order in which they
/// went in.
///
/// ```
/// use core::time::Duration;
/// use selkie::TimerQueue;
///
/// let mut timers = TimerQueue::new();
/// timers.push(Duration::from_secs(2), "later");
/// timers.push(Duration::from_secs(1), "sooner");
/// assert_eq!(timers.next_deadline(), Some(Duration::from_secs(1)));
/// assert_eq!(timers.pop_due(Duration::from_millis(1500)), Some("sooner"));
/// assert_eq!(timers.pop_due(Duration::from_millis(1500)), None);
/// ```
#[derive(Clone, Debug)]
pub struct TimerQueue<T> {
    heap: BinaryHeap<Scheduled<T>>,
    pushed: u64,
}

impl<T> TimerQueue<T> {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            pushed: 0,
        }
    }

    /// Adds a timer that is due at `deadline`.
    pub fn push(&mut self, deadline: Duration, timer: T) {
        let seq = self.pushed;
        self.pushed = self.pushed.wrapping_add(1);
        self.heap.push(Scheduled {
            deadline,
            seq,
            timer,
        });
    }

    /// When the first timer is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.heap.peek().map(|first| first.deadline)
    }

    /// Takes the first timer, if it is due at `now`.
    pub fn pop_due(&mut self, now: Duration) -> Option<T> {
        if self.next_deadline()? > now {
            return None;
        }
        self.heap.pop().map(|first| first.timer)
    }

    /// How many timers wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone, Debug)]
struct Scheduled<T> {
    deadline: Duration,
    seq: u64,
    timer: T,
}

// `BinaryHeap` puts the greatest first: the greatest is the one that is due first.
impl<T> Ord for Scheduled<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.deadline, other.seq).cmp(&(self.deadline, self.seq))
    }
}

impl<T> PartialOrd for Scheduled<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Scheduled<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Scheduled<T> {}
