use alloc::vec::Vec;
use core::time::Duration;

use super::{Latencies, Stopwatch};
use crate::Counters;

#[test]
fn a_probe_is_in_the_bucket_below_the_bound_that_it_does_not_exceed() {
    let ms = Duration::from_millis;
    let mut took = Latencies::default();
    for each in [ms(0), ms(1), ms(1), ms(7), ms(10_001)] {
        took.add(each);
    }
    let counts: Vec<u64> = took.buckets().iter().map(|bucket| bucket.count).collect();
    assert_eq!(counts, [1, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(took.count(), 5);
    assert_eq!(took.sum(), ms(10_010));
    assert_eq!(took.buckets()[1].sum, ms(2));
}

#[test]
fn only_probes_that_are_answered_are_timed_and_each_from_its_own_ping() {
    let (mut watch, mut took) = (Stopwatch::default(), Latencies::default());
    let mut counters = Counters::default();
    let mut look = |counters: &Counters, at: u64| {
        watch.look(counters, Duration::from_millis(at), &mut took);
    };
    counters.probes = 1;
    look(&counters, 1000);
    look(&counters, 1500);
    // Nobody answered; the next one begins.
    counters.probes = 2;
    look(&counters, 2000);
    // An answer, and in the same turn, behind it, the timer of the next probe.
    counters.probes_answered = 1;
    look(&counters, 2030);
    counters.probes = 3;
    look(&counters, 3000);
    counters.probes_answered = 2;
    look(&counters, 3004);
    assert_eq!((took.count(), took.sum()), (2, Duration::from_millis(34)));
}
