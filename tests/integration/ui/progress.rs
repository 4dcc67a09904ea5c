//! Slices that are done, notes, second readers, sources of voxels, filling from a prediction, and changed keys.

use super::learning::with_run;
use super::screen::{Screen, write_mask};
use egui::{Key, Modifiers, PointerButton, Vec2};
use maskwright::core::{Origin, Plane, SliceStatus};
use maskwright::edit::{Brush, BrushShape, PaintRule, Stroke};
use maskwright::workspace::{EditCommand, FileCommand, LayerCommand, SourceKind};

const NONE: Modifiers = Modifiers::NONE;
const SHIFT: Modifiers = Modifiers::SHIFT;
const CTRL: Modifiers = Modifiers::COMMAND;

fn status(screen: &Screen, slice: usize) -> SliceStatus {
    screen.document().layer().unwrap().work.slices.status(slice)
}

#[test]
fn slices_are_marked_by_key_and_by_button_and_the_next_one_comes() {
    let mut screen = Screen::with_scan();
    screen.key(NONE, Key::J);
    assert!(screen.document().layer().is_none(), "there is nothing to mark yet");
    screen.key(NONE, Key::B);
    screen.paint(Plane::Axial, NONE);
    let first = screen.shown_slice(Plane::Axial) - 1;
    screen.key(NONE, Key::J);
    assert_eq!(status(&screen, first), SliceStatus::Corrected);
    assert_eq!(screen.shown_slice(Plane::Axial) - 1, first + 1, "the next one that is to do");
    screen.key(SHIFT, Key::J);
    assert_eq!(status(&screen, first + 1), SliceStatus::Approved);
    screen.key(NONE, Key::Comma);
    assert_eq!(screen.shown_slice(Plane::Axial) - 1, first - 1, "back over the two that are done");
    screen.key(NONE, Key::Period);
    assert_eq!(screen.shown_slice(Plane::Axial) - 1, first + 2);
    assert!(screen.says("2 of 24"), "progress of the case");
    screen.click("Slice is corrected");
    assert_eq!(status(&screen, first + 2), SliceStatus::Corrected);
    screen.key(NONE, Key::U);
    assert_eq!(status(&screen, first + 2), SliceStatus::ToDo);
    // Painting on an approved slice takes the approval back.
    screen.key(NONE, Key::ArrowUp);
    screen.key(NONE, Key::ArrowDown);
    screen
        .workspace_mut()
        .dispatch(maskwright::workspace::ViewCommand::Slice { plane: Plane::Axial, index: first + 1 });
    screen.steps(2);
    screen.paint(Plane::Axial, NONE);
    assert_eq!(status(&screen, first + 1), SliceStatus::Corrected);
    // Marks are steps like any other.
    screen.key(CTRL, Key::Z);
    screen.key(CTRL, Key::Z);
    assert_eq!(screen.document().redo_name(), Some(format!("To do: slice {}", first + 3).as_str()));
    assert_eq!(status(&screen, first + 2), SliceStatus::Corrected);
}

#[test]
fn notes_are_written_listed_and_lead_back() {
    let mut screen = Screen::with_scan();
    screen.key(NONE, Key::B);
    screen.paint(Plane::Axial, NONE);
    let slice = screen.shown_slice(Plane::Axial) - 1;
    screen.key(SHIFT, Key::N);
    screen.type_text("metal artefact");
    screen.key(NONE, Key::Enter);
    assert_eq!(screen.document().layer().unwrap().work.slices.note(slice), "metal artefact");
    assert_eq!(screen.document().undo_name(), Some("Write note"));
    let middle = screen.pane(Plane::Axial).center();
    screen.wheel(middle, 3.0, NONE);
    screen.click(&format!("{}: metal artefact", slice + 1));
    assert_eq!(screen.shown_slice(Plane::Axial) - 1, slice);
    screen.key(CTRL, Key::Z);
    assert_eq!(screen.document().layer().unwrap().work.slices.note(slice), "");
}

