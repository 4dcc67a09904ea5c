//! The cases of a folder: their progress, and the way from one to the next that has slices to do.

use super::screen::Screen;
use egui::{Key, Modifiers};
use maskwright::core::{Plane, SliceStatus};
use maskwright::workspace::WorkCommand;
use std::path::Path;

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;

/// Paints on the open case and saves it as a project.
fn save_as(screen: &mut Screen, project: &Path) {
    screen.key(NONE, Key::B);
    screen.paint(Plane::Axial, NONE);
    screen.key(CTRL, Key::S);
    screen.answer_path(project);
    screen.wait();
    assert!(!screen.document().is_unsaved());
}

fn mark_all(screen: &mut Screen) {
    let status = SliceStatus::Corrected;
    screen.workspace_mut().dispatch(WorkCommand::StatusOf { from: 0, to: 23, status });
}

/// The name of the project that is shown.
fn shown(screen: &Screen) -> String {
    let project = screen.document().project.as_deref().expect("a project is shown");
    project.file_stem().unwrap().to_string_lossy().into_owned()
}

#[test]
fn each_case_has_its_progress_and_a_key_leads_to_the_next_one_to_do() {
    let mut screen = Screen::with_scan();
    let cohort = screen.dir.path().join("cohort");
    std::fs::create_dir(&cohort).unwrap();
    let project = |name: &str| cohort.join(format!("{name}.maskwright"));
    screen.key(NONE, Key::B);
    screen.paint(Plane::Axial, NONE);
    screen.key(NONE, Key::J);
    save_as(&mut screen, &project("first"));
    screen.menu("File", "Close case");
    screen.open_copy("b.nrrd");
    screen.key(NONE, Key::B);
    screen.paint(Plane::Axial, NONE);
    mark_all(&mut screen);
    save_as(&mut screen, &project("second"));
    screen.menu("File", "Close case");
    screen.open_copy("c.nrrd");
    save_as(&mut screen, &project("third"));

    screen.tab("Patients");
    screen.click("List a folder of projects…");
    screen.answer_path(&cohort);
    screen.wait();
    assert!(screen.says("first: 1 of 24") && screen.says("second: 24 of 24") && screen.says("third: 0 of 24"));
    assert!(screen.says("All: 25 of 72, 1 of 3 cases"));
    assert_eq!(screen.workspace().documents().len(), 1);

    // Round the list from the third one.
    screen.key(CTRL, Key::Period);
    screen.wait();
    assert_eq!(shown(&screen), "first");
    let slice = screen.document().work_slice();
    let status = screen.document().layer().unwrap().work.slices.status(slice);
    assert_eq!(status, SliceStatus::ToDo, "a slice to do is shown");
    // The second has nothing to do, the third is open.
    screen.click("Next case to do");
    screen.wait();
    assert_eq!((shown(&screen).as_str(), screen.workspace().documents().len()), ("third", 2));
    screen.key(CTRL, Key::Comma);
    assert_eq!(shown(&screen), "first");
    // Counts follow the work, whether it is saved or not.
    mark_all(&mut screen);
    screen.steps(2);
    assert!(screen.says("first: 24 of 24") && screen.says("All: 48 of 72, 2 of 3 cases"));
    screen.key(CTRL, Key::Period);
    assert_eq!(shown(&screen), "third");
    mark_all(&mut screen);
    screen.key(CTRL, Key::Period);
    assert_eq!(shown(&screen), "third");
    assert_eq!(screen.workspace().status, "No other case has slices to do");
    assert!(screen.says("All: 72 of 72, 3 of 3 cases"));
    // A case of the list is opened by its line.
    screen.click("Work on second");
    screen.wait();
    assert_eq!(shown(&screen), "second");
    // What is saved is in the list after the next start, too.
    screen.key(CTRL, Key::Comma);
    screen.click("Work on first");
    screen.key(CTRL, Key::S);
    screen.wait();
    screen.menu("File", "Close case");
    screen.steps(2);
    assert!(screen.says("first: 24 of 24"), "the list was read again after the project was saved");
}
