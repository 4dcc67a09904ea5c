//! What may be shown before the mask has it, and what is taken back, with a screen that only notes it.

use super::*;
use crate::learn::{EarlyLabels, Screen, ShownEarly, Sight, Sketch};
use crate::nn::ModelSpec;
use std::sync::Mutex;

/// The slices that were drawn again as the mask has them.
#[derive(Default)]
struct Restored(Mutex<Vec<usize>>);

impl Restored {
    /// Those since the last call.
    fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Screen for Restored {
    fn sketch(&self, _: Sight, _: &Geometry, _: &ModelSpec) -> Option<Box<dyn Sketch>> {
        None
    }

    fn restore(&self, at: Sight) {
        self.0.lock().unwrap().push(at.slice);
    }
}

impl Stage {
    /// On a device that draws.
    fn on_screen() -> (Self, Arc<Restored>) {
        let (mut stage, restored) = (Self::new(), Arc::new(Restored::default()));
        stage.w.learning.early = EarlyLabels::on(restored.clone());
        (stage, restored)
    }

    /// The slice that may be shown, once a frame has begun.
    fn allowed(&mut self) -> Option<usize> {
        self.w.poll();
        self.w.learning.early.allowed().map(|at| at.slice)
    }

    /// The device shows what a version says of the slice on the screen, where it may.
    fn show_early(&mut self, slice: usize, version: usize) -> bool {
        self.show(slice);
        self.w.poll();
        let document = self.document();
        let at = Sight { case: document.case.id.0, layer: document.learned().unwrap().layer().unwrap(), slice };
        self.w.learning.early.show(ShownEarly { at, version }, || true)
    }

    fn shown(&self) -> Vec<usize> {
        self.w.learning.early.shown().iter().map(|shown| shown.at.slice).collect()
    }
}

#[test]
fn only_a_slice_that_nobody_has_touched_may_be_shown_early_and_none_while_masks_change() {
    let (mut stage, _) = Stage::on_screen();
    stage.show(5);
    assert_eq!(stage.w.learning.early.allowed(), None, "before the first frame");
    assert_eq!(stage.allowed(), Some(5));
    stage.show(6);
    assert_eq!(stage.w.learning.early.allowed().map(|at| at.slice), Some(5), "to look changes no mask");
    assert_eq!(stage.allowed(), Some(6));
    stage.w.dispatch(EditCommand::BrushRadius(2.0));
    assert_eq!(stage.w.learning.early.allowed(), None, "until the next frame");
    assert_eq!(stage.allowed(), Some(6));
    stage.begin_stroke(false, [12, 12], 6);
    stage.show(7);
    assert_eq!(stage.allowed(), None, "nothing moves under a stroke");
    stage.w.dispatch(EditCommand::CommitStroke);
    assert_eq!(stage.allowed(), Some(7));
    stage.show(6);
    assert_eq!((stage.allowed(), stage.mark(6)), (None, SliceMark::Touched));
    stage.show(8);
    assert_eq!(stage.allowed(), Some(8));
    stage.w.dispatch(WorkCommand::StatusOf { from: 8, to: 8, status: SliceStatus::Corrected });
    assert_eq!(stage.allowed(), None, "marked without a stroke");
    stage.show(9);
    stage.w.dispatch(LearnCommand::Done);
    stage.show(9);
    assert_eq!((stage.allowed(), stage.mark(9)), (None, SliceMark::Done));
    // Drawn by a person, as the origins say, and the loop has not heard of it.
    stage.show(10);
    assert_eq!(stage.allowed(), Some(10));
    let id = stage.layer().id;
    let layer = stage.w.active_document_mut().unwrap().case.layer_mut(id).unwrap();
    let human = layer.work.sources.number(&Origin::Human);
    let voxel = Stage::voxel([3, 3], 10).map(|v| v as usize);
    layer.work.sources.map_mut(&layer.labels).set(voxel, human);
    assert_eq!((stage.allowed(), stage.mark(10)), (None, SliceMark::Waiting));
    stage.show(11);
    assert_eq!(stage.allowed(), Some(11));
    stage.w.learning.asks = None;
    assert_eq!(stage.allowed(), None, "the loop has ended");
}

#[test]
fn what_is_shown_early_is_in_the_mask_afterwards_or_taken_back() {
    let (mut stage, restored) = Stage::on_screen();
    assert!(stage.show_early(4, 0));
    // Other slices, a look elsewhere and frames leave it.
    stage.show(3);
    stage.w.poll();
    assert_eq!((stage.shown(), restored.take()), (vec![4], vec![]));
    stage.predict(0);
    assert_eq!((stage.shown(), restored.take(), stage.label([12, 12], 4)), (vec![], vec![], 1), "the mask has it");

    // The answer of a version before comes when the next one is shown already.
    assert!(stage.show_early(4, 2));
    stage.predict(1);
    assert_eq!((stage.shown(), restored.take(), stage.mark(4)), (vec![], vec![4], SliceMark::Predicted(1)));

    // A stroke begins, wherever it is: from then on the mask takes nothing.
    assert!(stage.show_early(4, 2));
    stage.begin_stroke(false, [30, 30], 12);
    assert_eq!((stage.shown(), restored.take()), (vec![], vec![4]));
    assert!(!stage.show_early(4, 2), "while somebody paints");
    stage.predict(2);
    assert_eq!(stage.label([12, 21], 4), 0, "held until the stroke ends");
    stage.w.dispatch(EditCommand::CommitStroke);
    stage.w.poll();
    assert_eq!((stage.label([12, 21], 4), restored.take()), (1, vec![]));

    // The slice is a person's before the host has the labels.
    assert!(stage.show_early(5, 3));
    stage.w.dispatch(LearnCommand::Done);
    assert_eq!((stage.shown(), restored.take()), (vec![], vec![5]));
    assert!(!stage.show_early(5, 3), "nobody shows over what a person has done");
    stage.predict(3);
    assert_eq!((stage.mark(5), stage.label([12, 22], 5), restored.take()), (SliceMark::Done, 0, vec![]));

    // The mask is no longer what is drawn, or no longer there.
    assert!(stage.show_early(6, 4));
    let layer = stage.layer().id;
    stage.w.dispatch(crate::workspace::LayerCommand::Delete(layer));
    assert_eq!((stage.shown(), restored.take()), (vec![], vec![6]));
}
