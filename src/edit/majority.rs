//! How many voxels of a ball around each voxel are set: 64 voxels at a time, as numbers of one bit a word.
//!
//! A number of up to 16 bits for each of 64 neighbouring voxels is held in as many words (bit slices), so that adding
//! a row of the ball to all of them takes a few logical operations (full adders, as in carry-save addition). Words whose
//! whole neighbourhood is of one kind are passed over.

use super::bits::BitGrid;
use super::distance::BallRow;

/// Most voxels of a ball: counts fit into this many bits.
const BITS: usize = 18;

/// Counts of 64 voxels.
#[derive(Clone, Copy)]
pub(super) struct Counts([u64; BITS]);

impl Counts {
    /// Adds one for each set bit of seven words.
    fn add7(&mut self, x: &[u64; 7]) {
        let add = |a: u64, b: u64, c: u64| (a ^ b ^ c, (a & b) | (c & (a ^ b)));
        let (s0, c0) = add(x[0], x[1], x[2]);
        let (s1, c1) = add(x[3], x[4], x[5]);
        let (ones, c2) = add(s0, s1, x[6]);
        let (twos, fours) = add(c0, c1, c2);
        let mut carry;
        (self.0[0], carry) = (self.0[0] ^ ones, self.0[0] & ones);
        (self.0[1], carry) = add(self.0[1], twos, carry);
        (self.0[2], carry) = add(self.0[2], fours, carry);
        for bit in &mut self.0[3..] {
            if carry == 0 {
                return;
            }
            (*bit, carry) = (*bit ^ carry, *bit & carry);
        }
    }

    /// Of which voxels the count is greater than `limit`.
    pub fn above(&self, limit: u64) -> u64 {
        // From the highest bit down: greater where this bit decides so, equal so far otherwise.
        let (mut greater, mut equal) = (0u64, u64::MAX);
        for n in (0..BITS).rev() {
            let wanted = if limit >> n & 1 == 1 { u64::MAX } else { 0 };
            greater |= equal & self.0[n] & !wanted;
            equal &= !(self.0[n] ^ wanted);
        }
        greater
    }

    /// Of which voxels the count is greater than the other's, and of which it is the same.
    pub fn compare(&self, other: &Self) -> (u64, u64) {
        let (mut greater, mut equal) = (0u64, u64::MAX);
        for n in (0..BITS).rev() {
            greater |= equal & self.0[n] & !other.0[n];
            equal &= !(self.0[n] ^ other.0[n]);
        }
        (greater, equal)
    }

    /// Takes the other's counts for the voxels of `mask`.
    pub fn take(&mut self, other: &Self, mask: u64) {
        for (own, theirs) in self.0.iter_mut().zip(other.0) {
            *own = (*own & !mask) | (theirs & mask);
        }
    }
}

/// Counts in balls over one set.
pub(super) struct Counter<'a> {
    set: &'a BitGrid,
    ball: &'a [BallRow],
    /// Sizes of the ball in voxels: every row and plane that it reaches.
    reach: [isize; 2],
}

impl<'a> Counter<'a> {
    /// `None` when the ball's rows reach farther than a word, or hold too many voxels to be counted.
    pub fn new(set: &'a BitGrid, ball: &'a [BallRow]) -> Option<Self> {
        let voxels: usize = ball.iter().map(|r| 2 * r.reach + 1).sum();
        let fits = voxels < 1 << BITS && ball.iter().all(|r| r.reach < 64);
        let reach = [ball.iter().map(|r| r.j).max().unwrap_or(0), ball.iter().map(|r| r.k).max().unwrap_or(0)];
        fits.then_some(Self { set, ball, reach })
    }

    /// The counts for word `n` of the row at `(j, k)`; what lies outside the box is not set.
    pub fn counts(&self, j: usize, k: usize, n: usize) -> Counts {
        let mut counts = Counts([0; BITS]);
        let (mut waiting, mut filled) = ([0u64; 7], 0);
        let [_, ny, nz] = self.set.size();
        for part in self.ball {
            let (v, w) = (j as isize + part.j, k as isize + part.k);
            if v < 0 || w < 0 || v >= ny as isize || w >= nz as isize {
                continue;
            }
            let row = self.set.row(v as usize, w as usize);
            let here = row[n];
            let before = if n > 0 { row[n - 1] } else { 0 };
            let after = row.get(n + 1).copied().unwrap_or(0);
            if here | before | after == 0 {
                continue;
            }
            let mut push = |word: u64| {
                waiting[filled] = word;
                filled += 1;
                if filled == 7 {
                    counts.add7(&waiting);
                    filled = 0;
                }
            };
            push(here);
            for s in 1..=part.reach {
                push(here << s | before >> (64 - s));
                push(here >> s | after << (64 - s));
            }
        }
        if filled > 0 {
            waiting[filled..].fill(0);
            counts.add7(&waiting);
        }
        counts
    }

