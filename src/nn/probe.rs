//! How long single layers take on a device, so that the slow ones are known by name. Called by `maskwright bench`.

use super::device::ComputeDevice;
use super::ops::{ConvShape, batch_norm_train, conv_transpose2d, conv2d, max_pool2d};
use burn::tensor::{Device, Distribution, Tensor};
use std::time::Instant;

/// A layer of a U-Net, on `[batch, channels, size, size]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// 3 x 3, same size.
    Convolution { inputs: usize, outputs: usize },
    /// Batch normalisation with the batch's statistics, and the rectifier.
    Norm { channels: usize },
    /// 2 x 2, halved.
    Pool { channels: usize },
    /// 2 x 2 transposed, doubled.
    Grow { inputs: usize, outputs: usize },
}

/// Seconds of one pass of a layer, and its multiplications and additions.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerTime {
    pub pass: &'static str,
    pub seconds: Vec<f64>,
    /// 0 where memory and not arithmetic decides.
    pub operations: f64,
}

/// Times the passes of a layer, `repeats` times each after one to warm up. On a graphics device call it on the thread that
/// owns the device.
pub fn layer_times(on: &ComputeDevice, layer: Layer, [batch, size]: [usize; 2], repeats: usize) -> Vec<LayerTime> {
    let plain = Times { device: on.device.clone(), layer, batch, size, repeats };
    let taped = Times { device: on.training(), ..plain.clone() };
    let mut times = vec![plain.time("forward", [false, false])];
    times.push(taped.time("forward and gradient of the input", [true, false]));
    if !matches!(layer, Layer::Pool { .. }) {
        times.push(taped.time("forward and gradient of the weights", [false, true]));
    }
    times
}

#[derive(Clone)]
struct Times {
    device: Device,
    layer: Layer,
    batch: usize,
    size: usize,
    repeats: usize,
}

impl Times {
    fn random<const D: usize>(&self, dims: [usize; D], tracked: bool) -> Tensor<D> {
        let tensor = Tensor::random(dims, Distribution::Uniform(-1.0, 1.0), &self.device);
        if tracked { tensor.require_grad() } else { tensor }
    }

    fn time(&self, pass: &'static str, [input, weights]: [bool; 2]) -> LayerTime {
        let [channels, outputs, kernel] = match self.layer {
            Layer::Convolution { inputs, outputs } => [inputs, outputs, 3],
            Layer::Grow { inputs, outputs } => [inputs, outputs, 2],
            Layer::Norm { channels } | Layer::Pool { channels } => [channels, channels, 0],
        };
        let x = self.random([self.batch, channels, self.size, self.size], input);
        let (first, second) = match self.layer {
            Layer::Grow { .. } => (channels, outputs),
            _ => (outputs, channels),
        };
        let w = self.random([first, second, kernel.max(1), kernel.max(1)], weights && kernel > 0);
        let [scale, shift] = [0, 1].map(|_| self.random([channels], weights && kernel == 0));
        let run = || {
            let (x, w) = (x.clone(), w.clone());
            let y = match self.layer {
                Layer::Convolution { .. } => {
                    conv2d(x, w, None, ConvShape { stride: 1, padding: 1, dilation: 1, groups: 1 })
                }
                Layer::Grow { .. } => conv_transpose2d(x, w, None, 2, 0, 0),
                Layer::Norm { .. } => batch_norm_train(x, scale.clone(), shift.clone(), 1e-5, true).0,
                Layer::Pool { .. } => max_pool2d(x, 2, 2, 0),
            };
            if input || weights {
                drop(y.backward());
            } else {
                drop(y);
            }
            // A failure shows as a time that means nothing, and in the work that follows as what it is.
            let _ = self.device.sync();
        };
        run();
        let seconds = (0..self.repeats)
            .map(|_| {
                let begun = Instant::now();
                run();
                begun.elapsed().as_secs_f64()
            })
            .collect();
        let passes = if input || weights { 2.0 } else { 1.0 };
        let operations = (2 * self.batch * self.size * self.size * channels * outputs * kernel * kernel) as f64;
        LayerTime { pass, seconds, operations: operations * passes }
    }
}
