//! Growing from seeds: all segments spread at once through what looks like them, until they meet.

use super::bits::{label_box, widened};
use super::operation::{EditError, Watch};
use super::relabel::relabel;
use super::{Delta, PaintRule};
use crate::core::{BRICK_EDGE, BrickIndex, LabelId, LabelMap, Volume, VoxelBox};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// Cost of a step that is added to the difference in HU, for each half millimetre: without edges the nearer seed wins.
const COST_PER_MM: f64 = 2.0;
/// Steeper steps cost as much as this.
const MOST: u32 = 4000;
/// Every cost of a step is below this.
const BUCKETS: usize = 8192;

/// What a step along an axis of that spacing in mm costs at least.
fn least_cost(spacing: f64) -> u32 {
    ((spacing * COST_PER_MM).round() as u32).clamp(1, MOST / 2)
}

/// Cost in `grow_from_seeds` of a step between two values that costs at least `least`.
fn cost(a: i16, b: i16, least: u32) -> u32 {
    (i32::from(a) - i32::from(b)).unsigned_abs().min(MOST) + least
}

/// Every background voxel around the segments gets the label of the segment from which it is reached at the least cost,
/// a step through a face costing the difference of the values in HU and two a millimetre ([`cost`], [`least_cost`]).
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
    let mut field = Field::new(map, image, region);
    field.close(rule, &seeds);
    field.spread(watch)?;
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
                    let label = field.cell(field.index([i, j, k])).label();
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

/// Voxels of one bucket that are worth a thread.
const SHARE: usize = 2048;
/// Edge of a tile in voxels, as a power of two: its cells fill one page of memory, so that a voxel's neighbours are near it
/// in memory along all axes.
const TILE: usize = 3;
const IN_TILE: usize = (1 << TILE) - 1;

/// A voxel while labels spread: the cost of the way to it, its value and its label in one word, since all three are wanted
/// at once.
#[derive(Debug, Clone, Copy)]
struct Cell(u64);

impl Cell {
    const WALL: Self = Self(WALL as u64);

    fn new(cost: u32, value: i16, label: LabelId) -> Self {
        Self(u64::from(cost) << 32 | u64::from(value as u16) << 8 | u64::from(label))
    }

    fn cost(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn value(self) -> i16 {
        (self.0 >> 8) as u16 as i16
    }

    fn label(self) -> LabelId {
        self.0 as u8
    }
}

/// The voxels of a box while labels spread, in tiles, with walls all around.
struct Field {
    region: VoxelBox,
    /// Tiles along i and j.
    tiles: [usize; 2],
    /// Of steps along i, j, k.
    least: [u32; 3],
    cells: Vec<AtomicU64>,
}

impl Field {
    /// The labels of `region` as seeds that have nowhere gone yet.
    fn new(map: &LabelMap, image: &Volume, region: VoxelBox) -> Self {
        let size: [usize; 3] = std::array::from_fn(|a| region.max[a] - region.min[a]);
        let [tx, ty, tz] = size.map(|n| (n + 2).div_ceil(1 << TILE));
        let cells = (0..(tx * ty * tz) << (3 * TILE)).map(|_| AtomicU64::new(Cell::WALL.0)).collect();
        let least = map.geometry().spacing().to_array().map(least_cost);
        let mut field = Self { region, tiles: [tx, ty], least, cells };
        let dims = image.geometry().dims();
        let mut labels = vec![0; size[0] * size[1]];
        for k in region.min[2]..region.max[2] {
            let slice = VoxelBox { min: [region.min[0], region.min[1], k], max: [region.max[0], region.max[1], k + 1] };
            map.copy_box(slice, &mut labels);
            for (j, row) in (region.min[1]..).zip(labels.chunks_exact(size[0])) {
                let at = (k * dims[1] + j) * dims[0];
                for ((i, label), value) in (region.min[0]..).zip(row).zip(&image.hu()[at + region.min[0]..]) {
                    let n = field.index([i, j, k]);
                    let cell = Cell::new(if *label == 0 { u32::MAX } else { 0 }, *value, *label);
                    *field.cells[n].get_mut() = cell.0;
                }
            }
        }
        field
    }

    /// Where a voxel of the region is kept.
    fn index(&self, voxel: [usize; 3]) -> usize {
        // One further, behind the wall.
        let [i, j, k]: [usize; 3] = std::array::from_fn(|a| voxel[a] - self.region.min[a] + 1);
        let tile = ((k >> TILE) * self.tiles[1] + (j >> TILE)) * self.tiles[0] + (i >> TILE);
        tile << (3 * TILE) | (k & IN_TILE) << (2 * TILE) | (j & IN_TILE) << TILE | (i & IN_TILE)
    }

    /// Makes walls of what does not grow and of what may not be changed.
    fn close(&mut self, rule: &PaintRule, seeds: &[LabelId]) {
        let mut grows = [false; 256];
        grows[0] = true;
        seeds.iter().for_each(|&l| grows[usize::from(l)] = l != WALL);
        let region = self.region;
        for k in region.min[2]..region.max[2] {
            for j in region.min[1]..region.max[1] {
                let mut at = region.min[0];
                while at < region.max[0] {
                    let end = ((at / BRICK_EDGE + 1) * BRICK_EDGE).min(region.max[0]);
                    let open = rule.limits.allowed([at, j, k], end - at);
                    for n in 0..end - at {
                        let index = self.index([at + n, j, k]);
                        let label = self.cell(index).label();
                        if !grows[usize::from(label)] || (label == 0 && open >> n & 1 == 0) {
                            *self.cells[index].get_mut() = Cell::WALL.0;
                        }
                    }
                    at = end;
                }
            }
        }
    }

