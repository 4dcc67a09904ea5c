//! Unsaved work of a program that ended in the middle: listed, brought back with its history, or given up.
//!
//! A journal holds what was done one after the other; [`Reviver`] makes the history's steps of it again, and [`past`]
//! writes a history into a journal that starts after its steps were done.

use super::saving::load_source;
use super::steps::{Change, Entry, LayerState, as_layer_step, entries_between, walk_labels};
use super::task::JobTask;
use super::{Document, Notice, Workspace};
use crate::core::{BrickIndex, CaseId, LabelId, LabelMap, Layer, LayerId, Measurement, Volume};
use crate::edit::{BrickChange, Delta, History, PackedDelta};
use crate::io::journal::{self, JournalEntry, Past, PastSource, Recovered, StepMark};
use crate::io::{Finding, IoError, LoadEvent, ProjectError, VolumeSource};
use crate::jobs::{self, JobContext};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Unsaved work that an earlier session left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recoverable {
    /// The journal's folder.
    pub journal: PathBuf,
    /// One line for the start screen.
    pub text: String,
}

impl Workspace {
    /// Lists work that earlier sessions left behind, in the background.
    pub(super) fn look_for_unsaved_work(&mut self) {
        let folder = self.home.journals();
        self.looking = true;
        let handle = jobs::spawn("Looking for unsaved work", self.waker.clone(), move |_: &JobContext<()>| {
            Ok::<_, std::convert::Infallible>(unsaved_work(&folder))
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            |w, found| {
                w.recoverable = found.unwrap_or_default();
                w.looking = false;
                w.take_up();
            },
        ));
    }

    /// Brings a case back from its journal, which goes on; that of an `untouched` case has nothing to keep and goes.
    pub(super) fn recover_case(&mut self, dir: PathBuf, untouched: bool) {
        let id = self.next_case_id();
        let folder = dir.clone();
        let handle =
            jobs::spawn("Bringing back unsaved work", self.waker.clone(), move |ctx: &JobContext<LoadEvent>| {
                let mut reviver = Reviver::default();
                let found = journal::recover_watched(&folder, &mut |layers, measurements, entry| {
                    reviver.see(layers, measurements, entry);
                })?;
                let Some(found) = found else { return Err(IoError::from(journal::JournalError::InUse(folder))) };
                let history = reviver.finish(&found.layers);
                let image = load_source(found.source.as_ref(), &folder, &found.fingerprint, ctx)?;
                let volume = &image.0;
                if !found.fingerprint.geometry.same_grid(volume.geometry(), 1e-3) {
                    return Err(IoError::from(ProjectError::OtherVolume(folder)));
                }
                let same = found.fingerprint.fits(volume);
                Ok::<_, IoError>((found, history, image, same))
            });
        self.start(JobTask::new(
            handle,
            |_, _| {},
            move |w, opened| {
                w.taken_up(&dir, opened.is_some());
                let Some((found, history, image, same)) = opened else { return };
                w.recoverable.retain(|r| r.journal != dir);
                if !same {
                    w.notify(Notice::warning(
                        "The image is not the one that this work was done on, though it has the same size: look at the \
                         masks before you save them.",
                    ));
                }
                w.take_recovered(id, dir.clone(), found, history, image);
                match w.document_mut(id) {
                    Some(document) if untouched => {
                        document.journal_dir = None;
                        w.discard_recovery(&dir);
                    }
                    // Not saved in any project yet: the journal goes on in the same folder.
                    Some(document) => document.touch(),
                    None => {}
                }
            },
        ));
    }

    fn take_recovered(
        &mut self,
        id: CaseId,
        dir: PathBuf,
        found: Recovered,
        mut history: History<Arc<Entry>>,
        (volume, findings): (Volume, Vec<Finding>),
    ) {
        if found.torn {
            self.notify(Notice::warning(
                "The very last stroke before the crash was cut off; everything older is here.",
            ));
        }
        let mut document = Document::new(id, found.name, *volume.geometry(), volume.header_window);
        // An image that was in no file lies beside the journal, and goes with it.
        let kept = dir.join(journal::IMAGE);
        document.source = found.source.filter(|source| !matches!(source, VolumeSource::Nrrd(file) if *file == kept));
        document.project = found.project;
        document.newer_project = found.newer_project;
        document.fingerprint = Some(found.fingerprint).filter(|f| !f.hu_sha256.is_empty());
        document.journal_dir = Some(dir);
        document.load_findings = findings;
        document.set_volume(volume);
        let mut layers = found.layers;
        let mut numbers = BTreeMap::new();
        let mut fresh = |id: LayerId| *numbers.entry(id).or_insert_with(|| self.next_layer_id());
        layers.iter_mut().for_each(|layer| layer.id = fresh(layer.id));
        // Nobody else holds the steps yet.
        history.entries_mut().filter_map(Arc::get_mut).for_each(|entry| entry.change.renumber(&mut fresh));
        document.case.layers = layers;
        document.repair_selection();
        document.history = history;
        document.revive_measurements(found.measurements);
        self.add_document(document);
    }

