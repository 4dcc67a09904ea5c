//! What a scan finds and what a loader gives: shared by every reader and writer.

use crate::core::{Geometry, ValueScale, Window};
use crate::io::archive;
use crate::io::image_stack::Pictures;
use crate::io::scan::COPY;
use glam::DVec3;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing is lost.
    Note,
    /// Something was assumed, skipped or will look different.
    Warning,
    /// This file or series cannot be opened.
    Error,
}

/// One plain sentence about a file or series: what was found and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Stable short name for scripts, for example `missing-slices`.
    pub code: &'static str,
    pub text: String,
    pub file: Option<PathBuf>,
}

impl Finding {
    /// A finding about no single file.
    pub fn new(severity: Severity, code: &'static str, text: impl Into<String>) -> Self {
        Self { severity, code, text: text.into(), file: None }
    }

    /// The same about a file.
    #[must_use]
    pub fn about(self, file: &Path) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }

    /// The text as it is shown, with the file's own name before it where nothing else says which file it is about:
    /// neither the text nor `title`, under which it stands.
    pub fn told(&self, title: &str) -> Cow<'_, str> {
        let words = self.words();
        match self.file_name().filter(|name| *name != title && !words.contains(&**name)) {
            Some(name) => format!("{name}: {words}").into(),
            None => words,
        }
    }

    /// The text, with the name that an archive gave a file of its own instead of the temporary one.
    pub fn words(&self) -> Cow<'_, str> {
        let text = self.text.as_str();
        let Some(file) = self.file.as_deref() else { return text.into() };
        let Some(own) = archive::shown_name(file) else { return text.into() };
        let (path, name) = (file.to_string_lossy(), file.file_name().unwrap_or_default().to_string_lossy());
        if text.contains(&*path) {
            text.replace(&*path, &own).into()
        } else if text.contains(&*name) {
            text.replace(&*name, &own).into()
        } else {
            text.into()
        }
    }

    /// The file as it can be named: one from an archive by the archive and its name there, which is no path.
    pub fn place(&self) -> Option<String> {
        let file = self.file.as_deref()?;
        Some(match (archive::origin(file), archive::shown_name(file)) {
            (Some((archive, _)), Some(name)) => format!("{}: {name}", archive.display()),
            _ => file.display().to_string(),
        })
    }

    fn file_name(&self) -> Option<Cow<'_, str>> {
        let file = self.file.as_deref()?;
        archive::shown_name(file).map(Cow::from).or_else(|| file.file_name().map(OsStr::to_string_lossy))
    }
}

/// What lies under a path.
#[derive(Debug, Clone)]
pub struct Scan {
    pub root: PathBuf,
    pub patients: Vec<Patient>,
    /// Masks that belong to no single series (for example an RTSTRUCT without its CT).
    pub masks: Vec<MaskSource>,
    /// What concerns the folder as a whole or files that were skipped.
    pub findings: Vec<Finding>,
}

impl Scan {
    /// All series of all patients.
    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.patients.iter().flat_map(|p| &p.studies).flat_map(|s| &s.series)
    }
}

/// One person. `label` (`Patient 1`) is safe everywhere; `id` and `name` are for the window alone.
#[derive(Debug, Clone)]
pub struct Patient {
    pub label: String,
    pub id: String,
    pub name: String,
    pub studies: Vec<Study>,
}

/// One examination. `date` is for the window alone.
#[derive(Debug, Clone)]
pub struct Study {
    pub label: String,
    pub date: String,
    pub description: String,
    pub series: Vec<Series>,
}

/// One image stack, or one volume file.
#[derive(Debug, Clone)]
pub struct Series {
    /// Safe to show and log: `CT 3`, or a file name.
    pub label: String,
    pub modality: String,
    pub description: String,
    /// Number of slices.
    pub slices: usize,
    /// The grid it will open with; `None` when it cannot be opened as a volume.
    pub geometry: Option<Geometry>,
    pub source: Option<VolumeSource>,
    pub masks: Vec<MaskSource>,
    pub findings: Vec<Finding>,
    /// The same slices on a regular grid, for a series that was tilted or unevenly spaced: for the user to choose.
    /// Parts of one series share it.
    pub resampled: Option<Arc<DicomStack>>,
}

impl Series {
    /// CT with a usable grid.
    pub fn can_open(&self) -> bool {
        self.geometry.is_some() && self.source.is_some() && !self.can_lay_over()
    }

    /// No CT, and opened for nothing but to be laid over one: PET, MR.
    pub fn can_lay_over(&self) -> bool {
        matches!(&self.source, Some(VolumeSource::Dicom(stack)) if stack.scale.is_some())
    }

    /// A file that holds the image of a DICOM series beside it.
    pub fn is_copy(&self) -> bool {
        self.findings.iter().any(|f| f.code == COPY)
    }

    /// The series as it opens on its regular grid; `None` when none is offered.
    pub fn resample(&self) -> Option<Self> {
        let stack = self.resampled.as_deref()?;
        let reason = stack.resampling.as_ref()?.reason.clone();
        // What is wrong with the parts is wrong no more.
        let mended = ["missing-slices", "uneven-spacing", "shifted-slices", "gantry-tilt", "can-be-resampled"];
        let mut findings: Vec<Finding> = self.findings.iter().filter(|f| !mended.contains(&f.code)).cloned().collect();
        let text = format!("{reason} It was resampled to a regular grid.");
        findings.push(Finding { severity: Severity::Note, code: "resampled", text, file: None });
        Some(Self {
            label: self.label.split(" part ").next().unwrap_or_default().to_owned(),
            slices: stack.geometry.dims()[2],
            geometry: Some(stack.geometry),
            source: Some(VolumeSource::Dicom(stack.clone())),
            findings,
            resampled: None,
            ..self.clone()
        })
    }

