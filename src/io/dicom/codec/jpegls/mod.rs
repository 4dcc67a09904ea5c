//! JPEG-LS of one component, lossless and near-lossless (ITU-T T.87). Called by `io::dicom::codec`.
//!
//! Here the marker segments; `coding` holds the parameters and contexts, `scan` the sample loop. Mapping tables, point
//! transforms and the extensions of T.870 are refused by name.

mod coding;
#[cfg(test)]
mod encoder;
mod scan;
#[cfg(test)]
mod tests;

use super::segments::{Frame, Segments, be16, marker};
use super::{Decoded, StreamError};
use coding::{Coding, Preset};

/// Decodes an image of `rows` x `columns` samples.
///
/// # Errors
/// What is wrong with the codestream, or what it uses that is not decoded here.
pub(super) fn decode(data: &[u8], rows: usize, columns: usize) -> Result<Decoded, StreamError> {
    let mut segments = Segments::of(data)?;
    let mut frame = None;
    let mut preset = Preset::default();
    let mut restart_lines = 0;
    loop {
        let (kind, body) = segments.next()?;
        match kind {
            marker::SOF_LS => frame = Some(Frame::of(body, rows, columns)?),
            marker::LSE => read_preset(body, &mut preset)?,
            marker::DRI => restart_lines = restart_interval(body)?,
            marker::SOS => {
                let frame = frame.ok_or(StreamError::Damaged("a scan before any frame header"))?;
                let near = scan_header(body)?;
                let coding = Coding::new(frame.bits, near, &preset)?;
                let samples = scan::decode(data, segments.at(), &coding, [rows, columns], restart_lines)?;
                return Ok(Decoded { samples, bits: frame.bits, signed: false });
            }
            marker::EOI => return Err(StreamError::Truncated),
            0xC0..=0xCF => return Err(StreamError::Damaged("it is no JPEG-LS")),
            _ => {}
        }
    }
}

/// LSE, parameters and mapping tables (C.2.4).
fn read_preset(body: &[u8], preset: &mut Preset) -> Result<(), StreamError> {
    match body.first() {
        Some(1) => {
            let at = |n| be16(body, n).map(i32::from).ok_or(StreamError::Damaged("preset parameters"));
            *preset = Preset { maxval: at(1)?, t1: at(3)?, t2: at(5)?, t3: at(7)?, reset: at(9)? };
            Ok(())
        }
        Some(2 | 3) => Err(StreamError::Unsupported("a JPEG-LS mapping table")),
        // Rows and columns of more than 16 bits are beyond any frame that is opened.
        Some(_) => Err(StreamError::Unsupported("an extension of JPEG-LS")),
        None => Err(StreamError::Damaged("preset parameters")),
    }
}

/// DRI of two to four bytes (C.2.5), in lines.
fn restart_interval(body: &[u8]) -> Result<usize, StreamError> {
    match body.len() {
        2..=4 => Ok(body.iter().fold(0, |value, byte| value << 8 | usize::from(*byte))),
        _ => Err(StreamError::Damaged("a restart interval")),
    }
}

/// SOS (C.2.3): the bound of the error, NEAR. How components are interleaved means nothing for one of them.
fn scan_header(body: &[u8]) -> Result<i32, StreamError> {
    let &[components, _, table, near, interleave, shift] =
        body.first_chunk().ok_or(StreamError::Damaged("a scan header"))?;
    if components != 1 || interleave > 2 {
        return Err(StreamError::Damaged("a scan header"));
    }
    if table != 0 {
        return Err(StreamError::Unsupported("a JPEG-LS mapping table"));
    }
    if shift != 0 {
        return Err(StreamError::Unsupported("a JPEG-LS point transform"));
    }
    Ok(i32::from(near))
}
