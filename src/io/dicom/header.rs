//! What a scan needs to know of one file. Private to `io::dicom`.

use super::dataset::DataSet;
use super::error::DicomError;
use super::format::{FalseLength, MAX_FRAMES, PixelFormat, pixel_format};
use super::guard::{Header, with_header};
use super::lut::{ModalityLut, voi_lut};
use super::padding::Padding;
use crate::core::{VoiFunction, Window};
use dicom_dictionary_std::{tags, uids};
use glam::{DVec2, DVec3};
use std::path::{Path, PathBuf};

/// Storage classes of CT slices and volumes.
const CT_CLASSES: [&str; 3] =
    [uids::CT_IMAGE_STORAGE, uids::ENHANCED_CT_IMAGE_STORAGE, uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE];

/// What a file is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Image,
    Segmentation,
    StructureSet,
    /// A folder index.
    Directory,
    /// Reports, plans, presentation states, raw data.
    Other,
}

/// Place and scale of one frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FramePlace {
    pub frame: usize,
    /// Centre of the first pixel, LPS mm.
    pub position: Option<DVec3>,
    /// Unit directions of growing column and growing row index.
    pub orientation: Option<[DVec3; 2]>,
    /// Distance of columns (x) and rows (y) in mm.
    pub spacing: Option<DVec2>,
    pub thickness: Option<f64>,
    /// Not a number when the header holds something that is none: such a frame is not used.
    pub rescale_slope: f64,
    pub rescale_intercept: f64,
    pub has_rescale: bool,
    pub image_type: Vec<String>,
    /// Which of several stacks in one file; empty where there is one.
    pub stack_id: String,
    /// Position in time and number of the acquisition, as the frame itself says.
    pub phase: [i64; 2],
}

impl FramePlace {
    /// Whether position, orientation and spacing are all known.
    pub fn is_complete(&self) -> bool {
        self.position.is_some() && self.orientation.is_some() && self.spacing.is_some()
    }
}

/// The header of one file.
#[derive(Debug, Clone)]
pub(super) struct FileHeader {
    pub path: PathBuf,
    pub kind: Kind,
    pub patient_id: String,
    pub patient_name: String,
    pub study_uid: String,
    pub study_date: String,
    pub study_description: String,
    pub series_uid: String,
    pub series_number: i64,
    pub series_description: String,
    pub frame_of_reference_uid: String,
    pub sop_class_uid: String,
    pub sop_instance_uid: String,
    pub modality: String,
    /// Units of PET as DICOM names them (PS3.3 C.8.9.1); empty elsewhere.
    pub units: String,
    /// The header names no modality; it was told from the storage class.
    pub assumed_modality: bool,
    pub acquisition: i64,
    pub instance: i64,
    /// Where the slice lies along some axis of the machine, mm.
    pub slice_location: Option<f64>,
    /// Distance of the slices' centres, mm; above zero.
    pub spacing_between_slices: Option<f64>,
    pub window: Option<Window>,
    /// A table of grey values in place of, or beside, the window.
    pub has_grey_table: bool,
    pub padding: Option<Padding>,
    /// The ends of the padding in HU where a table and not slope and intercept says what values mean.
    pub padding_by_table: Option<[f64; 2]>,
    /// The samples are declared unsigned, and another attribute is written as a negative sample.
    pub signed_hint: bool,
    /// Why the pixels cannot be used, or how they are stored.
    pub format: Result<PixelFormat, String>,
    /// The pixels are said to be longer than they are.
    pub false_length: Option<FalseLength>,
    pub rows: usize,
    pub columns: usize,
    /// Several samples a pixel: a photograph or a rendering.
    pub colour: bool,
    pub frames: Vec<FramePlace>,
    /// Series that a segmentation or structure set says it belongs to.
    pub referenced_series: Vec<String>,
    /// Files that a folder index lists, as the components of their names. Compared with names, never opened.
    pub listed_files: Vec<Vec<String>>,
}

/// The series that a DICOM SEG or RTSTRUCT says it belongs to; `None` for what is neither.
pub fn series_named_in(path: &Path) -> Option<Vec<String>> {
    let header = FileHeader::read(path).ok()?;
    (!header.referenced_series.is_empty()).then_some(header.referenced_series)
}

impl FileHeader {
    /// Reads the header of `path`.
    ///
    /// # Errors
    /// As the guard.
    pub fn read(path: &Path) -> Result<Self, DicomError> {
        with_header(path, |header| Ok(Self::from_header(path, header)))
    }

