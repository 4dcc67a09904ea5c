//! The learning loop in the window: slices that a person finishes go to the loop's runner, and what it predicts comes
//! back into slices that nobody has touched.
//!
//! The loop works on a layer of its own in each case, which it takes up again when it is gone on with. A slice of it is
//! *touched* from the first change of its voxels by a person on, and *done* when the person says so; neither is ever
//! predicted over again. Every predicted voxel keeps the version that it comes from.

mod again;
mod earlier;
mod early;
mod layer;
mod prompting;
mod report;
mod starting;
#[cfg(test)]
mod tests;

pub use again::KeptLoop;
pub use layer::{LearnedLayer, SliceMark};

use super::{Notice, ViewCommand, Workspace};
use crate::core::{CaseId, Plane, SliceStatus};
use crate::jobs::Arbiter;
use crate::learn::{Ask, EarlyLabels, Effort, Fault, Hint, LoopConfig, LoopState, SampleOrigin, Screen, Tell, rank};
use crate::nn::DeviceChoice;
use crossbeam_channel::Sender;
use glam::DVec3;
use prompting::Answer;
use std::path::PathBuf;
use std::sync::Arc;

/// What the Learn panel asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnForm {
    /// Run, or earlier loop, whose weights it begins with.
    pub run: PathBuf,
    /// Plain name of the loop, a folder in the program's run folder; a loop of that name is gone on with.
    pub name: String,
    pub device: DeviceChoice,
    /// The data that the run was trained with, to be replayed so that nothing is forgotten.
    pub earlier: Option<PathBuf>,
    pub config: LoopConfig,
    /// All open cases, or the active one.
    pub all_cases: bool,
}

impl LearnForm {
    /// Whether a loop of this name can be gone on with.
    pub fn is_known(&self, workspace: &Workspace) -> bool {
        let known = |run: &super::RunInfo| run.name == self.name && run.is_loop;
        workspace.models.runs.iter().any(known)
    }
}

/// Asked of the loop.
#[derive(Debug, Clone)]
pub enum LearnCommand {
    Start(Box<LearnForm>),
    Stop,
    /// Takes the active case in.
    AddCase,
    /// The shown axial slice is right as it is: it trains from now on.
    Done,
    /// Goes to the slice whose correction is expected to gain most.
    Next,
    /// A scribble inside or outside of the active segment, in continuous voxel positions: the network's answer for that
    /// slice adapts, as a step of the history.
    Prompt {
        plane: Plane,
        points: Vec<DVec3>,
        inside: bool,
    },
    /// Fine-tunes with what there is.
    Tune,
    /// Puts another version to use.
    RollBack(usize),
    /// Writes the version in use with its model card into a new folder.
    ExportModel(PathBuf),
    /// Writes effort, versions and rounds (.json, .csv or .md).
    Report(PathBuf),
}

/// Where a running or finished loop stands.
#[derive(Debug, Clone)]
pub struct LearnView {
    pub name: String,
    pub folder: PathBuf,
    /// `None` until the runner has opened the loop.
    pub state: Option<LoopState>,
    /// Step of the round under way: number, most, loss.
    pub step: Option<(usize, usize, f64)>,
    /// What became of the last round.
    pub outcome: String,
    /// Why the shown slice is shown.
    pub reason: Option<(CaseId, usize, String)>,
    /// Whether the loop runs; it can be read when it has stopped.
    pub running: bool,
}

/// The loop of the program.
#[derive(Default)]
pub struct LearnRoom {
    pub view: Option<LearnView>,
    /// Told by the window what the hand does; training asks it for its turn.
    pub arbiter: Arbiter,
    /// Where the window can show labels before they are read back from its own device.
    pub screen: Option<Arc<dyn Screen>>,
    /// What of it the loop may do, and does.
    early: EarlyLabels,
    asks: Option<Sender<Ask>>,
    task: Option<u64>,
    cohort: bool,
    device: DeviceChoice,
    /// The slice on the screen, as the runner was last told.
    looked_at: Option<(CaseId, usize)>,
    /// A loop of the program before this one, until it can be gone on with.
    pub(super) resuming: Option<KeptLoop>,
    /// Makes the device fail, in tests.
    pub(super) fault: Option<Fault>,
}

