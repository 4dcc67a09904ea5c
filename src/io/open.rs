//! One door for loading whatever the scan found, and for paths given on the command line.

use crate::core::{Geometry, Segment, Volume};
use crate::io::dicom;
use crate::io::error::IoError;
use crate::io::image_stack::{is_picture, load_image_stack, pictures_in};
use crate::io::labels::FileKind;
use crate::io::nifti::{load_nifti_labels, load_nifti_volume};
use crate::io::nrrd::{FileSegment, load_nrrd_labels, load_nrrd_volume};
use crate::io::orient::labels_on_grid;
use crate::io::scan::scan;
use crate::io::types::{DicomStack, Finding, LoadEvent, LoadedMask, MaskKind, MaskSource, Scan, Series, VolumeSource};
use crate::jobs::JobContext;
use std::path::{Path, PathBuf};

/// Reads a volume; sends its grid first, then each slice as it is decoded.
///
/// # Errors
/// The format's own; [`IoError::is_cancelled`] when the job was stopped.
pub fn load_volume(source: &VolumeSource, ctx: &JobContext<LoadEvent>) -> Result<Volume, IoError> {
    load_volume_with_findings(source, ctx).map(|(volume, _)| volume)
}

/// [`load_volume`] with what was noticed while reading samples (rounding, saturation, assumed orientation).
///
/// # Errors
/// As [`load_volume`].
pub fn load_volume_with_findings(
    source: &VolumeSource,
    ctx: &JobContext<LoadEvent>,
) -> Result<(Volume, Vec<Finding>), IoError> {
    match source {
        VolumeSource::Dicom(stack) => Ok(dicom::load_stack_with_findings(stack, ctx)?),
        VolumeSource::Nifti(path) => Ok(load_nifti_volume(path, ctx)?),
        VolumeSource::Nrrd(path) => Ok(load_nrrd_volume(path, ctx)?),
    }
}

/// Reads a mask onto `reference`; `series` is the DICOM series it may refer to.
///
/// NIfTI and NRRD masks whose voxels coincide with the reference's (axes in any order and sense) are laid onto it
/// exactly; nothing is interpolated.
///
/// # Errors
/// [`IoError::GridMismatch`] and [`IoError::GridElsewhere`] for a mask of another image, and the format's own.
pub fn load_mask(
    source: &MaskSource,
    series: Option<&DicomStack>,
    reference: &Geometry,
    ctx: &JobContext<()>,
) -> Result<LoadedMask, IoError> {
    match &source.kind {
        MaskKind::Nifti(path) => nifti_mask(path, &source.name, Some(reference)),
        MaskKind::Nrrd(path) => nrrd_mask(path, &source.name, Some(reference)),
        MaskKind::Seg(path) => Ok(dicom::load_seg(path, reference, ctx)?),
        MaskKind::RtStruct(path) => Ok(dicom::load_rtstruct(path, reference, ctx)?),
        MaskKind::ImageStack { files, inverted_order } => {
            Ok(load_image_stack(files, *inverted_order, &source.name, reference, ctx)?)
        }
        MaskKind::DicomMasks(organs) => Ok(dicom::load_dicom_masks(organs, reference, series, ctx)?),
    }
}

fn nifti_mask(path: &Path, name: &str, reference: Option<&Geometry>) -> Result<LoadedMask, IoError> {
    let mut mask = labels_on_grid(path, load_nifti_labels(path)?, reference, false)?;
    name_single(&mut mask.segments, name);
    Ok(mask)
}

fn nrrd_mask(path: &Path, name: &str, reference: Option<&Geometry>) -> Result<LoadedMask, IoError> {
    let (grid, values, named) = load_nrrd_labels(path)?;
    // 3D Slicer crops segmentations to what they hold; only such a file may cover a part of the image.
    let mut mask = labels_on_grid(path, (grid, values), reference, !named.is_empty())?;
    if named.is_empty() {
        name_single(&mut mask.segments, name);
    } else {
        apply_names(&mut mask.segments, &named);
    }
    Ok(mask)
}

