//! What the loop took and gave, as a file.

use super::super::task::JobTask;
use super::super::{Notice, Workspace};
use crate::io::atomic::{plain_reason, write_atomic_bytes};
use crate::jobs::{self, JobContext};
use crate::learn::{LoopState, effort_report, export_model};
use std::path::PathBuf;

impl Workspace {
    pub(super) fn export_model(&mut self, target: PathBuf) {
        let Some(folder) = self.learning.view.as_ref().map(|v| v.folder.clone()) else {
            self.notify(Notice::warning("Start a learning loop first."));
            return;
        };
        let shown = target.display().to_string();
        let handle = jobs::spawn("Exporting the model", self.waker.clone(), move |_: &JobContext<()>| {
            export_model(&folder, &target)
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, done| {
                if done.is_some() {
                    w.notify(Notice::info(format!("The model and its card are in {shown}.")));
                }
            },
        ));
    }

    pub(super) fn write_learn_report(&mut self, path: PathBuf) {
        let Some(state) = self.learning.view.as_ref().and_then(|v| v.state.clone()) else {
            self.notify(Notice::warning("Start a learning loop first."));
            return;
        };
        let shown = path.display().to_string();
        let handle = jobs::spawn("Writing the report", self.waker.clone(), move |_: &JobContext<()>| {
            write_atomic_bytes(&path, text(&state, &path).as_bytes())
                .map_err(|e| format!("{} was not written: {}.", path.display(), plain_reason(&e)))
        });
        self.start(JobTask::new(
            handle,
            |_, ()| {},
            move |w, done| {
                if done.is_some() {
                    w.notify(Notice::info(format!("The report is in {shown}.")));
                }
            },
        ));
    }
}

fn text(state: &LoopState, path: &std::path::Path) -> String {
    let kind = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    effort_report(state, &kind)
}
