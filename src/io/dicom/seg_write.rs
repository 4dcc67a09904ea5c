//! Writes label maps as DICOM SEG: binary, one segment a label, one frame a segment and slice.
//!
//! PS3.3 A.51 (Segmentation IOD), C.8.20.2, C.7.6.16 (functional groups), C.7.6.17 (dimensions), C.12.4.

use super::error::DicomError;
use super::guard::with_header;
use super::lab::lab_from_srgb;
use super::seg_plan::UNSPECIFIED;
use super::source_grid::{SourceFrames, SourceSlices};
use super::write::{Builder, clip, now, random_uid, vector};
use crate::core::{LabelId, LabelMap, Segment, VoxelBox};
use crate::io::{DicomStack, SliceFile};
use crate::jobs::JobContext;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

/// Attributes of patient and study that a derived object shares with its source (PS3.3 C.7.1.1, C.7.2.1).
const INHERITED: [(Tag, VR); 13] = [
    (tags::PATIENT_NAME, VR::PN),
    (tags::PATIENT_ID, VR::LO),
    (tags::PATIENT_BIRTH_DATE, VR::DA),
    (tags::PATIENT_SEX, VR::CS),
    (tags::STUDY_INSTANCE_UID, VR::UI),
    (tags::STUDY_DATE, VR::DA),
    (tags::STUDY_TIME, VR::TM),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
    (tags::STUDY_ID, VR::SH),
    (tags::ACCESSION_NUMBER, VR::SH),
    (tags::STUDY_DESCRIPTION, VR::LO),
    (tags::FRAME_OF_REFERENCE_UID, VR::UI),
    (tags::POSITION_REFERENCE_INDICATOR, VR::LO),
];

/// One frame: a segment's number in the file, its label, and a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FrameOf {
    number: u16,
    label: LabelId,
    k: usize,
}

