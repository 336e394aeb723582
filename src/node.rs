//! The ready-made identity: a name, where it lives, and which life it is in.

use core::{fmt, net::SocketAddr, str::FromStr};

use crate::{Identity, Locate};

/// A member with a name: unique by it, free to move and to restart.
///
/// The same name at another address is the same member, renamed. A newer generation of a name
/// takes over at once, so that a process that restarts need not wait until its former life was
/// declared down.
///
/// With an empty [name](Name) it is nobody's: a destination for an Announce, received by whoever
/// lives at the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Node {
    name: Name,
    socket_addr: SocketAddr,
    generation: u64,
}

impl Node {
    /// Puts the three together. For a process with a wall clock, see `Node::now` (feature `std`).
    #[must_use]
    pub fn new(name: Name, socket_addr: SocketAddr, generation: u64) -> Self {
        Self {
            name,
            socket_addr,
            generation,
        }
    }

    /// A node whose generation is the milliseconds since 1970, or one more than `remembered`,
    /// the generation of its former life, should the clock have gone backwards.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn now(name: Name, socket_addr: SocketAddr, remembered: Option<u64>) -> Self {
        let since_1970 = std::time::SystemTime::now()
            .duration_since(std::time::SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let clock = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        let after = remembered.map_or(0, |generation| generation.saturating_add(1));
        Self::new(name, socket_addr, clock.max(after))
    }

    /// The name, unique in the cluster.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Which life of the name this is; the highest one stands.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.socket_addr)
    }
}

impl Identity for Node {
    type Addr = Name;

    fn addr(&self) -> Name {
        self.name
    }

    fn renew(&self) -> Option<Self> {
        let generation = self.generation.checked_add(1)?;
        Some(Self {
            generation,
            ..*self
        })
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        (self.generation, self.socket_addr) > (adversary.generation, adversary.socket_addr)
    }

    fn renew_past(&self, winner: &Self) -> Option<Self> {
        let generation = self.generation.max(winner.generation).checked_add(1)?;
        Some(Self {
            generation,
            ..*self
        })
    }

    fn accepts_announce(&self, dst: &Self) -> bool {
        dst.name.is_empty() || dst.name == self.name
    }

    fn names_member(&self) -> bool {
        !self.name.is_empty() && self.socket_addr.names_member()
    }
}

impl Locate for Node {
    fn socket_addr(&self) -> SocketAddr {
        self.socket_addr
    }

    fn from_seed(addr: SocketAddr) -> Option<Self> {
        Some(Self::new(Name::EMPTY, addr, 0))
    }

    fn certified_name(&self) -> Option<&str> {
        Some(self.name.as_str())
    }
}

/// A member's name: 1 to 63 of `a-z 0-9 - . _`, so that it can be a DNS label, a file name and a
/// metric's label. Held in place: copying it allocates nothing.
///
/// ```
/// use selkie::Name;
///
/// let name: Name = "db-1.eu".parse()?;
/// assert_eq!(name.as_str(), "db-1.eu");
/// assert!("DB 1".parse::<Name>().is_err());
/// # Ok::<(), selkie::InvalidName>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    // Padded with zeros, which no name contains: the order is that of the strings.
    bytes: [u8; Self::LEN_MAX],
    len: u8,
}

impl Name {
    /// The most bytes that a name may have: what a DNS label may.
    pub const LEN_MAX: usize = 63;

    /// No name: that of a [`Node`] made from a seed's address.
    pub const EMPTY: Self = Self {
        bytes: [0; Self::LEN_MAX],
        len: 0,
    };

    /// Checks and takes a name.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] when it is empty, too long, or has a character that is not allowed.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if name.is_empty() {
            return Err(InvalidName::Empty);
        }
        let mut bytes = [0; Self::LEN_MAX];
        let place = bytes
            .get_mut(..name.len())
            .ok_or(InvalidName::TooLong { len: name.len() })?;
        if let Some(found) = name.chars().find(|&c| !Self::allows(c)) {
            return Err(InvalidName::Character { found });
        }
        place.copy_from_slice(name.as_bytes());
        // At most 63, as `place` exists.
        let len = u8::try_from(name.len()).unwrap_or_default();
        Ok(Self { bytes, len })
    }

    /// The name as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Whether this is no name at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn allows(c: char) -> bool {
        matches!(c, 'a'..='z' | '0'..='9' | '-' | '.' | '_')
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        Self::new(name)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

/// Reads a name without allocating. Takes the empty one too: the destination of an Announce.
#[cfg(feature = "serde")]
struct NameVisitor;

#[cfg(feature = "serde")]
impl serde::de::Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name of at most 63 of a-z 0-9 - . _")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Name, E> {
        if name.is_empty() {
            Ok(Name::EMPTY)
        } else {
            Name::new(name).map_err(E::custom)
        }
    }
}

/// Why a string is not a [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidName {
    /// It has no characters.
    Empty,
    /// It has more than [`Name::LEN_MAX`] bytes.
    TooLong {
        /// How many it has.
        len: usize,
    },
    /// It has a character other than `a-z 0-9 - . _`.
    Character {
        /// The first such character.
        found: char,
    },
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a name needs at least one of a-z 0-9 - . _"),
            Self::TooLong { len } => {
                write!(
                    f,
                    "a name has at most {} bytes, this one {len}",
                    Name::LEN_MAX
                )
            }
            Self::Character { found } => {
                write!(f, "a name consists of a-z 0-9 - . _ only, not {found:?}")
            }
        }
    }
}

impl core::error::Error for InvalidName {}
