//! Every operation stopped at every place where it asks whether to stop.

use super::test_maps::{at, blobs, grid, volume, voxels};
use super::*;
use crate::core::{LabelMap, Layer, LayerId, Origin, PlaneDirections, TurnedPlane};
use glam::DVec3;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const DIMS: [usize; 3] = [40, 36, 20];

/// Says yes from question `stop` on, counted from 0.
struct StopAt {
    stop: usize,
    asked: AtomicUsize,
}

impl StopAt {
    fn new(stop: usize) -> Self {
        Self { stop, asked: AtomicUsize::new(0) }
    }
}

impl Watch for StopAt {
    fn cancelled(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) >= self.stop
    }
    fn progress(&self, _: f32) {}
}

/// Blobs and specks, and a column of label 1 with holes in it and a gap of four slices.
fn mask() -> LabelMap {
    let mut map = blobs(grid(DIMS), 7);
    for v in voxels(DIMS) {
        let (x, y) = (v[0] as f64 - 20.0, v[1] as f64 - 18.0);
        if x * x + y * y < 49.0 {
            map.set(v, 1);
        }
        if (8..12).contains(&v[2]) && at(&map, v) == 1 {
            map.set(v, 0);
        }
    }
    for k in [3, 15] {
        map.set([20, 18, k], 0);
    }
    map
}

/// At least one of each kind, and each way through it.
fn operations(map: &LabelMap) -> Vec<Operation> {
    let corner = |x: f64, y: f64| DVec3::new(x, y, 5.0);
    let corners = vec![corner(8.0, 8.0), corner(30.0, 7.0), corner(31.0, 21.0), corner(9.0, 20.0)];
    let lasso = |mode| Operation::Lasso { corners: corners.clone(), axis: 2, index: 5, mode, through: true };
    // Leaning over by a fifth, through the corners of the contour and through the seed.
    let leaning = PlaneDirections { right: DVec3::X, down: DVec3::new(0.0, 1.0, 0.2).normalize() };
    let through = |voxel: DVec3| TurnedPlane::through(leaning, grid(DIMS).world_from_voxel().transform_point3(voxel));
    let lasso_on = |mode, through_all| {
        let plane = through(corner(20.0, 18.0));
        Operation::LassoOn { corners: corners.clone(), plane, mode, through: through_all }
    };
    let islands = |what| Operation::Islands { what, connectivity: Connectivity::Corners, extent: Extent::Volume };
    let smooth = |how| Operation::Smooth { how, radius_mm: 2.6, extent: Extent::Volume };
    let margin = |mm| Operation::Margin { mm, extent: Extent::Volume };
    let other = blobs(grid(DIMS), 31);
    let combine = |how| Operation::Combine { how, other: other.clone(), label: 2 };
    let model = Origin::Model { run: "r".into(), checkpoint: "best".into() };
    let layer = Arc::new(Layer::new(LayerId(1), "", map.clone(), Vec::new(), model));
    let table: Vec<u8> = (0..=255).collect();
    let adopt = |keep| Operation::Adopt { other: other.clone(), table: table.clone(), keep };
    let seed = voxels(DIMS).find(|&v| at(map, v) == 2).unwrap();
    let slice = Extent::Slice { axis: 2, index: 3 };
    vec![
        lasso(LassoMode::Add),
        lasso(LassoMode::Remove),
        lasso(LassoMode::KeepInside),
        lasso(LassoMode::Split { label: 9 }),
        lasso_on(LassoMode::Add, false),
        lasso_on(LassoMode::KeepInside, false),
        lasso_on(LassoMode::Remove, true),
        Operation::Fill { seed, axis: 2 },
        Operation::FillOn { seed, plane: through(DVec3::from_array(seed.map(|v| v as f64))) },
        Operation::Seeds { background: Some(3) },
        Operation::Threshold { range: [-20, 50], extent: Extent::Volume },
        Operation::Grow { seed: [20, 18, 3], tolerance: 60, extent: Extent::Volume },
        Operation::Grow { seed: [20, 18, 3], tolerance: 60, extent: slice },
        islands(Islands::KeepLargest),
        islands(Islands::RemoveSmaller { voxels: 50 }),
        islands(Islands::KeepAt([20, 20, 5])),
        islands(Islands::RemoveAt([20, 20, 5])),
        islands(Islands::Split { labels: vec![10, 11, 12], voxels: 1 }),
        Operation::FillHoles { extent: Extent::Volume, planes: None },
        Operation::FillHoles { extent: Extent::Volume, planes: Some(2) },
        Operation::FillHoles { extent: slice, planes: None },
        Operation::Interpolate { axis: 2 },
        Operation::CopySlice { axis: 2, from: 5, to: 10 },
        smooth(Smoothing::Median),
        smooth(Smoothing::Closing),
        smooth(Smoothing::Opening),
        smooth(Smoothing::Joint),
        margin(2.6),
        margin(-1.0),
        // So far that distances are computed instead of balls laid.
        margin(14.0),
        adopt(None),
        adopt(Some(layer)),
        combine(Logic::Union),
        combine(Logic::Intersect),
        combine(Logic::Subtract),
        combine(Logic::Xor),
        combine(Logic::Copy),
        Operation::Invert,
        Operation::Clear,
    ]
}

