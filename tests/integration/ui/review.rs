//! Comparing two layers: table, jumps, difference overlay.

use super::screen::Screen;
use egui::{Key, Modifiers, PointerButton, Vec2};
use glam::DVec3;
use maskwright::core::{Geometry, LabelMap, Plane, PlaneAxes, Segment};
use maskwright::workspace::{CohortCommand, CohortRequest, Comparing, Judged, LayerCommand};

#[test]
fn the_table_leads_to_slices_and_the_distance_to_its_voxel() {
    let mut screen = Screen::with_ball();
    screen.compare_with_copy();
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
    let cause = screen.workspace().review.cause.expect("the pair is drawn");
    assert_eq!((cause.at, cause.nearest), (worst, distances.worst.unwrap().nearest));
    screen.key(Modifiers::NONE, Key::G);
    assert!(screen.workspace().review.difference);
    for style in Comparing::ALL {
        screen.click(style.name());
        screen.steps(3);
        assert_eq!(screen.workspace().review.style, style);
    }
    screen.wait();
    let signed = screen.workspace().review.signed.clone().expect("distances are painted");
    assert!((f64::from(signed.largest) - distances.b_to_a.max.unwrap()).abs() < 1e-4);
    screen.click("Swipe");
    assert!(screen.says("Swipe line"));
    screen.click("Overlay");
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

#[test]
fn figures_follow_the_brush() {
    let mut screen = Screen::with_ball();
    let truth = screen.document().active_layer.unwrap();
    screen.workspace_mut().dispatch(LayerCommand::Duplicate(truth));
    screen.click("Review");
    screen.click("Compare");
    screen.wait();
    assert!(screen.says("1.0000"));
    screen.click("Follow the brush");
    assert!(screen.says("Now: Dice 1.0000"));
    screen.key(Modifiers::NONE, Key::B);
    screen.paint(Plane::Axial, Modifiers::COMMAND);
    let (_, now) = screen.workspace().review.live().unwrap().next().unwrap();
    let dice = now.figures().dice.unwrap();
    assert!(dice < 1.0 && screen.says(&format!("Now: Dice {dice:.4}")));
    // The stroke has ended: distances follow by themselves.
    screen.wait();
    let report = screen.workspace().review.report.clone().unwrap();
    assert_eq!(report.rows[0].figures.dice, Some(dice));
    assert!(!screen.says("compare again"));
}

#[test]
fn a_cohort_of_files_leads_to_case_slice_and_voxels() {
    let mut screen = Screen::with_scan();
    let (truth, judged) = (screen.dir.path().join("truth"), screen.dir.path().join("model"));
    cohort(&truth, 0);
    cohort(&judged, 2);
    screen.click("Review");
    screen.click("Cohort");
    screen.click("What to compare");
    let judged = vec![Judged::at(judged)];
    let request = CohortRequest { sheets: false, ..CohortRequest::new(truth, judged) };
    screen.workspace_mut().dispatch(CohortCommand::Files(Box::new(request)));
    screen.wait();
    let room = &screen.workspace().cohort;
    assert_eq!((room.inputs.cases.len(), room.running), (3, false));
    assert!(room.sums.is_some());
    screen.click("Cases");
    screen.click("Open p2");
    screen.wait();
    assert_eq!(screen.document().case.name, "p2");
    assert_eq!(screen.document().case.layers.len(), 2);
    let review = &screen.workspace().review;
    let cause = review.cause.expect("the pair of voxels is shown");
    assert!(review.difference);
    assert!((cause.mm - 2.0 * 0.8).abs() < 1e-6, "{}", cause.mm);
    assert_eq!(screen.shown_slice(Plane::Axial), cause.at[2] + 1);
    for tab in ["Summary", "Plots", "Paired", "Cases"] {
        screen.click(tab);
        screen.steps(3);
    }
    let out = screen.dir.path().join("cohort.pdf");
    screen.workspace_mut().dispatch(CohortCommand::Export(out.clone()));
    screen.wait();
    assert!(std::fs::read(&out).unwrap().starts_with(b"%PDF"));
}

/// Three masks of a box, shifted along i.
fn cohort(folder: &std::path::Path, shift: usize) {
    std::fs::create_dir_all(folder).unwrap();
    let grid = Geometry::axis_aligned([24, 20, 8], DVec3::new(0.8, 0.8, 2.5), DVec3::ZERO).unwrap();
    for n in 1..=3 {
        let mut map = LabelMap::empty(grid);
        for k in 2..6 {
            for j in 5..12 {
                for i in 4..12 + n {
                    map.set([i + shift, j, k], 1);
                }
            }
        }
        let path = folder.join(format!("p{n}.nii.gz"));
        maskwright::io::save_mask(&path, &map, &[Segment::new(1, "Liver")], None).unwrap();
    }
}
