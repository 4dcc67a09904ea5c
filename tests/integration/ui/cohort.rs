//! The wide view of a cohort: points that lead to their voxels, classes, what went wrong, and a window that goes on.

use super::screen::{DIMS, Screen};
use egui::{Color32, Modifiers, Vec2};
use egui_kittest::kittest::NodeT;
use glam::DVec3;
use maskwright::core::{Geometry, LabelMap, Plane, Segment};
use maskwright::workspace::{CohortCommand, CohortRequest, Judged};
use std::path::Path;

/// Dots of the first judged side.
const FIRST: Color32 = Color32::from_rgb(60, 150, 220);

/// Masks of two boxes, one in six slices and one in two of them, shifted along i; `scale` makes them larger.
fn cohort(folder: &Path, cases: usize, shift: usize, scale: usize) {
    std::fs::create_dir_all(folder).unwrap();
    let dims = [40 * scale, 32 * scale, 10];
    let grid = Geometry::axis_aligned(dims, DVec3::new(0.8, 0.8, 2.5), DVec3::ZERO).unwrap();
    let segments = [Segment::new(1, "Liver"), Segment::new(2, "Spleen")];
    for n in 1..=cases {
        let mut map = LabelMap::empty(grid);
        for k in 2..8 {
            for j in 5 * scale..20 * scale {
                for i in 4 * scale..14 * scale + n % 4 {
                    map.set([i + shift, j, k], 1);
                }
                if k < 4 && j < 9 * scale {
                    (30 * scale..34 * scale).for_each(|i| map.set([i - shift, j, k], 2));
                }
            }
        }
        maskwright::io::save_mask(&folder.join(format!("p{n}.nrrd")), &map, &segments, None).unwrap();
    }
}

/// A cohort of one judged folder, begun.
fn begin(screen: &mut Screen, cases: usize) {
    let (truth, judged) = (screen.dir.path().join("truth"), screen.dir.path().join("model"));
    cohort(&truth, cases, 0, 1);
    cohort(&judged, cases, 2, 1);
    compare(screen);
}

fn compare(screen: &mut Screen) {
    let (truth, judged) = (screen.dir.path().join("truth"), screen.dir.path().join("model"));
    let request = CohortRequest { sheets: false, ..CohortRequest::new(truth, vec![Judged::at(judged)]) };
    screen.workspace_mut().dispatch(CohortCommand::Files(Box::new(request)));
}

#[test]
fn a_click_on_a_plot_point_goes_to_its_case_and_slice() {
    let mut screen = Screen::with_scan();
    begin(&mut screen, 3);
    screen.wait();
    screen.click("Plots");
    screen.click("Dice of slices");
    screen.steps(2);
    let dots = screen.painted_dots(FIRST);
    // Three cases with six slices of one structure and two of the other.
    assert_eq!(dots.len(), 3 * (6 + 2), "{dots:?}");
    let dot = dots.into_iter().min_by(|a, b| a.x.total_cmp(&b.x)).unwrap();
    screen.move_to(dot);
    screen.steps(2);
    let named = screen.painted_texts().into_iter().map(|(text, _)| text).find(|t| t.contains(", slice "));
    let named = named.expect("the point under the pointer is named");
    let parts: Vec<&str> = named.split(", ").collect();
    assert_eq!((parts.len(), parts[1]), (4, "model"), "{named}");
    let slice: usize = parts[3].strip_prefix("slice ").unwrap().parse().unwrap();
    screen.click_at(dot);
    screen.wait();
    assert_eq!(screen.document().case.name, parts[0]);
    assert_eq!(screen.shown_slice(Plane::Axial), slice);
    let review = &screen.workspace().review;
    assert_eq!(review.report.as_ref().unwrap().rows[review.row].name, parts[2]);
    assert_eq!(review.cause.expect("the pair of voxels of that slice").at[2] + 1, slice);
    // A whole structure leads to the pair behind its own distance.
    screen.click("Hausdorff");
    screen.steps(2);
    let dots = screen.painted_dots(FIRST);
    assert_eq!(dots.len(), 6, "two structures of three cases: {dots:?}");
    screen.click_at(dots[0]);
    screen.wait();
    let review = &screen.workspace().review;
    let row = &review.report.as_ref().unwrap().rows[review.row];
    assert_eq!(review.cause.unwrap().mm, row.distances.as_ref().unwrap().hd);
}

