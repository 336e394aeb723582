//! The network and what it knows of the nodes: all but the machines.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use fastrand::Rng;
use hashbrown::HashMap;

use super::{
    Fate, FaultCounts, Happening, Hasher, History, News,
    engine::news,
    fingerprint::Fingerprint,
    network::{Carried, Network},
    pace::Pace,
    place::Place,
    queue::{Alarm, Event, Parcel, Queue},
};
use crate::{Identity, Notification};

pub(super) struct World<I: Identity, T> {
    pub(super) now: Duration,
    pub(super) queue: Queue<T>,
    pub(super) places: Vec<Place<T>>,
    pub(super) network: Network,
    pub(super) counts: FaultCounts,
    pub(super) history: History,
    /// The kinds of news that are recorded.
    pub(super) recorded: Vec<News>,
    pub(super) wrong: WrongNews,
    pub(super) watcher: Option<Watcher<I>>,
    pub(super) kinds: Kinds,
    /// The most packets that wait at a node.
    pub(super) inbox_max: usize,
    pub(super) fingerprint: Fingerprint,
    /// Those that guards asked for.
    pub(super) paces: Vec<Pace>,
    rng: Rng,
    /// Which node has which address.
    routes: HashMap<I::Addr, usize, Hasher>,
    /// Packets that arrived, to be used again.
    pool: Vec<Vec<u8>>,
}

/// What members believed wrongly of live ones: how often, and who of whom the last time.
#[derive(Clone, Copy, Default)]
pub(super) struct WrongNews {
    pub(super) suspicions: (u64, (usize, usize)),
    pub(super) declarations: (u64, (usize, usize)),
}

