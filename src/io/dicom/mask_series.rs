//! Masks stored as one DICOM series an organ, as 3D-IRCADb-01 does: a file a slice, non-zero inside.

use super::error::DicomError;
use super::frames::FrameFile;
use super::header::FileHeader;
use super::lattice::Lattice;
use super::placement::PixelGrid;
use super::spacing::SAME_POSITION_MM;
use crate::core::{Segment, count_with};
use crate::io::mask::{OVERFULL, Painter};
use crate::io::{DicomStack, Finding, LoadedMask, Severity};
use crate::jobs::JobContext;
use rayon::prelude::*;
use std::cell::LazyCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// Code of the finding that slices were matched by their order.
const BY_ORDER: &str = "matched-by-order";

/// Reads one segment an organ, in the order given, labels from 1.
///
/// Slices are placed by their position where they have one; else by the name, then by the instance number, of the
/// slice of `stack` they belong to; else in order (with a finding), which needs as many files as the volume has
/// slices. Organs that overlap (a tumour in the liver) come onto layers of their own, with a note.
///
/// # Errors
/// As the guard; [`DicomError::Mismatch`] when size, count or place do not fit `reference`;
/// [`DicomError::Cancelled`].
pub fn load_dicom_masks<E: Send, L: Lattice + ?Sized>(
    organs: &[(String, Vec<PathBuf>)],
    reference: &L,
    stack: Option<&DicomStack>,
    ctx: &JobContext<E>,
) -> Result<LoadedMask, DicomError> {
    let mut painter = Painter::new(reference.index_grid());
    let voxels = reference.index_grid();
    let mut segments = Vec::new();
    let mut findings = Vec::new();
    let mut outside = 0usize;
    // Only masks without positions need the volume's own headers.
    let volume = LazyCell::new(|| VolumeFiles::of(stack));
    ctx.progress.say("Reading mask series");
    ctx.progress.set(0, organs.iter().map(|o| o.1.len() as u64).sum());
    for (organ, files) in organs {
        let Ok(id) = u8::try_from(segments.len() + 1) else {
            let text = format!("Only the first 255 of {} organs are read.", organs.len());
            findings.push(Finding::new(Severity::Warning, "too-many-labels", text));
            break;
        };
        segments.push(Segment::new(id, organ));
        let headers: Vec<FileHeader> = files.par_iter().map(|f| FileHeader::read(f)).collect::<Result<_, _>>()?;
        for (header, grid) in place_files(organ, &headers, reference, &volume, &mut findings)? {
            if ctx.is_cancelled() {
                return Err(DicomError::Cancelled);
            }
            let file = FrameFile::open(&header.path)?;
            let columns = file.format.columns;
            let mut beyond = false;
            for (n, _) in file.read_words(0)?.iter().enumerate().filter(|(_, value)| **value != 0) {
                match grid.voxel(n % columns, n / columns, &voxels) {
                    Some(voxel) => painter.paint(voxel, id),
                    None => beyond = true,
                }
            }
            outside += usize::from(beyond);
            if painter.is_overfull() {
                return Err(DicomError::refused(&header.path, OVERFULL));
            }
            ctx.progress.step();
        }
    }
    if outside > 0 {
        let slices = count_with(outside, "slice", "reaches", "reach");
        let text = format!("{slices} outside this volume; what lies there is left out.");
        findings.push(Finding::new(Severity::Warning, "outside-volume", text));
    }
    let unplaced = findings.iter().any(|f| f.code == BY_ORDER);
    Ok(LoadedMask { unplaced, ..painter.finish(segments, Severity::Note, findings) })
}

/// What the volume's own files can tell about order: slice by file stem and by instance number.
struct VolumeFiles {
    by_stem: HashMap<String, usize>,
    by_instance: HashMap<i64, usize>,
}

