//! Undo and redo through commands: bits, names, and what must not be part of the history.

use super::*;
use crate::core::{LabelId, Origin, Segment, SliceStatus};
use crate::edit::{Connectivity, Extent, Islands, LassoMode, Operation, Over, Smoothing};
use proptest::prelude::*;

/// What undo has to bring back: everything but what is shown, and marks that an edit took away.
pub(super) type Content = Vec<(LayerId, String, Vec<LabelId>, Vec<Segment>, Vec<Origin>, Vec<String>)>;

pub(super) fn content(desk: &Desk) -> Content {
    let plain = |s: &Segment| Segment { visible: true, ..s.clone() };
    let [nx, ny, nz] = DIMS.map(|d| d as i64);
    let layers = desk.document().case.layers.iter();
    layers
        .map(|l| {
            let origins = (0..nx * ny * nz).map(|n| l.origin_at([n % nx, n / nx % ny, n / (nx * ny)]).clone());
            let notes = l.work.slices.notes().map(|(k, n)| format!("{k} {n}")).collect();
            let segments = l.segments.iter().map(plain).collect();
            (l.id, l.name.clone(), l.labels.to_dense(), segments, origins.collect(), notes)
        })
        .collect()
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Stroke { erase: bool, sphere: bool, from: [f64; 3], to: [f64; 3] },
    AbortedStroke { to: [f64; 3] },
    Undo,
    Redo,
    NewLayer,
    Duplicate,
    DeleteLayer(usize),
    SelectLayer(usize),
    RenameLayer,
    HideLayer(bool),
    AddSegment,
    DeleteSegment(LabelId),
    SelectSegment(LabelId),
    Lock(LabelId, bool),
    Color(LabelId, u8),
    Operate(usize, f64),
    Rules(usize),
    Merge(LabelId, LabelId),
    SwapLungs,
    JumpTo(usize),
    Push { from: [f64; 3], to: [f64; 3] },
    Square(bool),
    Adaptive(bool),
    Mark(usize, SliceStatus),
    Note(usize),
    FillFrom(usize, bool),
    SecondReader,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let at = || (-4.0..44.0, -4.0..40.0, -2.0..22.0).prop_map(|(x, y, z)| [x, y, z]);
    prop_oneof![
        6 => (any::<bool>(), any::<bool>(), at(), at())
            .prop_map(|(erase, sphere, from, to)| Step::Stroke { erase, sphere, from, to }),
        1 => at().prop_map(|to| Step::AbortedStroke { to }),
        3 => Just(Step::Undo),
        2 => Just(Step::Redo),
        1 => Just(Step::NewLayer),
        1 => Just(Step::Duplicate),
        1 => (0usize..4).prop_map(Step::DeleteLayer),
        1 => (0usize..4).prop_map(Step::SelectLayer),
        1 => Just(Step::RenameLayer),
        1 => any::<bool>().prop_map(Step::HideLayer),
        2 => Just(Step::AddSegment),
        1 => (0u8..4).prop_map(Step::DeleteSegment),
        2 => (0u8..4).prop_map(Step::SelectSegment),
        1 => (1u8..4, any::<bool>()).prop_map(|(s, on)| Step::Lock(s, on)),
        1 => (1u8..4, any::<u8>()).prop_map(|(s, c)| Step::Color(s, c)),
        8 => (0usize..17, -3.0..6.0).prop_map(|(n, mm)| Step::Operate(n, mm)),
        2 => (0usize..6).prop_map(Step::Rules),
        1 => (0u8..4, 0u8..4).prop_map(|(a, b)| Step::Merge(a, b)),
        1 => Just(Step::SwapLungs),
        2 => (0usize..20).prop_map(Step::JumpTo),
        2 => (at(), at()).prop_map(|(from, to)| Step::Push { from, to }),
        1 => any::<bool>().prop_map(Step::Square),
        1 => any::<bool>().prop_map(Step::Adaptive),
        2 => (0usize..22, 0usize..3).prop_map(|(k, s)| Step::Mark(k, SliceStatus::ALL[s])),
        1 => (0usize..20).prop_map(Step::Note),
        2 => (0usize..4, any::<bool>()).prop_map(|(n, all)| Step::FillFrom(n, all)),
        1 => Just(Step::SecondReader),
    ]
}

