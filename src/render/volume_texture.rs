//! A CT volume on the graphics device.

use super::RenderError;
use super::upload::{CHUNK_BYTES, Pacer, create_3d, texel_bytes, write_box};

/// Hounsfield units as a 3-D texture of signed 16-bit integers: exact, two bytes a voxel, axes i, j, k.
///
/// Clones are the same texture. Dropping the last frees the memory once no pane of a [`super::SliceRenderer`] shows it any
/// more.
#[derive(Clone)]
pub struct VolumeTexture {
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    dims: [usize; 3],
}

impl VolumeTexture {
    /// Room for a volume of `dims` voxels along i, j, k; all 0 HU until slices are uploaded.
    ///
    /// # Errors
    /// [`RenderError::TooLarge`] when a size is zero or above the device's limit, [`RenderError::OutOfMemory`].
    pub fn new(device: &wgpu::Device, dims: [usize; 3]) -> Result<Self, RenderError> {
        let texture = create_3d(device, "volume", dims, wgpu::TextureFormat::R16Sint)?;
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Ok(Self { texture, view, dims })
    }

    /// Voxels along i, j, k.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        texel_bytes(&self.texture)
    }

    pub(super) fn view(&self) -> &wgpu::TextureView {
        &self.view
    }

    /// Replaces slice `k` by `hu`, i fastest; seen by every draw submitted after it.
    ///
    /// # Errors
    /// [`RenderError::Slice`] and [`RenderError::Length`].
    pub fn upload_slice(&self, queue: &wgpu::Queue, k: usize, hu: &[i16]) -> Result<(), RenderError> {
        let [nx, ny, nz] = self.dims;
        if k >= nz {
            return Err(RenderError::Slice { slice: k, count: nz });
        }
        check_length(nx * ny, hu.len())?;
        write_box(queue, &self.texture, [0, 0, k], [nx, ny, 1], bytemuck::cast_slice(hu), [nx * 2, ny]);
        Ok(())
    }

    /// Replaces all voxels by `hu`, i fastest. Copies piece by piece, so that at most tens of MiB of host memory are
    /// in use beside `hu` itself, and returns when all but the last piece have arrived.
    ///
    /// # Errors
    /// [`RenderError::Length`] and [`RenderError::DeviceLost`].
    pub fn upload_all(&self, device: &wgpu::Device, queue: &wgpu::Queue, hu: &[i16]) -> Result<(), RenderError> {
        let [nx, ny, _] = self.dims;
        self.upload_in_pieces(device, queue, hu, (CHUNK_BYTES / (nx * ny * 2)).max(1))
    }

    pub(super) fn upload_in_pieces(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        hu: &[i16],
        slices_at_once: usize,
    ) -> Result<(), RenderError> {
        let [nx, ny, nz] = self.dims;
        check_length(nx * ny * nz, hu.len())?;
        let mut pacer = Pacer::new(device, queue);
        for (piece, slices) in hu.chunks(nx * ny * slices_at_once).enumerate() {
            let size = [nx, ny, slices.len() / (nx * ny)];
            let min = [0, 0, piece * slices_at_once];
            write_box(queue, &self.texture, min, size, bytemuck::cast_slice(slices), [nx * 2, ny]);
            pacer.submit()?;
        }
        Ok(())
    }
}

fn check_length(expected: usize, found: usize) -> Result<(), RenderError> {
    if expected == found { Ok(()) } else { Err(RenderError::Length { expected, found }) }
}
