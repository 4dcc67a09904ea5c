//! Masks that were drawn on the slices of a series, onto the regular grid that the series was resampled to.
//!
//! Read pixel for pixel onto the source slices first, then carried over: each voxel takes the label of the nearest
//! pixel of the nearest slice. Masks that lie on the regular grid itself are read as always.

use crate::core::Geometry;
use crate::io::IoError;
use crate::io::dicom::{self, SourceSlices};
use crate::io::image_stack::{Pictures, load_image_stack, pictures_in};
use crate::io::mask::LoadedMask;
use crate::io::types::{DicomStack, MaskKind, MaskSource};
use crate::jobs::JobContext;
use std::path::Path;

/// The slices of `series`, when it was resampled onto `grid`.
pub fn slices_behind(series: Option<&DicomStack>, grid: &Geometry) -> Option<SourceSlices> {
    let stack = series.filter(|s| s.resampling.is_some() && s.geometry.same_grid(grid, 0.01))?;
    SourceSlices::of(stack)
}

/// Reads a mask of the slices onto their grid; `None` for a mask that is better read onto the grid itself.
///
/// # Errors
/// The format's own.
pub fn load(
    source: &MaskSource,
    stack: &DicomStack,
    slices: &SourceSlices,
    ctx: &JobContext<()>,
) -> Result<Option<LoadedMask>, IoError> {
    let mask = match &source.kind {
        MaskKind::Seg(path) => dicom::load_seg(path, slices, ctx)?,
        MaskKind::RtStruct(path) => dicom::load_rtstruct(path, slices, ctx)?,
        MaskKind::DicomMasks(organs) => dicom::load_dicom_masks(organs, slices, Some(stack), ctx)?,
        MaskKind::ImageStack(pictures) => match on_all_slices(pictures, stack)? {
            Some(pictures) => load_image_stack(&pictures, &source.name, &slices.index_grid(), ctx)?,
            None => return Ok(None),
        },
        // Such a file has a grid of its own: that of the slices only where these are evenly spaced.
        MaskKind::Nifti(_) | MaskKind::Nrrd(_) => return Ok(None),
    };
    Ok(Some(lift(mask, slices)))
}

/// Carries every layer from the slices to the grid.
pub fn lift(mut mask: LoadedMask, slices: &SourceSlices) -> LoadedMask {
    mask.layers_mut().for_each(|(labels, _)| *labels = slices.labels_on_grid(labels));
    mask
}

/// The pictures of the whole series, where the scan had given a part of them to a part of it.
fn on_all_slices(pictures: &Pictures, stack: &DicomStack) -> Result<Option<Pictures>, IoError> {
    if pictures.slices.len() == stack.slices.len() {
        return Ok(Some(pictures.clone()));
    }
    let Some(folder) = pictures.files().next().and_then(|f| f.parent()).map(Path::to_owned) else { return Ok(None) };
    Ok(Pictures::on_slices(stack, &pictures_in(&folder)?))
}
