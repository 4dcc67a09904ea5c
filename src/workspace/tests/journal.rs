//! Unsaved work after a crash: offered, brought back bit for bit, and gone once saved or given up.

use super::*;
use crate::workspace::saving::Protection;
use std::path::Path;

impl Desk {
    /// Waits until all that was done is on disk.
    fn protect(&mut self) {
        self.until("protection", |w| w.documents().iter().all(|d| matches!(d.protection, Protection::Running { .. })));
        for document in &self.w.documents {
            if let Protection::Running { journal, .. } = &document.protection {
                assert!(journal.flush(Duration::from_secs(10)));
            }
        }
    }

    /// What another start finds after this program was killed now: its files, without its locks.
    fn killed(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&self.w.home.data, &dir.path().join("home/data"));
        let w = Workspace::new(Home::under(&dir.path().join("home")), Waker::none(), None);
        let mut desk = Self { w, dir };
        desk.settle();
        desk
    }

    fn bring_back(&mut self) {
        let journal = self.w.recoverable[0].journal.clone();
        self.w.dispatch(OpenCommand::Recover(journal));
        self.settle();
    }

    /// The journals are gone, which happens on a thread of its own.
    fn until_no_journal(&mut self) {
        self.until("the end of the journals", |w| std::fs::read_dir(w.home.journals()).map_or(0, Iterator::count) == 0);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).into_iter().flatten().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}

#[test]
fn a_crash_loses_no_stroke() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    desk.protect();
    desk.stroke(false, [5.0, 5.0, 9.0], [30.0, 20.0, 9.0]);
    desk.w.dispatch(SegmentCommand::Add);
    desk.w.dispatch(SegmentCommand::Rename(2, "Tumour".into()));
    desk.stroke(false, [20.0, 5.0, 9.0], [20.0, 30.0, 9.0]);
    desk.w.dispatch(SegmentCommand::Color(2, [1, 2, 3]));
    desk.w.dispatch(EditCommand::Undo);
    desk.w.dispatch(EditCommand::Undo);
    desk.w.dispatch(EditCommand::Redo);
    desk.protect();
    let mut next = desk.killed();
    assert_eq!(next.w.recoverable.len(), 1);
    next.bring_back();
    assert_eq!(next.labels().to_dense(), desk.labels().to_dense());
    assert_eq!(next.document().layer().unwrap().segments, desk.document().layer().unwrap().segments);
    assert!(next.document().is_unsaved());
    assert!(next.w.recoverable.is_empty());
    // What was brought back is protected itself: a second crash loses nothing either.
    next.stroke(false, [2.0, 30.0, 12.0], [30.0, 30.0, 12.0]);
    next.protect();
    let mut third = next.killed();
    assert_eq!(third.w.recoverable.len(), 1);
    third.bring_back();
    assert_eq!(third.labels().to_dense(), next.labels().to_dense());
}

#[test]
fn layers_that_were_deleted_do_not_come_back() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    desk.protect();
    let first = desk.layer_id();
    desk.w.dispatch(LayerCommand::New);
    desk.w.dispatch(LayerCommand::Delete(first));
    desk.protect();
    let mut next = desk.killed();
    next.bring_back();
    assert_eq!(next.document().case.layers.len(), 1);
    assert_eq!(next.document().layer().unwrap().name, desk.document().layer().unwrap().name);
    // The same while the journal is still being brought up.
    let mut desk = Desk::with_case();
    desk.w.dispatch(LayerCommand::New);
    desk.w.poll();
    assert!(matches!(desk.document().protection, Protection::Starting));
    let first = desk.layer_id();
    desk.w.dispatch(LayerCommand::New);
    desk.w.dispatch(LayerCommand::Delete(first));
    desk.protect();
    let mut next = desk.killed();
    next.bring_back();
    assert_eq!(next.document().case.layers.len(), 1);
}

#[test]
fn a_stroke_that_was_taken_back_is_not_protected() {
    let mut desk = Desk::with_case();
    let at = DVec3::new(20.0, 20.0, 9.0);
    desk.w.dispatch(EditCommand::BeginStroke { erase: false, through_axis: 2 });
    desk.w.dispatch(EditCommand::ExtendStroke { from: at, to: at });
    desk.settle();
    assert!(desk.labels().counts()[1] > 0);
    desk.w.dispatch(EditCommand::AbortStroke);
    desk.protect();
    let mut next = desk.killed();
    next.bring_back();
    assert_eq!(next.labels().counts()[1], 0);
}

