//! From suspicion to Down (SWIM, section 4.2): every member that holds a suspicion runs its own
//! timers, since the accuser may die first.
//!
//! The more members accuse, the shorter the wait (Lifeguard, section IV-B). Without a clock: all
//! deadlines are submitted when the suspicion begins, one for each number of confirmations. One
//! counts if so many were heard by then; a confirmation that comes after its deadline counts at
//! once.

use smallvec::SmallVec;

use super::{
    Engine,
    entry::{Held, Slot},
};
use crate::{
    BroadcastHandler, Codec, Epoch, Identity, Incarnation, Member, Message, Notice, Runtime,
    Suspicion, Timer,
};

/// What we hold about a suspicion, beside its entry.
pub(super) struct Suspected<I> {
    pub(super) slot: Slot,
    /// Who accuses it, the first first: as many as count.
    accusers: SmallVec<[I; ACCUSERS_MAX]>,
    /// The deadlines for so many confirmations, and for more, have passed.
    passed: u8,
    /// Whether it is not our accusation alone.
    is_shared: bool,
}

/// How many accusers count: the first, and those that confirm it.
const ACCUSERS_MAX: usize = Suspicion::CONFIRMATIONS as usize + 1;

impl<I: PartialEq> Suspected<I> {
    pub(super) fn new(slot: Slot) -> Self {
        Self {
            slot,
            accusers: SmallVec::new(),
            passed: u8::MAX,
            is_shared: false,
        }
    }

    /// Whether others accuse it, too.
    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// How many accuse it beyond the first.
    fn confirmations(&self) -> u8 {
        // No more than count are recorded.
        self.accusers.len().saturating_sub(1) as u8
    }

    pub(super) fn accusers(&self) -> &[I] {
        &self.accusers
    }

    /// Records an accuser; `false` if it is one already, or there are enough.
    fn record(&mut self, accuser: I) -> bool {
        let is_news = self.accusers.len() < ACCUSERS_MAX && !self.accusers.contains(&accuser);
        if is_news {
            self.accusers.push(accuser);
        }
        is_news
    }

    /// Whether a deadline has passed for which there are confirmations enough.
    fn is_over(&self) -> bool {
        self.confirmations() >= self.passed
    }
}

/// The timers of an entry's suspicions that are under way: of the present one, and of those that
/// it followed.
#[derive(Clone, Copy, Default)]
pub(super) struct SuspicionTimers {
    under_way: u8,
    /// Whether the present suspicion has none, and gets them when the next of the others goes off.
    are_owed: bool,
}

/// Of how many suspicions the timers of one entry may be under way. Others decide how often a
/// suspicion starts afresh.
const UNDER_WAY_MAX: u8 = 4;

impl SuspicionTimers {
    /// Whether to submit so many for the suspicion that starts now.
    fn begin(&mut self, count: u8) -> bool {
        self.are_owed = self.under_way.saturating_add(count) > UNDER_WAY_MAX * count;
        self.under_way += if self.are_owed { 0 } else { count };
        !self.are_owed
    }
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// A probe of our own failed.
    pub(super) fn accuse<R: Runtime<I>>(
        &mut self,
        target: &I,
        incarnation: Incarnation,
        runtime: &mut R,
    ) -> bool {
        let Some(slot) = self.table.find(&target.addr()) else {
            return false;
        };
        let entry = self.table.get(slot);
        if entry.id != *target {
            return false;
        }
        let is_new = match entry.held() {
            Held::Alive if incarnation >= entry.incarnation => true,
            Held::Suspect if incarnation == entry.incarnation => false,
            _ => return false,
        };
        let ourselves = self.identity.clone();
        if is_new {
            self.transition(slot, incarnation, Held::Suspect, Some(ourselves), runtime);
            self.table.get_mut(slot).accused_by_us = true;
            self.spread(slot);
        } else {
            self.table.get_mut(slot).accused_by_us = true;
            if let Some(slot) = self.confirm(slot, ourselves, runtime) {
                self.spread(slot);
            }
        }
        true
    }

    /// Records who began a suspicion, and submits its timers.
    pub(super) fn begin_suspicion<R: Runtime<I>>(
        &mut self,
        slot: Slot,
        accuser: Option<I>,
        runtime: &mut R,
    ) {
        let is_ours = accuser.as_ref() == Some(&self.identity);
        if let Some(suspected) = self.table.suspected_mut(slot) {
            suspected.is_shared = !is_ours;
            if let Some(accuser) = accuser {
                suspected.record(accuser);
            }
        }
        self.submit_suspicion(slot, runtime);
    }

    /// Who accuses, if an update says that and it is somebody whose word counts.
    pub(super) fn credible_accuser(&self, update: &Member<I>) -> Option<I> {
        let accuser = update.accuser.as_ref()?;
        self.is_credible(accuser).then(|| accuser.clone())
    }

