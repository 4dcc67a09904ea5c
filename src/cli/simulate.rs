//! `maskwright simulate`: what a simulated annotator needs with the learning loop, and without.

mod spread;

use super::CliError;
use super::run::{foreground, print, print_json};
use super::train::train_in_foreground;
use crate::core::LabelMap;
use crate::io;
use crate::io::atomic::{NewFolder, write_atomic_bytes};
use crate::io::layouts::find_cases;
use crate::jobs::{JobContext, Waker};
use crate::learn::{Arm, LoopConfig, SimCase, SimEvent, SimOrder, SimRequest, SimResult, simulate};
use crate::nn::{Compute, DeviceChoice, Settled, StateDict, load_weights, settle};
use crate::phantom::{self, Kind, PhantomError, PhantomSpec};
use crate::train::{
    ClassSource, Recipe, SplitConfig, TrainCase, TrainData, TrainEvent, TrainRequest, apply_override, class_of_labels,
    earlier_slices,
};
use spread::Spread;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Generated patients that the first network sees, and slices and pixels of every generated patient.
const FIRST_SEED: u64 = 500;
/// How far the patients of one seed lie from those of the next, at least.
const STRIDE: usize = 100;
/// Slices of earlier data that train and that judge, at most.
const EARLIER: [usize; 2] = [200, 24];

#[derive(clap::Args)]
pub(super) struct SimulateArgs {
    /// Recipe of the network: a name or a file. Its classes are what is annotated.
    #[arg(long, default_value = "demo")]
    recipe: String,
    /// Cases to annotate, with their truth: a data set folder in any known layout. Generated patients without it.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Generated patients: chest, diseased-chest, abdomen or l3.
    #[arg(long, value_parser = super::phantom::parse_kind, default_value = "chest")]
    kind: Kind,
    /// What the first network learns from, where that is another kind than what is annotated.
    #[arg(long, value_parser = super::phantom::parse_kind)]
    first_kind: Option<Kind>,
    /// Generated patients to annotate; of a data set, at most so many cases.
    #[arg(long, default_value_t = 6)]
    cases: usize,
    /// Generated patients that the first network is trained on.
    #[arg(long, default_value_t = 2)]
    first: usize,
    /// Epochs of the first network; the recipe's own without it.
    #[arg(long)]
    epochs: Option<usize>,
    /// Columns and rows of generated patients.
    #[arg(long, default_value_t = 96)]
    size: usize,
    /// Slices of generated patients.
    #[arg(long, default_value_t = 32)]
    slices: usize,
    /// Start from the best checkpoint of a run in place of a first network; its recipe is then the run's.
    #[arg(long)]
    run: Option<PathBuf>,
    /// Mean Dice to reach.
    #[arg(long, default_value_t = 0.95)]
    target: f64,
    /// New folder for table, JSON, CSV and the loops.
    #[arg(long)]
    out: PathBuf,
    /// Leave out the arms that take the slices in random order.
    #[arg(long)]
    quick: bool,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Repeat with so many seeds from `--seed` on, each with generated patients, a first network and a random order of its
    /// own; mean and spread are told.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// Corrected slices after which the network is fine-tuned.
    #[arg(long)]
    slices_per_round: Option<usize>,
    /// Steps of a round at most.
    #[arg(long)]
    steps: Option<usize>,
    /// Changes a field of the recipe, as for `train`.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// auto, gpu or cpu.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// One JSON document on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &SimulateArgs) -> Result<(), CliError> {
    if !(args.target > 0.0 && args.target <= 1.0) || args.cases == 0 {
        return Err(CliError("The target lies above 0 and up to 1, and there is at least one case.".into()));
    }
    let folder = NewFolder::create(&args.out).map_err(|e| {
        CliError(format!("{} cannot be written: {}.", args.out.display(), io::atomic::plain_reason(&e)))
    })?;
    if args.out.join("simulation.json").exists() {
        return Err(CliError(format!("{} already holds a simulation: choose another folder.", args.out.display())));
    }
    let mut recipe = match &args.run {
        Some(run) => Recipe::of_run(run).map_err(CliError::of)?,
        None => Recipe::load(&args.recipe).map_err(CliError::of)?,
    };
    for assignment in &args.set {
        apply_override(&mut recipe, assignment).map_err(CliError::of)?;
    }
    if let Some(epochs) = args.epochs {
        recipe.epochs = epochs;
    }
    if args.seeds == 1 {
        let result = once(args, &recipe, 0, &args.out)?;
        drop(folder);
        return if args.json {
            print_json(&result)
        } else {
            print(table(&result).trim_end());
            Ok(())
        };
    }
    let seeds: Vec<u64> = (0..args.seeds).map(|n| args.seed.saturating_add(n)).collect();
    let mut results = Vec::new();
    for (number, seed) in (0..).zip(&seeds) {
        let out = args.out.join(format!("seed-{seed}"));
        std::fs::create_dir_all(&out)
            .map_err(|e| CliError(format!("{} cannot be made: {}.", out.display(), io::atomic::plain_reason(&e))))?;
        results.push(once(args, &recipe, number, &out)?);
    }
    let spread = Spread::of(seeds, results);
    write(&args.out.join("simulation.json"), &serde_json::to_string_pretty(&spread).map_err(CliError::of)?)?;
    write(&args.out.join("simulation.md"), &spread.table())?;
    drop(folder);
    if args.json {
        print_json(&spread)
    } else {
        print(spread.table().trim_end());
        Ok(())
    }
}

