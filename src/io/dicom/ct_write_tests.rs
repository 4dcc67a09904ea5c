//! Images from elsewhere as CT series: values and places come back, and headers claim no more than is known.

use super::guard::with_header;
use super::mask_tests::{info, noise};
use super::real_data::{files_below, load, series, stack};
use super::*;
use crate::core::{Geometry, Volume, Window};
use crate::jobs::JobContext;
use dicom_dictionary_std::tags;
use glam::{DAffine3, DMat3, DQuat, DVec3, EulerRot};
use proptest::prelude::*;
use std::collections::HashSet;
use std::path::Path;

fn ctx() -> JobContext<()> {
    JobContext::detached()
}

/// Random values on a grid of any direction; the third axis may lean, and run against the other two's sense.
fn volume(dims: [usize; 3], angles: [f64; 3], spacing: [f64; 3], lean: f64, mirrored: bool, low: i16) -> Volume {
    let rotation = DMat3::from_quat(DQuat::from_euler(EulerRot::XYZ, angles[0], angles[1], angles[2]));
    let mut m = rotation * DMat3::from_diagonal(DVec3::from_array(spacing));
    m.z_axis += m.y_axis * lean;
    if mirrored {
        m.z_axis = -m.z_axis;
    }
    let geometry = Geometry::new(dims, DAffine3 { matrix3: m, translation: DVec3::new(-100.25, 31.5, 812.125) });
    let geometry = geometry.unwrap();
    let hu: Vec<i16> = noise(geometry.voxel_count(), 5).map(|v| (v % 3000) as i16 + low).collect();
    Volume::new(geometry, hu).unwrap()
}

fn opened(folder: &Path) -> Volume {
    let scan = scan_files(&files_below(folder), &ctx());
    assert_eq!(series(&scan).len(), 1, "{scan:?}");
    load(stack(series(&scan)[0]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn images_from_elsewhere_come_back_in_their_place(
        dims in (2usize..12, 2usize..10, 2usize..6),
        angles in prop::array::uniform3(-0.6f64..0.6),
        spacing in (0.3f64..2.0, 0.3f64..2.0, 0.5f64..5.0),
        lean in prop::sample::select(vec![0.0, 0.3]),
        mirrored: bool,
        low in prop::sample::select(vec![-1024i16, -2000, 5, 20_000]),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let spacing = [spacing.0, spacing.1, spacing.2];
        let image = volume([dims.0, dims.1, dims.2], angles, spacing, lean, mirrored, low);
        let folder = dir.path().join("out");
        save_ct_series(&folder, &image, None, &ctx()).unwrap();
        let back = opened(&folder);
        prop_assert_eq!(back.hu().len(), image.hu().len());
        // Slices are sorted along their normal: a mirrored grid comes back with its last slice first.
        let to = back.geometry().voxel_from_world() * image.geometry().world_from_voxel();
        for k in 0..dims.2 {
            for j in 0..dims.1 {
                for i in 0..dims.0 {
                    let place = to.transform_point3(DVec3::new(i as f64, j as f64, k as f64));
                    prop_assert!((place - place.round()).abs().max_element() < 1e-4, "{}", place);
                    let value = back.at(place.round().to_array().map(|v| v as i64));
                    prop_assert_eq!(value, image.at([i as i64, j as i64, k as i64]));
                }
            }
        }
    }
}

/// Texts of one file's header.
fn texts<const N: usize>(path: &Path, wanted: [dicom_core::Tag; N]) -> [String; N] {
    with_header(path, |header| Ok(wanted.map(|tag| header.set.text(tag)))).unwrap()
}

#[test]
fn a_derived_series_says_so_and_shares_what_its_reference_shares() {
    let dir = tempfile::tempdir().unwrap();
    let image = volume([6, 5, 3], [0.0; 3], [0.7, 0.8, 2.5], 0.0, false, 0);
    let source = dir.path().join("source");
    std::fs::create_dir(&source).unwrap();
    let paths = write_ct_series(&source, &image, &info()).unwrap();
    let reference = stack(series(&scan_files(&paths, &ctx()))[0]).clone();
    let shared = [tags::PATIENT_ID, tags::PATIENT_NAME, tags::STUDY_INSTANCE_UID, tags::FRAME_OF_REFERENCE_UID];
    let own = [tags::SERIES_INSTANCE_UID, tags::SOP_INSTANCE_UID];
    let derived = dir.path().join("derived");
    let image = image.with_window(Some(Window::new(300.0, 30.0)));
    save_ct_series(&derived, &image, Some(&reference), &ctx()).unwrap();
    let files = files_below(&derived);
    assert_eq!(files.len(), 3);
    let mut instances: HashSet<String> = paths.iter().map(|p| texts(p, own)[1].clone()).collect();
    let series_of_files: HashSet<String> = files.iter().map(|p| texts(p, own)[0].clone()).collect();
    assert!(series_of_files.len() == 1 && !series_of_files.contains(&texts(&paths[0], own)[0]));
    for (n, file) in files.iter().enumerate() {
        assert_eq!(texts(file, shared), texts(&paths[0], shared));
        let [_, instance] = texts(file, own);
        assert!(instances.insert(instance), "an identifier of its own");
        let [kind, phantom, comment, number, description] = texts(
            file,
            [
                tags::IMAGE_TYPE,
                tags::QUALITY_CONTROL_SUBJECT,
                tags::IMAGE_COMMENTS,
                tags::INSTANCE_NUMBER,
                tags::DERIVATION_DESCRIPTION,
            ],
        );
        assert_eq!((kind.as_str(), number), ("DERIVED\\SECONDARY\\AXIAL", (n + 1).to_string()));
        assert_eq!((phantom.as_str(), comment.as_str()), ("", ""), "it is no phantom");
        assert!(!description.is_empty());
    }
    assert_eq!(opened(&derived).header_window, image.header_window);
    // Without a reference nobody is named, and nothing is shared.
    let alone = dir.path().join("alone");
    save_ct_series(&alone, &image, None, &ctx()).unwrap();
    let [id, name, study, frame] = texts(&files_below(&alone)[0], shared);
    let [_, _, other_study, other_frame] = texts(&paths[0], shared);
    assert_eq!((id.as_str(), name.as_str()), ("", ""));
    assert!(study.starts_with("2.25.") && frame.starts_with("2.25.") && study != other_study && frame != other_frame);
}

#[test]
fn what_cannot_be_a_series_is_said_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let image = volume([6, 5, 3], [0.0; 3], [0.7, 0.8, 2.5], 0.0, false, 0);
    let folder = dir.path().join("out");
    let mut m = image.geometry().world_from_voxel().matrix3;
    m.y_axis += m.x_axis * 0.2;
    let skew = Geometry::new([6, 5, 3], DAffine3 { matrix3: m, translation: DVec3::ZERO }).unwrap();
    let skew = Volume::new(skew, image.hu().to_vec()).unwrap();
    let error = save_ct_series(&folder, &skew, None, &ctx()).unwrap_err().to_string();
    assert!(error.contains("out cannot be written") && error.contains("right angles"), "{error}");
    let cancelled = ctx();
    cancelled.cancel.cancel();
    assert_eq!(save_ct_series(&folder, &image, None, &cancelled), Err(DicomError::Cancelled));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    let error = save_ct_series(&folder, &image, None, &ctx()).unwrap_err().to_string();
    assert!(error.contains("already exists"), "{error}");
    assert_eq!(files_below(dir.path()).len(), 1);
}
