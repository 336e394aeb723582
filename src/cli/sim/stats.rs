//! Figures of many samples.

use core::time::Duration;

/// The value below which a share of the samples is; NaN when there are none. Samples may be
/// infinite: what never came.
pub(super) fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = share * last as f64;
    let (low, high) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    // The difference of two that never came is none.
    match low == high || place.fract() == 0.0 {
        true => low,
        false => low + (high - low) * place.fract(),
    }
}

/// Half of the samples are below it.
pub(super) fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}

/// NaN when there are none.
pub(super) fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}

pub(super) fn largest(samples: &[f64]) -> f64 {
    quantile(samples, 1.0)
}

/// In per cent of something.
pub(super) fn percent(part: f64, of: f64) -> f64 {
    100.0 * part / of
}

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::{mean, median, quantile};

    #[test]
    fn quantiles_lie_between_the_samples() {
        let samples = [4.0, 1.0, 2.0, 3.0];
        assert_eq!(median(&samples), 2.5);
        assert_eq!(quantile(&samples, 0.0), 1.0);
        assert_eq!(quantile(&samples, 1.0), 4.0);
        assert_eq!(mean(&samples), 2.5);
        assert!(median(&[]).is_nan() && mean(&[]).is_nan());
        let never = f64::INFINITY;
        assert_eq!(median(&[1.0, 2.0, never]), 2.0);
        assert_eq!(median(&[1.0, never]), never);
        assert_eq!(quantile(&[1.0, never, never, never], 0.99), never);
    }
}