#[test]
fn a_second_reader_starts_from_nothing_with_the_same_segments() {
    let mut screen = Screen::with_scan();
    let mask = write_mask(screen.dir.path());
    screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
    screen.wait();
    screen.steps(3);
    screen.click("More for layer ball.nrrd");
    screen.click("Second reader's layer");
    let layer = screen.document().layer().unwrap();
    assert_eq!((layer.name.as_str(), layer.work.reader), ("Reader 2", 2));
    assert_eq!(layer.segments[0].name, "Ball");
    assert_eq!(screen.count(1), 0);
    assert!(screen.says("reader 1, from ball.nrrd") && screen.says("reader 2, drawn here"));
}

#[test]
fn a_prediction_fills_what_nobody_touched_and_sources_are_shown() {
    let mut screen = Screen::with_scan();
    let mask = write_mask(screen.dir.path());
    screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
    screen.wait();
    let ball = screen.labels();
    // The first layer stands for an old prediction that a person corrects, the second for a new one.
    let id = screen.document().active_layer.unwrap();
    screen.workspace_mut().dispatch(LayerCommand::Duplicate(id));
    let id = screen.document().active_layer.unwrap();
    let model = Origin::Model { run: "lungs".into(), checkpoint: "best".into() };
    let document = screen.workspace_mut().active_document_mut().unwrap();
    document.case.layer_mut(id).unwrap().origin = model;
    screen.key(NONE, Key::B);
    screen.steps(2);
    let middle = screen.pane(Plane::Axial).center();
    screen.drag(middle, middle + Vec2::new(10.0, 0.0), PointerButton::Primary, CTRL);
    let corrected = screen.labels();
    assert!(corrected.counts()[1] < ball.counts()[1]);
    // The other layer has grown meanwhile.
    let source = screen.document().case.layers[0].id;
    let grown = {
        let mut grown = ball.clone();
        let mut stroke = Stroke::begin(&grown);
        let brush = Brush { shape: BrushShape::Sphere, radius_mm: 16.0 };
        let at = glam::DVec3::new(36.0, 32.0, 12.0);
        stroke.extend(&mut grown, at, at, &brush, &PaintRule::paint(1, [false; 256]));
        grown
    };
    screen.workspace_mut().active_document_mut().unwrap().case.layer_mut(source).unwrap().labels = grown.clone();
    screen.key(SHIFT, Key::F);
    screen.click("Preview");
    screen.wait();
    assert!(screen.document().preview().is_some() && screen.says("Would add"), "shown before it is done");
    assert_eq!(screen.labels(), corrected);
    screen.key(NONE, Key::Enter);
    let filled = screen.labels();
    let lost = ball.counts()[1] - corrected.counts()[1];
    assert_eq!(filled.counts()[1] + lost, grown.counts()[1], "what a person erased stays erased");
    assert_eq!(screen.document().undo_name(), Some("Fill what nobody touched: Ball"));

    screen.key(SHIFT, Key::G);
    let view = screen.document().source_view().expect("sources are shown");
    assert_eq!(view.counts()[usize::from(SourceKind::Erased.number())], lost);
    screen.click("Layers");
    assert!(screen.says("Erased by a person"));
    screen.paint(Plane::Axial, NONE);
    let person = screen.document().source_view().unwrap().counts()[usize::from(SourceKind::Person.number())];
    assert!(person > 0, "the picture follows the brush");
    screen.key(SHIFT, Key::G);
    assert!(screen.document().source_view().is_none());
    screen.workspace_mut().dispatch(EditCommand::Undo);
    // Told otherwise, the prediction has its way.
    screen.key(SHIFT, Key::F);
    screen.click("Also over what people did");
    screen.wait();
    screen.key(NONE, Key::Enter);
    assert_eq!(screen.labels(), grown);
}

