//! Counts who is inside, and lets no more in than may be.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Lets a bounded number in.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    inside: Arc<AtomicUsize>,
    max: usize,
}

impl Gate {
    pub(super) fn new(max: usize) -> Self {
        Self {
            inside: Arc::default(),
            max,
        }
    }

    /// One that only counts.
    pub(super) fn open() -> Self {
        Self::new(usize::MAX)
    }

    pub(super) fn enter(&self) -> Option<Pass> {
        let pass = Pass(self.inside.clone());
        // Dropping the pass takes this back.
        (self.inside.fetch_add(1, Ordering::AcqRel) < self.max).then_some(pass)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inside.load(Ordering::Acquire) == 0
    }
}

/// The right to be inside, until it is dropped.
#[derive(Debug)]
pub(super) struct Pass(Arc<AtomicUsize>);

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
