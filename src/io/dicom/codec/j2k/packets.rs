//! Packets: which code-blocks they bring, and how many passes and bytes of each (ITU-T T.800 B.9, B.10).

use super::Wrong;
use super::block::{Segment, Style};
use super::tag_tree::TagTree;

/// Passes that a block may have at most, for the planes that can be held.
const MAX_PASSES: u32 = 3 * 31;

/// The bits of a packet header: after a byte of ones the next has only seven.
pub struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    byte: u8,
    left: u32,
}

impl<'a> Bits<'a> {
    pub fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, byte: 0, left: 0 }
    }

    pub fn bit(&mut self) -> Result<u32, Wrong> {
        if self.left == 0 {
            self.left = if self.byte == 0xFF { 7 } else { 8 };
            self.byte = *self.data.get(self.at).ok_or(Wrong)?;
            self.at += 1;
        }
        self.left -= 1;
        Ok(u32::from(self.byte >> self.left & 1))
    }

    fn number(&mut self, bits: u32) -> Result<u32, Wrong> {
        (0..bits).try_fold(0, |n, _| Ok(n << 1 | self.bit()?))
    }

    /// The first byte after the header.
    fn end(mut self) -> Result<usize, Wrong> {
        if self.byte == 0xFF {
            self.left = 0;
            self.bit()?;
        }
        Ok(self.at)
    }
}

/// A code-block and what was read of it.
pub struct Block {
    /// First column and row, and those beyond the last, in the subband.
    pub area: [[usize; 2]; 2],
    included: bool,
    /// Highest bit-planes that are all zero.
    pub zero_planes: u32,
    length_bits: u32,
    passes: u32,
    pub segments: Vec<Segment>,
    /// Passes that the last segment can still take.
    open: u32,
    pub data: Vec<u8>,
}

impl Block {
    pub fn new(area: [[usize; 2]; 2]) -> Self {
        let (segments, data) = (Vec::new(), Vec::new());
        Self { area, included: false, zero_planes: 0, length_bits: 3, passes: 0, segments, open: 0, data }
    }

    /// How many passes the segment that begins now can take.
    fn room(&self, style: Style) -> u32 {
        match (style.terminate, style.bypass) {
            (true, _) => 1,
            (false, false) => u32::MAX,
            (false, true) if self.passes < 10 => 10 - self.passes,
            // Significance and refinement, then clean-up.
            (false, true) => [2, 1, 1][(self.passes as usize - 10) % 3],
        }
    }
}

/// The code-blocks of one precinct in one subband.
pub struct Part {
    pub band: usize,
    columns: usize,
    inclusion: TagTree,
    zero_planes: TagTree,
    pub blocks: Vec<Block>,
}

impl Part {
    /// `blocks` row by row.
    pub fn new(band: usize, columns: usize, blocks: Vec<Block>) -> Self {
        let rows = blocks.len().checked_div(columns).unwrap_or(0);
        let tree = || TagTree::new(columns, rows);
        Self { band, columns, inclusion: tree(), zero_planes: tree(), blocks }
    }
}

/// Markers within the data of a tile.
#[derive(Clone, Copy, Default)]
pub struct Framing {
    pub before: bool,
    pub after_header: bool,
}

/// Reads the packet of `layer` at `at`, and gives where the next begins.
pub fn read_packet(
    data: &[u8],
    mut at: usize,
    parts: &mut [Part],
    layer: u32,
    (style, framing): (Style, Framing),
) -> Result<usize, Wrong> {
    if framing.before && data.get(at..at + 2) == Some(&[0xFF, 0x91]) {
        at += 6;
    }
    let mut bits = Bits::new(data, at);
    // Part, block, segment, bytes.
    let mut brought: Vec<(usize, usize, usize, usize)> = Vec::new();
    if bits.bit()? == 1 {
        for (p, part) in parts.iter_mut().enumerate() {
            for (b, block) in part.blocks.iter_mut().enumerate() {
                let place = [b % part.columns, b / part.columns];
                let included = match block.included {
                    true => bits.bit()? == 1,
                    false => part.inclusion.is_below(place, layer + 1, &mut bits)?,
                };
                if !included {
                    continue;
                }
                if !block.included {
                    block.included = true;
                    while !part.zero_planes.is_below(place, block.zero_planes + 1, &mut bits)? {
                        block.zero_planes += 1;
                        if block.zero_planes > 74 {
                            return Err(Wrong);
                        }
                    }
                }
                read_lengths(block, style, &mut bits, |segment, bytes| brought.push((p, b, segment, bytes)))?;
            }
        }
    }
    at = bits.end()?;
    if framing.after_header && data.get(at..at + 2) == Some(&[0xFF, 0x92]) {
        at += 2;
    }
    for (p, b, segment, bytes) in brought {
        let block = &mut parts[p].blocks[b];
        block.data.extend_from_slice(data.get(at..at + bytes).ok_or(Wrong)?);
        block.segments[segment].bytes += bytes;
        at += bytes;
    }
    Ok(at)
}

fn read_lengths(
    block: &mut Block,
    style: Style,
    bits: &mut Bits<'_>,
    mut brings: impl FnMut(usize, usize),
) -> Result<(), Wrong> {
    let mut passes = pass_count(bits)?;
    if block.passes + passes > MAX_PASSES {
        return Err(Wrong);
    }
    while bits.bit()? == 1 {
        block.length_bits += 1;
        if block.length_bits > 32 {
            return Err(Wrong);
        }
    }
    while passes > 0 {
        if block.open == 0 {
            block.open = block.room(style);
            block.segments.push(Segment { passes: 0, bytes: 0 });
        }
        let now = passes.min(block.open);
        let bytes = bits.number(block.length_bits + now.ilog2())? as usize;
        let at = block.segments.len() - 1;
        block.segments[at].passes += now;
        block.passes += now;
        block.open -= now;
        passes -= now;
        brings(at, bytes);
    }
    Ok(())
}

/// Table B.4.
fn pass_count(bits: &mut Bits<'_>) -> Result<u32, Wrong> {
    for (width, base) in [(1, 1), (1, 2), (2, 3), (5, 6), (7, 37)] {
        let n = bits.number(width)?;
        if width == 7 || n < (1 << width) - 1 {
            return Ok(base + n);
        }
    }
    Err(Wrong)
}
