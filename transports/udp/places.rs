//! How many connections there may be, and from where.

use alloc::{collections::BTreeMap, sync::Arc};
use core::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Places for connections: some altogether, and a share of them for each source.
#[derive(Debug)]
pub(super) struct Places {
    taken: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    max: usize,
    per_source_max: usize,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// All are taken.
    All,
    /// The source has its share.
    Source,
}

impl Places {
    pub(super) fn new(max: usize, per_source_max: usize) -> Self {
        Self {
            taken: Arc::default(),
            max,
            per_source_max,
        }
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        locked(&self.taken).values().sum()
    }

    /// Takes a place, until the returned is dropped.
    pub(super) fn take(&self, peer: IpAddr) -> Result<Place, Full> {
        let source = source(peer);
        let mut taken = locked(&self.taken);
        if taken.values().sum::<usize>() >= self.max {
            return Err(Full::All);
        }
        let of_source = taken.entry(source).or_default();
        if *of_source >= self.per_source_max {
            return Err(Full::Source);
        }
        *of_source += 1;
        Ok(Place {
            taken: Arc::clone(&self.taken),
            source,
        })
    }
}

/// A place that somebody has.
#[derive(Debug)]
pub(super) struct Place {
    taken: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    source: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = locked(&self.taken);
        if let Some(of_source) = taken.get_mut(&self.source) {
            *of_source = of_source.saturating_sub(1);
            if *of_source == 0 {
                taken.remove(&self.source);
            }
        }
    }
}

/// What counts as one source: an IPv4 address, or the /64 network of an IPv6 address.
fn source(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(ip) => {
            let network = ip.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
        ip @ IpAddr::V4(_) => ip,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
