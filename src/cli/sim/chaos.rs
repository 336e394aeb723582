//! Random schedules of faults.

use selkie::{
    codecs::PostcardCodec,
    sim::{Chaos, FaultCounts},
};

use super::{
    Wish,
    report::{Report, Table, count, number, text},
    stats::{largest, median},
};

/// `selkie sim chaos`.
pub(super) fn run(wish: &Wish<'_>) -> Report {
    let seeds: Vec<u64> = wish.seeds(1000).collect();
    let last = wish.args.seed.wrapping_add(wish.runs(1000) - 1);
    let mut report = Report::new(format!(
        "Chaos: clusters of 3 to 12 members under random faults, seeds {} to {last}. Runs that \
         break a rule are told of by their seeds.",
        wish.args.seed
    ));
    if wish.args.nodes.is_some() {
        report.note("The seed decides how many members there are: --nodes changes nothing.");
    }
    let found = wish.crew.map("chaos", &seeds, |&seed| {
        Chaos::from_seed(seed).run(PostcardCodec)
    });
    let mut faults = FaultCounts::default();
    let (mut converged, mut broken, mut wrong) = (Vec::new(), Vec::new(), 0);
    let mut violations = Table::new("broken", &[("seed", "seed"), ("rule", "breaks a rule")]);
    for (&seed, outcome) in seeds.iter().zip(&found) {
        match outcome {
            Ok(outcome) => {
                faults.add(&outcome.faults);
                converged.push(outcome.converged_after.as_secs_f64());
                wrong += outcome.wrong_declarations;
            }
            Err(violation) => {
                violations.row([count(seed), text(violation.rule().to_string())]);
                broken.push((seed, violation.to_string()));
            }
        }
    }
    let mut table = Table::new(
        "runs",
        &[
            ("runs", "runs"),
            ("broken", "break a rule"),
            ("converged_after_median_s", "converged after: median s"),
            ("converged_after_longest_s", "longest s"),
            (
                "wrong_declarations_in_the_end",
                "wrong declarations in the end",
            ),
        ],
    );
    table.row([
        count(seeds.len()),
        count(broken.len()),
        number(median(&converged), 1),
        number(largest(&converged), 1),
        count(wrong),
    ]);
    report.table(table);
    let mut table = Table::new("faults", &[("fault", "fault"), ("times", "times")]);
    for (name, times) in faults.iter() {
        table.row([text(name), count(times)]);
    }
    report.table(table);
    report.table(violations);
    for (seed, violation) in broken.iter().take(TOLD_MAX) {
        report.note(format!(
            "{violation}\nAgain: selkie sim chaos --seed {seed} --runs 1"
        ));
    }
    report.at_most("runs that break a rule", broken.len() as f64, 0.0, "");
    let what = "declared down in the end, away for two periods";
    report.at_most(what, wrong as f64, 0.0, "");
    report
}

/// So many violations are told in full.
const TOLD_MAX: usize = 10;
