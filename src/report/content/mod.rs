//! From the inputs to the parts of a report, in the order in which a reader asks: what was compared, what went wrong, how
//! good it is on the whole, where models differ, where to look, every figure, each case, the definitions.

mod case;
mod cohort;
mod extra;
mod models;

use super::block::Block;
use super::plot::{Ink, SERIES};
use super::summary::summarize;
use super::text::{agreement, figure};
use super::{CaseReport, ReportInputs};
use crate::metrics::{Agreement, Convention, Definition, SegmentRow, SurfaceDistances};

/// More cases than this are listed in tables alone: a page of a thousand profiles helps nobody.
const MOST_SECTIONS: usize = 40;

pub(super) fn blocks(inputs: &ReportInputs) -> Vec<Block> {
    let mut out = vec![
        Block::Heading(1, inputs.title.clone()),
        Block::Quiet(format!("Written by {}", super::document::SOFTWARE)),
        Block::Statement(inputs.statement().into()),
    ];
    if !inputs.facts.is_empty() {
        out.push(Block::Facts(inputs.facts.clone()));
    }
    if !inputs.cases.is_empty() {
        out.push(misses(inputs));
    }
    if !inputs.unmatched.is_empty() {
        let items = inputs.unmatched.iter().map(|u| format!("{}: not in {}", u.case, u.lacking)).collect();
        out.push(Block::Alarm("Without a partner, and so in no figure".into(), items));
    }
    if inputs.outside > 0 {
        out.push(Block::Text(super::text::outside(inputs.outside)));
    }
    if !inputs.failed.is_empty() {
        let items = inputs.failed.iter().map(|f| format!("{}, {}: {}", f.case, f.judged, f.reason)).collect();
        out.push(Block::Alarm("Could not be compared, and so in no figure".into(), items));
    }
    let several = inputs.cases.len() > 1;
    let summaries = if several { summarize(inputs) } else { Vec::new() };
    if several {
        cohort::overview(inputs, &summaries, &mut out);
    }
    if inputs.sides() > 1 {
        models::per_patient(inputs, &mut out);
    }
    if several {
        models::per_class(inputs, &mut out);
    }
    if inputs.sides() > 1 {
        models::models(inputs, &mut out);
        models::each(inputs, &mut out);
    }
    if several {
        cohort::worst_first(inputs, &mut out);
    }
    extra::sheets(inputs, &mut out);
    extra::curves(inputs, &mut out);
    extra::calibration(inputs, &mut out);
    extra::quantities(inputs, &mut out);
    if several {
        cohort::plots(inputs, &mut out);
        cohort::tables(inputs, &summaries, &mut out);
    }
    for case in inputs.cases.iter().take(MOST_SECTIONS) {
        case::section(inputs, case, &mut out);
    }
    if inputs.cases.len() > MOST_SECTIONS {
        out.push(Block::Quiet(format!(
            "The other {} comparisons are in the tables above and in the CSV and JSON files.",
            inputs.cases.len() - MOST_SECTIONS
        )));
    }
    if !inputs.cases.is_empty() {
        out.push(Block::Heading(2, "Definitions".into()));
        out.push(Block::Facts(definitions(inputs).into_iter().map(|d| (d.figure.into(), d.text.into())).collect()));
    }
    out
}

fn definitions(inputs: &ReportInputs) -> Vec<Definition> {
    inputs.cases.first().map_or_else(|| Convention::Standard.definitions(), |c| c.metrics.definitions.clone())
}

/// Every structure that only one mask has, by case.
fn misses(inputs: &ReportInputs) -> Block {
    let side = |case: &CaseReport| match inputs.sides() {
        1 => String::new(),
        _ => format!(", {}", inputs.side_name(case.judged)),
    };
    let item = |case: &CaseReport, row: &SegmentRow| {
        format!("{}{}: {} ({})", case.name, side(case), row.name, agreement(row.agreement))
    };
    let items: Vec<String> =
        inputs.cases.iter().flat_map(|case| case.metrics.misses().map(move |row| item(case, row))).collect();
    match items.len() {
        0 => Block::Text("No structure was missed.".into()),
        n => {
            let word = if n == 1 { "miss" } else { "misses" };
            Block::Alarm(format!("{n} {word}, counted as Dice 0 and infinite distance"), items)
        }
    }
}

/// Definitions of the figures that `names` begin with, first sentences only; the whole stands at the end.
fn notes<'a>(inputs: &ReportInputs, names: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let all = definitions(inputs);
    let mut found: Vec<(String, String)> = Vec::new();
    for name in names {
        let known = all.iter().find(|d| name == d.figure || name.starts_with(&format!("{} ", d.figure)));
        if let Some(d) = known.filter(|d| found.iter().all(|f| f.0 != d.figure)) {
            let sentence = d.text.split_once(". ").map_or(&*d.text, |(first, _)| first);
            found.push((d.figure.to_string(), format!("{}.", sentence.trim_end_matches('.'))));
        }
    }
    found
}

fn ink(side: usize) -> Ink {
    SERIES[side % SERIES.len()]
}

fn distance(row: &SegmentRow, of: impl Fn(&SurfaceDistances) -> Option<f64>) -> String {
    match &row.distances {
        None if row.agreement != Agreement::Neither => "not measured".into(),
        d => figure(d.as_ref().and_then(of), 2),
    }
}
