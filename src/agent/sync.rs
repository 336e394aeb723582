//! State sync: two members compare what they hold over a stream, and tell each other only what
//! differs, the dead included.
//!
//! ```text
//!   asker                                   answerer
//!     | digest, or that it wants to know all  |
//!     |-------------------------------------->|
//!     |  which hashes differ, whom it holds   |
//!     |<--------------------------------------|
//!     | whom the answerer missed, or wronged  |
//!     |-------------------------------------->|
//!     |             whom the asker wronged    |
//!     |<--------------------------------------|
//! ```

use alloc::{
    boxed::Box,
    sync::{Arc, Weak},
    vec::Vec,
};
use core::time::Duration;
use std::{collections::HashMap, io};

use fastrand::Rng;

use super::{
    Limits,
    driver::Agent,
    seeds::Company,
    streams::{self, Conversation, Dial, Next, Opening, StreamKind},
};
use crate::{BroadcastHandler, Codec, Locate, Member, State, Transport, trace::debug};

/// When to compare, and with how many at a time.
pub(super) struct Syncing<I> {
    period: Option<Duration>,
    bytes_max: usize,
    rng: Rng,
    next_at: Option<Duration>,
    /// Nobody told us all yet since we were alone.
    pub(super) wants_all: bool,
    /// Who spoke to us last, for as long as that is so: it is there, and knows us.
    pub(super) last_heard: Option<I>,
    failures: u32,
    is_asking: bool,
    /// Whom we answer.
    answering: Vec<(I, Weak<()>)>,
}

/// How far two members are.
pub(super) enum Stage<I> {
    /// We asked a member.
    Asked(I, Scope),
    /// We told it what it does not know.
    Told(I),
    /// It told us where we were wrong.
    Asker,
    /// A member asks us.
    Answering(I, Turn),
    /// We answered.
    Answered(I, Turn),
    /// We told it where it was wrong.
    Answerer(Turn),
}

/// Whom to compare.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those whose hashes differ.
    Differing,
    /// All, down ones included.
    All,
}

