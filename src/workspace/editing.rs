//! Strokes, undo and redo. A stroke is one transaction: begin, extend, then commit or abort.

use super::{Document, EditCommand, Workspace};
use crate::core::{CaseId, LabelId, Layer, LayerId};
use crate::edit::{Brush, BrushShape, Delta, HistoryEntry, PaintRule, Stroke};
use crate::io::journal::JournalEntry;
use glam::DVec3;
use std::time::{Duration, Instant};

/// A colour picker reports every shade it passes: within this time they are one step of the history.
const ONE_PICK: Duration = Duration::from_secs(1);
const RECOLOUR: &str = "Recolour segment";

/// One step of the history.
#[derive(Debug)]
pub struct Entry {
    name: String,
    change: Change,
}

#[derive(Debug)]
enum Change {
    Labels { layer: LayerId, delta: Delta },
    Layers { before: LayerState, after: LayerState },
}

/// All layers of a case and what is selected; label maps share their bricks with the case.
#[derive(Debug, Clone)]
pub(super) struct LayerState {
    layers: Vec<Layer>,
    active_layer: Option<LayerId>,
    active_segment: LabelId,
}

impl LayerState {
    pub(super) fn of(document: &Document) -> Self {
        Self {
            layers: document.case.layers.clone(),
            active_layer: document.active_layer,
            active_segment: document.active_segment,
        }
    }

    /// Bytes of brick pointers and of bricks that `other` does not share.
    fn bytes_against(&self, other: &Self) -> usize {
        self.layers
            .iter()
            .map(|layer| {
                let pointers = layer.labels.brick_count() * size_of::<usize>();
                let own = match other.layers.iter().find(|l| l.id == layer.id) {
                    Some(same) => layer.labels.changed_bricks(&same.labels).len(),
                    None => (0..layer.labels.brick_count() as u32).filter(|&i| layer.labels.brick(i).is_some()).count(),
                };
                pointers + own * size_of::<crate::core::Brick>()
            })
            .sum()
    }
}

impl HistoryEntry for Entry {
    fn name(&self) -> &str {
        &self.name
    }

    fn bytes(&self) -> usize {
        match &self.change {
            Change::Labels { delta, .. } => delta.bytes(),
            Change::Layers { before, after } => before.bytes_against(after) + after.bytes_against(before),
        }
    }
}

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
    erase: bool,
}

