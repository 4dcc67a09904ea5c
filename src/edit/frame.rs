//! What an operation with a ball looks at: a box of the volume, or of one slice, turned so that it lies across the third axis.

use super::bits::{BitGrid, widened};
use super::distance::{BallRow, ball};
use super::operation::{EditError, Extent};
use super::repaint::clipped;
use crate::core::{LabelId, LabelMap, VoxelBox};

/// A box of the grid with what is needed to measure in it. Of a slice the box is one plane, so that nothing of its
/// neighbours is seen or reached, and the ball is a disc.
pub(super) struct Frame {
    region: VoxelBox,
    /// The voxel axis that is exchanged with the third one.
    pub axis: usize,
    flat: bool,
    /// In mm, of the turned box.
    pub spacing: [f64; 3],
    /// Sizes of the whole grid, turned.
    pub dims: [usize; 3],
}

impl Frame {
    /// `found` (in voxels of the grid) with room for `mm` around it, within `extent`.
    ///
    /// # Errors
    /// [`EditError::Outside`] for a slice that there is none of, [`EditError::EmptySegment`] where nothing is found on it,
    /// [`EditError::StraightOnly`] for a turned plane.
    pub fn around(map: &LabelMap, found: VoxelBox, mm: f64, extent: Extent) -> Result<Self, EditError> {
        let (mut dims, mut spacing) = (map.geometry().dims(), map.geometry().spacing().to_array());
        if matches!(extent, Extent::Turned(_)) {
            return Err(EditError::StraightOnly);
        }
        let within = extent.region(dims).ok_or(EditError::Outside)?;
        if clipped(found, within).is_empty() {
            return Err(EditError::EmptySegment);
        }
        let room = std::array::from_fn(|a| ((mm / spacing[a]).ceil() as usize).saturating_add(1));
        let region = clipped(widened(found, room, dims), within);
        let (axis, flat) = match extent {
            Extent::Volume | Extent::Turned(_) => (2, false),
            Extent::Slice { axis, .. } => (axis, true),
        };
        dims.swap(axis, 2);
        spacing.swap(axis, 2);
        Ok(Self { region, axis, flat, spacing, dims })
    }

    /// The voxels of the box that carry `label`, turned.
    pub fn set(&self, map: &LabelMap, label: LabelId) -> BitGrid {
        BitGrid::turned(map, label, self.region, self.axis)
    }

    /// The rows of a ball of `radius` mm, or of a disc within the slice.
    pub fn ball(&self, radius: f64) -> Vec<BallRow> {
        let mut rows = ball(self.spacing, radius, self.dims);
        rows.retain(|row| !self.flat || row.k == 0);
        rows
    }
}
