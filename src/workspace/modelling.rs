//! Training runs and predictions asked for from the window.

use super::task::JobTask;
use super::{GpuSharing, ModelCommand, Notice, TrainForm, TrainSource, Workspace};
use crate::core::{Layer, LayerId, Origin, Segment};
use crate::jobs::{self, JobContext, JobHandle};
use crate::nn::{ComputeDevice, ComputeThread, DeviceChoice, DeviceError, DeviceMode, compute_device};
use crate::predict::{self, ModelSource, PredictDevice, PredictEvent};
use crate::train::{
    self, ClassConfig, ClassSource, EpochRow, Recipe, SplitConfig, TrainCase, TrainControl, TrainData, TrainError,
    TrainEvent, TrainRequest, TrainSummary,
};
use std::path::{Path, PathBuf};

/// A finished or running training run in the program's run folder.
#[derive(Debug, Clone, PartialEq)]
pub struct RunInfo {
    pub name: String,
    pub folder: PathBuf,
    /// Whether a complete checkpoint can be used for prediction.
    pub ready: bool,
}

/// Where a training stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainingState {
    Running,
    Paused,
    Ended,
}

/// What the train panel shows of the current or last training.
#[derive(Debug, Clone)]
pub struct TrainingView {
    pub run: String,
    pub state: TrainingState,
    /// What will be read and how long an epoch is, in words.
    pub plan: String,
    pub epoch: usize,
    pub epochs: usize,
    pub step: usize,
    pub steps_per_epoch: usize,
    /// Loss of each step, `(steps done, loss)`.
    pub step_loss: Vec<[f64; 2]>,
    pub curve: Vec<EpochRow>,
    pub best: Option<(usize, f64)>,
    pub seconds_per_step: f64,
    pub result: String,
}

/// Models of the program.
#[derive(Default)]
pub struct ModelRoom {
    pub runs: Vec<RunInfo>,
    pub training: Option<TrainingView>,
    control: Option<TrainControl>,
    task: Option<u64>,
    predicting: bool,
    /// The thread that owns all GPU work, once something needed it.
    thread: Option<ComputeThread>,
}

impl ModelRoom {
    /// Whether a training is running or paused.
    pub fn is_training(&self) -> bool {
        self.training.as_ref().is_some_and(|t| t.state != TrainingState::Ended)
    }

    /// Whether a prediction is being made.
    pub fn is_predicting(&self) -> bool {
        self.predicting
    }
}

impl Workspace {
    pub(super) fn apply_model(&mut self, command: ModelCommand) {
        match command {
            ModelCommand::Train(form) => self.start_training(form),
            ModelCommand::Pause => self.pause_training(true),
            ModelCommand::Resume => self.pause_training(false),
            ModelCommand::Stop => self.stop_training(),
            ModelCommand::Predict { run, device } => self.predict(run, device),
            ModelCommand::RefreshRuns => self.refresh_runs(),
        }
    }

    /// Lists the run folders again, in the background.
    pub(super) fn refresh_runs(&mut self) {
        let folder = self.home.runs();
        let handle = jobs::spawn("Listing runs", self.waker.clone(), move |_: &JobContext<()>| {
            Ok::<_, std::convert::Infallible>(list_runs(&folder))
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            |w, runs| {
                w.models.runs = runs.unwrap_or_default();
            },
        ));
    }

    fn start_training(&mut self, form: TrainForm) {
        if self.models.is_training() {
            self.notify(Notice::warning("A training is running already: stop it first."));
            return;
        }
        match self.train_request(&form) {
            Ok(request) => self.run_training(form, request),
            Err(text) => self.notify(Notice::error(text)),
        }
    }

    fn train_request(&mut self, form: &TrainForm) -> Result<TrainRequest, String> {
        if !is_plain_name(&form.run) {
            return Err("Give the run a name of letters, digits, dashes and dots.".into());
        }
        let mut recipe = Recipe::load(&form.recipe).map_err(|e| e.to_string())?;
        recipe.epochs = form.epochs;
        recipe.optimizer.lr = form.learning_rate;
        recipe.batch_size = form.batch_size;
        let data = match &form.source {
            TrainSource::Folder(folder) => TrainData::Folder(folder.clone()),
            TrainSource::ActiveCase => {
                let case = self.active_train_case()?;
                let active = self.active_document().and_then(|d| d.segment());
                fit_to_one_case(&mut recipe, &case.segments, active);
                TrainData::Memory(vec![case])
            }
        };
        let thread = self.compute_thread(form.device).map_err(|e| e.to_string())?;
        Ok(TrainRequest {
            recipe,
            data,
            run: self.home.runs().join(&form.run),
            device: if thread.is_some() { form.device } else { DeviceChoice::Cpu },
            compute: thread,
            resume: form.resume,
            init: None,
            cache_bytes: None,
            test: true,
        })
    }

