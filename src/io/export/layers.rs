//! The masks of several cases, a file (or a folder of files) each.

use super::{ExportError, begin, case_name, finish, stop};
use crate::core::{LabelMap, Layer, Segment};
use crate::io::error::IoError;
use crate::io::labels::{FileKind, save_layers_as, save_mask_as};
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

impl LayerKind {
    /// The kind of a file that keeps the segments of several layers whole where they overlap.
    fn layered(self) -> Option<(FileKind, &'static str)> {
        match self {
            Self::Nrrd => Some((FileKind::Nrrd, ".seg.nrrd")),
            Self::Seg => Some((FileKind::Dicom, ".dcm")),
            Self::RtStruct => Some((FileKind::RtStruct, ".dcm")),
            Self::Nifti | Self::Png | Self::Stl | Self::Obj => None,
        }
    }
}

/// Layers of a case and the series they were drawn on, when that is DICOM.
pub struct LayerCase {
    /// For messages: safe to show.
    pub place: String,
    /// They go into one file.
    pub layers: Vec<Layer>,
    pub stack: Option<DicomStack>,
}

/// The segments of each layer as they are called in a file of all: where several layers have a segment of one name, the
/// layer's name is put behind it.
pub fn told_apart(layers: &[Layer]) -> Vec<Vec<Segment>> {
    let shared = |own: usize, name: &str| {
        let others = layers.iter().enumerate().filter(|(n, _)| *n != own);
        others.flat_map(|(_, l)| &l.segments).any(|s| s.name.trim() == name.trim())
    };
    let segments = |(n, layer): (usize, &Layer)| {
        let called = |s: &Segment| match shared(n, &s.name) {
            true => Segment { name: format!("{} ({})", s.name.trim(), layer.name), ..s.clone() },
            false => s.clone(),
        };
        layer.segments.iter().map(called).collect::<Vec<_>>()
    };
    layers.iter().enumerate().map(segments).collect()
}

/// Writes the layers of each case into the folder `out`, named `case_001` and so on in the order given; gives back the names.
/// Surfaces are smoothed by so many `rounds`.
///
/// # Errors
/// [`ExportError::Occupied`], [`ExportError::Cancelled`], [`ExportError::OneLayer`] for several layers in a kind of file
/// that holds one, and those of the formats.
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
        let Layer { labels, segments, .. } = match (case.layers.as_slice(), kind.layered()) {
            ([layer], _) => layer,
            ([], _) => return Err(ExportError::NoLayer(case.place.clone())),
            (_, None) => return Err(ExportError::OneLayer(case.place.clone())),
            (layers, Some((kind, ending))) => {
                let segments = told_apart(layers);
                let all: Vec<_> = layers.iter().map(|l| &l.labels).zip(segments.iter().map(Vec::as_slice)).collect();
                save_layers_as(kind, &file(ending), &all, case.stack.as_ref())?;
                names.push(name);
                ctx.progress.set(n as u64, cases.len() as u64);
                continue;
            }
        };
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
            LayerKind::Stl => surfaces(&file(""), &case.place, (labels, segments), rounds, ctx)?,
        }
        names.push(name);
        ctx.progress.set(n as u64, cases.len() as u64);
    }
    stop(ctx)?;
    finish(folder, out)?;
    Ok(names)
}

/// One STL file a painted segment, by its label.
fn surfaces(
    folder: &Path,
    place: &str,
    (labels, segments): (&LabelMap, &[Segment]),
    rounds: usize,
    ctx: &JobContext<()>,
) -> Result<(), ExportError> {
    let counts = labels.counts();
    let painted: Vec<&Segment> = segments.iter().filter(|s| counts[usize::from(s.id)] > 0).collect();
    if painted.is_empty() {
        return Err(ExportError::NoLayer(place.to_owned()));
    }
    fs::create_dir(folder).map_err(|e| IoError::from_open(folder, e))?;
    for segment in painted {
        let path = folder.join(format!("segment_{:03}.stl", segment.id));
        save_surfaces(&path, SurfaceKind::Stl, labels, std::slice::from_ref(segment), rounds, ctx)?;
    }
    Ok(())
}
