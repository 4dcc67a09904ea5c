//! Batch normalisation of pictures whose channels lie last, with the rectifier behind it in the same pass.
//!
//! Sums are made over a number of parts that depends on the shape alone, and in double precision across blocks, so
//! that they come out the same with any number of threads. Called by `hook`.

use super::conv::uninit;
use super::simd::{Isa, Simd, on_isa};
use rayon::prelude::*;

/// Parts of the pixels that are worked on by themselves.
const PARTS: usize = 16;
/// Numbers of a block, which is read more than once.
const BLOCK: usize = 4096;
/// Numbers below which threads cost more than they bring.
const FEW: usize = 1 << 17;

/// The kind of vectors that divides the channels, or none.
fn vectors(isa: Isa, channels: usize) -> Option<Isa> {
    let isa = isa.for_channels(channels);
    if channels.is_multiple_of(isa.lanes()) {
        return Some(isa);
    }
    let narrow = isa.for_channels(0);
    channels.is_multiple_of(narrow.lanes()).then_some(narrow)
}

/// Numbers of a part: whole pixels, and whole blocks of them.
fn part_len(len: usize, channels: usize) -> usize {
    (len / channels).div_ceil(PARTS).max(1) * channels
}

fn block_len(channels: usize) -> usize {
    (BLOCK / channels).max(8) * channels
}

/// Mean and biased variance of each channel.
pub fn statistics(isa: Isa, x: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let kind = vectors(isa, channels);
    let part = |part: &[f32]| {
        // Count, mean and sum of squared distances, joined as by Chan, Golub and LeVeque, 1979.
        let (mut count, mut mean, mut square) = (0.0f64, vec![0.0f64; channels], vec![0.0f64; channels]);
        let (mut sum, mut centre, mut spread) =
            (vec![0.0f32; channels], vec![0.0f32; channels], vec![0.0f32; channels]);
        for block in part.chunks(block_len(channels)) {
            let n = (block.len() / channels) as f64;
            // SAFETY: the kind divides the channels and is the processor's.
            unsafe {
                match kind {
                    Some(kind) => block_sums(kind, block, channels, &mut sum, &mut centre, &mut spread),
                    None => scalar_sums(block, channels, &mut sum, &mut centre, &mut spread),
                }
            }
            for c in 0..channels {
                let (own, delta) = (f64::from(centre[c]), f64::from(centre[c]) - mean[c]);
                // What the block's mean lost in rounding.
                let lost = f64::from(sum[c]) - own * n;
                square[c] += f64::from(spread[c]) - lost * lost / n + delta * delta * count * n / (count + n);
                mean[c] += (delta + lost / n) * n / (count + n);
            }
            count += n;
        }
        (count, mean, square)
    };
    let parts: Vec<_> = if x.len() < FEW {
        x.chunks(part_len(x.len(), channels)).map(part).collect()
    } else {
        x.par_chunks(part_len(x.len(), channels)).map(part).collect()
    };
    let (mut count, mut mean, mut square) = (0.0f64, vec![0.0f64; channels], vec![0.0f64; channels]);
    for (n, means, squares) in parts {
        for c in 0..channels {
            let delta = means[c] - mean[c];
            square[c] += squares[c] + delta * delta * count * n / (count + n);
            mean[c] += delta * n / (count + n);
        }
        count += n;
    }
    let mean = mean.iter().map(|m| *m as f32).collect();
    (mean, square.iter().map(|s| (s / count.max(1.0)).max(0.0) as f32).collect())
}

fn scalar_sums(block: &[f32], channels: usize, sum: &mut [f32], centre: &mut [f32], spread: &mut [f32]) {
    let n = (block.len() / channels) as f32;
    sum.fill(0.0);
    spread.fill(0.0);
    for pixel in block.chunks_exact(channels) {
        for (s, v) in sum.iter_mut().zip(pixel) {
            *s += v;
        }
    }
    for (m, s) in centre.iter_mut().zip(sum.iter()) {
        *m = s / n;
    }
    for pixel in block.chunks_exact(channels) {
        for ((q, m), v) in spread.iter_mut().zip(centre.iter()).zip(pixel) {
            *q += (v - m) * (v - m);
        }
    }
}

on_isa! {
    /// Sum, mean and sum of squared distances from that mean of a block's channels.
    unsafe fn block_sums => block_sums_in(block: &[f32], channels: usize, sum: &mut [f32], centre: &mut [f32], spread: &mut [f32])
}

