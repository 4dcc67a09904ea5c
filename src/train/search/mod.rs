//! Many runs that differ in some fields: trials in one folder, shared by any number of processes, ranked by what they
//! reach on the validation part. The test part is looked at once, at the end, by the best trial.
//!
//! The folder holds `search.ron`, a run folder and a result for each trial (`trials/0001/`, `trials/0001.json`),
//! `ranking.csv`, `search.html` and `test.json`. A trial is claimed by a lock on `trials/0001.claim`, which the system releases
//! when its process ends, however it ends; the next process then resumes the trial from its last checkpoint.

mod config;
mod page;
mod place;
mod plot;

pub use page::rank_color;
pub use plot::{ParallelPlot, PlotAxis, PlotLine};

pub use config::{SearchConfig, SearchField, SearchMethod, SearchValues, Trial};

use super::folder::write;
use super::{TrainControl, TrainData, TrainError};
use crate::jobs::JobContext;
use crate::nn::{ComputeThread, DeviceChoice};
use place::Place;
use serde::{Deserialize, Serialize};
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
    /// The window's compute thread, as in a training.
    pub compute: Option<ComputeThread>,
}

/// What a search tells.
#[derive(Debug, Clone, PartialEq)]
pub enum SearchEvent {
    /// Once: trials in all, and those that are done already.
    Planned {
        total: usize,
        done: Vec<TrialResult>,
    },
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

/// Runs the trials that nobody else runs; `control` pauses the one at work. Call inside a job.
///
/// # Errors
/// [`TrainError`] when the folder or the data cannot be used, or [`TrainError::Cancelled`]; what is done stays done. A
/// trial that fails by itself is a result.
pub fn search(
    request: &SearchRequest,
    control: &TrainControl,
    ctx: &JobContext<SearchEvent>,
) -> Result<SearchSummary, TrainError> {
    let place = Place::new(&request.folder);
    std::fs::create_dir_all(&place.trials).map_err(|e| TrainError::io("created", &place.trials, &e))?;
    place.agree(request)?;
    let total = request.search.combinations().map_or(request.trials, |n| n.min(request.trials));
    ctx.send(SearchEvent::Planned { total, done: place.stand(total)?.ranking });
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
            let result = one(request, control, &place, number, ctx)?;
            let text = serde_json::to_vec_pretty(&result).map_err(|e| TrainError::Data(e.to_string()))?;
            write(&place.trials.join(format!("{number:04}.json")), &text)?;
            ctx.send(SearchEvent::Finished(result));
            place.publish(&request.search.name, &place.stand(total)?)?;
        }
    }
    let mut summary = place.stand(total)?;
    if summary.elsewhere.is_empty() {
        summary.test = place.test(request, control, &summary.ranking, ctx)?;
    }
    place.publish(&request.search.name, &summary)?;
    Ok(summary)
}

/// How the search in `folder` stands, and its name.
///
/// # Errors
/// [`TrainError::Io`] and others when the folder holds no search or a damaged one.
pub fn read_search(folder: &Path) -> Result<(String, SearchSummary), TrainError> {
    let place = Place::new(folder);
    let agreed = place.agreed()?;
    let mut summary = place.stand(place.highest())?;
    summary.test = place.known_test()?;
    Ok((agreed.search.name, summary))
}

/// Trains one trial, or goes on with it.
fn one(
    request: &SearchRequest,
    control: &TrainControl,
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
        place.train(request, control, number, trial, false, ctx)
    });
    match outcome {
        Ok(summary) => {
            result.dice = summary.best_val_dice;
            if result.dice.is_none() {
                result.error =
                    Some("the validation part is empty or has none of the classes: it cannot be ranked".into());
            }
            result.best_epoch = summary.best_epoch;
            result.epochs = summary.epochs;
            result.seconds = summary.seconds;
        }
        // A setting that does not work is an answer; what concerns all trials is not.
        Err(
            error @ (TrainError::Diverged { .. }
            | TrainError::Spoilt { .. }
            | TrainError::LackOfMemory { .. }
            | TrainError::Recipe(_)
            | TrainError::Override { .. }),
        ) => result.error = Some(error.to_string()),
        // The network itself did not fit; another trial's may.
        Err(TrainError::Device(error)) if error.is_lack_of_memory() => result.error = Some(error.to_string()),
        Err(error) => return Err(error),
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{CancelToken, Waker};
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
                set: Vec::new(),
            },
            beside: folder.into(),
            data: TrainData::Memory((0..4).map(disc_case).collect()),
            folder: folder.join("search"),
            trials,
            seed: 5,
            device: DeviceChoice::Cpu,
            compute: None,
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
        let place = Place::new(&request.folder);
        let other = place.claim(&place.trials.join("0002.claim")).unwrap();
        assert!(other.is_some());
        let first = search(&request, &TrainControl::new(), &context().0).unwrap();
        assert_eq!((first.elsewhere.as_slice(), first.ranking.len(), &first.test), (&[2][..], 5, &None));
        drop(other);
        let (ctx, events) = context();
        let second = search(&request, &TrainControl::new(), &ctx).unwrap();
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
        assert_eq!(search(&request, &TrainControl::new(), &context().0).unwrap(), second);
        let table = std::fs::read_to_string(request.folder.join("ranking.csv")).unwrap();
        assert!(table.lines().count() == 7 && table.contains("\"optimizer.lr\""), "{table}");
        let page = std::fs::read_to_string(request.folder.join("search.html")).unwrap();
        assert!(page.contains("<path") && page.contains("looked at once"));
        assert_eq!(read_search(&request.folder).unwrap(), ("tiny".to_owned(), second.clone()));
        let other = SearchRequest { seed: 6, ..request };
        assert!(search(&other, &TrainControl::new(), &context().0).unwrap_err().to_string().contains("another seed"));
    }

    #[test]
    fn a_trial_that_lacks_memory_is_an_answer_and_the_others_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut request = request(folder.path(), 2);
        let values = SearchValues::Choices(vec!["4".into(), "2".into()]);
        request.search.fields = vec![SearchField { path: "batch_size".into(), values }];
        crate::train::step::ROOM.set(2);
        let summary = search(&request, &TrainControl::new(), &context().0);
        crate::train::step::ROOM.set(usize::MAX);
        let summary = summary.unwrap();
        assert_eq!(summary.ranking.iter().map(|r| r.trial).collect::<Vec<_>>(), [2, 1]);
        assert!(summary.ranking[1].error.as_ref().is_some_and(|e| e.contains("Out of Memory")), "{summary:?}");
        assert_eq!(summary.test.unwrap().trial, 2);
    }
}
