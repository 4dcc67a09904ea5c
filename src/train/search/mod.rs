//! Many runs that differ in some fields: trials in one folder, shared by any number of processes, ranked by what they
//! reach on the validation part. The test part is looked at once, at the end, by the best trial.
//!
//! The folder holds `search.ron`, a run folder and a result for each trial (`trials/0001/`, `trials/0001.json`),
//! `ranking.csv` and `test.json`. A trial is claimed by a lock on `trials/0001.claim`, which the system releases
//! when its process ends, however it ends; the next process then resumes the trial from its last checkpoint.

mod config;

pub use config::{SearchConfig, SearchField, SearchMethod, SearchValues, Trial};

use super::checkpoint::Checkpoints;
use super::folder::write;
use super::{TrainControl, TrainData, TrainError, TrainEvent, TrainRequest, TrainSummary, train};
use crate::jobs::{JobContext, Waker};
use crate::nn::DeviceChoice;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// What to search and where.
#[derive(Clone)]
pub struct SearchRequest {
    pub search: SearchConfig,
    /// Folder of the search's own file, for recipes beside it.
    pub beside: PathBuf,
    pub data: TrainData,
    /// Created, or gone on with when it holds the same search.
    pub folder: PathBuf,
    pub trials: usize,
    pub seed: u64,
    pub device: DeviceChoice,
}

/// What a search tells.
#[derive(Debug, Clone, PartialEq)]
pub enum SearchEvent {
    /// A trial begins, or goes on from its checkpoint.
    Started {
        trial: usize,
        settings: Vec<(String, String)>,
    },
    Finished(TrialResult),
    /// Another process has it.
    Elsewhere {
        trial: usize,
    },
    /// One plain sentence.
    Warning(String),
}

/// What a trial reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialResult {
    pub trial: usize,
    pub settings: Vec<(String, String)>,
    /// Validation Dice of the best epoch.
    pub dice: Option<f64>,
    pub best_epoch: usize,
    pub epochs: usize,
    pub seconds: f64,
    /// Why there is none; the trial is ranked last.
    pub error: Option<String>,
}

/// How a search stands when this process has nothing left to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchSummary {
    /// Best first.
    pub ranking: Vec<TrialResult>,
    /// Trials that other processes still run.
    pub elsewhere: Vec<usize>,
    /// The best trial on the test part, once all trials are done.
    pub test: Option<TestResult>,
}

/// `test.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    pub trial: usize,
    pub mean_dice: Option<f64>,
    pub cases: usize,
}

/// `search.ron`: what all processes must agree on.
#[derive(PartialEq, Serialize, Deserialize)]
struct Agreed {
    seed: u64,
    search: SearchConfig,
}

/// Runs the trials that nobody else runs. Call inside a job.
///
/// # Errors
/// [`TrainError`] when the folder or the data cannot be used, or [`TrainError::Cancelled`]; what is done stays done. A
/// trial that fails by itself is a result.
pub fn search(request: &SearchRequest, ctx: &JobContext<SearchEvent>) -> Result<SearchSummary, TrainError> {
    let place = Place { trials: request.folder.join("trials"), root: request.folder.clone() };
    std::fs::create_dir_all(&place.trials).map_err(|e| TrainError::io("created", &place.trials, &e))?;
    place.agree(request)?;
    let total = request.search.combinations().map_or(request.trials, |n| n.min(request.trials));
    for number in 1..=total {
        if ctx.is_cancelled() {
            return Err(TrainError::Cancelled);
        }
        ctx.progress.say(format!("trial {number} of {total}"));
        ctx.wake();
        if place.result(number)?.is_some() {
            continue;
        }
        let Some(_claim) = place.claim(&place.trials.join(format!("{number:04}.claim")))? else {
            ctx.send(SearchEvent::Elsewhere { trial: number });
            continue;
        };
        // Another process may have finished it between the look and the claim.
        if place.result(number)?.is_none() {
            let result = one(request, &place, number, ctx)?;
            let text = serde_json::to_vec_pretty(&result).map_err(|e| TrainError::Data(e.to_string()))?;
            write(&place.trials.join(format!("{number:04}.json")), &text)?;
            ctx.send(SearchEvent::Finished(result));
        }
    }
    let mut ranking = Vec::new();
    let mut elsewhere = Vec::new();
    for number in 1..=total {
        match place.result(number)? {
            Some(result) => ranking.push(result),
            None => elsewhere.push(number),
        }
    }
    ranking.sort_by(|a, b| {
        let score = |r: &TrialResult| r.dice.unwrap_or(f64::NEG_INFINITY);
        score(b).total_cmp(&score(a)).then(a.trial.cmp(&b.trial))
    });
    write(&place.root.join("ranking.csv"), table(&ranking).as_bytes())?;
    let test = if elsewhere.is_empty() { place.test(request, &ranking, ctx)? } else { None };
    Ok(SearchSummary { ranking, elsewhere, test })
}

