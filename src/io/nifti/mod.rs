//! NIfTI-1 and NIfTI-2, single file, plain or gzip: volumes and masks.
//!
//! Owns the format's bytes; the rest of the program sees [`Geometry`], [`Volume`] and labels. World coordinates in
//! the file are RAS, ours are LPS: x and y change sign. Format: nifti1.h and nifti2.h of the NIfTI working group.

mod header;
mod read;
mod write;

pub use read::{load_nifti_labels, load_nifti_volume, open_nifti};
pub use write::{save_nifti_labels, save_nifti_volume};

use crate::core::GeometryError;
use crate::io::atomic::plain_reason;
use crate::io::samples::SampleError;
use std::io;
use std::path::PathBuf;

/// Why a NIfTI file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NiftiError {
    /// The file could not be opened.
    #[error("{} cannot be read: {}", path.display(), plain_reason(source))]
    Read { path: PathBuf, source: io::Error },
    /// The header is not NIfTI or asks for something that is not read here.
    #[error("{} cannot be opened as NIfTI: {fault}", path.display())]
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
    #[error("it is too short to hold a header")]
    Short,
    #[error("it does not start like a NIfTI file")]
    NotNifti,
    #[error("it is the header half of a two-file pair; convert the pair to a single .nii file")]
    TwoFiles,
    #[error("its header gives {0} dimensions, and 1 to 7 are possible")]
    DimensionCount(i64),
    #[error("it holds {0} volumes (a series over time or channels); save one of them as a file of its own")]
    Series(i64),
    #[error("a size in its header is zero, negative or too large")]
    Sizes,
    #[error("its number type {0} is not a plain whole or floating-point number")]
    NumberType(i16),
    #[error("its header puts the image data at byte {0}, which is not a place in the file")]
    DataOffset(f64),
    #[error("its orientation is not usable, because {0}")]
    Orientation(GeometryError),
}

#[cfg(test)]
mod tests;
