//! A scenario that names what there is not tests nothing, and is told so.

use std::panic::{AssertUnwindSafe, catch_unwind};

use selkie::{
    Config,
    sim::{Bursts, Latency, Link, Loss},
};

use crate::{Peers, joined, secs};

/// What it says when it panics.
#[track_caller]
fn refused<R>(act: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(act()))).expect_err("a mistake");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(_) => panic!("no text"),
    }
}

#[test]
fn nodes_that_are_not_there_are_refused_everywhere() {
    let acts: [fn(&mut Peers); 14] = [
        |sim| {
            let _ = sim.partition(0..2, [2, 9]);
        },
        |sim| {
            let _ = sim.partition([9], [0]);
        },
        |sim| {
            let _ = sim.cut([0], [9]);
        },
        |sim| {
            let _ = sim.isolate([9]);
        },
        |sim| sim.set_link(0, 9, Link::lan()),
        |sim| sim.set_link(9, 0, Link::lan()),
        |sim| sim.join(0, 9),
        |sim| sim.join_any(9),
        |sim| sim.join_all(9),
        |sim| {
            let _ = sim.crash(9);
        },
        |sim| sim.pause_for(9, secs(1)),
        |sim| sim.set_ingress_loss(9, 0.5),
        |sim| {
            let _ = sim.is_cut(0, 9);
        },
        |sim| {
            let _ = sim.sees(0, 9);
        },
    ];
    let mut sim = joined(5, Config::lan(), 1);
    for act in acts {
        assert_eq!(refused(|| act(&mut sim)), "there is no node 9, of 5");
    }
    assert_eq!(sim.faults().cuts, 0);
}

#[test]
fn what_is_no_probability_is_refused_everywhere() {
    for wrong in [-0.1, 1.1, 5.0, f64::NAN, f64::INFINITY] {
        let acts: [&dyn Fn(); 7] = [
            &|| {
                let _ = Loss::from(wrong);
            },
            &|| {
                let _ = Link::lan().loss(wrong);
            },
            &|| {
                let _ = Link::lan().loss(Loss::Independent(wrong));
            },
            &|| {
                let _ = Link::lan().duplicates(wrong);
            },
            &|| {
                let _ = Link::lan().reorders(wrong, Latency::Constant(secs(1)));
            },
            &|| {
                let _ = Bursts::new(secs(1), secs(1)).losing(0.0, wrong);
            },
            &|| joined(3, Config::lan(), 1).set_egress_loss(2, Loss::Independent(wrong)),
        ];
        for act in acts {
            assert!(refused(act).starts_with("a probability is from 0 to 1"));
        }
    }
    let _ = Link::lan().loss(0.0).duplicates(1.0);
}
