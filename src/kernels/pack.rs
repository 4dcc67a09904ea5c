//! Weights of a convolution in the order in which the kernels read them, and back.
//!
//! Output channels are cut into panels of one or two vectors; a panel holds, for each number that a sum runs over, the
//! weights of its channels side by side. What is missing in the last panel is 0. Used by `conv` and `weights`.

use super::simd::Isa;
use rayon::prelude::*;

/// How output channels are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panels {
    pub channels: usize,
    pub lanes: usize,
}

/// Channels that are worked on together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panel {
    /// First channel.
    pub first: usize,
    /// Channels that there are.
    pub channels: usize,
    /// Channels with those that fill the last vector.
    pub width: usize,
}

impl Panels {
    pub fn new(channels: usize, isa: Isa) -> Self {
        Self { channels, lanes: isa.lanes() }
    }

    pub fn count(&self) -> usize {
        self.channels.div_ceil(2 * self.lanes)
    }

    pub fn get(&self, index: usize) -> Panel {
        let first = index * 2 * self.lanes;
        let channels = (self.channels - first).min(2 * self.lanes);
        Panel { first, channels, width: channels.next_multiple_of(self.lanes) }
    }

    /// Channels with those that fill the last vector.
    pub fn padded(&self) -> usize {
        self.channels.next_multiple_of(self.lanes)
    }
}

/// Where in `[o][i][taps]` a weight is: `o * strides[0] + i * strides[1] + taps[t]`.
pub struct Order<'a> {
    /// Distance of two output and of two input channels.
    pub strides: [usize; 2],
    /// Place of each tap.
    pub taps: &'a [usize],
    /// Channels that a sum runs over.
    pub inputs: usize,
}

/// Weights panel by panel: `[panel][tap][input][channel of the panel]`.
pub fn pack(weights: &[f32], order: &Order, panels: Panels) -> Vec<f32> {
    let depth = order.taps.len() * order.inputs;
    let mut out = vec![0.0; depth * panels.padded()];
    let fill = |(index, out): (usize, &mut [f32])| {
        let panel = panels.get(index);
        let [o, i] = order.strides;
        for input in 0..order.inputs {
            for (t, tap) in order.taps.iter().enumerate() {
                let at = (t * order.inputs + input) * panel.width;
                let from = panel.first * o + input * i + tap;
                for (c, value) in out[at..at + panel.channels].iter_mut().enumerate() {
                    *value = weights[from + c * o];
                }
            }
        }
    };
    let piece = (depth * 2 * panels.lanes).max(1);
    if out.len() > 1 << 14 {
        out.par_chunks_mut(piece).enumerate().for_each(fill);
    } else {
        out.chunks_mut(piece).enumerate().for_each(fill);
    }
    out
}

/// The inverse of [`pack`]: writes each weight to its place.
pub fn unpack(packed: &[f32], order: &Order, panels: Panels, weights: &mut [f32]) {
    let depth = order.taps.len() * order.inputs;
    let [o, i] = order.strides;
    for (index, values) in packed.chunks((depth * 2 * panels.lanes).max(1)).enumerate() {
        let panel = panels.get(index);
        for input in 0..order.inputs {
            for (t, tap) in order.taps.iter().enumerate() {
                let at = (t * order.inputs + input) * panel.width;
                let to = panel.first * o + input * i + tap;
                for (c, value) in values[at..at + panel.channels].iter().enumerate() {
                    weights[to + c * o] = *value;
                }
            }
        }
    }
}
