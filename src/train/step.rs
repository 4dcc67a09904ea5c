//! One optimisation step and one validation pass: the only places of training that touch tensors.

use super::batch::Batch;
use super::{ClassFigures, ClipConfig, EncoderConfig, Recipe, TrainError};
use crate::nn::{
    ComputeDevice, DeviceError, GradientSet, LossConfig, Network, NetworkSpec, Optimizer, Pass, Plateau, Rates,
    ScheduleConfig, StateDict, WeightAverage, apply_state, catch, collect_state, loss,
};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

#[cfg(test)]
thread_local! {
    /// Slices that fit into the memory of a device as it is in a test.
    pub(super) static ROOM: std::cell::Cell<usize> = const { std::cell::Cell::new(usize::MAX) };
}

/// Whether so many slices fit at once.
#[cfg(test)]
fn fits(slices: usize) -> Result<(), DeviceError> {
    let reason = "Out of Memory".to_owned();
    if slices > ROOM.get() { Err(DeviceError::Failed { what: "a training step", reason }) } else { Ok(()) }
}

/// Network and optimizer while they learn.
pub(super) struct Learner {
    model: Network,
    optimizer: Optimizer,
    average: Option<WeightAverage>,
    /// Gradients of the batches since the last step of the optimizer.
    sums: GradientSet,
    counts: Counts,
    config: NetworkSpec,
    loss: LossConfig,
    rules: Rules,
    device: Device,
    plain: Device,
}

/// What of a recipe a step depends on.
struct Rules {
    seed: u64,
    threshold: f32,
    lr: f64,
    encoder: EncoderConfig,
    schedule: ScheduleConfig,
    epochs: usize,
    accumulate: usize,
    clip: Option<ClipConfig>,
}

/// How far a learner is; with its tensors enough to go on as if it had never stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Steps of the optimizer.
    pub steps: u64,
    /// Batches seen; each has its own dropout masks.
    pub batches: u64,
    /// Batches in the sums of gradients.
    pub summed: usize,
    /// Pieces that a batch is cut into for want of memory, less one.
    pub cuts: usize,
    pub plateau: Plateau,
}

/// When a step happens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Epochs done, with the part of the present one.
    pub done: f64,
    /// No batch of this epoch comes after it: what is summed up is used.
    pub last: bool,
}

/// Loss and, per class, true positives, predicted and true pixels of validation slices.
#[derive(Default)]
pub(super) struct Validation {
    loss_sum: f64,
    slices: usize,
    counts: Vec<[u64; 3]>,
    pixels: u64,
}

impl Validation {
    /// True positives, predicted and true pixels of each class, of so many pixels.
    #[cfg(test)]
    pub fn of(counts: Vec<[u64; 3]>, pixels: u64) -> Self {
        Self { counts, pixels, ..Self::default() }
    }

    /// Mean loss.
    pub fn loss(&self) -> Option<f64> {
        (self.slices > 0).then(|| self.loss_sum / self.slices as f64)
    }

    /// Mean over classes of the Dice of all slices together; classes in neither truth nor prediction are left out.
    pub fn dice(&self) -> Option<f64> {
        self.mean(|[both, predicted, truth]| (2 * both, predicted + truth))
    }

    /// Mean over classes of the share of all pixels that are rightly in or out of the class.
    pub fn accuracy(&self) -> Option<f64> {
        self.mean(|[both, predicted, truth]| (self.pixels + 2 * both - predicted - truth, self.pixels))
    }

    /// Mean over classes of the share of what was predicted that is true; classes never predicted are left out.
    pub fn precision(&self) -> Option<f64> {
        self.mean(|[both, predicted, _]| (both, predicted))
    }

    /// Mean over classes of the share of what is true that was predicted; classes that the truth lacks are left out.
    pub fn recall(&self) -> Option<f64> {
        self.mean(|[both, _, truth]| (both, truth))
    }

    /// Each class by itself; `names` in the order of classes.
    pub fn classes<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<ClassFigures> {
        let share = |above: u64, below: u64| (below > 0).then(|| above as f64 / below as f64);
        let figures = |(name, &[both, predicted, truth]): (&str, &[u64; 3])| ClassFigures {
            name: name.to_owned(),
            dice: share(2 * both, predicted + truth),
            accuracy: share(self.pixels + 2 * both - predicted - truth, self.pixels).unwrap_or(1.0),
            precision: share(both, predicted),
            recall: share(both, truth),
        };
        names.zip(&self.counts).map(figures).collect()
    }

