//! NIfTI and NRRD files: image or mask, and their place in the list.

use super::stems::{case_name, named_image, named_modality};
use crate::core::Geometry;
use crate::io::error::IoError;
use crate::io::nifti::{NiftiError, open_nifti};
use crate::io::nrrd::{NrrdError, open_nrrd};
use crate::io::types::{Finding, MaskKind, Patient, Scan, Series, Severity, Study, VolumeSource};
use crate::io::volume_file::VolumeKind;
use crate::jobs::JobContext;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Image data that is looked at, at most, to tell a mask from an image.
const LOOK: u64 = 64 << 20;

/// A volume file whose header was read.
pub struct VolumeFile {
    pub path: PathBuf,
    pub nrrd: bool,
    pub geometry: Geometry,
    pub labels: bool,
    /// A 3D Slicer segmentation, which may cover a part of its image.
    pub may_be_cropped: bool,
    pub findings: Vec<Finding>,
}

impl VolumeFile {
    pub fn mask_kind(&self) -> MaskKind {
        if self.nrrd { MaskKind::Nrrd(self.path.clone()) } else { MaskKind::Nifti(self.path.clone()) }
    }
}

/// What could not be read, as the error and as a finding.
type Broken = Box<(IoError, Finding)>;

/// Reads headers, and samples until it is certain whether they are labels.
///
/// # Errors
/// [`IoError::Cancelled`].
pub fn look_into(paths: &[PathBuf], ctx: &JobContext<()>) -> Result<(Vec<VolumeFile>, Vec<Broken>), IoError> {
    ctx.progress.set(0, paths.len() as u64);
    let looked: Vec<Result<VolumeFile, Broken>> = paths
        .par_iter()
        .map(|path| {
            if ctx.is_cancelled() {
                return Err(Box::new((IoError::Cancelled, finding(path, &IoError::Cancelled))));
            }
            let result = look(path).map_err(|e| {
                let finding = finding(path, &e);
                Box::new((e, finding))
            });
            ctx.progress.step();
            result
        })
        .collect();
    if ctx.is_cancelled() {
        return Err(IoError::Cancelled);
    }
    let (mut files, mut broken) = (Vec::new(), Vec::new());
    for result in looked {
        match result {
            Ok(file) => files.push(file),
            Err(b) => broken.push(b),
        }
    }
    Ok((files, broken))
}

fn finding(path: &Path, error: &IoError) -> Finding {
    Finding { severity: Severity::Error, code: "unreadable-file", text: error.to_string(), file: Some(path.to_owned()) }
}

fn look(path: &Path) -> Result<VolumeFile, IoError> {
    let nrrd = VolumeKind::of(path) == Some(VolumeKind::Nrrd);
    let (geometry, samples, findings, segments) = if nrrd {
        let file = open_nrrd(path)?;
        (file.geometry, file.samples, file.findings, !file.segments.is_empty())
    } else {
        let file = open_nifti(path)?;
        (file.geometry, file.samples, file.findings, false)
    };
    let wrap = |source| {
        if nrrd { NrrdError::data(path, source).into() } else { IoError::Nifti(NiftiError::data(path, source)) }
    };
    let labels = segments || samples.look_like_labels(LOOK).map_err(wrap)? && !named_image(path);
    Ok(VolumeFile { path: path.to_owned(), nrrd, geometry, labels, may_be_cropped: segments, findings })
}

/// Folder and case name.
type CaseKey<'a> = (Option<&'a Path>, String);

/// Adds a series for each image; files of one folder and case name are one patient.
pub fn add_series(scan: &mut Scan, files: &[VolumeFile]) {
    let mut groups: Vec<(CaseKey<'_>, Vec<Series>)> = Vec::new();
    for file in files.iter().filter(|f| !f.labels) {
        let key = (file.path.parent(), case_name(&file.path));
        let series = series(file);
        match groups.iter_mut().find(|(k, _)| *k == key) {
            Some((_, list)) => list.push(series),
            None => groups.push((key, vec![series])),
        }
    }
    for (_, series) in groups {
        let label = format!("Patient {}", scan.patients.len() + 1);
        let study = Study { label: "Study 1".into(), date: String::new(), description: String::new(), series };
        scan.patients.push(Patient { label, id: String::new(), name: String::new(), studies: vec![study] });
    }
}

fn series(file: &VolumeFile) -> Series {
    let (source, kind) = if file.nrrd {
        (VolumeSource::Nrrd(file.path.clone()), "NRRD volume")
    } else {
        (VolumeSource::Nifti(file.path.clone()), "NIfTI volume")
    };
    let modality = named_modality(&file.path);
    let mut findings = file.findings.clone();
    if let Some(modality) = modality {
        findings.push(Finding {
            severity: Severity::Warning,
            code: "not-ct",
            text: format!(
                "Its name says {modality}: its values are then no Hounsfield units, and training on a folder leaves it out."
            ),
            file: None,
        });
    }
    Series {
        label: file.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        // The file itself does not say how it was made.
        modality: modality.unwrap_or_default().to_owned(),
        description: kind.into(),
        slices: file.geometry.dims()[2],
        geometry: Some(file.geometry),
        source: Some(source),
        masks: Vec::new(),
        findings,
        resampled: None,
    }
}
