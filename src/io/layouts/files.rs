//! Layouts with a folder of images and a folder of masks: nnU-Net and single slices.

use super::declared::{self, Declared};
use super::folders::in_slice_order;
use super::paths::{files, name, stacks, stem, volume_file};
use super::{DatasetCase, Layout, LayoutError};
use crate::io::image_stack::Pictures;
use crate::io::types::{DicomStack, MaskKind, MaskSource, VolumeSource};
use crate::io::{is_picture, natural_cmp};
use crate::jobs::JobContext;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

pub(super) fn is_nnunet(root: &Path) -> bool {
    root.join("imagesTr").is_dir() && root.join("labelsTr").is_dir()
}

pub(super) fn is_slices(root: &Path) -> bool {
    root.join("images").is_dir() && root.join("masks").is_dir()
}

/// nnU-Net v2 (`<case>_0000`), v1 and the Medical Segmentation Decathlon (`<case>`), or as `dataset.json` pairs them. Of
/// several channels the first.
pub(super) fn nnunet(root: &Path, ctx: &JobContext<()>) -> Result<Vec<DatasetCase>, LayoutError> {
    if !is_nnunet(root) {
        let expected = "imagesTr and labelsTr";
        return Err(LayoutError::OtherLayout { root: root.into(), layout: Layout::NnUnet, expected });
    }
    ctx.progress.say("Looking for images and labels");
    let Declared { names: label_names, cases: listed } = declared::read(&root.join("dataset.json"))?;
    let by_name = |folder: &str| -> Result<BTreeMap<String, PathBuf>, LayoutError> {
        let found = files(&root.join(folder))?.into_iter().filter(|p| volume_file(p).is_some());
        Ok(found.map(|p| (name(&p), p)).collect())
    };
    let (images, masks) = (by_name("imagesTr")?, by_name("labelsTr")?);
    let by_stem: HashMap<String, &PathBuf> = images.values().map(|p| (stem(p), p)).collect();
    let listed: HashMap<&str, &str> = listed.iter().map(|(image, mask)| (mask.as_str(), image.as_str())).collect();
    let mut cases = Vec::new();
    for (mask_name, mask) in &masks {
        let kind = match volume_file(mask) {
            Some(VolumeSource::Nifti(path)) => MaskKind::Nifti(path),
            Some(VolumeSource::Nrrd(path)) => MaskKind::Nrrd(path),
            _ => continue,
        };
        let case = stem(mask);
        let image = match listed.get(mask_name.as_str()) {
            Some(image) => images.get(*image),
            None => by_stem.get(&format!("{case}_0000")).or_else(|| by_stem.get(&case)).copied(),
        };
        if let Some(source) = image.and_then(|p| volume_file(p)) {
            let masks = vec![MaskSource { name: case.clone(), kind }];
            let label_names = label_names.clone();
            cases.push(DatasetCase { patient: case.clone(), name: case, source, masks, label_names });
        }
    }
    cases.sort_by(|a, b| natural_cmp(&a.name, &b.name));
    Ok(cases)
}

/// What a patient's slices are called: `<patient>_<slice>`, or one name for both where there is no number.
fn patient_of(stem: &str) -> &str {
    match stem.rsplit_once('_') {
        Some((patient, slice))
            if !patient.is_empty() && !slice.is_empty() && slice.bytes().all(|b| b.is_ascii_digit()) =>
        {
            patient
        }
        _ => stem,
    }
}

/// Slices with one mask file each, of the same stem. The slices of a patient that form one regular stack and all
/// have a picture as mask are one case; otherwise each slice is a case of its own. Volume files are cases as they are.
pub(super) fn slices(root: &Path, ctx: &JobContext<()>) -> Result<Vec<DatasetCase>, LayoutError> {
    if !is_slices(root) {
        return Err(LayoutError::OtherLayout {
            root: root.into(),
            layout: Layout::Slices,
            expected: "images and masks",
        });
    }
    ctx.progress.say("Looking for slices and masks");
    let masks: HashMap<String, PathBuf> = files(&root.join("masks"))?.into_iter().map(|p| (stem(&p), p)).collect();
    // In natural order of patients: `files` sorts, and the first slice seen fixes a patient's place.
    let mut order: Vec<String> = Vec::new();
    let mut patients: HashMap<String, Vec<PathBuf>> = HashMap::new();
    let images = files(&root.join("images"))?;
    ctx.progress.set(0, images.len() as u64);
    for path in images {
        let stem = stem(&path);
        if masks.contains_key(&stem) {
            let patient = patient_of(&stem).to_owned();
            if !patients.contains_key(&patient) {
                order.push(patient.clone());
            }
            patients.entry(patient).or_default().push(path);
        }
    }
    let mut cases = Vec::new();
    for patient in order {
        if ctx.is_cancelled() {
            return Err(LayoutError::Cancelled);
        }
        let Some(paths) = patients.remove(&patient) else { continue };
        ctx.progress.set(ctx.progress.counts().0 + paths.len() as u64, ctx.progress.counts().1);
        let (volumes, dicom): (Vec<PathBuf>, Vec<PathBuf>) = paths.into_iter().partition(|p| volume_file(p).is_some());
        for path in &volumes {
            if let (Some(source), Some(mask)) = (volume_file(path), masks.get(&stem(path))) {
                cases.push(case(&patient, stem(path), source, file_mask(mask)));
            }
        }
        if dicom.is_empty() {
            continue;
        }
        let pictures: Option<Vec<PathBuf>> =
            dicom.iter().map(|p| masks.get(&stem(p)).filter(|m| is_picture(m)).cloned()).collect();
        let mut found = stacks(&dicom, ctx);
        if let (Some(pictures), [stack]) = (&pictures, &found[..])
            && stack.slices.len() == dicom.len()
        {
            let kind = MaskKind::ImageStack(in_slice_order(stack, pictures));
            if let Some(stack) = found.pop() {
                cases.push(case(&patient, patient.clone(), VolumeSource::Dicom(stack), kind));
            }
            continue;
        }
        for path in &dicom {
            let Some(mask) = masks.get(&stem(path)) else { continue };
            let single: Vec<DicomStack> = stacks(std::slice::from_ref(path), ctx);
            for stack in single {
                cases.push(case(&patient, stem(path), VolumeSource::Dicom(stack), file_mask(mask)));
            }
        }
    }
    Ok(cases)
}

fn case(patient: &str, name: String, source: VolumeSource, kind: MaskKind) -> DatasetCase {
    let masks = vec![MaskSource { name: "Mask".into(), kind }];
    DatasetCase { name, patient: patient.into(), source, masks, label_names: Vec::new() }
}

/// A mask file's kind by its ending: volume file, picture, or else DICOM.
fn file_mask(path: &Path) -> MaskKind {
    match volume_file(path) {
        Some(VolumeSource::Nrrd(path)) => MaskKind::Nrrd(path),
        Some(VolumeSource::Nifti(path)) => MaskKind::Nifti(path),
        _ if is_picture(path) => MaskKind::ImageStack(Pictures::in_order(&[path.into()])),
        _ => MaskKind::DicomMasks(vec![(name(path), vec![path.into()])]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slice_numbers_are_told_from_names() {
        for (stem, patient) in
            [("p1_003", "p1"), ("a_b_12", "a_b"), ("a_b", "a_b"), ("_7", "_7"), ("x_", "x_"), ("scan", "scan")]
        {
            assert_eq!(patient_of(stem), patient);
        }
    }
}
