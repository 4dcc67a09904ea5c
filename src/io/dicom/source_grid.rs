//! The slices a stack was acquired as, beside the voxel grid it is open on: where each lies, and label maps carried
//! between the two.
//!
//! Writers of DICOM masks use [`SourceFrames`], so that a mask drawn on a resampled grid leaves on the planes of the
//! source slices. Readers use [`SourceSlices`] to bring masks of the source slices onto the grid. For a stack that
//! was not resampled both are the grid itself, and nothing is copied.
//!
//! A resampled grid is parallel to its slices and has their pixel spacing (see `regular`), so the mapping of a slice
//! is a shift: pixel (i, j) of slice n lies at voxel (i, j, 0) + `offsets()[n]`.

use crate::core::{Geometry, LabelId, LabelMap, VoxelBox};
use crate::io::DicomStack;
use glam::{DAffine3, DMat3, DVec3};
use std::borrow::Cow;

/// Largest slice that is held; the same bound as for a frame that is decoded.
const MAX_SLICE_PIXELS: usize = 4096 * 4096;
/// Neighbouring slices are evenly spaced when their distances differ by less than this part of the first.
const EVEN: f64 = 0.01;

/// Places of the slices of a stack.
#[derive(Debug, Clone)]
pub struct SourceSlices {
    grid: Geometry,
    size: [usize; 2],
    /// Voxel position of each slice's first pixel, ascending in z.
    offsets: Vec<DVec3>,
    /// Centre of each slice's first pixel, LPS mm.
    positions: Vec<DVec3>,
    thickness: f64,
    resampled: bool,
}

impl SourceSlices {
    /// `None` when the stack contradicts itself: another number of slices than its grid has, or resampled from slices
    /// whose places are not known or not in order.
    pub fn of(stack: &DicomStack) -> Option<Self> {
        let grid = stack.geometry;
        let [nx, ny, nz] = grid.dims();
        let step = grid.world_from_voxel().matrix3.z_axis;
        let Some(resampling) = &stack.resampling else {
            if stack.slices.len() != nz {
                return None;
            }
            let offsets: Vec<DVec3> = (0..nz).map(|k| DVec3::new(0.0, 0.0, k as f64)).collect();
            let own = stack.slices.iter().map(|s| s.position).zip(&offsets);
            return Some(Self {
                grid,
                size: [nx, ny],
                positions: own.map(|(p, o)| p.unwrap_or(grid.world_from_voxel().transform_point3(*o))).collect(),
                offsets,
                thickness: step.dot(normal(&grid)).abs(),
                resampled: false,
            });
        };
        let [columns, rows] = resampling.slice_size;
        let fits = columns > 0 && rows > 0 && columns.checked_mul(rows).is_some_and(|n| n <= MAX_SLICE_PIXELS);
        let positions: Vec<DVec3> = stack.slices.iter().map(|s| s.position).collect::<Option<_>>()?;
        let voxel_from_world = grid.voxel_from_world();
        let offsets: Vec<DVec3> = positions.iter().map(|p| voxel_from_world.transform_point3(*p)).collect();
        let ordered = offsets.windows(2).all(|w| w[1].z > w[0].z);
        let bounded = offsets.iter().all(|o| o.is_finite() && o.abs().max_element() < 1e6);
        let thickness = resampling.slice_thickness;
        let sound = fits && ordered && bounded && !offsets.is_empty() && thickness.is_finite() && thickness > 0.0;
        sound.then_some(Self { grid, size: resampling.slice_size, offsets, positions, thickness, resampled: true })
    }

    /// Number of slices.
    pub fn count(&self) -> usize {
        self.offsets.len()
    }

    /// Columns and rows of a slice.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The grid that the stack is open on.
    pub fn grid(&self) -> &Geometry {
        &self.grid
    }

    /// Whether the grid is another than that of the slices.
    pub fn is_resampled(&self) -> bool {
        self.resampled
    }

    /// Voxel position of each slice's first pixel, ascending in z.
    pub fn offsets(&self) -> &[DVec3] {
        &self.offsets
    }

