//! Two judged sides on one cohort: tests, lines from one to the other, what improved and what regressed.

use crate::metrics::{Confusion, stats};
use crate::report::block::{Block, Table};
use crate::report::figures::{Better, Observation};
use crate::report::plot::{self, Comparison, SERIES, Scene};
use crate::report::summary::{confusion_of, patient_observations};
use crate::report::text::figure;
use crate::report::{PairedFigure, ReportInputs, pair_tables, paired};

pub(super) fn models(inputs: &ReportInputs, out: &mut Vec<Block>) {
    let tests = paired(inputs);
    if tests.is_empty() {
        return;
    }
    out.push(Block::Heading(2, "Paired by case".into()));
    let mut table = Table::new([
        "Structure",
        "Figure",
        "Second − first",
        "Mean difference",
        "95 % interval",
        "Better",
        "Worse",
        "Equal",
        "p",
    ]);
    table.words = vec![1, 2];
    for t in &tests {
        let digits = t.kind.digits();
        let interval = t.interval.map_or_else(
            || "–".into(),
            |[low, high]| format!("{} – {}", figure(Some(low), digits), figure(Some(high), digits)),
        );
        let mean = match t.infinite {
            0 => figure(t.mean_difference, digits),
            n => format!("{} ({n} infinite left out)", figure(t.mean_difference, digits)),
        };
        let p = t.test.map_or_else(|| "–".into(), |w| p_value(w.p) + if w.exact { "" } else { " (approx.)" });
        let [better, worse, equal] = [t.improved, t.regressed, t.equal].map(|n| n.to_string());
        let names = format!("{} − {}", t.second, t.first);
        table.push(vec![t.segment.clone(), t.kind.label(), names, mean, interval, better, worse, equal, p], false);
    }
    table.notes.push((
        "p".into(),
        "Wilcoxon signed-rank test, two-sided, of the paired differences: exact for few cases, else the normal \
         approximation with the correction for ties. Many tests are done here and none is corrected for it."
            .into(),
    ));
    out.push(Block::Table(table));
    let one_sided = one_sided(&tests);
    if !one_sided.is_empty() {
        out.push(Block::Alarm("Only one side has a figure, and so in no difference and no test".into(), one_sided));
    }
    let plots: Vec<Scene> =
        tests.iter().filter(|t| t.figure == "Dice" || t.figure == "HD95").filter_map(lines).collect();
    out.push(Block::Plots(plots));
    for t in tests.iter().filter(|t| t.figure == "Dice") {
        let mut table = Table::new(["Case", t.first.as_str(), t.second.as_str(), "Difference"]);
        let shown = t.cases.iter().filter(|c| c.gain > 0.0).take(5);
        let worse = t.cases.iter().rev().filter(|c| c.gain < 0.0).take(5);
        for c in shown.chain(worse) {
            let values = [c.first, c.second, c.difference].map(|v| figure(Some(v), 3));
            table.push(std::iter::once(c.case.clone()).chain(values).collect(), c.gain < 0.0);
        }
        if !table.rows.is_empty() {
            out.push(Block::Heading(3, format!("{}: most improved, then most regressed by Dice", t.segment)));
            out.push(Block::Table(table));
        }
    }
}

/// Each pair of sides and structure with the cases that are left out, and the figures that are concerned.
fn one_sided(tests: &[PairedFigure]) -> Vec<String> {
    let mut items: Vec<(String, Vec<&str>)> = Vec::new();
    for t in tests.iter().filter(|t| !t.one_sided.is_empty()) {
        let what = format!("{}, {} − {}: {}", t.segment, t.second, t.first, t.one_sided.join(", "));
        match items.iter_mut().find(|i| i.0 == what) {
            Some((_, figures)) => figures.push(&t.figure),
            None => items.push((what, vec![&t.figure])),
        }
    }
    items.into_iter().map(|(what, figures)| format!("{what} ({})", figures.join(", "))).collect()
}

fn p_value(p: f64) -> String {
    if p < 0.0001 { "< 0.0001".into() } else { format!("{p:.4}") }
}

