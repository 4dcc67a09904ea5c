//! What is made of a network's raw labels: the largest parts of each class, without holes.

use super::bits::{BitGrid, label_box};
use super::components::{Components, Connectivity};
use super::holes::fill_holes;
use super::operation::{EditError, Extent, Watch};
use super::repaint::paint_bits;
use super::{Over, PaintRule};
use crate::core::{LabelId, LabelMap};

/// Keeps of each of `labels` the `keep` largest parts (voxels that touch by a face), then gives it what it encloses and
/// no label has. A label that no voxel carries is left alone.
///
/// # Errors
/// [`EditError::Cancelled`].
pub fn tidy(
    map: &mut LabelMap,
    labels: impl Iterator<Item = LabelId>,
    keep: Option<usize>,
    fill: bool,
    watch: &dyn Watch,
) -> Result<(), EditError> {
    for label in labels {
        let rule = PaintRule { over: Over::Background, ..PaintRule::paint(label, [false; 256]) };
        if let (Some(keep), Some(region)) = (keep, label_box(map, label)) {
            let grid = BitGrid::of_label(map, label, region);
            let parts = Components::of(&grid, Connectivity::Faces, false, watch)?;
            let mut order: Vec<u32> = (0..parts.sizes.len() as u32).collect();
            // Of equal parts the one met first.
            order.sort_by_key(|p| (std::cmp::Reverse(parts.sizes[*p as usize]), *p));
            let kept = &order[..keep.min(order.len())];
            let doomed = parts.chosen(&grid, |p| !kept.contains(&p));
            paint_bits(map, &doomed, &rule.erasing(label), watch)?;
        }
        match if fill { fill_holes(map, &rule, Extent::Volume, None, watch) } else { Err(EditError::EmptySegment) } {
            Err(EditError::EmptySegment) | Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{at, grid};
    use super::*;

    /// Fills the box from `low` to below `high`.
    fn fill(map: &mut LabelMap, low: [usize; 3], high: [usize; 3], label: LabelId) {
        for k in low[2]..high[2] {
            for j in low[1]..high[1] {
                for i in low[0]..high[0] {
                    map.set([i, j, k], label);
                }
            }
        }
    }

    #[test]
    fn the_largest_parts_stay_and_enclosed_background_is_filled() {
        let mut map = LabelMap::empty(grid([30, 20, 12]));
        fill(&mut map, [1, 1, 1], [8, 8, 8], 1);
        fill(&mut map, [3, 3, 3], [5, 5, 5], 0);
        // Another class inside the first is no hole.
        map.set([6, 6, 6], 2);
        fill(&mut map, [12, 1, 1], [16, 5, 5], 1);
        fill(&mut map, [20, 1, 1], [22, 3, 3], 1);
        let before = map.clone();
        tidy(&mut map, 1..=3, Some(2), true, &NoWatch).unwrap();
        assert_eq!([[3, 3, 3], [4, 4, 4], [6, 6, 6], [13, 2, 2], [20, 1, 1]].map(|v| at(&map, v)), [1, 1, 2, 1, 0]);
        let mut one = before.clone();
        tidy(&mut one, 1..=1, Some(1), false, &NoWatch).unwrap();
        assert_eq!([[3, 3, 3], [2, 2, 2], [13, 2, 2]].map(|v| at(&one, v)), [0, 1, 0]);
        let mut none = before.clone();
        tidy(&mut none, 1..=2, None, false, &NoWatch).unwrap();
        assert_eq!(none, before);
    }
}
