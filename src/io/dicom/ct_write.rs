//! Writes CT series: of generated patients, with their DICOM mask series, and of images from elsewhere.
//!
//! PS3.3 A.3 (CT Image IOD), A.8.1 (Secondary Capture). Generated files are marked as a phantom (Quality Control Subject,
//! PS3.3 C.7.1.1); their dates stay empty, so equal input gives equal files. Images from elsewhere are marked as derived
//! (PS3.3 C.7.6.1.1.2) and get identifiers of their own.

use super::attributes::{Inherited, derived_object, grey_pixels, matrix};
use super::error::DicomError;
use super::write::{Builder, clip, derived_uid, now, random_uid};
use crate::core::{Geometry, LabelId, LabelMap, Volume, VoxelBox, Window};
use crate::io::DicomStack;
use crate::io::atomic::FolderWrite;
use crate::jobs::JobContext;
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use glam::DVec3;
use std::io;
use std::path::{Path, PathBuf};

/// Cosine of the angle between rows and columns above which they do not meet at right angles: the far end of a line of
/// 512 pixels would lie a twentieth of a pixel aside.
const RIGHT_ANGLE: f64 = 1e-4;

/// What a generated series says of itself. Nothing here may come from a real patient.
#[derive(Debug, Clone, PartialEq)]
pub struct CtSeriesInfo {
    /// For example `PHANTOM-0001`; also the patient's name.
    pub patient_id: String,
    pub series_description: String,
    pub series_number: u32,
    /// Body part examined, a defined term such as `CHEST`.
    pub body_part: String,
    /// With the patient ID it decides all UIDs: series of one seed and patient share study and frame of reference.
    pub seed: u64,
    pub window: Option<Window>,
}

impl CtSeriesInfo {
    fn uid(&self, parts: &[&str]) -> String {
        let seed = self.seed.to_string();
        let all: Vec<&str> = [seed.as_str(), &self.patient_id].into_iter().chain(parts.iter().copied()).collect();
        derived_uid(&all)
    }
}

/// Writes one CT Image Storage file a slice, `IM_0001.dcm` and so on along k, and returns their paths in that order.
///
/// The folder must exist. The volume's HU come back exactly.
///
/// # Errors
/// [`DicomError::Write`] for the first file that cannot be written, or a grid beyond 65535 rows or columns.
pub fn write_ct_series(dir: &Path, volume: &Volume, info: &CtSeriesInfo) -> Result<Vec<PathBuf>, DicomError> {
    let series = info.uid(&["ct", &info.series_number.to_string()]);
    write_slices(dir, volume, info.window, |k| {
        let header = slice_header(volume.geometry(), k, info, &series)
            .text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE)
            .text(tags::MODALITY, VR::CS, "CT")
            .text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL")
            .text(tags::ACQUISITION_NUMBER, VR::IS, "1")
            .text(tags::KVP, VR::DS, "120");
        Ok(header)
    })
}

