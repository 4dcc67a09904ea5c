//! Where the loop computes: on the processor behind everything else, or on the thread that owns a graphics device.

use super::LearnError;
use super::round::{RoundInput, RoundOutput, RoundStep, fine_tune};
use crate::jobs::{Arbiter, BackgroundPool, CancelToken, Patience};
use crate::nn::{ComputeDevice, ComputeThread, DeviceError, ModelSpec, Segmenter, StateDict, wait};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Makes the device fail where a test wants it to.
pub type Fault = Arc<dyn Fn() -> Option<DeviceError> + Send + Sync>;

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

    /// The network with these weights.
    pub fn load(&self, spec: ModelSpec, weights: Arc<StateDict>, fault: &Fault) -> Result<Arc<Segmenter>, LearnError> {
        fail(fault)?;
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
        fault: &Fault,
        work: impl FnOnce() -> Result<T, DeviceError> + Send + 'static,
    ) -> Result<T, LearnError> {
        fail(fault)?;
        Ok(match self {
            Self::Cpu { short, .. } => short.run(work)?,
            Self::Thread(thread) => wait(what, &thread.submit(what, move |_| work()))??,
        })
    }

    /// Starts a round; its steps are told, and wait their turn.
    pub fn start(&self, input: RoundInput, arbiter: Arbiter, fault: Fault) -> Running {
        let cancel = CancelToken::default();
        let (steps, told) = crossbeam_channel::unbounded();
        let (result, outcome) = bounded(1);
        let gate = Gate { arbiter, cancel: cancel.clone(), steps, fault };
        match self {
            Self::Cpu { device, training, .. } => {
                let (device, pool) = (device.clone(), training.clone());
                let failed = result.clone();
                let spawned = std::thread::Builder::new().name("fine-tuning".into()).spawn(move || {
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

fn fail(fault: &Fault) -> Result<(), DeviceError> {
    fault().map_or(Ok(()), Err)
}

/// What stands between two steps.
struct Gate {
    arbiter: Arbiter,
    cancel: CancelToken,
    steps: Sender<(RoundStep, Duration)>,
    fault: Fault,
}

impl Gate {
    fn run(self, input: RoundInput, device: &ComputeDevice, pending: impl Fn()) -> Result<RoundOutput, LearnError> {
        let mut since = Instant::now();
        let mut failed = None;
        let outcome = fine_tune(input, device, &mut |step| {
            let took = since.elapsed();
            self.arbiter.before_step(took, &self.cancel, &pending);
            let _ = self.steps.send((step, took));
            since = Instant::now();
            failed = (self.fault)();
            failed.is_none() && !self.cancel.is_cancelled()
        });
        match failed {
            Some(error) => Err(error.into()),
            None => outcome,
        }
    }
}
