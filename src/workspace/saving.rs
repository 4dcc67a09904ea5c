//! Projects and the crash journal: what a person made is on disk within a second and never lost.

use super::opening::file_label;
use super::task::JobTask;
use super::{Document, FileCommand, Notice, Workspace};
use crate::core::{BrickIndex, CaseId, LayerId, Volume};
use crate::edit::Delta;
use crate::io::journal::{self, Journal, JournalEntry, JournalHead, Recovered};
use crate::io::{self, Fingerprint, IoError, LoadEvent, VolumeSource};
use crate::io::{ProjectData, ProjectError};
use crate::jobs::{self, JobContext};
use glam::DVec3;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How long closing the window waits for the journals' last bytes.
const LAST_FLUSH: Duration = Duration::from_secs(3);

/// Unsaved work that an earlier session left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recoverable {
    /// The journal's folder.
    pub journal: PathBuf,
    /// One line for the start screen.
    pub text: String,
}

/// The journal of a document.
#[derive(Default)]
pub(super) enum Protection {
    /// Nothing was changed since opening or saving.
    #[default]
    Idle,
    /// Being started by a job.
    Starting,
    Running {
        journal: Journal,
        /// The trouble that was told last.
        told: Option<String>,
    },
    /// Could not be started; the user was told, and it is tried again after a while.
    Failed { reason: String, at: Instant },
}

/// Between two tries to start a journal that could not be started.
const RETRY: Duration = Duration::from_secs(3);

impl Workspace {
    pub(super) fn apply_file(&mut self, command: FileCommand) {
        match command {
            FileCommand::SaveProject(path) => self.save_project(path),
            FileCommand::ImportMask(path) => self.import_mask(path),
            FileCommand::ImportFound(index) => self.import_found(index),
            FileCommand::ExportMask(path) => self.export_mask(path),
            FileCommand::ExportLayers(path) => self.export_layers(path),
            FileCommand::ExportVolume(path) => self.export_volume(path),
            FileCommand::ExportStack(export) => self.export_stack(*export),
            FileCommand::ExportSurface(path) => self.export_surface(path),
            FileCommand::ExportReviewed(path) => self.export_reviewed(path),
            FileCommand::ExportDeidentified(path) => self.export_deidentified(path),
        }
    }

    fn save_project(&mut self, path: Option<PathBuf>) {
        let Some(document) = self.active_document() else { return };
        let Some(dir) = path.map(with_project_ending).or_else(|| document.project.clone()) else {
            self.notify(Notice::warning("Choose where to save the project."));
            return;
        };
        if let Some(version) = document.newer_project
            && document.project.as_ref() == Some(&dir)
        {
            self.notify(Notice::warning(format!(
                "This project was saved by a newer Maskwright (format {version}) and is open for reading only: saving \
                 into it would lose what this program does not know. Save it under another name."
            )));
            return;
        }
        let Some(volume) = document.case.volume.clone() else {
            self.notify(Notice::warning("Wait until all slices are read, then save."));
            return;
        };
        if document.saving {
            self.status = "Still saving".into();
            return;
        }
        // What is saved is a whole number of strokes: half a one could still be taken back by Escape.
        self.commit_stroke();
        let Some(document) = self.active_document_mut() else { return };
        document.saving = true;
        let (id, revision) = (document.case.id, document.revision());
        let (name, source) = (document.case.name.clone(), document.source.clone());
        let layers = document.case.layers.clone();
        let view = io::ViewState {
            window: Some(document.view.window),
            table: document.view.table,
            crosshair: Some(document.view.crosshair.to_array()),
            active_layer: document.active_layer,
            active_segment: Some(document.active_segment),
            measurements: document.measurements.clone(),
        };
        let known = document.fingerprint.clone();
        let target = dir.clone();
        let handle = jobs::spawn("Saving the project", self.waker.clone(), move |_: &JobContext<()>| {
            let fingerprint = known.unwrap_or_else(|| Fingerprint::of(&volume));
            let embed = source.is_none().then_some(&*volume);
            let fingerprint_too = fingerprint.clone();
            let data = ProjectData { name, source, fingerprint: fingerprint_too, layers, view, newer: None };
            io::save_project(&target, &data, embed).map(|()| fingerprint)
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, saved| {
                if let Some(document) = w.document_mut(id) {
                    document.saving = false;
                }
                let Some(fingerprint) = saved else {
                    if let Some(document) = w.document_mut(id) {
                        document.save_failed = Some(file_label(&dir));
                    }
                    return;
                };
                w.remember(&dir);
                if let Some(document) = w.document_mut(id) {
                    document.fingerprint = Some(fingerprint);
                    document.project = Some(dir.clone());
                    document.newer_project = None;
                    document.save_failed = None;
                    document.mark_saved(revision);
                    if !document.is_unsaved() {
                        document.end_protection();
                    }
                }
                w.status = format!("Saved {}", file_label(&dir));
            },
        ));
    }

