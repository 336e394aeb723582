//! Members that stop running and go on, as one does whose machine is frozen.

use std::time::Instant;

use crate::{
    cluster::{Site, check_nobody_down, marks, over_each, until, until_all_see_all},
    member::State,
};

const HOSTS: [&str; 3] = ["a", "b", "c"];

#[test]
fn a_member_that_is_paused_for_long_is_declared_down_and_rejoins() {
    over_each("paused for long", &HOSTS, |network, kind| {
        let site = Site::new(network, kind);
        let members = site.start_all(&HOSTS);
        until_all_see_all(&members);
        let before = marks(&members);
        let (paused, others) = members.split_first().expect("three");
        let stopped = Instant::now();
        paused.signal("STOP");
        let down = until(others, |_| [("a", State::Down)].into());
        let suspected = others.iter().zip(&before[1..]);
        let suspected = suspected.map(|(member, mark)| member.until(*mark, "suspect", "a").at);
        let suspected = suspected.min().expect("two");
        let resumed = Instant::now();
        paused.signal("CONT");
        let rejoined = paused.until(before[0], "rejoined", "a").at;
        let all = until_all_see_all(&members);
        format!(
            "suspected after {:.1?}, down at all after {:.1?}; once resumed, rejoined after \
             {:.1?}, all see all after {:.1?}",
            suspected - stopped,
            down - stopped,
            rejoined - resumed,
            all - resumed
        )
    });
}

#[test]
fn a_member_that_is_paused_until_it_is_suspected_refutes_and_stays() {
    over_each("paused for a moment", &HOSTS, |network, kind| {
        let site = Site::new(network, kind);
        let members = site.start_all(&HOSTS);
        until_all_see_all(&members);
        let before = marks(&members);
        let (paused, others) = members.split_first().expect("three");
        let stopped = Instant::now();
        paused.signal("STOP");
        let suspected = others[0].until(before[1], "suspect", "a");
        let resumed = Instant::now();
        paused.signal("CONT");
        let refuted = others[0].until(before[1], "refuted", "a");
        until_all_see_all(&members);
        check_nobody_down(&members, &before);
        format!(
            "suspected after {:.1?}, refuted {:.1?} after it was resumed",
            suspected.at - stopped,
            refuted.at - resumed
        )
    });
}
