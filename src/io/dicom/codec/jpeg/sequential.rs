//! Sequential DCT scans, baseline and extended (ITU-T T.81 annex F). Private to `jpeg`.

use super::super::StreamError;
use super::super::bits::{Bits, StuffedByte};
use super::dct::{AREA, SIDE, Transform, ZIGZAG, place};
use super::huffman::{Huffman, signed};
use super::{Quantisation, Scan};

/// Decodes the one scan of a sequential image.
pub(super) fn decode(scan: &Scan<'_>) -> Result<Vec<u16>, StreamError> {
    let (header, tables, columns) = (&scan.header, scan.tables, scan.columns);
    let (dc, ac, steps) = (tables.dc(header.dc)?, tables.ac(header.ac)?, tables.steps(&scan.frame)?);
    // Some encoders write nonsense for the range of coefficients, which in a sequential scan is always all of them.
    let transform = Transform::new(scan.frame.bits);
    let mut bits = Bits::<StuffedByte>::new(scan.data, scan.at);
    let mut out = vec![0; scan.rows * columns];
    let (mut last_dc, mut done) = (0, 0);
    for strip in out.chunks_mut(SIDE * columns) {
        for left in (0..columns).step_by(SIDE) {
            if done > 0 && tables.restart_interval > 0 && done % tables.restart_interval == 0 {
                if !bits.restart(((done / tables.restart_interval - 1) % 8) as u8) {
                    return Err(StreamError::Damaged("a restart marker is missing"));
                }
                last_dc = 0;
            }
            let mut block = [0.0; AREA];
            read_block(&mut bits, dc, ac, steps, &mut last_dc, &mut block)
                .ok_or(StreamError::Damaged("a code that is not in its table"))?;
            place(&transform.samples(&block), strip, columns, left);
            done += 1;
        }
        if bits.overrun() {
            return Err(StreamError::Truncated);
        }
    }
    Ok(out)
}

/// Reads the coefficients of a block, multiplied by their steps (F.2.2). `None` for a code that does not exist.
fn read_block(
    bits: &mut Bits<'_, StuffedByte>,
    dc: &Huffman,
    ac: &Huffman,
    steps: &Quantisation,
    last_dc: &mut i32,
    block: &mut [f32; AREA],
) -> Option<()> {
    let size = dc.symbol(bits).filter(|size| *size < 16)?;
    *last_dc = last_dc.wrapping_add(signed(bits, u32::from(size)));
    block[0] = *last_dc as f32 * f32::from(steps[0]);
    let mut at = 1;
    while at < AREA {
        let symbol = ac.symbol(bits)?;
        let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        match (zeros, size) {
            (15, 0) => at += 16,
            // The rest of the block is zero.
            (_, 0) => break,
            _ => {
                at += zeros;
                let place = *ZIGZAG.get(at)?;
                block[usize::from(place)] = signed(bits, size) as f32 * f32::from(steps[at]);
                at += 1;
            }
        }
    }
    Some(())
}
