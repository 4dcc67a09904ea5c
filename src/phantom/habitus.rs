//! How a patient is built: contours of skin, muscle and body cavity, the diaphragm and the curve of the spine.
//!
//! Everything is in the frame of a patient of standard size, mm: x towards the left, y towards the back, z towards the
//! head with 0 at the top of the first thoracic vertebra; the size of the individual is applied by the renderer.

use super::shape::smooth_max;
use glam::{Vec2, Vec3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f32::consts::PI;

/// Seeded randomness in the words that anatomy needs.
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    /// A stream of its own for each purpose, so that a change in one organ leaves the others alone.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(super::noise::mix(seed ^ purpose.wrapping_mul(0xA24B_AED4_963E_E407))))
    }

    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        self.0.random_range(low..=high)
    }

    /// Within `spread` of `middle`, the middle more likely.
    pub(super) fn around(&mut self, middle: f32, spread: f32) -> f32 {
        middle + spread * (self.between(-1.0, 1.0) + self.between(-1.0, 1.0)) / 2.0
    }

    pub(super) fn nudge(&mut self, spread: f32) -> Vec3 {
        Vec3::new(self.around(0.0, spread), self.around(0.0, spread), self.around(0.0, spread))
    }

    pub(super) fn yes(&mut self, probability: f32) -> bool {
        self.between(0.0, 1.0) < probability
    }

    pub(super) fn count(&mut self, low: usize, high: usize) -> usize {
        self.0.random_range(low..=high)
    }
}

/// The build of one patient.
#[derive(Debug, Clone)]
pub(super) struct Habitus {
    /// World mm per standard mm across, front to back and along the body.
    pub scale: Vec3,
    /// Turn about the long axis in radians, and sideways lean in mm per mm.
    pub roll: f32,
    pub lean: f32,
    /// Cavity width and depth, 1 is usual.
    pub width: f32,
    pub depth: f32,
    /// Thickness of the fat under the skin at its usual place, mm.
    pub fat: f32,
    /// Visceral fat, 0 (lean) to 1.
    pub visceral: f32,
    /// Bulk of the muscles, 1 is usual.
    pub muscle: f32,
    pub female: bool,
    /// Heights of the two domes of the diaphragm.
    pub dome_right: f32,
    pub dome_left: f32,
    /// More (above 1) or less curved spine.
    pub curvature: f32,
}

impl Habitus {
    pub(super) fn new(seed: u64) -> Self {
        let mut c = Chance::new(seed, 1);
        let female = c.yes(0.5);
        let size = if female { c.around(0.94, 0.05) } else { c.around(1.02, 0.06) };
        Self {
            scale: Vec3::new(size, size, size * c.around(1.0, 0.04)),
            roll: c.around(0.0, 0.07),
            lean: c.around(0.0, 0.03),
            width: c.around(1.0, 0.06),
            depth: c.around(1.0, 0.12),
            fat: if female { c.between(12.0, 30.0) } else { c.between(7.0, 26.0) },
            visceral: if female { c.between(0.1, 0.7) } else { c.between(0.25, 1.0) },
            muscle: if female { c.around(0.88, 0.12) } else { c.around(1.06, 0.16) },
            female,
            dome_right: c.around(-208.0, 12.0),
            dome_left: c.around(-219.0, 10.0),
            curvature: c.around(1.0, 0.35),
        }
    }

    /// y of the centre of the vertebral bodies at height `z`.
    pub(super) fn spine_y(&self, z: f32) -> f32 {
        let straight = 36.0;
        let bent = along(
            z,
            &[
                (20.0, 24.0),
                (-60.0, 45.0),
                (-140.0, 54.0),
                (-230.0, 46.0),
                (-300.0, 33.0),
                (-370.0, 25.0),
                (-440.0, 31.0),
            ],
        );
        straight + (bent - straight) * self.curvature
    }

