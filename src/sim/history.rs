//! What members noticed, and when.

use alloc::vec::Vec;
use core::{fmt, time::Duration};

/// What a member was told: the kinds of [`Notice`](crate::Notice), without whom.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// # use core::time::Duration;
/// # use selkie::{Config, codecs::PostcardCodec, sim::*};
/// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
/// # sim.add_peers(5);
/// # sim.join_all(0);
/// # sim.run_for(Duration::from_secs(10));
/// sim.record([News::Suspected, News::Refuted, News::Rejoined]);
/// sim.set_links(Link::lan().loss(0.3));
/// sim.run_for(Duration::from_secs(120));
/// assert!(sim.history().all().iter().any(|seen| seen.news() == News::Refuted));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum News {
    /// A member is part of the cluster that was not before.
    Up,
    /// A member was declared failed, or left without saying so.
    Down,
    /// A member left, by its own word.
    Left,
    /// A member did not answer somebody.
    Suspected,
    /// A suspected member showed that it is alive.
    Refuted,
    /// A member has a new identity.
    Renamed,
    /// A down member is not remembered any more.
    Forgotten,
    /// The observer itself was declared down and took a renewed identity.
    Rejoined,
    /// The observer itself was declared down for good.
    Defunct,
    /// Anything else.
    Other,
}

/// One thing that one member noticed about another.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// # use core::time::Duration;
/// # use selkie::{Config, codecs::PostcardCodec, sim::*};
/// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
/// # sim.add_peers(5);
/// # sim.join_all(0);
/// # sim.run_for(Duration::from_secs(10));
/// sim.crash(3);
/// sim.run_for(Duration::from_secs(60));
/// for seen in sim.history().all() {
///     println!("{:?}: {} of {}: {:?}", seen.at(), seen.observer(), seen.subject(), seen.news());
///     assert!(!seen.subject_was_live());
/// }
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    at: Duration,
    observer: u32,
    subject: u32,
    news: News,
    subject_was_live: bool,
    observer_was_troubled: bool,
    subject_was_troubled: bool,
}

impl Observation {
    /// When.
    #[must_use]
    pub fn at(&self) -> Duration {
        self.at
    }

    /// The node that noticed.
    #[must_use]
    pub fn observer(&self) -> usize {
        self.observer as usize
    }

    /// The node that it is about; the observer itself if it is about nobody else.
    #[must_use]
    pub fn subject(&self) -> usize {
        self.subject as usize
    }

    /// What was noticed.
    #[must_use]
    pub fn news(&self) -> News {
        self.news
    }

    /// Whether the subject ran then, and had not left: a Down about it is false.
    #[must_use]
    pub fn subject_was_live(&self) -> bool {
        self.subject_was_live
    }

    /// Whether the observer was [in trouble](super::Simulation::is_troubled) then.
    #[must_use]
    pub fn observer_was_troubled(&self) -> bool {
        self.observer_was_troubled
    }

    /// Whether the subject was [in trouble](super::Simulation::is_troubled) then.
    #[must_use]
    pub fn subject_was_troubled(&self) -> bool {
        self.subject_was_troubled
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            observer,
            subject,
            news,
            ..
        } = self;
        write!(f, "{at:?}: node {observer} of {subject}: {news:?}")
    }
}

/// What members noticed during a simulation, in order: what measurements are made of.
///
/// By default suspicions, refutations and declarations of failure are
/// [recorded](super::Simulation::record). 32 bytes each.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use core::time::Duration;
/// use selkie::{Config, codecs::PostcardCodec, sim::{News, Simulation}};
///
/// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
/// sim.add_peers(20);
/// sim.join_all(0);
/// sim.run_for(Duration::from_secs(30));
/// let crash = sim.crash(7);
/// sim.run_for(Duration::from_secs(30));
///
/// let suspected = sim.history().first(News::Suspected, 7, crash).expect("nobody noticed");
/// let down = sim.history().first(News::Down, 7, crash).expect("nobody declared it");
/// let known = sim.history().heard_by(News::Down, 7, crash);
/// assert!(crash < suspected && suspected < down);
/// assert_eq!(known.len(), 19);
/// println!("spread in {:?}", known[18] - down);
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct History {
    observations: Vec<Observation>,
}

