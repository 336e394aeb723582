//! One number that says whether two runs were the same.

/// A running hash of all that was sent, handed over and told. Not for adversaries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fingerprint(u64);

/// Multiplying by it spreads bits upwards, rotating brings them down again.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Fingerprint {
    pub(super) fn new() -> Self {
        Self(FACTOR)
    }

    pub(super) fn number(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(FACTOR);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.number(u64::from_le_bytes(last));
        self.number(bytes.len() as u64);
    }

    pub(super) fn value(self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