    /// Radius of the inner wall of chest and abdomen in direction `angle` (0 is the patient's left, pi/2 the back).
    pub(super) fn cavity_radius(&self, angle: f32, z: f32) -> f32 {
        let across = along(
            z,
            &[
                (6.0, 4.0),
                (-2.0, 34.0),
                (-12.0, 52.0),
                (-28.0, 70.0),
                (-50.0, 88.0),
                (-80.0, 107.0),
                (-120.0, 123.0),
                (-165.0, 132.0),
                (-215.0, 135.0),
                (-260.0, 132.0),
                (-310.0, 124.0),
                (-365.0, 115.0),
                (-410.0, 117.0),
                (-460.0, 112.0),
            ],
        );
        let front = along(
            z,
            &[
                (6.0, 2.0),
                (-2.0, 8.0),
                (-12.0, 18.0),
                (-28.0, 38.0),
                (-50.0, 56.0),
                (-80.0, 71.0),
                (-120.0, 82.0),
                (-165.0, 90.0),
                (-215.0, 94.0),
                (-260.0, 92.0),
                (-310.0, 84.0),
                (-365.0, 74.0),
                (-460.0, 74.0),
            ],
        ) + self.belly(z);
        let back = along(
            z,
            &[
                (6.0, 3.0),
                (-2.0, 34.0),
                (-12.0, 50.0),
                (-28.0, 62.0),
                (-50.0, 71.0),
                (-80.0, 79.0),
                (-120.0, 84.0),
                (-165.0, 86.0),
                (-215.0, 85.0),
                (-260.0, 80.0),
                (-310.0, 72.0),
                (-365.0, 64.0),
                (-460.0, 64.0),
            ],
        );
        let wide = across * self.width + 0.45 * self.belly(z);
        let (sin, cos) = angle.sin_cos();
        // The gutters beside the spine reach farther back than the wall in front of it.
        let gutters = 1.0 - 0.11 * smooth_step(-330.0, -260.0, z) * (-(cos / 0.30).powi(2)).exp() * sin.max(0.0);
        gutters * rounded(angle, wide, front * self.depth, back * (0.5 + 0.5 * self.depth), 2.25, 2.5)
    }

    /// What visceral fat adds to the front of the abdomen, mm.
    fn belly(&self, z: f32) -> f32 {
        (self.visceral - 0.35) * along(z, &[(-190.0, 0.0), (-260.0, 14.0), (-340.0, 36.0), (-460.0, 38.0)])
    }

    /// Radius of the outer surface of the muscles.
    fn muscle_radius(&self, angle: f32, z: f32, cavity: f32, shell: f32) -> f32 {
        let (sin, cos) = angle.sin_cos();
        // The chest wall: ribs, then muscles that fill up to the shoulder's own contour at the top.
        let wall = cavity + shell;
        let across = along(z, &[(20.0, 168.0), (-20.0, 172.0), (-70.0, 160.0), (-120.0, 138.0), (-170.0, 60.0)]);
        let front = along(z, &[(20.0, 36.0), (-20.0, 58.0), (-60.0, 80.0), (-110.0, 70.0), (-170.0, 40.0)]);
        let back = along(z, &[(20.0, 84.0), (-20.0, 98.0), (-60.0, 106.0), (-120.0, 98.0), (-170.0, 60.0)]);
        let bulk = 0.8 + 0.2 * self.muscle;
        let shoulder = rounded(angle, across * self.width * bulk, front * bulk, back, 2.2, 2.8);
        // Erector spinae on both sides of a groove over the spinous processes.
        let groove = 5.0 * (-(cos / 0.10).powi(2)).exp() * sin.max(0.0);
        smooth_max(wall, shoulder, 12.0) - groove
    }

    /// Thickness of the muscle and rib layer, mm.
    fn shell(&self, angle: f32, z: f32) -> f32 {
        let (sin, cos) = angle.sin_cos();
        let chest = along(z, &[(-200.0, 1.0), (-290.0, 0.55), (-330.0, 0.0)]);
        let front = (-sin).max(0.0);
        let back = sin.max(0.0);
        // Chest: intercostals and ribs 11 mm; pectorals in front, serratus and latissimus at the side, the back.
        let pectoral = along(z, &[(-40.0, 18.0), (-90.0, 17.0), (-140.0, 9.0), (-200.0, 3.0)]);
        let side = along(z, &[(-40.0, 20.0), (-140.0, 13.0), (-230.0, 8.0), (-290.0, 6.0)]);
        let dorsal = along(z, &[(-40.0, 24.0), (-160.0, 19.0), (-290.0, 22.0)]);
        let gutter = 9.0 * (-(cos / 0.30).powi(2)).exp() * back;
        let ribs = 11.0 + self.muscle * (pectoral * front * front + side * cos * cos + dorsal * back * back) + gutter;
        // Abdomen: rectus in front, the oblique layers at the side, fat and the muscles of the back behind.
        let x = cos.abs() / (cos.abs() + front).max(1e-3);
        let rectus = 10.5 * (1.0 - smooth_step(0.34, 0.60, x));
        let oblique = 19.0 * smooth_step(0.34, 0.60, x) * (1.0 - smooth_step(0.30, 0.72, back));
        let abdomen = 2.0 + self.muscle * (rectus + oblique) + 33.0 * smooth_step(0.28, 0.93, back);
        abdomen + (ribs - abdomen) * chest
    }

