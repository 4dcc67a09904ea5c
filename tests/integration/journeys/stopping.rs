//! Ctrl-C, and a disk that is full: what is there stays whole, and the work can go on.
#![cfg(unix)]

use super::program::{Ended, phantoms, program, tiny_recipe, train, tree};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn ctrl_c_leaves_a_checkpoint_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (data, run, recipe) = (folder.path().join("data"), folder.path().join("run"), tiny_recipe(folder.path()));
    phantoms("chest", "lungs", 3, &data);
    let mut command = program();
    command.arg("train").arg("--recipe").arg(&recipe).arg("--data").arg(&data).arg("--run").arg(&run);
    command.args(["--device", "cpu", "--epochs", "100000"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let begun = Instant::now();
    while !run.join("curves.csv").is_file() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no epoch was finished");
        std::thread::sleep(Duration::from_millis(20));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let ended = Ended::of(&child.wait_with_output().unwrap());
    assert!(ended.out.contains("epoch 1:"), "{}", ended.out);
    // A plan for so little data also warns of rare foreground; the last line is how it ended.
    assert_eq!(ended.status, Some(1), "{}", ended.err);
    assert_eq!(ended.err.lines().last(), Some("Training was cancelled."));
    assert!(tree(&run).iter().all(|p| !p.to_string_lossy().contains("/.")), "{:?}", tree(&run));

    let position = |name: &str| -> serde_json::Value {
        let text = fs::read(run.join("checkpoints").join(name).join("manifest.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()["position"].clone()
    };
    let done = position("last")["epoch"].as_u64().unwrap();
    assert!(done >= 1);
    let epochs = (done + 1).to_string();
    let resumed = maskwright!(
        "train", "--recipe", recipe, "--data", data, "--run", run, "--device", "cpu", "--resume", "--json", "--epochs",
        epochs
    );
    assert_eq!(resumed.json()["epochs"], done + 1);
    assert_eq!(fs::read_to_string(run.join("curves.csv")).unwrap().lines().count() as u64, done + 2);
}

/// The program where no file may grow beyond `blocks` of 1024 bytes, which it meets as it would a full disk.
fn cramped(blocks: usize) -> Command {
    let mut command = Command::new("bash");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    command.args(["-c", &script, "bash"]).arg(env!("CARGO_BIN_EXE_maskwright"));
    command
}

fn refused(command: &mut Command, words: &[&str]) {
    let ended = Ended::of(&command.output().unwrap());
    // What was planned is said before the disk is full; the last line is why it stopped.
    let last = ended.err.lines().last().unwrap_or_default().to_owned();
    Ended { err: last, ..ended }.refused(words);
}

#[test]
fn no_space_left_leaves_old_files_and_no_halves() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (data, recipe) = (at("data"), tiny_recipe(folder.path()));
    phantoms("chest", "lungs", 3, &data);
    let ct = data.join("phantom_001/ct");
    fs::write(at("old.nii.gz"), b"what was there").unwrap();
    let before = tree(folder.path());

    refused(cramped(4).arg("convert").arg(&ct).arg(at("old.nii.gz")), &["old.nii.gz was not saved"]);
    assert_eq!(fs::read(at("old.nii.gz")).unwrap(), b"what was there");
    let train_there = |run: &Path, blocks: usize| {
        let mut command = cramped(blocks);
        command.arg("train").arg("--recipe").arg(&recipe).arg("--data").arg(&data).arg("--run").arg(run);
        command.args(["--device", "cpu", "--epochs", "2"]);
        command
    };
    refused(&mut train_there(&at("run"), 8), &["could not be written"]);
    let mut phantom = cramped(2);
    phantom.args(["phantom", "--kind", "chest", "--layout", "nnunet", "--size", "32", "--slices", "8", "--out"]);
    refused(phantom.arg(at("more")), &["was not saved"]);
    let left = tree(folder.path());
    let files: Vec<_> = left.difference(&before).filter(|p| at(&p.to_string_lossy()).is_file()).collect();
    assert!(files.is_empty(), "{files:?}");
    assert!(!at("run").exists());

    // With room again, the same folder serves.
    train(&recipe, &data, &at("run"), 1).done();
    let saved = fs::read(at("run/checkpoints/last/weights.safetensors")).unwrap();
    refused(train_there(&at("run"), 8).arg("--resume"), &["could not be written"]);
    assert_eq!(fs::read(at("run/checkpoints/last/weights.safetensors")).unwrap(), saved);
    refused(
        cramped(0)
            .arg("predict")
            .arg("--run")
            .arg(at("run"))
            .arg("--input")
            .arg(&ct)
            .arg("--output")
            .arg(at("p.nrrd"))
            .args(["--device", "cpu"]),
        &["p.nrrd was not saved"],
    );
    assert!(!at("p.nrrd").exists());
}
