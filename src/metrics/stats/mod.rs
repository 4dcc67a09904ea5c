//! What many figures amount to: quartiles, the mean with its confidence interval, and paired tests.
//!
//! Infinite figures (misses) stay: they rank last and make a mean infinite; who shows a mean of the finite ones says so.

mod bootstrap;
mod calibration;
mod wilcoxon;

pub use bootstrap::{CONFIDENCE, RESAMPLES, mean_interval};
pub use calibration::{CALIBRATION_BINS, Calibration, CalibrationBin};
pub use wilcoxon::{Wilcoxon, wilcoxon};

/// Quantile `q` in `0..=1` of sorted values with linear interpolation between ranks; `None` of nothing.
///
/// Between a finite and an infinite value lies an infinite one.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = q * last as f64;
    let below = (rank.floor() as usize).min(last);
    let part = rank - below as f64;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    Some(if part > 0.0 && high != low { low + (high - low) * part } else { low })
}

/// Arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Mean of differences between the limits within which 95 % of a normal distribution lie (Bland and Altman, 1986); of a
/// single difference, three times itself.
pub fn limits_of_agreement(differences: &[f64]) -> Option<[f64; 3]> {
    let bias = mean(differences)?;
    let spread = match differences.len() {
        1 => 0.0,
        n => (differences.iter().map(|d| (d - bias).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt(),
    };
    Some([bias - 1.96 * spread, bias, bias + 1.96 * spread])
}

/// Quartiles with whiskers as Tukey drew them: the outermost values within 1.5 interquartile ranges of the box.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxFigures {
    pub low_whisker: f64,
    pub q1: f64,
    pub median: f64,
    pub q3: f64,
    pub high_whisker: f64,
}

/// Of the finite ones among `values`; `None` when there is none.
pub fn box_figures(values: &[f64]) -> Option<BoxFigures> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let [q1, median, q3] = [0.25, 0.5, 0.75].map(|q| quantile(&sorted, q));
    let (q1, median, q3) = (q1?, median?, q3?);
    let reach = 1.5 * (q3 - q1);
    let inside = |v: &&f64| **v >= q1 - reach && **v <= q3 + reach;
    Some(BoxFigures {
        low_whisker: *sorted.iter().find(inside)?,
        q1,
        median,
        q3,
        high_whisker: *sorted.iter().rfind(inside)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_lie_around_the_mean() {
        let [low, bias, high] = limits_of_agreement(&[1.0, 3.0]).unwrap();
        let spread = 2f64.sqrt();
        assert!(
            bias == 2.0 && (high - bias - 1.96 * spread).abs() < 1e-12 && (bias - low - 1.96 * spread).abs() < 1e-12
        );
        assert_eq!(limits_of_agreement(&[4.0]), Some([4.0; 3]));
        assert_eq!(limits_of_agreement(&[]), None);
    }

    #[test]
    fn quantiles_are_numpys_and_keep_infinity() {
        let v = [1.0, 2.0, 4.0, 8.0];
        assert_eq!([0.0, 0.25, 0.5, 0.75, 1.0].map(|q| quantile(&v, q).unwrap()), [1.0, 1.75, 3.0, 5.0, 8.0]);
        let missed = [1.0, f64::INFINITY];
        assert_eq!((quantile(&missed, 0.0), quantile(&missed, 0.5)), (Some(1.0), Some(f64::INFINITY)));
        let all = [f64::INFINITY; 3];
        assert_eq!(quantile(&all, 0.4), Some(f64::INFINITY));
        assert_eq!((quantile(&[], 0.5), mean(&[])), (None, None));
    }

    #[test]
    fn whiskers_stop_before_outliers() {
        let b = box_figures(&[1.0, 2.0, 3.0, 4.0, 5.0, 100.0, f64::INFINITY]).unwrap();
        assert_eq!((b.low_whisker, b.q1, b.median, b.q3, b.high_whisker), (1.0, 2.25, 3.5, 4.75, 5.0));
        assert_eq!(box_figures(&[f64::INFINITY]), None);
    }
}
