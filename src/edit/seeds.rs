//! Growing from seeds: all segments spread at once through what looks like them, until they meet.

use super::bits::{label_box, widened};
use super::operation::{EditError, Watch};
use super::relabel::relabel;
use super::{Delta, PaintRule};
use crate::core::{BRICK_EDGE, BrickIndex, LabelId, LabelMap, Volume, VoxelBox};

/// Cost of a step that is added to the difference in HU, for each half millimetre: without edges the nearer seed wins.
const COST_PER_MM: f64 = 2.0;
/// Steeper steps cost as much as this.
const MOST: u32 = 4000;
/// Every cost of a step is below this.
const BUCKETS: usize = 8192;

/// Cost in `grow_from_seeds` of the step along an axis of that spacing between two values.
fn cost(a: i16, b: i16, spacing: f64) -> u32 {
    let steep = (i32::from(a) - i32::from(b)).unsigned_abs().min(MOST);
    steep + ((spacing * COST_PER_MM).round() as u32).clamp(1, MOST / 2)
}

/// Every background voxel around the segments gets the label of the segment from which it is reached at the least cost,
/// a step through a face costing the difference of the values in HU and two a millimetre ([`cost`]).
///
/// Around the segments is their common box and a tenth more on all sides. Voxels that may not be changed by `rule`, and
/// locked segments, are walls. What `background` reaches first stays empty; that segment stands for everything that is
/// none of the others. (The shortest paths that cellular automata as in Vezhnevets and Konouchine, "GrowCut", 2005, come
/// to in the end; Zhu and others, 2014. Queue of Dial, 1969.)
pub(super) fn grow_from_seeds(
    map: &mut LabelMap,
    rule: &PaintRule,
    image: Option<&Volume>,
    background: Option<LabelId>,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    let image = image.filter(|v| v.geometry().dims() == map.geometry().dims()).ok_or(EditError::ImageMissing)?;
    let dims = map.geometry().dims();
    let spacing = map.geometry().spacing().to_array();
    let counts = map.counts();
    let seeds: Vec<LabelId> =
        (1..=LabelId::MAX).filter(|&l| counts[usize::from(l)] > 0 && !rule.locked[usize::from(l)]).collect();
    if seeds.len() < 2 {
        return Err(EditError::FewSeeds);
    }
    let nothing = VoxelBox { min: [0; 3], max: [0; 3] };
    let around = seeds.iter().filter_map(|&l| label_box(map, l)).fold(nothing, |a, b| a.union(&b));
    let room = std::array::from_fn(|a| (around.max[a] - around.min[a]).div_ceil(10) + 1);
    let region = widened(around, room, dims);
    let size: [usize; 3] = std::array::from_fn(|a| region.max[a] - region.min[a]);
    let mut labels = vec![0; size.iter().product()];
    map.copy_box(region, &mut labels);
    let mut field = Field { size, step: [1, size[0], size[0] * size[1]], spacing, labels };
    let values = values(image, region, dims);
    field.close(rule, region, &seeds);
    field.spread(&values, watch)?;
    let Field { labels, step, .. } = field;
    let boxes = map.clone();
    let bricks: Vec<BrickIndex> = (0..map.brick_count() as BrickIndex)
        .filter(|&i| {
            let b = boxes.brick_box(i);
            (0..3).all(|a| b.min[a] < region.max[a] && b.max[a] > region.min[a])
        })
        .collect();
    relabel(map, &bricks, watch, |index, old| {
        let area = boxes.brick_box(index);
        let mut new = Box::new(old.map_or([0; _], |b| **b));
        let range = |a: usize| area.min[a].max(region.min[a])..area.max[a].min(region.max[a]);
        for k in range(2) {
            for j in range(1) {
                for i in range(0) {
                    let at: usize = [i, j, k].iter().enumerate().map(|(a, v)| (v - region.min[a]) * step[a]).sum();
                    let label = labels[at];
                    let slot = &mut new[LabelMap::offset_in_brick([i, j, k])];
                    if *slot == 0 && label != WALL && Some(label) != background {
                        *slot = label;
                    }
                }
            }
        }
        Some(new)
    })
}