    /// Centre of slice `n`'s first pixel, LPS mm; `None` beyond the last slice.
    pub fn position(&self, n: usize) -> Option<DVec3> {
        self.positions.get(n).copied()
    }

    /// Thickness of a slice in mm.
    pub fn thickness(&self) -> f64 {
        self.thickness
    }

    /// Distance of neighbouring slices along their normal in mm, when it is the same everywhere (within 1 %).
    pub fn spacing(&self) -> Option<f64> {
        let normal = normal(&self.grid);
        let mut gaps = self.positions.windows(2).map(|w| (w[1] - w[0]).dot(normal).abs());
        let first = gaps.next()?;
        gaps.all(|gap| (gap - first).abs() <= EVEN * first).then_some(first)
    }

    /// Slice `n` as a grid of one slice: columns x rows x 1, the third axis along the normal by the thickness.
    pub fn plane(&self, n: usize) -> Option<Geometry> {
        let m = self.grid.world_from_voxel().matrix3;
        let matrix3 = DMat3::from_cols(m.x_axis, m.y_axis, normal(&self.grid) * self.thickness);
        let [columns, rows] = self.size;
        Geometry::new([columns, rows, 1], DAffine3 { matrix3, translation: *self.positions.get(n)? }).ok()
    }

    /// A grid of one voxel a source pixel, slice `n` at k = n. Its world is that of the slices only as far as they are
    /// evenly spaced; it is a place for labels, not for measuring.
    pub fn index_grid(&self) -> Geometry {
        if !self.resampled {
            return self.grid;
        }
        let m = self.grid.world_from_voxel().matrix3;
        let [columns, rows] = self.size;
        let dims = [columns, rows, self.count()];
        let (first, last) = (self.positions[0], self.positions[self.count() - 1]);
        let step = if dims[2] > 1 { (last - first) / (dims[2] - 1) as f64 } else { m.z_axis };
        let matrix3 = DMat3::from_cols(m.x_axis, m.y_axis, step);
        Geometry::new(dims, DAffine3 { matrix3, translation: first }).unwrap_or(self.grid)
    }

    /// Column, row and slice number (all continuous) of a point in LPS mm. Between two slices the number is their
    /// mean by distance; beyond the ends it goes on at the distance of the last two.
    pub fn index_from_world(&self, point: DVec3) -> DVec3 {
        let voxel = self.grid.voxel_from_world().transform_point3(point);
        let n = self.offsets.partition_point(|o| o.z <= voxel.z).clamp(1, self.count().max(2) - 1);
        let (Some(a), b) = (self.offsets.get(n - 1), self.offsets.get(n)) else { return voxel };
        let (shift, t) = match b {
            Some(b) => {
                let t = (voxel.z - a.z) / (b.z - a.z);
                (a.lerp(*b, t), t)
            }
            None => (*a, voxel.z - a.z),
        };
        DVec3::new(voxel.x - shift.x, voxel.y - shift.y, (n - 1) as f64 + t)
    }

    /// Labels on the grid from labels on [`Self::index_grid`]: each voxel takes that of the nearest pixel of the nearest
    /// slice, and background beyond the slices' edges.
    pub fn labels_on_grid(&self, on_slices: &LabelMap) -> LabelMap {
        if !self.resampled {
            return on_slices.clone();
        }
        let [nx, ny, nz] = self.grid.dims();
        let mut dense = vec![0; nx * ny * nz];
        let mut pixels = vec![0; self.size[0] * self.size[1]];
        for (k, out) in dense.chunks_exact_mut(nx * ny).enumerate() {
            let z = k as f64;
            // Half a plane beyond the ends still belongs to the last slice.
            if self.offsets[0].z - z > 0.5 || z - self.offsets[self.count() - 1].z > 0.5 {
                continue;
            }
            let n = self.nearest(z);
            let offset = self.offsets[n];
            read_slice(on_slices, n, self.size, &mut pixels);
            let back = [-offset.x, -offset.y].map(|v| v.round() as i64);
            shifted(&pixels, self.size, back, out, [nx, ny]);
        }
        LabelMap::from_dense(self.grid, &dense).unwrap_or_else(|| LabelMap::empty(self.grid))
    }

