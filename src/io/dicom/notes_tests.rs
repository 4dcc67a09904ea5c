//! Each disorder that headers of real scanners show, generated: named in a finding, and read with the right values.

use super::real_data::{load, series, stack};
use super::test_files::TestSlice;
use super::write::Builder;
use super::*;
use crate::core::VoiLut;
use crate::io::{Finding, LoadEvent, Severity};
use crate::jobs::JobContext;
use dicom_core::VR;
use dicom_dictionary_std::tags;

fn scan_slices(slices: &[TestSlice]) -> (DicomScan, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<_> = slices.iter().map(|s| s.write(dir.path())).collect();
    (scan_files(&files, &JobContext::detached()), dir)
}

/// Three slices, each changed.
fn three(change: impl Fn(usize, &mut TestSlice)) -> (DicomScan, tempfile::TempDir) {
    let mut slices = [0.0, 5.0, 10.0].map(TestSlice::at);
    slices.iter_mut().enumerate().for_each(|(n, s)| change(n, s));
    scan_slices(&slices)
}

fn findings(scan: &DicomScan) -> Vec<&Finding> {
    series(scan).iter().flat_map(|s| &s.findings).collect()
}

fn codes(scan: &DicomScan) -> Vec<&'static str> {
    findings(scan).iter().map(|f| f.code).collect()
}

/// The slices' first samples.
fn firsts(scan: &DicomScan) -> Vec<i16> {
    let volume = load(stack(series(scan)[0]));
    (0..volume.geometry().dims()[2]).map(|k| volume.at([0, 0, k as i64]).unwrap()).collect()
}

#[test]
fn plain_slices_need_no_words() {
    assert_eq!(codes(&three(|_, _| {}).0), Vec::<&str>::new());
}

