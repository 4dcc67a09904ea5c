//! DICOM segmentations: binary, fractional and label map, frames sparse and in any order.
//!
//! PS3.3 A.51, C.8.20.2 (Segmentation Image), C.8.20.3 (Segmentation macros). Every frame is placed by its own plane
//! position and orientation, so that order, gaps and flips need no agreement with the volume's files.

use super::dataset::DataSet;
use super::error::DicomError;
use super::frames::FrameFile;
use super::guard::with_header;
use super::header::functional_group;
use super::lab::srgb_from_lab;
use super::labels::{Painter, finding};
use super::placement::PixelGrid;
use crate::core::{Code, Geometry, LabelId, Segment, segments_for_values};
use crate::io::{LoadedMask, Severity};
use crate::jobs::JobContext;
use dicom_dictionary_std::tags;
use std::path::Path;

/// SNOMED CT "Tissue".
pub(super) const UNSPECIFIED: &str = "85756007";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Binary,
    /// Values from 0 to the maximum; half of it and above is inside.
    Fractional {
        maximum: u16,
    },
    LabelMap,
}

/// What the header says, detached from its bytes.
struct Plan {
    kind: Type,
    /// Segment number in the file with the segment it becomes.
    segments: Vec<(u32, Segment)>,
    /// Segment number of each frame; 0 for label maps.
    frame_segments: Vec<u32>,
}

/// Reads the segments of `path` as labels on `reference`.
///
/// A segment keeps its number as label (renumbered only where one is above 255). Fractional values count from half
/// the maximum. Where segments overlap the later frame wins, with a finding; frames outside the volume are left out
/// with a finding.
///
/// # Errors
/// As the guard; [`DicomError::Decode`] for unreadable pixels; [`DicomError::Mismatch`] when frames do not lie on the
/// voxels of `reference`.
pub fn load_seg<E>(path: &Path, reference: &Geometry, ctx: &JobContext<E>) -> Result<LoadedMask, DicomError> {
    let plan = with_header(path, |header| plan(path, header.set))?;
    let file = FrameFile::open(path)?;
    let mut painter = Painter::new(*reference);
    let mut outside = 0usize;
    let mut unknown = 0usize;
    ctx.progress.say("Reading segments");
    ctx.progress.set(0, file.format.frames as u64);
    for frame in 0..file.format.frames {
        if ctx.is_cancelled() {
            return Err(DicomError::Cancelled);
        }
        let place = file.places.get(frame).or(file.places.first());
        let Some(place) = place.filter(|p| p.is_complete()) else {
            return Err(DicomError::refused(path, format!("its frame {} does not say where it lies", frame + 1)));
        };
        let size = [file.format.columns, file.format.rows];
        if PixelGrid::misses(place, size, reference) {
            outside += 1;
            continue;
        }
        let grid = PixelGrid::of_frame(place, size, reference)
            .ok_or_else(|| DicomError::mismatch(path, "its pixels do not coincide with the voxels of this series"))?;
        let number = plan.frame_segments.get(frame).copied().unwrap_or(0);
        let fixed = plan.segments.iter().find(|s| s.0 == number).map(|s| s.1.id);
        if plan.kind != Type::LabelMap && fixed.is_none() {
            unknown += 1;
            continue;
        }
        let words = file.read_words(frame)?;
        let mut left_out = false;
        for (n, &value) in words.iter().take(file.format.frame_samples()).enumerate() {
            let label = match (plan.kind, fixed) {
                (Type::Binary, Some(id)) if value != 0 => id,
                (Type::Fractional { maximum }, Some(id)) if u32::from(value) * 2 >= u32::from(maximum) && value > 0 => {
                    id
                }
                (Type::LabelMap, _) if value != 0 => label_of(&plan.segments, u32::from(value)),
                _ => continue,
            };
            let (i, j) = (n % file.format.columns, n / file.format.columns);
            match grid.voxel(i, j, reference) {
                Some(voxel) if label != 0 => painter.paint(voxel, label),
                _ => left_out = true,
            }
        }
        outside += usize::from(left_out);
        ctx.progress.step();
    }
    let mut findings = Vec::new();
    if outside > 0 {
        let text = format!("{outside} frame(s) reach outside this volume; what lies there is left out.");
        findings.push(finding(Severity::Warning, "outside-volume", text));
    }
    if unknown > 0 {
        let text = format!("{unknown} frame(s) name a segment that the file does not describe and are left out.");
        findings.push(finding(Severity::Warning, "unknown-segment", text));
    }
    if painter.overlaps > 0 {
        findings.push(painter.overlap_finding());
    }
    if outside > 0 && painter.is_blank() {
        return Err(DicomError::mismatch(path, "it lies entirely outside; it was drawn on another series"));
    }
    Ok(LoadedMask { labels: painter.labels, segments: plan.segments.into_iter().map(|s| s.1).collect(), findings })
}

