//! What an agent exports, read by a parser of Prometheus' text that is not ours.
#![cfg(all(feature = "metrics", feature = "postcard"))]

use core::time::Duration;
use std::collections::HashMap;

use metrics_exporter_prometheus::PrometheusBuilder;
use prometheus_parse::{Scrape, Value};
use selkie::{
    Builder, Cluster, Config, Node,
    agent::Stats,
    codecs::PostcardCodec,
    metrics::Metrics,
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
        assert!(value(&scrape, "selkie_datagrams_received_total", &[]) >= 1.0);
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
            assert_eq!(is_counter, sample.metric.ends_with("_total"), "{sample:?}");
        }
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
    let text = recorder.handle().render();
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