#[test]
fn what_is_noticed_in_a_case_stands_with_it_in_the_list() {
    let mut screen = Screen::with_scan();
    let (truth, judged, images) =
        (screen.dir.path().join("truth"), screen.dir.path().join("model"), screen.dir.path().join("images"));
    cohort(&truth, 2, 0, 1);
    cohort(&judged, 2, 2, 1);
    std::fs::create_dir_all(&images).unwrap();
    for (name, part) in [("p1", 0.5f32), ("p2", 0.0)] {
        let head = "NRRD0004\ntype: float\ndimension: 3\nspace: left-posterior-superior\nsizes: 40 32 10\n\
                    space directions: (0.8,0,0) (0,0.8,0) (0,0,2.5)\nkinds: domain domain domain\nendian: little\n\
                    encoding: raw\nspace origin: (0,0,0)\n\n";
        let mut bytes = head.as_bytes().to_vec();
        for n in 0..40 * 32 * 10 {
            bytes.extend(((n % 1300) as f32 - 1000.0 + part).to_le_bytes());
        }
        std::fs::write(images.join(format!("{name}.nrrd")), bytes).unwrap();
    }
    let files = CohortRequest::new(truth, vec![Judged::at(judged)]);
    let request = CohortRequest { sheets: false, images: Some(images), ..files };
    screen.workspace_mut().dispatch(CohortCommand::Files(Box::new(request)));
    screen.wait();
    screen.click("Cases");
    let noticed = "are fractions and were rounded";
    assert!(!screen.says("! p1") && !screen.hint("Open p1, model, Liver").contains(noticed));
    for name in ["p1", "p2"] {
        screen.click(&format!("Open {name}, model, Liver"));
        screen.wait();
        assert_eq!(screen.document().case.name, name);
        assert_eq!(screen.document().load_findings.len(), usize::from(name == "p1"));
    }
    // With every row of the case, and of no other.
    assert!(screen.says("! p1") && !screen.says("! p2"));
    for (row, told) in [("p1, model, Liver", true), ("p1, model, Spleen", true), ("p2, model, Liver", false)] {
        assert_eq!(screen.hint(&format!("Open {row}")).contains(noticed), told, "{row}");
    }
    // The next cohort knows nothing of it.
    compare(&mut screen);
    screen.wait();
    assert!(!screen.says("! p1"));
}

#[test]
fn classes_volumes_and_definitions_stand_beside_the_figures() {
    let mut screen = Screen::with_scan();
    begin(&mut screen, 3);
    screen.wait();
    screen.click("Cases");
    for needed in ["Sensitivity", "Specificity", "Precision", "Accuracy !", "NSD 2 mm", "A ml", "Distances: Maskwright"]
    {
        assert!(screen.says(needed), "{needed} is missing");
    }
    screen.click("Summary");
    assert!(screen.says("Accuracy: Share of all voxels") && screen.says("Distances: Maskwright"));
    screen.click("Plots");
    screen.click("Confusion of classes");
    let classes = screen.workspace().cohort.inputs.cases[0].metrics.confusion.clone().unwrap().classes;
    assert_eq!(classes, ["Background", "Liver", "Spleen"]);
    assert!(screen.says("a mask without any structure would have"));
    screen.click("Volumes (Bland-Altman)");
    assert!(screen.says("Liver, model: mean of B − A"));
    assert!(!screen.says("Spleen, model: mean of B − A"), "each structure has its own limits");
    screen.click("Spleen");
    assert!(screen.says("Spleen, model: mean of B − A"));
}

#[test]
fn the_window_goes_on_while_sixty_cases_are_compared() {
    let mut screen = Screen::with_scan();
    let (truth, judged) = (screen.dir.path().join("truth"), screen.dir.path().join("model"));
    cohort(&truth, 60, 0, 3);
    cohort(&judged, 60, 2, 3);
    // One of them is none; the others are not lost.
    std::fs::write(judged.join("p7.nrrd"), b"no mask at all").unwrap();
    screen.workspace_mut().dispatch(CohortCommand::Show(true));
    screen.steps(2);
    let middle = screen.pane(Plane::Axial).center();
    screen.move_to(middle);
    compare(&mut screen);
    let (mut frames, mut answered, mut shown) = (0, 0, vec![0]);
    while screen.workspace().cohort.running {
        assert!(frames < 1_000_000, "it never ends");
        let before = screen.shown_slice(Plane::Axial);
        let towards = if before > DIMS[2] / 2 { -1.0 } else { 1.0 };
        // Two frames: one takes the wheel, the next shows what came of it.
        screen.event(egui::Event::MouseWheel {
            unit: egui::MouseWheelUnit::Line,
            delta: Vec2::new(0.0, towards),
            phase: egui::TouchPhase::Move,
            source: egui::MouseWheelSource::Wheel,
            modifiers: Modifiers::NONE,
        });
        screen.steps(1);
        frames += 2;
        if screen.workspace().cohort.running {
            // Drawn while the job runs: the wheel is answered, and the table fills.
            answered += usize::from(screen.shown_slice(Plane::Axial) != before);
            let now = screen.workspace().cohort.inputs.cases.len();
            if shown.last() != Some(&now) {
                shown.push(now);
            }
        }
    }
    assert!(frames >= 4 && answered > 0, "{frames} frames, {answered} answers");
    assert!(shown.len() > 1 && shown.windows(2).all(|w| w[0] < w[1]), "the cases come one by one: {shown:?}");
    let inputs = &screen.workspace().cohort.inputs;
    assert_eq!((inputs.cases.len(), inputs.failed.len()), (59, 1));
    assert_eq!(inputs.failed[0].case, "p7");
    screen.wait();
    screen.click("Cases");
    assert!(screen.says("1 could not be compared"));
}

