//! NIfTI headers and samples through disk and back, and files that lie.

use super::*;
use crate::core::{Geometry, LabelMap, Segment, Volume, segments_for_values};
use crate::io::volume_file::LabelFile;
use crate::jobs::JobContext;
use flate2::{Compression, write::GzEncoder};
use glam::{DAffine3, DMat3, DQuat, DVec3};
use proptest::prelude::*;
use std::fs;
use std::io::Write;
use std::path::Path;

/// A grid at any angle, mirrored or not.
fn geometry(dims: [usize; 3], axis: [f64; 3], angle: f64, mirrored: bool) -> Geometry {
    let axis = DVec3::from_array(axis).try_normalize().unwrap_or(DVec3::Z);
    let scale = DVec3::new(0.7, 0.91, if mirrored { -2.5 } else { 2.5 });
    let m = DMat3::from_quat(DQuat::from_axis_angle(axis, angle)) * DMat3::from_diagonal(scale);
    Geometry::new(dims, DAffine3 { matrix3: m, translation: DVec3::new(-123.4, 56.7, -890.1) }).unwrap()
}

fn numbers(n: usize, seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed | 1;
    (0..n).map(move |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 33
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn volumes_and_masks_come_back(
        dims in prop::array::uniform3(1usize..9), axis in prop::array::uniform3(-1.0f64..1.0), angle in -3.1f64..3.1,
        mirrored: bool, gz: bool, seed: u64, high in prop::sample::select(vec![3u32, 300, 70_000, 4_000_000_000]),
    ) {
        let g = geometry(dims, axis, angle, mirrored);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(if gz { "a.nii.gz" } else { "a.nii" });
        let hu: Vec<i16> = numbers(g.voxel_count(), seed).map(|v| v as i16).collect();
        save_nifti_volume(&path, &Volume::new(g, hu.clone()).unwrap()).unwrap();
        let (back, findings) = load_nifti_volume(&path, &JobContext::detached()).unwrap();
        prop_assert_eq!(back.hu().as_ref(), hu);
        // The file holds 32-bit floats.
        prop_assert!(back.geometry().same_grid(&g, 1e-3));
        prop_assert!(findings.is_empty(), "{:?}", findings);
        // Read through the qform alone: the rotation is exact, so both agree.
        if !gz {
            let mut bytes = fs::read(&path).unwrap();
            bytes[254..256].copy_from_slice(&0i16.to_le_bytes());
            fs::write(&path, bytes).unwrap();
            let by_qform = open_nifti(&path).unwrap().geometry;
            prop_assert!(by_qform.same_grid(&g, 1e-3), "{:?} {:?}", by_qform, g);
        }
        let values: Vec<u32> = numbers(g.voxel_count(), seed ^ 5).map(|v| [0, 1, 2, high][v as usize % 4]).collect();
        let table = segments_for_values(&values).unwrap();
        let dense: Vec<u8> =
            values.iter().map(|v| table.iter().find(|(x, _)| x == v).map_or(0, |(_, s)| s.id)).collect();
        let segments: Vec<Segment> = table.into_iter().map(|(_, s)| s).collect();
        save_nifti_labels(&path, &LabelMap::from_dense(g, &dense).unwrap(), &segments).unwrap();
        let back = load_nifti_labels(&path).unwrap();
        prop_assert_eq!(back.layers[0].iter().collect::<Vec<_>>(), values);
        prop_assert!(back.geometry.same_grid(&g, 1e-3));
    }

    /// Any change to a header gives an answer, never a panic or a large allocation.
    #[test]
    fn broken_headers_are_survived(changes in prop::collection::vec((0usize..352, any::<u8>()), 1..8), cut in 0usize..500) {
        let mut bytes = sample();
        for (at, value) in changes { bytes[at] = value; }
        bytes.truncate(cut.max(1));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.nii");
        fs::write(&path, bytes).unwrap();
        let _ = load_nifti_volume(&path, &JobContext::detached());
        let _ = load_nifti_labels(&path);
    }
}

/// A plain 3 x 3 x 3 file.
fn sample() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nii");
    let g = geometry([3, 3, 3], [0.0, 0.0, 1.0], 0.3, false);
    save_nifti_volume(&path, &Volume::new(g, (0..27i16).collect::<Vec<_>>()).unwrap()).unwrap();
    fs::read(&path).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nii.gz");
    fs::write(&path, bytes).unwrap();
    load_nifti_volume(&path, &JobContext::detached()).unwrap_err().to_string()
}

