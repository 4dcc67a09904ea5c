//! The loop's start: the runner, and the layer of each case that it fills.

use super::super::task::JobTask;
use super::super::{Notice, Workspace};
use super::layer::origin_of;
use super::{LearnForm, LearnView};
use crate::core::{CaseId, LabelId, LabelMap, Layer, LayerId, Origin, Segment};
use crate::jobs::{self, JobContext};
use crate::learn::{self, Ask, Begin, LearnError, LoopStart, RunnerRequest, Tell, replay_of_loop};
use crate::nn::load_weights;
use crate::train::{Recipe, TrainData, earlier_slices};
use crossbeam_channel::unbounded;
use std::path::Path;

impl Workspace {
    pub(super) fn start_learning(&mut self, form: LearnForm) {
        let refused = if self.learning.is_running() {
            Some("A learning loop is running already: stop it first.")
        } else if self.active_document().is_none_or(|d| d.case.volume.is_none()) {
            Some("Open a case first, and wait until all its slices are read.")
        } else if !super::super::runs::is_plain_name(&form.name) {
            Some("Give the loop a name of letters, digits, dashes and dots.")
        } else {
            None
        };
        if let Some(text) = refused {
            self.notify(Notice::warning(text));
            return;
        }
        let thread = match self.compute_thread(form.device) {
            Ok(thread) => thread,
            Err(error) => {
                self.notify(Notice::error(error.to_string()));
                return;
            }
        };
        let folder = self.home.runs().join(&form.name);
        let begin = if learn::is_loop(&folder) {
            Begin::Again
        } else {
            let form = form.clone();
            Begin::New(Box::new(move |ctx: &JobContext<Tell>| begin(&form, ctx)))
        };
        let (asks, asked) = unbounded();
        // The loop before it shows nothing any more, even if it is still ending.
        self.learning.early.end();
        self.learning.early = self.early_labels_on(thread.as_ref());
        let request = RunnerRequest {
            folder: folder.clone(),
            begin,
            device: form.device,
            thread,
            arbiter: self.learning.arbiter.clone(),
            early: self.learning.early.clone(),
            fault: self.learning.fault.clone(),
        };
        self.learning.asks = Some(asks);
        for document in &mut self.documents {
            document.learned = None;
        }
        self.learning.cohort = form.all_cases;
        self.learning.device = form.device;
        self.learning.looked_at = None;
        self.learning.resuming = None;
        self.learning.view = Some(LearnView {
            name: form.name,
            folder,
            state: None,
            step: None,
            outcome: String::new(),
            reason: None,
            running: true,
        });
        let handle = jobs::spawn("Learning", self.waker.clone(), move |ctx: &JobContext<Tell>| {
            ctx.progress.say("learning loop");
            match learn::run(request, &asked, ctx) {
                // Being stopped is how a loop ends.
                Err(LearnError::Cancelled) => Ok(()),
                other => other,
            }
        });
        // A loop that was stopped may still be ending when it is gone on with: what it tells is the new one's no more.
        let task = self.last_id + 1;
        let hear = move |w: &mut Self, told| {
            if w.learning.task == Some(task) {
                w.hear(told);
            }
        };
        self.start(JobTask::new(handle, hear, move |w, _| {
            if w.learning.task == Some(task) {
                w.learning.early.end();
                w.learning.asks = None;
                w.learning.task = None;
                if let Some(view) = &mut w.learning.view {
                    view.running = false;
                    view.step = None;
                }
            }
            w.refresh_runs();
        }));
        self.learning.task = Some(task);
    }

