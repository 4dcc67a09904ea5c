//! Reading the masks of a case, or predicting them.

use super::{CohortCase, CohortError, CohortEvent, CohortRequest, JudgedMask};
use crate::core::{Brick, Geometry, LabelMap, Segment, Volume};
use crate::io::layouts::DatasetCase;
use crate::io::{self, DicomStack, Finding, LoadEvent, LoadedMask, MaskRequest, Series, VolumeSource};
use crate::jobs::{JobContext, Waker};
use crate::metrics::stats::Calibration;
use crate::nn::AxialView;
use crate::predict::{ModelSource, PredictDevice, PredictEvent, PredictOptions, predict_watched};
use crate::report::{Calibrated, Curve};
use crate::train::{DataFingerprint, Recipe, truth_classes};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One label map with its segments.
#[derive(Debug, Clone)]
pub(super) struct CaseMask {
    pub name: String,
    pub labels: LabelMap,
    pub segments: Vec<Segment>,
    /// The image, where it was read anyway.
    pub volume: Option<Arc<Volume>>,
}

/// The image that masks lie on.
#[derive(Clone)]
struct Image {
    geometry: Geometry,
    source: VolumeSource,
}

pub(super) struct Reader<'a> {
    request: &'a CohortRequest,
    /// SHA-256 of the weights that predicted, by run.
    weights: RefCell<BTreeMap<PathBuf, String>>,
    /// Of the probabilities of a side's run, by side and case: a case that is predicted again counts once.
    calibrations: RefCell<BTreeMap<(usize, String), Calibration>>,
}

impl<'a> Reader<'a> {
    pub fn new(request: &'a CohortRequest) -> Self {
        Self { request, weights: RefCell::default(), calibrations: RefCell::default() }
    }

    /// Reference and judged mask of a case on one grid.
    pub fn pair(
        &self,
        case: &CohortCase,
        side: usize,
        ctx: &JobContext<CohortEvent>,
    ) -> Result<(CaseMask, CaseMask), CohortError> {
        let failed = |e: String| match ctx.is_cancelled() {
            true => CohortError::Cancelled,
            false => CohortError::Case { case: case.name.clone(), reason: e },
        };
        let judged_name = self.request.judged[side].name.clone();
        if let (JudgedMask::Run(run), JudgedMask::Dataset(data)) = (&case.judged[side], &case.truth) {
            let mut calibration = Calibration::default();
            let pair = self.predicted(run, data, judged_name, &mut calibration, ctx).map_err(failed)?;
            self.calibrations.borrow_mut().insert((side, case.name.clone()), calibration);
            return Ok(pair);
        }
        let image = match &case.image {
            Some(path) => Some(self.image(path, ctx).map_err(failed)?),
            None => None,
        };
        let truth = match &case.truth {
            JudgedMask::Dataset(data) => dataset_mask(data, ctx),
            JudgedMask::File(path) | JudgedMask::Run(path) => self.file(path, image.as_ref(), None, ctx),
        }
        .map_err(failed)?;
        let grid = *truth.labels.geometry();
        let judged = match &case.judged[side] {
            JudgedMask::Dataset(data) => dataset_mask(data, ctx),
            JudgedMask::File(path) | JudgedMask::Run(path) => {
                let own = match &case.truth {
                    JudgedMask::Dataset(data) => Some(Image { geometry: grid, source: data.source.clone() }),
                    _ => image,
                };
                self.file(path, own.as_ref(), Some(grid), ctx)
            }
        }
        .map_err(failed)?;
        Ok((truth, CaseMask { name: judged_name, ..judged }))
    }

    /// The image of a case, for pictures; `None` where there is none.
    pub fn volume(&self, case: &CohortCase, ctx: &JobContext<CohortEvent>) -> Option<Arc<Volume>> {
        self.volume_with_findings(case, ctx).map(|(volume, _)| volume)
    }

    /// [`Self::volume`] with what was noticed while it was read.
    pub fn volume_with_findings(
        &self,
        case: &CohortCase,
        ctx: &JobContext<CohortEvent>,
    ) -> Option<(Arc<Volume>, Vec<Finding>)> {
        let source = match &case.truth {
            JudgedMask::Dataset(data) => data.source.clone(),
            _ => self.image(case.image.as_deref()?, ctx).ok()?.source,
        };
        let (volume, findings) = io::load_volume_with_findings(&source, &quiet::<LoadEvent>(ctx)).ok()?;
        Some((Arc::new(volume), findings))
    }

