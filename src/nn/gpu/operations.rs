//! The networks' operations on a graphics device, each with its gradient, in PyTorch's arithmetic. Called by `nn::ops`
//! alone.

use super::adam;
use super::conv::{self, Inputs, Shape, WeightOrder};
use super::depthwise::{self, Window};
use super::hook::{self, CubeTensor, Kept, Operation};
use super::kernel::{contiguous, dims};
use super::matrix::{self, Halves, Wanted};
use super::norm::Normalised;
use super::pool::{self, Windows};
use super::{reduce, weights};
use crate::kernels::elementwise::AdamStep;
use crate::nn::ops::ConvShape;
use burn::tensor::Tensor;
use std::sync::{Arc, Mutex, PoisonError};

pub use super::hook::serves;

/// Whether [`conv2d`] and [`conv2d_joined`] can serve a convolution of `channels` inputs with `weight`'s shape.
pub fn convolves(x: [usize; 4], weight: [usize; 4], shape: ConvShape) -> bool {
    let conv = Conv { shape, joined: false };
    if shape.groups != 1 || weight[2] != weight[3] || x[2].min(x[3]) == 0 {
        return false;
    }
    let forward = conv.shape(x, weight, 0);
    let room = shape.dilation * (weight[2] - 1) + 1;
    let wide = |n: usize| n + 2 * shape.padding >= room;
    wide(x[2]) && wide(x[3]) && conv::fits(&forward) && conv::fits(&conv.turned(&forward)) && weights::fits(&forward)
}

/// A convolution without groups; see [`crate::nn::ops::conv2d`].
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, shape: ConvShape) -> Tensor<4> {
    let operation = Arc::new(Conv { shape, joined: false });
    match bias {
        Some(bias) => hook::three(x, weight, bias, operation),
        None => hook::two(x, weight, operation),
    }
}

/// A convolution without groups and bias over the channels of `a` with those of `b` behind them, which are never joined.
pub fn conv2d_joined(a: Tensor<4>, b: Tensor<4>, weight: Tensor<4>, shape: ConvShape) -> Tensor<4> {
    hook::three(a, b, weight, Arc::new(Conv { shape, joined: true }))
}

#[derive(Debug)]
struct Conv {
    shape: ConvShape,
    /// The third input holds further channels of the first, and there is no bias.
    joined: bool,
}

impl Conv {
    fn shape(&self, x: [usize; 4], weight: [usize; 4], further: usize) -> Shape {
        let ConvShape { stride, padding, dilation, .. } = self.shape;
        let kernel = weight[2];
        let out = |n: usize| (n + 2 * padding).saturating_sub(dilation * (kernel - 1) + 1) / stride + 1;
        Shape {
            batch: x[0],
            first_channels: x[1],
            in_channels: x[1] + further,
            in_size: [x[2], x[3]],
            out_channels: weight[0],
            out_size: [out(x[2]), out(x[3])],
            kernel,
            stride,
            padding: padding as isize,
            dilation,
            spread: 1,
        }
    }

    /// The convolution of the output's gradient that gives the input's.
    fn turned(&self, forward: &Shape) -> Shape {
        Shape {
            first_channels: forward.out_channels,
            in_channels: forward.out_channels,
            in_size: forward.out_size,
            out_channels: forward.in_channels,
            out_size: forward.in_size,
            stride: 1,
            padding: (forward.dilation * (forward.kernel - 1)) as isize - forward.padding,
            spread: forward.stride,
            ..*forward
        }
    }

    /// `x`, further channels, weight, bias.
    fn inputs(&self, inputs: Vec<CubeTensor>) -> (CubeTensor, Option<CubeTensor>, CubeTensor, Option<CubeTensor>) {
        let mut inputs = inputs.into_iter().map(contiguous);
        let (Some(x), Some(second)) = (inputs.next(), inputs.next()) else { unreachable!("two inputs at least") };
        match (inputs.next(), self.joined) {
            (Some(weight), true) => (x, Some(second), weight, None),
            (bias, _) => (x, None, second, bias),
        }
    }
}

