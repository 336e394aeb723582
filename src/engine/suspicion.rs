//! From suspicion to Down (SWIM, section 4.2): every member that holds a suspicion runs its own
//! timer, since the accuser may die first.

use super::{
    Engine,
    table::{Held, Slot},
};
use crate::{
    BroadcastHandler, Codec, Epoch, Identity, Incarnation, Member, Message, Runtime, Timer,
};

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

    /// Submits the timer of the entry's suspicion.
    pub(super) fn submit_suspicion<R: Runtime<I>>(&self, slot: Slot, runtime: &mut R) {
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
        if self.is_undead() {
            return;
        }
        let Some(slot) = self.table.find(&id.addr()) else {
            return;
        };
        let entry = self.table.get(slot);
        let stands = entry.id == *id
            && entry.held() == Held::Suspect
            && entry.incarnation == incarnation
            && entry.epoch == epoch;
        if !stands {
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
