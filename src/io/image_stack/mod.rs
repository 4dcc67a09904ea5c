//! Masks as one PNG or JPEG a slice; and images on their way out.
//!
//! Such files know no spacing and no place: they take both from the image they belong to. Which picture is whose is told
//! by names, or else by order.

mod matching;

pub use matching::{MatchedBy, Pictures};

mod decode;

pub use decode::picture_size;

use crate::core::{Geometry, LabelMap, Segment, Volume, VoxelBox, Window, count_with, segments_for_values};
use crate::io::atomic::{FolderWrite, plain_reason, write_atomic};
use crate::io::mask::LoadedMask;
use crate::io::natural::natural_path_cmp;
use crate::io::sample_write::file_values;
use crate::io::types::{Finding, Severity};
use crate::jobs::JobContext;
use decode::decode_picture;
use image::{DynamicImage, ExtendedColorType, ImageEncoder};
use rayon::prelude::*;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a stack could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ImageStackError {
    #[error("{} cannot be read: {}", path.display(), plain_reason(source))]
    Read { path: PathBuf, source: io::Error },
    #[error("{} cannot be opened as a picture: it is damaged or of another kind", path.display())]
    Picture { path: PathBuf, source: image::ImageError },
    #[error("{} is {}x{} pixels, the image's slices are {}x{}: choose the masks that belong to this image", path.display(), found[0], found[1], expected[0], expected[1])]
    Size { path: PathBuf, found: [u32; 2], expected: [usize; 2] },
    #[error("{} has {found} pictures, the image has {expected} slices: one picture a slice is needed, or names like those of the slices", folder.display())]
    Count { folder: PathBuf, found: usize, expected: usize },
    #[error("the pictures in {} hold more than 255 different values, so they are no masks", folder.display())]
    TooManyLabels { folder: PathBuf },
    #[error("{} was not saved: {}; choose another place or free some space", path.display(), plain_reason(source))]
    Write { path: PathBuf, source: io::Error },
    #[error("{} already exists and holds other files; choose a new folder", folder.display())]
    Occupied { folder: PathBuf },
    #[error("reading it was stopped")]
    Cancelled,
}

/// Pixels of one slice: grey bytes, or anything wider (16-bit grey, or a colour as `0xRRGGBB`).
enum Pixels {
    Grey(Vec<u8>),
    Wide { values: Vec<u32>, colour: bool },
}

/// Most different values that are counted; what has more is no mask, however many more.
const MAX_VALUES: usize = 1 << 16;

/// How pixel values become labels.
enum Meaning {
    /// One label: values from here up.
    Threshold(u32),
    Table(HashMap<u32, u8>),
}

/// Whether a name looks like a picture that is read here.
pub fn is_picture(path: &Path) -> bool {
    path.extension().is_some_and(|e| ["png", "jpg", "jpeg"].iter().any(|k| e.eq_ignore_ascii_case(k)))
}

/// The pictures in a folder in natural order of their names.
///
/// # Errors
/// [`ImageStackError::Read`].
pub fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, ImageStackError> {
    let unreadable = |source| ImageStackError::Read { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if !hidden && is_picture(&path) && path.is_file() {
            files.push(path);
        }
    }
    files.sort_by(|a, b| natural_path_cmp(a, b));
    Ok(files)
}

