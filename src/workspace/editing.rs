//! Strokes, undo and redo. A stroke is one transaction: begin, extend, then commit or abort.

use super::steps::{
    Change, Entry, LayerState, Traces, as_layer_step, changed_bricks, entries_between, keep_visibility, walk_labels,
};
use super::working::unmark_slices;
use super::{Document, EditCommand, Workspace};
use crate::core::{CaseId, LabelId, LabelMap, Layer, LayerId, Origin};
use crate::edit::{Brush, BrushShape, Delta, Nudge, PackedDelta, PaintRule, Stroke};
use crate::io::journal::{JournalEntry, StepMark};
use glam::DVec3;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A colour picker reports every shade it passes: within this time they are one step of the history.
const ONE_PICK: Duration = Duration::from_secs(1);
const RECOLOUR: &str = "Recolour segment";

/// The segment that was given a colour last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recoloured {
    layer: LayerId,
    label: LabelId,
    /// Revision it led to; another one means that something else was done since.
    revision: u64,
    at: Instant,
}

/// A stroke between press and release.
pub(super) struct OngoingStroke {
    layer: LayerId,
    stroke: Stroke,
    brush: Brush,
    rule: PaintRule,
    /// As the history says it before the segment's name.
    word: &'static str,
}

impl Workspace {
    pub(super) fn apply_edit(&mut self, command: EditCommand) {
        match command {
            EditCommand::BeginStroke { erase, through_axis } => {
                self.begin_stroke(erase, self.brush.brush(through_axis))
            }
            EditCommand::BeginStrokeOn { erase, plane } => self.begin_stroke(erase, self.brush.brush_on(plane)),
            EditCommand::BeginPush { at, through_axis } => {
                self.begin_push(BrushShape::Round2d { through_axis }, |labels, label, radius_mm| {
                    Some(Nudge::at(labels, label, at, through_axis, radius_mm))
                });
            }
            EditCommand::BeginPushOn { at, plane } => {
                self.begin_push(BrushShape::RoundOn { plane }, |labels, label, radius_mm| {
                    Nudge::on(labels, label, at, &plane, radius_mm)
                });
            }
            EditCommand::ExtendStroke { from, to } => self.extend_stroke(from, to),
            EditCommand::CommitStroke => self.commit_stroke(),
            EditCommand::AbortStroke => self.abort_stroke(),
            EditCommand::BrushRadius(mm) if mm.is_finite() => self.brush.radius_mm = mm.clamp(0.1, 200.0),
            EditCommand::BrushRadius(_) => {}
            EditCommand::BrushSphere(on) => self.brush.sphere = on,
            EditCommand::BrushSquare(on) => self.brush.square = on,
            EditCommand::BrushAdaptive(on) => self.brush.adaptive = on,
            EditCommand::BrushTolerance(hu) => self.brush.tolerance = hu.clamp(0, 2000),
            EditCommand::Rules(rules) => self.rules = rules,
            EditCommand::Preview(operation) => self.operate(operation, false),
            EditCommand::ApplyPreview => self.apply_preview(),
            EditCommand::CancelPreview => self.cancel_preview(),
            EditCommand::Apply(operation) => self.operate(operation, true),
            EditCommand::Undo => self.step_history(true),
            EditCommand::Redo => self.step_history(false),
            EditCommand::JumpTo(position) => self.jump_to(position),
        }
    }

    fn begin_stroke(&mut self, erase: bool, brush: Brush) {
        let settings = self.brush;
        let Some(target) = self.target() else { return };
        let Some(document) = self.document_mut(target.case) else { return };
        document.drop_preview();
        let Some(layer) = document.case.layer(target.layer) else { return };
        let rule = if erase { target.rule.erasing(target.rule.label) } else { target.rule };
        let mut stroke = Stroke::begin(&layer.labels);
        if settings.adaptive
            && let Some(image) = &document.case.volume
        {
            stroke = stroke.adaptive(Arc::clone(image), settings.tolerance);
        }
        let word = if erase { "Erase" } else { "Paint" };
        document.stroke = Some(OngoingStroke { layer: layer.id, stroke, brush, rule, word });
    }

