//! Random faults, and what must hold all the same.

use std::collections::HashSet;

use selkie::{
    codecs::PostcardCodec,
    sim::{Chaos, FaultCounts},
};

const RUNS: u64 = 100;

#[test]
fn random_schedules_of_faults_break_no_rule() {
    let mut faults = FaultCounts::default();
    let mut sizes = HashSet::new();
    for seed in 0..RUNS {
        let chaos = Chaos::from_seed(seed);
        sizes.insert(chaos.nodes());
        let outcome = chaos.run(PostcardCodec).unwrap();
        faults.add(&outcome.faults);
    }
    assert_eq!(sizes, (3..=12).collect());
    // No run may be proof of anything if its faults did not happen.
    for (name, count) in faults.iter() {
        let is_rare = matches!(name, "overflowed" | "to_nobody");
        assert!(is_rare || count > 10, "{name} happened {count} times only");
    }
}

#[test]
fn a_schedule_is_told_in_words() {
    let told = Chaos::from_seed(3).to_string();
    assert!(told.starts_with("chaos 3: "), "{told}");
    assert!(told.lines().count() >= 2, "{told}");
}
