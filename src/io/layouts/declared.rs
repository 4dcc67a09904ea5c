//! nnU-Net's `dataset.json`: label names and cases, in both of its forms.

use super::LayoutError;
use crate::core::Segment;
use crate::io::atomic::write_atomic;
use crate::io::bounds::read_text_bounded;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

/// Longest declaration: it lists every case by name.
const MAX_DECLARATION: u64 = 64 << 20;

/// What the file declares; nothing where there is none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    /// Numbers with their names in rising order. A number that lies in several regions has several names, the one of the
    /// smallest region first.
    pub names: Vec<(u32, String)>,
    /// File name in `imagesTr` and in `labelsTr` of each listed case.
    pub cases: Vec<(String, String)>,
}

/// Reads `path`.
///
/// v2 maps names to numbers, or to lists of numbers for regions; v1 and the Medical Segmentation Decathlon map numbers to
/// names. Listed cases may lie in `imagesTr` and `labelsTr` and nowhere else: from a listed path only the file's name is
/// taken, and it is looked for in the folder's own listing.
///
/// # Errors
/// [`LayoutError::Declaration`] when it is no JSON object or lists a file that lies elsewhere, [`LayoutError::Read`] when
/// it cannot be read.
pub(super) fn read(path: &Path) -> Result<Declared, LayoutError> {
    let text = match read_text_bounded(path, MAX_DECLARATION) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Declared::default()),
        Err(source) => return Err(LayoutError::Read { path: path.into(), source }),
    };
    let bad = |reason: String| LayoutError::Declaration { path: path.into(), reason };
    let value: Value = serde_json::from_str(&text).map_err(|e| bad(format!("it is no JSON ({e})")))?;
    let Some(object) = value.as_object() else { return Err(bad("it holds no JSON object".into())) };
    let outside = || bad("it lists a case whose files are not in imagesTr and labelsTr".into());
    let cases = cases(object).ok_or_else(outside)?;
    Ok(Declared { names: names(object), cases })
}

/// Names of the numbers in a mask of the folder `labelsTr` or `labelsTs`, as the `dataset.json` above it declares them.
///
/// A declaration that cannot be read names nothing here: who opens the data set as a whole is told.
pub fn declared_names(mask: &Path) -> Vec<(u32, String)> {
    let folder = mask.parent().unwrap_or(Path::new(""));
    let is_labels = folder.file_name().is_some_and(|n| n == "labelsTr" || n == "labelsTs");
    match folder.parent() {
        Some(root) if is_labels => read(&root.join("dataset.json")).unwrap_or_default().names,
        _ => Vec::new(),
    }
}

fn names(object: &Map<String, Value>) -> Vec<(u32, String)> {
    let number = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
    let mut regions: Vec<(BTreeSet<u32>, String)> = object
        .get("labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match value {
            Value::String(name) => Some((BTreeSet::from([key.trim().parse().ok()?]), name.clone())),
            Value::Number(_) => Some((BTreeSet::from([number(value)?]), key.clone())),
            Value::Array(list) => Some((list.iter().filter_map(number).collect(), key.clone())),
            _ => None,
        })
        .collect();
    // Of the regions that hold a number, the smallest says most about it.
    regions.sort_by_key(|(numbers, _)| numbers.len());
    let mut names: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for (numbers, name) in regions {
        for number in numbers.into_iter().filter(|n| *n != 0) {
            names.entry(number).or_default().push(name.clone());
        }
    }
    names.into_iter().flat_map(|(number, names)| names.into_iter().map(move |name| (number, name))).collect()
}

/// `training` of v1 (a list of pairs) and `dataset` of v2 (a map of cases); `None` when one lies elsewhere.
fn cases(object: &Map<String, Value>) -> Option<Vec<(String, String)>> {
    let listed = object.get("training").and_then(Value::as_array).into_iter().flatten();
    let mapped = object.get("dataset").and_then(Value::as_object).into_iter().flatten().map(|(_, case)| case);
    let mut cases = Vec::new();
    for case in listed.chain(mapped) {
        let image = match case.get("images") {
            Some(channels) => channels.get(0),
            None => case.get("image"),
        };
        // Test cases are listed as plain texts: they have no mask.
        if let (Some(image), Some(label)) = (image.and_then(Value::as_str), case.get("label").and_then(Value::as_str)) {
            cases.push((name_in("imagesTr", image)?, name_in("labelsTr", label)?));
        }
    }
    Some(cases)
}

/// The file name of `./folder/name` or `folder/name`, and of nothing else.
fn name_in(folder: &str, path: &str) -> Option<String> {
    let name = path.strip_prefix("./").unwrap_or(path).strip_prefix(folder)?.strip_prefix('/')?;
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', ':', '\0']);
    plain.then(|| name.to_owned())
}

/// Writes `dataset.json` in the form of v2 for the cases that are there now.
///
/// # Errors
/// [`LayoutError::Write`].
pub(in crate::io) fn write(root: &Path, segments: &[Segment], cases: usize) -> Result<(), LayoutError> {
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
    use std::fs;

    fn declared(text: &str) -> Result<Declared, LayoutError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dataset.json");
        fs::write(&path, text).unwrap();
        read(&path)
    }

    fn named(text: &str) -> Vec<(u32, String)> {
        declared(text).unwrap().names
    }

    fn pairs(list: &[(u32, &str)]) -> Vec<(u32, String)> {
        list.iter().map(|(n, name)| (*n, (*name).to_owned())).collect()
    }

    #[test]
    fn both_forms_of_labels_are_read() {
        assert_eq!(read(Path::new("/nowhere/dataset.json")).unwrap(), Declared::default());
        let v1 = r#"{"labels": {"0": "background", "2": "cancer", "1": "liver"}}"#;
        assert_eq!(named(v1), pairs(&[(1, "liver"), (2, "cancer")]));
        let v2 = r#"{"labels": {"background": 0, "liver": 1, "cancer": 2}}"#;
        assert_eq!(named(v2), pairs(&[(1, "liver"), (2, "cancer")]));
        assert!(matches!(declared("[1]"), Err(LayoutError::Declaration { .. })));
        assert!(declared("{").is_err());
    }

    #[test]
    fn the_smallest_region_names_a_number_first() {
        let tumour = r#"{"labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}}"#;
        assert_eq!(
            named(tumour),
            pairs(&[(1, "whole"), (2, "core"), (2, "whole"), (3, "enhancing"), (3, "core"), (3, "whole")])
        );
    }

    #[test]
    fn listed_cases_stay_in_their_folders() {
        let v1 = r#"{"training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/b.nii.gz"}], "test": ["./x"]}"#;
        assert_eq!(declared(v1).unwrap().cases, [("a.nii.gz".to_owned(), "b.nii.gz".to_owned())]);
        let v2 = r#"{"dataset": {"a": {"images": ["imagesTr/a_0000.nii.gz"], "label": "labelsTr/a.nii.gz"}}}"#;
        assert_eq!(declared(v2).unwrap().cases, [("a_0000.nii.gz".to_owned(), "a.nii.gz".to_owned())]);
        for image in ["/etc/passwd", "imagesTr/../../x.nii", "../imagesTr/a.nii", "imagesTr/", "imagesTrx/a.nii"] {
            let text = format!(r#"{{"training": [{{"image": "{image}", "label": "labelsTr/a.nii"}}]}}"#);
            assert!(matches!(declared(&text), Err(LayoutError::Declaration { .. })), "{image}");
        }
    }
}
