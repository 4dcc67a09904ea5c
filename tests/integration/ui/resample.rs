//! The question before a tilted or unevenly spaced series opens, by pointer and by keys.

use super::screen::Screen;
use egui::{Key, Modifiers};
use glam::{DAffine3, DVec3};
use maskwright::core::{Geometry, Volume};
use maskwright::io::dicom::{CtSeriesInfo, write_ct_series};
use maskwright::io::{DicomStack, VolumeSource};
use maskwright::workspace::{FileCommand, OpenCommand};
use std::fs;
use std::path::{Path, PathBuf};

const SLICES: usize = 9;

/// A series whose slices step by `step`; of the slices in `without` the files are gone.
fn write_series(dir: &Path, step: DVec3, without: &[usize]) -> PathBuf {
    write_series_of(5, dir, step, without)
}

/// [`write_series`] with identifiers that follow from `seed`.
pub fn write_series_of(seed: u64, dir: &Path, step: DVec3, without: &[usize]) -> PathBuf {
    let affine = DAffine3::from_cols(DVec3::X * 0.8, DVec3::Y * 0.8, step, DVec3::new(-20.0, -20.0, 5.0));
    let geometry = Geometry::new([48, 40, SLICES], affine).unwrap();
    let hu: Vec<i16> = (0..geometry.voxel_count()).map(|n| (n % 300) as i16).collect();
    let folder = dir.join("ct");
    fs::create_dir_all(&folder).unwrap();
    let info = CtSeriesInfo {
        patient_id: "PHANTOM-0001".into(),
        series_description: "test".into(),
        series_number: 1,
        body_part: "ABDOMEN".into(),
        seed,
        window: None,
    };
    let files = write_ct_series(&folder, &Volume::new(geometry, hu).unwrap(), &info).unwrap();
    for n in without {
        fs::remove_file(&files[*n]).unwrap();
    }
    folder
}

fn stack(screen: &Screen) -> &DicomStack {
    match &screen.document().source {
        Some(VolumeSource::Dicom(stack)) => stack,
        other => panic!("{other:?}"),
    }
}

fn open(screen: &mut Screen, folder: &Path) {
    screen.workspace_mut().dispatch(OpenCommand::Path(folder.to_owned()));
    screen.wait();
    assert!(screen.workspace().active_document().is_none(), "nothing opens before the answer");
}

#[test]
fn enter_resamples_and_the_project_remembers() {
    let mut screen = Screen::new();
    let folder = write_series(screen.dir.path(), DVec3::new(0.0, 0.0, 2.5), &[3, 6]);
    open(&mut screen, &folder);
    assert!(screen.says("2 slices are missing") && screen.says("48 x 40 x 9 voxels"));
    // Keys of the window itself wait for the answer.
    screen.key(Modifiers::COMMAND, Key::O);
    assert!(!screen.says("A patient folder, a DICOM"));
    screen.key(Modifiers::NONE, Key::Enter);
    screen.wait();
    assert_eq!((screen.document().case.geometry.dims(), stack(&screen).slices.len()), ([48, 40, SLICES], 7));
    assert!(!screen.says("Resample to a regular grid?"));
    let project = screen.dir.path().join("case.maskwright");
    screen.workspace_mut().dispatch(FileCommand::SaveProject(Some(project.clone())));
    screen.wait();
    let id = screen.document().case.id;
    screen.workspace_mut().dispatch(OpenCommand::Close(id));
    screen.workspace_mut().dispatch(OpenCommand::Path(project));
    screen.wait();
    assert!(stack(&screen).resampling.is_some(), "no second question");
    assert_eq!(screen.document().case.geometry.dims(), [48, 40, SLICES]);
}

#[test]
fn a_tilt_may_be_kept_and_the_question_cancelled() {
    let mut screen = Screen::new();
    let folder = write_series(screen.dir.path(), DVec3::new(0.0, 0.8, 2.5), &[]);
    open(&mut screen, &folder);
    assert!(screen.says("The gantry was tilted by 17.7 degrees."));
    screen.key(Modifiers::NONE, Key::Escape);
    screen.wait();
    assert!(screen.workspace().question().is_none() && screen.workspace().active_document().is_none());
    // From the patient panel it is asked again; Tab leads to the second answer.
    screen.click("Open");
    screen.key(Modifiers::NONE, Key::Tab);
    screen.key(Modifiers::NONE, Key::Enter);
    screen.wait();
    assert!(stack(&screen).resampling.is_none());
    assert_eq!(screen.document().case.geometry.dims(), [48, 40, SLICES]);
}

#[test]
fn the_pointer_answers_too() {
    let mut screen = Screen::new();
    let folder = write_series(screen.dir.path(), DVec3::new(0.0, 0.8, 2.5), &[]);
    open(&mut screen, &folder);
    screen.click("Cancel");
    assert!(screen.workspace().question().is_none());
    screen.click("Open");
    screen.click("Resample");
    screen.wait();
    let dims = screen.document().case.geometry.dims();
    assert!(dims[1] > 40 && dims[2] == SLICES, "{dims:?}");
    assert!(screen.document().case.volume.is_some());
}
