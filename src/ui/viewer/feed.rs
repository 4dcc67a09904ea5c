//! The way of voxels to the graphics device: an inbox that the window fills and the paint callbacks empty in portions.
//!
//! Portions keep a frame short: opening a large volume uploads a few slices a frame, nearest to the shown one first,
//! and a stroke uploads only its bricks.

use crate::core::{BrickIndex, CaseId, LabelMap, LayerId, Volume};
use crate::render::{LabelTexture, VolumeProgress, VolumeTexture};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Samples of one slice.
pub enum SliceData {
    /// A slice that was just decoded.
    Streamed(usize, Arc<[i16]>),
    /// A slice of a finished volume.
    Of(usize, Arc<Volume>),
}

impl SliceData {
    /// Its number and HU, i fastest.
    pub fn samples(&self) -> (usize, &[i16]) {
        match self {
            Self::Streamed(k, hu) => (*k, hu),
            Self::Of(k, whole) => (*k, whole.slice(*k).unwrap_or_default()),
        }
    }
}

/// Which slices of a shown case were handed over, so that none is missing however the reading and the showing of a
/// case overlap.
#[derive(Default)]
pub struct SliceLedger {
    pushed: Vec<bool>,
}

impl SliceLedger {
    /// Nothing handed over of `count` slices.
    pub fn new(count: usize) -> Self {
        Self { pushed: vec![false; count] }
    }

    /// Whether everything was handed over.
    pub fn is_complete(&self) -> bool {
        self.pushed.iter().all(|pushed| *pushed)
    }

    /// What to hand over now: slices that were just read, and once the volume is complete everything still missing,
    /// nearest to slice `start` first.
    pub fn take(
        &mut self,
        streamed: Vec<(usize, Arc<[i16]>)>,
        volume: Option<&Arc<Volume>>,
        start: usize,
    ) -> Vec<SliceData> {
        let mut slices = Vec::new();
        for (k, hu) in streamed {
            if let Some(pushed) = self.pushed.get_mut(k) {
                *pushed = true;
                slices.push(SliceData::Streamed(k, hu));
            }
        }
        if let Some(volume) = volume {
            let mut missing: Vec<usize> = (0..self.pushed.len()).filter(|&k| !self.pushed[k]).collect();
            missing.sort_by_key(|k| k.abs_diff(start));
            slices.extend(missing.into_iter().map(|k| SliceData::Of(k, Arc::clone(volume))));
            self.pushed.fill(true);
        }
        slices
    }
}

/// What the device is to hold of each shown case.
#[derive(Default)]
pub struct Inbox {
    pub cases: BTreeMap<CaseId, CaseInbox>,
    pub errors: Vec<String>,
    /// A label layer changed on the device within this frame or just before.
    pub uploaded: Option<std::time::Instant>,
    /// What the device held of each shown case after the last frame's uploads.
    pub held: BTreeMap<CaseId, Held>,
    /// How often a pass beside the frames has written into a layer's texture.
    pub sketches: u64,
    /// How far the 3-D view is, as of the last frame that showed it.
    pub drawing: Option<VolumeProgress>,
    /// Nothing finer is wanted of the 3-D view as it is seen now.
    pub halt_drawing: bool,
}

/// Textures of a case, for passes beside the frames.
pub struct Held {
    /// Once all slices are in it.
    pub volume: Option<VolumeTexture>,
    pub layers: BTreeMap<LayerId, LabelTexture>,
}

/// One case: its slices, and its layers by number.
pub struct CaseInbox {
    pub dims: [usize; 3],
    pub slices: VecDeque<SliceData>,
    pub layers: BTreeMap<LayerId, LayerInbox>,
    ledger: SliceLedger,
}

impl CaseInbox {
    /// Whether all slices are on the device.
    pub fn is_whole(&self) -> bool {
        self.slices.is_empty() && self.ledger.is_complete()
    }
}

pub struct LayerInbox {
    /// The newest content; pending bricks are read from it.
    pub labels: Arc<LabelMap>,
    pub pending: BTreeSet<BrickIndex>,
}

impl LayerInbox {
    /// Queues slice `k`, as the mask has it, whatever the device has there.
    pub fn queue_slice(&mut self, k: usize) {
        let labels = &self.labels;
        let crosses = |i: &BrickIndex| {
            let region = labels.brick_box(*i);
            (region.min[2]..region.max[2]).contains(&k)
        };
        self.pending.extend((0..labels.brick_count() as BrickIndex).filter(crosses));
    }
}

/// Shared by the window and its paint callbacks, which run on the same thread one after the other.
#[derive(Clone, Default)]
pub struct GpuFeed(Arc<Mutex<Inbox>>);

impl GpuFeed {
    pub fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of every case but these.
    pub fn keep_cases(&self, wanted: &[CaseId]) {
        let mut inbox = self.inbox();
        inbox.cases.retain(|id, _| wanted.contains(id));
        inbox.held.retain(|id, _| wanted.contains(id));
    }