#[test]
fn a_prediction_into_the_mask_is_shown_first_and_spares_what_a_person_touched() {
    let mut screen = with_run();
    screen.click("Train");
    screen.click("Runs");
    screen.click("Device");
    screen.click("CPU");
    // The mask stands for an older prediction that a person corrects on one slice.
    let target = screen.document().active_layer.unwrap();
    let model = Origin::Model { run: "older".into(), checkpoint: "best".into() };
    screen.workspace_mut().active_document_mut().unwrap().case.layer_mut(target).unwrap().origin = model;
    let old = screen.labels().to_dense();
    screen.key(NONE, Key::B);
    let middle = screen.pane(Plane::Axial).center();
    screen.drag(middle, middle + Vec2::new(10.0, 0.0), PointerButton::Primary, CTRL);
    let beside = middle + Vec2::new(112.0, 0.0);
    screen.drag(beside, beside + Vec2::new(8.0, 0.0), PointerButton::Primary, NONE);
    let corrected = screen.labels();
    let by_hand = corrected.to_dense();
    for (from, to) in [(1, 0), (0, 1)] {
        assert!(old.iter().zip(&by_hand).any(|(a, b)| (*a, *b) == (from, to)), "{from} became {to} somewhere");
    }

    let layers = screen.document().case.layers.len();
    screen.key(CTRL | SHIFT, Key::P);
    screen.until("the preview", |w| w.active_document().is_some_and(|d| d.preview().is_some()));
    screen.wait();
    let document = screen.document();
    assert_eq!(document.case.layers.len(), layers + 1, "the prediction is a layer of its own");
    assert_eq!((document.active_layer, document.preview().unwrap().layer), (Some(target), target));
    let is_new = |l: &&maskwright::core::Layer| l.name.starts_with("Prediction of ");
    let predicted = document.case.layers.iter().find(is_new).expect("the prediction").labels.to_dense();
    assert_eq!(screen.labels(), corrected, "shown before it is done");
    assert!(screen.paints_in(screen.pane(Plane::Axial), "Preview: "));

    screen.key(NONE, Key::Enter);
    let filled = screen.labels();
    let now = filled.to_dense();
    for (n, label) in now.iter().enumerate() {
        let want = if by_hand[n] == old[n] { predicted[n] } else { by_hand[n] };
        assert_eq!(*label, want, "voxel {n}");
    }
    assert_ne!(filled, corrected, "the tiny network does not find the ball to the voxel");
    assert_eq!(screen.document().undo_name(), Some("Fill what nobody touched: Ball"));
    screen.key(CTRL, Key::Z);
    assert_eq!(screen.labels(), corrected);
    screen.key(CTRL, Key::Y);
    assert_eq!(screen.labels(), filled);
    screen.key(CTRL, Key::Z);
    // What is not wanted goes without a trace in the mask.
    screen.key(CTRL | SHIFT, Key::P);
    screen.until("the preview", |w| w.active_document().is_some_and(|d| d.preview().is_some()));
    screen.wait();
    screen.key(NONE, Key::Escape);
    assert!(screen.document().preview().is_none());
    assert_eq!(screen.labels(), corrected);
}

#[test]
fn keys_can_be_changed_and_are_kept() {
    let mut screen = Screen::with_scan();
    screen.key(NONE, Key::F1);
    screen.click("Keys of Tools: Brush");
    screen.key(NONE, Key::J);
    assert!(screen.says("no longer \"Slice is corrected"), "whose keys they were is told");
    screen.key(NONE, Key::F1);
    screen.key(NONE, Key::B);
    screen.paint(Plane::Axial, NONE);
    assert!(screen.document().layer().is_none(), "B is free now");
    screen.key(NONE, Key::J);
    screen.paint(Plane::Axial, NONE);
    assert!(screen.count(1) > 0, "J takes the brush");
    screen.wait();
    let kept = maskwright::workspace::Settings::load(&screen.workspace().home);
    assert_eq!(kept.keys.get("Tools: Brush").map(String::as_str), Some("J"));
    screen.key(NONE, Key::F1);
    screen.click("Reset all keys");
    assert!(screen.says("All keys are the defaults again."));
    screen.key(NONE, Key::F1);
    screen.key(NONE, Key::V);
    screen.key(NONE, Key::J);
    assert_eq!(screen.document().layer().unwrap().work.slices.progress(24), [23, 1, 0], "J marks slices again");
}
