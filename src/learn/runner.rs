//! The loop at work behind a window: takes corrected slices, predicts, ranks and fine-tunes, and tells what it did.
//!
//! [`run`] is called inside a job and returns when it is told to stop. It serves what is asked between the steps of a
//! round, so that a slice that was just finished is in the pool at once and a prediction never waits for a round's end.

mod predicting;
mod trouble;

use super::place::{Place, Running};
use super::served::{BATCH, Served};
use super::{
    EarlyLabels, Effort, Hint, LearnError, LoopConfig, LoopStart, PromptChange, PromptPoint, RoundReport, SampleOrigin,
    Session, SliceEffort, SliceFeatures, SliceView, VersionInfo,
};
use crate::core::{LabelId, LabelMap, Volume};
use crate::jobs::{Arbiter, JobContext};
use crate::nn::{ComputeThread, DeviceChoice, DeviceError, Fault, Segmenter, Settled, Turn, settle};
use crate::train::slice_of;
use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Reads what a loop begins with, inside the job.
pub type Beginning = Box<dyn FnOnce(&JobContext<Tell>) -> Result<LoopStart, LearnError> + Send>;

/// How a loop comes to be.
pub enum Begin {
    New(Beginning),
    /// In the folder there is one already.
    Again,
}

/// What a runner needs.
pub struct RunnerRequest {
    pub folder: PathBuf,
    pub begin: Begin,
    /// `Auto` puts the graphics device to a trial first.
    pub device: DeviceChoice,
    /// The thread that owns a graphics device; `None` computes on the processor.
    pub thread: Option<ComputeThread>,
    pub arbiter: Arbiter,
    /// Where labels may be shown before the host has them.
    pub early: EarlyLabels,
    /// Makes the device fail, for tests; says `None` else.
    pub fault: Option<Fault>,
}

/// What can be asked of a runner. Cases have numbers of the caller's.
pub enum Ask {
    /// Predicts and ranks a case from now on.
    Case {
        case: u64,
        volume: Arc<Volume>,
    },
    Forget(u64),
    /// This slice is on the screen: it is predicted before all others.
    Looking {
        case: u64,
        slice: usize,
    },
    /// A slice that a person has finished; `classes` maps labels to the recipe's classes.
    Done {
        case: u64,
        slice: usize,
        labels: LabelMap,
        classes: Box<[LabelId; 256]>,
        origin: SampleOrigin,
        effort: Effort,
    },
    /// Adapts the answer for one slice to all its prompts of one class; `points` are in pixels of the slice.
    Prompt {
        case: u64,
        slice: usize,
        class: LabelId,
        points: Vec<PromptPoint>,
    },
    /// Fine-tunes with what there is.
    Tune,
    RollBack(usize),
}

/// What a runner tells.
#[derive(Debug, Clone)]
pub enum Tell {
    /// After anything of the loop changed.
    State(Box<LoopState>),
    /// The slices of a case that were corrected in this loop before.
    Known {
        case: u64,
        slices: Vec<usize>,
    },
    /// Labels (the recipe's classes) of slices, in reading order.
    Predicted {
        case: u64,
        version: usize,
        slices: Vec<(usize, Vec<LabelId>)>,
    },
    /// All slices of a case are predicted: what the queue needs.
    Ranked {
        case: u64,
        version: usize,
        views: Vec<SliceView>,
        spacing: f64,
    },
    /// What these prompts of a slice change of the network's answer, and how long that took.
    Adapted {
        case: u64,
        slice: usize,
        class: LabelId,
        points: Vec<PromptPoint>,
        change: PromptChange,
        seconds: f64,
    },
    Step {
        number: usize,
        most: usize,
        loss: f64,
        seconds: f64,
    },
    Round(Box<RoundReport>),
    /// A sentence the user must read.
    Warning(String),
}

/// A snapshot of a loop for a panel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoopState {
    pub recipe: String,
    pub classes: Vec<String>,
    pub config: LoopConfig,
    pub device: String,
    pub in_use: usize,
    pub versions: Vec<VersionInfo>,
    pub rounds: Vec<RoundReport>,
    pub corrected: usize,
    pub pending: usize,
    /// Version, slices corrected while it was in use, their effort.
    pub effort: Vec<(usize, usize, Effort)>,
    /// Every corrected slice, by case and place.
    pub slices: Vec<SliceEffort>,
    pub hint: Hint,
    /// A round is under way.
    pub tuning: bool,
}

const PATIENCE: Duration = Duration::from_millis(20);

