//! The networks' operations on the CPU, each with its gradient, in PyTorch's arithmetic. Called by `nn::ops` alone.

use super::flex::{Picture, flat, values};
use super::hook::{self, Kept, Operation};
use crate::kernels::Isa;
use crate::kernels::conv::{self, Shape};
use crate::kernels::gather::Source;
use crate::kernels::layout::{joined, part};
use crate::kernels::norm::{self, Normalised};
use crate::kernels::pool::{Windows, max_pool, max_pool_backward};
use crate::kernels::weights::{backward_bias, backward_weights};
use crate::nn::ops::ConvShape;
use burn::backend::flex::FlexTensor;
use burn::tensor::{Tensor, TensorData};
use std::sync::{Arc, Mutex, PoisonError};

pub use super::hook::serves;

/// A convolution without groups; see [`crate::nn::ops::conv2d`].
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, shape: ConvShape) -> Tensor<4> {
    let operation = Arc::new(Conv { shape, transposed: false });
    match bias {
        Some(bias) => hook::three(x, weight, bias, operation),
        None => hook::two(x, weight, operation),
    }
}

/// A transposed convolution whose windows fill the output; see [`crate::nn::ops::conv_transpose2d`].
pub fn conv_transpose2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, stride: usize) -> Tensor<4> {
    let shape = ConvShape { stride, padding: 0, dilation: 1, groups: 1 };
    let operation = Arc::new(Conv { shape, transposed: true });
    match bias {
        Some(bias) => hook::three(x, weight, bias, operation),
        None => hook::two(x, weight, operation),
    }
}

/// A convolution without groups and bias over the channels of `a` with those of `b` behind them.
pub fn conv2d_joined(a: Tensor<4>, b: Tensor<4>, weight: Tensor<4>, shape: ConvShape) -> Tensor<4> {
    hook::three(a, b, weight, Arc::new(JoinedConv(Conv { shape, transposed: false })))
}

/// The joined picture is never made: not for the convolution, and not for its gradient.
#[derive(Debug)]
struct JoinedConv(Conv);

impl JoinedConv {
    fn shape(&self, a: &Picture, b: &Picture, weight: &FlexTensor) -> Shape {
        let [n, first, h, w] = a.dims();
        self.0.shape([n, first + b.dims()[1], h, w], weight)
    }
}

fn both<'a>(a: &'a Picture, b: &'a Picture) -> Source<'a> {
    Source { first: a.values(), first_channels: a.dims()[1], second: Some((b.values(), b.dims()[1])) }
}

impl Operation for JoinedConv {
    fn forward(&self, inputs: Vec<FlexTensor>, keep: bool) -> (FlexTensor, Kept) {
        let [a, b, weight]: [FlexTensor; 3] = inputs.try_into().unwrap_or_else(|_| unreachable!("three inputs"));
        let (a, b, weight) = (Picture::of(a), Picture::of(b), weight.to_contiguous());
        let shape = self.shape(&a, &b, &weight);
        let [rows, columns] = shape.out_size().unwrap_or([0; 2]);
        let output = conv::forward(Isa::best(), &shape, both(&a, &b), values(&weight), None);
        let output = Picture::new(output, [shape.images, shape.out_channels, rows, columns]);
        let tensors = if keep { vec![a.into_tensor(), b.into_tensor(), weight] } else { Vec::new() };
        (output.into_tensor(), Kept { tensors, ..Kept::default() })
    }

    fn backward(&self, kept: Kept, dy: FlexTensor, wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let [a, b, weight]: [FlexTensor; 3] =
            kept.tensors.try_into().unwrap_or_else(|_| unreachable!("kept by forward"));
        let (a, b, dy) = (Picture::of(a), Picture::of(b), Picture::of(dy));
        let shape = self.shape(&a, &b, &weight);
        let isa = Isa::best();
        let dw = wanted[2].then(|| {
            let dw = backward_weights(isa, &shape, both(&a, &b), dy.values());
            flat(dw, weight.layout().shape())
        });
        let (taps, first) = (shape.kernel[0] * shape.kernel[1], a.dims()[1]);
        let dx = |picture: &Picture, from: usize| {
            let own = picture.dims()[1];
            let weights: Vec<f32> = values(&weight)
                .chunks_exact(shape.in_channels * taps)
                .flat_map(|kernels| &kernels[from * taps..(from + own) * taps])
                .copied()
                .collect();
            let shape = Shape { in_channels: own, ..shape };
            Picture::new(conv::backward_input(isa, &shape, dy.values(), &weights, None), picture.dims()).into_tensor()
        };
        vec![wanted[0].then(|| dx(&a, 0)), wanted[1].then(|| dx(&b, first)), dw]
    }
}

#[derive(Debug)]
struct Conv {
    shape: ConvShape,
    /// The forward pass is the gradient of a convolution's input.
    transposed: bool,
}

