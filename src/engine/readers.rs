//! What can be read of an engine at any time.

use alloc::vec::Vec;
use core::fmt;

use super::Engine;
use crate::{BroadcastHandler, Config, Counters, Identity, Incarnation, Member, Traffic};

/// Who probes whom, as one engine knows it: see [`Engine::probing`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probing<I> {
    /// The member that is probed in this period. None before the first one, and where nobody else
    /// is active.
    pub target: Option<I>,
    /// Whether that answered, itself or through others.
    pub is_answered: bool,
    /// Whom we asked to probe it for us, since it did not answer in time: as many as
    /// [`num_indirect_probes`](crate::Config::num_indirect_probes) at most.
    pub helpers: Vec<I>,
    /// Who probed us last, for itself, however long ago: [`Counters::pings_heard`] tells whether
    /// anybody did since.
    pub pinged_by: Option<I>,
}

impl<I: Identity, C, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// Who we are.
    pub fn identity(&self) -> &I {
        &self.identity
    }

    /// Our own incarnation: how often this identity refuted a suspicion.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The present settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The active members, without ourselves, in no order.
    pub fn members(&self) -> impl Iterator<Item = Member<&I>> {
        self.table.active().map(|entry| entry.member())
    }

    /// All that is known, down members included, without ourselves: what another engine may
    /// [apply](Engine::apply_many).
    pub fn membership_state(&self) -> impl Iterator<Item = Member<&I>> {
        self.table.entries().map(|entry| entry.member())
    }

    /// What is believed about the member with this address.
    pub fn member(&self, addr: &I::Addr) -> Option<Member<&I>> {
        self.table
            .find(addr)
            .map(|slot| self.table.get(slot).member())
    }

    /// How many members are active, without ourselves.
    pub fn num_members(&self) -> usize {
        self.table.num_active()
    }

    /// How many down members are remembered.
    pub fn num_down_members(&self) -> usize {
        self.table.num_down()
    }

    /// How many updates wait to be sent.
    pub fn updates_backlog(&self) -> usize {
        self.updates.len()
    }

    /// How many bytes those are.
    pub fn updates_backlog_bytes(&self) -> usize {
        self.updates.size()
    }

    /// How many custom broadcasts wait to be sent.
    pub fn broadcasts_backlog(&self) -> usize {
        self.broadcasts.len()
    }

    /// How many bytes those are, with their lengths.
    pub fn broadcasts_backlog_bytes(&self) -> usize {
        self.broadcasts.size()
    }

    /// What happened so far, counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What was received and sent so far, by kind.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The handler of custom broadcasts.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// The handler of custom broadcasts, to change it.
    pub fn handler_mut(&mut self) -> &mut H {
        &mut self.handler
    }

    /// The codec, to write and to read what travels in other ways than datagrams.
    pub fn codec_mut(&mut self) -> &mut C {
        &mut self.codec
    }

    /// Whom we probe, and who probed us last. It costs nothing but when it is asked for.
    #[must_use]
    pub fn probing(&self) -> Probing<I> {
        self.prober.probing()
    }

    /// How slow we think we are ourselves: 0 is healthy, 8 as bad as it gets. Probes take one more
    /// than that as long, if [`local_health`](crate::Config::local_health) is on (Lifeguard,
    /// section IV-A).
    #[must_use]
    pub fn local_health(&self) -> u8 {
        self.health.score()
    }
}

impl<I: Identity, C, H: BroadcastHandler<I>> fmt::Debug for Engine<I, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("identity", &self.identity)
            .field("incarnation", &self.incarnation)
            .field("connection", &self.connection)
            .field("members", &self.num_members())
            .finish_non_exhaustive()
    }
}
