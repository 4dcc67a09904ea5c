//! What a brush looks like and which voxels it may change.

use super::bits::equal_bits;
use crate::core::{BRICK_EDGE, LabelId, LabelMap, PlaneDirections, Volume};
use std::sync::Arc;

/// Form of the brush.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BrushShape {
    /// A disc in the slice across voxel axis `through_axis` (0 = i, 1 = j, 2 = k); other slices stay untouched.
    Round2d { through_axis: usize },
    /// A ball.
    Sphere,
    /// A square in the slice across voxel axis `through_axis`, its sides along the two other axes.
    Square2d { through_axis: usize },
    /// A box with its sides along the voxel axes.
    Cube,
    /// A disc on a turned plane: what of the voxels that the plane cuts has its centre before or behind the disc.
    RoundOn { plane: PlaneDirections },
    /// A square on a turned plane, its sides along the plane's directions.
    SquareOn { plane: PlaneDirections },
}

impl BrushShape {
    /// The voxel axis across which it is flat, if any.
    pub fn through_axis(self) -> Option<usize> {
        match self {
            Self::Round2d { through_axis } | Self::Square2d { through_axis } => Some(through_axis),
            Self::Sphere | Self::Cube | Self::RoundOn { .. } | Self::SquareOn { .. } => None,
        }
    }

    /// The turned plane on which it is flat, if any.
    pub fn plane(self) -> Option<PlaneDirections> {
        match self {
            Self::RoundOn { plane } | Self::SquareOn { plane } => Some(plane),
            Self::Sphere | Self::Cube | Self::Round2d { .. } | Self::Square2d { .. } => None,
        }
    }

    /// Whether it has corners.
    pub fn is_square(self) -> bool {
        matches!(self, Self::Square2d { .. } | Self::Cube | Self::SquareOn { .. })
    }
}

/// A brush: every voxel whose centre lies within `radius_mm` of the pointer's path, and the voxels on the path itself.
/// A square brush reaches `radius_mm` to each side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Brush {
    pub shape: BrushShape,
    /// In mm. A radius of 0 paints only the voxels on the path.
    pub radius_mm: f64,
}

/// Which labels may be painted over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Whatever is there.
    All,
    /// Only what carries no label.
    Background,
    /// Only one segment.
    Segment(LabelId),
}

/// What painting does to a voxel. Locked labels are never changed, whatever `over` says.
#[derive(Debug, Clone)]
pub struct PaintRule {
    /// The label to paint; 0 erases.
    pub label: LabelId,
    pub over: Over,
    /// True for each label that must stay as it is.
    pub locked: [bool; 256],
    /// Where voxels may change at all.
    pub limits: Limits,
}

/// Voxels outside these limits are never changed, neither painted nor erased. The default is no limit.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Only voxels of this image whose value lies in the range, both ends included, in HU.
    pub hu: Option<(Arc<Volume>, [i16; 2])>,
    /// Only voxels that carry this label in this map (as it was when the edit began).
    pub inside: Option<(LabelMap, LabelId)>,
}

impl Limits {
    /// Whether every voxel may be changed.
    pub fn is_open(&self) -> bool {
        self.hu.is_none() && self.inside.is_none()
    }

    /// Which of up to 16 voxels may be changed: `len` of them from `voxel` on, within one brick and the grid.
    pub(super) fn allowed(&self, voxel: [usize; 3], len: usize) -> u16 {
        let mut bits = if len < BRICK_EDGE { (1 << len) - 1 } else { u16::MAX };
        if let Some((volume, [low, high])) = &self.hu {
            bits &= range_bits(volume, [*low, *high], voxel, len);
        }
        if let Some((map, label)) = &self.inside {
            bits &= map.brick(map.brick_of(voxel)).map_or(0, |brick| {
                let [i, j, k] = voxel;
                let from = LabelMap::offset_in_brick([i - i % BRICK_EDGE, j, k]);
                equal_bits(&brick[from..from + BRICK_EDGE], *label) >> (i % BRICK_EDGE)
            });
        }
        bits
    }
}

/// Which of up to 16 voxels from `voxel` on have a value within the range, both ends included.
pub(super) fn range_bits(volume: &Volume, [low, high]: [i16; 2], voxel: [usize; 3], len: usize) -> u16 {
    let from = volume.geometry().index(voxel);
    let values = volume.hu().get(from..from + len).unwrap_or_default();
    let mut bits = 0;
    for (n, v) in values.iter().enumerate() {
        bits |= u16::from((low..=high).contains(v)) << n;
    }
    bits
}

impl PaintRule {
    /// Paints `label` over everything that is not locked.
    pub fn paint(label: LabelId, locked: [bool; 256]) -> Self {
        Self { label, over: Over::All, locked, limits: Limits::default() }
    }

    /// Erases `segment` and leaves all other segments alone.
    pub fn erase(segment: LabelId, locked: [bool; 256]) -> Self {
        Self { label: 0, over: Over::Segment(segment), locked, limits: Limits::default() }
    }

    /// Erases every segment that is not locked.
    pub fn erase_all(locked: [bool; 256]) -> Self {
        Self { label: 0, over: Over::All, locked, limits: Limits::default() }
    }

    /// The segment painted, or the one erased; 0 when every segment is erased.
    pub fn segment(&self) -> LabelId {
        match self.over {
            Over::Segment(erased) if self.label == 0 => erased,
            _ => self.label,
        }
    }

    /// The same limits and locks for taking voxels of `segment` away.
    #[must_use]
    pub fn erasing(&self, segment: LabelId) -> Self {
        Self { label: 0, over: Over::Segment(segment), ..self.clone() }
    }

    /// The label that a voxel has afterwards, for each label it can have before.
    pub(super) fn table(&self) -> [LabelId; 256] {
        std::array::from_fn(|index| {
            let old = index as LabelId;
            let allowed = match self.over {
                Over::All => true,
                Over::Background => old == 0,
                Over::Segment(segment) => old == segment,
            };
            if allowed && !self.locked[index] { self.label } else { old }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_say_what_each_label_becomes() {
        let mut locked = [false; 256];
        locked[7] = true;
        let paint = PaintRule::paint(3, locked);
        assert_eq!([0, 3, 5, 7].map(|v| paint.table()[v]), [3, 3, 3, 7]);
        assert_eq!(paint.segment(), 3);
        let erase = PaintRule::erase(5, locked);
        assert_eq!([0, 3, 5, 7].map(|v| erase.table()[v]), [0, 3, 0, 7]);
        assert_eq!(erase.segment(), 5);
        assert_eq!([0, 3, 7].map(|v| PaintRule::erase_all(locked).table()[v]), [0, 0, 7]);
        let empty_only = PaintRule { over: Over::Background, ..PaintRule::paint(3, locked) };
        assert_eq!([0, 3, 5, 7].map(|v| empty_only.table()[v]), [3, 3, 5, 7]);
    }
}
