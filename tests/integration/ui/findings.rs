//! What is wrong with a folder stands in the patient panel, each finding with its consequence.

use super::resample::write_series_of;
use super::screen::Screen;
use glam::DVec3;
use maskwright::workspace::OpenCommand;
use std::collections::BTreeSet;
use std::fs;

#[test]
fn every_finding_of_a_folder_is_shown() {
    let mut screen = Screen::new();
    let root = screen.dir.path().join("patient");
    write_series_of(5, &root.join("gap"), DVec3::new(0.0, 0.0, 2.5), &[4]);
    write_series_of(6, &root.join("tilt"), DVec3::new(0.0, 0.6, 2.5), &[]);
    let short = write_series_of(7, &root.join("short"), DVec3::new(0.0, 0.0, 2.0), &[]);
    for file in fs::read_dir(&short).unwrap().flatten().take(2) {
        let bytes = fs::read(file.path()).unwrap();
        fs::write(file.path(), &bytes[..bytes.len() - 900]).unwrap();
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
}
