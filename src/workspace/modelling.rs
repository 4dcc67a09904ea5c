//! Training runs and predictions asked for from the window.

use super::runs::{RunInfo, is_plain_name, list_runs};
use super::searching::SearchView;
use super::task::JobTask;
use super::training::{TrainingState, TrainingView};
use super::{GpuSharing, ModelCommand, Notice, TrainForm, TrainSource, Workspace};
use crate::core::{Layer, LayerId, Origin, Segment};
use crate::jobs::{self, JobContext, JobHandle};
use crate::nn::{ComputeDevice, ComputeThread, DeviceChoice, DeviceError, DeviceMode, Turn, compute_device};
use crate::predict::{self, ModelSource, PredictDevice, PredictEvent, PredictOptions};
use crate::train::{
    self, ClassConfig, ClassSource, Recipe, Sheet, SplitConfig, TrainCase, TrainControl, TrainData, TrainError,
    TrainEvent, TrainRequest, TrainSummary,
};
use std::path::{Path, PathBuf};

/// Models of the program.
#[derive(Default)]
pub struct ModelRoom {
    pub runs: Vec<RunInfo>,
    pub training: Option<TrainingView>,
    pub search: Option<SearchView>,
    /// Augmented samples that were asked for, and whether new ones are being made.
    pub preview: Option<Sheet>,
    pub previewing: bool,
    /// Of the training or the search at work.
    pub(super) control: Option<TrainControl>,
    pub(super) task: Option<u64>,
    predicting: bool,
    /// The thread that owns all GPU work, once something needed it.
    thread: Option<ComputeThread>,
    /// Why there is no device of its own for it, where one was wanted; told once.
    shared_because: Option<String>,
}

impl ModelRoom {
    /// Whether a training or a search is running or paused.
    pub fn is_training(&self) -> bool {
        self.training.as_ref().is_some_and(|t| t.state != TrainingState::Ended) || self.is_searching()
    }

    /// Whether a search is running or paused.
    pub fn is_searching(&self) -> bool {
        self.search.as_ref().is_some_and(|s| s.state != TrainingState::Ended)
    }

    /// Whether a prediction is being made.
    pub fn is_predicting(&self) -> bool {
        self.predicting
    }

    /// The graphics device that computed last, in one line; `None` before any did.
    pub fn computes_on(&self) -> Option<&str> {
        self.thread.as_ref().map(|thread| thread.device().description.as_str())
    }

    /// What to say of a device that had to stand in for one of its own, the first time it is so.
    fn told_of_sharing(&mut self, error: &DeviceError) -> Option<String> {
        let reason = error.to_string();
        tracing::warn!(reason, "training and predictions share the window's graphics device");
        if self.shared_because.as_ref() == Some(&reason) {
            return None;
        }
        let told = format!(
            "Training and predictions share the window's graphics device, because {reason}. Drawing may wait for their steps."
        );
        self.shared_because = Some(reason);
        Some(told)
    }
}

impl Workspace {
    pub(super) fn apply_model(&mut self, command: ModelCommand) {
        match command {
            ModelCommand::Train(form) => self.start_training(form),
            ModelCommand::Pause => self.pause_training(true),
            ModelCommand::Resume => self.pause_training(false),
            ModelCommand::Stop => self.stop_training(),
            ModelCommand::Predict { run, device } => {
                self.predict(ModelSource::Run(run), PredictOptions::default(), device);
            }
            ModelCommand::PredictWith { runs, options, device } => match <[PathBuf; 1]>::try_from(runs) {
                Ok([run]) => self.predict(ModelSource::Run(run), options, device),
                Err(runs) => self.predict(ModelSource::Ensemble(runs), options, device),
            },
            ModelCommand::Preview(form) => self.preview_augmentation(&form),
            ModelCommand::Search(command) => self.apply_search(command),
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
            Ok(request) => {
                self.remember_training_data(&form);
                self.run_training(form, request);
            }
            Err(text) => self.notify(Notice::error(text)),
        }
    }

    fn train_request(&mut self, form: &TrainForm) -> Result<TrainRequest, String> {
        if !is_plain_name(&form.run) {
            return Err("Give the run a name of letters, digits, dashes and dots.".into());
        }
        let (recipe, data) = self.recipe_and_data(form)?;
        let thread = self.compute_thread(form.device).map_err(|e| e.to_string())?;
        Ok(TrainRequest {
            recipe,
            data,
            run: self.home.runs().join(&form.run),
            device: if thread.is_some() { form.device } else { DeviceChoice::Cpu },
            compute: thread,
            resume: form.resume,
            init: form.init.clone(),
            cache_bytes: None,
            test: true,
        })
    }

    fn recipe_and_data(&self, form: &TrainForm) -> Result<(Recipe, TrainData), String> {
        let mut recipe = match &form.text {
            Some(text) => Recipe::parse(text, Path::new("as edited")),
            None => Recipe::load(&form.recipe),
        }
        .map_err(|e| e.to_string())?;
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
        Ok((recipe, data))
    }

