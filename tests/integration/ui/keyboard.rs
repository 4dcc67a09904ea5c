//! Working with keys: which plane they act on, what has the keyboard, and hints that say the keys of now.

use super::screen::{DIMS, Screen};
use egui::{Key, Modifiers};
use maskwright::core::Plane;
use maskwright::workspace::KeyCommand;

const NONE: Modifiers = Modifiers::NONE;
const PLANE_KEYS: [(Key, Plane); 3] = [(Key::F3, Plane::Coronal), (Key::F4, Plane::Sagittal), (Key::F2, Plane::Axial)];

/// The plane that keys act on, as those who hear the window are told.
fn keys_act_on(screen: &Screen) -> Plane {
    let told = |p: &Plane| screen.pane_node(*p).value().as_deref() == Some("Keys act here");
    let planes: Vec<Plane> = Plane::ALL.into_iter().filter(told).collect();
    assert_eq!(planes, [screen.harness.state().window.focus()]);
    planes[0]
}

fn shown(screen: &Screen) -> [usize; 3] {
    Plane::ALL.map(|plane| screen.shown_slice(plane))
}

fn inverted(screen: &Screen) -> bool {
    screen.document().view.invert
}

#[test]
fn the_plane_that_keys_act_on_is_chosen_by_key_and_by_pointer() {
    let mut screen = Screen::with_scan();
    assert_eq!(keys_act_on(&screen), Plane::Axial);
    // A pointer that rests in a pane does not take the keys back.
    let rest = screen.pane(Plane::Axial).center();
    screen.move_to(rest);
    for (key, plane) in PLANE_KEYS {
        screen.key(NONE, key);
        assert_eq!(keys_act_on(&screen), plane);
        let before = shown(&screen);
        screen.key(NONE, Key::Home);
        for ((now, before), p) in shown(&screen).into_iter().zip(before).zip(Plane::ALL) {
            assert_eq!(now, if p == plane { 1 } else { before }, "{p:?} after {key:?}");
        }
    }
    screen.key(NONE, Key::F4);
    screen.move_to(rest + egui::Vec2::new(3.0, 0.0));
    screen.steps(1);
    assert_eq!(keys_act_on(&screen), Plane::Axial, "one that moves does");
    screen.key(NONE, Key::F4);
    screen.wheel(rest + egui::Vec2::new(3.0, 0.0), 1.0, NONE);
    screen.steps(1);
    assert_eq!(keys_act_on(&screen), Plane::Axial, "a wheel does");
    // Where one plane stands alone, another one takes its place.
    screen.key(Modifiers::COMMAND, Key::Num1);
    assert!(screen.all("Coronal slice ").is_empty());
    screen.key(NONE, Key::F3);
    assert!(screen.all("Axial slice ").is_empty());
    assert!(screen.pane(Plane::Coronal).width() > 300.0);
    // It stands on its first slice, at the back is the next one.
    screen.key(NONE, Key::ArrowDown);
    assert_eq!(screen.shown_slice(Plane::Coronal), 2);
}

#[test]
fn shortcuts_work_while_a_button_a_slider_or_a_pane_has_the_focus() {
    let mut screen = Screen::with_scan();
    // Tab leads to something.
    screen.key(NONE, Key::Tab);
    assert!(screen.harness.ctx.memory(egui::Memory::focused).is_some());
    screen.key(NONE, Key::I);
    assert!(inverted(&screen));

    // A pane uses no key itself: arrows turn its pages and do not lead out of it.
    let name = format!("Coronal slice {}", screen.shown_slice(Plane::Coronal));
    screen.focus(&name);
    assert_eq!(keys_act_on(&screen), Plane::Coronal);
    let before = shown(&screen);
    screen.key(NONE, Key::ArrowUp);
    screen.key(NONE, Key::ArrowUp);
    let now = shown(&screen);
    assert_eq!((now[1].abs_diff(before[1]), now[0], now[2]), (2, before[0], before[2]));
    assert!(screen.pane_node(Plane::Coronal).is_focused());
    screen.key(NONE, Key::I);
    assert!(!inverted(&screen));

    // A slider keeps its arrows: one slice a press, not two. Other keys act on its plane.
    screen.focus("Sagittal slice slider");
    assert_eq!(keys_act_on(&screen), Plane::Sagittal);
    let before = screen.shown_slice(Plane::Sagittal);
    screen.key(NONE, Key::ArrowUp);
    assert_eq!(screen.shown_slice(Plane::Sagittal).abs_diff(before), 1);
    screen.key(NONE, Key::End);
    assert_eq!(screen.shown_slice(Plane::Sagittal), DIMS[0]);
    screen.key(NONE, Key::I);
    assert!(inverted(&screen));

    // Buttons and boxes keep Enter and Space.
    screen.focus("Brush");
    screen.key(NONE, Key::Enter);
    assert!(screen.is_on("Brush"));
    screen.focus("Fill");
    let fill = screen.workspace().overlay.fill;
    screen.key(NONE, Key::Space);
    assert_ne!(screen.workspace().overlay.fill, fill);
    assert!(screen.is_on("Brush"), "Space was no call for the last tool");
    let outline = screen.workspace().overlay.outline;
    screen.key(NONE, Key::O);
    assert_ne!(screen.workspace().overlay.outline, outline);
}