/// Reads the pictures onto the slices they were matched to; a slice without a picture is empty, with a finding.
///
/// One distinct value besides 0 (1, 255, …) is one label named `name`; a few are as many labels; lossy JPEG and
/// smoothed edges are cut at the middle of the range, with a finding.
///
/// # Errors
/// [`ImageStackError`].
pub fn load_image_stack(
    pictures: &Pictures,
    name: &str,
    reference: &Geometry,
    ctx: &JobContext<()>,
) -> Result<LoadedMask, ImageStackError> {
    let [nx, ny, nz] = reference.dims();
    let folder = pictures.files().next().and_then(|f| f.parent()).unwrap_or(Path::new("")).to_owned();
    let count = || ImageStackError::Count { folder: folder.clone(), found: pictures.files().count(), expected: nz };
    if pictures.slices.len() != nz {
        return Err(count());
    }
    ctx.progress.set(0, nz as u64);
    let slices = pictures
        .slices
        .par_iter()
        .map(|file| {
            if ctx.is_cancelled() {
                return Err(ImageStackError::Cancelled);
            }
            let slice = file.as_ref().map(|file| read_slice(file, [nx, ny])).transpose();
            ctx.progress.step();
            slice
        })
        .collect::<Result<Vec<_>, _>>()?;
    let read: Vec<&(Pixels, bool)> = slices.iter().flatten().collect();
    let counts = count_values(&read);
    let lossy = read.iter().any(|(_, jpeg)| *jpeg);
    let mut findings = findings(pictures, &folder);
    let (meaning, segments) = match meaning(&counts, lossy) {
        Some(Meaning::Threshold(from)) => {
            if lossy || counts.keys().any(|&v| v != 0 && v < from) {
                let text = format!(
                    "the pictures hold shades between mask and background; values from {from} up were taken as mask"
                );
                findings.push(Finding::new(Severity::Note, "threshold", text).about(&folder));
            }
            (Meaning::Threshold(from), vec![Segment::new(1, name)])
        }
        _ => {
            let values: Vec<u32> = counts.keys().copied().collect();
            let table = segments_for_values(&values)
                .ok_or_else(|| ImageStackError::TooManyLabels { folder: folder.clone() })?;
            let colour = read.iter().any(|(p, _)| matches!(p, Pixels::Wide { colour: true, .. }));
            let ids = table.iter().map(|(value, s)| (*value, s.id)).collect();
            let segments = table.into_iter().map(|(value, s)| coloured(s, value, colour)).collect();
            (Meaning::Table(ids), segments)
        }
    };
    let mut dense = vec![0u8; reference.voxel_count()];
    dense.par_chunks_mut(nx * ny).zip(&slices).for_each(|(out, slice)| {
        if let Some((pixels, _)) = slice {
            pixels.labels(&meaning, out);
        }
    });
    let labels = LabelMap::from_dense(*reference, &dense).ok_or_else(count)?;
    Ok(LoadedMask { unplaced: true, ..LoadedMask::new(labels, segments, findings) })
}

fn findings(pictures: &Pictures, folder: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let empty = pictures.slices.iter().filter(|p| p.is_none()).count();
    if empty > 0 {
        let (one, many) = ("has no picture of its name, and was", "have no picture of their name, and were");
        let text = format!("{} taken as empty", count_with(empty, "slice", one, many));
        findings.push(Finding::new(Severity::Note, "no-picture", text).about(folder));
    }
    if pictures.matched == MatchedBy::Order {
        let text = "the pictures are not named like the slices; they were matched to them by the order of names";
        findings.push(Finding::new(Severity::Note, "matched-by-order", text).about(folder));
    }
    findings
}

fn coloured(mut segment: Segment, value: u32, colour: bool) -> Segment {
    if colour {
        let [_, r, g, b] = value.to_be_bytes();
        segment.color = [r, g, b];
        segment.name = format!("Colour #{value:06x}");
        // A colour is no number that another format could use.
        segment.file_value = u32::from(segment.id);
    }
    segment
}

