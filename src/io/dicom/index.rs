//! Folder indices (DICOMDIR): which of the files they list are there. Private to `io::dicom`.
//!
//! PS3.10 section 8 (file IDs), PS3.3 annex F. Names in an index are compared with the names of files that were found;
//! none of them ever becomes a path.

use super::header::{FileHeader, Kind};
use crate::io::{Finding, Severity};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Whether a file is a folder index.
pub fn is_index(path: &Path) -> bool {
    FileHeader::read(path).is_ok_and(|header| header.kind == Kind::Directory)
}

/// A finding for each index among `headers` that lists files which are not among `files`.
pub(super) fn absent_files(headers: &[FileHeader], files: &[PathBuf]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for header in headers.iter().filter(|h| h.kind == Kind::Directory && !h.listed_files.is_empty()) {
        let Some(folder) = header.path.parent() else { continue };
        let present: HashSet<Vec<String>> = files
            .iter()
            .filter_map(|file| file.strip_prefix(folder).ok())
            .map(|rest| rest.components().map(|c| plain(&c.as_os_str().to_string_lossy())).collect())
            .collect();
        let listed: HashSet<Vec<String>> =
            header.listed_files.iter().map(|id| id.iter().map(|c| plain(c)).collect()).collect();
        let absent = listed.difference(&present).count();
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
