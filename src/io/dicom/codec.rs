//! Compressed frames: their own dimensions first, then the decoder, with panics caught. Private to `io::dicom`.
//!
//! RLE is decoded here (PS3.5 annex G); JPEG and JPEG 2000 by the codecs of dicom-rs, which see one frame at a time
//! with its fragments already joined (PS3.5 annex A.4).

use super::format::PixelFormat;
use crate::jobs::catch_panic;
use dicom_dictionary_std::uids;
use dicom_encoding::adapters::{PixelDataObject, RawPixelData};
use dicom_encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::borrow::Cow;

/// Decodes one frame to raw words, row by row.
///
/// # Errors
/// The reason, as the end of a sentence.
pub(super) fn decode_frame(syntax: &str, data: &[u8], format: &PixelFormat) -> Result<Vec<u16>, String> {
    if syntax == uids::RLE_LOSSLESS {
        return rle(data, format);
    }
    let codec = TransferSyntaxRegistry.get(syntax).map(|s| s.codec());
    let Some(Codec::EncapsulatedPixelData(Some(reader), _)) = codec else {
        return Err(unsupported(syntax).unwrap_or_default());
    };
    let bits = codestream_bits(data, format)?;
    let frame = Frame { syntax, data, format, bits_allocated: if bits <= 8 { 8 } else { 16 } };
    let mut bytes = Vec::new();
    match catch_panic(|| reader.decode_frame(&frame, 0, &mut bytes)) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            return Err(format!("its compressed image is damaged or unsupported ({})", root_cause(&error)));
        }
        Err(_) => return Err("its compressed image is damaged".into()),
    }
    let words: Vec<u16> = match frame.bits_allocated {
        8 => bytes.iter().map(|b| u16::from(*b)).collect(),
        _ => bytes.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b)).collect(),
    };
    if words.len() < format.frame_samples() {
        return Err(format!("its compressed image holds {} of {} pixels", words.len(), format.frame_samples()));
    }
    Ok(words)
}

/// Whether frames of a transfer syntax are decoded by code of our own, in safe Rust: nothing else decodes in the
/// process that asks.
pub(super) fn own_decoder(syntax: &str) -> bool {
    syntax == uids::RLE_LOSSLESS
}

/// Why images of a compressed transfer syntax cannot be decoded here; `None` when they can.
pub(super) fn unsupported(syntax: &str) -> Option<String> {
    let Some(transfer_syntax) = TransferSyntaxRegistry.get(syntax) else {
        return Some(format!("its transfer syntax {} is not known", short_uid(syntax)));
    };
    match transfer_syntax.codec() {
        _ if syntax == uids::RLE_LOSSLESS => None,
        Codec::EncapsulatedPixelData(Some(_), _) => None,
        _ => Some(format!("its pixels are stored as {}, which cannot be decoded here", transfer_syntax.name())),
    }
}

/// A UID as it may be shown: only if it is one.
fn short_uid(uid: &str) -> &str {
    if uid.len() <= 64 && uid.bytes().all(|b| b.is_ascii_digit() || b == b'.') { uid } else { "(unreadable)" }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string().chars().take(160).collect()
}

/// Compares the codestream's own size with rows and columns and returns its sample precision.
///
/// A decoder allocates by what the codestream says, so this must be read before it is.
fn codestream_bits(data: &[u8], format: &PixelFormat) -> Result<u16, String> {
    let size = if data.starts_with(&[0xFF, 0xD8]) {
        jpeg_size(data)
    } else {
        jpeg2000_codestream(data).and_then(jpeg2000_size)
    };
    let Some(size) = size else {
        return Err("its compressed image has no readable header".into());
    };
    if size.columns != format.columns as u64 || size.rows != format.rows as u64 {
        return Err(format!(
            "its compressed image is {} x {} where the header says {} x {}",
            size.columns, size.rows, format.columns, format.rows
        ));
    }
    if size.components != 1 {
        return Err(format!("its compressed image has {} components where the header says 1", size.components));
    }
    if size.bits > 16 {
        return Err(format!("its compressed image has {} bits a sample", size.bits));
    }
    Ok(size.bits)
}

