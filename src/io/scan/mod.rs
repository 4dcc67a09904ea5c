//! What lies under a path: patients, series and masks, with every problem in plain words.
//!
//! Walks the folders, hands DICOM files to the DICOM reader, looks into NIfTI and NRRD files, and finds the image that
//! each mask belongs to. Reads headers, and of volume files only as much as tells an image from a mask.

mod attach;
mod copies;
mod pictures;
mod stems;
mod volumes;
mod walk;

use crate::io::archive;
use crate::io::dicom;
use crate::io::error::IoError;
use crate::io::fold::fold;
use crate::io::natural::natural_path_cmp;
use crate::io::types::{Finding, Scan, Severity};
use crate::jobs::JobContext;
use std::path::{Path, PathBuf};

/// What names say, for whoever gives files names of his own.
pub(in crate::io) mod names {
    pub use super::stems::{case_name, role_words};
    pub use super::walk::is_never_image;
}

/// Lists what can be opened under `path`, a file or a folder.
///
/// A ZIP archive is unpacked into a temporary folder first. The index of a disc (DICOMDIR) stands for the folder it
/// lies in. A project's folder is not looked into; it is named by a finding with the code `project`. Files that cannot
/// be read are findings, unless nothing else was asked for.
///
/// # Errors
/// [`IoError::Missing`], [`IoError::EmptyFolder`], [`IoError::NothingFound`], [`IoError::NothingUsable`],
/// [`IoError::UnknownKind`], the format's own error for a single broken file, [`IoError::Archive`],
/// [`IoError::Cancelled`].
pub fn scan(path: &Path, ctx: &JobContext<()>) -> Result<Scan, IoError> {
    ctx.progress.set(0, 0);
    ctx.progress.say("Looking through the folders");
    if path.is_file() && archive::is_archive(path) {
        return scan_archive(path, ctx);
    }
    // The index of a disc stands for all that is on it.
    let folder = path.parent().filter(|_| path.is_file() && dicom::is_index(path));
    let path = folder.map_or(path, |f| if f.as_os_str().is_empty() { Path::new(".") } else { f });
    let walked = walk::walk(path, ctx)?;
    if walked.files == 0 && walked.findings.is_empty() {
        return Err(IoError::EmptyFolder(path.to_owned()));
    }
    let single = path.is_file();
    ctx.progress.say("Reading headers");
    let mut found = dicom::scan_files(&walked.dicom, ctx);
    let mut result = Scan {
        root: path.to_owned(),
        patients: std::mem::take(&mut found.patients),
        masks: std::mem::take(&mut found.masks),
        findings: walked.findings.clone(),
    };
    result.findings.append(&mut found.findings);
    stop(ctx)?;
    let (files, mut broken) = volumes::look_into(&walked.volumes, ctx)?;
    if single && let Some(only) = broken.pop() {
        return Err(only.0);
    }
    result.findings.extend(broken.into_iter().map(|b| b.1));
    volumes::add_series(&mut result, &files);
    copies::join(&mut result, ctx);
    stop(ctx)?;
    attach::volume_masks(&mut result, &files);
    attach::organ_folders(&mut result, walked.organs);
    pictures::attach(&mut result, walked.pictures);
    stop(ctx)?;
    if single && !found.not_dicom.is_empty() {
        return Err(IoError::UnknownKind(path.to_owned()));
    }
    if !found.not_dicom.is_empty() {
        result.findings.push(others(&found.not_dicom));
    }
    if !walked.archives.is_empty() {
        result.findings.push(archives(&walked.archives));
    }
    result.findings = fold(result.findings);
    let useful = result
        .findings
        .iter()
        .any(|f| matches!(f.code, "project" | "archives") || (f.severity == Severity::Error && f.file.is_some()));
    if result.series().next().is_none() && result.masks.is_empty() && !useful {
        let path = path.to_owned();
        let reason = result.findings.iter().filter(|f| f.code != "other-files").max_by_key(|f| f.severity);
        return Err(match reason {
            Some(finding) => IoError::NothingUsable { path, reason: finding.words().into_owned() },
            None => IoError::NothingFound(path),
        });
    }
    Ok(result)
}

/// What is in a ZIP archive, unpacked for as long as the program runs.
fn scan_archive(path: &Path, ctx: &JobContext<()>) -> Result<Scan, IoError> {
    let content = archive::unpack(path, ctx)?;
    let mut found = match scan(&content.folder, ctx) {
        Ok(found) => found,
        // The temporary folder means nothing to the user.
        Err(IoError::EmptyFolder(_) | IoError::NothingFound(_)) => return Err(IoError::NothingFound(path.to_owned())),
        Err(IoError::NothingUsable { reason, .. }) => {
            return Err(IoError::NothingUsable { path: path.to_owned(), reason });
        }
        Err(e) => return Err(e),
    };
    found.root = path.to_owned();
    // Nothing in there has the name that a disc's index knows it by.
    found.findings.retain(|f| f.code != "index-names-absent-files");
    found.findings.splice(0..0, content.findings);
    Ok(found)
}

fn archives(files: &[std::path::PathBuf]) -> Finding {
    let text = match files.len() {
        1 => "1 ZIP archive was not looked into; open it by its own name".to_owned(),
        n => format!("{n} ZIP archives were not looked into; open each by its own name"),
    };
    let file = files.first().filter(|_| files.len() == 1).cloned();
    Finding { severity: Severity::Note, code: "archives", text, file }
}

/// All files under `path`, a file or a folder, that may be DICOM, in natural order.
///
/// # Errors
/// [`IoError::Missing`], [`IoError::Unreadable`], [`IoError::Cancelled`].
pub fn dicom_files(path: &Path, ctx: &JobContext<()>) -> Result<Vec<PathBuf>, IoError> {
    let walked = walk::walk(path, ctx)?;
    let organs = walked.organs.into_iter().flat_map(|o| o.organs).flat_map(|(_, files)| files);
    let mut files: Vec<PathBuf> = walked.dicom.into_iter().chain(organs).collect();
    files.sort_by(|a, b| natural_path_cmp(a, b));
    Ok(files)
}

fn stop(ctx: &JobContext<()>) -> Result<(), IoError> {
    if ctx.is_cancelled() { Err(IoError::Cancelled) } else { Ok(()) }
}

fn others(files: &[PathBuf]) -> Finding {
    let what = if files.len() == 1 {
        "1 file is no image and was".to_owned()
    } else {
        format!("{} files are no images and were", files.len())
    };
    Finding {
        severity: Severity::Note,
        code: "other-files",
        text: format!("{what} left out"),
        file: files.first().filter(|_| files.len() == 1).cloned(),
    }
}

pub(in crate::io) use copies::COPY;

#[cfg(test)]
pub(super) use pictures::attach as attach_pictures;

#[cfg(test)]
mod tests;
