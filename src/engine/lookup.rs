//! Finding addresses, many at once.
//!
//! In a large table each look-up waits for memory three times: for the index twice, for the entry
//! once. Steps that do not depend on one another overlap, if they stand close together: so all
//! addresses are hashed first, then all are looked up in the index, then all entries are visited.

use core::hash::{BuildHasher, Hash};

use siphasher::sip::SipHasher13;

use super::entry::Slot;

/// How many are looked up together: enough to overlap, few enough to stay in the cache.
pub(super) const LOOKUPS_MAX: usize = 128;

/// SipHash under a key of this engine's own: addresses are chosen by whoever sends them.
#[derive(Clone, Copy)]
pub(super) struct Keyed(pub(super) u64, pub(super) u64);

impl Keyed {
    pub(super) fn hash<A: Hash>(self, addr: &A) -> Hashed {
        Hashed(self.hash_one(addr))
    }
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// Where the index looks for an address first.
#[derive(Clone, Copy)]
pub(super) struct Hashed(pub(super) u64);

/// How far the search for an address has come. Holds whatever becomes of the table.
#[derive(Clone, Copy)]
pub(super) struct Lookup {
    pub(super) hashed: Hashed,
    /// Where its entry was found, or [`Slot::NONE`]: to be verified, and then searched for.
    pub(super) likely: u32,
}

impl Lookup {
    pub(super) fn begin(hashed: Hashed) -> Self {
        Self {
            hashed,
            likely: Slot::NONE,
        }
    }
}
