//! Huffman-coded JPEG of one component: baseline, extended and progressive DCT of 8 and 12 bits, lossless of 2 to 16
//! bits (ITU-T T.81 processes 1, 2, 4, 6, 8, 10, 12 and 14). Called by `io::dicom::codec`.
//!
//! Here the marker segments; `huffman` holds the codes, `lossless`, `sequential` and `progressive` the scans, `dct` the
//! cosine transform. Hierarchical and arithmetic-coded images are refused by name.

mod dct;
mod huffman;
mod lossless;
mod progressive;
mod sequential;
#[cfg(test)]
mod tests;

use super::segments::{Frame, Segments, be16, marker};
use super::{Decoded, StreamError};
use huffman::Huffman;

/// Coefficients of a quantisation table in zigzag order.
type Quantisation = [u16; 64];

/// Tables that scans name by number.
#[derive(Default)]
struct Tables {
    dc: [Option<Box<Huffman>>; 4],
    ac: [Option<Box<Huffman>>; 4],
    quantisation: [Option<Quantisation>; 4],
    /// Blocks (DCT) or samples (lossless) from restart to restart; 0 for none.
    restart_interval: usize,
}

impl Tables {
    /// Takes a segment that defines something; `false` for any other.
    fn read(&mut self, kind: u8, body: &[u8]) -> Result<bool, StreamError> {
        match kind {
            marker::DHT => read_huffman_tables(body, self)?,
            marker::DQT => read_quantisation_tables(body, self)?,
            marker::DRI => {
                let interval = be16(body, 0).ok_or(StreamError::Damaged("a restart interval"))?;
                self.restart_interval = usize::from(interval);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn dc(&self, number: usize) -> Result<&Huffman, StreamError> {
        self.dc.get(number).and_then(Option::as_deref).ok_or(StreamError::Damaged("a Huffman table is missing"))
    }

    fn ac(&self, number: usize) -> Result<&Huffman, StreamError> {
        self.ac.get(number).and_then(Option::as_deref).ok_or(StreamError::Damaged("a Huffman table is missing"))
    }

    /// The steps of a frame whose samples have as many bits as the cosine transform is defined for.
    fn steps(&self, frame: &Frame) -> Result<&Quantisation, StreamError> {
        if !matches!(frame.bits, 8 | 12) {
            return Err(StreamError::Damaged("bits per sample"));
        }
        let table = self.quantisation.get(usize::from(frame.quantisation)).and_then(Option::as_ref);
        table.ok_or(StreamError::Damaged("a quantisation table is missing"))
    }
}

/// What the header of a scan says.
struct ScanHeader {
    dc: usize,
    ac: usize,
    /// First coefficient, or the predictor.
    start: u8,
    /// Last coefficient.
    end: u8,
    /// The step of approximation before this scan; 0 in the first.
    high: u8,
    /// The step of this scan, or the point transform.
    low: u8,
}

/// Entropy-coded data and what they are decoded with.
struct Scan<'a> {
    data: &'a [u8],
    /// Where they begin in `data`.
    at: usize,
    frame: Frame,
    header: ScanHeader,
    tables: &'a Tables,
    rows: usize,
    columns: usize,
}

/// Decodes an image of `rows` x `columns` samples.
///
/// # Errors
/// What is wrong with the codestream, or what it uses that is not decoded here.
pub(super) fn decode(data: &[u8], rows: usize, columns: usize) -> Result<Decoded, StreamError> {
    let mut segments = Segments::of(data)?;
    let mut tables = Tables::default();
    let mut start = None;
    let mut progressive = None;
    loop {
        let (kind, body) = segments.next()?;
        match kind {
            _ if tables.read(kind, body)? => {}
            marker::SOF_BASELINE | marker::SOF_EXTENDED | marker::SOF_LOSSLESS | marker::SOF_PROGRESSIVE => {
                if start.is_some() {
                    return Err(StreamError::Damaged("more than one frame header"));
                }
                start = Some((kind, Frame::of(body, rows, columns)?));
            }
            marker::SOS => {
                let (kind, frame) = start.ok_or(StreamError::Damaged("a scan before any frame header"))?;
                let scan =
                    Scan { data, at: segments.at(), frame, header: scan_header(body)?, tables: &tables, rows, columns };
                let samples = match kind {
                    marker::SOF_LOSSLESS => lossless::decode(&scan)?,
                    marker::SOF_PROGRESSIVE => {
                        progressive.get_or_insert_with(|| progressive::Image::new(rows, columns)).read(&scan)?;
                        segments.skip_scan();
                        continue;
                    }
                    _ => sequential::decode(&scan)?,
                };
                return Ok(Decoded { samples, bits: frame.bits, signed: false });
            }
            marker::EOI => {
                // Only progressive images are read up to here.
                let (Some(image), Some((_, frame))) = (progressive, start) else { return Err(StreamError::Truncated) };
                let samples = image.samples(&frame, tables.steps(&frame)?);
                return Ok(Decoded { samples, bits: frame.bits, signed: false });
            }
            0xC5..=0xC7 | 0xCD..=0xCF => return Err(StreamError::Unsupported("hierarchical JPEG")),
            0xC9..=0xCB => return Err(StreamError::Unsupported("arithmetic coding of JPEG")),
            _ => {}
        }
    }
}

/// DHT (B.2.4.2): any number of tables.
fn read_huffman_tables(mut body: &[u8], tables: &mut Tables) -> Result<(), StreamError> {
    let damaged = StreamError::Damaged("a Huffman table");
    while let Some((&head, rest)) = body.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>().ok_or(damaged)?;
        let total = counts.iter().map(|n| usize::from(*n)).sum();
        let (symbols, rest) = rest.split_at_checked(total).ok_or(damaged)?;
        let table = Box::new(Huffman::new(counts, symbols).ok_or(damaged)?);
        let class = match head >> 4 {
            0 => &mut tables.dc,
            1 => &mut tables.ac,
            _ => return Err(damaged),
        };
        *class.get_mut(usize::from(head & 15)).ok_or(damaged)? = Some(table);
        body = rest;
    }
    Ok(())
}

/// DQT (B.2.4.1): any number of tables of bytes or words.
fn read_quantisation_tables(mut body: &[u8], tables: &mut Tables) -> Result<(), StreamError> {
    let damaged = StreamError::Damaged("a quantisation table");
    while let Some((&head, rest)) = body.split_first() {
        let mut table = [0; 64];
        let rest = match head >> 4 {
            0 => {
                let (bytes, rest) = rest.split_first_chunk::<64>().ok_or(damaged)?;
                table = bytes.map(u16::from);
                rest
            }
            1 => {
                let (bytes, rest) = rest.split_first_chunk::<128>().ok_or(damaged)?;
                for (to, word) in table.iter_mut().zip(bytes.as_chunks().0) {
                    *to = u16::from_be_bytes(*word);
                }
                rest
            }
            _ => return Err(damaged),
        };
        *tables.quantisation.get_mut(usize::from(head & 15)).ok_or(damaged)? = Some(table);
        body = rest;
    }
    Ok(())
}

/// SOS (B.2.3).
fn scan_header(body: &[u8]) -> Result<ScanHeader, StreamError> {
    let damaged = StreamError::Damaged("a scan header");
    let &[components, _, selectors, start, end, approximation] = body.first_chunk().ok_or(damaged)?;
    if components != 1 {
        return Err(damaged);
    }
    let (dc, ac) = (usize::from(selectors >> 4), usize::from(selectors & 15));
    Ok(ScanHeader { dc, ac, start, end, high: approximation >> 4, low: approximation & 15 })
}
