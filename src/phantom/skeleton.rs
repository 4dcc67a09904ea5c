//! Spine, ribs with their cartilage, sternum, collar bones and shoulder blades.

use super::Tissue;
use super::anatomy::Stock;
use super::habitus::{Chance, Habitus};
use super::shape::{Blob, Limits, Marks, Material, Part, Puck, Solid, curve, ellipsoid, flat_tube, tube, turned};
use glam::{Mat3, Vec3};
use std::f32::consts::PI;

/// One vertebra's place: T1 to T12 are 0 to 11, L1 to L5 are 12 to 16.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    /// Centre of the body.
    pub center: Vec3,
    /// From this body's centre to the next one's.
    pub pitch: f32,
    /// Half width and half depth of the body.
    pub radii: [f32; 2],
    /// Rotation about x that follows the spine's curve.
    pub tilt: f32,
}

/// Index of L3 in [`levels`].
pub(super) const L3: usize = 14;

/// The vertebrae from T1 to L5.
pub(super) fn levels(habitus: &Habitus) -> Vec<Level> {
    let mut z = 0.0;
    (0..17)
        .map(|n| {
            let f = n as f32;
            let pitch = if n < 12 { 18.0 + 0.80 * f } else { 33.0 + 0.9 * (f - 12.0) };
            let middle = z - pitch / 2.0;
            z -= pitch;
            let slope = (habitus.spine_y(middle + 15.0) - habitus.spine_y(middle - 15.0)) / 30.0;
            Level {
                center: Vec3::new(0.0, habitus.spine_y(middle), middle),
                pitch,
                radii: [13.5 + 0.72 * f, 9.5 + 0.52 * f],
                tilt: -slope.atan(),
            }
        })
        .collect()
}

/// All bones, in the order of painting.
pub(super) fn build(habitus: &Habitus, seed: u64, stock: &mut Stock) {
    let mut chance = Chance::new(seed, 2);
    let levels = levels(habitus);
    // Bone loses density with age; everything mineral follows.
    let mineral = chance.around(1.0, 0.22);
    let cortical = |thick: f32, inside: f32, cortex: f32| {
        let mut m = Material::layered(cortex * mineral, &[(thick, inside * mineral)]).textured(34.0);
        m.texture *= mineral;
        m
    };
    for (n, level) in levels.iter().enumerate() {
        vertebra(n, level, levels.get(n + 1), &cortical, stock);
    }
    for (n, level) in levels.iter().take(12).enumerate() {
        for side in [-1.0, 1.0] {
            rib(habitus, n, level, side, &cortical, &mut chance, stock);
        }
    }
    front(habitus, &cortical, stock);
    shoulders(habitus, &cortical, stock);
}

