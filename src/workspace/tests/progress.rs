//! Slices, notes and sources through projects, journals and predictions; trouble with disks.

use super::*;
use crate::core::{Origin, SliceStatus};
use crate::workspace::{LayerCommand, WorkCommand};

fn work(desk: &Desk) -> crate::core::Work {
    desk.document().layer().unwrap().work.clone()
}

/// A layer with strokes, marks and a note.
fn worked() -> Desk {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    desk.w.dispatch(WorkCommand::StatusOf { from: 5, to: 2, status: SliceStatus::Corrected });
    desk.w.dispatch(WorkCommand::Status { slice: 4, status: SliceStatus::Approved });
    desk.w.dispatch(WorkCommand::Note { slice: 9, text: "motion".into() });
    desk
}

#[test]
fn marks_notes_and_sources_are_in_project_and_journal() {
    let mut desk = worked();
    let project = desk.dir.path().join("p.maskwright");
    desk.w.dispatch(FileCommand::SaveProject(Some(project.clone())));
    desk.settle();
    let saved = crate::io::load_project(&project).unwrap();
    assert_eq!(saved.layers[0].work, work(&desk));
    assert_eq!(saved.layers[0].touched_slices().iter().filter(|t| **t).count(), 1);
    // Later changes are in the journal alone.
    desk.stroke(true, [5.0, 5.0, 3.0], [9.0, 9.0, 3.0]);
    desk.w.dispatch(WorkCommand::Note { slice: 9, text: String::new() });
    desk.w.dispatch(WorkCommand::DoneAndNext(SliceStatus::Approved));
    desk.w.poll();
    desk.settle();
    desk.w.shut_down();
    let found = crate::io::journal::unfinished(&desk.w.home.journals());
    let back = crate::io::journal::recover(&found[0]).unwrap().unwrap();
    assert_eq!(back.layers[0].work, work(&desk));
    assert_ne!(saved.layers[0].work, work(&desk));
}

#[test]
fn progress_counts_and_goes_round() {
    let mut desk = worked();
    assert_eq!(desk.document().progress().slices, [16, 3, 1]);
    assert_eq!(desk.w.progress().done(), [4, 20]);
    desk.w.dispatch(ViewCommand::Slice { plane: crate::core::Plane::Axial, index: 1 });
    desk.w.dispatch(WorkCommand::NextToDo { back: false });
    assert_eq!(desk.document().work_slice(), 6);
    desk.w.dispatch(WorkCommand::NextToDo { back: true });
    assert_eq!(desk.document().work_slice(), 1);
    desk.w.dispatch(WorkCommand::StatusOf { from: 0, to: 99, status: SliceStatus::Approved });
    desk.w.dispatch(WorkCommand::NextToDo { back: false });
    assert_eq!(desk.document().work_slice(), 1);
    let all = desk.w.progress();
    assert_eq!((all.slices, all.cases), ([0, 0, 20], [1, 1]));
    desk.open_file("second.nrrd");
    assert_eq!(desk.w.progress(), all, "a case without a mask has no progress");
}

#[test]
fn an_edit_takes_approvals_of_its_own_slices() {
    let mut desk = worked();
    desk.w.dispatch(WorkCommand::StatusOf { from: 2, to: 4, status: SliceStatus::Approved });
    desk.stroke(false, [5.0, 30.0, 3.0], [30.0, 30.0, 3.0]);
    let slices = work(&desk).slices;
    let status: Vec<SliceStatus> = (2..5).map(|k| slices.status(k)).collect();
    assert_eq!(status, [SliceStatus::Approved, SliceStatus::Corrected, SliceStatus::Approved]);
    desk.w.dispatch(SegmentCommand::Delete(1));
    assert_eq!(work(&desk).slices.status(3), SliceStatus::Corrected);
}