/// Wrong declarations of failure, as Lifeguard's authors count them (arXiv 1707.00788, section V).
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// # use core::time::Duration;
/// # use selkie::{Config, codecs::PostcardCodec, sim::*};
/// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
/// # sim.add_peers(5);
/// # sim.join_all(0);
/// # sim.run_for(Duration::from_secs(10));
/// let wrong = sim.history().false_positives(Duration::ZERO, |_| true);
/// assert_eq!(wrong, FalsePositives::default());
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FalsePositives {
    /// About healthy members, at any member ("FP").
    pub about_healthy: u64,
    /// Those of them that were made at healthy members ("FP-").
    pub at_healthy: u64,
}

impl History {
    /// All that was recorded.
    #[must_use]
    pub fn all(&self) -> &[Observation] {
        &self.observations
    }

    /// What was recorded at or after a time.
    #[must_use]
    pub fn since(&self, start: Duration) -> &[Observation] {
        let first = self.observations.partition_point(|seen| seen.at < start);
        &self.observations[first..]
    }

    /// When anybody first noticed this about a node, at or after `start`.
    #[must_use]
    pub fn first(&self, news: News, subject: usize, start: Duration) -> Option<Duration> {
        self.about(news, subject, start).next().map(|seen| seen.at)
    }

    /// When each node first noticed this about another one, at or after `start`: the times, in
    /// order. The last one is when the news had reached everybody.
    #[must_use]
    pub fn heard_by(&self, news: News, subject: usize, start: Duration) -> Vec<Duration> {
        let mut heard: Vec<(u32, Duration)> = self
            .about(news, subject, start)
            .map(|seen| (seen.observer, seen.at))
            .collect();
        heard.sort_unstable();
        heard.dedup_by_key(|(observer, _)| *observer);
        let mut times: Vec<Duration> = heard.into_iter().map(|(_, at)| at).collect();
        times.sort_unstable();
        times
    }

    /// The declarations of failure about members that ran, at or after `start`, `is_healthy`
    /// saying which nodes the experiment leaves alone.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// use core::time::Duration;
    /// use selkie::{Config, codecs::PostcardCodec, sim::Simulation};
    ///
    /// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// sim.add_peers(16);
    /// sim.join_all(0);
    /// sim.run_for(Duration::from_secs(30));
    /// // Two members stop taking part for half a minute, and do not notice.
    /// let start = sim.now();
    /// [3, 5].map(|node| sim.pause_for(node, Duration::from_secs(30)));
    /// sim.run_for(Duration::from_secs(120));
    /// let wrong = sim.history().false_positives(start, |node| ![3, 5].contains(&node));
    /// assert!(wrong.about_healthy > 0, "they accuse all others");
    /// assert!(wrong.at_healthy <= wrong.about_healthy);
    /// # }
    /// ```
    #[must_use]
    pub fn false_positives(
        &self,
        start: Duration,
        is_healthy: impl Fn(usize) -> bool,
    ) -> FalsePositives {
        let mut wrong = FalsePositives::default();
        for seen in self.since(start) {
            let is_wrong = seen.news == News::Down && seen.subject_was_live;
            if is_wrong && is_healthy(seen.subject()) {
                wrong.about_healthy += 1;
                wrong.at_healthy += u64::from(is_healthy(seen.observer()));
            }
        }
        wrong
    }

    /// Forgets what was recorded so far.
    pub(super) fn clear(&mut self) {
        self.observations.clear();
    }

    pub(super) fn push(
        &mut self,
        (at, news): (Duration, News),
        (observer, observer_was_troubled): (usize, bool),
        (subject, subject_was_troubled, subject_was_live): (usize, bool, bool),
    ) {
        self.observations.push(Observation {
            at,
            // More nodes than that fit no memory.
            observer: u32::try_from(observer).unwrap_or(u32::MAX),
            subject: u32::try_from(subject).unwrap_or(u32::MAX),
            news,
            subject_was_live,
            observer_was_troubled,
            subject_was_troubled,
        });
    }

    fn about(
        &self,
        news: News,
        subject: usize,
        start: Duration,
    ) -> impl Iterator<Item = &Observation> {
        let recorded = self.since(start).iter();
        recorded.filter(move |seen| seen.news == news && seen.subject() == subject)
    }
}