impl Desk {
    fn nth_layer(&self, n: usize) -> LayerId {
        // A number that no layer has must be harmless as well.
        self.document().case.layers.get(n).map_or(LayerId(u64::MAX), |l| l.id)
    }

    fn operation(&self, n: usize, mm: f64) -> Operation {
        let slice = Extent::Slice { axis: n % 3, index: 7 };
        let extent = if mm < 0.0 { slice } else { Extent::Volume };
        let connectivity = Connectivity::Corners;
        match n {
            0 => Operation::Threshold { range: [0, 90], extent },
            1 => Operation::Islands { what: Islands::KeepLargest, connectivity, extent },
            2 => Operation::Islands { what: Islands::RemoveSmaller { voxels: 30 }, connectivity, extent },
            3 => {
                let what = Islands::Split { labels: vec![7, 8], voxels: 3 };
                Operation::Islands { what, connectivity, extent: Extent::Volume }
            }
            4 => Operation::FillHoles { extent, planes: None },
            5 => Operation::FillHoles { extent: Extent::Volume, planes: Some(2) },
            6 => Operation::Interpolate { axis: 2 },
            7 => Operation::CopySlice { axis: n % 3, from: 5, to: 6 },
            8 => Operation::Smooth { how: Smoothing::Median, radius_mm: mm.abs() },
            9 => Operation::Smooth { how: Smoothing::Closing, radius_mm: mm.abs() },
            12 => Operation::Fill { seed: [20, 18, 7], axis: n % 3 },
            13 | 14 => {
                let corners = vec![DVec3::new(3.0, 3.0, 7.0), DVec3::new(30.0, 5.0, 7.0), DVec3::new(18.0, 30.0, 7.0)];
                let mode = if n == 13 { LassoMode::Split { label: 0 } } else { LassoMode::KeepInside };
                Operation::Lasso { corners, axis: 2, index: 7, mode, through: mm > 1.0 }
            }
            15 => Operation::Seeds { background: (mm < 0.0).then_some(2) },
            16 => Operation::Smooth { how: Smoothing::Joint, radius_mm: mm.abs() },
            10 => Operation::Grow { seed: [20, 18, 7], tolerance: 50, extent },
            _ => Operation::Margin { mm },
        }
    }

