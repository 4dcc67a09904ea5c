//! What may stand beside the comparison: contact sheets, learning curves, calibration, quantities of single masks and their time lines.

use super::ink;
use crate::report::block::{Block, Table};
use crate::report::plot::{self, Line};
use crate::report::text::figure;
use crate::report::{MaskLine, ReportInputs, time_lines};

pub(super) fn sheets(inputs: &ReportInputs, out: &mut Vec<Block>) {
    if !inputs.sheets.is_empty() {
        out.push(Block::Heading(2, "Contact sheets".into()));
        out.push(Block::Pictures(inputs.sheets.clone()));
    }
}

pub(super) fn curves(inputs: &ReportInputs, out: &mut Vec<Block>) {
    if inputs.curves.is_empty() {
        return;
    }
    let (mut losses, mut dice) = (Vec::new(), Vec::new());
    for (n, curve) in inputs.curves.iter().enumerate() {
        let line = |name: String, dashed: bool, points: Vec<[f64; 2]>| Line { name, ink: ink(n), dashed, points };
        let training = curve.epochs.iter().map(|e| [e.0, e.1]).collect();
        losses.push(line(format!("{}, training", curve.run), true, training));
        let validation: Vec<[f64; 2]> = curve.epochs.iter().filter_map(|e| Some([e.0, e.2?])).collect();
        if !validation.is_empty() {
            losses.push(line(format!("{}, validation", curve.run), false, validation));
        }
        dice.push(line(curve.run.clone(), false, curve.epochs.iter().filter_map(|e| Some([e.0, e.3?])).collect()));
    }
    out.push(Block::Heading(2, "Learning curves".into()));
    // The loss before anything is learned would press all the rest flat.
    let top = plot::settled_top(&losses);
    let title = if top.is_some() { "Loss (what the first epochs lie above is cut off)" } else { "Loss" };
    let plots = [
        plot::curves(title, ["epoch", "loss"], &losses, top.map(|top| [0.0, top])),
        plot::curves("Validation Dice", ["epoch", "Dice"], &dice, Some([0.0, 1.0])),
    ];
    out.push(Block::Plots(plots.into_iter().flatten().collect()));
}

pub(super) fn calibration(inputs: &ReportInputs, out: &mut Vec<Block>) {
    if inputs.calibrations.is_empty() {
        return;
    }
    out.push(Block::Heading(2, "Calibration of the probabilities".into()));
    let mut table = Table::new(["Judged", "Expected calibration error", "Brier score", "Probabilities"]);
    let perfect = Line { name: "perfect".into(), ink: ink(3), dashed: true, points: vec![[0.0, 0.0], [1.0, 1.0]] };
    let mut lines = vec![perfect];
    for (n, of) in inputs.calibrations.iter().enumerate() {
        let c = &of.calibration;
        let count = c.count().to_string();
        table.push(vec![of.judged.clone(), figure(c.expected_error(), 5), figure(c.brier(), 5), count], false);
        lines.push(Line { name: of.judged.clone(), ink: ink(n), dashed: false, points: c.points() });
    }
    table.notes = [
        ("Expected calibration error", "mean distance between probability and share of right voxels, in ten bins."),
        ("Brier score", "mean squared difference between probability and truth (0 or 1)."),
        ("Probabilities", "one for each voxel and class but the background."),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .to_vec();
    out.push(Block::Table(table));
    let names = ["probability", "share of voxels of the class"];
    out.push(Block::Plots(plot::curves("Reliability", names, &lines, Some([0.0, 1.0])).into_iter().collect()));
}

/// More masks than this are in the files for programs alone.
const MOST_MASKS: usize = 120;

/// The definition of a quantity. That of another mask can name another slice.
fn definition(inputs: &ReportInputs, name: &str, first: &str) -> String {
    let mut all = inputs.quantities.iter().flat_map(|q| &q.values).filter(|v| v.name == name);
    match all.all(|v| v.definition == first) {
        true => first.to_owned(),
        false => format!("{first} (Of the first mask; the slices of all are in the CSV and JSON files.)"),
    }
}

pub(super) fn quantities(inputs: &ReportInputs, out: &mut Vec<Block>) {
    if inputs.quantities.is_empty() {
        return;
    }
    out.push(Block::Heading(2, "Quantities".into()));
    let mut names: Vec<(&str, &str, &str)> = Vec::new();
    for q in inputs.quantities.iter().flat_map(|q| &q.values) {
        if !names.iter().any(|n| n.0 == q.name) {
            names.push((&q.name, &q.unit, &q.definition));
        }
    }
    // A wide table is cut into parts that a page holds.
    for part in names.chunks(6) {
        let unit = |n: &&(&str, &str, &str)| if n.1.is_empty() { n.0.to_owned() } else { format!("{} ({})", n.0, n.1) };
        let mut table =
            Table::new(["Case".to_owned(), "Mask".to_owned()].into_iter().chain(part.iter().map(|n| unit(&n))));
        table.words = vec![1];
        for of in inputs.quantities.iter().take(MOST_MASKS) {
            let value = |name: &str| of.values.iter().find(|v| v.name == name);
            if part.iter().any(|n| value(n.0).is_some()) {
                let cells = part.iter().map(|n| value(n.0).map_or_else(String::new, |v| figure(v.value, 1)));
                table.push([of.case.clone(), of.mask.clone()].into_iter().chain(cells).collect(), false);
            }
        }
        table.notes = part.iter().map(|n| (n.0.to_owned(), definition(inputs, n.0, n.2))).collect();
        out.push(Block::Table(table));
    }
    if inputs.quantities.len() > MOST_MASKS {
        let more = inputs.quantities.len() - MOST_MASKS;
        out.push(Block::Quiet(format!("The quantities of {more} more masks are in the CSV and JSON files.")));
    }
    time_lines_of(inputs, out);
}

/// Each quantity over time, where studies have one; a line for each mask, and what changed.
fn time_lines_of(inputs: &ReportInputs, out: &mut Vec<Block>) {
    let all = time_lines(&inputs.quantities);
    let mut table = Table::new(["Quantity", "Mask", "First", "Last", "Change (%)"]);
    table.words = vec![1];
    let mut plots = Vec::new();
    for of in &all {
        let line = |(n, l): (usize, &MaskLine)| Line {
            name: l.mask.clone(),
            ink: ink(n),
            dashed: false,
            points: l.points.clone(),
        };
        let lines: Vec<Line> = of.lines.iter().enumerate().map(line).collect();
        plots.extend(plot::curves(&of.name, ["days since the first study", &of.unit], &lines, None));
        for l in of.lines.iter().filter(|l| l.points.len() > 1) {
            let [first, last] = [l.points.first(), l.points.last()].map(|p| figure(p.map(|p| p[1]), 1));
            let name = if of.unit.is_empty() { of.name.clone() } else { format!("{} ({})", of.name, of.unit) };
            table.push(vec![name, l.mask.clone(), first, last, figure(l.change_percent(), 1)], false);
        }
    }
    if !plots.is_empty() {
        out.push(Block::Heading(3, "Over time".into()));
        out.push(Block::Table(table));
        out.push(Block::Plots(plots));
    }
}
