//! What must hold, and how a run that breaks it is reported.

use alloc::{boxed::Box, format, string::String};
use core::{fmt, time::Duration};

use super::{Machine, Simulation, world::WrongNews};

/// A rule that was broken, when, and in which run. `Debug` prints the same as `Display`, so that
/// a test may unwrap it.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use core::time::Duration;
/// use selkie::{Config, codecs::PostcardCodec, sim::{Rule, Simulation}};
///
/// let mut sim = Simulation::new(99, Config::lan(), PostcardCodec);
/// sim.add_peers(2);
/// let violation = sim.expect_all_seen(Duration::from_secs(5)).expect_err("nobody joined");
/// assert_eq!(violation.rule(), Rule::AllSeen);
/// assert!(violation.to_string().starts_with("seed 99, at 5.000 s: "));
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Violation {
    seed: u64,
    at: Duration,
    rule: Rule,
    details: String,
}

impl Violation {
    /// The seed that gives the same run again.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// When it was found.
    #[must_use]
    pub fn at(&self) -> Duration {
        self.at
    }

    /// What was broken.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// By whom, and how.
    #[must_use]
    pub fn details(&self) -> &str {
        &self.details
    }

    /// The same, with more to say.
    pub(super) fn with_details(mut self, more: &str) -> Self {
        self.details += more;
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            at,
            rule,
            details,
        } = self;
        let at = at.as_secs_f64();
        write!(f, "seed {seed}, at {at:.3} s: {rule}: {details}")
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Violation {}

/// What can be broken.
///
/// ```
/// # use selkie::sim::Rule;
/// assert_eq!(Rule::Quiet.to_string(), "members do not run out of things to say");
/// assert_eq!(Rule::Custom("two leaders").to_string(), "two leaders");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Every live member is seen by all in time.
    AllSeen,
    /// No healthy member stays down.
    NoneStaysDown,
    /// All views converge.
    Converged,
    /// Nobody suspects a live member.
    NoneSuspected,
    /// Nobody declares a live member down.
    NoneDeclaredDown,
    /// What waits to be sent is sent.
    Quiet,
    /// Packets stay within bounds.
    Packets,
    /// Backlogs and tables stay within bounds.
    Backlogs,
    /// Time goes on.
    Livelock,
    /// A rule of the user's own.
    Custom(&'static str),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AllSeen => "not all live members see each other in time",
            Self::NoneStaysDown => "a healthy member stays down",
            Self::Converged => "views do not converge",
            Self::NoneSuspected => "a live member is suspected",
            Self::NoneDeclaredDown => "a live member is declared down",
            Self::Quiet => "members do not run out of things to say",
            Self::Packets => "packets are out of bounds",
            Self::Backlogs => "backlogs are out of bounds",
            Self::Livelock => "time does not go on",
            Self::Custom(rule) => rule,
        })
    }
}

/// Watches over a run: looks at it [every so often](Simulation::set_tick) and says what is wrong.
///
/// [`Bounds`](super::Bounds), [`NoneStaysDown`](super::NoneStaysDown) and
/// [`AllSeen`](super::AllSeen) come with the simulator; any function that takes a simulation and
/// returns a `Result` is one as well.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use core::time::Duration;
/// use selkie::{Config, Engine, codecs::PostcardCodec};
/// use selkie::sim::{Peer, Rule, Simulation};
///
/// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
/// sim.add_peers(5);
/// sim.join_all(0);
/// sim.guard(|sim: &Simulation<Engine<Peer, PostcardCodec>>| {
///     let renewed = sim.live().find(|&node| sim.identity(node).life > 0);
///     match renewed {
///         Some(node) => Err((Rule::Custom("nobody is renewed"), format!("node {node} was"))),
///         None => Ok(()),
///     }
/// });
/// sim.run_for(Duration::from_secs(60));
/// sim.verdict()?;
/// # }
/// # Ok::<(), selkie::sim::Violation>(())
/// ```
pub trait Guard<M: Machine> {
    /// Begins to watch: called once, before all else. Does nothing unless said. A guard that wraps
    /// another one passes it on.
    fn begin(&mut self, sim: &mut Simulation<M>) {
        let _ = sim;
    }

    /// Looks at the simulation as it is now.
    ///
    /// # Errors
    ///
    /// The rule that is broken, and by whom.
    fn inspect(&mut self, sim: &Simulation<M>) -> Result<(), (Rule, String)>;
}

impl<M, F> Guard<M> for F
where
    M: Machine,
    F: FnMut(&Simulation<M>) -> Result<(), (Rule, String)>,
{
    fn inspect(&mut self, sim: &Simulation<M>) -> Result<(), (Rule, String)> {
        self(sim)
    }
}

impl<M: Machine> Simulation<M> {
    /// Lets somebody watch over the run from now on. The first [`Violation`] found stops it: no
    /// more time passes, and [`verdict`](Self::verdict) tells.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.guard(Bounds::new());
    /// sim.run_for(Duration::from_secs(60));
    /// sim.verdict()?;
    /// # }
    /// # Ok::<(), selkie::sim::Violation>(())
    /// ```
    pub fn guard(&mut self, mut guard: impl Guard<M> + 'static) {
        guard.begin(self);
        self.guards.push(Box::new(guard));
    }

