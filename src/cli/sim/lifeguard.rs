//! The tables of Lifeguard's paper (Dadgar, Phillips, Currey, arXiv 1707.00788, section V).

use core::{fmt, time::Duration};

use selkie::{
    Config, Suspicion,
    sim::{FalsePositives, Link, News},
};

use super::{
    Wish,
    plot::{Line, Plot},
    report::{Report, Table, count, maybe, number, text},
    stats::{percent, secs},
    trial::settled,
};

/// What is compared, and the paper's figures for it, in per cent of SWIM: wrong declarations, those
/// at healthy members, messages, bytes.
struct Variant {
    name: &'static str,
    config: Config,
    paper: Option<[f64; 4]>,
}

/// SWIM, each part of Lifeguard alone, all of it, and what the LAN preset is.
fn variants() -> [Variant; 6] {
    let swim = || {
        let mut config = Config::lan();
        config.local_health = false;
        config.nacks = false;
        config.accusers = false;
        config.buddy_system = false;
        config.suspicion = Suspicion::PeriodsPerLog10(5);
        config
    };
    let (mut probe, mut suspicion, mut buddy) = (swim(), swim(), swim());
    probe.local_health = true;
    probe.nacks = true;
    suspicion.accusers = true;
    suspicion.suspicion = Suspicion::Confirmed { min: 5, max: 6 };
    buddy.buddy_system = true;
    let mut all = Config::lan();
    all.suspicion = Suspicion::Confirmed { min: 5, max: 6 };
    [
        ("SWIM", swim(), Some([100.0, 100.0, 100.0, 100.0])),
        ("LHA-Probe", probe, Some([67.72, 32.88, 98.46, 90.03])),
        (
            "LHA-Suspicion",
            suspicion,
            Some([3.0, 6.71, 111.31, 106.52]),
        ),
        ("buddy system", buddy, Some([94.08, 44.57, 100.07, 99.01])),
        ("Lifeguard", all, Some([1.53, 1.89, 110.59, 97.97])),
        ("LAN preset", Config::lan(), None),
    ]
    .map(|(name, config, paper)| Variant {
        name,
        config,
        paper,
    })
}

const LIFEGUARD: usize = 4;

/// How many members are blocked at a time.
const BLOCKED: [usize; 4] = [1, 8, 16, 32];
/// For how long, in seconds.
const BLOCKED_FOR: [u64; 4] = [2, 8, 16, 32];
/// And how long they run in between, in milliseconds.
const RUN_FOR: [u64; 3] = [16, 256, 4096];

#[derive(Clone, Copy)]
struct Setting {
    blocked: usize,
    blocked_for: Duration,
    run_for: Duration,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (blocked_for, run_for) = (self.blocked_for.as_secs(), self.run_for.as_millis());
        write!(
            f,
            "C = {}, D = {blocked_for} s, I = {run_for} ms",
            self.blocked
        )
    }
}

/// All combinations that a cluster of this size has, in an order in which any few of them are
/// unlike each other.
fn settings(size: usize) -> Vec<Setting> {
    let mut grid = Vec::new();
    for blocked in BLOCKED.into_iter().filter(|&blocked| 2 * blocked <= size) {
        for blocked_for in BLOCKED_FOR.map(secs) {
            for run_for in RUN_FOR.map(Duration::from_millis) {
                grid.push(Setting {
                    blocked,
                    blocked_for,
                    run_for,
                });
            }
        }
    }
    // A prime that does not divide the grid's length visits all of it.
    (0..grid.len())
        .map(|place| grid[(place + 1) * 29 % grid.len()])
        .collect()
}

#[derive(Clone, Copy, Default)]
struct Outcome {
    wrong: FalsePositives,
    packets: u64,
    bytes: u64,
}

