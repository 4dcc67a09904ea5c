//! The review mark: set by a person, lost with any change of voxels, kept in projects and journals.

use super::*;
use crate::core::Flips;
use crate::workspace::LayerCommand;

fn is_reviewed(desk: &Desk) -> bool {
    desk.document().layer().unwrap().reviewed
}

fn mark(desk: &mut Desk) {
    let layer = desk.layer_id();
    desk.w.dispatch(LayerCommand::Reviewed(layer, true));
    assert!(is_reviewed(desk));
}

#[test]
fn any_change_of_voxels_takes_the_mark_away() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [10.0, 10.0, 2.0], [20.0, 10.0, 2.0]);
    mark(&mut desk);
    // Names, colours and what is shown are no voxels.
    desk.w.dispatch(SegmentCommand::Rename(1, "liver".into()));
    desk.w.dispatch(LayerCommand::Visible(desk.layer_id(), false));
    assert!(is_reviewed(&desk));
    desk.stroke(false, [10.0, 20.0, 2.0], [20.0, 20.0, 2.0]);
    assert!(!is_reviewed(&desk));
    mark(&mut desk);
    desk.w.dispatch(EditCommand::Undo);
    assert!(!is_reviewed(&desk), "undo of marking");
    mark(&mut desk);
    desk.w.dispatch(LayerCommand::Mirror(desk.layer_id(), Flips::ALL[0]));
    assert!(!is_reviewed(&desk));
    mark(&mut desk);
    desk.w.dispatch(SegmentCommand::Delete(1));
    assert!(!is_reviewed(&desk));
    mark(&mut desk);
    desk.w.dispatch(LayerCommand::Duplicate(desk.layer_id()));
    assert!(!is_reviewed(&desk), "nobody looked at the copy as a layer of its own");
}

#[test]
fn the_mark_is_in_the_project() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [10.0, 10.0, 2.0], [20.0, 10.0, 2.0]);
    mark(&mut desk);
    let project = desk.dir.path().join("p.maskwright");
    desk.w.dispatch(FileCommand::SaveProject(Some(project.clone())));
    desk.settle();
    let data = crate::io::load_project(&project).unwrap();
    assert!(data.layers[0].reviewed);
    // A project from before there was such a mark opens, unmarked.
    let manifest = project.join("project.ron");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let older: String = text.lines().filter(|l| !l.contains("reviewed")).map(|l| format!("{l}\n")).collect();
    assert_ne!(older, text);
    std::fs::write(&manifest, older).unwrap();
    assert!(!crate::io::load_project(&project).unwrap().layers[0].reviewed);
}

#[test]
fn only_reviewed_cases_are_exported_and_refusals_are_said() {
    let mut desk = Desk::with_case();
    let out = desk.dir.path().join("set");
    desk.stroke(false, [10.0, 10.0, 2.0], [20.0, 10.0, 2.0]);
    desk.w.dispatch(FileCommand::ExportReviewed(out.clone()));
    desk.settle();
    let said: Vec<String> = desk.w.take_notices().into_iter().map(|n| n.text).collect();
    assert!(said.iter().any(|t| t.contains("no layer is marked as reviewed")), "{said:?}");
    assert!(!out.exists());
    mark(&mut desk);
    desk.w.dispatch(FileCommand::ExportReviewed(out.clone()));
    desk.settle();
    assert!(out.join("imagesTr/case_001_0000.nii.gz").is_file());
    desk.w.dispatch(FileCommand::ExportDeidentified(desk.dir.path().join("copies")));
    desk.w.dispatch(FileCommand::ExportSurface(desk.dir.path().join("s.txt")));
    desk.w.dispatch(FileCommand::ExportSurface(desk.dir.path().join("s.obj")));
    desk.settle();
    let said: Vec<String> = desk.w.take_notices().into_iter().map(|n| n.text).collect();
    for words in ["is no DICOM series", ".stl or .obj", "the surface encloses"] {
        assert!(said.iter().any(|t| t.contains(words)), "{words}: {said:?}");
    }
}