/// The simulation of seed number `number`, from 0; its files are in `out`.
fn once(args: &SimulateArgs, recipe: &Recipe, number: u64, out: &Path) -> Result<SimResult, CliError> {
    let stride = STRIDE.max(args.first.saturating_add(args.cases)) as u64;
    let patients = FIRST_SEED.saturating_add(number.saturating_mul(stride));
    let recipe = Recipe { seed: recipe.seed.wrapping_add(number), ..recipe.clone() };
    let seed = args.seed.saturating_add(number);
    let cases = cases(args, &recipe, patients)?;
    let (weights, [earlier, earlier_validation]) = match &args.run {
        Some(run) => {
            (load_weights(&run.join("checkpoints/best/weights.safetensors")).map_err(CliError::of)?, Default::default())
        }
        None => first_network(args, &recipe, patients, out)?,
    };
    let mut config = LoopConfig { seed, ..LoopConfig::default() };
    config.slices_per_round = args.slices_per_round.unwrap_or(config.slices_per_round);
    config.steps = args.steps.unwrap_or(config.steps);
    let mut arms = vec![Arm::Nothing, Arm::Fixed(SimOrder::Queue), Arm::Loop(SimOrder::Queue)];
    if !args.quick {
        arms.extend([Arm::Fixed(SimOrder::Random), Arm::Loop(SimOrder::Random)]);
    }
    let request = SimRequest {
        recipe,
        weights,
        earlier,
        earlier_validation,
        cases,
        arms,
        config,
        target: args.target,
        seed,
        folder: out.to_owned(),
    };
    let device = args.device;
    let tell = !args.json;
    let result = foreground(
        "Simulating",
        move |SimEvent::Said(text), bar| {
            if tell {
                bar.suspend(|| eprintln!("{text}"));
            }
        },
        move |ctx| on_device(device, request, ctx),
    )?;
    write_all(out, &result)?;
    Ok(result)
}

/// Runs on the thread that owns the device.
fn on_device(device: DeviceChoice, request: SimRequest, ctx: &JobContext<SimEvent>) -> Result<SimResult, CliError> {
    let Settled { thread, device, .. } = settle(device, None).map_err(CliError::of)?;
    let Some(thread) = thread else {
        return simulate(&request, &Compute::here(device), ctx).map_err(CliError::of);
    };
    let (inner, events) = JobContext::attached(ctx.cancel.clone(), ctx.progress.clone(), Waker::none());
    let outcome = thread.submit_long("simulating", move |compute| simulate(&request, compute, &inner));
    for event in events {
        ctx.send(event);
    }
    match outcome.recv() {
        Ok(result) => result.map_err(CliError::of)?.map_err(CliError::of),
        Err(_) => Err(CliError("The compute thread has ended.".into())),
    }
}

