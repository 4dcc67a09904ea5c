//! The same network in PyTorch, timed by a Python that has it, so that both stand in one table. Called by `learning`.

use super::sampling::Sampler;
use crate::cli::CliError;
use serde::Deserialize;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const SCRIPT: &str = include_str!("torch.py");

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
    let answer = ask(python, arguments)?;
    let Some(own) = sampler.figures.last() else { return Ok(()) };
    let case = format!("PyTorch: {}", own.case);
    if let Some(cpu) = own.cpu_s {
        let note = own.note.clone().unwrap_or_default();
        sampler.note(format!("{note}, {:.2} x PyTorch's CPU time", cpu / answer.cpu_s.max(1e-9)));
    }
    sampler.add(name, &case, answer.walls, None);
    if let Some(figure) = sampler.figures.last_mut() {
        figure.cpu_s = Some(answer.cpu_s);
        figure.peak_rss_mib = Some(answer.peak_mib);
        figure.grown_mib = Some(answer.grown_mib);
    }
    Ok(())
}

fn ask(python: &Path, arguments: &[String]) -> Result<Answer, CliError> {
    let failed = |what: String| CliError(format!("{} cannot time PyTorch: {what}", python.display()));
    let mut child = Command::new(python)
        .args(["-W", "ignore", "-"])
        .args(arguments)
        .env("OMP_NUM_THREADS", "1")
        // glibc would give large blocks back to the system after each layer and fetch them anew.
        .env("MALLOC_MMAP_THRESHOLD_", "4294967296")
        .env("MALLOC_TRIM_THRESHOLD_", "4294967296")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(e.to_string()))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(SCRIPT.as_bytes()).map_err(|e| failed(e.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|e| failed(e.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = |text: &str| text.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("it printed nothing").to_owned();
    if !output.status.success() {
        return Err(failed(last(&errors)));
    }
    serde_json::from_str(&last(&text)).map_err(|e| failed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_answer_is_named() {
        for program in ["/nonexistent/python", "/bin/false"] {
            let error = ask(Path::new(program), &[]).unwrap_err().to_string();
            assert!(error.contains(program) && error.contains("PyTorch"), "{error}");
        }
    }
}
