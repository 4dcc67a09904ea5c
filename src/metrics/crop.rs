//! The part of the grid that holds either mask, as dense masks, and the masks' surfaces in it.

use super::Select;
use super::error::MetricError;
use crate::core::{LabelMap, VoxelBox};
use rayon::prelude::*;

/// A mask over a box of the grid: one byte (0 or 1) a voxel, i fastest. Outside the box there is none of it.
pub(super) struct CroppedMask {
    size: [usize; 3],
    mask: Vec<u8>,
}

/// Surface voxels by plane k, each plane's `[i, j]` in the order of j, then i; coordinates count from the box's corner.
#[derive(Debug, Clone)]
pub(super) struct Surface {
    pub planes: Vec<Vec<[u16; 2]>>,
}

/// Which neighbours make a foreground voxel a surface voxel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Neighbours {
    /// The 4 in the slice.
    InSlice,
    /// The 6 that share a face.
    Faces,
    /// The 8 in the slice.
    AllInSlice,
    /// All 26.
    All,
}

impl Neighbours {
    fn in_slice(self) -> bool {
        matches!(self, Self::InSlice | Self::AllInSlice)
    }

    fn by_corners(self) -> bool {
        matches!(self, Self::AllInSlice | Self::All)
    }
}

/// For each axis, whether what lies beyond the low and the high side of a box counts as foreground.
pub(super) type OpenSides = [[bool; 2]; 3];

impl CroppedMask {
    /// What `select` picks inside `region`.
    ///
    /// # Errors
    /// [`MetricError::TooLarge`] when coordinates in the region, or of the corners around it, do not fit 16 bits.
    pub fn new(map: &LabelMap, select: Select, region: VoxelBox) -> Result<Self, MetricError> {
        let size: [usize; 3] = std::array::from_fn(|a| region.max[a].saturating_sub(region.min[a]));
        let longest = size.into_iter().max().unwrap_or(0);
        if longest >= usize::from(u16::MAX) {
            return Err(MetricError::TooLarge(longest));
        }
        let mut mask = vec![0; size[0] * size[1] * size[2]];
        mask.par_chunks_mut((size[0] * size[1]).max(1)).enumerate().for_each(|(k, plane)| {
            let mut slab = region;
            (slab.min[2], slab.max[2]) = (region.min[2] + k, region.min[2] + k + 1);
            map.copy_box(slab, plane);
            select.mask_in_place(plane);
        });
        Ok(Self { size, mask })
    }

    /// Voxels along i, j, k.
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// Plane k, i fastest.
    pub fn plane(&self, k: usize) -> &[u8] {
        let area = self.size[0] * self.size[1];
        &self.mask[k * area..(k + 1) * area]
    }

    fn row(&self, j: usize, k: usize) -> &[u8] {
        let from = (k * self.size[1] + j) * self.size[0];
        &self.mask[from..from + self.size[0]]
    }

    /// Foreground voxels with a background neighbour. Beyond the box lies background, but for the sides in `open`.
    pub fn surface(&self, neighbours: Neighbours, open: OpenSides) -> Surface {
        let [nx, ny, nz] = self.size;
        let (zeros, ones) = (vec![0; nx], vec![1; nx]);
        // Whether a step to before 0 or to the end leaves the box, and by which kind of side.
        let beyond = |at: usize, size: usize, axis: usize| (at >= size).then(|| open[axis][usize::from(at == size)]);
        let row = |j: usize, k: usize| match (beyond(j, ny, 1), beyond(k, nz, 2)) {
            (None, None) => self.row(j, k),
            (Some(true), _) | (_, Some(true)) => ones.as_slice(),
            _ => zeros.as_slice(),
        };
        let ends = [open[0][0], open[0][1]].map(u8::from);
        let planes = (0..nz)
            .into_par_iter()
            .map(|k| {
                let mut found = Vec::new();
                let mut edge = vec![0u8; nx];
                for j in 0..ny {
                    let here = self.row(j, k);
                    let (up, down) = (j.wrapping_sub(1), j + 1);
                    let (front, back) = (k.wrapping_sub(1), k + 1);
                    edge_of_row(here, [row(up, k), row(down, k)], ends, &mut edge);
                    if !neighbours.in_slice() {
                        erode(here, row(j, front), &mut edge);
                        erode(here, row(j, back), &mut edge);
                    }
                    if neighbours.by_corners() {
                        let planes = if neighbours.in_slice() { &[k][..] } else { &[front, k, back] };
                        for &plane in planes {
                            for line in [up, j, down] {
                                let other = row(line, plane);
                                erode(here, other, &mut edge);
                                erode_beside(here, other, ends, &mut edge);
                            }
                        }
                    }
                    push_row(&edge, j, &mut found);
                }
                found
            })
            .collect();
        Surface { planes }
    }

