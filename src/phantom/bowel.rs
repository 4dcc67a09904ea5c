//! Small and large bowel, and the vessels that reach them.

use super::abdomen::{OTHER, inside};
use super::anatomy::{Contrast, Stock};
use super::habitus::{Chance, Habitus};
use super::shape::{Material, Part, curve, tube};
use super::trees::{Growth, grow};
use glam::Vec3;

/// Loops of small bowel through points that keep their distance, and the vessels that reach them.
pub(super) fn small(habitus: &Habitus, contrast: &Contrast, seed: u64, stock: &mut Stock) {
    let mut c = Chance::new(seed, 11);
    let reach = |z: f32| habitus.cavity_radius(-std::f32::consts::FRAC_PI_2, z);
    let region = |p: Vec3| {
        let q =
            (p - Vec3::new(4.0, -0.42 * reach(p.z), -404.0)) / Vec3::new(92.0 * habitus.width, 0.54 * reach(p.z), 96.0);
        (q.length() - 1.0) * 35.0
    };
    let behind = |p: Vec3| p.y - (habitus.spine_y(p.z) - 30.0 - 0.004 * p.x * p.x);
    let fits = |p: Vec3| region(p).max(behind(p));
    let (lo, hi) = (Vec3::new(-95.0, -110.0, -490.0), Vec3::new(100.0, 25.0, -305.0));
    let mesentery = Growth {
        root: Vec3::new(-6.0, habitus.spine_y(-360.0) - 56.0, -360.0),
        towards: Vec3::new(-0.2, -0.4, -1.0),
        lo,
        hi,
        steps: 420,
        step: 8.0,
        twig: 0.75,
        trunk: 3.0,
        margin: -6.0,
    };
    let twigs = grow(&mesentery, &mut c, fits);
    stock.add(Part::new(twigs, Material::plain(contrast.veins), OTHER).blend(0.8));
    let apart = 21.0 + 9.0 * habitus.visceral;
    let mut points: Vec<Vec3> = Vec::new();
    for _ in 0..1500 {
        let p = Vec3::new(c.between(lo.x, hi.x), c.between(lo.y, hi.y), c.between(lo.z, hi.z));
        if fits(p) < -6.0 && points.iter().all(|q| q.distance(p) > apart) {
            points.push(p);
        }
    }
    // Positive oral contrast medium is drunk by some and has come only so far.
    let oral = if c.yes(0.35) { c.between(0.2, 0.7) } else { 0.0 };
    while points.len() >= 3 {
        // One loop: always on to the nearest point that is left.
        let mut at = points.swap_remove(0);
        let caliber = c.between(9.5, 14.0);
        let mut knots = vec![(at, caliber)];
        for _ in 0..c.count(4, 8) {
            let Some(next) =
                (0..points.len()).min_by(|a, b| points[*a].distance(at).total_cmp(&points[*b].distance(at)))
            else {
                break;
            };
            let to = points.swap_remove(next);
            knots.push((at.lerp(to, 0.5) + c.nudge(8.0), caliber * c.around(0.9, 0.15)));
            knots.push((to, caliber * c.around(1.0, 0.15)));
            at = to;
        }
        let fluid = if c.yes(oral) { c.between(90.0, 220.0) } else { c.around(16.0, 14.0) };
        let mut material = Material::layered(contrast.bowel_wall, &[(2.4, fluid)]).textured(10.0);
        if c.yes(0.3) {
            material.gas_level = Some(at.y - c.between(0.0, 12.0));
        }
        material.bubbles = 0.04;
        stock.add(Part::new(tube(&curve(&knots, 5)), material, OTHER).blend(3.0).rough(1.6).within(inside(4.0)));
    }
}

/// Large bowel with its pouches, gas and stool.
pub(super) fn large(habitus: &Habitus, contrast: &Contrast, seed: u64, stock: &mut Stock) {
    let mut c = Chance::new(seed, 12);
    let side = |angle: f32, z: f32, room: f32| {
        let r = habitus.cavity_radius(angle, z) - room;
        Vec3::new(r * angle.cos(), r * angle.sin(), z)
    };
    let right = [
        side(2.75, -455.0, 28.0),
        side(2.72, -410.0, 27.0),
        side(2.75, -372.0, 26.0),
        side(2.95, -345.0, 28.0),
        side(3.55, -338.0, 30.0),
    ];
    let sag = c.between(0.0, 34.0);
    let across = [
        side(3.9, -342.0 - 0.5 * sag, 24.0),
        side(4.35, -350.0 - sag, 22.0),
        side(4.8, -350.0 - sag, 22.0),
        side(5.3, -334.0 - 0.5 * sag, 23.0),
        side(5.85, -306.0, 24.0),
        side(6.2, -288.0, 24.0),
    ];
    let left = [
        side(0.25, -296.0, 22.0),
        side(0.36, -330.0, 19.0),
        side(0.36, -372.0, 18.0),
        side(0.34, -412.0, 18.0),
        side(0.30, -460.0, 20.0),
    ];
    for (line, wide, stool) in [(&right[..], 23.0, 0.9f32), (&across[..], 19.0, 0.4), (&left[..], 14.0, 0.6)] {
        let size = wide * c.around(1.0, 0.16);
        let knots: Vec<(Vec3, f32)> = line.iter().map(|p| (*p, size)).collect();
        let mut points = curve(&knots, 12);
        for (n, point) in points.iter_mut().enumerate() {
            // Haustra.
            point.1 *= 0.92 + 0.14 * (n as f32 * 1.15).sin();
        }
        let full = c.yes(stool);
        let mut material = Material::layered(contrast.bowel_wall - 10.0, &[(2.2, if full { 32.0 } else { -420.0 })]);
        if full {
            material = material.textured(26.0);
            material.bubbles = c.between(0.25, 0.6);
        } else {
            let y = line.iter().map(|p| p.y).sum::<f32>() / line.len() as f32;
            material = Material::layered(contrast.bowel_wall - 10.0, &[(2.2, 25.0)]).textured(10.0);
            material.gas_level = Some(y + c.between(0.0, 12.0));
        }
        stock.add(Part::new(tube(&points), material, OTHER).blend(2.0).rough(2.2).within(inside(5.0)));
    }
}
