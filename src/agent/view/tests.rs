use alloc::{format, string::String, vec::Vec};
use core::{net::SocketAddr, time::Duration};
use std::time::SystemTime;

use super::{CHUNK_LEN, View};
use crate::{Incarnation, Member, Name, Node, State};

fn node(n: usize) -> Node {
    let name = Name::new(&format!("n{n}")).unwrap();
    Node::new(name, SocketAddr::from(([10, 0, 0, 1], 7946)), 0)
}

fn set(view: &mut View<Node>, n: usize, state: State) {
    let member = Member::new(node(n), Incarnation(0), state);
    view.set(node(n).name(), Some(member), SystemTime::now());
}

fn names(members: &super::Members<Node>) -> Vec<String> {
    members
        .iter()
        .map(|m| m.id.name().as_str().into())
        .collect()
}

#[test]
fn a_copy_does_not_change_and_places_are_kept() {
    let mut view = View::new();
    let n = CHUNK_LEN * 3;
    for i in 0..n {
        set(&mut view, i, State::Alive);
    }
    let before = view.copy();
    set(&mut view, 5, State::Down);
    view.set(node(7).name(), None, SystemTime::now());
    set(&mut view, n, State::Suspect);

    assert_eq!((before.len(), before.num_active()), (n, n));
    let after = view.copy();
    assert_eq!((after.len(), after.num_active()), (n, n - 1));
    assert!(after.version() > before.version());
    assert_eq!(names(&after)[6], "n6");
    assert_eq!(names(&after)[7], format!("n{n}"));
    assert_eq!(after.find(node(5).name()).unwrap().state, State::Down);

    let mut changes = Vec::new();
    after.for_each_change(&before, |was, is| {
        changes.push((was.map(|m| m.id), is.map(|m| m.id)));
    });
    let same = |i| (Some(node(i)), Some(node(i)));
    assert_eq!(changes, [same(5), (Some(node(7)), Some(node(n)))]);
}

#[test]
fn what_says_nothing_new_is_no_change() {
    let mut view = View::new();
    set(&mut view, 0, State::Alive);
    let before = view.copy();
    set(&mut view, 0, State::Alive);
    view.set(node(1).name(), None, SystemTime::now());
    assert_eq!(view.copy().version(), before.version());
}

#[test]
fn since_is_when_the_state_was_taken() {
    let mut view = View::new();
    let [t0, t1] = [1, 2].map(|s| SystemTime::UNIX_EPOCH + Duration::from_secs(s));
    let addr = *node(0).name();
    view.set(&addr, Some(Member::alive(node(0))), t0);
    let later = Member::new(node(0), Incarnation(3), State::Alive);
    view.set(&addr, Some(later), t1);
    let member = view.copy().find(&addr).cloned().unwrap();
    assert_eq!((member.since, member.incarnation), (t0, Incarnation(3)));
    view.set(&addr, Some(Member::suspect(node(0), Incarnation(3))), t1);
    assert_eq!(view.copy().find(&addr).unwrap().since, t1);
}
