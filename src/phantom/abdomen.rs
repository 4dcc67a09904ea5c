//! Liver with its vessels and lesions, kidneys, spleen, stomach, pancreas.

use super::Tissue;
use super::anatomy::{Contrast, Stock};
use super::bowel;
use super::habitus::{Chance, Habitus};
use super::shape::{Blob, Limits, Marks, Material, Part, Solid, curve, ellipsoid, flat_tube, tube, turned};
use super::trees::{Growth, grow};
use glam::{Mat3, Vec3};

pub(super) const OTHER: Marks = Marks::As(Tissue::Other);

/// Under the diaphragm and inside the wall.
pub(super) fn inside(room: f32) -> Limits {
    Limits { cavity: Some(room), below_diaphragm: Some(room), ..Limits::default() }
}

pub(super) fn build(habitus: &Habitus, contrast: &Contrast, seed: u64, stock: &mut Stock) {
    let mut c = Chance::new(seed, 8);
    let kidneys = [-1.0f32, 1.0].map(|side| Kidney::new(habitus, side, &mut c));
    bowel::small(habitus, contrast, seed, stock);
    bowel::large(habitus, contrast, seed, stock);
    let spleen = spleen(habitus, contrast, &mut c, &kidneys[1]);
    let liver = liver(habitus, contrast, seed, stock, &kidneys[0]);
    stock.add(spleen);
    stomach(habitus, contrast, seed, stock, &liver);
    pancreas(habitus, contrast, &mut c, stock);
    for kidney in &kidneys {
        kidney.paint(habitus, contrast, &mut c, stock);
    }
}