/// Writes `labels` as a segmentation of `stack`.
///
/// A mask of a resampled stack is written on the planes of the slices that the stack was resampled from.
///
/// Segments are numbered from 1 in the order of their labels, as the standard asks; only slices with voxels of a
/// segment get a frame (an empty segment gets one empty frame, so that no reader misses it). Patient and study are
/// those of the first source slice.
///
/// # Errors
/// [`DicomError::Write`] when the grids differ, a label has no segment, or the target cannot be written;
/// [`DicomError::Cancelled`].
pub fn save_seg<E>(
    path: &Path,
    labels: &LabelMap,
    segments: &[Segment],
    stack: &DicomStack,
    ctx: &JobContext<E>,
) -> Result<(), DicomError> {
    let refuse = |reason: String| DicomError::Write { file: path.into(), reason };
    let Some(source) = SourceFrames::new(labels, stack) else {
        return Err(refuse("the mask is on another grid than the series it should refer to".into()));
    };
    // On the planes of the source slices from here on, k being the slice.
    let labels = source.labels();
    let mut segments: Vec<&Segment> = segments.iter().filter(|s| s.id != 0).collect();
    segments.sort_by_key(|s| s.id);
    segments.dedup_by_key(|s| s.id);
    if segments.is_empty() {
        return Err(refuse("there is no segment to write".into()));
    }
    let counts = labels.counts();
    if let Some(lost) = (1..=u8::MAX).find(|l| counts[usize::from(*l)] > 0 && segments.iter().all(|s| s.id != *l)) {
        return Err(refuse(format!("label {lost} is painted but has no segment")));
    }
    let first = stack.slices.first().ok_or_else(|| refuse("the series has no slices".into()))?;
    let inherited = inherited(first)?;
    let frames = frames(labels, &segments);
    ctx.progress.say("Writing segmentation");
    ctx.progress.set(0, frames.len() as u64);
    let [nx, ny, _] = labels.geometry().dims();
    let bits = (nx * ny) as u64 * frames.len() as u64;
    let builder = header(inherited, source.slices(), &segments, &frames, stack);
    let saved = builder.save(path, VR::OB, bits.div_ceil(8), |w| {
        let mut packer = Packer { out: w, byte: 0, filled: 0 };
        let mut slice = vec![0; nx * ny];
        for frame in &frames {
            if ctx.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            slice_labels(labels, frame.k, &mut slice);
            for &label in &slice {
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

fn slice_labels(labels: &LabelMap, k: usize, out: &mut [LabelId]) {
    let [nx, ny, _] = labels.geometry().dims();
    labels.copy_box(VoxelBox { min: [0, 0, k], max: [nx, ny, k + 1] }, out);
}

fn frames(labels: &LabelMap, segments: &[&Segment]) -> Vec<FrameOf> {
    let [nx, ny, nz] = labels.geometry().dims();
    let mut slice = vec![0; nx * ny];
    let mut present = vec![[false; 256]; nz];
    for (k, present) in present.iter_mut().enumerate() {
        slice_labels(labels, k, &mut slice);
        for &label in &slice {
            present[usize::from(label)] = true;
        }
    }
    let mut frames = Vec::new();
    for (number, segment) in (1u16..).zip(segments) {
        let before = frames.len();
        let label = segment.id;
        let filled = (0..nz).filter(|&k| present[k][usize::from(label)]);
        frames.extend(filled.map(|k| FrameOf { number, label, k }));
        if frames.len() == before {
            frames.push(FrameOf { number, label, k: 0 });
        }
    }
    frames
}

fn inherited(slice: &SliceFile) -> Result<Vec<(Tag, VR, String)>, DicomError> {
    with_header(&slice.path, |header| {
        Ok(INHERITED.iter().map(|&(tag, vr)| (tag, vr, header.set.person_text(tag))).collect())
    })
}

fn header(
    inherited: Vec<(Tag, VR, String)>,
    slices: &SourceSlices,
    segments: &[&Segment],
    frames: &[FrameOf],
    stack: &DicomStack,
) -> Builder {
    let [nx, ny] = slices.size();
    let (date, time) = now();
    let dimension = random_uid();
    let dimension_index = |pointer, group, label| {
        Builder::new()
            .text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &dimension)
            .tag(tags::DIMENSION_INDEX_POINTER, pointer)
            .tag(tags::FUNCTIONAL_GROUP_POINTER, group)
            .text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, label)
    };
    let mut builder = Builder::new();
    for (tag, vr, text) in inherited {
        // Study and frame of reference must be there even if the source forgot them.
        let text = match vr {
            VR::UI if text.is_empty() => random_uid(),
            VR::SH => clip(&text, 16),
            VR::LO => clip(&text, 64),
            _ => text,
        };
        builder = builder.text(tag, vr, text);
    }
    builder
        .text(tags::SOP_CLASS_UID, VR::UI, uids::SEGMENTATION_STORAGE)
        .text(tags::SOP_INSTANCE_UID, VR::UI, random_uid())
        .text(tags::SERIES_INSTANCE_UID, VR::UI, random_uid())
        .text(tags::MODALITY, VR::CS, "SEG")
        .text(tags::SERIES_NUMBER, VR::IS, "9001")
        .text(tags::SERIES_DESCRIPTION, VR::LO, "Segmentation")
        .text(tags::INSTANCE_NUMBER, VR::IS, "1")
        .text(tags::SERIES_DATE, VR::DA, &date)
        .text(tags::SERIES_TIME, VR::TM, &time)
        .text(tags::CONTENT_DATE, VR::DA, &date)
        .text(tags::CONTENT_TIME, VR::TM, &time)
        .text(tags::MANUFACTURER, VR::LO, "Maskwright")
        .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, "Maskwright")
        .text(tags::DEVICE_SERIAL_NUMBER, VR::LO, "1")
        .text(tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION"))
        .text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY")
        .text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00")
        .text(tags::SEGMENTATION_TYPE, VR::CS, "BINARY")
        .text(tags::CONTENT_LABEL, VR::CS, "SEGMENTATION")
        .text(tags::CONTENT_DESCRIPTION, VR::LO, "Segmentation")
        .text(tags::CONTENT_CREATOR_NAME, VR::PN, "Annotator^Maskwright")
        .words(tags::SAMPLES_PER_PIXEL, &[1])
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .text(tags::NUMBER_OF_FRAMES, VR::IS, frames.len().to_string())
        .words(tags::ROWS, &[ny as u16])
        .words(tags::COLUMNS, &[nx as u16])
        .words(tags::BITS_ALLOCATED, &[1])
        .words(tags::BITS_STORED, &[1])
        .words(tags::HIGH_BIT, &[0])
        .words(tags::PIXEL_REPRESENTATION, &[0])
        .items(tags::SEGMENT_SEQUENCE, (1u16..).zip(segments).map(|(n, s)| segment_item(n, s)))
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
        .items(tags::REFERENCED_SERIES_SEQUENCE, referenced_series(stack))
        .items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, [shared_groups(slices)])
        .items(
            tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
            frames.iter().map(|frame| frame_groups(frame, slices, stack)),
        )
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

fn referenced_series(stack: &DicomStack) -> Option<Builder> {
    // Frames of one file share its identifier, which is listed once.
    let mut seen = HashSet::new();
    let named = stack.slices.iter().filter(|s| !s.sop_instance_uid.is_empty());
    let instances: Vec<Builder> = named.filter(|s| seen.insert(&s.sop_instance_uid)).map(instance_reference).collect();
    if stack.series_uid.is_empty() || instances.is_empty() {
        return None;
    }
    let item = Builder::new()
        .text(tags::SERIES_INSTANCE_UID, VR::UI, &stack.series_uid)
        .items(tags::REFERENCED_INSTANCE_SEQUENCE, instances);
    Some(item)
}

fn instance_reference(slice: &SliceFile) -> Builder {
    Builder::new().text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &slice.sop_class_uid).text(
        tags::REFERENCED_SOP_INSTANCE_UID,
        VR::UI,
        &slice.sop_instance_uid,
    )
}

fn shared_groups(slices: &SourceSlices) -> Builder {
    let (direction, spacing) = (slices.grid().direction(), slices.grid().spacing());
    let [row, column] = [vector(direction.x_axis), vector(direction.y_axis)];
    let orientation: Vec<f64> = row.into_iter().chain(column).collect();
    let mut measures = Builder::new()
        .decimals(tags::SLICE_THICKNESS, &[slices.thickness()])
        .decimals(tags::PIXEL_SPACING, &[spacing.y, spacing.x]);
    // Slices at varying distances have no such number.
    if let Some(distance) = slices.spacing().or((slices.count() == 1).then_some(slices.thickness())) {
        measures = measures.decimals(tags::SPACING_BETWEEN_SLICES, &[distance]);
    }
    Builder::new()
        .items(
            tags::PLANE_ORIENTATION_SEQUENCE,
            [Builder::new().decimals(tags::IMAGE_ORIENTATION_PATIENT, &orientation)],
        )
        .items(tags::PIXEL_MEASURES_SEQUENCE, [measures])
}

fn frame_groups(frame: &FrameOf, slices: &SourceSlices, stack: &DicomStack) -> Builder {
    let position = slices.position(frame.k).unwrap_or(slices.grid().origin());
    let source = stack.slices.get(frame.k).filter(|s| !s.sop_instance_uid.is_empty()).map(|slice| {
        let mut item = instance_reference(slice)
            .code(
                tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
                "DCM",
                "121322",
                "Source image for image processing operation",
            )
            .text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES");
        if stack.slices.iter().filter(|s| s.path == slice.path).nth(1).is_some() {
            item = item.text(tags::REFERENCED_FRAME_NUMBER, VR::IS, (slice.frame + 1).to_string());
        }
        item
    });
    let derivation = source.map(|source| {
        Builder::new()
            .code(tags::DERIVATION_CODE_SEQUENCE, "DCM", "113076", "Segmentation")
            .items(tags::SOURCE_IMAGE_SEQUENCE, [source])
    });
    Builder::new()
        .items(
            tags::FRAME_CONTENT_SEQUENCE,
            [Builder::new().longs(tags::DIMENSION_INDEX_VALUES, &[u32::from(frame.number), frame.k as u32 + 1])],
        )
        .items(
            tags::PLANE_POSITION_SEQUENCE,
            [Builder::new().decimals(tags::IMAGE_POSITION_PATIENT, &vector(position))],
        )
        .items(
            tags::SEGMENT_IDENTIFICATION_SEQUENCE,
            [Builder::new().words(tags::REFERENCED_SEGMENT_NUMBER, &[frame.number])],
        )
        .items(tags::DERIVATION_IMAGE_SEQUENCE, derivation)
}
