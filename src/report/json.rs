//! The report for programs.

use super::document::SOFTWARE;
use super::{ReportError, ReportInputs, SegmentSummary, summarize};
use crate::metrics::MetricReport;
use serde::Serialize;

#[derive(Serialize)]
struct Document<'a> {
    software: &'static str,
    title: &'a str,
    statement: &'static str,
    numbers: &'static str,
    facts: Vec<Fact<'a>>,
    summary: Vec<SegmentSummary>,
    cases: Vec<Case<'a>>,
}

#[derive(Serialize)]
struct Fact<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct Case<'a> {
    name: &'a str,
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
        summary: summarize(&inputs.cases),
        cases: inputs.cases.iter().map(|c| Case { name: &c.name, metrics: &c.metrics }).collect(),
    };
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}