/// Liver, gallbladder, hepatic and portal veins, lesions. Gives back the organ's own part.
fn liver(habitus: &Habitus, contrast: &Contrast, seed: u64, stock: &mut Stock, kidney: &Kidney) -> Part {
    let mut c = Chance::new(seed, 9);
    let size = c.around(1.0, 0.08);
    let low = c.around(0.0, 14.0);
    let top = habitus.dome_right;
    let at = |x: f32, y: f32, dz: f32| Vec3::new(x, y, top + dz);
    let w = habitus.width;
    let solids = vec![
        ellipsoid(at(-72.0 * w, -2.0, -58.0), Vec3::new(76.0 * w, 92.0, 66.0) * size),
        turned(at(-88.0 * w, 2.0, -98.0 + low), Vec3::new(44.0 * w, 66.0, 62.0) * size, Mat3::from_rotation_y(-0.12)),
        turned(at(-6.0, -42.0, -44.0), Vec3::new(66.0, 44.0, 34.0) * size, Mat3::from_rotation_y(0.20)),
        turned(at(46.0, -48.0, -26.0), Vec3::new(46.0, 32.0, 19.0) * size, Mat3::from_rotation_y(0.30)),
        ellipsoid(at(-14.0, 2.0, -46.0), Vec3::new(17.0, 15.0, 24.0)),
    ];
    let gallbladder =
        turned(at(-52.0, -46.0, -98.0), Vec3::new(14.0, 17.0, 28.0) * c.around(1.0, 0.25), Mat3::from_rotation_x(0.5));
    let fissure =
        Solid::Blob(Blob::flat_rod(at(-12.0, -70.0, -96.0), at(-10.0, -30.0, -72.0), 20.0, 13.0, Vec3::X, 5.0));
    let hilum = Solid::Blob(Blob::rod(at(-4.0, -14.0, -88.0), at(-38.0, -14.0, -74.0), 12.0, 5.5));
    let cut = turned(at(4.0, 4.0, -118.0), Vec3::new(60.0, 60.0, 46.0), Mat3::from_rotation_y(-0.35));
    let back = ellipsoid(at(8.0, 46.0, -60.0), Vec3::new(34.0, 42.0, 80.0));
    let material = Material::plain(contrast.liver).textured(3.0);
    let liver = Part::new(solids, material, Marks::As(Tissue::Liver))
        .blend(22.0)
        .rough(1.2)
        .carve([
            (gallbladder.clone(), 1.0),
            (fissure, 0.0),
            (hilum.clone(), 0.0),
            (cut, 0.0),
            (back, 0.0),
            (kidney.outline(), 4.0),
        ])
        .within(inside(3.5));
    stock.add(liver.clone());
    stock.add(Part::new(vec![gallbladder], Material::layered(40.0, &[(1.6, 9.0)]), OTHER).within(inside(5.0)));
    let depth = |p: Vec3| {
        let wall = habitus.cavity(p).max(habitus.above_diaphragm(p)) + 4.0;
        liver.distance(p).max(wall)
    };
    let (lo, hi) = liver.bounds();
    let mut tree = |root: Vec3, towards: Vec3, lo: Vec3, hi: Vec3, steps: usize, trunk: f32, hu: f32| {
        let growth = Growth { root, towards, lo, hi, steps, step: 8.0, twig: 0.9, trunk, margin: 4.0 };
        let rods = grow(&growth, &mut c, depth);
        stock.add(Part::new(rods, Material::plain(hu), Marks::Keep).blend(1.5));
    };
    // Three hepatic veins to the cava under the dome; the portal vein from below into both lobes.
    let mouth = at(-26.0, 4.0, -22.0);
    tree(mouth, Vec3::new(-1.0, 0.1, -0.4), lo.with_y(0.0), hi.with_x(-40.0), 120, 5.2, contrast.portal);
    tree(mouth, Vec3::new(-0.5, -1.0, -0.4), lo.with_x(-80.0), Vec3::new(-20.0, 0.0, hi.z), 100, 5.0, contrast.portal);
    tree(mouth, Vec3::new(0.6, -1.0, -0.2), Vec3::new(-20.0, lo.y, lo.z), hi, 80, 4.4, contrast.portal);
    let door = at(-30.0, -13.0, -76.0);
    tree(door, Vec3::new(-1.0, 0.2, 0.1), lo, hi.with_x(-30.0), 170, 6.4, contrast.portal - 6.0);
    tree(
        at(-22.0, -16.0, -76.0),
        Vec3::new(0.5, -1.0, 0.4),
        lo.with_x(-35.0),
        hi.with_y(-5.0),
        90,
        5.4,
        contrast.portal - 6.0,
    );
    let portal =
        [(at(14.0, 2.0, -104.0), 7.0), (at(-4.0, -8.0, -92.0), 7.2), (door, 6.6), (at(-46.0, -10.0, -70.0), 5.5)];
    stock.add(Part::new(tube(&curve(&portal, 4)), Material::plain(contrast.portal), Marks::Keep).blend(3.0));
    lesions(contrast, &mut c, stock, &depth, lo, hi);
    liver
}

/// None to four metastases or cysts, each an uneven nodule that may have a dead centre or a bright rim.
fn lesions(contrast: &Contrast, c: &mut Chance, stock: &mut Stock, depth: &impl Fn(Vec3) -> f32, lo: Vec3, hi: Vec3) {
    let number = c.count(0, 4);
    let mut placed: Vec<(Vec3, f32)> = Vec::new();
    for _ in 0..400 {
        if placed.len() >= number {
            break;
        }
        let r = if placed.is_empty() { c.between(9.0, 20.0) } else { c.between(4.0, 14.0) };
        let at = Vec3::new(c.between(lo.x, hi.x), c.between(lo.y, hi.y), c.between(lo.z, hi.z));
        if depth(at) > -(r + 3.0) || placed.iter().any(|(p, q)| p.distance(at) < r + q + 6.0) {
            continue;
        }
        placed.push((at, r));
    }
    for (at, r) in placed {
        let lobes = (0..c.count(2, 5))
            .map(|_| {
                let axes = Mat3::from_rotation_z(c.between(0.0, 3.0)) * Mat3::from_rotation_x(c.between(0.0, 3.0));
                let radii = Vec3::new(c.between(0.62, 0.95), c.between(0.62, 0.95), c.between(0.62, 0.95)) * r;
                turned(at + c.nudge(r * 0.45), radii, axes)
            })
            .collect();
        let dark = contrast.liver - c.between(34.0, 58.0);
        let material = if c.yes(0.2) {
            Material::plain(c.around(10.0, 6.0))
        } else if r > 9.0 {
            Material::layered(
                contrast.liver - c.between(8.0, 22.0),
                &[(2.0, dark), (r * 0.5, dark - c.between(5.0, 22.0))],
            )
        } else {
            Material::layered(contrast.liver - 18.0, &[(1.4, dark)])
        };
        stock.add(Part::new(lobes, material.textured(5.0), Marks::As(Tissue::Tumour)).blend(4.0).rough(0.9));
    }
}

