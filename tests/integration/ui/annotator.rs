//! A wrong mask is put right by pointer and keys, with brush, interpolation and islands, while training runs.

use super::recipe;
use super::screen::{DIMS, Screen};
use egui::{Key, Modifiers, PointerButton, Pos2, Vec2};
use glam::DVec3;
use maskwright::core::{LabelMap, Plane};
use maskwright::workspace::{EditCommand, Workspace};

const NONE: Modifiers = Modifiers::NONE;
const SHIFT: Modifiers = Modifiers::SHIFT;
const CTRL: Modifiers = Modifiers::COMMAND;

fn dice(a: &LabelMap, b: &LabelMap) -> f64 {
    let both = a.to_dense().into_iter().zip(b.to_dense()).filter(|(a, b)| *a == 1 && *b == 1).count();
    2.0 * both as f64 / (a.counts()[1] + b.counts()[1]) as f64
}

/// Sets the scene: a flat stroke through the workspace's own door.
fn spoil(screen: &mut Screen, erase: bool, from: [f64; 3], to: [f64; 3], radius: f64) {
    let (from, to) = (DVec3::from_array(from), DVec3::from_array(to));
    let workspace = screen.workspace_mut();
    workspace.dispatch(EditCommand::BrushRadius(radius));
    workspace.dispatch(EditCommand::BeginStroke { erase, through_axis: 2 });
    workspace.dispatch(EditCommand::ExtendStroke { from, to });
    workspace.dispatch(EditCommand::CommitStroke);
}

/// Where a voxel of the axial slice is on the window: the slice fills its pane, 0.8 mm a pixel.
fn on_axial(screen: &Screen, [i, j]: [f32; 2]) -> Pos2 {
    let pane = screen.pane(Plane::Axial);
    let [nx, ny] = [DIMS[0] as f32, DIMS[1] as f32];
    let zoom = (pane.width() / nx).min(pane.height() / ny);
    pane.center() + Vec2::new(i - (nx - 1.0) / 2.0, j - (ny - 1.0) / 2.0) * zoom
}

/// Goes to an axial slice by keys.
fn go_to(screen: &mut Screen, slice: usize) {
    screen.key(NONE, Key::Home);
    for _ in 0..slice {
        screen.key(NONE, Key::ArrowUp);
    }
    assert_eq!(screen.shown_slice(Plane::Axial), slice + 1);
}

fn stroke(screen: &mut Screen, from: [f32; 2], to: [f32; 2], modifiers: Modifiers) {
    let (from, to) = (on_axial(screen, from), on_axial(screen, to));
    screen.drag(from, to, PointerButton::Primary, modifiers);
}

#[test]
fn a_wrong_mask_is_put_right_while_training_runs() {
    let mut screen = Screen::with_ball();
    let truth = screen.labels();
    // Two slices are lost, a bite is taken out at one side, the mask runs out at the other, and a speck lies elsewhere.
    for slice in [11.0, 13.0] {
        spoil(&mut screen, true, [0.0, 32.0, slice], [71.0, 32.0, slice], 60.0);
    }
    for slice in 9..=15 {
        let at = [47.0, 32.0, f64::from(slice)];
        spoil(&mut screen, true, at, at, 5.0);
    }
    spoil(&mut screen, false, [19.0, 32.0, 12.0], [19.0, 32.0, 12.0], 3.0);
    spoil(&mut screen, false, [56.0, 44.0, 12.0], [57.0, 44.0, 12.0], 0.4);
    screen.steps(2);
    let wrong = dice(&screen.labels(), &truth);
    assert!(wrong < 0.85, "{wrong}");

    let recipe = screen.dir.path().join("tiny.ron");
    std::fs::write(&recipe, recipe::tiny(20000)).unwrap();
    screen.click("Train");
    screen.click("File…");
    screen.answer_path(&recipe);
    screen.click("Device");
    screen.click("CPU");
    screen.fill("Run name", "beside");
    screen.click("Start training");
    let steps = |w: &Workspace| w.models.training.as_ref().map_or(0, |t| t.step_loss.len());
    screen.until("the first steps", |w| steps(w) > 1);
    let before = steps(screen.workspace());

    // A large brush that adapts: it stops at the edge of the ball, from inside and, erasing, from outside.
    let middle = screen.pane(Plane::Axial).center();
    screen.click_at(middle);
    screen.key(NONE, Key::B);
    screen.key(SHIFT, Key::A);
    screen.workspace_mut().dispatch(EditCommand::BrushRadius(7.0));
    for slice in [9, 10, 12, 14, 15] {
        go_to(&mut screen, slice);
        stroke(&mut screen, [40.0, 32.0], [44.0, 32.0], NONE);
        assert_eq!(screen.document().undo_name(), Some("Paint Ball"), "slice {slice}");
    }
    go_to(&mut screen, 12);
    stroke(&mut screen, [17.0, 32.0], [20.0, 32.0], CTRL);
    assert_eq!(screen.document().undo_name(), Some("Erase Ball"));
    let named =
        |name: &'static str| move |w: &Workspace| w.active_document().is_some_and(|d| d.undo_name() == Some(name));
    // The lost slices from their neighbours, then the speck away.
    screen.move_to(middle);
    screen.key(SHIFT, Key::B);
    screen.key(SHIFT, Key::Enter);
    screen.until("what lies between", |w| w.active_document().is_some_and(|d| d.preview().is_some()));
    screen.key(NONE, Key::Enter);
    screen.until("the slices between", named("Fill between slices: Ball"));
    screen.key(SHIFT, Key::I);
    screen.click("Apply");
    screen.until("the largest part", named("Keep largest island: Ball"));

    let right = dice(&screen.labels(), &truth);
    assert!(right >= 0.97, "Dice {right}, after {wrong}");
    assert!(screen.workspace().models.is_training(), "it trained all the while");
    screen.until("more steps", |w| steps(w) > before + 1);
    screen.click("Train");
    screen.click("Stop");
    screen.wait();
    assert!(!screen.workspace().models.is_training());
    // All of it is taken back, step by step.
    while screen.document().undo_name() != Some("Paint Ball") {
        screen.key(CTRL, Key::Z);
    }
    let left = dice(&screen.labels(), &truth);
    assert!(left < right, "{left}");
}
