//! Parameters of a JPEG-LS scan and the statistics of its contexts (ITU-T T.87 annex A and C.2.4.1). Private to
//! `jpegls`.

use super::super::StreamError;

/// Values of an LSE segment; 0 stands for the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Preset {
    pub maxval: i32,
    pub t1: i32,
    pub t2: i32,
    pub t3: i32,
    pub reset: i32,
}

/// What all lines of a scan are coded with, named as in A.1 and A.2.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Coding {
    pub maxval: i32,
    pub near: i32,
    pub t1: i32,
    pub t2: i32,
    pub t3: i32,
    pub reset: u32,
    pub range: i32,
    pub qbpp: u32,
    pub limit: u32,
}

impl Coding {
    /// For samples of `bits` bits.
    ///
    /// # Errors
    /// [`StreamError::Damaged`] when the parameters break the bounds that the standard sets them.
    pub fn new(bits: u16, near: i32, preset: &Preset) -> Result<Self, StreamError> {
        let damaged = StreamError::Damaged("parameters out of bounds");
        if !(2..=16).contains(&bits) {
            return Err(StreamError::Damaged("bits per sample"));
        }
        let most = (1 << bits) - 1;
        let maxval = if preset.maxval == 0 { most } else { preset.maxval };
        if maxval > most || near > 255.min(maxval / 2) {
            return Err(damaged);
        }
        let [d1, d2, d3] = default_thresholds(maxval, near);
        let or = |value: i32, default: i32| if value == 0 { default } else { value };
        let (t1, t2, t3) = (or(preset.t1, d1), or(preset.t2, d2), or(preset.t3, d3));
        let reset = or(preset.reset, 64);
        if t1 <= near || t2 < t1 || t3 < t2 || t3 > maxval || !(3..=maxval.max(255)).contains(&reset) {
            return Err(damaged);
        }
        let range = (maxval + 2 * near) / (2 * near + 1) + 1;
        // Bits that hold any value below the argument.
        let bits_below = |n: i32| (n - 1).ilog2() + 1;
        let bpp = bits_below(maxval + 1).max(2);
        Ok(Self {
            maxval,
            near,
            t1,
            t2,
            t3,
            reset: reset as u32,
            range,
            qbpp: bits_below(range),
            limit: 2 * (bpp + bpp.max(8)),
        })
    }

    /// The region of a gradient, -4 to 4 (A.3.3).
    #[inline(always)]
    pub fn region(&self, gradient: i32) -> i32 {
        let at_least = |bound: i32| i32::from(gradient >= bound) - i32::from(gradient <= -bound);
        at_least(self.near + 1) + at_least(self.t1) + at_least(self.t2) + at_least(self.t3)
    }

    /// The first value of A in every context (A.2.1).
    fn first_a(&self) -> u32 {
        ((self.range as u32 + 32) >> 6).max(2)
    }
}

/// Thresholds where none are given (C.2.4.1.1.1).
fn default_thresholds(maxval: i32, near: i32) -> [i32; 3] {
    let clamp = |value: i32, low: i32| if value > maxval || value < low { low } else { value };
    let [t1, t2, t3] = if maxval >= 128 {
        let factor = (maxval.min(4095) + 128) / 256;
        [factor + 2 + 3 * near, 4 * factor + 3 + 5 * near, 17 * factor + 4 + 7 * near]
    } else {
        let factor = 256 / (maxval + 1);
        [(3 / factor + 3 * near).max(2), (7 / factor + 5 * near).max(3), (21 / factor + 7 * near).max(4)]
    };
    let t1 = clamp(t1, near + 1);
    let t2 = clamp(t2, t1);
    [t1, t2, clamp(t3, t2)]
}

/// Statistics of one context of the regular mode, with what follows from them ready for its next sample.
#[derive(Debug, Clone, Copy)]
#[repr(align(16))]
pub(super) struct Context {
    a: u32,
    b: i32,
    /// The correction of the prediction.
    pub c: i16,
    n: u16,
    /// The Golomb parameter.
    pub k: u8,
    /// -1 when the mapping of errors is turned round (A.5.2), else 0.
    pub flip: i8,
}

/// Golomb parameters beyond this only come from damage.
const MOST_K: u32 = 24;

/// The smallest k for which n << k is at least a.
#[inline(always)]
fn golomb_parameter(n: u32, a: u32) -> u32 {
    let k = n.leading_zeros().saturating_sub(a.leading_zeros());
    (k + u32::from(n << k < a)).min(MOST_K)
}

impl Context {
    pub fn new(coding: &Coding) -> Self {
        let mut context = Self { a: coding.first_a(), b: 0, c: 0, n: 1, k: 0, flip: 0 };
        context.prepare(coding.near == 0);
        context
    }

    #[inline(always)]
    fn prepare(&mut self, lossless: bool) {
        let n = u32::from(self.n);
        self.k = golomb_parameter(n, self.a) as u8;
        self.flip = -i8::from(lossless && self.k == 0 && 2 * self.b <= -i32::from(self.n));
    }

    /// Takes in a prediction error (A.6); `step` is 2 NEAR + 1.
    #[inline(always)]
    pub fn update(&mut self, error: i32, step: i32, reset: u32) {
        let mut n = i32::from(self.n);
        let mut b = self.b + error * step;
        let mut a = self.a.wrapping_add(error.unsigned_abs());
        if self.n as u32 == reset {
            a >>= 1;
            // A.6.1 halves a negative B in its own way: what is lost is rounded away from zero.
            b = if b >= 0 { b >> 1 } else { -((1 - b) >> 1) };
            n >>= 1;
        }
        n += 1;
        if b <= -n {
            b = (b + n).max(1 - n);
            self.c = (self.c - 1).max(-128);
        } else if b > 0 {
            b = (b - n).min(0);
            self.c = (self.c + 1).min(127);
        }
        (self.a, self.b, self.n) = (a, b, n as u16);
        self.prepare(step == 1);
    }
}

/// Statistics of the sample that ends a run (A.7.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct RunContext {
    a: u32,
    n: u32,
    negative: u32,
    /// RItype: 1 where the samples left and above agree.
    kind: u32,
}

impl RunContext {
    pub fn new(coding: &Coding, kind: u32) -> Self {
        Self { a: coding.first_a(), n: 1, negative: 0, kind }
    }

    pub fn k(&self) -> u32 {
        golomb_parameter(self.n, self.a.wrapping_add(self.kind * (self.n >> 1)))
    }

    /// The error that `mapped` stands for, and takes it in.
    pub fn error(&mut self, mapped: u32, k: u32, reset: u32) -> i32 {
        let whole = mapped + self.kind;
        let magnitude = whole.div_ceil(2);
        let is_negative = magnitude > 0 && (k != 0 || 2 * self.negative >= self.n) == (whole % 2 == 1);
        self.negative += u32::from(is_negative);
        self.a = self.a.wrapping_add((mapped + 1 - self.kind) >> 1);
        if self.n == reset {
            self.a >>= 1;
            self.n >>= 1;
            self.negative >>= 1;
        }
        self.n += 1;
        if is_negative { -(magnitude as i32) } else { magnitude as i32 }
    }
}