    fn from_header(path: &Path, header: &Header<'_>) -> Self {
        let set = header.set;
        let sop_class_uid = match set.text(tags::SOP_CLASS_UID) {
            uid if uid.is_empty() => header.media_class.clone(),
            uid => uid,
        };
        let named = set.text(tags::MODALITY);
        let assumed_modality = named.is_empty() && CT_CLASSES.contains(&sop_class_uid.as_str());
        let modality = if assumed_modality { "CT".to_owned() } else { named };
        let kind = kind(&sop_class_uid, &modality, header);
        let format = match kind {
            Kind::Image => pixel_format(header),
            _ => Err("it is no image".into()),
        };
        Self {
            path: path.into(),
            kind,
            patient_id: set.person_text(tags::PATIENT_ID),
            patient_name: set.person_text(tags::PATIENT_NAME),
            study_uid: set.text(tags::STUDY_INSTANCE_UID),
            study_date: set.text(tags::STUDY_DATE),
            study_description: set.person_text(tags::STUDY_DESCRIPTION),
            series_uid: set.text(tags::SERIES_INSTANCE_UID),
            series_number: set.integer(tags::SERIES_NUMBER).unwrap_or(0),
            series_description: set.person_text(tags::SERIES_DESCRIPTION),
            frame_of_reference_uid: frame_of_reference(set),
            sop_class_uid,
            sop_instance_uid: set.text(tags::SOP_INSTANCE_UID),
            modality,
            units: set.text(tags::UNITS),
            assumed_modality,
            acquisition: set.integer(tags::ACQUISITION_NUMBER).unwrap_or(0),
            instance: set.integer(tags::INSTANCE_NUMBER).unwrap_or(0),
            slice_location: set.number(tags::SLICE_LOCATION),
            spacing_between_slices: set.number(tags::SPACING_BETWEEN_SLICES).filter(|s| *s > 0.0),
            window: window(set),
            has_grey_table: voi_lut(set).is_some(),
            padding: Padding::of(set),
            padding_by_table: format.as_ref().ok().and_then(|format| padding_by_table(set, format)),
            signed_hint: signed_hint(set),
            false_length: format.as_ref().ok().and_then(|format| FalseLength::of(header, format)),
            rows: usize::from(set.u16(tags::ROWS).unwrap_or(0)),
            columns: usize::from(set.u16(tags::COLUMNS).unwrap_or(0)),
            colour: set.u16(tags::SAMPLES_PER_PIXEL).is_some_and(|n| n > 1),
            frames: if kind == Kind::Image { frame_places(set) } else { Vec::new() },
            referenced_series: referenced_series(set),
            listed_files: if kind == Kind::Directory { listed_files(set) } else { Vec::new() },
            format,
        }
    }
}

fn padding_by_table(set: &DataSet<'_>, format: &PixelFormat) -> Option<[f64; 2]> {
    let padding = Padding::of(set)?;
    let table = ModalityLut::table(set, format.signed)?;
    Some(padding.range(format).map(|stored| table.value(stored)))
}

fn kind(sop_class: &str, modality: &str, header: &Header<'_>) -> Kind {
    match sop_class {
        uids::SEGMENTATION_STORAGE | uids::LABEL_MAP_SEGMENTATION_STORAGE => Kind::Segmentation,
        uids::RT_STRUCTURE_SET_STORAGE => Kind::StructureSet,
        uids::MEDIA_STORAGE_DIRECTORY_STORAGE => Kind::Directory,
        uids::RT_DOSE_STORAGE => Kind::Other,
        _ if modality == "RTSTRUCT" => Kind::StructureSet,
        _ if modality == "RTDOSE" => Kind::Other,
        _ if header.pixels.is_some() => Kind::Image,
        // An image class whose pixels are missing is a damaged image, not something to skip in silence.
        uids::CT_IMAGE_STORAGE | uids::ENHANCED_CT_IMAGE_STORAGE => Kind::Image,
        _ => Kind::Other,
    }
}

/// Whether padding or the smallest sample is written as a negative number (VR SS) beside unsigned samples.
fn signed_hint(set: &DataSet<'_>) -> bool {
    let negative = |tag| set.vr(tag) == Some(*b"SS") && set.u16(tag).is_some_and(|v| v >= 0x8000);
    set.u16(tags::PIXEL_REPRESENTATION) == Some(0)
        && [tags::PIXEL_PADDING_VALUE, tags::SMALLEST_IMAGE_PIXEL_VALUE].into_iter().any(negative)
}

/// PS3.3 F.3.2.2 (Directory Information): the referenced file IDs of all records.
fn listed_files(set: &DataSet<'_>) -> Vec<Vec<String>> {
    let records = set.items(tags::DIRECTORY_RECORD_SEQUENCE).iter();
    records.map(|record| record.texts(tags::REFERENCED_FILE_ID)).filter(|id| !id.is_empty()).collect()
}

fn frame_of_reference(set: &DataSet<'_>) -> String {
    match set.text(tags::FRAME_OF_REFERENCE_UID) {
        uid if uid.is_empty() => set
            .item(tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE)
            .map(|i| i.text(tags::FRAME_OF_REFERENCE_UID))
            .unwrap_or_default(),
        uid => uid,
    }
}

