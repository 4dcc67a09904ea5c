//! The loop in the window with a runner that the test plays itself: what it asks is looked at, what it tells is made up.

mod early;

use super::super::{Document, EditCommand, Home, SegmentCommand, WorkCommand};
use super::*;
use crate::core::{Geometry, LabelId, LabelMap, Layer, LayerId, Origin, Segment, Volume};
use crate::jobs::Waker;
use crate::learn::{PromptChange, PromptPoint};
use crate::nn::AxialView;
use crossbeam_channel::{Receiver, unbounded};

/// Not a multiple of a brick on any axis.
const DIMS: [usize; 3] = [40, 36, 20];

struct Stage {
    w: Workspace,
    asked: Receiver<Ask>,
    _home: tempfile::TempDir,
}

fn version(number: usize) -> Origin {
    Origin::Model { run: "loop".into(), checkpoint: format!("version {number}") }
}

/// What the made-up network says of every slice: a square that grows with each version.
fn said(version: usize) -> Vec<LabelId> {
    let inside = |n: usize| (10..20).contains(&(n % DIMS[0])) && (10..20 + version).contains(&(n / DIMS[0]));
    (0..DIMS[0] * DIMS[1]).map(|n| LabelId::from(inside(n))).collect()
}

impl Stage {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut w = Workspace::new(Home::under(home.path()), Waker::none(), None);
        let geometry = Geometry::axis_aligned(DIMS, DVec3::new(0.8, 0.8, 2.5), DVec3::ZERO).unwrap();
        let id = w.next_case_id();
        let mut document = Document::new(id, "case".into(), geometry, None);
        document.set_volume(Volume::new(geometry, vec![0i16; geometry.voxel_count()]).unwrap());
        w.add_document(document);
        let mut stage = Self { w, asked: unbounded().1, _home: home };
        stage.start();
        stage
    }

    /// The loop begins, or is gone on with.
    fn start(&mut self) {
        let (asks, asked) = unbounded();
        self.asked = asked;
        self.w.learning.asks = Some(asks);
        self.w.documents.iter_mut().for_each(|d| d.learned = None);
        self.w.learning.view = Some(LearnView {
            name: "loop".into(),
            folder: PathBuf::new(),
            state: None,
            step: None,
            outcome: String::new(),
            reason: None,
            running: true,
        });
        let state = LoopState { classes: vec!["thing".into()], ..LoopState::default() };
        self.w.hear(Tell::State(Box::new(state)));
        assert!(matches!(self.asked.try_recv(), Ok(Ask::Case { .. })), "the case is not predicted");
    }

    fn predict(&mut self, version: usize) {
        let slices = (0..DIMS[2]).map(|k| (k, said(version))).collect();
        let case = self.document().case.id.0;
        self.w.hear(Tell::Predicted { case, version, slices });
    }

    fn document(&self) -> &Document {
        self.w.active_document().unwrap()
    }

    /// The loop's layer.
    fn layer(&self) -> &Layer {
        self.document().case.layer(self.document().learned().unwrap().layer().unwrap()).unwrap()
    }

    fn mark(&self, slice: usize) -> SliceMark {
        self.document().learned().unwrap().mark(slice)
    }

    fn show(&mut self, slice: usize) {
        self.w.dispatch(ViewCommand::Slice { plane: Plane::Axial, index: slice });
    }

    fn voxel([x, y]: [usize; 2], slice: usize) -> [i64; 3] {
        let geometry = Geometry::axis_aligned(DIMS, DVec3::new(0.8, 0.8, 2.5), DVec3::ZERO).unwrap();
        AxialView::new(&geometry).voxel(x, y, slice).map(|v| v as i64)
    }

    fn label(&self, pixel: [usize; 2], slice: usize) -> LabelId {
        self.layer().labels.at(Self::voxel(pixel, slice))
    }

    fn origin(&self, pixel: [usize; 2], slice: usize) -> Origin {
        self.layer().origin_at(Self::voxel(pixel, slice)).clone()
    }

    /// Labels and origins of a slice.
    fn slice(&self, slice: usize) -> Vec<(LabelId, Origin)> {
        let pixels = (0..DIMS[0] * DIMS[1]).map(|n| [n % DIMS[0], n / DIMS[0]]);
        pixels.map(|p| (self.label(p, slice), self.origin(p, slice))).collect()
    }

    fn begin_stroke(&mut self, erase: bool, pixel: [usize; 2], slice: usize) {
        let at = DVec3::from_array(Self::voxel(pixel, slice).map(|v| v as f64));
        self.w.dispatch(EditCommand::BrushRadius(1.0));
        self.w.dispatch(EditCommand::BeginStroke { erase, through_axis: 2 });
        self.w.dispatch(EditCommand::ExtendStroke { from: at, to: at });
    }

    fn stroke(&mut self, erase: bool, pixel: [usize; 2], slice: usize) {
        self.begin_stroke(erase, pixel, slice);
        self.w.dispatch(EditCommand::CommitStroke);
    }

    /// A prompt inside of the segment on the shown slice.
    fn prompt(&mut self, pixel: [usize; 2]) {
        let slice = self.document().slice_index(Plane::Axial);
        let at = DVec3::from_array(Self::voxel(pixel, slice).map(|v| v as f64));
        self.w.dispatch(LearnCommand::Prompt { plane: Plane::Axial, points: vec![at], inside: true });
    }

    /// The prompts that were last asked for, and everything asked is forgotten.
    fn asked_points(&self) -> Option<Vec<PromptPoint>> {
        let prompts = self.asked.try_iter().filter_map(|ask| match ask {
            Ask::Prompt { points, .. } => Some(points),
            _ => None,
        });
        prompts.last()
    }

    /// The slices on the screen that the runner was told of; everything else asked is forgotten.
    fn looked_at(&self) -> Vec<usize> {
        let slices = self.asked.try_iter().filter_map(|ask| match ask {
            Ask::Looking { slice, .. } => Some(slice),
            _ => None,
        });
        slices.collect()
    }

    /// The slices that went to the pool, with their effort; everything else asked is forgotten.
    fn taught(&self) -> Vec<(usize, Effort)> {
        let slices = self.asked.try_iter().filter_map(|ask| match ask {
            Ask::Done { slice, effort, .. } => Some((slice, effort)),
            _ => None,
        });
        slices.collect()
    }

    /// The made-up network takes every prompted pixel into the segment, and nothing else.
    fn answer(&mut self, slice: usize, points: Vec<PromptPoint>) {
        let on = points.iter().map(|p| (p.y as usize * DIMS[0] + p.x as usize) as u32).collect();
        let (case, change) = (self.document().case.id.0, PromptChange { on, off: Vec::new() });
        self.w.hear(Tell::Adapted { case, slice, class: 1, points, change, seconds: 0.0 });
    }

    fn answered_prompt(&mut self, pixel: [usize; 2]) {
        self.prompt(pixel);
        let points = self.asked_points().unwrap();
        self.answer(self.document().slice_index(Plane::Axial), points);
    }
}

