//! Where the agent is told to look for others.

use alloc::vec::Vec;
use core::time::Duration;
use std::path::PathBuf;

use super::Builder;
use crate::agent::{
    Discover, InvalidSeed, Seed,
    seeds::{self, Resolver},
    snapshot::Snapshot,
};

/// What the builder was told of it.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) seeds: Result<Vec<Seed>, InvalidSeed>,
    pub(super) resolver: Resolver,
    pub(super) period: Option<Duration>,
    pub(super) snapshot: Snapshot,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            seeds: Ok(Vec::new()),
            resolver: Resolver::default(),
            period: Some(seeds::PERIOD),
            snapshot: Snapshot::default(),
        }
    }
}

impl<C, T, I, H> Builder<C, T, I, H> {
    /// Where to look for others: socket addresses, or strings of `host:port`, SRV names or files of
    /// them (see [`Seed`]), which are resolved each time. While no other member is active, all of them are asked, after pauses that grow
    /// from half a second to 15 s; afterwards [one at a time](Self::seed_period). One's own
    /// address may be among them. Adds to those of former calls.
    pub fn seeds<S>(mut self, seeds: impl IntoIterator<Item = S>) -> Self
    where
        S: TryInto<Seed>,
        S::Error: Into<InvalidSeed>,
    {
        let seeds = seeds.into_iter().map(|s| s.try_into().map_err(Into::into));
        self.search.seeds = self
            .search
            .seeds
            .and_then(|known| known.into_iter().map(Ok).chain(seeds).collect());
        self
    }

    /// A way of one's own to look for others: one more seed.
    pub fn discover(self, source: impl Discover) -> Self {
        self.seeds([Seed::discover(source)])
    }

    /// How often one of the seeds is asked while other members are active, each in its turn: so
    /// do clusters become one that formed apart, each from some of the seeds. By default every
    /// 60 s, give or take a quarter; `None` for never. From 100 ms to a year.
    ///
    /// A seed at whose address an active member lives is not asked.
    pub fn seed_period(mut self, period: impl Into<Option<Duration>>) -> Self {
        self.search.period = period.into();
        self
    }

    /// A file that remembers who we are and whom we know, for the next start: everybody of a
    /// cluster may start again at once, with no seed at all. By default there is none.
    ///
    /// Whom it has is asked like a seed, as long as no other member is active sixteen at a time,
    /// and later four at a time with each [seed](Self::seed_period), until it is heard of, or
    /// [`Config::remove_down_after`](crate::Config::remove_down_after) has passed. Our identity, if
    /// the file has the same member's, is renewed past the one there, whatever the clock says; a
    /// made-up name is kept. Up to 16,384 members are remembered, active ones first.
    ///
    /// It is written by [`build`](Self::build), after changes [now and
    /// then](Self::snapshot_period), and when the agent stops by itself; as a whole, so that a
    /// crash leaves the one before. A file that is damaged, of another cluster, or none of ours is
    /// renamed, to the same name and `.bad`, and told of
    /// ([`Event::SnapshotFailed`](crate::agent::Event::SnapshotFailed)), as is one that cannot be
    /// written: the agent does without. Each agent needs a file of its own.
    pub fn snapshot(mut self, path: impl Into<PathBuf>) -> Self {
        self.search.snapshot.path = Some(path.into());
        self
    }

    /// The least time between two writes of the [snapshot](Self::snapshot): the most that it lags
    /// behind. By default 10 s; from 10 ms to a day. A renewed identity of our own is
    /// written at once.
    pub fn snapshot_period(mut self, period: Duration) -> Self {
        self.search.snapshot.period = period;
        self
    }
}
