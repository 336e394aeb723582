//! What lies between two nodes.

use core::time::Duration;

use super::{Latency, Loss, loss::checked};

/// One direction between two nodes: how long packets take, and what becomes of them.
///
/// ```
/// use core::time::Duration;
/// use selkie::sim::{Latency, Link};
///
/// let link = Link::lan()
///     .latency(Latency::LogNormal { median: Duration::from_millis(2), sigma: 0.5 })
///     .loss(0.1)
///     .duplicates(0.02)
///     .reorders(0.05, Duration::from_millis(20));
/// # let _ = link;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    pub(super) latency: Latency,
    pub(super) loss: Loss,
    pub(super) duplicates: f64,
    pub(super) reorders: f64,
    pub(super) detour: Latency,
    pub(super) size_limit: SizeLimit,
}

impl Link {
    /// Half a millisecond, always, and nothing else happens.
    #[must_use]
    pub fn perfect() -> Self {
        Self {
            latency: Latency::Constant(Duration::from_micros(500)),
            loss: Loss::None,
            duplicates: 0.0,
            reorders: 0.0,
            detour: Latency::Constant(Duration::ZERO),
            size_limit: SizeLimit::None,
        }
    }

    /// A data centre: 0.2 to 0.8 ms.
    #[must_use]
    pub fn lan() -> Self {
        let (min, max) = (Duration::from_micros(200), Duration::from_micros(800));
        Self::perfect().latency(Latency::Uniform(min, max))
    }

    /// The other side of an ocean: a median of 40 ms with a long tail.
    #[must_use]
    pub fn wan() -> Self {
        Self::perfect().latency(Latency::LogNormal {
            median: Duration::from_millis(40),
            sigma: 0.25,
        })
    }

    /// How long a packet takes.
    #[must_use]
    pub fn latency(self, latency: impl Into<Latency>) -> Self {
        Self {
            latency: latency.into(),
            ..self
        }
    }

    /// Which packets are lost.
    ///
    /// # Panics
    ///
    /// When the probability is not from 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn loss(self, loss: impl Into<Loss>) -> Self {
        Self {
            loss: loss.into().checked(),
            ..self
        }
    }

    /// How probable it is, 0 to 1, that a packet arrives twice. The second takes a time of its own.
    ///
    /// # Panics
    ///
    /// When the probability is not from 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn duplicates(self, probability: f64) -> Self {
        Self {
            duplicates: checked(probability),
            ..self
        }
    }

    /// How probable it is, 0 to 1, that a packet takes a `detour` and so much longer: those sent
    /// after it overtake it. Latencies that vary reorder packets already.
    ///
    /// # Panics
    ///
    /// When the probability is not from 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn reorders(self, probability: f64, detour: impl Into<Latency>) -> Self {
        Self {
            reorders: checked(probability),
            detour: detour.into(),
            ..self
        }
    }

    /// How large a packet may be.
    ///
    /// ```
    /// use selkie::sim::{Link, SizeLimit};
    ///
    /// let black_hole = Link::lan().size_limit(SizeLimit::Silent(576));
    /// # let _ = black_hole;
    /// ```
    #[must_use]
    pub fn size_limit(self, limit: SizeLimit) -> Self {
        Self {
            size_limit: limit,
            ..self
        }
    }
}

impl Default for Link {
    /// [`Link::lan`].
    fn default() -> Self {
        Self::lan()
    }
}

/// How large a packet may be on a [`Link`], in bytes. Larger ones are dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SizeLimit {
    /// As large as the members' settings allow.
    #[default]
    None,
    /// The sender knows: [`Runtime::room`](crate::Runtime::room) says so.
    Told(usize),
    /// The sender does not know.
    Silent(usize),
}

impl SizeLimit {
    pub(super) fn drops(self, size: usize) -> bool {
        match self {
            Self::None => false,
            Self::Told(max) | Self::Silent(max) => size > max,
        }
    }

    /// How much room the sender believes there is.
    pub(super) fn room(self) -> usize {
        match self {
            Self::Told(max) => max,
            Self::None | Self::Silent(_) => usize::MAX,
        }
    }
}
