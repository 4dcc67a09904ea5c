//! Grouping and geometry on generated slices, each test about one disorder of real folders.

use super::real_data::{load, series, stack};
use super::test_files::TestSlice;
use super::*;
use crate::core::{Geometry, Volume};
use crate::io::{Severity, VolumeSource};
use crate::jobs::{CancelToken, JobContext, Waker};
use glam::DVec3;

fn scan_slices(slices: &[TestSlice]) -> (DicomScan, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<_> = slices.iter().map(|s| s.write(dir.path())).collect();
    (scan_files(&files, &JobContext::detached()), dir)
}

fn codes(scan: &DicomScan) -> Vec<&'static str> {
    series(scan).iter().flat_map(|s| &s.findings).map(|f| f.code).collect()
}

#[test]
fn order_is_by_position_not_by_name_or_number() {
    let mut slices: Vec<TestSlice> = [30.0, 10.0, 20.0, 0.0].map(TestSlice::at).to_vec();
    for (n, slice) in slices.iter_mut().enumerate() {
        slice.instance = 9 - n;
        slice.spacing = [0.5, 0.7];
        slice.stored = [1024 + slice.position.unwrap()[2] as u16; 12];
    }
    let (scan, _dir) = scan_slices(&slices);
    let all = series(&scan);
    assert_eq!((all.len(), all[0].label.as_str(), scan.patients[0].label.as_str()), (1, "CT 1", "Patient 1"));
    let volume = load(stack(all[0]));
    assert_eq!((0..4).map(|k| volume.at([0, 0, k]).unwrap()).collect::<Vec<_>>(), [0, 10, 20, 30]);
    // PixelSpacing is row distance, column distance; i runs along a row, so its step is the column distance.
    assert!((volume.geometry().spacing() - DVec3::new(0.7, 0.5, 10.0)).length() < 1e-12);
    assert_eq!(codes(&scan), ["non-square-pixels"]);
}

#[test]
fn rescale_is_each_slices_own_and_rounds_and_saturates() {
    let mut slices = [0.0, 1.0, 2.0].map(TestSlice::at);
    (slices[0].slope, slices[0].intercept, slices[0].stored) = (0.5, 0.0, [3; 12]);
    (slices[1].slope, slices[1].intercept, slices[1].stored) = (2.0, 10.0, [50000; 12]);
    (slices[2].signed, slices[2].stored) = (true, [0xFFFE; 12]);
    let (scan, _dir) = scan_slices(&slices);
    let volume = load(stack(series(&scan)[0]));
    assert_eq!([0, 1, 2].map(|k| volume.at([1, 1, k]).unwrap()), [2, i16::MAX, -1026]);
}

#[test]
fn a_missing_slice_splits_and_is_named() {
    let (scan, _dir) = scan_slices(&[0.0, 5.0, 10.0, 20.0, 25.0].map(TestSlice::at));
    let all = series(&scan);
    assert_eq!(
        all.iter().map(|s| (s.label.as_str(), s.slices)).collect::<Vec<_>>(),
        [("CT 1 part 1", 3), ("CT 1 part 2", 2)]
    );
    assert!(all.iter().all(|s| s.can_open()));
    assert_eq!(codes(&scan), ["missing-slices", "can-be-resampled"].repeat(2));
    assert!(all[0].findings[0].text.contains("1 slice is missing"));
}

#[test]
fn hopeless_spacing_is_refused() {
    let (scan, _dir) = scan_slices(&[0.0, 1.0, 3.7, 5.1, 9.0].map(TestSlice::at));
    assert!(!series(&scan)[0].can_open());
    assert_eq!(codes(&scan), ["uneven-spacing", "can-be-resampled"]);
    // So far apart that nothing between them could be known.
    let (scan, _dir) = scan_slices(&[0.0, 1.0, 37.0, 71.0, 1900.0].map(TestSlice::at));
    assert!(!series(&scan)[0].can_open_somehow());
    assert_eq!(codes(&scan), ["uneven-spacing"]);
    assert_eq!(series(&scan)[0].findings[0].severity, Severity::Error);
}

