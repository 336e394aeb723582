//! Where a member looks for others, and how often it asks.

mod discover;
#[cfg(feature = "dns")]
mod dns;
#[cfg(not(feature = "dns"))]
#[path = "seeds/no_dns.rs"]
mod dns;
mod pace;
mod resolve;
mod seed;

use alloc::{sync::Arc, vec::Vec};
use core::{
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};
use std::io;

use fastrand::Rng;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};

use self::pace::Pace;
pub use self::{
    discover::Discover,
    seed::{InvalidSeed, Seed},
};
pub(super) use self::{pace::PERIOD, resolve::Resolver};

/// The seeds, and when to ask them next.
///
/// While there is nobody else, all of them are asked, ever less often. Among others, one at a time
/// is, rarely: it may be in a part of the cluster that knows nothing of this one.
#[derive(Debug)]
pub(super) struct Seeds {
    seeds: Vec<Tried>,
    resolver: Arc<Resolver>,
    lookups: FuturesUnordered<BoxFuture<'static, LookedUp>>,
    rng: Rng,
    pace: Pace,
    /// Which one is asked next among others.
    turn: usize,
}

#[derive(Debug)]
struct Tried {
    seed: Seed,
    is_looked_up: bool,
}

impl Tried {
    fn new(seed: Seed) -> Self {
        Self {
            seed,
            is_looked_up: false,
        }
    }
}

type LookedUp = (usize, Company, io::Result<Vec<SocketAddr>>);

/// Whom we know, as far as seeds are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    Nobody,
    Others,
    /// We are leaving, or nobody hears us any more.
    Unwanted,
}

/// What became of a seed.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) seed: Seed,
    /// Whom we knew when we began to look.
    pub(super) company: Company,
    /// Where to announce, or why that is not known.
    pub(super) addrs: io::Result<Vec<SocketAddr>>,
}

impl Seeds {
    pub(super) fn new(
        seeds: Vec<Seed>,
        resolver: Resolver,
        period: Option<Duration>,
        rng_seed: u64,
    ) -> Self {
        Self {
            seeds: seeds.into_iter().map(Tried::new).collect(),
            resolver: Arc::new(resolver),
            lookups: FuturesUnordered::new(),
            rng: Rng::with_seed(rng_seed),
            pace: Pace::new(period, rng_seed),
            turn: 0,
        }
    }

    /// Asks these from now on. What is looked up for others is given up.
    pub(super) fn replace(&mut self, seeds: Vec<Seed>) {
        self.lookups = FuturesUnordered::new();
        self.seeds = seeds.into_iter().map(Tried::new).collect();
        self.turn = 0;
        self.pace.hurry();
    }

    pub(super) fn set_period(&mut self, period: Option<Duration>) {
        self.pace.set_period(period);
    }

    /// When to ask next. `has_more`: somebody else is to be asked, too.
    pub(super) fn next_deadline(&self, company: Company, has_more: bool) -> Option<Duration> {
        let is_anybody = has_more || !self.seeds.is_empty();
        self.pace.next_deadline(company).filter(|_| is_anybody)
    }

    /// Whether it is time to ask. To be called whenever anything may have changed.
    pub(super) fn is_due(&mut self, now: Duration, company: Company) -> bool {
        self.pace.is_due(now, company)
    }

    /// Asks all seeds, or among others one. Those that need no looking up are returned.
    pub(super) fn ask(&mut self, company: Company) -> Vec<Found> {
        let turn = self.turn % self.seeds.len().max(1);
        let asked = match company {
            Company::Nobody => 0..self.seeds.len(),
            Company::Others => {
                self.turn = turn + 1;
                turn..turn + 1
            }
            Company::Unwanted => 0..0,
        };
        let found = asked.filter_map(|index| self.ask_one(index, company));
        found.collect()
    }

    fn ask_one(&mut self, index: usize, company: Company) -> Option<Found> {
        let tried = self.seeds.get_mut(index)?;
        if let Some(addr) = tried.seed.addr() {
            return Some(Found {
                seed: tried.seed.clone(),
                company,
                addrs: Ok(Vec::from([addr])),
            });
        }
        if !tried.is_looked_up {
            tried.is_looked_up = true;
            let lookup = self.resolver.clone().resolve(tried.seed.clone());
            let lookup = lookup.map(move |addrs| (index, company, addrs));
            self.lookups.push(lookup.boxed());
        }
        None
    }

    /// The next look-up that came to an end.
    pub(super) fn poll_found(&mut self, cx: &mut Context<'_>) -> Poll<Found> {
        while let Poll::Ready(Some(looked_up)) = self.lookups.poll_next_unpin(cx) {
            let (index, company, mut addrs) = looked_up;
            // Of many only some are asked: others each time.
            if let Ok(addrs) = &mut addrs {
                self.rng.shuffle(addrs);
            }
            if let Some(tried) = self.seeds.get_mut(index) {
                tried.is_looked_up = false;
                return Poll::Ready(Found {
                    seed: tried.seed.clone(),
                    company,
                    addrs,
                });
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
