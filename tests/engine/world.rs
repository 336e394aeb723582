//! Many engines on one virtual clock and a network that can lose, delay and cut.

use core::time::Duration;
use std::collections::HashSet;

use selkie::{
    Config, Engine, Notice, Notification, OwnedNotification, Runtime, State, Timer, TimerQueue,
};

use crate::{
    codec::{Packet, Peer, PlainCodec, peer},
    solo::Versions,
};

pub const SECOND: Duration = Duration::from_secs(1);

enum Event {
    Arrives {
        to: u16,
        data: Vec<u8>,
    },
    Fires {
        at: u16,
        start: u32,
        timer: Timer<Peer>,
    },
}

pub struct Site {
    pub engine: Engine<Peer, PlainCodec, Versions>,
    pub is_up: bool,
    pub notices: Vec<(Duration, OwnedNotification<Peer>)>,
    start: u32,
}

pub struct World {
    pub now: Duration,
    pub sites: Vec<Site>,
    /// The chance of losing a datagram.
    pub loss: f64,
    pub latency: Duration,
    /// Every datagram sent.
    pub trace: Vec<(Duration, Peer, Packet)>,
    cuts: HashSet<(u16, u16)>,
    events: TimerQueue<Event>,
    rng: fastrand::Rng,
    config: Config,
}

/// What a site's engine puts out during one input.
#[derive(Default)]
pub struct Outbox {
    sent: Vec<(Peer, Vec<u8>)>,
    timers: Vec<(Timer<Peer>, Duration)>,
    notices: Vec<OwnedNotification<Peer>>,
}

impl Runtime<Peer> for Outbox {
    fn notify(&mut self, notification: Notification<'_, Peer>) {
        self.notices.push(notification.to_owned());
    }

    fn send_to(&mut self, to: &Peer, data: &[u8]) {
        self.sent.push((*to, data.to_vec()));
    }

    fn submit_after(&mut self, timer: Timer<Peer>, after: Duration) {
        self.timers.push((timer, after));
    }
}

impl World {
    /// Sites 1 to `count`, started, that know nobody.
    pub fn new(count: u16, config: Config, seed: u64) -> Self {
        let mut world = Self {
            now: Duration::ZERO,
            sites: Vec::new(),
            loss: 0.0,
            latency: Duration::from_millis(5),
            trace: Vec::new(),
            cuts: HashSet::new(),
            events: TimerQueue::new(),
            rng: fastrand::Rng::with_seed(seed),
            config,
        };
        for addr in 1..=count {
            let site = Site {
                engine: world.engine(peer(addr)),
                is_up: true,
                notices: Vec::new(),
                start: 0,
            };
            world.sites.push(site);
            world.input(addr, |engine, out| engine.start(out));
        }
        world
    }

    /// Sites that all announced themselves to the first, and know each other.
    #[track_caller]
    pub fn joined(count: u16, config: Config, seed: u64) -> Self {
        let mut world = Self::new(count, config, seed);
        for addr in 2..=count {
            world.announces(addr, 1);
        }
        let together = world.run_until(60 * SECOND, |world| world.all_see_all());
        assert!(together.is_some(), "seed {seed}: no cluster after a minute");
        world
    }

    fn engine(&mut self, id: Peer) -> Engine<Peer, PlainCodec, Versions> {
        let seed = self.rng.u64(..);
        let config = self.config.clone();
        Engine::with_broadcasts(id, config, seed, PlainCodec, Versions::default()).unwrap()
    }

    pub fn site(&self, addr: u16) -> &Site {
        &self.sites[usize::from(addr) - 1]
    }

