//! A network that loses packets.

use core::time::Duration;
use std::time::Instant;

use crate::cluster::{Site, check_nobody_down_for, count, over_each, until_all_see_all};

const HOSTS: [&str; 4] = ["a", "b", "c", "d"];

/// Twelve probe periods: each member pings each other several times.
const WATCHED: Duration = Duration::from_secs(12);

#[test]
fn where_a_fifth_is_lost_each_way_members_find_each_other_and_nobody_is_declared_down() {
    over_each("20 % lost each way", &HOSTS, |network, kind| {
        network.lose(20);
        let site = Site::new(network, kind);
        let started = Instant::now();
        let members = site.start_all(&HOSTS);
        let joined = until_all_see_all(&members) - started;
        let beginning = [0; HOSTS.len()];
        check_nobody_down_for(WATCHED, &members, &beginning);
        let lost = network.lost();
        assert!(lost > 50, "only {lost} packets were lost");
        let suspected = count(&members, &beginning, "suspect");
        format!("all see all after {joined:.1?}; {lost} packets lost, {suspected} suspicions")
    });
}
