//! `maskwright evaluate`: one to three predictions against the truth: files, folders matched by name, data sets, runs.

use super::CliError;
use super::run::{foreground, print};
use crate::io::atomic::{NewFolder, plain_reason, write_atomic_bytes};
use crate::metrics::Convention;
use crate::nn::DeviceChoice;
use crate::report::{self, ReportInputs};
use crate::workspace::{CohortEvent, CohortRequest, Judged, compare_cohort};
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct EvaluateArgs {
    /// Mask file taken as truth, a folder of them, or a data set with images.
    #[arg(long)]
    truth: PathBuf,
    /// Mask file to judge, a folder of them with the same names, or a run folder, which predicts the cases that it was
    /// tested on; up to three.
    #[arg(long, required = true)]
    prediction: Vec<PathBuf>,
    /// What to call each prediction in the report, in their order.
    #[arg(long)]
    name: Vec<String>,
    /// Image of the masks, or a folder of images with their names; needed for DICOM SEG, RTSTRUCT and picture stacks.
    #[arg(long)]
    reference: Option<PathBuf>,
    /// Compare on the regular grid of a tilted or unevenly spaced reference.
    #[arg(long, requires = "reference")]
    resample: bool,
    /// Folder for evaluation.json, report.html, report.pdf, segments.csv and slices.csv; with images also quantities.csv,
    /// with --each also pairs.csv.
    #[arg(long)]
    out: Option<PathBuf>,
    /// One JSON document on stdout.
    #[arg(long)]
    json: bool,
    /// Compare everything labelled as one structure.
    #[arg(long)]
    foreground: bool,
    /// Definition of surface distances: monai, medpy, deepmind, simpleitk, open-border, full or nearest-rank.
    #[arg(long, default_value = "monai")]
    definition: Convention,
    /// Tolerance of the surface Dice in mm; may be given more than once.
    #[arg(long, value_parser = positive, default_values_t = [1.0, 2.0])]
    tolerance: Vec<f64>,
    /// Text file with a case and its patient in each line, separated by a comma.
    #[arg(long)]
    patients: Option<PathBuf>,
    /// Compare the predictions with each other too, as for several readers.
    #[arg(long)]
    each: bool,
    /// Also the cases that a run was trained on.
    #[arg(long)]
    all_cases: bool,
    /// Title of the report.
    #[arg(long, default_value = "Evaluation")]
    title: String,
    /// Where runs predict: auto, gpu or cpu.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(v) if v >= 0.0 && v.is_finite() => Ok(v),
        _ => Err(format!("{text} is no distance in mm")),
    }
}

pub(super) fn run(args: &EvaluateArgs) -> Result<(), CliError> {
    if args.name.len() > args.prediction.len() {
        return Err(CliError("There are more names than predictions.".into()));
    }
    let request = CohortRequest {
        title: args.title.clone(),
        images: args.reference.clone(),
        patients: args.patients.clone(),
        resample: args.resample,
        foreground: args.foreground,
        convention: args.definition,
        tolerances: args.tolerance.clone(),
        sheets: args.out.is_some(),
        all_cases: args.all_cases,
        each: args.each,
        device: args.device,
        ..CohortRequest::new(args.truth.clone(), judged(&args.prediction, &args.name))
    };
    let inputs = compare(request)?;
    if let Some(out) = &args.out {
        write_reports(out, &inputs)?;
    }
    if args.json {
        print(report::json(&inputs).map_err(CliError::of)?.trim_end());
    } else {
        print(as_text(&inputs).trim_end());
    }
    Ok(())
}

/// Runs the comparison; what was noticed and what had no partner is told.
pub(super) fn compare(request: CohortRequest) -> Result<ReportInputs, CliError> {
    let mut told: Vec<String> = Vec::new();
    foreground(
        "Comparing",
        |event, bar| match event {
            CohortEvent::Planned { unmatched, outside, .. } => {
                if outside > 0 {
                    bar.suspend(|| eprintln!("{}", report::outside(outside)));
                }
                for u in unmatched {
                    bar.suspend(|| eprintln!("{} is not in {} and is left out of the figures.", u.case, u.lacking));
                }
            }
            CohortEvent::Failed(f) => {
                let text = format!("{} of {} could not be compared and is left out of the figures", f.case, f.judged);
                bar.suspend(|| eprintln!("{text}: {}", f.reason));
            }
            CohortEvent::Warning(text) if !told.contains(&text) => {
                bar.suspend(|| eprintln!("{text}"));
                told.push(text);
            }
            CohortEvent::Warning(_) | CohortEvent::Compared(_) => {}
        },
        move |ctx| compare_cohort(&request, ctx),
    )
}

/// Predictions under the given names, else under those of their files, with the folder where these are the same.
pub(super) fn judged(paths: &[PathBuf], names: &[String]) -> Vec<Judged> {
    let mut all: Vec<Judged> = paths.iter().cloned().map(Judged::at).collect();
    let plain: Vec<String> = all.iter().map(|j| j.name.clone()).collect();
    for (n, judged) in all.iter_mut().enumerate() {
        if let Some(name) = names.get(n) {
            judged.name.clone_from(name);
        } else if plain.iter().filter(|p| **p == judged.name).count() > 1 {
            let parent = judged.path.parent().and_then(Path::file_name);
            judged.name = match parent {
                Some(parent) => format!("{}/{}", parent.to_string_lossy(), judged.name),
                None => format!("{} {}", judged.name, n + 1),
            };
        }
    }
    all
}

