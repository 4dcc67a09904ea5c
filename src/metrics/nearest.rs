//! Exact nearest-site search on a grid with unequal spacing.
//!
//! The separable Euclidean distance transform of Felzenszwalb and Huttenlocher ("Distance transforms of sampled
//! functions", 2012) along i and j of every plane; along k each query looks at planes ever farther away until none
//! can be nearer. Only the query voxels pay for the third axis, and sites are stored instead of rounded distances, so
//! that the result is exact to the last bits of `f64`.

use super::crop::Surface;
use super::error::MetricError;
use crate::jobs::CancelToken;
use rayon::prelude::*;

/// For every voxel of a box and every plane, the nearest site within that plane.
pub(super) struct NearestSites {
    size: [usize; 3],
    spacing: [f64; 3],
    /// Plane after plane, in each i slowest and j fastest: `site j << 16 | site i`. 4 bytes a voxel.
    sites: Vec<u32>,
    occupied: Vec<bool>,
}

impl NearestSites {
    /// `size` is the box that holds sites and queries; `spacing` in any unit, the distances come in the same.
    ///
    /// # Errors
    /// [`MetricError::Cancelled`].
    pub fn new(
        surface: &Surface,
        size: [usize; 3],
        spacing: [f64; 3],
        cancel: &CancelToken,
    ) -> Result<Self, MetricError> {
        let area = size[0] * size[1];
        let mut sites = vec![0u32; area * size[2]];
        sites.par_chunks_mut(area.max(1)).zip(&surface.planes).for_each_init(
            Scratch::default,
            |scratch, (out, plane)| {
                if !cancel.is_cancelled() {
                    scratch.fill_plane(plane, size, spacing, out);
                }
            },
        );
        if cancel.is_cancelled() {
            return Err(MetricError::Cancelled);
        }
        let occupied = surface.planes.iter().map(|p| !p.is_empty()).collect();
        Ok(Self { size, spacing, sites, occupied })
    }

    /// Squared distance to the nearest site and the site; infinite when there is no site at all.
    pub fn nearest(&self, [i, j]: [u16; 2], k: usize) -> (f64, [usize; 3]) {
        let [nx, ny, nz] = self.size;
        let at = usize::from(i) * ny + usize::from(j);
        let mut best = (f64::INFINITY, [0; 3]);
        for step in 0..nz {
            let through = step as f64 * self.spacing[2];
            let through = through * through;
            if through >= best.0 || (step > k && k + step >= nz) {
                break;
            }
            for plane in [k.wrapping_sub(step), k + step] {
                if !self.occupied.get(plane).copied().unwrap_or(false) {
                    continue;
                }
                let site = self.sites[plane * nx * ny + at];
                let (si, sj) = ((site & 0xffff) as u16, (site >> 16) as u16);
                let di = (f64::from(i) - f64::from(si)) * self.spacing[0];
                let dj = (f64::from(j) - f64::from(sj)) * self.spacing[1];
                let squared = di * di + dj * dj + through;
                if squared < best.0 {
                    best = (squared, [usize::from(si), usize::from(sj), plane]);
                }
            }
        }
        best
    }
}

/// A parabola of the lower envelope: it is lowest from `start` on.
#[derive(Clone, Copy)]
struct Parabola {
    row: usize,
    height: f64,
    start: f64,
}

/// Buffers that one worker uses for plane after plane.
#[derive(Default)]
struct Scratch {
    /// Rows j that have sites.
    rows: Vec<u16>,
    /// For each of those rows, the nearest site's i for every i.
    nearest_i: Vec<u16>,
    envelope: Vec<Parabola>,
    /// `1 / (2 n spacing_j^2)`.
    reciprocal: Vec<f64>,
}

impl Scratch {
    fn fill_plane(&mut self, sites: &[[u16; 2]], size: [usize; 3], spacing: [f64; 3], out: &mut [u32]) {
        if sites.is_empty() {
            return;
        }
        let [nx, ny, _] = size;
        self.fill_rows(sites, nx);
        let (step_i, step_j) = (spacing[0] * spacing[0], spacing[1] * spacing[1]);
        self.reciprocal.clear();
        self.reciprocal.extend((0..ny).map(|n| 1.0 / (2.0 * n as f64 * step_j)));
        for (i, column) in out.chunks_exact_mut(ny).enumerate() {
            self.envelope.clear();
            for (row, &j) in self.rows.iter().enumerate() {
                let di = i as f64 - f64::from(self.nearest_i[row * nx + i]);
                let height = di * di * step_i + f64::from(j) * f64::from(j) * step_j;
                let mut start = f64::NEG_INFINITY;
                while let Some(top) = self.envelope.last() {
                    start = (height - top.height) * self.reciprocal[usize::from(j - self.rows[top.row])];
                    if start > top.start {
                        break;
                    }
                    self.envelope.pop();
                    start = f64::NEG_INFINITY;
                }
                // A parabola that is lowest only beyond the last voxel is never needed.
                if start < ny as f64 {
                    self.envelope.push(Parabola { row, height, start });
                }
            }
            let mut from = 0;
            for n in 0..self.envelope.len() {
                let end = self.envelope.get(n + 1).map_or(ny, |next| (next.start.ceil().max(0.0) as usize).min(ny));
                let row = self.envelope[n].row;
                let site = u32::from(self.rows[row]) << 16 | u32::from(self.nearest_i[row * nx + i]);
                if end > from {
                    column[from..end].fill(site);
                    from = end;
                }
            }
        }
    }

    /// Nearest site of every row that has one: each site owns the voxels up to halfway to the next.
    fn fill_rows(&mut self, sites: &[[u16; 2]], nx: usize) {
        self.rows.clear();
        self.nearest_i.clear();
        for row in sites.chunk_by(|p, q| p[1] == q[1]) {
            self.rows.push(row[0][1]);
            for pair in row.windows(2) {
                let halfway = (usize::from(pair[0][0]) + usize::from(pair[1][0])) / 2 + 1;
                self.nearest_i.resize((self.rows.len() - 1) * nx + halfway, pair[0][0]);
            }
            self.nearest_i.resize(self.rows.len() * nx, row[row.len() - 1][0]);
        }
    }
}
