//! Progress of a case: slices that are done, notes, a second reader, and where voxels come from as a picture.

use super::{Document, LayerCommand, ModelCommand, Notice, WorkCommand, Workspace};
use crate::core::{Brick, BrickIndex, CaseId, LabelId, LabelMap, Layer, LayerId, Origin, PlaneAxes, SliceStatus};
use crate::core::{Plane, Segment};
use crate::edit::{Delta, Operation};
use std::sync::Arc;

/// What the voxels of [`Document::source_view`] stand for, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A person gave it its label.
    Person,
    /// A person took its label away.
    Erased,
    /// A model gave it its label.
    Model,
    /// It came with a file.
    Imported,
}

impl SourceKind {
    /// In the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Person, Self::Erased, Self::Model, Self::Imported];

    /// As the legend says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "A person",
            Self::Erased => "Erased by a person",
            Self::Model => "A model",
            Self::Imported => "A file",
        }
    }

    /// Number in the map, and so the label it is drawn as.
    pub fn number(self) -> LabelId {
        1 + self as LabelId
    }
}

/// Where the voxels of one layer come from, kept up to date while it is looked at.
pub(super) struct SourceView {
    layer: LayerId,
    map: LabelMap,
}

/// How far the slices of one or several cases are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Slices with each status of [`SliceStatus::ALL`].
    pub slices: [usize; 3],
    /// Cases all of whose slices are done, of all that have a mask.
    pub cases: [usize; 2],
}

impl Progress {
    /// Slices that are corrected or approved, and all.
    pub fn done(&self) -> [usize; 2] {
        let all = self.slices.iter().sum();
        [all - self.slices[0], all]
    }
}

impl Workspace {
    pub(super) fn apply_work(&mut self, command: WorkCommand) {
        match command {
            WorkCommand::ListCases(folder) => return self.list_cases(folder, true),
            WorkCommand::NextCase { back } => return self.next_case(back),
            _ => {}
        }
        let Some(id) = self.active else { return };
        match command {
            WorkCommand::ListCases(_) | WorkCommand::NextCase { .. } => {}
            WorkCommand::Status { slice, status } => self.set_status(id, [slice, slice], status),
            WorkCommand::StatusOf { from, to, status } => self.set_status(id, [from.min(to), from.max(to)], status),
            WorkCommand::DoneAndNext(status) => {
                if self.work_layer(id).is_some()
                    && let Some(slice) = self.document(id).map(Document::work_slice)
                {
                    self.set_status(id, [slice, slice], status);
                    // On the layer of a learning loop a slice that is done also trains.
                    self.teach_slice(slice);
                    self.next_to_do(false);
                }
            }
            WorkCommand::NextToDo { back } => self.next_to_do(back),
            WorkCommand::Note { slice, text } => {
                let Some(layer) = self.work_layer(id) else { return };
                let name = if text.is_empty() { "Remove note" } else { "Write note" };
                if layer.work.slices.note(slice) == text {
                    return;
                }
                self.change_work(id, name, |l| l.work.slices.set_note(slice, text));
            }
            WorkCommand::SecondReader(layer) => self.second_reader(id, layer),
            WorkCommand::FillFrom { source, everything, apply } => self.fill_from(source, everything, apply),
            WorkCommand::PredictInto { runs, options, device } => {
                let target = self.document(id).and_then(|d| d.active_layer);
                self.apply_model(ModelCommand::PredictWith { runs, options, device });
                self.awaited = target.filter(|_| self.models.is_predicting()).map(|layer| (id, layer));
            }
            WorkCommand::ShowSources(on) => {
                if let Some(document) = self.document_mut(id) {
                    document.show_sources(on);
                }
            }
        }
    }

    /// The active layer; says so when there is none.
    fn work_layer(&mut self, id: CaseId) -> Option<&Layer> {
        if self.document(id)?.layer().is_none() {
            self.notify(Notice::warning("There is no mask yet: paint or import one, then mark its slices."));
            return None;
        }
        self.document(id)?.layer()
    }

    pub(super) fn set_status(&mut self, id: CaseId, [from, to]: [usize; 2], status: SliceStatus) {
        let Some(layer) = self.work_layer(id) else { return };
        let to = to.min(layer.labels.geometry().dims()[2] - 1);
        if from > to || (from..=to).all(|k| layer.work.slices.status(k) == status) {
            return;
        }
        let slices =
            if from == to { format!("slice {}", from + 1) } else { format!("slices {} to {}", from + 1, to + 1) };
        self.change_work(id, &format!("{}: {slices}", status.name()), |l| {
            for k in from..=to {
                l.work.slices.set_status(k, status);
            }
        });
        if let Some(document) = self.document(id) {
            let [done, all] = document.progress().done();
            self.status = format!("{done} of {all} slices are done");
        }
    }

