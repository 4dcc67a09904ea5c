//! A run from start to end: the folder, the plan, the loop, the test.

use super::announce::{self, Alarms};
use super::batch::{Batch, BatchPlan};
use super::checkpoint::{Checkpoints, Position};
use super::curves::write_curves;
use super::data::{self, Prepared, TrainData};
use super::evaluate::{evaluate_case, mean, test_cases};
use super::folder::{begin, first_weights, forget, open_folder, write, write_load_report};
use super::pictures::Sheet;
use super::preview::telling;
use super::record::{note_data, note_environment};
use super::split::{Split, split_slices};
use super::step::{Learner, Moment, Validation};
use super::store::{DEFAULT_MEMORY, Slice, SliceStore};
use super::tensorboard::EventFile;
use super::{EpochRow, Recipe, TrainControl, TrainError, TrainEvent, TrainSummary};
use crate::jobs::{JobContext, Patience, Waker};
use crate::nn::{Compute, ComputeThread, DeviceChoice, Segmenter, Settled, StateDict, settle, wait, with_precision};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What to run and where.
#[derive(Clone)]
pub struct TrainRequest {
    pub recipe: Recipe,
    pub data: TrainData,
    /// Run folder: created, or continued with `resume`.
    pub run: PathBuf,
    pub device: DeviceChoice,
    /// The window's compute thread, for work on its graphics device: short work runs between the steps.
    pub compute: Option<ComputeThread>,
    /// Go on from the last checkpoint. The recipe must be the run's own; `epochs` and `patience` may differ.
    pub resume: bool,
    /// Weights to start from instead of random ones; what does not fit is said in a warning.
    pub init: Option<PathBuf>,
    /// Bytes of preprocessed slices kept in memory, the others in a scratch file in the run folder; `None` for the
    /// default of 1 GiB.
    pub cache_bytes: Option<usize>,
    /// Look at the test part at the end; a search leaves that to its best trial.
    pub test: bool,
}

/// Between two steps a checkpoint is written when the last one is this old.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(600);

/// Everything the loop owns; sent to the compute thread as one.
struct Run {
    recipe: Recipe,
    folder: PathBuf,
    checkpoints: Checkpoints,
    prepared: Prepared,
    split: Split,
    weights: StateDict,
    moments: StateDict,
    position: Position,
    /// Validation slices that are shown as pictures.
    shown: Vec<usize>,
    events: Option<EventFile>,
    control: TrainControl,
    started: Instant,
}

/// Validation slices in the pictures of an epoch.
const SHOWN: usize = 5;

/// Trains, validates, checkpoints and tests. Call inside a job: it blocks until the run ends.
///
/// A cancelled run has written its last checkpoint before [`TrainError::Cancelled`] comes back, and can be resumed.
///
/// # Errors
/// [`TrainError`], each one sentence; the last good checkpoint is kept whatever happens.
pub fn train(
    request: &TrainRequest,
    control: &TrainControl,
    ctx: &JobContext<TrainEvent>,
) -> Result<TrainSummary, TrainError> {
    let started = Instant::now();
    request.recipe.check()?;
    let checkpoints = Checkpoints::new(&request.run);
    let (resumed, _folder) = open_folder(request, &checkpoints)?;
    let recipe = request.recipe.clone();
    let sources = data::find(&request.data, &recipe, ctx)?;
    let prepared = data::prepare(sources, &recipe, request.cache_bytes.unwrap_or(DEFAULT_MEMORY), &request.run, ctx)?;
    let patients: Vec<String> = prepared.cases.iter().map(|c| c.patient.clone()).collect();
    let split = split_slices(&recipe.split, recipe.seed, &patients, &prepared.origins)?;
    let is_resumed = resumed.is_some();
    let ((weights, moments, position), report) = match resumed {
        Some(state) => (state, None),
        None => {
            let (weights, report) = first_weights(&recipe, request.init.as_deref(), ctx)?;
            ((weights, StateDict::new(), Position::default()), report)
        }
    };
    let begun = begin(&request.run, &recipe, &prepared, &split, is_resumed)
        .and_then(|()| note_data(&request.run, &prepared, ctx))
        .and_then(|()| report.map_or(Ok(()), |report| write_load_report(&request.run, &report)));
    let shown = telling(&prepared.store, &split.validation, SHOWN)?;
    let run = Run {
        recipe,
        folder: request.run.clone(),
        checkpoints: checkpoints.clone(),
        prepared,
        split,
        weights,
        moments,
        position,
        shown,
        events: None,
        control: control.clone(),
        started,
    };
    let outcome = begun.and_then(|()| run.start(request, ctx));
    if outcome.is_err() && !is_resumed && !checkpoints.exists("last") {
        // A run that never got as far as a checkpoint leaves nothing behind.
        forget(&request.run);
    }
    outcome
}

