//! The journal waits for no image: strokes are in it before it is known which one they were drawn on.

use super::*;
use crate::io::Fingerprint;
use crate::io::journal::{Recovered, recover};
use crate::workspace::saving::Protection;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

impl Desk {
    /// From now on an image is identified only when the sender says so, or is gone.
    fn slow_identifying(&mut self) -> Sender<()> {
        let (go, wait) = channel();
        let wait = Mutex::new(wait);
        self.w.fingerprint_of = Arc::new(move |volume: &Volume| {
            let _ = wait.lock().unwrap().recv();
            Fingerprint::of(volume)
        });
        go
    }

    fn stroke_on(&mut self, slice: f64) {
        self.stroke(false, [5.0, 5.0, slice], [30.0, 20.0, slice]);
    }

    fn is_image_known(&self) -> bool {
        self.document().fingerprint.is_some()
    }

    /// Writes another image of the same kind, or of another size, in the place of the one that was opened.
    fn other_image(&self, dims: [usize; 3]) {
        let geometry = Geometry::axis_aligned(dims, DVec3::new(0.8, 0.8, 2.5), DVec3::ZERO).unwrap();
        let volume = Volume::new(geometry, vec![7; geometry.voxel_count()]).unwrap();
        crate::io::save_volume(&self.dir.path().join("scan.nrrd"), &volume).unwrap();
    }

    fn says_another_image(&mut self) -> bool {
        self.w.take_notices().iter().any(|n| n.text.contains("not the one that this work was done on"))
    }
}

/// The journal that a start after a crash finds.
fn journal(desk: &Desk) -> Recovered {
    recover(&desk.w.recoverable[0].journal).unwrap().unwrap()
}

#[test]
fn the_first_stroke_is_in_the_journal_before_the_image_is_known() {
    let mut desk = Desk::with_case();
    let go = desk.slow_identifying();
    desk.stroke_on(3.0);
    // With the end of the stroke, not with the next frame: another stroke may have begun by then.
    assert!(matches!(desk.document().protection, Protection::Starting { .. }));
    desk.protect_masks();
    assert!(!desk.is_image_known());
    let mut early = desk.killed();
    assert_eq!(journal(&early).fingerprint, Fingerprint::of_grid(desk.document().case.geometry));
    early.bring_back();
    assert_eq!(early.labels(), desk.labels());
    assert_eq!(early.document().steps(), desk.document().steps());
    assert!(!early.says_another_image());
    // What is done meanwhile is there, too.
    desk.stroke_on(9.0);
    desk.protect_masks();
    assert!(!desk.is_image_known());
    let mut meanwhile = desk.killed();
    meanwhile.bring_back();
    assert_eq!(meanwhile.labels(), desk.labels());
    // A second crash, now of the program that knows.
    early.protect();
    assert_eq!(journal(&early.killed()).fingerprint, Fingerprint::of(early.document().case.volume.as_ref().unwrap()));

    drop(go);
    desk.protect();
    assert!(desk.is_image_known());
    let mut late = desk.killed();
    assert_eq!(journal(&late).fingerprint, Fingerprint::of(desk.document().case.volume.as_ref().unwrap()));
    late.bring_back();
    assert_eq!(late.labels(), desk.labels());
    assert_eq!(late.document().steps(), desk.document().steps());
    assert!(!late.says_another_image());
}

#[test]
fn another_image_is_told_where_the_journal_knows_its_own() {
    let mut desk = Desk::with_case();
    let go = desk.slow_identifying();
    desk.stroke_on(3.0);
    desk.protect_masks();
    let (mut early, mut early_resized) = (desk.killed(), desk.killed());
    drop(go);
    desk.protect();
    let (mut late, mut late_resized) = (desk.killed(), desk.killed());
    desk.other_image(DIMS);
    late.bring_back();
    assert_eq!(late.labels(), desk.labels());
    assert!(late.says_another_image());
    // The warning comes again after a second crash: the image of then is not taken for the right one.
    late.protect();
    let mut again = late.killed();
    again.bring_back();
    assert!(again.says_another_image());
    early.bring_back();
    assert_eq!(early.labels(), desk.labels());
    assert!(!early.says_another_image(), "nothing was known but the grid");
    // Of the grid it is known from the first stroke on.
    desk.other_image([30, 30, 9]);
    for resized in [&mut early_resized, &mut late_resized] {
        resized.bring_back();
        assert!(resized.w.active_document().is_none());
        assert_eq!(resized.w.recoverable.len(), 1);
    }
}

#[test]
fn an_image_that_is_still_being_read_is_known_when_it_is_complete() {
    let mut desk = Desk::with_case();
    let volume = desk.w.documents[0].case.volume.take();
    desk.stroke_on(3.0);
    desk.protect();
    assert!(!desk.is_image_known());
    let early = desk.killed();
    assert!(journal(&early).fingerprint.hu_sha256.is_empty());
    desk.w.documents[0].case.volume = volume;
    desk.until("the image to be known", |w| w.documents().iter().all(|d| d.fingerprint.is_some()));
    desk.protect();
    let mut late = desk.killed();
    assert_eq!(journal(&late).fingerprint, Fingerprint::of(desk.document().case.volume.as_ref().unwrap()));
    late.bring_back();
    assert_eq!(late.labels(), desk.labels());
}

#[test]
fn a_save_tells_a_running_journal_which_image_it_is() {
    let mut desk = Desk::with_case();
    let _go = desk.slow_identifying();
    desk.stroke_on(3.0);
    desk.protect_masks();
    desk.w.dispatch(FileCommand::SaveProject(Some(desk.dir.path().join("work"))));
    // Not in the project, so that the journal goes on.
    desk.stroke_on(9.0);
    desk.until("the project", |w| w.documents().iter().all(|d| !d.saving));
    assert!(desk.document().is_unsaved() && desk.is_image_known());
    desk.protect_masks();
    let next = desk.killed();
    assert_eq!(journal(&next).fingerprint, Fingerprint::of(desk.document().case.volume.as_ref().unwrap()));
}

#[test]
fn an_image_in_no_file_follows_the_masks_and_goes_with_them() {
    let mut desk = Desk::with_case();
    desk.w.documents[0].source = None;
    desk.stroke_on(3.0);
    desk.protect();
    let kept = |desk: &Desk| {
        let Protection::Running { journal, .. } = &desk.document().protection else { panic!("no journal runs") };
        journal.dir().join(crate::io::journal::IMAGE)
    };
    let image = kept(&desk);
    assert!(image.is_file());
    // Closed while it is being written: whatever comes first, nothing is left.
    let id = desk.document().case.id;
    desk.w.dispatch(OpenCommand::Close(id));
    desk.settle();
    desk.until("the end of the journal", |_| !image.parent().unwrap().exists());
    desk.open_file("second.nrrd");
    desk.w.documents[0].source = None;
    desk.stroke_on(3.0);
    desk.protect_masks();
    let folder = kept(&desk).parent().unwrap().to_owned();
    let id = desk.document().case.id;
    desk.w.dispatch(OpenCommand::Close(id));
    desk.settle();
    desk.until("the end of the journal", |_| !folder.exists());
}
