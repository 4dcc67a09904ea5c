//! The work of a cohort: the projects of a folder, how far each is, and the next one that has slices to do.

use super::opening::file_label;
use super::saving::Protection;
use super::task::JobTask;
use super::{Document, Progress, Workspace};
use crate::core::{CaseId, SliceStatus};
use crate::io;
use crate::jobs::{self, JobContext};
use std::path::{Path, PathBuf};

/// What was listed last.
#[derive(Debug, Default)]
pub struct CaseLoad {
    folder: Option<PathBuf>,
    rows: Vec<Row>,
    /// A project that is being opened to be worked on.
    awaited: Option<PathBuf>,
    /// The case, if any, that was just left for the next one.
    left: Option<Option<CaseId>>,
}

/// A project as it was when the folder was listed.
#[derive(Debug, Clone)]
struct Row {
    path: PathBuf,
    /// Slices with each status, or why that is not known.
    slices: Result<[usize; 3], String>,
}

/// One case of the list: a project of the folder, an open case, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseLine {
    /// Safe to show: the name of the project's folder, or of the open case.
    pub name: String,
    /// Where its project is, if it has one.
    pub path: Option<PathBuf>,
    /// Its number, while it is open.
    pub case: Option<CaseId>,
    /// How far its slices are, or why that is not known.
    pub slices: Result<[usize; 3], String>,
}

impl CaseLine {
    /// Whether a slice of it is still to do.
    pub fn is_to_do(&self) -> bool {
        self.slices.as_ref().is_ok_and(|s| s[0] > 0)
    }
}

impl CaseLoad {
    /// The folder whose projects are listed.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }
}

impl Workspace {
    /// The projects of the listed folder in their order, then the open cases that are none of them. An open case counts
    /// as it is now.
    pub fn case_lines(&self) -> Vec<CaseLine> {
        let mut open: Vec<&Document> = self.documents().iter().filter(|d| !d.is_overlay()).collect();
        let mut lines: Vec<CaseLine> = Vec::new();
        for row in &self.caseload.rows {
            let at = open.iter().position(|d| d.project.as_deref().is_some_and(|p| same_place(p, &row.path)));
            let document = at.map(|at| open.remove(at));
            lines.push(CaseLine {
                name: stem(&row.path),
                path: Some(row.path.clone()),
                case: document.map(|d| d.case.id),
                slices: document.map_or_else(|| row.slices.clone(), |d| Ok(d.progress().slices)),
            });
        }
        lines.extend(open.into_iter().map(|d| CaseLine {
            name: d.project.as_deref().map_or_else(|| d.case.name.clone(), stem),
            path: d.project.clone(),
            case: Some(d.case.id),
            slices: Ok(d.progress().slices),
        }));
        lines
    }

    /// How far all cases of [`Self::case_lines`] are together, those left out of which that is not known.
    pub fn cohort_progress(&self) -> Progress {
        let mut all = Progress::default();
        for slices in self.case_lines().into_iter().filter_map(|line| line.slices.ok()) {
            for (sum, n) in all.slices.iter_mut().zip(slices) {
                *sum += n;
            }
            all.cases[0] += usize::from(slices[0] == 0);
            all.cases[1] += 1;
        }
        all
    }

    /// Lists the projects of a folder in the background; with `tell` the status says how many there are.
    pub(super) fn list_cases(&mut self, folder: PathBuf, tell: bool) {
        let looked_into = folder.clone();
        let handle = jobs::spawn("Listing the cases", self.waker.clone(), move |ctx: &JobContext<()>| {
            let cannot = |e| format!("{} cannot be listed: {}.", looked_into.display(), io::atomic::plain_reason(&e));
            let paths = io::projects_in(&looked_into).map_err(cannot)?;
            let mut rows = Vec::with_capacity(paths.len());
            for path in paths {
                if ctx.is_cancelled() {
                    return Err("The list was cancelled.".to_owned());
                }
                let slices = io::glance_at_project(&path).map(|g| g.slices).map_err(|e| e.to_string());
                rows.push(Row { path, slices });
            }
            Ok(rows)
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, rows| {
                let Some(rows) = rows else { return };
                if tell {
                    w.status = match rows.len() {
                        0 => format!("No projects lie in {}", file_label(&folder)),
                        n => format!("{n} projects in {}", file_label(&folder)),
                    };
                }
                w.caseload.folder = Some(folder);
                w.caseload.rows = rows;
            },
        ));
    }

