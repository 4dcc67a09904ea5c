//! JPEG 2000 and High-Throughput JPEG 2000 of one component. Called by `io::dicom::codec`.
//!
//! What archives write is decoded by `j2k`, everything else by the decoder of dicom-rs. That one sets memory aside by what the codestream says and shows what it can of an incomplete one, so the header
//! and the lengths of all tile-parts are checked here first (ITU-T T.800 annexes A and I).

use super::{Decoded, StreamError, check_size, j2k};
use crate::io::dicom::format::PixelFormat;
use crate::jobs::catch_panic;
use dicom_dictionary_std::uids;
use dicom_encoding::adapters::{PixelDataObject, RawPixelData};
use dicom_encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::borrow::Cow;

/// Start of a codestream: SOC, then SIZ.
const START: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];
const SOT: u16 = 0xFF90;
/// Most tiles of an image.
const MAX_TILES: u64 = 4096;

/// The codestream and its header, compared with `format`.
fn checked<'d>(data: &'d [u8], format: &PixelFormat) -> Result<(&'d [u8], Header), StreamError> {
    let stream = codestream(data).ok_or(StreamError::Damaged("it has no readable header"))?;
    let header = Header::of(stream).ok_or(StreamError::Damaged("it has no readable header"))?;
    check_size(header.size, header.components, header.bits, [format.columns, format.rows])?;
    check_tile_parts(stream, header.tiles)?;
    Ok((stream, header))
}

/// Decodes one frame, a codestream or a JP2 file, by code of our own; `None` for what that cannot do, and for what is
/// damaged.
pub(super) fn decode_here(data: &[u8], format: &PixelFormat) -> Option<Decoded> {
    let (stream, header) = checked(data, format).ok()?;
    let samples = catch_panic(|| j2k::decode(stream)).ok()?.ok()??;
    let samples = samples.into_iter().map(|sample| sample as u16).collect();
    Some(Decoded { samples, bits: header.bits, signed: header.signed })
}

/// Decodes one frame, a codestream or a JP2 file.
///
/// # Errors
/// What is wrong with it.
pub(super) fn decode(data: &[u8], format: &PixelFormat) -> Result<Decoded, StreamError> {
    let (_, header) = checked(data, format)?;
    // All transfer syntaxes of JPEG 2000 have the same decoder.
    let codec = TransferSyntaxRegistry.get(uids::JPEG2000).map(|s| s.codec());
    let Some(Codec::EncapsulatedPixelData(Some(reader), _)) = codec else {
        return Err(StreamError::Unsupported("JPEG 2000"));
    };
    let frame = Frame { data, format, bits_allocated: if header.bits <= 8 { 8 } else { 16 } };
    let mut bytes = Vec::new();
    match catch_panic(|| reader.decode_frame(&frame, 0, &mut bytes)) {
        Ok(Ok(())) => {}
        _ => return Err(StreamError::Damaged("its JPEG 2000 codestream")),
    }
    let samples: Vec<u16> = match (frame.bits_allocated, header.signed) {
        (8, false) => bytes.iter().map(|b| u16::from(*b)).collect(),
        (8, true) => bytes.iter().map(|b| i16::from(*b as i8) as u16).collect(),
        _ => bytes.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b)).collect(),
    };
    Ok(Decoded { samples, bits: header.bits, signed: header.signed })
}

fn be16(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*data.get(at..)?.first_chunk()?))
}

fn be32(data: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32::from_be_bytes(*data.get(at..)?.first_chunk()?)))
}

/// The codestream, bare or in its box of a JP2 file (annex I.4). The box is found the way a decoder finds it, so that no
/// other bytes can pose as the header.
pub(in crate::io::dicom) fn codestream(data: &[u8]) -> Option<&[u8]> {
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

/// What SIZ says (A.5.1).
struct Header {
    /// Columns and rows.
    size: [u64; 2],
    components: u16,
    bits: u16,
    signed: bool,
    tiles: u64,
}

impl Header {
    fn of(stream: &[u8]) -> Option<Self> {
        let [xsiz, ysiz, xo, yo, xt, yt, xto, yto] = [8, 12, 16, 20, 24, 28, 32, 36].map(|at| be32(stream, at));
        let (xsiz, ysiz, xo, yo, xt, yt, xto, yto) = (xsiz?, ysiz?, xo?, yo?, xt?, yt?, xto?, yto?);
        let depth = *stream.get(42)?;
        let (dx, dy) = (*stream.get(43)?, *stream.get(44)?);
        if dx != 1 || dy != 1 || xt == 0 || yt == 0 {
            return None;
        }
        let across = |size: u64, first: u64, tile: u64| Some(size.checked_sub(first)?.div_ceil(tile));
        let tiles = across(xsiz, xto, xt)?.checked_mul(across(ysiz, yto, yt)?).filter(|n| *n <= MAX_TILES)?;
        Some(Self {
            size: [xsiz.checked_sub(xo)?, ysiz.checked_sub(yo)?],
            components: be16(stream, 40)?,
            bits: u16::from(depth & 0x7F) + 1,
            signed: depth & 0x80 != 0,
            tiles,
        })
    }
}

/// Walks the main header and all tile-parts (A.4): every tile must be there, and every tile-part whole.
fn check_tile_parts(stream: &[u8], tiles: u64) -> Result<(), StreamError> {
    let truncated = StreamError::Truncated;
    let mut at = 2;
    while be16(stream, at).ok_or(truncated)? != SOT {
        at += 2 + usize::from(be16(stream, at + 2).ok_or(truncated)?).max(2);
    }
    let mut seen = vec![false; tiles as usize];
    while be16(stream, at) == Some(SOT) {
        let tile = usize::from(be16(stream, at + 4).ok_or(truncated)?);
        *seen.get_mut(tile).ok_or(StreamError::Damaged("a tile that is not there"))? = true;
        let length = be32(stream, at + 6).ok_or(truncated)? as usize;
        // Without a length, the last tile-part goes on to the end marker.
        if length == 0 {
            let end = stream.iter().rposition(|byte| *byte != 0).unwrap_or(0);
            if end == 0 || stream.get(end - 1..=end) != Some(&[0xFF, 0xD9]) {
                return Err(truncated);
            }
            break;
        }
        if length < 14 {
            return Err(StreamError::Damaged("the length of a tile-part"));
        }
        at = at.checked_add(length).filter(|end| *end <= stream.len()).ok_or(truncated)?;
    }
    if seen.contains(&false) { Err(truncated) } else { Ok(()) }
}

/// One frame as the codecs of dicom-rs want to see it.
struct Frame<'a> {
    data: &'a [u8],
    format: &'a PixelFormat,
    bits_allocated: u16,
}

impl PixelDataObject for Frame<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        uids::JPEG2000
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
