//! Heart, great vessels, airways, gullet, breasts, and the vessels of the lungs.

use super::Tissue;
use super::anatomy::{Contrast, Stock, Torso};
use super::habitus::{Chance, Habitus};
use super::shape::{Blob, Limits, Marks, Material, Part, Solid, curve, ellipsoid, tube, turned};
use super::trees::{Growth, grow};
use glam::{Mat3, Vec3};

const OTHER: Marks = Marks::As(Tissue::Other);

pub(super) fn build(habitus: &Habitus, contrast: &Contrast, seed: u64, stock: &mut Stock) {
    let mut c = Chance::new(seed, 5);
    let place = Place { shift: c.nudge(3.0), spine: habitus.clone(), heart: c.around(1.0, 0.09) };
    // The spine and its coat of fat: the lungs wrap round it.
    for level in super::skeleton::levels(habitus).iter().take(13) {
        let radii = Vec3::new(level.radii[0] + 2.0, level.radii[1] + 2.0, level.pitch);
        stock.mediastinum.push((ellipsoid(level.center, radii), 1.0));
        let behind = level.center + Vec3::new(0.0, 24.0, 0.0);
        stock.mediastinum.push((ellipsoid(behind, Vec3::new(19.0, 20.0, level.pitch)), 0.0));
        // Necks of the ribs and transverse processes close the gutters behind.
        for side in [-1.0f32, 1.0] {
            let neck = level.center + Vec3::new(side * 24.0, level.radii[1] + 19.0, 0.0);
            let axes = Mat3::from_rotation_z(side * 0.75);
            stock.mediastinum.push((turned(neck, Vec3::new(19.0, 11.0, level.pitch), axes), 0.0));
        }
    }
    heart(&place, contrast, stock);
    vessels(&place, contrast, &mut c, stock);
    airways(&place, stock);
    gullet(&place, &mut c, stock);
    // Fat and nodes between the great vessels keep the lungs apart.
    for (center, radii) in [
        (Vec3::new(2.0, -6.0, -95.0), Vec3::new(26.0, 34.0, 42.0)),
        (Vec3::new(3.0, -22.0, -52.0), Vec3::new(31.0, 26.0, 38.0)),
        (Vec3::new(2.0, 6.0, -14.0), Vec3::new(30.0, 26.0, 34.0)),
        (Vec3::new(4.0, 12.0, -130.0), Vec3::new(22.0, 24.0, 30.0)),
        (Vec3::new(6.0, 14.0, -180.0), Vec3::new(18.0, 22.0, 60.0)),
    ] {
        stock.mediastinum.push((ellipsoid(center + place.shift, radii), 0.0));
    }
    for _ in 0..9 {
        let at = Vec3::new(c.around(0.0, 30.0), c.around(6.0, 16.0), c.around(-112.0, 38.0));
        let r = c.between(2.0, 4.5);
        let node = ellipsoid(at + place.shift, Vec3::new(r, r * 0.8, r * 1.2));
        stock.add(Part::new(vec![node], Material::plain(45.0), OTHER));
    }
}

/// Moves the middle of the chest as a whole.
struct Place {
    shift: Vec3,
    spine: Habitus,
    /// Size of the heart, 1 is usual.
    heart: f32,
}

impl Place {
    fn at(&self, x: f32, y: f32, z: f32) -> Vec3 {
        Vec3::new(x, y, z) + self.shift
    }

    /// Relative to the front of the vertebral bodies, for what lies on the spine.
    fn on_spine(&self, x: f32, before: f32, z: f32) -> Vec3 {
        let ry = 9.5 - 0.026 * z;
        Vec3::new(x, self.spine.spine_y(z) - ry - before, z)
    }

    fn heart(&self, x: f32, y: f32, z: f32) -> Vec3 {
        let middle = Vec3::new(14.0, -38.0, -186.0);
        middle + Vec3::X * 4.0 + (Vec3::new(x, y, z) - middle) * self.heart + self.shift
    }
}

