//! A brush stroke as one transaction: begin, extend, then commit or abort.

use super::recorder::Recorder;
use super::sweep::Sweep;
use super::{Brush, Delta, PaintRule};
use crate::core::{BrickIndex, Geometry, LabelMap};
use glam::DVec3;
use std::collections::BTreeSet;

/// A stroke in progress on one label map. Between `begin` and `commit`/`abort` nothing else may change that map.
#[derive(Debug)]
pub struct Stroke {
    geometry: Geometry,
    recorder: Recorder,
}

impl Stroke {
    /// Starts a stroke on `map`; costs nothing that grows with the map.
    pub fn begin(map: &LabelMap) -> Self {
        Self { geometry: *map.geometry(), recorder: Recorder::default() }
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
            sweep.for_each_row(|row| self.recorder.paint_row(map, row, &table, &rule.limits, &mut dirty));
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
