//! A set of voxels as one bit each, in rows along i: what the mask operations compute with.
//!
//! 512 x 512 x 300 voxels are 10 MB, rows of 64 voxels are one word, and a brick's row of 16 is a `u16` of it.

use crate::core::{BRICK_EDGE, LabelId, LabelMap, VoxelBox};
use rayon::prelude::*;

/// Voxels of a box of the grid. The box begins at a brick's edge along i; bits beyond its end are 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BitGrid {
    region: VoxelBox,
    /// Words of one row.
    words: usize,
    bits: Vec<u64>,
}

impl BitGrid {
    /// No voxel of `region`, which is widened to a brick's edge at its lower end along i.
    pub fn empty(mut region: VoxelBox) -> Self {
        if region.is_empty() {
            region.max = region.min;
        } else {
            region.min[0] -= region.min[0] % BRICK_EDGE;
        }
        let words = (region.max[0] - region.min[0]).div_ceil(64);
        let rows = (region.max[1] - region.min[1]) * (region.max[2] - region.min[2]);
        Self { region, words, bits: vec![0; words * rows] }
    }

    /// The voxels of `region` that carry `label`.
    pub fn of_label(map: &LabelMap, label: LabelId, region: VoxelBox) -> Self {
        Self::filled(region, |[i, j, k]| {
            let brick = map.brick(map.brick_of([i, j, k]))?;
            let from = LabelMap::offset_in_brick([i, j, k]);
            Some(equal_bits(&brick[from..from + BRICK_EDGE], label))
        })
    }

    /// As [`Self::of_label`] for just `region`, turned so that planes across `axis` lie one after another (see
    /// [`Self::swapped`]). Only along the rows is the box wider than asked, and there no further voxel is set.
    pub fn turned(map: &LabelMap, label: LabelId, region: VoxelBox, axis: usize) -> Self {
        if axis >= 2 {
            return Self::of_label(map, label, region);
        }
        let turn = |mut v: [usize; 3]| -> [usize; 3] {
            v.swap(axis, 2);
            v
        };
        let wanted = VoxelBox { min: turn(region.min), max: turn(region.max) };
        Self::of_label(map, label, region).swapped(axis).in_box(wanted)
    }

    /// Asks for 16 voxels at a time, from the one given on; bits beyond the region are dropped.
    pub fn filled(region: VoxelBox, row_bits: impl Fn([usize; 3]) -> Option<u16> + Sync) -> Self {
        let mut grid = Self::empty(region);
        let (region, words) = (grid.region, grid.words);
        let rows = region.max[1] - region.min[1];
        if grid.bits.is_empty() {
            return grid;
        }
        grid.bits.par_chunks_mut(words * rows).enumerate().for_each(|(plane, bits)| {
            for (row, bits) in bits.chunks_mut(words).enumerate() {
                for i in (region.min[0]..region.max[0]).step_by(BRICK_EDGE) {
                    if let Some(found) = row_bits([i, region.min[1] + row, region.min[2] + plane]) {
                        let at = i - region.min[0];
                        let left = region.max[0] - i;
                        let found = if left < BRICK_EDGE { found & ((1 << left) - 1) } else { found };
                        bits[at / 64] |= u64::from(found) << (at % 64);
                    }
                }
            }
        });
        grid
    }

    /// The box.
    pub fn region(&self) -> VoxelBox {
        self.region
    }

    /// Sizes of the box.
    pub fn size(&self) -> [usize; 3] {
        std::array::from_fn(|a| self.region.max[a] - self.region.min[a])
    }

