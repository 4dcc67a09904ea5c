//! The voxel grid of a volume and its place in the patient.

use glam::{DAffine3, DMat3, DVec3};
use serde::{Deserialize, Serialize};

/// Why a grid was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GeometryError {
    /// One of the three sizes is zero or the product does not fit the address space.
    #[error("the grid has {0} x {1} x {2} voxels, which cannot be held")]
    Dims(usize, usize, usize),
    /// Spacing is zero, negative, infinite or not a number, or two axes are parallel.
    #[error("the voxel axes do not span a volume (spacing or direction is zero, parallel or not a number)")]
    Degenerate,
}

/// Voxel grid: sizes along i (columns), j (rows), k (slices) and the transform to world millimetres (LPS).
///
/// Invariant: sizes are positive, their product fits `usize`, and the transform is invertible and finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Geometry {
    dims: [usize; 3],
    world_from_voxel: DAffine3,
}

impl Geometry {
    /// Checks the invariants.
    ///
    /// # Errors
    /// [`GeometryError`] when sizes or transform do not describe a volume.
    pub fn new(dims: [usize; 3], world_from_voxel: DAffine3) -> Result<Self, GeometryError> {
        let [nx, ny, nz] = dims;
        let count = nx.checked_mul(ny).and_then(|n| n.checked_mul(nz));
        if !matches!(count, Some(n) if n > 0 && n <= isize::MAX as usize) {
            return Err(GeometryError::Dims(nx, ny, nz));
        }
        let m = world_from_voxel.matrix3;
        let scale = m.x_axis.length() * m.y_axis.length() * m.z_axis.length();
        let det = m.determinant();
        // A relative bound: 1e-6 of the box volume still means axes within 1e-6 rad of a common plane.
        if !det.is_finite()
            || !scale.is_finite()
            || scale <= 0.0
            || det.abs() < 1e-6 * scale
            || !world_from_voxel.translation.is_finite()
        {
            return Err(GeometryError::Degenerate);
        }
        Ok(Self { dims, world_from_voxel })
    }

    /// Axis-aligned grid: `origin` is the centre of voxel (0,0,0) in LPS mm, `spacing` in mm.
    ///
    /// # Errors
    /// As [`Geometry::new`].
    pub fn axis_aligned(dims: [usize; 3], spacing: DVec3, origin: DVec3) -> Result<Self, GeometryError> {
        if spacing.min_element() <= 0.0 {
            return Err(GeometryError::Degenerate);
        }
        Self::new(dims, DAffine3 { matrix3: DMat3::from_diagonal(spacing), translation: origin })
    }

    /// Sizes along i (columns), j (rows), k (slices).
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Number of voxels.
    pub fn voxel_count(&self) -> usize {
        self.dims[0] * self.dims[1] * self.dims[2]
    }

    /// LPS millimetres from voxel indices.
    pub fn world_from_voxel(&self) -> DAffine3 {
        self.world_from_voxel
    }

    /// Voxel indices from LPS millimetres.
    pub fn voxel_from_world(&self) -> DAffine3 {
        self.world_from_voxel.inverse()
    }

    /// Distance between voxel centres along i, j, k in mm.
    pub fn spacing(&self) -> DVec3 {
        let m = self.world_from_voxel.matrix3;
        DVec3::new(m.x_axis.length(), m.y_axis.length(), m.z_axis.length())
    }

    /// Unit direction of i, j, k in LPS, as columns.
    pub fn direction(&self) -> DMat3 {
        let m = self.world_from_voxel.matrix3;
        DMat3::from_cols(m.x_axis.normalize(), m.y_axis.normalize(), m.z_axis.normalize())
    }

    /// For each voxel axis, by how many degrees the two others, which span the slices across it, are away from a right
    /// angle: 0 on a straight grid, the tilt on one that a gantry's tilt has sheared.
    pub fn skew(&self) -> [f64; 3] {
        let d = self.direction();
        std::array::from_fn(|a| d.col((a + 1) % 3).dot(d.col((a + 2) % 3)).abs().min(1.0).asin().to_degrees())
    }

    /// Centre of voxel (0,0,0) in LPS mm.
    pub fn origin(&self) -> DVec3 {
        self.world_from_voxel.translation
    }

    /// Volume of one voxel in mm^3.
    pub fn voxel_volume(&self) -> f64 {
        self.world_from_voxel.matrix3.determinant().abs()
    }

