//! Confidence interval of a mean by the percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap",
//! 1993, chapter 13), with a fixed seed so that a report is the same each time.

use super::quantile;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Samples with replacement that are drawn.
pub const RESAMPLES: usize = 2000;
/// Share of them that the interval holds.
pub const CONFIDENCE: f64 = 0.95;
const SEED: u64 = 0x6d61_736b;

/// The interval of the mean of `values`; `None` for fewer than two or when one is infinite.
pub fn mean_interval(values: &[f64]) -> Option<[f64; 2]> {
    if values.len() < 2 || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sum: f64 = (0..values.len()).map(|_| values[rng.random_range(0..values.len())]).sum();
            sum / values.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let aside = (1.0 - CONFIDENCE) / 2.0;
    Some([quantile(&means, aside)?, quantile(&means, 1.0 - aside)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_seeded_holds_the_mean_and_narrows() {
        let wave = |n: usize| (0..n).map(|i| (i as f64 * 1.7).sin()).collect::<Vec<_>>();
        let few = mean_interval(&wave(20)).unwrap();
        assert_eq!(mean_interval(&wave(20)), Some(few));
        let many = mean_interval(&wave(500)).unwrap();
        assert!(few[1] - few[0] > 2.0 * (many[1] - many[0]), "{few:?} {many:?}");
        let mean = wave(500).iter().sum::<f64>() / 500.0;
        assert!(many[0] < mean && mean < many[1]);
        // Close to what the normal distribution gives: 1.96 standard errors.
        let error = std::f64::consts::FRAC_1_SQRT_2 / 500f64.sqrt();
        assert!(((many[1] - many[0]) / (2.0 * 1.96 * error) - 1.0).abs() < 0.15, "{many:?}");
        assert_eq!(mean_interval(&[1.0]), None);
        assert_eq!(mean_interval(&[1.0, f64::INFINITY]), None);
    }
}