    /// For every word of plane `k` whether something in reach of it is set and something is not. `flags` are those of
    /// [`Self::row_flags`].
    pub fn is_mixed(&self, flags: &[[u64; 2]], j: usize, k: usize, n: usize) -> bool {
        let [_, ny, nz] = self.set.size();
        let words = self.set.words();
        let (mut any, mut all) = (0u64, u64::MAX);
        let range = |at: usize, reach: isize, end: usize| {
            (at as isize - reach).max(0) as usize..((at as isize + reach + 1) as usize).min(end)
        };
        for w in range(k, self.reach[1], nz) {
            for v in range(j, self.reach[0], ny) {
                let [some, every] = flags[(w * ny + v) * words + n];
                any |= some;
                all &= every;
                if any != 0 && all != u64::MAX {
                    return true;
                }
            }
        }
        false
    }

    /// For every word of the box what is set in it and its two neighbours in the row, and what is set in all three.
    pub fn row_flags(&self) -> Vec<[u64; 2]> {
        let words = self.set.words();
        let tail = self.set.size()[0] % 64;
        let padding = if tail == 0 { 0 } else { u64::MAX << tail };
        let mut flags = Vec::with_capacity(words * self.set.size()[1] * self.set.size()[2]);
        for row in self.set.rows() {
            for n in 0..words {
                // Beyond the box nothing is set, but it does not make a word mixed either: the border is told apart.
                let every = |at: usize| if at + 1 == words { row[at] | padding } else { row[at] };
                let before = if n > 0 { [row[n - 1], every(n - 1)] } else { [0, u64::MAX] };
                let after = if n + 1 < words { [row[n + 1], every(n + 1)] } else { [0, u64::MAX] };
                flags.push([row[n] | before[0] | after[0], every(n) & before[1] & after[1]]);
            }
        }
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::super::distance::ball;
    use super::super::test_maps::{spaced, spacing, speckle};
    use super::*;
    use crate::core::VoxelBox;

    #[test]
    fn counts_equal_counting() {
        let mut state = 19;
        for (seed, dims, radius) in
            [(1, [70, 9, 5], 2.6), (2, [16, 16, 16], 4.0), (3, [130, 5, 3], 9.0), (4, [5, 40, 7], 0.7)]
        {
            let spacing = spacing(&mut state);
            let map = speckle(spaced(dims, spacing), seed, 2);
            let set = BitGrid::of_label(&map, 1, VoxelBox { min: [0; 3], max: dims });
            let ball = ball(spacing, radius, dims);
            let counter = Counter::new(&set, &ball).unwrap();
            let flags = counter.row_flags();
            for (k, j) in (0..dims[2]).flat_map(|k| (0..dims[1]).map(move |j| (k, j))) {
                for n in 0..set.words() {
                    let counts = counter.counts(j, k, n);
                    for i in n * 64..(n * 64 + 64).min(dims[0]) {
                        let mut want = 0;
                        for row in &ball {
                            for i in i as isize - row.reach as isize..=i as isize + row.reach as isize {
                                let v = [i, j as isize + row.j, k as isize + row.k];
                                want += u64::from(v.iter().all(|x| *x >= 0) && set.get(v.map(|x| x as usize)));
                            }
                        }
                        let got: u64 = (0..BITS).map(|b| (counts.0[b] >> (i % 64) & 1) << b).sum();
                        assert_eq!(got, want, "{i} {j} {k}");
                        for limit in [0, want.saturating_sub(1), want, want + 1] {
                            assert_eq!(counts.above(limit) >> (i % 64) & 1 == 1, want > limit);
                        }
                    }
                    if !counter.is_mixed(&flags, j, k, n) {
                        // All of the ball within the box is of one kind.
                        let zero = counts.0.iter().all(|&w| w == 0);
                        assert!(zero || set.row(j, k)[n].count_ones() as usize == (dims[0] - n * 64).min(64));
                    }
                }
            }
        }
    }
}
