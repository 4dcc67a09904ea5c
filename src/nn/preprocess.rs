//! Slices as the network sees them: reading orientation, resampling, HU to network input. Shared by training and
//! prediction, so that what was learned is what is asked.

use crate::core::{Geometry, LabelId, LabelMap, Plane, PlaneAxes, Volume, VoxelBox};
use glam::DVec3;
use serde::{Deserialize, Serialize};

/// What happens to a slice in front of the network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreprocessConfig {
    /// Slices are resampled to `size` x `size` pixels whatever their shape.
    pub size: usize,
    pub intensity: Intensity,
}

/// HU to network input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Intensity {
    /// Clip to `low..=high` HU and map to `0..=1`.
    Window { low: f32, high: f32 },
    /// Divide by a constant, without clipping.
    Divide { by: f32 },
}

impl Intensity {
    /// One value.
    pub fn apply(&self, hu: f32) -> f32 {
        match *self {
            Self::Window { low, high } => ((hu - low) / (high - low)).clamp(0.0, 1.0),
            Self::Divide { by } => hu / by,
        }
    }

    /// What is wrong with the numbers, or `None`.
    pub fn problem(&self) -> Option<String> {
        match *self {
            Self::Window { low, high } if !(low.is_finite() && high.is_finite() && low < high) => {
                Some(format!("preprocessing.intensity: the window from {low} to {high} HU is empty"))
            }
            Self::Divide { by } if !(by.is_finite() && by > 0.0) => {
                Some(format!("preprocessing.intensity: dividing by {by} makes no sense"))
            }
            _ => None,
        }
    }
}

/// Axial slices in reading orientation (patient's right at the left, anterior at the top), however the voxels are
/// stored: a network trained on DICOM then meets NIfTI the same way up.
#[derive(Debug, Clone, Copy)]
pub struct AxialView {
    axes: PlaneAxes,
    dims: [usize; 3],
}

impl AxialView {
    /// The view of a grid.
    pub fn new(geometry: &Geometry) -> Self {
        Self { axes: PlaneAxes::of(geometry, Plane::Axial), dims: geometry.dims() }
    }

    /// Columns, rows and slices.
    pub fn size(&self) -> [usize; 3] {
        [self.dims[self.axes.right], self.dims[self.axes.down], self.dims[self.axes.through]]
    }

    /// Voxel of a pixel of a slice.
    ///
    /// # Panics
    /// When the pixel lies outside the slice.
    pub fn voxel(&self, x: usize, y: usize, slice: usize) -> [usize; 3] {
        let mut voxel = [0; 3];
        let flip = |axis: usize, on: bool, v: usize| if on { self.dims[axis] - 1 - v } else { v };
        voxel[self.axes.right] = flip(self.axes.right, self.axes.right_flip, x);
        voxel[self.axes.down] = flip(self.axes.down, self.axes.down_flip, y);
        voxel[self.axes.through] = slice;
        voxel
    }

    /// Pixel (column, row) that a continuous voxel position lies on.
    pub fn pixel(&self, voxel: DVec3) -> [f64; 2] {
        let at = |axis: usize, flip: bool| if flip { self.dims[axis] as f64 - 1.0 - voxel[axis] } else { voxel[axis] };
        [at(self.axes.right, self.axes.right_flip), at(self.axes.down, self.axes.down_flip)]
    }

