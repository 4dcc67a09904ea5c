//! Operations on a segment, each by pointer and by key, with preview, undo by name and the rules that they follow.

use super::screen::{DIMS, Screen};
use egui::{Key, Modifiers, PointerButton, Vec2};
use maskwright::core::{LabelMap, Plane};
use maskwright::edit::{Over, PaintRule, Stroke};

const NONE: Modifiers = Modifiers::NONE;

/// Every voxel with its value and its label.
fn voxels(screen: &Screen) -> Vec<([usize; 3], i16, u8)> {
    let volume = screen.document().case.volume.clone().unwrap();
    let labels = screen.document().layer().map(|l| l.labels.clone());
    let [nx, ny, nz] = DIMS;
    (0..nx * ny * nz)
        .map(|n| {
            let v = [n % nx, n / nx % ny, n / (nx * ny)];
            let here = v.map(|x| x as i64);
            (v, volume.at(here).unwrap(), labels.as_ref().map_or(0, |l| l.at(here)))
        })
        .collect()
}

fn shown(screen: &Screen) -> usize {
    screen.shown_slice(Plane::Axial) - 1
}

/// Clears or paints a box of the active layer by a stroke through the workspace's own door.
fn paint_line(screen: &mut Screen, erase: bool, from: [f64; 3], to: [f64; 3], radius: f64) {
    use maskwright::workspace::EditCommand;
    let (from, to) = (glam::DVec3::from_array(from), glam::DVec3::from_array(to));
    let before = screen.workspace().brush;
    let workspace = screen.workspace_mut();
    workspace.dispatch(EditCommand::BrushRadius(radius));
    workspace.dispatch(EditCommand::BrushSphere(false));
    workspace.dispatch(EditCommand::BeginStroke { erase, through_axis: 2 });
    workspace.dispatch(EditCommand::ExtendStroke { from, to });
    workspace.dispatch(EditCommand::CommitStroke);
    workspace.dispatch(EditCommand::BrushRadius(before.radius_mm));
    screen.steps(2);
}

#[test]
fn paint_rules_hold_for_the_brush() {
    let mut screen = Screen::with_scan();
    screen.click("Edit mask");
    screen.click("Only values in this range");
    screen.click("Paint range muscle");
    screen.key(NONE, Key::B);
    let middle = screen.pane(Plane::Axial).center();
    screen.drag(middle - Vec2::new(150.0, 0.0), middle + Vec2::new(150.0, 0.0), PointerButton::Primary, NONE);
    let painted: Vec<_> = voxels(&screen).into_iter().filter(|v| v.2 == 1).collect();
    assert!(!painted.is_empty() && painted.iter().all(|v| v.1 == 30), "only the body is in the range");
    screen.key(Modifiers::SHIFT, Key::U);
    assert!(!screen.workspace().rules.hu_only);
    screen.drag(middle - Vec2::new(20.0, 0.0), middle + Vec2::new(20.0, 0.0), PointerButton::Primary, NONE);
    assert!(voxels(&screen).iter().any(|v| v.2 == 1 && v.1 == 180));

    // A second segment that may take the background alone.
    screen.key(Modifiers::COMMAND | Modifiers::SHIFT, Key::A);
    screen.key(Modifiers::SHIFT, Key::O);
    assert_eq!(screen.workspace().rules.over, Over::Background);
    let first = screen.count(1);
    let across = [middle - Vec2::new(0.0, 60.0), middle + Vec2::new(0.0, 60.0)];
    screen.drag(across[0], across[1], PointerButton::Primary, NONE);
    assert!(screen.count(2) > 0);
    assert_eq!(screen.count(1), first);
    // Then only over the first.
    screen.click("Paint over");
    screen.click("Only Segment 1");
    let background = voxels(&screen).iter().filter(|v| v.2 == 0).count();
    screen.drag(across[0], across[1], PointerButton::Primary, NONE);
    assert!(screen.count(1) < first);
    assert_eq!(voxels(&screen).iter().filter(|v| v.2 == 0).count(), background);
}

#[test]
fn painting_stays_inside_a_segment_of_another_layer() {
    let mut screen = Screen::with_ball();
    let ball = screen.labels();
    screen.click("New layer");
    screen.click("Edit mask");
    screen.click("Only inside");
    screen.click("Ball of ball.nrrd");
    screen.key(NONE, Key::B);
    let middle = screen.pane(Plane::Axial).center();
    screen.drag(middle - Vec2::new(150.0, 0.0), middle + Vec2::new(150.0, 0.0), PointerButton::Primary, NONE);
    let painted: Vec<_> = voxels(&screen).into_iter().filter(|v| v.2 == 1).collect();
    assert!(!painted.is_empty());
    assert!(painted.iter().all(|v| ball.at(v.0.map(|x| x as i64)) == 1));
}