    /// Lists the folder again, after a project was saved.
    pub(super) fn list_cases_again(&mut self) {
        if let Some(folder) = self.caseload.folder.clone() {
            self.list_cases(folder, false);
        }
    }

    /// Goes to the next case with slices to do (with `back` to the one before), round the list; opens it where it is not.
    pub(super) fn next_case(&mut self, back: bool) {
        let lines = self.case_lines();
        let count = lines.len();
        let here = lines.iter().position(|l| l.case.is_some() && l.case == self.active);
        let order = |n: usize| match (here, back) {
            (None, false) => n,
            (None, true) => count - 1 - n,
            (Some(at), false) => (at + 1 + n) % count,
            (Some(at), true) => (at + count - 1 - n) % count,
        };
        let next = (0..count).map(order).find(|&n| Some(n) != here && lines[n].is_to_do());
        let Some(line) = next.map(|n| &lines[n]) else {
            self.status = "No other case has slices to do".into();
            return;
        };
        match (line.case, &line.path) {
            (Some(case), _) => {
                self.leave_case();
                self.activate(case);
                self.go_to_work();
                self.status = format!("{}: {} slices to do", line.name, line.slices.as_ref().map_or(0, |s| s[0]));
            }
            (None, Some(path)) if self.caseload.awaited.as_ref() == Some(path) => self.status = "Still opening".into(),
            (None, Some(path)) => {
                self.caseload.awaited = Some(path.clone());
                self.open_project(path.clone());
            }
            (None, None) => {}
        }
    }

    /// Whether the project that has just been opened, or could not be, was asked for to be worked on.
    pub(super) fn take_awaited(&mut self, path: &Path) -> bool {
        self.caseload.awaited.take_if(|awaited| awaited == path).is_some()
    }

    /// The case that is shown is left for the next one: it stays open, those before it may go.
    pub(super) fn leave_case(&mut self) {
        self.caseload.left = Some(self.active);
    }

    /// After going on: closes the projects of the list that nothing is left to be done with, so that a day's work does not
    /// fill the memory. The one before stays, so that going back is quick. Called once a frame.
    pub(super) fn close_left_cases(&mut self) {
        let Some(before) = self.caseload.left.take() else { return };
        let keep = [self.active, before];
        let others = self.documents.iter().filter(|d| !keep.contains(&Some(d.case.id)));
        let closed: Vec<CaseId> = others.filter(|d| self.may_close(d)).map(|d| d.case.id).collect();
        closed.into_iter().for_each(|id| self.close(id));
    }

    /// Whether a case can be closed without asking: it is on the disk as it is, and nothing works on it or shows it.
    fn may_close(&self, document: &Document) -> bool {
        let id = document.case.id;
        let listed = |project: &Path| self.caseload.rows.iter().any(|row| same_place(project, &row.path));
        let laid_over = self.documents.iter().any(|d| d.view.fusion.is_some_and(|f| f.case == id));
        let compared = self.review.layers.is_some_and(|(case, ..)| case == id);
        document.project.as_deref().is_some_and(listed)
            && document.rests()
            && !(laid_over || compared || self.shown_cases.contains(&id) || self.works_on(id))
    }

    /// Shows a slice that is to do, unless one is shown.
    pub(super) fn go_to_work(&mut self) {
        let shown = |d: &Document| d.layer().map(|l| l.work.slices.status(d.work_slice()));
        if self.active_document().and_then(shown).is_some_and(SliceStatus::is_done) {
            self.next_to_do(false);
        }
    }
}

impl Document {
    /// Saved and unchanged, and nothing of it is under way: no stroke, preview, save, question or learning loop.
    fn rests(&self) -> bool {
        let busy = self.stroke.is_some() || self.preview().is_some() || self.is_operating() || self.saving;
        let waits = !self.waiting.is_empty() || !self.mirror_offers.is_empty() || self.case.volume.is_none();
        let protected = !matches!(self.protection, Protection::Idle);
        !(self.is_unsaved() || busy || waits || protected || self.learned.is_some())
    }
}

/// Whether two paths name one place, as far as that can be told without looking at the disk.
fn same_place(a: &Path, b: &Path) -> bool {
    let whole = |p: &Path| std::path::absolute(p).unwrap_or_else(|_| p.to_owned());
    a == b || whole(a) == whole(b)
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| file_label(path), |s| s.to_string_lossy().into_owned())
}