    /// The open case with its active layer as truth; label maps are snapshots, so painting goes on.
    fn active_train_case(&self) -> Result<TrainCase, String> {
        let document = self.active_document().ok_or("Open a case first, or choose a data set folder.")?;
        let volume = document.case.volume.clone().ok_or("Wait until all slices are read.")?;
        let layer = document.layer().ok_or("Draw or import a mask first: training needs a truth.")?;
        Ok(TrainCase {
            name: document.case.name.clone(),
            patient: document.case.name.clone(),
            volume,
            labels: layer.labels.clone(),
            segments: layer.segments.clone(),
        })
    }

    /// The thread that computes on the GPU; `None` when the CPU computes, which needs no thread of its own.
    fn compute_thread(&mut self, choice: DeviceChoice) -> Result<Option<ComputeThread>, DeviceError> {
        let device = self.compute_device(choice)?;
        if !device.needs_thread() {
            return Ok(None);
        }
        let kept = self.models.thread.as_ref().filter(|t| t.device().mode == device.mode).cloned();
        let thread = match kept {
            Some(thread) => thread,
            None => ComputeThread::start(device)?,
        };
        self.models.thread = Some(thread.clone());
        Ok(Some(thread))
    }

    /// The window's own device, or a device of its own where the user chose that and the first one is no CPU.
    fn compute_device(&self, choice: DeviceChoice) -> Result<ComputeDevice, DeviceError> {
        let device = compute_device(choice, self.gpu.as_deref())?;
        match (&self.gpu, self.settings.gpu_sharing) {
            (Some(gpu), GpuSharing::Dedicated) if device.mode == DeviceMode::Shared => {
                let kept = self.models.thread.as_ref().map(ComputeThread::device);
                match kept.filter(|d| d.mode == DeviceMode::Dedicated) {
                    Some(kept) => Ok(kept.clone()),
                    None => gpu.dedicated(),
                }
            }
            _ => Ok(device),
        }
    }

    fn run_training(&mut self, form: TrainForm, request: TrainRequest) {
        let control = TrainControl::default();
        self.models.control = Some(control.clone());
        self.models.training = Some(TrainingView {
            run: form.run.clone(),
            state: TrainingState::Running,
            plan: "Reading the data".into(),
            epoch: 0,
            epochs: request.recipe.epochs,
            step: 0,
            steps_per_epoch: 0,
            step_loss: Vec::new(),
            curve: Vec::new(),
            best: None,
            seconds_per_step: 0.0,
            result: String::new(),
        });
        let handle: JobHandle<TrainEvent, TrainSummary, TrainError> =
            jobs::spawn("Training", self.waker.clone(), move |ctx: &JobContext<TrainEvent>| {
                train::train(&request, &control, ctx)
            });
        self.start(JobTask::new(handle, Self::take_train_event, Self::end_training));
        self.models.task = Some(self.last_id);
    }

    fn take_train_event(&mut self, event: TrainEvent) {
        if let TrainEvent::Warning(text) = &event {
            self.notify(Notice::warning(text.clone()));
        }
        if let Some(view) = &mut self.models.training {
            view.take(event);
        }
    }

    fn end_training(&mut self, summary: Option<TrainSummary>) {
        self.models.control = None;
        self.models.task = None;
        if let Some(view) = &mut self.models.training {
            view.state = TrainingState::Ended;
            if let Some(summary) = summary {
                view.result = in_words(&summary);
                let text = format!("Training of {} ended. {}", view.run, view.result);
                self.notify(Notice::info(text));
            }
        }
        self.refresh_runs();
    }

    fn pause_training(&mut self, pause: bool) {
        if let Some(control) = &self.models.control {
            if pause {
                control.pause();
            } else {
                control.resume();
            }
        }
    }

    fn stop_training(&mut self) {
        self.pause_training(false);
        if let Some(task) = self.models.task {
            self.cancel_task(task);
        }
    }

    fn predict(&mut self, run: PathBuf, device: DeviceChoice) {
        let Some(document) = self.active_document() else {
            self.notify(Notice::warning("Open a case first, then predict it."));
            return;
        };
        let Some(volume) = document.case.volume.clone() else {
            self.notify(Notice::warning("Wait until all slices are read."));
            return;
        };
        if self.models.predicting {
            return;
        }
        let id = document.case.id;
        let device = match self.compute_thread(device) {
            Ok(Some(thread)) => PredictDevice::Thread(thread, device),
            Ok(None) => PredictDevice::Choice(DeviceChoice::Cpu),
            Err(error) => {
                self.notify(Notice::error(error.to_string()));
                return;
            }
        };
        self.models.predicting = true;
        let handle = jobs::spawn("Predicting", self.waker.clone(), move |ctx: &JobContext<PredictEvent>| {
            predict::predict_volume(&ModelSource::Run(run), &volume, &device, ctx)
        });
        self.start(JobTask::new(
            handle,
            |w, event| {
                if let PredictEvent::Warning(text) = event {
                    w.notify(Notice::warning(text));
                }
            },
            move |w, prediction| {
                w.models.predicting = false;
                let Some(prediction) = prediction else { return };
                let layer = Layer {
                    id: LayerId(0),
                    name: format!("Prediction of {}", prediction.run),
                    labels: prediction.labels,
                    segments: prediction.segments,
                    origin: Origin::Model { run: prediction.run, checkpoint: prediction.checkpoint },
                    visible: true,
                    reviewed: false,
                };
                if w.insert_layer(id, "Predict", layer) {
                    w.notify(Notice::info("The prediction is a layer of its own; your masks are as they were."));
                }
            },
        ));
    }
}

