//! Operations on the active segment: the rules they follow, their preview, and their commit as one named step.
//!
//! What may take long runs as a job on a snapshot. Its result is committed only if the mask is still what it was when
//! the job began; otherwise the user is told and nothing changes.

use super::steps::Traces;
use super::task::JobTask;
use super::working::unmark_slices;
use super::{Document, Notice, Workspace};
use crate::core::{CaseId, LabelId, LabelMap, LayerId, Origin, Segment};
use crate::edit::{EditError, Edited, LassoMode, Limits, NoWatch, Operation, Over, PaintRule, Watch};
use crate::jobs::{self, CancelToken, JobContext};
use std::sync::Arc;

/// Which voxels every editing tool may change; shared by all cases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EditRules {
    /// What may be painted over.
    pub over: Over,
    /// Whether only values within `hu` may change.
    pub hu_only: bool,
    /// In HU, both ends included.
    pub hu: [i16; 2],
    /// Only inside a segment, perhaps of another layer.
    pub inside: Option<(LayerId, LabelId)>,
}

impl Default for EditRules {
    fn default() -> Self {
        Self { over: Over::All, hu_only: false, hu: HU_RANGES[0].1, inside: None }
    }
}

/// Ranges of tissue in HU, both ends included: skeletal muscle as body composition studies take it
/// (Mitsiopoulos and others, 1998), adipose tissue likewise, aerated lung, and cortical bone.
pub const HU_RANGES: [(&str, [i16; 2]); 4] =
    [("Muscle", [-29, 150]), ("Fat", [-190, -30]), ("Lung", [-1000, -400]), ("Bone", [200, 3000])];

/// What an operation would change, drawn but not done.
#[derive(Debug, Clone)]
pub struct Preview {
    pub layer: LayerId,
    /// The step's name, as it will stand in the history.
    pub name: String,
    /// The layer's labels with what would be added and taken away under labels of their own.
    pub drawn: LabelMap,
    /// Label of what would be added in `drawn`, and of what would be taken away; a layer that has used up its labels
    /// has no such mark.
    pub marks: [Option<LabelId>; 2],
    /// Voxels that would be added and taken away.
    pub changed: [u64; 2],
    /// Their volume in ml.
    pub changed_ml: [f64; 2],
    result: Arc<Finished>,
    /// Of the case when the operation began.
    revision: u64,
}

/// What is being computed for a case, and what of it is shown.
#[derive(Default)]
pub(super) struct Masking {
    running: Option<Running>,
    /// What is to be computed after it.
    next: Option<Wish>,
    preview: Option<Preview>,
}

struct Running {
    serial: u64,
    cancel: CancelToken,
    /// Committed when it ends, instead of being shown.
    apply: bool,
    name: String,
}

/// An operation, whether it is done or shown, and in whose name.
struct Wish {
    operation: Operation,
    apply: bool,
    origin: Origin,
    /// Segments that it brings along.
    segments: Vec<Segment>,
}

/// An operation that has come to its end.
#[derive(Debug)]
struct Finished {
    layer: LayerId,
    base: LabelMap,
    edited: Edited,
    traces: Traces,
    origin: Origin,
    /// Segments of new labels.
    segments: Vec<Segment>,
}

/// Hands a job's cancel token and progress to an operation.
struct JobWatch<'a>(&'a JobContext<()>);

impl Watch for JobWatch<'_> {
    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    fn progress(&self, fraction: f32) {
        self.0.progress.set((fraction * 1000.0) as u64, 1000);
        self.0.wake();
    }
}

/// Where an edit goes and by which rule.
pub(super) struct Target {
    pub case: CaseId,
    pub layer: LayerId,
    pub segment: String,
    pub rule: PaintRule,
}

impl Workspace {
    /// Layer, segment and rule for an edit of the active case; says why when there is none.
    pub(super) fn target(&mut self) -> Option<Target> {
        let id = self.active?;
        if self.active_document().is_some_and(|d| d.layer().is_none()) {
            // Painting on a case without a mask starts one, as a pencil on paper would.
            self.new_layer(id);
        }
        let document = self.document(id)?;
        if document.stroke.is_some() {
            return None;
        }
        match target_in(document, &self.rules) {
            Ok(target) => Some(target),
            Err(text) => {
                self.notify(Notice::warning(text));
                None
            }
        }
    }

