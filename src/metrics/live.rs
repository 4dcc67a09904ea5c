//! Overlap that follows a brush: counts are kept for each brick, and only the bricks that changed are counted again.

use super::overlap::brick_counts;
use super::{Overlap, Pair};
use crate::core::{Brick, BrickIndex, LabelMap};
use std::sync::Arc;

/// Counts of several structures of two maps on one grid.
pub struct LiveOverlap {
    pairs: Vec<Pair>,
    map_a: LabelMap,
    map_b: LabelMap,
    /// `[in A, in B, in both]` of each pair, brick after brick.
    bricks: Vec<[u32; 3]>,
    totals: Vec<[u64; 3]>,
}

impl LiveOverlap {
    /// Counts everything once; `None` when the grids differ.
    pub fn new(map_a: &LabelMap, map_b: &LabelMap, pairs: Vec<Pair>) -> Option<Self> {
        super::compare::check_grids(map_a, map_b).ok()?;
        let empty = LabelMap::empty(*map_a.geometry());
        let mut live = Self {
            bricks: vec![[0; 3]; pairs.len() * map_a.brick_count()],
            totals: vec![[0; 3]; pairs.len()],
            pairs,
            map_a: empty.clone(),
            map_b: empty,
        };
        live.update(map_a, map_b);
        Some(live)
    }

    /// Takes the maps as they are now; gives the number of bricks that were counted again.
    pub fn update(&mut self, map_a: &LabelMap, map_b: &LabelMap) -> usize {
        let mut changed = 0;
        for index in 0..map_a.brick_count() as BrickIndex {
            let (a, b) = (map_a.brick(index), map_b.brick(index));
            if same(a, self.map_a.brick(index)) && same(b, self.map_b.brick(index)) {
                continue;
            }
            changed += 1;
            let from = index as usize * self.pairs.len();
            for (n, pair) in self.pairs.iter().enumerate() {
                let now = brick_counts(a.map(AsRef::as_ref), pair.a, b.map(AsRef::as_ref), pair.b);
                let before = std::mem::replace(&mut self.bricks[from + n], now);
                for axis in 0..3 {
                    self.totals[n][axis] = self.totals[n][axis] + u64::from(now[axis]) - u64::from(before[axis]);
                }
            }
        }
        if changed > 0 {
            (self.map_a, self.map_b) = (map_a.clone(), map_b.clone());
        }
        changed
    }

    /// Each structure and its overlap, as of the last update.
    pub fn overlaps(&self) -> impl Iterator<Item = (&Pair, Overlap)> {
        let all = self.map_a.geometry().voxel_count() as u64;
        let of =
            move |[a, b, both]: [u64; 3]| Overlap { tp: both, fp: b - both, fn_: a - both, tn: all + both - a - b };
        self.pairs.iter().zip(&self.totals).map(move |(pair, total)| (pair, of(*total)))
    }
}

/// The very same brick: a changed one is another allocation, because the snapshot here holds the old one.
fn same(now: Option<&Arc<Brick>>, before: Option<&Arc<Brick>>) -> bool {
    match (now, before) {
        (None, None) => true,
        (Some(now), Some(before)) => Arc::ptr_eq(now, before),
        _ => false,
    }
}
