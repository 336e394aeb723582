//! Where the agent is told to look for others.

use alloc::vec::Vec;
use core::time::Duration;

use super::Builder;
use crate::agent::{InvalidSeed, Seed, seeds};

/// What the builder was told of it.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) seeds: Result<Vec<Seed>, InvalidSeed>,
    pub(super) period: Option<Duration>,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            seeds: Ok(Vec::new()),
            period: Some(seeds::PERIOD),
        }
    }
}

impl<C, T, I, H> Builder<C, T, I, H> {
    /// Where to look for others: socket addresses, or strings of `host:port`, which are resolved
    /// each time. While no other member is active, all of them are asked, after pauses that grow
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

    /// How often one of the seeds is asked while other members are active, each in its turn: so
    /// do clusters become one that formed apart, each from some of the seeds. By default every
    /// 60 s, give or take a quarter; `None` for never. From 100 ms to a year.
    ///
    /// A seed at whose address an active member lives is not asked.
    pub fn seed_period(mut self, period: impl Into<Option<Duration>>) -> Self {
        self.search.period = period.into();
        self
    }
}
