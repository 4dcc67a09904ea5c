//! The tools that paint, fill, push, draw and grow, each by pointer and by key.

use super::screen::{DIMS, Screen};
use egui::{Key, Modifiers, PointerButton, Pos2, Vec2};
use maskwright::core::{LabelMap, Plane};
use maskwright::workspace::{EditCommand, SegmentCommand};

const NONE: Modifiers = Modifiers::NONE;
const SHIFT: Modifiers = Modifiers::SHIFT;
const CTRL: Modifiers = Modifiers::COMMAND;

fn middle(screen: &Screen) -> Pos2 {
    screen.pane(Plane::Axial).center()
}

/// Labelled voxels with their place and value.
fn labelled(screen: &Screen) -> Vec<([usize; 3], i16, u8)> {
    let volume = screen.document().case.volume.clone().unwrap();
    let labels = screen.labels();
    let [nx, ny, nz] = DIMS;
    (0..nx * ny * nz)
        .map(|n| [n % nx, n / nx % ny, n / (nx * ny)])
        .map(|v| (v, volume.at(v.map(|x| x as i64)).unwrap(), labels.at(v.map(|x| x as i64))))
        .filter(|v| v.2 != 0)
        .collect()
}

/// Sizes of what is labelled along i and j.
fn extent(screen: &Screen) -> [usize; 2] {
    let found = labelled(screen);
    let size = |a: usize| {
        let at = || found.iter().map(|v| v.0[a]);
        at().max().unwrap() + 1 - at().min().unwrap()
    };
    [size(0), size(1)]
}

#[test]
fn the_eraser_erases_and_with_control_paints() {
    let mut screen = Screen::with_ball();
    let ball = screen.labels();
    screen.key(NONE, Key::E);
    assert!(screen.is_on("Eraser"));
    screen.paint(Plane::Axial, NONE);
    let erased = screen.labels();
    assert!(erased.counts()[1] < ball.counts()[1]);
    assert_eq!(screen.document().undo_name(), Some("Erase Ball"));
    let voxels = erased.to_dense().into_iter().zip(ball.to_dense());
    assert!(voxels.into_iter().all(|(now, before)| now == before || now == 0), "nothing is painted");
    screen.paint(Plane::Axial, CTRL);
    assert_eq!(screen.document().undo_name(), Some("Paint Ball"));
    assert!(screen.count(1) > erased.counts()[1]);
    screen.key(CTRL, Key::Z);
    screen.key(CTRL, Key::Z);
    assert_eq!(screen.labels(), ball);
}

#[test]
fn a_square_brush_paints_squares_and_boxes() {
    let mut screen = Screen::with_scan();
    screen.key(NONE, Key::B);
    screen.key(SHIFT, Key::K);
    assert!(screen.workspace().brush.square);
    let at = middle(&screen);
    screen.click_at(at);
    let [x, y] = extent(&screen);
    assert_eq!(screen.count(1), (x * y) as u64, "all of the square is painted");
    assert!(x > 8 && x.abs_diff(y) <= 1, "{x} {y}");
    let flat = screen.labels();
    screen.key(CTRL, Key::Z);
    screen.click("3-D");
    screen.click_at(at);
    assert!(screen.count(1) > 2 * flat.counts()[1], "a box goes through the slices");
    screen.key(CTRL, Key::Z);
    screen.click("Square");
    screen.key(NONE, Key::N);
    screen.click_at(at);
    assert!(screen.count(1) < flat.counts()[1], "a disc is smaller than its square");
}

#[test]
fn an_adaptive_brush_stops_at_the_edge() {
    let mut screen = Screen::with_scan();
    screen.key(NONE, Key::B);
    let at = middle(&screen);
    // From inside the ball across its edge.
    let out = at + Vec2::new(110.0, 0.0);
    screen.drag(at, out, PointerButton::Primary, NONE);
    assert!(labelled(&screen).iter().any(|v| v.1 == 30), "a plain brush paints over the edge");
    screen.key(CTRL, Key::Z);
    screen.key(SHIFT, Key::A);
    screen.drag(at, out, PointerButton::Primary, NONE);
    assert!(screen.count(1) > 50 && labelled(&screen).iter().all(|v| v.1 == 180));
    screen.key(CTRL, Key::Z);
    screen.fill("Tolerance of the brush", "500");
    screen.drag(at, out, PointerButton::Primary, NONE);
    assert!(labelled(&screen).iter().any(|v| v.1 == 30), "what differs by 150 HU is within 500");
    screen.click("Adaptive");
    assert!(!screen.workspace().brush.adaptive);
}