/// PS3.3 C.12.4 (Common Instance Reference) for segmentations, C.8.8.5 (Structure Set) for structure sets.
fn referenced_series(set: &DataSet<'_>) -> Vec<String> {
    let direct = set.items(tags::REFERENCED_SERIES_SEQUENCE).iter();
    let nested = set
        .items(tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE)
        .iter()
        .flat_map(|frame| frame.items(tags::RT_REFERENCED_STUDY_SEQUENCE))
        .flat_map(|study| study.items(tags::RT_REFERENCED_SERIES_SEQUENCE));
    let mut uids: Vec<String> =
        direct.chain(nested).map(|s| s.text(tags::SERIES_INSTANCE_UID)).filter(|u| !u.is_empty()).collect();
    uids.sort_unstable();
    uids.dedup();
    uids
}

/// First window of the header (PS3.3 C.11.2), of the shared or first frame's group in enhanced images.
fn window(set: &DataSet<'_>) -> Option<Window> {
    let holder = functional_group(set, 0, tags::FRAME_VOILUT_SEQUENCE).unwrap_or(set);
    let window_center = holder.number(tags::WINDOW_CENTER)?;
    let window_width = holder.number(tags::WINDOW_WIDTH).filter(|w| *w > 0.0)?;
    let function = match holder.text(tags::VOILUT_FUNCTION).as_str() {
        "LINEAR_EXACT" => VoiFunction::LinearExact,
        "SIGMOID" => VoiFunction::Sigmoid,
        _ => VoiFunction::Linear,
    };
    Some(Window { window_center, window_width, function })
}

/// The item of a functional group macro: the frame's own, else the shared one (PS3.3 C.7.6.16).
pub(super) fn functional_group<'s, 'a>(
    set: &'s DataSet<'a>,
    frame: usize,
    group: dicom_core::Tag,
) -> Option<&'s DataSet<'a>> {
    let own = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).get(frame).and_then(|g| g.item(group));
    own.or_else(|| set.item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)?.item(group))
}

/// Place and scale of every frame, from the functional groups where there are any, else from the top level.
pub(super) fn frame_places(set: &DataSet<'_>) -> Vec<FramePlace> {
    // One place more than a file may have frames is enough to see that there are too many.
    let frames = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).len().clamp(1, MAX_FRAMES + 1);
    (0..frames)
        .map(|frame| {
            let holder = |group| functional_group(set, frame, group).unwrap_or(set);
            let measures = holder(tags::PIXEL_MEASURES_SEQUENCE);
            let scale = holder(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
            let content = functional_group(set, frame, tags::FRAME_CONTENT_SEQUENCE);
            FramePlace {
                frame,
                position: holder(tags::PLANE_POSITION_SEQUENCE).vector(tags::IMAGE_POSITION_PATIENT),
                orientation: orientation(holder(tags::PLANE_ORIENTATION_SEQUENCE)),
                spacing: spacing(measures),
                thickness: measures.number(tags::SLICE_THICKNESS).filter(|t| *t > 0.0),
                rescale_slope: or_default(scale, tags::RESCALE_SLOPE, 1.0),
                rescale_intercept: or_default(scale, tags::RESCALE_INTERCEPT, 0.0),
                has_rescale: scale.has(tags::RESCALE_SLOPE) || set.has(tags::MODALITY_LUT_SEQUENCE),
                image_type: match functional_group(set, frame, tags::CT_IMAGE_FRAME_TYPE_SEQUENCE) {
                    Some(group) => group.texts(tags::FRAME_TYPE),
                    None => set.texts(tags::IMAGE_TYPE),
                },
                stack_id: content.map(|c| c.text(tags::STACK_ID)).unwrap_or_default(),
                phase: content.map_or([0; 2], |c| {
                    let acquisition = c.u16(tags::FRAME_ACQUISITION_NUMBER).unwrap_or(0);
                    [i64::from(c.u32(tags::TEMPORAL_POSITION_INDEX).unwrap_or(0)), i64::from(acquisition)]
                }),
            }
        })
        .collect()
}

/// The attribute's number, `default` when it is absent, not-a-number when it is unreadable.
fn or_default(set: &DataSet<'_>, tag: dicom_core::Tag, default: f64) -> f64 {
    if set.has(tag) { set.number(tag).unwrap_or(f64::NAN) } else { default }
}

/// Unit row and column directions, orthogonal to within rounding; `None` when they span no plane.
fn orientation(set: &DataSet<'_>) -> Option<[DVec3; 2]> {
    let [a, b, c, d, e, f] = set.leading::<6>(tags::IMAGE_ORIENTATION_PATIENT)?;
    let (row, column) = (DVec3::new(a, b, c), DVec3::new(d, e, f));
    let (row, column) = (row.try_normalize()?, column.try_normalize()?);
    // Headers round to a few digits; a skew beyond half a degree is no rounding.
    (row.dot(column).abs() < 0.01).then_some([row, column])
}

/// Pixel spacing as (column distance, row distance): the header gives the row distance first.
fn spacing(set: &DataSet<'_>) -> Option<DVec2> {
    let [row, column] = set.leading::<2>(tags::PIXEL_SPACING)?;
    (row > 0.0 && column > 0.0).then_some(DVec2::new(column, row))
}
