//! Contours and the bucket on a turned plane: among the voxels that the plane cuts.

use super::bits::{BitGrid, equal_bits};
use super::components::flood;
use super::cut::Cut;
use super::lasso::apply;
use super::operation::{EditError, Edited, LassoMode, Watch};
use super::repaint::{clipped, paint_bits, repaint};
use super::{Delta, PaintRule};
use crate::core::{BRICK_EDGE, Geometry, LabelMap, TurnedPlane, VoxelBox};
use glam::DVec3;

/// Adds, removes, keeps or splits off the inside of a contour: what the plane cuts, or with `through` all that lies before
/// and behind the contour. A voxel is inside when its centre, seen along the normal, is inside by the even-odd rule.
pub(super) fn lasso(
    map: &mut LabelMap,
    rule: &PaintRule,
    corners: &[DVec3],
    plane: &TurnedPlane,
    mode: LassoMode,
    through: bool,
    watch: &dyn Watch,
) -> Result<Edited, EditError> {
    if corners.len() < 3 || corners.iter().any(|p| !p.is_finite()) {
        return Err(EditError::NoContour);
    }
    let geometry = *map.geometry();
    let cut = Cut::of(&geometry, plane).ok_or(EditError::Outside)?;
    let outline = Outline::new(&geometry, plane, corners);
    let all = VoxelBox { min: [0; 3], max: geometry.dims() };
    if mode == LassoMode::KeepInside && !through {
        // What the plane does not cut is not looked at, and so stays.
        let outside = |voxel| {
            let cut = cut.band.bits16(voxel);
            cut & !outline.inside(voxel, cut)
        };
        return repaint(map, all, &rule.erasing(rule.label), watch, outside).map(Edited::from);
    }
    let region = if through { all } else { outline.around(&geometry, plane, corners, &cut) };
    let wanted = |voxel| outline.inside(voxel, if through { u16::MAX } else { cut.band.bits16(voxel) });
    apply(map, rule, region, mode, watch, wanted)
}

/// Paints the voxels that the plane cuts, carry the label of `seed` and hang together with it through faces.
///
/// Background that reaches the border of the grid is no area and is refused: its outline has a gap.
pub(super) fn fill(
    map: &mut LabelMap,
    rule: &PaintRule,
    seed: [usize; 3],
    plane: &TurnedPlane,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    let dims = map.geometry().dims();
    let cut = Cut::of(map.geometry(), plane).ok_or(EditError::Outside)?;
    if (0..3).any(|a| seed[a] >= dims[a]) || !cut.band.holds(seed) {
        return Err(EditError::Outside);
    }
    let label = map.at(seed.map(|v| v as i64));
    if label == rule.label {
        return Err(EditError::AlreadyFilled);
    }
    let region = VoxelBox { min: [0; 3], max: dims };
    let alike = BitGrid::filled(region, |voxel| {
        let bits = cut.band.bits16(voxel);
        if bits == 0 {
            return None;
        }
        let from = LabelMap::offset_in_brick(voxel);
        let brick = map.brick(map.brick_of(voxel));
        let none = if label == 0 { u16::MAX } else { 0 };
        Some(bits & brick.map_or(none, |b| equal_bits(&b[from..from + BRICK_EDGE], label)))
    });
    let reached = flood(&alike, seed, false, watch)?;
    let bounds = reached.bounds().ok_or(EditError::Outside)?;
    if label == 0 && (0..3).any(|a| bounds.min[a] == 0 || bounds.max[a] == dims[a]) {
        return Err(EditError::OpenOutline);
    }
    paint_bits(map, &reached, rule, watch)
}

/// Strips into which edges are sorted at most.
const MOST_STRIPS: usize = 512;

/// A closed contour as it is seen along a plane's normal, in mm along the rows of the grid and across them.
struct Outline {
    /// What a step along each voxel axis is along and across, and where voxel 0 is.
    along: DVec3,
    across: DVec3,
    start: [f64; 2],
    low: [f64; 2],
    high: [f64; 2],
    /// Edges by strips along the rows, so that a voxel is held against few of them.
    strips: Vec<Vec<[[f64; 2]; 2]>>,
}

