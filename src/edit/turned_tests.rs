//! Brushes, pushing and regions on turned planes against brute force, and undo against snapshots.

use super::test_maps::{at, blobs, directions, next, sheared, spacing, speckle, spread, volume, voxels};
use super::tests::distance;
use super::*;
use crate::core::{Geometry, LabelMap, PlaneDirections, TurnedPlane};
use glam::DVec3;
use proptest::prelude::*;

fn centre(voxel: [usize; 3]) -> DVec3 {
    DVec3::from_array(voxel.map(|x| x as f64))
}

/// Whether a voxel has corners on both sides of a plane, and how far from it the nearer of its outermost corners is in mm.
pub(super) fn cut_by(geometry: &Geometry, plane: &TurnedPlane, voxel: [usize; 3]) -> (bool, f64) {
    let normal = plane.directions.normal();
    let corners = (0..8).map(|n| DVec3::new((n & 1) as f64, (n >> 1 & 1) as f64, (n >> 2) as f64) - 0.5);
    let to_world = geometry.world_from_voxel();
    let sides = corners.map(|c| normal.dot(to_world.transform_point3(centre(voxel) + c)) - plane.depth);
    let (low, high) = sides.fold((f64::MAX, f64::MIN), |(l, h), s| (l.min(s), h.max(s)));
    (low < 0.0 && high > 0.0, low.abs().min(high.abs()))
}

/// Where the centre of a voxel is seen on a plane: mm to the right and down of `from`.
pub(super) fn seen_on(geometry: &Geometry, plane: &TurnedPlane, voxel: [usize; 3], from: DVec3) -> [f64; 2] {
    let world = geometry.world_from_voxel().transform_point3(centre(voxel));
    [plane.directions.right, plane.directions.down].map(|side| side.dot(world - from))
}

/// A grid, a plane through it, and places on the plane: mm to the right and down of a place in the middle.
struct Scene {
    geometry: Geometry,
    directions: PlaneDirections,
    middle: DVec3,
    plane: TurnedPlane,
}

impl Scene {
    fn new(state: &mut u64, dims: [usize; 3], case: u64) -> Self {
        let geometry = sheared(dims, spacing(state), if case % 4 == 3 { 0.4 } else { 0.0 });
        let inside = |d: usize, state: &mut u64| (d / 4) as f64 + (next(state) % (d as u64 * 50)) as f64 / 100.0;
        let voxel = DVec3::new(inside(dims[0], state), inside(dims[1], state), inside(dims[2], state));
        Self::through(state, geometry, voxel)
    }

    fn through(state: &mut u64, geometry: Geometry, voxel: DVec3) -> Self {
        let directions = directions(state);
        let middle = geometry.world_from_voxel().transform_point3(voxel);
        Self { geometry, directions, middle, plane: TurnedPlane::through(directions, middle) }
    }

    /// The voxel position of a place on the plane.
    fn at(&self, [right, down]: [f64; 2]) -> DVec3 {
        let world = self.middle + self.directions.right * right + self.directions.down * down;
        self.geometry.voxel_from_world().transform_point3(world)
    }

    fn shape(&self, square: bool) -> BrushShape {
        let plane = self.directions;
        if square { BrushShape::SquareOn { plane } } else { BrushShape::RoundOn { plane } }
    }
}

fn place(state: &mut u64) -> [f64; 2] {
    [0, 0].map(|_: i64| (next(state) % 2400) as f64 / 100.0 - 12.0)
}

/// Whether a straight path meets the box of half side `half` (in voxels) around a voxel.
fn crosses([a, b]: [DVec3; 2], voxel: [usize; 3], half: f64) -> bool {
    let (mut enter, mut leave) = (0.0f64, 1.0f64);
    for n in 0..3 {
        let (gap, step) = (voxel[n] as f64 - a[n], b[n] - a[n]);
        if step == 0.0 {
            if gap.abs() > half {
                return false;
            }
            continue;
        }
        let (one, two) = ((gap - half) / step, (gap + half) / step);
        (enter, leave) = (enter.max(one.min(two)), leave.min(one.max(two)));
    }
    enter <= leave
}

