//! What a DICOM segmentation's header says of its segments and frames, detached from its bytes. Private to `io::dicom`.
//!
//! PS3.3 C.8.20.2 (Segmentation Image), C.8.20.3 (Segmentation macros).

use super::dataset::DataSet;
use super::error::DicomError;
use super::header::functional_group;
use super::lab::srgb_from_lab;
use crate::core::{Code, LabelId, Segment, segments_for_values};
use dicom_dictionary_std::tags;
use std::path::Path;

/// SNOMED CT "Tissue".
pub(super) const UNSPECIFIED: &str = "85756007";

/// How pixel values mean segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Binary,
    /// Values from 0 to the maximum; half of it and above is inside.
    Fractional {
        maximum: u16,
        /// Chance that the pixel belongs to the segment; else the part of the pixel that it fills.
        probability: bool,
    },
    LabelMap,
}

impl Type {
    /// The lowest value inside; 1 for anything but fractions.
    pub fn inside_from(self) -> u16 {
        match self {
            Self::Fractional { maximum, .. } => maximum.div_ceil(2).max(1),
            Self::Binary | Self::LabelMap => 1,
        }
    }
}

pub(super) struct Plan {
    pub kind: Type,
    /// Segment number in the file with the segment it becomes.
    pub segments: Vec<(u32, Segment)>,
    /// Segment number of each frame; 0 for label maps.
    pub frame_segments: Vec<u32>,
}

impl Plan {
    /// # Errors
    /// [`DicomError::Refused`] when it is of no known type, has no segments, or more than a label map can hold.
    pub fn of(path: &Path, set: &DataSet<'_>) -> Result<Self, DicomError> {
        let kind = kind(set).ok_or_else(|| {
            DicomError::refused(path, "it is no segmentation that can be read (binary, fractional or label map)")
        })?;
        let items = set.items(tags::SEGMENT_SEQUENCE);
        // Number 0 is the background of a label map, which some writers describe.
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
        Ok(Self { kind, segments, frame_segments: (0..frames).map(frame_segment).collect() })
    }

    /// The label of a segment number; 0 for one that the file does not describe.
    pub fn label(&self, number: u32) -> LabelId {
        self.segments.iter().find(|s| s.0 == number).map_or(0, |s| s.1.id)
    }
}

fn kind(set: &DataSet<'_>) -> Option<Type> {
    Some(match set.text(tags::SEGMENTATION_TYPE).as_str() {
        "BINARY" => Type::Binary,
        "FRACTIONAL" => Type::Fractional {
            maximum: set.u16(tags::MAXIMUM_FRACTIONAL_VALUE).unwrap_or(255).max(1),
            probability: set.text(tags::SEGMENTATION_FRACTIONAL_TYPE) != "OCCUPANCY",
        },
        "LABELMAP" => Type::LabelMap,
        _ => return None,
    })
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
