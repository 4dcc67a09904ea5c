//! nnU-Net's `dataset.json`: label names, in both of its forms.

use super::LayoutError;
use crate::core::Segment;
use crate::io::atomic::write_atomic;
use serde_json::{Map, Value, json};
use std::fs;
use std::io;
use std::path::Path;

/// Names of the labels that `path` declares, in rising order; none when there is no such file.
///
/// v2 maps names to numbers (or to lists of numbers for regions, whose last is the region's own), v1 numbers to names.
///
/// # Errors
/// [`LayoutError::Declaration`] when it is no JSON object, [`LayoutError::Read`] when it cannot be read.
pub(super) fn label_names(path: &Path) -> Result<Vec<(u32, String)>, LayoutError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(LayoutError::Read { path: path.into(), source }),
    };
    let value: Value = serde_json::from_str(&text)
        .map_err(|e| LayoutError::Declaration { path: path.into(), reason: format!("it is no JSON ({e})") })?;
    let Some(object) = value.as_object() else {
        return Err(LayoutError::Declaration { path: path.into(), reason: "it holds no JSON object".into() });
    };
    let mut names: Vec<(u32, String)> = object
        .get("labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match value {
            Value::String(name) => Some((key.trim().parse().ok()?, name.clone())),
            Value::Number(n) => Some((u32::try_from(n.as_u64()?).ok()?, key.clone())),
            Value::Array(list) => Some((u32::try_from(list.last()?.as_u64()?).ok()?, key.clone())),
            _ => None,
        })
        .filter(|(number, _)| *number != 0)
        .collect();
    names.sort();
    Ok(names)
}

/// Writes `dataset.json` in the form of v2 for the cases that are there now.
///
/// # Errors
/// [`LayoutError::Write`].
pub(super) fn write(root: &Path, segments: &[Segment], cases: usize) -> Result<(), LayoutError> {
    let mut labels = Map::new();
    labels.insert("background".into(), json!(0));
    for segment in segments {
        labels.insert(segment.name.clone(), json!(segment.file_value));
    }
    let text = json!({
        "channel_names": { "0": "CT" },
        "labels": labels,
        "numTraining": cases,
        "file_ending": ".nii.gz",
    });
    let path = root.join("dataset.json");
    write_atomic(&path, |w| serde_json::to_writer_pretty(w, &text).map_err(io::Error::other))
        .map_err(|source| LayoutError::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dataset.json");
        assert_eq!(label_names(&path).unwrap(), []);
        fs::write(&path, r#"{"labels": {"0": "background", "2": "cancer", "1": "liver"}}"#).unwrap();
        assert_eq!(label_names(&path).unwrap(), [(1, "liver".into()), (2, "cancer".into())]);
        fs::write(&path, r#"{"labels": {"background": 0, "whole": [1, 2], "core": 3}}"#).unwrap();
        assert_eq!(label_names(&path).unwrap(), [(2, "whole".into()), (3, "core".into())]);
        fs::write(&path, "[1]").unwrap();
        assert!(matches!(label_names(&path), Err(LayoutError::Declaration { .. })));
        fs::write(&path, "{").unwrap();
        assert!(label_names(&path).is_err());
    }
}
