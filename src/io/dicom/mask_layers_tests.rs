//! Segments that overlap, written as segmentations and structure sets and read again: each comes back whole.

use super::mask_tests::{grid, noise, segments, write_and_open};
use super::*;
use crate::core::{Geometry, LabelMap, Segment};
use crate::io::mask::Painter;
use crate::io::{DicomStack, FileKind, LoadedMask, Severity, open_mask, save_loaded_mask, save_mask_layers};
use crate::jobs::JobContext;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

fn ctx() -> JobContext<()> {
    JobContext::detached()
}

/// Segments by name, each with all its voxels.
type Whole = BTreeMap<String, (Segment, Vec<bool>)>;

fn whole(mask: &LoadedMask) -> Whole {
    let mut all = Whole::new();
    for (labels, segments) in mask.layers() {
        let dense = labels.to_dense();
        for segment in segments {
            let voxels = dense.iter().map(|l| *l == segment.id).collect();
            assert!(all.insert(segment.name.clone(), (segment.clone(), voxels)).is_none(), "{} twice", segment.name);
        }
    }
    all
}

/// Segments of which each voxel belongs to as many as chance will have it, or boxes that reach into each other.
fn drawn(geometry: Geometry, count: u8, boxes: bool, seed: u64) -> LoadedMask {
    let [nx, ny, _] = geometry.dims();
    let mut painter = Painter::new(geometry);
    for (at, value) in noise(geometry.voxel_count(), seed).enumerate() {
        let [i, j, k] = [at % nx, at / nx % ny, at / (nx * ny)];
        for label in 1..=count {
            let n = usize::from(label);
            let inside = if boxes { (i + n) / 4 % 2 == 0 && (j + k) / 3 % (n + 1) == 0 } else { value >> n & 1 == 1 };
            if inside {
                painter.paint([i, j, k], label);
            }
        }
    }
    painter.finish(segments(count), Severity::Note, Vec::new())
}

fn back(kind: FileKind, path: &Path, stack: &DicomStack) -> LoadedMask {
    match kind {
        FileKind::Dicom => load_seg(path, &stack.geometry, &ctx()).unwrap(),
        _ => load_rtstruct(path, &stack.geometry, &ctx()).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn overlapping_segments_come_back_whole(
        dims in (1usize..14, 1usize..12, 1usize..5),
        angles in prop::array::uniform3(-0.6f64..0.6),
        shear in prop::sample::select(vec![0.0, 0.3]),
        count in 2u8..6, boxes: bool, seed: u64,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let dims = [dims.0, dims.1, dims.2];
        let geometry = grid(dims, angles, if dims[2] > 1 { shear } else { 0.0 });
        let (_, stack) = write_and_open(dir.path(), geometry, 0);
        let mask = drawn(stack.geometry, count, boxes, seed);
        for kind in [FileKind::Dicom, FileKind::RtStruct] {
            let path = dir.path().join("mask.dcm");
            save_loaded_mask(Some(kind), &path, mask.clone(), Some(&stack)).unwrap();
            // A structure set without a contour is no mask of anything, and is refused.
            if kind == FileKind::RtStruct && mask.is_blank() {
                continue;
            }
            let found = back(kind, &path, &stack);
            prop_assert_eq!(whole(&found), whole(&mask), "{:?}", kind);
            prop_assert_eq!(found.further.is_empty(), mask.further.is_empty());
            prop_assert!(found.findings.iter().all(|f| f.code == "overlapping-labels"), "{:?}", found.findings);
        }
    }
}

#[test]
fn nothing_is_lost_from_file_to_file() {
    let dir = tempfile::tempdir().unwrap();
    let (_, stack) = write_and_open(dir.path(), grid([11, 10, 4], [0.1, 0.2, 0.0], 0.0), 0);
    let first = drawn(stack.geometry, 3, false, 5);
    assert!(first.further.len() == 2, "all three overlap");
    let mut mask = first.clone();
    for (n, kind) in [FileKind::Dicom, FileKind::RtStruct, FileKind::Dicom, FileKind::RtStruct].into_iter().enumerate()
    {
        let path = dir.path().join(format!("{n}.dcm"));
        let told = save_loaded_mask(Some(kind), &path, mask, Some(&stack)).unwrap();
        assert!(!told.iter().any(|f| f.text.contains("is kept there")), "{told:?}");
        mask = back(kind, &path, &stack);
        assert_eq!(whole(&mask), whole(&first), "{kind:?}");
    }
}

#[test]
fn layers_that_use_one_label_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (_, stack) = write_and_open(dir.path(), grid([6, 5, 3], [0.0; 3], 0.0), 0);
    let (mut a, mut b) = (LabelMap::empty(stack.geometry), LabelMap::empty(stack.geometry));
    for i in 0..4 {
        a.set([i, 2, 1], 1);
        b.set([i + 2, 2, 1], 1);
    }
    b.set([0, 0, 0], 2);
    let (one, two) = ([Segment::new(1, "liver")], [Segment::new(1, "liver (B)"), Segment::new(2, "cyst")]);
    for name in ["m.dcm", "m.rtstruct.dcm", "m.seg.nrrd"] {
        let path = dir.path().join(name);
        save_mask_layers(&path, &[(&a, &one), (&b, &two)], Some(&stack)).unwrap();
        let found = whole(&open_mask(&path, Some(&stack.geometry), &ctx()).unwrap());
        let voxels = |name: &str| found[name].1.iter().filter(|v| **v).count();
        assert_eq!((found.len(), voxels("liver"), voxels("liver (B)"), voxels("cyst")), (3, 4, 4, 1), "{name}");
        let [i, j, k] = [3, 2, 1];
        let at = stack.geometry.index([i, j, k]);
        assert!(found["liver"].1[at] && found["liver (B)"].1[at], "{name}: both hold the voxel between them");
    }
    let refused = save_mask_layers(&dir.path().join("m.nii.gz"), &[(&a, &one), (&b, &two)], None).unwrap_err();
    assert!(refused.to_string().contains(".seg.nrrd"), "{refused}");
    // What is wrong with one layer is wrong with the mask.
    let path = dir.path().join("gone.dcm");
    let said = |layers: &[(&LabelMap, &[Segment])]| {
        let seg = save_seg(&path, layers, &stack, &ctx()).unwrap_err();
        assert_eq!(save_rtstruct(&path, layers, &stack, &ctx()), Err(seg.clone()));
        assert!(!path.exists());
        seg.to_string()
    };
    assert!(said(&[(&a, &one), (&b, &two[..1])]).contains("label 2 is painted but has no segment"));
    let other = LabelMap::empty(grid([6, 5, 3], [0.0, 0.1, 0.0], 0.0));
    assert!(said(&[(&a, &one), (&other, &two)]).contains("another grid"));
    assert!(said(&[]).contains("no segment to write"));
}