    /// Rows `(j, k)` of the box in order, as words, counted from the box's corner.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.bits.chunks_exact(self.words.max(1))
    }

    /// The row at `(j, k)`, counted from the box's corner.
    pub fn row(&self, j: usize, k: usize) -> &[u64] {
        let at = (k * self.size()[1] + j) * self.words;
        &self.bits[at..at + self.words]
    }

    /// As [`Self::row`], to write to; bits beyond the box must stay 0.
    pub fn row_mut(&mut self, j: usize, k: usize) -> &mut [u64] {
        let at = (k * self.size()[1] + j) * self.words;
        &mut self.bits[at..at + self.words]
    }

    /// Planes of constant k in order, to write to.
    pub fn planes_mut(&mut self) -> impl IndexedParallelIterator<Item = &mut [u64]> {
        let plane = self.words * self.size()[1];
        self.bits.par_chunks_mut(plane.max(1))
    }

    /// Words of one row.
    pub fn words(&self) -> usize {
        self.words
    }

    /// Whether a voxel of the grid is set; `false` outside the box.
    pub fn get(&self, voxel: [usize; 3]) -> bool {
        if (0..3).any(|a| voxel[a] < self.region.min[a] || voxel[a] >= self.region.max[a]) {
            return false;
        }
        let [i, j, k] = std::array::from_fn(|a| voxel[a] - self.region.min[a]);
        self.row(j, k)[i / 64] >> (i % 64) & 1 == 1
    }

    /// Sets a voxel of the box.
    pub fn set(&mut self, voxel: [usize; 3]) {
        let [i, j, k] = std::array::from_fn(|a| voxel[a] - self.region.min[a]);
        self.row_mut(j, k)[i / 64] |= 1 << (i % 64);
    }

    /// The 16 voxels from a brick's edge on; 0 outside the box.
    pub fn bits16(&self, [i, j, k]: [usize; 3]) -> u16 {
        let r = &self.region;
        if i < r.min[0] || i >= r.max[0] || j < r.min[1] || j >= r.max[1] || k < r.min[2] || k >= r.max[2] {
            return 0;
        }
        let at = i - r.min[0];
        (self.row(j - r.min[1], k - r.min[2])[at / 64] >> (at % 64)) as u16
    }

    /// Whether no voxel is set.
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|&w| w == 0)
    }

    /// Combines word by word with a grid of the same box.
    pub fn merge(&mut self, other: &Self, op: impl Fn(u64, u64) -> u64) {
        debug_assert_eq!(self.region, other.region);
        for (a, b) in self.bits.iter_mut().zip(&other.bits) {
            *a = op(*a, *b);
        }
    }

    /// The voxels of this set that `other` (same box) lacks.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.merge(other, |a, b| a & !b);
        out
    }

    /// The other voxels of the box.
    #[must_use]
    pub fn inverted(&self) -> Self {
        let mut out = self.clone();
        let tail = self.size()[0] % 64;
        let last = if tail == 0 { u64::MAX } else { (1 << tail) - 1 };
        for row in out.bits.chunks_exact_mut(self.words.max(1)) {
            for word in row.iter_mut() {
                *word = !*word;
            }
            if let Some(word) = row.last_mut() {
                *word &= last;
            }
        }
        out
    }

    /// The same voxels in another box; what lies outside it is dropped.
    #[must_use]
    pub fn in_box(&self, region: VoxelBox) -> Self {
        Self::filled(region, |voxel| Some(self.bits16(voxel)))
    }

    /// Smallest box around the set voxels, or `None` when there are none.
    pub fn bounds(&self) -> Option<VoxelBox> {
        let mut low = [usize::MAX; 3];
        let mut high = [0; 3];
        let rows = self.size()[1].max(1);
        for (n, row) in self.rows().enumerate() {
            let Some(first) = row.iter().position(|&w| w != 0) else { continue };
            let last = row.iter().rposition(|&w| w != 0).unwrap_or(first);
            let i = [
                first * 64 + row[first].trailing_zeros() as usize,
                last * 64 + 63 - row[last].leading_zeros() as usize,
            ];
            let (j, k) = (n % rows, n / rows);
            low = [low[0].min(i[0]), low[1].min(j), low[2].min(k)];
            high = [high[0].max(i[1]), high[1].max(j), high[2].max(k)];
        }
        (low[0] != usize::MAX).then(|| VoxelBox {
            min: std::array::from_fn(|a| low[a] + self.region.min[a]),
            max: std::array::from_fn(|a| high[a] + 1 + self.region.min[a]),
        })
    }

    /// The set with voxel axis `axis` and the third one exchanged, so that planes across `axis` lie one after another.
    #[must_use]
    pub fn swapped(&self, axis: usize) -> Self {
        let turn = |v: [usize; 3]| -> [usize; 3] {
            let mut v = v;
            v.swap(axis.min(2), 2);
            v
        };
        if axis >= 2 {
            return self.clone();
        }
        let mut out = Self::empty(VoxelBox { min: turn(self.region.min), max: turn(self.region.max) });
        let rows = self.size()[1].max(1);
        for (n, row) in self.rows().enumerate() {
            let (j, k) = (n % rows + self.region.min[1], n / rows + self.region.min[2]);
            for_each_bit(row, |i| out.set(turn([i + self.region.min[0], j, k])));
        }
        out
    }
}

/// Calls `visit` with the position of every set bit.
pub(super) fn for_each_bit(row: &[u64], mut visit: impl FnMut(usize)) {
    for (n, &word) in row.iter().enumerate() {
        let mut word = word;
        while word != 0 {
            visit(n * 64 + word.trailing_zeros() as usize);
            word &= word - 1;
        }
    }
}

