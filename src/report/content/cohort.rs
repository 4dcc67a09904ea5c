//! Many cases: the figures that matter on the whole, the worst first, and at the end every plot and every summary.

use super::{distance, ink, notes};
use crate::metrics::{Agreement, SegmentRow};
use crate::report::block::{Block, Table};
use crate::report::figures::{FigureKind, Observation, slice_kinds};
use crate::report::plot::{self, BoxGroup, Comparison, Scene};
use crate::report::summary::{case_observations, confusion_of, segment_names, slice_observations};
use crate::report::text::figure;
use crate::report::{CaseReport, FigureSummary, ReportInputs, SegmentSummary, SideSummary};

/// What most readers came for: each structure's Dice and distances under every side, and their box plots.
pub(super) fn overview(inputs: &ReportInputs, summaries: &[SideSummary], out: &mut Vec<Block>) {
    let cases = (0..inputs.sides()).map(|s| inputs.cases_of(s).count()).max().unwrap_or(0);
    out.push(Block::Heading(2, if cases == 1 { "One case".into() } else { format!("All {cases} cases") }));
    let figures = [("Dice", ""), ("HD", "mm"), ("HD95", "mm"), ("ASSD", "mm")];
    let head = ["Judged", "Structure", "Cases", "Missed", "Dice", "95 % interval", "HD (mm)", "HD95 (mm)", "ASSD (mm)"];
    let mut table = Table::new(head);
    table.words = vec![1];
    for side in summaries {
        for segment in &side.by_case {
            let of = |(name, unit): (&str, &str)| {
                segment.figures.iter().find(|f| f.figure == name && f.unit == unit && f.cases > 0)
            };
            let mut cells =
                vec![side.judged.clone(), segment.name.clone(), segment.cases.to_string(), segment.misses.to_string()];
            cells.extend(figures.map(|f| of(f).map_or_else(|| "–".into(), mean)));
            cells.insert(5, of(figures[0]).map_or_else(|| "–".into(), interval));
            table.push(cells, false);
        }
    }
    table.notes = notes(inputs, table.head.iter().map(String::as_str));
    out.push(Block::Quiet(match cases {
        1 => "Figures of the case.".into(),
        _ => "Means over the cases; every figure, also of patients and slices, stands behind.".into(),
    }));
    out.push(Block::Table(table));
    let boxes = boxes(inputs);
    if !boxes.is_empty() {
        out.push(Block::Plots(boxes));
    }
}

/// Every figure of every level.
pub(super) fn tables(inputs: &ReportInputs, summaries: &[SideSummary], out: &mut Vec<Block>) {
    out.push(Block::Heading(2, "Every figure".into()));
    for side in summaries {
        if inputs.sides() > 1 {
            out.push(Block::Heading(3, side.judged.clone()));
        }
        for (what, level) in [
            ("cases", &side.by_case),
            ("patients (mean over each one's cases)", &side.by_patient),
            ("slices", &side.by_slice),
        ] {
            // A mean of one is no mean: its figures stand with the case.
            for segment in level.iter().filter(|s| s.cases > 1) {
                out.extend(summary_table(inputs, segment, what));
            }
        }
    }
}

/// The figures of one structure; overlap of slices in short.
fn summary_table(inputs: &ReportInputs, segment: &SegmentSummary, what: &str) -> Vec<Block> {
    let mut table = Table::new(["Figure", "Mean", "95 % interval", "Median", "Quartiles", "Worst", "Where", "Count"]);
    table.words = vec![6];
    for f in segment.figures.iter().filter(|f| f.cases > 0) {
        table.push(summary_row(f), false);
    }
    if table.rows.is_empty() {
        return vec![Block::Quiet(format!("{}: in neither mask of {} {what}.", segment.name, segment.cases))];
    }
    table.notes = notes(inputs, table.rows.iter().map(|r| r.cells[0].as_str()));
    vec![
        Block::Heading(3, format!("{}, over {what}", segment.name)),
        Block::Quiet(format!(
            "{} {what}, {} missed, {} in neither mask",
            segment.cases, segment.misses, segment.undefined
        )),
        Block::Table(table),
    ]
}