fn vertebra(
    n: usize,
    level: &Level,
    below: Option<&Level>,
    bone: &impl Fn(f32, f32, f32) -> Material,
    stock: &mut Stock,
) {
    let lumbar = n >= 12;
    let axes = Mat3::from_rotation_x(level.tilt);
    let [rx, ry] = level.radii;
    let at = |x: f32, y: f32, z: f32| level.center + axes * Vec3::new(x, y, z);
    let gap = if lumbar { 9.0 } else { 4.5 };
    let half = (level.pitch - gap) / 2.0;
    let body = Solid::Puck(Puck { center: level.center, axes, radii: [rx, ry], half_height: half, waist: 1.8 });
    let (cx, cy) = if lumbar { (12.0, 8.5) } else { (9.5, 8.0) };
    let canal_y = ry + cy - 2.0;
    let canal = turned(at(0.0, canal_y, -2.0), Vec3::new(cx, cy, level.pitch * 1.4), axes);
    if let Some(below) = below {
        let center = (level.center + below.center) / 2.0;
        let disc = Puck { center, axes, radii: [rx + 0.8, ry + 0.8], half_height: gap / 2.0 + 1.5, waist: -0.8 };
        let disc = Part::new(vec![Solid::Puck(disc)], Material::plain(86.0).textured(6.0), Marks::As(Tissue::Other));
        stock.add(disc.carve([(canal.clone(), 0.0)]));
    }
    let body = Part::new(vec![body], bone(1.5, 190.0, 520.0), Marks::As(Tissue::Other)).rough(0.35);
    stock.add(body.carve([(canal.clone(), 0.0)]));
    // The arch: pedicles high on the body, laminae, articular, transverse and spinous processes.
    let thick = if lumbar { 4.6 } else { 3.6 };
    let mut arch = Vec::new();
    let high = half * 0.35;
    for side in [-1.0, 1.0] {
        let wing = |x: f32, y: f32, z: f32| at(side * x, y, z);
        arch.push(Solid::Blob(Blob::rod(
            wing(cx * 0.95, ry * 0.7, high),
            wing(cx + 2.0, canal_y + 1.0, high),
            thick,
            thick,
        )));
        arch.push(Solid::Blob(Blob::flat_rod(
            wing(cx + 1.5, canal_y + 2.0, high - 2.0),
            wing(1.0, canal_y + cy + 4.0, -half * 0.5),
            thick + 3.0,
            thick + 2.0,
            (axes * Vec3::new(side * 0.6, 0.8, 0.0)).normalize(),
            2.1,
        )));
        let facet_r = if lumbar { 7.5 } else { 5.0 };
        arch.push(ellipsoid(wing(cx + 4.5, canal_y + cy * 0.8, -half), Vec3::new(facet_r, facet_r, half * 0.8)));
        let transverse = if lumbar {
            [
                (wing(cx + 3.0, canal_y - 1.0, high), 4.6),
                (wing(27.0, canal_y - 2.0, high), 3.4),
                (wing(41.0, canal_y + 1.0, high + 2.0), 3.0),
            ]
        } else {
            let reach = 31.0 - 0.5 * n as f32;
            [
                (wing(cx + 2.0, canal_y, high), 4.6),
                (wing(reach * 0.7, canal_y + 6.0, high + 1.0), 4.0),
                (wing(reach, canal_y + 11.0, high + 2.0), 4.4),
            ]
        };
        if lumbar {
            arch.extend(flat_tube(&transverse, Vec3::Y, 1.35));
        } else {
            arch.extend(tube(&transverse));
        }
    }
    let (drop, back) = if lumbar { (6.0, 30.0) } else { (6.0 + 14.0 * (1.0 - (n as f32 - 6.0).abs() / 6.0), 27.0) };
    let tail = if lumbar { 9.0 } else { 4.5 };
    arch.push(Solid::Blob(Blob::flat_rod(
        at(0.0, canal_y + cy + 3.0, -half * 0.4),
        at(0.0, canal_y + cy + back, -half * 0.4 - drop),
        tail,
        tail + 1.0,
        Vec3::X,
        if lumbar { 3.2 } else { 1.7 },
    )));
    let arch = Part::new(arch, bone(1.6, 240.0, 620.0), Marks::As(Tissue::Other)).blend(3.0).rough(0.4);
    stock.add(arch.carve([(canal, 0.0)]));
    // Fat around the sac, the sac, and above L2 the cord.
    let fat = turned(at(0.0, canal_y, -level.pitch * 0.1), Vec3::new(cx - 0.5, cy - 0.5, level.pitch), axes);
    stock.add(Part::new(vec![fat], Material::plain(-60.0), Marks::As(Tissue::Other)));
    let reach = level.pitch * 1.1;
    let sac = turned(at(0.0, canal_y - 0.5, 0.0), Vec3::new(cx - 2.5, cy - 2.0, reach), axes);
    let inside = if n < 13 { vec![(2.2, 42.0)] } else { vec![] };
    stock.add(Part::new(vec![sac], Material::layered(18.0, &inside).textured(4.0), Marks::As(Tissue::Other)));
}

