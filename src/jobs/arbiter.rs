//! Who goes first on one machine: drawing before painting before prediction before training.
//!
//! The window reports each frame and what the hand does; whoever predicts says so while it lasts, and asks before every
//! pass; training asks before every step. Both wait their turn. Nothing here blocks the window.

use super::CancelToken;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What the hand does in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// Nothing moved.
    Still,
    /// The pointer moved, a wheel turned, a key went down.
    Moves,
    /// Between press and release of a stroke.
    Paints,
}

/// What waits for its turn, behind what the hand does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Waits for drawing and painting.
    Prediction,
    /// Waits for these and for predictions.
    Training,
}

/// For how long a movement counts.
const MOVED: Duration = Duration::from_millis(150);
/// Whoever waits gets a turn at least this often, however long a stroke lasts.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// After a movement no more than this is left to drawing before a step or a pass.
const LONGEST_SHARE: Duration = Duration::from_millis(400);
const NAP: Duration = Duration::from_millis(4);

/// Shared by the window and everyone who computes; clones speak of the same machine.
#[derive(Clone)]
pub struct Arbiter(Arc<State>);

struct State {
    origin: Instant,
    painting: AtomicBool,
    /// Nanoseconds since `origin` at which a hand moved last; 0 for never.
    moved: AtomicU64,
    predictions: AtomicUsize,
    /// Predictions and trainings that wait at this moment.
    waiting: [AtomicUsize; 2],
    longest_wait: Duration,
    /// Drawing and work run on the same processors, or through the same queue of a graphics device.
    shares: AtomicBool,
    /// Off: training never waits, for measuring what waiting costs.
    enabled: AtomicBool,
    waited: AtomicU64,
    worked: AtomicU64,
}

impl Default for Arbiter {
    fn default() -> Self {
        Self::with_longest_wait(LONGEST_WAIT)
    }
}

/// While it lives, somebody waits for a prediction.
pub struct Predicting(Arbiter);

impl Drop for Predicting {
    fn drop(&mut self) {
        self.0.0.predictions.fetch_sub(1, Ordering::SeqCst);
    }
}