fn summary_row(f: &FigureSummary) -> Vec<String> {
    let value = |v: Option<f64>| figure(v, f.kind.digits());
    vec![
        f.kind.label(),
        mean(f),
        interval(f),
        value(f.median),
        format!("{} – {}", value(f.q1), value(f.q3)),
        value(f.worst),
        f.worst_case.clone().unwrap_or_default(),
        f.cases.to_string(),
    ]
}

fn mean(f: &FigureSummary) -> String {
    let value = |v: Option<f64>| figure(v, f.kind.digits());
    match f.infinite {
        0 => value(f.mean),
        n => format!("∞ ({} over the {} finite)", value(f.mean_of_finite), f.cases - n),
    }
}

fn interval(f: &FigureSummary) -> String {
    let value = |v: f64| figure(Some(v), f.kind.digits());
    f.interval.map_or_else(|| "–".into(), |[low, high]| format!("{} – {}", value(low), value(high)))
}

/// Values of a figure of every structure and side, as groups for a box plot.
fn groups(inputs: &ReportInputs, name: &str, unit: &str, slices: bool) -> Vec<BoxGroup> {
    let sides: Vec<(Vec<FigureKind>, Vec<Observation>)> = (0..inputs.sides())
        .map(|side| match slices {
            true => (slice_kinds(), slice_observations(inputs, side)),
            false => case_observations(inputs, side),
        })
        .collect();
    let mut names: Vec<&str> = Vec::new();
    for name in sides.iter().flat_map(|(_, o)| segment_names(o)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut groups = Vec::new();
    for segment in &names {
        for (side, (kinds, observations)) in sides.iter().enumerate() {
            let Some(n) = kinds.iter().position(|k| k.name == name && k.unit == unit) else { continue };
            let label = match (names.len(), inputs.sides()) {
                (_, 1) => (*segment).to_owned(),
                (1, _) => inputs.side_name(side),
                _ => format!("{segment} {}", inputs.side_name(side)),
            };
            let of_segment = observations.iter().filter(|o| o.segment == *segment);
            let values = of_segment.filter_map(|o| Some(((*o.values.get(n)?)?, o.name.clone()))).collect();
            groups.push(BoxGroup { label, ink: ink(side), values });
        }
    }
    groups
}

/// Box plots of Dice and distances: of the cases where there are several, and of their slices.
fn boxes(inputs: &ReportInputs) -> Vec<Scene> {
    let dice = |title: &str, groups: &[BoxGroup]| {
        let range = plot::overlap_range(groups.iter().flat_map(|g| &g.values).map(|v| v.0));
        plot::box_plot(title, &plot::named_range("Dice", range), groups, Some(range))
    };
    let (cases, slices) =
        (|name, unit| groups(inputs, name, unit, false), |name, unit| groups(inputs, name, unit, true));
    let mut plots = Vec::new();
    if inputs.cases_of(0).count() > 1 {
        plots.push(dice("Dice of each case", &cases("Dice", "")));
        plots.push(plot::box_plot("Hausdorff distance of each case", "mm", &cases("HD", "mm"), None));
        plots.push(plot::box_plot("HD95 of each case", "mm", &cases("HD95", "mm"), None));
    }
    let count = inputs.cases.iter().flat_map(|c| &c.metrics.rows).map(|r| r.slices.len()).sum::<usize>();
    if count > 0 && count <= 20_000 {
        plots.push(dice("Dice of each slice", &slices("Dice", "")));
        let title = "Hausdorff distance of each slice, in pixels";
        plots.push(plot::box_plot(title, "px", &slices("HD", "px"), None));
    }
    plots.into_iter().flatten().collect()
}

/// What else can be seen over all cases: agreement of volumes, size, confusion.
pub(super) fn plots(inputs: &ReportInputs, out: &mut Vec<Block>) {
    let mut plots: Vec<Option<Scene>> = Vec::new();
    let rows = || inputs.cases.iter().flat_map(|c| c.metrics.rows.iter().map(move |r| (c, r)));
    let named = |case: &CaseReport, row: &SegmentRow| match inputs.sides() {
        1 => format!("{} {}", case.name, row.name),
        _ => format!("{} {} {}", case.name, row.name, inputs.side_name(case.judged)),
    };
    let there = || rows().filter(|(_, r)| r.agreement != Agreement::Neither);
    // Organs of different size, and readers with different bias, have no common limits.
    let mut structures: Vec<&str> = Vec::new();
    for (_, row) in there() {
        if !structures.contains(&row.name.as_str()) {
            structures.push(&row.name);
        }
    }
    for structure in structures {
        for side in 0..inputs.sides() {
            let volumes: Vec<Comparison> = there()
                .filter(|(c, r)| c.judged == side && r.name == structure)
                .map(|(c, r)| {
                    let (first, second) = (r.volume_a_ml, r.volume_b_ml);
                    Comparison { first, second, name: named(c, r), ink: ink(side) }
                })
                .collect();
            let title = match inputs.sides() {
                1 => format!("{structure}: volumes (Bland-Altman)"),
                _ => format!("{structure}: volumes of {} (Bland-Altman)", inputs.side_name(side)),
            };
            if volumes.len() > 1 {
                plots.push(plot::bland_altman(&title, "ml", &volumes));
            }
        }
    }
    let sizes: Vec<Comparison> = there()
        .filter_map(|(c, r)| {
            let second = r.figures.dice?;
            Some(Comparison { first: r.volume_a_ml, second, name: named(c, r), ink: ink(c.judged) })
        })
        .collect();
    if sizes.len() > 1 {
        let range = plot::overlap_range(sizes.iter().map(|p| p.second));
        let names = ["volume of A (ml)", &plot::named_range("Dice", range)];
        plots.push(plot::scatter("Dice against object size", names, &sizes, Some(range)));
    }
    for side in 0..inputs.sides() {
        if let Some(all) = confusion_of(inputs, side) {
            let title = match inputs.sides() {
                1 => "Classes of A as B has them".to_owned(),
                _ => format!("Classes of A as {} has them", inputs.side_name(side)),
            };
            plots.push(Some(plot::confusion(&title, &all)));
        }
    }
    let plots: Vec<Scene> = plots.into_iter().flatten().collect();
    if !plots.is_empty() {
        out.push(Block::Heading(2, "Volumes, size and classes".into()));
        out.push(Block::Plots(plots));
    }
}

/// The ten worst cases of each side by Dice, then distance.
pub(super) fn worst_first(inputs: &ReportInputs, out: &mut Vec<Block>) {
    let mut rows: Vec<(&CaseReport, &SegmentRow)> =
        inputs.cases.iter().flat_map(|c| c.metrics.rows.iter().map(move |r| (c, r))).collect();
    rows.retain(|(_, r)| r.agreement != Agreement::Neither);
    let dice = |r: &SegmentRow| r.figures.dice.unwrap_or(0.0);
    let hd = |r: &SegmentRow| r.distances.as_ref().map_or(0.0, |d| d.hd);
    rows.sort_by(|(_, x), (_, y)| dice(x).total_cmp(&dice(y)).then(hd(y).total_cmp(&hd(x))));
    let mut table = Table::new(["Case", "Judged", "Structure", "Dice", "HD (mm)", "HD95 (mm)", "B − A (%)"]);
    table.words = vec![1, 2];
    for (case, row) in rows.iter().take(10) {
        let d = row.distances.as_ref();
        table.push(
            vec![
                case.name.clone(),
                inputs.side_name(case.judged),
                row.name.clone(),
                figure(row.figures.dice, 3),
                distance(row, |d| Some(d.hd)),
                d.map_or_else(|| "not measured".into(), |d| figure(d.hd95, 2)),
                figure(row.volume_difference_percent, 1),
            ],
            row.agreement.is_miss(),
        );
    }
    out.push(Block::Heading(2, "Worst first".into()));
    out.push(Block::Table(table));
}
