//! NRRD headers and samples through disk and back, and files that lie.

use super::*;
use crate::core::{Geometry, LabelMap, Segment, Volume};
use crate::jobs::JobContext;
use glam::{DAffine3, DMat3, DQuat, DVec3};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn geometry(dims: [usize; 3], axis: [f64; 3], angle: f64) -> Geometry {
    let axis = DVec3::from_array(axis).try_normalize().unwrap_or(DVec3::Z);
    let m = DMat3::from_quat(DQuat::from_axis_angle(axis, angle)) * DMat3::from_diagonal(DVec3::new(0.7, 0.91, -2.5));
    Geometry::new(dims, DAffine3 { matrix3: m, translation: DVec3::new(-123.4, 1.0 / 3.0, -890.1) }).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn volumes_and_masks_come_back(
        dims in prop::array::uniform3(1usize..9), axis in prop::array::uniform3(-1.0f64..1.0), angle in -3.1f64..3.1,
        seed: u64, name in "[ -~]{1,20}",
    ) {
        let g = geometry(dims, axis, angle);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.nrrd");
        let mut state = seed | 1;
        let hu: Vec<i16> = (0..g.voxel_count()).map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as i16
        }).collect();
        save_nrrd_volume(&path, &Volume::new(g, hu.clone()).unwrap()).unwrap();
        let (back, findings) = load_nrrd_volume(&path, &JobContext::detached()).unwrap();
        prop_assert_eq!(back.hu().as_ref(), hu.clone());
        // Text with enough digits: exact, to the last bit.
        prop_assert_eq!(back.geometry(), &g);
        prop_assert!(findings.is_empty());
        let dense: Vec<u8> = hu.iter().map(|v| (v & 3) as u8).collect();
        let labels = LabelMap::from_dense(g, &dense).unwrap();
        let mut segments: Vec<Segment> = (1..4).map(|id| Segment::new(id, format!("part {id}"))).collect();
        segments[0].name = name.trim().to_owned();
        segments[1] = Segment::new(2, "liver");
        segments[2].file_value = 70_000;
        save_nrrd_labels(&path, &labels, &segments).unwrap();
        let file = load_nrrd_labels(&path).unwrap();
        prop_assert_eq!(file.geometry, g);
        let largest = if dense.contains(&3) { 70_000 } else { 3 };
        prop_assert_eq!(file.layers[0].iter().collect::<Vec<_>>(), dense.iter().map(|&v| [0, 1, 2, largest][usize::from(v)]).collect::<Vec<_>>());
        for (s, f) in segments.iter().zip(&file.segments) {
            if !s.name.is_empty() { prop_assert_eq!(&s.name, &f.name); }
            prop_assert_eq!(Some(s.color), f.color);
            prop_assert_eq!(&s.code, &f.code);
            prop_assert_eq!(s.file_value, f.value);
        }
    }

    #[test]
    fn broken_headers_are_survived(changes in prop::collection::vec((0usize..300, any::<u8>()), 1..8), cut in 0usize..600) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.nrrd");
        save_nrrd_volume(&path, &Volume::new(geometry([3, 3, 3], [1.0; 3], 0.5), vec![1i16; 27]).unwrap()).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let n = bytes.len();
        for (at, value) in changes { bytes[at.min(n - 1)] = value; }
        bytes.truncate(cut.max(1));
        fs::write(&path, bytes).unwrap();
        let _ = load_nrrd_volume(&path, &JobContext::detached());
        let _ = load_nrrd_labels(&path);
    }
}

/// A grid of any direction and spacing, mirrored or not, with axes that need not meet at right angles.
fn any_geometry() -> impl Strategy<Value = Geometry> {
    let turn = (prop::array::uniform3(-1.0f64..1.0), -3.1f64..3.1);
    let spacing = prop::array::uniform3(0.2f64..4.0);
    let (mirrored, shear) = (prop::array::uniform3(any::<bool>()), prop::array::uniform3(-0.6f64..0.6));
    let place = prop::array::uniform3(-900.0f64..900.0);
    (prop::array::uniform3(1usize..9), turn, spacing, mirrored, shear, place).prop_map(
        |(dims, (axis, angle), spacing, mirrored, [a, b, c], place)| {
            let axis = DVec3::from_array(axis).try_normalize().unwrap_or(DVec3::Z);
            let signs = DVec3::from_array(mirrored.map(|m| if m { -1.0 } else { 1.0 }));
            let lean = DMat3::from_cols(DVec3::X, DVec3::new(a, 1.0, 0.0), DVec3::new(b, c, 1.0));
            let turn = DMat3::from_quat(DQuat::from_axis_angle(axis, angle));
            let matrix3 = turn * lean * DMat3::from_diagonal(DVec3::from_array(spacing) * signs);
            Geometry::new(dims, DAffine3 { matrix3, translation: DVec3::from_array(place) }).unwrap()
        },
    )
}

