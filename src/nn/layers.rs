//! Layers with PyTorch's exact arithmetic where burn's own differ, and the mode a forward pass runs in.

use super::ops::{self, ConvShape};
use burn::module::{Module, Param, RunningState};
use burn::tensor::{Device, Tensor};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Whether a forward pass learns. Training passes carry the random stream of their dropout masks, so that a step is
/// a function of its seed alone: the same on every device, and the same when a run is resumed.
pub enum Pass {
    Infer,
    Train(Box<Stream>),
}

/// The random stream of a training pass, and what of the network does not learn.
pub struct Stream {
    rng: ChaCha8Rng,
    frozen_encoder: bool,
}

impl Pass {
    /// A training pass whose dropout masks follow from `seed`.
    pub fn train(seed: u64) -> Self {
        Self::Train(Box::new(Stream { rng: ChaCha8Rng::seed_from_u64(seed), frozen_encoder: false }))
    }

    /// The same with the encoder as it is: it infers, and nothing of it gets a gradient.
    #[must_use]
    pub fn with_frozen_encoder(mut self) -> Self {
        if let Self::Train(stream) = &mut self {
            stream.frozen_encoder = true;
        }
        self
    }

    /// Whether the encoder only infers.
    pub fn encoder_is_frozen(&self) -> bool {
        matches!(self, Self::Train(stream) if stream.frozen_encoder)
    }
}

/// A convolution with PyTorch's names, square kernels and the same padding on all sides.
#[derive(Module, Debug)]
pub struct Conv2d {
    pub weight: Param<Tensor<4>>,
    pub bias: Option<Param<Tensor<1>>>,
    stride: usize,
    padding: usize,
    dilation: usize,
    groups: usize,
}

impl Conv2d {
    /// Weights 0, stride 1, padding that keeps the size, no bias.
    pub fn new(input: usize, output: usize, kernel: usize, device: &Device) -> Self {
        Self::grouped(input, output, kernel, 1, device)
    }

    /// One kernel a channel.
    pub fn depthwise(channels: usize, kernel: usize, dilation: usize, device: &Device) -> Self {
        Self::grouped(channels, channels, kernel, channels, device).dilated(dilation)
    }

    fn grouped(input: usize, output: usize, kernel: usize, groups: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::zeros([output, input / groups, kernel, kernel], device)),
            bias: None,
            stride: 1,
            padding: kernel / 2,
            dilation: 1,
            groups,
        }
    }

    /// With a bias of 0.
    #[must_use]
    pub fn with_bias(mut self) -> Self {
        let weight = self.weight.val();
        let [output, ..] = weight.dims();
        self.bias = Some(Param::from_tensor(Tensor::zeros([output], &weight.device())));
        self
    }

    /// With a stride.
    #[must_use]
    pub fn strided(mut self, stride: usize) -> Self {
        self.stride = stride;
        self
    }

    /// With holes between the taps, and the padding that keeps the size.
    #[must_use]
    pub fn dilated(mut self, dilation: usize) -> Self {
        self.padding *= dilation;
        self.dilation = dilation;
        self
    }

    /// `[b, in, h, w]` to `[b, out, h / stride, w / stride]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let Self { stride, padding, dilation, groups, .. } = *self;
        let bias = self.bias.as_ref().map(Param::val);
        ops::conv2d(x, self.weight.val(), bias, ConvShape { stride, padding, dilation, groups })
    }

    /// [`Self::forward`] over the channels of `a` with those of `b` behind them.
    pub fn forward_joined(&self, a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
        let Self { stride, padding, dilation, groups, .. } = *self;
        let bias = self.bias.as_ref().map(Param::val);
        ops::conv2d_joined(a, b, self.weight.val(), bias, ConvShape { stride, padding, dilation, groups })
    }
}

/// A transposed convolution, 2 x 2 with stride 2 and a bias, with PyTorch's names.
#[derive(Module, Debug)]
pub struct ConvTranspose2d {
    pub weight: Param<Tensor<4>>,
    pub bias: Param<Tensor<1>>,
}

impl ConvTranspose2d {
    /// Weights 0.
    pub fn new(input: usize, output: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::zeros([input, output, 2, 2], device)),
            bias: Param::from_tensor(Tensor::zeros([output], device)),
        }
    }

    /// `[b, in, h, w]` to `[b, out, 2 h, 2 w]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::conv_transpose2d(x, self.weight.val(), Some(self.bias.val()), 2, 0, 0)
    }
}

/// Group normalisation with PyTorch's names; as many groups as channels make instance normalisation.
#[derive(Module, Debug)]
pub struct GroupNorm {
    pub weight: Param<Tensor<1>>,
    pub bias: Param<Tensor<1>>,
    groups: usize,
}

impl GroupNorm {
    /// Weight 1, bias 0.
    pub fn new(groups: usize, channels: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([channels], device)),
            bias: Param::from_tensor(Tensor::zeros([channels], device)),
            groups,
        }
    }

    /// The same shape.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::group_norm(x, self.groups, self.weight.val(), self.bias.val(), 1e-5)
    }
}

/// Batch normalisation over `[batch, channel, y, x]` as in PyTorch's `BatchNorm2d`: biased variance to normalise,
/// unbiased variance in the running statistics (burn's own keeps the biased one there), momentum 0.1, epsilon 1e-5.
///
/// Ioffe and Szegedy, "Batch Normalization", 2015. Parameter names are PyTorch's.
#[derive(Module, Debug)]
pub struct BatchNorm2d {
    pub weight: Param<Tensor<1>>,
    pub bias: Param<Tensor<1>>,
    pub running_mean: RunningState<Tensor<1>>,
    pub running_var: RunningState<Tensor<1>>,
    momentum: f64,
    epsilon: f64,
}

