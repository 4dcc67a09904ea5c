//! Series that are no CT: listed as there to be laid over one, read with their values, and refused for anything else.

use super::real_data::{load, series, stack};
use super::test_files::TestSlice;
use super::*;
use crate::core::Window;
use crate::io::{Severity, VolumeSource, load_values, open_volume};
use crate::jobs::JobContext;
use dicom_core::VR;
use dicom_dictionary_std::tags;

/// Three slices of PET in Bq/ml with a slope each.
fn pet(slopes: [f64; 3], change: impl Fn(usize, &mut TestSlice)) -> (DicomScan, tempfile::TempDir, Vec<TestSlice>) {
    let dir = tempfile::tempdir().unwrap();
    let mut slices = [0.0, 5.0, 10.0].map(TestSlice::at).to_vec();
    for (n, slice) in slices.iter_mut().enumerate() {
        (slice.modality, slice.slope, slice.intercept) = ("PT", slopes[n], 0.0);
        slice.more = |b| {
            b.text(tags::UNITS, VR::CS, "BQML")
                .decimals(tags::WINDOW_CENTER, &[9.0])
                .decimals(tags::WINDOW_WIDTH, &[9.0])
        };
        slice.stored = std::array::from_fn(|pixel| (100 * n + 5000 * pixel) as u16);
        change(n, slice);
    }
    let files: Vec<_> = slices.iter().map(|s| s.write(dir.path())).collect();
    (scan_files(&files, &JobContext::detached()), dir, slices)
}

/// Compares every voxel with slope x stored.
fn assert_values(scan: &DicomScan, slices: &[TestSlice]) {
    let volume = load(stack(series(scan)[0]));
    let scale = volume.scale.clone().expect("it is no CT");
    for (k, slice) in slices.iter().enumerate() {
        for (pixel, stored) in slice.stored.iter().enumerate() {
            let sample = volume.at([pixel as i64 % 4, pixel as i64 / 4, k as i64]).unwrap();
            let (got, wanted) = (scale.value(f64::from(sample)), slice.slope * f64::from(*stored));
            assert!((got - wanted).abs() <= scale.scale() / 2.0 + 1e-9, "slice {k}, pixel {pixel}: {got} for {wanted}");
        }
    }
}

#[test]
fn pet_with_a_slope_for_each_slice_keeps_its_values() {
    let (scan, _dir, slices) = pet([0.5, 0.0625, 1.5], |_, _| {});
    let all = series(&scan);
    assert_eq!((all.len(), all[0].label.as_str(), all[0].slices), (1, "PT 1", 3));
    assert!(all[0].can_lay_over() && !all[0].can_open() && !all[0].can_open_somehow());
    assert_eq!(all[0].findings.iter().map(|f| (f.code, f.severity)).collect::<Vec<_>>(), [("not-ct", Severity::Note)]);
    assert!(all[0].findings[0].text.starts_with("PT opens only to be laid over a CT"));
    let scale = stack(all[0]).scale.clone().unwrap();
    assert_eq!(scale.unit(), "Bq/ml");
    // 16 bits at the largest slope are the largest sample.
    assert!((scale.scale() - 1.5 * 65_535.0 / 32_000.0).abs() < 1e-12);
    assert_values(&scan, &slices);
    let volume = load(stack(all[0]));
    assert!(volume.header_window.is_none(), "the header's window is over values");
    // Of 36 voxels all but the brightest 0: white is the brightest, 1.5 x 55,200.
    let Window { window_width, window_center, .. } = scale.of_values(volume.first_window());
    assert!((window_width - 82_800.0).abs() < scale.scale() && (window_center - 41_400.0).abs() < scale.scale());
    let (again, _) = load_values(all[0].source.as_ref().unwrap(), &JobContext::detached()).unwrap();
    assert_eq!((again.hu(), &again.scale), (volume.hu(), &volume.scale));
}

#[test]
fn nothing_is_guessed_of_signs_and_padding_shows_nothing() {
    // CT would be read as signed: one sample far above all others.
    let (scan, _dir, slices) = pet([0.5, 0.25, 1.0], |_, s| {
        s.stored = [3; 12];
        s.stored[7] = 60_000;
    });
    assert_values(&scan, &slices);
    let (scan, _dir, _) = pet([0.5, 0.25, 1.0], |_, s| {
        s.more = |b| b.words(tags::PIXEL_PADDING_VALUE, &[5000]);
    });
    let volume = load(stack(series(&scan)[0]));
    assert_eq!((volume.at([1, 0, 0]), volume.range()[0]), (Some(0), 0));
    assert!(volume.at([2, 0, 0]).unwrap() > 0);
    assert_eq!(volume.scale.unwrap().unit(), "");
}

#[test]
fn samples_that_fit_stay_as_they_are_stored() {
    let (scan, _dir, slices) = pet([2.5; 3], |_, s| {
        (s.modality, s.signed, s.stored) = ("MR", true, std::array::from_fn(|pixel| 90 * pixel as u16));
    });
    assert_eq!(series(&scan)[0].label, "MR 1");
    let volume = load(stack(series(&scan)[0]));
    assert_eq!(volume.scale.as_ref().unwrap().scale(), 2.5);
    assert_eq!(volume.at([3, 2, 1]), Some(990));
    assert_values(&scan, &slices);
}

#[test]
fn uneven_slices_are_not_resampled_and_scouts_stay_closed() {
    let (scan, _dir, _) = pet([0.5; 3], |n, s| {
        if n == 2 {
            s.position = Some([0.0, 0.0, 40.0]);
        }
    });
    assert!(series(&scan).iter().all(|s| s.resampled.is_none() && !s.can_open()));
    let (scan, _dir, _) = pet([0.5; 3], |_, s| s.image_type = "ORIGINAL\\PRIMARY\\LOCALIZER");
    assert!(series(&scan).iter().all(|s| s.source.is_none()));
    let (scan, _dir, _) = pet([0.0; 3], |_, _| {});
    let closed = series(&scan)[0];
    assert!(!closed.can_lay_over());
    assert!(closed.findings.iter().any(|f| f.text.starts_with("PT is not opened")), "{:?}", closed.findings);
}

#[test]
fn whoever_asks_for_a_ct_is_told_why_there_is_none() {
    let (_, dir, _) = pet([0.5, 0.25, 1.0], |_, _| {});
    let error = open_volume(dir.path(), None, &JobContext::detached()).unwrap_err().to_string();
    assert!(error.contains("PT opens only to be laid over a CT"), "{error}");
    // Beside a CT it does not compete.
    for (n, z) in [0.0, 5.0, 10.0].into_iter().enumerate() {
        let mut slice = TestSlice::at(z);
        (slice.name, slice.series, slice.sop) = (format!("ct{n}.dcm"), "1.2.77", format!("1.2.78.{n}"));
        slice.write(dir.path());
    }
    let (volume, chosen) = open_volume(dir.path(), None, &JobContext::detached()).unwrap();
    assert_eq!((chosen.label.as_str(), volume.scale.is_none(), volume.range()), ("CT 1", true, [0, 0]));
    assert!(matches!(chosen.source, Some(VolumeSource::Dicom(stack)) if stack.scale.is_none()));
    let error = open_volume(dir.path(), Some("PT 1"), &JobContext::detached()).unwrap_err().to_string();
    assert!(error.contains("CT 1"), "{error}");
}
