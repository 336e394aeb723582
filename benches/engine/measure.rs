//! Time and memory.

use std::{alloc::System, time::Duration};

use cpu_time::ThreadTime;
use stats_alloc::StatsAlloc;

use crate::{
    contender::Contender,
    rows::{Row, Site, Step},
};

/// Measures the thread's own time, less what reading it takes.
pub struct Clock {
    overhead: f64,
}

impl Clock {
    pub fn calibrate() -> Self {
        let mut results: Vec<f64> = (0..1001)
            .map(|_| ThreadTime::now().elapsed().as_nanos() as f64)
            .collect();
        Self {
            overhead: median(&mut results),
        }
    }

    /// How many runs of a row make a measurement that is long enough: for what the other engine's
    /// turn drove out of the caches not to count.
    pub fn batch<E: Contender>(&self, row: &Row<E>, site: &mut Site<E>) -> usize {
        const LONG_ENOUGH: Duration = Duration::from_millis(50);
        // Some upkeep raises incarnations, which are 16 bits wide: the rows of the smallest table,
        // of which a datagram is about every member, must not use them up.
        let times_max = match row.upkeep {
            None => 1e6,
            Some(_) => 10.0 * site.engine.num_members() as f64,
        };
        let warm_up = self.time(row, site, 1);
        let each = match warm_up < 1e6 {
            true => self.time(row, site, 20),
            false => warm_up,
        };
        (LONG_ENOUGH.as_nanos() as f64 / each).clamp(1.0, times_max) as usize
    }

    /// Nanoseconds that a row takes, over so many runs.
    pub fn time<E: Contender>(&self, row: &Row<E>, site: &mut Site<E>, times: usize) -> f64 {
        let total = if row.upkeep.is_none() {
            let start = ThreadTime::now();
            for _ in 0..times {
                (row.timed)(site);
            }
            start.elapsed().as_nanos() as f64 - self.overhead
        } else {
            (0..times).map(|_| row.run(site) - self.overhead).sum()
        };
        (total / times as f64).max(0.1)
    }
}

impl<E: Contender> Row<E> {
    /// Runs once, with what comes before and after. Returns the nanoseconds in between.
    pub fn run(&self, site: &mut Site<E>) -> f64 {
        let [before, after] = self.upkeep();
        before(site);
        let start = ThreadTime::now();
        (self.timed)(site);
        let time = start.elapsed();
        after(site);
        time.as_nanos() as f64
    }

    pub fn upkeep(&self) -> [Step<E>; 2] {
        self.upkeep.unwrap_or([|_| {}, |_| {}])
    }
}

pub fn median(results: &mut [f64]) -> f64 {
    results.sort_by(f64::total_cmp);
    results[results.len() / 2]
}

/// Bytes on the heap.
pub fn live_bytes(allocator: &StatsAlloc<System>) -> f64 {
    let stats = allocator.stats();
    (stats.bytes_allocated - stats.bytes_deallocated) as f64
}

/// How many allocations there were so far, growing ones included.
pub fn allocations(allocator: &StatsAlloc<System>) -> usize {
    let stats = allocator.stats();
    stats.allocations + stats.reallocations
}
