//! Huffman codes of JPEG (ITU-T T.81 annexes C and F.2.2). Private to `jpeg`.

use super::super::bits::{Bits, StuffedByte};

/// Codes up to this length are looked up at once.
const SHORT: u32 = 10;

/// A table that decodes.
#[derive(Debug)]
pub(super) struct Huffman {
    /// By the next [`SHORT`] bits: length of the code and its symbol, or 0 where the code is longer or none.
    short: [u16; 1 << SHORT],
    /// By length: the first value, left-aligned in 16 bits, that no code of that length or a shorter one begins.
    limits: [u32; 17],
    /// By length: what to add to a code for the index of its symbol.
    offsets: [i32; 17],
    symbols: [u8; 256],
}

impl Huffman {
    /// From the number of codes of each length and the symbols in order of their codes; `None` when no such code is.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Self { short: [0; 1 << SHORT], limits: [0; 17], offsets: [0; 17], symbols: [0; 256] };
        table.symbols.get_mut(..symbols.len())?.copy_from_slice(symbols);
        let (mut code, mut used) = (0u32, 0);
        for (length, &count) in (1u32..).zip(counts) {
            let count = u32::from(count);
            if code + count > 1 << length {
                return None;
            }
            table.offsets[length as usize] = used as i32 - code as i32;
            for n in 0..count {
                if length <= SHORT {
                    let first = ((code + n) << (SHORT - length)) as usize;
                    let entry = (length << 8) as u16 | u16::from(*symbols.get(used + n as usize)?);
                    table.short.get_mut(first..first + (1 << (SHORT - length)))?.fill(entry);
                }
            }
            code += count;
            used += count as usize;
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// The next symbol; at least 16 more bits are ready after it. `None` when no code begins like this.
    #[inline(always)]
    pub fn symbol(&self, bits: &mut Bits<'_, StuffedByte>) -> Option<u8> {
        bits.fill();
        let entry = self.short[(bits.peek() >> (64 - SHORT)) as usize];
        if entry != 0 {
            bits.skip(u32::from(entry >> 8));
            return Some(entry as u8);
        }
        let (length, symbol) = self.long((bits.peek() >> 48) as u32)?;
        bits.skip(length);
        Some(symbol)
    }

    /// Length and symbol of the code that 16 bits begin with.
    #[cold]
    fn long(&self, next: u32) -> Option<(u32, u8)> {
        let length = (SHORT + 1..=16).find(|&length| next < self.limits[length as usize])?;
        let at = (next >> (16 - length)) as i32 + self.offsets[length as usize];
        Some((length, *self.symbols.get(usize::try_from(at).ok()?)?))
    }
}

/// A signed value of `size` bits, at most 16 (F.2.2.1, EXTEND). They must be ready.
#[inline(always)]
pub(super) fn signed(bits: &mut Bits<'_, StuffedByte>, size: u32) -> i32 {
    let value = (bits.peek() >> 1 >> (63 - size)) as i32;
    bits.skip(size);
    // Values whose highest bit is 0 are negative.
    let negative = (value >> size.saturating_sub(1)) - 1;
    value + (negative & (1 - (1 << size)))
}
