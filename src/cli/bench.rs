//! `maskwright bench`: how long loading, drawing, painting, metrics, training and prediction take on this machine.
//!
//! Everything runs on generated data and through the functions that the window uses. Each group has a file of its
//! own; `sampling` repeats, times and counts CPU seconds.

mod arbiter;
mod beside;
mod copy;
mod data;
mod desk;
mod edit;
mod held;
mod learning;
mod load;
mod metrics;
mod operations;
mod peers;
mod prompt;
mod redraw;
mod round;
mod sampling;
mod stroke;
mod torch;
mod view;

use super::CliError;
use super::run::{foreground, print, print_json};
use crate::jobs::JobContext;
use crate::nn::{DeviceChoice, Precision, SharedGpu};
use clap::ValueEnum;
use held::Held;
use learning::Place;
use sampling::{Figure, Sampler, Skipped, Told};
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What can be timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    /// Scan of a folder of DICOM slices, first slice, whole series.
    Load,
    /// Slices drawn offscreen by the graphics adapter.
    Redraw,
    /// The whole window, from an input event to the submitted frame, and the memory of a case.
    View,
    /// Brush strokes and their undo.
    Stroke,
    /// Pointer events of strokes in an open case, and operations on whole masks.
    Edit,
    /// Dice and surface distances of two masks, and figures that follow a brush.
    Metrics,
    /// Optimisation steps of U-Nets and DeepLabV3+, on `--device`.
    Train,
    /// Predictions of the same networks.
    Predict,
    /// Single layers of a U-Net, forward and backward.
    Layers,
    /// From a click inside or outside to the learning loop's answer for that slice, on `--device`.
    Prompt,
    /// From the fifth corrected slice to the learning loop's better prediction, on `--device`.
    Round,
    /// Drawing while a network is fine-tuned, with and without the arbiter.
    Arbiter,
    /// A network's input and labels made on the device that draws, against the way through host memory.
    Copy,
}

#[derive(clap::Args)]
pub(super) struct BenchArgs {
    /// What to time; everything when none is named.
    #[arg(value_enum, value_name = "NAME")]
    groups: Vec<Group>,
    /// One JSON document on stdout.
    #[arg(long)]
    json: bool,
    /// Small data and few repetitions: whether it works, not how fast it is.
    #[arg(long)]
    quick: bool,
    /// What `load` reads instead of slices of its own: a folder of folders `raw`, `rle`, `jls`, `j2k` with one DICOM
    /// series in each, the same volume in each.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where `train`, `predict`, `layers`, `prompt` and `round` compute: cpu, gpu, or auto.
    #[arg(long, default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,
    /// Digits of convolutions on a graphics device for `train`, `predict` and `layers`: mixed (16-bit factors on matrix
    /// units, where the device has them), full (32-bit), or one after the other: mixed,full.
    #[arg(long, value_delimiter = ',', default_values_t = [Precision::Mixed])]
    precision: Vec<Precision>,
    /// How long each kind of kernel takes in the steps of `train --device gpu`, each kernel waited for.
    #[arg(long)]
    kernels: bool,
    /// A Python that does the same in between, with other libraries. For `train` and `predict` it needs torch and
    /// segmentation_models_pytorch, which get one thread on the CPU, and CUDA with TF32 beside a graphics device; for
    /// `metrics` numpy, scipy and edt on one thread; for the operations of `edit` numpy, and what it has of SimpleITK,
    /// scipy, connected-components-3d, edt and itk-morphologicalcontourinterpolation.
    #[arg(long, value_name = "PYTHON")]
    beside: Option<PathBuf>,
}

/// What the figures were measured on.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Machine {
    version: &'static str,
    /// `release` or `debug`.
    build: &'static str,
    os: &'static str,
    arch: &'static str,
    cpu: Option<String>,
    cpus: usize,
    adapter: Option<String>,
}

/// The whole result, as `--json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Document {
    machine: Machine,
    quick: bool,
    figures: Vec<Figure>,
    memory: Vec<Held>,
    skipped: Vec<Skipped>,
    note: Option<&'static str>,
}

