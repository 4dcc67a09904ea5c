//! Convolutions on matrix units against those of the CPU, where the graphics device has them: values and gradients within
//! what 16-bit factors explain, and really by those units.

use super::gpu::{Found, found, leaf, weighed};
use super::*;
use crate::nn::ops::{ConvShape, conv_transpose2d, conv2d, conv2d_joined};
use crate::nn::precision::{Precision, also_for_small, with_precision};

/// More than sums in another order explain, and less than a wrong index.
const APART: std::ops::Range<f64> = 2e-5..2e-3;

fn compare(case: &str, run: impl Fn(&Device) -> Found) {
    on_devices(|device| match device.mode {
        DeviceMode::Cpu => {}
        _ if crate::nn::gpu::matrix::offered() => compare_on(device, case, &run),
        _ => println!("skipped: {} has {}", device.description, matrix_units()),
    });
}

fn compare_on(device: &ComputeDevice, case: &str, run: &impl Fn(&Device) -> Found) {
    let want = run(&compute_device(DeviceChoice::Cpu, None).unwrap().training());
    let device = device.training();
    let mixed = also_for_small(|| run(&device));
    assert!(matrix_units().ends_with("in use"), "{}", matrix_units());
    let full = with_precision(Precision::Full, || run(&device));
    for (((name, got), (_, want)), (_, full)) in mixed.iter().zip(&want).zip(&full) {
        let error = relative_l2(got, want);
        println!("{case}: {name} {error:.1e}");
        if *name == "bias" {
            assert!(error <= 2e-5, "{case}: {name} differs by {error:.1e}");
            continue;
        }
        assert!(APART.contains(&error), "{case}: {name} differs by {error:.1e}");
        let error = relative_l2(full, want);
        assert!(error <= 2e-5, "{case}: {name} in full precision differs by {error:.1e}");
    }
}

#[test]
fn convolutions_on_matrix_units_are_those_of_the_cpu() {
    for [b, i, o, h, w, k, stride, padding] in
        [[2, 17, 33, 20, 36, 3, 1, 1], [1, 20, 24, 17, 19, 3, 2, 1], [1, 40, 48, 12, 16, 1, 1, 0]]
    {
        compare(&format!("{b}x{i}x{h}x{w} to {o}, kernel {k}, stride {stride}"), |device| {
            let x = leaf([b, i, h, w], 1, device);
            let (weight, bias) = (leaf([o, i, k, k], 2, device), leaf([o], 3, device));
            let shape = ConvShape { stride, padding, dilation: 1, groups: 1 };
            let y = conv2d(x.clone(), weight.clone(), Some(bias.clone()), shape);
            // Gradients as small as a loss over many pixels gives them.
            let gradients = weighed(&(y.clone() * 1e-9));
            found(y, &gradients, [("input", &x), ("weight", &weight), ("bias", &bias)])
        });
    }
}

#[test]
fn joined_convolutions_on_matrix_units_are_those_of_the_joined_picture() {
    compare("9 and 13 to 32", |device| {
        let (a, b) = (leaf([2, 9, 16, 24], 1, device), leaf([2, 13, 16, 24], 2, device));
        let weight = leaf([32, 22, 3, 3], 3, device);
        let shape = ConvShape { stride: 1, padding: 1, dilation: 1, groups: 1 };
        let y = conv2d_joined(a.clone() * 100.0, b.clone(), weight.clone(), None, shape);
        let gradients = weighed(&y);
        found(y, &gradients, [("first", &a), ("second", &b), ("weight", &weight)])
    });
}

#[test]
fn transposed_convolutions_on_matrix_units_are_those_of_the_cpu() {
    compare("32 to 19, times 2", |device| {
        let x = leaf([2, 32, 7, 18], 1, device);
        let (weight, bias) = (leaf([32, 19, 2, 2], 2, device), leaf([19], 3, device));
        let y = conv_transpose2d(x.clone(), weight.clone(), Some(bias.clone()), 2, 0, 0);
        let gradients = weighed(&y);
        found(y, &gradients, [("input", &x), ("weight", &weight), ("bias", &bias)])
    });
}
