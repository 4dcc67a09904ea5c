//! What a scan finds in folders as people keep them.

use super::*;
use crate::core::{Geometry, LabelMap, Segment, Volume};
use crate::io::dicom::{CtSeriesInfo, write_ct_series, write_mask_series};
use crate::io::image_stack::save_image_stack;
use crate::io::nifti::{save_nifti_labels, save_nifti_volume};
use crate::io::nrrd::{save_nrrd_labels, save_nrrd_volume};
use crate::io::types::{MaskKind, Series};
use crate::io::{MatchedBy, open_mask, open_volume};
use glam::DVec3;
use std::fs;
use std::path::PathBuf;

const DIMS: [usize; 3] = [12, 10, 7];

fn grid(dims: [usize; 3]) -> Geometry {
    Geometry::axis_aligned(dims, DVec3::new(0.7, 0.8, 3.0), DVec3::new(-50.0, -40.0, 7.0)).unwrap()
}

fn ct(dims: [usize; 3]) -> Volume {
    let g = grid(dims);
    Volume::new(g, (0..g.voxel_count()).map(|n| (n * 37 % 1500) as i16 - 1000).collect::<Vec<_>>()).unwrap()
}

/// Differs in every slice and within it, so that no flip or shift goes unseen.
fn mask(dims: [usize; 3]) -> LabelMap {
    let mut labels = LabelMap::empty(grid(dims));
    for k in 0..dims[2] {
        labels.set([k % dims[0], 2, k], 1);
        labels.set([4, k % dims[1], k], 1);
    }
    labels
}

fn organ() -> Vec<Segment> {
    vec![Segment::new(1, "liver")]
}

fn look_at(path: &Path) -> Scan {
    scan(path, &JobContext::detached()).unwrap()
}

fn mask_names(series: &Series) -> Vec<&str> {
    series.masks.iter().map(|m| m.name.as_str()).collect()
}

fn write_ct(folder: &Path) -> Vec<PathBuf> {
    fs::create_dir_all(folder).unwrap();
    let info = CtSeriesInfo {
        patient_id: "PHANTOM-0001".into(),
        series_description: "test".into(),
        series_number: 1,
        body_part: "ABDOMEN".into(),
        seed: 3,
        window: None,
    };
    write_ct_series(folder, &ct(DIMS), &info).unwrap()
}

#[test]
fn nothing_to_open_is_said_plainly() {
    let dir = tempfile::tempdir().unwrap();
    let error = |path: &Path| scan(path, &JobContext::detached()).unwrap_err();
    assert!(matches!(error(&dir.path().join("no")), IoError::Missing(_)));
    assert!(matches!(error(dir.path()), IoError::EmptyFolder(_)));
    fs::write(dir.path().join("notes.txt"), b"hello").unwrap();
    assert!(matches!(error(dir.path()), IoError::NothingFound(_)));
    assert!(matches!(error(&dir.path().join("notes.txt")), IoError::NothingFound(_) | IoError::UnknownKind(_)));
    fs::write(dir.path().join("a.nii"), b"hello").unwrap();
    assert!(matches!(error(&dir.path().join("a.nii")), IoError::Nifti(_)));
    let found = look_at(dir.path());
    assert_eq!(found.findings.iter().filter(|f| f.code == "unreadable-file").count(), 1);
    let ctx = JobContext::detached();
    ctx.cancel.cancel();
    assert!(matches!(scan(dir.path(), &ctx), Err(IoError::Cancelled)));
    let no_series = open_volume(dir.path(), None, &JobContext::detached()).unwrap_err().to_string();
    assert!(no_series.contains("no image series") && no_series.contains("NIfTI"), "{no_series}");
}

