//! From the fifth corrected slice to a better prediction, as the learning loop's own runner gives it.
//!
//! A generated chest is predicted by a network that learned briefly from two others. The slices that the queue puts first
//! are given back with their truth, as an annotator would; from the one that starts a round the time runs, to the weights
//! that the gate accepts, to their prediction of the slice on the screen, and to that of the whole case. What a frame adds
//! before the labels are seen is not in it: `packaging/loop-check` times that in a real window.

use super::data::TemporaryFolder;
use super::desk::{Desk, with_loop};
use super::sampling::{Sampler, attached};
use crate::cli::CliError;
use crate::cli::simulate::{generated_case, in_classes_of};
use crate::core::LabelId;
use crate::learn::{Ask, LoopConfig, LoopStart, SliceView, Tell, rank};
use crate::nn::{AxialView, DeviceChoice, NetworkConfig, UNetConfig, load_weights};
use crate::phantom::{Kind, PhantomSpec};
use crate::train::{Recipe, Slice, TrainCase, TrainControl, TrainData, TrainRequest, earlier_slices, train};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Slices of earlier data that train and that judge, at most.
const EARLIER: [usize; 2] = [200, 24];
/// Rounds after which a network that does not get better is given up.
const ROUNDS: usize = 4;

/// A network, and the patients that it learns on and predicts.
#[derive(Debug, Clone, Copy)]
struct Scene {
    device: DeviceChoice,
    base_width: usize,
    /// Halvings of the network.
    depth: usize,
    /// Edge of the network's input in pixels.
    input: usize,
    /// Columns and rows, and slices, of a patient.
    size: usize,
    slices: usize,
    epochs: usize,
    seed: u64,
}

pub(super) fn measure(sampler: &mut Sampler, device: DeviceChoice) -> Result<(), CliError> {
    let small = Scene { device, base_width: 8, depth: 3, input: 64, size: 96, slices: 32, epochs: 2, seed: 700 };
    if sampler.quick {
        return scenes(sampler, &[Scene { input: 32, size: 48, slices: 24, ..small }]);
    }
    scenes(sampler, &[0, 10, 20].map(|n| Scene { seed: small.seed + n, ..small }))?;
    if device == DeviceChoice::Cpu {
        // The wide network takes a processor many minutes.
        return Ok(());
    }
    let wide = Scene { base_width: 32, depth: 4, input: 512, size: 512, slices: 64, epochs: 3, ..small };
    scenes(sampler, &[0, 10, 20].map(|n| Scene { seed: wide.seed + n, ..wide }))
}

/// What came of one patient.
struct Outcome {
    /// Seconds to the accepted weights, to the prediction of the slice on the screen, and to that of the case.
    seconds: [f64; 3],
    /// Of all slices that nobody corrected, before and after.
    dice: [f64; 2],
    device: String,
    corrected: usize,
}

/// The same scene with other patients.
fn scenes(sampler: &mut Sampler, scenes: &[Scene]) -> Result<(), CliError> {
    let Some(Scene { base_width, input, size, slices, .. }) = scenes.first().copied() else { return Ok(()) };
    let network = format!("U-Net base {base_width}, {input}x{input} px, case of {slices} x {size}x{size}");
    let mut outcomes = Vec::new();
    for scene in scenes {
        sampler.begin("round", &network)?;
        outcomes.push(scene.go(sampler)?);
    }
    let told: Vec<String> =
        outcomes.iter().map(|o| format!("{:.3} to {:.3} after {}", o.dice[0], o.dice[1], o.corrected)).collect();
    let device = outcomes.first().map_or_else(String::new, |o| o.device.clone());
    for (part, what) in
        ["accepted weights", "better slice on the screen", "whole case predicted anew"].iter().enumerate()
    {
        let times = outcomes.iter().map(|o| o.seconds[part]).collect();
        sampler.add("round", &format!("last slice of a round to {what}, {network}"), times, None);
        sampler.note(format!("{device}; Dice of untouched slices {}", told.join(", ")));
    }
    Ok(())
}

impl Scene {
    fn go(self, sampler: &mut Sampler) -> Result<Outcome, CliError> {
        let mut recipe = Recipe::load("demo").map_err(CliError::of)?;
        recipe.network = NetworkConfig::UNet(UNetConfig::new(self.base_width, self.depth));
        recipe.preprocessing.size = self.input;
        (recipe.epochs, recipe.patience) = (self.epochs, None);
        let mut patients = Vec::new();
        for n in 0..3 {
            sampler.say("round: generating patients")?;
            let spec = PhantomSpec { kind: Kind::Chest, size: self.size, slices: self.slices, seed: self.seed + n };
            let cancel = sampler.cancel().clone();
            patients.push(generated_case(&spec, &|_| !cancel.is_cancelled()).map_err(CliError::of)?);
        }
        let (mut patients, recipe) = in_classes_of(&recipe, patients)?;
        let Some(patient) = patients.pop() else { return Err(CliError("No patient was generated.".into())) };
        sampler.say("round: training the first network")?;
        let (weights, [earlier, earlier_validation]) = self.first_network(sampler, &recipe, patients)?;
        let config = LoopConfig { seed: self.seed, ..LoopConfig::default() };
        let start = LoopStart { recipe, weights, earlier, earlier_validation, config };
        sampler.say("round: correcting slices")?;
        with_loop(sampler, self.device, start, |desk, _| Annotator::new(desk, &patient).go(config.slices_per_round))
    }