impl Conv {
    /// The shape of the convolution, which is seen from its output where it is transposed.
    fn shape(&self, x: [usize; 4], weight: &FlexTensor) -> Shape {
        let ConvShape { stride, padding, dilation, .. } = self.shape;
        let w = weight.layout().shape();
        let (channels, kernel) = ([w[0], w[1]], [w[2], w[3]]);
        let in_size = if self.transposed {
            [(x[2] - 1) * stride + kernel[0], (x[3] - 1) * stride + kernel[1]]
        } else {
            [x[2], x[3]]
        };
        Shape {
            images: x[0],
            in_channels: channels[1],
            in_size,
            out_channels: channels[0],
            kernel,
            stride,
            padding,
            dilation,
        }
    }
}

impl Operation for Conv {
    fn forward(&self, inputs: Vec<FlexTensor>, keep: bool) -> (FlexTensor, Kept) {
        let mut inputs = inputs.into_iter();
        let (Some(x), Some(weight)) = (inputs.next(), inputs.next()) else { unreachable!("two inputs at least") };
        let bias = inputs.next().map(|b| b.to_contiguous());
        let (x, weight) = (Picture::of(x), weight.to_contiguous());
        let shape = self.shape(x.dims(), &weight);
        let bias = bias.as_ref().map(values);
        let isa = Isa::best();
        let output = if self.transposed {
            let values = conv::backward_input(isa, &shape, x.values(), values(&weight), bias);
            Picture::new(values, [shape.images, shape.in_channels, shape.in_size[0], shape.in_size[1]])
        } else {
            let source = Source::one(x.values(), shape.in_channels);
            let [rows, columns] = shape.out_size().unwrap_or([0; 2]);
            let values = conv::forward(isa, &shape, source, values(&weight), bias);
            Picture::new(values, [shape.images, shape.out_channels, rows, columns])
        };
        let tensors = if keep { vec![x.into_tensor(), weight] } else { Vec::new() };
        (output.into_tensor(), Kept { tensors, ..Kept::default() })
    }

    fn backward(&self, kept: Kept, dy: FlexTensor, wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let [x, weight]: [FlexTensor; 2] = kept.tensors.try_into().unwrap_or_else(|_| unreachable!("kept by forward"));
        let (x, dy) = (Picture::of(x), Picture::of(dy));
        let shape = self.shape(x.dims(), &weight);
        let isa = Isa::best();
        let bias = (wanted.get(2) == Some(&true)).then(|| {
            let channels = dy.dims()[1];
            flat(backward_bias(dy.values(), channels), &[channels])
        });
        let (input, output) = if self.transposed { (&dy, &x) } else { (&x, &dy) };
        let dw = wanted[1].then(|| {
            let source = Source::one(input.values(), shape.in_channels);
            flat(backward_weights(isa, &shape, source, output.values()), weight.layout().shape())
        });
        let dx = wanted[0].then(|| {
            let values = if self.transposed {
                conv::forward(isa, &shape, Source::one(dy.values(), shape.in_channels), values(&weight), None)
            } else {
                conv::backward_input(isa, &shape, dy.values(), values(&weight), None)
            };
            Picture::new(values, x.dims()).into_tensor()
        });
        vec![dx, dw, bias]
    }
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
    let device = weight.device().inner();
    let statistics = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let operation = Norm { epsilon, rectified, given: None, found: Arc::clone(&statistics) };
    let output = hook::three(x, weight, bias, Arc::new(operation));
    let (mean, variance) = std::mem::take(&mut *statistics.lock().unwrap_or_else(PoisonError::into_inner));
    let vector = |values: Vec<f32>| {
        let len = values.len();
        Tensor::<1>::from_data(TensorData::new(values, [len]), &device)
    };
    (output, vector(mean), vector(variance))
}

/// Batch normalisation with given statistics, and the rectifier behind it where `rectified`.
pub fn batch_norm(
    x: Tensor<4>,
    [weight, bias]: [Tensor<1>; 2],
    [mean, variance]: [Tensor<1>; 2],
    epsilon: f64,
    rectified: bool,
) -> Tensor<4> {
    let host = |t: Tensor<1>| t.inner().into_data().try_into_vec::<f32>().unwrap_or_default();
    let given = Some((host(mean), host(variance)));
    hook::three(x, weight, bias, Arc::new(Norm { epsilon, rectified, given, found: Arc::default() }))
}

type Statistics = (Vec<f32>, Vec<f32>);

#[derive(Debug)]
struct Norm {
    epsilon: f64,
    rectified: bool,
    /// Mean and variance, where they are not the batch's.
    given: Option<Statistics>,
    /// The batch's mean and variance.
    found: Arc<Mutex<Statistics>>,
}

