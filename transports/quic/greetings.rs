//! The handshakes that peers began: how many may be under way, and from where.
//!
//! A place is held for as long as its peer takes, and a stranger takes as long as it may. So no
//! source gets more than a share of them; and since a source can be made up, a peer has to prove
//! its address once there is anything to be gained by that.

use alloc::{sync::Arc, vec::Vec};
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most handshakes under way.
pub(super) const GREETINGS_MAX: usize = 64;

/// The most of them from one source: members behind one address, and those that run on one
/// machine, need some.
const PER_SOURCE_MAX: usize = 16;

/// As many are under way before everybody has to prove its address.
const UNPROVEN_MAX: usize = 8;

/// The sources of all handshakes under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Greetings(Arc<Mutex<Vec<Source>>>);

/// Why a handshake must not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// Not before the peer has proven its address.
    Unproven,
    /// Too many from that source.
    Source,
    /// Too many altogether.
    Busy,
}

impl Greetings {
    /// Takes a place for a peer, which has proven its address or not.
    pub(super) fn enter(&self, peer: SocketAddr, is_proven: bool) -> Result<Greeting, Denied> {
        let source = Source::of(peer);
        let mut under_way = self.under_way();
        let from_there = under_way.iter().filter(|other| **other == source).count();
        if under_way.len() >= GREETINGS_MAX {
            return Err(Denied::Busy);
        }
        if !is_proven && (from_there > 0 || under_way.len() >= UNPROVEN_MAX) {
            return Err(Denied::Unproven);
        }
        if from_there >= PER_SOURCE_MAX {
            return Err(Denied::Source);
        }
        under_way.push(source);
        Ok(Greeting {
            greetings: self.clone(),
            source,
        })
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<Source>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Greeting {
    greetings: Greetings,
    source: Source,
}

impl Drop for Greeting {
    fn drop(&mut self) {
        let mut under_way = self.greetings.under_way();
        if let Some(ours) = under_way.iter().position(|other| *other == self.source) {
            under_way.swap_remove(ours);
        }
    }
}

/// Whom to blame: an IPv4 address, or an IPv6 network of the size that one site is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source(IpAddr);

impl Source {
    fn of(peer: SocketAddr) -> Self {
        Self(match peer.ip().to_canonical() {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}
