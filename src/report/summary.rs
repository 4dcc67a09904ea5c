//! Mean, median and worst over the cases of a cohort, with misses counted and never dropped.

use super::CaseReport;
use crate::metrics::{Agreement, SegmentRow, number};
use serde::Serialize;

/// One figure over all cases in which it is defined.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureSummary {
    pub figure: &'static str,
    /// `mm`, or empty for a ratio.
    pub unit: &'static str,
    /// Cases with a value, infinite ones included.
    pub cases: usize,
    /// How many of those are infinite.
    pub infinite: usize,
    /// Over all of them; infinite as soon as one is.
    #[serde(with = "number")]
    pub mean: Option<f64>,
    /// Over the finite ones alone; to be shown only together with the number of infinite ones.
    #[serde(with = "number")]
    pub mean_of_finite: Option<f64>,
    /// Infinite ones rank last.
    #[serde(with = "number")]
    pub median: Option<f64>,
    #[serde(with = "number")]
    pub worst: Option<f64>,
    /// Name of the case with the worst value (the first of several).
    pub worst_case: Option<String>,
}

/// One structure over all cases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentSummary {
    pub name: String,
    /// Cases that list the structure.
    pub cases: usize,
    /// Cases where only one of the masks has it: counted as Dice 0 and infinite distance.
    pub misses: usize,
    /// Cases where neither mask has it: no figure.
    pub undefined: usize,
    pub figures: Vec<FigureSummary>,
}

struct Kind {
    figure: &'static str,
    unit: &'static str,
    larger_is_better: bool,
    value: fn(&SegmentRow) -> Option<f64>,
}

const KINDS: [Kind; 7] = [
    Kind { figure: "Dice", unit: "", larger_is_better: true, value: |r| r.figures.dice },
    Kind { figure: "IoU", unit: "", larger_is_better: true, value: |r| r.figures.iou },
    Kind { figure: "Sensitivity", unit: "", larger_is_better: true, value: |r| r.figures.sensitivity },
    Kind { figure: "Precision", unit: "", larger_is_better: true, value: |r| r.figures.precision },
    Kind { figure: "HD", unit: "mm", larger_is_better: false, value: |r| r.distances.as_ref().map(|d| d.hd) },
    Kind { figure: "HD95", unit: "mm", larger_is_better: false, value: |r| r.distances.as_ref().map(|d| d.hd95) },
    Kind { figure: "ASSD", unit: "mm", larger_is_better: false, value: |r| r.distances.as_ref().map(|d| d.assd) },
];

/// Summaries of every structure, in the order in which the cases first list them.
pub fn summarize(cases: &[CaseReport]) -> Vec<SegmentSummary> {
    let mut names: Vec<&str> = Vec::new();
    for row in cases.iter().flat_map(|c| &c.metrics.rows) {
        if !names.contains(&row.name.as_str()) {
            names.push(&row.name);
        }
    }
    names.into_iter().map(|name| segment(name, cases)).collect()
}

fn segment(name: &str, cases: &[CaseReport]) -> SegmentSummary {
    let rows: Vec<(&str, &SegmentRow)> = cases
        .iter()
        .flat_map(|c| c.metrics.rows.iter().filter(|r| r.name == name).map(|r| (c.name.as_str(), r)))
        .collect();
    let count = |p: fn(Agreement) -> bool| rows.iter().filter(|(_, r)| p(r.agreement)).count();
    SegmentSummary {
        name: name.to_owned(),
        cases: rows.len(),
        misses: count(Agreement::is_miss),
        undefined: count(|a| a == Agreement::Neither),
        figures: KINDS.iter().map(|kind| figure(kind, &rows)).collect(),
    }
}

fn figure(kind: &Kind, rows: &[(&str, &SegmentRow)]) -> FigureSummary {
    let mut values: Vec<(f64, &str)> =
        rows.iter().filter_map(|(case, row)| (kind.value)(row).map(|v| (v, *case))).collect();
    values.sort_by(|x, y| x.0.total_cmp(&y.0));
    let finite: Vec<f64> = values.iter().map(|v| v.0).filter(|v| v.is_finite()).collect();
    let mean = |v: &[f64]| (!v.is_empty()).then(|| v.iter().sum::<f64>() / v.len() as f64);
    let at = |n: usize| values.get(n).map(|v| v.0);
    let n = values.len();
    let median =
        if n % 2 == 1 { at(n / 2) } else { n.checked_sub(1).and_then(|_| Some((at(n / 2 - 1)? + at(n / 2)?) / 2.0)) };
    let worst = if kind.larger_is_better { values.first() } else { values.last() }.map(|v| v.0);
    FigureSummary {
        figure: kind.figure,
        unit: kind.unit,
        cases: n,
        infinite: n - finite.len(),
        mean: if finite.len() < n { Some(f64::INFINITY) } else { mean(&finite) },
        mean_of_finite: mean(&finite),
        median,
        worst,
        worst_case: values.iter().find(|v| Some(v.0) == worst).map(|v| v.1.to_owned()),
    }
}
