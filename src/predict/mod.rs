//! From weights and a volume to labels on the volume's own grid, with the preprocessing the weights were trained with.
//!
//! Floor 2: uses `core`, `jobs`, `edit` and `nn`. Called by the workspace and the command line inside a job. It never changes
//! an existing layer: what it gives becomes a new one.

use crate::core::{LabelId, LabelMap, Segment, Volume};
use crate::edit::{EditError, Watch, tidy};
use crate::jobs::{CancelToken, JobContext, Patience};
use crate::nn::{
    AxialView, ComputeDevice, ComputeThread, DeviceChoice, DeviceError, Ensemble, ModelSpec, SegmentError, Segmenter,
    Settled, StateDict, Tiling, Turn, WeightsError, load_weights, read_metadata, read_weight_file, settle, sha256_hex,
    wait,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod pytorch;

pub use pytorch::pytorch_files;

/// Where the network comes from.
#[derive(Debug, Clone)]
pub enum ModelSource {
    /// A run folder: its best checkpoint, or the last one when there is no best yet; or a learning loop's: the version
    /// in use.
    Run(PathBuf),
    /// Several runs that predict together, for example the folds of a cross-validation: the mean of their
    /// probabilities counts, and the first one's threshold and tidying.
    Ensemble(Vec<PathBuf>),
    /// A weight file with the description it lacks; weights of our own runs carry theirs, and it must be the same.
    Weights { file: PathBuf, spec: Box<ModelSpec> },
}

/// Departures from what the recipe of the weights says; `None` leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PredictOptions {
    pub tiling: Option<Tiling>,
    pub flip_lr: Option<bool>,
    pub flip_ud: Option<bool>,
    /// `Some(None)` keeps all parts.
    pub keep_largest: Option<Option<usize>>,
    pub fill_holes: Option<bool>,
    /// Between 0 and 1, for networks of one class.
    pub threshold: Option<f32>,
}

impl PredictOptions {
    fn apply(&self, spec: &mut ModelSpec) {
        fn set<T: Copy>(field: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *field = value;
            }
        }
        let inference = &mut spec.inference;
        set(&mut inference.tiling, self.tiling);
        set(&mut inference.flip_lr, self.flip_lr);
        set(&mut inference.flip_ud, self.flip_ud);
        set(&mut inference.keep_largest, self.keep_largest);
        set(&mut inference.fill_holes, self.fill_holes);
        set(&mut spec.threshold, self.threshold);
    }
}

/// Where to compute.
#[derive(Clone)]
pub enum PredictDevice {
    /// Brought up for this prediction.
    Choice(DeviceChoice),
    /// The window's compute thread, unless `Auto` finds the CPU better; the prediction runs between the steps of a
    /// training that goes on there.
    Thread(ComputeThread, DeviceChoice),
}

/// Progress of a prediction.
#[derive(Debug, Clone, PartialEq)]
pub enum PredictEvent {
    /// So many of the slices are done.
    Slices { done: usize, total: usize },
    /// Something the user should know, as a sentence.
    Warning(String),
}

/// A prediction and where it came from.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// On the volume's grid.
    pub labels: LabelMap,
    pub segments: Vec<Segment>,
    /// Name of the run folder or folders, or of the weight file.
    pub run: String,
    /// `best`, `last`, or the weight file's name.
    pub checkpoint: String,
    /// Of several weight files joined by commas.
    pub weights_sha256: String,
    /// What computed it, in one line.
    pub device: String,
}

/// Why there is no prediction.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    #[error("the folder {} holds no finished checkpoint: train first, or choose another run", .0.display())]
    NoCheckpoint(PathBuf),
    #[error("the weights {} are damaged: they differ from the checksum of their checkpoint; copy the run again or train anew", .0.display())]
    Damaged(PathBuf),
    #[error("the weights {} do not say what they were trained for: give the recipe with them", .0.display())]
    NoDescription(PathBuf),
    #[error("choose a run to predict with")]
    NoModel,
    #[error("the threshold {0} must lie between 0 and 1")]
    Threshold(f32),
    #[error("the networks cannot predict together: {0}")]
    Ensemble(SegmentError),
    #[error("the run {} could not be exported: {reason}", run.display())]
    Export { run: PathBuf, reason: String },
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("the weights {} cannot be used: {source}", file.display())]
    Model { file: PathBuf, source: SegmentError },
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("the prediction was stopped")]
    Cancelled,
}

