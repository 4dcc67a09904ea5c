//! Bad input: one sentence, status 1, and nothing half-written; wrong usage: status 2.

use super::program::{Ended, phantoms, program, tiny_recipe, train, tree};
use std::fs;
use std::path::Path;

#[test]
fn missing_and_empty_places() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("empty")).unwrap();
    let recipe = tiny_recipe(folder.path());
    let before = tree(folder.path());
    for (place, word) in [("none", "does not exist"), ("empty", "empty")] {
        let place = at(place);
        maskwright!("info", place).refused(&[word]);
        assert_eq!(maskwright!("info", place, "--json").out, "");
        maskwright!("convert", place, at("o.nii.gz")).refused(&[word]);
        maskwright!("evaluate", "--truth", place, "--prediction", place, "--out", at("report")).refused(&[word]);
        maskwright!("train", "--recipe", recipe, "--data", place, "--run", at("run")).refused(&[word]);
        maskwright!("predict", "--run", place, "--input", place, "--output", at("o.nrrd")).refused(&[word]);
    }
    assert_eq!(tree(folder.path()), before);
}

#[test]
fn truncated_and_mixed_slices() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    phantoms("chest", "lungs", 1, &at("data"));
    let ct = at("data/phantom_001/ct");
    let slices: Vec<_> = tree(&ct).into_iter().collect();
    let bytes = fs::read(ct.join(&slices[3])).unwrap();
    let whole = fs::read(ct.join(&slices[5])).unwrap();

    fs::create_dir(at("single")).unwrap();
    fs::write(at("single/cut.dcm"), &bytes[..bytes.len() - 700]).unwrap();
    // A folder is listed with what is wrong in it; a file that gives nothing is refused.
    assert!(maskwright!("info", at("single")).done().contains("ends too early"));
    maskwright!("info", at("single/cut.dcm")).refused(&["cut.dcm", "ends too early"]);
    maskwright!("info", at("single/cut.dcm"), "--json").refused(&["cut.dcm", "ends too early"]);
    // By its name alone: the sentence about the slice holds that name too.
    let beside = program().current_dir(at("single")).args(["info", "cut.dcm"]).output().unwrap();
    Ended::of(&beside).refused(&["cut.dcm cannot be opened: A slice is left out (cut.dcm): it ends too early"]);
    for place in [at("single"), at("single/cut.dcm")] {
        maskwright!("convert", place, at("o.nii.gz")).refused(&["ends too early"]);
    }
    fs::write(at("single/cut.dcm"), &bytes[..200]).unwrap();
    maskwright!("convert", at("single"), at("o.nii.gz")).refused(&["cut.dcm"]);

    // One broken slice among eight: not silently a smaller volume, but on request.
    fs::write(ct.join(&slices[3]), &bytes[..bytes.len() - 700]).unwrap();
    maskwright!("convert", ct, at("o.nii.gz")).refused(&["in part only", "ends too early", "part 2"]);
    let named = format!("error: A slice is left out ({}): it ends too early", slices[3].display());
    let told = maskwright!("info", ct).done();
    assert!(told.contains(&named), "{named} is not in {told}");
    fs::write(ct.join(&slices[5]), &bytes[..bytes.len() - 700]).unwrap();
    let named = format!("error: 2 slices are left out; of the first, {}: it ends too early", slices[3].display());
    let told = maskwright!("info", ct).done();
    assert!(told.contains(&named), "{named} is not in {told}");
    fs::write(ct.join(&slices[5]), &whole).unwrap();
    assert!(!at("o.nii.gz").exists());
    maskwright!("convert", ct, at("o.nii.gz"), "--series", "CT 1 part 2").done();
    assert_eq!(super::program::volume(&at("o.nii.gz")).geometry().dims(), [32, 32, 4]);

    // Slices of two sizes under one roof.
    fs::write(ct.join(&slices[3]), &bytes).unwrap();
    maskwright!(
        "phantom",
        "--kind",
        "chest",
        "--layout",
        "lungs",
        "--size",
        "40",
        "--slices",
        "8",
        "--out",
        at("other")
    )
    .done();
    for name in &slices[5..] {
        fs::copy(at("other/phantom_001/ct").join(name), ct.join(name)).unwrap();
    }
    maskwright!("convert", ct, at("mixed.nii.gz")).refused(&["CT 1", "CT 2"]);
    assert!(!at("mixed.nii.gz").exists());
}

#[test]
fn masks_of_another_image() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    phantoms("chest", "lungs", 1, &at("data"));
    maskwright!(
        "phantom",
        "--kind",
        "chest",
        "--layout",
        "lungs",
        "--size",
        "40",
        "--slices",
        "8",
        "--out",
        at("other")
    )
    .done();
    let (ct, mask) = (at("data/phantom_001/ct"), at("data/phantom_001/lungs.nii.gz"));
    let wrong = at("other/phantom_001/lungs.nii.gz");
    let before = tree(folder.path());
    let sizes = ["40 x 40 x 8", "32 x 32 x 8"];
    maskwright!("evaluate", "--truth", mask, "--prediction", wrong, "--out", at("report")).refused(&sizes);
    maskwright!("convert", wrong, at("o.dcm"), "--reference", ct).refused(&sizes);
    maskwright!("convert", mask, at("o.dcm")).refused(&["o.dcm", "DICOM series"]);
    maskwright!("convert", mask, at("o.tiff")).refused(&["o.tiff", ".nii.gz"]);
    assert_eq!(tree(folder.path()), before);
    // A training set with such a pair names the case and writes no run.
    fs::copy(&wrong, &mask).unwrap();
    train(&tiny_recipe(folder.path()), &at("data"), &at("run"), 1).refused(&["phantom_001", "40 x 40 x 8"]);
    assert!(!at("run").exists());
}