    /// Linear index of every pixel of a slice, rows from the top.
    fn indices(&self, slice: usize) -> impl Iterator<Item = usize> + '_ {
        let [width, height, _] = self.size();
        (0..height).flat_map(move |y| {
            (0..width).map(move |x| {
                let v = self.voxel(x, y, slice);
                (v[2] * self.dims[1] + v[1]) * self.dims[0] + v[0]
            })
        })
    }

    /// Whether its slices are those along the grid's third axis.
    pub fn is_along_k(&self) -> bool {
        self.axes.through == 2
    }

    /// HU of one slice.
    pub fn slice(&self, volume: &Volume, slice: usize) -> Vec<f32> {
        let hu = volume.hu();
        self.indices(slice).map(|i| hu.get(i).copied().map_or(0.0, f32::from)).collect()
    }

    /// Labels of one slice.
    pub fn label_slice(&self, labels: &LabelMap, slice: usize) -> Vec<LabelId> {
        let [width, height, slices] = self.size();
        if slice >= slices {
            return vec![0; width * height];
        }
        let mut region = VoxelBox { min: [0; 3], max: self.dims };
        region.min[self.axes.through] = slice;
        region.max[self.axes.through] = slice + 1;
        let mut dense = vec![0; width * height];
        labels.copy_box(region, &mut dense);
        // `copy_box` wrote the one-voxel-thick box in storage order; read it in reading order.
        let mut dims = self.dims;
        dims[self.axes.through] = 1;
        let mut out = Vec::with_capacity(dense.len());
        for y in 0..height {
            for x in 0..width {
                let mut v = self.voxel(x, y, slice);
                v[self.axes.through] = 0;
                out.push(dense[(v[2] * dims[1] + v[1]) * dims[0] + v[0]]);
            }
        }
        out
    }

    /// Writes the labels of one slice (as many as it has pixels) into dense storage order.
    pub fn put_labels(&self, dense: &mut [LabelId], slice: usize, labels: &[LabelId]) {
        for (index, &label) in self.indices(slice).zip(labels) {
            if let Some(target) = dense.get_mut(index) {
                *target = label;
            }
        }
    }
}

/// For each of `to` target pixels: the first of `from` source pixels and the weights from there on (neither is 0). What
/// keeps its size is copied.
pub fn resampling_weights(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    if from == to {
        return (0..to).map(|at| (at, vec![1.0])).collect();
    }
    let scale = from as f64 / to as f64;
    // A triangle as wide as the larger of the two pixels: linear interpolation when growing, and no aliasing when
    // shrinking (as in PIL's and PyTorch's antialiased bilinear resampling).
    let support = scale.max(1.0);
    (0..to)
        .map(|t| {
            let centre = (t as f64 + 0.5) * scale;
            let first = ((centre - support).floor().max(0.0) as usize).min(from - 1);
            let last = ((centre + support).ceil() as usize).clamp(first + 1, from);
            let mut weights: Vec<f64> =
                (first..last).map(|s| (1.0 - ((s as f64 + 0.5 - centre) / support).abs()).max(0.0)).collect();
            let sum: f64 = weights.iter().sum();
            if sum > 0.0 {
                weights.iter_mut().for_each(|w| *w /= sum);
            } else if let Some(w) = weights.first_mut() {
                *w = 1.0;
            }
            (first, weights.into_iter().map(|w| w as f32).collect())
        })
        .collect()
}

/// Resamples a `width` x `height` image (rows from the top, neither 0) linearly, with antialiasing when it shrinks.
pub fn resize_linear(image: &[f32], [width, height]: [usize; 2], [to_width, to_height]: [usize; 2]) -> Vec<f32> {
    if [width, height] == [to_width, to_height] {
        return image.to_vec();
    }
    let (columns, rows) = (resampling_weights(width, to_width), resampling_weights(height, to_height));
    let mut narrow = Vec::with_capacity(to_width * height);
    for row in image.chunks_exact(width) {
        narrow.extend(
            columns.iter().map(|(first, weights)| row[*first..].iter().zip(weights).map(|(v, w)| v * w).sum::<f32>()),
        );
    }
    let mut out = vec![0.0; to_width * to_height];
    for (target, (first, weights)) in out.chunks_exact_mut(to_width).zip(&rows) {
        for (source, weight) in narrow.chunks_exact(to_width).skip(*first).zip(weights) {
            for (t, s) in target.iter_mut().zip(source) {
                *t += s * weight;
            }
        }
    }
    out
}

