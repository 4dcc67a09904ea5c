//! Files that tests generate: CT slices with every attribute that a scan looks at, and raw elements.

use super::write::Builder;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use glam::DVec3;
use std::path::{Path, PathBuf};

/// A CT slice of 4 x 3 pixels with plain values; tests change what they are about.
#[derive(Clone)]
pub(super) struct TestSlice {
    pub name: String,
    pub patient: &'static str,
    pub study: &'static str,
    pub series: &'static str,
    pub instance: usize,
    pub sop: String,
    pub modality: &'static str,
    pub image_type: &'static str,
    pub position: Option<[f64; 3]>,
    pub orientation: [f64; 6],
    pub spacing: [f64; 2],
    pub acquisition: usize,
    pub slope: f64,
    pub intercept: f64,
    pub samples: u16,
    pub stored: [u16; 12],
    pub signed: bool,
    /// What else the header holds, or holds instead.
    pub more: fn(Builder) -> Builder,
}

impl TestSlice {
    pub fn at(z: f64) -> Self {
        Self {
            name: format!("slice{z:e}.dcm"),
            patient: "P",
            study: "1.2.1",
            series: "1.2.2",
            instance: 1,
            sop: format!("1.2.3.{}", (z * 100.0).abs() as u64),
            modality: "CT",
            image_type: "ORIGINAL\\PRIMARY\\AXIAL",
            position: Some([0.0, 0.0, z]),
            orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            spacing: [0.7; 2],
            acquisition: 1,
            slope: 1.0,
            intercept: -1024.0,
            samples: 1,
            stored: [1024; 12],
            signed: false,
            more: |builder| builder,
        }
    }

    /// A slice at `position` whose pixels are `hu` of their place in the patient, rounded.
    pub fn of(n: usize, position: DVec3, orientation: [f64; 6], hu: impl Fn(DVec3) -> f64) -> Self {
        let mut slice = Self::at(n as f64);
        let [a, b, c, d, e, f] = orientation;
        let (across, down) = (DVec3::new(a, b, c) * slice.spacing[1], DVec3::new(d, e, f) * slice.spacing[0]);
        (slice.position, slice.orientation, slice.instance) = (Some(position.to_array()), orientation, n + 1);
        for (pixel, stored) in slice.stored.iter_mut().enumerate() {
            let place = position + across * (pixel % 4) as f64 + down * (pixel / 4) as f64;
            *stored = (hu(place).round() - slice.intercept) as u16;
        }
        slice
    }

    pub fn write(&self, dir: &Path) -> PathBuf {
        let path = dir.join(&self.name);
        let mut builder = Builder::new()
            .text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE)
            .text(tags::SOP_INSTANCE_UID, VR::UI, &self.sop)
            .text(tags::PATIENT_ID, VR::LO, self.patient)
            .text(tags::STUDY_INSTANCE_UID, VR::UI, self.study)
            .text(tags::SERIES_INSTANCE_UID, VR::UI, self.series)
            .text(tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.4")
            .text(tags::MODALITY, VR::CS, self.modality)
            .text(tags::IMAGE_TYPE, VR::CS, self.image_type)
            .text(tags::INSTANCE_NUMBER, VR::IS, self.instance.to_string())
            .text(tags::ACQUISITION_NUMBER, VR::IS, self.acquisition.to_string())
            .decimals(tags::IMAGE_ORIENTATION_PATIENT, &self.orientation)
            .decimals(tags::PIXEL_SPACING, &self.spacing)
            .decimals(tags::SLICE_THICKNESS, &[2.5])
            .decimals(tags::RESCALE_SLOPE, &[self.slope])
            .decimals(tags::RESCALE_INTERCEPT, &[self.intercept])
            .words(tags::SAMPLES_PER_PIXEL, &[self.samples])
            .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
            .words(tags::ROWS, &[3])
            .words(tags::COLUMNS, &[4])
            .words(tags::BITS_ALLOCATED, &[16])
            .words(tags::BITS_STORED, &[16])
            .words(tags::HIGH_BIT, &[15])
            .words(tags::PIXEL_REPRESENTATION, &[u16::from(self.signed)]);
        if let Some(position) = self.position {
            builder = builder.decimals(tags::IMAGE_POSITION_PATIENT, &position);
        }
        builder = (self.more)(builder);
        let bytes: Vec<u8> = self.stored.iter().flat_map(|v| v.to_le_bytes()).collect();
        builder.save(&path, VR::OW, bytes.len() as u64, |w| w.write_all(&bytes)).unwrap();
        path
    }
}

