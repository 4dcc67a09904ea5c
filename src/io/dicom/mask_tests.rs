//! Segmentations, mask series and generated CT: what is written comes back, what is odd is said.

use super::real_data::{load, series, stack};
use super::test_files::TestSlice;
use super::*;
use crate::core::{Code, Geometry, LabelMap, Segment, Volume, Window};
use crate::io::{DicomStack, MaskKind};
use crate::jobs::JobContext;
use dicom_dictionary_std::tags;
use glam::{DAffine3, DMat3, DQuat, DVec3, EulerRot};
use proptest::prelude::*;
use std::path::Path;

pub(super) fn info() -> CtSeriesInfo {
    CtSeriesInfo {
        patient_id: "PHANTOM-0001".into(),
        series_description: "Synthetic chest".into(),
        series_number: 1,
        body_part: "CHEST".into(),
        seed: 7,
        window: Some(Window::new(400.0, 40.0)),
    }
}

/// A rotated, sheared or plain grid with right-handed slices.
pub(super) fn grid(dims: [usize; 3], angles: [f64; 3], shear: f64) -> Geometry {
    let rotation = DMat3::from_quat(DQuat::from_euler(EulerRot::XYZ, angles[0], angles[1], angles[2]));
    let mut m = rotation * DMat3::from_diagonal(DVec3::new(0.7, 0.8, 2.5));
    m.z_axis += m.y_axis * shear;
    Geometry::new(dims, DAffine3 { matrix3: m, translation: DVec3::new(-100.25, 31.5, 812.125) }).unwrap()
}

pub(super) fn noise(n: usize, seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed | 1;
    (0..n).map(move |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 40
    })
}

pub(super) fn write_and_open(dir: &Path, geometry: Geometry, low: i16) -> (Volume, DicomStack) {
    let hu: Vec<i16> = noise(geometry.voxel_count(), 3).map(|v| (v % 3000) as i16 + low).collect();
    let volume = Volume::new(geometry, hu).unwrap();
    let files = write_ct_series(dir, &volume, &info()).unwrap();
    let scan = scan_files(&files, &JobContext::detached());
    let all = series(&scan);
    assert_eq!((all.len(), scan.patients[0].id.as_str()), (1, "PHANTOM-0001"), "{scan:?}");
    (volume, stack(all[0]).clone())
}

fn random_labels(geometry: Geometry, count: u64, seed: u64) -> LabelMap {
    let dense: Vec<u8> = noise(geometry.voxel_count(), seed).map(|v| (v % (count + 1)) as u8).collect();
    LabelMap::from_dense(geometry, &dense).unwrap()
}

