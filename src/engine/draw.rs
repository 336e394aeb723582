//! Drawing at random, without replacement and without memory.
//!
//! A walk around a circle in steps of a length that has no divisor in common with the circle's
//! visits every place once. Where it begins and how long its steps are is random: each place is as
//! likely as any other, and so is nearly each pair. A shuffle would have to move members about.

use fastrand::Rng;

/// The places below a number, each once, in random order.
pub(super) struct Draw {
    place: usize,
    step: usize,
    count: usize,
    left: usize,
}

impl Draw {
    pub(super) fn new(count: usize, rng: &mut Rng) -> Self {
        let mut draw = Self {
            place: 0,
            step: 0,
            count,
            left: count,
        };
        if count > 1 {
            draw.place = rng.usize(..count);
            // Six in ten are such, one always is.
            while draw.step == 0 || gcd(draw.step, count) > 1 {
                draw.step = rng.usize(1..count);
            }
        }
        draw
    }

    /// Ends sooner.
    pub(super) fn at_most(mut self, places: usize) -> Self {
        self.left = self.left.min(places);
        self
    }
}

impl Iterator for Draw {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let next = self.place + self.step;
        let around = if next < self.count { 0 } else { self.count };
        Some(core::mem::replace(&mut self.place, next - around))
    }
}

fn gcd(mut a: usize, mut b: usize) -> usize {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}