/// While it lives, somebody waits for a turn.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Arbiter {
    /// With another longest wait than the usual three seconds: what looks at the order of things must not depend on how
    /// long they take.
    pub fn with_longest_wait(longest_wait: Duration) -> Self {
        Self(Arc::new(State {
            origin: Instant::now(),
            painting: AtomicBool::new(false),
            moved: AtomicU64::new(0),
            predictions: AtomicUsize::new(0),
            waiting: Default::default(),
            longest_wait,
            shares: AtomicBool::new(true),
            enabled: AtomicBool::new(true),
            waited: AtomicU64::new(0),
            worked: AtomicU64::new(0),
        }))
    }

    /// The window says what the hand did in this frame.
    pub fn frame(&self, hand: Hand) {
        self.0.painting.store(hand == Hand::Paints, Ordering::SeqCst);
        if hand != Hand::Still {
            self.0.moved.store(self.now().max(1), Ordering::Relaxed);
        }
    }

    /// Whether a stroke is under way.
    pub fn is_painting(&self) -> bool {
        self.0.painting.load(Ordering::SeqCst)
    }

    /// Whether somebody waits for a turn at this moment.
    pub fn waits(&self, work: Work) -> bool {
        self.0.waiting[work as usize].load(Ordering::SeqCst) > 0
    }

    /// Training waits while the result lives.
    #[must_use]
    pub fn predicting(&self) -> Predicting {
        self.0.predictions.fetch_add(1, Ordering::SeqCst);
        Predicting(self.clone())
    }

    /// Whether drawing and work run on the same processors or through the same queue, as they do until this is said. Where
    /// they do not, a hand that moves takes nothing from work: only a stroke and a prediction are waited for.
    pub fn share(&self, on: bool) {
        self.0.shares.store(on, Ordering::Relaxed);
    }

    /// Lets training run without waiting (`false`), for measurements.
    pub fn enable(&self, on: bool) {
        self.0.enabled.store(on, Ordering::Relaxed);
    }

    /// Called by training in front of a step; `last` is how long the step before took. Waits while somebody paints or
    /// predicts; while a hand moves over what is drawn by the same means, as long as the last step took, so that half of the
    /// time is left to drawing. Ends at once when `cancel` is set.
    ///
    /// `serve` does what others ask of the calling thread. It is called at once and again and again while this waits:
    /// where training and predictions share a thread, the prediction that is waited for can only be made here.
    pub fn before_step(&self, last: Duration, cancel: &CancelToken, serve: impl Fn()) {
        let waited = self.wait(Work::Training, last, cancel, &serve);
        self.0.waited.fetch_add(waited.as_nanos() as u64, Ordering::Relaxed);
        self.0.worked.fetch_add(last.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Called by a prediction in front of a pass through the network; `last` is how long the pass before took. Waits while
    /// somebody paints, and while a hand moves as long as the last pass took.
    pub fn before_prediction(&self, last: Duration, cancel: &CancelToken) {
        self.wait(Work::Prediction, last, cancel, &|| {});
    }

    fn wait(&self, work: Work, last: Duration, cancel: &CancelToken, serve: &dyn Fn()) -> Duration {
        let begun = Instant::now();
        serve();
        if !self.0.enabled.load(Ordering::Relaxed) {
            return begun.elapsed();
        }
        let share = last.min(LONGEST_SHARE);
        let mut waiting = None;
        while !cancel.is_cancelled() && begun.elapsed() < self.0.longest_wait {
            let predicted = work == Work::Training && self.0.predictions.load(Ordering::SeqCst) > 0;
            let must = self.is_painting() || predicted;
            let may = self.0.shares.load(Ordering::Relaxed) && self.moves() && begun.elapsed() < share;
            if !must && !may {
                break;
            }
            waiting.get_or_insert_with(|| Waiting::new(&self.0.waiting[work as usize]));
            std::thread::sleep(NAP);
            serve();
        }
        begun.elapsed()
    }

    /// Share of the time that training had for itself so far, `0..=1`; `None` before the first step.
    pub fn training_share(&self) -> Option<f64> {
        let (worked, waited) = (self.0.worked.load(Ordering::Relaxed), self.0.waited.load(Ordering::Relaxed));
        (worked > 0).then(|| worked as f64 / (worked + waited) as f64)
    }

    fn moves(&self) -> bool {
        let moved = self.0.moved.load(Ordering::Relaxed);
        moved > 0 && self.now().saturating_sub(moved) < MOVED.as_nanos() as u64
    }

    fn now(&self) -> u64 {
        self.0.origin.elapsed().as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_waits_for_the_hand_and_for_predictions_and_never_for_ever() {
        let (arbiter, cancel) = (Arbiter::default(), CancelToken::default());
        let step = Duration::from_millis(20);
        arbiter.before_step(step, &cancel, || {});
        assert!(arbiter.training_share().unwrap() > 0.5);
        arbiter.frame(Hand::Paints);
        let other = arbiter.clone();
        let ends = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(120));
            other.frame(Hand::Still);
        });
        let begun = Instant::now();
        arbiter.before_step(Duration::ZERO, &cancel, || {});
        assert!(begun.elapsed() >= Duration::from_millis(100), "it waited for the stroke's end");
        ends.join().unwrap();
        let guard = arbiter.predicting();
        cancel.cancel();
        arbiter.before_step(step, &cancel, || {});
        drop(guard);
        assert!(arbiter.training_share().unwrap() < 0.5);
        // Off means off.
        let (off, cancel) = (Arbiter::default(), CancelToken::default());
        off.enable(false);
        off.frame(Hand::Paints);
        off.before_step(step, &cancel, || {});
        assert!(off.training_share().unwrap() > 0.9);
    }

    #[test]
    fn a_hand_that_moves_takes_nothing_from_work_that_shares_nothing_with_drawing() {
        for shares in [true, false] {
            let (arbiter, cancel) = (Arbiter::default(), CancelToken::default());
            arbiter.share(shares);
            arbiter.frame(Hand::Moves);
            let calls = std::cell::Cell::new(0);
            arbiter.before_step(Duration::from_secs(1), &cancel, || calls.set(calls.get() + 1));
            assert_eq!(calls.get() == 1, !shares);
        }
        // A stroke is waited for all the same.
        let arbiter = Arbiter::with_longest_wait(Duration::from_millis(30));
        arbiter.share(false);
        arbiter.frame(Hand::Paints);
        let calls = std::cell::Cell::new(0);
        arbiter.before_step(Duration::ZERO, &CancelToken::default(), || calls.set(calls.get() + 1));
        assert!(calls.get() > 1);
    }

    #[test]
    fn a_prediction_on_the_thread_of_the_training_is_made_while_it_is_waited_for() {
        let arbiter = Arbiter::default();
        let waiting = std::cell::RefCell::new(Some(arbiter.predicting()));
        let calls = std::cell::Cell::new(0);
        let begun = Instant::now();
        // Asked for after the training looked for the last time.
        arbiter.before_step(Duration::ZERO, &CancelToken::default(), || {
            calls.set(calls.get() + 1);
            if calls.get() == 2 {
                waiting.take();
            }
        });
        assert_eq!(calls.get(), 2);
        assert!(begun.elapsed() < LONGEST_WAIT);
    }

    #[test]
    fn painting_comes_before_a_prediction_and_that_before_training() {
        use std::sync::Mutex;
        // Long enough that nobody goes ahead of turn on a slow machine.
        let arbiter = Arbiter::with_longest_wait(Duration::from_secs(3600));
        arbiter.frame(Hand::Paints);
        let order = Mutex::new(Vec::new());
        let cancel = CancelToken::default();
        let early = std::thread::scope(|scope| {
            scope.spawn(|| {
                arbiter.before_step(Duration::ZERO, &cancel, || {});
                order.lock().unwrap().push(Work::Training);
            });
            scope.spawn(|| {
                let _guard = arbiter.predicting();
                arbiter.before_prediction(Duration::ZERO, &cancel);
                order.lock().unwrap().push(Work::Prediction);
            });
            while !(arbiter.waits(Work::Training) && arbiter.waits(Work::Prediction)) {
                std::thread::sleep(NAP);
            }
            let early = order.lock().unwrap().len();
            arbiter.frame(Hand::Still);
            early
        });
        assert_eq!(early, 0, "nothing goes ahead of a stroke");
        assert_eq!(order.into_inner().unwrap(), [Work::Prediction, Work::Training]);
        assert!(!arbiter.waits(Work::Training) && !arbiter.waits(Work::Prediction));
    }
}