fn heart(place: &Place, contrast: &Contrast, stock: &mut Stock) {
    let h = place.heart;
    let limits = Limits { cavity: Some(3.0), above_diaphragm: Some(-2.0), ..Limits::default() };
    let envelope = vec![
        Solid::Blob(Blob::rod(place.heart(2.0, -34.0, -170.0), place.heart(54.0, -52.0, -206.0), 45.0 * h, 31.0 * h)),
        Solid::Blob(Blob::rod(place.heart(-24.0, -36.0, -188.0), place.heart(20.0, -58.0, -212.0), 33.0 * h, 27.0 * h)),
        ellipsoid(place.heart(12.0, -6.0, -170.0), Vec3::new(34.0, 24.0, 28.0) * h),
    ];
    stock.mediastinum.extend(envelope.iter().cloned().map(|s| (s, 0.0)));
    stock.add(
        Part::new(envelope, Material::layered(20.0, &[(1.3, -92.0)]).textured(5.0), OTHER).blend(14.0).within(limits),
    );
    let deeper = Limits { cavity: Some(6.0), above_diaphragm: Some(2.0), ..Limits::default() };
    let wall = Material::plain(contrast.myocardium).textured(4.0);
    let muscle = vec![
        Solid::Blob(Blob::rod(place.heart(18.0, -26.0, -178.0), place.heart(56.0, -56.0, -207.0), 30.0 * h, 14.0 * h)),
        Solid::Blob(Blob::rod(place.heart(-8.0, -56.0, -190.0), place.heart(40.0, -70.0, -210.0), 23.0 * h, 9.0 * h)),
    ];
    stock.add(Part::new(muscle, wall, OTHER).blend(6.0).rough(0.8).within(deeper));
    let blood = |hu: f32| Material::plain(hu).textured(3.0);
    let chamber =
        |solids: Vec<Solid>, hu: f32| Part::new(solids, blood(hu), OTHER).blend(7.0).rough(1.0).within(deeper);
    // Right atrium with the cavae's mouths, right ventricle and its outlet.
    stock.add(chamber(
        vec![
            ellipsoid(place.heart(-33.0, -34.0, -188.0), Vec3::new(22.0, 24.0, 29.0) * h),
            Solid::Blob(Blob::rod(
                place.heart(-8.0, -56.0, -192.0),
                place.heart(34.0, -69.0, -208.0),
                18.5 * h,
                7.0 * h,
            )),
            Solid::Blob(Blob::rod(
                place.heart(0.0, -62.0, -182.0),
                place.heart(16.0, -58.0, -152.0),
                15.0 * h,
                13.0 * h,
            )),
        ],
        contrast.veins,
    ));
    // Left atrium with the lung veins' mouths, left ventricle.
    stock.add(chamber(
        vec![
            ellipsoid(place.heart(8.0, -4.0, -166.0), Vec3::new(31.0, 17.0, 22.0) * h),
            Solid::Blob(Blob::rod(place.heart(30.0, 2.0, -158.0), place.heart(48.0, 6.0, -152.0), 8.0, 6.5)),
            Solid::Blob(Blob::rod(place.heart(30.0, 4.0, -176.0), place.heart(46.0, 14.0, -182.0), 8.0, 6.5)),
            Solid::Blob(Blob::rod(place.heart(-18.0, 0.0, -160.0), place.heart(-42.0, 2.0, -154.0), 8.0, 6.5)),
            Solid::Blob(Blob::rod(place.heart(-18.0, 2.0, -176.0), place.heart(-42.0, 12.0, -182.0), 8.0, 6.5)),
        ],
        contrast.arteries,
    ));
    let mut ventricle = chamber(
        vec![Solid::Blob(Blob::rod(
            place.heart(18.0, -26.0, -178.0),
            place.heart(50.0, -51.0, -202.0),
            19.0 * h,
            7.0 * h,
        ))],
        contrast.arteries,
    );
    ventricle.rough = 1.6;
    stock.add(ventricle);
}