    /// Somebody else accuses a suspect. Returns where its entry is if that is news to be spread;
    /// by then it may be down.
    pub(super) fn confirm<R: Runtime<I>>(
        &mut self,
        slot: Slot,
        accuser: I,
        runtime: &mut R,
    ) -> Option<Slot> {
        if !self.config.accusers || !self.is_credible(&accuser) {
            return None;
        }
        let is_ours = accuser == self.identity;
        let suspected = self.table.suspected_mut(slot)?;
        suspected.is_shared |= !is_ours;
        if !suspected.record(accuser) {
            return None;
        }
        let (is_over, confirmations) = (suspected.is_over(), suspected.confirmations());
        self.counters.suspicions_confirmed += 1;
        if let Some(by) = self
            .table
            .suspected(slot)
            .and_then(|it| it.accusers().last())
        {
            runtime.notify(Notice::SuspicionConfirmed {
                id: &self.table.get(slot).id,
                by,
                confirmations,
            });
        }
        match is_over {
            true => self.expire(slot, runtime),
            false => Some(slot),
        }
    }

    /// Whether an accuser is somebody whose word counts: ourselves, or an active member.
    fn is_credible(&self, accuser: &I) -> bool {
        *accuser == self.identity || self.is_active(accuser)
    }

    /// Submits the timers of the entry's suspicion, now or, if too many of former ones are under
    /// way, when one of those goes off.
    pub(super) fn submit_suspicion<R: Runtime<I>>(&mut self, slot: Slot, runtime: &mut R) {
        let n = self.cluster_size();
        let expected = match self.config.suspicion {
            Suspicion::Confirmed { .. } if self.config.accusers => Suspicion::expected(n),
            _ => 0,
        };
        if let Some(suspected) = self.table.suspected_mut(slot) {
            suspected.passed = u8::MAX;
        }
        if !self.table.get_mut(slot).timers.begin(expected + 1) {
            return;
        }
        let entry = self.table.get(slot);
        for confirmations in (0..=expected).rev() {
            let timeout = self.config.suspicion.confirmed(
                n,
                self.config.probe_period,
                confirmations,
                expected,
            );
            let timer = Timer::Suspicion {
                id: entry.id.clone(),
                incarnation: entry.incarnation,
                epoch: entry.epoch,
                confirmations,
            };
            runtime.submit_after(timer, timeout);
        }
    }

    pub(super) fn on_suspicion_timer<R: Runtime<I>>(
        &mut self,
        id: &I,
        (incarnation, epoch): (Incarnation, Epoch),
        confirmations: u8,
        runtime: &mut R,
    ) {
        let is_undead = self.is_undead();
        let Some(slot) = self.table.find(&id.addr()) else {
            return;
        };
        let entry = self.table.get_mut(slot);
        entry.timers.under_way = entry.timers.under_way.saturating_sub(1);
        if is_undead {
            return;
        }
        let stands = entry.id == *id
            && entry.held() == Held::Suspect
            && entry.incarnation == incarnation
            && entry.epoch == epoch;
        if !stands {
            if entry.held() == Held::Suspect && entry.timers.are_owed {
                self.submit_suspicion(slot, runtime);
            }
            return;
        }
        let accused_by_us = entry.accused_by_us;
        let Some(suspected) = self.table.suspected_mut(slot) else {
            return;
        };
        suspected.passed = suspected.passed.min(confirmations);
        if suspected.is_over() {
            if let Some(slot) = self.expire(slot, runtime) {
                self.spread(slot);
            }
        } else if accused_by_us {
            // Nobody confirmed it in time: perhaps nobody ever heard of it, and it can refute only
            // what it hears. Who loses most of what it says must not be heard with its verdict
            // alone.
            self.spread(slot);
            self.send_verdict(id, &Member::suspect(id.clone(), incarnation), runtime);
        }
    }

    /// A suspect had its time. Only who accused it itself tells it. Returns where its entry is, to
    /// be spread.
    fn expire<R: Runtime<I>>(&mut self, slot: Slot, runtime: &mut R) -> Option<Slot> {
        let entry = self.table.get(slot);
        let (id, incarnation) = (entry.id.clone(), entry.incarnation);
        let accused_by_us = entry.accused_by_us;
        self.counters.suspicions_expired += 1;
        self.transition(slot, incarnation, Held::Down, None, runtime);
        if accused_by_us && self.config.notify_down_members && !self.is_undead() {
            self.send(&id, Message::TurnUndead, runtime);
        }
        self.table.find(&id.addr())
    }

    /// Starts every suspicion again from zero: what we believed while we were cut off is old.
    pub(super) fn restart_suspicions<R: Runtime<I>>(&mut self, runtime: &mut R) {
        for place in 0..self.table.num_suspects() {
            let slot = self.table.suspect(place);
            let epoch = self.next_epoch();
            let entry = self.table.get_mut(slot);
            entry.epoch = epoch;
            entry.accused_by_us = false;
            if let Some(suspected) = self.table.suspected_mut(slot) {
                suspected.accusers.clear();
                suspected.is_shared = false;
            }
            self.submit_suspicion(slot, runtime);
        }
    }
}
