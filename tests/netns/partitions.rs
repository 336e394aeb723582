//! A network that is cut, wholly or one way only.

use core::time::Duration;
use std::{collections::BTreeMap, time::Instant};

use crate::{
    cluster::{
        Kind, Site, check_nobody_down_for, count, each_over_each, marks, over_each, until,
        until_all_see_all,
    },
    member::{Member, State},
};

const HOSTS: [&str; 4] = ["a", "b", "c", "d"];

/// Ten probe periods, and more than a suspicion lasts.
const WATCHED: Duration = Duration::from_secs(10);

#[test]
fn halves_declare_each_other_down_and_join_again_once_there_is_a_way() {
    over_each("cut into halves", &HOSTS, |network, kind| {
        let site = Site::new(network, kind);
        let members = site.start_all(&HOSTS);
        until_all_see_all(&members);
        let (half, other) = (["a", "b"], ["c", "d"]);
        let cut = Instant::now();
        for (from, to) in pairs(&half, &other) {
            network.cut(from, to);
            network.cut(to, from);
        }
        let split = until(&members, |member| {
            let is_ours = half.contains(&member.name.as_str());
            view_of(&member.name, if is_ours { &half } else { &other })
        });
        let healed = Instant::now();
        network.heal();
        let joined = until_all_see_all(&members);
        format!(
            "all of the other half down after {:.1?}; all see all {:.1?} after the cut ended",
            split - cut,
            joined - healed
        )
    });
}

/// All others alive that can be heard, all others down.
fn view_of(own: &str, heard: &[&str]) -> BTreeMap<&'static str, State> {
    let others = HOSTS.into_iter().filter(|host| *host != own);
    others
        .map(|host| match heard.contains(&host) {
            true => (host, State::Alive),
            false => (host, State::Down),
        })
        .collect()
}

#[test]
fn a_member_that_hears_or_is_heard_only_is_declared_down_and_comes_back() {
    let others = &HOSTS[1..];
    let cases = [
        ("one member not heard", pairs(&["a"], others)),
        ("one member deaf", pairs(others, &["a"])),
    ];
    each_over_each(&cases, &HOSTS, |network, kind, ways| {
        let site = Site::new(network, kind);
        let members = site.start_all(&HOSTS);
        until_all_see_all(&members);
        let before = marks(&members);
        let cut = Instant::now();
        for (from, to) in ways {
            network.cut(from, to);
        }
        let (a, rest) = members.split_first().expect("four");
        let down = until(rest, |_| [("a", State::Down)].into());
        let alone = a.until_sees(&others.iter().map(|other| (*other, State::Down)).collect());
        // Those who hear each other declare nobody else down.
        for (member, mark) in rest.iter().zip(&before[1..]) {
            let said = member.since(*mark);
            let wrong = said
                .iter()
                .find(|said| said.event == "down" && said.name != "a");
            assert!(wrong.is_none(), "{member}: {wrong:?} of {said:#?}");
        }
        let afterwards = marks(rest);
        let healed = Instant::now();
        network.heal();
        let joined = until_all_see_all(&members);
        format!(
            "down at the others after {:.1?}, the others at it after {:.1?}; all see all {:.1?} \
             after the cut ended, when the others took its word {} times, for {:.1?} at most",
            down - cut,
            alone - cut,
            joined - healed,
            count(rest, &afterwards, "down"),
            longest_absence(rest, &afterwards),
        )
    });
}

/// For how long, at most, somebody was down at one of the members after the marks.
fn longest_absence(members: &[Member], marks: &[usize]) -> Duration {
    let mut longest = Duration::ZERO;
    for (member, mark) in members.iter().zip(marks) {
        let mut since = BTreeMap::new();
        for said in member.since(*mark) {
            match said.event.as_str() {
                "down" => _ = since.insert(said.name, said.at),
                "joined" => {
                    let absence = since.remove(&said.name).map(|since| said.at - since);
                    longest = longest.max(absence.unwrap_or_default());
                }
                _ => {}
            }
        }
    }
    longest
}

#[test]
fn two_members_that_cannot_reach_each_other_are_not_declared_down_while_others_can() {
    let cases = [
        ("one pair cut one way", vec![("a", "b")]),
        ("one pair cut", vec![("a", "b"), ("b", "a")]),
    ];
    each_over_each(&cases, &HOSTS, |network, kind, ways| {
        let site = Site::new(network, kind);
        let members = site.start_all(&HOSTS);
        until_all_see_all(&members);
        let before = marks(&members);
        for (from, to) in ways {
            network.cut(from, to);
        }
        check_nobody_down_for(WATCHED, &members, &before);
        assert!(network.lost() > 0, "the cut cut nothing");
        let suspected = count(&members, &before, "suspect");
        format!("nobody down for {WATCHED:?}, {suspected} suspicions")
    });
}

#[test]
fn a_member_that_only_tcp_gets_to_is_reported_and_not_declared_down() {
    over_each("TCP only", &HOSTS, |network, kind| {
        let site = Site::new(network, kind);
        let members = site.start_all(&HOSTS);
        until_all_see_all(&members);
        let before = marks(&members);
        let (_, others) = members.split_first().expect("four");
        let cut = Instant::now();
        network.pass_tcp_only("a");
        if kind == Kind::Quic {
            let down = until(others, |_| [("a", State::Down)].into());
            return format!("it has no other way: down after {:.1?}", down - cut);
        }
        let reported = others.iter().zip(&before[1..]);
        let reported = reported.map(|(member, mark)| member.until(*mark, "blocked", "a").at);
        let last = reported.max().expect("three");
        check_nobody_down_for(WATCHED, &members, &before);
        format!(
            "reported by all after {:.1?}; nobody down for {WATCHED:?} more, {} suspicions",
            last - cut,
            count(&members, &before, "suspect")
        )
    });
}

fn pairs<'a>(some: &[&'a str], others: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let each = |one: &&'a str| {
        others
            .iter()
            .map(|other| (*one, *other))
            .collect::<Vec<_>>()
    };
    some.iter().flat_map(each).collect()
}
