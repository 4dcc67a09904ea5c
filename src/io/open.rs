//! One door for loading whatever the scan found, and for paths given on the command line.

use crate::core::{Geometry, Segment, Volume};
use crate::io::dicom;
use crate::io::error::IoError;
use crate::io::image_stack::{Pictures, is_picture, load_image_stack, pictures_in};
use crate::io::layouts::declared_names;
use crate::io::mask::LoadedMask;
use crate::io::natural::natural_path_cmp;
use crate::io::nifti::{load_nifti_labels, load_nifti_volume};
use crate::io::nrrd::{load_nrrd_labels, load_nrrd_volume};
use crate::io::on_slices;
use crate::io::orient::labels_on_grid;
use crate::io::scan::scan;
use crate::io::types::{DicomStack, Finding, LoadEvent, MaskKind, MaskSource, Scan, Series, VolumeSource};
use crate::io::volume_file::{FileSegment, VolumeKind};
use crate::jobs::JobContext;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
/// exactly; nothing is interpolated. Onto the grid of a resampled series, masks of its slices come by nearest neighbour.
///
/// # Errors
/// [`IoError::GridMismatch`] and [`IoError::GridElsewhere`] for a mask of another image, and the format's own.
pub fn load_mask(
    source: &MaskSource,
    series: Option<&DicomStack>,
    reference: &Geometry,
    ctx: &JobContext<()>,
) -> Result<LoadedMask, IoError> {
    let slices = on_slices::slices_behind(series, reference);
    let Some((slices, stack)) = slices.as_ref().zip(series) else { return mask_on(source, series, reference, ctx) };
    let on_slices = on_slices::load(source, stack, slices, ctx);
    if let Ok(Some(mask)) = on_slices {
        return Ok(mask);
    }
    match (mask_on(source, series, reference, ctx), on_slices) {
        // Neither of the grid nor of the slices: the slices' reason says more.
        (Err(_), Err(reason)) => Err(reason),
        (Err(reason), _) if slices.spacing().is_some() => {
            let on_stack = mask_on(source, series, &slices.index_grid(), ctx);
            on_stack.map(|mask| on_slices::lift(mask, slices)).map_err(|_| reason)
        }
        (result, _) => result,
    }
}

/// A mask whose voxels are the grid's.
fn mask_on(
    source: &MaskSource,
    series: Option<&DicomStack>,
    reference: &Geometry,
    ctx: &JobContext<()>,
) -> Result<LoadedMask, IoError> {
    match &source.kind {
        MaskKind::Nifti(path) => file_mask(VolumeKind::Nifti, path, &source.name, Some(reference)),
        MaskKind::Nrrd(path) => file_mask(VolumeKind::Nrrd, path, &source.name, Some(reference)),
        MaskKind::Seg(path) => Ok(dicom::load_seg(path, reference, ctx)?),
        MaskKind::RtStruct(path) => Ok(dicom::load_rtstruct(path, reference, ctx)?),
        MaskKind::ImageStack(pictures) => Ok(load_image_stack(pictures, &source.name, reference, ctx)?),
        MaskKind::DicomMasks(organs) => Ok(dicom::load_dicom_masks(organs, reference, series, ctx)?),
    }
}