/// A frame of an enhanced CT of 4 x 3 pixels.
#[derive(Clone, Copy)]
pub(super) struct TestFrame {
    pub position: [f64; 3],
    pub stack: &'static str,
    pub time: u32,
    pub slope: f64,
    pub intercept: f64,
    pub stored: u16,
}

impl TestFrame {
    pub fn at(z: f64, stored: u16) -> Self {
        Self { position: [0.0, 0.0, z], stack: "1", time: 1, slope: 1.0, intercept: -1024.0, stored }
    }

    fn groups(&self) -> Builder {
        let content =
            Builder::new().text(tags::STACK_ID, VR::SH, self.stack).longs(tags::TEMPORAL_POSITION_INDEX, &[self.time]);
        let place = Builder::new().decimals(tags::IMAGE_POSITION_PATIENT, &self.position);
        let scale = Builder::new()
            .decimals(tags::RESCALE_SLOPE, &[self.slope])
            .decimals(tags::RESCALE_INTERCEPT, &[self.intercept]);
        Builder::new()
            .items(tags::FRAME_CONTENT_SEQUENCE, [content])
            .items(tags::PLANE_POSITION_SEQUENCE, [place])
            .items(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, [scale])
    }
}

/// Writes the frames, in this order, as one enhanced CT.
pub(super) fn write_enhanced(path: &Path, frames: &[TestFrame]) {
    write_enhanced_with(path, frames, |shared| shared);
}

/// [`write_enhanced`] with more in the group that all frames share.
pub(super) fn write_enhanced_with(path: &Path, frames: &[TestFrame], more: fn(Builder) -> Builder) {
    let shared = Builder::new()
        .items(
            tags::PLANE_ORIENTATION_SEQUENCE,
            [Builder::new().decimals(tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])],
        )
        .items(
            tags::PIXEL_MEASURES_SEQUENCE,
            [Builder::new().decimals(tags::PIXEL_SPACING, &[0.7, 0.7]).decimals(tags::SLICE_THICKNESS, &[2.5])],
        );
    let bytes: Vec<u8> = frames.iter().flat_map(|f| [f.stored; 12]).flat_map(u16::to_le_bytes).collect();
    Builder::new()
        .text(tags::SOP_CLASS_UID, VR::UI, uids::ENHANCED_CT_IMAGE_STORAGE)
        .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3")
        .text(tags::PATIENT_ID, VR::LO, "P")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.1")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.2")
        .text(tags::MODALITY, VR::CS, "CT")
        .text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\VOLUME\\NONE")
        .words(tags::SAMPLES_PER_PIXEL, &[1])
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .text(tags::NUMBER_OF_FRAMES, VR::IS, frames.len().to_string())
        .words(tags::ROWS, &[3])
        .words(tags::COLUMNS, &[4])
        .words(tags::BITS_ALLOCATED, &[16])
        .words(tags::BITS_STORED, &[16])
        .words(tags::HIGH_BIT, &[15])
        .words(tags::PIXEL_REPRESENTATION, &[0])
        .items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, [more(shared)])
        .items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.iter().map(TestFrame::groups))
        .save(path, VR::OW, bytes.len() as u64, |w| w.write_all(&bytes))
        .unwrap();
}

/// One element in explicit VR little endian with a short length.
pub(super) fn explicit(Tag(group, element): Tag, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut out = [group.to_le_bytes(), element.to_le_bytes(), *vr, (value.len() as u16).to_le_bytes()].concat();
    out.extend_from_slice(value);
    out
}

/// A Part 10 file of the given transfer syntax around a data set.
pub(super) fn part10(syntax: &str, data_set: &[u8]) -> Vec<u8> {
    let mut uid = syntax.as_bytes().to_vec();
    if uid.len() % 2 == 1 {
        uid.push(0);
    }
    let mut out = vec![0; 128];
    out.extend_from_slice(b"DICM");
    out.extend(explicit(tags::TRANSFER_SYNTAX_UID, b"UI", &uid));
    out.extend_from_slice(data_set);
    out
}
