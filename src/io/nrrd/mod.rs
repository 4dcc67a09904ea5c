//! NRRD 1 to 5, attached or with a detached header: volumes and masks, with 3D Slicer's segment names and layers.
//!
//! Owns the format's bytes; the rest of the program sees [`crate::core`] values. Format: the "Definition of NRRD File
//! Format" of Teem; segment keys: 3D Slicer's "Segmentation storage" (`.seg.nrrd`).

mod data;
mod files;
mod header;
mod read;
mod segments;
mod stream;
mod write;

pub use read::{load_nrrd_labels, load_nrrd_volume, open_nrrd};
pub use write::{save_nrrd_labels, save_nrrd_layers, save_nrrd_volume};

use crate::core::GeometryError;
use crate::io::volume_file;

/// Why a NRRD file could not be read or written.
pub type NrrdError = volume_file::VolumeFileError<HeaderFault>;

/// What is wrong with a header.
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
        "it has {0} axes, and 2 or 3 are read, or 4 of a 3D Slicer segmentation; export one volume as a file of its own"
    )]
    Axes(usize),
    #[error("a size in its header is zero or too large")]
    Sizes,
    #[error("its orientation is not usable, because {0}")]
    Orientation(GeometryError),
    #[error("its header points to data outside its own folder; put the data files beside the header")]
    Outside,
    #[error("its header spreads the data over {0} files, which does not go into its sizes")]
    Parts(usize),
}

impl volume_file::HeaderFault for HeaderFault {
    const FORMAT: &'static str = "NRRD";
}

#[cfg(test)]
mod tests;
