//! Unsaved work after a crash: offered, brought back bit for bit, and gone once saved or given up.

use super::history::{content, step};
use super::*;
use crate::core::Shape;
use crate::workspace::saving::Protection;
use proptest::prelude::*;
use std::path::Path;

impl Desk {
    /// Waits until all that was done is on disk, and which image it was done on.
    pub(super) fn protect(&mut self) {
        self.protect_masks();
        self.until("the images to be known", |w| w.identifying == 0);
        self.protect_masks();
    }

    /// Waits until all that was done is on disk.
    pub(super) fn protect_masks(&mut self) {
        self.until("protection", |w| w.documents().iter().all(|d| matches!(d.protection, Protection::Running { .. })));
        for document in &self.w.documents {
            if let Protection::Running { journal, .. } = &document.protection {
                assert!(journal.flush(Duration::from_secs(10)));
            }
        }
    }

    /// What another start finds after this program was killed now: its files, without its locks.
    pub(super) fn killed(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&self.w.home.data, &dir.path().join("home/data"));
        let w = Workspace::new(Home::under(&dir.path().join("home")), Waker::none(), None);
        let mut desk = Self { w, dir };
        desk.settle();
        desk
    }

    pub(super) fn bring_back(&mut self) {
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

/// Layers without their numbers, and measurements.
fn all_of(desk: &Desk) -> String {
    let layers: Vec<_> = content(desk).into_iter().map(|(_, a, b, c, d, e)| (a, b, c, d, e)).collect();
    format!("{layers:?} {:?}", desk.document().measurements)
}

fn steps_of(desk: &Desk) -> (Vec<String>, usize) {
    let (names, done) = desk.document().steps();
    (names.into_iter().map(String::from).collect(), done)
}

/// Both have the same history, and it leads to the same states.
fn walk_together(a: &mut Desk, b: &mut Desk) {
    let (names, done) = steps_of(a);
    assert_eq!(steps_of(b), (names.clone(), done));
    for (n, command) in
        (0..done).map(|n| (n, EditCommand::Undo)).chain((0..names.len()).map(|n| (n, EditCommand::Redo)))
    {
        assert_eq!(all_of(a), all_of(b), "step {n} of {names:?}, {command:?}");
        a.w.dispatch(command.clone());
        b.w.dispatch(command);
    }
    assert_eq!(all_of(a), all_of(b));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_history_survives_two_crashes(
        before in prop::collection::vec(step(), 0..6),
        protected in prop::collection::vec(step(), 1..16),
        later in prop::collection::vec(step(), 0..6),
    ) {
        let mut desk = Desk::with_case();
        desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
        let measure = |desk: &mut Desk, x| {
            let shape = Shape::Distance([DVec3::ZERO, DVec3::splat(x)]);
            desk.w.dispatch(MeasureCommand::Add { axis: 2, shape });
            for n in 1..4 {
                let shape = Shape::Distance([DVec3::ZERO, DVec3::splat(x + f64::from(n))]);
                desk.w.dispatch(MeasureCommand::Change { id: 1, shape });
            }
        };
        measure(&mut desk, 3.0);
        before.into_iter().for_each(|step| desk.take(step));
        desk.protect();
        protected.into_iter().for_each(|step| desk.take(step));
        measure(&mut desk, 9.0);
        desk.protect();
        let mut second = desk.killed();
        second.bring_back();
        walk_together(&mut desk, &mut second);
        for desk in [&mut desk, &mut second] {
            for step in &later {
                desk.take(step.clone());
            }
        }
        // Layers have other numbers in the second program, and so are chosen by their place alone.
        second.protect();
        let mut third = second.killed();
        third.bring_back();
        walk_together(&mut second, &mut third);
    }
}

#[test]
fn a_drag_of_a_measurement_is_one_step() {
    let mut desk = Desk::with_case();
    let shape = |x: f64| Shape::Distance([DVec3::ZERO, DVec3::splat(x)]);
    desk.w.dispatch(MeasureCommand::Add { axis: 2, shape: shape(1.0) });
    for n in 2..30 {
        desk.w.dispatch(MeasureCommand::Change { id: 1, shape: shape(f64::from(n)) });
    }
    assert_eq!(steps_of(&desk).0, ["Add measurement", "Move measurement"]);
    desk.w.dispatch(EditCommand::Undo);
    assert_eq!(desk.document().measurements[0].shape, shape(1.0));
    desk.w.dispatch(EditCommand::Redo);
    assert_eq!(desk.document().measurements[0].shape, shape(29.0));
    desk.w.dispatch(MeasureCommand::DeleteAll);
    desk.w.dispatch(EditCommand::Undo);
    assert_eq!(desk.document().measurements.len(), 1);
}

#[test]
fn an_image_that_is_in_no_file_comes_back_too() {
    let mut desk = Desk::with_case();
    desk.w.documents[0].source = None;
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    desk.protect();
    let image = desk.document().case.volume.clone().unwrap();
    let mut next = desk.killed();
    next.bring_back();
    assert_eq!(next.document().case.volume.as_ref().unwrap().hu(), image.hu());
    assert_eq!(next.labels(), desk.labels());
    // Its file belongs to the journal and goes with it; a project keeps the image itself.
    assert!(next.document().source.is_none());
    let project = next.dir.path().join("kept");
    next.w.dispatch(FileCommand::SaveProject(Some(project.clone())));
    next.settle();
    next.until_no_journal();
    next.w.dispatch(OpenCommand::Path(project.with_extension("maskwright")));
    next.settle();
    assert_eq!(next.labels(), desk.labels());
}

#[test]
fn work_on_another_image_is_not_laid_over_this_one() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    desk.protect();
    let (mut changed, mut resized) = (desk.killed(), desk.killed());
    let file = desk.dir.path().join("scan.nrrd");
    let save = |dims: [usize; 3]| {
        let geometry = Geometry::axis_aligned(dims, DVec3::new(0.8, 0.8, 2.5), DVec3::ZERO).unwrap();
        let volume = Volume::new(geometry, vec![7; geometry.voxel_count()]).unwrap();
        crate::io::save_volume(&file, &volume).unwrap();
    };
    save(DIMS);
    changed.bring_back();
    assert_eq!(changed.labels(), desk.labels());
    assert!(changed.w.take_notices().iter().any(|n| n.text.contains("not the one that this work was done on")));
    save([30, 30, 9]);
    resized.bring_back();
    assert!(resized.w.active_document().is_none());
    assert_eq!(resized.w.recoverable.len(), 1, "it is offered until it is given up");
}

