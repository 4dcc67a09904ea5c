//! Datasets in the folder layouts that published studies use: finding their cases and writing patients into them.
//!
//! Only folder and file names are interpreted here; pixels are read by the formats' own modules. Training, evaluation
//! and the command line call this.
//!
//! | layout | on disk |
//! | --- | --- |
//! | `ircadb` | `<patient>/PATIENT_DICOM/*` and `<patient>/MASKS_DICOM/<organ>/*` (3D-IRCADb-01) |
//! | `chaos` | `<patient>/DICOM_anon/*.dcm` and `<patient>/Ground/*.png` (CHAOS, CT part) |
//! | `slices` | `images/<patient>_<slice>.dcm` and `masks/<patient>_<slice>.png` |
//! | `nnunet` | `imagesTr/<case>_0000.nii.gz`, `labelsTr/<case>.nii.gz`, `dataset.json`; also without `_0000` (v1, MSD) |
//! | `lungs` | `<patient>/ct/*.dcm` or `<patient>/ct.nii.gz`, and `<patient>/lungs.nii.gz` with 1 left, 2 right |

mod copies;
mod declared;
mod files;
mod folders;
mod loose;
mod paths;
mod write;

#[cfg(test)]
mod tests;

pub(in crate::io) use declared::declared_names;
pub(in crate::io) use declared::write as write_declaration;
pub use write::{PatientInfo, write_patient};

use crate::io::IoError;
use crate::io::atomic::plain_reason;
use crate::io::types::{MaskSource, VolumeSource};
use crate::jobs::JobContext;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A dataset's arrangement of folders and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    Ircadb,
    Chaos,
    Slices,
    NnUnet,
    Lungs,
}

impl Layout {
    /// All layouts, in the order in which [`detect`] tries them.
    pub const ALL: [Self; 5] = [Self::NnUnet, Self::Slices, Self::Ircadb, Self::Chaos, Self::Lungs];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ircadb => "ircadb",
            Self::Chaos => "chaos",
            Self::Slices => "slices",
            Self::NnUnet => "nnunet",
            Self::Lungs => "lungs",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Layout {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|l| l.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| LayoutError::UnknownLayout(text.into()))
    }
}

/// One image with its masks.
#[derive(Debug, Clone)]
pub struct DatasetCase {
    /// Folder name or file stem: safe to show, log and use in tables. Unique within a dataset.
    pub name: String,
    /// Cases of one patient share this; splits into training and test parts go by it.
    pub patient: String,
    pub source: VolumeSource,
    pub masks: Vec<MaskSource>,
    /// Numbers in the masks and their names, where the dataset declares them (nnU-Net's `dataset.json`). A number that
    /// lies in several regions has several names, its own first.
    pub label_names: Vec<(u32, String)>,
}

/// Why a dataset could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    #[error("there is no dataset layout {0:?}; choose ircadb, chaos, slices, nnunet or lungs")]
    UnknownLayout(String),
    #[error("{} does not exist; check the name and try again", .0.display())]
    Missing(PathBuf),
    #[error("{} is not in the layout {layout}: {expected} was looked for; choose another folder or layout", root.display())]
    OtherLayout { root: PathBuf, layout: Layout, expected: &'static str },
    #[error("no image with a mask was found in {}; choose a folder that holds both", .0.display())]
    NoCases(PathBuf),
    #[error("{} cannot be read: {}", path.display(), plain_reason(source))]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a dataset description: {reason}", path.display())]
    Declaration { path: PathBuf, reason: String },
    #[error("{} was not saved: {}; choose another place or free some space", path.display(), plain_reason(source))]
    Write { path: PathBuf, source: io::Error },
    #[error("{} already holds this patient; choose an empty folder", .0.display())]
    Occupied(PathBuf),
    #[error(
        "the mask is not on the image's grid, so the patient was not written; give a mask of the same size and place"
    )]
    Grid,
    #[error(transparent)]
    Io(#[from] IoError),
    #[error("reading the dataset was stopped before the end")]
    Cancelled,
}

impl LayoutError {
    /// Whether the caller's own request to stop is the cause.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled => true,
            Self::Io(e) => e.is_cancelled(),
            _ => false,
        }
    }
}

/// The layout of the dataset, or of the single case, at `root`; `None` when it is in none of them.
pub fn detect(root: &Path) -> Option<Layout> {
    Layout::ALL.into_iter().find(|layout| match layout {
        Layout::NnUnet => files::is_nnunet(root),
        Layout::Slices => files::is_slices(root),
        Layout::Ircadb | Layout::Chaos | Layout::Lungs => folders::is_layout(root, *layout),
    })
}

/// All cases at `root` that have a mask, in natural order of their names.
///
/// `layout` `None` takes what [`detect`] says; where that is nothing, every series that the scan finds with a mask
/// beside it is a case. DICOM headers are read, pixels are not.
///
/// # Errors
/// [`LayoutError::NoCases`] for a folder without any, [`LayoutError::OtherLayout`] when `layout` is not what is there,
/// [`LayoutError::Cancelled`], and failures to read folders.
pub fn find_cases(root: &Path, layout: Option<Layout>, ctx: &JobContext<()>) -> Result<Vec<DatasetCase>, LayoutError> {
    match root.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(LayoutError::Missing(root.into())),
        Err(source) => return Err(LayoutError::Read { path: root.into(), source }),
    }
    let mut cases = match layout.or_else(|| detect(root)) {
        Some(Layout::NnUnet) => files::nnunet(root, ctx)?,
        Some(Layout::Slices) => files::slices(root, ctx)?,
        Some(kind) => folders::cases(root, kind, ctx)?,
        None => loose::cases(root, ctx)?,
    };
    if ctx.is_cancelled() {
        return Err(LayoutError::Cancelled);
    }
    cases.retain(|case| !case.masks.is_empty());
    if cases.is_empty() {
        return Err(LayoutError::NoCases(root.into()));
    }
    paths::make_names_unique(&mut cases);
    Ok(cases)
}