    /// Number of the slice nearest to grid slice `z`.
    fn nearest(&self, z: f64) -> usize {
        let after = self.offsets.partition_point(|o| o.z < z);
        match (after.checked_sub(1), self.offsets.get(after)) {
            (Some(before), Some(next)) if next.z - z < z - self.offsets[before].z => after,
            (Some(before), _) => before,
            (None, _) => 0,
        }
    }
}

/// A label map slice by slice on the planes of its stack's source slices.
#[derive(Debug, Clone)]
pub struct SourceFrames<'l> {
    slices: SourceSlices,
    labels: Cow<'l, LabelMap>,
}

impl<'l> SourceFrames<'l> {
    /// Takes `labels`, which lie on the stack's grid, to its source slices: each pixel takes the label of the voxel that
    /// its centre lies in. `None` when the labels are on another grid or the stack contradicts itself.
    pub fn new(labels: &'l LabelMap, stack: &DicomStack) -> Option<Self> {
        let slices = SourceSlices::of(stack)?;
        if !labels.geometry().same_grid(&slices.grid, 0.01) {
            return None;
        }
        if !slices.resampled {
            return Some(Self { slices, labels: Cow::Borrowed(labels) });
        }
        let [nx, ny, nz] = slices.grid.dims();
        let [columns, rows] = slices.size;
        let mut dense = vec![0; columns * rows * slices.count()];
        let mut voxels = vec![0; nx * ny];
        for (offset, out) in slices.offsets.iter().zip(dense.chunks_exact_mut(columns * rows)) {
            let k = offset.z.round();
            if k < 0.0 || k >= nz as f64 {
                continue;
            }
            read_slice(labels, k as usize, [nx, ny], &mut voxels);
            let shift = [offset.x, offset.y].map(|v| v.round() as i64);
            shifted(&voxels, [nx, ny], shift, out, slices.size);
        }
        let labels = Cow::Owned(LabelMap::from_dense(slices.index_grid(), &dense)?);
        Some(Self { slices, labels })
    }

    /// Where the slices lie.
    pub fn slices(&self) -> &SourceSlices {
        &self.slices
    }

    /// Labels with k as slice number, see [`SourceSlices::index_grid`].
    pub fn labels(&self) -> &LabelMap {
        &self.labels
    }

    /// Labels of slice `n` into `out`, which holds columns x rows; all background beyond the last slice.
    pub fn read(&self, n: usize, out: &mut [LabelId]) {
        read_slice(&self.labels, n, self.slices.size, out);
    }
}

fn normal(grid: &Geometry) -> DVec3 {
    let m = grid.world_from_voxel().matrix3;
    let normal = m.x_axis.cross(m.y_axis).normalize_or(DVec3::Z);
    if normal.dot(m.z_axis) < 0.0 { -normal } else { normal }
}

fn read_slice(labels: &LabelMap, k: usize, [columns, rows]: [usize; 2], out: &mut [LabelId]) {
    if k < labels.geometry().dims()[2] && out.len() == columns * rows {
        labels.copy_box(VoxelBox { min: [0, 0, k], max: [columns, rows, k + 1] }, out);
    } else {
        out.fill(0);
    }
}

/// `to(i, j) = from(i + shift[0], j + shift[1])`, background outside.
fn shifted(from: &[LabelId], size: [usize; 2], shift: [i64; 2], to: &mut [LabelId], to_size: [usize; 2]) {
    // Columns of `to` that `from` covers.
    let first = (-shift[0]).clamp(0, to_size[0] as i64) as usize;
    let end = (size[0] as i64 - shift[0]).clamp(first as i64, to_size[0] as i64) as usize;
    for (j, row) in to.chunks_exact_mut(to_size[0]).enumerate() {
        row.fill(0);
        let y = j as i64 + shift[1];
        if (0..size[1] as i64).contains(&y) {
            let start = y as usize * size[0] + (first as i64 + shift[0]).max(0) as usize;
            if let Some(source) = from.get(start..start + (end - first)) {
                row[first..end].copy_from_slice(source);
            }
        }
    }
}