    /// Gives a site's engine an input.
    pub fn input<T>(
        &mut self,
        addr: u16,
        act: impl FnOnce(&mut Engine<Peer, PlainCodec, Versions>, &mut Outbox) -> T,
    ) -> T {
        let mut out = Outbox::default();
        let site = &mut self.sites[usize::from(addr) - 1];
        let outcome = act(&mut site.engine, &mut out);
        let src = *site.engine.identity();
        site.notices
            .extend(out.notices.into_iter().map(|notice| (self.now, notice)));
        for (timer, after) in out.timers {
            self.events.push(
                self.now + after,
                Event::Fires {
                    at: addr,
                    start: site.start,
                    timer,
                },
            );
        }
        for (to, data) in out.sent {
            assert!(data.len() <= self.config.max_packet_size);
            self.trace.push((self.now, to, Packet::decode(&data)));
            let lost = self.rng.f64() < self.loss || self.cuts.contains(&(src.addr, to.addr));
            if !lost {
                self.events.push(
                    self.now + self.latency,
                    Event::Arrives { to: to.addr, data },
                );
            }
        }
        outcome
    }

    pub fn announces(&mut self, addr: u16, to: u16) {
        let dst = *self.site(to).engine.identity();
        self.input(addr, |engine, out| engine.announce(dst, out))
            .unwrap();
    }

    /// Takes a site off the network without a word.
    pub fn kill(&mut self, addr: u16) {
        self.sites[usize::from(addr) - 1].is_up = false;
    }

    /// Starts a site afresh, under this identity.
    pub fn restart(&mut self, id: Peer) {
        let engine = self.engine(id);
        let site = &mut self.sites[usize::from(id.addr) - 1];
        site.engine = engine;
        site.is_up = true;
        site.start += 1;
        self.input(id.addr, |engine, out| engine.start(out));
    }

    /// Loses everything between two sides, both ways.
    pub fn cut(&mut self, side: impl IntoIterator<Item = u16>, other: &[u16]) {
        for a in side {
            for &b in other {
                self.cuts.insert((a, b));
                self.cuts.insert((b, a));
            }
        }
    }

    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until something holds; how long that took.
    pub fn run_until(
        &mut self,
        at_most: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> Option<Duration> {
        let (start, end) = (self.now, self.now + at_most);
        while !holds(self) {
            if !self.step(end) {
                return None;
            }
        }
        Some(self.now - start)
    }

    fn step(&mut self, end: Duration) -> bool {
        let Some(next) = self.events.next_deadline().filter(|&at| at <= end) else {
            return false;
        };
        self.now = next;
        match self.events.pop_due(next) {
            Some(Event::Arrives { to, data }) => {
                let is_here = to != 0 && usize::from(to) <= self.sites.len();
                if is_here && self.site(to).is_up {
                    let _ = self.input(to, |engine, out| engine.handle_data(&data, out));
                }
            }
            Some(Event::Fires { at, start, timer }) => {
                let is_current = self.site(at).is_up && self.site(at).start == start;
                if is_current {
                    self.input(at, |engine, out| engine.handle_timer(timer, out));
                }
            }
            None => {}
        }
        true
    }

    /// The addresses of the sites that are up.
    pub fn up(&self) -> Vec<u16> {
        (1..)
            .zip(&self.sites)
            .filter(|(_, site)| site.is_up)
            .map(|(addr, _)| addr)
            .collect()
    }

    /// Whether each site that is up sees exactly the others that are.
    pub fn all_see_all(&self) -> bool {
        let up = self.up();
        up.iter().all(|&at| {
            let mut seen: Vec<u16> = self
                .site(at)
                .engine
                .members()
                .map(|member| member.id.addr)
                .collect();
            seen.push(at);
            seen.sort_unstable();
            seen == up
        })
    }

    /// What a site believes about another.
    pub fn belief(&self, at: u16, about: u16) -> Option<State> {
        self.site(at)
            .engine
            .member(&about)
            .map(|member| member.state)
    }

    /// When a site was first notified of this.
    pub fn notified(&self, at: u16, what: &OwnedNotification<Peer>) -> Option<Duration> {
        self.site(at)
            .notices
            .iter()
            .find(|(_, notice)| notice == what)
            .map(|(when, _)| *when)
    }

    /// When a member heard first that another is suspected.
    pub fn suspected(&self, at: u16, whom: u16) -> Option<Duration> {
        let is_it = |notice: &OwnedNotification<Peer>| matches!(notice, Notice::MemberSuspect { id, .. } if id.addr == whom);
        let mut notices = self.site(at).notices.iter();
        notices
            .find(|(_, notice)| is_it(notice))
            .map(|(when, _)| *when)
    }
}
