//! What an agent counts, through the `metrics` facade.
//!
//! [`Metrics::record`] hands the figures of this moment to the recorder that the program installed,
//! or, within [`with_local_recorder`](::metrics::with_local_recorder), to another one: call it
//! before a scrape, or leave it to [`Metrics::run`].
//!
//! The names begin with `selkie_`, then come, where memberlist or serf count the same, theirs
//! (`node_instances`, `health_score`, `member_join`, `member_failed`, `queue_broadcasts`), and else
//! those of [`Stats`]. Counters end in `_total`, units are seconds and bytes. No label has a value
//! per member.
//!
//! How long probes take is a histogram, [`PROBE_LATENCY`]. A recorder that wants to be told its
//! buckets, such as that of `metrics-exporter-prometheus`, gets them from
//! [`probe_latency_bounds`].

mod latency;
mod names;

use alloc::{boxed::Box, format, string::String};
use core::{fmt, time::Duration};
use std::time::{SystemTime, UNIX_EPOCH};

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use smol::Timer;

pub(crate) use self::latency::HELP as PROBE_LATENCY_HELP;
pub use self::latency::{PROBE_LATENCY, probe_latency_bounds};
use self::{
    latency::HandedOver,
    names::{Kind, Metric},
};
use crate::{
    Cluster, Counters, Identity, State,
    agent::{Stats, Status},
};

/// The figures of one agent, those of its transport as `selkie_transport_NAME_total` among them.
///
#[cfg_attr(all(feature = "postcard", feature = "udp"), doc = "```")]
#[cfg_attr(not(all(feature = "postcard", feature = "udp")), doc = "```ignore")]
/// use selkie::{Builder, codecs::PostcardCodec, metrics::Metrics, transports::PlainUdp};
///
/// # smol::block_on(async {
/// let udp = PlainUdp::bind("127.0.0.1:0".parse()?)?;
/// let cluster = Builder::new().codec(PostcardCodec).transport(udp).spawn().await?;
/// let metrics = Metrics::new(cluster);
/// metrics.describe();
/// metrics.record();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Metrics<I: Identity> {
    cluster: Cluster<I>,
    expiry: Option<Box<dyn Fn() -> Option<SystemTime> + Send + Sync>>,
    handed_over: HandedOver,
}

impl<I: Identity> Metrics<I> {
    /// Those of this agent. The handle counts as one: drop this to let the agent stop.
    #[must_use]
    pub fn new(cluster: Cluster<I>) -> Self {
        Self {
            cluster,
            expiry: None,
            handed_over: HandedOver::default(),
        }
    }

    /// When the certificate expires that this member proves itself by, if that is known: as
    /// `selkie_certificate_expiry_timestamp_seconds`.
    #[must_use]
    pub fn certificate_expiry(
        mut self,
        not_after: impl Fn() -> Option<SystemTime> + Send + Sync + 'static,
    ) -> Self {
        self.expiry = Some(Box::new(not_after));
        self
    }

    /// Tells the recorder what each name means. Once is enough.
    pub fn describe(&self) {
        describe_histogram!(PROBE_LATENCY, Unit::Seconds, PROBE_LATENCY_HELP);
        self.describe_numbers();
    }

    /// All but the histogram.
    pub(crate) fn describe_numbers(&self) {
        for (name, help) in names::FAMILIES {
            match *name {
                name if name.ends_with("_total") => describe_counter!(name, *help),
                name => describe_gauge!(name, *help),
            }
        }
        for (stat, _) in self.cluster.stats().transport {
            let help = format!("{stat}, as the transport counts it: see its documentation.");
            match names::of_transport(stat) {
                (name, Kind::Counter) => describe_counter!(name, help),
                (name, Kind::Gauge) => describe_gauge!(name, help),
            }
        }
        let described = Counters::describe().chain(Stats::describe());
        for (stat, help) in described.filter(|(stat, _)| !names::BY_KIND.contains(stat)) {
            let metric = Metric::of(stat);
            match metric.kind {
                _ if metric.label.is_some() => {}
                Kind::Counter => describe_counter!(metric.name, plain(help)),
                Kind::Gauge => describe_gauge!(metric.name, plain(help)),
            }
        }
    }

