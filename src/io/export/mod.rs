//! Exports of several files that belong together: a data set for nnU-Net, masks of many cases, de-identified copies.
//!
//! Each fills a folder of its own that appears when it is complete. Files are named by numbers: nothing that a file or
//! a person calls a patient becomes a name. The command line and the workspace call this.

mod deidentified;
mod layers;
mod nnunet;
#[cfg(test)]
mod tests;

pub use deidentified::{DeidInput, export_deidentified};
pub use layers::{LayerCase, LayerKind, export_layers, told_apart};
pub use nnunet::{ExportCase, export_nnunet};

use crate::core::{Layer, Volume};
use crate::io::atomic::{FolderWrite, plain_reason};
use crate::io::dicom::DicomError;
use crate::io::error::IoError;
use crate::io::mesh::MeshError;
use crate::io::open::load_volume;
use crate::io::project::{ProjectData, ProjectError, load_project};
use crate::io::types::{DicomStack, LoadEvent, VolumeSource};
use crate::jobs::{JobContext, Waker};
use std::io;
use std::path::{Path, PathBuf};

/// Why an export was refused or failed. Nothing that looks finished is left.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("{} already exists and is not empty; choose a new folder", .0.display())]
    Occupied(PathBuf),
    #[error("no layer is marked as reviewed; look at the masks and mark those that are right")]
    NoneReviewed,
    #[error("{0} has several layers marked as reviewed; leave the mark on the one to export")]
    SeveralReviewed(String),
    #[error("{0} has several layers and none is marked as reviewed; name one of them with --layer, or mark it")]
    SeveralLayers(String),
    #[error("{place} has no layer called {name:?}; its layers are {}", known.join(", "))]
    UnknownLayer { place: String, name: String, known: Vec<String> },
    #[error("{0} has no layer to export; open it and draw or import one")]
    NoLayer(String),
    #[error("{0} has several layers, whose segments may overlap; such a file holds one: choose seg, rtstruct or nrrd")]
    OneLayer(String),
    /// The cases cannot be one data set.
    #[error("{0}")]
    Contradiction(String),
    #[error("the mask of {0} is not on its image's grid; import it again")]
    Grid(String),
    #[error(
        "the image of {0} is no DICOM series, so there is nothing to de-identify; export it as NIfTI or NRRD instead"
    )]
    NotDicom(String),
    #[error("there is no DICOM image, segmentation or structure set that can be copied{}", .0.as_ref().map(|r| format!(". {r}")).unwrap_or_default())]
    NothingToCopy(Option<String>),
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Mesh(#[from] MeshError),
    #[error("{} was not saved: {}; choose another place or free some space", path.display(), plain_reason(source))]
    Write { path: PathBuf, source: io::Error },
    #[error("the export was stopped before the end")]
    Cancelled,
}

impl From<DicomError> for ExportError {
    fn from(error: DicomError) -> Self {
        Self::Io(error.into())
    }
}

impl ExportError {
    /// Whether the caller's own request to stop is the cause.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled | Self::Mesh(MeshError::Cancelled) => true,
            Self::Io(e) => e.is_cancelled(),
            _ => false,
        }
    }
}

fn begin(out: &Path) -> Result<FolderWrite, ExportError> {
    FolderWrite::begin(out).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => ExportError::Occupied(out.to_owned()),
        _ => ExportError::Write { path: out.to_owned(), source },
    })
}

fn finish(folder: FolderWrite, out: &Path) -> Result<(), ExportError> {
    folder.finish().map_err(|source| ExportError::Write { path: out.to_owned(), source })
}

fn stop<E>(ctx: &JobContext<E>) -> Result<(), ExportError> {
    if ctx.is_cancelled() { Err(ExportError::Cancelled) } else { Ok(()) }
}

/// Name of the `n`-th case, from 1.
fn case_name(n: usize) -> String {
    format!("case_{n:03}")
}

/// A project whose image may be read later.
pub struct ProjectCase {
    /// The project's folder, for messages.
    pub place: String,
    folder: PathBuf,
    pub data: ProjectData,
}

impl ProjectCase {
    /// Reads the project without its image.
    ///
    /// # Errors
    /// Those of the project file.
    pub fn open(folder: &Path) -> Result<Self, ExportError> {
        let data = load_project(folder).map_err(IoError::from)?;
        Ok(Self { place: folder.display().to_string(), folder: folder.to_owned(), data })
    }

    /// The image, which is checked to be the one that the layers were drawn on.
    ///
    /// # Errors
    /// [`IoError`] when it cannot be read or is another one.
    pub fn image<E>(&self, ctx: &JobContext<E>) -> Result<Volume, IoError> {
        let source = self.data.source.as_ref().ok_or_else(|| ProjectError::NoVolume(self.folder.clone()))?;
        let (quiet, _) = JobContext::<LoadEvent>::attached(ctx.cancel.clone(), Default::default(), Waker::none());
        let volume = load_volume(source, &quiet)?;
        self.data.check_volume(&self.folder, &volume)?;
        Ok(volume)
    }

    /// The image's DICOM series, when it is one.
    pub fn stack(&self) -> Option<&DicomStack> {
        match &self.data.source {
            Some(VolumeSource::Dicom(stack)) => Some(stack),
            _ => None,
        }
    }

    /// The layer of this name; without one the reviewed layer, or the only one.
    ///
    /// # Errors
    /// [`ExportError::UnknownLayer`], [`ExportError::SeveralReviewed`], [`ExportError::SeveralLayers`],
    /// [`ExportError::NoLayer`].
    pub fn layer(&self, name: Option<&str>) -> Result<&Layer, ExportError> {
        let layers = &self.data.layers;
        if let Some(name) = name {
            return layers.iter().find(|l| l.name == name).ok_or_else(|| ExportError::UnknownLayer {
                place: self.place.clone(),
                name: name.to_owned(),
                known: layers.iter().map(|l| format!("{:?}", l.name)).collect(),
            });
        }
        if let Some(layer) = reviewed(&self.place, layers)? {
            return Ok(layer);
        }
        match layers.as_slice() {
            [] => Err(ExportError::NoLayer(self.place.clone())),
            [only] => Ok(only),
            _ => Err(ExportError::SeveralLayers(self.place.clone())),
        }
    }
}

/// The layer that is marked as reviewed, if any.
///
/// # Errors
/// [`ExportError::SeveralReviewed`], which names the case by `place`.
pub fn reviewed<'l>(place: &str, layers: &'l [Layer]) -> Result<Option<&'l Layer>, ExportError> {
    let mut marked = layers.iter().filter(|l| l.reviewed);
    match (marked.next(), marked.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(ExportError::SeveralReviewed(place.to_owned())),
    }
}
