//! When to compare, and with how many at a time.

use alloc::{
    collections::VecDeque,
    sync::{Arc, Weak},
    vec::Vec,
};
use core::time::Duration;

use fastrand::Rng;

use super::{
    SAID_MAX,
    askers::{ASKING, Asker, Askers},
    hearing::Hearing,
};
use crate::{
    Identity,
    agent::{Limits, admission::Source},
};

/// Whose turn it is to be asked, when, and whom we answer.
pub(in crate::agent) struct Syncing<I: Identity, S> {
    pub(super) period: Option<Duration>,
    pub(super) bytes_max: usize,
    pub(super) rng: Rng,
    pub(super) next_at: Option<Duration>,
    /// Nobody told us all yet since we were alone.
    pub(in crate::agent) wants_all: bool,
    /// Who spoke to us last, for as long as that is so: it is there, and knows us.
    pub(in crate::agent) last_heard: Option<I>,
    pub(super) failures: u32,
    pub(super) is_asking: bool,
    /// Whom we answer.
    answering: Vec<(I::Addr, Weak<()>)>,
    pub(super) askers: Askers<I::Addr>,
    /// What is being taken in.
    pub(super) hearing: VecDeque<Hearing<I, S>>,
}

/// One of the few conversations in which we answer.
pub(in crate::agent) struct Turn(#[expect(dead_code, reason = "counted")] Arc<()>);

impl<I: Identity, S> Syncing<I, S> {
    pub(in crate::agent) fn new(period: Option<Duration>, limits: &Limits, rng_seed: u64) -> Self {
        Self {
            period: period.map(within_bounds),
            bytes_max: limits.sync_bytes.min(SAID_MAX),
            rng: Rng::with_seed(rng_seed),
            next_at: None,
            wants_all: true,
            last_heard: None,
            failures: 0,
            is_asking: false,
            answering: Vec::new(),
            askers: Askers::new(),
            hearing: VecDeque::new(),
        }
    }

    pub(in crate::agent) fn set_period(&mut self, period: Option<Duration>) {
        self.period = period.map(within_bounds);
        // The next time follows from it.
        self.next_at = None;
    }

    pub(in crate::agent) fn set_limits(&mut self, limits: &Limits) {
        self.bytes_max = limits.sync_bytes.min(SAID_MAX);
    }

    /// When the next member is to be asked.
    pub(in crate::agent) fn next_deadline(&self) -> Option<Duration> {
        self.next_at.filter(|_| !self.is_asking)
    }

    /// One for each peer, whichever later one of itself it says to be, and none for one that caused
    /// as much as it may.
    pub(super) fn take_turn(&mut self, peer: &I, source: &Source, now: Duration) -> Option<Turn> {
        self.answering.retain(|(_, turn)| turn.strong_count() > 0);
        let addr = peer.addr();
        let has_one = self.answering.iter().any(|(other, _)| *other == addr);
        if has_one || self.answering.len() >= ANSWERING_MAX {
            return None;
        }
        let asker = Asker::of(peer, source);
        if !self.askers.may_ask(&asker, now) {
            return None;
        }
        self.askers.caused(asker, ASKING, now);
        let turn = Arc::new(());
        self.answering.push((addr, Arc::downgrade(&turn)));
        Some(Turn(turn))
    }

    pub(super) fn is_over(&mut self, succeeded: bool, now: Duration) {
        self.is_asking = false;
        let Some(period) = self.period else {
            return;
        };
        self.wants_all &= !succeeded;
        self.failures = if succeeded { 0 } else { self.failures + 1 };
        let pause = if self.wants_all {
            let doublings = self.failures.min(16);
            RETRY_MIN.saturating_mul(1 << doublings).min(period)
        } else {
            period
        };
        self.next_at = Some(now.saturating_add(self.jittered(pause)));
    }

    /// Give or take a quarter.
    fn jittered(&mut self, pause: Duration) -> Duration {
        pause.mul_f64(0.75 + self.rng.f64().clamp(0.0, 1.0) / 2.0)
    }
}

fn within_bounds(period: Duration) -> Duration {
    period.clamp(PERIOD_MIN, PERIOD_MAX)
}

/// How often a member compares, unless the builder is told otherwise.
pub(in crate::agent) const PERIOD: Duration = Duration::from_secs(60);
const PERIOD_MIN: Duration = Duration::from_millis(100);
const PERIOD_MAX: Duration = Duration::from_secs(365 * 86_400);
/// After how long the next member is asked for all, if one did not answer: twice as long each time.
const RETRY_MIN: Duration = Duration::from_millis(250);
/// How many members are answered at a time. The others ask somebody else.
const ANSWERING_MAX: usize = 8;
