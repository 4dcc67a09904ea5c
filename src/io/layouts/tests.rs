//! Round trips through each layout, and what real and odd folders look like.

use super::*;
use crate::core::{Geometry, LabelMap, Segment, Volume};
use crate::io::dicom::{CtSeriesInfo, write_ct_series};
use crate::io::{LoadedMask, MaskKind, load_mask, load_volume, save_nifti_labels, save_nifti_volume, save_nrrd_volume};
use glam::DVec3;
use std::fs;

/// A small volume whose labels differ from slice to slice and from side to side.
fn sample(slices: usize, ids: u8) -> (Volume, LabelMap, Vec<Segment>) {
    let g =
        Geometry::axis_aligned([20, 18, slices], DVec3::new(1.25, 1.25, 5.0), DVec3::new(-12.0, -9.5, -300.0)).unwrap();
    let hu: Vec<i16> = (0..g.voxel_count()).map(|n| ((n * 37) % 2400) as i16 - 1000).collect();
    let labels: Vec<u8> = (0..g.voxel_count())
        .map(|n| {
            let (i, j, k) = (n % 20, n / 20 % 18, n / 360);
            if i > k + 2 && j > 4 && j < 14 - k { 1 + ((i / 7 + k) as u8 % ids) } else { 0 }
        })
        .collect();
    let names = ["Liver", "Liver tumour", "Kidney"];
    let segments = (1..=ids).map(|id| Segment::new(id, names[usize::from(id) - 1])).collect();
    (Volume::new(g, hu).unwrap(), LabelMap::from_dense(g, &labels).unwrap(), segments)
}

fn info(index: usize) -> PatientInfo {
    PatientInfo { index, seed: 5, body_part: "ABDOMEN".into() }
}

fn find(root: &Path, layout: Option<Layout>) -> Result<Vec<DatasetCase>, LayoutError> {
    find_cases(root, layout, &JobContext::detached())
}

fn load(case: &DatasetCase) -> (Volume, LoadedMask) {
    let volume = load_volume(&case.source, &JobContext::detached()).unwrap();
    let stack = match &case.source {
        VolumeSource::Dicom(stack) => Some(stack),
        _ => None,
    };
    let mask = load_mask(&case.masks[0], stack, volume.geometry(), &JobContext::detached()).unwrap();
    (volume, mask)
}

/// Labels by segment name, so that readers may number as their format does.
fn named(mask: &LabelMap, segments: &[Segment]) -> Vec<String> {
    let name = |l: u8| segments.iter().find(|s| s.id == l).map_or(String::new(), |s| plain(&s.name));
    mask.to_dense().into_iter().map(name).collect()
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

#[test]
fn every_layout_gives_back_what_was_written() {
    for layout in Layout::ALL {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("set");
        let (volume, labels, segments) = sample(4, 3);
        let (other, other_labels, _) = sample(3, 3);
        assert_eq!(write_patient(&root, layout, &info(2), &other, &other_labels, &segments).unwrap(), "phantom_002");
        write_patient(&root, layout, &info(1), &volume, &labels, &segments).unwrap();
        assert_eq!(detect(&root), Some(layout));
        for given in [None, Some(layout)] {
            let cases = find(&root, given).unwrap();
            let names: Vec<_> = cases.iter().map(|c| (c.name.as_str(), c.patient.as_str())).collect();
            assert_eq!(names, [("phantom_001", "phantom_001"), ("phantom_002", "phantom_002")], "{layout}");
            let (image, mask) = load(&cases[0]);
            assert_eq!(image.hu(), volume.hu(), "{layout}");
            assert!(image.geometry().same_grid(volume.geometry(), 1e-3), "{layout}");
            let dense = mask.labels.to_dense();
            match layout {
                // That dataset marks the liver alone, tumours included.
                Layout::Chaos => {
                    let liver: Vec<u8> = labels.to_dense().iter().map(|l| u8::from(matches!(l, 1 | 2))).collect();
                    assert_eq!(dense, liver);
                }
                Layout::Ircadb => assert_eq!(named(&mask.labels, &mask.segments), named(&labels, &segments)),
                _ => assert_eq!(dense, labels.to_dense(), "{layout}"),
            }
        }
        let again = write_patient(&root, layout, &info(1), &volume, &labels, &segments);
        assert!(matches!(again, Err(LayoutError::Occupied(_))), "{layout}");
        let left: Vec<_> = walk(&root).into_iter().filter(|p| paths::name(p).starts_with('.')).collect();
        assert!(left.is_empty(), "{layout}: {left:?}");
        assert_eq!(layout.name().parse::<Layout>().unwrap(), layout);
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(walk(&path));
        }
        all.push(path);
    }
    all
}

