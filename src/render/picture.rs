//! Pictures that are drawn once and copied while they hold: of a pane that shows the same from frame to frame, and of a
//! whole window. Used by the slice renderer and by `app::canvas`.
//!
//! A slice costs software Vulkan and small graphics devices much more than a copy of its pixels.

use super::full_screen::{FullScreen, layouts, shader, texture_entry};

/// Makes pictures, and copies them.
pub struct Pictures {
    format: wgpu::TextureFormat,
    layout: wgpu::BindGroupLayout,
    pipeline: wgpu::RenderPipeline,
    largest: u32,
}

/// What a pane or a window showed.
pub struct Picture {
    size: [u32; 2],
    view: wgpu::TextureView,
    bind_group: wgpu::BindGroup,
}

impl Pictures {
    /// For passes with one colour target of `format`, one sample and no depth.
    pub fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Self {
        let shader = shader(device, "copy", include_str!("../../shaders/copy.wgsl"));
        let texture = wgpu::TextureSampleType::Float { filterable: false };
        let entries = [texture_entry(0, texture, wgpu::TextureViewDimension::D2)];
        let (layout, pipeline_layout) = layouts(device, "copy", &entries);
        let pipeline = FullScreen {
            label: "copy",
            shader: &shader,
            layout: &pipeline_layout,
            fragment: "fs_main",
            constants: &[],
            target: format,
        }
        .pipeline(device);
        Self { format, layout, pipeline, largest: device.limits().max_texture_dimension_2d }
    }

    /// Room for a picture of `size` pixels: `kept` where it has that size, with what it shows. None for a size that no
    /// texture has.
    pub fn picture(&self, device: &wgpu::Device, kept: Option<Picture>, size: [u32; 2]) -> Option<Picture> {
        if !size.iter().all(|side| (1..=self.largest).contains(side)) {
            return None;
        }
        if let Some(kept) = kept.filter(|picture| picture.size == size) {
            return Some(kept);
        }
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("picture"),
            size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: self.format,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("copy"),
            layout: &self.layout,
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::TextureView(&view) }],
        });
        Some(Picture { size, view, bind_group })
    }

    /// Copies a picture over the whole viewport.
    pub fn paint(&self, pass: &mut wgpu::RenderPass<'_>, picture: &Picture) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &picture.bind_group, &[]);
        pass.draw(0..3, 0..1);
    }
}

impl Picture {
    /// Columns and rows.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// A pass that draws into it: all of it anew on black, or over what it shows.
    pub fn pass<'e>(&self, encoder: &'e mut wgpu::CommandEncoder, anew: bool) -> wgpu::RenderPass<'e> {
        let load = if anew { wgpu::LoadOp::Clear(wgpu::Color::BLACK) } else { wgpu::LoadOp::Load };
        encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("picture"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &self.view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations { load, store: wgpu::StoreOp::Store },
            })],
            ..Default::default()
        })
    }
}