pub(super) fn run(args: &BenchArgs) -> Result<(), CliError> {
    let (groups, quick) = (chosen(&args.groups), args.quick);
    let place = Place { device: args.device, precisions: args.precision.clone(), kernels: args.kernels };
    let (data, beside) = (args.data.clone(), args.beside.clone());
    let work = move |ctx: &JobContext<Told>| measure(&groups, quick, &place, [data.as_deref(), beside.as_deref()], ctx);
    let json = args.json;
    let tell = |told: Told, bar: &indicatif::ProgressBar| {
        if !json {
            bar.suspend(|| print(&line(&told)));
        }
    };
    let document = foreground("Timing", tell, work)?;
    if json {
        return print_json(&document);
    }
    let rest = rest(&document);
    if !rest.is_empty() {
        print(rest.trim_end());
    }
    Ok(())
}

/// Each named group once, in the order of the groups; all when none is named.
fn chosen(named: &[Group]) -> Vec<Group> {
    let wanted = |g: &Group| named.is_empty() || named.contains(g);
    Group::value_variants().iter().copied().filter(wanted).collect()
}

fn measure(
    groups: &[Group],
    quick: bool,
    place: &Place,
    [data, beside]: [Option<&Path>; 2],
    ctx: &JobContext<Told>,
) -> Result<Document, CliError> {
    let gpu = SharedGpu::create();
    let machine = Machine {
        version: env!("CARGO_PKG_VERSION"),
        build: if cfg!(debug_assertions) { "debug" } else { "release" },
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
        cpu: cpu_model(),
        cpus: std::thread::available_parallelism().map_or(1, |n| n.get()),
        adapter: gpu.as_ref().ok().map(|g| g.adapter.get_info().name),
    };
    ctx.send(Told::Machine(machine.clone()));
    let mut sampler = Sampler::new(quick, ctx);
    for (done, group) in groups.iter().enumerate() {
        ctx.progress.set(done as u64, groups.len() as u64);
        match group {
            Group::Load => match data {
                Some(data) => load::measure_folders(&mut sampler, data)?,
                None => load::measure(&mut sampler)?,
            },
            Group::Redraw => match &gpu {
                Ok(gpu) => redraw::measure(&mut sampler, gpu)?,
                Err(error) => sampler.skip("redraw", error.to_string()),
            },
            Group::View => match &gpu {
                Ok(gpu) => view::measure(&mut sampler, gpu)?,
                Err(error) => sampler.skip("view", error.to_string()),
            },
            Group::Stroke => stroke::measure(&mut sampler)?,
            Group::Edit => edit::measure(&mut sampler, beside)?,
            Group::Metrics => metrics::measure(&mut sampler, beside)?,
            Group::Train => learning::measure_training(&mut sampler, place, beside)?,
            Group::Predict => learning::measure_prediction(&mut sampler, place, beside)?,
            Group::Layers => learning::measure_layers(&mut sampler, place)?,
            Group::Prompt => prompt::measure(&mut sampler, place.device)?,
            Group::Round => round::measure(&mut sampler, place.device)?,
            Group::Arbiter => match &gpu {
                Ok(gpu) => arbiter::measure(&mut sampler, gpu)?,
                Err(error) => sampler.skip("arbiter", error.to_string()),
            },
            Group::Copy => match &gpu {
                Ok(gpu) => copy::measure(&mut sampler, gpu)?,
                Err(error) => sampler.skip("copy", error.to_string()),
            },
        }
        sampler.tell();
    }
    Ok(Document {
        machine,
        quick,
        figures: sampler.figures,
        memory: sampler.memory,
        skipped: sampler.skipped,
        note: cfg!(debug_assertions).then_some("a debug build: these figures say nothing about the released program"),
    })
}

/// The processor's name where the system tells it in a file.
fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Width of the names of cases: the longest are not known when the first is told.
const CASE: usize = 56;

