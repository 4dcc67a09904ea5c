//! `maskwright study N`: one of the five studies on generated patients, made small enough for two processor cores.
//!
//! Generates the patients in the study's own layout, trains what the study compared, and reports it as the study did.
//! Called again it goes on where it was stopped.

use super::CliError;
use super::evaluate::{as_text, compare, write_reports};
use super::phantom::{PhantomArgs, write_patients};
use super::run::print;
use super::train::train_in_foreground;
use crate::io::atomic::plain_reason;
use crate::io::layouts::{Layout, PatientInfo};
use crate::nn::DeviceChoice;
use crate::phantom::Kind;
use crate::train::{self, Recipe, SplitConfig, TrainData, TrainRequest};
use crate::workspace::{CohortRequest, Judged};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct StudyArgs {
    /// 1: muscle at L3, 2: liver (3D-IRCADb), 3: lungs with pathology, 4: liver (CHAOS), 5: lungs in three classes.
    #[arg(value_parser = clap::value_parser!(u8).range(1..=5))]
    study: u8,
    /// Folder for patients, runs and report.
    #[arg(long)]
    out: PathBuf,
    /// Instead of the study's number here.
    #[arg(long)]
    epochs: Option<usize>,
    /// auto, gpu or cpu.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Change a field of every recipe, for example preprocessing.size=256; may be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

/// What one study is made of here.
struct Study {
    title: &'static str,
    kind: Kind,
    layout: Layout,
    patients: usize,
    /// So many of the last patients have diseased lungs; they are the test part.
    diseased: usize,
    slices: usize,
    /// Columns and rows of the generated images.
    size: usize,
    /// Changes of all its recipes, so that two cores train them in minutes.
    small: &'static [&'static str],
    runs: &'static [Run],
    epochs: usize,
}

/// One network that the study compared.
struct Run {
    name: &'static str,
    recipe: &'static str,
    set: &'static [&'static str],
}

const fn run_of(name: &'static str, recipe: &'static str, set: &'static [&'static str]) -> Run {
    Run { name, recipe, set }
}

const STUDIES: [Study; 5] = [
    Study {
        title: "Study 1 on generated patients: muscle at the third lumbar vertebra",
        kind: Kind::L3,
        layout: Layout::Slices,
        patients: 20,
        diseased: 0,
        slices: 4,
        size: 128,
        small: &["preprocessing.size=128", "optimizer.lr=0.002"],
        runs: &[
            run_of("U-Net", "l3-muscle-unet", &["network.UNet.base_width=8"]),
            run_of("DeepLabV3+", "l3-muscle-deeplab", &["network.DeepLabV3Plus.encoder=ResNet18"]),
        ],
        epochs: 30,
    },
    Study {
        title: "Study 2 on generated patients: liver, a patient held out",
        kind: Kind::Abdomen,
        layout: Layout::Ircadb,
        patients: 6,
        diseased: 0,
        slices: 32,
        size: 128,
        small: &["preprocessing.size=64", "network.UNet.base_width=8", "batch_size=8", "optimizer.lr=0.0005"],
        runs: &[run_of("U-Net of 23 convolutions", "liver-ircadb", &[])],
        epochs: 40,
    },
    Study {
        title: "Study 3 on generated patients: diseased lungs, learned from healthy ones with simulated pathology and without",
        kind: Kind::Chest,
        layout: Layout::Lungs,
        patients: 16,
        diseased: 4,
        slices: 32,
        size: 128,
        small: &["preprocessing.size=96", "network.UNet.base_width=8", "accumulate=1", "optimizer.lr=0.003"],
        runs: &[
            run_of("no simulation", "lung-pathology", &["augmentation.pathology=null"]),
            run_of("simulated, p 0.6", "lung-pathology", &["augmentation.pathology.probability=0.6"]),
            run_of("simulated, p 0.8", "lung-pathology", &["augmentation.pathology.probability=0.8"]),
        ],
        epochs: 20,
    },
    Study {
        title: "Study 4 on generated patients: liver by three losses",
        kind: Kind::Abdomen,
        layout: Layout::Chaos,
        patients: 20,
        diseased: 0,
        slices: 16,
        size: 128,
        small: &["preprocessing.size=96", "optimizer.lr=0.003", "split.Patients.test=0.2"],
        runs: &[
            run_of("cross-entropy loss", "liver-chaos", &["loss=Bce"]),
            run_of("Dice loss", "liver-chaos", &["loss=Dice"]),
            run_of("IoU loss", "liver-chaos", &["loss=Iou"]),
        ],
        epochs: 30,
    },
    Study {
        title: "Study 5 on generated patients: two lungs by two losses",
        kind: Kind::Chest,
        layout: Layout::Lungs,
        patients: 12,
        diseased: 0,
        slices: 32,
        size: 128,
        small: &["preprocessing.size=96", "network.UNet.base_width=8", "optimizer.lr=0.003", "split.Patients.test=0.2"],
        runs: &[
            run_of("cross-entropy loss", "lung-three-class", &[]),
            run_of("Dice loss", "lung-three-class", &["loss=Dice"]),
        ],
        epochs: 20,
    },
];

