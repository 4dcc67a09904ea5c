//! Bytes to core values and back: DICOM, NIfTI, NRRD, picture stacks, dataset layouts, projects, the crash journal.
//!
//! Floor 1: uses `core` and `jobs`. Everything that is read is checked before memory is set aside for it; everything
//! that is written is complete or absent. Names and identifiers of patients never leave the values that are meant for
//! the window alone.

pub mod archive;
pub mod atomic;
mod bricks;
pub mod dicom;
mod error;
mod fold;
mod image_stack;
pub mod journal;
mod labels;
pub mod layouts;
mod natural;
mod nifti;
mod nrrd;
mod open;
mod orient;
mod project;
#[cfg(test)]
mod real_data;
mod samples;
mod saved;
mod scan;
mod types;

pub use error::IoError;
pub use image_stack::{ImageStackError, is_picture, load_image_stack, pictures_in, save_image_stack};
pub use labels::{FileKind, save_mask, save_mask_as, save_volume};
pub use natural::{last_number, natural_cmp, natural_path_cmp};
pub use nifti::{NiftiError, load_nifti_labels, load_nifti_volume, save_nifti_labels, save_nifti_volume};
pub use nrrd::{FileSegment, NrrdError, load_nrrd_labels, load_nrrd_volume, save_nrrd_labels, save_nrrd_volume};
pub use open::{load_mask, load_volume, load_volume_with_findings, open_mask, open_volume};
pub use orient::Placement;
pub use project::{PROJECT_ENDING, ProjectData, ProjectError, ViewState, is_project, load_project, save_project};
pub use samples::SampleError;
pub use saved::{Fingerprint, LayerMeta};
pub use scan::scan;
pub use types::*;