/// What is told, as a line of the table; the machine comes with the table's head.
fn line(told: &Told) -> String {
    match told {
        Told::Machine(m) => {
            let adapter = m.adapter.as_deref().unwrap_or("none");
            let cpu = m.cpu.as_deref().unwrap_or(m.arch);
            format!(
                "Maskwright {} ({} build), {cpu}, {} CPUs, adapter: {adapter}\n\
                 {:<8}  {:<CASE$}  {:>5}  {:>12}  {:>12}  {:>12}  {:>9}  {:>8}  {:>9}  note",
                m.version,
                m.build,
                m.cpus,
                "name",
                "case",
                "n",
                "median s",
                "p99 s",
                "min s",
                "CPU s",
                "peak MiB",
                "grown MiB"
            )
        }
        Told::Figure(f) => {
            let cell = |v: Option<f64>, digits: usize| v.map_or("-".to_owned(), |v| format!("{v:.digits$}"));
            let (cpu, peak, grown) = (cell(f.cpu_s, 4), cell(f.peak_rss_mib, 0), cell(f.grown_mib, 0));
            let note = f.note.as_deref().unwrap_or("");
            let line = format!(
                "{:<8}  {:<CASE$}  {:>5}  {:>12.9}  {:>12.9}  {:>12.9}  {cpu:>9}  {peak:>8}  {grown:>9}  {note}",
                f.name, f.case, f.n, f.median_s, f.p99_s, f.min_s
            );
            line.trim_end().to_owned()
        }
    }
}

/// What is said at the end.
fn rest(document: &Document) -> String {
    let mut t = String::new();
    for held in &document.memory {
        let _ = writeln!(t, "{}", held.line());
    }
    for s in &document.skipped {
        let _ = writeln!(t, "Skipped {}: {}", s.name, s.reason);
    }
    if let Some(note) = document.note {
        let _ = writeln!(t, "Note: {note}.");
    }
    t
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_all_run_when_none_is_named() {
        let names: BTreeSet<String> =
            Group::value_variants().iter().filter_map(|g| Some(g.to_possible_value()?.get_name().to_owned())).collect();
        assert_eq!(names.len(), Group::value_variants().len());
        assert_eq!(chosen(&[]), Group::value_variants());
        assert_eq!(chosen(&[Group::Stroke, Group::Load, Group::Stroke]), [Group::Load, Group::Stroke]);
    }

    #[test]
    fn quick_figures_are_complete_and_read_back_as_json() {
        let (ctx, told) = sampling::attached(&crate::jobs::CancelToken::default());
        let groups = [Group::Stroke, Group::Edit, Group::Metrics];
        let document = measure(&groups, true, &Place::cpu(), [None; 2], &ctx).unwrap();
        let cases: BTreeSet<_> = document.figures.iter().map(|f| (f.name, &f.case)).collect();
        assert_eq!(cases.len(), document.figures.len(), "two figures of one name");
        for f in &document.figures {
            assert!(f.n > 0 && f.min_s > 0.0 && f.median_s >= f.min_s && f.p99_s >= f.median_s, "{f:?}");
        }
        let text = serde_json::to_string(&document).unwrap();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let names: BTreeSet<_> =
            read["figures"].as_array().unwrap().iter().filter_map(|f| f["name"].as_str()).collect();
        assert_eq!(names, BTreeSet::from(["edit", "metrics", "stroke"]));
        // Each was told by itself, in the document's order and as it stands there, behind the machine.
        let told: Vec<Told> = told.try_iter().collect();
        let expected: Vec<Told> = std::iter::once(Told::Machine(document.machine.clone()))
            .chain(document.figures.iter().cloned().map(Told::Figure))
            .collect();
        assert_eq!(told, expected);
        let lines: Vec<String> = told.iter().map(line).collect();
        assert_eq!(lines[0].lines().count(), 2);
        for (line, figure) in lines[1..].iter().zip(&document.figures) {
            assert!(!line.contains('\n') && line.contains(&figure.case), "{line}");
        }
    }

    #[test]
    fn a_cancelled_measurement_stops() {
        let ctx = JobContext::detached();
        ctx.cancel.cancel();
        assert!(measure(&[Group::Stroke], true, &Place::cpu(), [None; 2], &ctx).is_err());
    }
}
