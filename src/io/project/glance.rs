//! A look at projects without their images and voxels: which lie in a folder, and how far each is.

use super::{Manifest, ProjectError, VERSION, VersionOnly, is_project, place, read_manifest};
use crate::io::bricks::checked_geometry;
use crate::io::natural::natural_path_cmp;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders within folders that are looked into for projects.
const MOST_LEVELS: usize = 4;
/// Entries that are looked at in all: a whole disk chosen by mistake comes to an end.
const MOST_ENTRIES: usize = 100_000;

/// What a project says of its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectGlance {
    /// Safe to show: never a patient's name.
    pub name: String,
    /// Slices that are to do, corrected and approved, of the layer that was worked on; without a layer all are to do.
    pub slices: [usize; 3],
}

/// Reads how far a project is, and none of its voxels.
///
/// # Errors
/// [`ProjectError`] where it is none, is damaged, or is of a later format that does not say it in a way known here.
pub fn glance_at_project(dir: &Path) -> Result<ProjectGlance, ProjectError> {
    let damaged = |what: &str| ProjectError::Damaged { path: dir.to_owned(), what: what.to_owned() };
    let text = read_manifest(dir)?;
    let version = ron::from_str::<VersionOnly>(&text).map_err(|e| damaged(&place(&e)))?.version;
    let manifest: Manifest = ron::from_str(&text).map_err(|e| match version {
        _ if version > VERSION => ProjectError::Newer { path: dir.to_owned(), version },
        _ => damaged(&place(&e)),
    })?;
    let geometry = checked_geometry(&manifest.fingerprint.geometry).ok_or_else(|| damaged("its grid is impossible"))?;
    let count = geometry.dims()[2];
    let worked_on = manifest.layers.iter().find(|l| Some(l.layer.id) == manifest.view.active_layer);
    let layer = worked_on.or(manifest.layers.last());
    let slices = layer.map_or([count, 0, 0], |l| l.layer.work.slices.progress(count));
    Ok(ProjectGlance { name: manifest.name, slices })
}

/// The projects in a folder and the folders within it, in the order in which a person would number them. Links are not
/// followed, nor is anything within a project.
///
/// # Errors
/// When the folder itself cannot be listed; one within it that cannot is passed over.
pub fn projects_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if is_project(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    let mut found = Vec::new();
    let mut left = MOST_ENTRIES;
    let mut waiting = vec![(folder.to_owned(), 0)];
    while let Some((dir, level)) = waiting.pop() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if level == 0 => return Err(error),
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            left = left.saturating_sub(1);
            // The kind of the entry itself: a link is neither.
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if left == 0 || !is_dir {
                continue;
            }
            let path = entry.path();
            if is_project(&path) {
                found.push(path);
            } else if level < MOST_LEVELS {
                waiting.push((path, level + 1));
            }
        }
    }
    found.sort_by(|a, b| natural_path_cmp(a, b));
    Ok(found)
}
