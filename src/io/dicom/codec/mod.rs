//! Compressed frames: which decoder they need, and their samples as if they had never been compressed.
//!
//! Private to `io::dicom`. A codestream says itself what it is, and that is believed rather than the transfer syntax; its
//! own size is compared with the header before anything is set aside for it. JPEG, JPEG-LS, RLE and what is usual of
//! JPEG 2000 are decoded here without dependencies; the rest of JPEG 2000 by dicom-rs and JPEG XL by `jxl-oxide`, with
//! panics caught. Frames come with their fragments already joined (PS3.5 annex A.4).

mod bits;
mod error;
mod j2k;
mod jpeg;
mod jpeg2000;
mod jpegls;
mod jpegxl;
#[cfg(test)]
mod real_data;
mod rle;
mod segments;
#[cfg(test)]
mod tests;

use super::format::PixelFormat;
use dicom_dictionary_std::uids;
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use error::{Decoded, StreamError, check_size};
pub(super) use jpeg2000::codestream as jpeg2000_codestream;
use std::io::Read;

/// How the frames of a transfer syntax are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Storage {
    /// A codestream of the JPEG family.
    Stream,
    RunLengths,
    /// Uncompressed bytes in fragments.
    Plain,
    /// Uncompressed bytes, deflated frame by frame.
    Deflated,
}

fn storage(syntax: &str) -> Option<Storage> {
    #[allow(deprecated)] // Retired in the standard, alive in archives.
    match syntax {
        uids::RLE_LOSSLESS => Some(Storage::RunLengths),
        uids::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN => Some(Storage::Plain),
        uids::DEFLATED_IMAGE_FRAME_COMPRESSION => Some(Storage::Deflated),
        uids::JPEG_BASELINE8_BIT
        | uids::JPEG_EXTENDED12_BIT
        | uids::JPEG_SPECTRAL_SELECTION_NON_HIERARCHICAL68
        | uids::JPEG_FULL_PROGRESSION_NON_HIERARCHICAL1012
        | uids::JPEG_LOSSLESS
        | uids::JPEG_LOSSLESS_SV1
        | uids::JPEGLS_LOSSLESS
        | uids::JPEGLS_NEAR_LOSSLESS
        | uids::JPEG2000_LOSSLESS
        | uids::JPEG2000
        | uids::HTJ2K_LOSSLESS
        | uids::HTJ2K_LOSSLESS_RPCL
        | uids::HTJ2K
        | uids::JPEGXL_LOSSLESS
        | uids::JPEGXLJPEG_RECOMPRESSION
        | uids::JPEGXL => Some(Storage::Stream),
        _ => None,
    }
}

/// Why images of a compressed transfer syntax cannot be decoded here; `None` when they can.
pub(super) fn unsupported(syntax: &str) -> Option<String> {
    if storage(syntax).is_some() {
        return None;
    }
    Some(match TransferSyntaxRegistry.get(syntax) {
        Some(known) => format!("its pixels are stored as {}, which cannot be decoded here", known.name()),
        None => format!("its transfer syntax {} is not known", short_uid(syntax)),
    })
}

/// A UID as it may be shown: only if it is one.
fn short_uid(uid: &str) -> &str {
    if uid.len() <= 64 && uid.bytes().all(|b| b.is_ascii_digit() || b == b'.') { uid } else { "(unreadable)" }
}

/// Decodes one frame to raw words, row by row, with their bits where `format` says.
///
/// # Errors
/// The reason, as the end of a sentence.
pub(super) fn decode_frame(syntax: &str, data: &[u8], format: &PixelFormat) -> Result<Vec<u16>, String> {
    let words = match storage(syntax) {
        None => return Err(unsupported(syntax).unwrap_or_default()),
        Some(Storage::RunLengths) => rle::decode(data, format.bits_allocated, format.frame_samples()),
        Some(Storage::Plain) => plain(data, format),
        Some(Storage::Deflated) => inflated(data, format),
        Some(Storage::Stream) => stream(data, format).and_then(|decoded| in_place(decoded, format)),
    };
    words.map_err(|error| error.to_string())
}