/// One of the few conversations in which we answer.
pub(super) struct Turn(#[expect(dead_code, reason = "counted")] Arc<()>);

impl<I> Syncing<I> {
    pub(super) fn new(period: Option<Duration>, limits: &Limits, rng_seed: u64) -> Self {
        Self {
            period: period.map(within_bounds),
            bytes_max: limits.sync_bytes.min(SAID_MAX),
            rng: Rng::with_seed(rng_seed),
            next_at: None,
            wants_all: true,
            last_heard: None,
            failures: 0,
            is_asking: false,
            answering: Vec::new(),
        }
    }

    pub(super) fn set_period(&mut self, period: Option<Duration>) {
        self.period = period.map(within_bounds);
        // The next time follows from it.
        self.next_at = None;
    }

    pub(super) fn set_limits(&mut self, limits: &Limits) {
        self.bytes_max = limits.sync_bytes.min(SAID_MAX);
    }

    /// When the next member is to be asked.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.next_at.filter(|_| !self.is_asking)
    }

    /// One for each peer.
    fn take_turn(&mut self, peer: &I) -> Option<Turn>
    where
        I: Clone + PartialEq,
    {
        self.answering.retain(|(_, turn)| turn.strong_count() > 0);
        let has_one = self.answering.iter().any(|(other, _)| other == peer);
        if has_one || self.answering.len() >= ANSWERING_MAX {
            return None;
        }
        let turn = Arc::new(());
        self.answering.push((peer.clone(), Arc::downgrade(&turn)));
        Some(Turn(turn))
    }

    fn is_over(&mut self, succeeded: bool, now: Duration) {
        self.is_asking = false;
        let Some(period) = self.period else {
            return;
        };
        self.wants_all &= !succeeded;
        self.failures = if succeeded { 0 } else { self.failures + 1 };
        let pause = if self.wants_all {
            let doublings = self.failures.min(16);
            RETRY_MIN.saturating_mul(1 << doublings).min(period)
        } else {
            period
        };
        self.next_at = Some(now.saturating_add(self.jittered(pause)));
    }

    /// Give or take a quarter.
    fn jittered(&mut self, pause: Duration) -> Duration {
        pause.mul_f64(0.75 + self.rng.f64().clamp(0.0, 1.0) / 2.0)
    }
}

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// Asks a member, if it is time: at once when there is somebody at last.
    pub(super) fn sync_if_due(&mut self) {
        if self.sync.period.is_none() || self.outputs.envelope.is_bare {
            self.sync.next_at = None;
            return;
        }
        if self.company() != Company::Others {
            self.sync.wants_all = true;
            self.sync.failures = 0;
            self.sync.next_at = None;
            return;
        }
        let now = self.inputs.now();
        let at = *self.sync.next_at.get_or_insert(now);
        if now < at || self.sync.is_asking {
            return;
        }
        if !self.has_streams() {
            // Nobody to compare with: what we say of ourselves is all that we can tell again.
            self.spread_own();
            self.sync.is_over(true, now);
            return;
        }
        self.sync.is_asking = true;
        if !self.ask_somebody() {
            self.stats.syncs_failed += 1;
            self.sync.is_over(false, now);
        }
    }

    fn ask_somebody(&mut self) -> bool {
        let Some(peer) = self.whom_to_ask() else {
            return false;
        };
        let Some(preface) = self.preface(StreamKind::Sync, &peer) else {
            return false;
        };
        let mut request = Vec::new();
        let scope = match self.sync.wants_all {
            true => Scope::All,
            false => Scope::Differing,
        };
        match scope {
            Scope::All => put_section(&mut request, ALL, &[]),
            Scope::Differing => {
                let digest = self.engine.membership_digest();
                put_digest(&mut request, DIGEST, &digest);
            }
        }
        put_digest(&mut request, METADATA_DIGEST, &self.metadata_digest());
        let len = request.len() as u64;
        let dial = Dial {
            to: peer.socket_addr(),
            preface,
            check: Box::new(self.answers_as(&peer)),
        };
        let has_place = self.inputs.streams.open(Opening {
            dial,
            frames: [request].into(),
            next: Next::Read(BYTES_MAX, streams::Stage::Sync(Stage::Asked(peer, scope))),
        });
        self.stats.sync_bytes_out += if has_place { len } else { 0 };
        has_place
    }

    /// A random member, or who let us in.
    fn whom_to_ask(&mut self) -> Option<I> {
        let heard = self.sync.last_heard.take();
        let heard = heard.filter(|heard| self.is_active(heard));
        heard.or_else(|| self.random_member())
    }

    pub(super) fn random_member(&mut self) -> Option<I> {
        self.random_members(1).pop()
    }

    /// So many different members, or all that there are: some that stand beside each other.
    pub(super) fn random_members(&mut self, count: usize) -> Vec<I> {
        let others = self.engine.num_members();
        let place = self.sync.rng.usize(..others.max(1));
        let behind = self.engine.members().skip(place);
        let around = behind.chain(self.engine.members().take(place));
        around.take(count).map(|m| m.id.clone()).collect()
    }

    /// A member wants to compare.
    pub(super) fn await_sync(&mut self, peer: I, conversation: Conversation<T::Stream>) {
        let Some(turn) = self.sync.take_turn(&peer) else {
            self.stats.streams_refused += 1;
            return;
        };
        let stage = streams::Stage::Sync(Stage::Answering(peer, turn));
        let next = Next::Read(REQUEST_MAX, stage);
        self.inputs.streams.converse(conversation, Vec::new(), next);
    }

    /// The other one said something.
    pub(super) fn on_sync_frame(
        &mut self,
        stage: Stage<I>,
        frame: &[u8],
        conversation: Conversation<T::Stream>,
    ) {
        self.stats.sync_bytes_in += frame.len() as u64;
        let heard = read_sections(frame).and_then(|sections| {
            let members = self.decode_members(sections.members)?;
            Some((sections, members))
        });
        let Some((sections, theirs)) = heard else {
            self.on_sync_ended(&stage, Err(io::ErrorKind::InvalidData.into()));
            return;
        };
        let (Stage::Asked(peer, _)
        | Stage::Told(peer)
        | Stage::Answered(peer, _)
        | Stage::Answering(peer, _)) = &stage
        else {
            return;
        };
        if !theirs.is_empty() {
            self.outputs.now = self.inputs.now();
            self.outputs.source = Some(conversation.source.clone());
            self.engine
                .apply_many_from(theirs.iter().cloned(), peer, &mut self.outputs);
            self.outputs.source = None;
        }
        if !self.hear_entries(sections.metadata, &peer.clone()) {
            self.on_sync_ended(&stage, Err(io::ErrorKind::InvalidData.into()));
            return;
        }
        let (say, next) = self.answer_sync(stage, &sections, &theirs);
        let next = match next {
            // The other one has closed it: nothing is left to be said.
            Stage::Asker => return self.on_sync_ended(&next, Ok(())),
            Stage::Answerer(_) => Next::Close(next),
            next => Next::Read(BYTES_MAX, next),
        };
        let next = next.map(streams::Stage::Sync);
        self.stats.sync_bytes_out += say.as_ref().map_or(0, |say| say.len() as u64);
        let frames = say.into_iter().collect();
        self.inputs.streams.converse(conversation, frames, next);
    }

    /// What to say to that, and what then.
    fn answer_sync(
        &mut self,
        stage: Stage<I>,
        heard: &Sections<'_>,
        theirs: &[Member<I>],
    ) -> (Option<Vec<u8>>, Stage<I>) {
        let mut say = Vec::new();
        match stage {
            Stage::Answering(peer, turn) => {
                let (scope, buckets) = self.compare(heard);
                let versions = differing(heard.metadata_digest, &self.metadata_digest());
                put_section(&mut say, BUCKETS, &buckets.to_be_bytes());
                put_section(&mut say, METADATA_BUCKETS, &versions.to_be_bytes());
                if buckets == 0 && versions == 0 {
                    return (Some(say), Stage::Answerer(turn));
                }
                self.put_members(&mut say, scope, buckets, &[]);
                self.put_metadata(&mut say, versions);
                (Some(say), Stage::Answered(peer, turn))
            }
            Stage::Asked(..) if heard.buckets == 0 && heard.metadata_buckets == 0 => {
                (None, Stage::Asker)
            }
            Stage::Asked(peer, scope) => {
                self.put_members(&mut say, scope, heard.buckets, theirs);
                self.put_metadata(&mut say, heard.metadata_buckets);
                (Some(say), Stage::Told(peer))
            }
            Stage::Answered(_, turn) => {
                self.put_members(&mut say, Scope::Differing, 0, theirs);
                self.stats.syncs_answered += 1;
                (Some(say), Stage::Answerer(turn))
            }
            Stage::Told(_) | Stage::Asker => (None, Stage::Asker),
            Stage::Answerer(turn) => (None, Stage::Answerer(turn)),
        }
    }

    /// Which hashes differ from those that a member sent, if it sent any.
    fn compare(&mut self, heard: &Sections<'_>) -> (Scope, u64) {
        let Some(digest) = heard.digest else {
            return (Scope::All, u64::MAX);
        };
        let ours = self.engine.membership_digest();
        (Scope::Differing, differing(Some(digest), &ours))
    }

    /// Puts down which versions of metadata we know of.
    fn put_metadata(&mut self, say: &mut Vec<u8>, buckets: u64) {
        if buckets != 0 {
            let entries = self.metadata_entries(buckets, self.sync.bytes_max);
            put_section(say, METADATA, &entries);
        }
    }

    /// Puts down whom we hold of the buckets, and where we know better than the other one, of all
    /// that it told.
    fn put_members(&mut self, say: &mut Vec<u8>, scope: Scope, buckets: u64, theirs: &[Member<I>]) {
        let told: HashMap<I::Addr, &Member<I>> = theirs.iter().map(|m| (m.id.addr(), m)).collect();
        let (id, incarnation) = (self.engine.identity().clone(), self.engine.incarnation());
        let mut members: Vec<Member<I>> = Vec::new();
        if buckets != 0 || told.contains_key(&id.addr()) {
            members.push(Member::new(id, incarnation, State::Alive));
        }
        let own = |m: Member<&I>| Member::new(m.id.clone(), m.incarnation, m.state);
        let is_new = |m: &Member<&I>| !told.contains_key(&m.id.addr());
        match scope {
            _ if buckets == 0 => {}
            Scope::All => {
                members.extend(self.engine.membership_state().filter(is_new).map(own));
            }
            Scope::Differing => {
                let some = self.engine.members_in_buckets(buckets);
                members.extend(some.filter(is_new).map(own));
            }
        }
        members.extend(told.iter().filter_map(|(addr, theirs)| {
            let ours = self.engine.member(addr)?;
            let is_other = *ours.id != theirs.id
                || ours.incarnation != theirs.incarnation
                || ours.state.is_active() != theirs.state.is_active();
            is_other.then(|| own(ours))
        }));
        let section = self.encode_members(&members);
        put_section(say, MEMBERS, &section);
    }

    /// As many as one side may tell.
    fn encode_members(&mut self, members: &[Member<I>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for member in members {
            let start = bytes.len();
            let encoded = self.engine.codec_mut().encode_member(member, &mut bytes);
            if encoded.is_err() || bytes.len() > self.sync.bytes_max {
                bytes.truncate(start);
            }
            if bytes.len() >= self.sync.bytes_max {
                break;
            }
        }
        bytes
    }

    fn decode_members(&mut self, mut bytes: &[u8]) -> Option<Vec<Member<I>>> {
        let config = self.engine.config();
        // Ourselves, too. There is no room for more, and it would take its time.
        let others = config.max_members.saturating_add(config.max_down_members);
        let max = others.saturating_add(1);
        let mut members = Vec::new();
        while !bytes.is_empty() && members.len() < max {
            let before = bytes.len();
            members.push(self.engine.codec_mut().decode_member(&mut bytes).ok()?);
            if bytes.len() >= before {
                return None;
            }
        }
        Some(members)
    }

    pub(super) fn on_sync_ended(&mut self, stage: &Stage<I>, result: io::Result<()>) {
        let is_asker = matches!(stage, Stage::Asked(..) | Stage::Told(_) | Stage::Asker);
        if let Err(error) = &result {
            debug!(%error, is_asker, "comparing failed");
            self.stats.syncs_failed += 1;
        }
        if is_asker {
            self.stats.syncs += u64::from(result.is_ok());
            self.sync.is_over(result.is_ok(), self.inputs.now());
        }
    }
}

