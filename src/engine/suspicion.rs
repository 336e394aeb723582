//! From suspicion to Down (SWIM, section 4.2): every member that holds a suspicion runs its own
//! timer, since the accuser may die first.

use super::{
    Engine,
    entry::{Held, Slot},
};
use crate::{
    BroadcastHandler, Codec, Epoch, Identity, Incarnation, Member, Message, Runtime, Timer,
};

/// The timers of an entry's suspicions that are under way: of the present one, and of those that
/// it followed.
#[derive(Clone, Copy, Default)]
pub(super) struct SuspicionTimers {
    under_way: u8,
    /// Whether the present suspicion has none, and gets one when the next of them goes off.
    is_one_owed: bool,
}

/// How many may be under way for one entry. Others decide how often a suspicion starts afresh.
const TIMERS_MAX: u8 = 4;

impl SuspicionTimers {
    /// Whether to submit one for the suspicion that starts now.
    fn begin(&mut self) -> bool {
        self.is_one_owed = self.under_way >= TIMERS_MAX;
        self.under_way += u8::from(!self.is_one_owed);
        !self.is_one_owed
    }
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// A probe of our own failed.
    pub(super) fn accuse<R: Runtime<I>>(
        &mut self,
        target: &I,
        incarnation: Incarnation,
        runtime: &mut R,
    ) {
        let Some(slot) = self.table.find(&target.addr()) else {
            return;
        };
        let entry = self.table.get(slot);
        if entry.id != *target {
            return;
        }
        match entry.held() {
            Held::Alive if incarnation >= entry.incarnation => {
                self.transition(slot, incarnation, Held::Suspect, runtime);
                self.spread(slot);
                self.table.get_mut(slot).accused_by_us = true;
            }
            Held::Suspect if incarnation == entry.incarnation => {
                self.table.get_mut(slot).accused_by_us = true;
            }
            Held::Alive | Held::Suspect | Held::Down => {}
        }
    }

    /// Submits the timer of the entry's suspicion, now or, if too many of former ones are under
    /// way, when one of those goes off.
    pub(super) fn submit_suspicion<R: Runtime<I>>(&mut self, slot: Slot, runtime: &mut R) {
        if !self.table.get_mut(slot).timers.begin() {
            return;
        }
        let entry = self.table.get(slot);
        let timeout = self
            .config
            .suspicion
            .at(self.cluster_size(), self.config.probe_period);
        let timer = Timer::Suspicion {
            id: entry.id.clone(),
            incarnation: entry.incarnation,
            epoch: entry.epoch,
        };
        runtime.submit_after(timer, timeout);
    }

    pub(super) fn on_suspicion_timer<R: Runtime<I>>(
        &mut self,
        id: &I,
        incarnation: Incarnation,
        epoch: Epoch,
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
            if entry.held() == Held::Suspect && entry.timers.is_one_owed {
                self.submit_suspicion(slot, runtime);
            }
            return;
        }
        let accused_by_us = entry.accused_by_us;
        self.counters.suspicions_expired += 1;
        self.apply(Member::down(id.clone(), incarnation), None, runtime);
        if accused_by_us && self.config.notify_down_members && !self.is_undead() {
            self.send(id, Message::TurnUndead, runtime);
        }
    }

    /// Starts every suspicion again from zero: what we believed while we were cut off is old.
    pub(super) fn restart_suspicions<R: Runtime<I>>(&mut self, runtime: &mut R) {
        for place in 0..self.table.num_suspects() {
            let slot = self.table.suspect(place);
            let epoch = self.next_epoch();
            let entry = self.table.get_mut(slot);
            entry.epoch = epoch;
            entry.accused_by_us = false;
            self.submit_suspicion(slot, runtime);
        }
    }
}
