//! From anatomy to one slice: the torso's layers, then each part over what is there, with soft edges.

mod layers;

use super::Tissue;
use super::anatomy::Torso;
use super::habitus::smooth_step;
use super::noise::Field;
use super::shape::{FAR, Limits, Marks, Part, Solid, smooth_max, smooth_min};
use glam::Vec3;

/// Sideways displacement of all anatomy, mm: no two surfaces stay exact ellipses.
const WARP: f32 = 9.0;

/// The image plane: `side` pixels each way, `pixel` mm apart, the first centred at `origin` in world mm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plane {
    pub side: usize,
    pub pixel: f32,
    pub origin: [f32; 2],
}

/// A slice being drawn.
pub(super) struct Slice<'a> {
    torso: &'a Torso,
    plane: Plane,
    z: f32,
    /// Width of a soft edge, in standard mm.
    feather: f32,
    place: Vec<Vec3>,
    /// Smooth noise of about 50, 20 and 5 mm.
    broad: Vec<f32>,
    coarse: Vec<f32>,
    fine: Vec<f32>,
    skin: Vec<f32>,
    muscle: Vec<f32>,
    cavity: Vec<f32>,
    diaphragm: Vec<f32>,
    work: Vec<f32>,
    pub hu: Vec<f32>,
    pub tissue: Vec<Tissue>,
}

/// Half-open pixel rectangle: columns then rows.
#[derive(Clone, Copy)]
struct Rect {
    i: [usize; 2],
    j: [usize; 2],
}

impl Rect {
    fn union(self, other: Self) -> Self {
        Self {
            i: [self.i[0].min(other.i[0]), self.i[1].max(other.i[1])],
            j: [self.j[0].min(other.j[0]), self.j[1].max(other.j[1])],
        }
    }
}

impl<'a> Slice<'a> {
    /// Draws the slice at world height `world_z`.
    pub(super) fn draw(torso: &'a Torso, plane: Plane, world_z: f32) -> Self {
        let scale = torso.habitus.scale;
        let n = plane.side * plane.side;
        let mut slice = Self {
            torso,
            plane,
            z: world_z / scale.z,
            feather: (1.15 * plane.pixel / scale.x).max(0.9),
            place: vec![Vec3::ZERO; n],
            broad: vec![0.0; n],
            coarse: vec![0.0; n],
            fine: vec![0.0; n],
            skin: vec![FAR; n],
            muscle: vec![FAR; n],
            cavity: vec![FAR; n],
            diaphragm: vec![FAR; n],
            work: vec![FAR; n],
            hu: vec![-1000.0; n],
            tissue: vec![Tissue::Other; n],
        };
        slice.locate();
        slice.layers();
        slice.lungs();
        for (part, (lo, hi)) in &torso.parts {
            if slice.near(lo.z, hi.z) {
                slice.paint(part);
            }
        }
        slice.couch(world_z);
        slice
    }

    fn near(&self, lo: f32, hi: f32) -> bool {
        self.z > lo - 2.0 - WARP && self.z < hi + 2.0 + WARP
    }

    /// Standard coordinates of each pixel: size, lean, roll, then the warp.
    fn locate(&mut self) {
        let (side, pixel) = (self.plane.side, self.plane.pixel);
        let habitus = &self.torso.habitus;
        let world_z = self.z * habitus.scale.z;
        let mut fields = [vec![0.0f32; side * side], vec![0.0; side * side], vec![0.0; side * side]];
        for (n, field) in fields.iter_mut().enumerate() {
            for (cell, amplitude) in [(62.0, 0.75 * WARP), (26.0, 0.25 * WARP)] {
                Field::new(self.torso.seed ^ (n as u64 + 11), cell).add_plane(
                    field,
                    side,
                    self.plane.origin,
                    pixel,
                    world_z,
                    amplitude,
                );
            }
        }
        let (sin, cos) = habitus.roll.sin_cos();
        let lean = habitus.lean * (world_z + 200.0);
        for (n, place) in self.place.iter_mut().enumerate() {
            let x = (self.plane.origin[0] + (n % side) as f32 * pixel - lean) / habitus.scale.x;
            let y = (self.plane.origin[1] + (n / side) as f32 * pixel) / habitus.scale.y;
            *place = Vec3::new(
                x * cos + y * sin + fields[0][n],
                y * cos - x * sin + fields[1][n],
                self.z + 0.6 * fields[2][n],
            );
        }
        for (field, salt, cells) in [
            (&mut self.broad, 17, [(27.0, 1.4), (15.0, 0.5)]),
            (&mut self.coarse, 21, [(13.0, 1.5), (6.5, 0.8)]),
            (&mut self.fine, 31, [(3.2, 1.3), (1.7, 1.0)]),
        ] {
            for (cell, amplitude) in cells {
                Field::new(self.torso.seed ^ salt, cell).add_plane(
                    field,
                    side,
                    self.plane.origin,
                    pixel,
                    world_z,
                    amplitude,
                );
            }
        }
    }

    /// Share of a pixel inside a surface at signed distance `d`.
    fn cover(&self, d: f32) -> f32 {
        (0.5 - d / self.feather).clamp(0.0, 1.0)
    }

