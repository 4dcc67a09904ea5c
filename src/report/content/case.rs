//! One case: its figures, profiles along the slices, pictures.

use super::{distance, ink, notes};
use crate::metrics::{SegmentRow, SliceRow, SurfaceDistances};
use crate::report::block::{Block, Table};
use crate::report::figures::tolerances;
use crate::report::plot::{self, Profile};
use crate::report::text::{agreement, figure};
use crate::report::{CaseReport, ReportInputs};
use std::fmt::Write;

pub(super) fn section(inputs: &ReportInputs, case: &CaseReport, out: &mut Vec<Block>) {
    let m = &case.metrics;
    let title = match inputs.sides() {
        1 => case.name.clone(),
        _ => format!("{}: {}", case.name, inputs.side_name(case.judged)),
    };
    out.push(Block::Heading(2, title));
    out.push(Block::Text(format!(
        "A (reference): {}. B (judged): {}. {} voxels of {} mm. Distances as {} defines them.",
        m.name_a,
        m.name_b,
        m.dims.map(|n| n.to_string()).join(" × "),
        m.spacing.map(|s| format!("{s:.3}")).join(" × "),
        m.convention,
    )));
    let mut overlap = Table::new(["Structure", "Dice", "IoU", "Sensitivity", "Precision", "Specificity", "Accuracy"]);
    let at = tolerances(m.rows.iter());
    let mut head: Vec<String> = ["Structure", "HD (mm)", "HD95 (mm)", "ASSD (mm)"].map(str::to_owned).to_vec();
    head.extend(at.iter().map(|t| format!("NSD {t} mm")));
    head.extend(["A (ml)", "B (ml)", "B − A (ml)", "B − A (%)"].map(str::to_owned));
    let mut distances = Table::new(head);
    for row in &m.rows {
        let f = &row.figures;
        let ratios = [f.dice, f.iou, f.sensitivity, f.precision, f.specificity, f.accuracy].map(|v| figure(v, 3));
        overlap.push(named(row, ratios.to_vec()), row.agreement.is_miss());
        let mut cells = vec![distance(row, |d| Some(d.hd)), distance(row, |d| d.hd95), distance(row, |d| Some(d.assd))];
        let nsd = |d: &SurfaceDistances, t: f64| d.surface_dice.iter().find(|s| s.tolerance_mm == t).map(|s| s.value);
        cells.extend(at.iter().map(|t| figure(row.distances.as_ref().and_then(|d| nsd(d, *t)), 3)));
        cells.extend([row.volume_a_ml, row.volume_b_ml, row.volume_difference_ml].map(|v| format!("{v:.2}")));
        cells.push(figure(row.volume_difference_percent, 1));
        distances.push(named(row, cells), row.agreement.is_miss());
    }
    for mut table in [overlap, distances] {
        table.notes = notes(inputs, table.head.iter().map(String::as_str));
        out.push(Block::Table(table));
    }
    for row in &m.rows {
        profiles(case, row, out);
    }
    if let Some(confusion) = m.confusion.as_ref().filter(|c| c.classes.len() > 2 && inputs.cases.len() == 1) {
        out.push(Block::Plots(vec![plot::confusion("Classes of A as B has them", confusion)]));
    }
    if !case.pictures.is_empty() {
        out.push(Block::Pictures(case.pictures.clone()));
    }
}

fn named(row: &SegmentRow, mut cells: Vec<String>) -> Vec<String> {
    let note = if row.agreement.is_miss() { format!(" ({})", agreement(row.agreement)) } else { String::new() };
    cells.insert(0, format!("{}{note}", row.name));
    cells
}

/// Dice and, when measured, Hausdorff distance along the slices, with the slices that are worst.
fn profiles(case: &CaseReport, row: &SegmentRow, out: &mut Vec<Block>) {
    if row.slices.len() < 2 {
        return;
    }
    let points = |value: fn(&SliceRow) -> Option<f64>| -> Vec<(usize, Option<f64>)> {
        row.slices.iter().map(|s| (s.k, value(s).filter(|v| v.is_finite() && !s.agreement.is_miss()))).collect()
    };
    let draw = |title: &str, axis, points, top, miss_at_top| {
        let title = format!("{}: {title}", row.name);
        plot::profile(&Profile { title: &title, axis, points, top, miss_at_top, ink: ink(case.judged) })
    };
    let mut plots = vec![draw("Dice in each slice", "Dice", points(|s| s.figures.dice), Some(1.0), false)];
    if row.slices.iter().any(|s| s.distances_mm.is_some()) {
        let hd = points(|s| s.distances_mm.as_ref().map(|d| d.hd));
        plots.push(draw("Hausdorff distance in each slice", "mm", hd, None, true));
    }
    out.push(Block::Plots(plots.into_iter().flatten().collect()));
    out.push(Block::Quiet(remarks(row)));
}

/// How many slices there are, in how many the structure is missed, and which are worst.
fn remarks(row: &SegmentRow) -> String {
    let mut out = format!("{} slices, counted from 0.", row.slices.len());
    let missed = row.slices.iter().filter(|s| s.agreement.is_miss()).count();
    if missed > 0 {
        let _ = write!(out, " In {missed} of them only one mask has {} (red crosses).", row.name);
    }
    let mut ranked: Vec<(f64, usize)> = row.slices.iter().filter_map(|s| Some((s.figures.dice?, s.k))).collect();
    ranked.retain(|(dice, _)| *dice < 1.0);
    ranked.sort_by(|x, y| x.0.total_cmp(&y.0));
    if !ranked.is_empty() {
        let worst: Vec<String> = ranked.iter().take(5).map(|(dice, k)| format!("{k} ({dice:.3})")).collect();
        let _ = write!(out, " Lowest Dice in slices {}.", worst.join(", "));
    }
    out
}
