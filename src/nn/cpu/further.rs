//! Further operations of the networks on the CPU: rectifiers, depthwise convolutions, interpolation, means, dropout, and
//! the optimizer's step. Called by `nn::ops`, `nn::layers` and `nn::optim`.

use super::flex::{Picture, flat, values};
use super::hook::{self, Kept, Operation};
use crate::kernels::Isa;
use crate::kernels::depthwise::{Along, Depthwise, mapped};
use crate::kernels::elementwise::{AdamStep, Dropped, adam, drop_values, rectify, rectify_gradient};
use crate::kernels::layout::turned;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use std::sync::Arc;

/// Cut off below 0.
pub fn relu(x: Tensor<4>) -> Tensor<4> {
    hook::one(x, Arc::new(Rectify))
}

/// The sum of both, cut off below 0.
pub fn add_relu(x: Tensor<4>, y: Tensor<4>) -> Tensor<4> {
    hook::two(x, y, Arc::new(Rectify))
}

#[derive(Debug)]
struct Rectify;

impl Operation for Rectify {
    fn forward(&self, inputs: Vec<FlexTensor>, keep: bool) -> (FlexTensor, Kept) {
        let mut pictures = inputs.into_iter().map(Picture::of);
        let Some(mut x) = pictures.next() else { unreachable!("an input at least") };
        let y = pictures.next();
        rectify(Isa::best(), x.values_mut(), y.as_ref().map(Picture::values));
        let tensors = if keep { vec![x.clone().into_tensor()] } else { Vec::new() };
        (x.into_tensor(), Kept { tensors, ..Kept::default() })
    }

    fn backward(&self, kept: Kept, dy: FlexTensor, wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let (out, mut dy) = (Picture::of(one_of(kept.tensors)), Picture::of(dy));
        rectify_gradient(Isa::best(), out.values(), dy.values_mut());
        let dy = dy.into_tensor();
        wanted.iter().map(|wanted| wanted.then(|| dy.clone())).collect()
    }
}

fn one_of(inputs: Vec<FlexTensor>) -> FlexTensor {
    inputs.into_iter().next().unwrap_or_else(|| unreachable!("one input"))
}

/// One kernel a channel and stride 1; weights `[channels, 1, k, k]`.
pub fn depthwise(x: Tensor<4>, weight: Tensor<4>, padding: usize, dilation: usize) -> Tensor<4> {
    hook::two(x, weight, Arc::new(ByChannel { padding, dilation }))
}

#[derive(Debug)]
struct ByChannel {
    padding: usize,
    dilation: usize,
}

impl ByChannel {
    fn shape(&self, [images, channels, h, w]: [usize; 4], weight: &FlexTensor) -> Depthwise {
        let kernel = weight.layout().shape()[2];
        let reach = self.dilation * (kernel - 1);
        let out_size = [h, w].map(|n| (n + 2 * self.padding).saturating_sub(reach));
        let (padding, dilation) = (self.padding, self.dilation);
        Depthwise { images, channels, in_size: [h, w], out_size, kernel, padding, dilation }
    }
}

impl Operation for ByChannel {
    fn forward(&self, inputs: Vec<FlexTensor>, keep: bool) -> (FlexTensor, Kept) {
        let [x, weight]: [FlexTensor; 2] = inputs.try_into().unwrap_or_else(|_| unreachable!("two inputs"));
        let (x, weight) = (Picture::of(x), weight.to_contiguous());
        let shape = self.shape(x.dims(), &weight);
        let output = shape.forward(Isa::best(), x.values(), values(&weight));
        let output = Picture::new(output, [shape.images, shape.channels, shape.out_size[0], shape.out_size[1]]);
        let tensors = if keep { vec![x.into_tensor(), weight] } else { Vec::new() };
        (output.into_tensor(), Kept { tensors, ..Kept::default() })
    }

    fn backward(&self, kept: Kept, dy: FlexTensor, wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let [x, weight]: [FlexTensor; 2] = kept.tensors.try_into().unwrap_or_else(|_| unreachable!("kept by forward"));
        let (x, dy) = (Picture::of(x), Picture::of(dy));
        let shape = self.shape(x.dims(), &weight);
        let isa = Isa::best();
        let dx = || Picture::new(shape.backward_input(isa, dy.values(), values(&weight)), x.dims()).into_tensor();
        let dw = || flat(shape.backward_weights(isa, x.values(), dy.values()), weight.layout().shape());
        vec![wanted[0].then(dx), wanted[1].then(dw)]
    }
}

