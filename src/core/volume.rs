//! A CT volume in Hounsfield units.

use super::{Geometry, VoiLut, Window};
use std::sync::Arc;

/// Why a volume was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// The number of samples does not match the grid.
    #[error("the image has {found} samples, its grid asks for {expected}")]
    Length { expected: usize, found: usize },
}

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
        Ok(Self { geometry, hu, range, header_window: None, header_lut: None })
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

    /// The window to start with: the header's, else one that spans the data's range, else soft tissue.
    pub fn first_window(&self) -> Window {
        self.header_window.unwrap_or_else(|| {
            let [low, high] = self.range.map(f64::from);
            if low > -500.0 && high - low < 400.0 && high > low {
                Window::new(high - low + 1.0, (high + low) / 2.0)
            } else {
                super::PRESETS[0].window
            }
        })
    }
}
