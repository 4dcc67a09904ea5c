//! What a pane shows: placement, window, interpolation, overlay. Values only, no device.

use super::VoxelFromPane;
use crate::core::{LabelId, Segment, VoiFunction, VoiLut, Window};
use std::sync::Arc;

/// How samples between voxel centres are found. Through the plane it is always the nearest slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interpolation {
    /// The nearest voxel: every voxel is a visible rectangle.
    Nearest,
    /// Bilinear in the plane, in Hounsfield units before the window is applied.
    #[default]
    Linear,
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
pub(super) const OVERLAY_NONE: u32 = 0;
pub(super) const OVERLAY_LABELS: u32 = 1;
pub(super) const OVERLAY_DIFFERENCE: u32 = 2;

/// The view as the shader reads it: `View` of `shaders/slice.wgsl`, field by field.
#[repr(C)]
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct ViewUniform {
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
    pub colors: [[u32; 4]; 64],
}

impl SliceView {
    pub(super) fn uniform(&self) -> ViewUniform {
        let [r, g, b] = self.background;
        let mut uniform = ViewUniform {
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
            through: self.placement.through as u32,
            voi: match (&self.lut, self.window.function) {
                (Some(_), _) => VOI_TABLE,
                (None, VoiFunction::Linear) => VOI_LINEAR,
                (None, VoiFunction::LinearExact) => VOI_LINEAR_EXACT,
                (None, VoiFunction::Sigmoid) => VOI_SIGMOID,
            },
            flags: u32::from(self.invert) * FLAG_INVERT
                + u32::from(self.interpolation == Interpolation::Linear) * FLAG_INTERPOLATE,
            overlay: OVERLAY_NONE,
            pair: 0,
            lut: self.lut.as_ref().map_or([0.0; 4], |lut| {
                [lut.first() as f32, (lut.values().len() - 1) as f32, f32::from(lut.white()), 0.0]
            }),
            colors: [[0; 4]; 64],
        };
        match &self.overlay {
            Overlay::None => {}
            Overlay::Labels { colors } => {
                uniform.overlay = OVERLAY_LABELS;
                let words: &mut [[u8; 4]] = bytemuck::cast_slice_mut(&mut uniform.colors);
                words.copy_from_slice(colors.table());
            }
            Overlay::Difference { a, b, colors } => {
                uniform.overlay = OVERLAY_DIFFERENCE;
                uniform.pair = u32::from(*a) | u32::from(*b) << 8;
                uniform.only_a = unit(colors.only_a);
                uniform.only_b = unit(colors.only_b);
                uniform.both = unit(colors.both);
            }
        }
        uniform
    }
}

fn unit(rgba: [u8; 4]) -> [f32; 4] {
    rgba.map(|v| f32::from(v) / 255.0)
}