impl Run {
    /// Finds the device and runs there.
    fn start(self, request: &TrainRequest, ctx: &JobContext<TrainEvent>) -> Result<TrainSummary, TrainError> {
        let Settled { thread, device, warning } = settle(request.device, request.compute.as_ref())?;
        if let Some(text) = warning {
            ctx.send(TrainEvent::Warning(text));
        }
        let Some(thread) = thread else {
            let turn = self.control.turn().clone();
            return turn.run(Patience::All, || self.go(request.test, &Compute::here(device), ctx));
        };
        // The loop lives on the compute thread with a context of its own; its events are passed on from here.
        let (inner, events) = JobContext::attached(ctx.cancel.clone(), ctx.progress.clone(), Waker::none());
        let (look, precision) = (request.test, self.recipe.precision);
        let work = move |compute: &Compute| with_precision(precision, || self.go(look, compute, &inner));
        let outcome = thread.submit_long("training", work);
        for event in events {
            ctx.send(event);
        }
        wait("training", &outcome)?
    }

    /// The loop and the test, on the thread that owns the device.
    fn go(mut self, look: bool, compute: &Compute, ctx: &JobContext<TrainEvent>) -> Result<TrainSummary, TrainError> {
        let by_frequency = self.recipe.loss.is_by_frequency();
        let pixels = if by_frequency { self.prepared.pixels_of(&self.split.train)? } else { Vec::new() };
        let mut learner = Learner::new(&self.recipe, &self.weights, &pixels, compute.device())?;
        learner.restore(&self.weights, &self.moments, self.position.counts)?;
        self.moments.clear();
        self.announce(compute, ctx);
        self.save("last", &learner)?;
        note_environment(&self.folder, compute.device(), self.position.epoch)?;
        self.events = Some(EventFile::begin(&self.folder.join("tensorboard"), &self.position.history)?);
        let mut alarms = Alarms::default();
        let mut stopped_early = self.out_of_patience();
        while self.position.epoch < self.recipe.epochs && !stopped_early {
            let begun = Instant::now();
            let train_loss = self.epoch(&mut learner, compute, ctx)?;
            let validation = self.validate(&learner, compute, ctx)?;
            if let Some(value) = validation.loss().filter(|loss| !loss.is_finite()) {
                let (epoch, step) = (self.position.epoch + 1, self.position.step);
                return Err(TrainError::Diverged { value: format!("{value} on the validation slices"), epoch, step });
            }
            if let Some(warning) = alarms.of_validation(&self.recipe, self.position.epoch + 1, &validation) {
                ctx.send(TrainEvent::Warning(warning));
            }
            let row = EpochRow {
                epoch: self.position.epoch + 1,
                train_loss,
                val_loss: validation.loss(),
                val_dice: validation.dice(),
                val_accuracy: validation.accuracy(),
                val_precision: validation.precision(),
                val_recall: validation.recall(),
                lr: learner.rates(Moment { done: (self.position.epoch + 1) as f64, last: true }).lr,
                seconds: begun.elapsed().as_secs_f64(),
                classes: validation.classes(self.recipe.data.classes.iter().map(|c| c.name.as_str())),
                collapsed: validation.collapsed(),
            };
            self.finish_epoch(row, &mut learner, compute, ctx)?;
            stopped_early = self.out_of_patience();
        }
        self.test(compute, ctx, stopped_early && self.position.epoch < self.recipe.epochs, look)
    }