fn gz(bytes: &[u8], zeros: usize) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::best());
    gz.write_all(bytes).unwrap();
    let zero = vec![0; 1 << 20];
    for _ in 0..zeros >> 20 {
        gz.write_all(&zero).unwrap();
    }
    gz.finish().unwrap()
}

#[test]
fn hostile_files_are_refused_by_reason() {
    let with = |at: usize, bytes: &[u8]| {
        let mut file = sample();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    // 200 MiB behind 27 voxels.
    assert!(refusal(&gz(&sample(), 200 << 20)).contains("unpacks to more than"));
    // 4 GiB promised by a file of a few hundred bytes.
    let huge: Vec<u8> = [3i16, 1290, 1290, 1290].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert!(refusal(&gz(&with(40, &huge), 0)).contains("too short"));
    assert!(refusal(&with(40, &huge)).contains("too short"));
    assert!(refusal(&with(108, &f32::NAN.to_le_bytes())).contains("byte NaN"));
    assert!(refusal(&with(108, &1e30f32.to_le_bytes())).contains("not a place in the file"));
    assert!(refusal(&with(108, &400f32.to_le_bytes())).contains("too short"));
    assert!(refusal(&with(70, &128i16.to_le_bytes())).contains("colours (RGB)"));
    assert!(refusal(&with(70, &1792i16.to_le_bytes())).contains("complex"));
    assert!(refusal(&with(70, &1i16.to_le_bytes())).contains("number type 1 "));
    let series: Vec<u8> = [4i16, 3, 3, 1, 3].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert!(refusal(&with(40, &series)).contains("3 volumes"));
    assert!(refusal(&with(42, &(-3i16).to_le_bytes())).contains("size in its header"));
    assert!(refusal(&with(344, b"ni1\0")).contains("no .img file"));
    assert!(refusal(&with(344, b"\0\0\0\0")).contains("Analyze 7.5"));
    assert!(refusal(b"\x5c\x01\0\0").contains("too short to hold a header"));
    assert!(refusal(b"hello").contains("does not start like"));
    let mut cut = gz(&sample(), 0);
    cut.truncate(cut.len() - 20);
    assert!(refusal(&cut).contains("too short") || refusal(&cut).contains("damaged"));
    let mut flipped = gz(&sample(), 0);
    let at = flipped.len() - 6;
    flipped[at] ^= 1;
    assert!(refusal(&flipped).contains("damaged"), "{}", refusal(&flipped));
}

#[test]
fn trailing_sizes_of_one_big_endian_and_scaling() {
    // Built by hand, big-endian: 2 x 1 x 1 x 1 x 1 of 16-bit, slope 2, intercept -1, qform only.
    let mut b = vec![0u8; 352];
    let mut put = |at: usize, bytes: &[u8]| b[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348i32.to_be_bytes());
    for (n, d) in [5i16, 2, 1, 1, 1, 1].into_iter().enumerate() {
        put(40 + 2 * n, &d.to_be_bytes());
    }
    put(70, &4i16.to_be_bytes());
    for (n, d) in [-1f32, 0.5, 0.5, 3.0].into_iter().enumerate() {
        put(76 + 4 * n, &d.to_be_bytes());
    }
    put(108, &352f32.to_be_bytes());
    put(112, &2f32.to_be_bytes());
    put(116, &(-1f32).to_be_bytes());
    put(252, &1i16.to_be_bytes());
    put(268, &10f32.to_be_bytes());
    put(344, b"n+1\0");
    b.extend([5i16, -7].iter().flat_map(|v| v.to_be_bytes()));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nii");
    fs::write(&path, b).unwrap();
    let (v, _) = load_nifti_volume(&path, &JobContext::detached()).unwrap();
    assert_eq!(v.hu().as_ref(), [9, -15]);
    // RAS (10, 0, 0) is LPS (-10, 0, 0); qfac -1 turns the third axis.
    assert_eq!(v.geometry().origin(), DVec3::new(-10.0, 0.0, 0.0));
    assert_eq!(v.geometry().world_from_voxel().matrix3.z_axis, DVec3::new(0.0, 0.0, -3.0));
    assert_eq!(v.geometry().world_from_voxel().matrix3.x_axis, DVec3::new(-0.5, 0.0, 0.0));
}

#[test]
fn nifti_2_is_read() {
    let mut b = vec![0u8; 544];
    let mut put = |at: usize, bytes: &[u8]| b[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &540i32.to_le_bytes());
    put(4, b"n+2\0\r\n\x1a\n");
    put(12, &64i16.to_le_bytes());
    for (n, d) in [3i64, 1, 2, 1].into_iter().enumerate() {
        put(16 + 8 * n, &d.to_le_bytes());
    }
    put(168, &544i64.to_le_bytes());
    put(348, &1i32.to_le_bytes());
    for (n, v) in [0.0, 2.0, 0.0, 1.5, 0.8, 0.0, 0.0, 2.5, 0.0, 0.0, 3.0, 3.5f64].into_iter().enumerate() {
        put(400 + 8 * n, &v.to_le_bytes());
    }
    b.extend([-1000.0, 40.25f64].iter().flat_map(|v| v.to_le_bytes()));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nii");
    fs::write(&path, b).unwrap();
    let (v, findings) = load_nifti_volume(&path, &JobContext::detached()).unwrap();
    assert_eq!(v.hu().as_ref(), [-1000, 40]);
    assert_eq!(findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["rounded"]);
    let a = v.geometry().world_from_voxel();
    assert_eq!(a.matrix3, DMat3::from_cols(DVec3::new(0.0, -0.8, 0.0), DVec3::new(-2.0, 0.0, 0.0), DVec3::Z * 3.0));
    assert_eq!(a.translation, DVec3::new(-1.5, -2.5, 3.5));
}

#[test]
fn a_missing_file_is_said() {
    let error = load_nifti_labels(Path::new("/nowhere/a.nii")).unwrap_err().to_string();
    assert_eq!(error, "/nowhere/a.nii cannot be read: it does not exist");
}

/// A plain file whose header is changed and whose samples are these 32-bit floats.
fn floats(change: impl Fn(&mut dyn FnMut(usize, &[u8])), values: &[f32]) -> Vec<u8> {
    let mut file = sample();
    file.truncate(352);
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    for (n, d) in [3, values.len() as i16, 1, 1].into_iter().enumerate() {
        put(40 + 2 * n, &d.to_le_bytes());
    }
    put(70, &16i16.to_le_bytes());
    change(&mut put);
    file.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    file
}

fn first_layer(file: &LabelFile) -> Vec<u32> {
    file.layers[0].iter().collect()
}

fn open_bytes(bytes: &[u8]) -> Result<LabelFile, NiftiError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nii");
    fs::write(&path, bytes).unwrap();
    load_nifti_labels(&path)
}

