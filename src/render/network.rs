//! The passes that keep a network's slices on the device: its input made from the volume's texture, and the labels of its
//! answer put into the overlay's texture, in buffers of whoever computes. Used by the window while the learning loop
//! computes on its device, and measured by `bench copy`.
//!
//! A buffer comes as the buffer, an offset and a length in bytes, and is not looked at before the pass runs: it must be on
//! the same device, and what fills or reads it on the same queue.

use super::upload::wait;
use super::{LabelTexture, RenderError, VolumeTexture};
use crate::core::PlaneAxes;
use std::num::NonZeroU64;

/// Bytes that rows of a copy into a texture are a multiple of.
const ROW: usize = wgpu::COPY_BYTES_PER_ROW_ALIGNMENT as usize;

/// A buffer, and the part of it: offset and length in bytes.
pub type Place<'a> = (&'a wgpu::Buffer, u64, u64);

/// For each target pixel the first source pixel and the weights from there on.
pub type Weights = [(usize, Vec<f32>)];

/// What a network takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputRange {
    /// HU that become 0, and how many more become 1.
    pub low: f32,
    pub range: f32,
    /// Whether what lies outside is brought to 0 and 1.
    pub clip: bool,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct InputUniform {
    axes: [u32; 3],
    first_slice: u32,
    flip: [u32; 2],
    extent: [u32; 2],
    size: u32,
    columns: u32,
    rows: u32,
    clip: u32,
    low: f32,
    range: f32,
    spare: [u32; 2],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct LabelUniform {
    dims: [u32; 2],
    row: u32,
    channels: u32,
    turned: u32,
    /// Of the shader's `vec2`, which begins at a multiple of eight bytes.
    gap: u32,
    flip: [u32; 2],
    threshold: f32,
    spare: [u32; 3],
}

/// A compute pipeline with its device and the numbers it is told.
struct Pass {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipeline: wgpu::ComputePipeline,
    uniform: wgpu::Buffer,
}

impl Pass {
    fn new(device: &wgpu::Device, queue: &wgpu::Queue, label: &str, text: &str, uniform: usize) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let uniform = buffer(device, label, uniform as u64, wgpu::BufferUsages::UNIFORM);
        Self { device: device.clone(), queue: queue.clone(), pipeline, uniform }
    }

    /// Records so many workgroups with these resources, from binding 1 on.
    fn record(&self, resources: &[wgpu::BindingResource<'_>], [x, y, z]: [usize; 3]) -> wgpu::CommandEncoder {
        let uniform = self.uniform.as_entire_binding();
        let entries: Vec<wgpu::BindGroupEntry<'_>> = std::iter::once(&uniform)
            .chain(resources)
            .zip(0..)
            .map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource: resource.clone() })
            .collect();
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &group, &[]);
            // The casts hold: sizes of textures are u32.
            pass.dispatch_workgroups(x as u32, y as u32, z as u32);
        }
        encoder
    }
}

fn buffer(device: &wgpu::Device, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let usage = usage | wgpu::BufferUsages::COPY_DST;
    device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
}

fn part<'a>((buffer, offset, size): Place<'a>) -> wgpu::BindingResource<'a> {
    wgpu::BindingResource::Buffer(wgpu::BufferBinding {
        buffer,
        offset,
        size: NonZeroU64::new(size.next_multiple_of(4)),
    })
}

/// Makes the input of a network from slices of a volume.
pub struct InputPass {
    pass: Pass,
    weights: wgpu::Buffer,
    told: InputUniform,
}

impl InputPass {
    /// For slices of a grid along `axes`, resampled by these weights of columns and rows, one entry a pixel of the square
    /// picture.
    ///
    /// # Errors
    /// [`RenderError::Length`] when columns and rows make no square.
    pub fn new(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        axes: PlaneAxes,
        [columns, rows]: [&Weights; 2],
        range: InputRange,
    ) -> Result<Self, RenderError> {
        if columns.len() != rows.len() {
            return Err(RenderError::Length { expected: columns.len(), found: rows.len() });
        }
        let widest = |side: &Weights| side.iter().map(|(_, weights)| weights.len()).max().unwrap_or(0);
        let mut list = Vec::new();
        for side in [columns, rows] {
            let room = widest(side) + 2;
            for (first, weights) in side {
                let end = list.len() + room;
                list.extend([*first as f32, weights.len() as f32]);
                list.extend(weights);
                list.resize(end, 0.0);
            }
        }
        let usage = wgpu::BufferUsages::STORAGE;
        let weights = buffer(device, "network input", (list.len() as u64 * 4).max(4), usage);
        queue.write_buffer(&weights, 0, bytemuck::cast_slice(&list));
        let text = include_str!("../../shaders/network_input.wgsl");
        Ok(Self {
            pass: Pass::new(device, queue, "network input", text, size_of::<InputUniform>()),
            weights,
            told: InputUniform {
                axes: [axes.right, axes.down, axes.through].map(|axis| axis as u32),
                first_slice: 0,
                flip: [axes.right_flip, axes.down_flip].map(u32::from),
                extent: [0; 2],
                size: columns.len() as u32,
                columns: widest(columns) as u32,
                rows: widest(rows) as u32,
                clip: u32::from(range.clip),
                low: range.low,
                range: range.range,
                spare: [0; 2],
            },
        })
    }

