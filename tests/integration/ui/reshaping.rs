//! What changes the shape of a whole segment or layer: median and closing, a margin that shrinks, mirroring.

use super::screen::{DIMS, Screen};
use egui::{Key, Modifiers};
use glam::DVec3;
use maskwright::core::LabelMap;
use maskwright::workspace::EditCommand;

const NONE: Modifiers = Modifiers::NONE;
const SHIFT: Modifiers = Modifiers::SHIFT;
/// In the middle of the ball, and in the air beside it.
const MIDDLE: [i64; 3] = [36, 32, 12];
const AIR: [i64; 3] = [2, 2, 3];

/// Paints or erases a single voxel.
fn dot(screen: &mut Screen, erase: bool, voxel: [i64; 3]) {
    let at = DVec3::from_array(voxel.map(|v| v as f64));
    let radius = screen.workspace().brush.radius_mm;
    for command in [
        EditCommand::BrushRadius(0.1),
        EditCommand::BeginStroke { erase, through_axis: 2 },
        EditCommand::ExtendStroke { from: at, to: at },
        EditCommand::CommitStroke,
        EditCommand::BrushRadius(radius),
    ] {
        screen.workspace_mut().dispatch(command);
    }
    screen.steps(2);
    assert_eq!(screen.labels().at(voxel), u8::from(!erase));
}

fn voxels() -> impl Iterator<Item = [i64; 3]> {
    let [nx, ny, nz] = DIMS;
    (0..nx * ny * nz).map(move |n| [n % nx, n / nx % ny, n / (nx * ny)].map(|v| v as i64))
}

/// The voxels of `inner` are all in `outer`.
fn is_within(inner: &LabelMap, outer: &LabelMap) -> bool {
    voxels().all(|v| inner.at(v) == 0 || outer.at(v) == inner.at(v))
}

#[test]
fn a_median_takes_specks_off_and_fills_pinholes() {
    let mut screen = Screen::with_ball();
    let ball = screen.count(1);
    dot(&mut screen, false, AIR);
    dot(&mut screen, true, MIDDLE);
    let before = screen.labels();
    screen.key(SHIFT, Key::S);
    screen.click("Median");
    screen.key(SHIFT, Key::Enter);
    screen.wait();
    assert!(screen.document().preview().is_some() && screen.labels() == before, "shown and not done");
    screen.key(NONE, Key::Enter);
    assert_eq!(screen.document().undo_name(), Some("Smooth: Ball"));
    let smooth = screen.labels();
    assert_eq!((smooth.at(AIR), smooth.at(MIDDLE)), (0, 1));
    assert!(smooth.counts()[1].abs_diff(ball) < ball / 5, "a ball stays a ball: {} of {ball}", smooth.counts()[1]);
    screen.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(screen.labels(), before);
}

#[test]
fn closing_fills_a_gap_and_takes_nothing_away() {
    let mut screen = Screen::with_ball();
    dot(&mut screen, true, MIDDLE);
    let before = screen.labels();
    screen.key(SHIFT, Key::S);
    screen.click("Closing");
    screen.wait();
    assert!(screen.document().preview().is_some(), "seen as soon as it is chosen");
    screen.key(NONE, Key::Enter);
    assert_eq!(screen.document().undo_name(), Some("Close: Ball"));
    let closed = screen.labels();
    assert_eq!(closed.at(MIDDLE), 1);
    assert!(is_within(&before, &closed));
}

#[test]
fn a_preview_tells_what_changes_however_little() {
    let mut screen = Screen::with_ball();
    dot(&mut screen, true, MIDDLE);
    screen.key(SHIFT, Key::H);
    screen.key(SHIFT, Key::Enter);
    screen.wait();
    // One voxel of 0.8 x 0.8 x 2.5 mm.
    assert!(screen.says("Would add 1.6 mm³ and remove nothing."), "{}", screen.find_text("Would"));
    screen.key(NONE, Key::Enter);
    assert_eq!(screen.labels().at(MIDDLE), 1);
    screen.key(SHIFT, Key::Enter);
    screen.wait();
    assert!(screen.says("Would change nothing."), "{}", screen.find_text("Would"));
}

#[test]
fn a_negative_margin_shrinks_on_all_sides() {
    let mut screen = Screen::with_ball();
    let ball = screen.labels();
    screen.key(SHIFT, Key::M);
    screen.fill_number("Margin", "-3");
    screen.wait();
    assert!(screen.document().preview().is_some() && screen.says("Would add nothing and remove"));
    screen.key(NONE, Key::Enter);
    assert_eq!(screen.document().undo_name(), Some("Shrink: Ball"));
    let small = screen.labels();
    assert!(small.counts()[1] > 0 && is_within(&small, &ball));
    // Three pixels of 0.8 mm and one slice of 2.5 mm lie within three millimetres, four pixels do not.
    for v in voxels().filter(|v| small.at(*v) == 1) {
        for (axis, steps) in [(0, 3), (1, 3), (2, 1)] {
            for step in [-steps, steps] {
                let mut there = v;
                there[axis] += step;
                assert_eq!(ball.at(there), 1, "{v:?} is nearer than 3 mm to the outside at {there:?}");
            }
        }
    }
    let row = |map: &LabelMap| (0..DIMS[0] as i64).filter(|i| map.at([*i, 32, 12]) == 1).count();
    assert_eq!(row(&ball) - row(&small), 6, "three pixels on either side");
}

#[test]
fn a_layer_is_mirrored_from_its_menu() {
    let mut screen = Screen::with_ball();
    let ball = screen.labels();
    let last = DIMS.map(|n| n as i64 - 1);
    for (axis, entry) in ["Sides", "Top and bottom", "Order of slices"].into_iter().enumerate() {
        screen.click("More for layer ball.nrrd");
        screen.click("Mirror");
        screen.click(entry);
        let mirrored = screen.labels();
        assert_ne!(mirrored, ball, "{entry}");
        for v in voxels() {
            let mut there = v;
            there[axis] = last[axis] - v[axis];
            assert_eq!(mirrored.at(there), ball.at(v), "{entry}: {v:?}");
        }
        assert_eq!(screen.document().undo_name(), Some("Mirror layer"));
        screen.key(Modifiers::COMMAND, Key::Z);
        assert_eq!(screen.labels(), ball);
    }
}
