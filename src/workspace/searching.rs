//! Searches over recipes asked for from the window.

use super::runs::is_plain_name;
use super::task::JobTask;
use super::{Notice, SearchCommand, SearchForm, TrainingState, Workspace};
use crate::jobs::{self, JobContext, JobHandle};
use crate::nn::DeviceChoice;
use crate::train::{
    self, SearchConfig, SearchEvent, SearchRequest, SearchSummary, TestResult, TrainControl, TrainData, TrainError,
    TrialResult,
};
use std::path::PathBuf;

/// A search that runs, ran, or was opened to be looked at.
#[derive(Debug, Clone)]
pub struct SearchView {
    pub name: String,
    pub folder: PathBuf,
    pub state: TrainingState,
    /// Trials in all.
    pub trials: usize,
    /// The trial at work, and what it tries.
    pub trial: Option<(usize, Vec<(String, String)>)>,
    /// How far that is, in words, and the share done.
    pub message: String,
    pub fraction: f32,
    /// Trials that are done, best first.
    pub ranking: Vec<TrialResult>,
    pub test: Option<TestResult>,
}

impl SearchView {
    fn take(&mut self, event: SearchEvent) {
        match event {
            SearchEvent::Planned { total, done } => (self.trials, self.ranking) = (total, done),
            SearchEvent::Started { trial, settings } => self.trial = Some((trial, settings)),
            SearchEvent::Finished(result) => {
                let score = |r: &TrialResult| r.dice.unwrap_or(f64::NEG_INFINITY);
                let place = self.ranking.partition_point(|r| score(r) >= score(&result));
                self.ranking.insert(place, result);
                self.trial = None;
            }
            SearchEvent::Elsewhere { .. } | SearchEvent::Warning(_) => {}
        }
    }

    /// Seconds until the last trial, from the pace of those done; `None` before the first.
    pub fn seconds_left(&self) -> Option<f64> {
        let done = self.ranking.len();
        let mean = self.ranking.iter().map(|r| r.seconds).sum::<f64>() / done as f64;
        (done > 0).then(|| (self.trials.saturating_sub(done) as f64 - f64::from(self.fraction)).max(0.0) * mean)
    }
}

impl Workspace {
    pub(super) fn apply_search(&mut self, command: SearchCommand) {
        match command {
            SearchCommand::Start(form) => self.start_search(&form),
            SearchCommand::Pause(pause) => {
                if let Some(control) = &self.models.control {
                    if pause { control.pause() } else { control.resume() }
                }
                if let Some(view) = &mut self.models.search
                    && view.state != TrainingState::Ended
                {
                    view.state = if pause { TrainingState::Paused } else { TrainingState::Running };
                }
            }
            SearchCommand::Stop => self.stop_training(),
            SearchCommand::Look(folder) => self.look_at_search(folder),
        }
    }

    fn start_search(&mut self, form: &SearchForm) {
        if self.models.is_training() {
            self.notify(Notice::warning("A training is running already: stop it first."));
            return;
        }
        let request = match self.search_request(form) {
            Ok(request) => request,
            Err(text) => return self.notify(Notice::error(text)),
        };
        let control = TrainControl::in_turn(self.turn());
        self.models.control = Some(control.clone());
        self.models.search = Some(SearchView {
            name: form.run.clone(),
            folder: request.folder.clone(),
            state: TrainingState::Running,
            trials: form.trials,
            trial: None,
            message: String::new(),
            fraction: 0.0,
            ranking: Vec::new(),
            test: None,
        });
        let handle: JobHandle<SearchEvent, SearchSummary, TrainError> =
            jobs::spawn("Searching", self.waker.clone(), move |ctx: &JobContext<SearchEvent>| {
                train::search(&request, &control, ctx)
            });
        self.start(JobTask::new(handle, Self::take_search_event, Self::end_search));
        self.models.task = Some(self.last_id);
    }

    fn search_request(&mut self, form: &SearchForm) -> Result<SearchRequest, String> {
        if !is_plain_name(&form.run) {
            return Err("Give the search a name of letters, digits, dashes and dots.".into());
        }
        let (search, beside) = SearchConfig::load(&form.search).map_err(|e| e.to_string())?;
        let data = form.data.clone().ok_or("Choose the folder with the data set first.")?;
        let compute = self.compute_thread(form.device).map_err(|e| e.to_string())?;
        Ok(SearchRequest {
            search,
            beside,
            data: TrainData::Folder(data),
            folder: self.home.runs().join(&form.run),
            trials: form.trials.max(1),
            seed: form.seed,
            device: if compute.is_some() { form.device } else { DeviceChoice::Cpu },
            compute,
        })
    }

    fn take_search_event(&mut self, event: SearchEvent) {
        if let SearchEvent::Warning(text) = &event {
            tracing::info!(warning = %text, "search");
        }
        if let Some(view) = &mut self.models.search {
            view.take(event);
        }
    }

    fn end_search(&mut self, summary: Option<SearchSummary>) {
        self.models.control = None;
        self.models.task = None;
        if let Some(view) = &mut self.models.search {
            view.state = TrainingState::Ended;
            view.trial = None;
            if let Some(summary) = summary {
                view.ranking = summary.ranking;
                view.test = summary.test;
                let text = format!("Search {} ended: {} trials are ranked.", view.name, view.ranking.len());
                self.notify(Notice::info(text));
            }
        }
        self.refresh_runs();
    }

    /// Brings the words of the job's progress over; called while a search runs.
    pub(super) fn follow_search(&mut self) {
        let Some(id) = self.models.task else { return };
        let Some(task) = self.tasks().into_iter().find(|t| t.id == id) else { return };
        if let Some(view) = self.models.search.as_mut().filter(|v| v.state != TrainingState::Ended) {
            view.message = task.message;
            view.fraction = task.fraction.unwrap_or(0.0);
        }
    }

    fn look_at_search(&mut self, folder: PathBuf) {
        let read = folder.clone();
        let handle =
            jobs::spawn("Reading a search", self.waker.clone(), move |_: &JobContext<()>| train::read_search(&read));
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, found| {
                let running = w.models.search.as_ref().is_some_and(|s| s.state != TrainingState::Ended);
                let Some((_, summary)) = found.filter(|_| !running) else { return };
                w.models.search = Some(SearchView {
                    name: folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
                    folder,
                    state: TrainingState::Ended,
                    trials: summary.ranking.len() + summary.elsewhere.len(),
                    trial: None,
                    message: String::new(),
                    fraction: 0.0,
                    ranking: summary.ranking,
                    test: summary.test,
                });
            },
        ));
    }
}