/// What a codestream is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Jpeg,
    JpegXl,
    /// Also what nothing else is.
    Jpeg2000,
}

fn kind(data: &[u8]) -> Kind {
    if data.starts_with(&[0xFF, segments::marker::SOI]) {
        Kind::Jpeg
    } else if data.starts_with(&jpegxl::START) || data.starts_with(&jpegxl::FILE_START) {
        Kind::JpegXl
    } else {
        Kind::Jpeg2000
    }
}

/// Whether a frame is decoded by code of our own, in safe Rust: nothing else decodes in the process that asks.
pub(super) fn own_decoder(syntax: &str, data: &[u8]) -> bool {
    storage(syntax) != Some(Storage::Stream) || kind(data) == Kind::Jpeg
}

/// Decodes a JPEG 2000 codestream by code of our own. `None` where another decoder must be asked, or is to say what is
/// wrong.
pub(super) fn decode_jpeg2000_here(data: &[u8], format: &PixelFormat) -> Option<Vec<u16>> {
    in_place(jpeg2000::decode_here(data, format)?, format).ok()
}

/// Decodes a codestream by what it is.
fn stream(data: &[u8], format: &PixelFormat) -> Result<Decoded, StreamError> {
    let (rows, columns) = (format.rows, format.columns);
    let decoded = match kind(data) {
        Kind::Jpeg if segments::is_jpeg_ls(data) => jpegls::decode(data, rows, columns)?,
        Kind::Jpeg => jpeg::decode(data, rows, columns)?,
        Kind::JpegXl => jpegxl::decode(data, rows, columns)?,
        Kind::Jpeg2000 => jpeg2000::decode(data, format)?,
    };
    if decoded.samples.len() < format.frame_samples() {
        return Err(StreamError::Truncated);
    }
    Ok(decoded)
}

/// Puts the samples of a codestream where the bits of an uncompressed word would lie.
///
/// A codestream holds the bits of a sample without saying where the header wants them, and mostly without a sign: a
/// signed sample of fewer bits than the header stores is one of the codestream's own bits.
fn in_place(decoded: Decoded, format: &PixelFormat) -> Result<Vec<u16>, StreamError> {
    let Decoded { mut samples, bits, signed } = decoded;
    if bits > format.bits_allocated.max(8) {
        return Err(StreamError::Bits(bits));
    }
    if format.signed && !signed && bits < format.bits_stored {
        let unused = 16 - bits;
        samples.iter_mut().for_each(|word| *word = ((*word << unused) as i16 >> unused) as u16);
    }
    let shift = format.high_bit + 1 - format.bits_stored;
    if shift > 0 && bits <= format.bits_stored {
        samples.iter_mut().for_each(|word| *word <<= shift);
    }
    Ok(samples)
}

/// Uncompressed little-endian samples.
fn plain(data: &[u8], format: &PixelFormat) -> Result<Vec<u16>, StreamError> {
    let samples = format.frame_samples();
    let bytes = data.get(..format.frame_bits().div_ceil(8) as usize).ok_or(StreamError::Truncated)?;
    Ok(match format.bits_allocated {
        1 => (0..samples).map(|n| u16::from(bytes[n / 8] >> (n % 8) & 1)).collect(),
        8 => bytes.iter().map(|byte| u16::from(*byte)).collect(),
        _ => bytes.as_chunks().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect(),
    })
}

/// The same after inflating no more than the frame takes.
fn inflated(data: &[u8], format: &PixelFormat) -> Result<Vec<u16>, StreamError> {
    let wanted = format.frame_bits().div_ceil(8);
    let mut bytes = Vec::with_capacity(wanted as usize);
    flate2::read::DeflateDecoder::new(data)
        .take(wanted)
        .read_to_end(&mut bytes)
        .map_err(|_| StreamError::Damaged("its deflated bytes"))?;
    plain(&bytes, format)
}