/// The order of `[out, in, kernel, kernel]`.
fn forward_order(shape: &Shape) -> WeightOrder {
    let taps = shape.kernel * shape.kernel;
    WeightOrder { row: taps, column: shape.in_channels * taps, offset: 0, turned: false }
}

impl Operation<CubeTensor> for Conv {
    fn forward(&self, inputs: Vec<CubeTensor>, keep: bool) -> (CubeTensor, Kept<CubeTensor>) {
        let (x, second, weight, bias) = self.inputs(inputs);
        let shape = self.shape(dims(&x), dims(&weight), second.as_ref().map_or(0, |s| dims(s)[1]));
        let mut kept = Kept::default();
        if let Some(unit) = matrix::chosen(&x, &shape, 1, &shape, wanted(keep)) {
            let halves = matrix::picture(&x, second.as_ref());
            let y = matrix::convolve(unit, &halves, [Some(&weight), bias.as_ref()], &shape, forward_order(&shape), 1);
            if keep {
                kept = halved(halves, weight, dims(&x));
            }
            return (y, kept);
        }
        let places = Inputs { x: &x, second: second.as_ref(), weight: &weight, bias: bias.as_ref() };
        let y = conv::convolve(places, &shape, forward_order(&shape), 1);
        if keep {
            kept.tensors = [Some(x), second, Some(weight)].into_iter().flatten().collect();
        }
        (y, kept)
    }

    fn backward(&self, kept: Kept<CubeTensor>, dy: CubeTensor, wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        let dy = contiguous(dy);
        if let Some(first) = kept.dims {
            return self.backward_halved(kept.tensors, first, &dy, wanted);
        }
        let (x, second, weight, _) = self.inputs(kept.tensors);
        let shape = self.shape(dims(&x), dims(&weight), second.as_ref().map_or(0, |s| dims(s)[1]));
        let dx = |from: usize, channels: usize| {
            let (turned, order) = self.part(&shape, from, channels);
            conv::convolve(Inputs { x: &dy, second: None, weight: &weight, bias: None }, &turned, order, 1)
        };
        self.gradients(&shape, wanted, &dy, dx, || weights::gradient(&x, second.as_ref(), &dy, &shape))
    }
}

impl Conv {
    /// The convolution of the output's gradient that gives the input's channels behind `from`.
    fn part(&self, shape: &Shape, from: usize, channels: usize) -> (Shape, WeightOrder) {
        let taps = shape.kernel * shape.kernel;
        let turned = Shape { out_channels: channels, ..self.turned(shape) };
        let row = shape.in_channels * taps;
        (turned, WeightOrder { row, column: taps, offset: from * taps, turned: true })
    }

    /// The gradients of the inputs by `dx`, which is told which channels, and of the weights by `dw`.
    fn gradients(
        &self,
        shape: &Shape,
        wanted: &[bool],
        dy: &CubeTensor,
        dx: impl Fn(usize, usize) -> CubeTensor,
        dw: impl FnOnce() -> CubeTensor,
    ) -> Vec<Option<CubeTensor>> {
        let own = shape.first_channels;
        let first = wanted[0].then(|| dx(0, own));
        if self.joined {
            let further = wanted[1].then(|| dx(own, shape.in_channels - own));
            return vec![first, further, wanted[2].then(dw)];
        }
        let bias = (wanted.get(2) == Some(&true)).then(|| reduce::channel_sums(dy));
        vec![first, wanted[1].then(dw), bias]
    }

