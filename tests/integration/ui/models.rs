//! Training and prediction from the panel, on the CPU and tiny; the window goes on painting.

use super::recipe;
use super::screen::{Screen, write_mask};
use egui::{Key, Modifiers};
use maskwright::core::{Origin, Plane};
use maskwright::io::layouts::{Layout, PatientInfo, write_patient};
use maskwright::phantom::{Kind, PhantomSpec, generate};
use maskwright::workspace::{FileCommand, TrainingState};

fn choose_cpu(screen: &mut Screen) {
    screen.click("Device");
    screen.click("CPU");
}

fn choose_recipe(screen: &mut Screen) {
    let file = screen.dir.path().join("tiny.ron");
    std::fs::write(&file, recipe::tiny(20000)).unwrap();
    screen.click("File…");
    screen.answer_path(&file);
}

#[test]
fn train_pause_paint_resume_stop_predict() {
    let mut screen = Screen::with_scan();
    let mask = write_mask(screen.dir.path());
    screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
    screen.wait();
    let truth = screen.document().active_layer.unwrap();
    screen.click("Train");
    choose_recipe(&mut screen);
    choose_cpu(&mut screen);
    screen.fill("Run name", "long");
    screen.click("Start training");
    let steps = |w: &maskwright::workspace::Workspace| w.models.training.as_ref().map_or(0, |t| t.step_loss.len());
    screen.until("the first steps", |w| steps(w) > 1);
    // Painting works while it trains.
    screen.key(Modifiers::NONE, Key::B);
    let before = screen.labels();
    screen.paint(Plane::Axial, Modifiers::COMMAND);
    assert_ne!(screen.labels(), before);
    assert!(screen.workspace().models.is_training());
    screen.click("Pause");
    screen.until("the pause", |w| w.models.training.as_ref().is_some_and(|t| t.state == TrainingState::Paused));
    let paused = steps(screen.workspace());
    screen.steps(2);
    assert!(screen.says("left at most") && screen.says(", paused"));
    screen.paint(Plane::Coronal, Modifiers::NONE);
    assert_eq!(steps(screen.workspace()), paused);
    screen.click("Go on");
    screen.until("more steps", |w| steps(w) > paused + 1);
    screen.click("Stop");
    screen.wait();
    assert!(!screen.workspace().models.is_training());

    screen.click("New run");
    screen.steps(2);
    screen.fill("Run name", "short");
    screen.fill("Epochs", "2");
    screen.click("Start training");
    screen.wait();
    assert!(screen.workspace().models.runs.iter().any(|r| r.name == "short" && r.ready));
    assert!(screen.says("Best validation Dice"));
    let bits: Vec<_> = screen.document().case.layers.iter().map(|l| (l.id, l.labels.clone())).collect();
    screen.click("Runs");
    screen.click("Predict this case");
    screen.wait();
    let document = screen.document();
    assert_eq!(document.case.layers.len(), bits.len() + 1);
    assert!(matches!(&document.layer().unwrap().origin, Origin::Model { run, .. } if run == "short"));
    for (id, before) in bits {
        assert_eq!(document.case.layer(id).unwrap().labels, before, "a prediction changes no other layer");
    }
    assert!(document.case.layer(truth).is_some());
}

#[test]
fn a_recipe_that_is_none_is_told_and_cannot_be_started() {
    let mut screen = Screen::with_scan();
    screen.click("Train");
    let file = screen.dir.path().join("bad.ron");
    std::fs::write(&file, "(name: \"bad\"").unwrap();
    screen.click("File…");
    screen.answer_path(&file);
    screen.steps(3);
    assert!(screen.says("bad.ron"));
    assert!(screen.all("Start training").is_empty());
}

/// A search of two trials over the tiny recipe, on two phantom patients.
const SEARCH: &str = r#"(
    name: "pair",
    recipes: ["tiny.ron"],
    method: Grid,
    fields: [(path: "optimizer.lr", values: Choices(["0.01", "0.001"]))],
    set: ["epochs=1", "split={\"Slices\": {\"validation\": 0.34, \"test\": 0.2}}"],
)"#;

