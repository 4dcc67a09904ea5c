//! Weights to start from: drawn on the host by parameter name, so that a seed gives the same network on every device.

use super::unet::InitKind;
use super::weights::StateDict;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Values for a network whose zero state is `shapes`: He initialisation, see [`draw`].
pub fn initial_weights(shapes: &StateDict, seed: u64) -> StateDict {
    draw(shapes, seed, InitKind::He)
}

/// Values for a network whose zero state is `shapes`.
///
/// Weights of `[out, in, k, k]` are normal with the variance of `kind`; the heads, which no activation follows, have
/// `1 / fan in` unless `kind` is Xavier's, and so have the transposed convolutions (each output sees one kernel tap).
/// Biases are 0; normalisation layers keep weight 1, mean 0, variance 1.
pub(super) fn draw(shapes: &StateDict, seed: u64, kind: InitKind) -> StateDict {
    let mut out = shapes.clone();
    for (name, tensor) in &mut out {
        let [first, second, kernel @ ..] = tensor.shape.as_slice() else { continue };
        let taps: usize = kernel.iter().product();
        let transposed = name.starts_with("up.") && taps == 4;
        let (fan_in, fan_out) = if transposed { (*first, *second) } else { (second * taps, first * taps) };
        let linear = transposed || name.starts_with("head.") || name.starts_with("segmentation_head.");
        let variance = match kind {
            InitKind::Xavier => 2.0 / (fan_in + fan_out) as f64,
            InitKind::He if !linear => 2.0 / fan_in as f64,
            InitKind::He | InitKind::LeCun => 1.0 / fan_in as f64,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::HostTensor;

    #[test]
    fn variances_follow_the_kind_and_values_the_seed() {
        let zeros = |shape: &[usize]| HostTensor { shape: shape.to_vec(), values: vec![0.0; shape.iter().product()] };
        let shapes = StateDict::from([
            ("enc.0.conv1.weight".to_owned(), zeros(&[64, 32, 3, 3])),
            ("up.0.weight".to_owned(), zeros(&[64, 32, 2, 2])),
            ("enc.0.conv1.bias".to_owned(), zeros(&[64])),
        ]);
        let variance = |kind, name: &str| {
            let values = &draw(&shapes, 3, kind)[name].values;
            values.iter().map(|v| f64::from(v * v)).sum::<f64>() / values.len() as f64
        };
        for (kind, conv, up) in [
            (InitKind::He, 2.0 / 288.0, 1.0 / 64.0),
            (InitKind::LeCun, 1.0 / 288.0, 1.0 / 64.0),
            (InitKind::Xavier, 2.0 / (288.0 + 576.0), 2.0 / 96.0),
        ] {
            let close = |got: f64, want: f64| (got / want - 1.0).abs() < 0.05;
            assert!(close(variance(kind, "enc.0.conv1.weight"), conv) && close(variance(kind, "up.0.weight"), up));
        }
        assert_eq!(draw(&shapes, 3, InitKind::He), initial_weights(&shapes, 3));
        assert_ne!(draw(&shapes, 4, InitKind::He), initial_weights(&shapes, 3));
        assert!(draw(&shapes, 3, InitKind::He)["enc.0.conv1.bias"].values.iter().all(|v| *v == 0.0));
    }
}
