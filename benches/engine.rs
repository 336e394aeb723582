//! The engine beside foca's: the same work, in one run, in turns.
//!
//! `cargo bench --all-features --bench engine` prints a table and writes
//! `target/bench/engine.csv`. `docs/benchmarks.md` says what each row is, and how instructions
//! are counted with `--count N`.

#[path = "engine/contender.rs"]
mod contender;
#[path = "engine/measure.rs"]
mod measure;
#[path = "engine/member.rs"]
mod member;
#[path = "engine/rows.rs"]
mod rows;

use std::{alloc::System, fmt::Write as _, fs, io, path::Path, time::Duration};

use cpu_time::ThreadTime;
use selkie::Transmissions;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use self::{
    contender::{Anchor, Contender, Selkie},
    measure::{Clock, allocations, live_bytes, median},
    member::Id,
    rows::{Backlog, Row, Site, drain, fill, rows},
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Sizes at which both are measured, and the one at which foca would take too long.
const SIZES: [usize; 3] = [100, 10_000, 100_000];
const SIZE_ALONE: usize = 1_000_000;

const APPLY_ALL: &str = "apply all, per member";
const MEMORY_QUIET: &str = "memory per member, quiet";
const MEMORY_FULL: &str = "memory per member, full backlog";

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip_while(|arg| arg != "--count");
    if args.next().is_some() {
        let n = args.next().and_then(|n| n.parse().ok());
        count(n.expect("usage: --count N, a number of members"));
        return Ok(());
    }
    let mut table = Table::new();
    for n in SIZES {
        measure_both(n, &mut table);
    }
    measure_alone(SIZE_ALONE, &mut table);
    table.save(Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/target/bench/engine.csv"
    )))
}

/// How often updates are sent in a cluster of this size: the same for both.
fn transmissions(n: usize) -> u8 {
    Transmissions::PerLog10(4).at(n)
}

fn measure_both(n: usize, table: &mut Table) {
    let clock = Clock::calibrate();
    let rounds = if n > 10_000 { 5 } else { 15 };
    let mut ours = Applied::new();
    let mut theirs = Applied::new();
    // A large list takes foca many seconds.
    for _ in 0..if n > 10_000 { 1 } else { 5 } {
        ours.apply(n);
        theirs.apply(n);
    }
    table.row(APPLY_ALL, n, ours.median(), Some(theirs.median()));
    let quiet = [ours.bytes, theirs.bytes];
    table.row(MEMORY_QUIET, n, quiet[0], Some(quiet[1]));
    let rng = &mut fastrand::Rng::with_seed(n as u64);
    let mut ours: Site<Selkie> = ours.site(rng);
    let mut theirs: Site<Anchor> = theirs.site(rng);
    for (our_row, their_row) in rows().into_iter().zip(rows()) {
        if our_row.backlog == Backlog::Full && ours.engine.backlog() < n {
            let bytes = quiet[0] + fill_measured(&mut ours, n);
            let their_bytes = quiet[1] + fill_measured(&mut theirs, n);
            table.row(MEMORY_FULL, n, bytes, Some(their_bytes));
        }
        ours.pool = pool(&our_row, n, rng);
        theirs.pool.clone_from(&ours.pool);
        let mut results = (Vec::new(), Vec::new());
        let batch = clock.batch(&our_row, &mut ours);
        let their_batch = clock.batch(&their_row, &mut theirs);
        for _ in 0..rounds {
            results.0.push(clock.time(&our_row, &mut ours, batch));
            results
                .1
                .push(clock.time(&their_row, &mut theirs, their_batch));
        }
        check_allocations(&our_row, &mut ours);
        table.row(
            our_row.name,
            n,
            median(&mut results.0),
            Some(median(&mut results.1)),
        );
    }
}

fn measure_alone(n: usize, table: &mut Table) {
    let clock = Clock::calibrate();
    let mut ours = Applied::<Selkie>::new();
    for _ in 0..3 {
        ours.apply(n);
    }
    table.row(APPLY_ALL, n, ours.median(), None);
    let quiet = ours.bytes;
    table.row(MEMORY_QUIET, n, quiet, None);
    let rng = &mut fastrand::Rng::with_seed(n as u64);
    let mut ours = ours.site(rng);
    for row in rows() {
        if row.backlog == Backlog::Full && ours.engine.backlog() < n {
            let bytes = quiet + fill_measured(&mut ours, n);
            table.row(MEMORY_FULL, n, bytes, None);
        }
        ours.pool = pool(&row, n, rng);
        let batch = clock.batch(&row, &mut ours);
        let mut results: Vec<f64> = (0..15)
            .map(|_| clock.time(&row, &mut ours, batch))
            .collect();
        check_allocations(&row, &mut ours);
        table.row(row.name, n, median(&mut results), None);
    }
}

