//! The cohort that the window shows: started from open cases or from files, filled while it is computed, and the way from
//! a figure to the voxels that cause it.

use super::read::{CaseMask, Reader};
use super::{CohortCase, CohortError, CohortEvent, CohortRequest};
use super::{common_facts, compare_cohort, failure, fingerprint, pairs_of};
use crate::core::{CaseId, LabelMap, Layer, LayerId, Origin, Volume};
use crate::jobs::{self, JobContext};
use crate::metrics::{self, Agreement, CompareOptions, Convention, MetricError, SurfaceDistances};
use crate::nn::DeviceChoice;
use crate::report::{self, CaseReport, PairedFigure, ReportInputs, SideSummary};
use crate::workspace::reviewing::Cause;
use crate::workspace::task::JobTask;
use crate::workspace::{Document, Notice, Workspace};
use glam::DVec3;
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
    OpenCases { truth: String, judged: Vec<String>, convention: Convention },
    /// To the case, slice and pair of voxels behind a figure; `case` counts the comparisons.
    Go { case: usize, segment: String, slice: Option<usize> },
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
    request: Option<Arc<CohortRequest>>,
    plan: Vec<CohortCase>,
    places: Vec<Place>,
    /// Cases of files that were opened, by their index in the plan.
    opened: Vec<(usize, CaseId)>,
    serial: u64,
}

impl CohortRoom {
    /// Another number for every cohort, so that what is made of one is not shown for the next.
    pub fn serial(&self) -> u64 {
        self.serial
    }
}

impl Workspace {
    pub(in crate::workspace) fn apply_cohort(&mut self, command: CohortCommand) {
        match command {
            CohortCommand::Show(on) => self.cohort.shown = on,
            CohortCommand::Files(request) => self.compare_files(*request),
            CohortCommand::OpenCases { truth, judged, convention } => self.compare_open(&truth, &judged, convention),
            CohortCommand::Go { case, segment, slice } => self.go_to_figure(case, &segment, slice),
            CohortCommand::Export(path) => self.export_cohort(path),
        }
    }

    fn begin_cohort(&mut self, request: Option<CohortRequest>) -> u64 {
        let serial = self.cohort.serial + 1;
        let request = request.map(Arc::new);
        self.cohort = CohortRoom { shown: true, running: true, serial, request, ..CohortRoom::default() };
        serial
    }

