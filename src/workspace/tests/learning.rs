//! The learning loop through commands: what a person touches stays, everything else follows the network.

use super::*;
use crate::core::{Origin, Plane};
use crate::learn::LoopConfig;
use crate::nn::{AxialView, DeviceError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

impl Desk {
    /// A run that has learnt very little, and the layer it was taught with gone.
    pub(super) fn little_run(&mut self) -> PathBuf {
        self.paint_all_slices();
        let form = self.train_form("little", 1);
        self.w.dispatch(ModelCommand::Train(form));
        self.settle();
        let layer = self.layer_id();
        self.w.dispatch(LayerCommand::Delete(layer));
        self.w.home.runs().join("little")
    }

    pub(super) fn learn_form(&self, run: PathBuf) -> LearnForm {
        LearnForm {
            run,
            name: "loop".into(),
            device: DeviceChoice::Cpu,
            earlier: None,
            config: LoopConfig {
                slices_per_round: 4,
                steps: 24,
                judge_every: 6,
                hold_out_every: 3,
                learning_rate: 2.0,
                ..LoopConfig::default()
            },
            all_cases: false,
        }
    }

    pub(super) fn start_loop(&mut self, form: LearnForm) {
        self.w.dispatch(LearnCommand::Start(Box::new(form)));
        self.ranked();
    }

    /// Waits until the version in use has predicted everything.
    pub(super) fn ranked(&mut self) {
        self.until("all predictions", |w| {
            w.active_document().and_then(Document::learned).is_some_and(|l| !l.is_waiting())
        });
    }

    fn rounds(&self) -> usize {
        self.w.learning.view.as_ref().and_then(|v| v.state.as_ref()).map_or(0, |s| s.rounds.len())
    }

    pub(super) fn show(&mut self, slice: usize) {
        self.w.dispatch(ViewCommand::Slice { plane: Plane::Axial, index: slice });
    }

    pub(super) fn mark(&self, slice: usize) -> SliceMark {
        self.document().learned().unwrap().mark(slice)
    }

    /// Erases the slice and paints what belongs there.
    pub(super) fn correct(&mut self, slice: usize) {
        let k = slice as f64;
        self.w.dispatch(EditCommand::BrushRadius(60.0));
        self.stroke(true, [20.0, 18.0, k], [20.0, 18.0, k]);
        self.w.dispatch(EditCommand::BrushRadius(7.0));
        self.stroke(false, [20.0, 18.0, k], [20.0, 18.0, k]);
    }

    /// Where the segment's voxels of a slice come from.
    fn slice_origins(&self, slice: usize) -> Vec<Origin> {
        let layer = self.document().layer().unwrap();
        let [nx, ny, _] = DIMS.map(|d| d as i64);
        let voxels = (0..nx * ny).map(|n| [n % nx, n / nx, slice as i64]);
        voxels.filter(|v| layer.labels.at(*v) != 0).map(|v| layer.origin_at(v).clone()).collect()
    }

    pub(super) fn slice_labels(&self, slice: usize) -> Vec<u8> {
        AxialView::new(&self.document().case.geometry).label_slice(&self.labels(), slice)
    }
}

#[test]
fn corrected_slices_teach_and_what_a_person_touched_is_never_predicted_over() {
    let mut desk = Desk::with_case();
    let run = desk.little_run();
    let form = desk.learn_form(run);
    desk.start_loop(form.clone());
    assert!((0..DIMS[2]).all(|k| desk.mark(k) == SliceMark::Predicted(0)));
    assert_eq!(desk.document().undo_name(), Some("Learning loop"), "predictions are no steps of the person's history");
    // Touched, and left unfinished.
    desk.show(15);
    desk.correct(15);
    let unfinished = desk.slice_labels(15);
    assert_eq!(desk.mark(15), SliceMark::Touched);
    desk.w.dispatch(LearnCommand::Next);
    let next = desk.document().slice_index(Plane::Axial);
    assert!(next != 15 && desk.w.status.contains(&format!("Slice {}", next + 1)), "{}", desk.w.status);
    let mut finished = Vec::new();
    for slice in [2, 5, 8, 11] {
        desk.show(slice);
        desk.correct(slice);
        desk.w.dispatch(LearnCommand::Done);
        assert_eq!(desk.mark(slice), SliceMark::Done);
        finished.push((slice, desk.slice_labels(slice)));
    }
    // A stroke that is under way while the round ends and its predictions come.
    desk.show(17);
    desk.w.dispatch(EditCommand::BeginStroke { erase: false, through_axis: 2 });
    desk.w.dispatch(EditCommand::ExtendStroke { from: DVec3::new(5.0, 5.0, 17.0), to: DVec3::new(6.0, 5.0, 17.0) });
    let during = desk.labels();
    desk.until("the round's end", |w| {
        w.learning.view.as_ref().and_then(|v| v.state.as_ref()).is_some_and(|s| !s.rounds.is_empty() && !s.tuning)
    });
    let view = desk.w.learning.view.clone().unwrap();
    let state = view.state.clone().unwrap();
    assert_eq!((state.corrected, state.pending), (4, 0));
    assert!(!view.outcome.is_empty());
    let (version, slices, effort) = state.effort[0];
    assert!(version == 0 && slices == 4 && (4..=8).contains(&effort.strokes) && effort.voxels > 0, "{effort:?}");
    let newest = SliceMark::Predicted(state.in_use);
    desk.until("its predictions", |w| {
        let follows = |m: SliceMark| m == newest || matches!(m, SliceMark::Touched | SliceMark::Done);
        w.active_document().and_then(Document::learned).is_some_and(|l| (0..DIMS[2]).all(|k| follows(l.mark(k))))
    });
    assert_eq!(desk.labels(), during, "nothing moves under a stroke");
    desk.w.dispatch(EditCommand::CommitStroke);
    desk.w.poll();
    for (slice, labels) in &finished {
        assert_eq!(desk.slice_labels(*slice), *labels);
    }
    assert_eq!(desk.slice_labels(15), unfinished);
    assert_eq!(desk.mark(17), SliceMark::Touched);
    let in_use = state.in_use;
    assert_eq!(desk.mark(0), SliceMark::Predicted(in_use));
    // Undo brings a brick back from before the predictions: what nobody touched is put right again.
    let now = desk.slice_labels(0);
    for _ in 0..3 {
        desk.w.dispatch(EditCommand::Undo);
    }
    assert_eq!(desk.slice_labels(0), now);
    let version = |n: usize| Origin::Model { run: "loop".into(), checkpoint: format!("version {n}") };
    assert_eq!(desk.document().layer().unwrap().origin, version(in_use));
    assert!((0..DIMS[2]).filter(|k| matches!(desk.mark(*k), SliceMark::Predicted(_))).all(|k| {
        let origins = desk.slice_origins(k);
        origins.iter().all(|o| *o == version(in_use))
    }));
    assert!(!desk.slice_origins(15).is_empty() && desk.slice_origins(15).iter().all(|o| *o == Origin::Human));
    // Stopped and gone on with: versions, rounds and finished slices are there again.
    desk.w.dispatch(LearnCommand::Stop);
    desk.settle();
    assert!(!desk.w.learning.is_running());
    desk.w.dispatch(LearnCommand::Done);
    desk.start_loop(form);
    assert_eq!(desk.rounds(), 1);
    assert_eq!(desk.mark(5), SliceMark::Done);
    assert_eq!(desk.slice_labels(5), finished[1].1, "in the layer of the session before");
    assert!(desk.slice_origins(5).iter().all(|o| *o == Origin::Human));
    assert_eq!(desk.document().case.layers.iter().filter(|l| l.name == "Loop loop").count(), 1);
    assert_eq!((desk.mark(15), desk.slice_labels(15)), (SliceMark::Touched, unfinished), "not predicted over");
    assert_eq!(desk.mark(0), SliceMark::Predicted(in_use));
    if in_use == 1 {
        desk.w.dispatch(LearnCommand::RollBack(0));
        desk.until("the rollback", |w| w.learning.view.as_ref().unwrap().state.as_ref().unwrap().in_use == 0);
        desk.until("old predictions", |w| {
            w.active_document().unwrap().learned().unwrap().mark(0) == SliceMark::Predicted(0)
        });
        assert!(desk.slice_origins(0).iter().all(|o| *o == version(0)));
        assert_eq!(desk.document().layer().unwrap().origin, version(0));
    }
    let model = desk.dir.path().join("model");
    desk.w.dispatch(LearnCommand::ExportModel(model.clone()));
    desk.until("the model", |_| model.exists());
    assert!(std::fs::read_to_string(model.join("card.md")).unwrap().contains("Limits"));
    assert!(model.join("weights.safetensors").is_file() && model.join("recipe.ron").is_file());
    let report = desk.dir.path().join("report.md");
    desk.w.dispatch(LearnCommand::Report(report.clone()));
    desk.until("the report", |_| report.exists());
    let text = std::fs::read_to_string(report).unwrap();
    assert!(text.contains("SHA-256") && text.contains("| 0 | 4 |"), "{text}");
    assert!(text.contains("Whether to go on") && text.contains("Every slice"), "{text}");
    desk.w.dispatch(LearnCommand::Stop);
    desk.settle();
    // The loop's folder predicts like any run.
    let folder = desk.w.home.runs().join("loop");
    assert!(desk.w.models.runs.iter().any(|r| r.folder == folder && r.ready && r.is_loop));
    desk.w.dispatch(ModelCommand::Predict { run: folder, device: DeviceChoice::Cpu });
    desk.settle();
    assert!(
        matches!(&desk.document().layer().unwrap().origin, crate::core::Origin::Model { checkpoint, .. } if checkpoint.starts_with("version"))
    );
}

#[test]
fn masks_and_window_survive_a_hundred_losses_of_the_device() {
    const LOSSES: usize = 100;
    let mut desk = Desk::with_case();
    let run = desk.little_run();
    // A mask of the person's own beside the loop's layer.
    desk.stroke(false, [12.0, 12.0, 3.0], [25.0, 20.0, 3.0]);
    let own = (desk.layer_id(), desk.labels());
    let (calls, losses) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = losses.clone();
    desk.w.learning.fault = Some(Arc::new(move || {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        // Every other call fails, until it has failed a hundred times.
        if call % 2 == 0 || counted.load(Ordering::SeqCst) >= LOSSES {
            return None;
        }
        let lost = counted.fetch_add(1, Ordering::SeqCst);
        let reason = if lost.is_multiple_of(2) { "Parent device is lost" } else { "Not enough memory left" };
        Some(DeviceError::Failed { what: "predicting", reason: reason.into() })
    }));
    let mut form = desk.learn_form(run);
    form.config.steps = 4;
    form.config.judge_every = 2;
    desk.start_loop(form);
    let mut painted = Vec::new();
    for slice in [2, 5, 8, 11] {
        desk.show(slice);
        desk.correct(slice);
        painted.push((slice, desk.slice_labels(slice)));
        desk.w.dispatch(LearnCommand::Done);
    }
    let start = Instant::now();
    while losses.load(Ordering::SeqCst) < LOSSES {
        assert!(start.elapsed() < Duration::from_secs(120), "{} losses", losses.load(Ordering::SeqCst));
        desk.w.poll();
        assert!(desk.w.learning.is_running(), "{:?}", desk.w.take_notices());
        if !desk.w.learning.view.as_ref().unwrap().state.as_ref().unwrap().tuning {
            // Whatever state it is in, something new is asked of it.
            desk.w.dispatch(LearnCommand::Tune);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    desk.w.dispatch(LearnCommand::Tune);
    desk.until("a round after the last loss", |w| {
        w.learning.view.as_ref().and_then(|v| v.state.as_ref()).is_some_and(|s| !s.rounds.is_empty())
    });
    let notices = desk.w.take_notices();
    let told = notices.iter().filter(|n| n.text.contains("are as they were")).count();
    assert!(told >= LOSSES / 2, "{told} of {LOSSES} were told");
    assert_eq!(desk.document().case.layer(own.0).unwrap().labels, own.1);
    for (slice, labels) in painted {
        assert_eq!(desk.slice_labels(slice), labels);
    }
    desk.w.dispatch(LearnCommand::Stop);
    desk.settle();
}

#[test]
fn a_round_that_cannot_be_written_is_told_once_and_tried_again_with_the_next_slice() {
    let mut desk = Desk::with_case();
    let run = desk.little_run();
    let mut form = desk.learn_form(run);
    form.config.steps = 2;
    form.config.judge_every = 2;
    desk.start_loop(form);
    // Nothing can take the place of a folder.
    let rounds = desk.w.home.runs().join("loop/rounds.json");
    std::fs::create_dir(&rounds).unwrap();
    desk.w.take_notices();
    for slice in [2, 5, 8, 11] {
        desk.show(slice);
        desk.correct(slice);
        desk.w.dispatch(LearnCommand::Done);
    }
    let mut told = 0;
    let mut count = |w: &mut Workspace| {
        told += w.take_notices().iter().filter(|n| n.text.starts_with("No new version")).count();
        told
    };
    let start = Instant::now();
    while count(&mut desk.w) == 0 {
        assert!(start.elapsed() < Duration::from_secs(120), "nothing was told");
        desk.w.poll();
        std::thread::sleep(Duration::from_millis(2));
    }
    // Everything that is asked meanwhile is answered, and the round does not start over and over.
    for _ in 0..100 {
        desk.w.poll();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(count(&mut desk.w), 1);
    assert_eq!(desk.rounds(), 0);
    std::fs::remove_dir(&rounds).unwrap();
    desk.show(14);
    desk.correct(14);
    desk.w.dispatch(LearnCommand::Done);
    desk.until("the round that failed before", |w| {
        w.learning.view.as_ref().and_then(|v| v.state.as_ref()).is_some_and(|s| !s.rounds.is_empty() && s.pending == 0)
    });
    assert_eq!(desk.rounds(), 1);
    desk.w.dispatch(LearnCommand::Stop);
    desk.settle();
}

#[test]
fn what_cannot_be_learned_from_is_said() {
    let mut desk = Desk::empty();
    let form = desk.learn_form(PathBuf::from("nowhere"));
    let refused = |desk: &mut Desk, form: &LearnForm, word: &str| {
        desk.w.take_notices();
        desk.w.dispatch(LearnCommand::Start(Box::new(form.clone())));
        desk.settle();
        let notices = desk.w.take_notices();
        assert!(notices.iter().any(|n| n.text.contains(word)), "{word}: {notices:?}");
        assert!(!desk.w.learning.is_running());
    };
    refused(&mut desk, &form, "Open a case");
    desk.open_file("scan.nrrd");
    refused(&mut desk, &LearnForm { name: "../x".into(), ..form.clone() }, "name");
    refused(&mut desk, &form, "nowhere");
    desk.w.dispatch(LearnCommand::Done);
    assert!(desk.w.take_notices().iter().any(|n| n.text.contains("No learning loop is running")));
    desk.w.dispatch(LearnCommand::Next);
    desk.w.dispatch(LearnCommand::RollBack(3));
    desk.w.dispatch(LearnCommand::Tune);
    desk.w.dispatch(LearnCommand::Stop);
    desk.settle();
}

#[test]
fn a_prompt_adapts_the_slice_as_one_step_and_spares_what_was_painted() {
    let mut desk = Desk::with_case();
    let run = desk.little_run();
    let form = desk.learn_form(run);
    desk.start_loop(form);
    desk.show(9);
    // Painted by hand, far from the prompts.
    desk.w.dispatch(EditCommand::BrushRadius(1.0));
    desk.stroke(false, [36.0, 3.0, 9.0], [38.0, 3.0, 9.0]);
    let painted = desk.labels().at([37, 3, 9]);
    let before = desk.slice_labels(9);
    let prompt = |desk: &mut Desk, k: i64, inside: bool| {
        desk.w.status.clear();
        let points = (16..25).map(|i| DVec3::new(f64::from(i), 18.0, k as f64)).collect();
        desk.w.dispatch(LearnCommand::Prompt { plane: Plane::Axial, points, inside });
        desk.until("the answer", |w| w.status.contains("adapted"));
    };
    let on = |desk: &Desk, k: i64| (16..25).filter(|i| desk.labels().at([*i, 18, k]) == 1).count();
    prompt(&mut desk, 9, true);
    assert!(on(&desk, 9) >= 8, "{} of 9 prompted voxels", on(&desk, 9));
    assert_eq!(desk.labels().at([37, 3, 9]), painted);
    if desk.slice_labels(9) != before {
        desk.w.dispatch(EditCommand::Undo);
        assert_eq!(desk.slice_labels(9), before, "one step");
    }
    desk.show(12);
    prompt(&mut desk, 12, false);
    assert_eq!(on(&desk, 12), 0);
    desk.w.take_notices();
    desk.w.dispatch(LearnCommand::Prompt { plane: Plane::Coronal, points: vec![DVec3::ZERO], inside: true });
    assert!(desk.w.take_notices().iter().any(|n| n.text.contains("axial")));
    desk.w.dispatch(LearnCommand::Stop);
    desk.settle();
}
