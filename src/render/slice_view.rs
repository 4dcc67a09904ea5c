//! What a pane shows: placement, window, interpolation, slab, colours, overlay. Values only, no device.

use super::VoxelFromPane;
use crate::core::{ColorMap, Interpolation, LabelId, Segment, SlabMode, VoiFunction, VoiLut, Window};
use glam::{DAffine3, DVec3};
use std::sync::Arc;

/// A thick slice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slab {
    pub mode: SlabMode,
    /// From one sample to the next, in voxels.
    pub step: DVec3,
    /// Samples to either side of the plane.
    pub half: u32,
}

/// A second volume laid over the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fusion {
    /// From voxels of the image to voxels of the other volume.
    pub fused_from_voxel: DAffine3,
    /// Centre and width in the other volume's units, exactly linear.
    pub window: Window,
    pub color_map: ColorMap,
    /// `0..=1`; the lowest tenth of the window fades out.
    pub opacity: f32,
}

/// sRGB colour and opacity of each of the 256 labels; opacity 0 hides a label. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelColors(Arc<[[u8; 4]; 256]>);

impl LabelColors {
    /// From a table of RGBA, not premultiplied. Entry 0 colours the background and is normally transparent.
    pub fn new(table: [[u8; 4]; 256]) -> Self {
        Self(Arc::new(table))
    }

    /// Visible segments opaque in their colour; everything else hidden.
    pub fn from_segments(segments: &[Segment]) -> Self {
        let mut table = [[0; 4]; 256];
        for s in segments.iter().filter(|s| s.visible) {
            let [r, g, b] = s.color;
            table[usize::from(s.id)] = [r, g, b, 255];
        }
        Self::new(table)
    }

    /// RGBA of each label.
    pub fn table(&self) -> &[[u8; 4]; 256] {
        &self.0
    }
}

/// sRGB colours and opacities of a difference overlay, RGBA, not premultiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DifferenceColors {
    pub only_a: [u8; 4],
    pub only_b: [u8; 4],
    pub both: [u8; 4],
}

/// What is laid over the image.
#[derive(Debug, Clone, PartialEq)]
pub enum Overlay {
    None,
    /// The labels of layer A in their colours.
    Labels {
        colors: LabelColors,
    },
    /// Where voxels carry label `a` in layer A, label `b` in layer B, or both; 0 stands for any label.
    Difference {
        a: LabelId,
        b: LabelId,
        colors: DifferenceColors,
    },
}

/// Everything one pane shows but the textures.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceView {
    /// Where each screen pixel lies in the volume.
    pub placement: VoxelFromPane,
    /// Pane size in physical pixels: the viewport's width and height.
    pub pane_size: [u32; 2],
    pub window: Window,
    /// The header's table of grey values, in place of the window.
    pub lut: Option<Arc<VoiLut>>,
    /// White becomes black.
    pub invert: bool,
    pub interpolation: Interpolation,
    /// `None` shows one slice.
    pub slab: Option<Slab>,
    /// Of the image's own greys.
    pub color_map: ColorMap,
    /// How the fused volume given to the renderer is laid over.
    pub fusion: Option<Fusion>,
    pub overlay: Overlay,
    /// Opacity of the regions, `0..=1`; 0 draws no fill.
    pub fill_opacity: f32,
    /// Opacity of their outlines, one screen pixel wide and drawn inside each region; 0 draws none.
    pub outline_opacity: f32,
    /// sRGB colour outside the volume.
    pub background: [u8; 3],
}

/// Bits and numbers the shader knows the view by; see `shaders/slice.wgsl`.
pub(super) const VOI_LINEAR: u32 = 0;
pub(super) const VOI_LINEAR_EXACT: u32 = 1;
pub(super) const VOI_SIGMOID: u32 = 2;
pub(super) const VOI_TABLE: u32 = 3;
pub(super) const FLAG_INVERT: u32 = 1;
pub(super) const FLAG_INTERPOLATE: u32 = 2;
pub(super) const FLAG_CUBIC: u32 = 4;
pub(super) const FLAG_FUSED: u32 = 8;
pub(super) const OBLIQUE: u32 = 3;
pub(super) const SLAB_MEAN: u32 = 0;
pub(super) const SLAB_MAXIMUM: u32 = 1;
pub(super) const SLAB_MINIMUM: u32 = 2;
pub(super) const OVERLAY_NONE: u32 = 0;
pub(super) const OVERLAY_LABELS: u32 = 1;
pub(super) const OVERLAY_DIFFERENCE: u32 = 2;

/// The view as the shader reads it: `View` of `shaders/slice.wgsl`, field by field.
#[repr(C)]
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct ViewRecord {
    pub origin: [f32; 3],
    pub window_center: f32,
    pub right: [f32; 3],
    pub window_width: f32,
    pub down: [f32; 3],
    pub fill_opacity: f32,
    pub background: [f32; 4],
    pub only_a: [f32; 4],
    pub only_b: [f32; 4],
    pub both: [f32; 4],
    pub pane_size: [f32; 2],
    pub outline_opacity: f32,
    pub through: u32,
    pub voi: u32,
    pub flags: u32,
    pub overlay: u32,
    pub pair: u32,
    /// HU of the table's first entry, number of its last, its white, and nothing.
    pub lut: [f32; 4],
    pub slab_step: [f32; 3],
    pub slab_half: u32,
    pub fused_i: [f32; 4],
    pub fused_j: [f32; 4],
    pub fused_k: [f32; 4],
    pub fused: [f32; 4],
    pub maps: [u32; 4],
    pub colors: [[u32; 4]; 64],
}

