//! Measuring, slabs, interpolation, turned planes, fusion, panes side by side and exports by pointer and keys.

use super::screen::{DIMS, Screen, write_mask};
use egui::{Key, Modifiers, PointerButton, Pos2, Rect, Vec2};
use egui_kittest::Node;
use egui_kittest::kittest::NodeT;
use maskwright::core::{ColorMap, Interpolation, Plane, Shape, SlabMode};
use maskwright::workspace::{FileCommand, OpenCommand};

impl Screen {
    /// Pane `n` of those side by side.
    pub fn cell(&self, n: usize) -> Rect {
        let mut panes: Vec<Rect> =
            self.all("Axial slice ").iter().map(|n| n.rect()).filter(|r| r.width() > 60.0).collect();
        panes.sort_by(|a, b| (a.top(), a.left()).partial_cmp(&(b.top(), b.left())).unwrap());
        panes[n]
    }
}

#[test]
fn a_distance_is_drawn_listed_moved_noted_saved_and_deleted() {
    let mut screen = Screen::with_scan();
    screen.tab("Measure");
    screen.click("Measure distance");
    let middle = screen.pane(Plane::Axial).center();
    let end = middle + Vec2::new(100.0, 0.0);
    screen.drag(middle, end, PointerButton::Primary, Modifiers::NONE);
    let kept = screen.document().measurements.clone();
    assert_eq!(kept.len(), 1);
    let Shape::Distance([a, b]) = kept[0].shape else { panic!("{kept:?}") };
    let mm = (b - a).x * 0.8;
    assert!(mm > 5.0 && (a.y - b.y).abs() < 1e-9);
    assert!(screen.says(&format!("{mm:.1} mm")));
    // Its end is taken hold of and moved.
    screen.drag(end, end + Vec2::new(0.0, 60.0), PointerButton::Primary, Modifiers::NONE);
    let moved = screen.document().measurements.clone();
    assert_eq!(moved.len(), 1, "no second one was begun");
    assert!(moved[0].shape.points()[1].y > b.y + 1.0 && moved[0].shape.points()[0] == a);
    screen.fill("Note of Distance 1", "short axis");
    assert_eq!(screen.document().measurements[0].note, "short axis");
    // An ellipse says what is in it.
    screen.click("Measure ellipse");
    let corner = middle - Vec2::new(14.0, 34.0);
    screen.drag(corner, corner + Vec2::splat(24.0), PointerButton::Primary, Modifiers::NONE);
    assert_eq!(screen.document().measurements.len(), 2);
    assert!(screen.says(" HU ("), "mean, deviation and range");
    // Kept in the project.
    let project = screen.dir.path().join("kept.maskwright");
    screen.workspace_mut().dispatch(FileCommand::SaveProject(Some(project.clone())));
    screen.wait();
    let before = screen.document().measurements.clone();
    screen.workspace_mut().dispatch(OpenCommand::Path(project));
    screen.wait();
    assert_eq!(screen.document().measurements, before);
    screen.click("Delete Distance 1");
    assert_eq!(screen.document().measurements.len(), 1);
    assert!(screen.document().is_unsaved());
}

#[test]
fn an_angle_is_clicked_and_a_rectangle_is_dragged() {
    let mut screen = Screen::with_scan();
    screen.tab("Measure");
    screen.click("Measure angle");
    let middle = screen.pane(Plane::Axial).center();
    for at in [middle + Vec2::new(90.0, 0.0), middle, middle + Vec2::new(0.0, 60.0)] {
        assert!(screen.document().measurements.is_empty(), "an angle takes three points");
        screen.click_at(at);
    }
    let kept = screen.document().measurements.clone();
    assert!(matches!(kept[..], [ref m] if matches!(m.shape, Shape::Angle(_)) && m.axis == 2), "{kept:?}");
    assert!(screen.says("90.0°"));
    // Within the ball all values are alike.
    screen.click("Measure rectangle");
    let corner = middle + Vec2::new(-40.0, 20.0);
    screen.drag(corner, corner + Vec2::new(24.0, 30.0), PointerButton::Primary, Modifiers::NONE);
    let kept = screen.document().measurements.clone();
    assert!(matches!(kept[..], [_, ref m] if matches!(m.shape, Shape::Rectangle(_))), "{kept:?}");
    assert!(screen.says("180.0 ± 0.0 HU (180 to 180)"));
    let Shape::Rectangle([a, b]) = kept[1].shape else { panic!("{kept:?}") };
    assert!(b.x - a.x > 1.0 && b.y - a.y > b.x - a.x, "as it was dragged, higher than wide: {a} to {b}");
    screen.click("Delete Angle 1");
    assert_eq!(screen.document().measurements.len(), 1);
}