    /// Computes an operation and shows what it would change, or with `apply` does it.
    pub(super) fn operate(&mut self, operation: Operation, apply: bool) {
        let turned = self.active_document().is_some_and(|d| d.view.oblique.is_some());
        if turned && matches!(operation, Operation::CopySlice { .. }) {
            // The slice that is meant is not the plane that is seen.
            self.notify(Notice::warning(EditError::StraightOnly.to_string()));
            return;
        }
        self.operate_as(operation, apply, Origin::Human, Vec::new());
    }

    /// As [`Self::operate`] in the name of `origin`; of `segments` those come into being whose labels are used.
    pub(super) fn operate_as(&mut self, operation: Operation, apply: bool, origin: Origin, segments: Vec<Segment>) {
        let Some(target) = self.target() else { return };
        let (waker, serial) = (self.waker.clone(), self.last_id + 1);
        let Some(document) = self.document_mut(target.case) else { return };
        if let Some(running) = &document.masking.running {
            if running.apply {
                let name = running.name.clone();
                self.notify(Notice::warning(format!("{name} is still running: wait for it or cancel it.")));
            } else {
                // The newest wish counts: the one that runs makes room for it.
                running.cancel.cancel();
                document.masking.next = Some(Wish { operation, apply, origin, segments });
            }
            return;
        }
        if apply {
            document.drop_preview();
        }
        let name = format!("{}: {}", operation.name(), target.segment);
        let Some(layer) = document.case.layer(target.layer) else { return };
        let base = layer.clone();
        let mut operation = operation;
        if let Operation::Lasso { mode: LassoMode::Split { label }, .. }
        | Operation::LassoOn { mode: LassoMode::Split { label }, .. } = &mut operation
        {
            *label = layer.free_label().unwrap_or(0);
        }
        let free = if operation.is_joint() { [None, None] } else { free_labels(layer) };
        let (revision, voxel_ml) = (document.revision(), document.case.geometry.voxel_volume() / 1000.0);
        let image = document.case.volume.clone();
        let (case, layer, rule) = (target.case, target.layer, target.rule);
        let quick = operation.is_quick();
        let title = operation.name();
        let step = name.clone();
        let work = move |watch: &dyn Watch| {
            let edited = operation.run(&mut base.labels.clone(), &rule, image.as_deref(), watch)?;
            let traces = Traces::of(&base, &edited.delta, Some(&origin));
            let segments = new_segments(&base, &edited, segments);
            let finished = Finished { layer, base: base.labels, edited, traces, origin, segments };
            Ok(if apply { Ok(finished) } else { Err(preview(finished, name, free, revision, voxel_ml)) })
        };
        if quick {
            let done = work(&NoWatch);
            self.finish(case, &step, done);
            return;
        }
        self.last_id = serial;
        let handle = jobs::spawn(title, waker, move |ctx: &JobContext<()>| {
            ctx.progress.say(title);
            Ok::<_, String>(work(&JobWatch(ctx)))
        });
        if let Some(document) = self.document_mut(case) {
            let cancel = handle.cancel.clone();
            document.masking.running = Some(Running { serial, cancel, apply, name: step.clone() });
        }
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, done| {
                let Some(document) = w.document_mut(case) else { return };
                if document.masking.running.as_ref().is_none_or(|r| r.serial != serial) {
                    return;
                }
                let apply_now = document.masking.running.take().is_some_and(|r| r.apply) && !apply;
                let next = document.masking.next.take();
                // Another case may be looked at by now: what was asked for there is not done here.
                if let Some(next) = next.filter(|_| w.active == Some(case)) {
                    w.operate_as(next.operation, next.apply || apply_now, next.origin, next.segments);
                    return;
                }
                if let Some(done) = done {
                    w.finish(case, &step, done);
                }
                if apply_now {
                    w.apply_preview_of(case);
                }
            },
        ));
    }

    /// Takes in what an operation came to.
    fn finish(&mut self, case: CaseId, name: &str, done: Result<Result<Finished, Preview>, EditError>) {
        match done {
            Err(EditError::Cancelled) => self.status = format!("{name}: cancelled"),
            Err(error) => {
                if let Some(document) = self.document_mut(case) {
                    document.drop_preview();
                }
                self.notify(Notice::warning(error.to_string()));
            }
            Ok(Ok(finished)) => self.commit(case, name, &finished),
            Ok(Err(preview)) => {
                if let Some(document) = self.document_mut(case)
                    && document.revision() == preview.revision
                    && document.stroke.is_none()
                {
                    document.show_preview(preview);
                }
            }
        }
    }

    /// Does what an operation found, if the mask is still the one that it looked at.
    fn commit(&mut self, case: CaseId, name: &str, finished: &Finished) {
        let Some(document) = self.document_mut(case) else { return };
        let layer = finished.layer;
        let same = document.stroke.is_none()
            && document.case.layer(layer).is_some_and(|l| l.labels.changed_bricks(&finished.base).is_empty());
        if !same {
            let text = format!("{name} was not done: the mask was changed in the meantime. Ask for it again.");
            self.notify(Notice::warning(text));
            return;
        }
        let edited = &finished.edited;
        if edited.delta.is_empty() {
            self.notify(Notice::info(format!("{name}: there was nothing to change.")));
            return;
        }
        if !finished.segments.is_empty() {
            self.change_layers(case, name, |d| {
                if let Some(layer) = d.case.layer_mut(layer) {
                    finished.traces.leave(layer, &edited.delta, &finished.origin);
                    edited.delta.apply(&mut layer.labels);
                    unmark_slices(layer, &edited.delta, matches!(finished.origin, Origin::Model { .. }));
                    layer.segments.extend(finished.segments.iter().cloned());
                }
            });
        } else if let Some(target) = document.case.layer_mut(layer) {
            edited.delta.apply(&mut target.labels);
            document.mark_bricks(layer, edited.delta.bricks.iter().map(|b| b.index));
            let traces = finished.traces.clone();
            document.record_traced(name.to_owned(), layer, &edited.delta, traces, Some(&finished.origin));
        }
        self.status = format!("Done: {name}");
    }

    /// Does what the preview shows; one that is still being computed is done when it is ready.
    pub(super) fn apply_preview(&mut self) {
        let Some(document) = self.active_document_mut() else { return };
        if let Some(running) = &mut document.masking.running {
            running.apply = true;
            return;
        }
        let case = document.case.id;
        self.apply_preview_of(case);
    }

    fn apply_preview_of(&mut self, case: CaseId) {
        if let Some(preview) = self.document_mut(case).and_then(Document::drop_preview) {
            self.commit(case, &preview.name, &preview.result);
        }
    }

    /// Forgets the preview, also one that is still being computed.
    pub(super) fn cancel_preview(&mut self) {
        let Some(document) = self.active_document_mut() else { return };
        document.masking.next = None;
        if let Some(running) = document.masking.running.as_ref().filter(|r| !r.apply) {
            running.cancel.cancel();
        }
        document.drop_preview();
    }

    /// A preview of a mask that has changed since is worth nothing. Called once a frame.
    pub(super) fn drop_stale_previews(&mut self) {
        for document in &mut self.documents {
            let revision = document.revision();
            if document.masking.preview.as_ref().is_some_and(|p| p.revision != revision) {
                document.drop_preview();
            }
        }
    }
}

