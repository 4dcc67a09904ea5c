//! Puts the open cases in safety before the program starts itself again, and takes them up in the program that follows.
//!
//! For a window that lost its graphics device: `app` asks for [`Workspace::keep_all`], hands the list to the next
//! program, and there sends [`super::OpenCommand::Resume`]. Nothing is asked of the user on the way.

use super::saving::{LAST_FLUSH, Protection};
use super::{Document, KeptLoop, Notice, OpenCommand, Workspace};
use crate::core::CaseId;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where a case that was open can be taken up again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptCase {
    /// Folder of the journal with changes that are in no project.
    Unsaved(PathBuf),
    /// The same of a case that nobody had changed: the journal only says what was open, and goes once it is open again.
    Untouched(PathBuf),
    /// A project that holds everything.
    Project(PathBuf),
}

/// What was brought into safety.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The case that was shown comes last, so that it is shown again.
    pub cases: Vec<KeptCase>,
    /// Names of cases with changes that could not be written anywhere.
    pub lost: Vec<String>,
    /// The learning loop that ran.
    pub learning: Option<KeptLoop>,
}

/// What a program that follows on another one takes up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resumption {
    pub cases: Vec<KeptCase>,
    /// What happened, in a sentence for the user.
    pub told: String,
    /// The graphics device is left to the window alone: the processor computes until the program ends.
    pub cpu_only: bool,
    /// The learning loop that goes on once the cases are open.
    pub learning: Option<KeptLoop>,
}

impl Workspace {
    /// Ends all work with every open case on disk: a stroke under way is committed, and every journal is synced.
    /// Afterwards the workspace is as after [`Self::shut_down`].
    pub fn keep_all(&mut self) -> Kept {
        self.commit_stroke();
        let mut untouched: Vec<CaseId> = Vec::new();
        for document in &mut self.documents {
            if !document.is_unsaved() && document.project.is_none() {
                untouched.push(document.case.id);
                document.touch();
            }
        }
        // Also those that could not be started before: it is the last chance.
        let bare =
            |d: &Document| d.is_unsaved() && matches!(d.protection, Protection::Idle | Protection::Failed { .. });
        let bare: Vec<CaseId> = self.documents.iter().filter(|d| bare(d)).map(|d| d.case.id).collect();
        bare.into_iter().for_each(|id| self.protect(id));
        self.wait_for_journals();
        // Lost again before they were open: they are where they were.
        let coming = std::mem::take(&mut self.taking_up).into_iter().map(|(case, _)| case);
        let coming = coming.chain(std::mem::take(&mut self.resuming)).collect();
        let active = self.active;
        let mut order: Vec<&Document> = self.documents.iter().collect();
        order.sort_by_key(|d| Some(d.case.id) == active);
        let mut kept = Kept { cases: coming, lost: Vec::new(), learning: self.kept_loop() };
        for document in order {
            match (&document.protection, &document.project) {
                (Protection::Running { journal, .. }, _) if document.is_unsaved() => {
                    let safe = journal.flush(LAST_FLUSH);
                    let dir = journal.dir().to_owned();
                    let touched = !untouched.contains(&document.case.id);
                    if touched && !safe {
                        kept.lost.push(document.case.name.clone());
                    }
                    kept.cases.push(if touched { KeptCase::Unsaved(dir) } else { KeptCase::Untouched(dir) });
                }
                (_, Some(project)) if !document.is_unsaved() => kept.cases.push(KeptCase::Project(project.clone())),
                _ if untouched.contains(&document.case.id) => {}
                // Brought back in this very moment: its journal has everything.
                (Protection::Idle, _) if document.journal_dir.is_some() => {
                    kept.cases.extend(document.journal_dir.clone().map(KeptCase::Unsaved));
                }
                _ => kept.lost.push(document.case.name.clone()),
            }
        }
        self.shut_down();
        kept
    }

    fn wait_for_journals(&mut self) {
        let start = Instant::now();
        while self.journals_starting > 0 && start.elapsed() < LAST_FLUSH {
            self.poll();
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    /// Opens what the program before had open, and says what happened.
    pub(super) fn resume(&mut self, resumption: Resumption) {
        self.cpu_only |= resumption.cpu_only;
        if !resumption.told.is_empty() {
            self.notify(Notice::warning(resumption.told));
        }
        self.resuming.extend(resumption.cases);
        self.learning.resuming = resumption.learning;
        if !self.looking {
            self.take_up();
        }
    }

    /// Takes up the cases that wait for it. Not while journals are looked at: one that is held seems to be in use.
    pub(super) fn take_up(&mut self) {
        for case in std::mem::take(&mut self.resuming) {
            let (dir, untouched) = match &case {
                KeptCase::Unsaved(dir) => (dir.clone(), false),
                KeptCase::Untouched(dir) => (dir.clone(), true),
                KeptCase::Project(path) => {
                    self.dispatch(OpenCommand::Path(path.clone()));
                    continue;
                }
            };
            // Open again, or about to be: not offered as well.
            let offered = self.recoverable.iter().position(|r| r.journal == dir).map(|n| self.recoverable.remove(n));
            self.taking_up.push((case, offered));
            self.recover_case(dir, untouched);
        }
    }

    /// A case was taken up; where that failed, its work is offered again.
    pub(super) fn taken_up(&mut self, dir: &Path, open: bool) {
        let is_it = |case: &KeptCase| matches!(case, KeptCase::Unsaved(d) | KeptCase::Untouched(d) if d == dir);
        let Some(n) = self.taking_up.iter().position(|(case, _)| is_it(case)) else { return };
        let (_, offered) = self.taking_up.remove(n);
        self.recoverable.extend(offered.filter(|_| !open));
    }
}
