//! Versions of the weights with what made them, one folder each.

use super::{Figures, LearnError, files};
use crate::io::atomic::FolderWrite;
use crate::nn::{ModelSpec, StateDict, load_weights, save_weights, sha256_hex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const WEIGHTS: &str = "weights.safetensors";
const MANIFEST: &str = "manifest.json";
pub(super) const STATE: &str = "loop.json";

/// A slice that trained or judged a version: case key, slice, and whose work its labels are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Taught {
    pub case: String,
    pub slice: usize,
    pub origin: super::SampleOrigin,
}

/// What made a version. No name of a patient, no path, no date but that of the version itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionInfo {
    pub number: usize,
    /// The version it was fine-tuned from; `None` for the weights the loop began with.
    pub parent: Option<usize>,
    pub weights_sha256: String,
    pub parent_sha256: Option<String>,
    pub recipe: String,
    pub recipe_sha256: String,
    /// Corrected slices that trained it.
    pub corrected: Vec<Taught>,
    /// Corrected slices that were set aside: they judged it and did not train it. Empty in what older programs stored.
    #[serde(default)]
    pub set_aside: Vec<Taught>,
    /// Slices of earlier data that trained it.
    pub earlier_slices: usize,
    pub steps: usize,
    pub learning_rate: f64,
    pub seed: u64,
    /// On the frozen sets when it was accepted; and those of the version it replaced.
    pub figures: Figures,
    pub replaced: Figures,
    pub device: String,
    pub seconds: f64,
    /// Seconds since 1970.
    pub made: u64,
}

pub(super) fn folder_of(root: &Path, number: usize) -> PathBuf {
    root.join("versions").join(format!("{number:04}"))
}

/// The state that says which version is in use; the part of it that is read from outside.
#[derive(Deserialize)]
struct InUse {
    in_use: usize,
}

/// Whether a folder holds a learning loop.
pub fn is_loop(folder: &Path) -> bool {
    folder.join(STATE).is_file() && folder.join("versions").is_dir()
}

/// The version in use of a loop's folder, and its weights' file.
///
/// # Errors
/// [`LearnError`] when the folder holds no loop.
pub fn weights_in_use(folder: &Path) -> Result<(usize, PathBuf), LearnError> {
    if !is_loop(folder) {
        return Err(LearnError::Missing(folder.into()));
    }
    let state: InUse = files::read_json(&folder.join(STATE))?;
    Ok((state.in_use, folder_of(folder, state.in_use).join(WEIGHTS)))
}

/// Writes a version; it is there completely or not at all. The weights' sum is filled in.
pub(super) fn save(
    root: &Path,
    spec: &ModelSpec,
    weights: &StateDict,
    mut info: VersionInfo,
    card: impl FnOnce(&VersionInfo) -> String,
) -> Result<VersionInfo, LearnError> {
    let target = folder_of(root, info.number);
    let failed = |e: &std::io::Error| LearnError::io("written", &target, e);
    let header =
        serde_json::to_string(spec).map_err(|e| LearnError::Damaged { path: target.clone(), reason: e.to_string() })?;
    let bytes = save_weights(weights, &BTreeMap::from([("maskwright".to_owned(), header)]))?;
    info.weights_sha256 = sha256_hex(&bytes);
    // A number that a killed program left without its round is taken again.
    let folder = FolderWrite::replacing(&target, |_| true).map_err(|e| failed(&e))?;
    files::write(&folder.path().join(WEIGHTS), &bytes)?;
    files::write(&folder.path().join("card.md"), card(&info).as_bytes())?;
    files::write_json(&folder.path().join(MANIFEST), &info)?;
    folder.finish().map_err(|e| failed(&e))?;
    Ok(info)
}

/// All complete versions, by number.
pub(super) fn list(root: &Path) -> Result<Vec<VersionInfo>, LearnError> {
    let folder = root.join("versions");
    let entries = std::fs::read_dir(&folder).map_err(|e| LearnError::io("read", &folder, &e))?;
    let mut versions = Vec::new();
    for path in entries.filter_map(Result::ok).map(|e| e.path()) {
        let hidden = path.file_name().is_none_or(|n| n.to_string_lossy().starts_with('.'));
        if !hidden && path.join(MANIFEST).is_file() {
            versions.push(files::read_json::<VersionInfo>(&path.join(MANIFEST))?);
        }
    }
    versions.sort_by_key(|v| v.number);
    Ok(versions)
}

/// The weights of a version, checked against their sum.
pub(super) fn load(root: &Path, info: &VersionInfo) -> Result<StateDict, LearnError> {
    let path = folder_of(root, info.number).join(WEIGHTS);
    let bytes = crate::nn::read_weight_file(&path)?;
    if sha256_hex(&bytes) != info.weights_sha256 {
        return Err(LearnError::Damaged { path, reason: "it differs from its checksum".into() });
    }
    Ok(load_weights(&path)?)
}

/// Writes the version in use of the loop in `root` as a new folder: weights, recipe, model card and provenance.
/// `maskwright predict --weights F --recipe recipe.ron` takes them as they are.
///
/// # Errors
/// [`LearnError::Io`], for a folder that exists among others; [`LearnError::Damaged`] for weights that are not what was
/// written.
pub fn export_model(root: &Path, target: &Path) -> Result<(), LearnError> {
    let (number, weights) = weights_in_use(root)?;
    let from = folder_of(root, number);
    let info: VersionInfo = files::read_json(&from.join(MANIFEST))?;
    load(root, &info)?;
    let failed = |e: &std::io::Error| LearnError::io("written", target, e);
    let folder = FolderWrite::begin(target).map_err(|e| failed(&e))?;
    for (source, name) in [
        (weights, WEIGHTS),
        (from.join("card.md"), "card.md"),
        (from.join(MANIFEST), MANIFEST),
        (root.join("recipe.ron"), "recipe.ron"),
    ] {
        let bytes =
            crate::io::bounds::read_bounded(&source, 2 << 30).map_err(|e| LearnError::io("read", &source, &e))?;
        files::write(&folder.path().join(name), &bytes)?;
    }
    folder.finish().map_err(|e| failed(&e))
}