    /// What the guards found.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.guard(Bounds::new().packets_per_second(1));
    /// sim.run_for(Duration::from_secs(60));
    /// assert!(sim.verdict().is_err_and(|violation| violation.rule() == Rule::Packets));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The first violation.
    pub fn verdict(&self) -> Result<(), Violation> {
        self.violation.clone().map_or(Ok(()), Err)
    }

    /// Runs until each live member sees all others, and nobody else. Returns how long it took.
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
    /// let took = sim.expect_all_seen(Duration::from_secs(60))?;
    /// println!("all know after {took:?}");
    /// # }
    /// # Ok::<(), selkie::sim::Violation>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When that takes longer than `within`, or a guard finds something.
    pub fn expect_all_seen(&mut self, within: Duration) -> Result<Duration, Violation> {
        self.expect(within, Rule::AllSeen, Self::all_see_all, Self::blindness)
    }

    /// Runs until all live members see each other alive, at the same incarnations. Returns how
    /// long it took. To be called when faults have ended.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.freeze_for(3, Duration::from_secs(30));
    /// sim.run_for(Duration::from_secs(30));
    /// let took = sim.expect_converged(Duration::from_secs(130))?;
    /// println!("all agree after {took:?}");
    /// # }
    /// # Ok::<(), selkie::sim::Violation>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When that takes longer than `within`, or a guard finds something.
    pub fn expect_converged(&mut self, within: Duration) -> Result<Duration, Violation> {
        self.expect(within, Rule::Converged, Self::is_converged, |sim| {
            let disagreement = sim.first_disagreement();
            disagreement.unwrap_or_else(|| sim.blindness())
        })
    }

    /// Runs until no live member has anything left to spread. Returns how long it took. To be
    /// called when views have converged.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.expect_quiet(Duration::from_secs(60))?;
    /// # }
    /// # Ok::<(), selkie::sim::Violation>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When that takes longer than `within`, or a guard finds something.
    pub fn expect_quiet(&mut self, within: Duration) -> Result<Duration, Violation> {
        let talker = |sim: &Self| {
            sim.live().find_map(|node| {
                let load = sim.machine(node)?.load();
                (load.updates > 0 || load.broadcasts > 0).then_some((node, load))
            })
        };
        let is_quiet = move |sim: &Self| talker(sim).is_none();
        self.expect(within, Rule::Quiet, is_quiet, |sim| match talker(sim) {
            Some((node, load)) => format!("node {node} has {load:?}"),
            None => String::new(),
        })
    }

    /// Runs for this long, in which nobody may suspect a live member. To be called when all is
    /// well.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.expect_none_suspected(Duration::from_secs(60))?;
    /// # }
    /// # Ok::<(), selkie::sim::Violation>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When somebody did, or a guard finds something.
    pub fn expect_none_suspected(&mut self, time: Duration) -> Result<(), Violation> {
        self.expect_none(time, Rule::NoneSuspected, |wrong| wrong.suspicions)
    }

    /// Runs for this long, in which nobody may declare a live member down. To be called when
    /// troubles are so short that a member can refute.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// # use core::time::Duration;
    /// # use selkie::{Config, codecs::PostcardCodec, sim::*};
    /// # let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    /// # sim.add_peers(5);
    /// # sim.join_all(0);
    /// # sim.run_for(Duration::from_secs(10));
    /// sim.freeze_for(3, Duration::from_secs(2));
    /// sim.expect_none_declared_down(Duration::from_secs(60))?;
    /// # }
    /// # Ok::<(), selkie::sim::Violation>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When somebody did, or a guard finds something.
    pub fn expect_none_declared_down(&mut self, time: Duration) -> Result<(), Violation> {
        self.expect_none(time, Rule::NoneDeclaredDown, |wrong| wrong.declarations)
    }

    fn expect_none(
        &mut self,
        time: Duration,
        rule: Rule,
        count: impl Fn(&WrongNews) -> (u64, (usize, usize)),
    ) -> Result<(), Violation> {
        let (before, _) = count(&self.world.wrong);
        self.run_for(time);
        self.verdict()?;
        let (after, (observer, subject)) = count(&self.world.wrong);
        if after == before {
            return Ok(());
        }
        let times = after - before;
        let details = format!("{times} times, the last by node {observer} of node {subject}");
        Err(self.violation_of(rule, details))
    }

    fn expect(
        &mut self,
        within: Duration,
        rule: Rule,
        holds: impl Fn(&Self) -> bool,
        details: impl Fn(&Self) -> String,
    ) -> Result<Duration, Violation> {
        let took = self.run_until(within, holds);
        self.verdict()?;
        took.ok_or_else(|| self.violation_of(rule, details(self)))
    }

    /// Lets the guards look.
    pub(super) fn inspect(&mut self) {
        let mut guards = core::mem::take(&mut self.guards);
        for guard in &mut guards {
            if let Err((rule, details)) = guard.inspect(self) {
                self.report(rule, &details);
                break;
            }
        }
        self.guards = guards;
    }

    pub(super) fn report(&mut self, rule: Rule, details: &str) {
        let violation = self.violation_of(rule, details.into());
        self.violation.get_or_insert(violation);
    }

    pub(super) fn violation_of(&self, rule: Rule, details: String) -> Violation {
        Violation {
            seed: self.seed(),
            at: self.now(),
            rule,
            details,
        }
    }
}