#[test]
fn missing_identifiers_are_named_each() {
    let (scan, _dir) = three(|_, s| (s.sop, s.study, s.series) = (String::new(), "", ""));
    assert_eq!(codes(&scan), ["no-instance-identifier", "no-study-identifier", "no-series-identifier"]);
    assert!(series(&scan)[0].can_open());
    let (scan, _dir) = three(|n, s| s.study = ["1.2.1", "1.2.8", "1.2.9"][n]);
    assert_eq!((codes(&scan), series(&scan).len()), (vec!["several-studies"], 1));
    let (scan, _dir) = three(|n, s| {
        if n == 2 {
            s.more = |b| b.text(tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.77");
        }
    });
    assert_eq!(codes(&scan), ["several-frames-of-reference"]);
    let (scan, _dir) = three(|_, s| s.modality = "");
    assert_eq!((codes(&scan), series(&scan)[0].label.as_str()), (vec!["no-modality"], "CT 1"));
    assert!(series(&scan)[0].can_open());
    // Nothing says that it is CT.
    let (scan, _dir) = three(|_, s| {
        s.modality = "";
        s.more = |b| b.text(tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.4");
    });
    assert_eq!(codes(&scan), ["not-ct"]);
}

#[test]
fn directions_are_named() {
    for (orientation, code, word) in [
        ([0.0, 1.0, 0.0, 0.0, 0.0, -1.0], "not-axial", "sagittal"),
        ([1.0, 0.0, 0.0, 0.0, 0.0, -1.0], "not-axial", "coronal"),
        ([1.0, 0.0, 0.0, 0.0, 0.866_025_4, 0.5], "oblique", "30.0 degrees from axial"),
        ([0.0, 1.0, 0.0, -0.2, 0.0, -0.979_795_9], "oblique", "11.5 degrees from sagittal"),
    ] {
        let [a, b, c, d, e, f] = orientation;
        let normal = glam::DVec3::new(a, b, c).cross(glam::DVec3::new(d, e, f));
        let (scan, _dir) = three(|n, s| {
            s.orientation = orientation;
            s.position = Some((normal * (5.0 * n as f64)).to_array());
            s.stored = [1000 + n as u16; 12];
        });
        let told = findings(&scan);
        assert!(told.len() == 1 && told[0].code == code && told[0].text.contains(word), "{told:?}");
        let geometry = series(&scan)[0].geometry.unwrap();
        assert!((geometry.direction().z_axis - normal).length() < 1e-6);
        assert_eq!(firsts(&scan), [-24, -23, -22]);
    }
}

#[test]
fn shape_and_scale_are_named() {
    let (scan, _dir) = three(|_, s| s.spacing = [0.7, 0.9]);
    assert!(
        codes(&scan) == ["non-square-pixels"] && findings(&scan)[0].text.contains("0.900 mm wide and 0.700 mm high")
    );
    let (scan, _dir) = three(|n, s| (s.slope, s.stored) = (1.0 + n as f64, [1024; 12]));
    assert_eq!((codes(&scan), firsts(&scan)), (vec!["rescale-varies"], vec![0, 1024, 2048]));
    let (scan, _dir) = three(|_, s| {
        s.more = |b| b.text(tags::RESCALE_SLOPE, VR::DS, "").text(tags::RESCALE_INTERCEPT, VR::DS, "");
    });
    assert_eq!((codes(&scan), firsts(&scan)), (vec!["no-rescale"], vec![1024; 3]));
}

#[test]
fn padding_keeps_what_other_programs_show_unless_it_dazzles() {
    let pad = |value: u16, more: fn(Builder) -> Builder, signed: bool, intercept: f64| {
        let (scan, _dir) = three(|_, s| {
            (s.signed, s.intercept, s.more) = (signed, intercept, more);
            s.stored = [1064; 12];
            s.stored[0] = value;
        });
        let told: Vec<_> = findings(&scan).iter().map(|f| (f.code, f.severity)).collect();
        (told, firsts(&scan)[0])
    };
    let (note, warning) = (("pixel-padding", Severity::Note), ("pixel-padding", Severity::Warning));
    // -2000 as GE stores it.
    let dark = |b: Builder| b.words(tags::PIXEL_PADDING_VALUE, &[0xF830]);
    assert_eq!(pad(0xF830, dark, true, -1024.0), (vec![note], -3024));
    // The same bits in an unsigned field: 62,512 HU.
    assert_eq!(pad(0xF830, dark, false, -1024.0), (vec![warning], -1024));
    // Air itself.
    assert_eq!(pad(0, |b| b.words(tags::PIXEL_PADDING_VALUE, &[0]), false, -1024.0), (vec![], -1024));
    // A value that water has too.
    assert_eq!(pad(0, |b| b.words(tags::PIXEL_PADDING_VALUE, &[0]), true, 0.0), (vec![warning], 0));
    // A range, bright at both ends.
    let range =
        |b: Builder| b.words(tags::PIXEL_PADDING_VALUE, &[65535]).words(tags::PIXEL_PADDING_RANGE_LIMIT, &[60000]);
    assert_eq!(pad(61000, range, false, -1024.0), (vec![warning], -1024));
    assert_eq!(pad(50000, range, false, -1024.0).1, i16::MAX);
}

#[test]
fn padding_is_judged_by_the_table_where_there_is_one() {
    // Stored 0 is -1024 HU by slope and intercept, which is air and needs no words; the table makes it 5000 HU.
    let (scan, _dir) = three(|_, s| {
        s.more = |b| {
            let table = Builder::new().words(tags::LUT_DESCRIPTOR, &[2, 0, 16]).words(tags::LUT_DATA, &[5000, 40]);
            b.items(tags::MODALITY_LUT_SEQUENCE, [table]).words(tags::PIXEL_PADDING_VALUE, &[0])
        };
        s.stored = [1; 12];
        s.stored[0] = 0;
    });
    let told = findings(&scan);
    assert_eq!(told.iter().map(|f| (f.code, f.severity)).collect::<Vec<_>>(), [("pixel-padding", Severity::Warning)]);
    assert!(told[0].text.contains("5000 HU") && told[0].text.contains("set to -1024 HU"), "{}", told[0].text);
    assert_eq!(firsts(&scan), [-1024; 3]);
    assert_eq!(load(stack(series(&scan)[0])).at([1, 0, 0]), Some(40));
}

#[test]
fn signed_values_in_unsigned_fields_are_read_as_signed() {
    let load_all = |slices: &[TestSlice]| {
        let (scan, _dir) = scan_slices(slices);
        let told = codes(&scan);
        let ctx: JobContext<LoadEvent> = JobContext::detached();
        let (volume, late) = load_stack_with_findings(stack(series(&scan)[0]), &ctx).unwrap();
        (told, volume, late.iter().map(|f| f.code).collect::<Vec<_>>())
    };
    let mut slices = [0.0, 5.0].map(TestSlice::at);
    for slice in &mut slices {
        slice.intercept = 0.0;
        slice.stored = [-1000i16, -500, 0, 40, 60, 1200, -1024, -3, 2, 7, 900, 3000].map(|v| v as u16);
    }
    slices[1].stored = [50; 12];
    let (told, volume, late) = load_all(&slices);
    assert_eq!((told.is_empty(), late), (true, vec!["signed-values"]));
    assert_eq!((volume.at([0, 0, 0]), volume.at([3, 2, 0]), volume.at([0, 0, 1])), (Some(-1000), Some(3000), Some(50)));
    // The header gives it away: padding as a negative number.
    for slice in &mut slices {
        slice.more = |b| b.shorts(tags::SMALLEST_IMAGE_PIXEL_VALUE, &[-1024]);
    }
    assert_eq!(load_all(&slices).0, ["signed-values"]);
    // Twelve bits stored, sixteen written.
    for slice in &mut slices {
        slice.more = |b| b.words(tags::BITS_STORED, &[12]).words(tags::HIGH_BIT, &[11]);
        slice.stored = [-1000i16, 40, 0, 40, 60, 1200, -1024, -3, 2, 7, 900, 2000].map(|v| v as u16);
    }
    let (_, volume, late) = load_all(&slices);
    assert_eq!((volume.at([0, 0, 0]), late), (Some(-1000), vec!["signed-values"]));
    // Unsigned data as it should be.
    for slice in &mut slices {
        slice.more = |b| b;
        slice.stored = [0, 24, 1024, 1064, 4095, 9000, 20000, 30000, 40000, 50000, 1, 2];
    }
    let (told, volume, late) = load_all(&slices);
    assert!(told.is_empty() && late.is_empty());
    assert_eq!(volume.at([0, 2, 0]), Some(i16::MAX));
}

#[test]
fn false_lengths_of_pixels_are_told_and_the_image_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(TestSlice::at(1.0).write(dir.path())).unwrap();
    // The file ends with 24 bytes of pixels; their length stands before them.
    let at = whole.len() - 28;
    assert_eq!(whole[at..at + 4], 24u32.to_le_bytes());
    let told = |claimed: u32, more: usize| {
        let mut bytes = whole.clone();
        bytes[at..at + 4].copy_from_slice(&claimed.to_le_bytes());
        bytes.resize(bytes.len() + more, 0);
        let path = dir.path().join("false.dcm");
        std::fs::write(&path, bytes).unwrap();
        let scan = scan_files(std::slice::from_ref(&path), &JobContext::detached());
        assert_eq!(firsts(&scan), [0]);
        let found = findings(&scan);
        assert!(found.iter().all(|f| f.file.as_ref() == Some(&path)), "{found:?}");
        found.iter().map(|f| (f.code, f.severity, f.text.clone())).collect::<Vec<_>>()
    };
    let beyond = "false.dcm claims 4294967280 bytes of pixels where 24 are left in the file; the image needs 24 and is \
                  complete.";
    assert_eq!(told(0xFFFF_FFF0, 0), [("pixel-length", Severity::Note, beyond.to_owned())]);
    let within = "false.dcm claims 40 bytes of pixels where the image needs 24; what follows it is not read.";
    assert_eq!(told(40, 16), [("pixel-length", Severity::Warning, within.to_owned())]);
    // Bytes behind a true length are another element's or nobody's.
    assert!(told(24, 16).is_empty() && told(24, 0).is_empty());
}

#[test]
fn false_lengths_of_many_files_are_one_finding_and_even_lengths_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (n, name) in ["a.dcm", "b.dcm", "c.dcm"].into_iter().enumerate() {
        let mut slice = TestSlice::at(5.0 * n as f64);
        slice.name = name.into();
        let path = slice.write(dir.path());
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() - 28;
        if n > 0 {
            bytes[at..at + 4].copy_from_slice(&1000u32.to_le_bytes());
            std::fs::write(&path, bytes).unwrap();
        }
        files.push(path);
    }
    let scan = scan_files(&files, &JobContext::detached());
    assert_eq!((codes(&scan), firsts(&scan)), (vec!["pixel-length"], vec![0; 3]));
    let text = &findings(&scan)[0].text;
    assert!(
        text.starts_with("2 files claim more pixels than their images have; the first, b.dcm, claims 1000"),
        "{text}"
    );
    // An image of three bytes takes four.
    let mut odd = TestSlice::at(1.0);
    odd.more = |b| {
        let bits = b.words(tags::BITS_ALLOCATED, &[8]).words(tags::BITS_STORED, &[8]).words(tags::HIGH_BIT, &[7]);
        bits.words(tags::COLUMNS, &[1])
    };
    let path = odd.write(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 28;
    for (claimed, expected) in [(4u32, vec![]), (6, vec!["pixel-length"])] {
        bytes[at..at + 4].copy_from_slice(&claimed.to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(codes(&scan_files(std::slice::from_ref(&path), &JobContext::detached())), expected, "{claimed}");
    }
}

#[test]
fn a_table_says_what_values_mean_whatever_slope_and_intercept_say() {
    const ENTRIES: [u16; 5] = [7, 900, 40, 65000, 1200];
    fn with_table(b: Builder, descriptor: Builder) -> Builder {
        let table = descriptor.words(tags::LUT_DATA, &ENTRIES).text(tags::MODALITY_LUT_TYPE, VR::LO, "HU");
        b.items(tags::MODALITY_LUT_SEQUENCE, [table])
    }
    let expected = |stored: i32, first: i32| {
        let at = usize::try_from(stored - first).unwrap_or(0).min(ENTRIES.len() - 1);
        i16::try_from(ENTRIES[at]).unwrap_or(i16::MAX)
    };
    // Before the table, each of its entries, behind it.
    let stored: [u16; 12] = [0, 9, 10, 11, 12, 13, 14, 15, 500, 20000, 11, 14];
    let (scan, _dir) = three(|n, s| {
        (s.slope, s.intercept, s.stored) = (3.0 + n as f64, 55.0, stored);
        s.more = |b| with_table(b, Builder::new().words(tags::LUT_DESCRIPTOR, &[5, 10, 16]));
    });
    let hu = stored.map(|v| expected(i32::from(v), 10));
    assert_eq!(hu[..8], [7, 7, 7, 900, 40, i16::MAX, 1200, 1200]);
    assert_eq!(load(stack(series(&scan)[0])).hu()[..], [hu; 3].concat());
    // Signed samples, and a first entry below zero.
    let stored = [-3i16, -2, -1, 0, 1, 2, 3, i16::MIN, i16::MAX, 0, -2, 2];
    let (scan, _dir) = three(|_, s| {
        (s.signed, s.stored) = (true, stored.map(|v| v as u16));
        s.more = |b| with_table(b, Builder::new().shorts(tags::LUT_DESCRIPTOR, &[5, -2, 16]));
    });
    let hu = stored.map(|v| expected(i32::from(v), -2));
    assert_eq!(hu[..9], [7, 7, 900, 40, i16::MAX, 1200, 1200, 7, 1200]);
    assert_eq!(load(stack(series(&scan)[0])).hu()[..], [hu; 3].concat());
}

fn grey_table(builder: Builder) -> Builder {
    let item = Builder::new().shorts(tags::LUT_DESCRIPTOR, &[4, -100, 10]).words(tags::LUT_DATA, &[5, 1000, 20, 1023]);
    builder.items(tags::VOILUT_SEQUENCE, [item])
}

#[test]
fn a_table_of_grey_values_comes_with_the_volume() {
    let (scan, _dir) = three(|_, s| s.more = grey_table);
    assert_eq!(codes(&scan), ["grey-table"]);
    let volume = load(stack(series(&scan)[0]));
    assert_eq!(volume.header_lut.as_deref(), VoiLut::new(-100, vec![5, 1000, 20, 1023], 10).as_ref());
    assert_eq!(
        [-500.0, -99.0, -98.0, 300.0].map(|hu| volume.header_lut.as_ref().unwrap().entry(hu)),
        [5, 1000, 20, 1023]
    );
    assert!(load(stack(series(&three(|_, _| {}).0)[0])).header_lut.is_none());
}

#[test]
fn scouts_colour_and_other_modalities_are_listed_and_closed() {
    for (change, code) in [
        ((|s| s.image_type = "ORIGINAL\\PRIMARY\\LOCALIZER") as fn(&mut TestSlice), "scout"),
        (|s| s.samples = 3, "colour"),
        (|s| s.modality = "PT", "not-ct"),
        (|s| s.modality = "SEG\u{7}x", "not-ct"),
    ] {
        let (scan, _dir) = three(|_, s| change(s));
        let all = series(&scan);
        assert_eq!((all.len(), all[0].slices, all[0].can_open_somehow(), codes(&scan)), (1, 3, false, vec![code]));
    }
}
