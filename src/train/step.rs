//! One optimisation step and one validation pass: the only places of training that touch tensors.

use super::batch::Batch;
use super::{Recipe, TrainError};
use crate::nn::{
    ComputeDevice, DeviceError, LossConfig, Optimizer, Pass, StateDict, UNet, UNetConfig, apply_state, catch,
    collect_state, loss,
};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

/// Network and optimizer while they learn.
pub(super) struct Learner {
    model: UNet,
    pub optimizer: Optimizer,
    config: UNetConfig,
    loss: LossConfig,
    size: usize,
    seed: u64,
    threshold: f32,
    device: Device,
    plain: Device,
}

/// Loss and, per class, true positives, predicted and true pixels of validation slices.
#[derive(Default)]
pub(super) struct Validation {
    loss_sum: f64,
    slices: usize,
    counts: Vec<[u64; 3]>,
}

impl Validation {
    /// Mean loss.
    pub fn loss(&self) -> Option<f64> {
        (self.slices > 0).then(|| self.loss_sum / self.slices as f64)
    }

    /// Mean over classes of the Dice of all slices together; classes in neither truth nor prediction are left out.
    pub fn dice(&self) -> Option<f64> {
        let dice: Vec<f64> = self
            .counts
            .iter()
            .filter(|[_, predicted, truth]| predicted + truth > 0)
            .map(|[both, predicted, truth]| 2.0 * *both as f64 / (predicted + truth) as f64)
            .collect();
        (!dice.is_empty()).then(|| dice.iter().sum::<f64>() / dice.len() as f64)
    }

    /// There was something to find, and nothing at all was predicted.
    pub fn collapsed(&self) -> bool {
        self.counts.iter().any(|c| c[2] > 0) && self.counts.iter().all(|c| c[1] == 0)
    }
}

impl Learner {
    /// The recipe's network with `weights`.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn new(recipe: &Recipe, weights: &StateDict, compute: &ComputeDevice) -> Result<Self, TrainError> {
        let device = compute.training();
        let config = recipe.unet();
        let (model, _) = catch("building the network", || apply_state(config.init(&device), weights))?;
        Ok(Self {
            model,
            optimizer: Optimizer::new(recipe.optimizer),
            config,
            loss: recipe.loss,
            size: recipe.preprocessing.size,
            seed: recipe.seed,
            threshold: recipe.threshold,
            device,
            plain: compute.device.clone(),
        })
    }

    /// Weights and buffers.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn weights(&self) -> Result<StateDict, TrainError> {
        Ok(catch("reading the weights", || collect_state(&self.model))?)
    }

    /// Moments of the optimizer.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn moments(&self) -> Result<StateDict, TrainError> {
        Ok(catch("reading the optimizer", || self.optimizer.state())?)
    }

    /// Takes over moments from a checkpoint.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn restore(&mut self, moments: &StateDict, steps: u64) -> Result<(), TrainError> {
        let device = self.plain.clone();
        Ok(catch("restoring the optimizer", || self.optimizer.restore(moments, steps, &device))?)
    }

    /// One step; gives the loss. A loss that is not finite changes nothing: the weights stay those of the step before.
    ///
    /// # Errors
    /// [`TrainError::Device`] when the device fails, for example for lack of memory.
    pub fn step(&mut self, batch: Batch) -> Result<f64, TrainError> {
        let (input, target) = self.tensors(batch, &self.device);
        // A different stream each step; the run's seed in the upper half keeps two runs apart.
        let mut pass = Pass::train(self.seed.rotate_left(32) ^ (self.optimizer.steps() + 1));
        let (config, model) = (self.loss, &self.model);
        let (value, gradients) = catch("a training step", || -> Result<_, DeviceError> {
            let value = loss(config, model.forward(input, &mut pass), target);
            let scalar = read_scalar(value.clone().inner())?;
            Ok((scalar, scalar.is_finite().then(|| value.backward())))
        })??;
        if let Some(gradients) = gradients {
            let (model, optimizer) = (self.model.clone(), &mut self.optimizer);
            self.model = catch("a training step", || optimizer.step(model, &gradients))?;
        }
        Ok(value)
    }

    /// Adds a batch of validation slices to `sums`.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn validate(&self, model: &Inference, batch: Batch, sums: &mut Validation) -> Result<(), TrainError> {
        let (count, channels, pixels) = (batch.count, self.config.out_channels, self.size * self.size);
        let truth = batch.target.clone();
        let (input, target) = self.tensors(batch, &self.plain);
        let config = self.loss;
        let (value, logits) = catch("validating", || -> Result<_, DeviceError> {
            let logits = model.0.forward(input, &mut Pass::Infer);
            let value = read_scalar(loss(config, logits.clone(), target))?;
            Ok((value, read(logits)?))
        })??;
        sums.loss_sum += value * count as f64;
        sums.slices += count;
        sums.counts.resize(channels.max(2) - 1, [0; 3]);
        // The sigmoid reaches the threshold where the logit reaches this.
        let limit = (self.threshold / (1.0 - self.threshold)).ln();
        for slice in 0..count {
            let base = slice * channels * pixels;
            for pixel in 0..pixels {
                let at = |c: usize| base + c * pixels + pixel;
                let (found, real) = if channels == 1 {
                    (usize::from(logits[at(0)] >= limit), usize::from(truth[at(0)] > 0.5))
                } else {
                    let found =
                        (1..channels).fold(0, |best, c| if logits[at(c)] > logits[at(best)] { c } else { best });
                    (found, (1..channels).find(|c| truth[at(*c)] > 0.5).unwrap_or(0))
                };
                for (class, count) in (1..).zip(&mut sums.counts) {
                    count[0] += u64::from(found == class && real == class);
                    count[1] += u64::from(found == class);
                    count[2] += u64::from(real == class);
                }
            }
        }
        Ok(())
    }

    /// The network as it is now, without gradients.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn inference(&self) -> Result<Inference, TrainError> {
        Ok(Inference(catch("validating", || self.model.valid())?))
    }

    fn tensors(&self, batch: Batch, device: &Device) -> (Tensor<4>, Tensor<4>) {
        let shape = |channels| [batch.count, channels, self.size, self.size];
        (
            Tensor::from_data(TensorData::new(batch.input, shape(1)), device),
            Tensor::from_data(TensorData::new(batch.target, shape(self.config.out_channels)), device),
        )
    }
}

/// A network that only infers.
pub(super) struct Inference(UNet);

fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, DeviceError> {
    let failed = |reason: String| DeviceError::Failed { what: "reading a result", reason };
    let data = tensor.try_into_data().map_err(|e| failed(format!("{e:?}")))?;
    data.convert::<f32>().try_into_vec().map_err(|e| failed(format!("{e:?}")))
}

fn read_scalar(tensor: Tensor<1>) -> Result<f64, DeviceError> {
    Ok(read(tensor)?.first().copied().map_or(f64::NAN, f64::from))
}