#[test]
fn a_later_programs_project_is_not_saved_into_after_a_crash() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    let project = desk.dir.path().join("later.maskwright");
    desk.w.dispatch(FileCommand::SaveProject(Some(project.clone())));
    desk.settle();
    let manifest = project.join("project.ron");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let newer = text.replacen("version: ", "version: 9", 1);
    std::fs::write(&manifest, &newer).unwrap();
    let id = desk.document().case.id;
    desk.w.dispatch(OpenCommand::Close(id));
    desk.w.dispatch(OpenCommand::Path(project.clone()));
    desk.settle();
    assert!(desk.document().newer_project().is_some());
    desk.stroke(false, [5.0, 5.0, 9.0], [30.0, 20.0, 9.0]);
    desk.protect();
    let mut next = desk.killed();
    next.bring_back();
    assert!(next.document().newer_project().is_some());
    next.w.dispatch(FileCommand::SaveProject(None));
    // Nor by naming it.
    next.w.dispatch(FileCommand::SaveProject(Some(project)));
    next.settle();
    assert!(next.document().is_unsaved());
    assert_eq!(std::fs::read_to_string(&manifest).unwrap(), newer);
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
    assert!(matches!(desk.document().protection, Protection::Starting { .. }));
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
    assert!(matches!(desk.document().protection, Protection::Starting { .. }));
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