#[test]
fn duplicates_keep_the_first_and_acquisitions_split() {
    let mut slices = [0.0, 1.0, 2.0, 1.0].map(TestSlice::at);
    slices[3].name = "again.dcm".into();
    slices[3].instance = 9;
    slices[3].stored = [0; 12];
    let (scan, _dir) = scan_slices(&slices);
    assert_eq!(codes(&scan), ["duplicate-identifiers", "duplicate-slices"]);
    assert_eq!(load(stack(series(&scan)[0])).at([0, 0, 1]), Some(0));

    let mut slices: Vec<TestSlice> = [0.0, 1.0, 2.0, 0.0, 1.0, 2.0].map(TestSlice::at).to_vec();
    for slice in &mut slices[3..] {
        slice.acquisition = 2;
        slice.name.push_str("-b");
        slice.sop.push_str(".9");
        slice.stored = [2024; 12];
    }
    let (scan, _dir) = scan_slices(&slices);
    let all = series(&scan);
    assert_eq!(codes(&scan), ["acquisitions"; 2]);
    assert_eq!([0, 1].map(|n| load(stack(all[n])).range()), [[0, 0], [1000, 1000]]);
}

#[test]
fn several_series_scouts_and_other_modalities_in_one_folder() {
    let mut slices: Vec<TestSlice> = [0.0, 1.0, 0.5, 1.5, 7.0, 8.0, 9.0].map(TestSlice::at).to_vec();
    for slice in &mut slices[2..4] {
        slice.series = "1.2.9";
    }
    slices[4].image_type = "ORIGINAL\\PRIMARY\\LOCALIZER";
    (slices[5].modality, slices[5].series) = ("MR", "1.2.10");
    (slices[6].samples, slices[6].series) = (3, "1.2.11");
    let (scan, _dir) = scan_slices(&slices);
    let all = series(&scan);
    let opened: Vec<(&str, usize, bool)> = all.iter().map(|s| (s.modality.as_str(), s.slices, s.can_open())).collect();
    for expected in [("CT", 2, true), ("CT", 1, false), ("MR", 1, false)] {
        assert!(opened.contains(&expected), "{opened:?}");
    }
    assert_eq!(opened.iter().filter(|o| o.2).count(), 2);
    for code in ["scout", "not-ct", "colour"] {
        assert!(codes(&scan).contains(&code), "{code}");
    }
}

#[test]
fn one_series_identifier_over_two_geometries_and_missing_identifiers() {
    let mut slices: Vec<TestSlice> = [0.0, 1.0, 2.0, 3.0].map(TestSlice::at).to_vec();
    for (n, slice) in slices.iter_mut().enumerate() {
        (slice.series, slice.patient, slice.study) = ("", "", "");
        if n >= 2 {
            slice.orientation = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0];
            slice.position = Some([n as f64, 0.0, 0.0]);
        }
    }
    let (scan, _dir) = scan_slices(&slices);
    assert_eq!(scan.patients.len(), 1);
    assert!(scan.findings.iter().any(|f| f.code == "no-patient-id"));
    let all = series(&scan);
    assert_eq!(all.iter().map(|s| (s.slices, s.can_open())).collect::<Vec<_>>(), [(2, true), (2, true)]);
    let letters: Vec<char> = all.iter().map(|s| s.geometry.unwrap().letter(2, true)).collect();
    assert!(letters.contains(&'H') && letters.iter().any(|l| "LR".contains(*l)), "{letters:?}");
}

#[test]
fn tilt_keeps_true_positions() {
    let mut slices = [0.0, 5.0, 10.0].map(TestSlice::at);
    for (n, slice) in slices.iter_mut().enumerate() {
        slice.position = Some([0.0, n as f64, n as f64 * 5.0]);
    }
    let (scan, _dir) = scan_slices(&slices);
    assert_eq!(codes(&scan), ["gantry-tilt", "can-be-resampled"]);
    assert!(series(&scan)[0].findings[0].text.contains("11.3 degrees"));
    let g = series(&scan)[0].geometry.unwrap();
    assert!(
        (g.world_from_voxel().transform_point3(DVec3::new(0.0, 0.0, 2.0)) - DVec3::new(0.0, 2.0, 10.0)).length()
            < 1e-12
    );
}

