//! Bytes to core values and back: DICOM, NIfTI, NRRD, picture stacks, dataset layouts, projects, the crash journal.
//!
//! Floor 1: uses `core` and `jobs`. Everything that is read is checked before memory is set aside for it; everything
//! that is written is complete or absent. Names and identifiers of patients never leave the values that are meant for
//! the window alone.

pub mod animation;
pub mod archive;
pub mod atomic;
pub mod bounds;
mod bricks;
pub mod dicom;
mod error;
pub mod export;
mod flip_check;
mod fold;
mod image_stack;
pub mod journal;
mod labels;
pub mod layouts;
mod mask;
pub mod mesh;
mod natural;
mod nifti;
mod nrrd;
mod numbers;
mod on_slices;
mod open;
mod orient;
mod project;
#[cfg(test)]
mod real_data;
mod sample_write;
mod samples;
mod saved;
mod scan;
mod types;
mod values;
mod volume_file;

pub use atomic::can_write_into;
pub use error::IoError;
pub use flip_check::{FlipProposal, better_flip, propose_flip};
pub use image_stack::{
    ImageStackError, MatchedBy, Pictures, is_picture, load_image_stack, pictures_in, save_image_stack,
};
pub use labels::{
    FileKind, ImageTarget, save_image, save_layers_as, save_loaded_mask, save_mask, save_mask_as, save_mask_layers,
    save_volume,
};
pub use mask::{LoadedMask, MaskLayer};
pub use natural::{last_number, natural_cmp, natural_path_cmp};
pub use nifti::{NiftiError, load_nifti_labels, load_nifti_volume, save_nifti_labels, save_nifti_volume};
pub use nrrd::{NrrdError, load_nrrd_labels, load_nrrd_volume, save_nrrd_labels, save_nrrd_volume};
pub use open::{
    MaskRequest, find_mask, load_mask, load_volume, load_volume_with_findings, open_mask, open_volume, open_volume_as,
    resample_all,
};
pub use orient::Placement;
pub use project::{
    PROJECT_ENDING, ProjectData, ProjectError, ProjectGlance, ViewState, glance_at_project, is_project, load_project,
    projects_in, save_project,
};
pub use samples::SampleError;
pub use saved::{Fingerprint, LayerMeta};
pub use scan::{dicom_files, scan};
pub use types::*;
pub use values::load_values;
pub use volume_file::{FileSegment, LabelFile};
