//! Quantities over the studies of a patient: days by hand or from the files, table, plot, report.

use super::person::Person;
use super::screen::Screen;
use egui::{Color32, Key, Modifiers};
use glam::DVec3;
use maskwright::core::{Geometry, LabelMap, Plane, Segment, Volume};
use maskwright::workspace::{CohortCommand, FileCommand, OpenCommand};

/// Dots of the first line.
const FIRST: Color32 = Color32::from_rgb(60, 150, 220);

/// Opens an image with a tumour of `columns` x 10 x 4 voxels in a layer of its own.
fn study(screen: &mut Screen, name: &str, columns: usize) {
    let folder = screen.dir.path().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let grid = Geometry::axis_aligned([32, 28, 8], DVec3::new(1.0, 1.0, 2.5), DVec3::ZERO).unwrap();
    let mut labels = LabelMap::empty(grid);
    let mut hu = vec![-1000i16; grid.voxel_count()];
    for k in 2..6 {
        for j in 8..18 {
            for i in 6..6 + columns {
                labels.set([i, j, k], 1);
                hu[(k * 28 + j) * 32 + i] = 45;
            }
        }
    }
    let image = folder.join(format!("{name}.nrrd"));
    maskwright::io::save_volume(&image, &Volume::new(grid, hu).unwrap()).unwrap();
    let mask = folder.join("tumour.nrrd");
    maskwright::io::save_mask(&mask, &labels, &[Segment::new(1, "Tumour")], None).unwrap();
    screen.workspace_mut().dispatch(OpenCommand::Path(image));
    screen.wait();
    screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
    screen.wait();
    screen.steps(3);
    assert_eq!(screen.document().case.layers.len(), 1, "{name}");
}

#[test]
fn volumes_of_two_studies_stand_in_a_table_and_a_plot() {
    let mut screen = Screen::new();
    study(&mut screen, "early", 20);
    screen.workspace_mut().dispatch(CohortCommand::Show(true));
    screen.steps(2);
    screen.click("Over time");
    assert!(screen.says("Open two studies of a patient"));
    study(&mut screen, "late", 15);
    screen.steps(2);
    // All on one day is no time line.
    screen.click("Measure over time");
    screen.wait();
    assert!(screen.workspace().cohort.over_time.rows.is_empty());
    screen.fill_number("Day of study 2", "90");
    screen.click("Measure over time");
    screen.wait();
    let rows = &screen.workspace().cohort.over_time.rows;
    let times: Vec<(Option<f64>, &str)> = rows.iter().map(|q| (q.time, q.case.as_str())).collect();
    let [early, late] = [0, 1].map(|n| screen.workspace().documents()[n].case.name.clone());
    assert_eq!(times, [(Some(0.0), format!("Study 1, {early}").as_str()), (Some(90.0), &format!("Study 2, {late}"))]);
    let volume = |n: usize| rows[n].values.iter().find(|v| v.name == "Tumour, volume").unwrap().value.unwrap();
    assert!((volume(0) - 2.0).abs() < 1e-9 && (volume(1) - 1.5).abs() < 1e-9);
    for needed in ["Tumour, volume (ml)", "Day 90", "2.0", "1.5", "-25.0 %"] {
        assert!(screen.says(needed), "{needed} is missing");
    }
    screen.find("Over time: Tumour, volume").scroll_to_me();
    screen.steps(10);
    assert_eq!(screen.painted_dots(FIRST).len(), 2, "a dot for each study");
    screen.click("Tumour, mean density (HU)");
    screen.steps(2);
    assert!(screen.says("Over time: Tumour, mean density"));
    let out = screen.dir.path().join("course.json");
    screen.workspace_mut().dispatch(CohortCommand::Export(out.clone()));
    screen.wait();
    let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap();
    assert_eq!(report["quantities"][1]["time"], 90.0);
    assert_eq!(report["cases"].as_array().unwrap().len(), 0);
    // What was measured is not what is there now.
    assert!(!screen.says("measure again"));
    screen.key(Modifiers::NONE, Key::B);
    screen.paint(Plane::Axial, Modifiers::COMMAND);
    screen.steps(2);
    assert!(screen.says("A mask changed or was closed since: measure again"));
}

#[test]
fn the_studies_of_a_patient_are_found_by_the_files_with_their_days() {
    let mut screen = Screen::new();
    for (n, (patient, date)) in
        [("ANNA", "20240228"), ("BERTA", "20240101"), ("ANNA", "20240129")].into_iter().enumerate()
    {
        let folder = screen.dir.path().join(format!("study{n}"));
        let name = format!("Quelle^{patient}");
        Person { name: &name, number: patient, date, study: n, ..Person::default() }.write(&folder);
        screen.workspace_mut().dispatch(OpenCommand::Path(folder));
        screen.wait();
        screen.steps(2);
        let id = screen.document().case.id;
        assert_eq!(screen.workspace().documents().len(), n + 1);
        // Any mask will do.
        let grid = *screen.document().case.volume.as_ref().expect("it is read").geometry();
        let mask = screen.dir.path().join("mask.nrrd");
        let mut labels = LabelMap::empty(grid);
        (4..9 + n).for_each(|i| labels.set([i, 4, 1], 1));
        maskwright::io::save_mask(&mask, &labels, &[Segment::new(1, "Liver")], None).unwrap();
        screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
        screen.wait();
        assert_eq!(screen.document().case.id, id);
    }
    let ids: Vec<_> = screen.workspace().documents().iter().map(|d| d.case.id).collect();
    let find =
        |screen: &Screen, n: usize| screen.workspace().open_studies().into_iter().find(|s| s.case == ids[n]).unwrap();
    let of: Vec<(Option<f64>, bool)> = (0..3).map(|n| find(&screen, n)).map(|s| (s.day, s.same_patient)).collect();
    assert_eq!(of, [(Some(30.0), true), (Some(0.0), false), (Some(0.0), true)]);
    screen.workspace_mut().dispatch(CohortCommand::Show(true));
    screen.steps(2);
    screen.click("Over time");
    screen.steps(2);
    screen.click("Measure over time");
    screen.wait();
    // The other patient is left out, and the earlier study comes first.
    let rows = &screen.workspace().cohort.over_time.rows;
    let pixel = 0.7 * 0.7 * 2.5 / 1000.0;
    let found: Vec<(Option<f64>, f64)> =
        rows.iter().map(|q| (q.time, (q.values[0].value.unwrap() / pixel).round())).collect();
    assert_eq!(found, [(Some(0.0), 7.0), (Some(30.0), 5.0)]);
    let text = format!("{rows:?}").to_lowercase();
    assert!(!text.contains("anna") && !text.contains("quelle"), "{text}");
    // Closing one makes the figures old.
    screen.workspace_mut().dispatch(OpenCommand::Close(ids[0]));
    screen.steps(2);
    assert!(!screen.workspace().over_time_is_current());
}
