//! One round of fine-tuning: from the weights in use to a candidate and its figures, in steps that others run between.

use super::gate::Figures;
use super::{LearnError, LoopConfig, Role, Sample};
use crate::nn::{ComputeDevice, StateDict, Turn};
use crate::train::{Judgement, Recipe, TrainError, Tuner};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::time::Instant;

/// All that a round needs: a snapshot, so that corrections go on meanwhile.
#[derive(Debug, Clone)]
pub struct RoundInput {
    pub recipe: Recipe,
    pub config: LoopConfig,
    /// From 1.
    pub number: usize,
    /// The version in use, and its weights.
    pub parent: usize,
    pub weights: Arc<StateDict>,
    /// The whole pool, in the order of arrival.
    pub samples: Vec<Sample>,
    /// Corrected slices with this place in the order, or a later one, are new since the last round.
    pub fresh_from: u64,
}

/// What happened since the last call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RoundStep {
    /// A batch of slices is about to be judged.
    Judging,
    /// A step is about to be made: number from 1, of at most so many; the loss of the one before.
    Step { number: usize, most: usize, loss: f64 },
    /// The device lacked memory: batches are made in so many pieces from here on, whose gradients are averaged.
    Cut { pieces: usize },
}

/// A candidate: the best of the judged states.
#[derive(Debug, Clone)]
pub struct RoundOutput {
    pub input: RoundInput,
    pub weights: StateDict,
    pub figures: Figures,
    /// Those of the weights in use on the same slices.
    pub in_use: Figures,
    /// Steps that led to the candidate.
    pub steps: usize,
    pub learning_rate: f64,
    pub device: String,
    pub seconds: f64,
}

/// Judgements in a row that found nothing better, after which a round ends.
const PATIENCE: usize = 3;

/// Fine-tunes from the weights in use. `between` is called in front of every step and judged batch, lets other work
/// in, and ends the round with `false`. Where the device lacks memory for a batch the round goes on with smaller ones.
///
/// # Errors
/// [`LearnError::NothingToLearn`] without a corrected slice; [`LearnError::Cancelled`]; those of training.
pub fn fine_tune(
    input: RoundInput,
    device: &ComputeDevice,
    between: &mut dyn FnMut(RoundStep) -> bool,
) -> Result<RoundOutput, LearnError> {
    fine_tune_in_turn(input, device, &Turn::default(), between)
}

/// As [`fine_tune`] on a device that may fail as a test wants it to. Whose turn it is `between` asks.
pub(super) fn fine_tune_in_turn(
    input: RoundInput,
    device: &ComputeDevice,
    turn: &Turn,
    between: &mut dyn FnMut(RoundStep) -> bool,
) -> Result<RoundOutput, LearnError> {
    let begun = Instant::now();
    let config = input.config;
    let of = |role: Role| -> Vec<usize> {
        input.samples.iter().enumerate().filter(|(_, s)| s.info.role == role).map(|(n, _)| n).collect()
    };
    let (corrected, earlier) = (of(Role::Corrected), of(Role::Earlier));
    let (aside, validation) = (of(Role::SetAside), of(Role::EarlierValidation));
    if corrected.is_empty() {
        return Err(LearnError::NothingToLearn);
    }
    let learning_rate = input.recipe.optimizer.lr * config.learning_rate;
    let slices = input.samples.iter().map(|s| &*s.slice);
    let tuner = Tuner::new(&input.recipe, learning_rate, &input.weights, slices, device)?;
    let mut round = Round { tuner, turn, between, batch_size: input.recipe.batch_size, stopped: false };
    let in_use = round.judge(&aside, &validation)?;
    let draw = Draw::new(&input, &corrected, &earlier);
    let mut best: Option<(StateDict, Figures, usize)> = None;
    let (mut loss, mut since) = (f64::NAN, 0);
    for step in 0..config.steps {
        round.tell(RoundStep::Step { number: step + 1, most: config.steps, loss })?;
        loss = round.step(&draw.batch(step))?;
        let last = step + 1 == config.steps;
        if last || (step + 1) % config.judge_every.max(1) == 0 {
            let figures = round.judge(&aside, &validation)?;
            if best.as_ref().is_none_or(|(_, b, _)| figures.score() > b.score() || figures.score().is_none()) {
                best = Some((round.tuner.weights()?, figures, step + 1));
                since = 0;
            } else {
                since += 1;
            }
            if since >= PATIENCE {
                break;
            }
        }
    }
    let (weights, figures, steps) = best.ok_or(LearnError::NothingToLearn)?;
    Ok(RoundOutput {
        weights,
        figures,
        in_use,
        steps,
        learning_rate,
        device: device.description.clone(),
        seconds: begun.elapsed().as_secs_f64(),
        input,
    })
}

/// A round under way.
struct Round<'a> {
    tuner: Tuner,
    turn: &'a Turn,
    between: &'a mut dyn FnMut(RoundStep) -> bool,
    batch_size: usize,
    /// Somebody wants it to end.
    stopped: bool,
}

