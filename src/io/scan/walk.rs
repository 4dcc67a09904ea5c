//! Walking folders: bounded, and safe against symbolic links that lead back.

use crate::io::error::IoError;
use crate::io::image_stack::is_picture;
use crate::io::natural::natural_path_cmp;
use crate::io::nifti::is_pair_data;
use crate::io::project::is_project;
use crate::io::types::{Finding, Severity};
use crate::io::volume_file::VolumeKind;
use crate::jobs::JobContext;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

const MAX_DEPTH: usize = 32;
const MAX_FILES: usize = 500_000;

/// Files that are certainly no DICOM; everything else is asked.
const NOT_DICOM: &[&str] = &[
    "txt",
    "md",
    "json",
    "csv",
    "tsv",
    "xml",
    "html",
    "pdf",
    "py",
    "rs",
    "ron",
    "toml",
    "yml",
    "yaml",
    "gz",
    "xz",
    "bz2",
    "7z",
    "tar",
    "rar",
    "raw",
    "zraw",
    "gif",
    "bmp",
    "tif",
    "tiff",
    "svg",
    "mat",
    "npy",
    "npz",
    "vtk",
    "vtp",
    "stl",
    "obj",
    "mha",
    "mhd",
    "doc",
    "docx",
    "xls",
    "xlsx",
    "log",
    "pth",
    "pt",
    "safetensors",
    "exe",
    "dll",
    "ini",
    "inf",
];

/// Files by what they may be.
#[derive(Default)]
pub struct Walked {
    pub dicom: Vec<PathBuf>,
    /// NIfTI and NRRD.
    pub volumes: Vec<PathBuf>,
    pub pictures: BTreeMap<PathBuf, Vec<PathBuf>>,
    pub organs: Vec<Organs>,
    /// ZIP archives, which are not looked into.
    pub archives: Vec<PathBuf>,
    pub findings: Vec<Finding>,
    /// All files seen, of whatever kind.
    pub files: usize,
}

/// A `MASKS_DICOM` folder: one folder of DICOM masks an organ (3D-IRCADb).
pub struct Organs {
    pub folder: PathBuf,
    pub organs: Vec<(String, Vec<PathBuf>)>,
}

/// Whether a file is certainly no image, by its name.
pub fn is_never_image(path: &Path) -> bool {
    path.extension().is_some_and(|e| NOT_DICOM.iter().any(|n| e.eq_ignore_ascii_case(n)))
}

/// Lists everything under `root`, which may be a file.
///
/// # Errors
/// [`IoError::Missing`], [`IoError::Unreadable`] for the root itself, [`IoError::Cancelled`].
pub fn walk(root: &Path, ctx: &JobContext<()>) -> Result<Walked, IoError> {
    let meta = fs::metadata(root).map_err(|e| IoError::from_open(root, e))?;
    let mut walk = Walk { out: Walked::default(), visited: HashSet::new(), alone: meta.is_file(), ctx };
    if meta.is_file() {
        walk.file(root.to_owned());
    } else if named(root, "MASKS_DICOM") {
        walk.organs(root);
    } else if is_project(root) {
        walk.out.findings.push(project(root));
    } else {
        fs::read_dir(root).map_err(|e| IoError::from_open(root, e))?;
        walk.folder(root, 0)?;
    }
    Ok(walk.out)
}

