//! Our kernels for graphics devices against those for the CPU, value by value and gradient by gradient.

use super::*;
use crate::nn::ops::{ConvShape, batch_norm, batch_norm_train, conv_transpose2d, conv2d, conv2d_joined, max_pool2d};
use burn::tensor::Gradients;

/// Numbers that look random and are the same on every device.
fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

pub(super) fn leaf<const D: usize>(dims: [usize; D], seed: u32, device: &Device) -> Tensor<D> {
    let values = numbers(dims.iter().product(), seed);
    Tensor::from_data(TensorData::new(values, dims), device).require_grad()
}

pub(super) fn read<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.into_data().try_into_vec().unwrap()
}

/// Output and gradients of a function of leaves, for an output weighed by numbers of its own.
pub(super) type Found = Vec<(&'static str, Vec<f32>)>;

/// An output, and the gradients of the leaves that `gradients` are of, with the names of the leaves.
pub(super) fn found<const N: usize>(
    y: Tensor<4>,
    gradients: &Gradients,
    leaves: [(&'static str, &dyn Leaf); N],
) -> Found {
    let gradient = |(name, leaf): (&'static str, &dyn Leaf)| (name, leaf.gradient(gradients));
    std::iter::once(("output", read(y))).chain(leaves.into_iter().map(gradient)).collect()
}

/// A tensor of any rank that a gradient is of.
pub(super) trait Leaf {
    fn gradient(&self, gradients: &Gradients) -> Vec<f32>;
}

impl<const D: usize> Leaf for Tensor<D> {
    fn gradient(&self, gradients: &Gradients) -> Vec<f32> {
        read(self.grad(gradients).unwrap())
    }
}

pub(super) fn weighed(y: &Tensor<4>) -> Gradients {
    let device = y.device();
    let dims = y.dims();
    let weights = Tensor::<4>::from_data(TensorData::new(numbers(dims.iter().product(), 99), dims), &device);
    (y.clone() * weights).sum().backward()
}

fn compare(case: &str, run: impl Fn(&Device) -> Found) {
    let want = run(&compute_device(DeviceChoice::Cpu, None).unwrap().training());
    on_devices(|device| {
        if device.mode == DeviceMode::Cpu {
            return;
        }
        for ((name, got), (_, want)) in run(&device.training()).iter().zip(&want) {
            let error = relative_l2(got, want);
            assert!(error <= 2e-5, "{case}: {name} differs by {error:.1e}");
        }
    });
}

#[test]
fn convolutions_and_their_gradients_are_those_of_the_cpu() {
    // batch, in, out, height, width, kernel, stride, padding, dilation: also sizes that no tile divides.
    for [b, i, o, h, w, k, stride, padding, dilation] in [
        [2, 1, 8, 16, 16, 3, 1, 1, 1],
        [1, 3, 5, 9, 13, 3, 1, 1, 1],
        [2, 17, 33, 20, 36, 3, 1, 1, 1],
        [1, 70, 66, 8, 8, 3, 1, 1, 1],
        [1, 6, 7, 33, 31, 1, 1, 0, 1],
        [3, 40, 1, 12, 18, 1, 1, 0, 1],
        [1, 5, 9, 17, 19, 3, 2, 1, 1],
        [1, 1, 6, 21, 30, 7, 2, 3, 1],
        [1, 8, 8, 15, 14, 1, 2, 0, 1],
        [1, 4, 6, 14, 15, 3, 1, 2, 2],
        [1, 4, 3, 11, 10, 5, 1, 0, 1],
        [1, 2, 2, 1, 1, 3, 1, 1, 1],
    ] {
        let case = format!("{b}x{i}x{h}x{w} to {o}, kernel {k}, stride {stride}, {padding}, dilation {dilation}");
        compare(&case, |device| {
            let x = leaf([b, i, h, w], 1, device);
            let weight = leaf([o, i, k, k], 2, device);
            let bias = leaf([o], 3, device);
            let shape = ConvShape { stride, padding, dilation, groups: 1 };
            let y = conv2d(x.clone(), weight.clone(), Some(bias.clone()), shape);
            let gradients = weighed(&y);
            found(y, &gradients, [("input", &x), ("weight", &weight), ("bias", &bias)])
        });
    }
}

#[test]
fn joined_convolutions_are_those_of_the_joined_picture() {
    for [i, j, o] in [[4, 4, 8], [9, 3, 33]] {
        compare(&format!("{i} and {j} to {o}"), |device| {
            let (a, b) = (leaf([2, i, 12, 20], 1, device), leaf([2, j, 12, 20], 2, device));
            let weight = leaf([o, i + j, 3, 3], 3, device);
            let shape = ConvShape { stride: 1, padding: 1, dilation: 1, groups: 1 };
            let y = conv2d_joined(a.clone(), b.clone(), weight.clone(), None, shape);
            let gradients = weighed(&y);
            found(y, &gradients, [("first", &a), ("second", &b), ("weight", &weight)])
        });
    }
}

#[test]
fn transposed_convolutions_are_those_of_the_cpu() {
    for [i, o, h, w, s] in [[8, 4, 8, 8, 2], [5, 19, 7, 9, 2], [3, 2, 5, 4, 4]] {
        compare(&format!("{i} to {o}, {h}x{w}, times {s}"), |device| {
            let x = leaf([2, i, h, w], 1, device);
            let (weight, bias) = (leaf([i, o, s, s], 2, device), leaf([o], 3, device));
            let y = conv_transpose2d(x.clone(), weight.clone(), Some(bias.clone()), s, 0, 0);
            let gradients = weighed(&y);
            found(y, &gradients, [("input", &x), ("weight", &weight), ("bias", &bias)])
        });
    }
}

#[test]
fn normalisation_is_that_of_the_cpu_with_own_and_with_given_statistics() {
    for (dims, rectified, own) in [
        ([2, 3, 16, 16], true, true),
        ([3, 300, 5, 7], false, true),
        ([1, 2, 70, 61], true, false),
        ([2, 5, 9, 8], false, false),
    ] {
        compare(&format!("{dims:?}, rectified {rectified}, own {own}"), |device| {
            let x = leaf(dims, 1, device);
            let [weight, bias] = [2, 3].map(|seed| leaf([dims[1]], seed, device));
            let mut statistics = Vec::new();
            // Far from 0, where sums of squares lose their digits.
            let moved = x.clone() * 0.5 + 30.0;
            let y = if own {
                let (y, mean, variance) = batch_norm_train(moved, weight.clone(), bias.clone(), 1e-5, rectified);
                statistics = vec![("mean", read(mean)), ("variance", read(variance))];
                y
            } else {
                let mean = leaf([dims[1]], 4, device).inner() + 30.0;
                let variance = leaf([dims[1]], 5, device).inner() + 1.5;
                batch_norm(moved, [weight.clone(), bias.clone()], [mean, variance], 1e-5, rectified)
            };
            let gradients = weighed(&y);
            let results = found(y, &gradients, [("input", &x), ("weight", &weight), ("bias", &bias)]);
            statistics.into_iter().chain(results).collect()
        });
    }
}

#[test]
fn pooling_is_that_of_the_cpu_and_the_first_of_equals_counts() {
    for ([k, stride, padding], flat) in [([2, 2, 0], false), ([3, 2, 1], false), ([3, 1, 1], false), ([2, 2, 0], true)]
    {
        compare(&format!("{k}, {stride}, {padding}, flat {flat}"), |device| {
            let x = leaf([2, 3, 14, 17], 1, device);
            let seen = if flat { x.clone() - x.clone().detach() } else { x.clone() };
            let y = max_pool2d(seen, k, stride, padding);
            let gradients = weighed(&y);
            found(y, &gradients, [("input", &x)])
        });
    }
}

#[test]
fn depthwise_convolutions_are_those_of_the_cpu() {
    for [b, c, h, w, k, padding, dilation] in [[2, 5, 14, 17, 3, 1, 1], [1, 33, 20, 12, 3, 6, 6], [2, 3, 9, 8, 5, 0, 1]]
    {
        compare(&format!("{b}x{c}x{h}x{w}, kernel {k}, {padding}, dilation {dilation}"), |device| {
            let x = leaf([b, c, h, w], 1, device);
            let weight = leaf([c, 1, k, k], 2, device);
            let shape = ConvShape { stride: 1, padding, dilation, groups: c };
            let y = conv2d(x.clone(), weight.clone(), None, shape);
            let gradients = weighed(&y);
            found(y, &gradients, [("input", &x), ("weight", &weight)])
        });
    }
}
