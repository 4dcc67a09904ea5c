//! The slice pass: pipeline, and per pane a buffer of what it shows and a bind group.

use super::full_screen::{FullScreen, layouts, shader, storage_entry, texture_entry};
use super::lut_texture::LutTexture;
use super::picture::{Picture, Pictures};
use super::slice_view::{FLAG_FUSED, OVERLAY_LABELS, OVERLAY_NONE, SliceView, Variant, ViewRecord};
use super::upload::{create_3d, create_flat, write_box};
use super::{LabelTexture, RenderError, VolumeTexture};
use crate::core::{COLOR_MAP_ENTRIES, ColorMap};
use std::collections::HashMap;

/// Names a pane; the caller chooses the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PaneId(pub u64);

/// The textures that a pane shows.
#[derive(Clone, Copy)]
pub struct SliceTextures<'a> {
    pub volume: &'a VolumeTexture,
    /// Label layers A and B of the overlay, on the volume's grid.
    pub layers: [Option<&'a LabelTexture>; 2],
    /// What [`super::Fusion`] lays over it, on any grid.
    pub fused: Option<&'a VolumeTexture>,
}

/// What a window that draws frame after frame knows of a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steady {
    /// A number that changes with what the textures hold.
    pub content: u64,
    /// Also a pane that changed is drawn into its picture: for a window that draws parts of it again and again. Without it
    /// one that changes with every frame is drawn as if there were no picture.
    pub at_once: bool,
}

/// Draws slices in two phases: [`Self::prepare`] before the render pass, [`Self::paint`] inside it.
pub struct SliceRenderer {
    device: wgpu::Device,
    shader: wgpu::ShaderModule,
    target_format: wgpu::TextureFormat,
    pipeline_layout: wgpu::PipelineLayout,
    /// Built when a view first needs them.
    pipelines: HashMap<Variant, wgpu::RenderPipeline>,
    layout: wgpu::BindGroupLayout,
    /// Bound where a layer is absent: one background voxel.
    no_labels: wgpu::TextureView,
    /// Bound where nothing is fused: one voxel.
    no_volume: wgpu::TextureView,
    /// One colour map a row; filled at the first draw.
    color_maps: wgpu::Texture,
    color_maps_filled: bool,
    /// Bound where no table of grey values is in use.
    no_lut: LutTexture,
    /// The table that a pane asked for last.
    lut: Option<LutTexture>,
    panes: HashMap<PaneId, Pane>,
    pictures: Pictures,
}

struct Pane {
    buffer: wgpu::Buffer,
    /// What `bind_group` was made for.
    textures: [wgpu::TextureView; 5],
    bind_group: wgpu::BindGroup,
    variant: Variant,
    /// In `buffer`.
    record: ViewRecord,
    /// Number of what the textures held when the pane was last prepared as one that may be steady.
    content: Option<u64>,
    picture: Option<Picture>,
    /// The picture is of what is shown.
    is_pictured: bool,
}

