//! Clusters that fell apart for an hour.

use core::time::Duration;

use fastrand::Rng;
use selkie::{
    Config,
    sim::{Cut, Link, Simulation},
};

use super::{
    Wish,
    report::{Report, Table, count, number, text},
    stats::{largest, median, secs},
    trial::{Peers, settled},
};

const HOUR: Duration = secs(60 * 60);

/// A way to cut a cluster apart.
type Way = fn(&mut Peers) -> Cut;

/// How many pairs are cut off from each other.
fn pairs_apart(sim: &Peers) -> usize {
    let of = |observer| {
        (0..sim.len()).filter(move |&subject| subject != observer && sim.is_cut(observer, subject))
    };
    (0..sim.len()).map(|observer| of(observer).count()).sum()
}

/// `selkie sim split`.
pub(super) fn run(wish: &Wish<'_>) -> Report {
    let size = wish.nodes(40);
    let config = Config::lan();
    let announces = config.periodic_announce_to_down_members;
    let turn = announces.map_or(Duration::MAX, |task| task.every);
    let mut report = Report::new(format!(
        "Split: {size} members of the LAN preset, with identities that renew, are cut apart for \
         an hour. Then the network is whole again, and nobody else does anything."
    ));
    let ways: [(&str, Way); 2] = [
        ("two halves", |sim| {
            let half = sim.len() / 2;
            sim.partition(0..half, half..sim.len())
        }),
        ("all from each other", |sim| sim.isolate(0..sim.len())),
    ];
    let mut table = Table::new(
        "ways",
        &[
            ("cut", "cut"),
            ("runs", "runs"),
            ("split_runs", "apart in"),
            ("healed_runs", "one again in"),
            ("median_s", "median s"),
            ("longest_s", "longest s"),
        ],
    );
    for (name, cut) in ways {
        let seeds: Vec<u64> = wish.seeds(20).collect();
        let found = wish.crew.map(name, &seeds, |&seed| {
            let mut sim = settled(wish, size, config.clone(), Link::lan(), seed);
            let cut = cut(&mut sim);
            // Not in step with what members do every so often.
            sim.run_for(HOUR + turn.mul_f64(Rng::with_seed(seed).f64()));
            let is_apart = sim.unseen().count() == pairs_apart(&sim);
            sim.heal(cut);
            let took = sim.run_until(turn * 10, Simulation::all_see_all);
            (is_apart, took.map(|took| took.as_secs_f64()))
        });
        let apart = found.iter().filter(|(is_apart, _)| *is_apart).count();
        let healed: Vec<f64> = found.iter().filter_map(|(_, took)| *took).collect();
        table.row([
            text(name),
            count(seeds.len()),
            count(apart),
            count(healed.len()),
            number(median(&healed), 1),
            number(largest(&healed), 1),
        ]);
        let longest = match healed.len() == seeds.len() {
            true => largest(&healed),
            false => f64::INFINITY,
        };
        let what = format!("{name}: all see those on their side alone before it ends");
        report.each(what, apart, seeds.len());
        let what = format!("{name}: one cluster again, longest");
        report.at_most(&what, longest, (2 * turn).as_secs_f64(), " s");
    }
    report.table(table);
    report.note(format!(
        "Down members are announced to every {} s.",
        turn.as_secs()
    ));
    report
}
