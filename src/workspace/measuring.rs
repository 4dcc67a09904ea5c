//! Measurements of the active case, and figures of its segments and of its image. What takes long runs as a job.

use super::steps::Change;
use super::task::JobTask;
use super::{Document, Workspace};
use crate::core::{CaseId, Histogram, HuStatistics, LayerId, Measurement, Shape, label_statistics};
use crate::io::journal::{JournalEntry, StepMark};
use crate::jobs::{self, JobContext};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Changes of measurements.
#[derive(Debug, Clone)]
pub enum MeasureCommand {
    /// Keeps a shape that was drawn on a slice across a voxel axis.
    Add {
        axis: usize,
        shape: Shape,
    },
    /// Gives a measurement another shape.
    Change {
        id: u32,
        shape: Shape,
    },
    Note {
        id: u32,
        text: String,
    },
    Delete(u32),
    DeleteAll,
    /// Counts the image's values, once.
    Histogram,
    /// Mean, spread and extremes of each segment of the active layer.
    Segments,
}

/// Figures of the segments of a layer.
#[derive(Debug, Clone)]
pub struct SegmentStatistics {
    pub layer: LayerId,
    /// Of the case when they were computed: with another one they are out of date.
    pub revision: u64,
    /// By label.
    pub labels: Vec<Option<HuStatistics>>,
}

/// What comes within this time of the last change of a measurement is one step of the history with it.
const ONE_CHANGE: Duration = Duration::from_secs(1);

/// The measurement that was moved or written on last.
pub(super) struct Remeasured {
    id: u32,
    name: String,
    /// Revision it led to; another one means that something else was done since.
    revision: u64,
    at: Instant,
}

/// What was computed of a case.
#[derive(Default)]
pub(super) struct Statistics {
    histogram: Option<Arc<Histogram>>,
    counting: bool,
    segments: Option<SegmentStatistics>,
    running: bool,
    last_id: u32,
}

impl Workspace {
    pub(super) fn apply_measure(&mut self, command: MeasureCommand) {
        match command {
            MeasureCommand::Histogram => self.count_histogram(),
            MeasureCommand::Segments => self.measure_segments(),
            change => {
                if let Some(document) = self.active_document_mut() {
                    document.change_measurements(change);
                }
            }
        }
    }

    fn count_histogram(&mut self) {
        let Some(document) = self.active_document_mut() else { return };
        let id = document.case.id;
        let Some(volume) = document.case.volume.clone() else { return };
        if document.statistics.counting || document.statistics.histogram.is_some() {
            return;
        }
        document.statistics.counting = true;
        let handle = jobs::spawn("Counting the image's values", self.waker.clone(), move |ctx: &JobContext<()>| {
            Histogram::of(&volume, |_| !ctx.is_cancelled()).ok_or(Cancelled)
        });
        self.start_on(
            Some(id),
            JobTask::new(
                handle,
                |_, ()| {},
                move |w, histogram| {
                    if let Some(document) = w.document_mut(id) {
                        // After a failure it stays marked as running: asking again in every frame would not help.
                        document.statistics.counting = histogram.is_none();
                        document.statistics.histogram = histogram.map(Arc::new);
                    }
                },
            ),
        );
    }

    fn measure_segments(&mut self) {
        self.commit_stroke();
        let Some(document) = self.active_document_mut() else { return };
        let id: CaseId = document.case.id;
        let revision = document.revision();
        let (Some(volume), Some(layer)) = (document.case.volume.clone(), document.layer().cloned()) else { return };
        if std::mem::replace(&mut document.statistics.running, true) {
            return;
        }
        let layer_id = layer.id;
        let handle = jobs::spawn("Measuring the segments", self.waker.clone(), move |ctx: &JobContext<()>| {
            label_statistics(&volume, &layer.labels, |part| {
                ctx.progress.set((part * 1000.0) as u64, 1000);
                !ctx.is_cancelled()
            })
            .ok_or(Cancelled)
        });
        self.start_on(
            Some(id),
            JobTask::new(
                handle,
                |_, ()| {},
                move |w, labels| {
                    let Some(document) = w.document_mut(id) else { return };
                    document.statistics.running = false;
                    if let Some(labels) = labels {
                        document.statistics.segments = Some(SegmentStatistics { layer: layer_id, revision, labels });
                    }
                },
            ),
        );
    }
}

