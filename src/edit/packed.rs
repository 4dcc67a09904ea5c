//! A delta as runs of voxels instead of whole bricks: what the history keeps.
//!
//! A stroke gives one label to runs of voxels, so that a disc of 40 voxels needs a few kilobytes where its bricks before
//! and after would need hundreds. It is unpacked against the map that it leads to or away from.

use super::sources::each_changed_run;
use super::{BrickChange, Delta};
use crate::core::{Brick, BrickIndex, LabelId, LabelMap};
use std::sync::Arc;

/// Voxels `start..start + len` of a brick that had one label and got another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    start: u16,
    len: u16,
    before: LabelId,
    after: LabelId,
}

/// What became of one brick.
#[derive(Debug, Clone)]
enum Packed {
    Runs(Box<[Run]>),
    /// Too many runs: the bricks themselves are smaller.
    Bricks(BrickChange),
}

/// A delta in as few bytes as it takes.
#[derive(Debug, Clone, Default)]
pub struct PackedDelta {
    bricks: Vec<(BrickIndex, Packed)>,
}

/// Runs that take as much as the two bricks.
const TOO_MANY: usize = 2 * size_of::<Brick>() / size_of::<Run>();

impl PackedDelta {
    /// Packs a delta; costs about two microseconds a brick.
    pub fn of(delta: &Delta) -> Self {
        let bricks = delta.bricks.iter().map(|change| (change.index, pack(change))).collect();
        Self { bricks }
    }

    /// The delta again, for a map that is as it was after the change (with `done`) or before it.
    pub fn unpack(&self, map: &LabelMap, done: bool) -> Delta {
        let bricks = self.bricks.iter().map(|(index, packed)| match packed {
            Packed::Bricks(change) => change.clone(),
            Packed::Runs(runs) => {
                let here = map.brick(*index).cloned();
                let mut other = here.as_deref().map_or([0; _], |b| *b);
                for run in runs {
                    let label = if done { run.before } else { run.after };
                    other[usize::from(run.start)..usize::from(run.start + run.len)].fill(label);
                }
                let other = other.iter().any(|&v| v != 0).then(|| Arc::new(other));
                let (before, after) = if done { (other, here) } else { (here, other) };
                BrickChange { index: *index, before, after }
            }
        });
        Delta { bricks: bricks.collect() }
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        let own = |packed: &Packed| match packed {
            Packed::Runs(runs) => size_of_val(&**runs),
            Packed::Bricks(change) => {
                (usize::from(change.before.is_some()) + usize::from(change.after.is_some())) * size_of::<Brick>()
            }
        };
        self.bricks.iter().map(|(_, packed)| size_of::<(BrickIndex, Packed)>() + own(packed)).sum()
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.bricks.is_empty()
    }
}

fn pack(change: &BrickChange) -> Packed {
    let mut runs: Vec<Run> = Vec::new();
    let (before, after) = (change.before.as_deref(), change.after.as_deref());
    each_changed_run(before, after, |start, len, before, after| match runs.last_mut() {
        Some(run) if usize::from(run.start + run.len) == start && run.before == before && run.after == after => {
            run.len += len as u16;
        }
        _ => runs.push(Run { start: start as u16, len: len as u16, before, after }),
    });
    if runs.len() < TOO_MANY { Packed::Runs(runs.into()) } else { Packed::Bricks(change.clone()) }
}

#[cfg(test)]
mod tests {
    use super::super::test_maps::{blobs, grid, speckle};
    use super::super::{Brush, BrushShape, PaintRule, Stroke};
    use super::*;
    use glam::DVec3;

    #[test]
    fn packed_deltas_lead_both_ways() {
        for case in 0..24u64 {
            let dims = [35, 18, 20];
            let before = if case % 3 == 0 { speckle(grid(dims), case, 5) } else { blobs(grid(dims), case) };
            let after = if case % 5 == 0 { LabelMap::empty(grid(dims)) } else { blobs(grid(dims), case + 1) };
            let packed = PackedDelta::of(&Delta::between(&before, &after).unwrap());
            let mut map = before.clone();
            packed.unpack(&map, false).apply(&mut map);
            assert_eq!(map, after);
            packed.unpack(&map, true).revert(&mut map);
            assert_eq!(map, before);
            assert_eq!(packed.unpack(&map, false).bricks.len(), map.changed_bricks(&after).len());
        }
    }

    #[test]
    fn a_stroke_takes_a_few_kilobytes() {
        let mut map = LabelMap::empty(grid([512, 512, 40]));
        let brush = Brush { shape: BrushShape::Round2d { through_axis: 2 }, radius_mm: 14.0 };
        let mut stroke = Stroke::begin(&map);
        let rule = PaintRule::paint(1, [false; 256]);
        stroke.extend(&mut map, DVec3::new(200.0, 200.0, 9.0), DVec3::new(300.0, 260.0, 9.0), &brush, &rule);
        let delta = stroke.commit(&map);
        let packed = PackedDelta::of(&delta);
        assert!(packed.bytes() * 10 < delta.bytes(), "{} of {}", packed.bytes(), delta.bytes());
        assert!(packed.bytes() < 20_000, "{}", packed.bytes());
    }
}
