//! Writes new labels of several segments at once, brick by brick on all cores, and yields the delta.

use super::operation::{EditError, Watch};
use super::{BrickChange, Delta};
use crate::core::{Brick, BrickIndex, LabelMap};
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Gives each of `bricks` the labels that `relabelled` makes of it; `None` leaves it as it is.
///
/// # Errors
/// [`EditError::Cancelled`]; the map is then as it was.
pub(super) fn relabel(
    map: &mut LabelMap,
    bricks: &[BrickIndex],
    watch: &dyn Watch,
    relabelled: impl Fn(BrickIndex, Option<&Arc<Brick>>) -> Option<Box<Brick>> + Sync,
) -> Result<Delta, EditError> {
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
            let old = map.brick(index);
            let new = relabelled(index, old)?;
            let same = old.map_or_else(|| new.iter().all(|&v| v == 0), |old| **old == *new);
            (!same).then(|| (index, Arc::from(new)))
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
