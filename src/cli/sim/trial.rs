//! Members that crash, and how the others find out.

use core::{cell::RefCell, sync::atomic::Ordering, time::Duration};
use std::{collections::BTreeMap, rc::Rc};

use fastrand::Rng;
use selkie::{
    Config, Engine, Notice, Suspicion,
    codecs::PostcardCodec,
    sim::{Happening, Link, Machine, News, Peer, Simulation},
};

use super::{
    Wish,
    plot::{Line, Plot},
    report::{Report, Table, count, number},
    stats::{largest, mean, median, quantile, secs},
};

pub(super) type Peers = Simulation<Engine<Peer, PostcardCodec>>;

/// What became of one crash. All in seconds.
pub(super) struct Sample {
    /// From the crash to the first suspicion.
    pub(super) to_suspicion: f64,
    /// From there to the first declaration.
    pub(super) to_down: f64,
    /// How long that should take, by the accusers that each observer heard of, and when.
    pub(super) implied: f64,
    /// From there until all know.
    pub(super) to_all: f64,
}

/// Crashes, and what became of those that all survivors heard of.
#[derive(Default)]
pub(super) struct Trials {
    pub(super) crashes: usize,
    pub(super) samples: Vec<Sample>,
}

/// Members that started at random times within a period, so that their probes are not in step,
/// see each other, and have nothing left to say. That they see each other is a bar of its own.
pub(super) fn settled(
    wish: &Wish<'_>,
    count: usize,
    config: Config,
    link: Link,
    seed: u64,
) -> Peers {
    let period = config.probe_period;
    let mut sim = Simulation::new(seed, config, PostcardCodec);
    sim.set_links(link);
    settle(wish, &mut sim, count, period, seed);
    sim
}

/// The same, in a simulation of any machines.
pub(super) fn settle<M: Machine<Id = Peer>>(
    wish: &Wish<'_>,
    sim: &mut Simulation<M>,
    count: usize,
    period: Duration,
    seed: u64,
) {
    let mut rng = Rng::with_seed(seed);
    let mut starts: Vec<Duration> = (0..count).map(|_| period.mul_f64(rng.f64())).collect();
    starts.sort_unstable();
    for start in starts {
        sim.run_for(start.saturating_sub(sim.now()));
        let node = sim.add(Peer::numbered(sim.len() + 1));
        if node > 0 {
            sim.join(node, 0);
        }
    }
    let found = sim.run_until(secs(300), Simulation::all_see_all);
    if found.is_none() {
        wish.unsettled.fetch_add(1, Ordering::Relaxed);
    }
    sim.run_for(period * 20);
}

/// `selkie sim detection`.
pub(super) fn detection(wish: &Wish<'_>) -> Report {
    let mut report = Report::new(
        "Detection: members of the LAN preset crash, a few at a time, on a network without loss. \
         SWIM's analysis expects the first ping of a crashed member after 1.58 periods (mean); \
         with unsynchronised probes, judged at the period's end, the median is 1.69.",
    );
    let sizes = wish.sizes(&[16, 64, 256, 1024]);
    let found = trials(wish, &sizes, Config::lan(), 300);
    let period = Config::lan().probe_period.as_secs_f64();
    let mut table = Table::new(
        "sizes",
        &[
            ("members", "members"),
            ("crashes", "crashes"),
            ("known_to_all", "known to all"),
            (
                "first_suspicion_median_periods",
                "first suspicion: median periods",
            ),
            ("first_suspicion_mean_periods", "mean"),
            ("first_suspicion_p99_periods", "99 %"),
            ("paper_mean_periods", "paper: mean"),
            ("first_down_median_s", "to first Down: median s"),
            ("implied_median_s", "implied by accusers: s"),
            ("off_most_percent", "off by at most %"),
        ],
    );
    let mut line = Vec::new();
    for (&size, Trials { crashes, samples }) in sizes.iter().zip(&found) {
        let periods: Vec<f64> = samples
            .iter()
            .map(|one| one.to_suspicion / period)
            .collect();
        let downs: Vec<f64> = samples.iter().map(|one| one.to_down).collect();
        let implied: Vec<f64> = samples.iter().map(|one| one.implied).collect();
        let off: Vec<f64> = samples
            .iter()
            .map(|one| 100.0 * (one.to_down / one.implied - 1.0).abs())
            .collect();
        table.row([
            count(size),
            count(*crashes),
            count(samples.len()),
            number(median(&periods), 3),
            number(mean(&periods), 3),
            number(quantile(&periods, 0.99), 2),
            number(1.582, 3),
            number(median(&downs), 2),
            number(median(&implied), 2),
            number(largest(&off), 1),
        ]);
        let what = format!("crashes known to all survivors, {size} members");
        report.each(what, samples.len(), *crashes);
        let what = format!("median periods to the first suspicion, {size} members");
        report.near(&what, median(&periods), 1.69, 10.0);
        let what = format!("off the timeout that accusers imply, {size} members");
        report.at_most(&what, largest(&off), 10.0, " %");
        line.push((size as f64, median(&periods)));
    }
    report.table(table);
    let expected = line.iter().map(|(size, _)| (*size, 1.69)).collect();
    report.plot(Plot {
        name: "first-suspicion",
        title: "From a crash to the first suspicion",
        x: "members",
        y: "periods (median)",
        lines: vec![Line::new("selkie", line), Line::new("analysis", expected)],
    });
    report
}

