//! The voxels that a turned plane cuts: what is seen on it, and what the tools on it change.
//!
//! A voxel is cut when its centre lies within half the voxel's own thickness along the plane's normal. These are just the
//! voxels that the plane goes through, so that every point of the plane lies in one of them and no hole is seen on it;
//! neighbours on the plane share a face, and what is drawn there bounds a flood as it does on a slice.

use crate::core::{BRICK_EDGE, Geometry, PlaneDirections, TurnedPlane};
use glam::{DMat3, DVec3};

/// Voxels between two parallel planes: `low <= along . voxel < high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Band {
    along: DVec3,
    low: f64,
    high: f64,
}

impl Band {
    /// Whether it holds the centre of a voxel.
    pub fn holds(&self, voxel: [usize; 3]) -> bool {
        let at = self.along.dot(DVec3::from_array(voxel.map(|v| v as f64)));
        self.low <= at && at < self.high
    }

    /// Between which positions along i a row lies in it; `None` where it does not.
    pub fn of_row(&self, j: usize, k: usize) -> Option<(f64, f64)> {
        let at = self.along.y * j as f64 + self.along.z * k as f64;
        if self.along.x == 0.0 {
            return (self.low <= at && at < self.high).then_some((f64::NEG_INFINITY, f64::INFINITY));
        }
        let (a, b) = ((self.low - at) / self.along.x, (self.high - at) / self.along.x);
        Some((a.min(b), a.max(b)))
    }

    /// Which of 16 voxels it holds, from the one given on.
    pub fn bits16(&self, [i, j, k]: [usize; 3]) -> u16 {
        let first = self.along.dot(DVec3::new(i as f64, j as f64, k as f64));
        let last = first + self.along.x * (BRICK_EDGE - 1) as f64;
        // Most of a volume is far from the plane; the hair keeps rounding from deciding here.
        let hair = 1e-9 * (self.high - self.low);
        if first.max(last) < self.low - hair || first.min(last) > self.high + hair {
            return 0;
        }
        (0..BRICK_EDGE).fold(0, |bits, n| bits | u16::from(self.holds([i + n, j, k])) << n)
    }
}

/// What a turned plane cuts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    /// The voxels themselves.
    pub band: Band,
    /// Half the thickness of a voxel along the normal in mm.
    pub half: f64,
    normal: DVec3,
}

impl Cut {
    /// Of a plane; `None` when it is none, because a number in it is not finite.
    pub fn of(geometry: &Geometry, plane: &TurnedPlane) -> Option<Self> {
        let normal = plane.directions.normal();
        let to_world = geometry.world_from_voxel();
        Self::at(&to_world.matrix3, normal, plane.depth - normal.dot(to_world.translation))
    }

    /// Of the plane with these directions through a voxel position.
    pub fn through(geometry: &Geometry, directions: &PlaneDirections, voxel: DVec3) -> Option<Self> {
        let mm = geometry.world_from_voxel().matrix3;
        let normal = directions.normal();
        Self::at(&mm, normal, normal.dot(mm * voxel))
    }

    fn at(mm_from_voxel: &DMat3, normal: DVec3, level: f64) -> Option<Self> {
        let along = mm_from_voxel.transpose() * normal;
        let half = along.abs().element_sum() / 2.0;
        let sound = along.is_finite() && level.is_finite() && half > 0.0;
        sound.then_some(Self { band: Band { along, low: level - half, high: level + half }, half, normal })
    }

    /// What of a vector lies within the plane.
    pub fn across(&self, mm: DVec3) -> DVec3 {
        mm - self.normal * self.normal.dot(mm)
    }

    /// How many voxels along each axis something on the plane reaches, that lies within `radius` mm of its middle.
    pub fn reach(&self, geometry: &Geometry, radius: f64) -> DVec3 {
        let voxel_from_mm = geometry.voxel_from_world().matrix3;
        DVec3::from_array(std::array::from_fn(|a| {
            let row = voxel_from_mm.row(a);
            radius * row.length() + self.half * row.dot(self.normal).abs() + 1.0
        }))
    }
}