/// HU of a slice resampled to `size` x `size` and rounded, as they are cached for training and given to the network.
pub fn resample_hu(hu: &[f32], from: [usize; 2], size: usize) -> Vec<i16> {
    // `as` saturates, which is what HU beyond 16 bits deserve.
    resize_linear(hu, from, [size, size]).into_iter().map(|v| v.round() as i16).collect()
}

/// Resamples labels to the nearest pixel centre.
pub fn resize_labels(
    labels: &[LabelId],
    [width, height]: [usize; 2],
    [to_width, to_height]: [usize; 2],
) -> Vec<LabelId> {
    if [width, height] == [to_width, to_height] {
        return labels.to_vec();
    }
    let pick = |from: usize, to: usize| -> Vec<usize> {
        (0..to).map(|t| ((2 * t + 1) * from / (2 * to)).min(from - 1)).collect()
    };
    let (columns, rows) = (pick(width, to_width), pick(height, to_height));
    rows.iter().flat_map(|y| columns.iter().map(move |x| labels[y * width + x])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{DAffine3, DMat3, DVec3};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn resampling_keeps_constants_and_bounds(w in 1usize..40, h in 1usize..40, tw in 1usize..40, th in 1usize..40, c in -1000f32..1000.0) {
            let flat = resize_linear(&vec![c; w * h], [w, h], [tw, th]);
            prop_assert_eq!(flat.len(), tw * th);
            prop_assert!(flat.iter().all(|v| (v - c).abs() < 1e-2));
            let labels: Vec<u8> = (0..w * h).map(|i| (i % 5) as u8).collect();
            let out = resize_labels(&labels, [w, h], [tw, th]);
            prop_assert!(out.len() == tw * th && out.iter().all(|v| labels.contains(v)));
        }
    }

    #[test]
    fn halving_averages_and_doubling_interpolates() {
        // Growing by 2 with half-pixel centres: weights 3/4 and 1/4.
        assert_eq!(resize_linear(&[0.0, 4.0], [2, 1], [4, 1]), [0.0, 1.0, 3.0, 4.0]);
        // Shrinking by 2: a triangle of support 2 over 4 pixels, 1 3 3 1 over 8, cut at the border.
        let out = resize_linear(&[0.0, 0.0, 8.0, 8.0, 0.0, 0.0], [6, 1], [3, 1]);
        assert!((out[1] - 6.0).abs() < 1e-5 && (out[0] - 8.0 / 7.0).abs() < 1e-5, "{out:?}");
    }

    #[test]
    fn every_storage_order_gives_the_same_picture() {
        let lps = Geometry::axis_aligned([3, 4, 2], DVec3::ONE, DVec3::ZERO).unwrap();
        let ras = Geometry::new(
            [3, 4, 2],
            DAffine3 {
                matrix3: DMat3::from_diagonal(DVec3::new(-1.0, -1.0, 1.0)),
                translation: DVec3::new(2.0, 3.0, 0.0),
            },
        )
        .unwrap();
        let values: Vec<i16> = (0..24).collect();
        // The same patient stored with x and y reversed.
        let reversed: Vec<i16> = values.chunks(12).flat_map(|s| s.iter().rev().copied().collect::<Vec<_>>()).collect();
        let (a, b) = (Volume::new(lps, values).unwrap(), Volume::new(ras, reversed).unwrap());
        for k in 0..2 {
            assert_eq!(AxialView::new(&lps).slice(&a, k), AxialView::new(&ras).slice(&b, k));
        }
        let view = AxialView::new(&ras);
        let mut dense = vec![0; 24];
        let picture: Vec<u8> = (1..13).collect();
        view.put_labels(&mut dense, 1, &picture);
        let map = LabelMap::from_dense(ras, &dense).unwrap();
        assert_eq!(view.label_slice(&map, 1), picture);
        assert_eq!(view.label_slice(&map, 0), [0; 12]);
    }
}
