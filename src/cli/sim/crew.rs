//! Many runs at once, one per processor, and how far they are.

use core::{
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering},
};
use std::{
    io::{IsTerminal, Write, stderr},
    panic, thread,
};

/// The threads that runs are dealt out to. What comes out does not depend on how many there are.
pub(super) struct Crew {
    threads: usize,
    shows: bool,
}

impl Crew {
    pub(super) fn new() -> Self {
        Self {
            threads: thread::available_parallelism().map_or(1, NonZero::get),
            shows: stderr().is_terminal(),
        }
    }

    /// Does each job, and returns what came out in the order of the jobs. With a progress bar
    /// where stderr is a terminal.
    pub(super) fn map<J: Sync, R: Send>(
        &self,
        what: &str,
        jobs: &[J],
        work: impl Fn(&J) -> R + Sync,
    ) -> Vec<R> {
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let labour = || {
            let mut results = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(place) else {
                    return results;
                };
                results.push((place, work(job)));
                self.show(what, done.fetch_add(1, Ordering::Relaxed) + 1, jobs.len());
            }
        };
        self.show(what, 0, jobs.len());
        let mut results = thread::scope(|scope| {
            let threads = self.threads.min(jobs.len());
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(labour)).collect();
            let joined = workers.into_iter().map(|worker| {
                let result = worker.join();
                result.unwrap_or_else(|panic| panic::resume_unwind(panic))
            });
            joined.flatten().collect::<Vec<_>>()
        });
        self.clear();
        results.sort_by_key(|(place, _)| *place);
        results.into_iter().map(|(_, result)| result).collect()
    }

    fn show(&self, what: &str, done: usize, of: usize) {
        if self.shows {
            let full = (BAR * done).checked_div(of).unwrap_or(BAR);
            let (full, rest) = ("#".repeat(full), ".".repeat(BAR - full));
            let _ = write!(stderr(), "\r{what} [{full}{rest}] {done}/{of} ");
        }
    }

    fn clear(&self) {
        if self.shows {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

/// How many characters the bar has.
const BAR: usize = 40;
