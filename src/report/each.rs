//! Each mask of the cases against each other one: truth and judged masks, as tables with a row and a column for each.

use super::ReportInputs;
use crate::metrics::{Agreement, MetricReport, SegmentRow};

/// The fact that names the truth.
const REFERENCE: &str = "Reference";

/// Two judged masks of one case, compared.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskPair {
    pub case: String,
    /// Indices in [`ReportInputs::cases`] of the comparisons of both with the truth.
    pub comparisons: [usize; 2],
    pub metrics: MetricReport,
}

/// Where the figures of two masks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairPlace {
    /// Index in [`ReportInputs::cases`].
    Truth(usize),
    /// Index in [`ReportInputs::pairs`].
    Judged(usize),
}

/// How two masks agree in the mean over the cases. A miss is a Dice of 0 and an infinite distance.
#[derive(Debug, Clone, PartialEq)]
pub struct PairMean {
    pub cases: usize,
    pub misses: usize,
    pub dice: Option<f64>,
    pub hd95: Option<f64>,
    /// The case with the smallest Dice, and where it is.
    pub worst: (String, PairPlace),
}

/// One structure: a row and a column for each mask.
#[derive(Debug, Clone, PartialEq)]
pub struct PairTable {
    pub segment: String,
    /// The truth first.
    pub names: Vec<String>,
    /// By two indices of names, the lower one first.
    cells: Vec<([usize; 2], PairMean)>,
}

impl PairTable {
    /// Of two masks in any order; `None` where no case has the structure in either.
    pub fn cell(&self, a: usize, b: usize) -> Option<&PairMean> {
        let key = [a.min(b), a.max(b)];
        self.cells.iter().find(|(k, _)| *k == key).map(|(_, mean)| mean)
    }
}

/// A table for each structure; none where the judged masks were not compared with each other.
pub fn pair_tables(inputs: &ReportInputs) -> Vec<PairTable> {
    if inputs.pairs.is_empty() {
        return Vec::new();
    }
    let known = inputs.facts.iter().find(|(name, _)| name == REFERENCE);
    let truth = known.map_or_else(|| REFERENCE.to_owned(), |(_, value)| value.clone());
    let names: Vec<String> = std::iter::once(truth).chain((0..inputs.sides()).map(|s| inputs.side_name(s))).collect();
    let mut rows: Vec<([usize; 2], PairPlace, &str, &SegmentRow)> = Vec::new();
    for (n, case) in inputs.cases.iter().enumerate() {
        let of = |row| ([0, case.judged + 1], PairPlace::Truth(n), case.name.as_str(), row);
        rows.extend(case.metrics.rows.iter().map(of));
    }
    for (n, pair) in inputs.pairs.iter().enumerate() {
        let side = |at: usize| inputs.cases.get(at).map(|c| c.judged + 1);
        let [Some(a), Some(b)] = pair.comparisons.map(side) else { continue };
        let of = |row| ([a.min(b), a.max(b)], PairPlace::Judged(n), pair.case.as_str(), row);
        rows.extend(pair.metrics.rows.iter().map(of));
    }
    rows.retain(|(.., row)| row.agreement != Agreement::Neither);
    let mut tables: Vec<PairTable> = Vec::new();
    for (.., row) in &rows {
        if !tables.iter().any(|t| t.segment == row.name) {
            tables.push(PairTable { segment: row.name.clone(), names: names.clone(), cells: Vec::new() });
        }
    }
    for table in &mut tables {
        for a in 0..names.len() {
            for b in a + 1..names.len() {
                let of = rows.iter().filter(|(key, _, _, row)| *key == [a, b] && row.name == table.segment);
                table.cells.extend(mean(of.map(|(_, place, case, row)| (*place, *case, *row))).map(|m| ([a, b], m)));
            }
        }
    }
    tables
}

fn mean<'a>(rows: impl Iterator<Item = (PairPlace, &'a str, &'a SegmentRow)>) -> Option<PairMean> {
    let rows: Vec<_> = rows.collect();
    let over = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let dice = |row: &SegmentRow| row.figures.dice.unwrap_or(0.0);
    let worst = rows.iter().min_by(|x, y| dice(x.2).total_cmp(&dice(y.2)))?;
    Some(PairMean {
        cases: rows.len(),
        misses: rows.iter().filter(|(.., row)| row.agreement.is_miss()).count(),
        dice: over(rows.iter().map(|(.., row)| dice(row)).collect()),
        hd95: over(rows.iter().filter_map(|(.., row)| row.distances.as_ref()?.hd95).collect()),
        worst: (worst.1.to_owned(), worst.0),
    })
}
