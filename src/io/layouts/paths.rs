//! Listing folders in a fixed order, and what names say.

use super::{DatasetCase, LayoutError};
use crate::core::Geometry;
use crate::io::dicom;
use crate::io::natural_cmp;
use crate::io::nifti::is_pair_data;
pub(super) use crate::io::open::stem;
use crate::io::types::{DicomStack, VolumeSource};
use crate::io::volume_file::VolumeKind;
use crate::jobs::JobContext;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Visible entries of a folder in natural order of their names.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, LayoutError> {
    let unreadable = |source| LayoutError::Read { path: folder.into(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        // `._x` are the companions that macOS leaves beside each file.
        if !name(&path).starts_with('.') {
            found.push(path);
        }
    }
    found.sort_by(|a, b| natural_cmp(&name(a), &name(b)));
    Ok(found)
}

pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, LayoutError> {
    Ok(entries(folder)?.into_iter().filter(|p| p.is_file()).collect())
}

pub(super) fn folders(folder: &Path) -> Result<Vec<PathBuf>, LayoutError> {
    Ok(entries(folder)?.into_iter().filter(|p| p.is_dir()).collect())
}

/// File or folder name as text.
pub(super) fn name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A volume file's source, by its ending. A NIfTI pair counts once, as its header.
pub(super) fn volume_file(path: &Path) -> Option<VolumeSource> {
    VolumeKind::of(path).filter(|_| !is_pair_data(path)).map(|kind| match kind {
        VolumeKind::Nifti => VolumeSource::Nifti(path.into()),
        VolumeKind::Nrrd => VolumeSource::Nrrd(path.into()),
    })
}

/// A folder's own name also where the path is `.` or ends in `..`.
pub(super) fn folder_name(folder: &Path) -> String {
    let plain = name(folder);
    if !plain.is_empty() {
        return plain;
    }
    folder.canonicalize().map(|p| name(&p)).ok().filter(|n| !n.is_empty()).unwrap_or_else(|| "case".into())
}

/// The openable stacks among DICOM files, in the scan's order.
pub(super) fn stacks(files: &[PathBuf], ctx: &JobContext<()>) -> Vec<DicomStack> {
    let scan = dicom::scan_files(files, &quiet(ctx));
    scan.patients
        .into_iter()
        .flat_map(|p| p.studies)
        .flat_map(|s| s.series)
        .filter_map(|series| match series.source {
            Some(VolumeSource::Dicom(stack)) if series.geometry.is_some() && stack.scale.is_none() => Some(stack),
            _ => None,
        })
        .collect()
}

/// The stack with most slices; the first of equals.
pub(super) fn longest(stacks: Vec<DicomStack>) -> Option<DicomStack> {
    let slices = |s: &DicomStack| Geometry::dims(&s.geometry)[2];
    stacks.into_iter().reduce(|best, next| if slices(&next) > slices(&best) { next } else { best })
}

/// A context with the same cancel token whose progress is its own: folders are counted, not files.
fn quiet(ctx: &JobContext<()>) -> JobContext<()> {
    JobContext::attached(ctx.cancel.clone(), std::sync::Arc::default(), crate::jobs::Waker::none()).0
}

/// Appends numbers to names that occur again.
pub(super) fn make_names_unique(cases: &mut [DatasetCase]) {
    let mut used: HashSet<String> = HashSet::new();
    for case in cases {
        let mut name = case.name.clone();
        let mut n = 2;
        while !used.insert(name.clone()) {
            name = format!("{} ({n})", case.name);
            n += 1;
        }
        case.name = name;
    }
}