/// A mask that is a volume file, on `reference` or on its own grid.
fn file_mask(kind: VolumeKind, path: &Path, name: &str, reference: Option<&Geometry>) -> Result<LoadedMask, IoError> {
    let file = match kind {
        VolumeKind::Nifti => load_nifti_labels(path)?,
        VolumeKind::Nrrd => load_nrrd_labels(path)?,
    };
    let named = file.segments.clone();
    // 3D Slicer crops segmentations to what they hold; only such a file may cover a part of the image.
    let mut mask = labels_on_grid(path, file, reference, !named.is_empty())?;
    if !named.is_empty() {
        for (layer, (_, segments)) in mask.layers_mut().enumerate() {
            apply_names(segments, named.iter().filter(|s| s.layer == layer));
        }
        return Ok(mask);
    }
    let declared = declared_names(path);
    if declared.is_empty() {
        name_single(&mut mask.segments, name);
    }
    for segment in &mut mask.segments {
        if let Some((_, name)) = declared.iter().find(|(value, _)| *value == segment.file_value) {
            let file_value = segment.file_value;
            *segment = Segment { file_value, ..Segment::new(segment.id, name) };
        }
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
fn apply_names<'a>(segments: &mut Vec<Segment>, named: impl Iterator<Item = &'a FileSegment>) {
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
    open_volume_as(path, label, false, ctx)
}

/// [`open_volume`]; with `resample`, a tilted or unevenly spaced series opens on a regular grid and none of its slices
/// is left out.
///
/// # Errors
/// As [`open_volume`].
pub fn open_volume_as(
    path: &Path,
    label: Option<&str>,
    resample: bool,
    ctx: &JobContext<LoadEvent>,
) -> Result<(Volume, Series), IoError> {
    let mut found = scan(path, &quiet(ctx))?;
    if resample {
        resample_all(&mut found);
    }
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

/// Puts the regular grid in the place of every series that offers one; parts of one series become one.
pub fn resample_all(scan: &mut Scan) {
    let mut seen: Vec<Arc<DicomStack>> = Vec::new();
    for study in scan.patients.iter_mut().flat_map(|p| &mut p.studies) {
        study.series.retain_mut(|series| {
            let (Some(stack), Some(whole)) = (series.resampled.clone(), series.resample()) else { return true };
            *series = whole;
            let first = !seen.iter().any(|s| Arc::ptr_eq(s, &stack));
            seen.push(stack);
            first
        });
    }
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
        // What is said of a series is why it cannot be opened; what is said of the folder is only said where there is none.
        let own = found.series().flat_map(|s| &s.findings).max_by_key(|f| f.severity);
        let reason = own.or_else(|| found.findings.iter().max_by_key(|f| f.severity));
        let offered = found.series().any(|s| s.resampled.is_some());
        let reason = reason.map(|f| if offered { format!("{} Add --resample.", f.text) } else { f.text.clone() });
        return Err(IoError::NoSeries { path, reason });
    };
    if let Some(finding) = first.findings.iter().find(|f| LEFT_OUT.contains(&f.code)) {
        let all_of_it = if first.resampled.is_some() { " All of it opens with --resample." } else { "" };
        return Err(IoError::PartOnly { path, reason: format!("{}{all_of_it}", finding.text), known: labels() });
    }
    // What is certainly no CT does not compete, and neither does a copy.
    if all.iter().filter(|s| s.may_be_ct() == first.may_be_ct() && !s.is_copy()).count() > 1 {
        return Err(IoError::SeveralSeries { path, known: labels() });
    }
    Ok(first)
}

/// A context for a step of a job that sends no events of its own, with the job's progress and cancel token.
fn quiet<E>(ctx: &JobContext<E>) -> JobContext<()> {
    let (inner, _) = JobContext::attached(ctx.cancel.clone(), ctx.progress.clone(), crate::jobs::Waker::none());
    inner
}

/// Which mask is wanted, and on which image.
#[derive(Debug, Clone, Copy, Default)]
pub struct MaskRequest<'a> {
    /// Of several masks under the path, the one of this name.
    pub name: Option<&'a str>,
    /// The image's grid.
    pub grid: Option<&'a Geometry>,
    /// The image's DICOM series, which tells slices by their names.
    pub series: Option<&'a DicomStack>,
}

/// [`find_mask`] for the only mask under a path, on `reference` where one is given.
///
/// # Errors
/// As [`find_mask`].
pub fn open_mask(path: &Path, reference: Option<&Geometry>, ctx: &JobContext<()>) -> Result<LoadedMask, IoError> {
    find_mask(path, MaskRequest { grid: reference, ..MaskRequest::default() }, ctx)
}

/// The mask in a file or folder that is not known from a scan.
///
/// NIfTI, NRRD and DICOM SEG bring their own grid; every other kind needs the image's, or lies beside its series. With
/// an image named, a folder of DICOM images that is no known mask is read as one: not zero is inside.
///
/// # Errors
/// [`IoError::NeedsReference`], [`IoError::SeveralMasks`], [`IoError::UnknownMask`], [`IoError::UnknownKind`],
/// [`IoError::NothingFound`], and the format's own.
pub fn find_mask(path: &Path, request: MaskRequest<'_>, ctx: &JobContext<()>) -> Result<LoadedMask, IoError> {
    let meta = std::fs::metadata(path).map_err(|e| IoError::from_open(path, e))?;
    let name = stem(path);
    let pictures = if meta.is_dir() {
        pictures_in(path)?
    } else if let Some(kind) = VolumeKind::of(path) {
        let Some(grid) = request.grid else { return file_mask(kind, path, &name, None) };
        let file = path.to_owned();
        let kind = match kind {
            VolumeKind::Nifti => MaskKind::Nifti(file),
            VolumeKind::Nrrd => MaskKind::Nrrd(file),
        };
        return load_mask(&MaskSource { name, kind }, request.series, grid, ctx);
    } else {
        Some(path.to_owned()).into_iter().filter(|p| is_picture(p)).collect()
    };
    if pictures.is_empty() {
        return scanned_mask(path, request, ctx);
    }
    let grid = request.grid.ok_or_else(|| IoError::NeedsReference(path.to_owned()))?;
    let matched = request.series.and_then(|series| Pictures::on_slices(series, &pictures));
    let matched = matched.unwrap_or_else(|| Pictures::in_order(&pictures));
    load_mask(&MaskSource { name, kind: MaskKind::ImageStack(matched) }, request.series, grid, ctx)
}