/// A file with one label is called after the file: its number says less.
fn name_single(segments: &mut [Segment], name: &str) {
    if let [only] = segments {
        let file_value = only.file_value;
        *only = Segment { file_value, ..Segment::new(only.id, name) };
    }
}

/// Takes names, colours and codes from the file, and adds segments that are named there but have no voxel.
fn apply_names(segments: &mut Vec<Segment>, named: &[FileSegment]) {
    for info in named {
        let at = match segments.iter().position(|s| s.file_value == info.value) {
            Some(at) => at,
            None => {
                let wanted = u8::try_from(info.value).ok();
                let free = |id: &u8| segments.iter().all(|s| s.id != *id);
                let Some(id) = wanted.filter(|id| *id > 0 && free(id)).or_else(|| (1..=u8::MAX).find(free)) else {
                    continue;
                };
                segments.push(Segment { file_value: info.value, ..Segment::new(id, "") });
                segments.len() - 1
            }
        };
        let old = &segments[at];
        let fresh = Segment::new(old.id, info.name.clone());
        segments[at] = Segment {
            color: info.color.unwrap_or(old.color),
            code: info.code.clone().or(fresh.code.clone()),
            file_value: info.value,
            ..fresh
        };
    }
    segments.sort_by_key(|s| s.id);
}

/// For the command line: the volume of a file or folder; `label` chooses among several by the label of its series.
///
/// Nothing is guessed: without a label, several images are refused, and so is one that would be opened in part only
/// because slices are missing or cannot be read. Findings made while reading are added to the series'.
///
/// # Errors
/// [`IoError::NoSeries`] when nothing can be opened, [`IoError::SeveralSeries`], [`IoError::PartOnly`],
/// [`IoError::UnknownSeries`], and those of scanning and reading.
pub fn open_volume(path: &Path, label: Option<&str>, ctx: &JobContext<LoadEvent>) -> Result<(Volume, Series), IoError> {
    let found = scan(path, &quiet(ctx))?;
    let series = choose(&found, path, label)?;
    let Some(source) = &series.source else { return Err(IoError::NoSeries { path: path.to_owned(), reason: None }) };
    let (volume, findings) = load_volume_with_findings(source, ctx)?;
    let mut series = series.clone();
    for finding in findings {
        if !series.findings.contains(&finding) {
            series.findings.push(finding);
        }
    }
    Ok((volume, series))
}

/// Codes of findings that say that slices of a series were left out.
const LEFT_OUT: [&str; 3] = ["unreadable-slices", "missing-slices", "uneven-spacing"];

/// The series that `label` names, or the only one there is.
fn choose<'s>(found: &'s Scan, path: &Path, label: Option<&str>) -> Result<&'s Series, IoError> {
    let path = path.to_owned();
    let all: Vec<&Series> = found.series().filter(|s| s.can_open()).collect();
    let labels = || all.iter().map(|s| s.label.clone()).collect::<Vec<_>>();
    if let Some(asked) = label {
        let named = all.iter().copied().find(|s| s.label.eq_ignore_ascii_case(asked));
        return named.ok_or_else(|| IoError::UnknownSeries { path, asked: asked.into(), known: labels() });
    }
    let Some(first) = all.iter().copied().find(|s| s.may_be_ct()).or(all.first().copied()) else {
        let reason = found.series().flat_map(|s| &s.findings).chain(&found.findings).max_by_key(|f| f.severity);
        return Err(IoError::NoSeries { path, reason: reason.map(|f| f.text.clone()) });
    };
    if let Some(finding) = first.findings.iter().find(|f| LEFT_OUT.contains(&f.code)) {
        return Err(IoError::PartOnly { path, reason: finding.text.clone(), known: labels() });
    }
    // What is certainly no CT does not compete.
    if all.iter().filter(|s| s.may_be_ct() == first.may_be_ct()).count() > 1 {
        return Err(IoError::SeveralSeries { path, known: labels() });
    }
    Ok(first)
}

