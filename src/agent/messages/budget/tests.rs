use smol::{block_on, future::poll_once};

use super::*;

#[test]
fn who_wants_more_than_there_is_waits() {
    let budget = Budget::new(10 * COST_MIN);
    let first = block_on(budget.take(6 * COST_MIN));
    let second = budget.take(6 * COST_MIN);
    let mut second = alloc::boxed::Box::pin(second);
    assert!(block_on(poll_once(&mut second)).is_none());
    assert!(budget.try_take(5 * COST_MIN).is_none());
    let small = budget.try_take(1).expect("there is room");
    drop((first, small));
    assert!(block_on(poll_once(&mut second)).is_some());
}

#[test]
fn one_alone_may_have_more_than_all() {
    let budget = Budget::new(COST_MIN);
    let all = budget
        .try_take(100 * COST_MIN)
        .expect("nobody else has any");
    assert!(budget.try_take(1).is_none());
    drop(all);
    assert!(budget.try_take(1).is_some());
}

#[test]
fn who_waits_no_more_leaves_nothing_behind() {
    let budget = Budget::new(COST_MIN);
    let all = block_on(budget.take(COST_MIN));
    for _ in 0..3 {
        let mut next = alloc::boxed::Box::pin(budget.take(COST_MIN));
        assert!(block_on(poll_once(&mut next)).is_none());
        assert_eq!(budget.state().waiting.len(), 1);
    }
    assert!(budget.state().waiting.is_empty());
    drop(all);
}
