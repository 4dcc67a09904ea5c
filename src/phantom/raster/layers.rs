//! What is drawn in one sweep over all pixels: the torso's layers, diaphragm and lungs, and the couch.

use super::{Slice, Tissue, WARP};
use crate::phantom::habitus::{Contour, smooth_step};
use crate::phantom::shape::{FAR, Solid, smooth_max, smooth_min};
use glam::Vec3;
use std::f32::consts::PI;

/// 1 on the fat planes between muscles: three level surfaces of a smooth field.
fn sheets(field: f32) -> f32 {
    [(0.0f32, 0.05f32), (0.36, 0.04), (-0.36, 0.04)]
        .into_iter()
        .map(|(level, width)| 1.0 - ((field - level) / width).abs())
        .fold(0.0, f32::max)
}

impl Slice<'_> {
    /// Skin, fat under it, muscle, and the fat that fills the cavity.
    pub(super) fn layers(&mut self) {
        let habitus = &self.torso.habitus;
        let z = self.z;
        let [cavity, shell, muscle, skin] = Contour::all(habitus, z);
        let filled: Vec<f32> = (0..=360).map(|n| habitus.shell_is_muscle((n as f32 - 180.0) * PI / 180.0, z)).collect();
        let chest = smooth_step(-330.0, -270.0, z);
        let reach = skin.reach() + 12.0;
        for (n, p) in self.place.iter().enumerate() {
            let range = p.x.hypot(p.y);
            if range < reach {
                let turn = p.y.atan2(p.x) / (2.0 * PI) + 0.5;
                self.skin[n] = skin.distance(turn, range);
                self.muscle[n] = muscle.distance(turn, range);
                self.cavity[n] = cavity.distance(turn, range);
                // Until the shell has been painted, `work` holds its inner surface.
                self.work[n] = shell.distance(turn, range);
            }
        }
        for breast in &self.torso.breasts {
            self.join(breast, 18.0);
        }
        for n in 0..self.hu.len() {
            let d = self.skin[n];
            if d > self.feather {
                continue;
            }
            // Septa: thin sheets where a smooth field passes zero.
            let septum = (1.0 - (self.coarse[n] / 0.10).abs()).max(0.0);
            let mut hu = -104.0 + 4.0 * self.fine[n] + 26.0 * septum * smooth_step(2.0, 5.0, -d);
            hu += (35.0 - hu) * self.cover(-d - 1.6);
            let place = self.place[n];
            let inner = self.work[n];
            let turn = place.y.atan2(place.x) / (2.0 * PI) + 0.5;
            let share = filled[((turn * 360.0) as usize).min(360)];
            let shell = (self.muscle[n] + 0.5 * self.coarse[n]).max(-inner);
            let cover = self.cover(shell) * share;
            if cover > 0.0 {
                let depth = -self.muscle[n];
                let thick = (depth + inner).max(1.0);
                // Planes of fat between the oblique layers below, irregular ones between the chest's muscles.
                let lateral = smooth_step(0.35, 0.6, place.x.abs() / place.x.hypot(place.y).max(1.0));
                let oblique = [0.36f32, 0.70]
                    .map(|f| 1.0 - (depth - f * thick + 3.5 * self.broad[n]).abs() / 1.1)
                    .into_iter()
                    .fold(0.0, f32::max)
                    * lateral
                    * smooth_step(9.0, 14.0, thick);
                let planes = smooth_step(11.0, 15.0, self.cavity[n]) * sheets(self.broad[n]);
                let fat = (oblique.max(0.0) * (1.0 - chest)).max(planes * chest).min(1.0) * 0.85;
                let muscle = 58.0 + 5.0 * self.fine[n];
                let layer = muscle + (-95.0 - muscle) * fat;
                hu += (layer - hu) * cover;
                if cover >= 0.5 && fat < 0.5 && d < 0.0 {
                    self.tissue[n] = Tissue::Muscle;
                }
            }
            let cover = self.cover(d);
            self.hu[n] += (hu - self.hu[n]) * cover;
        }
    }

    /// Joins a solid to the skin's surface.
    fn join(&mut self, solid: &Solid, blend: f32) {
        let (lo, hi) = solid.bounds();
        if !self.near(lo.z - blend, hi.z + blend) {
            return;
        }
        let Some(rect) = self.rect(lo - blend, hi + blend) else { return };
        for j in rect.j[0]..rect.j[1] {
            for n in j * self.plane.side + rect.i[0]..j * self.plane.side + rect.i[1] {
                self.skin[n] = smooth_min(self.skin[n], solid.distance(self.place[n]), blend);
            }
        }
    }

    /// The diaphragm, and above it the cavity less the mediastinum: two lungs.
    pub(super) fn lungs(&mut self) {
        let habitus = &self.torso.habitus;
        let lowest = habitus.dome_left.min(habitus.dome_right) - 110.0;
        if self.z < lowest - WARP {
            self.diaphragm.fill(-FAR);
            return;
        }
        self.work.fill(FAR);
        let reach = Vec3::new(180.0, 150.0, 0.0);
        for (solid, grow) in &self.torso.mediastinum {
            let (lo, hi) = solid.bounds();
            if !self.near(lo.z - 14.0, hi.z + 14.0) {
                continue;
            }
            let Some(rect) = self.rect((lo - 16.0).max(-reach), (hi + 16.0).min(reach.with_z(hi.z))) else { continue };
            for j in rect.j[0]..rect.j[1] {
                for n in j * self.plane.side + rect.i[0]..j * self.plane.side + rect.i[1] {
                    self.work[n] = smooth_min(self.work[n], solid.distance(self.place[n]) - grow, 10.0);
                }
            }
        }
        for n in 0..self.hu.len() {
            let wall = self.cavity[n];
            if wall > 12.0 {
                continue;
            }
            let p = self.place[n];
            let above = habitus.above_diaphragm(p);
            self.diaphragm[n] = above;
            if wall > 2.0 {
                continue;
            }
            // The muscle of the diaphragm, thin at the dome.
            let sheet = self.cover((above + 1.4).abs() - 1.6) * self.cover(wall);
            self.hu[n] += (50.0 - self.hu[n]) * sheet;
            let between = smooth_min(self.work[n], self.torso.strip(p), 8.0);
            let d = smooth_max(smooth_max(wall + 1.0, -above, 3.0), -between, 3.0);
            let cover = self.cover(d + 0.25 * self.coarse[n]);
            if cover > 0.0 {
                let lung = self.torso.lung_hu + 0.42 * p.y + 14.0 * self.coarse[n] + 10.0 * self.fine[n];
                let texture = 0.6 * self.broad[n] + 0.4 * self.coarse[n];
                let lung = self.torso.opacities.iter().fold(lung, |hu, o| o.shade(p, texture, hu));
                self.hu[n] += (lung - self.hu[n]) * cover;
                if cover >= 0.5 {
                    self.tissue[n] = if p.x > 0.0 { Tissue::LungLeft } else { Tissue::LungRight };
                }
            }
        }
    }

    /// The patient's couch: a thin curved shell of carbon fibre, foam, and a mattress.
    pub(super) fn couch(&mut self, world_z: f32) {
        let side = self.plane.side;
        let pixel = self.plane.pixel;
        let top = self.torso.couch_y;
        let wide = 205.0;
        for n in 0..self.hu.len() {
            if self.hu[n] > -900.0 {
                continue;
            }
            let x = self.plane.origin[0] + (n % side) as f32 * pixel;
            let y = self.plane.origin[1] + (n / side) as f32 * pixel;
            let curve = top - 24.0 * (x / wide) * (x / wide);
            let depth = y - curve;
            if x.abs() > wide || !(-2.0..=44.0).contains(&depth) {
                continue;
            }
            let thick = 30.0 * (1.0 - (x / wide).powi(4)) + 4.0;
            let soft = |d: f32| (0.5 - d / pixel.max(0.9)).clamp(0.0, 1.0);
            let inside = soft(-depth) * soft(depth - thick);
            let skin = soft((depth - 0.8).abs() - 0.8).max(soft((depth - thick + 0.8).abs() - 0.8));
            let hu = -960.0 + 0.2 * (world_z % 3.0) + skin * 820.0;
            self.hu[n] += (hu.max(self.hu[n]) - self.hu[n]) * inside.max(skin * inside);
        }
    }
}
