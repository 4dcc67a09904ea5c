//! Writes label maps as RT structure sets: closed planar contours on the slices of the series.
//!
//! PS3.3 A.19 (RT Structure Set IOD), C.8.8.5 (Structure Set), C.8.8.6 (ROI Contour), C.8.8.8 (RT ROI Observations).

use super::attributes::{Inherited, derived_object, frame_reference};
use super::contours::contours;
use super::error::DicomError;
use super::source_planes::{Drawn, PlaneLayers, PlaneMask};
use super::write::{Builder, clip, decimal, now};
use crate::core::{LabelId, LabelMap, Segment};
use crate::io::DicomStack;
use crate::jobs::JobContext;
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use glam::{DVec2, DVec3};
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

/// Points are written to this part of a pixel. Contours run a twentieth of a pixel off the edges, so it loses nothing.
const POINT_PRECISION: f64 = 1e-3;

/// Writes label maps as one structure set of `stack`, a region a segment; where the stack was resampled, on the slices
/// that it was resampled from. Segments of several layers may overlap.
///
/// Filled by pixel centres, the contours give the mask back voxel for voxel. One contour goes around each part of a
/// slice that hangs together, holes included. Regions keep the segments' file numbers where these can be told apart,
/// else they are numbered from 1. A segment without voxels is a region without contours.
///
/// # Errors
/// [`DicomError::Write`] when the grids differ, a label has no segment, or the target cannot be written;
/// [`DicomError::Cancelled`].
pub fn save_rtstruct<E>(
    path: &Path,
    layers: &[(&LabelMap, &[Segment])],
    stack: &DicomStack,
    ctx: &JobContext<E>,
) -> Result<(), DicomError> {
    let count = layers.len();
    let layers = &PlaneLayers::new(path, layers, stack)?;
    let (mask, segments) = (layers.planes(), &layers.segments);
    let inherited = Inherited::of(path, mask.slice(0))?;
    ctx.progress.say("Tracing contours");
    ctx.progress.set(0, mask.count() as u64);
    let mut traced: Vec<Vec<Builder>> = segments.iter().map(|_| Vec::new()).collect();
    let mut labels = vec![0; mask.pixels()];
    for n in 0..mask.count() {
        if ctx.is_cancelled() {
            return Err(DicomError::Cancelled);
        }
        ctx.progress.step();
        for layer in 0..count {
            let drawn = |s: &Drawn<'_>| s.layer == layer && layers.holds(n, s);
            if !segments.iter().any(drawn) {
                continue;
            }
            layers.layer(layer).read(n, &mut labels);
            for (Drawn { segment, .. }, items) in segments.iter().zip(&mut traced).filter(|(s, _)| drawn(s)) {
                for polygon in trace(&labels, mask.size, segment.id) {
                    items.push(contour_item(mask, n, items.len() + 1, &polygon));
                }
            }
        }
    }
    let segments: Vec<&Segment> = segments.iter().map(|s| s.segment).collect();
    let numbers = region_numbers(&segments);
    header(&inherited, mask)
        .items(
            tags::STRUCTURE_SET_ROI_SEQUENCE,
            segments
                .iter()
                .zip(&numbers)
                .map(|(s, n)| region_item(s, *n, inherited.text(tags::FRAME_OF_REFERENCE_UID))),
        )
        .items(tags::RTROI_OBSERVATIONS_SEQUENCE, segments.iter().zip(&numbers).map(|(s, n)| observation(s, *n)))
        .items(
            tags::ROI_CONTOUR_SEQUENCE,
            segments.iter().zip(&numbers).zip(traced).map(|((segment, number), contours)| {
                let color = segment.color.map(|c| c.to_string()).join("\\");
                let item = Builder::new().text(tags::ROI_DISPLAY_COLOR, VR::IS, color).text(
                    tags::REFERENCED_ROI_NUMBER,
                    VR::IS,
                    number.to_string(),
                );
                if contours.is_empty() { item } else { item.items(tags::CONTOUR_SEQUENCE, contours) }
            }),
        )
        .save_without_pixels(path)
}

/// The contours of a label, searched for in the box that it fills.
fn trace(labels: &[LabelId], [columns, rows]: [usize; 2], label: LabelId) -> Vec<Vec<DVec2>> {
    let lines = || labels.chunks_exact(columns.max(1)).enumerate();
    let held: Vec<usize> = lines().filter(|(_, line)| line.contains(&label)).map(|(y, _)| y).collect();
    let (Some(&top), Some(&bottom)) = (held.first(), held.last()) else { return Vec::new() };
    let mut across = columns..0;
    for (_, line) in lines().skip(top).take(bottom + 1 - top) {
        let Some(first) = line.iter().position(|l| *l == label) else { continue };
        let last = line.iter().rposition(|l| *l == label).unwrap_or(first);
        across = Range { start: across.start.min(first), end: across.end.max(last + 1) };
    }
    contours(across, top..bottom + 1, |x, y| y < rows && labels[y * columns + x] == label)
}