impl SliceRenderer {
    /// Makes ready for passes with one colour target of `target_format`, one sample and no depth.
    ///
    /// Colours are written as sRGB values, as egui's own are, also when the format encodes on writing.
    ///
    /// # Errors
    /// [`RenderError::OutOfMemory`].
    pub fn new(device: &wgpu::Device, target_format: wgpu::TextureFormat) -> Result<Self, RenderError> {
        let shader = shader(device, "slice", include_str!("../../shaders/slice.wgsl"));
        use wgpu::{TextureSampleType as Sample, TextureViewDimension as Dimension};
        let entries = [
            // Why it is no uniform stands in the shader.
            storage_entry(0, size_of::<ViewRecord>()),
            texture_entry(1, Sample::Sint, Dimension::D3),
            texture_entry(2, Sample::Uint, Dimension::D3),
            texture_entry(3, Sample::Uint, Dimension::D3),
            texture_entry(4, Sample::Uint, Dimension::D2),
            texture_entry(5, Sample::Sint, Dimension::D3),
            texture_entry(6, Sample::Float { filterable: false }, Dimension::D2),
        ];
        let (layout, pipeline_layout) = layouts(device, "slice", &entries);
        let no_labels = create_3d(device, "no labels", [1; 3], wgpu::TextureFormat::R8Uint)?
            .create_view(&wgpu::TextureViewDescriptor::default());
        let no_volume = create_3d(device, "no volume", [1; 3], wgpu::TextureFormat::R16Sint)?
            .create_view(&wgpu::TextureViewDescriptor::default());
        let color_maps = create_flat(
            device,
            "colour maps",
            [COLOR_MAP_ENTRIES, ColorMap::ALL.len()],
            wgpu::TextureFormat::Rgba8Unorm,
        )?;
        Ok(Self {
            device: device.clone(),
            shader,
            target_format,
            pipeline_layout,
            pipelines: HashMap::new(),
            layout,
            no_labels,
            no_volume,
            color_maps,
            color_maps_filled: false,
            no_lut: LutTexture::blank(device)?,
            lut: None,
            panes: HashMap::new(),
            pictures: Pictures::new(device, target_format),
        })
    }

    /// Sets what `pane` shows from the next submission on.
    ///
    /// # Errors
    /// [`RenderError::Grid`] when a layer's sizes are not the volume's; the pane then keeps what it showed.
    /// [`RenderError::OutOfMemory`] when there is no room for the view's table of grey values.
    pub fn prepare(
        &mut self,
        queue: &wgpu::Queue,
        pane: PaneId,
        SliceTextures { volume, layers: [a, b], fused }: SliceTextures<'_>,
        view: &SliceView,
    ) -> Result<(), RenderError> {
        let mut record = view.record();
        if fused.is_none() {
            record.flags &= !FLAG_FUSED;
        }
        if a.is_none() && record.overlay == OVERLAY_LABELS {
            record.overlay = OVERLAY_NONE;
        }
        let variant = Variant::of(&record);
        for layer in [a, b].into_iter().flatten() {
            if layer.dims() != volume.dims() {
                return Err(RenderError::Grid { expected: volume.dims(), found: layer.dims() });
            }
        }
        let labels = |layer: Option<&LabelTexture>| layer.map_or(&self.no_labels, |l| l.view()).clone();
        let (labels_a, labels_b) = (labels(a), labels(b));
        let lut = match &view.lut {
            None => &self.no_lut,
            Some(table) => {
                let kept = self.lut.take().filter(|kept| kept.holds(table));
                let lut = match kept {
                    Some(kept) => kept,
                    None => LutTexture::new(&self.device, queue, table)?,
                };
                self.lut.insert(lut)
            }
        };
        let lut = lut.view().clone();
        let fused_view = fused.map_or(&self.no_volume, |f| f.view()).clone();
        if !self.color_maps_filled {
            self.color_maps_filled = true;
            let rows: Vec<[u8; 4]> = ColorMap::ALL.into_iter().flat_map(ColorMap::table).collect();
            let size = [COLOR_MAP_ENTRIES, ColorMap::ALL.len(), 1];
            let bytes = bytemuck::cast_slice(&rows);
            write_box(queue, &self.color_maps, [0; 3], size, bytes, [COLOR_MAP_ENTRIES * 4, ColorMap::ALL.len()]);
        }
        let textures = [volume.view().clone(), labels_a, labels_b, lut, fused_view];
        let kept = self.panes.remove(&pane);
        let is_same = kept.as_ref().is_some_and(|kept| {
            kept.textures == textures && bytemuck::bytes_of(&kept.record) == bytemuck::bytes_of(&record)
        });
        let entry = match kept {
            Some(kept) if is_same => kept,
            Some(kept) if kept.textures == textures => Pane { variant, record, content: None, ..kept },
            kept => {
                let (buffer, picture) = kept.map_or_else(|| (self.view_buffer(), None), |k| (k.buffer, k.picture));
                let bind_group = self.bind_group(&buffer, &textures);
                Pane { buffer, textures, bind_group, variant, record, content: None, picture, is_pictured: false }
            }
        };
        self.build(variant);
        if !is_same {
            queue.write_buffer(&entry.buffer, 0, bytemuck::bytes_of(&record));
        }
        self.panes.insert(pane, Pane { is_pictured: false, ..entry });
        Ok(())
    }

