//! Learning rates over time: a pure function of how far a run is, and the one rule that watches the validation.

use serde::{Deserialize, Serialize};

/// How the learning rate changes. Time is counted in epochs and moves with every step of the optimizer; with one step
/// an epoch these are PyTorch's schedules of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ScheduleConfig {
    #[default]
    Constant,
    /// Times `factor` after every `every` epochs.
    Step { every: usize, factor: f64 },
    /// Rises linearly over `warm_up` epochs, then half a cosine down to `lowest` times the rate (Loshchilov and
    /// Hutter, 2017).
    Cosine {
        #[serde(default)]
        warm_up: f64,
        #[serde(default)]
        lowest: f64,
    },
    /// `(1 - t)^power` with `t` from 0 to 1 over the run (DeepLab).
    Polynomial { power: f64 },
    /// Times `factor` after `patience` epochs in a row without a better validation score; never below `lowest` times
    /// the rate.
    Plateau {
        factor: f64,
        patience: usize,
        #[serde(default)]
        lowest: f64,
    },
}

impl ScheduleConfig {
    /// What is out of range, as a sentence that names the field.
    pub fn problem(&self, epochs: usize) -> Option<String> {
        let share = |v: f64| (0.0..=1.0).contains(&v);
        match *self {
            Self::Constant => None,
            Self::Step { every, factor } => (every == 0 || !(factor > 0.0 && share(factor)))
                .then(|| "schedule.Step: every is at least 1, factor above 0 and at most 1".into()),
            Self::Cosine { warm_up, lowest } => (!(share(lowest) && warm_up >= 0.0 && warm_up < epochs as f64))
                .then(|| format!("schedule.Cosine: lowest lies in 0 to 1, warm_up in 0 to less than {epochs} epochs")),
            Self::Polynomial { power } => {
                (!(power.is_finite() && power > 0.0)).then(|| "schedule.Polynomial: power must be above 0".into())
            }
            Self::Plateau { factor, patience, lowest } => (patience == 0
                || !(factor > 0.0 && factor < 1.0)
                || !share(lowest))
            .then(|| "schedule.Plateau: patience is at least 1, factor between 0 and 1, lowest in 0 to 1".into()),
        }
    }

    /// What the learning rate is multiplied with when `done` of `epochs` epochs (a fraction within one) are over.
    /// For [`Self::Plateau`] that is 1: see [`Plateau`].
    pub fn factor(&self, done: f64, epochs: usize) -> f64 {
        let end = epochs as f64;
        match *self {
            Self::Constant | Self::Plateau { .. } => 1.0,
            // A little is added because sums of fractions of an epoch end just below it.
            Self::Step { every, factor } => factor.powf(((done + 1e-9) / every as f64).floor()),
            Self::Cosine { warm_up, .. } if done < warm_up => done / warm_up,
            Self::Cosine { warm_up, lowest } => {
                let t = ((done - warm_up) / (end - warm_up)).clamp(0.0, 1.0);
                lowest + (1.0 - lowest) * 0.5 * (1.0 + (std::f64::consts::PI * t).cos())
            }
            Self::Polynomial { power } => (1.0 - (done / end).clamp(0.0, 1.0)).powf(power),
        }
    }
}

/// Where [`ScheduleConfig::Plateau`] stands; kept in checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    pub factor: f64,
    best: Option<f64>,
    waited: usize,
}

impl Default for Plateau {
    fn default() -> Self {
        Self { factor: 1.0, best: None, waited: 0 }
    }
}

impl Plateau {
    /// Takes the score of an epoch (higher is better) and lowers the factor when the rule says so; other schedules
    /// leave it at 1.
    pub fn watch(&mut self, config: &ScheduleConfig, score: f64) {
        let ScheduleConfig::Plateau { factor, patience, lowest } = *config else { return };
        if self.best.is_none_or(|b| score > b) {
            (self.best, self.waited) = (Some(score), 0);
            return;
        }
        self.waited += 1;
        // As in PyTorch: `patience` epochs may pass in vain, the next one acts.
        if self.waited > patience {
            self.factor = (self.factor * factor).max(lowest);
            self.waited = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_rises_and_a_plateau_waits() {
        let cosine = ScheduleConfig::Cosine { warm_up: 2.0, lowest: 0.1 };
        assert_eq!(cosine.factor(1.0, 10), 0.5);
        assert_eq!(cosine.factor(2.0, 10), 1.0);
        assert!((cosine.factor(6.0, 10) - 0.55).abs() < 1e-12 && (cosine.factor(10.0, 10) - 0.1).abs() < 1e-12);
        let config = ScheduleConfig::Plateau { factor: 0.5, patience: 2, lowest: 0.2 };
        let mut plateau = Plateau::default();
        let factors: Vec<f64> = [0.5, 0.6, 0.6, 0.5, 0.6, 0.6, 0.6, 0.6, 0.0, 0.0, 0.0]
            .iter()
            .map(|score| {
                plateau.watch(&config, *score);
                plateau.factor
            })
            .collect();
        assert_eq!(factors, [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2]);
        for (config, word) in [
            (ScheduleConfig::Step { every: 0, factor: 0.5 }, "every"),
            (ScheduleConfig::Cosine { warm_up: 10.0, lowest: 0.0 }, "warm_up"),
            (ScheduleConfig::Polynomial { power: 0.0 }, "power"),
            (ScheduleConfig::Plateau { factor: 1.0, patience: 1, lowest: 0.0 }, "factor"),
        ] {
            assert!(config.problem(10).unwrap().contains(word));
        }
    }
}