#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_range_loop, reason = "compiled for each kind of vectors")]
unsafe fn block_sums_in<S: Simd>(
    block: &[f32],
    channels: usize,
    sum: &mut [f32],
    centre: &mut [f32],
    spread: &mut [f32],
) {
    let pixels = block.len() / channels;
    // SAFETY: whole vectors of whole pixels.
    unsafe {
        let n = S::splat(1.0 / pixels as f32);
        for first in (0..channels).step_by(S::LANES) {
            let start = block.as_ptr().wrapping_add(first);
            let mut sums = [S::zero(); 4];
            let mut p = 0;
            while p < pixels {
                let four = if p + 4 <= pixels { 4 } else { 1 };
                for k in 0..four {
                    sums[k] = S::add(sums[k], S::load(start.wrapping_add((p + k) * channels)));
                }
                p += four;
            }
            let all = total::<S>(sums);
            let mean = S::mul(all, n);
            let mut squares = [S::zero(); 4];
            let mut p = 0;
            while p < pixels {
                let four = if p + 4 <= pixels { 4 } else { 1 };
                for k in 0..four {
                    let d = S::sub(S::load(start.wrapping_add((p + k) * channels)), mean);
                    squares[k] = S::fma(d, d, squares[k]);
                }
                p += four;
            }
            S::store(sum.as_mut_ptr().wrapping_add(first), all);
            S::store(centre.as_mut_ptr().wrapping_add(first), mean);
            S::store(spread.as_mut_ptr().wrapping_add(first), total::<S>(squares));
        }
    }
}

/// Four sums, which hide the time that an addition takes, in one.
#[inline(always)]
#[allow(clippy::inline_always, reason = "compiled for each kind of vectors")]
unsafe fn total<S: Simd>(four: [S::V; 4]) -> S::V {
    unsafe { S::add(S::add(four[0], four[1]), S::add(four[2], four[3])) }
}

/// `x * scale + shift` a channel, cut off below 0 where `rectified`.
pub fn scaled(isa: Isa, x: &[f32], scale: &[f32], shift: &[f32], rectified: bool) -> Vec<f32> {
    let mut out = uninit(x.len());
    let piece = part_len(x.len(), scale.len());
    let work = |(x, out): (&[f32], &mut [f32])| {
        // SAFETY: the pieces are of equal length.
        unsafe { apply(isa, x.as_ptr(), out.as_mut_ptr(), x.len(), scale, shift, rectified) };
    };
    if x.len() < FEW {
        work((x, &mut out));
    } else {
        x.par_chunks(piece).zip(out.par_chunks_mut(piece)).for_each(work);
    }
    out
}

/// [`scaled`] in place.
pub fn scale(isa: Isa, x: &mut [f32], scale: &[f32], shift: &[f32], rectified: bool) {
    let piece = part_len(x.len(), scale.len());
    let work = |x: &mut [f32]| {
        let at = x.as_mut_ptr();
        // SAFETY: each number is read before it is written.
        unsafe { apply(isa, at, at, x.len(), scale, shift, rectified) };
    };
    if x.len() < FEW {
        work(x);
    } else {
        x.par_chunks_mut(piece).for_each(work);
    }
}

unsafe fn apply(isa: Isa, x: *const f32, out: *mut f32, len: usize, scale: &[f32], shift: &[f32], rectified: bool) {
    unsafe {
        match vectors(isa, scale.len()) {
            Some(kind) => apply_vectors(kind, x, out, len, scale, shift, rectified),
            None => {
                for i in 0..len {
                    let c = i % scale.len();
                    let y = *x.wrapping_add(i) * scale[c] + shift[c];
                    *out.wrapping_add(i) = if rectified && y <= 0.0 { 0.0 } else { y };
                }
            }
        }
    }
}

on_isa! {
    unsafe fn apply_vectors => apply_in(x: *const f32, out: *mut f32, len: usize, scale: &[f32], shift: &[f32], rectified: bool)
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "compiled for each kind of vectors")]
unsafe fn apply_in<S: Simd>(x: *const f32, out: *mut f32, len: usize, scale: &[f32], shift: &[f32], rectified: bool) {
    let channels = scale.len();
    // SAFETY: whole vectors of whole pixels.
    unsafe {
        let mut pixel = 0;
        while pixel < len {
            let mut c = 0;
            while c < channels {
                let (a, b) = (S::load(scale.as_ptr().wrapping_add(c)), S::load(shift.as_ptr().wrapping_add(c)));
                let y = S::fma(S::load(x.wrapping_add(pixel + c)), a, b);
                S::store(out.wrapping_add(pixel + c), if rectified { S::max(S::zero(), y) } else { y });
                c += S::LANES;
            }
            pixel += channels;
        }
    }
}

