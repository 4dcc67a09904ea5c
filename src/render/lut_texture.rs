//! A header's table of grey values on the graphics device.

use super::RenderError;
use super::upload::create_flat;
use crate::core::VoiLut;
use std::sync::Arc;

/// Entries a row of the texture.
const ROW: usize = 256;

/// The table that panes look up, kept while they show the same one.
pub(super) struct LutTexture {
    table: Option<Arc<VoiLut>>,
    view: wgpu::TextureView,
}

impl LutTexture {
    /// One unused texel: bound while no pane looks anything up.
    ///
    /// # Errors
    /// [`RenderError::OutOfMemory`].
    pub fn blank(device: &wgpu::Device) -> Result<Self, RenderError> {
        let texture = create_flat(device, "no table", [1, 1], wgpu::TextureFormat::R16Uint)?;
        Ok(Self { table: None, view: texture.create_view(&wgpu::TextureViewDescriptor::default()) })
    }

    /// Whether this is the texture of `table`.
    pub fn holds(&self, table: &Arc<VoiLut>) -> bool {
        self.table.as_ref().is_some_and(|own| Arc::ptr_eq(own, table))
    }

    /// Entry n at column n mod 256 of row n / 256.
    ///
    /// # Errors
    /// [`RenderError::OutOfMemory`].
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue, table: &Arc<VoiLut>) -> Result<Self, RenderError> {
        let rows = table.values().len().div_ceil(ROW);
        let texture = create_flat(device, "grey table", [ROW, rows], wgpu::TextureFormat::R16Uint)?;
        let mut entries = table.values().to_vec();
        entries.resize(rows * ROW, 0);
        queue.write_texture(
            texture.as_image_copy(),
            bytemuck::cast_slice(&entries),
            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(ROW as u32 * 2), rows_per_image: None },
            wgpu::Extent3d { width: ROW as u32, height: rows as u32, depth_or_array_layers: 1 },
        );
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Ok(Self { table: Some(Arc::clone(table)), view })
    }

    pub fn view(&self) -> &wgpu::TextureView {
        &self.view
    }
}
