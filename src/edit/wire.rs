//! A contour that snaps to edges: the cheapest way through a slice from an anchor to the pointer.
//!
//! Intelligent scissors (Mortensen and Barrett, "Intelligent scissors for image composition", 1995) with the gradient
//! alone: a step along a strong edge costs little. The search goes on from where it stopped, so that the way to a pointer
//! that moves costs only what is new.

use crate::core::Volume;
use glam::DVec3;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Half the side of the square that is searched, in voxels.
const REACH: usize = 160;
/// Voxels around a click within which the strongest edge is taken.
const SNAP: i64 = 3;
/// Cost of a step of one pixel where there is no edge.
const FLAT: f64 = 250.0;

/// Ways from one anchor.
#[derive(Debug, Clone)]
pub struct Wire {
    axis: usize,
    index: usize,
    /// The two voxel axes of the slice.
    plane: [usize; 2],
    /// First voxel and sizes of the window.
    corner: [usize; 2],
    size: [usize; 2],
    /// Cost of a millimetre at each pixel of the window.
    costs: Vec<f32>,
    spacing: [f64; 2],
    anchor: usize,
    ways: Vec<f32>,
    before: Vec<u32>,
    settled: Vec<bool>,
    waiting: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Wire {
    /// From the voxel nearest to `anchor` on slice `index` across `axis`; `None` outside the image.
    pub fn new(image: &Volume, axis: usize, index: usize, anchor: DVec3) -> Option<Self> {
        let dims = image.geometry().dims();
        if axis > 2 || index >= dims[axis] {
            return None;
        }
        let plane = match axis {
            0 => [1, 2],
            1 => [0, 2],
            _ => [0, 1],
        };
        let at = place(anchor, plane, dims)?;
        let corner = at.map(|v| v.saturating_sub(REACH));
        let size: [usize; 2] = std::array::from_fn(|n| (at[n] + REACH + 1).min(dims[plane[n]]) - corner[n]);
        let all = image.geometry().spacing();
        let spacing = [all[plane[0]], all[plane[1]]];
        let steep = gradients(image, axis, index, plane, corner, size, spacing);
        let strong = strong_edge(&steep);
        let cost = |g: &f32| ((1.0 - f64::from(*g) / strong).max(0.0).powi(2) * FLAT + 1.0) as f32;
        let costs: Vec<f32> = steep.iter().map(cost).collect();
        let start = (at[1] - corner[1]) * size[0] + at[0] - corner[0];
        let count = size[0] * size[1];
        let mut wire = Self {
            axis,
            index,
            plane,
            corner,
            size,
            costs,
            spacing,
            anchor: start,
            ways: vec![f32::INFINITY; count],
            before: vec![u32::MAX; count],
            settled: vec![false; count],
            waiting: BinaryHeap::new(),
        };
        wire.ways[start] = 0.0;
        wire.waiting.push(Reverse((0, start as u32)));
        Some(wire)
    }

    /// Slice and the voxel axis across it.
    pub fn slice(&self) -> (usize, usize) {
        (self.axis, self.index)
    }

    /// The cheapest way from the anchor to the voxel nearest to `target`, both ends included; empty outside the window.
    pub fn path_to(&mut self, target: DVec3) -> Vec<DVec3> {
        let Some(end) = self.pixel(target) else { return Vec::new() };
        self.search(end);
        let mut path = vec![self.voxel(end)];
        let mut now = end;
        while now != self.anchor {
            let Some(&previous) = self.before.get(now).filter(|p| **p != u32::MAX) else { return Vec::new() };
            now = previous as usize;
            path.push(self.voxel(now));
        }
        path.reverse();
        path
    }

    /// The voxel of the strongest edge near `target`, or `target`'s own where all is flat.
    pub fn snapped(&self, target: DVec3) -> DVec3 {
        let Some(end) = self.pixel(target) else { return target };
        let (x, y) = ((end % self.size[0]) as i64, (end / self.size[0]) as i64);
        let mut best = (self.costs[end] * 0.9, end);
        for (dx, dy) in (-SNAP..=SNAP).flat_map(|dy| (-SNAP..=SNAP).map(move |dx| (dx, dy))) {
            let (u, v) = (x + dx, y + dy);
            if u >= 0 && v >= 0 && u < self.size[0] as i64 && v < self.size[1] as i64 {
                let n = v as usize * self.size[0] + u as usize;
                if self.costs[n] < best.0 {
                    best = (self.costs[n], n);
                }
            }
        }
        self.voxel(best.1)
    }

    /// Goes on with the search until the way to `end` is known (Dijkstra, 1959).
    fn search(&mut self, end: usize) {
        while !self.settled[end] {
            let Some(Reverse((_, now))) = self.waiting.pop() else { return };
            let now = now as usize;
            if std::mem::replace(&mut self.settled[now], true) {
                continue;
            }
            let (x, y) = ((now % self.size[0]) as i64, (now / self.size[0]) as i64);
            for (dx, dy) in [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1i64)] {
                let (u, v) = (x + dx, y + dy);
                if u < 0 || v < 0 || u >= self.size[0] as i64 || v >= self.size[1] as i64 {
                    continue;
                }
                let next = v as usize * self.size[0] + u as usize;
                let way = self.ways[now] + self.step(now, next, [dx, dy]);
                if way < self.ways[next] {
                    self.ways[next] = way;
                    self.before[next] = now as u32;
                    self.waiting.push(Reverse((u64::from(way.to_bits()), next as u32)));
                }
            }
        }
    }

