//! What others say about ourselves, and what we become of it.

use alloc::vec::Vec;

use super::{Aftermath, Connection, Engine, ItemId, Result, Subject, Teller, Undead};
use crate::{
    BroadcastHandler, Codec, Error, Identity, Incarnation, Member, Message, Notice, Runtime, State,
};

/// The last identities that we gave up. They are never members.
pub(super) struct FormerIdentities<I> {
    ring: Vec<Former<I>>,
    next: usize,
}

struct Former<I> {
    id: I,
    /// What waits to be sent about it.
    item: Option<ItemId>,
}

/// How many of them are remembered.
const FORMER_MAX: usize = 16;

impl<I: Identity> FormerIdentities<I> {
    pub(super) fn new() -> Self {
        Self {
            ring: Vec::new(),
            next: 0,
        }
    }

    pub(super) fn contains(&self, id: &I) -> bool {
        self.ring.iter().any(|former| former.id == *id)
    }

    /// Nothing waits to be sent any more about the one at this place.
    pub(super) fn spend(&mut self, place: usize) {
        if let Some(former) = self.ring.get_mut(place) {
            former.item = None;
        }
    }

    /// The place that the next one takes, and what still waits to be sent about the one that had
    /// it.
    fn make_room(&mut self) -> (usize, Option<ItemId>) {
        let place = self.next % FORMER_MAX;
        self.next = place + 1;
        let before = self.ring.get_mut(place);
        (place, before.and_then(|former| former.item.take()))
    }

    fn put(&mut self, place: usize, former: Former<I>) {
        match self.ring.get_mut(place) {
            Some(before) => *before = former,
            None => self.ring.push(former),
        }
    }
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// Takes another identity, and gossips that. Others hear that the former one is down, and of
    /// the new one.
    ///
    /// Also brings back an engine that left or was declared down. If the address is the same, the
    /// new identity must win the conflict, or nobody will believe it.
    ///
    /// # Errors
    ///
    /// [`Error::SameIdentity`]; [`Error::NamelessIdentity`]; [`Error::Encode`] or
    /// [`Error::TooBigToSend`]: the present identity stays.
    pub fn change_identity<R: Runtime<I>>(
        &mut self,
        identity: I,
        runtime: &mut R,
    ) -> Result<(), I, C> {
        if identity == self.identity {
            return Err(Error::SameIdentity);
        }
        self.check_identity(&identity)?;
        self.adopt(identity, runtime);
        self.gossip_to(self.config.num_indirect_probes, runtime);
        Ok(())
    }

    /// Comes back, after leaving or being declared down, under the same identity.
    ///
    /// Others take it as long as they do not remember that it is down: see
    /// [`remove_down_after`](crate::Config::remove_down_after).
    ///
    /// # Errors
    ///
    /// [`Error::NotUndead`].
    pub fn reuse_down_identity<R: Runtime<I>>(&mut self, runtime: &mut R) -> Result<(), I, C> {
        if !self.is_undead() {
            return Err(Error::NotUndead);
        }
        self.drop_own_item();
        self.reconnect(runtime);
        Ok(())
    }

    /// Somebody says something about our present identity.
    pub(super) fn apply_about_ourselves<R: Runtime<I>>(
        &mut self,
        update: &Member<I>,
        teller: &Teller<'_, I>,
        aftermath: &mut Aftermath,
        runtime: &mut R,
    ) {
        let is_stale = update.incarnation < self.incarnation;
        match (update.state, update.incarnation.next()) {
            (State::Suspect | State::Down | State::Left, _) if aftermath.is_renewed => {
                self.counters.claims_ignored += 1;
            }
            (State::Suspect | State::Down | State::Left, _) if is_stale => {
                aftermath.heard_stale_claim = true;
            }
            (State::Suspect, Some(next)) => {
                aftermath.news_about_ourselves = true;
                self.refute(next);
            }
            // With no incarnation left to refute with, a Suspect is as final as a Down.
            (State::Suspect | State::Down | State::Left, _) if !teller.has_say => {
                self.counters.claims_ignored += 1;
            }
            (State::Suspect, None) => {
                aftermath.news_about_ourselves = true;
                aftermath.is_renewed = true;
                self.renew_or_give_up(None, runtime);
            }
            (State::Down | State::Left, _) => {
                aftermath.news_about_ourselves = true;
                aftermath.is_renewed = true;
                self.declared_down(teller.id, runtime);
            }
            (State::Alive | State::Unknown(_), _) => {}
        }
    }

    /// Somebody else has our address, it is said.
    pub(super) fn apply_conflict<R: Runtime<I>>(
        &mut self,
        update: &Member<I>,
        teller: &Teller<'_, I>,
        aftermath: &mut Aftermath,
        runtime: &mut R,
    ) {
        if !update.id.win_addr_conflict(&self.identity) {
            // A former life of ours, as a rule.
            self.counters.updates_stale += 1;
            return;
        }
        if aftermath.is_renewed {
            self.counters.claims_ignored += 1;
            return;
        }
        runtime.notify(Notice::AddrConflict {
            ours: &self.identity,
            theirs: &update.id,
        });
        if !teller.has_say {
            self.counters.claims_ignored += 1;
            return;
        }
        aftermath.news_about_ourselves = true;
        let is_active = update.state.is_active();
        if is_active && self.was_superseded {
            self.become_defunct(runtime);
            return;
        }
        self.was_superseded |= is_active;
        aftermath.is_renewed = true;
        self.renew_or_give_up(Some(&update.id), runtime);
    }