/// Slices per pass through the network; few enough for 512 x 512 on a small GPU.
const BATCH: usize = 4;

/// Segments `volume` slice by slice along its axial direction, as the recipe of the weights says.
///
/// # Errors
/// [`PredictError`], one sentence each. Nothing is kept of a prediction that fails or is cancelled.
pub fn predict_volume(
    source: &ModelSource,
    volume: &Volume,
    device: &PredictDevice,
    ctx: &JobContext<PredictEvent>,
) -> Result<Prediction, PredictError> {
    predict_with(source, &PredictOptions::default(), volume, device, ctx)
}

/// As [`predict_volume`], with other options than the recipe's.
///
/// # Errors
/// As [`predict_volume`]; options that contradict the network are [`PredictError::Model`].
pub fn predict_with(
    source: &ModelSource,
    options: &PredictOptions,
    volume: &Volume,
    device: &PredictDevice,
    ctx: &JobContext<PredictEvent>,
) -> Result<Prediction, PredictError> {
    predict_watched(source, options, volume, device, &Turn::default(), &mut |_, _| {}, ctx)
}

/// As [`predict_with`] beside a window: training waits for it, and it waits for drawing and painting.
///
/// # Errors
/// As [`predict_with`].
pub fn predict_in_turn(
    source: &ModelSource,
    options: &PredictOptions,
    volume: &Volume,
    device: &PredictDevice,
    turn: &Turn,
    ctx: &JobContext<PredictEvent>,
) -> Result<Prediction, PredictError> {
    predict_watched(source, options, volume, device, turn, &mut |_, _| {}, ctx)
}

/// Is shown an axial slice and its probabilities: of the background and each class, or of the only class alone.
pub type Watcher<'a> = dyn FnMut(usize, &[Vec<f32>]) + Send + 'a;

/// As [`predict_in_turn`]; `watch` sees the probabilities before they are cut into labels.
///
/// # Errors
/// As [`predict_with`].
pub fn predict_watched(
    source: &ModelSource,
    options: &PredictOptions,
    volume: &Volume,
    device: &PredictDevice,
    turn: &Turn,
    watch: &mut Watcher<'_>,
    ctx: &JobContext<PredictEvent>,
) -> Result<Prediction, PredictError> {
    let _guard = turn.predicting();
    turn.run(Patience::Some, || predict(source, options, volume, device, turn, watch, ctx))
}

