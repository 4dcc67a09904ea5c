//! The cohort that the window shows: started from open cases or from files, filled while it is computed.

mod leading;

use super::each::Each;
use super::over_time::OverTime;
use super::read::CaseMask;
use super::{CohortCase, CohortError, CohortEvent, CohortRequest};
use super::{common_facts, compare_cohort, failure, fingerprint, pairs_of};
use crate::core::{CaseId, LabelMap, Layer, LayerId};
use crate::jobs::{self, JobContext};
use crate::metrics::{self, Agreement, CompareOptions, Convention, MetricError};
use crate::nn::DeviceChoice;
use crate::report::{self, CaseReport, PairTable, PairedFigure, ReportInputs, SideSummary};
use crate::workspace::task::JobTask;
use crate::workspace::{Notice, Workspace};
use std::path::PathBuf;
use std::sync::Arc;

/// What can be asked of the cohort.
#[derive(Debug, Clone)]
pub enum CohortCommand {
    /// The wide view under the slices.
    Show(bool),
    /// Files, folders and runs.
    Files(Box<CohortRequest>),
    /// Layers of these names in all open cases.
    OpenCases {
        truth: String,
        judged: Vec<String>,
        convention: Convention,
        /// The judged ones are also compared with each other.
        each: bool,
    },
    /// Measures the layer of this name in several open studies; each with its day.
    OverTime { layer: String, studies: Vec<(CaseId, f64)>, height_cm: Option<f64> },
    /// To the case, slice and pair of voxels behind a figure; `case` counts the comparisons.
    Go { case: usize, segment: String, slice: Option<usize> },
    /// To two judged masks; `pair` counts their comparisons with each other.
    GoPair { pair: usize, segment: String },
    /// Writes the report (.html, .pdf, .json or .csv).
    Export(PathBuf),
}

/// Where the masks of a comparison are.
#[derive(Debug, Clone)]
enum Place {
    /// Layers of an open case.
    Open { document: CaseId, truth: LayerId, judged: LayerId },
    /// Files, opened when they are asked for.
    Files { case: usize, side: usize },
}

/// Sums over all comparisons, made once at the end of the job.
pub struct CohortSums {
    pub sides: Vec<SideSummary>,
    pub paired: Vec<PairedFigure>,
    pub each: Vec<PairTable>,
}

/// The cohort of the window.
#[derive(Default)]
pub struct CohortRoom {
    pub shown: bool,
    /// Grows while the job runs.
    pub inputs: ReportInputs,
    pub sums: Option<Arc<CohortSums>>,
    pub running: bool,
    /// Comparisons that are planned.
    pub total: usize,
    /// Quantities over the studies of a patient.
    pub over_time: OverTime,
    request: Option<Arc<CohortRequest>>,
    plan: Vec<CohortCase>,
    places: Vec<Place>,
    /// Cases of files that were opened, by their index in the plan.
    opened: Vec<(usize, CaseId)>,
    /// Name of a case, and what was noticed when it was opened from here.
    noticed: Vec<(String, String)>,
    serial: u64,
}

impl CohortRoom {
    /// Another number for every cohort, so that what is made of one is not shown for the next.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// What was noticed when a case was opened from here.
    pub fn noticed<'r>(&'r self, case: &'r str) -> impl Iterator<Item = &'r str> {
        self.noticed.iter().filter(move |(name, _)| name == case).map(|(_, text)| text.as_str())
    }

    /// Whether there is something for a report.
    pub fn can_export(&self) -> bool {
        !self.inputs.cases.is_empty() || !self.over_time.rows.is_empty()
    }
}

impl Workspace {
    pub(in crate::workspace) fn apply_cohort(&mut self, command: CohortCommand) {
        match command {
            CohortCommand::Show(on) => self.cohort.shown = on,
            CohortCommand::Files(request) => self.compare_files(*request),
            CohortCommand::OpenCases { truth, judged, convention, each } => {
                self.compare_open(&truth, &judged, convention, each);
            }
            CohortCommand::OverTime { layer, studies, height_cm } => {
                self.measure_over_time(&layer, &studies, height_cm);
            }
            CohortCommand::Go { case, segment, slice } => self.go_to_figure(case, &segment, slice),
            CohortCommand::GoPair { pair, segment } => self.go_to_pair(pair, &segment),
            CohortCommand::Export(path) => self.export_cohort(path),
        }
    }

