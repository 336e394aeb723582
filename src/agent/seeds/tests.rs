use alloc::{string::ToString, vec::Vec};
use core::time::Duration;

use super::{Company, Found, Resolver, Seed, Seeds};

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
        "_name:7946",
        "file:/etc/seeds",
        "file:seeds:1",
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
    check_refused("_gossip.example.org", "no port");
    check_refused("_gossip._udp", "no port");
    check_refused("_gossip._udp.two words", "no port");
    check_refused("file:", "a path");
}

#[test]
fn names_of_srv_records_are_seeds_if_they_can_be_looked_up() {
    let name = "_gossip._udp.example.org";
    match name.parse::<Seed>() {
        Ok(seed) => assert_eq!(seed.to_string(), name),
        Err(refused) => assert!(refused.rule().contains("feature `dns`")),
    }
    assert_eq!(name.parse::<Seed>().is_ok(), cfg!(feature = "dns"));
}

#[test]
fn seeds_are_asked_while_alone_and_again_when_alone_again() {
    let mut seeds = seeds(&["10.0.0.1:7946"], None);
    let at = Duration::from_secs;
    assert_eq!(ask_if_due(&mut seeds, at(0), Company::Nobody).len(), 1);
    assert!(ask_if_due(&mut seeds, at(0), Company::Nobody).is_empty());
    assert_eq!(ask_if_due(&mut seeds, at(1), Company::Nobody).len(), 1);
    assert!(ask_if_due(&mut seeds, at(60), Company::Others).is_empty());
    assert_eq!(seeds.next_deadline(Company::Others, false), None);
    assert!(seeds.next_deadline(Company::Nobody, false).unwrap() <= at(61));
    assert_eq!(ask_if_due(&mut seeds, at(61), Company::Nobody).len(), 1);
}

#[test]
fn among_others_seeds_are_asked_one_at_a_time_in_turn() {
    let addrs = ["10.0.0.1:7946", "10.0.0.2:7946", "10.0.0.3:7946"];
    let period = Duration::from_secs(60);
    let mut seeds = seeds(&addrs, Some(period));
    let mut now = Duration::from_secs(7);
    let mut asked = Vec::new();
    assert!(ask_if_due(&mut seeds, now, Company::Others).is_empty());
    for _ in 0..2 * addrs.len() {
        let due = seeds.next_deadline(Company::Others, false).unwrap();
        let pause = due - now;
        assert!(
            pause >= period * 3 / 4 && pause <= period * 5 / 4,
            "{pause:?}"
        );
        assert!(ask_if_due(&mut seeds, due - Duration::from_millis(1), Company::Others).is_empty());
        now = due;
        asked.extend(ask_if_due(&mut seeds, now, Company::Others));
        assert!(ask_if_due(&mut seeds, now, Company::Others).is_empty());
    }
    let asked: Vec<_> = asked.iter().map(|found| found.seed.to_string()).collect();
    assert_eq!(asked, [addrs, addrs].concat());
}

#[test]
fn who_goes_asks_nobody() {
    let mut seeds = seeds(&["10.0.0.1:7946"], Some(Duration::ZERO));
    assert!(ask_if_due(&mut seeds, Duration::from_secs(1), Company::Unwanted).is_empty());
    assert_eq!(seeds.next_deadline(Company::Unwanted, false), None);
}

/// Asks if it is time to.
fn ask_if_due(seeds: &mut Seeds, now: Duration, company: Company) -> Vec<Found> {
    match seeds.is_due(now, company) {
        true => seeds.ask(company),
        false => Vec::new(),
    }
}

fn seeds(addrs: &[&str], period: Option<Duration>) -> Seeds {
    let addrs = addrs.iter().map(|addr| addr.parse().unwrap());
    Seeds::new(addrs.collect(), Resolver::default(), period, 7)
}