fn spleen(habitus: &Habitus, contrast: &Contrast, c: &mut Chance, kidney: &Kidney) -> Part {
    let size = c.around(1.30, 0.14);
    let top = habitus.dome_left;
    let at = |x: f32, y: f32, dz: f32| Vec3::new(x * habitus.width, y, top + dz);
    let solids = vec![
        turned(at(96.0, 36.0, -52.0), Vec3::new(30.0, 48.0, 44.0) * size, Mat3::from_rotation_z(-0.35)),
        turned(at(84.0, 54.0, -40.0), Vec3::new(36.0, 27.0, 34.0) * size, Mat3::from_rotation_z(-0.2)),
    ];
    Part::new(solids, Material::plain(contrast.spleen).textured(3.0), Marks::As(Tissue::Spleen))
        .blend(14.0)
        .rough(1.0)
        .carve([(ellipsoid(at(58.0, 2.0, -40.0), Vec3::new(40.0, 38.0, 60.0)), 2.0), (kidney.outline(), 5.0)])
        .within(inside(3.5))
}

/// One kidney: a bean with its hollow towards the spine.
struct Kidney {
    side: f32,
    center: Vec3,
    axes: Mat3,
    radii: Vec3,
}

impl Kidney {
    fn new(habitus: &Habitus, side: f32, c: &mut Chance) -> Self {
        let right = side < 0.0;
        let z = c.around(if right { -306.0 } else { -295.0 }, 9.0);
        let center = Vec3::new(side * c.around(64.0, 5.0), habitus.spine_y(z) + c.around(10.0, 5.0), z);
        let size = c.around(1.04, 0.08);
        // The upper pole lies nearer the spine and farther back; the hollow faces forwards and inwards.
        let axes = Mat3::from_rotation_y(side * 0.22) * Mat3::from_rotation_x(-0.2) * Mat3::from_rotation_z(side * 0.5);
        Self { side, center, axes, radii: Vec3::new(28.0, 25.0, 54.0) * size }
    }

    fn at(&self, x: f32, y: f32, z: f32) -> Vec3 {
        self.center + self.axes * (Vec3::new(-self.side * x, y, z) * self.radii)
    }

    fn outline(&self) -> Solid {
        turned(self.center, self.radii, self.axes)
    }