#[test]
fn lasso_by_clicks_by_hand_and_inside_out() {
    let mut screen = Screen::with_scan();
    screen.key(NONE, Key::P);
    let middle = screen.pane(Plane::Axial).center();
    let corners = [Vec2::new(-60.0, -40.0), Vec2::new(60.0, -40.0), Vec2::new(0.0, 60.0)].map(|d| middle + d);
    for corner in corners {
        screen.click_at(corner);
    }
    assert_eq!(screen.count(1), 0, "nothing is painted before the contour is closed");
    screen.key(NONE, Key::Enter);
    let triangle = screen.count(1);
    assert!(triangle > 50);
    assert_eq!(screen.document().undo_name(), Some("Draw: Segment 1"));
    let slice = shown(&screen);
    assert!(voxels(&screen).iter().all(|v| v.2 == 0 || v.0[2] == slice));

    // The same triangle, closed by a click on its first corner, changes nothing and is told so.
    for corner in [corners[0], corners[1], corners[2], corners[0]] {
        screen.click_at(corner);
    }
    assert_eq!(screen.count(1), triangle);

    let round = |screen: &mut Screen, radius: f32, modifiers: Modifiers| {
        let at = |n: usize| middle + radius * Vec2::angled(n as f32 / 24.0 * std::f32::consts::TAU);
        screen.move_to(at(0));
        screen.button(at(0), PointerButton::Primary, true, modifiers);
        for n in 1..24 {
            screen.move_to(at(n));
        }
        screen.button(at(23), PointerButton::Primary, false, modifiers);
        screen.steps(2);
    };
    round(&mut screen, 15.0, Modifiers::COMMAND);
    let cut = screen.count(1);
    assert!(cut < triangle, "Ctrl cuts out");
    assert_eq!(screen.document().undo_name(), Some("Cut: Segment 1"));
    screen.click("Keep inside");
    round(&mut screen, 30.0, NONE);
    assert!(screen.count(1) < cut && screen.count(1) > 0);
    for want in [cut, triangle, 0] {
        screen.key(Modifiers::COMMAND, Key::Z);
        assert_eq!(screen.count(1), want);
    }
    // The list goes to any step at once.
    screen.click("Edit mask");
    screen.click("History");
    screen.click("Step 3: Cut");
    assert_eq!(screen.count(1), cut);
    screen.click("Step 0: Start");
    assert!(screen.document().case.layers.is_empty());
    screen.click("Step 1: New layer");
    // Escape forgets a contour.
    for corner in corners {
        screen.click_at(corner);
    }
    screen.key(NONE, Key::Escape);
    screen.key(NONE, Key::Enter);
    assert_eq!(screen.count(1), 0);
}

#[test]
fn threshold_is_previewed_applied_and_dropped() {
    let mut screen = Screen::with_scan();
    screen.key(Modifiers::SHIFT, Key::T);
    screen.click("Threshold range bone");
    screen.wait();
    screen.click("Threshold range muscle");
    screen.wait();
    let body = voxels(&screen).iter().filter(|v| v.1 == 30).count() as u64;
    let preview = screen.document().preview().expect("a live preview");
    assert_eq!(preview.drawn.counts()[usize::from(preview.marks[0].unwrap())], body);
    assert!(screen.says("Would add"));
    assert_eq!(screen.count(1), 0, "a preview changes nothing");
    assert_eq!(screen.document().undo_name(), Some("New layer"));
    screen.key(NONE, Key::Escape);
    assert!(screen.document().preview().is_none());
    screen.key(Modifiers::SHIFT, Key::Enter);
    screen.wait();
    screen.key(NONE, Key::Enter);
    assert_eq!(screen.count(1), body);
    assert_eq!(screen.document().undo_name(), Some("Threshold: Segment 1"));
    screen.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(screen.count(1), 0);
    screen.click("This axial slice");
    screen.click("Apply");
    screen.wait();
    let slice = shown(&screen);
    assert!(voxels(&screen).iter().all(|v| (v.2 == 1) == (v.1 == 30 && v.0[2] == slice)));
    // A stroke ends a preview: what it showed is no longer what would happen.
    screen.key(Modifiers::SHIFT, Key::Enter);
    screen.wait();
    screen.key(NONE, Key::B);
    screen.paint(Plane::Axial, NONE);
    assert!(screen.document().preview().is_none());
}