    /// A push with a disc of this shape; `nudge` says which way it goes on labels, for a segment and the brush's radius.
    fn begin_push(&mut self, shape: BrushShape, nudge: impl FnOnce(&LabelMap, LabelId, f64) -> Option<Nudge>) {
        let radius_mm = self.brush.radius_mm;
        let Some(target) = self.target() else { return };
        let Some(document) = self.document_mut(target.case) else { return };
        document.drop_preview();
        let Some(layer) = document.case.layer(target.layer) else { return };
        let Some(nudge) = nudge(&layer.labels, target.rule.label, radius_mm) else { return };
        let rule = if nudge.erase { target.rule.erasing(target.rule.label) } else { target.rule };
        let brush = Brush { shape, radius_mm: nudge.radius_mm };
        let stroke = Stroke::begin(&layer.labels);
        document.stroke = Some(OngoingStroke { layer: layer.id, stroke, brush, rule, word: "Push" });
    }

    fn extend_stroke(&mut self, from: DVec3, to: DVec3) {
        let Some(document) = self.active_document_mut() else { return };
        let Some(mut ongoing) = document.stroke.take() else { return };
        if let Some(layer) = document.case.layer_mut(ongoing.layer) {
            let bricks = ongoing.stroke.extend(&mut layer.labels, from, to, &ongoing.brush, &ongoing.rule);
            document.follow_sources(ongoing.layer, bricks.iter().copied());
            document.mark_bricks(ongoing.layer, bricks);
            document.stroke = Some(ongoing);
        }
    }

    pub(super) fn commit_stroke(&mut self) {
        let Some(document) = self.active_document_mut() else { return };
        let id = document.case.id;
        let Some(ongoing) = document.stroke.take() else { return };
        let Some(layer) = document.case.layer(ongoing.layer) else { return };
        let name = layer.segment(ongoing.rule.segment()).map_or("segment", |s| s.name.as_str());
        let name = format!("{} {name}", ongoing.word);
        let delta = ongoing.stroke.commit(&layer.labels);
        document.record_labels(name, ongoing.layer, delta, Some(&Origin::Human));
        self.add_waiting_layers(id);
        self.protect_at_once(id);
    }

    fn abort_stroke(&mut self) {
        let Some(document) = self.active_document_mut() else { return };
        let Some(ongoing) = document.stroke.take() else { return };
        if let Some(layer) = document.case.layer_mut(ongoing.layer) {
            let bricks = ongoing.stroke.abort(&mut layer.labels);
            document.follow_sources(ongoing.layer, bricks.iter().copied());
            document.mark_bricks(ongoing.layer, bricks);
        }
        let id = document.case.id;
        self.add_waiting_layers(id);
    }

    fn step_history(&mut self, back: bool) {
        let Some(document) = self.active_document_mut() else { return };
        if document.stroke.is_some() {
            return;
        }
        let name = if back { document.undo() } else { document.redo() };
        let text = match (name, back) {
            (Some(name), true) => format!("Undone: {name}"),
            (Some(name), false) => format!("Redone: {name}"),
            (None, true) => "Nothing to undo.".into(),
            (None, false) => "Nothing to redo.".into(),
        };
        self.status = text;
    }

    fn jump_to(&mut self, position: usize) {
        let Some(document) = self.active_document_mut() else { return };
        if document.stroke.is_some() {
            return;
        }
        while document.history.position() > position && document.undo().is_some() {}
        while document.history.position() < position && document.redo().is_some() {}
        let (done, all) = (document.history.position(), document.history.names().count());
        self.status = format!("{done} of {all} steps are done");
    }

    /// Forgets the oldest steps while the histories of all cases hold more than `limit` bytes: first those of the cases
    /// that are not looked at, the largest history first.
    pub(super) fn bound_histories(&mut self, limit: usize) {
        let mut held: usize = self.documents.iter().map(|d| d.history.bytes()).sum();
        let active = self.active;
        let mut given = Vec::new();
        while held > limit {
            let free = |d: &&mut Document| !given.contains(&d.case.id);
            let weight = |d: &&mut Document| (active != Some(d.case.id), d.history.bytes());
            let Some(document) = self.documents.iter_mut().filter(free).max_by_key(weight) else { return };
            held -= document.history.bytes();
            if !document.history.forget_oldest() {
                given.push(document.case.id);
            }
            held += document.history.bytes();
        }
    }

    /// Runs `change` on the layers of a case as one named step that undo takes back.
    pub(super) fn change_layers(&mut self, id: CaseId, name: &str, change: impl FnOnce(&mut Document)) {
        self.change_layers_from(id, name, None, change);
    }

