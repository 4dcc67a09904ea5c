//! What leaves the workspace besides projects: layers, images, surfaces, data sets, de-identified copies.

use super::opening::file_label;
use super::task::JobTask;
use super::{Document, Notice, Workspace};
use crate::core::{Layer, Segment, count_of};
use crate::io::export::{DeidInput, ExportCase, ExportError, export_deidentified, export_nnunet, reviewed, told_apart};
use crate::io::mesh::{SurfaceKind, save_surfaces};
use crate::io::{self, DicomStack, Severity, VolumeSource};
use crate::jobs::{self, JobContext};
use std::path::{Path, PathBuf};

/// Rounds of smoothing of a surface from the window: steps of a voxel are gone, and the volume stays within 1 %.
const SMOOTHING_ROUNDS: usize = 10;

impl Workspace {
    pub(super) fn export_mask(&mut self, path: PathBuf) {
        let Some(document) = self.active_document() else { return };
        let Some(layer) = document.layer().cloned() else {
            self.notify(Notice::warning("There is no layer to export."));
            return;
        };
        let stack = document.stack().cloned();
        let target = path.clone();
        let handle = jobs::spawn("Exporting the layer", self.waker.clone(), move |_: &JobContext<()>| {
            io::save_mask(&target, &layer.labels, &layer.segments, stack.as_ref())
        });
        self.start_on(self.active, JobTask::new(handle, |_, ()| {}, move |w, done| w.exported(&path, done)));
    }

    /// All layers in one file: their segments may overlap and stay whole.
    pub(super) fn export_layers(&mut self, path: PathBuf) {
        let Some(document) = self.active_document() else { return };
        let (layers, stack) = (document.case.layers.clone(), document.stack().cloned());
        if layers.is_empty() {
            self.notify(Notice::warning("There is no layer to export."));
            return;
        }
        let target = path.clone();
        let handle = jobs::spawn("Exporting the layers", self.waker.clone(), move |_: &JobContext<()>| {
            let segments = told_apart(&layers);
            let all: Vec<_> = layers.iter().map(|l| &l.labels).zip(segments.iter().map(Vec::as_slice)).collect();
            io::save_mask_layers(&target, &all, stack.as_ref())
        });
        self.start_on(self.active, JobTask::new(handle, |_, ()| {}, move |w, done| w.exported(&path, done)));
    }

    pub(super) fn export_volume(&mut self, path: PathBuf) {
        let Some(volume) = self.active_document().and_then(|d| d.case.volume.clone()) else { return };
        let target = path.clone();
        let handle = jobs::spawn("Exporting the image", self.waker.clone(), move |_: &JobContext<()>| {
            io::save_volume(&target, &volume)
        });
        self.start_on(self.active, JobTask::new(handle, |_, ()| {}, move |w, done| w.exported(&path, done)));
    }

    /// The surface of the active segment.
    pub(super) fn export_surface(&mut self, path: PathBuf) {
        let Some(document) = self.active_document() else { return };
        let (Some(layer), Some(segment)) = (document.layer(), document.segment()) else {
            self.notify(Notice::warning("There is no segment to export."));
            return;
        };
        let Some(kind) = SurfaceKind::of(&path) else {
            self.notify(Notice::warning("A surface is written as .stl or .obj: choose one of these endings."));
            return;
        };
        let (labels, segment) = (layer.labels.clone(), segment.clone());
        let target = path.clone();
        let handle = jobs::spawn("Exporting the surface", self.waker.clone(), move |ctx: &JobContext<()>| {
            let segments: &[Segment] = std::slice::from_ref(&segment);
            save_surfaces(&target, kind, &labels, segments, SMOOTHING_ROUNDS, ctx)
        });
        self.start_on(
            self.active,
            JobTask::new(
                handle,
                |_, ()| {},
                move |w, volumes| {
                    let Some(&[voxels, surface]) = volumes.as_ref().and_then(|v| v.first()) else { return };
                    w.notify(Notice::info(format!(
                        "Exported {}: the surface encloses {:.1} ml, the voxels {:.1} ml.",
                        file_label(&path),
                        surface / 1000.0,
                        voxels / 1000.0
                    )));
                },
            ),
        );
    }

    /// All open cases with a reviewed layer, as one data set.
    pub(super) fn export_reviewed(&mut self, out: PathBuf) {
        let mut cases = Vec::new();
        for document in self.documents() {
            let name = document.case.name.clone();
            let layer = match reviewed(&name, &document.case.layers) {
                Ok(layer) => layer.cloned(),
                Err(error) => return self.notify(Notice::warning(error.to_string())),
            };
            match (layer, document.case.volume.clone()) {
                (None, _) => {}
                (Some(_), None) => return self.notify(Notice::warning("Wait until all slices are read, then export.")),
                (Some(layer), Some(volume)) => {
                    cases.push(ExportCase { place: name, layer, image: Box::new(move |_| Ok(volume)) });
                }
            }
        }
        let target = out.clone();
        let handle = jobs::spawn("Exporting the reviewed cases", self.waker.clone(), move |ctx: &JobContext<()>| {
            export_nnunet(&target, cases, false, ctx)
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, names| {
                if let Some(names) = names {
                    let text = format!("Exported {} to {}.", count_of(names.len(), "reviewed case"), file_label(&out));
                    w.notify(Notice::info(text));
                }
            },
        ));
    }

    /// The active case's series and its reviewed layer, or else the active one, without what tells of the person.
    pub(super) fn export_deidentified(&mut self, out: PathBuf) {
        let Some(document) = self.active_document() else { return };
        let Some(stack) = document.stack() else {
            let refusal = ExportError::NotDicom(document.case.name.clone());
            return self.notify(Notice::warning(refusal.to_string()));
        };
        let layer: Option<Layer> = match reviewed(&document.case.name, &document.case.layers) {
            Ok(layer) => layer.or(document.layer()).cloned(),
            Err(error) => return self.notify(Notice::warning(error.to_string())),
        };
        let input = DeidInput::of_series(stack, layer.into_iter());
        let target = out.clone();
        let handle = jobs::spawn("Exporting without identity", self.waker.clone(), move |ctx: &JobContext<()>| {
            export_deidentified(&target, &input, &io::dicom::DeidKey::random(), ctx)
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, report| {
                let Some(report) = report else { return };
                for finding in report.findings.into_iter().filter(|f| f.severity > Severity::Note) {
                    w.notify(Notice::warning(finding.text));
                }
                w.notify(Notice::info(format!("Copied {} to {}.", count_of(report.files, "file"), file_label(&out))));
            },
        ));
    }

    pub(super) fn exported(&mut self, path: &Path, done: Option<()>) {
        if done.is_some() {
            self.notify(Notice::info(format!("Exported {}.", file_label(path))));
        }
    }
}

impl Document {
    /// The DICOM series that the case was opened from, when it is one.
    pub fn stack(&self) -> Option<&DicomStack> {
        match &self.source {
            Some(VolumeSource::Dicom(stack)) => Some(stack),
            _ => None,
        }
    }
}