/// How far a place on the plane is from a path on it, in mm; for a square the half side of the square that reaches it,
/// by trying many places of the path.
fn away(p: [f64; 2], [from, to]: [[f64; 2]; 2], square: bool) -> f64 {
    let flat = Geometry::axis_aligned([1; 3], DVec3::ONE, DVec3::ZERO).unwrap();
    let v = |p: [f64; 2]| DVec3::new(p[0], p[1], 0.0);
    if !square {
        return distance(&flat, v(p), v(from), v(to));
    }
    let at = |t: f64| {
        let q = v(from).lerp(v(to), t);
        (p[0] - q.x).abs().max((p[1] - q.y).abs())
    };
    // Convex along the path: golden sections.
    let (mut low, mut high) = (0.0f64, 1.0f64);
    for _ in 0..90 {
        let (a, b) = (high - (high - low) * 0.618_033_988_75, low + (high - low) * 0.618_033_988_75);
        if at(a) < at(b) { high = b } else { low = a }
    }
    at((low + high) / 2.0).min(at(0.0)).min(at(1.0))
}

#[test]
fn a_brush_on_a_turned_plane_paints_what_is_cut_and_covered() {
    let mut state = 41;
    let mut painted = [0usize; 2];
    for case in 0..120u64 {
        let dims = [36, 22, 16];
        let scene = Scene::new(&mut state, dims, case);
        let (from, to) = (place(&mut state), place(&mut state));
        let to = if case % 5 == 0 { from } else { to };
        let square = case % 2 == 1;
        let radius_mm = (next(&mut state) % 90) as f64 / 10.0;
        let mut map = LabelMap::empty(scene.geometry);
        let mut stroke = Stroke::begin(&map);
        let way = [scene.at(from), scene.at(to)];
        // Where a stroke comes from another depth, its last place says which plane is meant.
        let off = scene.directions.normal() * if case % 3 == 0 { 4.0 } else { 0.0 };
        let start = way[0] + scene.geometry.voxel_from_world().transform_vector3(off);
        let brush = Brush { shape: scene.shape(square), radius_mm };
        stroke.extend(&mut map, start, way[1], &brush, &PaintRule::paint(1, [false; 256]));
        for v in voxels(dims) {
            let (cut, margin) = cut_by(&scene.geometry, &scene.plane, v);
            let gap = away(seen_on(&scene.geometry, &scene.plane, v, scene.middle), [from, to], square);
            let got = at(&map, v) == 1;
            // What lies on the rim but for rounding may go either way.
            let surely = (cut && margin > 1e-6 && gap < radius_mm - 1e-6) || crosses(way, v, 0.5 - 1e-6);
            let maybe = (cut || margin < 1e-6) && gap < radius_mm + 1e-6 || crosses(way, v, 0.5 + 1e-6);
            assert!(got || !surely, "{v:?} is left out in case {case}, {gap} mm from the path of {radius_mm}");
            assert!(maybe || !got, "{v:?} is painted in case {case}, {gap} mm from the path of {radius_mm}");
            painted[usize::from(square)] += usize::from(got);
        }
        stroke.abort(&mut map);
        assert_eq!(map, LabelMap::empty(scene.geometry));
    }
    assert!(painted.iter().all(|n| *n > 500), "{painted:?}");
}

/// What is seen on the plane has no hole: every point well within the disc lies in a painted voxel.
#[test]
fn no_point_within_the_disc_is_left_out() {
    let mut state = 5;
    let mut looked_at = 0;
    for case in 0..60u64 {
        let dims = [40, 40, 24];
        let scene = Scene::new(&mut state, dims, case);
        let mut map = LabelMap::empty(scene.geometry);
        let radius_mm = 7.0;
        let brush = Brush { shape: scene.shape(false), radius_mm };
        let from = scene.at([0.0; 2]);
        Stroke::begin(&map.clone()).extend(&mut map, from, from, &brush, &PaintRule::paint(1, [false; 256]));
        let edges = scene.geometry.world_from_voxel().matrix3;
        let diagonal = (edges.x_axis.length() + edges.y_axis.length() + edges.z_axis.length()) / 2.0;
        for n in 0..900 {
            let p = [n % 30, n / 30].map(|n: i32| f64::from(n - 15) * 0.47);
            if p[0].hypot(p[1]) > radius_mm - diagonal {
                continue;
            }
            let voxel = (scene.at(p) + 0.5).floor().to_array().map(|v| v as i64);
            if scene.geometry.contains(voxel) {
                looked_at += 1;
                assert_eq!(map.at(voxel), 1, "a hole at {p:?} in case {case}");
            }
        }
    }
    assert!(looked_at > 2000, "{looked_at}");
}