    /// As [`Self::change_layers`]; undo leads to `first`, where that is not the state of now.
    fn change_layers_from(
        &mut self,
        id: CaseId,
        name: &str,
        first: Option<LayerState>,
        change: impl FnOnce(&mut Document),
    ) {
        let Some(document) = self.document_mut(id) else { return };
        if document.stroke.is_some() {
            return;
        }
        let before = LayerState::of(document);
        change(document);
        document.unmark_changed(&before.layers);
        document.repair_selection();
        let after = LayerState::of(document);
        let amends = first.is_some();
        let past = first.as_ref().unwrap_or(&before);
        let selected = [past, &after].map(|s| (s.active_layer, s.active_segment));
        let step = |entries| StepMark::Layers { name: name.to_owned(), entries, amends, selected };
        document.follow_layers(&before.layers, step);
        let before = first.unwrap_or(before);
        document.push_step(name.to_owned(), Change::Layers { before, after });
        document.touch();
    }
}

impl Workspace {
    /// Gives a segment a colour; the shades that a colour picker passes are one step.
    pub(super) fn recolour(&mut self, label: LabelId, color: [u8; 3]) {
        let Some(id) = self.active else { return };
        let Some(document) = self.document_mut(id) else { return };
        let Some(layer) = document.active_layer else { return };
        let again = document.recoloured.is_some_and(|r| {
            r.layer == layer && r.label == label && r.revision == document.revision() && r.at.elapsed() < ONE_PICK
        });
        let first = if again { document.forget_recolouring() } else { None };
        self.change_layers_from(id, RECOLOUR, first, |d| {
            if let Some(layer) = d.case.layer_mut(layer)
                && let Some(segment) = layer.segments.iter_mut().find(|s| s.id == label)
            {
                segment.color = color;
            }
        });
        if let Some(document) = self.document_mut(id) {
            let (revision, at) = (document.revision(), Instant::now());
            document.recoloured = Some(Recoloured { layer, label, revision, at });
        }
    }
}

impl Document {
    /// Puts a finished change of labels by `origin` into history, journal and revision; an empty change leaves no trace.
    pub(super) fn record_labels(&mut self, name: String, layer: LayerId, delta: Delta, origin: Option<&Origin>) {
        if let Some(target) = self.case.layer(layer) {
            let traces = Traces::of(target, &delta, origin);
            self.record_traced(name, layer, &delta, traces, origin);
        }
    }

    /// As [`Self::record_labels`], with the traces that were worked out before.
    pub(super) fn record_traced(
        &mut self,
        name: String,
        layer: LayerId,
        delta: &Delta,
        mut traces: Traces,
        origin: Option<&Origin>,
    ) {
        let Some(target) = self.case.layer_mut(layer).filter(|_| !delta.is_empty()) else { return };
        let mut number = 0;
        if let Some(origin) = origin {
            let known = target.work.sources.list().len();
            number = target.work.sources.number(origin);
            if number != traces.number {
                traces = Traces::of(target, delta, Some(origin));
            }
            let like = target.labels.clone();
            traces.sources.apply(target.work.sources.map_mut(&like));
            if target.work.sources.list().len() != known {
                let entry = JournalEntry::describe(target);
                self.journal(entry);
            }
        }
        let origin_too = origin.map(|o| (o.clone(), number));
        self.journal_delta(layer, delta, Some(StepMark::Labels { name: name.clone(), origin: origin_too.clone() }));
        self.counts.get_mut().follow(layer, delta, false);
        self.follow_sources(layer, delta.bricks.iter().map(|b| b.index));
        if !origin.is_some_and(|o| matches!(o, Origin::Model { .. })) {
            self.follow_learned(layer, delta, false);
        }
        let sources = PackedDelta::of(&traces.sources);
        self.push_step(name, Change::Labels { layer, labels: traces.labels, sources, origin: origin_too });
        self.unmark(layer, delta, origin.is_some_and(|o| matches!(o, Origin::Model { .. })));
        self.touch();
    }

    /// Adds a step that has just been done to the history.
    pub(super) fn push_step(&mut self, name: String, change: Change) {
        self.history.push(Arc::new(Entry { name, change }));
    }

    /// Takes the marks from a layer whose voxels changed: the layer is no longer reviewed, an approved slice is but
    /// corrected, and one that a `model` changed is to do. Undo does not bring marks back: only a person does.
    pub(super) fn unmark(&mut self, layer: LayerId, delta: &Delta, model: bool) {
        let Some(target) = self.case.layer_mut(layer) else { return };
        let stale = unmark_slices(target, delta, model);
        if stale || target.reviewed {
            target.reviewed = false;
            let entry = JournalEntry::describe(target);
            self.journal(entry);
        }
    }

