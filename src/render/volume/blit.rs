//! Puts the newest picture of the 3-D view into a pane.

use super::drawer::VolumePicture;
use crate::render::full_screen::{FullScreen, layouts, shader, texture_entry};

/// Draws in two phases, as [`crate::render::SliceRenderer`] does.
pub struct VolumeBlit {
    device: wgpu::Device,
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    sampler: wgpu::Sampler,
    /// Bound where there is no finer picture: one transparent pixel.
    nothing: wgpu::TextureView,
    shown: Option<([wgpu::TextureView; 2], wgpu::BindGroup)>,
    /// What is shown is all that will come of it.
    is_final: bool,
}

impl VolumeBlit {
    /// Builds the pipeline for passes with one colour target of `target_format`, one sample and no depth.
    pub fn new(device: &wgpu::Device, target_format: wgpu::TextureFormat) -> Self {
        let shader = shader(device, "blit", include_str!("../../../shaders/blit.wgsl"));
        let texture = |binding, filterable| {
            let sample_type = wgpu::TextureSampleType::Float { filterable };
            texture_entry(binding, sample_type, wgpu::TextureViewDimension::D2)
        };
        let sampler = wgpu::BindGroupLayoutEntry {
            binding: 2,
            visibility: wgpu::ShaderStages::FRAGMENT,
            ty: wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering),
            count: None,
        };
        let (layout, pipeline_layout) = layouts(device, "blit", &[texture(0, true), texture(1, false), sampler]);
        let pipeline = FullScreen {
            label: "blit",
            shader: &shader,
            layout: &pipeline_layout,
            fragment: if target_format.is_srgb() { "fs_linear" } else { "fs_gamma" },
            constants: &[],
            target: target_format,
        }
        .pipeline(device);
        let nothing = device
            .create_texture(&wgpu::TextureDescriptor {
                label: Some("no picture"),
                size: wgpu::Extent3d::default(),
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: super::pass::FORMAT,
                usage: wgpu::TextureUsages::TEXTURE_BINDING,
                view_formats: &[],
            })
            .create_view(&wgpu::TextureViewDescriptor::default());
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            label: Some("blit"),
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..Default::default()
        });
        Self { device: device.clone(), pipeline, layout, sampler, nothing, shown: None, is_final: false }
    }

    /// Sets what [`Self::paint`] draws; gives whether that is what it drew at the call before. While a picture is being
    /// drawn it is another one each time.
    pub fn prepare(&mut self, picture: &VolumePicture) -> bool {
        let was_final = std::mem::replace(&mut self.is_final, picture.finished);
        let Some(coarse) = &picture.coarse else {
            return self.shown.take().is_none();
        };
        let views = [coarse.clone(), picture.fine.as_ref().unwrap_or(&self.nothing).clone()];
        if self.shown.as_ref().is_some_and(|(have, _)| *have == views) {
            return was_final && self.is_final;
        }
        let texture =
            |binding, view| wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::TextureView(view) };
        let bind_group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("blit"),
            layout: &self.layout,
            entries: &[
                texture(0, &views[0]),
                texture(1, &views[1]),
                wgpu::BindGroupEntry { binding: 2, resource: wgpu::BindingResource::Sampler(&self.sampler) },
            ],
        });
        self.shown = Some((views, bind_group));
        false
    }

    /// Draws over the whole viewport; nothing while there is no picture.
    pub fn paint(&self, pass: &mut wgpu::RenderPass<'_>) {
        if let Some((_, bind_group)) = &self.shown {
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, bind_group, &[]);
            pass.draw(0..3, 0..1);
        }
    }
}
