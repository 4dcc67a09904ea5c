//! The recipes of the five studies, from generated patients in each data set's own layout: trained small, resumed,
//! predicted, evaluated.

use super::program::phantoms;
use maskwright::train::{Recipe, apply_override};
use std::path::Path;

/// What makes a study small; everything else stays as its recipe says.
const SMALL: [&str; 1] = ["batch_size=4"];

fn study(recipe: &str, kind: &str, layout: &str, patients: usize, sets: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let (data, run) = (folder.path().join("data"), folder.path().join("run"));
    phantoms(kind, layout, patients, &data);
    let train = |epochs: &str, resume: bool| {
        let mut command = super::program::program();
        command.args(["train", "--recipe", recipe, "--device", "cpu", "--json", "--epochs", epochs]);
        command.arg("--data").arg(&data).arg("--run").arg(&run);
        for set in SMALL.iter().chain(sets) {
            command.args(["--set", set]);
        }
        if resume {
            command.arg("--resume");
        }
        super::program::Ended::of(&command.output().unwrap()).json()
    };
    assert_eq!(train("1", false)["epochs"], 1, "{recipe}");
    let summary = train("2", true);
    assert_eq!(summary["epochs"], 2, "{recipe}");
    assert!(!summary["test"].as_array().unwrap().is_empty(), "{recipe}: the test part was evaluated");
    let case = image(&data);
    let out = folder.path().join("mask.nii.gz");
    maskwright!("predict", "--run", run, "--input", case, "--output", out, "--device", "cpu").done();
    assert!(out.is_file());
    for file in [
        "data.json",
        "environment.json",
        "split.json",
        "curves.csv",
        "curves.jsonl",
        "pictures/best.png",
        "result.json",
    ] {
        assert!(run.join(file).is_file(), "{recipe}: {file}");
    }
    let events = std::fs::read_dir(run.join("tensorboard")).unwrap().count();
    assert_eq!(events, 1, "{recipe}: one file of events after a resume");
}

/// Several runs together, options other than the recipe's, and the network for Python.
#[test]
fn a_run_is_asked_in_other_ways_and_exported_for_python() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    phantoms("l3", "slices", 4, &data);
    let runs: Vec<_> = ["1", "2"].map(|seed| (folder.path().join(format!("run {seed}")), seed)).to_vec();
    for (run, seed) in &runs {
        let mut command = super::program::program();
        command.args(["train", "--recipe", "l3-muscle-unet", "--device", "cpu", "--json", "--epochs", "1"]);
        command.arg("--data").arg(&data).arg("--run").arg(run);
        for set in UNET.iter().chain(&[format!("seed={seed}").as_str()]) {
            command.args(["--set", set]);
        }
        super::program::Ended::of(&command.output().unwrap()).json();
    }
    let (case, out) = (image(&data), folder.path().join("mask.nii.gz"));
    let text = maskwright!(
        "predict",
        "--run",
        runs[0].0,
        "--run",
        runs[1].0,
        "--input",
        case,
        "--output",
        out,
        "--device",
        "cpu",
        "--flips",
        "lr",
        "--window",
        "16:0.25",
        "--keep-largest",
        "2",
        "--fill-holes",
        "--threshold",
        "0.4"
    )
    .done();
    assert!(text.contains("run 1, run 2"), "{text}");
    maskwright!("predict", "--run", runs[0].0, "--input", case, "--output", out, "--device", "cpu", "--window", "17")
        .refused(&["multiple of 4"]);
    let python = folder.path().join("python");
    maskwright!("export", runs[0].0, "--to", "pytorch", "--out", python).done();
    for file in ["weights.safetensors", "model.json", "model.py"] {
        assert!(python.join(file).is_file(), "{file}");
    }
    maskwright!("export", data, "--to", "pytorch", "--out", folder.path().join("none")).refused(&["checkpoint"]);
}

/// An image of a data set: a patient's folder, or a slice where all patients share one.
fn image(data: &Path) -> std::path::PathBuf {
    let names = ["PATIENT_DICOM", "DICOM_anon", "ct"];
    let is_image = |p: &Path| {
        let slice = p.starts_with("images") && p.extension().is_some_and(|e| e == "dcm");
        slice || p.file_name().is_some_and(|n| names.iter().any(|m| n == *m))
    };
    super::program::tree(data).into_iter().find(|p| is_image(p)).map(|p| data.join(p)).unwrap()
}

const UNET: [&str; 3] = ["network.UNet.base_width=4", "network.UNet.depth=2", "preprocessing.size=32"];