#[test]
fn a_prediction_spares_what_people_did_and_brings_its_segments() {
    let mut desk = worked();
    let corrected = desk.labels();
    let target = desk.layer_id();
    // A second layer stands for the prediction: more of segment 1, and another segment.
    desk.w.dispatch(LayerCommand::Duplicate(target));
    let source = desk.layer_id();
    desk.w.brush.radius_mm = 12.0;
    desk.w.brush.sphere = true;
    desk.stroke(false, [20.0, 18.0, 9.0], [20.0, 18.0, 9.0]);
    desk.w.dispatch(SegmentCommand::Add);
    desk.w.dispatch(SegmentCommand::Rename(2, "Tumour".into()));
    desk.stroke(false, [20.0, 18.0, 17.0], [20.0, 18.0, 17.0]);
    let predicted = desk.labels();
    let origin = Origin::Model { run: "r".into(), checkpoint: "best".into() };
    desk.w.active_document_mut().unwrap().case.layer_mut(source).unwrap().origin = origin.clone();
    desk.w.dispatch(LayerCommand::Select(target));
    desk.w.dispatch(WorkCommand::FillFrom { source, everything: false, apply: false });
    desk.settle();
    assert_eq!(desk.labels(), corrected, "it is shown first");
    assert!(desk.document().preview().unwrap().changed_ml[0] > 0.0);
    desk.w.dispatch(EditCommand::ApplyPreview);
    let layer = desk.document().layer().unwrap().clone();
    assert_eq!(layer.segments.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["Segment 1", "Tumour"]);
    let done = [2usize, 3, 4, 5];
    for k in 0..20usize {
        for (i, j) in (0..40).flat_map(|i| (0..36).map(move |j| (i, j))) {
            let v = [i, j, k as i64];
            let stays = done.contains(&k) || corrected.at(v) != 0;
            assert_eq!(layer.labels.at(v), if stays { corrected.at(v) } else { predicted.at(v) }, "{v:?}");
            if layer.labels.at(v) != corrected.at(v) {
                assert_eq!(layer.origin_at(v), &origin);
            }
        }
    }
    assert_eq!(layer.touched_slices().iter().filter(|t| **t).count(), 1, "what a model fills is not touched");
    desk.w.dispatch(EditCommand::Undo);
    assert_eq!(desk.labels(), corrected);
    // Told otherwise it has its way, and slices that it changed are to do again.
    desk.w.dispatch(WorkCommand::FillFrom { source, everything: true, apply: true });
    desk.settle();
    assert_eq!(desk.labels(), predicted);
    assert_eq!(work(&desk).slices.status(5), SliceStatus::ToDo);
}

#[test]
fn a_second_reader_sees_nothing_of_the_first() {
    let mut desk = worked();
    let first = desk.layer_id();
    desk.w.dispatch(WorkCommand::SecondReader(first));
    let layer = desk.document().layer().unwrap();
    assert_eq!((layer.work.reader, layer.labels.counts()[1], layer.name.as_str()), (2, 0, "Reader 2"));
    assert_eq!(desk.document().case.layer(first).unwrap().work.reader, 1);
    desk.w.dispatch(WorkCommand::SecondReader(first));
    assert_eq!(work(&desk).reader, 3);
}

#[test]
fn a_project_of_a_later_format_is_not_saved_into() {
    let mut desk = worked();
    let project = desk.dir.path().join("p.maskwright");
    desk.w.dispatch(FileCommand::SaveProject(Some(project.clone())));
    desk.settle();
    let id = desk.document().case.id;
    desk.w.dispatch(OpenCommand::Close(id));
    let manifest = project.join("project.ron");
    let later = std::fs::read_to_string(&manifest).unwrap().replace("version: 2", "version: 3, more: (x: 1)");
    std::fs::write(&manifest, &later).unwrap();
    desk.w.dispatch(OpenCommand::Path(project.clone()));
    desk.settle();
    assert_eq!(desk.document().newer_project(), Some(3));
    assert!(desk.w.take_notices().iter().any(|n| n.text.contains("newer Maskwright (format 3)")));
    desk.stroke(false, [5.0, 30.0, 3.0], [30.0, 30.0, 3.0]);
    desk.w.dispatch(FileCommand::SaveProject(None));
    desk.settle();
    assert!(desk.w.take_notices().iter().any(|n| n.text.contains("Save it under another name")));
    assert!(desk.document().is_unsaved());
    assert_eq!(std::fs::read_to_string(&manifest).unwrap(), later, "the file is as it was");
    desk.w.dispatch(FileCommand::SaveProject(Some(desk.dir.path().join("mine"))));
    desk.settle();
    assert!(!desk.document().is_unsaved());
    assert_eq!(desk.document().newer_project(), None);
}

