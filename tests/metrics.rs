//! What an agent exports, read by a parser of Prometheus' text that is not ours.
#![cfg(all(feature = "metrics", feature = "postcard"))]

use core::time::Duration;
use std::collections::HashMap;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use prometheus_parse::{Scrape, Value};
use selkie::{
    Builder, Cluster, Config, Node,
    agent::Stats,
    codecs::PostcardCodec,
    metrics::{Metrics, PROBE_LATENCY, probe_latency_bounds},
    transports::{Memory, MemoryNetwork},
};

#[test]
fn what_is_counted_is_what_a_scraper_reads() {
    smol::block_on(async {
        let network = MemoryNetwork::new();
        let a = member(
            network
                .bind("10.0.0.1:7946".parse().expect("an address"))
                .unwrap(),
        )
        .await;
        let b = member(
            network
                .bind("10.0.0.2:7946".parse().expect("an address"))
                .unwrap(),
        )
        .await;
        b.announce(a.local_addr()).await.unwrap();
        a.wait_for(1, DEADLINE).await.unwrap();

        let metrics = Metrics::new(a.clone())
            .certificate_expiry(|| Some(std::time::UNIX_EPOCH + Duration::from_secs(4)));
        let scrape = scrape(&metrics);
        assert_eq!(
            value(&scrape, "selkie_node_instances", &[("state", "alive")]),
            1.0
        );
        assert_eq!(
            value(&scrape, "selkie_node_instances", &[("state", "down")]),
            0.0
        );
        assert_eq!(value(&scrape, "selkie_member_join_total", &[]), 1.0);
        assert_eq!(value(&scrape, "selkie_is_member", &[]), 1.0);
        assert_eq!(value(&scrape, "selkie_health_score", &[]), 0.0);
        let expiry = "selkie_certificate_expiry_timestamp_seconds";
        assert_eq!(value(&scrape, expiry, &[]), 4.0);
        let announces = [("kind", "announce")];
        assert!(value(&scrape, "selkie_datagrams_received_total", &announces) >= 1.0);
        assert!(value(&scrape, "selkie_received_bytes_total", &announces) >= 1.0);
        let malformed = [("reason", "malformed")];
        assert_eq!(
            value(&scrape, "selkie_datagrams_dropped_total", &malformed),
            0.0
        );
        assert!(scrape.samples.len() >= Stats::default().iter().count());

        b.leave().await.unwrap();
        while a.members().num_active() > 0 {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
        let scrape = self::scrape(&metrics);
        assert_eq!(
            value(&scrape, "selkie_node_instances", &[("state", "left")]),
            1.0
        );
        assert_eq!(value(&scrape, "selkie_member_left_total", &[]), 1.0);
        assert_eq!(value(&scrape, "selkie_member_failed_total", &[]), 0.0);
    });
}

#[test]
fn every_metric_says_what_it_is() {
    smol::block_on(async {
        let network = MemoryNetwork::new();
        let a = member(
            network
                .bind("10.0.0.1:7946".parse().expect("an address"))
                .unwrap(),
        )
        .await;
        let scrape = scrape(&Metrics::new(a));
        for sample in &scrape.samples {
            let help = scrape.docs.get(&sample.metric);
            assert!(
                help.is_some_and(|help| !help.is_empty()),
                "{}",
                sample.metric
            );
            let is_counter = matches!(sample.value, Value::Counter(_));
            let is_total = sample.metric.ends_with("_total");
            assert_eq!(is_counter, is_total, "{sample:?}");
        }
    });
}

#[test]
fn each_answered_probe_is_told_once_with_the_time_that_it_took() {
    smol::block_on(async {
        let network = MemoryNetwork::new();
        let bind = |addr: &str| network.bind(addr.parse().expect("an address")).unwrap();
        let a = member(bind("10.0.0.1:7946")).await;
        let b = member(bind("10.0.0.2:7946")).await;
        b.announce(a.local_addr()).await.unwrap();
        let metrics = Metrics::new(a.clone());
        let bounds = probe_latency_bounds();
        let name = Matcher::Full(PROBE_LATENCY.to_owned());
        let recorder = PrometheusBuilder::new().set_buckets_for_metric(name, &bounds);
        let recorder = recorder.unwrap().build_recorder();
        for wanted in [1, 2] {
            while a.stats().probe_latency.count() < wanted {
                smol::Timer::after(Duration::from_millis(5)).await;
            }
            let before = a.stats();
            metrics::with_local_recorder(&recorder, || metrics.record());
            let after = a.stats();
            let scrape = parse(&recorder.handle().render());
            let told = scrape.samples.iter().find_map(|it| match &it.value {
                Value::Histogram(buckets) if it.metric == PROBE_LATENCY => Some(buckets),
                _ => None,
            });
            let told = told.expect("a histogram");
            assert_eq!(told.len(), bounds.len() + 1);
            let all = told.last().expect("a bucket").count as u64;
            let between = before.probe_latency.count()..=after.probe_latency.count();
            assert!(between.contains(&all), "{all} {between:?}");
            let sum = value(&scrape, "selkie_probe_latency_seconds_sum", &[]);
            let (least, most) = (before.probe_latency.sum(), after.probe_latency.sum());
            let bounds = least.as_secs_f64() - 1e-6..=most.as_secs_f64() + 1e-6;
            assert!(bounds.contains(&sum), "{sum} {bounds:?}");
        }
        assert!(a.stats().engine.probes_answered >= 2);
    });
}

async fn member(transport: Memory) -> Cluster<Node> {
    let builder = Builder::new().codec(PostcardCodec).transport(transport);
    builder
        .config(Config::local())
        .spawn()
        .await
        .expect("an agent")
}

fn scrape(metrics: &Metrics<Node>) -> Scrape {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        metrics.describe();
        metrics.record();
    });
    parse(&recorder.handle().render())
}

fn parse(text: &str) -> Scrape {
    Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).expect("a scrape")
}

#[track_caller]
fn value(scrape: &Scrape, name: &str, labels: &[(&str, &str)]) -> f64 {
    let labels: HashMap<_, _> = labels.iter().copied().collect();
    let sample = scrape.samples.iter().find(|sample| {
        let has = |(label, value): (&&str, &&str)| sample.labels.get(label) == Some(*value);
        sample.metric == name && labels.iter().all(has)
    });
    match sample.map(|sample| &sample.value) {
        Some(Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value)) => *value,
        other => panic!("{name} {labels:?}: {other:?}"),
    }
}

const DEADLINE: Duration = Duration::from_secs(60);
