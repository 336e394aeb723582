//! What can be read of a simulation at any time.

use core::time::Duration;

use super::{FaultCounts, History, Machine, Simulation, Traffic};

impl<M: Machine> Simulation<M> {
    /// The virtual time since the simulation began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.world.now
    }

    /// What it was made with.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many nodes were added, whatever became of them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.machines.len()
    }

    /// Whether none was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.machines.is_empty()
    }

    /// A node's machine, while it is up.
    #[must_use]
    pub fn machine(&self, node: usize) -> Option<&M> {
        self.machines[node].as_ref()
    }

    /// Who a node is, or was when it was last up.
    #[must_use]
    pub fn identity(&self, node: usize) -> &M::Id {
        let machine = self.machine(node);
        machine.map_or(&self.identities[node], Machine::identity)
    }

    /// What members noticed.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.world.history
    }

    /// What happened, counted.
    #[must_use]
    pub fn faults(&self) -> &FaultCounts {
        &self.world.counts
    }

    /// What all nodes together sent and received.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let mut total = Traffic::default();
        for place in &self.world.places {
            total.add(&place.traffic);
        }
        total
    }

    /// What one node sent and received, in all its lives.
    #[must_use]
    pub fn traffic_of(&self, node: usize) -> &Traffic {
        &self.world.places[node].traffic
    }

    /// A hash of all that was sent, handed over and told so far: two runs with the same one were
    /// the same.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.world.fingerprint.value()
    }

    /// The largest packet that a node sent in this life, under its present settings.
    pub(super) fn largest_sent(&self, node: usize) -> usize {
        self.world.places[node].largest_sent
    }
}
