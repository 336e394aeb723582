use alloc::boxed::Box;

use smol::{block_on, future::poll_once};

use super::*;

/// Whether it comes to an end without anybody else.
fn is_ready(future: impl Future<Output = ()>) -> bool {
    block_on(poll_once(Box::pin(future))).is_some()
}

#[test]
fn who_wants_more_than_there_is_waits() {
    let budget = Budget::new(10 * COST_MIN);
    let first = budget.try_take(6 * COST_MIN);
    let mut second = block_on(budget.begin());
    let mut grows = Box::pin(second.grow(6 * COST_MIN));
    assert!(block_on(poll_once(&mut grows)).is_none());
    assert!(budget.try_take(5 * COST_MIN).is_none());
    let small = budget.try_take(1).expect("there is room");
    drop((first, small));
    assert!(block_on(poll_once(&mut grows)).is_some());
}

#[test]
fn one_alone_may_have_more_than_all() {
    let budget = Budget::new(COST_MIN);
    assert_eq!(budget.left(), usize::MAX);
    let all = budget
        .try_take(100 * COST_MIN)
        .expect("nobody else has any");
    assert!(budget.try_take(1).is_none());
    assert_eq!(budget.left(), 0);
    drop(all);
    assert!(budget.try_take(1).is_some());
}

#[test]
fn who_waits_no_more_leaves_nothing_behind() {
    let budget = Budget::new(COST_MIN);
    let all = budget.try_take(COST_MIN);
    for _ in 0..3 {
        let mut next = Box::pin(budget.begin());
        assert!(block_on(poll_once(&mut next)).is_none());
        assert_eq!(budget.state().waiting.len(), 1);
    }
    let state = budget.state();
    assert!(state.waiting.is_empty());
    assert_eq!((state.taken, state.arriving), (COST_MIN, 0));
    drop(state);
    drop(all);
}

#[test]
fn of_several_that_arrive_and_fill_all_one_goes_on() {
    let budget = Budget::new(10 * COST_MIN);
    let mut first = block_on(budget.begin());
    let mut second = block_on(budget.begin());
    assert!(is_ready(first.grow(5 * COST_MIN)));
    assert!(is_ready(second.grow(5 * COST_MIN)));
    // While something is there to be read, they wait for that.
    let mut third = block_on(poll_once(Box::pin(budget.begin())));
    assert!(
        third.is_some(),
        "nothing is complete: one goes beyond the bound"
    );
    assert!(!is_ready(first.grow(6 * COST_MIN)), "it is that one");
    drop(third.take());
    assert!(is_ready(first.grow(9 * COST_MIN)));
    assert!(!is_ready(second.grow(6 * COST_MIN)), "one at a time");
    first.complete();
    assert!(!is_ready(second.grow(6 * COST_MIN)), "until it is read");
    drop(first);
    assert!(is_ready(second.grow(10 * COST_MIN)));
}

#[test]
fn what_is_complete_is_waited_for() {
    let budget = Budget::new(4 * COST_MIN);
    let complete = budget.try_take(COST_MIN);
    let mut arriving = block_on(budget.begin());
    assert!(is_ready(arriving.grow(3 * COST_MIN)));
    assert!(!is_ready(arriving.grow(4 * COST_MIN)));
    drop(complete);
    assert!(is_ready(arriving.grow(4 * COST_MIN)));
}
