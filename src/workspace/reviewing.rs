//! Comparing two layers of the active case, in the background and on snapshots.

use super::task::JobTask;
use super::{Notice, ReviewCommand, Workspace};
use crate::core::{CaseId, LabelId, Layer, LayerId};
use crate::jobs::{self, JobContext};
use crate::metrics::quantities::{Quantity, QuantityOptions, quantities};
use crate::metrics::{
    self, CompareOptions, Convention, LiveOverlap, MetricReport, Overlap, Pair, Select, SignedSurface,
};
use glam::DVec3;
use std::sync::Arc;

/// How two layers are shown against each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Comparing {
    /// What only A, only B and both have.
    #[default]
    Overlay,
    /// A at the left of a line, B at its right.
    Swipe,
    /// A and B in turn.
    Flicker,
    /// Distance to A painted on the contour of B.
    Distance,
}

impl Comparing {
    pub const ALL: [Self; 4] = [Self::Overlay, Self::Swipe, Self::Flicker, Self::Distance];

    pub fn name(self) -> &'static str {
        match self {
            Self::Overlay => "Overlay",
            Self::Swipe => "Swipe",
            Self::Flicker => "Flicker",
            Self::Distance => "Distance",
        }
    }
}

/// The pair of voxels behind a distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cause {
    pub at: [usize; 3],
    pub nearest: [usize; 3],
    pub mm: f64,
}

/// Figures that follow the brush.
pub struct LiveFigures {
    overlap: LiveOverlap,
    layers: (CaseId, LayerId, LayerId),
    /// Revision for which distances were last asked for.
    measured: u64,
}

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
    pub style: Comparing,
    /// Where the swipe divides the pane, less a half: 0 is the middle.
    pub swipe: f32,
    /// Drawn as a line between its two voxels.
    pub cause: Option<Cause>,
    /// Signed distances on the contour of B, of the chosen row.
    pub signed: Option<Arc<SignedSurface>>,
    pub convention: Convention,
    /// Layer, revision of the case and what was measured in the layer.
    pub quantities: Option<(LayerId, u64, Vec<Quantity>)>,
    /// What was added to the last measurement.
    pub measured_with: QuantityOptions,
    live: Option<LiveFigures>,
    /// Row and revision that `signed` was made for, or is being made.
    signed_for: Option<(usize, u64)>,
    /// Tells the comparison that was started last from one whose case was left since.
    serial: u64,
}

impl ReviewRoom {
    pub(super) fn forget(&mut self) {
        let (style, swipe, convention) = (self.style, self.swipe, self.convention);
        *self = Self { serial: self.serial + 1, style, swipe, convention, ..Self::default() };
    }

    /// Shows a report that was made elsewhere.
    pub(super) fn show(
        &mut self,
        report: MetricReport,
        layers: (CaseId, LayerId, LayerId),
        row: usize,
        revision: u64,
        cause: Option<Cause>,
    ) {
        self.serial += 1;
        (self.report, self.layers, self.row, self.revision) = (Some(report), Some(layers), row, revision);
        (self.running, self.difference, self.cause) = (false, true, cause);
        (self.signed, self.signed_for, self.live) = (None, None, None);
    }

    /// Overlaps as they are now, while they follow the brush.
    pub fn live(&self) -> Option<impl Iterator<Item = (&Pair, Overlap)>> {
        self.live.as_ref().map(|l| l.overlap.overlaps())
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
            ReviewCommand::Row(row) => (self.review.row, self.review.cause) = (row, None),
            ReviewCommand::Style(style) => self.review.style = style,
            ReviewCommand::Swipe(at) if at.is_nan() => {}
            ReviewCommand::Swipe(at) => self.review.swipe = at.clamp(0.0, 1.0) - 0.5,
            ReviewCommand::Cause(cause) => self.go_to_cause(cause),
            ReviewCommand::Measure(options) => self.measure(options),
            ReviewCommand::Live(on) => self.set_live(on),
            ReviewCommand::Convention(convention) => self.review.convention = convention,
            ReviewCommand::Cohort(command) => self.apply_cohort(command),
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
        let convention = self.review.convention;
        let options = CompareOptions { convention, ..CompareOptions::full(a.name.clone(), b.name.clone()) };
        let (labels_a, labels_b) = (a.labels.clone(), b.labels.clone());
        self.review.running = true;
        let serial = self.review.serial;
        let handle = jobs::spawn("Comparing layers", self.waker.clone(), move |ctx: &JobContext<()>| {
            metrics::compare(&labels_a, &labels_b, &pairs, &options, ctx)
        });
        self.start_on(
            self.active,
            JobTask::new(
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
                    w.review.cause = None;
                },
            ),
        );
    }
}

