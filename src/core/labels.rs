//! Copy-on-write label map in bricks: the one mechanism behind undo, snapshots, partial uploads and the journal.

use super::{Geometry, LabelId};
use std::sync::Arc;

/// Voxels along one edge of a brick. 16 makes a brick 4 KiB: one page, and an ordinary stroke touches a few dozen.
pub const BRICK_EDGE: usize = 16;
const BRICK_LEN: usize = BRICK_EDGE * BRICK_EDGE * BRICK_EDGE;

/// Labels of one brick, i fastest. Voxels beyond the grid's end are 0.
pub type Brick = [LabelId; BRICK_LEN];

/// Position of a brick in the map's list (bricks along i fastest).
pub type BrickIndex = u32;

/// Half-open box of voxels: `min <= v < max` on each axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoxelBox {
    pub min: [usize; 3],
    pub max: [usize; 3],
}

impl VoxelBox {
    /// Whether the box holds no voxel.
    pub fn is_empty(&self) -> bool {
        (0..3).any(|a| self.min[a] >= self.max[a])
    }

    /// Smallest box that holds both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() {
            return *other;
        }
        if other.is_empty() {
            return *self;
        }
        Self {
            min: std::array::from_fn(|a| self.min[a].min(other.min[a])),
            max: std::array::from_fn(|a| self.max[a].max(other.max[a])),
        }
    }
}

/// The bricks of one value of k, those along i fastest.
type Floor = Vec<Option<Arc<Brick>>>;

/// Labels on a grid. A brick that is all background is `None`.
///
/// Bricks lie on floors that are shared as well: a clone copies a pointer for every 16 slices, and the first change
/// after it copies the pointers of one floor.
#[derive(Debug, Clone)]
pub struct LabelMap {
    geometry: Geometry,
    floors: Vec<Arc<Floor>>,
    /// Bricks of one floor, 1 or more.
    per_floor: usize,
}

impl PartialEq for LabelMap {
    fn eq(&self, other: &Self) -> bool {
        let zero = [0; BRICK_LEN];
        self.geometry == other.geometry
            && self.floors.iter().zip(&other.floors).filter(|(a, b)| !Arc::ptr_eq(a, b)).all(|(a, b)| {
                a.iter().zip(b.iter()).all(|(a, b)| match (a, b) {
                    (None, None) => true,
                    (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
                    (Some(a), None) | (None, Some(a)) => **a == zero,
                })
            })
    }
}

impl LabelMap {
    /// All background.
    pub fn empty(geometry: Geometry) -> Self {
        let [ni, nj, nk] = brick_counts(&geometry);
        // All floors are the same one until something is written on them.
        let floor = Arc::new(vec![None; ni * nj]);
        Self { geometry, floors: std::iter::repeat_n(floor, nk).collect(), per_floor: ni * nj }
    }

    /// From dense labels in i, j, k order; `None` when the count does not match the grid.
    pub fn from_dense(geometry: Geometry, labels: &[LabelId]) -> Option<Self> {
        if labels.len() != geometry.voxel_count() {
            return None;
        }
        let mut map = Self::empty(geometry);
        let [nx, ny, _] = geometry.dims();
        for index in 0..map.brick_count() as BrickIndex {
            let b = map.brick_box(index);
            let mut brick = [0; BRICK_LEN];
            let mut any = false;
            for k in b.min[2]..b.max[2] {
                for j in b.min[1]..b.max[1] {
                    let from = (k * ny + j) * nx;
                    let row = &labels[from + b.min[0]..from + b.max[0]];
                    if row.iter().any(|&v| v != 0) {
                        any = true;
                        let to = offset([b.min[0], j, k]);
                        brick[to..to + row.len()].copy_from_slice(row);
                    }
                }
            }
            if any {
                *map.slot(index) = Some(Arc::new(brick));
            }
        }
        Some(map)
    }

    /// Dense copy in i, j, k order.
    pub fn to_dense(&self) -> Vec<LabelId> {
        let mut out = vec![0; self.geometry.voxel_count()];
        let dims = self.geometry.dims();
        self.copy_box(VoxelBox { min: [0; 3], max: dims }, &mut out);
        out
    }

    /// Copies the labels of `region` (clipped to the grid by the caller) into `out`, i fastest.
    ///
    /// # Panics
    /// When `out` is shorter than the region or the region leaves the grid.
    pub fn copy_box(&self, region: VoxelBox, out: &mut [LabelId]) {
        if region.is_empty() {
            return;
        }
        let size: [usize; 3] = std::array::from_fn(|a| region.max[a] - region.min[a]);
        for k in region.min[2]..region.max[2] {
            for j in region.min[1]..region.max[1] {
                let row_start = ((k - region.min[2]) * size[1] + (j - region.min[1])) * size[0];
                let mut i = region.min[0];
                while i < region.max[0] {
                    let end = ((i / BRICK_EDGE + 1) * BRICK_EDGE).min(region.max[0]);
                    let to = row_start + i - region.min[0];
                    let target = &mut out[to..to + end - i];
                    match self.brick(self.brick_of([i, j, k])) {
                        Some(b) => {
                            let from = offset([i, j, k]);
                            target.copy_from_slice(&b[from..from + end - i]);
                        }
                        None => target.fill(0),
                    }
                    i = end;
                }
            }
        }
    }