/// What of the shader a view needs: the values of its constants of the same names. Each combination is a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Variant {
    sampling: u32,
    slab: bool,
    fused: bool,
    overlay: u32,
}

impl Variant {
    /// Of a view as the shader reads it.
    pub fn of(view: &ViewRecord) -> Self {
        let oblique = view.through == OBLIQUE;
        let sampling = match (view.flags & FLAG_INTERPOLATE != 0, view.flags & FLAG_CUBIC != 0, oblique) {
            (false, false, _) => 0,
            (_, false, false) => 1,
            (_, true, false) => 2,
            (_, false, true) => 3,
            (_, true, true) => 4,
        };
        Self { sampling, slab: view.slab_half > 0, fused: view.flags & FLAG_FUSED != 0, overlay: view.overlay }
    }

    /// Names and values.
    pub fn constants(self) -> [(&'static str, f64); 4] {
        [
            ("SAMPLING", f64::from(self.sampling)),
            ("SLAB", f64::from(u8::from(self.slab))),
            ("FUSED", f64::from(u8::from(self.fused))),
            ("OVERLAY", f64::from(self.overlay)),
        ]
    }
}

impl SliceView {
    pub(super) fn record(&self) -> ViewRecord {
        let [r, g, b] = self.background;
        let mut record = ViewRecord {
            origin: self.placement.origin.as_vec3().to_array(),
            window_center: self.window.window_center as f32,
            right: self.placement.right.as_vec3().to_array(),
            window_width: self.window.window_width as f32,
            down: self.placement.down.as_vec3().to_array(),
            fill_opacity: self.fill_opacity,
            background: unit([r, g, b, 255]),
            only_a: [0.0; 4],
            only_b: [0.0; 4],
            both: [0.0; 4],
            pane_size: self.pane_size.map(|n| n as f32),
            outline_opacity: self.outline_opacity,
            through: self.placement.through.map_or(OBLIQUE, |axis| axis as u32),
            voi: match (&self.lut, self.window.function) {
                (Some(_), _) => VOI_TABLE,
                (None, VoiFunction::Linear) => VOI_LINEAR,
                (None, VoiFunction::LinearExact) => VOI_LINEAR_EXACT,
                (None, VoiFunction::Sigmoid) => VOI_SIGMOID,
            },
            flags: u32::from(self.invert) * FLAG_INVERT
                + match self.interpolation {
                    Interpolation::Nearest => 0,
                    Interpolation::Linear => FLAG_INTERPOLATE,
                    Interpolation::Cubic => FLAG_CUBIC,
                },
            overlay: OVERLAY_NONE,
            pair: 0,
            lut: self.lut.as_ref().map_or([0.0; 4], |lut| {
                [lut.first() as f32, (lut.values().len() - 1) as f32, f32::from(lut.white()), 0.0]
            }),
            slab_step: [0.0; 3],
            slab_half: 0,
            fused_i: [0.0; 4],
            fused_j: [0.0; 4],
            fused_k: [0.0; 4],
            fused: [0.0; 4],
            maps: [map_row(self.color_map), 0, SLAB_MEAN, 0],
            colors: [[0; 4]; 64],
        };
        if let Some(slab) = &self.slab {
            record.slab_step = slab.step.as_vec3().to_array();
            record.slab_half = slab.half;
            record.maps[2] = match slab.mode {
                SlabMode::Mean => SLAB_MEAN,
                SlabMode::Maximum => SLAB_MAXIMUM,
                SlabMode::Minimum => SLAB_MINIMUM,
            };
        }
        if let Some(fusion) = &self.fusion {
            let m = fusion.fused_from_voxel;
            let rows = m.matrix3.transpose();
            let row = |r: DVec3, t: f64| r.extend(t).as_vec4().to_array();
            record.fused_i = row(rows.x_axis, m.translation.x);
            record.fused_j = row(rows.y_axis, m.translation.y);
            record.fused_k = row(rows.z_axis, m.translation.z);
            let window = fusion.window;
            record.fused =
                [window.window_center as f32, window.window_width as f32, fusion.opacity.clamp(0.0, 1.0), 0.0];
            record.maps[1] = map_row(fusion.color_map);
            record.flags |= FLAG_FUSED;
        }
        match &self.overlay {
            Overlay::None => {}
            Overlay::Labels { colors } => {
                record.overlay = OVERLAY_LABELS;
                let words: &mut [[u8; 4]] = bytemuck::cast_slice_mut(&mut record.colors);
                words.copy_from_slice(colors.table());
            }
            Overlay::Difference { a, b, colors } => {
                record.overlay = OVERLAY_DIFFERENCE;
                record.pair = u32::from(*a) | u32::from(*b) << 8;
                record.only_a = unit(colors.only_a);
                record.only_b = unit(colors.only_b);
                record.both = unit(colors.both);
            }
        }
        record
    }
}

/// Row of a map in the texture of colour maps.
fn map_row(map: ColorMap) -> u32 {
    ColorMap::ALL.iter().position(|&m| m == map).unwrap_or(0) as u32
}

fn unit(rgba: [u8; 4]) -> [f32; 4] {
    rgba.map(|v| f32::from(v) / 255.0)
}
