//! Single operations with awkward settings against PyTorch's, on every device.

use super::*;
use crate::nn::ops::{self, ConvShape};

#[test]
fn operations_equal_pytorch() {
    let io = load_weights(&oracle("ops.safetensors")).unwrap();
    on_devices(|compute| {
        let device = &compute.device;
        let t = |name: &str| tensor(&io[name], device);
        let x = || t("x");
        let vector = |values: Vec<f32>| Tensor::<1>::from_data(TensorData::new(values.clone(), [values.len()]), device);
        let bias = |name: &str| Some(vector(io[name].values.clone()));
        let shape = |padding, dilation, stride, groups| ConvShape { stride, padding, dilation, groups };
        let (one, zero) = (|| vector(vec![1.0; 6]), || vector(vec![0.0; 6]));
        let conv = |name: &str, s: ConvShape| ops::conv2d(x(), t(&format!("{name}.w")), bias(&format!("{name}.b")), s);
        let leaky = Activation::LeakyRelu { slope: 0.01 };
        let cases = [
            ("conv3_d12_p12", conv("conv3_d12_p12", shape(12, 12, 1, 1))),
            ("conv3_d2_s2", conv("conv3_d2_s2", shape(2, 2, 2, 1))),
            ("conv3_p1", conv("conv3_p1", shape(1, 1, 1, 1))),
            ("depthwise", ops::conv2d(x(), t("depthwise.w"), None, shape(1, 1, 1, 6))),
            ("convT2", ops::conv_transpose2d(x(), t("convT2.w"), bias("convT2.b"), 2, 0, 0)),
            ("convT3s2op1", ops::conv_transpose2d(x(), t("convT3s2op1.w"), None, 2, 1, 1)),
            ("bilinear_x4_ac_true", ops::resize_bilinear(x(), [52, 44], true)),
            ("bilinear_x4_ac_false", ops::resize_bilinear(x(), [52, 44], false)),
            ("bilinear_size_33x20_ac_false", ops::resize_bilinear(x(), [33, 20], false)),
            ("maxpool3s2p1", ops::max_pool2d(x(), 3, 2, 1)),
            ("maxpool2", ops::max_pool2d(x(), 2, 2, 0)),
            ("avgpool1", ops::global_average(x())),
            ("groupnorm3", ops::group_norm(x(), 3, one(), zero(), 1e-5)),
            ("instnorm", ops::group_norm(x(), 6, one(), zero(), 1e-5)),
            ("leaky001", ops::activate(x(), leaky)),
            ("gelu", burn::tensor::activation::gelu(x())),
        ];
        assert_eq!(cases.len(), io.keys().filter(|k| k.ends_with(".y")).count());
        for (name, y) in cases {
            let want = &io[&format!("{name}.y")];
            assert_eq!(y.dims().to_vec(), want.shape, "{name}");
            let error = relative_l2(&host(y), &want.values);
            assert!(error <= 1e-5, "{name} on {}: {error}", compute.description);
        }
    });
}

/// Slopes by differences, for what the oracle has no gradient of.
#[test]
fn gradients_of_hand_written_operations_follow_differences() {
    let io = load_weights(&oracle("ops.safetensors")).unwrap();
    type Operation = fn(Tensor<4>) -> Tensor<4>;
    let operations: [(&str, Operation); 6] = [
        ("selu", |x| ops::activate(x, Activation::Selu)),
        ("leaky", |x| ops::activate(x, Activation::LeakyRelu { slope: 0.1 })),
        ("bilinear", |x| ops::resize_bilinear(x, [20, 31], true)),
        ("nearest", ops::double_nearest),
        ("average", ops::global_average),
        ("group", |x| {
            let v = |n: f32| Tensor::<1>::full([6], n, &x.device());
            let (weight, bias) = (v(1.5), v(0.2));
            ops::group_norm(x, 2, weight, bias, 1e-5)
        }),
    ];
    on_devices(|compute| {
        let device = compute.training();
        for (name, operation) in operations {
            // A fixed weighting makes a number of the output.
            let number = |x: Tensor<4>| {
                let y = operation(x);
                let shape = y.dims();
                let weights = (0..shape.iter().product::<usize>()).map(|i| ((i * 29 % 17) as f32 - 8.0) / 8.0);
                let weights = TensorData::new(weights.collect::<Vec<_>>(), shape);
                let weights = Tensor::<4>::from_data(weights, &y.device());
                (y * weights).sum()
            };
            let x = tensor(&io["x"], &device).require_grad();
            let gradient = host(x.grad(&number(x.clone()).backward()).unwrap());
            for index in [0usize, 100, 333, 857] {
                let at = |step: f32| {
                    let mut moved = io["x"].clone();
                    moved.values[index] += step;
                    f64::from(number(tensor(&moved, &compute.device)).into_scalar::<f32>())
                };
                let slope = (at(0.02) - at(-0.02)) / 0.04;
                let off = (slope - f64::from(gradient[index])).abs();
                assert!(off < 0.01 * slope.abs().max(1.0), "{name} at {index}: {slope} {}", gradient[index]);
            }
        }
    });
}
