//! The slice shader's arithmetic on the CPU, in the same 32-bit floats: what the tests hold the device to.

use super::slice_view::{
    FLAG_INTERPOLATE, FLAG_INVERT, OVERLAY_LABELS, OVERLAY_NONE, SliceView, VOI_LINEAR, VOI_LINEAR_EXACT, VOI_TABLE,
    ViewUniform,
};
use crate::core::{LabelMap, VoiLut, Volume};
use glam::{IVec3, Vec2, Vec3, Vec4};

struct Scene<'a> {
    view: ViewUniform,
    volume: &'a Volume,
    lut: Option<&'a VoiLut>,
    layers: [Option<&'a LabelMap>; 2],
}

/// RGBA rows from the top, sRGB, as the shader writes them to an 8-bit target.
pub fn render(volume: &Volume, layers: [Option<&LabelMap>; 2], view: &SliceView) -> Vec<u8> {
    let scene = Scene { view: view.uniform(), volume, lut: view.lut.as_deref(), layers };
    let [width, height] = view.pane_size;
    let mut out = Vec::with_capacity((width * height * 4) as usize);
    for y in 0..height {
        for x in 0..width {
            let color = scene.shade(Vec2::new(x as f32 + 0.5, y as f32 + 0.5));
            out.extend(color.to_array().map(|c| (c.clamp(0.0, 1.0) * 255.0).round() as u8));
            out.push(255);
        }
    }
    out
}

impl Scene<'_> {
    fn voxel_at(&self, pixel: Vec2) -> Vec3 {
        Vec3::from(self.view.origin) + Vec3::from(self.view.right) * pixel.x + Vec3::from(self.view.down) * pixel.y
    }

    fn hu_at(&self, voxel: IVec3) -> f32 {
        let last = IVec3::from(self.volume.geometry().dims().map(|n| n as i32)) - 1;
        let v = voxel.clamp(IVec3::ZERO, last).to_array().map(i64::from);
        f32::from(self.volume.at(v).unwrap())
    }

    fn hu_interpolated(&self, position: Vec3) -> f32 {
        let through = self.view.through as usize;
        let (u, v) = match through {
            0 => (IVec3::Y, IVec3::Z),
            1 => (IVec3::X, IVec3::Z),
            _ => (IVec3::X, IVec3::Y),
        };
        let mut snapped = position;
        snapped[through] = (position[through] + 0.5).floor();
        let base = snapped.floor();
        let fraction = snapped - base;
        let (fu, fv) = (fraction.dot(u.as_vec3()), fraction.dot(v.as_vec3()));
        let corner = base.as_ivec3();
        let top = mix(self.hu_at(corner), self.hu_at(corner + u), fu);
        let bottom = mix(self.hu_at(corner + v), self.hu_at(corner + u + v), fu);
        mix(top, bottom, fv)
    }

    fn grey_of(&self, hu: f32) -> f32 {
        let (c, w) = (self.view.window_center, self.view.window_width);
        match self.view.voi {
            VOI_TABLE => self.lut.map_or(0.0, |lut| {
                let [first, last, white, _] = self.view.lut;
                let n = ((hu + 0.5).floor() - first).clamp(0.0, last) as usize;
                f32::from(lut.values()[n]) / white
            }),
            VOI_LINEAR if w <= 1.0 => f32::from(u8::from(hu > c - 0.5)),
            VOI_LINEAR => ((hu - (c - 0.5)) / (w - 1.0) + 0.5).clamp(0.0, 1.0),
            VOI_LINEAR_EXACT if w <= 0.0 => f32::from(u8::from(hu > c)),
            VOI_LINEAR_EXACT => ((hu - c) / w + 0.5).clamp(0.0, 1.0),
            _ => 1.0 / (1.0 + (-4.0 * (hu - c) / w.max(1e-9)).clamp(-80.0, 80.0).exp()),
        }
    }

    /// The label of layer `n`, or `None` outside it.
    fn label(&self, n: usize, voxel: IVec3) -> Option<u32> {
        let v = voxel.to_array().map(i64::from);
        self.layers[n].filter(|l| l.geometry().contains(v)).map(|l| u32::from(l.at(v)))
    }

    fn overlay_kind(&self, pixel: Vec2) -> u32 {
        let voxel = (self.voxel_at(pixel) + 0.5).floor().as_ivec3();
        let [a, b] = [self.label(0, voxel), self.label(1, voxel)];
        if self.view.overlay == OVERLAY_LABELS {
            return a.unwrap_or(0);
        }
        let chosen = |label: Option<u32>, wanted: u32| {
            label.is_some_and(|label| if wanted == 0 { label != 0 } else { label == wanted })
        };
        u32::from(chosen(a, self.view.pair & 0xff)) + 2 * u32::from(chosen(b, self.view.pair >> 8))
    }

    fn kind_color(&self, kind: u32) -> Vec4 {
        if self.view.overlay == OVERLAY_LABELS {
            let word = self.view.colors[kind as usize / 4][kind as usize % 4];
            return Vec4::from(word.to_le_bytes().map(|c| f32::from(c) / 255.0));
        }
        match kind {
            1 => self.view.only_a.into(),
            2 => self.view.only_b.into(),
            3 => self.view.both.into(),
            _ => Vec4::ZERO,
        }
    }

    fn shade(&self, pixel: Vec2) -> Vec3 {
        let view = &self.view;
        let position = self.voxel_at(pixel);
        let voxel = (position + 0.5).floor().as_ivec3();
        if !self.volume.geometry().contains(voxel.to_array().map(i64::from)) {
            return Vec4::from(view.background).truncate();
        }
        let interpolate = view.flags & FLAG_INTERPOLATE != 0;
        let hu = if interpolate { self.hu_interpolated(position) } else { self.hu_at(voxel) };
        let grey = self.grey_of(hu);
        let mut color = Vec3::splat(if view.flags & FLAG_INVERT != 0 { 1.0 - grey } else { grey });
        if view.overlay == OVERLAY_NONE {
            return color;
        }
        let kind = self.overlay_kind(pixel);
        let mark = self.kind_color(kind);
        if mark.w == 0.0 {
            return color;
        }
        color = color.lerp(mark.truncate(), mark.w * view.fill_opacity);
        let neighbours = [Vec2::NEG_X, Vec2::X, Vec2::NEG_Y, Vec2::Y];
        if view.outline_opacity > 0.0 && neighbours.iter().any(|&n| self.overlay_kind(pixel + n) != kind) {
            color = color.lerp(mark.truncate(), mark.w * view.outline_opacity);
        }
        color
    }
}

/// WGSL's `mix`.
fn mix(a: f32, b: f32, t: f32) -> f32 {
    a * (1.0 - t) + b * t
}
