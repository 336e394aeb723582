//! How long probes take, as Prometheus reads it. Its exporter keeps each probe by itself until it is
//! asked for all of them: an agent that nobody asks for a month has millions.

use alloc::{format, string::String};
use core::fmt::Write;

use crate::{
    agent::Latencies,
    metrics::{PROBE_LATENCY, PROBE_LATENCY_HELP, probe_latency_bounds},
};

pub(super) fn render(latencies: &Latencies) -> String {
    let name = PROBE_LATENCY;
    let mut text = format!("# HELP {name} {PROBE_LATENCY_HELP}\n# TYPE {name} histogram\n");
    let bounds = probe_latency_bounds().map(Some).into_iter().chain([None]);
    let mut total = 0_u64;
    for (bound, bucket) in bounds.zip(latencies.buckets()) {
        total = total.wrapping_add(bucket.count);
        let bound = bound.map_or_else(|| String::from("+Inf"), |bound| format!("{bound}"));
        // Writing to a text does not fail.
        let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {total}");
    }
    let sum = latencies.sum().as_secs_f64();
    let _ = writeln!(text, "{name}_sum {sum}\n{name}_count {total}");
    text
}
