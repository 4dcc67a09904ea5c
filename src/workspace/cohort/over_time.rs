//! The open studies of a patient in the order of time, and what is measured in a layer of each.

use crate::core::CaseId;
use crate::io::{Scan, VolumeSource};
use crate::jobs::{self, JobContext};
use crate::metrics::quantities::{QuantityOptions, quantities};
use crate::report::Quantities;
use crate::workspace::task::JobTask;
use crate::workspace::{Document, Notice, Workspace};

/// Whose study a case is, and when it was made. For the window alone: neither leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyOf {
    patient: String,
    /// Days since 1970-01-01.
    day: Option<i64>,
}

impl StudyOf {
    /// What the scan says of a series; `None` where it names no patient.
    pub(in crate::workspace) fn find(scan: &Scan, source: &VolumeSource) -> Option<Self> {
        let VolumeSource::Dicom(stack) = source else { return None };
        let same = |s: &VolumeSource| matches!(s, VolumeSource::Dicom(of) if of.series_uid == stack.series_uid);
        let (patient, study) = scan.patients.iter().find_map(|p| {
            let of = p.studies.iter().find(|s| s.series.iter().any(|x| x.source.as_ref().is_some_and(same)))?;
            Some((p, of))
        })?;
        let known = [&patient.id, &patient.name].into_iter().find(|t| !t.trim().is_empty())?;
        Some(Self { patient: known.clone(), day: day_number(&study.date) })
    }
}

/// An open case as a study of a patient.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenStudy {
    pub case: CaseId,
    pub name: String,
    /// Days since the first open study of the patient, by the dates of the files.
    pub day: Option<f64>,
    /// Whether it is of the patient of the active case, as far as the files say.
    pub same_patient: bool,
    pub layers: Vec<String>,
}

/// What was measured in several studies.
#[derive(Default)]
pub struct OverTime {
    /// In the order of time.
    pub rows: Vec<Quantities>,
    pub running: bool,
    /// Cases and the revisions that were measured.
    of: Vec<(CaseId, u64)>,
}

impl Workspace {
    /// The open cases, those of one patient by their dates.
    pub fn open_studies(&self) -> Vec<OpenStudy> {
        let active = self.active_document().map(|d| d.study.as_ref().map(|s| s.patient.as_str()));
        let of = |d: &Document| {
            let patient = d.study.as_ref().map(|s| s.patient.as_str());
            let peers = self.documents().iter().filter_map(|o| o.study.as_ref());
            let first = peers.filter(|s| Some(s.patient.as_str()) == patient).filter_map(|s| s.day).min();
            let day = d.study.as_ref().and_then(|s| s.day).zip(first).map(|(day, first)| (day - first) as f64);
            OpenStudy {
                case: d.case.id,
                name: d.case.name.clone(),
                day,
                same_patient: active == Some(patient),
                layers: d.case.layers.iter().map(|l| l.name.clone()).collect(),
            }
        };
        let mut all: Vec<OpenStudy> = self.documents().iter().map(of).collect();
        // Those without a date stay behind, as they were opened.
        all.sort_by(|a, b| a.day.unwrap_or(f64::INFINITY).total_cmp(&b.day.unwrap_or(f64::INFINITY)));
        all
    }

    /// Whether the masks are still those that were measured over time.
    pub fn over_time_is_current(&self) -> bool {
        let same = |(id, revision): &(CaseId, u64)| self.document(*id).is_some_and(|d| d.revision() == *revision);
        self.cohort.over_time.of.iter().all(same)
    }

    /// Measures the layer called `layer` in each study; `studies` are cases and their days.
    pub(super) fn measure_over_time(&mut self, layer: &str, studies: &[(CaseId, f64)], height_cm: Option<f64>) {
        if self.cohort.over_time.running {
            return;
        }
        self.commit_stroke();
        let mut studies: Vec<(CaseId, f64)> = studies.iter().filter(|(_, day)| day.is_finite()).copied().collect();
        studies.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut work = Vec::new();
        for (id, day) in studies {
            let Some(document) = self.document(id) else { continue };
            let Some(found) = document.case.layers.iter().find(|l| l.name == layer) else {
                let name = document.case.name.clone();
                self.notify(Notice::warning(format!("{name} has no layer called {layer}: it is left out.")));
                continue;
            };
            let case = format!("Study {}, {}", work.len() + 1, document.case.name);
            let material = (found.labels.clone(), found.segments.clone(), document.case.volume.clone());
            work.push(((id, document.revision()), case, day, material));
        }
        if work.len() < 2 {
            self.notify(Notice::warning("Two studies with this layer are needed for a time line."));
            return;
        }
        let (layer, of) = (layer.to_owned(), work.iter().map(|w| w.0).collect::<Vec<_>>());
        let options = QuantityOptions { height_cm, slice: None };
        self.cohort.over_time.running = true;
        let handle = jobs::spawn("Measuring the studies", self.waker.clone(), move |ctx: &JobContext<()>| {
            ctx.progress.set(0, work.len() as u64);
            let mut rows = Vec::new();
            for (_, case, day, (labels, segments, volume)) in work {
                if ctx.is_cancelled() {
                    return Err(Cancelled);
                }
                let values = quantities(&labels, &segments, volume.as_deref(), options);
                rows.push(Quantities { case, mask: layer.clone(), time: Some(day), values });
                ctx.progress.step();
            }
            Ok(rows)
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, rows| {
                let room = &mut w.cohort.over_time;
                room.running = false;
                if let Some(rows) = rows {
                    (room.rows, room.of) = (rows, of);
                }
            },
        ));
    }
}

/// The reason of a job that was told to stop; the task list tells the user.
#[derive(Debug, thiserror::Error)]
#[error("cancelled")]
struct Cancelled;

/// Days since 1970-01-01 of a DICOM date (Hinnant, "chrono-compatible low-level date algorithms", 2014).
fn day_number(date: &str) -> Option<i64> {
    let digits: String = date.chars().filter(char::is_ascii_digit).collect();
    if digits.len() != 8 {
        return None;
    }
    let part = |at: std::ops::Range<usize>| digits.get(at)?.parse::<i64>().ok();
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    if !((1..=12).contains(&month) && (1..=31).contains(&day)) {
        return None;
    }
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days() {
        assert_eq!(day_number("19700101"), Some(0));
        assert_eq!(day_number("20240229"), Some(19_782));
        assert_eq!(day_number("2027.01.01"), Some(20_819));
        assert_eq!(day_number("20240301").zip(day_number("20240228")).map(|(b, a)| b - a), Some(2));
        for wrong in ["", "2024", "20241301", "20240200", "today"] {
            assert_eq!(day_number(wrong), None, "{wrong}");
        }
    }
}