fn cases(args: &SimulateArgs, recipe: &Recipe, patients: u64) -> Result<Vec<SimCase>, CliError> {
    let recipe = recipe.clone();
    match args.data.clone() {
        None => {
            let generated = generate(args, args.kind, patients + args.first as u64, args.cases)?;
            generated.into_iter().map(|case| truth(&recipe, case)).collect()
        }
        Some(root) => {
            let most = args.cases;
            foreground("Reading cases", |(), _| {}, move |ctx| read(&root, most, &recipe, ctx))
        }
    }
}

fn read(root: &Path, most: usize, recipe: &Recipe, ctx: &JobContext<()>) -> Result<Vec<SimCase>, CliError> {
    let found = find_cases(root, None, ctx).map_err(CliError::of)?;
    let mut cases = Vec::new();
    for case in found.iter().filter(|c| !c.masks.is_empty()).take(most) {
        let (volume, classes) = crate::train::load_case(case, recipe, &JobContext::detached()).map_err(CliError::of)?;
        cases.push(SimCase { volume, classes });
    }
    if cases.is_empty() {
        return Err(CliError(format!("{} holds no case with a mask.", root.display())));
    }
    Ok(cases)
}

fn truth(recipe: &Recipe, case: TrainCase) -> Result<SimCase, CliError> {
    let table = class_of_labels(recipe, &case.segments);
    let dense: Vec<u8> = case.labels.to_dense().into_iter().map(|l| table[usize::from(l)]).collect();
    let classes = LabelMap::from_dense(*case.labels.geometry(), &dense)
        .ok_or_else(|| CliError("A mask does not fit its image.".into()))?;
    Ok(SimCase { volume: case.volume, classes })
}

fn generate(args: &SimulateArgs, kind: Kind, seed: u64, count: usize) -> Result<Vec<TrainCase>, CliError> {
    let (size, slices) = (args.size, args.slices);
    foreground(
        "Generating patients",
        |(), _| {},
        move |ctx| {
            (0..count as u64)
                .map(|n| {
                    let spec = PhantomSpec { kind, size, slices, seed: seed + n };
                    generated_case(&spec, &|_| !ctx.is_cancelled())
                })
                .collect()
        },
    )
}

/// One generated patient as a case with its truth.
pub(super) fn generated_case(spec: &PhantomSpec, go_on: &dyn Fn(f32) -> bool) -> Result<TrainCase, PhantomError> {
    let p = phantom::generate(spec, go_on)?;
    let name = format!("phantom-{}", spec.seed);
    Ok(TrainCase { patient: name.clone(), name, volume: Arc::new(p.volume), labels: p.labels, segments: p.segments })
}

type First = (StateDict, [Vec<crate::train::Slice>; 2]);

/// Generated patients in the classes of a recipe, and the recipe for them: what its data set calls its classes is not what
/// they do.
pub(super) fn in_classes_of(recipe: &Recipe, patients: Vec<TrainCase>) -> Result<(Vec<TrainCase>, Recipe), CliError> {
    let patients = patients
        .into_iter()
        .map(|case| {
            let SimCase { volume, classes } = truth(recipe, case.clone())?;
            Ok(TrainCase { volume, labels: classes, segments: recipe.model_spec().segments(), ..case })
        })
        .collect::<Result<Vec<_>, CliError>>()?;
    let mut recipe = recipe.clone();
    recipe.split = SplitConfig::Slices { validation: 0.25, test: 0.0 };
    recipe.data.layout = None;
    recipe.data.ignore = None;
    for (class, number) in recipe.data.classes.iter_mut().zip(1..) {
        class.from = ClassSource::Values(vec![number]);
    }
    Ok((patients, recipe))
}

