//! Comparing two layers: table, jumps, difference overlay.

use super::screen::{Screen, write_mask};
use egui::{Key, Modifiers, PointerButton, Vec2};
use maskwright::core::{Plane, PlaneAxes};
use maskwright::workspace::{FileCommand, LayerCommand};

#[test]
fn the_table_leads_to_slices_and_the_distance_to_its_voxel() {
    let mut screen = Screen::with_scan();
    let mask = write_mask(screen.dir.path());
    screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
    screen.wait();
    let truth = screen.document().active_layer.unwrap();
    screen.workspace_mut().dispatch(LayerCommand::Duplicate(truth));
    screen.key(Modifiers::NONE, Key::B);
    screen.paint(Plane::Axial, Modifiers::COMMAND);
    screen.key(Modifiers::NONE, Key::V);
    screen.click("Review");
    screen.click("Compare");
    screen.wait();
    let report = screen.workspace().review.report.as_ref().expect("a report");
    let row = report.rows[0].clone();
    let dice = row.figures.dice.unwrap();
    assert!(dice > 0.3 && dice < 1.0, "{dice}");
    assert!(screen.says(&format!("{dice:.4}")));
    // A row of the table leads to its slice; the rows that are seen are enough.
    let name = format!("Go to slice {}", row.slices[1].k + 1);
    screen.click(&name);
    assert_eq!(screen.shown_slice(Plane::Axial), row.slices[1].k + 1);
    let distances = row.distances.clone().expect("both are there");
    screen.click(&format!("{:.2} mm", distances.hd));
    let worst = distances.worst.expect("a voxel causes it").at;
    let geometry = screen.document().case.geometry;
    for plane in Plane::ALL {
        let axis = PlaneAxes::of(&geometry, plane).through;
        assert_eq!(screen.shown_slice(plane), worst[axis] + 1, "{plane:?}");
    }
    screen.key(Modifiers::NONE, Key::G);
    assert!(screen.workspace().review.difference);
    screen.click("Difference overlay");
    assert!(!screen.workspace().review.difference);
    let out = screen.dir.path().join("report.json");
    screen.click("Export report");
    screen.answer_path(&out);
    screen.wait();
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    // Painting on makes the figures old, and the panel says so.
    screen.key(Modifiers::NONE, Key::B);
    let aside = screen.pane(Plane::Axial).center() + Vec2::new(200.0, 150.0);
    screen.drag(aside, aside + Vec2::new(40.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    assert!(screen.says("compare again"));
}