/// The bands whose common part is what a square of half side `radius` sweeps on a plane, from one voxel position to
/// another one that both lie on it: a hexagon, bounded across the square's two sides and across the way.
pub(super) fn swept_square(
    geometry: &Geometry,
    directions: &PlaneDirections,
    [from, to]: [DVec3; 2],
    radius: f64,
) -> Vec<Band> {
    let mm = geometry.world_from_voxel().matrix3;
    let (start, path) = (mm * from, mm * (to - from));
    let across = directions.normal().cross(path).normalize_or_zero();
    let sides = [directions.right, directions.down, across];
    let bands = sides.into_iter().filter(|side| *side != DVec3::ZERO).map(|side| {
        let middle = side.dot(start + path / 2.0);
        let half = radius * (side.dot(directions.right).abs() + side.dot(directions.down).abs());
        // A centre on the rim is inside whichever way rounding goes.
        let half = (half + side.dot(path).abs() / 2.0) * (1.0 + 1e-9) + 1e-9;
        Band { along: mm.transpose() * side, low: middle - half, high: middle + half }
    });
    bands.collect()
}

#[cfg(test)]
mod tests {
    use super::super::test_maps::{directions, next, sheared, spacing, voxels};
    use super::*;

    /// A voxel is cut where its corners lie on both sides of the plane, and then only.
    #[test]
    fn cut_are_the_voxels_with_corners_on_both_sides() {
        let mut state = 9;
        for case in 0..60u64 {
            let dims = [33, 9, 8];
            let geometry = sheared(dims, spacing(&mut state), if case % 3 == 0 { 0.4 } else { 0.0 });
            let directions = directions(&mut state);
            let through = DVec3::from_array(dims.map(|d| (next(&mut state) % (d as u64 * 100)) as f64 / 100.0));
            let to_world = geometry.world_from_voxel();
            let plane = TurnedPlane::through(directions, to_world.transform_point3(through));
            let cut = Cut::of(&geometry, &plane).unwrap();
            let same = Cut::through(&geometry, &directions, through).unwrap();
            for v in voxels(dims) {
                let centre = DVec3::from_array(v.map(|x| x as f64));
                let sides: Vec<f64> = (0..8)
                    .map(|n| DVec3::new((n & 1) as f64, (n >> 1 & 1) as f64, (n >> 2) as f64) - 0.5)
                    .map(|corner| directions.normal().dot(to_world.transform_point3(centre + corner)) - plane.depth)
                    .collect();
                let (low, high) = sides.iter().fold((f64::MAX, f64::MIN), |(l, h), s| (l.min(*s), h.max(*s)));
                // Where the plane only touches a corner, rounding decides.
                if low.abs() < 1e-9 || high.abs() < 1e-9 {
                    continue;
                }
                let want = low < 0.0 && high > 0.0;
                assert_eq!(cut.band.holds(v), want, "{v:?} in case {case}");
                assert_eq!(same.band.holds(v), want, "{v:?} in case {case}, by a voxel");
                let start = [v[0] - v[0] % BRICK_EDGE, v[1], v[2]];
                assert_eq!(
                    cut.band.bits16(start) >> (v[0] % BRICK_EDGE) & 1 == 1,
                    want,
                    "{v:?} in case {case}, in a row"
                );
                let row = cut.band.of_row(v[1], v[2]);
                assert_eq!(
                    row.is_some_and(|(a, b)| a <= centre.x && centre.x < b),
                    want,
                    "{v:?} in case {case}, by its row"
                );
            }
        }
        let flat = PlaneDirections { right: DVec3::NAN, down: DVec3::Y };
        let geometry = sheared([4, 4, 4], [1.0; 3], 0.0);
        assert_eq!(Cut::through(&geometry, &flat, DVec3::ZERO), None);
    }
}
