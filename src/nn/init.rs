//! Weights to start from: drawn on the host by parameter name, so that a seed gives the same network on every device.

use super::weights::StateDict;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Values for a network whose zero state is `shapes`: He initialisation for convolutions in front of a ReLU.
///
/// Weights of `[out, in, k, k]` are normal with variance `2 / (in k k)` (He et al., 2015); the 1 x 1 `head`, which no
/// ReLU follows, has variance `1 / in`, and so have the transposed convolutions (each output sees one kernel tap).
/// Biases are 0; normalisation layers keep weight 1, mean 0, variance 1.
pub fn initial_weights(shapes: &StateDict, seed: u64) -> StateDict {
    let mut out = shapes.clone();
    for (name, tensor) in &mut out {
        let [first, second, kernel @ ..] = tensor.shape.as_slice() else { continue };
        let taps: usize = kernel.iter().product();
        let variance = if name.starts_with("up.") {
            1.0 / *first as f64
        } else if name.starts_with("head.") {
            1.0 / (second * taps) as f64
        } else {
            2.0 / (second * taps) as f64
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ name_hash(name));
        let deviation = variance.sqrt();
        for value in &mut tensor.values {
            *value = (deviation * normal(&mut rng)) as f32;
        }
    }
    out
}

/// Standard normal by Box and Muller (1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius: f64 = rng.random::<f64>().max(f64::MIN_POSITIVE);
    let angle: f64 = rng.random();
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// FNV-1a: stable across versions of Rust, which the standard hasher does not promise.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