fn label_of(segments: &[(u32, Segment)], number: u32) -> LabelId {
    segments.iter().find(|s| s.0 == number).map_or(0, |s| s.1.id)
}

fn plan(path: &Path, set: &DataSet<'_>) -> Result<Plan, DicomError> {
    let kind = match set.text(tags::SEGMENTATION_TYPE).as_str() {
        "BINARY" => Type::Binary,
        "FRACTIONAL" => Type::Fractional { maximum: set.u16(tags::MAXIMUM_FRACTIONAL_VALUE).unwrap_or(255).max(1) },
        "LABELMAP" => Type::LabelMap,
        _ => {
            return Err(DicomError::refused(
                path,
                "it is no segmentation that can be read (binary, fractional or label map)",
            ));
        }
    };
    let items = set.items(tags::SEGMENT_SEQUENCE);
    let number = |item: &DataSet<'_>| item.u16(tags::SEGMENT_NUMBER).map(u32::from).filter(|n| *n > 0);
    let numbers: Vec<u32> = items.iter().filter_map(number).collect();
    if numbers.is_empty() {
        return Err(DicomError::refused(path, "it describes no segments"));
    }
    let Some(mut segments) = segments_for_values(&numbers) else {
        return Err(DicomError::refused(path, format!("it holds {} segments; 255 can be held", numbers.len())));
    };
    for (value, segment) in &mut segments {
        if let Some(item) = items.iter().find(|i| number(i) == Some(*value)) {
            describe(item, segment);
        }
    }
    let frames = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).len().max(1);
    let frame_segment = |frame| {
        functional_group(set, frame, tags::SEGMENT_IDENTIFICATION_SEQUENCE)
            .and_then(|group| group.u16(tags::REFERENCED_SEGMENT_NUMBER))
            .map_or(0, u32::from)
    };
    let frame_segments = (0..frames).map(frame_segment).collect();
    Ok(Plan { kind, segments, frame_segments })
}

fn describe(item: &DataSet<'_>, segment: &mut Segment) {
    let label = item.person_text(tags::SEGMENT_LABEL);
    let file_value = segment.file_value;
    if !label.is_empty() {
        *segment = Segment::new(segment.id, label);
        segment.file_value = file_value;
    }
    if let Some(code) = item.item(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE) {
        let value = [tags::CODE_VALUE, tags::LONG_CODE_VALUE].map(|t| code.text(t)).into_iter().find(|v| !v.is_empty());
        // "Tissue" is what writers put where they know no code; it says nothing.
        if let Some(value) = value.filter(|v| v != UNSPECIFIED) {
            let scheme = code.text(tags::CODING_SCHEME_DESIGNATOR);
            segment.code = Some(Code { scheme, value, meaning: code.person_text(tags::CODE_MEANING) });
        }
    }
    if let Some(&[l, a, b]) =
        item.u16s(tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE).as_deref().and_then(|v| v.first_chunk())
    {
        segment.color = srgb_from_lab([l, a, b]);
    }
}