#[test]
fn saving_ends_the_protection_and_the_project_opens_again() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    desk.protect();
    let project = desk.dir.path().join("work");
    desk.w.dispatch(FileCommand::SaveProject(Some(project.clone())));
    desk.settle();
    assert!(!desk.document().is_unsaved(), "{:?}", desk.w.take_notices());
    desk.until_no_journal();
    assert!(desk.killed().w.recoverable.is_empty());
    let (bits, id) = (desk.labels(), desk.document().case.id);
    desk.w.dispatch(OpenCommand::Close(id));
    desk.w.dispatch(OpenCommand::Path(project.with_extension("maskwright")));
    desk.settle();
    assert_eq!(desk.labels(), bits);
    assert!(!desk.document().is_unsaved());
    // Later changes are protected anew.
    desk.stroke(false, [5.0, 5.0, 12.0], [30.0, 20.0, 12.0]);
    desk.protect();
    let mut next = desk.killed();
    next.bring_back();
    assert_eq!(next.labels(), desk.labels());
    assert_eq!(next.document().project, desk.document().project);
}

#[test]
fn saving_or_closing_while_the_journal_starts_leaves_none() {
    let mut desk = Desk::with_case();
    desk.w.dispatch(LayerCommand::New);
    desk.w.poll();
    assert!(matches!(desk.document().protection, Protection::Starting));
    let id = desk.document().case.id;
    desk.w.dispatch(OpenCommand::Close(id));
    desk.settle();
    desk.until_no_journal();
    desk.open_file("second.nrrd");
    desk.w.dispatch(LayerCommand::New);
    desk.w.poll();
    let project = desk.dir.path().join("quick");
    desk.w.dispatch(FileCommand::SaveProject(Some(project)));
    desk.settle();
    assert!(!desk.document().is_unsaved());
    desk.until_no_journal();
}

#[test]
fn discarded_work_is_gone_for_good() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    desk.protect();
    let mut next = desk.killed();
    let journal = next.w.recoverable[0].journal.clone();
    next.w.dispatch(OpenCommand::DiscardRecovery(journal));
    next.settle();
    assert!(next.w.recoverable.is_empty());
    assert!(next.killed().w.recoverable.is_empty());
    // Closing and giving the changes up is a decision as well.
    let id = desk.document().case.id;
    desk.w.dispatch(OpenCommand::Close(id));
    desk.until_no_journal();
}

#[test]
fn a_normal_end_keeps_unsaved_work() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    desk.w.poll();
    desk.w.shut_down();
    let mut next = desk.killed();
    assert_eq!(next.w.recoverable.len(), 1);
    next.bring_back();
    assert_eq!(next.labels(), desk.labels());
}

#[test]
fn a_save_during_a_stroke_holds_what_is_painted() {
    let mut desk = Desk::with_case();
    let at = DVec3::new(20.0, 20.0, 9.0);
    desk.w.dispatch(EditCommand::BeginStroke { erase: false, through_axis: 2 });
    desk.w.dispatch(EditCommand::ExtendStroke { from: at, to: at });
    let project = desk.dir.path().join("mid.maskwright");
    desk.w.dispatch(FileCommand::SaveProject(Some(project.clone())));
    // Escape comes too late to make file and window differ.
    desk.w.dispatch(EditCommand::AbortStroke);
    desk.settle();
    assert!(!desk.document().is_unsaved());
    let bits = desk.labels();
    let id = desk.document().case.id;
    desk.w.dispatch(OpenCommand::Close(id));
    desk.w.dispatch(OpenCommand::Path(project));
    desk.settle();
    assert_eq!(desk.labels(), bits);
    assert!(bits.counts()[1] > 0);
}

#[test]
fn an_unwritable_target_is_told_and_nothing_is_lost() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    let bits = desk.labels();
    let blocked = desk.dir.path().join("a file");
    std::fs::write(&blocked, "x").unwrap();
    desk.w.dispatch(FileCommand::SaveProject(Some(blocked.join("project"))));
    desk.w.dispatch(FileCommand::ExportMask(blocked.join("mask.nii.gz")));
    desk.settle();
    let errors: Vec<_> = desk.w.take_notices().into_iter().filter(|n| n.level == Level::Error).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(desk.document().is_unsaved());
    assert_eq!(desk.labels(), bits);
    desk.w.dispatch(FileCommand::SaveProject(Some(desk.dir.path().join("good"))));
    desk.settle();
    assert!(!desk.document().is_unsaved());
}
