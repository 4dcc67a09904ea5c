//! Regions by value: threshold, and growing from a seed.

use super::bits::BitGrid;
use super::brush::range_bits;
use super::components::flood;
use super::operation::{EditError, Extent, Watch};
use super::repaint::{paint_bits, repaint};
use super::{Delta, PaintRule};
use crate::core::{BRICK_EDGE, LabelMap, Volume};

/// Paints every voxel of `extent` whose value lies within `range` (HU, both ends included).
pub(super) fn threshold(
    map: &mut LabelMap,
    rule: &PaintRule,
    image: Option<&Volume>,
    range: [i16; 2],
    extent: Extent,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    let image = image.filter(|v| v.geometry().dims() == map.geometry().dims()).ok_or(EditError::ImageMissing)?;
    let dims = map.geometry().dims();
    let region = extent.region(dims).ok_or(EditError::Outside)?;
    let cut = extent.cut(map)?;
    repaint(map, region, rule, watch, |voxel| {
        let bits = cut(voxel);
        if bits == 0 { 0 } else { bits & range_bits(image, range, voxel, BRICK_EDGE.min(dims[0] - voxel[0])) }
    })
}

/// Paints what can be reached from `seed` through faces over voxels that differ from its value by at most `tolerance`
/// (HU) and that `rule` allows: what must not be painted is a wall.
pub(super) fn grow(
    map: &mut LabelMap,
    rule: &PaintRule,
    image: Option<&Volume>,
    seed: [usize; 3],
    tolerance: i16,
    extent: Extent,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    let image = image.filter(|v| v.geometry().dims() == map.geometry().dims()).ok_or(EditError::ImageMissing)?;
    let dims = map.geometry().dims();
    let region = extent.region(dims).ok_or(EditError::Outside)?;
    if (0..3).any(|a| seed[a] < region.min[a] || seed[a] >= region.max[a]) {
        return Err(EditError::Outside);
    }
    let centre = image.at(seed.map(|v| v as i64)).ok_or(EditError::ImageMissing)?;
    let range = [centre.saturating_sub(tolerance), centre.saturating_add(tolerance)];
    let table = rule.table();
    let cut = extent.cut(map)?;
    // Voxels of the segment itself conduct, so that a region can be grown on.
    let conducts = |label: u8| label == rule.label || table[usize::from(label)] == rule.label;
    let open = BitGrid::filled(region, |voxel| {
        if watch.cancelled() {
            return None;
        }
        let len = BRICK_EDGE.min(dims[0] - voxel[0]);
        let mut bits = cut(voxel);
        if bits != 0 {
            bits &= range_bits(image, range, voxel, len);
        }
        if bits != 0 && !rule.limits.is_open() {
            bits &= rule.limits.allowed(voxel, len);
        }
        if bits != 0 {
            let from = LabelMap::offset_in_brick(voxel);
            match map.brick(map.brick_of(voxel)) {
                Some(brick) => {
                    for (n, &label) in brick[from..from + BRICK_EDGE].iter().enumerate() {
                        bits &= !(u16::from(!conducts(label)) << n);
                    }
                }
                None if !conducts(0) => bits = 0,
                None => {}
            }
        }
        Some(bits)
    });
    if watch.cancelled() {
        return Err(EditError::Cancelled);
    }
    // A slice across i is wider here than it is: planes are told apart by the flood.
    let reached = match extent {
        Extent::Volume | Extent::Turned(_) => flood(&open, seed, false, watch)?,
        Extent::Slice { axis, .. } => {
            let mut turned = seed;
            turned.swap(axis, 2);
            flood(&open.swapped(axis), turned, true, watch)?.swapped(axis)
        }
    };
    if reached.is_empty() {
        return Err(EditError::SeedForbidden);
    }
    paint_bits(map, &reached, rule, watch)
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{at, blobs, grid, next, speckle, spread, volume, voxels};
    use super::super::{Limits, Over};
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_threshold_is_every_voxel_of_the_range() {
        for case in 0..12u64 {
            let dims = [35, 18, 17];
            let geometry = grid(dims);
            let image = volume(geometry, case);
            let before = speckle(geometry, case, 4);
            let axis = (case % 3) as usize;
            for extent in [Extent::Volume, Extent::Slice { axis, index: 16 }] {
                let rule = PaintRule { over: Over::Background, ..PaintRule::paint(2, [false; 256]) };
                let mut map = before.clone();
                let delta = threshold(&mut map, &rule, Some(&image), [-20, 50], extent, &NoWatch).unwrap();
                for v in voxels(dims) {
                    let hu = image.at(v.map(|x| x as i64)).unwrap();
                    let here = extent == Extent::Volume || v[axis] == 16;
                    let old = at(&before, v);
                    let want = if here && old == 0 && (-20..=50).contains(&hu) { 2 } else { old };
                    assert_eq!(at(&map, v), want);
                }
                delta.revert(&mut map);
                assert_eq!(map, before);
            }
        }
        let geometry = grid([4, 4, 4]);
        let mut map = LabelMap::empty(geometry);
        let rule = PaintRule::paint(2, [false; 256]);
        let missing = threshold(&mut map, &rule, None, [0, 1], Extent::Volume, &NoWatch).unwrap_err();
        assert_eq!(missing, EditError::ImageMissing);
    }

    #[test]
    fn growing_equals_spreading_from_voxel_to_voxel() {
        let mut state = 3;
        for case in 0..40u64 {
            let dims = [35, 18, 9];
            let geometry = grid(dims);
            let image = volume(geometry, case);
            let before = blobs(geometry, case);
            let seed: [usize; 3] = std::array::from_fn(|a| (next(&mut state) % dims[a] as u64) as usize);
            let tolerance = (next(&mut state) % 90) as i16;
            let axis = (case % 3) as usize;
            let limits = Limits { hu: (case % 2 == 0).then(|| (Arc::clone(&image), [-150, 90])), inside: None };
            let over = if case % 4 < 2 { Over::All } else { Over::Background };
            let rule = PaintRule { over, limits, ..PaintRule::paint(2, [false; 256]) };
            for extent in [Extent::Volume, Extent::Slice { axis, index: seed[axis] }] {
                let hu = |v: [usize; 3]| image.at(v.map(|x| x as i64)).unwrap();
                let open = |v: [usize; 3]| {
                    (hu(v) - hu(seed)).abs() <= tolerance
                        && (rule.limits.hu.is_none() || (-150..=90).contains(&hu(v)))
                        && (over == Over::All || [0, 2].contains(&at(&before, v)))
                };
                let along = |a: usize| extent == Extent::Volume || a != axis;
                let reached = spread(dims, [seed], along, open);
                let mut map = before.clone();
                match grow(&mut map, &rule, Some(&image), seed, tolerance, extent, &NoWatch) {
                    Ok(delta) => {
                        for v in voxels(dims) {
                            let want = if reached.contains(&v) { 2 } else { at(&before, v) };
                            assert_eq!(at(&map, v), want, "{v:?} from {seed:?} {extent:?}");
                        }
                        delta.revert(&mut map);
                    }
                    Err(error) => {
                        assert_eq!(error, EditError::SeedForbidden);
                        assert!(reached.is_empty());
                    }
                }
                assert_eq!(map, before);
            }
        }
    }
}
