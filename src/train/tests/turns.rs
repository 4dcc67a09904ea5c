//! A training beside a window: whose turn it is, and a device that fails.

use super::*;
use crate::jobs::{Arbiter, Hand, Work};
use crate::nn::{ComputeThread, DeviceError, Fault, Turn, compute_device};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Longer than any test: nobody goes ahead of turn because the machine is slow.
const FOR_EVER: Duration = Duration::from_secs(3600);

fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(120), "never came: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_training_waits_for_a_stroke_and_for_a_prediction_and_serves_what_is_waited_for() {
    for on_thread in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let mut request = request(&folder.path().join("run"));
        request.recipe.epochs = 1;
        let device = || compute_device(DeviceChoice::Cpu, None).unwrap();
        let thread = on_thread.then(|| ComputeThread::start(device()).unwrap());
        request.compute = thread.clone();
        let arbiter = Arbiter::with_longest_wait(FOR_EVER);
        arbiter.frame(Hand::Paints);
        let control = TrainControl::in_turn(Turn::behind(arbiter.clone()));
        let (ctx, events) = context();
        let run = std::thread::spawn(move || train(&request, &control, &ctx));
        // What is asked of its thread while it waits.
        let served = || {
            let Some(thread) = &thread else { return true };
            let answer = thread.submit("answering", |_| 42).recv_timeout(Duration::from_secs(60));
            answer.is_ok_and(|answer| answer == Ok(42))
        };
        until("the wait for the stroke", || arbiter.waits(Work::Training));
        let first = served();
        let guard = arbiter.predicting();
        arbiter.frame(Hand::Still);
        let second = served();
        let waits = arbiter.waits(Work::Training);
        let seen: Vec<TrainEvent> = events.try_iter().collect();
        drop(guard);
        let summary = run.join().unwrap().unwrap();
        assert!(first && second, "on its thread {on_thread}");
        assert!(waits, "the stroke ended, but not the prediction");
        let is_step = |e: &TrainEvent| matches!(e, TrainEvent::Step { .. });
        assert!(!seen.iter().any(is_step), "a step went ahead of its turn");
        assert_eq!((summary.epochs, events.try_iter().filter(|e| is_step(e)).count()), (1, 3));
    }
}

/// Fails once, after so many calls.
fn failing(after: usize, reason: &'static str) -> TrainControl {
    let calls = AtomicUsize::new(0);
    let fault: Fault = Arc::new(move || {
        let failed = || DeviceError::Failed { what: "a training step", reason: reason.into() };
        (calls.fetch_add(1, Ordering::SeqCst) == after).then(failed)
    });
    TrainControl::in_turn(Turn::default().failing(Some(fault)))
}

#[test]
fn a_device_that_fails_ends_a_run_in_a_sentence_or_makes_its_batches_smaller() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(&folder.path().join("run"));
    request.recipe.epochs = 2;
    let lost = train(&request, &failing(4, "Parent device is lost"), &context().0).unwrap_err();
    assert!(lost.to_string().contains("Parent device is lost"), "{lost}");
    // The second epoch is done again from the checkpoint that the first one left.
    let mut unbroken = request.clone();
    unbroken.run = folder.path().join("unbroken");
    train(&unbroken, &TrainControl::new(), &context().0).unwrap();
    request.resume = true;
    train(&request, &TrainControl::new(), &context().0).unwrap();
    assert_eq!(weights(&request.run), weights(&unbroken.run));

    unbroken.recipe.halve_batch_on_lack_of_memory = true;
    unbroken.run = folder.path().join("smaller");
    let (ctx, events) = context();
    let summary = train(&unbroken, &failing(1, "Not enough memory left"), &ctx).unwrap();
    assert_eq!(summary.epochs, 2);
    let told = |e: &TrainEvent| matches!(e, TrainEvent::Warning(w) if w.contains("cut into 2 pieces"));
    assert_eq!(events.try_iter().filter(told).count(), 1);
}
