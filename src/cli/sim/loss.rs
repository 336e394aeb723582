//! A network that loses packets, and nobody who fails.

use core::time::Duration;
use std::collections::BTreeMap;

use selkie::{
    Config,
    sim::{Link, News},
};

use super::{
    Wish,
    plot::{Line, Plot},
    report::{Report, Table, count, maybe},
    stats::secs,
    trial::settled,
};

/// Independent losses, in per cent.
const LOSSES: [u32; 4] = [5, 10, 20, 30];

/// How long each run is.
const RUN: Duration = secs(90 * 60);

#[derive(Clone, Copy, Default)]
struct Outcome {
    suspicions: u64,
    /// Members that somebody declared down, once for each time.
    episodes: u64,
    /// Declarations, each observer's for itself.
    declarations: u64,
    rejoins: u64,
}

/// `selkie sim healthy-loss`.
pub(super) fn run(wish: &Wish<'_>) -> Report {
    let size = wish.nodes(30);
    let jobs = wish.jobs(&LOSSES, 20);
    let runs = wish.runs(20);
    let mut report = Report::new(format!(
        "Healthy members, lossy network: {size} members of the LAN preset, none failing, for 90 \
         minutes, in {runs} runs at each loss."
    ));
    let found = wish.crew.map("healthy-loss", &jobs, |&(loss, seed)| {
        lose(wish, size, loss, seed)
    });
    let mut table = Table::new(
        "losses",
        &[
            ("loss_percent", "loss %"),
            ("suspicions", "suspicions"),
            ("declared_down", "members declared down"),
            ("runs_with_any", "in runs"),
            ("declarations", "declarations"),
            ("rejoins", "rejoins"),
            ("foca_rejoins", "foca 2.0: rejoins"),
        ],
    );
    let mut line = Vec::new();
    for (loss, foca) in LOSSES.into_iter().zip(FOCA) {
        let of_loss = jobs.iter().zip(&found).filter(|((of, _), _)| *of == loss);
        let outcomes: Vec<&Outcome> = of_loss.map(|(_, outcome)| outcome).collect();
        let sum = |pick: fn(&Outcome) -> u64| outcomes.iter().map(|one| pick(one)).sum::<u64>();
        let episodes = sum(|one| one.episodes);
        table.row([
            count(loss),
            count(sum(|one| one.suspicions)),
            count(episodes),
            count(outcomes.iter().filter(|one| one.episodes > 0).count()),
            count(sum(|one| one.declarations)),
            count(sum(|one| one.rejoins)),
            maybe(((size, runs) == (30, 20)).then_some(f64::from(foca)), 0),
        ]);
        let most = match loss {
            5 | 10 => Some(0.0),
            20 => Some(5.0),
            _ => None,
        };
        if let Some(most) = most {
            let what = format!("members declared down at {loss} % loss");
            report.at_most(&what, episodes as f64, most, "");
        }
        line.push((f64::from(loss), episodes as f64));
    }
    report.table(table);
    report.plot(Plot {
        name: "declared-down",
        title: "Healthy members declared down",
        x: "loss, %",
        y: "declared down",
        lines: vec![Line::new("selkie", line)],
    });
    report
}

/// What `cargo bench --bench sim` finds of foca 2.0's LAN preset, at the same losses.
const FOCA: [u32; 4] = [1_871, 20_665, 110_273, 19_705];

fn lose(wish: &Wish<'_>, size: usize, loss: u32, seed: u64) -> Outcome {
    let link = Link::lan().loss(f64::from(loss) / 100.0);
    let mut sim = settled(wish, size, Config::lan(), link, seed);
    sim.clear_history();
    sim.record([News::Suspected, News::Down, News::Rejoined]);
    sim.run_for(RUN);
    let mut outcome = Outcome::default();
    let mut declared: BTreeMap<usize, Duration> = BTreeMap::new();
    for seen in sim.history().all() {
        match seen.news() {
            News::Suspected => outcome.suspicions += 1,
            News::Down => {
                outcome.declarations += 1;
                let last = declared.insert(seen.subject(), seen.at());
                let is_new = last.is_none_or(|last| seen.at() - last > EPISODE);
                outcome.episodes += u64::from(is_new);
            }
            _ => outcome.rejoins += 1,
        }
    }
    outcome
}

/// Declarations of one member that are no further apart are told of as one.
const EPISODE: Duration = secs(60);
