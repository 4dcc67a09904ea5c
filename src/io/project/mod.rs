//! A project: a folder `NAME.maskwright` with `project.ron` and one file of compressed label bricks a layer.
//!
//! The image is referenced, with a fingerprint, or embedded when it exists nowhere else. Saving writes new brick
//! files under new names, then renames the manifest into place, then removes what it no longer names: whenever it is
//! interrupted, the folder holds the old project or the new one, whole.

mod glance;

pub use glance::{ProjectGlance, glance_at_project, projects_in};

use crate::core::{LabelId, LabelMap, Layer, LayerId, Measurement, Volume, Window};
use crate::io::atomic::{plain_reason, write_atomic, write_atomic_bytes};
use crate::io::bounds::open_regular;
use crate::io::bricks::{BrickReader, MAX_ALL_BRICKS, checked_geometry, filled, write_entry};
use crate::io::nrrd::{NrrdError, save_nrrd_volume};
use crate::io::saved::{Fingerprint, LayerMeta, SavedSource, hex};
use crate::io::types::VolumeSource;
use flate2::{Compression, bufread::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// Ending of a project's folder.
pub const PROJECT_ENDING: &str = "maskwright";
const MANIFEST: &str = "project.ron";
/// Number of the format that is written; older ones are read.
const VERSION: u32 = 2;
const MAX_MANIFEST: u64 = 32 << 20;
const MAGIC: &[u8; 8] = b"MWBRICK1";

/// Why a project could not be saved or opened.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error("{} is no project: it holds no {MANIFEST}", .0.display())]
    NotProject(PathBuf),
    #[error("{} is a project of a newer Maskwright (format {version}) and is not overwritten: save under another name", path.display())]
    NewerThere { path: PathBuf, version: u32 },
    #[error("{} was saved by a newer Maskwright (format {version}, this one reads up to {VERSION}); update the program to open it", path.display())]
    Newer { path: PathBuf, version: u32 },
    #[error("{} is damaged ({what}); open a copy or the project's backup", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("{} cannot be read: {}", path.display(), plain_reason(source))]
    Read { path: PathBuf, source: io::Error },
    #[error("{} was not saved: {}; the previous state is untouched", path.display(), plain_reason(source))]
    Write { path: PathBuf, source: io::Error },
    #[error("{} was not saved: a path in it holds characters that are not text; rename the image's folder", .0.display())]
    PathText(PathBuf),
    #[error("{} was not saved: its image is in no file and was not embedded", .0.display())]
    NoVolume(PathBuf),
    #[error("the image that {} was drawn on has changed; open the original image, or import the masks into a new project", .0.display())]
    OtherVolume(PathBuf),
}

/// What a project holds. Voxels of the image itself are read from `source` by the caller.
#[derive(Debug, Clone)]
pub struct ProjectData {
    /// Safe to show: never a patient's name.
    pub name: String,
    /// Where the image is; `None` only for saving one that is embedded.
    pub source: Option<VolumeSource>,
    pub fingerprint: Fingerprint,
    /// Layers on the image's grid.
    pub layers: Vec<Layer>,
    pub view: ViewState,
    /// The number of a later format that the project was read from as far as this program knows it: saving into it
    /// would lose the rest.
    pub newer: Option<u32>,
}

/// How the case was being looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ViewState {
    pub window: Option<Window>,
    /// The header's table of grey values is shown in place of the window.
    pub table: bool,
    /// Continuous voxel coordinates.
    pub crosshair: Option<[f64; 3]>,
    pub active_layer: Option<LayerId>,
    pub active_segment: Option<LabelId>,
    pub measurements: Vec<Measurement>,
}

