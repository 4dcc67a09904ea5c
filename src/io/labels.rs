//! Saving masks and volumes: the kind of file is told by the name's ending.

use crate::core::{LabelMap, Segment, Volume};
use crate::io::atomic::remove_leftovers;
use crate::io::dicom;
use crate::io::error::IoError;
use crate::io::image_stack::save_image_stack;
use crate::io::mask::LoadedMask;
use crate::io::mesh::{SurfaceKind, save_surfaces};
use crate::io::nifti::{save_nifti_labels, save_nifti_volume};
use crate::io::nrrd::{save_nrrd_labels, save_nrrd_layers, save_nrrd_volume};
use crate::io::types::{DicomStack, Finding};
use crate::jobs::JobContext;
use std::path::Path;

/// Kinds of file that masks and volumes are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    Nifti,
    Nrrd,
    /// DICOM: a segmentation for masks.
    Dicom,
    /// DICOM: a structure set of contours.
    RtStruct,
    /// Surfaces in mm.
    Stl,
    Obj,
    /// A folder of one PNG a slice.
    Png,
}

impl FileKind {
    /// From a path's ending; a path without one is a folder of PNGs.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        if name.ends_with(".nii") || name.ends_with(".nii.gz") {
            Some(Self::Nifti)
        } else if name.ends_with(".nrrd") {
            Some(Self::Nrrd)
        } else if name.ends_with(".rtstruct.dcm") {
            Some(Self::RtStruct)
        } else if name.ends_with(".dcm") {
            Some(Self::Dicom)
        } else if let Some(kind) = SurfaceKind::of(path) {
            Some(if kind == SurfaceKind::Stl { Self::Stl } else { Self::Obj })
        } else if !name.contains('.') {
            Some(Self::Png)
        } else {
            None
        }
    }
}

/// Saves a mask as the kind that `path` ends in: `.nii`, `.nii.gz`, `.nrrd`, `.seg.nrrd`, `.dcm` (DICOM SEG),
/// `.rtstruct.dcm` (RTSTRUCT; both need the series as `stack`), `.stl` (one segment) or `.obj`, or a folder name for one PNG a slice. Numbers in the file are the segments' `file_value`.
///
/// # Errors
/// [`IoError::UnknownTarget`], [`IoError::NeedsSeries`], or the format's own; an older file is untouched then.
pub fn save_mask(
    path: &Path,
    labels: &LabelMap,
    segments: &[Segment],
    stack: Option<&DicomStack>,
) -> Result<(), IoError> {
    let kind = FileKind::of(path).ok_or_else(|| IoError::UnknownTarget {
        path: path.to_owned(),
        what: "a mask",
        kinds: ".nii.gz, .nii, .seg.nrrd, .nrrd, .dcm (segmentation), .rtstruct.dcm, .stl, .obj or a folder of PNGs",
    })?;
    save_mask_as(kind, path, labels, segments, stack)
}

/// Saves a mask as `kind`, whatever the name.
///
/// # Errors
/// As [`save_mask`].
pub fn save_mask_as(
    kind: FileKind,
    path: &Path,
    labels: &LabelMap,
    segments: &[Segment],
    stack: Option<&DicomStack>,
) -> Result<(), IoError> {
    remove_leftovers(path);
    let series = || stack.ok_or_else(|| IoError::NeedsSeries(path.to_owned()));
    let ctx = JobContext::<()>::detached();
    match kind {
        FileKind::Nifti => Ok(save_nifti_labels(path, labels, segments)?),
        FileKind::Nrrd => Ok(save_nrrd_labels(path, labels, segments)?),
        FileKind::Png => Ok(save_image_stack(path, labels, segments)?),
        FileKind::Dicom => Ok(dicom::save_seg(path, labels, segments, series()?, &ctx)?),
        FileKind::RtStruct => Ok(dicom::save_rtstruct(path, labels, segments, series()?, &ctx)?),
        FileKind::Stl => Ok(save_surfaces(path, SurfaceKind::Stl, labels, segments, 0, &ctx).map(drop)?),
        FileKind::Obj => Ok(save_surfaces(path, SurfaceKind::Obj, labels, segments, 0, &ctx).map(drop)?),
    }
}

/// Saves a mask that was read, its layers too: in `.seg.nrrd` as the layers of a 3D Slicer segmentation, and in one label
/// map everywhere else. Gives back the mask's findings, with that about segments that had to give way to others.
///
/// # Errors
/// As [`save_mask`].
pub fn save_loaded_mask(
    kind: Option<FileKind>,
    path: &Path,
    mask: LoadedMask,
    stack: Option<&DicomStack>,
) -> Result<Vec<Finding>, IoError> {
    let is_seg = path.file_name().is_some_and(|n| n.to_string_lossy().to_ascii_lowercase().ends_with(".seg.nrrd"));
    let mask = match kind.or_else(|| FileKind::of(path)) {
        Some(FileKind::Nrrd) if is_seg && !mask.further.is_empty() => {
            save_nrrd_layers(path, &mask.layers().collect::<Vec<_>>())?;
            return Ok(mask.findings);
        }
        _ => mask.flattened(),
    };
    match kind {
        Some(kind) => save_mask_as(kind, path, &mask.labels, &mask.segments, stack)?,
        None => save_mask(path, &mask.labels, &mask.segments, stack)?,
    }
    Ok(mask.findings)
}

/// Saves a volume in HU as `.nii`, `.nii.gz` or `.nrrd`.
///
/// # Errors
/// [`IoError::UnknownTarget`] for any other ending, or the format's own; an older file is untouched then.
pub fn save_volume(path: &Path, volume: &Volume) -> Result<(), IoError> {
    remove_leftovers(path);
    match FileKind::of(path) {
        Some(FileKind::Nifti) => Ok(save_nifti_volume(path, volume)?),
        Some(FileKind::Nrrd) => Ok(save_nrrd_volume(path, volume)?),
        _ => Err(IoError::UnknownTarget { path: path.to_owned(), what: "a volume", kinds: ".nii.gz, .nii or .nrrd" }),
    }
}
