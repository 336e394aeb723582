//! How long the dead are remembered.
//!
//! Down members are kept, so that late news of them is recognised as such; for a time, and never
//! more than a bound. The engine has no clock: a timer ticks while there is a down member, and
//! what was down already [`TICKS`] ticks ago is forgotten. One timer, however many are down.

use super::{Engine, Recent, Subject, entry::Slot};
use crate::{BroadcastHandler, Codec, Epoch, Identity, Notice, Runtime, Timer};

/// Ticks in [`remove_down_after`](crate::Config::remove_down_after): how finely it is kept.
const TICKS: usize = 8;

/// The most members forgotten at one tick. The others follow at the next.
const FORGOTTEN_MAX: usize = 1024;

/// When who is forgotten.
pub(super) struct Sweep {
    /// The last epoch given out at each of the last ticks: who is down since no later than the
    /// first was down then.
    marks: Recent<Epoch, TICKS>,
    /// Of the tick that is awaited. Timers of others are void.
    turn: u32,
    is_ticking: bool,
}

impl Sweep {
    pub(super) fn new() -> Self {
        Self {
            marks: Recent::new(),
            turn: 0,
            is_ticking: false,
        }
    }
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// A member is down now: it is forgotten one day, and others at once if there are too many.
    pub(super) fn remember_down<R: Runtime<I>>(&mut self, runtime: &mut R) {
        self.forget_beyond_bound(runtime);
        if !self.sweep.is_ticking {
            self.restart_sweep(runtime);
        }
    }

    /// Lets the time that the dead are remembered begin anew for all of them.
    pub(super) fn restart_sweep<R: Runtime<I>>(&mut self, runtime: &mut R) {
        self.sweep.marks.clear();
        self.sweep.marks.push(self.epoch);
        self.submit_tick(runtime);
    }

    fn submit_tick<R: Runtime<I>>(&mut self, runtime: &mut R) {
        let after = self
            .config
            .remove_down_after
            .filter(|_| self.table.num_down() > 0);
        self.sweep.is_ticking = after.is_some();
        if let Some(after) = after {
            self.sweep.turn = self.sweep.turn.wrapping_add(1);
            let timer = Timer::Forget {
                turn: self.sweep.turn,
            };
            runtime.submit_after(timer, after / TICKS as u32);
        }
    }

    pub(super) fn on_forget_timer<R: Runtime<I>>(&mut self, turn: u32, runtime: &mut R) {
        if turn != self.sweep.turn || !self.sweep.is_ticking {
            return;
        }
        if let Some(&mark) = self.sweep.marks.oldest_of_all() {
            for _ in 0..FORGOTTEN_MAX {
                let is_due = |slot: &Slot| !self.table.get(*slot).epoch.is_after(mark);
                let Some(slot) = self.table.oldest_down().into_iter().flatten().find(is_due) else {
                    break;
                };
                self.forget(slot, runtime);
            }
        }
        self.sweep.marks.push(self.epoch);
        self.submit_tick(runtime);
    }

    /// Forgets those first that never were active here, then those that are down longest.
    pub(super) fn forget_beyond_bound<R: Runtime<I>>(&mut self, runtime: &mut R) {
        while self.table.num_down() > self.config.max_down_members {
            let Some(first) = self.table.first_to_forget() else {
                break;
            };
            self.counters.down_evicted += 1;
            self.forget(first, runtime);
        }
    }

    /// Makes room to remember a member that never was active here; `None` if those that were
    /// take all there is.
    pub(super) fn make_room_for_stranger<R: Runtime<I>>(&mut self, runtime: &mut R) -> Option<()> {
        if self.table.num_down() < self.config.max_down_members {
            return Some(());
        }
        self.counters.down_evicted += 1;
        if self.table.knows_all_down() {
            return None;
        }
        let stranger = self.table.first_to_forget()?;
        self.forget(stranger, runtime);
        Some(())
    }

    /// Removes an entry, and what waits to be sent about it.
    pub(super) fn forget<R: Runtime<I>>(&mut self, slot: Slot, runtime: &mut R) {
        self.count_out(slot);
        let removed = self.table.remove(slot);
        if let Some(item) = removed.item {
            self.updates.remove(item);
        }
        if let Some(moved) = removed.moved_item {
            *self.updates.subject_mut(moved) = Subject::Member(slot);
        }
        runtime.notify(Notice::MemberForgotten(&removed.id));
    }
}
