//! Layers and segments: adding, naming, colouring, locking, deleting. Each is one undoable step.

use super::{Document, LayerCommand, Notice, SegmentCommand, Workspace};
use crate::core::{CaseId, Code, Flips, LabelId, LabelMap, Layer, LayerId, Origin, Segment};
use crate::edit::{erase_segment, replace_label, swap_labels};

impl Workspace {
    pub(super) fn apply_layer(&mut self, command: LayerCommand) {
        let Some(id) = self.active else { return };
        match command {
            LayerCommand::New => self.new_layer(id),
            LayerCommand::Duplicate(layer) => self.duplicate_layer(id, layer),
            LayerCommand::Delete(layer) => {
                if self.document(id).is_none_or(|d| d.case.layer(layer).is_none()) {
                    return;
                }
                self.change_layers(id, "Delete layer", |d| d.case.layers.retain(|l| l.id != layer));
            }
            LayerCommand::Select(layer) => self.select_layer(layer),
            LayerCommand::Rename(layer, name) => self.change_layers(id, "Rename layer", |d| {
                if let Some(layer) = d.case.layer_mut(layer) {
                    layer.name = name;
                }
            }),
            LayerCommand::Mirror(layer, flips) => {
                if self.mirror_layers(id, &[layer], flips) {
                    self.forget_mirror_offers(id, &[layer]);
                }
            }
            LayerCommand::AnswerMirror(mirror) => self.answer_mirror(mirror),
            LayerCommand::Reviewed(layer, reviewed) => {
                let step = if reviewed { "Mark as reviewed" } else { "Take back the review mark" };
                self.change_layers(id, step, |d| {
                    if let Some(layer) = d.case.layer_mut(layer) {
                        layer.reviewed = reviewed;
                    }
                });
            }
            LayerCommand::Visible(layer, visible) => {
                // What is shown is not work: no undo step.
                if let Some(layer) = self.active_document_mut().and_then(|d| d.case.layer_mut(layer)) {
                    layer.visible = visible;
                }
            }
        }
    }

    pub(super) fn new_layer(&mut self, id: CaseId) {
        let Some(document) = self.document(id) else { return };
        let number = 1 + document.case.layers.iter().filter(|l| l.origin == Origin::Human).count();
        let layer = Layer::new(
            LayerId(0),
            if number == 1 { "Manual".into() } else { format!("Manual {number}") },
            LabelMap::empty(document.case.geometry),
            vec![Segment::new(1, "Segment 1")],
            Origin::Human,
        );
        self.insert_layer(id, "New layer", layer);
    }

    fn duplicate_layer(&mut self, id: CaseId, layer: LayerId) {
        let Some(source) = self.document(id).and_then(|d| d.case.layer(layer)) else { return };
        let mut copy = source.clone();
        copy.name = format!("{} (copy)", copy.name);
        copy.reviewed = false;
        self.insert_layer(id, "Duplicate layer", copy);
    }

    /// Mirrors all of some layers, for masks whose files do not say where they lie; one step. Locked segments forbid it.
    pub(super) fn mirror_layers(&mut self, id: CaseId, layers: &[LayerId], flips: Flips) -> bool {
        let Some(document) = self.document(id).filter(|d| d.stroke.is_none()) else { return false };
        let mut found = layers.iter().filter_map(|layer| document.case.layer(*layer)).peekable();
        if found.peek().is_none() {
            return false;
        }
        if found.any(|layer| layer.segments.iter().any(|s| s.locked)) {
            self.notify(Notice::warning("A segment of this layer is locked: unlock it before mirroring the layer."));
            return false;
        }
        self.change_layers(id, "Mirror layer", |d| {
            for layer in d.case.layers.iter_mut().filter(|l| layers.contains(&l.id)) {
                layer.labels = layer.labels.flipped(flips);
                let sources = layer.work.sources.map().map(|m| m.flipped(flips));
                layer.work.sources.set_map(sources);
            }
        });
        true
    }

