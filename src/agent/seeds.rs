//! Where a member looks for others, and how often it asks.

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
#[derive(Debug)]
pub(super) struct Seeds {
    seeds: Vec<Tried>,
    lookups: FuturesUnordered<Task<(usize, io::Result<Vec<SocketAddr>>)>>,
    pause: Pause,
}

#[derive(Debug)]
struct Tried {
    seed: Seed,
    is_looked_up: bool,
}

/// What became of a seed: addresses to announce to, or why there are none.
pub(super) type Found = (Seed, io::Result<Vec<SocketAddr>>);

impl Seeds {
    pub(super) fn new(seeds: Vec<Seed>, rng_seed: u64) -> Self {
        let tried = |seed| Tried {
            seed,
            is_looked_up: false,
        };
        Self {
            seeds: seeds.into_iter().map(tried).collect(),
            lookups: FuturesUnordered::new(),
            pause: Pause::new(rng_seed),
        }
    }

    /// When to ask next, while `alone`.
    pub(super) fn next_deadline(&self, alone: bool) -> Option<Duration> {
        (alone && !self.seeds.is_empty()).then_some(self.pause.until)
    }

    /// Asks all seeds, if it is time to. Those that need no looking up are returned.
    pub(super) fn ask_if_due(&mut self, now: Duration, alone: bool) -> Vec<Found> {
        if !alone {
            self.pause.reset(now);
            return Vec::new();
        }
        if self.seeds.is_empty() || now < self.pause.until {
            return Vec::new();
        }
        self.pause.grow(now);
        let mut found = Vec::new();
        for (index, tried) in self.seeds.iter_mut().enumerate() {
            match &tried.seed.0 {
                Kind::Addr(addr) => found.push((tried.seed.clone(), Ok(Vec::from([*addr])))),
                Kind::Host { .. } if tried.is_looked_up => {}
                Kind::Host { name, port } => {
                    tried.is_looked_up = true;
                    self.lookups.push(look_up(index, name.clone(), *port));
                }
            }
        }
        found
    }

    /// The next look-up that came to an end.
    pub(super) fn poll_found(&mut self, cx: &mut Context<'_>) -> Poll<Found> {
        while let Poll::Ready(Some((index, result))) = self.lookups.poll_next_unpin(cx) {
            if let Some(tried) = self.seeds.get_mut(index) {
                tried.is_looked_up = false;
                return Poll::Ready((tried.seed.clone(), result));
            }
        }
        Poll::Pending
    }
}

fn look_up(index: usize, name: String, port: u16) -> Task<(usize, io::Result<Vec<SocketAddr>>)> {
    smol::unblock(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        (
            index,
            found.map(|addrs| addrs.take(ADDRS_PER_SEED_MAX).collect()),
        )
    })
}

/// How long to wait between tries: twice as long each time, and never quite alike at two members.
#[derive(Debug)]
struct Pause {
    until: Duration,
    length: Duration,
    rng: fastrand::Rng,
}

impl Pause {
    fn new(rng_seed: u64) -> Self {
        Self {
            until: Duration::ZERO,
            length: PAUSE_MIN,
            rng: fastrand::Rng::with_seed(rng_seed),
        }
    }

    fn reset(&mut self, now: Duration) {
        self.length = PAUSE_MIN;
        self.until = now.saturating_add(self.jittered());
    }

    fn grow(&mut self, now: Duration) {
        self.until = now.saturating_add(self.jittered());
        self.length = self.length.saturating_mul(2).min(PAUSE_MAX);
    }

    /// From half the length to all of it.
    fn jittered(&mut self) -> Duration {
        self.length.mul_f64(0.5 + self.rng.f64() / 2.0)
    }
}

/// The first pause between two tries.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// The most addresses of one host that are announced to.
const ADDRS_PER_SEED_MAX: usize = 16;

#[cfg(test)]
mod tests;
