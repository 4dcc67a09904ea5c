//! Writes down who changed a voxel: where labels differ before and after an edit, their source becomes the editor's.

use super::{BrickChange, Delta};
use crate::core::{BRICK_EDGE, Brick, LabelId, LabelMap};
use std::sync::Arc;

/// Gives `number` to every voxel of `sources` whose label `delta` changed, and tells what that changed.
pub fn mark_sources(sources: &mut LabelMap, delta: &Delta, number: LabelId) -> Delta {
    let mut changes = Vec::with_capacity(delta.bricks.len());
    for change in &delta.bricks {
        let old = sources.brick(change.index).cloned();
        let mut new: Option<Box<Brick>> = None;
        each_changed_row(change.before.as_deref(), change.after.as_deref(), |at, differs| {
            let row = &mut new.get_or_insert_with(|| Box::new(old.as_deref().map_or([0; _], |b| *b)))[at..];
            for (n, source) in row[..BRICK_EDGE].iter_mut().enumerate() {
                if differs >> n & 1 == 1 {
                    *source = number;
                }
            }
        });
        let Some(new) = new.filter(|n| old.as_deref() != Some(&**n)) else { continue };
        sources.set_brick(change.index, Some(Arc::from(new)));
        changes.push(BrickChange { index: change.index, before: old, after: sources.brick(change.index).cloned() });
    }
    Delta { bricks: changes }
}

/// Calls `visit` with the offset of every row of 16 voxels in which the bricks differ, and bits that say where.
pub(super) fn each_changed_row(before: Option<&Brick>, after: Option<&Brick>, mut visit: impl FnMut(usize, u16)) {
    const ZERO: Brick = [0; _];
    let rows = |b: Option<&Brick>| -> [u128; 256] {
        let b = b.unwrap_or(&ZERO);
        std::array::from_fn(|n| {
            let mut row = [0; BRICK_EDGE];
            row.copy_from_slice(&b[n * BRICK_EDGE..(n + 1) * BRICK_EDGE]);
            u128::from_le_bytes(row)
        })
    };
    for (n, (a, b)) in rows(before).into_iter().zip(rows(after)).enumerate() {
        let difference = a ^ b;
        if difference != 0 {
            let bytes = difference.to_le_bytes();
            let bits = bytes.iter().enumerate().fold(0, |bits, (n, v)| bits | u16::from(*v != 0) << n);
            visit(n * BRICK_EDGE, bits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_maps::{at, blobs, grid, speckle, voxels};
    use super::*;

    #[test]
    fn what_changed_gets_the_number_and_nothing_else() {
        for case in 0..20u64 {
            let dims = [35, 18, 20];
            let (before, after) = (blobs(grid(dims), case), blobs(grid(dims), case + 1));
            let delta = Delta::between(&before, &after).unwrap();
            let start = if case % 2 == 0 { LabelMap::empty(grid(dims)) } else { speckle(grid(dims), case, 4) };
            let mut sources = start.clone();
            let changed = mark_sources(&mut sources, &delta, 3);
            for v in voxels(dims) {
                let want = if at(&before, v) == at(&after, v) { at(&start, v) } else { 3 };
                assert_eq!(at(&sources, v), want, "{v:?}");
            }
            assert_eq!(Delta::between(&start, &sources).unwrap().bricks.len(), changed.bricks.len());
            changed.revert(&mut sources);
            assert_eq!(sources, start);
        }
    }
}
