//! Members whose host changes its address.

use std::time::Instant;

use crate::cluster::{Site, check_nobody_down, marks, over_each, until_all_see_all};

const HOSTS: [&str; 3] = ["a", "b", "c"];

#[test]
fn a_member_that_starts_again_at_another_address_is_renamed_and_nobody_fails() {
    over_each("address changed", &HOSTS, |network, kind| {
        let site = Site::new(network, kind);
        let mut members = site.start_all(&HOSTS);
        until_all_see_all(&members);
        let before = marks(&members);
        let mut gone = members.remove(0);
        let (from, seeds) = (network.addr("a"), ["b", "c"]);
        // Without a word: nobody learns that it leaves.
        gone.kill();
        let to = network.move_host("a");
        let started = Instant::now();
        let again = site.start_at("a", "a", &to, crate::cluster::PORT, &seeds);
        let mut renamed = started;
        for (member, mark) in members.iter().zip(&before[1..]) {
            let said = member.until(*mark, "renamed", "a");
            assert_eq!(said.json["addr"], format!("{to}:7946"), "{said:?}");
            assert_eq!(said.json["before"]["addr"], format!("{from}:7946"));
            renamed = renamed.max(said.at);
        }
        for name in ["b", "c"] {
            again.until(0, "joined", name);
        }
        check_nobody_down(&members, &before[1..]);
        members.push(again);
        let all = until_all_see_all(&members);
        let took = (renamed - started, all - started);
        format!(
            "renamed {:.1?} after its start, all see all after {:.1?}",
            took.0, took.1
        )
    });
}
