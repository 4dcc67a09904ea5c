//! Counts of voxels in both masks, in one, in neither, and the figures made of them.

use super::Select;
use super::error::MetricError;
use crate::core::{BRICK_EDGE, Brick, BrickIndex, LabelMap, VoxelBox};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Voxels by membership; A is the reference, B is judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// In both.
    pub tp: u64,
    /// In B alone.
    pub fp: u64,
    /// In A alone.
    #[serde(rename = "fn")]
    pub fn_: u64,
    /// In neither.
    pub tn: u64,
}

/// Which of the two masks have the structure at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// Both: every figure has a value.
    Both,
    /// The reference has it, the judged mask does not: a miss.
    MissedByB,
    /// The judged mask has it, the reference does not: a miss the other way round.
    OnlyInB,
    /// Neither: overlap and distances are undefined.
    Neither,
}

impl Agreement {
    /// Whether exactly one mask has the structure: Dice 0, distances infinite, to be counted in every summary.
    pub fn is_miss(self) -> bool {
        matches!(self, Self::MissedByB | Self::OnlyInB)
    }
}

/// Figures of an [`Overlap`]; `None` is a quotient 0/0. In JSON undefined is `null`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// 2 TP / (2 TP + FP + FN).
    pub dice: Option<f64>,
    /// TP / (TP + FP + FN), the Jaccard index.
    pub iou: Option<f64>,
    /// TP / (TP + FN), recall.
    pub sensitivity: Option<f64>,
    /// TP / (TP + FP), positive predictive value.
    pub precision: Option<f64>,
    /// TN / (TN + FP).
    pub specificity: Option<f64>,
    /// (TP + TN) / all voxels; high whenever the structure is small.
    pub accuracy: Option<f64>,
}

impl Overlap {
    /// Voxels of A.
    pub fn in_a(&self) -> u64 {
        self.tp + self.fn_
    }

    /// Voxels of B.
    pub fn in_b(&self) -> u64 {
        self.tp + self.fp
    }

    /// Which masks are not empty.
    pub fn agreement(&self) -> Agreement {
        match (self.in_a() > 0, self.in_b() > 0) {
            (true, true) => Agreement::Both,
            (true, false) => Agreement::MissedByB,
            (false, true) => Agreement::OnlyInB,
            (false, false) => Agreement::Neither,
        }
    }

    /// All figures.
    pub fn figures(&self) -> Figures {
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let Self { tp, fp, fn_, tn } = *self;
        Figures {
            dice: ratio(2 * tp, 2 * tp + fp + fn_),
            iou: ratio(tp, tp + fp + fn_),
            sensitivity: ratio(tp, tp + fn_),
            precision: ratio(tp, tp + fp),
            specificity: ratio(tn, tn + fp),
            accuracy: ratio(tp + tn, tp + fp + fn_ + tn),
        }
    }
}

/// Overlap of what `a` selects in `map_a` and `b` in `map_b`.
///
/// # Errors
/// [`MetricError::Size`] or [`MetricError::Place`] when the grids differ.
pub fn overlap(map_a: &LabelMap, a: Select, map_b: &LabelMap, b: Select) -> Result<Overlap, MetricError> {
    super::compare::check_grids(map_a, map_b)?;
    let counts = SliceCounts::of(map_a, a, map_b, b);
    Ok(counts.volume(map_a.geometry().voxel_count() as u64))
}

/// Voxels of A, B and both in each slice along k, and whole bricks that hold any of them.
pub(super) struct SliceCounts {
    /// `[in A, in B, in both]` for each k.
    pub slices: Vec<[u64; 3]>,
    /// Box of bricks in which either mask has voxels, along k only the slices that have any.
    pub region: VoxelBox,
}

