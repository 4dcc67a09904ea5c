//! NRRD 1 to 5, attached or with a detached header: volumes and masks, with 3D Slicer's segment names.
//!
//! Owns the format's bytes; the rest of the program sees [`crate::core`] values. Format: the "Definition of NRRD File
//! Format" of Teem; segment keys: 3D Slicer's "Segmentation storage" (`.seg.nrrd`).

mod header;
mod read;
mod segments;
mod stream;
mod write;

pub use read::{load_nrrd_labels, load_nrrd_volume, open_nrrd};
pub use segments::FileSegment;
pub use write::{save_nrrd_labels, save_nrrd_volume};

use crate::core::GeometryError;
use crate::io::atomic::plain_reason;
use crate::io::samples::SampleError;
use std::io;
use std::path::PathBuf;

/// Why a NRRD file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NrrdError {
    /// The file, or the data file that its header names, could not be opened.
    #[error("{} cannot be read: {}", path.display(), plain_reason(source))]
    Read { path: PathBuf, source: io::Error },
    /// The header is not NRRD or asks for something that is not read here.
    #[error("{} cannot be opened as NRRD: {fault}", path.display())]
    Header { path: PathBuf, fault: HeaderFault },
    /// The voxel data does not match the header.
    #[error("{} cannot be opened: {source}", path.display())]
    Data { path: PathBuf, source: SampleError },
    /// The file could not be written; nothing was left behind.
    #[error("{} was not saved: {}; choose another place or free some space", path.display(), plain_reason(source))]
    Write { path: PathBuf, source: io::Error },
}

/// What is wrong with a header. Continues a sentence that names the file.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum HeaderFault {
    #[error("it does not start like a NRRD file")]
    NotNrrd,
    #[error("its header does not end, or is not text")]
    NoEnd,
    #[error("its header does not say its {0}")]
    Missing(&'static str),
    #[error("its header has a {0} that cannot be understood")]
    Field(&'static str),
    #[error("its number type is not a plain whole or floating-point number")]
    NumberType,
    #[error("its encoding is not raw, gzip, text or hex; save it again with gzip")]
    Encoding,
    #[error(
        "it has {0} axes, and 2 or 3 are read; export one volume or one non-overlapping label map as a file of its own"
    )]
    Axes(usize),
    #[error("a size in its header is zero or too large")]
    Sizes,
    #[error("its orientation is not usable, because {0}")]
    Orientation(GeometryError),
    #[error("its header points to data outside its own folder; put the data file beside the header")]
    Outside,
    #[error("its header spreads the data over several files; save it again as one file")]
    SeveralFiles,
}

#[cfg(test)]
mod tests;