impl LearnRoom {
    /// Whether a loop runs.
    pub fn is_running(&self) -> bool {
        self.asks.is_some()
    }

    fn ask(&self, ask: Ask) {
        if let Some(asks) = &self.asks {
            // A runner that has ended is told of by its task.
            let _ = asks.send(ask);
        }
    }
}

impl Workspace {
    pub(super) fn apply_learn(&mut self, command: LearnCommand) {
        match command {
            LearnCommand::Start(form) => self.start_learning(*form),
            LearnCommand::Stop => {
                if let Some(task) = self.learning.task {
                    self.cancel_task(task);
                }
                self.learning.asks = None;
            }
            LearnCommand::AddCase => {
                if let Some(id) = self.active {
                    self.teach_case(id);
                }
            }
            LearnCommand::Done => self.finish_slice(),
            LearnCommand::Next => self.next_slice(),
            LearnCommand::Prompt { plane, points, inside } => self.prompt(plane, &points, inside),
            LearnCommand::Tune => self.learning.ask(Ask::Tune),
            LearnCommand::RollBack(version) => self.learning.ask(Ask::RollBack(version)),
            LearnCommand::ExportModel(path) => self.export_model(path),
            LearnCommand::Report(path) => self.write_learn_report(path),
        }
    }

    /// Takes in what the runner tells.
    fn hear(&mut self, told: Tell) {
        match told {
            Tell::State(state) => {
                let first = self.learning.view.as_ref().is_some_and(|v| v.state.is_none());
                if let Some(view) = &mut self.learning.view {
                    if !state.tuning {
                        view.step = None;
                    }
                    view.state = Some(*state);
                }
                if first {
                    let cases: Vec<CaseId> = if self.learning.cohort {
                        self.documents.iter().map(|d| d.case.id).collect()
                    } else {
                        self.active.into_iter().collect()
                    };
                    let shown = self.active;
                    cases.into_iter().for_each(|id| self.teach_case(id));
                    self.active = shown;
                }
            }
            Tell::Known { case, slices } => self.take_known(CaseId(case), &slices),
            Tell::Predicted { case, version, slices } => self.take_predicted(CaseId(case), version, slices),
            Tell::Ranked { case, views, spacing, .. } => {
                if let Some(document) = self.document_mut(CaseId(case))
                    && let Some(learned) = document.learned_mut()
                {
                    learned.rank_with(views, spacing);
                }
            }
            Tell::Adapted { case, slice, class, points, change, seconds } => {
                self.take_adapted(CaseId(case), Answer { slice, class, points, change, seconds });
            }
            Tell::Step { number, most, loss, .. } => {
                if let Some(view) = &mut self.learning.view {
                    view.step = Some((number, most, loss));
                }
            }
            Tell::Round(report) => {
                let text = match report.version {
                    Some(version) => {
                        format!("Version {version} replaces version {}: {}.", report.parent, report.decision.reason)
                    }
                    None => format!("Version {} stays: {}.", report.parent, report.decision.reason),
                };
                if let Some(view) = &mut self.learning.view {
                    view.outcome.clone_from(&text);
                }
                self.notify(Notice::info(text));
            }
            Tell::Warning(text) => self.notify(Notice::warning(text)),
        }
    }

    /// The shown axial slice of the loop's layer goes to the pool as it is.
    fn finish_slice(&mut self) {
        if !self.learning.is_running() {
            self.notify(Notice::warning(
                "No learning loop is running: start one in the Learn tab to teach it this slice.",
            ));
            return;
        }
        self.commit_stroke();
        let Some(document) = self.active_document() else { return };
        let (case, slice, marked) = (document.case.id, document.slice_index(Plane::Axial), document.work_slice());
        if document.shown_mark().is_none() {
            self.notify(Notice::warning("Choose the layer of the learning loop, or add this case to the loop."));
            return;
        }
        if marked == slice {
            self.set_status(case, [slice, slice], SliceStatus::Corrected);
        }
        self.teach_slice(slice);
        self.status = format!("Slice {} is done and in the training pool", slice + 1);
    }

