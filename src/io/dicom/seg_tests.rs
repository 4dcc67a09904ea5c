//! Segmentations as other writers make them: any order, plane and number of frames, fractions, label maps, overlaps.

use super::test_files::{explicit, part10};
use super::write::Builder;
use super::*;
use crate::core::{Geometry, LabelMap};
use crate::io::{IoError, LoadedMask, Severity, open_mask};
use crate::jobs::JobContext;
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use glam::DVec3;
use std::path::Path;

/// One frame: where its first pixel lies, which way its rows and columns run, its segment and its pixels.
#[derive(Clone)]
struct TestFrame {
    position: DVec3,
    row: DVec3,
    column: DVec3,
    spacing: [f64; 2],
    segment: u16,
    pixels: Vec<u8>,
}

struct TestSeg {
    kind: &'static str,
    size: [u16; 2],
    segments: u16,
    frames: Vec<TestFrame>,
}

impl TestSeg {
    fn write(&self, path: &Path) {
        let bits = if self.kind == "BINARY" { 1 } else { 8 };
        let per_frame = self.frames.iter().map(|f| {
            let orientation = [f.row.to_array(), f.column.to_array()].concat();
            let measures = Builder::new().decimals(tags::PIXEL_SPACING, &f.spacing);
            let identification = Builder::new().words(tags::REFERENCED_SEGMENT_NUMBER, &[f.segment]);
            Builder::new()
                .items(
                    tags::PLANE_POSITION_SEQUENCE,
                    [Builder::new().decimals(tags::IMAGE_POSITION_PATIENT, &f.position.to_array())],
                )
                .items(
                    tags::PLANE_ORIENTATION_SEQUENCE,
                    [Builder::new().decimals(tags::IMAGE_ORIENTATION_PATIENT, &orientation)],
                )
                .items(tags::PIXEL_MEASURES_SEQUENCE, [measures])
                .items(tags::SEGMENT_IDENTIFICATION_SEQUENCE, [identification])
        });
        let segments = (1..=self.segments).map(|n| {
            Builder::new().words(tags::SEGMENT_NUMBER, &[n]).text(tags::SEGMENT_LABEL, VR::LO, format!("part {n}"))
        });
        let mut bytes = Vec::new();
        if bits == 1 {
            let pixels: Vec<u8> = self.frames.iter().flat_map(|f| f.pixels.iter().copied()).collect();
            bytes
                .extend(pixels.chunks(8).map(|c| c.iter().enumerate().fold(0, |b, (n, p)| b | u8::from(*p != 0) << n)));
        } else {
            bytes.extend(self.frames.iter().flat_map(|f| f.pixels.iter().copied()));
        }
        Builder::new()
            .text(tags::SOP_CLASS_UID, VR::UI, uids::SEGMENTATION_STORAGE)
            .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.9")
            .text(tags::MODALITY, VR::CS, "SEG")
            .text(tags::SEGMENTATION_TYPE, VR::CS, self.kind)
            .text(tags::SEGMENTATION_FRACTIONAL_TYPE, VR::CS, "OCCUPANCY")
            .words(tags::MAXIMUM_FRACTIONAL_VALUE, &[200])
            .words(tags::SAMPLES_PER_PIXEL, &[1])
            .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
            .text(tags::NUMBER_OF_FRAMES, VR::IS, self.frames.len().to_string())
            .words(tags::COLUMNS, &self.size[..1])
            .words(tags::ROWS, &self.size[1..])
            .words(tags::BITS_ALLOCATED, &[bits])
            .words(tags::BITS_STORED, &[bits])
            .words(tags::HIGH_BIT, &[bits - 1])
            .words(tags::PIXEL_REPRESENTATION, &[0])
            .items(tags::SEGMENT_SEQUENCE, segments)
            .items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, per_frame)
            .save(path, VR::OB, bytes.len() as u64, |w| w.write_all(&bytes))
            .unwrap();
    }

    /// Written and read back onto a grid.
    fn read(&self, reference: &Geometry) -> Result<LoadedMask, DicomError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seg.dcm");
        self.write(&path);
        load_seg(&path, reference, &JobContext::<()>::detached())
    }
}

/// Sides that are no multiple of eight, and three different steps.
fn grid() -> Geometry {
    Geometry::axis_aligned([5, 7, 6], DVec3::new(0.5, 0.75, 2.0), DVec3::new(-3.0, 4.0, 10.0)).unwrap()
}