    fn announce(&self, compute: &Compute, ctx: &JobContext<TrainEvent>) {
        let parameters =
            self.weights.iter().filter(|(n, _)| !n.contains("running_")).map(|(_, t)| t.values.len()).sum();
        let device = compute.device().description.clone();
        let (recipe, prepared, split) = (&self.recipe, &self.prepared, &self.split);
        let plan = announce::plan(recipe, prepared, split, parameters, self.position.epoch, device);
        ctx.send(TrainEvent::Planned(plan));
        for warning in announce::of_data(recipe, prepared, split) {
            ctx.send(TrainEvent::Warning(warning));
        }
    }

    /// The steps of one epoch that are left; gives its mean loss.
    fn epoch(
        &mut self,
        learner: &mut Learner,
        compute: &Compute,
        ctx: &JobContext<TrainEvent>,
    ) -> Result<f64, TrainError> {
        let epoch = self.position.epoch;
        // The loop below changes `self.position` and writes checkpoints, so the store is lent out on its own.
        let store = std::mem::replace(&mut self.prepared.store, SliceStore::new(0, 0, &self.folder));
        let plan = BatchPlan::new(&self.recipe, &store);
        let order = plan.order(&self.split.train, epoch);
        let steps = plan.steps(order.len());
        let result = std::thread::scope(|scope| -> Result<(), TrainError> {
            let mut feed = plan.feed(scope, &order, Some(epoch), self.position.step);
            let (mut saved, mut took) = (Instant::now(), Duration::ZERO);
            while self.position.step < steps {
                self.between_steps(took, learner, compute, ctx)?;
                if saved.elapsed() > CHECKPOINT_EVERY {
                    self.save("last", learner)?;
                    saved = Instant::now();
                }
                let begun = Instant::now();
                let step = self.position.step + 1;
                let done = epoch as f64 + self.position.step as f64 / steps as f64;
                let moment = Moment { done, last: step == steps };
                let loss = self.learn(learner, &feed.next()?, moment, ctx)?;
                if !loss.is_finite() {
                    return Err(TrainError::Diverged { value: loss.to_string(), epoch: epoch + 1, step });
                }
                self.position.step = step;
                self.position.loss_sum += loss;
                took = begun.elapsed();
                let seconds = took.as_secs_f64();
                ctx.progress.set((epoch * steps + step) as u64, (self.recipe.epochs * steps) as u64);
                ctx.progress.say(format!("epoch {} of {}, loss {loss:.4}", epoch + 1, self.recipe.epochs));
                ctx.send(TrainEvent::Step { epoch: epoch + 1, step, steps_per_epoch: steps, loss, seconds });
            }
            Ok(())
        });
        self.prepared.store = store;
        result?;
        Ok(self.position.loss_sum / steps.max(1) as f64)
    }

    /// One batch; on lack of memory in smaller pieces, where the recipe allows it.
    fn learn(
        &self,
        learner: &mut Learner,
        batch: &Batch,
        moment: Moment,
        ctx: &JobContext<TrainEvent>,
    ) -> Result<f64, TrainError> {
        loop {
            let ready = self.control.turn().check().map_err(TrainError::from);
            match ready.and_then(|()| learner.step(batch, moment)) {
                Err(TrainError::Device(error)) if error.is_lack_of_memory() => {
                    if !self.recipe.halve_batch_on_lack_of_memory {
                        let advice = "choose a smaller batch_size, or set halve_batch_on_lack_of_memory in the recipe";
                        return Err(TrainError::LackOfMemory { error, advice });
                    }
                    if !learner.cut_batches(batch.count) {
                        let advice = "not even one slice fits; choose a smaller network or preprocessing.size";
                        return Err(TrainError::LackOfMemory { error, advice });
                    }
                    ctx.send(TrainEvent::Warning(format!(
                        "the device lacks memory: batches are cut into {} pieces from here on, and their gradients averaged",
                        learner.counts().cuts + 1
                    )));
                }
                outcome => return outcome,
            }
        }
    }

