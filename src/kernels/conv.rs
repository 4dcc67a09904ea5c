//! Two-dimensional convolution of pictures whose channels lie last: the forward pass and the gradient of the input.
//!
//! Both are sums over the taps of a [`Gather`]: a tile of a few pixels times one or two vectors of output channels stays
//! in registers while the taps and input channels go by. A transposed convolution's forward pass is the other's gradient.
//! Called by `hook`; checked against loops in `tests`.

use super::gather::{Gather, Region, Scratch, Source};
use super::pack::{Order, Panels, pack};
use super::simd::{Isa, Simd, on_isa};
use super::winograd;
use rayon::prelude::*;
use std::cell::RefCell;

/// Numbers of a sum whose weights stay in the fastest cache while the pixels of a region go by.
pub(super) const BLOCK: usize = 320;
/// Products from which on threads share the work: below, waking them costs more than they bring.
pub(super) const SHARED_WORK: usize = 1 << 20;
/// Most pixels of a tile.
const MAX_ROWS: usize = 8;
/// Most channels of a panel.
const MAX_WIDTH: usize = 32;

/// Shapes of a convolution. Weights are `[out_channels][in_channels][kernel][kernel]`, pictures
/// `[image][row][column][channel]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub images: usize,
    pub in_channels: usize,
    pub in_size: [usize; 2],
    pub out_channels: usize,
    pub kernel: [usize; 2],
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
}

impl Shape {
    /// Rows and columns of the output; `None` where the kernel does not fit into the input.
    pub fn out_size(&self) -> Option<[usize; 2]> {
        let along = |axis: usize| {
            let reach = self.dilation * (self.kernel[axis] - 1) + 1;
            Some((self.in_size[axis] + 2 * self.padding).checked_sub(reach)? / self.stride + 1)
        };
        Some([along(0)?, along(1)?])
    }

    pub(super) fn taps(&self) -> Vec<[isize; 2]> {
        let at = |k: usize| (k * self.dilation) as isize - self.padding as isize;
        (0..self.kernel[0]).flat_map(|r| (0..self.kernel[1]).map(move |c| [at(r), at(c)])).collect()
    }

    pub(super) fn in_len(&self) -> usize {
        self.images * self.in_channels * self.in_size[0] * self.in_size[1]
    }

    pub(super) fn out_len(&self, [rows, columns]: [usize; 2]) -> usize {
        self.images * self.out_channels * rows * columns
    }

    pub(super) fn weight_len(&self) -> usize {
        self.out_channels * self.in_channels * self.kernel[0] * self.kernel[1]
    }
}

/// Where the pixels of a [`Gather`] go: every `step`th row and column from `first` of a picture.
struct Target {
    values: SharedMut,
    size: [usize; 2],
    step: usize,
    first: [usize; 2],
    channels: usize,
}

/// A pointer that threads share to write disjoint pixels.
#[derive(Clone, Copy)]
pub(super) struct SharedMut(pub(super) *mut f32);

// SAFETY: each region and panel writes its own numbers.
unsafe impl Send for SharedMut {}
// SAFETY: as above.
unsafe impl Sync for SharedMut {}