#[test]
fn typing_is_no_shortcut() {
    let mut screen = Screen::with_scan();
    screen.click("W");
    screen.key(NONE, Key::I);
    assert!(!inverted(&screen), "a value is being typed");
    screen.key(NONE, Key::Enter);
    screen.key(NONE, Key::I);
    assert!(inverted(&screen));
    screen.click("New layer");
    screen.click("More for layer Manual");
    screen.click("Rename");
    screen.steps(3);
    screen.key(NONE, Key::I);
    assert!(inverted(&screen), "a name is being typed");
    screen.key(NONE, Key::Enter);
    // What stands where the field was is a button again.
    screen.focus("Manual");
    screen.key(NONE, Key::I);
    assert!(!inverted(&screen));
}

#[test]
fn hints_say_the_keys_of_now() {
    let mut screen = Screen::with_scan();
    screen.click("Edit mask");
    screen.tab("View");
    screen.key(NONE, Key::P);
    assert_eq!(screen.hint("Preview"), "Shift+Enter");
    assert_eq!(screen.hint("Apply"), "Enter, while a preview is shown");
    assert_eq!(screen.hint("Only values in this range"), "Shift+U");
    assert_eq!(screen.hint("Opacity"), "A and D");
    assert_eq!(screen.hint("Play"), "The pane that keys act on (C)");
    assert!(screen.says("; Enter, a double click or"));
    for (line, keys) in [
        ("Edit mask: Preview the operation", "F5"),
        ("Edit mask: Close the polygon, or apply the preview", "F6"),
        ("Edit mask: Only values in the paint range, or all", "F7"),
        ("Mask: Less opacity", "F8"),
        ("Slices: Play or stop the stack", ""),
        ("Tools: Smaller brush", "F9"),
    ] {
        let command = KeyCommand::Bind { line: line.into(), keys: keys.into() };
        screen.workspace_mut().dispatch(command);
    }
    screen.steps(3);
    assert_eq!(screen.hint("Preview"), "F5");
    assert_eq!(screen.hint("Apply"), "F6, while a preview is shown");
    assert_eq!(screen.hint("Only values in this range"), "F7");
    assert_eq!(screen.hint("Opacity"), "F8 and D");
    assert_eq!(screen.hint("Play"), "The pane that keys act on");
    assert!(screen.says("; F6, a double click or"));
    screen.key(NONE, Key::B);
    let hint = screen.hint("Brush diameter");
    assert!(hint.starts_with("Diameter (F9 and "), "{hint}");
}

#[test]
fn the_slider_of_a_pane_can_be_hit_all_over_its_strip() {
    let mut screen = Screen::with_scan();
    for plane in Plane::ALL {
        let slider = screen.find(&format!("{} slice slider", plane.name())).rect();
        assert!(slider.width() >= 18.0, "{plane:?}: {slider:?}");
        assert!(slider.left() >= screen.pane(plane).right() - 0.5, "it takes nothing from the picture");
        // At the right the edge of the tile takes the last points, which moves it.
        for x in [slider.left() + 2.0, slider.right() - 5.0] {
            let before = screen.shown_slice(plane);
            let y = if x < slider.center().x { 0.2 } else { 0.8 };
            screen.click_at(egui::Pos2::new(x, slider.top() + y * slider.height()));
            assert_ne!(screen.shown_slice(plane), before, "{plane:?} at {x}");
        }
    }
}
