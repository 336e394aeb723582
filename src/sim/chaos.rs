//! Faults by chance: a random schedule from a seed, and what must hold after it.

use alloc::{format, vec::Vec};
use core::{fmt, time::Duration};

use fastrand::Rng;

use super::{
    Bounds, Bursts, FaultCounts, Latency, Link, Loss, Machine, NoneStaysDown, Peer, Simulation,
    SizeLimit, Violation,
};
use crate::{Codec, Config, Engine};

/// A random schedule of faults for a small cluster, decided by its seed.
///
/// 3 to 12 members, on a network that loses, delays, duplicates and reorders, suffer one to ten
/// faults in a few virtual minutes: crashes with and without restarts, leaves, pauses, freezes,
/// slowness, stopped clocks, partitions both ways and one way, isolation, deafness, muteness,
/// bursts of loss, packet-size limits. All along, packets and backlogs must stay in bounds and no
/// healthy member may stay down. Then faults end, views must converge, members must run out of
/// things to say, and nobody may suspect anybody. Last, a member is away for a moment, to see
/// whether it [refutes](Outcome::wrong_declarations), and views must converge again.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use selkie::{codecs::PostcardCodec, sim::Chaos};
///
/// let chaos = Chaos::from_seed(7);
/// println!("{chaos}");
/// let outcome = chaos.run(PostcardCodec)?;
/// println!("one cluster again after {:?}", outcome.converged_after);
/// # }
/// # Ok::<(), selkie::sim::Violation>(())
/// ```
#[derive(Clone, Debug)]
pub struct Chaos {
    seed: u64,
    nodes: usize,
    config: Config,
    link: Link,
    faults: Vec<Planned>,
    /// How long it takes at most, by the settings, to bring those back together that need not be
    /// apart.
    patience: Duration,
}

/// How a [`Chaos`] went that broke no rule.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// # use selkie::{codecs::PostcardCodec, sim::*};
/// let outcome = Chaos::from_seed(3).run(PostcardCodec)?;
/// assert!(outcome.faults.delivered > 0);
/// # }
/// # Ok::<(), selkie::sim::Violation>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// What happened, counted.
    pub faults: FaultCounts,
    /// How long after the last fault all views had converged.
    pub converged_after: Duration,
    /// How often a member that was away for two periods, in the end and with no other fault, was
    /// declared down nevertheless. Zero as a rule; but whether the suspicion reaches the member,
    /// and its refutation all others, is left to the chances of gossip.
    pub wrong_declarations: u64,
    /// The [hash](Simulation::trace_hash) of the run.
    pub trace_hash: u64,
}

#[derive(Clone, Copy, Debug)]
struct Planned {
    at: Duration,
    lasts: Duration,
    fault: Fault,
}

/// Nodes are named by number, groups by a bit for each node.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Crash(usize),
    CrashForGood(usize),
    Leave(usize),
    Pause(usize),
    Freeze(usize),
    StallClock(usize),
    SlowDown(usize, Duration),
    Partition(u16),
    OneWay(u16),
    IsolateAll,
    Deaf(usize, f64),
    Mute(usize, f64),
    Bursts(f64),
    Limit(SizeLimit),
}

/// Faults begin once the members know each other.
const FAULTS_BEGIN: Duration = Duration::from_secs(20);

/// And go on for this long, or longer where members take longer to come back together.
const FAULTS_LAST: Duration = Duration::from_secs(160);

/// More packets per second than this from one member are a storm. The busiest sends half as many.
const STORM: u64 = 300;

/// How often guards look: many small runs want no more.
const TICK: Duration = Duration::from_millis(500);

/// How long all must be well in the end.
const CALM: Duration = Duration::from_secs(30);

/// So many turns of announcing to down members bring everybody back together.
const TURNS_TO_CONVERGE: u32 = 4;