impl Document {
    /// What an operation would change, when one is shown.
    pub fn preview(&self) -> Option<&Preview> {
        self.masking.preview.as_ref()
    }

    /// Whether an operation is being computed.
    pub fn is_operating(&self) -> bool {
        self.masking.running.is_some()
    }

    /// Stops what is being computed: the case is closed.
    pub(super) fn stop_operation(&mut self) {
        if let Some(running) = self.masking.running.take() {
            running.cancel.cancel();
        }
    }

    /// The labels to draw for a layer: its own, or the preview's.
    pub fn drawn_labels(&self, layer: LayerId) -> Option<&LabelMap> {
        match &self.masking.preview {
            Some(preview) if preview.layer == layer => Some(&preview.drawn),
            _ if self.active_layer == Some(layer) && self.source_view().is_some() => self.source_view(),
            _ => self.case.layer(layer).map(|l| &l.labels),
        }
    }

    fn show_preview(&mut self, preview: Preview) {
        self.drop_preview();
        self.mark_bricks(preview.layer, preview.result.edited.delta.bricks.iter().map(|b| b.index));
        self.masking.preview = Some(preview);
    }

    pub(super) fn drop_preview(&mut self) -> Option<Preview> {
        let preview = self.masking.preview.take()?;
        self.mark_bricks(preview.layer, preview.result.edited.delta.bricks.iter().map(|b| b.index));
        Some(preview)
    }
}

