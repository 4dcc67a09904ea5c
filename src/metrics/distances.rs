//! Hausdorff distance, its 95th percentile and the average symmetric surface distance.

use super::crop::{CroppedMask, Neighbours, Surface, tighten};
use super::error::MetricError;
use super::nearest::NearestSites;
use super::number;
use super::overlap::SliceCounts;
use super::tree::SiteTree;
use super::{Agreement, Select};
use crate::core::{Geometry, LabelMap};
use crate::jobs::CancelToken;
use glam::DMat3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Distances between the surfaces of two masks; see [`DEFINITIONS`](super::DEFINITIONS).
///
/// For a miss (one mask empty) all three are infinite and there is no worst point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SurfaceDistances {
    /// Hausdorff distance.
    #[serde(with = "number::plain")]
    pub hd: f64,
    /// The larger of the two directed 95th percentiles.
    #[serde(with = "number::plain")]
    pub hd95: f64,
    /// Mean of all distances pooled.
    #[serde(with = "number::plain")]
    pub assd: f64,
    /// Surface voxels of A and of B.
    pub surface_a: u64,
    pub surface_b: u64,
    /// Where the Hausdorff distance occurs.
    pub worst: Option<WorstPoint>,
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
    pub(super) fn infinite(surface_a: u64, surface_b: u64) -> Self {
        let far = f64::INFINITY;
        Self { hd: far, hd95: far, assd: far, surface_a, surface_b, worst: None }
    }

    /// The same distances in a unit of `unit` of the present ones.
    pub(super) fn in_units_of(&self, unit: f64) -> Self {
        Self { hd: self.hd / unit, hd95: self.hd95 / unit, assd: self.assd / unit, ..*self }
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
    cancel: &CancelToken,
) -> Result<Option<SurfaceDistances>, MetricError> {
    super::compare::check_grids(map_a, map_b)?;
    let counts = SliceCounts::of(map_a, a, map_b, b);
    let agreement = counts.volume(map_a.geometry().voxel_count() as u64).agreement();
    let crop_a = CroppedMask::new(map_a, a, counts.region)?;
    let crop_b = CroppedMask::new(map_b, b, counts.region)?;
    of_masks(&crop_a, &crop_b, agreement, counts.region.min, map_a.geometry(), cancel)
}

/// Distances of two masks cropped to a box with corner `corner`.
pub(super) fn of_masks(
    a: &CroppedMask,
    b: &CroppedMask,
    agreement: Agreement,
    corner: [usize; 3],
    geometry: &Geometry,
    cancel: &CancelToken,
) -> Result<Option<SurfaceDistances>, MetricError> {
    if agreement == Agreement::Neither {
        return Ok(None);
    }
    let surfaces = (a.surface(Neighbours::Faces), b.surface(Neighbours::Faces));
    between(surfaces.0, surfaces.1, corner, Measure::of(geometry), cancel).map(Some)
}

/// How far one voxel is from another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Measure {
    /// Axes at right angles with these steps.
    Straight([f64; 3]),
    /// Slanted axes: voxel steps as columns.
    Slanted(DMat3),
}

impl Measure {
    /// Millimetres on a grid.
    pub fn of(geometry: &Geometry) -> Self {
        let d = geometry.direction();
        let skew = [d.x_axis.dot(d.y_axis), d.y_axis.dot(d.z_axis), d.z_axis.dot(d.x_axis)];
        // 1e-5 rad moves the far end of a 500 mm field by 0.005 mm; directions in files are rounded to about 1e-6.
        if skew.iter().any(|s| s.abs() > 1e-5) {
            Self::Slanted(geometry.world_from_voxel().matrix3)
        } else {
            Self::Straight(geometry.spacing().to_array())
        }
    }
}

/// The quickest exact search that the grid allows.
enum Sites {
    Separable(NearestSites),
    Tree(SiteTree),
}

impl Sites {
    fn new(surface: &Surface, size: [usize; 3], measure: Measure, cancel: &CancelToken) -> Result<Self, MetricError> {
        match measure {
            Measure::Straight(spacing) => NearestSites::new(surface, size, spacing, cancel).map(Self::Separable),
            Measure::Slanted(axes) => Ok(Self::Tree(SiteTree::new(surface, axes))),
        }
    }

