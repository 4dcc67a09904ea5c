//! Prompts in the window: scribbles go to the loop, its answer comes back as one step of the history.

use super::super::{Document, Notice, Workspace};
use super::Ask;
use crate::core::{CaseId, LabelId, LayerId, Origin, Plane};
use crate::edit::Delta;
use crate::learn::{PromptChange, PromptPoint};
use crate::nn::AxialView;
use glam::DVec3;
use std::collections::BTreeSet;

/// The prompts of one class on one slice, and what they changed so far.
#[derive(Debug, Default)]
pub(super) struct Prompts {
    points: Vec<PromptPoint>,
    change: PromptChange,
}

impl Workspace {
    pub(super) fn prompt(&mut self, plane: Plane, points: &[DVec3], inside: bool) {
        if plane != Plane::Axial {
            self.notify(Notice::warning("Prompt on the axial slices: the network looks at those."));
            return;
        }
        let running = self.learning.is_running();
        let Some(document) = self.active_document_mut() else { return };
        let (case, slice, class) = (document.case.id, document.slice_index(Plane::Axial), document.active_segment);
        let view = AxialView::new(&document.case.geometry);
        let active = document.active_layer;
        let Some(learned) = document.learned_mut().filter(|l| running && l.layer() == active) else {
            self.notify(Notice::warning(
                "Prompts need the learning loop: start it on this case, and choose its layer.",
            ));
            return;
        };
        let prompts = learned.prompts.entry((slice, class)).or_default();
        prompts.points.extend(points.iter().map(|voxel| {
            let [x, y] = view.pixel(*voxel);
            PromptPoint { x, y, inside }
        }));
        let points = prompts.points.clone();
        self.learning.ask(Ask::Prompt { case: case.0, slice, class, points });
    }

    /// Puts the answer into the mask as a step that undo takes back.
    pub(super) fn take_adapted(
        &mut self,
        case: CaseId,
        slice: usize,
        class: LabelId,
        change: &PromptChange,
        seconds: f64,
    ) {
        let Some(document) = self.document_mut(case) else { return };
        if document.stroke.is_some() {
            return;
        }
        let Some(layer) = document.learned().and_then(super::LearnedLayer::layer) else { return };
        let changed = document.put_answer(layer, slice, class, change);
        self.status = format!("The slice adapted in {:.0} ms, {changed} voxels", seconds * 1000.0);
    }
}

impl Document {
    /// Only what the prompts change of the network's own answer is changed; what was painted elsewhere stays. Locked
    /// segments stay too. Gives the number of voxels.
    fn put_answer(&mut self, id: LayerId, slice: usize, class: LabelId, change: &PromptChange) -> usize {
        let Some(learned) = self.learned_mut() else { return 0 };
        let prompts = learned.prompts.entry((slice, class)).or_default();
        let before = std::mem::replace(&mut prompts.change, change.clone());
        let left = |old: &[u32], new: &[u32]| -> Vec<u32> {
            let new: BTreeSet<&u32> = new.iter().collect();
            old.iter().filter(|v| !new.contains(v)).copied().collect()
        };
        // What an earlier answer changed and this one does not goes back.
        let (no_longer_on, no_longer_off) = (left(&before.on, &change.on), left(&before.off, &change.off));
        let Some(layer) = self.case.layer_mut(id) else { return 0 };
        let locked = |label: LabelId| layer.segments.iter().any(|s| s.id == label && s.locked);
        if locked(class) {
            return 0;
        }
        let name = format!("Prompt {}", layer.segment(class).map_or("segment", |s| s.name.as_str()));
        let view = AxialView::new(layer.labels.geometry());
        let old = view.label_slice(&layer.labels, slice);
        let width = view.size()[0];
        let locked: [bool; 256] = std::array::from_fn(|n| locked(n as LabelId));
        let map = layer.labels.clone();
        let mut count = 0;
        for (pixels, on) in [(&no_longer_on, false), (&change.off, false), (&no_longer_off, true), (&change.on, true)] {
            for &pixel in pixels {
                let at = pixel as usize;
                let Some(&label) = old.get(at) else { continue };
                let wanted = if on { class } else { 0 };
                let may = if on { label != class && !locked[usize::from(label)] } else { label == class };
                if may {
                    layer.labels.set(view.voxel(at % width, at / width, slice), wanted);
                    count += 1;
                }
            }
        }
        let delta = Delta::between(&map, &layer.labels).unwrap_or_default();
        self.mark_bricks(id, delta.bricks.iter().map(|b| b.index));
        self.record_labels(name, id, delta, Some(&Origin::Human));
        count
    }
}