    /// [`Operation::backward`] behind a forward pass on matrix units, of an input with the dimensions `first`.
    fn backward_halved(
        &self,
        kept: Vec<CubeTensor>,
        first: [usize; 4],
        dy: &CubeTensor,
        wanted: &[bool],
    ) -> Vec<Option<CubeTensor>> {
        let (halves, weight) = unhalved(kept);
        let shape = self.shape(first, dims(&weight), dims(&weight)[1] - first[1]);
        let dy_halves = matrix::picture(dy, None);
        let unit = matrix::unit();
        let dx = |from: usize, channels: usize| {
            let (turned, order) = self.part(&shape, from, channels);
            if matrix::turns(unit, &turned) {
                return matrix::convolve(unit, &dy_halves, [Some(&weight), None], &turned, order, 1);
            }
            conv::convolve(Inputs { x: dy, second: None, weight: &weight, bias: None }, &turned, order, 1)
        };
        self.gradients(&shape, wanted, dy, dx, || matrix::gradient(unit, &halves, &dy_halves, &shape))
    }
}

fn wanted(keep: bool) -> Wanted {
    if keep { Wanted::Gradients } else { Wanted::Output }
}

/// What the backward pass of a convolution on matrix units needs, of an input with these dimensions.
fn halved(halves: Halves, weight: CubeTensor, first: [usize; 4]) -> Kept<CubeTensor> {
    Kept { tensors: vec![halves.values, halves.inverse, weight], dims: Some(first), ..Kept::default() }
}

/// The inverse of [`halved`].
fn unhalved(kept: Vec<CubeTensor>) -> (Halves, CubeTensor) {
    let [values, inverse, weight]: [CubeTensor; 3] =
        kept.try_into().unwrap_or_else(|_| unreachable!("kept by forward"));
    (Halves { values, inverse }, weight)
}

/// Each channel with a kernel of its own, stride 1, without bias.
pub fn depthwise(x: Tensor<4>, weight: Tensor<4>, padding: usize, dilation: usize) -> Tensor<4> {
    let window = Window { kernel: weight.dims()[2], padding: padding as isize, dilation };
    hook::two(x, weight, Arc::new(Depthwise(window)))
}

#[derive(Debug)]
struct Depthwise(Window);

impl Operation<CubeTensor> for Depthwise {
    fn forward(&self, inputs: Vec<CubeTensor>, keep: bool) -> (CubeTensor, Kept<CubeTensor>) {
        let [x, weight]: [CubeTensor; 2] = inputs.try_into().unwrap_or_else(|_| unreachable!("two inputs"));
        let (x, weight) = (contiguous(x), contiguous(weight));
        let y = depthwise::convolve(&x, &weight, self.0, false);
        let mut kept = Kept::default();
        if keep {
            kept.tensors = vec![x, weight];
        }
        (y, kept)
    }

    fn backward(&self, kept: Kept<CubeTensor>, dy: CubeTensor, wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        let [x, weight]: [CubeTensor; 2] = kept.tensors.try_into().unwrap_or_else(|_| unreachable!("kept by forward"));
        let dy = contiguous(dy);
        let dx = wanted[0].then(|| depthwise::convolve(&dy, &weight, self.0.turned(), true));
        vec![dx, wanted[1].then(|| depthwise::weight_gradient(&x, &dy, self.0))]
    }
}

/// One step of Adam on flat tensors: the weight and both moments afterwards. Moments start at 0.
pub fn adam_step(
    step: AdamStep,
    weight: Tensor<1>,
    gradient: Tensor<1>,
    [first, second]: [Option<Tensor<1>>; 2],
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let plain = |t: Tensor<1>| contiguous(hook::plain(t));
    let before = first.map(plain).zip(second.map(plain));
    let before = before.as_ref().map(|(first, second)| [first, second]);
    let [weight, first, second] = adam::step(step, &plain(weight), &plain(gradient), before).map(hook::tensor);
    (weight, [first, second])
}

/// Whether [`conv_transpose2d`] can serve: windows that touch and do not overlap.
pub fn grows(weight: [usize; 4], stride: usize) -> bool {
    weight[2] == stride && weight[3] == stride && (2..=4).contains(&stride)
}

