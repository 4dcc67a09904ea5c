//! From a recipe and data to a run folder with weights: plan, batches, loop, checkpoints, test.
//!
//! Floor 2: uses `core`, `jobs`, `io`, `edit`, `metrics` and `nn`. The window's panel and the command line call [`train`] inside
//! a job and read its [`TrainEvent`]s. A run is a function of recipe, data and device: on the CPU a run that was
//! interrupted and resumed ends with the weights of one that was not.
//!
//! Run folder: `recipe.ron`, `split.json`, `data.json` (what was learned from), `environment.json`, `curves.csv` and
//! `curves.jsonl`, `tensorboard/`, `pictures/` (validation slices, truth above prediction), `checkpoints/best`,
//! `checkpoints/last`, `checkpoints/epoch-N` where the recipe asks for them, `init.json` (what became of given weights),
//! `result.json`.

mod announce;
mod augment;
mod batch;
mod checkpoint;
mod control;
mod curves;
mod data;
mod error;
mod evaluate;
mod folder;
mod locate;
mod overrides;
mod pictures;
mod preview;
mod recipe;
mod record;
mod run;
mod search;
mod split;
mod step;
mod store;
mod tensorboard;
mod tune;

#[cfg(test)]
mod tests;

pub use augment::{
    AugmentConfig, CropConfig, ElasticConfig, FillKind, Interpolation, PathologyConfig, PathologyShapes,
    PathologyTexture,
};
pub use control::TrainControl;
pub use curves::read_curves;
pub use data::{TrainCase, TrainData, truth_classes};
pub use error::TrainError;
pub use evaluate::{CaseResult, ClassDistances};
pub use overrides::apply_override;
pub use pictures::Sheet;
pub use preview::preview_augmentation;
pub use recipe::{ClassConfig, ClassSource, ClipConfig, DataConfig, EncoderConfig, Recipe, SplitConfig};
pub use record::DataFingerprint;
pub use run::{TrainRequest, train};
pub use search::{
    ParallelPlot, PlotAxis, PlotLine, SearchConfig, SearchEvent, SearchField, SearchMethod, SearchRequest,
    SearchSummary, SearchValues, TestResult, Trial, TrialResult, rank_color, read_search, search,
};
pub use store::Slice;
pub use tune::{Judgement, Tuner, class_of_labels, earlier_slices, load_case, slice_of};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Class of pixels that do not count (`data.ignore`); classes go up to 254.
const IGNORED: u8 = u8::MAX;

/// What a run tells while it goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainEvent {
    /// Once, before the first step: what will happen.
    Planned(Plan),
    /// A step is done. `epoch` and `step` count from 1; `seconds` is this step's time.
    Step {
        epoch: usize,
        step: usize,
        steps_per_epoch: usize,
        loss: f64,
        seconds: f64,
    },
    /// An epoch is done and validated.
    Epoch(EpochRow),
    /// A checkpoint was written.
    Checkpoint {
        epoch: usize,
        best: bool,
    },
    /// Validation slices of an epoch: truth in the upper row, prediction in the lower.
    Pictures {
        epoch: usize,
        sheet: Sheet,
    },
    /// One plain sentence.
    Warning(String),
    Paused,
    Resumed,
}

/// What a run will do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub device: String,
    pub cases: usize,
    pub train_slices: usize,
    pub validation_slices: usize,
    pub test_slices: usize,
    pub steps_per_epoch: usize,
    pub epochs: usize,
    /// Epochs already done, for a resumed run.
    pub first_epoch: usize,
    /// Trainable values of the network.
    pub parameters: usize,
    /// Share of pixels that are no background, and of slices without any.
    pub foreground_share: f64,
    pub empty_slice_share: f64,
    /// How much there is of each class, in all slices.
    pub classes: Vec<ClassShare>,
    /// Bytes of preprocessed slices in memory.
    pub cache_bytes: usize,
    /// Bytes of those that did not fit, in a file in the run folder that goes with the run.
    pub scratch_bytes: u64,
}

impl Plan {
    /// How much there is of each class, in one sentence.
    pub fn balance(&self) -> String {
        let of = |c: &ClassShare| {
            format!("{} {} of the pixels, in {:.0} % of the slices", c.name, percent(c.pixels), c.slices * 100.0)
        };
        let classes: Vec<String> = self.classes.iter().map(of).collect();
        format!("{}; {:.0} % of the slices are empty", classes.join("; "), self.empty_slice_share * 100.0)
    }
}

/// A share of pixels in words: rare classes need their digits.
fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.001 { "less than 0.1 %".into() } else { format!("{:.1} %", share * 100.0) }
}

/// How much there is of a class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassShare {
    pub name: String,
    /// Of all pixels, and of all slices that hold any of it.
    pub pixels: f64,
    pub slices: f64,
}

/// What an epoch reached for one class, over all pixels of all validation slices.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClassFigures {
    pub name: String,
    /// `None` where neither truth nor prediction has the class.
    pub dice: Option<f64>,
    /// Share of pixels rightly in or out of the class. Misleads where the class is rare.
    pub accuracy: f64,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
}

/// One line of the curves. Dice is of all validation slices taken together, averaged over classes; `None` where
/// nothing validates or neither truth nor prediction has a class.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochRow {
    /// From 1.
    pub epoch: usize,
    pub train_loss: f64,
    pub val_loss: Option<f64>,
    pub val_dice: Option<f64>,
    /// Share of pixels that are right, in or out of the class; high for whoever finds nothing where a class is rare.
    #[serde(default)]
    pub val_accuracy: Option<f64>,
    #[serde(default)]
    pub val_precision: Option<f64>,
    #[serde(default)]
    pub val_recall: Option<f64>,
    /// Learning rate at the epoch's end.
    #[serde(default)]
    pub lr: f64,
    pub seconds: f64,
    /// One a class; empty where nothing validates.
    #[serde(default)]
    pub classes: Vec<ClassFigures>,
    /// There was something to find in the validation slices, and nothing at all was predicted.
    #[serde(default)]
    pub collapsed: bool,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainSummary {
    #[serde(skip)]
    pub run: PathBuf,
    pub device: String,
    pub epochs: usize,
    pub stopped_early: bool,
    pub best_epoch: usize,
    pub best_val_dice: Option<f64>,
    pub seconds: f64,
    /// Of the test part, with the best checkpoint, on each case's own grid.
    pub test: Vec<CaseResult>,
    /// Mean over test cases of the mean over classes; undefined ones are left out and counted.
    pub mean_test_dice: Option<f64>,
    pub undefined_test_dice: usize,
}