#[test]
fn the_bucket_fills_closed_outlines_only() {
    let mut screen = Screen::with_scan();
    screen.key(NONE, Key::B);
    let at = middle(&screen);
    screen.workspace_mut().dispatch(EditCommand::BrushRadius(1.0));
    let corner = |n: usize| at + 110.0 * Vec2::angled(n as f32 * std::f32::consts::TAU / 4.0);
    for n in 0..3 {
        screen.drag(corner(n), corner(n + 1), PointerButton::Primary, NONE);
    }
    let open = screen.count(1);
    screen.key(NONE, Key::H);
    screen.click_at(at);
    assert_eq!(screen.count(1), open, "an open outline is not filled");
    screen.key(NONE, Key::B);
    screen.drag(corner(3), corner(0), PointerButton::Primary, NONE);
    let outline = screen.count(1);
    screen.click("Bucket");
    screen.click_at(at);
    let filled = screen.count(1);
    assert!(filled > outline + 150, "{filled} {outline}");
    assert_eq!(screen.document().undo_name(), Some("Fill area: Segment 1"));
    let slices: std::collections::BTreeSet<usize> = labelled(&screen).iter().map(|v| v.0[2]).collect();
    assert_eq!(slices.len(), 1);
    screen.move_to(at);
    screen.button(at, PointerButton::Primary, true, CTRL);
    screen.button(at, PointerButton::Primary, false, CTRL);
    screen.wait();
    assert_eq!(screen.count(1), 0, "Ctrl empties");
    screen.key(CTRL, Key::Z);
    screen.key(CTRL, Key::Z);
    assert_eq!(screen.count(1), outline);
    screen.menu("Help", "Messages");
    assert!(screen.says("close its outline"), "why an open outline was not filled");
}

#[test]
fn the_outline_is_pushed_out_and_in() {
    let mut screen = Screen::with_ball();
    let ball = screen.count(1);
    screen.key(NONE, Key::Z);
    let at = middle(&screen);
    screen.click_at(at);
    assert_eq!(screen.count(1), ball, "a press alone changes nothing");
    screen.drag(at, at + Vec2::new(120.0, 0.0), PointerButton::Primary, NONE);
    assert!(screen.count(1) > ball);
    assert_eq!(screen.document().undo_name(), Some("Push Ball"));
    screen.key(CTRL, Key::Z);
    screen.click("Push");
    screen.press_and_move(at + Vec2::new(0.0, 160.0), at + Vec2::new(0.0, 40.0), PointerButton::Primary, NONE);
    assert!(screen.count(1) < ball);
    screen.key(NONE, Key::Escape);
    assert_eq!(screen.count(1), ball, "Escape takes a push back");
}

#[test]
fn the_edge_lasso_follows_the_ball() {
    let mut screen = Screen::with_scan();
    screen.key(SHIFT, Key::P);
    let at = middle(&screen);
    // The ball has a radius of 14 voxels; the pane's scale follows from a lasso that is not needed here.
    let radius = screen_points_per_voxel(&mut screen) * 14.0;
    for n in 0..6 {
        // A sloppy hand: a voxel off, here inside and there outside.
        let r = radius + if n % 2 == 0 { 4.0 } else { -4.0 };
        screen.click_at(at + r * Vec2::angled(n as f32 * std::f32::consts::TAU / 6.0));
    }
    assert_eq!(screen.count(1), 0);
    screen.key(NONE, Key::Enter);
    let found = labelled(&screen);
    let slice = screen.shown_slice(Plane::Axial) - 1;
    let volume = screen.document().case.volume.clone().unwrap();
    let inside = |i: i64, j: i64| volume.at([i, j, slice as i64]) == Some(180);
    let ball = (0..DIMS[0] as i64).flat_map(|i| (0..DIMS[1] as i64).map(move |j| (i, j))).filter(|v| inside(v.0, v.1));
    let ball = ball.count();
    let both = found.iter().filter(|v| v.1 == 180).count();
    let dice = 2.0 * both as f64 / (ball + found.len()) as f64;
    assert!(dice > 0.9, "Dice {dice}");
    assert_eq!(screen.document().undo_name(), Some("Draw: Segment 1"));
    screen.key(CTRL, Key::Z);
    screen.click_at(at);
    screen.click("Brush");
    screen.key(NONE, Key::Enter);
    assert_eq!(screen.count(1), 0, "another tool forgets the contour");
}

/// Points on the screen for a voxel of the axial pane.
fn screen_points_per_voxel(screen: &mut Screen) -> f32 {
    let at = middle(screen);
    let voxel = |screen: &mut Screen, at: Pos2| {
        screen.move_to(at);
        screen.steps(2);
        let text = screen.find_text("voxel ");
        let rest = text.split("voxel ").nth(1).unwrap().to_owned();
        rest.split_whitespace().next().unwrap().parse::<f32>().unwrap()
    };
    let (a, b) = (voxel(screen, at), voxel(screen, at + Vec2::new(150.0, 0.0)));
    150.0 / (b - a)
}

