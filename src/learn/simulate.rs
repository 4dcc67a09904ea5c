//! A simulated annotator against a target: how much correcting the loop saves, against a network that stays as it is
//! and against drawing from nothing.
//!
//! The annotator goes slice by slice and makes each equal to the truth. Dice is that of each case's whole mask
//! (corrected slices, and predictions for the others), averaged over classes, then over cases. The annotator stops when
//! the mean reaches the target.

use super::queue::{answer, differ, jumps, look};
use super::{
    Effort, LearnError, LoopConfig, LoopStart, RankedSlice, SampleOrigin, Session, SliceView, case_key, correct_slice,
    fine_tune, rank,
};
use crate::core::{LabelId, LabelMap, Volume};
use crate::jobs::JobContext;
use crate::nn::{AxialView, Compute, Segmenter, StateDict, resample_hu, resize_labels};
use crate::train::{Recipe, Slice};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// A case whose truth is known.
#[derive(Debug, Clone)]
pub struct SimCase {
    pub volume: Arc<Volume>,
    /// Class of every voxel, 0 background.
    pub classes: LabelMap,
}

/// In which order slices are corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SimOrder {
    /// By expected gain, over all cases.
    Queue,
    Random,
    /// Case by case, slice by slice.
    InOrder,
}

/// What helps the annotator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// Nothing: masks are drawn.
    Nothing,
    /// Predictions of the first weights.
    Fixed(SimOrder),
    /// Predictions of weights that learn from the corrections.
    Loop(SimOrder),
}

/// What to simulate.
#[derive(Debug, Clone)]
pub struct SimRequest {
    pub recipe: Recipe,
    pub weights: StateDict,
    /// Data that the weights were trained and validated with, for replay and for the gate.
    pub earlier: Vec<Slice>,
    pub earlier_validation: Vec<Slice>,
    pub cases: Vec<SimCase>,
    pub arms: Vec<Arm>,
    pub config: LoopConfig,
    /// Mean Dice to reach.
    pub target: f64,
    pub seed: u64,
    /// Loops are kept here, one folder an arm.
    pub folder: PathBuf,
}

/// After a corrected slice.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CurvePoint {
    pub slices: usize,
    pub voxels: u64,
    pub strokes: u64,
    pub dice: f64,
}

/// What one arm took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmResult {
    pub arm: String,
    pub order: SimOrder,
    /// Before the first correction.
    pub start_dice: f64,
    pub dice: f64,
    pub reached: bool,
    pub slices: usize,
    pub voxels: u64,
    pub strokes: u64,
    pub rounds: usize,
    pub accepted: usize,
    /// Of fine-tuning and predicting.
    pub seconds: f64,
    pub curve: Vec<CurvePoint>,
}

/// The whole result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimResult {
    pub recipe: String,
    pub cases: usize,
    pub slices: usize,
    pub target: f64,
    pub device: String,
    pub arms: Vec<ArmResult>,
}

/// Progress.
#[derive(Debug, Clone, PartialEq)]
pub enum SimEvent {
    /// A sentence for the terminal.
    Said(String),
}

impl Arm {
    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "drawn from nothing",
            Self::Fixed(_) => "fixed network corrected",
            Self::Loop(_) => "learning loop",
        }
    }

    fn order(self) -> SimOrder {
        match self {
            Self::Nothing => SimOrder::InOrder,
            Self::Fixed(order) | Self::Loop(order) => order,
        }
    }

    fn folder(self) -> &'static str {
        match self.order() {
            SimOrder::Queue => "loop-queue",
            SimOrder::Random => "loop-random",
            SimOrder::InOrder => "loop-in-order",
        }
    }
}

/// Simulates every arm on the device of `compute`, one after the other.
///
/// # Errors
/// [`LearnError`]; [`LearnError::Cancelled`] when the job is.
pub fn simulate(request: &SimRequest, compute: &Compute, ctx: &JobContext<SimEvent>) -> Result<SimResult, LearnError> {
    let desk: Vec<Patient> = request.cases.iter().map(|case| Patient::new(case, &request.recipe)).collect();
    let slices = desk.iter().map(|p| p.truth.len()).sum();
    let mut arms = Vec::new();
    for (number, arm) in request.arms.iter().enumerate() {
        ctx.progress.set(number as u64, request.arms.len() as u64);
        let run = Run { request, arm: *arm, compute, ctx, patients: desk.clone(), session: None };
        arms.push(run.go()?);
    }
    Ok(SimResult {
        recipe: request.recipe.name.clone(),
        cases: desk.len(),
        slices,
        target: request.target,
        device: compute.device().description.clone(),
        arms,
    })
}

