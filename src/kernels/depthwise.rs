//! Convolutions with one kernel a channel, stride 1, and linear maps along rows and columns (bilinear interpolation), for
//! pictures whose channels lie last. Called by `operations`.

use super::elementwise::{add_product, add_scaled};
use super::simd::Isa;
use rayon::prelude::*;

/// Parts of the rows whose weight gradients are summed up by themselves.
const PARTS: usize = 16;

/// Shapes of a depthwise convolution that keeps the size or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depthwise {
    pub images: usize,
    pub channels: usize,
    pub in_size: [usize; 2],
    pub out_size: [usize; 2],
    /// Rows and columns of the kernel.
    pub kernel: usize,
    pub padding: usize,
    pub dilation: usize,
}

impl Depthwise {
    /// Source place of an output place at tap `k`, if it is inside.
    fn source(&self, out: usize, k: usize, axis: usize) -> Option<usize> {
        (out + k * self.dilation).checked_sub(self.padding).filter(|at| *at < self.in_size[axis])
    }

    /// Output place that saw a source place at tap `k`, if there is one.
    fn seen(&self, source: usize, k: usize, axis: usize) -> Option<usize> {
        (source + self.padding).checked_sub(k * self.dilation).filter(|at| *at < self.out_size[axis])
    }

    /// `[channel][tap]` to `[tap][channel]`.
    fn by_tap(&self, weights: &[f32]) -> Vec<f32> {
        let taps = self.kernel * self.kernel;
        (0..taps).flat_map(|t| weights.iter().skip(t).step_by(taps)).copied().collect()
    }

    /// Sums over taps of `from` at each pixel of `size`; `place` gives the pixel a tap reads.
    fn sums(
        &self,
        isa: Isa,
        from: &[f32],
        from_size: [usize; 2],
        size: [usize; 2],
        weights: &[f32],
        place: impl Fn(usize, usize, usize) -> Option<usize> + Sync,
    ) -> Vec<f32> {
        let (c, k) = (self.channels, self.kernel);
        let weights = self.by_tap(weights);
        let mut out = vec![0.0f32; self.images * size[0] * size[1] * c];
        out.par_chunks_mut((size[1] * c).max(1)).enumerate().for_each(|(line, out)| {
            let (image, row) = (line / size[0], line % size[0]);
            for kr in 0..k {
                let Some(y) = place(row, kr, 0) else { continue };
                let from = &from[(image * from_size[0] + y) * from_size[1] * c..][..from_size[1] * c];
                for (column, out) in out.chunks_exact_mut(c).enumerate() {
                    for kc in 0..k {
                        let Some(x) = place(column, kc, 1) else { continue };
                        let tap = (kr * k + kc) * c;
                        add_product(isa, out, &from[x * c..(x + 1) * c], &weights[tap..tap + c]);
                    }
                }
            }
        });
        out
    }

    /// The output; weights are `[channel][1][kernel][kernel]`.
    pub fn forward(&self, isa: Isa, x: &[f32], weights: &[f32]) -> Vec<f32> {
        self.sums(isa, x, self.in_size, self.out_size, weights, |out, k, axis| self.source(out, k, axis))
    }

    /// The gradient of the input.
    pub fn backward_input(&self, isa: Isa, dy: &[f32], weights: &[f32]) -> Vec<f32> {
        self.sums(isa, dy, self.out_size, self.in_size, weights, |at, k, axis| self.seen(at, k, axis))
    }

    /// The gradient of the weights.
    pub fn backward_weights(&self, isa: Isa, x: &[f32], dy: &[f32]) -> Vec<f32> {
        let (c, k) = (self.channels, self.kernel);
        let [rows, columns] = self.out_size;
        let lines = self.images * rows;
        let each = lines.div_ceil(PARTS).max(1);
        let parts: Vec<Vec<f32>> = (0..lines.div_ceil(each))
            .into_par_iter()
            .map(|part| {
                let mut sums = vec![0.0f32; k * k * c];
                for line in part * each..((part + 1) * each).min(lines) {
                    let (image, row) = (line / rows, line % rows);
                    for kr in 0..k {
                        let Some(y) = self.source(row, kr, 0) else { continue };
                        for column in 0..columns {
                            let dy = &dy[(line * columns + column) * c..][..c];
                            for kc in 0..k {
                                let Some(z) = self.source(column, kc, 1) else { continue };
                                let at = ((image * self.in_size[0] + y) * self.in_size[1] + z) * c;
                                let tap = (kr * k + kc) * c;
                                add_product(isa, &mut sums[tap..tap + c], &x[at..at + c], dy);
                            }
                        }
                    }
                }
                sums
            })
            .collect();
        let mut by_tap = vec![0.0f32; k * k * c];
        for part in &parts {
            for (sum, value) in by_tap.iter_mut().zip(part) {
                *sum += value;
            }
        }
        (0..c).flat_map(|channel| by_tap.iter().skip(channel).step_by(c)).copied().collect()
    }
}

/// A linear map along one axis: for each target the sources that it is made of, with their weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Along {
    pub sources: usize,
    pub targets: Vec<Vec<(usize, f32)>>,
}

impl Along {
    /// The map of gradients.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut targets = vec![Vec::new(); self.sources];
        for (to, from) in self.targets.iter().enumerate() {
            for &(source, weight) in from {
                targets[source].push((to, weight));
            }
        }
        Self { sources: self.targets.len(), targets }
    }
}

/// A picture mapped along its rows' places and its columns' places.
pub fn mapped(isa: Isa, x: &[f32], channels: usize, down: &Along, across: &Along) -> Vec<f32> {
    let line = across.sources * channels;
    let images = x.len() / (down.sources * line).max(1);
    let (rows, columns) = (down.targets.len(), across.targets.len());
    let mut out = vec![0.0f32; images * rows * columns * channels];
    out.par_chunks_mut((columns * channels).max(1)).enumerate().for_each_init(
        || vec![0.0f32; line],
        |between, (index, out)| {
            let (image, row) = (index / rows, index % rows);
            between.fill(0.0);
            for &(source, weight) in &down.targets[row] {
                add_scaled(isa, between, &x[(image * down.sources + source) * line..][..line], weight);
            }
            for (out, from) in out.chunks_exact_mut(channels).zip(&across.targets) {
                for &(source, weight) in from {
                    if channels == 1 {
                        out[0] += between[source] * weight;
                    } else {
                        add_scaled(isa, out, &between[source * channels..][..channels], weight);
                    }
                }
            }
        },
    );
    out
}