/// Writes an image from elsewhere as a CT series into the new folder `folder`, which appears when it is complete.
///
/// It is marked as derived, and series and files get new identifiers. Patient, study and frame of reference are those of
/// `reference`; without one the study is new and the patient has no name.
///
/// # Errors
/// [`DicomError::Write`] where the folder holds files already, rows and columns do not meet at right angles, which DICOM
/// cannot say, or the disk refuses; [`DicomError::Cancelled`]; those of reading the reference's header.
pub fn save_ct_series<E>(
    folder: &Path,
    volume: &Volume,
    reference: Option<&DicomStack>,
    ctx: &JobContext<E>,
) -> Result<(), DicomError> {
    let refuse = |reason: &str| DicomError::Write { file: folder.into(), reason: reason.into() };
    let geometry = volume.geometry();
    let (direction, step) = (geometry.direction(), geometry.world_from_voxel().matrix3.z_axis);
    if direction.x_axis.dot(direction.y_axis).abs() > RIGHT_ANGLE {
        return Err(refuse("its rows and columns do not meet at right angles, as those of DICOM slices must"));
    }
    let inherited = match reference {
        Some(stack) => Inherited::of(folder, stack.slices.first())?,
        None => Inherited::nobody(),
    };
    let thickness = step.dot(direction.x_axis.cross(direction.y_axis)).abs();
    // One series has one identifier and one time; the rest is each file's own.
    let (series, (date, time)) = (random_uid(), now());
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => refuse("it already exists and is not empty; choose a new folder"),
        _ => DicomError::write(folder, &error),
    };
    let out = FolderWrite::begin(folder).map_err(failed)?;
    ctx.progress.say("Writing slices");
    ctx.progress.set(0, geometry.dims()[2] as u64);
    let written = write_slices(out.path(), volume, volume.header_window, |k| {
        if ctx.is_cancelled() {
            return Err(DicomError::Cancelled);
        }
        ctx.progress.step();
        let object =
            derived_object(inherited.builder(), uids::CT_IMAGE_STORAGE, "CT", (9003, "Image converted by Maskwright"));
        let header = placed(object, geometry, k)
            .text(tags::SERIES_INSTANCE_UID, VR::UI, &series)
            .text(tags::SERIES_DATE, VR::DA, &date)
            .text(tags::SERIES_TIME, VR::TM, &time)
            .text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY\\AXIAL")
            .text(tags::DERIVATION_DESCRIPTION, VR::ST, "Converted from another format, or resampled")
            .text(tags::PATIENT_POSITION, VR::CS, "")
            .text(tags::LATERALITY, VR::CS, "")
            .text(tags::ACQUISITION_NUMBER, VR::IS, "")
            .text(tags::KVP, VR::DS, "")
            .decimals(tags::SLICE_THICKNESS, &[thickness]);
        Ok(header)
    });
    // The file's own name is hidden, and gone by now.
    written.map_err(|error| match error {
        DicomError::Write { reason, .. } => refuse(&reason),
        other => other,
    })?;
    out.finish().map_err(failed)
}

/// Writes the slices of an image, `header` giving what comes before the pixels, and returns the paths in their order.
///
/// Stored unsigned with a rescale intercept of -1024 where no value is below it, else signed with 0; both give the
/// volume's HU back exactly.
fn write_slices(
    dir: &Path,
    volume: &Volume,
    window: Option<Window>,
    mut header: impl FnMut(usize) -> Result<Builder, DicomError>,
) -> Result<Vec<PathBuf>, DicomError> {
    let [nx, ny, nz] = volume.geometry().dims();
    let offset: i32 = if volume.range()[0] >= -1024 { 1024 } else { 0 };
    let mut paths = Vec::new();
    for k in 0..nz {
        let path = dir.join(file_name(k));
        let slice = volume.slice(k).unwrap_or_default();
        let mut builder = header(k)?
            .decimals(tags::RESCALE_INTERCEPT, &[f64::from(-offset)])
            .decimals(tags::RESCALE_SLOPE, &[1.0])
            .text(tags::RESCALE_TYPE, VR::LO, "HU");
        if let Some(window) = window {
            builder = builder
                .decimals(tags::WINDOW_CENTER, &[window.window_center])
                .decimals(tags::WINDOW_WIDTH, &[window.window_width]);
        }
        let builder = grey_pixels(builder, matrix(&path, nx, ny)?, 16, offset == 0);
        let bytes: Vec<u8> = slice.iter().flat_map(|hu| ((i32::from(*hu) + offset) as u16).to_le_bytes()).collect();
        builder.save(&path, VR::OW, bytes.len() as u64, |w| w.write_all(&bytes))?;
        paths.push(path);
    }
    Ok(paths)
}