impl Chaos {
    /// The schedule of this seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let nodes = rng.usize(3..=12);
        let mut config = match rng.bool() {
            true => Config::lan(),
            false => Config::local(),
        };
        config.prove_joiners = rng.u8(..4) == 0;
        let latency = match rng.u8(..3) {
            0 => Latency::Constant(Duration::from_millis(rng.u64(..20))),
            1 => Latency::Uniform(Duration::ZERO, Duration::from_millis(rng.u64(1..60))),
            _ => Latency::LogNormal {
                median: Duration::from_millis(rng.u64(1..20)),
                sigma: rng.f64(),
            },
        };
        let detour = Latency::Uniform(Duration::ZERO, Duration::from_millis(300));
        let link = Link::perfect()
            .latency(latency)
            .loss(one_of_two(&mut rng) * rng.f64() * 0.15)
            .duplicates(one_of_two(&mut rng) * rng.f64() * 0.05)
            .reorders(one_of_two(&mut rng) * rng.f64() * 0.1, detour);
        let announces = config.periodic_announce_to_down_members;
        let patience = announces.map_or(Duration::MAX, |task| task.every * TURNS_TO_CONVERGE);
        let count = rng.usize(1..=10);
        let faults = (0..count)
            .map(|_| planned(nodes, lasting(patience), &mut rng))
            .collect();
        Self {
            seed,
            nodes,
            config,
            link,
            faults,
            patience,
        }
    }

    /// The same faults, for members with settings that differ from those that the seed chose,
    /// `Config::lan()` or `Config::local()`. How long they may take to come back together stays
    /// what goes with those.
    ///
    /// ```
    /// # #[cfg(feature = "postcard")] {
    /// use selkie::{codecs::PostcardCodec, sim::Chaos};
    ///
    /// let chaos = Chaos::from_seed(7).with(|config| config.num_indirect_probes = 5);
    /// chaos.run(PostcardCodec)?;
    /// # }
    /// # Ok::<(), selkie::sim::Violation>(())
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// How many members there are.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// Runs it, with engines that speak this codec.
    ///
    /// # Errors
    ///
    /// The first rule that was broken, and the schedule.
    pub fn run<C>(&self, codec: C) -> Result<Outcome, Violation>
    where
        C: Codec<Peer> + Clone + 'static,
    {
        self.go(codec)
            .map_err(|violation| violation.with_details(&format!("; {self}")))
    }

    fn go<C>(&self, codec: C) -> Result<Outcome, Violation>
    where
        C: Codec<Peer> + Clone + 'static,
    {
        let (patience, faults_end) = (self.patience, FAULTS_BEGIN + lasting(self.patience));
        let mut sim = Simulation::new(self.seed, self.config.clone(), codec);
        sim.set_tick(TICK);
        sim.set_links(self.link);
        sim.guard(Bounds::new().packets_per_second(STORM));
        sim.guard(NoneStaysDown::longer_than(patience + self.bad_links()));
        sim.add_peers(self.nodes);
        sim.join_all(0);
        for planned in self.faults.clone() {
            let link = self.link;
            sim.after(planned.at, move |sim| planned.begin(sim, link));
        }
        sim.run_for(faults_end);
        sim.set_links(Link::lan());
        // Clocks that were stopped more than once at a time.
        sim.run_until(faults_end, |sim| {
            !sim.live().any(|node| sim.is_troubled(node))
        });
        sim.verdict()?;
        let converged_after = sim.expect_converged(patience)?;
        // Probes that were under way when faults ended fail yet.
        sim.run_for(CALM);
        sim.expect_converged(patience)?;
        sim.expect_quiet(patience)?;
        sim.expect_none_suspected(CALM)?;
        let live: Vec<usize> = sim.live().collect();
        if let Some(&node) = live.get(self.seed as usize % live.len().max(1)) {
            sim.freeze_for(node, self.config.probe_period * 2);
        }
        let (before, _) = sim.world.wrong.declarations;
        sim.run_for(CALM);
        sim.verdict()?;
        let (after, _) = sim.world.wrong.declarations;
        sim.expect_converged(patience)?;
        Ok(Outcome {
            faults: *sim.faults(),
            converged_after,
            wrong_declarations: after - before,
            trace_hash: sim.trace_hash(),
        })
    }

    /// For how long, all in all, no link is as it was: nobody can be asked to come back then.
    fn bad_links(&self) -> Duration {
        let are_bad =
            |planned: &&Planned| matches!(planned.fault, Fault::Bursts(_) | Fault::Limit(_));
        let faults = self.faults.iter().filter(are_bad);
        faults.map(|planned| planned.lasts).sum()
    }
}

impl fmt::Display for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            nodes,
            link,
            config,
            faults,
            ..
        } = self;
        let proof = match config.prove_joiners {
            true => "joiners prove themselves, ",
            false => "",
        };
        let announces = config.periodic_announce_to_down_members;
        let turn = announces.map_or(Duration::MAX, |task| task.every);
        writeln!(
            f,
            "chaos {seed}: {nodes} nodes, announces each {turn:?}, {proof}{link:?}"
        )?;
        let mut faults = faults.clone();
        faults.sort_by_key(|planned| planned.at);
        for Planned { at, lasts, fault } in faults {
            let (at, lasts) = (at.as_secs_f64(), lasts.as_secs_f64());
            writeln!(f, "  at {at:.3} s for {lasts:.3} s: {fault:?}")?;
        }
        Ok(())
    }
}

