//! Reports of the window: what goes into them besides the figures, and the files that they become.

use super::cohort::{common_facts, fingerprint};
use super::opening::file_label;
use super::task::JobTask;
use super::{Document, Notice, ReviewRoom, Workspace};
use crate::core::{LabelMap, LayerId, Segment, Volume};
use crate::io::atomic::{plain_reason, write_atomic_bytes};
use crate::jobs::{self, JobContext};
use crate::metrics::MetricReport;
use crate::metrics::quantities::{QuantityOptions, quantities};
use crate::report::{self, CaseReport, Quantities, ReportInputs};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Workspace {
    /// The comparison of two layers with the quantities of both, or what was measured in one layer.
    pub(super) fn export_report(&mut self, path: PathBuf) {
        let material = self.active_document().and_then(|d| Material::of(d, &self.review));
        let Some(material) = material else {
            self.notify(Notice::warning("Compare two layers or measure one first, then export the report."));
            return;
        };
        self.write_report(path, move || material.inputs());
    }

    /// Writes a report in the form that the ending of `path` names.
    pub(super) fn write_report(&mut self, path: PathBuf, inputs: impl FnOnce() -> ReportInputs + Send + 'static) {
        let handle = jobs::spawn("Writing the report", self.waker.clone(), move |_: &JobContext<()>| {
            let files = files(&path, &inputs())?;
            // What would be replaced without having been named is refused, unless it was written beside this one before.
            if let Some((beside, _)) = files.iter().skip(1).find(|(p, _)| p.exists() && !path.exists()) {
                let (name, beside) = (path.display(), file_label(beside));
                return Err(format!("{name} was not written: its part {beside} exists already. Choose another name."));
            }
            for (path, bytes) in &files {
                let failed = |e: &std::io::Error| format!("{} was not written: {}.", path.display(), plain_reason(e));
                write_atomic_bytes(path, bytes).map_err(|e| failed(&e))?;
            }
            Ok(files.into_iter().map(|(path, _)| file_label(&path)).collect::<Vec<_>>())
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            |w, names| {
                if let Some(names) = names {
                    w.notify(Notice::info(format!("Exported {}.", names.join(", "))));
                }
            },
        ));
    }
}

/// The files of a report, that of the chosen name first. A table of slices has those of structures and quantities beside it.
fn files(path: &Path, inputs: &ReportInputs) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let bytes = match ending.as_deref() {
        Some("html" | "htm") => report::html(inputs).map_err(|e| e.to_string())?.into_bytes(),
        Some("pdf") => report::pdf(inputs).map_err(|e| e.to_string())?,
        Some("json") => report::json(inputs).map_err(|e| e.to_string())?.into_bytes(),
        Some("csv") => return Ok(tables(path, inputs)),
        _ => {
            let name = path.display();
            return Err(format!("{name} was not written: end the name in .html, .pdf, .csv or .json."));
        }
    };
    Ok(vec![(path.to_owned(), bytes)])
}

fn tables(path: &Path, inputs: &ReportInputs) -> Vec<(PathBuf, Vec<u8>)> {
    let stem = path.file_stem().map_or_else(|| "report".into(), |s| s.to_string_lossy().into_owned());
    let beside = |what: &str| path.with_file_name(format!("{stem}-{what}.csv"));
    let measured = || report::quantities_csv(inputs).into_bytes();
    if inputs.cases.is_empty() && !inputs.quantities.is_empty() {
        return vec![(path.to_owned(), measured())];
    }
    let mut all = vec![
        (path.to_owned(), report::slices_csv(inputs).into_bytes()),
        (beside("segments"), report::segments_csv(inputs).into_bytes()),
    ];
    if !inputs.quantities.is_empty() {
        all.push((beside("quantities"), measured()));
    }
    if !inputs.pairs.is_empty() {
        all.push((beside("pairs"), report::pairs_csv(inputs).into_bytes()));
    }
    all
}

/// What a report of the active case is made of, taken before the job begins.
struct Material {
    case: String,
    report: Option<MetricReport>,
    /// Truth and judged layer as they were compared; empty when they changed since.
    layers: Vec<(String, LabelMap, Vec<Segment>)>,
    volume: Option<Arc<Volume>>,
    options: QuantityOptions,
    /// Measured by hand in another layer.
    measured: Option<Quantities>,
}

impl Material {
    /// `None` when nothing was compared or measured.
    fn of(document: &Document, review: &ReviewRoom) -> Option<Self> {
        let case = document.case.name.clone();
        let current = review.report.is_some() && review.revision == document.revision();
        let compared: Vec<LayerId> = review.layers.filter(|_| current).map_or(Vec::new(), |(_, a, b)| vec![a, b]);
        let found = compared.iter().filter_map(|id| document.case.layer(*id));
        let layers: Vec<_> = found.map(|l| (l.name.clone(), l.labels.clone(), l.segments.clone())).collect();
        let measured = review.quantities.as_ref().and_then(|(layer, revision, values)| {
            let fits = *revision == document.revision() && !compared.contains(layer);
            let mask = document.case.layer(*layer).filter(|_| fits)?.name.clone();
            Some(Quantities { case: case.clone(), mask, time: None, values: values.clone() })
        });
        if review.report.is_none() && measured.is_none() {
            return None;
        }
        let (volume, options) = (document.case.volume.clone(), review.measured_with);
        Some(Self { case, report: review.report.clone(), layers, volume, options, measured })
    }

    fn inputs(self) -> ReportInputs {
        let mut inputs = ReportInputs { title: "Review".into(), ..ReportInputs::default() };
        for (name, labels, segments) in &self.layers {
            let values = quantities(labels, segments, self.volume.as_deref(), self.options);
            inputs.quantities.push(Quantities { case: self.case.clone(), mask: name.clone(), time: None, values });
        }
        inputs.quantities.extend(self.measured);
        if let Some(report) = self.report {
            inputs.facts = vec![("Reference".into(), report.name_a.clone()), ("Judged".into(), report.name_b.clone())];
            let truth = self.layers.first().map(|(_, labels, _)| fingerprint([(self.case.as_str(), labels)]));
            if truth.is_none() {
                inputs.facts.push(("Masks".into(), "One was changed after this comparison.".into()));
            }
            inputs.facts.extend(common_facts(1, truth, report.convention));
            inputs.cases.push(CaseReport::new(self.case, report));
        }
        inputs
    }
}