    /// Lets short work in, waits for its turn and while paused, and leaves with a checkpoint when cancelled.
    fn between_steps(
        &self,
        took: Duration,
        learner: &Learner,
        compute: &Compute,
        ctx: &JobContext<TrainEvent>,
    ) -> Result<(), TrainError> {
        self.control.turn().before_step(took, &ctx.cancel, || compute.run_pending());
        if self.control.is_paused() && !ctx.is_cancelled() {
            self.save("last", learner)?;
            ctx.send(TrainEvent::Paused);
            while self.control.is_paused() && !ctx.is_cancelled() {
                compute.run_pending();
                std::thread::sleep(Duration::from_millis(20));
            }
            ctx.send(TrainEvent::Resumed);
        }
        if ctx.is_cancelled() {
            self.save("last", learner)?;
            return Err(TrainError::Cancelled);
        }
        Ok(())
    }

    fn validate(
        &self,
        learner: &Learner,
        compute: &Compute,
        ctx: &JobContext<TrainEvent>,
    ) -> Result<Validation, TrainError> {
        let plan = BatchPlan::new(&self.recipe, &self.prepared.store);
        let mut sums = Validation::default();
        let model = learner.inference()?;
        std::thread::scope(|scope| {
            let mut feed = plan.feed(scope, &self.split.validation, None, 0);
            let mut took = Duration::ZERO;
            for _ in 0..plan.steps(self.split.validation.len()) {
                self.control.turn().before_step(took, &ctx.cancel, || compute.run_pending());
                let begun = Instant::now();
                if ctx.is_cancelled() {
                    // The epoch's steps are done and saved; resuming validates again.
                    self.save("last", learner)?;
                    return Err(TrainError::Cancelled);
                }
                learner.validate(&model, &feed.next()?, &mut sums)?;
                took = begun.elapsed();
            }
            Ok(sums)
        })
    }

    fn finish_epoch(
        &mut self,
        row: EpochRow,
        learner: &mut Learner,
        compute: &Compute,
        ctx: &JobContext<TrainEvent>,
    ) -> Result<(), TrainError> {
        let score = row.val_dice.or(row.val_loss.map(|l| -l)).unwrap_or(-row.train_loss);
        learner.reached(score);
        let best = self.position.best_score.is_none_or(|b| score > b);
        self.position.epoch = row.epoch;
        self.position.step = 0;
        self.position.loss_sum = 0.0;
        self.position.history.push(row.clone());
        if best {
            self.position.best_epoch = row.epoch;
            self.position.best_score = Some(score);
        }
        if best {
            self.save("best", learner)?;
        }
        self.save("last", learner)?;
        if self.recipe.checkpoint_every.is_some_and(|n| row.epoch.is_multiple_of(n)) {
            self.save(&format!("epoch-{:04}", row.epoch), learner)?;
        }
        write_curves(&self.folder, &self.position.history)?;
        if let Some(events) = &mut self.events {
            events.add(&row)?;
        }
        let epoch = row.epoch;
        ctx.send(TrainEvent::Epoch(row));
        ctx.send(TrainEvent::Checkpoint { epoch, best });
        self.picture(epoch, best, learner, compute, ctx)
    }

    fn out_of_patience(&self) -> bool {
        self.recipe.patience.is_some_and(|p| self.position.epoch >= self.position.best_epoch + p)
            && self.position.epoch > 0
    }

    fn save(&self, name: &str, learner: &Learner) -> Result<(), TrainError> {
        let position = Position { counts: learner.counts(), ..self.position.clone() };
        let (weights, moments) = (learner.weights()?, learner.moments()?);
        // A finite loss may have had a gradient that was not: the checkpoint before is then the last good one.
        if weights.values().chain(moments.values()).any(|t| t.values.iter().any(|v| !v.is_finite())) {
            return Err(TrainError::Spoilt { epoch: position.epoch + usize::from(position.step > 0) });
        }
        self.checkpoints.save(name, &self.recipe.model_spec(), &weights, &moments, &position)
    }

