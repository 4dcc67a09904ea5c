//! The figures of a row of any level, by one list, so that summaries, plots and tests of all levels name the same ones.

use crate::metrics::{Agreement, Figures, SegmentRow, SliceRow, SurfaceDistances};

/// Which values of a figure are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Larger,
    Smaller,
    /// The nearer to zero (a difference of volumes).
    NearZero,
}

/// Name, unit and sense of a figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FigureKind {
    pub name: String,
    /// `mm`, `px`, `%`, `ml`, or empty for a ratio.
    pub unit: &'static str,
    pub better: Better,
}

impl FigureKind {
    /// Decimals that say something.
    pub fn digits(&self) -> usize {
        match self.unit {
            "" => 3,
            "%" => 1,
            _ => 2,
        }
    }

    /// Name with unit.
    pub fn label(&self) -> String {
        if self.unit.is_empty() { self.name.clone() } else { format!("{} ({})", self.name, self.unit) }
    }

    /// Sorts from best to worst by this.
    pub fn badness(&self, value: f64) -> f64 {
        match self.better {
            Better::Larger => -value,
            Better::Smaller => value,
            Better::NearZero => value.abs(),
        }
    }
}

/// One row of any level.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// What it belongs to: a case, a slice of a case, a patient.
    pub name: String,
    pub segment: String,
    pub agreement: Agreement,
    /// In the order of the kinds.
    pub values: Vec<Option<f64>>,
}

fn kind(name: impl Into<String>, unit: &'static str, better: Better) -> FigureKind {
    FigureKind { name: name.into(), unit, better }
}

fn overlap_kinds() -> Vec<FigureKind> {
    let names = ["Dice", "IoU", "Sensitivity", "Precision", "Specificity", "Accuracy"];
    names.into_iter().map(|n| kind(n, "", Better::Larger)).collect()
}

fn overlap_values(f: &Figures) -> [Option<f64>; 6] {
    [f.dice, f.iou, f.sensitivity, f.precision, f.specificity, f.accuracy]
}

fn distance_values(d: Option<&SurfaceDistances>) -> [Option<f64>; 3] {
    [d.map(|d| d.hd), d.and_then(|d| d.hd95), d.map(|d| d.assd)]
}

/// Figures of whole structures; `tolerances` of the surface Dice in mm.
pub fn volume_kinds(tolerances: &[f64]) -> Vec<FigureKind> {
    let mut all = overlap_kinds();
    all.extend(["HD", "HD95", "ASSD"].map(|n| kind(n, "mm", Better::Smaller)));
    all.extend(tolerances.iter().map(|t| kind(format!("NSD {t} mm"), "", Better::Larger)));
    all.push(kind("B − A", "ml", Better::NearZero));
    all.push(kind("B − A", "%", Better::NearZero));
    all
}

/// The tolerances that any of the rows was measured at.
pub fn tolerances<'a>(rows: impl Iterator<Item = &'a SegmentRow>) -> Vec<f64> {
    let mut found: Vec<f64> =
        rows.filter_map(|r| r.distances.as_ref()).flat_map(|d| d.surface_dice.iter().map(|s| s.tolerance_mm)).collect();
    found.sort_by(f64::total_cmp);
    found.dedup();
    found
}

/// Values in the order of [`volume_kinds`].
pub fn volume_values(row: &SegmentRow, tolerances: &[f64]) -> Vec<Option<f64>> {
    let d = row.distances.as_ref();
    let nsd = |t: &f64| d?.surface_dice.iter().find(|s| s.tolerance_mm == *t).map(|s| s.value);
    let mut all = overlap_values(&row.figures).to_vec();
    all.extend(distance_values(d));
    all.extend(tolerances.iter().map(nsd));
    let there = row.agreement != Agreement::Neither;
    all.push(there.then_some(row.volume_difference_ml));
    all.push(row.volume_difference_percent);
    all
}

/// Figures of slices.
pub fn slice_kinds() -> Vec<FigureKind> {
    let mut all = overlap_kinds();
    all.extend(["HD", "HD95", "ASSD"].map(|n| kind(n, "mm", Better::Smaller)));
    all.extend(["HD", "HD95", "ASSD"].map(|n| kind(n, "px", Better::Smaller)));
    all
}

/// Values in the order of [`slice_kinds`].
pub fn slice_values(row: &SliceRow) -> Vec<Option<f64>> {
    let mut all = overlap_values(&row.figures).to_vec();
    all.extend(distance_values(row.distances_mm.as_ref()));
    all.extend(distance_values(row.distances_px.as_ref()));
    all
}
