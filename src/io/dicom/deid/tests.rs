//! Copies tell nothing of the person, keep every voxel, and go on referring to each other.

use super::super::frames::FrameFile;
use super::super::real_data::{data, files_below, series, stack};
use super::super::test_files::{explicit, part10};
use super::super::{load_seg, save_seg, scan_files};
use super::*;
use crate::core::{LabelMap, Segment};
use crate::jobs::JobContext;

const NAME: &str = "Quelle^Rosalind";
const ID: &str = "PID-4711-X";

/// A sequence of one item, of known or unknown length.
fn sequence(tag: Tag, item: &[u8], known: bool) -> Vec<u8> {
    let mut out = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
    out.extend(b"SQ\0\0");
    let inner = [&[0xFE, 0xFF, 0, 0xE0], &(item.len() as u32).to_le_bytes()[..], item].concat();
    if known {
        out.extend((inner.len() as u32).to_le_bytes());
        out.extend(inner);
    } else {
        out.extend([0xFF; 4]);
        out.extend(inner);
        out.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    }
    out
}

fn even(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(2), b' ');
    bytes
}

/// An image whose header names its person wherever it can.
fn revealing() -> Vec<u8> {
    let text = |tag, vr: &[u8; 2], value: &str| explicit(tag, vr, &even(value));
    let word = |tag, value: u16| explicit(tag, b"US", &value.to_le_bytes());
    let uid = |tag, value: &str| explicit(tag, b"UI", &[value.as_bytes(), &[0][..value.len() % 2]].concat());
    let item = [
        text(tags::CODE_MEANING, b"LO", "seen by Rosalind"),
        uid(tags::REFERENCED_SOP_INSTANCE_UID, "1.2.3.99"),
        sequence(
            tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
            &[text(tags::CODE_VALUE, b"SH", "1"), explicit(Tag(0x0009, 0x0010), b"LO", &even(ID))].concat(),
            true,
        ),
    ]
    .concat();
    [
        explicit(Tag(8, 0), b"UL", &[9, 9, 9, 9]),
        text(tags::SPECIFIC_CHARACTER_SET, b"CS", "ISO_IR 100"),
        uid(tags::SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.2"),
        uid(tags::SOP_INSTANCE_UID, "1.2.3.4"),
        text(tags::STUDY_DATE, b"DA", "20240229"),
        text(tags::CONTENT_DATE, b"DA", "20240229"),
        text(tags::ACCESSION_NUMBER, b"SH", "ACC-9911"),
        text(tags::MODALITY, b"CS", "CT"),
        text(tags::MANUFACTURER, b"LO", "Made for Quelle"),
        text(tags::REFERRING_PHYSICIAN_NAME, b"PN", "Doctor^Who"),
        sequence(tags::REFERENCED_IMAGE_SEQUENCE, &item, false),
        sequence(tags::DERIVATION_CODE_SEQUENCE, &item, true),
        text(tags::PATIENT_NAME, b"PN", NAME),
        text(tags::PATIENT_ID, b"LO", ID),
        text(tags::PATIENT_AGE, b"AS", "044Y"),
        explicit(Tag(0x0011, 0x0010), b"LO", &even("PRIVATE Rosalind")),
        text(tags::SLICE_THICKNESS, b"DS", "2.5"),
        uid(tags::STUDY_INSTANCE_UID, "1.2.3.5"),
        uid(tags::SERIES_INSTANCE_UID, "1.2.3.6"),
        word(tags::SAMPLES_PER_PIXEL, 1),
        word(tags::ROWS, 1),
        word(tags::COLUMNS, 2),
        word(tags::BITS_ALLOCATED, 16),
        explicit(Tag(0x6000, 0x3000), b"US", &[1, 2]),
        [&[0xE0, 0x7F, 0x10, 0, b'O', b'W', 0, 0, 4, 0, 0, 0][..], &[7, 0, 8, 0]].concat(),
        explicit(Tag(0xFFFC, 0xFFFC), b"LO", &even(NAME)),
    ]
    .concat()
}

fn copied(dir: &Path, bytes: &[u8]) -> Vec<u8> {
    let (source, target) = (dir.join("source.dcm"), dir.join("copy.dcm"));
    std::fs::write(&source, bytes).unwrap();
    deidentify_file(&source, &target, &DeidKey::from_secret(b"a test")).unwrap();
    std::fs::read(&target).unwrap()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()))
}

