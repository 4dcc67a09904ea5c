//! Hostile and odd files: refused in words, quickly, without large allocations; or read right.

use super::test_files::{TestSlice, explicit, part10};
use super::*;
use crate::jobs::JobContext;
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use std::io::Write;
use std::path::{Path, PathBuf};

fn scan_one(name: &str, bytes: &[u8]) -> (DicomScan, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (scan_files(&[path], &JobContext::detached()), dir)
}

fn refusal(bytes: &[u8]) -> String {
    let (scan, _dir) = scan_one("x.dcm", bytes);
    assert!(scan.patients.is_empty(), "{scan:?}");
    let finding = scan.findings.iter().find(|f| f.code == "refused").unwrap_or_else(|| panic!("{scan:?}"));
    assert!(finding.file.is_some() && finding.text.contains("x.dcm"), "{finding:?}");
    finding.text.clone()
}

/// `depth` sequences inside each other, of undefined length.
fn nested(depth: usize) -> Vec<u8> {
    let mut out = explicit(tags::SOP_CLASS_UID, b"UI", b"1.2\0");
    for _ in 0..depth {
        out.extend([0x08, 0x00, 0x40, 0x11, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        out.extend([0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    for _ in 0..depth {
        out.extend([0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0, 0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    }
    out
}

#[test]
fn nesting_stops_at_sixty_four() {
    let (scan, _dir) = scan_one("x.dcm", &part10(uids::EXPLICIT_VR_LITTLE_ENDIAN, &nested(64)));
    assert!(scan.findings.iter().all(|f| f.code != "refused"), "{scan:?}");
    for depth in [65, 2_000, 100_000] {
        assert!(refusal(&part10(uids::EXPLICIT_VR_LITTLE_ENDIAN, &nested(depth))).contains("64 deep"));
    }
}

#[test]
fn nesting_of_known_lengths_stops_too() {
    let mut inner = Vec::new();
    for _ in 0..100 {
        let mut item = vec![0xFE, 0xFF, 0x00, 0xE0];
        item.extend((inner.len() as u32).to_le_bytes());
        item.extend(inner);
        inner = vec![0x08, 0x00, 0x40, 0x11, b'S', b'Q', 0, 0];
        inner.extend((item.len() as u32).to_le_bytes());
        inner.extend(item);
    }
    assert!(refusal(&part10(uids::EXPLICIT_VR_LITTLE_ENDIAN, &inner)).contains("64 deep"));
}

#[test]
fn a_length_of_four_gigabytes_is_compared_with_the_file() {
    let mut set = explicit(tags::SOP_CLASS_UID, b"UI", b"1.2\0");
    set.extend([0x09, 0x00, 0x10, 0x10, b'O', b'B', 0, 0, 0xF0, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4]);
    let text = refusal(&part10(uids::EXPLICIT_VR_LITTLE_ENDIAN, &set));
    assert!(text.contains("4294967280 bytes") && text.contains("4 are left"), "{text}");
}

#[test]
fn a_deflate_bomb_is_not_inflated() {
    let mut set = explicit(tags::SOP_CLASS_UID, b"UI", b"1.2\0");
    let length = 400u32 << 20;
    set.extend([0x09, 0x00, 0x10, 0x10, b'O', b'B', 0, 0]);
    set.extend(length.to_le_bytes());
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflate.write_all(&set).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..40 {
        deflate.write_all(&zeros).unwrap();
    }
    let file = part10(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, &deflate.finish().unwrap());
    let text = refusal(&file);
    assert!(text.contains("header asks for") || text.contains("inflates"), "{text}");
}

#[test]
fn damaged_deflate_is_said() {
    let text = refusal(&part10(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, &[0xFF; 300]));
    assert!(text.contains("deflated data set is damaged"), "{text}");
}

#[test]
fn other_files_are_not_dicom() {
    for bytes in [
        &b""[..],
        b"hello, this is a text file that is no image at all",
        &[0x89, b'P', b'N', b'G', 13, 10, 26, 10, 0, 0],
    ] {
        let (scan, dir) = scan_one("x", bytes);
        assert_eq!(scan.not_dicom.len(), 1, "{scan:?}");
        assert!(!is_dicom(&dir.path().join("x")));
    }
    assert!(!is_dicom(Path::new("/nonexistent")));
}

/// The slice's data set alone, without preamble and file meta information.
fn bare(dir: &Path) -> (PathBuf, Vec<u8>) {
    let path = TestSlice::at(1.0).write(dir);
    let bytes = std::fs::read(&path).unwrap();
    // Group length (0002,0000) is the first element: it counts from its own end.
    let length = u32::from_le_bytes(bytes[140..144].try_into().unwrap()) as usize;
    (path, bytes[144 + length..].to_vec())
}

/// Rewrites a flat explicit data set in another encoding.
fn transcode(explicit: &[u8], to: impl Fn(Tag, [u8; 2], &[u8]) -> Vec<u8>) -> Vec<u8> {
    let (mut at, mut out) = (0, Vec::new());
    while at + 8 <= explicit.len() {
        let half = |i: usize| u16::from_le_bytes([explicit[at + i], explicit[at + i + 1]]);
        let vr = [explicit[at + 4], explicit[at + 5]];
        let (head, length) = if matches!(&vr, b"OW" | b"OB" | b"SQ" | b"UN" | b"UC" | b"UT") {
            (12, u32::from_le_bytes(explicit[at + 8..at + 12].try_into().unwrap()) as usize)
        } else {
            (8, usize::from(half(6)))
        };
        out.extend(to(Tag(half(0), half(2)), vr, &explicit[at + head..at + head + length]));
        at += head + length;
    }
    out
}

#[test]
fn every_uncompressed_encoding_gives_the_same_volume() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, set) = bare(dir.path());
    let implicit = transcode(&set, |Tag(g, e), _, value| {
        [&g.to_le_bytes()[..], &e.to_le_bytes(), &(value.len() as u32).to_le_bytes(), value].concat()
    });
    let big = transcode(&set, |Tag(g, e), vr, value| {
        let value: Vec<u8> = match &vr {
            b"US" | b"OW" => value.chunks_exact(2).flat_map(|b| [b[1], b[0]]).collect(),
            _ => value.to_vec(),
        };
        let head = [g.to_be_bytes(), e.to_be_bytes(), vr].concat();
        match &vr {
            b"OW" => [&head[..], &[0, 0], &(value.len() as u32).to_be_bytes(), &value].concat(),
            _ => [&head[..], &(value.len() as u16).to_be_bytes(), &value].concat(),
        }
    });
    // GE's own: little endian but for the pixels.
    let private = transcode(&set, |Tag(g, e), vr, value| {
        let swapped: Vec<u8> = value.chunks_exact(2).flat_map(|b| [b[1], b[0]]).collect();
        let value = if &vr == b"OW" { &swapped[..] } else { value };
        [&g.to_le_bytes()[..], &e.to_le_bytes(), &(value.len() as u32).to_le_bytes(), value].concat()
    });
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflate.write_all(&set).unwrap();
    let deflated = deflate.finish().unwrap();
    #[allow(deprecated)]
    let big_syntax = uids::EXPLICIT_VR_BIG_ENDIAN;
    let variants = [
        ("implicit", part10(uids::IMPLICIT_VR_LITTLE_ENDIAN, &implicit)),
        ("implicit called explicit", part10(uids::EXPLICIT_VR_LITTLE_ENDIAN, &implicit)),
        ("big", part10(big_syntax, &big)),
        ("private", part10("1.2.840.113619.5.2", &private)),
        ("deflated", part10(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, &deflated)),
        ("no preamble", set.clone()),
        ("no preamble, implicit", implicit),
        ("no preamble, big", big),
        ("unmarked preamble", [vec![0; 128], set].concat()),
    ];
    let open = |path: PathBuf| {
        let scan = scan_files(&[path], &JobContext::detached());
        let series = real_data::series(&scan).into_iter().next().unwrap_or_else(|| panic!("{scan:?}")).clone();
        assert!(series.findings.is_empty(), "{:?}", series.findings);
        real_data::load(real_data::stack(&series))
    };
    let truth = open(plain);
    for (name, bytes) in variants {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert!(is_dicom(&path), "{name}");
        let volume = open(path);
        assert_eq!((volume.hu(), volume.geometry()), (truth.hu(), truth.geometry()), "{name}");
    }
}

#[test]
fn truncation_at_every_length_is_refused_and_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(TestSlice::at(1.0).write(dir.path())).unwrap();
    let path = dir.path().join("cut.dcm");
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let scan = scan_files(std::slice::from_ref(&path), &JobContext::detached());
        assert!(real_data::series(&scan).iter().all(|s| !s.can_open()), "{length}");
        let said = scan.findings.len() + scan.not_dicom.len() + real_data::series(&scan).len();
        assert!(said > 0, "{length}");
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(TestSlice::at(1.0).write(dir.path())).unwrap();
    let path = dir.path().join("mutated.dcm");
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize
    };
    for _ in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..1 + next() % 4 {
            let at = 128 + next() % (bytes.len() - 128);
            bytes[at] = next() as u8;
        }
        std::fs::write(&path, &bytes).unwrap();
        let scan = scan_files(std::slice::from_ref(&path), &JobContext::detached());
        for series in real_data::series(&scan) {
            if let Some(crate::io::VolumeSource::Dicom(stack)) = &series.source {
                let _ = load_stack(stack, &JobContext::detached());
            }
        }
    }
}
