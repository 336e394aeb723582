//! Comparing what two members hold of the membership: gossip leaves a few pairs of members unaware
//! of each other, and nothing else would find them soon.
//!
//! A member's hash is that of its bytes on the wire, as an Alive one: the same everywhere. Hashes
//! are summed up in buckets, so that one that comes or goes is added or taken away. Of what is
//! compared, ourselves are a part: both sides then mean the same members.

use alloc::vec::Vec;
use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::{Connection, Engine, entry::Slot};
use crate::{
    BroadcastHandler, Codec, Identity, Incarnation, Member, Message, Runtime, State, Timer,
    TimerToken, message::DIGEST_BUCKETS,
};

/// How many members at most are looked at to answer a digest. In larger clusters one answer tells
/// a random part of what differs.
const LOOKED_AT_MAX: usize = 4096;

/// How many probes bring a digest along after a member came: others that came with it may be
/// unknown to us, and we to them.
const DUE_AFTER_NEWS: u8 = 3;

/// A digest on the wire.
pub(super) type DigestBytes = [u8; 4 * DIGEST_BUCKETS];

/// The hashes of all active members, without ourselves.
pub(super) struct Digest {
    sums: [u32; DIGEST_BUCKETS],
    /// Whether they are right. Until somebody wants to compare, nothing is computed.
    is_kept: bool,
    /// How many of the next probes bring a digest along.
    due: u8,
}

impl Digest {
    pub(super) fn new(is_kept: bool) -> Self {
        Self {
            sums: [0; DIGEST_BUCKETS],
            is_kept,
            due: 0,
        }
    }

    /// A member came.
    pub(super) fn expect_more(&mut self) {
        self.due = DUE_AFTER_NEWS;
    }
}

/// Some buckets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Buckets(u64);

impl Buckets {
    pub(super) const ALL: Self = Self(u64::MAX);
    const NONE: Self = Self(0);

    /// Those in which two digests differ.
    fn differing(ours: &[u32; DIGEST_BUCKETS], theirs: &DigestBytes) -> Self {
        let (theirs, _) = theirs.as_chunks();
        let pairs = ours.iter().zip(theirs).enumerate();
        let bits = pairs.map(|(bucket, (ours, theirs))| {
            u64::from(*ours != u32::from_be_bytes(*theirs)) << bucket
        });
        Self(bits.fold(0, |all, bit| all | bit))
    }

    pub(super) fn contains(self, bucket: u8) -> bool {
        self.0 >> (bucket % DIGEST_BUCKETS as u8) & 1 == 1
    }
}

/// A member's hash, and its share of a digest.
pub(super) struct MemberHash(pub(super) u64);

impl MemberHash {
    fn of(encoded: &[u8]) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write(encoded);
        Self(hasher.finish())
    }

    fn bucket(&self) -> u8 {
        (self.0 >> (u64::BITS - DIGEST_BUCKETS.ilog2())) as u8
    }

    fn value(&self) -> u32 {
        self.0 as u32
    }
}

