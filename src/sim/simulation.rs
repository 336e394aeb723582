//! The simulation: nodes, and time that passes.

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, ops::Range, time::Duration};

use fastrand::Rng;
use slab::Slab;

use super::{
    Guard, Happening, Machine, News, Peer, Port, Violation,
    queue::Event,
    world::{Kinds, World},
};
use crate::Identity;

/// Many members on one virtual clock, and a network between them that can do whatever networks do.
///
/// See the [module](super) for what can be done with it. Nodes are numbered in the order in which
/// they are added, from 0; methods that take a number panic when there is no such node (yet).
pub struct Simulation<M: Machine> {
    pub(super) world: World<M::Id, M::Timer>,
    pub(super) machines: Vec<Option<M>>,
    /// Who each node was when last seen.
    pub(super) identities: Vec<M::Id>,
    contacts: Vec<Contact>,
    make: Box<dyn FnMut(M::Id, u64) -> M>,
    pub(super) actions: Slab<Action<M>>,
    pub(super) guards: Vec<Box<dyn Guard<M>>>,
    pub(super) violation: Option<Violation>,
    pub(super) tick: Duration,
    pub(super) seed: u64,
    seeds: Rng,
    /// How many events there were at the present instant.
    pub(super) at_once: u64,
    /// How many actions are under way, each within another.
    pub(super) acting: u32,
}

/// What a scenario does later.
pub(super) type Action<M> = Box<dyn FnOnce(&mut Simulation<M>)>;

/// Whom a node announces itself to, when it knows nobody.
#[derive(Clone, Copy)]
enum Contact {
    Nobody,
    Node(usize),
    Anybody,
}

/// How long a node that joins waits for an answer, before it announces itself again.
const JOIN_EVERY: Duration = Duration::from_secs(1);

/// By default, how often conditions are looked at.
const TICK: Duration = Duration::from_millis(100);

impl<M: Machine> Simulation<M> {
    /// A simulation of machines of any sort: `make` makes one for an identity, from a seed.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// use selkie::{Config, Engine, codecs::PostcardCodec, sim::{Peer, Simulation}};
    ///
    /// // Every other member has settings of its own.
    /// let mut sim = Simulation::of(1, |id: Peer, seed| {
    ///     let is_even = id.addr.ip().octets()[3] % 2 == 0;
    ///     let config = if is_even { Config::lan() } else { Config::local() };
    ///     Engine::new(id, config, seed, PostcardCodec).expect("a valid configuration")
    /// });
    /// sim.add_peers(4);
    /// # }
    /// ```
    #[must_use]
    pub fn of(seed: u64, make: impl FnMut(M::Id, u64) -> M + 'static) -> Self {
        let mut seeds = Rng::with_seed(seed);
        Self {
            world: World::new(seeds.u64(..)),
            machines: Vec::new(),
            identities: Vec::new(),
            contacts: Vec::new(),
            make: Box::new(make),
            actions: Slab::new(),
            guards: Vec::new(),
            violation: None,
            tick: TICK,
            seed,
            seeds,
            at_once: 0,
            acting: 0,
        }
    }

    /// Adds a node with this identity, and starts it. Returns its number.
    ///
    /// Packets reach it by its [address](Identity::addr). A node that was added earlier with the
    /// same address is out of reach from now on.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// let node = sim.add(Peer::numbered(1));
    /// assert_eq!((node, sim.identity(node)), (0, &Peer::numbered(1)));
    /// # }
    /// ```
    pub fn add(&mut self, identity: M::Id) -> usize {
        let node = self.world.add_node(identity.addr());
        self.identities.push(identity.clone());
        self.contacts.push(Contact::Nobody);
        self.machines.push(None);
        self.start(node, identity);
        node
    }

    /// Lets a node announce itself to another, once a second until it knows somebody: what an
    /// agent does with its seeds while it is alone.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// sim.add_peers(2);
    /// sim.set_links(Link::lan().loss(0.5));
    /// sim.join(1, 0);
    /// assert!(sim.run_until(Duration::from_secs(60), Simulation::all_see_all).is_some());
    /// # }
    /// ```
    #[track_caller]
    pub fn join(&mut self, node: usize, at: usize) {
        self.check(node);
        self.check(at);
        self.contacts[node] = Contact::Node(at);
        self.announce(node);
    }

    /// The same, to any other node, a random one each time. Not for nodes that all are new: some
    /// would find each other and be content, and never hear of the rest.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// for node in sim.add_peers(3) {
    ///     sim.join_any(node);
    /// }
    /// assert!(sim.run_until(Duration::from_secs(60), Simulation::all_see_all).is_some());
    /// # }
    /// ```
    #[track_caller]
    pub fn join_any(&mut self, node: usize) {
        self.check(node);
        self.contacts[node] = Contact::Anybody;
        self.announce(node);
    }

