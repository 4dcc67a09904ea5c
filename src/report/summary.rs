//! Mean with its confidence interval, median, quartiles and worst over cases, slices and patients; misses are counted and
//! never dropped.

use super::ReportInputs;
use super::figures::{FigureKind, Observation, slice_kinds, slice_values, tolerances, volume_kinds, volume_values};
use crate::metrics::{Agreement, Confusion, number, stats};
use serde::Serialize;

/// One figure over all observations in which it is defined.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureSummary {
    pub figure: String,
    /// `mm`, `px`, `ml`, `%`, or empty for a ratio.
    pub unit: &'static str,
    /// Observations with a value, infinite ones included.
    pub cases: usize,
    /// How many of those are infinite.
    pub infinite: usize,
    /// Over all of them; infinite as soon as one is.
    #[serde(with = "number")]
    pub mean: Option<f64>,
    /// Bootstrap interval (95 %) of the mean of the finite ones.
    pub interval: Option<[f64; 2]>,
    /// Over the finite ones alone; to be shown only together with the number of infinite ones.
    #[serde(with = "number")]
    pub mean_of_finite: Option<f64>,
    /// Infinite ones rank last.
    #[serde(with = "number")]
    pub q1: Option<f64>,
    #[serde(with = "number")]
    pub median: Option<f64>,
    #[serde(with = "number")]
    pub q3: Option<f64>,
    #[serde(with = "number")]
    pub worst: Option<f64>,
    /// Name of the observation with the worst value (the first of several).
    pub worst_case: Option<String>,
    #[serde(skip)]
    pub kind: FigureKind,
}

/// One structure over all observations of a level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentSummary {
    pub name: String,
    /// Observations that list the structure.
    pub cases: usize,
    /// Where only one of the masks has it: counted as Dice 0 and infinite distance.
    pub misses: usize,
    /// Where neither mask has it: no figure.
    pub undefined: usize,
    pub figures: Vec<FigureSummary>,
}

/// Name of the summary over all structures together.
pub const OVERALL: &str = "All structures";

/// Everything about one judged side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SideSummary {
    pub judged: String,
    /// Each structure, then all of them together where there are several.
    pub by_case: Vec<SegmentSummary>,
    pub by_slice: Vec<SegmentSummary>,
    /// Empty where no case names a patient.
    pub by_patient: Vec<SegmentSummary>,
}

/// Summaries of every judged side.
pub fn summarize(inputs: &ReportInputs) -> Vec<SideSummary> {
    (0..inputs.sides())
        .map(|side| {
            let (kinds, cases) = case_observations(inputs, side);
            let by_patient = match inputs.cases_of(side).any(|c| c.patient.is_some()) {
                true => segments(&kinds, &patient_observations(inputs, side).1),
                false => Vec::new(),
            };
            SideSummary {
                judged: inputs.side_name(side),
                by_case: segments(&kinds, &cases),
                by_slice: segments(&slice_kinds(), &slice_observations(inputs, side)),
                by_patient,
            }
        })
        .collect()
}

/// Figures of each structure in each case of a side.
pub fn case_observations(inputs: &ReportInputs, side: usize) -> (Vec<FigureKind>, Vec<Observation>) {
    let at = tolerances(inputs.cases.iter().flat_map(|c| &c.metrics.rows));
    let rows = inputs.cases_of(side).flat_map(|c| c.metrics.rows.iter().map(move |r| (c, r)));
    let all = rows.map(|(case, row)| Observation {
        name: case.name.clone(),
        segment: row.name.clone(),
        agreement: row.agreement,
        values: volume_values(row, &at),
    });
    (volume_kinds(&at), all.collect())
}

/// Figures of each structure in each slice of a side.
pub fn slice_observations(inputs: &ReportInputs, side: usize) -> Vec<Observation> {
    let mut all = Vec::new();
    for case in inputs.cases_of(side) {
        for row in &case.metrics.rows {
            all.extend(row.slices.iter().map(|slice| Observation {
                name: format!("{}, slice {}", case.name, slice.k),
                segment: row.name.clone(),
                agreement: slice.agreement,
                values: slice_values(slice),
            }));
        }
    }
    all
}

