//! Voxels of each label, kept up to date by what edits change instead of counting the whole map after each stroke.
//!
//! A layer is counted once, when its volumes are first asked for. From then on an edit costs its own bricks:
//! a stroke on 512 x 512 x 600 voxels touches a few dozen of 38,912.

use crate::core::{Brick, BrickIndex, LabelMap, Layer, LayerId};
use crate::edit::{Delta, each_changed_run};
use std::collections::BTreeMap;

/// Voxels of each label of the layers that were asked for. Index 0 is not kept: background is of no interest here.
#[derive(Default)]
pub(super) struct LabelCounts {
    layers: BTreeMap<LayerId, [u64; 256]>,
}

impl LabelCounts {
    /// Voxels of each label; counts the map when this layer is not known yet.
    pub fn of(&mut self, layer: &Layer) -> [u64; 256] {
        *self.layers.entry(layer.id).or_insert_with(|| layer.labels.counts())
    }

    /// What was counted, without counting.
    pub fn known(&self, layer: LayerId) -> Option<[u64; 256]> {
        self.layers.get(&layer).copied()
    }

    /// An edit was made, or taken back.
    pub fn follow(&mut self, layer: LayerId, delta: &Delta, back: bool) {
        let Some(counts) = self.layers.get_mut(&layer) else { return };
        for change in &delta.bricks {
            let (before, after) = (change.before.as_deref(), change.after.as_deref());
            let (gone, come) = if back { (after, before) } else { (before, after) };
            exchange(counts, gone, come);
        }
    }

    /// A layer's map was replaced by another that differs in `bricks`.
    pub fn replace(&mut self, layer: LayerId, before: &LabelMap, after: &LabelMap, bricks: &[BrickIndex]) {
        let Some(counts) = self.layers.get_mut(&layer) else { return };
        for &index in bricks {
            exchange(counts, before.brick(index).map(AsRef::as_ref), after.brick(index).map(AsRef::as_ref));
        }
    }

    /// Forgets layers that are gone.
    pub fn retain(&mut self, exists: impl Fn(LayerId) -> bool) {
        self.layers.retain(|id, _| exists(*id));
    }
}

/// Takes one brick's labels out of the counts and another's in, where they differ.
fn exchange(counts: &mut [u64; 256], gone: Option<&Brick>, come: Option<&Brick>) {
    each_changed_run(gone, come, |_, voxels, old, new| {
        let n = &mut counts[usize::from(old)];
        *n = n.saturating_sub(voxels as u64);
        counts[usize::from(new)] += voxels as u64;
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Geometry, Origin, Segment, VoxelBox};
    use crate::edit::{PaintRule, paint_box, replace_label};
    use glam::DVec3;
    use proptest::prelude::*;

    fn layer(dims: [usize; 3]) -> Layer {
        let grid = Geometry::axis_aligned(dims, DVec3::new(0.7, 0.7, 1.0), DVec3::ZERO).unwrap();
        Layer::new(LayerId(7), "Manual", LabelMap::empty(grid), vec![Segment::new(1, "Segment 1")], Origin::Human)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn equals_a_recount_after_random_edits(
            steps in prop::collection::vec(
                (prop::array::uniform3(0usize..37), prop::array::uniform3(1usize..20), 0u8..6, 0u8..4), 1..24),
        ) {
            let mut layer = layer([37, 29, 19]);
            let mut counts = LabelCounts::default();
            counts.of(&layer);
            let mut done: Vec<Delta> = Vec::new();
            for (min, size, label, what) in steps {
                match what {
                    3 => if let Some(delta) = done.pop() {
                        delta.revert(&mut layer.labels);
                        counts.follow(layer.id, &delta, true);
                    },
                    2 => {
                        let before = layer.labels.clone();
                        replace_label(&mut layer.labels, label, 3);
                        let bricks = layer.labels.changed_bricks(&before);
                        counts.replace(layer.id, &before, &layer.labels, &bricks);
                        done.clear();
                    }
                    _ => {
                        let region = VoxelBox { min, max: std::array::from_fn(|a| min[a] + size[a]) };
                        let delta = paint_box(&mut layer.labels, region, &PaintRule::paint(label, [false; 256]));
                        counts.follow(layer.id, &delta, false);
                        done.push(delta);
                    }
                }
                prop_assert_eq!(&counts.known(layer.id).unwrap()[1..], &layer.labels.counts()[1..]);
            }
        }
    }

    #[test]
    fn a_stroke_on_a_large_scan_costs_its_bricks_only() {
        let mut layer = layer([512, 512, 600]);
        let mut counts = LabelCounts::default();
        counts.of(&layer);
        let region = VoxelBox { min: [100, 100, 300], max: [180, 180, 301] };
        let delta = paint_box(&mut layer.labels, region, &PaintRule::paint(1, [false; 256]));
        // What is counted again is what the delta holds: 36 bricks before and after, not the scan.
        assert!(delta.bytes() <= 2 * 36 * 4096 + 8192, "{} bytes", delta.bytes());
        counts.follow(layer.id, &delta, false);
        assert_eq!(counts.known(layer.id).unwrap()[1], 80 * 80);
    }

    #[test]
    fn a_layer_that_is_gone_is_forgotten() {
        let layer = layer([4, 4, 4]);
        let mut counts = LabelCounts::default();
        counts.of(&layer);
        counts.retain(|_| false);
        assert!(counts.known(layer.id).is_none());
    }
}
