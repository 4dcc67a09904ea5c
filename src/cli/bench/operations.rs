//! Times operations on a whole mask, and what other libraries need for the same ones. Called by `edit`.

use super::data::{mask_pair, volume};
use super::peers::{Peers, Task};
use super::sampling::Sampler;
use crate::cli::CliError;
use crate::core::{LabelMap, VoxelBox};
use crate::edit::{
    Connectivity, Extent, Islands, LassoMode, NoWatch, Operation, Over, PaintRule, Smoothing, replace_label,
};
use glam::DVec3;
use std::path::Path;

/// Radius of the smoothings, and the margin.
const RADIUS_MM: f64 = 3.0;
const MARGIN_MM: f64 = 5.0;
/// Difference in HU that a grown region may have.
const TOLERANCE: i16 = 250;
/// The mask pair's half axes along k grow with the volume: it has twice the slices that the pair was made for.
const STRETCH: i64 = 2;

/// Whole-volume operations; `beside` is a Python with other libraries.
pub(super) fn measure(sampler: &mut Sampler, beside: Option<&Path>) -> Result<(), CliError> {
    sampler.begin("edit", "preparing masks")?;
    let slices = if sampler.quick { 290..310 } else { 0..600 };
    let count = slices.clone().count();
    let [smooth, rough] = mask_pair(slices, STRETCH)?;
    let image = volume([512, 512, count])?;
    let mut sparse = smooth.clone();
    for k in (0..count).filter(|k| k % 5 != 0) {
        let erase = PaintRule::erase(1, [false; 256]);
        crate::edit::paint_slice(&mut sparse, 2, k, &erase);
    }
    let mut halves = smooth.clone();
    let right = VoxelBox { min: [230, 0, 0], max: [512, 512, count] };
    let rule = PaintRule { over: Over::Segment(1), ..PaintRule::paint(2, [false; 256]) };
    crate::edit::paint_box(&mut halves, right, &rule);
    let seeds = seeds(&halves)?;
    let empty = LabelMap::empty(*smooth.geometry());
    let masks = [("smooth.raw", &smooth), ("rough.raw", &rough), ("sparse.raw", &sparse)];
    let peers = beside.map(|python| Peers::write(python, &image, &masks)).transpose()?;
    let (extent, connectivity) = (Extent::Volume, Connectivity::Corners);
    let seed = [256, 256, count / 2];
    let task = |what, mask, mm| Some(Task { what, mask, mm, seed, tolerance: TOLERANCE });
    let smoothing = |how| Operation::Smooth { how, radius_mm: RADIUS_MM, extent };
    let split = Islands::Split { labels: vec![5, 6, 7], voxels: 10 };
    let largest = Operation::Islands { what: Islands::KeepLargest, connectivity, extent };
    for (case, map, operation, task) in [
        ("islands: keep the largest", &rough, largest, task("islands", "rough.raw", 0.0)),
        ("islands: split", &rough, Operation::Islands { what: split, connectivity, extent }, None),
        ("fill holes", &rough, Operation::FillHoles { extent, planes: None }, None),
        ("smooth: median, 3 mm", &rough, smoothing(Smoothing::Median), task("median", "rough.raw", RADIUS_MM)),
        ("smooth: closing, 3 mm", &rough, smoothing(Smoothing::Closing), task("closing", "rough.raw", RADIUS_MM)),
        ("smooth: opening, 3 mm", &rough, smoothing(Smoothing::Opening), None),
        ("smooth: joint, two segments, 3 mm", &halves, smoothing(Smoothing::Joint), None),
        ("margin, 5 mm", &smooth, Operation::Margin { mm: MARGIN_MM, extent }, task("margin", "smooth.raw", MARGIN_MM)),
        (
            "interpolate, every fifth slice drawn",
            &sparse,
            Operation::Interpolate { axis: 2 },
            task("between", "sparse.raw", 0.0),
        ),
        (
            "grow from a click, 3-D",
            &empty,
            Operation::Grow { seed, tolerance: TOLERANCE, extent },
            task("grow", "", 0.0),
        ),
        ("grow from seeds, two segments and background", &seeds, Operation::Seeds { background: Some(3) }, None),
        ("lasso through all slices", &empty, lasso(count / 2), None),
        ("threshold", &empty, Operation::Threshold { range: [-29, 150], extent }, None),
    ] {
        let (mut bricks, mut result) = (0, None);
        sampler.measure("edit", &format!("{case}, 512 x 512 x {count}"), |watch| {
            let mut copy = map.clone();
            let rule = PaintRule::paint(1, [false; 256]);
            let done = watch.time(|| operation.run(&mut copy, &rule, Some(&image), &NoWatch));
            bricks = done.map_err(CliError::of)?.delta.bricks.len();
            result = Some(copy);
            Ok(())
        })?;
        let voxels = result.take().map_or(0, |map| map.counts()[1]);
        sampler.note(format!("{bricks} bricks change, then {voxels} voxels"));
        if let Some((peers, task)) = peers.as_ref().zip(task) {
            peers.measure(sampler, task, voxels)?;
        }
    }
    let mut changed = 0;
    sampler.measure("edit", &format!("rename a label everywhere, 512 x 512 x {count}"), |watch| {
        let mut copy = smooth.clone();
        changed = watch.time(|| replace_label(&mut copy, 1, 4)).bricks.len();
        Ok(())
    })?;
    sampler.note(format!("{changed} bricks change"));
    Ok(())
}