    /// Linear index of voxel (i, j, k); i runs fastest.
    pub fn index(&self, voxel: [usize; 3]) -> usize {
        (voxel[2] * self.dims[1] + voxel[1]) * self.dims[0] + voxel[0]
    }

    /// Whether integer coordinates lie inside the grid.
    pub fn contains(&self, voxel: [i64; 3]) -> bool {
        (0..3).all(|a| voxel[a] >= 0 && (voxel[a] as u64) < self.dims[a] as u64)
    }

    /// Same sizes, and every corner of the grid lies within `tolerance_mm` of the other's corner.
    pub fn same_grid(&self, other: &Self, tolerance_mm: f64) -> bool {
        self.dims == other.dims
            && (0..8).all(|c| {
                let corner = DVec3::from_array(std::array::from_fn(|a| {
                    if c >> a & 1 == 1 { self.dims[a] as f64 - 1.0 } else { 0.0 }
                }));
                let d =
                    self.world_from_voxel.transform_point3(corner) - other.world_from_voxel.transform_point3(corner);
                d.length() <= tolerance_mm
            })
    }

    /// The two-letter-free patient direction (`R L A P H F`) that voxel axis `axis` points to most.
    ///
    /// DICOM PS3.3 C.7.6.1.1.1 (Patient Orientation): LPS axes grow towards Left, Posterior, Head.
    pub fn letter(&self, axis: usize, positive: bool) -> char {
        let d = self.direction().col(axis) * if positive { 1.0 } else { -1.0 };
        let a = d.abs();
        let (value, letters) = if a.x >= a.y && a.x >= a.z {
            (d.x, ['R', 'L'])
        } else if a.y >= a.z {
            (d.y, ['A', 'P'])
        } else {
            (d.z, ['F', 'H'])
        };
        letters[usize::from(value > 0.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_volume() {
        let one = DVec3::ONE;
        assert_eq!(Geometry::axis_aligned([0, 4, 4], one, one), Err(GeometryError::Dims(0, 4, 4)));
        assert!(Geometry::axis_aligned([usize::MAX, 4, 4], one, one).is_err());
        assert!(Geometry::axis_aligned([4, 4, 4], DVec3::new(1.0, 0.0, 1.0), one).is_err());
        assert!(Geometry::axis_aligned([4, 4, 4], DVec3::new(1.0, f64::NAN, 1.0), one).is_err());
        let flat = DAffine3::from_cols(DVec3::X, DVec3::X, DVec3::Z, DVec3::ZERO);
        assert_eq!(Geometry::new([4, 4, 4], flat), Err(GeometryError::Degenerate));
    }

    #[test]
    fn skew_is_the_angle_that_a_slice_lacks_to_a_square() {
        let turn = DMat3::from_rotation_y(0.4) * DMat3::from_rotation_x(-0.9);
        let spacing = DMat3::from_diagonal(DVec3::new(0.5, 0.7, 3.0));
        for degrees in [0.0f64, 0.4, 12.0, -20.0] {
            // Slices that are shifted along j by a tilt about i.
            let tilt = DMat3::from_cols(DVec3::X, DVec3::Y, DVec3::new(0.0, degrees.to_radians().tan(), 1.0));
            let axes = DAffine3 { matrix3: turn * tilt * spacing, translation: DVec3::ONE };
            let skew = Geometry::new([4, 5, 6], axes).unwrap().skew();
            assert!((skew[0] - degrees.abs()).abs() < 1e-6, "{skew:?}");
            assert!(skew[1] < 1e-6 && skew[2] < 1e-6, "{skew:?}");
        }
    }

    #[test]
    fn transforms_invert_and_letters_follow_lps() {
        let g = Geometry::axis_aligned([4, 5, 6], DVec3::new(0.5, 0.7, 3.0), DVec3::new(-10.0, 2.0, 100.0)).unwrap();
        let p = DVec3::new(1.0, 2.0, 3.0);
        let back = g.voxel_from_world().transform_point3(g.world_from_voxel().transform_point3(p));
        assert!((back - p).length() < 1e-12);
        assert_eq!((g.letter(0, true), g.letter(1, true), g.letter(2, true)), ('L', 'P', 'H'));
        assert_eq!((g.letter(0, false), g.letter(1, false), g.letter(2, false)), ('R', 'A', 'F'));
        assert!((g.voxel_volume() - 1.05).abs() < 1e-12);
    }
}
