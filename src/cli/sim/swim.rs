//! The figures of SWIM's paper (Das, Gupta, Motivala, DSN 2002, section 5).

use core::{net::SocketAddrV4, time::Duration};

use selkie::{
    Config, Identity, Suspicion, Transmissions,
    codecs::PostcardCodec,
    sim::{Link, News, Peer, Simulation, Traffic},
};
use serde::{Deserialize, Serialize};

use super::{
    Wish,
    plot::{Line, Plot},
    report::{Report, Table, count, maybe, number, text},
    stats::{largest, mean, median, percent, quantile, secs},
    trial::{Trials, settled, trials},
};

/// The paper's settings: one helper, 2 s, 3·ceil(ln(n + 1)) transmissions, and as many periods to
/// refute. Who was declared down does not come back.
fn paper(size: usize) -> Config {
    let times = 3 * ((size + 1) as f64).ln().ceil() as u8;
    let mut config = Config::simple();
    config.probe_period = secs(2);
    config.num_indirect_probes = 1;
    config.transmissions = Transmissions::Fixed(times);
    config.suspicion = Suspicion::Fixed(config.probe_period * u32::from(times));
    config.notify_down_members = false;
    config
}

/// The same without suspicion, as far as that goes: the paper's "+Inf".
fn without_suspicion(size: usize) -> Config {
    let mut config = paper(size);
    config.suspicion = Suspicion::Fixed(Duration::from_millis(1));
    config
}

/// Packets of each member in each period.
struct Load {
    sent: Vec<f64>,
    received: Vec<f64>,
    bytes: u64,
}

/// `selkie sim load`.
pub(super) fn load(wish: &Wish<'_>) -> Report {
    let mut report = Report::new(
        "Load: packets of each member in each of 60 periods, nobody failing, no loss. The paper's \
         settings (2 s, one helper), and the LAN preset.",
    );
    let sizes = wish.sizes(&[5, 10, 20, 28, 40, 55, 256, 1024]);
    let mut table = Table::new(
        "sizes",
        &[
            ("members", "members"),
            ("sent_per_period", "sent per period"),
            ("received_per_period", "received"),
            ("paper_per_period", "paper: each"),
            ("sent_below_5_percent", "sent < 5: % of periods"),
            ("paper_sent_below_5_percent", "paper %"),
            ("lan_packets_per_s", "LAN: packets/s"),
            ("lan_bytes_per_s", "LAN: bytes/s"),
        ],
    );
    let jobs = wish.jobs(&sizes, 1);
    let found = wish.crew.map("load", &jobs, |&(size, seed)| {
        (
            load_of(wish, size, paper(size), seed),
            load_of(wish, size, Config::lan(), seed),
        )
    });
    let (mut ours, mut lan_line) = (Vec::new(), Vec::new());
    for &size in &sizes {
        let runs = jobs.iter().zip(&found).filter(|((of, _), _)| *of == size);
        let (mut sent, mut received, mut lan, mut bytes) = (vec![], vec![], vec![], vec![]);
        for (_, (swim, preset)) in runs {
            sent.extend(&swim.sent);
            received.extend(&swim.received);
            lan.extend(&preset.sent);
            let seconds = 60.0 * Config::lan().probe_period.as_secs_f64();
            bytes.push(preset.bytes as f64 / size as f64 / seconds);
        }
        let is_told = size <= 56;
        let few = sent.iter().filter(|packets| **packets < 5.0).count();
        table.row([
            count(size),
            number(mean(&sent), 3),
            number(mean(&received), 3),
            maybe(is_told.then_some(2.0), 1),
            number(percent(few as f64, sent.len() as f64), 1),
            maybe((size == 28).then_some(99.0), 0),
            number(mean(&lan), 2),
            number(mean(&bytes), 0),
        ]);
        report.near(
            &format!("sent per period, {size} members"),
            mean(&sent),
            2.0,
            5.0,
        );
        ours.push((size as f64, mean(&sent)));
        lan_line.push((size as f64, mean(&lan)));
    }
    report.table(table);
    report.plot(Plot {
        name: "packets",
        title: "Packets sent per member and period",
        x: "members",
        y: "packets",
        lines: vec![
            Line::new("the paper's settings", ours),
            Line::new("LAN preset", lan_line),
        ],
    });
    report
}