#[derive(Deserialize)]
#[serde(rename = "Project")]
struct VersionOnly {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Project")]
struct Manifest {
    version: u32,
    name: String,
    source: SavedVolume,
    fingerprint: Fingerprint,
    layers: Vec<SavedLayer>,
    #[serde(default)]
    view: ViewState,
}

#[derive(Serialize, Deserialize)]
enum SavedVolume {
    /// A file of the project's own folder.
    Embedded(String),
    File(SavedSource),
}

#[derive(Serialize, Deserialize)]
struct SavedLayer {
    layer: LayerMeta,
    bricks: String,
    count: u32,
    sha256: String,
    /// Where voxels come from; absent in the first format.
    #[serde(default)]
    sources: Option<SavedBricks>,
}

/// A file of bricks of the project's own folder.
#[derive(Serialize, Deserialize)]
struct SavedBricks {
    bricks: String,
    count: u32,
    sha256: String,
}

impl ProjectData {
    /// Whether `volume` is the one the layers were drawn on.
    ///
    /// # Errors
    /// [`ProjectError::OtherVolume`]; `path` is the project's, for the message.
    pub fn check_volume(&self, path: &Path, volume: &Volume) -> Result<(), ProjectError> {
        if self.fingerprint.fits(volume) { Ok(()) } else { Err(ProjectError::OtherVolume(path.to_owned())) }
    }
}

/// Whether a path is a project's folder.
pub fn is_project(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(PROJECT_ENDING)) && path.join(MANIFEST).is_file()
}

/// Saves into the folder `dir`, which is made when missing. With `embed` the image is stored inside.
///
/// # Errors
/// [`ProjectError::Write`] and the other saving errors; a project that was there before is untouched then.
pub fn save_project(dir: &Path, data: &ProjectData, embed: Option<&Volume>) -> Result<(), ProjectError> {
    let failed = |source| ProjectError::Write { path: dir.to_owned(), source };
    let there = read_manifest(dir).ok().and_then(|text| ron::from_str::<VersionOnly>(&text).ok());
    if let Some(VersionOnly { version }) = there.filter(|there| there.version > VERSION) {
        return Err(ProjectError::NewerThere { path: dir.to_owned(), version });
    }
    let new = match fs::create_dir(dir) {
        Ok(()) => true,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => false,
        Err(e) => return Err(failed(e)),
    };
    let saved = write_project(dir, data, embed);
    if saved.is_err() {
        // What was written before the disk refused is part of nothing, and takes room that is wanted.
        if new {
            remove_files(dir, |_| false);
            let _ = fs::remove_dir(dir);
        } else if let Some(before) = read_manifest(dir).ok().and_then(|text| ron::from_str(&text).ok()) {
            remove_unused(dir, &before);
        }
    }
    saved
}

fn write_project(dir: &Path, data: &ProjectData, embed: Option<&Volume>) -> Result<(), ProjectError> {
    let failed = |source| ProjectError::Write { path: dir.to_owned(), source };
    let source = match (embed, &data.source) {
        (Some(volume), _) => {
            let name = format!("volume-{}.nrrd", short(&data.fingerprint.hu_sha256));
            save_nrrd_volume(&dir.join(&name), volume).map_err(|e| match e {
                NrrdError::Write { source, .. } => failed(source),
                other => failed(io::Error::other(other.to_string())),
            })?;
            SavedVolume::Embedded(name)
        }
        (None, Some(source)) => SavedVolume::File(SavedSource::new(source, dir)),
        (None, None) => return Err(ProjectError::NoVolume(dir.to_owned())),
    };
    let layers = data.layers.iter().map(|l| save_layer(dir, l)).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    let manifest = Manifest {
        version: VERSION,
        name: data.name.clone(),
        source,
        fingerprint: data.fingerprint.clone(),
        layers,
        view: data.view.clone(),
    };
    let text = ron::ser::to_string_pretty(&manifest, ron::ser::PrettyConfig::default())
        .map_err(|_| ProjectError::PathText(dir.to_owned()))?;
    write_atomic_bytes(&dir.join(MANIFEST), text.as_bytes()).map_err(failed)?;
    remove_unused(dir, &manifest);
    Ok(())
}

