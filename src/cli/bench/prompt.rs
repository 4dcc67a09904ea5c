//! Prompts: from a click inside or outside of a structure to the network's adapted answer for that slice.
//!
//! The loop's own runner is asked, as the window asks it: the time is from sending the click to having the answer. The
//! first click on a slice needs a pass of the network, further ones only what is kept of it; and both come in between the
//! steps of a round. What follows, writing the answer into the mask, is a step of the history like any stroke.

use super::data::{TemporaryFolder, volume};
use super::learning::Job;
use super::sampling::{Sampler, attached};
use crate::cli::CliError;
use crate::core::LabelMap;
use crate::jobs::{Arbiter, CancelToken};
use crate::learn::{
    Ask, Begin, EarlyLabels, Effort, LoopConfig, LoopStart, PromptPoint, RunnerRequest, SampleOrigin, Tell, run,
};
use crate::nn::{DeviceChoice, Settled, settle};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Slices of the case that is prompted.
const SLICES: usize = 40;
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) fn measure(sampler: &mut Sampler, device: DeviceChoice) -> Result<(), CliError> {
    for job in jobs(sampler.quick, device) {
        one(sampler, job)?;
    }
    Ok(())
}

fn jobs(quick: bool, device: DeviceChoice) -> Vec<Job> {
    if quick {
        return vec![Job::unet(device, 8, 64, 4)];
    }
    vec![Job::unet(device, 8, 64, 8), Job::unet(device, 16, 256, 8), Job::unet(device, 32, 512, 8)]
}

fn one(sampler: &mut Sampler, job: Job) -> Result<(), CliError> {
    let network = job.case("");
    sampler.begin("prompt", &format!("preparing{network}"))?;
    let folder = TemporaryFolder::create()?;
    let Settled { thread, .. } = settle(job.device, None).map_err(CliError::of)?;
    let recipe = job.recipe()?;
    let weights = recipe.network_spec().initial_weights(1);
    // A round without an end, and none before it is asked for.
    let config = LoopConfig {
        steps: usize::MAX / 2,
        judge_every: usize::MAX / 2,
        slices_per_round: usize::MAX / 2,
        ..LoopConfig::default()
    };
    let start = LoopStart { recipe, weights, earlier: Vec::new(), earlier_validation: Vec::new(), config };
    let request = RunnerRequest {
        folder: folder.0.join("loop"),
        begin: Begin::New(Box::new(|_| Ok(start))),
        device: job.device,
        thread,
        arbiter: Arbiter::default(),
        early: EarlyLabels::default(),
        fault: None,
    };
    let (asks, asked) = unbounded();
    let cancel = sampler.cancel().clone();
    let (ctx, told) = attached(&cancel);
    let ended = std::thread::scope(|scope| {
        let runner = scope.spawn(|| run(request, &asked, &ctx));
        let desk = Desk { asks, told: &told, cancel: &cancel, size: job.size };
        let measured = desk.go(sampler, &network);
        // The runner ends when nobody asks any more.
        drop(desk);
        (measured, runner.join())
    });
    match ended {
        (measured, Ok(Ok(()))) => measured,
        (_, Ok(Err(error))) => Err(CliError::of(error)),
        (_, Err(_)) => Err(CliError("The learning loop stopped because of a defect in Maskwright.".into())),
    }
}

/// Whoever clicks.
struct Desk<'a> {
    asks: Sender<Ask>,
    told: &'a Receiver<Tell>,
    cancel: &'a CancelToken,
    size: usize,
}

