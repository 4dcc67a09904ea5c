//! Prompts in the window: scribbles go to the loop, its answer comes back as one step of the history.
//!
//! Every answer rests on all prompts of its slice. So they follow the history: a step that is taken back takes its
//! prompts along, and brings them back when it is done again.

use super::super::steps::Entry;
use super::super::{Document, Notice, Workspace};
use super::{Ask, LearnedLayer};
use crate::core::{CaseId, LabelId, Origin, Plane};
use crate::edit::Delta;
use crate::learn::{PromptChange, PromptPoint};
use crate::nn::AxialView;
use glam::DVec3;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

/// Slice and class.
type Place = (usize, LabelId);

/// The prompts of a case.
#[derive(Debug, Default)]
pub(super) struct PromptDesk {
    prompts: BTreeMap<Place, Prompts>,
    /// Steps of the history that answers made.
    steps: Vec<PromptStep>,
    /// Answers that came while somebody painted.
    held: Vec<Answer>,
}

/// The prompts of one class on one slice, and what they changed so far.
#[derive(Debug, Clone, Default)]
struct Prompts {
    points: Vec<PromptPoint>,
    /// So many of the points have their answer in the mask.
    answered: usize,
    change: PromptChange,
}

/// A step of the history, and the prompts before and after it.
#[derive(Debug)]
struct PromptStep {
    entry: Weak<Entry>,
    place: Place,
    before: Prompts,
    after: Prompts,
}

/// What the loop makes of all prompts of a class on a slice.
#[derive(Debug)]
pub(super) struct Answer {
    pub slice: usize,
    pub class: LabelId,
    /// The prompts that it answers.
    pub points: Vec<PromptPoint>,
    pub change: PromptChange,
    pub seconds: f64,
}

/// What became of an answer.
enum Outcome {
    /// It is in the mask and changed so many voxels.
    Put(usize),
    /// Prompts were taken back since it was asked for: these are still without answer.
    Outdated(Vec<PromptPoint>),
    /// The slice was finished meanwhile.
    Finished,
}

impl PromptDesk {
    /// The slice is done: later prompts begin anew on what it shows now.
    pub(super) fn finish(&mut self, slice: usize) {
        self.prompts.retain(|(at, _), _| *at != slice);
    }

    fn follow(&mut self, entry: &Arc<Entry>, undone: bool) {
        let Some(step) = self.steps.iter().find(|s| std::ptr::eq(s.entry.as_ptr(), Arc::as_ptr(entry))) else { return };
        let prompts = self.prompts.entry(step.place).or_default();
        // What has been asked since stays asked.
        let asked = prompts.points.split_off(prompts.answered.min(prompts.points.len()));
        prompts.clone_from(if undone { &step.before } else { &step.after });
        prompts.points.extend(asked);
    }
}

impl Workspace {
    pub(super) fn prompt(&mut self, plane: Plane, points: &[DVec3], inside: bool) {
        if plane != Plane::Axial {
            self.notify(Notice::warning("Prompt on the axial slices: the network looks at those."));
            return;
        }
        let running = self.learning.is_running();
        let Some(document) = self.active_document_mut() else { return };
        let (case, slice, class) = (document.case.id, document.slice_index(Plane::Axial), document.active_segment);
        let view = AxialView::new(&document.case.geometry);
        let active = document.active_layer;
        let Some(learned) = document.learned_mut().filter(|l| running && l.layer() == active) else {
            self.notify(Notice::warning(
                "Prompts need the learning loop: start it on this case, and choose its layer.",
            ));
            return;
        };
        let prompts = learned.prompts.prompts.entry((slice, class)).or_default();
        prompts.points.extend(points.iter().filter(|voxel| voxel.is_finite()).map(|voxel| {
            let [x, y] = view.pixel(*voxel);
            PromptPoint { x, y, inside }
        }));
        let points = prompts.points.clone();
        self.learning.ask(Ask::Prompt { case: case.0, slice, class, points });
    }

    /// Puts the answer into the mask as a step that undo takes back; during a stroke it waits for its end.
    pub(super) fn take_adapted(&mut self, case: CaseId, answer: Answer) {
        let Some(document) = self.document_mut(case) else { return };
        let painting = document.stroke.is_some();
        let Some(learned) = document.learned_mut() else { return };
        if painting {
            learned.prompts.held.push(answer);
            return;
        }
        let (slice, class) = (answer.slice, answer.class);
        match document.put_answer(&answer) {
            Outcome::Put(changed) => {
                self.status = format!("The slice adapted in {:.0} ms, {changed} voxels", answer.seconds * 1000.0);
            }
            Outcome::Outdated(points) if points.is_empty() => {}
            Outcome::Outdated(points) => self.learning.ask(Ask::Prompt { case: case.0, slice, class, points }),
            Outcome::Finished => {
                self.status = "The answer came after the slice was done: prompt again to change it".into();
            }
        }
    }

