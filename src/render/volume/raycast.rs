//! The ray of `shaders/volume.wgsl` on the CPU, in the same 32-bit floats: finds what a click hits, and is what the
//! tests hold the device to. It does not skip blocks, so that wrongly skipped ones show.

use super::transfer::ENTRIES;
use super::view::{FLAG_MAXIMUM, FLAG_SHADED, FLAG_SURFACES, FLAG_VOLUME, VolumeRecord, VolumeView};
use crate::core::{LabelMap, Volume};
use glam::{DVec2, DVec3, IVec3, Vec2, Vec3, Vec4};

const SURFACE: f32 = 0.4;
const OPAQUE: f32 = 0.985;
/// Opacity in front of what counts as seen.
const SEEN: f32 = 0.5;

pub(super) struct Scene<'a> {
    view: VolumeRecord,
    table: Vec<Vec4>,
    volume: Option<&'a Volume>,
    labels: Option<&'a LabelMap>,
}

/// What one ray met.
pub(super) struct Met {
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the device's picture to it"))]
    pub color: Vec3,
    /// Voxel position of what is seen.
    pub place: Option<Vec3>,
}

/// The voxel position that is seen at a pixel of the pane: of a surface, or of the image where it becomes opaque.
pub fn pick(view: &VolumeView, volume: Option<&Volume>, labels: Option<&LabelMap>, pixel: DVec2) -> Option<DVec3> {
    let met = Scene::new(view, 1.0, 0.5, volume, labels).shade(pixel.as_vec2());
    met.place.map(|p| p.as_dvec3())
}

impl<'a> Scene<'a> {
    pub fn new(
        view: &VolumeView,
        pixel: f64,
        step: f64,
        volume: Option<&'a Volume>,
        labels: Option<&'a LabelMap>,
    ) -> Self {
        let table = view.transfer.as_ref().map_or_else(Vec::new, |t| t.table().0);
        Self {
            view: view.record(pixel, step),
            table: table.iter().map(|e| Vec4::from(e.map(|v| f32::from(v) / 255.0))).collect(),
            volume: volume.filter(|_| view.transfer.is_some()),
            labels: labels.filter(|_| view.surfaces.is_some()),
        }
    }

    fn hu_at(&self, volume: &Volume, voxel: IVec3) -> f32 {
        let last = IVec3::from(volume.geometry().dims().map(|n| n as i32)) - 1;
        let at = voxel.clamp(IVec3::ZERO, last).to_array().map(i64::from);
        f32::from(volume.at(at).unwrap_or_default())
    }

    fn hu_linear(&self, volume: &Volume, position: Vec3) -> f32 {
        let base = position.floor();
        let f = position - base;
        let v = base.as_ivec3();
        let at = |x, y, z| self.hu_at(volume, v + IVec3::new(x, y, z));
        let near = mix(mix(at(0, 0, 0), at(1, 0, 0), f.x), mix(at(0, 1, 0), at(1, 1, 0), f.x), f.y);
        let far = mix(mix(at(0, 0, 1), at(1, 0, 1), f.x), mix(at(0, 1, 1), at(1, 1, 1), f.x), f.y);
        mix(near, far, f.z)
    }

    fn transfer_at(&self, hu: f32) -> Vec4 {
        let n = ((hu - self.view.first_hu) * self.view.entries_per_hu + 0.5).clamp(0.0, (ENTRIES - 1) as f32);
        self.table.get(n as usize).copied().unwrap_or(Vec4::ZERO)
    }

    fn color_of(&self, label: u32) -> Vec4 {
        let word = self.view.colors[label as usize / 4][label as usize % 4];
        Vec4::from(word.to_le_bytes().map(|c| f32::from(c) / 255.0))
    }

    /// The label of a voxel if it is shown, else 0.
    fn shown(&self, voxel: IVec3) -> u32 {
        let label = self.labels.map_or(0, |l| u32::from(l.at(voxel.to_array().map(i64::from))));
        if self.color_of(label).w > 0.0 { label } else { 0 }
    }

    fn counts(&self, here: u32, label: u32) -> bool {
        here != 0 && (here == label || self.view.surface_opacity >= 1.0)
    }

    fn occupancy(&self, position: Vec3, label: u32) -> f32 {
        let centre = (position + 0.5).floor();
        let d = position - centre;
        let a = 0.5 * (0.5 - d) * (0.5 - d);
        let b = 0.75 - d * d;
        let c = 0.5 * (0.5 + d) * (0.5 + d);
        let weight = |n: i32, axis: usize| [a, b, c][(n + 1) as usize][axis];
        let mut sum = 0.0;
        for k in -1..=1 {
            for j in -1..=1 {
                for i in -1..=1 {
                    if self.counts(self.shown(centre.as_ivec3() + IVec3::new(i, j, k)), label) {
                        sum += weight(k, 2) * weight(j, 1) * weight(i, 0);
                    }
                }
            }
        }
        sum
    }

    fn on_screen(&self, gradient: Vec3) -> Vec3 {
        self.view.gradient_matrix() * gradient
    }

    /// Normal and colour.
    fn skin_at(&self, position: Vec3, label: u32) -> (Vec3, Vec3) {
        let centre = (position + 0.5).floor();
        let (mut gradient, mut color) = (Vec3::ZERO, Vec4::ZERO);
        for k in -2..=2 {
            for j in -2..=2 {
                for i in -2..=2 {
                    let off = IVec3::new(i, j, k);
                    let here = self.shown(centre.as_ivec3() + off);
                    if self.counts(here, label) {
                        let d = centre + off.as_vec3() - position;
                        let w = (-0.347 * d.dot(d)).exp();
                        gradient += w * d;
                        color += w * w * self.color_of(here).truncate().extend(1.0);
                    }
                }
            }
        }
        (unit(-self.on_screen(gradient)), color.truncate() / color.w.max(1e-9))
    }

