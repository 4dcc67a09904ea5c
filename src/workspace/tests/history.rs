//! Undo and redo through commands: bits, names, and what must not be part of the history.

use super::*;
use crate::core::{Flips, LabelId, Origin, Plane, PlaneDirections, Segment, SliceStatus};
use crate::edit::{Connectivity, Extent, Islands, LassoMode, Logic, Operation, Over, Smoothing};
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
    Stroke {
        erase: bool,
        sphere: bool,
        from: [f64; 3],
        to: [f64; 3],
    },
    AbortedStroke {
        to: [f64; 3],
    },
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
    Operate(Ask),
    Rules {
        over: usize,
        hu_only: bool,
        inside: Option<(usize, LabelId)>,
    },
    Merge(LabelId, LabelId),
    SwapLungs,
    JumpTo(usize),
    Push {
        from: [f64; 3],
        to: [f64; 3],
    },
    /// On a plane turned by so many radians.
    Turned {
        erase: bool,
        turn: f64,
        from: [f64; 3],
        to: [f64; 3],
    },
    Square(bool),
    Adaptive(bool),
    Mark(usize, SliceStatus),
    Note(usize),
    FillFrom(usize, bool),
    SecondReader,
    RenameSegment(LabelId, usize),
    Mirror(usize),
    Reviewed(bool),
}

/// One of the operations, and what it is asked with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    /// Below [`OPERATIONS`].
    n: usize,
    axis: usize,
    /// Where it is clicked, and the slices of the three planes; now and then off the grid.
    at: [usize; 3],
    mm: f64,
    /// On one slice, where the operation can do so.
    flat: bool,
    /// By way of a preview.
    preview: bool,
}

/// Numbers of [`Desk::operation`].
const OPERATIONS: usize = 29;

fn ask() -> impl Strategy<Value = Ask> {
    // Often where the image is bright and most strokes go.
    let at = prop_oneof![
        2 => (0usize..42, 0usize..38, 0usize..22).prop_map(|(i, j, k)| [i, j, k]),
        1 => (15usize..25, 13usize..23, 5usize..9).prop_map(|(i, j, k)| [i, j, k]),
    ];
    (0..OPERATIONS, 0usize..3, at, -3.0..6.0, any::<bool>(), any::<bool>())
        .prop_map(|(n, axis, at, mm, flat, preview)| Ask { n, axis, at, mm, flat, preview })
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
        16 => ask().prop_map(Step::Operate),
        2 => (0usize..3, prop::bool::weighted(0.2), prop::option::weighted(0.3, (0usize..3, 1u8..4)))
            .prop_map(|(over, hu_only, inside)| Step::Rules { over, hu_only, inside }),
        1 => (0u8..4, 0u8..4).prop_map(|(a, b)| Step::Merge(a, b)),
        1 => Just(Step::SwapLungs),
        2 => (0usize..20).prop_map(Step::JumpTo),
        2 => (at(), at()).prop_map(|(from, to)| Step::Push { from, to }),
        2 => (any::<bool>(), -1.5..1.5, at(), at())
            .prop_map(|(erase, turn, from, to)| Step::Turned { erase, turn, from, to }),
        1 => any::<bool>().prop_map(Step::Square),
        1 => any::<bool>().prop_map(Step::Adaptive),
        2 => (0usize..22, 0usize..3).prop_map(|(k, s)| Step::Mark(k, SliceStatus::ALL[s])),
        1 => (0usize..20).prop_map(Step::Note),
        2 => (0usize..4, any::<bool>()).prop_map(|(n, all)| Step::FillFrom(n, all)),
        1 => Just(Step::SecondReader),
        1 => (1u8..4, 0usize..9).prop_map(|(s, n)| Step::RenameSegment(s, n)),
        1 => (0usize..7).prop_map(Step::Mirror),
        1 => any::<bool>().prop_map(Step::Reviewed),
    ]
}

impl Desk {
    fn nth_layer(&self, n: usize) -> LayerId {
        // A number that no layer has must be harmless as well.
        self.document().case.layers.get(n).map_or(LayerId(u64::MAX), |l| l.id)
    }

