//! What a seed can be.

use alloc::{
    string::{String, ToString},
    sync::Arc,
};
use core::{
    convert::Infallible,
    fmt,
    net::{Ipv6Addr, SocketAddr},
    str::FromStr,
};
use std::path::PathBuf;

use super::{
    discover::{Discover, Source},
    dns,
};

/// Where to look for somebody to join at, again at each try:
///
/// - a socket address;
/// - `host:port`: all IPv4 and IPv6 addresses of the host;
/// - with feature `dns`, the name of an SRV record, such as `_gossip._udp.example.org`: hosts and
///   ports are what it says;
/// - `file:` and a path: what stands in the file then, one seed of the above to a line; empty lines
///   and those that begin with `#` are read past. At most 64 KiB;
/// - whatever a [`Discover`] of one's own finds.
///
/// Of more than sixteen addresses, sixteen are asked at a time, in no order.
///
/// ```
/// use selkie::agent::Seed;
///
/// let seed: Seed = "db-1.example.org:7946".parse()?;
/// assert_eq!(seed.to_string(), "db-1.example.org:7946");
/// assert_eq!("file:/etc/seeds".parse::<Seed>()?, Seed::file("/etc/seeds"));
/// assert!("db-1.example.org".parse::<Seed>().is_err());
/// # Ok::<(), selkie::agent::InvalidSeed>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seed(pub(super) Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Addr(SocketAddr),
    Host { name: String, port: u16 },
    Srv(String),
    File(PathBuf),
    Source(Source),
}

impl Seed {
    /// The seeds that stand in a file: see [`Seed`].
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Kind::File(path.into()))
    }

    /// What somebody else finds.
    #[must_use]
    pub fn discover(source: impl Discover) -> Self {
        Self(Kind::Source(Source(Arc::new(source))))
    }

    /// What needs no looking up.
    pub(super) fn addr(&self) -> Option<SocketAddr> {
        match self.0 {
            Kind::Addr(addr) => Some(addr),
            _ => None,
        }
    }
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
        let is_host = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
        match seed.strip_prefix("file:") {
            Some("") => return Err(invalid("a file has a path")),
            Some(path) => return Ok(Self::file(path)),
            None => {}
        }
        let (name, port) = match seed.rsplit_once(':') {
            Some(host) => host,
            None if !is_srv(seed) || !seed.chars().all(is_host) => {
                return Err(invalid("a seed is host:port, and this has no port"));
            }
            None if !dns::IS_THERE => return Err(invalid("SRV names need the feature `dns`")),
            None => return Ok(Self(Kind::Srv(seed.to_string()))),
        };
        let port = port.parse().map_err(|_| invalid(PORT_RULE))?;
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

/// Whether it looks like `_service._protocol.name`.
fn is_srv(seed: &str) -> bool {
    let mut labels = seed.split('.');
    let [service, protocol] = [labels.next(), labels.next()];
    [service, protocol]
        .iter()
        .all(|label| label.is_some_and(|l| l.starts_with('_')))
        && labels.next().is_some()
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
            Kind::Addr(addr) => write!(f, "{addr}"),
            Kind::Host { name, port } => write!(f, "{name}:{port}"),
            Kind::Srv(name) => f.write_str(name),
            Kind::File(path) => write!(f, "file:{}", path.display()),
            Kind::Source(source) => write!(f, "{:?}", source.0),
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
