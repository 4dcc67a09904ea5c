//! Layouts with one folder a patient: 3D-IRCADb, CHAOS, lungs.

use super::paths::{entries, files, folder_name, folders, longest, name, stacks, stem, volume_file};
use super::{DatasetCase, Layout, LayoutError};
use crate::io::image_stack::Pictures;
use crate::io::is_picture;
use crate::io::types::{DicomStack, MaskKind, MaskSource, VolumeSource};
use crate::jobs::JobContext;
use std::path::{Path, PathBuf};

/// How many folders deep patients may lie (`Train_Sets/CT/1`).
const DEPTH: usize = 3;

/// Whether `root` is, or holds, a patient of the layout.
pub(super) fn is_layout(root: &Path, layout: Layout) -> bool {
    !patients(root, layout, DEPTH).is_ok_and(|found| found.is_empty()) && root.is_dir()
}

/// Folders of patients at or below `root`, in natural order.
fn patients(root: &Path, layout: Layout, depth: usize) -> Result<Vec<PathBuf>, LayoutError> {
    if is_patient(root, layout) {
        return Ok(vec![root.into()]);
    }
    let mut found = Vec::new();
    if depth > 0 && root.is_dir() {
        for folder in folders(root)? {
            found.extend(patients(&folder, layout, depth - 1)?);
        }
    }
    Ok(found)
}

fn is_patient(folder: &Path, layout: Layout) -> bool {
    match layout {
        Layout::Ircadb => folder.join("PATIENT_DICOM").is_dir() && folder.join("MASKS_DICOM").is_dir(),
        Layout::Chaos => folder.join("DICOM_anon").is_dir() && folder.join("Ground").is_dir(),
        Layout::Lungs => lung_mask(folder).is_some(),
        Layout::Slices | Layout::NnUnet => false,
    }
}

fn lung_mask(folder: &Path) -> Option<PathBuf> {
    ["lungs.nii.gz", "lungs.nii", "lungs.nrrd", "lungs.seg.nrrd"]
        .map(|n| folder.join(n))
        .into_iter()
        .find(|p| p.is_file())
}

/// The cases of `root`, one a patient.
pub(super) fn cases(root: &Path, layout: Layout, ctx: &JobContext<()>) -> Result<Vec<DatasetCase>, LayoutError> {
    let found = patients(root, layout, DEPTH)?;
    if found.is_empty() {
        let expected = match layout {
            Layout::Ircadb => "a folder with PATIENT_DICOM and MASKS_DICOM",
            Layout::Chaos => "a folder with DICOM_anon and Ground",
            _ => "a folder with lungs.nii.gz and ct",
        };
        return Err(LayoutError::OtherLayout { root: root.into(), layout, expected });
    }
    ctx.progress.say("Looking for patients");
    ctx.progress.set(0, found.len() as u64);
    let mut cases = Vec::new();
    for folder in &found {
        if ctx.is_cancelled() {
            return Err(LayoutError::Cancelled);
        }
        let read = match layout {
            Layout::Ircadb => ircadb(folder, ctx)?,
            Layout::Chaos => chaos(folder, ctx)?,
            _ => lungs(folder, ctx)?,
        };
        if let Some((source, masks)) = read {
            let name = folder_name(folder);
            cases.push(DatasetCase { patient: name.clone(), name, source, masks, label_names: label_names(layout) });
        }
        ctx.progress.step();
        ctx.wake();
    }
    Ok(cases)
}

/// What the numbers in the masks mean where the layout fixes it.
fn label_names(layout: Layout) -> Vec<(u32, String)> {
    match layout {
        Layout::Lungs => vec![(1, "left lung".into()), (2, "right lung".into())],
        _ => Vec::new(),
    }
}

type Found = Option<(VolumeSource, Vec<MaskSource>)>;

fn ircadb(folder: &Path, ctx: &JobContext<()>) -> Result<Found, LayoutError> {
    let images = all_files(&folder.join("PATIENT_DICOM"), 2)?;
    let Some(stack) = longest(stacks(&images, ctx)) else { return Ok(None) };
    let mut organs = Vec::new();
    for organ in folders(&folder.join("MASKS_DICOM"))? {
        let files = all_files(&organ, 1)?;
        if !files.is_empty() {
            organs.push((name(&organ), files));
        }
    }
    let masks = if organs.is_empty() {
        Vec::new()
    } else {
        vec![MaskSource { name: "MASKS_DICOM".into(), kind: MaskKind::DicomMasks(organs) }]
    };
    Ok(Some((VolumeSource::Dicom(stack), masks)))
}

fn chaos(folder: &Path, ctx: &JobContext<()>) -> Result<Found, LayoutError> {
    let images = all_files(&folder.join("DICOM_anon"), 1)?;
    let Some(stack) = longest(stacks(&images, ctx)) else { return Ok(None) };
    let pictures: Vec<PathBuf> = files(&folder.join("Ground"))?.into_iter().filter(|p| is_picture(p)).collect();
    let masks = if pictures.is_empty() {
        Vec::new()
    } else {
        vec![MaskSource { name: "Liver".into(), kind: MaskKind::ImageStack(in_slice_order(&stack, &pictures)) }]
    };
    Ok(Some((VolumeSource::Dicom(stack), masks)))
}

fn lungs(folder: &Path, ctx: &JobContext<()>) -> Result<Found, LayoutError> {
    let Some(mask) = lung_mask(folder) else { return Ok(None) };
    let kind = match volume_file(&mask) {
        Some(VolumeSource::Nrrd(path)) => MaskKind::Nrrd(path),
        _ => MaskKind::Nifti(mask),
    };
    let masks = vec![MaskSource { name: "lungs".into(), kind }];
    let ct = folder.join("ct");
    if ct.is_dir() {
        let images = all_files(&ct, 1)?;
        if let Some(stack) = longest(stacks(&images, ctx)) {
            return Ok(Some((VolumeSource::Dicom(stack), masks)));
        }
        return Ok(images.iter().find_map(|p| volume_file(p)).map(|source| (source, masks)));
    }
    // A volume file beside the mask: `ct.nii.gz`, or the only other one.
    let others: Vec<PathBuf> =
        files(folder)?.into_iter().filter(|p| volume_file(p).is_some() && stem(p) != "lungs").collect();
    let named = others.iter().find(|p| stem(p).eq_ignore_ascii_case("ct"));
    let image = named.or(if others.len() == 1 { others.first() } else { None });
    Ok(image.and_then(|p| volume_file(p)).map(|source| (source, masks)))
}

/// Files in a folder and, to a depth, in the folders within.
fn all_files(folder: &Path, depth: usize) -> Result<Vec<PathBuf>, LayoutError> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        if path.is_file() {
            found.push(path);
        } else if depth > 1 && path.is_dir() {
            found.extend(all_files(&path, depth - 1)?);
        }
    }
    Ok(found)
}

/// Pictures in the order of the stack's slices. Where neither names nor their number fit, they stay in the order of their
/// names, and loading them says what is wrong.
pub(super) fn in_slice_order(stack: &DicomStack, pictures: &[PathBuf]) -> Pictures {
    Pictures::on_slices(stack, pictures).unwrap_or_else(|| Pictures::in_order(pictures))
}