/// Rib `n`: from the vertebra round the wall of the chest, sloping down, then cartilage towards the sternum.
fn rib(
    habitus: &Habitus,
    n: usize,
    level: &Level,
    side: f32,
    bone: &impl Fn(f32, f32, f32) -> Material,
    chance: &mut Chance,
    stock: &mut Stock,
) {
    let f = n as f32;
    let [rx, ry] = level.radii;
    let top = level.center.z + level.pitch * 0.35;
    let drop =
        [26.0, 42.0, 55.0, 68.0, 80.0, 90.0, 96.0, 98.0, 94.0, 86.0, 62.0, 34.0][n.min(11)] * chance.around(1.0, 0.06);
    // Angle from the back (90 degrees) over the side (0) to the front (-90); where bone ends.
    let end =
        [-50.0, -56.0, -58.0, -58.0, -56.0, -52.0, -46.0, -38.0, -28.0, -16.0, 12.0, 38.0][n.min(11)] * PI / 180.0;
    let thick = [4.2, 4.4][usize::from((2..9).contains(&n))];
    let start = 66.0 * PI / 180.0;
    let wall = |angle: f32, z: f32| {
        let r = habitus.cavity_radius(angle, z) + 6.2;
        Vec3::new(side * r * angle.cos(), r * angle.sin(), z)
    };
    let mut knots = vec![
        (Vec3::new(side * (rx - 1.0), level.center.y + ry * 0.6, top), thick),
        (Vec3::new(side * (26.0 + rx * 0.25), level.center.y + ry + 13.0, top + 1.0), thick * 0.9),
    ];
    let spans = 16;
    for s in 1..=spans {
        let t = s as f32 / spans as f32;
        let angle = start + (end - start) * t;
        let z = top - drop * (0.10 * t + 0.90 * t.powf(1.25));
        let p = wall(angle, z);
        if p.x.abs() > 36.0 {
            knots.push((p, thick));
        }
    }
    let flatness = Mat3::from_cols(Vec3::X, Vec3::Y, Vec3::Z).z_axis;
    let points = curve(&knots, 2);
    let radial = |a: Vec3, b: Vec3| {
        let along = (b - a).normalize_or(Vec3::X);
        along.cross(flatness).normalize_or(Vec3::Y)
    };
    let rods = points
        .windows(2)
        .map(|w| {
            let thin = radial(w[0].0, w[1].0);
            Solid::Blob(Blob::flat_rod(w[0].0, w[1].0, w[0].1 * 1.55, w[1].1 * 1.55, thin, 1.8))
        })
        .collect();
    stock.add(Part::new(rods, bone(1.2, 210.0, 720.0), Marks::As(Tissue::Other)).blend(1.5));
    if n >= 10 {
        return;
    }
    // Cartilage: straight to the sternum for the upper ribs, rising along the arch for the others.
    let Some((from, _)) = points.last().copied() else { return };
    let rise = if n < 5 { 4.0 - 3.0 * f } else { 14.0 + 12.0 * (f - 5.0) };
    let goal_z = (from.z + rise).clamp(-196.0, -28.0);
    let goal_angle = -PI / 2.0 + if n < 7 { 0.16 } else { 0.2 + 0.13 * (f - 6.0) };
    let mut knots = vec![(from, thick)];
    let from_angle = from.y.atan2(from.x.abs());
    for s in 1..=6 {
        let t = s as f32 / 6.0;
        let bend = if n < 5 { t } else { t * t };
        knots.push((wall(from_angle + (goal_angle - from_angle) * t, from.z + (goal_z - from.z) * bend), thick));
    }
    let rods = curve(&knots, 2)
        .windows(2)
        .map(|w| Solid::Blob(Blob::flat_rod(w[0].0, w[1].0, w[0].1 * 1.4, w[1].1 * 1.4, radial(w[0].0, w[1].0), 1.6)))
        .collect();
    let calcified = chance.between(0.0, 160.0).max(40.0) - 40.0;
    let material = Material::layered(105.0 + calcified, &[(1.3, 95.0)]).textured(8.0);
    stock.add(Part::new(rods, material, Marks::As(Tissue::Other)).blend(1.5));
}

