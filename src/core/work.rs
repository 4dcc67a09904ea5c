//! What people did with a layer: how far each slice is, notes on slices, who reads it, and where each voxel comes from.
//!
//! Slices are those across voxel axis 2, as the series was read. All of it is part of a project and of the journal.

use super::{Brick, BrickIndex, LabelId, LabelMap, Layer, Origin};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How far a slice of a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum SliceStatus {
    /// Nobody has said anything about it.
    #[default]
    ToDo,
    /// Whoever corrects has finished it.
    Corrected,
    /// A reviewer has found it right. A change of its voxels makes it [`Self::Corrected`] again.
    Approved,
}

impl SliceStatus {
    /// In the order of the work.
    pub const ALL: [Self; 3] = [Self::ToDo, Self::Corrected, Self::Approved];

    /// As buttons and lists say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ToDo => "To do",
            Self::Corrected => "Corrected",
            Self::Approved => "Approved",
        }
    }

    /// Whether the slice may be learnt from: a person stands for what it shows, background included.
    pub fn is_done(self) -> bool {
        self != Self::ToDo
    }
}

/// What is known of one slice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct SliceMark {
    status: SliceStatus,
    #[serde(default)]
    note: String,
}

/// Status and note of every slice of a layer; a slice without either costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SliceMarks(BTreeMap<u32, SliceMark>);

impl SliceMarks {
    /// How far slice `k` is.
    pub fn status(&self, k: usize) -> SliceStatus {
        self.0.get(&(k as u32)).map_or(SliceStatus::ToDo, |m| m.status)
    }

    /// What someone wrote on slice `k`; empty when nobody did.
    pub fn note(&self, k: usize) -> &str {
        self.0.get(&(k as u32)).map_or("", |m| &m.note)
    }

    /// Says how far slice `k` is.
    pub fn set_status(&mut self, k: usize, status: SliceStatus) {
        self.change(k, |m| m.status = status);
    }

    /// Writes a note on slice `k`; an empty text takes it away.
    pub fn set_note(&mut self, k: usize, note: impl Into<String>) {
        let note = note.into();
        self.change(k, |m| m.note = note);
    }

    fn change(&mut self, k: usize, change: impl FnOnce(&mut SliceMark)) {
        let mark = self.0.entry(k as u32).or_default();
        change(mark);
        if *mark == SliceMark::default() {
            self.0.remove(&(k as u32));
        }
    }

    /// Slices with a status other than [`SliceStatus::ToDo`], in order.
    pub fn done(&self) -> impl Iterator<Item = (usize, SliceStatus)> {
        self.0.iter().filter(|(_, m)| m.status.is_done()).map(|(k, m)| (*k as usize, m.status))
    }

    /// Slices with a note, in order.
    pub fn notes(&self) -> impl Iterator<Item = (usize, &str)> {
        self.0.iter().filter(|(_, m)| !m.note.is_empty()).map(|(k, m)| (*k as usize, m.note.as_str()))
    }

    /// Of `slices` slices, how many have each status of [`SliceStatus::ALL`].
    pub fn progress(&self, slices: usize) -> [usize; 3] {
        let mut counts = [0; 3];
        for (_, status) in self.done().filter(|(k, _)| *k < slices) {
            counts[status as usize] += 1;
        }
        counts[0] = slices - counts[1] - counts[2];
        counts
    }

    /// The next slice after `k` (before it, with `back`) that is still to do, going round at the end; `None` when
    /// there is none but perhaps `k` itself.
    pub fn next_to_do(&self, k: usize, slices: usize, back: bool) -> Option<usize> {
        let at = |n: usize| if back { (k + slices - n) % slices } else { (k + n) % slices };
        (1..slices).map(at).find(|&n| self.status(n) == SliceStatus::ToDo)
    }
}

/// Where the voxels of a layer come from, as far as they do not come from the layer's own [`Origin`].
///
/// Kept like labels, in copy-on-write bricks: voxels hold the number of one of `list`, counted from 1, and 0 for what is
/// as it came with the layer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sources {
    list: Vec<Origin>,
    #[serde(skip)]
    map: Option<LabelMap>,
}