    /// How much of the layer at this place is muscle that the renderer fills in; the rest is fascia and fat, or drawn
    /// muscle by muscle.
    pub(super) fn shell_is_muscle(&self, angle: f32, z: f32) -> f32 {
        let (sin, cos) = angle.sin_cos();
        let back = sin.max(0.0);
        let lumbar = along(z, &[(-285.0, 0.0), (-330.0, 1.0)]);
        // Linea alba between the recti and, beside them, the semilunar lines.
        let x = cos.abs() / (cos.abs() + (-sin).max(0.0)).max(1e-3);
        let gaps = (1.0 - smooth_step(0.010, 0.045, x)).max(1.0 - smooth_step(0.004, 0.026, (x - 0.43).abs()));
        1.0 - lumbar * smooth_step(0.50, 0.74, back).max(gaps)
    }

    /// All surfaces in direction `angle`.
    pub(super) fn rings(&self, angle: f32, z: f32) -> Rings {
        let cavity = self.cavity_radius(angle, z);
        let shell = self.shell(angle, z);
        let muscle = self.muscle_radius(angle, z, cavity, shell);
        let below = muscle - shell;
        let inner = below + (cavity - below) * smooth_step(-310.0, -250.0, z);
        let (sin, cos) = angle.sin_cos();
        let (front, back) = ((-sin).max(0.0), sin.max(0.0));
        let low = smooth_step(200.0, 340.0, -z);
        let chest = 0.55 + 0.25 * cos * cos + 0.25 * back;
        let abdomen = 0.75 + 0.35 * front + 0.55 * back * cos.abs() * 2.0;
        let groove = 1.0 - 0.3 * (-(cos / 0.14).powi(2)).exp() * back;
        let skin = muscle + 2.0 + self.fat * (chest + (abdomen - chest) * low) * groove;
        Rings { cavity, inner, muscle, skin }
    }

    /// Radius of the skin.
    pub(super) fn skin_radius(&self, angle: f32, z: f32) -> f32 {
        self.rings(angle, z).skin
    }

    /// Height of the diaphragm's surface.
    pub(super) fn diaphragm_height(&self, at: Vec2) -> f32 {
        let dome = |center: Vec2, top: f32| {
            let r = ((at - center) / Vec2::new(74.0, 88.0)).length();
            let r2 = (r * r).min(2.5);
            top - 22.0 * r2 - 48.0 * r2 * r2 * r2.min(1.2)
        };
        let right = dome(Vec2::new(-64.0, -8.0), self.dome_right);
        let left = dome(Vec2::new(66.0, -6.0), self.dome_left);
        let middle = -(self.dome_right + self.dome_left) * -0.5 - 12.0 - 0.006 * (at.x * at.x + at.y * at.y);
        smooth_max(smooth_max(right, left, 14.0), middle, 10.0)
    }

    /// Distance to the diaphragm, positive above it. Good near the surface, a bound elsewhere.
    pub(super) fn above_diaphragm(&self, p: Vec3) -> f32 {
        let at = Vec2::new(p.x, p.y);
        let h = self.diaphragm_height(at);
        if (p.z - h).abs() > 60.0 {
            return (p.z - h).signum() * 30.0;
        }
        let e = 1.5;
        let gx = (self.diaphragm_height(at + Vec2::X * e) - h) / e;
        let gy = (self.diaphragm_height(at + Vec2::Y * e) - h) / e;
        (p.z - h) / (1.0 + gx * gx + gy * gy).sqrt()
    }

    /// Distance to the cavity's wall, negative inside.
    pub(super) fn cavity(&self, p: Vec3) -> f32 {
        radial(p, |angle| self.cavity_radius(angle, p.z))
    }
}

/// Radii of the torso's surfaces in one direction, mm.
pub(super) struct Rings {
    pub cavity: f32,
    /// Inner surface of the muscle and rib layer: the cavity's own in the chest.
    pub inner: f32,
    /// Outer surface of the muscles.
    pub muscle: f32,
    pub skin: f32,
}

