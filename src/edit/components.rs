//! Connected parts of a set of voxels: runs along i joined by union-find, and the flood from one voxel.

use super::bits::{BitGrid, for_each_run, next_bit, set_run};
use super::operation::{EditError, Watch};
use rayon::prelude::*;

/// Which voxels count as touching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    /// The 6 that share a face (4 in a plane).
    Faces,
    /// All 26 that share a face, an edge or a corner (8 in a plane).
    Corners,
}

/// Voxels `start..end` of one row.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: u32,
    end: u32,
}

/// The parts of a set, numbered in the order in which their first voxel is met (i fastest).
pub(super) struct Components {
    runs: Vec<Run>,
    /// Where the runs of each row begin, and one more for the end.
    rows: Vec<u32>,
    /// Part of each run.
    parts: Vec<u32>,
    /// Voxels of each part.
    pub sizes: Vec<u64>,
}

impl Components {
    /// Finds the parts; with `planes`, planes of constant k do not touch each other.
    ///
    /// # Errors
    /// [`EditError::Cancelled`].
    pub fn of(grid: &BitGrid, connectivity: Connectivity, planes: bool, watch: &dyn Watch) -> Result<Self, EditError> {
        let [_, ny, nz] = grid.size();
        let mut runs: Vec<Run> = Vec::new();
        let mut rows: Vec<u32> = Vec::with_capacity(ny * nz + 1);
        rows.push(0);
        for row in grid.rows().take(ny * nz) {
            for_each_run(row, |start, end| runs.push(Run { start: start as u32, end: end as u32 }));
            rows.push(runs.len() as u32);
        }
        let mut parents: Vec<u32> = (0..runs.len() as u32).collect();
        let reach = u32::from(connectivity == Connectivity::Corners);
        for k in 0..nz {
            if watch.cancelled() {
                return Err(EditError::Cancelled);
            }
            for j in 0..ny {
                let here = k * ny + j;
                if rows[here] == rows[here + 1] {
                    continue;
                }
                let mut join = |there: usize| join_rows(&runs, &rows, &mut parents, here, there, reach);
                if j > 0 {
                    join(here - 1);
                }
                if k > 0 && !planes {
                    join(here - ny);
                    if reach == 1 {
                        if j > 0 {
                            join(here - ny - 1);
                        }
                        if j + 1 < ny {
                            join(here - ny + 1);
                        }
                    }
                }
            }
        }
        // A root is the lowest run of its part, so that it is met before the others.
        let mut parts = vec![0; runs.len()];
        let mut sizes: Vec<u64> = Vec::new();
        for n in 0..runs.len() {
            let root = find(&mut parents, n as u32) as usize;
            if root == n {
                parts[n] = sizes.len() as u32;
                sizes.push(0);
            } else {
                parts[n] = parts[root];
            }
            sizes[parts[n] as usize] += u64::from(runs[n].end - runs[n].start);
        }
        Ok(Self { runs, rows, parts, sizes })
    }

    /// The part that holds a voxel, given from the corner of the grid's box.
    pub fn at(&self, grid: &BitGrid, [i, j, k]: [usize; 3]) -> Option<u32> {
        let row = k * grid.size()[1] + j;
        let range = self.rows[row] as usize..self.rows[row + 1] as usize;
        range.into_iter().find(|&n| (self.runs[n].start..self.runs[n].end).contains(&(i as u32))).map(|n| self.parts[n])
    }

    /// The voxels of the chosen parts, in the box of `grid`.
    pub fn chosen(&self, grid: &BitGrid, chosen: impl Fn(u32) -> bool) -> BitGrid {
        let mut out = BitGrid::empty(grid.region());
        let ny = grid.size()[1].max(1);
        for row in 0..self.rows.len() - 1 {
            for n in self.rows[row] as usize..self.rows[row + 1] as usize {
                if chosen(self.parts[n]) {
                    let run = self.runs[n];
                    set_run(out.row_mut(row % ny, row / ny), run.start as usize, run.end as usize);
                }
            }
        }
        out
    }