impl Sources {
    /// Number of an origin in the map, which is added when it is new. A layer remembers 255 of them; later ones are
    /// taken for the last.
    pub fn number(&mut self, origin: &Origin) -> LabelId {
        let at = self.list.iter().position(|o| o == origin).unwrap_or_else(|| {
            if self.list.len() < usize::from(LabelId::MAX) {
                self.list.push(origin.clone());
            }
            self.list.len() - 1
        });
        (at + 1) as LabelId
    }

    /// Makes `number` stand for an origin again, in a list that was made anew since it got that number.
    pub fn restore(&mut self, number: LabelId, origin: &Origin) {
        let Some(at) = usize::from(number).checked_sub(1) else { return };
        if self.list.len() <= at {
            self.list.resize(at + 1, origin.clone());
        }
        self.list[at] = origin.clone();
    }

    /// The origins that voxels may come from, in the order of their numbers.
    pub fn list(&self) -> &[Origin] {
        &self.list
    }

    /// The numbers, where any voxel has one.
    pub fn map(&self) -> Option<&LabelMap> {
        self.map.as_ref()
    }

    /// The numbers, to write to; `like` gives the grid.
    pub fn map_mut(&mut self, like: &LabelMap) -> &mut LabelMap {
        self.map.get_or_insert_with(|| LabelMap::empty(*like.geometry()))
    }

    /// Takes numbers that were read from a file.
    pub fn set_map(&mut self, map: Option<LabelMap>) {
        self.map = map;
    }

    /// The list alone.
    #[must_use]
    pub fn without_map(&self) -> Self {
        Self { list: self.list.clone(), map: None }
    }

    /// The numbers of one brick; `None` when all of it is as it came with the layer.
    pub fn brick(&self, index: BrickIndex) -> Option<&Arc<Brick>> {
        self.map.as_ref()?.brick(index)
    }

    /// For each number whether it stands for a person.
    fn human(&self) -> [bool; 256] {
        std::array::from_fn(|n| n > 0 && self.list.get(n - 1) == Some(&Origin::Human))
    }
}

/// Everything this file is about, for one layer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Work {
    /// Number of the reader that the layer belongs to; 0 when only one reads the case.
    pub reader: u32,
    pub slices: SliceMarks,
    pub sources: Sources,
}

impl Layer {
    /// Where the label of a voxel comes from.
    pub fn origin_at(&self, voxel: [i64; 3]) -> &Origin {
        let number = self.work.sources.map().map_or(0, |m| m.at(voxel));
        usize::from(number).checked_sub(1).and_then(|n| self.work.sources.list().get(n)).unwrap_or(&self.origin)
    }

    /// For each slice across voxel axis 2 whether a person has changed a voxel of it. What was drawn before origins were
    /// kept counts by the layer's own origin.
    pub fn touched_slices(&self) -> Vec<bool> {
        let [.., slices] = self.labels.geometry().dims();
        let mut touched = vec![false; slices];
        let human = self.work.sources.human();
        let drawn = self.origin == Origin::Human;
        for index in 0..self.labels.brick_count() as BrickIndex {
            let (sources, labels) = (self.work.sources.brick(index), self.labels.brick(index));
            if sources.is_none() && (!drawn || labels.is_none()) {
                continue;
            }
            let area = self.labels.brick_box(index);
            let slices = touched.iter_mut().enumerate().take(area.max[2]).skip(area.min[2]);
            for (k, touched) in slices.filter(|(_, t)| !**t) {
                let at = LabelMap::offset_in_brick([0, 0, k]);
                let plane = at..at + super::BRICK_EDGE * super::BRICK_EDGE;
                let numbers = sources.map(|b| &b[plane.clone()]);
                let labels = labels.map(|b| &b[plane.clone()]);
                *touched = match (numbers, labels) {
                    (None, labels) => drawn && labels.is_some_and(|l| l.iter().any(|&v| v != 0)),
                    (Some(n), None) => n.iter().any(|&v| human[usize::from(v)]),
                    (Some(n), Some(l)) => {
                        n.iter().zip(l).any(|(&n, &l)| human[usize::from(n)] || (drawn && n == 0 && l != 0))
                    }
                };
            }
        }
        touched
    }

