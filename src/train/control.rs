//! Pause and resume, shared by a run and whoever watches it, and whose turn it is.

use crate::nn::Turn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Cheap to clone; all clones speak of the same run. Cancelling goes through the job's own token.
#[derive(Clone, Default)]
pub struct TrainControl {
    paused: Arc<AtomicBool>,
    turn: Turn,
}

impl TrainControl {
    /// Not paused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Not paused, and asking for its turn before every step.
    pub fn in_turn(turn: Turn) -> Self {
        Self { turn, ..Self::default() }
    }

    pub(super) fn turn(&self) -> &Turn {
        &self.turn
    }

    /// Asks the run to wait after the step it is in.
    pub fn pause(&self) {
        self.paused.store(true, Ordering::Relaxed);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.paused.store(false, Ordering::Relaxed);
    }

    /// Whether it was asked to wait.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }
}
