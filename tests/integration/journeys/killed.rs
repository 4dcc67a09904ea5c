//! Killed without warning: a run, a search. What was complete is kept and nothing is done twice.
#![cfg(unix)]

use super::program::{Ended, phantoms, program, tiny_recipe};
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
    tiny_recipe(folder.path());
    let text = r#"(
    name: "tiny-search",
    recipes: ["tiny.ron"],
    method: Random,
    fields: [
        (path: "optimizer.lr", values: LogRange(0.001, 0.05)),
        (path: "loss", values: Choices(["Bce", "Dice", "BceDice"])),
        (path: "augmentation.flip_lr", values: Choices(["0.0", "0.5"])),
    ],
)"#;
    fs::write(at("tiny.search.ron"), text).unwrap();
    let search = || {
        let mut command = program();
        command.arg("search").arg("--recipe").arg(at("tiny.search.ron")).arg("--data").arg(&data);
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
    assert_eq!(summary["test"]["trial"], ranking[0]["trial"]);
    assert!(at("search/test.json").is_file() && at("search/ranking.csv").is_file());
}