    fn begin_cohort(&mut self, request: Option<CohortRequest>) -> u64 {
        let serial = self.cohort.serial + 1;
        let request = request.map(Arc::new);
        let over_time = std::mem::take(&mut self.cohort.over_time);
        self.cohort = CohortRoom { shown: true, running: true, over_time, serial, request, ..CohortRoom::default() };
        serial
    }

    fn compare_files(&mut self, mut request: CohortRequest) {
        if self.cohort.running {
            return;
        }
        if self.cpu_only {
            request.device = DeviceChoice::Cpu;
        }
        request.turn = self.turn();
        let sides = request.judged.len();
        let serial = self.begin_cohort(Some(request.clone()));
        self.cohort.inputs.title = request.title.clone();
        if sides > 1 {
            self.cohort.inputs.judged = request.judged.iter().map(|j| j.name.clone()).collect();
        }
        let handle = jobs::spawn("Comparing a cohort", self.waker.clone(), move |ctx: &JobContext<CohortEvent>| {
            let inputs = compare_cohort(&request, ctx)?;
            let sums = sums(&inputs);
            Ok::<_, CohortError>((inputs, sums))
        });
        self.start(JobTask::new(
            handle,
            move |w, event| w.take_cohort_event(serial, sides, event),
            move |w, done| w.end_cohort(serial, done),
        ));
    }

    fn take_cohort_event(&mut self, serial: u64, sides: usize, event: CohortEvent) {
        if self.cohort.serial != serial {
            return;
        }
        match event {
            CohortEvent::Planned { cases, unmatched, outside } => {
                self.cohort.total = cases.len() * sides;
                self.cohort.plan = cases;
                (self.cohort.inputs.unmatched, self.cohort.inputs.outside) = (unmatched, outside);
            }
            CohortEvent::Compared(report) => {
                let case = self.cohort.plan.iter().position(|c| c.name == report.name).unwrap_or(0);
                self.cohort.places.push(Place::Files { case, side: report.judged });
                self.cohort.inputs.cases.push(*report);
            }
            CohortEvent::Failed(failed) => self.cohort.inputs.failed.push(failed),
            CohortEvent::Warning(text) => self.status = text,
        }
    }

    fn end_cohort(&mut self, serial: u64, done: Option<(ReportInputs, CohortSums)>) {
        if self.cohort.serial != serial {
            return;
        }
        self.cohort.running = false;
        // What was compared before it failed or was cancelled stays.
        if let Some((inputs, sums)) = done {
            self.status = match inputs.failed.len() {
                0 => format!("Compared {} masks", inputs.cases.len()),
                n => format!("Compared {} masks, {n} could not be compared", inputs.cases.len()),
            };
            self.cohort.inputs = inputs;
            self.cohort.sums = Some(Arc::new(sums));
        }
    }

