//! Which voxel of a volume a mask's pixel is, by the mask's own plane position. Private to `io::dicom`.

use super::header::FramePlace;
use super::lattice::Lattice;
use crate::core::Geometry;
use glam::DVec3;

/// Furthest that a pixel may lie from the centre of a voxel, in voxels, and still be that voxel.
const OFF_GRID: f64 = 0.25;

/// Whole-voxel steps of a frame's pixels through a volume: any flip or exchange of axes, but no resampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PixelGrid {
    origin: [i64; 3],
    column: [i64; 3],
    row: [i64; 3],
}

impl PixelGrid {
    /// The frame lies on slice `k`, pixel for pixel.
    pub fn of_slice(k: usize) -> Self {
        Self { origin: [0, 0, k as i64], column: [1, 0, 0], row: [0, 1, 0] }
    }

    /// From the place of a frame of `[columns, rows]` pixels; `None` when its place is unknown or any corner lies
    /// further than a quarter of a voxel from a voxel centre.
    pub fn of_frame<L: Lattice + ?Sized>(
        place: &FramePlace,
        [columns, rows]: [usize; 2],
        reference: &L,
    ) -> Option<Self> {
        let (position, [row, column], spacing) = (place.position?, place.orientation?, place.spacing?);
        let index = reference.index_map();
        let exact = |i: f64, j: f64| index(position + row * (spacing.x * i) + column * (spacing.y * j));
        let origin = exact(0.0, 0.0).round();
        let [column, row] = [exact(1.0, 0.0), exact(0.0, 1.0)].map(|next| (next - exact(0.0, 0.0)).round());
        let unit = |v: DVec3| v.abs().element_sum() == 1.0;
        if !unit(column) || !unit(row) || column.dot(row) != 0.0 || origin.abs().max_element() > 1e9 {
            return None;
        }
        let (last_i, last_j) = (columns.saturating_sub(1) as f64, rows.saturating_sub(1) as f64);
        let drift = |i: f64, j: f64| (exact(i, j) - (origin + column * i + row * j)).abs().max_element();
        let corners = [(0.0, 0.0), (last_i, 0.0), (0.0, last_j), (last_i, last_j)];
        // A lattice may bend between the corners of a frame that runs across its slices.
        let middles = (0..=rows.max(columns)).flat_map(|n| [(n as f64, 0.0), (0.0, n as f64)]);
        let inside = middles.filter(|&(i, j)| i <= last_i && j <= last_j);
        if corners.into_iter().chain(inside).any(|(i, j)| drift(i, j) > OFF_GRID) {
            return None;
        }
        let [origin, column, row] = [origin, column, row].map(|v| v.to_array().map(|c| c as i64));
        Some(Self { origin, column, row })
    }

    /// Whether a frame lies wholly beyond one face of the volume, on the grid or not.
    pub fn misses<L: Lattice + ?Sized>(place: &FramePlace, [columns, rows]: [usize; 2], reference: &L) -> bool {
        let (Some(position), Some([row, column]), Some(spacing)) = (place.position, place.orientation, place.spacing)
        else {
            return false;
        };
        let index = reference.index_map();
        let (across, down) = (row * spacing.x * (columns as f64 - 1.0), column * spacing.y * (rows as f64 - 1.0));
        let corners = [position, position + across, position + down, position + across + down].map(index);
        reference.index_grid().dims().iter().enumerate().any(|(axis, &size)| {
            corners.iter().all(|c| c[axis] < -0.5) || corners.iter().all(|c| c[axis] > size as f64 - 0.5)
        })
    }

