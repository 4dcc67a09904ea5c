//! The regular grid that tilted, shifted or unevenly spaced slices can be resampled onto. Private to `io::dicom`.
//! Pure arithmetic.
//!
//! The grid is parallel to the slices and shares their pixel raster, so that a slice that lies on one of its planes is
//! at most shifted sideways. Its planes begin at the first slice and stand at the smallest usual distance.

use super::spacing::{gaps, matches, median};
use crate::core::Geometry;
use glam::{DAffine3, DMat3, DVec2, DVec3};

/// Most voxels of a grid that is offered (1 GiB of samples).
const MAX_VOXELS: usize = 1 << 29;
/// Most planes a slice.
const MAX_PLANES_A_SLICE: usize = 8;
/// A gap of more planes than this is not bridged: what lies between is not known.
const MAX_BRIDGE: f64 = 12.0;
/// A shift of this part of a pixel does not widen the grid.
const SMALL_SHIFT: f64 = 0.25;

/// Slices in ascending order along their normal.
pub(super) struct Slices<'p> {
    /// Centre of each first pixel, LPS mm.
    pub positions: &'p [DVec3],
    /// Unit directions of growing column and row index.
    pub orientation: [DVec3; 2],
    /// Distance of columns and rows in mm.
    pub spacing: DVec2,
    /// Columns and rows.
    pub size: [usize; 2],
}

/// The grid, or `None` when there is none worth offering: a gap too wide to bridge, slices shifted by more than their
/// own width, too many voxels even at the slices' own distances.
pub(super) fn regular_grid(slices: &Slices<'_>) -> Option<Geometry> {
    let [row, column] = slices.orientation;
    let first = *slices.positions.first()?;
    // Made orthogonal: headers round, and the grid's axes should be exact.
    let row = row.try_normalize()?;
    let normal = row.cross(column).try_normalize()?;
    let column = normal.cross(row);
    let along: Vec<f64> = slices.positions.iter().map(|p| (*p - first).dot(normal)).collect();
    let extent = *along.last()?;
    let gaps = gaps(&along);
    let distance = usual_distance(&gaps)?;
    if !(extent.is_finite() && distance > 0.0) || gaps.iter().any(|g| *g <= 0.0 || *g > MAX_BRIDGE * distance) {
        return None;
    }
    let shifts = slices.positions.iter().map(|p| {
        let d = *p - first;
        DVec2::new(d.dot(row), d.dot(column)) / slices.spacing
    });
    let (mut low, mut high) = (DVec2::ZERO, DVec2::ZERO);
    for shift in shifts {
        (low, high) = (low.min(shift), high.max(shift));
    }
    let (low, high) = ((low + SMALL_SHIFT).floor(), (high - SMALL_SHIFT).ceil());
    let (low, high) = (low.min(DVec2::ZERO), high.max(DVec2::ZERO));
    let [nx, ny] = slices.size;
    let wider = high - low;
    if !wider.is_finite() || wider.x > nx as f64 || wider.y > ny as f64 {
        return None;
    }
    let (nx, ny) = (nx + wider.x as usize, ny + wider.y as usize);
    let most = (MAX_VOXELS / nx.checked_mul(ny)?).min(MAX_PLANES_A_SLICE * slices.positions.len());
    let (distance, planes) = match (extent / distance).round() + 1.0 {
        n if n <= most as f64 => (distance, n as usize),
        // Too fine for so long a stack: as fine as can be held, unless that would leave slices out.
        _ if most >= slices.positions.len() => (extent / (most - 1) as f64, most),
        _ => return None,
    };
    let matrix3 = DMat3::from_cols(row * slices.spacing.x, column * slices.spacing.y, normal * distance);
    let translation = first + matrix3.x_axis * low.x + matrix3.y_axis * low.y;
    Geometry::new([nx, ny, planes], DAffine3 { matrix3, translation }).ok()
}