#[test]
fn islands_are_kept_removed_split_and_clicked() {
    let mut screen = Screen::with_ball();
    let ball = screen.count(1);
    // A speck in the corner of the body, on the first slice.
    paint_line(&mut screen, false, [12.0, 32.0, 0.0], [14.0, 32.0, 0.0], 0.4);
    let speck = screen.count(1) - ball;
    assert!(speck > 0);
    screen.key(Modifiers::SHIFT, Key::I);
    screen.click("Apply");
    screen.wait();
    assert_eq!(screen.count(1), ball);
    assert_eq!(screen.document().undo_name(), Some("Keep largest island: Ball"));
    screen.key(Modifiers::COMMAND, Key::Z);
    screen.click("Split into segments");
    screen.click("Remove small ones");
    screen.wait();
    screen.key(NONE, Key::Enter);
    assert_eq!(screen.count(1), ball, "a speck is smaller than 100 mm³");
    screen.key(Modifiers::COMMAND, Key::Z);
    screen.click("Split into segments");
    screen.fill("Smaller than", "0");
    screen.click("Apply");
    screen.wait();
    let notices = screen.workspace_mut().take_notices();
    let layer = screen.document().layer().unwrap();
    let labels: Vec<u8> = layer.segments.iter().map(|s| s.id).collect();
    assert_eq!(labels, [1, 2], "{notices:?}");
    assert_eq!((screen.count(1), screen.count(2)), (ball, speck));
    screen.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((screen.count(1), screen.document().layer().unwrap().segments.len()), (ball + speck, 1));

    // By clicks: the ball lies in the middle of the pane.
    screen.key(NONE, Key::K);
    let middle = screen.pane(Plane::Axial).center();
    screen.click_at(middle);
    screen.wait();
    assert_eq!(screen.count(1), ball);
    assert_eq!(screen.document().undo_name(), Some("Keep island: Ball"));
    screen.key(Modifiers::COMMAND, Key::Z);
    screen.click("Remove clicked");
    screen.click_at(middle);
    screen.wait();
    assert_eq!(screen.count(1), speck);
}

#[test]
fn holes_are_filled_and_slices_interpolated_and_copied() {
    let mut screen = Screen::with_ball();
    let ball = screen.labels();
    // A hole in one slice: closed in the plane and, being one voxel high, in space too.
    paint_line(&mut screen, true, [36.0, 32.0, 12.0], [38.0, 32.0, 12.0], 1.2);
    assert!(screen.count(1) < ball.counts()[1]);
    screen.key(Modifiers::SHIFT, Key::H);
    screen.click("Every axial slice");
    screen.wait();
    screen.key(NONE, Key::Enter);
    assert_eq!(screen.labels(), ball);
    assert_eq!(screen.document().undo_name(), Some("Fill holes: Ball"));

    // The middle slice is lost and filled from its neighbours, which are nearly alike.
    paint_line(&mut screen, true, [0.0, 32.0, 12.0], [71.0, 32.0, 12.0], 60.0);
    let gap = screen.count(1);
    screen.move_to(screen.pane(Plane::Axial).center());
    screen.key(Modifiers::SHIFT, Key::B);
    screen.key(Modifiers::SHIFT, Key::Enter);
    screen.wait();
    screen.key(NONE, Key::Enter);
    let filled = screen.labels();
    let lost = ball.counts()[1] - gap;
    assert!(filled.counts()[1] > gap + lost * 8 / 10 && filled.counts()[1] <= ball.counts()[1] + lost / 10);
    assert_eq!(screen.document().undo_name(), Some("Fill between slices: Ball"));

    // Copied upwards, the next slice is what this one is, and it is shown.
    let middle = screen.pane(Plane::Axial).center();
    screen.wheel(middle, 2.0, NONE);
    let from = shown(&screen);
    screen.key(Modifiers::SHIFT, Key::ArrowUp);
    let to = shown(&screen);
    assert_eq!(to, from + 1);
    assert_eq!(screen.document().undo_name(), Some("Copy slice: Ball"));
    let copied = screen.labels();
    for j in 0..DIMS[1] as i64 {
        for i in 0..DIMS[0] as i64 {
            assert_eq!(copied.at([i, j, to as i64]), filled.at([i, j, from as i64]));
        }
    }
    screen.key(Modifiers::SHIFT, Key::ArrowDown);
    assert_eq!(shown(&screen), from);
}