/// A case on the simulated annotator's desk.
#[derive(Clone)]
struct Patient {
    key: String,
    /// At the network's resolution.
    hu: Vec<Vec<i16>>,
    size: [usize; 2],
    spacing: f64,
    truth: Vec<Vec<LabelId>>,
    mask: Vec<Vec<LabelId>>,
    seen: Vec<usize>,
    views: Vec<SliceView>,
    /// What the version before said, at the network's resolution.
    answers: Vec<Vec<LabelId>>,
    classes: usize,
}

impl Patient {
    fn new(case: &SimCase, recipe: &Recipe) -> Self {
        let geometry = case.volume.geometry();
        let view = AxialView::new(geometry);
        let [width, height, slices] = view.size();
        let axis = crate::core::PlaneAxes::of(geometry, crate::core::Plane::Axial).through;
        let n = recipe.preprocessing.size;
        Self {
            key: case_key(&case.volume),
            hu: (0..slices).map(|k| resample_hu(&view.slice(&case.volume, k), [width, height], n)).collect(),
            size: [width, height],
            spacing: geometry.spacing()[axis],
            truth: (0..slices).map(|k| view.label_slice(&case.classes, k)).collect(),
            mask: vec![vec![0; width * height]; slices],
            seen: Vec::new(),
            views: Vec::new(),
            answers: Vec::new(),
            classes: recipe.data.classes.len(),
        }
    }

    /// Predicts what has not been corrected and looks at everything for the queue.
    fn predict(&mut self, segmenter: &Segmenter, mirror: bool) -> Result<(), LearnError> {
        const BATCH: usize = 8;
        let spec = segmenter.spec();
        let (mut all, mut views) = (Vec::new(), Vec::new());
        for first in (0..self.hu.len()).step_by(BATCH) {
            let hu = &self.hu[first..(first + BATCH).min(self.hu.len())];
            let (shown, looked) = look(segmenter, first, hu, mirror, None)?;
            all.extend(shown);
            views.extend(looked);
        }
        jumps(&mut views, &all, spec.preprocessing.size, spec.network.out_channels);
        let answers: Vec<Vec<LabelId>> = all.iter().map(|p| answer(p, spec)).collect();
        for ((view, before), now) in views.iter_mut().zip(&self.answers).zip(&answers) {
            view.turned = differ(before, now);
        }
        self.answers = answers;
        for (k, p) in all.iter().enumerate().filter(|(k, _)| !self.seen.contains(k)) {
            self.mask[k] = segmenter.labels(p, self.size);
        }
        self.views = views;
        Ok(())
    }

    /// Mean Dice over the classes that are in truth or mask.
    fn dice(&self) -> f64 {
        let mut counts = vec![[0u64; 3]; self.classes + 1];
        for (truth, mask) in self.truth.iter().zip(&self.mask) {
            for (t, m) in truth.iter().zip(mask) {
                if let Some(c) = counts.get_mut(usize::from(*t)) {
                    c[0] += 1;
                    c[2] += u64::from(t == m);
                }
                if let Some(c) = counts.get_mut(usize::from(*m)) {
                    c[1] += 1;
                }
            }
        }
        let defined: Vec<f64> = counts[1..]
            .iter()
            .filter(|[t, m, _]| t + m > 0)
            .map(|[t, m, both]| 2.0 * *both as f64 / (t + m) as f64)
            .collect();
        if defined.is_empty() { 1.0 } else { defined.iter().sum::<f64>() / defined.len() as f64 }
    }
}

/// One arm under way.
struct Run<'a> {
    request: &'a SimRequest,
    arm: Arm,
    compute: &'a Compute,
    ctx: &'a JobContext<SimEvent>,
    patients: Vec<Patient>,
    session: Option<Session>,
}

