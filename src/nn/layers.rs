//! Layers with PyTorch's exact arithmetic where burn's own differ, and the mode a forward pass runs in.

use burn::module::{Module, Param, RunningState};
use burn::tensor::module::{batch_norm, batch_norm_train};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Whether a forward pass learns. Training passes carry the random stream of their dropout masks, so that a step is
/// a function of its seed alone: the same on every device, and the same when a run is resumed.
pub enum Pass {
    Infer,
    Train(Box<ChaCha8Rng>),
}

impl Pass {
    /// A training pass whose dropout masks follow from `seed`.
    pub fn train(seed: u64) -> Self {
        Self::Train(Box::new(ChaCha8Rng::seed_from_u64(seed)))
    }
}

/// Batch normalisation over `[batch, channel, y, x]` as in PyTorch's `BatchNorm2d`: biased variance to normalise,
/// unbiased variance in the running statistics (burn's own keeps the biased one there), momentum 0.1, epsilon 1e-5.
///
/// Ioffe and Szegedy, "Batch Normalization", 2015. Parameter names are PyTorch's.
#[derive(Module, Debug)]
pub struct BatchNorm2d {
    pub weight: Param<Tensor<1>>,
    pub bias: Param<Tensor<1>>,
    pub running_mean: RunningState<Tensor<1>>,
    pub running_var: RunningState<Tensor<1>>,
    momentum: f64,
    epsilon: f64,
}

impl BatchNorm2d {
    /// Weight 1, bias 0, statistics of a standard normal.
    pub fn new(channels: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([channels], device)),
            bias: Param::from_tensor(Tensor::zeros([channels], device)),
            running_mean: RunningState::new(Tensor::zeros([channels], device)),
            running_var: RunningState::new(Tensor::ones([channels], device)),
            momentum: 0.1,
            epsilon: 1e-5,
        }
    }

    /// `[b, c, h, w]` to the same shape. A training pass updates the running statistics.
    pub fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        match pass {
            Pass::Infer => batch_norm(
                x,
                self.weight.val(),
                self.bias.val(),
                self.running_mean.value_sync(),
                self.running_var.value_sync(),
                self.epsilon,
            ),
            Pass::Train(_) => {
                let [b, _, h, w] = x.dims();
                let count = (b * h * w) as f64;
                let out = batch_norm_train(x, self.weight.val(), self.bias.val(), self.epsilon);
                // A single sample per channel has no unbiased variance; PyTorch refuses it, we keep the biased one.
                let unbiased = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
                self.blend(&self.running_mean, out.mean, 1.0);
                self.blend(&self.running_var, out.variance, unbiased);
                out.output
            }
        }
    }

    fn blend(&self, state: &RunningState<Tensor<1>>, batch: Tensor<1>, factor: f64) {
        let kept = state.value_sync().detach().mul_scalar(1.0 - self.momentum);
        state.update(kept.add(batch.detach().mul_scalar(self.momentum * factor)).detach());
        // `update` alone leaves the value one step behind for whoever reads the module's state.
        let _ = state.value_sync();
    }
}

/// Inverted dropout of single values (Srivastava et al., 2014): each is kept with probability `1 - p` and scaled by
/// `1 / (1 - p)`. The identity when inferring.
///
/// The mask is drawn on the host from the pass's own stream: the random state of burn's devices is shared by the
/// whole process, so that another job could shift it and a resumed run would not repeat itself.
pub fn dropout(x: Tensor<4>, p: f64, pass: &mut Pass) -> Tensor<4> {
    let Pass::Train(rng) = pass else { return x };
    if p <= 0.0 {
        return x;
    }
    let shape = x.dims();
    let count: usize = shape.iter().product();
    // 16 random bits a value: p is met to within 1 / 65536.
    let limit = (p * 65536.0).round().clamp(0.0, 65535.0) as u16;
    let keep = 1.0 / (1.0 - f32::from(limit) / 65536.0);
    let mut mask = Vec::with_capacity(count + 4);
    while mask.len() < count {
        let bits = rng.next_u64();
        for part in 0..4 {
            mask.push(if (bits >> (16 * part)) as u16 >= limit { keep } else { 0.0 });
        }
    }
    mask.truncate(count);
    let mask = Tensor::<4>::from_data(TensorData::new(mask, shape), &x.device());
    x * mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropout_keeps_the_mean_and_repeats_with_its_seed() {
        let device = Device::flex();
        let ones = Tensor::<4>::ones([1, 4, 64, 64], &device);
        let run = |seed| dropout(ones.clone(), 0.2, &mut Pass::train(seed)).into_data().try_into_vec::<f32>().unwrap();
        let a = run(3);
        let zeros = a.iter().filter(|v| **v == 0.0).count() as f64 / a.len() as f64;
        let mean = a.iter().sum::<f32>() / a.len() as f32;
        assert!((zeros - 0.2).abs() < 0.02 && (mean - 1.0).abs() < 0.02, "{zeros} {mean}");
        assert_eq!(a, run(3));
        assert_ne!(a, run(4));
        let same = dropout(ones.clone(), 0.2, &mut Pass::Infer).into_data();
        assert_eq!(same, ones.into_data());
    }
}