    /// Adds a layer under a new number, selects it, and makes it undoable; `false` when the case was closed.
    ///
    /// A layer that arrives during a stroke waits for its end: the stroke's own step must come first.
    pub(super) fn insert_layer(&mut self, id: CaseId, step: &str, mut layer: Layer) -> bool {
        layer.id = self.next_layer_id();
        self.insert_numbered(id, step, vec![layer])
    }

    /// As [`Self::insert_layer`] for several at once that have numbers, of which the first is selected.
    pub(super) fn insert_numbered(&mut self, id: CaseId, step: &str, layers: Vec<Layer>) -> bool {
        let Some(document) = self.document_mut(id) else { return false };
        if document.stroke.is_some() {
            document.waiting.extend(layers.into_iter().map(|layer| (step.to_owned(), layer)));
            return true;
        }
        self.change_layers(id, step, |d| {
            d.active_layer = layers.first().map(|l| l.id).or(d.active_layer);
            d.case.layers.extend(layers);
        });
        true
    }

    /// Adds the layers that arrived during a stroke.
    pub(super) fn add_waiting_layers(&mut self, id: CaseId) {
        let waiting = self.document_mut(id).map(|d| std::mem::take(&mut d.waiting)).unwrap_or_default();
        for (step, layer) in waiting {
            self.insert_numbered(id, &step, vec![layer]);
        }
    }

    /// Adds a layer that came with the case: no undo step.
    pub(super) fn add_layer(&mut self, id: CaseId, mut layer: Layer) {
        layer.id = self.next_layer_id();
        if let Some(document) = self.document_mut(id) {
            document.mark_layer(layer.id);
            document.active_layer = Some(layer.id);
            document.case.layers.push(layer);
            document.repair_selection();
        }
    }

    fn select_layer(&mut self, layer: LayerId) {
        if let Some(document) = self.active_document_mut()
            && document.case.layer(layer).is_some()
        {
            document.active_layer = Some(layer);
            document.repair_selection();
        }
    }

    pub(super) fn apply_segment(&mut self, command: SegmentCommand) {
        match command {
            SegmentCommand::Select(label) => self.select_segment(label),
            SegmentCommand::Step(by) => self.step_segment(by),
            SegmentCommand::Add => self.add_segment(),
            SegmentCommand::Rename(label, name) => self.change_segment("Rename segment", label, |s| s.name = name),
            SegmentCommand::Color(label, color) => self.recolour(label, color),
            SegmentCommand::Lock(label, on) => {
                self.change_segment(if on { "Lock segment" } else { "Unlock segment" }, label, |s| s.locked = on);
            }
            SegmentCommand::Visible(label, on) => {
                if let Some(d) = self.active_document_mut()
                    && let Some(layer) = d.active_layer
                    && let Some(layer) = d.case.layer_mut(layer)
                    && let Some(segment) = layer.segments.iter_mut().find(|s| s.id == label)
                {
                    segment.visible = on;
                }
            }
            SegmentCommand::Delete(label) => self.delete_segment(label),
            SegmentCommand::Merge { from, into } => self.merge_segments(from, into),
            SegmentCommand::SwapLungs => self.swap_lungs(),
        }
    }

    fn select_segment(&mut self, label: LabelId) {
        if let Some(document) = self.active_document_mut()
            && document.layer().is_some_and(|l| l.segment(label).is_some())
        {
            document.active_segment = label;
        }
    }

    fn step_segment(&mut self, by: i32) {
        let Some(document) = self.active_document_mut() else { return };
        let Some(layer) = document.layer() else { return };
        let count = layer.segments.len() as i32;
        if count == 0 {
            return;
        }
        let now = layer.segments.iter().position(|s| s.id == document.active_segment).unwrap_or(0) as i32;
        let next = layer.segments[(now + by).rem_euclid(count) as usize].id;
        document.active_segment = next;
    }

