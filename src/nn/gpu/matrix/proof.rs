//! Whether matrix units compute what the 32-bit kernels compute: a convolution, its two gradients and a transposed
//! convolution of generated numbers, by both. Called once for a process, before the units are first used.

use super::super::conv::{self as full, Inputs, Shape, WeightOrder};
use super::super::hook::CubeTensor;
use super::super::kernel::{Text, empty, entry, launch, spread_out};
use super::super::weights as full_weights;
use super::unit::Unit;
use super::{conv, halves, weights};
use crate::nn::guard::catch;

/// Largest relative difference (L2) that rounding to 16-bit floats explains: it gives 3e-4, cutting off 8e-4.
const TOLERANCE: f64 = 2e-3;

/// Numbers between -1 and 1, times a factor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Numbers;

impl Text for Numbers {
    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        vec![("y", "f32")]
    }

    fn workgroup(&self) -> u32 {
        256
    }

    fn wgsl(&self) -> String {
        format!(
            "{entry}
             let i = (g.y * 65535u + g.x) * 256u + t;
             if (i >= info[0]) {{ return; }}
             var state = (i + info[1]) * 747796405u + 2891336453u;
             state = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
             state = (state >> 22u) ^ state;
             y[i] = (f32(state >> 8u) / 8388608.0 - 1.0) * bitcast<f32>(info[2]);
             }}\n",
            entry = entry(256)
        )
    }
}

fn numbers(like: &CubeTensor, dims: &[usize], seed: usize, scale: f32) -> CubeTensor {
    let y = empty(like, dims);
    let total = dims.iter().product();
    launch(Numbers, spread_out(total), &[&y], &[total, seed, scale.to_bits() as usize]);
    y
}

/// The end of a sentence, where something is wrong.
pub fn fault(unit: Unit, like: &CubeTensor) -> Option<String> {
    match catch("the trial of the matrix units", || compare(unit, like)) {
        Ok(found) => found.err(),
        Err(error) => Some(format!("they failed ({error})")),
    }
}

fn compare(unit: Unit, like: &CubeTensor) -> Result<(), String> {
    // Sizes that no tile divides, and numbers far from 1.
    let shape = Shape {
        batch: 2,
        first_channels: 40,
        in_channels: 40,
        in_size: [20, 48],
        out_channels: 48,
        out_size: [20, 48],
        kernel: 3,
        stride: 1,
        padding: 1,
        dilation: 1,
        spread: 1,
    };
    let x = numbers(like, &[2, 40, 20, 48], 1, 300.0);
    let weight = numbers(like, &[48, 40, 3, 3], 100_000, 0.01);
    let dy = numbers(like, &[2, 48, 20, 48], 200_000, 1e-8);
    let (halved, dy_halved) = (halves::picture(&x, None), halves::picture(&dy, None));
    let order = WeightOrder { row: 9, column: 360, offset: 0, turned: false };
    let want = full::convolve(inputs(&x, &weight), &shape, order, 1);
    near("a convolution", &conv::convolve(unit, &halved, [Some(&weight), None], &shape, order, 1), &want)?;
    let turned = Shape { first_channels: 48, in_channels: 48, out_channels: 40, ..shape };
    let order = WeightOrder { row: 360, column: 9, offset: 0, turned: true };
    let want = full::convolve(inputs(&dy, &weight), &turned, order, 1);
    let got = conv::convolve(unit, &dy_halved, [Some(&weight), None], &turned, order, 1);
    near("the gradient of an input", &got, &want)?;
    let want = full_weights::gradient(&x, None, &dy, &shape);
    near("the gradient of weights", &weights::gradient(unit, &halved, &dy_halved, &shape), &want)?;
    let grown = Shape { out_channels: 20, kernel: 1, padding: 0, ..shape };
    let weight = numbers(like, &[40, 20, 2, 2], 300_000, 0.1);
    let order = WeightOrder { row: 80, column: 1, offset: 0, turned: false };
    let want = full::convolve(inputs(&x, &weight), &grown, order, 2);
    let got = conv::convolve(unit, &halved, [Some(&weight), None], &grown, order, 2);
    near("a transposed convolution", &got, &want)
}

fn inputs<'a>(x: &'a CubeTensor, weight: &'a CubeTensor) -> Inputs<'a> {
    Inputs { x, second: None, weight, bias: None }
}

fn near(what: &str, got: &CubeTensor, want: &CubeTensor) -> Result<(), String> {
    let read = |t: &CubeTensor| -> Result<Vec<f32>, String> {
        let bytes = t.client.read_one(t.handle.clone()).map_err(|e| format!("{what} failed ({e:?})"))?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    };
    let (got, want) = (read(got)?, read(want)?);
    let square = |v: f32| f64::from(v) * f64::from(v);
    let error: f64 = got.iter().zip(&want).map(|(a, b)| square(a - b)).sum();
    let norm: f64 = want.iter().map(|v| square(*v)).sum();
    let relative = (error / norm).sqrt();
    // A NaN counts as different.
    if got.len() == want.len() && relative <= TOLERANCE {
        return Ok(());
    }
    Err(format!("{what} differs from the 32-bit one by {:.2} %", relative * 100.0))
}
