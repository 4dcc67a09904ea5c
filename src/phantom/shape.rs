//! Implicit solids with approximate signed distances in mm (negative inside), and what they are made of.

use super::Tissue;
use glam::{Mat3, Vec3};

/// Farther than any blend or feather reaches.
pub(super) const FAR: f32 = 60.0;

/// A cone with round ends in a linearly transformed space: sphere, ellipsoid, capsule or flattened rod.
#[derive(Debug, Clone)]
pub(super) struct Blob {
    map: Mat3,
    map_t: Mat3,
    /// Ends in the transformed space: start, and the way to the end.
    start: Vec3,
    along: Vec3,
    along_scale: f32,
    radius: f32,
    growth: f32,
    smallest: f32,
    lo: Vec3,
    hi: Vec3,
}

impl Blob {
    fn mapped(map: Mat3, a: Vec3, b: Vec3, ra: f32, rb: f32) -> Self {
        let (start, end) = (map * a, map * b);
        let along = end - start;
        let squared = along.length_squared();
        let back = map.inverse();
        let rows = back.transpose();
        let reach = Vec3::new(rows.x_axis.length(), rows.y_axis.length(), rows.z_axis.length());
        let smallest = 1.0 / map.x_axis.length().max(map.y_axis.length()).max(map.z_axis.length());
        Self {
            map,
            map_t: map.transpose(),
            start,
            along,
            along_scale: if squared > 1e-12 { 1.0 / squared } else { 0.0 },
            radius: ra,
            growth: rb - ra,
            smallest,
            lo: (a - reach * ra).min(b - reach * rb),
            hi: (a + reach * ra).max(b + reach * rb),
        }
    }

    /// Ellipsoid whose own axes are the columns of `axes`.
    pub(super) fn ellipsoid(center: Vec3, radii: Vec3, axes: Mat3) -> Self {
        Self::mapped(Mat3::from_diagonal(radii.recip()) * axes.transpose(), center, center, 1.0, 1.0)
    }

    /// Rod from `a` to `b`, its radius changing from `ra` to `rb`.
    pub(super) fn rod(a: Vec3, b: Vec3, ra: f32, rb: f32) -> Self {
        Self::mapped(Mat3::IDENTITY, a, b, ra, rb)
    }

    /// Rod thinner by `squash` along the unit vector `thin`.
    pub(super) fn flat_rod(a: Vec3, b: Vec3, ra: f32, rb: f32, thin: Vec3, squash: f32) -> Self {
        let outer = Mat3::from_cols(thin * thin.x, thin * thin.y, thin * thin.z);
        Self::mapped(Mat3::IDENTITY + outer * (squash - 1.0), a, b, ra, rb)
    }

    /// With `more` mm around it; for rods that are not flattened.
    pub(super) fn grown(&self, more: f32) -> Self {
        let reach = Vec3::splat(more);
        Self { radius: self.radius + more, lo: self.lo - reach, hi: self.hi + reach, ..self.clone() }
    }

    fn distance(&self, p: Vec3) -> f32 {
        let q = self.map * p - self.start;
        let t = (q.dot(self.along) * self.along_scale).clamp(0.0, 1.0);
        let v = q - self.along * t;
        let r = self.radius + self.growth * t;
        let length = v.length();
        let slope = (self.map_t * v).length();
        if slope < 1e-9 { -r * self.smallest } else { (length - r) * length / slope }
    }
}

/// Elliptic cylinder with rounded rims and a waist: a vertebral body or a disc.
#[derive(Debug, Clone)]
pub(super) struct Puck {
    pub center: Vec3,
    /// Columns: across, front to back, up.
    pub axes: Mat3,
    pub radii: [f32; 2],
    pub half_height: f32,
    /// How much narrower half way up, in mm.
    pub waist: f32,
}

impl Puck {
    fn distance(&self, p: Vec3) -> f32 {
        let q = self.axes.transpose() * (p - self.center);
        let h = q.z / self.half_height;
        let narrow = self.waist * (1.0 - h * h).max(0.0);
        let (rx, ry) = (self.radii[0] - narrow, self.radii[1] - narrow);
        let k0 = ((q.x / rx).powi(2) + (q.y / ry).powi(2)).sqrt();
        let k1 = ((q.x / (rx * rx)).powi(2) + (q.y / (ry * ry)).powi(2)).sqrt();
        let side = if k1 < 1e-9 { -rx.min(ry) } else { k0 * (k0 - 1.0) / k1 };
        smooth_max(side, q.z.abs() - self.half_height, 3.0)
    }
}

/// One solid.
#[derive(Debug, Clone)]
pub(super) enum Solid {
    Blob(Blob),
    Puck(Puck),
}

impl Solid {
    /// Signed distance in mm.
    pub(super) fn distance(&self, p: Vec3) -> f32 {
        match self {
            Self::Blob(b) => b.distance(p),
            Self::Puck(c) => c.distance(p),
        }
    }