    /// Answers that waited for a stroke's end.
    pub(in crate::workspace) fn put_held_answers(&mut self) {
        let mut held = Vec::new();
        for document in self.documents.iter_mut().filter(|d| d.stroke.is_none()) {
            let case = document.case.id;
            if let Some(learned) = document.learned_mut() {
                held.extend(learned.prompts.held.drain(..).map(|answer| (case, answer)));
            }
        }
        held.into_iter().for_each(|(case, answer)| self.take_adapted(case, answer));
    }
}

impl Document {
    /// Only what the prompts change of the network's own answer is changed; what was painted elsewhere stays. Locked
    /// segments stay too.
    fn put_answer(&mut self, answer: &Answer) -> Outcome {
        let (slice, class, change) = (answer.slice, answer.class, &answer.change);
        let Some(id) = self.learned().and_then(LearnedLayer::layer) else { return Outcome::Finished };
        let Some(layer) = self.case.layer(id) else { return Outcome::Finished };
        let locked: [bool; 256] =
            std::array::from_fn(|n| layer.segments.iter().any(|s| usize::from(s.id) == n && s.locked));
        let name = format!("Prompt {}", layer.segment(class).map_or("segment", |s| s.name.as_str()));
        let Some(learned) = self.learned_mut() else { return Outcome::Finished };
        let Some(prompts) = learned.prompts.prompts.get_mut(&(slice, class)) else { return Outcome::Finished };
        let count = answer.points.len();
        if count <= prompts.answered || !prompts.points.starts_with(&answer.points) {
            let open = prompts.points.len() > prompts.answered;
            return Outcome::Outdated(if open { prompts.points.clone() } else { Vec::new() });
        }
        let answered = prompts.points[..prompts.answered].to_vec();
        let before = Prompts { points: answered, ..prompts.clone() };
        prompts.answered = count;
        if locked[usize::from(class)] {
            return Outcome::Put(0);
        }
        prompts.change.clone_from(change);
        let after = Prompts { points: answer.points.clone(), ..prompts.clone() };
        let left = |old: &[u32], new: &[u32]| -> Vec<u32> {
            let new: BTreeSet<&u32> = new.iter().collect();
            old.iter().filter(|v| !new.contains(v)).copied().collect()
        };
        // What an earlier answer changed and this one does not goes back.
        let (no_longer_on, no_longer_off) =
            (left(&before.change.on, &change.on), left(&before.change.off, &change.off));
        let Some(layer) = self.case.layer_mut(id) else { return Outcome::Finished };
        let view = AxialView::new(layer.labels.geometry());
        let old = view.label_slice(&layer.labels, slice);
        let width = view.size()[0];
        let map = layer.labels.clone();
        let mut count = 0;
        for (pixels, on) in [(&no_longer_on, false), (&change.off, false), (&no_longer_off, true), (&change.on, true)] {
            for &pixel in pixels {
                let at = pixel as usize;
                let Some(&label) = old.get(at) else { continue };
                let wanted = if on { class } else { 0 };
                let may = if on { label != class && !locked[usize::from(label)] } else { label == class };
                if may {
                    layer.labels.set(view.voxel(at % width, at / width, slice), wanted);
                    count += 1;
                }
            }
        }
        let delta = Delta::between(&map, &layer.labels).unwrap_or_default();
        if delta.is_empty() {
            return Outcome::Put(0);
        }
        self.mark_bricks(id, delta.bricks.iter().map(|b| b.index));
        self.record_labels(name, id, delta, Some(&Origin::Human));
        let newest = self.history.position().checked_sub(1);
        let entry = newest.and_then(|at| self.history.entries().nth(at)).map(Arc::downgrade);
        if let (Some(entry), Some(learned)) = (entry, self.learned_mut()) {
            // Steps that the history has forgotten are never walked again.
            learned.prompts.steps.retain(|s| s.entry.strong_count() > 0);
            learned.prompts.steps.push(PromptStep { entry, place: (slice, class), before, after });
        }
        Outcome::Put(count)
    }

    /// Prompts go and come back with the step of the history that they made.
    pub(in crate::workspace) fn follow_prompts(&mut self, entry: &Arc<Entry>, undone: bool) {
        if let Some(learned) = &mut self.learned {
            learned.prompts.follow(entry, undone);
        }
    }
}
