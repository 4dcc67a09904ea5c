//! What a person may change of the loop.

use serde::{Deserialize, Serialize};

/// Settings of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoopConfig {
    /// Fine-tuning starts by itself after so many newly corrected slices.
    pub slices_per_round: usize,
    /// Steps of the optimizer in a round, at most.
    pub steps: usize,
    /// The candidate is judged after so many steps; a round ends early when three judgements in a row found nothing
    /// better.
    pub judge_every: usize,
    /// Share of each batch that is corrected slices; the rest is earlier data, so that nothing is forgotten.
    pub corrected_share: f64,
    /// How many times as often a slice of the last rounds is drawn as an older corrected one.
    pub newest_weight: f64,
    /// Of so many corrected slices one is set aside to judge candidates; it never trains.
    pub hold_out_every: usize,
    /// The learning rate, as a multiple of the recipe's.
    pub learning_rate: f64,
    /// How far Dice on earlier data may fall while a candidate is better on the corrected slices.
    pub forgetting: f64,
    pub seed: u64,
}

impl Default for LoopConfig {
    fn default() -> Self {
        Self {
            slices_per_round: 5,
            steps: 60,
            judge_every: 15,
            corrected_share: 0.7,
            newest_weight: 3.0,
            hold_out_every: 4,
            learning_rate: 0.7,
            forgetting: 0.02,
            seed: 1,
        }
    }
}
