//! Two judged sides on one cohort: tests, lines from one to the other, what improved and what regressed.

use crate::report::block::{Block, Table};
use crate::report::figures::Better;
use crate::report::plot::{self, Comparison, SERIES, Scene};
use crate::report::text::figure;
use crate::report::{PairedFigure, ReportInputs, paired};

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