    pub(super) fn open_project(&mut self, dir: PathBuf) {
        let id = self.next_case_id();
        let folder = dir.clone();
        let handle = jobs::spawn("Opening the project", self.waker.clone(), move |ctx: &JobContext<LoadEvent>| {
            let data = io::load_project(&folder)?;
            let volume = load_source(data.source.as_ref(), &folder, ctx)?;
            data.check_volume(&folder, &volume)?;
            let place = if folder.is_dir() { folder.as_path() } else { folder.parent().unwrap_or(Path::new("")) };
            let writable = io::can_write_into(place);
            Ok::<_, IoError>((data, volume, writable))
        });
        self.start(JobTask::new(
            handle,
            |_, _| {},
            move |w, opened| {
                let Some((data, volume, writable)) = opened else { return };
                w.remember(&dir);
                if let Some(version) = data.newer {
                    w.notify(Notice::warning(format!(
                        "{} was saved by a newer Maskwright (format {version}): it is open for reading only, without \
                         what this program does not know. Save it under another name to go on.",
                        file_label(&dir)
                    )));
                } else if !writable {
                    w.notify(Notice::warning(format!(
                        "{} lies in a folder that cannot be written: what you change is kept safe, but must be saved \
                         elsewhere.",
                        file_label(&dir)
                    )));
                }
                let mut document = Document::new(id, data.name, *volume.geometry(), volume.header_window);
                document.newer_project = data.newer;
                document.source = data.source;
                document.fingerprint = Some(data.fingerprint);
                document.project = Some(dir);
                document.set_volume(volume);
                if let Some(window) = data.view.window {
                    document.view.window = window;
                    document.view.table = data.view.table;
                }
                if let Some(crosshair) = data.view.crosshair {
                    document.set_crosshair(DVec3::from_array(crosshair));
                }
                document.active_layer = data.view.active_layer;
                document.active_segment = data.view.active_segment.unwrap_or(1);
                document.adopt_measurements(data.view.measurements);
                w.adopt_layers(&mut document, data.layers);
                w.add_document(document);
            },
        ));
    }

    /// Gives loaded layers fresh numbers and keeps what is selected.
    fn adopt_layers(&mut self, document: &mut Document, layers: Vec<crate::core::Layer>) {
        for mut layer in layers {
            let old = layer.id;
            layer.id = self.next_layer_id();
            if document.active_layer == Some(old) {
                document.active_layer = Some(layer.id);
            }
            document.case.layers.push(layer);
        }
        document.repair_selection();
    }

    /// Lists work that earlier sessions left behind, in the background.
    pub(super) fn look_for_unsaved_work(&mut self) {
        let folder = self.home.journals();
        let handle = jobs::spawn("Looking for unsaved work", self.waker.clone(), move |_: &JobContext<()>| {
            Ok::<_, std::convert::Infallible>(unsaved_work(&folder))
        });
        self.start(JobTask::new(handle, |_, ()| {}, |w, found| w.recoverable = found.unwrap_or_default()));
    }

    pub(super) fn recover(&mut self, dir: PathBuf) {
        let id = self.next_case_id();
        let folder = dir.clone();
        let handle =
            jobs::spawn("Bringing back unsaved work", self.waker.clone(), move |ctx: &JobContext<LoadEvent>| {
                let Some(found) = journal::recover(&folder)? else {
                    return Err(IoError::from(journal::JournalError::InUse(folder)));
                };
                let volume = load_source(found.source.as_ref(), &folder, ctx)?;
                Ok::<_, IoError>((found, volume))
            });
        self.start(JobTask::new(
            handle,
            |_, _| {},
            move |w, opened| {
                let Some((found, volume)) = opened else { return };
                w.recoverable.retain(|r| r.journal != dir);
                w.take_recovered(id, dir, found, volume);
            },
        ));
    }

    fn take_recovered(&mut self, id: CaseId, dir: PathBuf, found: Recovered, volume: Volume) {
        if found.torn {
            self.notify(Notice::warning(
                "The very last stroke before the crash was cut off; everything older is here.",
            ));
        }
        let mut document = Document::new(id, found.name, *volume.geometry(), volume.header_window);
        document.source = found.source;
        document.project = found.project;
        document.fingerprint = Some(found.fingerprint);
        document.journal_dir = Some(dir);
        document.set_volume(volume);
        self.adopt_layers(&mut document, found.layers);
        self.add_document(document);
        if let Some(document) = self.document_mut(id) {
            // Not saved in any project yet: the journal goes on in the same folder.
            document.touch();
        }
    }