    /// Hands the figures over, as they are now, and the probes that were answered since the last
    /// time: use one of these for each recorder. Walks through the members.
    pub fn record(&self) {
        let stats = self.cluster.stats();
        self.handed_over.catch_up(&stats.probe_latency);
        self.record_numbers(stats);
    }

    /// All but the histogram.
    pub(crate) fn record_numbers(&self, stats: Stats) {
        let numbers = stats.iter();
        for (stat, value) in numbers.filter(|(stat, _)| !names::BY_KIND.contains(stat)) {
            let metric = Metric::of(stat);
            match (metric.kind, metric.label) {
                (Kind::Gauge, _) => gauge!(metric.name).set(value as f64),
                (Kind::Counter, None) => counter!(metric.name).absolute(value),
                (Kind::Counter, Some((label, reason))) => {
                    counter!(metric.name, label => reason).absolute(value);
                }
            }
        }
        for (reason, value) in stats.refusals.iter() {
            let reason = String::from(reason);
            counter!(names::ADMISSION_REFUSED, "reason" => reason).absolute(value);
        }
        record_traffic(&stats);
        for (stat, value) in stats.transport {
            match names::of_transport(stat) {
                (name, Kind::Counter) => counter!(name).absolute(value),
                (name, Kind::Gauge) => gauge!(name).set(value as f64),
            }
        }
        self.record_members();
        if let Some(not_after) = self.not_after() {
            let since_epoch = not_after.duration_since(UNIX_EPOCH).unwrap_or_default();
            gauge!(names::CERTIFICATE_EXPIRY).set(since_epoch.as_secs_f64());
        }
        gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    }

    /// Records every so often, for as long as the agent runs: for recorders that are read without
    /// asking us. Ends when the agent has stopped.
    pub async fn run(self, period: Duration) {
        self.describe();
        while self.cluster.status() != Status::Stopped {
            self.record();
            Timer::after(period).await;
        }
    }

    /// When the certificate expires, if that is [known](Self::certificate_expiry).
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        self.expiry.as_ref().and_then(|expiry| expiry())
    }

    /// The agent.
    #[must_use]
    pub fn cluster(&self) -> &Cluster<I> {
        &self.cluster
    }

    fn record_members(&self) {
        let members = self.cluster.members();
        for (state, name) in [
            (State::Alive, "alive"),
            (State::Suspect, "suspect"),
            (State::Down, "down"),
            (State::Left, "left"),
        ] {
            let count = members.iter().filter(|member| member.state == state);
            gauge!(names::NODE_INSTANCES, "state" => name).set(count.count() as f64);
        }
        let is_member = self.cluster.status() == Status::Running;
        gauge!(names::IS_MEMBER).set(f64::from(u8::from(is_member)));
    }
}

impl<I: Identity> fmt::Debug for Metrics<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

/// Those whose kind could not be told are a kind of their own: all together are all.
fn record_traffic(stats: &Stats) {
    let (mut datagrams, mut bytes) = (stats.engine.datagrams_in, stats.engine.bytes_in);
    for (kind, flow) in stats.traffic.received() {
        counter!(names::DATAGRAMS_RECEIVED, "kind" => kind).absolute(flow.datagrams);
        counter!(names::RECEIVED_BYTES, "kind" => kind).absolute(flow.bytes);
        datagrams = datagrams.wrapping_sub(flow.datagrams);
        bytes = bytes.wrapping_sub(flow.bytes);
    }
    counter!(names::DATAGRAMS_RECEIVED, "kind" => names::UNREADABLE).absolute(datagrams);
    counter!(names::RECEIVED_BYTES, "kind" => names::UNREADABLE).absolute(bytes);
    for (kind, flow) in stats.traffic.sent() {
        counter!(names::DATAGRAMS_SENT, "kind" => kind).absolute(flow.datagrams);
        counter!(names::SENT_BYTES, "kind" => kind).absolute(flow.bytes);
    }
}

/// A documentation's text, without its links' targets, which mean nothing elsewhere.
fn plain(help: &str) -> String {
    let mut text = String::with_capacity(help.len());
    let mut rest = help.trim();
    while let Some((before, after)) = rest.split_once("](") {
        text.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.retain(|c| !matches!(c, '[' | ']' | '`'));
    text
}