    /// Lets all nodes but `at` announce themselves to `at`.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// sim.add_peers(10);
    /// sim.join_all(0);
    /// sim.run_for(Duration::from_secs(10));
    /// assert_eq!(sim.seen_by(7), 9);
    /// # }
    /// ```
    #[track_caller]
    pub fn join_all(&mut self, at: usize) {
        self.check(at);
        for node in (0..self.len()).filter(|&node| node != at) {
            self.join(node, at);
        }
    }

    /// Gives a node's machine an input; `None` when the node is not up.
    ///
    /// For all that has no method here: broadcasts, other settings, another identity.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// use selkie::{Config, codecs::PostcardCodec, sim::Simulation};
    ///
    /// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// sim.add_peers(2);
    /// sim.input(0, |engine, port| engine.set_config(Config::wan(), port));
    /// assert_eq!(sim.machine(0).map(|engine| engine.config()), Some(&Config::wan()));
    /// # }
    /// ```
    #[track_caller]
    pub fn input<R>(
        &mut self,
        node: usize,
        act: impl FnOnce(&mut M, &mut Port<'_, M::Id, M::Timer>) -> R,
    ) -> Option<R> {
        self.check(node);
        let machine = self.machines[node].as_mut()?;
        let packet_size = machine.limits().packet_size;
        let world = &mut self.world;
        let outcome = act(machine, &mut Port { world, node });
        if self.world.node_at(machine.identity()) != Some(node) {
            self.world.route(machine.identity().addr(), node);
        }
        if machine.limits().packet_size != packet_size {
            self.world.places[node].largest_sent = 0;
        }
        Some(outcome)
    }

    /// Lets time pass. Stops early when a [guard](Self::guard) finds something.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.run_for(Duration::from_secs(3600));
    /// assert_eq!(sim.now(), Duration::from_secs(3610));
    /// # }
    /// ```
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now().saturating_add(time);
        self.run(end, None::<fn(&Self) -> bool>);
    }