    fn change_work(&mut self, id: CaseId, name: &str, change: impl FnOnce(&mut Layer)) {
        self.change_layers(id, name, |d| {
            if let Some(layer) = d.active_layer.and_then(|l| d.case.layer_mut(l)) {
                change(layer);
            }
        });
    }

    pub(super) fn next_to_do(&mut self, back: bool) {
        let Some(document) = self.active_document_mut() else { return };
        let (slice, count) = (document.work_slice(), document.case.geometry.dims()[2]);
        let next = document.layer().map_or_else(
            || Some((slice + if back { count - 1 } else { 1 }) % count),
            |l| l.work.slices.next_to_do(slice, count, back),
        );
        let Some(next) = next else {
            self.status = "No other slice is left to do".into();
            return;
        };
        let mut voxel = document.view.crosshair;
        voxel[2] = next as f64;
        document.set_crosshair(voxel);
    }

    /// An empty layer with the same segments, for someone who reads the case without seeing the first reader's mask.
    fn second_reader(&mut self, id: CaseId, layer: LayerId) {
        let Some(document) = self.document(id) else { return };
        let Some(first) = document.case.layer(layer) else { return };
        let reader = 1 + document.case.layers.iter().map(|l| l.work.reader.max(1)).max().unwrap_or(1);
        let segments = first.segments.iter().map(|s| Segment { locked: false, ..s.clone() }).collect();
        let labels = LabelMap::empty(document.case.geometry);
        let mut new = Layer::new(LayerId(0), format!("Reader {reader}"), labels, segments, Origin::Human);
        new.work.reader = reader;
        self.change_layers(id, "Name the first reader", |d| {
            if let Some(first) = d.case.layer_mut(layer).filter(|l| l.work.reader == 0) {
                first.work.reader = 1;
            }
        });
        self.insert_layer(id, "Second reader's layer", new);
    }

    /// Takes another layer's segments over into the active one, where no person has touched it, or everywhere.
    fn fill_from(&mut self, source: LayerId, everything: bool, apply: bool) {
        let Some(document) = self.active_document() else { return };
        let (Some(target), Some(from)) = (document.layer(), document.case.layer(source)) else { return };
        if target.id == from.id {
            self.notify(Notice::warning("A layer cannot be filled from itself: choose another one."));
            return;
        }
        let (table, segments) = match_segments(target, from);
        let keep = (!everything).then(|| Arc::new(target.clone()));
        let origin = from.origin.clone();
        let operation = Operation::Adopt { other: from.labels.clone(), table, keep };
        self.operate_as(operation, apply, origin, segments);
    }

    /// A prediction has become a layer: where it was asked for, what it would change in the layer of then is shown.
    pub(super) fn show_awaited(&mut self, case: CaseId) {
        let Some((_, target)) = self.awaited.take_if(|(id, _)| *id == case) else { return };
        if self.active != Some(case) {
            return;
        }
        let Some(source) = self.document(case).and_then(|d| d.active_layer) else { return };
        self.apply_layer(LayerCommand::Select(target));
        self.fill_from(source, false, false);
    }

    /// How far the open cases are, those without a mask left out.
    pub fn progress(&self) -> Progress {
        let mut all = Progress::default();
        for document in self.documents.iter().filter(|d| d.layer().is_some()) {
            let one = document.progress();
            for (sum, n) in all.slices.iter_mut().zip(one.slices) {
                *sum += n;
            }
            all.cases[0] += one.cases[0];
            all.cases[1] += one.cases[1];
        }
        all
    }
}

/// For each label of `from` the label of the target's segment with the same code or name, or of a new segment; and the
/// new segments.
fn match_segments(target: &Layer, from: &Layer) -> (Vec<LabelId>, Vec<Segment>) {
    let mut table = vec![0; 256];
    let mut new: Vec<Segment> = Vec::new();
    let mut free: Vec<LabelId> = (1..=LabelId::MAX).rev().filter(|id| target.segment(*id).is_none()).collect();
    for segment in &from.segments {
        let same =
            |s: &&Segment| (s.code.is_some() && s.code == segment.code) || s.name.eq_ignore_ascii_case(&segment.name);
        let label = target.segments.iter().find(same).map(|s| s.id).or_else(|| {
            let id = free.pop()?;
            new.push(Segment { id, ..segment.clone() });
            Some(id)
        });
        table[usize::from(segment.id)] = label.unwrap_or(0);
    }
    (table, new)
}