fn vessels(place: &Place, contrast: &Contrast, c: &mut Chance, stock: &mut Stock) {
    let wide = c.around(1.0, 0.12);
    let a = |x, y, z, r: f32| (place.at(x, y, z), r * wide);
    let s = |x, before, z, r: f32| (place.on_spine(x, before, z), r * wide);
    let mut aorta = vec![
        a(6.0, -30.0, -166.0, 14.5),
        a(-6.0, -38.0, -148.0, 15.5),
        a(-13.0, -38.0, -125.0, 15.0),
        a(-10.0, -30.0, -100.0, 14.5),
        a(2.0, -14.0, -86.0, 14.0),
        a(16.0, 2.0, -88.0, 13.0),
        a(24.0, 18.0, -100.0, 12.5),
    ];
    aorta.extend([
        s(25.0, 3.0, -125.0, 12.0),
        s(23.0, 5.0, -160.0, 11.8),
        s(19.0, 8.0, -200.0, 11.4),
        s(13.0, 11.0, -245.0, 11.0),
        s(7.0, 12.0, -285.0, 10.2),
        s(5.0, 11.5, -330.0, 9.6),
        s(5.0, 11.0, -372.0, 9.0),
        s(4.0, 11.0, -396.0, 8.8),
    ]);
    let calcified = c.yes(0.4);
    let mut add = |points: &[(Vec3, f32)], hu: f32, room: Option<f32>| {
        let solids = tube(points);
        if let Some(room) = room {
            stock.mediastinum.extend(solids.iter().cloned().map(|s| (s, room)));
        }
        stock.add(Part::new(solids, Material::layered(hu * 0.75 + 12.0, &[(1.0, hu)]).textured(3.0), OTHER));
    };
    add(&curve(&aorta, 3), contrast.arteries, Some(2.5));
    let ends = [s(4.0, 11.0, -396.0, 7.0), s(17.0, 9.0, -420.0, 6.2), s(36.0, 6.0, -460.0, 5.8)];
    add(&curve(&ends, 3), contrast.arteries, None);
    let ends = [s(3.0, 11.0, -396.0, 7.0), s(-14.0, 11.0, -420.0, 6.2), s(-34.0, 8.0, -460.0, 5.8)];
    add(&curve(&ends, 3), contrast.arteries, None);
    // Arch branches.
    for branch in [
        [a(-5.0, -20.0, -84.0, 7.5), a(-14.0, -14.0, -58.0, 7.0), a(-24.0, -6.0, -28.0, 6.0), a(-34.0, 0.0, 6.0, 4.5)],
        [a(6.0, -10.0, -82.0, 4.5), a(12.0, -8.0, -58.0, 4.2), a(17.0, -2.0, -28.0, 4.0), a(20.0, 4.0, 12.0, 3.8)],
        [a(14.0, 2.0, -84.0, 5.5), a(22.0, 8.0, -58.0, 5.2), a(29.0, 12.0, -28.0, 5.0), a(48.0, 10.0, -2.0, 4.5)],
    ] {
        add(&curve(&branch, 3), contrast.arteries, Some(2.0));
    }
    // Veins of the upper body.
    let cava = [
        a(-30.0, -30.0, -176.0, 11.5),
        a(-27.0, -30.0, -150.0, 10.5),
        a(-26.0, -30.0, -110.0, 10.0),
        a(-27.0, -30.0, -78.0, 9.5),
        a(-33.0, -26.0, -45.0, 7.5),
        a(-44.0, -18.0, -8.0, 6.5),
    ];
    add(&curve(&cava, 3), contrast.veins, Some(2.5));
    let left = [
        a(-25.0, -32.0, -82.0, 7.5),
        a(-2.0, -42.0, -72.0, 7.0),
        a(24.0, -36.0, -52.0, 6.5),
        a(44.0, -16.0, -8.0, 6.0),
    ];
    add(&curve(&left, 3), contrast.veins, Some(2.0));
    // The lower cava runs right of the aorta and leaves the spine for the liver's back and the right atrium.
    let lower = [
        s(-32.0, 6.0, -460.0, 6.5),
        s(-17.0, 8.0, -412.0, 9.5),
        s(-19.0, 9.0, -370.0, 10.5),
        s(-21.0, 11.0, -320.0, 10.8),
        s(-24.0, 18.0, -270.0, 11.0),
        s(-25.0, 30.0, -232.0, 11.5),
        a(-30.0, -24.0, -206.0, 12.0),
        a(-31.0, -28.0, -194.0, 12.0),
    ];
    let flat: Vec<Solid> = curve(&lower, 3)
        .windows(2)
        .map(|w| Solid::Blob(Blob::flat_rod(w[0].0, w[1].0, w[0].1 * 1.1, w[1].1 * 1.1, Vec3::Y, 1.3)))
        .collect();
    stock.add(Part::new(flat, Material::plain(contrast.veins).textured(3.0), OTHER));
    // Lung arteries: trunk and its two branches.
    let mut add = |points: &[(Vec3, f32)], hu: f32, room: f32| {
        let solids = tube(points);
        stock.mediastinum.extend(solids.iter().cloned().map(|s| (s, room)));
        stock.add(Part::new(solids, Material::plain(hu).textured(3.0), OTHER).blend(4.0));
    };
    let trunk = [a(14.0, -56.0, -156.0, 13.5), a(19.0, -44.0, -138.0, 13.5), a(20.0, -26.0, -124.0, 12.5)];
    add(&curve(&trunk, 4), contrast.lung_vessels, 2.0);
    let right = [
        a(18.0, -24.0, -124.0, 11.5),
        a(-8.0, -14.0, -128.0, 11.0),
        a(-34.0, -8.0, -132.0, 10.0),
        a(-46.0, 0.0, -142.0, 8.0),
        a(-50.0, 8.0, -160.0, 7.0),
    ];
    add(&curve(&right, 4), contrast.lung_vessels, 1.0);
    let left = [
        a(20.0, -28.0, -124.0, 11.5),
        a(34.0, -10.0, -120.0, 10.5),
        a(46.0, 6.0, -126.0, 9.0),
        a(50.0, 14.0, -146.0, 7.5),
    ];
    add(&curve(&left, 4), contrast.lung_vessels, 1.0);
    if calcified {
        let plaques = (0..6)
            .map(|n| {
                let (at, r) = aorta[(4 + n * 2).min(aorta.len() - 1)];
                let turn = c.between(0.0, 6.3);
                let out = Vec3::new(turn.cos(), turn.sin(), c.around(0.0, 0.4)) * (r - 0.6);
                ellipsoid(at + out, Vec3::new(1.6, 1.6, c.between(1.5, 4.5)))
            })
            .collect();
        stock.add(Part::new(plaques, Material::plain(620.0), OTHER).blend(0.0));
    }
}

