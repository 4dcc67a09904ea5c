//! Layers and segments by name, masks in and out, projects.

use super::screen::{Screen, write_mask};
use egui::{Key, Modifiers};
use maskwright::core::Plane;
use maskwright::workspace::{LayerCommand, SegmentCommand};

#[test]
fn segments_are_added_renamed_locked_and_hidden() {
    let mut screen = Screen::with_scan();
    screen.click("New layer");
    screen.click("Add segment");
    assert_eq!(screen.document().active_segment, 2);
    screen.key(Modifiers::NONE, Key::B);
    screen.paint(Plane::Axial, Modifiers::NONE);
    assert!(screen.count(2) > 0 && screen.count(1) == 0);
    screen.click("More for segment Segment 2");
    screen.click("Rename");
    screen.steps(3);
    screen.key(Modifiers::COMMAND, Key::A);
    screen.type_text("Tumour");
    screen.key(Modifiers::NONE, Key::Enter);
    assert_eq!(screen.document().layer().unwrap().segment(2).unwrap().name, "Tumour");
    screen.click("Lock Tumour");
    let locked = screen.labels();
    screen.paint(Plane::Coronal, Modifiers::NONE);
    assert_eq!(screen.labels(), locked, "a locked segment is not painted");
    screen.menu("Help", "Messages");
    assert!(screen.says("Tumour is locked"));
    screen.click("Close window");
    screen.click("Unlock Tumour");
    screen.paint(Plane::Coronal, Modifiers::NONE);
    assert!(screen.count(2) > locked.counts()[2]);
    screen.click("Show Tumour");
    assert!(!screen.document().layer().unwrap().segment(2).unwrap().visible);
    screen.key(Modifiers::NONE, Key::Q);
    assert_eq!(screen.document().active_segment, 1);
    screen.key(Modifiers::NONE, Key::W);
    assert_eq!(screen.document().active_segment, 2);
}

#[test]
fn a_mask_is_imported_corrected_and_exported() {
    let mut screen = Screen::with_scan();
    let mask = write_mask(screen.dir.path());
    screen.key(Modifiers::COMMAND, Key::I);
    screen.answer_path(&mask);
    screen.wait();
    let layer = screen.document().layer().expect("the import is a layer").clone();
    assert_eq!(layer.segments[0].name, "Ball");
    assert!(screen.says("from ball.nrrd"));
    screen.key(Modifiers::NONE, Key::B);
    screen.paint(Plane::Axial, Modifiers::COMMAND);
    let corrected = screen.labels();
    assert_ne!(corrected, layer.labels);
    let out = screen.dir.path().join("corrected.nii.gz");
    screen.key(Modifiers::COMMAND, Key::E);
    screen.answer_path(&out);
    screen.wait();
    let context = maskwright::jobs::JobContext::detached();
    let back = maskwright::io::open_mask(&out, Some(&screen.document().case.geometry), &context).unwrap();
    assert_eq!(back.labels.to_dense(), corrected.to_dense());
}

#[test]
fn a_project_is_saved_and_opened_again() {
    let mut screen = Screen::with_scan();
    screen.key(Modifiers::NONE, Key::B);
    screen.paint(Plane::Axial, Modifiers::NONE);
    assert!(screen.document().is_unsaved());
    let project = screen.dir.path().join("work.maskwright");
    screen.key(Modifiers::COMMAND, Key::S);
    screen.answer_path(&project);
    screen.wait();
    assert!(!screen.document().is_unsaved());
    let bits = screen.labels();
    // The second save knows where.
    screen.paint(Plane::Coronal, Modifiers::NONE);
    screen.key(Modifiers::COMMAND, Key::S);
    screen.wait();
    assert!(!screen.document().is_unsaved());
    assert_ne!(screen.labels(), bits);
    let bits = screen.labels();
    screen.menu("File", "Close case");
    screen.key(Modifiers::COMMAND, Key::O);
    screen.answer_path(&project);
    screen.wait();
    assert_eq!(screen.labels(), bits);
    assert!(!screen.document().is_unsaved());
}

