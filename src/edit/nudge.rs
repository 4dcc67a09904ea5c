//! Pushing a contour: a disc that begins inside the segment pushes its outline outwards, one that begins outside pushes
//! it inwards.

use crate::core::{LabelId, LabelMap};
use glam::DVec3;

/// What a push does, decided where it begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nudge {
    /// It began outside: the outline goes inwards.
    pub erase: bool,
    /// At most the radius of the brush, and no more than fits on this side of the outline, in mm.
    pub radius_mm: f64,
}

impl Nudge {
    /// For a push that begins at the continuous voxel position `at` on the slice across `through_axis`.
    pub fn at(map: &LabelMap, label: LabelId, at: DVec3, through_axis: usize, radius_mm: f64) -> Self {
        let geometry = map.geometry();
        let dims = geometry.dims();
        let place = (at + 0.5).floor();
        let voxel = |p: DVec3| p.to_array().map(|v| v as i64);
        let inside = map.at(voxel(place)) == label;
        let reach: [i64; 3] = std::array::from_fn(|a| {
            if a == through_axis { 0 } else { (radius_mm / geometry.spacing()[a]).ceil() as i64 + 1 }
        });
        let centre = voxel(place);
        let range = |a: usize| (centre[a] - reach[a]).max(0)..=(centre[a] + reach[a]).min(dims[a] as i64 - 1);
        let mut nearest = radius_mm * radius_mm;
        for k in range(2) {
            for j in range(1) {
                for i in range(0) {
                    if (map.at([i, j, k]) == label) == inside {
                        continue;
                    }
                    let mut step = DVec3::new(i as f64, j as f64, k as f64) - at;
                    if through_axis < 3 {
                        step[through_axis] = 0.0;
                    }
                    let mm = geometry.world_from_voxel().transform_vector3(step);
                    nearest = nearest.min(mm.length_squared());
                }
            }
        }
        // A hair less than to the nearest voxel of the other side, so that the press itself changes nothing.
        Self { erase: !inside, radius_mm: (nearest.sqrt() * (1.0 - 1e-6)).max(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_maps::{at, blobs, grid, next, voxels};
    use super::super::{Brush, BrushShape, PaintRule, Stroke};
    use super::*;

    #[test]
    fn a_press_changes_nothing_and_the_side_decides() {
        let mut state = 2;
        for case in 0..60u64 {
            let dims = [30, 24, 9];
            let before = blobs(grid(dims), case / 5);
            let place: [usize; 3] = std::array::from_fn(|a| (next(&mut state) % dims[a] as u64) as usize);
            let from = DVec3::from_array(place.map(|v| v as f64));
            let axis = (case % 3) as usize;
            let nudge = Nudge::at(&before, 1, from, axis, 6.0);
            assert_eq!(nudge.erase, at(&before, place) != 1);
            let near = voxels(dims)
                .filter(|v| v[axis] == place[axis] && (at(&before, *v) == 1) == nudge.erase)
                .map(|v| (0..3).map(|a| ((v[a] as f64 - from[a]) * [0.7, 0.9, 2.5][a]).powi(2)).sum::<f64>().sqrt())
                .fold(6.0, f64::min);
            assert!((nudge.radius_mm - near).abs() < 1e-4, "{} {near}", nudge.radius_mm);
            let paint = PaintRule::paint(1, [false; 256]);
            let rule = if nudge.erase { paint.erasing(1) } else { paint };
            let brush = Brush { shape: BrushShape::Round2d { through_axis: axis }, radius_mm: nudge.radius_mm };
            let (mut map, mut stroke) = (before.clone(), Stroke::begin(&before));
            stroke.extend(&mut map, from, from, &brush, &rule);
            assert_eq!(map, before, "the press alone changes nothing");
        }
    }
}