#[test]
fn segments_are_measured_and_a_region_sets_the_window() {
    let mut screen = Screen::with_scan();
    let mask = write_mask(screen.dir.path());
    screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
    screen.wait();
    screen.tab("Measure");
    screen.click("Measure segments");
    screen.wait();
    assert!(screen.says("180.0 ± 0.0 HU") && screen.says("180 to 180 HU"));
    screen.key(Modifiers::NONE, Key::Num9);
    screen.click("Window of region");
    let middle = screen.pane(Plane::Axial).center();
    screen.drag(middle - Vec2::splat(10.0), middle + Vec2::splat(10.0), PointerButton::Primary, Modifiers::NONE);
    let window = screen.document().view.window;
    assert_eq!((window.window_center, window.window_width), (180.0, 2.0));
}

#[test]
fn slices_are_seen_thick_cubic_and_in_colour() {
    let mut screen = Screen::with_scan();
    screen.tab("View");
    screen.wait();
    assert!(screen.document().histogram().is_some(), "counted when it is first shown");
    assert_eq!(screen.workspace().overlay.interpolation, Interpolation::Linear);
    screen.key(Modifiers::NONE, Key::T);
    assert_eq!(screen.workspace().overlay.interpolation, Interpolation::Cubic);
    for (list, entry) in [("Colour map", "Viridis"), ("Slab shows", "Maximum")] {
        screen.click(list);
        screen.click(entry);
    }
    assert_eq!(screen.document().view.color_map, ColorMap::Viridis);
    assert_eq!(screen.document().view.slab.mode, SlabMode::Maximum);
    screen.fill("Speed", "25");
    screen.click("Only outlines while painting");
    assert!(screen.workspace().overlay.outline_while_painting);
    let level = screen.document().view.window;
    let handle = screen.find("Upper end of the window").rect().center();
    screen.drag(handle, handle - Vec2::new(8.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    let now = screen.document().view.window;
    assert!(now.window_width < level.window_width, "{now:?} against {level:?}");
}

#[test]
fn planes_are_turned_by_a_handle_laid_through_points_and_straightened() {
    let mut screen = Screen::with_scan();
    let pane = screen.pane(Plane::Axial);
    screen.click_at(pane.center());
    // A handle lies on the crosshair's line at 0.38 of the smaller side.
    let reach = 0.38 * pane.width().min(pane.height());
    let start = pane.center() + Vec2::new(reach, 0.0);
    screen.drag(start, start + Vec2::new(-20.0, 60.0), PointerButton::Primary, Modifiers::NONE);
    let turned = screen.document().view.oblique.expect("the planes are turned");
    assert!(turned[0].normal().z.abs() > 0.999, "the plane of the hand stays");
    assert!(turned[1].normal().y.abs() < 0.99, "the coronal plane turned");
    // The edge lasso looks at slices of the grid: it says so, and nothing is drawn by mistake.
    screen.key(Modifiers::SHIFT, Key::P);
    screen.paint(Plane::Coronal, Modifiers::NONE);
    assert!(screen.paints_in(screen.pane(Plane::Coronal), "works on straight planes"));
    screen.key(Modifiers::NONE, Key::Enter);
    assert!(screen.document().layer().is_none());
    let before = screen.document().view.crosshair;
    let middle = screen.pane(Plane::Coronal).center();
    screen.wheel(middle, 1.0, Modifiers::NONE);
    assert_ne!(screen.document().view.crosshair, before, "the wheel goes along the turned normal");
    screen.key(Modifiers::SHIFT, Key::R);
    assert_eq!(screen.document().view.oblique, None);
    screen.click("Measure");
    screen.click("Plane through 3 points");
    let middle = screen.pane(Plane::Sagittal).center();
    for off in [Vec2::new(-30.0, -20.0), Vec2::new(30.0, 0.0), Vec2::new(0.0, 35.0)] {
        screen.click_at(middle + off);
    }
    assert!(screen.document().view.oblique.is_some());
}

#[test]
fn two_cases_side_by_side_share_position_zoom_and_window() {
    let mut screen = Screen::with_scan();
    let first = screen.document().case.id;
    let path = screen.dir.path().join("scan.nrrd");
    screen.workspace_mut().dispatch(OpenCommand::Path(path));
    screen.wait();
    let second = screen.document().case.id;
    assert_ne!(first, second);
    screen.key(Modifiers::COMMAND, Key::Num4);
    screen.steps(2);
    let [left, right] = [screen.cell(0).center(), screen.cell(1).center()];
    screen.wheel(left, 2.0, Modifiers::NONE);
    let numbers = |screen: &Screen| -> Vec<String> {
        let named = screen.all("Axial slice ");
        named
            .iter()
            .filter(|n| n.rect().width() > 60.0)
            .filter_map(|n| egui_kittest::kittest::NodeT::accesskit_node(n).label())
            .collect()
    };
    let shown = numbers(&screen);
    assert_eq!((shown.len(), &shown[0]), (2, &shown[1]), "{shown:?}");
    // Zoom: a hundred points are as many millimetres in both panes, before and after.
    let span = |screen: &mut Screen, middle: Pos2| {
        let x = [0.0, 100.0].map(|off| {
            screen.move_to(middle + Vec2::new(off, 0.0));
            screen.steps(2);
            let text = screen.find_text("   voxel ");
            text.split_whitespace().rev().nth(3).unwrap().parse::<f64>().unwrap()
        });
        x[1] - x[0]
    };
    let before = [span(&mut screen, left), span(&mut screen, right)];
    screen.wheel(left, 4.0, Modifiers::COMMAND);
    let after = [span(&mut screen, left), span(&mut screen, right)];
    assert!((after[0] - after[1]).abs() < 0.25, "{after:?} mm");
    assert!(after.iter().zip(before).all(|(a, b)| *a < 0.7 * b && *a > 0.3 * b), "{before:?} to {after:?} mm");
    // Window: dragged in one, written in both.
    screen.drag(left, left + Vec2::new(50.0, 30.0), PointerButton::Secondary, Modifiers::NONE);
    let window = screen.document().view.window;
    let text = format!("W {:.0}  L {:.0}", window.window_width, window.window_center);
    for n in 0..2 {
        assert!(screen.paints_in(screen.cell(n), &text), "pane {n} has the window {text}");
    }
    // A hand in the other pane makes its case the active one, where it was looked at.
    let slice = screen.document().view.crosshair.z;
    screen.drag(right, right + Vec2::new(40.0, 0.0), PointerButton::Secondary, Modifiers::NONE);
    assert_eq!(screen.document().case.id, first);
    assert!((screen.document().view.crosshair.z - slice).abs() < 1e-6);
    screen.key(Modifiers::NONE, Key::B);
    let at = screen.cell(0).center();
    screen.drag(at, at + Vec2::new(20.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    assert_eq!(screen.document().case.id, second);
    assert!(screen.document().layer().is_some(), "and painting goes there");
    screen.key(Modifiers::COMMAND, Key::Num5);
    assert!(screen.says("Case of pane 4") || !screen.all("Case of pane 4").is_empty());
}

#[test]
fn a_second_case_is_laid_over_and_taken_away() {
    let mut screen = Screen::with_scan();
    let first = screen.document().case.id;
    let path = screen.dir.path().join("scan.nrrd");
    screen.workspace_mut().dispatch(OpenCommand::Path(path));
    screen.wait();
    screen.tab("View");
    screen.click("Laid over");
    let entries = screen.all("scan");
    let entry =
        entries.iter().map(|n| n.rect()).filter(|r| r.left() < 420.0).max_by(|a, b| a.top().total_cmp(&b.top()));
    let entry = entry.expect("the other case is listed").center();
    screen.click_at(entry);
    let fusion = screen.document().view.fusion.expect("laid over");
    assert_eq!((fusion.case, fusion.color_map), (first, ColorMap::HotIron));
    screen.click("Colours of fusion");
    screen.click("PET");
    assert_eq!(screen.document().view.fusion.unwrap().color_map, ColorMap::Pet);
    screen.click("Laid over");
    screen.click("Nothing");
    assert!(screen.document().view.fusion.is_none());
}

#[test]
fn slices_are_exported_as_gif_and_pictures() {
    let mut screen = Screen::with_scan();
    let (gif, folder) = (screen.dir.path().join("stack.gif"), screen.dir.path().join("stack"));
    for path in [&gif, &folder] {
        screen.menu("File", "Export slices");
        screen.answer_path(path);
        screen.wait();
    }
    assert!(std::fs::read(&gif).unwrap().starts_with(b"GIF89a"));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), DIMS[2]);
}

/// Hundredths of a second that the first picture of a GIF is shown: of its graphic control extension (GIF89a, section 23).
fn gif_delay(path: &std::path::Path) -> u16 {
    let bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(3).position(|b| b == [0x21, 0xF9, 0x04]).expect("the GIF says how long it shows a picture");
    u16::from_le_bytes([bytes[at + 4], bytes[at + 5]])
}

#[test]
fn an_exported_gif_has_the_speed_that_was_typed_for_cine() {
    let mut screen = Screen::with_scan();
    screen.tab("View");
    screen.wait();
    for (speed, delay) in [("25", 4), ("5", 20)] {
        screen.fill("Speed", speed);
        let gif = screen.dir.path().join(format!("at-{speed}.gif"));
        screen.menu("File", "Export slices");
        screen.answer_path(&gif);
        screen.wait();
        assert_eq!(gif_delay(&gif), delay, "{speed} slices a second");
    }
}

#[test]
fn the_thickness_of_slabs_is_typed_and_the_lower_end_of_the_window_dragged() {
    let mut screen = Screen::with_scan();
    screen.tab("View");
    screen.wait();
    let before = screen.document().view.slab;
    screen.fill_number("Slab thickness", "12.5");
    let slab = screen.document().view.slab;
    assert_eq!((slab.mm, slab.mode), (12.5, before.mode));
    assert_ne!(before.mm, 12.5);
    screen.fill_number("Slab thickness", "0");
    assert_eq!(screen.document().view.slab.mm, 0.0);

    let ends = |screen: &Screen| {
        let window = screen.document().view.window;
        [-0.5, 0.5].map(|half| window.window_center + half * window.window_width)
    };
    let [low, high] = ends(&screen);
    for by in [8.0, -20.0] {
        let [from, _] = ends(&screen);
        screen.find("Lower end of the window").scroll_to_me();
        screen.steps(10);
        let handle = screen.find("Lower end of the window").rect().center();
        screen.drag(handle, handle + Vec2::new(by, 0.0), PointerButton::Primary, Modifiers::NONE);
        let [now, upper] = ends(&screen);
        assert!((now - from) * f64::from(by) > 0.0, "{from} to {now} by {by} points");
        assert!((upper - high).abs() < 1e-6, "the upper end stays: {high} to {upper}");
    }
    assert!(ends(&screen)[0] < low, "dragged farther back than forth");
}

#[test]
fn each_case_keeps_its_own_window() {
    let mut screen = Screen::with_scan();
    let first = screen.document().case.id;
    let second = screen.open_copy("other.nrrd");
    screen.tab("Patients");
    let choose = |screen: &mut Screen, name: &str| {
        let is_case = |n: &Node<'_>| n.accesskit_node().toggled().is_some() && n.rect().left() < 420.0;
        let at = screen.all(name).into_iter().find(is_case).expect("the case is listed").rect().center();
        screen.click_at(at);
    };
    let set = |screen: &mut Screen, width: &str, level: &str| {
        screen.fill("W", width);
        screen.fill("L", level);
    };
    let shown = |screen: &Screen| {
        let window = screen.document().view.window;
        for (name, value) in [("W", window.window_width), ("L", window.window_center)] {
            let text = screen.number(name).value().unwrap().replace('\u{2212}', "-");
            assert!((text.parse::<f64>().unwrap() - value).abs() <= 0.5, "{name} says {text}, not {value}");
        }
        (screen.document().case.id, window.window_width, window.window_center)
    };
    set(&mut screen, "321", "45");
    choose(&mut screen, "scan.nrrd");
    let untouched = shown(&screen);
    assert_eq!(untouched.0, first);
    assert_ne!((untouched.1, untouched.2), (321.0, 45.0), "the window of one case is not that of the other");
    set(&mut screen, "200", "60");
    choose(&mut screen, "other.nrrd");
    assert_eq!(shown(&screen), (second, 321.0, 45.0));
    choose(&mut screen, "scan.nrrd");
    assert_eq!(shown(&screen), (first, 200.0, 60.0));
}

/// Chooses an entry of a list above a pane; names elsewhere on the window may be the same.
fn choose_above_pane(screen: &mut Screen, list: &str, entry: &str) {
    screen.click(list);
    let place = screen.find(list).rect();
    let below = |r: &Rect| r.top() >= place.bottom() - 4.0 && place.expand(12.0).x_range().contains(r.left());
    let found = screen.all(entry).iter().map(Node::rect).find(below);
    let at = found.unwrap_or_else(|| panic!("{list} does not offer {entry}")).center();
    screen.click_at(at);
}

#[test]
fn panes_side_by_side_show_the_layers_that_are_chosen_for_them() {
    let mut screen = Screen::with_ball();
    let ball = screen.document().active_layer.unwrap();
    screen.click("New layer");
    let manual = screen.document().active_layer.unwrap();
    screen.key(Modifiers::COMMAND, Key::Num4);
    screen.steps(2);
    let chosen = |screen: &Screen, pane: usize| screen.find(&format!("Layer of pane {pane}")).value().unwrap();
    assert_eq!([1, 2].map(|pane| chosen(&screen, pane)), ["Manual", "ball.nrrd"]);
    choose_above_pane(&mut screen, "Layer of pane 2", "No mask");
    screen.steps(5);
    assert_eq!([1, 2].map(|pane| chosen(&screen, pane)), ["Manual", "No mask"], "and it stays so");
    choose_above_pane(&mut screen, "Layer of pane 1", "ball.nrrd");
    assert_eq!([1, 2].map(|pane| chosen(&screen, pane)), ["ball.nrrd", "No mask"]);
    assert_eq!(screen.document().active_layer, Some(manual), "looking changes nothing");
    // A hand in a pane works on the layer that the pane shows.
    screen.key(Modifiers::NONE, Key::B);
    let before = screen.document().case.layer(ball).unwrap().labels.counts()[1];
    let at = screen.cell(0).center();
    screen.drag(at, at + Vec2::new(20.0, 0.0), PointerButton::Primary, Modifiers::COMMAND);
    assert_eq!(screen.document().active_layer, Some(ball));
    assert!(screen.document().case.layer(ball).unwrap().labels.counts()[1] < before);
    choose_above_pane(&mut screen, "Layer of pane 2", "Manual");
    let at = screen.cell(1).center();
    screen.drag(at, at + Vec2::new(20.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    assert_eq!(screen.document().active_layer, Some(manual));
    assert!(screen.count(1) > 0);
}

#[test]
fn panes_whose_link_is_off_go_their_own_ways() {
    let mut screen = Screen::with_scan();
    screen.open_copy("other.nrrd");
    screen.key(Modifiers::COMMAND, Key::Num4);
    screen.steps(2);
    let slices = |screen: &Screen| {
        let mut panes: Vec<(f32, String)> = screen
            .all("Axial slice ")
            .iter()
            .filter(|n| n.rect().width() > 60.0)
            .filter_map(|n| Some((n.rect().left(), n.accesskit_node().label()?)))
            .collect();
        panes.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert_eq!(panes.len(), 2);
        panes.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    };
    let [left, right] = [screen.cell(0).center(), screen.cell(1).center()];
    screen.wheel(left, 2.0, Modifiers::NONE);
    let linked = slices(&screen);
    assert_eq!(linked[0], linked[1]);
    screen.click("Link");
    assert!(!screen.is_on("Link"));
    let apart = slices(&screen);
    screen.wheel(left, 3.0, Modifiers::NONE);
    let moved = slices(&screen);
    assert!(moved[0] != apart[0] && moved[1] == apart[1], "{apart:?} to {moved:?}");
    screen.drag(right, right + Vec2::new(50.0, 30.0), PointerButton::Secondary, Modifiers::NONE);
    let window = screen.document().view.window;
    let text = format!("W {:.0}  L {:.0}", window.window_width, window.window_center);
    assert!(screen.paints_in(screen.cell(1), &text) && !screen.paints_in(screen.cell(0), &text), "{text}");
    // Together again.
    screen.click("Link");
    screen.steps(3);
    let together = slices(&screen);
    assert_eq!(together[0], together[1]);
    assert!(screen.paints_in(screen.cell(0), &text) && screen.paints_in(screen.cell(1), &text), "{text}");
}

#[test]
fn the_panes_stay_where_they_are_when_the_tool_changes() {
    let mut screen = Screen::with_scan();
    let place = screen.pane(Plane::Axial);
    for key in [Key::B, Key::L, Key::P, Key::V] {
        screen.key(Modifiers::NONE, key);
        assert_eq!(screen.pane(Plane::Axial), place, "{key:?}");
    }
    let _: Pos2 = place.min;
}
