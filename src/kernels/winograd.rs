//! 3 x 3 convolutions of stride 1, dilated or not, with fewer multiplications: F(2 x 2, 3 x 3) of Winograd's minimal filtering (Lavin and
//! Gray, "Fast Algorithms for Convolutional Neural Networks", 2016).
//!
//! A tile of 4 x 4 source pixels and a kernel become 16 numbers each, which are multiplied in place of the 36 products that
//! 2 x 2 output pixels need; sums over channels are matrix products on the tiles of `conv` and `weights`, which choose
//! between both ways by [`pays`]. The error is that of the direct sum times about 2.

use super::conv::{self, Shape, SharedMut, Start, uninit};
use super::gather::Source;
use super::pack::{Panel, Panels};
use super::simd::Isa;
use super::transforms::{input, kernel, kernel_gradient, output, outward};
use super::weights;
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;

/// Numbers of a transformed tile.
const POINTS: usize = 16;
/// Bytes that the transformed tiles of a region should not exceed.
const REGION_BYTES: usize = 320 << 10;
/// Tiles that a region should have at least, so that the kernels' numbers are read for many.
const REGION_TILES: usize = 24;
/// Parts of the tiles whose weight gradients are summed up by themselves.
const PARTS: usize = 16;

/// Whether this way is the faster one for a shape, and can be taken.
pub fn pays(isa: Isa, shape: &Shape, source: Option<&Source>) -> Option<Isa> {
    let isa = isa.for_channels(shape.in_channels.min(shape.out_channels));
    let divides = |isa: Isa| {
        let lanes = isa.lanes();
        let parts = source.is_none_or(|s| s.first_channels.is_multiple_of(lanes));
        parts && shape.in_channels.is_multiple_of(lanes) && shape.out_channels.is_multiple_of(lanes)
    };
    let narrow = isa.for_channels(0);
    let kind = [isa, narrow].into_iter().find(|kind| divides(*kind))?;
    let [rows, columns] = shape.out_size()?;
    let fits = shape.kernel == [3, 3] && shape.stride == 1 && shape.padding <= 2 * shape.dilation;
    let enough = shape.images * rows * columns >= 128 && shape.in_channels >= 16 && shape.out_channels >= 16;
    (fits && enough).then_some(kind)
}

/// Tiles of 2 x 2 output pixels, `dilation` rows and columns apart.
struct Tiles {
    images: usize,
    in_size: [usize; 2],
    out_size: [usize; 2],
    padding: usize,
    dilation: usize,
    /// First rows and first columns of tiles.
    starts: [Vec<usize>; 2],
}

/// A tile's image, and its first row and column of output.
#[derive(Clone, Copy)]
struct Tile {
    image: usize,
    row: usize,
    column: usize,
}

impl Tiles {
    fn new(shape: &Shape, out_size: [usize; 2]) -> Self {
        let Shape { images, in_size, padding, dilation, .. } = *shape;
        // A dilated convolution is one on each of the interleaved pictures of every `dilation`th row and column.
        let starts = out_size.map(|n| (0..dilation).flat_map(|first| (first..n).step_by(2 * dilation)).collect());
        Self { images, in_size, out_size, padding, dilation, starts }
    }

    fn count(&self) -> usize {
        self.images * self.starts[0].len() * self.starts[1].len()
    }

    fn get(&self, index: usize) -> Tile {
        let [rows, columns] = &self.starts;
        let (line, column) = (index / columns.len(), index % columns.len());
        Tile { image: line / rows.len(), row: rows[line % rows.len()], column: columns[column] }
    }

    /// Ranges of tiles whose transformed numbers fit into the cache.
    fn regions(&self, channels: usize) -> Vec<Range<usize>> {
        let fit = REGION_BYTES / (4 * POINTS * channels);
        let each = fit.clamp(REGION_TILES, 96) / 24 * 24;
        (0..self.count()).step_by(each).map(|a| a..(a + each).min(self.count())).collect()
    }
}

#[derive(Default)]
struct Buffers {
    source: Vec<f32>,
    product: Vec<f32>,
    patch: Vec<f32>,
    bases: Vec<usize>,
    outs: Vec<usize>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers::default());
}

