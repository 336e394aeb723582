//! The experiments of Rapid's paper (Suresh et al., ATC 2018, section 7).

use core::{fmt::Debug, net::SocketAddr, time::Duration};
use std::collections::BTreeSet;

use selkie::{
    Codec, Config, Identity, Name, Node,
    codecs::PostcardCodec,
    sim::{Link, Machine, News, Peer, Simulation},
};

use super::{
    Wish,
    plot::{Line, Plot},
    report::{Report, Table, count, maybe, number, text},
    stats::{largest, mean, median, quantile, secs},
    trial::{Peers, settled},
};

const SECOND: Duration = secs(1);

/// Members, and what figure 5 has for them, by eye: seconds of memberlist and of Rapid, and how
/// many sizes memberlist's members saw.
const BOOTSTRAP: [(usize, f64, f64, f64); 3] = [
    (1000, 45.0, 29.0, 901.0),
    (1500, 68.0, 40.0, 1383.0),
    (2000, 96.0, 52.0, 1858.0),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// {SocketAddrV4, u16}.
    Small,
    /// `Node`, with names of 20 bytes.
    Long,
}

/// `selkie sim bootstrap`.
pub(super) fn bootstrap(wish: &Wish<'_>) -> Report {
    let mut report = Report::new(
        "Bootstrap: one seed; after 10 s all others start at once and know nobody but it. LAN \
         preset, no loss, the engine alone.",
    );
    let sizes = wish.sizes(&[1000, 2000]);
    let settings: Vec<(usize, Names)> = sizes
        .iter()
        .flat_map(|&size| [(size, Names::Small), (size, Names::Long)])
        .collect();
    let jobs = wish.jobs(&settings, 10);
    let found = wish
        .crew
        .map("bootstrap", &jobs, |&((size, names), seed)| match names {
            Names::Small => booted(size, seed, |number| Peer::numbered(number + 1)),
            Names::Long => booted(size, seed, long),
        });
    let mut table = Table::new(
        "sizes",
        &[
            ("members", "members"),
            ("identity", "identity"),
            ("complete_runs", "all see all in"),
            ("runs", "of runs"),
            ("median_s", "median s"),
            ("longest_s", "longest s"),
            ("sizes_seen_median", "sizes seen: median"),
            ("memberlist_s", "memberlist s"),
            ("rapid_s", "Rapid s"),
            ("memberlist_sizes_seen", "memberlist: sizes seen"),
        ],
    );
    for setting in settings {
        let (size, names) = setting;
        let of_setting = jobs
            .iter()
            .zip(&found)
            .filter(|((of, _), _)| *of == setting);
        let runs: Vec<&(Option<f64>, usize)> = of_setting.map(|(_, run)| run).collect();
        let times: Vec<f64> = runs.iter().filter_map(|(time, _)| *time).collect();
        let seen: Vec<f64> = runs.iter().map(|(_, seen)| *seen as f64).collect();
        let paper = BOOTSTRAP.iter().find(|(of, ..)| *of == size);
        let (name, most) = match names {
            Names::Small => ("{SocketAddrV4, u16}", 30.0),
            Names::Long => ("Node, 20-byte name", 60.0),
        };
        table.row([
            count(size),
            text(name),
            count(times.len()),
            count(runs.len()),
            number(median(&times), 1),
            number(largest(&times), 1),
            number(median(&seen), 0),
            maybe(paper.map(|paper| paper.1), 0),
            maybe(paper.map(|paper| paper.2), 0),
            maybe(paper.map(|paper| paper.3), 0),
        ]);
        let longest = match times.len() == runs.len() {
            true => largest(&times),
            false => f64::INFINITY,
        };
        let what = format!("{size} members, {name}, longest");
        report.at_most(&what, longest, most, " s");
    }
    report.table(table);
    report
}

fn long(number: usize) -> Node {
    let name = format!("member-{number:013}");
    let name = Name::new(&name).unwrap_or_else(|refused| unreachable!("{name}: {refused}"));
    Node::new(name, SocketAddr::V4(Peer::numbered(number + 1).addr), 1)
}

/// Seconds until all see all, and how many sizes members saw, looking once a second.
fn booted<I>(size: usize, seed: u64, identity: fn(usize) -> I) -> (Option<f64>, usize)
where
    I: Identity + Debug + 'static,
    PostcardCodec: Codec<I>,
{
    let mut sim = Simulation::new(seed, Config::lan(), PostcardCodec);
    sim.set_links(Link::lan());
    sim.record([]);
    sim.add(identity(0));
    sim.run_for(secs(10));
    for number in 1..size {
        sim.add(identity(number));
    }
    sim.join_all(0);
    let mut seen = BTreeSet::new();
    let start = sim.now();
    while sim.now() - start < BOOTSTRAP_MAX {
        let took = sim.run_until(SECOND, Simulation::all_see_all);
        seen.extend(views(&sim));
        if took.is_some() {
            return (Some((sim.now() - start).as_secs_f64()), seen.len());
        }
    }
    (None, seen.len())
}