    pub(super) fn discard_recovery(&mut self, dir: &Path) {
        self.recoverable.retain(|r| r.journal != dir);
        let dir = dir.to_owned();
        let handle =
            jobs::spawn("Discarding unsaved work", self.waker.clone(), move |_: &JobContext<()>| journal::forget(&dir));
        self.start(JobTask::new(handle, |_, ()| {}, |_, _| {}));
    }

    /// Starts journals of changed cases and tells about disk trouble, once each.
    pub(super) fn watch_journals(&mut self) {
        let mut notices = Vec::new();
        let mut to_start = Vec::new();
        for document in &mut self.documents {
            // A journal starts from whole strokes: Escape may still take the one that goes on back.
            let changed = document.is_unsaved() && document.case.volume.is_some() && document.stroke.is_none();
            match &mut document.protection {
                Protection::Idle if changed => {
                    to_start.push(document.case.id);
                }
                Protection::Failed { at, .. } if changed && at.elapsed() > RETRY => {
                    to_start.push(document.case.id);
                }
                Protection::Running { journal, told } => {
                    let failing = journal.status().failing;
                    if failing != *told {
                        notices.push(match &failing {
                            Some(reason) => Notice::error(format!(
                                "Your work is NOT protected against a crash at the moment: {reason}. Work goes on in \
                                 memory; free some space or save the project elsewhere."
                            )),
                            None => Notice::info("Your work is protected against a crash again."),
                        });
                        *told = failing;
                    }
                }
                _ => {}
            }
        }
        for notice in notices {
            self.notify(notice);
        }
        for id in to_start {
            self.protect(id);
        }
    }

    fn protect(&mut self, id: CaseId) {
        let stamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis());
        let fresh = self.home.journals().join(format!("{stamp}-{}-{}", std::process::id(), id.0));
        let waker = self.waker.clone();
        let Some(document) = self.document_mut(id) else { return };
        let Some(volume) = document.case.volume.clone() else { return };
        let again = matches!(document.protection, Protection::Failed { .. });
        document.protection = Protection::Starting;
        let dir = document.journal_dir.clone().unwrap_or(fresh);
        let (name, source, project) = (document.case.name.clone(), document.source.clone(), document.project.clone());
        let (layers, revision, known) =
            (document.case.layers.clone(), document.revision(), document.fingerprint.clone());
        let journaled: Vec<LayerId> = layers.iter().map(|l| l.id).collect();
        self.journals_starting += 1;
        let handle = jobs::spawn("Protecting your work", waker, move |_: &JobContext<()>| {
            let fingerprint = known.unwrap_or_else(|| Fingerprint::of(&volume));
            let head = JournalHead { name, source, project, fingerprint: fingerprint.clone(), layers };
            let started = Journal::start(&dir, head).map(|journal| (journal, fingerprint));
            Ok::<_, std::convert::Infallible>(started.map_err(|e| e.to_string()))
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, started| {
                w.journals_starting = w.journals_starting.saturating_sub(1);
                // Closed or saved in the meantime: there is nothing left to protect.
                let wanted = w.document_mut(id).filter(|d| matches!(d.protection, Protection::Starting));
                let started = started.unwrap_or_else(|| Err("the program's own defect stopped it".into()));
                match (started, wanted) {
                    (Ok((journal, fingerprint)), Some(document)) => {
                        document.fingerprint = Some(fingerprint);
                        document.protection = Protection::Running { journal, told: None };
                        document.journaled = journaled;
                        if document.revision() != revision {
                            // What changed in the meantime is not known: all layers go in once more.
                            document.journal_changes(&[]);
                        }
                        if again {
                            w.notify(Notice::info("Your work is protected against a crash again."));
                        }
                    }
                    (Ok((journal, _)), None) => discard_aside(journal),
                    (Err(reason), Some(document)) => {
                        let told = format!(
                            "Your work is NOT protected against a crash: {reason}. Work goes on in memory; save the \
                             project soon."
                        );
                        document.protection = Protection::Failed { reason, at: Instant::now() };
                        if !again {
                            w.notify(Notice::error(told));
                        }
                    }
                    (Err(_), None) => {}
                }
            },
        ));
    }

    /// Before the program ends: unsaved work stays in its journal, saved work leaves none.
    pub fn shut_down(&mut self) {
        let start = Instant::now();
        while (self.journals_starting > 0 || self.is_saving_settings()) && start.elapsed() < LAST_FLUSH {
            self.poll();
            std::thread::sleep(Duration::from_millis(5));
        }
        for document in &mut self.documents {
            if let Protection::Running { journal, .. } = std::mem::take(&mut document.protection) {
                if document.is_unsaved() {
                    journal.flush(LAST_FLUSH);
                } else {
                    journal.discard();
                }
            }
        }
    }
}