fn short(hash: &str) -> &str {
    hash.get(..32).unwrap_or(hash)
}

/// Writes a layer's bricks under a name made from their content, so that a new state never overwrites an old one.
fn save_layer(dir: &Path, layer: &Layer) -> io::Result<SavedLayer> {
    let SavedBricks { bricks, count, sha256 } = save_bricks(dir, &layer.labels)?;
    let sources = layer.work.sources.map().map(|map| save_bricks(dir, map)).transpose()?;
    Ok(SavedLayer { layer: LayerMeta::from(layer), bricks, count, sha256, sources })
}

fn save_bricks(dir: &Path, map: &LabelMap) -> io::Result<SavedBricks> {
    let mut hash = Sha256::new();
    let mut count = 0u32;
    for (index, brick) in filled(map) {
        write_entry(&mut hash, index, Some(brick))?;
        count += 1;
    }
    let sha256 = hex(&hash.finalize());
    let bricks = format!("bricks-{}.bin", short(&sha256));
    write_atomic(&dir.join(&bricks), |file| {
        file.write_all(MAGIC)?;
        let mut zlib = ZlibEncoder::new(file, Compression::new(4));
        for (index, brick) in filled(map) {
            write_entry(&mut zlib, index, Some(brick))?;
        }
        zlib.finish().map(drop)
    })?;
    Ok(SavedBricks { bricks, count, sha256 })
}

/// Removes brick and volume files that the manifest does not name.
fn remove_unused(dir: &Path, manifest: &Manifest) {
    let in_layer =
        |l: &SavedLayer, name: &str| l.bricks == name || l.sources.as_ref().is_some_and(|s| s.bricks == name);
    remove_files(dir, |name| {
        manifest.layers.iter().any(|l| in_layer(l, name))
            || matches!(&manifest.source, SavedVolume::Embedded(v) if v == name)
            || matches!(&manifest.source, SavedVolume::File(s) if names_file(s, dir, name))
    });
}