    /// Takes a case into the loop: the layer for its predictions, which the runner is asked for. The layer that the same
    /// loop filled in an earlier session is taken up again, with what a person did there.
    pub(super) fn teach_case(&mut self, id: CaseId) {
        let Some(view) = &self.learning.view else { return };
        let Some(state) = &view.state else { return };
        let (name, version) = (view.name.clone(), state.in_use);
        let segments: Vec<Segment> =
            (1..=LabelId::MAX).zip(&state.classes).map(|(id, class)| Segment::new(id, class.clone())).collect();
        let Some(document) = self.document(id) else { return };
        let Some(volume) = document.case.volume.clone() else { return };
        if document.learned().is_some()
            || document.is_overlay()
            || document.stroke.is_some()
            || !self.learning.is_running()
        {
            return;
        }
        let before = layer_of_loop(&document.case.layers, &name);
        let layer = match before {
            Some(layer) => {
                self.complete_segments(id, layer, segments);
                layer
            }
            None => {
                let labels = LabelMap::empty(document.case.geometry);
                let mut layer = Layer::new(LayerId(0), layer_name(&name), labels, segments, origin_of(&name, version));
                // A person's number comes first: however many versions follow, it stays theirs.
                layer.work.sources.number(&Origin::Human);
                if !self.insert_layer(id, "Learning loop", layer) {
                    return;
                }
                let Some(layer) = self.document(id).and_then(|d| d.active_layer) else { return };
                layer
            }
        };
        if let Some(document) = self.document_mut(id) {
            document.learn_on(layer, name, before.is_some());
            document.show_learned();
        }
        self.learning.ask(Ask::Case { case: id.0, volume });
    }

    /// Predictions have the numbers of the loop's classes: segments that were deleted since are there again.
    fn complete_segments(&mut self, id: CaseId, layer: LayerId, segments: Vec<Segment>) {
        let Some(known) = self.document(id).and_then(|d| d.case.layer(layer)) else { return };
        let missing: Vec<Segment> = segments.into_iter().filter(|s| known.segment(s.id).is_none()).collect();
        if missing.is_empty() {
            return;
        }
        self.change_layers(id, "Learning loop", |d| {
            if let Some(layer) = d.case.layer_mut(layer) {
                layer.segments.extend(missing);
            }
        });
    }
}

fn layer_name(run: &str) -> String {
    format!("Loop {run}")
}

/// The layer that the loop `run` filled before, the newest where there are several. A prediction that was asked for by
/// itself comes from the same versions and is none.
fn layer_of_loop(layers: &[Layer], run: &str) -> Option<LayerId> {
    let is_model = |origin: &Origin| matches!(origin, Origin::Model { run: of, .. } if of == run);
    let newest = |is: &dyn Fn(&&Layer) -> bool| {
        layers.iter().rev().filter(|l| is_model(&l.origin)).find(|l| is(l)).map(|l| l.id)
    };
    let name = layer_name(run);
    newest(&|l| l.name == name).or_else(|| newest(&|l| l.work.sources.list().iter().any(is_model)))
}

/// Weights, recipe and earlier data of a new loop; in the background.
fn begin(form: &LearnForm, ctx: &JobContext<Tell>) -> Result<LoopStart, LearnError> {
    /// Slices of earlier data that train and that judge, at most.
    const EARLIER: [usize; 2] = [300, 32];
    let (recipe, weights) = weights_of(&form.run)?;
    let recipe = Recipe { patience: None, ..recipe };
    let [earlier, earlier_validation] = match &form.earlier {
        // A loop has in its pool what taught its weights.
        None if learn::is_loop(&form.run) => replay_of_loop(&form.run, EARLIER)?,
        None => Default::default(),
        Some(folder) => {
            ctx.progress.say("reading earlier data");
            ctx.wake();
            let (inner, _) = JobContext::attached(ctx.cancel.clone(), ctx.progress.clone(), jobs::Waker::none());
            earlier_slices(&recipe, &TrainData::Folder(folder.clone()), EARLIER, &inner)?
        }
    };
    Ok(LoopStart { recipe, weights, earlier, earlier_validation, config: form.config })
}

/// Recipe and best weights of a run, or those in use of a loop.
fn weights_of(run: &Path) -> Result<(Recipe, crate::nn::StateDict), LearnError> {
    let recipe = Recipe::of_run(run)?;
    let file = if learn::is_loop(run) {
        learn::weights_in_use(run)?.1
    } else {
        let best = run.join("checkpoints/best/weights.safetensors");
        if best.is_file() { best } else { run.join("checkpoints/last/weights.safetensors") }
    };
    Ok((recipe, load_weights(&file)?))
}