#[test]
fn places_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    phantoms("chest", "lungs", 3, &at("data"));
    // Below a file no folder can be made, whoever asks.
    fs::write(at("file"), b"x").unwrap();
    let (ct, lungs, recipe) =
        (at("data/phantom_001/ct"), at("data/phantom_001/lungs.nii.gz"), tiny_recipe(folder.path()));
    let before = tree(folder.path());
    let word = ["a part of its path is not a folder"];
    maskwright!("convert", ct, at("file/o.nii.gz")).refused(&word);
    maskwright!("convert", ct, at("nowhere/o.nrrd")).refused(&["o.nrrd", "does not exist"]);
    maskwright!("evaluate", "--truth", lungs, "--prediction", lungs, "--out", at("file/report")).refused(&word);
    maskwright!("phantom", "--kind", "l3", "--layout", "chaos", "--size", "32", "--out", at("file/x")).refused(&word);
    maskwright!("phantom", "--kind", "l3", "--layout", "chaos", "--size", "3", "--out", at("x/y"))
        .refused(&["16 to 2048"]);
    maskwright!("demo", "--headless", "--out", at("file/demo")).refused(&word);
    train(&recipe, &at("data"), &at("file/run"), 1).refused(&word);
    assert_eq!(tree(folder.path()), before);
}

#[test]
fn recipes_with_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let recipe = tiny_recipe(folder.path());
    let good = fs::read_to_string(&recipe).unwrap();
    let train = |recipe: &Path| maskwright!("train", "--recipe", recipe, "--data", folder.path(), "--run", at("run"));
    train(Path::new("no-such-recipe")).refused(&["no-such-recipe", "lung-binary", "liver-chaos"]);
    fs::write(&recipe, good.replace("batch_size", "bach_size")).unwrap();
    train(&recipe).refused(&["tiny.ron", "line 8", "column", "bach_size"]);
    fs::write(&recipe, good.replace("size: 32", "size: 33")).unwrap();
    train(&recipe).refused(&["preprocessing.size is 33", "multiple of 4"]);
    fs::write(&recipe, &good).unwrap();
    let set = |assignment: &str| {
        maskwright!("train", "--recipe", recipe, "--data", folder.path(), "--run", at("run"), "--set", assignment)
    };
    set("optimizer.speed=3").refused(&["optimizer.speed"]);
    set("optimizer.lr=fast").refused(&["optimizer.lr=fast"]);
    assert!(!at("run").exists());
}

#[test]
fn damaged_checkpoints_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (data, run, recipe) = (at("data"), at("run"), tiny_recipe(folder.path()));
    phantoms("chest", "lungs", 3, &data);
    train(&recipe, &data, &run, 1).done();
    let resume = || {
        maskwright!(
            "train", "--recipe", recipe, "--data", data, "--run", run, "--device", "cpu", "--epochs", "2", "--resume"
        )
    };
    let predict = || {
        let ct = data.join("phantom_001/ct");
        maskwright!("predict", "--run", run, "--input", ct, "--output", at("p.nrrd"), "--device", "cpu")
    };
    type Harm = fn(&mut Vec<u8>);
    let harms: [Harm; 3] = [|b| *b.last_mut().unwrap() ^= 64, |b| b.truncate(b.len() / 2), Vec::clear];
    for harm in harms {
        for name in ["best", "last"] {
            let file = run.join("checkpoints").join(name).join("weights.safetensors");
            let good = fs::read(&file).unwrap();
            let mut bad = good.clone();
            harm(&mut bad);
            fs::write(&file, &bad).unwrap();
            let before = tree(folder.path());
            let ended = if name == "best" { predict() } else { resume() };
            ended.refused(&["damaged", "weights.safetensors"]);
            assert_eq!(tree(folder.path()), before);
            assert_eq!(fs::read(&file).unwrap(), bad, "evidence is kept");
            fs::write(&file, good).unwrap();
        }
    }
    predict().done();
    resume().done();
    let manifest = run.join("checkpoints/last/manifest.json");
    fs::write(&manifest, "{").unwrap();
    resume().refused(&["damaged", "manifest.json"]);
    fs::remove_file(manifest).unwrap();
    resume().refused(&["no run to resume"]);
}

#[test]
fn wrong_usage_has_a_status_of_its_own() {
    let wrong: [&[&str]; 6] = [
        &["train"],
        &["train", "--recipe", "demo", "--data", "x"],
        &["predict", "--input", "x", "--output", "y"],
        &["phantom", "--kind", "brain", "--layout", "chaos", "--out", "x"],
        &["convert", "x"],
        &["doctor", "--device", "abacus"],
    ];
    for arguments in wrong {
        let arguments: Vec<&std::ffi::OsStr> = arguments.iter().map(std::ffi::OsStr::new).collect();
        let ended = super::program::run(&arguments);
        assert_eq!(ended.status, Some(2), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains("Usage") || ended.err.contains("--help"), "{}", ended.err);
    }
}