    /// Lets time pass until something holds, looking [every so often](Self::set_tick), for at
    /// most this long. Returns how long it took.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// use core::time::Duration;
    /// use selkie::{Config, codecs::PostcardCodec, sim::Simulation};
    ///
    /// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// sim.add_peers(10);
    /// sim.join_all(0);
    /// let took = sim.run_until(Duration::from_secs(30), Simulation::all_see_all);
    /// assert!(took.is_some());
    /// # }
    /// ```
    pub fn run_until(
        &mut self,
        at_most: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> Option<Duration> {
        let start = self.now();
        let end = start.saturating_add(at_most);
        let held = holds(self) || self.run(end, Some(holds));
        held.then(|| self.now().saturating_sub(start))
    }

    /// Does something later. What is done may ask for more to be done, and may let time pass
    /// itself: whatever else is due then happens meanwhile, and what it is part of, such as a
    /// [`run_for`](Self::run_for), takes longer if need be. Actions that let time pass within each
    /// other more than 32 deep are a [`Livelock`](super::Rule::Livelock).
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// use core::time::Duration;
    /// use selkie::{Config, codecs::PostcardCodec, sim::Simulation};
    ///
    /// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// sim.add_peers(10);
    /// sim.join_all(0);
    /// sim.after(Duration::from_secs(20), |sim| {
    ///     sim.crash(3);
    /// });
    /// sim.run_for(Duration::from_secs(60));
    /// assert!(!sim.is_live(3));
    /// # }
    /// ```
    pub fn after(&mut self, time: Duration, act: impl FnOnce(&mut Self) + 'static) {
        let place = self.actions.insert(Box::new(act));
        let at = self.now().saturating_add(time);
        self.world.queue.push(at, Event::Acts(place));
    }

    /// Does something again and again, for the first time after `every`, until it says that this
    /// was the last time.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// use core::time::Duration;
    /// use selkie::{Config, codecs::PostcardCodec, sim::{Loss, Simulation}};
    ///
    /// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// sim.add_peers(10);
    /// sim.join_all(0);
    /// // Flip-flop: a node hears nothing for 20 s, then hears for 20 s, and so on.
    /// let mut is_deaf = false;
    /// sim.every(Duration::from_secs(20), move |sim| {
    ///     is_deaf = !is_deaf;
    ///     sim.set_ingress_loss(9, if is_deaf { Loss::from(1.0) } else { Loss::None });
    ///     sim.now() < Duration::from_secs(200)
    /// });
    /// sim.run_for(Duration::from_secs(240));
    /// assert!(sim.faults().lost_at_nodes > 100);
    /// # }
    /// ```
    pub fn every(&mut self, every: Duration, mut act: impl FnMut(&mut Self) -> bool + 'static) {
        self.after(every, move |sim| {
            if act(sim) {
                sim.every(every, act);
            }
        });
    }

    /// How often [`run_until`](Self::run_until) and guards look, 100 ms unless said: what they
    /// measure is as exact as that. It changes nothing in the run itself.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.set_tick(Duration::from_millis(1));
    /// sim.crash(2);
    /// let noticed = sim.run_until(Duration::from_secs(60), |sim| sim.seen_by(2) < 4);
    /// println!("{noticed:?}, to the millisecond");
    /// # }
    /// ```
    pub fn set_tick(&mut self, tick: Duration) {
        self.tick = tick.max(Duration::from_nanos(1));
    }

    /// How many packets wait at a node that is paused, frozen or slow, either way; the rest are
    /// lost. 65,536 unless said.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.set_inbox_max(2);
    /// sim.pause_for(1, Duration::from_secs(60));
    /// sim.run_for(Duration::from_secs(30));
    /// assert!(sim.faults().overflowed > 0);
    /// # }
    /// ```
    pub fn set_inbox_max(&mut self, packets: usize) {
        self.world.inbox_max = packets;
    }

    /// Which news the [history](Self::history) keeps, from now on.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.record([News::Up, News::Renamed]);
    /// sim.restart(3);
    /// sim.run_for(Duration::from_secs(10));
    /// assert!(sim.history().all().iter().any(|seen| seen.news() == News::Renamed));
    /// # }
    /// ```
    pub fn record(&mut self, news: impl IntoIterator<Item = News>) {
        self.world.recorded = news.into_iter().collect();
    }

    /// Forgets the history so far, for long runs.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.clear_history();
    /// assert!(sim.history().all().is_empty());
    /// # }
    /// ```
    pub fn clear_history(&mut self) {
        self.world.history.clear();
    }

    /// Tells somebody of all that goes on.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// use core::time::Duration;
    /// use selkie::{Config, codecs::PostcardCodec, sim::Simulation};
    ///
    /// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// sim.watch(|at, happening| println!("{at:?} {happening}"));
    /// sim.add_peers(2);
    /// sim.join(1, 0);
    /// sim.run_for(Duration::from_secs(1));
    /// # }
    /// ```
    pub fn watch(&mut self, watcher: impl FnMut(Duration, &Happening<'_, M::Id>) + 'static) {
        self.world.watcher = Some(Box::new(watcher));
    }

    pub(super) fn set_kinds(&mut self, kinds: Kinds) {
        self.world.kinds = kinds;
    }

    /// Starts a machine at a node that has none.
    pub(super) fn start(&mut self, node: usize, identity: M::Id) {
        let seed = self.seeds.u64(..);
        self.machines[node] = Some((self.make)(identity, seed));
        self.input(node, |machine, port| machine.start(port));
    }

    /// Lets a node find the others, if it knows how.
    pub(super) fn announce(&mut self, node: usize) {
        let contact = match self.contacts[node] {
            Contact::Nobody => return,
            Contact::Node(contact) => contact,
            Contact::Anybody => {
                let drawn = self.world.draw(self.len().saturating_sub(1).max(1));
                drawn + usize::from(drawn >= node)
            }
        };
        let life = self.world.places[node].life;
        let at = self.now().saturating_add(JOIN_EVERY);
        self.world.queue.push(at, Event::Joins { node, life });
        if contact != node && contact < self.len() {
            let to = self.identity(contact).clone();
            self.input(node, |machine, port| machine.announce(to, port));
        }
    }
}

impl<M: Machine<Id = Peer>> Simulation<M> {
    /// Adds so many nodes, each a [`Peer`] numbered from 1. Returns their numbers as nodes.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// assert_eq!(sim.add_peers(3), 0..3);
    /// assert_eq!(sim.identity(2), &Peer::numbered(3));
    /// # }
    /// ```
    pub fn add_peers(&mut self, count: usize) -> Range<usize> {
        let first = self.len();
        for node in first..first + count {
            self.add(Peer::numbered(node + 1));
        }
        first..first + count
    }
}

impl<M: Machine> fmt::Debug for Simulation<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("seed", &self.seed)
            .field("now", &self.now())
            .field("nodes", &self.len())
            .finish_non_exhaustive()
    }
}
