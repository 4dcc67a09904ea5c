//! The page for people: one file with style, plots and pictures inside, light and fit for printing.

use super::chart::{Profile, svg};
use super::document::SOFTWARE;
use super::text::{agreement, escape, figure};
use super::{CaseReport, FigureSummary, Picture, ReportError, ReportInputs, base64, summarize};
use crate::metrics::{Agreement, DEFINITIONS, Definition, SegmentRow, SliceRow, SurfaceDistances};
use image::ImageEncoder;
use std::fmt::Write;

/// The page as text.
///
/// # Errors
/// [`ReportError`] when a picture's bytes do not match its size or cannot be encoded.
pub fn html(inputs: &ReportInputs) -> Result<String, ReportError> {
    let title = escape(&inputs.title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"{SOFTWARE}\">\n<title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<p class=\"quiet\">Written by {SOFTWARE}</p>\n<p class=\"statement\">{}</p>\n",
        include_str!("page.css"),
        inputs.statement()
    );
    if !inputs.facts.is_empty() {
        let item = |(name, value): &(String, String)| format!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
        let items: String = inputs.facts.iter().map(item).collect();
        out.push_str(&format!("<dl>{items}</dl>\n"));
    }
    out.push_str(&misses(inputs));
    if inputs.cases.len() > 1 {
        out.push_str(&cohort(inputs));
    }
    for case in &inputs.cases {
        out.push_str(&section(case)?);
    }
    let definitions = inputs.cases.first().map_or(DEFINITIONS.as_slice(), |c| c.metrics.definitions.as_slice());
    out.push_str(&definition_list(definitions));
    out.push_str("</body>\n</html>\n");
    Ok(out)
}

/// Every structure that only one mask has, by case.
fn misses(inputs: &ReportInputs) -> String {
    let item = |case: &CaseReport, row: &SegmentRow| {
        format!("<li>{}: {} ({})</li>", escape(&case.name), escape(&row.name), agreement(row.agreement))
    };
    let items: Vec<String> =
        inputs.cases.iter().flat_map(|case| case.metrics.misses().map(|row| item(case, row))).collect();
    match items.len() {
        0 => "<p>No structure was missed.</p>\n".into(),
        n => format!(
            "<div class=\"misses\"><strong>{n} {}</strong>, counted as Dice 0 and infinite distance:<ul>{}</ul></div>\n",
            if n == 1 { "miss" } else { "misses" },
            items.concat()
        ),
    }
}

fn cohort(inputs: &ReportInputs) -> String {
    let mut out = format!("<h2>All {} cases</h2>\n", inputs.cases.len());
    for segment in summarize(&inputs.cases) {
        let _ = write!(
            out,
            "<h3>{}</h3>\n<p class=\"quiet\">{} cases, {} missed, {} in neither mask</p>\n",
            escape(&segment.name),
            segment.cases,
            segment.misses,
            segment.undefined
        );
        let body: String = segment.figures.iter().filter(|f| f.cases > 0).map(summary_row).collect();
        if !body.is_empty() {
            out.push_str(&table(&["Figure", "Mean", "Median", "Worst", "Worst case", "Cases"], &body));
        }
    }
    out
}

fn summary_row(f: &FigureSummary) -> String {
    let digits = if f.unit.is_empty() { 3 } else { 2 };
    let unit = if f.unit.is_empty() { String::new() } else { format!(" ({})", f.unit) };
    let mean = match f.infinite {
        0 => figure(f.mean, digits),
        n => format!("∞ ({} over the {} finite)", figure(f.mean_of_finite, digits), f.cases - n),
    };
    format!(
        "<tr><td>{}{unit}</td><td>{mean}</td><td>{}</td><td>{}</td><td class=\"word\">{}</td><td>{}</td></tr>\n",
        f.figure,
        figure(f.median, digits),
        figure(f.worst, digits),
        escape(f.worst_case.as_deref().unwrap_or("")),
        f.cases
    )
}

fn section(case: &CaseReport) -> Result<String, ReportError> {
    let m = &case.metrics;
    let mut out = format!(
        "<h2>{}</h2>\n<p>A (reference): <strong>{}</strong>. B (judged): <strong>{}</strong>. <span class=\"quiet\">{} \
         voxels of {} mm.</span></p>\n",
        escape(&case.name),
        escape(&m.name_a),
        escape(&m.name_b),
        m.dims.map(|n| n.to_string()).join(" × "),
        m.spacing.map(|s| format!("{s:.3}")).join(" × ")
    );
    let head = ["Structure", "Dice", "IoU", "Sensitivity", "Precision", "Specificity", "Accuracy"];
    out.push_str(&table(&head, &m.rows.iter().map(overlap_row).collect::<String>()));
    let head = ["Structure", "HD (mm)", "HD95 (mm)", "ASSD (mm)", "A (ml)", "B (ml)", "B − A (%)"];
    out.push_str(&table(&head, &m.rows.iter().map(distance_row).collect::<String>()));
    for row in &m.rows {
        out.push_str(&profiles(row));
    }
    if !case.pictures.is_empty() {
        let figures: String = case.pictures.iter().map(picture).collect::<Result<_, _>>()?;
        out.push_str(&format!("<div class=\"pictures\">{figures}</div>\n"));
    }
    Ok(out)
}

