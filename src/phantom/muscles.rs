//! Muscles that are not layers of the wall: psoas, quadratus lumborum, erector spinae.

use super::Tissue;
use super::anatomy::Stock;
use super::habitus::{Chance, Habitus};
use super::shape::{Blob, Limits, Marks, Material, Part, Solid, curve};
use glam::Vec3;

pub(super) fn build(habitus: &Habitus, seed: u64, stock: &mut Stock) {
    let mut c = Chance::new(seed, 4);
    let bulk = habitus.muscle;
    // Fat within muscle comes with age and weight; the back shows it first.
    let fatty = (0.10 + 0.012 * habitus.fat * c.between(0.3, 1.3)).clamp(0.08, 0.5);
    let muscle = |streaks: f32| {
        let mut m = Material::plain(58.0).textured(6.0);
        m.streaks = streaks;
        m
    };
    for side in [-1.0f32, 1.0] {
        let one = bulk * c.around(1.0, 0.06);
        let p = |x: f32, dy: f32, z: f32| Vec3::new(side * x, habitus.spine_y(z) + dy, z);
        // Each column of the back: multifidus at the spine, longissimus, iliocostalis outside.
        for (x, dy, r, squash, thin) in
            [(13.0, 36.0, 15.0, 1.15, Vec3::X), (33.0, 37.0, 21.0, 1.12, Vec3::Y), (54.0, 35.0, 18.0, 1.10, Vec3::Y)]
        {
            let reach = |z: f32| 1.0 - 0.35 * ((z + 360.0) / 240.0).clamp(0.0, 1.0);
            let knots: Vec<(Vec3, f32)> = [-450.0, -410.0, -370.0, -330.0, -290.0, -250.0, -200.0, -140.0]
                .map(|z| (p(x * (0.55 + 0.45 * reach(z)), dy * (0.8 + 0.2 * reach(z)), z), r * one * reach(z)))
                .to_vec();
            let rods = curve(&knots, 2)
                .windows(2)
                .map(|w| Solid::Blob(Blob::flat_rod(w[0].0, w[1].0, w[0].1, w[1].1, thin, squash)))
                .collect();
            let limits = Limits { muscle: Some(0.5), outside_chest: Some(13.0), ..Limits::default() };
            let streaks = if x < 20.0 { fatty * 1.5 } else { fatty };
            stock.add(Part::new(rods, muscle(streaks.min(0.6)), Marks::As(Tissue::Muscle)).within(limits).rough(1.4));
        }
        // Quadratus lumborum: a plate from the last rib to the pelvis.
        let thin = Vec3::new(side * -0.45, 0.9, 0.0).normalize();
        let knots = [
            (p(46.0, 20.0, -300.0), 17.0 * one),
            (p(58.0, 24.0, -345.0), 20.0 * one),
            (p(66.0, 25.0, -385.0), 22.0 * one),
            (p(74.0, 20.0, -430.0), 24.0 * one),
        ];
        let rods = curve(&knots, 4)
            .windows(2)
            .map(|w| Solid::Blob(Blob::flat_rod(w[0].0, w[1].0, w[0].1, w[1].1, thin, 2.3)))
            .collect();
        stock.add(Part::new(rods, muscle(fatty * 0.5), Marks::As(Tissue::Muscle)).rough(1.0));
        // Psoas: beside the bodies, thickening and moving forwards and outwards on its way down.
        let knots = [
            (p(22.0, 8.0, -282.0), 4.0 * one),
            (p(28.0, 8.0, -310.0), 11.0 * one),
            (p(35.0, 5.0, -345.0), 18.0 * one),
            (p(41.0, 1.0, -380.0), 22.0 * one),
            (p(47.0, -8.0, -420.0), 24.0 * one),
            (p(54.0, -20.0, -455.0), 24.0 * one),
        ];
        let rods = curve(&knots, 3)
            .windows(2)
            .map(|w| Solid::Blob(Blob::flat_rod(w[0].0, w[1].0, w[0].1, w[1].1, Vec3::X, 1.18)))
            .collect();
        stock.add(Part::new(rods, muscle(fatty * 0.3), Marks::As(Tissue::Muscle)).rough(1.2));
    }
}
