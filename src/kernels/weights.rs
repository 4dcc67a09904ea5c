//! The gradient of a convolution's weights, for pictures whose channels lie last.
//!
//! A tile of a few numbers of the source times one or two vectors of output channels stays in registers while the pixels
//! of a region go by. Sums over pixels are made in an order that depends on the shape alone, never on the number of
//! threads. Called by `hook`.

use super::conv::{SCRATCH, SHARED_WORK, Shape, uninit};
use super::gather::{Gather, Region, Source};
use super::pack::{Order, Panels, unpack};
use super::simd::{Isa, Simd, on_isa};
use super::winograd;
use rayon::prelude::*;

/// Most numbers of the source in a tile.
const MAX_ROWS: usize = 12;
/// Pixels that go by before a tile leaves its registers.
const STRETCH: usize = 128;
/// Weights from which on threads share channels and not pixels.
pub(super) const MANY_WEIGHTS: usize = 1 << 15;
/// Parts of the pixels that are summed up by themselves.
const PARTS: usize = 16;

/// The gradient of the weights of `shape` from its input and the gradient of its output.
///
/// # Panics
/// When a length does not belong to `shape`.
pub fn backward_weights(isa: Isa, shape: &Shape, x: Source, dy: &[f32]) -> Vec<f32> {
    let size = shape.out_size().unwrap_or([0; 2]);
    assert_eq!(dy.len(), shape.out_len(size));
    if let Some(isa) = winograd::pays(isa, shape, Some(&x)) {
        return winograd::backward_weights(isa, shape, x, dy);
    }
    let taps = shape.taps();
    let places: Vec<usize> = (0..taps.len()).collect();
    let order =
        Order { strides: [shape.in_channels * taps.len(), taps.len()], taps: &places, inputs: shape.in_channels };
    let isa = isa.for_channels(shape.out_channels);
    let panels = Panels::new(shape.out_channels, isa);
    let gather = Gather { source: x, images: shape.images, size: shape.in_size, stride: shape.stride, taps, out: size };
    let packed = sums(isa, &gather, dy, panels);
    let mut out = vec![0.0; shape.weight_len()];
    unpack(&packed, &order, panels, &mut out);
    out
}

fn sums(isa: Isa, gather: &Gather, dy: &[f32], panels: Panels) -> Vec<f32> {
    let regions = gather.regions();
    let depth = gather.depth();
    let length = depth * panels.padded();
    if regions.is_empty() {
        return vec![0.0; length];
    }
    let span = depth * 2 * panels.lanes;
    if length >= MANY_WEIGHTS {
        let mut out = vec![0.0; length];
        let each = panels.count().div_ceil((2 * rayon::current_num_threads()).min(panels.count()));
        out.par_chunks_mut(span * each).enumerate().for_each(|(group, out)| {
            for region in &regions {
                let first = group * each;
                add_region(isa, gather, region, dy, panels, first..first + out.len().div_ceil(span), out);
            }
        });
        return out;
    }
    let parts: Vec<&[Region]> = regions.chunks(regions.len().div_ceil(PARTS)).collect();
    let mut partial = vec![0.0; length * parts.len()];
    let work = |(part, out): (&[Region], &mut [f32])| {
        for region in part {
            add_region(isa, gather, region, dy, panels, 0..panels.count(), out);
        }
    };
    if gather.out[0] * gather.out[1] * gather.images * length < SHARED_WORK {
        parts.into_iter().zip(partial.chunks_mut(length)).for_each(work);
    } else {
        parts.into_par_iter().zip(partial.par_chunks_mut(length)).for_each(work);
    }
    let (first, others) = partial.split_at_mut(length);
    for other in others.chunks(length) {
        for (sum, value) in first.iter_mut().zip(other) {
            *sum += value;
        }
    }
    partial.truncate(length);
    partial
}

