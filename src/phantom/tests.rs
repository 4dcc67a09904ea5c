//! Tests of whole generated patients.

use super::*;
use std::cell::Cell;

fn patient(kind: Kind, seed: u64, size: usize, slices: usize) -> Phantom {
    generate(&PhantomSpec { kind, size, slices, seed }, &|_| true).unwrap()
}

/// Voxels, mean HU, millilitres and mean world position of each label from 1.
fn measures(p: &Phantom) -> Vec<(usize, f64, f64, DVec3)> {
    let dense = p.labels.to_dense();
    let g = p.volume.geometry();
    let [nx, ny, _] = g.dims();
    p.segments
        .iter()
        .map(|segment| {
            let (mut n, mut hu, mut place) = (0usize, 0.0, DVec3::ZERO);
            for (at, _) in dense.iter().enumerate().filter(|(_, l)| **l == segment.id) {
                n += 1;
                hu += f64::from(p.volume.hu()[at]);
                place += DVec3::new((at % nx) as f64, (at / nx % ny) as f64, (at / nx / ny) as f64);
            }
            let count = n.max(1) as f64;
            let world = g.world_from_voxel().transform_point3(place / count);
            (n, hu / count, n as f64 * g.voxel_volume() / 1000.0, world)
        })
        .collect()
}

#[test]
fn a_seed_is_one_patient_and_another_seed_another() {
    let a = patient(Kind::Abdomen, 3, 48, 6);
    let b = patient(Kind::Abdomen, 3, 48, 6);
    assert_eq!(a.volume.hu(), b.volume.hu());
    assert_eq!(a.labels, b.labels);
    let c = patient(Kind::Abdomen, 4, 48, 6);
    assert_ne!(a.volume.hu(), c.volume.hu());
    assert_ne!(a.labels.to_dense(), c.labels.to_dense());
    // The same patient at another size: organs keep their volume.
    let fine = patient(Kind::Abdomen, 3, 96, 24);
    let coarse = patient(Kind::Abdomen, 3, 64, 24);
    for (f, c) in measures(&fine).iter().zip(measures(&coarse)).filter(|(f, _)| f.2 > 50.0) {
        assert!((f.2 / c.2 - 1.0).abs() < 0.08, "{} ml and {} ml", f.2, c.2);
    }
}

#[test]
fn chests_have_two_lungs_on_their_sides() {
    for seed in 0..=8 {
        let m = measures(&patient(Kind::Chest, seed, 96, 24));
        let (left, right) = (m[0], m[1]);
        for (side, lung) in [("left", left), ("right", right)] {
            assert!((-930.0..-600.0).contains(&lung.1), "seed {seed}, {side}: {} HU", lung.1);
            assert!((900.0..4200.0).contains(&lung.2), "seed {seed}, {side}: {} ml", lung.2);
        }
        // LPS: x grows towards the patient's left.
        assert!(left.3.x > right.3.x + 80.0, "seed {seed}: {} and {}", left.3, right.3);
        assert!(right.2 > left.2, "seed {seed}: the right lung is the larger, {} and {} ml", right.2, left.2);
    }
}

#[test]
fn disease_hides_parts_of_the_same_lungs() {
    for seed in 0..=8 {
        let [healthy, diseased] = [Kind::Chest, Kind::DiseasedChest].map(|kind| patient(kind, seed, 96, 24));
        assert_eq!(healthy.labels, diseased.labels, "seed {seed}");
        let of_lungs = |p: &Phantom| -> Vec<i16> {
            let labels = p.labels.to_dense();
            labels.iter().zip(p.volume.hu().iter()).filter(|(l, _)| **l > 0).map(|(_, hu)| *hu).collect()
        };
        let (before, after) = (of_lungs(&healthy), of_lungs(&diseased));
        let share =
            |of: &dyn Fn(usize) -> bool| (0..after.len()).filter(|n| of(*n)).count() as f64 / after.len().max(1) as f64;
        let changed = share(&|n| after[n] > before[n] + 100);
        assert!((0.01..0.55).contains(&changed), "seed {seed}: {changed} of the lungs is diseased");
        assert!(share(&|n| after[n] > -100 && before[n] < -500) > 0.004, "seed {seed}: nothing is as dense as tissue");
    }
}