/// Removes brick and volume files but those in use. What cannot be removed does no harm.
fn remove_files(dir: &Path, used: impl Fn(&str) -> bool) {
    let Ok(list) = fs::read_dir(dir) else { return };
    for entry in list.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let ours = (name.starts_with("bricks-") && name.ends_with(".bin"))
            || (name.starts_with("volume-") && name.ends_with(".nrrd"));
        if ours && !used(name) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn names_file(source: &SavedSource, dir: &Path, name: &str) -> bool {
    match source.resolve(dir) {
        Some(VolumeSource::Nifti(p) | VolumeSource::Nrrd(p)) => p.file_name().is_some_and(|n| n == name),
        _ => false,
    }
}

/// Opens the project in the folder `dir` (or its `project.ron`).
///
/// # Errors
/// [`ProjectError`]; nothing is changed on disk.
pub fn load_project(dir: &Path) -> Result<ProjectData, ProjectError> {
    let dir = if dir.file_name().is_some_and(|n| n == MANIFEST) { dir.parent().unwrap_or(Path::new("")) } else { dir };
    let damaged = |what: &str| ProjectError::Damaged { path: dir.to_owned(), what: what.to_owned() };
    let text = read_manifest(dir)?;
    let version = ron::from_str::<VersionOnly>(&text).map_err(|e| damaged(&place(&e)))?.version;
    let newer = (version > VERSION).then_some(version);
    // What a later program added is passed over; where it changed what is known here, the project is not opened.
    let manifest: Manifest = ron::from_str(&text).map_err(|e| match newer {
        Some(version) => ProjectError::Newer { path: dir.to_owned(), version },
        None => damaged(&place(&e)),
    })?;
    let geometry = checked_geometry(&manifest.fingerprint.geometry).ok_or_else(|| damaged("its grid is impossible"))?;
    let source = match &manifest.source {
        SavedVolume::Embedded(name) => VolumeSource::Nrrd(inside(dir, name).ok_or_else(|| damaged("a file name"))?),
        SavedVolume::File(saved) => saved.resolve(dir).ok_or_else(|| damaged("the image's grid is impossible"))?,
    };
    let empty = LabelMap::empty(geometry);
    if manifest.layers.len() * empty.brick_count() > MAX_ALL_BRICKS.max(empty.brick_count()) {
        return Err(damaged("it names more layers than can be held"));
    }
    let layers = manifest
        .layers
        .into_iter()
        .map(|saved| {
            let path = inside(dir, &saved.bricks).ok_or_else(|| damaged("a file name"))?;
            if !saved.layer.is_sound() {
                return Err(damaged("two segments share a label"));
            }
            let labels = load_bricks(&path, saved.count, &saved.sha256, empty.clone())?;
            let mut layer = saved.layer.with_labels(labels);
            if let Some(SavedBricks { bricks, count, sha256 }) = &saved.sources {
                let path = inside(dir, bricks).ok_or_else(|| damaged("a file name"))?;
                layer.work.sources.set_map(Some(load_bricks(&path, *count, sha256, empty.clone())?));
            }
            Ok(layer)
        })
        .collect::<Result<Vec<_>, ProjectError>>()?;
    let fingerprint = Fingerprint { geometry, ..manifest.fingerprint };
    Ok(ProjectData { name: manifest.name, source: Some(source), fingerprint, layers, view: manifest.view, newer })
}

fn read_manifest(dir: &Path) -> Result<String, ProjectError> {
    let path = dir.join(MANIFEST);
    let file = open_regular(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ProjectError::NotProject(dir.to_owned()),
        _ => ProjectError::Read { path: path.clone(), source },
    })?;
    let mut text = String::new();
    match file.take(MAX_MANIFEST + 1).read_to_string(&mut text) {
        Ok(n) if n as u64 > MAX_MANIFEST => {
            Err(ProjectError::Damaged { path: dir.to_owned(), what: format!("{MANIFEST} is too long") })
        }
        Ok(_) => Ok(text),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => {
            Err(ProjectError::Damaged { path: dir.to_owned(), what: format!("{MANIFEST} is not text") })
        }
        Err(source) => Err(ProjectError::Read { path, source }),
    }
}

fn place(error: &ron::error::SpannedError) -> String {
    format!("{MANIFEST}, line {}", error.span.start.line)
}

/// A file of the project's own folder; names that lead elsewhere are refused.
fn inside(dir: &Path, name: &str) -> Option<PathBuf> {
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', ':', '\0']);
    plain.then(|| dir.join(name))
}

fn load_bricks(path: &Path, count: u32, sha256: &str, mut labels: LabelMap) -> Result<LabelMap, ProjectError> {
    let damaged = |what: &str| ProjectError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let unreadable = |source| ProjectError::Read { path: path.to_owned(), source };
    let file = open_regular(path).map_err(unreadable)?;
    let mut reader = BrickReader::new(file.metadata().map_err(unreadable)?.len());
    let mut file = BufReader::with_capacity(1 << 16, file);
    let mut magic = [0; 8];
    file.read_exact(&mut magic).map_err(|_| damaged("it is too short"))?;
    if &magic != MAGIC {
        return Err(damaged("it does not start like a file of label bricks"));
    }
    let mut stream = Hashing { source: ZlibDecoder::new(file), hash: Sha256::new() };
    reader.entries(&mut stream, count, &mut labels).map_err(|_| damaged("its label bricks cannot be unpacked"))?;
    // One more byte makes the decoder check its own sum, and must not exist.
    let end = stream.source.read(&mut [0]).map_err(|_| damaged("its label bricks cannot be unpacked"))?;
    if end != 0 || hex(&stream.hash.finalize()) != sha256 {
        return Err(damaged("its checksum does not match"));
    }
    Ok(labels)
}

struct Hashing<R> {
    source: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(out)?;
        self.hash.update(&out[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests;