    fn predicted(
        &self,
        run: &Path,
        data: &DatasetCase,
        name: String,
        calibration: &mut Calibration,
        ctx: &JobContext<CohortEvent>,
    ) -> Result<(CaseMask, CaseMask), String> {
        let recipe = Recipe::of_run(run).map_err(|e| e.to_string())?;
        let (volume, classes) = truth_classes(data, &recipe, &quiet(ctx)).map_err(|e| e.to_string())?;
        let source = ModelSource::Run(run.to_owned());
        let device = PredictDevice::Choice(self.request.device);
        let (inner, events) = JobContext::<PredictEvent>::attached(ctx.cancel.clone(), Arc::default(), Waker::none());
        let view = AxialView::new(volume.geometry());
        let mut watch = |k: usize, maps: &[Vec<f32>]| calibration.add(maps, &view.label_slice(&classes, k));
        let options = PredictOptions::default();
        let prediction = predict_watched(&source, &options, &volume, &device, &self.request.turn, &mut watch, &inner);
        let prediction = prediction.map_err(|e| e.to_string())?;
        if self.weights.borrow_mut().insert(run.to_owned(), prediction.weights_sha256).is_none() {
            for event in events.try_iter() {
                if let PredictEvent::Warning(text) = event {
                    ctx.send(CohortEvent::Warning(text));
                }
            }
        }
        let segments = prediction.segments.clone();
        let truth = CaseMask { name: "truth".into(), labels: classes, segments, volume: Some(volume.clone()) };
        let judged = CaseMask { name, labels: prediction.labels, segments: prediction.segments, volume: Some(volume) };
        Ok((truth, judged))
    }

    fn image(&self, path: &Path, ctx: &JobContext<CohortEvent>) -> Result<Image, String> {
        let mut scan = io::scan(path, &quiet(ctx)).map_err(|e| e.to_string())?;
        if self.request.resample {
            io::resample_all(&mut scan);
        }
        let chosen = scan.series().filter(|s| s.can_open()).max_by_key(|s: &&Series| (s.may_be_ct(), s.slices));
        chosen.and_then(|s| Some(Image { geometry: s.geometry?, source: s.source.clone()? })).ok_or_else(|| {
            format!("{} holds no image that can be opened; give the folder of the CT series", path.display())
        })
    }

    fn file(
        &self,
        path: &Path,
        image: Option<&Image>,
        grid: Option<Geometry>,
        ctx: &JobContext<CohortEvent>,
    ) -> Result<CaseMask, String> {
        let series: Option<&DicomStack> = image.and_then(|i| match &i.source {
            VolumeSource::Dicom(stack) => Some(stack),
            VolumeSource::Nifti(_) | VolumeSource::Nrrd(_) => None,
        });
        let grid = image.map(|i| i.geometry).or(grid);
        let request = MaskRequest { name: None, grid: grid.as_ref(), series };
        let mask = io::find_mask(path, request, &quiet(ctx)).map_err(|e| e.to_string())?;
        Ok(told(mask, super::request::name_of(path), ctx))
    }

    /// Calibration of the judged runs over the cases they predicted.
    pub fn calibrations(&self) -> Vec<Calibrated> {
        let mut sides: BTreeMap<usize, Calibration> = BTreeMap::new();
        for ((side, _), one) in self.calibrations.borrow().iter() {
            sides.entry(*side).or_default().merge(one);
        }
        let named = |(side, calibration): (usize, Calibration)| {
            self.request.judged.get(side).map(|j| Calibrated { judged: j.name.clone(), calibration })
        };
        sides.into_iter().filter_map(named).collect()
    }