fn places(points: &[PromptPoint]) -> Vec<[usize; 2]> {
    points.iter().map(|p| [p.x as usize, p.y as usize]).collect()
}

#[test]
fn every_voxel_keeps_the_version_or_the_person_that_it_comes_from() {
    let mut stage = Stage::new();
    stage.predict(0);
    assert_eq!((stage.layer().origin.clone(), stage.origin([12, 12], 5)), (version(0), version(0)));
    stage.stroke(true, [12, 12], 5);
    assert_eq!((stage.label([12, 12], 5), stage.origin([12, 12], 5)), (0, Origin::Human));
    let corrected = stage.slice(5);
    assert!(corrected.contains(&(1, version(0))));
    stage.predict(3);
    assert_eq!(stage.layer().origin, version(3), "the layer is of the version that filled it last");
    assert_eq!(stage.slice(0).iter().filter(|(label, _)| *label == 1).count(), 130);
    assert!(stage.slice(0).iter().all(|(label, origin)| *label == 0 || *origin == version(3)));
    let kept = |(old, new): (&(LabelId, Origin), &(LabelId, Origin))| {
        // Background that nobody touched is as the layer is.
        old == new || (old.0 == 0 && new.0 == 0 && old.1 == version(0))
    };
    assert!(corrected.iter().zip(&stage.slice(5)).all(kept), "what the person corrected stays, with its origins");
    assert_eq!(stage.origin([15, 15], 5), version(0), "left as it was when the slice was corrected");
    stage.w.dispatch(EditCommand::Undo);
    assert_eq!((stage.label([12, 12], 5), stage.origin([12, 12], 5)), (1, version(0)));
    assert_eq!(stage.origin([12, 12], 4), version(3), "slices beside it are of the newest version again");
    stage.w.dispatch(EditCommand::Redo);
    assert_eq!((stage.label([12, 12], 5), stage.origin([12, 12], 5)), (0, Origin::Human));
}