impl Workspace {
    fn go_to_cause(&mut self, cause: Cause) {
        self.review.cause = Some(cause);
        if let Some(document) = self.active_document_mut() {
            document.set_crosshair(DVec3::from_array(cause.at.map(|v| v as f64)));
        }
    }

    /// Measures the active layer over the image.
    fn measure(&mut self, options: QuantityOptions) {
        let Some(document) = self.active_document() else { return };
        let Some(layer) = document.layer() else { return };
        let (id, revision, volume) = (layer.id, document.revision(), document.case.volume.clone());
        let (labels, segments) = (layer.labels.clone(), layer.segments.clone());
        let serial = self.review.serial;
        let handle = jobs::spawn("Measuring the layer", self.waker.clone(), move |_: &JobContext<()>| {
            Ok::<_, metrics::MetricError>(quantities(&labels, &segments, volume.as_deref(), options))
        });
        self.start_on(
            self.active,
            JobTask::new(
                handle,
                |_, ()| {},
                move |w, found| {
                    if let (Some(found), true) = (found, w.review.serial == serial) {
                        w.review.quantities = Some((id, revision, found));
                        w.review.measured_with = options;
                    }
                },
            ),
        );
    }

    /// Starts or ends figures that follow the brush; they need a comparison of the active case.
    fn set_live(&mut self, on: bool) {
        self.review.live = None;
        let (true, Some(layers), Some(report)) = (on, self.review.layers, &self.review.report) else { return };
        let pairs: Vec<Pair> = report.rows.iter().map(|r| Pair { name: r.name.clone(), a: r.a, b: r.b }).collect();
        let Some(document) = self.document(layers.0) else { return };
        let (Some(a), Some(b)) = (document.case.layer(layers.1), document.case.layer(layers.2)) else { return };
        let measured = self.review.revision;
        self.review.live =
            LiveOverlap::new(&a.labels, &b.labels, pairs).map(|overlap| LiveFigures { overlap, layers, measured });
    }

    /// Brings live figures and painted distances up to date: overlaps at once, distances in a job when a stroke ended.
    pub(super) fn follow_painting(&mut self) {
        self.follow_live();
        self.follow_signed();
    }

    fn follow_live(&mut self) {
        let Some(mut live) = self.review.live.take() else { return };
        let (case, truth, judged) = live.layers;
        let Some(document) = self.document(case) else { return };
        let (Some(a), Some(b)) = (document.case.layer(truth), document.case.layer(judged)) else { return };
        live.overlap.update(&a.labels, &b.labels);
        let (revision, painting) = (document.revision(), document.stroke.is_some());
        if !painting && revision != live.measured && !self.review.running && self.active == Some(case) {
            live.measured = revision;
            self.review.live = Some(live);
            self.compare(truth, judged);
            return;
        }
        self.review.live = Some(live);
    }

    fn follow_signed(&mut self) {
        let wanted = self.review.difference && self.review.style == Comparing::Distance;
        let (true, Some((case, a, b)), Some(report)) = (wanted, self.review.layers, &self.review.report) else {
            return;
        };
        let Some(row) = report.rows.get(self.review.row) else { return };
        let Some(document) = self.document(case).filter(|d| d.stroke.is_none()) else { return };
        let (Some(truth), Some(judged)) = (document.case.layer(a), document.case.layer(b)) else { return };
        let key = (self.review.row, document.revision());
        if self.review.signed_for == Some(key) {
            return;
        }
        let (select_a, select_b) = (row.a, row.b);
        let (map_a, map_b) = (truth.labels.clone(), judged.labels.clone());
        self.review.signed_for = Some(key);
        let handle = jobs::spawn("Measuring distances", self.waker.clone(), move |ctx: &JobContext<()>| {
            metrics::signed_surface(&map_a, select_a, &map_b, select_b, &ctx.cancel)
        });
        self.start_on(
            Some(case),
            JobTask::new(
                handle,
                |_, ()| {},
                move |w, found| {
                    if w.review.signed_for == Some(key) {
                        w.review.signed = found.map(Arc::new);
                    }
                },
            ),
        );
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
