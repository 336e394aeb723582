use alloc::{string::ToString, vec::Vec};
use core::time::Duration;

use super::{PAUSE_MAX, PAUSE_MIN, Pause, Seed, Seeds};

#[track_caller]
fn check_refused(seed: &str, rule: &str) {
    let refused = seed.parse::<Seed>().unwrap_err();
    assert!(refused.rule().contains(rule), "{seed}: {refused}");
}

#[test]
fn addresses_and_names_are_seeds() {
    for seed in [
        "10.0.0.1:7946",
        "[::1]:7946",
        "localhost:1",
        "db-1.eu:65535",
    ] {
        assert_eq!(seed.parse::<Seed>().unwrap().to_string(), seed);
    }
}

#[test]
fn what_cannot_be_resolved_by_its_syntax_is_refused() {
    check_refused("localhost", "no port");
    check_refused("localhost:http", "from 1 to 65535");
    check_refused("localhost:0", "from 1 to 65535");
    check_refused("10.0.0.1:0", "from 1 to 65535");
    check_refused("::1:7946x", "from 1 to 65535");
    check_refused("fe80::1:7946", "brackets");
    check_refused(":7946", "a host is");
    check_refused("two words:7946", "a host is");
    check_refused("http://host:7946", "a host is");
    check_refused("", "no port");
}

#[test]
fn pauses_grow_to_a_bound_and_differ() {
    let mut pause = Pause::new(7);
    let mut before = Duration::ZERO;
    let mut lengths = Vec::new();
    for _ in 0..10 {
        pause.grow(before);
        lengths.push(pause.until - before);
        before = pause.until;
    }
    assert!(lengths[0] <= PAUSE_MIN && lengths[0] >= PAUSE_MIN / 2);
    assert!(lengths.iter().all(|length| *length <= PAUSE_MAX));
    assert!(lengths[9] >= PAUSE_MAX / 2);
    assert_ne!(lengths[8], lengths[9]);
}

#[test]
fn seeds_are_asked_while_alone_and_again_when_alone_again() {
    let mut seeds = Seeds::new(Vec::from(["10.0.0.1:7946".parse().unwrap()]), 7);
    let at = Duration::from_secs;
    assert_eq!(seeds.ask_if_due(at(0), true).len(), 1);
    assert!(seeds.ask_if_due(at(0), true).is_empty());
    assert_eq!(seeds.ask_if_due(at(1), true).len(), 1);
    assert!(seeds.ask_if_due(at(60), false).is_empty());
    assert_eq!(seeds.next_deadline(false), None);
    assert!(seeds.next_deadline(true).unwrap() <= at(60) + PAUSE_MIN);
    assert_eq!(seeds.ask_if_due(at(61), true).len(), 1);
}