impl Desk<'_> {
    fn go(&self, sampler: &mut Sampler, network: &str) -> Result<(), CliError> {
        let image = Arc::new(volume([self.size, self.size, SLICES])?);
        self.ask(Ask::Case { case: 1, volume: image.clone() })?;
        let device = self.state()?;
        self.wait("the predictions", |told| matches!(told, Tell::Ranked { .. }).then_some(()))?;
        self.clicks(sampler, &format!("first click on a slice,{network}"), &device, true)?;
        self.clicks(sampler, &format!("further click,{network}"), &device, false)?;
        if sampler.quick {
            return Ok(());
        }
        let labels = LabelMap::empty(*image.geometry());
        for slice in 0..4 {
            self.ask(Ask::Done {
                case: 1,
                slice,
                labels: labels.clone(),
                classes: Box::new(std::array::from_fn(|n| n as u8)),
                origin: SampleOrigin::Simulated,
                effort: Effort::default(),
            })?;
        }
        self.ask(Ask::Tune)?;
        // The first steps compile and warm up.
        self.wait("fine-tuning", |told| matches!(told, Tell::Step { number, .. } if *number > 2).then_some(()))?;
        self.clicks(sampler, &format!("first click while it trains,{network}"), &device, true)
    }

    /// Clicks inside and outside by turns: `anew` on another slice each time, else on one slice.
    fn clicks(&self, sampler: &mut Sampler, case: &str, device: &str, anew: bool) -> Result<(), CliError> {
        sampler.begin("prompt", case)?;
        let budget = Duration::from_secs(if sampler.quick { 1 } else { 10 });
        let begun = Instant::now();
        let mut times = Vec::new();
        let mut points = Vec::new();
        // The first one warms up.
        for n in 0..=200 {
            if sampler.cancel().is_cancelled() || (times.len() > 3 && begun.elapsed() > budget) {
                break;
            }
            let slice = if anew { n % SLICES } else { SLICES / 2 };
            if anew || n % 8 == 0 {
                points.clear();
            }
            let at = |by: usize| (self.size * (3 + (n * by) % 5) / 10) as f64;
            points.push(PromptPoint { x: at(3), y: at(2), inside: n % 2 == 0 });
            let click = Instant::now();
            self.ask(Ask::Prompt { case: 1, slice, class: 1, points: points.clone() })?;
            self.wait("an answer", |told| matches!(told, Tell::Adapted { .. }).then_some(()))?;
            if n > 0 {
                times.push(click.elapsed().as_secs_f64());
            }
        }
        sampler.add("prompt", case, times, None);
        sampler.note(device.to_owned());
        Ok(())
    }

    /// Where the loop computes, in its own words.
    fn state(&self) -> Result<String, CliError> {
        self.wait("the loop", |told| match told {
            Tell::State(state) => Some(state.device.clone()),
            _ => None,
        })
    }

    fn ask(&self, ask: Ask) -> Result<(), CliError> {
        self.asks.send(ask).map_err(|_| ended())
    }

    fn wait<T>(&self, what: &str, found: impl Fn(&Tell) -> Option<T>) -> Result<T, CliError> {
        let begun = Instant::now();
        loop {
            match self.told.recv_timeout(Duration::from_millis(100)) {
                Ok(Tell::Warning(text)) => return Err(CliError(text)),
                Ok(told) => {
                    if let Some(value) = found(&told) {
                        return Ok(value);
                    }
                }
                Err(error) if error.is_timeout() => {
                    if self.cancel.is_cancelled() {
                        return Err(CliError("Timing was cancelled.".into()));
                    }
                    if begun.elapsed() < PATIENCE {
                        continue;
                    }
                    return Err(CliError(format!("The learning loop did not come to {what} within five minutes.")));
                }
                Err(_) => return Err(ended()),
            }
        }
    }
}

fn ended() -> CliError {
    CliError("The learning loop ended too early.".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clicks_are_answered_and_the_figures_name_device_and_network() {
        let (ctx, _told) = attached(&CancelToken::default());
        let mut sampler = Sampler::new(true, &ctx);
        measure(&mut sampler, DeviceChoice::Cpu).unwrap();
        let cases: Vec<&str> = sampler.figures.iter().map(|f| f.case.as_str()).collect();
        assert_eq!(cases.len(), 2, "{cases:?}");
        assert!(cases[0].starts_with("first click on a slice, U-Net base 8"), "{cases:?}");
        assert!(cases[1].starts_with("further click, U-Net base 8"), "{cases:?}");
        for figure in &sampler.figures {
            assert!(figure.n > 3 && figure.median_s > 0.0 && figure.p99_s >= figure.median_s, "{figure:?}");
            assert!(figure.note.as_ref().is_some_and(|note| note.contains("CPU")), "{figure:?}");
        }
    }
}
