//! Panes that are docked elsewhere and resized with the pointer, and how they come back.

use super::screen::Screen;
use egui::{Key, Modifiers, PointerButton, Pos2, Rect, Vec2};
use egui_kittest::kittest::NodeT;
use maskwright::core::Plane;
use maskwright::workspace::Settings;

const NONE: Modifiers = Modifiers::NONE;

/// Where the tab of a pane of the sides is: in one line with the first one.
fn tab(screen: &Screen, name: &str) -> Rect {
    let line = screen.find("Patients").rect().top();
    let named = screen.all(name);
    let exact = named.iter().filter(|n| n.accesskit_node().label().as_deref() == Some(name)).map(|n| n.rect());
    let mut tabs = exact.filter(|r| (r.top() - line).abs() < 3.0);
    tabs.next().unwrap_or_else(|| panic!("no tab is called {name:?}"))
}

#[test]
fn a_tab_is_docked_elsewhere_by_dragging_and_is_there_after_the_next_start() {
    let mut screen = Screen::with_scan();
    let from = tab(&screen, "Measure");
    let (first, second) = (tab(&screen, "Layers"), tab(&screen, "Edit mask"));
    assert!(from.right() < first.left(), "it begins at the left side");
    // Onto the place between two tabs of the right side.
    let to = Pos2::new((first.right() + second.left()) / 2.0, first.center().y);
    screen.drag(from.center(), to, PointerButton::Primary, NONE);
    screen.steps(3);
    let docked = tab(&screen, "Measure");
    assert!(docked.left() > tab(&screen, "Layers").left(), "{docked:?}");
    assert!(docked.right() < tab(&screen, "Edit mask").right(), "{docked:?}");
    // It works where it is now.
    screen.click_at(docked.center());
    let distance = screen.find("Measure distance").rect();
    assert!(distance.left() > first.left() - 10.0, "the panel went along: {distance:?}");
    // The border between two panes is dragged, behind the slider of the left one.
    let width = screen.pane(Plane::Axial).width();
    let border = screen.pane(Plane::Axial).right_center() + Vec2::new(19.0, 0.0);
    screen.drag(border, border - Vec2::new(90.0, 0.0), PointerButton::Primary, NONE);
    screen.steps(2);
    let narrow = screen.pane(Plane::Axial).width();
    assert!(narrow < width - 20.0, "{width} {narrow}");
    screen.wait();
    let kept = Settings::load(&screen.workspace().home).layout;
    assert!(!kept.is_empty());

    // The next start has it as it was left.
    let dir = std::mem::replace(&mut screen.dir, tempfile::tempdir().unwrap());
    let before = ["Patients", "Layers", "Measure", "Edit mask"].map(|name| tab(&screen, name));
    drop(screen);
    let mut screen = Screen::build(dir, egui_kittest::Harness::builder());
    screen.open_scan();
    let after = ["Patients", "Layers", "Measure", "Edit mask"].map(|name| tab(&screen, name));
    for (a, b) in before.iter().zip(&after) {
        assert!((a.min - b.min).length() < 2.0, "{before:?} {after:?}");
    }
    assert!((screen.pane(Plane::Axial).width() - narrow).abs() < 2.0);
    // A pane of slices alone, by key, and all of them again.
    screen.key(NONE, Key::M);
    assert!(screen.all("Coronal slice ").is_empty());
    assert!(tab(&screen, "Measure").left() > first.left() - 100.0, "the panels stay where they were docked");
    screen.key(NONE, Key::M);
    assert!(screen.pane(Plane::Coronal).width() > 50.0);
    screen.menu("View", "Reset panel layout");
    screen.steps(2);
    assert!(tab(&screen, "Measure").right() < tab(&screen, "Layers").left(), "back at the left side");
}

#[test]
fn the_sides_keep_their_place_whatever_stands_between_them() {
    let mut screen = Screen::with_scan();
    let edge = |screen: &Screen| tab(screen, "Layers").left();
    let before = edge(&screen);
    for (modifiers, key) in [
        (NONE, Key::M),
        (NONE, Key::M),
        (Modifiers::COMMAND, Key::Num1),
        (Modifiers::COMMAND, Key::Num3),
        (Modifiers::COMMAND, Key::Num4),
        (Modifiers::COMMAND, Key::Num2),
    ] {
        screen.key(modifiers, key);
        screen.steps(3);
        assert!((edge(&screen) - before).abs() < 3.0, "{key:?}: {before} became {}", edge(&screen));
    }
    // Also where a hand put them: the border lies behind the slider.
    let border = screen.pane(Plane::Coronal).right_center() + Vec2::new(19.0, 0.0);
    screen.drag(border, border - Vec2::new(80.0, 0.0), PointerButton::Primary, NONE);
    screen.steps(3);
    let moved = edge(&screen);
    assert!(moved < before - 40.0, "{before} became {moved}");
    screen.key(Modifiers::COMMAND, Key::Num3);
    screen.steps(3);
    assert!((edge(&screen) - moved).abs() < 3.0, "{moved} became {}", edge(&screen));
}

#[test]
fn panes_side_by_side_keep_within_their_places_whatever_is_chosen_above_them() {
    let mut screen = Screen::with_scan();
    screen.open_copy("a-name-far-too-long-for-the-list.nrrd");
    for key in [Key::Num4, Key::Num5] {
        screen.key(Modifiers::COMMAND, key);
        screen.steps(3);
        let (left, right) = (screen.cell(0), screen.cell(1));
        assert!(left.right() < right.left(), "{left:?} lies over {right:?}");
        assert!((left.width() - right.width()).abs() < 3.0, "{left:?} {right:?}");
        let sliders: Vec<Rect> = screen.all("Axial slice slider").iter().map(|n| n.rect()).collect();
        assert!(!sliders.is_empty());
        let end = tab(&screen, "Layers").left();
        assert!(sliders.iter().all(|s| s.right() <= end), "{sliders:?} end at {end}");
        assert!(sliders.iter().any(|s| s.left() >= left.right() - 1.0 && s.right() <= right.left() + 1.0));
    }
}
