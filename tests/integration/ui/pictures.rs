//! Measuring, slabs, interpolation, turned planes, fusion, panes side by side and exports by pointer and keys.

use super::screen::{DIMS, Screen, write_mask};
use egui::{Key, Modifiers, PointerButton, Pos2, Rect, Vec2};
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
    // Painting needs a straight plane; nothing is painted by mistake.
    screen.key(Modifiers::NONE, Key::B);
    screen.paint(Plane::Coronal, Modifiers::NONE);
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
