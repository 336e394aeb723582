//! Broadcasts of a user's, and whom they do not reach.

use core::{cell::RefCell, error::Error, time::Duration};
use std::{collections::HashSet, rc::Rc};

use fastrand::Rng;
use selkie::{
    BroadcastHandler, Config, Engine, Invalidates,
    codecs::PostcardCodec,
    sim::{Link, Loss, Peer, Simulation},
};

use super::{
    Wish,
    report::{Report, Table, count, number, text},
    stats::{median, percent, quantile},
    trial::settle,
};

/// How many broadcasts each run has of each way.
const BROADCASTS: usize = 500;

/// How broadcasts are made.
#[derive(Clone, Copy, PartialEq)]
struct Way {
    name: &'static str,
    /// How many at once, all by one member. The next come when nothing waits any more.
    at_once: usize,
    bytes: usize,
    trouble: Trouble,
    /// In how many of a hundred a member may be missed.
    percent_max: f64,
}

/// What befalls the members meanwhile.
#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    None,
    /// A twentieth of all packets is lost.
    Loss,
    /// A member, another one each time, hears and says nothing; nobody knows yet.
    Silence,
}

const WAYS: [Way; 5] = [
    Way {
        name: "one of 16 bytes",
        at_once: 1,
        bytes: 16,
        trouble: Trouble::None,
        percent_max: 0.0,
    },
    Way {
        name: "20 of 16 bytes",
        at_once: 20,
        bytes: 16,
        trouble: Trouble::None,
        percent_max: 0.0,
    },
    Way {
        name: "20 of 600 bytes",
        at_once: 20,
        bytes: 600,
        trouble: Trouble::None,
        percent_max: 0.0,
    },
    Way {
        name: "one of 16 bytes, 5 % of packets lost",
        at_once: 1,
        bytes: 16,
        trouble: Trouble::Loss,
        percent_max: 2.0,
    },
    Way {
        name: "one of 16 bytes, another member silent",
        at_once: 1,
        bytes: 16,
        trouble: Trouble::Silence,
        percent_max: 2.0,
    },
];

/// What became of a run's broadcasts.
#[derive(Default)]
struct Outcome {
    broadcasts: u64,
    /// Those that some member did not hear.
    missing: u64,
    /// How often some member did not hear one.
    misses: u64,
    /// How often any was heard, by whoever heard it already, too.
    copies: u64,
    /// How long it took, in seconds, until all members had heard all that began together.
    took: Vec<f64>,
}

/// `selkie sim broadcasts`.
pub(super) fn run(wish: &Wish<'_>) -> Report {
    let runs = wish.runs(20);
    let mut report = Report::new(format!(
        "Broadcasts: in an idle cluster of the LAN preset a member adds broadcasts and sends them, \
         as the agent does; the next ones come when none waits any more. {BROADCASTS} in each of \
         {runs} runs."
    ));
    let mut table = Table::new(
        "broadcasts",
        &[
            ("members", "members"),
            ("way", "at once"),
            ("broadcasts", "broadcasts"),
            ("missing", "that miss a member"),
            ("missing_percent", "%"),
            ("misses", "members missed"),
            ("copies", "copies per member"),
            ("all_know_median_s", "all know: median s"),
            ("all_know_p99_s", "99 %"),
        ],
    );
    let mut worst = [0.0_f64; WAYS.len()];
    for size in wish.sizes(&[5, 20, 50, 100]) {
        for (way, worst) in WAYS.into_iter().zip(&mut worst) {
            let seeds: Vec<u64> = wish.seeds(20).collect();
            let of = format!("{size} members, {}", way.name);
            let found = wish
                .crew
                .map(&of, &seeds, |&seed| broadcast(wish, size, way, seed));
            let sum = |pick: fn(&Outcome) -> u64| found.iter().map(pick).sum::<u64>();
            let took: Vec<f64> = found.iter().flat_map(|one| one.took.clone()).collect();
            let broadcasts = sum(|one| one.broadcasts);
            let missing = sum(|one| one.missing);
            let missing_percent = percent(missing as f64, broadcasts as f64);
            *worst = worst.max(missing_percent);
            table.row([
                count(size),
                text(way.name),
                count(broadcasts),
                count(missing),
                number(missing_percent, 2),
                count(sum(|one| one.misses)),
                number(
                    sum(|one| one.copies) as f64 / (broadcasts * size as u64) as f64,
                    2,
                ),
                number(median(&took), 2),
                number(quantile(&took, 0.99), 2),
            ]);
        }
    }
    report.table(table);
    for (way, worst) in WAYS.into_iter().zip(worst) {
        let what = format!("{}: broadcasts that miss a member", way.name);
        report.at_most(&what, worst, way.percent_max, " %");
    }
    report
}

