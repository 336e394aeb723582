//! A small identity, for simulations that are not about identities.

use core::net::{Ipv4Addr, SocketAddrV4};

use crate::Identity;

/// An address and a life: the smallest identity that can come back.
///
/// ```
/// use selkie::{Identity, sim::Peer};
///
/// let peer = Peer::numbered(7);
/// assert_eq!(peer.addr().to_string(), "10.0.0.7:7946");
/// assert!(peer.renew().is_some_and(|renewed| renewed.win_addr_conflict(&peer)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Peer {
    /// Where it lives.
    pub addr: SocketAddrV4,
    /// How often it was renewed.
    pub life: u16,
}

impl Peer {
    /// The peer at 10.0.0.0 plus a number, in its first life. Beyond 16 million they repeat.
    #[must_use]
    pub fn numbered(number: usize) -> Self {
        let [.., a, b, c] = number.to_be_bytes();
        Self {
            addr: SocketAddrV4::new(Ipv4Addr::new(10, a, b, c), 7946),
            life: 0,
        }
    }
}

impl Identity for Peer {
    type Addr = SocketAddrV4;

    fn addr(&self) -> SocketAddrV4 {
        self.addr
    }

    fn renew(&self) -> Option<Self> {
        let life = self.life.checked_add(1)?;
        Some(Self { life, ..*self })
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.life > adversary.life
    }

    fn renew_past(&self, winner: &Self) -> Option<Self> {
        let life = self.life.max(winner.life).checked_add(1)?;
        Some(Self { life, ..*self })
    }
}