#[test]
fn an_adaptive_brush_on_a_turned_plane_stops_at_edges() {
    let mut state = 3;
    for case in 0..30u64 {
        let scene = Scene::new(&mut state, [30, 24, 16], case);
        let image = volume(scene.geometry, case);
        let from = scene.at([0.0; 2]);
        let brush = Brush { shape: scene.shape(case % 2 == 1), radius_mm: 9.0 };
        let rule = PaintRule::paint(1, [false; 256]);
        let paint = |stroke: Stroke| {
            let (mut map, mut stroke) = (LabelMap::empty(scene.geometry), stroke);
            stroke.extend(&mut map, from, from, &brush, &rule);
            map
        };
        let empty = LabelMap::empty(scene.geometry);
        let plain = paint(Stroke::begin(&empty));
        let alike = paint(Stroke::begin(&empty).adaptive(std::sync::Arc::clone(&image), 35));
        let hu = voxels([30, 24, 16]).filter(|v| at(&alike, *v) == 1).map(|v| image.at(v.map(|x| x as i64)).unwrap());
        let (low, high) = hu.fold((i16::MAX, i16::MIN), |(l, h), v| (l.min(v), h.max(v)));
        assert!(alike.counts()[1] == 0 || high - low <= 70, "{low} to {high} in case {case}");
        assert!(voxels([30, 24, 16]).all(|v| at(&alike, v) == 0 || at(&plain, v) == 1), "case {case}");
    }
}

#[test]
fn a_push_on_a_turned_plane_fits_on_its_side_of_the_outline() {
    let mut state = 29;
    let mut moved = [0usize; 2];
    for case in 0..80u64 {
        let dims = [30, 24, 16];
        let geometry = sheared(dims, spacing(&mut state), if case % 4 == 3 { 0.4 } else { 0.0 });
        let before = blobs(geometry, case);
        // From inside and from outside in turn, anywhere within the voxel but on its border.
        let inside = case % 2 == 0;
        let side: Vec<[usize; 3]> = voxels(dims).filter(|v| (at(&before, *v) == 1) == inside).collect();
        let start = side[(next(&mut state) % side.len() as u64) as usize];
        let press = DVec3::from_array(start.map(|v| v as f64 - 0.45 + (next(&mut state) % 10) as f64 / 10.0));
        let scene = Scene::through(&mut state, geometry, press);
        let nudge = Nudge::on(&before, 1, press, &scene.directions, 6.0).unwrap();
        assert_eq!(nudge.erase, !inside);
        let others = voxels(dims).filter(|v| (at(&before, *v) == 1) != inside);
        let seen = others.filter(|v| cut_by(&scene.geometry, &scene.plane, *v).0);
        let nearest = seen
            .map(|v| seen_on(&scene.geometry, &scene.plane, v, scene.middle))
            .map(|p| p[0].hypot(p[1]))
            .fold(6.0, f64::min);
        assert!((nudge.radius_mm - nearest).abs() < 1e-4, "{} {nearest} in case {case}", nudge.radius_mm);
        let paint = PaintRule::paint(1, [false; 256]);
        let rule = if nudge.erase { paint.erasing(1) } else { paint };
        let brush = Brush { shape: scene.shape(false), radius_mm: nudge.radius_mm };
        let (mut map, mut stroke) = (before.clone(), Stroke::begin(&before));
        stroke.extend(&mut map, press, press, &brush, &rule);
        assert_eq!(map, before, "the press alone changes nothing");
        stroke.extend(&mut map, press, scene.at([9.0, 4.0]), &brush, &rule);
        moved[usize::from(inside)] += usize::from(map != before);
        stroke.commit(&map).revert(&mut map);
        assert_eq!(map, before);
    }
    assert!(moved.iter().all(|n| *n > 5), "{moved:?}");
    let map = LabelMap::empty(Geometry::axis_aligned([4; 3], DVec3::ONE, DVec3::ZERO).unwrap());
    let none = PlaneDirections { right: DVec3::NAN, down: DVec3::Y };
    assert_eq!(Nudge::on(&map, 1, DVec3::ONE, &none, 3.0), None);
}

