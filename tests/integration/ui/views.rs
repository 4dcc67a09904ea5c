//! Layouts and the 3-D view by pointer and keys.

use super::screen::{Screen, write_mask};
use egui::{Key, Modifiers, PointerButton, Vec2};
use egui_kittest::kittest::NodeT;
use maskwright::core::Plane;
use maskwright::ui::theme::ACCENT;
use maskwright::workspace::{FileCommand, Settings};

impl Screen {
    /// Where the 3-D pane is, if it is on the window.
    fn volume_pane(&self) -> Option<egui::Rect> {
        self.all("3-D view").first().map(egui_kittest::Node::rect)
    }
}

#[test]
fn layouts_are_chosen_by_keys_and_menu_and_kept() {
    let mut screen = Screen::with_scan();
    assert!(screen.volume_pane().is_none());
    screen.key(Modifiers::COMMAND, Key::Num3);
    assert!(screen.volume_pane().is_some());
    for plane in Plane::ALL {
        assert!(screen.pane(plane).width() > 50.0);
    }
    screen.key(Modifiers::COMMAND, Key::Num1);
    let alone = screen.pane(Plane::Axial);
    assert!(screen.all("Coronal slice ").is_empty());
    screen.click("View");
    screen.click("Layout");
    screen.click("Three planes and 3-D");
    assert!(screen.volume_pane().is_some() && screen.pane(Plane::Axial).width() < alone.width());
    screen.wait();
    let kept = Settings::load(&screen.workspace().home);
    assert!(kept.layout.contains("Volume"));
    // The next start has it again.
    let dir = std::mem::replace(&mut screen.dir, tempfile::tempdir().unwrap());
    drop(screen);
    let mut screen = Screen::build(dir, egui_kittest::Harness::builder());
    screen.open_scan();
    assert!(screen.volume_pane().is_some());
    screen.menu("View", "Reset panel layout");
    screen.steps(2);
    assert!(screen.volume_pane().is_none());
}

#[test]
fn a_click_on_a_surface_moves_the_crosshair_and_a_drag_turns() {
    let mut screen = Screen::with_scan();
    let mask = write_mask(screen.dir.path());
    screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
    screen.wait();
    screen.key(Modifiers::COMMAND, Key::Num3);
    screen.steps(2);
    let middle = screen.volume_pane().unwrap().center();
    // From the front: the ball's front, at the middle of its slices.
    screen.click_at(middle);
    let front = screen.document().view.crosshair;
    assert!(front.y < 32.0 - 8.0 && (front.x - 35.5).abs() < 2.0, "{front}");
    screen.drag(middle, middle + Vec2::new(120.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    assert_eq!(screen.document().view.crosshair, front, "a drag is no click");
    screen.click_at(middle);
    let side = screen.document().view.crosshair;
    assert!((side.x - front.x).abs() > 5.0, "another side is in front: {side}");
    screen.click_at(screen.volume_pane().unwrap().left_bottom() + Vec2::new(10.0, -60.0));
    assert_eq!(screen.document().view.crosshair, side, "beside the patient there is nothing");
    // The same without a pointer in the picture.
    screen.click("From the head");
    screen.click_at(middle);
    assert!(screen.document().view.crosshair.z > 12.0);
}

#[test]
fn the_clip_box_cuts_by_its_handles_and_numbers() {
    let mut screen = Screen::with_scan();
    let mask = write_mask(screen.dir.path());
    screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
    screen.wait();
    screen.key(Modifiers::COMMAND, Key::Num3);
    // The tab, not the menu of that name.
    let tab = screen.all("View").into_iter().map(|n| n.rect()).max_by(|a, b| a.top().total_cmp(&b.top())).unwrap();
    screen.click_at(tab.center());
    screen.click("Clip box");
    screen.click("Image in 3-D");
    assert!(screen.says("Clip A side"));
    screen.fill("Clip A side", "33");
    let middle = screen.volume_pane().unwrap().center();
    screen.click_at(middle + Vec2::new(14.0, 9.0));
    let cut = screen.document().view.crosshair;
    assert!((cut.y - 32.0).abs() < 1.0, "the front half of the ball is cut away: {cut}");
    screen.click("Whole volume");
    screen.click_at(middle + Vec2::new(14.0, 9.0));
    assert!(screen.document().view.crosshair.y < 24.0);
}

#[test]
fn a_face_of_the_clip_box_is_dragged_by_its_handle() {
    let mut screen = Screen::with_scan();
    screen.key(Modifiers::COMMAND, Key::Num3);
    screen.tab("View");
    screen.click("Clip box");
    screen.steps(3);
    let side = |screen: &Screen, letter: &str| {
        screen.find(&format!("Clip {letter} side")).accesskit_node().numeric_value().unwrap()
    };
    let sides = |screen: &Screen| ["R", "L", "A", "P", "F", "H"].map(|letter| side(screen, letter));
    let before = sides(&screen);
    assert_eq!(before[..2], [1.0, 72.0]);
    // From the front the patient's right is at the left of the picture.
    let leftmost = |screen: &Screen| {
        let mut handles = screen.painted_squares(ACCENT, 9.0);
        handles.sort_by(|a, b| a.x.total_cmp(&b.x));
        assert_eq!(handles.len(), 6, "{handles:?}");
        (handles[0], handles[5])
    };
    let (handle, opposite) = leftmost(&screen);
    let to = handle + Vec2::new(40.0, 3.0);
    screen.drag(handle, to, PointerButton::Primary, Modifiers::NONE);
    let after = sides(&screen);
    assert!(after[0] > before[0] + 3.0, "{before:?} to {after:?}");
    assert_eq!(after[1..], before[1..], "the other faces stay");
    // Away from the handle it is in its own colour again: it lies where it was dragged to, and nothing was turned.
    let corner = screen.volume_pane().unwrap().left_bottom() + Vec2::new(10.0, -60.0);
    screen.move_to(corner);
    screen.steps(2);
    let (handle, other) = leftmost(&screen);
    assert!((handle.x - to.x).abs() < 9.0 && (other - opposite).length() < 0.5, "{handle:?} {other:?}");
    screen.click("Whole volume");
    assert_eq!(sides(&screen), before);
}
