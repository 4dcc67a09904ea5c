//! A data set for nnU-Net (version 2) of reviewed cases: one set of labels for all, joined by the segments' names.

use super::{ExportError, begin, case_name, finish, stop};
use crate::core::{Layer, Segment, Volume};
use crate::io::error::IoError;
use crate::io::layouts::{LayoutError, write_declaration};
use crate::io::nifti::{save_nifti_labels, save_nifti_volume};
use crate::jobs::JobContext;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Furthest that mask and image may lie apart, in mm.
const SAME_GRID_MM: f64 = 1e-3;
/// The name that nnU-Net gives to voxels that training leaves out; it must be the last label.
const IGNORE: &str = "ignore";

/// Reads an image when its turn comes, so that one at a time is in memory.
pub type ReadImage = Box<dyn FnOnce(&JobContext<()>) -> Result<Arc<Volume>, IoError> + Send>;

/// A reviewed case.
pub struct ExportCase {
    /// For messages: safe to show.
    pub place: String,
    pub layer: Layer,
    pub image: ReadImage,
}

/// Writes `cases` as the data set `out`: `imagesTr/case_001_0000.nii.gz`, `labelsTr/case_001.nii.gz` and so on in the
/// order given, and `dataset.json`. Labels are numbered from 1 without gaps in the order in which the segments' names
/// first occur. Gives back the cases' names.
///
/// A segment that one case has and another has not is a contradiction, because nobody looked whether it is there;
/// with `absent_is_background` it is taken as looked for and not found.
///
/// # Errors
/// [`ExportError::NoneReviewed`] without cases, [`ExportError::Contradiction`], [`ExportError::Grid`],
/// [`ExportError::Occupied`], [`ExportError::Cancelled`], and those of reading and writing.
pub fn export_nnunet(
    out: &Path,
    cases: Vec<ExportCase>,
    absent_is_background: bool,
    ctx: &JobContext<()>,
) -> Result<Vec<String>, ExportError> {
    if cases.is_empty() {
        return Err(ExportError::NoneReviewed);
    }
    let layers: Vec<(&str, &Layer)> = cases.iter().map(|c| (c.place.as_str(), &c.layer)).collect();
    let names = join(&layers, absent_is_background).map_err(ExportError::Contradiction)?;
    let folder = begin(out)?;
    let (images, masks) = (folder.path().join("imagesTr"), folder.path().join("labelsTr"));
    for part in [&images, &masks] {
        fs::create_dir(part).map_err(|source| ExportError::Write { path: out.to_owned(), source })?;
    }
    let count = cases.len();
    ctx.progress.set(0, count as u64);
    for (n, case) in (1..).zip(cases) {
        stop(ctx)?;
        ctx.progress.say(format!("Writing case {n} of {count}"));
        let volume = (case.image)(ctx)?;
        if !case.layer.labels.geometry().same_grid(volume.geometry(), SAME_GRID_MM) {
            return Err(ExportError::Grid(case.place));
        }
        let name = case_name(n);
        save_nifti_volume(&images.join(format!("{name}_0000.nii.gz")), &volume).map_err(IoError::from)?;
        let segments = numbered(&case.layer.segments, &names);
        save_nifti_labels(&masks.join(format!("{name}.nii.gz")), &case.layer.labels, &segments)
            .map_err(IoError::from)?;
        ctx.progress.step();
    }
    let declared: Vec<Segment> = (1u32..)
        .zip(&names)
        .map(|(number, name)| Segment { file_value: number, ..Segment::new(1, name.clone()) })
        .collect();
    write_declaration(folder.path(), &declared, count).map_err(|e| match e {
        LayoutError::Write { path, source } => ExportError::Write { path, source },
        other => ExportError::Contradiction(other.to_string()),
    })?;
    stop(ctx)?;
    finish(folder, out)?;
    Ok((1..=count).map(case_name).collect())
}

/// The segments with the data set's numbers.
fn numbered(segments: &[Segment], names: &[String]) -> Vec<Segment> {
    let number = |s: &Segment| names.iter().position(|n| n == s.name.trim()).map_or(0, |n| n as u32 + 1);
    segments.iter().map(|s| Segment { file_value: number(s), ..s.clone() }).collect()
}

/// Letters and digits of a name: two names that agree in them are meant to be one.
fn key(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The names of all segments in the order in which they first occur, or the sentence that says what contradicts.
fn join(layers: &[(&str, &Layer)], absent_is_background: bool) -> Result<Vec<String>, String> {
    let mut joined: Vec<(String, &str, &Segment)> = Vec::new();
    for &(place, layer) in layers {
        let counts = layer.labels.counts();
        if let Some(lost) = (1..=u8::MAX).find(|l| counts[usize::from(*l)] > 0 && layer.segment(*l).is_none()) {
            return Err(format!("{place} holds voxels of label {lost}, which no segment names; add a segment for it"));
        }
        let mut own: Vec<&str> = Vec::new();
        for segment in &layer.segments {
            let name = segment.name.trim();
            if key(name).is_empty() {
                return Err(format!("a segment of {place} has no name; give it one"));
            }
            if key(name) == "background" {
                return Err(format!(
                    "a segment of {place} is called {name:?}, which stands for everything else; rename it"
                ));
            }
            if own.contains(&name) {
                return Err(format!("{place} has two segments called {name:?}; rename or join them"));
            }
            own.push(name);
            match joined.iter().find(|(known, ..)| key(known) == key(name)) {
                None => joined.push((name.to_owned(), place, segment)),
                Some((known, other, _)) if known != name => {
                    return Err(format!(
                        "{other} calls a segment {known:?} and {place} one {name:?}; give them one name, or two that differ"
                    ));
                }
                Some((_, other, first))
                    if first.code.is_some() && segment.code.is_some() && first.code != segment.code =>
                {
                    return Err(format!("{other} and {place} mean different things by {name:?}; rename one of them"));
                }
                Some(_) => {}
            }
        }
    }
    if joined.is_empty() {
        return Err("the reviewed layers hold no segments; add those that were looked for".into());
    }
    if !absent_is_background {
        for &(place, layer) in layers {
            let lacks = |name: &str| layer.segments.iter().all(|s| s.name.trim() != name);
            if let Some((name, other, _)) = joined.iter().find(|(name, ..)| lacks(name)) {
                return Err(format!(
                    "{other} has a segment {name:?} and {place} has none; add an empty one there if it was looked for \
                     (or export with --absent-is-background)"
                ));
            }
        }
    }
    joined.sort_by_key(|(name, ..)| name == IGNORE);
    Ok(joined.into_iter().map(|(name, ..)| name).collect())
}
