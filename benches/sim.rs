//! foca 2.0 in the simulator, beside selkie: members that are all well, on a network that loses
//! packets.
//!
//! `cargo bench --all-features --bench sim` prints a table; a number after `--` is how many seeds
//! to try instead of 20. `docs/simulation.md` has the figures.

#[path = "sim/foreigner.rs"]
mod foreigner;

use std::{
    collections::BTreeMap,
    io::{self, Write, stdout},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use selkie::{
    Config,
    codecs::PostcardCodec,
    sim::{Link, Machine, News, Peer, Simulation},
};

use self::foreigner::{Foreigner, foreigners};

const MEMBERS: u16 = 30;
const RUN: Duration = Duration::from_secs(90 * 60);
const SEEDS: u64 = 20;
const LOSSES: [u32; 4] = [5, 10, 20, 30];

/// Until all have joined, without loss.
const CALM: Duration = Duration::from_secs(120);

/// Declarations of one member that are no further apart are told of as one.
const EPISODE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Default)]
struct Count {
    declared: u64,
    rejoins: u64,
    packets: u64,
}

fn main() -> io::Result<()> {
    let seeds = std::env::args().find_map(|arg| arg.parse().ok());
    let seeds = seeds.unwrap_or(SEEDS);
    let mut out = stdout().lock();
    writeln!(
        out,
        "{MEMBERS} members, none failing, {} minutes, {seeds} seeds",
        RUN.as_secs() / 60
    )?;
    writeln!(
        out,
        "| loss | | members declared down | rejoins | packets per member and second |"
    )?;
    for loss in LOSSES {
        let ours = over(seeds, |seed| {
            let mut sim = Simulation::new(seed, Config::lan(), PostcardCodec);
            sim.add_peers(usize::from(MEMBERS));
            sim.join_all(0);
            lose::<selkie::Engine<Peer, PostcardCodec>>(sim, loss)
        });
        let theirs = over(seeds, |seed| {
            lose::<Foreigner>(foreigners(MEMBERS, seed), loss)
        });
        for (name, count) in [("selkie", ours), ("foca 2.0", theirs)] {
            let seconds = (seeds * RUN.as_secs() * u64::from(MEMBERS)) as f64;
            let rate = count.packets as f64 / seconds;
            let Count {
                declared, rejoins, ..
            } = count;
            writeln!(
                out,
                "| {loss} % | {name} | {declared} | {rejoins} | {rate:.2} |"
            )?;
        }
    }
    Ok(())
}

/// The sum over all seeds, on all processors.
fn over(seeds: u64, run: impl Fn(u64) -> Count + Sync) -> Count {
    let next = AtomicU64::new(1);
    let labour = || {
        let mut sum = Count::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds {
                return sum;
            }
            sum.add(run(seed));
        }
    };
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(labour)).collect();
        let mut sum = Count::default();
        for worker in workers {
            sum.add(worker.join().expect("a run that does not panic"));
        }
        sum
    })
}

fn lose<M: Machine>(mut sim: Simulation<M>, loss: u32) -> Count {
    sim.run_for(CALM);
    sim.set_links(Link::lan().loss(f64::from(loss) / 100.0));
    sim.clear_history();
    sim.record([News::Down, News::Rejoined]);
    let before = sim.traffic();
    sim.run_for(RUN);
    let mut count = Count {
        packets: sim.traffic().since(&before).sent().packets,
        ..Count::default()
    };
    let mut last: BTreeMap<usize, Duration> = BTreeMap::new();
    for seen in sim.history().all() {
        if seen.news() == News::Rejoined {
            count.rejoins += 1;
            continue;
        }
        let before = last.insert(seen.subject(), seen.at());
        let is_new = before.is_none_or(|before| seen.at() - before > EPISODE);
        count.declared += u64::from(is_new);
    }
    count
}

impl Count {
    fn add(&mut self, other: Self) {
        self.declared += other.declared;
        self.rejoins += other.rejoins;
        self.packets += other.packets;
    }
}
