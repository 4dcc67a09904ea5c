//! Whether probabilities mean what they say: of the voxels that a network gives a class with 80 %, do 80 % belong to it?

use crate::core::LabelId;
use serde::Serialize;

/// Equal parts of the probabilities from 0 to 1.
pub const CALIBRATION_BINS: usize = 10;

/// One part of the probabilities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct CalibrationBin {
    /// Probabilities that fall into it: one for each voxel and class.
    pub count: u64,
    /// Their sum.
    pub probability: f64,
    /// How many of them belong to a voxel of the class.
    pub right: u64,
}

/// Probabilities of all classes but the background against the truth, summed over voxels, slices and cases.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Calibration {
    pub bins: [CalibrationBin; CALIBRATION_BINS],
    /// Sum of squared differences between probability and truth (0 or 1).
    pub squares: f64,
}

impl Calibration {
    /// Takes the voxels of a slice. `maps`: probabilities of the background and of labels 1, 2, …; or of label 1 alone
    /// where there is one map. `truth`: as many labels as a map has voxels.
    pub fn add(&mut self, maps: &[Vec<f32>], truth: &[LabelId]) {
        let classes = if maps.len() == 1 { maps } else { maps.get(1..).unwrap_or(&[]) };
        for (label, map) in (1..=LabelId::MAX).zip(classes) {
            for (p, truth) in map.iter().zip(truth) {
                let p = if p.is_finite() { f64::from(p.clamp(0.0, 1.0)) } else { 0.0 };
                let right = *truth == label;
                let bin = &mut self.bins[((p * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1)];
                bin.count += 1;
                bin.probability += p;
                bin.right += u64::from(right);
                self.squares += (p - f64::from(u8::from(right))).powi(2);
            }
        }
    }

    /// Takes what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        for (own, theirs) in self.bins.iter_mut().zip(&other.bins) {
            own.count += theirs.count;
            own.probability += theirs.probability;
            own.right += theirs.right;
        }
        self.squares += other.squares;
    }

    /// How many probabilities were counted.
    pub fn count(&self) -> u64 {
        self.bins.iter().map(|b| b.count).sum()
    }

    /// Brier score (Brier, 1950): mean of the squared differences; 0 is perfect. `None` of nothing.
    pub fn brier(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.squares / count as f64)
    }

    /// Expected calibration error (Guo et al., 2017, here of each class's own probability): mean over all
    /// probabilities of the distance between a bin's mean probability and its share of right ones. `None` of nothing.
    pub fn expected_error(&self) -> Option<f64> {
        let count = self.count();
        let apart = |b: &CalibrationBin| (b.probability - b.right as f64).abs();
        (count > 0).then(|| self.bins.iter().map(apart).sum::<f64>() / count as f64)
    }

    /// Mean probability and share of right ones of each bin that holds any: the reliability diagram.
    pub fn points(&self) -> Vec<[f64; 2]> {
        let filled = self.bins.iter().filter(|b| b.count > 0);
        filled.map(|b| [b.probability / b.count as f64, b.right as f64 / b.count as f64]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted voxel by voxel, straight from the definitions.
    #[test]
    fn figures_equal_the_definitions() {
        let mut state = 7u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1u32 << 31)
        };
        for classes in [1usize, 3] {
            let voxels = 700;
            let maps: Vec<Vec<f32>> = (0..if classes == 1 { 1 } else { classes + 1 })
                .map(|_| (0..voxels).map(|_| random() as f32).collect())
                .collect();
            let truth: Vec<u8> = (0..voxels).map(|_| (random() * (classes + 1) as f64) as u8).collect();
            let mut whole = Calibration::default();
            whole.add(&maps, &truth);
            let (mut pairs, skip) = (Vec::new(), usize::from(classes > 1));
            for (label, map) in (1u8..).zip(&maps[skip..]) {
                pairs.extend(map.iter().zip(&truth).map(|(p, t)| (f64::from(*p), f64::from(u8::from(*t == label)))));
            }
            let n = pairs.len() as f64;
            let brier = pairs.iter().map(|(p, y)| (p - y).powi(2)).sum::<f64>() / n;
            let error: f64 = (0..10)
                .map(|bin| {
                    let mine: Vec<_> =
                        pairs.iter().filter(|(p, _)| (p * 10.0).floor().min(9.0) as usize == bin).collect();
                    let mean = |of: fn(&(f64, f64)) -> f64| mine.iter().map(|x| of(x)).sum::<f64>() / mine.len() as f64;
                    if mine.is_empty() { 0.0 } else { (mean(|x| x.0) - mean(|x| x.1)).abs() * mine.len() as f64 / n }
                })
                .sum();
            assert!((whole.brier().unwrap() - brier).abs() < 1e-12);
            assert!((whole.expected_error().unwrap() - error).abs() < 1e-12);
            assert_eq!((whole.count(), whole.points().len()), (pairs.len() as u64, 10));
            // In two parts it is the same.
            let cut = |from: usize, to: usize| maps.iter().map(|m| m[from..to].to_vec()).collect::<Vec<_>>();
            let (mut first, mut second) = (Calibration::default(), Calibration::default());
            first.add(&cut(0, 300), &truth[..300]);
            second.add(&cut(300, voxels), &truth[300..]);
            first.merge(&second);
            assert!((first.brier().unwrap() - brier).abs() < 1e-12);
            assert_eq!(first.bins.map(|b| (b.count, b.right)), whole.bins.map(|b| (b.count, b.right)));
        }
    }

    #[test]
    fn certainty_that_is_right_costs_nothing_and_one_that_is_wrong_all() {
        let (mut right, mut wrong) = (Calibration::default(), Calibration::default());
        right.add(&[vec![1.0, 0.0, 1.0]], &[1, 0, 1]);
        wrong.add(&[vec![1.0, 0.0, f32::NAN]], &[0, 1, 1]);
        assert_eq!((right.brier(), right.expected_error()), (Some(0.0), Some(0.0)));
        assert_eq!((wrong.brier(), wrong.expected_error()), (Some(1.0), Some(1.0)));
        let nothing = Calibration::default();
        assert_eq!((nothing.brier(), nothing.expected_error(), nothing.points()), (None, None, Vec::new()));
    }
}
