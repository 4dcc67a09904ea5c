//! Prompts: from a click inside or outside of a structure to the network's adapted answer for that slice.
//!
//! The loop's own runner is asked, as the window asks it: the time is from sending the click to having the answer. The
//! first click on a slice needs a pass of the network, further ones only what is kept of it; and both come in between the
//! steps of a round. What follows, writing the answer into the mask, is a step of the history like any stroke.

use super::data::volume;
use super::desk::{Desk, with_loop};
use super::learning::Job;
use super::sampling::Sampler;
use crate::cli::CliError;
use crate::core::LabelMap;
use crate::learn::{Ask, LoopConfig, LoopStart, PromptPoint, Tell};
use crate::nn::DeviceChoice;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Slices of the case that is prompted.
const SLICES: usize = 40;

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
    with_loop(sampler, job.device, start, |desk, sampler| Clicker { desk, size: job.size }.go(sampler, &network))
}

/// Whoever clicks.
struct Clicker<'a> {
    desk: &'a Desk<'a>,
    size: usize,
}

impl Clicker<'_> {
    fn go(&self, sampler: &mut Sampler, network: &str) -> Result<(), CliError> {
        let image = Arc::new(volume([self.size, self.size, SLICES])?);
        self.desk.ask(Ask::Case { case: 1, volume: image.clone() })?;
        let device = self.desk.device()?;
        self.desk.wait("the predictions", |told| matches!(told, Tell::Ranked { .. }).then_some(()))?;
        self.clicks(sampler, &format!("first click on a slice,{network}"), &device, true)?;
        self.clicks(sampler, &format!("further click,{network}"), &device, false)?;
        if sampler.quick {
            return Ok(());
        }
        let labels = LabelMap::empty(*image.geometry());
        for slice in 0..4 {
            self.desk.done(slice, &labels)?;
        }
        self.desk.ask(Ask::Tune)?;
        // The first steps compile and warm up.
        self.desk.wait("fine-tuning", |told| matches!(told, Tell::Step { number, .. } if number > 2).then_some(()))?;
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
            self.desk.ask(Ask::Prompt { case: 1, slice, class: 1, points: points.clone() })?;
            self.desk.wait("an answer", |told| matches!(told, Tell::Adapted { .. }).then_some(()))?;
            if n > 0 {
                times.push(click.elapsed().as_secs_f64());
            }
        }
        sampler.add("prompt", case, times, None);
        sampler.note(device.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::sampling::attached;
    use super::*;
    use crate::jobs::CancelToken;

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