fn sized(values: &mut Vec<f32>, len: usize) {
    if values.len() < len {
        values.resize(len, 0.0);
    }
}

/// The output of the convolution of `shape`; `flipped` makes it the gradient of the input of the convolution whose
/// weights these are.
pub fn forward(isa: Isa, shape: &Shape, x: Source, w: &[f32], bias: Option<&[f32]>, flipped: bool) -> Vec<f32> {
    let out_size = shape.out_size().unwrap_or([0; 2]);
    let (inputs, outputs) = (shape.in_channels, shape.out_channels);
    let panels = Panels::new(outputs, isa);
    let kernels = transformed(isa, w, inputs, panels, flipped);
    let tiles = Tiles::new(shape, out_size);
    let mut out = uninit(shape.out_len(out_size));
    let to = SharedMut(out.as_mut_ptr());
    let plane = inputs * panels.padded();
    let to = &to;
    let region = |range: Range<usize>| {
        BUFFERS.with_borrow_mut(|b| {
            let count = range.len();
            sized(&mut b.source, POINTS * count * inputs);
            sized(&mut b.product, POINTS * count * outputs);
            // SAFETY: buffers of the size that the kernels are told; tiles write disjoint pixels.
            unsafe {
                gather(isa, &tiles, range.clone(), &x, &mut b.patch, b.source.as_mut_ptr());
                b.bases.clear();
                b.bases.extend((0..count).map(|t| t * inputs));
                b.outs.clear();
                b.outs.extend((0..count).map(|t| t * outputs));
                for point in 0..POINTS {
                    let source = b.source.as_ptr().wrapping_add(point * count * inputs);
                    let product = b.product.as_mut_ptr().wrapping_add(point * count * outputs);
                    for index in 0..panels.count() {
                        let panel = panels.get(index);
                        product_of(
                            isa,
                            source,
                            product,
                            &kernels[point * plane..][..plane],
                            panel,
                            inputs,
                            &b.bases,
                            &b.outs,
                        );
                    }
                }
                scatter(isa, &tiles, range, b.product.as_ptr(), outputs, bias, to.0);
            }
        });
    };
    let regions = tiles.regions(inputs + outputs);
    if POINTS * tiles.count() * inputs * outputs < conv::SHARED_WORK {
        regions.into_iter().for_each(region);
    } else {
        regions.into_par_iter().for_each(region);
    }
    out
}

/// One point's product for one panel, in blocks whose kernels stay in the fastest cache.
#[allow(clippy::too_many_arguments, reason = "one call")]
unsafe fn product_of(
    isa: Isa,
    source: *const f32,
    product: *mut f32,
    kernels: &[f32],
    panel: Panel,
    inputs: usize,
    bases: &[usize],
    outs: &[usize],
) {
    let mut done = 0;
    while done < inputs {
        let length = (inputs - done).min(conv::BLOCK);
        let at = inputs * panel.first + done * panel.width;
        let job = conv::Job {
            source,
            runs: &[(done, length)],
            weights: kernels[at..at + length * panel.width].as_ptr(),
            start: if done == 0 { Start::Zero } else { Start::Add },
            out: product,
            first: panel.first,
            channels: panel.channels,
        };
        // SAFETY: the caller's.
        unsafe { conv::sweep(isa, &job, bases, outs, panel.width) };
        done += length;
    }
}

/// `[o][i][3][3]` to 16 matrices `[panel][i][channel of the panel]`.
fn transformed(isa: Isa, w: &[f32], inputs: usize, panels: Panels, flipped: bool) -> Vec<f32> {
    let plane = inputs * panels.padded();
    let mut out = uninit(POINTS * plane);
    let to = SharedMut(out.as_mut_ptr());
    // Output and input channels trade places in the gradient of the input.
    let [o, i] = if flipped { [9, panels.channels * 9] } else { [inputs * 9, 9] };
    let to = &to;
    (0..panels.count()).into_par_iter().for_each(|index| {
        let panel = panels.get(index);
        let mut taps = [0.0f32; 9 * 32];
        for input in 0..inputs {
            for c in 0..panel.channels {
                let from = &w[(panel.first + c) * o + input * i..][..9];
                for (tap, value) in from.iter().enumerate() {
                    let tap = if flipped { 8 - tap } else { tap };
                    taps[tap * panel.width + c] = *value;
                }
            }
            let at = inputs * panel.first + input * panel.width;
            // SAFETY: this panel's and input's own numbers of each matrix.
            unsafe { kernel(isa, taps.as_ptr(), panel.width, to.0.wrapping_add(at), plane) };
        }
    });
    out
}

