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
}

impl CroppedMask {
    /// What `select` picks inside `region`.
    ///
    /// # Errors
    /// [`MetricError::TooLarge`] when coordinates in the region do not fit 16 bits.
    pub fn new(map: &LabelMap, select: Select, region: VoxelBox) -> Result<Self, MetricError> {
        let size: [usize; 3] = std::array::from_fn(|a| region.max[a].saturating_sub(region.min[a]));
        let longest = size.into_iter().max().unwrap_or(0);
        if longest > usize::from(u16::MAX) {
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

    fn row(&self, j: usize, k: usize) -> &[u8] {
        let from = (k * self.size[1] + j) * self.size[0];
        &self.mask[from..from + self.size[0]]
    }

    /// Foreground voxels with a background neighbour; the border of the box, and so of the image, is background.
    pub fn surface(&self, neighbours: Neighbours) -> Surface {
        let [nx, ny, nz] = self.size;
        let zeros = vec![0; nx];
        let planes = (0..nz)
            .into_par_iter()
            .map(|k| {
                let mut found = Vec::new();
                let mut edge = vec![0u8; nx];
                for j in 0..ny {
                    let here = self.row(j, k);
                    let at = |j: usize, k: usize| if j < ny && k < nz { self.row(j, k) } else { zeros.as_slice() };
                    let (up, down) = (at(j.wrapping_sub(1), k), at(j + 1, k));
                    let (front, back) = match neighbours {
                        Neighbours::InSlice => (here, here),
                        Neighbours::Faces => (at(j, k.wrapping_sub(1)), at(j, k + 1)),
                    };
                    edge_of_row(here, [up, down, front, back], &mut edge);
                    // Eight voxels at a time: most rows have few surface voxels.
                    for (chunk, bytes) in edge.chunks(8).enumerate() {
                        if bytes.iter().any(|&b| b != 0) {
                            let hits = bytes.iter().enumerate().filter(|(_, b)| **b != 0);
                            found.extend(hits.map(|(n, _)| [(chunk * 8 + n) as u16, j as u16]));
                        }
                    }
                }
                found
            })
            .collect();
        Surface { planes }
    }
}

/// Marks voxels of `here` that are set while one of the neighbours along i, or in the four other rows, is not.
fn edge_of_row(here: &[u8], others: [&[u8]; 4], edge: &mut [u8]) {
    let n = here.len();
    let [up, down, front, back] = others;
    for x in 0..n {
        edge[x] = here[x] & !(up[x] & down[x] & front[x] & back[x]);
    }
    for x in 1..n.saturating_sub(1) {
        edge[x] |= here[x] & !(here[x - 1] & here[x + 1]);
    }
    // Beyond the box's ends lies background.
    if n > 0 {
        edge[0] = here[0];
        edge[n - 1] = here[n - 1];
    }
}

impl Surface {
    /// Number of surface voxels.
    pub fn len(&self) -> usize {
        self.planes.iter().map(Vec::len).sum()
    }

    /// Only plane k.
    pub fn plane(&self, k: usize) -> Self {
        Self { planes: vec![self.planes[k].clone()] }
    }
}

/// Moves both surfaces to the corner of their common box; gives the box's offset and size.
pub(super) fn tighten(a: &mut Surface, b: &mut Surface) -> ([usize; 2], [usize; 3]) {
    let points = || a.planes.iter().chain(&b.planes).flatten();
    let (mut min, mut max) = ([u16::MAX; 2], [0u16; 2]);
    for p in points() {
        for axis in 0..2 {
            min[axis] = min[axis].min(p[axis]);
            max[axis] = max[axis].max(p[axis]);
        }
    }
    if min[0] > max[0] {
        return ([0; 2], [0; 3]);
    }
    for p in a.planes.iter_mut().chain(&mut b.planes).flatten() {
        *p = [p[0] - min[0], p[1] - min[1]];
    }
    let span = |axis: usize| usize::from(max[axis] - min[axis]) + 1;
    (min.map(usize::from), [span(0), span(1), a.planes.len()])
}
