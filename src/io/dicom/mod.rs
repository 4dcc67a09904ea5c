//! DICOM in and out: scan, volumes, segmentations, structure sets, and the CT and mask series we write.
//!
//! Only `io` calls this. The way in: `guard` opens a file within bounds and `parse` walks its elements; `header`
//! takes what a scan needs, `group`, `placed`, `phases`, `spacing` and `stack` make series of it, `scan` lists them. `frames` finds the
//! pixels, `codec` and `lut` turn them into Hounsfield units, `series` into a volume; `overlay`
//! says which series that are no CT are read to be laid over one. Masks come from `seg`,
//! `rtstruct` and `mask_series`. The way out: `write` with `seg_write` and `ct_write`.
//!
//! Headers are parsed here and not by dicom-rs, which believes lengths before it has seen the bytes; its codecs
//! decode compressed frames after `codec` has compared their own size with the header, and do so in the process that
//! `worker` starts; its object writer writes.

mod attributes;
mod codec;
mod contours;
mod ct_write;
#[cfg(test)]
mod ct_write_tests;
mod dataset;
mod deid;
mod error;
mod format;
mod frames;
mod group;
mod guard;
#[cfg(test)]
mod guard_tests;
mod header;
mod index;
#[cfg(test)]
mod index_tests;
mod j2k_guard;
mod lab;
mod lattice;
mod lut;
#[cfg(test)]
mod mask_layers_tests;
mod mask_series;
#[cfg(test)]
mod mask_tests;
#[cfg(test)]
mod multiframe_tests;
mod notes;
#[cfg(test)]
mod notes_tests;
mod overlay;
#[cfg(test)]
mod overlay_tests;
mod padding;
mod parse;
mod phases;
#[cfg(test)]
mod phases_tests;
mod placed;
mod placement;
mod raster;
#[cfg(test)]
mod real_data;
mod regular;
mod resample;
#[cfg(test)]
mod resample_tests;
mod rtstruct;
#[cfg(test)]
mod rtstruct_tests;
mod rtstruct_write;
mod scan;
#[cfg(test)]
mod scan_tests;
mod seg;
mod seg_grid;
mod seg_plan;
#[cfg(test)]
mod seg_tests;
mod seg_write;
mod series;
mod source_grid;
#[cfg(test)]
mod source_mask_tests;
mod source_planes;
mod spacing;
mod stack;
#[cfg(test)]
mod test_files;
mod worker;
mod write;
#[cfg(test)]
mod write_tests;

pub use ct_write::{CtSeriesInfo, save_ct_series, write_ct_series, write_mask_series};
pub use deid::{DeidKey, DeidReport, deidentify_files};
pub use error::DicomError;
pub use guard::is_dicom;
pub use header::series_named_in;
pub use index::is_index;
pub use lattice::Lattice;
pub use mask_series::load_dicom_masks;
pub use rtstruct::load_rtstruct;
pub use rtstruct_write::save_rtstruct;
pub use scan::{DicomScan, scan_files};
pub use seg::load_seg;
pub use seg_grid::seg_grid;
pub use seg_write::save_seg;
pub use series::{load_stack, load_stack_with_findings};
pub use source_grid::{SourceFrames, SourceSlices};
pub use worker::{DECODE_WORKER, serve_decode_worker, use_decode_worker};
