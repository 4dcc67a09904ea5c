//! The primitive operations of all networks, with PyTorch's arithmetic: the one place where kernels are chosen, our own
//! for the CPU (`cpu`) and for graphics devices (`gpu`), and burn's for what has none.
//!
//! Called by `layers` and the networks alone. Tensors are `[batch, channels, height, width]`.

use super::cpu::{further, operations as cpu};
use super::gpu::operations as gpu;
use crate::kernels::depthwise::Along;
use burn::tensor::activation;
use burn::tensor::module as kernels;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Non-linearity between layers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Activation {
    #[default]
    Relu,
    /// Self-normalising (Klambauer et al., 2017).
    Selu,
    /// `slope * x` below 0 (Maas et al., 2013).
    LeakyRelu { slope: f64 },
}

/// How a kernel moves over its input; the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
    pub groups: usize,
}

/// Cross-correlation with `weight` `[out, in / groups, k, k]`.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, shape: ConvShape) -> Tensor<4> {
    let ConvShape { stride, padding, dilation, groups } = shape;
    if groups == 1 && cpu::serves(&x.device()) {
        return cpu::conv2d(x, weight, bias, shape);
    }
    let depthwise = groups == x.dims()[1] && groups == weight.dims()[0] && stride == 1 && bias.is_none();
    if depthwise && cpu::serves(&x.device()) {
        return further::depthwise(x, weight, padding, dilation);
    }
    let room = |n: usize| n + 2 * padding > dilation * (weight.dims()[2] - 1);
    let square = weight.dims()[2] == weight.dims()[3] && room(x.dims()[2]) && room(x.dims()[3]);
    if depthwise && square && gpu::serves(&x.device()) {
        return gpu::depthwise(x, weight, padding, dilation);
    }
    if gpu::serves(&x.device()) && gpu::convolves(x.dims(), weight.dims(), shape) {
        return gpu::conv2d(x, weight, bias, shape);
    }
    kernels::conv2d(x, weight, bias, ConvOptions::new([stride; 2], [padding; 2], [dilation; 2], groups))
}

/// [`conv2d`] over the channels of `a` with those of `b` behind them.
pub fn conv2d_joined(
    a: Tensor<4>,
    b: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    shape: ConvShape,
) -> Tensor<4> {
    if shape.groups == 1 && bias.is_none() && cpu::serves(&a.device()) {
        return cpu::conv2d_joined(a, b, weight, shape);
    }
    if bias.is_none() && gpu::serves(&a.device()) && gpu::convolves(a.dims(), weight.dims(), shape) {
        return gpu::conv2d_joined(a, b, weight, shape);
    }
    conv2d(join(a, b), weight, bias, shape)
}

/// Transposed convolution with `weight` `[in, out, k, k]`; grows by `stride`.
pub fn conv_transpose2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
    output_padding: usize,
) -> Tensor<4> {
    if padding == 0 && output_padding == 0 && cpu::serves(&x.device()) {
        return cpu::conv_transpose2d(x, weight, bias, stride);
    }
    let plain = padding == 0 && output_padding == 0;
    if plain && gpu::serves(&x.device()) && gpu::grows(weight.dims(), stride) {
        return gpu::conv_transpose2d(x, weight, bias);
    }
    let options = ConvTransposeOptions::new([stride; 2], [padding; 2], [output_padding; 2], [1; 2], 1);
    kernels::conv_transpose2d(x, weight, bias, options)
}

/// Largest value of each window; what lies outside is no candidate.
pub fn max_pool2d(x: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    if cpu::serves(&x.device()) {
        return cpu::max_pool2d(x, kernel, stride, padding);
    }
    if gpu::serves(&x.device()) {
        return gpu::max_pool2d(x, kernel, stride, padding);
    }
    let options = MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
    kernels::max_pool2d(x, options)
}

/// Mean over height and width: `[b, c, 1, 1]`.
pub fn global_average(x: Tensor<4>) -> Tensor<4> {
    if cpu::serves(&x.device()) {
        return further::global_average(x);
    }
    x.mean_dim(3).mean_dim(2)
}

/// `[b, c, 1, 1]` over all of `[b, c, height, width]`.
pub fn spread(x: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    if cpu::serves(&x.device()) {
        return further::spread(x, [height, width]);
    }
    let [b, c, _, _] = x.dims();
    x.expand([b, c, height, width])
}

/// Batch normalisation with given mean and variance, and the rectifier behind it where `rectified`.
pub fn batch_norm(
    x: Tensor<4>,
    [weight, bias]: [Tensor<1>; 2],
    [mean, variance]: [Tensor<1>; 2],
    epsilon: f64,
    rectified: bool,
) -> Tensor<4> {
    if cpu::serves(&x.device()) {
        return cpu::batch_norm(x, [weight, bias], [mean, variance], epsilon, rectified);
    }
    if gpu::serves(&x.device()) {
        return gpu::batch_norm(x, [weight, bias], [mean, variance], epsilon, rectified);
    }
    let x = kernels::batch_norm(x, weight, bias, mean, variance, epsilon);
    if rectified { activation::relu(x) } else { x }
}