    /// Queues slices of a case, which is taken up when it is new.
    pub fn push_slices(
        &self,
        case: CaseId,
        dims: [usize; 3],
        streamed: Vec<(usize, Arc<[i16]>)>,
        volume: Option<&Arc<Volume>>,
        start: usize,
    ) {
        let mut inbox = self.inbox();
        let target = inbox.cases.entry(case).or_insert_with(|| CaseInbox {
            dims,
            slices: VecDeque::new(),
            layers: BTreeMap::new(),
            ledger: SliceLedger::new(dims[2]),
        });
        let slices = target.ledger.take(streamed, volume, start);
        target.slices.extend(slices);
    }

    /// Lets go of every layer of a case but these.
    pub fn keep_layers(&self, case: CaseId, wanted: &[LayerId]) {
        let mut inbox = self.inbox();
        if let Some(target) = inbox.cases.get_mut(&case) {
            target.layers.retain(|id, _| wanted.contains(id));
        }
        if let Some(held) = inbox.held.get_mut(&case) {
            held.layers.retain(|id, _| wanted.contains(id));
        }
    }

    /// Takes a layer up, with all its bricks that are not empty, or queues those that changed.
    pub fn push_layer(&self, case: CaseId, layer: LayerId, labels: &LabelMap, changed: Changed<'_>) {
        let mut inbox = self.inbox();
        let Some(target) = inbox.cases.get_mut(&case) else { return };
        let Some(known) = target.layers.get_mut(&layer) else {
            let pending = (0..labels.brick_count() as BrickIndex).filter(|&i| labels.brick(i).is_some()).collect();
            target.layers.insert(layer, LayerInbox { labels: Arc::new(labels.clone()), pending });
            return;
        };
        match changed {
            Changed::Nothing => {}
            Changed::All => {
                known.labels = Arc::new(labels.clone());
                known.pending = (0..labels.brick_count() as BrickIndex).collect();
            }
            Changed::Bricks(bricks) => {
                known.labels = Arc::new(labels.clone());
                known.pending.extend(bricks);
            }
        }
    }

    /// Whether something still waits for a frame.
    pub fn has_pending(&self) -> bool {
        let inbox = self.inbox();
        inbox.cases.values().any(|c| !c.slices.is_empty() || c.layers.values().any(|l| !l.pending.is_empty()))
    }

    /// Errors since the last call.
    pub fn take_errors(&self) -> Vec<String> {
        std::mem::take(&mut self.inbox().errors)
    }
}

/// What of a layer is not on the device yet.
pub enum Changed<'a> {
    Nothing,
    All,
    Bricks(&'a BTreeSet<BrickIndex>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Geometry;
    use glam::DVec3;

    fn numbers(slices: &[SliceData]) -> Vec<usize> {
        slices.iter().map(|s| s.samples().0).collect()
    }

    #[test]
    fn every_slice_is_handed_over_once_however_reading_and_showing_overlap() {
        let geometry = Geometry::axis_aligned([2, 2, 5], DVec3::ONE, DVec3::ZERO).unwrap();
        let volume = Arc::new(Volume::new(geometry, vec![0i16; 20]).unwrap());
        let slice = |k: usize| (k, Arc::<[i16]>::from(vec![0i16; 4]));

        // Read while shown: each as it comes, nothing again at the end.
        let mut ledger = SliceLedger::new(5);
        assert_eq!(numbers(&ledger.take(vec![slice(2), slice(1)], None, 2)), [2, 1]);
        assert_eq!(numbers(&ledger.take(vec![slice(3), slice(0), slice(4)], Some(&volume), 2)), [3, 0, 4]);
        assert!(ledger.take(Vec::new(), Some(&volume), 2).is_empty());

        // Shown again after another case took its place half-way: what was handed over then is handed over again.
        let mut ledger = SliceLedger::new(5);
        assert_eq!(numbers(&ledger.take(vec![slice(4)], None, 2)), [4]);
        assert_eq!(numbers(&ledger.take(Vec::new(), Some(&volume), 2)), [2, 1, 3, 0]);
        // A slice beyond the grid is nobody's.
        assert!(SliceLedger::new(5).take(vec![slice(5)], None, 0).is_empty());
    }

    #[test]
    fn cases_and_layers_that_are_no_longer_shown_are_let_go() {
        let geometry = Geometry::axis_aligned([20, 20, 5], DVec3::ONE, DVec3::ZERO).unwrap();
        let mut labels = LabelMap::empty(geometry);
        labels.set([18, 3, 2], 1);
        let feed = GpuFeed::default();
        for case in [CaseId(1), CaseId(2)] {
            feed.push_slices(case, geometry.dims(), Vec::new(), None, 0);
            for layer in [LayerId(3), LayerId(4)] {
                feed.push_layer(case, layer, &labels, Changed::Nothing);
            }
        }
        assert!(feed.has_pending());
        assert_eq!(feed.inbox().cases[&CaseId(1)].layers[&LayerId(3)].pending, BTreeSet::from([1]));
        feed.keep_layers(CaseId(2), &[LayerId(4)]);
        feed.keep_cases(&[CaseId(2)]);
        let inbox = feed.inbox();
        assert_eq!(inbox.cases.keys().collect::<Vec<_>>(), [&CaseId(2)]);
        assert_eq!(inbox.cases[&CaseId(2)].layers.keys().collect::<Vec<_>>(), [&LayerId(4)]);
    }
}
