//! Which packets a link loses.

use core::time::Duration;

use fastrand::Rng;

/// How packets are lost.
///
/// ```
/// use core::time::Duration;
/// use selkie::sim::{Bursts, Loss};
///
/// let independent = Loss::from(0.1);
/// assert_eq!(independent, Loss::Independent(0.1));
/// // Half a second of every ten, on average, nothing gets through.
/// let bursts = Bursts::new(Duration::from_millis(9500), Duration::from_millis(500));
/// assert!((bursts.mean_loss() - 0.05).abs() < 1e-9);
/// let bursty = Loss::from(bursts);
/// # let _ = bursty;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// None.
    #[default]
    None,
    /// Each packet for itself, with this probability, 0 to 1.
    Independent(f64),
    /// In bursts.
    Bursts(Bursts),
}

impl From<f64> for Loss {
    /// # Panics
    ///
    /// When that is no probability.
    #[track_caller]
    fn from(probability: f64) -> Self {
        Self::Independent(checked(probability))
    }
}

impl From<Bursts> for Loss {
    fn from(bursts: Bursts) -> Self {
        Self::Bursts(bursts)
    }
}

/// Loss in bursts: a link is good or bad, for exponentially distributed times, and loses more
/// while it is bad (Gilbert, 1960; Elliott, 1963; here in time rather than in packets, since a
/// gossip link may carry one packet per minute).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    good: Duration,
    bad: Duration,
    loss_good: f64,
    loss_bad: f64,
}

impl Bursts {
    /// A link that is good for `good` and then bad for `bad`, on average. While good it loses
    /// nothing, while bad everything.
    ///
    /// ```
    /// use core::time::Duration;
    /// use selkie::sim::Bursts;
    ///
    /// let bursts = Bursts::new(Duration::from_secs(9), Duration::from_secs(1)).losing(0.01, 0.5);
    /// assert!((bursts.mean_loss() - 0.059).abs() < 1e-9);
    /// ```
    #[must_use]
    pub fn new(good: Duration, bad: Duration) -> Self {
        Self {
            good,
            bad,
            loss_good: 0.0,
            loss_bad: 1.0,
        }
    }

    /// What is lost in either state, 0 to 1.
    ///
    /// # Panics
    ///
    /// When one of them is no probability.
    #[must_use]
    #[track_caller]
    pub fn losing(self, while_good: f64, while_bad: f64) -> Self {
        Self {
            loss_good: checked(while_good),
            loss_bad: checked(while_bad),
            ..self
        }
    }

    /// The share of packets that are lost in the long run.
    #[must_use]
    pub fn mean_loss(&self) -> f64 {
        let bad = self.share_bad();
        self.loss_good * (1.0 - bad) + self.loss_bad * bad
    }

    /// The share of time in which it is bad.
    fn share_bad(&self) -> f64 {
        let (good, bad) = (self.good.as_secs_f64(), self.bad.as_secs_f64());
        if good + bad > 0.0 {
            bad / (good + bad)
        } else {
            0.0
        }
    }

    /// The chance of being bad, some time after it was known to be `was_bad`.
    fn chance_bad(&self, was_bad: bool, after: Duration) -> f64 {
        let (good, bad) = (self.good.as_secs_f64(), self.bad.as_secs_f64());
        let share = self.share_bad();
        if good <= 0.0 || bad <= 0.0 {
            return share;
        }
        let rate = 1.0 / good + 1.0 / bad;
        let before = if was_bad { 1.0 } else { 0.0 };
        share + (before - share) * libm::exp(-rate * after.as_secs_f64())
    }
}

/// What is remembered of something that loses in bursts: its state when last asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct BurstState {
    is_bad: bool,
    at: Duration,
}

/// Why a packet was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    Alone,
    InBurst,
}

impl Loss {
    /// The same.
    ///
    /// # Panics
    ///
    /// When its probability is none.
    #[track_caller]
    pub(super) fn checked(self) -> Self {
        if let Self::Independent(probability) = self {
            checked(probability);
        }
        self
    }

    /// Whether any packet may be lost.
    pub(super) fn can_lose(&self) -> bool {
        match self {
            Self::None => false,
            Self::Independent(probability) => *probability > 0.0,
            Self::Bursts(bursts) => bursts.mean_loss() > 0.0,
        }
    }

    /// Decides about one packet.
    pub(super) fn draw(
        &self,
        state: &mut Option<BurstState>,
        now: Duration,
        rng: &mut Rng,
    ) -> Option<Lost> {
        match self {
            Self::None => None,
            Self::Independent(probability) => (rng.f64() < *probability).then_some(Lost::Alone),
            Self::Bursts(bursts) => {
                let chance = match state {
                    None => bursts.share_bad(),
                    Some(state) => bursts.chance_bad(state.is_bad, now.saturating_sub(state.at)),
                };
                let is_bad = rng.f64() < chance;
                *state = Some(BurstState { is_bad, at: now });
                let (probability, lost) = match is_bad {
                    true => (bursts.loss_bad, Lost::InBurst),
                    false => (bursts.loss_good, Lost::Alone),
                };
                (rng.f64() < probability).then_some(lost)
            }
        }
    }
}

/// A probability.
///
/// # Panics
///
/// When it is none.
#[track_caller]
pub(super) fn checked(probability: f64) -> f64 {
    let is_one = (0.0..=1.0).contains(&probability);
    assert!(is_one, "a probability is from 0 to 1, not {probability}");
    probability
}
