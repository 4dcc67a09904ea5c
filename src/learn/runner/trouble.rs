//! What the runner does when the device fails, and what it says of it.

use super::super::place::Place;
use super::super::{LearnError, RoundStep};
use super::{BATCH, PATIENCE, Runner, Tell};
use crate::nn::{DeviceChoice, compute_device};
use std::time::Duration;

impl Runner<'_> {
    /// Passes a step of a round on.
    pub(super) fn tell_step(&self, step: RoundStep, took: Duration) {
        match step {
            RoundStep::Judging => {}
            RoundStep::Step { number, most, loss } => {
                self.ctx.send(Tell::Step { number, most, loss, seconds: took.as_secs_f64() });
            }
            RoundStep::Cut { pieces } => self.warn(&format!(
                "The device lacks memory: the round goes on with batches in {pieces} pieces, whose gradients are averaged; \
                 masks and versions are as they were."
            )),
        }
    }

    /// Asks for fewer slices at once where memory was lacking; the slices still wait.
    pub(super) fn prediction_failed(&mut self, error: &LearnError) {
        if !error.is_lack_of_memory() || self.at_once <= 1 {
            return self.device_failed(error);
        }
        self.at_once /= 2;
        self.warn(&format!(
            "The device lacks memory: {} of the slices are predicted at once from here on; masks and versions are as they \
             were.",
            self.at_once
        ));
    }

    /// Says what failed; a graphics device is not asked again.
    pub(super) fn device_failed(&mut self, error: &LearnError) {
        if self.place.is_cpu() {
            self.warn(&format!("{error}. Masks and versions are as they were; it is tried again."));
            std::thread::sleep(PATIENCE);
            return;
        }
        match compute_device(DeviceChoice::Cpu, None) {
            Ok(device) => {
                self.warn(&format!(
                    "{error}. The loop goes on with the processor; masks and versions are as they were."
                ));
                self.place = Place::cpu(device);
                self.segmenter = None;
                self.at_once = BATCH;
            }
            Err(other) => self.warn(&format!("{error}, and {other}.")),
        }
    }

    pub(super) fn warn(&self, text: &str) {
        let mut text = text.to_owned();
        if let Some(first) = text.get_mut(0..1) {
            first.make_ascii_uppercase();
        }
        self.ctx.send(Tell::Warning(text));
    }
}