/// `B' d B` of the tiles of a range: `[point][tile][channel]`.
unsafe fn gather(isa: Isa, tiles: &Tiles, range: Range<usize>, x: &Source, patch: &mut Vec<f32>, out: *mut f32) {
    let channels = x.channels();
    let plane = range.len() * channels;
    let [height, width] = tiles.in_size;
    let parts = [Some((x.first, x.first_channels)), x.second];
    for (t, index) in range.enumerate() {
        let tile = tiles.get(index);
        let top = tile.row as isize - tiles.padding as isize;
        let left = tile.column as isize - tiles.padding as isize;
        let step = tiles.dilation;
        let reach = 3 * step + 1;
        let inside = top >= 0 && left >= 0 && top as usize + reach <= height && left as usize + reach <= width;
        let mut first = 0;
        for (values, own) in parts.iter().flatten() {
            // SAFETY: the patch lies in the source, or in a copy with zeros around it.
            unsafe {
                let to = out.wrapping_add(t * channels + first);
                if inside {
                    let at = ((tile.image * height + top as usize) * width + left as usize) * own;
                    input(isa, values[at..].as_ptr(), step * width * own, step * own, *own, to, plane);
                } else {
                    patch.clear();
                    patch.resize(POINTS * own, 0.0);
                    for (p, to) in patch.chunks_exact_mut(*own).enumerate() {
                        let (y, z) = (top + (p / 4 * step) as isize, left + (p % 4 * step) as isize);
                        if y >= 0 && z >= 0 && (y as usize) < height && (z as usize) < width {
                            let at = ((tile.image * height + y as usize) * width + z as usize) * own;
                            to.copy_from_slice(&values[at..at + own]);
                        }
                    }
                    input(isa, patch.as_ptr(), 4 * own, *own, *own, to, plane);
                }
            }
            first += own;
        }
    }
}

/// `A' m A` of the tiles of a range to their output pixels.
unsafe fn scatter(
    isa: Isa,
    tiles: &Tiles,
    range: Range<usize>,
    product: *const f32,
    channels: usize,
    bias: Option<&[f32]>,
    out: *mut f32,
) {
    let plane = range.len() * channels;
    let [height, width] = tiles.out_size;
    for (t, index) in range.enumerate() {
        let tile = tiles.get(index);
        let at = ((tile.image * height + tile.row) * width + tile.column) * channels;
        let step = tiles.dilation;
        let whole = [tile.row + step < height, tile.column + step < width];
        let steps = [step * width * channels, step * channels];
        let bias = bias.map_or(std::ptr::null(), <[f32]>::as_ptr);
        // SAFETY: this tile's own pixels.
        unsafe {
            output(isa, product.wrapping_add(t * channels), plane, channels, bias, out.wrapping_add(at), steps, whole)
        };
    }
}