/// Layer, active segment and rule of a case, or why there is none.
fn target_in(document: &Document, rules: &EditRules) -> Result<Target, String> {
    let layer = document.layer().ok_or("Add a layer to paint on.")?;
    let segment = layer.segment(document.active_segment).ok_or("Add or choose a segment to paint with.")?;
    if segment.locked {
        return Err(format!("{} is locked: unlock it in the segment list to paint.", segment.name));
    }
    let mut locked = [false; 256];
    for s in layer.segments.iter().filter(|s| s.locked) {
        locked[usize::from(s.id)] = true;
    }
    if let Over::Segment(over) = rules.over
        && layer.segment(over).is_none()
    {
        return Err(
            "The segment that may be painted over is not in this layer: choose another in the Edit mask tab.".into()
        );
    }
    let hu = match (&document.case.volume, rules.hu_only) {
        (_, false) => None,
        (Some(volume), true) => Some((Arc::clone(volume), rules.hu)),
        (None, true) => return Err(EditError::ImageMissing.to_string()),
    };
    let inside = match rules.inside {
        None => None,
        Some((id, label)) => {
            let missing = "The segment to stay inside of is not in this case: choose another in the Edit mask tab.";
            let layer = document.case.layer(id).ok_or(missing)?;
            Some((layer.labels.clone(), label))
        }
    };
    let rule = PaintRule { label: segment.id, over: rules.over, locked, limits: Limits { hu, inside } };
    Ok(Target { case: document.case.id, layer: layer.id, segment: segment.name.clone(), rule })
}

/// Segments for labels that came into use: those that the operation brings along, and new ones for parts split off.
fn new_segments(layer: &crate::core::Layer, edited: &Edited, offered: Vec<Segment>) -> Vec<Segment> {
    let mut segments: Vec<Segment> =
        edited.new_labels.iter().map(|&label| Segment::new(label, format!("Segment {label}"))).collect();
    let used = |s: &Segment| {
        let bricks = edited.delta.bricks.iter().filter_map(|b| b.after.as_ref());
        layer.segment(s.id).is_none() && bricks.into_iter().any(|b| b.contains(&s.id))
    };
    segments.extend(offered.into_iter().filter(used));
    segments
}

/// Two labels that no segment has, for the marks of a preview.
fn free_labels(layer: &crate::core::Layer) -> [Option<LabelId>; 2] {
    let mut free = (1..=LabelId::MAX).rev().filter(|id| layer.segment(*id).is_none());
    [free.next(), free.next()]
}

fn preview(finished: Finished, name: String, marks: [Option<LabelId>; 2], revision: u64, voxel_ml: f64) -> Preview {
    let mut drawn = finished.base.clone();
    let mut changed = [0u64; 2];
    for change in &finished.edited.delta.bricks {
        let mut brick = change.before.as_ref().map_or_else(|| Arc::new([0; _]), Arc::clone);
        let voxels = Arc::make_mut(&mut brick);
        for (n, voxel) in voxels.iter_mut().enumerate() {
            let after = change.after.as_ref().map_or(0, |b| b[n]);
            if *voxel != after {
                let kind = usize::from(after == 0);
                changed[kind] += 1;
                *voxel = marks[kind].unwrap_or(after);
            }
        }
        drawn.set_brick(change.index, Some(brick));
    }
    let changed_ml = changed.map(|n| n as f64 * voxel_ml);
    Preview { layer: finished.layer, name, drawn, marks, changed, changed_ml, result: Arc::new(finished), revision }
}