    fn paint(&self, habitus: &Habitus, contrast: &Contrast, c: &mut Chance, stock: &mut Stock) {
        let r = self.radii;
        let hollow = turned(self.at(0.92, -0.05, 0.0), Vec3::new(0.72 * r.x, 0.50 * r.y, 0.46 * r.z), self.axes);
        let coat = turned(self.center, r + Vec3::splat(7.0), self.axes);
        let line =
            Part::new(vec![coat], Material::layered(-70.0, &[(1.2, -102.0)]), OTHER).rough(1.2).within(inside(1.0));
        let gland =
            turned(self.at(0.45, -0.35, 1.12), Vec3::new(4.0, 13.0, 10.0), self.axes * Mat3::from_rotation_z(0.4));
        stock.add(line);
        stock.add(Part::new(vec![gland], Material::plain(62.0), OTHER).rough(1.2));
        let cortex = Material::plain(contrast.kidney_cortex).textured(4.0);
        let limits = inside(5.0);
        let kidney = Part::new(vec![self.outline()], cortex, Marks::As(Tissue::Kidney)).rough(0.9).within(limits);
        stock.add(kidney.carve([(hollow.clone(), 0.0)]));
        // Pyramids around the sinus, then the sinus with its pelvis and vessels.
        let mut pyramids = Vec::new();
        for n in 0..13 {
            let turn = n as f32 * 2.399_96;
            let z = -0.62 + 1.24 * (n as f32 + 0.5) / 13.0;
            let (sin, cos) = turn.sin_cos();
            let out = Vec3::new(-0.30 + 0.38 * cos.min(0.55), 0.52 * sin, z);
            pyramids.push(ellipsoid(self.at(out.x, out.y, out.z), Vec3::new(6.2, 6.2, 7.0)));
        }
        let medulla =
            Part::new(pyramids, Material::plain(contrast.kidney_medulla).textured(4.0), Marks::Keep).blend(0.5);
        let shell = Limits { cavity: Some(9.0), ..Limits::default() };
        stock.add(medulla.carve([(hollow.clone(), 0.0)]).within(shell).rough(0.6));
        let sinus = turned(self.at(0.42, -0.04, 0.0), Vec3::new(0.46 * r.x, 0.26 * r.y, 0.40 * r.z), self.axes);
        stock.add(Part::new(vec![sinus], Material::plain(-88.0), OTHER).rough(1.8));
        let cups = (0..4)
            .map(|n| {
                let z = -0.3 + 0.2 * n as f32;
                Solid::Blob(Blob::rod(self.at(0.80, 0.0, 0.1 * z), self.at(0.12, 0.02, z), 4.6, 2.6))
            })
            .collect();
        stock.add(Part::new(cups, Material::plain(c.around(12.0, 6.0)), OTHER).blend(3.0));
        let spine = habitus.spine_y(self.center.z) - 28.0;
        let (goal, hu) = (Vec3::new(self.side * 4.0, spine, self.center.z + 8.0), contrast.arteries);
        let artery = [
            (goal, 3.0),
            (goal.lerp(self.at(1.0, 0.1, 0.05), 0.5) + Vec3::Y * 5.0, 2.8),
            (self.at(0.55, 0.14, 0.1), 2.2),
        ];
        stock.add(Part::new(tube(&curve(&artery, 4)), Material::plain(hu), OTHER));
        let goal = Vec3::new(
            if self.side < 0.0 { -20.0 } else { -14.0 },
            spine - if self.side < 0.0 { 0.0 } else { 11.0 },
            self.center.z + 12.0,
        );
        let vein = [
            (goal, 5.0),
            (goal.lerp(self.at(1.0, -0.2, 0.05), 0.55) - Vec3::Y * 3.0, 4.8),
            (self.at(0.6, -0.14, 0.0), 3.4),
        ];
        stock.add(Part::new(tube(&curve(&vein, 4)), Material::plain(contrast.veins), OTHER));
        // The ureter runs down on the psoas.
        let ureter = [
            (self.at(0.85, 0.0, -0.15), 2.4),
            (Vec3::new(self.side * 38.0, habitus.spine_y(-370.0) - 22.0, -376.0), 2.0),
            (Vec3::new(self.side * 36.0, habitus.spine_y(-430.0) - 36.0, -440.0), 2.0),
        ];
        stock.add(Part::new(tube(&curve(&ureter, 6)), Material::plain(22.0), OTHER));
    }
}