#[test]
fn nothing_of_the_person_is_left_in_any_byte() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = part10(uids::EXPLICIT_VR_LITTLE_ENDIAN, &revealing());
    file[..20].copy_from_slice(b"Rosalind was here...");
    let copy = copied(dir.path(), &file);
    for word in [
        "Quelle",
        "Rosalind",
        ID,
        "4711",
        "ACC-9911",
        "20240229",
        "Doctor",
        "044Y",
        "1.2.3.",
        "PRIVATE",
        "\x09\x00\x10\x00",
    ] {
        assert!(holds(&file, word) && !holds(&copy, word), "{word}");
    }
    assert!(copy[..128].iter().all(|b| *b == 0));
    let key = DeidKey::from_secret(b"a test");
    with_header(&dir.path().join("copy.dcm"), |header| {
        let set = header.set;
        assert_eq!(set.text(tags::SOP_INSTANCE_UID), key.uid("1.2.3.4"));
        assert_eq!(set.text(tags::STUDY_INSTANCE_UID), key.uid("1.2.3.5"));
        assert_eq!(set.text(tags::PATIENT_ID), key.pseudonym(ID));
        assert_eq!(set.text(tags::PATIENT_IDENTITY_REMOVED), "YES");
        assert_eq!((set.text(tags::STUDY_DATE), set.text(tags::CONTENT_DATE)), (String::new(), "19000101".into()));
        assert_eq!((set.text(tags::MANUFACTURER), set.text(tags::SLICE_THICKNESS)), ("Removed".into(), "2.5".into()));
        let method = set.item(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE).unwrap();
        assert_eq!(
            (method.text(tags::CODE_VALUE), method.text(tags::CODING_SCHEME_DESIGNATOR)),
            ("113100".into(), "DCM".into())
        );
        for tag in [tags::REFERENCED_IMAGE_SEQUENCE, tags::DERIVATION_CODE_SEQUENCE] {
            let item = set.item(tag).unwrap();
            assert_eq!(item.text(tags::REFERENCED_SOP_INSTANCE_UID), key.uid("1.2.3.99"));
            assert_eq!(item.text(tags::CODE_MEANING), "Removed");
        }
        assert!(set.elements().is_sorted_by_key(|e| e.tag) && !set.has(tags::PATIENT_AGE));
        Ok(())
    })
    .unwrap();
    let pixels = FrameFile::open(&dir.path().join("copy.dcm")).unwrap().read_words(0).unwrap();
    assert_eq!(pixels, [7, 8]);
}

#[test]
fn unknown_and_hidden_sequences_are_looked_into_or_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let implicit = |Tag(group, element): Tag, value: &[u8]| {
        [&group.to_le_bytes()[..], &element.to_le_bytes(), &(value.len() as u32).to_le_bytes(), value].concat()
    };
    let item = |inner: &[u8]| [&[0xFE, 0xFF, 0, 0xE0], &(inner.len() as u32).to_le_bytes()[..], inner].concat();
    // In implicit VR nothing says that this is a sequence, or what it holds.
    let mut nested = implicit(tags::REFERENCED_SOP_INSTANCE_UID, b"1.2.3.99");
    nested.extend(implicit(tags::PERSON_NAME, b"Rosalind"));
    for _ in 0..3 {
        nested = implicit(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &item(&nested));
    }
    let set = [
        implicit(tags::SOP_CLASS_UID, b"1.2.840.10008.5.1.4.1.1.2\0"),
        implicit(tags::SOP_INSTANCE_UID, b"1.2.3.4\0"),
        implicit(Tag(0x0008, 0x9999), b"Rosalind"),
        nested.clone(),
        implicit(tags::PATIENT_NAME, b"Rosalind"),
    ]
    .concat();
    let copy = copied(dir.path(), &part10(uids::IMPLICIT_VR_LITTLE_ENDIAN, &set));
    assert!(!holds(&copy, "Rosalind") && !holds(&copy, "1.2.3.9"));
    assert!(holds(&copy, &DeidKey::from_secret(b"a test").uid("1.2.3.99")));
    // The same as bytes of unknown kind in explicit VR.
    let mut unknown = vec![0x40, 0, 0x70, 0xA1];
    unknown.extend(b"UN\0\0");
    let inner = item(&nested);
    unknown.extend((inner.len() as u32).to_le_bytes());
    unknown.extend(inner);
    let set = [
        explicit(tags::SOP_CLASS_UID, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
        explicit(tags::SOP_INSTANCE_UID, b"UI", b"1.2.3.4\0"),
        explicit(tags::PATIENT_NAME, b"PN", b"Rosalind"),
        unknown,
    ]
    .concat();
    let copy = copied(dir.path(), &part10(uids::EXPLICIT_VR_LITTLE_ENDIAN, &set));
    assert!(!holds(&copy, "Rosalind") && !holds(&copy, "1.2.3.9"));
    assert!(holds(&copy, &DeidKey::from_secret(b"a test").uid("1.2.3.99")));
}