#[test]
fn study_1_muscle_by_unet_and_deeplab() {
    study("l3-muscle-unet", "l3", "slices", 5, &UNET);
    let deeplab =
        ["network.DeepLabV3Plus.encoder_width=2", "network.DeepLabV3Plus.decoder_width=4", "preprocessing.size=32"];
    study("l3-muscle-deeplab", "l3", "slices", 5, &deeplab);
}

#[test]
fn study_2_liver_by_the_self_normalising_network() {
    // Its 23 convolutions stay: only their width shrinks.
    study("liver-ircadb", "abdomen", "ircadb", 3, &["network.UNet.base_width=2", "preprocessing.size=32"]);
}

#[test]
fn study_3_lungs_with_simulated_pathology() {
    study("lung-pathology", "chest", "lungs", 5, &UNET);
}

#[test]
fn study_4_liver_with_its_three_losses() {
    for loss in ["loss=Bce", "loss=Dice", "loss=Iou"] {
        let sets: Vec<&str> = UNET.iter().copied().chain([loss]).collect();
        study("liver-chaos", "abdomen", "chaos", 4, &sets);
    }
}

#[test]
fn study_5_three_classes_with_both_losses() {
    for loss in ["loss=CrossEntropy", "loss=Dice"] {
        let sets: Vec<&str> = UNET.iter().copied().chain([loss]).collect();
        study("lung-three-class", "chest", "lungs", 5, &sets);
    }
}

#[test]
fn each_recipe_is_its_study() {
    let recipe = |name: &str| Recipe::load(name).unwrap().to_ron().unwrap().replace(char::is_whitespace, "");
    let says = |name: &str, words: &[&str]| {
        let text = recipe(name);
        for word in words {
            assert!(text.contains(word), "{name} does not say {word}: {text}");
        }
    };
    says("l3-muscle-deeplab", &["ResNet50", "low:-200.0", "lr:0.0002", "epochs:100"]);
    says(
        "liver-ircadb",
        &["Selu", "LeCun", "lr:0.0001", "batch_size:100", "epochs:1000", "LeaveOneOut", "validation:0.05"],
    );
    says("lung-pathology", &["AdamW", "accumulate:8", "lr:0.01", "epochs:40", "probability:0.8", "DiceCrossEntropy"]);
    says("liver-chaos", &["base_width:8", "dropout:0.2", "Divide", "1400", "lr:1e-5", "shuffle:false", "epochs:400"]);
    says("lung-three-class", &["size:256", "batch_size:16", "epochs:10", "patience:5"]);
    let mut chaos = Recipe::load("liver-chaos").unwrap();
    for loss in ["loss=Bce", "loss=Dice", "loss=Iou"] {
        apply_override(&mut chaos, loss).unwrap();
    }
}

/// Generates, trains both losses, compares and reports; asked again, it trains nothing anew.
#[test]
fn a_study_goes_its_whole_way_by_one_command() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("study");
    let study = || {
        let small = ["preprocessing.size=32", "network.UNet.base_width=2", "batch_size=32"].map(|set| ["--set", set]);
        let mut command = super::program::program();
        command.args(["study", "5", "--epochs", "1", "--device", "cpu", "--out"]).arg(&out).args(small.concat());
        super::program::Ended::of(&command.output().unwrap()).done()
    };
    let told = study();
    assert!(told.contains("cross-entropy") && told.contains("Dice"), "{told}");
    let report = std::fs::read_to_string(out.join("report/report.html")).unwrap();
    for word in
        ["cross-entropy", "left lung", "right lung", "Accuracy", "generated phantom images", "preprocessing.size=32"]
    {
        assert!(report.contains(word), "{word}");
    }
    // Both runs predicted the test patients: their probabilities are held against the truth.
    let text = std::fs::read_to_string(out.join("report/evaluation.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let calibration = json["calibration"].as_array().unwrap();
    assert_eq!(calibration.len(), 2);
    for of in calibration {
        let brier = of["brier"].as_f64().unwrap();
        assert!(brier > 0.0 && brier < 0.5, "{of}");
        // Two classes of each voxel of the test patients, which have 32 slices of 128 x 128.
        let count: u64 = of["bins"].as_array().unwrap().iter().map(|b| b["count"].as_u64().unwrap()).sum();
        assert!(count > 0 && count.is_multiple_of(2 * 32 * 128 * 128), "{count}");
    }
    assert!(report.contains("Calibration of the probabilities") && report.contains("Reliability"));
    let trained = |n: usize| std::fs::metadata(out.join(format!("run-{n}/result.json"))).unwrap().modified().unwrap();
    let before = [trained(1), trained(2)];
    study();
    assert_eq!([trained(1), trained(2)], before);
}
