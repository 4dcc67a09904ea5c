//! Comparing two layers of the active case, in the background and on snapshots.

use super::task::JobTask;
use super::{Notice, ReviewCommand, Workspace};
use crate::core::{CaseId, LabelId, Layer, LayerId};
use crate::jobs::{self, JobContext};
use crate::metrics::{self, CompareOptions, MetricReport, Pair, Select};
use crate::report::{self, CaseReport, ReportInputs};
use std::path::PathBuf;

/// The comparison that is shown.
#[derive(Default)]
pub struct ReviewRoom {
    pub report: Option<MetricReport>,
    /// Case, truth and judged layer of the report.
    pub layers: Option<(CaseId, LayerId, LayerId)>,
    /// Row of the report that is looked at.
    pub row: usize,
    /// Difference overlay instead of the segments.
    pub difference: bool,
    pub running: bool,
    /// Revision of the case at the time of the comparison.
    pub revision: u64,
    /// Tells the comparison that was started last from one whose case was left since.
    serial: u64,
}

impl ReviewRoom {
    pub(super) fn forget(&mut self) {
        *self = Self { serial: self.serial + 1, ..Self::default() };
    }

    /// Labels of the chosen row in truth and judged layer, 0 for all labels together; `None` for a segment that only
    /// one of them has.
    pub fn labels(&self) -> Option<(LabelId, LabelId)> {
        let row = self.report.as_ref()?.rows.get(self.row)?;
        let label = |select| match select {
            Select::Label(label) => Some(label),
            Select::Foreground => Some(0),
            Select::Nothing => None,
        };
        Some((label(row.a)?, label(row.b)?))
    }
}

impl Workspace {
    pub(super) fn apply_review(&mut self, command: ReviewCommand) {
        match command {
            ReviewCommand::Compare { truth, prediction } => self.compare(truth, prediction),
            ReviewCommand::Difference(on) => self.review.difference = on,
            ReviewCommand::Row(row) => self.review.row = row,
            ReviewCommand::Export(path) => self.export_report(path),
        }
    }

    fn compare(&mut self, truth: LayerId, prediction: LayerId) {
        let Some(document) = self.active_document() else { return };
        let (Some(a), Some(b)) = (document.case.layer(truth), document.case.layer(prediction)) else { return };
        if truth == prediction {
            self.notify(Notice::warning("Choose two different layers to compare."));
            return;
        }
        if self.review.running {
            return;
        }
        let (id, revision) = (document.case.id, document.revision());
        let pairs = matching_pairs(a, b);
        let options = CompareOptions::full(a.name.clone(), b.name.clone());
        let (labels_a, labels_b) = (a.labels.clone(), b.labels.clone());
        self.review.running = true;
        let serial = self.review.serial;
        let handle = jobs::spawn("Comparing layers", self.waker.clone(), move |ctx: &JobContext<()>| {
            metrics::compare(&labels_a, &labels_b, &pairs, &options, ctx)
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, report| {
                if w.review.serial != serial {
                    return;
                }
                w.review.running = false;
                let Some(report) = report else { return };
                w.review.row = w.review.row.min(report.rows.len().saturating_sub(1));
                w.review.report = Some(report);
                w.review.layers = Some((id, truth, prediction));
                w.review.revision = revision;
            },
        ));
    }

    fn export_report(&mut self, path: PathBuf) {
        let Some(report) = self.review.report.clone() else {
            self.notify(Notice::warning("Compare two layers first, then export the report."));
            return;
        };
        let title = self.active_document().map_or_else(String::new, |d| d.case.name.clone());
        let target = path.clone();
        let handle = jobs::spawn("Writing the report", self.waker.clone(), move |_: &JobContext<()>| {
            let case = CaseReport { name: title, metrics: report, pictures: Vec::new() };
            let inputs = ReportInputs { title: "Review".into(), phantom: false, facts: Vec::new(), cases: vec![case] };
            let ending = target.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
            let text = match ending.as_deref() {
                Some("html" | "htm") => report::html(&inputs).map_err(|e| e.to_string())?,
                Some("json") => report::json(&inputs).map_err(|e| e.to_string())?,
                Some("csv") => report::slices_csv(&inputs),
                _ => {
                    return Err(format!("{} was not written: end the name in .html, .csv or .json.", target.display()));
                }
            };
            crate::io::atomic::write_atomic_bytes(&target, text.as_bytes())
                .map_err(|e| format!("{} was not written: {}.", target.display(), crate::io::atomic::plain_reason(&e)))
        });
        self.start(JobTask::new(handle, |_, ()| {}, move |w, done| w.exported(&path, done)));
    }
}

/// Each segment with its partner, and everything as one where that says something more.
fn matching_pairs(a: &Layer, b: &Layer) -> Vec<Pair> {
    let mut pairs = metrics::match_segments(&a.segments, &b.segments);
    if a.segments.len() != b.segments.len() {
        // Different segments, as when one network finds both lungs together: the whole is what can be compared.
        pairs.insert(0, Pair::foreground("All segments"));
    } else if pairs.len() != 1 {
        pairs.push(Pair::foreground("All segments"));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Geometry, LabelMap, Origin, Segment};
    use glam::DVec3;

    fn layer(names: &[(u8, &str)]) -> Layer {
        let geometry = Geometry::axis_aligned([2, 2, 2], DVec3::ONE, DVec3::ZERO).unwrap();
        Layer::new(
            LayerId(1),
            String::new(),
            LabelMap::empty(geometry),
            names.iter().map(|(id, n)| Segment::new(*id, *n)).collect(),
            Origin::Human,
        )
    }

    #[test]
    fn partners_are_found_by_name_before_label() {
        let pairs = matching_pairs(
            &layer(&[(1, "Left lung"), (2, "Right lung")]),
            &layer(&[(2, "left lung"), (1, "right lung")]),
        );
        assert_eq!(pairs[0], Pair::labels("Left lung", 1, 2));
        assert_eq!(pairs[1], Pair::labels("Right lung", 2, 1));
        assert_eq!(pairs[2], Pair::foreground("All segments"));
        assert_eq!(matching_pairs(&layer(&[(1, "Liver")]), &layer(&[(1, "Segment 1")])).len(), 1);
    }
}