    /// For every part, whether it reaches the border of the grid's box (with `planes`: of its plane).
    pub fn on_border(&self, grid: &BitGrid, planes: bool) -> Vec<bool> {
        let [nx, ny, nz] = grid.size();
        let mut border = vec![false; self.sizes.len()];
        for row in 0..self.rows.len() - 1 {
            let (j, k) = (row % ny, row / ny);
            let edge = j == 0 || j + 1 == ny || (!planes && (k == 0 || k + 1 == nz));
            for n in self.rows[row] as usize..self.rows[row + 1] as usize {
                if edge || self.runs[n].start == 0 || self.runs[n].end as usize == nx {
                    border[self.parts[n] as usize] = true;
                }
            }
        }
        border
    }
}

/// Joins every run of row `here` with the runs of row `there` that it touches.
fn join_rows(runs: &[Run], rows: &[u32], parents: &mut [u32], here: usize, there: usize, reach: u32) {
    let (mut a, end_a) = (rows[here], rows[here + 1]);
    let (mut b, end_b) = (rows[there], rows[there + 1]);
    // A row's run often touches several of the other: its root is looked up once.
    let mut root = (u32::MAX, 0);
    while a < end_a && b < end_b {
        let (ra, rb) = (runs[a as usize], runs[b as usize]);
        if ra.start < rb.end + reach && rb.start < ra.end + reach {
            if root.0 != a {
                root = (a, find(parents, a));
            }
            let other = find(parents, b);
            if other != root.1 {
                let lower = other.min(root.1);
                parents[other.max(root.1) as usize] = lower;
                root.1 = lower;
            }
        }
        if ra.end < rb.end {
            a += 1;
        } else {
            b += 1;
        }
    }
}

/// The root of a run's part, with the path to it halved (Tarjan and van Leeuwen, 1984).
fn find(parents: &mut [u32], mut n: u32) -> u32 {
    while parents[n as usize] != n {
        let above = parents[parents[n as usize] as usize];
        parents[n as usize] = above;
        n = above;
    }
    n
}

/// The voxels of `open` that can be reached from `seed` (a voxel of the grid) through faces; with `plane`, within the
/// plane of constant k. Looks only at what it reaches.
///
/// # Errors
/// [`EditError::Cancelled`].
pub(super) fn flood(open: &BitGrid, seed: [usize; 3], plane: bool, watch: &dyn Watch) -> Result<BitGrid, EditError> {
    flood_from(open, &[seed], plane, watch)
}

/// As [`flood`] from any of `seeds`; those that are not open are passed over.
///
/// # Errors
/// [`EditError::Cancelled`].
pub(super) fn flood_from(
    open: &BitGrid,
    seeds: &[[usize; 3]],
    plane: bool,
    watch: &dyn Watch,
) -> Result<BitGrid, EditError> {
    let mut reached = BitGrid::empty(open.region());
    let [_, ny, nz] = open.size();
    let corner = open.region().min;
    let inside = |seed: &&[usize; 3]| open.get(**seed);
    let mut waiting: Vec<[usize; 3]> =
        seeds.iter().filter(inside).map(|seed| std::array::from_fn(|a| seed[a] - corner[a])).collect();
    let mut steps = 0usize;
    while let Some([i, j, k]) = waiting.pop() {
        steps += 1;
        if steps.is_multiple_of(65536) && watch.cancelled() {
            return Err(EditError::Cancelled);
        }
        if reached.row(j, k)[i / 64] >> (i % 64) & 1 == 1 {
            continue;
        }
        let row = open.row(j, k);
        let start = previous_gap(row, i);
        let end = next_bit(row, i, false).unwrap_or(row.len() * 64);
        set_run(reached.row_mut(j, k), start, end);
        let mut look = |j: usize, k: usize| {
            let (row, seen) = (open.row(j, k), reached.row(j, k));
            let mut from = next_bit(row, start, true);
            while let Some(at) = from.filter(|&at| at < end) {
                if seen[at / 64] >> (at % 64) & 1 == 0 {
                    waiting.push([at, j, k]);
                }
                from = next_bit(row, at, false).and_then(|gap| next_bit(row, gap, true));
            }
        };
        if j > 0 {
            look(j - 1, k);
        }
        if j + 1 < ny {
            look(j + 1, k);
        }
        if !plane && k > 0 {
            look(j, k - 1);
        }
        if !plane && k + 1 < nz {
            look(j, k + 1);
        }
    }
    Ok(reached)
}

/// First position of the run of set bits that holds `i`.
fn previous_gap(row: &[u64], i: usize) -> usize {
    let mut n = i / 64;
    let mut word = !row[n] & (u64::MAX >> (63 - i % 64));
    while word == 0 {
        if n == 0 {
            return 0;
        }
        n -= 1;
        word = !row[n];
    }
    n * 64 + 64 - word.leading_zeros() as usize
}