#[test]
fn sideways_shifts_are_not_opened_as_they_are() {
    let mut slices = [0.0, 5.0, 10.0].map(TestSlice::at);
    slices[1].position = Some([2.0, 0.0, 5.0]);
    let (scan, _dir) = scan_slices(&slices);
    assert_eq!(codes(&scan), ["shifted-slices", "can-be-resampled"]);
    assert!(!series(&scan)[0].can_open());
}

#[test]
fn absurd_positions_and_spacings_are_refused() {
    for far in [1e300, -1e308, 1e15] {
        let (scan, _dir) = scan_slices(&[far, -far, 0.0, 1.0, 2.0, far / 2.0].map(TestSlice::at));
        for one in series(&scan) {
            assert!(one.slices <= 6 && !one.findings.is_empty());
        }
    }
    for spacing in [[1e300, 1e300], [1e-300, 1.0], [0.0, 1.0], [-1.0, 1.0]] {
        let mut slices = [0.0, 1.0].map(TestSlice::at);
        slices.iter_mut().for_each(|s| s.spacing = spacing);
        let (scan, _dir) = scan_slices(&slices);
        assert!(!series(&scan)[0].can_open() && !codes(&scan).is_empty(), "{spacing:?}");
    }
}

#[test]
fn events_arrive_in_order_and_cancelling_stops() {
    let (scan, _dir) = scan_slices(&[0.0, 5.0, 10.0, 15.0].map(TestSlice::at));
    let Some(VolumeSource::Dicom(stack)) = series(&scan)[0].source.clone() else { panic!() };
    let cancel = CancelToken::default();
    let (ctx, events) = JobContext::attached(cancel.clone(), Default::default(), Waker::none());
    let volume = load_stack(&stack, &ctx).unwrap();
    let events: Vec<_> = events.try_iter().collect();
    assert!(matches!(events[0], crate::io::LoadEvent::Begin { geometry, .. } if geometry == *volume.geometry()));
    assert!(matches!(events[1], crate::io::LoadEvent::Slice { k: 2, .. }));
    assert_eq!((events.len(), ctx.progress.counts()), (5, (4, 4)));
    cancel.cancel();
    assert_eq!(load_stack(&stack, &ctx).unwrap_err(), DicomError::Cancelled);
    std::fs::remove_file(&stack.slices[3].path).unwrap();
    let error = load_stack(&stack, &JobContext::detached()).unwrap_err().to_string();
    assert!(error.ends_with("cannot be read: it does not exist"), "{error}");
}

/// What this thread has read from files, in bytes.
#[cfg(target_os = "linux")]
fn bytes_read() -> u64 {
    let counts = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    counts.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_scan_reads_headers_only() {
    let dir = tempfile::tempdir().unwrap();
    let geometry = Geometry::axis_aligned([256, 256, 40], DVec3::ONE, DVec3::ZERO).unwrap();
    let volume = Volume::new(geometry, vec![0i16; geometry.voxel_count()]).unwrap();
    let files = write_ct_series(dir.path(), &volume, &super::mask_tests::info()).unwrap();
    let size: u64 = files.iter().map(|f| std::fs::metadata(f).unwrap().len()).sum();
    // On one thread of its own, so that what other tests read is not counted.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let (scan, read) = pool.install(|| {
        let before = bytes_read();
        let scan = crate::io::scan(dir.path(), &JobContext::detached()).unwrap();
        (scan, bytes_read() - before)
    });
    assert_eq!(scan.series().map(|s| (s.slices, s.can_open())).collect::<Vec<_>>(), [(40, true)]);
    // The counts themselves are read from a file of some hundred bytes.
    let most = files.len() as u64 * super::guard::FIRST_READ + 4096;
    assert!(read > 0 && read <= most && 5 * most < size, "{read} of {size} bytes, {most} are enough");
    let read_all = pool.install(|| {
        let before = bytes_read();
        load(stack(scan.series().next().unwrap()));
        bytes_read() - before
    });
    assert!(read_all >= 2 * geometry.voxel_count() as u64, "pixels count where they are read: {read_all}");
}