/// Writes all forms of a report into a folder.
pub(super) fn write_reports(out: &Path, inputs: &ReportInputs) -> Result<(), CliError> {
    let failed =
        |path: &Path, e: &std::io::Error| CliError(format!("{} was not written: {}.", path.display(), plain_reason(e)));
    let _folder = NewFolder::create(out).map_err(|e| failed(out, &e))?;
    let mut files = vec![
        ("evaluation.json", report::json(inputs).map_err(CliError::of)?.into_bytes()),
        ("segments.csv", report::segments_csv(inputs).into_bytes()),
        ("slices.csv", report::slices_csv(inputs).into_bytes()),
        ("report.html", report::html(inputs).map_err(CliError::of)?.into_bytes()),
        ("report.pdf", report::pdf(inputs).map_err(CliError::of)?),
    ];
    if !inputs.quantities.is_empty() {
        files.push(("quantities.csv", report::quantities_csv(inputs).into_bytes()));
    }
    if !inputs.pairs.is_empty() {
        files.push(("pairs.csv", report::pairs_csv(inputs).into_bytes()));
    }
    for (name, bytes) in files {
        let path = out.join(name);
        write_atomic_bytes(&path, &bytes).map_err(|e| failed(&path, &e))?;
    }
    Ok(())
}

/// The report as lines for a terminal.
pub(super) fn as_text(inputs: &ReportInputs) -> String {
    let mut t = String::new();
    let number = |v: Option<f64>| v.map_or_else(|| "undefined".to_owned(), |v| format!("{v:.4}"));
    for case in &inputs.cases {
        let side = if inputs.sides() > 1 { format!(" ({})", inputs.side_name(case.judged)) } else { String::new() };
        let _ = writeln!(t, "{}{side}", case.name);
        for row in &case.metrics.rows {
            let d = row.distances.as_ref();
            let mm = |v: Option<f64>| match v {
                None => "-".to_owned(),
                Some(v) if v.is_infinite() => "inf".to_owned(),
                Some(v) => format!("{v:.3}"),
            };
            let _ = writeln!(
                t,
                "  {}: Dice {}, IoU {}, sensitivity {}, precision {}, HD {} mm, HD95 {} mm, ASSD {} mm{}",
                row.name,
                number(row.figures.dice),
                number(row.figures.iou),
                number(row.figures.sensitivity),
                number(row.figures.precision),
                mm(d.map(|d| d.hd)),
                mm(d.and_then(|d| d.hd95)),
                mm(d.map(|d| d.assd)),
                if row.agreement.is_miss() { " (missed by one of the masks)" } else { "" },
            );
        }
    }
    let overall = |t: &mut String, name: &str, s: &report::SegmentSummary| {
        let mean = |figure: &str| s.figures.iter().find(|f| f.figure == figure).and_then(|f| f.mean_of_finite);
        let _ = writeln!(
            t,
            "{name}, {}: {} cases, {} missed, {} in neither; mean Dice {}, HD95 {} mm (of the finite ones)",
            s.name,
            s.cases,
            s.misses,
            s.undefined,
            number(mean("Dice")),
            number(mean("HD95")),
        );
    };
    if inputs.cases.len() > inputs.sides() {
        for side in report::summarize(inputs) {
            side.by_case.iter().for_each(|s| overall(&mut t, &side.judged, s));
        }
    }
    for table in report::pair_tables(inputs) {
        for a in 0..table.names.len() {
            for b in a + 1..table.names.len() {
                let Some(mean) = table.cell(a, b) else { continue };
                let _ = writeln!(
                    t,
                    "{}, {} with {}: mean Dice {}, HD95 {} mm over {} cases, {} missed",
                    table.segment,
                    table.names[a],
                    table.names[b],
                    number(mean.dice),
                    number(mean.hd95),
                    mean.cases,
                    mean.misses,
                );
            }
        }
    }
    for p in report::paired(inputs).iter().filter(|p| p.figure == "Dice") {
        let test = p.test.map_or_else(|| "nothing differs".to_owned(), |w| format!("Wilcoxon p {:.4}", w.p));
        let left_out = match p.one_sided.len() {
            0 => String::new(),
            n => format!("; {n} left out, where only one has a figure"),
        };
        let _ = writeln!(
            t,
            "{}, Dice of {} against {}: {} better, {} worse, {} equal; {test}{left_out}",
            p.segment, p.second, p.first, p.improved, p.regressed, p.equal
        );
    }
    t
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_of_one_name_are_told_apart() {
        let paths = ["a/masks", "b/masks", "c.nii.gz"].map(PathBuf::from);
        let names: Vec<String> = judged(&paths, &[]).into_iter().map(|j| j.name).collect();
        assert_eq!(names, ["a/masks", "b/masks", "c"]);
        let named: Vec<String> = judged(&paths, &["U-Net".into()]).into_iter().map(|j| j.name).collect();
        assert_eq!(named, ["U-Net", "b/masks", "c"]);
    }
}