fn airways(place: &Place, stock: &mut Stock) {
    let a = |x, y, z, r: f32| (place.at(x, y, z), r);
    let carina = a(1.0, 14.0, -112.0, 8.0);
    let windpipe = [a(0.0, -2.0, 14.0, 8.2), a(0.0, 4.0, -30.0, 8.4), a(0.0, 10.0, -78.0, 8.6), carina];
    let right = [
        carina,
        a(-16.0, 15.0, -122.0, 7.0),
        a(-31.0, 14.0, -137.0, 6.2),
        a(-38.0, 13.0, -158.0, 5.2),
        a(-47.0, 22.0, -184.0, 3.8),
        a(-56.0, 34.0, -212.0, 2.4),
    ];
    let left = [
        carina,
        a(18.0, 15.0, -124.0, 6.4),
        a(36.0, 15.0, -140.0, 5.6),
        a(44.0, 18.0, -156.0, 4.6),
        a(52.0, 28.0, -182.0, 3.4),
        a(60.0, 38.0, -208.0, 2.2),
    ];
    let lobes = [
        [right[2], a(-43.0, 12.0, -124.0, 4.0), a(-58.0, 4.0, -106.0, 2.8), a(-66.0, -2.0, -84.0, 1.8)],
        [right[3], a(-50.0, -4.0, -170.0, 3.2), a(-62.0, -26.0, -182.0, 2.4), a(-70.0, -44.0, -192.0, 1.6)],
        [left[2], a(50.0, 4.0, -134.0, 4.0), a(62.0, -8.0, -114.0, 2.8), a(68.0, -16.0, -92.0, 1.8)],
        [left[3], a(58.0, -4.0, -160.0, 3.2), a(70.0, -28.0, -172.0, 2.2), a(76.0, -46.0, -184.0, 1.5)],
    ];
    let mut outside = Vec::new();
    for (n, line) in [&windpipe[..], &right[..3], &left[..3]].into_iter().enumerate() {
        let solids = tube(&curve(line, 4));
        stock.mediastinum.extend(solids.iter().cloned().map(|s| (s, if n == 0 { 5.0 } else { 3.5 })));
        outside.extend(solids);
    }
    let wall = |thick: f32| Material::layered(28.0, &[(thick, -985.0)]);
    // Within the lungs the bronchi belong to the lung; the windpipe and main bronchi do not.
    let mut inside = tube(&curve(&right[2..], 4));
    inside.extend(tube(&curve(&left[2..], 4)));
    for lobe in &lobes {
        inside.extend(tube(&curve(lobe, 4)));
    }
    stock.add(Part::new(grown(&inside, 1.0), wall(1.0), Marks::Keep).blend(1.5));
    stock.add(Part::new(grown(&outside, 1.6), wall(1.6), OTHER).blend(3.0));
}

