//! Passes of one triangle over the whole viewport: layouts and pipelines. Used by the passes of this floor.
//!
//! Their vertex stage is `vs_main` of the pass' own shader.

/// What a pipeline is made of.
pub(super) struct FullScreen<'a> {
    pub label: &'a str,
    pub shader: &'a wgpu::ShaderModule,
    pub layout: &'a wgpu::PipelineLayout,
    /// Entry point of the fragment stage.
    pub fragment: &'a str,
    /// Values of the shader's constants.
    pub constants: &'a [(&'a str, f64)],
    /// Of the one colour target; one sample and no depth.
    pub target: wgpu::TextureFormat,
}

impl FullScreen<'_> {
    /// Compiles the pipeline.
    pub fn pipeline(&self, device: &wgpu::Device) -> wgpu::RenderPipeline {
        let options = || wgpu::PipelineCompilationOptions { constants: self.constants, ..Default::default() };
        device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some(self.label),
            layout: Some(self.layout),
            vertex: wgpu::VertexState {
                module: self.shader,
                entry_point: Some("vs_main"),
                compilation_options: options(),
                buffers: &[],
            },
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: self.shader,
                entry_point: Some(self.fragment),
                compilation_options: options(),
                targets: &[Some(self.target.into())],
            }),
            multiview_mask: None,
            cache: None,
        })
    }
}

/// A shader of `shaders/`.
pub(super) fn shader(device: &wgpu::Device, label: &str, text: &'static str) -> wgpu::ShaderModule {
    device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(label),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    })
}

/// The one bind group of a pass, and the layout of its pipelines.
pub(super) fn layouts(
    device: &wgpu::Device,
    label: &str,
    entries: &[wgpu::BindGroupLayoutEntry],
) -> (wgpu::BindGroupLayout, wgpu::PipelineLayout) {
    let group = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries });
    let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(label),
        bind_group_layouts: &[Some(&group)],
        immediate_size: 0,
    });
    (group, pipeline)
}

/// A texture that the fragment stage reads.
pub(super) fn texture_entry(
    binding: u32,
    sample_type: wgpu::TextureSampleType,
    view_dimension: wgpu::TextureViewDimension,
) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::FRAGMENT,
        ty: wgpu::BindingType::Texture { sample_type, view_dimension, multisampled: false },
        count: None,
    }
}

/// A buffer of `size` bytes that both stages read.
pub(super) fn storage_entry(binding: u32, size: usize) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only: true },
            has_dynamic_offset: false,
            min_binding_size: std::num::NonZeroU64::new(size as u64),
        },
        count: None,
    }
}