    /// Weights, recipe and training data of a judged run.
    pub fn provenance(&self, side: usize) -> Vec<(String, String)> {
        let judged = &self.request.judged[side];
        if !judged.is_run() {
            return Vec::new();
        }
        let mut facts = Vec::new();
        if let Some(sha) = self.weights.borrow().get(&judged.path) {
            facts.push((format!("Weights of {} (SHA-256)", judged.name), sha.clone()));
        }
        if let Ok(recipe) = Recipe::of_run(&judged.path) {
            facts.push((format!("Recipe of {}", judged.name), recipe.name));
        }
        if let Some(data) = DataFingerprint::of_run(&judged.path) {
            let text = format!("{}, cases: {}, slices: {}", data.sha256, data.cases, data.slices);
            facts.push((format!("Training data of {} (SHA-256)", judged.name), text));
        }
        facts
    }
}

/// A context for readers whose own events nobody watches; it is cancelled with the job.
fn quiet<E>(ctx: &JobContext<CohortEvent>) -> JobContext<E> {
    JobContext::attached(ctx.cancel.clone(), Arc::default(), Waker::none()).0
}

/// One label map of the mask, with what was noticed told.
fn told(mask: LoadedMask, name: String, ctx: &JobContext<CohortEvent>) -> CaseMask {
    let mask = mask.flattened();
    for finding in &mask.findings {
        ctx.send(CohortEvent::Warning(finding.text.clone()));
    }
    CaseMask { name, labels: mask.labels, segments: mask.segments, volume: None }
}

/// All masks of a data set's case on one label map, each segment under the name that the data set declares.
fn dataset_mask(data: &DatasetCase, ctx: &JobContext<CohortEvent>) -> Result<CaseMask, String> {
    let geometry = grid_of(&data.source, ctx)?;
    let series = match &data.source {
        VolumeSource::Dicom(stack) => Some(stack),
        _ => None,
    };
    let mut all: Option<CaseMask> = None;
    for source in &data.masks {
        let loaded = io::load_mask(source, series, &geometry, &quiet(ctx)).map_err(|e| e.to_string())?;
        let mut next = told(loaded, data.name.clone(), ctx);
        for segment in &mut next.segments {
            if let Some((_, name)) = data.label_names.iter().find(|(value, _)| *value == segment.file_value) {
                segment.name.clone_from(name);
            }
        }
        all = Some(match all {
            None => next,
            Some(before) => join(before, &next),
        });
    }
    all.ok_or_else(|| "it has no mask".into())
}

fn grid_of(source: &VolumeSource, ctx: &JobContext<CohortEvent>) -> Result<Geometry, String> {
    match source {
        VolumeSource::Dicom(stack) => Ok(stack.geometry),
        other => io::load_volume(other, &quiet::<LoadEvent>(ctx)).map(|v| *v.geometry()).map_err(|e| e.to_string()),
    }
}

/// The second over the first, under labels that are free.
fn join(mut first: CaseMask, second: &CaseMask) -> CaseMask {
    let mut table = [0u8; 256];
    for segment in &second.segments {
        let taken = |id: &u8| first.segments.iter().any(|s| s.id == *id);
        let Some(id) = (1..=u8::MAX).find(|id| !taken(id)) else { break };
        table[usize::from(segment.id)] = id;
        first.segments.push(Segment { id, file_value: u32::from(id), ..segment.clone() });
    }
    for index in 0..second.labels.brick_count() as u32 {
        let Some(brick) = second.labels.brick(index) else { continue };
        let mut target = first.labels.brick(index).map_or([0; size_of::<Brick>()], |b| **b);
        for (mine, theirs) in target.iter_mut().zip(brick.iter()).filter(|(_, theirs)| **theirs != 0) {
            *mine = table[usize::from(*theirs)];
        }
        first.labels.set_brick(index, Some(Arc::new(target)));
    }
    first
}

/// The curves of a run folder.
pub(super) fn learning_curve(run: &Path, name: &str) -> Option<Curve> {
    let bytes = io::bounds::read_bounded(&run.join("curves.jsonl"), 64 << 20).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let rows = text.lines().filter_map(|l| serde_json::from_str::<crate::train::EpochRow>(l).ok());
    let epochs: Vec<_> = rows.map(|r| (r.epoch as f64, r.train_loss, r.val_loss, r.val_dice)).collect();
    (!epochs.is_empty()).then(|| Curve { run: name.to_owned(), epochs })
}