thread_local! {
    pub(super) static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// The output of a convolution.
///
/// # Panics
/// When a length does not belong to `shape`.
pub fn forward(isa: Isa, shape: &Shape, x: Source, weights: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let size = shape.out_size().unwrap_or([0; 2]);
    assert_eq!(x.channels(), shape.in_channels);
    assert_eq!(weights.len(), shape.weight_len());
    if let Some(isa) = winograd::pays(isa, shape, Some(&x)) {
        return winograd::forward(isa, shape, x, weights, bias, false);
    }
    let taps = shape.taps();
    let places: Vec<usize> = (0..taps.len()).collect();
    let order =
        Order { strides: [shape.in_channels * taps.len(), taps.len()], taps: &places, inputs: shape.in_channels };
    let isa = isa.for_channels(shape.out_channels);
    let panels = Panels::new(shape.out_channels, isa);
    let packed = pack(weights, &order, panels);
    let mut out = uninit(shape.out_len(size));
    let gather = Gather { source: x, images: shape.images, size: shape.in_size, stride: shape.stride, taps, out: size };
    let target =
        Target { values: SharedMut(out.as_mut_ptr()), size, step: 1, first: [0; 2], channels: shape.out_channels };
    run(isa, &gather, &packed, panels, bias, &target);
    out
}

/// The gradient of a convolution's input from that of its output, or the output of the transposed convolution, which
/// may have a bias.
///
/// # Panics
/// When a length does not belong to `shape`.
pub fn backward_input(isa: Isa, shape: &Shape, dy: &[f32], weights: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let out_size = shape.out_size().unwrap_or([0; 2]);
    assert_eq!(dy.len(), shape.out_len(out_size));
    assert_eq!(weights.len(), shape.weight_len());
    if let Some(isa) = winograd::pays(isa, shape, None) {
        let turned = Shape {
            in_channels: shape.out_channels,
            in_size: out_size,
            out_channels: shape.in_channels,
            padding: 2 * shape.dilation - shape.padding,
            ..*shape
        };
        return winograd::forward(isa, &turned, Source::one(dy, shape.out_channels), weights, bias, true);
    }
    let isa = isa.for_channels(shape.in_channels);
    let panels = Panels::new(shape.in_channels, isa);
    let kernel = shape.kernel[0] * shape.kernel[1];
    let stride = shape.stride as isize;
    let mut dx = uninit(shape.in_len());
    let values = SharedMut(dx.as_mut_ptr());
    for first in (0..shape.stride).flat_map(|r| (0..shape.stride).map(move |c| [r, c])) {
        // Input row `first + stride * t` was seen from output row `t + (first + padding - k * dilation) / stride`, where
        // that is whole.
        let mut taps: Vec<([isize; 2], usize)> = Vec::new();
        for (place, tap) in shape.taps().iter().enumerate() {
            let from = [first[0] as isize - tap[0], first[1] as isize - tap[1]];
            if from.iter().all(|v| v.rem_euclid(stride) == 0) {
                taps.push((from.map(|v| v.div_euclid(stride)), place));
            }
        }
        taps.sort_unstable();
        let along = |axis: usize| shape.in_size[axis].saturating_sub(first[axis]).div_ceil(shape.stride);
        let out = [along(0), along(1)];
        let target = Target { values, size: shape.in_size, step: shape.stride, first, channels: shape.in_channels };
        if taps.is_empty() {
            fill(&target, shape.images, out, bias);
            continue;
        }
        let (taps, places): (Vec<_>, Vec<_>) = taps.into_iter().unzip();
        let order = Order { strides: [kernel, shape.in_channels * kernel], taps: &places, inputs: shape.out_channels };
        let packed = pack(weights, &order, panels);
        let source = Source::one(dy, shape.out_channels);
        let gather = Gather { source, images: shape.images, size: out_size, stride: 1, taps, out };
        run(isa, &gather, &packed, panels, bias, &target);
    }
    dx
}

/// A vector whose numbers are all written before they are read.
pub(super) fn uninit(len: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(len);
    // SAFETY: any bits are a number, and every kernel writes all of its output.
    #[allow(clippy::uninit_vec, reason = "written in full by the caller")]
    unsafe {
        values.set_len(len);
    }
    values
}

/// Bias or 0 where no tap reaches.
fn fill(target: &Target, images: usize, [rows, columns]: [usize; 2], bias: Option<&[f32]>) {
    for n in 0..images {
        for pixel in (0..rows).flat_map(|r| (0..columns).map(move |c| [r, c])) {
            // SAFETY: a pixel of the target.
            let to = unsafe {
                std::slice::from_raw_parts_mut(target.values.0.wrapping_add(target.at(n, pixel)), target.channels)
            };
            match bias {
                Some(bias) => to.copy_from_slice(bias),
                None => to.fill(0.0),
            }
        }
    }
}

impl Target {
    fn at(&self, image: usize, [row, column]: [usize; 2]) -> usize {
        let row = image * self.size[0] + self.first[0] + row * self.step;
        (row * self.size[1] + self.first[1] + column * self.step) * self.channels
    }
}

fn run(isa: Isa, gather: &Gather, packed: &[f32], panels: Panels, bias: Option<&[f32]>, target: &Target) {
    let regions = gather.regions();
    // Few pixels and many channels: the channels are shared out too.
    let groups = if regions.len() >= 8 { 1 } else { panels.count().min(8 / regions.len().max(1)).max(1) };
    let each = panels.count().div_ceil(groups);
    let work = gather.out[0] * gather.out[1] * gather.images * gather.depth() * panels.channels;
    let task = |index: usize| {
        let (region, group) = (&regions[index / groups], index % groups);
        let range = (group * each).min(panels.count())..((group + 1) * each).min(panels.count());
        SCRATCH
            .with_borrow_mut(|scratch| one_region(isa, gather, region, scratch, packed, panels, range, bias, target));
    };
    if work < SHARED_WORK {
        (0..regions.len() * groups).for_each(task);
    } else {
        (0..regions.len() * groups).into_par_iter().for_each(task);
    }
}

#[allow(clippy::too_many_arguments, reason = "one call")]
fn one_region(
    isa: Isa,
    gather: &Gather,
    region: &Region,
    scratch: &mut Scratch,
    packed: &[f32],
    panels: Panels,
    range: std::ops::Range<usize>,
    bias: Option<&[f32]>,
    target: &Target,
) {
    let source = gather.place(region, scratch, 0);
    let mut outs = Vec::with_capacity(scratch.bases.len());
    for n in region.images.clone() {
        for r in region.rows.clone() {
            let row = target.at(n, [r, region.columns.start]);
            outs.extend((0..region.columns.len()).map(|c| row + c * target.step * target.channels));
        }
    }
    let depth = gather.depth();
    let mut done = 0;
    // Blocks of runs whose weights fit into the fastest cache.
    let mut block: Vec<(usize, usize)> = Vec::new();
    let mut rest = scratch.runs.iter().copied().peekable();
    let mut half: Option<(usize, usize)> = None;
    while done < depth {
        block.clear();
        let mut length = 0;
        while length < BLOCK {
            let Some((from, run)) = half.take().or_else(|| rest.next()) else { break };
            let take = run.min(BLOCK - length);
            // Nothing is gained from a short rest.
            let take = if run - take < 32 && run < BLOCK { run } else { take };
            block.push((from, take));
            length += take;
            if take < run {
                half = Some((from + take, run - take));
            }
        }
        for index in range.clone() {
            let panel = panels.get(index);
            let at = depth * panel.first + done * panel.width;
            let weights = packed[at..at + length * panel.width].as_ptr();
            let start = match (done, bias) {
                (0, Some(bias)) => Start::From(bias[panel.first..panel.first + panel.channels].as_ptr()),
                (0, None) => Start::Zero,
                _ => Start::Add,
            };
            let job = Job {
                source,
                runs: &block,
                weights,
                start,
                out: target.values.0,
                first: panel.first,
                channels: panel.channels,
            };
            // SAFETY: `place` and `outs` describe the region's own numbers; the kind is the processor's.
            unsafe { sweep(isa, &job, &scratch.bases, &outs, panel.width) };
        }
        done += length;
    }
}

/// What the sums start with.
#[derive(Clone, Copy)]
pub(super) enum Start {
    Zero,
    From(*const f32),
    Add,
}

pub(super) struct Job<'a> {
    pub source: *const f32,
    pub runs: &'a [(usize, usize)],
    pub weights: *const f32,
    pub start: Start,
    pub out: *mut f32,
    pub first: usize,
    pub channels: usize,
}