/// The mask that a scan of `path` finds, with the series it belongs to where that is there too.
fn scanned_mask(path: &Path, request: MaskRequest<'_>, ctx: &JobContext<()>) -> Result<LoadedMask, IoError> {
    let found = scan(path, ctx)?;
    let owned = found.series().flat_map(|s| s.masks.iter().map(move |m| (m, Some(s))));
    let all: Vec<(&MaskSource, Option<&Series>)> = owned.chain(found.masks.iter().map(|m| (m, None))).collect();
    let Some((mask, series)) = choose_mask(&all, path, request.name)? else {
        let files = plain_files(path);
        return match request.grid {
            Some(grid) if found.series().next().is_some() && !files.is_empty() => {
                let kind = MaskKind::DicomMasks(vec![(stem(path), files)]);
                load_mask(&MaskSource { name: stem(path), kind }, request.series, grid, ctx)
            }
            _ if path.is_dir() => Err(IoError::NothingFound(path.to_owned())),
            _ => Err(IoError::UnknownKind(path.to_owned())),
        };
    };
    let own = series.and_then(|s| match &s.source {
        Some(VolumeSource::Dicom(stack)) => Some(stack),
        _ => None,
    });
    match (&mask.kind, request.grid.or_else(|| series.and_then(|s| s.geometry.as_ref()))) {
        (_, Some(grid)) => load_mask(mask, request.series.or(own), grid, ctx),
        (MaskKind::Nifti(file), None) => file_mask(VolumeKind::Nifti, file, &mask.name, None),
        (MaskKind::Nrrd(file), None) => file_mask(VolumeKind::Nrrd, file, &mask.name, None),
        (MaskKind::Seg(file), None) => Ok(dicom::load_seg(file, &dicom::seg_grid(file)?, ctx)?),
        (_, None) => Err(IoError::NeedsReference(path.to_owned())),
    }
}

type Owned<'s> = (&'s MaskSource, Option<&'s Series>);

/// The mask of that name, or the only one; one that belongs to several series counts once.
fn choose_mask<'s>(all: &[Owned<'s>], path: &Path, name: Option<&str>) -> Result<Option<Owned<'s>>, IoError> {
    let mut known: Vec<String> = Vec::new();
    for (mask, _) in all {
        if !known.contains(&mask.name) {
            known.push(mask.name.clone());
        }
    }
    let path = path.to_owned();
    match name {
        Some(asked) => match all.iter().find(|(m, _)| m.name.eq_ignore_ascii_case(asked)) {
            Some(found) => Ok(Some(*found)),
            None => Err(IoError::UnknownMask { path, asked: asked.into(), known }),
        },
        None if known.len() > 1 => Err(IoError::SeveralMasks { path, known }),
        None => Ok(all.first().copied()),
    }
}

/// The file, or the visible files of the folder.
fn plain_files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(path).map(|l| l.flatten().map(|e| e.path()).collect()).unwrap_or_default();
    files.retain(|p| p.is_file() && p.file_name().is_some_and(|n| !n.to_string_lossy().starts_with('.')));
    files.sort_by(|a, b| natural_path_cmp(a, b));
    files
}

/// A file's name without its ending, or a folder's name.
pub(in crate::io) fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let lower = name.to_ascii_lowercase();
    let ending = [
        ".seg.nrrd",
        ".nii.gz",
        ".hdr.gz",
        ".img.gz",
        ".nii",
        ".hdr",
        ".img",
        ".nrrd",
        ".nhdr",
        ".dcm",
        ".png",
        ".jpeg",
        ".jpg",
    ]
    .into_iter()
    .find(|e| lower.ends_with(e) && lower.len() > e.len());
    ending.map_or(name.clone(), |e| name[..name.len() - e.len()].to_owned())
}
