//! How healthy we think we are (Lifeguard, section IV-A): who is slow itself must not accuse others
//! of being slow.

/// Lifeguard's local health multiplier: 0 is healthy.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health(u8);

impl Health {
    /// As bad as it gets: everything takes nine times as long.
    const WORST: u8 = 8;

    pub(super) fn score(self) -> u8 {
        self.0
    }

    pub(super) fn improve(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    pub(super) fn worsen(&mut self) {
        self.0 = Self::WORST.min(self.0 + 1);
    }
}
