//! Training and prediction through commands, on the CPU and tiny.

use super::*;
use crate::core::Origin;
use crate::jobs::{Arbiter, Hand, Work};
use crate::workspace::{CohortCommand, CohortRequest, Judged};

impl Desk {
    fn train(&mut self, run: &str) -> PathBuf {
        let form = self.train_form(run, 1);
        self.w.dispatch(ModelCommand::Train(form));
        self.settle();
        let ended = self.w.models.training.as_ref().map(|t| t.state);
        assert_eq!(ended, Some(TrainingState::Ended), "{:?}", self.w.take_notices());
        self.w.home.runs().join(run)
    }
}

#[test]
fn training_then_predictions_that_change_nothing_else() {
    let mut desk = Desk::with_case();
    desk.paint_all_slices();
    let form = desk.train_form("one", 400);
    desk.w.dispatch(ModelCommand::Train(form));
    desk.until("the first step", |w| w.models.training.as_ref().is_some_and(|t| !t.step_loss.is_empty()));
    desk.w.dispatch(ModelCommand::Pause);
    let state = |w: &Workspace| w.models.training.as_ref().map(|t| t.state);
    desk.until("the pause", |w| state(w) == Some(TrainingState::Paused));
    let steps = desk.w.models.training.as_ref().unwrap().step_loss.len();
    // The window goes on painting; the training has its own snapshot.
    desk.stroke(true, [20.0, 18.0, 4.0], [20.0, 18.0, 4.0]);
    desk.w.poll();
    assert_eq!(desk.w.models.training.as_ref().unwrap().step_loss.len(), steps, "paused means paused");
    desk.w.dispatch(ModelCommand::Resume);
    desk.until("more steps", |w| w.models.training.as_ref().is_some_and(|t| t.step_loss.len() > steps + 2));
    desk.w.dispatch(ModelCommand::Stop);
    desk.settle();
    assert!(!desk.w.models.is_training());

    let run = desk.train("two");
    assert!(desk.w.models.runs.iter().any(|r| r.folder == run && r.ready));
    let before: Vec<_> = desk.document().case.layers.iter().map(|l| (l.id, l.labels.to_dense())).collect();
    let judged = desk.layer_id();
    desk.w.dispatch(ModelCommand::Predict { run: run.clone(), device: DeviceChoice::Cpu });
    assert!(desk.w.models.is_predicting());
    desk.settle();
    let document = desk.document();
    assert_eq!(document.case.layers.len(), before.len() + 1);
    for (id, bits) in &before {
        assert_eq!(&document.case.layer(*id).unwrap().labels.to_dense(), bits);
    }
    assert!(matches!(&document.layer().unwrap().origin, Origin::Model { run, .. } if run == "two"));
    desk.w.dispatch(EditCommand::Undo);
    assert_eq!(desk.document().case.layers.len(), before.len());

    // Deleting layers or the case while it is predicted.
    desk.w.dispatch(ModelCommand::Predict { run: run.clone(), device: DeviceChoice::Cpu });
    desk.w.dispatch(LayerCommand::Delete(judged));
    desk.settle();
    assert_eq!(desk.document().case.layers.len(), 1);
    let id = desk.document().case.id;
    desk.w.take_notices();
    desk.w.dispatch(ModelCommand::Predict { run, device: DeviceChoice::Cpu });
    desk.w.dispatch(OpenCommand::Close(id));
    desk.settle();
    assert!(desk.w.documents().is_empty() && !desk.w.models.is_predicting());
    assert!(desk.w.take_notices().iter().all(|n| !n.text.contains("prediction is a layer")));
}

#[test]
fn a_run_that_a_cohort_judges_gives_way_to_a_stroke() {
    let mut desk = Desk::with_case();
    desk.paint_all_slices();
    let run = desk.train("judged");
    let data = desk.dir.path().join("set");
    desk.w.dispatch(LayerCommand::Reviewed(desk.layer_id(), true));
    desk.w.dispatch(FileCommand::ExportReviewed(data.clone()));
    desk.settle();
    // Longer than any test: nobody goes ahead of turn because the machine is slow.
    desk.w.learning.arbiter = Arbiter::with_longest_wait(Duration::from_secs(3600));
    let arbiter = desk.w.learning.arbiter.clone();
    arbiter.frame(Hand::Paints);
    let request = CohortRequest { all_cases: true, sheets: false, ..CohortRequest::new(data, vec![Judged::at(run)]) };
    let request = CohortRequest { device: DeviceChoice::Cpu, ..request };
    desk.w.dispatch(ReviewCommand::Cohort(CohortCommand::Files(Box::new(request))));
    desk.until("the wait for the stroke", |w| w.learning.arbiter.waits(Work::Prediction) || !w.cohort.running);
    assert!(desk.w.cohort.running && desk.w.cohort.inputs.cases.is_empty(), "{:?}", desk.w.take_notices());
    arbiter.frame(Hand::Still);
    desk.settle();
    assert_eq!(desk.w.cohort.inputs.cases.len(), 1, "{:?}", desk.w.take_notices());
}

#[test]
fn what_cannot_be_trained_is_said_at_once() {
    let mut desk = Desk::with_case();
    let refused = |desk: &mut Desk, form: TrainForm, word: &str| {
        desk.w.take_notices();
        desk.w.dispatch(ModelCommand::Train(form));
        desk.settle();
        let notices = desk.w.take_notices();
        assert!(notices.iter().any(|n| n.level == Level::Error && n.text.contains(word)), "{word}: {notices:?}");
        assert!(!desk.w.models.is_training());
    };
    let form = desk.train_form("run", 1);
    refused(&mut desk, form.clone(), "mask");
    desk.paint_all_slices();
    refused(&mut desk, TrainForm { run: "../run".into(), ..form.clone() }, "name");
    refused(&mut desk, TrainForm { recipe: "no-such-recipe".into(), ..form.clone() }, "no-such-recipe");
    let folder = TrainSource::Folder(desk.dir.path().join("nowhere"));
    refused(&mut desk, TrainForm { source: folder, ..form }, "nowhere");
    desk.w.take_notices();
    desk.w.dispatch(ModelCommand::Predict { run: desk.dir.path().join("none"), device: DeviceChoice::Cpu });
    desk.settle();
    assert!(desk.w.take_notices().iter().any(|n| n.level == Level::Error));
    assert_eq!(desk.document().case.layers.len(), 1);
}