#[test]
fn regions_grow_from_a_click_under_the_drag() {
    let mut screen = Screen::with_scan();
    screen.key(NONE, Key::Y);
    let middle = screen.pane(Plane::Axial).center();
    // The ball of 180 HU lies in a body of 30: 40 HU of tolerance stay in the ball.
    screen.press_and_move(middle, middle + Vec2::new(2.0, 0.0), PointerButton::Primary, NONE);
    assert!(screen.document().preview().is_some(), "seen while the button is down");
    assert_eq!(screen.count(1), 0);
    screen.button(middle + Vec2::new(2.0, 0.0), PointerButton::Primary, false, NONE);
    screen.steps(2);
    let slice = shown(&screen);
    assert!(voxels(&screen).iter().all(|v| (v.2 == 1) == (v.1 == 180 && v.0[2] == slice)));
    assert_eq!(screen.document().undo_name(), Some("Grow region: Segment 1"));
    // Dragged far to the right the body belongs to it, the air does not.
    screen.drag(middle, middle + Vec2::new(240.0, 0.0), PointerButton::Primary, NONE);
    assert!(voxels(&screen).iter().all(|v| (v.2 == 1) == (v.1 >= 30 && v.0[2] == slice)));
    screen.key(Modifiers::COMMAND, Key::Z);
    screen.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(screen.count(1), 0);
    screen.click("3-D");
    screen.drag(middle, middle, PointerButton::Primary, NONE);
    screen.wait();
    assert!(voxels(&screen).iter().all(|v| (v.2 == 1) == (v.1 >= 30)));
}

#[test]
fn one_hint_stands_while_a_region_grows() {
    const HINT: &str = "Drag for the tolerance, release to keep, Esc drops it";
    let mut screen = Screen::with_scan();
    screen.key(NONE, Key::Y);
    // In space each tolerance is a job: previews come when they are ready.
    screen.click("3-D");
    let pane = screen.pane(Plane::Axial);
    let middle = pane.center();
    screen.move_to(middle);
    assert!(!screen.paints_in(pane, HINT));
    screen.button(middle, PointerButton::Primary, true, NONE);
    for n in 0..12 {
        screen.move_to(middle + Vec2::new(20.0 * n as f32, 0.0));
        assert!(screen.paints_in(pane, HINT) && !screen.paints_in(pane, "Preview"), "frame {n}");
    }
    screen.wait();
    assert!(screen.document().preview().is_some() && screen.paints_in(pane, HINT));
    screen.button(middle, PointerButton::Primary, false, NONE);
    for n in 0..200 {
        assert!(!screen.paints_in(pane, "Preview") && !screen.paints_in(pane, HINT), "frame {n} after the release");
        if !screen.workspace().is_busy() {
            break;
        }
        screen.steps(1);
    }
    screen.wait();
    assert!(screen.count(1) > 0);
    // Previews of operations say what they did before.
    screen.key(Modifiers::SHIFT, Key::M);
    screen.key(Modifiers::SHIFT, Key::Enter);
    screen.wait();
    assert!(screen.document().preview().is_some() && screen.paints_in(pane, "Preview: Enter applies"));
}

#[test]
fn smoothing_and_margins_by_key_and_slider() {
    let mut screen = Screen::with_ball();
    let ball = screen.count(1);
    screen.key(Modifiers::SHIFT, Key::M);
    screen.key(Modifiers::SHIFT, Key::Enter);
    screen.wait();
    assert!(screen.says("Would add"));
    screen.key(NONE, Key::Enter);
    let grown = screen.labels();
    assert!(grown.counts()[1] > ball);
    assert_eq!(screen.document().undo_name(), Some("Grow margin: Ball"));
    // Three millimetres of margin are what a stroke of a 3 mm ball over every voxel paints.
    screen.key(Modifiers::COMMAND, Key::Z);
    let mut wanted = screen.labels();
    let brush = maskwright::edit::Brush { shape: maskwright::edit::BrushShape::Sphere, radius_mm: 3.0 };
    let mut stroke = Stroke::begin(&wanted);
    for (v, _, label) in voxels(&screen) {
        if label == 1 {
            let p = glam::DVec3::from_array(v.map(|x| x as f64));
            stroke.extend(&mut wanted, p, p, &brush, &PaintRule::paint(1, [false; 256]));
        }
    }
    assert_eq!(grown, wanted);

    screen.key(Modifiers::SHIFT, Key::S);
    paint_line(&mut screen, false, [2.0, 2.0, 3.0], [2.0, 2.0, 3.0], 0.1);
    screen.click("Opening");
    screen.wait();
    screen.key(NONE, Key::Enter);
    assert_eq!(screen.document().undo_name(), Some("Open: Ball"));
    assert_eq!(screen.labels().at([2, 2, 3]), 0, "a single voxel is taken off");

    // Of one slice, and of no other.
    let before = screen.labels();
    screen.key(Modifiers::SHIFT, Key::M);
    screen.click("This axial slice");
    screen.wait();
    screen.click("Apply");
    screen.wait();
    let (slice, after) = (shown(&screen), screen.labels());
    assert!(after.counts()[1] > before.counts()[1]);
    assert!(voxels(&screen).iter().all(|v| v.0[2] == slice || before.at(v.0.map(|x| x as i64)) == v.2));
}