/// Serves until `asks` is closed or the job is cancelled.
///
/// # Errors
/// [`LearnError`] when the loop cannot be begun or opened. What goes wrong later is told, and the runner goes on; a
/// graphics device that fails is replaced by the processor.
pub fn run(request: RunnerRequest, asks: &Receiver<Ask>, ctx: &JobContext<Tell>) -> Result<(), LearnError> {
    let session = match request.begin {
        Begin::New(start) => Session::create(&request.folder, start(ctx)?)?,
        Begin::Again => {
            let (session, broken) = Session::open(&request.folder)?;
            for error in broken {
                ctx.send(Tell::Warning(format!("A slice was left out of the loop: {error}.")));
            }
            session
        }
    };
    let (choice, offered) = match request.thread {
        Some(thread) => (request.device, Some(thread)),
        None => (DeviceChoice::Cpu, None),
    };
    let Settled { thread, device, warning } = settle(choice, offered.as_ref())?;
    if let Some(warning) = warning {
        ctx.send(Tell::Warning(warning));
    }
    let place = match thread {
        Some(thread) => Place::Thread(thread),
        None => Place::cpu(device),
    };
    let runner = Runner {
        turn: Turn::behind(request.arbiter.clone()).failing(request.fault),
        session,
        place,
        segmenter: None,
        arbiter: request.arbiter,
        early: request.early,
        at_once: BATCH,
        cases: BTreeMap::new(),
        looked_at: None,
        features: None,
        running: None,
        asked: false,
        stuck: false,
        ctx,
    };
    runner.serve(asks);
    Ok(())
}

struct Runner<'a> {
    session: Session,
    place: Place,
    segmenter: Option<Arc<Segmenter>>,
    arbiter: Arbiter,
    early: EarlyLabels,
    turn: Turn,
    /// Slices that a pass predicts: fewer where the device lacks memory for more.
    at_once: usize,
    cases: BTreeMap<u64, Served>,
    /// Case and slice on the screen.
    looked_at: Option<(u64, usize)>,
    /// Case, slice and version whose features are kept for prompts.
    features: Option<(u64, usize, usize, Arc<SliceFeatures>)>,
    running: Option<Running>,
    /// A round was asked for by hand.
    asked: bool,
    /// The last round failed by itself and would fail again: another slice or the key starts the next.
    stuck: bool,
    ctx: &'a JobContext<Tell>,
}

