//! Changing settings while the agent runs.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use super::{Cluster, Command};
use crate::{
    Config, Identity,
    agent::{CommandError, InvalidSeed, Limits, Seed},
};

/// A setting of the agent's own.
pub(in crate::agent) enum Tuning {
    Seeds(Vec<Seed>),
    SeedPeriod(Option<Duration>),
    SnapshotPeriod(Duration),
    SyncPeriod(Option<Duration>),
    Limits(Box<Limits>),
}

impl<I: Identity> Cluster<I> {
    /// The present settings, to be changed and [set](Self::set_config).
    #[must_use]
    pub fn config(&self) -> Config {
        self.shared.published().config.clone()
    }

    /// Changes settings while running, whichever: see
    /// [`Engine::set_config`](crate::Engine::set_config).
    ///
    /// # Errors
    ///
    /// [`CommandError::Config`] with the rule that is broken, [`TooBig`](CommandError::TooBig) when
    /// our identity does not fit the new packet size, or [`Stopped`](CommandError::Stopped). The
    /// present settings stay.
    pub async fn set_config(&self, config: Config) -> Result<(), CommandError> {
        let config = Box::new(config);
        self.ask(|reply| Command::SetConfig { config, reply })
            .await?
    }

    /// Looks for others in these places from now on, and no more in those of
    /// [before](super::super::Builder::seeds).
    ///
    /// # Errors
    ///
    /// [`CommandError::Seed`], or [`Stopped`](CommandError::Stopped). The present seeds stay.
    pub async fn set_seeds<S>(&self, seeds: impl IntoIterator<Item = S>) -> Result<(), CommandError>
    where
        S: TryInto<Seed>,
        S::Error: Into<InvalidSeed>,
    {
        let seeds = seeds.into_iter().map(|s| s.try_into().map_err(Into::into));
        let seeds = seeds
            .collect::<Result<_, _>>()
            .map_err(CommandError::Seed)?;
        self.tune(Tuning::Seeds(seeds)).await
    }

    /// Changes how often a seed is asked among others: see
    /// [`Builder::seed_period`](super::super::Builder::seed_period).
    ///
    /// # Errors
    ///
    /// [`CommandError::Stopped`].
    pub async fn set_seed_period(
        &self,
        period: impl Into<Option<Duration>>,
    ) -> Result<(), CommandError> {
        self.tune(Tuning::SeedPeriod(period.into())).await
    }

    /// Changes how often the snapshot is written, if there is one: see
    /// [`Builder::snapshot_period`](super::super::Builder::snapshot_period).
    ///
    /// # Errors
    ///
    /// [`CommandError::Stopped`].
    pub async fn set_snapshot_period(&self, period: Duration) -> Result<(), CommandError> {
        self.tune(Tuning::SnapshotPeriod(period)).await
    }

    /// Changes how often we compare with a member: see
    /// [`Builder::sync_period`](super::super::Builder::sync_period).
    ///
    /// # Errors
    ///
    /// [`CommandError::Stopped`].
    pub async fn set_sync_period(
        &self,
        period: impl Into<Option<Duration>>,
    ) -> Result<(), CommandError> {
        self.tune(Tuning::SyncPeriod(period.into())).await
    }

    /// Changes how much the agent holds of what, at most. What there is beyond a lower bound stays,
    /// but for what waits to be told.
    ///
    /// # Errors
    ///
    /// [`CommandError::Stopped`].
    pub async fn set_limits(&self, limits: Limits) -> Result<(), CommandError> {
        self.tune(Tuning::Limits(Box::new(limits))).await
    }

    async fn tune(&self, tuning: Tuning) -> Result<(), CommandError> {
        self.ask(|reply| Command::Tune { tuning, reply }).await
    }
}
