//! Random faults, and what must hold all the same.

use std::collections::HashSet;

use selkie::{
    codecs::PostcardCodec,
    sim::{Chaos, FaultCounts, Rule},
};

const RUNS: u64 = 100;

#[test]
fn random_schedules_of_faults_break_no_rule() {
    let mut faults = FaultCounts::default();
    let mut sizes = HashSet::new();
    let mut not_refuted = 0;
    for seed in 0..RUNS {
        let chaos = Chaos::from_seed(seed);
        sizes.insert(chaos.nodes());
        let outcome = chaos.run(PostcardCodec).unwrap();
        faults.add(&outcome.faults);
        not_refuted += u32::from(outcome.wrong_declarations > 0);
    }
    assert_eq!(sizes, (3..=12).collect());
    assert_eq!(not_refuted, 0, "members could not refute");
    // No run may be proof of anything if its faults did not happen.
    for (name, count) in faults.iter() {
        let is_rare = matches!(name, "overflowed" | "to_nobody");
        assert!(is_rare || count > 10, "{name} happened {count} times only");
    }
}

/// Members that never bring back whom they hold for down must be found out while faults go on,
/// under either preset.
#[test]
fn members_that_do_not_heal_are_found_all_along() {
    let (mut slow, mut fast) = ((0, 0), (0, 0));
    for seed in 0..60 {
        let mut announces = None;
        let chaos = Chaos::from_seed(seed).with(|config| {
            announces = config.periodic_announce_to_down_members.take();
            config.notify_down_members = false;
        });
        let is_slow = announces.is_some_and(|task| task.every.as_secs() > 60);
        let (stays_down, others) = if is_slow { &mut slow } else { &mut fast };
        let outcome = chaos.run(PostcardCodec);
        match outcome.map_err(|violation| violation.rule()) {
            Ok(_) => {}
            Err(Rule::NoneStaysDown) => *stays_down += 1,
            Err(_) => *others += 1,
        }
    }
    for (stays_down, others) in [slow, fast] {
        assert!(
            stays_down >= 5,
            "found {stays_down} times, and otherwise {others} times"
        );
    }
}

#[test]
fn a_schedule_is_told_in_words() {
    let told = Chaos::from_seed(3).to_string();
    assert!(told.starts_with("chaos 3: "), "{told}");
    assert!(told.lines().count() >= 2, "{told}");
}

/// A few runs with another codec. Datagrams have other sizes, and draw other fates.
#[cfg(any(feature = "bincode", feature = "msgpack"))]
fn check_codec<C: selkie::Codec<selkie::sim::Peer> + Clone + 'static>(codec: C) {
    for seed in 0..10 {
        Chaos::from_seed(seed).run(codec.clone()).unwrap();
    }
}

#[cfg(feature = "bincode")]
#[test]
fn they_break_none_in_bincode() {
    check_codec(selkie::codecs::BincodeCodec::standard());
}

#[cfg(feature = "msgpack")]
#[test]
fn they_break_none_in_messagepack() {
    check_codec(selkie::codecs::MsgpackCodec);
}
