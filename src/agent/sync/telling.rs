//! What two members that compare tell each other.

use alloc::vec::Vec;
use std::collections::HashMap;

use super::{
    Scope,
    sections::{MEMBERS, METADATA, Said, differing, put_section},
};
use crate::{BroadcastHandler, Codec, Locate, Member, State, Transport, agent::driver::Agent};

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

    /// Puts down which versions of metadata we know of.
    pub(super) fn put_metadata(&mut self, say: &mut Vec<u8>, buckets: u64) {
        if buckets != 0 {
            let entries = self.metadata_entries(buckets, self.sync.bytes_max);
            put_section(say, METADATA, &entries);
        }
    }

    /// Puts down whom we hold of the buckets, and where we know better than the other one, of all
    /// that it told.
    pub(super) fn put_members(
        &mut self,
        say: &mut Vec<u8>,
        scope: Scope,
        buckets: u64,
        theirs: &[Member<I>],
    ) {
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
            let is_full = bytes.len() > self.sync.bytes_max;
            if encoded.is_err() || is_full {
                bytes.truncate(start);
            }
            if is_full {
                break;
            }
        }
        bytes
    }
}