/// What the gradient of a normalisation needs of its forward pass.
#[derive(Debug, Clone)]
pub struct Normalised {
    pub mean: Vec<f32>,
    /// 1 / sqrt(variance + epsilon).
    pub inverse: Vec<f32>,
    /// `weight * inverse`, and `bias - mean * scale`: the output is `x * scale + shift`.
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
    pub rectified: bool,
    /// Whether mean and variance are those of `x` itself, and so depend on it.
    pub own: bool,
}

impl Normalised {
    /// From statistics (`own`: of the picture itself) and parameters.
    pub fn new(
        [mean, variance]: [&[f32]; 2],
        [weight, bias]: [&[f32]; 2],
        epsilon: f64,
        rectified: bool,
        own: bool,
    ) -> Self {
        let inverse: Vec<f32> = variance.iter().map(|v| (1.0 / (f64::from(*v) + epsilon).sqrt()) as f32).collect();
        let scale: Vec<f32> = weight.iter().zip(&inverse).map(|(w, i)| w * i).collect();
        let shift = bias.iter().zip(mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Self { mean: mean.to_vec(), inverse, scale, shift, rectified, own }
    }

    /// Turns the gradient `dy` of the output into that of the input `x`; gives the gradients of weight and bias.
    pub fn backward(&self, isa: Isa, x: &[f32], dy: &mut [f32]) -> (Vec<f32>, Vec<f32>) {
        let channels = self.scale.len();
        let (len, count) = (part_len(x.len(), channels), (x.len() / channels).max(1) as f64);
        let kind = vectors(isa, channels);
        let part = |(x, dy): (&[f32], &[f32])| {
            let mut total = vec![0.0f64; 2 * channels];
            let mut sums = vec![0.0f32; 2 * channels];
            for (x, dy) in x.chunks(block_len(channels)).zip(dy.chunks(block_len(channels))) {
                // SAFETY: as many numbers of both.
                unsafe {
                    match kind {
                        Some(kind) => gradient_sums(kind, x, dy, self, &mut sums),
                        None => self.scalar_gradient_sums(x, dy, &mut sums),
                    }
                }
                for (t, s) in total.iter_mut().zip(&sums) {
                    *t += f64::from(*s);
                }
            }
            total
        };
        let parts: Vec<Vec<f64>> = if x.len() < FEW {
            x.chunks(len).zip(dy.chunks(len)).map(part).collect()
        } else {
            x.par_chunks(len).zip(dy.par_chunks(len)).map(part).collect()
        };
        let mut total = vec![0.0f64; 2 * channels];
        for part in parts {
            for (t, s) in total.iter_mut().zip(part) {
                *t += s;
            }
        }
        let (plain, moved) = total.split_at(channels);
        let inverse = |c: usize| f64::from(self.inverse[c]);
        // dx = scale * (g - sum(g) / n - (x - mean) * inverse^2 * sum(g * (x - mean)) / n)
        let mut slopes = vec![0.0f32; channels];
        let mut levels = vec![0.0f32; channels];
        for c in 0..if self.own { channels } else { 0 } {
            let scale = f64::from(self.scale[c]);
            slopes[c] = (-scale * inverse(c) * inverse(c) * moved[c] / count) as f32;
            levels[c] = (-scale * plain[c] / count) as f32;
        }
        let work = |(x, dy): (&[f32], &mut [f32])| {
            // SAFETY: as many numbers of both.
            unsafe {
                match kind {
                    Some(kind) => gradient(kind, x, dy, self, &slopes, &levels),
                    None => self.scalar_gradient(x, dy, &slopes, &levels),
                }
            }
        };
        if x.len() < FEW {
            work((x, dy));
        } else {
            x.par_chunks(len).zip(dy.par_chunks_mut(len)).for_each(work);
        }
        let weight = (0..channels).map(|c| (moved[c] * inverse(c)) as f32).collect();
        (weight, plain.iter().map(|v| *v as f32).collect())
    }

    fn passes(&self, x: f32, c: usize) -> bool {
        !self.rectified || x * self.scale[c] + self.shift[c] > 0.0
    }

    fn scalar_gradient_sums(&self, x: &[f32], dy: &[f32], sums: &mut [f32]) {
        let channels = self.scale.len();
        sums.fill(0.0);
        for (i, (x, g)) in x.iter().zip(dy).enumerate() {
            let c = i % channels;
            if self.passes(*x, c) {
                sums[c] += g;
                sums[channels + c] += g * (x - self.mean[c]);
            }
        }
    }

    fn scalar_gradient(&self, x: &[f32], dy: &mut [f32], slopes: &[f32], levels: &[f32]) {
        for (i, (x, g)) in x.iter().zip(dy).enumerate() {
            let c = i % self.scale.len();
            let own = if self.passes(*x, c) { *g } else { 0.0 };
            *g = own * self.scale[c] + (x - self.mean[c]) * slopes[c] + levels[c];
        }
    }
}

on_isa! {
    /// Sums of the gradient, and of the gradient times the distance from the mean.
    unsafe fn gradient_sums => gradient_sums_in(x: &[f32], dy: &[f32], norm: &Normalised, sums: &mut [f32])
}

#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_range_loop, reason = "compiled for each kind of vectors")]
unsafe fn gradient_sums_in<S: Simd>(x: &[f32], dy: &[f32], norm: &Normalised, sums: &mut [f32]) {
    let channels = norm.scale.len();
    let pixels = x.len() / channels;
    // SAFETY: whole vectors of whole pixels.
    unsafe {
        for first in (0..channels).step_by(S::LANES) {
            let (x, dy) = (x.as_ptr().wrapping_add(first), dy.as_ptr().wrapping_add(first));
            let scale = S::load(norm.scale.as_ptr().wrapping_add(first));
            let shift = S::load(norm.shift.as_ptr().wrapping_add(first));
            let mean = S::load(norm.mean.as_ptr().wrapping_add(first));
            let (mut plain, mut moved) = ([S::zero(); 4], [S::zero(); 4]);
            let mut p = 0;
            while p < pixels {
                let four = if p + 4 <= pixels { 4 } else { 1 };
                for k in 0..four {
                    let at = (p + k) * channels;
                    let (value, mut g) = (S::load(x.wrapping_add(at)), S::load(dy.wrapping_add(at)));
                    if norm.rectified {
                        g = S::where_positive(S::fma(value, scale, shift), g);
                    }
                    plain[k] = S::add(plain[k], g);
                    moved[k] = S::fma(g, S::sub(value, mean), moved[k]);
                }
                p += four;
            }
            S::store(sums.as_mut_ptr().wrapping_add(first), total::<S>(plain));
            S::store(sums.as_mut_ptr().wrapping_add(channels + first), total::<S>(moved));
        }
    }
}

on_isa! {
    unsafe fn gradient => gradient_in(x: &[f32], dy: &mut [f32], norm: &Normalised, slopes: &[f32], levels: &[f32])
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "compiled for each kind of vectors")]
unsafe fn gradient_in<S: Simd>(x: &[f32], dy: &mut [f32], norm: &Normalised, slopes: &[f32], levels: &[f32]) {
    let channels = norm.scale.len();
    let (x, dy, len) = (x.as_ptr(), dy.as_mut_ptr(), x.len());
    // SAFETY: whole vectors of whole pixels.
    unsafe {
        let mut pixel = 0;
        while pixel < len {
            let mut c = 0;
            while c < channels {
                let (value, mut g) = (S::load(x.wrapping_add(pixel + c)), S::load(dy.wrapping_add(pixel + c)));
                let scale = S::load(norm.scale.as_ptr().wrapping_add(c));
                if norm.rectified {
                    let shift = S::load(norm.shift.as_ptr().wrapping_add(c));
                    g = S::where_positive(S::fma(value, scale, shift), g);
                }
                let mean = S::load(norm.mean.as_ptr().wrapping_add(c));
                let slope = S::load(slopes.as_ptr().wrapping_add(c));
                let level = S::fma(S::sub(value, mean), slope, S::load(levels.as_ptr().wrapping_add(c)));
                S::store(dy.wrapping_add(pixel + c), S::fma(g, scale, level));
                c += S::LANES;
            }
            pixel += channels;
        }
    }
}
