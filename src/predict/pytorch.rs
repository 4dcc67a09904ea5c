//! A run's network for PyTorch: weights, description, and the program text that puts them together.

use super::{Model, PredictError};
use crate::nn::read_weight_file;
use std::path::Path;

/// The network in PyTorch's words; needs torch alone.
const MODEL_PY: &str = include_str!("pytorch.py");

/// The files to write, by name: `weights.safetensors` (as in the run), `model.json` (its description), `model.py`.
///
/// # Errors
/// [`PredictError`] where the run has no usable checkpoint.
pub fn pytorch_files(run: &Path) -> Result<Vec<(&'static str, Vec<u8>)>, PredictError> {
    let model = Model::load(Some(run), None)?;
    let description = serde_json::to_vec_pretty(&model.spec)
        .map_err(|e| PredictError::Export { run: run.into(), reason: e.to_string() })?;
    Ok(vec![
        ("weights.safetensors", read_weight_file(&model.file)?),
        ("model.json", description),
        ("model.py", MODEL_PY.into()),
    ])
}
