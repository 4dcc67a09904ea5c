//! The layer of a case that the loop fills: who touched which slice, what it cost, and predictions put into the others.

use super::super::Document;
use super::super::steps::changed_bricks;
use super::prompting::PromptDesk;
use crate::core::{
    BRICK_EDGE, Brick, BrickIndex, LabelId, LabelMap, Layer, LayerId, Origin, Plane, PlaneAxes, VoxelBox,
};
use crate::edit::{Delta, each_changed_run};
use crate::io::journal::JournalEntry;
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
    /// The loop's name.
    run: String,
    /// The layer is from an earlier session: slices that were finished then are in it as the person left them.
    taken_up: bool,
    /// The version whose predictions came last.
    version: Option<usize>,
    touched: BTreeSet<usize>,
    done: BTreeSet<usize>,
    /// What the network says of the other slices, and which version said it.
    predicted: BTreeMap<usize, Said>,
    /// Slices whose predictions came while somebody painted.
    held: BTreeSet<usize>,
    views: Vec<SliceView>,
    spacing: f64,
    work: BTreeMap<usize, Work>,
    pub(super) prompts: PromptDesk,
}

/// A version, and the labels that it gave a slice, in reading order.
type Said = (usize, Arc<[LabelId]>);

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

    /// From now on the loop called `run` fills the layer. One that is `taken_up` from an earlier session keeps what a
    /// person did there.
    pub(super) fn learn_on(&mut self, id: LayerId, run: String, taken_up: bool) {
        let mut learned = LearnedLayer { layer: Some(id), run, taken_up, ..LearnedLayer::default() };
        let old = self.case.layer(id).filter(|_| taken_up).cloned();
        if let (Some(before), Some(layer)) = (old, self.case.layer_mut(id)) {
            learned.touched = touched_slices(layer);
            keep_origin(layer);
            self.tell_written(&before);
        }
        self.learned = Some(learned);
    }

    pub(super) fn show_learned(&mut self) {
        if let Some(layer) = self.learned().and_then(LearnedLayer::layer) {
            self.active_layer = Some(layer);
            self.repair_selection();
        }
    }

    /// Slices that were finished before, where the layer of then is there: they stay as they are. A new layer has nothing
    /// of them, so there they are predicted like all others. Gives the slices that are marked as done besides.
    pub(super) fn remember_done(&mut self, slices: &[usize]) -> Vec<usize> {
        let Some(learned) = self.learned_mut().filter(|l| l.taken_up) else { return Vec::new() };
        learned.done.extend(slices);
        let Some(learned) = self.learned() else { return Vec::new() };
        let Some(layer) = learned.layer.and_then(|id| self.case.layer(id)) else { return Vec::new() };
        if !AxialView::new(layer.labels.geometry()).is_along_k() {
            return Vec::new();
        }
        layer.work.slices.done().map(|(k, _)| k).filter(|k| !learned.done.contains(k)).collect()
    }

    /// Puts predictions into the slices that nobody has touched; during a stroke they wait for its end.
    pub(super) fn take_predictions(&mut self, version: usize, slices: Vec<(usize, Vec<LabelId>)>) {
        let painting = self.stroke.is_some();
        let Some(learned) = self.learned_mut() else { return };
        learned.version = Some(version);
        let mut fresh = BTreeSet::new();
        for (slice, labels) in slices {
            if learned.is_free(slice) {
                learned.predicted.insert(slice, (version, labels.into()));
                fresh.insert(slice);
            }
        }
        if painting {
            learned.held.extend(fresh);
        } else {
            self.put_again(fresh);
        }
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
        learned.prompts.finish(slice);
        let work = learned.work.entry(slice).or_default();
        work.tick();
        let effort = std::mem::take(&mut work.effort);
        work.last = None;
        let layer = learned.layer?;
        Some((self.case.layer(layer)?.labels.clone(), effort))
    }

    fn put_again(&mut self, slices: BTreeSet<usize>) {
        self.claim(&slices);
        let Some(learned) = self.learned() else { return };
        let said: Vec<(usize, Said)> = slices
            .into_iter()
            .filter(|k| learned.is_free(*k))
            .filter_map(|k| Some((k, learned.predicted.get(&k)?.clone())))
            .collect();
        self.write_slices(&said);
    }

    /// What a person did without the loop hearing of it, as a slice marked as corrected or a stroke done again, makes
    /// slices touched as well.
    fn claim(&mut self, slices: &BTreeSet<usize>) {
        let Some(learned) = self.learned() else { return };
        let Some(layer) = learned.layer.and_then(|id| self.case.layer(id)) else { return };
        let taken: Vec<usize> = slices.iter().copied().filter(|&k| learned.is_free(k) && is_taken(layer, k)).collect();
        if let Some(learned) = self.learned_mut() {
            learned.touched.extend(taken);
        }
    }

    /// Whether the loop's layer is drawn as it is, and takes whatever is predicted of a slice now.
    pub(super) fn awaits(&self, id: LayerId, slice: usize) -> bool {
        let Some(learned) = self.learned().filter(|l| l.layer == Some(id) && l.is_free(slice)) else { return false };
        let Some(layer) = learned.layer.and_then(|id| self.case.layer(id)) else { return false };
        let drawn = self.drawn_labels(id).is_some_and(|drawn| std::ptr::eq(drawn, &layer.labels));
        drawn && self.stroke.is_none() && !is_taken(layer, slice)
    }

    /// Whether a slice of the loop's layer has what this version said of it.
    pub(super) fn has_prediction(&self, id: LayerId, slice: usize, version: usize) -> bool {
        let learned = self.learned().filter(|l| l.layer == Some(id) && !l.held.contains(&slice));
        learned.is_some_and(|l| l.mark(slice) == SliceMark::Predicted(version))
    }

    /// Writes slices into the loop's layer, each with the version that it comes from; the layer's own origin becomes the
    /// version of now.
    fn write_slices(&mut self, slices: &[(usize, Said)]) {
        let Some(learned) = self.learned().filter(|_| !slices.is_empty()) else { return };
        let (run, newest) = (learned.run.clone(), learned.version);
        let Some(layer) = learned.layer.and_then(|id| self.case.layer_mut(id)) else { return };
        let before = layer.clone();
        // A person's number comes before the versions', however many there are.
        layer.work.sources.number(&Origin::Human);
        for (slice, (version, labels)) in slices {
            let number = layer.work.sources.number(&origin_of(&run, *version));
            put_slice(layer, *slice, labels, number);
        }
        if let Some(version) = newest {
            layer.origin = origin_of(&run, version);
        }
        self.tell_written(&before);
    }

    /// Tells renderer and journal what the loop changed of its layer, and not the history, which is the person's own.
    fn tell_written(&mut self, before: &Layer) {
        let id = before.id;
        let Some(layer) = self.case.layer(id) else { return };
        let bricks = changed_bricks(layer, before);
        let delta = Delta::between(&before.labels, &layer.labels).unwrap_or_default();
        let same = layer.origin == before.origin && layer.work.sources.list() == before.work.sources.list();
        if same && bricks.is_empty() {
            return;
        }
        let described = (!same).then(|| JournalEntry::describe(layer));
        let edited = (!bricks.is_empty()).then(|| JournalEntry::edit(layer, &bricks));
        // The list first: the bricks' numbers are of its entries.
        for entry in described.into_iter().chain(edited) {
            self.journal(entry);
        }
        self.counts.get_mut().follow(id, &delta, false);
        self.follow_sources(id, bricks.iter().copied());
        self.mark_bricks(id, bricks);
        if !delta.is_empty() {
            self.unmark(id, &delta, true);
        }
        self.touch();
    }
}

