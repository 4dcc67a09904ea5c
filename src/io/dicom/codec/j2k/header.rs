//! What a codestream says of itself (ITU-T T.800 annex A), as far as it is decoded here.

use super::Wrong;
use super::block::Style;
use super::packets::Framing;

/// SIZ, COD and QCD of a codestream of one component.
pub struct Header {
    /// First column and row, and those beyond the last, of the image on the reference grid.
    pub image: [[usize; 2]; 2],
    pub tile_size: [usize; 2],
    pub tile_origin: [usize; 2],
    pub bits: u32,
    pub signed: bool,
    pub progression: u8,
    pub layers: u32,
    pub levels: usize,
    /// Exponents of a code-block's width and height.
    pub block: [u32; 2],
    pub style: Style,
    pub framing: Framing,
    pub reversible: bool,
    /// Exponents of the precincts' width and height, a resolution each.
    pub precincts: Vec<[u32; 2]>,
    pub guard_bits: u32,
    /// Exponent and mantissa of each subband.
    pub steps: Vec<(u32, u32)>,
}

/// The main header, and where the first tile-part begins; `None` for what is not decoded here.
pub fn read(stream: &[u8]) -> Result<Option<(Header, usize)>, Wrong> {
    let (mut size, mut coding, mut steps) = (None, None, None);
    let mut at = 2;
    loop {
        let marker = u16_at(stream, at)?;
        if marker == 0xFF90 {
            break;
        }
        let length = usize::from(u16_at(stream, at + 2)?);
        let body = stream.get(at + 4..(at + 2).checked_add(length).ok_or(Wrong)?).ok_or(Wrong)?;
        match marker {
            0xFF51 => size = Some(body),
            0xFF52 => coding = Some(body),
            0xFF5C => steps = Some(body),
            // Lengths, comments, registration: nothing that a decoder needs.
            0xFF55 | 0xFF57 | 0xFF63 | 0xFF64 => {}
            _ => return Ok(None),
        }
        at += 2 + length;
    }
    let (Some(size), Some(coding), Some(steps)) = (size, coding, steps) else { return Err(Wrong) };
    Ok(of(size, coding, steps)?.map(|header| (header, at)))
}

fn u16_at(data: &[u8], at: usize) -> Result<u16, Wrong> {
    Ok(u16::from_be_bytes(*data.get(at..).and_then(|d| d.first_chunk()).ok_or(Wrong)?))
}

fn u32_at(data: &[u8], at: usize) -> Result<usize, Wrong> {
    Ok(u32::from_be_bytes(*data.get(at..).and_then(|d| d.first_chunk()).ok_or(Wrong)?) as usize)
}

fn of(size: &[u8], coding: &[u8], steps: &[u8]) -> Result<Option<Header>, Wrong> {
    let [x1, y1, x0, y0, tile_x, tile_y, tile_x0, tile_y0] = {
        let mut n = [0; 8];
        for (k, n) in n.iter_mut().enumerate() {
            *n = u32_at(size, 2 + 4 * k)?;
        }
        n
    };
    let &[depth, dx, dy] = size.get(36..).and_then(|d| d.first_chunk::<3>()).ok_or(Wrong)?;
    let &[scod, progression, l0, l1, _, levels, width, height, style, transform] =
        coding.first_chunk::<10>().ok_or(Wrong)?;
    // Bit 6 of the code-blocks' style is high throughput; bit 3 is vertical causality.
    if u16_at(size, 34)? != 1 || (dx, dy) != (1, 1) || style & !0b11_0111 != 0 || transform > 1 || progression > 4 {
        return Ok(None);
    }
    let levels = usize::from(levels);
    let precincts = match scod & 1 {
        0 => vec![[15, 15]; levels + 1],
        _ => {
            let sizes = coding.get(10..11 + levels).ok_or(Wrong)?;
            sizes.iter().map(|b| [u32::from(b & 15), u32::from(b >> 4)]).collect()
        }
    };
    let (quantisation, rest) = steps.split_first().ok_or(Wrong)?;
    let bands = 3 * levels + 1;
    let steps: Vec<(u32, u32)> = match quantisation & 31 {
        0 => rest.iter().map(|b| (u32::from(b >> 3), 0)).collect(),
        kind => {
            let pairs: Vec<u32> = rest.as_chunks::<2>().0.iter().map(|b| u32::from(u16::from_be_bytes(*b))).collect();
            let pair = |v: &u32| (v >> 11, v & 0x7FF);
            match (kind, pairs.first()) {
                // Derived from the lowest subband (equation E-5).
                (1, Some(first)) => {
                    let (exponent, mantissa) = pair(first);
                    let level = |band: usize| if band == 0 { 0 } else { (band - 1) / 3 };
                    (0..bands).map(|b| (exponent.saturating_sub(level(b) as u32), mantissa)).collect()
                }
                (2, _) => pairs.iter().map(pair).collect(),
                _ => return Err(Wrong),
            }
        }
    };
    let header = Header {
        image: [[x0, y0], [x1, y1]],
        tile_size: [tile_x, tile_y],
        tile_origin: [tile_x0, tile_y0],
        bits: u32::from(depth & 0x7F) + 1,
        signed: depth & 0x80 != 0,
        progression,
        layers: u32::from(u16::from_be_bytes([l0, l1])),
        levels,
        block: [u32::from(width & 15) + 2, u32::from(height & 15) + 2],
        style: Style {
            bypass: style & 1 != 0,
            reset: style & 2 != 0,
            terminate: style & 4 != 0,
            symbols: style & 32 != 0,
        },
        framing: Framing { before: scod & 2 != 0, after_header: scod & 4 != 0 },
        reversible: transform == 1,
        precincts,
        guard_bits: u32::from(quantisation >> 5),
        steps,
    };
    let fits = header.levels <= 32
        && header.steps.len() >= bands
        && header.block.iter().all(|e| *e <= 10)
        && header.block.iter().sum::<u32>() <= 12
        && header.bits <= 16
        && x0 < x1
        && y0 < y1
        && tile_x > 0
        && tile_y > 0
        && header.layers > 0
        && header.precincts.iter().skip(1).flatten().all(|e| *e > 0);
    if fits { Ok(Some(header)) } else { Err(Wrong) }
}
