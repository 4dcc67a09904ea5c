//! The learning loop driven by pointer and keys, found by accessible names.

use super::recipe;
use super::screen::{Screen, write_mask};
use egui::{Key, Modifiers};
use maskwright::core::Plane;
use maskwright::learn::{Effort, Hint, LoopState};
use maskwright::nn::DeviceChoice;
use maskwright::workspace::{
    FileCommand, LearnView, LearnedLayer, ModelCommand, SettingsCommand, SliceMark, TrainForm, TrainSource, Workspace,
};

/// The small scan with the ball as a mask, and a run that was trained on it.
pub fn with_run() -> Screen {
    let mut screen = Screen::with_scan();
    screen.workspace_mut().dispatch(SettingsCommand::Device(DeviceChoice::Cpu));
    let mask = write_mask(screen.dir.path());
    screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
    screen.wait();
    let recipe = screen.dir.path().join("tiny.ron");
    std::fs::write(&recipe, recipe::tiny(3)).unwrap();
    screen.workspace_mut().dispatch(ModelCommand::Train(TrainForm {
        recipe: recipe.to_string_lossy().into_owned(),
        source: TrainSource::ActiveCase,
        run: "first".into(),
        epochs: 3,
        learning_rate: 0.01,
        batch_size: 8,
        device: DeviceChoice::Cpu,
        resume: false,
        text: None,
        init: None,
    }));
    screen.wait();
    screen
}

fn ranked(w: &Workspace) -> bool {
    w.active_document().and_then(|d| d.learned()).is_some_and(|l| !l.is_waiting())
}

#[test]
fn predict_correct_finish_retrain_and_roll_back_by_pointer_and_keys() {
    let mut screen = with_run();
    screen.click("Learn");
    screen.fill("Loop name", "by-hand");
    screen.fill("Retrain after", "3");
    screen.fill("Steps a round", "8");
    screen.click("Start the loop");
    screen.until("the predictions", ranked);
    screen.steps(3);
    assert!(screen.says("by-hand: version 0 in use"));
    assert!(screen.says("predicted by version 0, untouched"));
    assert!(screen.says("0 of 3 slices for the next round"));
    let own: Vec<_> = screen
        .document()
        .case
        .layers
        .iter()
        .filter(|l| !l.name.starts_with("Loop"))
        .map(|l| (l.id, l.labels.clone()))
        .collect();
    assert!(!own.is_empty());
    let mut slices = Vec::new();
    for _ in 0..3 {
        screen.key(Modifiers::COMMAND, Key::J);
        screen.steps(2);
        assert!(screen.says("Shown because"));
        screen.key(Modifiers::NONE, Key::B);
        // Painted and erased: whatever was predicted there, one of them changes something.
        screen.paint(Plane::Axial, Modifiers::NONE);
        screen.paint(Plane::Axial, Modifiers::COMMAND);
        assert!(screen.says("changed by hand, not done"));
        screen.key(Modifiers::COMMAND, Key::D);
        screen.steps(2);
        let shown = screen.shown_slice(Plane::Axial) - 1;
        let mark = screen.document().learned().map(|l| l.mark(shown));
        assert_eq!(mark, Some(SliceMark::Done));
        assert!(!slices.contains(&shown), "each slice is shown once");
        slices.push(shown);
    }
    screen.until("the round's end", |w| {
        let state = w.learning.view.as_ref().and_then(|v| v.state.as_ref());
        state.is_some_and(|s| s.rounds.len() == 1 && !s.tuning)
    });
    screen.steps(2);
    assert!(screen.says("Version 0 stays") || screen.says("Version 1 replaces version 0"));
    assert_eq!(screen.document().learned().map(LearnedLayer::done), Some(3));
    // Rounds by hand until one is taken, then back to the first version by a click.
    for _ in 0..12 {
        if screen.says("by-hand: version 1 in use") {
            break;
        }
        let rounds =
            |w: &Workspace| w.learning.view.as_ref().and_then(|v| v.state.as_ref()).map_or(0, |s| s.rounds.len());
        let before = rounds(screen.workspace());
        screen.key(Modifiers::COMMAND | Modifiers::SHIFT, Key::J);
        screen.until("another round", |w| {
            rounds(w) > before && w.learning.view.as_ref().is_some_and(|v| v.state.as_ref().is_some_and(|s| !s.tuning))
        });
        screen.steps(2);
    }
    assert!(screen.says("by-hand: version 1 in use"), "no candidate was ever better");
    screen.click("Use version 0");
    screen.until("the rollback", |w| {
        w.learning.view.as_ref().and_then(|v| v.state.as_ref()).is_some_and(|s| s.in_use == 0)
    });
    screen.steps(2);
    assert!(screen.says("by-hand: version 0 in use"));
    for (id, labels) in own {
        assert_eq!(screen.document().case.layer(id).unwrap().labels, labels, "other layers are as they were");
    }
    let report = screen.dir.path().join("effort.csv");
    screen.click("Report…");
    screen.answer_path(&report);
    screen.until("the report", |_| report.is_file());
    assert!(
        std::fs::read_to_string(&report)
            .unwrap()
            .starts_with("of,version,case,slice,slices,strokes,voxels,seconds\nversion,0,,,3,")
    );
    screen.click("Stop");
    screen.until("the end", |w| !w.learning.is_running());
    screen.wait();
    assert!(screen.says("Go on with this loop"));
}

#[test]
fn without_a_model_the_panel_says_what_is_missing() {
    let mut screen = Screen::with_scan();
    screen.click("Learn");
    assert!(screen.says("Train a model first"));
}

#[test]
fn effort_falls_from_version_to_version_on_the_panel_and_the_hint_says_when_to_stop() {
    let mut screen = Screen::with_scan();
    let hint = "The last 3 rounds made the network no better on the slices set aside";
    let first = (0, 5, Effort { strokes: 20, voxels: 1500, seconds: 105.0 });
    let second = (1, 2, Effort { strokes: 5, voxels: 90, seconds: 17.0 });
    let state = LoopState { recipe: "tiny".into(), effort: vec![first], ..LoopState::default() };
    let mut view = LearnView {
        name: "kept".into(),
        folder: screen.dir.path().into(),
        state: Some(state.clone()),
        step: None,
        outcome: String::new(),
        reason: None,
        running: false,
    };
    screen.workspace_mut().learning.view = Some(view.clone());
    screen.click("Learn");
    screen.steps(3);
    for text in ["300", "4.0", "21"] {
        screen.text_node(text);
    }
    assert!(!screen.says("Voxels changed a slice, by version"), "one version compares nothing");
    assert!(!screen.says("The last 3 rounds"));
    view.state = Some(LoopState { effort: vec![first, second], hint: Hint::Stop(hint.into()), in_use: 1, ..state });
    screen.workspace_mut().learning.view = Some(view);
    screen.steps(3);
    for text in ["300", "45", "2.5"] {
        screen.text_node(text);
    }
    assert!(screen.says("Voxels changed a slice, by version"));
    assert!(screen.says(hint));
}

#[test]
fn what_the_model_was_trained_on_is_offered_for_replay() {
    let mut screen = with_run();
    let data = screen.dir.path().join("lungs of then");
    std::fs::create_dir(&data).unwrap();
    // As if it had been trained on that folder.
    screen.workspace_mut().settings.trained_on.insert("first".into(), data);
    screen.click("Learn");
    screen.steps(3);
    assert!(screen.says("Slices of lungs of then are replayed, so that nothing is forgotten."));
    screen.click("None");
    screen.steps(3);
    assert!(screen.says("Nothing is replayed: the network may forget what it was trained on."));
}