    /// As [`Self::prepare`], for a pane of a window that draws frame after frame. A pane that goes on showing the same is
    /// drawn into a picture of its own, by `encoder`, which is submitted before the render pass, and copied from then on.
    ///
    /// Gives whether the pane shows what it showed at the call before.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn prepare_steady(
        &mut self,
        queue: &wgpu::Queue,
        encoder: &mut wgpu::CommandEncoder,
        pane: PaneId,
        textures: SliceTextures<'_>,
        view: &SliceView,
        Steady { content, at_once }: Steady,
    ) -> Result<bool, RenderError> {
        let was_pictured = self.panes.get(&pane).is_some_and(|p| p.is_pictured);
        self.prepare(queue, pane, textures, view)?;
        let Some(entry) = self.panes.get_mut(&pane) else { return Ok(false) };
        let is_same = entry.content.replace(content) == Some(content);
        if is_same && was_pictured {
            entry.is_pictured = true;
        } else if is_same || at_once {
            entry.picture = self.pictures.picture(&self.device, entry.picture.take(), view.pane_size);
            if let (Some(picture), Some(pipeline)) = (&entry.picture, self.pipelines.get(&entry.variant)) {
                let mut pass = picture.pass(encoder, true);
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, &entry.bind_group, &[]);
                pass.draw(0..3, 0..1);
                entry.is_pictured = true;
            }
        }
        Ok(is_same)
    }

    /// Draws `pane` over the whole viewport; nothing when it was never prepared.
    pub fn paint(&self, pass: &mut wgpu::RenderPass<'_>, pane: PaneId) {
        let pane = self.panes.get(&pane);
        if let Some(picture) = pane.filter(|p| p.is_pictured).and_then(|p| p.picture.as_ref()) {
            self.pictures.paint(pass, picture);
        } else if let Some((pane, pipeline)) = pane.and_then(|p| Some((p, self.pipelines.get(&p.variant)?))) {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &pane.bind_group, &[]);
            pass.draw(0..3, 0..1);
        }
    }

    /// Lets go of every pane, and with them of the textures they show: for when a case is closed.
    pub fn forget_panes(&mut self) {
        self.panes.clear();
        self.lut = None;
    }

    fn build(&mut self, variant: Variant) {
        if self.pipelines.contains_key(&variant) {
            return;
        }
        let pipeline = FullScreen {
            label: "slice",
            shader: &self.shader,
            layout: &self.pipeline_layout,
            fragment: if self.target_format.is_srgb() { "fs_linear" } else { "fs_gamma" },
            constants: &variant.constants(),
            target: self.target_format,
        }
        .pipeline(&self.device);
        self.pipelines.insert(variant, pipeline);
    }

    fn view_buffer(&self) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("slice view"),
            size: size_of::<ViewRecord>() as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    fn bind_group(
        &self,
        buffer: &wgpu::Buffer,
        [volume, a, b, lut, fused]: &[wgpu::TextureView; 5],
    ) -> wgpu::BindGroup {
        let maps = self.color_maps.create_view(&wgpu::TextureViewDescriptor::default());
        let texture =
            |binding, view| wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::TextureView(view) };
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("slice"),
            layout: &self.layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() },
                texture(1, volume),
                texture(2, a),
                texture(3, b),
                texture(4, lut),
                texture(5, fused),
                texture(6, &maps),
            ],
        })
    }
}
