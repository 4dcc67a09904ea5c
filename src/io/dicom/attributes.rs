//! Groups of attributes that several kinds of file share. Private to `io::dicom`.

use super::error::DicomError;
use super::guard::with_header;
use super::write::{Builder, clip, now, random_uid};
use crate::io::SliceFile;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use std::path::Path;

/// Columns and rows as DICOM stores them.
///
/// # Errors
/// [`DicomError::Write`] beyond 65535.
pub(super) fn matrix(path: &Path, columns: usize, rows: usize) -> Result<[u16; 2], DicomError> {
    match (u16::try_from(columns), u16::try_from(rows)) {
        (Ok(columns), Ok(rows)) => Ok([columns, rows]),
        _ => {
            let reason = format!("a slice of {columns} x {rows} pixels is larger than DICOM allows");
            Err(DicomError::Write { file: path.into(), reason })
        }
    }
}

/// How grey pixels are stored, all bits used (PS3.3 C.7.6.3).
pub(super) fn grey_pixels(builder: Builder, [columns, rows]: [u16; 2], bits: u16, signed: bool) -> Builder {
    builder
        .words(tags::SAMPLES_PER_PIXEL, &[1])
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .words(tags::ROWS, &[rows])
        .words(tags::COLUMNS, &[columns])
        .words(tags::BITS_ALLOCATED, &[bits])
        .words(tags::BITS_STORED, &[bits])
        .words(tags::HIGH_BIT, &[bits - 1])
        .words(tags::PIXEL_REPRESENTATION, &[u16::from(signed)])
}

/// A reference to the instance that holds a slice.
pub(super) fn reference(slice: &SliceFile) -> Builder {
    Builder::new().text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &slice.sop_class_uid).text(
        tags::REFERENCED_SOP_INSTANCE_UID,
        VR::UI,
        &slice.sop_instance_uid,
    )
}

/// [`reference`] with the frame's number where one file holds several slices of `all`.
pub(super) fn frame_reference<'s>(slice: &SliceFile, mut all: impl Iterator<Item = &'s SliceFile>) -> Builder {
    let shared = slice.frame > 0 || all.any(|s| s.path == slice.path && s.frame != slice.frame);
    match shared {
        true => reference(slice).text(tags::REFERENCED_FRAME_NUMBER, VR::IS, (slice.frame + 1).to_string()),
        false => reference(slice),
    }
}

/// Attributes of patient and study that a derived object shares with its source (PS3.3 C.7.1.1, C.7.2.1, C.7.4.1).
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

/// What a derived object takes over from its source, as the source's header has it.
pub(super) struct Inherited {
    values: Vec<(Tag, VR, String)>,
    /// Slice thickness of the source in mm.
    pub slice_thickness: Option<f64>,
}

impl Inherited {
    /// Reads the header of one source slice, for the file that is to be written at `path`.
    ///
    /// # Errors
    /// As the guard; [`DicomError::Write`] without a slice.
    pub fn of(path: &Path, slice: Option<&SliceFile>) -> Result<Self, DicomError> {
        let slice =
            slice.ok_or_else(|| DicomError::Write { file: path.into(), reason: "the series has no slices".into() })?;
        with_header(&slice.path, |header| {
            let value = |&(tag, vr): &(Tag, VR)| {
                let text = header.set.person_text(tag);
                let text = match vr {
                    // Study and frame of reference must be there even if the source forgot them.
                    VR::UI if text.is_empty() => random_uid(),
                    VR::SH => clip(&text, 16),
                    VR::LO => clip(&text, 64),
                    _ => text,
                };
                (tag, vr, text)
            };
            let slice_thickness = header.set.number(tags::SLICE_THICKNESS).filter(|t| *t > 0.0);
            Ok(Self { values: INHERITED.iter().map(value).collect(), slice_thickness })
        })
    }

    /// A person without a name, in a study and a frame of reference of their own.
    pub fn nobody() -> Self {
        let value = |&(tag, vr): &(Tag, VR)| (tag, vr, if vr == VR::UI { random_uid() } else { String::new() });
        Self { values: INHERITED.iter().map(value).collect(), slice_thickness: None }
    }

    /// A data set with these attributes.
    pub fn builder(&self) -> Builder {
        self.values.iter().fold(Builder::new(), |b, (tag, vr, text)| b.text(*tag, *vr, text))
    }

    /// One of the attributes; empty when it is none of them.
    pub fn text(&self, tag: Tag) -> &str {
        self.values.iter().find(|v| v.0 == tag).map_or("", |v| &v.2)
    }
}

/// The object itself, a series of its own, and the program as equipment.
pub(super) fn derived_object(builder: Builder, sop_class: &str, modality: &str, series: (u32, &str)) -> Builder {
    let (date, time) = now();
    builder
        .text(tags::SOP_CLASS_UID, VR::UI, sop_class)
        .text(tags::SOP_INSTANCE_UID, VR::UI, random_uid())
        .text(tags::SERIES_INSTANCE_UID, VR::UI, random_uid())
        .text(tags::MODALITY, VR::CS, modality)
        .text(tags::SERIES_NUMBER, VR::IS, series.0.to_string())
        .text(tags::SERIES_DESCRIPTION, VR::LO, series.1)
        .text(tags::INSTANCE_NUMBER, VR::IS, "1")
        .text(tags::SERIES_DATE, VR::DA, &date)
        .text(tags::SERIES_TIME, VR::TM, &time)
        .text(tags::MANUFACTURER, VR::LO, "Maskwright")
        .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, "Maskwright")
        .text(tags::DEVICE_SERIAL_NUMBER, VR::LO, "1")
        .text(tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION"))
}
