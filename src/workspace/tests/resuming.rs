//! The window's device is lost: everything is in safety before the program starts itself again, and comes back unasked.

use super::*;
use crate::workspace::saving::Protection;

impl Desk {
    /// The program that follows on this one, in the same home; the folder of the scans stays.
    fn followed(self, resumption: Resumption) -> Self {
        let mut desk = self.replaced(resumption);
        desk.settle();
        desk
    }

    /// The same at its very start.
    pub(super) fn replaced(self, resumption: Resumption) -> Self {
        let Self { w, dir } = self;
        let home = w.home.clone();
        drop(w);
        let w = Workspace::new(home, Waker::none(), None);
        let mut desk = Self { w, dir };
        // At once, as the program does: its look for unsaved work is still under way.
        desk.w.dispatch(OpenCommand::Resume(resumption));
        desk
    }

    fn journals(&self) -> usize {
        std::fs::read_dir(self.w.home.journals()).map_or(0, Iterator::count)
    }
}

pub(super) fn resumption(kept: Kept) -> Resumption {
    let told = "The graphics device was lost.".into();
    Resumption { cases: kept.cases, told, cpu_only: false, learning: kept.learning }
}

#[test]
fn all_open_cases_come_back_unasked_and_a_stroke_under_way_with_them() {
    let mut desk = Desk::empty();
    desk.open_file("untouched.nrrd");
    desk.open_file("saved.nrrd");
    desk.stroke(false, [5.0, 5.0, 2.0], [20.0, 9.0, 2.0]);
    let project = desk.dir.path().join("saved.maskwright");
    desk.w.dispatch(FileCommand::SaveProject(Some(project.clone())));
    desk.settle();
    assert!(!desk.document().is_unsaved());
    let saved = desk.labels();
    desk.open_file("painted.nrrd");
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    desk.w.dispatch(EditCommand::BeginStroke { erase: false, through_axis: 2 });
    let (from, to) = (DVec3::new(5.0, 5.0, 9.0), DVec3::new(30.0, 20.0, 9.0));
    desk.w.dispatch(EditCommand::ExtendStroke { from, to });
    let painted = desk.labels();

    let kept = desk.w.keep_all();
    assert!(kept.lost.is_empty());
    let [KeptCase::Untouched(looked_at), KeptCase::Project(at), KeptCase::Unsaved(journal)] = &kept.cases[..] else {
        panic!("{kept:?}")
    };
    assert_eq!(*at, project);
    assert!(looked_at.is_dir() && journal.is_dir() && looked_at != journal);

    let mut next = desk.followed(resumption(kept));
    let notices = next.w.take_notices();
    assert!(notices.iter().any(|n| n.text == "The graphics device was lost."), "{notices:?}");
    assert_eq!(next.w.documents().len(), 3, "{notices:?}");
    // Nothing is offered that is open already.
    assert!(next.w.recoverable.is_empty());
    let of = |next: &Desk, name: &str| {
        let found = next.w.documents().iter().find(|d| d.case.name.starts_with(name));
        found.unwrap_or_else(|| panic!("{name}")).case.id
    };
    let document = |next: &Desk, name: &str| next.w.document(of(next, name)).unwrap().is_unsaved();
    assert!(document(&next, "painted") && !document(&next, "saved") && !document(&next, "untouched"));
    let labels = |next: &Desk, name: &str| next.w.document(of(next, name)).unwrap().case.layers[0].labels.to_dense();
    assert_eq!(labels(&next, "painted"), painted.to_dense());
    assert_eq!(labels(&next, "saved"), saved.to_dense());
    assert!(next.w.document(of(&next, "untouched")).unwrap().case.volume.is_some());
    // The stroke is a step that can be taken back.
    let id = of(&next, "painted");
    next.w.dispatch(OpenCommand::Activate(id));
    assert_eq!(next.document().steps().1, desk_steps());
    next.w.dispatch(EditCommand::Undo);
    assert_ne!(next.labels().to_dense(), painted.to_dense());
    // What was only looked at leaves nothing behind.
    next.until("one journal", |w| {
        let running = w.documents().iter().filter(|d| matches!(d.protection, Protection::Running { .. })).count();
        running == 1 && std::fs::read_dir(w.home.journals()).map_or(0, Iterator::count) == 1
    });
}

/// A layer that the first stroke adds is a step of its own or none: counted where the same is done without a loss.
fn desk_steps() -> usize {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    desk.stroke(false, [5.0, 5.0, 9.0], [30.0, 20.0, 9.0]);
    desk.document().steps().1
}

#[test]
fn the_case_that_was_shown_is_kept_last() {
    let mut desk = Desk::empty();
    desk.open_file("one.nrrd");
    let first = desk.document().case.id;
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    desk.open_file("two.nrrd");
    desk.w.dispatch(OpenCommand::Activate(first));
    let kept = desk.w.keep_all();
    assert!(matches!(&kept.cases[..], [KeptCase::Untouched(_), KeptCase::Unsaved(_)]), "{kept:?}");
}

#[test]
fn what_cannot_be_brought_back_at_once_is_offered() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    let kept = desk.w.keep_all();
    // The scan is away for a moment, as on a disk that is not mounted yet.
    let (scan, away) = (desk.dir.path().join("scan.nrrd"), desk.dir.path().join("away"));
    std::fs::rename(&scan, &away).unwrap();
    let mut next = desk.followed(resumption(kept));
    assert!(next.w.documents().is_empty());
    assert_eq!(next.w.recoverable.len(), 1, "{:?}", next.w.take_notices());
    std::fs::rename(&away, &scan).unwrap();
    let journal = next.w.recoverable[0].journal.clone();
    next.w.dispatch(OpenCommand::Recover(journal));
    next.settle();
    assert!(next.labels().counts()[1] > 0);
}

#[test]
fn work_that_no_disk_takes_is_named() {
    let mut desk = Desk::with_case();
    // A file where the folder of the journals should be.
    std::fs::create_dir_all(&desk.w.home.data).unwrap();
    std::fs::write(desk.w.home.journals(), "in the way").unwrap();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    let name = desk.document().case.name.clone();
    let kept = desk.w.keep_all();
    assert_eq!(kept, Kept { lost: vec![name], ..Kept::default() });
    assert_eq!(desk.journals(), 0);
}

#[test]
fn the_graphics_device_can_be_left_to_the_window() {
    let mut desk = Desk::empty();
    desk.w.dispatch(OpenCommand::Resume(Resumption { cpu_only: true, ..Resumption::default() }));
    assert!(desk.w.take_notices().is_empty());
    // Without this even a machine without any graphics device would be asked for one, and say no.
    assert!(matches!(desk.w.compute_thread(DeviceChoice::Gpu), Ok(None)));
    // It is no setting: the next start by hand computes where it did.
    assert_eq!(desk.w.settings.device, DeviceChoice::Auto);
}

#[test]
fn a_second_loss_before_anything_is_open_forgets_nothing() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    let drawn = desk.labels();
    let first = desk.w.keep_all();
    let Desk { w, dir } = desk;
    let home = w.home.clone();
    drop(w);
    let mut next = Desk { w: Workspace::new(home, Waker::none(), None), dir };
    next.w.dispatch(OpenCommand::Resume(resumption(first.clone())));
    // Nothing was taken in yet: no frame was drawn.
    let second = next.w.keep_all();
    assert_eq!(second, first);
    next.settle();
    assert!(next.w.documents().is_empty());
    let mut third = next.followed(resumption(second));
    assert_eq!(third.labels().to_dense(), drawn.to_dense());
    third.w.shut_down();
}
