//! Logical operators between segments and on one alone, and exchanging two labels.

use super::bits::{BitGrid, label_box};
use super::operation::{EditError, Logic, Watch};
use super::recorder::Recorder;
use super::repaint::{paint_bits, replace_bits};
use super::{Delta, PaintRule};
use crate::core::{BrickIndex, LabelId, LabelMap, VoxelBox};
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
        (Logic::Xor | Logic::Copy, there) => {
            let boxes = [label_box(map, rule.label), there];
            let Some(region) = boxes.into_iter().flatten().reduce(|a, b| a.union(&b)) else {
                return Ok(Delta::default());
            };
            let old = BitGrid::of_label(map, rule.label, region);
            let mut new = BitGrid::of_label(other, label, region);
            if how == Logic::Xor {
                new.merge(&old, |a, b| a ^ b);
            }
            replace_bits(map, &old, &new, rule, watch)
        }
    }
}

/// Makes the segment every voxel of the grid that it was not, as far as `rule` lets it, and takes what it was away.
pub(super) fn invert(map: &mut LabelMap, rule: &PaintRule, watch: &dyn Watch) -> Result<Delta, EditError> {
    let all = VoxelBox { min: [0; 3], max: map.geometry().dims() };
    let old = BitGrid::of_label(map, rule.label, all);
    replace_bits(map, &old, &old.inverted(), rule, watch)
}

/// Takes all of the segment away.
pub(super) fn clear(map: &mut LabelMap, rule: &PaintRule, watch: &dyn Watch) -> Result<Delta, EditError> {
    let Some(region) = label_box(map, rule.label) else { return Ok(Delta::default()) };
    paint_bits(map, &BitGrid::of_label(map, rule.label, region), &rule.erasing(rule.label), watch)
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
    use super::super::Over;
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
            let over = [Over::All, Over::Background, Over::Segment(2)][(case % 3) as usize];
            let rule = PaintRule { over, ..PaintRule::paint(1, locked) };
            // What is added follows the rule; what is taken away is the segment's own.
            let may = |old: LabelId| match over {
                Over::All => old != 3,
                Over::Background => old == 0,
                Over::Segment(segment) => old == segment,
            };
            let becomes = |old: LabelId, member: bool| match old {
                1 if !member => 0,
                1 => 1,
                _ if member && may(old) => 1,
                _ => old,
            };
            for how in [Logic::Union, Logic::Intersect, Logic::Subtract, Logic::Xor, Logic::Copy] {
                let mut map = before.clone();
                let delta = combine(&mut map, &rule, how, &other, 2, &NoWatch).unwrap();
                for v in voxels(dims) {
                    let (old, there) = (at(&before, v), at(&other, v) == 2);
                    let member = match how {
                        Logic::Union => old == 1 || there,
                        Logic::Intersect => old == 1 && there,
                        Logic::Subtract => old == 1 && !there,
                        Logic::Xor => (old == 1) != there,
                        Logic::Copy => there,
                    };
                    assert_eq!(at(&map, v), becomes(old, member), "{v:?} {how:?} {over:?}");
                }
                delta.revert(&mut map);
                assert_eq!(map, before);
            }
            let mut map = before.clone();
            let delta = invert(&mut map, &rule, &NoWatch).unwrap();
            assert!(voxels(dims).all(|v| at(&map, v) == becomes(at(&before, v), at(&before, v) != 1)), "{over:?}");
            delta.revert(&mut map);
            assert_eq!(map, before);
            let delta = clear(&mut map, &rule, &NoWatch).unwrap();
            assert!(voxels(dims).all(|v| at(&map, v) == becomes(at(&before, v), false)), "{over:?}");
            delta.revert(&mut map);
            assert_eq!(map, before);

            let mut map = before.clone();
            let delta = swap_labels(&mut map, 1, 2);
            assert!(voxels(dims).all(|v| at(&map, v) == [0, 2, 1, 3][usize::from(at(&before, v))]));
            delta.revert(&mut map);
            assert_eq!(map, before);
            assert!(swap_labels(&mut map, 0, 1).is_empty());
        }
    }

    #[test]
    fn empty_segments_combine_as_empty_sets() {
        let dims = [20, 18, 9];
        let before = blobs(grid(dims), 4);
        let rule = PaintRule::paint(7, [false; 256]);
        // Neither has a voxel: nothing to do, but all of the grid to invert to.
        for how in [Logic::Union, Logic::Intersect, Logic::Subtract, Logic::Xor, Logic::Copy] {
            assert!(combine(&mut before.clone(), &rule, how, &before, 8, &NoWatch).unwrap().is_empty(), "{how:?}");
        }
        assert!(clear(&mut before.clone(), &rule, &NoWatch).unwrap().is_empty());
        let mut map = before.clone();
        invert(&mut map, &rule, &NoWatch).unwrap();
        assert!(voxels(dims).all(|v| at(&map, v) == 7));
        // A copy of nothing is nothing; alone is what the other lacks.
        let mut map = before.clone();
        combine(&mut map, &PaintRule::paint(1, [false; 256]), Logic::Copy, &before, 8, &NoWatch).unwrap();
        assert_eq!(map.counts()[1], 0);
        let mut map = before.clone();
        combine(&mut map, &PaintRule::paint(1, [false; 256]), Logic::Xor, &before, 8, &NoWatch).unwrap();
        assert_eq!(map, before);
        combine(&mut map, &PaintRule::paint(1, [false; 256]), Logic::Xor, &before, 1, &NoWatch).unwrap();
        assert_eq!(map.counts()[1], 0, "alone in neither");
    }
}