    /// Why a frame has no whole-voxel place in the volume, as the end of a sentence.
    pub fn misfit<L: Lattice + ?Sized>(place: &FramePlace, reference: &L) -> String {
        let reference = reference.index_grid();
        let (Some([row, column]), Some(spacing)) = (place.orientation, place.spacing) else {
            return "it does not say where its pixels lie".into();
        };
        let directions = reference.direction();
        let nearest = |d: DVec3| {
            let along = (0..3).map(|a| (a, d.dot(directions.col(a)).abs()));
            along.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 1.0))
        };
        let ((a, cos_a), (b, cos_b)) = (nearest(row), nearest(column));
        let degrees = cos_a.min(cos_b).min(1.0).acos().to_degrees();
        let voxels = reference.spacing();
        let (here, there) = ([spacing.x, spacing.y], [voxels[a], voxels[b]]);
        if degrees > 0.5 {
            format!("its planes are turned by {degrees:.1} degrees against this series")
        } else if here.iter().zip(there).any(|(h, t)| (h - t).abs() > 1e-3 * t) {
            let [[h0, h1], [t0, t1]] = [here, there];
            format!("its pixels are {h0:.3} x {h1:.3} mm where those of this series are {t0:.3} x {t1:.3} mm")
        } else {
            "its pixels lie between the voxels of this series".into()
        }
    }

    /// The voxel of pixel (column `i`, row `j`), or `None` outside the volume.
    pub fn voxel(&self, i: usize, j: usize, reference: &Geometry) -> Option<[usize; 3]> {
        let voxel = std::array::from_fn(|a| self.origin[a] + self.column[a] * i as i64 + self.row[a] * j as i64);
        reference.contains(voxel).then(|| voxel.map(|v| v as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::DVec2;

    fn place(position: DVec3, row: DVec3, column: DVec3) -> FramePlace {
        FramePlace {
            frame: 0,
            position: Some(position),
            orientation: Some([row, column]),
            spacing: Some(DVec2::new(0.5, 2.0)),
            thickness: None,
            rescale_slope: 1.0,
            rescale_intercept: 0.0,
            has_rescale: true,
            image_type: Vec::new(),
            stack_id: String::new(),
            phase: [0; 2],
        }
    }

    #[test]
    fn flips_and_other_planes_are_followed_and_shifts_are_not() {
        let g = Geometry::axis_aligned([8, 8, 8], DVec3::new(0.5, 0.5, 2.0), DVec3::new(-1.0, 3.0, 7.0)).unwrap();
        let sagittal = place(g.world_from_voxel().transform_point3(DVec3::new(3.0, 7.0, 1.0)), -DVec3::Y, DVec3::Z);
        let grid = PixelGrid::of_frame(&sagittal, [8, 4], &g).unwrap();
        assert_eq!(grid.voxel(2, 3, &g), Some([3, 5, 4]));
        assert_eq!(grid.voxel(8, 0, &g), None);
        assert!(!PixelGrid::misses(&sagittal, [8, 4], &g));
        let beyond = place(sagittal.position.unwrap() + DVec3::new(9.1, 0.0, 0.0), -DVec3::Y, DVec3::Z);
        assert!(PixelGrid::misses(&beyond, [8, 4], &g));
        let shifted = place(sagittal.position.unwrap() + DVec3::new(0.2, 0.0, 0.0), -DVec3::Y, DVec3::Z);
        assert_eq!(PixelGrid::of_frame(&shifted, [8, 4], &g), None);
        let tilted = place(sagittal.position.unwrap(), DVec3::new(0.0, -0.97, 0.25).normalize(), DVec3::Z);
        assert_eq!(PixelGrid::of_frame(&tilted, [8, 4], &g), None);
        assert!(
            PixelGrid::misfit(&tilted, &g).contains("turned by 14.5 degrees"),
            "{}",
            PixelGrid::misfit(&tilted, &g)
        );
        assert!(PixelGrid::misfit(&shifted, &g).contains("between the voxels"));
        let coarse = FramePlace { spacing: Some(DVec2::new(1.0, 2.0)), ..sagittal };
        assert!(PixelGrid::misfit(&coarse, &g).starts_with("its pixels are 1.000 x 2.000 mm"));
    }
}