struct Walk<'a> {
    out: Walked,
    /// Real paths of the folders and files seen.
    visited: HashSet<PathBuf>,
    /// One file was asked for, and not a folder.
    alone: bool,
    ctx: &'a JobContext<()>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), IoError> {
        if self.ctx.is_cancelled() {
            return Err(IoError::Cancelled);
        }
        if depth > MAX_DEPTH {
            self.say(
                Severity::Warning,
                "too-deep",
                format!("folders more than {MAX_DEPTH} levels down were left out"),
                folder,
            );
            return Ok(());
        }
        let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        if !self.visited.insert(real.clone()) {
            self.say(
                Severity::Note,
                "folder-again",
                "this folder is linked more than once and was read once".into(),
                folder,
            );
            return Ok(());
        }
        let mut entries: Vec<PathBuf> = match fs::read_dir(folder) {
            Ok(list) => list.flatten().map(|e| e.path()).filter(|p| !is_hidden(p)).collect(),
            Err(e) => {
                let reason = crate::io::atomic::plain_reason(&e);
                self.say(
                    Severity::Warning,
                    "unreadable-folder",
                    format!("this folder cannot be read: {reason}"),
                    folder,
                );
                return Ok(());
            }
        };
        entries.sort_by(|a, b| natural_path_cmp(a, b));
        let has_patient = entries.iter().any(|p| named(p, "PATIENT_DICOM"));
        for path in entries {
            if self.out.files >= MAX_FILES {
                self.say(
                    Severity::Warning,
                    "too-many-files",
                    format!("only the first {MAX_FILES} files were looked at"),
                    folder,
                );
                return Ok(());
            }
            // Follows links; a link that leads nowhere is no file.
            let Ok(meta) = fs::metadata(&path) else { continue };
            if meta.is_file() {
                let linked = fs::symlink_metadata(&path).is_ok_and(|m| m.is_symlink());
                let own = || path.file_name().map(|name| real.join(name));
                let real_file = if linked { fs::canonicalize(&path).ok() } else { own() };
                if real_file.is_some_and(|real| !self.visited.insert(real)) {
                    let text = "this file is linked more than once and was read once";
                    self.say(Severity::Note, "file-again", text.into(), &path);
                } else {
                    self.file(path);
                }
            } else if is_project(&path) {
                self.out.findings.push(project(&path));
            } else if named(&path, "MASKS_DICOM") {
                self.organs(&path);
            } else if has_patient && named(&path, "LABELLED_DICOM") {
                let text = "the labelled copy of the images was left out; the masks themselves are read";
                self.say(Severity::Note, "labelled-copy", text.into(), &path);
            } else if meta.is_dir() {
                self.folder(&path, depth + 1)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf) {
        self.out.files += 1;
        if VolumeKind::of(&path).is_some() {
            // The voxels of a pair belong to its header, unless they were named themselves.
            if self.alone || !is_pair_data(&path) {
                self.out.volumes.push(path);
            }
        } else if is_picture(&path) {
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            self.out.pictures.entry(folder).or_default().push(path);
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip")) {
            self.out.archives.push(path);
        } else if !is_never_image(&path) {
            self.out.dicom.push(path);
        }
    }

    /// One level of organ folders, each with its files.
    fn organs(&mut self, folder: &Path) {
        let list = |folder: &Path| -> Vec<PathBuf> {
            let mut paths: Vec<PathBuf> =
                fs::read_dir(folder).map(|l| l.flatten().map(|e| e.path()).collect()).unwrap_or_default();
            paths.retain(|p| !is_hidden(p));
            paths.sort_by(|a, b| natural_path_cmp(a, b));
            paths
        };
        let mut organs = Vec::new();
        for organ in list(folder) {
            let files: Vec<PathBuf> = list(&organ).into_iter().filter(|p| p.is_file()).take(MAX_FILES).collect();
            self.out.files += files.len();
            if let (Some(name), false) = (organ.file_name(), files.is_empty()) {
                organs.push((name.to_string_lossy().into_owned(), files));
            }
        }
        if !organs.is_empty() {
            self.out.organs.push(Organs { folder: folder.to_owned(), organs });
        }
    }

    fn say(&mut self, severity: Severity, code: &'static str, text: String, path: &Path) {
        self.out.findings.push(Finding { severity, code, text, file: Some(path.to_owned()) });
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|n| {
        let n = n.to_string_lossy();
        n.starts_with('.') || n == "__MACOSX" || n == "Thumbs.db"
    })
}

fn named(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|n| n.eq_ignore_ascii_case(name))
}

fn project(path: &Path) -> Finding {
    Finding {
        severity: Severity::Note,
        code: "project",
        text: "this is a Maskwright project; open it by its own name".into(),
        file: Some(path.to_owned()),
    }
}