/// A pattern without any symmetry.
fn truth(grid: &Geometry, label: u8) -> LabelMap {
    let dense: Vec<u8> =
        (0..grid.voxel_count()).map(|n| if (n * 2_654_435_761) >> 7 & 3 == 0 { label } else { 0 }).collect();
    LabelMap::from_dense(*grid, &dense).unwrap()
}

/// The frame of the labels along two axes of the grid at a place on the third, each axis forwards (1) or backwards (-1).
fn frame(labels: &LabelMap, [across, down]: [(usize, i64); 2], at: [i64; 3], segment: u16) -> TestFrame {
    let grid = labels.geometry();
    let (dims, d, s) = (grid.dims(), grid.direction(), grid.spacing());
    let mut first = at;
    for (axis, sense) in [across, down] {
        first[axis] = if sense < 0 { dims[axis] as i64 - 1 } else { 0 };
    }
    let mut pixels = Vec::new();
    for v in 0..dims[down.0] as i64 {
        for u in 0..dims[across.0] as i64 {
            let mut voxel = first;
            voxel[across.0] += u * across.1;
            voxel[down.0] += v * down.1;
            pixels.push(labels.at(voxel));
        }
    }
    TestFrame {
        position: grid.world_from_voxel().transform_point3(DVec3::from_array(first.map(|v| v as f64))),
        row: d.col(across.0) * across.1 as f64,
        column: d.col(down.0) * down.1 as f64,
        // Row distance first.
        spacing: [s[down.0], s[across.0]],
        segment,
        pixels,
    }
}

fn axial(labels: &LabelMap, k: i64, segment: u16) -> TestFrame {
    frame(labels, [(0, 1), (1, 1)], [0, 0, k], segment)
}

#[test]
fn frames_in_any_order_and_with_gaps_are_placed_by_their_position() {
    let grid = grid();
    let labels = truth(&grid, 1);
    let frames: Vec<TestFrame> = [4, 0, 5, 2].map(|k| axial(&labels, k, 1)).into();
    let mask = TestSeg { kind: "BINARY", size: [5, 7], segments: 1, frames }.read(&grid).unwrap();
    for k in 0..6 {
        for (i, j) in (0..5).flat_map(|i| (0..7).map(move |j| (i, j))) {
            let wanted = if [1, 3].contains(&k) { 0 } else { labels.at([i, j, k]) };
            assert_eq!(mask.labels.at([i, j, k]), wanted, "{i} {j} {k}");
        }
    }
    assert!(mask.findings.is_empty());
}

#[test]
fn every_plane_and_sense_is_followed_exactly() {
    let grid = grid();
    let labels = truth(&grid, 1);
    let dims = grid.dims();
    for (a, b, c) in [(0, 1, 2), (1, 0, 2), (0, 2, 1), (2, 0, 1), (1, 2, 0), (2, 1, 0)] {
        for senses in [(1, 1), (-1, 1), (1, -1), (-1, -1)] {
            let plane = [(a, senses.0), (b, senses.1)];
            let at = |n: usize| std::array::from_fn(|axis| if axis == c { n as i64 } else { 0 });
            let frames = (0..dims[c]).rev().map(|n| frame(&labels, plane, at(n), 1)).collect();
            let size = [dims[a] as u16, dims[b] as u16];
            let mask = TestSeg { kind: "BINARY", size, segments: 1, frames }.read(&grid).unwrap();
            assert_eq!(mask.labels, labels, "{plane:?}");
        }
    }
}

#[test]
fn turned_frames_are_refused_with_their_angle() {
    let grid = grid();
    let mut frame = axial(&truth(&grid, 1), 2, 1);
    let angle = 10f64.to_radians();
    frame.column = DVec3::new(0.0, angle.cos(), angle.sin());
    let error = TestSeg { kind: "BINARY", size: [5, 7], segments: 1, frames: vec![frame] }.read(&grid).unwrap_err();
    assert!(matches!(error, DicomError::Mismatch { .. }) && error.to_string().contains("10.0 degrees"), "{error}");
}

#[test]
fn overlapping_segments_are_kept_whole() {
    let grid = grid();
    let all = LabelMap::from_dense(grid, &vec![1; grid.voxel_count()]).unwrap();
    let some = truth(&grid, 1);
    let frames = (0..6).flat_map(|k| [axial(&all, k, 1), axial(&some, k, 2)]).collect();
    let mask = TestSeg { kind: "BINARY", size: [5, 7], segments: 2, frames }.read(&grid).unwrap();
    let drawn = some.counts()[1];
    assert_eq!((mask.labels.counts()[1], mask.further[0].labels.counts()[2]), (210, drawn));
    assert_eq!((mask.findings.len(), mask.findings[0].severity), (1, Severity::Warning));
    assert!(mask.findings[0].text.contains(&format!("{drawn} voxels")) && mask.findings[0].text.contains("part 2"));
    let flat = mask.flattened();
    assert_eq!((flat.labels.counts()[1], flat.labels.counts()[2]), (210 - drawn, drawn));
}

