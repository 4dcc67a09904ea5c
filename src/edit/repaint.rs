//! Paints sets of voxels into a map, brick by brick on all cores, and yields the delta.

use super::bits::BitGrid;
use super::operation::{EditError, Watch};
use super::{BrickChange, Delta, PaintRule};
use crate::core::{BRICK_EDGE, Brick, BrickIndex, LabelMap, VoxelBox};
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Paints by `rule` those voxels of `region` that `wanted` names: it is asked for 16 voxels from a brick's edge on.
///
/// # Errors
/// [`EditError::Cancelled`]; the map is then as it was.
pub(super) fn repaint(
    map: &mut LabelMap,
    region: VoxelBox,
    rule: &PaintRule,
    watch: &dyn Watch,
    wanted: impl Fn([usize; 3]) -> u16 + Sync,
) -> Result<Delta, EditError> {
    let table = rule.table();
    let bricks: Vec<BrickIndex> = touched(map, region);
    let done = AtomicUsize::new(0);
    let changes: Vec<(BrickIndex, Arc<Brick>)> = bricks
        .par_iter()
        .with_min_len(8)
        .filter_map(|&index| {
            if watch.cancelled() {
                return None;
            }
            let count = done.fetch_add(1, Ordering::Relaxed);
            if count.is_multiple_of(512) {
                watch.progress(count as f32 / bricks.len() as f32);
            }
            let clipped = clipped(map.brick_box(index), region);
            let old = map.brick(index);
            let mut new: Option<Box<Brick>> = None;
            let start = clipped.min[0] % BRICK_EDGE;
            let len = clipped.max[0] - clipped.min[0];
            for k in clipped.min[2]..clipped.max[2] {
                for j in clipped.min[1]..clipped.max[1] {
                    let mut bits = wanted([clipped.min[0] - start, j, k]) >> start;
                    if len < BRICK_EDGE {
                        bits &= (1 << len) - 1;
                    }
                    if bits != 0 && !rule.limits.is_open() {
                        bits &= rule.limits.allowed([clipped.min[0], j, k], len);
                    }
                    let at = LabelMap::offset_in_brick([clipped.min[0], j, k]);
                    while bits != 0 {
                        let n = at + bits.trailing_zeros() as usize;
                        bits &= bits - 1;
                        let label = old.map_or(0, |b| b[n]);
                        let painted = table[usize::from(label)];
                        if painted != label {
                            new.get_or_insert_with(|| Box::new(old.map_or([0; _], |b| **b)))[n] = painted;
                        }
                    }
                }
            }
            new.map(|brick| (index, Arc::from(brick)))
        })
        .collect();
    if watch.cancelled() {
        return Err(EditError::Cancelled);
    }
    let bricks = changes
        .into_iter()
        .map(|(index, brick)| {
            let before = map.set_brick(index, Some(brick));
            BrickChange { index, before, after: map.brick(index).cloned() }
        })
        .collect();
    Ok(Delta { bricks })
}

/// Paints the voxels of a set by `rule`.
///
/// # Errors
/// As [`repaint`].
pub(super) fn paint_bits(
    map: &mut LabelMap,
    bits: &BitGrid,
    rule: &PaintRule,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    repaint(map, bits.region(), rule, watch, |voxel| bits.bits16(voxel))
}

/// Makes the segment of `rule` within the box of both sets what `new` says, having been `old`.
///
/// # Errors
/// As [`repaint`].
pub(super) fn replace_bits(
    map: &mut LabelMap,
    old: &BitGrid,
    new: &BitGrid,
    rule: &PaintRule,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    let before = map.clone();
    paint_bits(map, &new.without(old), rule, watch)?;
    paint_bits(map, &old.without(new), &rule.erasing(rule.label), watch)?;
    Ok(Delta::between(&before, map).unwrap_or_default())
}

/// Bricks that hold voxels of `region`.
fn touched(map: &LabelMap, region: VoxelBox) -> Vec<BrickIndex> {
    let dims = map.geometry().dims();
    let region = clipped(region, VoxelBox { min: [0; 3], max: dims });
    if region.is_empty() {
        return Vec::new();
    }
    let range = |a: usize| (region.min[a] / BRICK_EDGE..region.max[a].div_ceil(BRICK_EDGE)).map(|n| n * BRICK_EDGE);
    range(2)
        .flat_map(|k| range(1).flat_map(move |j| range(0).map(move |i| [i, j, k])))
        .map(|voxel| map.brick_of(voxel))
        .collect()
}

