//! `maskwright convert`: images and masks among the supported kinds; the kind follows the ending or `--to`.

use super::CliError;
use super::run::{foreground, print};
use crate::core::{Flips, Geometry, Volume, Window};
use crate::io::{self, DicomStack, FileKind, ImageTarget, LoadEvent, LoadedMask, MaskRequest, Series, VolumeSource};
use crate::jobs::JobContext;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct ConvertArgs {
    /// Folder or file to read.
    input: PathBuf,
    /// File or folder to write.
    output: PathBuf,
    /// The image that a mask belongs to; needed for DICOM SEG, RTSTRUCT and picture stacks. With --to dicom the series
    /// whose patient, study and frame of reference the image shares.
    #[arg(long)]
    reference: Option<PathBuf>,
    /// Kind to write instead of what the ending says: nifti, nrrd, png; seg, rtstruct, stl or obj for masks; dicom for an
    /// image as a new folder of one DICOM file a slice.
    #[arg(long, value_parser = parse_kind)]
    to: Option<FileKind>,
    /// Centre and width in HU of an image that is written as PNG pictures, for example 40,400. Without it the header's
    /// window, or that for soft tissue.
    #[arg(long, value_name = "CENTER,WIDTH", value_parser = parse_window, allow_hyphen_values = true)]
    window: Option<Window>,
    /// Which image to take where the input, or the reference of a mask, holds several: its label as `info` shows it, for
    /// example "CT 2".
    #[arg(long)]
    series: Option<String>,
    /// Open a tilted or unevenly spaced series on a regular grid.
    #[arg(long)]
    resample: bool,
    /// Take the input as a mask even if it could be an image.
    #[arg(long)]
    mask: bool,
    /// Which mask to take where the input holds several: its name as `info` shows it.
    #[arg(long)]
    mask_name: Option<String>,
    /// Write only the segment of this name; may be given more than once.
    #[arg(long)]
    segment: Vec<String>,
    /// Mirror the mask: x exchanges the sides, y top and bottom, z the order of the slices; for example xz.
    #[arg(long)]
    flip: Option<Flips>,
}

impl ConvertArgs {
    /// Whether something was asked for that only a mask has.
    fn asks_for_mask(&self) -> bool {
        self.mask || self.mask_name.is_some() || !self.segment.is_empty() || self.flip.is_some()
    }

    /// Whether something was asked for that only an image has.
    fn asks_for_image(&self) -> bool {
        self.to == Some(FileKind::DicomSeries) || self.window.is_some()
    }
}

fn parse_kind(text: &str) -> Result<FileKind, String> {
    match text {
        "nifti" => Ok(FileKind::Nifti),
        "nrrd" => Ok(FileKind::Nrrd),
        "seg" => Ok(FileKind::Dicom),
        "png" => Ok(FileKind::Png),
        "rtstruct" => Ok(FileKind::RtStruct),
        "stl" => Ok(FileKind::Stl),
        "obj" => Ok(FileKind::Obj),
        "dicom" => Ok(FileKind::DicomSeries),
        other => Err(format!("{other} is no kind: choose nifti, nrrd, seg, rtstruct, png, stl, obj or dicom")),
    }
}

fn parse_window(text: &str) -> Result<Window, String> {
    let numbers: Option<Vec<f64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[center, width]) if center.is_finite() && width.is_finite() && width >= 1.0 => {
            Ok(Window::new(width, center))
        }
        _ => Err(format!("{text} is no window: give centre and width in HU, for example 40,400")),
    }
}