/// So many crashes at each size, unless a number of runs is asked for.
pub(super) fn trials(
    wish: &Wish<'_>,
    sizes: &[usize],
    config: Config,
    crashes: u64,
) -> Vec<Trials> {
    let jobs: Vec<(usize, u64)> = sizes
        .iter()
        .flat_map(|&size| {
            let runs = crashes.div_ceil(crashes_at(size) as u64);
            wish.seeds(runs).map(move |seed| (size, seed))
        })
        .collect();
    let found = wish.crew.map("crashes", &jobs, |&(size, seed)| {
        trial(wish, size, config.clone(), seed)
    });
    let mut by_size: BTreeMap<usize, Trials> = BTreeMap::new();
    for ((size, _), trials) in jobs.iter().zip(found) {
        let all = by_size.entry(*size).or_default();
        all.crashes += trials.crashes;
        all.samples.extend(trials.samples);
    }
    sizes
        .iter()
        .map(|size| by_size.remove(size).unwrap_or_default())
        .collect()
}

/// As many as hardly change the size.
fn crashes_at(size: usize) -> usize {
    (size / 50).clamp(1, 20)
}

/// What one observer was told about one crashed member.
#[derive(Default)]
struct Told {
    suspected: Option<Duration>,
    /// When so many confirmed it, for the first time.
    confirmed: [Option<Duration>; Suspicion::CONFIRMATIONS as usize],
}

/// Members crash at random times within 20 periods.
fn trial(wish: &Wish<'_>, size: usize, config: Config, seed: u64) -> Trials {
    let period = config.probe_period;
    let suspicion = config.suspicion;
    let mut sim = settled(wish, size, config, Link::lan(), seed);
    sim.record([News::Suspected, News::Down]);
    let told: Rc<RefCell<BTreeMap<(usize, usize), Told>>> = Rc::default();
    let notes = Rc::clone(&told);
    let victims = 1..=crashes_at(size);
    let watched = victims.clone();
    sim.watch(move |at, happening| {
        if let Happening::Notified {
            node,
            subject: Some(subject),
            notice,
        } = happening
            && watched.contains(subject)
        {
            let mut notes = notes.borrow_mut();
            let told = notes.entry((*subject, *node)).or_default();
            match notice {
                Notice::MemberSuspect { .. } => told.suspected = Some(at),
                Notice::SuspicionConfirmed { confirmations, .. } => {
                    for known in told.confirmed.iter_mut().take(usize::from(*confirmations)) {
                        known.get_or_insert(at);
                    }
                }
                _ => {}
            }
        }
    });
    let mut rng = Rng::with_seed(!seed);
    let start = sim.now();
    let mut crashes: Vec<(Duration, usize)> = victims
        .map(|victim| (start + (period * 20).mul_f64(rng.f64()), victim))
        .collect();
    crashes.sort_unstable();
    for &(at, victim) in &crashes {
        sim.after(at - start, move |sim| {
            sim.crash(victim);
        });
    }
    sim.run_for(period * 20 + suspicion.at(size, period) + period * 20);
    let told = told.borrow();
    let samples = crashes.iter().map(|&(crash, victim)| {
        let suspected = sim.history().first(News::Suspected, victim, crash)?;
        let down = sim.history().first(News::Down, victim, crash)?;
        let last = known_to_all(&sim, victim, crash)?;
        let observers = told.range((victim, 0)..(victim + 1, 0));
        let due = observers.filter_map(|(_, told)| told.due(suspicion, size, period));
        Some(Sample {
            to_suspicion: (suspected - crash).as_secs_f64(),
            to_down: (down - suspected).as_secs_f64(),
            implied: (due.min()?.saturating_sub(suspected)).as_secs_f64(),
            to_all: (last - down).as_secs_f64(),
        })
    });
    Trials {
        crashes: crashes.len(),
        samples: samples.flatten().collect(),
    }
}