    /// The grid.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Number of bricks, empty ones included.
    pub fn brick_count(&self) -> usize {
        self.floors.len() * self.per_floor
    }

    /// A brick's labels; `None` is all background.
    pub fn brick(&self, index: BrickIndex) -> Option<&Arc<Brick>> {
        let index = index as usize;
        self.floors.get(index / self.per_floor)?.get(index % self.per_floor)?.as_ref()
    }

    /// Where a brick of the map is kept; its floor is copied first when a snapshot holds it.
    ///
    /// # Panics
    /// When there is no such brick.
    fn slot(&mut self, index: BrickIndex) -> &mut Option<Arc<Brick>> {
        let index = index as usize;
        &mut Arc::make_mut(&mut self.floors[index / self.per_floor])[index % self.per_floor]
    }

    /// Replaces a brick and gives back the old one. An all-background brick is stored as `None`.
    pub fn set_brick(&mut self, index: BrickIndex, brick: Option<Arc<Brick>>) -> Option<Arc<Brick>> {
        let brick = brick.filter(|b| b.iter().any(|&v| v != 0));
        if index as usize >= self.brick_count() || (brick.is_none() && self.brick(index).is_none()) {
            return None;
        }
        std::mem::replace(self.slot(index), brick)
    }

    /// Writable brick: copied first when a snapshot or the history still holds it.
    pub fn brick_mut(&mut self, index: BrickIndex) -> &mut Brick {
        Arc::make_mut(self.slot(index).get_or_insert_with(|| Arc::new([0; BRICK_LEN])))
    }

    /// Index of the brick that holds a voxel of the grid.
    pub fn brick_of(&self, voxel: [usize; 3]) -> BrickIndex {
        let n = brick_counts(&self.geometry);
        let b = voxel.map(|v| v / BRICK_EDGE);
        ((b[2] * n[1] + b[1]) * n[0] + b[0]) as BrickIndex
    }

    /// Offset of a voxel within its brick.
    pub fn offset_in_brick(voxel: [usize; 3]) -> usize {
        offset(voxel)
    }

    /// Voxels of a brick, clipped to the grid.
    pub fn brick_box(&self, index: BrickIndex) -> VoxelBox {
        let n = brick_counts(&self.geometry);
        let i = index as usize;
        let b = [i % n[0], i / n[0] % n[1], i / (n[0] * n[1])];
        let dims = self.geometry.dims();
        VoxelBox {
            min: b.map(|v| v * BRICK_EDGE),
            max: std::array::from_fn(|a| ((b[a] + 1) * BRICK_EDGE).min(dims[a])),
        }
    }

    /// Label at integer coordinates; 0 outside the grid.
    pub fn at(&self, voxel: [i64; 3]) -> LabelId {
        if !self.geometry.contains(voxel) {
            return 0;
        }
        let v = voxel.map(|v| v as usize);
        self.brick(self.brick_of(v)).map_or(0, |b| b[offset(v)])
    }

    /// Sets one voxel inside the grid; for tests and small edits.
    ///
    /// # Panics
    /// When the voxel lies outside the grid.
    pub fn set(&mut self, voxel: [usize; 3], label: LabelId) {
        let index = self.brick_of(voxel);
        self.brick_mut(index)[offset(voxel)] = label;
    }

    /// Voxels of each label; index 0 counts background.
    pub fn counts(&self) -> [u64; 256] {
        let mut counts = [0u64; 256];
        for brick in self.floors.iter().flat_map(|f| f.iter()).flatten() {
            for &v in brick.iter() {
                counts[usize::from(v)] += 1;
            }
        }
        // Bricks at the grid's end are padded with 0, so background is what the others leave.
        counts[0] = self.geometry.voxel_count() as u64 - counts[1..].iter().sum::<u64>();
        counts
    }

    /// The box of voxels of each label; an empty one for a label that is not there.
    pub fn label_boxes(&self) -> [VoxelBox; 256] {
        let mut boxes = [VoxelBox { min: [usize::MAX; 3], max: [0; 3] }; 256];
        for index in 0..self.brick_count() as BrickIndex {
            let Some(brick) = self.brick(index) else { continue };
            let area = self.brick_box(index);
            for k in area.min[2]..area.max[2] {
                for j in area.min[1]..area.max[1] {
                    for i in area.min[0]..area.max[0] {
                        let b = &mut boxes[usize::from(brick[offset([i, j, k])])];
                        for (a, v) in [i, j, k].into_iter().enumerate() {
                            b.min[a] = b.min[a].min(v);
                            b.max[a] = b.max[a].max(v + 1);
                        }
                    }
                }
            }
        }
        boxes
    }