    fn preview_augmentation(&mut self, form: &TrainForm) {
        if self.models.previewing {
            return;
        }
        let (recipe, data) = match self.recipe_and_data(form) {
            Ok(found) => found,
            Err(text) => return self.notify(Notice::error(text)),
        };
        self.models.previewing = true;
        let handle = jobs::spawn("Making samples", self.waker.clone(), move |ctx: &JobContext<TrainEvent>| {
            train::preview_augmentation(&recipe, &data, ctx)
        });
        self.start(JobTask::new(
            handle,
            |_, _| {},
            |w, sheet| {
                w.models.previewing = false;
                w.models.preview = sheet;
            },
        ));
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

    /// How training and predictions share the machine with the window.
    pub(super) fn turn(&self) -> Turn {
        Turn::behind(self.learning.arbiter.clone()).failing(self.learning.fault.clone())
    }

    /// Tells the arbiter whether what computes takes from what draws: processors that do both, or one queue for both.
    pub(super) fn arbitrate(&self) {
        let card_draws = self.gpu.as_ref().is_some_and(|gpu| !gpu.is_software());
        let on_its_queue = self.models.thread.as_ref().is_some_and(|t| t.device().mode == DeviceMode::Shared);
        self.learning.arbiter.share(!card_draws || on_its_queue);
    }

    /// The thread that computes on the GPU; `None` when the CPU computes, which needs no thread of its own.
    pub(super) fn compute_thread(&mut self, choice: DeviceChoice) -> Result<Option<ComputeThread>, DeviceError> {
        let (device, refused) = self.compute_device(choice)?;
        if let Some(text) = refused.and_then(|error| self.models.told_of_sharing(&error)) {
            self.notify(Notice::warning(text));
        }
        if !device.needs_thread() {
            return Ok(None);
        }
        let usable = |d: &ComputeDevice| d.mode == device.mode && !d.is_lost();
        let kept = self.models.thread.as_ref().filter(|t| usable(t.device())).cloned();
        let thread = match kept {
            Some(thread) => thread,
            None => ComputeThread::start(device)?,
        };
        self.models.thread = Some(thread.clone());
        self.arbitrate();
        Ok(Some(thread))
    }

    /// The window's own device, or a device of its own where [`GpuSharing`] asks for one and the first one is no CPU. With
    /// the error that kept `Auto` from having one.
    fn compute_device(&self, choice: DeviceChoice) -> Result<(ComputeDevice, Option<DeviceError>), DeviceError> {
        let choice = if self.cpu_only { DeviceChoice::Cpu } else { choice };
        let device = compute_device(choice, self.gpu.as_deref())?;
        let sharing = self.settings.gpu_sharing;
        let own = sharing.own_device(device.software);
        let Some(gpu) = self.gpu.as_ref().filter(|_| own && device.mode == DeviceMode::Shared) else {
            return Ok((device, None));
        };
        let kept = self.models.thread.as_ref().map(ComputeThread::device);
        match kept.filter(|d| d.mode == DeviceMode::Dedicated && !d.is_lost()) {
            Some(kept) => Ok((kept.clone(), None)),
            None => own_or_shared(gpu.dedicated(), device, sharing),
        }
    }

    fn run_training(&mut self, form: TrainForm, request: TrainRequest) {
        let control = TrainControl::in_turn(self.turn());
        self.models.control = Some(control.clone());
        self.models.training = Some(TrainingView::new(&form.run, &request.recipe.name, request.recipe.epochs));
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
            let done = summary.is_some();
            view.end(summary);
            if done {
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

    pub(super) fn stop_training(&mut self) {
        self.pause_training(false);
        if let Some(task) = self.models.task {
            self.cancel_task(task);
        }
    }

    fn predict(&mut self, source: ModelSource, options: PredictOptions, device: DeviceChoice) {
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
        self.awaited = None;
        let turn = self.turn();
        let handle = jobs::spawn("Predicting", self.waker.clone(), move |ctx: &JobContext<PredictEvent>| {
            predict::predict_in_turn(&source, &options, &volume, &device, &turn, ctx)
        });
        self.start_on(
            Some(id),
            JobTask::new(
                handle,
                |w, event| {
                    if let PredictEvent::Warning(text) = event {
                        w.notify(Notice::warning(text));
                    }
                },
                move |w, prediction| {
                    w.models.predicting = false;
                    let Some(prediction) = prediction else { return };
                    let layer = Layer::new(
                        LayerId(0),
                        format!("Prediction of {}", prediction.run),
                        prediction.labels,
                        prediction.segments,
                        Origin::Model { run: prediction.run, checkpoint: prediction.checkpoint },
                    );
                    if w.insert_layer(id, "Predict", layer) {
                        w.show_awaited(id);
                        w.notify(Notice::info("The prediction is a layer of its own; your masks are as they were."));
                    }
                },
            ),
        );
    }
}

/// A device of its own, or, where nobody asked for one by name, the window's: sharing does, too, and says why.
fn own_or_shared(
    own: Result<ComputeDevice, DeviceError>,
    mut shared: ComputeDevice,
    sharing: GpuSharing,
) -> Result<(ComputeDevice, Option<DeviceError>), DeviceError> {
    match own {
        Ok(own) => Ok((own, None)),
        Err(error) if sharing == GpuSharing::Auto => {
            shared.description += &format!(", because {error}");
            Ok((shared, Some(error)))
        }
        Err(error) => Err(error),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_of_its_own_that_cannot_be_had_is_said_once_and_asked_for_by_name_refused() {
        let shared = || compute_device(DeviceChoice::Cpu, None).unwrap();
        let refused = || Err(DeviceError::Open("too many devices".into()));
        let (device, error) = own_or_shared(refused(), shared(), GpuSharing::Auto).unwrap();
        assert!(device.description.contains("too many devices"), "{}", device.description);
        let (mut models, error) = (ModelRoom::default(), error.unwrap());
        let told = models.told_of_sharing(&error).unwrap();
        assert!(told.contains("too many devices") && told.contains("share the window's"), "{told}");
        assert_eq!(models.told_of_sharing(&error), None);
        assert!(own_or_shared(refused(), shared(), GpuSharing::Dedicated).is_err());
        let (own, error) = own_or_shared(Ok(shared()), shared(), GpuSharing::Auto).unwrap();
        assert!(own.description == shared().description && error.is_none());
    }
}
