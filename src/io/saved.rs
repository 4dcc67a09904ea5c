//! Where a volume is, in a form that can be stored: shared by the project file and the crash journal.

use crate::core::{Geometry, Layer, LayerId, Origin, Segment, ValueScale, Volume, Window, Work};
use crate::io::archive;
use crate::io::bricks::checked_geometry;
use crate::io::types::{DicomStack, Resampling, SliceFile, VolumeSource};
use crate::jobs::JobContext;
use glam::DVec3;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

/// A path that still leads to its file after project and images were moved together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedPath {
    absolute: PathBuf,
    /// From the folder that holds the stored file.
    relative: Option<PathBuf>,
    /// Both lead to a ZIP archive, and this from there to the file.
    #[serde(default)]
    inside: Option<PathBuf>,
}

impl SavedPath {
    fn new(path: &Path, base: &Path) -> Self {
        let (path, inside) = match archive::origin(path) {
            Some((archive, inside)) => (archive, Some(inside)),
            None => (path.to_owned(), None),
        };
        let absolute = std::path::absolute(&path).unwrap_or(path);
        let relative = std::path::absolute(base).ok().and_then(|base| relative_to(&absolute, &base));
        Self { absolute, relative, inside }
    }

    fn resolve(&self, base: &Path) -> PathBuf {
        let beside = self.relative.as_ref().map(|r| base.join(r)).filter(|p| p.exists());
        let path = beside.unwrap_or_else(|| self.absolute.clone());
        let Some(inside) = &self.inside else { return path };
        match archive::file_in(&path, inside, &JobContext::detached()) {
            Ok(Some(file)) => file,
            // Whoever reads the image says that it is not there.
            Ok(None) => path,
            Err(error) => {
                tracing::warn!("{error}");
                path
            }
        }
    }
}

fn relative_to(path: &Path, base: &Path) -> Option<PathBuf> {
    let (path, base): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (path.components().collect(), base.components().collect());
    let common = path.iter().zip(&base).take_while(|(a, b)| a == b).count();
    // Nothing but the root in common: moving both together is unlikely, and on Windows another drive has no way there.
    if common <= 1 {
        return None;
    }
    let up = std::iter::repeat_n(Component::ParentDir, base.len() - common);
    Some(up.chain(path.into_iter().skip(common)).collect())
}

/// A [`VolumeSource`] that can be stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SavedSource {
    Nifti(SavedPath),
    Nrrd(SavedPath),
    Dicom(Box<SavedStack>),
}

/// A DICOM series in the order of its slices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedStack {
    folder: SavedPath,
    geometry: Geometry,
    slices: Vec<SavedSlice>,
    #[serde(default)]
    resampling: Option<Resampling>,
    window: Option<Window>,
    #[serde(default)]
    scale: Option<ValueScale>,
    study_uid: String,
    series_uid: String,
    frame_of_reference_uid: String,
}

/// One slice of a stored DICOM series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedSlice {
    /// From the series' folder.
    path: PathBuf,
    frame: usize,
    sop_class_uid: String,
    sop_instance_uid: String,
    #[serde(default)]
    position: Option<DVec3>,
}

impl SavedSource {
    /// For storing in the folder `base`.
    pub fn new(source: &VolumeSource, base: &Path) -> Self {
        match source {
            VolumeSource::Nifti(path) => Self::Nifti(SavedPath::new(path, base)),
            VolumeSource::Nrrd(path) => Self::Nrrd(SavedPath::new(path, base)),
            VolumeSource::Dicom(stack) => {
                let folder = common_folder(&stack.slices);
                let slice = |s: &SliceFile| SavedSlice {
                    path: s.path.strip_prefix(&folder).unwrap_or(&s.path).to_owned(),
                    frame: s.frame,
                    sop_class_uid: s.sop_class_uid.clone(),
                    sop_instance_uid: s.sop_instance_uid.clone(),
                    position: s.position,
                };
                Self::Dicom(Box::new(SavedStack {
                    slices: stack.slices.iter().map(slice).collect(),
                    folder: SavedPath::new(&folder, base),
                    geometry: stack.geometry,
                    resampling: stack.resampling.clone(),
                    window: stack.window,
                    scale: stack.scale.clone(),
                    study_uid: stack.study_uid.clone(),
                    series_uid: stack.series_uid.clone(),
                    frame_of_reference_uid: stack.frame_of_reference_uid.clone(),
                }))
            }
        }
    }

