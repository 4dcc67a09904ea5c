//! Generated patients, training, resuming, prediction and evaluation, each by its command.

use super::program::{Ended, mask, phantoms, program, tiny_recipe, train, tree, volume};
use serde_json::Value;
use std::fs;
use std::path::Path;

#[test]
fn every_layout_is_written_listed_and_trained_on() {
    for (kind, layout) in
        [("abdomen", "ircadb"), ("abdomen", "chaos"), ("l3", "slices"), ("abdomen", "nnunet"), ("chest", "lungs")]
    {
        let folder = tempfile::tempdir().unwrap();
        let (data, run) = (folder.path().join("data"), folder.path().join("run"));
        phantoms(kind, layout, 3, &data);
        let info = maskwright!("info", data, "--json").json();
        let series: Vec<&Value> = info["patients"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|p| p["studies"].as_array().unwrap())
            .flat_map(|s| s["series"].as_array().unwrap())
            .collect();
        let whole = series.iter().filter(|s| s["geometry"]["dims"] == serde_json::json!([32, 32, 8])).count();
        assert_eq!(whole, 3, "{layout}: {info}");
        assert!(series.iter().filter(|s| !s["masks"].as_array().unwrap().is_empty()).count() >= 3, "{layout}: {info}");
        let summary = train(&tiny_recipe(folder.path()), &data, &run, 1).json();
        assert_eq!((&summary["epochs"], summary["test"].as_array().unwrap().len()), (&1.into(), 1), "{layout}");
        assert!(summary["test"][0]["slices"] == 8, "{layout}: {summary}");
        for file in ["recipe.ron", "split.json", "curves.csv", "result.json", "checkpoints/best/weights.safetensors"] {
            assert!(run.join(file).is_file(), "{layout}: {file}");
        }
    }
}

#[test]
fn train_resume_predict_and_evaluate() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (data, run, recipe) = (at("data"), at("run"), tiny_recipe(folder.path()));
    phantoms("chest", "lungs", 3, &data);
    train(&recipe, &data, &run, 6).json();
    let resume = |epochs: &str| {
        maskwright!(
            "train", "--recipe", recipe, "--data", data, "--run", run, "--device", "cpu", "--epochs", epochs,
            "--resume"
        )
    };
    assert!(resume("8").done().contains("8 epochs"));
    assert_eq!(fs::read_to_string(run.join("curves.csv")).unwrap().lines().count(), 9);
    train(&recipe, &data, &run, 8).refused(&["already holds a run"]);

    let case = data.join("phantom_001");
    let (ct, truth) = (case.join("ct"), case.join("lungs.nii.gz"));
    let image = volume(&ct);
    let mut predicted = Vec::new();
    for name in ["p.nii.gz", "p.nrrd", "p.dcm"] {
        maskwright!("predict", "--run", run, "--input", ct, "--output", at(name), "--device", "cpu").done();
        predicted.push(mask(&at(name), Some(&image)).to_dense());
    }
    assert!(predicted.iter().all(|p| *p == predicted[0]), "one prediction in three formats");

    let report = maskwright!(
        "evaluate",
        "--truth",
        truth,
        "--prediction",
        at("p.dcm"),
        "--reference",
        ct,
        "--foreground",
        "--json",
        "--out",
        at("report")
    )
    .json();
    let written = tree(&at("report"));
    let expected = ["evaluation.json", "quantities.csv", "report.html", "report.pdf", "segments.csv", "slices.csv"];
    assert_eq!(written.iter().map(|p| p.to_str().unwrap()).collect::<Vec<_>>(), expected);
    let on_disk: Value = serde_json::from_slice(&fs::read(at("report/evaluation.json")).unwrap()).unwrap();
    assert_eq!(on_disk, report);
    // Volumes and densities of both masks over the image, which was given.
    let quantities = report["quantities"].as_array().unwrap();
    let masks: Vec<&str> = quantities.iter().map(|q| q["mask"].as_str().unwrap()).collect();
    assert_eq!(masks, ["Reference", "p"]);
    for of in quantities {
        let values = of["values"].as_array().unwrap();
        let has = |end: &str| values.iter().any(|v| v["name"].as_str().unwrap().ends_with(end));
        assert!(has(", volume") && has(", mean density"), "{of}");
    }
    let row = &report["cases"][0]["metrics"]["rows"][0];
    let dice = row["figures"]["dice"].as_f64().unwrap();
    let labels = mask(&truth, Some(&image)).to_dense();
    assert!((dice - dice_of(&labels, &predicted[0])).abs() < 1e-12, "{dice}");
    // Eight epochs on coarse phantoms: far better than chance, and no figure of merit.
    assert!(dice > 0.3, "{dice}");
    for figure in ["hd", "hd95", "assd"] {
        assert!(row["distances"][figure].as_f64().is_some_and(|v| v >= 0.0 && v.is_finite()), "{figure}: {row}");
    }
    assert!(fs::read_to_string(at("report/segments.csv")).unwrap().lines().count() >= 2);
    // Slices without anything in either mask have no figures.
    let slices = row["slices"].as_array().unwrap().len();
    assert!((1..=8).contains(&slices), "{row}");
    assert_eq!(fs::read_to_string(at("report/slices.csv")).unwrap().lines().count(), 1 + slices);
}

