//! Lists the patients, studies and series among files, reading headers only.

use super::error::DicomError;
use super::group::{Group, groups};
use super::header::{FileHeader, Kind};
use super::index::absent_files;
use super::stack::{Listed, stacks};
use crate::core::count_with;
use crate::io::{Finding, MaskKind, MaskSource, Patient, Series, Severity, Study, VolumeSource};
use crate::jobs::JobContext;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What was found among the files.
#[derive(Debug, Clone, Default)]
pub struct DicomScan {
    pub patients: Vec<Patient>,
    /// Segmentations and structure sets that belong to none of the series found.
    pub masks: Vec<MaskSource>,
    /// Files that were refused or skipped, and what concerns no single series.
    pub findings: Vec<Finding>,
    /// Files that are something else.
    pub not_dicom: Vec<PathBuf>,
}

/// Reads the headers of `files` in parallel and groups them by identifiers and geometry.
///
/// Counts files in `ctx.progress`. When cancelled, lists what was read until then.
pub fn scan_files(files: &[PathBuf], ctx: &JobContext<()>) -> DicomScan {
    ctx.progress.say("Reading DICOM headers");
    ctx.progress.set(0, files.len() as u64);
    let read: Vec<Option<Result<FileHeader, DicomError>>> = files
        .par_iter()
        .map(|path| {
            if ctx.is_cancelled() {
                return None;
            }
            let header = FileHeader::read(path);
            ctx.progress.step();
            ctx.wake();
            Some(header)
        })
        .collect();

    let mut scan = DicomScan::default();
    let mut headers = Vec::new();
    for (path, result) in files.iter().zip(read) {
        match result {
            None => {}
            Some(Ok(header)) => headers.push(header),
            Some(Err(DicomError::NotDicom { .. })) => scan.not_dicom.push(path.clone()),
            Some(Err(error)) => scan.findings.push(Finding {
                severity: Severity::Error,
                code: "refused",
                text: format!("{error}."),
                file: Some(path.clone()),
            }),
        }
    }
    note_skipped(&headers, &mut scan.findings);
    scan.findings.extend(absent_files(&headers, files));
    let mut listed = list(&headers);
    attach_masks(&headers, &mut listed, &mut scan);
    scan.patients = nest(listed);
    scan
}

fn note_skipped(headers: &[FileHeader], findings: &mut Vec<Finding>) {
    let others = headers.iter().filter(|h| h.kind == Kind::Other).count();
    if others > 0 {
        let files = count_with(others, "DICOM file", "holds", "hold");
        let verb = if others == 1 { "is" } else { "are" };
        findings.push(Finding {
            severity: Severity::Note,
            code: "no-image",
            text: format!("{files} no image (reports, plans, doses, presentation states) and {verb} skipped."),
            file: None,
        });
    }
    if headers.iter().any(|h| h.kind == Kind::Image && h.patient_id.is_empty()) {
        findings.push(Finding {
            severity: Severity::Note,
            code: "no-patient-id",
            text: "Some images carry no patient ID; they are told apart by name, or by study where there is none."
                .into(),
            file: None,
        });
    }
}

/// A series with the identifiers that place it.
struct Entry<'h> {
    header: &'h FileHeader,
    patient: String,
    study: String,
    series: Series,
}

fn list(headers: &[FileHeader]) -> Vec<Entry<'_>> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut entries = Vec::new();
    for group in groups(headers) {
        let header = group.first();
        let modality = safe_modality(&header.modality);
        let number = counts.entry(modality.to_owned()).or_default();
        *number += 1;
        for listed in stacks(&group) {
            entries.push(entry(&group, header, modality, *number, listed));
        }
    }
    entries
}

fn entry<'h>(group: &Group<'h>, header: &'h FileHeader, modality: &str, number: usize, listed: Listed) -> Entry<'h> {
    let label = match listed.part {
        Some(part) => format!("{modality} {number} part {part}"),
        None => format!("{modality} {number}"),
    };
    let series = Series {
        label,
        modality: modality.to_owned(),
        description: header.series_description.clone(),
        slices: listed.slices,
        geometry: listed.stack.as_ref().map(|s| s.geometry),
        source: listed.stack.map(VolumeSource::Dicom),
        masks: Vec::new(),
        findings: listed.findings,
        resampled: listed.resampled,
    };
    Entry { header, patient: group.patient.clone(), study: group.study.clone(), series }
}

/// A modality as it may be shown in labels: a defined term, never free text from the file.
fn safe_modality(modality: &str) -> &str {
    let fits = !modality.is_empty() && modality.len() <= 8 && modality.bytes().all(|b| b.is_ascii_uppercase());
    if fits { modality } else { "Image" }
}

/// Ties each segmentation and structure set to the series it names, else to the CT in its frame of reference.
fn attach_masks(headers: &[FileHeader], entries: &mut [Entry<'_>], scan: &mut DicomScan) {
    for header in headers {
        let kind = match header.kind {
            Kind::Segmentation => MaskKind::Seg(header.path.clone()),
            Kind::StructureSet => MaskKind::RtStruct(header.path.clone()),
            Kind::Image | Kind::Directory | Kind::Other => continue,
        };
        let mask = MaskSource { name: file_name(&header.path), kind };
        let named = |e: &Entry<'_>| header.referenced_series.contains(&e.header.series_uid);
        let framed = |e: &Entry<'_>| {
            e.series.can_open_somehow()
                && !header.frame_of_reference_uid.is_empty()
                && e.header.frame_of_reference_uid == header.frame_of_reference_uid
        };
        let by_name = entries.iter().any(named);
        let mut attached = false;
        for entry in entries.iter_mut() {
            if if by_name { named(entry) } else { framed(entry) } {
                entry.series.masks.push(mask.clone());
                attached = true;
            }
        }
        if !attached {
            scan.findings.push(Finding {
                severity: Severity::Warning,
                code: "mask-without-series",
                text: format!("{} belongs to a series that is not here; open it together with its CT.", mask.name),
                file: Some(header.path.clone()),
            });
            scan.masks.push(mask);
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

fn nest(entries: Vec<Entry<'_>>) -> Vec<Patient> {
    let mut patients: Vec<(String, Patient)> = Vec::new();
    let mut studies: Vec<(String, String)> = Vec::new();
    for entry in entries {
        let at = match patients.iter().position(|(key, _)| *key == entry.patient) {
            Some(at) => at,
            None => {
                let patient = Patient {
                    label: format!("Patient {}", patients.len() + 1),
                    id: entry.header.patient_id.clone(),
                    name: entry.header.patient_name.clone(),
                    studies: Vec::new(),
                };
                patients.push((entry.patient.clone(), patient));
                studies.clear();
                patients.len() - 1
            }
        };
        let patient = &mut patients[at].1;
        let key = (entry.patient, entry.study);
        let study = match studies.iter().position(|s| *s == key) {
            Some(at) => at,
            None => {
                studies.push(key);
                patient.studies.push(Study {
                    label: format!("Study {}", patient.studies.len() + 1),
                    date: entry.header.study_date.clone(),
                    description: entry.header.study_description.clone(),
                    series: Vec::new(),
                });
                patient.studies.len() - 1
            }
        };
        patient.studies[study].series.push(entry.series);
    }
    patients.into_iter().map(|(_, patient)| patient).collect()
}
