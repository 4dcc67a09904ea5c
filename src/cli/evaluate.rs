//! `maskwright evaluate`: a prediction against the truth, one pair of files or two folders matched by name.

use super::CliError;
use super::convert::{read_mask, read_mask_on, reference_image};
use super::run::{foreground, print};
use crate::core::{LabelId, Segment};
use crate::io::atomic::{NewFolder, plain_reason, write_atomic_bytes};
use crate::io::{LoadedMask, natural_cmp};
use crate::metrics::{self, CompareOptions, MetricReport, Pair};
use crate::report::{self, CaseReport, ReportInputs};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct EvaluateArgs {
    /// Mask file taken as truth, or a folder of them.
    #[arg(long)]
    truth: PathBuf,
    /// Mask file to judge, or a folder of them with the same names.
    #[arg(long)]
    prediction: PathBuf,
    /// Image of the masks; needed for DICOM SEG, RTSTRUCT and picture stacks.
    #[arg(long)]
    reference: Option<PathBuf>,
    /// Compare on the regular grid of a tilted or unevenly spaced reference.
    #[arg(long, requires = "reference")]
    resample: bool,
    /// Folder for evaluation.json, segments.csv, slices.csv and report.html.
    #[arg(long)]
    out: Option<PathBuf>,
    /// One JSON document on stdout.
    #[arg(long)]
    json: bool,
    /// Compare everything labelled as one structure.
    #[arg(long)]
    foreground: bool,
}

pub(super) fn run(args: &EvaluateArgs) -> Result<(), CliError> {
    let pairs = if args.truth.is_dir() && args.prediction.is_dir() && holds_mask_files(&args.truth) {
        matched(&args.truth, &args.prediction)?
    } else {
        vec![(stem(&args.truth), args.truth.clone(), args.prediction.clone())]
    };
    let mut cases = Vec::new();
    for (name, truth, prediction) in pairs {
        let metrics = compare_files(args, &truth, &prediction)?;
        cases.push(CaseReport { name, metrics, pictures: Vec::new() });
    }
    let inputs = ReportInputs {
        title: "Evaluation".into(),
        phantom: false,
        facts: vec![("Truth".into(), stem(&args.truth)), ("Prediction".into(), stem(&args.prediction))],
        cases,
    };
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

/// Writes all forms of a report into a folder.
pub(super) fn write_reports(out: &Path, inputs: &ReportInputs) -> Result<(), CliError> {
    let failed =
        |path: &Path, e: &std::io::Error| CliError(format!("{} was not written: {}.", path.display(), plain_reason(e)));
    let _folder = NewFolder::create(out).map_err(|e| failed(out, &e))?;
    let files = [
        ("evaluation.json", report::json(inputs).map_err(CliError::of)?),
        ("segments.csv", report::segments_csv(inputs)),
        ("slices.csv", report::slices_csv(inputs)),
        ("report.html", report::html(inputs).map_err(CliError::of)?),
    ];
    for (name, text) in files {
        let path = out.join(name);
        write_atomic_bytes(&path, text.as_bytes()).map_err(|e| failed(&path, &e))?;
    }
    Ok(())
}

fn compare_files(args: &EvaluateArgs, truth: &Path, prediction: &Path) -> Result<MetricReport, CliError> {
    let image = args.reference.as_deref().map(|r| reference_image(r, None, args.resample)).transpose()?;
    let a = told(read_mask(truth, None, image.as_ref())?);
    let grid = *a.labels.geometry();
    let b = told(match &image {
        Some(image) => read_mask(prediction, None, Some(image))?,
        None => read_mask_on(prediction, grid)?,
    });
    let pairs = if args.foreground { vec![Pair::foreground("All segments")] } else { pairs_of(&a, &b) };
    let options = CompareOptions::full(stem(truth), stem(prediction));
    foreground("Comparing", |(), _| {}, move |ctx| metrics::compare(&a.labels, &b.labels, &pairs, &options, ctx))
}

/// One label map of the mask, with what was noticed told.
fn told(mask: LoadedMask) -> LoadedMask {
    let mask = mask.flattened();
    for finding in &mask.findings {
        eprintln!("{}", finding.text);
    }
    mask
}

/// Segments by the number they have in their files; the only segment of each when both have just one.
fn pairs_of(a: &LoadedMask, b: &LoadedMask) -> Vec<Pair> {
    if let ([one], [other]) = (a.segments.as_slice(), b.segments.as_slice()) {
        return vec![Pair::labels(one.name.clone(), one.id, other.id)];
    }
    let mut values: BTreeMap<u32, &str> = BTreeMap::new();
    for s in b.segments.iter().chain(&a.segments) {
        values.insert(s.file_value, &s.name);
    }
    let pairs: Vec<Pair> = values
        .into_iter()
        .filter_map(|(value, name)| Some(Pair::labels(name, id(&a.segments, value)?, id(&b.segments, value)?)))
        .collect();
    if pairs.is_empty() { vec![Pair::foreground("All segments")] } else { pairs }
}

/// The label of a file's number; for a number the file does not have, a label without voxels.
fn id(segments: &[Segment], value: u32) -> Option<LabelId> {
    segments
        .iter()
        .find(|s| s.file_value == value)
        .map(|s| s.id)
        .or_else(|| (1..=u8::MAX).rev().find(|free| segments.iter().all(|s| s.id != *free)))
}

const ENDINGS: [&str; 5] = [".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".dcm"];

fn is_mask_file(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    path.is_file() && ENDINGS.iter().any(|e| name.ends_with(e))
}

fn mask_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| is_mask_file(p)).collect();
    files.sort_by(|a, b| natural_cmp(&stem(a), &stem(b)));
    files
}

