//! From a stack of files to a volume in Hounsfield units, slice by slice as they are ready.

use super::error::DicomError;
use super::frames::FrameFile;
use crate::core::Volume;
use crate::io::bounds::is_plausible;
use crate::io::{DicomStack, LoadEvent, SliceFile};
use crate::jobs::JobContext;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Most voxels of one volume (4 GiB of samples).
const MAX_VOXELS: usize = 1 << 31;

type Shared<'a> = HashMap<&'a Path, OnceLock<Result<Arc<FrameFile>, DicomError>>>;

/// Decodes the stack, slices in parallel. Sends [`LoadEvent::Begin`], then each slice as it is ready: the middle one
/// first, because that is what a viewer opens on.
///
/// Values are the modality LUT's, rounded to whole HU and saturated to `i16`. Memory: the volume, and one file's
/// frame for each worker; slices still queued as events are copies.
///
/// # Errors
/// The first file's [`DicomError`] that could not be read or decoded, or [`DicomError::Cancelled`].
pub fn load_stack(stack: &DicomStack, ctx: &JobContext<LoadEvent>) -> Result<Volume, DicomError> {
    let geometry = stack.geometry;
    let [nx, ny, nz] = geometry.dims();
    if stack.slices.len() != nz || geometry.voxel_count() > MAX_VOXELS {
        return Err(DicomError::Series { reason: format!("its grid of {nx} x {ny} x {nz} voxels cannot be held") });
    }
    check_sizes(stack)?;
    let mut hu = Vec::new();
    hu.try_reserve_exact(geometry.voxel_count())
        .map_err(|_| DicomError::Series { reason: format!("its {nx} x {ny} x {nz} voxels do not fit into memory") })?;
    hu.resize(geometry.voxel_count(), 0i16);
    ctx.progress.say("Reading slices");
    ctx.progress.set(0, nz as u64);
    ctx.send(LoadEvent::Begin { geometry, window: stack.window });

    let shared = shared_files(&stack.slices);
    let load = |k: usize, slice: &SliceFile, out: &mut [i16]| -> Result<(), DicomError> {
        if ctx.is_cancelled() {
            return Err(DicomError::Cancelled);
        }
        match shared.get(slice.path.as_path()) {
            Some(cell) => {
                cell.get_or_init(|| FrameFile::open(&slice.path).map(Arc::new)).clone()?.read_hu(slice.frame, out)?
            }
            None => FrameFile::open(&slice.path)?.read_hu(slice.frame, out)?,
        }
        ctx.progress.step();
        ctx.send(LoadEvent::Slice { k, hu: Arc::from(&*out) });
        Ok(())
    };
    let mut parts: Vec<_> = hu.chunks_exact_mut(nx * ny).zip(&stack.slices).enumerate().collect();
    // Nearest to the middle first; workers take small runs, so this is also the order of arrival.
    parts.sort_by_key(|(k, _)| k.abs_diff(nz / 2));
    let mut parts = parts.into_iter();
    if let Some((k, (out, slice))) = parts.next() {
        load(k, slice, out)?;
    }
    parts.par_bridge().try_for_each(|(k, (out, slice))| load(k, slice, out))?;
    Volume::new(geometry, hu)
        .map(|volume| volume.with_window(stack.window))
        .map_err(|e| DicomError::Series { reason: e.to_string() })
}

/// Compares the volume with the files it comes from, before memory is set aside for it.
fn check_sizes(stack: &DicomStack) -> Result<(), DicomError> {
    let unpacked = stack.geometry.voxel_count() as u64 * size_of::<i16>() as u64;
    let files: HashSet<&Path> = stack.slices.iter().map(|s| s.path.as_path()).collect();
    let stored: u64 = files.iter().filter_map(|f| std::fs::metadata(f).ok()).map(|m| m.len()).sum();
    if is_plausible(unpacked, stored) {
        return Ok(());
    }
    let reason = format!("its slices would take {unpacked} bytes, and all its files together have {stored}");
    Err(DicomError::Series { reason })
}

/// Files that hold several slices of the stack: their header is parsed once.
fn shared_files(slices: &[SliceFile]) -> Shared<'_> {
    let mut uses: HashMap<&Path, usize> = HashMap::new();
    for slice in slices {
        *uses.entry(&slice.path).or_default() += 1;
    }
    uses.into_iter().filter(|(_, n)| *n > 1).map(|(path, _)| (path, OnceLock::new())).collect()
}
