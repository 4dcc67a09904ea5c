//! `maskwright convert`: images and masks among the supported kinds; the kind follows the ending or `--to`.

use super::CliError;
use super::run::{foreground, print};
use crate::core::{Geometry, Volume};
use crate::io::{self, DicomStack, FileKind, LoadEvent, LoadedMask, Series, VolumeSource};
use crate::jobs::JobContext;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct ConvertArgs {
    /// Folder or file to read.
    input: PathBuf,
    /// File or folder to write.
    output: PathBuf,
    /// The image that a mask belongs to; needed for DICOM SEG, RTSTRUCT and picture stacks.
    #[arg(long)]
    reference: Option<PathBuf>,
    /// Kind to write instead of what the ending says: nifti, nrrd, seg or png.
    #[arg(long, value_parser = parse_kind)]
    to: Option<FileKind>,
    /// Which image to take where the input holds several: its label as `info` shows it, for example "CT 2".
    #[arg(long, conflicts_with_all = ["mask", "reference"])]
    series: Option<String>,
    /// Take the input as a mask even if it could be an image.
    #[arg(long)]
    mask: bool,
}

fn parse_kind(text: &str) -> Result<FileKind, String> {
    match text {
        "nifti" => Ok(FileKind::Nifti),
        "nrrd" => Ok(FileKind::Nrrd),
        "seg" => Ok(FileKind::Dicom),
        "png" => Ok(FileKind::Png),
        other => Err(format!("{other} is no kind: choose nifti, nrrd, seg or png")),
    }
}

pub(super) fn run(args: &ConvertArgs) -> Result<(), CliError> {
    if args.mask || args.reference.is_some() || holds_only_masks(&args.input)? {
        convert_mask(args)
    } else {
        convert_image(args)
    }
}

/// Whether a scan finds masks and no image that can be opened.
fn holds_only_masks(path: &Path) -> Result<bool, CliError> {
    let path = path.to_owned();
    let scan = foreground("Scanning", |(), _| {}, move |ctx| io::scan(&path, ctx))?;
    let masks = !scan.masks.is_empty() || scan.series().any(|s| !s.masks.is_empty());
    Ok(masks && !scan.series().any(Series::can_open))
}

fn convert_image(args: &ConvertArgs) -> Result<(), CliError> {
    if matches!(args.to, Some(FileKind::Dicom | FileKind::Png)) {
        return Err(CliError(format!(
            "{} is an image; images are written as NIfTI or NRRD. Add --mask if it is a mask.",
            args.input.display()
        )));
    }
    let (volume, _) = read_volume(&args.input, args.series.as_deref())?;
    let output = args.output.clone();
    foreground("Writing", |(), _| {}, move |_| io::save_volume(&output, &volume))?;
    print(&format!("Wrote {}", args.output.display()));
    Ok(())
}

fn convert_mask(args: &ConvertArgs) -> Result<(), CliError> {
    let (geometry, stack) = match &args.reference {
        Some(reference) => {
            let (geometry, stack) = reference_grid(reference)?;
            (Some(geometry), stack)
        }
        None => (None, None),
    };
    let mask = read_mask(&args.input, geometry)?;
    for finding in &mask.findings {
        eprintln!("{}", finding.text);
    }
    let (output, to) = (args.output.clone(), args.to);
    foreground(
        "Writing",
        |(), _| {},
        move |_| match to {
            Some(kind) => io::save_mask_as(kind, &output, &mask.labels, &mask.segments, stack.as_ref()),
            None => io::save_mask(&output, &mask.labels, &mask.segments, stack.as_ref()),
        },
    )?;
    print(&format!("Wrote {}", args.output.display()));
    Ok(())
}

/// The grid of an image, and its DICOM series when it is one.
pub(super) fn reference_grid(path: &Path) -> Result<(Geometry, Option<DicomStack>), CliError> {
    let place = path.to_owned();
    let scan = foreground("Scanning", |(), _| {}, move |ctx| io::scan(&place, ctx))?;
    let series = scan.series().filter(|s| s.can_open()).max_by_key(|s| (s.may_be_ct(), s.slices));
    let found = series.and_then(|s| Some((s.geometry?, s.source.clone()?)));
    let (geometry, source) = found.ok_or_else(|| {
        CliError(format!("{} holds no image that can be opened; give the folder of the CT series.", path.display()))
    })?;
    let stack = match source {
        VolumeSource::Dicom(stack) => Some(stack),
        VolumeSource::Nifti(_) | VolumeSource::Nrrd(_) => None,
    };
    Ok((geometry, stack))
}

/// A mask of any kind, on `reference` where one is given.
pub(super) fn read_mask(path: &Path, reference: Option<Geometry>) -> Result<LoadedMask, CliError> {
    let place = path.to_owned();
    foreground(
        "Reading the mask",
        |(), _| {},
        move |ctx: &JobContext<()>| io::open_mask(&place, reference.as_ref(), ctx),
    )
}

/// The volume under a path and its series; what was noticed is told.
pub(super) fn read_volume(path: &Path, label: Option<&str>) -> Result<(Volume, Series), CliError> {
    let (place, label) = (path.to_owned(), label.map(str::to_owned));
    let (volume, series) = foreground(
        "Reading the image",
        |_, _| {},
        move |ctx: &JobContext<LoadEvent>| io::open_volume(&place, label.as_deref(), ctx),
    )?;
    for finding in &series.findings {
        eprintln!("{}", finding.text);
    }
    Ok((volume, series))
}
