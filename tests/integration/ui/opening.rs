//! From the start screen to a case, and what is done with its slices.

use super::screen::{DIMS, Screen, write_scan};
use egui::{Key, Modifiers, PointerButton, Vec2};
use maskwright::core::{PRESETS, Plane};

#[test]
fn the_start_screen_leads_to_a_demo_patient() {
    let mut screen = Screen::new();
    assert!(screen.says("Open folder or file"));
    screen.click("Try a demo patient");
    assert!(screen.workspace().is_busy());
    screen.wait();
    let document = screen.document();
    assert!(document.case.volume.is_some() && document.layer().is_some_and(|l| l.segments.len() >= 2));
    assert!(!document.is_unsaved());
    for plane in Plane::ALL {
        assert!(screen.pane(plane).area() > 10_000.0, "{plane:?}");
    }
}

#[test]
fn a_typed_path_opens_a_scan_and_becomes_a_recent_one() {
    let mut screen = Screen::new();
    let path = write_scan(screen.dir.path());
    screen.click("Open folder or file");
    screen.answer_path(&path);
    screen.wait();
    assert_eq!(screen.document().case.geometry.dims(), DIMS);
    screen.menu("File", "Close case");
    assert!(screen.workspace().active_document().is_none());
    screen.click("scan.nrrd");
    screen.wait();
    assert_eq!(screen.document().case.geometry.dims(), DIMS);
}

#[test]
fn a_missing_path_is_told_in_words_and_nothing_opens() {
    let mut screen = Screen::new();
    screen.key(Modifiers::COMMAND, Key::O);
    screen.answer_path(&screen.dir.path().join("nowhere"));
    screen.wait();
    assert!(screen.workspace().active_document().is_none());
    screen.menu("Help", "Messages");
    assert!(screen.says("nowhere"));
}

#[test]
fn window_by_key_list_typing_and_right_drag() {
    let mut screen = Screen::with_scan();
    let window = |screen: &Screen| screen.document().view.window;
    screen.key(Modifiers::ALT, Key::Num3);
    assert_eq!(window(&screen), PRESETS[2].window);
    screen.key(Modifiers::NONE, Key::Num5);
    assert_eq!(window(&screen), PRESETS[4].window, "while viewing, digits are presets");
    // The list shows which one is in use.
    let pos = screen.list_showing("Bone").rect().center();
    screen.click_at(pos);
    screen.click("Liver  150/90");
    assert_eq!(window(&screen), PRESETS[1].window);
    screen.fill("W", "321");
    screen.fill("L", "12");
    assert_eq!((window(&screen).window_width, window(&screen).window_center), (321.0, 12.0));
    let middle = screen.pane(Plane::Axial).center();
    screen.drag(middle, middle + Vec2::new(60.0, 0.0), PointerButton::Secondary, Modifiers::NONE);
    assert!(window(&screen).window_width > 330.0);
    assert_eq!(window(&screen).window_center, 12.0);
    let width = window(&screen).window_width;
    screen.drag(middle, middle + Vec2::new(0.0, 40.0), PointerButton::Secondary, Modifiers::NONE);
    assert!(window(&screen).window_center > 20.0);
    assert_eq!(window(&screen).window_width, width);
    assert_eq!(screen.workspace().active_document().map(|d| d.case.layers.len()), Some(0), "no mask was begun");
}