pub(super) fn segments(count: u8) -> Vec<Segment> {
    let names = ["liver", "left lung", "tumour", "Größe µ 肺", "spleen"];
    (1..=count).map(|id| Segment::new(id, names[usize::from(id - 1) % names.len()])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn series_and_segmentation_come_back(
        dims in (1usize..14, 1usize..12, 1usize..6),
        angles in prop::array::uniform3(-0.6f64..0.6),
        shear in prop::sample::select(vec![0.0, 0.3]),
        count in 1u8..5,
        low in prop::sample::select(vec![-1024i16, -2000, 5]),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let dims = [dims.0, dims.1, dims.2];
        let geometry = grid(dims, angles, if dims[2] > 1 { shear } else { 0.0 });
        let (volume, stack) = write_and_open(dir.path(), geometry, low);
        prop_assert!(stack.geometry.same_grid(&geometry, 1e-6));
        let opened = load(&stack);
        prop_assert_eq!(opened.hu(), volume.hu());
        prop_assert_eq!(opened.header_window, info().window);

        let labels = random_labels(stack.geometry, u64::from(count), 11);
        let segments = segments(count);
        let path = dir.path().join("mask.dcm");
        save_seg(&path, &[(&labels, &segments[..])], &stack, &JobContext::<()>::detached()).unwrap();
        let back = load_seg(&path, &stack.geometry, &JobContext::<()>::detached()).unwrap();
        prop_assert_eq!(back.labels.to_dense(), labels.to_dense());
        prop_assert_eq!(&back.segments, &segments);
        prop_assert!(back.findings.is_empty(), "{:?}", back.findings);
    }
}

#[test]
fn generated_files_are_deterministic_and_marked() {
    let dir = tempfile::tempdir().unwrap();
    let geometry = grid([6, 5, 3], [0.0; 3], 0.0);
    let (volume, _) = write_and_open(dir.path(), geometry, 0);
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    let first = read("IM_0002.dcm");
    assert!(first[..128].iter().all(|b| *b == 0));
    write_ct_series(dir.path(), &volume, &info()).unwrap();
    assert_eq!(first, read("IM_0002.dcm"));
    let other = CtSeriesInfo { seed: 8, ..info() };
    write_ct_series(dir.path(), &volume, &other).unwrap();
    assert_ne!(first, read("IM_0002.dcm"));
    let marked = guard::with_header(&dir.path().join("IM_0002.dcm"), |h| Ok(h.set.text(tags::QUALITY_CONTROL_SUBJECT)));
    assert_eq!(marked.unwrap(), "YES");
}

#[test]
fn a_segmentation_is_found_beside_its_series_and_keeps_codes_and_empty_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (_, stack) = write_and_open(dir.path(), grid([5, 3, 4], [0.1, 0.0, 0.2], 0.0), -1024);
    let mut labels = LabelMap::empty(stack.geometry);
    labels.set([4, 2, 3], 2);
    let mut segments = segments(3);
    segments[1].code = Some(Code { scheme: "SCT".into(), value: "123456789012345678".into(), meaning: "Long".into() });
    segments[2].color = [1, 2, 250];
    let path = dir.path().join("seg.dcm");
    save_seg(&path, &[(&labels, &segments[..])], &stack, &JobContext::<()>::detached()).unwrap();
    let back = load_seg(&path, &stack.geometry, &JobContext::<()>::detached()).unwrap();
    assert_eq!((back.labels.to_dense(), &back.segments), (labels.to_dense(), &segments));

    let scan = scan_files(&real_data::files_below(dir.path()), &JobContext::detached());
    assert_eq!(series(&scan)[0].masks.len(), 1);
    assert!(matches!(&series(&scan)[0].masks[0].kind, MaskKind::Seg(p) if *p == path));
    let scan = scan_files(&[path], &JobContext::detached());
    assert_eq!((scan.masks.len(), scan.findings[0].code), (1, "mask-without-series"));
}

#[test]
fn a_part_of_the_series_gets_its_part_of_the_segmentation() {
    let dir = tempfile::tempdir().unwrap();
    let (_, stack) = write_and_open(dir.path(), grid([6, 4, 5], [0.2, 0.1, 0.0], 0.0), 0);
    let labels = random_labels(stack.geometry, 1, 3);
    let path = dir.path().join("seg.dcm");
    save_seg(&path, &[(&labels, &segments(1)[..])], &stack, &JobContext::<()>::detached()).unwrap();
    let affine = stack.geometry.world_from_voxel();
    // Slices 2 and 3, moved by half a slice: the frames on them do not fit, those beyond are not asked.
    let part = |shift: f64| {
        let translation = affine.transform_point3(DVec3::new(0.0, 0.0, 2.0 + shift));
        Geometry::new([6, 4, 2], DAffine3 { translation, ..affine }).unwrap()
    };
    let back = load_seg(&path, &part(0.0), &JobContext::<()>::detached()).unwrap();
    assert_eq!(back.labels.to_dense(), labels.to_dense()[2 * 24..4 * 24]);
    assert_eq!(back.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["outside-volume"]);
    assert!(matches!(load_seg(&path, &part(0.4), &JobContext::<()>::detached()), Err(DicomError::Mismatch { .. })));
}

#[test]
fn what_cannot_be_saved_is_said_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let (_, stack) = write_and_open(dir.path(), grid([5, 3, 4], [0.0; 3], 0.0), 0);
    let ctx = JobContext::<()>::detached();
    let path = dir.path().join("seg.dcm");
    let mut labels = LabelMap::empty(stack.geometry);
    labels.set([0, 0, 0], 9);
    let error = save_seg(&path, &[(&labels, &segments(2)[..])], &stack, &ctx).unwrap_err().to_string();
    assert!(error.contains("label 9 is painted but has no segment"), "{error}");
    let other = LabelMap::empty(grid([5, 3, 4], [0.0, 0.1, 0.0], 0.0));
    assert!(
        save_seg(&path, &[(&other, &segments(2)[..])], &stack, &ctx).unwrap_err().to_string().contains("another grid")
    );
    let labels = LabelMap::empty(stack.geometry);
    ctx.cancel.cancel();
    assert_eq!(save_seg(&path, &[(&labels, &segments(2)[..])], &stack, &ctx), Err(DicomError::Cancelled));
    assert!(!path.exists());
    let far = Geometry::axis_aligned([5, 3, 4], DVec3::ONE, DVec3::splat(5e3)).unwrap();
    save_seg(&path, &[(&labels, &segments(2)[..])], &stack, &JobContext::<()>::detached()).unwrap();
    let error = load_seg(&path, &far, &JobContext::<()>::detached()).unwrap_err();
    assert!(matches!(error, DicomError::Mismatch { .. }), "{error}");
}