    fn compare_files(&mut self, mut request: CohortRequest) {
        if self.cohort.running {
            return;
        }
        if self.cpu_only {
            request.device = DeviceChoice::Cpu;
        }
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

    fn compare_open(&mut self, truth: &str, judged: &[String], convention: Convention) {
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
                work.push((document.case.name.clone(), side, mask_of(a), mask_of(b)));
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
            for (name, side, a, b) in work {
                let options = CompareOptions { convention, ..CompareOptions::full(a.name.clone(), b.name.clone()) };
                let inner = JobContext::attached(ctx.cancel.clone(), Arc::default(), jobs::Waker::none()).0;
                let compared = metrics::compare(&a.labels, &b.labels, &pairs_of(&name, &a, &b), &options, &inner);
                ctx.progress.step();
                match compared {
                    Ok(metrics) => {
                        let report = CaseReport { judged: side, ..CaseReport::new(name, metrics) };
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

    fn go_to_figure(&mut self, case: usize, segment: &str, slice: Option<usize>) {
        let (Some(report), Some(place)) = (self.cohort.inputs.cases.get(case), self.cohort.places.get(case)) else {
            return;
        };
        let report = report.clone();
        let target = Target { segment: segment.to_owned(), slice };
        match place.clone() {
            Place::Open { document, truth, judged } => self.look_at(document, [truth, judged], report, &target),
            Place::Files { case, side } => self.open_files(case, side, report, target),
        }
    }

    /// Shows a comparison's masks, difference and pair of voxels.
    fn look_at(&mut self, id: CaseId, [truth, judged]: [LayerId; 2], report: CaseReport, target: &Target) {
        self.activate(id);
        let Some(document) = self.document_mut(id) else {
            self.notify(Notice::warning("This case was closed: compare again to open it."));
            return;
        };
        let exists = |l: LayerId| document.case.layer(l).is_some();
        if !exists(truth) || !exists(judged) {
            self.notify(Notice::warning("One of the compared layers was deleted: compare again."));
            return;
        }
        let revision = document.revision();
        let row = report.metrics.rows.iter().position(|r| r.name == target.segment).unwrap_or(0);
        let Some(found) = report.metrics.rows.get(row) else { return };
        let of_slice = target.slice.and_then(|k| found.slices.iter().find(|s| s.k == k));
        let distances = match target.slice {
            Some(_) => of_slice.and_then(|s| s.distances_mm.as_ref()),
            None => found.distances.as_ref(),
        };
        // Where nothing is nearest, as for a miss, the slice with most wrong voxels says most.
        let worst_slice = || found.slices.iter().max_by_key(|s| s.overlap.fp + s.overlap.fn_).map(|s| s.k);
        let cause = distances.and_then(cause_of);
        let slice = target.slice.or_else(|| if cause.is_none() { worst_slice() } else { None });
        if let Some(k) = slice {
            let crosshair = document.view.crosshair;
            document.set_crosshair(DVec3::new(crosshair.x, crosshair.y, k as f64));
        }
        if let Some(cause) = &cause {
            document.set_crosshair(DVec3::from_array(cause.at.map(|v| v as f64)));
        }
        self.review.show(report.metrics, (id, truth, judged), row, revision, cause);
    }

    fn open_files(&mut self, case: usize, side: usize, report: CaseReport, target: Target) {
        let already = self.cohort.opened.iter().find(|(n, _)| *n == case).map(|(_, id)| *id);
        if let Some(document) = already.and_then(|id| self.document(id)) {
            let (id, layers) = (document.case.id, &document.case.layers);
            let truth = layers.iter().find(|l| l.name == "Truth").map(|l| l.id);
            let judged = layers.iter().find(|l| l.name == report.metrics.name_b).map(|l| l.id);
            if let (Some(truth), Some(judged)) = (truth, judged) {
                self.look_at(id, [truth, judged], report, &target);
                return;
            }
        }
        let (Some(request), Some(place)) = (self.cohort.request.clone(), self.cohort.plan.get(case).cloned()) else {
            return;
        };
        let id = self.next_case_id();
        let serial = self.cohort.serial;
        let handle = jobs::spawn("Opening the case", self.waker.clone(), move |ctx: &JobContext<CohortEvent>| {
            let reader = Reader::new(&request);
            let mut masks = Vec::new();
            let mut truth = None;
            let mut volume = None;
            for side in 0..request.judged.len() {
                let (a, b) = reader.pair(&place, side, ctx)?;
                volume = volume.or_else(|| a.volume.clone());
                truth.get_or_insert(a);
                masks.push(b);
            }
            let truth = truth.ok_or(CohortError::Sides)?;
            let geometry = *truth.labels.geometry();
            let volume =
                volume.or_else(|| reader.volume(&place, ctx)).filter(|v| v.geometry().dims() == geometry.dims());
            let volume = match volume {
                Some(volume) => (*volume).clone(),
                // Masks without their image are shown over black.
                None => Volume::new(geometry, vec![-1024i16; geometry.voxel_count()])
                    .map_err(|e| CohortError::Io(e.to_string()))?,
            };
            Ok::<_, CohortError>((place.name, volume, truth, masks))
        });
        self.start(JobTask::new(
            handle,
            |_, _| {},
            move |w, opened| {
                let Some((name, volume, truth, masks)) = opened else { return };
                let mut document = Document::new(id, name, *volume.geometry(), None);
                document.set_volume(volume);
                w.add_document(document);
                w.add_layer(id, layer("Truth".into(), truth));
                for mask in masks {
                    w.add_layer(id, layer(mask.name.clone(), mask));
                }
                if w.cohort.serial == serial {
                    w.cohort.opened.push((case, id));
                }
                let Some(document) = w.document_mut(id) else { return };
                // What was just read needs no saving.
                document.mark_saved(document.revision());
                let layers = &document.case.layers;
                if let (Some(truth), Some(judged)) = (layers.first(), layers.get(side + 1)) {
                    let ids = [truth.id, judged.id];
                    w.look_at(id, ids, report, &target);
                }
            },
        ));
    }

    fn export_cohort(&mut self, path: PathBuf) {
        if self.cohort.inputs.cases.is_empty() {
            self.notify(Notice::warning("Compare a cohort first, then export the report."));
            return;
        }
        let inputs = self.cohort.inputs.clone();
        self.write_report(path, move || inputs);
    }
}

/// Which figure was clicked.
struct Target {
    segment: String,
    slice: Option<usize>,
}

fn cause_of(distances: &SurfaceDistances) -> Option<Cause> {
    let worst = distances.worst?;
    Some(Cause { at: worst.at, nearest: worst.nearest, mm: distances.hd })
}

fn sums(inputs: &ReportInputs) -> CohortSums {
    CohortSums { sides: report::summarize(inputs), paired: report::paired(inputs) }
}

fn mask_of(layer: &Layer) -> CaseMask {
    CaseMask { name: layer.name.clone(), labels: layer.labels.clone(), segments: layer.segments.clone(), volume: None }
}

fn layer(name: String, mask: CaseMask) -> Layer {
    Layer::new(LayerId(0), name, mask.labels, mask.segments, Origin::Imported { file: mask.name })
}

/// How well a comparison went, for the order of a table: misses first, then by Dice.
pub fn badness(report: &CaseReport, row: usize) -> f64 {
    report.metrics.rows.get(row).map_or(f64::NEG_INFINITY, |r| match r.agreement {
        Agreement::Neither => f64::NEG_INFINITY,
        _ => -r.figures.dice.unwrap_or(0.0),
    })
}