#[test]
fn segments_combine_merge_and_lungs_change_places() {
    let mut screen = Screen::with_ball();
    let ball = screen.labels();
    screen.click("New layer");
    screen.key(NONE, Key::B);
    let middle = screen.pane(Plane::Axial).center();
    screen.drag(middle - Vec2::new(120.0, 0.0), middle + Vec2::new(120.0, 0.0), PointerButton::Primary, NONE);
    let line = screen.labels();
    let both =
        |a: &LabelMap, b: &LabelMap| a.to_dense().iter().zip(b.to_dense()).filter(|(a, b)| **a == 1 && *b == 1).count();
    let common = both(&line, &ball) as u64;
    assert!(common > 0 && common < line.counts()[1]);
    screen.key(Modifiers::SHIFT, Key::C);
    screen.click("Other segment");
    screen.click("Ball of ball.nrrd");
    screen.wait();
    for (choice, name, want) in [
        ("Keep what lies", "Intersect: Segment 1", common),
        ("Take the other", "Subtract: Segment 1", line.counts()[1] - common),
        ("Add the other", "Union: Segment 1", line.counts()[1] + ball.counts()[1] - common),
        ("Become what lies", "Exclusive or: Segment 1", line.counts()[1] + ball.counts()[1] - 2 * common),
        ("Become what the other", "Copy into: Segment 1", ball.counts()[1]),
        ("Become all", "Invert: Segment 1", (DIMS[0] * DIMS[1] * DIMS[2]) as u64 - line.counts()[1]),
        ("Become empty", "Clear: Segment 1", 0),
    ] {
        screen.click(choice);
        screen.wait();
        screen.click("Apply");
        screen.wait();
        assert_eq!(screen.count(1), want, "{name}");
        assert_eq!(screen.document().undo_name(), Some(name));
        screen.key(Modifiers::COMMAND, Key::Z);
        assert_eq!(screen.labels(), line);
    }

    // Two segments become one, and lungs change places by their names.
    screen.key(Modifiers::COMMAND | Modifiers::SHIFT, Key::A);
    screen.paint(Plane::Coronal, NONE);
    let (one, two) = (screen.count(1), screen.count(2));
    assert!(two > 0);
    use maskwright::workspace::SegmentCommand;
    screen.key(Modifiers::SHIFT, Key::X);
    screen.menu("Help", "Messages");
    assert!(screen.says("Name one segment Left lung"));
    screen.click("Close window");
    screen.workspace_mut().dispatch(SegmentCommand::Rename(1, "Left lung".into()));
    screen.workspace_mut().dispatch(SegmentCommand::Rename(2, "Right lung".into()));
    screen.key(Modifiers::SHIFT, Key::X);
    assert_eq!((screen.count(1), screen.count(2)), (two, one));
    assert_eq!(screen.document().undo_name(), Some("Exchange left and right lung"));
    screen.click("Edit");
    let pos = screen.find("Edit mask").rect().center();
    screen.click_at(pos);
    screen.click("Merge Right lung into");
    screen.click("Left lung");
    assert_eq!((screen.count(1), screen.count(2)), (one + two, 0));
    assert_eq!(screen.document().undo_name(), Some("Merge Right lung into Left lung"));
}

#[test]
fn what_is_asked_for_the_mask_of_then_is_not_done_to_the_mask_of_now() {
    use maskwright::edit::{Extent, Operation};
    use maskwright::workspace::EditCommand;
    let mut screen = Screen::with_ball();
    let workspace = screen.workspace_mut();
    workspace.dispatch(EditCommand::Apply(Operation::Margin { mm: 4.0, extent: Extent::Volume }));
    workspace.dispatch(EditCommand::BeginStroke { erase: false, through_axis: 2 });
    let corner = glam::DVec3::new(3.0, 3.0, 3.0);
    workspace.dispatch(EditCommand::ExtendStroke { from: corner, to: corner });
    workspace.dispatch(EditCommand::CommitStroke);
    let painted = screen.labels();
    screen.wait();
    assert_eq!(screen.labels(), painted);
    screen.menu("Help", "Messages");
    assert!(screen.says("the mask was changed in the meantime"));
}
