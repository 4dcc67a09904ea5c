//! What the journal of a case has to know of its image: which one it is, and the image itself where it is in no file.
//!
//! Both take a second and more for a large scan, so that strokes are in the journal first and this follows.

use super::saving::Protection;
use super::task::JobTask;
use super::{Document, Notice, Workspace};
use crate::core::{CaseId, Volume};
use crate::io::journal::{self, JournalEntry};
use crate::io::{self, Fingerprint, IoError};
use crate::jobs::{self, JobContext};
use std::path::Path;
use std::sync::Arc;

/// Gives the fingerprint of an image.
pub(super) type FingerprintOf = Arc<dyn Fn(&Volume) -> Fingerprint + Send + Sync>;

impl Workspace {
    /// Finds out what running journals do not know of their images, once these are completely read. Called once a frame.
    pub(super) fn identify_images(&mut self) {
        let wanted: Vec<CaseId> = self.documents.iter().filter(|d| d.has_unknown_image()).map(|d| d.case.id).collect();
        wanted.into_iter().for_each(|id| self.identify_image(id));
    }

    fn identify_image(&mut self, id: CaseId) {
        let (waker, fingerprint_of) = (self.waker.clone(), self.fingerprint_of.clone());
        let Some(document) = self.document_mut(id) else { return };
        let Some(volume) = document.case.volume.clone() else { return };
        let Protection::Running { journal, identified, .. } = &mut document.protection else { return };
        *identified = true;
        let keep_in = document.source.is_none().then(|| journal.dir().to_owned());
        let known = document.fingerprint.clone();
        let dir = keep_in.clone();
        self.identifying += 1;
        let handle = jobs::spawn("Identifying the image", waker, move |_: &JobContext<()>| {
            let kept = keep_in.map_or(Ok(()), |dir| keep_image(&dir, &volume));
            let fingerprint = known.unwrap_or_else(|| fingerprint_of(&volume));
            Ok::<_, std::convert::Infallible>((fingerprint, kept))
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, found| {
                w.identifying = w.identifying.saturating_sub(1);
                let mut lost = None;
                if let (Some((fingerprint, kept)), Some(document)) = (found, w.document_mut(id)) {
                    document.identify(fingerprint);
                    lost = kept.err().filter(|_| document.is_unsaved());
                }
                if let Some(dir) = dir
                    && !w.document(id).is_some_and(|d| d.has_journal_in(&dir))
                {
                    journal::forget_image(&dir);
                }
                if let Some(error) = lost {
                    w.notify(Notice::warning(format!(
                        "The image is in no file and could not be kept beside your unsaved work: {error}. After a \
                         crash the masks cannot be opened without it: save the project."
                    )));
                }
            },
        ));
    }
}

impl Document {
    /// A journal runs that does not know the image, which is there.
    fn has_unknown_image(&self) -> bool {
        let open = matches!(self.protection, Protection::Running { identified: false, .. });
        open && self.case.volume.is_some() && (self.fingerprint.is_none() || self.source.is_none())
    }

    fn has_journal_in(&self, dir: &Path) -> bool {
        matches!(&self.protection, Protection::Running { journal, .. } if journal.dir() == dir)
    }

    /// Which image it is has been found out; the journal is told where it started without knowing.
    pub(super) fn identify(&mut self, fingerprint: Fingerprint) {
        if self.fingerprint.is_none() {
            self.journal(JournalEntry::image(&fingerprint));
            self.fingerprint = Some(fingerprint);
        }
    }
}

/// Keeps an image that is in no file beside the journal, so that the case can be opened again.
fn keep_image(dir: &Path, volume: &Volume) -> Result<(), IoError> {
    let file = dir.join(journal::IMAGE);
    if file.exists() { Ok(()) } else { io::save_volume(&file, volume) }
}