#[test]
fn going_on_takes_the_layer_up_again_with_what_a_person_did() {
    let mut stage = Stage::new();
    let case = stage.document().case.id;
    stage.predict(0);
    stage.stroke(true, [12, 12], 5);
    stage.show(7);
    stage.stroke(false, [30, 30], 7);
    stage.w.dispatch(LearnCommand::Done);
    assert!(matches!(stage.asked.try_recv(), Ok(Ask::Done { slice: 7, .. })));
    let (touched, done, layer) = (stage.slice(5), stage.slice(7), stage.layer().id);
    // A prediction that was asked for by itself, by the same weights.
    let geometry = stage.document().case.geometry;
    let plain = vec![Segment::new(1, "thing")];
    let other = Layer::new(LayerId(0), "Prediction of loop", LabelMap::empty(geometry), plain, version(0));
    assert!(stage.w.insert_layer(case, "Predict", other.clone()));
    stage.start();
    assert_eq!(stage.layer().id, layer);
    assert_eq!(stage.document().active_layer, Some(layer));
    assert_eq!(stage.document().case.layers.len(), 2, "no layer is added");
    assert_eq!([5, 7, 8].map(|k| stage.mark(k)), [SliceMark::Touched, SliceMark::Touched, SliceMark::Waiting]);
    stage.w.hear(Tell::Known { case: case.0, slices: vec![7] });
    assert_eq!((stage.mark(5), stage.mark(7)), (SliceMark::Touched, SliceMark::Done));
    stage.predict(2);
    assert_eq!((stage.mark(0), stage.origin([12, 12], 0)), (SliceMark::Predicted(2), version(2)));
    for (slice, before) in [(5, touched), (7, done)] {
        let labels: Vec<LabelId> = before.iter().map(|v| v.0).collect();
        assert_eq!(stage.slice(slice).iter().map(|v| v.0).collect::<Vec<_>>(), labels);
        let drawn = before.iter().zip(stage.slice(slice)).filter(|(old, _)| old.0 != 0 || old.1 == Origin::Human);
        assert!(drawn.clone().count() >= 100 && drawn.clone().all(|(old, new)| *old == new), "slice {slice}");
    }
    let untouched = stage.document().case.layers.iter().find(|l| l.id != layer).unwrap();
    assert_eq!(untouched.labels, other.labels);
}

#[test]
fn a_layer_from_before_origins_were_kept_says_the_version_that_it_was_made_with() {
    let mut stage = Stage::new();
    stage.predict(0);
    stage.stroke(true, [12, 12], 5);
    // Nothing of predictions was in its list then.
    let id = stage.layer().id;
    let layer = stage.w.active_document_mut().unwrap().case.layer_mut(id).unwrap();
    let numbers = layer.work.sources.map().unwrap().to_dense();
    let human = layer.work.sources.number(&Origin::Human);
    let only: Vec<LabelId> = numbers.iter().map(|&n| if n == human { n } else { 0 }).collect();
    layer.work.sources.set_map(LabelMap::from_dense(*layer.labels.geometry(), &only));
    stage.start();
    stage.predict(4);
    assert_eq!((stage.origin([15, 15], 5), stage.origin([12, 12], 5)), (version(0), Origin::Human));
    assert_eq!(stage.origin([15, 15], 6), version(4));
}

#[test]
fn deleted_segments_come_back_and_marked_slices_are_left_alone() {
    let mut stage = Stage::new();
    stage.predict(0);
    stage.w.dispatch(WorkCommand::StatusOf { from: 2, to: 3, status: SliceStatus::Corrected });
    stage.predict(1);
    assert_eq!([1, 2, 3, 4].map(|k| stage.origin([12, 12], k)), [1, 0, 0, 1].map(version));
    assert_eq!((stage.mark(2), stage.mark(4)), (SliceMark::Touched, SliceMark::Predicted(1)));
    assert_eq!(stage.layer().work.slices.status(2), SliceStatus::Corrected);
    stage.w.dispatch(SegmentCommand::Delete(1));
    assert!(stage.layer().segment(1).is_none());
    stage.start();
    assert_eq!(stage.layer().segment(1).map(|s| s.name.as_str()), Some("thing"));
}

