//! Small files of a loop's folder, read with a bound and written complete or not at all.

use super::LearnError;
use crate::io::atomic::write_atomic_bytes;
use crate::io::bounds::read_bounded;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Longest JSON file: ten thousand rounds.
const MOST: u64 = 64 << 20;

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), LearnError> {
    write_atomic_bytes(path, bytes).map_err(|e| LearnError::io("written", path, &e))
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), LearnError> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|e| LearnError::Damaged { path: path.into(), reason: e.to_string() })?;
    write(path, &text)
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, LearnError> {
    let bytes = read_bounded(path, MOST).map_err(|e| LearnError::io("read", path, &e))?;
    serde_json::from_slice(&bytes).map_err(|e| LearnError::Damaged { path: path.into(), reason: e.to_string() })
}
