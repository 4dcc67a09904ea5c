//! The tools on planes that are turned, by pointer and key.

use super::screen::{DIMS, Screen};
use egui::{Key, Modifiers, PointerButton, Pos2, Vec2};
use glam::DVec3;
use maskwright::core::{LabelMap, Plane};
use maskwright::workspace::EditCommand;
use std::collections::BTreeSet;

const NONE: Modifiers = Modifiers::NONE;
const SHIFT: Modifiers = Modifiers::SHIFT;
const CTRL: Modifiers = Modifiers::COMMAND;

/// Turns the coronal and the sagittal plane by a handle of the axial pane, and gives the middle of the coronal one.
fn turn(screen: &mut Screen) -> Pos2 {
    screen.key(NONE, Key::V);
    let pane = screen.pane(Plane::Axial);
    screen.click_at(pane.center());
    let start = pane.center() + Vec2::new(0.38 * pane.width().min(pane.height()), 0.0);
    screen.drag(start, start + Vec2::new(-20.0, 70.0), PointerButton::Primary, NONE);
    let turned = screen.document().directions(Plane::Coronal).normal();
    assert!(turned.y.abs() < 0.99 && turned.y.abs() > 0.5, "{turned}");
    screen.pane(Plane::Coronal).center()
}

/// Voxels on which two maps differ.
fn changed(a: &LabelMap, b: &LabelMap) -> Vec<[usize; 3]> {
    let [nx, ny, _] = DIMS;
    let both = a.to_dense().into_iter().zip(b.to_dense()).enumerate();
    both.filter(|(_, (a, b))| a != b).map(|(n, _)| [n % nx, n / nx % ny, n / (nx * ny)]).collect()
}

/// Fails unless the shown coronal plane goes through each of the voxels, and they are not those of one slice.
fn assert_cut(screen: &Screen, voxels: &[[usize; 3]]) {
    let document = screen.document();
    let normal = document.directions(Plane::Coronal).normal();
    let edges = document.case.geometry.world_from_voxel().matrix3;
    let thickness: f64 = (0..3).map(|a| normal.dot(edges.col(a)).abs()).sum();
    for voxel in voxels {
        let off = DVec3::from_array(voxel.map(|v| v as f64)) - document.view.crosshair;
        let mm = normal.dot(edges * off);
        assert!(
            mm.abs() <= thickness / 2.0 + 1e-6,
            "{voxel:?} is {mm} mm from the plane, voxels are {thickness} thick"
        );
    }
    for axis in [0, 1] {
        let slices: BTreeSet<usize> = voxels.iter().map(|v| v[axis]).collect();
        assert!(slices.len() > 1, "voxels of one slice across axis {axis}");
    }
}

#[test]
fn brush_and_eraser_change_what_the_turned_plane_cuts() {
    let mut screen = Screen::with_scan();
    turn(&mut screen);
    screen.key(NONE, Key::B);
    screen.paint(Plane::Coronal, NONE);
    let painted = screen.labels();
    let empty = LabelMap::empty(screen.document().case.geometry);
    let disc = changed(&empty, &painted);
    assert!(disc.len() > 20, "{}", disc.len());
    assert_cut(&screen, &disc);
    assert_eq!(screen.document().undo_name(), Some("Paint Segment 1"));
    screen.key(NONE, Key::E);
    screen.paint(Plane::Coronal, NONE);
    assert_eq!(screen.count(1), 0, "the eraser takes the same voxels away");
    screen.key(CTRL, Key::Z);
    assert_eq!(screen.labels(), painted);
    screen.key(CTRL, Key::Z);
    assert_eq!(screen.labels(), empty);
    // A square is larger than its disc, and keeps to the plane as well.
    screen.key(NONE, Key::B);
    screen.key(SHIFT, Key::K);
    screen.paint(Plane::Coronal, NONE);
    let square = changed(&empty, &screen.labels());
    assert!(square.len() > disc.len());
    assert_cut(&screen, &square);
    screen.key(CTRL, Key::Z);
    screen.key(SHIFT, Key::K);
    // A ball is the same on every plane.
    screen.key(NONE, Key::N);
    screen.paint(Plane::Coronal, NONE);
    assert!(screen.count(1) > 2 * disc.len() as u64);
    screen.key(CTRL, Key::Z);
    screen.key(NONE, Key::N);
    // Escape takes a stroke back.
    let middle = screen.pane(Plane::Coronal).center();
    screen.press_and_move(middle, middle + Vec2::new(30.0, 0.0), PointerButton::Primary, NONE);
    assert_ne!(screen.labels(), empty);
    screen.key(NONE, Key::Escape);
    assert_eq!(screen.labels(), empty);
    screen.button(middle, PointerButton::Primary, false, NONE);
    // Straight again, a stroke keeps to one slice.
    screen.key(SHIFT, Key::R);
    screen.paint(Plane::Coronal, NONE);
    let rows: BTreeSet<usize> = changed(&empty, &screen.labels()).iter().map(|v| v[1]).collect();
    assert_eq!(rows.len(), 1);
}

