//! A loop that goes on where an earlier program left off: slices that were done and never reached the pool, and the loop
//! that ran when the window lost its device.

use super::super::{Document, Workspace};
use super::LearnForm;
use super::layer::drawn_by_hand;
use crate::core::CaseId;
use crate::learn::{self, Effort, LoopConfig};
use crate::nn::{AxialView, DeviceChoice};
use std::path::PathBuf;

/// A loop that ran when the window was lost; its folder has everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLoop {
    pub name: String,
    pub device: DeviceChoice,
    /// Whether it was of all open cases.
    pub all_cases: bool,
}

impl Workspace {
    /// The loop has said which slices of a case are in its pool. Those that a person marked as done and that are not among
    /// them follow: the program ended before they were taken in.
    pub(super) fn take_known(&mut self, id: CaseId, slices: &[usize]) {
        let missing = self.document_mut(id).map(|d| d.remember_done(slices)).unwrap_or_default();
        if missing.is_empty() {
            return;
        }
        for &slice in &missing {
            // Of what it took, the voxels are still known.
            let voxels = self.document(id).map_or(0, |d| d.voxels_by_hand(slice));
            self.teach(id, slice, Effort { voxels, ..Effort::default() });
        }
        self.status = format!("{} slices that were done before are in the training pool now", missing.len());
    }

    /// What a program that follows on this one has to know of the loop.
    pub(in crate::workspace) fn kept_loop(&self) -> Option<KeptLoop> {
        let running = || {
            let view = self.learning.view.as_ref().filter(|v| v.running && v.state.is_some())?;
            let (device, all_cases) = (self.learning.device, self.learning.cohort);
            Some(KeptLoop { name: view.name.clone(), device, all_cases })
        };
        // Lost again before it could be gone on with.
        self.learning.resuming.clone().or_else(running)
    }

    /// Goes on with the loop of the program before, as soon as all that was open is open again.
    pub(in crate::workspace) fn go_on_learning(&mut self) {
        let waits = self.looking || self.is_busy() || !(self.resuming.is_empty() && self.taking_up.is_empty());
        if waits || self.learning.resuming.is_none() {
            return;
        }
        let Some(kept) = self.learning.resuming.take() else { return };
        if self.learning.is_running() || !learn::is_loop(&self.home.runs().join(&kept.name)) {
            return;
        }
        self.start_learning(LearnForm {
            run: PathBuf::new(),
            name: kept.name,
            device: kept.device,
            earlier: None,
            config: LoopConfig::default(),
            all_cases: kept.all_cases,
        });
    }
}

impl Document {
    /// Voxels of a slice that a person set or erased.
    fn voxels_by_hand(&self, slice: usize) -> u64 {
        let Some(layer) = self.learned().and_then(|l| self.case.layer(l.layer()?)) else { return 0 };
        let human = drawn_by_hand(layer);
        let view = AxialView::new(layer.labels.geometry());
        let of = |map| view.label_slice(map, slice).iter().filter(|n| human[usize::from(**n)]).count() as u64;
        layer.work.sources.map().map_or(0, of)
    }
}
