//! The state of a node, beside its machine.

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

use super::{
    Latency, Traffic,
    queue::{Alarm, Parcel},
};

pub(super) struct Place<T> {
    pub(super) is_up: bool,
    pub(super) has_left: bool,
    /// Tells the timers of one life from those of the next.
    pub(super) life: u32,
    pub(super) pauses: Holds,
    pub(super) freezes: Holds,
    pub(super) held_in: VecDeque<Parcel>,
    pub(super) held_out: VecDeque<Parcel>,
    pub(super) held_timers: VecDeque<Alarm<T>>,
    /// How long each packet takes.
    pub(super) processing: Option<Latency>,
    pub(super) busy_until: Duration,
    /// Packets that wait to be processed.
    pub(super) waiting: usize,
    /// For how long its clock has stood still, all in all.
    pub(super) stalled: Duration,
    pub(super) stalls_until: Duration,
    pub(super) traffic: Traffic,
    /// The largest packet that it sent in this life.
    pub(super) largest_sent: usize,
}

/// Pauses of a node that overlap, or freezes.
#[derive(Default)]
pub(super) struct Holds {
    /// Those that last until they are ended.
    open: u32,
    /// Those that a timer ends, by their numbers.
    timed: Vec<u32>,
    /// How many of these there were.
    begun: u32,
}

impl Holds {
    pub(super) fn begin(&mut self) {
        self.open += 1;
    }

    /// Returns its number.
    pub(super) fn begin_timed(&mut self) -> u32 {
        self.begun += 1;
        self.timed.push(self.begun);
        self.begun
    }

    /// Ends one: an open one if there is any, or else the first. Returns whether there was one.
    pub(super) fn end(&mut self) -> bool {
        if self.open > 0 {
            self.open -= 1;
            return true;
        }
        let is_any = !self.timed.is_empty();
        self.timed.drain(..usize::from(is_any));
        is_any
    }

    /// Ends that one. Returns whether it was still going on.
    pub(super) fn end_timed(&mut self, number: u32) -> bool {
        let place = self.timed.iter().position(|&timed| timed == number);
        place.map(|place| self.timed.remove(place)).is_some()
    }

    pub(super) fn are_any(&self) -> bool {
        self.open > 0 || !self.timed.is_empty()
    }
}

impl<T> Place<T> {
    pub(super) fn new() -> Self {
        Self {
            is_up: true,
            has_left: false,
            life: 0,
            pauses: Holds::default(),
            freezes: Holds::default(),
            held_in: VecDeque::new(),
            held_out: VecDeque::new(),
            held_timers: VecDeque::new(),
            processing: None,
            busy_until: Duration::ZERO,
            waiting: 0,
            stalled: Duration::ZERO,
            stalls_until: Duration::ZERO,
            traffic: Traffic::default(),
            largest_sent: 0,
        }
    }

    /// It is gone, and what it had not come to as well.
    pub(super) fn stop(&mut self) {
        let traffic = self.traffic;
        *self = Self {
            is_up: false,
            life: self.life,
            traffic,
            ..Self::new()
        };
    }

    pub(super) fn start_again(&mut self) {
        self.is_up = true;
        self.life += 1;
    }

    pub(super) fn is_live(&self) -> bool {
        self.is_up && !self.has_left
    }

    /// Whether packets wait at its door.
    pub(super) fn is_held(&self) -> bool {
        self.pauses.are_any() || self.freezes.are_any()
    }

    pub(super) fn is_stalled(&self, now: Duration) -> bool {
        self.stalls_until > now
    }

    pub(super) fn is_troubled(&self, now: Duration) -> bool {
        self.is_held() || self.is_stalled(now) || self.processing.is_some()
    }

    /// Stops its clock for this long, after any stop that is under way.
    pub(super) fn stall(&mut self, now: Duration, time: Duration) {
        self.stalls_until = self.stalls_until.max(now).saturating_add(time);
        self.stalled = self.stalled.saturating_add(time);
    }

    /// When a timer that is set now is due, on the clock of the simulation.
    pub(super) fn due(&self, now: Duration, after: Duration) -> Duration {
        self.stalls_until.max(now).saturating_add(after)
    }
}
