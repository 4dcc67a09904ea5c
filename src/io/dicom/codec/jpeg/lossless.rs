//! Lossless JPEG (ITU-T T.81 annex H). Private to `jpeg`.
//!
//! Samples are those of H.1.2: a to the left, b above, c above left of the one being decoded.

use super::super::StreamError;
use super::super::bits::{Bits, StuffedByte};
use super::Scan;
use super::huffman::{Huffman, signed};

/// Decodes the one scan of a lossless image.
pub(super) fn decode(scan: &Scan<'_>) -> Result<Vec<u16>, StreamError> {
    let table = scan.tables.dc(scan.header.dc)?;
    let (precision, shift) = (scan.frame.bits, u16::from(scan.header.low));
    if !(2..=16).contains(&precision) || shift >= precision {
        return Err(StreamError::Damaged("bits per sample"));
    }
    let line: Line = match scan.header.start {
        1 => line::<1>,
        2 => line::<2>,
        3 => line::<3>,
        4 => line::<4>,
        5 => line::<5>,
        6 => line::<6>,
        7 => line::<7>,
        _ => return Err(StreamError::Damaged("a predictor that is not defined")),
    };
    // An interval is a whole number of lines (H.1.1).
    let columns = scan.columns.max(1);
    if !scan.tables.restart_interval.is_multiple_of(columns) {
        return Err(StreamError::Damaged("restarts inside a line"));
    }
    let restart_lines = scan.tables.restart_interval / columns;
    let mut bits = Bits::<StuffedByte>::new(scan.data, scan.at);
    let mut out = vec![0; scan.rows * scan.columns];
    let mut above: &[u16] = &[];
    for (row, samples) in out.chunks_exact_mut(columns).enumerate() {
        let begins = restart_lines > 0 && row > 0 && row % restart_lines == 0;
        if begins && !bits.restart(((row / restart_lines - 1) % 8) as u8) {
            return Err(StreamError::Damaged("a restart marker is missing"));
        }
        if row == 0 || begins {
            first_line(&mut bits, table, 1 << (precision - shift - 1), samples)?;
        } else {
            line(&mut bits, table, above, samples)?;
        }
        if bits.overrun() {
            return Err(StreamError::Truncated);
        }
        above = samples;
    }
    if shift > 0 {
        out.iter_mut().for_each(|sample| *sample <<= shift);
    }
    Ok(out)
}

type Line = fn(&mut Bits<'_, StuffedByte>, &Huffman, &[u16], &mut [u16]) -> Result<(), StreamError>;

/// A line without one above: each sample is predicted by the one to its left, the first by half the range (H.1.2.1).
fn first_line(
    bits: &mut Bits<'_, StuffedByte>,
    table: &Huffman,
    half: u16,
    samples: &mut [u16],
) -> Result<(), StreamError> {
    let mut a = half;
    for sample in samples {
        a = a.wrapping_add(difference(bits, table)?);
        *sample = a;
    }
    Ok(())
}

/// A line below `above`; its first sample is predicted by the one above, the others by `PREDICTOR` (table H.1).
fn line<const PREDICTOR: u8>(
    bits: &mut Bits<'_, StuffedByte>,
    table: &Huffman,
    above: &[u16],
    samples: &mut [u16],
) -> Result<(), StreamError> {
    let (Some((first, samples)), Some(&top)) = (samples.split_first_mut(), above.first()) else { return Ok(()) };
    // A copy of the reader, whose fields can stay in registers.
    let mut local = *bits;
    let mut last = top.wrapping_add(difference(&mut local, table)?);
    *first = last;
    for (sample, pair) in samples.iter_mut().zip(above.windows(2)) {
        let (a, b, c) = (i32::from(last), i32::from(pair[1]), i32::from(pair[0]));
        let predicted = match PREDICTOR {
            1 => a,
            2 => b,
            3 => c,
            4 => a + b - c,
            5 => a + ((b - c) >> 1),
            6 => b + ((a - c) >> 1),
            _ => (a + b) >> 1,
        };
        // Modulo 2 to the power of 16.
        last = (predicted as u16).wrapping_add(difference(&mut local, table)?);
        *sample = last;
    }
    *bits = local;
    Ok(())
}

/// The next difference from the prediction, modulo 2 to the power of 16 (H.1.2.2).
#[inline(always)]
fn difference(bits: &mut Bits<'_, StuffedByte>, table: &Huffman) -> Result<u16, StreamError> {
    match table.symbol(bits) {
        Some(size @ 0..=15) => Ok(signed(bits, u32::from(size)) as u16),
        // No bits follow: there is but one difference of this size.
        Some(16) => Ok(1 << 15),
        _ => Err(StreamError::Damaged("a code that is not in its table")),
    }
}
