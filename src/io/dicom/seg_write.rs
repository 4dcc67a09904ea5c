//! Writes label maps as DICOM SEG: binary, one segment a label, one frame a segment and slice. Segments of several
//! layers may overlap: each has frames of its own.
//!
//! PS3.3 A.51 (Segmentation IOD), C.8.20.2, C.7.6.16 (functional groups), C.7.6.17 (dimensions), C.12.4.

use super::attributes::{Inherited, derived_object, frame_reference, grey_pixels, matrix, reference};
use super::error::DicomError;
use super::lab::lab_from_srgb;
use super::seg_plan::UNSPECIFIED;
use super::source_planes::{Drawn, PlaneLayers, PlaneMask};
use super::write::{Builder, clip, now, random_uid};
use crate::core::{LabelId, LabelMap, Segment};
use crate::io::DicomStack;
use crate::jobs::JobContext;
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

/// One frame: a segment's number in the file, its layer and label, a plane, and the plane's rank among those with frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FrameOf {
    number: u16,
    layer: usize,
    label: LabelId,
    plane: usize,
    rank: u32,
}

/// Writes label maps as one segmentation of `stack`; where that was resampled, on the slices that it was resampled from.
///
/// Segments are numbered from 1, as the standard asks: in the order of their labels, or layer by layer where two layers
/// use one label. Only slices with voxels of a segment get a frame. A segment without voxels is described and has no
/// frame, as highdicom and dcmqi write it; where no segment has any, the first gets one empty frame, because a file must
/// have one. Patient and study are those of the first source slice.
///
/// # Errors
/// [`DicomError::Write`] when the grids differ, a label has no segment, or the target cannot be written;
/// [`DicomError::Cancelled`].
pub fn save_seg<E>(
    path: &Path,
    layers: &[(&LabelMap, &[Segment])],
    stack: &DicomStack,
    ctx: &JobContext<E>,
) -> Result<(), DicomError> {
    let layers = &PlaneLayers::new(path, layers, stack)?;
    if layers.segments.len() > usize::from(u16::MAX) {
        let reason = format!("{} segments are more than a segmentation holds", layers.segments.len());
        return Err(DicomError::Write { file: path.into(), reason });
    }
    let mask = layers.planes();
    let size = matrix(path, mask.size[0], mask.size[1])?;
    let inherited = Inherited::of(path, mask.slice(0))?;
    let frames = frames(layers);
    ctx.progress.say("Writing segmentation");
    ctx.progress.set(0, frames.len() as u64);
    let bits = mask.pixels() as u64 * frames.len() as u64;
    let builder = grey_pixels(header(&inherited, mask, &layers.segments, &frames), size, 1, false);
    let saved = builder.save(path, VR::OB, bits.div_ceil(8), |w| {
        let mut packer = Packer { out: w, byte: 0, filled: 0 };
        let mut labels = vec![0; mask.pixels()];
        for frame in &frames {
            if ctx.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            layers.layer(frame.layer).read(frame.plane, &mut labels);
            for &label in &labels {
                packer.push(label == frame.label)?;
            }
            ctx.progress.step();
        }
        packer.finish()
    });
    if ctx.is_cancelled() { saved.map_err(|_| DicomError::Cancelled) } else { saved }
}

/// Bits from the least significant of each byte on, running on across frames (PS3.5 section 8.1.1, annex D).
struct Packer<'a> {
    out: &'a mut dyn Write,
    byte: u8,
    filled: u8,
}

impl Packer<'_> {
    fn push(&mut self, bit: bool) -> io::Result<()> {
        self.byte |= u8::from(bit) << self.filled;
        self.filled += 1;
        if self.filled == 8 {
            self.out.write_all(&[self.byte])?;
            (self.byte, self.filled) = (0, 0);
        }
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        if self.filled > 0 { self.out.write_all(&[self.byte]) } else { Ok(()) }
    }
}

fn frames(layers: &PlaneLayers<'_>) -> Vec<FrameOf> {
    let used = |plane: &usize| layers.segments.iter().any(|s| layers.holds(*plane, s));
    let planes: Vec<usize> = (0..layers.planes().count()).filter(used).collect();
    let of = |number, drawn: &Drawn<'_>, plane, rank| FrameOf {
        number,
        layer: drawn.layer,
        label: drawn.segment.id,
        plane,
        rank,
    };
    let mut frames = Vec::new();
    for (number, drawn) in (1..=u16::MAX).zip(&layers.segments) {
        for (rank, &plane) in (1u32..).zip(&planes).filter(|(_, plane)| layers.holds(**plane, drawn)) {
            frames.push(of(number, drawn, plane, rank));
        }
    }
    if let ([], Some(first)) = (frames.as_slice(), layers.segments.first()) {
        frames.push(of(1, first, 0, 1));
    }
    frames
}

