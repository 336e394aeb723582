//! What `docs/ops` asks of Prometheus is there to be asked.
#![cfg(all(
    feature = "admin",
    feature = "postcard",
    feature = "quic",
    feature = "certs"
))]

use core::net::SocketAddr;
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use prometheus_parse::{Scrape, Value as Figure};
use selkie::{
    Builder,
    admin::Admin,
    codecs::PostcardCodec,
    metrics::Metrics,
    transports::{
        certs::DevCa,
        quic::{Credentials, Quic},
    },
};
use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

#[test]
fn every_name_in_alerts_and_dashboard_is_exported() {
    let exported = exported();
    for file in ["alerts.yaml", "dashboard.json", "README.md"] {
        let text = read(file);
        let names: BTreeSet<&str> = names(&text).collect();
        assert!(names.len() > 5, "{file} was not understood: {names:?}");
        for name in names {
            assert!(
                exported.contains(name),
                "{file} has {name}, which nobody exports"
            );
        }
    }
}

#[test]
fn every_alert_is_explained() {
    let (alerts, manual) = (yaml(&read("alerts.yaml")), read("README.md"));
    let rules = alerts["groups"][0]["rules"].as_vec().expect("rules");
    assert!(rules.len() > 10, "{rules:?}");
    for rule in rules {
        let alert = rule["alert"].as_str().expect("a name");
        assert!(manual.contains(&format!("\n### {alert}\n")), "{alert}");
        let severity = rule["labels"]["severity"].as_str();
        assert!(matches!(severity, Some("warning" | "critical")), "{alert}");
        let summary = rule["annotations"]["summary"].as_str();
        assert!(
            summary.is_some_and(|it| it.contains("{{ $labels.")),
            "{alert}"
        );
        let query = rule["expr"].as_str().expect("a query");
        assert!(names(query).next().is_some(), "{alert}: {query}");
    }
}

#[test]
fn what_prometheus_is_told_to_read_can_be_read() {
    let manual = read("README.md");
    let (_, told) = manual.split_once("```yaml\n").expect("settings");
    let told = yaml(told.split_once("```").expect("an end").0);
    assert_eq!(
        told["scrape_configs"][0]["job_name"].as_str(),
        Some("selkie")
    );
    let target = told["scrape_configs"][0]["static_configs"][0]["targets"][0].as_str();
    assert_eq!(target, Some("127.0.0.1:9464"));
    assert_eq!(told["rule_files"][0].as_str(), Some("alerts.yaml"));
}

#[test]
fn the_dashboard_has_a_query_in_every_panel() {
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    assert!(panels.len() > 10);
    for panel in panels {
        let query = panel["targets"][0]["expr"].as_str();
        assert!(
            query.is_some_and(|query| query.contains("selkie_")),
            "{panel}"
        );
    }
}

/// Where there is no promtool, it says so, and nothing is tested.
#[test]
fn promtool_finds_nothing_wrong_with_rules_and_metrics() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ops/alerts.yaml");
    let mut check_rules = Command::new("promtool");
    let output = match check_rules.args(["check", "rules"]).arg(rules).output() {
        Ok(output) => output,
        Err(error) => return println!("not tested: promtool: {error}"),
    };
    assert!(output.status.success(), "{output:?}");
    let mut check_metrics = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stdin = check_metrics.stdin.take().expect("piped");
    stdin.write_all(metrics().as_bytes()).expect("written");
    drop(stdin);
    let output = check_metrics.wait_with_output().expect("ended");
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

/// The names that an agent over QUIC exports, as a parser of Prometheus' text reads them.
fn exported() -> BTreeSet<String> {
    let text = metrics();
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned())));
    let samples = scrape.expect("Prometheus' text").samples;
    let lines = text.lines().filter(|line| names(line).next().is_some());
    assert!(samples.len() > 100, "{text}");
    assert!(lines.count() > samples.len());
    samples
        .into_iter()
        .flat_map(|sample| match sample.value {
            Figure::Histogram(_) => vec![format!("{}_bucket", sample.metric), sample.metric],
            _ => vec![sample.metric],
        })
        .collect()
}

/// What such an agent tells Prometheus.
fn metrics() -> String {
    let ca = DevCa::new("test").expect("an authority");
    let issued = ca.issue("a").expect("a certificate");
    let credentials = Credentials::from_issued(&issued).expect("credentials");
    smol::block_on(async {
        let quic = Quic::bind(SocketAddr::from(([127, 0, 0, 1], 0)), &credentials);
        let quic = quic.expect("a port");
        let expiring = quic.clone();
        let builder = Builder::new().codec(PostcardCodec).transport(quic);
        let metrics = Metrics::new(builder.spawn().await.expect("an agent"))
            .certificate_expiry(move || expiring.not_after());
        Admin::new(metrics).metrics()
    })
}

/// Whatever begins as our names do, and is not just the beginning of some.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("selkie_") && !word.ends_with('_'))
}

fn yaml(text: &str) -> Yaml {
    YamlLoader::load_from_str(text).expect("YAML").remove(0)
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/ops")
        .join(file);
    fs::read_to_string(path).expect("a file")
}
