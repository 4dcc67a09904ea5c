//! `maskwright demo`: the whole loop on generated patients, headless with files or in the window.

use super::CliError;
use super::evaluate::write_reports;
use super::run::{foreground, print};
use super::train::train_in_foreground;
use crate::core::{LabelId, LabelMap, Segment, Volume, VoxelBox};
use crate::edit::{Brush, BrushShape, PaintRule, Stroke, replace_label};
use crate::io;
use crate::io::atomic::NewFolder;
use crate::metrics::{self, CompareOptions, MetricReport};
use crate::nn::DeviceChoice;
use crate::phantom::{self, Kind, Phantom, PhantomSpec};
use crate::predict::{self, ModelSource, PredictDevice, PredictEvent};
use crate::report::{CaseReport, Picture, ReportInputs};
use crate::train::{Recipe, TrainCase, TrainData, TrainRequest};
use crate::workspace::Home;
use glam::DVec3;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Patients that the network sees; the next one is the one it has never seen.
const TRAINING_PATIENTS: u64 = 6;
const SIZE: usize = 96;
const SLICES: usize = 28;

#[derive(clap::Args)]
pub(super) struct DemoArgs {
    /// No window: train, predict, correct and review, then write report and pictures.
    #[arg(long)]
    headless: bool,
    /// Folder for run, masks, pictures and report; by default `demo-report` in the program's own data folder.
    #[arg(long)]
    out: Option<PathBuf>,
    /// auto, gpu or cpu.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

pub(super) fn run(args: &DemoArgs) -> Result<(), CliError> {
    if !args.headless {
        return super::after_window(crate::app::run_demo());
    }
    let started = std::time::Instant::now();
    let out = folder(args.out.as_deref(), &Home::of_user())?;
    let failed =
        |e: &std::io::Error| CliError(format!("{} cannot be written: {}.", out.display(), io::atomic::plain_reason(e)));
    let _folder = NewFolder::create(&out).map_err(|e| failed(&e))?;
    print(&format!("Everything is written into {}", out.display()));
    print("Generating 7 chest patients");
    let mut patients = generate_patients()?;
    let mut unseen = patients.pop().ok_or_else(|| CliError("No patient was generated.".into()))?;
    // The demo's network knows one class: both lungs together.
    replace_label(&mut unseen.labels, 2, 1);
    unseen.segments = vec![Segment::new(1, "Lung")];
    let run = fresh_run(&out);
    train_in_foreground(request(args, &run, patients)?, true)?;
    let volume = Arc::new(unseen.volume);
    let predicted = predict(&run, &volume, args.device)?;
    let before = compare(&unseen.labels, &unseen.segments, &predicted, "prediction")?;
    print(&format!("Unseen patient, as predicted: {}", in_words(&before)));
    let mut corrected = predicted.clone();
    let strokes = correct(&unseen.labels, &mut corrected, &unseen.segments);
    let after = compare(&unseen.labels, &unseen.segments, &corrected, "corrected")?;
    print(&format!("After {strokes} strokes on the three worst slices: {}", in_words(&after)));
    for (name, labels) in [("truth", &unseen.labels), ("prediction", &predicted), ("corrected", &corrected)] {
        io::save_mask(&out.join(format!("{name}.nii.gz")), labels, &unseen.segments, None).map_err(CliError::of)?;
    }
    io::save_volume(&out.join("image.nii.gz"), &volume).map_err(CliError::of)?;
    let pictures = pictures(&volume, &unseen.labels, &predicted, &unseen.segments);
    for (n, picture) in pictures.iter().enumerate() {
        save_picture(&out.join(format!("slice-{}.png", n + 1)), picture)?;
    }
    let inputs = ReportInputs {
        title: "Demo on generated patients".into(),
        phantom: true,
        facts: vec![
            ("Patients of the run (trained, validated and tested on)".into(), TRAINING_PATIENTS.to_string()),
            ("Patient below".into(), "one that the run never saw".into()),
            ("After correction".into(), format!("{} by {strokes} strokes; see the folder corrected", in_words(&after))),
        ],
        cases: vec![CaseReport { pictures, ..CaseReport::new("as predicted", before) }],
        ..ReportInputs::default()
    };
    write_reports(&out, &inputs)?;
    // A report of its own: a mean over two states of one patient would say nothing.
    let inputs = ReportInputs {
        title: "Demo on generated patients, corrected".into(),
        phantom: true,
        facts: vec![("Strokes of the correction".into(), strokes.to_string())],
        cases: vec![CaseReport::new("after correction", after)],
        ..ReportInputs::default()
    };
    write_reports(&out.join("corrected"), &inputs)?;
    print(&format!(
        "Done in {:.0} s. Open {} in a browser; masks, pictures and the run lie beside it.",
        started.elapsed().as_secs_f64(),
        out.join("report.html").display()
    ));
    Ok(())
}

/// Where everything goes: never into the folder that the program happens to be started in.
fn folder(out: Option<&Path>, home: &Home) -> Result<PathBuf, CliError> {
    let wanted = out.map_or_else(|| home.data.join("demo-report"), Path::to_owned);
    // Told in full, so that it is found again.
    std::path::absolute(&wanted).map_err(|_| CliError(format!("{} names no folder.", wanted.display())))
}

/// A run folder of a name that is not taken, so that the demo can be repeated.
fn fresh_run(out: &Path) -> PathBuf {
    (1..).map(|n| out.join(format!("run-{n}"))).find(|p| !p.exists()).unwrap_or_else(|| out.join("run"))
}

fn generate_patients() -> Result<Vec<Phantom>, CliError> {
    foreground(
        "Generating patients",
        |(), _| {},
        move |ctx| {
            (0..=TRAINING_PATIENTS)
                .map(|n| {
                    let spec = PhantomSpec { kind: Kind::Chest, size: SIZE, slices: SLICES, seed: 100 + n };
                    phantom::generate(&spec, &|fraction| {
                        ctx.progress.set(((n as f32 + fraction) * 100.0) as u64, (TRAINING_PATIENTS + 1) * 100);
                        !ctx.is_cancelled()
                    })
                })
                .collect::<Result<Vec<_>, _>>()
        },
    )
}

fn request(args: &DemoArgs, run: &Path, patients: Vec<Phantom>) -> Result<TrainRequest, CliError> {
    let cases = patients
        .into_iter()
        .enumerate()
        .map(|(n, p)| TrainCase {
            name: format!("phantom-{}", n + 1),
            patient: format!("phantom-{}", n + 1),
            volume: Arc::new(p.volume),
            labels: p.labels,
            segments: p.segments,
        })
        .collect();
    Ok(TrainRequest {
        recipe: Recipe::load("demo").map_err(CliError::of)?,
        data: TrainData::Memory(cases),
        run: run.to_owned(),
        device: args.device,
        compute: None,
        resume: false,
        init: None,
        cache_bytes: None,
        test: true,
    })
}

fn predict(run: &Path, volume: &Arc<Volume>, device: DeviceChoice) -> Result<LabelMap, CliError> {
    let (source, volume) = (ModelSource::Run(run.to_owned()), volume.clone());
    let prediction = foreground(
        "Predicting",
        |event, _| {
            if let PredictEvent::Warning(text) = event {
                eprintln!("{text}");
            }
        },
        move |ctx| predict::predict_volume(&source, &volume, &PredictDevice::Choice(device), ctx),
    )?;
    Ok(prediction.labels)
}

fn compare(
    truth: &LabelMap,
    segments: &[Segment],
    judged: &LabelMap,
    name: &'static str,
) -> Result<MetricReport, CliError> {
    let (a, b) = (truth.clone(), judged.clone());
    let pairs = metrics::match_segments(segments, segments);
    let options = CompareOptions::full("truth", name);
    foreground("Comparing", |(), _| {}, move |ctx| metrics::compare(&a, &b, &pairs, &options, ctx))
}

/// Mean Dice over the segments, with each one's figures.
fn in_words(report: &MetricReport) -> String {
    let rows: Vec<String> = report
        .rows
        .iter()
        .map(|row| {
            let dice = row.figures.dice.map_or_else(|| "undefined".into(), |v| format!("{v:.3}"));
            let hd = row.distances.as_ref().and_then(|d| d.hd95).map_or_else(|| "-".into(), |v| format!("{v:.1} mm"));
            format!("{} Dice {dice}, HD95 {hd}", row.name)
        })
        .collect();
    let dice: Vec<f64> = report.rows.iter().filter_map(|r| r.figures.dice).collect();
    let mean = dice.iter().sum::<f64>() / dice.len().max(1) as f64;
    format!("mean Dice {mean:.3} ({})", rows.join("; "))
}

/// Corrects the three slices with most wrong voxels, as an annotator would: a dab of a 6 mm brush on every wrong voxel
/// that no earlier dab has put right, in the colour that belongs there.
fn correct(truth: &LabelMap, labels: &mut LabelMap, segments: &[Segment]) -> usize {
    let [nx, ny, nz] = truth.geometry().dims();
    let slice = |map: &LabelMap, k: usize| {
        let mut out = vec![0; nx * ny];
        map.copy_box(VoxelBox { min: [0, 0, k], max: [nx, ny, k + 1] }, &mut out);
        out
    };
    let wrong = |map: &LabelMap, k: usize| slice(truth, k).iter().zip(slice(map, k)).filter(|(a, b)| **a != *b).count();
    let mut order: Vec<usize> = (0..nz).collect();
    order.sort_by_key(|&k| std::cmp::Reverse(wrong(labels, k)));
    let brush = Brush { shape: BrushShape::Round2d { through_axis: 2 }, radius_mm: 0.0 };
    let mut strokes = 0;
    for &k in order.iter().take(3) {
        let target = slice(truth, k);
        for label in std::iter::once(0).chain(segments.iter().map(|s| s.id)) {
            let rule =
                if label == 0 { PaintRule::erase_all([false; 256]) } else { PaintRule::paint(label, [false; 256]) };
            strokes += paint_runs(labels, &target, k, label, &brush, &rule, [nx, ny]);
        }
    }
    strokes
}

/// One stroke along each run of wrong voxels of a row whose truth is `label`.
fn paint_runs(
    labels: &mut LabelMap,
    target: &[LabelId],
    k: usize,
    label: LabelId,
    brush: &Brush,
    rule: &PaintRule,
    [nx, ny]: [usize; 2],
) -> usize {
    let mut strokes = 0;
    for j in 0..ny {
        let mut i = 0;
        while i < nx {
            let start = i;
            while i < nx && target[j * nx + i] == label && labels.at([i as i64, j as i64, k as i64]) != label {
                i += 1;
            }
            if i > start {
                let at = |i: usize| DVec3::new(i as f64, j as f64, k as f64);
                let mut stroke = Stroke::begin(labels);
                stroke.extend(labels, at(start), at(i - 1), brush, rule);
                stroke.commit(labels);
                strokes += 1;
            } else {
                i += 1;
            }
        }
    }
    strokes
}

/// Truth beside prediction, filled half over the slice, for three slices through the organ.
fn pictures(volume: &Volume, truth: &LabelMap, predicted: &LabelMap, segments: &[Segment]) -> Vec<Picture> {
    let nz = volume.geometry().dims()[2];
    [nz / 4, nz / 2, 3 * nz / 4]
        .into_iter()
        .map(|k| {
            let [left, right] = [truth, predicted].map(|map| slice_rgb(volume, map, segments, k));
            let [nx, ny, _] = volume.geometry().dims();
            let mut rgb = Vec::with_capacity(left.len() * 2);
            for row in 0..ny {
                rgb.extend_from_slice(&left[row * nx * 3..(row + 1) * nx * 3]);
                rgb.extend_from_slice(&right[row * nx * 3..(row + 1) * nx * 3]);
            }
            Picture {
                caption: format!("Slice {}: truth left, prediction right", k + 1),
                width: 2 * nx as u32,
                height: ny as u32,
                rgb,
            }
        })
        .collect()
}

fn slice_rgb(volume: &Volume, labels: &LabelMap, segments: &[Segment], k: usize) -> Vec<u8> {
    let [nx, ny, _] = volume.geometry().dims();
    let window = volume.first_window();
    let hu = volume.slice(k).unwrap_or_default();
    let mut rgb = Vec::with_capacity(nx * ny * 3);
    for (n, &v) in hu.iter().enumerate() {
        let grey = window.grey(f64::from(v)) * 255.0;
        let label = labels.at([(n % nx) as i64, (n / nx) as i64, k as i64]);
        let color = segments.iter().find(|s| s.id == label).map(|s| s.color);
        for channel in 0..3 {
            let value = color.map_or(grey, |c| 0.55 * grey + 0.45 * f64::from(c[channel]));
            rgb.push(value.round() as u8);
        }
    }
    rgb
}

fn save_picture(path: &Path, picture: &Picture) -> Result<(), CliError> {
    let image = image::RgbImage::from_raw(picture.width, picture.height, picture.rgb.clone())
        .ok_or_else(|| CliError(format!("{} was not written: its size is wrong.", path.display())))?;
    let mut png = std::io::Cursor::new(Vec::new());
    image.write_to(&mut png, image::ImageFormat::Png).map_err(CliError::of)?;
    io::atomic::write_atomic_bytes(path, png.get_ref())
        .map_err(|e| CliError(format!("{} was not written: {}.", path.display(), io::atomic::plain_reason(&e))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_goes_where_the_user_said_or_into_the_data_folder() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::under(dir.path());
        let named = dir.path().join("mine");
        assert_eq!(folder(Some(&named), &home).unwrap(), named);
        let usual = folder(None, &home).unwrap();
        assert!(usual.starts_with(&home.data), "{}", usual.display());
        // A name alone is meant from here, as everywhere, and told in full.
        let here = std::env::current_dir().unwrap();
        assert_eq!(folder(Some(Path::new("mine")), &home).unwrap(), here.join("mine"));
        assert!(folder(Some(Path::new("")), &home).is_err());
    }
}