/// Dice of everything labelled, counted here.
fn dice_of(a: &[u8], b: &[u8]) -> f64 {
    let count = |m: &[u8]| m.iter().filter(|v| **v > 0).count();
    let both = a.iter().zip(b).filter(|(a, b)| **a > 0 && **b > 0).count();
    2.0 * both as f64 / (count(a) + count(b)) as f64
}

#[test]
fn folders_are_evaluated_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    phantoms("abdomen", "nnunet", 2, &data);
    let truth = data.join("labelsTr");
    let report = maskwright!("evaluate", "--truth", truth, "--prediction", truth, "--json").json();
    assert_eq!(report["cases"].as_array().unwrap().len(), 2);
    for case in report["cases"].as_array().unwrap() {
        for row in case["metrics"]["rows"].as_array().unwrap() {
            let dice = &row["figures"]["dice"];
            assert!(dice.is_null() || *dice == 1.0, "{row}");
        }
    }
    // A file that is no mask costs its own case and is told; the others are compared.
    let bad = folder.path().join("bad");
    std::fs::create_dir(&bad).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(&truth).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    std::fs::copy(&files[0], bad.join(files[0].file_name().unwrap())).unwrap();
    std::fs::write(bad.join(files[1].file_name().unwrap()), b"no mask at all").unwrap();
    let ended = maskwright!("evaluate", "--truth", truth, "--prediction", bad, "--json");
    assert!(ended.err.contains(" of bad could not be compared"), "{}", ended.err);
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.status, report["cases"].as_array().unwrap().len()), (Some(0), 1));
    assert_eq!(report["failed"].as_array().unwrap().len(), 1);
}

#[test]
fn doctor_and_help_speak_on_stdout_alone() {
    let report = maskwright!("doctor", "--json", "--device", "cpu").json();
    assert_eq!(report["mode"], "cpu");
    for proof in report["proofs"].as_array().unwrap() {
        assert_eq!(proof["ok"], true, "{proof}");
    }
    // A machine without session, as a container or a remote shell is.
    let bare = program().arg("doctor").env_remove("XDG_RUNTIME_DIR").env_remove("DISPLAY").output().unwrap();
    let bare = Ended::of(&bare);
    assert_eq!((bare.status, bare.err.as_str()), (Some(0), ""));
    let help = maskwright!("--help").done();
    for command in ["demo", "doctor", "info", "phantom", "convert", "train", "predict", "evaluate"] {
        assert!(help.contains(command), "{command}");
    }
    assert!(maskwright!("--version").done().contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_phantom_of_a_seed_is_always_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    for out in [&a, &b] {
        phantoms("chest", "lungs", 1, out);
    }
    let ct = |root: &Path| volume(&root.join("phantom_001/ct"));
    assert_eq!(ct(&a).hu(), ct(&b).hu());
    assert_eq!(tree(&a), tree(&b));
}
