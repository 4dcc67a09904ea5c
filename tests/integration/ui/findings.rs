//! What is wrong with a folder stands in the patient panel, each finding with its consequence.

use super::resample::write_series_of;
use super::screen::Screen;
use egui_kittest::kittest::NodeT;
use glam::DVec3;
use maskwright::core::{Geometry, Volume};
use maskwright::workspace::{FileCommand, OpenCommand};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_finding_of_a_folder_is_shown() {
    let mut screen = Screen::new();
    let root = screen.dir.path().join("patient");
    write_series_of(5, &root.join("gap"), DVec3::new(0.0, 0.0, 2.5), &[4]);
    write_series_of(6, &root.join("tilt"), DVec3::new(0.0, 0.6, 2.5), &[]);
    let short = write_series_of(7, &root.join("short"), DVec3::new(0.0, 0.0, 2.0), &[]);
    let mut files: Vec<_> = fs::read_dir(&short).unwrap().flatten().map(|e| e.path()).collect();
    files.sort();
    for file in &files[3..5] {
        let bytes = fs::read(file).unwrap();
        fs::write(file, &bytes[..bytes.len() - 900]).unwrap();
    }
    fs::write(root.join("notes.bin"), "no image").unwrap();
    screen.workspace_mut().dispatch(OpenCommand::Path(root));
    screen.wait();
    let scan = screen.workspace().scan.as_ref().unwrap();
    let findings: Vec<_> = scan.findings.iter().chain(scan.series().flat_map(|s| &s.findings)).cloned().collect();
    let codes: BTreeSet<&str> = findings.iter().map(|f| f.code).collect();
    for code in ["missing-slices", "can-be-resampled", "gantry-tilt", "unreadable-slices", "other-files"] {
        assert!(codes.contains(code), "{code} is not among {codes:?}");
    }
    for finding in findings {
        assert!(screen.says(&finding.text), "{} is not shown: {}", finding.code, finding.text);
    }
    assert!(screen.says("notes.bin: 1 file is no image"));
    // Nobody looks through a folder for the file.
    let name = files[3].file_name().unwrap().to_string_lossy();
    let text = screen.find_text("2 slices are left out");
    assert!(text.starts_with(&format!("2 slices are left out; of the first, {name}: it ends too early")), "{text}");
}

/// A NIfTI file of fractions, with its lengths in metres.
fn write_fractions(path: &Path) {
    let geometry = Geometry::axis_aligned([16, 12, 4], DVec3::new(0.8, 0.8, 2.5), DVec3::ZERO).unwrap();
    let count = geometry.voxel_count();
    maskwright::io::save_volume(path, &Volume::new(geometry, vec![0i16; count]).unwrap()).unwrap();
    let mut bytes = fs::read(path).unwrap();
    // The header ends here; see nifti1.h for the places in it.
    bytes.truncate(352);
    bytes[70..72].copy_from_slice(&16i16.to_le_bytes());
    bytes[72..74].copy_from_slice(&32i16.to_le_bytes());
    bytes[123] = 1;
    let lengths = [80, 84, 88, 268, 272, 276].into_iter().chain((280..328).step_by(4));
    for at in lengths {
        let millimetres = f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        bytes[at..at + 4].copy_from_slice(&(millimetres / 1000.0).to_le_bytes());
    }
    bytes.extend((0..count).flat_map(|n| (n as f32 + 0.25).to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

/// How many texts on the window read so.
fn times(screen: &Screen, text: &str) -> usize {
    let nodes = screen.harness.root().children_recursive();
    nodes.filter(|n| n.accesskit_node().value().as_deref() == Some(text)).count()
}

#[test]
fn what_is_noticed_while_reading_stands_with_the_series_and_once() {
    // The first is seen only when the samples are read, the second by the scan too.
    let told = [
        "768 samples are fractions and were rounded to whole HU",
        "its lengths are not in millimetres; they were multiplied by 1000",
    ];
    let mut screen = Screen::new();
    let path = screen.dir.path().join("fractions.nii");
    write_fractions(&path);
    screen.workspace_mut().dispatch(OpenCommand::Path(path));
    screen.wait();
    let document = screen.document();
    assert_eq!(document.case.volume.as_ref().unwrap().at([1, 0, 0]), Some(1));
    assert!((document.case.geometry.spacing() - DVec3::new(0.8, 0.8, 2.5)).length() < 1e-5);
    assert_eq!(told.map(|text| times(&screen, text)), [1, 1]);
    let project = screen.dir.path().join("case.maskwright");
    screen.workspace_mut().dispatch(FileCommand::SaveProject(Some(project.clone())));
    screen.wait();
    let id = screen.document().case.id;
    screen.workspace_mut().dispatch(OpenCommand::Close(id));
    screen.steps(3);
    assert_eq!(told.map(|text| times(&screen, text)), [0, 1], "the scan's own stays");
    // A project that is opened without a scan has no series to stand with.
    let mut fresh = Screen::new();
    fresh.workspace_mut().dispatch(OpenCommand::Path(project));
    fresh.wait();
    assert!(fresh.document().case.volume.is_some() && fresh.workspace().scan.is_none());
    assert_eq!(told.map(|text| times(&fresh, text)), [1, 1]);
}
