//! Where two masks differ, as a label map to lay over the picture.

use super::Select;
use super::error::MetricError;
use crate::core::{Brick, BrickIndex, LabelId, LabelMap};
use std::sync::Arc;

/// Label of voxels in A alone.
pub const ONLY_A: LabelId = 1;
/// Label of voxels in B alone.
pub const ONLY_B: LabelId = 2;
/// Label of voxels in both.
pub const BOTH: LabelId = 3;

/// [`ONLY_A`], [`ONLY_B`], [`BOTH`] or background for every voxel, on A's grid.
///
/// # Errors
/// [`MetricError::Size`] or [`MetricError::Place`] when the grids differ.
pub fn difference_map(map_a: &LabelMap, a: Select, map_b: &LabelMap, b: Select) -> Result<LabelMap, MetricError> {
    super::compare::check_grids(map_a, map_b)?;
    let mut out = LabelMap::empty(*map_a.geometry());
    for index in 0..out.brick_count() as BrickIndex {
        let (brick_a, brick_b) = (map_a.brick(index), map_b.brick(index));
        if brick_a.is_none() && brick_b.is_none() {
            continue;
        }
        let mut labels: Brick = [0; size_of::<Brick>()];
        let mut in_b: Brick = [0; size_of::<Brick>()];
        if let Some(brick) = brick_a {
            a.mask(brick.as_slice(), &mut labels);
        }
        if let Some(brick) = brick_b {
            b.mask(brick.as_slice(), &mut in_b);
        }
        for (label, other) in labels.iter_mut().zip(&in_b) {
            *label = *label * ONLY_A + other * ONLY_B;
        }
        out.set_brick(index, Some(Arc::new(labels)));
    }
    Ok(out)
}