/// A transposed convolution whose windows fill the output side by side; see [`crate::nn::ops::conv_transpose2d`].
pub fn conv_transpose2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    match bias {
        Some(bias) => hook::three(x, weight, bias, Arc::new(Grow)),
        None => hook::two(x, weight, Arc::new(Grow)),
    }
}

#[derive(Debug)]
struct Grow;

impl Grow {
    /// The convolution that the output is the input of.
    fn seen_from_output(x: [usize; 4], weight: [usize; 4]) -> Shape {
        let stride = weight[2];
        Shape {
            batch: x[0],
            first_channels: weight[1],
            in_channels: weight[1],
            in_size: [x[2] * stride, x[3] * stride],
            out_channels: x[1],
            out_size: [x[2], x[3]],
            kernel: stride,
            stride,
            padding: 0,
            dilation: 1,
            spread: 1,
        }
    }
}

impl Operation<CubeTensor> for Grow {
    fn forward(&self, inputs: Vec<CubeTensor>, keep: bool) -> (CubeTensor, Kept<CubeTensor>) {
        let mut inputs = inputs.into_iter().map(contiguous);
        let (Some(x), Some(weight)) = (inputs.next(), inputs.next()) else { unreachable!("two inputs at least") };
        let bias = inputs.next();
        let seen = Self::seen_from_output(dims(&x), dims(&weight));
        let taps = seen.kernel * seen.kernel;
        let shape = Shape {
            first_channels: seen.out_channels,
            in_channels: seen.out_channels,
            in_size: seen.out_size,
            out_channels: seen.in_channels,
            out_size: seen.out_size,
            kernel: 1,
            stride: 1,
            ..seen
        };
        let order = WeightOrder { row: seen.in_channels * taps, column: 1, offset: 0, turned: false };
        let mut kept = Kept::default();
        if let Some(unit) = matrix::chosen(&x, &shape, seen.kernel, &seen, wanted(keep)) {
            let halves = matrix::picture(&x, None);
            let y = matrix::convolve(unit, &halves, [Some(&weight), bias.as_ref()], &shape, order, seen.kernel);
            if keep {
                kept = halved(halves, weight, dims(&x));
            }
            return (y, kept);
        }
        let places = Inputs { x: &x, second: None, weight: &weight, bias: bias.as_ref() };
        let y = conv::convolve(places, &shape, order, seen.kernel);
        if keep {
            kept.tensors = vec![x, weight];
        }
        (y, kept)
    }