/// Manubrium, body of the sternum, xiphoid.
fn front(habitus: &Habitus, bone: &impl Fn(f32, f32, f32) -> Material, stock: &mut Stock) {
    let at = |z: f32| Vec3::new(0.0, -habitus.cavity_radius(-PI / 2.0, z) - 7.0, z);
    let piece = |from: f32, to: f32, wide_from: f32, wide_to: f32, squash: f32| {
        let thin = (at(to) - at(from)).cross(Vec3::X).normalize_or(Vec3::Y);
        Solid::Blob(Blob::flat_rod(at(from), at(to), wide_from, wide_to, thin, squash))
    };
    let solids = vec![
        piece(-50.0, -74.0, 27.0, 17.0, 3.6),
        piece(-82.0, -130.0, 15.0, 18.0, 2.9),
        piece(-130.0, -166.0, 18.0, 12.0, 2.9),
    ];
    stock.add(Part::new(solids, bone(1.1, 120.0, 420.0), Marks::As(Tissue::Other)).blend(4.0));
}

/// Collar bones, shoulder blades and the heads of the upper arms, arms raised.
fn shoulders(habitus: &Habitus, bone: &impl Fn(f32, f32, f32) -> Material, stock: &mut Stock) {
    let w = habitus.width;
    for side in [-1.0f32, 1.0] {
        let p = |x: f32, y: f32, z: f32| Vec3::new(side * x * w, y, z);
        let knots = [
            (p(16.0, -52.0, -40.0), 8.0),
            (p(45.0, -50.0, -26.0), 6.0),
            (p(80.0, -36.0, -8.0), 5.5),
            (p(110.0, -14.0, 6.0), 6.5),
            (p(128.0, 4.0, 14.0), 6.5),
        ];
        stock.add(Part::new(tube(&curve(&knots, 4)), bone(1.8, 230.0, 760.0), Marks::As(Tissue::Other)));
        // The blade: a thin plate over the ribs, its spine, and the socket.
        let blade = |t: f32, z: f32| {
            let r = habitus.cavity_radius(t, z) + 23.0;
            Vec3::new(side * r * t.cos(), r * t.sin(), z)
        };
        let (upper, lower, outer) = (blade(0.98, -30.0), blade(0.86, -128.0), blade(0.45, -28.0));
        let thin = (lower - upper).cross(outer - upper).normalize_or(Vec3::Y);
        let mut solids = Vec::new();
        for s in 0..7 {
            let t = s as f32 / 6.0;
            let from = upper.lerp(lower, t);
            let to = outer.lerp(lower, t * 0.96);
            solids.push(Solid::Blob(Blob::flat_rod(from, to, 9.5, 9.5, thin, 5.0)));
        }
        // A thicker outer border, and the ridge that carries the acromion.
        solids.push(Solid::Blob(Blob::rod(outer, lower, 5.0, 3.5)));
        let ridge = blade(0.9, -46.0) + thin * -thin.y.signum().abs();
        let acromion = p(136.0, 40.0, -6.0);
        solids.push(Solid::Blob(Blob::flat_rod(ridge, acromion, 7.0, 9.0, Vec3::Z, 1.6)));
        solids.push(Solid::Blob(Blob::rod(outer, p(132.0, 22.0, -22.0), 7.0, 11.0)));
        let limits = Limits { muscle: Some(1.0), ..Limits::default() };
        stock.add(Part::new(solids, bone(1.2, 170.0, 640.0), Marks::As(Tissue::Other)).blend(5.0).within(limits));
        let head = turned(p(158.0, 14.0, -10.0), Vec3::new(22.0, 23.0, 23.0), Mat3::IDENTITY);
        stock.add(Part::new(vec![head], bone(1.6, 190.0, 600.0), Marks::As(Tissue::Other)).within(limits));
    }
}
