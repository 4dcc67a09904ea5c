//! Fine-tuning in single steps on slices of the caller's choice: what the learning loop holds of training.
//!
//! The caller says which slices make each step; loss, optimizer, augmentation and network are the recipe's own.

use super::batch::BatchPlan;
use super::data::{self, class_table, plain};
use super::split::split_slices;
use super::step::{Learner, Moment, Validation};
use super::store::{DEFAULT_MEMORY, Slice, SliceStore};
use super::{Recipe, TrainData, TrainError, TrainEvent};
use crate::core::{LabelId, LabelMap, Segment, Volume};
use crate::io::layouts::DatasetCase;
use crate::jobs::JobContext;
use crate::nn::{AxialView, ComputeDevice, ScheduleConfig, StateDict, resample_hu, resize_labels, with_precision};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// How well weights do on a set of slices.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Judgement {
    pub slices: usize,
    /// Of all slices together, averaged over classes; `None` where no class is in truth or prediction.
    pub dice: Option<f64>,
    pub loss: f64,
}

/// A network that learns step by step, with the slices it may learn from.
pub struct Tuner {
    learner: Learner,
    recipe: Recipe,
    store: SliceStore,
    steps: usize,
}

impl Tuner {
    /// Starts from `weights` with fresh moments. `slices` have the recipe's size; `learning_rate` takes the place of
    /// the recipe's and stays constant.
    ///
    /// # Errors
    /// [`TrainError::Data`] for a slice of another size; [`TrainError::Device`].
    pub fn new<'a>(
        recipe: &Recipe,
        learning_rate: f64,
        weights: &StateDict,
        slices: impl IntoIterator<Item = &'a Slice>,
        device: &ComputeDevice,
    ) -> Result<Self, TrainError> {
        let mut recipe = recipe.clone();
        recipe.optimizer.lr = learning_rate;
        recipe.schedule = ScheduleConfig::default();
        recipe.ema = None;
        recipe.accumulate = 1;
        recipe.encoder.frozen_epochs = 0;
        recipe.encoder.lr = None;
        let store = stored(&recipe, slices)?;
        let mut pixels = vec![0u64; recipe.data.classes.len() + 1];
        if recipe.loss.is_by_frequency() {
            for index in 0..store.len() {
                for class in store.get(index)?.classes {
                    if let Some(count) = pixels.get_mut(usize::from(class)) {
                        *count += 1;
                    }
                }
            }
        }
        let learner = Learner::new(&recipe, weights, &pixels, device)?;
        Ok(Self { learner, recipe, store, steps: 0 })
    }

    /// One step of the optimizer on the slices with these numbers; gives their loss.
    ///
    /// # Errors
    /// [`TrainError::Device`]; [`TrainError::Diverged`] when the loss is no number. The weights are then as before.
    pub fn step(&mut self, chosen: &[usize]) -> Result<f64, TrainError> {
        let plan = BatchPlan { batch_size: chosen.len().max(1), ..BatchPlan::new(&self.recipe, &self.store) };
        let batch = plan.batch(chosen, 0, Some(self.steps))?;
        let moment = Moment { done: 0.0, last: true };
        let loss = with_precision(self.recipe.precision, || self.learner.step(&batch, moment))?;
        if !loss.is_finite() {
            return Err(TrainError::Diverged { value: loss.to_string(), epoch: 1, step: self.steps + 1 });
        }
        self.steps += 1;
        Ok(loss)
    }

    /// Cuts batches of `size` slices into twice as many pieces from now on, whose gradients are averaged; gives the number
    /// of pieces, or `None` when a piece holds one slice already. Judges fewer slices at once, too.
    pub fn cut_batches(&mut self, size: usize) -> Option<usize> {
        self.learner.cut_batches(size).then(|| self.learner.counts().cuts + 1)
    }

    /// The weights as they are now.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn weights(&self) -> Result<StateDict, TrainError> {
        self.learner.weights()
    }

    /// How well the weights do now on the slices with these numbers; `between` is called before each batch.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn judge(&self, chosen: &[usize], between: &mut dyn FnMut()) -> Result<Judgement, TrainError> {
        let batch_size = self.recipe.batch_size.div_ceil(self.learner.counts().cuts + 1).max(1);
        let plan = BatchPlan { batch_size, ..BatchPlan::new(&self.recipe, &self.store) };
        let model = self.learner.inference()?;
        let mut sums = Validation::default();
        for step in 0..plan.steps(chosen.len()) {
            between();
            let batch = plan.batch(chosen, step, None)?;
            with_precision(self.recipe.precision, || self.learner.validate(&model, &batch, &mut sums))?;
        }
        Ok(Judgement { slices: chosen.len(), dice: sums.dice(), loss: sums.loss().unwrap_or(0.0) })
    }
}

