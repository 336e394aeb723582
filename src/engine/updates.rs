//! What becomes of news about members.

use alloc::vec::Vec;

use super::{
    Engine, Subject,
    body::Updates,
    entry::{Held, Slot},
    lookup::{Hashed, LOOKUPS_MAX, Lookup},
};
use crate::{
    BroadcastHandler, Codec, Header, Identity, Incarnation, Member, Message, Notice, Runtime,
    State,
    member::{DownRule, supersedes},
};

/// Who hands us updates.
pub(super) struct Teller<'a, I> {
    pub(super) id: &'a I,
    /// Whether it may tell us that we are down: it was a member before this datagram, or we
    /// announced ourselves to it lately.
    pub(super) has_say: bool,
}

/// What the sender of a datagram is to us.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// An active member already.
    KnownMember,
    /// An active member from now on.
    Newcomer,
    /// Down, or the loser of the conflict about its address.
    Down,
    /// A stranger that must answer a ping first. Counted.
    Unproven,
    /// Nobody we listen to. Counted.
    Refused,
}

/// What updates about ourselves call for.
#[derive(Clone, Copy, Default)]
pub(super) struct Aftermath {
    /// We refuted, or have a new identity: to be gossiped at once.
    pub(super) news_about_ourselves: bool,
    /// The sender believes something about us that we refuted long ago.
    pub(super) heard_stale_claim: bool,
    /// We took a new identity, which the sender cannot know yet.
    pub(super) is_renewed: bool,
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// Hears who speaks: the sender of a datagram is at least alive.
    pub(super) fn hear_sender<R: Runtime<I>>(
        &mut self,
        header: &Header<I>,
        runtime: &mut R,
    ) -> Standing {
        let sender = &header.src;
        if !sender.names_member() || self.former.contains(sender) {
            self.counters.dropped_bad_sender += 1;
            return Standing::Refused;
        }
        if sender.addr() == self.identity.addr() {
            self.counters.dropped_bad_sender += 1;
            runtime.notify(Notice::AddrConflict {
                ours: &self.identity,
                theirs: sender,
            });
            return Standing::Refused;
        }
        let known = self
            .table
            .find(&sender.addr())
            .map(|slot| self.table.get(slot));
        let is_known = match known {
            Some(entry) if entry.id == *sender && !entry.held().is_active() => {
                return Standing::Down;
            }
            Some(entry) if entry.id == *sender => true,
            Some(entry) if !sender.win_addr_conflict(&entry.id) => return Standing::Down,
            _ => false,
        };
        let is_news = known.is_none_or(|entry| header.src_incarnation > entry.incarnation);
        if !is_known && self.config.prove_joiners && !self.is_proven(header) {
            self.counters.dropped_unproven += 1;
            return Standing::Unproven;
        }
        if is_news || !is_known {
            let update = Member::new(sender.clone(), header.src_incarnation, State::Alive);
            self.apply(update, Some(sender), runtime);
        }
        match is_known {
            true => Standing::KnownMember,
            false if self.is_active(sender) => Standing::Newcomer,
            false => Standing::Refused,
        }
    }

    /// Somebody speaks whom we hold down: only its own TurnUndead is heard, and whether it means
    /// it.
    pub(super) fn hear_down_sender<R: Runtime<I>>(&mut self, header: &Header<I>, runtime: &mut R) {
        self.counters.dropped_from_down += 1;
        if let Message::Ack(number) = header.message {
            self.ends_undead_check(&header.src, number);
        }
        if header.message == Message::TurnUndead {
            // Held as down, or its address under another identity: known either way.
            self.on_turn_undead(&header.src, true, runtime);
        } else if self.config.notify_down_members {
            match self.winner_over(&header.src) {
                Some(winner) => self.send_verdict(&header.src, &winner, runtime),
                None => {
                    self.send(&header.src, Message::TurnUndead, runtime);
                }
            }
        }
    }

