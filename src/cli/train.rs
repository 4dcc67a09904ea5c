//! `maskwright train`: a recipe, data, a run folder.

use super::CliError;
use super::run::{foreground, print, print_json};
use crate::nn::DeviceChoice;
use crate::train::{self, Recipe, TrainControl, TrainData, TrainEvent, TrainRequest, TrainSummary};
use indicatif::ProgressBar;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct TrainArgs {
    /// Name of a built-in recipe, or a RON file.
    #[arg(long)]
    recipe: String,
    /// Data set folder, in any of the known layouts.
    #[arg(long)]
    data: PathBuf,
    /// Run folder to write.
    #[arg(long)]
    run: PathBuf,
    /// auto, gpu or cpu.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Instead of the recipe's number.
    #[arg(long)]
    epochs: Option<usize>,
    /// Go on from the run's last checkpoint.
    #[arg(long)]
    resume: bool,
    /// Weights to start from.
    #[arg(long)]
    init: Option<PathBuf>,
    /// Change a field of the recipe, for example optimizer.lr=0.001; may be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// One JSON document on stdout at the end.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &TrainArgs) -> Result<(), CliError> {
    let mut recipe = Recipe::load(&args.recipe).map_err(CliError::of)?;
    for assignment in &args.set {
        train::apply_override(&mut recipe, assignment).map_err(CliError::of)?;
    }
    if let Some(epochs) = args.epochs {
        recipe.epochs = epochs;
    }
    let request = TrainRequest {
        recipe,
        data: TrainData::Folder(args.data.clone()),
        run: args.run.clone(),
        device: args.device,
        compute: None,
        resume: args.resume,
        init: args.init.clone(),
        cache_bytes: None,
        test: true,
    };
    let summary = train_in_foreground(request, !args.json)?;
    if args.json {
        return print_json(&summary);
    }
    print(&in_words(&summary));
    Ok(())
}

/// Trains with a progress bar; epochs are printed when `tell` is set.
pub(super) fn train_in_foreground(request: TrainRequest, tell: bool) -> Result<TrainSummary, CliError> {
    let control = TrainControl::new();
    foreground("Training", move |event, bar| show(&event, bar, tell), move |ctx| train::train(&request, &control, ctx))
}

fn show(event: &TrainEvent, bar: &ProgressBar, tell: bool) {
    let line = match event {
        TrainEvent::Planned(p) => format!(
            "{}: {} slices train, {} validate, {} test, of {} cases; {} steps an epoch, {} epochs, {} weights\n\
             slices: {} MiB in memory, {} MiB in a file that goes with the run\n{}",
            p.device,
            p.train_slices,
            p.validation_slices,
            p.test_slices,
            p.cases,
            p.steps_per_epoch,
            p.epochs,
            p.parameters,
            p.cache_bytes >> 20,
            p.scratch_bytes >> 20,
            p.balance()
        ),
        TrainEvent::Epoch(row) => {
            let number = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"));
            let mut line = format!(
                "epoch {}: loss {:.4}, validation loss {}, Dice {}, {:.1} s",
                row.epoch,
                row.train_loss,
                number(row.val_loss),
                number(row.val_dice),
                row.seconds
            );
            if row.classes.len() > 1 {
                let of = |c: &train::ClassFigures| format!("{} {}", c.name, number(c.dice));
                line.push_str(&format!(" ({})", row.classes.iter().map(of).collect::<Vec<_>>().join(", ")));
            }
            line
        }
        TrainEvent::Warning(text) => {
            bar.suspend(|| eprintln!("{text}"));
            return;
        }
        _ => return,
    };
    if tell {
        bar.suspend(|| print(&line));
    }
}

fn in_words(summary: &TrainSummary) -> String {
    let number = |v: Option<f64>| v.map_or_else(|| "undefined".to_owned(), |v| format!("{v:.4}"));
    let mut text = format!(
        "Done: {} epochs in {:.0} s on {}; best validation Dice {} in epoch {}; run in {}",
        summary.epochs,
        summary.seconds,
        summary.device,
        number(summary.best_val_dice),
        summary.best_epoch,
        summary.run.display()
    );
    for case in &summary.test {
        text.push_str(&format!("\ntest {}: Dice {}", case.case, number(case.mean_dice)));
        for d in &case.distances {
            let mm = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.1}"));
            text.push_str(&match (d.hausdorff_mm, d.slice_hausdorff_px) {
                (Some(hd), _) => format!("; {} Hausdorff {hd:.1} mm, 95 % {} mm", d.class, mm(d.hausdorff95_mm)),
                (None, Some(px)) => {
                    format!("; {} Hausdorff {px:.1} pixels a slice, {} slices missed", d.class, d.missed_slices)
                }
                (None, None) => format!("; {} in one mask only or in neither", d.class),
            });
        }
    }
    if !summary.test.is_empty() {
        text.push_str(&format!("\nmean test Dice {}", number(summary.mean_test_dice)));
    }
    text
}
