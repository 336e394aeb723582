//! How a node behaves.

use alloc::sync::Arc;
use core::time::Duration;

use smol::Executor;

#[cfg(doc)]
use super::Quic;

/// How a [`Quic`] behaves. The defaults suit most clusters.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) executor: Option<Arc<Executor<'static>>>,
    pub(super) idle_timeout: Duration,
    pub(super) dial_deadline: Duration,
    pub(super) redial_after: Duration,
    pub(super) stream_timeout: Duration,
    pub(super) peers_max: usize,
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            executor: None,
            idle_timeout: Duration::from_secs(12),
            dial_deadline: Duration::from_secs(3),
            redial_after: Duration::from_secs(1),
            stream_timeout: Duration::from_secs(10),
            peers_max: 1024,
        }
    }

    /// Runs the node's tasks on this executor, which the caller drives, instead of smol's global
    /// one. The node does not keep it alive, but these options do: once its last owner drops it,
    /// the node is silent at once, without a word to its peers, and its port is free.
    #[must_use]
    pub fn executor(mut self, executor: Arc<Executor<'static>>) -> Self {
        self.executor = Some(executor);
        self
    }

    /// How long a connection is kept over which nothing is sent: 12 s. At least a millisecond.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How long a dial may take: 3 s.
    #[must_use]
    pub fn dial_deadline(mut self, deadline: Duration) -> Self {
        self.dial_deadline = deadline;
        self
    }

    /// For how long, after a dial failed, sends to that address are refused at once: 1 s, twice as
    /// long after each further one that fails, and eight times as long at most.
    #[must_use]
    pub fn redial_after(mut self, pause: Duration) -> Self {
        self.redial_after = pause;
        self
    }

    /// How long a stream may be silent before reading and writing fail: 10 s.
    #[must_use]
    pub fn stream_timeout(mut self, timeout: Duration) -> Self {
        self.stream_timeout = timeout;
        self
    }

    /// The most peers to have connections with at a time: 1,024, of 32 KiB each. Beyond, the
    /// connection goes that was not used for the longest time. At least 1.
    #[must_use]
    pub fn peers_max(mut self, max: usize) -> Self {
        self.peers_max = max.max(1);
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