    /// Cost of a step: its length in mm times the mean cost of both pixels.
    fn step(&self, a: usize, b: usize, [dx, dy]: [i64; 2]) -> f32 {
        let mm = (dx as f64 * self.spacing[0]).hypot(dy as f64 * self.spacing[1]);
        0.5 * (self.costs[a] + self.costs[b]) * mm as f32
    }

    fn pixel(&self, target: DVec3) -> Option<usize> {
        let x = (target[self.plane[0]] + 0.5).floor() - self.corner[0] as f64;
        let y = (target[self.plane[1]] + 0.5).floor() - self.corner[1] as f64;
        let inside = x >= 0.0 && y >= 0.0 && x < self.size[0] as f64 && y < self.size[1] as f64;
        inside.then(|| y as usize * self.size[0] + x as usize)
    }

    fn voxel(&self, pixel: usize) -> DVec3 {
        let mut voxel = DVec3::splat(self.index as f64);
        voxel[self.plane[0]] = (self.corner[0] + pixel % self.size[0]) as f64;
        voxel[self.plane[1]] = (self.corner[1] + pixel / self.size[0]) as f64;
        voxel
    }
}

fn place(at: DVec3, plane: [usize; 2], dims: [usize; 3]) -> Option<[usize; 2]> {
    let v = (at + 0.5).floor();
    let inside = plane.iter().all(|&a| v[a] >= 0.0 && v[a] < dims[a] as f64);
    inside.then(|| plane.map(|a| v[a] as usize))
}

/// Lengths of the gradient in HU per mm by central differences, one-sided at the border.
fn gradients(
    image: &Volume,
    axis: usize,
    index: usize,
    plane: [usize; 2],
    corner: [usize; 2],
    size: [usize; 2],
    spacing: [f64; 2],
) -> Vec<f32> {
    let dims = image.geometry().dims();
    let stride = [1, dims[0], dims[0] * dims[1]];
    let hu = image.hu();
    let mut out = Vec::with_capacity(size[0] * size[1]);
    for y in corner[1]..corner[1] + size[1] {
        for x in corner[0]..corner[0] + size[0] {
            let at = index * stride[axis] + x * stride[plane[0]] + y * stride[plane[1]];
            let along = |n: usize, v: usize| {
                let (low, high) = (v.saturating_sub(1), (v + 1).min(dims[plane[n]] - 1));
                let value = |w: usize| f64::from(hu[at + w * stride[plane[n]] - v * stride[plane[n]]]);
                if high == low { 0.0 } else { (value(high) - value(low)) / ((high - low) as f64 * spacing[n]) }
            };
            out.push(along(0, x).hypot(along(1, y)) as f32);
        }
    }
    out
}

/// Steepest gradient that an edge needs in HU per mm: between soft tissues there is no more.
const FULL_EDGE: f64 = 100.0;

