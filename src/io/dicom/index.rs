//! Folder indices (DICOMDIR): which of the files they list are there. Private to `io::dicom`.
//!
//! PS3.10 section 8 (file IDs), PS3.3 annex F. Names in an index are compared with the names of files that were found;
//! none of them ever becomes a path.

use super::header::{FileHeader, Kind};
use crate::io::{Finding, Severity};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Whether a file is a folder index.
pub fn is_index(path: &Path) -> bool {
    FileHeader::read(path).is_ok_and(|header| header.kind == Kind::Directory)
}

/// A finding for each index among `headers` that lists files which are not among `files`.
pub(super) fn absent_files(headers: &[FileHeader], files: &[PathBuf]) -> Vec<Finding> {
    let mut findings = Vec::new();
    // File IDs count from the disc's root, which may lie above the index: the end of the path decides.
    let mut present: HashMap<String, Vec<Vec<String>>> = HashMap::new();
    for file in files {
        let path: Vec<String> = file.components().map(|c| plain(&c.as_os_str().to_string_lossy())).collect();
        if let Some(name) = path.last() {
            present.entry(name.clone()).or_default().push(path);
        }
    }
    for header in headers.iter().filter(|h| h.kind == Kind::Directory && !h.listed_files.is_empty()) {
        let listed: HashSet<Vec<String>> =
            header.listed_files.iter().map(|id| id.iter().map(|c| plain(c)).collect()).collect();
        let there = |id: &&Vec<String>| {
            let alike = id.last().and_then(|name| present.get(name));
            alike.is_some_and(|paths| paths.iter().any(|path| path.ends_with(id)))
        };
        let absent = listed.len() - listed.iter().filter(there).count();
        if absent == 0 {
            continue;
        }
        let which =
            if absent == listed.len() { "none of them is".to_owned() } else { format!("{absent} of them are not") };
        findings.push(Finding {
            severity: Severity::Warning,
            code: "index-names-absent-files",
            text: format!(
                "The folder's index lists {} files, and {which} here: slices or whole series may be missing from this copy.",
                listed.len()
            ),
            file: Some(header.path.clone()),
        });
    }
    findings
}

/// A part of a file's name as indices and discs agree on it: without case, version and the ending that tools add.
fn plain(part: &str) -> String {
    let part = part.trim().to_ascii_uppercase();
    let part = part.split(';').next().unwrap_or_default();
    part.strip_suffix(".DCM").unwrap_or(part).trim_end_matches('.').to_owned()
}
