//! Why a DICOM file or series was refused, in sentences for people.

use crate::io::atomic::plain_reason;
use std::path::{Path, PathBuf};

/// What went wrong with which file. Texts hold paths as the caller gave them and never a patient's data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DicomError {
    /// The operating system would not give the bytes.
    #[error("{} cannot be read: {reason}", .file.display())]
    Read { file: PathBuf, reason: String },
    /// The bytes are no DICOM at all.
    #[error("{} is not a DICOM file", .file.display())]
    NotDicom { file: PathBuf },
    /// A guard stopped before a decoder saw the file.
    #[error("{} was refused: {reason}", .file.display())]
    Refused { file: PathBuf, reason: String },
    /// The pixels are stored in a way that is not built in, or are damaged.
    #[error("the image in {} cannot be decoded: {reason}", .file.display())]
    Decode { file: PathBuf, reason: String },
    /// The file is sound but does not belong to this volume.
    #[error("{} does not fit the open volume: {reason}", .file.display())]
    Mismatch { file: PathBuf, reason: String },
    /// A series as a whole cannot become a volume.
    #[error("the series cannot be opened: {reason}")]
    Series { reason: String },
    /// The target could not be written; nothing half-written is left.
    #[error("{} cannot be written: {reason}", .file.display())]
    Write { file: PathBuf, reason: String },
    /// The user stopped it.
    #[error("reading was stopped before the end")]
    Cancelled,
}

impl DicomError {
    pub(super) fn read(file: &Path, error: &std::io::Error) -> Self {
        Self::Read { file: file.into(), reason: plain_reason(error) }
    }

    pub(super) fn write(file: &Path, error: &std::io::Error) -> Self {
        Self::Write { file: file.into(), reason: plain_reason(error) }
    }

    pub(super) fn refused(file: &Path, reason: impl Into<String>) -> Self {
        Self::Refused { file: file.into(), reason: reason.into() }
    }

    pub(super) fn decode(file: &Path, reason: impl Into<String>) -> Self {
        Self::Decode { file: file.into(), reason: reason.into() }
    }

    pub(super) fn mismatch(file: &Path, reason: impl Into<String>) -> Self {
        Self::Mismatch { file: file.into(), reason: reason.into() }
    }
}