#[test]
fn fractions_are_cut_at_half_and_label_maps_are_read_by_value() {
    let grid = grid();
    let mut frame = axial(&truth(&grid, 1), 3, 1);
    frame.pixels = (0..35).map(|n| if n < 10 { 99 } else { 100 + n }).collect();
    let mask =
        TestSeg { kind: "FRACTIONAL", size: [5, 7], segments: 1, frames: vec![frame.clone()] }.read(&grid).unwrap();
    assert_eq!((mask.labels.counts()[1], mask.labels.at([4, 1, 3]), mask.labels.at([0, 2, 3])), (25, 0, 1));
    assert_eq!(mask.findings[0].code, "threshold");
    assert!(mask.findings[0].text.contains("filled") && mask.findings[0].text.contains("from 100 up"));
    frame.segment = 0;
    frame.pixels = (0..35).map(|n| n % 4).collect();
    let mask = TestSeg { kind: "LABELMAP", size: [5, 7], segments: 2, frames: vec![frame] }.read(&grid).unwrap();
    assert_eq!((mask.labels.at([1, 0, 3]), mask.labels.at([2, 0, 3]), mask.labels.at([3, 0, 3])), (1, 2, 0));
    assert_eq!(mask.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["unknown-segment"]);
}

#[test]
fn frames_without_a_place_or_a_segment_are_named() {
    let grid = grid();
    let labels = truth(&grid, 1);
    let frames = vec![axial(&labels, 0, 1), axial(&labels, 1, 9)];
    let mask = TestSeg { kind: "BINARY", size: [5, 7], segments: 1, frames: frames.clone() }.read(&grid).unwrap();
    assert_eq!(mask.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["unknown-segment"]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seg.dcm");
    let seg = TestSeg { kind: "BINARY", size: [5, 7], segments: 1, frames };
    seg.write(&path);
    // One more frame claimed than the functional groups describe.
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|w| w == [0x28, 0, 8, 0, b'I', b'S', 2, 0]).unwrap() + 8;
    bytes[at] = b'3';
    let pixels = bytes.len() - 10;
    assert_eq!(bytes[pixels - 4..pixels], 10u32.to_le_bytes());
    bytes[pixels - 4..pixels].copy_from_slice(&14u32.to_le_bytes());
    bytes.extend([0; 4]);
    std::fs::write(&path, bytes).unwrap();
    let error = load_seg(&path, &grid, &JobContext::<()>::detached()).unwrap_err().to_string();
    assert!(error.contains("frame 3 does not say where it lies"), "{error}");
}

#[test]
fn a_segmentation_alone_opens_on_the_grid_of_its_frames() {
    let grid = grid();
    let labels = truth(&grid, 1);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seg.dcm");
    let frames: Vec<TestFrame> = [3, 1, 2].map(|k| axial(&labels, k, 1)).into();
    TestSeg { kind: "BINARY", size: [5, 7], segments: 1, frames: frames.clone() }.write(&path);
    let mask = open_mask(&path, None, &JobContext::detached()).unwrap();
    let own = *mask.labels.geometry();
    assert_eq!((own.dims(), own.origin()), ([5, 7, 3], DVec3::new(-3.0, 4.0, 12.0)));
    assert_eq!(mask.labels.to_dense(), labels.to_dense()[35..4 * 35]);
    let mut uneven = frames;
    uneven[0].position.z += 0.7;
    TestSeg { kind: "BINARY", size: [5, 7], segments: 1, frames: uneven }.write(&path);
    let error = open_mask(&path, None, &JobContext::detached()).unwrap_err();
    assert!(matches!(error, IoError::Dicom(DicomError::Refused { .. })), "{error}");
    assert!(error.to_string().contains("unevenly spaced; name the series"), "{error}");
}

#[test]
fn what_is_no_segmentation_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.dcm");
    let set = explicit(tags::SEGMENTATION_TYPE, b"CS", b"OTHER ");
    std::fs::write(&path, part10(uids::EXPLICIT_VR_LITTLE_ENDIAN, &set)).unwrap();
    let error = load_seg(&path, &grid(), &JobContext::<()>::detached()).unwrap_err().to_string();
    assert!(error.contains("no segmentation that can be read"), "{error}");
}