    /// Writes and tells what the network finds in the shown slices: of the best epoch as `best.png`, of epochs 1, 2, 5,
    /// 10, 20, 50 and so on under their number.
    fn picture(
        &self,
        epoch: usize,
        best: bool,
        learner: &Learner,
        compute: &Compute,
        ctx: &JobContext<TrainEvent>,
    ) -> Result<(), TrainError> {
        let decade = 10usize.pow(epoch.ilog10());
        let milestone = [1, 2, 5].iter().any(|n| n * decade == epoch);
        if self.shown.is_empty() || !(best || milestone) {
            return Ok(());
        }
        let plan = BatchPlan::new(&self.recipe, &self.prepared.store);
        let model = learner.inference()?;
        let mut slices: Vec<Slice> =
            self.shown.iter().map(|index| self.prepared.store.get(*index)).collect::<Result<_, _>>()?;
        for n in 0..self.shown.len() {
            self.control.turn().before_step(Duration::ZERO, &ctx.cancel, || compute.run_pending());
            // One at a time: whatever fits a training step fits this.
            let classes = learner.find(&model, &plan.batch(&self.shown[n..=n], 0, None)?)?;
            slices.push(Slice { hu: slices[n].hu.clone(), classes });
        }
        let sheet = Sheet::of(&slices, self.shown.len(), &self.recipe.preprocessing.intensity);
        let folder = self.folder.join("pictures");
        std::fs::create_dir_all(&folder).map_err(|e| TrainError::io("created", &folder, &e))?;
        let png = sheet.png()?;
        if best {
            write(&folder.join("best.png"), &png)?;
        }
        if milestone {
            write(&folder.join(format!("epoch-{epoch:04}.png")), &png)?;
        }
        ctx.send(TrainEvent::Pictures { epoch, sheet });
        Ok(())
    }

    /// The best checkpoint on the test slices, where it may `look` at them; writes `result.json`.
    fn test(
        &self,
        compute: &Compute,
        ctx: &JobContext<TrainEvent>,
        stopped_early: bool,
        look: bool,
    ) -> Result<TrainSummary, TrainError> {
        let name = if self.checkpoints.exists("best") { "best" } else { "last" };
        let (weights, _, _) = self.checkpoints.load(name)?;
        let segmenter = Segmenter::new(self.recipe.model_spec(), &weights, compute.device())
            .map_err(|e| TrainError::Weights { path: self.checkpoints.path(name), reason: e.to_string() })?;
        let cases = if look { test_cases(&self.prepared, &self.split) } else { Vec::new() };
        let mut test = Vec::new();
        let between = || self.control.turn().before_step(Duration::ZERO, &ctx.cancel, || compute.run_pending());
        for (n, case) in cases.iter().enumerate() {
            ctx.progress.say(format!("testing case {} of {}", n + 1, cases.len()));
            ctx.wake();
            let Some(source) = self.prepared.sources.get(case.index) else { continue };
            test.push(evaluate_case(source, case, &self.recipe, &segmenter, &between, ctx)?);
        }
        let best = self.position.history.iter().find(|r| r.epoch == self.position.best_epoch);
        let summary = TrainSummary {
            run: self.folder.clone(),
            device: compute.device().description.clone(),
            epochs: self.position.epoch,
            stopped_early,
            best_epoch: self.position.best_epoch,
            best_val_dice: best.and_then(|r| r.val_dice),
            seconds: self.started.elapsed().as_secs_f64(),
            mean_test_dice: mean(test.iter().filter_map(|c| c.mean_dice)),
            undefined_test_dice: test.iter().filter(|c| c.mean_dice.is_none()).count(),
            test,
        };
        let text = serde_json::to_vec_pretty(&summary).map_err(|e| TrainError::Data(e.to_string()))?;
        write(&self.folder.join("result.json"), &text)?;
        Ok(summary)
    }
}