#[test]
fn labels_stored_as_floats_or_scaled_are_whole_numbers_again() {
    let plain = open_bytes(&floats(|_| {}, &[0.0, 3.0, 1.9999])).unwrap();
    assert_eq!(first_layer(&plain), [0, 3, 2]);
    let scaled = floats(|put| put(112, &0.5f32.to_le_bytes()), &[0.0, 6.0, 2.0]);
    assert_eq!(first_layer(&open_bytes(&scaled).unwrap()), [0, 3, 1]);
    let shifted = floats(|put| put(116, &1f32.to_le_bytes()), &[-1.0, 6.0, 2.0]);
    assert_eq!(first_layer(&open_bytes(&shifted).unwrap()), [0, 7, 3]);
    // Slope 0 or no number means that there is no scaling.
    let none = floats(|put| put(112, &f32::NAN.to_le_bytes()), &[0.0, 6.0, 2.0]);
    assert_eq!(first_layer(&open_bytes(&none).unwrap()), [0, 6, 2]);
    let chances = open_bytes(&floats(|_| {}, &[0.0, 0.75, 1.0])).unwrap_err().to_string();
    assert!(chances.contains("0.75, and labels are whole numbers"), "{chances}");
}

#[test]
fn axes_off_a_right_angle_are_told_and_broken_ones_refused() {
    let sform = |rows: [[f32; 4]; 3], qform: i16| {
        move |put: &mut dyn FnMut(usize, &[u8])| {
            put(252, &qform.to_le_bytes());
            for (n, v) in rows.as_flattened().iter().enumerate() {
                put(280 + 4 * n, &v.to_le_bytes());
            }
        }
    };
    let codes = |rows, qform| {
        open_bytes(&floats(sform(rows, qform), &[1.0; 3]))
            .map(|f| f.findings.iter().map(|f| f.code).collect::<Vec<_>>())
    };
    let slightly = [[1.0, 0.0, 1e-3, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]];
    assert_eq!(codes(slightly, 0).unwrap(), Vec::<&str>::new());
    let tilted = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.5, 0.0], [0.0, 0.0, 2.0, 0.0]];
    assert_eq!(codes(tilted, 1).unwrap(), ["sheared"]);
    let broken = [[1.0, 0.9, 0.0, 0.0], [0.0, 0.1, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]];
    let error = codes(broken, 0).unwrap_err().to_string();
    assert!(error.contains("84 degrees off a right angle"), "{error}");
    assert_eq!(codes(broken, 1).unwrap(), ["sform"]);
    let moved = [[1.0, 0.0, 0.0, 40.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]];
    assert_eq!(codes(moved, 1).unwrap(), ["forms-differ"]);
}