/// Bilinear interpolation by the weights of rows and columns; `[target][source]` each.
pub fn resize(x: Tensor<4>, down: Along, across: Along) -> Tensor<4> {
    hook::one(x, Arc::new(Resize { down, across }))
}

/// The mean over height and width: `[b, c, 1, 1]`.
pub fn global_average(x: Tensor<4>) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    let mean = |n: usize| Along { sources: n, targets: vec![(0..n).map(|i| (i, 1.0 / n as f32)).collect()] };
    resize(x, mean(h), mean(w))
}

/// `[b, c, 1, 1]` over all of `[b, c, height, width]`.
pub fn spread(x: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let same = |n: usize| Along { sources: 1, targets: vec![vec![(0, 1.0)]; n] };
    resize(x, same(height), same(width))
}

#[derive(Debug)]
struct Resize {
    down: Along,
    across: Along,
}

impl Operation for Resize {
    fn forward(&self, inputs: Vec<FlexTensor>, _: bool) -> (FlexTensor, Kept) {
        let x = Picture::of(one_of(inputs));
        let [b, c, ..] = x.dims();
        let output = mapped(Isa::best(), x.values(), c, &self.down, &self.across);
        let output = Picture::new(output, [b, c, self.down.targets.len(), self.across.targets.len()]);
        (output.into_tensor(), Kept::default())
    }

    fn backward(&self, _: Kept, dy: FlexTensor, _: &[bool]) -> Vec<Option<FlexTensor>> {
        let dy = Picture::of(dy);
        let [b, c, ..] = dy.dims();
        let dx = mapped(Isa::best(), dy.values(), c, &self.down.transposed(), &self.across.transposed());
        vec![Some(Picture::new(dx, [b, c, self.down.sources, self.across.sources]).into_tensor())]
    }
}

/// Keeps the values whose `mask` is 1 as `kept * x + shift` and makes the others `dropped`. The mask is in the order
/// `[batch][channel][row][column]`, which is the same on every device.
pub fn dropout(x: Tensor<4>, mask: Vec<u8>, [kept, shift, dropped]: [f64; 3]) -> Tensor<4> {
    let to = Dropped { kept: kept as f32, shift: shift as f32, dropped: dropped as f32 };
    let [_, c, h, w] = x.dims();
    hook::one(x, Arc::new(Drop { mask: turned(&mask, c, h * w), to }))
}

#[derive(Debug)]
struct Drop {
    mask: Vec<u8>,
    to: Dropped,
}

impl Operation for Drop {
    fn forward(&self, inputs: Vec<FlexTensor>, _: bool) -> (FlexTensor, Kept) {
        let mut x = Picture::of(one_of(inputs));
        drop_values(x.values_mut(), &self.mask, self.to);
        (x.into_tensor(), Kept::default())
    }

    fn backward(&self, _: Kept, dy: FlexTensor, _: &[bool]) -> Vec<Option<FlexTensor>> {
        let mut dy = Picture::of(dy);
        drop_values(dy.values_mut(), &self.mask, Dropped { shift: 0.0, dropped: 0.0, ..self.to });
        vec![Some(dy.into_tensor())]
    }
}

/// One step of Adam on flat tensors of the CPU: the weight and both moments afterwards. Moments start at 0.
pub fn adam_step(
    step: AdamStep,
    weight: Tensor<1>,
    gradient: Tensor<1>,
    moments: [Option<Tensor<1>>; 2],
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let plain = |t: Tensor<1>| hook::plain(t).to_contiguous();
    let len = weight.dims();
    let mut weight = hook::plain(weight);
    if !weight.is_contiguous() {
        weight = weight.to_contiguous();
    }
    let gradient = plain(gradient);
    let [mut first, mut second] = moments.map(|m| m.map_or_else(|| flat(vec![0.0; len[0]], &len), hook::plain));
    adam(Isa::best(), step, weight.storage_mut::<f32>(), values(&gradient), first.storage_mut(), second.storage_mut());
    (hook::tensor(weight), [hook::tensor(first), hook::tensor(second)])
}