    /// Every voxel of the mask that `other`, of the same box, does not have; every voxel where there is no other.
    pub fn voxels(&self, other: Option<&Self>) -> Surface {
        let [nx, ny, nz] = self.size;
        let planes = (0..nz).into_par_iter().map(|k| {
            let mut found = Vec::new();
            let mut kept = vec![0u8; nx];
            for j in 0..ny {
                kept.copy_from_slice(self.row(j, k));
                if let Some(other) = other {
                    kept.iter_mut().zip(other.row(j, k)).for_each(|(mine, theirs)| *mine &= 1 - theirs);
                }
                push_row(&kept, j, &mut found);
            }
            found
        });
        Surface { planes: planes.collect() }
    }

    /// Voxels of the mask.
    pub fn count(&self) -> u64 {
        self.mask.par_chunks(1 << 16).map(|c| c.iter().map(|&v| u64::from(v)).sum::<u64>()).sum()
    }

    /// Only plane k.
    pub fn slice(&self, k: usize) -> Self {
        Self { size: [self.size[0], self.size[1], 1], mask: self.plane(k).to_vec() }
    }
}

/// Adds the marked voxels of row `j`.
fn push_row(marks: &[u8], j: usize, found: &mut Vec<[u16; 2]>) {
    // Eight voxels at a time: most rows have few.
    for (chunk, bytes) in marks.chunks(8).enumerate() {
        if bytes.iter().any(|&b| b != 0) {
            let hits = bytes.iter().enumerate().filter(|(_, b)| **b != 0);
            found.extend(hits.map(|(n, _)| [(chunk * 8 + n) as u16, j as u16]));
        }
    }
}

/// Marks voxels of `here` that are set while one of the neighbours along i, or in the two rows beside it, is not.
/// `ends` is what lies before the first and after the last voxel.
fn edge_of_row(here: &[u8], [up, down]: [&[u8]; 2], ends: [u8; 2], edge: &mut [u8]) {
    let n = here.len();
    for x in 0..n {
        edge[x] = here[x] & !(up[x] & down[x]);
    }
    for x in 1..n.saturating_sub(1) {
        edge[x] |= here[x] & !(here[x - 1] & here[x + 1]);
    }
    if n > 0 {
        let next = if n > 1 { here[1] } else { ends[1] };
        let last = if n > 1 { here[n - 2] } else { ends[0] };
        edge[0] |= here[0] & !(ends[0] & next);
        edge[n - 1] |= here[n - 1] & !(ends[1] & last);
    }
}

/// Marks voxels of `here` whose neighbour in `other` is not set.
fn erode(here: &[u8], other: &[u8], edge: &mut [u8]) {
    for ((mark, &mine), &theirs) in edge.iter_mut().zip(here).zip(other) {
        *mark |= mine & !theirs;
    }
}

/// As [`erode`], for the two neighbours beside the one in `other`.
fn erode_beside(here: &[u8], other: &[u8], ends: [u8; 2], edge: &mut [u8]) {
    let n = here.len();
    if n == 0 {
        return;
    }
    erode(&here[1..], &other[..n - 1], &mut edge[1..]);
    erode(&here[..n - 1], &other[1..], &mut edge[..n - 1]);
    edge[0] |= here[0] & !ends[0];
    edge[n - 1] |= here[n - 1] & !ends[1];
}

impl Surface {
    /// Number of surface voxels.
    pub fn len(&self) -> usize {
        self.planes.iter().map(Vec::len).sum()
    }

    /// No points.
    pub fn is_empty(&self) -> bool {
        self.planes.iter().all(Vec::is_empty)
    }
}

/// Moves all sets of points to the corner of their common box; gives the box's offset and size.
pub(super) fn tighten(sets: &mut [&mut Surface]) -> ([usize; 2], [usize; 3]) {
    let (mut min, mut max) = ([u16::MAX; 2], [0u16; 2]);
    for p in sets.iter().flat_map(|s| &s.planes).flatten() {
        for axis in 0..2 {
            min[axis] = min[axis].min(p[axis]);
            max[axis] = max[axis].max(p[axis]);
        }
    }
    if min[0] > max[0] {
        return ([0; 2], [0; 3]);
    }
    for p in sets.iter_mut().flat_map(|s| &mut s.planes).flatten() {
        *p = [p[0] - min[0], p[1] - min[1]];
    }
    let span = |axis: usize| usize::from(max[axis] - min[axis]) + 1;
    (min.map(usize::from), [span(0), span(1), sets.first().map_or(0, |s| s.planes.len())])
}
