//! Where the loop computes: on the processor behind everything else, or on the thread that owns a graphics device.

use super::LearnError;
use super::round::{RoundInput, RoundOutput, RoundStep, fine_tune_in_turn};
use crate::jobs::{BackgroundPool, CancelToken, Patience, ReleaseMemory};
use crate::nn::{ComputeDevice, ComputeThread, DeviceError, DeviceMode, ModelSpec, Segmenter, StateDict, Turn, wait};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A device and the way to it.
#[derive(Clone)]
pub(super) enum Place {
    /// On threads that give way: training to everything else, predictions to drawing.
    Cpu {
        device: ComputeDevice,
        training: BackgroundPool,
        short: BackgroundPool,
    },
    Thread(ComputeThread),
}

/// A round under way.
pub(super) struct Running {
    pub cancel: CancelToken,
    pub steps: Receiver<(RoundStep, Duration)>,
    pub outcome: Receiver<Result<RoundOutput, LearnError>>,
}

impl Place {
    pub fn cpu(device: ComputeDevice) -> Self {
        Self::Cpu { device, training: BackgroundPool::new(Patience::All), short: BackgroundPool::new(Patience::Some) }
    }

    pub fn device(&self) -> &ComputeDevice {
        match self {
            Self::Cpu { device, .. } => device,
            Self::Thread(thread) => thread.device(),
        }
    }

    pub fn is_cpu(&self) -> bool {
        matches!(self, Self::Cpu { .. })
    }

    /// Whether it is the device that the window draws with.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Thread(thread) if thread.device().mode == DeviceMode::Shared)
    }

    /// The network with these weights.
    pub fn load(&self, spec: ModelSpec, weights: Arc<StateDict>, turn: &Turn) -> Result<Arc<Segmenter>, LearnError> {
        turn.check()?;
        Ok(Arc::new(match self {
            Self::Cpu { device, .. } => Segmenter::new(spec, &weights, device)?,
            Self::Thread(thread) => {
                let built = thread.submit("loading the network", move |c| Segmenter::new(spec, &weights, c.device()));
                wait("loading the network", &built)??
            }
        }))
    }

    /// Runs short work that may use the device.
    pub fn short<T: Send + 'static>(
        &self,
        what: &'static str,
        turn: &Turn,
        work: impl FnOnce() -> Result<T, DeviceError> + Send + 'static,
    ) -> Result<T, LearnError> {
        turn.check()?;
        Ok(match self {
            Self::Cpu { short, .. } => short.run(work)?,
            Self::Thread(thread) => wait(what, &thread.submit(what, move |_| work()))??,
        })
    }

    /// Starts a round; its steps are told, and wait their turn.
    pub fn start(&self, input: RoundInput, turn: Turn) -> Running {
        let cancel = CancelToken::default();
        let (steps, told) = crossbeam_channel::unbounded();
        let (result, outcome) = bounded(1);
        let gate = Gate { turn, cancel: cancel.clone(), steps };
        match self {
            Self::Cpu { device, training, .. } => {
                let (device, pool) = (device.clone(), training.clone());
                let failed = result.clone();
                let spawned = std::thread::Builder::new().name("fine-tuning".into()).spawn(move || {
                    let _memory = ReleaseMemory::afterwards();
                    let outcome = crate::nn::catch("fine-tuning", || pool.run(|| gate.run(input, &device, || {})));
                    let _ = result.send(outcome.unwrap_or_else(|e| Err(e.into())));
                });
                if let Err(error) = spawned {
                    let reason = error.to_string();
                    let _ = failed.send(Err(DeviceError::Failed { what: "starting a round", reason }.into()));
                }
            }
            Self::Thread(thread) => {
                // The result goes through the channel of its own; a panic drops the sender, which says it as well.
                let _ = thread.submit_long("fine-tuning", move |compute| {
                    let outcome = gate.run(input, compute.device(), || compute.run_pending());
                    let _ = result.send(outcome);
                });
            }
        }
        Running { cancel, steps: told, outcome }
    }
}

/// What stands between two steps.
struct Gate {
    turn: Turn,
    cancel: CancelToken,
    steps: Sender<(RoundStep, Duration)>,
}

impl Gate {
    fn run(self, input: RoundInput, device: &ComputeDevice, pending: impl Fn()) -> Result<RoundOutput, LearnError> {
        let mut since = Instant::now();
        fine_tune_in_turn(input, device, &self.turn, &mut |step| {
            let took = since.elapsed();
            self.turn.before_step(took, &self.cancel, &pending);
            let _ = self.steps.send((step, took));
            since = Instant::now();
            !self.cancel.is_cancelled()
        })
    }
}