impl SliceCounts {
    pub fn of(map_a: &LabelMap, a: Select, map_b: &LabelMap, b: Select) -> Self {
        const EMPTY: VoxelBox = VoxelBox { min: [0; 3], max: [0; 3] };
        let depth = map_a.geometry().dims()[2];
        // Bricks count up along i, then j, then k, so a chunk of bricks touches few slices.
        let per_layer = map_a.brick_count() / depth.div_ceil(BRICK_EDGE);
        let layers: Vec<([[u64; 3]; BRICK_EDGE], VoxelBox)> = (0..depth.div_ceil(BRICK_EDGE))
            .into_par_iter()
            .map(|layer| {
                let mut sums = [[0u64; 3]; BRICK_EDGE];
                let mut region = EMPTY;
                for index in layer * per_layer..(layer + 1) * per_layer {
                    let index = index as BrickIndex;
                    let brick_a = map_a.brick(index).map(AsRef::as_ref);
                    let brick_b = map_b.brick(index).map(AsRef::as_ref);
                    if brick_a.is_none() && brick_b.is_none() {
                        continue;
                    }
                    if count_brick(brick_a, a, brick_b, b, &mut sums) {
                        region = region.union(&map_a.brick_box(index));
                    }
                }
                (sums, region)
            })
            .collect();
        let mut region = layers.iter().fold(EMPTY, |all, (_, r)| all.union(r));
        let slices: Vec<[u64; 3]> = layers.into_iter().flat_map(|(sums, _)| sums).take(depth).collect();
        let filled = |s: &[u64; 3]| s[0] + s[1] > 0;
        if let (Some(first), Some(last)) = (slices.iter().position(filled), slices.iter().rposition(filled)) {
            (region.min[2], region.max[2]) = (first, last + 1);
        }
        Self { slices, region }
    }

    /// Overlap of one slice of `pixels` pixels.
    pub fn slice(&self, k: usize, pixels: u64) -> Overlap {
        from_counts(self.slices[k], pixels)
    }

    /// Overlap of the whole volume.
    pub fn volume(&self, voxels: u64) -> Overlap {
        let total = self.slices.iter().fold([0; 3], |t, s| [t[0] + s[0], t[1] + s[1], t[2] + s[2]]);
        from_counts(total, voxels)
    }
}

/// `[in A, in B, in both]` of one brick.
pub(super) fn brick_counts(a: Option<&Brick>, select_a: Select, b: Option<&Brick>, select_b: Select) -> [u32; 3] {
    let mut sums = [[0; 3]; BRICK_EDGE];
    count_brick(a, select_a, b, select_b, &mut sums);
    let total = sums.iter().fold([0u64; 3], |t, s| [t[0] + s[0], t[1] + s[1], t[2] + s[2]]);
    total.map(|n| n as u32)
}

fn from_counts([a, b, both]: [u64; 3], all: u64) -> Overlap {
    Overlap { tp: both, fp: b - both, fn_: a - both, tn: all - (a + b - both) }
}

/// Adds a brick's counts per slice; true when it holds any voxel of either mask.
fn count_brick(
    a: Option<&Brick>,
    select_a: Select,
    b: Option<&Brick>,
    select_b: Select,
    sums: &mut [[u64; 3]; BRICK_EDGE],
) -> bool {
    const SLICE: usize = BRICK_EDGE * BRICK_EDGE;
    let mut any = false;
    for (k, sum) in sums.iter_mut().enumerate() {
        let slice = k * SLICE..(k + 1) * SLICE;
        let (mut in_a, mut in_b) = ([0u8; SLICE], [0u8; SLICE]);
        if let Some(a) = a {
            select_a.mask(&a[slice.clone()], &mut in_a);
        }
        if let Some(b) = b {
            select_b.mask(&b[slice], &mut in_b);
        }
        // 16-bit sums of a slice's 256 voxels: narrow enough to be summed many at a time.
        let total = |mask: &[u8; SLICE]| u64::from(mask.iter().fold(0u16, |n, &v| n + u16::from(v)));
        let (n_a, n_b) = (total(&in_a), total(&in_b));
        if n_a > 0 && n_b > 0 {
            for (x, y) in in_a.iter_mut().zip(&in_b) {
                *x &= y;
            }
            sum[2] += total(&in_a);
        }
        sum[0] += n_a;
        sum[1] += n_b;
        any |= n_a + n_b > 0;
    }
    any
}