/// The reason of a job that was told to stop; the task list tells the user.
#[derive(Debug, thiserror::Error)]
#[error("cancelled")]
struct Cancelled;

impl Document {
    fn change_measurements(&mut self, command: MeasureCommand) {
        let sound = |shape: &Shape| shape.points().iter().all(|p| p.is_finite());
        let before = self.measurements.clone();
        let (name, changed) = match command {
            MeasureCommand::Add { axis, shape } if axis < 3 && sound(&shape) => {
                self.statistics.last_id += 1;
                let id = self.statistics.last_id;
                self.measurements.push(Measurement { id, axis, shape, note: String::new() });
                ("Add measurement", None)
            }
            MeasureCommand::Change { id, shape } if sound(&shape) => {
                let Some(known) = self.measurement_mut(id).filter(|m| m.shape != shape) else { return };
                known.shape = shape;
                ("Move measurement", Some(id))
            }
            MeasureCommand::Note { id, text } => {
                let Some(known) = self.measurement_mut(id).filter(|m| m.note != text) else { return };
                known.note = text;
                ("Note on measurement", Some(id))
            }
            MeasureCommand::Delete(id) => {
                self.measurements.retain(|m| m.id != id);
                if self.measurements.len() == before.len() {
                    return;
                }
                ("Delete measurement", None)
            }
            MeasureCommand::DeleteAll if !self.measurements.is_empty() => {
                self.measurements.clear();
                ("Delete all measurements", None)
            }
            _ => return,
        };
        self.record_measurements(name, before, changed);
    }

    /// Puts a change of the measurements into history and journal; what a drag passes, or a note while it is typed, is
    /// one step.
    fn record_measurements(&mut self, name: &str, mut before: Vec<Measurement>, changed: Option<u32>) {
        let again = self.remeasured.as_ref().is_some_and(|r| {
            Some(r.id) == changed && r.name == name && r.revision == self.revision() && r.at.elapsed() < ONE_CHANGE
        });
        if again && let Some(Change::Measurements { before: first, .. }) = self.history.undo().map(|step| &step.change)
        {
            before.clone_from(first);
        }
        let after = self.measurements.clone();
        let mark = StepMark::Measurements { name: name.into(), amends: again };
        self.journal(JournalEntry::measure(&after).marked(mark));
        self.push_step(name.into(), Change::Measurements { before, after });
        self.touch();
        let (revision, at) = (self.revision(), Instant::now());
        self.remeasured = changed.map(|id| Remeasured { id, name: name.into(), revision, at });
    }

    fn measurement_mut(&mut self, id: u32) -> Option<&mut Measurement> {
        self.measurements.iter_mut().find(|m| m.id == id)
    }

    /// Those of a project; what makes no sense is left out.
    pub(super) fn adopt_measurements(&mut self, saved: Vec<Measurement>) {
        let sound = |m: &Measurement| m.axis < 3 && m.shape.points().iter().all(|p| p.is_finite());
        self.measurements = saved.into_iter().filter(sound).collect();
        for (n, measurement) in (1..).zip(&mut self.measurements) {
            measurement.id = n;
        }
        self.statistics.last_id = self.measurements.len() as u32;
    }

    /// Those of a journal, under the numbers that its steps know them by.
    pub(super) fn revive_measurements(&mut self, found: Vec<Measurement>) {
        self.statistics.last_id = found.iter().map(|m| m.id).max().unwrap_or(0);
        self.measurements = found;
    }

    /// How often each value occurs, once it was counted.
    pub fn histogram(&self) -> Option<&Arc<Histogram>> {
        self.statistics.histogram.as_ref()
    }

    /// Whether the histogram still has to be asked for.
    pub fn wants_histogram(&self) -> bool {
        self.case.volume.is_some() && self.statistics.histogram.is_none() && !self.statistics.counting
    }

    /// Figures of the active layer's segments, and whether they are those of the mask as it is now.
    pub fn segment_statistics(&self) -> Option<(&SegmentStatistics, bool)> {
        let known = self.statistics.segments.as_ref().filter(|s| Some(s.layer) == self.active_layer)?;
        Some((known, known.revision == self.revision()))
    }
}