/// Whether a person drew in an axial slice or marked it as corrected.
fn is_taken(layer: &Layer, slice: usize) -> bool {
    let geometry = layer.labels.geometry();
    let (dims, axis) = (geometry.dims(), PlaneAxes::of(geometry, Plane::Axial).through);
    if slice >= dims[axis] {
        return false;
    }
    let by_hand = |map: &LabelMap| {
        let mut region = VoxelBox { min: [0; 3], max: dims };
        (region.min[axis], region.max[axis]) = (slice, slice + 1);
        let mut numbers = vec![0; dims.iter().product::<usize>() / dims[axis]];
        map.copy_box(region, &mut numbers);
        let human = drawn_by_hand(layer);
        numbers.iter().any(|&n| human[usize::from(n)])
    };
    let marked = axis == 2 && layer.work.slices.status(slice).is_done();
    marked || layer.work.sources.map().is_some_and(by_hand)
}

/// Which numbers of a layer's sources are a person's.
pub(super) fn drawn_by_hand(layer: &Layer) -> [bool; 256] {
    let list = layer.work.sources.list();
    std::array::from_fn(|n| n > 0 && list.get(n - 1) == Some(&Origin::Human))
}

/// Where a prediction of the loop comes from.
pub(super) fn origin_of(run: &str, version: usize) -> Origin {
    Origin::Model { run: run.to_owned(), checkpoint: format!("version {version}") }
}

