//! PET over CT from one folder: what is offered, what is drawn over what, and the values that are shown.

use super::person::on_grid;
use super::screen::{DIMS, Screen};
use crate::hostile::elements::{EXPLICIT, PIXEL_DATA, Set};
use egui::{Key, Modifiers};
use egui_kittest::kittest::NodeT;
use glam::DVec3;
use maskwright::core::{Geometry, Plane, Volume};
use maskwright::workspace::{OpenCommand, PictureCommand, ViewCommand};
use std::path::Path;

/// Four slices of 16 x 16, all of `stored`, with a slope for each slice.
fn write_series(folder: &Path, modality: &str, stored: u16, slope: impl Fn(usize) -> f64, intercept: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let (class, uid) =
        if modality == "PT" { ("1.2.840.10008.5.1.4.1.1.128", 8) } else { ("1.2.840.10008.5.1.4.1.1.2", 9) };
    for k in 0..4usize {
        let pixels: Vec<u8> = [stored; 256].iter().flat_map(|v| v.to_le_bytes()).collect();
        let named = Set::new()
            .text((0x0008, 0x0016), b"UI", class)
            .text((0x0008, 0x0018), b"UI", &format!("2.25.7{uid}{k}"))
            .text((0x0008, 0x0060), b"CS", modality)
            .text((0x0010, 0x0020), b"LO", "P-1")
            .text((0x0018, 0x0050), b"DS", "2.5")
            .text((0x0020, 0x000D), b"UI", "2.25.80")
            .text((0x0020, 0x000E), b"UI", &format!("2.25.9{uid}"));
        let set = on_grid(named, k)
            .text((0x0028, 0x1052), b"DS", intercept)
            .text((0x0028, 0x1053), b"DS", &slope(k).to_string())
            .text((0x0054, 0x1001), b"CS", "BQML")
            .bytes(PIXEL_DATA, b"OW", &pixels);
        std::fs::write(folder.join(format!("{modality}{k}.dcm")), set.file(EXPLICIT)).unwrap();
    }
}

#[test]
fn pet_of_the_same_folder_is_laid_over_the_ct() {
    let mut screen = Screen::new();
    let folder = screen.dir.path().join("patient");
    write_series(&folder, "CT", 1064, |_| 1.0, "-1024");
    write_series(&folder, "PT", 1000, |k| 0.5 * (k + 1) as f64, "0");
    screen.workspace_mut().dispatch(OpenCommand::Path(folder));
    screen.wait();
    // The CT is the one series that opens by itself.
    let ct = screen.document().case.id;
    assert_eq!(screen.workspace().documents().len(), 1);
    screen.tab("Patients");
    assert!(screen.says("PT opens only to be laid over a CT"));
    screen.click("Lay over");
    screen.wait();
    screen.steps(3);
    assert_eq!((screen.workspace().documents().len(), screen.document().case.id), (2, ct), "the CT stays in front");
    let fusion = screen.document().view.fusion.expect("it is laid over");
    let pet = screen.workspace().document(fusion.case).unwrap();
    assert!(pet.is_overlay() && !screen.document().is_overlay());
    // Slope x stored of each slice; the last one, 2,000 Bq/ml, is white.
    let (values, volume) = (pet.values(), pet.case.volume.clone().unwrap());
    for k in 0..4 {
        let value = values.value(f64::from(volume.at([3, 9, k]).unwrap()));
        assert!((value - 500.0 * (k + 1) as f64).abs() <= values.scale() / 2.0, "slice {k}: {value}");
    }
    assert_eq!(values.unit(), "Bq/ml");
    let shown = values.of_values(fusion.window);
    assert!(
        (shown.window_width - 2000.0).abs() <= values.scale() && (shown.window_center - 1000.0).abs() <= values.scale()
    );
    screen.tab("View");
    screen.find("Opacity of fusion");
    let width = screen.number("Window width of fusion").accesskit_node().numeric_value().unwrap();
    assert!((width - shown.window_width).abs() < 1.0, "{width} is in the PET's own unit");
    // The line at the bottom tells both values at the pointer, slice for slice.
    for k in 1..4 {
        screen.workspace_mut().dispatch(ViewCommand::Slice { plane: Plane::Axial, index: k });
        screen.steps(2);
        let middle = screen.pane(Plane::Axial).center();
        screen.move_to(middle);
        screen.steps(3);
        let expected = values.text(volume.at([9, 9, k as i64]).unwrap());
        let text = screen.find_text("   voxel ");
        assert!(text.contains("40 HU") && text.contains(&format!("laid over it {expected}")), "slice {k}: {text}");
    }
    screen.workspace_mut().dispatch(PictureCommand::Fuse(None));
    screen.steps(3);
    assert!(!screen.find_text("   voxel ").contains("laid over"));
}

