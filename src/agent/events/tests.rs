use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::net::SocketAddr;
use std::time::SystemTime;

use futures::{FutureExt, StreamExt};

use super::{Event, Events};
use crate::{
    Config, Identity, Incarnation, Member, Name, Node, State,
    agent::{
        Limits,
        shared::{Reachable, Shared},
    },
    transport::Fingerprints,
};

const EVENTS_MAX: usize = 50;

/// A transport that is no more.
struct Gone;

impl Reachable for Gone {
    fn counted(&self) -> Option<Vec<(&'static str, u64)>> {
        None
    }

    fn fingerprints(&self) -> Option<Fingerprints> {
        None
    }
}

struct Fixture {
    shared: Arc<Shared<Node>>,
}

impl Fixture {
    fn new() -> Self {
        let limits = Limits {
            readers: 3,
            reader_events: EVENTS_MAX,
            ..Limits::default()
        };
        let addr = SocketAddr::from(([10, 0, 0, 1], 7946));
        Self {
            shared: Shared::new(node("me", 0), Config::lan(), &limits, addr, Box::new(Gone)),
        }
    }

    fn events(&self) -> Events<Node> {
        Events::new(self.shared.clone())
    }

    fn publish(&self, members: Vec<(Name, Option<Member<Node>>)>, events: &[Event<Node>]) {
        let me = node("me", 0);
        let members = members
            .into_iter()
            .map(|(addr, member)| (addr, member, None));
        let members = members.collect();
        self.shared.publish(&me, members, events, SystemTime::now());
    }

    fn change(&self, id: Node, state: State, event: Event<Node>) {
        let member = Member::new(id, Incarnation(0), state);
        let members = Vec::from([(id.addr(), Some(member))]);
        self.publish(members, &[event]);
    }

    fn up(&self, id: Node) {
        self.change(id, State::Alive, Event::Joined(id));
    }

    fn down(&self, id: Node) {
        self.change(id, State::Down, Event::Failed(id));
    }

    fn forget(&self, id: Node) {
        let members = Vec::from([(id.addr(), None)]);
        self.publish(members, &[]);
    }

    /// Fills the queue of every reader with events that change nothing.
    fn fill(&self) {
        for _ in 0..EVENTS_MAX {
            self.publish(Vec::new(), &[Event::Connected]);
        }
    }
}

fn node(name: &str, generation: u64) -> Node {
    let addr = SocketAddr::from(([10, 0, 0, 1], 7946));
    Node::new(Name::new(name).unwrap(), addr, generation)
}

fn suspected(member: Node, by: Option<Node>) -> Event<Node> {
    Event::Suspected { member, by }
}

fn read_all(events: &mut Events<Node>) -> Vec<Event<Node>> {
    let mut all = Vec::new();
    while let Some(Some(event)) = events.next().now_or_never() {
        all.push(event);
    }
    all
}

#[track_caller]
fn check_missed(events: &mut Events<Node>, expected: &[Event<Node>]) {
    let all = read_all(events);
    assert_eq!(all.get(EVENTS_MAX..).unwrap(), expected);
}

#[test]
fn a_reader_that_keeps_up_gets_every_event() {
    let fixture = Fixture::new();
    let mut events = fixture.events();
    fixture.up(node("a", 0));
    fixture.down(node("a", 0));
    let [joined, failed] = [Event::Joined(node("a", 0)), Event::Failed(node("a", 0))];
    assert_eq!(read_all(&mut events), [joined, failed]);
    assert_eq!(fixture.shared.stats().events_coalesced, 0);
}

