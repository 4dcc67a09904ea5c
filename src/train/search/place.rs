//! The folder of a search: claims, results, ranking, and the runs of its trials.

use super::page::page;
use super::{Agreed, SearchEvent, SearchRequest, SearchSummary, TestResult, Trial, TrialResult};
use crate::io::bounds::{read_bounded, read_text_bounded};
use crate::jobs::{JobContext, Waker};
use crate::train::checkpoint::Checkpoints;
use crate::train::folder::write;
use crate::train::recipe::MAX_RECIPE;
use crate::train::{TrainControl, TrainError, TrainEvent, TrainRequest, TrainSummary, train};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// Longest result of a trial.
const MAX_RESULT: u64 = 1 << 20;

/// The folder of a search.
pub(super) struct Place {
    pub root: PathBuf,
    pub trials: PathBuf,
}

impl Place {
    pub fn new(root: &Path) -> Self {
        Self { root: root.into(), trials: root.join("trials") }
    }

    /// What the folder's processes agreed on.
    pub fn agreed(&self) -> Result<Agreed, TrainError> {
        let path = self.root.join("search.ron");
        let text = read_text_bounded(&path, MAX_RECIPE).map_err(|e| TrainError::io("read", &path, &e))?;
        crate::train::recipe::from_ron(&text, &path)
    }

    /// Number of the last trial that anyone has claimed.
    pub fn highest(&self) -> usize {
        let names = std::fs::read_dir(&self.trials).into_iter().flatten().filter_map(Result::ok);
        let number = |name: std::ffi::OsString| name.to_str()?.strip_suffix(".claim")?.parse().ok();
        names.filter_map(|entry| number(entry.file_name())).max().unwrap_or(0)
    }

    /// Trials 1 to `total`: those that are done, best first, and the others. The test part is not asked for.
    pub fn stand(&self, total: usize) -> Result<SearchSummary, TrainError> {
        let mut summary = SearchSummary { ranking: Vec::new(), elsewhere: Vec::new(), test: None };
        for number in 1..=total {
            match self.result(number)? {
                Some(result) => summary.ranking.push(result),
                None => summary.elsewhere.push(number),
            }
        }
        summary.ranking.sort_by(|a, b| {
            let score = |r: &TrialResult| r.dice.unwrap_or(f64::NEG_INFINITY);
            score(b).total_cmp(&score(a)).then(a.trial.cmp(&b.trial))
        });
        Ok(summary)
    }

    /// Writes `ranking.csv` and `search.html`.
    pub fn publish(&self, name: &str, summary: &SearchSummary) -> Result<(), TrainError> {
        write(&self.root.join("ranking.csv"), table(&summary.ranking).as_bytes())?;
        write(&self.root.join("search.html"), page(name, summary).as_bytes())
    }

    /// Writes what is searched, or makes sure that it is what was searched here before.
    pub fn agree(&self, request: &SearchRequest) -> Result<(), TrainError> {
        let path = self.root.join("search.ron");
        let mine = Agreed { seed: request.seed, search: request.search.clone() };
        if path.is_file() {
            if self.agreed()? != mine {
                return Err(TrainError::Recipe(format!(
                    "the folder {} holds another search or another seed: choose another folder",
                    self.root.display()
                )));
            }
            return Ok(());
        }
        write(&path, crate::train::recipe::to_ron(&mine)?.as_bytes())
    }

    /// The lock on a file, or `None` when another process has it. The system releases it with the process.
    pub fn claim(&self, path: &Path) -> Result<Option<File>, TrainError> {
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

    pub fn result(&self, number: usize) -> Result<Option<TrialResult>, TrainError> {
        let path = self.trials.join(format!("{number:04}.json"));
        match read_bounded(&path, MAX_RESULT) {
            Ok(bytes) => {
                let damaged = |e: serde_json::Error| TrainError::Checkpoint { path, reason: e.to_string() };
                serde_json::from_slice(&bytes).map(Some).map_err(damaged)
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(TrainError::io("read", &path, &e)),
        }
    }

    pub fn train(
        &self,
        request: &SearchRequest,
        control: &TrainControl,
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
            compute: request.compute.clone(),
            init: None,
            cache_bytes: None,
            test,
        };
        let (inner, events) =
            JobContext::<TrainEvent>::attached(ctx.cancel.clone(), ctx.progress.clone(), Waker::none());
        let summary = train(&request, control, &inner);
        drop(inner);
        for event in events.try_iter() {
            if let TrainEvent::Warning(text) = event {
                ctx.send(SearchEvent::Warning(format!("trial {number}: {text}")));
            }
        }
        summary
    }

    /// What the look at the test part gave, if there was one.
    pub fn known_test(&self) -> Result<Option<TestResult>, TrainError> {
        let path = self.root.join("test.json");
        match read_bounded(&path, MAX_RESULT) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| TrainError::Checkpoint { path, reason: e.to_string() }),
            Err(_) => Ok(None),
        }
    }

    /// The best trial on the test part: by one process, once.
    pub fn test(
        &self,
        request: &SearchRequest,
        control: &TrainControl,
        ranking: &[TrialResult],
        ctx: &JobContext<SearchEvent>,
    ) -> Result<Option<TestResult>, TrainError> {
        let Some(best) = ranking.first().filter(|r| r.dice.is_some()) else { return Ok(None) };
        if let Some(known) = self.known_test()? {
            if known.trial != best.trial {
                ctx.send(SearchEvent::Warning(format!(
                    "the test part was looked at with trial {} before; it stays with that, or it would be chosen by the test part",
                    known.trial
                )));
            }
            return Ok(Some(known));
        }
        let Some(_claim) = self.claim(&self.root.join("test.claim"))? else { return Ok(None) };
        if let Some(known) = self.known_test()? {
            return Ok(Some(known));
        }
        let trial = request.search.trial(best.trial, request.seed, &request.beside)?;
        let summary = self.train(request, control, best.trial, trial, true, ctx)?;
        let result = TestResult { trial: best.trial, mean_dice: summary.mean_test_dice, cases: summary.test.len() };
        let text = serde_json::to_vec_pretty(&result).map_err(|e| TrainError::Data(e.to_string()))?;
        write(&self.root.join("test.json"), &text)?;
        Ok(Some(result))
    }
}

/// `ranking.csv`: one line a trial, one column a field.
pub(super) fn table(ranking: &[TrialResult]) -> String {
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
