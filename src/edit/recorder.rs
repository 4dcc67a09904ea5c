//! Writes rows of voxels into a label map and remembers the bricks as they were.

use super::{BrickChange, Delta, Limits};
use crate::core::{BRICK_EDGE, Brick, BrickIndex, LabelId, LabelMap};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Voxels `i_min..i_max` of the row at `(j, k)`, inside the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub i_min: usize,
    pub i_max: usize,
    pub j: usize,
    pub k: usize,
}

/// The bricks that one edit touched, as they were before it.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    before: BTreeMap<BrickIndex, Option<Arc<Brick>>>,
}

impl Recorder {
    /// Puts the voxels of a row within `limits` through `table` and adds the bricks that changed to `dirty`.
    ///
    /// A brick is copied only when a voxel of it really changes, and once per edit.
    pub fn paint_row(
        &mut self,
        map: &mut LabelMap,
        row: Row,
        table: &[LabelId; 256],
        limits: &Limits,
        dirty: &mut BTreeSet<BrickIndex>,
    ) {
        let mut i = row.i_min;
        while i < row.i_max {
            let end = ((i / BRICK_EDGE + 1) * BRICK_EDGE).min(row.i_max);
            let voxel = [i, row.j, row.k];
            let index = map.brick_of(voxel);
            let from = LabelMap::offset_in_brick(voxel);
            let span = from..from + (end - i);
            let allowed = if limits.is_open() { u16::MAX } else { limits.allowed(voxel, end - i) };
            let may = |n: usize| allowed >> n & 1 == 1;
            let changes = match map.brick(index) {
                Some(brick) => {
                    brick[span.clone()].iter().enumerate().any(|(n, &v)| may(n) && table[usize::from(v)] != v)
                }
                None => allowed != 0 && table[0] != 0,
            };
            if changes {
                self.before.entry(index).or_insert_with(|| map.brick(index).cloned());
                for (n, v) in map.brick_mut(index)[span].iter_mut().enumerate() {
                    if may(n) {
                        *v = table[usize::from(*v)];
                    }
                }
                dirty.insert(index);
            }
            i = end;
        }
    }

    /// Stores bricks that have become all background as such.
    pub fn tidy(map: &mut LabelMap, dirty: &BTreeSet<BrickIndex>) {
        for &index in dirty {
            let brick = map.set_brick(index, None);
            map.set_brick(index, brick);
        }
    }

    /// What changed in all; bricks that ended as they began are left out.
    pub fn finish(self, map: &LabelMap) -> Delta {
        let changed = |(index, before): (BrickIndex, Option<Arc<Brick>>)| {
            let after = map.brick(index).cloned();
            (before != after).then_some(BrickChange { index, before, after })
        };
        Delta { bricks: self.before.into_iter().filter_map(changed).collect() }
    }

    /// Puts every touched brick back and names them.
    pub fn restore(self, map: &mut LabelMap) -> Vec<BrickIndex> {
        self.before
            .into_iter()
            .map(|(index, brick)| {
                map.set_brick(index, brick);
                index
            })
            .collect()
    }
}