fn predict(
    source: &ModelSource,
    options: &PredictOptions,
    volume: &Volume,
    device: &PredictDevice,
    turn: &Turn,
    watch: &mut Watcher<'_>,
    ctx: &JobContext<PredictEvent>,
) -> Result<Prediction, PredictError> {
    ctx.progress.say("loading the network");
    ctx.wake();
    let mut models = Model::load_all(source)?;
    models.iter_mut().for_each(|model| options.apply(&mut model.spec));
    let Some(first) = models.first() else { return Err(PredictError::NoModel) };
    if !(first.spec.threshold > 0.0 && first.spec.threshold < 1.0) {
        return Err(PredictError::Threshold(first.spec.threshold));
    }
    let view = AxialView::new(volume.geometry());
    let [width, height, slices] = view.size();
    let mut dense: Vec<LabelId> = vec![0; volume.geometry().voxel_count()];
    let engine = Engine::new(&models, device, ctx)?;
    let (mut start, mut at_once, mut took) = (0, BATCH, Duration::ZERO);
    while start < slices {
        turn.before_prediction(took, &ctx.cancel);
        if ctx.is_cancelled() {
            return Err(PredictError::Cancelled);
        }
        let begun = Instant::now();
        let chunk: Vec<usize> = (start..(start + at_once).min(slices)).collect();
        let hu = chunk.iter().map(|k| view.slice(volume, *k)).collect();
        let ready = turn.check().map_err(PredictError::from);
        let found = match ready.and_then(|()| engine.probabilities(hu, [width, height])) {
            Err(PredictError::Device(error)) if error.is_lack_of_memory() && at_once > 1 => {
                at_once /= 2;
                ctx.send(PredictEvent::Warning(format!(
                    "The device lacks memory: {at_once} of the slices are predicted at once from here on."
                )));
                continue;
            }
            outcome => outcome?,
        };
        for (k, maps) in chunk.iter().zip(found) {
            watch(*k, &maps);
            view.put_labels(&mut dense, *k, &engine.ensemble().labels(&maps));
        }
        start += chunk.len();
        took = begun.elapsed();
        ctx.progress.set(start as u64, slices as u64);
        ctx.progress.say(format!("slice {start} of {slices}"));
        ctx.send(PredictEvent::Slices { done: start, total: slices });
    }
    // The count is that of the grid it was made for.
    let mut labels =
        LabelMap::from_dense(*volume.geometry(), &dense).unwrap_or_else(|| LabelMap::empty(*volume.geometry()));
    let segments = first.spec.segments();
    if first.spec.inference.tidies() {
        ctx.progress.say("tidying the mask");
        ctx.wake();
        let (keep, fill) = (first.spec.inference.keep_largest, first.spec.inference.fill_holes);
        let watch = Until(ctx.cancel.clone());
        // It looks at no image and starts nowhere: only a cancelled job ends it early.
        if let Err(EditError::Cancelled) = tidy(&mut labels, segments.iter().map(|s| s.id), keep, fill, &watch) {
            return Err(PredictError::Cancelled);
        }
    }
    let joined = |text: fn(&Model) -> &str| models.iter().map(text).collect::<Vec<_>>().join(", ");
    Ok(Prediction {
        labels,
        segments,
        run: joined(|m| &m.run),
        checkpoint: if models.len() == 1 { first.checkpoint.clone() } else { "ensemble".into() },
        weights_sha256: joined(|m| &m.sha256),
        device: engine.description().to_owned(),
    })
}

/// Stops tidying when the prediction is cancelled.
struct Until(CancelToken);

impl Watch for Until {
    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
    fn progress(&self, _: f32) {}
}

/// Weights with all that is known of them.
struct Model {
    file: PathBuf,
    spec: ModelSpec,
    weights: StateDict,
    run: String,
    checkpoint: String,
    sha256: String,
}

impl Model {
    fn load_all(source: &ModelSource) -> Result<Vec<Self>, PredictError> {
        match source {
            ModelSource::Run(folder) => Ok(vec![Self::load(Some(folder), None)?]),
            ModelSource::Ensemble(folders) => folders.iter().map(|folder| Self::load(Some(folder), None)).collect(),
            ModelSource::Weights { file, spec } => Ok(vec![Self::load(None, Some((file, spec)))?]),
        }
    }

    /// From a run folder, or from a file with its description.
    fn load(run: Option<&Path>, weights: Option<(&Path, &ModelSpec)>) -> Result<Self, PredictError> {
        let (file, run, checkpoint, given) = match (run, weights) {
            (Some(folder), _) if folder.join(LOOP).is_file() => {
                let version = version_in_use(folder).ok_or_else(|| PredictError::NoCheckpoint(folder.to_owned()))?;
                let file = folder.join("versions").join(format!("{version:04}")).join("weights.safetensors");
                (file, name_of(folder), format!("version {version}"), None)
            }
            (Some(folder), _) => {
                let (checkpoint, file) = ["best", "last"]
                    .into_iter()
                    .flat_map(|name| {
                        // The second name is that of a checkpoint whose replacement was cut short.
                        [name.to_owned(), format!(".{name}.old")].map(|folder| (name, folder))
                    })
                    .map(|(name, place)| (name, folder.join("checkpoints").join(place)))
                    .find(|(_, place)| place.join("manifest.json").is_file())
                    .ok_or_else(|| PredictError::NoCheckpoint(folder.into()))?;
                (file.join("weights.safetensors"), name_of(folder), checkpoint.to_owned(), None)
            }
            (None, Some((file, spec))) => (file.to_owned(), name_of(file), name_of(file), Some(spec.clone())),
            (None, None) => return Err(PredictError::NoModel),
        };
        let bytes = read_weight_file(&file)?;
        let sha256 = sha256_hex(&bytes);
        if given.is_none() && promised(&file).is_none_or(|sum| sum != sha256) {
            return Err(PredictError::Damaged(file));
        }
        let spec = match (given, described(&file)?) {
            (Some(spec), _) | (None, Some(spec)) => spec,
            (None, None) => return Err(PredictError::NoDescription(file)),
        };
        let weights = load_weights(&file)?;
        Ok(Self { sha256, file, spec, weights, run, checkpoint })
    }

