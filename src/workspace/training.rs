//! What the window knows of the training at hand, gathered from its events.

use crate::core::count_of;
use crate::train::{CaseResult, EpochRow, Plan, Sheet, TrainEvent, TrainSummary};

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
    /// Name of the recipe.
    pub recipe: String,
    pub state: TrainingState,
    /// What will be read and how long an epoch is, in words.
    pub plan: String,
    /// The same as numbers, once the data is read.
    pub facts: Option<Plan>,
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
    /// What the run warned of, in order.
    pub warnings: Vec<String>,
    /// Validation slices of an epoch, truth above prediction.
    pub pictures: Option<(usize, Sheet)>,
    /// Of the test part, at the end.
    pub test: Vec<CaseResult>,
}

impl TrainingView {
    pub(super) fn new(run: &str, recipe: &str, epochs: usize) -> Self {
        Self {
            run: run.into(),
            recipe: recipe.into(),
            state: TrainingState::Running,
            plan: "Reading the data".into(),
            facts: None,
            epoch: 0,
            epochs,
            step: 0,
            steps_per_epoch: 0,
            step_loss: Vec::new(),
            curve: Vec::new(),
            best: None,
            seconds_per_step: 0.0,
            result: String::new(),
            warnings: Vec::new(),
            pictures: None,
            test: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, event: TrainEvent) {
        match event {
            TrainEvent::Planned(plan) => {
                self.steps_per_epoch = plan.steps_per_epoch;
                self.epochs = plan.epochs;
                self.epoch = plan.first_epoch;
                self.plan = format!(
                    "{} slices train, {} validate, {} test, of {}; {:.1} % foreground; {}",
                    plan.train_slices,
                    plan.validation_slices,
                    plan.test_slices,
                    count_of(plan.cases, "case"),
                    plan.foreground_share * 100.0,
                    plan.device
                );
                self.facts = Some(plan);
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
            TrainEvent::Pictures { epoch, sheet } => self.pictures = Some((epoch, sheet)),
            TrainEvent::Warning(text) => self.warnings.push(text),
            TrainEvent::Paused => self.state = TrainingState::Paused,
            TrainEvent::Resumed => self.state = TrainingState::Running,
            TrainEvent::Checkpoint { .. } => {}
        }
    }

    /// The run is over; `None` when it failed or was stopped.
    pub(super) fn end(&mut self, summary: Option<TrainSummary>) {
        self.state = TrainingState::Ended;
        if let Some(summary) = summary {
            self.result = in_words(&summary);
            self.test = summary.test;
        }
    }

    /// How much of the run is done, 0 to 1.
    pub fn fraction(&self) -> f32 {
        let total = (self.epochs * self.steps_per_epoch).max(1);
        let done = self.epoch.saturating_sub(1) * self.steps_per_epoch + self.step;
        (done as f32 / total as f32).min(1.0)
    }

    /// Seconds until the last epoch, from the pace of the epochs so far, validation included; of the steps while the
    /// first epoch goes on.
    pub fn seconds_left(&self) -> f64 {
        let done = self.epoch.saturating_sub(1) * self.steps_per_epoch + self.step;
        let left = (self.epochs * self.steps_per_epoch).saturating_sub(done) as f64;
        let latest = &self.curve[self.curve.len().saturating_sub(5)..];
        let per_step = match latest.len() {
            0 => self.seconds_per_step,
            n => latest.iter().map(|row| row.seconds).sum::<f64>() / (n * self.steps_per_epoch.max(1)) as f64,
        };
        left * per_step
    }
}

/// How a training ended, in one sentence.
fn in_words(summary: &TrainSummary) -> String {
    let mut text = format!("{} epochs in {:.0} s.", summary.epochs, summary.seconds);
    if summary.stopped_early {
        text.push_str(" Stopped early: validation did not get better any more.");
    }
    if let Some(dice) = summary.best_val_dice {
        text.push_str(&format!(" Best validation Dice {dice:.4} in epoch {}.", summary.best_epoch));
    }
    if let Some(dice) = summary.mean_test_dice {
        text.push_str(&format!(" Mean test Dice {dice:.4}."));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_the_epochs_with_their_validation() {
        let mut view = TrainingView::new("r", "demo", 10);
        let step = |epoch, step| TrainEvent::Step { epoch, step, steps_per_epoch: 4, loss: 1.0, seconds: 1.0 };
        view.take(step(1, 2));
        assert_eq!(view.seconds_left(), 38.0);
        view.take(step(1, 4));
        view.take(TrainEvent::Epoch(EpochRow { epoch: 1, seconds: 8.0, ..EpochRow::default() }));
        assert_eq!((view.seconds_left(), view.fraction()), (72.0, 0.1));
    }
}