/// The gradient that counts as a full edge: of the window's, what 95 of 100 stay below; more than noise, and no more than
/// soft tissues have, whatever bone and air are beside them.
fn strong_edge(steep: &[f32]) -> f64 {
    let mut sorted = steep.to_vec();
    let at = sorted.len() * 95 / 100;
    let (_, strong, _) = sorted.select_nth_unstable_by(at.min(steep.len() - 1), f32::total_cmp);
    f64::from(*strong).clamp(20.0, FULL_EDGE)
}

#[cfg(test)]
mod tests {
    use super::super::test_maps::{next, spaced, spacing, volume};
    use super::*;
    use crate::core::Geometry;

    #[test]
    fn ways_are_the_cheapest_there_are() {
        let mut state = 5;
        for case in 0..12u64 {
            let axis = (case % 3) as usize;
            let dims = [[9, 24, 18], [24, 9, 18], [24, 18, 9]][axis];
            let image = volume(spaced(dims, spacing(&mut state)), case);
            let place = |state: &mut u64| DVec3::from_array(dims.map(|d| (next(state) % d as u64) as f64));
            let mut wire = Wire::new(&image, axis, 4, place(&mut state)).unwrap();
            // Relaxed until nothing changes.
            let count = wire.size[0] * wire.size[1];
            let mut ways = vec![f64::INFINITY; count];
            ways[wire.anchor] = 0.0;
            let (w, h) = (wire.size[0] as i64, wire.size[1] as i64);
            loop {
                let mut changed = false;
                for n in 0..count {
                    let (x, y) = (n as i64 % w, n as i64 / w);
                    for (dx, dy) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))) {
                        let (u, v) = (x + dx, y + dy);
                        if (dx, dy) == (0, 0) || u < 0 || v < 0 || u >= w || v >= h {
                            continue;
                        }
                        let m = (v * w + u) as usize;
                        let way = ways[n] + f64::from(wire.step(n, m, [dx, dy]));
                        if way < ways[m] - 1e-9 {
                            (ways[m], changed) = (way, true);
                        }
                    }
                }
                if !changed {
                    break;
                }
            }
            for _ in 0..20 {
                let target = place(&mut state);
                let path = wire.path_to(target);
                let end = wire.pixel(target).unwrap();
                assert_eq!(path.first().map(|p| wire.pixel(*p)), Some(Some(wire.anchor)));
                assert_eq!(path.last().map(|p| wire.pixel(*p)), Some(Some(end)));
                let cost: f64 = path
                    .windows(2)
                    .map(|p| {
                        let d = |n: usize| (p[1][wire.plane[n]] - p[0][wire.plane[n]]) as i64;
                        assert!(d(0).abs() <= 1 && d(1).abs() <= 1, "pixel by pixel");
                        f64::from(wire.step(wire.pixel(p[0]).unwrap(), wire.pixel(p[1]).unwrap(), [d(0), d(1)]))
                    })
                    .sum();
                assert!((cost - ways[end]).abs() <= 1e-3 * (1.0 + cost), "{cost} {}", ways[end]);
            }
            assert!(wire.path_to(DVec3::splat(-9.0)).is_empty());
        }
    }

    #[test]
    fn a_way_follows_the_rim_of_a_disc() {
        let dims = [80, 80, 1];
        let geometry = Geometry::axis_aligned(dims, DVec3::new(0.7, 0.7, 5.0), DVec3::ZERO).unwrap();
        let inside = |x: usize, y: usize| (x as f64 - 40.0).hypot(y as f64 - 40.0) < 25.0;
        let hu: Vec<i16> = (0..6400).map(|n| if inside(n % 80, n / 80) { 60 } else { -80 }).collect();
        let image = Volume::new(geometry, hu).unwrap();
        let start = DVec3::new(16.0, 40.0, 0.0);
        let mut wire = Wire::new(&image, 2, 0, start).unwrap();
        let snapped = wire.snapped(DVec3::new(62.5, 40.0, 0.0));
        assert!((snapped.x - 65.0).abs() <= 1.0, "{snapped}");
        let path = wire.path_to(DVec3::new(64.0, 40.0, 0.0));
        assert!(path.len() > 60, "round the disc and not through it");
        for p in &path[2..path.len() - 2] {
            let r = (p.x - 40.0).hypot(p.y - 40.0);
            assert!((r - 25.0).abs() < 2.0, "{p} is {r} from the centre");
        }
    }
}