fn stored<'a>(recipe: &Recipe, slices: impl IntoIterator<Item = &'a Slice>) -> Result<SliceStore, TrainError> {
    let pixels = recipe.preprocessing.size.pow(2);
    let mut store = SliceStore::new(recipe.preprocessing.size, DEFAULT_MEMORY, &std::env::temp_dir());
    for slice in slices {
        if slice.hu.len() != pixels || slice.classes.len() != pixels {
            return Err(TrainError::Data("a slice of the training pool has another size than the recipe's".into()));
        }
        store.push(slice.clone())?;
    }
    Ok(store)
}

/// The recipe's class of every label of a mask: segments under a class's own name first (as predictions have them),
/// then what the recipe selects.
pub fn class_of_labels(recipe: &Recipe, segments: &[Segment]) -> [LabelId; 256] {
    let mut table = class_table(recipe, segments);
    for segment in segments {
        let named = (1..=u8::MAX).zip(&recipe.data.classes).find(|(_, c)| plain(&c.name) == plain(&segment.name));
        if let Some((class, _)) = named {
            table[usize::from(segment.id)] = class;
        }
    }
    table
}

/// One axial slice of a volume and its mask as the network learns it; `table` is that of [`class_of_labels`].
pub fn slice_of(recipe: &Recipe, volume: &Volume, labels: &LabelMap, table: &[LabelId; 256], slice: usize) -> Slice {
    let view = AxialView::new(volume.geometry());
    let [width, height, _] = view.size();
    let n = recipe.preprocessing.size;
    let classes: Vec<LabelId> =
        view.label_slice(labels, slice).into_iter().map(|label| table[usize::from(label)]).collect();
    Slice {
        hu: resample_hu(&view.slice(volume, slice), [width, height], n),
        classes: resize_labels(&classes, [width, height], [n, n]),
    }
}

/// Slices of earlier data: at most so many that trained, and at most so many that validated, drawn by the recipe's
/// seed and split, so that the data a run was trained with is divided as the run divided it.
///
/// # Errors
/// As [`super::train`] for its data.
pub fn earlier_slices(
    recipe: &Recipe,
    data: &TrainData,
    [training, validation]: [usize; 2],
    ctx: &JobContext<TrainEvent>,
) -> Result<[Vec<Slice>; 2], TrainError> {
    let prepared = data::prepare(data::find(data, recipe, ctx)?, recipe, DEFAULT_MEMORY, &std::env::temp_dir(), ctx)?;
    let patients: Vec<String> = prepared.cases.iter().map(|c| c.patient.clone()).collect();
    let mut split = split_slices(&recipe.split, recipe.seed, &patients, &prepared.origins)?;
    let mut random = ChaCha8Rng::seed_from_u64(recipe.seed);
    random.set_stream(4);
    split.train.shuffle(&mut random);
    split.validation.shuffle(&mut random);
    let get = |numbers: &[usize], most: usize| {
        numbers.iter().take(most).map(|n| prepared.store.get(*n)).collect::<Result<Vec<_>, _>>()
    };
    Ok([get(&split.train, training)?, get(&split.validation, validation)?])
}

/// Volume and classes (0 background) of a case of a data set.
///
/// # Errors
/// [`TrainError::Data`] names the case; [`TrainError::Cancelled`].
pub fn load_case(
    case: &DatasetCase,
    recipe: &Recipe,
    ctx: &JobContext<TrainEvent>,
) -> Result<(Arc<Volume>, LabelMap), TrainError> {
    let loaded = data::CaseSource::Files(Box::new(case.clone())).load(recipe, ctx)?;
    Ok((loaded.volume, loaded.classes))
}
