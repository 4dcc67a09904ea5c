//! Contours drawn on a slice: the even-odd rule at voxel centres, exactly.

use super::bits::{BitGrid, set_run};
use super::operation::{EditError, Edited, Extent, LassoMode, Watch};
use super::repaint::repaint;
use super::{Over, PaintRule};
use crate::core::{BRICK_EDGE, LabelMap, VoxelBox};
use glam::DVec3;

/// A contour as it was drawn: continuous voxel positions on slice `index` across `axis`, perhaps meant for all slices.
pub(super) struct Drawn<'a> {
    pub corners: &'a [DVec3],
    pub axis: usize,
    pub index: usize,
    pub through: bool,
}

/// Adds, removes, keeps or splits off the inside of a contour.
///
/// A voxel is inside when a ray from its centre crosses the closed contour an odd number of times. Of centres on the
/// contour itself those count as inside that a shift by a hair towards the higher indices puts inside, so that two
/// contours that share an edge share no voxel and leave none out.
pub(super) fn lasso(
    map: &mut LabelMap,
    rule: &PaintRule,
    drawn: &Drawn<'_>,
    mode: LassoMode,
    watch: &dyn Watch,
) -> Result<Edited, EditError> {
    let dims = map.geometry().dims();
    let (axis, index) = (drawn.axis, drawn.index);
    let slice = Extent::Slice { axis, index }.region(dims).ok_or(EditError::Outside)?;
    if drawn.corners.len() < 3 || drawn.corners.iter().any(|p| !p.is_finite()) {
        return Err(EditError::NoContour);
    }
    let inside = inside(drawn.corners, slice, axis);
    let region = if drawn.through { VoxelBox { min: [0; 3], max: dims } } else { slice };
    // On every slice the same voxels, looked up on the one that was drawn on.
    let wanted = |mut voxel: [usize; 3]| {
        if axis == 0 {
            voxel[0] = index - index % BRICK_EDGE;
            let set = inside.bits16(voxel) >> (index % BRICK_EDGE) & 1 == 1;
            return if set { u16::MAX } else { 0 };
        }
        voxel[axis] = index;
        inside.bits16(voxel)
    };
    apply(map, rule, region, mode, watch, wanted)
}

/// Does what `mode` says with the voxels of `region` that `wanted` names.
pub(super) fn apply(
    map: &mut LabelMap,
    rule: &PaintRule,
    region: VoxelBox,
    mode: LassoMode,
    watch: &dyn Watch,
    wanted: impl Fn([usize; 3]) -> u16 + Sync,
) -> Result<Edited, EditError> {
    let erase = rule.erasing(rule.label);
    match mode {
        LassoMode::Add => repaint(map, region, rule, watch, wanted).map(Edited::from),
        LassoMode::Remove => repaint(map, region, &erase, watch, wanted).map(Edited::from),
        LassoMode::KeepInside => repaint(map, region, &erase, watch, |voxel| !wanted(voxel)).map(Edited::from),
        LassoMode::Split { label: 0 } => Err(EditError::NoLabel),
        LassoMode::Split { label } => {
            let split = PaintRule { label, over: Over::Segment(rule.label), ..rule.clone() };
            let delta = repaint(map, region, &split, watch, wanted)?;
            let new_labels = if delta.is_empty() { Vec::new() } else { vec![label] };
            Ok(Edited { delta, new_labels })
        }
    }
}

/// The voxels of a slice inside a contour.
fn inside(corners: &[DVec3], region: VoxelBox, axis: usize) -> BitGrid {
    // Along and across the rows that are filled: the two axes of the plane.
    let (along, across) = if axis == 0 { (1, 2) } else { (0, 3 - axis) };
    let points: Vec<[f64; 2]> = corners.iter().map(|p| [p[along], p[across]]).collect();
    let mut bits = BitGrid::empty(region);
    let mut crossings: Vec<usize> = Vec::new();
    let (low, high) = (region.min[along], region.max[along]);
    for row in region.min[across]..region.max[across] {
        crossings.clear();
        for (n, a) in points.iter().enumerate() {
            let b = points[(n + 1) % points.len()];
            crossings.extend(first_right_of(*a, b, row as f64, low, high));
        }
        crossings.sort_unstable();
        for pair in crossings.chunks_exact(2) {
            if axis == 0 {
                for j in pair[0]..pair[1] {
                    bits.set([region.min[0], j, row]);
                }
            } else {
                let corner = bits.region().min;
                let (j, k) = if axis == 2 { (row - corner[1], 0) } else { (0, row - corner[2]) };
                set_run(bits.row_mut(j, k), pair[0] - corner[0], pair[1] - corner[0]);
            }
        }
    }
    bits
}

