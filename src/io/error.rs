//! The one error of reading and writing: every format's own error, and what concerns paths and grids.

use crate::io::archive::ArchiveError;
use crate::io::atomic::plain_reason;
use crate::io::dicom::DicomError;
use crate::io::image_stack::ImageStackError;
use crate::io::nifti::NiftiError;
use crate::io::nrrd::NrrdError;
use crate::io::project::ProjectError;
use std::io;
use std::path::PathBuf;

/// Why something could not be read or written; the text is one plain sentence.
#[derive(Debug, thiserror::Error)]
pub enum IoError {
    #[error(transparent)]
    Dicom(#[from] DicomError),
    #[error(transparent)]
    Nifti(#[from] NiftiError),
    #[error(transparent)]
    Nrrd(#[from] NrrdError),
    #[error(transparent)]
    ImageStack(#[from] ImageStackError),
    #[error(transparent)]
    Mesh(#[from] crate::io::mesh::MeshError),
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Journal(#[from] crate::io::journal::JournalError),
    /// The path names nothing.
    #[error("{} does not exist; check the name and try again", .0.display())]
    Missing(PathBuf),
    /// The operating system refused.
    #[error("{} cannot be read: {}", path.display(), plain_reason(source))]
    Unreadable { path: PathBuf, source: io::Error },
    /// A folder without files.
    #[error("{} is empty; choose the folder that holds the images", .0.display())]
    EmptyFolder(PathBuf),
    /// Files, but none of a kind that is read here.
    #[error("nothing in {} can be opened: no DICOM, NIfTI or NRRD image and no mask was found", .0.display())]
    NothingFound(PathBuf),
    /// Files of a kind that is read here, but nothing in them that can be shown.
    #[error("{} holds nothing that can be opened: {reason}", path.display())]
    NothingUsable { path: PathBuf, reason: String },
    /// A single file of no known kind.
    #[error("{} is of no kind that can be opened; choose DICOM, NIfTI (.nii, .nii.gz), NRRD, PNG or a project", .0.display())]
    UnknownKind(PathBuf),
    /// A name from which the kind to write cannot be told.
    #[error("{} was not saved: {what} can be written as {kinds}; choose one of these endings", path.display())]
    UnknownTarget { path: PathBuf, what: &'static str, kinds: &'static str },
    /// DICOM SEG needs the series it refers to.
    #[error("{} was not saved: a DICOM mask refers to the DICOM series it was drawn on; open that series first", .0.display())]
    NeedsSeries(PathBuf),
    /// This kind of mask says too little about its place without the image.
    #[error("{} needs the image it belongs to; name the series as reference", .0.display())]
    NeedsReference(PathBuf),
    /// Mask and image have different sizes.
    #[error("the mask is {} voxels, the image {}: choose the mask that belongs to this image", sides(.mask), sides(.image))]
    GridMismatch { mask: [usize; 3], image: [usize; 3] },
    /// Equal sizes, but another place in the patient.
    #[error(
        "the mask has the image's size but lies {distance_mm:.1} mm away from it: choose the mask that belongs to this image"
    )]
    GridElsewhere { distance_mm: f64 },
    /// More labels than can be told apart.
    #[error("{} holds more than 255 different labels; choose a file with fewer", .0.display())]
    TooManyLabels(PathBuf),
    /// Nothing that can be opened as a CT volume.
    #[error("{} holds no image series that can be opened{}", path.display(), reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default())]
    NoSeries { path: PathBuf, reason: Option<String> },
    /// More than one image, and none was asked for.
    #[error("{} holds {} images ({}): choose one with --series", path.display(), .known.len(), list(.known))]
    SeveralSeries { path: PathBuf, known: Vec<String> },
    /// More than one mask, and none was asked for.
    #[error("{} holds {} masks ({}): choose one with --mask-name", path.display(), .known.len(), list(.known))]
    SeveralMasks { path: PathBuf, known: Vec<String> },
    /// A name that no mask has.
    #[error("{} holds no mask {asked:?}: choose among {}", path.display(), list(.known))]
    UnknownMask { path: PathBuf, asked: String, known: Vec<String> },
    /// Slices are missing or cannot be read.
    #[error(
        "{} can be opened in part only: {} To go on with what there is, choose --series {}",
        path.display(),
        .reason,
        list(.known)
    )]
    PartOnly { path: PathBuf, reason: String, known: Vec<String> },
    /// A label that no series has.
    #[error("{} holds no image {asked:?}: choose among {}", path.display(), list(.known))]
    UnknownSeries { path: PathBuf, asked: String, known: Vec<String> },
    /// The caller asked to stop.
    #[error("it was stopped before the end")]
    Cancelled,
}

impl IoError {
    /// Whether the caller's own request to stop is the cause.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled | Self::Dicom(DicomError::Cancelled) | Self::Archive(ArchiveError::Cancelled) => true,
            Self::Nifti(e) => e.is_cancelled(),
            Self::Nrrd(e) => e.is_cancelled(),
            Self::ImageStack(e) => matches!(e, ImageStackError::Cancelled),
            _ => false,
        }
    }

    /// For a path that could not be opened: missing is told apart from the rest.
    pub fn from_open(path: &std::path::Path, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::NotFound {
            Self::Missing(path.to_owned())
        } else {
            Self::Unreadable { path: path.to_owned(), source }
        }
    }
}

/// Labels for a choice, the first dozen of many.
fn list(labels: &[String]) -> String {
    let mut text = labels.iter().take(12).map(|l| format!("{l:?}")).collect::<Vec<_>>().join(", ");
    if labels.len() > 12 {
        text.push_str(", …");
    }
    text
}

fn sides(d: &[usize; 3]) -> String {
    format!("{} x {} x {}", d[0], d[1], d[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_name_sizes_and_files() {
        let e = IoError::GridMismatch { mask: [64, 64, 10], image: [512, 512, 57] };
        assert_eq!(
            e.to_string(),
            "the mask is 64 x 64 x 10 voxels, the image 512 x 512 x 57: choose the mask that belongs to this image"
        );
        let e = IoError::from_open(std::path::Path::new("/a/b"), io::ErrorKind::NotFound.into());
        assert_eq!(e.to_string(), "/a/b does not exist; check the name and try again");
    }
}
