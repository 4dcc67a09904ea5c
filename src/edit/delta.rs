//! A change of a label map as the bricks before and after it.

use crate::core::{Brick, BrickIndex, LabelMap, VoxelBox};
use std::sync::Arc;

/// One brick before and after a change; `None` is all background.
#[derive(Debug, Clone)]
pub struct BrickChange {
    pub index: BrickIndex,
    pub before: Option<Arc<Brick>>,
    pub after: Option<Arc<Brick>>,
}

/// What one edit changed, in ascending order of brick. Holds the bricks by reference count, never a copy.
#[derive(Debug, Clone, Default)]
pub struct Delta {
    pub bricks: Vec<BrickChange>,
}

impl Delta {
    /// What turns `before` into `after`; `None` when they are not on the same grid.
    pub fn between(before: &LabelMap, after: &LabelMap) -> Option<Self> {
        if before.geometry() != after.geometry() {
            return None;
        }
        let bricks = after
            .changed_bricks(before)
            .into_iter()
            .map(|index| BrickChange {
                index,
                before: before.brick(index).cloned(),
                after: after.brick(index).cloned(),
            })
            .collect();
        Some(Self { bricks })
    }

    /// Makes the change (again). The map must be as it was before.
    pub fn apply(&self, map: &mut LabelMap) {
        for change in &self.bricks {
            map.set_brick(change.index, change.after.clone());
        }
    }

    /// Takes the change back. The map must be as [`Self::apply`] leaves it.
    pub fn revert(&self, map: &mut LabelMap) {
        for change in &self.bricks {
            map.set_brick(change.index, change.before.clone());
        }
    }

    /// Bytes that keeping this delta can hold on to; bricks still shared with a map are counted too.
    pub fn bytes(&self) -> usize {
        let bricks = |c: &BrickChange| usize::from(c.before.is_some()) + usize::from(c.after.is_some());
        self.bricks.iter().map(|c| size_of::<BrickChange>() + bricks(c) * size_of::<Brick>()).sum()
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.bricks.is_empty()
    }

    /// Smallest box of whole bricks (clipped to the grid) that holds every changed voxel; empty for an empty delta.
    pub fn bounds(&self, map: &LabelMap) -> VoxelBox {
        let nothing = VoxelBox { min: [0; 3], max: [0; 3] };
        self.bricks.iter().fold(nothing, |all, change| all.union(&map.brick_box(change.index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Geometry;
    use glam::DVec3;

    #[test]
    fn between_applies_reverts_and_bounds() {
        let grid = Geometry::axis_aligned([40, 20, 18], DVec3::new(0.7, 0.7, 5.0), DVec3::ZERO).unwrap();
        let mut before = LabelMap::empty(grid);
        before.set([1, 1, 1], 2);
        let mut after = before.clone();
        after.set([39, 19, 17], 3);
        after.set([20, 0, 0], 4);
        let delta = Delta::between(&before, &after).unwrap();
        assert_eq!(delta.bricks.len(), 2);
        assert_eq!(delta.bounds(&after), VoxelBox { min: [16, 0, 0], max: [40, 20, 18] });
        assert_eq!(delta.bytes(), 2 * (size_of::<BrickChange>() + size_of::<Brick>()));
        let mut map = before.clone();
        delta.apply(&mut map);
        assert_eq!(map, after);
        delta.revert(&mut map);
        assert_eq!(map, before);
        assert!(Delta::between(&before, &before.clone()).unwrap().is_empty());
        let other = LabelMap::empty(Geometry::axis_aligned([40, 20, 18], DVec3::ONE, DVec3::ZERO).unwrap());
        assert!(Delta::between(&before, &other).is_none());
    }
}
