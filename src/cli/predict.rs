//! `maskwright predict`: a trained network's mask of an image, as a file.

use super::CliError;
use super::convert::read_volume;
use super::run::{foreground, print};
use crate::io::{self, VolumeSource};
use crate::nn::{DeviceChoice, Tiling};
use crate::predict::{self, ModelSource, PredictDevice, PredictEvent, PredictOptions};
use crate::train;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct PredictArgs {
    /// Run folder; its best checkpoint is used. Given several times, the networks predict together.
    #[arg(long, required_unless_present = "weights", conflicts_with = "weights")]
    run: Vec<PathBuf>,
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
    /// Average with the answers for mirrored slices: lr, ud, lr,ud or none. Instead of what the recipe says, like the
    /// options below.
    #[arg(long, value_parser = parse_flips)]
    flips: Option<[bool; 2]>,
    /// whole, or the size of a window in pixels of the network's slices, moved with half of it overlapping; with another
    /// overlap as SIZE:OVERLAP, 128:0.25 for example.
    #[arg(long, value_parser = parse_tiling)]
    window: Option<Tiling>,
    /// Keep so many largest parts of each class, or all.
    #[arg(long, value_parser = parse_keep)]
    keep_largest: Option<Keep>,
    /// Fill what a class encloses: true or false.
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    fill_holes: Option<bool>,
    /// Foreground is where the network is at least so sure, 0 to 1; for networks of one class.
    #[arg(long)]
    threshold: Option<f32>,
}

/// Parts that are kept; `None` for all. (An option within an option means something else to clap.)
#[derive(Debug, Clone, Copy)]
struct Keep(Option<usize>);

fn parse_flips(text: &str) -> Result<[bool; 2], String> {
    let words: Vec<&str> = text.split(',').map(str::trim).collect();
    let known = |word: &&str| ["lr", "ud"].contains(word);
    if text == "none" {
        return Ok([false; 2]);
    }
    if words.iter().all(known) {
        return Ok(["lr", "ud"].map(|word| words.contains(&word)));
    }
    Err(format!("{text} is no way to mirror: choose lr, ud, lr,ud or none"))
}

fn parse_tiling(text: &str) -> Result<Tiling, String> {
    if text == "whole" {
        return Ok(Tiling::Whole);
    }
    let (size, overlap) = text.split_once(':').unwrap_or((text, "0.5"));
    match (size.parse(), overlap.parse()) {
        (Ok(size), Ok(overlap)) => Ok(Tiling::Sliding { size, overlap }),
        _ => Err(format!("{text} is no window: write whole, 128 or 128:0.25")),
    }
}

fn parse_keep(text: &str) -> Result<Keep, String> {
    match text {
        "all" => Ok(Keep(None)),
        _ => {
            text.parse().map(|n| Keep(Some(n))).map_err(|_| format!("{text} is no number of parts: write 1, 2 or all"))
        }
    }
}

pub(super) fn run(args: &PredictArgs) -> Result<(), CliError> {
    let model = match (args.run.as_slice(), &args.weights, &args.recipe) {
        ([run], ..) => ModelSource::Run(run.clone()),
        (runs @ [_, ..], ..) => ModelSource::Ensemble(runs.to_vec()),
        ([], Some(weights), Some(recipe)) => ModelSource::Weights {
            file: weights.clone(),
            spec: Box::new(train::Recipe::load(recipe).map_err(CliError::of)?.model_spec()),
        },
        _ => return Err(CliError("Give a run folder with --run, or --weights and --recipe.".into())),
    };
    let device = PredictDevice::Choice(args.device);
    let options = PredictOptions {
        tiling: args.window,
        flip_lr: args.flips.map(|f| f[0]),
        flip_ud: args.flips.map(|f| f[1]),
        keep_largest: args.keep_largest.map(|k| k.0),
        fill_holes: args.fill_holes,
        threshold: args.threshold,
    };
    let (volume, series) = read_volume(&args.input, args.series.as_deref(), args.resample)?;
    let prediction = foreground(
        "Predicting",
        |event, _| {
            if let PredictEvent::Warning(text) = event {
                eprintln!("{text}");
            }
        },
        move |ctx| predict::predict_with(&model, &options, &volume, &device, ctx),
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
