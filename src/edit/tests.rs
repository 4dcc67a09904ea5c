//! Strokes against brute force, and undo against snapshots, on random grids with unequal and slanted axes.

use super::*;
use crate::core::{Geometry, LabelMap};
use glam::{DAffine3, DMat3, DVec3};
use proptest::prelude::*;

/// Unequal spacing, a rotation, and the shear of a tilted gantry.
fn grid() -> impl Strategy<Value = Geometry> {
    let spacing = prop::array::uniform3(0.4f64..4.0);
    (prop::array::uniform3(1usize..36), spacing, -0.4f64..0.4, 0.0f64..3.0).prop_map(|(dims, s, shear, turn)| {
        let axes = DMat3::from_rotation_z(turn)
            * DMat3::from_cols(DVec3::X * s[0], DVec3::Y * s[1], DVec3::new(0.0, shear, 1.0) * s[2]);
        Geometry::new(dims, DAffine3 { matrix3: axes, translation: DVec3::new(-50.0, 3.0, 900.0) }).unwrap()
    })
}

/// A position in voxels, now and then off the grid.
fn position() -> impl Strategy<Value = DVec3> {
    prop::array::uniform3(-6.0f64..40.0).prop_map(DVec3::from_array)
}

fn shape() -> impl Strategy<Value = BrushShape> {
    prop_oneof![Just(BrushShape::Sphere), (0usize..3).prop_map(|through_axis| BrushShape::Round2d { through_axis })]
}

fn speckle(geometry: Geometry, seed: u64) -> LabelMap {
    let mut state = seed | 1;
    let labels: Vec<u8> = (0..geometry.voxel_count())
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 40) % 5) as u8
        })
        .collect();
    LabelMap::from_dense(geometry, &labels).unwrap()
}

fn voxels(geometry: &Geometry) -> impl Iterator<Item = [usize; 3]> {
    let [nx, ny, nz] = geometry.dims();
    (0..nz).flat_map(move |k| (0..ny).flat_map(move |j| (0..nx).map(move |i| [i, j, k])))
}

fn label(map: &LabelMap, voxel: [usize; 3]) -> u8 {
    map.at(voxel.map(|v| v as i64))
}

