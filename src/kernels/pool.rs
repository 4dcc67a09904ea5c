//! The largest value of each window of pictures whose channels lie last, and its gradient. Called by `hook`.

use super::conv::uninit;
use super::simd::{Isa, Simd, on_isa};
use rayon::prelude::*;

/// Square windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Windows {
    /// Rows and columns of the output.
    pub fn out_size(&self, size: [usize; 2]) -> [usize; 2] {
        size.map(|n| ((n + 2 * self.padding).saturating_sub(self.kernel)) / self.stride + 1)
    }

    /// Rows or columns of the input that an output's window has, and the first one's place in the window.
    fn window(&self, out: usize, size: usize) -> (std::ops::Range<usize>, usize) {
        let start = (out * self.stride) as isize - self.padding as isize;
        let from = start.max(0) as usize;
        let end = ((start + self.kernel as isize).max(0) as usize).min(size);
        (from..end, (from as isize - start) as usize)
    }
}

/// The largest values, and for each the place in its window (row by row) that it came from; the first of equals.
pub fn max_pool(isa: Isa, x: &[f32], channels: usize, size: [usize; 2], windows: Windows) -> (Vec<f32>, Vec<u8>) {
    let [height, width] = size;
    let [rows, columns] = windows.out_size(size);
    let images = x.len() / (height * width * channels).max(1);
    let mut out = uninit(images * rows * columns * channels);
    let mut from = vec![0u8; out.len()];
    let line = (columns * channels).max(1);
    out.par_chunks_mut(line).zip(from.par_chunks_mut(line)).enumerate().for_each(|(index, (out, from))| {
        let (image, row) = (index / rows, index % rows);
        let (down, skipped) = windows.window(row, height);
        for column in 0..columns {
            let (across, left_out) = windows.window(column, width);
            let place = column * channels..(column + 1) * channels;
            let (out, from) = (&mut out[place.clone()], &mut from[place]);
            out.fill(f32::NEG_INFINITY);
            for (r, y) in down.clone().enumerate() {
                for (c, column) in across.clone().enumerate() {
                    let at = ((image * height + y) * width + column) * channels;
                    let code = ((r + skipped) * windows.kernel + c + left_out) as u8;
                    // SAFETY: the kind is the processor's.
                    unsafe { larger(isa, &x[at..at + channels], out, from, code) };
                }
            }
        }
    });
    (out, from)
}

on_isa! {
    unsafe fn larger => larger_in(x: &[f32], best: &mut [f32], from: &mut [u8], code: u8)
}

#[inline(always)]
#[allow(clippy::inline_always, clippy::extra_unused_type_parameters, reason = "compiled for each kind of vectors")]
unsafe fn larger_in<S: Simd>(x: &[f32], best: &mut [f32], from: &mut [u8], code: u8) {
    for ((x, best), from) in x.iter().zip(best).zip(from) {
        let more = *x > *best || x.is_nan();
        *best = if more { *x } else { *best };
        *from = if more { code } else { *from };
    }
}

/// The gradient of the input from that of the output and the places that [`max_pool`] gave.
pub fn max_pool_backward(dy: &[f32], from: &[u8], channels: usize, size: [usize; 2], windows: Windows) -> Vec<f32> {
    let [height, width] = size;
    let [rows, columns] = windows.out_size(size);
    let image = (height * width * channels).max(1);
    let images = dy.len() / (rows * columns * channels).max(1);
    let mut dx = vec![0.0f32; images * image];
    // Bands of input rows: each looks at all windows that reach into it, so that no two threads write one row.
    let band = if windows.kernel <= windows.stride { windows.stride * 4 } else { windows.stride * 8 };
    let pieces: Vec<(usize, usize, &mut [f32])> = dx
        .chunks_mut(image)
        .enumerate()
        .flat_map(|(n, picture)| {
            picture.chunks_mut(band * width * channels).enumerate().map(move |(b, rows)| (n, b * band, rows))
        })
        .collect();
    let kernel = windows.kernel as isize;
    let steps: Vec<usize> = (0..windows.kernel * windows.kernel)
        .map(|code| (code / windows.kernel * width + code % windows.kernel) * channels)
        .collect();
    pieces.into_par_iter().for_each(|(n, top, dx)| {
        let bottom = top + dx.len() / (width * channels);
        let first = (top + windows.padding + 1).saturating_sub(windows.kernel).div_ceil(windows.stride);
        let last = ((bottom + windows.padding).div_ceil(windows.stride)).min(rows);
        for row in first..last {
            let start = (row * windows.stride) as isize - windows.padding as isize;
            for column in 0..columns {
                let left = (column * windows.stride) as isize - windows.padding as isize;
                let at = ((n * rows + row) * columns + column) * channels;
                let own = dy[at..at + channels].iter().zip(&from[at..at + channels]).enumerate();
                let whole = start >= top as isize && start + kernel <= bottom as isize;
                if whole && left >= 0 && left + kernel <= width as isize {
                    let corner = ((start as usize - top) * width + left as usize) * channels;
                    for (c, (g, code)) in own {
                        dx[corner + steps[usize::from(*code)] + c] += g;
                    }
                    continue;
                }
                for (c, (g, code)) in own {
                    let y = start + isize::from(*code) / kernel;
                    let x = left + isize::from(*code) % kernel;
                    if y >= top as isize && y < bottom as isize && x >= 0 && x < width as isize {
                        dx[((y as usize - top) * width + x as usize) * channels + c] += g;
                    }
                }
            }
        }
    });
    dx
}