/// Trains one trial, or goes on with it.
fn one(
    request: &SearchRequest,
    place: &Place,
    number: usize,
    ctx: &JobContext<SearchEvent>,
) -> Result<TrialResult, TrainError> {
    let mut result = TrialResult {
        trial: number,
        settings: Vec::new(),
        dice: None,
        best_epoch: 0,
        epochs: 0,
        seconds: 0.0,
        error: None,
    };
    let outcome = request.search.trial(number, request.seed, &request.beside).and_then(|trial| {
        result.settings.clone_from(&trial.settings);
        ctx.send(SearchEvent::Started { trial: number, settings: trial.settings.clone() });
        place.train(request, number, trial, false, ctx)
    });
    match outcome {
        Ok(summary) => {
            result.dice = summary.best_val_dice;
            result.best_epoch = summary.best_epoch;
            result.epochs = summary.epochs;
            result.seconds = summary.seconds;
        }
        // A setting that does not work is an answer; what concerns all trials is not.
        Err(error @ (TrainError::Diverged { .. } | TrainError::Recipe(_) | TrainError::Override { .. })) => {
            result.error = Some(error.to_string());
        }
        Err(error) => return Err(error),
    }
    Ok(result)
}

/// The folder of a search.
struct Place {
    root: PathBuf,
    trials: PathBuf,
}

impl Place {
    /// Writes what is searched, or makes sure that it is what was searched here before.
    fn agree(&self, request: &SearchRequest) -> Result<(), TrainError> {
        let path = self.root.join("search.ron");
        let mine = Agreed { seed: request.seed, search: request.search.clone() };
        if path.is_file() {
            let text = std::fs::read_to_string(&path).map_err(|e| TrainError::io("read", &path, &e))?;
            let theirs: Agreed = super::recipe::from_ron(&text, &path)?;
            if theirs != mine {
                return Err(TrainError::Recipe(format!(
                    "the folder {} holds another search or another seed: choose another folder",
                    self.root.display()
                )));
            }
            return Ok(());
        }
        write(&path, super::recipe::to_ron(&mine)?.as_bytes())
    }

    /// The lock on a file, or `None` when another process has it. The system releases it with the process.
    fn claim(&self, path: &Path) -> Result<Option<File>, TrainError> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(|e| TrainError::io("created", path, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(TrainError::io("locked", path, &e)),
        }
    }

