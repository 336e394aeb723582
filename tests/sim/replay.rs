//! The same seed, the same run.

use std::{cell::RefCell, fmt::Write, rc::Rc};

use selkie::{
    Config,
    codecs::PostcardCodec,
    sim::{Chaos, Link, Loss, Simulation},
};

use crate::{Peers, millis, secs};

/// A run with a bit of everything, how it is cut into parts and what is looked at aside.
fn eventful(seed: u64, watch: bool) -> (Peers, String) {
    let log = Rc::new(RefCell::new(String::new()));
    let mut sim = Simulation::new(seed, Config::lan(), PostcardCodec);
    if watch {
        let log = log.clone();
        sim.watch(move |at, happening| {
            let _ = writeln!(log.borrow_mut(), "{at:?} {happening}");
        });
    }
    sim.set_links(
        Link::wan()
            .loss(0.05)
            .duplicates(0.02)
            .reorders(0.02, millis(50)),
    );
    sim.add_peers(12);
    sim.join_all(0);
    sim.after(secs(20), |sim| {
        sim.crash(3);
        sim.pause_for(4, secs(10));
        sim.set_egress_loss(5, 0.5);
    });
    sim.after(secs(40), |sim| {
        sim.restart(3);
        sim.set_egress_loss(5, Loss::None);
    });
    for _ in 0..if watch { 60 } else { 1 } {
        sim.run_for(secs(if watch { 1 } else { 60 }));
    }
    let log = log.take();
    (sim, log)
}

#[test]
fn the_same_seed_gives_the_same_run_however_it_is_cut_and_watched() {
    let (watched, log) = eventful(1, true);
    let (again, log_again) = eventful(1, true);
    let (unwatched, _) = eventful(1, false);
    assert_eq!(log, log_again);
    assert!(log.lines().count() > 1000);
    for other in [again, unwatched] {
        assert_eq!(watched.trace_hash(), other.trace_hash());
        assert_eq!(watched.faults(), other.faults());
        assert_eq!(watched.history().all(), other.history().all());
    }
}

#[test]
fn another_seed_gives_another_run() {
    let hashes = [1, 2, 3].map(|seed| eventful(seed, false).0.trace_hash());
    assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2]);
}

#[test]
fn a_violation_names_its_seed_and_comes_back_with_it() {
    let fail = |seed| {
        let mut sim = Simulation::new(seed, Config::lan(), PostcardCodec);
        sim.set_links(Link::lan().loss(0.9));
        sim.add_peers(10);
        sim.join_all(0);
        sim.expect_all_seen(secs(20)).unwrap_err()
    };
    let violation = fail(77);
    assert!(
        violation
            .to_string()
            .starts_with("seed 77, at 20.000 s: not all live members see")
    );
    assert_eq!(format!("{violation:?}"), violation.to_string());
    let again = fail(violation.seed());
    assert_eq!(again, violation);
}

#[test]
fn a_chaos_comes_back_with_its_seed() {
    let run = |seed| Chaos::from_seed(seed).run(PostcardCodec).unwrap();
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).trace_hash, run(6).trace_hash);
    assert_eq!(
        Chaos::from_seed(5).to_string(),
        Chaos::from_seed(5).to_string()
    );
}
