//! From a stack of files to a volume in Hounsfield units, or on the stack's own scale, slice by slice as they are ready.

use super::error::DicomError;
use super::frames::FrameFile;
use super::resample::fill_plane;
use super::source_grid::SourceSlices;
use crate::core::{VoiLut, Volume, count_of};
use crate::io::bounds::is_plausible;
use crate::io::{DicomStack, Finding, LoadEvent, Severity, SliceFile};
use crate::jobs::JobContext;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Most voxels of one volume (4 GiB of samples).
const MAX_VOXELS: usize = 1 << 31;

type Shared<'a> = HashMap<&'a Path, OnceLock<Result<Arc<FrameFile>, DicomError>>>;

/// Decodes the stack, slices in parallel. Sends [`LoadEvent::Begin`], then each slice as it is ready: the middle one
/// first, because that is what a viewer opens on.
///
/// Values are the modality LUT's, rounded to whole HU (or to samples of the stack's scale) and saturated to `i16`. Memory: the volume, and one file's
/// frame for each worker; slices still queued as events are copies. A resampled stack is decoded whole before its
/// first plane is sent, and both are in memory until the end.
///
/// # Errors
/// The first file's [`DicomError`] that could not be read or decoded, or [`DicomError::Cancelled`].
pub fn load_stack(stack: &DicomStack, ctx: &JobContext<LoadEvent>) -> Result<Volume, DicomError> {
    load_stack_with_findings(stack, ctx).map(|(volume, _)| volume)
}

/// [`load_stack`] with what was noticed in the samples.
///
/// # Errors
/// As [`load_stack`].
pub fn load_stack_with_findings(
    stack: &DicomStack,
    ctx: &JobContext<LoadEvent>,
) -> Result<(Volume, Vec<Finding>), DicomError> {
    let geometry = stack.geometry;
    let [nx, ny, nz] = geometry.dims();
    let unusable = || DicomError::Series { reason: format!("its grid of {nx} x {ny} x {nz} voxels cannot be held") };
    if geometry.voxel_count() > MAX_VOXELS {
        return Err(unusable());
    }
    let slices = SourceSlices::of(stack).ok_or_else(unusable)?;
    check_sizes(stack, slices.size())?;
    ctx.progress.say("Reading slices");
    ctx.send(LoadEvent::Begin { geometry, window: stack.window });
    let noticed = Noticed::default();
    let hu = if slices.is_resampled() {
        ctx.progress.set(0, (slices.count() + nz) as u64);
        let samples = decode(stack, slices.size(), ctx, &noticed, &|_, _| {})?;
        ctx.progress.say("Resampling");
        let mut hu = room(geometry.voxel_count())?;
        in_order_of_view(&mut hu, nx * ny, |k, out| {
            if ctx.is_cancelled() {
                return Err(DicomError::Cancelled);
            }
            fill_plane(&slices, &samples, k, out);
            ctx.progress.step();
            ctx.send(LoadEvent::Slice { k, hu: Arc::from(&*out) });
            Ok(())
        })?;
        hu
    } else {
        ctx.progress.set(0, nz as u64);
        decode(stack, [nx, ny], ctx, &noticed, &|k, hu| ctx.send(LoadEvent::Slice { k, hu: Arc::from(hu) }))?
    };
    let volume = Volume::new(geometry, hu).map_err(|e| DicomError::Series { reason: e.to_string() })?;
    let findings = noticed.findings();
    if stack.scale.is_some() {
        return Ok((volume.with_scale(stack.scale.clone()), findings));
    }
    Ok((volume.with_window(stack.window).with_lut(noticed.voi_lut.into_inner().flatten()), findings))
}

/// What the files of a stack said while they were read.
#[derive(Default)]
struct Noticed {
    /// Slices whose samples are signed where the header says unsigned.
    signed: AtomicUsize,
    /// The table of grey values of the slice that was opened first.
    voi_lut: OnceLock<Option<Arc<VoiLut>>>,
}

impl Noticed {
    fn findings(&self) -> Vec<Finding> {
        let signed = self.signed.load(Ordering::Relaxed);
        if signed == 0 {
            return Vec::new();
        }
        let text = format!(
            "The header calls the samples unsigned, yet in {} they can only be signed; they were read so.",
            count_of(signed, "slice")
        );
        vec![Finding { severity: Severity::Warning, code: "signed-values", text, file: None }]
    }
}

/// All samples of the stack's slices in HU, slice after slice; `ready` is told each slice as it is decoded.
fn decode(
    stack: &DicomStack,
    [columns, rows]: [usize; 2],
    ctx: &JobContext<LoadEvent>,
    noticed: &Noticed,
    ready: &(dyn Fn(usize, &[i16]) + Sync),
) -> Result<Vec<i16>, DicomError> {
    let mut hu = room(columns * rows * stack.slices.len())?;
    let shared = shared_files(&stack.slices);
    in_order_of_view(&mut hu, columns * rows, |k, out| {
        if ctx.is_cancelled() {
            return Err(DicomError::Cancelled);
        }
        let Some(slice) = stack.slices.get(k) else { return Ok(()) };
        let file = match shared.get(slice.path.as_path()) {
            Some(cell) => cell.get_or_init(|| FrameFile::open(&slice.path).map(Arc::new)).clone()?,
            None => Arc::new(FrameFile::open(&slice.path)?),
        };
        noticed.voi_lut.get_or_init(|| file.voi_lut.clone());
        let reading = file.read_samples(slice.frame, stack.scale.as_ref(), out)?;
        noticed.signed.fetch_add(usize::from(reading.signed_in_unsigned), Ordering::Relaxed);
        ctx.progress.step();
        ready(k, out);
        Ok(())
    })?;
    Ok(hu)
}

/// Zeros for so many samples.
fn room(voxels: usize) -> Result<Vec<i16>, DicomError> {
    // Only asked for here, where it can be refused. Fresh zeros then come from the system page by page as slices are
    // decoded into them, so that the first slice does not wait for all pages.
    let mut probe = Vec::<i16>::new();
    if voxels > MAX_VOXELS || std::hint::black_box(&mut probe).try_reserve_exact(voxels).is_err() {
        return Err(DicomError::Series { reason: format!("its {voxels} voxels do not fit into memory") });
    }
    drop(probe);
    Ok(vec![0; voxels])
}

/// Fills slices in parallel, the middle one first: a viewer opens on it.
fn in_order_of_view(
    hu: &mut [i16],
    slice: usize,
    fill: impl Fn(usize, &mut [i16]) -> Result<(), DicomError> + Sync,
) -> Result<(), DicomError> {
    let middle = hu.len() / slice.max(1) / 2;
    let mut parts: Vec<_> = hu.chunks_exact_mut(slice.max(1)).enumerate().collect();
    // Workers take small runs, so this is also the order of arrival.
    parts.sort_by_key(|(k, _)| k.abs_diff(middle));
    let mut parts = parts.into_iter();
    if let Some((k, out)) = parts.next() {
        fill(k, out)?;
    }
    parts.par_bridge().try_for_each(|(k, out)| fill(k, out))
}

/// Compares the decoded slices with the files they come from, before memory is set aside for them.
fn check_sizes(stack: &DicomStack, [columns, rows]: [usize; 2]) -> Result<(), DicomError> {
    let unpacked = (columns * rows * stack.slices.len()) as u64 * size_of::<i16>() as u64;
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
