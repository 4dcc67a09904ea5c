//! The voxels that a brush covers on its way from one position to another.
//!
//! In millimetres the swept shape is a capsule, `{x : dist(x, segment) <= radius}`. A capsule is convex, so each row
//! of voxels meets it in one interval, which is found by solving for the interval's ends instead of testing voxels. A
//! box along the voxel axes sweeps a convex shape as well; its intervals follow from the times at which a row is met.
//! On a turned plane the capsule is that of the positions seen along the plane's normal, and what the plane cuts bounds it.

use super::Brush;
use super::cut::{Band, Cut, swept_square};
use super::recorder::Row;
use crate::core::{Geometry, VoxelBox};
use glam::{DMat3, DVec3};

/// A voxel centre on the rim is inside whichever way rounding goes.
const RIM: f64 = 1.0 + 1e-9;

/// A brush's path across a grid.
#[derive(Debug)]
pub(super) struct Sweep {
    /// Millimetres from voxels, without the origin; on a turned plane without what lies along its normal.
    mm_from_voxel: DMat3,
    /// Squared length in mm of a step along i.
    step_squared: f64,
    dims: [usize; 3],
    /// Ends of the path in voxels; on a slice's centre plane when the brush is 2-D.
    from: DVec3,
    to: DVec3,
    /// Path in mm, and its squared length.
    path: DVec3,
    path_squared: f64,
    radius_squared: f64,
    /// Half the sides of a square brush in voxels.
    half: Option<DVec3>,
    /// What a turned plane cuts.
    cut: Option<Cut>,
    /// On a turned plane the sides of what a square brush sweeps.
    hexagon: Vec<Band>,
    /// Voxels that can be covered: `min <= v < max`.
    min: [usize; 3],
    max: [usize; 3],
}

impl Sweep {
    /// `None` when no voxel of the grid can be covered.
    pub fn new(geometry: &Geometry, mut from: DVec3, mut to: DVec3, brush: &Brush) -> Option<Self> {
        let radius = brush.radius_mm.max(0.0);
        if !(from.is_finite() && to.is_finite() && radius.is_finite()) {
            return None;
        }
        let dims = geometry.dims();
        let mut mm_from_voxel = geometry.world_from_voxel().matrix3;
        let step_squared = mm_from_voxel.x_axis.length_squared();
        let voxel_from_mm = mm_from_voxel.inverse();
        // A ball of radius r reaches r * |row a of the inverse| voxels along axis a, and at least half a voxel counts.
        let mut reach = DVec3::from_array(std::array::from_fn(|a| radius * voxel_from_mm.row(a).length() + 1.0));
        let mut half = brush.shape.is_square().then(|| radius / geometry.spacing() * RIM);
        if let Some(half) = half {
            reach = half + 1.0;
        }
        if let Some(through_axis) = brush.shape.through_axis() {
            if through_axis > 2 {
                return None;
            }
            let slice = nearest(to[through_axis]);
            (from[through_axis], to[through_axis], reach[through_axis]) = (slice, slice, 0.0);
            if let Some(half) = &mut half {
                half[through_axis] = 0.0;
            }
        }
        let mut cut = None;
        let mut hexagon = Vec::new();
        if let Some(plane) = brush.shape.plane() {
            let found = Cut::through(geometry, &plane, to)?;
            // The path is moved onto the plane through its end, as it is onto the slice of its end.
            from = to + voxel_from_mm * found.across(mm_from_voxel * (from - to));
            reach = found.reach(geometry, radius);
            if half.take().is_some() {
                hexagon = swept_square(geometry, &plane, [from, to], radius);
                // To the corners.
                reach = found.reach(geometry, radius * std::f64::consts::SQRT_2);
            }
            let [x, y, z] = [mm_from_voxel.x_axis, mm_from_voxel.y_axis, mm_from_voxel.z_axis].map(|a| found.across(a));
            mm_from_voxel = DMat3::from_cols(x, y, z);
            cut = Some(found);
        }
        let low = from.min(to) - reach;
        let high = from.max(to) + reach;
        let min = std::array::from_fn(|a| low[a].floor().max(0.0) as usize);
        let max = std::array::from_fn(|a| (high[a].ceil() + 1.0).clamp(0.0, dims[a] as f64) as usize);
        if (0..3).any(|a| min[a] >= max[a]) {
            return None;
        }
        let path = mm_from_voxel * (to - from);
        let radius_squared = radius * radius * RIM;
        Some(Self {
            mm_from_voxel,
            step_squared,
            dims,
            from,
            to,
            path,
            path_squared: path.length_squared(),
            radius_squared,
            half,
            cut,
            hexagon,
            min,
            max,
        })
    }

