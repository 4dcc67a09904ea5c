//! Saving masks and volumes: the kind of file is told by the name's ending.

use crate::core::{LabelMap, Segment, Volume, Window};
use crate::io::atomic::remove_leftovers;
use crate::io::dicom;
use crate::io::error::IoError;
use crate::io::image_stack::{save_grey_stack, save_image_stack};
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
    /// DICOM: a CT series in a folder, one file a slice. For images alone, and never told by a name.
    DicomSeries,
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

    /// Whether a file of this kind and name keeps segments whole which overlap. A `.nrrd` that is not called a
    /// segmentation is read as one label map by others.
    fn holds_layers(self, path: &Path) -> bool {
        let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        match self {
            Self::Dicom | Self::RtStruct => true,
            Self::Nrrd => name.ends_with(".seg.nrrd"),
            Self::Nifti | Self::Stl | Self::Obj | Self::Png | Self::DicomSeries => false,
        }
    }
}

/// What masks are written as.
const MASK_KINDS: &str =
    ".nii.gz, .nii, .seg.nrrd, .nrrd, .dcm (segmentation), .rtstruct.dcm, .stl, .obj or a folder of PNGs";
/// What images are written as.
const IMAGE_KINDS: &str = ".nii.gz, .nii, .nrrd or a folder of PNGs, and with --to dicom a folder of DICOM slices";
/// The endings of files that keep segments whole which overlap.
const LAYERED: &str = ".seg.nrrd, .dcm (segmentation) or .rtstruct.dcm";

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
        kinds: MASK_KINDS,
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
    let ctx = JobContext::<()>::detached();
    match kind {
        FileKind::Nifti => Ok(save_nifti_labels(path, labels, segments)?),
        FileKind::Nrrd => Ok(save_nrrd_labels(path, labels, segments)?),
        FileKind::Png => Ok(save_image_stack(path, labels, segments)?),
        FileKind::Dicom | FileKind::RtStruct => save_layers_as(kind, path, &[(labels, segments)], stack),
        FileKind::DicomSeries => {
            Err(IoError::UnknownTarget { path: path.to_owned(), what: "a mask", kinds: MASK_KINDS })
        }
        FileKind::Stl => Ok(save_surfaces(path, SurfaceKind::Stl, labels, segments, 0, &ctx).map(drop)?),
        FileKind::Obj => Ok(save_surfaces(path, SurfaceKind::Obj, labels, segments, 0, &ctx).map(drop)?),
    }
}

/// Saves layers of one grid in one file, each segment whole even where they overlap: `.seg.nrrd`, `.dcm` (DICOM SEG) or
/// `.rtstruct.dcm`; the latter two need the series as `stack`.
///
/// # Errors
/// [`IoError::UnknownTarget`] for any other ending, else as [`save_mask`].
pub fn save_mask_layers(
    path: &Path,
    layers: &[(&LabelMap, &[Segment])],
    stack: Option<&DicomStack>,
) -> Result<(), IoError> {
    match FileKind::of(path).filter(|kind| kind.holds_layers(path)) {
        Some(kind) => save_layers_as(kind, path, layers, stack),
        None => Err(IoError::UnknownTarget { path: path.to_owned(), what: "several layers", kinds: LAYERED }),
    }
}

/// [`save_mask_layers`] as `kind`, whatever the name.
///
/// # Errors
/// As [`save_mask_layers`], for kinds that hold one label map.
pub fn save_layers_as(
    kind: FileKind,
    path: &Path,
    layers: &[(&LabelMap, &[Segment])],
    stack: Option<&DicomStack>,
) -> Result<(), IoError> {
    remove_leftovers(path);
    let series = || stack.ok_or_else(|| IoError::NeedsSeries(path.to_owned()));
    let ctx = JobContext::<()>::detached();
    match kind {
        FileKind::Nrrd => Ok(save_nrrd_layers(path, layers)?),
        FileKind::Dicom => Ok(dicom::save_seg(path, layers, series()?, &ctx)?),
        FileKind::RtStruct => Ok(dicom::save_rtstruct(path, layers, series()?, &ctx)?),
        _ => Err(IoError::UnknownTarget { path: path.to_owned(), what: "several layers", kinds: LAYERED }),
    }
}

/// Saves a mask that was read. Segments that overlap stay whole in DICOM and in `.seg.nrrd`; everywhere else they become
/// one label map. Gives back the mask's findings, with that about segments that had to give way to others.
///
/// # Errors
/// As [`save_mask`].
pub fn save_loaded_mask(
    kind: Option<FileKind>,
    path: &Path,
    mask: LoadedMask,
    stack: Option<&DicomStack>,
) -> Result<Vec<Finding>, IoError> {
    let known = kind.or_else(|| FileKind::of(path)).filter(|kind| kind.holds_layers(path));
    if let Some(kind) = known.filter(|_| !mask.further.is_empty()) {
        save_layers_as(kind, path, &mask.layers().collect::<Vec<_>>(), stack)?;
        return Ok(mask.findings);
    }
    let mask = mask.flattened();
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
    match FileKind::of(path) {
        Some(kind @ (FileKind::Nifti | FileKind::Nrrd)) => {
            save_image(Some(kind), path, volume, ImageTarget::default(), &JobContext::detached())
        }
        _ => Err(IoError::UnknownTarget { path: path.to_owned(), what: "a volume", kinds: ".nii.gz, .nii or .nrrd" }),
    }
}

/// What some kinds of file need to know of an image beside its values.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageTarget<'a> {
    /// For pictures: what becomes black and what white. Without it the window that the image opens with.
    pub window: Option<Window>,
    /// For DICOM: the series whose patient, study and frame of reference the image shares.
    pub reference: Option<&'a DicomStack>,
}

/// Saves an image as `kind`, or as the kind that `path` ends in: NIfTI and NRRD in HU, a folder of one grey PNG a slice,
/// or a folder of one DICOM file a slice.
///
/// # Errors
/// [`IoError::UnknownTarget`] for kinds that hold masks alone, or the format's own; an older file is untouched then.
pub fn save_image(
    kind: Option<FileKind>,
    path: &Path,
    volume: &Volume,
    target: ImageTarget<'_>,
    ctx: &JobContext<()>,
) -> Result<(), IoError> {
    remove_leftovers(path);
    match kind.or_else(|| FileKind::of(path)) {
        Some(FileKind::Nifti) => Ok(save_nifti_volume(path, volume)?),
        Some(FileKind::Nrrd) => Ok(save_nrrd_volume(path, volume)?),
        Some(FileKind::Png) => {
            Ok(save_grey_stack(path, volume, &target.window.unwrap_or_else(|| volume.first_window()))?)
        }
        Some(FileKind::DicomSeries) => Ok(dicom::save_ct_series(path, volume, target.reference, ctx)?),
        _ => Err(IoError::UnknownTarget { path: path.to_owned(), what: "an image", kinds: IMAGE_KINDS }),
    }
}