    fn nearest(&self, voxel: [u16; 2], k: usize) -> (f64, [usize; 3]) {
        match self {
            Self::Separable(sites) => sites.nearest(voxel, k),
            Self::Tree(sites) => sites.nearest(voxel, k),
        }
    }
}

/// Distances between two surfaces that share a box with corner `corner`.
pub(super) fn between(
    mut a: Surface,
    mut b: Surface,
    corner: [usize; 3],
    measure: Measure,
    cancel: &CancelToken,
) -> Result<SurfaceDistances, MetricError> {
    let (n_a, n_b) = (a.len() as u64, b.len() as u64);
    if n_a == 0 || n_b == 0 {
        return Ok(SurfaceDistances::infinite(n_a, n_b));
    }
    let (shift, size) = tighten(&mut a, &mut b);
    let corner = [corner[0] + shift[0], corner[1] + shift[1], corner[2]];
    // One after the other, so that only one transform is held at a time.
    let mut from_a = Directed::new(&a, &Sites::new(&b, size, measure, cancel)?, cancel)?;
    let mut from_b = Directed::new(&b, &Sites::new(&a, size, measure, cancel)?, cancel)?;
    let on_a = from_a.farthest.squared >= from_b.farthest.squared;
    let farthest = if on_a { from_a.farthest } else { from_b.farthest };
    let place = |v: [usize; 3]| std::array::from_fn(|axis| v[axis] + corner[axis]);
    let sum: f64 = from_a.distances.iter().sum::<f64>() + from_b.distances.iter().sum::<f64>();
    Ok(SurfaceDistances {
        hd: farthest.squared.sqrt(),
        hd95: percentile(&mut from_a.distances, 0.95).max(percentile(&mut from_b.distances, 0.95)),
        assd: sum / (n_a + n_b) as f64,
        surface_a: n_a,
        surface_b: n_b,
        worst: Some(WorstPoint { at: place(farthest.at), nearest: place(farthest.site), on_a }),
    })
}

#[derive(Clone, Copy)]
struct Farthest {
    squared: f64,
    at: [usize; 3],
    site: [usize; 3],
}

/// Distances from every voxel of one surface to the other surface.
struct Directed {
    distances: Vec<f64>,
    farthest: Farthest,
}

impl Directed {
    fn new(queries: &Surface, sites: &Sites, cancel: &CancelToken) -> Result<Self, MetricError> {
        let nothing = Farthest { squared: f64::NEG_INFINITY, at: [0; 3], site: [0; 3] };
        let planes: Vec<(Vec<f64>, Farthest)> = queries
            .planes
            .par_iter()
            .enumerate()
            .map(|(k, plane)| {
                if cancel.is_cancelled() {
                    return Err(MetricError::Cancelled);
                }
                let mut farthest = nothing;
                let distances = plane
                    .iter()
                    .map(|&p| {
                        let (squared, site) = sites.nearest(p, k);
                        if squared > farthest.squared {
                            farthest = Farthest { squared, at: [usize::from(p[0]), usize::from(p[1]), k], site };
                        }
                        squared.sqrt()
                    })
                    .collect();
                Ok((distances, farthest))
            })
            .collect::<Result<_, _>>()?;
        let mut all = Self { distances: Vec::with_capacity(queries.len()), farthest: nothing };
        for (distances, farthest) in planes {
            all.distances.extend(distances);
            if farthest.squared > all.farthest.squared {
                all.farthest = farthest;
            }
        }
        Ok(all)
    }
}

/// Percentile `q` in `0..=1` with linear interpolation between ranks (NumPy's default); reorders `values`.
///
/// Infinite when there are no values.
pub(super) fn percentile(values: &mut [f64], q: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else { return f64::INFINITY };
    let rank = q * last as f64;
    let below = (rank.floor() as usize).min(last);
    let (_, low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let low = *low;
    let high = above.iter().copied().fold(f64::INFINITY, f64::min);
    if high.is_finite() { low + (high - low) * (rank - below as f64) } else { low }
}
