//! Which datagrams were received before.

use alloc::{boxed::Box, collections::BTreeMap};

/// What a sender calls itself from its start on: random.
pub(super) type Session = [u8; 16];

/// The datagrams of each sender that arrived.
#[derive(Default)]
pub(super) struct Replays {
    senders: BTreeMap<Session, Box<Window>>,
    /// Grows with each datagram.
    now: u64,
}

/// The numbers that a sender used last, and which of them arrived.
struct Window {
    highest: u64,
    /// Bit `n` of the whole is for the number `n` modulo [`Replays::WINDOW`].
    seen: [u64; WORDS],
    heard_at: u64,
}

const WORDS: usize = (Replays::WINDOW / 64) as usize;

impl Replays {
    /// How far a datagram may be behind the latest of its sender, in datagrams, whomever they
    /// were for.
    pub(super) const WINDOW: u64 = 1024;

    /// The most senders that are remembered. Beyond that, the one that was heard least recently
    /// is forgotten.
    pub(super) const SENDERS_MAX: usize = 4096;

    /// Whether a datagram, which is known to be a member's, is new. It is not from now on.
    pub(super) fn admit(&mut self, session: &Session, number: u64) -> bool {
        self.now = self.now.wrapping_add(1);
        if let Some(window) = self.senders.get_mut(session) {
            window.heard_at = self.now;
            return window.admit(number);
        }
        if self.senders.len() >= Self::SENDERS_MAX {
            let quietest = self
                .senders
                .iter()
                .min_by_key(|(_, window)| window.heard_at);
            if let Some(quietest) = quietest.map(|(session, _)| *session) {
                self.senders.remove(&quietest);
            }
        }
        let mut window = Box::new(Window {
            highest: number,
            seen: [0; WORDS],
            heard_at: self.now,
        });
        window.mark(number);
        self.senders.insert(*session, window);
        true
    }
}

impl Window {
    fn admit(&mut self, number: u64) -> bool {
        if number > self.highest {
            // What the window moves over has not been seen.
            let passed = (number - self.highest).min(Replays::WINDOW);
            for gone in 0..passed {
                self.clear(number - gone);
            }
            self.highest = number;
        } else if self.highest - number >= Replays::WINDOW {
            return false;
        }
        let is_new = !self.is_marked(number);
        self.mark(number);
        is_new
    }

    fn mark(&mut self, number: u64) {
        let (word, bit) = place(number);
        self.seen[word] |= bit;
    }

    fn clear(&mut self, number: u64) {
        let (word, bit) = place(number);
        self.seen[word] &= !bit;
    }

    fn is_marked(&self, number: u64) -> bool {
        let (word, bit) = place(number);
        self.seen[word] & bit != 0
    }
}

/// The word, below [`WORDS`], and the bit in it.
fn place(number: u64) -> (usize, u64) {
    let index = number % Replays::WINDOW;
    ((index / 64) as usize, 1 << (index % 64))
}

#[cfg(test)]
mod tests;
