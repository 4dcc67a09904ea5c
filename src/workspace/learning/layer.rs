//! The layer of a case that the loop fills: who touched which slice, what it cost, and predictions put into the others.

use super::super::Document;
use super::prompting::Prompts;
use crate::core::{BRICK_EDGE, LabelId, LabelMap, LayerId, Plane, PlaneAxes};
use crate::edit::Delta;
use crate::learn::{Effort, SliceView};
use crate::nn::AxialView;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// A pause longer than this is no work on the slice, in seconds.
const LONGEST_PAUSE: f64 = 30.0;

/// Whose work a slice of the loop's layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceMark {
    /// Not predicted yet.
    Waiting,
    /// Predicted by this version; nobody has touched it.
    Predicted(usize),
    /// Changed by a person and not finished.
    Touched,
    /// Finished by a person: in the training pool.
    Done,
}

/// What a case knows of the loop.
#[derive(Debug, Default)]
pub struct LearnedLayer {
    layer: Option<LayerId>,
    /// A layer of the same loop from an earlier session.
    before: Option<LayerId>,
    touched: BTreeSet<usize>,
    done: BTreeSet<usize>,
    /// What the network says of the other slices, and which version said it.
    predicted: BTreeMap<usize, (usize, Arc<[LabelId]>)>,
    /// Slices whose predictions came while somebody painted.
    held: BTreeSet<usize>,
    views: Vec<SliceView>,
    spacing: f64,
    work: BTreeMap<usize, Work>,
    /// By slice and class.
    pub(super) prompts: BTreeMap<(usize, LabelId), Prompts>,
}

#[derive(Debug, Default)]
struct Work {
    effort: Effort,
    last: Option<Instant>,
}

impl Work {
    fn tick(&mut self) {
        let now = Instant::now();
        if let Some(last) = self.last {
            self.effort.seconds += (now - last).as_secs_f64().min(LONGEST_PAUSE);
        }
        self.last = Some(now);
    }
}

impl LearnedLayer {
    /// The layer that the loop fills.
    pub fn layer(&self) -> Option<LayerId> {
        self.layer
    }

    /// Whose work a slice is.
    pub fn mark(&self, slice: usize) -> SliceMark {
        if self.done.contains(&slice) {
            SliceMark::Done
        } else if self.touched.contains(&slice) {
            SliceMark::Touched
        } else {
            self.predicted.get(&slice).map_or(SliceMark::Waiting, |(version, _)| SliceMark::Predicted(*version))
        }
    }

    /// Slices that a person has changed or finished.
    pub fn seen(&self) -> Vec<usize> {
        self.touched.union(&self.done).copied().collect()
    }

    /// Finished slices.
    pub fn done(&self) -> usize {
        self.done.len()
    }

    /// What the queue is made from; empty until a version has predicted the whole case.
    pub fn views(&self) -> &[SliceView] {
        &self.views
    }

    /// Distance of slices in mm.
    pub fn spacing(&self) -> f64 {
        self.spacing
    }

    /// Whether predictions are still to come.
    pub fn is_waiting(&self) -> bool {
        self.views.is_empty()
    }

    /// Effort spent on a slice so far.
    pub fn effort(&self, slice: usize) -> Effort {
        self.work.get(&slice).map(|w| w.effort).unwrap_or_default()
    }

    pub(super) fn rank_with(&mut self, views: Vec<SliceView>, spacing: f64) {
        self.views = views;
        self.spacing = spacing;
    }

    fn is_free(&self, slice: usize) -> bool {
        !self.touched.contains(&slice) && !self.done.contains(&slice)
    }
}

impl Document {
    /// What the loop knows of this case, while its layer is there.
    pub fn learned(&self) -> Option<&LearnedLayer> {
        self.learned.as_ref().filter(|l| l.layer.is_some_and(|id| self.case.layer(id).is_some()))
    }

    pub(super) fn learned_mut(&mut self) -> Option<&mut LearnedLayer> {
        let there = self.learned().is_some();
        self.learned.as_mut().filter(|_| there)
    }

    /// Whose work the shown axial slice is, where the active layer is the loop's.
    pub fn shown_mark(&self) -> Option<SliceMark> {
        let learned = self.learned()?;
        (learned.layer == self.active_layer).then(|| learned.mark(self.slice_index(Plane::Axial)))
    }

    pub(super) fn learn_on(&mut self, layer: LayerId, before: Option<LayerId>) {
        self.learned = Some(LearnedLayer { layer: Some(layer), before, ..LearnedLayer::default() });
    }

    pub(super) fn show_learned(&mut self) {
        if let Some(layer) = self.learned().and_then(LearnedLayer::layer) {
            self.active_layer = Some(layer);
            self.repair_selection();
        }
    }

    /// Slices that an earlier session corrected: their labels are taken over from that session's layer, and they stay
    /// finished. Without such a layer they are predicted like all others.
    pub(super) fn remember_done(&mut self, slices: &[usize]) {
        let Some(before) = self.learned().and_then(|l| l.before) else { return };
        let Some(old) = self.case.layer(before).map(|l| l.labels.clone()) else { return };
        let view = AxialView::new(old.geometry());
        let labels: Vec<(usize, Vec<LabelId>)> = slices.iter().map(|k| (*k, view.label_slice(&old, *k))).collect();
        self.write_slices(&labels);
        if let Some(learned) = self.learned_mut() {
            learned.done.extend(slices);
        }
    }

