//! Background tasks of the workspace: a job handle and what to do with its events and its end.

use super::{Notice, Workspace};
use crate::core::CaseId;
use crate::jobs::{JobHandle, Outcome};
use std::fmt::Display;

/// What the job list shows of a task.
#[derive(Debug, Clone)]
pub struct TaskView {
    pub id: u64,
    pub name: &'static str,
    pub message: String,
    /// `None` when the length is unknown.
    pub fraction: Option<f32>,
    /// Nobody asked for it and nobody would stop it: the window does not list it.
    pub unlisted: bool,
}

/// A running task, polled once a frame.
pub(super) trait Task {
    fn view(&self, id: u64) -> TaskView;
    fn cancel(&self);
    /// The open case that it works on or for, if it is one alone.
    fn case(&self) -> Option<CaseId> {
        None
    }
    /// Hands over what arrived; `true` when the task is over.
    fn advance(&mut self, workspace: &mut Workspace) -> bool;
}

type OnEvent<E> = Box<dyn FnMut(&mut Workspace, E)>;
type OnEnd<T> = Box<dyn FnOnce(&mut Workspace, Option<T>)>;

/// A job with its two continuations.
pub(super) struct JobTask<E, T, Err> {
    handle: JobHandle<E, T, Err>,
    on_event: OnEvent<E>,
    on_end: Option<OnEnd<T>>,
    unlisted: bool,
}

impl<E, T, Err> JobTask<E, T, Err> {
    /// `on_end` gets `None` when the job failed or crashed; the failure itself is told here, once.
    pub(super) fn new(
        handle: JobHandle<E, T, Err>,
        on_event: impl FnMut(&mut Workspace, E) + 'static,
        on_end: impl FnOnce(&mut Workspace, Option<T>) + 'static,
    ) -> Self {
        Self { handle, on_event: Box::new(on_event), on_end: Some(Box::new(on_end)), unlisted: false }
    }

    /// The program's own business, which the window does not list.
    pub(super) fn unlisted(mut self) -> Self {
        self.unlisted = true;
        self
    }
}

impl<E, T, Err: Display> Task for JobTask<E, T, Err> {
    fn view(&self, id: u64) -> TaskView {
        TaskView {
            id,
            name: self.handle.name(),
            message: self.handle.progress.message(),
            fraction: self.handle.progress.fraction(),
            unlisted: self.unlisted,
        }
    }

    fn cancel(&self) {
        self.handle.cancel.cancel();
    }

    fn advance(&mut self, workspace: &mut Workspace) -> bool {
        // The result is looked at first: whatever was sent before it is then already in the channel.
        let outcome = self.handle.try_result();
        while let Some(event) = self.handle.try_event() {
            (self.on_event)(workspace, event);
        }
        let Some(outcome) = outcome else { return false };
        let value = match outcome {
            Outcome::Done(value) => Some(value),
            Outcome::Failed(error) => {
                if self.handle.cancel.is_cancelled() {
                    workspace.notify(Notice::info(format!("{} was cancelled.", self.handle.name())));
                } else {
                    workspace.notify(Notice::error(error.to_string()));
                }
                None
            }
            Outcome::Crashed(text) => {
                tracing::error!(task = self.handle.name(), panic = %text, "worker crashed");
                workspace.notify(Notice::error(format!(
                    "{} stopped because of a defect in Maskwright ({text}); your masks are untouched.",
                    self.handle.name()
                )));
                None
            }
        };
        if let Some(on_end) = self.on_end.take() {
            on_end(workspace, value);
        }
        true
    }
}

/// A task that works on one open case.
pub(super) struct OnCase<T> {
    pub case: Option<CaseId>,
    pub task: T,
}

impl<T: Task> Task for OnCase<T> {
    fn view(&self, id: u64) -> TaskView {
        self.task.view(id)
    }

    fn cancel(&self) {
        self.task.cancel();
    }

    fn case(&self) -> Option<CaseId> {
        self.case
    }

    fn advance(&mut self, workspace: &mut Workspace) -> bool {
        self.task.advance(workspace)
    }
}
