//! Habits that users bring: keys of mask, brush and pages, what is written over a slice, ellipses, presets in 3-D.

use super::screen::Screen;
use egui::{Key, Modifiers, PointerButton, Pos2, Vec2};
use maskwright::core::{Plane, Shape};
use maskwright::render::TransferPreset;

const NONE: Modifiers = Modifiers::NONE;
const SHIFT: Modifiers = Modifiers::SHIFT;
const CTRL: Modifiers = Modifiers::COMMAND;

#[test]
fn the_mask_is_shown_hidden_and_faded_by_its_keys() {
    let mut screen = Screen::with_ball();
    let first = screen.workspace().overlay;
    let near = |a: f32, b: f32| (a - b).abs() < 1e-4;
    screen.key(NONE, Key::A);
    assert!(near(screen.workspace().overlay.opacity, first.opacity - 0.1));
    screen.key(NONE, Key::D);
    screen.key(NONE, Key::D);
    assert!(near(screen.workspace().overlay.opacity, first.opacity + 0.1));
    for _ in 0..12 {
        screen.key(NONE, Key::A);
    }
    assert!(near(screen.workspace().overlay.opacity, 0.0), "it ends where nothing is left");
    screen.key(NONE, Key::O);
    assert_ne!(screen.workspace().overlay.outline, first.outline);
    screen.key(NONE, Key::F);
    assert_ne!(screen.workspace().overlay.fill, first.fill);
    screen.key(NONE, Key::S);
    assert!(!screen.workspace().overlay.visible);
    screen.key(NONE, Key::X);
    assert!(!screen.workspace().overlay.crosshair);
    for key in [Key::O, Key::F, Key::S, Key::X] {
        screen.key(NONE, key);
    }
    let last = screen.workspace().overlay;
    assert_eq!(
        (last.outline, last.fill, last.visible, last.crosshair),
        (first.outline, first.fill, first.visible, first.crosshair)
    );
}

#[test]
fn brush_sizes_and_pages_follow_their_keys() {
    let mut screen = Screen::with_scan();
    let radius = |screen: &Screen| screen.workspace().brush.radius_mm;
    let first = radius(&screen);
    screen.key(NONE, Key::Minus);
    assert!(radius(&screen) < first);
    screen.key(NONE, Key::Equals);
    assert!((radius(&screen) - first).abs() < 1e-9, "one up is one down");
    screen.key(SHIFT, Key::Plus);
    assert!(radius(&screen) > first);
    screen.key(NONE, Key::Home);
    assert_eq!(screen.shown_slice(Plane::Axial), 1);
    for (key, slice) in [
        (Key::PageUp, 11),
        (Key::ArrowUp, 12),
        (Key::PageDown, 2),
        (Key::PageDown, 1),
        (Key::End, 24),
        (Key::PageUp, 24),
        (Key::ArrowDown, 23),
    ] {
        screen.key(NONE, key);
        assert_eq!(screen.shown_slice(Plane::Axial), slice, "{key:?}");
    }
    screen.key(SHIFT, Key::Questionmark);
    assert!(screen.says("Right drag"), "the key sheet");
    screen.key(SHIFT, Key::Questionmark);
    assert!(!screen.says("Right drag"));
}

#[test]
fn letters_scale_position_and_value_stand_with_the_slice() {
    let mut screen = Screen::with_scan();
    for (plane, letters) in [
        (Plane::Axial, ["R", "L", "A", "P"]),
        (Plane::Coronal, ["R", "L", "H", "F"]),
        (Plane::Sagittal, ["A", "P", "H", "F"]),
    ] {
        let pane = screen.pane(plane);
        let texts = screen.painted_texts();
        let of = |letter: &str| -> Pos2 {
            let here = texts.iter().filter(|(text, at)| text == letter && pane.contains(*at));
            here.map(|t| t.1).next().unwrap_or_else(|| panic!("no {letter} over the {plane:?} slice"))
        };
        let [left, right, top, bottom] = letters.map(of);
        assert!(left.x < pane.center().x && right.x > pane.center().x, "{plane:?}");
        assert!(top.y < pane.center().y && bottom.y > pane.center().y, "{plane:?}");
        let is_length = |text: &str| {
            let parts = text.split_once(' ').filter(|(_, unit)| ["mm", "cm"].contains(unit));
            parts.is_some_and(|(number, _)| number.parse::<f64>().is_ok_and(|n| n > 0.0))
        };
        assert!(texts.iter().any(|(text, at)| is_length(text) && pane.contains(*at)), "a scale bar in {plane:?}");
    }
    let slice = screen.shown_slice(Plane::Axial);
    assert!(screen.paints_in(screen.pane(Plane::Axial), &format!("{slice} / 24")));
    let middle = screen.pane(Plane::Axial).center();
    screen.move_to(middle);
    screen.steps(2);
    assert!(screen.find_text("   voxel ").contains("180 HU"));
    screen.move_to(middle + Vec2::new(120.0, 0.0));
    screen.steps(2);
    assert!(screen.find_text("   voxel ").contains("30 HU"));
}

#[test]
fn an_ellipse_tells_its_area_and_values() {
    let mut screen = Screen::with_scan();
    screen.tab("Measure");
    screen.click("Measure ellipse");
    let corner = screen.pane(Plane::Axial).center() - Vec2::new(22.0, 16.0);
    screen.drag(corner, corner + Vec2::new(44.0, 32.0), PointerButton::Primary, NONE);
    let kept = screen.document().measurements.clone();
    let [measurement] = &kept[..] else { panic!("{kept:?}") };
    let Shape::Ellipse([a, b]) = measurement.shape else { panic!("{kept:?}") };
    assert!(screen.says("180.0 ± 0.0 HU (180 to 180)"), "within the ball all values are alike");
    // Half axes from the corners of its box, pixels of 0.8 mm.
    let area = std::f64::consts::PI * (b.x - a.x).abs() / 2.0 * (b.y - a.y).abs() / 2.0 * 0.8 * 0.8;
    assert!(screen.says(&format!("{area:.1} mm²")), "{area} from {a} to {b}");
    screen.click("Delete Ellipse 1");
    assert!(screen.document().measurements.is_empty());
}

#[test]
fn the_volume_is_seen_with_each_preset_and_a_drag_shifts_it() {
    let mut screen = Screen::with_ball();
    screen.key(CTRL, Key::Num3);
    screen.tab("View");
    screen.steps(2);
    let mut shown = TransferPreset::Bone.name();
    // The list of windows in the tool bar shows "Soft tissue" too: that one comes last.
    let order = [TransferPreset::Maximum, TransferPreset::Lung, TransferPreset::Bone, TransferPreset::SoftTissue];
    assert_eq!(order.len(), TransferPreset::ALL.len());
    for preset in order {
        let list = screen.list_showing(shown).rect().center();
        screen.click_at(list);
        screen.click(preset.name());
        shown = preset.name();
        let pane = screen.find("3-D view").rect();
        assert!(screen.paints_in(pane, shown), "{shown}");
    }
    let pane = screen.find("3-D view").rect();
    let from = pane.center();
    screen.drag(from, from + Vec2::new(0.0, 40.0), PointerButton::Secondary, NONE);
    assert!(screen.paints_in(pane, " HU"), "a right drag shifts the preset");
}