#[test]
fn a_single_label_is_white_and_reads_back_as_one() {
    let (volume, labels, segments) = sample(3, 1);
    for layout in [Layout::Chaos, Layout::Slices, Layout::Ircadb] {
        let dir = tempfile::tempdir().unwrap();
        write_patient(dir.path(), layout, &info(1), &volume, &labels, &segments).unwrap();
        let cases = find(dir.path(), None).unwrap();
        let (_, mask) = load(&cases[0]);
        assert_eq!(mask.labels.to_dense(), labels.to_dense(), "{layout}");
    }
}

#[test]
fn one_patient_folder_is_a_dataset_of_one() {
    let (volume, labels, segments) = sample(3, 2);
    for layout in [Layout::Ircadb, Layout::Chaos, Layout::Lungs] {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("Train_Sets").join("CT");
        write_patient(&deep, layout, &info(7), &volume, &labels, &segments).unwrap();
        for root in [dir.path().to_owned(), deep.join("phantom_007")] {
            let cases = find(&root, None).unwrap();
            assert_eq!(cases.len(), 1, "{layout}");
            assert_eq!(cases[0].name, "phantom_007");
        }
    }
}

#[test]
fn ground_pictures_follow_file_names_whichever_way_slices_run() {
    let (volume, labels, segments) = sample(5, 1);
    let dir = tempfile::tempdir().unwrap();
    write_patient(dir.path(), Layout::Chaos, &info(1), &volume, &labels, &segments).unwrap();
    // As the dataset has it: the first file and the first picture are the topmost slice.
    let folder = dir.path().join("phantom_001");
    for (sub, ending) in [("DICOM_anon", "dcm"), ("Ground", "png")] {
        let sub = folder.join(sub);
        for (n, path) in paths::files(&sub).unwrap().into_iter().enumerate() {
            fs::rename(path, sub.join(format!("x{:04}.{ending}", 5 - n))).unwrap();
        }
    }
    let pictures = paths::files(&folder.join("Ground")).unwrap();
    for (n, path) in pictures.iter().enumerate() {
        fs::rename(path, folder.join("Ground").join(format!("liver_GT_{n:03}.png"))).unwrap();
    }
    let (_, mask) = load(&find(dir.path(), None).unwrap()[0]);
    assert_eq!(mask.labels.to_dense(), labels.to_dense());
}

#[test]
fn slices_far_apart_are_cases_of_one_patient() {
    let dir = tempfile::tempdir().unwrap();
    let (images, masks) = (dir.path().join("images"), dir.path().join("masks"));
    let (volume, labels, segments) = sample(3, 1);
    write_patient(dir.path(), Layout::Slices, &info(1), &volume, &labels, &segments).unwrap();
    // A second patient of two slices that belong to different examinations.
    for n in [4, 9] {
        let hidden = dir.path().join("part");
        fs::create_dir(&hidden).unwrap();
        let (single, single_labels, _) = sample(1, 1);
        let series = CtSeriesInfo {
            patient_id: format!("B{n}"),
            series_description: String::new(),
            series_number: n,
            body_part: "ABDOMEN".into(),
            seed: 1,
            window: None,
        };
        let written = write_ct_series(&hidden, &single, &series).unwrap();
        fs::rename(&written[0], images.join(format!("b_{n}.dcm"))).unwrap();
        let pixels: Vec<u8> = single_labels.to_dense().iter().map(|l| l * 255).collect();
        image::save_buffer(masks.join(format!("b_{n}.png")), &pixels, 20, 18, image::ColorType::L8).unwrap();
        fs::remove_dir_all(&hidden).unwrap();
    }
    // An image without a mask is no case.
    fs::copy(images.join("b_4.dcm"), images.join("c_1.dcm")).unwrap();
    let cases = find(dir.path(), None).unwrap();
    let names: Vec<_> = cases.iter().map(|c| (c.name.as_str(), c.patient.as_str())).collect();
    assert_eq!(names, [("b_4", "b"), ("b_9", "b"), ("phantom_001", "phantom_001")]);
    let (_, mask) = load(&cases[1]);
    assert_eq!(mask.labels.to_dense(), sample(1, 1).1.to_dense());
}