    fn result(&self, number: usize) -> Result<Option<TrialResult>, TrainError> {
        let path = self.trials.join(format!("{number:04}.json"));
        match std::fs::read(&path) {
            Ok(bytes) => {
                let damaged = |e: serde_json::Error| TrainError::Checkpoint { path, reason: e.to_string() };
                serde_json::from_slice(&bytes).map(Some).map_err(damaged)
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(TrainError::io("read", &path, &e)),
        }
    }

    fn train(
        &self,
        request: &SearchRequest,
        number: usize,
        trial: Trial,
        test: bool,
        ctx: &JobContext<SearchEvent>,
    ) -> Result<TrainSummary, TrainError> {
        let run = self.trials.join(format!("{number:04}"));
        let request = TrainRequest {
            recipe: trial.recipe,
            data: request.data.clone(),
            resume: Checkpoints::new(&run).exists("last"),
            run,
            device: request.device,
            compute: None,
            init: None,
            cache_bytes: None,
            test,
        };
        let (inner, events) =
            JobContext::<TrainEvent>::attached(ctx.cancel.clone(), ctx.progress.clone(), Waker::none());
        let summary = train(&request, &TrainControl::new(), &inner);
        drop(inner);
        for event in events.try_iter() {
            if let TrainEvent::Warning(text) = event {
                ctx.send(SearchEvent::Warning(format!("trial {number}: {text}")));
            }
        }
        summary
    }

    /// The best trial on the test part: by one process, once.
    fn test(
        &self,
        request: &SearchRequest,
        ranking: &[TrialResult],
        ctx: &JobContext<SearchEvent>,
    ) -> Result<Option<TestResult>, TrainError> {
        let path = self.root.join("test.json");
        let known = || -> Result<Option<TestResult>, TrainError> {
            match std::fs::read(&path) {
                Ok(bytes) => serde_json::from_slice(&bytes)
                    .map(Some)
                    .map_err(|e| TrainError::Checkpoint { path: path.clone(), reason: e.to_string() }),
                Err(_) => Ok(None),
            }
        };
        let Some(best) = ranking.first().filter(|r| r.dice.is_some()) else { return Ok(None) };
        if let Some(known) = known()? {
            if known.trial != best.trial {
                ctx.send(SearchEvent::Warning(format!(
                    "the test part was looked at with trial {} before; it stays with that, or it would be chosen by the test part",
                    known.trial
                )));
            }
            return Ok(Some(known));
        }
        let Some(_claim) = self.claim(&self.root.join("test.claim"))? else { return Ok(None) };
        if let Some(known) = known()? {
            return Ok(Some(known));
        }
        let trial = request.search.trial(best.trial, request.seed, &request.beside)?;
        let summary = self.train(request, best.trial, trial, true, ctx)?;
        let result = TestResult { trial: best.trial, mean_dice: summary.mean_test_dice, cases: summary.test.len() };
        let text = serde_json::to_vec_pretty(&result).map_err(|e| TrainError::Data(e.to_string()))?;
        write(&path, &text)?;
        Ok(Some(result))
    }
}

/// `ranking.csv`: one line a trial, one column a field.
fn table(ranking: &[TrialResult]) -> String {
    let mut paths: Vec<&str> = Vec::new();
    for (path, _) in ranking.iter().flat_map(|r| &r.settings) {
        if !paths.contains(&path.as_str()) {
            paths.push(path);
        }
    }
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut out = String::from("rank,trial,validation_dice,best_epoch,epochs,seconds");
    for path in &paths {
        out.push_str(&format!(",{}", quoted(path)));
    }
    out.push_str(",error\n");
    for (rank, r) in ranking.iter().enumerate() {
        let dice = r.dice.map_or(String::new(), |d| d.to_string());
        out.push_str(&format!("{},{},{dice},{},{},{:.1}", rank + 1, r.trial, r.best_epoch, r.epochs, r.seconds));
        for path in &paths {
            let value = r.settings.iter().find(|(p, _)| p == path).map_or("", |(_, v)| v.as_str());
            out.push_str(&format!(",{}", quoted(value)));
        }
        out.push_str(&format!(",{}\n", quoted(r.error.as_deref().unwrap_or(""))));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::CancelToken;
    use crate::train::tests::{disc_case, recipe};

    fn request(folder: &Path, trials: usize) -> SearchRequest {
        let mut base = recipe();
        base.epochs = 1;
        std::fs::write(folder.join("base.ron"), base.to_ron().unwrap()).unwrap();
        let field = |path: &str, values: &[&str]| SearchField {
            path: path.into(),
            values: SearchValues::Choices(values.iter().map(|v| (*v).to_owned()).collect()),
        };
        SearchRequest {
            search: SearchConfig {
                name: "tiny".into(),
                description: String::new(),
                recipes: vec!["base.ron".into()],
                method: SearchMethod::Grid,
                // The last rate overflows single precision.
                fields: vec![field("optimizer.lr", &["0.01", "0.001", "1e30"]), field("loss", &["BceDice", "Dice"])],
            },
            beside: folder.into(),
            data: TrainData::Memory((0..4).map(disc_case).collect()),
            folder: folder.join("search"),
            trials,
            seed: 5,
            device: DeviceChoice::Cpu,
        }
    }

    fn context() -> (JobContext<SearchEvent>, crossbeam_channel::Receiver<SearchEvent>) {
        JobContext::attached(CancelToken::default(), std::sync::Arc::default(), Waker::none())
    }

    #[test]
    fn trials_are_ranked_and_a_second_call_repeats_none_and_tests_once() {
        let folder = tempfile::tempdir().unwrap();
        let request = request(folder.path(), 6);
        // Another process has trial 2, and leaves it.
        std::fs::create_dir_all(request.folder.join("trials")).unwrap();
        let place = Place { trials: request.folder.join("trials"), root: request.folder.clone() };
        let other = place.claim(&place.trials.join("0002.claim")).unwrap();
        assert!(other.is_some());
        let first = search(&request, &context().0).unwrap();
        assert_eq!((first.elsewhere.as_slice(), first.ranking.len(), &first.test), (&[2][..], 5, &None));
        drop(other);
        let (ctx, events) = context();
        let second = search(&request, &ctx).unwrap();
        let started = |e: &SearchEvent| matches!(e, SearchEvent::Started { trial: 2, .. });
        let events: Vec<SearchEvent> = events.try_iter().collect();
        assert_eq!(events.iter().filter(|e| started(e)).count(), 1);
        assert_eq!(events.iter().filter(|e| matches!(e, SearchEvent::Started { .. })).count(), 1);
        assert_eq!(second.ranking.len(), 6);
        let dice: Vec<Option<f64>> = second.ranking.iter().map(|r| r.dice).collect();
        assert!(dice.windows(2).all(|w| w[0].unwrap_or(-1.0) >= w[1].unwrap_or(-1.0)), "{dice:?}");
        let last = second.ranking.last().unwrap();
        assert!(last.error.as_ref().is_some_and(|e| e.contains("loss became")), "{last:?}");
        let test = second.test.clone().unwrap();
        assert_eq!((test.trial, test.cases), (second.ranking[0].trial, 1));
        // The trials themselves never saw the test part.
        let others = second.ranking.iter().filter(|r| r.trial != test.trial && r.error.is_none());
        for trial in others {
            let text = std::fs::read(place.trials.join(format!("{:04}/result.json", trial.trial))).unwrap();
            let result: serde_json::Value = serde_json::from_slice(&text).unwrap();
            assert!(result["test"].as_array().unwrap().is_empty());
        }
        assert_eq!(search(&request, &context().0).unwrap(), second);
        let table = std::fs::read_to_string(request.folder.join("ranking.csv")).unwrap();
        assert!(table.lines().count() == 7 && table.contains("\"optimizer.lr\""), "{table}");
        let other = SearchRequest { seed: 6, ..request };
        assert!(search(&other, &context().0).unwrap_err().to_string().contains("another seed"));
    }
}
