use alloc::vec::Vec;
use core::time::Duration;

use super::{Company, PAUSE_MAX, PAUSE_MIN, PERIOD_MIN, Pace, Pause};

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
fn any_period_will_do() {
    for period in [Duration::ZERO, Duration::MAX] {
        let mut pace = Pace::new(Some(period), 7);
        assert!(!pace.is_due(Duration::ZERO, Company::Others));
        let due = pace.next_deadline(Company::Others).unwrap();
        assert!(due >= PERIOD_MIN / 2, "{due:?}");
    }
}