#[test]
fn a_lasso_cuts_through_all_slices_and_splits_off() {
    let mut screen = Screen::with_ball();
    let ball = screen.labels();
    screen.key(NONE, Key::P);
    screen.click("Split off");
    screen.click("All slices");
    let at = middle(&screen);
    // Everything to the right of the middle.
    let corners = [Vec2::new(2.0, -200.0), Vec2::new(220.0, -200.0), Vec2::new(220.0, 200.0), Vec2::new(2.0, 200.0)];
    for corner in corners {
        screen.click_at(at + corner);
    }
    screen.key(NONE, Key::Enter);
    screen.wait();
    let (left, right) = (screen.count(1), screen.count(2));
    assert_eq!(left + right, ball.counts()[1]);
    assert!(right * 5 > left && left * 5 > right, "{left} {right}");
    let slices = |label: u8| {
        let of: std::collections::BTreeSet<usize> =
            labelled(&screen).iter().filter(|v| v.2 == label).map(|v| v.0[2]).collect();
        of.len()
    };
    assert_eq!(slices(1), slices(2));
    assert_eq!(screen.document().layer().unwrap().segments.len(), 2);
    screen.key(CTRL, Key::Z);
    assert_eq!(screen.labels(), ball);
    assert_eq!(screen.document().layer().unwrap().segments.len(), 1);
    screen.click("Remove");
    for corner in corners {
        screen.click_at(at + corner);
    }
    screen.key(NONE, Key::Enter);
    screen.wait();
    assert_eq!(screen.count(1), left);
}

#[test]
fn seeds_grow_until_they_meet_and_follow_new_strokes() {
    let mut screen = Screen::with_scan();
    screen.key(NONE, Key::B);
    let at = middle(&screen);
    screen.workspace_mut().dispatch(EditCommand::BrushRadius(2.0));
    screen.click_at(at);
    screen.key(CTRL | SHIFT, Key::A);
    screen.workspace_mut().dispatch(SegmentCommand::Rename(2, "Background".into()));
    // Around the ball, in the body.
    let far = screen_points_per_voxel(&mut screen) * 19.0;
    let ring = |n: usize| at + far * Vec2::angled(n as f32 * std::f32::consts::TAU / 12.0);
    for n in 0..12 {
        screen.drag(ring(n), ring(n + 1), PointerButton::Primary, NONE);
    }
    let seeds = screen.labels();
    screen.key(SHIFT, Key::Y);
    screen.click("Preview");
    screen.wait();
    let first = screen.document().preview().expect("a preview").drawn.counts();
    assert!(first[1] > 4 * seeds.counts()[1], "the ball's seed has grown");
    assert_eq!(first[2], seeds.counts()[2], "the background's has grown, too, but stays empty");
    assert_eq!(screen.labels(), seeds);
    // One more stroke of the background, in the ball: the preview follows by itself.
    screen.key(NONE, Key::B);
    screen.click_at(at + Vec2::new(40.0, 0.0));
    screen.steps(3);
    screen.wait();
    let second = screen.document().preview().expect("a preview again").drawn.counts();
    assert!(second[1] < first[1]);
    screen.key(NONE, Key::Enter);
    assert_eq!(screen.count(1), second[1]);
    assert!(screen.document().undo_name().unwrap().starts_with("Grow from seeds"));
    let on_ball = labelled(&screen).iter().filter(|v| v.2 == 1 && v.1 == 180).count();
    assert!(on_ball as f64 > 0.9 * second[1] as f64, "it stops at the edge: {on_ball} of {}", second[1]);
}

#[test]
fn joint_smoothing_leaves_no_gap() {
    let mut screen = Screen::with_ball();
    // The upper half belongs to a second segment.
    screen.key(NONE, Key::P);
    screen.click("Split off");
    screen.click("All slices");
    let at = middle(&screen);
    for corner in [Vec2::new(-220.0, -200.0), Vec2::new(220.0, -200.0), Vec2::new(220.0, 2.0), Vec2::new(-220.0, 2.0)] {
        screen.click_at(at + corner);
    }
    screen.key(NONE, Key::Enter);
    screen.wait();
    let before = screen.labels();
    screen.key(SHIFT, Key::S);
    screen.click("Joint");
    screen.wait();
    assert!(screen.document().preview().is_some());
    screen.key(NONE, Key::Enter);
    assert_eq!(screen.document().undo_name(), Some("Smooth jointly: Ball"));
    let after = screen.labels();
    assert_ne!(after, before);
    assert!(after.counts()[1] > 0 && after.counts()[2] > 0);
    // Deep inside, both stay and nothing opens between them.
    let holes =
        |map: &LabelMap| (28..44).flat_map(|i| (26..38).map(move |j| map.at([i, j, 12]))).filter(|l| *l == 0).count();
    assert_eq!((holes(&before), holes(&after)), (0, 0));
}