impl Runner<'_> {
    fn serve(mut self, asks: &Receiver<Ask>) {
        self.tell_state();
        loop {
            if self.ctx.is_cancelled() {
                break;
            }
            // While there is something to predict nothing is waited for.
            let idle = !self.cases.values().any(Served::is_waiting);
            match asks.recv_timeout(if idle { PATIENCE } else { Duration::ZERO }) {
                Ok(ask) => {
                    self.take(ask);
                    // Only what waits already: whoever asks without end must not keep rounds from starting.
                    asks.try_iter().take(asks.len()).for_each(|ask| self.take(ask));
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.watch_round();
            if self.running.is_none() && (self.asked || (self.session.is_due() && !self.stuck)) {
                self.start_round();
            }
            self.predict_some();
        }
        self.keep_finished(asks);
        if let Some(running) = &self.running {
            running.cancel.cancel();
            // The device is free again when the step it is in has ended.
            let _ = running.outcome.recv_timeout(Duration::from_secs(5));
        }
    }

    /// What was finished before the end is in the pool, whatever else was asked.
    fn keep_finished(&mut self, asks: &Receiver<Ask>) {
        let mut volumes = BTreeMap::new();
        for ask in asks.try_iter() {
            match ask {
                Ask::Case { case, volume } => drop(volumes.insert(case, volume)),
                Ask::Done { case, .. } => {
                    if let Some(volume) = volumes.remove(&case) {
                        self.take_case(case, volume);
                    }
                    self.take(ask);
                }
                _ => {}
            }
        }
    }

    fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Case { case, volume } => self.take_case(case, volume),
            Ask::Forget(case) => drop(self.cases.remove(&case)),
            Ask::Looking { case, slice } => self.looked_at = Some((case, slice)),
            Ask::Done { case, slice, labels, classes, origin, effort } => {
                let Some(served) = self.cases.get(&case) else { return };
                let sample = slice_of(self.session.recipe(), &served.volume, &labels, &classes, slice);
                let key = served.key.clone();
                self.stuck = false;
                if let Err(error) = self.session.add(&key, slice, sample, origin, effort) {
                    self.warn(&format!("The slice was not taken into the loop: {error}."));
                }
                self.tell_state();
            }
            Ask::Prompt { case, slice, class, points } => {
                if let Err(error) = self.adapt(case, slice, class, &points) {
                    self.device_failed(&error);
                }
            }
            Ask::Tune => self.asked = true,
            Ask::RollBack(version) => {
                if let Err(error) = self.session.roll_back(version) {
                    self.warn(&format!("{error}."));
                    return;
                }
                self.renew();
                self.tell_state();
            }
        }
    }

    fn take_case(&mut self, case: u64, volume: Arc<Volume>) {
        let served = Served::new(volume, self.session.recipe().preprocessing.size);
        let known: BTreeSet<usize> =
            self.session.corrections().filter(|s| s.info.case == served.key).map(|s| s.info.slice).collect();
        self.ctx.send(Tell::Known { case, slices: known.into_iter().collect() });
        self.cases.insert(case, served);
    }

    /// Answers the prompts of a slice; the network looks at it once for all of them.
    fn adapt(&mut self, case: u64, slice: usize, class: LabelId, points: &[PromptPoint]) -> Result<(), LearnError> {
        let begun = Instant::now();
        let Some(served) = self.cases.get(&case) else { return Ok(()) };
        let Some(hu) = served.hu.get(slice).cloned() else { return Ok(()) };
        let size = served.size;
        let version = self.session.in_use();
        let spec = self.session.spec();
        let kept = self.features.as_ref().filter(|f| (f.0, f.1, f.2) == (case, slice, version)).map(|f| f.3.clone());
        let features = match kept {
            Some(features) => features,
            None => {
                let _guard = self.arbiter.predicting();
                let segmenter = self.segmenter()?;
                let (n, channels) = (spec.preprocessing.size, spec.network.out_channels);
                let looked = hu.clone();
                let (p, map) =
                    self.place.short("looking at a slice", &self.turn, move || segmenter.features(&looked))?;
                let features = Arc::new(SliceFeatures::new(n, channels, p, &map, &hu));
                self.features = Some((case, slice, version, features.clone()));
                features
            }
        };
        let change = features.change(class, points, size, spec.threshold);
        let seconds = begun.elapsed().as_secs_f64();
        self.ctx.send(Tell::Adapted { case, slice, class, points: points.to_vec(), change, seconds });
        Ok(())
    }

    /// The network in use, built once for its weights.
    fn segmenter(&mut self) -> Result<Arc<Segmenter>, LearnError> {
        if let Some(segmenter) = &self.segmenter {
            return Ok(segmenter.clone());
        }
        let built = self.place.load(self.session.spec(), self.session.weights().clone(), &self.turn)?;
        self.segmenter = Some(built.clone());
        Ok(built)
    }

    /// The weights changed: everything is predicted anew.
    fn renew(&mut self) {
        self.segmenter = None;
        self.cases.values_mut().for_each(Served::renew);
    }

    fn start_round(&mut self) {
        self.asked = false;
        match self.session.round() {
            Ok(input) => {
                self.running = Some(self.place.start(input, self.turn.clone()));
                self.tell_state();
            }
            Err(error) => {
                self.stuck = true;
                self.warn(&format!("{error}."));
            }
        }
    }

    /// Passes steps on, and takes in a round that has ended.
    fn watch_round(&mut self) {
        let Some(running) = &self.running else { return };
        // Looked at first: whatever the round told before its end is then in the channel.
        let outcome = running.outcome.try_recv();
        for (step, took) in running.steps.try_iter() {
            self.tell_step(step, took);
        }
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => {
                Err(DeviceError::Failed { what: "fine-tuning", reason: "its thread has ended".into() }.into())
            }
        };
        self.running = None;
        match outcome.and_then(|output| self.session.finish(output)) {
            Ok(report) => {
                if report.version.is_some() {
                    self.renew();
                }
                self.ctx.send(Tell::Round(Box::new(report)));
            }
            // Nothing is lost: the slices wait for the next round.
            Err(error) if error.is_of_device() => {
                self.device_failed(&error);
                self.asked = true;
            }
            Err(error) => {
                self.stuck = true;
                self.warn(&format!(
                    "No new version: {error}. The corrected slices are kept; the next one, or Fine-tune now, tries again."
                ));
            }
        }
        self.tell_state();
    }

    fn tell_state(&self) {
        let session = &self.session;
        self.ctx.send(Tell::State(Box::new(LoopState {
            recipe: session.recipe().name.clone(),
            classes: session.spec().classes,
            config: session.config(),
            device: self.place.device().description.clone(),
            in_use: session.in_use(),
            versions: session.versions().to_vec(),
            rounds: session.rounds().to_vec(),
            corrected: session.corrected(),
            pending: session.pending(),
            effort: session.effort(),
            slices: session.slices(),
            hint: session.hint(),
            tuning: self.running.is_some(),
        })));
    }
}
