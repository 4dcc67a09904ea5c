//! Whose turn it is: what training and predictions ask in front of each step, beside a window and in tests that make the
//! device fail. Used by `train`, `predict` and `learn`; without a window nobody waits.

use super::DeviceError;
use crate::jobs::{Arbiter, BackgroundPool, CancelToken, Patience, Predicting};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Makes the device fail where a test wants it to.
pub type Fault = Arc<dyn Fn() -> Option<DeviceError> + Send + Sync>;

/// How work shares the machine. The default shares it with nobody.
#[derive(Clone, Default)]
pub struct Turn {
    arbiter: Option<Arbiter>,
    fault: Option<Fault>,
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waits, fails) = (self.arbiter.is_some(), self.fault.is_some());
        f.debug_struct("Turn").field("waits", &waits).field("fails", &fails).finish()
    }
}

impl Turn {
    /// Behind what a window draws and its hand paints.
    pub fn behind(arbiter: Arbiter) -> Self {
        Self { arbiter: Some(arbiter), fault: None }
    }

    /// The same on a device that fails when `fault` says so, for tests.
    #[must_use]
    pub fn failing(self, fault: Option<Fault>) -> Self {
        Self { fault, ..self }
    }

    /// Fails where a test wants the device to.
    ///
    /// # Errors
    /// That of the test.
    pub fn check(&self) -> Result<(), DeviceError> {
        self.fault.as_ref().and_then(|fault| fault()).map_or(Ok(()), Err)
    }

    /// As [`Arbiter::before_step`]; `serve` is called in any case.
    pub fn before_step(&self, last: Duration, cancel: &CancelToken, serve: impl Fn()) {
        match &self.arbiter {
            Some(arbiter) => arbiter.before_step(last, cancel, serve),
            None => serve(),
        }
    }

    /// As [`Arbiter::before_prediction`].
    pub fn before_prediction(&self, last: Duration, cancel: &CancelToken) {
        if let Some(arbiter) = &self.arbiter {
            arbiter.before_prediction(last, cancel);
        }
    }

    /// Training waits while the result lives.
    #[must_use]
    pub fn predicting(&self) -> Option<Predicting> {
        self.arbiter.as_ref().map(Arbiter::predicting)
    }

    /// Runs `work` on threads that give way to the window, where there is one; on the calling thread else.
    pub fn run<T: Send>(&self, patience: Patience, work: impl FnOnce() -> T + Send) -> T {
        match &self.arbiter {
            Some(_) => BackgroundPool::new(patience).run(work),
            None => work(),
        }
    }
}