/// Adds what the pixels of a region give to the panels of `range`.
fn add_region(
    isa: Isa,
    gather: &Gather,
    region: &Region,
    dy: &[f32],
    panels: Panels,
    range: std::ops::Range<usize>,
    out: &mut [f32],
) {
    SCRATCH.with_borrow_mut(|scratch| {
        let source = gather.place(region, scratch, MAX_ROWS);
        let mut places = Vec::with_capacity(scratch.bases.len());
        for n in region.images.clone() {
            for r in region.rows.clone() {
                let row = ((n * gather.out[0] + r) * gather.out[1] + region.columns.start) * panels.channels;
                places.extend((0..region.columns.len()).map(|c| row + c * panels.channels));
            }
        }
        let depth = gather.depth();
        let mut lines: Vec<f32> = Vec::new();
        for start in (0..places.len()).step_by(STRETCH) {
            let end = (start + STRETCH).min(places.len());
            let mut at = 0;
            for index in range.clone() {
                let panel = panels.get(index);
                let (mut values, mut pitch) = (dy.as_ptr(), &places[start..end]);
                let own: Vec<usize>;
                if panel.channels < panel.width || panels.channels > 64 {
                    // Side by side, so that they do not push each other out of the cache, and none is missing.
                    lines.clear();
                    for place in pitch {
                        let from = place + panel.first;
                        lines.extend_from_slice(&dy[from..from + panel.channels]);
                        lines.resize(lines.len() + panel.width - panel.channels, 0.0);
                    }
                    own = (0..pitch.len()).map(|p| p * panel.width).collect();
                    (values, pitch) = (lines.as_ptr(), &own);
                } else {
                    values = values.wrapping_add(panel.first);
                }
                let job =
                    Job { source, runs: &scratch.runs, values, out: out[at..at + depth * panel.width].as_mut_ptr() };
                // SAFETY: `place` and `places` describe numbers of the region; the kind is the processor's.
                unsafe { sweep(isa, &job, &scratch.bases[start..end], pitch, panel.width) };
                at += depth * panel.width;
            }
        }
    });
}

pub(super) struct Job<'a> {
    pub source: *const f32,
    pub runs: &'a [(usize, usize)],
    pub values: *const f32,
    pub out: *mut f32,
}

on_isa! {
    pub(super) unsafe fn sweep => sweep_in(job: &Job, bases: &[usize], places: &[usize], width: usize)
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "compiled for each kind of vectors")]
unsafe fn sweep_in<S: Simd>(job: &Job, bases: &[usize], places: &[usize], width: usize) {
    unsafe {
        if width == S::LANES {
            tiles::<S, 12, 1>(job, bases, places);
        } else if S::LANES == 16 {
            tiles::<S, 12, 2>(job, bases, places);
        } else {
            tiles::<S, 6, 2>(job, bases, places);
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_range_loop, reason = "registers, by index")]
unsafe fn tiles<S: Simd, const ROWS: usize, const VECTORS: usize>(job: &Job, bases: &[usize], places: &[usize]) {
    let width = VECTORS * S::LANES;
    let mut line = 0;
    for &(place, length) in job.runs {
        let mut done = 0;
        while done < length {
            let here = (length - done).min(ROWS);
            // SAFETY: rows beyond the run are read from the slack of the region and not kept.
            unsafe {
                let out = job.out.wrapping_add((line + done) * width);
                let mut sums = [[S::zero(); VECTORS]; ROWS];
                for (base, at) in bases.iter().zip(places) {
                    let x = job.source.wrapping_add(base + place + done);
                    let y = job.values.wrapping_add(*at);
                    let mut g = [S::zero(); VECTORS];
                    for v in 0..VECTORS {
                        g[v] = S::load(y.wrapping_add(v * S::LANES));
                    }
                    for r in 0..ROWS {
                        let x = S::splat_at(x.wrapping_add(r));
                        for v in 0..VECTORS {
                            sums[r][v] = S::fma(x, g[v], sums[r][v]);
                        }
                    }
                }
                for r in 0..ROWS {
                    if r < here {
                        for v in 0..VECTORS {
                            let to = out.wrapping_add(r * width + v * S::LANES);
                            S::store(to, S::add(S::load(to), sums[r][v]));
                        }
                    }
                }
            }
            done += ROWS;
        }
        line += length;
    }
}

/// The gradient of a bias: the sum over all pixels of each channel.
pub fn backward_bias(dy: &[f32], channels: usize) -> Vec<f32> {
    let piece = (dy.len() / channels.max(1)).div_ceil(PARTS).max(1) * channels;
    let mut sums: Vec<f64> = vec![0.0; channels];
    let partial: Vec<Vec<f64>> = dy
        .par_chunks(piece.max(1))
        .map(|part| {
            let mut total = vec![0.0f64; channels];
            let mut sum = vec![0.0f32; channels];
            for some in part.chunks(256 * channels) {
                sum.fill(0.0);
                for pixel in some.chunks_exact(channels) {
                    for (s, v) in sum.iter_mut().zip(pixel) {
                        *s += v;
                    }
                }
                for (t, s) in total.iter_mut().zip(&sum) {
                    *t += f64::from(*s);
                }
            }
            total
        })
        .collect();
    for part in &partial {
        for (s, v) in sums.iter_mut().zip(part) {
            *s += v;
        }
    }
    let mut out = uninit(channels);
    for (o, s) in out.iter_mut().zip(&sums) {
        *o = *s as f32;
    }
    out
}
