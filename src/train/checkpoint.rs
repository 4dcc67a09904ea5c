//! Checkpoints: folders that are complete or absent. Written beside their place, synced, then renamed into it.

use super::step::Counts;
use super::{EpochRow, TrainError};
use crate::io::atomic::write_atomic_bytes;
use crate::io::bounds::read_bounded;
use crate::nn::{ModelSpec, StateDict, load_weights, save_weights, sha256_hex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const WEIGHTS: &str = "weights.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const MANIFEST: &str = "manifest.json";
/// Largest file of a checkpoint: half a billion weights.
const MAX_FILE: u64 = 2 << 30;
/// Key of the model's description in the header of the weights.
pub(super) const SPEC_KEY: &str = "maskwright";

/// Where a run stands; with weights and moments enough to go on as if it had never stopped.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Completed epochs.
    pub epoch: usize,
    /// Completed steps of the epoch after them, and the sum of their losses.
    pub step: usize,
    pub loss_sum: f64,
    #[serde(default)]
    pub counts: Counts,
    pub best_epoch: usize,
    /// What the best checkpoint reached: validation Dice, or minus the loss when nothing validates.
    pub best_score: Option<f64>,
    pub history: Vec<EpochRow>,
}

/// Read last, written last: its presence and its sums make the folder complete.
#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
    position: Position,
    weights_sha256: String,
    optimizer_sha256: String,
}

/// A run's folder.
#[derive(Clone)]
pub(super) struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    pub fn new(run: &Path) -> Self {
        Self { folder: run.join("checkpoints") }
    }

    /// The folder of checkpoint `name`: the renamed-away old one when a crash came between the two renames.
    pub fn path(&self, name: &str) -> PathBuf {
        let (path, old) = (self.folder.join(name), self.folder.join(format!(".{name}.old")));
        if !path.join(MANIFEST).is_file() && old.join(MANIFEST).is_file() { old } else { path }
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path(name).join(MANIFEST).is_file()
    }

    /// Writes checkpoint `name` and replaces the former one.
    ///
    /// # Errors
    /// [`TrainError::Io`]; the former checkpoint is then still there.
    pub fn save(
        &self,
        name: &str,
        spec: &ModelSpec,
        weights: &StateDict,
        optimizer: &StateDict,
        position: &Position,
    ) -> Result<(), TrainError> {
        let (path, fresh, old) = (
            self.folder.join(name),
            self.folder.join(format!(".{name}.new")),
            self.folder.join(format!(".{name}.old")),
        );
        clear(&fresh)?;
        if let Err(error) = write_files(&fresh, spec, weights, optimizer, position) {
            // What is half-written only fills a disk that may be full; the error that counts is the first.
            let _ = clear(&fresh);
            let _ = fs::remove_dir(&self.folder);
            return Err(error);
        }
        if path.exists() {
            clear(&old)?;
            fs::rename(&path, &old).map_err(|e| TrainError::io("replaced", &path, &e))?;
        }
        fs::rename(&fresh, &path).map_err(|e| TrainError::io("replaced", &path, &e))?;
        clear(&old)
    }

    /// Reads checkpoint `name`: weights, moments, position.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when anything is missing or differs from its sum.
    pub fn load(&self, name: &str) -> Result<(StateDict, StateDict, Position), TrainError> {
        let path = self.path(name);
        let damaged = |reason: String| TrainError::Checkpoint { path: path.clone(), reason };
        let read = |file: &str| {
            read_bounded(&path.join(file), MAX_FILE)
                .map_err(|e| damaged(format!("{file}: {}", crate::io::atomic::plain_reason(&e))))
        };
        let manifest: Manifest = serde_json::from_slice(&read(MANIFEST)?)
            .map_err(|e| damaged(format!("{MANIFEST} is not readable: {e}")))?;
        if manifest.format != 1 {
            return Err(damaged(format!("its format {} is newer than this program", manifest.format)));
        }
        for (file, sum) in [(WEIGHTS, &manifest.weights_sha256), (OPTIMIZER, &manifest.optimizer_sha256)] {
            if sha256_hex(&read(file)?) != *sum {
                return Err(damaged(format!("{file} differs from its checksum")));
            }
        }
        let state = |file: &str| load_weights(&path.join(file)).map_err(|e| damaged(e.to_string()));
        Ok((state(WEIGHTS)?, state(OPTIMIZER)?, manifest.position))
    }
}

/// Removes a folder that may be missing.
fn clear(folder: &Path) -> Result<(), TrainError> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(TrainError::io("removed", folder, &e)),
        _ => Ok(()),
    }
}

/// A checkpoint's three files in a folder of their own, the manifest last.
fn write_files(
    folder: &Path,
    spec: &ModelSpec,
    weights: &StateDict,
    optimizer: &StateDict,
    position: &Position,
) -> Result<(), TrainError> {
    fs::create_dir_all(folder).map_err(|e| TrainError::io("created", folder, &e))?;
    let header = serde_json::to_string(spec).map_err(|e| TrainError::Recipe(e.to_string()))?;
    let weights = save_weights(weights, &BTreeMap::from([(SPEC_KEY.to_owned(), header)]))?;
    let optimizer = save_weights(optimizer, &BTreeMap::new())?;
    let manifest = Manifest {
        format: 1,
        position: position.clone(),
        weights_sha256: sha256_hex(&weights),
        optimizer_sha256: sha256_hex(&optimizer),
    };
    let manifest = serde_json::to_vec_pretty(&manifest).map_err(|e| TrainError::Recipe(e.to_string()))?;
    for (file, bytes) in [(WEIGHTS, &weights), (OPTIMIZER, &optimizer), (MANIFEST, &manifest)] {
        let file = folder.join(file);
        write_atomic_bytes(&file, bytes).map_err(|e| TrainError::io("written", &file, &e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::HostTensor;
    use crate::train::Recipe;

    #[test]
    fn complete_or_absent_and_damage_is_one_sentence() {
        let run = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(run.path());
        assert!(!checkpoints.exists("last"));
        let spec = Recipe::load("demo").unwrap().model_spec();
        let state = |v: f32| StateDict::from([("a".to_owned(), HostTensor { shape: vec![1], values: vec![v] })]);
        let position = Position { epoch: 3, step: 2, ..Position::default() };
        for v in [1.0, 2.0] {
            checkpoints.save("last", &spec, &state(v), &state(-v), &position).unwrap();
        }
        assert_eq!(checkpoints.load("last").unwrap(), (state(2.0), state(-2.0), position));
        assert_eq!(fs::read_dir(run.path().join("checkpoints")).unwrap().count(), 1);
        // A crash between the two renames.
        let (path, old) = (run.path().join("checkpoints/last"), run.path().join("checkpoints/.last.old"));
        fs::rename(&path, &old).unwrap();
        assert_eq!(checkpoints.load("last").unwrap().0, state(2.0));
        fs::rename(&old, &path).unwrap();
        let file = path.join(WEIGHTS);
        let mut bytes = fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&file, bytes).unwrap();
        let text = checkpoints.load("last").unwrap_err().to_string();
        assert!(text.contains("weights.safetensors differs") && text.lines().count() == 1, "{text}");
        fs::write(path.join(MANIFEST), "{").unwrap();
        assert!(checkpoints.load("last").unwrap_err().to_string().contains("damaged"));
    }
}
