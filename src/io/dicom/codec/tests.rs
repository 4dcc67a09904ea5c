//! Tests of the choice of decoder and of what frames have in common.

use super::*;

fn format(rows: usize, columns: usize) -> PixelFormat {
    PixelFormat {
        rows,
        columns,
        frames: 1,
        bits_allocated: 16,
        bits_stored: 16,
        high_bit: 15,
        signed: true,
        photometric: "MONOCHROME2".into(),
    }
}

/// The format of samples that fill `bits` bits of a word from below.
fn of_bits(bits: u16, signed: bool) -> PixelFormat {
    let bits_allocated = if bits <= 8 { 8 } else { 16 };
    PixelFormat { bits_allocated, bits_stored: bits, high_bit: bits - 1, signed, ..format(20, 24) }
}

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/codestreams/", $name))
    };
}

/// The image of all samples, 12 bits (see the note beside them).
fn pixels() -> Vec<i32> {
    (0..480).map(|n| (n % 24, n / 24)).map(|(x, y)| 1000 + 60 * x + 35 * y + (x * 7 + y * 13) % 11 * 3).collect()
}

/// Name, transfer syntax, bits, sign, bytes, and what becomes of a 12-bit value of [`pixels`].
type Lossless = (&'static str, &'static str, u16, bool, &'static [u8], fn(i32) -> i32);

const LOSSLESS: [Lossless; 15] = [
    ("lossless-6-16", uids::JPEG_LOSSLESS, 16, true, sample!("lossless-6-16.jpg"), |v| 20 * v - 32768),
    ("lossless-4-12", uids::JPEG_LOSSLESS, 12, false, sample!("lossless-4-12-shift-2.jpg"), |v| v & !3),
    ("lossless-12.jls", uids::JPEGLS_LOSSLESS, 12, false, sample!("lossless-12.jls"), |v| v),
    ("preset-8.jls", uids::JPEGLS_LOSSLESS, 8, false, sample!("preset-8.jls"), |v| v >> 4),
    ("signed.j2k", uids::JPEG2000_LOSSLESS, 16, true, sample!("lossless-16-signed.j2k"), |v| 20 * v - 32768),
    ("lossless-12.jp2", uids::JPEG2000_LOSSLESS, 12, false, sample!("lossless-12.jp2"), |v| v),
    ("styles-12.j2k", uids::JPEG2000_LOSSLESS, 12, false, sample!("styles-12.j2k"), |v| v),
    ("tiles-12.j2k", uids::JPEG2000_LOSSLESS, 12, false, sample!("tiles-12.j2k"), |v| v),
    ("layers-12.j2k", uids::JPEG2000_LOSSLESS, 12, false, sample!("layers-12.j2k"), |v| v),
    ("causal-12.j2k", uids::JPEG2000_LOSSLESS, 12, false, sample!("causal-12.j2k"), |v| v),
    ("signed.jhc", uids::HTJ2K_LOSSLESS, 16, true, sample!("lossless-16-signed.jhc"), |v| 20 * v - 32768),
    ("lossless-12.jhc", uids::HTJ2K_LOSSLESS_RPCL, 12, false, sample!("lossless-12.jhc"), |v| v),
    ("lossless-12.jxl", uids::JPEGXL_LOSSLESS, 12, false, sample!("lossless-12.jxl"), |v| v),
    ("lossless-16.jxl", uids::JPEGXL_LOSSLESS, 16, false, sample!("lossless-16.jxl"), |v| 20 * v),
    // Any codestream is taken for what it is.
    ("another syntax", uids::JPEG_LOSSLESS, 12, false, sample!("lossless-12.jls"), |v| v),
];

/// Name, transfer syntax, bits, bytes, what another program decodes, and how far off it rounding may be.
type Lossy = (&'static str, &'static str, u16, &'static [u8], &'static [u8], u16);

const LOSSY: [Lossy; 9] = [
    ("baseline", uids::JPEG_BASELINE8_BIT, 8, sample!("baseline-8.jpg"), sample!("baseline-8.jpg.raw"), 1),
    ("extended", uids::JPEG_EXTENDED12_BIT, 12, sample!("extended-12.jpg"), sample!("extended-12.jpg.raw"), 1),
    ("progressive", uids::JPEG_EXTENDED12_BIT, 12, sample!("progressive-12.jpg"), sample!("progressive-12.jpg.raw"), 1),
    ("spectral", uids::JPEG_EXTENDED12_BIT, 8, sample!("spectral-8.jpg"), sample!("spectral-8.jpg.raw"), 1),
    ("near.jls", uids::JPEGLS_NEAR_LOSSLESS, 12, sample!("near-3-12.jls"), sample!("near-3-12.jls.raw"), 0),
    ("lossy.j2k", uids::JPEG2000, 12, sample!("lossy-12.j2k"), sample!("lossy-12.j2k.raw"), 0),
    ("tiles.j2k", uids::JPEG2000, 12, sample!("lossy-tiles-12.j2k"), sample!("lossy-tiles-12.j2k.raw"), 0),
    ("lossy.jhc", uids::HTJ2K, 8, sample!("lossy-8.jhc"), sample!("lossy-8.jhc.raw"), 1),
    ("lossy.jxl", uids::JPEGXL, 8, sample!("lossy-8.jxl"), sample!("lossy-8.jxl.raw"), 1),
];

#[test]
fn lossless_codestreams_of_other_programs_come_back_exactly() {
    for (name, syntax, bits, signed, data, value) in LOSSLESS {
        let words = decode_frame(syntax, data, &of_bits(bits, signed)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let unused = 32 - u32::from(bits);
        let values = words.iter().map(|w| {
            let cut = i32::from(*w) << unused;
            if signed { cut >> unused } else { (cut as u32 >> unused) as i32 }
        });
        assert!(values.eq(pixels().into_iter().map(value)), "{name}");
        assert_eq!(unsupported(syntax), None);
    }
}

#[test]
fn lossy_codestreams_are_what_other_programs_decode() {
    for (name, syntax, bits, data, reference, rounding) in LOSSY {
        let words = decode_frame(syntax, data, &of_bits(bits, false)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let reference = reference.as_chunks().0.iter().map(|pair| u16::from_le_bytes(*pair));
        let worst = words.iter().zip(reference).map(|(a, b)| a.abs_diff(b)).max();
        assert!(words.len() == 480 && worst <= Some(rounding), "{name}: {worst:?}");
    }
}

#[test]
fn samples_lie_where_the_header_says() {
    let placed = |samples: &[u16], bits, signed, format: &PixelFormat| {
        in_place(Decoded { samples: samples.to_vec(), bits, signed }, format)
    };
    let format = |bits_stored, high_bit, signed| PixelFormat { bits_stored, high_bit, signed, ..format(1, 1) };
    // As they are; from the low bits up to the high bit; and the whole word at once.
    assert_eq!(placed(&[0xFFF], 12, false, &format(12, 11, false)), Ok(vec![0xFFF]));
    assert_eq!(placed(&[0xFFF], 12, false, &format(12, 15, false)), Ok(vec![0xFFF0]));
    assert_eq!(placed(&[0xFFF0], 16, false, &format(12, 15, false)), Ok(vec![0xFFF0]));
    // A sign bit that the codestream does not know of, and one that it does.
    assert_eq!(placed(&[0x800, 0x7FF], 12, false, &format(16, 15, true)), Ok(vec![0xF800, 0x7FF]));
    assert_eq!(placed(&[0xF800, 0x7FF], 12, true, &format(16, 15, true)), Ok(vec![0xF800, 0x7FF]));
    let bytes = PixelFormat { bits_allocated: 8, ..format(8, 7, false) };
    assert_eq!(placed(&[1], 12, false, &bytes), Err(StreamError::Bits(12)));
}

#[test]
fn uncompressed_and_deflated_frames() {
    let bytes: Vec<u8> = (0..60).collect();
    let mut deflated = Vec::new();
    flate2::read::DeflateEncoder::new(&bytes[..], flate2::Compression::fast()).read_to_end(&mut deflated).unwrap();
    let words: Vec<u16> = bytes.as_chunks().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let [plain, packed] =
        [uids::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN, uids::DEFLATED_IMAGE_FRAME_COMPRESSION];
    assert_eq!(decode_frame(plain, &bytes, &format(5, 6)), Ok(words.clone()));
    assert_eq!(decode_frame(packed, &deflated, &format(5, 6)), Ok(words));
    let bits = PixelFormat { bits_allocated: 1, bits_stored: 1, high_bit: 0, ..format(2, 6) };
    assert_eq!(decode_frame(plain, &[0b0100_0001, 0b1000], &bits), Ok(vec![1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]));
    for syntax in [plain, packed] {
        assert!(decode_frame(syntax, &bytes[..59], &format(5, 6)).is_err());
    }
}

#[test]
fn a_cut_codestream_is_never_shown_as_an_image() {
    for (name, syntax, bits, signed, data, _) in LOSSLESS {
        // The end marker may be missing, and JPEG XL may end in padding.
        for end in (0..data.len() - 8).step_by(3) {
            assert!(decode_frame(syntax, &data[..end], &of_bits(bits, signed)).is_err(), "{name}: {end}");
        }
    }
}

#[test]
fn broken_codestreams_are_an_image_or_an_error() {
    let budget: usize = std::env::var("MASKWRIGHT_FUZZ").ok().and_then(|v| v.parse().ok()).unwrap_or(150);
    let streams: Vec<_> =
        LOSSLESS.iter().map(|s| (s.1, s.2, s.4)).chain(LOSSY.iter().map(|s| (s.1, s.2, s.3))).collect();
    let mut state = 7u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for (syntax, bits, data) in streams {
        for _ in 0..budget {
            let mut broken = data.to_vec();
            for _ in 0..1 + below(6) {
                let span = if below(2) == 0 { broken.len() } else { broken.len().min(120) };
                broken[below(span)] = if below(3) == 0 { 0xFF } else { below(256) as u8 };
            }
            if below(4) == 0 {
                broken.truncate(below(broken.len()));
            }
            if let Ok(words) = decode_frame(syntax, &broken, &of_bits(bits, false)) {
                assert_eq!(words.len(), 480, "{syntax}");
            }
        }
    }
}

#[test]
fn a_jpeg_of_another_size_never_reaches_the_decoder() {
    let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8];
    jpeg.extend([0xFF, 0xDC, 0xFF, 0xDC, 1, 1, 0x11, 0]);
    let error = decode_frame(uids::JPEG_BASELINE8_BIT, &jpeg, &format(64, 64)).unwrap_err();
    assert!(error.contains("65500 x 65500"), "{error}");
}

#[test]
fn damage_is_said_and_never_panics() {
    for syntax in
        [uids::JPEG_BASELINE8_BIT, uids::JPEG_LOSSLESS_SV1, uids::JPEG2000_LOSSLESS, uids::RLE_LOSSLESS, "1.2.3"]
    {
        for data in [&[][..], &[0xFF; 100], &[0xFF, 0xD8, 0xFF], &[2, 0, 0, 0, 64, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]] {
            assert!(decode_frame(syntax, data, &format(8, 8)).is_err(), "{syntax}");
        }
    }
}

#[test]
fn what_is_not_built_in_is_named() {
    let error = decode_frame(uids::MPEG2MPML, &[0xFF, 0xD8], &format(8, 8)).unwrap_err();
    assert!(error.contains("MPEG2") && error.ends_with("cannot be decoded here"), "{error}");
    assert_eq!(unsupported("1.2.3"), Some("its transfer syntax 1.2.3 is not known".into()));
    assert_eq!(unsupported("\u{1b}[2J"), Some("its transfer syntax (unreadable) is not known".into()));
    let of = |marker: u8| [&[0xFF, 0xD8, 0xFF, marker, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0][..], &[0; 20]].concat();
    for (marker, named) in [(0xC5, "hierarchical"), (0xC9, "arithmetic"), (0xCB, "arithmetic")] {
        let error = decode_frame(uids::JPEG_LOSSLESS, &of(marker), &format(8, 8)).unwrap_err();
        assert!(error.contains(named) && error.ends_with("cannot be decoded here"), "{error}");
    }
}

#[test]
fn a_decoy_header_in_a_jp2_file_is_not_believed() {
    let size = |n: u32| {
        let mut siz = vec![0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0];
        for v in [n, n, 0, 0, n, n, 0, 0] {
            siz.extend(v.to_be_bytes());
        }
        siz.extend([0, 1, 7, 1, 1]);
        siz
    };
    let boxed = |kind: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat();
    let file = [boxed(b"free", &size(8)), boxed(b"jp2c", &size(65500))].concat();
    let error = decode_frame(uids::JPEG2000_LOSSLESS, &file, &format(8, 8)).unwrap_err();
    assert!(error.contains("65500 x 65500"), "{error}");
}