/// The gradient of the weights.
pub fn backward_weights(isa: Isa, shape: &Shape, x: Source, dy: &[f32]) -> Vec<f32> {
    let out_size = shape.out_size().unwrap_or([0; 2]);
    let (inputs, outputs) = (shape.in_channels, shape.out_channels);
    let panels = Panels::new(outputs, isa);
    let tiles = Tiles::new(shape, out_size);
    let regions = tiles.regions(inputs + outputs);
    let length = POINTS * inputs * panels.padded();
    let span = POINTS * inputs * 2 * panels.lanes;
    let mut sums = vec![0.0f32; length];
    if length >= weights::MANY_WEIGHTS {
        // Threads share the output channels.
        let each = panels.count().div_ceil((2 * rayon::current_num_threads()).min(panels.count()));
        sums.par_chunks_mut(span * each).enumerate().for_each(|(group, out)| {
            let range = group * each..((group + 1) * each).min(panels.count());
            for region in &regions {
                add_region(isa, &tiles, region.clone(), &x, dy, panels, range.clone(), out);
            }
        });
    } else {
        let parts: Vec<_> = regions.chunks(regions.len().div_ceil(PARTS)).collect();
        let mut partial = vec![0.0f32; length * parts.len()];
        parts.into_par_iter().zip(partial.par_chunks_mut(length)).for_each(|(part, out)| {
            for region in part {
                add_region(isa, &tiles, region.clone(), &x, dy, panels, 0..panels.count(), out);
            }
        });
        for part in partial.chunks(length) {
            for (sum, value) in sums.iter_mut().zip(part) {
                *sum += value;
            }
        }
    }
    let mut out = vec![0.0f32; shape.weight_len()];
    let to = SharedMut(out.as_mut_ptr());
    let to = &to;
    sums.par_chunks(span).enumerate().for_each(|(index, sums)| {
        let panel = panels.get(index);
        let plane = inputs * panel.width;
        let mut taps = [0.0f32; 9 * 32];
        for input in 0..inputs {
            // SAFETY: this panel's and input's own numbers.
            unsafe {
                kernel_gradient(isa, sums[input * panel.width..].as_ptr(), plane, panel.width, taps.as_mut_ptr());
                for c in 0..panel.channels {
                    let at = ((panel.first + c) * inputs + input) * 9;
                    for tap in 0..9 {
                        *to.0.wrapping_add(at + tap) = taps[tap * panel.width + c];
                    }
                }
            }
        }
    });
    out
}

/// Adds what the tiles of a region give to the matrices `[panel][point][i][channel of the panel]` of some panels.
#[allow(clippy::too_many_arguments, reason = "one call")]
fn add_region(
    isa: Isa,
    tiles: &Tiles,
    region: Range<usize>,
    x: &Source,
    dy: &[f32],
    panels: Panels,
    range: Range<usize>,
    out: &mut [f32],
) {
    let inputs = x.channels();
    let count = region.len();
    BUFFERS.with_borrow_mut(|b| {
        sized(&mut b.source, POINTS * count * inputs + 16);
        sized(&mut b.product, POINTS * count * 2 * panels.lanes);
        // SAFETY: buffers of the size that the kernels are told.
        unsafe { gather(isa, tiles, region.clone(), x, &mut b.patch, b.source.as_mut_ptr()) };
        b.bases.clear();
        b.bases.extend((0..count).map(|t| t * inputs));
        let mut done = 0;
        for index in range {
            let panel = panels.get(index);
            // SAFETY: as above.
            unsafe { spread(isa, tiles, region.clone(), dy, panels.channels, panel, b.product.as_mut_ptr()) };
            b.outs.clear();
            b.outs.extend((0..count).map(|t| t * panel.width));
            for point in 0..POINTS {
                let job = weights::Job {
                    source: b.source[point * count * inputs..].as_ptr(),
                    runs: &[(0, inputs)],
                    values: b.product[point * count * panel.width..].as_ptr(),
                    out: out[done..done + inputs * panel.width].as_mut_ptr(),
                };
                // SAFETY: as above; rows beyond the last are read from the slack and not kept.
                unsafe { weights::sweep(isa, &job, &b.bases, &b.outs, panel.width) };
                done += inputs * panel.width;
            }
        }
    });
}

/// `A dy A'` of the tiles of a range for one panel: `[point][tile][channel of the panel]`.
unsafe fn spread(
    isa: Isa,
    tiles: &Tiles,
    range: Range<usize>,
    dy: &[f32],
    channels: usize,
    panel: Panel,
    out: *mut f32,
) {
    let plane = range.len() * panel.width;
    let [height, width] = tiles.out_size;
    let zeros = [0.0f32; 32];
    for (t, index) in range.enumerate() {
        let tile = tiles.get(index);
        let at = |r: usize, c: usize| {
            let (row, column) = (tile.row + r * tiles.dilation, tile.column + c * tiles.dilation);
            if row >= height || column >= width {
                return zeros.as_ptr();
            }
            let at = ((tile.image * height + row) * width + column) * channels + panel.first;
            dy[at..at + panel.width].as_ptr()
        };
        let from = [at(0, 0), at(0, 1), at(1, 0), at(1, 1)];
        // SAFETY: a panel of each pixel, which is whole because vectors divide the channels.
        unsafe { outward(isa, from, panel.width, out.wrapping_add(t * panel.width), plane) };
    }
}
