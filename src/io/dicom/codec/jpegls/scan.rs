//! The sample loop of a JPEG-LS scan (ITU-T T.87 annex A). Private to `jpegls`.
//!
//! Names are those of A.3: a is the sample to the left of the one being decoded, b above, c above left, d above right.

use super::super::StreamError;
use super::super::bits::{Bits, StuffedBit};
use super::coding::{Coding, Context, RunContext};

/// J of A.2.1: bits of a run's length by run index.
const RUN_BITS: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// Contexts of the regular mode are 1 to 364; a power of two spares their bounds check.
const CONTEXTS: usize = 512;

/// Decodes the entropy-coded data at `at` to `rows` x `columns` samples. `restart_lines` is 0 for no restarts.
///
/// # Errors
/// [`StreamError::Damaged`] or [`StreamError::Truncated`].
pub(super) fn decode(
    data: &[u8],
    at: usize,
    coding: &Coding,
    [rows, columns]: [usize; 2],
    restart_lines: usize,
) -> Result<Vec<u16>, StreamError> {
    let mut out = Vec::with_capacity(rows * columns);
    let mut scan = Scan::new(data, at, coding, columns);
    for row in 0..rows {
        if restart_lines > 0 && row > 0 && row % restart_lines == 0 {
            scan.restart(row / restart_lines - 1)?;
        }
        if coding.near == 0 {
            scan.line::<true>()?
        } else {
            scan.line::<false>()?
        }
        if scan.bits.overrun() {
            return Err(StreamError::Truncated);
        }
        // Samples lie in 0..=MAXVAL, which is at most 65535.
        out.extend(scan.line[1..=columns].iter().map(|sample| *sample as u16));
    }
    Ok(out)
}

struct Scan<'a> {
    bits: Bits<'a, StuffedBit>,
    coding: &'a Coding,
    contexts: Box<[Context; CONTEXTS]>,
    runs: [RunContext; 2],
    run_index: usize,
    columns: usize,
    /// The line above and the line being decoded, each with one sample more at both ends.
    above: Vec<i32>,
    line: Vec<i32>,
    /// What the two gradients of the line above add to the context of each sample.
    regions: Vec<i32>,
    /// The region of every gradient from -T3 to T3, for the one that waits.
    own_regions: Vec<i8>,
}

impl<'a> Scan<'a> {
    fn new(data: &'a [u8], at: usize, coding: &'a Coding, columns: usize) -> Self {
        Self {
            bits: Bits::new(data, at),
            coding,
            contexts: Box::new([Context::new(coding); CONTEXTS]),
            runs: [RunContext::new(coding, 0), RunContext::new(coding, 1)],
            run_index: 0,
            columns,
            above: vec![0; columns + 2],
            line: vec![0; columns + 2],
            regions: vec![0; columns + 2],
            own_regions: (-coding.t3..=coding.t3).map(|gradient| coding.region(gradient) as i8).collect(),
        }
    }

    /// Begins anew behind the marker of the `number`-th restart (C.2.5).
    fn restart(&mut self, number: usize) -> Result<(), StreamError> {
        if !self.bits.restart((number % 8) as u8) {
            return Err(StreamError::Damaged("a restart marker is missing"));
        }
        self.contexts.fill(Context::new(self.coding));
        self.runs = [RunContext::new(self.coding, 0), RunContext::new(self.coding, 1)];
        self.run_index = 0;
        self.above.fill(0);
        self.line.fill(0);
        Ok(())
    }

    fn line<const LOSSLESS: bool>(&mut self) -> Result<(), StreamError> {
        std::mem::swap(&mut self.above, &mut self.line);
        let columns = self.columns;
        // Outside the image: d repeats the last sample above, a is the first sample above, and c is what a was for the
        // line above (A.2.1), which still stands there.
        self.above[columns + 1] = self.above[columns];
        self.line[0] = self.above[1];
        self.find_regions();
        let mut at = 1;
        while at <= columns {
            at = self.regular::<LOSSLESS>(at)?;
            if at <= columns {
                at = self.run(at)?;
            }
        }
        Ok(())
    }

    /// Regions of the gradients d - b and b - c of the whole line: they do not wait for the samples to its left.
    fn find_regions(&mut self) {
        let coding = self.coding.clone();
        for (to, w) in self.regions[1..].iter_mut().zip(self.above.windows(3)) {
            *to = 81 * coding.region(w[2] - w[1]) + 9 * coding.region(w[1] - w[0]);
        }
    }