fn load_of(wish: &Wish<'_>, size: usize, config: Config, seed: u64) -> Load {
    let period = config.probe_period;
    let mut sim = settled(wish, size, config, Link::lan(), seed);
    // What joining left to say is said.
    sim.run_for(period * 40);
    let mut load = Load {
        sent: Vec::new(),
        received: Vec::new(),
        bytes: 0,
    };
    for _ in 0..60 {
        let before: Vec<Traffic> = (0..size).map(|node| *sim.traffic_of(node)).collect();
        sim.run_for(period);
        for (node, before) in before.iter().enumerate() {
            let traffic = sim.traffic_of(node).since(before);
            load.sent.push(traffic.sent().packets as f64);
            load.received.push(traffic.received().packets as f64);
            load.bytes += traffic.sent().bytes;
        }
    }
    load
}

/// Figure 3b, read by eye: members, median periods.
const INFECTION: [(usize, f64); 8] = [
    (6, 1.0),
    (13, 1.25),
    (20, 3.0),
    (28, 3.0),
    (35, 2.0),
    (43, 2.5),
    (52, 1.5),
    (56, 2.3),
];

/// `selkie sim dissemination`.
pub(super) fn dissemination(wish: &Wish<'_>) -> Report {
    let mut report = Report::new(
        "Dissemination: from the first declaration of a crash until others know. SWIM+Inf. with \
         the paper's settings, where news travels on probes alone, in periods; and the LAN \
         preset, in seconds.",
    );
    infections(wish, &mut report);
    lan_spread(wish, &mut report);
    report
}

/// SWIM+Inf., on probes alone.
fn infections(wish: &Wish<'_>, report: &mut Report) {
    let sizes = wish.sizes(&INFECTION.map(|(size, _)| size));
    let jobs = wish.jobs(&sizes, 50);
    let found = wish.crew.map("infection", &jobs, |&(size, seed)| {
        infection(wish, size, seed)
    });
    let mut table = Table::new(
        "swim",
        &[
            ("members", "members"),
            ("crashes", "crashes"),
            ("known_to_all", "known to all"),
            ("half_know_median_periods", "half know: median periods"),
            ("all_know_median_periods", "all know: median periods"),
            ("all_know_longest_periods", "largest"),
            ("paper_median_periods", "paper: median"),
        ],
    );
    let (mut halves, mut ends, mut told) = (vec![], vec![], vec![]);
    for &size in &sizes {
        let of_size = jobs.iter().zip(&found).filter(|((of, _), _)| *of == size);
        let made = of_size.clone().count();
        let runs: Vec<(f64, f64)> = of_size.filter_map(|(_, run)| *run).collect();
        let half: Vec<f64> = runs.iter().map(|(half, _)| *half).collect();
        let all: Vec<f64> = runs.iter().map(|(_, all)| *all).collect();
        let paper = INFECTION.iter().find(|(of, _)| *of == size);
        let what = format!("crashes known to all, {size} members, on probes alone");
        report.each(what, runs.len(), made);
        table.row([
            count(size),
            count(made),
            count(runs.len()),
            number(median(&half), 2),
            number(median(&all), 2),
            number(largest(&all), 2),
            maybe(paper.map(|(_, periods)| *periods), 2),
        ]);
        halves.push((size as f64, median(&half)));
        ends.push((size as f64, median(&all)));
        told.extend(paper.map(|(size, periods)| (*size as f64, *periods)));
    }
    report.table(table);
    report.plot(Plot {
        name: "infection",
        title: "From the first declaration until others know, on probes alone",
        x: "members",
        y: "periods (median)",
        lines: vec![
            Line::new("half know", halves),
            Line::new("all know", ends),
            Line::new("SWIM's paper", told),
        ],
    });
}

/// The LAN preset.
fn lan_spread(wish: &Wish<'_>, report: &mut Report) {
    let sizes = wish.sizes(&[64, 256, 1024]);
    let mut table = Table::new(
        "lan",
        &[
            ("members", "members"),
            ("crashes", "crashes"),
            ("known_to_all", "known to all"),
            ("all_know_median_s", "all know: median s"),
            ("all_know_p99_s", "99 %"),
        ],
    );
    for (&size, trials) in sizes.iter().zip(trials(wish, &sizes, Config::lan(), 100)) {
        let Trials { crashes, samples } = trials;
        let what = format!("crashes known to all survivors, {size} members, LAN preset");
        report.each(what, samples.len(), crashes);
        let all: Vec<f64> = samples.iter().map(|one| one.to_all).collect();
        table.row([
            count(size),
            count(crashes),
            count(all.len()),
            number(median(&all), 2),
            number(quantile(&all, 0.99), 2),
        ]);
        let what = format!("all know, median, {size} members, LAN preset");
        report.at_most(&what, median(&all), 2.0, " s");
    }
    report.table(table);
}