/// What does not find together in this time does not.
const BOOTSTRAP_MAX: Duration = secs(300);

/// The sizes that live members see the cluster to have.
fn views<M: Machine>(sim: &Simulation<M>) -> impl Iterator<Item = usize> + '_ {
    sim.live()
        .filter_map(|node| Some(sim.machine(node)?.num_active() + 1))
}

/// `selkie sim crashes`.
pub(super) fn crashes(wish: &Wish<'_>) -> Report {
    let size = wish.nodes(1000);
    let few = (size / 100).max(1);
    let halved = size.min(100);
    let mut report = Report::new(format!(
        "Crashes, LAN preset: half of {halved} members at once; and {few} of {size} at once."
    ));
    let seeds: Vec<u64> = wish.seeds(20).collect();
    let found = wish.crew.map("half crash", &seeds, |&seed| {
        let mut sim = settled(wish, halved, Config::lan(), Link::lan(), seed);
        for node in 0..halved / 2 {
            sim.crash(node);
        }
        let took = sim.run_until(secs(600), Simulation::all_see_all);
        took.map_or(f64::INFINITY, |took| took.as_secs_f64())
    });
    let mut table = Table::new(
        "half",
        &[
            ("members", "members"),
            ("crashed", "crashed"),
            ("runs", "runs"),
            ("all_know_median_s", "all know: median s"),
            ("longest_s", "longest s"),
        ],
    );
    table.row([
        count(halved),
        count(halved / 2),
        count(seeds.len()),
        number(median(&found), 1),
        number(largest(&found), 1),
    ]);
    report.table(table);
    let ended = found.iter().filter(|took| took.is_finite()).count();
    report.each("half crashed, all know in the end", ended, found.len());
    report.at_most("half crashed, all know, median", median(&found), 30.0, " s");
    let seeds: Vec<u64> = wish.seeds(2).collect();
    let found = wish.crew.map("few crash", &seeds, |&seed| {
        few_crash(wish, size, few, seed)
    });
    tell_few(&mut report, &found, few);
    report
}

/// What a few crashes at once looked like.
struct Few {
    first_down: f64,
    all_know: f64,
    sizes: usize,
    kib_sent: Vec<f64>,
    kib_received: Vec<f64>,
    wrong: u64,
}

fn few_crash(wish: &Wish<'_>, size: usize, few: usize, seed: u64) -> Few {
    let mut sim = settled(wish, size, Config::lan(), Link::lan(), seed);
    sim.clear_history();
    sim.record([News::Down]);
    let crash = sim.now();
    for node in 1..=few {
        sim.crash(node);
    }
    let (mut sizes, mut all_know) = (BTreeSet::new(), None);
    let (mut kib_sent, mut kib_received) = (Vec::new(), Vec::new());
    for _ in 0..AFTER_CRASHES {
        let before: Vec<_> = sim
            .live()
            .map(|node| (node, *sim.traffic_of(node)))
            .collect();
        sim.run_for(SECOND);
        for (node, before) in before {
            let traffic = sim.traffic_of(node).since(&before);
            kib_sent.push(traffic.sent().bytes as f64 / 1024.0);
            kib_received.push(traffic.received().bytes as f64 / 1024.0);
        }
        sizes.extend(views(&sim));
        if all_know.is_none() && sim.all_see_all() {
            all_know = Some(sim.now() - crash);
        }
    }
    let seconds = |time: Option<Duration>| time.map_or(f64::INFINITY, |time| time.as_secs_f64());
    let all = sim.history().all();
    Few {
        first_down: seconds(all.first().map(|seen| seen.at() - crash)),
        all_know: seconds(all_know),
        sizes: sizes.len(),
        kib_sent,
        kib_received,
        wrong: all.iter().filter(|seen| seen.subject_was_live()).count() as u64,
    }
}

/// How many seconds the crashes are looked at.
const AFTER_CRASHES: u32 = 120;

