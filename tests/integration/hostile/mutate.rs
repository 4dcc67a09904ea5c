//! Changes to valid files, drawn from a seed: the kinds of damage that disks, networks and people do.

use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use flate2::write::{DeflateEncoder, GzEncoder};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::io::{Read, Write};

/// What lies around the bytes that a reader parses: damage inside is packed again, so that it gets past checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapper {
    Plain,
    Gzip,
    /// A raw deflate stream from this byte on.
    Deflate(usize),
    /// Chunks with a checksum each.
    Png,
    /// Records with a checksum each.
    Journal,
    /// An archive of one file, with its length and checksum.
    Zip,
}

impl Wrapper {
    fn open(self, bytes: &[u8]) -> Vec<u8> {
        let mut inner = Vec::new();
        match self {
            Self::Gzip => drop(MultiGzDecoder::new(bytes).read_to_end(&mut inner).unwrap()),
            Self::Deflate(from) => drop(DeflateDecoder::new(&bytes[from..]).read_to_end(&mut inner).unwrap()),
            Self::Zip => inner = unzipped(bytes).to_vec(),
            Self::Plain | Self::Png | Self::Journal => inner = bytes.to_vec(),
        }
        inner
    }

    fn close(self, outer: &[u8], mut inner: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Plain => inner,
            Self::Zip => zipped("IM1.dcm", &inner),
            Self::Gzip => {
                let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
                gzip.write_all(&inner).unwrap();
                gzip.finish().unwrap()
            }
            Self::Deflate(from) => {
                let mut deflate = DeflateEncoder::new(outer[..from].to_vec(), Compression::fast());
                deflate.write_all(&inner).unwrap();
                deflate.finish().unwrap()
            }
            Self::Png => {
                let mut at = 8;
                while let Some(length) = be32(&inner, at) {
                    let Some(body) = inner.get(at + 4..at.saturating_add(8 + length)) else { break };
                    let sum = crc32(body).to_be_bytes();
                    let end = at + 8 + length;
                    let Some(place) = inner.get_mut(end..end + 4) else { break };
                    place.copy_from_slice(&sum);
                    at = end + 4;
                }
                inner
            }
            Self::Journal => {
                let mut at = 8;
                while let Some(length) = le32(&inner, at) {
                    let Some(body) = inner.get(at + 8..at.saturating_add(8 + length)) else { break };
                    let sum = crc32(body).to_le_bytes();
                    inner[at + 4..at + 8].copy_from_slice(&sum);
                    at += 8 + length;
                }
                inner
            }
        }
    }
}

fn be32(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?) as usize)
}

fn le32(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize)
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Bytes of a local header without the name.
const ZIP_HEAD: usize = 30;

/// A ZIP archive of one stored file: local header, file, directory, end of the directory.
pub fn zipped(name: &str, bytes: &[u8]) -> Vec<u8> {
    let (size, name) = ((bytes.len() as u32).to_le_bytes(), name.as_bytes());
    let name_length = (name.len() as u16).to_le_bytes();
    // Version 2.0, no flags, stored, midnight of 1980-01-01.
    let common: Vec<u8> = [
        &[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..],
        &crc32(bytes).to_le_bytes(),
        &size,
        &size,
        &name_length,
        // No extra field.
        &[0, 0],
    ]
    .concat();
    let local = [b"PK\x03\x04", &common[..], name, bytes].concat();
    // No comment, first disk, attributes, local header at 0.
    let directory = [b"PK\x01\x02", &[20, 0][..], &common, &[0; 14], name].concat();
    let end = [
        b"PK\x05\x06",
        &[0, 0, 0, 0, 1, 0, 1, 0][..],
        &(directory.len() as u32).to_le_bytes(),
        &(local.len() as u32).to_le_bytes(),
        &[0, 0],
    ]
    .concat();
    [local, directory, end].concat()
}

/// The file in an archive that [`zipped`] made.
fn unzipped(archive: &[u8]) -> &[u8] {
    let size = le32(archive, 18).unwrap();
    let name = usize::from(u16::from_le_bytes([archive[26], archive[27]]));
    &archive[ZIP_HEAD + name..ZIP_HEAD + name + size]
}

#[test]
fn an_archive_is_packed_again() {
    let archive = zipped("IM1.dcm", b"slice");
    assert_eq!(
        (Wrapper::Zip.open(&archive), Wrapper::Zip.close(&archive, b"slice".to_vec())),
        (b"slice".to_vec(), archive)
    );
}

/// A damaged copy of `bytes`; `other` is another file, whose parts may get in.
pub fn mutate(bytes: &[u8], wrapper: Wrapper, other: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let deep = wrapper != Wrapper::Plain && rng.random_bool(0.7);
    let mut inner = if deep { wrapper.open(bytes) } else { bytes.to_vec() };
    for _ in 0..rng.random_range(1..=4) {
        if inner.is_empty() {
            break;
        }
        change(&mut inner, other, rng);
    }
    // What grows without end tests the disk and nothing else.
    inner.truncate(bytes.len() * 4 + (1 << 16));
    if deep { wrapper.close(bytes, inner) } else { inner }
}

