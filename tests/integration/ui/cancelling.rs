//! Long work that is stopped by the button of the bottom line or by Escape leaves the mask as it was.

use super::screen::Screen;
use egui::{Key, Modifiers};
use glam::DVec3;
use maskwright::core::{Geometry, Volume};
use maskwright::workspace::{EditCommand, OpenCommand};

const DIMS: [usize; 3] = [80, 80, 64];
/// In mm: a ball of 20 mm holds so many voxels that a median over it takes seconds.
const SPACING: f64 = 0.4;

/// A grid of fine voxels with a ball painted in its middle.
fn with_fine_ball() -> Screen {
    let mut screen = Screen::new();
    let geometry = Geometry::axis_aligned(DIMS, DVec3::splat(SPACING), DVec3::ZERO).unwrap();
    let hu: Vec<i16> = (0..geometry.voxel_count()).map(|n| (n * 7919 % 61) as i16).collect();
    let volume = Volume::new(geometry, hu).unwrap();
    let path = screen.dir.path().join("fine.nrrd");
    maskwright::io::save_volume(&path, &volume).unwrap();
    screen.workspace_mut().dispatch(OpenCommand::Path(path));
    screen.wait();
    screen.steps(4);
    assert!(screen.workspace().active_document().is_some(), "{:?}", screen.workspace_mut().take_notices());
    let middle = DVec3::new(40.0, 40.0, 32.0);
    let workspace = screen.workspace_mut();
    workspace.dispatch(EditCommand::BrushRadius(8.0));
    workspace.dispatch(EditCommand::BrushSphere(true));
    workspace.dispatch(EditCommand::BeginStroke { erase: false, through_axis: 2 });
    workspace.dispatch(EditCommand::ExtendStroke { from: middle, to: middle });
    workspace.dispatch(EditCommand::CommitStroke);
    screen.steps(2);
    assert!(screen.count(1) > 1000);
    screen
}

#[test]
fn a_long_preview_is_cancelled_by_button_and_by_escape() {
    let mut screen = with_fine_ball();
    let before = screen.labels();
    let done = screen.document().undo_name().map(str::to_owned);
    screen.key(Modifiers::SHIFT, Key::S);
    screen.click("Live");
    screen.fill_number("Radius", "20");
    for by_button in [true, false] {
        screen.workspace_mut().status.clear();
        screen.click("Preview");
        assert!(screen.document().is_operating(), "it takes longer than some frames");
        if by_button {
            let cancel = screen.find("Cancel").rect().center();
            screen.click_at(cancel);
        } else {
            screen.key(Modifiers::NONE, Key::Escape);
        }
        screen.wait();
        assert_eq!(screen.workspace().status, "Smooth: Segment 1: cancelled");
        assert!(screen.document().preview().is_none() && !screen.document().is_operating());
        assert_eq!(screen.labels(), before);
        assert_eq!(screen.document().undo_name().map(str::to_owned), done);
        assert!(screen.all("Cancel").is_empty(), "nothing is left to cancel");
    }
    // Nothing is spoilt for the next time.
    screen.fill_number("Radius", "1");
    screen.click("Preview");
    screen.wait();
    assert!(screen.document().preview().is_some());
    assert_eq!(screen.labels(), before);
}
