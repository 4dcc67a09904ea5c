//! Small grids and maps for the tests of this module.

use super::Delta;
use super::operation::EditError;
use crate::core::{Geometry, LabelMap, PlaneDirections, Volume};
use glam::{DAffine3, DMat3, DQuat, DVec3, EulerRot};
use std::collections::BTreeSet;
use std::sync::Arc;

/// For tests in which no millimetre counts: 0.7 x 0.9 x 2.5 mm.
pub fn grid(dims: [usize; 3]) -> Geometry {
    spaced(dims, [0.7, 0.9, 2.5])
}

/// A grid of straight axes.
pub fn spaced(dims: [usize; 3], spacing: [f64; 3]) -> Geometry {
    Geometry::axis_aligned(dims, DVec3::from_array(spacing), DVec3::ZERO).unwrap()
}

/// Three spacings in mm at random, whole tenths from 0.4 to 3: lengths in tenths then meet voxel centres on the rim of a
/// ball, and what misses the rim misses it by more than rounding.
pub fn spacing(state: &mut u64) -> [f64; 3] {
    std::array::from_fn(|_| (4 + next(state) % 27) as f64 / 10.0)
}

/// As [`spaced`] with the third axis leaning over by `shear` of its length, as a tilted gantry leaves it.
pub fn sheared(dims: [usize; 3], spacing: [f64; 3], shear: f64) -> Geometry {
    let axes = DMat3::from_cols(DVec3::X, DVec3::Y, DVec3::new(0.0, shear, 1.0)) * DMat3::from_diagonal(spacing.into());
    Geometry::new(dims, DAffine3 { matrix3: axes, translation: DVec3::ZERO }).unwrap()
}

pub fn voxels([nx, ny, nz]: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..nz).flat_map(move |k| (0..ny).flat_map(move |j| (0..nx).map(move |i| [i, j, k])))
}

pub fn at(map: &LabelMap, voxel: [usize; 3]) -> u8 {
    map.at(voxel.map(|v| v as i64))
}

/// The next number of a sequence.
pub fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// A plane turned at random.
pub fn directions(state: &mut u64) -> PlaneDirections {
    let mut angle = || (next(state) % 6283) as f64 / 1000.0;
    let turn = DQuat::from_euler(EulerRot::XYZ, angle(), angle(), angle());
    PlaneDirections { right: DVec3::X, down: DVec3::Y }.turned(turn)
}

/// Labels `0..count` at random.
pub fn speckle(geometry: Geometry, seed: u64, count: u64) -> LabelMap {
    let mut state = seed | 1;
    let labels: Vec<u8> = (0..geometry.voxel_count()).map(|_| (next(&mut state) % count) as u8).collect();
    LabelMap::from_dense(geometry, &labels).unwrap()
}

/// Balls of labels 1 to 3 at random places, some of them touching, with random holes.
pub fn blobs(geometry: Geometry, seed: u64) -> LabelMap {
    let mut state = seed.wrapping_mul(977) | 1;
    let dims = geometry.dims();
    let mut labels = vec![0u8; geometry.voxel_count()];
    for n in 0..9 {
        let centre: [f64; 3] = std::array::from_fn(|a| (next(&mut state) % dims[a] as u64) as f64);
        let radius = 1.0 + (next(&mut state) % 60) as f64 / 10.0;
        let label = if n % 4 == 3 { 0 } else { 1 + n % 3 };
        for v in voxels(dims) {
            let d: f64 = (0..3).map(|a| ((v[a] as f64 - centre[a]) * [1.0, 1.2, 2.0][a]).powi(2)).sum();
            if d <= radius * radius {
                labels[geometry.index(v)] = label;
            }
        }
    }
    for label in &mut labels {
        if next(&mut state).is_multiple_of(23) {
            *label = (next(&mut state) % 3) as u8;
        }
    }
    LabelMap::from_dense(geometry, &labels).unwrap()
}

/// Values between -200 and 199 HU, in waves.
pub fn volume(geometry: Geometry, seed: u64) -> Arc<Volume> {
    let hu: Vec<i16> = voxels(geometry.dims())
        .map(|[i, j, k]| {
            let wave = (i as f64 / 5.0 + seed as f64).sin() + (j as f64 / 4.0).cos() + (k as f64 / 2.0).sin();
            (wave * 66.0) as i16
        })
        .collect();
    Arc::new(Volume::new(geometry, hu).unwrap())
}

/// What hangs together with one of the voxels in `from` through faces along some axes, over what is open: from voxel to
/// voxel, with a set and no runs. Floods are held to it.
pub fn spread(
    dims: [usize; 3],
    from: impl IntoIterator<Item = [usize; 3]>,
    along: impl Fn(usize) -> bool,
    open: impl Fn([usize; 3]) -> bool,
) -> BTreeSet<[usize; 3]> {
    let mut reached = BTreeSet::new();
    let mut todo: Vec<[usize; 3]> = from.into_iter().collect();
    while let Some(v) = todo.pop() {
        if !open(v) || !reached.insert(v) {
            continue;
        }
        for a in (0..3).filter(|a| along(*a)) {
            for to in [v[a].wrapping_sub(1), v[a] + 1] {
                let mut w = v;
                w[a] = to;
                if to < dims[a] {
                    todo.push(w);
                }
            }
        }
    }
    reached
}

/// Holds what a bucket of label 2 did to what `seed` reaches, which the border of the slice or plane bounds along some
/// axes: it fills that, and refuses what carries its label already and background that reaches the border. Whether it
/// filled, or found the outline open.
pub fn check_bucket(
    before: &LabelMap,
    seed: [usize; 3],
    reached: &BTreeSet<[usize; 3]>,
    along: impl Fn(usize) -> bool,
    bucket: impl FnOnce(&mut LabelMap) -> Result<Delta, EditError>,
) -> [bool; 2] {
    let dims = before.geometry().dims();
    let label = at(before, seed);
    let border = reached.iter().any(|v| (0..3).any(|a| along(a) && (v[a] == 0 || v[a] + 1 == dims[a])));
    let mut map = before.clone();
    let mut found = [false; 2];
    match bucket(&mut map) {
        Ok(delta) => {
            found[0] = true;
            assert!(label != 2 && (label != 0 || !border));
            for v in voxels(dims) {
                assert_eq!(at(&map, v), if reached.contains(&v) { 2 } else { at(before, v) }, "{v:?}");
            }
            delta.revert(&mut map);
        }
        Err(EditError::AlreadyFilled) => assert_eq!(label, 2),
        Err(error) => {
            found[1] = true;
            assert_eq!(error, EditError::OpenOutline);
            assert!(label == 0 && border);
        }
    }
    assert_eq!(map, *before);
    found
}