    fn first_network(
        self,
        sampler: &Sampler,
        recipe: &Recipe,
        patients: Vec<TrainCase>,
    ) -> Result<(crate::nn::StateDict, [Vec<Slice>; 2]), CliError> {
        let folder = TemporaryFolder::create()?;
        let run = folder.0.join("first");
        let data = TrainData::Memory(patients);
        let request = TrainRequest {
            recipe: recipe.clone(),
            data: data.clone(),
            run: run.clone(),
            device: self.device,
            compute: None,
            resume: false,
            init: None,
            cache_bytes: None,
            test: false,
        };
        let (ctx, _events) = attached(sampler.cancel());
        train(&request, &TrainControl::new(), &ctx).map_err(CliError::of)?;
        let weights = load_weights(&run.join("checkpoints/best/weights.safetensors")).map_err(CliError::of)?;
        Ok((weights, earlier_slices(recipe, &data, EARLIER, &ctx).map_err(CliError::of)?))
    }
}

/// Corrects slices of one patient.
struct Annotator<'a> {
    desk: &'a Desk<'a>,
    patient: &'a TrainCase,
    truth: Vec<Vec<LabelId>>,
    /// What the network says of each slice, and what the queue looks at.
    answers: BTreeMap<usize, Vec<LabelId>>,
    views: Vec<SliceView>,
    spacing: f64,
    done: Vec<usize>,
}

impl<'a> Annotator<'a> {
    fn new(desk: &'a Desk<'a>, patient: &'a TrainCase) -> Self {
        let view = AxialView::new(patient.labels.geometry());
        let truth = (0..view.size()[2]).map(|k| view.label_slice(&patient.labels, k)).collect();
        Self { desk, patient, truth, answers: BTreeMap::new(), views: Vec::new(), spacing: 1.0, done: Vec::new() }
    }

    fn go(mut self, slices_per_round: usize) -> Result<Outcome, CliError> {
        self.desk.ask(Ask::Case { case: 1, volume: self.patient.volume.clone() })?;
        let device = self.desk.device()?;
        self.predicted(0, None)?;
        for _ in 0..ROUNDS {
            for _ in 1..slices_per_round {
                self.correct()?;
            }
            // The one that an annotator would go to next is on the screen while the network learns.
            let shown = rank(&self.views, &self.done, self.spacing).get(1).map(|r| r.slice);
            let before = self.answers.clone();
            let last = Instant::now();
            self.correct()?;
            if let Some(slice) = shown {
                self.desk.ask(Ask::Looking { case: 1, slice })?;
            }
            let version = self.desk.wait("the end of a round", |told| match told {
                Tell::Round(report) => Some(report.version),
                _ => None,
            })?;
            let accepted = last.elapsed();
            let Some(version) = version else { continue };
            let first = self.predicted(version, Some(last))?;
            let all = last.elapsed();
            return Ok(Outcome {
                seconds: [accepted, first, all].map(|t| t.as_secs_f64()),
                dice: [self.dice(&before), self.dice(&self.answers)],
                device,
                corrected: self.done.len(),
            });
        }
        Err(CliError(format!("The network got no better in {ROUNDS} rounds.")))
    }

    /// Waits for all predictions of a version; gives the time from `since` to the first of them.
    fn predicted(&mut self, wanted: usize, since: Option<Instant>) -> Result<std::time::Duration, CliError> {
        let mut first = None;
        let (answers, views, spacing) = (&mut self.answers, &mut self.views, &mut self.spacing);
        self.desk.wait("the predictions", |told| match told {
            Tell::Predicted { version, slices, .. } if version == wanted => {
                first.get_or_insert_with(|| since.map_or_else(Default::default, |at| at.elapsed()));
                answers.extend(slices);
                None
            }
            Tell::Ranked { version, views: seen, spacing: mm, .. } if version == wanted => {
                (*views, *spacing) = (seen, mm);
                Some(())
            }
            _ => None,
        })?;
        Ok(first.unwrap_or_default())
    }

    /// Gives the slice that stands first in the queue back with its truth.
    fn correct(&mut self) -> Result<(), CliError> {
        let Some(next) = rank(&self.views, &self.done, self.spacing).first().map(|r| r.slice) else {
            return Err(CliError("All slices of the generated case are corrected.".into()));
        };
        self.done.push(next);
        self.desk.done(next, &self.patient.labels)
    }

    /// Of what is not background, over the slices that were not corrected.
    fn dice(&self, answers: &BTreeMap<usize, Vec<LabelId>>) -> f64 {
        let done: BTreeSet<usize> = self.done.iter().copied().collect();
        let (mut both, mut sum) = (0u64, 0u64);
        let open = answers.iter().filter(|(k, _)| !done.contains(k));
        for (answer, truth) in open.filter_map(|(k, answer)| Some((answer, self.truth.get(*k)?))) {
            for (a, t) in answer.iter().zip(truth) {
                both += u64::from(*a != 0 && a == t);
                sum += u64::from(*a != 0) + u64::from(*t != 0);
            }
        }
        if sum == 0 { 1.0 } else { 2.0 * both as f64 / sum as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::CancelToken;

    #[test]
    fn a_round_is_timed_and_told_with_what_it_gained() {
        let (ctx, _told) = attached(&CancelToken::default());
        let mut sampler = Sampler::new(true, &ctx);
        measure(&mut sampler, DeviceChoice::Cpu).unwrap();
        let times: Vec<f64> = sampler.figures.iter().map(|f| f.median_s).collect();
        assert_eq!(times.len(), 3, "{:?}", sampler.figures);
        assert!(0.0 < times[0] && times[0] <= times[1] && times[1] <= times[2], "{times:?}");
        let note = sampler.figures[0].note.clone().unwrap_or_default();
        assert!(note.starts_with("CPU") && note.contains("; Dice of untouched slices 0."), "{note}");
    }
}
