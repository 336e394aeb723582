//! What waits for those who read events.
//!
//! Up to a bound, events wait for their reader. At the bound the agent stops to queue them, and
//! keeps a [copy](crate::agent::view) of the members as the queue leaves them; when the reader has
//! read the queue, it is told how the members differ from that copy by then. So a reader that
//! sleeps costs nothing, and always learns the state that each member is in.

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::task::Waker;

use super::{Event, Topic};
use crate::{
    Identity, State,
    agent::{Limits, MemberInfo, Members},
};

/// The queues of all readers.
pub(in crate::agent) struct Readers<I> {
    pub(super) queues: BTreeMap<u64, Queue<I>>,
    next: u64,
    /// The most of them.
    most: usize,
    /// The most events that wait for one.
    events_max: usize,
    pub(in crate::agent) coalesced: u64,
    pub(in crate::agent) refused: u64,
}

pub(super) struct Queue<I> {
    pub(super) events: VecDeque<Event<I>>,
    pub(super) missed: Option<Missed<I>>,
    pub(super) waker: Option<Waker>,
}

/// What a reader will be told instead of the events that found its queue full.
pub(super) struct Missed<I> {
    /// The members as the reader knows them, once it has read its queue.
    since: Members<I>,
    /// The last event of each topic.
    others: Vec<(Topic, Event<I>)>,
}

impl<I: Identity> Readers<I> {
    pub(in crate::agent) fn new(limits: &Limits) -> Self {
        Self {
            queues: BTreeMap::new(),
            next: 0,
            most: limits.readers,
            events_max: limits.reader_events.max(1),
            coalesced: 0,
            refused: 0,
        }
    }

    pub(in crate::agent) fn set_limits(&mut self, limits: &Limits) {
        self.most = limits.readers;
        self.events_max = limits.reader_events.max(1);
    }

    pub(in crate::agent) fn len(&self) -> usize {
        self.queues.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.queues.len() >= self.most
    }

    /// Makes room for so many events, or notes that some reader will miss them. `before` copies
    /// the members as they are before those events.
    pub(in crate::agent) fn reserve(
        &mut self,
        events: usize,
        mut before: impl FnMut() -> Members<I>,
    ) {
        for queue in self.queues.values_mut() {
            if queue.missed.is_none() && queue.events.len() + events > self.events_max {
                queue.missed = Some(Missed {
                    since: before(),
                    others: Vec::new(),
                });
            }
        }
    }

    /// Queues what happened. All events of one change are queued, or none: the copy is of a
    /// moment between changes.
    pub(in crate::agent) fn push(&mut self, events: &[Event<I>], wakers: &mut Vec<Waker>) {
        for queue in self.queues.values_mut() {
            if let Some(missed) = &mut queue.missed {
                self.coalesced += events.len() as u64;
                missed.note(events);
            } else {
                queue.events.extend(events.iter().cloned());
            }
            wakers.extend(queue.waker.take());
        }
    }

    /// Everybody who waits.
    pub(in crate::agent) fn take_wakers(&mut self) -> Vec<Waker> {
        let wakers = self.queues.values_mut().filter_map(|q| q.waker.take());
        wakers.collect()
    }

    pub(super) fn add(&mut self) -> u64 {
        let reader = self.next;
        self.next += 1;
        let queue = Queue {
            events: VecDeque::new(),
            missed: None,
            waker: None,
        };
        self.queues.insert(reader, queue);
        reader
    }

    /// Queues what only this reader needs to be told.
    pub(super) fn tell(&mut self, reader: u64, event: Event<I>) {
        if let Some(queue) = self.queues.get_mut(&reader) {
            queue.events.push_back(event);
        }
    }
}

/// What a reader that knows nobody is told of the members.
pub(super) fn introduce<I: Identity>(members: &Members<I>) -> Vec<Event<I>> {
    let mut events = Vec::new();
    for member in members.active() {
        lead(None, member, &mut events);
    }
    if members.num_active() > 0 {
        events.push(Event::Connected);
    }
    events
}

impl<I: Identity> Missed<I> {
    fn note(&mut self, events: &[Event<I>]) {
        for event in events {
            if let Some(topic) = event.topic() {
                self.others.retain(|(noted, _)| *noted != topic);
                self.others.push((topic, event.clone()));
            }
        }
    }

    /// What leads from the members that the reader knows to those that are.
    pub(super) fn into_events(self, members: &Members<I>) -> Vec<Event<I>> {
        let mut gone = Vec::new();
        let mut events = Vec::new();
        members.for_each_change(&self.since, |was, is| {
            let was_same = was.filter(|was| is.is_some_and(|is| is.id.addr() == was.id.addr()));
            if let Some(was) = was
                && was_same.is_none()
                && was.state.is_active()
            {
                gone.push(Event::Failed(was.id.clone()));
            }
            if let Some(is) = is {
                lead(was_same, is, &mut events);
            }
        });
        // Whoever was forgotten and came back is in another place: first it goes, then it comes.
        gone.extend(events);
        gone.extend(self.others.into_iter().map(|(_, event)| event));
        gone
    }
}

/// The events that lead from one belief about a member to another.
fn lead<I: Identity>(was: Option<&MemberInfo<I>>, is: &MemberInfo<I>, events: &mut Vec<Event<I>>) {
    if let Some(was) = was
        && was.id != is.id
    {
        events.push(Event::Renamed {
            before: was.id.clone(),
            after: is.id.clone(),
        });
    }
    let before = was.map_or(State::Down, |was| was.state);
    let id = || is.id.clone();
    if is.state.is_active() && !before.is_active() {
        events.push(Event::Joined(id()));
    }
    match (before, is.state) {
        (State::Suspect, State::Suspect) => {}
        (_, State::Suspect) => events.push(Event::Suspected {
            member: id(),
            by: None,
        }),
        (State::Suspect, State::Alive) => events.push(Event::Refuted(id())),
        (State::Alive | State::Suspect, State::Down) => events.push(Event::Failed(id())),
        // Never known to be up, but known of: it is told, since it is a final state.
        (_, State::Down) if was.is_none() => events.push(Event::Failed(id())),
        (State::Alive | State::Suspect | State::Down, State::Left) => {
            events.push(Event::Left(id()));
        }
        _ => {}
    }
    if is.metadata.is_some() && was.is_none_or(|was| was.metadata != is.metadata) {
        events.push(Event::MetadataChanged(id()));
    }
}