/// Writes one 8-bit file a slice, 255 where the voxel has `label` and 0 elsewhere, as 3D-IRCADb stores its masks.
/// Names, order, positions, study and frame of reference are those of [`write_ct_series`] with the same `info`.
///
/// # Errors
/// As [`write_ct_series`].
pub fn write_mask_series(
    dir: &Path,
    labels: &LabelMap,
    label: LabelId,
    info: &CtSeriesInfo,
) -> Result<Vec<PathBuf>, DicomError> {
    let geometry = labels.geometry();
    let [nx, ny, nz] = geometry.dims();
    let series = info.uid(&["mask", &info.series_number.to_string(), &label.to_string()]);
    let mut slice = vec![0; nx * ny];
    let mut paths = Vec::new();
    for k in 0..nz {
        let path = dir.join(file_name(k));
        labels.copy_box(VoxelBox { min: [0, 0, k], max: [nx, ny, k + 1] }, &mut slice);
        let bytes: Vec<u8> = slice.iter().map(|l| if *l == label { 255 } else { 0 }).collect();
        let builder = slice_header(geometry, k, info, &series)
            .text(tags::SOP_CLASS_UID, VR::UI, uids::SECONDARY_CAPTURE_IMAGE_STORAGE)
            .text(tags::MODALITY, VR::CS, "OT")
            .text(tags::CONVERSION_TYPE, VR::CS, "WSD")
            .text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY");
        grey_pixels(builder, matrix(&path, nx, ny)?, 8, false)
            .save(&path, VR::OB, bytes.len() as u64, |w| w.write_all(&bytes))?;
        paths.push(path);
    }
    Ok(paths)
}

fn file_name(k: usize) -> String {
    format!("IM_{:04}.dcm", k + 1)
}

fn slice_header(geometry: &Geometry, k: usize, info: &CtSeriesInfo, series: &str) -> Builder {
    let header = Builder::new()
        .text(tags::SOP_INSTANCE_UID, VR::UI, derived_uid(&[series, &(k + 1).to_string()]))
        .text(tags::STUDY_INSTANCE_UID, VR::UI, info.uid(&["study"]))
        .text(tags::SERIES_INSTANCE_UID, VR::UI, series)
        .text(tags::FRAME_OF_REFERENCE_UID, VR::UI, info.uid(&["frame"]))
        .text(tags::POSITION_REFERENCE_INDICATOR, VR::LO, "")
        .text(tags::PATIENT_NAME, VR::PN, clip(&info.patient_id, 64))
        .text(tags::PATIENT_ID, VR::LO, clip(&info.patient_id, 64))
        .text(tags::PATIENT_BIRTH_DATE, VR::DA, "")
        .text(tags::PATIENT_SEX, VR::CS, "O")
        .text(tags::QUALITY_CONTROL_SUBJECT, VR::CS, "YES")
        .text(tags::STUDY_DATE, VR::DA, "")
        .text(tags::STUDY_TIME, VR::TM, "")
        .text(tags::STUDY_ID, VR::SH, "1")
        .text(tags::STUDY_DESCRIPTION, VR::LO, "Synthetic phantom")
        .text(tags::ACCESSION_NUMBER, VR::SH, "")
        .text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, "")
        .text(tags::SERIES_NUMBER, VR::IS, info.series_number.to_string())
        .text(tags::SERIES_DESCRIPTION, VR::LO, clip(&info.series_description, 64))
        .text(tags::BODY_PART_EXAMINED, VR::CS, clip(&info.body_part, 16))
        .text(tags::PATIENT_POSITION, VR::CS, "HFS")
        .text(tags::MANUFACTURER, VR::LO, "Maskwright")
        .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, "Phantom generator")
        .text(tags::IMAGE_COMMENTS, VR::LT, "Synthetic: generated, not a patient");
    placed(header, geometry, k)
}

/// Number, place and scale of slice `k`.
fn placed(header: Builder, geometry: &Geometry, k: usize) -> Builder {
    let (direction, spacing) = (geometry.direction(), geometry.spacing());
    let position = geometry.world_from_voxel().transform_point3(DVec3::new(0.0, 0.0, k as f64));
    header
        .text(tags::INSTANCE_NUMBER, VR::IS, (k + 1).to_string())
        .vector(tags::IMAGE_POSITION_PATIENT, position)
        .directions(tags::IMAGE_ORIENTATION_PATIENT, [direction.x_axis, direction.y_axis])
        .text(tags::PATIENT_ORIENTATION, VR::CS, format!("{}\\{}", geometry.letter(0, true), geometry.letter(1, true)))
        .decimals(tags::PIXEL_SPACING, &[spacing.y, spacing.x])
        .decimals(tags::SLICE_THICKNESS, &[spacing.z])
}