    /// Which of the voxels of a brick a newer prediction leaves alone: what a person changed, and what was drawn or read
    /// from a file. `None` when that is none of them.
    pub fn kept_voxels(&self, index: BrickIndex) -> Option<Box<[bool; 4096]>> {
        let (sources, labels) = (self.work.sources.brick(index), self.labels.brick(index));
        let made = !matches!(self.origin, Origin::Model { .. });
        if sources.is_none() && (!made || labels.is_none()) {
            return None;
        }
        let human = self.work.sources.human();
        let mut kept = Box::new([false; 4096]);
        for (n, kept) in kept.iter_mut().enumerate() {
            let number = sources.map_or(0, |b| b[n]);
            *kept = human[usize::from(number)] || (number == 0 && made && labels.is_some_and(|b| b[n] != 0));
        }
        kept.contains(&true).then_some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Geometry, LayerId};
    use glam::DVec3;

    #[test]
    fn marks_count_go_round_and_leave_nothing_behind() {
        let mut marks = SliceMarks::default();
        marks.set_status(3, SliceStatus::Corrected);
        marks.set_status(4, SliceStatus::Approved);
        marks.set_note(4, "artefact");
        assert_eq!(marks.progress(6), [4, 1, 1]);
        assert_eq!((marks.status(4), marks.note(4), marks.note(3)), (SliceStatus::Approved, "artefact", ""));
        assert_eq!(marks.next_to_do(2, 6, false), Some(5));
        assert_eq!(marks.next_to_do(5, 6, false), Some(0));
        assert_eq!(marks.next_to_do(0, 6, true), Some(5));
        assert_eq!(marks.next_to_do(5, 6, true), Some(2));
        for k in [0, 1, 2, 5] {
            marks.set_status(k, SliceStatus::Corrected);
        }
        assert_eq!(marks.next_to_do(2, 6, false), None);
        assert_eq!(marks.notes().collect::<Vec<_>>(), [(4, "artefact")]);
        for k in 0..6 {
            marks.set_status(k, SliceStatus::ToDo);
        }
        marks.set_note(4, "");
        assert_eq!(marks, SliceMarks::default());
        assert_eq!(marks.next_to_do(0, 1, false), None);
    }

    #[test]
    fn touched_is_what_a_person_changed() {
        let grid = Geometry::axis_aligned([20, 18, 40], DVec3::new(0.7, 0.8, 3.0), DVec3::ZERO).unwrap();
        let model = Origin::Model { run: "a".into(), checkpoint: "best".into() };
        let mut labels = LabelMap::empty(grid);
        labels.set([1, 1, 5], 1);
        labels.set([19, 17, 30], 1);
        let mut layer = Layer::new(LayerId(1), "L", labels, Vec::new(), model.clone());
        assert!(!layer.touched_slices().contains(&true));
        assert!(layer.kept_voxels(0).is_none());
        let human = layer.work.sources.number(&Origin::Human);
        let other = layer.work.sources.number(&model);
        assert_eq!((human, other, layer.work.sources.number(&Origin::Human)), (1, 2, 1));
        let mut anew = Sources::default();
        anew.restore(2, &model);
        assert_eq!(anew.list(), [model.clone(), model.clone()]);
        assert_eq!(anew.number(&model), 1);
        let like = layer.labels.clone();
        // Erased by a person, and filled by a model: only the first is touched.
        layer.work.sources.map_mut(&like).set([3, 3, 17], human);
        layer.work.sources.map_mut(&like).set([3, 3, 20], other);
        let touched: Vec<usize> = (0..40).filter(|&k| layer.touched_slices()[k]).collect();
        assert_eq!(touched, [17]);
        assert_eq!((layer.origin_at([3, 3, 17]), layer.origin_at([1, 1, 5])), (&Origin::Human, &model));
        let index = layer.labels.brick_of([3, 3, 17]);
        let kept = layer.kept_voxels(index).unwrap();
        assert_eq!(kept.iter().filter(|k| **k).count(), 1);
        assert!(kept[LabelMap::offset_in_brick([3, 3, 17])]);
        layer.origin = Origin::Human;
        let touched: Vec<usize> = (0..40).filter(|&k| layer.touched_slices()[k]).collect();
        assert_eq!(touched, [5, 17, 30]);
    }
}