#[test]
fn a_home_that_cannot_be_written_is_told_and_tried_again() {
    let mut desk = Desk::with_case();
    let journals = desk.w.home.journals();
    std::fs::create_dir_all(journals.parent().unwrap()).unwrap();
    let _ = std::fs::remove_dir_all(&journals);
    std::fs::write(&journals, "in the way").unwrap();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    desk.w.poll();
    desk.settle();
    assert!(desk.w.take_notices().iter().any(|n| n.level == Level::Error && n.text.contains("NOT protected")));
    assert!(desk.document().trouble().is_some(), "the mark stays");
    desk.stroke(false, [5.0, 30.0, 3.0], [30.0, 30.0, 3.0]);
    let painted = desk.labels();
    std::fs::remove_file(&journals).unwrap();
    desk.until("another try", |w| w.active_document().unwrap().trouble().is_none());
    desk.until("the journal", |w| !w.is_busy());
    assert!(desk.w.take_notices().iter().any(|n| n.text.contains("protected against a crash again")));
    desk.w.shut_down();
    let found = crate::io::journal::unfinished(&journals);
    let back = crate::io::journal::recover(&found[0]).unwrap().unwrap();
    assert_eq!(back.layers[0].labels, painted);
    // A save that fails leaves its mark until one works.
    let blocked = desk.dir.path().join("a file");
    std::fs::write(&blocked, "x").unwrap();
    desk.w.dispatch(FileCommand::SaveProject(Some(blocked.join("p"))));
    desk.settle();
    assert_eq!(desk.document().failed_save(), Some("p.maskwright"));
    desk.w.dispatch(FileCommand::SaveProject(Some(desk.dir.path().join("good"))));
    desk.settle();
    assert_eq!(desk.document().failed_save(), None);
}

#[test]
fn the_cases_of_a_folder_are_listed_and_gone_through() {
    let mut desk = Desk::with_case();
    let cohort = desk.dir.path().join("cohort");
    let project = |n: usize| cohort.join(format!("part {n}/case {n}.maskwright"));
    for n in [2usize, 10, 3] {
        std::fs::create_dir_all(project(n).parent().unwrap()).unwrap();
        desk.stroke(false, [20.0, 18.0, 7.0], [20.0, 18.0, 7.0]);
        let status = SliceStatus::Corrected;
        // The third is done, the others have one slice more each.
        let to = if n == 3 { DIMS[2] - 1 } else { n };
        desk.w.dispatch(WorkCommand::StatusOf { from: 0, to, status });
        desk.w.dispatch(FileCommand::SaveProject(Some(project(n))));
        desk.settle();
        for k in 0..DIMS[2] {
            desk.w.dispatch(WorkCommand::Status { slice: k, status: SliceStatus::ToDo });
        }
    }
    let broken = cohort.join("case 99.maskwright");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("project.ron"), "nothing").unwrap();
    let id = desk.document().case.id;
    desk.w.dispatch(OpenCommand::Close(id));
    desk.w.dispatch(WorkCommand::ListCases(cohort.clone()));
    desk.settle();
    let slices = |desk: &Desk| -> Vec<(String, Option<[usize; 3]>)> {
        desk.w.case_lines().into_iter().map(|l| (l.name, l.slices.ok())).collect()
    };
    let [two, three, ten] = [[17, 3, 0], [0, 20, 0], [9, 11, 0]];
    let named = |n: usize, of| (format!("case {n}"), of);
    let all = [named(99, None), named(2, Some(two)), named(3, Some(three)), named(10, Some(ten))];
    assert_eq!(slices(&desk), all);
    assert_eq!(desk.w.cohort_progress(), Progress { slices: [26, 34, 0], cases: [1, 3] });

    // With nothing open the first; the done one is passed over, and the damaged one too.
    let at = |desk: &Desk| desk.document().project.clone();
    for n in [2usize, 10, 2] {
        desk.w.dispatch(WorkCommand::NextCase { back: false });
        desk.settle();
        assert_eq!(at(&desk), Some(project(n)), "{:?}", desk.w.take_notices());
        let slice = desk.document().work_slice();
        assert_eq!(desk.document().layer().unwrap().work.slices.status(slice), SliceStatus::ToDo);
    }
    assert_eq!(desk.w.documents().len(), 2);
    desk.w.dispatch(WorkCommand::NextCase { back: true });
    assert_eq!(at(&desk), Some(project(10)));
    // An open case counts as it is now, and one that is in no folder stands at the end.
    desk.w.dispatch(WorkCommand::StatusOf { from: 0, to: 19, status: SliceStatus::Approved });
    assert_eq!(slices(&desk)[3].1, Some([0, 0, 20]));
    desk.open_file("other.nrrd");
    assert_eq!(slices(&desk)[4], ("other.nrrd".to_owned(), Some([20, 0, 0])));
    assert_eq!(desk.w.cohort_progress().cases, [2, 4]);
    // A folder that is not there is told of, and the list stays.
    desk.w.dispatch(WorkCommand::ListCases(desk.dir.path().join("nowhere")));
    desk.settle();
    assert!(desk.w.take_notices().iter().any(|n| n.text.contains("cannot be listed")));
    assert_eq!(slices(&desk).len(), 5);
    assert_eq!(desk.w.caseload.folder(), Some(cohort.as_path()));
}
