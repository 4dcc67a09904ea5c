//! Folders of pictures as masks: which series, and in which order.

use super::attach::{series_mut, series_path};
use super::stems::shared_depth;
use crate::io::image_stack::is_picture;
use crate::io::natural::natural_path_cmp;
use crate::io::types::{DicomStack, MaskKind, MaskSource, Scan, Series, VolumeSource};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Gives each folder of pictures to the series it fits: one picture a slice, of the slices' size.
///
/// A folder that fits none is a mask of its own when its name or its sameness of size makes it one.
pub fn attach(scan: &mut Scan, folders: BTreeMap<PathBuf, Vec<PathBuf>>) {
    for (folder, mut files) in folders {
        files.sort_by(|a, b| natural_path_cmp(a, b));
        let Some((width, height)) = files.first().and_then(|f| image::image_dimensions(f).ok()) else { continue };
        let name = folder.file_name().map_or_else(|| "Pictures".to_owned(), |n| n.to_string_lossy().into_owned());
        match owner(scan, &folder, &files, [width as usize, height as usize]) {
            Some((at, files, inverted_order)) => {
                let kind = MaskKind::ImageStack { files, inverted_order };
                if let Some(series) = series_mut(scan).nth(at) {
                    series.masks.push(MaskSource { name, kind });
                }
            }
            None if shared_out(scan, &name, &files, [width as usize, height as usize]) => {}
            // Pictures beside images that they do not fit are screenshots and the like.
            None if scan.series().next().is_none() => {
                scan.masks.push(MaskSource { name, kind: MaskKind::ImageStack { files, inverted_order: false } });
            }
            None => {}
        }
    }
}

/// Position of the series, the files in its slice order, and whether that order runs downwards.
fn owner(scan: &Scan, folder: &Path, files: &[PathBuf], size: [usize; 2]) -> Option<(usize, Vec<PathBuf>, bool)> {
    let inside = folder.join("x");
    let fits = |series: &Series| series.geometry.is_some_and(|g| g.dims() == [size[0], size[1], files.len()]);
    let mut best: Option<(usize, (bool, usize), &Series)> = None;
    for (at, series) in scan.series().enumerate().filter(|(_, s)| fits(s)) {
        let Some(path) = series_path(series) else { continue };
        let by_stem = stack(series).is_some_and(|s| by_stem(s, files).is_some());
        let rank = (by_stem, shared_depth(&inside, path));
        if best.is_none_or(|(_, other, _)| rank > other) {
            best = Some((at, rank, series));
        }
    }
    let (at, (named_alike, depth), series) = best?;
    // Somewhere else entirely, and with other names: size and number alone prove nothing.
    if !named_alike && depth + 1 < folder.components().count() {
        return None;
    }
    let ordered = match stack(series) {
        Some(stack) => by_stem(stack, files).unwrap_or_else(|| by_rank(stack, files)),
        None => files.to_vec(),
    };
    let downwards = ordered.len() > 1 && ordered.iter().rev().eq(files.iter());
    Some((at, if downwards { files.to_vec() } else { ordered }, downwards))
}

/// Gives the pictures of one folder to several series, when each slice of those has a picture of its name and every
/// picture is needed just once (a folder `masks` for all patients); whether that was so.
fn shared_out(scan: &mut Scan, name: &str, files: &[PathBuf], size: [usize; 2]) -> bool {
    let same_size = |s: &Series| s.geometry.is_some_and(|g| g.dims()[..2] == size);
    let found: Vec<(usize, Vec<PathBuf>)> = scan
        .series()
        .enumerate()
        .filter(|(_, s)| same_size(s))
        .filter_map(|(at, s)| Some((at, by_stem(stack(s)?, files)?)))
        .collect();
    let used: HashSet<&PathBuf> = found.iter().flat_map(|(_, list)| list).collect();
    if used.len() != files.len() || found.iter().map(|(_, list)| list.len()).sum::<usize>() != files.len() {
        return false;
    }
    for (at, files) in found {
        if let Some(series) = series_mut(scan).nth(at) {
            let kind = MaskKind::ImageStack { files, inverted_order: false };
            series.masks.push(MaskSource { name: name.to_owned(), kind });
        }
    }
    true
}

fn stack(series: &Series) -> Option<&DicomStack> {
    match &series.source {
        Some(VolumeSource::Dicom(stack)) => Some(stack),
        _ => None,
    }
}

/// The pictures named like the slices, in the slices' order.
fn by_stem(stack: &DicomStack, files: &[PathBuf]) -> Option<Vec<PathBuf>> {
    let named: HashMap<_, _> = files.iter().filter(|f| is_picture(f)).map(|f| (f.file_stem(), f)).collect();
    stack
        .slices
        .iter()
        .map(|s| named.get(&s.path.file_stem()).or_else(|| named.get(&s.path.file_name())).map(|f| (*f).clone()))
        .collect()
}

/// The n-th picture belongs to the n-th file of the series by name, wherever that lies in the volume.
///
/// CHAOS numbers its `Ground` pictures so; its own evaluation sorts both lists by name, and the files of some of its
/// patients run from head to foot and of others from foot to head.
fn by_rank(stack: &DicomStack, files: &[PathBuf]) -> Vec<PathBuf> {
    let mut order: Vec<usize> = (0..stack.slices.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&stack.slices[a], &stack.slices[b]);
        natural_path_cmp(&a.path, &b.path).then(a.frame.cmp(&b.frame))
    });
    let mut out = files.to_vec();
    for (file, slice) in files.iter().zip(order) {
        if let Some(place) = out.get_mut(slice) {
            place.clone_from(file);
        }
    }
    out
}