    fn backward(&self, kept: Kept<CubeTensor>, dy: CubeTensor, wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        let dy = contiguous(dy);
        let bias = (wanted.get(2) == Some(&true)).then(|| reduce::channel_sums(&dy));
        if let Some(first) = kept.dims {
            let (halves, weight) = unhalved(kept.tensors);
            let (unit, seen) = (matrix::unit(), Self::seen_from_output(first, dims(&weight)));
            let dy_halves = matrix::picture(&dy, None);
            let dx = wanted[0].then(|| {
                if matrix::turns(unit, &seen) {
                    let weight = [Some(&weight), None];
                    return matrix::convolve(unit, &dy_halves, weight, &seen, forward_order(&seen), 1);
                }
                let places = Inputs { x: &dy, second: None, weight: &weight, bias: None };
                conv::convolve(places, &seen, forward_order(&seen), 1)
            });
            let dw = wanted[1].then(|| matrix::gradient(unit, &dy_halves, &halves, &seen));
            return vec![dx, dw, bias];
        }
        let [x, weight]: [CubeTensor; 2] = kept.tensors.try_into().unwrap_or_else(|_| unreachable!("kept by forward"));
        let seen = Self::seen_from_output(dims(&x), dims(&weight));
        let dx = wanted[0].then(|| {
            let places = Inputs { x: &dy, second: None, weight: &weight, bias: None };
            conv::convolve(places, &seen, forward_order(&seen), 1)
        });
        let dw = wanted[1].then(|| weights::gradient(&dy, None, &x, &seen));
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
    let channels = x.dims()[1];
    let norm = Arc::new(Norm { epsilon, rectified, given: None, found: Mutex::default() });
    let output = hook::three(x, weight, bias, Arc::<Norm>::clone(&norm));
    let found = norm.found.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(statistics) = found else { unreachable!("found by the forward pass") };
    let statistics: Tensor<2> = hook::tensor(statistics);
    let row = |i: usize| statistics.clone().slice([i..i + 1, 0..channels]).reshape([channels]);
    (output, row(0), row(1))
}

/// Batch normalisation with given statistics, and the rectifier behind it where `rectified`.
pub fn batch_norm(
    x: Tensor<4>,
    [weight, bias]: [Tensor<1>; 2],
    [mean, variance]: [Tensor<1>; 2],
    epsilon: f64,
    rectified: bool,
) -> Tensor<4> {
    let given = Some([mean, variance].map(|t| contiguous(hook::plain(t))));
    hook::three(x, weight, bias, Arc::new(Norm { epsilon, rectified, given, found: Mutex::default() }))
}

#[derive(Debug)]
struct Norm {
    epsilon: f64,
    rectified: bool,
    /// Mean and variance, where they are not the batch's.
    given: Option<[CubeTensor; 2]>,
    /// `[3, channels]`: mean, biased variance and inverse deviation of the batch.
    found: Mutex<Option<CubeTensor>>,
}

impl Norm {
    fn normalised(&self, x: &CubeTensor, parameters: [&CubeTensor; 2]) -> Normalised {
        match &self.given {
            Some([mean, variance]) => Normalised::given(x, [mean, variance], parameters, self.epsilon, self.rectified),
            None => Normalised::own(x, parameters, self.epsilon, self.rectified),
        }
    }
}

impl Operation<CubeTensor> for Norm {
    fn forward(&self, inputs: Vec<CubeTensor>, keep: bool) -> (CubeTensor, Kept<CubeTensor>) {
        let [x, weight, bias]: [CubeTensor; 3] = inputs.try_into().unwrap_or_else(|_| unreachable!("three inputs"));
        let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
        let normalised = self.normalised(&x, [&weight, &bias]);
        if self.given.is_none() {
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(normalised.statistics.clone());
        }
        let y = normalised.apply(&x);
        let mut kept = Kept::default();
        if keep {
            kept.tensors = vec![x, normalised.statistics, normalised.factors];
        }
        (y, kept)
    }

    fn backward(&self, kept: Kept<CubeTensor>, dy: CubeTensor, wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        let [x, statistics, factors]: [CubeTensor; 3] =
            kept.tensors.try_into().unwrap_or_else(|_| unreachable!("kept by forward"));
        let normalised = Normalised { statistics, factors, rectified: self.rectified, own: self.given.is_none() };
        let [dx, dweight, dbias] = normalised.backward(&x, &contiguous(dy));
        vec![wanted[0].then_some(dx), wanted[1].then_some(dweight), wanted[2].then_some(dbias)]
    }
}

/// Largest value of each window; see [`crate::nn::ops::max_pool2d`].
pub fn max_pool2d(x: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    hook::one(x, Arc::new(Pool(Windows { kernel, stride, padding })))
}

#[derive(Debug)]
struct Pool(Windows);

impl Operation<CubeTensor> for Pool {
    fn forward(&self, inputs: Vec<CubeTensor>, keep: bool) -> (CubeTensor, Kept<CubeTensor>) {
        let Some(x) = inputs.into_iter().next().map(contiguous) else { unreachable!("one input") };
        let y = pool::forward(&x, self.0);
        let mut kept = Kept::default();
        if keep {
            kept.tensors = vec![x];
        }
        (y, kept)
    }

    fn backward(&self, kept: Kept<CubeTensor>, dy: CubeTensor, wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        let Some(x) = kept.tensors.into_iter().next() else { unreachable!("kept by forward") };
        vec![wanted[0].then(|| pool::backward(&x, &contiguous(dy), self.0))]
    }
}
