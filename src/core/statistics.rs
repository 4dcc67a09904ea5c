//! Count, mean, spread and histogram of values in HU.

use super::{LabelMap, Volume};
use serde::{Deserialize, Serialize};

/// What is known of a set of values.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct HuStatistics {
    pub count: u64,
    pub mean: f64,
    /// Standard deviation of the whole set (divided by the count).
    pub sd: f64,
    pub min: i16,
    pub max: i16,
}

/// Adds values up; exact for any number of voxels that a volume can have.
#[derive(Debug, Clone, Copy)]
pub struct HuSums {
    count: u64,
    sum: i64,
    squares: i64,
    min: i16,
    max: i16,
}

impl Default for HuSums {
    fn default() -> Self {
        Self { count: 0, sum: 0, squares: 0, min: i16::MAX, max: i16::MIN }
    }
}

impl HuSums {
    /// Takes one value in.
    pub fn add(&mut self, hu: i16) {
        self.count += 1;
        self.sum += i64::from(hu);
        self.squares += i64::from(hu) * i64::from(hu);
        self.min = self.min.min(hu);
        self.max = self.max.max(hu);
    }

    /// `None` when nothing was added.
    pub fn finish(&self) -> Option<HuStatistics> {
        if self.count == 0 {
            return None;
        }
        let n = self.count as f64;
        let mean = self.sum as f64 / n;
        // In whole numbers, so that a small spread about a large mean is not lost.
        let spread = (i128::from(self.count) * i128::from(self.squares) - i128::from(self.sum).pow(2)).max(0);
        Some(HuStatistics { count: self.count, mean, sd: (spread as f64).sqrt() / n, min: self.min, max: self.max })
    }
}

/// Statistics of each label; `None` for those that no voxel carries, and for the background.
///
/// Volume and labels are on one grid. `go_on` is asked now and then; `None` when it says no.
pub fn label_statistics(
    volume: &Volume,
    labels: &LabelMap,
    mut go_on: impl FnMut(f32) -> bool,
) -> Option<Vec<Option<HuStatistics>>> {
    let mut sums = vec![HuSums::default(); 256];
    let bricks = labels.brick_count();
    for index in 0..bricks as u32 {
        if index % 256 == 0 && !go_on(index as f32 / bricks as f32) {
            return None;
        }
        let Some(brick) = labels.brick(index) else { continue };
        let region = labels.brick_box(index);
        for k in region.min[2]..region.max[2] {
            for j in region.min[1]..region.max[1] {
                let first = volume.geometry().index([region.min[0], j, k]);
                let offset = LabelMap::offset_in_brick([region.min[0], j, k]);
                let length = region.max[0] - region.min[0];
                let Some(row) = volume.hu().get(first..first + length) else { continue };
                for (&label, &hu) in brick[offset..offset + length].iter().zip(row) {
                    if label != 0 {
                        sums[usize::from(label)].add(hu);
                    }
                }
            }
        }
    }
    Some(sums.iter().map(HuSums::finish).collect())
}

/// How many voxels lie in each range of [`Histogram::WIDTH`] HU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// HU of the first range's lower end.
    pub first: i32,
    pub counts: Vec<u64>,
}

impl Histogram {
    /// HU of one range.
    pub const WIDTH: i32 = 8;

    /// Of a whole volume. `go_on` is asked once a slice; `None` when it says no.
    pub fn of(volume: &Volume, mut go_on: impl FnMut(f32) -> bool) -> Option<Self> {
        let mut all = vec![0u64; 1 << 13];
        let count = volume.geometry().dims()[2];
        for k in 0..count {
            if !go_on(k as f32 / count as f32) {
                return None;
            }
            for &hu in volume.slice(k).unwrap_or_default() {
                all[((i32::from(hu) + 32_768) >> 3) as usize] += 1;
            }
        }
        let first = all.iter().position(|&n| n > 0).unwrap_or(0);
        let last = all.iter().rposition(|&n| n > 0).unwrap_or(0);
        Some(Self { first: first as i32 * Self::WIDTH - 32_768, counts: all[first..=last].to_vec() })
    }

    /// HU of the lower end of range `n`; of the upper end of the last one for `n` = number of ranges.
    pub fn edge(&self, n: usize) -> i32 {
        self.first + n as i32 * Self::WIDTH
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Geometry;
    use glam::DVec3;

    #[test]
    fn sums_are_exact_where_floats_would_not_be() {
        let mut sums = HuSums::default();
        assert_eq!(sums.finish(), None);
        for n in 0..1_000_000 {
            sums.add(30_000 + (n % 2) as i16);
        }
        let s = sums.finish().unwrap();
        assert_eq!((s.count, s.mean, s.sd, s.min, s.max), (1_000_000, 30_000.5, 0.5, 30_000, 30_001));
    }

    #[test]
    fn labels_and_histogram_count_every_voxel() {
        let geometry = Geometry::axis_aligned([20, 18, 5], DVec3::ONE, DVec3::ZERO).unwrap();
        let hu: Vec<i16> = (0..geometry.voxel_count()).map(|n| (n % 700) as i16 - 350).collect();
        let volume = Volume::new(geometry, hu.clone()).unwrap();
        let mut labels = LabelMap::empty(geometry);
        let mut expected = Vec::new();
        for (n, v) in [[1, 1, 1], [17, 1, 1], [19, 17, 4], [16, 16, 0]].into_iter().enumerate() {
            labels.set(v, if n == 3 { 9 } else { 2 });
            if n != 3 {
                expected.push(f64::from(hu[geometry.index(v)]));
            }
        }
        let all = label_statistics(&volume, &labels, |_| true).unwrap();
        let two = all[2].unwrap();
        assert_eq!((two.count, all[9].unwrap().count, all[0], all[1]), (3, 1, None, None));
        let mean = expected.iter().sum::<f64>() / 3.0;
        let sd = (expected.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 3.0).sqrt();
        assert!((two.mean - mean).abs() < 1e-9 && (two.sd - sd).abs() < 1e-9);
        assert_eq!(label_statistics(&volume, &labels, |_| false), None);
        let h = Histogram::of(&volume, |_| true).unwrap();
        assert_eq!(h.counts.iter().sum::<u64>(), geometry.voxel_count() as u64);
        assert!(h.edge(0) <= -350 && h.edge(0) > -350 - Histogram::WIDTH && h.edge(h.counts.len()) > 349);
    }
}