impl TrainingView {
    fn take(&mut self, event: TrainEvent) {
        match event {
            TrainEvent::Planned(plan) => {
                self.steps_per_epoch = plan.steps_per_epoch;
                self.epochs = plan.epochs;
                self.plan = format!(
                    "{} slices train, {} validate, {} test, of {} case(s); {:.1} % foreground; {}",
                    plan.train_slices,
                    plan.validation_slices,
                    plan.test_slices,
                    plan.cases,
                    plan.foreground_share * 100.0,
                    plan.device
                );
            }
            TrainEvent::Step { epoch, step, steps_per_epoch, loss, seconds } => {
                self.epoch = epoch;
                self.step = step;
                self.steps_per_epoch = steps_per_epoch;
                self.seconds_per_step =
                    if self.seconds_per_step > 0.0 { 0.9 * self.seconds_per_step + 0.1 * seconds } else { seconds };
                let done = (epoch.saturating_sub(1) * steps_per_epoch + step) as f64;
                self.step_loss.push([done, loss]);
            }
            TrainEvent::Epoch(row) => self.curve.push(row),
            TrainEvent::Checkpoint { epoch, best: true } => {
                let dice = self.curve.iter().rev().find(|p| p.epoch == epoch).and_then(|p| p.val_dice);
                self.best = dice.map(|d| (epoch, d));
            }
            TrainEvent::Paused => self.state = TrainingState::Paused,
            TrainEvent::Resumed => self.state = TrainingState::Running,
            TrainEvent::Checkpoint { .. } | TrainEvent::Warning(_) => {}
        }
    }

    /// Seconds until the last epoch, from the pace so far.
    pub fn seconds_left(&self) -> f64 {
        let done = self.epoch.saturating_sub(1) * self.steps_per_epoch + self.step;
        (self.epochs * self.steps_per_epoch).saturating_sub(done) as f64 * self.seconds_per_step
    }
}

/// What a recipe for a data set has to change for the one open case: a split by patient would leave nothing to train
/// on, and where its classes are none of the layer's segments, the active segment is learnt instead.
fn fit_to_one_case(recipe: &mut Recipe, segments: &[Segment], active: Option<&Segment>) {
    if matches!(recipe.split, SplitConfig::Patients { .. } | SplitConfig::Fixed { .. }) {
        recipe.split = SplitConfig::Slices { validation: 0.2, test: 0.0 };
    }
    let known = recipe.data.classes.iter().any(|class| segments.iter().any(|s| class.from.selects(s)));
    if let (false, 1, Some(active)) = (known, recipe.data.classes.len(), active) {
        recipe.data.classes =
            vec![ClassConfig { name: active.name.clone(), from: ClassSource::Names(vec![active.name.clone()]) }];
    }
}

/// How a training ended, in one sentence.
fn in_words(summary: &TrainSummary) -> String {
    let mut text = format!("{} epochs in {:.0} s.", summary.epochs, summary.seconds);
    if let Some(dice) = summary.best_val_dice {
        text.push_str(&format!(" Best validation Dice {dice:.4} in epoch {}.", summary.best_epoch));
    }
    if let Some(dice) = summary.mean_test_dice {
        text.push_str(&format!(" Mean test Dice {dice:.4}."));
    }
    text
}

/// Run folders by name; a folder that does not exist holds none.
fn list_runs(folder: &Path) -> Vec<RunInfo> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut runs: Vec<RunInfo> = entries
        .filter_map(Result::ok)
        .filter(|e| e.path().is_dir())
        .map(|e| RunInfo {
            name: e.file_name().to_string_lossy().into_owned(),
            ready: is_ready(&e.path()),
            folder: e.path(),
        })
        .collect();
    runs.sort_by(|a, b| a.name.cmp(&b.name));
    runs
}

/// Whether a run has a complete checkpoint: the manifest is written last.
fn is_ready(run: &Path) -> bool {
    ["best", "last"].iter().any(|name| run.join("checkpoints").join(name).join("manifest.json").is_file())
}

/// A name that can be a folder and nothing else.
fn is_plain_name(name: &str) -> bool {
    let path = Path::new(name);
    !name.is_empty()
        && path.file_name() == Some(name.as_ref())
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' '))
}

#[cfg(test)]
mod tests {
    use super::is_plain_name;

    #[test]
    fn run_names_are_never_paths() {
        assert!(is_plain_name("lung-2"));
        for bad in ["", "..", "a/b", "/etc", ".hidden", "a\\b", "c:x"] {
            assert!(!is_plain_name(bad), "{bad}");
        }
    }
}