    /// The box of voxels that can be covered.
    pub fn bounds(&self) -> VoxelBox {
        VoxelBox { min: self.min, max: self.max }
    }

    /// Calls `visit` with rows that together hold exactly the covered voxels; rows may overlap.
    pub fn for_each_row(&self, mut visit: impl FnMut(Row)) {
        for k in self.min[2]..self.max[2] {
            for j in self.min[1]..self.max[1] {
                if let Some((i_min, i_max)) = self.interval(j, k) {
                    visit(Row { i_min, i_max, j, k });
                }
            }
        }
        self.for_each_crossed(|[i, j, k]| visit(Row { i_min: i, i_max: i + 1, j, k }));
    }

    /// Voxels `i_min..i_max` of a row within the radius.
    fn interval(&self, j: usize, k: usize) -> Option<(usize, usize)> {
        if let Some(half) = self.half {
            return self.interval_of_box(half, j, k);
        }
        if !self.hexagon.is_empty() {
            let hull = self.between(j, k, (f64::NEG_INFINITY, f64::INFINITY), &self.hexagon)?;
            return self
                .ends(hull, |i| self.hexagon.iter().all(|band| band.holds([i, j, k])) && self.is_cut([i, j, k]));
        }
        // Positions on the row are base + t * step, with t = i - from.x.
        let base = self.mm_from_voxel * DVec3::new(0.0, j as f64 - self.from.y, k as f64 - self.from.z);
        let step = self.mm_from_voxel.x_axis;
        let mut hull = (f64::INFINITY, f64::NEG_INFINITY);
        let mut join = |found: Option<(f64, f64)>| {
            if let Some((low, high)) = found {
                hull = (hull.0.min(low), hull.1.max(high));
            }
        };
        join(self.within_radius(base, step));
        join(self.within_radius(base - self.path, step));
        join(self.within_tube(base, step));
        let hull = self.between(j, k, (self.from.x + hull.0, self.from.x + hull.1), &[])?;
        self.ends(hull, |i| self.covers(base + step * (i as f64 - self.from.x)) && self.is_cut([i, j, k]))
    }

    /// What of a row's interval lies within `bands` and is cut.
    fn between(&self, j: usize, k: usize, mut hull: (f64, f64), bands: &[Band]) -> Option<(f64, f64)> {
        for band in bands.iter().chain(self.cut.as_ref().map(|cut| &cut.band)) {
            let (low, high) = band.of_row(j, k)?;
            hull = (hull.0.max(low), hull.1.min(high));
        }
        Some(hull)
    }

    /// Whether the turned plane, where there is one, cuts a voxel.
    fn is_cut(&self, voxel: [usize; 3]) -> bool {
        self.cut.as_ref().is_none_or(|cut| cut.band.holds(voxel))
    }

    /// The voxels of a row that are covered, near the interval that was worked out: one voxel more on both sides, then
    /// the ends are tested, so that what is painted depends on `covers` alone.
    fn ends(&self, hull: (f64, f64), covers: impl Fn(usize) -> bool) -> Option<(usize, usize)> {
        let low = (hull.0 - 1.0).floor().max(self.min[0] as f64);
        let high = (hull.1 + 1.0).ceil().min(self.max[0] as f64 - 1.0);
        if low > high {
            return None;
        }
        let (mut low, mut high) = (low as usize, high as usize);
        while !covers(low) {
            low += 1;
            if low > high {
                return None;
            }
        }
        while !covers(high) {
            high -= 1;
        }
        Some((low, high + 1))
    }

    /// As [`Self::interval`] for a box of half sides `half`: between which times of the way (0 to 1) the box reaches the
    /// row, and how far it then reaches along it.
    fn interval_of_box(&self, half: DVec3, j: usize, k: usize) -> Option<(usize, usize)> {
        let (mut enter, mut leave) = (0.0f64, 1.0f64);
        for (axis, at) in [(1, j as f64), (2, k as f64)] {
            let (step, gap) = (self.to[axis] - self.from[axis], at - self.from[axis]);
            if step == 0.0 {
                if gap.abs() > half[axis] {
                    return None;
                }
                continue;
            }
            let (a, b) = ((gap - half[axis]) / step, (gap + half[axis]) / step);
            (enter, leave) = (enter.max(a.min(b)), leave.min(a.max(b)));
        }
        if enter > leave {
            return None;
        }
        let at = |t: f64| self.from.x + t * (self.to.x - self.from.x);
        let (low, high) = (at(enter).min(at(leave)) - half.x, at(enter).max(at(leave)) + half.x);
        let low = low.ceil().max(self.min[0] as f64);
        let high = high.floor().min(self.max[0] as f64 - 1.0);
        (low <= high).then_some((low as usize, high as usize + 1))
    }