/// What all members of a run heard.
#[derive(Default)]
struct Heard {
    /// By whom each broadcast was heard, in the order in which they were made.
    members: Vec<usize>,
    copies: u64,
}

/// Counts what a member hears.
struct Ear {
    known: HashSet<usize>,
    heard: Rc<RefCell<Heard>>,
}

/// None makes another one obsolete.
struct Lasting;

impl Invalidates for Lasting {
    fn invalidates(&self, _other: &Self) -> bool {
        false
    }
}

impl BroadcastHandler<Peer> for Ear {
    type Key = Lasting;

    fn receive_item(
        &mut self,
        data: &[u8],
        sender: Option<&Peer>,
    ) -> Result<Option<Lasting>, Box<dyn Error + Send + Sync>> {
        let (number, _) = data.split_first_chunk().ok_or("a number is wanted")?;
        let number = usize::from_be_bytes(*number);
        let mut heard = self.heard.borrow_mut();
        heard.copies += u64::from(sender.is_some());
        if !self.known.insert(number) {
            return Ok(None);
        }
        if heard.members.len() <= number {
            heard.members.resize(number + 1, 0);
        }
        heard.members[number] += 1;
        Ok(Some(Lasting))
    }
}

type Listeners = Simulation<Engine<Peer, PostcardCodec, Ear>>;

fn broadcast(wish: &Wish<'_>, size: usize, way: Way, seed: u64) -> Outcome {
    let config = Config::lan();
    let period = config.probe_period;
    let heard: Rc<RefCell<Heard>> = Rc::default();
    let ears = Rc::clone(&heard);
    let mut sim = Simulation::with_broadcasts(seed, config, PostcardCodec, move |_: &Peer| Ear {
        known: HashSet::new(),
        heard: Rc::clone(&ears),
    });
    if way.trouble == Trouble::Loss {
        sim.set_links(Link::lan().loss(0.05));
    }
    settle(wish, &mut sim, size, period, seed);
    let mut rng = Rng::with_seed(!seed);
    let mut outcome = Outcome::default();
    for first in (0..BROADCASTS).step_by(way.at_once) {
        let numbers = first..first + way.at_once;
        let sender = rng.usize(..size);
        let silent = (sender + rng.usize(1..size)) % size;
        let is_silent = way.trouble == Trouble::Silence;
        let hearers = size - usize::from(is_silent);
        if is_silent {
            set_silent(&mut sim, silent, Loss::from(1.0));
        }
        sim.input(sender, |engine, port| {
            for number in numbers.clone() {
                let mut data = number.to_be_bytes().to_vec();
                data.resize(way.bytes, 0);
                let _ = engine.add_broadcast(&data, port);
            }
            let _ = engine.broadcast(port);
        });
        let know_all = || {
            let counts = &heard.borrow().members;
            let counts = counts.get(numbers.clone());
            counts.is_some_and(|counts| counts.iter().all(|&members| members == hearers))
        };
        let began = sim.now();
        let mut took = f64::INFINITY;
        // A packet may be under way while nothing waits: after a tick it is not.
        let mut quiet_ticks = 0;
        while quiet_ticks < 2 {
            sim.run_for(TICK);
            if took.is_infinite() && know_all() {
                took = (sim.now() - began).as_secs_f64();
            }
            quiet_ticks = if is_quiet(&sim) { quiet_ticks + 1 } else { 0 };
        }
        outcome.took.push(took);
        set_silent(&mut sim, silent, Loss::None);
        outcome.add(&heard.borrow().members[numbers], hearers);
        // Not in step with what members do every so often.
        sim.run_for(period.mul_f64(rng.f64()));
    }
    outcome.copies = heard.borrow().copies;
    outcome
}

impl Outcome {
    /// Broadcasts that were heard by so many members, of those that could.
    fn add(&mut self, heard_by: &[usize], hearers: usize) {
        for &members in heard_by {
            self.broadcasts += 1;
            self.missing += u64::from(members < hearers);
            self.misses += hearers.saturating_sub(members) as u64;
        }
    }
}

fn set_silent(sim: &mut Listeners, node: usize, loss: Loss) {
    sim.set_ingress_loss(node, loss);
    sim.set_egress_loss(node, loss);
}

/// How exactly times are measured, and more than a packet is under way.
const TICK: Duration = Duration::from_millis(10);

/// Whether no broadcast waits any more.
fn is_quiet(sim: &Listeners) -> bool {
    let mut machines = sim.live().filter_map(|node| sim.machine(node));
    machines.all(|engine| engine.broadcasts_backlog() == 0)
}