impl Round<'_> {
    /// Lets others in; an error when the round is to end.
    fn tell(&mut self, step: RoundStep) -> Result<(), LearnError> {
        if self.stopped || !(self.between)(step) {
            return Err(LearnError::Cancelled);
        }
        Ok(())
    }

    fn step(&mut self, batch: &[usize]) -> Result<f64, LearnError> {
        loop {
            let ready = self.turn.check().map_err(TrainError::from);
            match ready.and_then(|()| self.tuner.step(batch)) {
                Ok(loss) => return Ok(loss),
                Err(error) => self.cut(error, batch.len())?,
            }
        }
    }

    fn judge(&mut self, aside: &[usize], validation: &[usize]) -> Result<Figures, LearnError> {
        Ok(Figures { corrected: self.judge_set(aside)?, earlier: self.judge_set(validation)? })
    }

    fn judge_set(&mut self, set: &[usize]) -> Result<Option<Judgement>, LearnError> {
        if set.is_empty() {
            return Ok(None);
        }
        loop {
            let Self { tuner, turn, between, stopped, .. } = self;
            let ready = turn.check().map_err(TrainError::from);
            let judged = ready.and_then(|()| tuner.judge(set, &mut || *stopped |= !between(RoundStep::Judging)));
            match judged {
                Ok(judgement) => return Ok(Some(judgement)),
                Err(error) => self.cut(error, self.batch_size)?,
            }
        }
    }

    /// Makes batches of `size` slices smaller after an error that this may help against; gives other errors back.
    fn cut(&mut self, error: TrainError, size: usize) -> Result<(), LearnError> {
        let lacking = matches!(&error, TrainError::Device(device) if device.is_lack_of_memory());
        match lacking.then(|| self.tuner.cut_batches(size)).flatten() {
            Some(pieces) => self.tell(RoundStep::Cut { pieces }),
            None => Err(error.into()),
        }
    }
}

/// Draws batches: corrected slices, new ones more often, mixed with earlier data.
struct Draw<'a> {
    input: &'a RoundInput,
    /// Corrected slices, the new ones several times.
    weighted: Vec<(f64, usize)>,
    earlier: &'a [usize],
    from_corrected: usize,
}

impl<'a> Draw<'a> {
    fn new(input: &'a RoundInput, corrected: &[usize], earlier: &'a [usize]) -> Self {
        let mut sum = 0.0;
        let weighted = corrected
            .iter()
            .map(|n| {
                let fresh = input.samples[*n].info.order >= input.fresh_from;
                sum += if fresh { input.config.newest_weight.max(0.1) } else { 1.0 };
                (sum, *n)
            })
            .collect();
        let size = input.recipe.batch_size;
        let share = (size as f64 * input.config.corrected_share).round() as usize;
        let from_corrected = if earlier.is_empty() { size } else { share.clamp(1, size) };
        Self { input, weighted, earlier, from_corrected }
    }

    fn batch(&self, step: usize) -> Vec<usize> {
        let mut random = ChaCha8Rng::seed_from_u64(self.input.config.seed);
        random.set_stream((self.input.number as u64) << 32 | step as u64);
        let total = self.weighted.last().map_or(1.0, |(sum, _)| *sum);
        (0..self.input.recipe.batch_size)
            .filter_map(|n| {
                if n < self.from_corrected {
                    let at = random.random_range(0.0..total);
                    let place = self.weighted.partition_point(|(sum, _)| *sum <= at);
                    self.weighted.get(place).map(|(_, n)| *n)
                } else {
                    self.earlier.get(random.random_range(0..self.earlier.len().max(1))).copied()
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Effort, SampleInfo, SampleOrigin};
    use super::*;
    use crate::train::Slice;

    /// Two corrected slices of an earlier round, two new ones, and `earlier` slices of earlier data.
    fn input(earlier: u64) -> RoundInput {
        let recipe = Recipe::load("demo").unwrap();
        let sample = |role, order| {
            let slice = Arc::new(Slice { hu: Vec::new(), classes: Vec::new() });
            let (case, origin) = ("case".into(), SampleOrigin::Human);
            let info =
                SampleInfo { case, slice: order as usize, role, origin, version: 0, order, effort: Effort::default() };
            Sample { info, slice }
        };
        let corrected = (1..5).map(|order| sample(Role::Corrected, order));
        RoundInput {
            config: LoopConfig { corrected_share: 0.75, newest_weight: 3.0, ..LoopConfig::default() },
            number: 1,
            parent: 0,
            weights: Arc::new(StateDict::default()),
            samples: corrected.chain((0..earlier).map(|_| sample(Role::Earlier, 0))).collect(),
            fresh_from: 3,
            recipe,
        }
    }

    #[test]
    fn new_slices_are_drawn_more_often_and_earlier_data_has_its_share_of_every_batch() {
        const STEPS: usize = 1000;
        let input = input(3);
        let (corrected, earlier) = ([0, 1, 2, 3], [4, 5, 6]);
        let draw = Draw::new(&input, &corrected, &earlier);
        let mut drawn = [0usize; 7];
        for step in 0..STEPS {
            let batch = draw.batch(step);
            assert_eq!(batch.len(), input.recipe.batch_size);
            assert_eq!(batch.iter().filter(|n| **n >= 4).count(), input.recipe.batch_size / 4, "{batch:?}");
            batch.into_iter().for_each(|n| drawn[n] += 1);
        }
        for (old, new) in [(0, 2), (1, 3)] {
            let times = drawn[new] as f64 / drawn[old] as f64;
            assert!((2.5..3.5).contains(&times), "{drawn:?}");
        }
        assert!(drawn[4..].iter().all(|n| *n > STEPS / 2), "{drawn:?}");
        assert_eq!(draw.batch(7), Draw::new(&input, &corrected, &earlier).batch(7), "the same round again is the same");
    }

    #[test]
    fn without_earlier_data_a_batch_is_of_corrected_slices_alone() {
        let input = self::input(0);
        let draw = Draw::new(&input, &[0, 1, 2, 3], &[]);
        assert!((0..50).all(|step| draw.batch(step).len() == input.recipe.batch_size));
    }
}