/// Runs each row a fixed number of times, for a profiler that counts instructions.
fn count(n: usize) {
    const TIMES: usize = 64;
    let rng = &mut fastrand::Rng::with_seed(n as u64);
    let mut applied = Applied::<Selkie>::new();
    applied.apply(n);
    let mut site = applied.site(rng);
    for row in rows() {
        if row.backlog == Backlog::Full && site.engine.backlog() < n {
            fill_measured(&mut site, n);
        }
        site.pool = (0..TIMES)
            .flat_map(|_| row.pool.map(|make| make(n, rng)))
            .collect();
        for _ in 0..TIMES {
            row.run(&mut site);
        }
    }
    println!("{n} members applied once, each row {TIMES} times");
}

/// How an engine comes to know all members.
struct Applied<E> {
    engine: Option<E>,
    results: Vec<f64>,
    bytes: f64,
}

impl<E: Contender> Applied<E> {
    fn new() -> Self {
        Self {
            engine: None,
            results: Vec::new(),
            bytes: 0.0,
        }
    }

    fn apply(&mut self, n: usize) {
        drop(self.engine.take());
        let members: Vec<Id> = (0..n).map(member::member).collect();
        // Sends each update once, for rows that need an empty backlog, until it is filled.
        let mut engine = E::new(1);
        let before = live_bytes(ALLOCATOR);
        let time = apply_all(&mut engine, &members);
        self.bytes = (live_bytes(ALLOCATOR) - before) / n as f64;
        self.results.push(time.as_nanos() as f64 / n as f64);
        assert_eq!(engine.num_members(), n);
        self.engine = Some(engine);
    }

    fn median(&mut self) -> f64 {
        median(&mut self.results)
    }

    fn site(self, rng: &mut fastrand::Rng) -> Site<E> {
        Site::new(self.engine.expect("was applied"), rng)
    }
}

#[inline(never)]
fn apply_all<E: Contender>(engine: &mut E, members: &[Id]) -> Duration {
    let start = ThreadTime::now();
    engine.apply_all(members);
    start.elapsed()
}

/// Fills the backlog. Returns how many bytes per member that takes.
fn fill_measured<E: Contender>(site: &mut Site<E>, n: usize) -> f64 {
    site.engine.set_transmissions(transmissions(n));
    let before = live_bytes(ALLOCATOR);
    fill(site);
    (live_bytes(ALLOCATOR) - before) / n as f64
}

fn pool<E>(row: &Row<E>, n: usize, rng: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    // Enough for the members in them not to stay in the processor's caches.
    const DATAGRAMS: usize = 1024;
    (0..DATAGRAMS)
        .flat_map(|_| row.pool.map(|make| make(n, rng)))
        .collect()
}

/// No row allocates once it is warm. A full backlog is when it has sent all that waits as often as
/// it ever does.
fn check_allocations<E: Contender>(row: &Row<E>, site: &mut Site<E>) {
    const TIMES: usize = 32;
    if row.name == rows::GOSSIP_FROM_FULL {
        drain(site);
        fill(site);
    }
    let mut count = 0;
    for _ in 0..TIMES {
        let [before, after] = row.upkeep();
        before(site);
        let already = allocations(ALLOCATOR);
        (row.timed)(site);
        count += allocations(ALLOCATOR) - already;
        after(site);
    }
    assert_eq!(count, 0, "{}: allocations in {TIMES} runs", row.name);
}

/// Prints rows as they come, and keeps them for the file.
struct Table {
    csv: String,
}

impl Table {
    fn new() -> Self {
        println!(
            "{:<38} {:>9} {:>12} {:>14} {:>9}",
            "row", "n", "selkie", "foca", "ratio"
        );
        Self {
            csv: "row,n,selkie_ns,foca_ns,ratio\n".to_owned(),
        }
    }

    fn row(&mut self, name: &str, n: usize, ours: f64, theirs: Option<f64>) {
        let foca = theirs.map_or(String::new(), |theirs| format!("{theirs:.1}"));
        let ratio = theirs.map_or(String::new(), |theirs| format!("{:.2}", theirs / ours));
        println!("{name:<38} {n:>9} {ours:>12.1} {foca:>14} {ratio:>9}");
        let name = name.replace(',', "");
        writeln!(self.csv, "{name},{n},{ours:.1},{foca},{ratio}").expect("a String takes all");
    }

    fn save(&self, path: &Path) -> io::Result<()> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::write(path, &self.csv)
    }
}