struct StreamSize {
    columns: u64,
    rows: u64,
    components: u16,
    bits: u16,
}

fn be16(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*data.get(at..)?.first_chunk()?))
}

fn be32(data: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32::from_be_bytes(*data.get(at..)?.first_chunk()?)))
}

/// Frame header of JPEG and JPEG-LS (ITU-T T.81 B.2.2, T.87 C.2.2). More than one frame header is refused.
fn jpeg_size(data: &[u8]) -> Option<StreamSize> {
    let mut at = 2;
    loop {
        if *data.get(at)? != 0xFF {
            return None;
        }
        let marker = *data.get(at + 1)?;
        match marker {
            0xFF => at += 1,
            // SOF0..SOF15 without DHT, JPG and DAC, and SOF55 of JPEG-LS.
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7 => {
                let bits = u16::from(*data.get(at + 4)?);
                let rows = u64::from(be16(data, at + 5)?);
                let columns = u64::from(be16(data, at + 7)?);
                return Some(StreamSize { columns, rows, components: u16::from(*data.get(at + 9)?), bits });
            }
            // Scan or end before any frame header.
            0xDA | 0xD9 => return None,
            0x01 | 0xD0..=0xD8 => at += 2,
            _ => at += 2 + usize::from(be16(data, at + 2)?.max(2)),
        }
    }
}

/// The codestream, bare or in its box of a JP2 file (ITU-T T.800 annex I.4). The box is found the way a decoder finds
/// it, so that no other bytes can pose as the header.
pub(super) fn jpeg2000_codestream(data: &[u8]) -> Option<&[u8]> {
    const START: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];
    if data.starts_with(&START) {
        return Some(data);
    }
    let mut at = 0;
    loop {
        let length = usize::try_from(be32(data, at)?).ok()?;
        match data.get(at + 4..at + 8)? {
            b"jp2c" if length != 1 => return data.get(at + 8..).filter(|stream| stream.starts_with(&START)),
            _ if length >= 8 => at = at.checked_add(length)?,
            _ => return None,
        }
    }
}

/// SIZ marker of JPEG 2000 (ITU-T T.800 A.5.1), which also bounds the number of tiles.
fn jpeg2000_size(data: &[u8]) -> Option<StreamSize> {
    let [xsiz, ysiz, xo, yo, xt, yt] = [8, 12, 16, 20, 24, 28].map(|at| be32(data, at));
    let (xsiz, ysiz, xo, yo, xt, yt) = (xsiz?, ysiz?, xo?, yo?, xt?, yt?);
    let components = be16(data, 40)?;
    let bits = u16::from(*data.get(42)? & 0x7F) + 1;
    let (dx, dy) = (*data.get(43)?, *data.get(44)?);
    if dx != 1 || dy != 1 || xt == 0 || yt == 0 || xsiz.div_ceil(xt).checked_mul(ysiz.div_ceil(yt))? > 4096 {
        return None;
    }
    Some(StreamSize { columns: xsiz.checked_sub(xo)?, rows: ysiz.checked_sub(yo)?, components, bits })
}

/// RLE Lossless: a header of 16 little-endian words, then one PackBits segment a byte plane, high byte first.
pub(super) fn rle(data: &[u8], format: &PixelFormat) -> Result<Vec<u16>, String> {
    let damaged = || "its run-length coded image is damaged".to_owned();
    let header: &[u8; 64] = data.first_chunk().ok_or_else(damaged)?;
    let words: Vec<usize> = header.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b) as usize).collect();
    let planes = usize::from(format.bits_allocated.div_ceil(8));
    if words.first() != Some(&planes) {
        return Err(damaged());
    }
    let samples = format.frame_samples();
    // One-bit frames are packed before they are coded.
    let plane_bytes = if format.bits_allocated == 1 { samples.div_ceil(8) } else { samples };
    let mut out = vec![0u16; plane_bytes];
    let mut plane = Vec::with_capacity(plane_bytes);
    for n in 0..planes {
        let start = *words.get(1 + n).ok_or_else(damaged)?;
        let end = if n + 1 < planes { *words.get(2 + n).ok_or_else(damaged)? } else { data.len() };
        plane.clear();
        unpack_bits(data.get(start..end).ok_or_else(damaged)?, plane_bytes, &mut plane);
        if plane.len() < plane_bytes {
            return Err(damaged());
        }
        for (to, byte) in out.iter_mut().zip(&plane) {
            *to = *to << 8 | u16::from(*byte);
        }
    }
    if format.bits_allocated == 1 {
        out = (0..samples).map(|n| out[n / 8] >> (n % 8) & 1).collect();
    }
    Ok(out)
}