/// The smallest distance that is no exception: it occurs twice at least and in a tenth of all gaps; where none does,
/// the smallest that is at least half the middle one.
fn usual_distance(gaps: &[f64]) -> Option<f64> {
    let mut sorted = gaps.to_vec();
    sorted.sort_by(f64::total_cmp);
    let often = gaps.len().div_ceil(10).max(2);
    let mut start = 0;
    while start < sorted.len() {
        let end = start + sorted[start..].iter().take_while(|g| matches(**g, sorted[start])).count().max(1);
        if end - start >= often {
            return Some(median(&sorted[start..end]));
        }
        start = end;
    }
    let half = median(gaps) / 2.0;
    sorted.into_iter().find(|g| *g >= half)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(positions: &[[f64; 3]]) -> Option<Geometry> {
        let positions: Vec<DVec3> = positions.iter().map(|p| DVec3::from_array(*p)).collect();
        regular_grid(&Slices {
            positions: &positions,
            orientation: [DVec3::X, DVec3::Y],
            spacing: DVec2::new(0.5, 0.5),
            size: [40, 30],
        })
    }

    fn along(z: &[f64]) -> Vec<[f64; 3]> {
        z.iter().map(|z| [1.0, 2.0, *z]).collect()
    }

    #[test]
    fn a_gap_is_filled_at_the_usual_distance() {
        let g = grid(&along(&[0.0, 5.0, 10.0, 20.0, 25.0])).unwrap();
        assert_eq!((g.dims(), g.spacing().z), ([40, 30, 6], 5.0));
        assert_eq!(g.origin(), DVec3::new(1.0, 2.0, 0.0));
    }

    #[test]
    fn the_smallest_usual_distance_is_taken() {
        let g = grid(&along(&[0.0, 4.0, 8.0, 12.0, 13.1, 20.1, 27.1, 34.1])).unwrap();
        assert_eq!((g.dims()[2], g.spacing().z), (10, 4.0));
        // Nothing occurs twice: the smallest, but no exception.
        assert_eq!(grid(&along(&[0.0, 1.0, 3.7, 5.1, 9.0])).unwrap().spacing().z, 5.1 - 3.7);
    }

    #[test]
    fn a_tilt_widens_the_grid_so_that_it_covers_all_slices() {
        let tilted: Vec<[f64; 3]> = (0..5).map(|n| [0.0, -0.8 * f64::from(n), 5.0 * f64::from(n)]).collect();
        let g = grid(&tilted).unwrap();
        assert_eq!((g.dims(), g.spacing().z), ([40, 37, 5], 5.0));
        assert_eq!(g.origin(), DVec3::new(0.0, -3.5, 0.0));
        for p in tilted {
            let voxel = g.voxel_from_world().transform_point3(DVec3::from_array(p));
            assert!(voxel.min_element() > -0.51 && voxel.y + 29.0 < 36.51, "{voxel}");
        }
    }

    #[test]
    fn what_cannot_be_bridged_or_held_is_not_offered() {
        assert!(grid(&along(&[0.0, 1.0, 2.0, 200.0])).is_none());
        assert!(grid(&along(&[0.0, 1.0, f64::NAN, 3.0])).is_none());
        assert!(grid(&along(&[0.0, 1e300])).is_none() || grid(&along(&[0.0, 1e300])).unwrap().dims()[2] == 2);
        let far: Vec<[f64; 3]> = (0..5).map(|n| [30.0 * f64::from(n), 0.0, f64::from(n)]).collect();
        assert!(grid(&far).is_none());
        // A hundred close pairs: as fine as can be held.
        let z: Vec<f64> = (0..100).flat_map(|n| [f64::from(n), f64::from(n) + 0.02]).collect();
        let g = grid(&along(&z));
        assert!(g.is_none_or(|g| g.dims()[2] <= 200 * MAX_PLANES_A_SLICE));
    }
}