    /// An axial slice of the loop's layer goes to the pool as it is, where that layer is the active one.
    pub(super) fn teach_slice(&mut self, slice: usize) {
        let running = self.learning.is_running();
        let Some(document) = self.active_document().filter(|d| running && d.shown_mark().is_some()) else { return };
        self.teach(document.case.id, slice, Effort::default());
    }

    /// A slice of a case of the loop goes to the pool; `before` is effort that was not counted here.
    fn teach(&mut self, id: CaseId, slice: usize, before: Effort) {
        let Some((labels, mut effort)) = self.document_mut(id).and_then(|d| d.finish_learned(slice)) else { return };
        effort += before;
        // The layer's segments have the numbers of the loop's classes; what a person added to them is none of these.
        let count = self.learning.view.as_ref().and_then(|v| Some(v.state.as_ref()?.classes.len())).unwrap_or(0);
        let classes: [u8; 256] = std::array::from_fn(|n| if n <= count { n as u8 } else { 0 });
        self.learning.ask(Ask::Done {
            case: id.0,
            slice,
            labels,
            classes: Box::new(classes),
            origin: SampleOrigin::Human,
            effort,
        });
    }

    /// Tells the runner which slice is on the screen, so that it is predicted before the others. Not while somebody paints:
    /// then nothing is to come. Called once a frame.
    pub(super) fn tell_looked_at(&mut self) {
        let Some(document) = self.active_document().filter(|d| d.stroke.is_none() && d.learned().is_some()) else {
            return;
        };
        let (id, slice) = (document.case.id, document.slice_index(Plane::Axial));
        if self.learning.is_running() && self.learning.looked_at != Some((id, slice)) {
            self.learning.looked_at = Some((id, slice));
            self.learning.ask(Ask::Looking { case: id.0, slice });
        }
    }

    /// Goes to the best slice of all cases of the loop.
    fn next_slice(&mut self) {
        let best = self
            .documents
            .iter()
            .filter_map(|d| {
                let learned = d.learned()?;
                let first = rank(learned.views(), &learned.seen(), learned.spacing()).first().copied()?;
                Some((d.case.id, first))
            })
            .max_by(|a, b| a.1.gain.total_cmp(&b.1.gain));
        let Some((id, best)) = best else {
            let text = if self.documents.iter().any(|d| d.learned().is_some_and(LearnedLayer::is_waiting)) {
                "Wait until the slices are predicted."
            } else {
                "Every slice has been looked at."
            };
            self.notify(Notice::info(text));
            return;
        };
        self.activate(id);
        if let Some(document) = self.document_mut(id) {
            document.show_learned();
        }
        self.apply_view(ViewCommand::Slice { plane: Plane::Axial, index: best.slice });
        let reason = best.reason.to_string();
        self.status = format!("Slice {}: {reason}", best.slice + 1);
        if let Some(view) = &mut self.learning.view {
            view.reason = Some((id, best.slice, reason));
        }
    }
}

/// What the panel says of the hint.
impl LearnView {
    /// Why correcting no longer helps the network, when it does not.
    pub fn hint(&self) -> Option<&str> {
        match &self.state.as_ref()?.hint {
            Hint::GoOn => None,
            Hint::Stop(text) => Some(text),
        }
    }

    /// Effort a slice by version: version, slices, mean strokes, voxels and seconds.
    pub fn effort_rows(&self) -> Vec<(usize, usize, [f64; 3])> {
        let Some(state) = &self.state else { return Vec::new() };
        let mean = |slices: usize, e: &Effort| {
            [e.strokes as f64, e.voxels as f64, e.seconds].map(|v| v / slices.max(1) as f64)
        };
        state.effort.iter().map(|(version, slices, e)| (*version, *slices, mean(*slices, e))).collect()
    }
}
