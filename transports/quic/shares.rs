//! Places of which nobody has more than are left: who takes all it can get has half of them, two
//! have a third each, and the others find theirs.

use alloc::{sync::Arc, vec::Vec};
use core::net::{IpAddr, SocketAddr};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::transport::ProvenPeer;

/// Whose share something takes: that of the peer's public key, whatever addresses it has. Of those
/// that showed none, that of the address.
pub(super) fn owner<T>(
    peer: Option<&ProvenPeer>,
    from: SocketAddr,
    look: impl FnOnce(&[u8]) -> T,
) -> T {
    match (peer, from.ip()) {
        (Some(peer), _) => look(peer.public_key()),
        (None, IpAddr::V4(ip)) => look(&ip.octets()),
        (None, IpAddr::V6(ip)) => look(&ip.octets()),
    }
}

/// So many places.
#[derive(Debug)]
pub(super) struct Shares {
    taken: Arc<Mutex<Taken>>,
    max: usize,
    least: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_owner: HashMap<Vec<u8>, usize>,
}

impl Shares {
    pub(super) fn new(max: usize) -> Self {
        Self {
            taken: Arc::default(),
            max,
            least: 0,
        }
    }

    /// Everybody may have so many, also when all are taken.
    pub(super) fn at_least(self, least: usize) -> Self {
        Self { least, ..self }
    }

    /// A place, until it is dropped, if there are more left than this peer has.
    pub(super) fn enter(&self, peer: Option<&ProvenPeer>, from: SocketAddr) -> Option<Place> {
        let owner = owner(peer, from, <[u8]>::to_vec);
        let mut taken = locked(&self.taken);
        let left = self.max.saturating_sub(taken.all);
        let own = taken.by_owner.get(&owner).copied().unwrap_or_default();
        if own >= left.max(self.least) {
            return None;
        }
        taken.all = taken.all.saturating_add(1);
        let own = taken.by_owner.entry(owner.clone()).or_default();
        *own = own.saturating_add(1);
        Some(Place {
            taken: self.taken.clone(),
            owner,
        })
    }
}

/// A place that somebody has.
#[derive(Debug)]
pub(super) struct Place {
    taken: Arc<Mutex<Taken>>,
    owner: Vec<u8>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = locked(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by_owner.get_mut(&self.owner) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by_owner.remove(&self.owner);
            }
        }
    }
}

fn locked(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
