//! Code-blocks: bit-plane by bit-plane, three passes each (ITU-T T.800 annex D).
//!
//! The state of four samples, a column of a stripe, lies in one word: bits 0 to 17 say which of the 3 x 6 samples around
//! and in it are significant (three a row, from the row above to the row below), the bits from 18 on the signs of the
//! column's own samples and of those above and below, and of each sample whether it was visited in this bit-plane and
//! whether it was ever refined. A step of one row is a shift by three.

use super::mq::{Contexts, Mq, REFINE, RUN, Raw, SIGN, UNIFORM, fresh_contexts};

/// Style of code-blocks (table A.19).
#[derive(Clone, Copy, Default)]
pub struct Style {
    pub bypass: bool,
    pub reset: bool,
    pub terminate: bool,
    pub symbols: bool,
}

/// One codeword segment of a block.
#[derive(Clone, Copy)]
pub struct Segment {
    pub passes: u32,
    pub bytes: usize,
}

const SELF: u32 = 1 << 4;
/// The eight samples around.
const AROUND: u32 = 0x1EF;
const REFINED: u32 = 1 << 20;
const VISITED: u32 = 1 << 21;
/// [`SELF`] and [`VISITED`] of each sample of a column.
const ALL_SELF: u32 = SELF | SELF << 3 | SELF << 6 | SELF << 9;
const ALL_VISITED: u32 = ALL_SELF << 17;
const NEGATIVE: u32 = 1 << 31;

/// Tables D.1, one for each kind of subband: LL, HL, LH, HH.
static SIGNIFICANCE: [[u8; 512]; 4] = {
    let mut tables = [[0; 512]; 4];
    let mut band = 0;
    while band < 4 {
        let mut n = 0;
        while n < 512 {
            let (mut h, mut v) = ((n >> 3 & 1) + (n >> 5 & 1), (n >> 1 & 1) + (n >> 7 & 1));
            let d = (n & 1) + (n >> 2 & 1) + (n >> 6 & 1) + (n >> 8 & 1);
            if band == 1 {
                (h, v) = (v, h);
            }
            let hv = h + v;
            tables[band][n] = match band {
                3 => match (d, hv) {
                    (3.., _) => 8,
                    (2, 1..) => 7,
                    (2, _) => 6,
                    (1, 2..) => 5,
                    (1, 1) => 4,
                    (1, _) => 3,
                    (_, 2..) => 2,
                    (_, 1) => 1,
                    _ => 0,
                },
                _ => match (h, v, d) {
                    (2, _, _) => 8,
                    (1, 1.., _) => 7,
                    (1, _, 1..) => 6,
                    (1, _, _) => 5,
                    (_, 2, _) => 4,
                    (_, 1, _) => 3,
                    (_, _, 2..) => 2,
                    (_, _, 1) => 1,
                    _ => 0,
                },
            };
            n += 1;
        }
        band += 1;
    }
    tables
};

/// Tables D.2 and D.3: context, and in the highest bit whether the sign is inverted. Odd bits of the index say that the
/// neighbour is significant, even ones that it is negative: above, left, right, below.
static SIGNS: [u8; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut of = [0i32; 4];
        let mut k = 0;
        while k < 4 {
            of[k] = if n >> (2 * k + 1) & 1 == 0 {
                0
            } else if n >> (2 * k) & 1 == 1 {
                -1
            } else {
                1
            };
            k += 1;
        }
        let (v, h) = ((of[0] + of[3]).signum(), (of[1] + of[2]).signum());
        let (context, inverted) = match (h, v) {
            (1, 1) => (13, 0),
            (1, 0) => (12, 0),
            (1, -1) => (11, 0),
            (0, 1) => (10, 0),
            (0, -1) => (10, 1),
            (-1, 1) => (11, 1),
            (-1, 0) => (12, 1),
            (-1, -1) => (13, 1),
            _ => (SIGN as u8, 0),
        };
        table[n] = context | inverted << 7;
        n += 1;
    }
    table
};