fn numbers(n: usize, seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed | 1;
    (0..n).map(move |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 40
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn mirrored_and_sheared_volumes_come_back(g in any_geometry(), seed: u64) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.nrrd");
        let hu: Vec<i16> = numbers(g.voxel_count(), seed).map(|v| v as i16).collect();
        save_nrrd_volume(&path, &Volume::new(g, hu.clone()).unwrap()).unwrap();
        let (back, findings) = load_nrrd_volume(&path, &JobContext::detached()).unwrap();
        prop_assert_eq!(back.hu().as_ref(), hu);
        prop_assert_eq!(back.geometry(), &g);
        prop_assert!(findings.is_empty(), "{:?}", findings);
    }

    #[test]
    fn layers_come_back_at_any_geometry(g in any_geometry(), count in 1usize..5, seed: u64) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.seg.nrrd");
        // Three segments a layer; their numbers are unique over all layers.
        let layers: Vec<(LabelMap, Vec<Segment>)> = (0..count).map(|layer| {
            let of = |n: u64| if n == 0 { 0 } else { 3 * layer as u8 + n as u8 };
            let dense: Vec<u8> = numbers(g.voxel_count(), seed ^ (layer as u64 * 977)).map(|v| of(v % 4)).collect();
            let segments = (1..4).map(|n| Segment::new(of(n), format!("part {layer} {n}"))).collect();
            (LabelMap::from_dense(g, &dense).unwrap(), segments)
        }).collect();
        let all: Vec<(&LabelMap, &[Segment])> = layers.iter().map(|(l, s)| (l, s.as_slice())).collect();
        save_nrrd_layers(&path, &all).unwrap();
        let file = load_nrrd_labels(&path).unwrap();
        prop_assert_eq!(file.geometry, g);
        prop_assert_eq!(file.layers.len(), count);
        for (numbers, (labels, _)) in file.layers.iter().zip(&layers) {
            let written: Vec<u32> = labels.to_dense().into_iter().map(u32::from).collect();
            prop_assert_eq!(numbers.iter().collect::<Vec<_>>(), written);
        }
        let mask = crate::io::open_mask(&path, None, &JobContext::detached()).unwrap();
        prop_assert_eq!(mask.labels.geometry(), &g);
        prop_assert_eq!(voxels(mask.layers()), voxels(all.into_iter()));
    }
}

/// The voxels of each segment, by name.
fn voxels<'a>(layers: impl Iterator<Item = (&'a LabelMap, &'a [Segment])>) -> BTreeMap<String, Vec<bool>> {
    let mut all = BTreeMap::new();
    for (labels, segments) in layers {
        let dense = labels.to_dense();
        for segment in segments {
            all.insert(segment.name.clone(), dense.iter().map(|l| *l == segment.id).collect());
        }
    }
    all
}

/// Loads a header with `fields` and these bytes behind it.
fn load(fields: &str, data: &[u8]) -> Result<Volume, NrrdError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nrrd");
    fs::write(&path, [format!("NRRD0005\n{fields}\n\n").as_bytes(), data].concat()).unwrap();
    load_nrrd_volume(&path, &JobContext::detached()).map(|(v, _)| v)
}

const GRID: &str =
    "dimension: 3\nsizes: 2 1 2\nspace: LPS\nspace directions: (1,0,0) (0,1,0) (0,0,2)\nspace origin: (1,2,3)";