    fn refute(&mut self, incarnation: Incarnation) {
        self.incarnation = incarnation;
        self.counters.refutations += 1;
        self.health.worsen();
        self.spread_ourselves(State::Alive);
    }

    /// `teller` holds us down.
    pub(super) fn declared_down<R: Runtime<I>>(&mut self, teller: &I, runtime: &mut R) {
        self.renew_or_give_up(None, runtime);
        if !self.is_undead() {
            self.introduce_renewed(teller, runtime);
        }
    }

    /// Shows our renewed identity to somebody who held the former one down.
    pub(super) fn introduce_renewed<R: Runtime<I>>(&mut self, teller: &I, runtime: &mut R) {
        let holds_down = |entry: &super::entry::Entry<I>| !entry.held().is_active();
        let known = self
            .table
            .find(&teller.addr())
            .map(|slot| self.table.get(slot));
        // Two that hold each other down: the one that was renewed tells the other, once.
        let answer = match known.is_some_and(holds_down) {
            true => Message::TurnUndead,
            false => Message::Gossip,
        };
        self.send(teller, answer, runtime);
    }

    fn renew_or_give_up<R: Runtime<I>>(&mut self, winner: Option<&I>, runtime: &mut R) {
        let renewed = match winner {
            Some(winner) => self.identity.renew_past(winner),
            None => self.identity.renew(),
        };
        let is_valid = |renewed: &I| {
            renewed.addr() == self.identity.addr() && renewed.win_addr_conflict(&self.identity)
        };
        match renewed.filter(is_valid) {
            Some(renewed) if self.check_identity(&renewed).is_ok() => {
                self.counters.renewals += 1;
                self.adopt(renewed, runtime);
                runtime.notify(Notice::Rejoin(&self.identity));
            }
            _ => self.become_defunct(runtime),
        }
    }

    fn adopt<R: Runtime<I>>(&mut self, identity: I, runtime: &mut R) {
        self.drop_own_item();
        let incarnation = core::mem::take(&mut self.incarnation);
        let former = core::mem::replace(&mut self.identity, identity);
        self.measure();
        let ours = self.identity.addr();
        self.announced.retain(|dst| dst.addr() != ours);
        self.spread_former(former, incarnation);
        self.forget_our_address(runtime);
        self.spread_ourselves(State::Alive);
        self.reconnect(runtime);
    }

    fn spread_former(&mut self, id: I, incarnation: Incarnation) {
        let (place, unsent) = self.former.make_room();
        if let Some(unsent) = unsent {
            self.updates.remove(unsent);
        }
        let item = self
            .encode_update(&Member::down(id.clone(), incarnation))
            .then(|| self.updates.add(Subject::Former(place), &self.scratch));
        self.former.put(place, Former { id, item });
    }

    /// A member that had the address we have now makes way.
    fn forget_our_address<R: Runtime<I>>(&mut self, runtime: &mut R) {
        if let Some(slot) = self.table.find(&self.identity.addr()) {
            let entry = self.table.get(slot);
            if entry.held().is_active() {
                runtime.notify(Notice::MemberDown(&entry.id));
            }
            self.forget(slot, runtime);
        }
    }

    fn reconnect<R: Runtime<I>>(&mut self, runtime: &mut R) {
        self.departure.clear();
        self.undead_check.clear();
        if self.connection == Connection::Connected && self.table.num_active() == 0 {
            runtime.notify(Notice::Idle);
        }
        self.prober.drop_probe();
        self.connection = match self.table.num_active() {
            0 => Connection::Disconnected,
            _ => Connection::Connected,
        };
        self.restart_suspicions(runtime);
        self.restart_tasks(runtime);
    }

    fn become_defunct<R: Runtime<I>>(&mut self, runtime: &mut R) {
        self.prober.drop_probe();
        self.undead_check.clear();
        self.connection = Connection::Undead(Undead::Defunct);
        self.drop_own_item();
        runtime.notify(Notice::Defunct);
    }

    /// Lets our own state be gossiped, before all else.
    pub(super) fn spread_ourselves(&mut self, state: State) {
        let update = Member::new(self.identity.clone(), self.incarnation, state);
        if !self.encode_update(&update) {
            return;
        }
        match self.own_item {
            Some(item) => self.updates.replace(item, &self.scratch),
            None => self.own_item = Some(self.updates.add(Subject::Ourselves, &self.scratch)),
        }
    }

    fn drop_own_item(&mut self) {
        if let Some(item) = self.own_item.take() {
            self.updates.remove(item);
        }
    }
}