    fn segmenter(&self, device: &ComputeDevice) -> Result<Segmenter, PredictError> {
        Segmenter::new(self.spec.clone(), &self.weights, device)
            .map_err(|source| PredictError::Model { file: self.file.clone(), source })
    }
}

/// State of a learning loop's folder, whose versions stand in for checkpoints.
const LOOP: &str = "loop.json";

/// The version that a learning loop has in use.
fn version_in_use(folder: &Path) -> Option<u64> {
    let state = std::fs::read(folder.join(LOOP)).ok()?;
    serde_json::from_slice::<serde_json::Value>(&state).ok()?.get("in_use")?.as_u64()
}

/// The sum of the weights as the checkpoint's manifest, beside them, has it.
fn promised(weights: &Path) -> Option<String> {
    let manifest = std::fs::read(weights.with_file_name("manifest.json")).ok()?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).ok()?;
    Some(manifest.get("weights_sha256")?.as_str()?.to_owned())
}

/// The description in the header of our own weights.
fn described(file: &Path) -> Result<Option<ModelSpec>, PredictError> {
    if file.extension().is_none_or(|e| e != "safetensors") {
        return Ok(None);
    }
    Ok(read_metadata(file, "maskwright")?.and_then(|text| serde_json::from_str(&text).ok()))
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

/// The networks on their device: here for the CPU, on its thread for a GPU.
enum Engine {
    Here(Ensemble, String),
    There(ComputeThread, Arc<Ensemble>),
}

impl Engine {
    fn new(models: &[Model], device: &PredictDevice, ctx: &JobContext<PredictEvent>) -> Result<Self, PredictError> {
        let (offered, choice) = match device {
            PredictDevice::Thread(thread, choice) => (Some(thread), *choice),
            PredictDevice::Choice(choice) => (None, *choice),
        };
        let Settled { thread, device, warning } = settle(choice, offered)?;
        if let Some(text) = warning {
            ctx.send(PredictEvent::Warning(text));
        }
        let mut members = Vec::new();
        for model in models {
            members.push(match &thread {
                None => model.segmenter(&device)?,
                Some(thread) => {
                    let (spec, weights) = (model.spec.clone(), model.weights.clone());
                    let built =
                        thread.submit("loading the network", move |c| Segmenter::new(spec, &weights, c.device()));
                    wait("loading the network", &built)?
                        .map_err(|source| PredictError::Model { file: model.file.clone(), source })?
                }
            });
        }
        let ensemble = Ensemble::new(members).map_err(PredictError::Ensemble)?;
        Ok(match thread {
            None => Self::Here(ensemble, device.description),
            Some(thread) => Self::There(thread, Arc::new(ensemble)),
        })
    }

    /// Probabilities `[slice][channel]` of slices.
    fn probabilities(&self, hu: Vec<Vec<f32>>, size: [usize; 2]) -> Result<Vec<Vec<Vec<f32>>>, PredictError> {
        Ok(match self {
            Self::Here(ensemble, _) => ensemble.probabilities(&hu, size)?,
            Self::There(thread, ensemble) => {
                let ensemble = ensemble.clone();
                wait("predicting", &thread.submit("predicting", move |_| ensemble.probabilities(&hu, size)))??
            }
        })
    }

    fn ensemble(&self) -> &Ensemble {
        match self {
            Self::Here(ensemble, _) => ensemble,
            Self::There(_, ensemble) => ensemble,
        }
    }

    fn description(&self) -> &str {
        match self {
            Self::Here(_, description) => description,
            Self::There(thread, _) => &thread.device().description,
        }
    }
}

#[cfg(test)]
mod tests;
