//! Axial, coronal and sagittal planes of a grid, laid out as a radiologist expects them.

use super::Geometry;
use glam::{DQuat, DVec3};
use serde::{Deserialize, Serialize};

/// One of the three orthogonal reading planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Plane {
    Axial,
    Coronal,
    Sagittal,
}

impl Plane {
    /// All planes in the order of the panes.
    pub const ALL: [Self; 3] = [Self::Axial, Self::Coronal, Self::Sagittal];

    /// Name for titles and screen readers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Axial => "Axial",
            Self::Coronal => "Coronal",
            Self::Sagittal => "Sagittal",
        }
    }
}

/// Which voxel axis runs to the right of the screen, down the screen and through it.
///
/// `right_flip`/`down_flip`: the axis grows to the left / upwards instead. The picture follows radiological
/// custom: patient's right at the left of the screen, head or anterior at the top, anterior at the left of a
/// sagittal view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaneAxes {
    pub right: usize,
    pub right_flip: bool,
    pub down: usize,
    pub down_flip: bool,
    pub through: usize,
}

impl PlaneAxes {
    /// Assigns each voxel axis to the patient axis (LPS) it is closest to, without using one twice.
    pub fn of(geometry: &Geometry, plane: Plane) -> Self {
        let axis_of_world = closest_axes(geometry);
        let (world_right, want_right, world_down, want_down) = match plane {
            // L grows to the screen's right; P grows downwards.
            Plane::Axial => (0, 1.0, 1, 1.0),
            // L to the right; head at the top, so the foot direction runs down.
            Plane::Coronal => (0, 1.0, 2, -1.0),
            // Anterior at the left, so P to the right; head at the top.
            Plane::Sagittal => (1, 1.0, 2, -1.0),
        };
        let right = axis_of_world[world_right];
        let down = axis_of_world[world_down];
        let direction = geometry.direction();
        Self {
            right,
            right_flip: direction.col(right)[world_right] * want_right < 0.0,
            down,
            down_flip: direction.col(down)[world_down] * want_down < 0.0,
            through: 3 - right - down,
        }
    }

    /// Width, height and number of slices of the plane in voxels.
    pub fn size(&self, geometry: &Geometry) -> [usize; 3] {
        let d = geometry.dims();
        [d[self.right], d[self.down], d[self.through]]
    }

    /// Pixel spacing to the right and down in mm.
    pub fn pixel_spacing(&self, geometry: &Geometry) -> [f64; 2] {
        let s = geometry.spacing();
        [s[self.right], s[self.down]]
    }

    /// Voxel position (continuous) of plane position `(x, y)` in voxels from the left top, on slice `slice`.
    ///
    /// `x = 0` is the centre of the leftmost column.
    pub fn voxel_from_plane(&self, geometry: &Geometry, x: f64, y: f64, slice: f64) -> [f64; 3] {
        let d = geometry.dims();
        let mut v = [0.0; 3];
        v[self.right] = if self.right_flip { d[self.right] as f64 - 1.0 - x } else { x };
        v[self.down] = if self.down_flip { d[self.down] as f64 - 1.0 - y } else { y };
        v[self.through] = slice;
        v
    }

    /// Inverse of [`Self::voxel_from_plane`]: `(x, y, slice)`.
    pub fn plane_from_voxel(&self, geometry: &Geometry, voxel: [f64; 3]) -> [f64; 3] {
        let d = geometry.dims();
        let flip = |axis: usize, on: bool| if on { d[axis] as f64 - 1.0 - voxel[axis] } else { voxel[axis] };
        [flip(self.right, self.right_flip), flip(self.down, self.down_flip), voxel[self.through]]
    }

    /// Orientation letters at left, right, top and bottom of the picture.
    pub fn letters(&self, geometry: &Geometry) -> [char; 4] {
        [
            geometry.letter(self.right, self.right_flip),
            geometry.letter(self.right, !self.right_flip),
            geometry.letter(self.down, self.down_flip),
            geometry.letter(self.down, !self.down_flip),
        ]
    }
}

/// How samples between voxel centres are found. Through a plane of the grid it is always the nearest slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Interpolation {
    /// The nearest voxel: every voxel is a visible rectangle.
    Nearest,
    /// Bilinear in the plane, in Hounsfield units before the window is applied.
    #[default]
    Linear,
    /// The interpolating cubic of Keys (1981), in Hounsfield units; may overshoot at edges.
    Cubic,
}

impl Interpolation {
    /// In the order in which a key goes through them.
    pub const ALL: [Self; 3] = [Self::Nearest, Self::Linear, Self::Cubic];

    /// Name for lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nearest => "Voxels",
            Self::Linear => "Linear",
            Self::Cubic => "Cubic",
        }
    }

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Nearest => Self::Linear,
            Self::Linear => Self::Cubic,
            Self::Cubic => Self::Nearest,
        }
    }
}