impl VolumeFiles {
    fn of(stack: Option<&DicomStack>) -> Self {
        let slices = stack.map(|s| s.slices.as_slice()).unwrap_or_default();
        let by_stem: HashMap<String, usize> = slices.iter().enumerate().map(|(k, s)| (stem(&s.path), k)).collect();
        // A file whose header cannot be read any more only loses its vote here.
        let instances: Vec<Option<i64>> =
            slices.par_iter().map(|s| FileHeader::read(&s.path).ok().map(|h| h.instance)).collect();
        let by_instance = instances.into_iter().enumerate().filter_map(|(k, i)| Some((i?, k))).collect();
        Self { by_stem, by_instance }
    }
}

type Placed<'h> = Vec<(&'h FileHeader, PixelGrid)>;

fn place_files<'h, L: Lattice + ?Sized>(
    organ: &str,
    headers: &'h [FileHeader],
    reference: &L,
    volume: &impl Deref<Target = VolumeFiles>,
    findings: &mut Vec<Finding>,
) -> Result<Placed<'h>, DicomError> {
    let [nx, ny, nz] = reference.index_grid().dims();
    if have_positions(headers) {
        return headers
            .iter()
            .map(|h| {
                let grid = h.frames.first().and_then(|p| PixelGrid::of_frame(p, [h.columns, h.rows], reference));
                grid.map(|g| (h, g)).ok_or_else(|| {
                    let place = h.frames.first();
                    DicomError::mismatch(&h.path, place.map_or_else(String::new, |p| PixelGrid::misfit(p, reference)))
                })
            })
            .collect();
    }
    if let Some(other) = headers.iter().find(|h| [h.columns, h.rows] != [nx, ny]) {
        let reason = format!("it is {} x {} pixels, the volume's slices are {nx} x {ny}", other.columns, other.rows);
        return Err(DicomError::mismatch(&other.path, reason));
    }
    let by = |key: &dyn Fn(&FileHeader) -> Option<usize>| -> Option<Placed<'h>> {
        let slices: Option<Vec<usize>> = headers.iter().map(key).collect();
        let slices = slices.filter(|s| is_distinct(s.iter().copied()))?;
        Some(headers.iter().zip(slices.into_iter().map(PixelGrid::of_slice)).collect())
    };
    let found = by(&|h| volume.by_stem.get(&stem(&h.path)).copied())
        .or_else(|| by(&|h| volume.by_instance.get(&h.instance).copied()));
    if let Some(found) = found {
        return Ok(found);
    }
    if headers.len() != nz {
        let file = headers.first().map(|h| h.path.clone()).unwrap_or_default();
        let reason = format!("{organ} has {} slices without positions, the volume has {nz}", headers.len());
        return Err(DicomError::Mismatch { file, reason });
    }
    let text = format!("The slices of {organ} carry no position; they are matched to the volume by their order.");
    findings.push(Finding::new(Severity::Warning, BY_ORDER, text));
    let mut ordered: Vec<&FileHeader> = headers.iter().collect();
    if is_distinct(headers.iter().map(|h| h.instance)) {
        ordered.sort_by_key(|h| h.instance);
    } else {
        ordered.sort_by_key(|h| (last_number(&stem(&h.path)), h.path.clone()));
    }
    Ok(ordered.into_iter().enumerate().map(|(k, h)| (h, PixelGrid::of_slice(k))).collect())
}

/// Whether every file says where it lies, and no two lie at one place (some tools copy one header to all).
fn have_positions(headers: &[FileHeader]) -> bool {
    let places: Option<Vec<_>> =
        headers.iter().map(|h| h.frames.first().filter(|p| p.is_complete()).and_then(|p| p.position)).collect();
    places.is_some_and(|places| {
        let places: Vec<_> =
            places.iter().map(|p| (*p / SAME_POSITION_MM).round().to_array().map(|v| v as i64)).collect();
        is_distinct(places.into_iter())
    })
}

fn is_distinct<T: Ord>(values: impl Iterator<Item = T>) -> bool {
    let mut values: Vec<T> = values.collect();
    let n = values.len();
    values.sort();
    values.dedup();
    values.len() == n
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The last run of digits in a name.
fn last_number(name: &str) -> u64 {
    let end = name.trim_end_matches(|c: char| !c.is_ascii_digit());
    let digits = end.len() - end.bytes().rev().take_while(u8::is_ascii_digit).count();
    end[digits..].parse().unwrap_or(u64::MAX)
}
