//! Projects and the crash journal: what a person made is on disk within a second and never lost.

use super::opening::file_label;
use super::reviving::past;
use super::task::JobTask;
use super::{Document, FileCommand, Notice, Workspace};
use crate::core::{CaseId, LayerId, Volume};
use crate::edit::Delta;
use crate::io::journal::{self, Journal, JournalEntry, JournalHead, StepMark};
use crate::io::{self, Finding, Fingerprint, IoError, LoadEvent, VolumeSource};
use crate::io::{ProjectData, ProjectError};
use crate::jobs::{self, JobContext};
use glam::DVec3;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How long closing the window waits for the journals' last bytes.
pub(super) const LAST_FLUSH: Duration = Duration::from_secs(3);

/// The journal of a document.
#[derive(Default)]
pub(super) enum Protection {
    /// Nothing was changed since opening or saving.
    #[default]
    Idle,
    /// Being started by a job; what was done since.
    Starting { waiting: Vec<JournalEntry> },
    Running {
        journal: Journal,
        /// The trouble that was told last.
        told: Option<String>,
        /// What it has to know of the image is found out, or being found out.
        identified: bool,
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
            FileCommand::ImportFound(chosen) => self.import_found(chosen),
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
                    document.identify(fingerprint);
                    document.project = Some(dir.clone());
                    document.newer_project = None;
                    document.save_failed = None;
                    document.mark_saved(revision);
                    if !document.is_unsaved() {
                        document.end_protection();
                    }
                }
                w.status = format!("Saved {}", file_label(&dir));
                w.list_cases_again();
            },
        ));
    }

    pub(super) fn open_project(&mut self, dir: PathBuf) {
        let id = self.next_case_id();
        let folder = dir.clone();
        let handle = jobs::spawn("Opening the project", self.waker.clone(), move |ctx: &JobContext<LoadEvent>| {
            let data = io::load_project(&folder)?;
            let (volume, findings) = load_source(data.source.as_ref(), &folder, &data.fingerprint, ctx)?;
            data.check_volume(&folder, &volume)?;
            let place = if folder.is_dir() { folder.as_path() } else { folder.parent().unwrap_or(Path::new("")) };
            let writable = io::can_write_into(place);
            Ok::<_, IoError>((data, volume, findings, writable))
        });
        self.start(JobTask::new(
            handle,
            |_, _| {},
            move |w, opened| {
                let to_work = w.take_awaited(&dir);
                let Some((data, volume, findings, writable)) = opened else { return };
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
                document.load_findings = findings;
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
                if to_work {
                    w.leave_case();
                }
                w.add_document(document);
                if to_work {
                    w.go_to_work();
                }
            },
        ));
    }

    /// Gives loaded layers fresh numbers and keeps what is selected.
    pub(super) fn adopt_layers(&mut self, document: &mut Document, layers: Vec<crate::core::Layer>) {
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

    /// Starts journals of changed cases and tells about disk trouble, once each.
    pub(super) fn watch_journals(&mut self) {
        let mut notices = Vec::new();
        let mut to_start = Vec::new();
        for document in &mut self.documents {
            // A journal starts from whole strokes: Escape may still take the one that goes on back.
            let changed = document.is_unsaved() && document.stroke.is_none();
            match &mut document.protection {
                Protection::Idle if changed => {
                    to_start.push(document.case.id);
                }
                Protection::Failed { at, .. } if changed && at.elapsed() > RETRY => {
                    to_start.push(document.case.id);
                }
                Protection::Running { journal, told, .. } => {
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
        self.identify_images();
    }

    /// Starts the journal of a case where the first stroke has just ended: the next one may begin before the next frame.
    pub(super) fn protect_at_once(&mut self, id: CaseId) {
        let bare = |d: &Document| d.is_unsaved() && matches!(d.protection, Protection::Idle);
        if self.document(id).is_some_and(bare) {
            self.protect(id);
        }
    }

    pub(super) fn protect(&mut self, id: CaseId) {
        let stamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis());
        let fresh = self.home.journals().join(format!("{stamp}-{}-{}", std::process::id(), id.0));
        let waker = self.waker.clone();
        let Some(document) = self.document_mut(id) else { return };
        let again = matches!(document.protection, Protection::Failed { .. });
        document.protection = Protection::Starting { waiting: Vec::new() };
        let dir = document.journal_dir.clone().unwrap_or(fresh);
        // An image that is in no file is kept there later: the masks do not wait for it, nor for what identifies it.
        let source = document.source.clone().unwrap_or_else(|| VolumeSource::Nrrd(dir.join(journal::IMAGE)));
        let geometry = document.case.geometry;
        let head = JournalHead {
            name: document.case.name.clone(),
            source: Some(source),
            project: document.project.clone(),
            fingerprint: document.fingerprint.clone().unwrap_or_else(|| Fingerprint::of_grid(geometry)),
            layers: document.case.layers.clone(),
            measurements: document.measurements.clone(),
            newer_project: document.newer_project,
        };
        let past = past(document.done_steps(), head.layers.clone(), head.measurements.clone());
        self.journals_starting += 1;
        let handle = jobs::spawn("Protecting your work", waker, move |_: &JobContext<()>| {
            let started = Journal::start(&dir, head, past);
            Ok::<_, std::convert::Infallible>(started.map_err(|e| e.to_string()))
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, started| {
                w.journals_starting = w.journals_starting.saturating_sub(1);
                // Closed or saved in the meantime: there is nothing left to protect.
                let wanted = w.document_mut(id).filter(|d| matches!(d.protection, Protection::Starting { .. }));
                let started = started.unwrap_or_else(|| Err("the program's own defect stopped it".into()));
                match (started, wanted) {
                    (Ok(journal), Some(document)) => {
                        let running = Protection::Running { journal, told: None, identified: false };
                        if let Protection::Starting { waiting } = std::mem::replace(&mut document.protection, running) {
                            waiting.into_iter().for_each(|entry| document.journal(entry));
                        }
                        if again {
                            w.notify(Notice::info("Your work is protected against a crash again."));
                        }
                    }
                    (Ok(journal), None) => discard_aside(journal),
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
        while (self.journals_starting > 0 || self.identifying > 0 || self.is_saving_settings())
            && start.elapsed() < LAST_FLUSH
        {
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
            Protection::Idle | Protection::Starting { .. } => None,
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
    pub(super) fn journal(&mut self, entry: JournalEntry) {
        match &mut self.protection {
            Protection::Running { journal, .. } => journal.record(entry),
            Protection::Starting { waiting } => waiting.push(entry),
            // A journal that starts later begins with what is there then.
            Protection::Idle | Protection::Failed { .. } => {}
        }
    }

    /// Writes a change of labels to the journal, as a step of the history or without one.
    pub(super) fn journal_delta(&mut self, layer: LayerId, delta: &Delta, step: Option<StepMark>) {
        if let Some(target) = self.case.layer(layer) {
            let bricks: Vec<_> = delta.bricks.iter().map(|b| b.index).collect();
            let entry = JournalEntry { step, ..JournalEntry::edit(target, &bricks) };
            self.journal(entry);
        }
    }

    /// The work is saved or given up: the journal goes, off this thread because its last write may take a while.
    pub(super) fn end_protection(&mut self) {
        self.journal_dir = None;
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

/// The image as it was when `fingerprint` was taken: on a scale of its own, or in whole HU.
pub(super) fn load_source(
    source: Option<&VolumeSource>,
    place: &Path,
    fingerprint: &Fingerprint,
    ctx: &JobContext<LoadEvent>,
) -> Result<(Volume, Vec<Finding>), IoError> {
    let source = source.ok_or_else(|| IoError::from(ProjectError::NoVolume(place.to_owned())))?;
    let (volume, findings) = io::load_values(source, ctx)?;
    let is_file = !matches!(source, VolumeSource::Dicom(_));
    if is_file && volume.scale.is_some() && !fingerprint.fits(&volume) {
        return io::load_volume_with_findings(source, ctx);
    }
    Ok((volume, findings))
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
