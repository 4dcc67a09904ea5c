//! What the readers of volume files (NIfTI, NRRD) share: which file is whose, their errors, and what they give as a mask.

use crate::core::{Code, Geometry};
use crate::io::atomic::plain_reason;
use crate::io::nifti;
use crate::io::numbers::Numbers;
use crate::io::samples::SampleError;
use crate::io::types::{Finding, Severity};
use std::fmt::{Debug, Display};
use std::io;
use std::path::{Path, PathBuf};

/// What can be wrong with the header of a format. Continues a sentence that names the file.
pub trait HeaderFault: Display + Debug {
    /// The format's name, as its users write it.
    const FORMAT: &'static str;
}

/// Why a volume file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum VolumeFileError<Fault: HeaderFault> {
    /// The file, or the data file that its header names, could not be opened.
    #[error("{} cannot be read: {}", path.display(), plain_reason(source))]
    Read { path: PathBuf, source: io::Error },
    /// The header is of another format or asks for something that is not read here.
    #[error("{} cannot be opened as {}: {fault}", path.display(), Fault::FORMAT)]
    Header { path: PathBuf, fault: Fault },
    /// The voxel data does not match the header.
    #[error("{} cannot be opened: {source}", path.display())]
    Data { path: PathBuf, source: SampleError },
    /// The file could not be written; nothing was left behind.
    #[error("{} was not saved: {}; choose another place or free some space", path.display(), plain_reason(source))]
    Write { path: PathBuf, source: io::Error },
}

impl<Fault: HeaderFault> VolumeFileError<Fault> {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    pub(super) fn header(path: &Path, fault: Fault) -> Self {
        Self::Header { path: path.to_owned(), fault }
    }

    pub(super) fn data(path: &Path, source: SampleError) -> Self {
        Self::Data { path: path.to_owned(), source }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_owned(), source }
    }

    /// Whether the caller's own request to stop is the cause.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Data { source: SampleError::Cancelled, .. })
    }
}

/// Formats of volume files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeKind {
    Nifti,
    Nrrd,
}

impl VolumeKind {
    /// How a file is read as a volume, by its name; the halves of a NIfTI pair by the header's first bytes too.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        let ends = |list: [&str; 2]| list.iter().any(|e| name.ends_with(e));
        if ends([".nii", ".nii.gz"]) || nifti::is_pair_header(path) || nifti::is_pair_data(path) {
            Some(Self::Nifti)
        } else if ends([".nrrd", ".nhdr"]) {
            Some(Self::Nrrd)
        } else {
            None
        }
    }
}

/// Code of the remark that a file does not say how the patient lies.
pub const NO_ORIENTATION: &str = "no-orientation";

/// Severity, code and text of something odd in a header.
pub type Remark = (Severity, &'static str, String);

/// Remarks as findings about their file.
pub fn findings(remarks: Vec<Remark>, path: &Path) -> Vec<Finding> {
    remarks.into_iter().map(|(severity, code, text)| Finding::new(severity, code, text).about(path)).collect()
}

/// What a file says about one of its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSegment {
    /// Layer of the file that it is on; 0 where there is one.
    pub layer: usize,
    /// Number of the label in the file.
    pub value: u32,
    pub name: String,
    /// sRGB.
    pub color: Option<[u8; 3]>,
    pub code: Option<Code>,
}

/// The numbers of a mask file on its own grid.
#[derive(Debug)]
pub struct LabelFile {
    pub geometry: Geometry,
    /// One number a voxel, i fastest, for each layer; one layer but in segmentations whose segments overlap.
    pub layers: Vec<Numbers>,
    /// Names, colours and codes, where the file has them.
    pub segments: Vec<FileSegment>,
    pub findings: Vec<Finding>,
}

impl LabelFile {
    /// Whether the file says how the patient lies.
    pub fn has_orientation(&self) -> bool {
        self.findings.iter().all(|f| f.code != NO_ORIENTATION)
    }
}