#[test]
fn ircadb_masks_come_back_by_position_and_by_order() {
    let dir = tempfile::tempdir().unwrap();
    let (_, stack) = write_and_open(dir.path(), grid([7, 5, 4], [0.0; 3], 0.0), -1024);
    let labels = random_labels(stack.geometry, 2, 5);
    let organs: Vec<(String, Vec<_>)> = [(1, "liver"), (2, "livertumor01")]
        .map(|(label, organ)| {
            let folder = dir.path().join(organ);
            std::fs::create_dir(&folder).unwrap();
            let mut files = write_mask_series(&folder, &labels, label, &info()).unwrap();
            files.reverse();
            (organ.to_owned(), files)
        })
        .into();
    let ctx = JobContext::<()>::detached();
    let mask = load_dicom_masks(&organs, &stack.geometry, Some(&stack), &ctx).unwrap();
    assert_eq!(mask.labels.to_dense(), labels.to_dense());
    assert_eq!(mask.segments.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["liver", "livertumor01"]);
    let wrong = grid([7, 5, 4], [0.0; 3], 0.4);
    assert!(matches!(load_dicom_masks(&organs, &wrong, None, &ctx), Err(DicomError::Mismatch { .. })));

    // A body that holds both organs: each stays whole, on a layer of its own where it must.
    let both: Vec<u8> = labels.to_dense().iter().map(|l| u8::from(*l > 0)).collect();
    let folder = dir.path().join("skin");
    std::fs::create_dir(&folder).unwrap();
    let body = LabelMap::from_dense(stack.geometry, &both).unwrap();
    let mut organs = organs;
    organs.push(("skin".into(), write_mask_series(&folder, &body, 1, &info()).unwrap()));
    let mask = load_dicom_masks(&organs, &stack.geometry, Some(&stack), &ctx).unwrap();
    assert_eq!((mask.labels.to_dense(), mask.unplaced), (labels.to_dense(), false));
    assert_eq!(mask.further[0].labels.to_dense(), both.iter().map(|v| v * 3).collect::<Vec<_>>());
    // A part of the series gets its part of the masks, and says so.
    let part = Geometry::new([7, 5, 2], stack.geometry.world_from_voxel()).unwrap();
    let mask = load_dicom_masks(&organs[..1], &part, None, &ctx).unwrap();
    assert_eq!(mask.labels.to_dense(), labels.to_dense()[..70].iter().map(|l| u8::from(*l == 1)).collect::<Vec<_>>());
    assert!(mask.findings[0].code == "outside-volume" && mask.findings[0].text.starts_with("2 slices reach"));

    // The same without positions: by order, which needs every slice.
    let slices: Vec<TestSlice> = (0..3)
        .map(|n| TestSlice {
            position: None,
            name: format!("image_{n}"),
            instance: 1,
            stored: std::array::from_fn(|i| u16::from(i == n)),
            ..TestSlice::at(n as f64)
        })
        .collect();
    let files: Vec<_> = slices.iter().rev().map(|s| s.write(dir.path())).collect();
    let reference = Geometry::axis_aligned([4, 3, 3], DVec3::ONE, DVec3::ZERO).unwrap();
    let organs = [("liver".to_owned(), files)];
    let mask = load_dicom_masks(&organs, &reference, None, &ctx).unwrap();
    assert_eq!([0, 1, 2].map(|k| mask.labels.at([k, 0, k])), [1; 3]);
    assert_eq!((mask.labels.counts()[1], mask.findings[0].code), (3, "matched-by-order"));
    let short = Geometry::axis_aligned([4, 3, 4], DVec3::ONE, DVec3::ZERO).unwrap();
    let error = load_dicom_masks(&organs, &short, None, &ctx).unwrap_err().to_string();
    assert!(error.contains("3 slices without positions, the volume has 4"), "{error}");
}
