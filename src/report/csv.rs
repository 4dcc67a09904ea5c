//! Tables for spreadsheets and scripts (RFC 4180, comma, point, UTF-8). An empty field is undefined or not measured,
//! `inf` is infinite.

use super::figures::tolerances;
use super::text::{agreement_key, field};
use super::{CaseReport, ReportInputs};
use crate::metrics::{Figures, Overlap, Select, SurfaceDistances};

const OVERLAP: &str = "tp,fp,fn,tn,dice,iou,sensitivity,precision,specificity,accuracy";

/// One line for each case and structure.
pub fn segments_csv(inputs: &ReportInputs) -> String {
    let tolerances = tolerances(inputs.cases.iter().flat_map(|c| &c.metrics.rows));
    let mut out = format!(
        "case,patient,judged,segment,label_a,label_b,agreement,{OVERLAP},volume_a_ml,volume_b_ml,volume_difference_ml,\
         volume_difference_percent,hd_mm,hd95_mm,assd_mm,worst_i,worst_j,worst_k,nearest_i,nearest_j,nearest_k{}\r\n",
        tolerances.iter().map(|t| format!(",nsd_{t}_mm")).collect::<String>()
    );
    for case in &inputs.cases {
        for row in &case.metrics.rows {
            let mut line = head(inputs, case);
            line.extend([quote(&row.name), select(row.a), select(row.b)]);
            line.push(agreement_key(row.agreement).into());
            line.extend(overlap(&row.overlap, &row.figures));
            let difference = Some(row.volume_difference_ml);
            let volumes = [Some(row.volume_a_ml), Some(row.volume_b_ml), difference, row.volume_difference_percent];
            line.extend(volumes.map(field));
            line.extend(distances(row.distances.as_ref()));
            let worst = row.distances.as_ref().and_then(|d| d.worst);
            for point in [worst.map(|w| w.at), worst.map(|w| w.nearest)] {
                line.extend((0..3).map(|axis| point.map_or(String::new(), |p| p[axis].to_string())));
            }
            let nsd =
                |t: &f64| row.distances.as_ref()?.surface_dice.iter().find(|s| s.tolerance_mm == *t).map(|s| s.value);
            line.extend(tolerances.iter().map(|t| field(nsd(t))));
            push(&mut out, &line);
        }
    }
    out
}

/// One line for each case, structure and slice along k (counted from 0) in which either mask has the structure.
pub fn slices_csv(inputs: &ReportInputs) -> String {
    let mut out = format!(
        "case,patient,judged,segment,slice_k,agreement,{OVERLAP},area_a_mm2,area_b_mm2,hd_mm,hd95_mm,assd_mm,hd_px,hd95_px,assd_px\r\n"
    );
    for case in &inputs.cases {
        for row in &case.metrics.rows {
            for slice in &row.slices {
                let mut line = head(inputs, case);
                line.extend([quote(&row.name), slice.k.to_string()]);
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

/// Case, patient and what is judged.
fn head(inputs: &ReportInputs, case: &CaseReport) -> Vec<String> {
    let patient = case.patient.as_deref().unwrap_or("");
    vec![quote(&case.name), quote(patient), quote(&inputs.side_name(case.judged))]
}

/// One line for each case, two judged masks and structure.
pub fn pairs_csv(inputs: &ReportInputs) -> String {
    let mut out = format!(
        "case,first,second,segment,agreement,{OVERLAP},volume_first_ml,volume_second_ml,hd_mm,hd95_mm,assd_mm\r\n"
    );
    for pair in &inputs.pairs {
        for row in &pair.metrics.rows {
            let mut line =
                [&pair.case, &pair.metrics.name_a, &pair.metrics.name_b, &row.name].map(|t| quote(t)).to_vec();
            line.push(agreement_key(row.agreement).into());
            line.extend(overlap(&row.overlap, &row.figures));
            line.extend([row.volume_a_ml, row.volume_b_ml].map(|v| field(Some(v))));
            line.extend(distances(row.distances.as_ref()));
            push(&mut out, &line);
        }
    }
    out
}

/// One line for each quantity of each mask.
pub fn quantities_csv(inputs: &ReportInputs) -> String {
    let mut out = "case,mask,time,quantity,value,unit,definition\r\n".to_owned();
    for of in &inputs.quantities {
        for q in &of.values {
            let line = [&of.case, &of.mask].map(|t| quote(t)).into_iter();
            let rest = [field(of.time), quote(&q.name), field(q.value), quote(&q.unit), quote(&q.definition)];
            push(&mut out, &line.chain(rest).collect::<Vec<_>>());
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
    [d.map(|d| d.hd), d.and_then(|d| d.hd95), d.map(|d| d.assd)].map(field)
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