/// A context for a step of a job that sends no events of its own, with the job's progress and cancel token.
fn quiet<E>(ctx: &JobContext<E>) -> JobContext<()> {
    let (inner, _) = JobContext::attached(ctx.cancel.clone(), ctx.progress.clone(), crate::jobs::Waker::none());
    inner
}

/// For the command line: the mask in a file or folder, on `reference` where one is given.
///
/// NIfTI and NRRD masks bring their own grid; every other kind needs the reference, or lies beside its series.
///
/// # Errors
/// [`IoError::NeedsReference`], [`IoError::UnknownKind`], [`IoError::NothingFound`], and the format's own.
pub fn open_mask(path: &Path, reference: Option<&Geometry>, ctx: &JobContext<()>) -> Result<LoadedMask, IoError> {
    let meta = std::fs::metadata(path).map_err(|e| IoError::from_open(path, e))?;
    let name = stem(path);
    if meta.is_file() {
        return match FileKind::of(path) {
            Some(FileKind::Nifti) => nifti_mask(path, &name, reference),
            Some(FileKind::Nrrd) => nrrd_mask(path, &name, reference),
            _ if is_picture(path) => {
                let reference = reference.ok_or_else(|| IoError::NeedsReference(path.to_owned()))?;
                Ok(load_image_stack(&[path.to_owned()], false, &name, reference, ctx)?)
            }
            _ => scanned_mask(path, reference, ctx),
        };
    }
    let pictures = pictures_in(path)?;
    if pictures.is_empty() {
        scanned_mask(path, reference, ctx)
    } else {
        stack_mask(&pictures, &name, reference, path, ctx)
    }
}

fn stack_mask(
    pictures: &[PathBuf],
    name: &str,
    reference: Option<&Geometry>,
    path: &Path,
    ctx: &JobContext<()>,
) -> Result<LoadedMask, IoError> {
    let reference = reference.ok_or_else(|| IoError::NeedsReference(path.to_owned()))?;
    Ok(load_image_stack(pictures, false, name, reference, ctx)?)
}

/// The first mask that a scan of `path` finds, with the series it belongs to where that is there too.
fn scanned_mask(path: &Path, reference: Option<&Geometry>, ctx: &JobContext<()>) -> Result<LoadedMask, IoError> {
    let found = scan(path, ctx)?;
    let owned = found.series().find_map(|s| s.masks.first().map(|m| (m, Some(s))));
    let Some((mask, series)) = owned.or_else(|| found.masks.first().map(|m| (m, None))) else {
        let known = path.is_dir();
        return Err(if known { IoError::NothingFound(path.to_owned()) } else { IoError::UnknownKind(path.to_owned()) });
    };
    let stack = series.and_then(|s| match &s.source {
        Some(VolumeSource::Dicom(stack)) => Some(stack),
        _ => None,
    });
    let grid = reference.or_else(|| series.and_then(|s| s.geometry.as_ref()));
    match (&mask.kind, grid) {
        (_, Some(grid)) => load_mask(mask, stack, grid, ctx),
        (MaskKind::Nifti(file), None) => nifti_mask(file, &mask.name, None),
        (MaskKind::Nrrd(file), None) => nrrd_mask(file, &mask.name, None),
        (_, None) => Err(IoError::NeedsReference(path.to_owned())),
    }
}

/// A file's name without its ending, or a folder's name.
pub(super) fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let lower = name.to_ascii_lowercase();
    let ending = [".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".nhdr", ".dcm", ".png", ".jpeg", ".jpg"]
        .into_iter()
        .find(|e| lower.ends_with(e) && lower.len() > e.len());
    ending.map_or(name.clone(), |e| name[..name.len() - e.len()].to_owned())
}
