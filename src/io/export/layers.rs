//! The masks of several cases, a file (or a folder of files) each.

use super::{ExportError, begin, case_name, finish, stop};
use crate::core::{Layer, Segment};
use crate::io::error::IoError;
use crate::io::labels::{FileKind, save_mask_as};
use crate::io::mesh::{SurfaceKind, save_surfaces};
use crate::io::types::DicomStack;
use crate::jobs::JobContext;
use std::fs;
use std::path::Path;

/// Kinds of file that layers are exported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    Nifti,
    Nrrd,
    Png,
    /// DICOM segmentation.
    Seg,
    /// DICOM structure set.
    RtStruct,
    /// One surface a segment.
    Stl,
    /// All surfaces in one file.
    Obj,
}

/// A layer and the series it was drawn on, when that is DICOM.
pub struct LayerCase {
    /// For messages: safe to show.
    pub place: String,
    pub layer: Layer,
    pub stack: Option<DicomStack>,
}

/// Writes one layer a case into the folder `out`, named `case_001` and so on in the order given; gives back the names.
/// Surfaces are smoothed by so many `rounds`.
///
/// # Errors
/// [`ExportError::Occupied`], [`ExportError::Cancelled`], and those of the formats.
pub fn export_layers(
    out: &Path,
    kind: LayerKind,
    cases: &[LayerCase],
    rounds: usize,
    ctx: &JobContext<()>,
) -> Result<Vec<String>, ExportError> {
    let folder = begin(out)?;
    let mut names = Vec::new();
    ctx.progress.set(0, cases.len() as u64);
    for (n, case) in (1..).zip(cases) {
        stop(ctx)?;
        let name = case_name(n);
        let file = |ending: &str| folder.path().join(format!("{name}{ending}"));
        let Layer { labels, segments, .. } = &case.layer;
        let mask = |kind, ending| save_mask_as(kind, &file(ending), labels, segments, case.stack.as_ref());
        match kind {
            LayerKind::Nifti => mask(FileKind::Nifti, ".nii.gz")?,
            LayerKind::Nrrd => mask(FileKind::Nrrd, ".seg.nrrd")?,
            LayerKind::Png => mask(FileKind::Png, "")?,
            LayerKind::Seg => mask(FileKind::Dicom, ".dcm")?,
            LayerKind::RtStruct => mask(FileKind::RtStruct, ".dcm")?,
            LayerKind::Obj => {
                save_surfaces(&file(".obj"), SurfaceKind::Obj, labels, segments, rounds, ctx)?;
            }
            LayerKind::Stl => surfaces(&file(""), case, rounds, ctx)?,
        }
        names.push(name);
        ctx.progress.set(n as u64, cases.len() as u64);
    }
    stop(ctx)?;
    finish(folder, out)?;
    Ok(names)
}

/// One STL file a painted segment, by its label.
fn surfaces(folder: &Path, case: &LayerCase, rounds: usize, ctx: &JobContext<()>) -> Result<(), ExportError> {
    let counts = case.layer.labels.counts();
    let painted: Vec<&Segment> = case.layer.segments.iter().filter(|s| counts[usize::from(s.id)] > 0).collect();
    if painted.is_empty() {
        return Err(ExportError::NoLayer(case.place.clone()));
    }
    fs::create_dir(folder).map_err(|e| IoError::from_open(folder, e))?;
    for segment in painted {
        let path = folder.join(format!("segment_{:03}.stl", segment.id));
        save_surfaces(&path, SurfaceKind::Stl, &case.layer.labels, std::slice::from_ref(segment), rounds, ctx)?;
    }
    Ok(())
}
