//! The report for programs.

use super::document::SOFTWARE;
use super::{
    Calibrated, Curve, Failed, PairedFigure, Quantities, ReportError, ReportInputs, SideSummary, Unmatched, paired,
    summarize,
};
use crate::metrics::stats::CalibrationBin;
use crate::metrics::{MetricReport, number};
use serde::Serialize;

#[derive(Serialize)]
struct Document<'a> {
    software: &'static str,
    title: &'a str,
    statement: &'static str,
    numbers: &'static str,
    facts: Vec<Fact<'a>>,
    summary: Vec<SideSummary>,
    paired: Vec<PairedFigure>,
    unmatched: &'a [Unmatched],
    failed: &'a [Failed],
    outside_test_part: usize,
    quantities: &'a [Quantities],
    learning_curves: Vec<Run<'a>>,
    calibration: Vec<CalibrationOf<'a>>,
    judged_with_each_other: Vec<PairOf<'a>>,
    cases: Vec<Case<'a>>,
}

#[derive(Serialize)]
struct Run<'a> {
    run: &'a str,
    epochs: Vec<Epoch>,
}

#[derive(Serialize)]
struct CalibrationOf<'a> {
    judged: &'a str,
    #[serde(with = "number")]
    expected_calibration_error: Option<f64>,
    #[serde(with = "number")]
    brier: Option<f64>,
    bins: &'a [CalibrationBin],
}

impl<'a> CalibrationOf<'a> {
    fn of(of: &'a Calibrated) -> Self {
        Self {
            judged: &of.judged,
            expected_calibration_error: of.calibration.expected_error(),
            brier: of.calibration.brier(),
            bins: &of.calibration.bins,
        }
    }
}

#[derive(Serialize)]
struct Epoch {
    epoch: f64,
    #[serde(with = "number::plain")]
    training_loss: f64,
    #[serde(with = "number")]
    validation_loss: Option<f64>,
    #[serde(with = "number")]
    validation_dice: Option<f64>,
}

impl<'a> Run<'a> {
    fn of(curve: &'a Curve) -> Self {
        let epoch = |e: &(f64, f64, Option<f64>, Option<f64>)| Epoch {
            epoch: e.0,
            training_loss: e.1,
            validation_loss: e.2,
            validation_dice: e.3,
        };
        Self { run: &curve.run, epochs: curve.epochs.iter().map(epoch).collect() }
    }
}

#[derive(Serialize)]
struct PairOf<'a> {
    case: &'a str,
    metrics: &'a MetricReport,
}

#[derive(Serialize)]
struct Fact<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct Case<'a> {
    name: &'a str,
    patient: Option<&'a str>,
    judged: String,
    metrics: &'a MetricReport,
}

/// One JSON document with every figure, the definitions, and the summary over the cases; pictures are left out.
///
/// # Errors
/// [`ReportError::Json`].
pub fn json(inputs: &ReportInputs) -> Result<String, ReportError> {
    let document = Document {
        software: SOFTWARE,
        title: &inputs.title,
        statement: inputs.statement(),
        numbers: "null: undefined or not measured; \"inf\": infinite (a miss)",
        facts: inputs.facts.iter().map(|(name, value)| Fact { name, value }).collect(),
        summary: summarize(inputs),
        paired: paired(inputs),
        unmatched: &inputs.unmatched,
        failed: &inputs.failed,
        outside_test_part: inputs.outside,
        quantities: &inputs.quantities,
        learning_curves: inputs.curves.iter().map(Run::of).collect(),
        calibration: inputs.calibrations.iter().map(CalibrationOf::of).collect(),
        judged_with_each_other: inputs.pairs.iter().map(|p| PairOf { case: &p.case, metrics: &p.metrics }).collect(),
        cases: inputs
            .cases
            .iter()
            .map(|c| Case {
                name: &c.name,
                patient: c.patient.as_deref(),
                judged: inputs.side_name(c.judged),
                metrics: &c.metrics,
            })
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}
