//! DICOM segmentations: binary, fractional and label map, frames sparse and in any order.
//!
//! PS3.3 A.51, C.8.20.2 (Segmentation Image), C.8.20.3 (Segmentation macros). Every frame is placed by its own plane
//! position and orientation, so that order, gaps, flips and planes need no agreement with the volume's files.

use super::error::DicomError;
use super::frames::FrameFile;
use super::guard::with_header;
use super::lattice::Lattice;
use super::placement::PixelGrid;
use super::seg_plan::{Plan, Type};
use crate::core::count_with;
use crate::io::mask::{OVERFULL, Painter};
use crate::io::{Finding, LoadedMask, Severity};
use crate::jobs::JobContext;
use std::path::Path;

/// What did not come onto the volume.
#[derive(Default)]
struct LeftOut {
    outside: usize,
    unknown: usize,
}

/// Reads the segments of `path` as labels on `reference`.
///
/// A segment keeps its number as label (renumbered only where one is above 255). Fractional values count from half
/// the maximum, which a finding says. Segments that overlap come onto layers of their own; frames outside the volume are
/// left out with a finding. A frame may lie in any of the volume's planes, in either sense; nothing is interpolated.
///
/// # Errors
/// As the guard; [`DicomError::Decode`] for unreadable pixels; [`DicomError::Mismatch`] when frames do not lie on the
/// voxels of `reference`.
pub fn load_seg<E, L: Lattice + ?Sized>(
    path: &Path,
    reference: &L,
    ctx: &JobContext<E>,
) -> Result<LoadedMask, DicomError> {
    let plan = with_header(path, |header| Plan::of(path, header.set))?;
    let file = FrameFile::open(path)?;
    let mut painter = Painter::new(reference.index_grid());
    let mut left = LeftOut::default();
    ctx.progress.say("Reading segments");
    ctx.progress.set(0, file.format.frames as u64);
    for frame in 0..file.format.frames {
        if ctx.is_cancelled() {
            return Err(DicomError::Cancelled);
        }
        read_frame(path, (&file, frame), &plan, reference, &mut painter, &mut left)?;
        if painter.is_overfull() {
            return Err(DicomError::refused(path, OVERFULL));
        }
        ctx.progress.step();
    }
    if left.outside > 0 && painter.is_blank() {
        return Err(DicomError::mismatch(path, "it lies entirely outside; it was drawn on another series"));
    }
    let findings = findings(&left, plan.kind);
    Ok(painter.finish(plan.segments.into_iter().map(|s| s.1).collect(), Severity::Warning, findings))
}

fn read_frame<L: Lattice + ?Sized>(
    path: &Path,
    (file, frame): (&FrameFile, usize),
    plan: &Plan,
    reference: &L,
    painter: &mut Painter,
    left: &mut LeftOut,
) -> Result<(), DicomError> {
    let Some(place) = file.places.get(frame).filter(|p| p.is_complete()) else {
        return Err(DicomError::refused(path, format!("its frame {} does not say where it lies", frame + 1)));
    };
    let size = [file.format.columns, file.format.rows];
    if PixelGrid::misses(place, size, reference) {
        left.outside += 1;
        return Ok(());
    }
    let grid = PixelGrid::of_frame(place, size, reference)
        .ok_or_else(|| DicomError::mismatch(path, PixelGrid::misfit(place, reference)))?;
    let fixed = plan.label(plan.frame_segments.get(frame).copied().unwrap_or(0));
    let labelled = plan.kind == Type::LabelMap;
    if !labelled && fixed == 0 {
        left.unknown += 1;
        return Ok(());
    }
    let from = plan.kind.inside_from();
    let voxels = reference.index_grid();
    let (mut outside, mut unknown) = (false, false);
    let mut known = (0, 0);
    for (n, value) in file.read_words(frame)?.into_iter().take(file.format.frame_samples()).enumerate() {
        if value < from {
            continue;
        }
        let label = if labelled {
            if value != known.0 {
                known = (value, plan.label(u32::from(value)));
            }
            known.1
        } else {
            fixed
        };
        match grid.voxel(n % size[0], n / size[0], &voxels) {
            _ if label == 0 => unknown = true,
            Some(voxel) => painter.paint(voxel, label),
            None => outside = true,
        }
    }
    left.outside += usize::from(outside);
    left.unknown += usize::from(unknown);
    Ok(())
}

fn findings(left: &LeftOut, kind: Type) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Type::Fractional { maximum, probability } = kind {
        let what = if probability { "probabilities" } else { "parts of a voxel that are filled" };
        let text = format!(
            "It holds {what}, from 0 to {maximum}: voxels from {} up were taken as inside.",
            kind.inside_from()
        );
        findings.push(Finding::new(Severity::Note, "threshold", text));
    }
    if left.outside > 0 {
        let frames = count_with(left.outside, "frame", "reaches", "reach");
        let text = format!("{frames} outside this volume; what lies there is left out.");
        findings.push(Finding::new(Severity::Warning, "outside-volume", text));
    }
    if left.unknown > 0 {
        let frames = count_with(left.unknown, "frame", "holds", "hold");
        let text = format!("{frames} a segment that the file does not describe, which is left out.");
        findings.push(Finding::new(Severity::Warning, "unknown-segment", text));
    }
    findings
}
