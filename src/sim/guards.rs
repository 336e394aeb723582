//! The guards that come with the simulator.

use alloc::{format, string::String, vec::Vec};
use core::time::Duration;

use hashbrown::HashMap;

use super::{Guard, Hasher, Limits, Machine, Rule, Simulation, pace::Pace};

/// No healthy member stays down: of two live nodes, neither in trouble nor cut off from the other,
/// neither misses the other for longer than a given time once it has known it. Looks once a second.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use core::time::Duration;
/// use selkie::{Config, codecs::PostcardCodec, sim::{NoneStaysDown, Simulation}};
///
/// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
/// sim.add_peers(10);
/// sim.join_all(0);
/// sim.guard(NoneStaysDown::longer_than(Duration::from_secs(130)));
/// sim.run_for(Duration::from_secs(20));
/// sim.pause_for(3, Duration::from_secs(60));
/// sim.run_for(Duration::from_secs(300));
/// sim.verdict()?;
/// # }
/// # Ok::<(), selkie::sim::Violation>(())
/// ```
#[derive(Clone, Debug)]
pub struct NoneStaysDown(Missing);

impl NoneStaysDown {
    /// For longer than this.
    #[must_use]
    pub fn longer_than(longest: Duration) -> Self {
        Self(Missing::new(longest))
    }
}

impl<M: Machine> Guard<M> for NoneStaysDown {
    fn inspect(&mut self, sim: &Simulation<M>) -> Result<(), (Rule, String)> {
        let found = self.0.inspect(sim, Strangers::MayMiss);
        found.map_or(Ok(()), |details| Err((Rule::NoneStaysDown, details)))
    }
}

/// Each live member is seen by all in time: as [`NoneStaysDown`], and those that have never seen
/// each other are found as well. The time begins when both are live, anew when one starts again.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use core::time::Duration;
/// use selkie::{Config, codecs::PostcardCodec, sim::{AllSeen, Simulation}};
///
/// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
/// sim.guard(AllSeen::within(Duration::from_secs(60)));
/// sim.add_peers(10);
/// sim.join_all(0);
/// sim.run_for(Duration::from_secs(100));
/// sim.verdict()?;
/// # }
/// # Ok::<(), selkie::sim::Violation>(())
/// ```
#[derive(Clone, Debug)]
pub struct AllSeen(Missing);

impl AllSeen {
    /// Within this time.
    #[must_use]
    pub fn within(longest: Duration) -> Self {
        Self(Missing::new(longest))
    }
}

impl<M: Machine> Guard<M> for AllSeen {
    fn inspect(&mut self, sim: &Simulation<M>) -> Result<(), (Rule, String)> {
        let found = self.0.inspect(sim, Strangers::MayNot);
        found.map_or(Ok(()), |details| Err((Rule::AllSeen, details)))
    }
}

/// Who misses whom without a reason, and since when. Looks once a second.
#[derive(Clone, Debug)]
struct Missing {
    longest: Duration,
    looks_at: Duration,
    since: HashMap<(usize, usize), Pair, Hasher>,
}

/// Two live nodes, of which the first should see the second.
#[derive(Clone, Copy, Debug)]
struct Pair {
    /// In which lives.
    lives: (u32, u32),
    /// `None` while the first sees the second, or has a reason not to.
    missed_since: Option<Duration>,
}

/// Whether those who have never seen each other may miss each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strangers {
    MayMiss,
    MayNot,
}

impl Missing {
    fn new(longest: Duration) -> Self {
        Self {
            longest,
            looks_at: Duration::ZERO,
            since: HashMap::default(),
        }
    }

    /// The first pair that misses for too long, in words.
    fn inspect<M: Machine>(&mut self, sim: &Simulation<M>, strangers: Strangers) -> Option<String> {
        if sim.now() < self.looks_at {
            return None;
        }
        self.looks_at = sim.now() + Duration::from_secs(1);
        let live: Vec<usize> = sim.live().collect();
        for &observer in &live {
            for &subject in live.iter().filter(|&&subject| subject != observer) {
                let since = self.missed_since(sim, (observer, subject), strangers);
                let late = since.filter(|&since| sim.now() - since > self.longest);
                if let Some(since) = late {
                    let since = since.as_secs_f64();
                    return Some(format!(
                        "node {observer} misses node {subject} since {since:.3} s"
                    ));
                }
            }
        }
        self.since
            .retain(|(observer, subject), _| sim.is_live(*observer) && sim.is_live(*subject));
        None
    }

