//! How long probes take to be answered.

use core::time::Duration;

use crate::Counters;

/// How long answered probes took, from the ping to the first answer, directly or through others:
/// how many were within which bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    buckets: [Bucket; Self::BOUNDS.len() + 1],
}

/// Probes that took about as long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bucket {
    /// How many. It wraps.
    pub count: u64,
    /// How long they took together.
    pub sum: Duration,
}

impl Latencies {
    /// What divides the buckets: a probe that took as long as one of them belongs below it.
    pub const BOUNDS: [Duration; 14] = [
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_millis(2),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(20),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(200),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_secs(2),
        Duration::from_secs(5),
        Duration::from_secs(10),
    ];

    /// The buckets, one below each of the [`BOUNDS`](Self::BOUNDS), and the last above them all.
    #[must_use]
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// How many probes were answered.
    #[must_use]
    pub fn count(&self) -> u64 {
        let counts = self.buckets.iter().map(|bucket| bucket.count);
        counts.fold(0, u64::wrapping_add)
    }

    /// How long they took together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        let sums = self.buckets.iter().map(|bucket| bucket.sum);
        sums.fold(Duration::ZERO, Duration::saturating_add)
    }

    fn add(&mut self, took: Duration) {
        let place = Self::BOUNDS.partition_point(|bound| *bound < took);
        if let Some(bucket) = self.buckets.get_mut(place) {
            bucket.count = bucket.count.wrapping_add(1);
            bucket.sum = bucket.sum.saturating_add(took);
        }
    }
}

/// Tells from the engine's counters when a probe began and when it was answered: one is under way
/// at a time.
#[derive(Default)]
pub(super) struct Stopwatch {
    began: Duration,
    probes: u64,
    answered: u64,
}

impl Stopwatch {
    /// To be called once packets were handled, and again once timers were: an answer is to a probe
    /// that began earlier.
    pub(super) fn look(&mut self, counters: &Counters, now: Duration, took: &mut Latencies) {
        if counters.probes_answered != self.answered {
            self.answered = counters.probes_answered;
            took.add(now.saturating_sub(self.began));
        }
        if counters.probes != self.probes {
            self.probes = counters.probes;
            self.began = now;
        }
    }
}

#[cfg(test)]
mod tests;