    /// Puts predictions into the slices that nobody has touched; during a stroke they wait for its end.
    pub(super) fn take_predictions(&mut self, version: usize, slices: Vec<(usize, Vec<LabelId>)>) {
        let painting = self.stroke.is_some();
        let Some(learned) = self.learned_mut() else { return };
        let mut fresh = Vec::new();
        for (slice, labels) in slices {
            if !learned.is_free(slice) {
                continue;
            }
            learned.predicted.insert(slice, (version, labels.clone().into()));
            if painting {
                learned.held.insert(slice);
            } else {
                fresh.push((slice, labels));
            }
        }
        self.write_slices(&fresh);
    }

    /// Predictions that waited for a stroke's end.
    pub(in crate::workspace) fn put_held_predictions(&mut self) {
        if self.stroke.is_some() || self.learned.as_ref().is_none_or(|l| l.held.is_empty()) {
            return;
        }
        let Some(learned) = self.learned_mut() else { return };
        let held = std::mem::take(&mut learned.held);
        self.put_again(held);
    }

    /// A change of layers restored whole maps: predictions of slices that nobody has touched are put back.
    pub(in crate::workspace) fn put_predictions_again(&mut self) {
        let all = self.learned().map(|l| l.predicted.keys().copied().collect()).unwrap_or_default();
        self.put_again(all);
    }

    /// Follows a change of labels that a person made (`undone` for one taken back or done again).
    pub(in crate::workspace) fn follow_learned(&mut self, layer: LayerId, delta: &Delta, undone: bool) {
        if self.learned().is_none_or(|l| l.layer != Some(layer)) {
            return;
        }
        let Some(labels) = self.case.layer(layer).map(|l| &l.labels) else { return };
        if undone {
            // Undoing restores whole bricks: what was predicted since into other slices of them is put back.
            let axis = PlaneAxes::of(labels.geometry(), Plane::Axial).through;
            let boxes = delta.bricks.iter().map(|b| labels.brick_box(b.index));
            let stale = boxes.flat_map(|b| b.min[axis]..b.max[axis]).collect();
            self.put_again(stale);
            return;
        }
        let changed = changed_voxels(labels, delta);
        let Some(learned) = self.learned_mut() else { return };
        for (slice, voxels) in changed {
            learned.touched.insert(slice);
            learned.held.remove(&slice);
            let work = learned.work.entry(slice).or_default();
            work.tick();
            work.effort.voxels += voxels;
            work.effort.strokes += 1;
        }
    }

    /// The person is done with a slice: the labels as they are, and what they cost since the last time.
    pub(super) fn finish_learned(&mut self, slice: usize) -> Option<(LabelMap, Effort)> {
        let learned = self.learned_mut()?;
        learned.done.insert(slice);
        learned.held.remove(&slice);
        learned.prompts.retain(|(at, _), _| *at != slice);
        let work = learned.work.entry(slice).or_default();
        work.tick();
        let effort = std::mem::take(&mut work.effort);
        work.last = None;
        let layer = learned.layer?;
        Some((self.case.layer(layer)?.labels.clone(), effort))
    }

    fn put_again(&mut self, slices: BTreeSet<usize>) {
        let Some(learned) = self.learned() else { return };
        let labels: Vec<(usize, Vec<LabelId>)> = slices
            .into_iter()
            .filter(|k| learned.is_free(*k))
            .filter_map(|k| Some((k, learned.predicted.get(&k)?.1.to_vec())))
            .collect();
        self.write_slices(&labels);
    }

    /// Writes slices in reading order into the loop's layer: to the renderer and the journal, and not to the history,
    /// which is the person's own.
    fn write_slices(&mut self, slices: &[(usize, Vec<LabelId>)]) {
        let Some(id) = self.learned().and_then(LearnedLayer::layer) else { return };
        let Some(layer) = self.case.layer_mut(id) else { return };
        let before = layer.labels.clone();
        for (slice, labels) in slices {
            put_slice(&mut layer.labels, *slice, labels);
        }
        let delta = Delta::between(&before, &layer.labels).unwrap_or_default();
        if delta.is_empty() {
            return;
        }
        self.counts.get_mut().follow(id, &delta, false);
        self.mark_bricks(id, delta.bricks.iter().map(|b| b.index));
        self.journal_delta(id, &delta, None);
        self.touch();
    }
}

/// Replaces the labels of one axial slice, given in reading order.
fn put_slice(map: &mut LabelMap, slice: usize, labels: &[LabelId]) {
    let view = AxialView::new(map.geometry());
    let old = view.label_slice(map, slice);
    let [width, ..] = view.size();
    for (n, (old, new)) in old.iter().zip(labels).enumerate() {
        if old != new {
            map.set(view.voxel(n % width, n / width, slice), *new);
        }
    }
}

/// Voxels that a delta changed, by axial slice.
fn changed_voxels(map: &LabelMap, delta: &Delta) -> BTreeMap<usize, u64> {
    let axis = PlaneAxes::of(map.geometry(), Plane::Axial).through;
    let mut changed = BTreeMap::new();
    for change in &delta.bricks {
        let corner = map.brick_box(change.index).min;
        let stride = BRICK_EDGE.pow(axis as u32);
        let at = |brick: &Option<Arc<crate::core::Brick>>, n: usize| brick.as_ref().map_or(0, |b| b[n]);
        for n in 0..BRICK_EDGE.pow(3) {
            if at(&change.before, n) != at(&change.after, n) {
                *changed.entry(corner[axis] + n / stride % BRICK_EDGE).or_default() += 1;
            }
        }
    }
    changed
}