/// A contour with waves through the middle of every slice.
fn lasso(index: usize) -> Operation {
    let corners = (0..200).map(|n| {
        let angle = f64::from(n) / 200.0 * std::f64::consts::TAU;
        let radius = 160.0 + 20.0 * (8.0 * angle).sin();
        DVec3::new(256.0 + radius * angle.cos(), 256.0 + radius * angle.sin(), index as f64)
    });
    Operation::Lasso { corners: corners.collect(), axis: 2, index, mode: LassoMode::Add, through: true }
}

/// What a hand might draw before it lets two segments grow: their cores, and around both walls of a segment that stands
/// for the background.
fn seeds(halves: &LabelMap) -> Result<LabelMap, CliError> {
    const ROOM: usize = 8;
    const THICKNESS: usize = 2;
    let mut seeds = halves.clone();
    for label in [1, 2] {
        let rule = PaintRule::paint(label, [false; 256]);
        Operation::Margin { mm: -MARGIN_MM, extent: Extent::Volume }
            .run(&mut seeds, &rule, None, &NoWatch)
            .map_err(CliError::of)?;
    }
    let boxes = halves.label_boxes();
    let dims = halves.geometry().dims();
    let inside = boxes[1].union(&boxes[2]);
    let outside = VoxelBox {
        min: inside.min.map(|v| v.saturating_sub(ROOM)),
        max: std::array::from_fn(|a| (inside.max[a] + ROOM).min(dims[a])),
    };
    let background = PaintRule::paint(3, [false; 256]);
    // Not across k: a part of the volume may begin and end within the segments.
    for axis in 0..2 {
        for wall in [outside.min[axis], outside.max[axis] - THICKNESS] {
            let mut slab = outside;
            (slab.min[axis], slab.max[axis]) = (wall, wall + THICKNESS);
            crate::edit::paint_box(&mut seeds, slab, &background);
        }
    }
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_grow_into_most_of_their_segments() {
        let slices = 296..304;
        let [mut halves, _] = mask_pair(slices, STRETCH).unwrap();
        let right = VoxelBox { min: [230, 0, 0], max: [512, 512, 8] };
        let rule = PaintRule { over: Over::Segment(1), ..PaintRule::paint(2, [false; 256]) };
        crate::edit::paint_box(&mut halves, right, &rule);
        let mut map = seeds(&halves).unwrap();
        let (before, whole) = (map.counts(), halves.counts());
        for label in [1, 2] {
            assert!(before[label] > 0 && before[label] < whole[label], "{label}: {before:?}");
        }
        assert!(before[3] > 0);
        let image = volume([512, 512, 8]).unwrap();
        let rule = PaintRule::paint(1, [false; 256]);
        Operation::Seeds { background: Some(3) }.run(&mut map, &rule, Some(&image), &NoWatch).unwrap();
        let after = map.counts();
        assert!(after[1] > before[1] && after[2] > before[2], "{before:?} {after:?}");
        assert_eq!(after[3], before[3], "what the background reaches stays empty");
    }
}