/// Two patients on one grid: names decide, also in another axis order and format.
#[test]
fn training_folders_pair_images_with_labels() {
    let dir = tempfile::tempdir().unwrap();
    let (images, labels) = (dir.path().join("imagesTr"), dir.path().join("labelsTr"));
    fs::create_dir_all(&images).unwrap();
    fs::create_dir_all(&labels).unwrap();
    for case in ["liver_1", "liver_11"] {
        save_nifti_volume(&images.join(format!("{case}_0000.nii.gz")), &ct(DIMS)).unwrap();
        save_nifti_labels(&labels.join(format!("{case}.nii.gz")), &mask(DIMS), &organ()).unwrap();
    }
    save_nrrd_labels(&labels.join("cropped.nrrd"), &mask([5, 5, 5]), &organ()).unwrap();
    save_nifti_labels(&labels.join("other.nii"), &mask([5, 5, 5]), &organ()).unwrap();
    let found = look_at(dir.path());
    let pairs: Vec<_> = found.series().map(|s| (s.label.clone(), mask_names(s))).collect();
    assert_eq!(
        pairs,
        [("liver_1_0000.nii.gz".to_owned(), vec!["liver_1"]), ("liver_11_0000.nii.gz".to_owned(), vec!["liver_11"])]
    );
    assert_eq!(found.masks.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["cropped", "other"]);
    assert!(found.findings.iter().any(|f| f.code == "mask-without-image"));
    assert_eq!(found.patients.iter().map(|p| p.label.as_str()).collect::<Vec<_>>(), ["Patient 1", "Patient 2"]);
    let loaded = open_mask(&labels.join("liver_1.nii.gz"), Some(&grid(DIMS)), &JobContext::detached()).unwrap();
    assert_eq!(loaded.labels.to_dense(), mask(DIMS).to_dense());
    assert_eq!(loaded.segments[0].name, "liver_1");
    let other = open_mask(&labels.join("other.nii"), Some(&grid(DIMS)), &JobContext::detached());
    assert!(matches!(other, Err(IoError::GridMismatch { mask: [5, 5, 5], image: DIMS })));
    // A segmentation that 3D Slicer has cropped lies on a part of its image.
    let cropped = open_mask(&labels.join("cropped.nrrd"), Some(&grid(DIMS)), &JobContext::detached()).unwrap();
    assert_eq!((cropped.labels.counts()[1], cropped.findings[0].code), (mask([5; 3]).counts()[1], "cropped"));
    let alone = open_mask(&labels.join("cropped.nrrd"), None, &JobContext::detached()).unwrap();
    assert_eq!(alone.segments[0].name, "liver");
}

#[test]
fn side_by_side_files_and_hidden_ones() {
    let dir = tempfile::tempdir().unwrap();
    save_nrrd_volume(&dir.path().join("ct-64.nrrd"), &ct(DIMS)).unwrap();
    save_nifti_labels(&dir.path().join("lm-64.nii"), &mask(DIMS), &organ()).unwrap();
    save_nifti_labels(&dir.path().join("whatever.nii"), &mask(DIMS), &organ()).unwrap();
    fs::write(dir.path().join(".hidden.nii"), b"broken").unwrap();
    fs::create_dir_all(dir.path().join("__MACOSX")).unwrap();
    fs::write(dir.path().join("__MACOSX/x.nii"), b"broken").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
    let found = look_at(dir.path());
    let series: Vec<&Series> = found.series().collect();
    assert_eq!((series.len(), mask_names(series[0])), (1, vec!["lm-64", "whatever"]));
    assert!(found.findings.iter().all(|f| f.severity == Severity::Note), "{:?}", found.findings);
    let (volume, series) = open_volume(dir.path(), None, &JobContext::detached()).unwrap();
    assert_eq!((volume.hu().as_ref(), series.slices), (ct(DIMS).hu().as_ref(), 7));
}