/// How the samples of a thick slice become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SlabMode {
    #[default]
    Mean,
    Maximum,
    Minimum,
}

impl SlabMode {
    /// In the order of the list.
    pub const ALL: [Self; 3] = [Self::Mean, Self::Maximum, Self::Minimum];

    /// Name for lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "Mean",
            Self::Maximum => "Maximum",
            Self::Minimum => "Minimum",
        }
    }
}

/// How a plane lies in the patient: unit vectors in LPS to the right and down, at right angles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlaneDirections {
    pub right: DVec3,
    pub down: DVec3,
}

impl PlaneDirections {
    /// Those of a plane of the grid; axes that are not quite at right angles are made so.
    pub fn straight(geometry: &Geometry, plane: Plane) -> Self {
        let axes = PlaneAxes::of(geometry, plane);
        let direction = geometry.direction();
        let sign = |flip: bool| if flip { -1.0 } else { 1.0 };
        let right = direction.col(axes.right) * sign(axes.right_flip);
        let down = direction.col(axes.down) * sign(axes.down_flip);
        Self { right, down: (down - right * down.dot(right)).normalize() }
    }

    /// Away from the reader.
    pub fn normal(&self) -> DVec3 {
        self.right.cross(self.down)
    }

    /// Turned about an axis through the origin.
    #[must_use]
    pub fn turned(&self, by: DQuat) -> Self {
        let right = (by * self.right).normalize();
        let down = by * self.down;
        // Many small turns must not bend the right angle.
        Self { right, down: (down - right * down.dot(right)).normalize() }
    }
}

/// A turned plane and where it lies, for what is drawn on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TurnedPlane {
    pub directions: PlaneDirections,
    /// Along the normal from the origin of the patient's coordinates, in mm.
    pub depth: f64,
}

impl TurnedPlane {
    /// The one through a place in the patient (LPS, mm).
    pub fn through(directions: PlaneDirections, world: DVec3) -> Self {
        Self { directions, depth: directions.normal().dot(world) }
    }

    /// Whether it is the same plane, but for rounding.
    pub fn is_same(&self, other: &Self) -> bool {
        let (a, b) = (self.directions, other.directions);
        let near = |a: DVec3, b: DVec3| (a - b).abs().max_element() < 1e-9;
        near(a.right, b.right) && near(a.down, b.down) && (self.depth - other.depth).abs() < 1e-6
    }
}

/// For each world axis (L, P, H) the voxel axis closest to it; a permutation.
fn closest_axes(geometry: &Geometry) -> [usize; 3] {
    const PERMUTATIONS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let m = geometry.direction();
    let score = |p: &[usize; 3]| (0..3).map(|w| m.col(p[w])[w].abs()).sum::<f64>();
    PERMUTATIONS.into_iter().max_by(|a, b| score(a).total_cmp(&score(b))).unwrap_or([0, 1, 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{DAffine3, DMat3, DVec3};

    #[test]
    fn standard_axial_series() {
        let g = Geometry::axis_aligned([4, 5, 6], DVec3::ONE, DVec3::ZERO).unwrap();
        let a = PlaneAxes::of(&g, Plane::Axial);
        assert_eq!((a.right, a.right_flip, a.down, a.down_flip, a.through), (0, false, 1, false, 2));
        assert_eq!(a.letters(&g), ['R', 'L', 'A', 'P']);
        let c = PlaneAxes::of(&g, Plane::Coronal);
        assert_eq!((c.right, c.down, c.down_flip, c.through), (0, 2, true, 1));
        assert_eq!(c.letters(&g), ['R', 'L', 'H', 'F']);
        assert_eq!(PlaneAxes::of(&g, Plane::Sagittal).letters(&g), ['A', 'P', 'H', 'F']);
    }

    #[test]
    fn ras_and_sagittal_grids_look_the_same_to_the_reader() {
        // RAS storage: x towards right, y towards anterior; plus an axis permutation.
        let m = DMat3::from_cols(DVec3::new(0.0, -2.0, 0.0), DVec3::new(0.0, 0.0, 3.0), DVec3::new(-1.0, 0.0, 0.0));
        let g = Geometry::new([7, 8, 9], DAffine3 { matrix3: m, translation: DVec3::ZERO }).unwrap();
        for plane in Plane::ALL {
            let axes = PlaneAxes::of(&g, plane);
            let letters = axes.letters(&g);
            let want = match plane {
                Plane::Axial => ['R', 'L', 'A', 'P'],
                Plane::Coronal => ['R', 'L', 'H', 'F'],
                Plane::Sagittal => ['A', 'P', 'H', 'F'],
            };
            assert_eq!(letters, want, "{plane:?}");
            let v = axes.voxel_from_plane(&g, 1.5, 2.0, 3.0);
            assert_eq!(axes.plane_from_voxel(&g, v), [1.5, 2.0, 3.0]);
        }
    }
}