    /// [`Document::unmark`] for every layer whose voxels differ from before; the caller tells the journal.
    fn unmark_changed(&mut self, before: &[Layer]) {
        for layer in &mut self.case.layers {
            let old = before.iter().find(|l| l.id == layer.id);
            let delta = old.and_then(|old| Delta::between(&old.labels, &layer.labels)).unwrap_or_default();
            if !delta.is_empty() {
                layer.reviewed = false;
                unmark_slices(layer, &delta, false);
            }
        }
    }

    /// Bytes that the history of this case holds.
    pub fn history_bytes(&self) -> usize {
        self.history.bytes()
    }

    /// Radius in mm of the stroke that goes on, which may be smaller than the brush.
    pub fn stroke_radius(&self) -> Option<f64> {
        self.stroke.as_ref().map(|s| s.brush.radius_mm)
    }

    fn undo(&mut self) -> Option<String> {
        let mut history = std::mem::replace(&mut self.history, crate::edit::History::new(0));
        let name = history.undo().map(|entry| {
            self.step(&entry.change, true);
            self.follow_prompts(entry, true);
            entry.name.clone()
        });
        self.history = history;
        name
    }

    fn redo(&mut self) -> Option<String> {
        let mut history = std::mem::replace(&mut self.history, crate::edit::History::new(0));
        let name = history.redo().map(|entry| {
            self.step(&entry.change, false);
            self.follow_prompts(entry, false);
            entry.name.clone()
        });
        self.history = history;
        name
    }

    fn step(&mut self, change: &Change, back: bool) {
        let walked = if back { StepMark::Undone } else { StepMark::Redone };
        match change {
            Change::Labels { layer, labels, sources, origin } => {
                let Some(target) = self.case.layer_mut(*layer) else { return };
                let (delta, grew) = walk_labels(target, labels, sources, origin.as_ref(), back);
                let described = grew.then(|| JournalEntry::describe(target));
                described.into_iter().for_each(|entry| self.journal(entry));
                self.counts.get_mut().follow(*layer, &delta, back);
                let bricks: Vec<_> = delta.bricks.iter().map(|b| b.index).collect();
                self.follow_sources(*layer, bricks.iter().copied());
                self.mark_bricks(*layer, bricks);
                self.journal_delta(*layer, &delta, Some(walked));
                self.unmark(*layer, &delta, false);
                self.follow_learned(*layer, &delta, true);
            }
            Change::Layers { before, after } => {
                let old = std::mem::take(&mut self.case.layers);
                let state = if back { before } else { after };
                self.case.layers.clone_from(&state.layers);
                keep_visibility(&mut self.case.layers, &old);
                self.active_layer = state.active_layer;
                self.active_segment = state.active_segment;
                self.follow_layers(&old, |_| walked);
                self.put_predictions_again();
            }
            Change::Measurements { before, after } => {
                self.measurements.clone_from(if back { before } else { after });
                self.journal(JournalEntry::measure(&self.measurements).marked(walked));
            }
        }
        self.touch();
    }

    /// Drops the recolouring that was just made from the history and gives the state before it.
    fn forget_recolouring(&mut self) -> Option<LayerState> {
        if self.history.undo_name() != Some(RECOLOUR) {
            return None;
        }
        match &self.history.undo()?.change {
            Change::Layers { before, .. } => Some(before.clone()),
            Change::Labels { .. } | Change::Measurements { .. } => None,
        }
    }

    /// Tells renderer, journal and voxel counts what of the layers differs from before.
    fn follow_layers(&mut self, before: &[Layer], step: impl FnOnce(u32) -> StepMark) {
        as_layer_step(entries_between(before, &self.case.layers), step).for_each(|entry| self.journal(entry));
        let changed: Vec<(LayerId, Option<Vec<u32>>)> = self
            .case
            .layers
            .iter()
            .map(|layer| {
                let same = before.iter().find(|l| l.id == layer.id);
                (layer.id, same.map(|l| changed_bricks(layer, l)))
            })
            .collect();
        for (id, bricks) in changed {
            match bricks {
                Some(bricks) => {
                    self.follow_sources(id, bricks.iter().copied());
                    let maps = (before.iter().find(|l| l.id == id), self.case.layer(id));
                    if let (Some(old), Some(new)) = maps {
                        self.counts.get_mut().replace(id, &old.labels, &new.labels, &bricks);
                    }
                    self.mark_bricks(id, bricks);
                }
                None => self.mark_layer(id),
            }
        }
        let layers = &self.case.layers;
        self.counts.get_mut().retain(|id| layers.iter().any(|l| l.id == id));
    }
}