    pub(super) fn take(&mut self, step: Step) {
        let layer = self.document().active_layer.unwrap_or(LayerId(u64::MAX));
        match step {
            Step::Stroke { erase, sphere, from, to } => {
                self.w.dispatch(EditCommand::BrushSphere(sphere));
                self.stroke(erase, from, to);
            }
            Step::AbortedStroke { to } => {
                let to = DVec3::from_array(to);
                self.w.dispatch(EditCommand::BeginStroke { erase: false, through_axis: 0 });
                self.w.dispatch(EditCommand::ExtendStroke { from: to, to });
                self.w.dispatch(EditCommand::AbortStroke);
            }
            Step::Push { from, to } => {
                let [from, to] = [from, to].map(DVec3::from_array);
                self.w.dispatch(EditCommand::BeginPush { at: from, through_axis: 2 });
                self.w.dispatch(EditCommand::ExtendStroke { from, to });
                self.w.dispatch(EditCommand::CommitStroke);
            }
            Step::Square(on) => self.w.dispatch(EditCommand::BrushSquare(on)),
            Step::Adaptive(on) => self.w.dispatch(EditCommand::BrushAdaptive(on)),
            Step::Mark(slice, status) => self.w.dispatch(WorkCommand::Status { slice, status }),
            Step::Note(slice) => self.w.dispatch(WorkCommand::Note { slice, text: format!("note {slice}") }),
            Step::FillFrom(n, everything) => {
                let source = self.nth_layer(n);
                self.w.dispatch(WorkCommand::FillFrom { source, everything, apply: true });
                self.settle();
            }
            Step::SecondReader => self.w.dispatch(WorkCommand::SecondReader(layer)),
            Step::Undo => self.w.dispatch(EditCommand::Undo),
            Step::Redo => self.w.dispatch(EditCommand::Redo),
            Step::NewLayer => self.w.dispatch(LayerCommand::New),
            Step::Duplicate => self.w.dispatch(LayerCommand::Duplicate(layer)),
            Step::DeleteLayer(n) => self.w.dispatch(LayerCommand::Delete(self.nth_layer(n))),
            Step::SelectLayer(n) => self.w.dispatch(LayerCommand::Select(self.nth_layer(n))),
            Step::RenameLayer => self.w.dispatch(LayerCommand::Rename(layer, "Renamed".into())),
            Step::HideLayer(on) => self.w.dispatch(LayerCommand::Visible(layer, on)),
            Step::AddSegment => self.w.dispatch(SegmentCommand::Add),
            Step::DeleteSegment(s) => self.w.dispatch(SegmentCommand::Delete(s)),
            Step::SelectSegment(s) => self.w.dispatch(SegmentCommand::Select(s)),
            Step::Lock(s, on) => self.w.dispatch(SegmentCommand::Lock(s, on)),
            Step::Operate(n, mm) => {
                // Half of them by way of a preview.
                let operation = self.operation(n, mm);
                if n % 2 == 0 {
                    self.w.dispatch(EditCommand::Preview(operation));
                    self.settle();
                    self.w.dispatch(EditCommand::ApplyPreview);
                } else {
                    self.w.dispatch(EditCommand::Apply(operation));
                }
                self.settle();
            }
            Step::Rules(n) => {
                let over = [Over::All, Over::Background, Over::Segment(1)][n % 3];
                self.w.dispatch(EditCommand::Rules(EditRules { over, hu_only: n == 4, hu: [0, 90], inside: None }));
            }
            Step::Merge(from, into) => self.w.dispatch(SegmentCommand::Merge { from, into }),
            Step::SwapLungs => self.w.dispatch(SegmentCommand::SwapLungs),
            Step::JumpTo(n) => self.w.dispatch(EditCommand::JumpTo(n)),
            Step::Color(s, c) => self.w.dispatch(SegmentCommand::Color(s, [c, 0, 255 - c])),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn undoing_all_restores_the_start_and_redoing_all_the_end(steps in prop::collection::vec(step(), 1..40)) {
        let mut desk = Desk::with_case();
        let start = content(&desk);
        for step in steps {
            desk.take(step);
            if let Some(layer) = desk.document().layer() {
                let counts = layer.labels.counts();
                let ml = desk.document().case.geometry.voxel_volume() / 1000.0;
                let volumes = desk.document().segment_volumes();
                prop_assert!((1..256).all(|n| volumes[n] == counts[n] as f64 * ml));
            }
        }
        while desk.document().redo_name().is_some() {
            desk.w.dispatch(EditCommand::Redo);
        }
        let end = content(&desk);
        let mut taken_back = 0;
        while desk.document().undo_name().is_some() {
            desk.w.dispatch(EditCommand::Undo);
            taken_back += 1;
        }
        prop_assert_eq!(content(&desk), start);
        for _ in 0..taken_back {
            desk.w.dispatch(EditCommand::Redo);
        }
        prop_assert_eq!(content(&desk), end);
    }
}

#[test]
fn strokes_survive_the_deletion_of_their_layer() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [20.0, 20.0, 3.0]);
    let painted = desk.labels();
    let layer = desk.layer_id();
    desk.w.dispatch(LayerCommand::Delete(layer));
    assert!(desk.document().case.layers.is_empty());
    desk.w.dispatch(EditCommand::Undo);
    assert_eq!(desk.labels(), painted);
    desk.w.dispatch(EditCommand::Undo);
    assert_eq!(desk.labels().counts()[1], 0);
    desk.w.dispatch(EditCommand::Redo);
    assert_eq!(desk.labels(), painted);
}

