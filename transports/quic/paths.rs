//! What paths to peers were found to carry.
//!
//! A new connection begins with packets that every path carries, and searches for larger ones. With
//! a peer to which the path carried those before, it begins with them: the search is half of the
//! bytes of a connection that is made for one packet, and a sixth of its processor time.

use core::net::SocketAddr;
use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use quinn::Connection;

/// The most that is searched for: what Ethernet carries, with the headers of IPv6 and UDP.
pub(super) const WIDE: u16 = 1452;

/// The peers to which paths are wide.
#[derive(Debug)]
pub(super) struct Paths {
    wide: Mutex<HashSet<SocketAddr>>,
    max: usize,
}

impl Paths {
    /// Remembers so many at most.
    pub(super) fn new(max: usize) -> Self {
        Self {
            wide: Mutex::default(),
            max,
        }
    }

    /// Whether the path is wide. That is forgotten, until the connection that begins now has ended:
    /// if none comes about, perhaps the path has changed.
    pub(super) fn take(&self, peer: SocketAddr) -> bool {
        self.wide().remove(&peer)
    }

    /// Remembers what a connection found.
    pub(super) fn learn(&self, peer: SocketAddr, conn: &Connection) {
        let mut wide = self.wide();
        if conn.stats().path.current_mtu >= WIDE && wide.len() < self.max {
            wide.insert(peer);
        }
    }

    fn wide(&self) -> MutexGuard<'_, HashSet<SocketAddr>> {
        self.wide.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
