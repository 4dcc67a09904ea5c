//! The slice pass into a texture that nobody sees: for timing the drawing without a window.

use super::{PaneId, RenderError, SliceRenderer, SliceTextures, SliceView};
use std::time::Duration;

/// A draw that takes longer means that the device is lost; software devices need a second, not a minute.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The colour format that windows commonly have.
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
/// The one pane there is.
const PANE: PaneId = PaneId(0);

/// A colour target of the size of a pane, and the renderer that draws into it.
pub struct Offscreen {
    device: wgpu::Device,
    queue: wgpu::Queue,
    target: wgpu::Texture,
    /// Receives the pixel in the middle of each draw: what can be read back has been drawn.
    middle: wgpu::Buffer,
    renderer: SliceRenderer,
}

impl Offscreen {
    /// A target of `size` pixels, width and height.
    ///
    /// # Errors
    /// [`RenderError::Pane`] when a side is 0 or above the device's limit, [`RenderError::OutOfMemory`].
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue, size: [u32; 2]) -> Result<Self, RenderError> {
        let limit = device.limits().max_texture_dimension_2d;
        if size.iter().any(|side| !(1..=limit).contains(side)) {
            return Err(RenderError::Pane { size, limit });
        }
        let target = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("offscreen pane"),
            size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        Ok(Self {
            device: device.clone(),
            queue: queue.clone(),
            target,
            middle: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("offscreen pixel"),
                size: u64::from(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT),
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            }),
            renderer: SliceRenderer::new(device, FORMAT)?,
        })
    }

    /// Prepares, records and submits one draw of the whole pane, and returns without waiting for the device.
    ///
    /// # Errors
    /// [`RenderError::Grid`] when a layer's sizes are not the volume's.
    pub fn draw(&mut self, textures: SliceTextures<'_>, view: &SliceView) -> Result<(), RenderError> {
        self.renderer.prepare(&self.queue, PANE, textures, view)?;
        let target = self.target.create_view(&wgpu::TextureViewDescriptor::default());
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: &target,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations {
                        load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                        store: wgpu::StoreOp::Store,
                    },
                })],
                ..Default::default()
            });
            self.renderer.paint(&mut pass, PANE);
        }
        let (width, height) = (self.target.width(), self.target.height());
        encoder.copy_texture_to_buffer(
            wgpu::TexelCopyTextureInfo {
                texture: &self.target,
                mip_level: 0,
                origin: wgpu::Origin3d { x: width / 2, y: height / 2, z: 0 },
                aspect: wgpu::TextureAspect::All,
            },
            wgpu::TexelCopyBufferInfo {
                buffer: &self.middle,
                layout: wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: None, rows_per_image: None },
            },
            wgpu::Extent3d { width: 1, height: 1, depth_or_array_layers: 1 },
        );
        self.queue.submit([encoder.finish()]);
        Ok(())
    }

    /// Waits until the last draw is done, and gives the pixel in its middle (RGBA).
    ///
    /// # Errors
    /// [`RenderError::DeviceLost`] when the device does not answer.
    pub fn wait(&self) -> Result<[u8; 4], RenderError> {
        let pixel = self.middle.slice(..4);
        pixel.map_async(wgpu::MapMode::Read, |_| {});
        let wait = wgpu::PollType::Wait { submission_index: None, timeout: Some(TIMEOUT) };
        self.device.poll(wait).map_err(|_| RenderError::DeviceLost)?;
        let read = pixel.get_mapped_range().map_err(|_| RenderError::DeviceLost)?;
        let rgba = read.first_chunk().copied().ok_or(RenderError::DeviceLost);
        drop(read);
        self.middle.unmap();
        rgba
    }
}
