//! How many packets nodes send in any second.

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

/// Watches that no node sends more than so many, packet by packet.
pub(super) struct Pace {
    most: u64,
    /// When each node sent its packets of the last second: one more than allowed, at most.
    sent: Vec<VecDeque<Duration>>,
    /// Who was the first to send too many, and when.
    broken: Option<(usize, Duration)>,
}

const SECOND: Duration = Duration::from_secs(1);

impl Pace {
    pub(super) fn of(most: u64) -> Self {
        Self {
            most,
            sent: Vec::new(),
            broken: None,
        }
    }

    /// A node sends a packet now.
    pub(super) fn count(&mut self, node: usize, now: Duration) {
        if self.broken.is_some() {
            return;
        }
        if self.sent.len() <= node {
            self.sent.resize_with(node + 1, VecDeque::new);
        }
        let sent = &mut self.sent[node];
        while sent.front().is_some_and(|at| now - *at >= SECOND) {
            sent.pop_front();
        }
        sent.push_back(now);
        if sent.len() as u64 > self.most {
            self.broken = Some((node, now));
        }
    }

    pub(super) fn broken(&self) -> Option<(usize, Duration)> {
        self.broken
    }
}
