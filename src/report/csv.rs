//! Tables for spreadsheets and scripts (RFC 4180, comma, point, UTF-8). An empty field is undefined or not measured,
//! `inf` is infinite.

use super::ReportInputs;
use super::text::{agreement_key, field};
use crate::metrics::{Figures, Overlap, Select, SurfaceDistances};

const OVERLAP: &str = "tp,fp,fn,tn,dice,iou,sensitivity,precision,specificity,accuracy";

/// One line for each case and structure.
pub fn segments_csv(inputs: &ReportInputs) -> String {
    let mut out = format!(
        "case,segment,label_a,label_b,agreement,{OVERLAP},volume_a_ml,volume_b_ml,volume_difference_percent,hd_mm,\
         hd95_mm,assd_mm,worst_i,worst_j,worst_k\r\n"
    );
    for case in &inputs.cases {
        for row in &case.metrics.rows {
            let mut line = vec![quote(&case.name), quote(&row.name), select(row.a), select(row.b)];
            line.push(agreement_key(row.agreement).into());
            line.extend(overlap(&row.overlap, &row.figures));
            line.extend([Some(row.volume_a_ml), Some(row.volume_b_ml), row.volume_difference_percent].map(field));
            line.extend(distances(row.distances.as_ref()));
            let worst = row.distances.as_ref().and_then(|d| d.worst).map(|w| w.at);
            line.extend((0..3).map(|axis| worst.map_or(String::new(), |w| w[axis].to_string())));
            push(&mut out, &line);
        }
    }
    out
}

/// One line for each case, structure and slice along k (counted from 0) in which either mask has the structure.
pub fn slices_csv(inputs: &ReportInputs) -> String {
    let mut out = format!(
        "case,segment,slice_k,agreement,{OVERLAP},area_a_mm2,area_b_mm2,hd_mm,hd95_mm,assd_mm,hd_px,hd95_px,assd_px\r\n"
    );
    for case in &inputs.cases {
        for row in &case.metrics.rows {
            for slice in &row.slices {
                let mut line = vec![quote(&case.name), quote(&row.name), slice.k.to_string()];
                line.push(agreement_key(slice.agreement).into());
                line.extend(overlap(&slice.overlap, &slice.figures));
                line.extend([Some(slice.area_a_mm2), Some(slice.area_b_mm2)].map(field));
                line.extend(distances(slice.distances_mm.as_ref()));
                line.extend(distances(slice.distances_px.as_ref()));
                push(&mut out, &line);
            }
        }
    }
    out
}

fn push(out: &mut String, line: &[String]) {
    out.push_str(&line.join(","));
    out.push_str("\r\n");
}

fn overlap(counts: &Overlap, f: &Figures) -> impl Iterator<Item = String> {
    let counts = [counts.tp, counts.fp, counts.fn_, counts.tn].map(|n| n.to_string());
    let figures = [f.dice, f.iou, f.sensitivity, f.precision, f.specificity, f.accuracy].map(field);
    counts.into_iter().chain(figures)
}

fn distances(d: Option<&SurfaceDistances>) -> [String; 3] {
    [d.map(|d| d.hd), d.map(|d| d.hd95), d.map(|d| d.assd)].map(field)
}

fn select(select: Select) -> String {
    match select {
        Select::Label(label) => label.to_string(),
        Select::Foreground => "any".into(),
        Select::Nothing => "none".into(),
    }
}

fn quote(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