#[test]
fn prompts_go_and_come_back_with_their_steps() {
    let mut stage = Stage::new();
    stage.predict(0);
    stage.show(5);
    let [a, b, c, d] = [[30, 30], [31, 31], [33, 33], [35, 35]];
    let on = |stage: &Stage| [a, b, c, d].map(|p| stage.label(p, 5));
    stage.answered_prompt(a);
    stage.answered_prompt(b);
    assert_eq!(on(&stage), [1, 1, 0, 0]);
    stage.w.dispatch(EditCommand::Undo);
    assert_eq!(on(&stage), [1, 0, 0, 0]);
    stage.w.dispatch(EditCommand::Redo);
    stage.prompt(c);
    let points = stage.asked_points().unwrap();
    assert_eq!(places(&points), [a, b, c], "what was done again counts again");
    stage.answer(5, points);
    assert_eq!(on(&stage), [1, 1, 1, 0]);
    stage.w.dispatch(EditCommand::Undo);
    stage.w.dispatch(EditCommand::Undo);
    stage.prompt(d);
    let points = stage.asked_points().unwrap();
    assert_eq!(places(&points), [a, d], "what was taken back is not asked again");
    stage.answer(5, points);
    assert_eq!(on(&stage), [1, 0, 0, 1]);
    // Another slice has prompts of its own.
    stage.show(6);
    stage.prompt(c);
    assert_eq!(places(&stage.asked_points().unwrap()), [c]);
    stage.show(5);
    stage.w.dispatch(EditCommand::JumpTo(1));
    assert_eq!(on(&stage), [0, 0, 0, 0]);
    stage.prompt(b);
    assert_eq!(places(&stage.asked_points().unwrap()), [b]);
}

#[test]
fn a_prompt_without_answer_outlives_the_undo_of_the_one_before() {
    let mut stage = Stage::new();
    stage.predict(0);
    stage.show(5);
    let [a, b] = [[30, 30], [33, 33]];
    stage.answered_prompt(a);
    stage.prompt(b);
    let late = stage.asked_points().unwrap();
    assert_eq!(places(&late), [a, b]);
    stage.w.dispatch(EditCommand::Undo);
    stage.answer(5, late);
    assert_eq!([a, b].map(|p| stage.label(p, 5)), [0, 0], "it rests on what was taken back");
    let points = stage.asked_points().unwrap();
    assert_eq!(places(&points), [b], "asked again without it");
    stage.answer(5, points.clone());
    assert_eq!([a, b].map(|p| stage.label(p, 5)), [0, 1]);
    // The same once more changes nothing and asks nothing.
    stage.answer(5, points);
    assert!(stage.asked_points().is_none());
    assert_eq!([a, b].map(|p| stage.label(p, 5)), [0, 1]);
}

#[test]
fn an_answer_waits_for_the_end_of_a_stroke_and_is_told_when_it_is_too_late() {
    let mut stage = Stage::new();
    stage.predict(0);
    stage.show(5);
    stage.prompt([30, 30]);
    let points = stage.asked_points().unwrap();
    stage.begin_stroke(true, [12, 12], 5);
    stage.answer(5, points);
    stage.w.poll();
    assert_eq!(stage.label([30, 30], 5), 0, "nothing moves under a stroke");
    stage.w.dispatch(EditCommand::CommitStroke);
    stage.w.poll();
    assert_eq!((stage.label([30, 30], 5), stage.label([12, 12], 5)), (1, 0));
    assert_eq!(stage.document().undo_name(), Some("Prompt thing"));
    stage.w.dispatch(EditCommand::Undo);
    assert_eq!((stage.label([30, 30], 5), stage.label([12, 12], 5)), (0, 0));
    // The slice is done before its answer comes.
    stage.prompt([33, 33]);
    let points = stage.asked_points().unwrap();
    stage.w.dispatch(LearnCommand::Done);
    stage.answer(5, points);
    assert_eq!((stage.mark(5), stage.label([33, 33], 5)), (SliceMark::Done, 0), "what was taught stays");
    assert!(stage.w.status.contains("after the slice was done"), "{}", stage.w.status);
}