impl Outline {
    fn new(geometry: &Geometry, plane: &TurnedPlane, corners: &[DVec3]) -> Self {
        let to_world = geometry.world_from_voxel();
        let normal = plane.directions.normal();
        let row = to_world.matrix3.x_axis;
        let seen = row - normal * normal.dot(row);
        // Rows that run along the normal are seen as points: any direction serves.
        let u = if seen.length() > 1e-6 * row.length() { seen.normalize() } else { plane.directions.right };
        let v = normal.cross(u);
        let turned = to_world.matrix3.transpose();
        let (along, across) = (turned * u, turned * v);
        let start = [u, v].map(|d| d.dot(to_world.translation));
        let points: Vec<[f64; 2]> =
            corners.iter().map(|c| [along.dot(*c) + start[0], across.dot(*c) + start[1]]).collect();
        let bound =
            |pick: fn(f64, f64) -> f64, from: f64| [0, 1].map(|n: usize| points.iter().map(|p| p[n]).fold(from, pick));
        let (low, high) = (bound(f64::min, f64::INFINITY), bound(f64::max, f64::NEG_INFINITY));
        let count = (4 * points.len()).min(MOST_STRIPS);
        let mut outline = Self { along, across, start, low, high, strips: vec![Vec::new(); count] };
        for (n, a) in points.iter().enumerate() {
            let b = points[(n + 1) % points.len()];
            let (first, last) = (outline.strip(a[1].min(b[1])), outline.strip(a[1].max(b[1])));
            for strip in &mut outline.strips[first..=last] {
                strip.push([*a, b]);
            }
        }
        outline
    }

    fn strip(&self, v: f64) -> usize {
        let height = self.high[1] - self.low[1];
        let part = if height > 0.0 { (v - self.low[1]) / height } else { 0.0 };
        // A cast of a negative number gives 0.
        ((part * self.strips.len() as f64) as usize).min(self.strips.len() - 1)
    }

    /// Which of `among`, of 16 voxels from the one given on, lie inside.
    fn inside(&self, [i, j, k]: [usize; 3], among: u16) -> u16 {
        let mut left = among;
        let mut found = 0;
        while left != 0 {
            let n = left.trailing_zeros() as usize;
            left &= left - 1;
            let voxel = DVec3::new((i + n) as f64, j as f64, k as f64);
            let at = [self.along.dot(voxel) + self.start[0], self.across.dot(voxel) + self.start[1]];
            found |= u16::from(self.holds(at)) << n;
        }
        found
    }

    /// The even-odd rule. Of points on an edge those count that a hair further along and across is inside.
    fn holds(&self, [u, v]: [f64; 2]) -> bool {
        if u < self.low[0] || u > self.high[0] || v < self.low[1] || v > self.high[1] {
            return false;
        }
        let crossed = |[a, b]: &&[[f64; 2]; 2]| {
            if (a[1] <= v) == (b[1] <= v) {
                return false;
            }
            let (a, b) = if a[1] <= b[1] { (a, b) } else { (b, a) };
            // At or behind the edge: decided by the sign of a determinant, without a division.
            (u - a[0]) * (b[1] - a[1]) >= (b[0] - a[0]) * (v - a[1])
        };
        self.strips[self.strip(v)].iter().filter(crossed).count() % 2 == 1
    }

