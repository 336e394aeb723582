//! Engines of several kinds on one virtual clock and a network that loses and cuts.

use std::{collections::HashSet, time::Duration};

use fastrand::Rng;
use selkie::{Member, Message, State, TimerQueue};

use crate::{
    peer::{Peer, peer},
    site::{Kind, Notice, Outbox, Pace, Site, Timer},
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// The seed to build worlds from: the same each time, unless the environment gives another.
pub(crate) fn seed() -> u64 {
    std::env::var("SEED").map_or(1, |seed| seed.parse().expect("SEED is a number"))
}

pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) places: Vec<Place>,
    /// The chance of losing a datagram.
    pub(crate) loss: f64,
    /// How often somebody was told that it is down.
    pub(crate) verdicts: usize,
    seed: u64,
    pace: Pace,
    cut_off: HashSet<usize>,
    events: TimerQueue<Event>,
    rng: Rng,
}

/// Where an engine runs, or one after the other.
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) site: Box<dyn Site>,
    pub(crate) is_up: bool,
    pub(crate) notices: Vec<Notice>,
    lives: u32,
}

enum Event {
    Arrives { to: Peer, data: Vec<u8> },
    Fires { at: usize, life: u32, timer: Timer },
}

impl World {
    /// Engines that know nobody.
    pub(crate) fn new(kinds: &[Kind], pace: Pace, seed: u64) -> Self {
        let mut world = Self {
            now: Duration::ZERO,
            places: Vec::new(),
            loss: 0.05,
            verdicts: 0,
            seed,
            pace,
            cut_off: HashSet::new(),
            events: TimerQueue::new(),
            rng: Rng::with_seed(seed),
        };
        for (number, &kind) in (0..).zip(kinds) {
            let site = kind.site(peer(number), pace, world.rng.u64(..));
            world.places.push(Place {
                kind,
                site,
                is_up: true,
                notices: Vec::new(),
                lives: 0,
            });
            world.input(usize::from(number), |site, out| site.start(out));
        }
        world
    }

    /// Engines that joined at the one at `seed_at`, and see each other.
    #[track_caller]
    pub(crate) fn joined(kinds: &[Kind], pace: Pace, seed: u64, seed_at: usize) -> Self {
        let mut world = Self::new(kinds, pace, seed);
        for at in 0..kinds.len() {
            if at != seed_at {
                world.joins(at, seed_at);
            }
        }
        world.wait("all see all", Self::all_see_all);
        world
    }

    pub(crate) fn site(&self, at: usize) -> &dyn Site {
        &*self.places[at].site
    }

    /// Announces until it is heard.
    #[track_caller]
    pub(crate) fn joins(&mut self, at: usize, via: usize) {
        let to = self.site(via).identity();
        for _ in 0..10 {
            self.input(at, |site, out| site.announce(to, out));
            if self.runs_until(SECOND, |world| !world.site(at).active().is_empty()) {
                return;
            }
        }
        panic!("SEED={}: {at} does not get in", self.seed);
    }

    /// Gives an engine an input, and carries out what it puts out.
    pub(crate) fn input<T>(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut dyn Site, &mut Outbox) -> T,
    ) -> T {
        let mut out = Outbox::default();
        let place = &mut self.places[at];
        let outcome = act(&mut *place.site, &mut out);
        place.notices.extend(out.notices);
        for (timer, after) in out.timers {
            let life = place.lives;
            let fires = Event::Fires { at, life, timer };
            self.events.push(self.now + after, fires);
        }
        for (to, data) in out.sent {
            self.verdicts += usize::from(place.kind.header(&data).message == Message::TurnUndead);
            let lost = self.rng.f64() < self.loss || self.cut_off.contains(&at);
            let latency = Duration::from_micros(self.rng.u64(1_000..20_000));
            if !lost {
                self.events
                    .push(self.now + latency, Event::Arrives { to, data });
            }
        }
        outcome
    }

    /// Stops an engine without a word.
    pub(crate) fn kill(&mut self, at: usize) {
        self.places[at].is_up = false;
    }

    /// Starts an engine where one was killed, under the next identity.
    pub(crate) fn restart(&mut self, at: usize) {
        let id = self.site(at).identity().next();
        let seed = self.rng.u64(..);
        let place = &mut self.places[at];
        place.site = place.kind.site(id, self.pace, seed);
        place.is_up = true;
        place.lives += 1;
        self.input(at, |site, out| site.start(out));
    }

    /// Loses everything to and from a place.
    pub(crate) fn cut_off(&mut self, at: usize) {
        self.cut_off.insert(at);
    }

    pub(crate) fn heal(&mut self) {
        self.cut_off.clear();
    }

    pub(crate) fn runs_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Whether it holds, at some moment of that time.
    pub(crate) fn runs_until(&mut self, at_most: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + at_most;
        while !holds(self) {
            if !self.step(end) {
                self.now = end;
                return false;
            }
        }
        true
    }

    fn arrives(&mut self, to: Peer, data: &[u8]) {
        let at = usize::from(to.addr.port() - peer(0).addr.port());
        if self.places[at].is_up && !self.cut_off.contains(&at) {
            self.input(at, |site, out| site.handle_data(data, out));
        }
    }

    fn fires(&mut self, at: usize, life: u32, timer: Timer) {
        let place = &self.places[at];
        if place.is_up && place.lives == life {
            self.input(at, |site, out| site.handle_timer(timer, out));
        }
    }

    /// Runs until it holds.
    #[track_caller]
    pub(crate) fn wait(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        if self.runs_until(180 * SECOND, holds) {
            return;
        }
        let views: Vec<_> = (0..self.places.len())
            .map(|at| {
                (
                    at,
                    self.places[at].kind,
                    self.site(at).identity(),
                    self.site(at).members(),
                )
            })
            .collect();
        panic!(
            "SEED={}: not in three minutes: {what}; {views:#?}",
            self.seed
        );
    }

    fn step(&mut self, end: Duration) -> bool {
        let Some(next) = self.events.next_deadline().filter(|&at| at <= end) else {
            return false;
        };
        self.now = next;
        match self.events.pop_due(next) {
            Some(Event::Arrives { to, data }) => self.arrives(to, &data),
            Some(Event::Fires { at, life, timer }) => self.fires(at, life, timer),
            None => {}
        }
        true
    }

    /// The places where an engine is up.
    pub(crate) fn up(&self) -> impl Iterator<Item = usize> {
        (0..self.places.len()).filter(|&at| self.places[at].is_up)
    }

    /// Whether each engine that is up sees exactly the others that are, as who they are now.
    pub(crate) fn all_see_all(&self) -> bool {
        let everybody: Vec<Peer> = self.up().map(|at| self.site(at).identity()).collect();
        self.up().all(|at| {
            let mut others = everybody.clone();
            others.retain(|other| *other != self.site(at).identity());
            others.sort_unstable();
            self.site(at).active() == others
        })
    }

    /// What is believed at a place about the member of a place, whichever its identity.
    pub(crate) fn belief(&self, at: usize, about: usize) -> Option<Member<Peer>> {
        let addr = self.site(about).identity().addr;
        let known = self.site(at).members();
        known.into_iter().find(|member| member.id.addr == addr)
    }

    /// Whether all the others hold the member of a place down.
    pub(crate) fn is_down_to_all(&self, about: usize) -> bool {
        self.up().filter(|&at| at != about).all(|at| {
            self.belief(at, about)
                .is_some_and(|member| member.state == State::Down)
        })
    }
}