#[test]
fn every_encoding_and_byte_order() {
    let be: Vec<u8> = [1i16, -2, 300, 4].iter().flat_map(|v| v.to_be_bytes()).collect();
    let raw = load(&format!("{GRID}\ntype: int16\nendian: big\nencoding: raw"), &be).unwrap();
    assert_eq!(raw.hu().as_ref(), [1, -2, 300, 4]);
    let hex = load(&format!("{GRID}\ntype: short\nendian: big\nencoding: hex"), b"0001ff FE\n012c 0004\n").unwrap();
    assert_eq!(hex.hu().as_ref(), [1, -2, 300, 4]);
    let text = load(&format!("{GRID}\ntype: float\nencoding: ascii"), b"1 -2.4\n3e2, 4\n").unwrap();
    assert_eq!(text.hu().as_ref(), [1, -2, 300, 4]);
    let skipped = [b"line one\nline two\n".as_slice(), b"xx", &be].concat();
    let raw = load(&format!("{GRID}\ntype: int16\nendian: big\nencoding: raw\nline skip: 2\nbyte skip: 2"), &skipped);
    assert_eq!(raw.unwrap().hu().as_ref(), [1, -2, 300, 4]);
    let end = load(&format!("{GRID}\ntype: int16\nendian: big\nencoding: raw\nbyte skip: -1"), &skipped).unwrap();
    assert_eq!(end.hu().as_ref(), [1, -2, 300, 4]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("crlf.nrrd");
    let header = format!("NRRD0004\n{GRID}\ntype: uchar\nencoding: raw\n\n").replace('\n', "\r\n");
    fs::write(&path, [header.as_bytes(), &[4, 3, 2, 1]].concat()).unwrap();
    let (crlf, _) = load_nrrd_volume(&path, &JobContext::detached()).unwrap();
    assert_eq!(crlf.hu().as_ref(), [4, 3, 2, 1]);
}

#[test]
fn every_space_becomes_lps() {
    for (space, x, y, z) in [
        ("left-posterior-superior", 1.0, 1.0, 1.0),
        ("RAS", -1.0, -1.0, 1.0),
        ("left-anterior-superior", 1.0, -1.0, 1.0),
        ("RPI", -1.0, 1.0, -1.0),
    ] {
        let fields = GRID.replace("LPS", space);
        let v = load(&format!("{fields}\ntype: uchar\nencoding: raw"), &[1, 2, 3, 4]).unwrap();
        assert_eq!(v.geometry().origin(), DVec3::new(x, 2.0 * y, 3.0 * z), "{space}");
        assert_eq!(v.geometry().world_from_voxel().matrix3, DMat3::from_diagonal(DVec3::new(x, y, 2.0 * z)));
    }
    // Superior-left-posterior: a permutation.
    let v = load(&format!("{}\ntype: uchar\nencoding: raw", GRID.replace("LPS", "SLP")), &[1, 2, 3, 4]).unwrap();
    assert_eq!(v.geometry().origin(), DVec3::new(2.0, 3.0, 1.0));
    let plain = "dimension: 3\nsizes: 2 1 2\nspacings: 0.5 0.6 3\ntype: uchar\nencoding: raw";
    assert_eq!(load(plain, &[1, 2, 3, 4]).unwrap().geometry().spacing(), DVec3::new(0.5, 0.6, 3.0));
    let four = "dimension: 4\nsizes: 1 2 1 2\nspace: LPS\nspace directions: none (1,0,0) (0,1,0) (0,0,2)\ntype: uchar\nencoding: raw";
    assert_eq!(load(four, &[1, 2, 3, 4]).unwrap().geometry().dims(), [2, 1, 2]);
    let flat = "dimension: 2\nsizes: 2 2\nspace: LPS\nspace directions: (2,0,0) (0,0,-3)\ntype: uchar\nencoding: raw";
    assert_eq!(load(flat, &[1, 2, 3, 4]).unwrap().geometry().spacing(), DVec3::new(2.0, 3.0, 1.0));
}

#[test]
fn refusals_name_the_reason() {
    let says = |fields: &str, text: &str| {
        let error = load(fields, &[0; 64]).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    let ok = format!("{GRID}\ntype: uchar\nencoding: raw");
    says(&ok.replace("uchar", "block"), "number type");
    says(&ok.replace("raw", "bzip2"), "encoding");
    says(&ok.replace("sizes: 2 1 2", "sizes: 2 1"), "dimension");
    says(&ok.replace("sizes: 2 1 2", "sizes: 2 0 2"), "size");
    says(&ok.replace("sizes: 2 1 2", "sizes: 30000 30000 2"), "too short");
    says(&ok.replace("(0,0,2)", "(1,0,0)"), "orientation");
    says(&ok.replace("(0,0,2)", "(nan,0,0)"), "orientation");
    says(&ok.replace("LPS", "scanner-xyz"), "space");
    says(&format!("{ok}\ndata file: ../secret.raw"), "outside its own folder");
    says(&format!("{ok}\ndata file: /etc/passwd"), "outside its own folder");
    says(&format!("{ok}\ndata file: .."), "outside its own folder");
    says(&format!("{ok}\ndata file: LIST\n../a.raw"), "outside its own folder");
    says(&format!("{ok}\ndata file: a.%03d.raw 1 3 1"), "over 3 files");
    says(&format!("{ok}\ndata file: a.%03d.raw 1 4 1"), "a.001.raw cannot be read: it does not exist");
    says(&format!("{ok}\ndata file: missing.raw"), "does not exist");
    let four = "dimension: 4\nsizes: 2 2 1 2\nspace: LPS\nspace directions: none (1,0,0) (0,1,0) (0,0,2)";
    says(&format!("{four}\ntype: uchar\nencoding: raw"), "4 axes");
}

#[test]
fn detached_data_lies_beside_its_header() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.raw"), [9, 8, 7, 6]).unwrap();
    let path = dir.path().join("a.nhdr");
    // No empty line at the end, as Teem writes it.
    fs::write(&path, format!("NRRD0004\n{GRID}\ntype: uchar\nencoding: raw\ndata file: ./a.raw\n")).unwrap();
    let (v, _) = load_nrrd_volume(&path, &JobContext::detached()).unwrap();
    assert_eq!(v.hu().as_ref(), [9, 8, 7, 6]);
    assert!(load_nrrd_labels(Path::new("/nowhere/a.nrrd")).is_err());
}

#[test]
fn data_in_a_list_of_files_is_joined_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let gz = |bytes: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut out, bytes).unwrap();
        out.finish().unwrap()
    };
    for (name, bytes) in [("x", vec![9, 8]), ("y", vec![7, 6]), ("x.gz", gz(&[9, 8])), ("y.gz", gz(&[7, 6]))] {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    fs::write(dir.path().join("s01"), b"skipped\n5 4").unwrap();
    fs::write(dir.path().join("s02"), b"skipped\n3 2").unwrap();
    let path = dir.path().join("a.nhdr");
    let load = |fields: &str| {
        fs::write(&path, format!("NRRD0004\n{GRID}\ntype: uchar\n{fields}\n")).unwrap();
        load_nrrd_volume(&path, &JobContext::detached()).map(|(v, _)| v.hu().to_vec())
    };
    assert_eq!(load("encoding: raw\ndata file: LIST\nx\ny").unwrap(), [9, 8, 7, 6]);
    assert_eq!(load("encoding: raw\ndata file: LIST 2\ny\n./x\n").unwrap(), [7, 6, 9, 8]);
    assert_eq!(load("encoding: gzip\ndata file: LIST\nx.gz\ny.gz").unwrap(), [9, 8, 7, 6]);
    assert_eq!(load("encoding: text\nline skip: 1\ndata file: s%02d 1 2 1").unwrap(), [5, 4, 3, 2]);
    let error = load("encoding: raw\ndata file: LIST\nx\nz").unwrap_err().to_string();
    assert!(error.contains("z cannot be read: it does not exist"), "{error}");
    fs::write(dir.path().join("y"), [7]).unwrap();
    let error = load("encoding: raw\ndata file: LIST\nx\ny").unwrap_err().to_string();
    assert!(error.contains("y cannot be opened: it is too short"), "{error}");
}

