//! A case as the runner serves it: its slices at the network's resolution, which of them still wait for the version in
//! use, and what the version before said of them.

use super::queue::{answer, differ, jumps};
use super::{SliceView, case_key};
use crate::core::{LabelId, Plane, PlaneAxes, Volume};
use crate::nn::{AxialView, ModelSpec, resample_hu};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Slices a pass predicts at most.
pub(super) const BATCH: usize = 4;

/// A case being served.
pub(super) struct Served {
    pub volume: Arc<Volume>,
    pub key: String,
    pub hu: Vec<Vec<i16>>,
    pub spacing: f64,
    /// Columns and rows of a slice.
    pub size: [usize; 2],
    /// Slices still to be predicted by the version in use.
    waiting: BTreeSet<usize>,
    /// Probabilities and first figures of the slices that it has predicted; until all have their jumps.
    said: BTreeMap<usize, (Vec<f32>, SliceView)>,
    /// The class that it gave each pixel, and the one that the version before gave.
    answers: BTreeMap<usize, Vec<LabelId>>,
    before: BTreeMap<usize, Vec<LabelId>>,
}

impl Served {
    /// A case for a network of `n` x `n` pixels; all its slices wait.
    pub fn new(volume: Arc<Volume>, n: usize) -> Self {
        let geometry = *volume.geometry();
        let view = AxialView::new(&geometry);
        let [width, height, slices] = view.size();
        let axis = PlaneAxes::of(&geometry, Plane::Axial).through;
        Self {
            key: case_key(&volume),
            hu: (0..slices).map(|k| resample_hu(&view.slice(&volume, k), [width, height], n)).collect(),
            spacing: geometry.spacing()[axis],
            size: [width, height],
            waiting: (0..slices).collect(),
            said: BTreeMap::new(),
            answers: BTreeMap::new(),
            before: BTreeMap::new(),
            volume,
        }
    }

    /// Whether there is something to predict.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What to predict next: neighbouring slices in their order. The one that is looked at comes first and alone, so that
    /// it is there as soon as can be; then those above it, then the rest.
    pub fn next(&self, looked_at: Option<usize>) -> Vec<usize> {
        if let Some(slice) = looked_at.filter(|k| self.waiting.contains(k)) {
            return vec![slice];
        }
        let first = self.waiting.range(looked_at.unwrap_or(0)..).next().or_else(|| self.waiting.first()).copied();
        let Some(first) = first else { return Vec::new() };
        (first..).take(BATCH).take_while(|k| self.waiting.contains(k)).collect()
    }

    /// Takes in what the version in use says of neighbouring slices.
    pub fn take(&mut self, spec: &ModelSpec, shown: Vec<Vec<f32>>, views: Vec<SliceView>) {
        for (p, mut view) in shown.into_iter().zip(views) {
            let answer = answer(&p, spec);
            view.turned = self.before.get(&view.slice).map_or(0.0, |before| differ(before, &answer));
            self.waiting.remove(&view.slice);
            self.answers.insert(view.slice, answer);
            self.said.insert(view.slice, (p, view));
        }
    }

    /// What the queue needs, once every slice is predicted.
    pub fn rank(&mut self, spec: &ModelSpec) -> Option<Vec<SliceView>> {
        if self.is_waiting() {
            return None;
        }
        let said = std::mem::take(&mut self.said);
        let (probabilities, mut views): (Vec<Vec<f32>>, Vec<SliceView>) = said.into_values().unzip();
        jumps(&mut views, &probabilities, spec.preprocessing.size, spec.network.out_channels);
        Some(views)
    }

    /// Another version is in use: everything waits for it. What the one before said is kept to be compared with.
    pub fn renew(&mut self) {
        self.waiting = (0..self.hu.len()).collect();
        self.said.clear();
        self.before.append(&mut self.answers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Geometry;
    use crate::nn::{NetworkConfig, UNetConfig};
    use crate::train::Recipe;
    use glam::DVec3;

    const N: usize = 4;

    fn spec() -> ModelSpec {
        let mut recipe = Recipe::load("demo").unwrap();
        recipe.preprocessing.size = N;
        recipe.network = NetworkConfig::UNet(UNetConfig::new(2, 1));
        recipe.model_spec()
    }

    fn served(slices: usize) -> Served {
        let geometry = Geometry::axis_aligned([N, N, slices], DVec3::new(1.0, 1.0, 5.0), DVec3::ZERO).unwrap();
        Served::new(Arc::new(Volume::new(geometry, vec![0; N * N * slices]).unwrap()), N)
    }

    /// The network says `p` of all pixels of these slices.
    fn say(served: &mut Served, slices: &[usize], p: f32) {
        let views = slices.iter().map(|&slice| SliceView { slice, ..SliceView::default() }).collect();
        served.take(&spec(), slices.iter().map(|_| vec![p; N * N]).collect(), views);
    }

    #[test]
    fn the_slice_on_screen_comes_first_then_those_above_it_then_the_rest() {
        let mut served = served(9);
        let mut order = Vec::new();
        while served.is_waiting() {
            assert!(served.rank(&spec()).is_none(), "not before all are predicted");
            let next = served.next(Some(5));
            say(&mut served, &next, 0.1);
            order.push(next);
        }
        assert_eq!(order, [vec![5], vec![6, 7, 8], vec![0, 1, 2, 3], vec![4]]);
        let ranked = served.rank(&spec()).unwrap();
        assert_eq!(ranked.iter().map(|v| v.slice).collect::<Vec<_>>(), (0..9).collect::<Vec<_>>(), "in their order");
        served.renew();
        assert_eq!(served.next(None), [0, 1, 2, 3]);
        assert_eq!(served.next(Some(8)), [8]);
        assert_eq!(served.next(Some(70)), [0, 1, 2, 3], "a slice that there is not");
    }

    #[test]
    fn pixels_that_the_version_before_answered_otherwise_are_counted() {
        let mut served = served(2);
        say(&mut served, &[0, 1], 0.1);
        assert!(served.rank(&spec()).unwrap().iter().all(|v| v.turned == 0.0), "there was none before");
        served.renew();
        say(&mut served, &[0], 0.9);
        // Another version before the second slice was looked at: the last answer that there is counts.
        served.renew();
        say(&mut served, &[0], 0.9);
        say(&mut served, &[1], 0.9);
        let turned: Vec<f64> = served.rank(&spec()).unwrap().iter().map(|v| v.turned).collect();
        assert_eq!(turned, [0.0, (N * N) as f64]);
    }
}