/// What the paper has, of memberlist and of Rapid, for 10 of 1000.
const FEW: [(&str, Option<f64>, Option<f64>); 9] = [
    ("first Down, s", None, None),
    ("all know, s", None, None),
    ("sizes seen", Some(11.0), Some(2.0)),
    ("KB/s sent: mean", Some(0.64), Some(0.71)),
    ("KB/s sent: 99 %", Some(6.40), Some(3.72)),
    ("KB/s sent: most", Some(8.04), Some(11.37)),
    ("KB/s received: mean", Some(0.54), Some(0.71)),
    ("KB/s received: 99 %", Some(5.61), Some(3.66)),
    ("KB/s received: most", Some(7.36), Some(9.56)),
];

fn tell_few(report: &mut Report, found: &[Few], few: usize) {
    let mut table = Table::new(
        "few",
        &[
            ("figure", "figure"),
            ("selkie", "selkie"),
            ("memberlist", "memberlist"),
            ("rapid", "Rapid"),
        ],
    );
    let of = |pick: fn(&Few) -> f64| median(&found.iter().map(pick).collect::<Vec<_>>());
    let samples = |pick: fn(&Few) -> &Vec<f64>| -> Vec<f64> {
        found
            .iter()
            .flat_map(|one| pick(one).iter().copied())
            .collect()
    };
    let (sent, received) = (
        samples(|one| &one.kib_sent),
        samples(|one| &one.kib_received),
    );
    let wrong = found.iter().map(|one| one.wrong).sum::<u64>();
    let (first, all) = (of(|one| one.first_down), of(|one| one.all_know));
    let ours = [
        (first, 1),
        (all, 1),
        (of(|one| one.sizes as f64), 0),
        (mean(&sent), 2),
        (quantile(&sent, 0.99), 2),
        (largest(&sent), 2),
        (mean(&received), 2),
        (quantile(&received, 0.99), 2),
        (largest(&received), 2),
    ];
    for ((ours, decimals), (name, memberlist, rapid)) in ours.into_iter().zip(FEW) {
        let paper = |figure: Option<f64>| maybe(figure.filter(|_| few == 10), decimals);
        table.row([
            text(name),
            number(ours, decimals),
            paper(memberlist),
            paper(rapid),
        ]);
    }
    report.table(table);
    let ended = found.iter().filter(|one| one.all_know.is_finite()).count();
    report.each("few crashed, all know in the end", ended, found.len());
    report.at_most("healthy members declared down", wrong as f64, 0.0, "");
}

/// `selkie sim flip-flop`.
pub(super) fn flip_flop(wish: &Wish<'_>) -> Report {
    let size = wish.nodes(1000);
    let ill = (size / 100).max(1);
    let mut report = Report::new(format!(
        "Flip-flop, {ill} of {size} members: they hear nothing for 20 s, all for 20 s, and so on, \
         for 900 s. LAN preset."
    ));
    let seeds: Vec<u64> = wish.seeds(2).collect();
    let found = wish.crew.map("flip-flop", &seeds, |&seed| {
        endure(wish, size, ill, seed, 900, |sim, ill, second| {
            let loss = if second / 20 % 2 == 0 { 1.0 } else { 0.0 };
            if second % 20 == 0 {
                for node in ill {
                    sim.set_ingress_loss(node, loss);
                }
            }
        })
    });
    let mut table = wobbles();
    wobble(&mut table, "20 s on, 20 s off", &found);
    report.table(table);
    judge(&mut report, &found, "flip-flop");
    report.plot(sizes_plot(
        "Members as healthy ones see them, flip-flop",
        &found,
    ));
    report.note(
        "The paper, 10 of 1000: memberlist never removes all ten, sees 990 to 1000 all along, and \
         views differ; Rapid removes the ten and stays there.",
    );
    report
}

/// What is done to a node.
type Harm = fn(&mut Peers, usize);

/// `selkie sim lossy-few`.
pub(super) fn lossy_few(wish: &Wish<'_>) -> Report {
    let size = wish.nodes(1000);
    let ill = (size / 100).max(1);
    let mut report = Report::new(format!(
        "Lossy few, {ill} of {size} members: 80 % of what they hear is lost, or of what they say, \
         from the 90th second to the 490th. LAN preset."
    ));
    let ways: [(&str, Harm); 2] = [
        ("hear 20 %", |sim, node| sim.set_ingress_loss(node, 0.8)),
        ("say 20 %", |sim, node| sim.set_egress_loss(node, 0.8)),
    ];
    let mut table = wobbles();
    for (name, lose) in ways {
        let seeds: Vec<u64> = wish.seeds(2).collect();
        let found = wish.crew.map(name, &seeds, |&seed| {
            endure(wish, size, ill, seed, 490, move |sim, ill, second| {
                if second == 90 {
                    for node in ill {
                        lose(sim, node);
                    }
                }
            })
        });
        wobble(&mut table, name, &found);
        judge(&mut report, &found, name);
        let title = "Members as healthy ones see them, a few losing 80 %";
        report.plot(Plot {
            name: if name == "hear 20 %" {
                "ingress"
            } else {
                "egress"
            },
            ..sizes_plot(title, &found)
        });
    }
    report.table(table);
    report.note(
        "The paper, 10 of 1000: memberlist wobbles between 992 and 1000, never removes all ten, \
         and views differ; ZooKeeper 997 to 1000; Rapid is at 990 and stays there.",
    );
    report
}

