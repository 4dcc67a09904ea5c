//! What a step of the history holds, what it leaves in a layer, and how it is walked in both directions.

use super::Document;
use crate::core::{LabelId, LabelMap, Layer, LayerId, Measurement, Origin};
use crate::edit::{Delta, HistoryEntry, PackedDelta, mark_sources};
use crate::io::journal::{JournalEntry, StepMark};

/// One step of the history.
#[derive(Debug)]
pub struct Entry {
    pub(super) name: String,
    pub(super) change: Change,
}

#[derive(Debug)]
pub(super) enum Change {
    /// Labels, and the numbers of where they come from.
    Labels {
        layer: LayerId,
        labels: PackedDelta,
        sources: PackedDelta,
        /// Who did it, and the number in the layer's list.
        origin: Option<(Origin, LabelId)>,
    },
    Layers {
        before: LayerState,
        after: LayerState,
    },
    Measurements {
        before: Vec<Measurement>,
        after: Vec<Measurement>,
    },
}

/// What a change of labels leaves in the history and in the layer's sources; worked out by a job where it may be much.
#[derive(Debug, Clone, Default)]
pub(super) struct Traces {
    pub labels: PackedDelta,
    pub sources: Delta,
    /// Number of the origin in the layer's list.
    pub number: LabelId,
}

impl Traces {
    /// Of a change by `origin` to `layer` (as it was before, or is after it: its sources have not followed yet). A change
    /// without origin only renames labels: where they come from stays as it is.
    pub fn of(layer: &Layer, delta: &Delta, origin: Option<&Origin>) -> Self {
        let labels = PackedDelta::of(delta);
        let Some(origin) = origin else { return Self { labels, ..Self::default() } };
        let number = layer.work.sources.clone().number(origin);
        let mut map = layer.work.sources.map().cloned();
        let map = map.get_or_insert_with(|| LabelMap::empty(*layer.labels.geometry()));
        Self { labels, sources: mark_sources(map, delta, number), number }
    }

    /// Leaves them in the layer's sources, where the change is part of a step of its own.
    pub fn leave(&self, layer: &mut Layer, delta: &Delta, origin: &Origin) {
        let again = (layer.work.sources.number(origin) != self.number).then(|| Self::of(layer, delta, Some(origin)));
        let like = layer.labels.clone();
        again.as_ref().unwrap_or(self).sources.apply(layer.work.sources.map_mut(&like));
    }
}

/// All layers of a case and what is selected; label maps share their bricks with the case.
#[derive(Debug, Clone)]
pub(super) struct LayerState {
    pub layers: Vec<Layer>,
    pub active_layer: Option<LayerId>,
    pub active_segment: LabelId,
}

impl LayerState {
    pub fn of(document: &Document) -> Self {
        Self {
            layers: document.case.layers.clone(),
            active_layer: document.active_layer,
            active_segment: document.active_segment,
        }
    }

    /// Bytes of brick pointers and of bricks that `other` does not share.
    fn bytes_against(&self, other: &Self) -> usize {
        self.layers
            .iter()
            .map(|layer| {
                let twin = other.layers.iter().find(|l| l.id == layer.id);
                let sources =
                    layer.work.sources.map().map_or(0, |m| m.bytes_beside(twin.and_then(|t| t.work.sources.map())));
                layer.labels.bytes_beside(twin.map(|t| &t.labels)) + sources
            })
            .sum()
    }
}

impl HistoryEntry for Entry {
    fn name(&self) -> &str {
        &self.name
    }

    fn bytes(&self) -> usize {
        match &self.change {
            Change::Labels { labels, sources, .. } => labels.bytes() + sources.bytes(),
            Change::Layers { before, after } => before.bytes_against(after) + after.bytes_against(before),
            Change::Measurements { before, after } => {
                let all = before.iter().chain(after);
                all.map(|m| 128 + m.note.len() + size_of_val(m.shape.points())).sum()
            }
        }
    }
}

/// Walks a change of labels forward, or `back`, in its layer: what it changed, and whether the layer's list of who has
/// worked on it grew. The layer may have been taken back and made again, without that list.
pub(super) fn walk_labels(
    layer: &mut Layer,
    labels: &PackedDelta,
    sources: &PackedDelta,
    origin: Option<&(Origin, LabelId)>,
    back: bool,
) -> (Delta, bool) {
    let known = layer.work.sources.list().to_vec();
    if let Some((origin, number)) = origin.filter(|_| !back) {
        layer.work.sources.restore(*number, origin);
    }
    let grew = layer.work.sources.list() != known;
    let go = |packed: &PackedDelta, map: &mut LabelMap| {
        let delta = packed.unpack(map, back);
        if back {
            delta.revert(map)
        } else {
            delta.apply(map)
        }
        delta
    };
    let delta = go(labels, &mut layer.labels);
    if !sources.is_empty() {
        let like = layer.labels.clone();
        go(sources, layer.work.sources.map_mut(&like));
    }
    (delta, grew)
}

/// What the journal has to be told when layers became others: of those that stay, names and segments and the bricks
/// that changed; what is new as a whole.
pub(super) fn entries_between(before: &[Layer], after: &[Layer]) -> Vec<JournalEntry> {
    let gone = before.iter().filter(|old| after.iter().all(|new| new.id != old.id));
    let mut entries: Vec<_> = gone.map(|layer| JournalEntry::remove(layer.id)).collect();
    for layer in after {
        let Some(old) = before.iter().find(|old| old.id == layer.id) else {
            entries.push(JournalEntry::put(layer));
            continue;
        };
        let bricks = changed_bricks(layer, old);
        if !bricks.is_empty() {
            entries.push(JournalEntry::edit(layer, &bricks));
        }
        entries.push(JournalEntry::describe(layer));
    }
    entries
}

/// Marks entries as one step that changed layers. There is always one to carry the mark.
pub(super) fn as_layer_step(
    mut entries: Vec<JournalEntry>,
    mark: impl FnOnce(u32) -> StepMark,
) -> impl Iterator<Item = JournalEntry> {
    if entries.is_empty() {
        entries.push(JournalEntry::remove(LayerId(0)));
    }
    let count = entries.len() as u32;
    entries[0].step = Some(mark(count));
    entries.into_iter()
}

/// Bricks in which two states of a layer differ, in labels or in where they come from.
pub(super) fn changed_bricks(layer: &Layer, old: &Layer) -> Vec<u32> {
    let mut changed = layer.labels.changed_bricks(&old.labels);
    let [new, old] = [layer, old].map(|l| l.work.sources.map());
    if new.is_some() || old.is_some() {
        let empty = LabelMap::empty(*layer.labels.geometry());
        changed.extend(new.unwrap_or(&empty).changed_bricks(old.unwrap_or(&empty)));
        changed.sort_unstable();
        changed.dedup();
    }
    changed
}

/// What is shown is no work and so no part of the history: it stays as it is when a step is taken back.
pub(super) fn keep_visibility(layers: &mut [Layer], shown: &[Layer]) {
    for layer in layers {
        let Some(old) = shown.iter().find(|l| l.id == layer.id) else { continue };
        layer.visible = old.visible;
        for segment in &mut layer.segments {
            if let Some(old) = old.segment(segment.id) {
                segment.visible = old.visible;
            }
        }
    }
}
