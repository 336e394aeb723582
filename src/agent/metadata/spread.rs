//! Telling others of metadata, and hearing of it.

use alloc::vec::Vec;
use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    BUCKETS, Known, Metadata, Spread,
    entry::{self, Entry},
    fetch::Wanted,
};
use crate::{
    BroadcastHandler, Codec, Header, Locate, Message, Transport,
    agent::{
        BuildError, CommandError,
        aside::Aside,
        driver::Agent,
        envelope::{Items, Kind, METADATA_ITEM},
        inputs::earlier,
        seeds::Company,
    },
    trace::debug,
};

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// Says what we say from the start.
    pub(in crate::agent) fn begin_metadata(
        &mut self,
        bytes: Option<Vec<u8>>,
    ) -> Result<(), BuildError> {
        let Some(bytes) = bytes else {
            return Ok(());
        };
        let len = bytes.len();
        self.set_metadata(bytes)
            .map_err(|_| BuildError::TooMuchMetadata { len })
    }

    /// Changes our own.
    pub(in crate::agent) fn set_metadata(&mut self, bytes: Vec<u8>) -> Result<(), CommandError> {
        let room = match self.has_streams() {
            true => Metadata::LEN_MAX,
            false => self.inline_max(),
        };
        let len = bytes.len();
        if len > room {
            return Err(CommandError::TooBig { len, room });
        }
        let before = self.metadata.own.as_ref().map_or(0, Metadata::version);
        self.set_own(clock().max(before.saturating_add(1)), bytes);
        Ok(())
    }

    fn set_own(&mut self, version: u64, bytes: Vec<u8>) {
        let metadata = Metadata::new(version.min(entry::VERSION_MAX), bytes);
        self.lifeline.0.published().metadata = Some(metadata.clone());
        self.metadata.own = Some(metadata);
        self.spread_own();
    }

    /// Tells others of our own.
    pub(in crate::agent) fn spread_own(&mut self) {
        let id = self.engine.identity().clone();
        if let Some(own) = self.metadata.own.clone() {
            self.spread_metadata(&id, &own);
        }
    }

    fn spread_metadata(&mut self, id: &I, metadata: &Metadata) {
        if self.outputs.envelope.is_bare {
            return;
        }
        let inline_max = self.inline_max();
        let codec = self.engine.codec_mut();
        let Some(entry) = entry::encode(codec, id, metadata, inline_max) else {
            return;
        };
        let members = self.engine.num_members() + 1;
        let times = self.engine.config().transmissions.at(members);
        let aside = &mut self.outputs.aside;
        aside.add(id.addr(), METADATA_ITEM, entry, times);
    }

    /// The most bytes that travel in packets.
    fn inline_max(&self) -> usize {
        INLINE_MAX.min(self.engine.config().max_packet_size / 3)
    }

    /// When what waits is to be told unasked, or asked for again.
    pub(in crate::agent) fn metadata_deadline(&self) -> Option<Duration> {
        earlier(self.metadata.gossip_at, self.metadata.fetch_at)
    }

    /// Tells some members of what waits, if it is time.
    pub(in crate::agent) fn gossip_aside_if_due(&mut self) {
        let is_bare = self.outputs.envelope.is_bare;
        let gossip = self.engine.config().periodic_gossip;
        let gossip = gossip.filter(|_| !is_bare);
        self.outputs.has_rounds = gossip.is_some();
        let Some(gossip) =
            gossip.filter(|_| self.company() == Company::Others && !self.outputs.aside.is_empty())
        else {
            self.metadata.gossip_at = None;
            return;
        };
        let now = self.inputs.now();
        let at = *self.metadata.gossip_at.get_or_insert(now);
        if now < at {
            return;
        }
        self.metadata.gossip_at = Some(now.saturating_add(gossip.every));
        for to in self.random_members(gossip.members) {
            if let Some(hello) = self.hello(&to) {
                self.outputs.send(&to, Kind::Aside, &hello);
            }
        }
    }

    /// Says who speaks to whom.
    pub(in crate::agent) fn hello(&mut self, to: &I) -> Option<Vec<u8>> {
        let header = Header {
            src: self.engine.identity().clone(),
            src_incarnation: self.engine.incarnation(),
            dst: to.clone(),
            message: Message::Gossip,
        };
        let mut hello = Vec::new();
        let encoded = self.engine.codec_mut().encode_header(&header, &mut hello);
        encoded.ok().map(|()| hello)
    }

    /// Hears what a member said beside a packet.
    pub(in crate::agent) fn hear_items(&mut self, items: Items<'_>, teller: &I) {
        for (tag, item) in items {
            if tag == METADATA_ITEM {
                self.hear_entry(item, teller, Spread::Gossip);
            }
        }
    }

    /// What cannot be read, or comes from the future, is refused: nobody could go beyond the
    /// highest version of all.
    fn hear_entry(&mut self, entry: &[u8], teller: &I, spread: Spread) {
        let entry = entry::decode(self.engine.codec_mut(), entry);
        let Some(entry) = entry.filter(|entry| entry.version <= version_max_at(clock())) else {
            self.stats.metadata_refused += 1;
            debug!(?teller, "metadata refused");
            return;
        };
        self.hear_of(entry, teller, spread);
    }

    fn hear_of(&mut self, entry: Entry<I>, teller: &I, spread: Spread) {
        let addr = entry.id.addr();
        if addr == self.engine.identity().addr() {
            return self.hear_of_own(&entry);
        }
        if self.metadata.version_of(&addr) >= entry.version {
            return;
        }
        let Some(id) = self.engine.member(&addr).map(|m| m.id.clone()) else {
            return self.metadata.hear_early(entry, teller, spread);
        };
        let wanted = self.metadata.wanted.get_mut(&addr);
        let wanted = wanted.filter(|wanted| wanted.version >= entry.version);
        match (entry.bytes, wanted) {
            (Some(bytes), wanted) => {
                let spread = wanted.map_or(spread, |wanted| wanted.spread);
                self.take_metadata(&id, Metadata::new(entry.version, bytes), spread);
            }
            (None, Some(wanted)) => wanted.hear_again(teller),
            (None, None) => {
                let wanted = Wanted::new(id, entry.version, teller.clone(), spread);
                self.metadata.wanted.insert(addr, wanted);
            }
        }
    }

    /// A former life of ours had another, or somebody made one up: ours is the last word.
    fn hear_of_own(&mut self, entry: &Entry<I>) {
        let (version, bytes) = match &self.metadata.own {
            Some(own) => (own.version(), own.bytes().to_vec()),
            None => (0, Vec::new()),
        };
        if entry.version > version {
            self.set_own(entry.version.saturating_add(1), bytes);
        }
    }

    /// A member has another than it had.
    fn take_metadata(&mut self, id: &I, metadata: Metadata, spread: Spread) {
        let addr = id.addr();
        if !self.metadata.keep(addr.clone(), metadata.clone()) {
            self.stats.metadata_refused += 1;
            self.metadata.wanted.remove(&addr);
            return;
        }
        if spread == Spread::Gossip {
            self.spread_metadata(id, &metadata);
        }
        self.news.touch(addr);
        self.news.say_anew(id.clone());
    }

    /// A member is there: what was heard of it too early counts now. Where nobody compares, it is
    /// told ours.
    pub(in crate::agent) fn on_member_up(&mut self, id: &I) {
        if let Some(early) = self.metadata.early.remove(&id.addr()) {
            self.hear_of(early.entry, &early.teller, early.spread);
        }
        if !self.has_streams() {
            self.tell_own(id);
        }
    }

    /// Tells one member of our own.
    fn tell_own(&mut self, to: &I) {
        if self.outputs.envelope.is_bare {
            return;
        }
        let (id, inline_max) = (self.engine.identity().clone(), self.inline_max());
        let Some(own) = self.metadata.own.clone() else {
            return;
        };
        let entry = entry::encode(self.engine.codec_mut(), &id, &own, inline_max);
        if let (Some(entry), Some(hello)) = (entry, self.hello(to)) {
            let mut item = Aside::new(entry.len());
            item.add((), METADATA_ITEM, entry, 1);
            self.outputs.send_with(to, Kind::Aside, &mut item, &hello);
        }
    }

    /// A digest of all versions.
    pub(in crate::agent) fn metadata_digest(&self) -> [u32; BUCKETS] {
        let mut sums = [0_u32; BUCKETS];
        let own = self.metadata.own.as_ref();
        let own = own.map(|own| (self.engine.identity().addr(), own.version()));
        let others = self.metadata.others.iter();
        let others = others.map(|(addr, metadata)| (addr.clone(), metadata.version()));
        for (addr, version) in own.into_iter().chain(others) {
            let (bucket, hash) = Known::<I>::hash_of(&addr, version);
            if let Some(sum) = sums.get_mut(bucket) {
                *sum = sum.wrapping_add(hash);
            }
        }
        sums
    }

    /// What is known of the metadata of these buckets, our own first.
    pub(in crate::agent) fn metadata_in(&self, buckets: u64) -> Vec<(I::Addr, Metadata)> {
        let is_meant =
            |addr: &I::Addr| buckets == u64::MAX || buckets >> Known::<I>::bucket_of(addr) & 1 == 1;
        let us = self.engine.identity().addr();
        let own = self.metadata.own.as_ref().map(|own| (&us, own));
        let known = own.into_iter().chain(&self.metadata.others);
        let meant = known.filter(|(addr, _)| is_meant(addr));
        let meant = meant.map(|(addr, metadata)| (addr.clone(), metadata.clone()));
        meant.collect()
    }

    /// Puts entries down, each with a length before it, as long as there is room. Returns whether
    /// there was.
    pub(in crate::agent) fn encode_entries(
        &mut self,
        known: impl Iterator<Item = (I::Addr, Metadata)>,
        room: usize,
        to: &mut Vec<u8>,
    ) -> bool {
        let us = self.engine.identity().clone();
        for (addr, metadata) in known {
            let id = match self.engine.member(&addr) {
                Some(member) => member.id.clone(),
                None if addr == us.addr() => us.clone(),
                None => continue,
            };
            let codec = self.engine.codec_mut();
            if let Some(entry) = entry::encode(codec, &id, &metadata, INLINE_MAX) {
                if to.len() + entry.len() > room {
                    return false;
                }
                put_entry(&entry, to);
            }
        }
        true
    }

    /// Hears the first of a list of entries, each with a length before it, at most so many.
    /// Returns how many bytes of others follow; `None` if that is no list.
    pub(in crate::agent) fn hear_entries(
        &mut self,
        mut entries: &[u8],
        most: usize,
        teller: &I,
        spread: Spread,
    ) -> Option<usize> {
        for _ in 0..most {
            if entries.is_empty() {
                break;
            }
            let (entry, rest) = split_entry(entries)?;
            self.hear_entry(entry, teller, spread);
            entries = rest;
        }
        Some(entries.len())
    }
}

pub(super) fn put_entry(entry: &[u8], to: &mut Vec<u8>) {
    if let Ok(len) = u32::try_from(entry.len()) {
        to.extend_from_slice(&len.to_be_bytes());
        to.extend_from_slice(entry);
    }
}

fn split_entry(entries: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = entries.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)
}

/// How many bytes say how long an entry is.
pub(super) const ENTRY_HEAD_LEN: usize = 4;

/// The milliseconds since 1970.
fn clock() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(1, |since| since.as_millis() as u64)
}

/// The highest version that is believed at this time. A clock that was never set says nothing
/// about those of others.
fn version_max_at(clock: u64) -> u64 {
    match clock {
        ..CLOCK_MIN => entry::VERSION_MAX,
        _ => clock.saturating_add(AHEAD_MAX),
    }
}

/// Earlier than this, 2020 that is, no clock was set.
const CLOCK_MIN: u64 = 1_577_836_800_000;
/// How far the clock of a member may be ahead of ours, in milliseconds: a day.
const AHEAD_MAX: u64 = 86_400_000;
/// The most bytes of metadata that travel with their version.
pub(super) const INLINE_MAX: usize = 512;