#[test]
fn a_layer_is_marked_as_reviewed_and_loses_the_mark_when_it_changes() {
    let mut screen = Screen::with_scan();
    screen.key(Modifiers::NONE, Key::B);
    screen.paint(Plane::Axial, Modifiers::NONE);
    let reviewed = |screen: &Screen| screen.document().layer().unwrap().reviewed;
    screen.click("More for layer Manual");
    screen.click("Mark as reviewed");
    assert!(reviewed(&screen) && screen.says("reviewed, drawn here") && screen.document().is_unsaved());
    screen.paint(Plane::Coronal, Modifiers::NONE);
    assert!(!reviewed(&screen), "what was looked at is not what is there now");
    screen.key(Modifiers::COMMAND, Key::K);
    screen.type_text("reviewed active");
    screen.key(Modifiers::NONE, Key::Enter);
    assert!(reviewed(&screen));
    screen.key(Modifiers::COMMAND, Key::Z);
    assert!(!reviewed(&screen), "marking is a step like any other");
    screen.key(Modifiers::COMMAND, Key::Y);
    assert!(reviewed(&screen));

    let out = screen.dir.path().join("Dataset007_Test");
    screen.menu("File", "Export reviewed cases…");
    screen.answer_path(&out);
    screen.wait();
    assert!(out.join("dataset.json").is_file() && out.join("labelsTr/case_001.nii.gz").is_file());
    let surface = screen.dir.path().join("segment.stl");
    screen.click("More for segment Segment 1");
    screen.click("Export surface…");
    screen.answer_path(&surface);
    screen.wait();
    assert!(surface.is_file());
    screen.menu("Help", "Messages");
    assert!(screen.says("the surface encloses"));
}

#[test]
fn every_button_of_the_layers_panel_has_a_name_of_its_own() {
    let mut screen = Screen::with_scan();
    screen.click("New layer");
    screen.click("Add segment");
    for name in [
        "Show Manual",
        "More for layer Manual",
        "Colour of Segment 1",
        "Colour of Segment 2",
        "Show Segment 2",
        "Lock Segment 2",
        "More for segment Segment 1",
        "More for segment Segment 2",
    ] {
        assert_eq!(screen.all(name).len(), 1, "{name}");
    }
    assert!(screen.all("…").is_empty(), "dots alone say nothing to those who hear the window");
}

#[test]
fn a_segment_gets_a_colour_by_its_control_as_one_step() {
    let mut screen = Screen::with_scan();
    screen.click("New layer");
    let color = |screen: &Screen| screen.document().layer().unwrap().segment(1).unwrap().color;
    let before = color(&screen);
    screen.click("Colour of Segment 1");
    screen.steps(3);
    assert_eq!(screen.document().undo_name(), Some("New layer"), "a look at the chooser is no step");
    // One of those that new segments get, which stand close together.
    let [first, beside, below] = [1, 2, 8].map(|n| screen.find(&format!("Colour {n}")).rect().center());
    assert!(
        (beside.x - first.x - 22.0).abs() < 1.0 && (below.y - first.y - 22.0).abs() < 1.0,
        "{first} {beside} {below}"
    );
    screen.click("Colour 3");
    assert_ne!(color(&screen), before);
    let third = color(&screen);
    // Any other, by its parts.
    screen.click("Colour of Segment 1");
    screen.steps(3);
    screen.fill_number("Red", "10");
    screen.steps(2);
    assert_eq!(color(&screen), [10, third[1], third[2]]);
    assert_eq!(screen.document().undo_name(), Some("Recolour segment"));
    // A click beside the chooser closes it.
    let beside = screen.pane(Plane::Axial).center();
    screen.click_at(beside);
    screen.key(Modifiers::COMMAND, Key::Z);
    // Trying one colour after another is one step.
    assert_eq!(color(&screen), before);
    assert_eq!(screen.document().undo_name(), Some("New layer"));
}

#[test]
fn a_long_name_leaves_room_for_what_stands_behind_it() {
    let mut screen = Screen::with_ball();
    let name = "Gross tumour volume of the left upper lobe with everything that the protocol of the study asks for";
    let (layer, segment) = (screen.document().active_layer.unwrap(), screen.document().active_segment);
    let whole = |screen: &Screen| -> Vec<egui::Pos2> {
        let texts = screen.painted_texts();
        texts.into_iter().filter(|(text, _)| text.ends_with(" ml")).map(|(_, at)| at).collect()
    };
    let before = whole(&screen);
    assert!(!before.is_empty());
    screen.workspace_mut().dispatch(LayerCommand::Rename(layer, name.into()));
    screen.workspace_mut().dispatch(SegmentCommand::Rename(segment, name.into()));
    screen.steps(3);
    assert_eq!(whole(&screen), before, "volumes stand where they stood");
    // Cut on the window, whole for those who hear it.
    let window = screen.harness.ctx.content_rect();
    for kind in ["layer", "segment"] {
        let more = screen.find(&format!("More for {kind} {name}")).rect();
        assert!(window.contains_rect(more), "{more:?} lies in the window");
        let beside: Vec<_> = screen.all(name).iter().map(|n| n.rect()).filter(|r| r.intersects(more)).collect();
        assert!(beside.is_empty(), "{beside:?} leave room for {more:?}");
    }
}