/// Rods with `wall` mm around them: the lumen's size is what anatomy gives.
fn grown(solids: &[Solid], wall: f32) -> Vec<Solid> {
    solids
        .iter()
        .map(|s| match s {
            Solid::Blob(b) => Solid::Blob(b.grown(wall)),
            Solid::Puck(p) => Solid::Puck(p.clone()),
        })
        .collect()
}

fn gullet(place: &Place, c: &mut Chance, stock: &mut Stock) {
    let s = |x, before, z, r: f32| (place.on_spine(x, before, z), r);
    let line = [
        s(2.0, 7.0, 14.0, 7.0),
        s(4.0, 6.5, -40.0, 7.0),
        s(3.0, 7.0, -90.0, 7.5),
        s(2.0, 9.0, -130.0, 7.5),
        s(5.0, 14.0, -180.0, 8.0),
        s(14.0, 24.0, -222.0, 8.0),
        s(24.0, 30.0, -242.0, 9.0),
    ];
    let points = curve(&line, 4);
    let solids = super::shape::flat_tube(&points, Vec3::Y, 1.35);
    stock.mediastinum.extend(solids.iter().cloned().map(|s| (s, 2.0)));
    let mut material = Material::plain(42.0);
    if c.yes(0.6) {
        material = Material::layered(44.0, &[(4.4, -300.0)]);
    }
    stock.add(Part::new(solids, material, OTHER));
}

/// Solids that swell the skin.
pub(super) fn breasts(habitus: &Habitus, seed: u64) -> Vec<Solid> {
    let mut c = Chance::new(seed, 6);
    let size = if habitus.female { c.between(0.75, 1.1) } else { return Vec::new() };
    [-1.0f32, 1.0]
        .into_iter()
        .map(|side| {
            let z = c.around(-152.0, 8.0);
            let angle = -1.02f32;
            let r = habitus.skin_radius(angle, z) - 4.0;
            let center = Vec3::new(side * r * angle.cos(), r * angle.sin(), z);
            turned(center, Vec3::new(58.0, 34.0, 50.0) * size, Mat3::from_rotation_z(side * 0.55))
        })
        .collect()
}

/// Arteries and veins of both lungs, and glandular tissue of the breasts.
pub(super) fn lung_vessels(torso: &Torso, contrast: &Contrast) -> Vec<Part> {
    let mut parts = Vec::new();
    for (n, (side, root)) in [
        (1.0f32, Vec3::new(50.0, 14.0, -146.0)),
        (1.0, Vec3::new(46.0, 4.0, -158.0)),
        (-1.0, Vec3::new(-50.0, 8.0, -160.0)),
        (-1.0, Vec3::new(-46.0, 2.0, -148.0)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut c = Chance::new(torso.seed, 40 + n as u64);
        let left = side > 0.0;
        let (near, far) = (side * 8.0, side * 145.0);
        let growth = Growth {
            root,
            towards: Vec3::new(side, 0.3, -0.2),
            lo: Vec3::new(near.min(far), -100.0, -300.0),
            hi: Vec3::new(near.max(far), 90.0, -4.0),
            steps: 1100,
            step: 7.0,
            twig: 0.72,
            trunk: 6.0,
            margin: 3.5,
        };
        let rods = grow(&growth, &mut c, |p| torso.lung(p, left));
        let part = Part::new(rods, Material::plain(contrast.lung_vessels.min(90.0)), Marks::Keep);
        parts.push(part.blend(0.6));
    }
    let mut c = Chance::new(torso.seed, 7);
    let dense = c.between(0.0, 1.0);
    for breast in &torso.breasts {
        let (lo, hi) = breast.bounds();
        let center = (lo + hi) / 2.0 + Vec3::new(0.0, -9.0, 0.0);
        let glands = (0..(6.0 + 10.0 * dense) as usize)
            .map(|_| {
                let at = center + c.nudge(17.0) * Vec3::new(1.2, 0.7, 1.0);
                ellipsoid(at, Vec3::new(c.between(3.0, 9.0), c.between(3.0, 8.0), c.between(4.0, 10.0)))
            })
            .collect();
        let material = Material::plain(15.0).textured(16.0);
        parts.push(Part::new(glands, material, Marks::As(Tissue::Other)).blend(5.0).rough(3.0));
    }
    parts
}