/// A voxel that nothing grows into; no segment that grows can have this label as well as 254 others.
const WALL: LabelId = LabelId::MAX;

fn values(image: &Volume, region: VoxelBox, dims: [usize; 3]) -> Vec<i16> {
    let mut values = Vec::new();
    for k in region.min[2]..region.max[2] {
        for j in region.min[1]..region.max[1] {
            let row = (k * dims[1] + j) * dims[0];
            values.extend_from_slice(&image.hu()[row + region.min[0]..row + region.max[0]]);
        }
    }
    values
}

/// The labels of a box while they spread.
struct Field {
    size: [usize; 3],
    step: [usize; 3],
    spacing: [f64; 3],
    labels: Vec<LabelId>,
}

impl Field {
    /// Makes walls of what does not grow and of what may not be changed.
    fn close(&mut self, rule: &PaintRule, region: VoxelBox, seeds: &[LabelId]) {
        let mut grows = [false; 256];
        grows[0] = true;
        seeds.iter().for_each(|&l| grows[usize::from(l)] = l != WALL);
        for (n, row) in self.labels.chunks_exact_mut(self.size[0]).enumerate() {
            let (j, k) = (n % self.size[1] + region.min[1], n / self.size[1] + region.min[2]);
            let mut at = region.min[0];
            while at < region.max[0] {
                let end = ((at / BRICK_EDGE + 1) * BRICK_EDGE).min(region.max[0]);
                let open = rule.limits.allowed([at, j, k], end - at);
                for n in 0..end - at {
                    let label = &mut row[at - region.min[0] + n];
                    if !grows[usize::from(*label)] || (*label == 0 && open >> n & 1 == 0) {
                        *label = WALL;
                    }
                }
                at = end;
            }
        }
    }

    /// Spreads all labels over what has none.
    fn spread(&mut self, values: &[i16], watch: &dyn Watch) -> Result<(), EditError> {
        let total = self.labels.len();
        let mut costs = vec![u32::MAX; total];
        let mut buckets: Vec<Vec<u32>> = vec![Vec::new(); BUCKETS];
        let mut waiting = 0usize;
        for (n, cost) in costs.iter_mut().enumerate() {
            let label = self.labels[n];
            if label != 0 && label != WALL {
                *cost = 0;
                // Only the rim of a seed has anywhere to go.
                if self.neighbours(n).any(|(m, _)| self.labels[m] == 0) {
                    buckets[0].push(n as u32);
                    waiting += 1;
                }
            }
        }
        let (mut now, mut settled) = (0u32, 0usize);
        while waiting > 0 {
            let slot = now as usize % BUCKETS;
            let Some(n) = buckets[slot].pop() else {
                now += 1;
                continue;
            };
            waiting -= 1;
            let n = n as usize;
            if costs[n] != now {
                continue;
            }
            settled += 1;
            if settled.is_multiple_of(65536) {
                if watch.cancelled() {
                    return Err(EditError::Cancelled);
                }
                watch.progress(settled as f32 / total as f32);
            }
            for (m, spacing) in self.neighbours(n) {
                let way = now + cost(values[n], values[m], spacing);
                if self.labels[m] != WALL && way < costs[m] {
                    costs[m] = way;
                    self.labels[m] = self.labels[n];
                    buckets[way as usize % BUCKETS].push(m as u32);
                    waiting += 1;
                }
            }
        }
        Ok(())
    }

