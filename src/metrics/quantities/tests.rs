//! Quantities of shapes whose size is known.

use super::*;
use glam::DVec3;

fn grid(dims: [usize; 3]) -> Geometry {
    Geometry::axis_aligned(dims, DVec3::new(2.0, 2.5, 5.0), DVec3::ZERO).unwrap()
}

fn value(all: &[Quantity], name: &str) -> f64 {
    let found = all.iter().find(|q| q.name == name).unwrap_or_else(|| panic!("no {name}"));
    assert!(!found.definition.is_empty());
    found.value.unwrap()
}

#[test]
fn muscle_areas_and_fat_leave_the_table_out() {
    let geometry = grid([20, 20, 2]);
    let mut labels = LabelMap::empty(geometry);
    let mut hu = vec![-1000i16; 800];
    // Slice 1: a body of 10 x 10 fat pixels with 4 x 4 of muscle, one of them fatty, and a gas bubble; a table apart.
    let at = |i: usize, j: usize| 400 + j * 20 + i;
    for j in 5..15 {
        for i in 5..15 {
            hu[at(i, j)] = -100;
        }
    }
    for j in 8..12 {
        for i in 8..12 {
            hu[at(i, j)] = 50;
            labels.set([i, j, 1], 3);
        }
    }
    hu[at(8, 8)] = -40;
    hu[at(6, 6)] = -900;
    for i in 0..20 {
        hu[at(i, 18)] = -60;
    }
    labels.set([0, 0, 0], 3);
    let volume = Volume::new(geometry, hu).unwrap();
    let segments = [Segment::new(3, "Skeletal muscle")];
    let options = QuantityOptions { height_cm: Some(200.0), slice: None };
    let all = quantities(&labels, &segments, Some(&volume), options);
    // A pixel has 0.05 cm2.
    assert!((value(&all, "Muscle area") - 0.8).abs() < 1e-12);
    assert!((value(&all, "Skeletal muscle index") - 0.2).abs() < 1e-12);
    assert!((value(&all, "Muscle density") - (15.0 * 50.0 - 40.0) / 16.0).abs() < 1e-12);
    assert!((value(&all, "Fat in the muscle") - 0.05).abs() < 1e-12);
    assert!((value(&all, "Muscle area within -29 to 150 HU") - 0.75).abs() < 1e-12);
    assert!((value(&all, "Fat area, -190 to -30 HU") - 83.0 * 0.05).abs() < 1e-12);
    // A pixel of 2 x 2.5 x 5 mm has 0.025 ml.
    assert!((value(&all, "Skeletal muscle, volume") - 17.0 * 0.025).abs() < 1e-12);
    let chosen = QuantityOptions { height_cm: None, slice: Some(0) };
    let all = quantities(&labels, &segments, None, chosen);
    assert!((value(&all, "Muscle area") - 0.05).abs() < 1e-12);
    assert!(all.iter().all(|q| q.name != "Muscle density" && q.name != "Skeletal muscle index"));
}

#[test]
fn liver_and_tumours_share_and_lungs_split() {
    let geometry = grid([10, 4, 1]);
    let mut labels = LabelMap::empty(geometry);
    let mut hu = vec![0i16; 40];
    for n in 0..10 {
        labels.set([n, 0, 0], if n < 8 { 1 } else { 2 });
        labels.set([n, 1, 0], if n < 4 { 3 } else { 4 });
        labels.set([n, 2, 0], 5);
        hu[10 + n] = [-960, -800, -800, -300, -50, -800, -800, -800, -800, -800][n];
        hu[20 + n] = 20;
    }
    let names = ["liver", "Liver tumour", "Left lung", "Right lung", "Consolidation"];
    let segments: Vec<Segment> = names.iter().enumerate().map(|(n, name)| Segment::new(n as u8 + 1, *name)).collect();
    let volume = Volume::new(geometry, hu).unwrap();
    let all = quantities(&labels, &segments, Some(&volume), QuantityOptions::default());
    // "Liver tumour" is a tumour and not counted as liver twice.
    assert!((value(&all, "Tumour burden") - 20.0).abs() < 1e-12);
    assert!((value(&all, "Lung, left, volume") - 0.1).abs() < 1e-12);
    assert!((value(&all, "Lungs, volume") - 0.5).abs() < 1e-12);
    assert!((value(&all, "Diseased by label") - 50.0).abs() < 1e-12);
    assert!((value(&all, "Diseased by density") - 60.0).abs() < 1e-12);
    assert!((value(&all, "Lung: Emphysema-like, below -950 HU") - 5.0).abs() < 1e-12);
    let none = quantities(&LabelMap::empty(geometry), &segments, None, QuantityOptions::default());
    assert_eq!(none.iter().find(|q| q.name == "Tumour burden").unwrap().value, None);
}