fn lines(t: &PairedFigure) -> Option<Scene> {
    let pairs: Vec<Comparison> = t
        .cases
        .iter()
        .map(|c| Comparison { first: c.first, second: c.second, name: c.case.clone(), ink: SERIES[0] })
        .collect();
    let better = t.kind.better == Better::Larger;
    let axis = if t.unit.is_empty() { t.figure.as_str() } else { t.unit };
    plot::paired_lines(
        &format!("{}: {} of each case", t.segment, t.figure),
        axis,
        [&t.first, &t.second],
        &pairs,
        better,
    )
}

/// Dice of each patient (or case) under every side, as studies print it.
pub(super) fn per_patient(inputs: &ReportInputs, out: &mut Vec<Block>) {
    let sides: Vec<Vec<Observation>> = (0..inputs.sides()).map(|s| patient_observations(inputs, s).1).collect();
    let Some(first) = sides.first().filter(|f| !f.is_empty()) else { return };
    let mut head = vec!["Patient".to_owned(), "Structure".to_owned()];
    head.extend((0..inputs.sides()).map(|s| inputs.side_name(s)));
    let mut table = Table::new(head);
    table.words = vec![1];
    let mut sums = vec![Vec::new(); sides.len()];
    for row in first {
        let of = |side: &Vec<Observation>| {
            let found = side.iter().find(|o| o.name == row.name && o.segment == row.segment);
            found.and_then(|o| *o.values.first()?)
        };
        let dice: Vec<Option<f64>> = sides.iter().map(of).collect();
        sums.iter_mut().zip(&dice).for_each(|(all, value)| all.extend(*value));
        let cells = dice.iter().map(|d| figure(*d, 3));
        table.push([row.name.clone(), row.segment.clone()].into_iter().chain(cells).collect(), false);
    }
    let means = sums.iter().map(|all| figure(stats::mean(all), 3));
    table.push(["Mean".to_owned(), String::new()].into_iter().chain(means).collect(), false);
    out.push(Block::Heading(3, "Dice of each patient".into()));
    out.push(Block::Table(table));
}

/// Every mask with every other one, truth and judged.
pub(super) fn each(inputs: &ReportInputs, out: &mut Vec<Block>) {
    let tables = pair_tables(inputs);
    if tables.is_empty() {
        return;
    }
    out.push(Block::Heading(2, "Each with each".into()));
    for of in tables {
        let mut table = Table::new(std::iter::once(of.segment.clone()).chain(of.names.iter().cloned()));
        for (a, name) in of.names.iter().enumerate() {
            let cell = |b: usize| match of.cell(a, b) {
                Some(mean) if a < b => figure(mean.dice, 3),
                Some(mean) => figure(mean.hd95, 2),
                None => "–".into(),
            };
            table.push(std::iter::once(name.clone()).chain((0..of.names.len()).map(cell)).collect(), false);
        }
        table.notes.push((
            "Each with each".into(),
            "Dice above the diagonal, HD95 in mm below it, in the mean over the cases that have the structure in one of the \
             two masks; a miss counts as 0 and as infinite."
                .into(),
        ));
        out.push(Block::Table(table));
    }
}

/// How many voxels of each class are given that class, and what an empty mask would reach.
pub(super) fn per_class(inputs: &ReportInputs, out: &mut Vec<Block>) {
    let sides: Vec<(String, Confusion)> =
        (0..inputs.sides()).filter_map(|s| Some((inputs.side_name(s), confusion_of(inputs, s)?))).collect();
    let Some((_, first)) = sides.first() else { return };
    let mut table = Table::new(std::iter::once("Class".to_owned()).chain(sides.iter().map(|s| s.0.clone())));
    for (n, class) in first.classes.iter().enumerate() {
        let cells = sides.iter().map(|(_, c)| figure(c.recall(n), 4));
        table.push(std::iter::once(class.clone()).chain(cells).collect(), false);
    }
    let all = sides.iter().map(|(_, c)| figure(c.accuracy(), 4));
    table.push(std::iter::once("All voxels".to_owned()).chain(all).collect(), false);
    let empty = first.accuracy_of_nothing().unwrap_or(0.0);
    table.notes.push((
        "Accuracy".into(),
        format!(
            "Share of the voxels of a class in A that B gives the same class. Accuracy of all voxels misleads: a mask \
             without any structure would have {empty:.4}."
        ),
    ));
    out.push(Block::Heading(3, "Accuracy of each class".into()));
    out.push(Block::Table(table));
}