    /// Spreads all labels over what has none. Where two come at the same cost, the lower label stays.
    fn spread(&mut self, watch: &dyn Watch) -> Result<(), EditError> {
        let mut buckets: Vec<Vec<u32>> = vec![Vec::new(); BUCKETS];
        let mut open = 0usize;
        for n in 0..self.cells.len() {
            match self.cell(n).label() {
                0 => open += 1,
                WALL => {}
                // Only the rim of a seed has anywhere to go.
                _ if self.neighbours(n).into_iter().any(|m| self.cell(m).label() == 0) => buckets[0].push(n as u32),
                _ => {}
            }
        }
        let (mut now, mut waiting, mut settled, mut looked) = (0u32, buckets[0].len(), 0usize, 0usize);
        while waiting > 0 {
            // Every step costs something: no voxel of this bucket leads to another one of it.
            let mut bucket = std::mem::take(&mut buckets[now as usize % BUCKETS]);
            waiting -= bucket.len();
            settled += bucket.len();
            if settled > looked + 65536 {
                looked = settled;
                if watch.cancelled() {
                    return Err(EditError::Cancelled);
                }
                watch.progress((settled as f32 / open as f32).min(1.0));
            }
            let mut keep = |steps: Vec<(u32, u32)>| {
                waiting += steps.len();
                steps.into_iter().for_each(|(way, n)| buckets[way as usize % BUCKETS].push(n));
            };
            if bucket.len() < 2 * SHARE {
                keep(self.steps(&bucket, now));
            } else {
                let steps: Vec<_> = bucket.par_chunks(SHARE).map(|share| self.steps(share, now)).collect();
                steps.into_iter().for_each(keep);
            }
            // Its room is used again.
            bucket.clear();
            buckets[now as usize % BUCKETS] = bucket;
            now += 1;
        }
        Ok(())
    }

    /// Goes a step further from those of `cells` that are reached at cost `now`, and names the cells that are reached at
    /// less than before, with that cost. On several threads at once the least cost and label stay.
    fn steps(&self, cells: &[u32], now: u32) -> Vec<(u32, u32)> {
        let mut steps = Vec::new();
        for n in cells {
            let cell = self.cell(*n as usize);
            // Reached at less since it was put here.
            if cell.cost() != now {
                continue;
            }
            for (step, m) in self.neighbours(*n as usize).into_iter().enumerate() {
                let next = self.cell(m);
                // Walls and seeds cost nothing, so that no way to them is shorter.
                if next.cost() <= now {
                    continue;
                }
                let way = now + cost(cell.value(), next.value(), self.least[step / 2]);
                let better = Cell::new(way, next.value(), cell.label());
                if better.0 < next.0 && self.cells[m].fetch_min(better.0, Ordering::Relaxed) > better.0 {
                    steps.push((way, m as u32));
                }
            }
        }
        steps
    }

    fn cell(&self, n: usize) -> Cell {
        Cell(self.cells[n].load(Ordering::Relaxed))
    }

    /// Neighbours through faces, down and up along i, j and k, of a cell that is no wall: those have none at the rim.
    fn neighbours(&self, n: usize) -> [usize; 6] {
        let [tx, ty] = self.tiles;
        let mut found = [n; 6];
        for (axis, next) in [1, tx, tx * ty].into_iter().enumerate() {
            // Within the tile, and from its last cell to the first one of the next tile.
            let (step, over) = (1 << (axis * TILE), next << (3 * TILE));
            let at = n >> (axis * TILE) & IN_TILE;
            found[2 * axis] = if at > 0 { n - step } else { n + IN_TILE * step - over };
            found[2 * axis + 1] = if at < IN_TILE { n + step } else { n + over - IN_TILE * step };
        }
        found
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
                    let step = u64::from(cost(hu(v), hu(w), least_cost(spacing[a])));
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
                // Of several that are as near the lowest.
                let nearest = each.iter().position(|c| c[n] == least).map(|at| at as LabelId + 1);
                let want = if old != 0 || wall[n] || least == u64::MAX {
                    Some(old)
                } else {
                    nearest.filter(|label| Some(*label) != background).or(Some(0))
                };
                assert_eq!(Some(got), want, "{v:?}");
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

    #[test]
    fn many_voxels_at_one_cost_go_on_together() {
        // One value everywhere: all that is as far from a seed is reached at once, by several threads.
        let dims = [120, 100, 80];
        let geometry = spaced(dims, [1.0; 3]);
        let image = Volume::new(geometry, vec![40; geometry.voxel_count()]).unwrap();
        let mut map = LabelMap::empty(geometry);
        let seeds = [([3, 30, 25], 1u8), ([66, 30, 25], 2), ([35, 2, 3], 3)];
        seeds.iter().for_each(|(v, label)| map.set(*v, *label));
        let corners = [[0; 3], dims.map(|n| n - 1)];
        for corner in corners {
            map.set(corner, 4);
        }
        let rule = PaintRule::paint(1, [false; 256]);
        grow_from_seeds(&mut map, &rule, Some(&image), None, &NoWatch).unwrap();
        let least = geometry.spacing().to_array().map(|mm| u64::from(least_cost(mm)));
        let far = |a: [usize; 3], b: [usize; 3]| (0..3).map(|x| a[x].abs_diff(b[x]) as u64 * least[x]).sum::<u64>();
        let others = corners.map(|v| (v, 4));
        for v in voxels(dims) {
            let all = seeds.iter().chain(&others);
            let nearest = all.min_by_key(|(s, label)| (far(v, *s), *label)).unwrap().1;
            assert_eq!(at(&map, v), nearest, "{v:?}");
        }
    }
}