impl Run<'_> {
    fn go(mut self) -> Result<ArmResult, LearnError> {
        let begun = Instant::now();
        match self.arm {
            Arm::Nothing => {}
            Arm::Fixed(_) => self.predict(&self.request.weights)?,
            Arm::Loop(_) => {
                let start = LoopStart {
                    recipe: self.request.recipe.clone(),
                    weights: self.request.weights.clone(),
                    earlier: self.request.earlier.clone(),
                    earlier_validation: self.request.earlier_validation.clone(),
                    config: self.request.config,
                };
                self.session = Some(Session::create(&self.request.folder.join(self.arm.folder()), start)?);
                self.predict(&self.request.weights)?;
            }
        }
        let mut dice: Vec<f64> = self.patients.iter().map(Patient::dice).collect();
        let mean = |dice: &[f64]| dice.iter().sum::<f64>() / dice.len().max(1) as f64;
        let start_dice = mean(&dice);
        let mut effort = Effort::default();
        let mut curve = Vec::new();
        let mut order = self.fixed_order();
        while mean(&dice) < self.request.target {
            if self.ctx.is_cancelled() {
                return Err(LearnError::Cancelled);
            }
            let Some((case, slice)) = self.next(&mut order) else { break };
            effort += self.correct(case, slice)?;
            if self.retrain()? {
                dice = self.patients.iter().map(Patient::dice).collect();
            } else {
                dice[case] = self.patients[case].dice();
            }
            curve.push(CurvePoint {
                slices: curve.len() + 1,
                voxels: effort.voxels,
                strokes: effort.strokes,
                dice: mean(&dice),
            });
            let words = format!("{}: {} slices, Dice {:.4}", self.arm.name(), curve.len(), mean(&dice));
            self.ctx.progress.say(words);
        }
        let rounds = self.session.as_ref().map_or(&[][..], Session::rounds);
        Ok(ArmResult {
            arm: self.arm.name().into(),
            order: self.arm.order(),
            start_dice,
            dice: mean(&dice),
            reached: mean(&dice) >= self.request.target,
            slices: curve.len(),
            voxels: effort.voxels,
            strokes: effort.strokes,
            rounds: rounds.len(),
            accepted: rounds.iter().filter(|r| r.decision.accepted).count(),
            seconds: begun.elapsed().as_secs_f64(),
            curve,
        })
    }

    fn predict(&mut self, weights: &StateDict) -> Result<(), LearnError> {
        let recipe = &self.request.recipe;
        let segmenter = Segmenter::new(recipe.model_spec(), weights, self.compute.device())?;
        for patient in &mut self.patients {
            patient.predict(&segmenter, recipe.augmentation.flip_lr > 0.0)?;
        }
        Ok(())
    }

    /// All slices, last one first, for the orders that are known beforehand.
    fn fixed_order(&self) -> Vec<(usize, usize)> {
        let all = self.patients.iter().enumerate();
        let mut order: Vec<(usize, usize)> =
            all.flat_map(|(case, p)| (0..p.truth.len()).map(move |slice| (case, slice))).collect();
        match self.arm.order() {
            SimOrder::Queue => order.clear(),
            SimOrder::InOrder => order.reverse(),
            SimOrder::Random => order.shuffle(&mut ChaCha8Rng::seed_from_u64(self.request.seed)),
        }
        order
    }

    fn next(&self, order: &mut Vec<(usize, usize)>) -> Option<(usize, usize)> {
        if self.arm.order() != SimOrder::Queue {
            return order.pop();
        }
        let best = |p: &Patient| -> Option<RankedSlice> { rank(&p.views, &p.seen, p.spacing).first().copied() };
        let ranked = self.patients.iter().enumerate().filter_map(|(case, p)| Some((case, best(p)?)));
        ranked.max_by(|a, b| a.1.gain.total_cmp(&b.1.gain)).map(|(case, r)| (case, r.slice))
    }

    fn correct(&mut self, case: usize, slice: usize) -> Result<Effort, LearnError> {
        let patient = &mut self.patients[case];
        let effort = correct_slice(&mut patient.mask[slice], &patient.truth[slice], patient.size[0]);
        patient.seen.push(slice);
        if let Some(session) = &mut self.session {
            let n = self.request.recipe.preprocessing.size;
            let classes = resize_labels(&patient.truth[slice], patient.size, [n, n]);
            let sample = Slice { hu: patient.hu[slice].clone(), classes };
            session.add(&patient.key, slice, sample, SampleOrigin::Simulated, effort)?;
        }
        Ok(effort)
    }

    /// A round, when one is due; `true` when the predictions are new.
    fn retrain(&mut self) -> Result<bool, LearnError> {
        let Some(session) = self.session.as_mut().filter(|s| s.is_due()) else { return Ok(false) };
        let ctx = self.ctx;
        let output = fine_tune(session.round()?, self.compute.device(), &mut |_| {
            self.compute.run_pending();
            !ctx.is_cancelled()
        })?;
        let report = session.finish(output)?;
        let outcome = match report.version {
            Some(version) => format!("version {version} replaces version {}", report.parent),
            None => "the candidate is refused".into(),
        };
        ctx.send(SimEvent::Said(format!(
            "{}, round {} after {} slices: {outcome} ({}; {:.0} s)",
            self.arm.folder(),
            report.number,
            session.corrected(),
            report.decision.reason,
            report.seconds
        )));
        if report.version.is_none() {
            return Ok(false);
        }
        let weights = session.weights().clone();
        self.predict(&weights)?;
        Ok(true)
    }
}