    /// Regular mode from `at` on, until a sample where a run begins or the end of the line.
    #[inline(always)]
    fn regular<const LOSSLESS: bool>(&mut self, mut at: usize) -> Result<usize, StreamError> {
        let coding = self.coding;
        let columns = self.columns;
        let step = 2 * coding.near + 1;
        let escape = coding.limit - coding.qbpp - 1;
        let most = 2 * coding.range as u32;
        let (above, regions) = (&self.above[..columns + 2], &self.regions[..columns + 2]);
        let line = &mut self.line[..columns + 2];
        let mut bits = self.bits;
        let own_regions = &self.own_regions[..2 * coding.t3 as usize + 1];
        let contexts = &mut *self.contexts;
        let (mut a, mut c, mut b) = (line[at - 1], above[at - 1], above[at]);
        while at <= columns {
            let d = above[at + 1];
            let gradient = (c - a).clamp(-coding.t3, coding.t3);
            let region = regions[at] + i32::from(own_regions[(gradient + coding.t3) as usize]);
            if region == 0 {
                break;
            }
            // The sign of the three regions taken as one number is the sign of the first that is not 0 (A.3.4).
            let sign = region >> 31;
            let context = &mut contexts[region.unsigned_abs() as usize % CONTEXTS];
            let k = u32::from(context.k);
            let mapped = golomb(&mut bits, k, escape, coding.qbpp);
            if mapped > most {
                return Err(StreamError::Damaged("a prediction error out of bounds"));
            }
            let error = (mapped >> 1) as i32 ^ -((mapped & 1) as i32) ^ i32::from(context.flip);
            let correction = (i32::from(context.c) ^ sign) - sign;
            context.update(error, step, coding.reset);
            let predicted = (edge_predicted(a, b, c) + correction).clamp(0, coding.maxval);
            let sample = reconstructed::<LOSSLESS>(predicted, (error ^ sign) - sign, coding);
            line[at] = sample;
            (a, c, b) = (sample, b, d);
            at += 1;
        }
        self.bits = bits;
        Ok(at)
    }

    /// A run from `at` on and the sample that ends it; returns the column behind them (A.7).
    #[inline(never)]
    fn run(&mut self, at: usize) -> Result<usize, StreamError> {
        let columns = self.columns;
        let a = self.line[at - 1];
        let mut end = at;
        loop {
            let full = 1usize << RUN_BITS[self.run_index];
            if self.bits.take(1) == 0 {
                break;
            }
            let count = full.min(columns + 1 - end);
            end += count;
            if count == full {
                self.run_index = (self.run_index + 1).min(31);
            }
            if end > columns {
                break;
            }
        }
        if end <= columns {
            end += self.bits.take(RUN_BITS[self.run_index]) as usize;
            if end > columns {
                return Err(StreamError::Damaged("a run that leaves its line"));
            }
        }
        self.line[at..end].fill(a);
        if end > columns {
            return Ok(end);
        }
        self.line[end] = self.run_end(a, self.above[end])?;
        self.run_index = self.run_index.saturating_sub(1);
        Ok(end + 1)
    }

    /// The sample that ends a run, with `a` to its left and `b` above (A.7.2).
    fn run_end(&mut self, a: i32, b: i32) -> Result<i32, StreamError> {
        let coding = self.coding;
        let alike = (a - b).abs() <= coding.near;
        let context = &mut self.runs[usize::from(alike)];
        let k = context.k();
        let escape = (coding.limit - coding.qbpp).saturating_sub(RUN_BITS[self.run_index] + 2);
        let mapped = golomb(&mut self.bits, k, escape, coding.qbpp);
        if mapped > 2 * coding.range as u32 {
            return Err(StreamError::Damaged("a prediction error out of bounds"));
        }
        let error = context.error(mapped, k, coding.reset);
        Ok(if alike {
            reconstructed::<false>(a, error, coding)
        } else {
            reconstructed::<false>(b, if a > b { -error } else { error }, coding)
        })
    }
}

/// Median edge detector (A.4.1).
#[inline(always)]
fn edge_predicted(a: i32, b: i32, c: i32) -> i32 {
    let (low, high) = (a.min(b), a.max(b));
    // Equal to taking `low` for c >= high and `high` for c <= low.
    (a + b - c).clamp(low, high)
}

/// Prediction and error, modulo RANGE (A.4.5, A.8).
#[inline(always)]
fn reconstructed<const LOSSLESS: bool>(predicted: i32, error: i32, coding: &Coding) -> i32 {
    let near = if LOSSLESS { 0 } else { coding.near };
    let step = 2 * near + 1;
    let value = predicted + error * step;
    let turn = coding.range * step;
    let value = if value < -near {
        value + turn
    } else if value > coding.maxval + near {
        value - turn
    } else {
        value
    };
    value.clamp(0, coding.maxval)
}

/// A number in the limited Golomb code (A.5.3): as many zeros as its quotient, a one, k bits; or `escape` zeros, a one,
/// and the number less one in `qbpp` bits.
#[inline(always)]
fn golomb(bits: &mut Bits<'_, StuffedBit>, k: u32, escape: u32, qbpp: u32) -> u32 {
    bits.fill();
    let zeros = bits.peek().leading_zeros();
    let length = zeros + 1 + k;
    if zeros < escape && length <= bits.held() {
        // The one and what follows it, the one counting 2 to the power of k.
        let tail = (bits.peek() << zeros >> (63 - k)) as u32;
        bits.skip(length);
        return (zeros << k).wrapping_add(tail).wrapping_sub(1 << k);
    }
    let (after, value) = golomb_slowly(*bits, k, escape, qbpp);
    *bits = after;
    value
}

/// The same bit by bit. The reader goes in and out by value, so that its fields stay in registers elsewhere.
#[cold]
#[inline(never)]
fn golomb_slowly<'a>(mut bits: Bits<'a, StuffedBit>, k: u32, escape: u32, qbpp: u32) -> (Bits<'a, StuffedBit>, u32) {
    let mut zeros = 0;
    while bits.take(1) == 0 {
        zeros += 1;
        // Only damage goes on beyond.
        if zeros > escape {
            return (bits, u32::MAX);
        }
    }
    let value = if zeros < escape { (zeros << k) + bits.take(k) } else { bits.take(qbpp) + 1 };
    (bits, value)
}