fn read_slice(path: &Path, size: [usize; 2]) -> Result<(Pixels, bool), ImageStackError> {
    // The size is in the first bytes; a picture of another size is never unpacked.
    let (w, h) = picture_size(path)?;
    if [w as usize, h as usize] != size {
        return Err(ImageStackError::Size { path: path.to_owned(), found: [w, h], expected: size });
    }
    let (picture, jpeg) = decode_picture(path, size)?;
    let pixels = match picture {
        DynamicImage::ImageLuma8(p) => Pixels::Grey(p.into_raw()),
        DynamicImage::ImageLumaA8(p) => Pixels::Grey(p.pixels().map(|p| p.0[0]).collect()),
        DynamicImage::ImageLuma16(p) => {
            Pixels::Wide { values: p.iter().map(|&v| u32::from(v)).collect(), colour: false }
        }
        DynamicImage::ImageLumaA16(p) => {
            Pixels::Wide { values: p.pixels().map(|p| u32::from(p.0[0])).collect(), colour: false }
        }
        other => {
            let rgb = other.into_rgb8();
            if rgb.pixels().all(|p| p.0[0] == p.0[1] && p.0[1] == p.0[2]) {
                Pixels::Grey(rgb.pixels().map(|p| p.0[0]).collect())
            } else if jpeg {
                Pixels::Grey(DynamicImage::ImageRgb8(rgb).into_luma8().into_raw())
            } else {
                let value = |p: &image::Rgb<u8>| u32::from_be_bytes([0, p.0[0], p.0[1], p.0[2]]);
                Pixels::Wide { values: rgb.pixels().map(value).collect(), colour: true }
            }
        }
    };
    Ok((pixels, jpeg))
}

/// How often each value occurs. Grey and colour slices of one stack agree on grey values.
fn count_values(slices: &[&(Pixels, bool)]) -> HashMap<u32, u64> {
    let colour = slices.iter().any(|(p, _)| matches!(p, Pixels::Wide { colour: true, .. }));
    slices
        .par_iter()
        .map(|(pixels, _)| {
            let mut counts = HashMap::new();
            match pixels {
                Pixels::Grey(p) => {
                    let mut bins = [0u64; 256];
                    p.iter().for_each(|&v| bins[usize::from(v)] += 1);
                    for (v, n) in bins.into_iter().enumerate().filter(|(_, n)| *n > 0) {
                        // In a stack with colours, a grey picture's value stands for the grey colour.
                        counts.insert(if colour { v as u32 * 0x01_01_01 } else { v as u32 }, n);
                    }
                }
                Pixels::Wide { values, .. } => values.iter().for_each(|&v| count(&mut counts, v, 1)),
            }
            counts
        })
        .reduce(HashMap::new, |mut a, b| {
            b.into_iter().for_each(|(v, n)| count(&mut a, v, n));
            a
        })
}

fn count(counts: &mut HashMap<u32, u64>, value: u32, times: u64) {
    if counts.len() < MAX_VALUES {
        *counts.entry(value).or_default() += times;
    } else if let Some(known) = counts.get_mut(&value) {
        *known += times;
    }
}

/// One label, smoothed edges or several labels; `None` for several labels, to be numbered by the caller.
fn meaning(counts: &HashMap<u32, u64>, lossy: bool) -> Option<Meaning> {
    let largest = counts.keys().copied().max().unwrap_or(0);
    let shades = counts.keys().filter(|&&v| v != 0).count();
    let total: u64 = counts.iter().filter(|(v, _)| **v != 0).map(|(_, n)| n).sum();
    // Mask pictures drawn with smooth edges: nearly all is full white, the rest spreads over many shades.
    let smoothed = shades > 8 && largest == 255 && counts.get(&255).is_some_and(|n| n * 10 >= total * 8);
    (lossy || smoothed || shades <= 1).then(|| Meaning::Threshold(largest / 2 + 1))
}

