//! The way from a figure of the cohort to its case, slice and pair of voxels.

use super::{CohortError, CohortEvent, Place};
use crate::core::{CaseId, Layer, LayerId, Origin, Volume};
use crate::jobs::{self, JobContext};
use crate::metrics::SurfaceDistances;
use crate::report::CaseReport;
use crate::workspace::cohort::read::{CaseMask, Reader};
use crate::workspace::reviewing::Cause;
use crate::workspace::task::JobTask;
use crate::workspace::{Document, Notice, Workspace};
use glam::DVec3;

/// What a layer with the truth of a file is called.
const TRUTH: &str = "Truth";

/// Which figure was clicked.
struct Target {
    segment: String,
    slice: Option<usize>,
}

impl Workspace {
    pub(super) fn go_to_figure(&mut self, case: usize, segment: &str, slice: Option<usize>) {
        let (Some(report), Some(place)) = (self.cohort.inputs.cases.get(case), self.cohort.places.get(case)) else {
            return;
        };
        let report = report.clone();
        let target = Target { segment: segment.to_owned(), slice };
        match place.clone() {
            Place::Open { document, truth, judged } => self.look_at(document, [truth, judged], report, &target),
            Place::Files { case, side } => self.open_files(case, [None, Some(side)], report, target),
        }
    }

    /// As [`Self::go_to_figure`], to two judged masks of a case.
    pub(super) fn go_to_pair(&mut self, pair: usize, segment: &str) {
        let Some(pair) = self.cohort.inputs.pairs.get(pair) else { return };
        let place = |n: usize| self.cohort.places.get(pair.comparisons[n]).cloned();
        let report = CaseReport::new(pair.case.clone(), pair.metrics.clone());
        let target = Target { segment: segment.to_owned(), slice: None };
        match (place(0), place(1)) {
            (Some(Place::Open { document, judged: first, .. }), Some(Place::Open { judged: second, .. })) => {
                self.look_at(document, [first, second], report, &target);
            }
            (Some(Place::Files { case, side: first }), Some(Place::Files { side: second, .. })) => {
                self.open_files(case, [Some(first), Some(second)], report, target);
            }
            _ => {}
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

    /// Opens the masks of a case, unless they are, and shows two of them; a side that is `None` is the truth.
    fn open_files(&mut self, case: usize, sides: [Option<usize>; 2], report: CaseReport, target: Target) {
        let (Some(request), Some(place)) = (self.cohort.request.clone(), self.cohort.plan.get(case).cloned()) else {
            return;
        };
        let already = self.cohort.opened.iter().find(|(n, _)| *n == case).map(|(_, id)| *id);
        if let Some(document) = already.and_then(|id| self.document(id)) {
            let id = document.case.id;
            let layer = |side: Option<usize>| {
                let name = side.map_or(TRUTH, |s| request.judged.get(s).map_or("", |j| j.name.as_str()));
                document.case.layers.iter().find(|l| l.name == name).map(|l| l.id)
            };
            if let [Some(first), Some(second)] = sides.map(layer) {
                self.look_at(id, [first, second], report, &target);
                return;
            }
        }
        let id = self.next_case_id();
        let serial = self.cohort.serial;
        let case_name = place.name.clone();
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
            let image = volume.map(|v| (v, Vec::new())).or_else(|| reader.volume_with_findings(&place, ctx));
            let image = match image.filter(|(v, _)| v.geometry().dims() == geometry.dims()) {
                Some((volume, findings)) => ((*volume).clone(), findings),
                // Masks without their image are shown over black.
                None => {
                    let black = Volume::new(geometry, vec![-1024i16; geometry.voxel_count()]);
                    (black.map_err(|e| CohortError::Io(e.to_string()))?, Vec::new())
                }
            };
            Ok::<_, CohortError>((place.name, image, truth, masks))
        });
        self.start(JobTask::new(
            handle,
            move |w, event| {
                if let CohortEvent::Warning(text) = event {
                    w.keep_noticed(serial, &case_name, text);
                }
            },
            move |w, opened| {
                let Some((name, (volume, findings), truth, masks)) = opened else { return };
                for finding in &findings {
                    w.keep_noticed(serial, &name, finding.told(&name).into_owned());
                }
                let mut document = Document::new(id, name, *volume.geometry(), None);
                document.set_volume(volume);
                document.load_findings = findings;
                w.add_document(document);
                w.add_layer(id, layer(TRUTH.into(), truth));
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
                let found = sides.map(|side| layers.get(side.map_or(0, |s| s + 1)).map(|l| l.id));
                if let [Some(first), Some(second)] = found {
                    w.look_at(id, [first, second], report, &target);
                }
            },
        ));
    }
}

impl Workspace {
    /// Keeps what was noticed of a case, to be read where the cohort lists it.
    fn keep_noticed(&mut self, serial: u64, case: &str, text: String) {
        let line = (case.to_owned(), text);
        if self.cohort.serial == serial && !self.cohort.noticed.contains(&line) {
            self.cohort.noticed.push(line);
        }
    }
}

fn cause_of(distances: &SurfaceDistances) -> Option<Cause> {
    let worst = distances.worst?;
    Some(Cause { at: worst.at, nearest: worst.nearest, mm: distances.hd })
}

fn layer(name: String, mask: CaseMask) -> Layer {
    Layer::new(LayerId(0), name, mask.labels, mask.segments, Origin::Imported { file: mask.name })
}