impl BatchNorm2d {
    /// Weight 1, bias 0, statistics of a standard normal.
    pub fn new(channels: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([channels], device)),
            bias: Param::from_tensor(Tensor::zeros([channels], device)),
            running_mean: RunningState::new(Tensor::zeros([channels], device)),
            running_var: RunningState::new(Tensor::ones([channels], device)),
            momentum: 0.1,
            epsilon: 1e-5,
        }
    }

    /// `[b, c, h, w]` to the same shape. A training pass updates the running statistics.
    pub fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        self.normalise(x, pass, false)
    }

    /// [`Self::forward`] and a ReLU behind it.
    pub fn forward_relu(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        self.normalise(x, pass, true)
    }

    fn normalise(&self, x: Tensor<4>, pass: &Pass, rectified: bool) -> Tensor<4> {
        match pass {
            Pass::Infer => ops::batch_norm(
                x,
                [self.weight.val(), self.bias.val()],
                [self.running_mean.value_sync(), self.running_var.value_sync()],
                self.epsilon,
                rectified,
            ),
            Pass::Train(_) => {
                let [b, _, h, w] = x.dims();
                let count = (b * h * w) as f64;
                let (weight, bias) = (self.weight.val(), self.bias.val());
                let (out, mean, variance) = ops::batch_norm_train(x, weight, bias, self.epsilon, rectified);
                // A single sample per channel has no unbiased variance; PyTorch refuses it, we keep the biased one.
                let unbiased = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
                self.blend(&self.running_mean, mean, 1.0);
                self.blend(&self.running_var, variance, unbiased);
                out
            }
        }
    }

    fn blend(&self, state: &RunningState<Tensor<1>>, batch: Tensor<1>, factor: f64) {
        let kept = state.value_sync().detach().mul_scalar(1.0 - self.momentum);
        state.update(kept.add(batch.detach().mul_scalar(self.momentum * factor)).detach());
        // `update` alone leaves the value one step behind for whoever reads the module's state.
        let _ = state.value_sync();
    }
}

/// What dropout puts in place of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DropoutKind {
    /// 0, the others scaled by `1 / (1 - p)` (Srivastava et al., 2014).
    #[default]
    Plain,
    /// SELU's lowest value, and an affine map that keeps mean and variance (Klambauer et al., 2017).
    Alpha,
}

/// Drops single values with probability `p`. The identity when inferring.
///
/// The mask is drawn on the host from the pass's own stream: the random state of burn's devices is shared by the
/// whole process, so that another job could shift it and a resumed run would not repeat itself.
pub fn dropout(x: Tensor<4>, p: f64, kind: DropoutKind, pass: &mut Pass) -> Tensor<4> {
    let Pass::Train(stream) = pass else { return x };
    if p <= 0.0 {
        return x;
    }
    let shape = x.dims();
    let count: usize = shape.iter().product();
    // 16 random bits a value: p is met to within 1 / 65536.
    let limit = (p * 65536.0).round().clamp(0.0, 65535.0) as u16;
    let p = f64::from(limit) / 65536.0;
    let mut mask = Vec::with_capacity(count + 4);
    while mask.len() < count {
        let bits = stream.rng.next_u64();
        mask.extend((0..4).map(|part| u8::from((bits >> (16 * part)) as u16 >= limit)));
    }
    mask.truncate(count);
    // What a kept value is multiplied by, what is added to it, and what a dropped one becomes.
    let [kept, shift, dropped] = match kind {
        DropoutKind::Plain => [1.0 / (1.0 - p), 0.0, 0.0],
        DropoutKind::Alpha => {
            let lowest = -ops::SELU_ALPHA * ops::SELU_SCALE;
            let scale = 1.0 / ((1.0 - p) * (1.0 + p * lowest * lowest)).sqrt();
            let shift = -scale * lowest * p;
            [scale, shift, lowest * scale + shift]
        }
    };
    ops::drop_values(x, mask, [kept, shift, dropped])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn dropout_keeps_the_mean_and_repeats_with_its_seed() {
        let device = Device::flex();
        let ones = Tensor::<4>::ones([1, 4, 64, 64], &device);
        let plain = DropoutKind::Plain;
        let run =
            |seed| dropout(ones.clone(), 0.2, plain, &mut Pass::train(seed)).into_data().try_into_vec::<f32>().unwrap();
        let a = run(3);
        let zeros = a.iter().filter(|v| **v == 0.0).count() as f64 / a.len() as f64;
        let mean = a.iter().sum::<f32>() / a.len() as f32;
        assert!((zeros - 0.2).abs() < 0.02 && (mean - 1.0).abs() < 0.02, "{zeros} {mean}");
        assert_eq!(a, run(3));
        assert_ne!(a, run(4));
        let same = dropout(ones.clone(), 0.2, plain, &mut Pass::Infer).into_data();
        assert_eq!(same, ones.into_data());
    }

    #[test]
    fn alpha_dropout_keeps_mean_and_variance() {
        let device = Device::flex();
        // A standard normal, by sums of twelve uniforms.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let uniform = |rng: &mut ChaCha8Rng| f64::from(rng.next_u32()) / f64::from(u32::MAX);
        let values: Vec<f32> =
            (0..40_000).map(|_| ((0..12).map(|_| uniform(&mut rng)).sum::<f64>() - 6.0) as f32).collect();
        let x = Tensor::<4>::from_data(TensorData::new(values, [1, 1, 200, 200]), &device);
        let y = dropout(x, 0.3, DropoutKind::Alpha, &mut Pass::train(2)).into_data().try_into_vec::<f32>().unwrap();
        let mean = y.iter().sum::<f32>() / 40_000.0;
        let variance = y.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / 40_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
