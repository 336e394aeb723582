//! Memberships that come in other ways than by datagrams.

use super::{Engine, Result, body::incoming_max, lookup::LOOKUPS_MAX, updates::Spread};
use crate::{BroadcastHandler, Codec, Identity, Member, Runtime};

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// Applies memberships from elsewhere: of another engine, or of a file. They are not gossiped
    /// on: whoever gave them knows them. What they say about ourselves is ignored.
    ///
    /// To join through well-known peers, hand them in as [down](Member::down): they are announced
    /// to until they answer, if
    /// [`periodic_announce_to_down_members`](crate::Config::periodic_announce_to_down_members)
    /// is on.
    pub fn apply_many<R: Runtime<I>>(
        &mut self,
        members: impl IntoIterator<Item = Member<I>>,
        runtime: &mut R,
    ) {
        self.apply_all(members, None, runtime);
    }

    /// As [`apply_many`](Self::apply_many), for memberships that a member told us of in another
    /// way than by a datagram: [`Runtime::admit`] is asked about newcomers, and what the member
    /// says of itself counts as its own word.
    pub fn apply_many_from<R: Runtime<I>>(
        &mut self,
        members: impl IntoIterator<Item = Member<I>>,
        teller: &I,
        runtime: &mut R,
    ) {
        self.apply_all(members, Some(teller), runtime);
    }

    /// Declares an active member failed, as if it had been suspected for long enough, and spreads
    /// that. A member that lives refutes it as it would any such claim: it comes back. Returns
    /// whether it was active, under this very identity; if not, nothing changes.
    ///
    /// # Errors
    ///
    /// [`Error::Undead`](crate::Error::Undead) after leaving or being declared down.
    pub fn declare_down<R: Runtime<I>>(&mut self, id: &I, runtime: &mut R) -> Result<bool, I, C> {
        self.refuse_if_undead()?;
        let Some(member) = self.member(&id.addr()).filter(|member| member.id == id) else {
            return Ok(false);
        };
        if !member.state.is_active() {
            return Ok(false);
        }
        let update = Member::down(id.clone(), member.incarnation);
        self.apply(update, None, runtime);
        self.arm_gossip(runtime);
        Ok(true)
    }

    fn apply_all<R: Runtime<I>>(
        &mut self,
        members: impl IntoIterator<Item = Member<I>>,
        teller: Option<&I>,
        runtime: &mut R,
    ) {
        if self.is_undead() {
            return;
        }
        let members = members.into_iter();
        let room = self
            .config
            .max_members
            .saturating_sub(self.table.num_active());
        let known = self.table.num_active() + self.table.num_down();
        let newcomers = members.size_hint().0.saturating_sub(known);
        self.table.reserve(newcomers.min(room));
        let mut members = members.fuse();
        let num = incoming_max::<I>().min(LOOKUPS_MAX);
        loop {
            let mut some = core::mem::take(&mut self.incoming);
            some.clear();
            // The room is kept, and is not to be twice what is needed.
            some.reserve_exact(members.size_hint().0.min(num));
            some.extend(members.by_ref().take(num));
            let is_last = some.is_empty();
            self.for_each_found(some, |engine, member, lookup| {
                let is_other = member.id.addr() != engine.identity.addr();
                if is_other && !engine.former.contains(&member.id) {
                    engine.apply_update(member, lookup, teller, Spread::Nothing, runtime);
                }
            });
            if is_last {
                break;
            }
        }
        self.arm_gossip(runtime);
    }
}
