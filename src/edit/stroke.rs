//! A brush stroke as one transaction: begin, extend, then commit or abort.

use super::bits::{BitGrid, for_each_run, set_run};
use super::brush::range_bits;
use super::components::flood_from;
use super::operation::NoWatch;
use super::recorder::{Recorder, Row};
use super::sweep::Sweep;
use super::{Brush, Delta, PaintRule};
use crate::core::{BRICK_EDGE, BrickIndex, Geometry, LabelMap, Volume};
use glam::DVec3;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A stroke in progress on one label map. Between `begin` and `commit`/`abort` nothing else may change that map.
#[derive(Debug)]
pub struct Stroke {
    geometry: Geometry,
    recorder: Recorder,
    adaptive: Option<Adaptive>,
}

/// Paint what looks like the place where the stroke began.
#[derive(Debug)]
struct Adaptive {
    image: Arc<Volume>,
    /// In HU, to both sides.
    tolerance: i16,
    /// Both ends included; known from the first position on.
    range: Option<[i16; 2]>,
}

impl Stroke {
    /// Starts a stroke on `map`; costs nothing that grows with the map.
    pub fn begin(map: &LabelMap) -> Self {
        Self { geometry: *map.geometry(), recorder: Recorder::default(), adaptive: None }
    }

    /// The stroke then paints only what differs by at most `tolerance` HU from where it begins (the mean of the voxel and
    /// its neighbours in the slice, or in space for a brush that is not flat) and hangs together with the voxels on the
    /// path through faces within the brush.
    #[must_use]
    pub fn adaptive(mut self, image: Arc<Volume>, tolerance: i16) -> Self {
        let same = image.geometry().dims() == self.geometry.dims();
        self.adaptive = same.then_some(Adaptive { image, tolerance, range: None });
        self
    }

    /// Paints along the straight path between two continuous voxel positions and returns the bricks that changed.
    ///
    /// Painted is every voxel whose centre lies within the brush's radius (mm) of the path, and every voxel that
    /// the path itself crosses, so that a stroke has no gaps at any speed and a brush smaller than a voxel still
    /// paints the voxel under the pointer. A 2-D brush paints the slice that `to` lies in. What lies outside the
    /// grid is ignored, and so are positions that are not numbers.
    pub fn extend(
        &mut self,
        map: &mut LabelMap,
        from: DVec3,
        to: DVec3,
        brush: &Brush,
        rule: &PaintRule,
    ) -> Vec<BrickIndex> {
        debug_assert_eq!(*map.geometry(), self.geometry, "a stroke stays on the map it began on");
        let table = rule.table();
        let mut dirty = BTreeSet::new();
        if let Some(sweep) = Sweep::new(&self.geometry, from, to, brush) {
            let mut paint = |row: Row| self.recorder.paint_row(map, row, &table, &rule.limits, &mut dirty);
            match &mut self.adaptive {
                None => sweep.for_each_row(paint),
                Some(adaptive) => {
                    let through = brush.shape.through_axis();
                    let range = *adaptive
                        .range
                        .get_or_insert_with(|| around(&adaptive.image, from, through, adaptive.tolerance));
                    for_each_alike(&sweep, &adaptive.image, range, &mut paint);
                }
            }
        }
        Recorder::tidy(map, &dirty);
        dirty.into_iter().collect()
    }

    /// Ends the stroke and gives what it changed.
    pub fn commit(self, map: &LabelMap) -> Delta {
        self.recorder.finish(map)
    }

    /// Ends the stroke, puts `map` back as it was at `begin`, and returns the bricks put back.
    pub fn abort(self, map: &mut LabelMap) -> Vec<BrickIndex> {
        self.recorder.restore(map)
    }
}

/// The mean of the voxel at `place` and its neighbours, and `tolerance` to both sides of it; nothing outside the image.
fn around(image: &Volume, place: DVec3, through: Option<usize>, tolerance: i16) -> [i16; 2] {
    let centre = (place + 0.5).floor().to_array().map(|v| v as i64);
    let (mut sum, mut count) = (0i64, 0i64);
    for n in 0..27 {
        let step = [n % 3, n / 3 % 3, n / 9].map(|d: i64| d - 1);
        if through.is_some_and(|a| step[a] != 0) {
            continue;
        }
        if let Some(hu) = image.at(std::array::from_fn(|a| centre[a] + step[a])) {
            (sum, count) = (sum + i64::from(hu), count + 1);
        }
    }
    if count == 0 {
        return [1, 0];
    }
    let mean = (sum as f64 / count as f64).round() as i16;
    [mean.saturating_sub(tolerance), mean.saturating_add(tolerance)]
}