impl Pixels {
    fn labels(&self, meaning: &Meaning, out: &mut [u8]) {
        match (self, meaning) {
            (Self::Grey(p), Meaning::Threshold(from)) => {
                out.iter_mut().zip(p).for_each(|(o, &v)| *o = u8::from(u32::from(v) >= *from));
            }
            (Self::Grey(p), Meaning::Table(ids)) => {
                let of = |v: u32| ids.get(&v).or_else(|| ids.get(&(v * 0x01_01_01))).copied().unwrap_or(0);
                let table: [u8; 256] = std::array::from_fn(|v| of(v as u32));
                out.iter_mut().zip(p).for_each(|(o, &v)| *o = table[usize::from(v)]);
            }
            (Self::Wide { values, .. }, Meaning::Threshold(from)) => {
                out.iter_mut().zip(values).for_each(|(o, v)| *o = u8::from(v >= from));
            }
            (Self::Wide { values, .. }, Meaning::Table(ids)) => {
                out.iter_mut().zip(values).for_each(|(o, v)| *o = ids.get(v).copied().unwrap_or(0));
            }
        }
    }
}

/// Writes one 8-bit PNG a slice along k, `0000.png` upwards, into a new folder: 255 for a single segment, else each
/// segment's file number (its label, when a number does not fit a byte).
///
/// The folder appears when it is complete. One that an earlier export made is replaced.
///
/// # Errors
/// [`ImageStackError::Occupied`] when the folder holds anything else, [`ImageStackError::Write`].
pub fn save_image_stack(folder: &Path, labels: &LabelMap, segments: &[Segment]) -> Result<(), ImageStackError> {
    let [nx, ny, nz] = labels.geometry().dims();
    let mut table: [u8; 256] = std::array::from_fn(|i| i as u8);
    if let [only] = segments {
        table[usize::from(only.id)] = 255;
    } else {
        let values = file_values(segments);
        if values.iter().all(|&v| v <= 255) {
            table = values.map(|v| v as u8);
        }
    }
    write_pictures(folder, [nx, ny, nz], |k, picture| {
        labels.copy_box(VoxelBox { min: [0, 0, k], max: [nx, ny, k + 1] }, picture);
        picture.iter_mut().for_each(|v| *v = table[usize::from(*v)]);
    })
}

/// Writes an image as one 8-bit PNG a slice along k, named and placed as by [`save_image_stack`]: black below the window
/// and white above, a pixel a voxel.
///
/// # Errors
/// As [`save_image_stack`].
pub fn save_grey_stack(folder: &Path, volume: &Volume, window: &Window) -> Result<(), ImageStackError> {
    write_pictures(folder, volume.geometry().dims(), |k, picture| {
        let slice = volume.slice(k).unwrap_or_default();
        for (grey, hu) in picture.iter_mut().zip(slice) {
            *grey = (window.grey(f64::from(*hu)) * 255.0).round() as u8;
        }
    })
}

/// Fills a new folder with one grey picture a slice; `draw` gets the slice's number and its pixels, all 0.
fn write_pictures(
    folder: &Path,
    [nx, ny, nz]: [usize; 3],
    draw: impl Fn(usize, &mut [u8]) + Sync,
) -> Result<(), ImageStackError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => ImageStackError::Occupied { folder: folder.to_owned() },
        _ => ImageStackError::Write { path: folder.to_owned(), source },
    };
    let fresh = FolderWrite::replacing(folder, replaceable).map_err(failed)?;
    let written = (0..nz).into_par_iter().try_for_each(|k| {
        let mut picture = vec![0; nx * ny];
        draw(k, &mut picture);
        write_atomic(&fresh.path().join(format!("{k:04}.png")), |w| {
            image::codecs::png::PngEncoder::new(w)
                .write_image(&picture, nx as u32, ny as u32, ExtendedColorType::L8)
                .map_err(io::Error::other)
        })
    });
    written.and_then(|()| fresh.finish()).map_err(failed)
}

fn replaceable(folder: &Path) -> bool {
    let ours = |path: &Path| {
        let digits = |s: &std::ffi::OsStr| s.to_string_lossy().bytes().all(|b| b.is_ascii_digit());
        path.extension().is_some_and(|e| e == "png") && path.file_stem().is_some_and(digits)
    };
    fs::read_dir(folder).is_ok_and(|list| list.flatten().all(|e| ours(&e.path())))
}

#[cfg(test)]
mod tests;
