//! Masks that come with a choice: several beside one series, and one that would fit better mirrored.

use super::resample::write_series_of;
use super::screen::Screen;
use egui::accesskit::Role;
use egui_kittest::kittest::NodeT;
use glam::{DAffine3, DVec2, DVec3};
use maskwright::core::{Flips, Geometry, LabelMap, Origin, Segment, Volume};
use maskwright::io::{save_image_stack, save_mask, save_volume};
use maskwright::workspace::{EditCommand, FileCommand, OpenCommand};
use std::path::Path;

/// A box on the grid of [`write_series_of`] with steps of 2.5 mm.
fn write_box(root: &Path, name: &str, size: usize) {
    let affine = DAffine3::from_cols(DVec3::X * 0.8, DVec3::Y * 0.8, DVec3::Z * 2.5, DVec3::new(-20.0, -20.0, 5.0));
    let mut labels = LabelMap::empty(Geometry::new([48, 40, 9], affine).unwrap());
    for voxel in (0..size).flat_map(|i| (0..size).map(move |j| [10 + i, 12 + j, 4])) {
        labels.set(voxel, 1);
    }
    save_mask(&root.join(format!("{name}.nrrd")), &labels, &[Segment::new(1, name)], None).unwrap();
}

fn layers(screen: &Screen) -> Vec<(String, u64)> {
    screen.document().case.layers.iter().map(|l| (l.name.clone(), l.labels.counts()[1])).collect()
}

#[test]
fn of_several_masks_beside_a_series_those_that_are_chosen_become_layers() {
    let mut screen = Screen::new();
    let root = screen.dir.path().join("patient");
    write_series_of(5, &root, DVec3::new(0.0, 0.0, 2.5), &[]);
    write_box(&root, "liver", 6);
    write_box(&root, "tumour", 3);
    screen.workspace_mut().dispatch(OpenCommand::Path(root));
    screen.wait();
    screen.steps(3);
    assert_eq!(screen.workspace().found_masks().len(), 2);
    assert!(screen.says("Several masks belong to this series"));
    let is_box = |n: &egui_kittest::Node<'_>| n.accesskit_node().role() == Role::CheckBox;
    let liver = screen.all("liver").into_iter().find(is_box).expect("a box for the liver").rect().center();
    screen.click_at(liver);
    screen.fill("Layer name for tumour", "GTV");
    screen.click("Open 1 as a layer");
    screen.wait();
    assert_eq!(layers(&screen), [("GTV".to_owned(), 9)]);
    let file = "tumour".to_owned();
    assert_eq!(screen.document().layer().unwrap().origin, Origin::Imported { file });
    // It is asked once, and again when the user wants to.
    screen.steps(3);
    assert!(!screen.says("Several masks belong to this series"));
    screen.tab("Patients");
    screen.click("Choose several");
    screen.steps(3);
    screen.click("Open 2 as layers");
    screen.wait();
    let three = [("GTV".to_owned(), 9), ("liver".to_owned(), 36), ("tumour".to_owned(), 9)];
    assert_eq!(layers(&screen), three);
    screen.workspace_mut().dispatch(EditCommand::Undo);
    assert_eq!(layers(&screen), three[..1], "both came as one step");
    screen.click("Choose several");
    screen.steps(3);
    screen.click("Not now");
    screen.wait();
    assert_eq!(layers(&screen).len(), 1);
}

#[test]
fn a_mask_that_fits_better_mirrored_is_mirrored_by_a_click() {
    let mut screen = Screen::new();
    // A body in air with an organ away from its middle.
    let grid = Geometry::axis_aligned([64, 64, 32], DVec3::ONE, DVec3::ZERO).unwrap();
    let mut truth = LabelMap::empty(grid);
    let mut hu = Vec::with_capacity(grid.voxel_count());
    for n in 0..grid.voxel_count() {
        let voxel = [n % 64, n / 64 % 64, n / (64 * 64)];
        let at = DVec3::from_array(voxel.map(|v| v as f64));
        let noise = (n * 7919 % 23) as i16 - 11;
        if at.distance(DVec3::new(20.0, 22.0, 11.0)) < 10.5 {
            truth.set(voxel, 1);
            hu.push(110 + noise);
        } else if at.truncate().distance(DVec2::splat(31.5)) < 28.0 {
            hu.push(20 + noise);
        } else {
            hu.push(-1000);
        }
    }
    let scan = screen.dir.path().join("scan.nrrd");
    save_volume(&scan, &Volume::new(grid, hu).unwrap()).unwrap();
    screen.workspace_mut().dispatch(OpenCommand::Path(scan));
    screen.wait();
    let wrong = truth.flipped(Flips { y: true, ..Flips::default() });
    for (name, accept) in [("first", false), ("second", true)] {
        let folder = screen.dir.path().join(name);
        save_image_stack(&folder, &wrong, &[Segment::new(1, "organ")]).unwrap();
        screen.workspace_mut().dispatch(FileCommand::ImportMask(folder));
        screen.wait();
        screen.steps(3);
        assert!(screen.says("top and bottom exchanged"), "{name}");
        assert_eq!(screen.labels().to_dense(), wrong.to_dense(), "nothing is done in silence");
        screen.click(if accept { "Mirror it" } else { "Leave it as it is" });
        screen.wait();
        let expected = if accept { &truth } else { &wrong };
        assert_eq!(screen.labels().to_dense(), expected.to_dense(), "{name}");
        assert!(screen.document().mirror_offer().is_none());
    }
    screen.workspace_mut().dispatch(EditCommand::Undo);
    assert_eq!(screen.labels().to_dense(), wrong.to_dense());
    // One that lies right is not asked about.
    let folder = screen.dir.path().join("right");
    save_image_stack(&folder, &truth, &[Segment::new(1, "organ")]).unwrap();
    screen.workspace_mut().dispatch(FileCommand::ImportMask(folder));
    screen.wait();
    assert!(screen.document().mirror_offer().is_none());
}