    /// Who holds this identity's address instead of it. On foca's wire nobody is told: a
    /// TurnUndead is what it expects.
    fn winner_over(&self, loser: &I) -> Option<Member<I>> {
        let slot = self.table.find(&loser.addr())?;
        let Member {
            id,
            incarnation,
            state,
            ..
        } = self.table.get(slot).member();
        let is_other = !self.config.foca_wire && id != loser;
        is_other.then(|| Member::new(id.clone(), incarnation, state))
    }

    /// Applies the decoded updates, and decodes and applies `more`, which were seen to be whole.
    pub(super) fn apply_incoming<R: Runtime<I>>(
        &mut self,
        mut more: Updates<'_>,
        teller: &Teller<'_, I>,
        runtime: &mut R,
    ) -> Aftermath {
        let mut aftermath = Aftermath::default();
        loop {
            let incoming = core::mem::take(&mut self.incoming);
            self.for_each_found(incoming, |engine, update, lookup| {
                if engine.is_undead() {
                    // Nothing more is heard.
                } else if update.id == engine.identity {
                    engine.apply_about_ourselves(&update, teller, &mut aftermath, runtime);
                } else if engine.former.contains(&update.id) {
                    engine.counters.updates_stale += 1;
                } else if update.id.addr() == engine.identity.addr() {
                    engine.apply_conflict(&update, teller, &mut aftermath, runtime);
                } else {
                    engine.apply_update(update, lookup, Some(teller.id), Spread::Gossip, runtime);
                }
            });
            if more.is_empty() || self.decode_some(&mut more).is_err() {
                return aftermath;
            }
        }
    }

    /// Looks up whom each of these updates, which came in, is about, and does something with it.
    pub(super) fn for_each_found(
        &mut self,
        mut updates: Vec<Member<I>>,
        mut act: impl FnMut(&mut Self, Member<I>, Lookup),
    ) {
        let mut lookups = core::mem::take(&mut self.lookups);
        let mut left = updates.drain(..);
        while !left.as_slice().is_empty() {
            let some = left.len().min(LOOKUPS_MAX);
            self.table.look_up(&left.as_slice()[..some], &mut lookups);
            for (&lookup, update) in lookups.iter().zip(left.by_ref()) {
                act(self, update, lookup);
            }
        }
        drop(left);
        self.lookups = lookups;
        self.incoming = updates;
    }

    /// Applies an update about somebody else, and spreads it if it is news.
    pub(super) fn apply<R: Runtime<I>>(
        &mut self,
        update: Member<I>,
        teller: Option<&I>,
        runtime: &mut R,
    ) {
        let lookup = self.table.lookup(&update.id.addr());
        self.apply_update(update, lookup, teller, Spread::Gossip, runtime);
    }

    pub(super) fn apply_update<R: Runtime<I>>(
        &mut self,
        update: Member<I>,
        lookup: Lookup,
        teller: Option<&I>,
        spread: Spread,
        runtime: &mut R,
    ) {
        let Some(held) = Held::from_state(update.state) else {
            self.counters.updates_unknown_state += 1;
            return;
        };
        if !update.id.names_member() {
            self.counters.updates_nameless += 1;
            return;
        }
        let changed = match self.table.found(lookup, &update.id.addr()) {
            None => self.apply_newcomer(lookup.hashed, update, held, teller, runtime),
            Some(slot) if self.table.get(slot).id == update.id => {
                self.apply_known(slot, &update, held, teller, runtime)
            }
            Some(slot) => self.apply_rename(slot, update, held, teller, runtime),
        };
        match changed {
            None => self.counters.updates_stale += 1,
            Some(Changed { slot, is_hearsay }) => {
                self.counters.updates_applied += 1;
                if spread == Spread::Gossip && !is_hearsay {
                    self.spread(slot);
                }
            }
        }
    }

