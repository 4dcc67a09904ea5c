//! Progressive DCT scans (ITU-T T.81 annex G). Private to `jpeg`.

use super::super::StreamError;
use super::super::bits::{Bits, StuffedByte};
use super::super::segments::Frame;
use super::dct::{AREA, SIDE, Transform, ZIGZAG, place};
use super::huffman::{Huffman, signed};
use super::{Quantisation, Scan};

/// Most scans of an image; the finest order that makes sense has one for each bit of each coefficient's first pass.
const MOST_SCANS: usize = 1000;

const UNKNOWN_CODE: StreamError = StreamError::Damaged("a code that is not in its table");

/// Coefficients that grow from scan to scan.
pub(super) struct Image {
    /// Coefficients in the order they are coded in.
    blocks: Vec<[i16; AREA]>,
    rows: usize,
    columns: usize,
    scans: usize,
}

/// What goes from block to block of a scan.
#[derive(Default)]
struct Running {
    last_dc: i32,
    /// Blocks to come, this one included, that have no further coefficients in the band.
    end_of_band: u32,
}

type Reader<'a> = Bits<'a, StuffedByte>;

impl Image {
    pub fn new(rows: usize, columns: usize) -> Self {
        Self { blocks: vec![[0; AREA]; rows.div_ceil(SIDE) * columns.div_ceil(SIDE)], rows, columns, scans: 0 }
    }

    /// Takes in one scan.
    pub fn read(&mut self, scan: &Scan<'_>) -> Result<(), StreamError> {
        let header = &scan.header;
        let band = usize::from(header.start)..usize::from(header.end) + 1;
        let of_dc = band == (0..1);
        if band.is_empty() || band.end > AREA || (band.start == 0 && !of_dc) || header.low > 13 {
            return Err(StreamError::Damaged("a scan header"));
        }
        self.scans += 1;
        if self.scans > MOST_SCANS {
            return Err(StreamError::Damaged("too many scans"));
        }
        let (first, low) = (header.high == 0, header.low);
        // A refinement of DC coefficients is plain bits, without any table.
        let table = match (of_dc, first) {
            (true, true) => Some(scan.tables.dc(header.dc)?),
            (true, false) => None,
            (false, _) => Some(scan.tables.ac(header.ac)?),
        };
        let mut bits = Reader::new(scan.data, scan.at);
        let mut running = Running::default();
        let interval = scan.tables.restart_interval;
        for (n, block) in self.blocks.iter_mut().enumerate() {
            if n > 0 && interval > 0 && n % interval == 0 {
                if !bits.restart(((n / interval - 1) % 8) as u8) {
                    return Err(StreamError::Damaged("a restart marker is missing"));
                }
                running = Running::default();
            }
            match table {
                None => block[0] |= (bits.take(1) as i16) << low,
                Some(table) if of_dc => {
                    let size = table.symbol(&mut bits).filter(|size| *size < 16).ok_or(UNKNOWN_CODE)?;
                    running.last_dc = running.last_dc.wrapping_add(signed(&mut bits, u32::from(size)));
                    block[0] = (running.last_dc << low) as i16;
                }
                Some(table) if first => {
                    first_pass(&mut bits, table, &mut block[band.clone()], low, &mut running).ok_or(UNKNOWN_CODE)?;
                }
                Some(table) => {
                    refine(&mut bits, table, &mut block[band.clone()], low, &mut running).ok_or(UNKNOWN_CODE)?;
                }
            }
            if bits.overrun() {
                return Err(StreamError::Truncated);
            }
        }
        Ok(())
    }

    /// The image that all scans together make.
    pub fn samples(&self, frame: &Frame, steps: &Quantisation) -> Vec<u16> {
        let transform = Transform::new(frame.bits);
        let mut out = vec![0; self.rows * self.columns];
        let across = self.columns.div_ceil(SIDE);
        for (strip, blocks) in out.chunks_mut(SIDE * self.columns).zip(self.blocks.chunks(across)) {
            for (left, coefficients) in (0..self.columns).step_by(SIDE).zip(blocks) {
                let mut block = [0.0; AREA];
                for ((at, value), step) in ZIGZAG.iter().zip(coefficients).zip(steps) {
                    block[usize::from(*at)] = f32::from(*value) * f32::from(*step);
                }
                place(&transform.samples(&block), strip, self.columns, left);
            }
        }
        out
    }
}

/// How many blocks a code for the end of the band covers (G.1.2.2).
fn band_ends(bits: &mut Reader<'_>, power: u8) -> u32 {
    (1 << power) + bits.take(u32::from(power))
}

/// The first scan of a band of AC coefficients (G.1.2.2).
fn first_pass(bits: &mut Reader<'_>, table: &Huffman, band: &mut [i16], low: u8, running: &mut Running) -> Option<()> {
    if running.end_of_band > 0 {
        running.end_of_band -= 1;
        return Some(());
    }
    let mut at = 0;
    while at < band.len() {
        let symbol = table.symbol(bits)?;
        let (zeros, size) = (symbol >> 4, symbol & 15);
        match (zeros, size) {
            (15, 0) => at += 16,
            (_, 0) => {
                running.end_of_band = band_ends(bits, zeros) - 1;
                break;
            }
            _ => {
                at += usize::from(zeros);
                *band.get_mut(at)? = (signed(bits, u32::from(size)) << low) as i16;
                at += 1;
            }
        }
    }
    Some(())
}

/// A further bit of a band of AC coefficients (G.1.2.3): each coefficient that is there gets a bit as it is passed, and
/// codes say how many that are not yet there lie before the next new one.
fn refine(bits: &mut Reader<'_>, table: &Huffman, band: &mut [i16], low: u8, running: &mut Running) -> Option<()> {
    let bit = 1i16 << low;
    let correct = |value: &mut i16, bits: &mut Reader<'_>| {
        if bits.take(1) == 1 && *value & bit == 0 {
            *value = value.wrapping_add(if *value > 0 { bit } else { -bit });
        }
    };
    let mut at = 0;
    while running.end_of_band == 0 && at < band.len() {
        let symbol = table.symbol(bits)?;
        let (mut zeros, size) = (symbol >> 4, symbol & 15);
        let new = match (zeros, size) {
            (_, 1) => {
                if bits.take(1) == 1 {
                    bit
                } else {
                    -bit
                }
            }
            (15, 0) => 0,
            (_, 0) => {
                running.end_of_band = band_ends(bits, zeros);
                break;
            }
            _ => return None,
        };
        while let Some(value) = band.get_mut(at) {
            at += 1;
            if *value != 0 {
                correct(value, bits);
            } else if zeros == 0 {
                *value = new;
                break;
            } else {
                zeros -= 1;
            }
        }
    }
    if running.end_of_band > 0 {
        running.end_of_band -= 1;
        band.iter_mut().skip(at).filter(|value| **value != 0).for_each(|value| correct(value, bits));
    }
    Some(())
}