/// CHAOS: the n-th picture belongs to the n-th DICOM file by name, here once upwards and once downwards.
#[test]
fn chaos_pictures_follow_the_dicom_file_names() {
    for downwards in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (dicom, ground) = (dir.path().join("1/DICOM_anon"), dir.path().join("1/Ground"));
        let files = write_ct(&dicom);
        save_image_stack(&ground, &mask(DIMS), &organ()).unwrap();
        for (k, file) in files.iter().enumerate() {
            let n = if downwards { DIMS[2] - 1 - k } else { k };
            fs::rename(file, dicom.join(format!("i{n:04},0000b.dcm"))).unwrap();
            fs::rename(ground.join(format!("{k:04}.png")), ground.join(format!("liver_GT_{n:03}.png"))).unwrap();
        }
        let found = look_at(dir.path());
        let series = found.series().next().unwrap();
        assert_eq!(mask_names(series), ["Ground"]);
        match &series.masks[0].kind {
            MaskKind::ImageStack(pictures) => assert_eq!(pictures.matched, MatchedBy::Order),
            other => panic!("{other:?}"),
        }
        let loaded =
            crate::io::load_mask(&series.masks[0], None, series.geometry.as_ref().unwrap(), &JobContext::detached());
        assert_eq!(loaded.unwrap().labels.to_dense(), mask(DIMS).to_dense());
        let opened = open_mask(&ground, series.geometry.as_ref(), &JobContext::detached());
        // Without its series a folder of pictures is read in the order of its names.
        assert_eq!(opened.unwrap().labels.to_dense() == mask(DIMS).to_dense(), !downwards);
    }
}

#[test]
fn pictures_named_like_slices_are_theirs_and_others_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let files = write_ct(&dir.path().join("a/ct"));
    let masks = dir.path().join("b/masks");
    fs::create_dir_all(dir.path().join("b")).unwrap();
    save_image_stack(&masks, &mask(DIMS), &organ()).unwrap();
    for (k, file) in files.iter().enumerate() {
        let name = format!("{}.png", file.file_stem().unwrap().to_string_lossy());
        fs::rename(masks.join(format!("{k:04}.png")), masks.join(name)).unwrap();
    }
    // Of another size: a screenshot.
    image::GrayImage::new(9, 9).save(dir.path().join("a/ct/shot.png")).unwrap();
    let found = look_at(dir.path());
    let series = found.series().next().unwrap();
    assert_eq!(mask_names(series), ["masks"]);
    let grid = series.geometry.unwrap();
    let loaded = crate::io::load_mask(&series.masks[0], None, &grid, &JobContext::detached()).unwrap();
    assert_eq!(loaded.labels.to_dense(), mask(DIMS).to_dense());
    assert!(found.masks.is_empty());
}

#[test]
fn organ_folders_belong_to_the_patient_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("3Dircadb1.1");
    write_ct(&root.join("PATIENT_DICOM"));
    let organ = root.join("MASKS_DICOM/liver");
    fs::create_dir_all(&organ).unwrap();
    let info = CtSeriesInfo {
        patient_id: "PHANTOM-0001".into(),
        series_description: "mask".into(),
        series_number: 1,
        body_part: "ABDOMEN".into(),
        seed: 3,
        window: None,
    };
    write_mask_series(&organ, &mask(DIMS), 1, &info).unwrap();
    fs::create_dir_all(root.join("LABELLED_DICOM")).unwrap();
    let found = look_at(dir.path());
    assert_eq!(found.series().count(), 1);
    let series = found.series().next().unwrap();
    assert!(matches!(&series.masks[0].kind, MaskKind::DicomMasks(o) if o.len() == 1 && o[0].0 == "liver"));
    let stack = match &series.source {
        Some(crate::io::types::VolumeSource::Dicom(stack)) => stack,
        other => panic!("{other:?}"),
    };
    let grid = series.geometry.unwrap();
    let loaded = crate::io::load_mask(&series.masks[0], Some(stack), &grid, &JobContext::detached()).unwrap();
    assert_eq!(loaded.labels.to_dense(), mask(DIMS).to_dense());
    // The same mask as a segmentation, saved and opened again.
    let seg = dir.path().join("out.dcm");
    crate::io::save_mask(&seg, &loaded.labels, &loaded.segments, Some(stack)).unwrap();
    let back = open_mask(&seg, Some(&grid), &JobContext::detached()).unwrap();
    assert_eq!(back.labels.to_dense(), mask(DIMS).to_dense());
    assert!(matches!(crate::io::save_mask(&seg, &loaded.labels, &loaded.segments, None), Err(IoError::NeedsSeries(_))));
}

