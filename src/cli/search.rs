//! `maskwright search`: many runs that differ in some fields of a recipe, ranked.

use super::CliError;
use super::run::{foreground, print, print_json};
use crate::nn::DeviceChoice;
use crate::train::{
    SearchConfig, SearchEvent, SearchRequest, SearchSummary, TrainControl, TrainData, TrialResult, search,
};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct SearchArgs {
    /// Name of a built-in search, or a RON file.
    #[arg(long)]
    recipe: String,
    /// Data set folder, in any of the known layouts.
    #[arg(long)]
    data: PathBuf,
    /// Folder of the search; other processes may work in it at the same time.
    #[arg(long)]
    run: PathBuf,
    /// Trials in all, those already done among them.
    #[arg(long)]
    trials: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Change a field in all recipes, for example epochs=20; may be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// auto, gpu or cpu.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// One JSON document on stdout at the end.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &SearchArgs) -> Result<(), CliError> {
    if args.trials == 0 {
        return Err(CliError("Ask for at least one trial.".into()));
    }
    let (mut config, beside) = SearchConfig::load(&args.recipe).map_err(CliError::of)?;
    config.set.extend(args.set.iter().cloned());
    let request = SearchRequest {
        search: config,
        beside,
        data: TrainData::Folder(args.data.clone()),
        folder: args.run.clone(),
        trials: args.trials,
        seed: args.seed,
        device: args.device,
        compute: None,
    };
    let folder = args.run.clone();
    let tell = !args.json;
    let summary = foreground(
        "Searching",
        move |event, bar| match event {
            SearchEvent::Finished(result) if tell => bar.suspend(|| print(&line(&result))),
            SearchEvent::Elsewhere { trial } if tell => {
                bar.suspend(|| print(&format!("trial {trial}: another process has it")));
            }
            SearchEvent::Warning(text) => bar.suspend(|| eprintln!("{text}")),
            _ => {}
        },
        move |ctx| search(&request, &TrainControl::new(), ctx),
    )?;
    if args.json {
        return print_json(&summary);
    }
    print(&in_words(&summary));
    print(&format!("plot and table in {}", folder.join("search.html").display()));
    Ok(())
}

fn line(result: &TrialResult) -> String {
    let settings: Vec<String> = result.settings.iter().map(|(path, value)| format!("{path}={value}")).collect();
    let reached = match (&result.error, result.dice) {
        (Some(error), _) => error.clone(),
        (None, Some(dice)) => format!("validation Dice {dice:.4} in epoch {}", result.best_epoch),
        (None, None) => "validation Dice undefined".into(),
    };
    format!("trial {}: {reached}; {}", result.trial, settings.join(", "))
}

fn in_words(summary: &SearchSummary) -> String {
    let mut text = String::from("Ranked by validation Dice:");
    for (rank, result) in summary.ranking.iter().enumerate() {
        text.push_str(&format!("\n{:>3}. {}", rank + 1, line(result)));
    }
    if !summary.elsewhere.is_empty() {
        let numbers: Vec<String> = summary.elsewhere.iter().map(usize::to_string).collect();
        text.push_str(&format!("\nother processes still run trials {}", numbers.join(", ")));
    }
    if let Some(test) = &summary.test {
        let dice = test.mean_dice.map_or_else(|| "undefined".to_owned(), |d| format!("{d:.4}"));
        text.push_str(&format!("\ntrial {} on the test part ({} cases): mean Dice {dice}", test.trial, test.cases));
    }
    text
}