#[test]
fn abdomens_have_their_organs() {
    let mut with_tumour = 0;
    for seed in 0..=8 {
        let m = measures(&patient(Kind::Abdomen, seed, 96, 24));
        let (liver, tumour, kidney, spleen) = (m[0], m[1], m[2], m[3]);
        assert!((85.0..140.0).contains(&liver.1) && (800.0..2600.0).contains(&liver.2), "seed {seed}: liver {liver:?}");
        assert!(
            (110.0..220.0).contains(&kidney.1) && (150.0..520.0).contains(&kidney.2),
            "seed {seed}: kidneys {kidney:?}"
        );
        assert!(
            (85.0..145.0).contains(&spleen.1) && (60.0..450.0).contains(&spleen.2),
            "seed {seed}: spleen {spleen:?}"
        );
        // The liver lies right, the spleen left and farther back.
        assert!(liver.3.x < spleen.3.x - 80.0 && liver.3.y < spleen.3.y, "seed {seed}");
        if tumour.0 > 0 {
            with_tumour += 1;
            assert!(tumour.1 < liver.1 - 15.0, "seed {seed}: tumour {} HU in liver {} HU", tumour.1, liver.1);
        }
    }
    assert!((4..=9).contains(&with_tumour), "{with_tumour} of 9 have tumours");
}

#[test]
fn slices_at_l3_show_muscle_on_both_sides() {
    for seed in 0..=8 {
        let p = patient(Kind::L3, seed, 96, 3);
        let m = measures(&p)[0];
        assert!((25.0..70.0).contains(&m.1), "seed {seed}: {} HU", m.1);
        // Area at L3 of adults: 80 to 220 cm2.
        let area = m.2 / (3.0 * 0.5);
        assert!((70.0..260.0).contains(&area), "seed {seed}: {area} cm2");
        assert!((p.volume.geometry().spacing().z - 5.0).abs() < 1e-12);
    }
}

#[test]
fn the_image_is_a_ct_in_air_with_noise() {
    let p = patient(Kind::Chest, 2, 96, 8);
    let first = p.volume.slice(4).unwrap();
    let corner = f64::from(first[..12].iter().map(|v| i32::from(*v)).sum::<i32>()) / 12.0;
    assert!((-1024.0..-980.0).contains(&corner), "{corner}");
    let [low, high] = p.volume.range();
    assert!(low >= -1024 && high > 400, "{low} {high}");
    // Grain in air: neighbours differ, but only a little.
    let spread = first[..12].iter().max().unwrap() - first[..12].iter().min().unwrap();
    assert!((3..120).contains(&spread), "{spread}");
    let spacing = p.volume.geometry().spacing();
    let view = spacing.x * 96.0;
    assert!((345.0..=440.0).contains(&view) && (spacing.x - spacing.y).abs() < 1e-12, "{view}");
}

#[test]
fn progress_rises_to_the_end_and_can_stop_it() {
    let last = Cell::new(-1.0f32);
    let spec = PhantomSpec { kind: Kind::L3, size: 32, slices: 20, seed: 1 };
    let rising = |f: f32| {
        assert!(f > last.get());
        last.set(f);
        true
    };
    generate(&spec, &rising).unwrap();
    assert_eq!(last.get(), 1.0);
    assert_eq!(generate(&spec, &|f| f < 0.1).unwrap_err(), PhantomError::Cancelled);
    let none = PhantomSpec { slices: 0, ..spec };
    assert_eq!(generate(&none, &|_| true).unwrap_err(), PhantomError::Size(32, 0));
}