impl Workspace {
    pub(super) fn apply_edit(&mut self, command: EditCommand) {
        match command {
            EditCommand::BeginStroke { erase, through_axis } => self.begin_stroke(erase, through_axis),
            EditCommand::ExtendStroke { from, to } => self.extend_stroke(from, to),
            EditCommand::CommitStroke => self.commit_stroke(),
            EditCommand::AbortStroke => self.abort_stroke(),
            EditCommand::BrushRadius(mm) if mm.is_finite() => self.brush.radius_mm = mm.clamp(0.1, 200.0),
            EditCommand::BrushRadius(_) => {}
            EditCommand::BrushSphere(on) => self.brush.sphere = on,
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

    fn begin_stroke(&mut self, erase: bool, through_axis: usize) {
        let (radius_mm, sphere) = (self.brush.radius_mm, self.brush.sphere);
        let Some(target) = self.target() else { return };
        let Some(document) = self.document_mut(target.case) else { return };
        document.drop_preview();
        let Some(layer) = document.case.layer(target.layer) else { return };
        let rule = if erase { target.rule.erasing(target.rule.label) } else { target.rule };
        let shape = if sphere { BrushShape::Sphere } else { BrushShape::Round2d { through_axis } };
        let ongoing = OngoingStroke {
            layer: layer.id,
            stroke: Stroke::begin(&layer.labels),
            brush: Brush { shape, radius_mm },
            rule,
            erase,
        };
        document.stroke = Some(ongoing);
    }

    fn extend_stroke(&mut self, from: DVec3, to: DVec3) {
        let Some(document) = self.active_document_mut() else { return };
        let Some(mut ongoing) = document.stroke.take() else { return };
        if let Some(layer) = document.case.layer_mut(ongoing.layer) {
            let bricks = ongoing.stroke.extend(&mut layer.labels, from, to, &ongoing.brush, &ongoing.rule);
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
        let name = if ongoing.erase { format!("Erase {name}") } else { format!("Paint {name}") };
        let delta = ongoing.stroke.commit(&layer.labels);
        document.record_labels(name, ongoing.layer, delta);
        self.add_waiting_layers(id);
    }

    fn abort_stroke(&mut self) {
        let Some(document) = self.active_document_mut() else { return };
        let Some(ongoing) = document.stroke.take() else { return };
        if let Some(layer) = document.case.layer_mut(ongoing.layer) {
            let bricks = ongoing.stroke.abort(&mut layer.labels);
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
        document.follow_layers(&before.layers);
        let before = first.unwrap_or(before);
        document.history.push(Entry { name: name.to_owned(), change: Change::Layers { before, after } });
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
    /// Puts a finished change of labels into history, journal and revision; an empty change leaves no trace.
    pub(super) fn record_labels(&mut self, name: String, layer: LayerId, delta: Delta) {
        if delta.is_empty() {
            return;
        }
        self.journal_delta(layer, &delta);
        self.counts.get_mut().follow(layer, &delta, false);
        self.history.push(Entry { name, change: Change::Labels { layer, delta } });
        self.unmark(layer);
        self.touch();
    }

    /// Takes the review mark from a layer whose voxels changed. Undo does not bring it back: only a person does.
    fn unmark(&mut self, layer: LayerId) {
        if let Some(layer) = self.case.layer_mut(layer).filter(|l| l.reviewed) {
            layer.reviewed = false;
            let entry = JournalEntry::describe(layer);
            self.journal(entry);
        }
    }

    /// [`Document::unmark`] for every layer whose voxels differ from before; the caller tells the journal.
    fn unmark_changed(&mut self, before: &[Layer]) {
        for layer in self.case.layers.iter_mut().filter(|l| l.reviewed) {
            let old = before.iter().find(|l| l.id == layer.id);
            if old.is_some_and(|old| !layer.labels.changed_bricks(&old.labels).is_empty()) {
                layer.reviewed = false;
            }
        }
    }

    fn undo(&mut self) -> Option<String> {
        let mut history = std::mem::replace(&mut self.history, crate::edit::History::new(0));
        let name = history.undo().map(|entry| {
            self.step(&entry.change, true);
            entry.name.clone()
        });
        self.history = history;
        name
    }

    fn redo(&mut self) -> Option<String> {
        let mut history = std::mem::replace(&mut self.history, crate::edit::History::new(0));
        let name = history.redo().map(|entry| {
            self.step(&entry.change, false);
            entry.name.clone()
        });
        self.history = history;
        name
    }

    fn step(&mut self, change: &Change, back: bool) {
        match change {
            Change::Labels { layer, delta } => {
                if let Some(target) = self.case.layer_mut(*layer) {
                    if back {
                        delta.revert(&mut target.labels);
                    } else {
                        delta.apply(&mut target.labels);
                    }
                }
                self.counts.get_mut().follow(*layer, delta, back);
                let bricks: Vec<_> = delta.bricks.iter().map(|b| b.index).collect();
                self.mark_bricks(*layer, bricks);
                self.journal_delta(*layer, delta);
                self.unmark(*layer);
            }
            Change::Layers { before, after } => {
                let old = std::mem::take(&mut self.case.layers);
                let state = if back { before } else { after };
                self.case.layers.clone_from(&state.layers);
                keep_visibility(&mut self.case.layers, &old);
                self.active_layer = state.active_layer;
                self.active_segment = state.active_segment;
                self.follow_layers(&old);
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
            Change::Labels { .. } => None,
        }
    }

    /// Tells renderer, journal and voxel counts what of the layers differs from before.
    fn follow_layers(&mut self, before: &[Layer]) {
        let changed: Vec<(LayerId, Option<Vec<u32>>)> = self
            .case
            .layers
            .iter()
            .map(|layer| {
                let same = before.iter().find(|l| l.id == layer.id);
                (layer.id, same.map(|l| layer.labels.changed_bricks(&l.labels)))
            })
            .collect();
        self.journal_changes(&changed);
        for (id, bricks) in changed {
            match bricks {
                Some(bricks) => {
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

/// What is shown is no work and so no part of the history: it stays as it is when a step is taken back.
fn keep_visibility(layers: &mut [Layer], shown: &[Layer]) {
    for layer in layers {
        let Some(old) = shown.iter().find(|l| l.id == layer.id) else { continue };
        layer.visible = old.visible;
        for segment in &mut layer.segments {
            if let Some(old) = old.segment(segment.id) {
                segment.visible = old.visible;
            }
        }
    }
}