/// The covered voxels within `range` that hang together with the path.
fn for_each_alike(sweep: &Sweep, image: &Volume, range: [i16; 2], paint: &mut impl FnMut(Row)) {
    let mut open = BitGrid::empty(sweep.bounds());
    let corner = open.region().min;
    sweep.for_each_row(|row| {
        let bits = open.row_mut(row.j - corner[1], row.k - corner[2]);
        let mut i = row.i_min;
        while i < row.i_max {
            let end = ((i / BRICK_EDGE + 1) * BRICK_EDGE).min(row.i_max);
            let alike = range_bits(image, range, [i, row.j, row.k], end - i);
            for n in (0..end - i).filter(|n| alike >> n & 1 == 1) {
                set_run(bits, i + n - corner[0], i + n + 1 - corner[0]);
            }
            i = end;
        }
    });
    let mut path = Vec::new();
    sweep.for_each_crossed(|voxel| path.push(voxel));
    let Ok(reached) = flood_from(&open, &path, false, &NoWatch) else { return };
    let [_, ny, nz] = reached.size();
    for (k, j) in (0..nz).flat_map(|k| (0..ny).map(move |j| (k, j))) {
        for_each_run(reached.row(j, k), |start, end| {
            let (i_min, i_max) = (start + corner[0], end + corner[0]);
            paint(Row { i_min, i_max, j: j + corner[1], k: k + corner[2] });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::BrushShape;
    use super::super::test_maps::{at, blobs, next, spaced, spacing, spread, volume, voxels};
    use super::*;

    fn position(state: &mut u64, dims: [usize; 3]) -> DVec3 {
        DVec3::from_array(std::array::from_fn(|a| (next(state) % (dims[a] as u64 * 10 + 40)) as f64 / 10.0 - 2.0))
    }

    #[test]
    fn a_square_brush_sweeps_a_box_along_the_path() {
        let mut state = 4;
        for case in 0..60u64 {
            let dims = [30, 24, 12];
            let spacing = DVec3::from_array(spacing(&mut state));
            let before = blobs(spaced(dims, spacing.to_array()), case);
            let (from, to) = (position(&mut state, dims), position(&mut state, dims));
            let axis = (case % 3) as usize;
            let shape = if case % 4 == 3 { BrushShape::Cube } else { BrushShape::Square2d { through_axis: axis } };
            let brush = Brush { shape, radius_mm: (next(&mut state) % 60) as f64 / 10.0 };
            let mut map = before.clone();
            let mut stroke = Stroke::begin(&map);
            stroke.extend(&mut map, from, to, &brush, &PaintRule::paint(9, [false; 256]));
            let slice = (to[axis] + 0.5).floor();
            for v in voxels(dims) {
                let p = DVec3::from_array(v.map(|x| x as f64));
                let (mut a, mut b) = (from, to);
                let mut half = DVec3::splat(brush.radius_mm) / spacing;
                if shape != BrushShape::Cube {
                    (a[axis], b[axis], half[axis]) = (slice, slice, 0.0);
                }
                // Densely sampled, plus what the ends say exactly; voxels on the rim may go either way.
                let covered = |slack: f64| {
                    (0..=4000).any(|n| {
                        let at = a.lerp(b, f64::from(n) / 4000.0);
                        (0..3).all(|x| (p[x] - at[x]).abs() <= half[x] + slack)
                    })
                };
                // The voxels of the path itself are painted, too.
                let crossed = (0..=4000).any(|n| {
                    let at = a.lerp(b, f64::from(n) / 4000.0);
                    (0..3).all(|x| (p[x] - at[x]).abs() <= 0.5 + 0.02)
                });
                let painted = at(&map, v) == 9;
                if covered(0.0) {
                    assert!(painted, "{v:?} {shape:?}");
                }
                if painted {
                    assert!(covered(0.02) || crossed, "{v:?} {shape:?}");
                }
            }
            stroke.abort(&mut map);
            assert_eq!(map, before);
        }
    }

    #[test]
    fn an_adaptive_brush_paints_what_looks_alike_and_hangs_together() {
        let mut state = 11;
        for case in 0..40u64 {
            let dims = [30, 24, 12];
            let geometry = spaced(dims, spacing(&mut state));
            let image = volume(geometry, case);
            let before = LabelMap::empty(geometry);
            let inside = |state: &mut u64| DVec3::from_array(dims.map(|d| (next(state) % d as u64) as f64));
            let (from, to) = (inside(&mut state), inside(&mut state));
            let shape = if case % 2 == 0 { BrushShape::Sphere } else { BrushShape::Round2d { through_axis: 2 } };
            let brush = Brush { shape, radius_mm: 4.0 };
            let rule = PaintRule::paint(1, [false; 256]);
            let paint = |stroke: Stroke| {
                let (mut map, mut stroke) = (before.clone(), stroke);
                stroke.extend(&mut map, from, to, &brush, &rule);
                map
            };
            let covered = paint(Stroke::begin(&before));
            let got = paint(Stroke::begin(&before).adaptive(Arc::clone(&image), 30));
            let hu = |v: [i64; 3]| image.at(v).map(f64::from);
            let seed = from.to_array().map(|x| x as i64);
            let near = |v: &[i64; 3]| (0..3).all(|a| (v[a] - seed[a]).abs() <= i64::from(a < 2 || case % 2 == 0));
            let values: Vec<f64> = voxels(dims).map(|v| v.map(|x| x as i64)).filter(near).filter_map(hu).collect();
            let mean = (values.iter().sum::<f64>() / values.len() as f64).round();
            let alike = |v: [usize; 3]| (hu(v.map(|x| x as i64)).unwrap() - mean).abs() <= 30.0;
            let thin = Brush { radius_mm: 0.0, ..brush };
            let mut path = before.clone();
            Stroke::begin(&path.clone()).extend(&mut path, from, to, &thin, &rule);
            let open = |v: [usize; 3]| at(&covered, v) == 1 && alike(v);
            let reached = spread(dims, voxels(dims).filter(|v| at(&path, *v) == 1), |_| true, open);
            for v in voxels(dims) {
                assert_eq!(at(&got, v) == 1, reached.contains(&v), "{v:?} in case {case}");
            }
        }
    }
}
