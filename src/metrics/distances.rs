//! Hausdorff distance, its 95th percentile, the average symmetric surface distance and the surface Dice.

use super::convention::Convention;
use super::crop::CroppedMask;
use super::error::MetricError;
use super::number;
use super::overlap::SliceCounts;
use super::points::{Frame, PointSets};
use super::{Agreement, Select};
use crate::core::LabelMap;
use crate::jobs::CancelToken;
use serde::{Deserialize, Serialize};

/// Distances between the surfaces of two masks, under the [`Convention`] they were measured by.
///
/// For a miss (one mask empty) all are infinite, the surface Dice is 0 and there is no worst point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SurfaceDistances {
    /// Hausdorff distance.
    #[serde(with = "number::plain")]
    pub hd: f64,
    /// 95th percentile; `None` where the convention has none.
    #[serde(with = "number")]
    pub hd95: Option<f64>,
    /// Average symmetric surface distance.
    #[serde(with = "number::plain")]
    pub assd: f64,
    /// Root of the mean of the squares of all distances pooled.
    #[serde(with = "number::plain")]
    pub rms: f64,
    /// From the surface of A to that of B, and back.
    pub a_to_b: Directed,
    pub b_to_a: Directed,
    /// Surface voxels (or elements) of A and of B.
    pub surface_a: u64,
    pub surface_b: u64,
    /// At the tolerances that were asked for, in mm; none in pixels.
    pub surface_dice: Vec<SurfaceDice>,
    /// Where the Hausdorff distance occurs.
    pub worst: Option<WorstPoint>,
}

/// Distances in one direction; `None` when there is nothing to start from, infinite when there is nothing to arrive at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Directed {
    #[serde(with = "number")]
    pub max: Option<f64>,
    #[serde(with = "number")]
    pub mean: Option<f64>,
}

/// The share of both surfaces that lies within a tolerance of the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SurfaceDice {
    pub tolerance_mm: f64,
    pub value: f64,
}

/// The pair of voxels whose distance is the Hausdorff distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorstPoint {
    /// The surface voxel farthest from the other mask.
    pub at: [usize; 3],
    /// The other mask's surface voxel nearest to it.
    pub nearest: [usize; 3],
    /// Whether `at` belongs to A.
    pub on_a: bool,
}

impl SurfaceDistances {
    /// What a miss is worth.
    pub(super) fn infinite(surface_a: u64, surface_b: u64, tolerances: &[f64], convention: Convention) -> Self {
        let far = f64::INFINITY;
        let directed = |from: u64| Directed { max: (from > 0).then_some(far), mean: (from > 0).then_some(far) };
        let none = convention == Convention::SimpleItk;
        Self {
            hd: far,
            hd95: (!none).then_some(far),
            assd: far,
            rms: far,
            a_to_b: directed(surface_a),
            b_to_a: directed(surface_b),
            surface_a,
            surface_b,
            surface_dice: if none {
                Vec::new()
            } else {
                tolerances.iter().map(|&t| SurfaceDice { tolerance_mm: t, value: 0.0 }).collect()
            },
            worst: None,
        }
    }

    /// The same distances in a unit of `unit` of the present ones.
    pub(super) fn in_units_of(&self, unit: f64) -> Self {
        let directed = |d: Directed| Directed { max: d.max.map(|v| v / unit), mean: d.mean.map(|v| v / unit) };
        Self {
            hd: self.hd / unit,
            hd95: self.hd95.map(|v| v / unit),
            assd: self.assd / unit,
            rms: self.rms / unit,
            a_to_b: directed(self.a_to_b),
            b_to_a: directed(self.b_to_a),
            surface_dice: Vec::new(),
            ..*self
        }
    }
}

/// Surface distances in mm of what `a` selects in `map_a` and `b` in `map_b`; `None` when both are empty.
///
/// # Errors
/// [`MetricError`] when the grids differ, the structure is too large, or the job was cancelled.
pub fn surface_distances(
    map_a: &LabelMap,
    a: Select,
    map_b: &LabelMap,
    b: Select,
    convention: Convention,
    cancel: &CancelToken,
) -> Result<Option<SurfaceDistances>, MetricError> {
    super::compare::check_grids(map_a, map_b)?;
    let counts = SliceCounts::of(map_a, a, map_b, b);
    if counts.volume(map_a.geometry().voxel_count() as u64).agreement() == Agreement::Neither {
        return Ok(None);
    }
    let crop_a = CroppedMask::new(map_a, a, counts.region)?;
    let crop_b = CroppedMask::new(map_b, b, counts.region)?;
    let frame = Frame::of_volume(map_a.geometry(), counts.region, convention);
    PointSets::new(&crop_a, &crop_b, &frame).distances(&frame, &[], cancel).map(Some)
}

/// Distances from one set of points, in the order of its planes.
pub(super) struct Sample {
    pub distances: Vec<f64>,
    /// Areas, where the convention weighs by them.
    pub weights: Option<Vec<f64>>,
    /// Points beside those, all at distance 0.
    pub zeros: u64,
}

