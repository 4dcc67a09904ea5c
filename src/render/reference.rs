//! The slice shader's arithmetic on the CPU, in the same 32-bit floats: what the tests hold the device to.

use super::slice_view::{
    FLAG_CUBIC, FLAG_FUSED, FLAG_INTERPOLATE, FLAG_INVERT, OBLIQUE, OVERLAY_LABELS, OVERLAY_NONE, SLAB_MAXIMUM,
    SLAB_MINIMUM, SliceView, VOI_LINEAR, VOI_LINEAR_EXACT, VOI_TABLE, ViewRecord,
};
use crate::core::{ColorMap, LabelMap, VoiLut, Volume};
use glam::{IVec3, Vec2, Vec3, Vec4};

struct Scene<'a> {
    view: ViewRecord,
    volume: &'a Volume,
    lut: Option<&'a VoiLut>,
    layers: [Option<&'a LabelMap>; 2],
    fused: Option<&'a Volume>,
}

/// RGBA rows from the top, sRGB, as the shader writes them to an 8-bit target.
pub fn render(volume: &Volume, layers: [Option<&LabelMap>; 2], view: &SliceView) -> Vec<u8> {
    render_fused(volume, layers, None, view)
}

/// The same with another volume laid over the image.
pub fn render_fused(
    volume: &Volume,
    layers: [Option<&LabelMap>; 2],
    fused: Option<&Volume>,
    view: &SliceView,
) -> Vec<u8> {
    let scene = Scene { view: view.record(), volume, lut: view.lut.as_deref(), layers, fused };
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

    /// The position on the nearest slice, and the axes of the plane.
    fn in_plane(&self, position: Vec3) -> (Vec3, IVec3, IVec3) {
        let through = self.view.through as usize;
        let (u, v) = match through {
            0 => (IVec3::Y, IVec3::Z),
            1 => (IVec3::X, IVec3::Z),
            _ => (IVec3::X, IVec3::Y),
        };
        let mut snapped = position;
        snapped[through] = (position[through] + 0.5).floor();
        (snapped, u, v)
    }

    fn hu_bilinear(&self, position: Vec3) -> f32 {
        let (snapped, u, v) = self.in_plane(position);
        let base = snapped.floor();
        let fraction = snapped - base;
        let (fu, fv) = (fraction.dot(u.as_vec3()), fraction.dot(v.as_vec3()));
        let corner = base.as_ivec3();
        let top = mix(self.hu_at(corner), self.hu_at(corner + u), fu);
        let bottom = mix(self.hu_at(corner + v), self.hu_at(corner + u + v), fu);
        mix(top, bottom, fv)
    }

    fn hu_bicubic(&self, position: Vec3) -> f32 {
        let (snapped, u, v) = self.in_plane(position);
        let base = snapped.floor();
        let fraction = snapped - base;
        let (wu, wv) = (cubic(fraction.dot(u.as_vec3())), cubic(fraction.dot(v.as_vec3())));
        let at = |a: i32, b: i32| self.hu_at(base.as_ivec3() + u * (a - 1) + v * (b - 1));
        (0..4).map(|b| wv[b as usize] * (0..4).map(|a| wu[a as usize] * at(a, b)).sum::<f32>()).sum()
    }

    fn hu_tricubic(&self, position: Vec3) -> f32 {
        let base = position.floor();
        let f = position - base;
        let [wx, wy, wz] = [cubic(f.x), cubic(f.y), cubic(f.z)];
        let mut sum = 0.0;
        for (k, wz) in wz.iter().enumerate() {
            for (j, wy) in wy.iter().enumerate() {
                for (i, wx) in wx.iter().enumerate() {
                    let off = IVec3::new(i as i32, j as i32, k as i32) - 1;
                    sum += wz * wy * wx * self.hu_at(base.as_ivec3() + off);
                }
            }
        }
        sum
    }

    fn hu_sample(&self, position: Vec3) -> f32 {
        let flags = self.view.flags;
        let cubic = flags & FLAG_CUBIC != 0;
        match (flags & (FLAG_INTERPOLATE | FLAG_CUBIC) != 0, self.view.through == OBLIQUE, cubic) {
            (false, ..) => self.hu_at((position + 0.5).floor().as_ivec3()),
            (true, true, true) => self.hu_tricubic(position),
            (true, true, false) => trilinear(self.volume, position),
            (true, false, true) => self.hu_bicubic(position),
            (true, false, false) => self.hu_bilinear(position),
        }
    }

    fn hu_slab(&self, position: Vec3) -> f32 {
        let half = self.view.slab_half as i32;
        let mut samples = vec![self.hu_sample(position)];
        for n in (-half..=half).filter(|n| *n != 0) {
            let at = position + Vec3::from(self.view.slab_step) * n as f32;
            let voxel = (at + 0.5).floor().as_ivec3().to_array().map(i64::from);
            if self.volume.geometry().contains(voxel) {
                samples.push(self.hu_sample(at));
            }
        }
        match self.view.maps[2] {
            SLAB_MAXIMUM => samples.into_iter().fold(f32::MIN, f32::max),
            SLAB_MINIMUM => samples.into_iter().fold(f32::MAX, f32::min),
            _ => samples.iter().sum::<f32>() / samples.len() as f32,
        }
    }

    /// Colour and opacity of what is laid over the image.
    fn fused_at(&self, position: Vec3) -> Vec4 {
        let Some(fused) = self.fused else { return Vec4::ZERO };
        let row = |r: [f32; 4]| Vec4::from(r).dot(position.extend(1.0));
        let p = Vec3::new(row(self.view.fused_i), row(self.view.fused_j), row(self.view.fused_k));
        if !fused.geometry().contains((p + 0.5).floor().as_ivec3().to_array().map(i64::from)) {
            return Vec4::ZERO;
        }
        let [center, width, opacity, _] = self.view.fused;
        let grey = ((trilinear(fused, p) - center) / width.max(1e-9) + 0.5).clamp(0.0, 1.0);
        mapped(grey, self.view.maps[1]).extend(opacity * (grey * 10.0).clamp(0.0, 1.0))
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
        let hu = if view.slab_half > 0 { self.hu_slab(position) } else { self.hu_sample(position) };
        let grey = self.grey_of(hu);
        let grey = if view.flags & FLAG_INVERT != 0 { 1.0 - grey } else { grey };
        let mut color = if view.maps[0] > 0 { mapped(grey, view.maps[0]) } else { Vec3::splat(grey) };
        if view.flags & FLAG_FUSED != 0 {
            let over = self.fused_at(position);
            color = color.lerp(over.truncate(), over.w);
        }
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

/// Keys (1981) with a = -1/2.
fn cubic(t: f32) -> [f32; 4] {
    [
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    ]
}

fn trilinear(volume: &Volume, position: Vec3) -> f32 {
    let last = IVec3::from(volume.geometry().dims().map(|n| n as i32)) - 1;
    let base = position.floor();
    let f = position - base;
    let at = |x: i32, y: i32, z: i32| {
        let voxel = (base.as_ivec3() + IVec3::new(x, y, z)).clamp(IVec3::ZERO, last);
        f32::from(volume.at(voxel.to_array().map(i64::from)).unwrap())
    };
    let near = mix(mix(at(0, 0, 0), at(1, 0, 0), f.x), mix(at(0, 1, 0), at(1, 1, 0), f.x), f.y);
    let far = mix(mix(at(0, 0, 1), at(1, 0, 1), f.x), mix(at(0, 1, 1), at(1, 1, 1), f.x), f.y);
    mix(near, far, f.z)
}

fn mapped(grey: f32, row: u32) -> Vec3 {
    let [r, g, b, _] = ColorMap::ALL[row as usize].table()[(grey * 255.0 + 0.5).floor() as usize];
    Vec3::new(f32::from(r), f32::from(g), f32::from(b)) / 255.0
}

/// WGSL's `mix`.
fn mix(a: f32, b: f32, t: f32) -> f32 {
    a * (1.0 - t) + b * t
}
