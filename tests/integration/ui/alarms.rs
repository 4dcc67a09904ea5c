//! What must not be overlooked: work that is on no disk, saves that failed, projects that cannot be written into, and
//! unsaved work that the start screen offers back.

use super::screen::Screen;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use maskwright::core::Plane;
use maskwright::workspace::OpenCommand;
use std::fs;
use std::path::{Path, PathBuf};

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;

fn painted() -> Screen {
    let mut screen = Screen::with_scan();
    paint(&mut screen);
    screen
}

fn paint(screen: &mut Screen) {
    screen.key(NONE, Key::B);
    screen.paint(Plane::Axial, NONE);
    assert!(screen.document().is_unsaved());
}

/// Ctrl+S, answered with a path.
fn save(screen: &mut Screen, path: &Path) {
    screen.key(CTRL, Key::S);
    assert!(screen.says("A folder; .maskwright is added"), "it is asked where to");
    screen.answer_path(path);
    screen.wait();
}

/// A path below a file: nothing can be written there.
fn blocked(screen: &Screen) -> PathBuf {
    let file = screen.dir.path().join("a file");
    fs::write(&file, "x").unwrap();
    file.join("work")
}

#[test]
fn work_that_cannot_be_protected_is_said_until_it_is() {
    let mut screen = Screen::with_scan();
    let journals = screen.workspace().home.journals();
    let _ = fs::remove_dir_all(&journals);
    fs::create_dir_all(journals.parent().unwrap()).unwrap();
    fs::write(&journals, "where the journals should be").unwrap();
    paint(&mut screen);
    let case = screen.document().case.name.clone();
    screen.until("the alarm", |w| w.active_document().is_some_and(|d| d.trouble().is_some()));
    assert!(screen.says(&format!("NOT PROTECTED: {case}")));
    fs::remove_file(&journals).unwrap();
    screen.until("protection", |w| w.active_document().is_some_and(|d| d.trouble().is_none()));
    screen.wait();
    assert!(screen.document().is_unsaved() && !screen.says("NOT PROTECTED"));
}

#[test]
fn a_save_that_failed_is_said_until_another_one_holds() {
    let mut screen = painted();
    assert!(!screen.says("NOT SAVED"));
    let nowhere = blocked(&screen);
    save(&mut screen, &nowhere);
    assert!(screen.document().is_unsaved() && screen.says("NOT SAVED: work.maskwright"));
    let good = screen.dir.path().join("good.maskwright");
    save(&mut screen, &good);
    assert!(!screen.document().is_unsaved() && !screen.says("NOT SAVED"));
    assert!(good.is_dir());
    // A project that cannot be written any more is saved elsewhere, too.
    fs::rename(&good, screen.dir.path().join("moved")).unwrap();
    fs::write(&good, "x").unwrap();
    screen.paint(Plane::Coronal, NONE);
    screen.key(CTRL, Key::S);
    screen.wait();
    assert!(screen.says("NOT SAVED: good.maskwright"));
    let other = screen.dir.path().join("other.maskwright");
    save(&mut screen, &other);
    assert!(other.is_dir() && !screen.says("NOT SAVED"));
}

#[test]
fn a_project_of_a_newer_program_is_read_only_and_can_be_saved_elsewhere() {
    let mut screen = painted();
    let project = screen.dir.path().join("newer.maskwright");
    save(&mut screen, &project);
    assert!(!screen.says("READ ONLY"));
    let labels = screen.labels();
    let id = screen.document().case.id;
    screen.workspace_mut().dispatch(OpenCommand::Close(id));
    let manifest = project.join("project.ron");
    let newer = fs::read_to_string(&manifest).unwrap().replacen("version: ", "version: 9", 1);
    assert!(newer.contains("version: 9"));
    fs::write(&manifest, &newer).unwrap();
    screen.workspace_mut().dispatch(OpenCommand::Path(project));
    screen.wait();
    assert_eq!(screen.labels(), labels);
    assert!(screen.says("READ ONLY"));
    screen.paint(Plane::Coronal, NONE);
    assert_ne!(screen.labels(), labels);
    let other = screen.dir.path().join("mine.maskwright");
    save(&mut screen, &other);
    assert!(!screen.says("READ ONLY") && !screen.document().is_unsaved());
    assert!(other.join("project.ron").is_file());
    assert_eq!(fs::read_to_string(&manifest).unwrap(), newer, "the newer one is as it was");
}

/// The next start over the same files; the program of before ended without a save.
fn next_start(mut screen: Screen) -> Screen {
    screen.wait();
    screen.workspace_mut().shut_down();
    let dir = std::mem::replace(&mut screen.dir, tempfile::tempdir().unwrap());
    drop(screen);
    Screen::build(dir, Harness::builder())
}

#[test]
fn the_start_screen_brings_unsaved_work_back() {
    let screen = painted();
    let labels = screen.labels().to_dense();
    let mut screen = next_start(screen);
    assert!(screen.says("Unsaved work of an earlier session") && screen.says(": 1 layer") && !screen.says("1 layers"));
    screen.click("Bring back");
    screen.wait();
    screen.steps(3);
    assert_eq!(screen.labels().to_dense(), labels);
    assert!(screen.document().is_unsaved() && screen.workspace().recoverable.is_empty());
}

#[test]
fn unsaved_work_that_is_discarded_is_not_offered_again() {
    let mut screen = next_start(painted());
    screen.click("Discard");
    screen.wait();
    assert!(screen.workspace().recoverable.is_empty() && !screen.says("Bring back"));
    let screen = next_start(screen);
    assert!(screen.workspace().recoverable.is_empty() && !screen.says("Bring back"));
}