pub(super) fn run(args: &ConvertArgs) -> Result<(), CliError> {
    match (args.asks_for_image(), args.asks_for_mask()) {
        (true, true) => {
            let text = "--to dicom and --window are for images, --mask, --mask-name, --segment and --flip for masks: leave \
                        the one or the other out. A mask as DICOM is --to seg.";
            Err(CliError(text.into()))
        }
        (true, false) => convert_image(args),
        (false, true) => convert_mask(args),
        (false, false) if args.reference.is_some() || holds_only_masks(&args.input)? => convert_mask(args),
        (false, false) => convert_image(args),
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
    let (input, output) = (args.input.display(), args.output.clone());
    let kind = args.to.or_else(|| FileKind::of(&output));
    let for_images = [FileKind::Nifti, FileKind::Nrrd, FileKind::Png, FileKind::DicomSeries];
    if args.to.is_some_and(|kind| !for_images.contains(&kind)) {
        return Err(CliError(format!(
            "{input} is an image; images are written as nifti, nrrd, png or dicom. Add --mask if it is a mask."
        )));
    }
    if args.window.is_some() && kind != Some(FileKind::Png) {
        return Err(CliError("--window is for PNG pictures: name a folder, or add --to png.".into()));
    }
    let reference = args.reference.as_deref().filter(|_| kind == Some(FileKind::DicomSeries));
    let reference = reference.map(|r| reference_image(r, args.series.as_deref(), args.resample)).transpose()?;
    // One label names one image: the reference's where there is one, as with masks.
    let label = args.series.as_deref().filter(|_| reference.is_none());
    let (volume, series) = read_volume(&args.input, label, args.resample)?;
    let shared = match (&reference, series.source) {
        (Some(image), _) => Some(image.stack().cloned().ok_or_else(|| {
            let place = args.reference.as_deref().unwrap_or(&args.input).display();
            CliError(format!("{place} is no DICOM series, so an image cannot share its patient and study."))
        })?),
        (None, Some(VolumeSource::Dicom(stack))) => Some(stack),
        (None, _) => None,
    };
    let (to, window) = (args.to, args.window);
    foreground(
        "Writing",
        |(), _| {},
        move |ctx: &JobContext<()>| {
            let target = ImageTarget { window, reference: shared.as_ref() };
            io::save_image(to, &output, &volume, target, ctx)
        },
    )?;
    print(&format!("Wrote {}", args.output.display()));
    Ok(())
}

fn convert_mask(args: &ConvertArgs) -> Result<(), CliError> {
    let image =
        args.reference.as_deref().map(|r| reference_image(r, args.series.as_deref(), args.resample)).transpose()?;
    let mut mask = read_mask(&args.input, args.mask_name.as_deref(), image.as_ref())?;
    let known: Vec<String> = mask.all_segments().map(|s| s.name.clone()).collect();
    if !args.segment.is_empty() && !mask.keep(&args.segment) {
        let asked = args.segment.join(", ");
        return Err(CliError(format!(
            "{} holds no segment {asked}; choose among {}.",
            args.input.display(),
            known.join(", ")
        )));
    }
    if let Some(flips) = args.flip {
        mask.layers_mut().for_each(|(labels, _)| *labels = labels.flipped(flips));
    } else if let Some(image) = image.as_ref().filter(|_| mask.unplaced) {
        let volume = image.load()?;
        io::propose_flip(&volume, &mut mask);
    }
    let (output, to, stack) = (args.output.clone(), args.to, image.and_then(|i| i.stack().cloned()));
    let findings = foreground("Writing", |(), _| {}, move |_| io::save_loaded_mask(to, &output, mask, stack.as_ref()))?;
    for finding in findings {
        eprintln!("{}", finding.text);
    }
    print(&format!("Wrote {}", args.output.display()));
    Ok(())
}

/// The image that a mask belongs to. Its samples are read only when they are asked for.
pub(super) struct ReferenceImage {
    pub geometry: Geometry,
    source: VolumeSource,
}

impl ReferenceImage {
    /// Its DICOM series when it is one.
    pub fn stack(&self) -> Option<&DicomStack> {
        match &self.source {
            VolumeSource::Dicom(stack) => Some(stack),
            VolumeSource::Nifti(_) | VolumeSource::Nrrd(_) => None,
        }
    }

    /// Reads its samples.
    pub fn load(&self) -> Result<Volume, CliError> {
        let source = self.source.clone();
        foreground("Reading the image", |_, _| {}, move |ctx: &JobContext<LoadEvent>| io::load_volume(&source, ctx))
    }
}

/// The image under a path: the one of this label, or else the CT with most slices.
pub(super) fn reference_image(path: &Path, label: Option<&str>, resample: bool) -> Result<ReferenceImage, CliError> {
    let place = path.to_owned();
    let mut scan = foreground("Scanning", |(), _| {}, move |ctx| io::scan(&place, ctx))?;
    if resample {
        io::resample_all(&mut scan);
    }
    let mut can_open = scan.series().filter(|s| s.can_open());
    let chosen = match label {
        Some(label) => can_open.find(|s| s.label.eq_ignore_ascii_case(label)),
        None => can_open.max_by_key(|s| (s.may_be_ct(), s.slices)),
    };
    let found = chosen.and_then(|s| Some(ReferenceImage { geometry: s.geometry?, source: s.source.clone()? }));
    found.ok_or_else(|| match label {
        Some(label) => CliError(format!("{} holds no image {label:?} that can be opened.", path.display())),
        None => {
            CliError(format!("{} holds no image that can be opened; give the folder of the CT series.", path.display()))
        }
    })
}

/// A mask of any kind, on an image where one is given.
pub(super) fn read_mask(
    path: &Path,
    name: Option<&str>,
    image: Option<&ReferenceImage>,
) -> Result<LoadedMask, CliError> {
    open_mask(path, name, image.map(|i| i.geometry), image.and_then(|i| i.stack().cloned()))
}

fn open_mask(
    path: &Path,
    name: Option<&str>,
    grid: Option<Geometry>,
    series: Option<DicomStack>,
) -> Result<LoadedMask, CliError> {
    let (place, name) = (path.to_owned(), name.map(str::to_owned));
    foreground(
        "Reading the mask",
        |(), _| {},
        move |ctx: &JobContext<()>| {
            let request = MaskRequest { name: name.as_deref(), grid: grid.as_ref(), series: series.as_ref() };
            io::find_mask(&place, request, ctx)
        },
    )
}

/// The volume under a path and its series; what was noticed is told.
pub(super) fn read_volume(path: &Path, label: Option<&str>, resample: bool) -> Result<(Volume, Series), CliError> {
    let (place, label) = (path.to_owned(), label.map(str::to_owned));
    let (volume, series) = foreground(
        "Reading the image",
        |_, _| {},
        move |ctx: &JobContext<LoadEvent>| io::open_volume_as(&place, label.as_deref(), resample, ctx),
    )?;
    for finding in &series.findings {
        eprintln!("{}", finding.text);
    }
    Ok((volume, series))
}