/// Replaces the labels of one axial slice, given in reading order, by those of the source `number`. Background has none.
fn put_slice(layer: &mut Layer, slice: usize, labels: &[LabelId], number: LabelId) {
    let view = AxialView::new(layer.labels.geometry());
    let [width, ..] = view.size();
    let old = view.label_slice(&layer.labels, slice);
    let sources = layer.work.sources.map_mut(&layer.labels);
    let from = view.label_slice(sources, slice);
    for (n, ((&old, &from), &new)) in old.iter().zip(&from).zip(labels).enumerate() {
        let voxel = view.voxel(n % width, n / width, slice);
        if old != new {
            layer.labels.set(voxel, new);
        }
        let number = if new == 0 { 0 } else { number };
        if from != number {
            sources.set(voxel, number);
        }
    }
}

/// Gives the layer's origin to all that is there without another one: versions that follow do not change it.
fn keep_origin(layer: &mut Layer) {
    let origin = layer.origin.clone();
    layer.work.sources.number(&Origin::Human);
    for index in 0..layer.labels.brick_count() as BrickIndex {
        let Some(labels) = layer.labels.brick(index).cloned() else { continue };
        let mut numbers: Brick = layer.work.sources.brick(index).map_or([0; _], |b| **b);
        let number = layer.work.sources.number(&origin);
        let mut any = false;
        for (from, _) in numbers.iter_mut().zip(labels.iter()).filter(|(from, label)| **from == 0 && **label != 0) {
            *from = number;
            any = true;
        }
        if any {
            layer.work.sources.map_mut(&layer.labels).set_brick(index, Some(Arc::new(numbers)));
        }
    }
}

/// Axial slices in which a person has changed a voxel.
fn touched_slices(layer: &Layer) -> BTreeSet<usize> {
    let map = &layer.labels;
    let axis = PlaneAxes::of(map.geometry(), Plane::Axial).through;
    let stride = BRICK_EDGE.pow(axis as u32);
    let mut touched = BTreeSet::new();
    for index in 0..map.brick_count() as BrickIndex {
        let Some(kept) = layer.kept_voxels(index) else { continue };
        let first = map.brick_box(index).min[axis];
        let slices = kept.iter().enumerate().filter(|(_, kept)| **kept).map(|(n, _)| first + n / stride % BRICK_EDGE);
        touched.extend(slices);
    }
    touched
}

/// Voxels that a delta changed, by axial slice.
fn changed_voxels(map: &LabelMap, delta: &Delta) -> BTreeMap<usize, u64> {
    let axis = PlaneAxes::of(map.geometry(), Plane::Axial).through;
    let mut changed = BTreeMap::new();
    for change in &delta.bricks {
        let corner = map.brick_box(change.index).min;
        let stride = BRICK_EDGE.pow(axis as u32);
        each_changed_run(change.before.as_deref(), change.after.as_deref(), |start, len, _, _| {
            // Runs go along i.
            if axis == 0 {
                (start..start + len).for_each(|n| *changed.entry(corner[0] + n % BRICK_EDGE).or_default() += 1);
            } else {
                *changed.entry(corner[axis] + start / stride % BRICK_EDGE).or_default() += len as u64;
            }
        });
    }
    changed
}
