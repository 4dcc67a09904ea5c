//! Logical operators between segments, and exchanging two labels.

use super::bits::{BitGrid, label_box};
use super::operation::{EditError, Logic, Watch};
use super::recorder::Recorder;
use super::repaint::paint_bits;
use super::{Delta, PaintRule};
use crate::core::{BrickIndex, LabelId, LabelMap};
use std::collections::BTreeSet;

/// Lets segment `label` of `other` (same grid, perhaps the same map) act on the segment `rule.label`.
pub(super) fn combine(
    map: &mut LabelMap,
    rule: &PaintRule,
    how: Logic,
    other: &LabelMap,
    label: LabelId,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    if other.geometry().dims() != map.geometry().dims() {
        return Err(EditError::Outside);
    }
    let erase = rule.erasing(rule.label);
    match (how, label_box(other, label)) {
        (Logic::Union, Some(region)) => paint_bits(map, &BitGrid::of_label(other, label, region), rule, watch),
        (Logic::Subtract, Some(region)) => paint_bits(map, &BitGrid::of_label(other, label, region), &erase, watch),
        (Logic::Union | Logic::Subtract, None) => Ok(Delta::default()),
        (Logic::Intersect, _) => {
            let Some(region) = label_box(map, rule.label) else { return Ok(Delta::default()) };
            let lost = BitGrid::of_label(other, label, region).inverted();
            paint_bits(map, &lost, &erase, watch)
        }
    }
}

/// Exchanges two labels (1 or above) everywhere.
pub fn swap_labels(map: &mut LabelMap, a: LabelId, b: LabelId) -> Delta {
    if a == 0 || b == 0 || a == b {
        return Delta::default();
    }
    let before = map.clone();
    for index in 0..map.brick_count() as BrickIndex {
        if !before.brick(index).is_some_and(|brick| brick.contains(&a) || brick.contains(&b)) {
            continue;
        }
        for v in map.brick_mut(index) {
            *v = if *v == a {
                b
            } else if *v == b {
                a
            } else {
                *v
            };
        }
        Recorder::tidy(map, &BTreeSet::from([index]));
    }
    Delta::between(&before, map).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{at, blobs, grid, voxels};
    use super::*;

    #[test]
    fn segments_combine_voxel_by_voxel_and_labels_change_places() {
        for case in 0..20u64 {
            let dims = [35, 18, 9];
            let before = blobs(grid(dims), case);
            let other = blobs(grid(dims), case + 100);
            let mut locked = [false; 256];
            locked[3] = true;
            let rule = PaintRule::paint(1, locked);
            for how in [Logic::Union, Logic::Intersect, Logic::Subtract] {
                let mut map = before.clone();
                let delta = combine(&mut map, &rule, how, &other, 2, &NoWatch).unwrap();
                for v in voxels(dims) {
                    let (old, there) = (at(&before, v), at(&other, v) == 2);
                    let want = match how {
                        Logic::Union if there && old != 3 => 1,
                        Logic::Intersect if !there && old == 1 => 0,
                        Logic::Subtract if there && old == 1 => 0,
                        _ => old,
                    };
                    assert_eq!(at(&map, v), want, "{how:?}");
                }
                delta.revert(&mut map);
                assert_eq!(map, before);
            }
            let mut map = before.clone();
            let delta = swap_labels(&mut map, 1, 2);
            assert!(voxels(dims).all(|v| at(&map, v) == [0, 2, 1, 3][usize::from(at(&before, v))]));
            delta.revert(&mut map);
            assert_eq!(map, before);
            assert!(swap_labels(&mut map, 0, 1).is_empty());
        }
    }
}