    /// A box around every voxel that the plane cuts and whose centre is inside.
    fn around(&self, geometry: &Geometry, plane: &TurnedPlane, corners: &[DVec3], cut: &Cut) -> VoxelBox {
        let (to_world, to_voxel) = (geometry.world_from_voxel(), geometry.voxel_from_world());
        let normal = plane.directions.normal();
        let (mut low, mut high) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
        for corner in corners {
            let world = to_world.transform_point3(*corner);
            let on_plane = to_voxel.transform_point3(world + normal * (plane.depth - normal.dot(world)));
            (low, high) = (low.min(on_plane), high.max(on_plane));
        }
        let room = cut.reach(geometry, 0.0);
        let dims = geometry.dims();
        // Casts of negative numbers give 0.
        let found = VoxelBox {
            min: (low - room).floor().to_array().map(|v| v as usize),
            max: (high + room).ceil().to_array().map(|v| (v as usize).saturating_add(1)),
        };
        clipped(found, VoxelBox { min: [0; 3], max: dims })
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{
        at, blobs, check_bucket, directions, next, sheared, spacing, speckle, spread, voxels,
    };
    use super::super::turned_tests::{cut_by, seen_on};
    use super::*;

    /// How often a closed line goes round a point, by the angles under which its edges are seen; and how near it comes.
    fn turns(points: &[[f64; 2]], p: [f64; 2]) -> (i64, f64) {
        let (mut angle, mut nearest) = (0.0, f64::INFINITY);
        for (n, a) in points.iter().enumerate() {
            let b = points[(n + 1) % points.len()];
            let (a, b) = ([a[0] - p[0], a[1] - p[1]], [b[0] - p[0], b[1] - p[1]]);
            angle += (a[0] * b[1] - a[1] * b[0]).atan2(a[0] * b[0] + a[1] * b[1]);
            let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
            let t = (-(a[0] * dx + a[1] * dy) / (dx * dx + dy * dy).max(1e-300)).clamp(0.0, 1.0);
            nearest = nearest.min((a[0] + t * dx).hypot(a[1] + t * dy));
        }
        ((angle / std::f64::consts::TAU).round() as i64, nearest)
    }

    #[test]
    fn contours_on_turned_planes_equal_going_round_with_angles() {
        let mut state = 17;
        let mut changed = 0;
        for case in 0..48u64 {
            let dims = [35, 18, 14];
            let geometry = sheared(dims, spacing(&mut state), if case % 4 == 3 { 0.4 } else { 0.0 });
            let mut directions = directions(&mut state);
            if case % 6 == 5 {
                // Seen along the rows.
                directions = crate::core::PlaneDirections { right: DVec3::Y, down: DVec3::Z };
            }
            let middle =
                DVec3::from_array(dims.map(|d| (d / 4) as f64 + (next(&mut state) % (d as u64 * 50)) as f64 / 100.0));
            let to_world = geometry.world_from_voxel();
            let centre = to_world.transform_point3(middle);
            let plane = TurnedPlane::through(directions, centre);
            let count = 3 + next(&mut state) % 7;
            let on_plane: Vec<[f64; 2]> =
                (0..count).map(|_| [0, 0].map(|_: i64| (next(&mut state) % 3000) as f64 / 100.0 - 15.003)).collect();
            let world = |p: &[f64; 2]| centre + directions.right * p[0] + directions.down * p[1];
            let corners: Vec<DVec3> =
                on_plane.iter().map(|p| geometry.voxel_from_world().transform_point3(world(p))).collect();
            let before = speckle(geometry, case, 4);
            let rule = PaintRule::paint(2, [false; 256]);
            let modes = [LassoMode::Add, LassoMode::Remove, LassoMode::KeepInside, LassoMode::Split { label: 9 }];
            for (mode, through) in modes.into_iter().flat_map(|m| [(m, false), (m, true)]) {
                let mut map = before.clone();
                let edited = lasso(&mut map, &rule, &corners, &plane, mode, through, &NoWatch).unwrap();
                changed += edited.delta.bricks.len();
                for v in voxels(dims) {
                    let (cut, margin) = cut_by(&geometry, &plane, v);
                    let seen = seen_on(&geometry, &plane, v, centre);
                    let (turns, gap) = turns(&on_plane, seen);
                    if gap < 1e-6 || (!through && margin < 1e-6) {
                        continue;
                    }
                    let inside = turns % 2 != 0;
                    let old = at(&before, v);
                    let want = match mode {
                        _ if !through && !cut => old,
                        LassoMode::Split { label } if inside && old == 2 => label,
                        LassoMode::Add if inside => 2,
                        LassoMode::Remove if inside && old == 2 => 0,
                        LassoMode::KeepInside if !inside && old == 2 => 0,
                        _ => old,
                    };
                    assert_eq!(at(&map, v), want, "{v:?} {mode:?} through {through} in case {case}");
                }
                edited.delta.revert(&mut map);
                assert_eq!(map, before);
            }
        }
        assert!(changed > 300, "{changed}");
        let geometry = sheared([9, 9, 9], [1.0; 3], 0.0);
        let plane = TurnedPlane::through(directions(&mut state), DVec3::splat(4.0));
        let mut map = speckle(geometry, 1, 3);
        let rule = PaintRule::paint(2, [false; 256]);
        let line = [DVec3::ZERO, DVec3::ONE];
        let none = lasso(&mut map, &rule, &line, &plane, LassoMode::Add, false, &NoWatch).unwrap_err();
        assert_eq!(none, EditError::NoContour);
    }

    #[test]
    fn the_bucket_fills_what_hangs_together_on_the_plane() {
        let mut state = 23;
        let (mut filled, mut open) = (0, 0);
        for case in 0..120u64 {
            let dims = [30, 18, 17];
            let geometry = sheared(dims, spacing(&mut state), if case % 4 == 3 { 0.3 } else { 0.0 });
            let before = blobs(geometry, case / 6);
            let seed: [usize; 3] = std::array::from_fn(|a| (next(&mut state) % dims[a] as u64) as usize);
            let through = geometry.world_from_voxel().transform_point3(DVec3::from_array(seed.map(|v| v as f64 + 0.1)));
            let plane = TurnedPlane::through(directions(&mut state), through);
            let label = at(&before, seed);
            let reached = spread(dims, [seed], |_| true, |v| at(&before, v) == label && cut_by(&geometry, &plane, v).0);
            let found = check_bucket(
                &before,
                seed,
                &reached,
                |_| true,
                |map| fill(map, &PaintRule::paint(2, [false; 256]), seed, &plane, &NoWatch),
            );
            filled += usize::from(found[0]);
            open += usize::from(found[1]);
        }
        assert!(filled > 5 && open > 5, "{filled} {open}");
    }
}