impl Planned {
    fn begin(self, sim: &mut Chaotic<impl Codec<Peer> + Clone + 'static>, link: Link) {
        let lasts = self.lasts;
        let nodes = sim.len();
        let group = |bits: u16| (0..nodes).filter(move |node| bits >> node & 1 == 1);
        match self.fault {
            Fault::Crash(node) => {
                if spare(sim, node) {
                    sim.crash(node);
                    sim.after(lasts, move |sim| sim.restart(node));
                }
            }
            Fault::CrashForGood(node) => {
                if spare(sim, node) {
                    sim.crash(node);
                }
            }
            Fault::Leave(node) => {
                if spare(sim, node) {
                    sim.leave(node);
                }
            }
            Fault::Pause(node) => sim.pause_for(node, lasts),
            Fault::Freeze(node) => sim.freeze_for(node, lasts),
            // The clock of a node that is stopped twice stands still for the sum.
            Fault::StallClock(node) => sim.stall_clock(node, lasts / 10),
            Fault::SlowDown(node, per_packet) => {
                sim.slow_down(node, per_packet);
                sim.after(lasts, move |sim| sim.speed_up(node));
            }
            Fault::Partition(side) => {
                let cut = sim.partition(group(side), group(!side));
                sim.after(lasts, move |sim| sim.heal(cut));
            }
            Fault::OneWay(side) => {
                let cut = sim.cut(group(side), group(!side));
                sim.after(lasts, move |sim| sim.heal(cut));
            }
            Fault::IsolateAll => {
                let cut = sim.isolate(0..sim.len());
                sim.after(lasts, move |sim| sim.heal(cut));
            }
            Fault::Deaf(node, loss) => {
                sim.set_ingress_loss(node, loss);
                sim.after(lasts, move |sim| sim.set_ingress_loss(node, Loss::None));
            }
            Fault::Mute(node, loss) => {
                sim.set_egress_loss(node, loss);
                sim.after(lasts, move |sim| sim.set_egress_loss(node, Loss::None));
            }
            Fault::Bursts(bad) => {
                let good = Duration::from_secs(2);
                sim.set_links(link.loss(Bursts::new(good, good.mul_f64(bad))));
                sim.after(lasts, move |sim| sim.set_links(link));
            }
            Fault::Limit(limit) => {
                sim.set_links(link.size_limit(limit));
                sim.after(lasts, move |sim| sim.set_links(link));
            }
        }
    }
}

type Chaotic<C> = Simulation<Engine<Peer, C>>;

/// Whether a node may go: two must remain.
fn spare<M: Machine>(sim: &Simulation<M>, node: usize) -> bool {
    sim.is_live(node) && sim.live().count() > 2
}

/// How long faults go on where it takes this long to bring members back together: for longer, so
/// that who stays down is found while they do.
fn lasting(patience: Duration) -> Duration {
    FAULTS_LAST.max(patience.mul_f64(1.3))
}

fn planned(nodes: usize, faults_last: Duration, rng: &mut Rng) -> Planned {
    let at = FAULTS_BEGIN + faults_last.mul_f64(rng.f64() * 0.95);
    // As many short ones as long ones: from a tenth of a second to a hundred.
    let lasts = Duration::from_secs_f64(libm::pow(10.0, rng.f64() * 3.0 - 1.0));
    let (node, side) = (rng.usize(..nodes), rng.u16(..));
    let fault = match rng.u8(..14) {
        0 => Fault::Crash(node),
        1 => Fault::CrashForGood(node),
        2 => Fault::Leave(node),
        3 => Fault::Pause(node),
        4 => Fault::Freeze(node),
        5 => Fault::StallClock(node),
        6 => Fault::SlowDown(node, Duration::from_millis(rng.u64(1..200))),
        7 => Fault::Partition(side),
        8 => Fault::OneWay(side),
        9 => Fault::IsolateAll,
        10 => Fault::Deaf(node, 1.0 - rng.f64() / 2.0),
        11 => Fault::Mute(node, 1.0 - rng.f64() / 2.0),
        12 => Fault::Bursts(rng.f64()),
        _ => Fault::Limit(match rng.bool() {
            true => SizeLimit::Told(rng.usize(40..120)),
            false => SizeLimit::Silent(rng.usize(30..120)),
        }),
    };
    // What is paused for the last time must have come to itself before faults end.
    let lasts = lasts.min((FAULTS_BEGIN + faults_last - at).mul_f64(0.9));
    Planned { at, lasts, fault }
}

/// 0 or 1.
fn one_of_two(rng: &mut Rng) -> f64 {
    f64::from(u8::from(rng.bool()))
}