fn overlap_row(row: &SegmentRow) -> String {
    let f = &row.figures;
    let ratios = [f.dice, f.iou, f.sensitivity, f.precision, f.specificity, f.accuracy];
    structure_row(row, &ratios.map(|v| figure(v, 3)))
}

fn distance_row(row: &SegmentRow) -> String {
    let d = row.distances.as_ref();
    let distance = |of: fn(&SurfaceDistances) -> f64| match d {
        None if row.agreement != Agreement::Neither => "not measured".into(),
        d => figure(d.map(of), 2),
    };
    let [a, b] = [row.volume_a_ml, row.volume_b_ml].map(|ml| format!("{ml:.2}"));
    let change = figure(row.volume_difference_percent, 1);
    structure_row(row, &[distance(|d| d.hd), distance(|d| d.hd95), distance(|d| d.assd), a, b, change])
}

fn structure_row(row: &SegmentRow, cells: &[String]) -> String {
    let miss = row.agreement.is_miss();
    let note = if miss { format!(" ({})", agreement(row.agreement)) } else { String::new() };
    let cells: String = cells.iter().map(|text| format!("<td>{text}</td>")).collect();
    let class = if miss { " class=\"miss\"" } else { "" };
    format!("<tr{class}><td>{}{note}</td>{cells}</tr>\n", escape(&row.name))
}

/// Dice and, when measured, Hausdorff distance along the slices, with the slices that are worst.
fn profiles(row: &SegmentRow) -> String {
    if row.slices.len() < 2 {
        return String::new();
    }
    let points = |value: fn(&SliceRow) -> Option<f64>| -> Vec<(usize, Option<f64>)> {
        row.slices.iter().map(|s| (s.k, value(s).filter(|v| v.is_finite() && !s.agreement.is_miss()))).collect()
    };
    let dice = Profile {
        title: &format!("{}: Dice in each slice", row.name),
        axis: "Dice",
        points: points(|s| s.figures.dice),
        top: Some(1.0),
        miss_at_top: false,
    };
    let mut out = svg(&dice);
    if row.slices.iter().any(|s| s.distances_mm.is_some()) {
        out.push_str(&svg(&Profile {
            title: &format!("{}: Hausdorff distance in each slice", row.name),
            axis: "mm",
            points: points(|s| s.distances_mm.as_ref().map(|d| d.hd)),
            top: None,
            miss_at_top: true,
        }));
    }
    let _ = writeln!(out, "<p class=\"quiet\">{}</p>", remarks(row));
    out
}

/// How many slices there are, in how many the structure is missed, and which are worst.
fn remarks(row: &SegmentRow) -> String {
    let mut out = format!("{} slices, counted from 0.", row.slices.len());
    let missed = row.slices.iter().filter(|s| s.agreement.is_miss()).count();
    if missed > 0 {
        let _ = write!(out, " In {missed} of them only one mask has {} (red crosses).", escape(&row.name));
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

fn picture(picture: &Picture) -> Result<String, ReportError> {
    let needed = picture.width as usize * picture.height as usize * 3;
    if picture.rgb.len() != needed {
        return Err(ReportError::PictureSize(picture.caption.clone(), picture.rgb.len(), needed));
    }
    let mut png = Vec::new();
    image::codecs::png::PngEncoder::new(&mut png)
        .write_image(&picture.rgb, picture.width, picture.height, image::ExtendedColorType::Rgb8)
        .map_err(|e| ReportError::PictureCoding(picture.caption.clone(), e))?;
    let caption = escape(&picture.caption);
    Ok(format!(
        "<figure><img alt=\"{caption}\" width=\"{}\" height=\"{}\" src=\"data:image/png;base64,{}\">\
         <figcaption>{caption}</figcaption></figure>",
        picture.width,
        picture.height,
        base64::encode(&png)
    ))
}

fn definition_list(definitions: &[Definition]) -> String {
    let item = |d: &Definition| format!("<dt>{}</dt><dd>{}</dd>\n", escape(&d.figure), escape(&d.text));
    format!("<h2>Definitions</h2>\n<dl>\n{}</dl>\n", definitions.iter().map(item).collect::<String>())
}

/// A table with, below it, the definitions of the figures in its head.
fn table(head: &[&str], body: &str) -> String {
    let defined = |h: &str| DEFINITIONS.iter().find(|d| h.split(' ').next() == Some(&*d.figure));
    let class = |h: &str| if h == "Worst case" { " class=\"word\"" } else { "" };
    let cells: String = head.iter().map(|h| format!("<th scope=\"col\"{}>{h}</th>", class(h))).collect();
    let notes: Vec<String> = head.iter().filter_map(|h| defined(h)).map(note).collect();
    let notes = if notes.is_empty() { String::new() } else { format!("<p class=\"notes\">{}</p>\n", notes.join(" ")) };
    format!(
        "<div class=\"wide\"><table>\n<thead><tr>{cells}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n{notes}"
    )
}

/// The first sentence of a definition; the whole of it stands at the end of the page.
fn note(definition: &Definition) -> String {
    let sentence = definition.text.split_once(". ").map_or(&*definition.text, |(first, _)| first);
    format!("<b>{}</b>: {}.", escape(&definition.figure), escape(sentence.trim_end_matches('.')))
}