fn header(inherited: &Inherited, mask: &PlaneMask<'_>, segments: &[Drawn<'_>], frames: &[FrameOf]) -> Builder {
    let (date, time) = now();
    let dimension = random_uid();
    let dimension_index = |pointer, group, label| {
        Builder::new()
            .text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &dimension)
            .tag(tags::DIMENSION_INDEX_POINTER, pointer)
            .tag(tags::FUNCTIONAL_GROUP_POINTER, group)
            .text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, label)
    };
    derived_object(inherited.builder(), uids::SEGMENTATION_STORAGE, "SEG", (9001, "Segmentation"))
        .text(tags::CONTENT_DATE, VR::DA, &date)
        .text(tags::CONTENT_TIME, VR::TM, &time)
        .text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY")
        .text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00")
        .text(tags::SEGMENTATION_TYPE, VR::CS, "BINARY")
        .text(tags::CONTENT_LABEL, VR::CS, "SEGMENTATION")
        .text(tags::CONTENT_DESCRIPTION, VR::LO, "Segmentation")
        .text(tags::CONTENT_CREATOR_NAME, VR::PN, "Annotator^Maskwright")
        .text(tags::NUMBER_OF_FRAMES, VR::IS, frames.len().to_string())
        .items(tags::SEGMENT_SEQUENCE, (1..=u16::MAX).zip(segments).map(|(n, s)| segment_item(n, s.segment)))
        .items(
            tags::DIMENSION_ORGANIZATION_SEQUENCE,
            [Builder::new().text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &dimension)],
        )
        .items(
            tags::DIMENSION_INDEX_SEQUENCE,
            [
                dimension_index(
                    tags::REFERENCED_SEGMENT_NUMBER,
                    tags::SEGMENT_IDENTIFICATION_SEQUENCE,
                    "Segment Number",
                ),
                dimension_index(tags::IMAGE_POSITION_PATIENT, tags::PLANE_POSITION_SEQUENCE, "Image Position"),
            ],
        )
        .items(tags::REFERENCED_SERIES_SEQUENCE, referenced_series(mask))
        .items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, [shared_groups(inherited, mask)])
        .items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.iter().map(|frame| frame_groups(frame, mask)))
}

fn segment_item(number: u16, segment: &Segment) -> Builder {
    let builder = Builder::new()
        .words(tags::SEGMENT_NUMBER, &[number])
        .text(tags::SEGMENT_LABEL, VR::LO, clip(&segment.name, 64))
        // Masks are predicted and corrected, or painted with tools that look at values.
        .text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "SEMIAUTOMATIC")
        .text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, "Maskwright")
        .words(tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE, &lab_from_srgb(segment.color));
    let category = tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE;
    let kind = tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE;
    match &segment.code {
        Some(code) => builder.code(category, "SCT", "123037004", "Anatomical Structure").code(
            kind,
            &code.scheme,
            &code.value,
            &code.meaning,
        ),
        None => builder.code(category, "SCT", UNSPECIFIED, "Tissue").code(kind, "SCT", UNSPECIFIED, "Tissue"),
    }
}

fn referenced_series(mask: &PlaneMask<'_>) -> Option<Builder> {
    // Frames of one file share its identifier, which is listed once.
    let mut seen = HashSet::new();
    let instances: Vec<Builder> = mask.named().filter(|s| seen.insert(&s.sop_instance_uid)).map(reference).collect();
    let stack = mask.stack();
    if stack.series_uid.is_empty() || instances.is_empty() {
        return None;
    }
    let item = Builder::new()
        .text(tags::SERIES_INSTANCE_UID, VR::UI, &stack.series_uid)
        .items(tags::REFERENCED_INSTANCE_SEQUENCE, instances);
    Some(item)
}

fn shared_groups(inherited: &Inherited, mask: &PlaneMask<'_>) -> Builder {
    let spacing = mask.slice_spacing();
    let thickness = inherited.slice_thickness.unwrap_or(mask.thickness());
    let mut measures = Builder::new().decimals(tags::SLICE_THICKNESS, &[thickness]);
    // Readers make a regular grid of this value: it is left out where there is none.
    if let Some(spacing) = spacing {
        measures = measures.decimals(tags::SPACING_BETWEEN_SLICES, &[spacing]);
    }
    measures = measures.decimals(tags::PIXEL_SPACING, &[mask.spacing.y, mask.spacing.x]);
    Builder::new()
        .items(
            tags::PLANE_ORIENTATION_SEQUENCE,
            [Builder::new().directions(tags::IMAGE_ORIENTATION_PATIENT, mask.directions)],
        )
        .items(tags::PIXEL_MEASURES_SEQUENCE, [measures])
}

fn frame_groups(frame: &FrameOf, mask: &PlaneMask<'_>) -> Builder {
    let source = mask.slice(frame.plane).filter(|s| !s.sop_instance_uid.is_empty()).map(|slice| {
        frame_reference(slice, mask.named())
            .code(
                tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
                "DCM",
                "121322",
                "Source image for image processing operation",
            )
            .text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES")
    });
    let derivation = source.map(|source| {
        Builder::new()
            .code(tags::DERIVATION_CODE_SEQUENCE, "DCM", "113076", "Segmentation")
            .items(tags::SOURCE_IMAGE_SEQUENCE, [source])
    });
    Builder::new()
        .items(
            tags::FRAME_CONTENT_SEQUENCE,
            [Builder::new().longs(tags::DIMENSION_INDEX_VALUES, &[u32::from(frame.number), frame.rank])],
        )
        .items(
            tags::PLANE_POSITION_SEQUENCE,
            [Builder::new().vector(tags::IMAGE_POSITION_PATIENT, mask.position(frame.plane))],
        )
        .items(
            tags::SEGMENT_IDENTIFICATION_SEQUENCE,
            [Builder::new().words(tags::REFERENCED_SEGMENT_NUMBER, &[frame.number])],
        )
        .items(tags::DERIVATION_IMAGE_SEQUENCE, derivation)
}
