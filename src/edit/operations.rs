//! Edits of whole boxes, slices and segments. Each changes the map at once and returns the delta.

use super::recorder::{Recorder, Row};
use super::{Delta, PaintRule};
use crate::core::{BrickIndex, LabelId, LabelMap, VoxelBox};
use std::collections::BTreeSet;

/// Paints every voxel of `region` (clipped to the grid) by `rule`.
pub fn paint_box(map: &mut LabelMap, region: VoxelBox, rule: &PaintRule) -> Delta {
    let table = rule.table();
    let dims = map.geometry().dims();
    let max: [usize; 3] = std::array::from_fn(|a| region.max[a].min(dims[a]));
    let mut recorder = Recorder::default();
    let mut dirty = BTreeSet::new();
    for k in region.min[2]..max[2] {
        for j in region.min[1]..max[1] {
            let row = Row { i_min: region.min[0], i_max: max[0], j, k };
            recorder.paint_row(map, row, &table, &rule.limits, &mut dirty);
        }
    }
    Recorder::tidy(map, &dirty);
    recorder.finish(map)
}

/// Paints (or, with an erasing rule, clears) slice `slice` across voxel axis `axis`; nothing when there is no such slice.
pub fn paint_slice(map: &mut LabelMap, axis: usize, slice: usize, rule: &PaintRule) -> Delta {
    let mut region = VoxelBox { min: [0; 3], max: map.geometry().dims() };
    if axis > 2 || slice >= region.max[axis] {
        return Delta::default();
    }
    (region.min[axis], region.max[axis]) = (slice, slice + 1);
    paint_box(map, region, rule)
}

/// Makes every voxel of `segment` background.
pub fn erase_segment(map: &mut LabelMap, segment: LabelId) -> Delta {
    replace_label(map, segment, 0)
}

/// Makes every voxel labelled `from` (1 or above) labelled `to`: joins two segments, renumbers or deletes one.
pub fn replace_label(map: &mut LabelMap, from: LabelId, to: LabelId) -> Delta {
    if from == 0 || from == to {
        return Delta::default();
    }
    let before = map.clone();
    for index in 0..map.brick_count() as BrickIndex {
        if !before.brick(index).is_some_and(|b| b.contains(&from)) {
            continue;
        }
        for v in map.brick_mut(index).iter_mut().filter(|v| **v == from) {
            *v = to;
        }
        Recorder::tidy(map, &BTreeSet::from([index]));
    }
    Delta::between(&before, map).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Geometry;
    use crate::edit::Over;
    use glam::DVec3;

    fn map() -> LabelMap {
        let grid = Geometry::axis_aligned([20, 18, 17], DVec3::new(0.7, 0.7, 5.0), DVec3::ZERO).unwrap();
        let labels: Vec<u8> = (0..grid.voxel_count()).map(|n| (n * 7919 % 5) as u8).collect();
        LabelMap::from_dense(grid, &labels).unwrap()
    }

    #[test]
    fn a_slice_is_filled_and_nothing_else() {
        for axis in 0..3 {
            let before = map();
            let mut after = before.clone();
            let rule = PaintRule { over: Over::Background, ..PaintRule::paint(9, [false; 256]) };
            let delta = paint_slice(&mut after, axis, 16, &rule);
            for k in 0..17 {
                for j in 0..18 {
                    for i in 0..20 {
                        let v = [i, j, k];
                        let old = before.at(v.map(|x| x as i64));
                        let want = if v[axis] == 16 && old == 0 { 9 } else { old };
                        assert_eq!(after.at(v.map(|x| x as i64)), want, "{v:?}");
                    }
                }
            }
            delta.revert(&mut after);
            assert_eq!(after, before);
            assert!(paint_slice(&mut after, axis, 20, &rule).is_empty());
        }
    }

    #[test]
    fn segments_are_erased_and_joined() {
        let before = map();
        let counts = before.counts();
        let mut after = before.clone();
        let joined = replace_label(&mut after, 1, 2);
        assert_eq!((after.counts()[1], after.counts()[2]), (0, counts[1] + counts[2]));
        let erased = erase_segment(&mut after, 2);
        assert_eq!(after.counts()[2], 0);
        assert_eq!(after.counts()[3], counts[3]);
        erased.revert(&mut after);
        joined.revert(&mut after);
        assert_eq!(after, before);
        assert!(replace_label(&mut after, 0, 3).is_empty());
    }
}