fn stomach(habitus: &Habitus, contrast: &Contrast, seed: u64, stock: &mut Stock, liver: &Part) {
    let mut c = Chance::new(seed, 10);
    let full = c.between(0.75, 1.15);
    let top = habitus.dome_left;
    let at = |x: f32, y: f32, dz: f32| Vec3::new(x, y, top + dz);
    let body = [
        (at(58.0, 22.0, -38.0), 31.0 * full),
        (at(62.0, 0.0, -52.0), 33.0 * full),
        (at(60.0, -28.0, -78.0), 29.0 * full),
        (at(42.0, -46.0, -98.0), 23.0 * full),
        (at(14.0, -48.0, -104.0), 18.0 * full),
        (at(-16.0, -42.0, -96.0), 12.0),
    ];
    let fluid = if c.yes(0.3) { c.between(120.0, 240.0) } else { c.around(18.0, 12.0) };
    let mut material = Material::layered(contrast.bowel_wall, &[(3.4, fluid)]).textured(6.0);
    let level = c.between(-38.0, -8.0);
    material.gas_level = Some(level);
    let carve: Vec<(Solid, f32)> = liver.solids.iter().map(|s| (s.clone(), 2.0)).take(2).collect();
    stock.add(
        Part::new(tube(&curve(&body, 4)), material, OTHER).blend(10.0).rough(2.0).carve(carve).within(inside(4.0)),
    );
    // Duodenum: down beside the pancreas's head, then across in front of cava and aorta.
    let s = |x: f32, before: f32, z: f32| Vec3::new(x, habitus.spine_y(z) - before, z);
    let duodenum = [
        (at(-20.0, -40.0, -96.0), 11.0),
        (at(-40.0, -24.0, -102.0), 12.0),
        (s(-46.0, 34.0, -345.0), 12.5),
        (s(-38.0, 34.0, -376.0), 12.0),
        (s(-8.0, 42.0, -384.0), 10.5),
        (s(24.0, 40.0, -376.0), 11.0),
        (s(40.0, 44.0, -352.0), 11.0),
    ];
    let mut material = Material::layered(contrast.bowel_wall, &[(2.6, c.around(20.0, 12.0))]).textured(8.0);
    material.bubbles = 0.05;
    stock
        .add(Part::new(flat_tube(&curve(&duodenum, 4), Vec3::Y, 1.25), material, OTHER).rough(1.5).within(inside(4.0)));
}

fn pancreas(habitus: &Habitus, contrast: &Contrast, c: &mut Chance, stock: &mut Stock) {
    let s = |x: f32, before: f32, z: f32| Vec3::new(x, habitus.spine_y(z) - before, z);
    let fat = c.between(0.0, 1.0);
    let line = [
        (s(-28.0, 42.0, -330.0), 13.0 - 2.0 * fat),
        (s(-16.0, 48.0, -312.0), 13.0 - 2.0 * fat),
        (s(6.0, 50.0, -300.0), 9.5 - fat),
        (s(36.0, 38.0, -290.0), 10.0 - fat),
        (s(66.0, 18.0, -280.0), 9.0 - fat),
        (s(84.0, 4.0, -274.0), 7.0),
    ];
    let gland = Part::new(tube(&curve(&line, 5)), Material::plain(contrast.liver - 14.0).textured(9.0), OTHER);
    stock.add(gland.rough(2.2 + 1.5 * fat).within(inside(5.0)));
    let vein: Vec<(Vec3, f32)> = line[1..].iter().map(|(p, _)| (*p + Vec3::new(0.0, 8.0, 3.0), 4.2)).collect();
    stock.add(Part::new(tube(&curve(&vein, 4)), Material::plain(contrast.portal), OTHER));
    // Mesenteric artery and vein go down in front of the spine.
    for (x, r, hu) in [(2.0, 4.0, contrast.arteries), (-11.0, 5.6, contrast.portal)] {
        let line = [
            (s(x * 0.6, 38.0, -302.0), r),
            (s(x, 46.0, -330.0), r),
            (s(x, 58.0, -372.0), r * 0.85),
            (s(x - 8.0, 64.0, -420.0), r * 0.6),
        ];
        stock.add(Part::new(tube(&curve(&line, 4)), Material::plain(hu), OTHER));
    }
}