    fn operation(&self, Ask { n, axis, at, mm, flat, .. }: Ask) -> Operation {
        let extent = if flat { Extent::Slice { axis, index: at[axis] } } else { Extent::Volume };
        let islands = |what| Operation::Islands { what, connectivity: Connectivity::Corners, extent };
        let smooth = |how| Operation::Smooth { how, radius_mm: mm.abs(), extent };
        let lasso = |mode| {
            let mut corners = vec![DVec3::splat(3.0), DVec3::new(30.0, 5.0, 30.0), DVec3::new(5.0, 18.0, 18.0)];
            if axis == 2 {
                corners[2].x = 18.0;
            }
            corners.iter_mut().for_each(|p| p[axis] = at[axis] as f64);
            Operation::Lasso { corners, axis, index: at[axis], mode, through: mm > 1.0 }
        };
        let combine = |how| {
            let other = self.document().case.layers.get(at[0] % 3).map(|l| l.labels.clone());
            let other = other.unwrap_or_else(|| LabelMap::empty(self.document().case.geometry));
            Operation::Combine { how, other, label: 1 + (at[1] % 3) as LabelId }
        };
        match n {
            0 => Operation::Threshold { range: [0, 90], extent },
            1 => islands(Islands::KeepLargest),
            2 => islands(Islands::RemoveSmaller { voxels: 30 }),
            3 => islands(Islands::Split { labels: vec![7, 8], voxels: 3 }),
            4 => Operation::FillHoles { extent, planes: None },
            5 => Operation::FillHoles { extent: Extent::Volume, planes: Some(axis) },
            6 => Operation::Interpolate { axis },
            7 => Operation::CopySlice { axis, from: at[axis], to: at[(axis + 1) % 3] % DIMS[axis] },
            8 => smooth(Smoothing::Median),
            9 => smooth(Smoothing::Closing),
            10 => smooth(Smoothing::Opening),
            11 => smooth(Smoothing::Joint),
            12 => Operation::Margin { mm, extent },
            13 => lasso(LassoMode::Add),
            14 => lasso(LassoMode::Remove),
            15 => lasso(LassoMode::KeepInside),
            16 => lasso(LassoMode::Split { label: 0 }),
            17 => Operation::Fill { seed: at, axis },
            18 => Operation::Grow { seed: at, tolerance: 50, extent },
            19 => Operation::Seeds { background: flat.then_some(2) },
            20 => islands(Islands::KeepAt(at)),
            21 => islands(Islands::RemoveAt(at)),
            22 => combine(Logic::Union),
            23 => combine(Logic::Intersect),
            24 => combine(Logic::Subtract),
            25 => combine(Logic::Xor),
            26 => combine(Logic::Copy),
            27 => Operation::Invert,
            _ => Operation::Clear,
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
            Step::Turned { erase, turn, from, to } => {
                let [from, to] = [from, to].map(DVec3::from_array);
                let straight = PlaneDirections::straight(&self.document().case.geometry, Plane::Axial);
                let plane = straight.turned(glam::DQuat::from_rotation_x(turn));
                self.w.dispatch(EditCommand::BeginStrokeOn { erase, plane });
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
            Step::Operate(ask) => {
                let operation = self.operation(ask);
                if ask.preview {
                    self.w.dispatch(EditCommand::Preview(operation));
                    self.settle();
                    self.w.dispatch(EditCommand::ApplyPreview);
                } else {
                    self.w.dispatch(EditCommand::Apply(operation));
                }
                self.settle();
            }
            Step::Rules { over, hu_only, inside } => {
                let over = [Over::All, Over::Background, Over::Segment(1)][over];
                let inside = inside.map(|(n, label)| (self.nth_layer(n), label));
                self.w.dispatch(EditCommand::Rules(EditRules { over, hu_only, hu: [0, 90], inside }));
            }
            Step::RenameSegment(s, n) => self.w.dispatch(SegmentCommand::Rename(s, format!("Part {n}"))),
            Step::Mirror(n) => self.w.dispatch(LayerCommand::Mirror(layer, Flips::ALL[n])),
            Step::Reviewed(on) => self.w.dispatch(LayerCommand::Reviewed(layer, on)),
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

/// Two layers. The active one has, as segment 1, a ball with a hole, a dent and a bulge, a disc two slices above it and
/// a speck; and another ball as segment 2.
fn desk_with_two_layers() -> Desk {
    let mut desk = Desk::with_case();
    let mut stroke = |sphere: bool, radius_mm: f64, erase: bool, at: [f64; 3]| {
        desk.w.dispatch(EditCommand::BrushSphere(sphere));
        desk.w.dispatch(EditCommand::BrushRadius(radius_mm));
        desk.stroke(erase, at, at);
    };
    stroke(true, 6.0, false, [20.0, 18.0, 7.0]);
    stroke(true, 0.5, true, [20.0, 18.0, 7.0]);
    stroke(false, 4.0, false, [20.0, 18.0, 12.0]);
    stroke(true, 1.0, false, [33.0, 30.0, 15.0]);
    desk.w.dispatch(SegmentCommand::Add);
    desk.w.dispatch(EditCommand::BrushRadius(3.0));
    desk.stroke(false, [20.0, 30.0, 7.0], [20.0, 30.0, 7.0]);
    desk.w.dispatch(SegmentCommand::Select(1));
    let first = desk.layer_id();
    desk.w.dispatch(LayerCommand::Duplicate(first));
    desk.stroke(true, [20.0, 12.0, 7.0], [20.0, 12.0, 7.0]);
    desk.w.dispatch(EditCommand::BrushRadius(2.0));
    desk.stroke(false, [27.0, 22.0, 7.0], [27.0, 22.0, 7.0]);
    desk
}

#[test]
fn every_operation_is_one_step_there_and_back() {
    let mut desk = desk_with_two_layers();
    let before = content(&desk);
    for (n, flat) in (0..OPERATIONS).flat_map(|n| [(n, false), (n, true)]) {
        // On a slice alone those that measure, where they have something to do.
        if flat && !(8..=12).contains(&n) {
            continue;
        }
        let at = match (n, flat) {
            (17, _) => [20, 18, 7],
            (8 | 10 | 11, true) => [33, 30, 15],
            _ => [24, 18, 7],
        };
        let step = Step::Operate(Ask { n, axis: 2, at, mm: 2.0, flat, preview: n % 2 == 0 });
        let name = desk.document().undo_name().map(str::to_owned);
        desk.take(step.clone());
        let after = content(&desk);
        // Without printing every voxel of both.
        assert!(after != before, "{step:?} changed nothing: {:?}", desk.w.take_notices());
        desk.w.dispatch(EditCommand::Undo);
        assert!(content(&desk) == before, "{step:?} is not taken back");
        assert_eq!(desk.document().undo_name(), name.as_deref(), "{step:?} is one step");
        desk.w.dispatch(EditCommand::Redo);
        assert!(content(&desk) == after, "{step:?} is not made again");
        desk.w.dispatch(EditCommand::Undo);
    }
}

#[test]
fn names_mirrors_and_review_marks_go_there_and_back() {
    let mut desk = desk_with_two_layers();
    let state = |desk: &Desk| (content(desk), desk.document().layer().unwrap().reviewed);
    let before = state(&desk);
    let steps = (0..Flips::ALL.len()).map(Step::Mirror);
    for step in steps.chain([Step::RenameSegment(2, 5), Step::Reviewed(true)]) {
        desk.take(step.clone());
        let after = state(&desk);
        assert!(after != before, "{step:?} changed nothing");
        desk.w.dispatch(EditCommand::Undo);
        assert!(state(&desk) == before, "{step:?} is not taken back");
        desk.w.dispatch(EditCommand::Redo);
        assert!(state(&desk) == after, "{step:?} is not made again");
        desk.w.dispatch(EditCommand::Undo);
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