impl Operation for Norm {
    fn forward(&self, inputs: Vec<FlexTensor>, keep: bool) -> (FlexTensor, Kept) {
        let [x, weight, bias]: [FlexTensor; 3] = inputs.try_into().unwrap_or_else(|_| unreachable!("three inputs"));
        let mut x = Picture::of(x);
        let (weight, bias) = (weight.to_contiguous(), bias.to_contiguous());
        let isa = Isa::best();
        let own = self.given.is_none();
        let (mean, variance) = match &self.given {
            Some(given) => given.clone(),
            None => norm::statistics(isa, x.values(), x.dims()[1]),
        };
        let parameters = [values(&weight), values(&bias)];
        let normalised = Normalised::new([&mean, &variance], parameters, self.epsilon, self.rectified, own);
        if own {
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = (mean, variance);
        }
        let (scale, shift) = (&normalised.scale, &normalised.shift);
        if !keep {
            norm::scale(isa, x.values_mut(), scale, shift, self.rectified);
            return (x.into_tensor(), Kept::default());
        }
        let output = Picture::new(norm::scaled(isa, x.values(), scale, shift, self.rectified), x.dims());
        let kept = Kept { tensors: vec![x.into_tensor()], norm: Some(Arc::new(normalised)), ..Kept::default() };
        (output.into_tensor(), kept)
    }

    fn backward(&self, kept: Kept, dy: FlexTensor, wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let (Some(x), Some(norm)) = (kept.tensors.into_iter().next(), kept.norm) else {
            unreachable!("kept by forward")
        };
        let (x, mut dy) = (Picture::of(x), Picture::of(dy));
        let (weight, bias) = norm.backward(Isa::best(), x.values(), dy.values_mut());
        let channels = [weight.len()];
        vec![
            wanted[0].then(|| dy.into_tensor()),
            wanted[1].then(|| flat(weight, &channels)),
            wanted[2].then(|| flat(bias, &channels)),
        ]
    }
}

/// Largest value of each window; see [`crate::nn::ops::max_pool2d`].
pub fn max_pool2d(x: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    hook::one(x, Arc::new(Pool(Windows { kernel, stride, padding })))
}

#[derive(Debug)]
struct Pool(Windows);

impl Operation for Pool {
    fn forward(&self, inputs: Vec<FlexTensor>, keep: bool) -> (FlexTensor, Kept) {
        let x = Picture::of(one_of(inputs));
        let [b, c, h, w] = x.dims();
        let (output, places) = max_pool(Isa::best(), x.values(), c, [h, w], self.0);
        let [rows, columns] = self.0.out_size([h, w]);
        // The input itself is not kept: its shape is.
        let size = flat(vec![h as f32, w as f32], &[2]);
        let kept = Kept { tensors: vec![size], places: Some(Arc::new(places)), ..Kept::default() };
        (Picture::new(output, [b, c, rows, columns]).into_tensor(), if keep { kept } else { Kept::default() })
    }

    fn backward(&self, kept: Kept, dy: FlexTensor, _: &[bool]) -> Vec<Option<FlexTensor>> {
        let (Some(size), Some(places)) = (kept.tensors.first().map(values), kept.places) else {
            unreachable!("kept by forward")
        };
        let (h, w) = (size[0] as usize, size[1] as usize);
        let dy = Picture::of(dy);
        let [b, c, ..] = dy.dims();
        let dx = max_pool_backward(dy.values(), &places, c, [h, w], self.0);
        vec![Some(Picture::new(dx, [b, c, h, w]).into_tensor())]
    }
}

/// The channels of `b` behind those of `a`.
pub fn join(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    let channels = [a.dims()[1], b.dims()[1]];
    hook::two(a, b, Arc::new(Join { channels }))
}

#[derive(Debug)]
struct Join {
    channels: [usize; 2],
}

impl Operation for Join {
    fn forward(&self, inputs: Vec<FlexTensor>, _: bool) -> (FlexTensor, Kept) {
        let [x, y]: [FlexTensor; 2] = inputs.try_into().unwrap_or_else(|_| unreachable!("two inputs"));
        let (x, y) = (Picture::of(x), Picture::of(y));
        let ([b, _, h, w], [m, n]) = (x.dims(), self.channels);
        let output = Picture::new(joined(x.values(), m, y.values(), n), [b, m + n, h, w]);
        (output.into_tensor(), Kept::default())
    }

    fn backward(&self, _: Kept, dy: FlexTensor, wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let dy = Picture::of(dy);
        let ([b, c, h, w], [m, n]) = (dy.dims(), self.channels);
        let piece = |from, take| Picture::new(part(dy.values(), c, from, take), [b, take, h, w]).into_tensor();
        vec![wanted[0].then(|| piece(0, m)), wanted[1].then(|| piece(m, n))]
    }
}

fn one_of(inputs: Vec<FlexTensor>) -> FlexTensor {
    inputs.into_iter().next().unwrap_or_else(|| unreachable!("one input"))
}
