//! What two members that compare tell each other.

use alloc::vec::{self, Vec};
use std::collections::HashSet;

use super::{
    Scope, Stage,
    sections::{BUCKETS, MEMBERS, METADATA, METADATA_BUCKETS, Said, differing, put_section},
};
use crate::{
    BroadcastHandler, Codec, Identity, Locate, Member, State, Transport,
    agent::{Metadata, driver::Agent},
};

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// Which hashes differ from those that a member sent, if it sent any.
    pub(super) fn compare(&mut self, heard: &Said) -> (Scope, u64) {
        let Some(digest) = heard.digest() else {
            return (Scope::All, u64::MAX);
        };
        let ours = self.engine.membership_digest();
        (Scope::Differing, differing(Some(digest), &ours))
    }

    /// What there is to say to that, if anything is.
    pub(super) fn begin_to_say(&mut self, stage: &Stage<I>, heard: &Said) -> Option<Saying<I>> {
        let mut saying = Saying::default();
        match stage {
            Stage::Answering(..) => {
                let (scope, buckets) = self.compare(heard);
                let theirs = heard.metadata_digest();
                let versions = theirs.map_or(0, |_| differing(theirs, &self.metadata_digest()));
                let frame = &mut saying.frame;
                put_section(frame, BUCKETS, &buckets.to_be_bytes());
                put_section(frame, METADATA_BUCKETS, &versions.to_be_bytes());
                saying.versions = versions;
                saying.is_all_alike = buckets == 0 && versions == 0;
                saying.whom = (!saying.is_all_alike).then_some((scope, buckets));
            }
            Stage::Asked(..) if heard.buckets == 0 && heard.metadata_buckets == 0 => return None,
            Stage::Asked(_, scope) => {
                saying.versions = heard.metadata_buckets;
                saying.whom = Some((*scope, heard.buckets));
            }
            Stage::Answered(..) => saying.whom = Some((Scope::Differing, 0)),
            Stage::Told(_) | Stage::Asker | Stage::Answerer(_) => return None,
        }
        Some(saying)
    }

    /// Puts some more of it down. Returns whether that was all.
    pub(super) fn say_some_more(&mut self, saying: &mut Saying<I>, theirs: &[Member<I>]) -> bool {
        if let Some((scope, buckets)) = saying.whom {
            let some = theirs.iter().skip(saying.compared).take(COMPARED_MAX);
            let better = some.filter_map(|theirs| self.knows_better(theirs));
            saying.better.extend(better);
            saying.compared += COMPARED_MAX;
            if saying.compared >= theirs.len() {
                saying.whom = None;
                let mut members = self.whom_to_tell(scope, buckets, theirs);
                members.append(&mut saying.better);
                saying.members = Some(Part::of(members));
            }
            return false;
        }
        if let Some(members) = &mut saying.members {
            if self.encode_some(members) {
                return false;
            }
            put_section(&mut saying.frame, MEMBERS, &members.bytes);
            saying.members = None;
            return saying.versions == 0;
        }
        if saying.versions == 0 {
            return true;
        }
        let Some(metadata) = &mut saying.metadata else {
            saying.metadata = Some(Part::of(self.metadata_in(saying.versions)));
            return false;
        };
        let some = metadata.left.by_ref().take(ENTRIES_MAX);
        let has_room = self.encode_entries(some, self.sync.bytes_max, &mut metadata.bytes);
        if has_room && metadata.left.len() > 0 {
            return false;
        }
        put_section(&mut saying.frame, METADATA, &metadata.bytes);
        true
    }

    /// Whom we hold of the buckets, but for those of whom the other one told.
    fn whom_to_tell(&self, scope: Scope, buckets: u64, theirs: &[Member<I>]) -> Vec<Member<I>> {
        if buckets == 0 {
            return Vec::new();
        }
        let told: HashSet<I::Addr> = theirs.iter().map(|m| m.id.addr()).collect();
        let own = |m: Member<&I>| Member::new(m.id.clone(), m.incarnation, m.state);
        let is_new = |m: &Member<&I>| !told.contains(&m.id.addr());
        let mut members = Vec::new();
        if !told.contains(&self.engine.identity().addr()) {
            members.push(self.ourselves());
        }
        match scope {
            Scope::All => {
                members.extend(self.engine.membership_state().filter(is_new).map(own));
            }
            Scope::Differing => {
                let some = self.engine.members_in_buckets(buckets);
                members.extend(some.filter(is_new).map(own));
            }
        }
        members
    }

    /// What we know of a member of whom the other one told, if that is something else.
    fn knows_better(&self, theirs: &Member<I>) -> Option<Member<I>> {
        let addr = theirs.id.addr();
        if addr == self.engine.identity().addr() {
            return Some(self.ourselves());
        }
        let ours = self.engine.member(&addr)?;
        let is_other = *ours.id != theirs.id
            || ours.incarnation != theirs.incarnation
            || ours.state.is_active() != theirs.state.is_active();
        is_other.then(|| Member::new(ours.id.clone(), ours.incarnation, ours.state))
    }

    fn ourselves(&self) -> Member<I> {
        let (id, incarnation) = (self.engine.identity().clone(), self.engine.incarnation());
        Member::new(id, incarnation, State::Alive)
    }

    /// As many as one side may tell, and no more than take little time. Returns whether there are
    /// more.
    fn encode_some(&mut self, part: &mut Part<Member<I>>) -> bool {
        let Part { left, bytes } = part;
        for member in left.by_ref().take(SAID_AT_ONCE_MAX) {
            let start = bytes.len();
            let encoded = self.engine.codec_mut().encode_member(&member, bytes);
            let is_full = bytes.len() > self.sync.bytes_max;
            if encoded.is_err() || is_full {
                bytes.truncate(start);
            }
            if is_full {
                return false;
            }
        }
        left.len() > 0
    }
}

/// What is being put down: a little of it in each turn of the driver.
pub(super) struct Saying<I: Identity> {
    pub(super) frame: Vec<u8>,
    /// Whom to tell of, until that is known.
    whom: Option<(Scope, u64)>,
    /// How many of those of whom the other one told were looked at.
    compared: usize,
    /// Those of them of whom we know better.
    better: Vec<Member<I>>,
    members: Option<Part<Member<I>>>,
    metadata: Option<Part<(I::Addr, Metadata)>>,
    /// Of which buckets the metadata is told.
    versions: u64,
    /// Whether nothing differs, and nothing else is to be said.
    pub(super) is_all_alike: bool,
}

impl<I: Identity> Default for Saying<I> {
    fn default() -> Self {
        Self {
            frame: Vec::new(),
            whom: None,
            compared: 0,
            better: Vec::new(),
            members: None,
            metadata: None,
            versions: 0,
            is_all_alike: false,
        }
    }
}

/// One section: what was not put down yet, and what was.
struct Part<T> {
    left: vec::IntoIter<T>,
    bytes: Vec<u8>,
}

impl<T> Part<T> {
    fn of(all: Vec<T>) -> Self {
        Self {
            left: all.into_iter(),
            bytes: Vec::new(),
        }
    }
}

/// How many members of whom the other one told are looked at in a turn.
const COMPARED_MAX: usize = 4096;
/// How many members are put down in a turn: less than a millisecond's work.
const SAID_AT_ONCE_MAX: usize = 4096;
/// Of how many the metadata is.
const ENTRIES_MAX: usize = 1024;