    /// Whether a point (mm from the path's start) lies within the radius of the path.
    fn covers(&self, point: DVec3) -> bool {
        let along =
            if self.path_squared > 0.0 { (point.dot(self.path) / self.path_squared).clamp(0.0, 1.0) } else { 0.0 };
        (point - self.path * along).length_squared() <= self.radius_squared
    }

    /// Solves `|base + t * step|^2 <= radius^2` for t.
    fn within_radius(&self, base: DVec3, step: DVec3) -> Option<(f64, f64)> {
        let a = step.length_squared();
        let c = base.length_squared() - self.radius_squared;
        // The row runs along the tube: it is inside or outside as a whole.
        if a <= 1e-14 * self.step_squared {
            return (c <= 0.0).then_some((f64::NEG_INFINITY, f64::INFINITY));
        }
        let b = base.dot(step);
        let discriminant = b * b - a * c;
        (discriminant >= 0.0).then(|| ((-b - discriminant.sqrt()) / a, (-b + discriminant.sqrt()) / a))
    }

    /// The part of the row inside the infinite tube around the path and between its two end planes.
    fn within_tube(&self, base: DVec3, step: DVec3) -> Option<(f64, f64)> {
        if self.path_squared <= 0.0 {
            return None;
        }
        let across = |v: DVec3| v - self.path * (v.dot(self.path) / self.path_squared);
        let (mut low, mut high) = self.within_radius(across(base), across(step))?;
        let (start, slope) = (base.dot(self.path), step.dot(self.path));
        if slope.abs() <= 1e-14 * self.path_squared {
            return (0.0..=self.path_squared).contains(&start).then_some((low, high));
        }
        let ends = (-start / slope, (self.path_squared - start) / slope);
        low = low.max(ends.0.min(ends.1));
        high = high.min(ends.0.max(ends.1));
        (low <= high).then_some((low, high))
    }

    /// Voxels that the path itself crosses (Amanatides and Woo, "A fast voxel traversal algorithm", 1987).
    pub fn for_each_crossed(&self, mut visit: impl FnMut([usize; 3])) {
        let direction = self.to - self.from;
        let (mut enter, mut leave) = (0.0f64, 1.0f64);
        for a in 0..3 {
            let (low, high) = (-0.5 - self.from[a], self.dims[a] as f64 - 0.5 - self.from[a]);
            if direction[a] == 0.0 {
                if low > 0.0 || high <= 0.0 {
                    return;
                }
                continue;
            }
            let (t0, t1) = (low / direction[a], high / direction[a]);
            enter = enter.max(t0.min(t1));
            leave = leave.min(t0.max(t1));
        }
        if enter > leave {
            return;
        }
        let start = self.from + direction * enter;
        let mut voxel: [i64; 3] = std::array::from_fn(|a| (nearest(start[a]) as i64).clamp(0, self.dims[a] as i64 - 1));
        let step: [i64; 3] = std::array::from_fn(|a| if direction[a] < 0.0 { -1 } else { 1 });
        // Position on the path at which the next boundary is crossed along each axis.
        let crossing = |a: usize, v: i64| match direction[a] {
            0.0 => f64::INFINITY,
            d => (v as f64 + 0.5 * step[a] as f64 - self.from[a]) / d,
        };
        let mut next: [f64; 3] = std::array::from_fn(|a| crossing(a, voxel[a]));
        loop {
            visit(voxel.map(|v| v as usize));
            let axis = (0..3).min_by(|&a, &b| next[a].total_cmp(&next[b])).unwrap_or(0);
            if next[axis] > leave {
                return;
            }
            voxel[axis] += step[axis];
            if voxel[axis] < 0 || voxel[axis] >= self.dims[axis] as i64 {
                return;
            }
            next[axis] = crossing(axis, voxel[axis]);
        }
    }
}

/// The voxel that a coordinate lies in: `n - 0.5 <= x < n + 0.5`.
fn nearest(x: f64) -> f64 {
    (x + 0.5).floor()
}
