//! Painting, erasing, taking back: with the pointer, in all three panes.

use super::screen::Screen;
use egui::{Key, Modifiers, PointerButton, Vec2};
use maskwright::core::{LabelMap, Plane};

/// Slices along voxel axis `axis` on which the maps differ.
fn changed_slices(a: &LabelMap, b: &LabelMap, axis: usize) -> Vec<usize> {
    let [nx, ny, _] = a.geometry().dims();
    let mut slices: Vec<usize> = (a.to_dense().iter().zip(b.to_dense()).enumerate())
        .filter(|(_, (a, b))| **a != *b)
        .map(|(n, _)| [n % nx, n / nx % ny, n / (nx * ny)][axis])
        .collect();
    slices.sort_unstable();
    slices.dedup();
    slices
}

#[test]
fn painting_in_each_pane_changes_the_slice_that_is_seen() {
    let mut screen = Screen::with_scan();
    screen.key(Modifiers::NONE, Key::B);
    screen.paint(Plane::Axial, Modifiers::NONE);
    assert_eq!(screen.document().undo_name(), Some("Paint Segment 1"), "painting starts a mask");
    let empty = LabelMap::empty(screen.document().case.geometry);
    assert_eq!(changed_slices(&empty, &screen.labels(), 2), [screen.shown_slice(Plane::Axial) - 1]);
    for (plane, axis) in [(Plane::Coronal, 1), (Plane::Sagittal, 0)] {
        let before = screen.labels();
        let middle = screen.pane(plane).center();
        screen.wheel(middle, 3.0, Modifiers::NONE);
        screen.paint(plane, Modifiers::NONE);
        assert_eq!(changed_slices(&before, &screen.labels(), axis), [screen.shown_slice(plane) - 1], "{plane:?}");
    }
    // A sphere goes through several slices.
    let before = screen.labels();
    screen.click("3-D");
    let middle = screen.pane(Plane::Axial).center();
    screen.wheel(middle, 4.0, Modifiers::NONE);
    screen.paint(Plane::Axial, Modifiers::NONE);
    assert!(changed_slices(&before, &screen.labels(), 2).len() > 2);
}

#[test]
fn control_erases_escape_takes_back_and_steps_have_names() {
    let mut screen = Screen::with_scan();
    screen.click("Brush");
    screen.paint(Plane::Axial, Modifiers::NONE);
    let painted = screen.labels();
    let middle = screen.pane(Plane::Axial).center();
    let aside = middle + Vec2::new(0.0, 60.0);
    screen.press_and_move(aside, aside + Vec2::new(50.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    assert_ne!(screen.labels(), painted, "the stroke is seen while it is made");
    screen.key(Modifiers::NONE, Key::Escape);
    assert_eq!(screen.labels(), painted);
    screen.button(aside, PointerButton::Primary, false, Modifiers::NONE);
    assert_eq!(screen.labels(), painted, "the release after Escape paints nothing");

    screen.paint(Plane::Axial, Modifiers::COMMAND);
    assert!(screen.count(1) < painted.counts()[1]);
    assert_eq!(screen.document().undo_name(), Some("Erase Segment 1"));
    let erased = screen.labels();
    screen.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(screen.labels(), painted);
    screen.key(Modifiers::COMMAND, Key::Y);
    assert_eq!(screen.labels(), erased);
    screen.key(Modifiers::COMMAND, Key::Z);
    screen.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(screen.count(1), 0);
    screen.key(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(screen.labels(), painted);
    screen.click("Edit");
    assert!(screen.says("Undo: Paint Segment 1") && screen.says("Redo: Erase Segment 1"));
    screen.click("Redo: Erase Segment 1");
    assert_eq!(screen.labels(), erased);
}

#[test]
fn tools_by_digit_and_last_tool() {
    let mut screen = Screen::with_scan();
    screen.key(Modifiers::NONE, Key::B);
    screen.paint(Plane::Axial, Modifiers::NONE);
    let painted = screen.count(1);
    let window = screen.document().view.window;
    screen.key(Modifiers::NONE, Key::Num3);
    assert_eq!(screen.document().view.window, window, "while editing, digits are tools");
    screen.paint(Plane::Axial, Modifiers::NONE);
    assert!(screen.count(1) < painted, "the eraser erases");
    screen.key(Modifiers::NONE, Key::Space);
    screen.paint(Plane::Axial, Modifiers::NONE);
    assert_eq!(screen.count(1), painted, "the last tool was the brush");
    let radius = screen.workspace().brush.radius_mm;
    screen.key(Modifiers::NONE, Key::Equals);
    assert!(screen.workspace().brush.radius_mm > radius);
    screen.key(Modifiers::NONE, Key::S);
    assert!(!screen.workspace().overlay.visible);
}