/// Batch normalisation with the batch's own statistics, and the rectifier behind it where `rectified`: output, mean,
/// biased variance.
pub fn batch_norm_train(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
    rectified: bool,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    if cpu::serves(&x.device()) {
        return cpu::batch_norm_train(x, weight, bias, epsilon, rectified);
    }
    if gpu::serves(&x.device()) {
        return gpu::batch_norm_train(x, weight, bias, epsilon, rectified);
    }
    let out = kernels::batch_norm_train(x, weight, bias, epsilon);
    (if rectified { activation::relu(out.output) } else { out.output }, out.mean, out.variance)
}

/// The channels of `b` behind those of `a`.
pub fn join(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    if cpu::serves(&a.device()) { cpu::join(a, b) } else { Tensor::cat(vec![a, b], 1) }
}

/// The sum of both, cut off below 0.
pub fn add_relu(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    if cpu::serves(&a.device()) { further::add_relu(a, b) } else { activation::relu(a + b) }
}

fn relu(x: Tensor<4>) -> Tensor<4> {
    if cpu::serves(&x.device()) { further::relu(x) } else { activation::relu(x) }
}

/// Each sample's groups of channels to mean 0 and variance 1, then `weight` and `bias` a channel (Wu and He, 2018). As
/// many groups as channels make instance normalisation.
pub fn group_norm(x: Tensor<4>, groups: usize, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let x = x.reshape([b * groups, c / groups * h * w]);
    let centred = x.clone() - x.mean_dim(1);
    let variance = centred.clone().square().mean_dim(1);
    let x = (centred / variance.add_scalar(epsilon).sqrt()).reshape([b, c, h, w]);
    x * weight.reshape([1, c, 1, 1]) + bias.reshape([1, c, 1, 1])
}

/// Values whose `mask` (in the tensor's order) is 1 as `kept * x + shift`, the others as `dropped`.
pub fn drop_values(x: Tensor<4>, mask: Vec<u8>, [kept, shift, dropped]: [f64; 3]) -> Tensor<4> {
    if cpu::serves(&x.device()) {
        return further::dropout(x, mask, [kept, shift, dropped]);
    }
    let mask: Vec<f32> = mask.into_iter().map(f32::from).collect();
    let mask = Tensor::<4>::from_data(TensorData::new(mask, x.dims()), &x.device());
    if shift == 0.0 && dropped == 0.0 {
        return x * mask.mul_scalar(kept);
    }
    let rest = mask.clone().mul_scalar(shift - dropped).add_scalar(dropped);
    x * mask.mul_scalar(kept) + rest
}

/// The non-linearity, value by value.
pub fn activate(x: Tensor<4>, kind: Activation) -> Tensor<4> {
    match kind {
        Activation::Relu => relu(x),
        Activation::LeakyRelu { slope } => relu(x.clone()) - relu(x.neg()).mul_scalar(slope),
        Activation::Selu => {
            // The exponential of what is above 0 would overflow, though it is not used.
            let below = x.clone().clamp_max(0.0).exp().sub_scalar(1.0).mul_scalar(SELU_ALPHA);
            (relu(x) + below).mul_scalar(SELU_SCALE)
        }
    }
}

/// The constants of Klambauer et al., 2017, appendix A4.
pub const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
pub const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// Bilinear interpolation to `height` x `width`. `align_corners` maps the centres of the corner pixels onto each
/// other; otherwise the outer edges of the image.
pub fn resize_bilinear(x: Tensor<4>, [height, width]: [usize; 2], align_corners: bool) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    if [h, w] == [height, width] {
        return x;
    }
    if cpu::serves(&x.device()) {
        return further::resize(x, interpolation(h, height, align_corners), interpolation(w, width, align_corners));
    }
    // Two products with small matrices: exact on every device, with a gradient everywhere.
    let across = matrix(&interpolation(w, width, align_corners), &x.device());
    let down = matrix(&interpolation(h, height, align_corners), &x.device());
    let wide = x.reshape([b * c * h, w]).matmul(across.transpose()).reshape([b * c, h, width]);
    down.unsqueeze::<3>().matmul(wide).reshape([b, c, height, width])
}

/// The two sources and their weights of each target pixel along an axis.
fn interpolation(from: usize, to: usize, align_corners: bool) -> Along {
    let target = |t: usize| {
        let at = match (align_corners, to) {
            (true, 0 | 1) => 0.0,
            (true, _) => t as f64 * (from - 1) as f64 / (to - 1) as f64,
            (false, _) => ((t as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0),
        };
        let first = (at.floor() as usize).min(from - 1);
        let second = (first + 1).min(from - 1);
        let share = (at - first as f64) as f32;
        if first == second { vec![(first, 1.0)] } else { vec![(first, 1.0 - share), (second, share)] }
    };
    Along { sources: from, targets: (0..to).map(target).collect() }
}

/// `[to, from]`: each row has the weights of one target pixel.
fn matrix(along: &Along, device: &Device) -> Tensor<2> {
    let mut weights = vec![0.0f32; along.targets.len() * along.sources];
    for (row, target) in weights.chunks_exact_mut(along.sources.max(1)).zip(&along.targets) {
        for (source, weight) in target {
            row[*source] += weight;
        }
    }
    Tensor::from_data(TensorData::new(weights, [along.targets.len(), along.sources]), device)
}

/// Every pixel twice in both directions.
pub fn double_nearest(x: Tensor<4>) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    x.reshape([b * c, h, 1, w, 1]).expand([b * c, h, 2, w, 2]).reshape([b, c, 2 * h, 2 * w])
}
