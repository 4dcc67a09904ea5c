//! Enhanced CT: frames in any order, several stacks and times in one file, a scale of its own for each frame.

use super::real_data::{load, series, stack};
use super::test_files::{TestFrame, TestSlice, write_enhanced, write_enhanced_with};
use super::write::Builder;
use super::*;
use crate::core::VoiLut;
use crate::io::Series;
use crate::jobs::JobContext;
use dicom_core::VR;
use dicom_dictionary_std::tags;
use std::path::PathBuf;

fn scan_frames(frames: &[TestFrame]) -> (DicomScan, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("enhanced");
    write_enhanced(&path, frames);
    (scan_files(&[path], &JobContext::detached()), dir)
}

fn column(series: &Series) -> Vec<i16> {
    let volume = load(stack(series));
    (0..volume.geometry().dims()[2]).map(|k| volume.at([2, 1, k as i64]).unwrap()).collect()
}

fn codes(series: &Series) -> Vec<&str> {
    series.findings.iter().map(|f| f.code).collect()
}

#[test]
fn frames_are_ordered_by_place_and_scaled_one_by_one() {
    let mut frames = [(10.0, 30), (0.0, 10), (15.0, 40), (5.0, 20)].map(|(z, v)| TestFrame::at(z, v));
    (frames[1].slope, frames[1].intercept) = (2.0, -5.0);
    (frames[2].slope, frames[2].intercept) = (0.5, 100.0);
    let (scan, _dir) = scan_frames(&frames);
    let all = series(&scan);
    assert_eq!((all.len(), codes(all[0])), (1, vec!["rescale-varies"]));
    assert_eq!(column(all[0]), [15, 20 - 1024, 30 - 1024, 120]);
    assert_eq!(stack(all[0]).geometry.spacing().z, 5.0);
    // A reference names the frame within the file.
    assert_eq!(stack(all[0]).slices.iter().map(|s| s.frame).collect::<Vec<_>>(), [1, 3, 0, 2]);
}

#[test]
fn several_stacks_in_one_file_are_several_series() {
    let mut frames: Vec<TestFrame> = (0..5).map(|n| TestFrame::at(5.0 * f64::from(n), 10)).collect();
    frames.extend((0..4).map(|n| TestFrame { stack: "2", ..TestFrame::at(2.0 + 3.0 * f64::from(n), 50) }));
    let (scan, _dir) = scan_frames(&frames);
    let all = series(&scan);
    assert_eq!(
        all.iter().map(|s| (s.label.as_str(), s.slices)).collect::<Vec<_>>(),
        [("CT 1 part 1", 5), ("CT 1 part 2", 4)]
    );
    assert!(all.iter().all(|s| codes(s) == ["several-stacks"]));
    assert_eq!([column(all[0])[0], column(all[1])[0]], [10 - 1024, 50 - 1024]);
    // A number of its own for every frame is no stack of its own.
    const IDS: [&str; 4] = ["1", "2", "3", "4"];
    let frames: Vec<TestFrame> =
        (0..4).map(|n| TestFrame { stack: IDS[n], ..TestFrame::at(n as f64, n as u16) }).collect();
    assert_eq!(series(&scan_frames(&frames).0).iter().map(|s| s.slices).collect::<Vec<_>>(), [4]);
}

#[test]
fn times_at_one_place_are_acquisitions() {
    let times = (1..4u16).flat_map(|t| {
        (0..3).map(move |n| TestFrame { time: u32::from(t), ..TestFrame::at(f64::from(n), 100 * t + n as u16) })
    });
    let (scan, _dir) = scan_frames(&times.collect::<Vec<_>>());
    let all = series(&scan);
    assert_eq!(
        all.iter().map(|s| (s.slices, codes(s))).collect::<Vec<_>>(),
        [(3, vec!["acquisitions"]), (3, vec!["acquisitions"]), (3, vec!["acquisitions"])]
    );
    assert_eq!(column(all[1]), [200, 201, 202].map(|v| v - 1024));
}

#[test]
fn one_frame_and_one_slice_open_as_one_voxel_layer() {
    let (scan, _dir) = scan_frames(&[TestFrame::at(7.0, 1064)]);
    let all = series(&scan);
    assert_eq!(
        (column(all[0]), stack(all[0]).geometry.dims(), stack(all[0]).geometry.spacing().z),
        (vec![40], [4, 3, 1], 2.5)
    );
    let dir = tempfile::tempdir().unwrap();
    let mut slice = TestSlice::at(3.0);
    slice.more = |b| b.text(tags::SLICE_THICKNESS, VR::DS, "");
    let scan = scan_files(&[slice.write(dir.path())], &JobContext::detached());
    assert_eq!(codes(series(&scan)[0]), ["assumed-thickness"]);
    assert_eq!(stack(series(&scan)[0]).geometry.spacing().z, 1.0);
    // Frames that do not say where they lie are no volume.
    slice.more = |b| b.text(tags::NUMBER_OF_FRAMES, VR::IS, "3");
    slice.stored = [0; 12];
    let path: PathBuf = slice.write(dir.path());
    let scan = scan_files(&[path], &JobContext::detached());
    assert!(!series(&scan)[0].can_open() && codes(series(&scan)[0]).contains(&"unreadable-slices"));
}

#[test]
fn uneven_frames_are_resampled_like_files() {
    let frames = [0.0, 2.0, 4.0, 8.0].map(|z| TestFrame::at(z, 1024 + 10 * z as u16));
    let (scan, _dir) = scan_frames(&frames);
    let whole = series(&scan)[0].resample().unwrap();
    assert_eq!(column(&whole), [0, 20, 40, 60, 80]);
}

#[test]
fn a_table_of_grey_values_is_found_in_the_frames_group() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("enhanced");
    let frames = [0.0, 5.0].map(|z| TestFrame::at(z, 1064));
    write_enhanced_with(&path, &frames, |shared| {
        let described = Builder::new().shorts(tags::LUT_DESCRIPTOR, &[3, -100, 10]);
        let table = Builder::new().items(tags::VOILUT_SEQUENCE, [described.words(tags::LUT_DATA, &[5, 700, 1023])]);
        shared.items(tags::FRAME_VOILUT_SEQUENCE, [table])
    });
    let scan = scan_files(std::slice::from_ref(&path), &JobContext::detached());
    assert_eq!(codes(series(&scan)[0]), ["grey-table"]);
    let volume = load(stack(series(&scan)[0]));
    assert_eq!(volume.header_lut.as_deref(), VoiLut::new(-100, vec![5, 700, 1023], 10).as_ref());
    // A window alone in that group is no table.
    write_enhanced_with(&path, &frames, |shared| {
        let window = Builder::new().decimals(tags::WINDOW_CENTER, &[40.0]).decimals(tags::WINDOW_WIDTH, &[400.0]);
        shared.items(tags::FRAME_VOILUT_SEQUENCE, [window])
    });
    let volume = load(stack(series(&scan_files(&[path], &JobContext::detached()))[0]));
    assert!(volume.header_lut.is_none() && volume.header_window.is_some());
}