/// The first voxel of `low..=high` at or behind the place where an edge crosses row `y`; `None` when it does not.
fn first_right_of(a: [f64; 2], b: [f64; 2], y: f64, low: usize, high: usize) -> Option<usize> {
    if (a[1] <= y) == (b[1] <= y) {
        return None;
    }
    let (a, b) = if a[1] <= b[1] { (a, b) } else { (b, a) };
    // At or right of the upward edge from a to b: decided by the sign of a determinant, without a division.
    let behind = |x: f64| (x - a[0]) * (b[1] - a[1]) >= (b[0] - a[0]) * (y - a[1]);
    let guess = a[0] + (b[0] - a[0]) * ((y - a[1]) / (b[1] - a[1]));
    let mut x = (guess.ceil().clamp(low as f64, high as f64)) as usize;
    while x > low && behind((x - 1) as f64) {
        x -= 1;
    }
    while x < high && !behind(x as f64) {
        x += 1;
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{at, grid, next, speckle, voxels};
    use super::*;

    /// Sum of the edges' windings around a point, in whole numbers: positions are in quarters of a voxel.
    fn odd(points: &[[i64; 2]], [x, y]: [i64; 2]) -> bool {
        // A hair to the right and up: doubled coordinates leave room for it without any rounding.
        let mut crossings = 0;
        for (n, a) in points.iter().enumerate() {
            let b = points[(n + 1) % points.len()];
            let above = |p: [i64; 2]| p[1] > y;
            if above(*a) != above(b) {
                let (low, high) = if above(b) { (*a, b) } else { (b, *a) };
                let side = (high[0] - low[0]) * (y - low[1]) - (x - low[0]) * (high[1] - low[1]);
                if side > 0 {
                    crossings += 1;
                }
            }
        }
        crossings % 2 == 1
    }

    #[test]
    fn contours_equal_whole_number_crossings_on_every_plane() {
        let mut state = 31;
        for case in 0..90u64 {
            let dims = [37, 23, 18];
            let axis = (case % 3) as usize;
            let index = (next(&mut state) % dims[axis] as u64) as usize;
            let (along, across) = if axis == 0 { (1, 2) } else { (0, 3 - axis) };
            let count = 3 + next(&mut state) % 9;
            // Corners on whole, half and quarter voxels, now and then off the grid.
            let quarters: Vec<[i64; 2]> =
                (0..count).map(|_| [0, 0].map(|_: i64| (next(&mut state) % 180) as i64 - 16)).collect();
            let corners: Vec<DVec3> = quarters
                .iter()
                .map(|q| {
                    let mut p = DVec3::splat(index as f64);
                    (p[along], p[across]) = (q[0] as f64 / 4.0, q[1] as f64 / 4.0);
                    p
                })
                .collect();
            let before = speckle(grid(dims), case, 4);
            let rule = PaintRule::paint(2, [false; 256]);
            let modes = [LassoMode::Add, LassoMode::Remove, LassoMode::KeepInside, LassoMode::Split { label: 9 }];
            for (mode, through) in modes.into_iter().flat_map(|m| [(m, false), (m, true)]) {
                let mut map = before.clone();
                let drawn = Drawn { corners: &corners, axis, index, through };
                let Edited { delta, new_labels } = lasso(&mut map, &rule, &drawn, mode, &NoWatch).unwrap();
                let split = mode == LassoMode::Split { label: 9 } && !delta.is_empty();
                assert_eq!(new_labels, if split { vec![9] } else { Vec::new() });
                for v in voxels(dims) {
                    let inside = odd(&quarters, [v[along] as i64 * 4, v[across] as i64 * 4]);
                    let old = at(&before, v);
                    let want = match mode {
                        _ if !through && v[axis] != index => old,
                        LassoMode::Split { label } if inside && old == 2 => label,
                        LassoMode::Add if inside => 2,
                        LassoMode::Remove if inside && old == 2 => 0,
                        LassoMode::KeepInside if !inside && old == 2 => 0,
                        _ => old,
                    };
                    assert_eq!(at(&map, v), want, "{v:?} {mode:?} {quarters:?}");
                }
                delta.revert(&mut map);
                assert_eq!(map, before);
            }
        }
        let mut map = speckle(grid([9, 9, 9]), 1, 3);
        let rule = PaintRule::paint(2, [false; 256]);
        let line = [DVec3::ZERO, DVec3::splat(5.0)];
        let mut run = |corners: &[DVec3], index| {
            let drawn = Drawn { corners, axis: 2, index, through: false };
            lasso(&mut map, &rule, &drawn, LassoMode::Add, &NoWatch)
        };
        assert_eq!(run(&line, 0).unwrap_err(), EditError::NoContour);
        assert_eq!(run(&[DVec3::ZERO, DVec3::NAN, DVec3::ONE], 0).unwrap_err(), EditError::NoContour);
        assert_eq!(run(&[DVec3::ZERO, DVec3::X, DVec3::ONE], 9).unwrap_err(), EditError::Outside);
    }
}
