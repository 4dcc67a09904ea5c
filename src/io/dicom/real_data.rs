//! Tests on real folders, skipped by name where the data is missing.

use super::*;
use crate::core::{Geometry, Volume};
use crate::io::{DicomStack, LoadedMask, MaskKind, Series, VolumeSource};
use crate::jobs::JobContext;
use glam::{DAffine3, DMat3, DQuat, DVec3};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A folder of the shared data, or `None` with a line that says what was skipped.
pub(super) fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MASKWRIGHT_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = root.join(name);
    if !path.exists() {
        println!("skipped: {name} is not here");
        return None;
    }
    Some(path)
}

pub(super) fn files_below(path: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

pub(super) fn scan(path: &Path) -> DicomScan {
    scan_files(&files_below(path), &JobContext::detached())
}

pub(super) fn series(scan: &DicomScan) -> Vec<&Series> {
    scan.patients.iter().flat_map(|p| &p.studies).flat_map(|s| &s.series).collect()
}

pub(super) fn stack(series: &Series) -> &DicomStack {
    match series.source.as_ref() {
        Some(VolumeSource::Dicom(stack)) => stack,
        other => panic!("no stack: {other:?} {:?}", series.findings),
    }
}

pub(super) fn load(stack: &DicomStack) -> Volume {
    load_stack(stack, &JobContext::detached()).unwrap()
}

/// A NIfTI-1 file of one slope: dims, samples, and LPS world from voxel.
fn nifti(path: &Path) -> ([usize; 3], Vec<f64>, DAffine3) {
    let mut b = Vec::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut b).unwrap();
    let short = |at: usize| i16::from_le_bytes([b[at], b[at + 1]]);
    let float = |at: usize| f64::from(f32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]));
    let dims = [42, 44, 46].map(|at| short(at) as usize);
    let start = float(108) as usize;
    let n = dims.iter().product();
    let data = &b[start..];
    let samples: Vec<f64> = match short(70) {
        2 => data[..n].iter().map(|v| f64::from(*v)).collect(),
        4 => data.as_chunks().0[..n].iter().map(|v| f64::from(i16::from_le_bytes(*v))).collect(),
        8 => data.as_chunks().0[..n].iter().map(|v| f64::from(i32::from_le_bytes(*v))).collect(),
        16 => data.as_chunks().0[..n].iter().map(|v| f64::from(f32::from_le_bytes(*v))).collect(),
        64 => data.as_chunks().0[..n].iter().map(|v| f64::from_le_bytes(*v)).collect(),
        other => panic!("datatype {other}"),
    };
    let floats = |at: usize| DVec3::new(float(at), float(at + 4), float(at + 8));
    let ras = if short(254) > 0 {
        let rows = DMat3::from_cols(floats(280), floats(296), floats(312)).transpose();
        DAffine3 { matrix3: rows, translation: DVec3::new(float(292), float(308), float(324)) }
    } else {
        let v = floats(256);
        let turn = DQuat::from_xyzw(v.x, v.y, v.z, (1.0 - v.length_squared()).max(0.0).sqrt());
        let flip = DVec3::new(1.0, 1.0, if float(76) < 0.0 { -1.0 } else { 1.0 });
        DAffine3 { matrix3: DMat3::from_quat(turn) * DMat3::from_diagonal(floats(80) * flip), translation: floats(268) }
    };
    (dims, samples, DAffine3::from_scale(DVec3::new(-1.0, -1.0, 1.0)) * ras)
}

/// An NRRD file with `raw` or `gzip` samples of 16 or 8 bits, attached header.
fn nrrd(path: &Path) -> Vec<i32> {
    let bytes = std::fs::read(path).unwrap();
    let end = bytes.windows(2).position(|w| w == b"\n\n").unwrap();
    let header = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let field =
        |name: &str| header.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim_matches([':', ' ']).to_owned());
    let mut data = bytes[end + 2..].to_vec();
    if field("encoding").is_some_and(|e| e.starts_with("gz")) {
        let mut raw = Vec::new();
        flate2::read::MultiGzDecoder::new(&data[..]).read_to_end(&mut raw).unwrap();
        data = raw;
    }
    let word = |b: &[u8; 2]| i16::from_le_bytes(*b);
    match field("type").unwrap().as_str() {
        "short" | "signed short" | "int16" | "int16_t" => {
            data.as_chunks().0.iter().map(|b| i32::from(word(b))).collect()
        }
        "unsigned short" | "ushort" | "uint16" => {
            data.as_chunks().0.iter().map(|b| i32::from(word(b) as u16)).collect()
        }
        "unsigned char" | "uchar" | "uint8" => data.iter().map(|b| i32::from(*b)).collect(),
        other => panic!("type {other}"),
    }
}