#[test]
fn a_lasso_and_the_bucket_work_on_a_turned_plane() {
    let mut screen = Screen::with_scan();
    let at = turn(&mut screen);
    screen.key(NONE, Key::P);
    let corners = [Vec2::new(-60.0, -50.0), Vec2::new(60.0, -50.0), Vec2::new(60.0, 50.0), Vec2::new(-60.0, 50.0)];
    for corner in corners {
        screen.click_at(at + corner);
    }
    assert!(screen.document().layer().is_none(), "nothing is drawn before the contour is closed");
    screen.key(NONE, Key::Enter);
    screen.wait();
    let drawn = screen.labels();
    let empty = LabelMap::empty(screen.document().case.geometry);
    let inside = changed(&empty, &drawn);
    assert!(inside.len() > 40, "{}", inside.len());
    assert_cut(&screen, &inside);
    assert_eq!(screen.document().undo_name(), Some("Draw: Segment 1"));
    screen.key(CTRL, Key::Z);
    // Freehand, and through all that lies before and behind.
    screen.click("All slices");
    screen.move_to(at + corners[0]);
    screen.button(at + corners[0], PointerButton::Primary, true, NONE);
    for corner in &corners[1..] {
        screen.move_to(at + *corner);
    }
    screen.button(at + corners[3], PointerButton::Primary, false, NONE);
    screen.wait();
    assert!(screen.count(1) > 5 * inside.len() as u64, "{}", screen.count(1));
    screen.key(CTRL, Key::Z);
    assert_eq!(screen.count(1), 0);

    // An outline on the plane holds the bucket as it does on a slice.
    screen.key(NONE, Key::B);
    screen.workspace_mut().dispatch(EditCommand::BrushRadius(1.0));
    let corner = |n: usize| at + 60.0 * Vec2::angled(n as f32 * std::f32::consts::TAU / 4.0);
    for n in 0..3 {
        screen.drag(corner(n), corner(n + 1), PointerButton::Primary, NONE);
    }
    let open = screen.count(1);
    screen.key(NONE, Key::H);
    screen.click_at(at);
    screen.wait();
    assert_eq!(screen.count(1), open, "an open outline is not filled");
    screen.key(NONE, Key::B);
    screen.drag(corner(3), corner(0), PointerButton::Primary, NONE);
    let outline = screen.labels();
    screen.key(NONE, Key::H);
    screen.click_at(at);
    screen.wait();
    let filled = changed(&outline, &screen.labels());
    assert!(filled.len() > 15, "{}", filled.len());
    assert_cut(&screen, &filled);
    assert_eq!(screen.document().undo_name(), Some("Fill area: Segment 1"));
    let all = screen.count(1);
    screen.move_to(at);
    screen.button(at, PointerButton::Primary, true, CTRL);
    screen.button(at, PointerButton::Primary, false, CTRL);
    screen.wait();
    assert!(screen.count(1) + filled.len() as u64 <= all, "Ctrl empties");
    screen.key(CTRL, Key::Z);
    screen.key(CTRL, Key::Z);
    assert_eq!(screen.labels(), outline);
}

#[test]
fn regions_grow_and_outlines_are_pushed_on_a_turned_plane() {
    let mut screen = Screen::with_scan();
    let at = turn(&mut screen);
    screen.key(NONE, Key::Y);
    screen.click_at(at);
    screen.wait();
    let empty = LabelMap::empty(screen.document().case.geometry);
    let grown = changed(&empty, &screen.labels());
    assert!(grown.len() > 100, "{}", grown.len());
    assert_cut(&screen, &grown);
    let volume = screen.document().case.volume.clone().unwrap();
    assert!(grown.iter().all(|v| volume.at(v.map(|x| x as i64)) == Some(180)), "it stops at the edge of the ball");
    let before = screen.labels();
    screen.key(NONE, Key::Z);
    screen.drag(at, at + Vec2::new(0.0, 110.0), PointerButton::Primary, NONE);
    let pushed = changed(&before, &screen.labels());
    assert!(pushed.len() > 3 && screen.count(1) > before.counts()[1], "{}", pushed.len());
    assert_cut(&screen, &[pushed, grown].concat());
    assert_eq!(screen.document().undo_name(), Some("Push Segment 1"));
    screen.key(CTRL, Key::Z);
    assert_eq!(screen.labels(), before);
    // What copies slices of the grid says that it cannot mean this plane.
    screen.key(SHIFT, Key::ArrowUp);
    assert_eq!(screen.labels(), before);
    screen.menu("Help", "Messages");
    assert!(screen.says("straighten the planes first"));
}

#[test]
fn only_the_planes_that_lie_turned_are_called_so() {
    let mut screen = Screen::with_scan();
    turn(&mut screen);
    let called = |screen: &Screen, plane| screen.paints_in(screen.pane(plane), "(turned)");
    assert!(called(&screen, Plane::Coronal) && called(&screen, Plane::Sagittal));
    assert!(!called(&screen, Plane::Axial), "the others were turned about it");
    screen.key(SHIFT, Key::R);
    assert!(Plane::ALL.into_iter().all(|plane| !called(&screen, plane)));
}