#[test]
fn what_lies_over_the_pointer_is_found_by_its_place_in_the_patient() {
    let mut screen = Screen::with_scan();
    let ct = screen.document().case.id;
    // Half of the scan's voxels, twice as large: it ends where the patient's left side of the scan goes on.
    let geometry = Geometry::axis_aligned([18, 32, 24], DVec3::new(1.6, 1.6, 2.5), DVec3::new(-28.0, -25.0, -30.0));
    // Few values would be taken for a mask: the first slice, which is not looked at, has many.
    let sample = |n: usize| if n < 18 * 32 { n as i16 * 3 - 900 } else { (n % 18) as i16 + 1000 };
    let samples: Vec<i16> = (0..18 * 32 * 24).map(sample).collect();
    let path = screen.dir.path().join("other.nrrd");
    maskwright::io::save_volume(&path, &Volume::new(geometry.unwrap(), samples).unwrap()).unwrap();
    screen.workspace_mut().dispatch(OpenCommand::Path(path));
    screen.wait();
    let other = screen.document().case.id;
    assert_ne!(other, ct, "{:?}", screen.workspace_mut().take_notices());
    screen.workspace_mut().dispatch(OpenCommand::Activate(ct));
    screen.workspace_mut().dispatch(PictureCommand::Fuse(Some(other)));
    let fused = screen.document().view.fusion.map(|f| f.case);
    assert_eq!((screen.document().case.id, fused), (ct, Some(other)));
    screen.steps(3);
    let pane = screen.pane(Plane::Axial);
    let mut told = [0; 2];
    for part in [0.25, 0.4, 0.6, 0.75] {
        screen.move_to(pane.left_top() + egui::Vec2::new(pane.width() * part, pane.height() / 2.0));
        screen.steps(3);
        let text = screen.find_text("   voxel ");
        let column: i64 = text.split("voxel ").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
        if !(0..DIMS[0] as i64).contains(&column) {
            continue;
        }
        // Where a column of the one lies between two of the other, the pointer's own place decides.
        let near = [column as f64 / 2.0 - 0.26, column as f64 / 2.0 + 0.26].map(|i| i.round() as i64);
        let expected = near.map(|i| if i < 18 { format!("{} HU", 1000 + i) } else { "outside".to_owned() });
        assert!(expected.iter().any(|e| text.contains(&format!("laid over it {e}"))), "{text}: {expected:?}");
        told[usize::from(text.contains("outside"))] += 1;
    }
    assert!(told[0] > 0 && told[1] > 0, "both sides are seen: {told:?}");
}

#[test]
fn pet_alone_is_looked_at_in_its_own_unit_and_nothing_else() {
    let mut screen = Screen::new();
    let folder = screen.dir.path().join("patient");
    write_series(&folder, "PT", 1000, |k| 0.5 * (k + 1) as f64, "0");
    screen.workspace_mut().dispatch(OpenCommand::Path(folder));
    screen.wait();
    screen.steps(3);
    assert!(screen.document().is_overlay());
    assert_eq!(screen.document().slice_index(Plane::Axial), 2);
    let middle = screen.pane(Plane::Axial).center();
    screen.move_to(middle);
    screen.steps(3);
    // 1,500 Bq/ml to within half a sample of 4.1 Bq/ml.
    assert!(screen.says("1499 Bq/ml"), "{}", screen.find_text("voxel"));
    assert!(screen.paints_in(screen.pane(Plane::Axial), "W 1999  L 999  Bq/ml"));
    let window = screen.document().view.window;
    screen.key(Modifiers::ALT, Key::Num3);
    assert_eq!(screen.document().view.window, window, "presets are over HU");
    screen.key(Modifiers::NONE, Key::B);
    screen.paint(Plane::Axial, Modifiers::NONE);
    assert!(screen.document().case.layers.is_empty());
    screen.menu("Help", "Messages");
    assert!(screen.says("holds no Hounsfield units"));
}

#[test]
fn a_series_that_is_open_is_shown_again_from_its_card() {
    let mut screen = Screen::new();
    let root = screen.dir.path().join("patient");
    for name in ["first", "second"] {
        write_series(&root.join(name), "CT", 1064, |_| 1.0, "-1024");
    }
    // Another series of the same study: other identifiers of the same length.
    for file in std::fs::read_dir(root.join("second")).unwrap().map(|f| f.unwrap().path()) {
        let mut bytes = std::fs::read(&file).unwrap();
        for (old, new) in [(b"2.25.99", b"2.25.95"), (b"2.25.79", b"2.25.75")] {
            for at in 0..bytes.len() - old.len() {
                if bytes[at..].starts_with(old) {
                    bytes[at..at + new.len()].copy_from_slice(new);
                }
            }
        }
        std::fs::write(file, bytes).unwrap();
    }
    screen.workspace_mut().dispatch(OpenCommand::Path(root));
    screen.wait();
    for series in 0..2 {
        screen.workspace_mut().dispatch(OpenCommand::Series { patient: 0, study: 0, series });
        screen.wait();
    }
    let open = |screen: &Screen| screen.workspace().documents().iter().map(|d| d.case.id).collect::<Vec<_>>();
    let before = open(&screen);
    assert_eq!(before.len(), 2);
    assert_eq!(screen.document().case.id, before[1]);
    screen.tab("Patients");
    assert!(
        screen.says("shown")
            && screen.all("Open").iter().all(|n| n.accesskit_node().label().as_deref() != Some("Open"))
    );
    screen.click("Show");
    screen.wait();
    assert_eq!(screen.document().case.id, before[0]);
    assert_eq!(open(&screen), before, "nothing is read a second time");
}
