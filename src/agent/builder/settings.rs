//! What the agent is told of itself, beside the engine's settings.

use alloc::{sync::Arc, vec::Vec};
use core::{fmt, time::Duration};

use super::Builder;
use crate::{
    InvalidName, Name,
    agent::{Admission, CertifiedSenders, Limits, SenderRule, sync},
};

/// What the builder was told of it.
pub(super) struct Settings {
    pub(super) cluster: Result<Name, InvalidName>,
    pub(super) senders: Arc<dyn SenderRule>,
    pub(super) admission: Option<Arc<dyn Admission>>,
    pub(super) prove_joiners: Option<bool>,
    pub(super) limits: Limits,
    pub(super) sync_period: Option<Duration>,
    pub(super) metadata: Option<Vec<u8>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cluster: Name::new("selkie"),
            senders: Arc::new(CertifiedSenders),
            admission: None,
            prove_joiners: None,
            limits: Limits::default(),
            sync_period: Some(sync::PERIOD),
            metadata: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("cluster", &self.cluster)
            .field("prove_joiners", &self.prove_joiners)
            .field("limits", &self.limits)
            .field("sync_period", &self.sync_period)
            .finish_non_exhaustive()
    }
}

impl<C, T, I, H> Builder<C, T, I, H> {
    /// The name of the cluster: 1 to 63 of `a-z 0-9 - . _`, by default `selkie`. Members of
    /// clusters with other names are strangers to each other, and refused; this keeps apart what
    /// should not meet, but is no secret. On [foca's wire](crate::Config::foca_wire) nobody says
    /// it, unless the transport does.
    pub fn cluster(mut self, name: &str) -> Self {
        self.settings.cluster = Name::new(name);
        self
    }

    /// Who may speak for whom, instead of [`CertifiedSenders`]: a [`SenderRule`].
    pub fn senders(mut self, rule: impl SenderRule) -> Self {
        self.settings.senders = Arc::new(rule);
        self
    }

    /// Who becomes a member, by an [`Admission`]. By default everybody who speaks the protocol,
    /// and whom the others tell of.
    pub fn admission(mut self, admission: impl Admission) -> Self {
        self.settings.admission = Some(Arc::new(admission));
        self
    }

    /// Whether newcomers must [prove](crate::Config::prove_joiners) that they receive where they
    /// say, before they are believed and answered at any length, whatever the settings say. By
    /// default they must where the transport [hears strangers](crate::Transport::proves_peers), as
    /// [`PlainUdp`](crate::transports) does, unless on foca's wire; elsewhere the settings decide.
    pub fn prove_joiners(mut self, prove: bool) -> Self {
        self.settings.prove_joiners = Some(prove);
        self
    }

    /// How much the agent holds of what, at most.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// What we say of ourselves from the start: see
    /// [`Cluster::set_metadata`](crate::Cluster::set_metadata).
    pub fn metadata(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.settings.metadata = Some(bytes.into());
        self
    }

    /// How often we compare with some member all that both hold, over a stream: once we know
    /// somebody, and then every 60 s, give or take a quarter, by default; `None` for never. From
    /// 100 ms to a year. Where the transport has no streams, the engine's own means do it alone:
    /// announces, and [digests](crate::Config::digest).
    pub fn sync_period(mut self, period: impl Into<Option<Duration>>) -> Self {
        self.settings.sync_period = period.into();
        self
    }
}