    fn apply_newcomer<R: Runtime<I>>(
        &mut self,
        hashed: Hashed,
        update: Member<I>,
        held: Held,
        teller: Option<&I>,
        runtime: &mut R,
    ) -> Option<Changed> {
        if !held.is_active() {
            // Remembered, so that late news of it is recognised; not spread: whoever told us does
            // that already, and we have nothing to add.
            self.make_room_for_stranger(runtime)?;
        } else if !self.has_room_for_active() || !self.admits(&update.id, teller, runtime) {
            return None;
        }
        let epoch = self.next_epoch();
        let accuser = self.credible_accuser(&update);
        let slot = self.table.insert(hashed, update, held, epoch);
        self.count_in(slot);
        self.announce_state(slot, None, accuser, runtime);
        Some(Changed {
            slot,
            is_hearsay: !held.is_active(),
        })
    }

    fn apply_known<R: Runtime<I>>(
        &mut self,
        slot: Slot,
        update: &Member<I>,
        held: Held,
        teller: Option<&I>,
        runtime: &mut R,
    ) -> Option<Changed> {
        let entry = self.table.get(slot);
        let down_rule = if self.config.foca_wire || teller == Some(&update.id) {
            DownRule::Always
        } else {
            DownRule::LatestIncarnation
        };
        let known = (entry.held().into(), entry.incarnation);
        if !supersedes((update.state, update.incarnation), known, down_rule) {
            let accuser = update.accuser.as_ref()?;
            let is_the_same = known == (State::Suspect, update.incarnation);
            let confirmed = is_the_same.then(|| self.confirm(slot, accuser.clone(), runtime));
            return confirmed.flatten().map(Changed::news);
        }
        if (entry.held(), held) == (Held::Alive, Held::Alive) {
            // The commonest news there is, and nothing follows from it.
            runtime.notify(Notice::IncarnationRaised(&entry.id));
            self.count_out(slot);
            self.table.get_mut(slot).incarnation = update.incarnation;
            self.count_in(slot);
            return Some(Changed::news(slot));
        }
        let incarnation = update.incarnation.max(entry.incarnation);
        let accuser = self.credible_accuser(update);
        self.transition(slot, incarnation, held, accuser, runtime);
        match held {
            Held::Alive | Held::Suspect => Some(Changed::news(slot)),
            // Its place changed if others had to be forgotten for it.
            Held::Down | Held::Left => self.table.find(&update.id.addr()).map(Changed::news),
        }
    }

    /// Another identity with an address that we hold: the winner's is the one that counts.
    fn apply_rename<R: Runtime<I>>(
        &mut self,
        slot: Slot,
        update: Member<I>,
        held: Held,
        teller: Option<&I>,
        runtime: &mut R,
    ) -> Option<Changed> {
        let entry = self.table.get(slot);
        if !update.id.win_addr_conflict(&entry.id) {
            return None;
        }
        let (was, was_active) = (entry.held(), entry.was_active);
        if held.is_active() {
            let has_room = was.is_active() || self.has_room_for_active();
            if !has_room || !self.admits(&update.id, teller, runtime) {
                return None;
            }
        }
        let addr = update.id.addr();
        let accuser = self.credible_accuser(&update);
        self.count_out(slot);
        let before = self.table.rename(slot, update.id);
        if was_active {
            runtime.notify(Notice::Rename {
                before: &before,
                after: &self.table.get(slot).id,
            });
        }
        let epoch = self.next_epoch();
        self.table.set(slot, update.incarnation, held, epoch);
        self.count_in(slot);
        self.announce_state(slot, Some(was), accuser, runtime);
        self.table.find(&addr).map(Changed::news)
    }

    /// Puts an entry into a state, and does all that follows but spread it. Of a suspicion, who
    /// accuses, if that is known.
    pub(super) fn transition<R: Runtime<I>>(
        &mut self,
        slot: Slot,
        incarnation: Incarnation,
        held: Held,
        accuser: Option<I>,
        runtime: &mut R,
    ) {
        let entry = self.table.get(slot);
        let was = entry.held();
        // A suspicion changes nothing of what is compared.
        let counts_anew = entry.incarnation != incarnation || was.is_active() != held.is_active();
        if counts_anew {
            self.count_out(slot);
        }
        let epoch = self.next_epoch();
        self.table.set(slot, incarnation, held, epoch);
        if counts_anew {
            self.count_in(slot);
        }
        self.announce_state(slot, Some(was), accuser, runtime);
    }