    /// Neighbours through faces, with the spacing to them in mm.
    fn neighbours(&self, n: usize) -> impl Iterator<Item = (usize, f64)> + use<> {
        let (size, step, spacing) = (self.size, self.step, self.spacing);
        (0..3).flat_map(move |a| {
            let at = n / step[a] % size[a];
            let down = (at > 0).then(|| (n - step[a], spacing[a]));
            let up = (at + 1 < size[a]).then(|| (n + step[a], spacing[a]));
            down.into_iter().chain(up)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{at, grid, next, spaced, spacing, volume, voxels};
    use super::super::{Limits, Over};
    use super::*;
    use std::sync::Arc;

    /// Costs from one segment by relaxing every edge until nothing changes (Bellman and Ford).
    fn costs(start: &[bool], wall: &[bool], image: &Volume, dims: [usize; 3]) -> Vec<u64> {
        let index = |v: [usize; 3]| (v[2] * dims[1] + v[1]) * dims[0] + v[0];
        let spacing = image.geometry().spacing();
        let mut costs: Vec<u64> = start.iter().map(|s| if *s { 0 } else { u64::MAX }).collect();
        loop {
            let mut changed = false;
            for v in voxels(dims) {
                for a in (0..3).filter(|a| v[*a] + 1 < dims[*a]) {
                    let mut w = v;
                    w[a] += 1;
                    let hu = |v: [usize; 3]| image.at(v.map(|x| x as i64)).unwrap();
                    let step = u64::from(cost(hu(v), hu(w), spacing[a]));
                    for (from, to) in [(index(v), index(w)), (index(w), index(v))] {
                        if !wall[to] && !wall[from] && costs[from] != u64::MAX && costs[from] + step < costs[to] {
                            costs[to] = costs[from] + step;
                            changed = true;
                        }
                    }
                }
            }
            if !changed {
                return costs;
            }
        }
    }

    #[test]
    fn who_is_nearest_in_cost_gets_the_voxel() {
        let mut state = 8;
        for case in 0..12u64 {
            let dims = [24, 18, 9];
            let geometry = spaced(dims, spacing(&mut state));
            let image = volume(geometry, case);
            let mut before = LabelMap::empty(geometry);
            for n in 0..14 {
                let v: [usize; 3] = std::array::from_fn(|a| (next(&mut state) % dims[a] as u64) as usize);
                before.set(v, 1 + n % 4);
            }
            // The corners belong to seeds, so that the box is the whole grid.
            before.set([0, 0, 0], 1);
            before.set([23, 17, 8], 2);
            let mut locked = [false; 256];
            locked[4] = true;
            let limits = Limits { hu: (case % 2 == 0).then(|| (Arc::clone(&image), [-140, 150])), inside: None };
            let rule = PaintRule { over: Over::All, locked, limits, label: 1 };
            let background = (case % 3 == 0).then_some(3);
            let mut map = before.clone();
            let delta = grow_from_seeds(&mut map, &rule, Some(&image), background, &NoWatch).unwrap();
            let wall: Vec<bool> = voxels(dims)
                .map(|v| {
                    let hu = image.at(v.map(|x| x as i64)).unwrap();
                    let label = at(&before, v);
                    label == 4 || (label == 0 && case % 2 == 0 && !(-140..=150).contains(&hu))
                })
                .collect();
            let each: Vec<Vec<u64>> = (1..=3)
                .map(|l| costs(&voxels(dims).map(|v| at(&before, v) == l).collect::<Vec<_>>(), &wall, &image, dims))
                .collect();
            for (n, v) in voxels(dims).enumerate() {
                let (old, got) = (at(&before, v), at(&map, v));
                let least = each.iter().map(|c| c[n]).min().unwrap();
                if old != 0 || wall[n] || least == u64::MAX {
                    assert_eq!(got, old, "{v:?}");
                } else if got == 0 {
                    assert!(background.is_some_and(|b| each[usize::from(b) - 1][n] == least), "{v:?}");
                } else {
                    assert_eq!(each[usize::from(got) - 1][n], least, "{v:?}");
                    assert_ne!(Some(got), background);
                }
            }
            delta.revert(&mut map);
            assert_eq!(map, before);
        }
        let mut one = LabelMap::empty(grid([9, 9, 9]));
        one.set([1, 1, 1], 1);
        let image = volume(grid([9, 9, 9]), 1);
        let rule = PaintRule::paint(1, [false; 256]);
        let error = grow_from_seeds(&mut one, &rule, Some(&image), None, &NoWatch).unwrap_err();
        assert_eq!(error, EditError::FewSeeds);
    }
}
