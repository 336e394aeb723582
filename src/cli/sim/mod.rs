//! `selkie sim`: the experiments of the papers, and our own, in the simulator.

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
    };
    let report = play(&wish);
    if let Some(dir) = &args.svg {
        plot::save(dir, args.scenario.name(), report.plots())?;
    }
    let told = match args.json {
        true => print::json(&report.json(args)),
        false => print::line(format_args!("{report}")),
    };
    told.map_err(|error| print::failed(&error))?;
    report.verdict()
}

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
        Scenario::Chaos => chaos::run(wish),
    }
}