/// In periods: until half of the others know that a member crashed, and until all do.
fn infection(wish: &Wish<'_>, size: usize, seed: u64) -> Option<(f64, f64)> {
    let config = without_suspicion(size);
    let period = config.probe_period;
    let mut sim = settled(wish, size, config, Link::lan(), seed);
    sim.record([News::Down]);
    let crash = sim.crash(1);
    sim.run_for(period * 60);
    let heard = sim.history().heard_by(News::Down, 1, crash);
    let in_periods =
        |at: Duration| Some((at - *heard.first()?).as_secs_f64() / period.as_secs_f64());
    let all = heard.last().filter(|_| heard.len() + 1 == size)?;
    Some((in_periods(*heard.get(size / 2 - 1)?)?, in_periods(*all)?))
}

/// Who was declared down stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Mortal(SocketAddrV4);

impl Identity for Mortal {
    type Addr = SocketAddrV4;

    fn addr(&self) -> SocketAddrV4 {
        self.0
    }

    fn renew(&self) -> Option<Self> {
        None
    }

    fn win_addr_conflict(&self, _adversary: &Self) -> bool {
        false
    }
}

/// The settings at a size.
type Settings = fn(usize) -> Config;

/// `selkie sim lossy-join`.
pub(super) fn lossy_join(wish: &Wish<'_>) -> Report {
    let size = wish.nodes(17);
    let mut report = Report::new(format!(
        "Lossy join: {size} members join one by one, 5 s apart, while a tenth of all packets is \
         lost on arrival. Who is declared down does not come back. After {} s: members that were \
         not told so and that half of the others see; and how many the median process sees, \
         those that were told included.",
        counted_after(size).as_secs()
    ));
    let variants: [(&str, Settings, f64); 2] = [
        ("SWIM+Inf.", without_suspicion, 4.0),
        ("SWIM+Inf.+Susp.", paper, 12.0),
    ];
    let mut table = Table::new(
        "variants",
        &[
            ("variant", "variant"),
            ("left_median", "members left: median"),
            ("left_least", "least"),
            ("left_most", "most"),
            ("paper_left", "paper"),
            ("seen_by_median_process", "seen by the median process"),
        ],
    );
    let mut medians = Vec::new();
    for (name, config, paper) in variants {
        let jobs: Vec<u64> = wish.seeds(100).collect();
        let found = wish
            .crew
            .map(name, &jobs, |&seed| joined(size, config(size), seed));
        let (left, seen): (Vec<f64>, Vec<f64>) = found.into_iter().unzip();
        table.row([
            text(name),
            number(median(&left), 1),
            number(quantile(&left, 0.0), 0),
            number(largest(&left), 0),
            maybe((size == 17).then_some(paper), 0),
            number(median(&seen), 1),
        ]);
        medians.push(median(&left));
    }
    report.table(table);
    let (without, with) = (medians[0], medians[1]);
    let what = "suspicion keeps more members than none does";
    report.bar(what, format!("{with} and {without}"), with > without);
    if size == 17 {
        let what = "left with suspicion, median: at least the paper's 12";
        report.bar(what, with.to_string(), with >= 12.0);
    }
    report.note("SWIM's basic variant, with multicast, is none that selkie has: not reproduced.");
    report
}

const JOIN_EVERY: Duration = secs(5);

/// As the paper has it, and not before all have joined.
fn counted_after(size: usize) -> Duration {
    secs(175).max(JOIN_EVERY * u32::try_from(size).unwrap_or(u32::MAX))
}

/// How many members are left, and how many the median process sees.
fn joined(size: usize, config: Config, seed: u64) -> (f64, f64) {
    let mut sim = Simulation::new(seed, config, PostcardCodec);
    sim.set_links(Link::lan().loss(0.1));
    sim.record([News::Defunct]);
    for node in 0..size {
        sim.add(Mortal(Peer::numbered(node + 1).addr));
        if node > 0 {
            sim.join(node, 0);
        }
        sim.run_for(JOIN_EVERY);
    }
    sim.run_for(counted_after(size).saturating_sub(sim.now()));
    let gone: Vec<usize> = sim
        .history()
        .all()
        .iter()
        .map(|seen| seen.observer())
        .collect();
    let is_in = |node: &usize| !gone.contains(node);
    let left: Vec<usize> = sim.live().filter(is_in).collect();
    let sees_half = |subject: &&usize| {
        let others = left.iter().filter(|observer| observer != subject);
        let seeing = others
            .filter(|observer| sim.sees(**observer, **subject))
            .count();
        2 * seeing + 1 >= left.len()
    };
    let seen = sim.live().filter_map(|node| sim.machine(node));
    let seen: Vec<f64> = seen
        .map(|machine| machine.num_members() as f64 + 1.0)
        .collect();
    (left.iter().filter(sees_half).count() as f64, median(&seen))
}