/// Compares samples at equal world positions.
fn assert_equal_in_world(geometry: &Geometry, ours: impl Fn([i64; 3]) -> f64, truth: &Path) {
    assert_near_in_world(geometry, ours, truth, 0.0);
}

/// [`assert_equal_in_world`] to within `tolerance`.
fn assert_near_in_world(geometry: &Geometry, ours: impl Fn([i64; 3]) -> f64, truth: &Path, tolerance: f64) {
    let (dims, samples, affine) = nifti(truth);
    assert_eq!(dims.iter().product::<usize>(), geometry.voxel_count());
    let map = geometry.voxel_from_world() * affine;
    for (n, expected) in samples.iter().enumerate() {
        let v = DVec3::new((n % dims[0]) as f64, (n / dims[0] % dims[1]) as f64, (n / (dims[0] * dims[1])) as f64);
        let exact = map.transform_point3(v);
        let voxel = exact.round();
        assert!((exact - voxel).abs().max_element() < 0.01, "{v} falls between voxels at {exact}");
        let found = ours(voxel.to_array().map(|c| c as i64));
        assert!((found - expected).abs() <= tolerance, "{found} for {expected} at {voxel}");
    }
}

fn only_mask(series: &Series) -> LoadedMask {
    let geometry = series.geometry.unwrap();
    let [mask] = series.masks.as_slice() else { panic!("{:?}", series.masks) };
    match &mask.kind {
        MaskKind::RtStruct(path) => load_rtstruct(path, &geometry, &JobContext::<()>::detached()).unwrap(),
        MaskKind::Seg(path) => load_seg(path, &geometry, &JobContext::<()>::detached()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sarcoma_patients_equal_their_nifti_image_and_contours() {
    let folders = ["sts-ct-rtstruct/STS_003", "sts-ct-rtstruct/STS_012", "sts-ct-rtstruct/STS_024"];
    for folder in folders.iter().filter_map(|f| data(f)) {
        let scan = scan(&folder);
        let all = series(&scan);
        assert_eq!((all.len(), all[0].findings.len()), (1, 0), "{:?}", all[0].findings);
        let volume = load(stack(all[0]));
        assert_equal_in_world(
            volume.geometry(),
            |v| volume.at(v).map_or(f64::NAN, f64::from),
            &folder.join("CT_image.nii.gz"),
        );
        let mask = only_mask(all[0]);
        assert_eq!((mask.segments[0].name.as_str(), mask.findings.len()), ("GTV_Mass_CT", 0), "{:?}", mask.findings);
        assert!(mask.labels.counts()[1] > 1000);
        assert_equal_in_world(volume.geometry(), |v| f64::from(mask.labels.at(v)), &folder.join("CT_mask.nii.gz"));
    }
}

#[test]
fn one_flat_folder_of_ct_pet_mr_and_three_structure_sets() {
    let Some(folder) = data("sts-ct-pet-mr-mixed/STS_008") else { return };
    let scan = scan(&folder);
    assert_eq!((scan.patients.len(), scan.patients[0].studies.len()), (1, 1));
    let all = series(&scan);
    let listed: Vec<_> = all.iter().map(|s| (s.modality.as_str(), s.can_open(), s.masks.len())).collect();
    assert_eq!(listed.len(), 3);
    for expected in [("CT", true, 1), ("PT", false, 1), ("MR", false, 1)] {
        assert!(listed.contains(&expected), "{listed:?}");
    }
    let ct = all.iter().find(|s| s.can_open()).unwrap();
    let volume = load(stack(ct));
    assert_equal_in_world(
        volume.geometry(),
        |v| volume.at(v).map_or(f64::NAN, f64::from),
        &folder.join("nifti/CT_image.nii.gz"),
    );
    let mask = only_mask(ct);
    assert_equal_in_world(volume.geometry(), |v| f64::from(mask.labels.at(v)), &folder.join("nifti/CT_mask.nii.gz"));
    for (modality, unit, file) in [("PT", "g/ml", "nifti/PET_image.nii.gz"), ("MR", "", "nifti/MR_T1_image.nii.gz")] {
        let overlay = all.iter().find(|s| s.modality == modality).unwrap();
        assert!(overlay.can_lay_over(), "{:?}", overlay.findings);
        let volume = load(stack(overlay));
        let scale = volume.scale.clone().unwrap();
        assert_eq!(scale.unit(), unit);
        let value = |v| volume.at(v).map_or(f64::NAN, |sample| scale.value(f64::from(sample)));
        // Half a sample, and what 32-bit floats round.
        assert_near_in_world(volume.geometry(), value, &folder.join(file), scale.scale() / 2.0 + 1e-6);
    }
}

#[test]
fn every_encoding_of_one_series_holds_equal_pixels() {
    let Some(folder) = data("reencoded-sts024-derived") else { return };
    let volumes: Vec<Volume> = ["explicit_le", "deflated", "rle", "j2k"]
        .iter()
        .map(|name| {
            let scan = scan(&folder.join(name));
            assert_eq!(series(&scan).len(), 1, "{name}");
            load(stack(series(&scan)[0]))
        })
        .collect();
    for volume in &volumes[1..] {
        assert_eq!((volume.hu(), volume.geometry()), (volumes[0].hu(), volumes[0].geometry()));
    }
    assert_eq!(volumes[0].geometry().dims()[2], 12);
}

#[test]
fn whole_chest_equals_its_nrrd() {
    let (Some(folder), Some(truth)) = (data("cip-chest64/ct-64Dicom"), data("cip-chest64/ct-64.nrrd")) else { return };
    let scan = scan(&folder);
    let volume = load(stack(series(&scan)[0]));
    assert!(volume.hu().iter().map(|v| i32::from(*v)).eq(nrrd(&truth)));
}

#[test]
fn segmentations_equal_their_nrrd() {
    let Some(folder) = data("dcmqi-seg/segmentations") else { return };
    let scan = scan(&folder);
    for series in series(&scan).into_iter().filter(|s| !s.masks.is_empty()) {
        let mask = only_mask(series);
        let truth =
            if series.geometry.unwrap().dims()[0] == 512 { "liver_seg.nrrd" } else { "23x38x3/nrrd/label.nrrd" };
        let ours: Vec<i32> = mask.labels.to_dense().iter().map(|v| i32::from(*v != 0)).collect();
        let mut truth: Vec<i32> = nrrd(&folder.join(truth)).iter().map(|v| i32::from(*v != 0)).collect();
        assert!(ours.contains(&1), "{:?}", mask.findings);
        if ours != truth {
            // The NRRD may run along k the other way round.
            let n = truth.len() / series.slices;
            truth = truth.chunks(n).rev().flatten().copied().collect();
        }
        assert!(ours == truth, "{}", series.label);
    }
}

#[test]
fn one_bit_frames_are_the_same_in_run_lengths() {
    let (Some(plain), Some(coded)) = (data("pydicom-odd/liver.dcm"), data("pydicom-odd/liver_rle.dcm")) else { return };
    let frames = |path: &Path| {
        let file = frames::FrameFile::open(path).unwrap();
        (0..file.format.frames).map(|f| file.read_words(f).unwrap()).collect::<Vec<_>>()
    };
    let plain = frames(&plain);
    assert!(plain == frames(&coded) && plain.iter().any(|f| f.contains(&1)));
}

#[test]
fn tilts_spacings_and_gaps_are_named() {
    let (Some(qa), Some(failing)) = (data("dcm-qa-ct"), data("dicom2nifti-failing")) else { return };
    let codes = |scan: &DicomScan| -> Vec<String> {
        series(scan).iter().flat_map(|s| &s.findings).map(|f| format!("{}: {}", f.code, f.text)).collect()
    };
    let has = |codes: &[String], code: &str, part: &str| codes.iter().any(|c| c.starts_with(code) && c.contains(part));
    let (qa, failing) = (codes(&scan(&qa)), codes(&scan(&failing)));
    assert!(
        has(&qa, "gantry-tilt", "18.5 degrees") && has(&qa, "uneven-spacing", "2 parts") && has(&qa, "scout", ""),
        "{qa:?}"
    );
    assert!(has(&failing, "gantry-tilt", "14.0 degrees") && has(&failing, "missing-slices", "1 slice"), "{failing:?}");
}

#[test]
fn enhanced_ct_jpeg_and_rle_fragments_equal_other_readers() {
    // Sums of all HU as pydicom 3.0.2 and SimpleITK 2.5.7 decode them.
    for (file, sum) in [
        ("pydicom-odd/eCT_Supplemental.dcm", -337_621_504i64),
        ("fodicom-odd/IM-0001-0001-0001.dcm", -5_905_644),
        ("fodicom-odd/D_CLUNIE_CT1_RLE_FRAGS.dcm", -228_407_043),
        ("pydicom-odd/693_J2KR.dcm", -271_466_631),
        ("pydicom-odd/bad_sequence.dcm", -20_086_954),
    ] {
        let Some(path) = data(file) else { continue };
        let scan = scan_files(&[path], &JobContext::detached());
        let volume = load(stack(series(&scan)[0]));
        assert_eq!(volume.hu().iter().map(|v| i64::from(*v)).sum::<i64>(), sum, "{file}");
    }
}

#[test]
fn every_folder_is_scanned_and_what_opens_is_read_without_a_panic() {
    let Some(root) = data("README.md").and_then(|p| p.parent().map(Path::to_path_buf)) else { return };
    let mut opened = 0;
    for file in files_below(&root) {
        let scan = scan_files(std::slice::from_ref(&file), &JobContext::detached());
        for series in series(&scan) {
            if series.source.is_some() {
                // Damaged or unsupported pixels are an error in words; only a panic would fail here.
                opened += usize::from(load_stack(stack(series), &JobContext::detached()).is_ok());
            } else {
                assert!(!series.findings.is_empty(), "{} is closed without a reason", file.display());
            }
        }
        let reference = Geometry::axis_aligned([16, 16, 2], DVec3::ONE, DVec3::ZERO).unwrap();
        for mask in &scan.masks {
            match &mask.kind {
                MaskKind::Seg(path) => drop(load_seg(path, &reference, &JobContext::<()>::detached())),
                MaskKind::RtStruct(path) => drop(load_rtstruct(path, &reference, &JobContext::<()>::detached())),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(opened > 400, "{opened}");
}

#[test]
fn mutated_compressed_files_are_an_image_or_an_error() {
    let budget: usize = std::env::var("MASKWRIGHT_FUZZ").ok().and_then(|v| v.parse().ok()).unwrap_or(40);
    let files = ["reencoded-sts024-derived/j2k", "reencoded-sts024-derived/rle", "pydicom-odd/bad_sequence.dcm"];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mutated.dcm");
    for source in files.iter().filter_map(|f| data(f)) {
        let file = if source.is_dir() { files_below(&source)[0].clone() } else { source };
        let whole = std::fs::read(file).unwrap();
        let mut state = 99u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize
        };
        for _ in 0..budget {
            let mut bytes = whole.clone();
            for _ in 0..1 + next() % 8 {
                // Half of the changes go to the headers of data set and codestream, where they do most harm.
                let span = if next() % 2 == 0 { bytes.len() } else { bytes.len().min(6000) };
                let at = 132 + next() % (span - 132);
                bytes[at] = next() as u8;
            }
            if next() % 5 == 0 {
                bytes.truncate(132 + next() % (bytes.len() - 132));
            }
            std::fs::write(&path, &bytes).unwrap();
            let scan = scan_files(std::slice::from_ref(&path), &JobContext::detached());
            for series in series(&scan) {
                if series.source.is_some() {
                    let _ = load_stack(stack(series), &JobContext::detached());
                }
            }
        }
    }
}

#[test]
fn a_modality_table_gives_what_pydicom_gives() {
    let Some(path) = data("pydicom-odd/mlut_18.dcm") else { return };
    let file = frames::FrameFile::open(&path).unwrap();
    let mut hu = vec![0; file.format.frame_samples()];
    file.read_hu(0, &mut hu).unwrap();
    // `apply_modality_lut` of pydicom 3.0.2 gives 0 to 65535, clipped here to what a volume holds.
    let weighted: i64 = hu.iter().enumerate().map(|(n, v)| i64::from(*v) * (n as i64 % 65521 + 1)).sum();
    assert_eq!((hu.iter().map(|v| i64::from(*v)).sum(), weighted), (6_999_188_468i64, 227_804_231_048_272));
}
