//! Many cases: summaries of every level, plots over all of them, the worst first.

use super::{distance, ink, notes};
use crate::metrics::{Agreement, SegmentRow};
use crate::report::block::{Block, Table};
use crate::report::figures::{FigureKind, Observation, slice_kinds};
use crate::report::plot::{self, BoxGroup, Comparison, Scene};
use crate::report::summary::{case_observations, confusion_of, segment_names, slice_observations, summarize};
use crate::report::text::figure;
use crate::report::{CaseReport, FigureSummary, ReportInputs, SegmentSummary};

pub(super) fn cohort(inputs: &ReportInputs, out: &mut Vec<Block>) {
    let cases = inputs.cases_of(0).count().max(inputs.cases.len() / inputs.sides());
    out.push(Block::Heading(
        2,
        if inputs.sides() == 1 { format!("All {cases} cases") } else { format!("All cases: {cases}") },
    ));
    let summaries = summarize(inputs);
    for side in &summaries {
        if inputs.sides() > 1 {
            out.push(Block::Heading(3, side.judged.clone()));
        }
        for (what, level) in [
            ("cases", &side.by_case),
            ("patients (mean over each one's cases)", &side.by_patient),
            ("slices", &side.by_slice),
        ] {
            for segment in level {
                out.extend(summary_table(inputs, segment, what));
            }
        }
    }
    let plots = cohort_plots(inputs);
    if !plots.is_empty() {
        out.push(Block::Plots(plots));
    }
    worst_first(inputs, out);
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
    let digits = f.kind.digits();
    let value = |v: Option<f64>| figure(v, digits);
    let mean = match f.infinite {
        0 => value(f.mean),
        n => format!("∞ ({} over the {} finite)", value(f.mean_of_finite), f.cases - n),
    };
    let range = |low: Option<f64>, high: Option<f64>| format!("{} – {}", value(low), value(high));
    vec![
        f.kind.label(),
        mean,
        f.interval.map_or_else(|| "–".into(), |[low, high]| range(Some(low), Some(high))),
        value(f.median),
        range(f.q1, f.q3),
        value(f.worst),
        f.worst_case.clone().unwrap_or_default(),
        f.cases.to_string(),
    ]
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

fn cohort_plots(inputs: &ReportInputs) -> Vec<Scene> {
    let unit_range = Some([0.0, 1.0]);
    let mut plots: Vec<Option<Scene>> = vec![
        plot::box_plot("Dice of each case", "Dice", &groups(inputs, "Dice", "", false), unit_range),
        plot::box_plot("Hausdorff distance of each case", "mm", &groups(inputs, "HD", "mm", false), None),
        plot::box_plot("HD95 of each case", "mm", &groups(inputs, "HD95", "mm", false), None),
    ];
    let slices = inputs.cases.iter().flat_map(|c| &c.metrics.rows).map(|r| r.slices.len()).sum::<usize>();
    if slices > 0 && slices <= 20_000 {
        plots.push(plot::box_plot("Dice of each slice", "Dice", &groups(inputs, "Dice", "", true), unit_range));
        let title = "Hausdorff distance of each slice, in pixels";
        plots.push(plot::box_plot(title, "px", &groups(inputs, "HD", "px", true), None));
    }
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
            plots.push(plot::bland_altman(&title, "ml", &volumes));
        }
    }
    let sizes: Vec<Comparison> = there()
        .filter_map(|(c, r)| {
            let second = r.figures.dice?;
            Some(Comparison { first: r.volume_a_ml, second, name: named(c, r), ink: ink(c.judged) })
        })
        .collect();
    plots.push(plot::scatter("Dice against object size", ["volume of A (ml)", "Dice"], &sizes, unit_range));
    for side in 0..inputs.sides() {
        if let Some(all) = confusion_of(inputs, side) {
            let title = match inputs.sides() {
                1 => "Classes of A as B has them".to_owned(),
                _ => format!("Classes of A as {} has them", inputs.side_name(side)),
            };
            plots.push(Some(plot::confusion(&title, &all)));
        }
    }
    plots.into_iter().flatten().collect()
}

/// The ten worst cases of each side by Dice, then distance.
fn worst_first(inputs: &ReportInputs, out: &mut Vec<Block>) {
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
    out.push(Block::Heading(3, "Worst first".into()));
    out.push(Block::Table(table));
}