/// What two boxes have in common.
pub(super) fn clipped(a: VoxelBox, b: VoxelBox) -> VoxelBox {
    VoxelBox {
        min: std::array::from_fn(|n| a.min[n].max(b.min[n])),
        max: std::array::from_fn(|n| a.max[n].min(b.max[n])),
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{at, grid, next, speckle, volume, voxels};
    use super::super::{Brush, BrushShape, Limits, Over, Stroke};
    use super::*;
    use glam::DVec3;

    /// Every rule with every limit, painted as a box of voxels and as a stroke, against one `if` per voxel.
    #[test]
    fn rules_and_limits_hold_for_sets_and_strokes() {
        let mut state = 5;
        for case in 0..60u64 {
            let dims: [usize; 3] = std::array::from_fn(|_| 1 + (next(&mut state) % 40) as usize);
            let geometry = grid(dims);
            let before = speckle(geometry, case, 5);
            let other = speckle(geometry, case + 900, 3);
            let image = volume(geometry, case);
            let mut locked = [false; 256];
            locked[4] = case % 2 == 0;
            let limits = Limits {
                hu: (case % 3 > 0).then(|| (Arc::clone(&image), [-60, 40])),
                inside: (case % 5 > 1).then(|| (other.clone(), 1)),
            };
            let over = [Over::All, Over::Background, Over::Segment(2)][(case % 3) as usize];
            let rule = PaintRule { label: 3, over, locked, limits };
            let erase = rule.erasing(3);
            let low = [dims[0] / 4, 0, dims[2] / 3];
            for rule in [rule, erase] {
                let may = |v: [usize; 3]| {
                    let old = at(&before, v);
                    let hu = image.at(v.map(|x| x as i64)).unwrap();
                    let over = match rule.over {
                        Over::All => true,
                        Over::Background => old == 0,
                        Over::Segment(s) => old == s,
                    };
                    over && !(locked[usize::from(old)])
                        && (rule.limits.hu.is_none() || (-60..=40).contains(&hu))
                        && (rule.limits.inside.is_none() || at(&other, v) == 1)
                };
                let mut map = before.clone();
                let region = VoxelBox { min: low, max: dims };
                let delta = repaint(&mut map, region, &rule, &NoWatch, |_| u16::MAX).unwrap();
                for v in voxels(dims) {
                    let inside = (0..3).all(|a| v[a] >= low[a]);
                    let want = if inside && may(v) { rule.label } else { at(&before, v) };
                    assert_eq!(at(&map, v), want, "{v:?} {:?}", rule.over);
                }
                let indices: Vec<u32> = delta.bricks.iter().map(|b| b.index).collect();
                assert_eq!(indices, map.changed_bricks(&before), "a delta names what changed and nothing else");
                delta.revert(&mut map);
                assert_eq!(map, before);

                // A ball that covers the whole grid: every voxel that may change does.
                let brush = Brush { shape: BrushShape::Sphere, radius_mm: 400.0 };
                let mut stroke = Stroke::begin(&map);
                stroke.extend(&mut map, DVec3::ZERO, DVec3::ONE, &brush, &rule);
                for v in voxels(dims) {
                    assert_eq!(at(&map, v), if may(v) { rule.label } else { at(&before, v) }, "{v:?}");
                }
                stroke.commit(&map).revert(&mut map);
                assert_eq!(map, before);
            }
        }
    }

    #[test]
    fn a_cancelled_edit_changes_nothing() {
        struct Stop;
        impl Watch for Stop {
            fn cancelled(&self) -> bool {
                true
            }
            fn progress(&self, _: f32) {}
        }
        let before = speckle(grid([40, 40, 9]), 3, 4);
        let mut map = before.clone();
        let region = VoxelBox { min: [0; 3], max: [40, 40, 9] };
        let rule = PaintRule::paint(3, [false; 256]);
        assert!(matches!(repaint(&mut map, region, &rule, &Stop, |_| u16::MAX), Err(EditError::Cancelled)));
        assert_eq!(map, before);
    }
}