/// Calls `visit` with the first and the end of every run of set bits.
pub(super) fn for_each_run(row: &[u64], mut visit: impl FnMut(usize, usize)) {
    let mut from = next_bit(row, 0, true);
    while let Some(start) = from {
        let end = next_bit(row, start, false).unwrap_or(row.len() * 64);
        visit(start, end);
        from = next_bit(row, end, true);
    }
}

/// Position of the next bit that is `set` (or not), at or after `from`.
pub(super) fn next_bit(row: &[u64], from: usize, set: bool) -> Option<usize> {
    let flip = if set { 0 } else { u64::MAX };
    let mut n = from / 64;
    let mut word = (row.get(n)? ^ flip) & (u64::MAX << (from % 64));
    while word == 0 {
        n += 1;
        word = row.get(n)? ^ flip;
    }
    Some(n * 64 + word.trailing_zeros() as usize)
}

/// Sets the bits `from..to`.
pub(super) fn set_run(row: &mut [u64], from: usize, to: usize) {
    if from >= to {
        return;
    }
    let (first, last) = (from / 64, (to - 1) / 64);
    let head = u64::MAX << (from % 64);
    let tail = u64::MAX >> (63 - (to - 1) % 64);
    if first == last {
        row[first] |= head & tail;
        return;
    }
    row[first] |= head;
    row[first + 1..last].fill(u64::MAX);
    row[last] |= tail;
}

/// Bit n tells whether the n-th of 16 labels is `label`; eight bytes at a time.
pub(super) fn equal_bits(labels: &[LabelId], label: LabelId) -> u16 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let wanted = u64::from_ne_bytes([label; 8]);
    let mut out = 0;
    for (n, eight) in labels.chunks_exact(8).enumerate() {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(eight);
        let x = u64::from_le_bytes(bytes) ^ wanted;
        // The top bit of each byte that is zero; the product then gathers the eight of them into the top byte.
        let zero = !(((x & LOW) + LOW) | x) & !LOW;
        let gathered = (zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        out |= (gathered as u16) << (8 * n);
    }
    out
}

/// The box of whole bricks that hold `label`, or `None` when no voxel carries it.
pub(super) fn label_box(map: &LabelMap, label: LabelId) -> Option<VoxelBox> {
    let nothing = VoxelBox { min: [0; 3], max: [0; 3] };
    let all = (0..map.brick_count() as u32)
        .into_par_iter()
        .filter(|&n| map.brick(n).is_some_and(|b| b.contains(&label)))
        .map(|n| map.brick_box(n))
        .reduce(|| nothing, |a, b| a.union(&b));
    (!all.is_empty()).then_some(all)
}

/// `region` with `margin` voxels more on all sides, clipped to the grid.
pub(super) fn widened(region: VoxelBox, margin: [usize; 3], dims: [usize; 3]) -> VoxelBox {
    VoxelBox {
        min: std::array::from_fn(|a| region.min[a].saturating_sub(margin[a])),
        max: std::array::from_fn(|a| (region.max[a].saturating_add(margin[a])).min(dims[a])),
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_maps::{grid, speckle, voxels};
    use super::*;

    #[test]
    fn bits_runs_boxes_and_turns_agree_with_the_labels() {
        for (seed, dims) in [(1, [70, 9, 5]), (2, [16, 16, 16]), (3, [3, 40, 7]), (4, [129, 5, 2])] {
            let map = speckle(grid(dims), seed, 3);
            let region = VoxelBox { min: [dims[0] / 3, 1, 1], max: [dims[0], dims[1] - 1, dims[2]] };
            let bits = BitGrid::of_label(&map, 2, region);
            let inside = |v: [usize; 3]| {
                let r = bits.region();
                (0..3).all(|a| v[a] >= r.min[a] && v[a] < r.max[a])
            };
            let mut bounds = VoxelBox { min: [0; 3], max: [0; 3] };
            for v in voxels(dims) {
                let want = inside(v) && map.at(v.map(|x| x as i64)) == 2;
                assert_eq!(bits.get(v), want, "{v:?}");
                assert_eq!(bits.inverted().get(v), inside(v) && !want);
                for axis in 0..3 {
                    let mut turned = v;
                    turned.swap(axis, 2);
                    assert_eq!(bits.swapped(axis).get(turned), want, "{v:?} across {axis}");
                }
                if want {
                    bounds = bounds.union(&VoxelBox { min: v, max: v.map(|x| x + 1) });
                }
            }
            assert_eq!(bits.bounds(), Some(bounds));
            let mut copy = BitGrid::empty(region);
            for j in 0..bits.size()[1] {
                for k in 0..bits.size()[2] {
                    for_each_run(bits.row(j, k), |a, b| set_run(copy.row_mut(j, k), a, b));
                }
            }
            assert_eq!(copy, bits);
            assert!(bits.without(&copy).is_empty());
        }
    }
}