/// PackBits until `wanted` bytes are out or the segment ends.
pub(super) fn unpack_bits(mut segment: &[u8], wanted: usize, out: &mut Vec<u8>) {
    while out.len() < wanted {
        let Some((&control, rest)) = segment.split_first() else { return };
        let left = wanted - out.len();
        match control {
            0..=127 => {
                let n = (usize::from(control) + 1).min(rest.len());
                out.extend_from_slice(&rest[..n.min(left)]);
                segment = &rest[n..];
            }
            128 => segment = rest,
            129..=255 => {
                let Some((&byte, rest)) = rest.split_first() else { return };
                let n = 257 - usize::from(control);
                out.resize(out.len() + n.min(left), byte);
                segment = rest;
            }
        }
    }
}

/// One frame as the codecs of dicom-rs want to see it.
struct Frame<'a> {
    syntax: &'a str,
    data: &'a [u8],
    format: &'a PixelFormat,
    bits_allocated: u16,
}

impl PixelDataObject for Frame<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        self.syntax
    }
    fn rows(&self) -> Option<u16> {
        u16::try_from(self.format.rows).ok()
    }
    fn cols(&self) -> Option<u16> {
        u16::try_from(self.format.columns).ok()
    }
    fn samples_per_pixel(&self) -> Option<u16> {
        Some(1)
    }
    fn bits_allocated(&self) -> Option<u16> {
        Some(self.bits_allocated)
    }
    fn bits_stored(&self) -> Option<u16> {
        Some(self.format.bits_stored.min(self.bits_allocated))
    }
    fn photometric_interpretation(&self) -> Option<&str> {
        Some(&self.format.photometric)
    }
    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }
    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }
    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(self.data))
    }
    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        None
    }
    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        Some(RawPixelData {
            fragments: std::iter::once(self.data.to_vec()).collect(),
            offset_table: std::iter::empty().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
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
            for data in [&[][..], &[0xFF; 100], &[0xFF, 0xD8, 0xFF], &[2, 0, 0, 0, 64, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]]
            {
                assert!(decode_frame(syntax, data, &format(8, 8)).is_err(), "{syntax}");
            }
        }
    }

    #[test]
    fn what_is_not_built_in_is_named() {
        let error = decode_frame(uids::JPEGLS_LOSSLESS, &[0xFF, 0xD8], &format(8, 8)).unwrap_err();
        assert!(error.contains("JPEG-LS") && error.ends_with("cannot be decoded here"), "{error}");
        assert_eq!(unsupported("1.2.3"), Some("its transfer syntax 1.2.3 is not known".into()));
        for syntax in [uids::RLE_LOSSLESS, uids::JPEG2000_LOSSLESS, uids::JPEG_LOSSLESS_SV1, uids::JPEG_BASELINE8_BIT] {
            assert_eq!(unsupported(syntax), None);
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

    #[test]
    fn run_lengths() {
        let mut out = Vec::new();
        unpack_bits(&[2, 7, 8, 9, 254, 5, 128, 0, 1], 20, &mut out);
        assert_eq!(out, [7, 8, 9, 5, 5, 5, 1]);
        out.clear();
        unpack_bits(&[129, 5], 4, &mut out);
        assert_eq!(out, [5; 4]);
    }
}