/// Confusion summed over the cases of a side; `None` where they have none, or not the same classes.
pub fn confusion_of(inputs: &ReportInputs, side: usize) -> Option<Confusion> {
    let mut found = inputs.cases_of(side).filter_map(|c| c.metrics.confusion.as_ref());
    let mut sum = found.next()?.clone();
    for other in found {
        if !sum.add(other) {
            return None;
        }
    }
    Some(sum)
}

/// Means over the cases of each patient; a case without a patient is one by itself.
pub fn patient_observations(inputs: &ReportInputs, side: usize) -> (Vec<FigureKind>, Vec<Observation>) {
    let (kinds, cases) = case_observations(inputs, side);
    let patient_of = |name: &str| {
        let case = inputs.cases_of(side).find(|c| c.name == name);
        case.and_then(|c| c.patient.clone()).unwrap_or_else(|| name.to_owned())
    };
    let mut grouped: Vec<(Observation, Vec<Vec<f64>>)> = Vec::new();
    for case in cases {
        let patient = patient_of(&case.name);
        let found = grouped.iter().position(|(o, _)| o.name == patient && o.segment == case.segment);
        let n = found.unwrap_or_else(|| {
            let start =
                Observation { name: patient, agreement: Agreement::Neither, values: Vec::new(), ..case.clone() };
            grouped.push((start, vec![Vec::new(); kinds.len()]));
            grouped.len() - 1
        });
        let (observation, values) = &mut grouped[n];
        if observation.agreement == Agreement::Neither || case.agreement.is_miss() {
            observation.agreement = case.agreement;
        }
        values.iter_mut().zip(case.values).for_each(|(all, value)| all.extend(value));
    }
    let mean_of = |(observation, values): (Observation, Vec<Vec<f64>>)| Observation {
        values: values.iter().map(|v| stats::mean(v)).collect(),
        ..observation
    };
    (kinds, grouped.into_iter().map(mean_of).collect())
}

/// Names of the structures in the order in which the observations first list them.
pub fn segment_names(observations: &[Observation]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for o in observations {
        if !names.contains(&o.segment.as_str()) {
            names.push(&o.segment);
        }
    }
    names
}

fn segments(kinds: &[FigureKind], observations: &[Observation]) -> Vec<SegmentSummary> {
    let names = segment_names(observations);
    let mut all: Vec<SegmentSummary> = names
        .iter()
        .map(|name| segment(name, kinds, &observations.iter().filter(|o| o.segment == *name).collect::<Vec<_>>()))
        .collect();
    if names.len() > 1 {
        all.push(segment(OVERALL, kinds, &observations.iter().collect::<Vec<_>>()));
    }
    all
}

fn segment(name: &str, kinds: &[FigureKind], rows: &[&Observation]) -> SegmentSummary {
    let count = |p: fn(Agreement) -> bool| rows.iter().filter(|r| p(r.agreement)).count();
    SegmentSummary {
        name: name.to_owned(),
        cases: rows.len(),
        misses: count(Agreement::is_miss),
        undefined: count(|a| a == Agreement::Neither),
        figures: kinds.iter().enumerate().map(|(n, kind)| figure(kind, n, rows)).collect(),
    }
}

fn figure(kind: &FigureKind, n: usize, rows: &[&Observation]) -> FigureSummary {
    let mut values: Vec<(f64, &str)> =
        rows.iter().filter_map(|r| Some((*r.values.get(n)?.as_ref()?, r.name.as_str()))).collect();
    values.sort_by(|x, y| x.0.total_cmp(&y.0));
    let sorted: Vec<f64> = values.iter().map(|v| v.0).collect();
    let finite: Vec<f64> = sorted.iter().copied().filter(|v| v.is_finite()).collect();
    let worst = values.iter().max_by(|x, y| kind.badness(x.0).total_cmp(&kind.badness(y.0))).map(|v| v.0);
    let infinite = sorted.len() - finite.len();
    FigureSummary {
        figure: kind.name.clone(),
        unit: kind.unit,
        cases: sorted.len(),
        infinite,
        mean: if infinite > 0 { Some(f64::INFINITY) } else { stats::mean(&finite) },
        interval: stats::mean_interval(&finite),
        mean_of_finite: stats::mean(&finite),
        q1: stats::quantile(&sorted, 0.25),
        median: stats::quantile(&sorted, 0.5),
        q3: stats::quantile(&sorted, 0.75),
        worst,
        worst_case: values.iter().find(|v| Some(v.0) == worst).map(|v| v.1.to_owned()),
        kind: kind.clone(),
    }
}
