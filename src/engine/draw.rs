//! Drawing at random, without replacement and without memory.
//!
//! A walk around a circle in steps of a length that has no divisor in common with the circle's
//! visits every place once. Where it begins and how long its steps are is random: each place is as
//! likely as any other, and so is nearly each pair. A shuffle would have to move members about.

use fastrand::Rng;

/// The places below a number, each once, in random order.
#[derive(Clone)]
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

/// The same, but of the places some come before the others.
pub(super) struct Preferring {
    draw: Draw,
    /// The rest of it comes when no more of those are to be found.
    others: Draw,
    looks_left: usize,
}

/// How many of the others are passed over in search of one that is preferred.
const LOOKS_MAX: usize = 128;

impl Preferring {
    pub(super) fn new(draw: Draw) -> Self {
        Self {
            others: draw.clone(),
            draw,
            looks_left: LOOKS_MAX,
        }
    }

    pub(super) fn next(&mut self, is_preferred: impl Fn(usize) -> bool) -> Option<usize> {
        while self.looks_left > 0 {
            let Some(place) = self.draw.next() else {
                break;
            };
            if is_preferred(place) {
                return Some(place);
            }
            self.looks_left -= 1;
        }
        self.looks_left = 0;
        self.others.find(|place| !is_preferred(*place))
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