/// A number for each kind: a kind that is added has to be added here, and to the list above.
fn kind(operation: &Operation) -> usize {
    match operation {
        Operation::Lasso { .. } => 0,
        Operation::Fill { .. } => 1,
        Operation::Seeds { .. } => 2,
        Operation::Threshold { .. } => 3,
        Operation::Grow { .. } => 4,
        Operation::Islands { .. } => 5,
        Operation::FillHoles { .. } => 6,
        Operation::Interpolate { .. } => 7,
        Operation::CopySlice { .. } => 8,
        Operation::Smooth { .. } => 9,
        Operation::Margin { .. } => 10,
        Operation::Adopt { .. } => 11,
        Operation::Combine { .. } => 12,
        Operation::Invert => 13,
        Operation::Clear => 14,
        Operation::LassoOn { .. } => 15,
        Operation::FillOn { .. } => 16,
    }
}

/// All of `0..count`, or some from its beginning, its middle and its end.
fn places(count: usize) -> BTreeSet<usize> {
    if count <= 24 {
        return (0..count).collect();
    }
    (0..8).flat_map(|n| [n, n * count / 8, count - 1 - n]).collect()
}

#[test]
fn an_operation_that_is_stopped_says_so_and_changes_nothing() {
    let before = mask();
    let image = volume(grid(DIMS), 3);
    let rule = PaintRule::paint(1, [false; 256]);
    let all = operations(&before);
    let kinds: BTreeSet<usize> = all.iter().map(kind).collect();
    assert_eq!(kinds, (0..17).collect(), "every kind of operation is tried");
    for operation in all {
        let name = operation.name();
        let mut done = before.clone();
        let watch = StopAt::new(usize::MAX);
        let edited = operation.run(&mut done, &rule, Some(&image), &watch);
        let count = edited.map(|_| watch.asked.into_inner()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(count > 0, "{name} never asks");
        assert_ne!(done, before, "{name} changes something when nobody stops it");
        for stop in places(count) {
            let mut map = before.clone();
            let stopped = operation.run(&mut map, &rule, Some(&image), &StopAt::new(stop));
            assert_eq!(stopped.unwrap_err(), EditError::Cancelled, "{name} at {stop} of {count}");
            assert_eq!(map, before, "{name} at {stop} of {count}");
        }
        // A stop that comes too late stops nothing.
        let mut map = before.clone();
        operation.run(&mut map, &rule, Some(&image), &StopAt::new(count)).unwrap();
        assert_eq!(map, done, "{name}");
    }
}