/// When the last of those that live now heard that a node is down; `None` if any did not. Who
/// heard of it and crashed later does not count.
pub(super) fn known_to_all(sim: &Peers, victim: usize, crash: Duration) -> Option<Duration> {
    let mut heard = BTreeMap::new();
    for seen in sim.history().since(crash) {
        if seen.news() == News::Down && seen.subject() == victim {
            heard.entry(seen.observer()).or_insert(seen.at());
        }
    }
    let times: Option<Vec<Duration>> = sim.live().map(|node| heard.get(&node).copied()).collect();
    times?.into_iter().max()
}

impl Told {
    /// When the observer should declare the member down: as soon as the time for as many accusers
    /// as it heard of is over.
    fn due(&self, suspicion: Suspicion, size: usize, period: Duration) -> Option<Duration> {
        let suspected = self.suspected?;
        let known = [self.suspected].into_iter().chain(self.confirmed);
        known
            .enumerate()
            .filter_map(|(confirmations, since)| {
                let timeout = timeout(suspicion, size, period, confirmations);
                Some((suspected + timeout).max(since?))
            })
            .min()
    }
}

/// Lifeguard's formula (section IV-B): Max - (Max - Min)·ln(C + 1)/ln(K + 1). K are those who can
/// confirm: all but the suspect and its first accuser, and no more than that are waited for.
fn timeout(suspicion: Suspicion, size: usize, period: Duration, confirmations: usize) -> Duration {
    let longest = suspicion.at(size, period);
    let Suspicion::Confirmed { max, .. } = suspicion else {
        return longest;
    };
    let shortest = longest / u32::from(max);
    let ln = |count: usize| (count as f64 + 1.0).ln();
    let expected = size
        .saturating_sub(2)
        .min(usize::from(Suspicion::CONFIRMATIONS));
    let share = match expected {
        0 => 1.0,
        _ => (ln(confirmations) / ln(expected)).min(1.0),
    };
    longest - (longest - shortest).mul_f64(share)
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicU64;

    use clap::Parser;
    use selkie::{Config, Suspicion};

    use super::{Link, News, Ordering, Wish, known_to_all, secs, settled, timeout};
    use crate::{
        args::{Cli, Command, SimArgs},
        sim::Crew,
    };

    #[test]
    fn small_clusters_wait_for_as_many_as_can_confirm() {
        let suspicion = Suspicion::Confirmed { min: 4, max: 6 };
        let shortest = suspicion.at(3, secs(1)) / 6;
        // The suspect, its accuser, and one more; or two; or three.
        for (size, confirmations) in [(3, 1), (4, 2), (5, 3), (100, 3)] {
            let shortest = suspicion.at(size, secs(1)).max(shortest) / 6;
            let found = timeout(suspicion, size, secs(1), confirmations);
            assert!(
                found.abs_diff(shortest) < secs(1) / 1000,
                "{size}: {found:?}"
            );
        }
        assert_eq!(timeout(suspicion, 3, secs(1), 0), suspicion.at(3, secs(1)));
    }

    fn args() -> SimArgs {
        match Cli::parse_from(["selkie", "sim", "load"]).command {
            Command::Sim(args) => args,
            _ => unreachable!("it is"),
        }
    }

    fn wish(args: &SimArgs) -> Wish<'_> {
        Wish {
            args,
            crew: Crew::new(),
            unsettled: AtomicU64::new(0),
        }
    }

    #[test]
    fn members_that_do_not_find_together_are_noted() {
        let args = args();
        let wish = wish(&args);
        for (loss, unsettled) in [(0.0, 0), (1.0, 1)] {
            settled(&wish, 3, Config::lan(), Link::lan().loss(loss), 1);
            assert_eq!(wish.unsettled.load(Ordering::Relaxed), unsettled);
        }
    }

    #[test]
    fn who_heard_and_then_crashed_knows_for_nobody() {
        let args = args();
        let wish = wish(&args);
        let mut sim = settled(&wish, 6, Config::lan(), Link::lan(), 1);
        sim.record([News::Down]);
        let crash = sim.crash(1);
        assert_eq!(known_to_all(&sim, 1, crash), None);
        sim.run_for(secs(60));
        assert!(known_to_all(&sim, 1, crash).is_some());
        // A new member has not heard of it; that one who had is gone changes nothing.
        sim.crash(2);
        sim.add_peers(1);
        assert_eq!(known_to_all(&sim, 1, crash), None);
    }
}
