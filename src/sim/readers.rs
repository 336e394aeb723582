//! What can be read of a simulation at any time.

use core::time::Duration;

use super::{FaultCounts, History, Machine, Simulation, Traffic};

impl<M: Machine> Simulation<M> {
    /// The virtual time since the simulation began.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// assert_eq!(sim.now(), Duration::from_secs(10));
    /// # }
    /// ```
    #[must_use]
    pub fn now(&self) -> Duration {
        self.world.now
    }

    /// What it was made with.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// assert_eq!(sim.seed(), 1);
    /// # }
    /// ```
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many nodes were added, whatever became of them.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.crash(3);
    /// assert_eq!((sim.len(), sim.live().count()), (5, 4));
    /// # }
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.machines.len()
    }

    /// Whether none was added.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// assert!(!sim.is_empty());
    /// # }
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.machines.is_empty()
    }

    /// A node's machine, while it is up.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// let engine = sim.machine(2).expect("it is up");
    /// assert_eq!(engine.num_members(), 4);
    /// assert_eq!(engine.counters().refutations, 0);
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn machine(&self, node: usize) -> Option<&M> {
        self.check(node);
        self.machines[node].as_ref()
    }

    /// Who a node is, or was when it was last up.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.restart(2);
    /// assert_eq!(sim.identity(2).life, 1);
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn identity(&self, node: usize) -> &M::Id {
        self.check(node);
        let machine = self.machine(node);
        machine.map_or(&self.identities[node], Machine::identity)
    }

    /// What members noticed.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// assert!(sim.history().all().is_empty(), "nobody was suspected");
    /// # }
    /// ```
    #[must_use]
    pub fn history(&self) -> &History {
        &self.world.history
    }

    /// What happened, counted.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// assert_eq!(sim.faults().lost, 0);
    /// for (name, count) in sim.faults().iter() {
    ///     println!("{name}: {count}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn faults(&self) -> &FaultCounts {
        &self.world.counts
    }

    /// What all nodes together sent and received.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// for (kind, sent, received) in sim.traffic().kinds() {
    ///     println!("{kind}: {} of {} arrived", received.packets, sent.packets);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let mut total = Traffic::default();
        for place in &self.world.places {
            total.add(&place.traffic);
        }
        total
    }

    /// What one node sent and received, in all its lives.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// assert!(sim.traffic_of(0).sent_of("feed").packets >= 4);
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn traffic_of(&self, node: usize) -> &Traffic {
        self.check(node);
        &self.world.places[node].traffic
    }

    /// A hash of all that was sent, handed over and told so far: two runs with the same one were
    /// the same.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// let before = sim.trace_hash();
    /// sim.run_for(Duration::from_secs(10));
    /// assert_ne!(sim.trace_hash(), before);
    /// # }
    /// ```
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.world.fingerprint.value()
    }

    /// Every method that takes a node's number begins with this.
    ///
    /// # Panics
    ///
    /// When there is no such node.
    #[track_caller]
    pub(super) fn check(&self, node: usize) {
        let nodes = self.len();
        assert!(node < nodes, "there is no node {node}, of {nodes}");
    }

    /// In which of its lives a node is.
    pub(super) fn life(&self, node: usize) -> u32 {
        self.world.places[node].life
    }

    /// The largest packet that a node sent in this life, under its present settings.
    pub(super) fn largest_sent(&self, node: usize) -> usize {
        self.world.places[node].largest_sent
    }
}
