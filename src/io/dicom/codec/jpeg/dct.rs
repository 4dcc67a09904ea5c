//! Blocks of coefficients and the inverse cosine transform (ITU-T T.81 A.3). Private to `jpeg`.

use std::f64::consts::PI;

/// Samples along the side of a block.
pub(super) const SIDE: usize = 8;
/// Samples, and coefficients, of a block.
pub(super) const AREA: usize = SIDE * SIDE;

/// Where the coefficients of a block lie, row by row, in the order they are coded in (figure A.6).
pub(super) const ZIGZAG: [u8; AREA] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// Puts a block's samples, whose left column is `left`, into a strip of lines; what lies outside is dropped.
pub(super) fn place(samples: &[u16; AREA], strip: &mut [u16], columns: usize, left: usize) {
    for (line, row) in strip.chunks_mut(columns).zip(samples.chunks_exact(SIDE)) {
        let line = &mut line[left..columns.min(left + SIDE)];
        line.copy_from_slice(&row[..line.len()]);
    }
}

/// The inverse cosine transform (A.3.3), along columns and then rows, each folded into its even and odd half.
pub(super) struct Transform {
    /// By frequency and place: what the even frequencies 0, 2, 4, 6 add to places 0 to 3.
    even: [[f32; 4]; 4],
    /// The same of 1, 3, 5, 7.
    odd: [[f32; 4]; 4],
    /// Half the range of the samples, which the encoder took off.
    middle: f32,
    highest: f32,
}

impl Transform {
    /// For samples of `bits` bits.
    pub fn new(bits: u16) -> Self {
        let weight = |frequency: usize, place: usize| {
            let scale = if frequency == 0 { 8f64.sqrt().recip() } else { 0.5 };
            (scale * ((2 * place + 1) as f64 * frequency as f64 * PI / 16.0).cos()) as f32
        };
        let half = |first: usize| std::array::from_fn(|n| std::array::from_fn(|place| weight(2 * n + first, place)));
        let range = f32::from(1u16 << bits);
        Self { even: half(0), odd: half(1), middle: range / 2.0, highest: range - 1.0 }
    }

    /// Eight transforms at once: `of(frequency)` are eight coefficients, what comes back are eight values by place.
    #[inline(always)]
    fn along(&self, of: impl Fn(usize) -> [f32; SIDE]) -> [[f32; SIDE]; SIDE] {
        let mut out = [[0.0; SIDE]; SIDE];
        for place in 0..4 {
            let (mut even, mut odd) = ([0.0; SIDE], [0.0; SIDE]);
            for n in 0..4 {
                let (coefficients, weight) = (of(2 * n), self.even[n][place]);
                (0..SIDE).for_each(|lane| even[lane] += coefficients[lane] * weight);
                let (coefficients, weight) = (of(2 * n + 1), self.odd[n][place]);
                (0..SIDE).for_each(|lane| odd[lane] += coefficients[lane] * weight);
            }
            for lane in 0..SIDE {
                out[place][lane] = even[lane] + odd[lane];
                out[SIDE - 1 - place][lane] = even[lane] - odd[lane];
            }
        }
        out
    }

    /// Samples of a block from its coefficients, which are multiplied by their steps and lie row by row.
    pub fn samples(&self, block: &[f32; AREA]) -> [u16; AREA] {
        let rows = block.as_chunks::<SIDE>().0;
        let columns = self.along(|frequency| rows[frequency]);
        let places = self.along(|frequency| columns.map(|row| row[frequency]));
        // `as` cuts the fraction off.
        let sample = |value: f32| (value + self.middle + 0.5).clamp(0.0, self.highest) as u16;
        std::array::from_fn(|n| sample(places[n % SIDE][n / SIDE]))
    }
}
