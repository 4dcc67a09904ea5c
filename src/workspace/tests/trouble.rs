//! A device that fails under a training and a prediction: window and masks go on.

use super::*;
use crate::nn::DeviceError;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the device is made to say; the second of it smaller work may get around.
const REASONS: [&str; 2] = ["Parent device is lost", "Not enough memory left"];

impl Desk {
    /// The device fails once, after so many steps or passes.
    fn fail_after(&mut self, steps: usize, reason: &'static str, failures: &Arc<AtomicUsize>) {
        let (calls, failures) = (AtomicUsize::new(0), failures.clone());
        self.w.learning.fault = Some(Arc::new(move || {
            if calls.fetch_add(1, Ordering::SeqCst) != steps {
                return None;
            }
            failures.fetch_add(1, Ordering::SeqCst);
            Some(DeviceError::Failed { what: "a step", reason: reason.into() })
        }));
    }
}

#[test]
fn masks_and_window_survive_a_hundred_failures_under_training_and_prediction() {
    const FAILURES: usize = 100;
    let mut desk = Desk::with_case();
    desk.paint_all_slices();
    let form = desk.train_form("good", 1);
    desk.w.dispatch(ModelCommand::Train(form));
    desk.settle();
    let run = desk.w.home.runs().join("good");
    let (own, drawn, layers) = (desk.layer_id(), desk.labels(), desk.document().case.layers.len());
    let failures = Arc::new(AtomicUsize::new(0));
    for n in 0..FAILURES {
        let reason = REASONS[n / 2 % 2];
        let predicts = n % 2 == 1;
        // A training of two epochs has two steps; the slices of the case are one pass.
        desk.fail_after(if predicts { 0 } else { n / 4 % 2 }, reason, &failures);
        desk.w.take_notices();
        if predicts {
            desk.w.dispatch(ModelCommand::Predict { run: run.clone(), device: DeviceChoice::Cpu });
        } else {
            let form = desk.train_form(&format!("run-{n}"), 2);
            desk.w.dispatch(ModelCommand::Train(form));
        }
        desk.settle();
        assert_eq!(failures.load(Ordering::SeqCst), n + 1, "failure {n} did not come");
        assert!(!desk.w.models.is_training() && !desk.w.models.is_predicting(), "{n}");
        let notices = desk.w.take_notices();
        let told = |words: &str| notices.iter().any(|notice| notice.text.contains(words));
        // A prediction goes on with fewer slices at once; everything else ends in a sentence.
        let goes_on = predicts && reason == REASONS[1];
        assert!(told(if goes_on { "lacks memory" } else { reason }), "{n}: {notices:?}");
        assert_eq!(desk.document().case.layers.len(), layers + usize::from(goes_on), "{n}");
        if goes_on {
            desk.w.dispatch(EditCommand::Undo);
            desk.w.dispatch(LayerCommand::Select(own));
        }
        assert!(desk.document().case.layer(own).unwrap().labels == drawn, "{n}: the mask changed");
    }
    // With a device that is well again everything works, undo too.
    desk.w.learning.fault = None;
    desk.w.take_notices();
    let form = desk.train_form("after", 1);
    desk.w.dispatch(ModelCommand::Train(form));
    desk.settle();
    desk.w.dispatch(ModelCommand::Predict { run: desk.w.home.runs().join("after"), device: DeviceChoice::Cpu });
    desk.settle();
    assert_eq!(desk.document().case.layers.len(), layers + 1, "{:?}", desk.w.take_notices());
    desk.w.dispatch(EditCommand::Undo);
    desk.w.dispatch(EditCommand::Undo);
    assert!(desk.document().case.layer(own).unwrap().labels != drawn, "the last stroke is taken back");
    desk.w.dispatch(EditCommand::Redo);
    assert!(desk.document().case.layer(own).unwrap().labels == drawn);
}

#[test]
fn a_training_and_a_prediction_of_the_window_wait_for_its_stroke() {
    use crate::jobs::{Arbiter, Hand, Work};
    let mut desk = Desk::with_case();
    desk.paint_all_slices();
    let form = desk.train_form("good", 1);
    desk.w.dispatch(ModelCommand::Train(form));
    desk.settle();
    // Longer than any test: nobody goes ahead of turn because the machine is slow.
    desk.w.learning.arbiter = Arbiter::with_longest_wait(Duration::from_secs(3600));
    desk.w.learning.arbiter.frame(Hand::Paints);
    let form = desk.train_form("waits", 1);
    desk.w.dispatch(ModelCommand::Train(form));
    desk.w.dispatch(ModelCommand::Predict { run: desk.w.home.runs().join("good"), device: DeviceChoice::Cpu });
    let waits = |work: Work| move |w: &Workspace| w.learning.arbiter.waits(work);
    desk.until("the prediction's wait", waits(Work::Prediction));
    desk.until("the training's wait", waits(Work::Training));
    desk.w.poll();
    assert!(desk.w.models.training.as_ref().is_some_and(|t| t.step_loss.is_empty()), "a step went ahead");
    let layers = desk.document().case.layers.len();
    desk.w.learning.arbiter.frame(Hand::Still);
    desk.settle();
    assert!(!desk.w.models.training.as_ref().unwrap().step_loss.is_empty());
    assert_eq!(desk.document().case.layers.len(), layers + 1);
}
