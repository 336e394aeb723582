//! `selkie demo`.

use serde_json::Value;

use crate::fixture::{run, stderr};

#[test]
fn demo_over_udp_ends_well() {
    check_demo(&["demo", "--json", "--transport", "udp", "--nodes", "4"]);
}

#[test]
fn demo_over_quic_ends_well() {
    check_demo(&["demo", "--json"]);
}

#[test]
fn demo_prints_lines_where_there_is_no_terminal() {
    let output = run(&["demo", "--nodes", "3", "--transport", "udp"]);
    let stdout = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{stdout}");
    assert!(!stdout.contains('\u{1b}'), "escape codes in {stdout:?}");
    for part in ["suspect", "is down", "is back", "is gone at once"] {
        assert!(stdout.contains(part), "no {part:?} in {stdout}");
    }
}

#[test]
fn demo_of_two_is_refused() {
    let output = run(&["demo", "--nodes", "2"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("2 is not in 3..=50"),
        "{}",
        stderr(&output)
    );
}

#[track_caller]
fn check_demo(args: &[&str]) {
    let output = run(args);
    let stdout = String::from_utf8(output.stdout.clone()).expect("text");
    assert!(output.status.success(), "{stdout}{}", stderr(&output));
    let mut last = None;
    for line in stdout.lines() {
        last = Some(serde_json::from_str::<Value>(line).expect("JSON"));
    }
    let last = last.expect("a result");
    assert_eq!(last["result"], "ok", "{stdout}");
    let times = [
        "converged_ms",
        "suspect_ms",
        "down_ms",
        "rejoined_ms",
        "left_ms",
    ];
    for time in times {
        assert!(last[time].is_u64(), "{time} in {last}");
    }
    assert_eq!(
        last.as_object().map(|object| object.len()),
        Some(times.len() + 1)
    );
    assert!(
        last["down_ms"].as_u64() >= last["suspect_ms"].as_u64(),
        "{last}"
    );
}