#[test]
fn regions_and_islands_keep_to_what_the_plane_cuts() {
    let mut state = 61;
    let (mut grown, mut removed) = (0, 0);
    for case in 0..60u64 {
        let dims = [30, 20, 14];
        let scene = Scene::new(&mut state, dims, case);
        let image = volume(scene.geometry, case);
        let before = blobs(scene.geometry, case / 3);
        let extent = Extent::Turned(scene.plane);
        let rule = PaintRule::paint(2, [false; 256]);
        let cut = |v: [usize; 3]| cut_by(&scene.geometry, &scene.plane, v).0;
        let hu = |v: [usize; 3]| image.at(v.map(|x| x as i64)).unwrap();
        let run = |operation: Operation| {
            let mut map = before.clone();
            operation.run(&mut map, &rule, Some(&image), &NoWatch).map(|edited| {
                let after = map.clone();
                edited.delta.revert(&mut map);
                assert_eq!(map, before, "undo restores the bits");
                edited.delta.apply(&mut map);
                assert_eq!(map, after, "redo too");
                after
            })
        };
        let threshold = run(Operation::Threshold { range: [-20, 50], extent }).unwrap();
        for v in voxels(dims) {
            let want = if cut(v) && (-20..=50).contains(&hu(v)) { 2 } else { at(&before, v) };
            assert_eq!(at(&threshold, v), want, "{v:?}");
        }
        let seed = (scene.at([0.0; 2]) + 0.5).floor().to_array().map(|v| v as usize);
        let reached = spread(dims, [seed], |_| true, |v| cut(v) && (hu(v) - hu(seed)).abs() <= 40);
        let after = run(Operation::Grow { seed, tolerance: 40, extent }).unwrap();
        grown += reached.len();
        for v in voxels(dims) {
            assert_eq!(at(&after, v), if reached.contains(&v) { 2 } else { at(&before, v) }, "{v:?} grown");
        }
        let part = voxels(dims).find(|v| cut(*v) && at(&before, *v) == 2);
        if let Some(part) = part {
            let gone = spread(dims, [part], |_| true, |v| cut(v) && at(&before, v) == 2);
            removed += gone.len();
            let what = Islands::RemoveAt(part);
            let after = run(Operation::Islands { what, connectivity: Connectivity::Faces, extent }).unwrap();
            for v in voxels(dims) {
                assert_eq!(at(&after, v), if gone.contains(&v) { 0 } else { at(&before, v) }, "{v:?} removed");
            }
        }
        for operation in [
            Operation::FillHoles { extent, planes: None },
            Operation::Margin { mm: 2.0, extent },
            Operation::Smooth { how: Smoothing::Median, radius_mm: 2.0, extent },
            Operation::Smooth { how: Smoothing::Joint, radius_mm: 2.0, extent },
        ] {
            assert_eq!(run(operation).unwrap_err(), EditError::StraightOnly);
        }
    }
    assert!(grown > 300 && removed > 40, "{grown} {removed}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Strokes and contours on planes turned anyhow, with every rule: undo restores the bits, redo too, locks hold.
    #[test]
    fn undo_and_redo_restore_the_bits_on_turned_planes(
        seed in any::<u64>(),
        steps in prop::collection::vec((any::<u64>(), 0usize..8, 0u8..4, 0usize..4, 0.0f64..12.0), 1..7),
    ) {
        let mut state = seed | 1;
        let dims = [33, 20, 18];
        let scene = Scene::new(&mut state, dims, seed % 4);
        let start = speckle(scene.geometry, seed, 5);
        let mut locked = [false; 256];
        locked[4] = true;
        let mut map = start.clone();
        let mut states = vec![map.clone()];
        let mut deltas = Vec::new();
        for (turn, kind, label, over, radius_mm) in steps {
            let mut state = turn | 1;
            let directions = directions(&mut state);
            let on = Scene { directions, plane: TurnedPlane::through(directions, scene.middle), ..scene };
            let rule = match over {
                0 => PaintRule::erase(label, locked),
                1 => PaintRule { over: Over::Segment(2), ..PaintRule::paint(label, locked) },
                2 => PaintRule { over: Over::Background, ..PaintRule::paint(label, locked) },
                _ => PaintRule::paint(label, locked),
            };
            let before = map.clone();
            let [a, b, c] = [place(&mut state), place(&mut state), place(&mut state)].map(|p| on.at(p));
            let modes = [LassoMode::Add, LassoMode::Remove, LassoMode::KeepInside, LassoMode::Split { label: 7 }];
            let delta = if kind < 4 {
                let mut stroke = Stroke::begin(&map);
                let brush = Brush { shape: on.shape(kind % 2 == 1), radius_mm };
                stroke.extend(&mut map, a, b, &brush, &rule);
                stroke.extend(&mut map, b, c, &brush, &rule);
                stroke.commit(&map)
            } else {
                let through = radius_mm > 6.0;
                let corners = vec![a, b, c];
                let operation = Operation::LassoOn { corners, plane: on.plane, mode: modes[kind - 4], through };
                operation.run(&mut map, &rule, None, &NoWatch).unwrap().delta
            };
            prop_assert_eq!(&delta.bricks.iter().map(|b| b.index).collect::<Vec<_>>(), &map.changed_bricks(&before));
            deltas.push(delta);
            states.push(map.clone());
        }
        prop_assert!(voxels(dims).all(|v| (at(&start, v) == 4) == (at(&map, v) == 4)));
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
