use super::Chaos;
use crate::{codecs::PostcardCodec, sim::Rule};

/// Members that never bring back whom they hold for down must be found out while faults go on,
/// under either preset.
#[test]
fn members_that_do_not_heal_are_found_all_along() {
    let (mut slow, mut fast) = ((0, 0), (0, 0));
    for seed in 0..60 {
        let mut chaos = Chaos::from_seed(seed);
        let announces = chaos.config.periodic_announce_to_down_members.take();
        chaos.config.notify_down_members = false;
        let (stays_down, others) = match announces.is_some_and(|task| task.every.as_secs() > 60) {
            true => &mut slow,
            false => &mut fast,
        };
        match chaos
            .run(PostcardCodec)
            .map_err(|violation| violation.rule())
        {
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