    /// Since when a node has missed another, that it has no reason to miss.
    fn missed_since<M: Machine>(
        &mut self,
        sim: &Simulation<M>,
        (observer, subject): (usize, usize),
        strangers: Strangers,
    ) -> Option<Duration> {
        let pair = Pair {
            lives: (sim.life(observer), sim.life(subject)),
            missed_since: None,
        };
        if sim.sees(observer, subject) {
            self.since.insert((observer, subject), pair);
            return None;
        }
        let known = match strangers {
            Strangers::MayMiss => self.since.get_mut(&(observer, subject))?,
            Strangers::MayNot => self.since.entry((observer, subject)).or_insert(pair),
        };
        if known.lives != pair.lives {
            *known = pair;
        }
        let has_reason = sim.is_troubled(observer)
            || sim.is_troubled(subject)
            || sim.is_cut(observer, subject)
            || sim.is_cut(subject, observer);
        if has_reason {
            known.missed_since = None;
            return None;
        }
        Some(*known.missed_since.get_or_insert(sim.now()))
    }
}

/// Packets and backlogs stay within bounds: those that the members' own settings set, and tighter
/// ones if wanted.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use core::time::Duration;
/// use selkie::{Config, codecs::PostcardCodec, sim::{Bounds, Limits, Simulation}};
///
/// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
/// sim.add_peers(10);
/// sim.join_all(0);
/// let limits = Limits { updates: 20, ..Limits::default() };
/// sim.guard(Bounds::new().within(limits).packets_per_second(100));
/// sim.run_for(Duration::from_secs(60));
/// sim.verdict()?;
/// # }
/// # Ok::<(), selkie::sim::Violation>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    limits: Limits,
    packets_per_second: Option<u64>,
    /// Which of the simulation's paces counts them.
    pace: Option<usize>,
}

impl Bounds {
    /// Those of the members' own settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These as well.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// No node sends more packets than this in any second, wherever it begins: each packet is
    /// counted, however seldom guards look.
    #[must_use]
    pub fn packets_per_second(self, max: u64) -> Self {
        Self {
            packets_per_second: Some(max),
            ..self
        }
    }

    fn check_load<M: Machine>(&self, node: usize, machine: &M) -> Result<(), (Rule, String)> {
        let (load, own) = (machine.load(), machine.limits());
        for (what, held, max, own_max) in [
            ("updates", load.updates, self.limits.updates, own.updates),
            (
                "broadcasts",
                load.broadcasts,
                self.limits.broadcasts,
                own.broadcasts,
            ),
            (
                "active members",
                load.active,
                self.limits.active,
                own.active,
            ),
            ("down members", load.down, self.limits.down, own.down),
        ] {
            let max = max.min(own_max);
            if held > max {
                let details = format!("node {node} holds {held} {what}, of at most {max}");
                return Err((Rule::Backlogs, details));
            }
        }
        Ok(())
    }

    fn check_packets<M: Machine>(
        &self,
        sim: &Simulation<M>,
        node: usize,
        machine: &M,
    ) -> Result<(), (Rule, String)> {
        let largest = sim.largest_sent(node);
        let max = machine.limits().packet_size.min(self.limits.packet_size);
        if largest > max {
            let details = format!("node {node} sent {largest} bytes, of at most {max}");
            return Err((Rule::Packets, details));
        }
        Ok(())
    }

    fn check_pace<M: Machine>(&self, sim: &Simulation<M>) -> Result<(), (Rule, String)> {
        let Some(most) = self.packets_per_second else {
            return Ok(());
        };
        let Some(pace) = self.pace.and_then(|pace| sim.world.paces.get(pace)) else {
            let details = "nobody counts packets: `Guard::begin` was not called".into();
            return Err((Rule::Packets, details));
        };
        let Some((node, at)) = pace.broken() else {
            return Ok(());
        };
        let at = at.as_secs_f64();
        let details = format!("node {node} sent more than {most} in the second up to {at:.3} s");
        Err((Rule::Packets, details))
    }
}

impl<M: Machine> Guard<M> for Bounds {
    fn begin(&mut self, sim: &mut Simulation<M>) {
        self.pace = self.packets_per_second.map(|most| {
            sim.world.paces.push(Pace::of(most));
            sim.world.paces.len() - 1
        });
    }

    fn inspect(&mut self, sim: &Simulation<M>) -> Result<(), (Rule, String)> {
        for node in 0..sim.len() {
            if let Some(machine) = sim.machine(node) {
                self.check_load(node, machine)?;
                self.check_packets(sim, node, machine)?;
            }
        }
        self.check_pace(sim)
    }
}