/// `None` for a member that the codec cannot write: nobody can be told of it.
pub(super) fn hash_member<I, C: Codec<I>>(
    codec: &mut C,
    scratch: &mut Vec<u8>,
    id: I,
    incarnation: Incarnation,
) -> Option<MemberHash> {
    scratch.clear();
    let member = Member::new(id, incarnation, State::Alive);
    codec.encode_member(&member, scratch).ok()?;
    Some(MemberHash::of(scratch))
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// An entry is new, or has changed: if it is active, it counts.
    pub(super) fn count_in(&mut self, slot: Slot) {
        if let Some(hash) = self.counted(slot) {
            let bucket = hash.bucket();
            let sum = &mut self.digest.sums[usize::from(bucket)];
            *sum = sum.wrapping_add(hash.value());
            self.table.get_mut(slot).bucket = bucket;
        }
    }

    /// An entry is about to change, or to go: what it counted for is taken away.
    pub(super) fn count_out(&mut self, slot: Slot) {
        if let Some(hash) = self.counted(slot) {
            let sum = &mut self.digest.sums[usize::from(hash.bucket())];
            *sum = sum.wrapping_sub(hash.value());
        }
    }

    fn counted(&mut self, slot: Slot) -> Option<MemberHash> {
        let entry = self.table.get(slot);
        if !self.digest.is_kept || !entry.held().is_active() {
            return None;
        }
        let (id, incarnation) = (entry.id.clone(), entry.incarnation);
        hash_member(&mut self.codec, &mut self.scratch, id, incarnation)
    }

    /// Keeps the hashes from now on, if it did not yet.
    fn keep_digest(&mut self) {
        if self.digest.is_kept {
            return;
        }
        self.digest.is_kept = true;
        self.digest.sums = [0; DIGEST_BUCKETS];
        for place in 0..self.table.num_active() {
            self.count_in(self.table.active_at(place));
        }
    }

    /// Keeps the hashes, or not, as the settings say.
    pub(super) fn reset_digest(&mut self) {
        match self.config.digest {
            Some(_) => self.keep_digest(),
            None => self.digest.is_kept = false,
        }
    }

    /// The hashes of all active members and ourselves.
    fn digest(&mut self) -> [u32; DIGEST_BUCKETS] {
        self.keep_digest();
        let mut sums = self.digest.sums;
        let (id, incarnation) = (self.identity.clone(), self.incarnation);
        if let Some(hash) = hash_member(&mut self.codec, &mut self.scratch, id, incarnation) {
            let sum = &mut sums[usize::from(hash.bucket())];
            *sum = sum.wrapping_add(hash.value());
        }
        sums
    }

    /// What is held of the active members, ourselves included, as 64 hashes: equal at members that
    /// hold the same. Walks through all members the first time, if
    /// [digests](crate::Config::digest) are off.
    pub fn membership_digest(&mut self) -> [u32; DIGEST_BUCKETS] {
        self.digest()
    }

    /// The active members, without ourselves, that count for those hashes of a
    /// [digest](Self::membership_digest) whose bit is set: the lowest bit is that of the first.
    pub fn members_in_buckets(&self, buckets: u64) -> impl Iterator<Item = Member<&I>> {
        let buckets = match self.digest.is_kept {
            true => Buckets(buckets),
            // Nobody knows who is in which.
            false => Buckets::ALL,
        };
        self.table
            .active()
            .filter(move |entry| buckets.contains(entry.bucket))
            .map(|entry| entry.member())
    }

    /// Submits the timer if it does not run: at a random moment within its time, so that members
    /// that started together do not compare together.
    pub(super) fn start_digests<R: Runtime<I>>(&mut self, runtime: &mut R) {
        if let Some(task) = self.config.digest
            && let Some(token) = self.tasks.digest.set()
        {
            let after = task.every.mul_f64(self.rng.f64().clamp(0.0, 1.0));
            runtime.submit_after(Timer::Digest { token }, after);
        }
    }

    pub(super) fn on_digest_timer<R: Runtime<I>>(&mut self, token: TimerToken, runtime: &mut R) {
        if !self.tasks.digest.goes_off(token) || self.connection != Connection::Connected {
            return;
        }
        let Some(task) = self.config.digest else {
            return;
        };
        let digest = self.digest();
        let mut draw = self.table.preferring(&mut self.rng);
        for _ in 0..task.members {
            let slot = self.table.prefer(&mut draw, |id| runtime.is_near(id));
            let Some(slot) = slot else {
                break;
            };
            let to = self.table.get(slot).id.clone();
            self.send_digest(&to, &digest, runtime);
        }
        if let Some(token) = self.tasks.digest.set() {
            runtime.submit_after(Timer::Digest { token }, task.every);
        }
    }

    /// Lets a member that is being probed compare, too, if we hold what is new.
    pub(super) fn compare_with_probed<R: Runtime<I>>(&mut self, target: &I, runtime: &mut R) {
        if self.config.digest.is_none() || self.digest.due == 0 {
            return;
        }
        self.digest.due -= 1;
        let digest = self.digest();
        self.send_digest(target, &digest, runtime);
    }

    fn send_digest<R: Runtime<I>>(
        &mut self,
        to: &I,
        digest: &[u32; DIGEST_BUCKETS],
        runtime: &mut R,
    ) {
        let composed = self
            .put_header(to, Message::Digest)
            .and_then(|()| self.put_digest(digest));
        if composed.is_ok() && self.buf.len() <= runtime.room(to) {
            self.counters.digests_sent += 1;
            self.transmit(to, runtime);
        }
    }

    /// Somebody holds this of the membership: tells it of members that it may not know, as many as
    /// one packet holds. That it may know others that we do not is left to our own digests.
    pub(super) fn on_digest<R: Runtime<I>>(
        &mut self,
        sender: &I,
        theirs: &DigestBytes,
        runtime: &mut R,
    ) {
        let differing = Buckets::differing(&self.digest(), theirs);
        if differing == Buckets::NONE {
            return;
        }
        self.counters.digests_differed += 1;
        self.answer_digest(sender, differing, runtime);
    }

    fn answer_digest<R: Runtime<I>>(&mut self, to: &I, differing: Buckets, runtime: &mut R) {
        let room = runtime.room(to).min(self.config.max_packet_size);
        if self.put_header(to, Message::Gossip).is_err() {
            return;
        }
        let count_at = self.buf.len();
        self.buf.extend_from_slice(&[0, 0]);
        let lead = self.put_lead(to, &Message::Gossip, room);
        let draw = self.table.drawing(&mut self.rng).at_most(LOOKED_AT_MAX);
        let count = self.put_drawn(to, room, draw, differing);
        if count > 0 {
            let count = ((lead + count) as u16).to_be_bytes();
            self.buf[count_at..count_at + 2].copy_from_slice(&count);
            self.counters.digests_answered += 1;
            self.transmit(to, runtime);
        }
    }
}
