//! What a segment encloses becomes part of it.

use super::bits::{BitGrid, label_box, widened};
use super::components::{Components, Connectivity};
use super::operation::{EditError, Extent, Watch};
use super::repaint::{clipped, paint_bits};
use super::{Delta, PaintRule};
use crate::core::LabelMap;

/// Fills every group of voxels without the segment's label that hangs together through faces and does not reach the
/// border of the grid: in three dimensions, in one slice, or with `planes` in each slice across that axis.
pub(super) fn fill_holes(
    map: &mut LabelMap,
    rule: &PaintRule,
    extent: Extent,
    planes: Option<usize>,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    let dims = map.geometry().dims();
    let wanted = extent.region(dims).ok_or(EditError::Outside)?;
    let axis = match extent {
        Extent::Slice { axis, .. } => Some(axis),
        Extent::Volume => planes,
        Extent::Turned(_) => return Err(EditError::StraightOnly),
    };
    if axis.is_some_and(|a| a > 2) {
        return Err(EditError::Outside);
    }
    // One voxel around the segment is outside it, unless it is the grid's own border: both join what is no hole.
    let around = widened(label_box(map, rule.label).ok_or(EditError::EmptySegment)?, [1; 3], dims);
    let region = clipped(around, wanted);
    let turn = axis.unwrap_or(2);
    let outside = BitGrid::turned(map, rule.label, region, turn).inverted();
    watch.progress(0.2);
    let parts = Components::of(&outside, Connectivity::Faces, axis.is_some(), watch)?;
    watch.progress(0.7);
    let border = parts.on_border(&outside, axis.is_some());
    let holes = parts.chosen(&outside, |p| !border[p as usize]).swapped(turn).in_box(region);
    paint_bits(map, &holes, rule, watch)
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{at, blobs, grid, spread, voxels};
    use super::*;

    #[test]
    fn holes_are_what_the_border_cannot_reach() {
        for case in 0..18u64 {
            let dims = [33, 17, 9];
            let before = blobs(grid(dims), case);
            let axis = (case % 3) as usize;
            for (extent, planes) in [
                (Extent::Volume, None),
                (Extent::Volume, Some(axis)),
                (Extent::Slice { axis, index: dims[axis] / 2 }, None),
            ] {
                let flat = planes.is_some() || extent != Extent::Volume;
                // Spread from every border voxel over what does not carry the label.
                let along = |a: usize| !flat || a != axis;
                let is_border = |v: &[usize; 3]| (0..3).any(|a| along(a) && (v[a] == 0 || v[a] + 1 == dims[a]));
                let reached = spread(dims, voxels(dims).filter(is_border), along, |v| at(&before, v) != 1);
                let rule = PaintRule::paint(1, [false; 256]);
                let mut map = before.clone();
                let done = fill_holes(&mut map, &rule, extent, planes, &NoWatch);
                if before.counts()[1] == 0 {
                    assert_eq!(done.unwrap_err(), EditError::EmptySegment);
                    continue;
                }
                for v in voxels(dims) {
                    let here = match extent {
                        Extent::Volume => true,
                        Extent::Slice { axis, index } => v[axis] == index,
                        Extent::Turned(_) => false,
                    };
                    let want = if here && !reached.contains(&v) { 1 } else { at(&before, v) };
                    assert_eq!(at(&map, v), want, "{v:?} {extent:?} {planes:?}");
                }
                done.unwrap().revert(&mut map);
                assert_eq!(map, before);
            }
        }
    }
}
