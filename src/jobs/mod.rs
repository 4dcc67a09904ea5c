//! Work off the calling thread: progress, cancellation, streamed events, one result.
//!
//! Floor 0. Owns worker threads and helper processes; knows nothing of what they do. Any module may start a job or take part in one.
//! The window polls handles each frame and is woken by the job's [`Waker`]; the command line blocks on them.

mod arbiter;
mod background;
mod cpu;
mod helper;
mod limits;
mod memory;
mod panics;

pub use arbiter::{Arbiter, Hand, Predicting, Work};
pub use background::{BackgroundPool, Patience, yield_to_others};
pub use cpu::thread_cpu_time;
pub use helper::{HelperError, Helpers, serve_helper};
pub use limits::Limits;
pub use memory::ReleaseMemory;
pub use panics::{catch_panic, caught_panics, quiet_caught_panics};

use crossbeam_channel::{Receiver, Sender, unbounded};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Called by a job whenever there is something new to look at (the window passes a repaint request).
#[derive(Clone)]
pub struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Waker {
    /// Wakes by calling `f`.
    pub fn new(f: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(f))
    }

    /// For callers that block instead.
    pub fn none() -> Self {
        Self::new(|| {})
    }

    /// Wakes.
    pub fn wake(&self) {
        (self.0)();
    }
}

/// A request to stop, shared by a job and whoever started it.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks the job to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How far a job is, written by the job and read by anyone.
#[derive(Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    message: Mutex<String>,
}

impl Progress {
    /// Sets both counts; `total` 0 means unknown.
    pub fn set(&self, done: u64, total: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
    }

    /// Counts one more item.
    pub fn step(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// What is being done now, in plain words.
    pub fn say(&self, message: impl Into<String>) {
        *self.message.lock().unwrap_or_else(PoisonError::into_inner) = message.into();
    }

    /// Done and total.
    pub fn counts(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    /// Fraction in `0..=1`, or `None` when the total is unknown.
    pub fn fraction(&self) -> Option<f32> {
        let (done, total) = self.counts();
        (total > 0).then(|| (done as f64 / total as f64).min(1.0) as f32)
    }

    /// The last message.
    pub fn message(&self) -> String {
        self.message.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a job sees of its handle.
pub struct JobContext<E> {
    pub cancel: CancelToken,
    pub progress: Arc<Progress>,
    events: Sender<E>,
    waker: Waker,
}

impl<E> JobContext<E> {
    /// For calling job code on the current thread; events are dropped.
    pub fn detached() -> Self {
        let (events, _) = unbounded();
        Self { cancel: CancelToken::default(), progress: Arc::default(), events, waker: Waker::none() }
    }

    /// A context and the channel its events arrive on, for calling job code on the current thread.
    pub fn attached(cancel: CancelToken, progress: Arc<Progress>, waker: Waker) -> (Self, Receiver<E>) {
        let (events, receiver) = unbounded();
        (Self { cancel, progress, events, waker }, receiver)
    }

    /// Sends an event and wakes the listener.
    pub fn send(&self, event: E) {
        // A dropped receiver means nobody listens any more; the job finds out by its cancel token.
        let _ = self.events.send(event);
        self.waker.wake();
    }

    /// Progress changed: wakes the listener.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Whether the job should stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

/// How a job ended.
#[derive(Debug)]
pub enum Outcome<T, Err> {
    Done(T),
    Failed(Err),
    /// The worker panicked; the text is the panic's message. A defect of ours, never the user's fault.
    Crashed(String),
}

/// A running job. Dropping the handle cancels it.
pub struct JobHandle<E, T, Err> {
    name: &'static str,
    pub cancel: CancelToken,
    pub progress: Arc<Progress>,
    events: Receiver<E>,
    result: Receiver<Outcome<T, Err>>,
}

impl<E, T, Err> JobHandle<E, T, Err> {
    /// What the job is called in the window's job list.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The next event, if one waits.
    pub fn try_event(&self) -> Option<E> {
        self.events.try_recv().ok()
    }

    /// The channel of events, for callers that block.
    pub fn events(&self) -> &Receiver<E> {
        &self.events
    }

    /// The outcome, once.
    pub fn try_result(&self) -> Option<Outcome<T, Err>> {
        self.result.try_recv().ok()
    }

    /// Waits for the outcome.
    pub fn wait(self) -> Outcome<T, Err> {
        self.result.recv().unwrap_or_else(|_| Outcome::Crashed("the worker ended without a result".into()))
    }
}

impl<E, T, Err> Drop for JobHandle<E, T, Err> {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Runs `work` on a thread of its own, with a stack large enough for deeply nested files.
pub fn spawn<E, T, Err>(
    name: &'static str,
    waker: Waker,
    work: impl FnOnce(&JobContext<E>) -> Result<T, Err> + Send + 'static,
) -> JobHandle<E, T, Err>
where
    E: Send + 'static,
    T: Send + 'static,
    Err: Send + 'static,
{
    let cancel = CancelToken::default();
    let progress = Arc::new(Progress::default());
    let (event_sender, events) = unbounded();
    let (result_sender, result) = unbounded();
    let context =
        JobContext { cancel: cancel.clone(), progress: progress.clone(), events: event_sender, waker: waker.clone() };
    let crash_sender = result_sender.clone();
    let spawned = std::thread::Builder::new().name(name.into()).stack_size(16 << 20).spawn(move || {
        let _memory = ReleaseMemory::afterwards();
        let outcome = match catch_panic(|| work(&context)) {
            Ok(Ok(value)) => Outcome::Done(value),
            Ok(Err(error)) => Outcome::Failed(error),
            Err(text) => Outcome::Crashed(text),
        };
        let _ = result_sender.send(outcome);
        waker.wake();
    });
    if let Err(error) = spawned {
        let _ = crash_sender.send(Outcome::Crashed(format!("no thread could be started: {error}")));
    }
    JobHandle { name, cancel, progress, events, result }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_then_result_then_silence() {
        let job = spawn("count", Waker::none(), |ctx: &JobContext<u32>| {
            for i in 0..3 {
                ctx.progress.set(u64::from(i), 3);
                ctx.send(i);
            }
            Ok::<_, String>("end")
        });
        assert_eq!(job.events().iter().take(3).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(matches!(job.wait(), Outcome::Done("end")));
    }

    #[test]
    fn dropping_cancels_and_panics_are_reported() {
        let job = spawn("wait", Waker::none(), |ctx: &JobContext<()>| {
            while !ctx.is_cancelled() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            Ok::<_, String>(())
        });
        let token = job.cancel.clone();
        drop(job);
        assert!(token.is_cancelled());
        let job = spawn("boom", Waker::none(), |_: &JobContext<()>| -> Result<(), String> { panic!("as planned") });
        assert!(matches!(job.wait(), Outcome::Crashed(text) if text == "as planned"));
    }
}
