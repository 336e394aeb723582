//! What is called how.

use alloc::{format, string::String};

/// A figure, as it is exported.
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// A label and its value, where several figures are one family.
    pub(super) label: Option<(&'static str, &'static str)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

impl Metric {
    /// How a figure of [`Stats`](crate::agent::Stats) is exported.
    pub(super) fn of(stat: &'static str) -> Self {
        if let Some((_, name)) = RENAMED_GAUGES.iter().find(|(known, _)| *known == stat) {
            return Self::alone(String::from(*name), Kind::Gauge);
        }
        if let Some((_, name)) = RENAMED_COUNTERS.iter().find(|(known, _)| *known == stat) {
            return Self::alone(String::from(*name), Kind::Counter);
        }
        if let Some(reason) = stat.strip_prefix("dropped_") {
            return Self::one_of(DATAGRAMS_DROPPED, reason);
        }
        if let Some(reason) = stat.strip_prefix("send_") {
            return Self::one_of(PACKETS_UNSENT, reason);
        }
        match GAUGES.contains(&stat) {
            true => Self::alone(format!("selkie_{stat}"), Kind::Gauge),
            false => Self::alone(format!("selkie_{stat}_total"), Kind::Counter),
        }
    }

    fn alone(name: String, kind: Kind) -> Self {
        let label = None;
        Self { name, kind, label }
    }

    fn one_of(name: &str, reason: &'static str) -> Self {
        Self {
            label: Some(("reason", reason)),
            ..Self::alone(String::from(name), Kind::Counter)
        }
    }
}

/// How a figure of a transport is exported.
pub(super) fn of_transport(stat: &str) -> (String, Kind) {
    match stat.starts_with("open_") {
        true => (format!("selkie_transport_{stat}"), Kind::Gauge),
        false => (format!("selkie_transport_{stat}_total"), Kind::Counter),
    }
}

/// Figures of [`Stats`](crate::agent::Stats) that are exported by kind instead.
pub(super) const BY_KIND: &[&str] = &["datagrams_in", "bytes_in", "datagrams_out", "bytes_out"];
pub(super) const DATAGRAMS_RECEIVED: &str = "selkie_datagrams_received_total";
pub(super) const RECEIVED_BYTES: &str = "selkie_received_bytes_total";
pub(super) const DATAGRAMS_SENT: &str = "selkie_datagrams_sent_total";
pub(super) const SENT_BYTES: &str = "selkie_sent_bytes_total";
/// The kind of those received that could not be read so far.
pub(super) const UNREADABLE: &str = "unreadable";

const DATAGRAMS_DROPPED: &str = "selkie_datagrams_dropped_total";
const PACKETS_UNSENT: &str = "selkie_packets_unsent_total";
pub(super) const ADMISSION_REFUSED: &str = "selkie_admission_refused_total";
pub(super) const NODE_INSTANCES: &str = "selkie_node_instances";
pub(super) const IS_MEMBER: &str = "selkie_is_member";
pub(super) const CERTIFICATE_EXPIRY: &str = "selkie_certificate_expiry_timestamp_seconds";
pub(super) const BUILD_INFO: &str = "selkie_build_info";

/// Those that are of more than one figure, or of none of `Stats`, and what they mean.
pub(super) const FAMILIES: &[(&str, &str)] = &[
    (
        DATAGRAMS_DROPPED,
        "Datagrams received and not believed, by reason.",
    ),
    (PACKETS_UNSENT, "Packets not sent, by reason."),
    (DATAGRAMS_RECEIVED, "Datagrams received, by kind."),
    (RECEIVED_BYTES, "Bytes of datagrams received, by kind."),
    (DATAGRAMS_SENT, "Datagrams sent, by kind."),
    (SENT_BYTES, "Bytes of datagrams sent, by kind."),
    (
        ADMISSION_REFUSED,
        "Newcomers that the admission refused, by its reasons.",
    ),
    (
        NODE_INSTANCES,
        "At present: other members, by the state that is believed of them.",
    ),
    (
        IS_MEMBER,
        "At present: 1 while we take part, 0 once declared down for good, or stopped.",
    ),
    (
        CERTIFICATE_EXPIRY,
        "When the certificate expires by which we prove ourselves, since the Unix epoch.",
    ),
    (BUILD_INFO, "1, with the version of selkie as label."),
];

/// memberlist's and serf's names, for what they count, too.
const RENAMED_COUNTERS: &[(&str, &str)] = &[
    ("members_joined", "selkie_member_join_total"),
    ("members_failed", "selkie_member_failed_total"),
    ("members_left", "selkie_member_left_total"),
    ("members_suspected", "selkie_member_suspect_total"),
    ("members_refuted", "selkie_member_refuted_total"),
    ("sync_bytes_in", "selkie_sync_received_bytes_total"),
    ("sync_bytes_out", "selkie_sync_sent_bytes_total"),
];

const RENAMED_GAUGES: &[(&str, &str)] = &[
    ("local_health", "selkie_health_score"),
    ("updates_waiting", "selkie_queue_updates"),
    ("updates_waiting_bytes", "selkie_queue_updates_bytes"),
    ("broadcasts_waiting", "selkie_queue_broadcasts"),
    ("broadcasts_waiting_bytes", "selkie_queue_broadcasts_bytes"),
    ("timers_waiting", "selkie_queue_timers"),
];

/// What goes up and down: all that `Stats` says "at present" of.
const GAUGES: &[&str] = &[
    "members_active",
    "streams_inbound",
    "streams_outbound",
    "metadata_bytes",
    "aside_bytes",
    "snapshots_waiting",
    "readers",
];

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::{Kind, Metric};
    use crate::{Counters, agent::Stats};

    #[test]
    fn what_is_at_present_is_a_gauge_and_all_else_a_counter() {
        for (stat, help) in Counters::describe().chain(Stats::describe()) {
            let is_gauge = Metric::of(stat).kind == Kind::Gauge;
            assert_eq!(help.starts_with(" At present: "), is_gauge, "{stat}");
        }
    }

    #[test]
    fn every_figure_has_a_place_of_its_own() {
        let mut places = BTreeSet::new();
        for (stat, _) in Stats::default().iter() {
            let metric = Metric::of(stat);
            let is_total = metric.name.ends_with("_total");
            assert_eq!(is_total, metric.kind == Kind::Counter, "{}", metric.name);
            assert!(places.insert((metric.name, metric.label)), "{stat}");
        }
    }
}
