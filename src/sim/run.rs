//! Time that passes, event by event.

use core::time::Duration;

use super::{
    Machine, Port, Rule, Simulation,
    queue::{Event, Parcel},
    simulation::Action,
};

/// More events at one instant, for each node, are a run that does not end.
const AT_ONCE_MAX: u64 = 100_000;

/// Actions within actions, each of which lets time pass, need the thread's stack.
const ACTING_MAX: u32 = 32;

impl<M: Machine> Simulation<M> {
    /// Runs to `end`, or until something holds. Returns whether it does.
    pub(super) fn run(&mut self, end: Duration, until: Option<impl Fn(&Self) -> bool>) -> bool {
        while self.violation.is_none() {
            let has_ticks = until.is_some() || !self.guards.is_empty();
            let stop = if has_ticks {
                self.next_tick().min(end)
            } else {
                end
            };
            while self.step(stop) {}
            if self.violation.is_some() {
                break;
            }
            // Later already if an action let time pass.
            self.world.now = self.now().max(stop);
            self.inspect();
            if until.as_ref().is_some_and(|holds| holds(self)) {
                return true;
            }
            if self.now() >= end {
                break;
            }
        }
        false
    }

    /// Ticks are at whole multiples, however a run is cut into parts.
    fn next_tick(&self) -> Duration {
        let tick = self.tick.as_nanos();
        let next = (self.now().as_nanos() / tick + 1) * tick;
        u64::try_from(next).map_or(Duration::MAX, Duration::from_nanos)
    }

    fn step(&mut self, end: Duration) -> bool {
        let Some((at, event)) = self.world.queue.pop(end) else {
            return false;
        };
        self.at_once = if at == self.now() {
            self.at_once + 1
        } else {
            0
        };
        if self.at_once > AT_ONCE_MAX * self.len().max(1) as u64 {
            self.report(Rule::Livelock, "events at one instant do not end");
            return false;
        }
        self.world.now = at;
        match event {
            Event::Arrives(parcel) => {
                if let Some(parcel) = self.world.arrive(parcel) {
                    self.hand_in(parcel);
                }
            }
            Event::Processed { parcel, life } => {
                if let Some(parcel) = self.world.processed(parcel, life) {
                    self.hand_in(parcel);
                }
            }
            Event::Due(alarm) => {
                if let Some(alarm) = self.world.due(alarm) {
                    self.fire(alarm.node, alarm.timer);
                }
            }
            Event::Joins { node, life } => self.joins(node, life),
            Event::Acts(place) => {
                let act = self.actions.remove(place);
                self.act(act);
            }
        }
        true
    }

    /// Lets the scenario go on. It may let time pass, in which it goes on again, and so on.
    fn act(&mut self, act: Action<M>) {
        self.acting += 1;
        if self.acting > ACTING_MAX {
            self.report(
                Rule::Livelock,
                "actions let time pass within each other without end",
            );
        } else {
            act(self);
        }
        self.acting -= 1;
    }

    fn joins(&mut self, node: usize, life: u32) {
        let is_alone = self
            .machine(node)
            .is_some_and(|machine| machine.num_active() == 0);
        if is_alone && self.world.places[node].life == life {
            self.announce(node);
        }
    }

    pub(super) fn hand_in(&mut self, parcel: Parcel) {
        self.world.deliver(&parcel);
        let (world, node) = (&mut self.world, parcel.to);
        if let Some(machine) = &mut self.machines[node] {
            machine.handle_data(&parcel.data, &mut Port { world, node });
        }
        self.world.recycle(parcel.data);
    }

    pub(super) fn fire(&mut self, node: usize, timer: M::Timer) {
        let world = &mut self.world;
        if let Some(machine) = &mut self.machines[node] {
            machine.handle_timer(timer, &mut Port { world, node });
        }
    }
}
