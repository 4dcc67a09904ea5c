//! Connected parts of a segment: keep the largest, remove small ones, keep or remove one, split into segments.

use super::bits::{BitGrid, label_box};
use super::components::{Components, Connectivity};
use super::operation::{EditError, Edited, Extent, Watch};
use super::repaint::{clipped, paint_bits};
use super::{Delta, Over, PaintRule};
use crate::core::{LabelId, LabelMap};

/// What is done with the parts of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Islands {
    KeepLargest,
    /// Removes parts of fewer voxels.
    RemoveSmaller {
        voxels: u64,
    },
    /// Keeps the part at this voxel and removes the others.
    KeepAt([usize; 3]),
    /// Removes the part at this voxel.
    RemoveAt([usize; 3]),
    /// The largest part stays, the others of at least `voxels` get the given labels in order of size; what is left
    /// when the labels run out stays too.
    Split {
        labels: Vec<LabelId>,
        voxels: u64,
    },
}

impl Islands {
    /// As the history says it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::KeepLargest => "Keep largest island",
            Self::RemoveSmaller { .. } => "Remove small islands",
            Self::KeepAt(_) => "Keep island",
            Self::RemoveAt(_) => "Remove island",
            Self::Split { .. } => "Split islands",
        }
    }
}

/// Does it with the segment `rule.label`. Parts of equal size count in the order of their first voxel.
pub(super) fn islands(
    map: &mut LabelMap,
    rule: &PaintRule,
    what: &Islands,
    connectivity: Connectivity,
    extent: Extent,
    watch: &dyn Watch,
) -> Result<Edited, EditError> {
    let wanted = extent.region(map.geometry().dims()).ok_or(EditError::Outside)?;
    let region = clipped(label_box(map, rule.label).ok_or(EditError::EmptySegment)?, wanted);
    let axis = match extent {
        Extent::Volume | Extent::Turned(_) => 2,
        Extent::Slice { axis, .. } => axis,
    };
    let planes = matches!(extent, Extent::Slice { .. });
    let mut grid = BitGrid::turned(map, rule.label, region, axis);
    if matches!(extent, Extent::Turned(_)) {
        let cut = extent.cut(map)?;
        grid.merge(&BitGrid::filled(grid.region(), |voxel| Some(cut(voxel))), |a, b| a & b);
    }
    if grid.is_empty() {
        return Err(EditError::EmptySegment);
    }
    watch.progress(0.3);
    let parts = Components::of(&grid, connectivity, planes, watch)?;
    watch.progress(0.7);
    let place = |mut voxel: [usize; 3]| {
        voxel.swap(axis, 2);
        let corner = grid.region();
        let inside = (0..3).all(|a| voxel[a] >= corner.min[a] && voxel[a] < corner.max[a]);
        let found = inside.then(|| parts.at(&grid, std::array::from_fn(|a| voxel[a] - corner.min[a])));
        found.flatten().ok_or(EditError::NoIsland)
    };
    let counted = |part: u32| parts.sizes[part as usize];
    let largest = (0..parts.sizes.len() as u32).max_by_key(|&p| (counted(p), std::cmp::Reverse(p))).unwrap_or(0);
    let erase = rule.erasing(rule.label);
    let mut remove = |doomed: &dyn Fn(u32) -> bool| -> Result<Delta, EditError> {
        paint_bits(map, &parts.chosen(&grid, doomed).swapped(axis).in_box(region), &erase, watch)
    };
    match what {
        Islands::KeepLargest => remove(&|p| p != largest).map(Edited::from),
        Islands::RemoveSmaller { voxels } => remove(&|p| counted(p) < *voxels).map(Edited::from),
        Islands::KeepAt(voxel) => {
            let kept = place(*voxel)?;
            remove(&|p| p != kept).map(Edited::from)
        }
        Islands::RemoveAt(voxel) => {
            let gone = place(*voxel)?;
            remove(&|p| p == gone).map(Edited::from)
        }
        Islands::Split { labels, voxels } => {
            let mut order: Vec<u32> = (0..parts.sizes.len() as u32).filter(|&p| p != largest).collect();
            order.retain(|&p| counted(p) >= *voxels);
            order.sort_by_key(|&p| (std::cmp::Reverse(counted(p)), p));
            let before = map.clone();
            let mut new_labels = Vec::new();
            for (&part, &label) in order.iter().zip(labels) {
                let split = PaintRule { label, over: Over::Segment(rule.label), ..rule.clone() };
                let bits = parts.chosen(&grid, |p| p == part).swapped(axis).in_box(region);
                if !paint_bits(map, &bits, &split, watch)?.is_empty() {
                    new_labels.push(label);
                }
            }
            Ok(Edited { delta: Delta::between(&before, map).unwrap_or_default(), new_labels })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{at, blobs, grid, next, voxels};
    use super::*;
    use std::collections::BTreeSet;

    /// Label of the n-th part afterwards.
    type Labelled<'a> = Box<dyn Fn(usize) -> u8 + 'a>;

    /// Parts of label 1 by spreading, in the order of their first voxel.
    fn parts(map: &LabelMap, dims: [usize; 3], corners: bool, slice: Option<(usize, usize)>) -> Vec<Vec<[usize; 3]>> {
        let here = |v: &[usize; 3]| at(map, *v) == 1 && slice.is_none_or(|(a, n)| v[a] == n);
        let mut left: BTreeSet<[usize; 3]> = voxels(dims).filter(here).collect();
        let mut found = Vec::new();
        for first in voxels(dims) {
            if !left.remove(&first) {
                continue;
            }
            let mut part = vec![first];
            let mut n = 0;
            while n < part.len() {
                let v = part[n];
                let near: Vec<_> = left
                    .iter()
                    .copied()
                    .filter(|w| {
                        let d: [usize; 3] = std::array::from_fn(|a| v[a].abs_diff(w[a]));
                        d.iter().all(|&x| x <= 1) && (corners || d.iter().sum::<usize>() == 1)
                    })
                    .collect();
                for w in near {
                    left.remove(&w);
                    part.push(w);
                }
                n += 1;
            }
            found.push(part);
        }
        found
    }

    #[test]
    fn islands_equal_spreading_from_voxel_to_voxel() {
        let mut state = 8;
        for case in 0..24u64 {
            let dims = [33, 15, 8];
            let before = blobs(grid(dims), case);
            let corners = case % 2 == 0;
            let connectivity = if corners { Connectivity::Corners } else { Connectivity::Faces };
            let axis = (case % 3) as usize;
            let slice = (case % 4 == 1).then(|| (axis, dims[axis] / 2));
            let extent = slice.map_or(Extent::Volume, |(axis, index)| Extent::Slice { axis, index });
            let mut want = parts(&before, dims, corners, slice);
            if want.is_empty() {
                continue;
            }
            // In a slice across i or j the parts of equal size are met in another order: take a case without ties.
            let sizes: BTreeSet<usize> = want.iter().map(Vec::len).collect();
            let untied = sizes.len() == want.len();
            want.sort_by_key(|p| std::cmp::Reverse(p.len()));
            let chosen = (next(&mut state) % want.len() as u64) as usize;
            let seed = want[chosen][want[chosen].len() / 2];
            let cases: Vec<(Islands, Labelled<'_>)> = vec![
                (Islands::KeepLargest, Box::new(|n| u8::from(n == 0))),
                (Islands::RemoveSmaller { voxels: 9 }, Box::new(|n| u8::from(want[n].len() >= 9))),
                (Islands::KeepAt(seed), Box::new(|n| u8::from(n == chosen))),
                (Islands::RemoveAt(seed), Box::new(|n| u8::from(n != chosen))),
                (
                    Islands::Split { labels: vec![9, 7], voxels: 2 },
                    Box::new(|n| if n > 0 && n < 3 && want[n].len() > 1 { [9, 7][n - 1] } else { 1 }),
                ),
            ];
            for (what, label) in &cases {
                let ordered = matches!(what, Islands::KeepLargest | Islands::Split { .. });
                if ordered && !untied && slice.is_some() {
                    continue;
                }
                let mut map = before.clone();
                let rule = PaintRule::paint(1, [false; 256]);
                let done = islands(&mut map, &rule, what, connectivity, extent, &NoWatch).unwrap();
                let mut expected = before.clone();
                for (n, part) in want.iter().enumerate() {
                    for v in part {
                        expected.set(*v, label(n));
                    }
                }
                assert_eq!(map.to_dense(), expected.to_dense(), "case {case}: {what:?}");
                done.delta.revert(&mut map);
                assert_eq!(map, before);
            }
        }
    }

    #[test]
    fn a_click_beside_the_segment_is_told() {
        let mut map = LabelMap::empty(grid([20, 20, 4]));
        let rule = PaintRule::paint(1, [false; 256]);
        let run = |map: &mut LabelMap, what| {
            islands(map, &rule, &what, Connectivity::Faces, Extent::Volume, &NoWatch).unwrap_err()
        };
        assert_eq!(run(&mut map, Islands::KeepLargest), EditError::EmptySegment);
        map.set([3, 3, 3], 1);
        assert_eq!(run(&mut map, Islands::KeepAt([4, 3, 3])), EditError::NoIsland);
        assert_eq!(run(&mut map, Islands::RemoveAt([400, 3, 3])), EditError::NoIsland);
    }
}
