//! De-identified copies of series, with the masks drawn on them.

use super::{ExportError, begin, finish};
use crate::core::Layer;
use crate::io::dicom::{self, DeidKey, DeidReport};
use crate::io::types::DicomStack;
use crate::jobs::JobContext;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What to copy.
#[derive(Default)]
pub struct DeidInput {
    /// DICOM files: images, segmentations, structure sets.
    pub files: Vec<PathBuf>,
    /// Layers that are in no file yet, with the series they were drawn on; they become segmentations.
    pub layers: Vec<(DicomStack, Layer)>,
}

impl DeidInput {
    /// A series' own files, each once, with layers drawn on it.
    pub fn of_series(stack: &DicomStack, layers: impl Iterator<Item = Layer>) -> Self {
        let mut seen = HashSet::new();
        let files = stack.slices.iter().map(|s| &s.path).filter(|p| seen.insert(*p)).cloned().collect();
        Self { files, layers: layers.map(|layer| (stack.clone(), layer)).collect() }
    }
}

/// Writes de-identified copies into the folder `out`, as `patient_001/study_001/series_001/000001.dcm` and so on.
///
/// # Errors
/// [`ExportError::NothingToCopy`] when no file could be copied, [`ExportError::Occupied`],
/// [`ExportError::Cancelled`], and those of reading and writing. Files that cannot be copied are findings of the report.
pub fn export_deidentified(
    out: &Path,
    input: &DeidInput,
    key: &DeidKey,
    ctx: &JobContext<()>,
) -> Result<DeidReport, ExportError> {
    let folder = begin(out)?;
    let failed = |source| ExportError::Write { path: out.to_owned(), source };
    // Layers are written with their patient's name first, inside the hidden folder, and go before it gets its name.
    let drafts = folder.path().join("drafts");
    fs::create_dir(&drafts).map_err(failed)?;
    let mut files = input.files.clone();
    for (n, (stack, layer)) in input.layers.iter().enumerate() {
        let draft = drafts.join(format!("{n}.dcm"));
        dicom::save_seg(&draft, &[(&layer.labels, &layer.segments[..])], stack, ctx)?;
        files.push(draft);
    }
    let report = dicom::deidentify_files(&files, folder.path(), key, ctx)?;
    if report.files == 0 {
        return Err(ExportError::NothingToCopy(report.findings.first().map(|f| f.text.clone())));
    }
    fs::remove_dir_all(&drafts).map_err(failed)?;
    finish(folder, out)?;
    Ok(report)
}