/// Takes marks from slices that `delta` changed; whether there were any.
pub(super) fn unmark_slices(layer: &mut Layer, delta: &Delta, model: bool) -> bool {
    let stale = |s: SliceStatus| if model { s.is_done() } else { s == SliceStatus::Approved };
    let marked: Vec<usize> = layer.work.slices.done().filter(|(_, s)| stale(*s)).map(|(k, _)| k).collect();
    if marked.is_empty() {
        return false;
    }
    let mut found = false;
    for k in marked {
        let from = LabelMap::offset_in_brick([0, 0, k]);
        let plane = |b: &Option<Arc<Brick>>| b.as_ref().map(|b| b[from..from + 256].to_vec());
        let differs = |n: &&crate::edit::BrickChange| {
            let area = layer.labels.brick_box(n.index);
            if k < area.min[2] || k >= area.max[2] {
                return false;
            }
            let [a, b] = [plane(&n.before), plane(&n.after)].map(|p| p.unwrap_or_else(|| vec![0; 256]));
            a != b
        };
        if delta.bricks.iter().any(|n| differs(&n)) {
            found = true;
            layer.work.slices.set_status(k, if model { SliceStatus::ToDo } else { SliceStatus::Corrected });
        }
    }
    found
}

impl Document {
    /// The slice that is marked: the one shown across voxel axis 2.
    pub fn work_slice(&self) -> usize {
        let axes = |p: &Plane| PlaneAxes::of(&self.case.geometry, *p).through == 2;
        Plane::ALL.into_iter().find(|p| axes(p)).map_or(0, |p| self.slice_index(p))
    }

    /// How far the slices of the active layer are.
    pub fn progress(&self) -> Progress {
        let count = self.case.geometry.dims()[2];
        let slices = self.layer().map_or([count, 0, 0], |l| l.work.slices.progress(count));
        Progress { slices, cases: [usize::from(slices[0] == 0), 1] }
    }

    /// Where the voxels of the active layer come from, while it is shown: numbers of [`SourceKind`].
    pub fn source_view(&self) -> Option<&LabelMap> {
        self.source_view.as_ref().filter(|v| Some(v.layer) == self.active_layer).map(|v| &v.map)
    }

    /// Whether the picture of sources is wanted.
    pub fn shows_sources(&self) -> bool {
        self.source_view.is_some()
    }

    fn show_sources(&mut self, on: bool) {
        let before = self.source_view.take().map(|v| v.layer);
        if on && let Some(layer) = self.layer() {
            let mut view = SourceView { layer: layer.id, map: LabelMap::empty(self.case.geometry) };
            for index in 0..layer.labels.brick_count() as BrickIndex {
                view.map.set_brick(index, source_brick(layer, index));
            }
            self.source_view = Some(view);
        }
        for layer in [before, self.active_layer].into_iter().flatten() {
            self.mark_layer(layer);
        }
    }

    /// Brings the picture to another layer when that is looked at now. Called once a frame.
    pub(super) fn follow_active_layer(&mut self) {
        if self.source_view.as_ref().is_some_and(|v| Some(v.layer) != self.active_layer) {
            self.show_sources(true);
        }
    }

    /// Brings the picture up to date with changed bricks.
    pub(super) fn follow_sources(&mut self, layer: LayerId, bricks: impl IntoIterator<Item = BrickIndex>) {
        let Some(view) = self.source_view.as_mut().filter(|v| v.layer == layer) else { return };
        let Some(layer) = self.case.layer(layer) else { return };
        for index in bricks {
            view.map.set_brick(index, source_brick(layer, index));
        }
    }
}

/// One brick of the picture of sources.
fn source_brick(layer: &Layer, index: BrickIndex) -> Option<Arc<Brick>> {
    let (labels, sources) = (layer.labels.brick(index), layer.work.sources.brick(index));
    if labels.is_none() && sources.is_none() {
        return None;
    }
    let kind = |origin: &Origin| match origin {
        Origin::Human => SourceKind::Person,
        Origin::Model { .. } => SourceKind::Model,
        Origin::Imported { .. } => SourceKind::Imported,
    };
    let own = kind(&layer.origin);
    let list = layer.work.sources.list();
    let kinds: [SourceKind; 256] =
        std::array::from_fn(|n| n.checked_sub(1).and_then(|n| list.get(n)).map_or(own, kind));
    let mut brick: Brick = [0; _];
    for (n, out) in brick.iter_mut().enumerate() {
        let (label, number) = (labels.map_or(0, |b| b[n]), sources.map_or(0, |b| b[n]));
        let kind = kinds[usize::from(number)];
        *out = match (label, number) {
            (0, 0) => 0,
            (0, _) if kind == SourceKind::Person => SourceKind::Erased.number(),
            (0, _) => 0,
            _ => kind.number(),
        };
    }
    Some(Arc::new(brick))
}