/// A network from a few generated patients: what a group has before it begins to annotate.
fn first_network(args: &SimulateArgs, recipe: &Recipe, patients: u64, out: &Path) -> Result<First, CliError> {
    let patients = generate(args, args.first_kind.unwrap_or(args.kind), patients, args.first.max(1))?;
    let (patients, recipe) = in_classes_of(recipe, patients)?;
    let drawn = |number: usize| patients.iter().any(|case| case.labels.counts()[number] > 0);
    let absent: Vec<&str> =
        recipe.data.classes.iter().zip(1..).filter(|(_, n)| !drawn(*n)).map(|(class, _)| class.name.as_str()).collect();
    if !absent.is_empty() {
        return Err(CliError(format!(
            "The generated patients for the first network have no {}: choose patients that have with --kind or \
             --first-kind, or start from a trained network with --run.",
            absent.join(", ")
        )));
    }
    let run = out.join("first-network");
    let request = TrainRequest {
        recipe: recipe.clone(),
        data: TrainData::Memory(patients.clone()),
        run: run.clone(),
        device: args.device,
        compute: None,
        resume: false,
        init: None,
        cache_bytes: None,
        test: false,
    };
    train_in_foreground(request, !args.json)?;
    let weights = load_weights(&run.join("checkpoints/best/weights.safetensors")).map_err(CliError::of)?;
    let earlier = foreground(
        "Preparing earlier data",
        |_: TrainEvent, _| {},
        move |ctx| earlier_slices(&recipe, &TrainData::Memory(patients), EARLIER, ctx),
    )?;
    Ok((weights, earlier))
}

fn write_all(out: &Path, result: &SimResult) -> Result<(), CliError> {
    let json = serde_json::to_string_pretty(result).map_err(CliError::of)?;
    for (name, text) in
        [("simulation.json", &json), ("simulation.txt", &table(result)), ("simulation.csv", &csv(result))]
    {
        write(&out.join(name), text)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    write_atomic_bytes(path, text.as_bytes())
        .map_err(|e| CliError(format!("{} was not written: {}.", path.display(), io::atomic::plain_reason(&e))))
}

fn order(order: SimOrder) -> &'static str {
    match order {
        SimOrder::Queue => "queue",
        SimOrder::Random => "random",
        SimOrder::InOrder => "in order",
    }
}

fn table(result: &SimResult) -> String {
    let mut t = format!(
        "A simulated annotator corrects {} cases, {} slices, until their mean Dice is {} ({}, {})\n\n",
        result.cases, result.slices, result.target, result.recipe, result.device
    );
    let _ = writeln!(
        t,
        "{:<24} {:<9} {:>10} {:>8} {:>7} {:>8} {:>8} {:>7} {:>9} {:>8}",
        "help", "order", "start Dice", "Dice", "slices", "strokes", "voxels", "rounds", "accepted", "seconds"
    );
    for a in &result.arms {
        let _ = writeln!(
            t,
            "{:<24} {:<9} {:>10.3} {:>8.3} {:>7} {:>8} {:>8} {:>7} {:>9} {:>8.0}{}",
            a.arm,
            order(a.order),
            a.start_dice,
            a.dice,
            a.slices,
            a.strokes,
            a.voxels,
            a.rounds,
            a.accepted,
            a.seconds,
            if a.reached { "" } else { "  target not reached" }
        );
    }
    t
}

/// Every point of every curve.
fn csv(result: &SimResult) -> String {
    let mut t = String::from("help,order,slices,voxels,strokes,dice\n");
    for a in &result.arms {
        for p in &a.curve {
            let _ = writeln!(t, "{},{},{},{},{},{:.6}", a.arm, order(a.order), p.slices, p.voxels, p.strokes, p.dice);
        }
    }
    t
}
