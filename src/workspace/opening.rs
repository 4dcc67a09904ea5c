//! Scanning folders and reading series into documents.

use super::cohort::StudyOf;
use super::task::JobTask;
use super::{Document, Notice, OpenCommand, Workspace};
use crate::core::{CaseId, Layer, LayerId, Origin};
use crate::io::{LoadEvent, Scan, Series, Severity, VolumeSource};
use crate::jobs::{self, JobContext};
use crate::phantom::{self, PhantomSpec};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Workspace {
    pub(super) fn apply_open(&mut self, command: OpenCommand) {
        match command {
            OpenCommand::Path(path) => self.open_path(path),
            OpenCommand::Series { patient, study, series } => self.open_scanned(patient, study, series),
            OpenCommand::Answer(answer) => self.answer(answer),
            OpenCommand::DemoPatient => self.open_demo(),
            OpenCommand::Activate(id) => self.activate(id),
            OpenCommand::Close(id) => self.close(id),
            OpenCommand::Recover(path) => self.recover_case(path, false),
            OpenCommand::Resume(resumption) => self.resume(resumption),
            OpenCommand::DiscardRecovery(path) => self.discard_recovery(&path),
        }
    }

    fn open_path(&mut self, path: PathBuf) {
        if crate::io::is_project(&path) {
            self.open_project(path);
            return;
        }
        let shown = path.clone();
        let handle = jobs::spawn("Scanning the folder", self.waker.clone(), move |ctx: &JobContext<()>| {
            crate::io::scan(&path, ctx)
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, scan| {
                if let Some(scan) = scan {
                    w.take_scan(&shown, scan);
                }
            },
        ));
    }

    fn take_scan(&mut self, path: &Path, scan: Scan) {
        let openable: Vec<(usize, usize, usize)> = scan
            .patients
            .iter()
            .enumerate()
            .flat_map(|(p, patient)| {
                patient.studies.iter().enumerate().flat_map(move |(s, study)| {
                    study
                        .series
                        .iter()
                        .enumerate()
                        .filter(|(_, x)| x.can_open_somehow() && !x.is_copy())
                        .map(move |(n, _)| (p, s, n))
                })
            })
            .collect();
        let masks = scan.masks.len();
        let overlays: Vec<Series> = scan.series().filter(|s| s.can_lay_over()).cloned().collect();
        if openable.is_empty() && overlays.is_empty() && masks > 0 && self.active_document().is_some() {
            // A mask dropped onto an open case belongs to it.
            self.import_mask(path.to_owned());
            return;
        }
        self.remember(path);
        let parts = parts_of_one(&scan);
        self.scan = Some(scan);
        if let Some(whole) = parts {
            self.open_series(whole);
            return;
        }
        match openable.as_slice() {
            // One possibility is no choice: open it.
            [(p, s, n)] => self.open_scanned(*p, *s, *n),
            [] if overlays.len() == 1 => overlays.into_iter().for_each(|series| self.open_series(series)),
            [] if !overlays.is_empty() => self.notify(Notice::info(format!(
                "{} series can be laid over a CT: choose one in the patient panel.",
                overlays.len()
            ))),
            [] if masks > 0 => self.notify(Notice::warning(
                "Only masks were found here. Open the image they belong to first, then import the mask.",
            )),
            [] => self.notify(Notice::warning(
                "No CT series that can be opened was found here; the patient panel lists what was found and why.",
            )),
            many => {
                let count = many.len();
                self.notify(Notice::info(format!("{count} series can be opened: choose one in the patient panel.")));
            }
        }
    }

    fn open_scanned(&mut self, patient: usize, study: usize, series: usize) {
        let found =
            self.scan.as_ref().and_then(|s| s.patients.get(patient)?.studies.get(study)?.series.get(series)).cloned();
        let Some(series) = found else { return };
        if series.can_open_somehow() || series.can_lay_over() {
            self.open_series(series);
        } else {
            self.notify(Notice::warning(format!(
                "{} cannot be opened as CT; the patient panel says why.",
                series.label
            )));
        }
    }

    pub(super) fn load_series(&mut self, series: Series) {
        let Some(source) = series.source.clone() else { return };
        let id = self.next_case_id();
        let reader = source.clone();
        let handle = jobs::spawn("Reading the series", self.waker.clone(), move |ctx: &JobContext<LoadEvent>| {
            crate::io::load_values(&reader, ctx)
        });
        let lays_over = series.can_lay_over();
        let on_event = move |w: &mut Self, event| w.take_load_event(id, &series, &source, event);
        self.start(JobTask::new(handle, on_event, move |w, volume| match (w.document_mut(id), volume) {
            (Some(document), Some((volume, findings))) => {
                document.set_volume(volume);
                document.load_findings.clone_from(&findings);
                for finding in findings.into_iter().filter(|f| f.severity > Severity::Note) {
                    w.notify(Notice::warning(finding.text));
                }
                if lays_over {
                    w.lay_over_active(id);
                }
            }
            (Some(document), None) if document.is_unsaved() => w.notify(Notice::warning(
                "The image could not be read to its end. What you drew on it is kept: export the layer.",
            )),
            (Some(_), None) => w.remove_document(id),
            (None, _) => {}
        }));
    }

    fn take_load_event(&mut self, id: CaseId, series: &Series, source: &VolumeSource, event: LoadEvent) {
        match event {
            LoadEvent::Begin { geometry, window } => {
                let mut document = Document::new(id, series.label.clone(), geometry, window);
                document.source = Some(source.clone());
                document.study = self.scan.as_ref().and_then(|s| StudyOf::find(s, source));
                document.found_masks.clone_from(&series.masks);
                // What is laid over a CT leaves it in front.
                let behind = document.is_overlay() && self.active_document().is_some_and(|d| !d.is_overlay());
                if behind {
                    self.documents.push(document);
                } else {
                    self.add_document(document);
                }
            }
            LoadEvent::Slice { k, hu } => {
                if let Some(document) = self.document_mut(id) {
                    document.stream_slice(k, hu);
                }
            }
        }
    }

    fn open_demo(&mut self) {
        let id = self.next_case_id();
        let seed = id.0;
        let folder = self.home.data.join("demo");
        let handle = jobs::spawn("Making a demo patient", self.waker.clone(), move |ctx: &JobContext<()>| {
            let spec = PhantomSpec { kind: phantom::Kind::Chest, size: 192, slices: 72, seed };
            let made = phantom::generate(&spec, &|fraction| {
                ctx.progress.set((fraction * 1000.0) as u64, 1000);
                ctx.wake();
                !ctx.is_cancelled()
            })
            .map_err(|e| e.to_string())?;
            // Kept as a file so that projects and unsaved work can find the image again.
            let path = folder.join(format!("demo-{seed}.nrrd"));
            std::fs::create_dir_all(&folder).map_err(|e| format!("{} cannot be made: {e}.", folder.display()))?;
            crate::io::save_volume(&path, &made.volume).map_err(|e| e.to_string())?;
            Ok::<_, String>((made, path))
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, made| {
                let Some((made, path)) = made else { return };
                let lung = crate::core::PRESETS[2].window;
                let name = format!("Demo patient {seed}");
                let mut document = Document::new(id, name, *made.volume.geometry(), Some(lung));
                document.source = Some(VolumeSource::Nrrd(path));
                document.set_volume(made.volume);
                w.add_document(document);
                let layer = Layer::new(
                    LayerId(0),
                    "Truth of the phantom",
                    made.labels,
                    made.segments,
                    Origin::Imported { file: "phantom".into() },
                );
                w.add_layer(id, layer);
            },
        ));
    }
}

/// When all that can be opened are parts of one series: its largest part, which brings the offer to open the whole.
fn parts_of_one(scan: &Scan) -> Option<Series> {
    let parts: Vec<&Series> = scan.series().filter(|s| s.can_open_somehow() && !s.is_copy()).collect();
    let whole = parts.first()?.resampled.as_ref()?;
    let same = |s: &&Series| s.resampled.as_ref().is_some_and(|r| Arc::ptr_eq(r, whole));
    parts.iter().all(same).then(|| parts.into_iter().max_by_key(|s| s.slices).cloned())?
}

/// The last part of a path, for names; never the folders above it.
pub(super) fn file_label(path: &Path) -> String {
    path.file_name().map_or_else(|| "mask".into(), |n| n.to_string_lossy().into_owned())
}