    /// CT that opens, at least once it is resampled.
    pub fn can_open_somehow(&self) -> bool {
        self.can_open() || self.resampled.is_some()
    }

    /// The label as a person reads it: a volume file of a ZIP archive by what the archive calls it. To be shown and nothing
    /// else, as that name is somebody else's: files and settings take the label.
    pub fn shown_label(&self) -> Cow<'_, str> {
        self.source
            .as_ref()
            .and_then(VolumeSource::name_in_archive)
            .map_or_else(|| self.label.as_str().into(), Cow::from)
    }

    /// Nothing says that it is something else than CT.
    pub fn may_be_ct(&self) -> bool {
        matches!(self.modality.as_str(), "" | "CT")
    }
}

/// Where a volume's samples are.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one a series: a box would save nothing that counts")]
pub enum VolumeSource {
    /// Slices in ascending order along the normal.
    Dicom(DicomStack),
    Nifti(PathBuf),
    Nrrd(PathBuf),
}

impl VolumeSource {
    /// What a ZIP archive calls the one file that it is, to be shown and nothing else.
    pub fn name_in_archive(&self) -> Option<String> {
        match self {
            Self::Nifti(file) | Self::Nrrd(file) => archive::shown_name(file),
            Self::Dicom(_) => None,
        }
    }
}

/// Files of a DICOM volume in the order of its slices.
#[derive(Debug, Clone)]
pub struct DicomStack {
    /// The grid it opens with: that of the slices, or the one they are resampled onto.
    pub geometry: Geometry,
    /// The slices as they were acquired.
    pub slices: Vec<SliceFile>,
    /// `Some` when `geometry` is not the grid of the slices.
    pub resampling: Option<Resampling>,
    pub window: Option<Window>,
    /// `Some` for a series that is no CT: how its values become samples.
    pub scale: Option<ValueScale>,
    /// For references in exported masks. Never shown, logged or used as a path.
    pub study_uid: String,
    pub series_uid: String,
    pub frame_of_reference_uid: String,
}

/// One frame of one file.
#[derive(Debug, Clone)]
pub struct SliceFile {
    pub path: PathBuf,
    /// Frame within the file, 0 for single-frame files.
    pub frame: usize,
    pub sop_class_uid: String,
    pub sop_instance_uid: String,
    /// Centre of its first pixel, LPS mm; `None` where the header does not say. Always there in a resampled stack.
    pub position: Option<DVec3>,
}

/// How a stack's regular grid differs from the slices it is interpolated from.
///
/// The grid is parallel to the slices, with their pixel spacing; it is their distances and their sideways shifts that
/// are evened out. [`crate::io::dicom::SourceSlices`] maps between the two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resampling {
    /// Columns and rows of a slice.
    pub slice_size: [usize; 2],
    /// Thickness of a slice in mm, as the header says, else the usual distance.
    pub slice_thickness: f64,
    /// Why, as a sentence for the user.
    pub reason: String,
}

/// A mask found beside a volume.
#[derive(Debug, Clone)]
pub struct MaskSource {
    /// Safe to show: organ folder or file name.
    pub name: String,
    pub kind: MaskKind,
}

impl MaskSource {
    /// The name as a person reads it: one file of a ZIP archive by what the archive calls it, see [`Series::shown_label`].
    pub fn shown_name(&self) -> Cow<'_, str> {
        let own = match &self.kind {
            MaskKind::Nifti(file) | MaskKind::Nrrd(file) | MaskKind::Seg(file) | MaskKind::RtStruct(file) => {
                archive::shown_name(file)
            }
            MaskKind::ImageStack(_) | MaskKind::DicomMasks(_) => None,
        };
        own.map_or_else(|| self.name.as_str().into(), Cow::from)
    }
}

/// How a mask is stored.
#[derive(Debug, Clone)]
pub enum MaskKind {
    Nifti(PathBuf),
    Nrrd(PathBuf),
    /// DICOM SEG.
    Seg(PathBuf),
    RtStruct(PathBuf),
    /// One 2-D picture a slice.
    ImageStack(Pictures),
    /// One DICOM mask series an organ (3D-IRCADb): `(organ, files in any order)`.
    DicomMasks(Vec<(String, Vec<PathBuf>)>),
}

/// Events while a volume is read.
#[derive(Debug, Clone)]
pub enum LoadEvent {
    /// First: the grid and the header's window.
    Begin { geometry: Geometry, window: Option<Window> },
    /// One decoded slice along k, `dims[0] * dims[1]` samples in HU.
    Slice { k: usize, hu: Arc<[i16]> },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_its_file_once() {
        let finding = |text: &str| Finding::new(Severity::Note, "x", text);
        assert_eq!(finding("no single file").told("IM1.dcm"), "no single file");
        let about = |text: &str| finding(text).about(Path::new("/folder/IM1.dcm"));
        assert_eq!(about("this file was read once").told(""), "IM1.dcm: this file was read once");
        assert_eq!(about("this file was read once").told("CT 1"), "IM1.dcm: this file was read once");
        assert_eq!(about("this file was read once").told("IM1.dcm"), "this file was read once");
        assert_eq!(about("A slice is left out (IM1.dcm): x.").told("CT 1"), "A slice is left out (IM1.dcm): x.");
    }
}