#[test]
fn samples_curves_figures_and_runs_are_shown_and_predict_together() {
    let mut screen = Screen::with_scan();
    let mask = write_mask(screen.dir.path());
    screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
    screen.wait();
    screen.click("Train");
    choose_recipe(&mut screen);
    choose_cpu(&mut screen);
    screen.click("Augmentation");
    screen.steps(3);
    assert!(screen.says("slices are learned as they are"));
    screen.click("Show samples");
    screen.wait();
    assert!(screen.workspace().models.preview.is_some());
    assert!(screen.says("three samples each"));
    for run in ["one", "two"] {
        screen.click("New run");
        screen.steps(2);
        screen.fill("Run name", run);
        screen.fill("Epochs", "2");
        screen.click("Start training");
        screen.wait();
        screen.steps(3);
    }
    for words in ["Best validation Dice", "Test, with the best checkpoint", "Hausdorff", "Loss"] {
        assert!(screen.says(words), "{words}");
    }
    let training = screen.workspace().models.training.clone().unwrap();
    assert!(training.pictures.is_some() && training.facts.unwrap().classes[0].pixels > 0.0);
    screen.click("Runs");
    screen.steps(3);
    for run in ["one", "two"] {
        screen.click(run);
    }
    screen.steps(3);
    screen.click("Ticked runs predict together (mean of their probabilities)");
    screen.steps(3);
    assert!(screen.says("2 ticked runs together"));
    let layers = screen.document().case.layers.len();
    screen.click("Predict this case");
    screen.wait();
    assert_eq!(screen.document().case.layers.len(), layers + 1);
    assert!(matches!(&screen.document().layer().unwrap().origin, Origin::Model { run, .. } if run == "one, two"));
}

#[test]
fn the_recipe_can_be_edited_and_mistakes_are_said() {
    let mut screen = Screen::with_scan();
    screen.click("Train");
    choose_recipe(&mut screen);
    screen.click("All settings");
    screen.steps(3);
    assert!(screen.says("The recipe as it will run"));
}

#[test]
fn a_search_runs_from_the_panel_and_shows_its_trials() {
    let mut screen = Screen::with_scan();
    let (dir, data) = (screen.dir.path().to_owned(), screen.dir.path().join("data"));
    for index in 1..=2 {
        let spec = PhantomSpec { kind: Kind::L3, size: 32, slices: 3, seed: index as u64 };
        let made = generate(&spec, &|_| true).unwrap();
        let info = PatientInfo { index, seed: spec.seed, body_part: "ABDOMEN".into() };
        write_patient(&data, Layout::Slices, &info, &made.volume, &made.labels, &made.segments).unwrap();
    }
    std::fs::write(dir.join("tiny.ron"), recipe::tiny(20000)).unwrap();
    std::fs::write(dir.join("pair.search.ron"), SEARCH).unwrap();
    screen.click("Train");
    screen.click("Search");
    screen.steps(3);
    choose_cpu(&mut screen);
    screen.click("File…");
    screen.answer_path(&dir.join("pair.search.ron"));
    screen.click("Folder…");
    screen.answer_path(&data);
    screen.fill("Trials", "2");
    screen.steps(3);
    screen.click("Start search");
    screen.wait();
    let view = screen.workspace().models.search.clone().unwrap();
    assert_eq!((view.ranking.len(), view.state), (2, TrainingState::Ended), "{view:?}");
    assert!(view.ranking.iter().all(|trial| trial.dice.is_some()), "{view:?}");
    for words in ["Trials of search-1", "Each line is a trial", "optimizer.lr", "looked at once", "search.html"] {
        assert!(screen.says(words), "{words}");
    }
    assert!(view.folder.join("search.html").is_file());
    screen.click("search-1");
    screen.wait();
    assert_eq!(screen.workspace().models.search.clone().unwrap().ranking, view.ranking);
}
