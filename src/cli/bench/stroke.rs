//! Times brush strokes on a large mask, their undo, and what the undo holds in memory.

use super::sampling::Sampler;
use crate::cli::CliError;
use crate::core::{Geometry, LabelMap};
use crate::edit::{Brush, BrushShape, Delta, PaintRule, Stroke};
use glam::DVec3;

/// Brush radius: 41 voxels across on the 1 mm grid below.
const RADIUS_MM: f64 = 20.0;

pub(super) fn measure(sampler: &mut Sampler) -> Result<(), CliError> {
    sampler.begin("stroke", "preparing the mask")?;
    let geometry = Geometry::axis_aligned([512, 512, 600], DVec3::ONE, DVec3::ZERO).map_err(CliError::of)?;
    let mut map = LabelMap::empty(geometry);
    let centre = DVec3::new(256.0, 256.0, 300.0);
    // Half of each stroke falls on another segment, as along an organ's border.
    let organ = Brush { shape: BrushShape::Sphere, radius_mm: 60.0 };
    paint(&mut map, centre, centre, 1, &organ, 2);
    let rim = centre + DVec3::new(60.0, 0.0, 0.0);
    let disc = Brush { shape: BrushShape::Round2d { through_axis: 2 }, radius_mm: RADIUS_MM };
    let sphere = Brush { shape: BrushShape::Sphere, radius_mm: RADIUS_MM };
    let drag = rim + DVec3::new(0.0, 100.0, 0.0);
    for (case, brush, to, moves) in [
        ("disc 40 voxels, one dab", disc, rim, 1),
        ("disc 40 voxels, drag over 100 in 20 moves", disc, drag, 20),
        ("sphere 41 voxels, one dab", sphere, rim, 1),
        ("sphere 41 voxels, drag over 100 in 20 moves", sphere, drag, 20),
    ] {
        let mut bytes = 0;
        sampler.measure("stroke", case, |watch| {
            let delta = watch.time(|| paint(&mut map, rim, to, moves, &brush, 1));
            bytes = delta.bytes();
            delta.revert(&mut map);
            Ok(())
        })?;
        sampler.note(format!("history {} KiB", bytes.div_ceil(1024)));
        sampler.measure("stroke", &format!("undo of {case}"), |watch| {
            let delta = paint(&mut map, rim, to, moves, &brush, 1);
            watch.time(|| delta.revert(&mut map));
            Ok(())
        })?;
    }
    Ok(())
}

/// A whole stroke of `label` from `from` to `to`, as `moves` pointer events bring it.
fn paint(map: &mut LabelMap, from: DVec3, to: DVec3, moves: usize, brush: &Brush, label: u8) -> Delta {
    let rule = PaintRule::paint(label, [false; 256]);
    let mut stroke = Stroke::begin(map);
    let at = |n: usize| from.lerp(to, n as f64 / moves as f64);
    for n in 0..moves {
        stroke.extend(map, at(n), at(n + 1), brush, &rule);
    }
    stroke.commit(map)
}
