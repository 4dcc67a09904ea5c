//! The ray pass: pipeline, textures of blocks and transfer function, and drawing a strip of a target.

use super::blocks::{BrickLabels, Ranges, block_dims, visible_blocks};
use super::transfer::{ENTRIES, TransferFunction};
use super::view::{VolumeRecord, VolumeView};
use crate::core::{LabelMap, Volume};
use crate::render::full_screen::{FullScreen, layouts, shader, storage_entry, texture_entry};
use crate::render::upload::{create_3d, create_flat, write_box};
use crate::render::{LabelColors, RenderError};
use std::sync::Arc;

/// Format of the pictures.
pub(super) const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// The textures of one case that rays read.
#[derive(Clone)]
pub(super) struct Sources {
    pub volume: wgpu::TextureView,
    pub labels: Option<wgpu::TextureView>,
    pub dims: [usize; 3],
}

/// Draws parts of pictures; owns what depends on the view but not on the pixel.
pub(super) struct RayPass {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    view_buffer: wgpu::Buffer,
    transfer: wgpu::Texture,
    no_labels: wgpu::TextureView,
    bricks: BrickLabels,
    ranges: Option<(Arc<Volume>, Ranges)>,
    blocks: Option<Blocks>,
    bind_group: Option<wgpu::BindGroup>,
}

struct Blocks {
    dims: [usize; 3],
    texture: wgpu::Texture,
}

impl RayPass {
    /// # Errors
    /// [`RenderError::OutOfMemory`].
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Result<Self, RenderError> {
        let shader = shader(device, "volume", include_str!("../../../shaders/volume.wgsl"));
        use wgpu::{TextureSampleType as Sample, TextureViewDimension as Dimension};
        let entries = [
            storage_entry(0, size_of::<VolumeRecord>()),
            texture_entry(1, Sample::Sint, Dimension::D3),
            texture_entry(2, Sample::Uint, Dimension::D3),
            texture_entry(3, Sample::Uint, Dimension::D3),
            texture_entry(4, Sample::Float { filterable: false }, Dimension::D2),
        ];
        let (layout, pipeline_layout) = layouts(device, "volume", &entries);
        let pipeline = FullScreen {
            label: "volume",
            shader: &shader,
            layout: &pipeline_layout,
            fragment: "fs_main",
            constants: &[],
            target: FORMAT,
        }
        .pipeline(device);
        let no_labels = create_3d(device, "no labels", [1; 3], wgpu::TextureFormat::R8Uint)?
            .create_view(&wgpu::TextureViewDescriptor::default());
        Ok(Self {
            view_buffer: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("volume view"),
                size: size_of::<VolumeRecord>() as u64,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            }),
            transfer: create_flat(device, "transfer function", [ENTRIES, 1], FORMAT)?,
            device: device.clone(),
            queue: queue.clone(),
            pipeline,
            layout,
            no_labels,
            bricks: BrickLabels::default(),
            ranges: None,
            blocks: None,
            bind_group: None,
        })
    }

    /// Reads what changed of the image and the mask, and sets what the next strips show.
    ///
    /// # Errors
    /// [`RenderError`] when the device has no room for the table of blocks.
    pub fn prepare(
        &mut self,
        view: &VolumeView,
        sources: &Sources,
        volume: Option<&Arc<Volume>>,
        labels: Option<&LabelMap>,
    ) -> Result<(), RenderError> {
        if let (Some(volume), Some(_)) = (volume, &view.transfer)
            && !self.ranges.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, volume))
        {
            self.ranges = Some((Arc::clone(volume), Ranges::of(volume)));
        }
        if let (Some(labels), Some(_)) = (labels, &view.surfaces) {
            self.bricks.update(labels);
        }
        let ranges = view.transfer.as_ref().zip(volume).and_then(|(transfer, volume)| {
            let (known, ranges) = self.ranges.as_ref()?;
            Arc::ptr_eq(known, volume).then_some((ranges, transfer))
        });
        let shown = view.surfaces.as_ref().filter(|_| labels.is_some() && sources.labels.is_some());
        let visible = visible_blocks(sources.dims, ranges, shown.map(|colors: &LabelColors| (&self.bricks, colors)));
        self.upload_blocks(block_dims(sources.dims), &visible)?;
        if let Some(transfer) = &view.transfer {
            self.upload_transfer(transfer);
        }
        let Some(blocks) = &self.blocks else { return Ok(()) };
        let plain = wgpu::TextureViewDescriptor::default();
        let (blocks, transfer) = (blocks.texture.create_view(&plain), self.transfer.create_view(&plain));
        let texture =
            |binding, view| wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::TextureView(view) };
        self.bind_group = Some(self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("volume"),
            layout: &self.layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: self.view_buffer.as_entire_binding() },
                texture(1, &sources.volume),
                texture(2, sources.labels.as_ref().unwrap_or(&self.no_labels)),
                texture(3, &blocks),
                texture(4, &transfer),
            ],
        }));
        Ok(())
    }

    fn upload_blocks(&mut self, dims: [usize; 3], visible: &[u8]) -> Result<(), RenderError> {
        if self.blocks.as_ref().is_none_or(|b| b.dims != dims) {
            let texture = create_3d(&self.device, "blocks", dims, wgpu::TextureFormat::R8Uint)?;
            self.blocks = Some(Blocks { dims, texture });
        }
        if let Some(blocks) = &self.blocks {
            write_box(&self.queue, &blocks.texture, [0; 3], dims, visible, [dims[0], dims[1]]);
        }
        Ok(())
    }

    fn upload_transfer(&self, transfer: &TransferFunction) {
        let (table, _) = transfer.table();
        write_box(&self.queue, &self.transfer, [0; 3], [ENTRIES, 1, 1], bytemuck::cast_slice(&table), [ENTRIES * 4, 1]);
    }

    /// A target of `size` pixels.
    pub fn target(&self, size: [u32; 2]) -> wgpu::Texture {
        self.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("volume picture"),
            size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT
                | wgpu::TextureUsages::TEXTURE_BINDING
                | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        })
    }

    /// Sets view and steps for the strips that follow; `pixel` is the width of a target pixel in pane pixels.
    pub fn begin(&self, view: &VolumeView, pixel: f64, step: f64) {
        self.queue.write_buffer(&self.view_buffer, 0, bytemuck::bytes_of(&view.record(pixel, step)));
    }

    /// Submits rows `rows` of `target`; the first strip clears the rest to transparent.
    pub fn draw(&self, target: &wgpu::Texture, rows: std::ops::Range<u32>, clear: bool) {
        let view = target.create_view(&wgpu::TextureViewDescriptor::default());
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let load = if clear { wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT) } else { wgpu::LoadOp::Load };
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("volume"),
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: &view,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations { load, store: wgpu::StoreOp::Store },
                })],
                ..Default::default()
            });
            if let Some(bind_group) = &self.bind_group
                && !rows.is_empty()
            {
                pass.set_scissor_rect(0, rows.start, target.width(), rows.end - rows.start);
                pass.set_pipeline(&self.pipeline);
                pass.set_bind_group(0, bind_group, &[]);
                pass.draw(0..3, 0..1);
            }
        }
        self.queue.submit([encoder.finish()]);
    }
}
