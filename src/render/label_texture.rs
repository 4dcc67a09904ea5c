//! A label layer on the graphics device, kept up to date brick by brick.

use super::RenderError;
use super::upload::{Pacer, create_3d, read_slice, texel_bytes, write_box};
use crate::core::{BRICK_EDGE, Brick, BrickIndex, LabelMap, VoxelBox};
use std::collections::BTreeMap;

/// What an absent brick of a label map stands for.
static BACKGROUND: Brick = [0; BRICK_EDGE * BRICK_EDGE * BRICK_EDGE];

/// More dirty bricks than this in one layer of bricks are sent as the box around them: each write has a fixed cost
/// of some ten microseconds, the same as a few more bricks of data.
const SINGLE_WRITES: usize = 8;

/// Labels as a 3-D texture of bytes, axes i, j, k.
///
/// Clones are the same texture. Dropping the last frees the memory once no pane of a [`super::SliceRenderer`] shows it any
/// more.
#[derive(Clone)]
pub struct LabelTexture {
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    dims: [usize; 3],
}

impl LabelTexture {
    /// Room for labels of `dims` voxels along i, j, k; all background until bricks are uploaded.
    ///
    /// # Errors
    /// [`RenderError::TooLarge`] when a size is zero or above the device's limit, [`RenderError::OutOfMemory`].
    pub fn new(device: &wgpu::Device, dims: [usize; 3]) -> Result<Self, RenderError> {
        let texture = create_3d(device, "labels", dims, wgpu::TextureFormat::R8Uint)?;
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

    /// Brings `bricks` up to date with `labels`; seen by every draw submitted after it.
    ///
    /// Bricks at the end of the grid are clipped to it; indices beyond the map's bricks are passed over.
    ///
    /// # Errors
    /// [`RenderError::Grid`] when the map's sizes are not the texture's.
    pub fn upload_bricks(
        &self,
        queue: &wgpu::Queue,
        labels: &LabelMap,
        bricks: &[BrickIndex],
    ) -> Result<(), RenderError> {
        self.check_grid(labels)?;
        let mut layers: BTreeMap<usize, Vec<(BrickIndex, VoxelBox)>> = BTreeMap::new();
        for &index in bricks.iter().filter(|&&i| (i as usize) < labels.brick_count()) {
            let region = labels.brick_box(index);
            layers.entry(region.min[2]).or_default().push((index, region));
        }
        let mut scratch = Vec::new();
        for dirty in layers.into_values() {
            if dirty.len() > SINGLE_WRITES {
                let around = dirty.iter().fold(VoxelBox { min: [0; 3], max: [0; 3] }, |all, (_, b)| all.union(b));
                self.upload_box(queue, labels, around, &mut scratch);
                continue;
            }
            for (index, region) in dirty {
                let brick = labels.brick(index).map_or(&BACKGROUND, |b| &**b);
                write_box(queue, &self.texture, region.min, size_of(region), brick, [BRICK_EDGE; 2]);
            }
        }
        Ok(())
    }

    /// Replaces all labels, one layer of bricks at a time, and returns when all but the last have arrived.
    ///
    /// # Errors
    /// [`RenderError::Grid`] when the map's sizes are not the texture's, [`RenderError::DeviceLost`].
    pub fn upload_all(&self, device: &wgpu::Device, queue: &wgpu::Queue, labels: &LabelMap) -> Result<(), RenderError> {
        self.check_grid(labels)?;
        let [nx, ny, nz] = self.dims;
        let mut pacer = Pacer::new(device, queue);
        let mut scratch = Vec::new();
        for k in (0..nz).step_by(BRICK_EDGE) {
            let layer = VoxelBox { min: [0, 0, k], max: [nx, ny, (k + BRICK_EDGE).min(nz)] };
            self.upload_box(queue, labels, layer, &mut scratch);
            pacer.submit()?;
        }
        Ok(())
    }

    /// Replaces slice `k` by `labels`, i fastest; seen by every draw submitted after it.
    ///
    /// # Errors
    /// [`RenderError::Slice`] and [`RenderError::Length`].
    pub fn upload_slice(&self, queue: &wgpu::Queue, k: usize, labels: &[u8]) -> Result<(), RenderError> {
        let [nx, ny, _] = self.dims;
        self.check_slice(k)?;
        if labels.len() != nx * ny {
            return Err(RenderError::Length { expected: nx * ny, found: labels.len() });
        }
        write_box(queue, &self.texture, [0, 0, k], [nx, ny, 1], labels, [nx, ny]);
        Ok(())
    }

    /// Records the same from a buffer whose rows are `row` bytes long, a multiple of what copies ask for.
    pub(super) fn copy_slice(&self, encoder: &mut wgpu::CommandEncoder, from: &wgpu::Buffer, row: u32, k: usize) {
        let [nx, ny, _] = self.dims.map(|n| n as u32);
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: Some(ny) };
        encoder.copy_buffer_to_texture(
            wgpu::TexelCopyBufferInfo { buffer: from, layout },
            wgpu::TexelCopyTextureInfo {
                texture: &self.texture,
                mip_level: 0,
                origin: wgpu::Origin3d { x: 0, y: 0, z: k as u32 },
                aspect: wgpu::TextureAspect::All,
            },
            wgpu::Extent3d { width: nx, height: ny, depth_or_array_layers: 1 },
        );
    }

    /// Slice `k` as the device has it, i fastest: for looking at what passes made of it.
    ///
    /// # Errors
    /// [`RenderError::Slice`] and [`RenderError::DeviceLost`].
    pub fn read_slice(&self, device: &wgpu::Device, queue: &wgpu::Queue, k: usize) -> Result<Vec<u8>, RenderError> {
        self.check_slice(k)?;
        read_slice(device, queue, &self.texture, k)
    }

    pub(super) fn check_slice(&self, k: usize) -> Result<(), RenderError> {
        let count = self.dims[2];
        if k < count { Ok(()) } else { Err(RenderError::Slice { slice: k, count }) }
    }

    fn upload_box(&self, queue: &wgpu::Queue, labels: &LabelMap, region: VoxelBox, scratch: &mut Vec<u8>) {
        let size = size_of(region);
        scratch.resize(size.iter().product(), 0);
        labels.copy_box(region, scratch);
        write_box(queue, &self.texture, region.min, size, scratch, [size[0], size[1]]);
    }

    fn check_grid(&self, labels: &LabelMap) -> Result<(), RenderError> {
        let found = labels.geometry().dims();
        if found == self.dims { Ok(()) } else { Err(RenderError::Grid { expected: self.dims, found }) }
    }
}

fn size_of(region: VoxelBox) -> [usize; 3] {
    std::array::from_fn(|a| region.max[a].saturating_sub(region.min[a]))
}
