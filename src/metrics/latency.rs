//! How long probes take, as recorders want to hear it.

use std::sync::{Mutex, PoisonError};

use ::metrics::histogram;

use crate::agent::Latencies;

/// The histogram of how long probes took that were answered, in seconds, from the ping to the
/// first answer.
pub const PROBE_LATENCY: &str = "selkie_probe_latency_seconds";

pub(crate) const HELP: &str =
    "How long probes took that were answered, directly or through others.";

/// The upper bounds of [`PROBE_LATENCY`]'s buckets, in seconds: [`Latencies::BOUNDS`]. With others,
/// each probe counts as one that took as long as those of its bucket do on average.
#[must_use]
pub fn probe_latency_bounds() -> [f64; Latencies::BOUNDS.len()] {
    Latencies::BOUNDS.map(|bound| bound.as_secs_f64())
}

/// What a recorder was told already.
#[derive(Default)]
pub(super) struct HandedOver(Mutex<Latencies>);

impl HandedOver {
    /// Tells the rest, bucket by bucket: so many probes, each of which took as long as they did on
    /// average. Buckets and sum come out as they are.
    pub(super) fn catch_up(&self, present: &Latencies) {
        let mut former = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (present, former) in present.buckets().iter().zip(former.buckets()) {
            let count = present.count.wrapping_sub(former.count);
            if count > 0 {
                let mean = (present.sum.saturating_sub(former.sum)).as_secs_f64() / count as f64;
                histogram!(PROBE_LATENCY).record_many(mean, count as usize);
            }
        }
        *former = *present;
    }
}