impl Sample {
    fn weight(&self) -> f64 {
        match &self.weights {
            Some(weights) => weights.iter().sum(),
            None => self.distances.len() as f64 + self.zeros as f64,
        }
    }

    fn sum(&self) -> f64 {
        match &self.weights {
            Some(weights) => self.distances.iter().zip(weights).map(|(d, w)| d * w).sum(),
            None => self.distances.iter().sum(),
        }
    }

    fn mean(&self) -> f64 {
        self.sum() / self.weight()
    }

    fn within(&self, tolerance: f64) -> f64 {
        match &self.weights {
            Some(w) => self.distances.iter().zip(w).filter(|(d, _)| **d <= tolerance).map(|(_, w)| w).sum(),
            None => self.distances.iter().filter(|d| **d <= tolerance).count() as f64 + self.zeros as f64,
        }
    }

    fn largest(&self) -> f64 {
        self.distances.iter().copied().fold(0.0, f64::max)
    }
}

/// The figures of both directions. `a` and `b` hold at least one point each.
pub(super) fn figures(mut a: Sample, mut b: Sample, convention: Convention, tolerances: &[f64]) -> SurfaceDistances {
    let (mean_a, mean_b) = (a.mean(), b.mean());
    let assd = match convention {
        Convention::MedPy | Convention::DeepMind | Convention::SimpleItk => (mean_a + mean_b) / 2.0,
        _ => (a.sum() + b.sum()) / (a.weight() + b.weight()),
    };
    let squares = |s: &Sample| match &s.weights {
        Some(w) => s.distances.iter().zip(w).map(|(d, w)| d * d * w).sum::<f64>(),
        None => s.distances.iter().map(|d| d * d).sum(),
    };
    let rms = ((squares(&a) + squares(&b)) / (a.weight() + b.weight())).sqrt();
    let surface_dice = |t: f64| (a.within(t) + b.within(t)) / (a.weight() + b.weight());
    let surface_dice = match convention {
        Convention::SimpleItk => Vec::new(),
        _ => tolerances.iter().map(|&t| SurfaceDice { tolerance_mm: t, value: surface_dice(t) }).collect(),
    };
    let count = |s: &Sample| s.distances.len() as u64 + s.zeros;
    let (surface_a, surface_b) = (count(&a), count(&b));
    let (max_a, max_b) = (a.largest(), b.largest());
    let hd95 = match convention {
        Convention::SimpleItk => None,
        Convention::MedPy => {
            a.distances.append(&mut b.distances);
            Some(percentile(&mut a.distances, 0.95))
        }
        Convention::DeepMind => Some(weighted_percentile(&a, 0.95).max(weighted_percentile(&b, 0.95))),
        Convention::NearestRank => Some(nearest_rank(&mut a.distances, 0.95).max(nearest_rank(&mut b.distances, 0.95))),
        _ => Some(percentile(&mut a.distances, 0.95).max(percentile(&mut b.distances, 0.95))),
    };
    SurfaceDistances {
        hd: max_a.max(max_b),
        hd95,
        assd,
        rms,
        a_to_b: Directed { max: Some(max_a), mean: Some(mean_a) },
        b_to_a: Directed { max: Some(max_b), mean: Some(mean_b) },
        surface_a,
        surface_b,
        surface_dice,
        worst: None,
    }
}

/// Percentile `q` in `0..=1` with linear interpolation between ranks (NumPy's default); reorders `values`.
///
/// Infinite when there are no values.
pub fn percentile(values: &mut [f64], q: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else { return f64::INFINITY };
    let rank = q * last as f64;
    let below = (rank.floor() as usize).min(last);
    let (_, low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let low = *low;
    let high = above.iter().copied().fold(f64::INFINITY, f64::min);
    let part = rank - below as f64;
    if part > 0.0 && !above.is_empty() { low + (high - low) * part } else { low }
}

/// The value of rank `ceil(q n)`.
fn nearest_rank(values: &mut [f64], q: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else { return f64::INFINITY };
    let rank = (q * values.len() as f64).ceil() as usize;
    *values.select_nth_unstable_by(rank.saturating_sub(1).min(last), f64::total_cmp).1
}

/// The distance at which the running share of the weight reaches `q`.
fn weighted_percentile(sample: &Sample, q: f64) -> f64 {
    let Some(weights) = &sample.weights else { return f64::INFINITY };
    let mut pairs: Vec<(f64, f64)> = sample.distances.iter().copied().zip(weights.iter().copied()).collect();
    pairs.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.total_cmp(&y.1)));
    let all: f64 = pairs.iter().map(|p| p.1).sum();
    let mut sum = 0.0;
    for (distance, weight) in &pairs {
        sum += weight;
        if sum / all >= q {
            return *distance;
        }
    }
    pairs.last().map_or(f64::INFINITY, |p| p.0)
}