fn holds_mask_files(folder: &Path) -> bool {
    !mask_files(folder).is_empty()
}

/// Name, truth and prediction of every file that both folders have; what only one has is told.
fn matched(truth: &Path, prediction: &Path) -> Result<Vec<(String, PathBuf, PathBuf)>, CliError> {
    let mut judged: BTreeMap<String, PathBuf> = mask_files(prediction).into_iter().map(|p| (stem(&p), p)).collect();
    let mut pairs = Vec::new();
    let mut alone = Vec::new();
    for file in mask_files(truth) {
        let name = stem(&file);
        match judged.remove(&name) {
            Some(partner) => pairs.push((name, file, partner)),
            None => alone.push(format!("{name} has no prediction and is left out of the figures.")),
        }
    }
    alone.extend(judged.keys().map(|name| format!("{name} has no truth and is left out of the figures.")));
    if pairs.is_empty() {
        return Err(CliError(format!(
            "No file of {} has a partner of the same name in {}.",
            truth.display(),
            prediction.display()
        )));
    }
    for line in alone {
        eprintln!("{line}");
    }
    Ok(pairs)
}

/// A file's name without folders and ending.
pub(super) fn stem(path: &Path) -> String {
    let name = path.file_name().map_or_else(|| "mask".into(), |n| n.to_string_lossy().into_owned());
    let lower = name.to_ascii_lowercase();
    match ENDINGS.iter().find(|e| lower.ends_with(**e)) {
        Some(ending) => name[..name.len() - ending.len()].to_owned(),
        None => name,
    }
}

fn as_text(inputs: &ReportInputs) -> String {
    let mut t = String::new();
    let number = |v: Option<f64>| v.map_or_else(|| "undefined".to_owned(), |v| format!("{v:.4}"));
    for case in &inputs.cases {
        let _ = writeln!(t, "{}", case.name);
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
                mm(d.map(|d| d.hd95)),
                mm(d.map(|d| d.assd)),
                if row.agreement.is_miss() { " (missed by one of the masks)" } else { "" },
            );
        }
    }
    t
}
