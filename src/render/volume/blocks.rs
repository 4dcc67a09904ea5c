//! Which blocks of 16³ voxels a ray may skip: the range of each block of the image, and the labels in each brick.

use super::transfer::TransferFunction;
use crate::core::{BRICK_EDGE, Brick, LabelMap, Volume};
use crate::render::LabelColors;
use std::sync::Arc;

/// What the shader reads of a block; see `shaders/volume.wgsl`.
pub(super) const BLOCK_VOLUME: u8 = 1;
pub(super) const BLOCK_LABELS: u8 = 2;

/// Blocks along each axis.
pub(super) fn block_dims(dims: [usize; 3]) -> [usize; 3] {
    dims.map(|n| n.div_ceil(BRICK_EDGE))
}

/// Smallest and largest HU of each block with the voxels that interpolation at its rim reads.
pub(super) struct Ranges {
    dims: [usize; 3],
    ranges: Vec<[i16; 2]>,
}

impl Ranges {
    /// Reads the whole volume once.
    pub fn of(volume: &Volume) -> Self {
        let size = volume.geometry().dims();
        let dims = block_dims(size);
        let [bx, by, bz] = dims;
        let mut ranges = vec![[i16::MAX, i16::MIN]; bx * by * bz];
        let mut rows = vec![[i16::MAX, i16::MIN]; bx];
        for k in 0..size[2] {
            let Some(slice) = volume.slice(k) else { continue };
            for j in 0..size[1] {
                let row = &slice[j * size[0]..(j + 1) * size[0]];
                for (x, range) in rows.iter_mut().enumerate() {
                    let (from, to) = ((x * BRICK_EDGE).saturating_sub(1), ((x + 1) * BRICK_EDGE + 1).min(size[0]));
                    *range = row[from..to].iter().fold([i16::MAX, i16::MIN], |r, &v| [r[0].min(v), r[1].max(v)]);
                }
                for z in touching(k, bz) {
                    for y in touching(j, by) {
                        for (x, row) in rows.iter().enumerate() {
                            let r = &mut ranges[(z * by + y) * bx + x];
                            *r = [r[0].min(row[0]), r[1].max(row[1])];
                        }
                    }
                }
            }
        }
        Self { dims, ranges }
    }
}

/// Blocks whose samples read voxel `v` of an axis with `count` blocks.
fn touching(v: usize, count: usize) -> std::ops::RangeInclusive<usize> {
    v.saturating_sub(1) / BRICK_EDGE..=((v + 1) / BRICK_EDGE).min(count - 1)
}

/// The set of labels in each brick, kept from one state of a mask to the next.
#[derive(Default)]
pub(super) struct BrickLabels {
    /// By brick: the brick that was looked at, and a bit for each label in it.
    seen: Vec<Option<(Arc<Brick>, [u64; 4])>>,
}

impl BrickLabels {
    /// Looks at the bricks that are not the ones of the last call.
    pub fn update(&mut self, labels: &LabelMap) {
        self.seen.resize(labels.brick_count(), None);
        for (n, seen) in self.seen.iter_mut().enumerate() {
            match labels.brick(n as u32) {
                None => *seen = None,
                Some(brick) if seen.as_ref().is_some_and(|(old, _)| Arc::ptr_eq(old, brick)) => {}
                Some(brick) => {
                    let mut set = [0u64; 4];
                    let mut last = 0;
                    for &label in brick.iter() {
                        if label != last {
                            last = label;
                            set[usize::from(label >> 6)] |= 1 << (label & 63);
                        }
                    }
                    *seen = Some((Arc::clone(brick), set));
                }
            }
        }
    }
}

/// One byte a block, x fastest: what of it can be seen.
pub(super) fn visible_blocks(
    dims: [usize; 3],
    ranges: Option<(&Ranges, &TransferFunction)>,
    labels: Option<(&BrickLabels, &LabelColors)>,
) -> Vec<u8> {
    let [bx, by, bz] = block_dims(dims);
    let mut out = vec![0; bx * by * bz];
    if let Some((ranges, transfer)) = ranges.filter(|(r, _)| r.dims == [bx, by, bz]) {
        for (byte, [low, high]) in out.iter_mut().zip(&ranges.ranges) {
            if transfer.shows(*low, *high) {
                *byte |= BLOCK_VOLUME;
            }
        }
    }
    if let Some((labels, colors)) = labels {
        let mut shown = [0u64; 4];
        for (label, _) in colors.table().iter().enumerate().filter(|(label, c)| *label > 0 && c[3] > 0) {
            shown[label >> 6] |= 1 << (label & 63);
        }
        // A smoothed surface reaches two voxels beyond the mask: into the next block, never further.
        for (n, seen) in labels.seen.iter().enumerate() {
            let Some((_, set)) = seen else { continue };
            if (0..4).all(|w| set[w] & shown[w] == 0) {
                continue;
            }
            let (x, y, z) = (n % bx, n / bx % by, n / (bx * by));
            for z in z.saturating_sub(1)..(z + 2).min(bz) {
                for y in y.saturating_sub(1)..(y + 2).min(by) {
                    for x in x.saturating_sub(1)..(x + 2).min(bx) {
                        out[(z * by + y) * bx + x] |= BLOCK_LABELS;
                    }
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Geometry;
    use crate::render::volume::transfer::TransferPreset;
    use glam::DVec3;

    #[test]
    fn a_block_knows_what_its_samples_can_read() {
        let geometry = Geometry::axis_aligned([40, 33, 17], DVec3::ONE, DVec3::ZERO).unwrap();
        let mut hu = vec![-1000i16; geometry.voxel_count()];
        // On the rim: the block before reads it when it interpolates.
        hu[geometry.index([16, 5, 3])] = 500;
        let volume = Volume::new(geometry, hu).unwrap();
        let ranges = Ranges::of(&volume);
        let bone = TransferPreset::Bone.function(0.0);
        let blocks = visible_blocks(geometry.dims(), Some((&ranges, &bone)), None);
        assert_eq!(blocks.len(), 3 * 3 * 2);
        let lit: Vec<usize> = (0..blocks.len()).filter(|&n| blocks[n] != 0).collect();
        assert_eq!(lit, [0, 1]);
    }

    #[test]
    fn hidden_labels_are_skipped_and_neighbours_are_not() {
        let geometry = Geometry::axis_aligned([80, 16, 16], DVec3::ONE, DVec3::ZERO).unwrap();
        let mut labels = LabelMap::empty(geometry);
        labels.set([5, 5, 5], 3);
        labels.set([70, 5, 5], 200);
        let mut bricks = BrickLabels::default();
        bricks.update(&labels);
        let mut table = [[0; 4]; 256];
        table[200] = [1, 2, 3, 255];
        let colors = LabelColors::new(table);
        assert_eq!(visible_blocks(geometry.dims(), None, Some((&bricks, &colors))), [0, 0, 0, 2, 2]);
        labels.set([70, 5, 5], 0);
        bricks.update(&labels);
        assert_eq!(visible_blocks(geometry.dims(), None, Some((&bricks, &colors))), [0; 5]);
    }
}