impl Document {
    /// Why work on this case is not safe on any disk at the moment; `None` while it is, and when nothing was changed.
    pub fn trouble(&self) -> Option<String> {
        if !self.is_unsaved() {
            return None;
        }
        match &self.protection {
            Protection::Running { journal, .. } => journal.status().failing,
            Protection::Failed { reason, .. } => Some(reason.clone()),
            Protection::Idle | Protection::Starting => None,
        }
    }

    /// What could not be saved last, if that is still so.
    pub fn failed_save(&self) -> Option<&str> {
        self.save_failed.as_deref().filter(|_| self.is_unsaved())
    }

    /// Number of the later format that the project is of: it can be looked at and saved under another name.
    pub fn newer_project(&self) -> Option<u32> {
        self.newer_project
    }

    /// Writes an entry to the journal, where one runs.
    pub(super) fn journal(&self, entry: JournalEntry) {
        if let Protection::Running { journal, .. } = &self.protection {
            journal.record(entry);
        }
    }

    /// Writes a change of labels to the journal.
    pub(super) fn journal_delta(&self, layer: LayerId, delta: &Delta) {
        if let (Protection::Running { journal, .. }, Some(target)) = (&self.protection, self.case.layer(layer)) {
            let bricks: Vec<_> = delta.bricks.iter().map(|b| b.index).collect();
            journal.record(JournalEntry::edit(target, &bricks));
        }
    }

    /// Writes a change of the layer list or of segments to the journal: what is new as a whole, of the others names
    /// and segments and the bricks that changed.
    pub(super) fn journal_changes(&mut self, changed: &[(LayerId, Option<Vec<BrickIndex>>)]) {
        let Protection::Running { journal, .. } = &self.protection else { return };
        for gone in self.journaled.iter().filter(|id| self.case.layer(**id).is_none()) {
            journal.record(JournalEntry::remove(*gone));
        }
        for layer in &self.case.layers {
            let bricks = changed.iter().find(|(id, _)| *id == layer.id).and_then(|(_, bricks)| bricks.as_ref());
            match bricks.filter(|_| self.journaled.contains(&layer.id)) {
                Some(bricks) => {
                    if !bricks.is_empty() {
                        journal.record(JournalEntry::edit(layer, bricks));
                    }
                    journal.record(JournalEntry::describe(layer));
                }
                None => journal.record(JournalEntry::put(layer)),
            }
        }
        self.journaled = self.case.layers.iter().map(|l| l.id).collect();
    }

    /// The work is saved or given up: the journal goes, off this thread because its last write may take a while.
    pub(super) fn end_protection(&mut self) {
        self.journal_dir = None;
        self.journaled.clear();
        if let Protection::Running { journal, .. } = std::mem::take(&mut self.protection) {
            discard_aside(journal);
        }
    }
}

/// Removes a journal off this thread, because its last write may take a while.
fn discard_aside(journal: Journal) {
    let ended = std::thread::Builder::new().name("journal end".into()).spawn(move || journal.discard());
    if let Err(error) = ended {
        tracing::warn!(%error, "a journal was left behind");
    }
}

fn load_source(source: Option<&VolumeSource>, place: &Path, ctx: &JobContext<LoadEvent>) -> Result<Volume, IoError> {
    let source = source.ok_or_else(|| IoError::from(ProjectError::NoVolume(place.to_owned())))?;
    io::load_volume(source, ctx)
}

fn unsaved_work(folder: &Path) -> Vec<Recoverable> {
    let describe = |dir: PathBuf| {
        let found = journal::recover(&dir).ok().flatten()?;
        let layers = found.layers.len();
        let when = found
            .written
            .and_then(|t| t.elapsed().ok())
            .map_or_else(String::new, |age| format!(", {} ago", plain_age(age)));
        Some(Recoverable { text: format!("{}: {layers} layer(s){when}", found.name), journal: dir })
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

fn with_project_ending(path: PathBuf) -> PathBuf {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case(io::PROJECT_ENDING)) {
        return path;
    }
    let mut name = path.into_os_string();
    name.push(".");
    name.push(io::PROJECT_ENDING);
    name.into()
}