/// How the healthy members saw the cluster.
struct Endured {
    /// The smallest and largest size that any of them saw, each second.
    sizes: Vec<(usize, usize)>,
    size: usize,
    ill: usize,
    /// Declarations of healthy members, at healthy ones and at ill ones.
    wrong_at_healthy: u64,
    wrong_at_ill: u64,
    /// Healthy ones that learned that they were declared down.
    rejoins: u64,
}

/// Lets the last `ill` nodes suffer, second by second.
fn endure(
    wish: &Wish<'_>,
    size: usize,
    ill: usize,
    seed: u64,
    seconds: u64,
    harm: impl Fn(&mut Peers, core::ops::Range<usize>, u64),
) -> Endured {
    let mut sim = settled(wish, size, Config::lan(), Link::lan(), seed);
    sim.clear_history();
    sim.record([News::Down, News::Rejoined]);
    let healthy = 0..size - ill;
    let start = sim.now();
    let mut sizes = Vec::new();
    for second in 0..seconds {
        harm(&mut sim, healthy.end..size, second);
        sim.run_for(SECOND);
        let views = healthy.clone().filter_map(|node| sim.machine(node));
        let views = views.map(|machine| machine.num_members() + 1);
        let (least, most) = views.fold((size, 0), |(least, most), view| {
            (least.min(view), most.max(view))
        });
        sizes.push((least, most));
    }
    let wrong = sim
        .history()
        .false_positives(start, |node| healthy.contains(&node));
    let rejoins = sim
        .history()
        .all()
        .iter()
        .filter(|seen| seen.news() == News::Rejoined && healthy.contains(&seen.observer()));
    Endured {
        sizes,
        size,
        ill,
        wrong_at_healthy: wrong.at_healthy,
        wrong_at_ill: wrong.about_healthy - wrong.at_healthy,
        rejoins: rejoins.count() as u64,
    }
}

fn wobbles() -> Table {
    Table::new(
        "ways",
        &[
            ("fault", "fault"),
            ("members", "members"),
            ("ill", "ill"),
            ("least_seen", "least seen"),
            ("most_seen_at_the_end", "most seen at the end"),
            ("all_ill_removed_percent", "all ill removed, % of time"),
            ("healthy_removed_at_healthy", "healthy removed at healthy"),
            ("healthy_removed_at_ill", "at ill"),
            ("healthy_rejoined", "healthy that rejoined"),
        ],
    )
}

fn wobble(table: &mut Table, name: &str, found: &[Endured]) {
    for one in found {
        let last = one.sizes.last().copied().unwrap_or_default();
        let removed = one
            .sizes
            .iter()
            .filter(|(_, most)| *most <= one.size - one.ill);
        table.row([
            text(name),
            count(one.size),
            count(one.ill),
            count(one.sizes.iter().map(|(least, _)| *least).min().unwrap_or(0)),
            count(last.1),
            number(100.0 * removed.count() as f64 / one.sizes.len() as f64, 0),
            count(one.wrong_at_healthy),
            count(one.wrong_at_ill),
            count(one.rejoins),
        ]);
    }
}

fn judge(report: &mut Report, found: &[Endured], name: &str) {
    let wrong: u64 = found.iter().map(|one| one.wrong_at_healthy).sum();
    let what = format!("{name}: healthy members removed at healthy ones");
    report.at_most(&what, wrong as f64, 0.0, "");
}

fn sizes_plot(title: &'static str, found: &[Endured]) -> Plot {
    let mut lines = Vec::new();
    if let Some(one) = found.first() {
        type Pick = fn(&(usize, usize)) -> usize;
        let picks: [(&str, Pick); 2] = [("most", |view| view.1), ("least", |view| view.0)];
        for (name, pick) in picks {
            let line = one.sizes.iter().enumerate();
            let points = line.map(|(second, view)| (second as f64, pick(view) as f64));
            lines.push(Line::new(name, points.collect()));
        }
    }
    Plot {
        name: "sizes",
        title,
        x: "seconds",
        y: "members",
        lines,
    }
}