    fn add_segment(&mut self) {
        let Some(id) = self.active else { return };
        let Some(layer) = self.document(id).and_then(|d| d.layer()) else {
            self.new_layer(id);
            return;
        };
        let Some(label) = layer.free_label() else {
            self.notify(Notice::warning("A layer holds at most 255 segments; delete one first."));
            return;
        };
        let layer = layer.id;
        self.change_layers(id, "Add segment", |d| {
            if let Some(layer) = d.case.layer_mut(layer) {
                layer.segments.push(Segment::new(label, format!("Segment {label}")));
                d.active_segment = label;
            }
        });
    }

    fn change_segment(&mut self, step: &str, label: LabelId, change: impl FnOnce(&mut Segment)) {
        let Some(id) = self.active else { return };
        if self.document(id).and_then(|d| d.layer()?.segment(label)).is_none() {
            return;
        }
        self.change_layers(id, step, |d| {
            if let Some(layer) = d.active_layer.and_then(|l| d.case.layer_mut(l))
                && let Some(segment) = layer.segments.iter_mut().find(|s| s.id == label)
            {
                change(segment);
            }
        });
    }

    fn delete_segment(&mut self, label: LabelId) {
        let Some(id) = self.active else { return };
        let Some(segment) = self.document(id).and_then(|d| d.layer()?.segment(label)) else { return };
        if segment.locked {
            self.notify(Notice::warning("This segment is locked: unlock it before deleting it."));
            return;
        }
        self.change_layers(id, "Delete segment", |d| {
            if let Some(layer) = d.active_layer.and_then(|l| d.case.layer_mut(l)) {
                erase_segment(&mut layer.labels, label);
                layer.segments.retain(|s| s.id != label);
            }
        });
    }

    fn merge_segments(&mut self, from: LabelId, into: LabelId) {
        let Some(id) = self.active else { return };
        let Some(layer) = self.document(id).and_then(Document::layer) else { return };
        let (Some(a), Some(b)) = (layer.segment(from), layer.segment(into)) else { return };
        if from == into {
            return;
        }
        if a.locked || b.locked {
            self.notify(Notice::warning("One of the segments is locked: unlock it before joining them."));
            return;
        }
        let name = format!("Merge {} into {}", a.name, b.name);
        self.change_layers(id, &name, |d| {
            if let Some(layer) = d.active_layer.and_then(|l| d.case.layer_mut(l)) {
                replace_label(&mut layer.labels, from, into);
                layer.segments.retain(|s| s.id != from);
                d.active_segment = into;
            }
        });
    }

    /// A network that takes left for right is put right by exchanging the voxels; names and colours stay.
    fn swap_lungs(&mut self) {
        let Some(document) = self.active_document_mut() else { return };
        let Some(layer) = document.layer() else { return };
        let lung = |code: &str| {
            // A name that was typed says it as well as a code that came with a file.
            let is = |c: Option<&Code>| c.is_some_and(|c| c.scheme == "SCT" && c.value == code);
            let is_it = |s: &&Segment| is(Segment::new(s.id, s.name.as_str()).code.as_ref()) || is(s.code.as_ref());
            layer.segments.iter().find(is_it).map(|s| (s.id, s.locked))
        };
        // SNOMED CT, as in DICOM PS3.16: left and right lung.
        let (id, left, right) = (layer.id, lung("44029006"), lung("3341006"));
        let (Some(left), Some(right)) = (left, right) else {
            self.notify(Notice::warning("Name one segment Left lung and another Right lung to exchange them."));
            return;
        };
        if left.1 || right.1 {
            self.notify(Notice::warning("A lung is locked: unlock both before exchanging them."));
            return;
        }
        if document.stroke.is_some() {
            return;
        }
        let Some(layer) = document.case.layer_mut(id) else { return };
        let delta = swap_labels(&mut layer.labels, left.0, right.0);
        document.mark_bricks(id, delta.bricks.iter().map(|b| b.index));
        document.record_labels("Exchange left and right lung".into(), id, delta, None);
    }
}