    /// Pixels that may see a box of standard coordinates.
    fn rect(&self, lo: Vec3, hi: Vec3) -> Option<Rect> {
        let habitus = &self.torso.habitus;
        let (sin, cos) = habitus.roll.sin_cos();
        let lean = habitus.lean * (self.z * habitus.scale.z + 200.0);
        let margin = WARP + self.feather;
        let (mut min, mut max) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for (x, y) in [(lo.x, lo.y), (lo.x, hi.y), (hi.x, lo.y), (hi.x, hi.y)] {
            // Rolling back by the transpose.
            let world = [(x * cos - y * sin) * habitus.scale.x + lean, (y * cos + x * sin) * habitus.scale.y];
            for a in 0..2 {
                let pixel = (world[a] - self.plane.origin[a]) / self.plane.pixel;
                min[a] = min[a].min(pixel);
                max[a] = max[a].max(pixel);
            }
        }
        let grow = margin * habitus.scale.max_element() / self.plane.pixel + 1.0;
        let side = self.plane.side as f32;
        let cut = |a: usize| [(min[a] - grow).clamp(0.0, side) as usize, (max[a] + grow).clamp(0.0, side) as usize];
        let rect = Rect { i: cut(0), j: cut(1) };
        (rect.i[0] < rect.i[1] && rect.j[0] < rect.j[1]).then_some(rect)
    }

    fn paint(&mut self, part: &Part) {
        let side = self.plane.side;
        let reach = part.blend + part.rough * 2.5;
        let active: Vec<(&Solid, Rect)> = part
            .solids
            .iter()
            .filter_map(|solid| {
                let (lo, hi) = solid.bounds();
                let near = self.near(lo.z - reach, hi.z + reach);
                near.then(|| self.rect(lo - reach, hi + reach)).flatten().map(|rect| (solid, rect))
            })
            .collect();
        let Some(all) = active.iter().map(|(_, r)| *r).reduce(Rect::union) else { return };
        for j in all.j[0]..all.j[1] {
            self.work[j * side + all.i[0]..j * side + all.i[1]].fill(FAR);
        }
        for (solid, rect) in &active {
            for j in rect.j[0]..rect.j[1] {
                for n in j * side + rect.i[0]..j * side + rect.i[1] {
                    self.work[n] = smooth_min(self.work[n], solid.distance(self.place[n]), part.blend);
                }
            }
        }
        for (solid, grow) in &part.carved {
            let (lo, hi) = solid.bounds();
            let more = grow.max(0.0) + 5.0;
            if !self.near(lo.z - more, hi.z + more) {
                continue;
            }
            let Some(rect) = self.rect(lo - more, hi + more) else { continue };
            for j in rect.j[0].max(all.j[0])..rect.j[1].min(all.j[1]) {
                for n in j * side + rect.i[0].max(all.i[0])..j * side + rect.i[1].min(all.i[1]) {
                    self.work[n] = smooth_max(self.work[n], grow - solid.distance(self.place[n]), 4.0);
                }
            }
        }
        for j in all.j[0]..all.j[1] {
            for n in j * side + all.i[0]..j * side + all.i[1] {
                let d = self.work[n];
                if d < self.feather + reach {
                    let d = self.limited(d + part.rough * self.coarse[n], &part.limits, n);
                    if d < 0.5 * self.feather {
                        self.composite(part, d, n);
                    }
                }
            }
        }
    }

    fn limited(&self, mut d: f32, limits: &Limits, n: usize) -> f32 {
        if let Some(inset) = limits.cavity {
            d = smooth_max(d, self.cavity[n] + inset, 4.0);
        }
        if let Some(room) = limits.outside_chest {
            // Below the ribs the cavity's back wall is no longer a surface of its own.
            let free = 50.0 * smooth_step(290.0, 330.0, -self.z);
            d = smooth_max(d, room - free - self.cavity[n], 4.0);
        }
        if let Some(inset) = limits.muscle {
            d = smooth_max(d, self.muscle[n] + inset, 4.0);
        }
        if let Some(inset) = limits.below_diaphragm {
            d = smooth_max(d, self.diaphragm[n] + inset, 4.0);
        }
        if let Some(inset) = limits.above_diaphragm {
            d = smooth_max(d, inset - self.diaphragm[n], 4.0);
        }
        d
    }

    fn composite(&mut self, part: &Part, d: f32, n: usize) {
        let m = &part.material;
        let mut hu = m.hu;
        let mut deepest = 0.0;
        for (depth, inner) in &m.inner {
            hu += (inner - hu) * self.cover(d + depth);
            deepest = *depth;
        }
        let inside = self.cover(d + deepest);
        hu += m.texture * (0.6 * self.fine[n] + 0.4 * self.coarse[n]) * inside;
        if m.bubbles > 0.0 {
            let gas = smooth_step(1.0 - m.bubbles, 1.25 - m.bubbles, 0.9 * self.coarse[n] + 0.3 * self.fine[n] + 0.2);
            hu += (-850.0 - hu) * gas * inside;
        }
        if let Some(level) = m.gas_level {
            hu += (-960.0 - hu) * self.cover(self.place[n].y - level) * inside;
        }
        let mut fat = 0.0;
        if m.streaks > 0.0 {
            // Fat between the bundles: sheets that run along the body.
            let p = self.place[n];
            let wave = (p.x * 0.52 + 0.2 * p.y + 4.0 * self.coarse[n] + 6.0 * self.broad[n]).sin()
                * (p.y * 0.45 - 0.15 * p.x + 3.0 * self.coarse[n] - 5.0 * self.broad[n]).sin();
            fat = smooth_step(1.0 - m.streaks, 1.3 - m.streaks, wave + 0.25 * self.fine[n]) * 0.8;
            hu += (-60.0 - hu) * fat;
        }
        let cover = self.cover(d);
        self.hu[n] += (hu - self.hu[n]) * cover;
        if cover >= 0.5
            && let Marks::As(tissue) = part.marks
        {
            self.tissue[n] = if fat > 0.45 { Tissue::Other } else { tissue };
        }
    }
}