#[test]
fn the_runner_hears_which_slice_is_on_the_screen_but_not_under_a_stroke() {
    let mut stage = Stage::new();
    stage.show(4);
    stage.w.poll();
    stage.w.poll();
    assert_eq!(stage.looked_at(), [4], "once");
    stage.show(11);
    stage.w.poll();
    assert_eq!(stage.looked_at(), [11]);
    stage.begin_stroke(false, [12, 12], 11);
    stage.show(12);
    stage.w.poll();
    assert_eq!(stage.looked_at(), [0; 0], "nothing is to come under a stroke");
    stage.w.dispatch(EditCommand::CommitStroke);
    stage.w.poll();
    assert_eq!(stage.looked_at(), [12]);
    stage.w.learning.asks = None;
    stage.show(3);
    stage.w.poll();
    assert_eq!(stage.looked_at(), [0; 0], "a loop that has ended is told nothing");
}

#[test]
fn slices_that_were_done_and_never_reached_the_pool_follow_when_the_loop_goes_on() {
    let mut stage = Stage::new();
    let case = stage.document().case.id.0;
    stage.predict(0);
    for (slice, pixel) in [(5, [30, 30]), (7, [31, 31]), (9, [12, 12])] {
        stage.show(slice);
        stage.stroke(slice == 9, pixel, slice);
        stage.w.dispatch(LearnCommand::Done);
    }
    // Touched and not done.
    stage.stroke(false, [30, 30], 2);
    let taught = stage.taught();
    assert_eq!(taught.iter().map(|t| t.0).collect::<Vec<_>>(), [5, 7, 9]);
    // The program ended before the last two were in the pool.
    stage.start();
    stage.w.hear(Tell::Known { case, slices: vec![5] });
    let again = stage.taught();
    assert_eq!(again.iter().map(|t| t.0).collect::<Vec<_>>(), [7, 9]);
    for (slice, effort) in again {
        let first = taught.iter().find(|t| t.0 == slice).unwrap().1;
        assert_eq!(effort.voxels, first.voxels, "drawn or erased, slice {slice}");
        assert!(effort.voxels > 0 && effort.strokes == 0, "{effort:?}");
    }
    assert_eq!(
        [2, 5, 7, 9].map(|k| stage.mark(k)),
        [SliceMark::Touched, SliceMark::Done, SliceMark::Done, SliceMark::Done]
    );
    assert!(stage.w.status.contains("2 slices"), "{}", stage.w.status);
    // A pool that has all of them is sent nothing.
    stage.start();
    stage.w.hear(Tell::Known { case, slices: vec![5, 7, 9] });
    assert!(stage.taught().is_empty());
    // So is that of a layer which the loop has not filled before: nothing of them is in it.
    let layer = stage.layer().id;
    stage.w.dispatch(crate::workspace::LayerCommand::Delete(layer));
    stage.start();
    stage.w.hear(Tell::Known { case, slices: Vec::new() });
    assert!(stage.taught().is_empty());
}

#[test]
fn a_loop_of_all_open_cases_asks_for_each_and_next_goes_to_the_best_slice_of_all() {
    let mut stage = Stage::new();
    let (first, geometry) = (stage.document().case.id, stage.document().case.geometry);
    let second = stage.w.next_case_id();
    let mut document = Document::new(second, "other".into(), geometry, None);
    document.set_volume(Volume::new(geometry, vec![0i16; geometry.voxel_count()]).unwrap());
    stage.w.add_document(document);
    stage.w.learning.cohort = true;
    stage.start();
    let rest = stage.asked.try_iter().filter_map(|ask| match ask {
        Ask::Case { case, .. } => Some(case),
        _ => None,
    });
    assert_eq!(rest.collect::<Vec<_>>(), [second.0], "after the first one");
    assert_eq!(stage.document().case.id, second, "what is shown stays");
    for (case, unsure) in [(first, 90.0), (second, 40.0)] {
        let doubt = |slice| if slice == 6 { unsure } else { 1.0 };
        let view = |slice| crate::learn::SliceView { slice, unsure: doubt(slice), ..Default::default() };
        let views = (0..DIMS[2]).map(view).collect();
        stage.w.hear(Tell::Ranked { case: case.0, version: 0, views, spacing: 2.5 });
    }
    stage.w.dispatch(LearnCommand::Next);
    let shown = (stage.document().case.id, stage.document().slice_index(Plane::Axial));
    assert_eq!(shown, (first, 6));
    assert!(stage.w.status.contains("unsure of about 90 pixels"), "{}", stage.w.status);
    stage.stroke(false, [12, 12], 6);
    stage.w.dispatch(LearnCommand::Next);
    let shown = (stage.document().case.id, stage.document().slice_index(Plane::Axial));
    assert_eq!(shown, (second, 6), "the other case's is the best now");
}