fn change(bytes: &mut Vec<u8>, other: &[u8], rng: &mut ChaCha8Rng) {
    // Headers are at the start, and most of what can go wrong is in them.
    let reach = if rng.random_bool(0.6) { bytes.len().min(1 << 11) } else { bytes.len() };
    let at = rng.random_range(0..reach);
    let length = rng.random_range(1..=64usize).min(bytes.len() - at);
    match rng.random_range(0..14) {
        0 | 1 => bytes[at] ^= 1 << rng.random_range(0..8),
        2 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.random()][rng.random_range(0..7)],
        3..=5 => number(bytes, at, rng),
        6 => bytes.truncate(at),
        7 => bytes.extend(std::iter::repeat_n(rng.random::<u8>(), rng.random_range(1..5000))),
        8 => {
            let from = rng.random_range(0..other.len());
            let part = &other[from..(from + length).min(other.len())];
            bytes.splice(at..at, part.iter().copied());
        }
        9 => {
            let part: Vec<u8> = bytes[at..at + length].repeat(rng.random_range(1..20));
            bytes.splice(at..at, part);
        }
        10 => drop(bytes.drain(at..at + length)),
        11 => {
            let to = rng.random_range(0..bytes.len());
            for n in 0..length.min(bytes.len() - to) {
                bytes.swap(at + n, to + n);
            }
        }
        12 => tags(bytes, rng),
        _ => digits(bytes, at, rng),
    }
}

/// A length or count that lies.
fn number(bytes: &mut [u8], at: usize, rng: &mut ChaCha8Rng) {
    let size = bytes.len() as u64;
    let value = [
        0,
        1,
        2,
        0x7FFF,
        0x8000,
        0xFFFF,
        0x0001_0000,
        0x7FFF_FFFF,
        0x8000_0000,
        0xFFFF_FFFE,
        0xFFFF_FFFF,
        0x0001_0000_0000,
        i64::MAX as u64,
        u64::MAX,
        size,
        size + 1,
        size - at as u64,
        rng.random(),
    ][rng.random_range(0..18)];
    let width = [1, 2, 4, 8][rng.random_range(0..4)].min(bytes.len() - at);
    let (little, big) = (value.to_le_bytes(), value.to_be_bytes());
    let value = if rng.random_bool(0.6) { &little[..width] } else { &big[8 - width..] };
    bytes[at..at + width].copy_from_slice(value);
}

/// DICOM tags that a reader asks for: finding one, puts another in its place.
fn tags(bytes: &mut [u8], rng: &mut ChaCha8Rng) {
    const TAGS: [[u8; 4]; 24] = [
        [0x28, 0, 0x10, 0],
        [0x28, 0, 0x11, 0],
        [0x28, 0, 0x08, 0],
        [0x28, 0, 0x00, 1],
        [0x28, 0, 0x01, 1],
        [0x28, 0, 0x02, 1],
        [0x28, 0, 0x03, 1],
        [0x28, 0, 0x52, 0x10],
        [0x28, 0, 0x53, 0x10],
        [0x28, 0, 0x30, 0],
        [0x28, 0, 0x00, 0x30],
        [0x20, 0, 0x32, 0],
        [0x20, 0, 0x37, 0],
        [0x00, 0x52, 0x29, 0x92],
        [0x00, 0x52, 0x30, 0x92],
        [0x62, 0, 0x02, 0],
        [0x62, 0, 0x04, 0],
        [0x06, 0x30, 0x39, 0],
        [0x06, 0x30, 0x40, 0],
        [0x06, 0x30, 0x50, 0],
        [0xFE, 0xFF, 0x00, 0xE0],
        [0xFE, 0xFF, 0x0D, 0xE0],
        [0xFE, 0xFF, 0xDD, 0xE0],
        [0xE0, 0x7F, 0x10, 0],
    ];
    let found: Vec<usize> =
        (0..bytes.len().saturating_sub(3)).filter(|&at| TAGS.iter().any(|t| bytes[at..at + 4] == *t)).collect();
    if !found.is_empty() {
        let at = found[rng.random_range(0..found.len())];
        bytes[at..at + 4].copy_from_slice(&TAGS[rng.random_range(0..TAGS.len())]);
    }
}

/// A number in text that is another number, or none.
fn digits(bytes: &mut Vec<u8>, at: usize, rng: &mut ChaCha8Rng) {
    const TEXTS: [&str; 16] = [
        "0",
        "-1",
        "1",
        "255",
        "256",
        "65535",
        "65536",
        "4294967295",
        "4294967296",
        "99999999999999999999",
        "1e308",
        "1e-308",
        "-0.0",
        "nan",
        "inf",
        "",
    ];
    let is_number = |b: &u8| b.is_ascii_digit() || *b == b'.' || *b == b'-';
    let Some(start) = (at..bytes.len()).find(|&n| bytes[n].is_ascii_digit()) else { return };
    let end = start + bytes[start..].iter().take_while(|b| is_number(b)).count();
    let text = TEXTS[rng.random_range(0..TEXTS.len())];
    // The same length keeps the lengths around it true.
    let mut text = text.as_bytes().to_vec();
    if rng.random_bool(0.7) {
        text.resize(end - start, b' ');
    }
    bytes.splice(start..end, text);
}