    fn hu_normal(&self, volume: &Volume, position: Vec3) -> Vec3 {
        let along = |axis: Vec3| self.hu_linear(volume, position + axis) - self.hu_linear(volume, position - axis);
        let normal = -self.on_screen(Vec3::new(along(Vec3::X), along(Vec3::Y), along(Vec3::Z)));
        if normal.dot(normal) > 4.0 { unit(normal) } else { Vec3::ZERO }
    }

    /// First and last millimetre of a ray inside the clip box, and the axis it enters through.
    fn inside_of_box(&self, start: Vec3) -> (f32, f32, usize) {
        let (mut enter, mut leave, mut axis) = (-1e30f32, 1e30f32, 0);
        for a in 0..3 {
            let (d, low, high) = (self.view.direction[a], self.view.clip_min[a], self.view.clip_max[a]);
            if d.abs() < 1e-9 {
                if start[a] < low || start[a] > high {
                    leave = -1e30;
                }
                continue;
            }
            let (one, two) = ((low - start[a]) / d, (high - start[a]) / d);
            if one.min(two) > enter {
                enter = one.min(two);
                axis = a;
            }
            leave = leave.min(one.max(two));
        }
        (enter, leave, axis)
    }

    /// Casts the ray of a target pixel.
    pub fn shade(&self, pixel: Vec2) -> Met {
        let view = &self.view;
        let start = Vec3::from(view.origin) + Vec3::from(view.right) * pixel.x + Vec3::from(view.down) * pixel.y;
        let direction = Vec3::from(view.direction);
        let (enter, leave, axis) = self.inside_of_box(start);
        let (mut color, mut alpha, mut place) = (Vec3::ZERO, 0.0f32, None);
        let mut brightest: Option<(f32, Vec3)> = None;
        let (mut before, mut first) = (0u32, true);
        let mut n = (enter / view.step).ceil().max(0.0);
        let end = (leave / view.step).floor().min(view.samples);
        while n <= end && alpha < OPAQUE {
            let position = start + direction * (n * view.step);
            if self.labels.is_some() && view.flags & FLAG_SURFACES != 0 {
                let here = self.shown((position + 0.5).floor().as_ivec3());
                if here != before {
                    let mut entered = here != 0 && !(before != 0 && view.surface_opacity >= 1.0);
                    if entered && !first {
                        entered = self.occupancy(position, here) >= SURFACE;
                    }
                    if entered {
                        let (normal, own, at) = if first {
                            let mut face = Vec3::ZERO;
                            face[axis] = -direction[axis].signum();
                            (unit(self.on_screen(face)), self.color_of(here).truncate(), position)
                        } else {
                            let (mut outside, mut within) = (n - 1.0, n);
                            for _ in 0..5 {
                                let middle = 0.5 * (outside + within);
                                if self.occupancy(start + direction * (middle * view.step), here) >= SURFACE {
                                    within = middle;
                                } else {
                                    outside = middle;
                                }
                            }
                            let at = start + direction * (within * view.step);
                            let (normal, own) = self.skin_at(at, here);
                            (normal, own, at)
                        };
                        color += (1.0 - alpha) * view.surface_opacity * lit(own, normal);
                        alpha += (1.0 - alpha) * view.surface_opacity;
                        // A surface is what a hand reaches for, however transparent it is.
                        place = place.or(Some(at));
                    }
                    if here == 0 || entered {
                        before = here;
                    }
                }
            }
            if let Some(volume) = self.volume.filter(|_| view.flags & FLAG_VOLUME != 0 && alpha < OPAQUE) {
                let hu = self.hu_linear(volume, position);
                if view.flags & FLAG_MAXIMUM != 0 {
                    if brightest.is_none_or(|(best, _)| hu > best) {
                        brightest = Some((hu, position));
                    }
                } else {
                    let entry = self.transfer_at(hu);
                    if entry.w > 0.0 {
                        let opacity = 1.0 - (1.0 - entry.w).powf(view.step);
                        let shaded = view.flags & FLAG_SHADED != 0;
                        let own = entry.truncate();
                        let own = if shaded { lit(own, self.hu_normal(volume, position)) } else { own };
                        color += (1.0 - alpha) * opacity * own;
                        alpha += (1.0 - alpha) * opacity;
                        if alpha >= SEEN {
                            place = place.or(Some(position));
                        }
                    }
                }
            }
            first = false;
            n += 1.0;
        }
        if let Some((hu, position)) = brightest {
            color += (1.0 - alpha) * self.transfer_at(hu).truncate();
            alpha = 1.0;
            place = place.or(Some(position));
        }
        Met { color: color + (1.0 - alpha) * Vec4::from(view.background).truncate(), place }
    }
}

fn unit(v: Vec3) -> Vec3 {
    let n = v.length();
    if n > 1e-6 { v / n } else { Vec3::ZERO }
}

fn lit(color: Vec3, normal: Vec3) -> Vec3 {
    let lamp = Vec3::new(-0.3244, -0.4867, -0.8111);
    let half_way = Vec3::new(-0.1704, -0.2557, -0.9516);
    let shine = normal.dot(half_way).max(0.0).powf(24.0);
    (color * (0.28 + 0.72 * normal.dot(lamp).max(0.0)) + Vec3::splat(0.16 * shine)).clamp(Vec3::ZERO, Vec3::ONE)
}

/// WGSL's `mix`.
fn mix(a: f32, b: f32, t: f32) -> f32 {
    a * (1.0 - t) + b * t
}
