//! Which class of one map became which class of the other.

use super::{Pair, Select};
use crate::core::{BrickIndex, LabelMap};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Voxels by class in A (row) and class in B (column). Class 0 is everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// "Background", then the structures.
    pub classes: Vec<String>,
    pub voxels: Vec<Vec<u64>>,
}

impl Confusion {
    /// Of the pairs that are one label each; `None` when there is none, or a label belongs to two of them.
    pub(super) fn of(map_a: &LabelMap, map_b: &LabelMap, pairs: &[Pair]) -> Option<Self> {
        let mut classes = vec!["Background".to_owned()];
        let (mut class_a, mut class_b) = ([0usize; 256], [0usize; 256]);
        for pair in pairs {
            if pair.a == Select::Foreground || pair.b == Select::Foreground {
                continue;
            }
            for (select, table) in [(pair.a, &mut class_a), (pair.b, &mut class_b)] {
                if let Select::Label(label) = select {
                    let slot = &mut table[usize::from(label)];
                    if *slot != 0 || label == 0 {
                        return None;
                    }
                    *slot = classes.len();
                }
            }
            classes.push(pair.name.clone());
        }
        if classes.len() < 2 {
            return None;
        }
        let counts = joint_counts(map_a, map_b);
        let mut voxels = vec![vec![0; classes.len()]; classes.len()];
        for (n, count) in counts.iter().enumerate() {
            voxels[class_a[n >> 8]][class_b[n & 255]] += count;
        }
        let all = map_a.geometry().voxel_count() as u64;
        voxels[0][0] += all - counts.iter().sum::<u64>();
        Some(Self { classes, voxels })
    }

    /// Adds another of the same classes; `false` when the classes differ.
    pub fn add(&mut self, other: &Self) -> bool {
        if self.classes != other.classes {
            return false;
        }
        let cells = self.voxels.iter_mut().flatten().zip(other.voxels.iter().flatten());
        cells.for_each(|(mine, theirs)| *mine += theirs);
        true
    }

    /// Share of all voxels on the diagonal.
    pub fn accuracy(&self) -> Option<f64> {
        let all: u64 = self.voxels.iter().flatten().sum();
        let right: u64 = self.voxels.iter().enumerate().map(|(n, row)| row[n]).sum();
        (all > 0).then(|| right as f64 / all as f64)
    }

    /// What an empty mask would have as [`Self::accuracy`]: the share of the background.
    pub fn accuracy_of_nothing(&self) -> Option<f64> {
        let all: u64 = self.voxels.iter().flatten().sum();
        let background: u64 = self.voxels.first().map_or(0, |row| row.iter().sum());
        (all > 0).then(|| background as f64 / all as f64)
    }

    /// Share of a class's voxels in A that B gives the same class.
    pub fn recall(&self, class: usize) -> Option<f64> {
        let row = self.voxels.get(class)?;
        let all: u64 = row.iter().sum();
        (all > 0).then(|| row[class] as f64 / all as f64)
    }
}

/// Voxels by `label in A << 8 | label in B`, bricks that both maps lack left out.
fn joint_counts(map_a: &LabelMap, map_b: &LabelMap) -> Vec<u64> {
    let bricks: Vec<BrickIndex> = (0..map_a.brick_count() as BrickIndex).collect();
    let count = |chunk: &[BrickIndex]| {
        let mut counts = vec![0u64; 1 << 16];
        for &index in chunk {
            let (a, b) = (map_a.brick(index), map_b.brick(index));
            let inside = || {
                let region = map_a.brick_box(index);
                (0..3).map(|axis| (region.max[axis] - region.min[axis]) as u64).product::<u64>()
            };
            let padding = |brick_len: usize| brick_len as u64 - inside();
            match (a, b) {
                (None, None) => {}
                (Some(a), None) => {
                    a.iter().for_each(|&v| counts[usize::from(v) << 8] += 1);
                    counts[0] -= padding(a.len());
                }
                (None, Some(b)) => {
                    b.iter().for_each(|&v| counts[usize::from(v)] += 1);
                    counts[0] -= padding(b.len());
                }
                (Some(a), Some(b)) => {
                    a.iter().zip(b.iter()).for_each(|(&x, &y)| counts[usize::from(x) << 8 | usize::from(y)] += 1);
                    counts[0] -= padding(a.len());
                }
            }
        }
        counts
    };
    let add = |mut x: Vec<u64>, y: Vec<u64>| {
        x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
        x
    };
    bricks.par_chunks(2048).map(count).reduce(|| vec![0; 1 << 16], add)
}
