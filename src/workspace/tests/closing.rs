//! Closing, switching and deleting while something works on it: no panic, nothing in the wrong case.

use super::*;

#[test]
fn closing_while_reading_importing_or_comparing_is_harmless() {
    let mut desk = Desk::empty();
    let path = desk.scan_file("scan.nrrd");
    desk.w.dispatch(OpenCommand::Path(path));
    desk.until("the case", |w| w.active_document().is_some());
    let id = desk.document().case.id;
    desk.w.dispatch(OpenCommand::Close(id));
    desk.settle();
    assert!(desk.w.documents().is_empty());

    desk.open_file("other.nrrd");
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    let mask = desk.dir.path().join("mask.nrrd");
    desk.w.dispatch(FileCommand::ExportMask(mask.clone()));
    desk.settle();
    desk.w.dispatch(FileCommand::ImportMask(mask.clone()));
    let id = desk.document().case.id;
    desk.w.dispatch(OpenCommand::Close(id));
    desk.settle();
    assert!(desk.w.documents().is_empty());

    desk.open_file("third.nrrd");
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    let truth = desk.layer_id();
    desk.w.dispatch(LayerCommand::Duplicate(truth));
    let prediction = desk.layer_id();
    desk.w.dispatch(ReviewCommand::Compare { truth, prediction });
    let id = desk.document().case.id;
    desk.w.dispatch(OpenCommand::Close(id));
    desk.open_file("fourth.nrrd");
    desk.settle();
    assert!(desk.w.review.report.is_none(), "a report of a closed case is shown for none");
    assert!(!desk.w.review.running);
    // Commands that come with no case at all.
    let id = desk.document().case.id;
    desk.w.dispatch(OpenCommand::Close(id));
    desk.w.dispatch(OpenCommand::Close(id));
    desk.w.dispatch(OpenCommand::Activate(id));
    desk.w.dispatch(EditCommand::Undo);
    desk.w.dispatch(LayerCommand::New);
    desk.w.dispatch(FileCommand::SaveProject(None));
    desk.w.dispatch(ReviewCommand::Compare { truth, prediction });
    desk.w.dispatch(Command::CancelTask(7));
    desk.settle();
}

#[test]
fn deleting_a_compared_layer_keeps_the_report_harmless() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    let truth = desk.layer_id();
    desk.w.dispatch(LayerCommand::Duplicate(truth));
    let prediction = desk.layer_id();
    desk.w.dispatch(ReviewCommand::Compare { truth, prediction });
    desk.w.dispatch(LayerCommand::Delete(prediction));
    desk.settle();
    let report = desk.w.review.report.as_ref().unwrap();
    assert_eq!(report.rows[0].figures.dice, Some(1.0), "snapshots are compared");
    assert_ne!(desk.w.review.revision, desk.document().revision(), "and the panel says that the masks changed");
    desk.w.dispatch(ReviewCommand::Row(99));
    desk.w.dispatch(ReviewCommand::Difference(true));
    assert_eq!(desk.w.review.labels(), None);
    desk.w.dispatch(LayerCommand::Delete(truth));
    desk.w.dispatch(ReviewCommand::Compare { truth, prediction });
    desk.settle();
    desk.w.dispatch(EditCommand::Undo);
    desk.w.dispatch(EditCommand::Undo);
    assert_eq!(desk.document().case.layers.len(), 2);
}

#[test]
fn a_stroke_ends_in_the_case_it_began_in() {
    let mut desk = Desk::with_case();
    let first = desk.document().case.id;
    desk.open_file("second.nrrd");
    let second = desk.document().case.id;
    desk.w.dispatch(OpenCommand::Activate(first));
    let at = DVec3::new(20.0, 20.0, 9.0);
    desk.w.dispatch(EditCommand::BeginStroke { erase: false, through_axis: 2 });
    desk.w.dispatch(EditCommand::ExtendStroke { from: at, to: at });
    desk.w.dispatch(OpenCommand::Activate(second));
    desk.w.dispatch(EditCommand::ExtendStroke { from: at, to: at });
    desk.w.dispatch(EditCommand::CommitStroke);
    assert!(desk.document().case.layers.is_empty(), "nothing was painted in the other case");
    desk.w.dispatch(OpenCommand::Activate(first));
    assert_eq!(desk.document().undo_name(), Some("Paint Segment 1"));
    assert!(desk.labels().counts()[1] > 0);
    desk.w.dispatch(EditCommand::Undo);
    assert_eq!(desk.labels().counts()[1], 0);
}

#[test]
fn a_mask_that_arrives_during_a_stroke_waits_for_its_end() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    let mask = desk.dir.path().join("mask.nrrd");
    desk.w.dispatch(FileCommand::ExportMask(mask.clone()));
    desk.settle();
    let painted = desk.labels();
    let at = DVec3::new(20.0, 20.0, 9.0);
    desk.w.dispatch(FileCommand::ImportMask(mask));
    desk.w.dispatch(EditCommand::BeginStroke { erase: false, through_axis: 2 });
    desk.w.dispatch(EditCommand::ExtendStroke { from: at, to: at });
    desk.settle();
    assert_eq!(desk.document().case.layers.len(), 1);
    desk.w.dispatch(EditCommand::CommitStroke);
    assert_eq!(desk.document().case.layers.len(), 2, "the import is not lost");
    assert_eq!(desk.labels(), painted);
    assert_eq!(desk.document().undo_name(), Some("Import mask"));
    desk.w.dispatch(EditCommand::Undo);
    desk.w.dispatch(EditCommand::Undo);
    assert_eq!(desk.labels(), painted, "the stroke is one step of its own");
}

#[test]
fn a_mask_of_another_size_is_refused_in_words() {
    let mut desk = Desk::with_case();
    let geometry = Geometry::axis_aligned([10, 10, 10], DVec3::ONE, DVec3::ZERO).unwrap();
    let other = desk.dir.path().join("other.nrrd");
    let mut labels = LabelMap::empty(geometry);
    labels.set([1, 1, 1], 1);
    crate::io::save_mask(&other, &labels, &[crate::core::Segment::new(1, "a")], None).unwrap();
    desk.w.dispatch(FileCommand::ImportMask(other));
    desk.w.dispatch(FileCommand::ImportMask(desk.dir.path().join("missing.nrrd")));
    desk.settle();
    let errors = desk.w.take_notices().into_iter().filter(|n| n.level == Level::Error).count();
    assert_eq!((errors, desk.document().case.layers.len()), (2, 0));
}