#[test]
fn layers_of_a_slicer_segmentation_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.seg.nrrd");
    let g = geometry([3, 2, 2], [1.0, 0.5, 0.0], 0.4);
    let liver = LabelMap::from_dense(g, &[1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]).unwrap();
    let tumour = LabelMap::from_dense(g, &[0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let (first, second) = ([Segment::new(1, "liver")], [Segment::new(2, "tumour"), Segment::new(3, "none")]);
    let mut numbered = second.clone();
    // As Slicer does: each layer counts for itself.
    numbered[0].file_value = 1;
    save_nrrd_layers(&path, &[(&liver, &first), (&tumour, &numbered)]).unwrap();
    let mask = crate::io::open_mask(&path, None, &JobContext::detached()).unwrap();
    let layers: Vec<(Vec<u8>, Vec<&str>)> =
        mask.layers().map(|(l, s)| (l.to_dense(), s.iter().map(|s| s.name.as_str()).collect())).collect();
    assert_eq!(layers[0], (liver.to_dense(), vec!["liver"]));
    assert_eq!(layers[1], (tumour.to_dense(), vec!["tumour", "none"]));
    assert_eq!(mask.labels.geometry(), &g);
    let flat = mask.flattened();
    assert_eq!(flat.labels.to_dense(), [1, 2, 2, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
    // It is no volume, and a list of anything else is neither.
    assert!(matches!(load_nrrd_volume(&path, &JobContext::detached()), Err(NrrdError::Header { .. })));
}
