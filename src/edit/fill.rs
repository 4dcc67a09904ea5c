//! The bucket: what is enclosed around a clicked voxel of a slice becomes part of the segment.

use super::bits::{BitGrid, equal_bits};
use super::components::flood;
use super::operation::{EditError, Extent, Watch};
use super::repaint::paint_bits;
use super::{Delta, PaintRule};
use crate::core::{BRICK_EDGE, LabelMap};

/// Paints the voxels that carry the label of `seed` and hang together with it through edges of the slice across `axis`.
///
/// Background that reaches the border of the slice is no area and is refused: its outline has a gap.
pub(super) fn fill(
    map: &mut LabelMap,
    rule: &PaintRule,
    seed: [usize; 3],
    axis: usize,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    let dims = map.geometry().dims();
    if axis > 2 || (0..3).any(|a| seed[a] >= dims[a]) {
        return Err(EditError::Outside);
    }
    let region = Extent::Slice { axis, index: seed[axis] }.region(dims).ok_or(EditError::Outside)?;
    let label = map.at(seed.map(|v| v as i64));
    if label == rule.label {
        return Err(EditError::AlreadyFilled);
    }
    let alike = BitGrid::filled(region, |voxel| {
        let from = LabelMap::offset_in_brick(voxel);
        let brick = map.brick(map.brick_of(voxel));
        let bits =
            brick.map_or(if label == 0 { u16::MAX } else { 0 }, |b| equal_bits(&b[from..from + BRICK_EDGE], label));
        // Across i the slice is one voxel of the row.
        Some(if axis == 0 { bits & 1 << (seed[0] % BRICK_EDGE) } else { bits })
    });
    let turned = alike.swapped(axis);
    let mut place = seed;
    place.swap(axis, 2);
    let reached = flood(&turned, place, true, watch)?.swapped(axis);
    if label == 0 {
        let bounds = reached.bounds().ok_or(EditError::Outside)?;
        let open = |a: usize| a != axis && (bounds.min[a] == 0 || bounds.max[a] == dims[a]);
        if (0..3).any(open) {
            return Err(EditError::OpenOutline);
        }
    }
    paint_bits(map, &reached.in_box(region), rule, watch)
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{at, blobs, check_bucket, grid, next, spread};
    use super::*;

    #[test]
    fn the_area_around_the_click_is_filled() {
        let mut state = 6;
        let (mut filled, mut open) = (0, 0);
        for case in 0..120u64 {
            let dims = [35, 18, 17];
            let axis = (case % 3) as usize;
            let before = blobs(grid(dims), case / 6);
            let seed: [usize; 3] = std::array::from_fn(|a| (next(&mut state) % dims[a] as u64) as usize);
            let label = at(&before, seed);
            let along = |a: usize| a != axis;
            let reached = spread(dims, [seed], along, |v| at(&before, v) == label);
            let found = check_bucket(&before, seed, &reached, along, |map| {
                fill(map, &PaintRule::paint(2, [false; 256]), seed, axis, &NoWatch)
            });
            filled += usize::from(found[0]);
            open += usize::from(found[1]);
        }
        assert!(filled > 5 && open > 5, "{filled} {open}");
    }
}