/// Works on planes of constant k on all cores, and stops when asked to.
pub(super) fn each_plane<T: Send>(
    count: usize,
    watch: &dyn Watch,
    work: impl Fn(usize) -> T + Sync + Send,
) -> Result<Vec<T>, EditError> {
    let done = std::sync::atomic::AtomicUsize::new(0);
    let all = (0..count)
        .into_par_iter()
        .map(|k| {
            if watch.cancelled() {
                return None;
            }
            let n = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            watch.progress(n as f32 / count as f32);
            Some(work(k))
        })
        .collect::<Option<Vec<T>>>();
    all.ok_or(EditError::Cancelled)
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{blobs, grid, next, speckle, voxels};
    use super::*;
    use crate::core::{LabelMap, VoxelBox};
    use std::collections::{BTreeMap, BTreeSet};

    /// Parts by spreading from voxel to voxel, with sets and no runs.
    fn spread(set: &BTreeSet<[usize; 3]>, corners: bool, planes: bool) -> Vec<BTreeSet<[usize; 3]>> {
        let mut left = set.clone();
        let mut parts = Vec::new();
        while let Some(first) = left.pop_first() {
            let mut part = BTreeSet::from([first]);
            let mut todo = vec![first];
            while let Some(v) = todo.pop() {
                for n in 0..27 {
                    let d = [n % 3, n / 3 % 3, n / 9].map(|x: i64| x - 1);
                    let faces = d.iter().filter(|x| **x != 0).count();
                    if faces == 0 || (!corners && faces > 1) || (planes && d[2] != 0) {
                        continue;
                    }
                    let w: [i64; 3] = std::array::from_fn(|a| v[a] as i64 + d[a]);
                    if w.iter().any(|x| *x < 0) {
                        continue;
                    }
                    let w = w.map(|x| x as usize);
                    if left.remove(&w) {
                        part.insert(w);
                        todo.push(w);
                    }
                }
            }
            parts.push(part);
        }
        parts
    }

    #[test]
    fn parts_equal_spreading_from_voxel_to_voxel() {
        let mut state = 77;
        for case in 0..20u64 {
            let dims: [usize; 3] = std::array::from_fn(|a| 1 + (next(&mut state) % [90, 14, 9][a]) as usize);
            let map: LabelMap =
                if case % 2 == 0 { speckle(grid(dims), case, 2 + case % 3) } else { blobs(grid(dims), case) };
            let bits = BitGrid::of_label(&map, 1, VoxelBox { min: [0; 3], max: dims });
            let set: BTreeSet<_> = voxels(dims).filter(|v| bits.get(*v)).collect();
            for connectivity in [Connectivity::Faces, Connectivity::Corners] {
                for planes in [false, true] {
                    let found = Components::of(&bits, connectivity, planes, &NoWatch).unwrap();
                    let want = spread(&set, connectivity == Connectivity::Corners, planes);
                    let mut sets: BTreeMap<u32, BTreeSet<[usize; 3]>> = BTreeMap::new();
                    for v in &set {
                        sets.entry(found.at(&bits, *v).unwrap()).or_default().insert(*v);
                    }
                    let got: BTreeSet<_> = sets.values().cloned().collect();
                    assert_eq!(got, want.iter().cloned().collect::<BTreeSet<_>>());
                    for (part, set) in &sets {
                        assert_eq!(found.sizes[*part as usize], set.len() as u64);
                        let chosen = found.chosen(&bits, |p| p == *part);
                        assert!(voxels(dims).all(|v| chosen.get(v) == set.contains(&v)));
                        let touches = set
                            .iter()
                            .any(|v| (0..if planes { 2 } else { 3 }).any(|a| v[a] == 0 || v[a] + 1 == dims[a]));
                        assert_eq!(found.on_border(&bits, planes)[*part as usize], touches);
                    }
                    if connectivity == Connectivity::Faces {
                        for part in want.iter().take(6) {
                            let seed = *part.iter().nth(part.len() / 2).unwrap();
                            let reached = flood(&bits, seed, planes, &NoWatch).unwrap();
                            assert!(voxels(dims).all(|v| reached.get(v) == part.contains(&v)), "{dims:?} {seed:?}");
                        }
                    }
                }
            }
        }
    }
}
