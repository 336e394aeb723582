//! Metadata: what a member says of itself, beside its identity, and may change at any time.
//!
//! Its version travels as an item of envelopes, the bytes with it when they are few. Who hears of
//! a later version than it has, and not the bytes, fetches them over a stream from whoever told
//! it: a member tells of what it has, so that the owner is not asked by everybody.

mod entry;
mod fetch;
mod spread;
#[cfg(feature = "postcard")]
mod typed;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{
    fmt,
    hash::{Hash, Hasher},
    time::Duration,
};
use std::collections::HashMap;

use siphasher::sip::SipHasher13;

pub(super) use self::fetch::Stage;
use self::{entry::Entry, fetch::Wanted};
use super::{Limits, budget::Budget};
use crate::Identity;

/// What a member says of itself: bytes of its own choice, and which version of them.
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Metadata(Arc<Content>);

#[derive(PartialEq, Eq)]
struct Content {
    version: u64,
    bytes: Box<[u8]>,
}

impl Metadata {
    /// The most bytes that a member may have.
    pub const LEN_MAX: usize = 64 << 10;

    pub(super) fn new(version: u64, bytes: Vec<u8>) -> Self {
        let bytes = bytes.into_boxed_slice();
        Self(Arc::new(Content { version, bytes }))
    }

    /// What it says.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Which version it is: a later one is higher, also after a restart.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.version
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("version", &self.0.version)
            .field("len", &self.0.bytes.len())
            .finish()
    }
}

/// Whether what was heard is told on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    Gossip,
    Nothing,
}

/// What was said of a member before it was there.
struct Early<I> {
    entry: Entry<I>,
    teller: I,
    spread: Spread,
    /// Which it was of all that came early.
    number: u64,
}

/// All metadata that is known.
pub(super) struct Known<I: Identity> {
    own: Option<Metadata>,
    others: HashMap<I::Addr, Metadata>,
    /// The bytes of all others.
    bytes: usize,
    bytes_max: usize,
    /// Of members that we do not know yet.
    early: HashMap<I::Addr, Early<I>>,
    heard_early: u64,
    wanted: HashMap<I::Addr, Wanted<I>>,
    fetches: usize,
    /// When what could not be fetched is asked for again.
    fetch_at: Option<Duration>,
    /// What others fetch of us.
    answers: Arc<Budget>,
    /// When what waits to be told is told unasked.
    gossip_at: Option<Duration>,
}

impl<I: Identity> Known<I> {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            own: None,
            others: HashMap::new(),
            bytes: 0,
            bytes_max: limits.metadata_bytes,
            early: HashMap::new(),
            heard_early: 0,
            wanted: HashMap::new(),
            fetches: 0,
            fetch_at: None,
            answers: Budget::new(limits.answer_bytes),
            gossip_at: None,
        }
    }

    pub(super) fn set_limits(&mut self, limits: &Limits) {
        self.bytes_max = limits.metadata_bytes;
        self.answers.set_max(limits.answer_bytes);
    }

    pub(super) fn of(&self, addr: &I::Addr) -> Option<&Metadata> {
        self.others.get(addr)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A member was forgotten.
    pub(super) fn forget(&mut self, addr: &I::Addr) {
        if let Some(metadata) = self.others.remove(addr) {
            self.bytes -= metadata.bytes().len();
        }
        self.wanted.remove(addr);
    }

    /// Keeps a member's metadata. Returns whether there was room.
    fn keep(&mut self, addr: I::Addr, metadata: Metadata) -> bool {
        let before = self.others.get(&addr).map_or(0, |m| m.bytes().len());
        let bytes = self.bytes - before + metadata.bytes().len();
        if bytes > self.bytes_max {
            return false;
        }
        self.bytes = bytes;
        if let Some(wanted) = self.wanted.get(&addr)
            && wanted.version <= metadata.version()
        {
            self.wanted.remove(&addr);
        }
        self.others.insert(addr, metadata);
        true
    }

    /// Remembers what was said of a member that we do not know, for when it is there. What was
    /// heard first goes if that is too much; what is large is fetched then.
    fn hear_early(&mut self, mut entry: Entry<I>, teller: &I, spread: Spread) {
        let addr = entry.id.addr();
        let before = self.early.get(&addr);
        if before.is_some_and(|before| before.entry.version >= entry.version) {
            return;
        }
        if before.is_none() && self.early.len() >= EARLY_MAX {
            let first = self.early.iter().min_by_key(|(_, early)| early.number);
            if let Some(first) = first.map(|(addr, _)| addr.clone()) {
                self.early.remove(&first);
            }
        }
        let is_small = |bytes: &Vec<u8>| bytes.len() <= spread::INLINE_MAX;
        entry.bytes = entry.bytes.filter(is_small);
        self.heard_early += 1;
        let early = Early {
            entry,
            teller: teller.clone(),
            spread,
            number: self.heard_early,
        };
        self.early.insert(addr, early);
    }

    fn version_of(&self, addr: &I::Addr) -> u64 {
        self.others.get(addr).map_or(0, Metadata::version)
    }

    /// Whose version counts for which hash, as in digests of the membership.
    fn hash_of(addr: &I::Addr, version: u64) -> (usize, u32) {
        let mut hasher = SipHasher13::new();
        addr.hash(&mut hasher);
        let bucket = Self::bucket(&hasher);
        hasher.write_u64(version);
        (bucket, hasher.finish() as u32)
    }

    fn bucket_of(addr: &I::Addr) -> usize {
        let mut hasher = SipHasher13::new();
        addr.hash(&mut hasher);
        Self::bucket(&hasher)
    }

    /// Of an address that was written into this.
    fn bucket(hasher: &SipHasher13) -> usize {
        (hasher.finish() % BUCKETS as u64) as usize
    }
}

/// Of how many members that are not known yet something is remembered.
const EARLY_MAX: usize = 256;
/// How many hashes a digest of versions has.
const BUCKETS: usize = 64;
