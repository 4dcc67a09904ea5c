//! The same network in PyTorch, timed by a Python that has it, so that both stand in one table. Called by `learning`.

use super::beside::Script;
use super::sampling::Sampler;
use crate::cli::CliError;
use serde::Deserialize;
use std::path::Path;

const SCRIPT: Script =
    Script { text: include_str!("torch.py"), times: "PyTorch", environment: &[("OMP_NUM_THREADS", "1")] };

/// What the script prints.
#[derive(Debug, Deserialize)]
struct Answer {
    walls: Vec<f64>,
    cpu_s: f64,
    peak_mib: f64,
    grown_mib: f64,
}

/// Adds PyTorch's figure behind our own of the same case, and to ours the share of the CPU time.
///
/// # Errors
/// When `python` cannot be run or the script fails in it.
pub(super) fn measure(
    sampler: &mut Sampler,
    name: &'static str,
    python: &Path,
    arguments: &[String],
) -> Result<(), CliError> {
    sampler.say(&format!("{name}: the same in PyTorch"))?;
    let answer: Answer = SCRIPT.ask(python, arguments)?;
    let Some(own) = sampler.figures.last() else { return Ok(()) };
    let case = format!("PyTorch: {}", own.case);
    let note = own.note.clone().unwrap_or_default();
    if arguments.last().is_some_and(|device| device == "cuda") {
        let mut walls = answer.walls.clone();
        walls.sort_by(f64::total_cmp);
        let median = walls.get(walls.len() / 2).copied().unwrap_or_default();
        let times = own.median_s / median.max(1e-9);
        sampler.note(format!("{note}, {times:.2} x PyTorch's time through CUDA with TF32"));
    } else if let Some(cpu) = own.cpu_s {
        sampler.note(format!("{note}, {:.2} x PyTorch's CPU time", cpu / answer.cpu_s.max(1e-9)));
    }
    sampler.add_other(name, &case, answer.walls, answer.cpu_s, Some([answer.peak_mib, answer.grown_mib]));
    Ok(())
}
