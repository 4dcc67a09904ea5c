//! Folders of pictures as masks: which series, and in which order.

use super::attach::{series_mut, series_path};
use super::stems::shared_depth;
use crate::io::image_stack::{MatchedBy, Pictures, picture_size};
use crate::io::natural::natural_path_cmp;
use crate::io::types::{DicomStack, MaskKind, MaskSource, Scan, Series, VolumeSource};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// Gives each folder of pictures to the series it fits: pictures of the slices' size, named like them or one a slice.
///
/// A folder that fits none is a mask of its own when its name or its sameness of size makes it one.
pub fn attach(scan: &mut Scan, folders: BTreeMap<PathBuf, Vec<PathBuf>>) {
    for (folder, mut files) in folders {
        files.sort_by(|a, b| natural_path_cmp(a, b));
        let Some((width, height)) = files.first().and_then(|f| picture_size(f).ok()) else { continue };
        let size = [width as usize, height as usize];
        let name = folder.file_name().map_or_else(|| "Pictures".to_owned(), |n| n.to_string_lossy().into_owned());
        match owner(scan, &folder, &files, size) {
            Some((at, pictures)) => {
                if let Some(series) = series_mut(scan).nth(at) {
                    series.masks.push(MaskSource { name, kind: MaskKind::ImageStack(pictures) });
                }
            }
            None if shared_out(scan, &name, &files, size) => {}
            // Pictures beside images that they do not fit are screenshots and the like.
            None if scan.series().next().is_none() => {
                scan.masks.push(MaskSource { name, kind: MaskKind::ImageStack(Pictures::in_order(&files)) });
            }
            None => {}
        }
    }
}

/// Position of the series, and its pictures in the order of its slices.
fn owner(scan: &Scan, folder: &Path, files: &[PathBuf], size: [usize; 2]) -> Option<(usize, Pictures)> {
    let inside = folder.join("x");
    let mut best: Option<(usize, (bool, usize), Pictures)> = None;
    for (at, series) in scan.series().enumerate() {
        let (Some(dims), Some(path)) = (slice_dims(series), series_path(series)) else { continue };
        let [nx, ny, nz] = dims;
        let pictures = match stack(series) {
            Some(stack) => Pictures::on_slices(stack, files),
            None => (files.len() == nz).then(|| Pictures::in_order(files)),
        };
        // A part of an uneven series may lack slices that its masks have; resampled, the series has them all.
        let whole = || series.resampled.as_ref().and_then(|stack| Pictures::on_slices(stack, files));
        let Some(pictures) = pictures.or_else(whole).filter(|_| [nx, ny] == size) else { continue };
        let rank = (pictures.matched == MatchedBy::Name, shared_depth(&inside, path));
        if best.as_ref().is_none_or(|(_, other, _)| rank > *other) {
            best = Some((at, rank, pictures));
        }
    }
    let (at, (named_alike, depth), pictures) = best?;
    // Somewhere else entirely, and with other names: size and number alone prove nothing.
    (named_alike || depth + 1 >= folder.components().count()).then_some((at, pictures))
}

/// Columns, rows and number of the slices, also of a series that opens resampled only.
fn slice_dims(series: &Series) -> Option<[usize; 3]> {
    let resampled = || {
        let stack = series.resampled.as_ref()?;
        let [columns, rows] = stack.resampling.as_ref()?.slice_size;
        Some([columns, rows, stack.slices.len()])
    };
    series.geometry.map(|g| g.dims()).or_else(resampled)
}

/// Gives the pictures of one folder to several series, when every picture is named like just one slice of them all
/// (a folder `masks` for all patients); whether that was so.
fn shared_out(scan: &mut Scan, name: &str, files: &[PathBuf], size: [usize; 2]) -> bool {
    let same_size = |s: &Series| s.geometry.is_some_and(|g| g.dims()[..2] == size);
    let found: Vec<(usize, Pictures)> = scan
        .series()
        .enumerate()
        .filter(|(_, s)| same_size(s))
        .filter_map(|(at, s)| Some((at, Pictures::named_like(stack(s)?, files)?)))
        .collect();
    let used: HashSet<&PathBuf> = found.iter().flat_map(|(_, pictures)| pictures.files()).collect();
    if used.len() != files.len() || found.iter().map(|(_, p)| p.files().count()).sum::<usize>() != files.len() {
        return false;
    }
    for (at, pictures) in found {
        if let Some(series) = series_mut(scan).nth(at) {
            series.masks.push(MaskSource { name: name.to_owned(), kind: MaskKind::ImageStack(pictures) });
        }
    }
    true
}

fn stack(series: &Series) -> Option<&DicomStack> {
    match &series.source {
        Some(VolumeSource::Dicom(stack)) if series.can_open() => Some(stack),
        _ => None,
    }
}