#[test]
fn a_stream_begins_with_the_members_there_are() {
    let fixture = Fixture::new();
    let [stays, goes, ails] = [node("stays", 0), node("goes", 0), node("ails", 0)];
    [stays, goes, ails]
        .into_iter()
        .for_each(|id| fixture.up(id));
    fixture.down(goes);
    fixture.change(ails, State::Suspect, suspected(ails, Some(stays)));

    let mut events = fixture.events();
    // After it was made, before it is read.
    fixture.change(ails, State::Alive, Event::Refuted(ails));
    let expected = [
        Event::Joined(stays),
        Event::Joined(ails),
        suspected(ails, None),
        Event::Connected,
        Event::Refuted(ails),
    ];
    assert_eq!(read_all(&mut events), expected);
}

#[test]
fn who_listens_to_a_defunct_agent_is_told_so() {
    let fixture = Fixture::new();
    fixture.publish(Vec::new(), &[Event::Defunct]);
    assert_eq!(read_all(&mut fixture.events()), [Event::Defunct]);
}

#[test]
fn a_slow_reader_gets_the_final_state_of_each_member() {
    let fixture = Fixture::new();
    let mut events = fixture.events();
    let [stays, goes, flaps] = [node("stays", 0), node("goes", 0), node("flaps", 0)];
    fixture.up(goes);
    assert_eq!(read_all(&mut events).len(), 1);

    fixture.fill();
    fixture.down(goes);
    fixture.up(stays);
    for _ in 0..10 * EVENTS_MAX {
        fixture.up(flaps);
        fixture.change(flaps, State::Suspect, suspected(flaps, Some(stays)));
    }
    fixture.publish(Vec::new(), &[Event::Alone]);
    let expected = [
        Event::Failed(goes),
        Event::Joined(stays),
        Event::Joined(flaps),
        suspected(flaps, None),
        Event::Alone,
    ];
    check_missed(&mut events, &expected);
    assert!(fixture.shared.stats().events_coalesced > 20 * EVENTS_MAX as u64);

    fixture.up(goes);
    assert_eq!(read_all(&mut events), [Event::Joined(goes)]);
}

#[test]
fn a_slow_reader_learns_of_members_that_were_forgotten_and_renamed() {
    let fixture = Fixture::new();
    let mut events = fixture.events();
    let [lost, back] = [node("lost", 0), node("back", 0)];
    let [old, new] = [node("renamed", 0), node("renamed", 1)];
    [lost, back, old].into_iter().for_each(|id| fixture.up(id));
    read_all(&mut events);

    fixture.fill();
    fixture.down(lost);
    fixture.down(back);
    fixture.forget(back);
    fixture.forget(lost);
    fixture.up(back);
    let renamed = Event::Renamed {
        before: old,
        after: new,
    };
    fixture.change(new, State::Alive, renamed.clone());
    // `back` took the place of `lost`.
    let expected = [
        Event::Failed(lost),
        Event::Failed(back),
        Event::Joined(back),
        renamed,
    ];
    check_missed(&mut events, &expected);
}

#[test]
fn a_reader_too_many_is_told_nothing_until_another_one_goes() {
    let fixture = Fixture::new();
    fixture.up(node("a", 0));
    let mut three = [(); 3].map(|()| fixture.events());
    let mut fourth = fixture.events();
    assert_eq!(fourth.next().now_or_never(), Some(None));
    let stats = fixture.shared.stats();
    assert_eq!((stats.readers, stats.readers_refused), (3, 1));
    drop(fourth);
    assert_eq!(read_all(&mut three[2]).len(), 2);
    drop(three);
    assert_eq!(read_all(&mut fixture.events()).len(), 2);
}

#[test]
fn after_the_end_there_is_stopped_and_nothing_more() {
    let fixture = Fixture::new();
    let mut events = fixture.events();
    fixture.up(node("a", 0));
    fixture.shared.stop();
    assert_eq!(
        read_all(&mut events),
        [Event::Joined(node("a", 0)), Event::Stopped]
    );
    assert_eq!(events.next().now_or_never(), Some(None));
    assert_eq!(
        fixture.events().next().now_or_never(),
        Some(Some(Event::Stopped))
    );
}