on_isa! {
    pub(super) unsafe fn sweep => sweep_in(job: &Job, bases: &[usize], outs: &[usize], width: usize)
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "compiled for each kind of vectors")]
unsafe fn sweep_in<S: Simd>(job: &Job, bases: &[usize], outs: &[usize], width: usize) {
    unsafe {
        if width == S::LANES {
            tiles::<S, 8, 1>(job, bases, outs);
        } else if S::LANES == 16 {
            tiles::<S, 8, 2>(job, bases, outs);
        } else {
            tiles::<S, 6, 2>(job, bases, outs);
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_range_loop, reason = "compiled for each kind of vectors")]
unsafe fn tiles<S: Simd, const ROWS: usize, const VECTORS: usize>(job: &Job, bases: &[usize], outs: &[usize]) {
    let width = VECTORS * S::LANES;
    let mut spare = [0.0f32; MAX_ROWS * MAX_WIDTH];
    let mut start = [0.0f32; MAX_WIDTH];
    if let Start::From(bias) = job.start {
        // SAFETY: the panel has that many channels.
        unsafe { std::ptr::copy_nonoverlapping(bias, start.as_mut_ptr(), job.channels) };
    }
    let add = matches!(job.start, Start::Add);
    let whole = job.channels == width;
    let mut done = 0;
    while done < bases.len() {
        let here = (bases.len() - done).min(ROWS);
        // SAFETY: places of the region; what lies beyond it goes to `spare`.
        unsafe {
            let mut from = [job.source; ROWS];
            let mut to = [spare.as_mut_ptr(); ROWS];
            for r in 0..ROWS {
                let pixel = done + if r < here { r } else { 0 };
                from[r] = job.source.wrapping_add(*bases.get_unchecked(pixel));
                let true_place = job.out.wrapping_add(*outs.get_unchecked(pixel) + job.first);
                to[r] = if whole && r < here { true_place } else { spare.as_mut_ptr().wrapping_add(r * width) };
                if !whole && add && r < here {
                    std::ptr::copy_nonoverlapping(true_place, to[r], job.channels);
                }
            }
            tile::<S, ROWS, VECTORS>(&from, job.runs, job.weights, add, &start, &to);
            if !whole {
                for r in 0..here {
                    let place = job.out.wrapping_add(*outs.get_unchecked(done + r) + job.first);
                    std::ptr::copy_nonoverlapping(to[r], place, job.channels);
                }
            }
        }
        done += ROWS;
    }
}

/// `ROWS` pixels times `VECTORS` vectors of channels.
#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_range_loop, reason = "registers, by index")]
unsafe fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(
    from: &[*const f32; ROWS],
    runs: &[(usize, usize)],
    mut weights: *const f32,
    add: bool,
    start: &[f32; MAX_WIDTH],
    to: &[*mut f32; ROWS],
) {
    unsafe {
        let mut sums = [[S::zero(); VECTORS]; ROWS];
        for r in 0..ROWS {
            for v in 0..VECTORS {
                let at = if add { to[r].cast_const() } else { start.as_ptr() };
                sums[r][v] = S::load(at.wrapping_add(v * S::LANES));
            }
        }
        for &(place, length) in runs {
            let mut k = place;
            let end = place + length;
            while k < end {
                let mut w = [S::zero(); VECTORS];
                for v in 0..VECTORS {
                    w[v] = S::load(weights.wrapping_add(v * S::LANES));
                }
                for r in 0..ROWS {
                    let x = S::splat_at(from[r].wrapping_add(k));
                    for v in 0..VECTORS {
                        sums[r][v] = S::fma(x, w[v], sums[r][v]);
                    }
                }
                weights = weights.wrapping_add(VECTORS * S::LANES);
                k = k.wrapping_add(1);
            }
        }
        for r in 0..ROWS {
            for v in 0..VECTORS {
                S::store(to[r].wrapping_add(v * S::LANES), sums[r][v]);
            }
        }
    }
}
