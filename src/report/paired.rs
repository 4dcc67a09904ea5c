//! Two judged sides on one cohort: what differs, whether it could be chance, which cases got better and which worse.

use super::ReportInputs;
use super::figures::{FigureKind, Observation};
use super::summary::{case_observations, segment_names};
use crate::metrics::{number, stats};
use serde::Serialize;

/// One case of both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairedCase {
    pub case: String,
    #[serde(with = "number::plain")]
    pub first: f64,
    #[serde(with = "number::plain")]
    pub second: f64,
    /// Second less first; 0 where both are infinite.
    #[serde(with = "number::plain")]
    pub difference: f64,
    /// How much better the second is; negative where it is worse.
    #[serde(with = "number::plain")]
    pub gain: f64,
}

/// One figure of one structure, side `first` against side `second`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairedFigure {
    pub segment: String,
    pub figure: String,
    pub unit: &'static str,
    pub first: String,
    pub second: String,
    /// Most improved first.
    pub cases: Vec<PairedCase>,
    pub improved: usize,
    pub regressed: usize,
    pub equal: usize,
    /// Cases in which only one of the sides has this figure: in no difference. The other found nothing where there is
    /// nothing, or could not be compared.
    pub one_sided: Vec<String>,
    /// Of the finite differences.
    #[serde(with = "number")]
    pub mean_difference: Option<f64>,
    pub interval: Option<[f64; 2]>,
    /// Differences that are infinite: one of the sides missed the structure.
    pub infinite: usize,
    /// `None` when nothing differs.
    pub test: Option<stats::Wilcoxon>,
    #[serde(skip)]
    pub kind: FigureKind,
}

/// Figures that are tested.
const TESTED: [&str; 4] = ["Dice", "HD", "HD95", "ASSD"];

/// Every pair of sides, structure and tested figure with at least two cases in which one of them has it.
pub fn paired(inputs: &ReportInputs) -> Vec<PairedFigure> {
    let mut all = Vec::new();
    for second in 1..inputs.sides() {
        for first in 0..second {
            all.extend(sides(inputs, first, second));
        }
    }
    all
}

fn sides(inputs: &ReportInputs, first: usize, second: usize) -> Vec<PairedFigure> {
    let (kinds, a) = case_observations(inputs, first);
    let (_, b) = case_observations(inputs, second);
    let mut all = Vec::new();
    let mut names = segment_names(&a);
    names.extend(segment_names(&b).into_iter().filter(|n| !a.iter().any(|o| o.segment == *n)));
    for segment in names {
        for (n, kind) in kinds.iter().enumerate().filter(|(_, k)| TESTED.contains(&k.name.as_str()) && k.unit != "%") {
            let value = |of: &[Observation], case: &str| {
                let found = of.iter().find(|o| o.name == case && o.segment == segment)?;
                *found.values.get(n)?
            };
            let (mut cases, mut one_sided) = (Vec::new(), Vec::new());
            for case in case_names(&a, &b, segment) {
                match (value(&a, case), value(&b, case)) {
                    (Some(x), Some(y)) => cases.push(pair(case, x, y, kind)),
                    (None, None) => {}
                    _ => one_sided.push(case.to_owned()),
                }
            }
            if cases.len() + one_sided.len() >= 2 {
                let names = [inputs.side_name(first), inputs.side_name(second)];
                all.push(PairedFigure { one_sided, ..figure(segment, kind, names, cases) });
            }
        }
    }
    all
}

/// Cases of either side that list the structure, in the order of the first.
fn case_names<'a>(a: &'a [Observation], b: &'a [Observation], segment: &str) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for o in a.iter().chain(b).filter(|o| o.segment == segment) {
        if !names.contains(&o.name.as_str()) {
            names.push(&o.name);
        }
    }
    names
}

fn pair(case: &str, first: f64, second: f64, kind: &FigureKind) -> PairedCase {
    let difference = if first == second { 0.0 } else { second - first };
    let gain = if first == second { 0.0 } else { kind.badness(first) - kind.badness(second) };
    PairedCase { case: case.to_owned(), first, second, difference, gain }
}

fn figure(segment: &str, kind: &FigureKind, names: [String; 2], mut cases: Vec<PairedCase>) -> PairedFigure {
    cases.sort_by(|x, y| y.gain.total_cmp(&x.gain));
    let differences: Vec<f64> = cases.iter().map(|c| c.difference).collect();
    let finite: Vec<f64> = differences.iter().copied().filter(|d| d.is_finite()).collect();
    let count = |p: fn(f64) -> bool| cases.iter().filter(|c| p(c.gain)).count();
    let [first, second] = names;
    PairedFigure {
        segment: segment.to_owned(),
        figure: kind.name.clone(),
        unit: kind.unit,
        first,
        second,
        improved: count(|g| g > 0.0),
        regressed: count(|g| g < 0.0),
        equal: count(|g| g == 0.0),
        one_sided: Vec::new(),
        mean_difference: stats::mean(&finite),
        interval: stats::mean_interval(&finite),
        infinite: differences.len() - finite.len(),
        test: stats::wilcoxon(&differences),
        cases,
        kind: kind.clone(),
    }
}