    /// Submits the pass for `count` slices from `first` on, one picture behind the other into `pictures`.
    ///
    /// # Errors
    /// [`RenderError::Slice`] beyond the volume, [`RenderError::Length`] when `pictures` has no room for them.
    pub fn run(
        &self,
        volume: &VolumeTexture,
        first: usize,
        count: usize,
        pictures: Place<'_>,
    ) -> Result<(), RenderError> {
        let axes = self.told.axes.map(|axis| axis as usize);
        let dims = volume.dims();
        if first + count > dims[axes[2]] {
            return Err(RenderError::Slice { slice: first + count - 1, count: dims[axes[2]] });
        }
        let n = self.told.size as usize;
        let (expected, found) = (n * n * count, pictures.2 as usize / 4);
        if found < expected {
            return Err(RenderError::Length { expected, found });
        }
        let told = InputUniform {
            first_slice: first as u32,
            extent: [dims[axes[0]] as u32, dims[axes[1]] as u32],
            ..self.told
        };
        self.pass.queue.write_buffer(&self.pass.uniform, 0, bytemuck::bytes_of(&told));
        let resources =
            [wgpu::BindingResource::TextureView(volume.view()), self.weights.as_entire_binding(), part(pictures)];
        let groups = n.div_ceil(8);
        self.pass.queue.submit([self.pass.record(&resources, [groups, groups, count]).finish()]);
        Ok(())
    }
}

/// Puts the labels of a network's answer into an overlay's texture.
pub struct LabelPass {
    pass: Pass,
    labels: wgpu::Buffer,
    told: LabelUniform,
}

impl LabelPass {
    /// For answers that have the pixels of the slices of a grid of `dims` along `axes`: as many probabilities a pixel as
    /// there are `channels`, one picture behind the other. One channel is in the class from `threshold` on.
    ///
    /// # Errors
    /// [`RenderError::Across`] where slices are not those along the grid's third axis.
    pub fn new(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        dims: [usize; 3],
        axes: PlaneAxes,
        channels: usize,
        threshold: f32,
    ) -> Result<Self, RenderError> {
        if axes.through != 2 {
            return Err(RenderError::Across);
        }
        let row = dims[0].next_multiple_of(ROW);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let text = include_str!("../../shaders/network_labels.wgsl");
        Ok(Self {
            pass: Pass::new(device, queue, "network labels", text, size_of::<LabelUniform>()),
            labels: buffer(device, "network labels", (row * dims[1]) as u64, usage),
            told: LabelUniform {
                dims: [dims[0] as u32, dims[1] as u32],
                row: (row / 4) as u32,
                channels: channels as u32,
                turned: u32::from(axes.right == 1),
                gap: 0,
                flip: [axes.right_flip, axes.down_flip].map(u32::from),
                threshold,
                spare: [0; 3],
            },
        })
    }

    /// Submits the pass for slice `k` of `overlay`; seen by every draw submitted after it.
    ///
    /// # Errors
    /// [`RenderError::Slice`], [`RenderError::Length`] when the overlay has other sizes or the answer too few numbers.
    pub fn run(&self, probabilities: Place<'_>, overlay: &LabelTexture, k: usize) -> Result<(), RenderError> {
        overlay.check_slice(k)?;
        let [nx, ny, _] = overlay.dims();
        let [width, height] = self.told.dims.map(|n| n as usize);
        let pixels = width * height;
        let (expected, found) = (pixels * self.told.channels as usize, probabilities.2 as usize / 4);
        if [nx, ny] != [width, height] || found < expected {
            return Err(RenderError::Length { expected, found });
        }
        self.pass.queue.write_buffer(&self.pass.uniform, 0, bytemuck::bytes_of(&self.told));
        let resources = [part(probabilities), self.labels.as_entire_binding()];
        let mut encoder = self.pass.record(&resources, [nx.div_ceil(4 * 64), ny, 1]);
        overlay.copy_slice(&mut encoder, &self.labels, self.told.row * 4, k);
        self.pass.queue.submit([encoder.finish()]);
        Ok(())
    }
}

/// Waits until everything that was submitted or written to the queue is done.
///
/// # Errors
/// [`RenderError::DeviceLost`] when the device does not answer.
pub fn finish(device: &wgpu::Device, queue: &wgpu::Queue) -> Result<(), RenderError> {
    wait(device, queue.submit([]))
}
