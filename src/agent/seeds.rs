//! Where a member looks for others, and how often it asks.

mod pace;

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::{
    convert::Infallible,
    fmt,
    net::{Ipv6Addr, SocketAddr},
    str::FromStr,
    task::{Context, Poll},
    time::Duration,
};
use std::{io, net::ToSocketAddrs};

use futures::{StreamExt, stream::FuturesUnordered};
use smol::Task;

pub(super) use self::pace::PERIOD;
use self::pace::Pace;

/// The address of somebody to join at: a socket address, or `host:port`, in which the host is
/// resolved again at each try.
///
/// ```
/// use selkie::agent::Seed;
///
/// let seed: Seed = "db-1.example.org:7946".parse()?;
/// assert_eq!(seed.to_string(), "db-1.example.org:7946");
/// assert!("db-1.example.org".parse::<Seed>().is_err());
/// # Ok::<(), selkie::agent::InvalidSeed>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seed(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Addr(SocketAddr),
    Host { name: String, port: u16 },
}

impl FromStr for Seed {
    type Err = InvalidSeed;

    fn from_str(seed: &str) -> Result<Self, InvalidSeed> {
        let invalid = |rule| InvalidSeed {
            seed: seed.to_string(),
            rule,
        };
        if let Ok(addr) = seed.parse::<SocketAddr>() {
            return match addr.port() {
                0 => Err(invalid(PORT_RULE)),
                _ => Ok(Self(Kind::Addr(addr))),
            };
        }
        let (name, port) = seed
            .rsplit_once(':')
            .ok_or_else(|| invalid("a seed is host:port, and this has no port"))?;
        let port = port.parse().map_err(|_| invalid(PORT_RULE))?;
        let is_host = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
        if port == 0 {
            Err(invalid(PORT_RULE))
        } else if name.parse::<Ipv6Addr>().is_ok() {
            Err(invalid(
                "an IPv6 address stands in brackets, as in [::1]:7946",
            ))
        } else if name.is_empty() || !name.chars().all(is_host) {
            Err(invalid("a host is a name or an IP address"))
        } else {
            let name = name.to_string();
            Ok(Self(Kind::Host { name, port }))
        }
    }
}

const PORT_RULE: &str = "a port is a number from 1 to 65535";

impl From<SocketAddr> for Seed {
    fn from(addr: SocketAddr) -> Self {
        Self(Kind::Addr(addr))
    }
}

impl TryFrom<&str> for Seed {
    type Error = InvalidSeed;

    fn try_from(seed: &str) -> Result<Self, InvalidSeed> {
        seed.parse()
    }
}

impl TryFrom<String> for Seed {
    type Error = InvalidSeed;

    fn try_from(seed: String) -> Result<Self, InvalidSeed> {
        seed.parse()
    }
}

impl TryFrom<&String> for Seed {
    type Error = InvalidSeed;

    fn try_from(seed: &String) -> Result<Self, InvalidSeed> {
        seed.parse()
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Addr(addr) => addr.fmt(f),
            Kind::Host { name, port } => write!(f, "{name}:{port}"),
        }
    }
}

/// Why a string is not a [`Seed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSeed {
    seed: String,
    rule: &'static str,
}

impl InvalidSeed {
    /// The rule that it breaks, in words.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl fmt::Display for InvalidSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid seed {:?}: {}", self.seed, self.rule)
    }
}

impl core::error::Error for InvalidSeed {}

impl From<Infallible> for InvalidSeed {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The seeds, and when to ask them next.
///
/// While there is nobody else, all of them are asked, ever less often. Among others, one at a time
/// is, rarely: it may be in a part of the cluster that knows nothing of this one.
#[derive(Debug)]
pub(super) struct Seeds {
    seeds: Vec<Tried>,
    lookups: FuturesUnordered<Task<LookedUp>>,
    pace: Pace,
    /// Which one is asked next among others.
    turn: usize,
}

#[derive(Debug)]
struct Tried {
    seed: Seed,
    is_looked_up: bool,
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
    pub(super) fn new(seeds: Vec<Seed>, period: Option<Duration>, rng_seed: u64) -> Self {
        let tried = |seed| Tried {
            seed,
            is_looked_up: false,
        };
        Self {
            seeds: seeds.into_iter().map(tried).collect(),
            lookups: FuturesUnordered::new(),
            pace: Pace::new(period, rng_seed),
            turn: 0,
        }
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
        match &tried.seed.0 {
            Kind::Addr(addr) => {
                return Some(Found {
                    seed: tried.seed.clone(),
                    company,
                    addrs: Ok(Vec::from([*addr])),
                });
            }
            Kind::Host { .. } if tried.is_looked_up => {}
            Kind::Host { name, port } => {
                tried.is_looked_up = true;
                let lookup = look_up(index, company, name.clone(), *port);
                self.lookups.push(lookup);
            }
        }
        None
    }

    /// The next look-up that came to an end.
    pub(super) fn poll_found(&mut self, cx: &mut Context<'_>) -> Poll<Found> {
        while let Poll::Ready(Some(looked_up)) = self.lookups.poll_next_unpin(cx) {
            let (index, company, addrs) = looked_up;
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

fn look_up(index: usize, company: Company, name: String, port: u16) -> Task<LookedUp> {
    smol::unblock(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        let addrs = found.map(|addrs| addrs.take(ADDRS_PER_SEED_MAX).collect());
        (index, company, addrs)
    })
}

/// The most addresses of one host that are announced to.
const ADDRS_PER_SEED_MAX: usize = 16;

#[cfg(test)]
mod tests;
