//! `maskwright predict`: a trained network's mask of an image, as a file.

use super::CliError;
use super::convert::read_volume;
use super::run::{foreground, print};
use crate::io::{self, VolumeSource};
use crate::nn::DeviceChoice;
use crate::predict::{self, ModelSource, PredictDevice, PredictEvent};
use crate::train;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct PredictArgs {
    /// Run folder; its best checkpoint is used.
    #[arg(long, required_unless_present = "weights", conflicts_with = "weights")]
    run: Option<PathBuf>,
    /// Weights file, with the recipe of its network.
    #[arg(long, requires = "recipe")]
    weights: Option<PathBuf>,
    /// Name of a built-in recipe, or a RON file.
    #[arg(long)]
    recipe: Option<String>,
    /// Image: folder or file.
    #[arg(long)]
    input: PathBuf,
    /// Which image to take where the input holds several: its label as `info` shows it, for example "CT 2".
    #[arg(long)]
    series: Option<String>,
    /// Open a tilted or unevenly spaced series on a regular grid. A DICOM mask is written onto its source slices.
    #[arg(long)]
    resample: bool,
    /// Mask to write; the kind follows the ending.
    #[arg(long)]
    output: PathBuf,
    /// auto, gpu or cpu.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

pub(super) fn run(args: &PredictArgs) -> Result<(), CliError> {
    let model = match (&args.run, &args.weights, &args.recipe) {
        (Some(run), ..) => ModelSource::Run(run.clone()),
        (None, Some(weights), Some(recipe)) => ModelSource::Weights {
            file: weights.clone(),
            spec: train::Recipe::load(recipe).map_err(CliError::of)?.model_spec(),
        },
        _ => return Err(CliError("Give a run folder with --run, or --weights and --recipe.".into())),
    };
    let device = PredictDevice::Choice(args.device);
    let (volume, series) = read_volume(&args.input, args.series.as_deref(), args.resample)?;
    let prediction = foreground(
        "Predicting",
        |event, _| {
            if let PredictEvent::Warning(text) = event {
                eprintln!("{text}");
            }
        },
        move |ctx| predict::predict_volume(&model, &volume, &device, ctx),
    )?;
    let stack = match series.source {
        Some(VolumeSource::Dicom(stack)) => Some(stack),
        _ => None,
    };
    let output = args.output.clone();
    let (labels, segments) = (prediction.labels, prediction.segments);
    foreground("Writing", |(), _| {}, move |_| io::save_mask(&output, &labels, &segments, stack.as_ref()))?;
    print(&format!(
        "Wrote {} (weights {} of {}, SHA-256 {})",
        args.output.display(),
        prediction.checkpoint,
        prediction.run,
        prediction.weights_sha256
    ));
    Ok(())
}