#[test]
fn shades_of_one_pick_are_one_step_and_visibility_is_none() {
    let mut desk = Desk::with_case();
    desk.w.dispatch(LayerCommand::New);
    let color = |desk: &Desk| desk.document().layer().unwrap().segments[0].color;
    let before = color(&desk);
    for n in 0..30 {
        desk.w.dispatch(SegmentCommand::Color(1, [n, n, n]));
    }
    assert_eq!(color(&desk), [29, 29, 29]);
    let layer = desk.layer_id();
    desk.w.dispatch(LayerCommand::Visible(layer, false));
    desk.w.dispatch(EditCommand::Undo);
    assert_eq!(color(&desk), before);
    assert!(!desk.document().layer().unwrap().visible, "what is shown is no part of the history");
    assert_eq!(desk.document().undo_name(), Some("New layer"));
    desk.w.dispatch(EditCommand::Redo);
    assert_eq!(color(&desk), [29, 29, 29]);
    // Another step between two picks keeps them apart.
    desk.w.dispatch(SegmentCommand::Lock(1, true));
    desk.w.dispatch(SegmentCommand::Color(1, [7, 7, 7]));
    desk.w.dispatch(EditCommand::Undo);
    assert_eq!(color(&desk), [29, 29, 29]);
}

#[test]
fn locked_segments_are_neither_painted_nor_erased_nor_deleted() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [20.0, 20.0, 3.0]);
    desk.w.dispatch(SegmentCommand::Lock(1, true));
    let painted = desk.labels();
    desk.stroke(false, [5.0, 20.0, 3.0], [20.0, 5.0, 3.0]);
    desk.stroke(true, [5.0, 20.0, 3.0], [20.0, 5.0, 3.0]);
    desk.w.dispatch(SegmentCommand::Delete(1));
    assert_eq!(desk.labels(), painted);
    assert_eq!(desk.w.take_notices().iter().filter(|n| n.text.contains("locked")).count(), 3);
    desk.w.dispatch(SegmentCommand::Add);
    desk.stroke(false, [5.0, 20.0, 3.0], [20.0, 5.0, 3.0]);
    assert_eq!(desk.labels().counts()[1], painted.counts()[1], "another segment paints around it");
    assert!(desk.labels().counts()[2] > 0);
}

#[test]
fn numbers_that_are_none_change_nothing() {
    let mut desk = Desk::with_case();
    let (window, radius) = (desk.document().view.window, desk.w.brush.radius_mm);
    desk.w.dispatch(ViewCommand::Window(crate::core::Window::new(f64::NAN, 40.0)));
    desk.w.dispatch(ViewCommand::Crosshair(DVec3::NAN));
    desk.w.dispatch(ViewCommand::Opacity(f32::NAN));
    desk.w.dispatch(EditCommand::BrushRadius(f64::NAN));
    desk.stroke(false, [f64::NAN; 3], [f64::INFINITY; 3]);
    assert_eq!((desk.document().view.window, desk.w.brush.radius_mm), (window, radius));
    assert!(desk.document().view.crosshair.is_finite() && desk.w.overlay.opacity.is_finite());
    assert_eq!(desk.labels().counts()[1], 0);
}

#[test]
fn all_histories_together_are_bounded_by_bytes() {
    let mut desk = Desk::with_case();
    let paint = |desk: &mut Desk| {
        for n in 0..6 {
            desk.stroke(n % 2 == 1, [5.0, 5.0 + f64::from(n), 3.0], [30.0, 20.0, 9.0]);
        }
    };
    paint(&mut desk);
    let first = desk.document().case.id;
    desk.open_file("second.nrrd");
    paint(&mut desk);
    let held = |desk: &Desk| -> Vec<usize> { desk.w.documents().iter().map(Document::history_bytes).collect() };
    let before = held(&desk);
    desk.w.bound_histories(before.iter().sum::<usize>() - before[0] / 2);
    let after = held(&desk);
    assert!(after[0] <= before[0] / 2 + 1 && after[1] == before[1], "the case that is not looked at gives first");
    desk.w.bound_histories(0);
    assert!(desk.w.documents().iter().all(|d| d.steps().0.len() == 1), "the newest step of each stays");
    // Steps of a case that was left are still there when it is looked at again.
    desk.w.dispatch(OpenCommand::Activate(first));
    let painted = desk.labels();
    desk.w.dispatch(EditCommand::Undo);
    assert_ne!(desk.labels(), painted);
    desk.w.dispatch(EditCommand::Redo);
    assert_eq!(desk.labels(), painted);
}
