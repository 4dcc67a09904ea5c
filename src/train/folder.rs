//! The run folder: made for a new run, checked for one that goes on; and the weights a new run starts with.

use super::checkpoint::{Checkpoints, Position};
use super::data::{CaseInfo, Prepared};
use super::run::TrainRequest;
use super::split::Split;
use super::{Recipe, TrainError, TrainEvent};
use crate::io::atomic::{NewFolder, write_atomic_bytes};
use crate::io::bounds::read_bounded;
use crate::jobs::JobContext;
use crate::nn::{LoadReport, StateDict, load_weights};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Longest `split.json`: a hundred thousand cases.
const MAX_SPLIT: u64 = 64 << 20;

/// Contents of `split.json`.
#[derive(Serialize, Deserialize)]
struct SplitFile {
    cases: Vec<CaseInfo>,
    split: Split,
}

/// Weights, moments of the optimiser, and where the run stood.
type Stored = (StateDict, StateDict, Position);

/// Creates the run folder, or reads the last checkpoint of the one to resume. Nothing is written yet: a new folder
/// goes with its guard should the run not get as far as its first file.
pub(super) fn open_folder(
    request: &TrainRequest,
    checkpoints: &Checkpoints,
) -> Result<(Option<Stored>, NewFolder), TrainError> {
    let run = &request.run;
    let state = if request.resume {
        if !checkpoints.exists("last") {
            return Err(TrainError::NothingToResume(run.clone()));
        }
        let before = Recipe::of_run(run)?;
        let same = Recipe { epochs: request.recipe.epochs, patience: request.recipe.patience, ..before };
        if same != request.recipe {
            return Err(TrainError::Recipe(
                "the run was started with other settings: only epochs and patience may change when it is resumed"
                    .into(),
            ));
        }
        Some(checkpoints.load("last")?)
    } else {
        if checkpoints.exists("last") || checkpoints.exists("best") {
            return Err(TrainError::RunExists(run.clone()));
        }
        None
    };
    let folder = NewFolder::create(run).map_err(|e| TrainError::io("created", run, &e))?;
    Ok((state, folder))
}

/// Writes `recipe.ron` and, for a new run, `split.json`; makes sure that a resumed run has the data it had.
pub(super) fn begin(
    run: &Path,
    recipe: &Recipe,
    prepared: &Prepared,
    split: &Split,
    resumed: bool,
) -> Result<(), TrainError> {
    let path = run.join("split.json");
    let file = SplitFile { cases: prepared.cases.clone(), split: split.clone() };
    if resumed {
        let damaged = |reason: String| TrainError::Checkpoint { path: path.clone(), reason };
        let bytes = read_bounded(&path, MAX_SPLIT).map_err(|e| TrainError::io("read", &path, &e))?;
        let before: SplitFile = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        if before.cases != file.cases || before.split != file.split {
            return Err(TrainError::Data(
                "the cases differ from those the run was started with: restore them, or start a new run".into(),
            ));
        }
        return write(&run.join("recipe.ron"), recipe.to_ron()?.as_bytes());
    }
    let text = serde_json::to_vec_pretty(&file).map_err(|e| TrainError::Data(e.to_string()))?;
    write(&run.join("recipe.ron"), recipe.to_ron()?.as_bytes())?;
    write(&path, &text)
}

/// Removes what [`begin`] and [`write_load_report`] wrote; the folder itself goes with its guard.
pub(super) fn forget(run: &Path) {
    for name in ["recipe.ron", "split.json", "data.json", "init.json"] {
        // The run has failed already and says why.
        let _ = std::fs::remove_file(run.join(name));
    }
}

/// Random weights by the recipe's seed, with those of `init` over them, and what became of those.
pub(super) fn first_weights(
    recipe: &Recipe,
    init: Option<&Path>,
    ctx: &JobContext<TrainEvent>,
) -> Result<(StateDict, Option<LoadReport>), TrainError> {
    let spec = recipe.network_spec();
    let random = spec.initial_weights(recipe.seed);
    let Some(path) = init else { return Ok((random, None)) };
    let given = load_weights(path)?;
    if let Some((name, _)) = given.iter().find(|(_, t)| t.values.iter().any(|v| !v.is_finite())) {
        return Err(TrainError::Weights {
            path: path.into(),
            reason: format!("{name} holds values that are no numbers"),
        });
    }
    let (weights, report) = spec.load_over(&random, given);
    if report.loaded.is_empty() {
        let reason = report.problem().unwrap_or_else(|| "no name is known".into());
        return Err(TrainError::Weights { path: path.into(), reason });
    }
    if let Some(problem) = report.problem() {
        let loaded = report.loaded.len();
        ctx.send(TrainEvent::Warning(format!("{loaded} tensors were taken from the given weights, but {problem}")));
    }
    Ok((weights, Some(report)))
}

/// `init.json`: what was taken from the given weights, what was adapted, what is missing.
pub(super) fn write_load_report(run: &Path, report: &LoadReport) -> Result<(), TrainError> {
    let text = serde_json::to_vec_pretty(report).map_err(|e| TrainError::Data(e.to_string()))?;
    write(&run.join("init.json"), &text)
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    write_atomic_bytes(path, bytes).map_err(|e| TrainError::io("written", path, &e))
}