#[test]
fn projects_are_named_and_not_searched() {
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("case.maskwright");
    fs::create_dir_all(&project).unwrap();
    fs::write(project.join("project.ron"), b"(version: 1)").unwrap();
    save_nrrd_volume(&project.join("volume-1.nrrd"), &ct(DIMS)).unwrap();
    for path in [dir.path(), &project] {
        let found = look_at(path);
        assert_eq!(found.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["project"]);
        assert_eq!(found.series().count(), 0);
    }
}

#[test]
fn a_volume_file_of_a_series_is_its_copy_and_no_second_patient() {
    let dir = tempfile::tempdir().unwrap();
    write_ct(&dir.path().join("dicom"));
    fs::create_dir_all(dir.path().join("nifti")).unwrap();
    save_nifti_volume(&dir.path().join("nifti/CT_image.nii.gz"), &ct(DIMS)).unwrap();
    save_nifti_volume(&dir.path().join("nifti/MR_image.nii.gz"), &ct([9, 9, 9])).unwrap();
    save_nifti_labels(&dir.path().join("nifti/CT_mask.nii.gz"), &mask(DIMS), &organ()).unwrap();
    let found = look_at(dir.path());
    assert_eq!(found.patients.len(), 1);
    let series: Vec<(&str, bool)> = found.series().map(|s| (s.label.as_str(), s.is_copy())).collect();
    assert_eq!(series, [("CT 1", false), ("CT_image.nii.gz", true), ("MR_image.nii.gz", false)]);
    // The mask stays with the file it lies beside.
    assert_eq!(found.series().map(mask_names).collect::<Vec<_>>(), [vec![], vec!["CT_mask"], vec![]]);
    // The DICOM series is what a folder opens as.
    let (_, opened) = open_volume(dir.path(), None, &JobContext::detached()).unwrap();
    assert_eq!(opened.label, "CT 1");
    // One voxel in the middle differs: another image.
    let mut hu = ct(DIMS).hu().to_vec();
    hu[DIMS[0] * DIMS[1] * 3] += 1;
    save_nifti_volume(&dir.path().join("nifti/CT_image.nii.gz"), &Volume::new(grid(DIMS), hu).unwrap()).unwrap();
    let found = look_at(dir.path());
    assert_eq!((found.patients.len(), found.series().filter(|s| s.is_copy()).count()), (2, 0));
}

#[cfg(unix)]
#[test]
fn links_in_circles_end_and_linked_files_are_read_once() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let files = write_ct(&dir.path().join("a"));
    fs::create_dir_all(dir.path().join("b/c")).unwrap();
    for n in 0..40 {
        symlink(dir.path(), dir.path().join(format!("b/c/up{n}"))).unwrap();
        symlink(dir.path().join("b"), dir.path().join(format!("a/down{n}"))).unwrap();
    }
    for (n, file) in files.iter().enumerate() {
        symlink(file, dir.path().join(format!("b/slice{n}.dcm"))).unwrap();
    }
    symlink(dir.path().join("b/self"), dir.path().join("b/self")).unwrap();
    let found = look_at(dir.path());
    assert_eq!(found.series().map(|s| s.slices).collect::<Vec<_>>(), [7]);
    assert!(found.series().all(|s| s.findings.iter().all(|f| f.code != "duplicate-slices")));
    // One finding for all folders, one for all files.
    let codes: Vec<&str> = found.findings.iter().map(|f| f.code).collect();
    assert_eq!(codes.iter().filter(|c| **c == "folder-again").count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|c| **c == "file-again").count(), 1, "{codes:?}");
}
