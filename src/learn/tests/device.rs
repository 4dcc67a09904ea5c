//! Rounds on the thread that owns a device, and devices that fail or run out of memory.

use super::*;
use crate::jobs::{Arbiter, CancelToken, Hand, Waker, Work};
use crate::learn::place::Place;
use crate::learn::round::fine_tune_in_turn;
use crate::nn::{ComputeThread, DeviceError, Turn};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(120), "never came: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The result of work that is done while others wait.
fn meanwhile<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = crossbeam_channel::bounded(1);
    std::thread::spawn(move || done.send(work()));
    result.recv_timeout(Duration::from_secs(120)).expect("it waited for what waits for it")
}

/// A loop with four corrected slices.
fn session(dir: &Path) -> Session {
    let mut session = Session::create(&dir.join("loop"), start(&recipe())).unwrap();
    for n in 0..4 {
        add(&mut session, n);
    }
    session
}

fn thread() -> ComputeThread {
    ComputeThread::start(compute_device(DeviceChoice::Cpu, None).unwrap()).unwrap()
}

fn failed(reason: &str) -> DeviceError {
    DeviceError::Failed { what: "a training step", reason: reason.into() }
}

#[test]
fn a_round_on_the_compute_thread_waits_for_the_hand_and_lets_predictions_go_first() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(dir.path());
    let place = Place::Thread(thread());
    // Longer than any test: nobody goes ahead of turn because the machine is slow.
    let arbiter = Arbiter::with_longest_wait(Duration::from_secs(3600));
    arbiter.frame(Hand::Paints);
    let turn = Turn::behind(arbiter.clone());
    let running = place.start(session.round().unwrap(), turn.clone());
    until("the wait for the stroke", || arbiter.waits(Work::Training));
    // The network is built and asked on the thread of the round, in its waits.
    let (other, behind, spec, weights) = (place.clone(), turn.clone(), session.spec(), session.weights().clone());
    let segmenter = meanwhile(move || other.load(spec, weights, &behind)).unwrap();
    let guard = arbiter.predicting();
    arbiter.frame(Hand::Still);
    let asked = segmenter.clone();
    let answer =
        meanwhile(move || place.short("predicting", &turn, move || asked.network_probabilities(&[slice(9).hu])));
    let (waits, steps) = (arbiter.waits(Work::Training), running.steps.len());
    drop(guard);
    assert_eq!(answer.unwrap().len(), 1);
    assert!(waits && steps == 0, "the stroke ended, but not the prediction: {steps} steps");
    let output = running.outcome.recv_timeout(Duration::from_secs(120)).unwrap().unwrap();
    let told = running.steps.try_iter().filter(|(step, _)| matches!(step, RoundStep::Step { .. })).count();
    assert!(told >= output.steps && output.steps > 0, "{told} of {}", output.steps);
    // On that thread as on this one.
    let device = compute_device(DeviceChoice::Cpu, None).unwrap();
    let here = fine_tune(session.round().unwrap(), &device, &mut |_| true).unwrap();
    assert_eq!((output.weights, output.figures), (here.weights, here.figures));
}

/// One round with errors at these calls of the device; what it told of its batches, and its outcome.
fn round_with(session: &Session, lacking: &'static [usize]) -> (Vec<usize>, Result<RoundOutput, LearnError>) {
    let calls = AtomicUsize::new(0);
    let fault: Fault = Arc::new(move || {
        lacking.contains(&calls.fetch_add(1, Ordering::SeqCst)).then(|| failed("Not enough memory left"))
    });
    let mut pieces = Vec::new();
    let device = compute_device(DeviceChoice::Cpu, None).unwrap();
    let turn = Turn::default().failing(Some(fault));
    let outcome = fine_tune_in_turn(session.round().unwrap(), &device, &turn, &mut |step| {
        if let RoundStep::Cut { pieces: now } = step {
            pieces.push(now);
        }
        true
    });
    (pieces, outcome)
}

#[test]
fn a_round_that_lacks_memory_goes_on_with_smaller_batches() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(dir.path());
    // Two sets are judged first; then the first step fails twice, and again in pieces of one slice.
    let (pieces, outcome) = round_with(&session, &[2, 3]);
    let output = outcome.unwrap();
    assert_eq!(pieces, [2, 4]);
    assert!(output.steps > 0 && output.figures.corrected.is_some());
    let (pieces, outcome) = round_with(&session, &[0]);
    assert_eq!((pieces, outcome.is_ok()), (vec![2], true), "while it judges");
    let (pieces, outcome) = round_with(&session, &[2, 3, 4]);
    assert_eq!(pieces, [2, 4], "there is nothing left to cut");
    let error = outcome.unwrap_err();
    assert!(error.is_lack_of_memory() && error.is_of_device(), "{error}");
    assert!(error.to_string().contains("Not enough memory left"), "{error}");
}

#[test]
fn the_runner_says_that_batches_are_smaller_and_goes_on_with_the_processor_after_a_loss() {
    let dir = tempfile::tempdir().unwrap();
    let troubles: Arc<Mutex<VecDeque<&'static str>>> = Arc::default();
    let next = troubles.clone();
    let request = RunnerRequest {
        folder: dir.path().join("loop"),
        begin: Begin::New(Box::new(|_: &JobContext<Tell>| Ok(start(&recipe())))),
        device: DeviceChoice::Gpu,
        thread: Some(thread()),
        arbiter: Arbiter::default(),
        early: EarlyLabels::default(),
        fault: Some(Arc::new(move || next.lock().unwrap().pop_front().map(failed))),
    };
    let (asks, asked) = crossbeam_channel::unbounded();
    let (ctx, told) = JobContext::attached(CancelToken::default(), Arc::default(), Waker::none());
    let runner = std::thread::spawn(move || run(request, &asked, &ctx));
    let case = case(0);
    let mut warnings = Vec::new();
    let mut hear = |wanted: fn(&Tell) -> bool| {
        while let Ok(tell) = told.recv_timeout(Duration::from_secs(120)) {
            let found = wanted(&tell);
            if let Tell::Warning(text) = tell {
                warnings.push(text);
            }
            if found {
                return;
            }
        }
        panic!("never told; warned of {warnings:?}");
    };
    // The first passes do not fit.
    troubles.lock().unwrap().extend(["Out of Memory", "Out of Memory"]);
    asks.send(Ask::Case { case: 7, volume: case.volume.clone() }).unwrap();
    hear(|tell| matches!(tell, Tell::Ranked { case: 7, views, .. } if views.len() == 10));
    // Nothing is left to predict: the next that needs the device is the round.
    troubles.lock().unwrap().extend(["Out of Memory", "Parent device is lost"]);
    for slice in 0..4 {
        let classes = Box::new(std::array::from_fn(|n| u8::from(n == 1)));
        let (labels, origin) = (case.classes.clone(), SampleOrigin::Human);
        asks.send(Ask::Done { case: 7, slice, labels, classes, origin, effort: Effort::default() }).unwrap();
    }
    hear(|tell| matches!(tell, Tell::Round(_)));
    drop(asks);
    runner.join().unwrap().unwrap();
    let found = |words: &str| warnings.iter().filter(|text| text.contains(words)).count();
    assert_eq!(found("are predicted at once"), 2, "{warnings:?}");
    assert_eq!(found("batches in 2 pieces"), 1, "{warnings:?}");
    assert_eq!(found("goes on with the processor"), 1, "{warnings:?}");
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(troubles.lock().unwrap().is_empty());
}