fn within_bounds(period: Duration) -> Duration {
    period.clamp(PERIOD_MIN, PERIOD_MAX)
}

/// What is said at a time: parts, each with a tag and a length.
#[derive(Default)]
struct Sections<'a> {
    digest: Option<&'a [u8]>,
    buckets: u64,
    members: &'a [u8],
    metadata_digest: Option<&'a [u8]>,
    metadata_buckets: u64,
    metadata: &'a [u8],
}

/// Which of the hashes differ. If none came, none do.
fn differing(theirs: Option<&[u8]>, ours: &[u32; 64]) -> u64 {
    let (theirs, _) = theirs.unwrap_or_default().as_chunks();
    let pairs = ours.iter().zip(theirs).enumerate();
    pairs.fold(0, |all, (bucket, (ours, theirs))| {
        all | u64::from(*ours != u32::from_be_bytes(*theirs)) << bucket
    })
}

fn put_digest(say: &mut Vec<u8>, tag: u8, digest: &[u32; 64]) {
    let digest: Vec<u8> = digest.iter().flat_map(|sum| sum.to_be_bytes()).collect();
    put_section(say, tag, &digest);
}

fn put_section(say: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    // What is put is bounded far below that.
    let len = u32::try_from(bytes.len()).unwrap_or_default();
    say.push(tag);
    say.extend_from_slice(&len.to_be_bytes());
    say.extend_from_slice(bytes);
}