/// Working memory, kept from block to block.
#[derive(Default)]
pub struct Blocks {
    width: usize,
    height: usize,
    /// A word for each column of four samples, with a border of one column and one stripe.
    flags: Vec<u32>,
    /// Magnitudes, doubled, with their sign in the highest bit: stripe by stripe, column by column.
    samples: Vec<[u32; 4]>,
}

impl Blocks {
    fn stride(&self) -> usize {
        self.width + 2
    }

    /// Decodes a block of `width` x `height` samples that begins at bit-plane `planes` (the lowest is 1).
    pub fn decode(
        &mut self,
        [width, height]: [usize; 2],
        (mut data, segments): (&[u8], &[Segment]),
        planes: u32,
        band: usize,
        style: Style,
    ) {
        let stripes = height.div_ceil(4);
        (self.width, self.height) = (width, height);
        self.flags.clear();
        self.flags.resize(self.stride() * (stripes + 2), 0);
        self.samples.clear();
        self.samples.resize(width * stripes, [0; 4]);
        let table = &SIGNIFICANCE[band & 3];
        let mut contexts = fresh_contexts();
        let (mut plane, mut kind, mut done) = (planes, 2, 0);
        for segment in segments {
            let (bytes, rest) = data.split_at(segment.bytes.min(data.len()));
            data = rest;
            let raw = style.bypass && done >= 10 && kind < 2;
            let (mut mq, mut bits) = (Mq::new(bytes), Raw::new(bytes));
            for _ in 0..segment.passes {
                if plane == 0 {
                    return;
                }
                match (kind, raw) {
                    (0, true) => self.each_stripe(|stripe| stripe.propagate_raw(&mut bits, plane)),
                    (1, true) => self.each_stripe(|stripe| stripe.refine_raw(&mut bits, plane)),
                    (0, false) => self.propagate(&mut mq, &mut contexts, table, plane),
                    (1, false) => self.refine(&mut mq, &mut contexts, plane),
                    _ => {
                        self.clean_up(&mut mq, &mut contexts, table, plane);
                        if style.symbols {
                            (0..4).for_each(|_| {
                                mq.decode(&mut contexts, UNIFORM);
                            });
                        }
                    }
                }
                if style.reset {
                    contexts = fresh_contexts();
                }
                done += 1;
                kind += 1;
                if kind == 3 {
                    kind = 0;
                    plane -= 1;
                }
            }
        }
    }

    /// The sample at column `x` and row `y`: its magnitude doubled, with its sign.
    pub fn row(&self, y: usize) -> impl Iterator<Item = i32> + '_ {
        let stripe = self.samples.get(y / 4 * self.width..).unwrap_or_default();
        stripe.iter().take(self.width).map(move |column| {
            let sample = column[y % 4];
            let magnitude = (sample & !NEGATIVE) as i32;
            if sample & NEGATIVE != 0 { -magnitude } else { magnitude }
        })
    }

    /// Calls `pass` for each stripe from the top.
    #[inline(always)]
    fn each_stripe(&mut self, mut pass: impl FnMut(&mut Stripe<'_>)) {
        let (stride, height) = (self.stride(), self.height);
        for (n, samples) in self.samples.chunks_exact_mut(self.width).enumerate() {
            let Some(around) = self.flags.get_mut(n * stride..(n + 3) * stride) else { return };
            let (north, rest) = around.split_at_mut(stride);
            let (own, south) = rest.split_at_mut(stride);
            pass(&mut Stripe { north, own, south, samples, rows: (height - 4 * n).min(4) });
        }
    }

    #[inline(never)]
    fn propagate(&mut self, mq: &mut Mq<'_>, contexts: &mut Contexts, table: &[u8; 512], plane: u32) {
        let (mut local, mut now) = (mq.clone(), *contexts);
        self.each_stripe(|stripe| stripe.propagate(&mut local, &mut now, table, plane));
        (*mq, *contexts) = (local, now);
    }

    #[inline(never)]
    fn refine(&mut self, mq: &mut Mq<'_>, contexts: &mut Contexts, plane: u32) {
        let (mut local, mut now) = (mq.clone(), *contexts);
        self.each_stripe(|stripe| stripe.refine(&mut local, &mut now, plane));
        (*mq, *contexts) = (local, now);
    }

    #[inline(never)]
    fn clean_up(&mut self, mq: &mut Mq<'_>, contexts: &mut Contexts, table: &[u8; 512], plane: u32) {
        let (mut local, mut now) = (mq.clone(), *contexts);
        self.each_stripe(|stripe| stripe.clean_up(&mut local, &mut now, table, plane));
        (*mq, *contexts) = (local, now);
    }
}

