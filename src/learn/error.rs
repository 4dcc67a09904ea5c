//! Why the learning loop could not go on.

use crate::train::TrainError;
use std::path::{Path, PathBuf};

/// One plain sentence each.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    #[error("the folder {} already holds a learning loop: open it, or choose another name", .0.display())]
    Exists(PathBuf),
    #[error("the folder {} holds no learning loop", .0.display())]
    Missing(PathBuf),
    #[error("{} could not be {verb}: {reason}", path.display())]
    Io { verb: &'static str, path: PathBuf, reason: String },
    #[error("{} is damaged ({reason}): restore it from a copy, or remove it", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("the weights {} do not say what they were trained for: start from a run of Maskwright", .0.display())]
    NoDescription(PathBuf),
    #[error("there is no version {0} in this loop")]
    NoVersion(usize),
    #[error("no slice has been corrected yet: mark one as done first")]
    NothingToLearn,
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Device(#[from] crate::nn::DeviceError),
    #[error(transparent)]
    Weights(#[from] crate::nn::WeightsError),
    #[error("the weights cannot be used: {0}")]
    Model(#[from] crate::nn::SegmentError),
    #[error("the learning loop was stopped")]
    Cancelled,
}

impl LearnError {
    /// Whether the device failed, and not the data or the disk.
    pub(super) fn is_of_device(&self) -> bool {
        matches!(self, Self::Device(_) | Self::Train(TrainError::Device(_)))
    }

    /// Whether smaller work may succeed on the same device.
    pub(super) fn is_lack_of_memory(&self) -> bool {
        matches!(self, Self::Device(e) | Self::Train(TrainError::Device(e)) if e.is_lack_of_memory())
    }

    /// Wraps an error of the file system.
    pub(super) fn io(verb: &'static str, path: &Path, error: &std::io::Error) -> Self {
        Self::Io { verb, path: path.into(), reason: crate::io::atomic::plain_reason(error) }
    }
}