/// Distance in mm from a voxel centre to a segment, by golden-section search: no formula shared with the code.
pub(super) fn distance(geometry: &Geometry, voxel: DVec3, from: DVec3, to: DVec3) -> f64 {
    let m = geometry.world_from_voxel().matrix3;
    let at = |t: f64| (m * (voxel - from.lerp(to, t))).length();
    let (mut low, mut high) = (0.0f64, 1.0f64);
    for _ in 0..90 {
        let (a, b) = (high - (high - low) * 0.618_033_988_75, low + (high - low) * 0.618_033_988_75);
        if at(a) < at(b) { high = b } else { low = a }
    }
    at((low + high) / 2.0).min(at(0.0)).min(at(1.0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_sweep_is_the_capsule_and_the_path(
        geometry in grid(), mut from in position(), mut to in position(), shape in shape(), radius_mm in 0.05f64..14.0,
    ) {
        if let BrushShape::Round2d { through_axis } = shape {
            to[through_axis] = (to[through_axis] + 0.5).floor();
            from[through_axis] = to[through_axis];
        }
        let mut map = LabelMap::empty(geometry);
        let mut stroke = Stroke::begin(&map);
        stroke.extend(&mut map, from, to, &Brush { shape, radius_mm }, &PaintRule::paint(1, [false; 256]));
        let mut on_path = std::collections::HashSet::new();
        for n in 0..=4000 {
            let p = from.lerp(to, f64::from(n) / 4000.0);
            let v = p.to_array().map(|x| (x + 0.5).floor() as i64);
            on_path.insert(v);
        }
        for v in voxels(&geometry) {
            let centre = DVec3::from_array(v.map(|x| x as f64));
            let in_plane = shape.through_axis().is_none_or(|a| centre[a] == to[a]);
            let d = distance(&geometry, centre, from, to);
            let painted = label(&map, v) == 1;
            if in_plane && (d < radius_mm - 1e-6 || on_path.contains(&v.map(|x| x as i64))) {
                prop_assert!(painted, "gap at {v:?}, {d} mm from the path");
            }
            if !in_plane {
                prop_assert!(!painted, "{v:?} is on another slice");
            } else if d > radius_mm + 1e-6 && painted {
                // Only a voxel that the path crosses may be farther than the radius.
                let near = (0..=4000).any(|n| {
                    (from.lerp(to, f64::from(n) / 4000.0) - centre).abs().max_element() < 0.5 + 0.02
                });
                prop_assert!(near, "{v:?} is {d} mm from the path");
            }
        }
    }

    #[test]
    fn undo_and_redo_restore_the_bits_and_locks_hold(
        geometry in grid(), seed in any::<u64>(),
        strokes in prop::collection::vec(
            (prop::collection::vec(position(), 1..4), shape(), 0.1f64..20.0, 0u8..4, 0usize..4), 1..6),
    ) {
        let start = speckle(geometry, seed);
        let mut locked = [false; 256];
        locked[4] = true;
        let mut map = start.clone();
        let mut states = vec![map.clone()];
        let mut deltas = Vec::new();
        for (path, shape, radius_mm, label, kind) in strokes {
            let brush = Brush { shape, radius_mm };
            let rule = match kind {
                0 => PaintRule::erase(label, locked),
                1 => PaintRule { over: Over::Segment(2), ..PaintRule::paint(label, locked) },
                2 => PaintRule { over: Over::Background, ..PaintRule::paint(label, locked) },
                _ => PaintRule::paint(label, locked),
            };
            let before = map.clone();
            let mut stroke = Stroke::begin(&map);
            let mut dirty = std::collections::BTreeSet::new();
            let mut last = path[0];
            for p in path {
                dirty.extend(stroke.extend(&mut map, last, p, &brush, &rule));
                last = p;
            }
            let delta = stroke.commit(&map);
            prop_assert_eq!(&delta.bricks.iter().map(|b| b.index).collect::<Vec<_>>(), &map.changed_bricks(&before));
            prop_assert!(delta.bricks.iter().all(|b| dirty.contains(&b.index)), "a changed brick was not announced");
            deltas.push(delta);
            states.push(map.clone());
        }
        for v in voxels(&geometry) {
            prop_assert_eq!(label(&start, v) == 4, label(&map, v) == 4);
        }
        for (delta, state) in deltas.iter().zip(&states).rev() {
            delta.revert(&mut map);
            prop_assert_eq!(map.to_dense(), state.to_dense());
        }
        for (delta, state) in deltas.iter().zip(&states[1..]) {
            delta.apply(&mut map);
            prop_assert_eq!(map.to_dense(), state.to_dense());
        }
    }
}

#[test]
fn an_aborted_stroke_leaves_no_trace() {
    let geometry = Geometry::axis_aligned([40, 40, 40], DVec3::new(0.7, 0.7, 3.0), DVec3::ZERO).unwrap();
    let start = speckle(geometry, 5);
    let mut map = start.clone();
    let mut stroke = Stroke::begin(&map);
    let brush = Brush { shape: BrushShape::Sphere, radius_mm: 8.0 };
    let (a, b) = (DVec3::splat(5.0), DVec3::splat(30.0));
    let dirty = stroke.extend(&mut map, a, b, &brush, &PaintRule::paint(3, [false; 256]));
    assert_ne!(map, start);
    assert_eq!(stroke.abort(&mut map), dirty);
    assert_eq!(map, start);
}

#[test]
fn what_is_painted_and_erased_again_is_no_change() {
    let geometry = Geometry::axis_aligned([64, 64, 8], DVec3::new(0.7, 0.7, 3.0), DVec3::ZERO).unwrap();
    let mut map = LabelMap::empty(geometry);
    let brush = Brush { shape: BrushShape::Round2d { through_axis: 2 }, radius_mm: 10.0 };
    let mut stroke = Stroke::begin(&map);
    let p = DVec3::new(30.0, 30.0, 4.0);
    assert_eq!(stroke.extend(&mut map, p, p, &brush, &PaintRule::paint(3, [false; 256])).len(), 4);
    assert_eq!(stroke.extend(&mut map, p, p, &brush, &PaintRule::paint(3, [false; 256])).len(), 0);
    stroke.extend(&mut map, p, p, &brush, &PaintRule::erase(3, [false; 256]));
    assert!((0..map.brick_count() as u32).all(|i| map.brick(i).is_none()));
    assert!(stroke.commit(&map).is_empty());
}

#[test]
fn a_tiny_brush_paints_the_voxel_under_the_pointer() {
    let geometry = Geometry::axis_aligned([9, 9, 9], DVec3::new(0.7, 0.7, 5.0), DVec3::ZERO).unwrap();
    for shape in [BrushShape::Sphere, BrushShape::Round2d { through_axis: 0 }] {
        let mut map = LabelMap::empty(geometry);
        let p = DVec3::new(3.4, 3.6, 4.45);
        let brush = Brush { shape, radius_mm: 0.1 };
        Stroke::begin(&map).extend(&mut map, p, p, &brush, &PaintRule::paint(2, [false; 256]));
        assert_eq!((map.counts()[2], map.at([3, 4, 4])), (1, 2));
        let none =
            Stroke::begin(&map).extend(&mut map, DVec3::splat(f64::NAN), p, &brush, &PaintRule::paint(3, [false; 256]));
        assert!(none.is_empty());
    }
}

#[test]
fn ordinary_strokes_cost_less_than_a_megabyte() {
    let geometry = Geometry::axis_aligned([512, 512, 64], DVec3::new(0.7, 0.7, 1.0), DVec3::ZERO).unwrap();
    let mut map = LabelMap::empty(geometry);
    let cost = |map: &mut LabelMap, shape, radius_mm, to: DVec3| {
        let mut stroke = Stroke::begin(map);
        let rule = PaintRule::paint(1, [false; 256]);
        stroke.extend(map, DVec3::new(200.0, 200.0, 30.0), to, &Brush { shape, radius_mm }, &rule);
        stroke.commit(map).bytes()
    };
    // A disc 40 voxels wide drawn over 40 voxels, and a ball of 41 voxels cubed.
    let disc = BrushShape::Round2d { through_axis: 2 };
    assert!(cost(&mut map, disc, 14.0, DVec3::new(240.0, 200.0, 30.0)) < 1 << 20);
    assert!(cost(&mut map, BrushShape::Sphere, 14.0, DVec3::new(200.0, 200.0, 30.0)) < 1 << 20);
}
