//! What leaves the review room: reports with facts and quantities, the tables beside a table, nothing of the person; and
//! the comparison in panes side by side.

use super::person::Person;
use super::screen::Screen;
use egui::{Key, Modifiers, PointerButton, Vec2};
use glam::DVec3;
use maskwright::core::{Geometry, LabelMap, Plane, Segment};
use maskwright::workspace::{CohortCommand, Comparing, FileCommand, OpenCommand, ReviewCommand, ViewCommand};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn export(screen: &mut Screen, name: &str) -> PathBuf {
    let path = screen.dir.path().join(name);
    screen.workspace_mut().dispatch(ReviewCommand::Export(path.clone()));
    screen.wait();
    path
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn fact(report: &Value, name: &str) -> Option<String> {
    let facts = report["facts"].as_array().unwrap();
    let found = facts.iter().find(|f| f["name"].as_str().unwrap().starts_with(name))?;
    Some(found["value"].as_str().unwrap().to_owned())
}

#[test]
fn a_report_of_layers_has_facts_and_quantities_and_tables_come_together() {
    let mut screen = Screen::with_ball();
    screen.compare_with_copy();
    let report = json(&export(&mut screen, "report.json"));
    assert_eq!(fact(&report, "Definition of distances").as_deref(), Some("Maskwright and MONAI"));
    let print = fact(&report, "Fingerprint").expect("the reference has a fingerprint");
    assert_eq!(print.len(), 64);
    let quantities = report["quantities"].as_array().unwrap();
    assert_eq!(quantities.len(), 2, "of both layers");
    let volume = |n: usize| quantities[n]["values"][0]["value"].as_f64().unwrap();
    assert!(volume(0) > volume(1), "something was erased from the second");
    let table = export(&mut screen, "table.csv");
    let beside = |what: &str| table.with_file_name(format!("table-{what}.csv"));
    let head = |path: &Path| std::fs::read_to_string(path).unwrap().lines().next().unwrap().to_owned();
    assert!(head(&table).contains("slice_k"));
    assert!(head(&beside("segments")).contains("volume_a_ml") && head(&beside("quantities")).contains("quantity"));
    // What was written before is replaced, what is somebody else's is not.
    std::fs::write(beside("segments"), "old").unwrap();
    export(&mut screen, "table.csv");
    assert!(head(&beside("segments")).contains("volume_a_ml"));
    let other = screen.dir.path().join("other-segments.csv");
    std::fs::write(&other, "mine").unwrap();
    let refused = export(&mut screen, "other.csv");
    assert!(!refused.exists() && std::fs::read_to_string(&other).unwrap() == "mine");
    // The cohort of the open cases has the same head.
    let layers: Vec<String> = screen.document().case.layers.iter().map(|l| l.name.clone()).collect();
    let (truth, judged) = (layers[0].clone(), vec![layers[1].clone()]);
    screen.workspace_mut().dispatch(CohortCommand::OpenCases {
        truth,
        judged,
        convention: Default::default(),
        each: false,
    });
    screen.wait();
    let inputs = &screen.workspace().cohort.inputs;
    assert_eq!((inputs.cases.len(), inputs.failed.len()), (1, 0));
    let facts = &inputs.facts;
    assert!(facts.iter().any(|(name, value)| name.starts_with("Fingerprint") && *value == print), "{facts:?}");
    screen.workspace_mut().dispatch(CohortCommand::Show(false));
    screen.steps(2);
    // After a stroke the masks are no longer those of the figures.
    screen.key(Modifiers::NONE, Key::B);
    let aside = screen.pane(Plane::Axial).center() + Vec2::new(80.0, 60.0);
    screen.drag(aside, aside + Vec2::new(40.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    let later = json(&export(&mut screen, "later.json"));
    assert_eq!((fact(&later, "Fingerprint"), later["quantities"].as_array().unwrap().len()), (None, 0));
    assert!(fact(&later, "Masks").unwrap().contains("changed"));
}

#[test]
fn muscle_is_measured_in_the_slice_that_is_shown() {
    let mut screen = Screen::with_scan();
    let geometry = screen.document().case.geometry;
    let mut labels = LabelMap::empty(geometry);
    // Most muscle in slice 12 of 0 to 23, less in slice 5.
    for (k, end) in [(5, 34), (12, 44)] {
        (30..end).for_each(|i| labels.set([i, 32, k], 1));
    }
    let mask = screen.dir.path().join("muscle.nrrd");
    maskwright::io::save_mask(&mask, &labels, &[Segment::new(1, "Muscle")], None).unwrap();
    screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
    screen.wait();
    screen.click("Review");
    let place = |screen: &mut Screen| {
        screen.click("Measure layer");
        screen.wait();
        let (_, _, found) = screen.workspace().review.quantities.clone().unwrap();
        found.into_iter().find(|q| q.name == "Muscle area").unwrap()
    };
    let most = place(&mut screen);
    assert!(most.definition.contains("slice 12, counted from 0, the one with most"), "{}", most.definition);
    screen.workspace_mut().dispatch(ViewCommand::Slice { plane: Plane::Axial, index: 5 });
    screen.steps(2);
    screen.click("the shown slice (6)");
    let here = place(&mut screen);
    assert!(here.definition.contains("slice 5, counted from 0, as chosen"), "{}", here.definition);
    assert!(here.value < most.value);
    // Measurements alone are a report too.
    let report = json(&export(&mut screen, "measured.json"));
    assert_eq!(report["cases"].as_array().unwrap().len(), 0);
    assert!(report["quantities"][0]["values"].as_array().unwrap().iter().any(|q| q["name"] == "Muscle area"));
}

#[test]
fn the_swipe_line_is_dragged_in_the_pane() {
    let mut screen = Screen::with_ball();
    screen.compare_with_copy();
    screen.key(Modifiers::NONE, Key::G);
    screen.click("Swipe");
    screen.steps(2);
    assert_eq!(screen.workspace().review.style, Comparing::Swipe);
    let pane = screen.pane(Plane::Axial);
    let divider = screen.find("Divider of the Axial pane").rect().center();
    let crosshair = screen.document().view.crosshair;
    screen.drag(divider, divider + Vec2::new(70.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    let expected = (divider.x + 70.0 - pane.left()) / pane.width() - 0.5;
    let swipe = screen.workspace().review.swipe;
    assert!((swipe - expected).abs() < 0.01 && swipe > 0.05, "{swipe} for {expected}");
    assert_eq!(screen.document().view.crosshair, crosshair, "the tool in hand got nothing of it");
    // With a brush in hand only the knob is taken: elsewhere on the line it paints.
    screen.key(Modifiers::NONE, Key::B);
    screen.steps(2);
    let before = screen.labels();
    let knob = screen.find("Divider of the Axial pane").rect().center();
    assert!(knob.y > pane.center().y + 40.0, "the knob is at the lower end");
    screen.drag(knob, knob - Vec2::new(70.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    assert_eq!(screen.labels(), before);
    assert!(screen.workspace().review.swipe.abs() < 0.01);
    // Where the copy was erased before.
    let on_line = pane.center();
    screen.drag(on_line, on_line + Vec2::new(20.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    assert_ne!(screen.labels(), before);
    assert!(screen.workspace().review.swipe.abs() < 0.01);
}

#[test]
fn panes_side_by_side_show_the_comparison() {
    let mut screen = Screen::with_ball();
    screen.compare_with_copy();
    let report = screen.workspace().review.report.clone().unwrap();
    screen.click(&format!("{:.2} mm", report.rows[0].distances.as_ref().unwrap().hd));
    let cause = screen.workspace().review.cause.expect("a pair of voxels");
    screen.key(Modifiers::COMMAND, Key::Num4);
    screen.steps(3);
    let label = format!("{:.2} mm", cause.mm);
    // The copy is active and stands at the left, the truth beside it; the line is in both.
    for n in 0..2 {
        assert!(screen.paints_in(screen.cell(n), &label), "pane {n} has the line");
        assert!(!screen.paints_in(screen.cell(n), "B from A"));
    }
    screen.key(Modifiers::NONE, Key::G);
    screen.click("Distance");
    screen.wait();
    screen.steps(2);
    assert!(screen.paints_in(screen.cell(0), "B from A"), "distances are painted in the pane of the judged layer");
    assert!(!screen.paints_in(screen.cell(1), "B from A"), "the truth stays as it is");
    screen.click("Swipe");
    screen.steps(2);
    let names = [report.name_a.as_str(), report.name_b.as_str()];
    assert!(names.iter().all(|name| screen.paints_in(screen.cell(0), name)));
    assert!(!screen.paints_in(screen.cell(1), names[1]));
    // A hand in the pane of the truth works on the truth.
    let truth = screen.workspace().review.layers.unwrap().1;
    assert_ne!(screen.document().active_layer, Some(truth));
    screen.key(Modifiers::NONE, Key::B);
    let at = screen.cell(1).center();
    screen.drag(at, at + Vec2::new(15.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    assert_eq!(screen.document().active_layer, Some(truth));
}

const NAME: &str = "Quelle^Rosalind";
const NUMBER: &str = "ID471147";
const BIRTH: &str = "19440530";

#[test]
fn a_report_of_a_dicom_case_says_nothing_of_the_person() {
    let mut screen = Screen::new();
    let folder = screen.dir.path().join("series");
    Person { name: NAME, number: NUMBER, birth: BIRTH, ..Person::default() }.write(&folder);
    screen.workspace_mut().dispatch(OpenCommand::Path(folder));
    screen.wait();
    screen.steps(4);
    let geometry = screen.document().case.geometry;
    assert_eq!(geometry.dims(), [16, 16, 4]);
    let grid = Geometry::axis_aligned([16, 16, 4], DVec3::new(0.7, 0.7, 2.5), DVec3::ZERO).unwrap();
    let mut labels = LabelMap::empty(grid);
    for k in 0..4 {
        for j in 4..12 {
            (4..12).for_each(|i| labels.set([i, j, k], 1));
        }
    }
    let mask = screen.dir.path().join("mask.nrrd");
    maskwright::io::save_mask(&mask, &labels, &[Segment::new(1, "Liver")], None).unwrap();
    screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
    screen.wait();
    screen.compare_with_copy();
    for name in ["report.html", "report.json", "report.csv"] {
        let path = export(&mut screen, name);
        let text = std::fs::read_to_string(&path).unwrap().to_lowercase();
        assert!(text.contains("liver") || name == "report.csv", "{name} holds the figures");
        for word in ["quelle", "rosalind", "471147", BIRTH, "1944-05-30", "30.05.1944"] {
            assert!(!text.contains(word), "{name} holds {word}");
        }
    }
    let tables = ["report-segments.csv", "report-quantities.csv"].map(|n| screen.dir.path().join(n));
    for table in tables {
        let text = std::fs::read_to_string(table).unwrap().to_lowercase();
        assert!(text.contains("liver") && !text.contains("rosalind") && !text.contains("471147"));
    }
}