impl Outcome {
    fn add(&mut self, other: &Self) {
        self.wrong.about_healthy += other.wrong.about_healthy;
        self.wrong.at_healthy += other.wrong.at_healthy;
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// `selkie sim lifeguard`.
pub(super) fn run(wish: &Wish<'_>) -> Report {
    let size = wish.nodes(128);
    let grid = settings(size);
    let runs = wish.runs(grid.len() as u64);
    let mut report = Report::new(format!(
        "Lifeguard's interval experiment: of {size} members C are blocked for D, run for I, are \
         blocked again, and so on for 120 s; what they send and are sent waits, their timers do \
         not. alpha = 5, beta = 6, LAN preset else. {runs} runs of each variant, each of one of {} \
         settings (C, D, I).",
        grid.len()
    ));
    let mut jobs = Vec::new();
    for variant in 0..variants().len() {
        for run in 0..runs {
            let place = run as usize % grid.len();
            let seed = wish.args.seed.wrapping_add(run / grid.len() as u64);
            jobs.push((variant, grid[place], seed));
        }
    }
    let configs = variants().map(|variant| variant.config);
    let found = wish
        .crew
        .map("lifeguard", &jobs, |&(variant, setting, seed)| {
            blocked(wish, size, configs[variant].clone(), setting, seed)
        });
    let sum_of = |variant: usize, keep: &dyn Fn(&Setting) -> bool| {
        let mut sum = Outcome::default();
        for ((of, setting, _), outcome) in jobs.iter().zip(&found) {
            if *of == variant && keep(setting) {
                sum.add(outcome);
            }
        }
        sum
    };
    summarise(&mut report, &sum_of);
    let run: Vec<Setting> = (0..runs as usize)
        .map(|run| grid[run % grid.len()])
        .collect();
    by_blocked(&mut report, &run, &sum_of);
    if run.len() < grid.len() {
        let settings: Vec<String> = run.iter().map(Setting::to_string).collect();
        report.note(format!("Settings that were run: {}.", settings.join("; ")));
    }
    report
}

/// What came of a variant, under the settings to keep.
type SumOf<'s> = dyn Fn(usize, &dyn Fn(&Setting) -> bool) -> Outcome + 's;

/// The paper's table, over all settings.
fn summarise(report: &mut Report, sum_of: &SumOf<'_>) {
    let swim = sum_of(0, &|_| true);
    let mut table = Table::new(
        "variants",
        &[
            ("variant", "variant"),
            ("fp", "FP"),
            ("fp_at_healthy", "FP-"),
            ("fp_percent", "FP %"),
            ("paper_fp_percent", "paper FP %"),
            ("fp_at_healthy_percent", "FP- %"),
            ("paper_fp_at_healthy_percent", "paper FP- %"),
            ("packets_percent", "packets %"),
            ("paper_packets_percent", "paper packets %"),
            ("bytes_percent", "bytes %"),
            ("paper_bytes_percent", "paper bytes %"),
        ],
    );
    for (place, Variant { name, paper, .. }) in variants().iter().enumerate() {
        let sum = sum_of(place, &|_| true);
        let of_swim = shares(&sum, &swim);
        let [wrong, at_healthy, packets, bytes] = of_swim;
        let paper = |figure: usize| maybe(paper.map(|figures| figures[figure]), 2);
        table.row([
            text(*name),
            count(sum.wrong.about_healthy),
            count(sum.wrong.at_healthy),
            number(wrong, 2),
            paper(0),
            number(at_healthy, 2),
            paper(1),
            number(packets, 1),
            paper(2),
            number(bytes, 1),
            paper(3),
        ]);
        if place == LIFEGUARD {
            report.at_most("wrong declarations, of SWIM's", wrong, 2.0, " %");
            report.at_most("those at healthy members", at_healthy, 2.0, " %");
            report.at_most("packets", packets, 111.0, " %");
            report.at_most("bytes", bytes, 105.0, " %");
        }
    }
    report.table(table);
    let (wrong, at_healthy) = (swim.wrong.about_healthy, swim.wrong.at_healthy);
    report.bar(
        "enough to judge by: 1000 wrong declarations of SWIM, 300 at healthy members",
        format!("{wrong} and {at_healthy}"),
        wrong >= 1000 && at_healthy >= 300,
    );
    report.note(
        "FP: healthy members declared down, at any member; FP-: at healthy ones. The paper's \
         grid is larger: C of nine values up to 32, six of D, eight of I up to 16 s.",
    );
}

fn shares(sum: &Outcome, swim: &Outcome) -> [f64; 4] {
    [
        (sum.wrong.about_healthy, swim.wrong.about_healthy),
        (sum.wrong.at_healthy, swim.wrong.at_healthy),
        (sum.packets, swim.packets),
        (sum.bytes, swim.bytes),
    ]
    .map(|(part, of)| percent(part as f64, of as f64))
}

/// The paper's figure 2, and the same by D and I: where SWIM's and Lifeguard's are. Of the settings
/// of the runs alone: what was not run has no figures.
fn by_blocked(report: &mut Report, settings: &[Setting], sum_of: &SumOf<'_>) {
    let mut table = Table::new(
        "settings",
        &[
            ("setting", "setting"),
            ("runs", "runs"),
            ("swim_fp", "SWIM FP"),
            ("swim_fp_at_healthy", "FP-"),
            ("lifeguard_fp", "Lifeguard FP"),
            ("lifeguard_fp_at_healthy", "FP-"),
        ],
    );
    let mut row = |name: String, keep: &dyn Fn(&Setting) -> bool| {
        let runs = settings.iter().filter(|setting| keep(setting)).count();
        if runs == 0 {
            return;
        }
        let [swim, all] = [0, LIFEGUARD].map(|variant| sum_of(variant, keep).wrong);
        table.row([
            text(name),
            count(runs),
            count(swim.about_healthy),
            count(swim.at_healthy),
            count(all.about_healthy),
            count(all.at_healthy),
        ]);
    };
    let mut lines = [("SWIM", 0), ("LHA-Suspicion", 2), ("Lifeguard", LIFEGUARD)]
        .map(|(name, variant)| (variant, Line::new(name, Vec::new())));
    for blocked in BLOCKED {
        let keep = |setting: &Setting| setting.blocked == blocked;
        if settings.iter().any(keep) {
            row(format!("C = {blocked}"), &keep);
            for (variant, line) in &mut lines {
                let wrong = sum_of(*variant, &keep).wrong.about_healthy as f64;
                line.points.push((blocked as f64, wrong));
            }
        }
    }
    for seconds in BLOCKED_FOR {
        row(format!("D = {seconds} s"), &|setting| {
            setting.blocked_for == secs(seconds)
        });
    }
    for millis in RUN_FOR {
        let run_for = Duration::from_millis(millis);
        row(format!("I = {millis} ms"), &|setting| {
            setting.run_for == run_for
        });
    }
    report.table(table);
    report.plot(Plot {
        name: "false-positives",
        title: "Wrong declarations about healthy members",
        x: "members blocked at a time",
        y: "declarations",
        lines: lines.map(|(_, line)| line).into(),
    });
}

fn blocked(wish: &Wish<'_>, size: usize, config: Config, setting: Setting, seed: u64) -> Outcome {
    let Setting {
        blocked,
        blocked_for,
        run_for,
    } = setting;
    let mut sim = settled(wish, size, config, Link::lan(), seed);
    sim.clear_history();
    sim.record([News::Down]);
    let start = sim.now();
    let before = sim.traffic();
    let ill = size - blocked..size;
    let end = start + EXPERIMENT;
    while sim.now() < end {
        for node in ill.clone() {
            sim.pause_for(node, blocked_for);
        }
        sim.run_for((blocked_for + run_for).min(end - sim.now()));
    }
    let traffic = sim.traffic().since(&before).sent();
    // Suspicions that last longer than the experiment count as well.
    sim.run_for(blocked_for + TAIL);
    Outcome {
        wrong: sim
            .history()
            .false_positives(start, |node| !ill.contains(&node)),
        packets: traffic.packets,
        bytes: traffic.bytes,
    }
}

const EXPERIMENT: Duration = secs(120);
const TAIL: Duration = secs(60);
