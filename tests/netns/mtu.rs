//! A link that carries less than the hosts at the other end of the path think.

use std::time::Instant;

use crate::{
    cluster::{PORT, Site, check_nobody_down, over_each, until_all_see_all},
    network::Network,
};

const HOSTS: [&str; 3] = ["a", "b", "c"];

/// The least that IPv6 wants, and what tunnels often have.
const NARROW: u16 = 1280;

/// So many, with names as long as they may be, fill more than a packet of 1280 bytes.
const MEMBERS_PER_HOST: u16 = 6;

#[test]
fn members_behind_a_narrow_link_join_and_learn_what_fits_no_packet() {
    check_joins("MTU 1280", |_| {});
}

#[test]
fn a_router_that_drops_what_is_too_large_and_says_nothing_keeps_nobody_out() {
    check_joins("MTU 1280, silent", Network::say_nothing_of_large_packets);
}

#[track_caller]
fn check_joins(case: &str, prepare: fn(&Network)) {
    over_each(case, &HOSTS, |network, kind| {
        network.narrow("c", NARROW);
        prepare(network);
        let site = Site::new(network, kind);
        let started = Instant::now();
        let members: Vec<_> = (0..MEMBERS_PER_HOST)
            .flat_map(|number| HOSTS.map(|host| (number, host)))
            .map(|(number, host)| {
                let name = format!("{host}-{number}-{}", "x".repeat(59));
                site.start_at(&name, host, &network.addr(host), PORT + number, &HOSTS)
            })
            .collect();
        let all = until_all_see_all(&members);
        check_nobody_down(&members, &vec![0; members.len()]);
        format!(
            "{} members all see all {:.1?} after the first started; {} packets were too large, \
             {} came in pieces",
            members.len(),
            all - started,
            network.large(),
            network.pieces()
        )
    });
}
