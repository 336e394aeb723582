//! Members that crash, and how the others find out.

use core::{cell::RefCell, time::Duration};
use std::{collections::BTreeMap, rc::Rc};

use fastrand::Rng;
use selkie::{
    Config, Engine, Notice, Suspicion,
    codecs::PostcardCodec,
    sim::{Happening, Link, News, Peer, Simulation},
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

/// Members that started at random times within a period, so that their probes are not in step,
/// see each other, and have nothing left to say.
pub(super) fn settled(count: usize, config: Config, link: Link, seed: u64) -> Peers {
    let period = config.probe_period;
    let mut sim = Simulation::new(seed, config, PostcardCodec);
    sim.set_links(link);
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
    sim.run_until(secs(300), Simulation::all_see_all);
    sim.run_for(period * 20);
    sim
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
            "members",
            "crashes",
            "first suspicion: median periods",
            "mean",
            "99 %",
            "paper: mean",
            "to first Down: median s",
            "implied by accusers: s",
            "off by at most %",
        ],
    );
    let mut line = Vec::new();
    for (&size, samples) in sizes.iter().zip(&found) {
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
            count(samples.len()),
            number(median(&periods), 3),
            number(mean(&periods), 3),
            number(quantile(&periods, 0.99), 2),
            number(1.582, 3),
            number(median(&downs), 2),
            number(median(&implied), 2),
            number(largest(&off), 1),
        ]);
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
) -> Vec<Vec<Sample>> {
    let jobs: Vec<(usize, u64)> = sizes
        .iter()
        .flat_map(|&size| {
            let runs = crashes.div_ceil(crashes_at(size) as u64);
            wish.seeds(runs).map(move |seed| (size, seed))
        })
        .collect();
    let found = wish.crew.map("crashes", &jobs, |&(size, seed)| {
        trial(size, config.clone(), seed)
    });
    let mut by_size: BTreeMap<usize, Vec<Sample>> = BTreeMap::new();
    for ((size, _), samples) in jobs.iter().zip(found) {
        by_size.entry(*size).or_default().extend(samples);
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

/// Members crash at random times within 20 periods. Nothing for those that nobody found.
fn trial(size: usize, config: Config, seed: u64) -> Vec<Sample> {
    let period = config.probe_period;
    let suspicion = config.suspicion;
    let mut sim = settled(size, config, Link::lan(), seed);
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
    let survivors = sim.live().count();
    let told = told.borrow();
    let samples = crashes.into_iter().map(|(crash, victim)| {
        let suspected = sim.history().first(News::Suspected, victim, crash)?;
        let down = sim.history().first(News::Down, victim, crash)?;
        let heard = sim.history().heard_by(News::Down, victim, crash);
        let last = heard.last().filter(|_| heard.len() >= survivors)?;
        let observers = told.range((victim, 0)..(victim + 1, 0));
        let due = observers.filter_map(|(_, told)| told.due(suspicion, size, period));
        Some(Sample {
            to_suspicion: (suspected - crash).as_secs_f64(),
            to_down: (down - suspected).as_secs_f64(),
            implied: (due.min()?.saturating_sub(suspected)).as_secs_f64(),
            to_all: (*last - down).as_secs_f64(),
        })
    });
    samples.flatten().collect()
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

/// Lifeguard's formula (section IV-B): Max - (Max - Min)·ln(C + 1)/ln(K + 1).
fn timeout(suspicion: Suspicion, size: usize, period: Duration, confirmations: usize) -> Duration {
    let longest = suspicion.at(size, period);
    let Suspicion::Confirmed { max, .. } = suspicion else {
        return longest;
    };
    let shortest = longest / u32::from(max);
    let ln = |count: usize| (count as f64 + 1.0).ln();
    let share = ln(confirmations) / ln(usize::from(Suspicion::CONFIRMATIONS));
    longest - (longest - shortest).mul_f64(share.min(1.0))
}