    fn mean(&self, ratio: impl Fn([u64; 3]) -> (u64, u64)) -> Option<f64> {
        let ratios: Vec<f64> = self
            .counts
            .iter()
            .map(|counts| ratio(*counts))
            .filter(|(_, below)| *below > 0)
            .map(|(above, below)| above as f64 / below as f64)
            .collect();
        (!ratios.is_empty()).then(|| ratios.iter().sum::<f64>() / ratios.len() as f64)
    }

    /// Classes, from 0, that are there to be found and of which nothing was predicted.
    pub fn missed(&self) -> Vec<usize> {
        let nothing = |(class, counts): (usize, &[u64; 3])| (counts[2] > 0 && counts[1] == 0).then_some(class);
        self.counts.iter().enumerate().filter_map(nothing).collect()
    }

    /// There was something to find, and nothing at all was predicted.
    pub fn collapsed(&self) -> bool {
        self.counts.iter().any(|c| c[2] > 0) && self.counts.iter().all(|c| c[1] == 0)
    }
}

impl Learner {
    /// The recipe's network with `weights`. `pixels` of each class, background first, weigh the loss where the recipe
    /// asks for it.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn new(
        recipe: &Recipe,
        weights: &StateDict,
        pixels: &[u64],
        compute: &ComputeDevice,
    ) -> Result<Self, TrainError> {
        let device = compute.training();
        let config = recipe.network_spec();
        let (model, _) = catch("building the network", || apply_state(config.init(&device), weights))?;
        let mut average = recipe.ema.map(WeightAverage::new);
        if let Some(average) = &mut average {
            catch("building the network", || average.update(&model))?;
        }
        Ok(Self {
            model,
            optimizer: Optimizer::new(recipe.optimizer),
            average,
            sums: GradientSet::default(),
            counts: Counts::default(),
            config,
            loss: recipe.loss.with_frequencies(pixels),
            rules: Rules {
                seed: recipe.seed,
                threshold: recipe.threshold,
                lr: recipe.optimizer.lr,
                encoder: recipe.encoder,
                schedule: recipe.schedule,
                epochs: recipe.epochs,
                accumulate: recipe.accumulate,
                clip: recipe.clip,
            },
            device,
            plain: compute.device.clone(),
        })
    }

    /// How far it is.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Weights and buffers to predict with: the averaged ones where the recipe averages.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn weights(&self) -> Result<StateDict, TrainError> {
        Ok(catch("reading the weights", || match &self.average {
            Some(average) => average.state(),
            None => collect_state(&self.model),
        })?)
    }

    /// Everything else that going on needs: moments, summed gradients, and the weights behind the average (`raw.NAME`).
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn moments(&self) -> Result<StateDict, TrainError> {
        Ok(catch("reading the optimizer", || {
            let mut out = self.optimizer.state();
            out.extend(self.sums.state());
            if self.average.is_some() {
                out.extend(collect_state(&self.model).into_iter().map(|(name, t)| (format!("raw.{name}"), t)));
            }
            out
        })?)
    }

    /// Takes over what a checkpoint has: the weights it predicts with, the rest, and how far it was.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn restore(&mut self, weights: &StateDict, moments: &StateDict, counts: Counts) -> Result<(), TrainError> {
        let device = self.plain.clone();
        self.counts = counts;
        Ok(catch("restoring the optimizer", || {
            self.optimizer.restore(moments, counts.steps, &device);
            self.sums = GradientSet::restored(moments, &device);
            if let Some(average) = &mut self.average {
                average.restore(weights, &device);
                let raw: StateDict =
                    moments.iter().filter_map(|(k, t)| Some((k.strip_prefix("raw.")?.to_owned(), t.clone()))).collect();
                self.model = apply_state(self.model.clone(), &raw).0;
            }
        })?)
    }

    /// The learning rate of everything but the encoder, and the encoder's (`None` while it is frozen).
    pub fn rates(&self, moment: Moment) -> Rates {
        let rules = &self.rules;
        let factor = rules.schedule.factor(moment.done, rules.epochs) * self.counts.plateau.factor;
        let encoder = rules.encoder.lr.unwrap_or(rules.lr) * factor;
        Rates { lr: rules.lr * factor, encoder: (!self.frozen(moment)).then_some(encoder) }
    }

    fn frozen(&self, moment: Moment) -> bool {
        moment.done < self.rules.encoder.frozen_epochs as f64
    }

    /// Tells the schedule what an epoch reached (higher is better).
    pub fn reached(&mut self, score: f64) {
        self.counts.plateau.watch(&self.rules.schedule, score);
    }

    /// Cuts batches into twice as many pieces from now on; the gradients of the pieces are averaged. `false` when a
    /// piece holds one slice already.
    pub fn cut_batches(&mut self, batch_size: usize) -> bool {
        let pieces = self.counts.cuts + 1;
        if pieces >= batch_size {
            return false;
        }
        self.counts.cuts = pieces * 2 - 1;
        true
    }

    /// One batch; gives its loss. The optimizer steps when enough batches are summed up or the epoch ends. A loss that
    /// is not finite changes nothing: the weights stay those of the step before.
    ///
    /// # Errors
    /// [`TrainError::Device`] when the device fails, for example for lack of memory; the weights are as before then.
    pub fn step(&mut self, batch: &Batch, moment: Moment) -> Result<f64, TrainError> {
        let (value, gradients) = match self.gradients(batch, moment)? {
            (value, Some(gradients)) => (value, gradients),
            (value, None) => return Ok(value),
        };
        self.counts.batches += 1;
        self.counts.summed += 1;
        self.sums.add(gradients);
        if self.counts.summed >= self.rules.accumulate || moment.last {
            let rates = self.rates(moment);
            let (model, optimizer) = (self.model.clone(), &mut self.optimizer);
            let mut sums = std::mem::take(&mut self.sums);
            if self.counts.summed > 1 {
                sums = sums.scaled(1.0 / self.counts.summed as f64);
            }
            let (clip, average) = (self.rules.clip, &mut self.average);
            self.model = catch("a training step", || {
                let sums = match clip {
                    None => sums,
                    Some(ClipConfig::Norm(limit)) => sums.clipped_to_norm(limit),
                    Some(ClipConfig::Value(limit)) => sums.clipped_to_value(limit),
                };
                let model = optimizer.step(model, &sums, rates);
                if let Some(average) = average {
                    average.update(&model);
                }
                model
            })?;
            self.counts.summed = 0;
            self.counts.steps = self.optimizer.steps();
        }
        Ok(value)
    }

    /// Loss and gradients of a batch, or no gradients where the loss is not finite.
    fn gradients(&self, batch: &Batch, moment: Moment) -> Result<(f64, Option<GradientSet>), TrainError> {
        let (mut total, mut sums) = (0.0, GradientSet::default());
        for (piece, part) in batch.cut(self.counts.cuts + 1).into_iter().enumerate() {
            let share = part.count as f64 / batch.count as f64;
            let whole = part.count == batch.count;
            #[cfg(test)]
            fits(part.count)?;
            let (input, target) = self.tensors(&part, &self.device);
            // A different stream each batch; the run's seed in the upper half keeps two runs apart.
            let seed = self.rules.seed.rotate_left(32) ^ (self.counts.batches + 1) ^ ((piece as u64) << 24);
            let mut pass = Pass::train(seed);
            if self.frozen(moment) {
                pass = pass.with_frozen_encoder();
            }
            let (config, model) = (&self.loss, &self.model);
            let (value, gradients) = catch("a training step", || -> Result<_, DeviceError> {
                let value = loss(config, model.forward(input, &mut pass), target);
                let scalar = read_scalar(value.clone().inner())?;
                let gradients = scalar.is_finite().then(|| GradientSet::of(model, &value.backward()));
                Ok((scalar, gradients.map(|g| if whole { g } else { g.scaled(share) })))
            })??;
            total += if whole { value } else { value * share };
            let Some(gradients) = gradients else { return Ok((total, None)) };
            sums.add(gradients);
        }
        Ok((total, Some(sums)))
    }

    /// Adds a batch of validation slices to `sums`, in pieces where training needs them.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn validate(&self, model: &Inference, batch: &Batch, sums: &mut Validation) -> Result<(), TrainError> {
        match self.counts.cuts {
            0 => self.validate_piece(model, batch, sums),
            cuts => batch.cut(cuts + 1).iter().try_for_each(|piece| self.validate_piece(model, piece, sums)),
        }
    }

    fn validate_piece(&self, model: &Inference, batch: &Batch, sums: &mut Validation) -> Result<(), TrainError> {
        #[cfg(test)]
        fits(batch.count)?;
        let (count, channels) = (batch.count, self.config.out_channels);
        let pixels = batch.size * batch.size;
        let truth = &batch.target;
        let (input, target) = self.tensors(batch, &self.plain);
        let config = &self.loss;
        let (value, logits) = catch("validating", || -> Result<_, DeviceError> {
            let logits = model.0.forward(input, &mut Pass::Infer);
            let value = read_scalar(loss(config, logits.clone(), target))?;
            Ok((value, read(logits)?))
        })??;
        sums.loss_sum += value * count as f64;
        sums.slices += count;
        sums.counts.resize(channels.max(2) - 1, [0; 3]);
        let labels = self.labels(&logits, count, pixels);
        for slice in 0..count {
            let base = slice * channels * pixels;
            for pixel in 0..pixels {
                let at = |c: usize| base + c * pixels + pixel;
                let found = usize::from(labels[slice * pixels + pixel]);
                let real = if channels == 1 {
                    usize::from(truth[at(0)] > 0.5)
                } else {
                    // No class has the pixel: it does not count.
                    if !(0..channels).any(|c| truth[at(c)] > 0.5) {
                        continue;
                    }
                    (1..channels).find(|c| truth[at(*c)] > 0.5).unwrap_or(0)
                };
                sums.pixels += 1;
                for (class, count) in (1..).zip(&mut sums.counts) {
                    count[0] += u64::from(found == class && real == class);
                    count[1] += u64::from(found == class);
                    count[2] += u64::from(real == class);
                }
            }
        }
        Ok(())
    }

    /// Classes of `count` slices by their logits.
    fn labels(&self, logits: &[f32], count: usize, pixels: usize) -> Vec<u8> {
        let channels = self.config.out_channels;
        // The sigmoid reaches the threshold where the logit reaches this.
        let limit = (self.rules.threshold / (1.0 - self.rules.threshold)).ln();
        let label = |slice: usize, pixel: usize| {
            let at = |c: usize| logits[(slice * channels + c) * pixels + pixel];
            match channels {
                1 => u8::from(at(0) >= limit),
                _ => (1..channels).fold(0, |best, c| if at(c) > at(best) { c } else { best }) as u8,
            }
        };
        (0..count).flat_map(|slice| (0..pixels).map(move |pixel| (slice, pixel))).map(|(s, p)| label(s, p)).collect()
    }

    /// Classes of a batch's slices, one after another.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn find(&self, model: &Inference, batch: &Batch) -> Result<Vec<u8>, TrainError> {
        let (input, _) = self.tensors(batch, &self.plain);
        let logits = catch("predicting", || read(model.0.forward(input, &mut Pass::Infer)))??;
        Ok(self.labels(&logits, batch.count, batch.size * batch.size))
    }

    /// The network as it is now, without gradients.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn inference(&self) -> Result<Inference, TrainError> {
        Ok(Inference(catch("validating", || match &self.average {
            Some(average) => average.applied(self.model.valid()),
            None => self.model.valid(),
        })?))
    }

    fn tensors(&self, batch: &Batch, device: &Device) -> (Tensor<4>, Tensor<4>) {
        let shape = |channels| [batch.count, channels, batch.size, batch.size];
        (
            Tensor::from_data(TensorData::new(batch.input.clone(), shape(1)), device),
            Tensor::from_data(TensorData::new(batch.target.clone(), shape(self.config.out_channels)), device),
        )
    }
}

/// A network that only infers.
pub(super) struct Inference(Network);

fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, DeviceError> {
    let failed = |reason: String| DeviceError::Failed { what: "reading a result", reason };
    let data = tensor.try_into_data().map_err(|e| failed(format!("{e:?}")))?;
    data.convert::<f32>().try_into_vec().map_err(|e| failed(format!("{e:?}")))
}

fn read_scalar(tensor: Tensor<1>) -> Result<f64, DeviceError> {
    Ok(read(tensor)?.first().copied().map_or(f64::NAN, f64::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_told_one_by_one_and_accuracy_is_high_for_one_that_is_never_found() {
        let sums = Validation::of(vec![[5, 6, 7], [0, 0, 9], [0, 0, 0]], 100);
        assert_eq!((sums.missed(), sums.collapsed()), (vec![1], false));
        let classes = sums.classes(["a", "b", "c"].into_iter());
        assert_eq!((classes[0].dice, classes[0].accuracy), (Some(10.0 / 13.0), 0.97));
        assert_eq!((classes[1].dice, classes[1].precision, classes[1].accuracy), (Some(0.0), None, 0.91));
        assert_eq!((classes[2].dice, classes[2].recall), (None, None));
    }
}