#[test]
fn the_window_tool_works_with_the_left_button() {
    let mut screen = Screen::with_scan();
    screen.key(Modifiers::NONE, Key::L);
    assert!(screen.is_on("Window/level"));
    let (before, crosshair) = (screen.document().view.window, screen.document().view.crosshair);
    let middle = screen.pane(Plane::Coronal).center();
    screen.drag(middle, middle + Vec2::new(50.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    let wider = screen.document().view.window;
    assert!(wider.window_width > before.window_width + 10.0, "{wider:?} after {before:?}");
    assert_eq!(wider.window_center, before.window_center);
    screen.drag(middle, middle + Vec2::new(0.0, -50.0), PointerButton::Primary, Modifiers::NONE);
    let darker = screen.document().view.window;
    assert!(darker.window_center < wider.window_center - 10.0, "{darker:?} after {wider:?}");
    assert_eq!(darker.window_width, wider.window_width);
    // Escape takes a drag back.
    screen.press_and_move(middle, middle + Vec2::new(60.0, 60.0), PointerButton::Primary, Modifiers::NONE);
    assert_ne!(screen.document().view.window, darker);
    screen.key(Modifiers::NONE, Key::Escape);
    screen.button(middle, PointerButton::Primary, false, Modifiers::NONE);
    assert_eq!(screen.document().view.window, darker);
    assert_eq!(screen.document().view.crosshair, crosshair, "the crosshair stays");
}

#[test]
fn a_key_plays_the_stack_and_stops_it() {
    let mut screen = Screen::with_scan();
    screen.key(Modifiers::NONE, Key::F3);
    let slices = |w: &maskwright::workspace::Workspace| {
        Plane::ALL.map(|plane| w.active_document().map_or(0, |d| d.slice_index(plane)))
    };
    let start = slices(screen.workspace());
    screen.key(Modifiers::NONE, Key::C);
    screen.until("the next coronal slice", move |w| slices(w)[1] != start[1]);
    screen.key(Modifiers::NONE, Key::C);
    let stopped = slices(screen.workspace());
    assert_eq!((stopped[0], stopped[2]), (start[0], start[2]), "one plane plays");
    // Longer than a slice is shown for.
    std::thread::sleep(std::time::Duration::from_millis(250));
    screen.steps(4);
    assert_eq!(slices(screen.workspace()), stopped);
}

#[test]
fn wheel_and_keys_turn_pages_in_each_pane() {
    let mut screen = Screen::with_scan();
    for plane in Plane::ALL {
        let middle = screen.pane(plane).center();
        let others: Vec<_> =
            Plane::ALL.into_iter().filter(|p| *p != plane).map(|p| (p, screen.shown_slice(p))).collect();
        let start = screen.shown_slice(plane);
        screen.wheel(middle, 1.0, Modifiers::NONE);
        let up = screen.shown_slice(plane);
        assert_eq!(up.abs_diff(start), 1, "{plane:?}");
        screen.wheel(middle, -2.0, Modifiers::NONE);
        let down = screen.shown_slice(plane);
        assert_eq!((down.abs_diff(start), down.abs_diff(up)), (1, 2));
        screen.key(Modifiers::NONE, Key::ArrowUp);
        assert_eq!(screen.shown_slice(plane), start, "keys act on the pane under the pointer");
        screen.key(Modifiers::NONE, Key::Home);
        assert_eq!(screen.shown_slice(plane), 1);
        screen.key(Modifiers::NONE, Key::End);
        let last = screen.shown_slice(plane);
        screen.wheel(middle, if up > start { 3.0 } else { -3.0 }, Modifiers::NONE);
        assert_eq!(screen.shown_slice(plane), last, "the last slice is the last");
        for (other, slice) in others {
            assert_eq!(screen.shown_slice(other), slice);
        }
    }
}

#[test]
fn control_and_wheel_zoom_to_the_pointer() {
    let mut screen = Screen::with_scan();
    let pane = screen.pane(Plane::Axial);
    let probe = pane.center() + Vec2::new(40.0, 10.0);
    // The status bar says which voxel is under the pointer.
    let voxel = |screen: &mut Screen, at| {
        screen.move_to(at);
        screen.steps(2);
        let text = screen.find_text("voxel ");
        let numbers: Vec<i64> =
            text.split("voxel ").nth(1).unwrap().split_whitespace().take(3).map(|n| n.parse().unwrap()).collect();
        numbers
    };
    let (here, there) = (voxel(&mut screen, probe), voxel(&mut screen, probe + Vec2::new(60.0, 0.0)));
    let slice = screen.shown_slice(Plane::Axial);
    screen.wheel(probe, 5.0, Modifiers::COMMAND);
    let (here_after, there_after) = (voxel(&mut screen, probe), voxel(&mut screen, probe + Vec2::new(60.0, 0.0)));
    assert_eq!(here, here_after, "the voxel under the pointer stays");
    assert!((there_after[0] - here_after[0]).abs() < (there[0] - here[0]).abs());
    assert_eq!(screen.shown_slice(Plane::Axial), slice);
    // Pan with the middle button, then fit again.
    screen.drag(probe, probe + Vec2::new(50.0, 0.0), PointerButton::Middle, Modifiers::NONE);
    assert_ne!(voxel(&mut screen, probe), here);
    screen.key(Modifiers::NONE, Key::R);
    assert_eq!(voxel(&mut screen, probe), here);
    // Shift and wheel is the brush.
    let radius = screen.workspace().brush.radius_mm;
    screen.wheel(probe, 2.0, Modifiers::SHIFT);
    assert!(screen.workspace().brush.radius_mm > radius);
    // Pointing with the crosshair tool moves the other panes.
    screen.click_at(pane.center() - Vec2::new(60.0, 40.0));
    assert_ne!(screen.shown_slice(Plane::Coronal), DIMS[1] / 2 + 1);
}