fn header(inherited: &Inherited, mask: &PlaneMask<'_>) -> Builder {
    let (date, time) = now();
    let frame_of_reference = inherited.text(tags::FRAME_OF_REFERENCE_UID);
    let mut seen = HashSet::new();
    let images: Vec<Builder> = mask
        .named()
        .filter(|s| seen.insert((&s.sop_instance_uid, s.frame)))
        .map(|slice| frame_reference(slice, mask.named()))
        .collect();
    let stack = mask.stack();
    let mut frame = Builder::new().text(tags::FRAME_OF_REFERENCE_UID, VR::UI, frame_of_reference);
    if !stack.series_uid.is_empty() && !images.is_empty() {
        let series = Builder::new()
            .text(tags::SERIES_INSTANCE_UID, VR::UI, &stack.series_uid)
            .items(tags::CONTOUR_IMAGE_SEQUENCE, images);
        let study = Builder::new()
            // The class that the standard names here for a study (retired as a class of its own).
            .text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, DETACHED_STUDY)
            .text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, inherited.text(tags::STUDY_INSTANCE_UID))
            .items(tags::RT_REFERENCED_SERIES_SEQUENCE, [series]);
        frame = frame.items(tags::RT_REFERENCED_STUDY_SEQUENCE, [study]);
    }
    let object =
        derived_object(inherited.builder(), uids::RT_STRUCTURE_SET_STORAGE, "RTSTRUCT", (9002, "Structure set"));
    object
        .text(tags::OPERATORS_NAME, VR::PN, "")
        .text(tags::STRUCTURE_SET_LABEL, VR::SH, "Maskwright")
        .text(tags::STRUCTURE_SET_DATE, VR::DA, &date)
        .text(tags::STRUCTURE_SET_TIME, VR::TM, &time)
        .text(tags::APPROVAL_STATUS, VR::CS, "UNAPPROVED")
        .items(tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE, [frame])
}

/// Detached Study Management, which the standard still names for the study that a structure set refers to.
const DETACHED_STUDY: &str = "1.2.840.10008.3.1.2.3.1";

fn region_item(segment: &Segment, number: u32, frame_of_reference: &str) -> Builder {
    Builder::new()
        .text(tags::ROI_NUMBER, VR::IS, number.to_string())
        .text(tags::REFERENCED_FRAME_OF_REFERENCE_UID, VR::UI, frame_of_reference)
        .text(tags::ROI_NAME, VR::LO, clip(&segment.name, 64))
        .text(tags::ROI_GENERATION_ALGORITHM, VR::CS, "SEMIAUTOMATIC")
}

fn observation(segment: &Segment, number: u32) -> Builder {
    let item = Builder::new()
        .text(tags::OBSERVATION_NUMBER, VR::IS, number.to_string())
        .text(tags::REFERENCED_ROI_NUMBER, VR::IS, number.to_string())
        .text(tags::RTROI_INTERPRETED_TYPE, VR::CS, "")
        .text(tags::ROI_INTERPRETER, VR::PN, "");
    match &segment.code {
        Some(code) => item.code(tags::RTROI_IDENTIFICATION_CODE_SEQUENCE, &code.scheme, &code.value, &code.meaning),
        None => item,
    }
}

fn contour_item(mask: &PlaneMask<'_>, plane: usize, number: usize, polygon: &[DVec2]) -> Builder {
    let slice = mask.slice(plane).filter(|s| !s.sop_instance_uid.is_empty());
    let image = slice.map(|slice| frame_reference(slice, mask.named()));
    let item = Builder::new()
        .text(tags::CONTOUR_NUMBER, VR::IS, number.to_string())
        .text(tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, "CLOSED_PLANAR")
        .text(tags::NUMBER_OF_CONTOUR_POINTS, VR::IS, polygon.len().to_string())
        .text(tags::CONTOUR_DATA, VR::DS, contour_data(mask, plane, polygon));
    match image {
        Some(image) => item.items(tags::CONTOUR_IMAGE_SEQUENCE, [image]),
        None => item,
    }
}

/// The points as decimal strings. A coordinate that all points of the slice share is written in full, so that it is
/// the very number in the slice's own header.
fn contour_data(mask: &PlaneMask<'_>, plane: usize, polygon: &[DVec2]) -> String {
    let [row, column] = mask.directions;
    let decimals = (-(mask.spacing.min_element() * POINT_PRECISION).log10()).ceil().clamp(0.0, 12.0) as usize;
    let shared = |axis: usize| row[axis] == 0.0 && column[axis] == 0.0;
    let position = mask.position(plane);
    let fixed: [Option<String>; 3] = std::array::from_fn(|axis| shared(axis).then(|| decimal(position[axis])));
    let coordinate = |point: DVec3, axis: usize| match &fixed[axis] {
        Some(text) => text.clone(),
        None => short_decimal(point[axis], decimals),
    };
    let points = polygon.iter().map(|p| mask.world(plane, *p));
    let texts: Vec<String> = points.flat_map(|p| [0, 1, 2].map(|axis| coordinate(p, axis))).collect();
    texts.join("\\")
}

/// A number with so many decimals at most, in the 16 characters of a decimal string.
fn short_decimal(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.len() > 16 {
        return decimal(value);
    }
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// The segments' file numbers where they are different and above 0, else numbers from 1.
fn region_numbers(segments: &[&Segment]) -> Vec<u32> {
    let mut seen = HashSet::new();
    let sound = segments.iter().all(|s| (1..=i32::MAX as u32).contains(&s.file_value) && seen.insert(s.file_value));
    (1u32..).zip(segments).map(|(n, s)| if sound { s.file_value } else { n }).collect()
}