    /// As read from the folder `base`; `None` when the stored grid or scale is impossible.
    pub fn resolve(&self, base: &Path) -> Option<VolumeSource> {
        Some(match self {
            Self::Nifti(path) => VolumeSource::Nifti(path.resolve(base)),
            Self::Nrrd(path) => VolumeSource::Nrrd(path.resolve(base)),
            Self::Dicom(stack) if stack.scale.as_ref().is_some_and(|s| !s.is_sound()) => return None,
            Self::Dicom(stack) => {
                let folder = stack.folder.resolve(base);
                let slice = |s: &SavedSlice| SliceFile {
                    path: folder.join(&s.path),
                    frame: s.frame,
                    sop_class_uid: s.sop_class_uid.clone(),
                    sop_instance_uid: s.sop_instance_uid.clone(),
                    position: s.position,
                };
                VolumeSource::Dicom(DicomStack {
                    geometry: checked_geometry(&stack.geometry)?,
                    slices: stack.slices.iter().map(slice).collect(),
                    resampling: stack.resampling.clone(),
                    window: stack.window,
                    scale: stack.scale.clone(),
                    study_uid: stack.study_uid.clone(),
                    series_uid: stack.series_uid.clone(),
                    frame_of_reference_uid: stack.frame_of_reference_uid.clone(),
                })
            }
        })
    }
}

fn common_folder(slices: &[SliceFile]) -> PathBuf {
    let mut parents = slices.iter().filter_map(|s| s.path.parent());
    let mut folder = parents.next().unwrap_or(Path::new("")).to_owned();
    for parent in parents {
        while !parent.starts_with(&folder) && folder.pop() {}
    }
    folder
}

/// What makes sure that a mask meets the very image it was drawn on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    pub geometry: Geometry,
    /// SHA-256 of the samples as little-endian 16-bit numbers, in hexadecimal; empty when the image was not yet
    /// completely read.
    pub hu_sha256: String,
}

impl Fingerprint {
    /// Reads every sample once: about a third of a second for 512 x 512 x 300.
    pub fn of(volume: &Volume) -> Self {
        let mut hash = Sha256::new();
        let mut bytes = Vec::with_capacity(1 << 17);
        for chunk in volume.hu().chunks(1 << 16) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|v| v.to_le_bytes()));
            hash.update(&bytes);
        }
        Self { geometry: *volume.geometry(), hu_sha256: hex(&hash.finalize()) }
    }

    /// For an image that is still being read: its grid alone.
    pub fn of_grid(geometry: Geometry) -> Self {
        Self { geometry, hu_sha256: String::new() }
    }

    /// Whether `volume` is the image this was taken from, as far as that was known then.
    pub fn fits(&self, volume: &Volume) -> bool {
        self.geometry.same_grid(volume.geometry(), 1e-3)
            && (self.hu_sha256.is_empty() || self.hu_sha256 == Self::of(volume).hu_sha256)
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// A layer without its voxels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerMeta {
    pub id: LayerId,
    pub name: String,
    pub segments: Vec<Segment>,
    pub origin: Origin,
    pub visible: bool,
    /// Absent in what older programs stored.
    #[serde(default)]
    pub reviewed: bool,
    /// Slices, notes and the list of sources; absent in what older programs stored.
    #[serde(default)]
    pub work: Work,
}

impl From<&Layer> for LayerMeta {
    fn from(layer: &Layer) -> Self {
        Self {
            id: layer.id,
            name: layer.name.clone(),
            segments: layer.segments.clone(),
            origin: layer.origin.clone(),
            visible: layer.visible,
            reviewed: layer.reviewed,
            work: Work { sources: layer.work.sources.without_map(), ..layer.work.clone() },
        }
    }
}

impl LayerMeta {
    /// The layer with these voxels, which all come from where the layer comes from.
    pub fn with_labels(self, labels: crate::core::LabelMap) -> Layer {
        let Self { id, name, segments, origin, visible, reviewed, work } = self;
        Layer { id, name, labels, segments, origin, visible, reviewed, work }
    }

    /// Whether labels are 1 or above and occur once.
    pub fn is_sound(&self) -> bool {
        let mut seen = [false; 256];
        seen[0] = true;
        self.segments.iter().all(|s| !std::mem::replace(&mut seen[usize::from(s.id)], true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_a_move() {
        assert_eq!(relative_to(Path::new("/a/b/c/x.nii"), Path::new("/a/b/p.maskwright")), Some("../c/x.nii".into()));
        assert_eq!(relative_to(Path::new("/a/x"), Path::new("/b/y")), None);
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        std::fs::create_dir_all(old.join("p.maskwright")).unwrap();
        std::fs::write(old.join("ct.nii"), b"").unwrap();
        let saved = SavedPath::new(&old.join("ct.nii"), &old.join("p.maskwright"));
        std::fs::rename(&old, &new).unwrap();
        let found = saved.resolve(&new.join("p.maskwright"));
        assert!(found.exists());
        assert!(found.ends_with("ct.nii"));
    }
}