    /// Smallest axis-aligned box around it.
    pub(super) fn bounds(&self) -> (Vec3, Vec3) {
        match self {
            Self::Blob(b) => (b.lo, b.hi),
            Self::Puck(c) => {
                let reach = Vec3::splat(c.radii[0].max(c.radii[1]).hypot(c.half_height));
                (c.center - reach, c.center + reach)
            }
        }
    }
}

/// Smooth minimum (Quilez's quadratic form): a fillet of size `k` mm where two solids meet.
pub(super) fn smooth_min(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0);
    a.min(b) - if k > 0.0 { h * h / (4.0 * k) } else { 0.0 }
}

/// Smooth maximum: the rounded intersection.
pub(super) fn smooth_max(a: f32, b: f32, k: f32) -> f32 {
    -smooth_min(-a, -b, k)
}

/// What a part does to the labels of the voxels that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// They become this tissue.
    As(Tissue),
    /// They stay what they were (a vessel inside an organ).
    Keep,
}

/// What fills a part, from its surface inwards.
#[derive(Debug, Clone)]
pub(super) struct Material {
    /// HU at the surface.
    pub hu: f32,
    /// `(depth in mm, HU)`: from that depth on.
    pub inner: Vec<(f32, f32)>,
    /// Amplitude in HU of fine texture (a few mm), of the innermost layer.
    pub texture: f32,
    /// Gas above (in front of) this y in mm, inside the last layer.
    pub gas_level: Option<f32>,
    /// Share of the inside that is bubbles of gas, 0 to 1.
    pub bubbles: f32,
    /// Fat streaks within muscle, 0 to 1.
    pub streaks: f32,
}

impl Material {
    pub(super) fn plain(hu: f32) -> Self {
        Self { hu, inner: Vec::new(), texture: 0.0, gas_level: None, bubbles: 0.0, streaks: 0.0 }
    }

    pub(super) fn layered(hu: f32, inner: &[(f32, f32)]) -> Self {
        Self { inner: inner.to_vec(), ..Self::plain(hu) }
    }

    pub(super) fn textured(self, texture: f32) -> Self {
        Self { texture, ..self }
    }
}

/// Surfaces of the torso that a part must stay within.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    /// At least this deep inside the cavity's wall, in mm.
    pub cavity: Option<f32>,
    /// At least this far below the diaphragm.
    pub below_diaphragm: Option<f32>,
    /// At least this far above the diaphragm.
    pub above_diaphragm: Option<f32>,
    /// At least this far outside the rib cage's inner wall.
    pub outside_chest: Option<f32>,
    /// At least this deep under the muscle's outer surface.
    pub muscle: Option<f32>,
}

/// Solids joined smoothly, others carved out, limited by the torso, of one material.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub solids: Vec<Solid>,
    /// Fillet between solids, mm.
    pub blend: f32,
    /// Solids taken away, each grown by so many mm.
    pub carved: Vec<(Solid, f32)>,
    pub limits: Limits,
    /// Amplitude in mm of the uneven surface.
    pub rough: f32,
    pub material: Material,
    pub marks: Marks,
}

impl Part {
    pub(super) fn new(solids: Vec<Solid>, material: Material, marks: Marks) -> Self {
        Self { solids, blend: 2.0, carved: Vec::new(), limits: Limits::default(), rough: 0.0, material, marks }
    }

    pub(super) fn blend(self, blend: f32) -> Self {
        Self { blend, ..self }
    }

    pub(super) fn rough(self, rough: f32) -> Self {
        Self { rough, ..self }
    }

    pub(super) fn carve(mut self, solids: impl IntoIterator<Item = (Solid, f32)>) -> Self {
        self.carved.extend(solids);
        self
    }

    pub(super) fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Signed distance of the solids alone, without the torso's surfaces and without roughness.
    pub(super) fn distance(&self, p: Vec3) -> f32 {
        let joined = self.solids.iter().fold(FAR, |d, s| smooth_min(d, s.distance(p), self.blend));
        self.carved.iter().fold(joined, |d, (s, grow)| smooth_max(d, grow - s.distance(p), 4.0))
    }

    /// Smallest box around the solids.
    pub(super) fn bounds(&self) -> (Vec3, Vec3) {
        self.solids
            .iter()
            .map(Solid::bounds)
            .fold((Vec3::INFINITY, Vec3::NEG_INFINITY), |(lo, hi), (a, b)| (lo.min(a), hi.max(b)))
    }
}

