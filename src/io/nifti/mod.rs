//! NIfTI-1 and NIfTI-2, one file or a `.hdr`/`.img` pair, plain or gzip: volumes and masks.
//!
//! Owns the format's bytes; the rest of the program sees [`crate::core`] values. World coordinates in the file are RAS,
//! ours are LPS: x and y change sign. Format: nifti1.h and nifti2.h of the NIfTI working group.

mod header;
mod pair;
mod read;
mod write;

pub use pair::{is_pair_data, is_pair_header};
pub use read::{load_nifti_labels, load_nifti_volume, open_nifti};
pub use write::{save_nifti_labels, save_nifti_volume};

use crate::core::GeometryError;
use crate::io::volume_file;

/// Why a NIfTI file could not be read or written.
pub type NiftiError = volume_file::VolumeFileError<HeaderFault>;

/// What is wrong with a header.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum HeaderFault {
    #[error("it is too short to hold a header")]
    Short,
    #[error("it does not start like a NIfTI file")]
    NotNifti,
    #[error("it is an Analyze 7.5 header, which does not say how the patient lies; save the image as NIfTI")]
    Analyze,
    #[error("it is the header of a two-file pair, and no .img file of the same name lies beside it")]
    NoImage,
    #[error("it is the image half of a two-file pair, and no .hdr file of the same name lies beside it")]
    NoHeader,
    #[error("its header gives {0} dimensions, and 1 to 7 are possible")]
    DimensionCount(i64),
    #[error("it holds {0} volumes (a series over time or channels); save one of them as a file of its own")]
    Series(i64),
    #[error("a size in its header is zero, negative or too large")]
    Sizes,
    #[error("it holds colours (RGB), and one number a voxel is read")]
    Colours,
    #[error("it holds complex numbers, and one number a voxel is read; save the magnitude")]
    Complex,
    #[error("its number type {0} is not a plain whole or floating-point number")]
    NumberType(i16),
    #[error("its header puts the image data at byte {0}, which is not a place in the file")]
    DataOffset(f64),
    #[error("its orientation is not usable, because {0}")]
    Orientation(GeometryError),
    #[error("its orientation is not usable, because two of its axes are {0:.0} degrees off a right angle")]
    Sheared(f64),
}

impl volume_file::HeaderFault for HeaderFault {
    const FORMAT: &'static str = "NIfTI";
}

#[cfg(test)]
mod tests;