/// Distance to a contour given by its radius in each direction.
fn radial(p: Vec3, radius: impl Fn(f32) -> f32) -> f32 {
    let angle = p.y.atan2(p.x);
    let r = radius(angle);
    let slope = (radius(angle + 0.02) - radius(angle - 0.02)) / 0.04;
    (p.x.hypot(p.y) - r) * r / r.hypot(slope).max(1e-3)
}

/// Superellipse with different depths in front and behind, in polar form.
fn rounded(angle: f32, across: f32, front: f32, back: f32, n_front: f32, n_back: f32) -> f32 {
    let (sin, cos) = angle.sin_cos();
    let (deep, n) = if sin < 0.0 { (front, n_front) } else { (back, n_back) };
    ((cos.abs() / across.max(0.5)).powf(n) + (sin.abs() / deep.max(0.5)).powf(n)).powf(-1.0 / n)
}

pub(super) fn smooth_step(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Smooth curve through `(z, value)` knots in falling z: cubic Hermite with monotone slopes (Fritsch and Butland, 1984).
pub(super) fn along(z: f32, knots: &[(f32, f32)]) -> f32 {
    let Some(n) = knots.windows(2).position(|w| z <= w[0].0 && z >= w[1].0) else {
        let end = if knots.first().is_some_and(|k| z > k.0) { knots.first() } else { knots.last() };
        return end.map_or(0.0, |k| k.1);
    };
    let slope = |m: usize| (knots[m + 1].1 - knots[m].1) / (knots[m + 1].0 - knots[m].0);
    let tangent = |m: usize| {
        if m == 0 || m + 1 >= knots.len() {
            return 0.0;
        }
        let (a, b) = (slope(m - 1), slope(m));
        if a * b <= 0.0 { 0.0 } else { 2.0 * a * b / (a + b) }
    };
    let (z0, v0) = knots[n];
    let (z1, v1) = knots[n + 1];
    let h = z1 - z0;
    let t = (z - z0) / h;
    let (t2, t3) = (t * t, t * t * t);
    v0 * (2.0 * t3 - 3.0 * t2 + 1.0)
        + tangent(n) * h * (t3 - 2.0 * t2 + t)
        + v1 * (3.0 * t2 - 2.0 * t3)
        + tangent(n + 1) * h * (t3 - t2)
}

/// A contour of one height as a table over the direction.
pub(super) struct Contour {
    radius: Vec<f32>,
    /// Radial distance to normal distance.
    slant: Vec<f32>,
}

impl Contour {
    const STEPS: usize = 480;

    /// The four surfaces at height `z`: cavity, inner, muscle, skin.
    pub(super) fn all(habitus: &Habitus, z: f32) -> [Self; 4] {
        let step = 2.0 * PI / Self::STEPS as f32;
        let rings: Vec<Rings> = (0..Self::STEPS).map(|n| habitus.rings(-PI + n as f32 * step, z)).collect();
        let of = |pick: fn(&Rings) -> f32| Self::from_radii(rings.iter().map(pick).collect());
        [of(|r| r.cavity), of(|r| r.inner), of(|r| r.muscle), of(|r| r.skin)]
    }

    fn from_radii(radius: Vec<f32>) -> Self {
        let step = 2.0 * PI / radius.len() as f32;
        let slant = (0..radius.len())
            .map(|n| {
                let next = radius[(n + 1) % radius.len()];
                let last = radius[(n + radius.len() - 1) % radius.len()];
                radius[n] / radius[n].hypot((next - last) / (2.0 * step)).max(1e-3)
            })
            .collect();
        Self { radius, slant }
    }

    /// Signed distance of a point at `range` mm in direction `turn` (`0..1`, from -pi to pi), negative inside.
    pub(super) fn distance(&self, turn: f32, range: f32) -> f32 {
        let place = turn.clamp(0.0, 1.0) * Self::STEPS as f32;
        let n = place as usize;
        let (a, b) = (n % Self::STEPS, (n + 1) % Self::STEPS);
        let t = place - n as f32;
        let r = self.radius[a] + (self.radius[b] - self.radius[a]) * t;
        (range - r) * self.slant[a]
    }

    /// Largest radius.
    pub(super) fn reach(&self) -> f32 {
        self.radius.iter().copied().fold(0.0, f32::max)
    }
}
