//! How often others are looked for.

use core::time::Duration;

use super::Company;

/// When to ask next: while there is nobody else, ever less often, and among others rarely.
#[derive(Debug)]
pub(super) struct Pace {
    pause: Pause,
    /// How often one is asked among others.
    period: Option<Duration>,
    /// When the next one is, if it was decided.
    revisit_at: Option<Duration>,
}

impl Pace {
    pub(super) fn new(period: Option<Duration>, rng_seed: u64) -> Self {
        let mut pace = Self {
            pause: Pause::new(rng_seed),
            period: None,
            revisit_at: None,
        };
        pace.set_period(period);
        pace
    }

    /// The next one among others is a new period away.
    pub(super) fn set_period(&mut self, period: Option<Duration>) {
        self.period = period.map(|period| period.clamp(PERIOD_MIN, PERIOD_MAX));
        self.revisit_at = None;
    }

    /// It is time to ask, whoever was asked before.
    pub(super) fn hurry(&mut self) {
        self.pause.until = Duration::ZERO;
        self.pause.length = PAUSE_MIN;
        self.revisit_at = self.period.map(|_| Duration::ZERO);
    }

    pub(super) fn next_deadline(&self, company: Company) -> Option<Duration> {
        match company {
            Company::Nobody => Some(self.pause.until),
            Company::Others => self.revisit_at,
            Company::Unwanted => None,
        }
    }

    /// Whether it is time to ask. To be called whenever anything may have changed.
    pub(super) fn is_due(&mut self, now: Duration, company: Company) -> bool {
        match company {
            Company::Nobody => {
                self.revisit_at = None;
                let is_due = now >= self.pause.until;
                if is_due {
                    self.pause.grow(now);
                }
                is_due
            }
            Company::Others => {
                self.pause.reset(now);
                let Some(period) = self.period else {
                    return false;
                };
                let is_due = self.revisit_at.is_some_and(|at| now >= at);
                if is_due || self.revisit_at.is_none() {
                    let pause = self.pause.about(period);
                    self.revisit_at = Some(now.saturating_add(pause));
                }
                is_due
            }
            Company::Unwanted => false,
        }
    }
}

/// How long to wait between tries: twice as long each time, and never quite alike at two members.
#[derive(Debug)]
struct Pause {
    until: Duration,
    length: Duration,
    rng: fastrand::Rng,
}

impl Pause {
    fn new(rng_seed: u64) -> Self {
        Self {
            until: Duration::ZERO,
            length: PAUSE_MIN,
            rng: fastrand::Rng::with_seed(rng_seed),
        }
    }

    fn reset(&mut self, now: Duration) {
        self.length = PAUSE_MIN;
        self.until = now.saturating_add(self.jittered());
    }

    fn grow(&mut self, now: Duration) {
        self.until = now.saturating_add(self.jittered());
        self.length = self.length.saturating_mul(2).min(PAUSE_MAX);
    }

    /// A quarter more than `period`, or less, or anything in between.
    fn about(&mut self, period: Duration) -> Duration {
        period.mul_f64(0.75 + self.rng.f64() / 2.0)
    }

    /// From half the length to all of it.
    fn jittered(&mut self) -> Duration {
        self.length.mul_f64(0.5 + self.rng.f64() / 2.0)
    }
}

/// The first pause between two tries.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How often one seed is asked among others, unless said otherwise.
pub(in crate::agent) const PERIOD: Duration = Duration::from_secs(60);
/// The least and the most that this can be set to.
const PERIOD_MIN: Duration = Duration::from_millis(100);
const PERIOD_MAX: Duration = Duration::from_secs(365 * 86_400);

#[cfg(test)]
mod tests;