/// `None` if they are malformed. Unknown ones are read past.
fn read_sections(mut frame: &[u8]) -> Option<Sections<'_>> {
    let mut sections = Sections::default();
    while let Some((&tag, rest)) = frame.split_first() {
        let (len, rest) = rest.split_first_chunk()?;
        let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
        let (bytes, rest) = rest.split_at_checked(len)?;
        match tag {
            DIGEST => sections.digest = Some(bytes),
            BUCKETS => sections.buckets = u64::from_be_bytes(bytes.try_into().ok()?),
            MEMBERS => sections.members = bytes,
            METADATA_DIGEST => sections.metadata_digest = Some(bytes),
            METADATA_BUCKETS => {
                sections.metadata_buckets = u64::from_be_bytes(bytes.try_into().ok()?);
            }
            METADATA => sections.metadata = bytes,
            _ => {}
        }
        frame = rest;
    }
    Some(sections)
}

const DIGEST: u8 = 1;
const ALL: u8 = 2;
const BUCKETS: u8 = 3;
const MEMBERS: u8 = 4;
const METADATA_DIGEST: u8 = 5;
const METADATA_BUCKETS: u8 = 6;
const METADATA: u8 = 7;

/// How often a member compares, unless the builder is told otherwise.
pub(super) const PERIOD: Duration = Duration::from_secs(60);
const PERIOD_MIN: Duration = Duration::from_millis(100);
const PERIOD_MAX: Duration = Duration::from_secs(365 * 86_400);
/// After how long the next member is asked for all, if one did not answer: twice as long each time.
const RETRY_MIN: Duration = Duration::from_millis(250);
/// The most bytes that are read of one side at a time.
const BYTES_MAX: usize = 16 << 20;
/// The most bytes of members that are said at a time, and of metadata: both in one frame, with some
/// room for what is around them.
const SAID_MAX: usize = BYTES_MAX / 2 - (64 << 10);
/// The most bytes of a request.
const REQUEST_MAX: usize = 4096;
/// How many members are answered at a time. The others ask somebody else.
const ANSWERING_MAX: usize = 8;