#[test]
fn the_first_version_of_nnunet_and_declared_names_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (volume, labels, segments) = sample(3, 2);
    for sub in ["imagesTr", "labelsTr"] {
        fs::create_dir(dir.path().join(sub)).unwrap();
    }
    for name in ["liver_10", "liver_2"] {
        save_nifti_volume(&dir.path().join(format!("imagesTr/{name}.nii.gz")), &volume).unwrap();
        save_nifti_labels(&dir.path().join(format!("labelsTr/{name}.nii.gz")), &labels, &segments).unwrap();
    }
    fs::write(dir.path().join("imagesTr/._liver_2.nii.gz"), "junk").unwrap();
    fs::write(dir.path().join("dataset.json"), r#"{"labels": {"0": "background", "1": "liver", "2": "cancer"}}"#)
        .unwrap();
    let cases = find(dir.path(), None).unwrap();
    assert_eq!(cases.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["liver_2", "liver_10"]);
    assert_eq!(cases[0].label_names, [(1, "liver".into()), (2, "cancer".into())]);
    assert_eq!(load(&cases[0]).1.labels, labels);
}

#[test]
fn what_is_no_dataset_is_said() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(find(&dir.path().join("no"), None), Err(LayoutError::Missing(_))));
    let wrong = find(dir.path(), Some(Layout::Chaos)).unwrap_err();
    assert!(wrong.to_string().contains("DICOM_anon"), "{wrong}");
    assert!(find(dir.path(), None).is_err());
    assert!("dicom".parse::<Layout>().unwrap_err().to_string().contains("choose ircadb"));
    // Images but no masks.
    let (volume, labels, segments) = sample(3, 1);
    write_patient(dir.path(), Layout::Ircadb, &info(1), &volume, &labels, &segments).unwrap();
    fs::remove_dir_all(dir.path().join("phantom_001/MASKS_DICOM/liver")).unwrap();
    assert!(matches!(find(dir.path(), None), Err(LayoutError::NoCases(_))));
    let (_, elsewhere, _) = sample(4, 1);
    let refused = write_patient(dir.path(), Layout::Lungs, &info(3), &volume, &elsewhere, &segments);
    assert!(matches!(refused, Err(LayoutError::Grid)));
    assert!(!dir.path().join("phantom_003").exists());
    let stopped = JobContext::detached();
    stopped.cancel.cancel();
    assert!(find_cases(dir.path(), None, &stopped).unwrap_err().is_cancelled());
}

#[test]
fn equal_names_are_told_apart() {
    let (volume, labels, segments) = sample(3, 1);
    let dir = tempfile::tempdir().unwrap();
    for part in ["a", "b"] {
        write_patient(&dir.path().join(part), Layout::Lungs, &info(1), &volume, &labels, &segments).unwrap();
    }
    let cases = find(dir.path(), None).unwrap();
    assert_eq!(cases.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["phantom_001", "phantom_001 (2)"]);
    assert!(matches!(cases[0].masks[0].kind, MaskKind::Nifti(_)));
}

#[test]
fn a_copy_in_another_format_is_the_same_patient() {
    let dir = tempfile::tempdir().unwrap();
    let (volume, labels, segments) = sample(5, 2);
    let (other, other_labels, _) = sample(4, 2);
    let case = |n: &str| dir.path().join(n);
    for name in ["a", "b", "c"] {
        fs::create_dir_all(case(name)).unwrap();
    }
    save_nifti_volume(&case("a/ct.nii.gz"), &volume).unwrap();
    save_nifti_labels(&case("a/seg.nii.gz"), &labels, &segments).unwrap();
    save_nrrd_volume(&case("b/ct.nrrd"), &volume).unwrap();
    save_nifti_labels(&case("b/seg.nii.gz"), &labels, &segments).unwrap();
    save_nifti_volume(&case("c/ct.nii.gz"), &other).unwrap();
    save_nifti_labels(&case("c/seg.nii.gz"), &other_labels, &segments).unwrap();
    assert_eq!(find(dir.path(), None).unwrap().len(), 2);
    // A mask that only the copy has keeps both, as one patient.
    fs::rename(case("b/seg.nii.gz"), case("b/label.nii.gz")).unwrap();
    let cases = find(dir.path(), None).unwrap();
    let mut patients: Vec<_> = cases.iter().map(|c| c.patient.clone()).collect();
    assert_eq!(patients.len(), 3);
    patients.dedup();
    assert_eq!(patients.len(), 2);
    // The same place with other values is another image.
    let shifted = Volume::new(*volume.geometry(), volume.hu().iter().map(|v| v + 1).collect::<Vec<i16>>()).unwrap();
    save_nrrd_volume(&case("b/ct.nrrd"), &shifted).unwrap();
    let mut patients: Vec<_> = find(dir.path(), None).unwrap().into_iter().map(|c| c.patient).collect();
    patients.sort();
    patients.dedup();
    assert_eq!(patients.len(), 3);
}
