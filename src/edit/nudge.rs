//! Pushing a contour: a disc that begins inside the segment pushes its outline outwards, one that begins outside pushes
//! it inwards.

use super::cut::Cut;
use crate::core::{LabelId, LabelMap, PlaneDirections};
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
        // A ball of radius r reaches r * |row a of the inverse| voxels along axis a; on slanted axes that is more than
        // the spacing tells.
        let voxel_from_mm = geometry.voxel_from_world().matrix3;
        let reach: [i64; 3] = std::array::from_fn(|a| {
            if a == through_axis { 0 } else { (radius_mm * voxel_from_mm.row(a).length()).ceil() as i64 + 1 }
        });
        Self::within(map, label, at, radius_mm, reach, |_, mut step| {
            if through_axis < 3 {
                step[through_axis] = 0.0;
            }
            Some(geometry.world_from_voxel().transform_vector3(step))
        })
    }

    /// As [`Self::at`] on a turned plane through `at`; `None` when it is no plane.
    pub fn on(map: &LabelMap, label: LabelId, at: DVec3, plane: &PlaneDirections, radius_mm: f64) -> Option<Self> {
        let geometry = map.geometry();
        let cut = Cut::through(geometry, plane, at)?;
        let reach = cut.reach(geometry, radius_mm).to_array().map(|v| v.ceil() as i64);
        let away = |voxel: [usize; 3], step: DVec3| {
            let mm = geometry.world_from_voxel().transform_vector3(step);
            cut.band.holds(voxel).then(|| cut.across(mm))
        };
        Some(Self::within(map, label, at, radius_mm, reach, away))
    }

    /// Looks at the voxels up to `reach` around `at`; `away` gives how far one of them is in mm on the plane, if it is
    /// seen there, from its number and its distance from `at` in voxels.
    fn within(
        map: &LabelMap,
        label: LabelId,
        at: DVec3,
        radius_mm: f64,
        reach: [i64; 3],
        away: impl Fn([usize; 3], DVec3) -> Option<DVec3>,
    ) -> Self {
        let dims = map.geometry().dims();
        let centre = (at + 0.5).floor().to_array().map(|v| v as i64);
        let inside = map.at(centre) == label;
        let range = |a: usize| (centre[a] - reach[a]).max(0)..=(centre[a] + reach[a]).min(dims[a] as i64 - 1);
        let mut nearest = radius_mm * radius_mm;
        for k in range(2) {
            for j in range(1) {
                for i in range(0) {
                    if (map.at([i, j, k]) == label) == inside {
                        continue;
                    }
                    let step = DVec3::new(i as f64, j as f64, k as f64) - at;
                    // Numbers of the grid: the ranges begin at 0.
                    if let Some(mm) = away([i, j, k].map(|v| v as usize), step) {
                        nearest = nearest.min(mm.length_squared());
                    }
                }
            }
        }
        // A hair less than to the nearest voxel of the other side, so that the press itself changes nothing.
        Self { erase: !inside, radius_mm: (nearest.sqrt() * (1.0 - 1e-6)).max(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_maps::{at, blobs, next, sheared, spaced, spacing, voxels};
    use super::super::tests::distance;
    use super::super::{Brush, BrushShape, Over, PaintRule, Stroke};
    use super::*;

    #[test]
    fn a_press_changes_nothing_and_the_side_decides() {
        let mut state = 2;
        for case in 0..60u64 {
            let dims = [30, 24, 9];
            let spacing = spacing(&mut state);
            let before = blobs(spaced(dims, spacing), case / 5);
            let place: [usize; 3] = std::array::from_fn(|a| (next(&mut state) % dims[a] as u64) as usize);
            let from = DVec3::from_array(place.map(|v| v as f64));
            let axis = (case % 3) as usize;
            let nudge = Nudge::at(&before, 1, from, axis, 6.0);
            assert_eq!(nudge.erase, at(&before, place) != 1);
            let near = voxels(dims)
                .filter(|v| v[axis] == place[axis] && (at(&before, *v) == 1) == nudge.erase)
                .map(|v| (0..3).map(|a| ((v[a] as f64 - from[a]) * spacing[a]).powi(2)).sum::<f64>().sqrt())
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

    /// Whether the straight path crosses the square of half side `half` around a voxel's centre, in the plane across `axis`.
    fn crosses([a, b]: [DVec3; 2], centre: DVec3, half: f64, axis: usize) -> bool {
        let (mut enter, mut leave) = (0.0f64, 1.0f64);
        for n in (0..3).filter(|n| *n != axis) {
            let (gap, step) = (centre[n] - a[n], b[n] - a[n]);
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

    /// Press and drag on grids of random spacing, some of them slanted: the disc that fits on its side of the outline is
    /// carried along the path, on the slice of the press alone, and gives what it covers to the segment or takes it away.
    #[test]
    fn a_drag_carries_the_outline_with_the_disc() {
        let mut state = 77;
        let mut moved = [0; 2];
        for case in 0..96u64 {
            let dims = [30, 24, 18];
            let axis = (case % 3) as usize;
            let shear = if case % 4 == 3 { 0.4 } else { 0.0 };
            let geometry = sheared(dims, spacing(&mut state), shear);
            let before = blobs(geometry, case);
            // From inside and from outside in turn, anywhere within the voxel but on its border.
            let inside = case % 2 == 0;
            let side: Vec<[usize; 3]> = voxels(dims).filter(|v| (at(&before, *v) == 1) == inside).collect();
            let start = side[(next(&mut state) % side.len() as u64) as usize];
            let press = DVec3::from_array(start.map(|v| v as f64 - 0.45 + (next(&mut state) % 10) as f64 / 10.0));
            let radius_mm = 0.5 + (next(&mut state) % 120) as f64 / 10.0;
            // A way of two pieces, now and then off the grid, within the slice.
            let mut place = || {
                let mut p =
                    DVec3::from_array(dims.map(|d| (next(&mut state) % (d as u64 * 10 + 60)) as f64 / 10.0 - 3.45));
                p[axis] = press[axis];
                p
            };
            let (first, second) = (place(), place());
            let ways = [[press, press], [press, first], [first, second]];
            let mut locked = [false; 256];
            locked[2] = case % 5 == 0;
            let over = [Over::All, Over::Background, Over::Segment(3)][(case / 3 % 3) as usize];
            let paint = PaintRule { over, ..PaintRule::paint(1, locked) };
            let nudge = Nudge::at(&before, 1, press, axis, radius_mm);
            assert_eq!(nudge.erase, !inside);
            let rule = if nudge.erase { paint.erasing(1) } else { paint };
            let brush = Brush { shape: BrushShape::Round2d { through_axis: axis }, radius_mm: nudge.radius_mm };
            let (mut map, mut stroke) = (before.clone(), Stroke::begin(&before));
            for [from, to] in ways {
                stroke.extend(&mut map, from, to, &brush, &rule);
            }

            // In the plane of the slice: positions are moved onto it, as the disc is.
            let slice = start[axis] as f64;
            let flat = ways.map(|way| {
                way.map(|mut p| {
                    p[axis] = slice;
                    p
                })
            });
            let centre = |v: [usize; 3]| DVec3::from_array(v.map(|x| x as f64));
            let to_way = |v: [usize; 3], way: [DVec3; 2]| distance(&geometry, centre(v), way[0], way[1]);
            let others = voxels(dims).filter(|v| v[axis] == start[axis] && (at(&before, *v) == 1) != inside);
            let nearest = others.map(|v| to_way(v, flat[0])).fold(radius_mm, f64::min);
            assert!((nudge.radius_mm - nearest).abs() <= 1e-5 * nearest, "{} {nearest}", nudge.radius_mm);
            for v in voxels(dims) {
                let (old, new) = (at(&before, v), at(&map, v));
                if v[axis] != start[axis] {
                    assert_eq!(new, old, "{v:?} is on another slice");
                    continue;
                }
                let may = match over {
                    Over::All => !locked[usize::from(old)],
                    Over::Background => old == 0,
                    Over::Segment(segment) => old == segment,
                };
                let covered = match old {
                    1 if nudge.erase => 0,
                    _ if !nudge.erase && may => 1,
                    _ => old,
                };
                let near = flat.iter().map(|way| to_way(v, *way)).fold(f64::INFINITY, f64::min);
                let on_way = |half: f64| flat.iter().any(|way| crosses(*way, centre(v), half, axis));
                // What lies on the rim but for rounding may go either way.
                if near < nearest * (1.0 - 1e-5) || on_way(0.5 - 1e-6) {
                    assert_eq!(new, covered, "{v:?} in case {case}, {near} mm from the way");
                } else if near > nearest * (1.0 + 1e-5) && !on_way(0.5 + 1e-6) {
                    assert_eq!(new, old, "{v:?} in case {case}, {near} mm from the way");
                } else {
                    assert!(new == old || new == covered, "{v:?} in case {case}");
                }
                moved[usize::from(inside)] += usize::from(new != old);
            }
            stroke.commit(&map).revert(&mut map);
            assert_eq!(map, before);
        }
        assert!(moved.iter().all(|n| *n > 50), "outlines moved both ways: {moved:?}");
    }
}