#[test]
fn a_pair_of_header_and_image_is_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let (header, image) = (dir.path().join("a.hdr"), dir.path().join("a.img"));
    let mut bytes = sample();
    bytes[344..348].copy_from_slice(b"ni1\0");
    bytes[108..112].copy_from_slice(&4f32.to_le_bytes());
    fs::write(&header, &bytes[..348]).unwrap();
    assert!(load_nifti_labels(&header).unwrap_err().to_string().contains("no .img file"));
    fs::write(&image, [&[9; 4], &bytes[352..]].concat()).unwrap();
    let volume = |path: &Path| load_nifti_volume(path, &JobContext::detached()).unwrap().0;
    assert_eq!(volume(&header).hu().as_ref(), (0..27).collect::<Vec<i16>>());
    assert_eq!(volume(&image).geometry(), volume(&header).geometry());
    let found = crate::io::scan(dir.path(), &JobContext::detached()).unwrap();
    // So few different numbers are labels.
    assert_eq!(found.masks.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["a"]);
    fs::rename(&image, dir.path().join("A.img.gz")).unwrap();
    fs::write(dir.path().join("a.img.gz"), gz(&[&[9; 4], &bytes[352..]].concat(), 0)).unwrap();
    assert_eq!(volume(&header).hu().as_ref(), (0..27).collect::<Vec<i16>>());
    fs::remove_file(&header).unwrap();
    let error = load_nifti_volume(&dir.path().join("a.img.gz"), &JobContext::detached()).unwrap_err().to_string();
    assert!(error.contains("no .hdr file"), "{error}");
}