    /// Notifies, submits the timers, and updates the connection after an entry's state changed.
    fn announce_state<R: Runtime<I>>(
        &mut self,
        slot: Slot,
        was: Option<Held>,
        accuser: Option<I>,
        runtime: &mut R,
    ) {
        let entry = self.table.get(slot);
        let was_active = was.is_some_and(Held::is_active);
        if was_active != entry.held().is_active() {
            if entry.held().is_active() {
                self.digest.expect_more();
                runtime.notify(Notice::MemberUp(&entry.id));
            } else if was_active && entry.held() == Held::Down {
                runtime.notify(Notice::MemberDown(&entry.id));
            }
        }
        if was.is_some() && entry.held() == Held::Left && entry.was_active {
            runtime.notify(Notice::MemberLeft(&entry.id));
        }
        match (was, entry.held()) {
            (Some(Held::Suspect), Held::Alive) => {
                self.counters.suspicions_refuted += 1;
                runtime.notify(Notice::MemberRefuted(&entry.id));
            }
            (was, Held::Suspect) => {
                runtime.notify(match was {
                    Some(Held::Suspect) => Notice::IncarnationRaised(&entry.id),
                    _ => Notice::MemberSuspect {
                        id: &entry.id,
                        by: accuser.as_ref(),
                    },
                });
                self.begin_suspicion(slot, accuser, runtime);
            }
            (_, Held::Down | Held::Left) => self.remember_down(runtime),
            (Some(Held::Alive), Held::Alive) => {
                runtime.notify(Notice::IncarnationRaised(&entry.id));
            }
            (_, Held::Alive) => {}
        }
        self.refresh_connection(runtime);
    }

    fn has_room_for_active(&mut self) -> bool {
        let has_room = self.table.num_active() < self.config.max_members;
        self.counters.refused_for_room += u64::from(!has_room);
        has_room
    }

    fn admits<R: Runtime<I>>(&mut self, newcomer: &I, teller: Option<&I>, runtime: &R) -> bool {
        let admitted = teller.is_none_or(|teller| runtime.admit(newcomer, teller));
        self.counters.refused_by_admission += u64::from(!admitted);
        admitted
    }

    pub(super) fn is_active(&self, id: &I) -> bool {
        let known = self.table.find(&id.addr()).map(|slot| self.table.get(slot));
        known.is_some_and(|entry| entry.id == *id && entry.held().is_active())
    }

    /// What we hold about a member, as it is told.
    pub(super) fn update_about(&self, slot: Slot) -> Member<I> {
        let entry = self.table.get(slot);
        let mut update = Member::new(entry.id.clone(), entry.incarnation, entry.held().into());
        if self.config.accusers {
            let suspected = self.table.suspected(slot);
            update.accuser = suspected.and_then(|it| it.accusers().last().cloned());
        }
        update
    }

    /// Lets an entry's present state be gossiped.
    pub(super) fn spread(&mut self, slot: Slot) {
        let item = self.table.get(slot).item;
        let update = self.update_about(slot);
        match (self.encode_update(&update), item) {
            (true, Some(item)) => self.updates.replace(item, &self.scratch),
            (true, None) => {
                let item = self.updates.add(Subject::Member(slot), &self.scratch);
                self.table.get_mut(slot).item = Some(item);
            }
            (false, Some(item)) => {
                self.updates.remove(item);
                self.table.get_mut(slot).item = None;
            }
            (false, None) => {}
        }
    }
}

/// An entry that an update changed.
struct Changed {
    slot: Slot,
    /// About somebody who is down and whom we never knew.
    is_hearsay: bool,
}

impl Changed {
    fn news(slot: Slot) -> Self {
        Self {
            slot,
            is_hearsay: false,
        }
    }
}

/// Whether an update that is news is gossiped on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    Gossip,
    Nothing,
}