#[test]
fn broken_files_are_refused_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let key = DeidKey::random();
    let (source, target) = (dir.path().join("s.dcm"), dir.path().join("t.dcm"));
    let whole = part10(uids::EXPLICIT_VR_LITTLE_ENDIAN, &revealing());
    let pixels = whole.windows(4).rposition(|w| w == [7, 0, 8, 0]).unwrap();
    for end in [pixels + 2, 200, 140, 3] {
        std::fs::write(&source, &whole[..end]).unwrap();
        let error = deidentify_file(&source, &target, &key).unwrap_err().to_string();
        assert!(error.contains("s.dcm") && !target.exists(), "{error}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// Text values of the patient and study, and identifiers, as they stand in a file.
fn identity(path: &Path) -> Vec<String> {
    with_header(path, |header| {
        let words = [
            tags::PATIENT_NAME,
            tags::PATIENT_ID,
            tags::PATIENT_BIRTH_DATE,
            tags::STUDY_DATE,
            tags::ACCESSION_NUMBER,
            tags::REFERRING_PHYSICIAN_NAME,
            tags::STUDY_INSTANCE_UID,
            tags::SERIES_INSTANCE_UID,
            tags::SOP_INSTANCE_UID,
            tags::FRAME_OF_REFERENCE_UID,
        ];
        let words = words.map(|tag| header.set.text(tag)).into_iter().filter(|w| w.len() > 5);
        // "Anonymized" and the like are said by our own values too.
        Ok(words.filter(|w| !w.to_lowercase().contains("anon") && !w.contains("19000101")).collect())
    })
    .unwrap_or_default()
}

/// Every public file at hand: as an image it is voxel-equal, and nothing of its identity is in any byte before the
/// pixels of its copy.
#[test]
fn real_files_keep_their_pixels_and_lose_their_names() {
    let dir = tempfile::tempdir().unwrap();
    // The same identifiers every time: random ones hold six digits of an old one once in some thousand runs.
    let key = DeidKey::from_secret(b"a test");
    let (mut images, mut refused) = (0, 0);
    for folder in [
        "sts-ct-rtstruct/STS_012",
        "reencoded-sts024-derived",
        "pydicom-odd",
        "dicom2nifti-failing",
        "highdicom-seg",
        "dcmqi-seg",
        "fodicom-odd",
    ] {
        let Some(root) = data(folder) else { continue };
        for source in files_below(&root) {
            let target = dir.path().join("copy.dcm");
            let before = FrameFile::open(&source).and_then(|f| f.read_words(0));
            match deidentify_file(&source, &target, &key) {
                Err(error) => {
                    refused += 1;
                    assert!(
                        before.is_err() || error.to_string().contains("does not say"),
                        "{}: {error}",
                        source.display()
                    );
                    continue;
                }
                Ok(()) => {
                    let after = FrameFile::open(&target).and_then(|f| f.read_words(0));
                    match (before, after) {
                        (Ok(a), Ok(b)) => {
                            images += 1;
                            assert!(a == b, "{}", source.display());
                        }
                        (Err(_), Err(_)) => {}
                        (a, b) => panic!("{}: {:?} {:?}", source.display(), a.err(), b.err()),
                    }
                }
            }
            let bytes = std::fs::read(&target).unwrap().to_ascii_lowercase();
            for word in identity(&source) {
                let word = word.to_ascii_lowercase().into_bytes();
                let starts = bytes.iter().enumerate().filter(|(_, b)| **b == word[0]).map(|(at, _)| at);
                let mut found = starts.filter(|at| bytes[*at..].starts_with(&word));
                assert_eq!(found.next(), None, "{} still holds {word:?}", source.display());
            }
        }
    }
    if data("sts-ct-rtstruct").is_some() {
        assert!(images > 100 && refused < images / 4, "{images} {refused}");
    }
}

#[test]
fn masks_follow_their_series() {
    let Some(folder) = data("sts-ct-rtstruct/STS_012/dicom") else { return };
    let dir = tempfile::tempdir().unwrap();
    let files = files_below(&folder);
    let scan = scan_files(&files, &JobContext::detached());
    let original = stack(series(&scan)[0]).clone();
    let mut labels = LabelMap::empty(original.geometry);
    labels.set([20, 30, 10], 1);
    let seg = dir.path().join("seg.dcm");
    save_seg(&seg, &[(&labels, &[Segment::new(1, "liver")][..])], &original, &JobContext::<()>::detached()).unwrap();
    let key = DeidKey::random();
    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    for (n, file) in files.iter().chain([&seg]).enumerate() {
        deidentify_file(file, &out.join(format!("{n:06}.dcm")), &key).unwrap();
    }
    let scan = scan_files(&files_below(&out), &JobContext::detached());
    assert!(scan.masks.is_empty());
    let copy = stack(series(&scan)[0]).clone();
    let masks: Vec<_> = series(&scan).iter().flat_map(|s| s.masks.clone()).collect();
    // The structure set in the folder, if any, and our segmentation.
    assert!(!masks.is_empty());
    assert_ne!((&copy.series_uid, &copy.study_uid), (&original.series_uid, &original.study_uid));
    let back =
        load_seg(&out.join(format!("{:06}.dcm", files.len())), &copy.geometry, &JobContext::<()>::detached()).unwrap();
    assert_eq!(back.labels.to_dense(), labels.to_dense());
    assert_eq!(super::super::real_data::load(&copy).hu(), super::super::real_data::load(&original).hu());
}
