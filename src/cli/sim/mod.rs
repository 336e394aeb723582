//! `selkie sim`: the experiments of the papers, and our own, in the simulator.

mod broadcasts;
mod chaos;
mod crew;
mod lifeguard;
mod loss;
mod plot;
mod rapid;
mod report;
mod split;
mod stats;
mod swim;
mod trial;

use core::sync::atomic::AtomicU64;

use self::{crew::Crew, report::Report};
use crate::{
    args::{Scenario, SimArgs},
    failure::Failure,
    print,
};

/// What was asked for, as a scenario sees it.
struct Wish<'a> {
    args: &'a SimArgs,
    crew: Crew,
    /// Runs whose members did not find together before the experiment began.
    unsettled: AtomicU64,
}

impl Wish<'_> {
    /// The sizes that were asked for, or those of the experiment.
    fn sizes(&self, usual: &[usize]) -> Vec<usize> {
        self.args
            .nodes
            .map_or_else(|| usual.to_vec(), |nodes| vec![nodes])
    }

    fn nodes(&self, usual: usize) -> usize {
        self.args.nodes.unwrap_or(usual)
    }

    fn runs(&self, usual: u64) -> u64 {
        self.args.runs.unwrap_or(usual)
    }

    /// The seeds of so many runs.
    fn seeds(&self, usual_runs: u64) -> impl Iterator<Item = u64> + Clone {
        let first = self.args.seed;
        (0..self.runs(usual_runs)).map(move |run| first.wrapping_add(run))
    }

    /// Each of some settings with each seed.
    fn jobs<T: Copy>(&self, settings: &[T], usual_runs: u64) -> Vec<(T, u64)> {
        let with_seeds = |&setting| self.seeds(usual_runs).map(move |seed| (setting, seed));
        settings.iter().flat_map(with_seeds).collect()
    }
}

/// Runs the command.
pub(crate) fn run(args: &SimArgs) -> Result<(), Failure> {
    let wish = Wish {
        args,
        crew: Crew::new(),
        unsettled: AtomicU64::new(0),
    };
    let plots = args.svg.as_deref().filter(|_| args.scenario.has_plots());
    if let Some(dir) = plots {
        plot::check(dir)?;
    }
    let nodes = args.nodes.filter(|_| args.scenario != Scenario::Chaos);
    if let Some(warning) = nodes.and_then(memory) {
        print::error(format_args!("selkie: {warning}"));
    }
    let mut report = play(&wish);
    let unsettled = wish.unsettled.into_inner();
    if unsettled > 0 {
        let what = "members see each other before the experiment begins";
        report.bar(what, format!("not in {unsettled} runs"), false);
    }
    if args.svg.is_some() && plots.is_none() {
        report.note("No plots: this scenario has none.");
    }
    let told = match args.json {
        true => print::json(&report.json(args)),
        false => print::line(format_args!("{report}")),
    };
    told.map_err(|error| print::failed(&error))?;
    if let Some(dir) = plots {
        plot::save(dir, args.scenario.name(), report.plots())?;
    }
    report.verdict()
}

/// What to say beforehand about clusters of so many members: each holds all others.
fn memory(nodes: usize) -> Option<String> {
    let gigabytes = (nodes as f64).powi(2) * BYTES_PER_PAIR / 1e9;
    (gigabytes >= 1.0).then(|| {
        format!(
            "{nodes} members take about {gigabytes:.0} GB of memory in each run, and there may be \
             as many runs at a time as processors"
        )
    })
}

/// Measured with 10,000 members, and rounded up.
const BYTES_PER_PAIR: f64 = 150.0;

fn play(wish: &Wish<'_>) -> Report {
    match wish.args.scenario {
        Scenario::Load => swim::load(wish),
        Scenario::Detection => trial::detection(wish),
        Scenario::Dissemination => swim::dissemination(wish),
        Scenario::LossyJoin => swim::lossy_join(wish),
        Scenario::Lifeguard => lifeguard::run(wish),
        Scenario::Bootstrap => rapid::bootstrap(wish),
        Scenario::Crashes => rapid::crashes(wish),
        Scenario::FlipFlop => rapid::flip_flop(wish),
        Scenario::LossyFew => rapid::lossy_few(wish),
        Scenario::HealthyLoss => loss::run(wish),
        Scenario::Split => split::run(wish),
        Scenario::Broadcasts => broadcasts::run(wish),
        Scenario::Chaos => chaos::run(wish),
    }
}

#[cfg(test)]
mod tests {
    use super::memory;

    #[test]
    fn memory_is_warned_of_where_it_matters() {
        assert_eq!(memory(2000), None);
        let warning = memory(10_000).expect("a warning");
        assert!(warning.contains("about 15 GB"), "{warning}");
    }
}
