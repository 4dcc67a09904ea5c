//! From slice to slice: filling the empty ones between drawn ones, and copying one to another.

use super::bits::{BitGrid, label_box, widened};
use super::components::each_plane;
use super::distance::squared_distances;
use super::operation::{EditError, Extent, Watch};
use super::repaint::{paint_bits, replace_bits};
use super::{Delta, PaintRule};
use crate::core::{LabelMap, VoxelBox};

/// Fills the slices across `axis` that hold nothing of the segment and lie between two that do.
///
/// Shape-based interpolation (Raya and Udupa, "Shape-based interpolation of multidimensional objects", 1990): the
/// distance in mm to the outline within each drawn slice, positive inside, is interpolated linearly through the
/// slices, and what is positive belongs to the segment. Inside, the distance is that to the nearest voxel outside the
/// segment, outside that to the nearest voxel of it.
pub(super) fn interpolate(
    map: &mut LabelMap,
    rule: &PaintRule,
    axis: usize,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    if axis > 2 {
        return Err(EditError::Outside);
    }
    let mut dims = map.geometry().dims();
    let mut spacing = map.geometry().spacing().to_array();
    dims.swap(axis, 2);
    spacing.swap(axis, 2);
    let region = label_box(map, rule.label).ok_or(EditError::EmptySegment)?;
    let drawn = BitGrid::turned(map, rule.label, region, axis);
    let bounds = drawn.bounds().ok_or(EditError::EmptySegment)?;
    let set = drawn.in_box(widened(bounds, [1, 1, 0], dims));
    let [nx, ny, nz] = set.size();
    let full: Vec<usize> = (0..nz).filter(|&k| (0..ny).any(|j| set.row(j, k).iter().any(|&w| w != 0))).collect();
    let gaps: Vec<[usize; 2]> = full.windows(2).filter(|p| p[1] - p[0] > 1).map(|p| [p[0], p[1]]).collect();
    if gaps.is_empty() {
        return Err(EditError::NoGap);
    }
    let mut needed: Vec<usize> = gaps.iter().flatten().copied().collect();
    needed.dedup();
    let unset = set.inverted();
    let signed: Vec<Vec<f64>> = each_plane(needed.len(), watch, |n| {
        let distances = |grid: &BitGrid| {
            squared_distances((0..ny).map(|j| grid.row(j, needed[n])), [nx, ny], [spacing[0], spacing[1]])
        };
        distances(&unset).iter().zip(distances(&set)).map(|(inside, outside)| inside.sqrt() - outside.sqrt()).collect()
    })?;
    let at = |k: usize| &signed[needed.partition_point(|&n| n < k)];
    let empty: Vec<(usize, [usize; 2])> =
        gaps.iter().flat_map(|&[a, b]| (a + 1..b).map(move |k| (k, [a, b]))).collect();
    let words = set.words();
    let filled = each_plane(empty.len(), watch, |n| {
        let (k, [a, b]) = empty[n];
        let part = (k - a) as f64 / (b - a) as f64;
        let (low, high) = (at(a), at(b));
        let mut bits = vec![0u64; words * ny];
        for (j, row) in bits.chunks_mut(words).enumerate() {
            for i in 0..nx {
                let s = (1.0 - part) * low[j * nx + i] + part * high[j * nx + i];
                row[i / 64] |= u64::from(s > 0.0) << (i % 64);
            }
        }
        bits
    })?;
    let mut out = BitGrid::empty(set.region());
    for ((k, _), bits) in empty.iter().zip(filled) {
        for (j, row) in bits.chunks(words).enumerate() {
            out.row_mut(j, *k).copy_from_slice(row);
        }
    }
    paint_bits(map, &out.swapped(axis), rule, watch)
}

