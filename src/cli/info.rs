//! `maskwright info`: what lies under a path, and every problem found.

use super::CliError;
use super::run::{foreground, print, print_json};
use crate::core::Geometry;
use crate::io::{self, Finding, Scan, Series, Severity};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct InfoArgs {
    /// Folder or file.
    path: PathBuf,
    /// One JSON document on stdout.
    #[arg(long)]
    json: bool,
    /// Also show patient names, identifiers and study dates.
    #[arg(long)]
    identity: bool,
}

pub(super) fn run(args: &InfoArgs) -> Result<(), CliError> {
    let path = args.path.clone();
    let scan = foreground("Scanning", |(), _| {}, move |ctx| io::scan(&path, ctx))?;
    if let Some(sentence) = refusal(&scan) {
        return Err(CliError(sentence));
    }
    if args.json {
        print_json(&as_json(&scan, args.identity))
    } else {
        print(as_text(&scan, args.identity).trim_end());
        Ok(())
    }
}

/// Why a single file gives nothing, when an error is all there is to say about it.
fn refusal(scan: &Scan) -> Option<String> {
    let useful =
        !scan.masks.is_empty() || scan.series().any(|s| s.can_open() || s.can_lay_over() || !s.masks.is_empty());
    if useful || !scan.root.is_file() {
        return None;
    }
    let mut findings = scan.findings.iter().chain(scan.series().flat_map(|s| &s.findings));
    let error = findings.find(|f| f.severity == Severity::Error)?;
    let name = scan.root.display().to_string();
    // The sentence about a slice holds the name as well, but does not say that nothing opens.
    Some(if error.text.starts_with(&name) {
        error.text.clone()
    } else {
        format!("{name} cannot be opened: {}", error.text)
    })
}

fn as_text(scan: &Scan, identity: bool) -> String {
    let mut t = String::new();
    for patient in &scan.patients {
        t.push_str(&patient.label);
        if identity {
            let _ = write!(t, " ({}, {})", patient.id, patient.name);
        }
        t.push('\n');
        for study in &patient.studies {
            let _ = write!(t, "  {}", study.label);
            if identity && !study.date.is_empty() {
                let _ = write!(t, ", {}", study.date);
            }
            t.push('\n');
            for series in &study.series {
                series_text(&mut t, series);
            }
        }
    }
    for mask in &scan.masks {
        let _ = writeln!(t, "mask without its image: {}", mask.name);
    }
    for finding in &scan.findings {
        finding_text(&mut t, "", "", finding);
    }
    t
}

fn series_text(t: &mut String, series: &Series) {
    let _ = write!(t, "    {} {}: {} slices", series.modality, series.label, series.slices);
    // The label is what `--series` takes.
    let shown = series.shown_label();
    if shown != series.label {
        let _ = write!(t, ", in the archive {shown}");
    }
    if let Some(g) = &series.geometry {
        let (d, s) = (g.dims(), g.spacing());
        let _ = write!(t, ", {} x {} x {} voxels of {:.3} x {:.3} x {:.3} mm", d[0], d[1], d[2], s.x, s.y, s.z);
    }
    t.push_str(match (series.can_open(), series.can_open_somehow()) {
        _ if series.can_lay_over() => ", opens to be laid over a CT only\n",
        (true, _) => "\n",
        (false, true) => ", opens resampled only\n",
        (false, false) => ", cannot be opened as CT\n",
    });
    for mask in &series.masks {
        let _ = writeln!(t, "      mask: {}", mask.name);
    }
    for finding in &series.findings {
        finding_text(t, "      ", &series.label, finding);
    }
}

fn finding_text(t: &mut String, indent: &str, title: &str, finding: &Finding) {
    let _ = writeln!(t, "{indent}{}: {}", severity(finding), finding.told(title));
}

fn severity(finding: &Finding) -> &'static str {
    match finding.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn as_json(scan: &Scan, identity: bool) -> Value {
    let patients: Vec<Value> = scan
        .patients
        .iter()
        .map(|p| {
            let studies: Vec<Value> = p
                .studies
                .iter()
                .map(|s| {
                    let mut v = json!({
                        "label": s.label,
                        "series": s.series.iter().map(series_json).collect::<Vec<_>>(),
                    });
                    if identity {
                        v["date"] = json!(s.date);
                    }
                    v
                })
                .collect();
            let mut v = json!({ "label": p.label, "studies": studies });
            if identity {
                v["id"] = json!(p.id);
                v["name"] = json!(p.name);
            }
            v
        })
        .collect();
    json!({
        "root": scan.root,
        "patients": patients,
        "masks": scan.masks.iter().map(|m| json!({ "name": m.name })).collect::<Vec<_>>(),
        "findings": scan.findings.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

fn series_json(series: &Series) -> Value {
    let geometry = series.geometry.as_ref().map(geometry_json);
    let resampled = series.resampled.as_ref().map(|stack| {
        json!({
            "geometry": geometry_json(&stack.geometry),
            "slices": stack.slices.len(),
            "reason": stack.resampling.as_ref().map(|r| r.reason.clone()),
        })
    });
    json!({
        "label": series.label,
        "modality": series.modality,
        "slices": series.slices,
        "can_open": series.can_open(),
        "can_lay_over": series.can_lay_over(),
        "geometry": geometry,
        "resampled": resampled,
        "masks": series.masks.iter().map(|m| m.name.clone()).collect::<Vec<_>>(),
        "findings": series.findings.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

fn geometry_json(g: &Geometry) -> Value {
    json!({
        "dims": g.dims(),
        "spacing_mm": g.spacing().to_array(),
        "origin_lps_mm": g.origin().to_array(),
        "direction": g.direction().to_cols_array_2d(),
    })
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "severity": severity(finding),
        "code": finding.code,
        "text": finding.words(),
        "file": finding.place(),
    })
}
