//! Which slice the loop may show before the mask has it, and what is taken back.
//!
//! The loop's device shows labels from a thread of its own. It may while the window is between its turns at the masks, on the
//! slice on the screen, where the mask is sure to take them: nobody has touched it, and nobody paints. Whatever changes masks
//! first takes that permission away, and what is shown then and is no longer sure is drawn again as the mask has it.

use super::super::{Document, Workspace};
use crate::core::{CaseId, LabelId, Plane};
use crate::learn::{EarlyLabels, ShownEarly, Sight};
use crate::nn::{ComputeThread, DeviceMode};

impl Workspace {
    /// For a loop on this thread: the screen is only in reach of the window's own device.
    pub(super) fn early_labels_on(&self, thread: Option<&ComputeThread>) -> EarlyLabels {
        let shared = thread.is_some_and(|thread| thread.device().mode == DeviceMode::Shared);
        self.learning.screen.clone().filter(|_| shared).map(EarlyLabels::on).unwrap_or_default()
    }

    /// From here on masks may change.
    pub(in crate::workspace) fn hold_early_labels(&self) {
        self.learning.early.allow(None);
    }

    /// After masks may have changed.
    pub(in crate::workspace) fn check_early_labels(&self) {
        for shown in self.learning.early.shown() {
            let document = self.document(CaseId(shown.at.case));
            if !document.is_some_and(|d| d.awaits(shown.at.layer, shown.at.slice)) {
                self.learning.early.withdraw(&shown);
            }
        }
    }

    /// From here on masks stay as they are until something is asked for.
    pub(in crate::workspace) fn allow_early_labels(&self) {
        if self.learning.early.has_screen() {
            self.learning.early.allow(self.active_document().filter(|_| self.learning.is_running()).and_then(sight));
        }
    }

    /// Predictions are with the host.
    pub(super) fn take_predicted(&mut self, case: CaseId, version: usize, slices: Vec<(usize, Vec<LabelId>)>) {
        let shown: Vec<ShownEarly> =
            slices.iter().filter_map(|(slice, _)| self.learning.early.take(case.0, *slice)).collect();
        if let Some(document) = self.document_mut(case) {
            document.take_predictions(version, slices);
        }
        for shown in shown {
            let Sight { layer, slice, .. } = shown.at;
            let merged = self.document(case).is_some_and(|d| d.has_prediction(layer, slice, shown.version));
            if !merged {
                self.learning.early.withdraw(&shown);
            }
        }
    }
}

/// The slice on the screen, where the mask is sure to take what is predicted of it.
fn sight(document: &Document) -> Option<Sight> {
    let (layer, slice) = (document.learned()?.layer()?, document.slice_index(Plane::Axial));
    let at = Sight { case: document.case.id.0, layer, slice };
    document.awaits(layer, slice).then_some(at)
}