pub(super) fn run(args: &StudyArgs) -> Result<(), CliError> {
    let study = &STUDIES[usize::from(args.study) - 1];
    print(study.title);
    let data = args.out.join("patients");
    if !data.exists() {
        generate(study, &data)?;
    }
    let mut judged = Vec::new();
    for (n, run) in study.runs.iter().enumerate() {
        let folder = args.out.join(format!("run-{}", n + 1));
        if !folder.join("result.json").exists() {
            print(&format!("Training {} of {}: {}", n + 1, study.runs.len(), run.name));
            train_in_foreground(request(args, study, run, &data, &folder)?, true)?;
        }
        judged.push(Judged { name: run.name.into(), path: folder });
    }
    let mut inputs =
        compare(CohortRequest { title: study.title.into(), device: args.device, ..CohortRequest::new(data, judged) })?;
    inputs.phantom = true;
    let made = [study.small.join(", "), args.set.join(", ")].into_iter().filter(|t| !t.is_empty());
    inputs.facts.push(("Made small for two processor cores".into(), made.collect::<Vec<_>>().join(", ")));
    inputs.facts.push(("Epochs".into(), args.epochs.unwrap_or(study.epochs).to_string()));
    let report = args.out.join("report");
    write_reports(&report, &inputs)?;
    print(as_text(&inputs).trim_end());
    print(&format!("The report is {}.", report.join("report.html").display()));
    Ok(())
}

/// Writes the patients beside their place and moves them there when all are complete.
fn generate(study: &Study, data: &Path) -> Result<(), CliError> {
    let failed = |e: std::io::Error| CliError(format!("{} cannot be written: {}.", data.display(), plain_reason(&e)));
    let half = data.with_file_name("patients.incomplete");
    if half.exists() {
        std::fs::remove_dir_all(&half).map_err(failed)?;
    }
    write_patients(&PhantomArgs {
        kind: study.kind,
        layout: study.layout,
        patients: study.patients,
        out: half.clone(),
        size: study.size,
        slices: Some(study.slices),
        seed: 7,
        diseased: study.diseased,
    })?;
    std::fs::rename(&half, data).map_err(failed)
}

fn recipe(args: &StudyArgs, study: &Study, run: &Run) -> Result<Recipe, CliError> {
    let mut recipe = Recipe::load(run.recipe).map_err(CliError::of)?;
    let given = args.set.iter().map(String::as_str);
    if study.diseased > 0 {
        let named = |from: usize, to: usize| (from..to).map(|n| PatientInfo::name_of(n + 1)).collect();
        let healthy = study.patients - study.diseased;
        recipe.split = SplitConfig::Fixed { validation: named(0, 2), test: named(healthy, study.patients) };
    }
    for assignment in study.small.iter().chain(run.set).copied().chain(given) {
        train::apply_override(&mut recipe, assignment).map_err(CliError::of)?;
    }
    recipe.epochs = args.epochs.unwrap_or(study.epochs);
    Ok(recipe)
}

fn request(args: &StudyArgs, study: &Study, run: &Run, data: &Path, folder: &Path) -> Result<TrainRequest, CliError> {
    Ok(TrainRequest {
        recipe: recipe(args, study, run)?,
        data: TrainData::Folder(data.to_owned()),
        run: folder.to_owned(),
        device: args.device,
        compute: None,
        resume: folder.join("checkpoints").exists(),
        init: None,
        cache_bytes: None,
        test: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_of_every_study_has_a_valid_recipe() {
        for (n, study) in STUDIES.iter().enumerate() {
            let args = StudyArgs {
                study: n as u8 + 1,
                out: PathBuf::new(),
                epochs: None,
                device: DeviceChoice::Cpu,
                set: Vec::new(),
            };
            for run in study.runs {
                let recipe = recipe(&args, study, run).unwrap();
                assert_eq!(recipe.epochs, study.epochs, "{}", run.name);
            }
        }
    }
}
