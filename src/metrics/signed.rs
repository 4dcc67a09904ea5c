//! How far one mask's surface lies beyond or within the other's, voxel by voxel, for painting it on the contour.

use super::Select;
use super::convention::Convention;
use super::crop::CroppedMask;
use super::error::MetricError;
use super::overlap::SliceCounts;
use super::points::{Frame, nearest_distances};
use crate::core::LabelMap;
use crate::jobs::CancelToken;

/// Surface voxels of B with their signed distance to the surface of A in mm: positive where B reaches beyond A, negative
/// where it stays within A.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SignedSurface {
    /// By plane k, then j, then i.
    pub voxels: Vec<([u16; 3], f32)>,
    /// The largest magnitude.
    pub largest: f32,
}

/// Measures by the standard convention; nothing where one of the masks is empty.
///
/// # Errors
/// [`MetricError`] when the grids differ, the structure is too large, or the job was cancelled.
pub fn signed_surface(
    map_a: &LabelMap,
    a: Select,
    map_b: &LabelMap,
    b: Select,
    cancel: &CancelToken,
) -> Result<SignedSurface, MetricError> {
    super::compare::check_grids(map_a, map_b)?;
    let counts = SliceCounts::of(map_a, a, map_b, b);
    if counts.region.is_empty() {
        return Ok(SignedSurface::default());
    }
    let (crop_a, crop_b) = (CroppedMask::new(map_a, a, counts.region)?, CroppedMask::new(map_b, b, counts.region)?);
    let frame = Frame::of_volume(map_a.geometry(), counts.region, Convention::Standard);
    let corner = counts.region.min;
    let [nx, ..] = crop_a.size();
    let mut found = SignedSurface::default();
    for ([i, j, k], distance) in nearest_distances(&crop_b, &crop_a, &frame, cancel)? {
        let within = crop_a.plane(k)[j * nx + i] != 0;
        let signed = if within { -distance } else { distance } as f32;
        found.largest = found.largest.max(signed.abs());
        found.voxels.push(([i + corner[0], j + corner[1], k + corner[2]].map(|v| v as u16), signed));
    }
    Ok(found)
}
