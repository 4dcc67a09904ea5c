//! The run folders of the program: what they reached, and names for new ones.

use crate::io::bounds::read_bounded;
use crate::train::{EpochRow, read_curves};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A finished or running training run in the program's run folder.
#[derive(Debug, Clone, PartialEq)]
pub struct RunInfo {
    pub name: String,
    pub folder: PathBuf,
    /// Whether a complete checkpoint can be used for prediction.
    pub ready: bool,
    /// Curves as far as they go.
    pub curve: Arc<Vec<EpochRow>>,
    /// What the test at the end gave: mean Dice, and the number of cases.
    pub test: Option<(f64, usize)>,
    /// Whether it is the folder of a search.
    pub is_search: bool,
    /// Whether it is a learning loop, whose version in use predicts.
    pub is_loop: bool,
}

impl RunInfo {
    /// Epoch and Dice of the best epoch.
    pub fn best(&self) -> Option<(usize, f64)> {
        let reached = self.curve.iter().filter_map(|row| Some((row.epoch, row.val_dice?)));
        // The first of equals: what the best checkpoint is.
        reached.fold(None, |best, (epoch, dice)| match best {
            Some((_, known)) if known >= dice => best,
            _ => Some((epoch, dice)),
        })
    }
}

/// Run folders by name; a folder that does not exist holds none.
pub(super) fn list_runs(folder: &Path) -> Vec<RunInfo> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut runs: Vec<RunInfo> =
        entries.filter_map(Result::ok).map(|e| e.path()).filter(|p| p.is_dir()).map(|p| info(&p)).collect();
    runs.sort_by(|a, b| a.name.cmp(&b.name));
    runs
}

fn info(folder: &Path) -> RunInfo {
    RunInfo {
        name: folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        ready: is_ready(folder),
        // A run whose curves cannot be read still predicts.
        curve: Arc::new(read_curves(folder).unwrap_or_default()),
        test: test_result(folder),
        is_search: folder.join("search.ron").is_file(),
        is_loop: crate::learn::is_loop(folder),
        folder: folder.to_owned(),
    }
}

/// Whether a run has a complete checkpoint: the manifest is written last.
fn is_ready(run: &Path) -> bool {
    crate::learn::is_loop(run)
        || ["best", "last"].iter().any(|name| run.join("checkpoints").join(name).join("manifest.json").is_file())
}

fn test_result(run: &Path) -> Option<(f64, usize)> {
    let bytes = read_bounded(&run.join("result.json"), 16 << 20).ok()?;
    let result: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    Some((result.get("mean_test_dice")?.as_f64()?, result.get("test")?.as_array()?.len()))
}

/// A name that can be a folder and nothing else.
pub(super) fn is_plain_name(name: &str) -> bool {
    let path = Path::new(name);
    !name.is_empty()
        && path.file_name() == Some(name.as_ref())
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_names_are_never_paths() {
        assert!(is_plain_name("lung-2"));
        for bad in ["", "..", "a/b", "/etc", ".hidden", "a\\b", "c:x"] {
            assert!(!is_plain_name(bad), "{bad}");
        }
    }

    #[test]
    fn runs_say_what_they_reached() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("a");
        std::fs::create_dir_all(run.join("checkpoints/best")).unwrap();
        std::fs::write(run.join("checkpoints/best/manifest.json"), "{}").unwrap();
        let line = |epoch: usize, dice: f64| {
            format!("{{\"epoch\":{epoch},\"train_loss\":1.0,\"val_loss\":null,\"val_dice\":{dice},\"seconds\":1.0}}\n")
        };
        std::fs::write(run.join("curves.jsonl"), line(1, 0.25) + &line(2, 0.75) + &line(3, 0.75)).unwrap();
        std::fs::write(run.join("result.json"), r#"{"mean_test_dice": 0.5, "test": [1, 2]}"#).unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("b/search.ron"), "").unwrap();
        let runs = list_runs(folder.path());
        assert_eq!((runs[0].best(), runs[0].test, runs[0].ready), (Some((2, 0.75)), Some((0.5, 2)), true));
        assert!(runs[1].is_search && !runs[1].ready && runs[1].best().is_none());
    }
}