/// Who watches.
pub(super) type Watcher<I> = Box<dyn FnMut(Duration, &Happening<'_, I>)>;

/// Says what kind of message a packet is.
pub(super) type Kinds = Box<dyn FnMut(&[u8]) -> &'static str>;

/// How many packets are kept to be used again.
const POOL_MAX: usize = 4096;

/// By default, the most packets that wait at a node.
const INBOX_MAX: usize = 65_536;

impl<I: Identity, T> World<I, T> {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            now: Duration::ZERO,
            queue: Queue::new(),
            places: Vec::new(),
            network: Network::new(),
            counts: FaultCounts::default(),
            history: History::default(),
            recorded: [News::Suspected, News::Refuted, News::Down, News::Left].into(),
            wrong: WrongNews::default(),
            watcher: None,
            kinds: Box::new(|_| "packet"),
            inbox_max: INBOX_MAX,
            fingerprint: Fingerprint::new(),
            paces: Vec::new(),
            rng: Rng::with_seed(seed),
            routes: HashMap::default(),
            pool: Vec::new(),
        }
    }

    pub(super) fn add_node(&mut self, addr: I::Addr) -> usize {
        let node = self.places.len();
        self.places.push(Place::new());
        self.network.add_node();
        self.route(addr, node);
        node
    }

    /// Packets to this address go to that node from now on.
    pub(super) fn route(&mut self, addr: I::Addr, node: usize) {
        self.routes.insert(addr, node);
    }

    pub(super) fn node_at(&self, id: &I) -> Option<usize> {
        self.routes.get(&id.addr()).copied()
    }

    /// A random number below `count`.
    pub(super) fn draw(&mut self, count: usize) -> usize {
        self.rng.usize(..count)
    }

    pub(super) fn is_troubled(&self, node: usize) -> bool {
        self.places[node].is_troubled(self.now) || self.network.loses_at(node)
    }

    /// A node sends a packet.
    pub(super) fn send(&mut self, from: usize, to: &I, kind: &'static str, data: &[u8]) {
        let target = self.node_at(to);
        self.counts.sent += 1;
        let place = &mut self.places[from];
        place.traffic.count_sent(kind, data.len());
        place.largest_sent = place.largest_sent.max(data.len());
        for pace in &mut self.paces {
            pace.count(from, self.now);
        }
        self.stamp(from, data.len() as u64);
        self.fingerprint.bytes(data);
        let to = target;
        self.watched(|| Happening::Sent {
            from,
            to,
            kind,
            data,
        });
        let Some(to) = target else {
            self.counts.to_nobody += 1;
            return self.lost((from, None), kind, Fate::Nobody);
        };
        if self.places[from].is_held() {
            let data = self.pooled(data);
            let parcel = Parcel {
                from,
                to,
                kind,
                data,
            };
            return self.hold_out(parcel);
        }
        self.transmit((from, to), kind, data);
    }

    /// A packet goes onto the network.
    fn transmit(&mut self, (from, to): (usize, usize), kind: &'static str, data: &[u8]) {
        let Self {
            network,
            rng,
            counts,
            ..
        } = self;
        match network.carry((from, to), data.len(), self.now, rng, counts) {
            Carried::Lost(fate) => self.lost((from, Some(to)), kind, fate),
            Carried::Arrives(times) => {
                for time in times {
                    let data = self.pooled(data);
                    let parcel = Parcel {
                        from,
                        to,
                        kind,
                        data,
                    };
                    let at = self.now.saturating_add(time);
                    self.queue.push(at, Event::Arrives(parcel));
                }
            }
        }
    }

    fn hold_out(&mut self, parcel: Parcel) {
        let place = &mut self.places[parcel.from];
        if place.held_out.len() < self.inbox_max {
            place.held_out.push_back(parcel);
            self.counts.held_out += 1;
        } else {
            self.overflow(parcel);
        }
    }

    /// What a node could not send goes onto the network.
    pub(super) fn release_out(&mut self, node: usize) {
        for parcel in core::mem::take(&mut self.places[node].held_out) {
            self.transmit((parcel.from, parcel.to), parcel.kind, &parcel.data);
            self.recycle(parcel.data);
        }
    }

    /// A packet has come to its node. Hands it back if the node takes it in now.
    pub(super) fn arrive(&mut self, parcel: Parcel) -> Option<Parcel> {
        let place = &mut self.places[parcel.to];
        if !place.is_up {
            self.drop_at_down(parcel);
            return None;
        }
        if place.is_held() {
            self.hold_in(parcel);
            return None;
        }
        let Some(processing) = place.processing else {
            return Some(parcel);
        };
        if place.waiting >= self.inbox_max {
            self.overflow(parcel);
            return None;
        }
        place.waiting += 1;
        place.busy_until = place.busy_until.max(self.now) + processing.sample(&mut self.rng);
        self.counts.slowed += 1;
        let (at, life) = (place.busy_until, place.life);
        self.queue.push(at, Event::Processed { parcel, life });
        None
    }

    /// A slow node has come to a packet. Hands it back if the node still can take it in.
    pub(super) fn processed(&mut self, parcel: Parcel, life: u32) -> Option<Parcel> {
        let place = &mut self.places[parcel.to];
        if !place.is_up || place.life != life {
            self.drop_at_down(parcel);
            return None;
        }
        place.waiting = place.waiting.saturating_sub(1);
        if place.is_held() {
            self.hold_in(parcel);
            None
        } else {
            Some(parcel)
        }
    }

    fn drop_at_down(&mut self, parcel: Parcel) {
        self.counts.to_down += 1;
        self.lost((parcel.from, Some(parcel.to)), parcel.kind, Fate::Down);
        self.recycle(parcel.data);
    }

    fn hold_in(&mut self, parcel: Parcel) {
        let place = &mut self.places[parcel.to];
        if place.held_in.len() < self.inbox_max {
            place.held_in.push_back(parcel);
            self.counts.held_in += 1;
        } else {
            self.overflow(parcel);
        }
    }

    fn overflow(&mut self, parcel: Parcel) {
        self.counts.overflowed += 1;
        self.lost((parcel.from, Some(parcel.to)), parcel.kind, Fate::Overflow);
        self.recycle(parcel.data);
    }

    /// Counts a packet that is handed to its node's machine.
    pub(super) fn deliver(&mut self, parcel: &Parcel) {
        let &Parcel {
            from,
            to,
            kind,
            ref data,
        } = parcel;
        self.counts.delivered += 1;
        let traffic = &mut self.places[to].traffic;
        traffic.count_received(kind, data.len());
        self.stamp(to, from as u64);
        self.watched(|| Happening::Received {
            from,
            to,
            kind,
            data,
        });
    }

    pub(super) fn set_timer(&mut self, node: usize, after: Duration, timer: T) {
        let place = &self.places[node];
        let alarm = Alarm {
            node,
            life: place.life,
            stalled: place.stalled,
            timer,
        };
        let at = place.due(self.now, after);
        self.queue.push(at, Event::Due(alarm));
    }

    /// A timer is due on the clock of the simulation. Hands it back if it is on its node's, and
    /// the node is there.
    pub(super) fn due(&mut self, mut alarm: Alarm<T>) -> Option<Alarm<T>> {
        let place = &mut self.places[alarm.node];
        if !place.is_up || place.life != alarm.life {
            return None;
        }
        let late = place.stalled.saturating_sub(alarm.stalled);
        if !late.is_zero() {
            self.counts.timers_late += 1;
            alarm.stalled = place.stalled;
            self.queue.push(self.now + late, Event::Due(alarm));
            return None;
        }
        if place.freezes.are_any() {
            self.counts.timers_late += 1;
            place.held_timers.push_back(alarm);
            return None;
        }
        self.stamp(alarm.node, alarm.life.into());
        Some(alarm)
    }

    /// A node's machine tells its user something.
    pub(super) fn tell(&mut self, node: usize, notice: Notification<'_, I>) {
        let (news, about) = news(&notice);
        self.stamp(node, news as u64);
        self.count_wrong(node, news, about);
        if self.watcher.is_none() && !self.recorded.contains(&news) {
            return;
        }
        let subject = about.and_then(|id| self.node_at(id));
        if self.recorded.contains(&news) {
            let of = subject.unwrap_or(node);
            let is_live = self.places[of].is_live();
            let observer = (node, self.is_troubled(node));
            let subject = (of, self.is_troubled(of), is_live);
            self.history.push((self.now, news), observer, subject);
        }
        self.watched(|| Happening::Notified {
            node,
            subject,
            notice,
        });
    }

    fn count_wrong(&mut self, node: usize, news: News, about: Option<&I>) {
        let count = match news {
            News::Suspected => &mut self.wrong.suspicions,
            News::Down => &mut self.wrong.declarations,
            _ => return,
        };
        let subject = about.and_then(|id| self.routes.get(&id.addr()));
        if let Some(&subject) = subject.filter(|&&subject| self.places[subject].is_live()) {
            *count = (count.0 + 1, (node, subject));
        }
    }

    /// Something is done to a node, or to the network.
    pub(super) fn done(&mut self, node: Option<usize>, what: &'static str) {
        self.stamp(node.unwrap_or(usize::MAX), what.len() as u64);
        self.watched(|| Happening::Done { node, what });
    }

    /// Keeps a packet's memory for another.
    pub(super) fn recycle(&mut self, mut data: Vec<u8>) {
        if self.pool.len() < POOL_MAX {
            data.clear();
            self.pool.push(data);
        }
    }

    fn pooled(&mut self, data: &[u8]) -> Vec<u8> {
        let mut copy = self.pool.pop().unwrap_or_default();
        copy.extend_from_slice(data);
        copy
    }

    fn lost(&mut self, (from, to): (usize, Option<usize>), kind: &'static str, fate: Fate) {
        self.watched(|| Happening::Lost {
            from,
            to,
            kind,
            fate,
        });
    }

    fn watched<'h>(&mut self, happening: impl FnOnce() -> Happening<'h, I>)
    where
        I: 'h,
    {
        if let Some(watcher) = &mut self.watcher {
            watcher(self.now, &happening());
        }
    }

    fn stamp(&mut self, node: usize, number: u64) {
        self.fingerprint.number(self.now.as_nanos() as u64);
        self.fingerprint.number(node as u64);
        self.fingerprint.number(number);
    }
}
