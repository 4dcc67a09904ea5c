//! A CT volume in Hounsfield units, or an image of another modality on a scale of its own.

use super::{Geometry, ValueScale, VoiLut, Window};
use std::sync::Arc;

/// Why a volume was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// The number of samples does not match the grid.
    #[error("the image has {found} samples, its grid asks for {expected}")]
    Length { expected: usize, found: usize },
}

/// Part of the voxels of an image on a scale of its own that its first window shows below white.
const BELOW_WHITE: f64 = 0.995;

/// Immutable after load. Samples are rounded to whole HU and saturated to `i16`; i runs fastest.
#[derive(Debug, Clone)]
pub struct Volume {
    geometry: Geometry,
    hu: Arc<[i16]>,
    range: [i16; 2],
    /// Window of the file's header, when it had one.
    pub header_window: Option<Window>,
    /// Table of grey values of the file's header, when it had one.
    pub header_lut: Option<Arc<VoiLut>>,
    /// What samples mean that are no HU; `None` for CT.
    pub scale: Option<ValueScale>,
}

impl Volume {
    /// Takes samples in i, j, k order.
    ///
    /// # Errors
    /// [`VolumeError::Length`] when the count is not `geometry.voxel_count()`.
    pub fn new(geometry: Geometry, hu: impl Into<Arc<[i16]>>) -> Result<Self, VolumeError> {
        let hu: Arc<[i16]> = hu.into();
        if hu.len() != geometry.voxel_count() {
            return Err(VolumeError::Length { expected: geometry.voxel_count(), found: hu.len() });
        }
        let range = hu.iter().fold([i16::MAX, i16::MIN], |r, &v| [r[0].min(v), r[1].max(v)]);
        Ok(Self { geometry, hu, range, header_window: None, header_lut: None, scale: None })
    }

    /// Adds the header's window.
    #[must_use]
    pub fn with_window(mut self, window: Option<Window>) -> Self {
        self.header_window = window;
        self
    }

    /// Adds the header's table of grey values.
    #[must_use]
    pub fn with_lut(mut self, lut: Option<Arc<VoiLut>>) -> Self {
        self.header_lut = lut;
        self
    }

    /// Says that the samples are no HU.
    #[must_use]
    pub fn with_scale(mut self, scale: Option<ValueScale>) -> Self {
        self.scale = scale;
        self
    }

    /// The grid.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// All samples, `[k][j][i]` flattened.
    pub fn hu(&self) -> &Arc<[i16]> {
        &self.hu
    }

    /// Smallest and largest sample.
    pub fn range(&self) -> [i16; 2] {
        self.range
    }

    /// Samples of slice `k` along the third axis, or `None` outside.
    pub fn slice(&self, k: usize) -> Option<&[i16]> {
        let n = self.geometry.dims()[0] * self.geometry.dims()[1];
        self.hu.get(k.checked_mul(n)?..k.checked_add(1)?.checked_mul(n)?)
    }

    /// Value at integer coordinates, or `None` outside.
    pub fn at(&self, voxel: [i64; 3]) -> Option<i16> {
        if !self.geometry.contains(voxel) {
            return None;
        }
        self.hu.get(self.geometry.index(voxel.map(|v| v as usize))).copied()
    }

    /// The window to start with, over samples: the header's, else one that spans the data's range, else soft tissue; where
    /// samples are no HU, from 0 to what few voxels exceed.
    pub fn first_window(&self) -> Window {
        if self.scale.is_some() {
            return self.window_from_zero();
        }
        self.header_window.unwrap_or_else(|| {
            let [low, high] = self.range.map(f64::from);
            if low > -500.0 && high - low < 400.0 && high > low {
                Window::new(high - low + 1.0, (high + low) / 2.0)
            } else {
                super::PRESETS[0].window
            }
        })
    }

    fn window_from_zero(&self) -> Window {
        let mut counts = vec![0u64; 1 << 15];
        for &sample in self.hu.iter() {
            counts[sample.max(0) as usize] += 1;
        }
        let wanted = (self.hu.len() as f64 * BELOW_WHITE).ceil() as u64;
        let mut seen = 0;
        let high = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        // A single small lesion in nothing: white is its maximum.
        let high = high.filter(|h| *h > 0).map_or(f64::from(self.range[1]), |h| h as f64).max(1.0);
        Window::new(high, high / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::DVec3;

    #[test]
    fn values_that_are_no_hu_start_with_a_window_from_zero() {
        let geometry = Geometry::axis_aligned([10, 10, 10], DVec3::ONE, DVec3::ZERO).unwrap();
        let window = |samples: Vec<i16>| {
            let volume = Volume::new(geometry, samples).unwrap().with_scale(Some(ValueScale::new(0.01, "g/ml")));
            volume.first_window()
        };
        // 995 of 1,000 voxels are below or at 994.
        assert_eq!(window((0..1000).collect()), Window::new(994.0, 497.0));
        let mut lesion = vec![0; 1000];
        lesion[7] = 800;
        assert_eq!(window(lesion), Window::new(800.0, 400.0));
        assert_eq!(window(vec![-5; 1000]), Window::new(1.0, 0.5));
    }
}
