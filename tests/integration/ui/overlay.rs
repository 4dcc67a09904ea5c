//! PET over CT from one folder: what is offered, what is drawn over what, and the values that are shown.

use super::person::on_grid;
use super::screen::Screen;
use crate::hostile::elements::{EXPLICIT, PIXEL_DATA, Set};
use egui::{Key, Modifiers};
use egui_kittest::kittest::NodeT;
use maskwright::core::Plane;
use maskwright::workspace::OpenCommand;
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
