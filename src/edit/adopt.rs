//! Taking over the labels of another map, as of a new prediction, where no person has touched the mask.

use super::operation::{EditError, Watch};
use super::relabel::relabel;
use super::{Delta, PaintRule};
use crate::core::{BRICK_EDGE, BrickIndex, LabelId, LabelMap, Layer};

/// Makes every voxel what `table` says of its label in `other` (same grid).
///
/// Left alone is what is locked or outside the rule's limits, what carries a label that `other` does not speak of (no
/// entry of `table` leads to it), and, where `keep` is given, what a person touched in that layer
/// ([`Layer::kept_voxels`]) and its slices that are done.
pub(super) fn adopt(
    map: &mut LabelMap,
    rule: &PaintRule,
    other: &LabelMap,
    table: &[LabelId],
    keep: Option<&Layer>,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    if other.geometry().dims() != map.geometry().dims() {
        return Err(EditError::Outside);
    }
    let mut spoken = [false; 256];
    spoken[0] = true;
    for &label in table {
        spoken[usize::from(label)] = true;
    }
    let may: [bool; 256] = std::array::from_fn(|n| spoken[n] && !rule.locked[n]);
    let target = |label: LabelId| table.get(usize::from(label)).copied().unwrap_or(0);
    let slices = map.geometry().dims()[2];
    let done: Vec<bool> = (0..slices).map(|k| keep.is_some_and(|l| l.work.slices.status(k).is_done())).collect();
    let boxes = map.clone();
    let all: Vec<BrickIndex> =
        (0..map.brick_count() as BrickIndex).filter(|&i| map.brick(i).is_some() || other.brick(i).is_some()).collect();
    relabel(map, &all, watch, |index, old| {
        let area = boxes.brick_box(index);
        let kept = keep.and_then(|l| l.kept_voxels(index));
        let theirs = other.brick(index);
        let mut new = Box::new(old.map_or([0; _], |b| **b));
        for k in (area.min[2]..area.max[2]).filter(|&k| !done[k]) {
            for j in area.min[1]..area.max[1] {
                let voxel = [area.min[0], j, k];
                let at = LabelMap::offset_in_brick(voxel);
                let len = area.max[0] - area.min[0];
                let allowed = if rule.limits.is_open() { u16::MAX } else { rule.limits.allowed(voxel, len) };
                for n in (0..len.min(BRICK_EDGE)).filter(|n| allowed >> n & 1 == 1) {
                    let now = &mut new[at + n];
                    if may[usize::from(*now)] && !kept.as_ref().is_some_and(|k| k[at + n]) {
                        let wanted = target(theirs.map_or(0, |b| b[at + n]));
                        if !rule.locked[usize::from(wanted)] {
                            *now = wanted;
                        }
                    }
                }
            }
        }
        Some(new)
    })
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{at, blobs, grid, speckle, voxels};
    use super::*;
    use crate::core::{LayerId, Origin, SliceStatus};

    #[test]
    fn what_a_person_touched_stays_unless_told_otherwise() {
        for case in 0..12u64 {
            let dims = [35, 18, 20];
            let (before, other) = (blobs(grid(dims), case), blobs(grid(dims), case + 40));
            let model = Origin::Model { run: "r".into(), checkpoint: "best".into() };
            let origin =
                [model.clone(), Origin::Human, Origin::Imported { file: "x".into() }][(case % 3) as usize].clone();
            let made = origin != model;
            let mut layer = Layer::new(LayerId(1), "", before.clone(), Vec::new(), origin);
            layer.work.sources.number(&Origin::Human);
            layer.work.sources.number(&model);
            let numbers = speckle(grid(dims), case, 9);
            layer.work.sources.set_map(Some(numbers.clone()));
            layer.work.slices.set_status(3, SliceStatus::Corrected);
            layer.work.slices.set_status(9, SliceStatus::Approved);
            let mut table = vec![0; 256];
            (table[1], table[2], table[3]) = (2, 1, 9);
            let mut locked = [false; 256];
            locked[1] = case % 2 == 0;
            let rule = PaintRule::paint(1, locked);
            for everything in [false, true] {
                let mut map = before.clone();
                let keep = (!everything).then_some(&layer);
                let delta = adopt(&mut map, &rule, &other, &table, keep, &NoWatch).unwrap();
                for v in voxels(dims) {
                    let (old, number) = (at(&before, v), at(&numbers, v));
                    let touched = number == 1 || (number == 0 && made && old != 0);
                    let kept = !everything && (touched || v[2] == 3 || v[2] == 9);
                    let wanted = table[usize::from(at(&other, v))];
                    // Nobody speaks of label 3: it stays.
                    let stays = kept || old == 3 || locked[usize::from(old)] || locked[usize::from(wanted)];
                    assert_eq!(at(&map, v), if stays { old } else { wanted }, "{v:?} {everything}");
                }
                delta.revert(&mut map);
                assert_eq!(map, before);
            }
        }
    }
}