/// Points of a Catmull-Rom curve through `(place, radius)`, `steps` to a span.
pub(super) fn curve(knots: &[(Vec3, f32)], steps: usize) -> Vec<(Vec3, f32)> {
    let at = |n: isize| knots[n.clamp(0, knots.len() as isize - 1) as usize];
    let mut out = Vec::with_capacity(knots.len() * steps + 1);
    for n in 0..knots.len().saturating_sub(1) as isize {
        let (a, b, c, d) = (at(n - 1), at(n), at(n + 1), at(n + 2));
        for s in 0..steps {
            let t = s as f32 / steps as f32;
            let (t2, t3) = (t * t, t * t * t);
            let p = b.0 * 2.0
                + (c.0 - a.0) * t
                + (a.0 * 2.0 - b.0 * 5.0 + c.0 * 4.0 - d.0) * t2
                + (b.0 * 3.0 - a.0 - c.0 * 3.0 + d.0) * t3;
            out.push((p * 0.5, b.1 + (c.1 - b.1) * t));
        }
    }
    out.extend(knots.last().copied());
    out
}

/// Rods along a curve.
pub(super) fn tube(points: &[(Vec3, f32)]) -> Vec<Solid> {
    points.windows(2).map(|w| Solid::Blob(Blob::rod(w[0].0, w[1].0, w[0].1, w[1].1))).collect()
}

/// Rods along a curve, thinner by `squash` along `thin`.
pub(super) fn flat_tube(points: &[(Vec3, f32)], thin: Vec3, squash: f32) -> Vec<Solid> {
    let thin = thin.normalize_or(Vec3::Y);
    points.windows(2).map(|w| Solid::Blob(Blob::flat_rod(w[0].0, w[1].0, w[0].1, w[1].1, thin, squash))).collect()
}

/// Upright ellipsoid.
pub(super) fn ellipsoid(center: Vec3, radii: Vec3) -> Solid {
    Solid::Blob(Blob::ellipsoid(center, radii, Mat3::IDENTITY))
}

/// Ellipsoid turned by `axes`.
pub(super) fn turned(center: Vec3, radii: Vec3, axes: Mat3) -> Solid {
    Solid::Blob(Blob::ellipsoid(center, radii, axes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_exact_for_spheres_and_close_near_other_surfaces() {
        let sphere = ellipsoid(Vec3::new(1.0, 2.0, 3.0), Vec3::splat(5.0));
        assert!((sphere.distance(Vec3::new(9.0, 2.0, 3.0)) - 3.0).abs() < 1e-4);
        assert!((sphere.distance(Vec3::new(1.0, 2.0, 5.0)) + 3.0).abs() < 1e-4);
        let egg = ellipsoid(Vec3::ZERO, Vec3::new(40.0, 20.0, 10.0));
        for (p, d) in [(Vec3::new(41.0, 0.0, 0.0), 1.0), (Vec3::new(0.0, 19.0, 0.0), -1.0), (Vec3::Z * 12.0, 2.0)] {
            assert!((egg.distance(p) - d).abs() < 0.3, "{p}");
        }
        let plate = Solid::Blob(Blob::flat_rod(Vec3::ZERO, Vec3::Z * 30.0, 10.0, 10.0, Vec3::Y, 4.0));
        assert!((plate.distance(Vec3::new(0.0, 3.5, 15.0)) - 1.0).abs() < 0.05);
        assert!((plate.distance(Vec3::new(12.0, 0.0, 15.0)) - 2.0).abs() < 0.05);
    }

    #[test]
    fn bounds_hold_the_inside() {
        let axes = Mat3::from_rotation_z(0.6) * Mat3::from_rotation_x(0.4);
        for solid in [
            turned(Vec3::new(3.0, -4.0, 5.0), Vec3::new(20.0, 8.0, 4.0), axes),
            Solid::Blob(Blob::flat_rod(Vec3::ZERO, Vec3::new(9.0, 9.0, 9.0), 6.0, 3.0, axes.y_axis, 2.0)),
            Solid::Puck(Puck { center: Vec3::ZERO, axes, radii: [12.0, 9.0], half_height: 8.0, waist: 1.0 }),
        ] {
            let (lo, hi) = solid.bounds();
            for n in 0..30 * 30 * 30 {
                let p = Vec3::new((n % 30) as f32, (n / 30 % 30) as f32, (n / 900) as f32) * 2.0 - 30.0;
                if solid.distance(p) < 0.0 {
                    assert!(p.cmpge(lo - 1e-3).all() && p.cmple(hi + 1e-3).all(), "{p} outside {lo}..{hi}");
                }
            }
        }
    }

    #[test]
    fn curves_pass_through_their_knots() {
        let knots = [(Vec3::ZERO, 1.0), (Vec3::X * 10.0, 2.0), (Vec3::new(10.0, 10.0, 0.0), 3.0)];
        let points = curve(&knots, 4);
        assert_eq!(points.len(), 9);
        assert!(knots.iter().all(|k| points.iter().any(|p| (p.0 - k.0).length() < 1e-5 && (p.1 - k.1).abs() < 1e-5)));
    }
}
