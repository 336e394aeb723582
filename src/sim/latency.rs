//! How long something takes, left to chance.

use core::{f64::consts::TAU, time::Duration};

use fastrand::Rng;

/// A distribution of times: of a link's one-way latency, or of the work for one packet.
///
/// ```
/// use core::time::Duration;
/// use selkie::sim::Latency;
///
/// let mut rng = fastrand::Rng::with_seed(1);
/// let (low, high) = (Duration::from_millis(10), Duration::from_millis(30));
/// let latency = Latency::Uniform(low, high);
/// assert!((0..100).all(|_| (low..=high).contains(&latency.sample(&mut rng))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Latency {
    /// Always the same: packets of one link stay in order.
    Constant(Duration),
    /// Anything from the first to the second, all alike.
    Uniform(Duration, Duration),
    /// The normal distribution, cut off at zero.
    Normal {
        /// The mean.
        mean: Duration,
        /// The standard deviation.
        deviation: Duration,
    },
    /// A long tail: what measured round trips look like.
    LogNormal {
        /// Half of them take longer.
        median: Duration,
        /// The standard deviation of the logarithm: 0.1 is narrow, 1.0 is wild.
        sigma: f64,
    },
    /// At least `min`, and an exponentially distributed rest: a queue.
    Exponential {
        /// The shortest.
        min: Duration,
        /// The mean of what comes on top.
        mean: Duration,
    },
}

impl Latency {
    /// Draws one.
    #[must_use]
    pub fn sample(&self, rng: &mut Rng) -> Duration {
        match *self {
            Self::Constant(always) => always,
            Self::Uniform(min, max) => {
                let width = max.saturating_sub(min);
                min.saturating_add(width.mul_f64(rng.f64()))
            }
            Self::Normal { mean, deviation } => {
                seconds(mean.as_secs_f64() + deviation.as_secs_f64() * normal(rng))
            }
            Self::LogNormal { median, sigma } => {
                seconds(median.as_secs_f64() * libm::exp(sigma * normal(rng)))
            }
            Self::Exponential { min, mean } => {
                let rest = seconds(-mean.as_secs_f64() * libm::log(above_zero(rng)));
                min.saturating_add(rest)
            }
        }
    }
}

impl From<Duration> for Latency {
    fn from(always: Duration) -> Self {
        Self::Constant(always)
    }
}

/// A standard normal number (Box and Muller, 1958).
fn normal(rng: &mut Rng) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(above_zero(rng)));
    radius * libm::cos(TAU * rng.f64())
}

/// From 0 to 1, without 0, so that it has a logarithm.
fn above_zero(rng: &mut Rng) -> f64 {
    1.0 - rng.f64()
}

/// What is negative or not a number is zero; a year is more than anybody waits.
fn seconds(seconds: f64) -> Duration {
    const MAX: f64 = 365.0 * 86_400.0;
    Duration::from_secs_f64(seconds.clamp(0.0, MAX).max(0.0))
}