    fn compare_open(&mut self, truth: &str, judged: &[String], convention: Convention, each: bool) {
        if self.cohort.running || judged.is_empty() || judged.len() > 3 {
            return;
        }
        let (mut work, mut places, mut unmatched) = (Vec::new(), Vec::new(), Vec::new());
        let mut truths: Vec<(String, LabelMap)> = Vec::new();
        for document in self.documents() {
            let layer = |name: &str| document.case.layers.iter().find(|l| l.name == name);
            let lacking = std::iter::once(truth).chain(judged.iter().map(String::as_str)).find(|n| layer(n).is_none());
            if let Some(lacking) = lacking {
                let case = document.case.name.clone();
                unmatched.push(report::Unmatched { case, lacking: format!("layers ({lacking})") });
                continue;
            }
            let Some(a) = layer(truth) else { continue };
            truths.push((document.case.name.clone(), a.labels.clone()));
            for (side, name) in judged.iter().enumerate() {
                let Some(b) = layer(name) else { continue };
                places.push(Place::Open { document: document.case.id, truth: a.id, judged: b.id });
                // The last of a case brings the comparisons of its judged masks with each other.
                let last = side + 1 == judged.len();
                work.push((document.case.name.clone(), side, last, mask_of(a), mask_of(b)));
            }
        }
        if work.is_empty() {
            self.notify(Notice::warning("No open case has all of these layers: name them alike in each case."));
            return;
        }
        let serial = self.begin_cohort(None);
        let mut facts = vec![("Reference".to_owned(), truth.to_owned())];
        facts.extend(judged.iter().enumerate().map(|(n, name)| (format!("Judged {}", n + 1), name.clone())));
        let names = if judged.len() > 1 { judged.to_vec() } else { Vec::new() };
        let start = ReportInputs { title: "Review".into(), judged: names, unmatched, ..ReportInputs::default() };
        (self.cohort.total, self.cohort.inputs, self.cohort.places) = (work.len(), start.clone(), places);
        let handle = jobs::spawn("Comparing open cases", self.waker.clone(), move |ctx: &JobContext<CohortEvent>| {
            let mut inputs = start;
            ctx.progress.set(0, work.len() as u64);
            let mut others = Each::default();
            for (name, side, last, a, b) in work {
                let pairs = pairs_of(&name, &a, &b);
                let options = CompareOptions { convention, ..CompareOptions::full(a.name.clone(), b.name.clone()) };
                let inner = JobContext::attached(ctx.cancel.clone(), Arc::default(), jobs::Waker::none()).0;
                let compared = metrics::compare(&a.labels, &b.labels, &pairs, &options, &inner);
                ctx.progress.step();
                match compared {
                    Ok(metrics) => {
                        if each {
                            others.keep(inputs.cases.len(), &b, &pairs);
                        }
                        let report = CaseReport { judged: side, ..CaseReport::new(name.clone(), metrics) };
                        ctx.send(CohortEvent::Compared(Box::new(report.clone())));
                        inputs.cases.push(report);
                    }
                    Err(MetricError::Cancelled) => return Err(CohortError::Cancelled),
                    Err(e) => {
                        let error = CohortError::Case { case: name.clone(), reason: e.to_string() };
                        let failed = failure(&name, &b.name, &error);
                        ctx.send(CohortEvent::Failed(failed.clone()));
                        inputs.failed.push(failed);
                    }
                }
                if last {
                    let (found, failed) = others.compare(&name, false, &options, &ctx.cancel)?;
                    inputs.pairs.extend(found);
                    inputs.failed.extend(failed);
                }
            }
            // One truth for each case; copies of a label map share their bricks.
            let mut truths = truths;
            truths.retain(|(name, _)| inputs.cases.iter().any(|c| c.name == *name));
            let sha = fingerprint(truths.iter().map(|(name, labels)| (name.as_str(), labels)));
            inputs.facts = facts;
            inputs.facts.extend(common_facts(truths.len(), Some(sha), convention));
            let sums = sums(&inputs);
            Ok::<_, CohortError>((inputs, sums))
        });
        self.start(JobTask::new(
            handle,
            move |w, event| w.take_open_event(serial, event),
            move |w, done| w.end_cohort(serial, done),
        ));
    }

    /// Comparisons of open cases come in the order of their places.
    fn take_open_event(&mut self, serial: u64, event: CohortEvent) {
        if self.cohort.serial != serial {
            return;
        }
        let room = &mut self.cohort;
        match event {
            CohortEvent::Compared(report) => room.inputs.cases.push(*report),
            CohortEvent::Failed(failed) => {
                if room.inputs.cases.len() < room.places.len() {
                    room.places.remove(room.inputs.cases.len());
                }
                room.inputs.failed.push(failed);
            }
            CohortEvent::Planned { .. } | CohortEvent::Warning(_) => {}
        }
    }

    fn export_cohort(&mut self, path: PathBuf) {
        if !self.cohort.can_export() {
            self.notify(Notice::warning("Compare a cohort or measure studies first, then export the report."));
            return;
        }
        let mut inputs = self.cohort.inputs.clone();
        inputs.quantities.extend(self.cohort.over_time.rows.iter().cloned());
        if inputs.cases.is_empty() {
            inputs.title = "Measurements over time".into();
        }
        self.write_report(path, move || inputs);
    }
}

fn sums(inputs: &ReportInputs) -> CohortSums {
    CohortSums { sides: report::summarize(inputs), paired: report::paired(inputs), each: report::pair_tables(inputs) }
}

fn mask_of(layer: &Layer) -> CaseMask {
    CaseMask { name: layer.name.clone(), labels: layer.labels.clone(), segments: layer.segments.clone(), volume: None }
}

/// How well a comparison went, for the order of a table: misses first, then by Dice.
pub fn badness(report: &CaseReport, row: usize) -> f64 {
    report.metrics.rows.get(row).map_or(f64::NEG_INFINITY, |r| match r.agreement {
        Agreement::Neither => f64::NEG_INFINITY,
        _ => -r.figures.dice.unwrap_or(0.0),
    })
}