/// Four rows of a block with the words above and below.
struct Stripe<'b> {
    north: &'b mut [u32],
    own: &'b mut [u32],
    south: &'b mut [u32],
    samples: &'b mut [[u32; 4]],
    rows: usize,
}

/// Runs a step for each row of a stripe; the numbers of the rows are constants, and whole stripes need no checks.
macro_rules! each_row {
    ($rows:expr, |$row:ident| $step:expr) => {
        if $rows == 4 {
            {
                const $row: usize = 0;
                $step
            }
            {
                const $row: usize = 1;
                $step
            }
            {
                const $row: usize = 2;
                $step
            }
            {
                const $row: usize = 3;
                $step
            }
        } else {
            {
                const $row: usize = 0;
                $step
            }
            if $rows > 1 {
                const $row: usize = 1;
                $step
            }
            if $rows > 2 {
                const $row: usize = 2;
                $step
            }
        }
    };
}

impl Stripe<'_> {
    /// Significance propagation (D.3.1).
    #[inline(always)]
    fn propagate(&mut self, mq: &mut Mq<'_>, contexts: &mut Contexts, table: &[u8; 512], plane: u32) {
        let value = 3 << plane >> 1;
        let rows = self.rows;
        for x in 1..self.own.len() - 1 {
            let mut word = self.own[x];
            // Nothing around, or nothing left to find.
            if word == 0 || word & ALL_SELF == ALL_SELF {
                continue;
            }
            each_row!(rows, |ROW| {
                let around = word >> (3 * ROW);
                if around & SELF == 0 && around & AROUND != 0 {
                    let context = table[(around & 0x1FF) as usize];
                    if mq.decode(contexts, usize::from(context)) == 1 {
                        let negative = self.sign::<ROW>(mq, contexts, x, word);
                        self.samples[x - 1][ROW] = value | negative << 31;
                        word = self.significant::<ROW>(x, word, negative);
                    }
                    word |= VISITED << (3 * ROW);
                }
            });
            self.own[x] = word;
        }
    }

    /// Magnitude refinement (D.3.3).
    #[inline(always)]
    fn refine(&mut self, mq: &mut Mq<'_>, contexts: &mut Contexts, plane: u32) {
        let half = 1 << plane >> 1;
        let rows = self.rows;
        let words = self.own.iter_mut().skip(1);
        for (word, column) in words.zip(self.samples.iter_mut()) {
            let known = *word & ALL_SELF & !(*word >> 17);
            if known == 0 {
                continue;
            }
            each_row!(rows, |ROW| {
                if known & SELF << (3 * ROW) != 0 {
                    let around = *word >> (3 * ROW);
                    let context = match around & (REFINED | AROUND) {
                        0 => REFINE,
                        n if n & REFINED == 0 => REFINE + 1,
                        _ => REFINE + 2,
                    };
                    let bit = mq.decode(contexts, context);
                    column[ROW] = column[ROW].wrapping_add(half * 2 * bit).wrapping_sub(half);
                }
            });
            *word |= known << 16;
        }
    }

    /// Clean-up (D.3.4).
    #[inline(always)]
    fn clean_up(&mut self, mq: &mut Mq<'_>, contexts: &mut Contexts, table: &[u8; 512], plane: u32) {
        let value = 3 << plane >> 1;
        let rows = self.rows;
        for x in 1..self.own.len() - 1 {
            let mut word = self.own[x];
            let mut left = ALL_SELF & !(word | word >> 17);
            let mut known = false;
            if word == 0 && rows == 4 {
                if mq.decode(contexts, RUN) == 0 {
                    continue;
                }
                let first = mq.decode(contexts, UNIFORM) << 1 | mq.decode(contexts, UNIFORM);
                left &= u32::MAX << (4 + 3 * first);
                known = true;
            }
            if left != 0 {
                each_row!(rows, |ROW| {
                    if left & SELF << (3 * ROW) != 0 {
                        let context = table[(word >> (3 * ROW) & 0x1FF) as usize];
                        if std::mem::take(&mut known) || mq.decode(contexts, usize::from(context)) == 1 {
                            let negative = self.sign::<ROW>(mq, contexts, x, word);
                            self.samples[x - 1][ROW] = value | negative << 31;
                            word = self.significant::<ROW>(x, word, negative);
                        }
                    }
                });
            }
            self.own[x] = word & !ALL_VISITED;
        }
    }

    /// [`Stripe::propagate`] from bits that are stored as they are.
    fn propagate_raw(&mut self, bits: &mut Raw<'_>, plane: u32) {
        let value = 3 << plane >> 1;
        let rows = self.rows;
        for x in 1..self.own.len() - 1 {
            let mut word = self.own[x];
            each_row!(rows, |ROW| {
                let around = word >> (3 * ROW);
                if around & SELF == 0 && around & AROUND != 0 {
                    if bits.bit() == 1 {
                        let negative = bits.bit();
                        self.samples[x - 1][ROW] = value | negative << 31;
                        word = self.significant::<ROW>(x, word, negative);
                    }
                    word |= VISITED << (3 * ROW);
                }
            });
            self.own[x] = word;
        }
    }

    /// [`Stripe::refine`] from bits that are stored as they are.
    fn refine_raw(&mut self, bits: &mut Raw<'_>, plane: u32) {
        let half = 1 << plane >> 1;
        let words = self.own.iter_mut().skip(1);
        for (word, column) in words.zip(self.samples.iter_mut()) {
            let known = *word & ALL_SELF & !(*word >> 17);
            for (row, sample) in column.iter_mut().enumerate() {
                if known & SELF << (3 * row) != 0 {
                    *sample = sample.wrapping_add(half * 2 * bits.bit()).wrapping_sub(half);
                }
            }
            *word |= known << 16;
        }
    }

    /// 1 for a negative sample (D.3.2).
    #[inline(always)]
    fn sign<const ROW: usize>(&self, mq: &mut Mq<'_>, contexts: &mut Contexts, x: usize, word: u32) -> u32 {
        let (left, right) = (self.own[x - 1], self.own[x + 1]);
        let own = 19 + 3 * ROW;
        let above = if ROW == 0 { word >> 18 } else { word >> (own - 3) };
        let below = word >> (own + 3);
        let negative = (above & 1) | (left >> own & 1) << 2 | (right >> own & 1) << 4 | (below & 1) << 6;
        let index = word >> (3 * ROW) & 0xAA | negative;
        let entry = SIGNS[index as usize & 255];
        mq.decode(contexts, usize::from(entry & 31)) ^ u32::from(entry >> 7)
    }

    /// Tells the neighbours of a sample that it is significant now; gives the column's own word.
    #[inline(always)]
    fn significant<const ROW: usize>(&mut self, x: usize, word: u32, negative: u32) -> u32 {
        self.own[x - 1] |= 1 << (3 * ROW + 5);
        self.own[x + 1] |= 1 << (3 * ROW + 3);
        if ROW == 0 {
            self.north[x - 1] |= 1 << 17;
            self.north[x] |= 1 << 16 | negative << 31;
            self.north[x + 1] |= 1 << 15;
        } else if ROW == 3 {
            self.south[x - 1] |= 1 << 2;
            self.south[x] |= 1 << 1 | negative << 18;
            self.south[x + 1] |= 1;
        }
        word | SELF << (3 * ROW) | negative << (19 + 3 * ROW)
    }
}
