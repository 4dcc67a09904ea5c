//! Someone at a learning loop's desk: the loop's own runner beside, asked as the window asks it.

use super::data::TemporaryFolder;
use super::sampling::{Sampler, attached};
use crate::cli::CliError;
use crate::core::LabelMap;
use crate::jobs::{Arbiter, CancelToken};
use crate::learn::{Ask, Begin, EarlyLabels, Effort, LoopStart, RunnerRequest, SampleOrigin, Tell, run};
use crate::nn::{DeviceChoice, Settled, settle};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::time::{Duration, Instant};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(300);

/// Whoever asks.
pub(super) struct Desk<'a> {
    asks: Sender<Ask>,
    told: &'a Receiver<Tell>,
    cancel: &'a CancelToken,
}

/// Begins a loop on `device`, in a folder that goes with it, and lets `work` ask it.
pub(super) fn with_loop<T>(
    sampler: &mut Sampler,
    device: DeviceChoice,
    start: LoopStart,
    work: impl FnOnce(&Desk, &mut Sampler) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let folder = TemporaryFolder::create()?;
    let Settled { thread, .. } = settle(device, None).map_err(CliError::of)?;
    let request = RunnerRequest {
        folder: folder.0.join("loop"),
        begin: Begin::New(Box::new(|_| Ok(start))),
        device,
        thread,
        arbiter: Arbiter::default(),
        early: EarlyLabels::default(),
        fault: None,
    };
    let (asks, asked) = unbounded();
    let cancel = sampler.cancel().clone();
    let (ctx, told) = attached(&cancel);
    let ended = std::thread::scope(|scope| {
        let runner = scope.spawn(|| run(request, &asked, &ctx));
        let desk = Desk { asks, told: &told, cancel: &cancel };
        let measured = work(&desk, sampler);
        // The runner ends when nobody asks any more.
        drop(desk);
        (measured, runner.join())
    });
    match ended {
        (measured, Ok(Ok(()))) => measured,
        (_, Ok(Err(error))) => Err(CliError::of(error)),
        (_, Err(_)) => Err(CliError("The learning loop stopped because of a defect in Maskwright.".into())),
    }
}

impl Desk<'_> {
    /// Where the loop computes, in its own words.
    pub fn device(&self) -> Result<String, CliError> {
        self.wait("its begin", |told| match told {
            Tell::State(state) => Some(state.device.clone()),
            _ => None,
        })
    }

    pub fn ask(&self, ask: Ask) -> Result<(), CliError> {
        self.asks.send(ask).map_err(|_| ended())
    }

    /// Gives slice `slice` of case 1 back with its truth, as a simulated annotator does.
    pub fn done(&self, slice: usize, labels: &LabelMap) -> Result<(), CliError> {
        self.ask(Ask::Done {
            case: 1,
            slice,
            labels: labels.clone(),
            classes: Box::new(std::array::from_fn(|n| n as u8)),
            origin: SampleOrigin::Simulated,
            effort: Effort::default(),
        })
    }

    /// Hears what the loop tells until `found` finds something in it; `what` says for what, in the error of waiting too
    /// long.
    pub fn wait<T>(&self, what: &str, mut found: impl FnMut(Tell) -> Option<T>) -> Result<T, CliError> {
        let begun = Instant::now();
        loop {
            match self.told.recv_timeout(Duration::from_millis(100)) {
                Ok(Tell::Warning(text)) => return Err(CliError(text)),
                Ok(told) => {
                    if let Some(value) = found(told) {
                        return Ok(value);
                    }
                }
                Err(error) if error.is_timeout() => {
                    if self.cancel.is_cancelled() {
                        return Err(CliError("Timing was cancelled.".into()));
                    }
                    if begun.elapsed() < PATIENCE {
                        continue;
                    }
                    return Err(CliError(format!("The learning loop did not come to {what} within five minutes.")));
                }
                Err(_) => return Err(ended()),
            }
        }
    }
}

fn ended() -> CliError {
    CliError("The learning loop ended too early.".into())
}