/// Makes the segment on slice `to` across `axis` what it is on slice `from`; what it had there alone goes away.
pub(super) fn copy_slice(
    map: &mut LabelMap,
    rule: &PaintRule,
    axis: usize,
    [from, to]: [usize; 2],
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    let dims = map.geometry().dims();
    let slice = |index: usize| -> Result<VoxelBox, EditError> {
        Extent::Slice { axis, index }.region(dims).ok_or(EditError::Outside)
    };
    let source = BitGrid::turned(map, rule.label, slice(from)?, axis);
    let old = BitGrid::turned(map, rule.label, slice(to)?, axis);
    if source.is_empty() {
        return Err(EditError::EmptySegment);
    }
    let mut new = BitGrid::empty(old.region());
    for j in 0..new.size()[1] {
        new.row_mut(j, 0).copy_from_slice(source.row(j, 0));
    }
    replace_bits(map, &old.swapped(axis), &new.swapped(axis), rule, watch)
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{at, blobs, grid, next, spaced, spacing, voxels};
    use super::*;

    #[test]
    fn empty_slices_follow_the_interpolated_distance() {
        let mut state = 21;
        for case in 0..9u64 {
            let axis = (case % 3) as usize;
            let dims = [[12, 10, 17], [17, 12, 10], [17, 10, 12]][axis];
            let spacing = spacing(&mut state);
            // Every few slices are kept, of some cases the first and last too.
            let mut before = blobs(spaced(dims, spacing), case);
            let keep = 2 + (next(&mut state) % 4) as usize;
            for v in voxels(dims) {
                if v[axis] % keep != 0 && at(&before, v) == 1 {
                    before.set(v, 0);
                }
            }
            let slices: Vec<usize> =
                (0..dims[axis]).filter(|&n| voxels(dims).any(|v| v[axis] == n && at(&before, v) == 1)).collect();
            let rule = PaintRule { over: super::super::Over::Background, ..PaintRule::paint(1, [false; 256]) };
            let mut map = before.clone();
            let done = interpolate(&mut map, &rule, axis, &NoWatch);
            if !slices.windows(2).any(|p| p[1] - p[0] > 1) {
                assert!(done.is_err());
                continue;
            }
            let signed = |v: [usize; 3], slice: usize| {
                let mut here = v;
                here[axis] = slice;
                let own = at(&before, here) == 1;
                let near = voxels(dims).filter(|w| w[axis] == slice && (at(&before, *w) == 1) != own);
                let d = near
                    .map(|w| {
                        let d = |a: usize| ((w[a] as f64 - here[a] as f64) * spacing[a]).powi(2);
                        (0..3).map(d).sum::<f64>().sqrt()
                    })
                    .fold(f64::INFINITY, f64::min);
                if own { d } else { -d }
            };
            for v in voxels(dims) {
                let old = at(&before, v);
                let pair = slices.windows(2).find(|p| p[0] < v[axis] && v[axis] < p[1]);
                let mut want = old;
                if let Some(pair) = pair {
                    let t = (v[axis] - pair[0]) as f64 / (pair[1] - pair[0]) as f64;
                    let s = (1.0 - t) * signed(v, pair[0]) + t * signed(v, pair[1]);
                    // A sum that is zero but for rounding may go either way.
                    if s.abs() < 1e-12 {
                        continue;
                    }
                    if s > 0.0 && old == 0 {
                        want = 1;
                    }
                }
                assert_eq!(at(&map, v), want, "{v:?} across {axis}");
            }
            done.unwrap().revert(&mut map);
            assert_eq!(map, before);
        }
    }

    #[test]
    fn a_slice_is_copied_on_every_plane() {
        for case in 0..12u64 {
            let dims = [33, 20, 18];
            let axis = (case % 3) as usize;
            let before = blobs(grid(dims), case);
            let mut locked = [false; 256];
            locked[2] = true;
            let rule = PaintRule::paint(1, locked);
            let (from, to) = (dims[axis] / 2, dims[axis] / 2 + 1);
            let mut map = before.clone();
            let done = copy_slice(&mut map, &rule, axis, [from, to], &NoWatch);
            for v in voxels(dims) {
                let mut source = v;
                source[axis] = from;
                let (old, there) = (at(&before, v), at(&before, source) == 1);
                let want = match old {
                    _ if v[axis] != to || done.is_err() => old,
                    1 if !there => 0,
                    2 => 2,
                    _ if there => 1,
                    _ => old,
                };
                assert_eq!(at(&map, v), want, "{v:?} across {axis}");
            }
            if let Ok(delta) = done {
                delta.revert(&mut map);
            }
            assert_eq!(map, before);
            assert_eq!(copy_slice(&mut map, &rule, axis, [from, 99], &NoWatch).unwrap_err(), EditError::Outside);
        }
    }
}