    /// Bricks that differ from `other` (same grid), by pointer first and content second.
    pub fn changed_bricks(&self, other: &Self) -> Vec<BrickIndex> {
        let mut changed = Vec::new();
        for (floor, (a, b)) in self.floors.iter().zip(&other.floors).enumerate() {
            if Arc::ptr_eq(a, b) {
                continue;
            }
            for (n, pair) in a.iter().zip(b.iter()).enumerate() {
                let differs = match pair {
                    (None, None) => false,
                    (Some(a), Some(b)) => !Arc::ptr_eq(a, b) && a != b,
                    _ => true,
                };
                if differs {
                    changed.push((floor * self.per_floor + n) as BrickIndex);
                }
            }
        }
        changed
    }

    /// Bytes that this map holds and `other` (same grid) does not share with it.
    pub fn bytes_beside(&self, other: Option<&Self>) -> usize {
        let held = |floor: &Floor| size_of_val(floor.as_slice());
        let mut bytes = self.floors.len() * size_of::<Arc<Floor>>();
        for (n, floor) in self.floors.iter().enumerate() {
            let twin = other.and_then(|o| o.floors.get(n));
            if twin.is_some_and(|t| Arc::ptr_eq(t, floor)) {
                continue;
            }
            let own = floor.iter().enumerate().filter(|(at, brick)| match (brick, twin.and_then(|t| t.get(*at))) {
                (None, _) => false,
                (Some(a), Some(Some(b))) => !Arc::ptr_eq(a, b),
                (Some(_), _) => true,
            });
            bytes += held(floor) + own.count() * size_of::<Brick>();
        }
        bytes
    }
}

fn brick_counts(geometry: &Geometry) -> [usize; 3] {
    geometry.dims().map(|d| d.div_ceil(BRICK_EDGE))
}

fn offset(voxel: [usize; 3]) -> usize {
    let [i, j, k] = voxel.map(|v| v % BRICK_EDGE);
    (k * BRICK_EDGE + j) * BRICK_EDGE + i
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::DVec3;
    use proptest::prelude::*;

    fn grid(dims: [usize; 3]) -> Geometry {
        Geometry::axis_aligned(dims, DVec3::new(0.7, 0.8, 3.0), DVec3::ZERO).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn dense_and_bricks_agree(dims in prop::array::uniform3(1usize..40), seed in any::<u64>()) {
            let g = grid(dims);
            let mut state = seed | 1;
            let dense: Vec<u8> = (0..g.voxel_count()).map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                if state >> 60 > 12 { (state >> 33) as u8 } else { 0 }
            }).collect();
            let map = LabelMap::from_dense(g, &dense).unwrap();
            prop_assert_eq!(map.to_dense(), dense.clone());
            let mut counts = [0u64; 256];
            for v in &dense { counts[usize::from(*v)] += 1; }
            prop_assert_eq!(map.counts(), counts);
            let boxes = map.label_boxes();
            for label in 1..=255u8 {
                let places = (0..dense.len()).filter(|&n| dense[n] == label);
                let places = places.map(|n| [n % dims[0], n / dims[0] % dims[1], n / (dims[0] * dims[1])]);
                let exact = places.map(|p| VoxelBox { min: p, max: p.map(|v| v + 1) }).reduce(|a, b| a.union(&b));
                let found = boxes[usize::from(label)];
                prop_assert_eq!(exact, (!found.is_empty()).then_some(found));
            }
        }
    }

    #[test]
    fn snapshots_do_not_see_later_edits() {
        let mut map = LabelMap::empty(grid([20, 20, 20]));
        map.set([17, 3, 18], 4);
        let snapshot = map.clone();
        map.set([17, 3, 18], 5);
        assert_eq!((snapshot.at([17, 3, 18]), map.at([17, 3, 18])), (4, 5));
        assert_eq!(map.changed_bricks(&snapshot), vec![map.brick_of([17, 3, 18])]);
        assert_eq!(map.at([-1, 0, 0]), 0);
        assert_eq!(map.at([20, 0, 0]), 0);
    }

    #[test]
    fn an_emptied_brick_is_not_kept() {
        let mut map = LabelMap::empty(grid([5, 5, 5]));
        map.set_brick(0, Some(Arc::new([0; BRICK_LEN])));
        assert!(map.brick(0).is_none());
        map.set([1, 1, 1], 1);
        map.set([1, 1, 1], 0);
        assert_eq!(map, LabelMap::empty(grid([5, 5, 5])));
    }
}