    pub(super) fn discard_recovery(&mut self, dir: &Path) {
        self.recoverable.retain(|r| r.journal != dir);
        let dir = dir.to_owned();
        let handle =
            jobs::spawn("Discarding unsaved work", self.waker.clone(), move |_: &JobContext<()>| journal::forget(&dir));
        self.start(JobTask::new(handle, |_, ()| {}, |_, _| {}));
    }
}

fn unsaved_work(folder: &Path) -> Vec<Recoverable> {
    let describe = |dir: PathBuf| {
        let found = journal::recover(&dir).ok().flatten()?;
        let layers = match found.layers.len() {
            1 => "1 layer".to_owned(),
            count => format!("{count} layers"),
        };
        let when = found
            .written
            .and_then(|t| t.elapsed().ok())
            .map_or_else(String::new, |age| format!(", {} ago", plain_age(age)));
        Some(Recoverable { text: format!("{}: {layers}{when}", found.name), journal: dir })
    };
    journal::unfinished(folder).into_iter().filter_map(describe).collect()
}

fn plain_age(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match minutes {
        0 => "less than a minute".into(),
        1..=59 => format!("{minutes} min"),
        60..=2879 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

/// Makes a history of the entries of a journal.
pub(super) struct Reviver {
    history: History<Arc<Entry>>,
    open: Option<OpenStep>,
}

/// A step of several entries whose end has not been seen.
struct OpenStep {
    name: String,
    before: LayerState,
    selected_after: (Option<LayerId>, LabelId),
    /// Entries that still belong to it.
    left: u32,
}

impl Default for Reviver {
    fn default() -> Self {
        Self { history: History::new(super::document::HISTORY_BYTES), open: None }
    }
}

impl Reviver {
    /// Takes an entry, with layers and measurements as they were before it.
    pub fn see(&mut self, layers: &[Layer], measurements: &[Measurement], entry: &JournalEntry) {
        match &mut self.open {
            Some(open) if open.left > 0 => {
                open.left -= 1;
                return;
            }
            Some(_) => self.close(layers),
            None => {}
        }
        match &entry.step {
            None => {}
            Some(StepMark::Labels { name, origin }) => {
                let Some(layer) = layers.iter().find(|l| l.id == entry.layer) else { return };
                let labels = change_of(Some(&layer.labels), &entry.bricks);
                let sources = change_of(layer.work.sources.map(), &entry.sources);
                self.push(name, Change::Labels { layer: layer.id, labels, sources, origin: origin.clone() });
            }
            Some(StepMark::Layers { name, entries, amends, selected }) => {
                let ((active_layer, active_segment), selected_after) = (selected[0], selected[1]);
                let mut before = LayerState { layers: layers.to_vec(), active_layer, active_segment };
                if *amends && let Some(Change::Layers { before: first, .. }) = self.amended() {
                    before = first.clone();
                }
                let (name, left) = (name.clone(), entries.saturating_sub(1));
                self.open = Some(OpenStep { name, before, selected_after, left });
            }
            Some(StepMark::Measurements { name, amends }) => {
                let Some(after) = entry.measurements.clone() else { return };
                let mut before = measurements.to_vec();
                if *amends && let Some(Change::Measurements { before: first, .. }) = self.amended() {
                    before.clone_from(first);
                }
                self.push(name, Change::Measurements { before, after });
            }
            Some(StepMark::Undone) if self.history.undo().is_some() => {}
            Some(StepMark::Redone) if self.history.redo().is_some() => {}
            // A step that is not known any more was taken back, or something was done that no step says.
            Some(StepMark::Undone | StepMark::Redone | StepMark::Lost) => *self = Self::default(),
        }
    }

    /// The history, with the layers as they are in the end.
    pub fn finish(mut self, layers: &[Layer]) -> History<Arc<Entry>> {
        self.close(layers);
        self.history
    }

    fn close(&mut self, layers: &[Layer]) {
        let Some(OpenStep { name, before, selected_after: (active_layer, active_segment), .. }) = self.open.take()
        else {
            return;
        };
        let after = LayerState { layers: layers.to_vec(), active_layer, active_segment };
        self.push(&name, Change::Layers { before, after });
    }

    /// The step that another one takes the place of.
    fn amended(&mut self) -> Option<&Change> {
        self.history.undo().map(|step| &step.change)
    }

    fn push(&mut self, name: &str, change: Change) {
        self.history.push(Arc::new(Entry { name: name.to_owned(), change }));
    }
}

fn change_of(map: Option<&LabelMap>, bricks: &[(BrickIndex, Option<Arc<crate::core::Brick>>)]) -> PackedDelta {
    let changes = bricks.iter().map(|(index, after)| BrickChange {
        index: *index,
        before: map.and_then(|m| m.brick(*index)).cloned(),
        after: after.clone(),
    });
    PackedDelta::of(&Delta { bricks: changes.filter(|c| c.before != c.after).collect() })
}

impl Change {
    /// Gives the layers other numbers.
    fn renumber(&mut self, fresh: &mut impl FnMut(LayerId) -> LayerId) {
        match self {
            Self::Labels { layer, .. } => *layer = fresh(*layer),
            Self::Layers { before, after } => {
                for state in [before, after] {
                    state.layers.iter_mut().for_each(|layer| layer.id = fresh(layer.id));
                    state.active_layer = state.active_layer.map(&mut *fresh);
                }
            }
            Self::Measurements { .. } => {}
        }
    }
}

/// The steps of a history, and how many of them are done.
pub(super) type Steps = (Vec<Arc<Entry>>, usize);

impl Document {
    /// What a journal has to know to bring the history back.
    pub(super) fn done_steps(&self) -> Steps {
        (self.history.entries().cloned().collect(), self.history.position())
    }
}

/// What a journal that starts with these layers and measurements writes in their place later, so that it holds the steps
/// that led to them; `None` where there are no steps.
pub(super) fn past(steps: Steps, layers: Vec<Layer>, measurements: Vec<Measurement>) -> Option<PastSource> {
    let (all, done) = steps;
    if all.is_empty() {
        return None;
    }
    let now = (layers, measurements);
    Some(Box::new(move || {
        let mut first = now.clone();
        for step in all[..done].iter().rev() {
            walk(&mut first, step, true);
        }
        let (layers, measurements) = first.clone();
        let steps: journal::StepSource = Box::new(move |tell| {
            let mut here = first.clone();
            let undone = all[done..].iter().rev().map(|step| (step, true));
            for (step, back) in all.iter().map(|step| (step, false)).chain(undone) {
                walk(&mut here, step, back).iter().try_for_each(&mut *tell)?;
            }
            // What no step says, such as predictions that followed by themselves.
            entries_between(&here.0, &now.0).iter().try_for_each(&mut *tell)
        });
        Past { layers, measurements, steps }
    }))
}

/// Makes a step, or takes it back, and gives the entries that tell a journal of it.
fn walk((layers, measurements): &mut (Vec<Layer>, Vec<Measurement>), step: &Entry, back: bool) -> Vec<JournalEntry> {
    let mark = |forward: StepMark| if back { StepMark::Undone } else { forward };
    let name = || step.name.clone();
    match &step.change {
        Change::Labels { layer, labels, sources, origin } => {
            let mut entries = Vec::new();
            if let Some(layer) = layers.iter_mut().find(|l| l.id == *layer) {
                let (delta, grew) = walk_labels(layer, labels, sources, origin.as_ref(), back);
                entries.extend(grew.then(|| JournalEntry::describe(layer)));
                let bricks: Vec<_> = delta.bricks.iter().map(|b| b.index).collect();
                let labels = StepMark::Labels { name: name(), origin: origin.clone() };
                entries.push(JournalEntry::edit(layer, &bricks).marked(mark(labels)));
            }
            entries
        }
        Change::Layers { before, after } => {
            let (old, state) = (std::mem::take(layers), if back { before } else { after });
            layers.clone_from(&state.layers);
            let selected = [before, after].map(|s| (s.active_layer, s.active_segment));
            let layers_mark = |entries| mark(StepMark::Layers { name: name(), entries, amends: false, selected });
            as_layer_step(entries_between(&old, layers), layers_mark).collect()
        }
        Change::Measurements { before, after } => {
            measurements.clone_from(if back { before } else { after });
            let forward = StepMark::Measurements { name: name(), amends: false };
            vec![JournalEntry::measure(measurements).marked(mark(forward))]
        }
    }
}
