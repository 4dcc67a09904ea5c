//! Mirroring a label map along its own axes.

use super::LabelMap;
use std::fmt;
use std::str::FromStr;

/// Axes to mirror: `x` exchanges the sides of a slice, `y` its top and bottom, `z` the order of the slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flips {
    pub x: bool,
    pub y: bool,
    pub z: bool,
}

/// A text that names no axes to mirror.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no axes to mirror; write one or more of x (sides), y (top and bottom) and z (order of slices)")]
pub struct FlipsError(String);

impl Flips {
    /// The seven ways to mirror something.
    pub const ALL: [Self; 7] = [
        Self { x: true, y: false, z: false },
        Self { x: false, y: true, z: false },
        Self { x: false, y: false, z: true },
        Self { x: true, y: true, z: false },
        Self { x: true, y: false, z: true },
        Self { x: false, y: true, z: true },
        Self { x: true, y: true, z: true },
    ];

    /// Where a voxel of a grid of these sizes comes to lie.
    pub fn voxel(self, voxel: [usize; 3], dims: [usize; 3]) -> [usize; 3] {
        let flips = [self.x, self.y, self.z];
        std::array::from_fn(|a| if flips[a] { dims[a] - 1 - voxel[a] } else { voxel[a] })
    }
}

impl fmt::Display for Flips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (on, axis) in [(self.x, "x"), (self.y, "y"), (self.z, "z")] {
            f.write_str(if on { axis } else { "" })?;
        }
        Ok(())
    }
}

impl FromStr for Flips {
    type Err = FlipsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut flips = Self::default();
        for axis in text.chars() {
            match axis {
                'x' | 'X' => flips.x = true,
                'y' | 'Y' => flips.y = true,
                'z' | 'Z' => flips.z = true,
                _ => return Err(FlipsError(text.into())),
            }
        }
        if flips == Self::default() { Err(FlipsError(text.into())) } else { Ok(flips) }
    }
}

impl LabelMap {
    /// The same labels mirrored within the grid.
    #[must_use]
    pub fn flipped(&self, flips: Flips) -> Self {
        let dims = self.geometry().dims();
        let mut out = Self::empty(*self.geometry());
        for index in 0..self.brick_count() as u32 {
            let Some(brick) = self.brick(index) else { continue };
            let area = self.brick_box(index);
            for k in area.min[2]..area.max[2] {
                for j in area.min[1]..area.max[1] {
                    for i in area.min[0]..area.max[0] {
                        let label = brick[Self::offset_in_brick([i, j, k])];
                        if label != 0 {
                            out.set(flips.voxel([i, j, k], dims), label);
                        }
                    }
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Geometry;
    use glam::DVec3;

    #[test]
    fn each_axis_is_mirrored_and_twice_is_the_same() {
        let grid = Geometry::axis_aligned([20, 3, 18], DVec3::ONE, DVec3::ZERO).unwrap();
        let mut map = LabelMap::empty(grid);
        map.set([1, 0, 2], 3);
        map.set([19, 2, 17], 1);
        for (text, to) in [("x", [18, 0, 2]), ("y", [1, 2, 2]), ("z", [1, 0, 15]), ("ZX", [18, 0, 15])] {
            let flips: Flips = text.parse().unwrap();
            assert_eq!(flips.voxel([1, 0, 2], grid.dims()), to);
            assert_eq!(map.flipped(flips).at(to.map(|v| v as i64)), 3, "{text}");
            assert_eq!(map.flipped(flips).flipped(flips), map);
        }
        assert_eq!(Flips::ALL.map(|f| f.to_string().parse::<Flips>().unwrap()), Flips::ALL);
        assert!("".parse::<Flips>().is_err() && "xw".parse::<Flips>().is_err());
    }
}
