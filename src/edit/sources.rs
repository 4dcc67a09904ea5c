//! Writes down who changed a voxel: where labels differ before and after an edit, their source becomes the editor's.

use super::{BrickChange, Delta};
use crate::core::{BRICK_EDGE, Brick, LabelId, LabelMap};
use std::sync::Arc;

/// Gives `number` to every voxel of `sources` whose label `delta` changed, and tells what that changed.
pub fn mark_sources(sources: &mut LabelMap, delta: &Delta, number: LabelId) -> Delta {
    let mut changes = Vec::with_capacity(delta.bricks.len());
    for change in &delta.bricks {
        let old = sources.brick(change.index).cloned();
        let mut new = old.as_deref().map_or([0; _], |b| *b);
        each_changed_row(change.before.as_deref(), change.after.as_deref(), |at, differs| {
            let row = &mut new[at..at + BRICK_EDGE];
            if differs == u16::MAX {
                row.fill(number);
                return;
            }
            for (n, source) in row.iter_mut().enumerate() {
                if differs >> n & 1 == 1 {
                    *source = number;
                }
            }
        });
        if new == *old.as_deref().unwrap_or(&BACKGROUND) {
            continue;
        }
        sources.set_brick(change.index, Some(Arc::new(new)));
        changes.push(BrickChange { index: change.index, before: old, after: sources.brick(change.index).cloned() });
    }
    Delta { bricks: changes }
}

/// What stands for a brick that is not there.
static BACKGROUND: Brick = [0; _];

/// Calls `visit` with the offset of every row of 16 voxels in which the bricks differ, and bits that say where.
pub(super) fn each_changed_row(before: Option<&Brick>, after: Option<&Brick>, mut visit: impl FnMut(usize, u16)) {
    let [old, new] = [before, after].map(|brick| brick.unwrap_or(&BACKGROUND).as_chunks::<BRICK_EDGE>().0);
    for (n, (a, b)) in old.iter().zip(new).enumerate() {
        let difference = u128::from_le_bytes(*a) ^ u128::from_le_bytes(*b);
        if difference != 0 {
            let [low, high] = [difference as u64, (difference >> 64) as u64].map(bytes_set);
            visit(n * BRICK_EDGE, low | high << 8);
        }
    }
}

/// Calls `visit` with offset, length, label before and label after of voxels of one row that changed alike; what goes on
/// in the next row is another run. A brick that is not there is background.
pub fn each_changed_run(
    before: Option<&Brick>,
    after: Option<&Brick>,
    mut visit: impl FnMut(usize, usize, LabelId, LabelId),
) {
    let (old, new) = (before.unwrap_or(&BACKGROUND), after.unwrap_or(&BACKGROUND));
    each_changed_row(before, after, |row, mut differs| {
        while differs != 0 {
            let first = differs.trailing_zeros() as usize;
            let (gone, come) = (old[row + first], new[row + first]);
            let alike = |n: &usize| differs >> n & 1 == 1 && old[row + n] == gone && new[row + n] == come;
            let end = (first + 1..BRICK_EDGE).find(|n| !alike(n)).unwrap_or(BRICK_EDGE);
            visit(row + first, end - first, gone, come);
            differs &= if end == BRICK_EDGE { 0 } else { u16::MAX << end };
        }
    });
}

/// A bit for each byte that is not zero, the lowest byte's first.
fn bytes_set(word: u64) -> u16 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    // The top bit of a byte is set when the byte is not zero; nothing is carried into the next byte.
    let tops = (((word & LOW) + LOW) | word) & !LOW;
    // Byte i times 2^(56 - 7i) lands at bit 56 + i; every other product lies below or is cut off, and none meet.
    ((tops >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u16
}

#[cfg(test)]
mod tests {
    use super::super::test_maps::{at, blobs, grid, speckle, voxels};
    use super::*;

    #[test]
    fn bytes_are_told_apart_by_being_zero() {
        let mut state = 9u64;
        for _ in 0..20_000 {
            let word =
                super::super::test_maps::next(&mut state) & super::super::test_maps::next(&mut state).rotate_left(17);
            let want = word.to_le_bytes().iter().enumerate().fold(0u16, |bits, (n, v)| bits | u16::from(*v != 0) << n);
            assert_eq!(bytes_set(word), want, "{word:x}");
        }
        for (word, want) in [(0, 0), (1, 1), (0x80 << 56, 0x80), (u64::MAX, 0xff), (0x0100_0000_8000_0001, 0x89)] {
            assert_eq!(bytes_set(word), want, "{word:x}");
        }
    }

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
