//! Why a run did not start or did not end well.

use crate::nn::{DeviceError, WeightsError};
use std::path::{Path, PathBuf};

/// One plain sentence each.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error("the recipe {} has a mistake in line {line}, column {column}: {reason}", file.display())]
    RecipeSyntax { file: PathBuf, line: usize, column: usize, reason: String },
    #[error("the recipe cannot be used: {0}")]
    Recipe(String),
    #[error("there is no recipe and no file {asked}; recipes are {known}")]
    UnknownRecipe { asked: String, known: String },
    #[error("--set {assignment} was not understood: {reason}")]
    Override { assignment: String, reason: String },
    #[error("{} could not be {verb}: {reason}", path.display())]
    Io { verb: &'static str, path: PathBuf, reason: String },
    #[error("the data could not be read: {0}")]
    Data(String),
    #[error("{0} holds no case with a mask to learn from")]
    NoCases(String),
    #[error("no training slice has any of the classes {0}: check data.classes against the names of the masks")]
    NothingToLearn(String),
    #[error("the split leaves no slice to train on: add patients or choose another split")]
    EmptySplit,
    #[error("the folder {} already holds a run: choose another folder, or resume it", .0.display())]
    RunExists(PathBuf),
    #[error("the folder {} holds no run to resume: its last checkpoint is missing", .0.display())]
    NothingToResume(PathBuf),
    #[error("the checkpoint {} is damaged ({reason}): resume from another copy, or start the run anew", path.display())]
    Checkpoint { path: PathBuf, reason: String },
    #[error("the weights {} do not fit the network: {reason}", path.display())]
    Weights { path: PathBuf, reason: String },
    #[error(transparent)]
    WeightFile(#[from] WeightsError),
    #[error(
        "the loss became {value} in epoch {epoch}, step {step}: the run was stopped and its last good checkpoint kept; try a lower learning rate"
    )]
    Diverged { value: String, epoch: usize, step: usize },
    #[error(
        "a weight or a gradient became infinite or no number in epoch {epoch}: the run was stopped and its last good checkpoint kept; try a lower learning rate, or clip"
    )]
    Spoilt { epoch: usize },
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("{error}: {advice}")]
    LackOfMemory { error: DeviceError, advice: &'static str },
    #[error("the run was stopped")]
    Cancelled,
}

impl TrainError {
    /// Wraps an error of the file system.
    pub(super) fn io(verb: &'static str, path: &Path, error: &std::io::Error) -> Self {
        Self::Io { verb, path: path.into(), reason: crate::io::atomic::plain_reason(error) }
    }
}
