//! Slices that share identifiers and do not belong together, and slices that do not say where they lie.

use super::real_data::{load, series, stack};
use super::test_files::TestSlice;
use super::*;
use crate::io::Severity;
use crate::jobs::JobContext;
use dicom_core::VR;
use dicom_dictionary_std::tags;
use std::path::PathBuf;

/// Writes each list of slices into a folder of its own and scans them all.
fn scan_folders(folders: &[&[TestSlice]]) -> (DicomScan, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut files: Vec<PathBuf> = Vec::new();
    for (n, slices) in folders.iter().enumerate() {
        let folder = dir.path().join(format!("{n}"));
        std::fs::create_dir(&folder).unwrap();
        files.extend(slices.iter().map(|s| s.write(&folder)));
    }
    (scan_files(&files, &JobContext::detached()), dir)
}

/// Slices whose identifiers were all made the same, as some anonymisers do.
fn nameless(positions: &[f64], stored: u16) -> Vec<TestSlice> {
    let slice = |z: &f64| TestSlice { patient: "", sop: "1.2".into(), stored: [stored; 12], ..TestSlice::at(*z) };
    positions.iter().map(slice).collect()
}

fn codes(scan: &DicomScan) -> Vec<&'static str> {
    series(scan).iter().flat_map(|s| &s.findings).map(|f| f.code).collect()
}

#[test]
fn folders_of_different_people_with_one_identifier_are_told_apart() {
    // At the same positions, and between each other.
    for second in [[0.0, 5.0, 10.0, 15.0], [2.2, 7.2, 12.2, 17.2]] {
        let (a, b) = (nameless(&[0.0, 5.0, 10.0], 1024), nameless(&second, 1124));
        let (scan, _dir) = scan_folders(&[&a, &b]);
        let all = series(&scan);
        assert_eq!(all.iter().map(|s| s.slices).collect::<Vec<_>>(), [3, 4], "{:?}", codes(&scan));
        assert_eq!([0, 1].map(|n| load(stack(all[n])).range()), [[0, 0], [100, 100]]);
        assert!(codes(&scan).contains(&"one-identifier-many-folders"));
    }
}

#[test]
fn a_series_spread_over_folders_stays_one() {
    let (a, b) = ([0.0, 5.0, 10.0].map(TestSlice::at), [15.0, 20.0].map(TestSlice::at));
    let (scan, _dir) = scan_folders(&[&a, &b]);
    assert_eq!((series(&scan).len(), series(&scan)[0].slices), (1, 5));
    // Also with a slice missing where the folders meet, and when every other slice lies in the other folder.
    let (scan, _dir) = scan_folders(&[&a, &[20.0, 25.0].map(TestSlice::at)]);
    assert_eq!(codes(&scan), ["missing-slices", "can-be-resampled"].repeat(2));
    let (scan, _dir) = scan_folders(&[&a, &[2.5, 7.5, 12.5].map(TestSlice::at)]);
    assert_eq!((series(&scan).len(), series(&scan)[0].slices), (1, 6));
}

#[test]
fn copies_of_files_in_another_folder_are_read_once() {
    let slices = [0.0, 5.0, 10.0].map(TestSlice::at);
    let (scan, _dir) = scan_folders(&[&slices, &slices]);
    assert_eq!((series(&scan).len(), series(&scan)[0].slices), (1, 3));
    assert_eq!(codes(&scan), ["duplicate-identifiers", "duplicate-slices"]);
}

#[test]
fn series_of_one_identifier_are_told_apart_by_their_numbers() {
    let a = [0.0, 5.0].map(TestSlice::at);
    let mut b = a.clone();
    for slice in &mut b {
        slice.name.push('b');
        slice.stored = [1424; 12];
        slice.more = |builder| builder.text(tags::SERIES_NUMBER, VR::IS, "9");
    }
    let all: Vec<TestSlice> = a.into_iter().chain(b).collect();
    let (scan, _dir) = scan_folders(&[&all]);
    let ranges: Vec<_> = series(&scan).iter().map(|s| load(stack(s)).range()).collect();
    assert_eq!(ranges, [[0, 0], [400, 400]]);
}

/// Slices without positions, in the order 2, 0, 1 of their instance numbers and values.
fn unplaced(more: [fn(write::Builder) -> write::Builder; 3]) -> Vec<TestSlice> {
    let slice = |(n, more): (usize, fn(write::Builder) -> write::Builder)| {
        let instance = [3, 1, 2][n];
        let (name, stored) = (format!("{n}.dcm"), [1024 + instance as u16; 12]);
        TestSlice { name, instance, stored, position: None, more, ..TestSlice::at(n as f64) }
    };
    more.into_iter().enumerate().map(slice).collect()
}

fn at<const LOCATION: i32>(builder: write::Builder) -> write::Builder {
    builder.decimals(tags::SLICE_LOCATION, &[f64::from(LOCATION)])
}

#[test]
fn slices_without_positions_are_stacked_by_what_else_tells_their_order() {
    let order = |scan: &DicomScan| {
        let volume = load(stack(series(scan)[0]));
        ([0, 1, 2].map(|k| volume.at([0, 0, k]).unwrap()), volume.geometry().spacing().z)
    };
    let (scan, _dir) = scan_folders(&[&unplaced([at::<10>, at::<20>, at::<15>])]);
    assert_eq!((order(&scan), codes(&scan)), (([3, 2, 1], 5.0), vec!["assumed-positions"]));
    let text = &series(&scan)[0].findings[0].text;
    assert!(text.contains("slice locations are taken, 5.00 mm apart"), "{text}");
    // Locations that tell no order are passed over.
    for locations in [[at::<10>, at::<10>, at::<15>], [at::<10>, at::<20>, at::<90>]] {
        let (scan, _dir) = scan_folders(&[&unplaced(locations)]);
        assert_eq!((order(&scan), codes(&scan)), (([1, 2, 3], 2.5), vec!["assumed-positions"]));
        assert!(series(&scan)[0].findings[0].text.contains("at the slice thickness, 2.50 mm"));
    }
    let between: fn(write::Builder) -> write::Builder = |b| b.decimals(tags::SPACING_BETWEEN_SLICES, &[4.0]);
    assert_eq!(order(&scan_folders(&[&unplaced([between; 3])]).0).1, 4.0);
    let mut same = unplaced([between; 3]);
    same.iter_mut().for_each(|s| s.instance = 1);
    let (scan, _dir) = scan_folders(&[&same]);
    assert!(!series(&scan)[0].can_open_somehow());
    assert_eq!(series(&scan)[0].findings[0].severity, Severity::Error);
}

#[test]
fn one_slice_without_a_position_costs_only_itself() {
    let mut slices: Vec<TestSlice> = [0.0, 5.0, 10.0, 15.0].map(TestSlice::at).to_vec();
    slices[3].position = None;
    let (scan, _dir) = scan_folders(&[&slices]);
    assert_eq!((series(&scan)[0].slices, codes(&scan)), (3, vec!["unreadable-slices"]));
    assert!(series(&scan)[0].findings[0].text.starts_with("A slice (slice1.5e1.dcm) does not say where it lies"));
    slices[3].position = Some([0.0, 0.0, 15.0]);
    slices[1].position = None;
    let (scan, _dir) = scan_folders(&[&slices]);
    assert!(codes(&scan).contains(&"unreadable-slices"));
}