#[test]
fn the_next_cohort_of_the_same_size_is_shown_afresh() {
    let mut screen = Screen::with_scan();
    begin(&mut screen, 3);
    screen.wait();
    screen.click("Plots");
    screen.steps(2);
    let before = screen.painted_dots(FIRST);
    let judged = screen.dir.path().join("model");
    cohort(&judged, 3, 3, 1);
    compare(&mut screen);
    screen.wait();
    screen.click("Plots");
    screen.move_to(egui::Pos2::ZERO + Vec2::splat(3.0));
    screen.steps(6);
    let after = screen.painted_dots(FIRST);
    assert_eq!(after.len(), before.len());
    assert_ne!(after, before, "a greater shift has a smaller Dice");
}

#[test]
fn the_panel_keeps_its_height_and_paths_have_room() {
    let mut screen = Screen::with_scan();
    screen.workspace_mut().dispatch(CohortCommand::Show(true));
    screen.steps(4);
    // The panel ends at the status bar: where its row of views stands says how high it is.
    let top = |screen: &Screen| screen.find("What to compare").rect().top();
    let first = top(&screen);
    let look = |screen: &mut Screen, when: &str| {
        for view in ["Cases", "Summary", "Plots", "Paired", "Each with each", "Over time", "What to compare"] {
            screen.click(view);
            screen.steps(3);
            let now = top(screen);
            assert!((now - first).abs() < 1.0, "{view}, {when}: {now} where it was {first}");
        }
    };
    look(&mut screen, "with nothing compared");
    let is_field = |n: &egui_kittest::Node<'_>| n.accesskit_node().role() == egui::accesskit::Role::TextInput;
    let field = screen.all("Images").into_iter().find(is_field).expect("the field of the images").rect();
    let row = |n: &egui_kittest::Node<'_>| (n.rect().center().y - field.center().y).abs() < 4.0;
    let button = screen.all("Choose…").into_iter().find(row).expect("its button").rect();
    let right = screen.text_node("Layers of the open cases").rect().left();
    assert!(field.width() > 300.0, "{field:?}");
    assert!(button.left() >= field.right() && button.right() <= right, "{button:?} between {field:?} and {right}");
    assert!(right - button.right() < 60.0, "{button:?} leaves room before {right}");
    begin(&mut screen, 3);
    screen.wait();
    look(&mut screen, "with a cohort");
}

#[test]
fn readers_are_compared_with_each_other_and_a_figure_leads_to_both() {
    let mut screen = Screen::with_scan();
    let [truth, model, reader] = ["truth", "model", "reader"].map(|n| screen.dir.path().join(n));
    for (folder, shift) in [(&truth, 0), (&model, 2), (&reader, 3)] {
        cohort(folder, 2, shift, 1);
    }
    let judged = vec![Judged::at(model), Judged::at(reader)];
    let request = CohortRequest { sheets: false, each: true, ..CohortRequest::new(truth, judged) };
    screen.workspace_mut().dispatch(CohortCommand::Files(Box::new(request)));
    screen.wait();
    screen.click("Each with each");
    let sums = screen.workspace().cohort.sums.clone().unwrap();
    let table = sums.each.iter().find(|t| t.segment == "Liver").unwrap();
    let mean = table.cell(1, 2).unwrap();
    assert!(mean.dice > table.cell(0, 1).unwrap().dice, "the readers are nearer to each other");
    screen.click(&format!("Liver, model with reader: {:.4}", mean.dice.unwrap()));
    screen.wait();
    let document = screen.document();
    assert_eq!((document.case.name.as_str(), document.case.layers.len()), (mean.worst.0.as_str(), 3));
    let review = &screen.workspace().review;
    let (_, a, b) = review.layers.unwrap();
    let name = |id| document.case.layer(id).unwrap().name.as_str();
    assert_eq!((name(a), name(b)), ("model", "reader"));
    assert!((review.cause.expect("the pair of voxels").mm - 0.8).abs() < 1e-6);
    // The truth with a reader, in the case that is open already.
    let open = screen.workspace().documents().len();
    screen.click("Liver, truth with reader: ");
    screen.wait();
    assert_eq!(screen.workspace().documents().len(), open);
    let (_, a, b) = screen.workspace().review.layers.unwrap();
    let name = |id| screen.document().case.layer(id).unwrap().name.as_str();
    assert_eq!((name(a), name(b)), ("Truth", "reader"));
}
