//! Asks a Python to do what we do with other libraries, so that both stand in one table. Called by `torch`, `peers` and
//! `metrics`.

use crate::cli::CliError;
use serde::de::DeserializeOwned;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A script of ours that times other programs and prints what it found as its last line.
pub(super) struct Script {
    pub text: &'static str,
    /// What it times, as messages name it.
    pub times: &'static str,
    pub environment: &'static [(&'static str, &'static str)],
}

impl Script {
    /// Runs the script in `python` and reads the JSON of its last line.
    ///
    /// # Errors
    /// When `python` cannot be run, or the script fails in it.
    pub fn ask<T: DeserializeOwned>(&self, python: &Path, arguments: &[String]) -> Result<T, CliError> {
        let failed = |what: String| CliError(format!("{} cannot time {}: {what}", python.display(), self.times));
        let mut child = Command::new(python)
            .args(["-W", "ignore", "-"])
            .args(arguments)
            .envs(self.environment.iter().copied())
            // glibc would give large blocks back to the system after each layer or volume and fetch them anew.
            .env("MALLOC_MMAP_THRESHOLD_", "4294967296")
            .env("MALLOC_TRIM_THRESHOLD_", "4294967296")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| failed(e.to_string()))?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(self.text.as_bytes()).map_err(|e| failed(e.to_string()))?;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_answer_is_named() {
        let script = Script { text: "", times: "PyTorch", environment: &[] };
        for program in ["/nonexistent/python", "/bin/false"] {
            let error = script.ask::<f64>(Path::new(program), &[]).unwrap_err().to_string();
            assert!(error.contains(program) && error.contains("PyTorch"), "{error}");
        }
    }
}
