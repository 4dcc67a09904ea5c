//! Killed without warning: a run, a search. What was complete is kept and nothing is done twice.
#![cfg(unix)]

use super::program::{Ended, phantoms, program, tiny_recipe};
use maskwright::train::{Recipe, apply_override};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts the program, waits until `seen` and a little longer, and kills it.
fn killed_when(mut command: Command, extra: Duration, seen: impl Fn() -> bool) {
    let mut child: Child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !seen() {
        assert!(begun.elapsed() < Duration::from_secs(120), "nothing happened");
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(extra);
    // SIGKILL: nothing can be tidied up.
    child.kill().unwrap();
    child.wait().unwrap();
}

fn train(recipe: &Path, data: &Path, run: &Path, epochs: usize, resume: bool) -> Command {
    let mut command = program();
    command.arg("train").arg("--recipe").arg(recipe).arg("--data").arg(data).arg("--run").arg(run);
    command.args(["--device", "cpu", "--json", "--epochs", &epochs.to_string()]);
    command.args(["--set", "accumulate=2", "--set", "ema=0.9", "--set", "augmentation.noise_hu=10"]);
    if resume {
        command.arg("--resume");
    }
    command
}

#[test]
fn a_run_killed_again_and_again_ends_with_the_weights_of_an_unbroken_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (data, recipe) = (at("data"), tiny_recipe(folder.path()));
    phantoms("chest", "lungs", 3, &data);
    let epochs = 40;
    Ended::of(&train(&recipe, &data, &at("whole"), epochs, false).output().unwrap()).done();
    let run = at("killed");
    let done = || -> u64 {
        let text = fs::read(run.join("checkpoints/last/manifest.json")).unwrap_or_default();
        let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        manifest["position"]["epoch"].as_u64().unwrap_or(0)
    };
    for (n, milliseconds) in [(0, 3), (1, 17), (2, 41)] {
        let before = done();
        let resume = n > 0;
        killed_when(train(&recipe, &data, &run, 100_000, resume), Duration::from_millis(milliseconds), || {
            done() > before
        });
        assert!(done() < epochs as u64, "the machine is too fast for this test: {}", done());
    }
    Ended::of(&train(&recipe, &data, &run, epochs, true).output().unwrap()).done();
    let weights = |run: &Path| fs::read(run.join("checkpoints/last/weights.safetensors")).unwrap();
    assert_eq!(weights(&at("whole")), weights(&run));
}

#[test]
fn a_search_killed_half_way_goes_on_and_two_processes_share_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = at("data");
    phantoms("l3", "slices", 5, &data);
    // The study's own table of fields; its two networks are made small under their names beside it.
    let deeplab = ["network.DeepLabV3Plus.encoder_width=2", "network.DeepLabV3Plus.decoder_width=4"];
    for (name, sets) in
        [("l3-muscle-unet", ["network.UNet.base_width=4", "network.UNet.depth=2"]), ("l3-muscle-deeplab", deeplab)]
    {
        let mut recipe = Recipe::load(name).unwrap();
        for set in sets.iter().chain(&["preprocessing.size=32", "epochs=1"]) {
            apply_override(&mut recipe, set).unwrap();
        }
        fs::write(at(name), recipe.to_ron().unwrap()).unwrap();
    }
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/l3-muscle.search.ron"), at("study.search.ron"))
        .unwrap();
    let search = || {
        let mut command = program();
        command.arg("search").arg("--recipe").arg(at("study.search.ron")).arg("--data").arg(&data);
        command.arg("--run").arg(at("search")).args(["--trials", "12", "--seed", "3", "--device", "cpu", "--json"]);
        command
    };
    let results = || (1..=12).filter(|n| at(&format!("search/trials/{n:04}.json")).is_file()).count();
    killed_when(search(), Duration::from_millis(15), || results() >= 3);
    let kept = results();
    let stamp = fs::metadata(at("search/trials/0001.json")).unwrap().modified().unwrap();
    let others: Vec<Child> =
        (0..2).map(|_| search().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()).collect();
    for child in others {
        Ended::of(&child.wait_with_output().unwrap()).json();
    }
    let summary = Ended::of(&search().output().unwrap()).json();
    assert!(kept >= 3 && results() == 12);
    assert_eq!(fs::metadata(at("search/trials/0001.json")).unwrap().modified().unwrap(), stamp, "not done twice");
    let ranking = summary["ranking"].as_array().unwrap();
    let dice: Vec<f64> = ranking.iter().map(|r| r["dice"].as_f64().unwrap()).collect();
    assert!(dice.len() == 12 && dice.windows(2).all(|w| w[0] >= w[1]), "{dice:?}");
    let tried = |path: &str| -> BTreeSet<String> {
        let settings = ranking.iter().flat_map(|r| r["settings"].as_array().unwrap());
        settings.filter(|s| s[0] == path).map(|s| s[1].as_str().unwrap().to_owned()).collect()
    };
    for path in ["recipe", "loss", "preprocessing.intensity", "augmentation.flip_lr"] {
        assert_eq!(tried(path).len(), 2, "{path}");
    }
    assert!(tried("optimizer.lr").len() > 6);
    let page = fs::read_to_string(at("search/search.html")).unwrap();
    assert_eq!((page.matches("<path").count(), page.matches("<tr>").count()), (12, 13), "each trial in plot and table");
    assert_eq!(summary["test"]["trial"], ranking[0]["trial"]);
    assert!(at("search/test.json").is_file() && at("search/ranking.csv").is_file());
}
