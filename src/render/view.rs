//! Where a pane looks: slice, centre and zoom, and the way between screen pixels and voxels. Pure arithmetic.

use crate::core::{Geometry, Plane, PlaneAxes};
use glam::{DVec2, DVec3};

/// Zoom never goes below this part of the zoom that fits the whole slice.
const SMALLEST_ZOOM: f64 = 0.1;
/// Zoom never makes the finer voxel edge larger than this many screen pixels.
const LARGEST_VOXEL: f64 = 256.0;

/// Affine map from screen pixels of a pane to voxel positions: `origin + right * x + down * y`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoxelFromPane {
    /// Voxel position of the pane's left top corner.
    pub origin: DVec3,
    /// Step of one screen pixel to the right, in voxels.
    pub right: DVec3,
    /// Step of one screen pixel down, in voxels.
    pub down: DVec3,
    /// Voxel axis through the screen: 0, 1 or 2; `None` for an oblique plane.
    pub through: Option<usize>,
}

impl VoxelFromPane {
    /// Voxel position of a screen pixel.
    pub fn voxel(&self, pixel: DVec2) -> DVec3 {
        self.origin + self.right * pixel.x + self.down * pixel.y
    }
}

/// How a plane lies in the patient: unit vectors in LPS, at right angles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlaneFrame {
    /// To the right of the screen.
    pub right: DVec3,
    /// Down the screen.
    pub down: DVec3,
    /// LPS millimetres of the point that plane positions count from.
    pub origin: DVec3,
}

impl PlaneFrame {
    /// Through `point`, counted from where the middle of the volume falls onto the plane, so that moving the plane
    /// along its normal does not move the picture.
    pub fn through(geometry: &Geometry, right: DVec3, down: DVec3, point: DVec3) -> Self {
        let last = DVec3::from_array(geometry.dims().map(|n| (n - 1) as f64));
        let middle = geometry.world_from_voxel().transform_point3(last / 2.0);
        let normal = right.cross(down);
        Self { right, down, origin: middle + normal * normal.dot(point - middle) }
    }

    /// Away from the reader.
    pub fn normal(&self) -> DVec3 {
        self.right.cross(self.down)
    }

    /// Millimetres to the right and down of the origin.
    fn plane_from_world(&self, world: DVec3) -> DVec2 {
        DVec2::new(self.right.dot(world - self.origin), self.down.dot(world - self.origin))
    }
}

/// One pane's view of a volume. Voxels appear with their true proportions in millimetres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaneView {
    pub plane: Plane,
    /// Position along the axis through the screen, in voxels; the nearest slice is drawn.
    pub slice: f64,
    /// Plane position at the middle of the pane: in voxels (see [`PlaneAxes::voxel_from_plane`]), in mm when oblique.
    pub center: DVec2,
    /// The plane, when it is none of the grid's; `slice` then means nothing.
    pub oblique: Option<PlaneFrame>,
    /// Screen pixels per millimetre.
    pub zoom: f64,
    /// Pane size in physical pixels.
    pub size: DVec2,
}

impl PaneView {
    /// The middle slice of `plane`, as large as the pane takes it whole.
    pub fn fit(plane: Plane, geometry: &Geometry, size: DVec2) -> Self {
        let slices = PlaneAxes::of(geometry, plane).size(geometry)[2];
        let mut view =
            Self { plane, slice: ((slices - 1) / 2) as f64, center: DVec2::ZERO, zoom: 1.0, size, oblique: None };
        view.refit(geometry);
        view
    }

    /// Shows the whole slice, centred; keeps the slice.
    pub fn refit(&mut self, geometry: &Geometry) {
        self.center = self.middle(geometry);
        self.zoom = self.fitting_zoom(geometry);
    }

    /// Shows an oblique plane, or with `None` one of the grid's again; fits when that changes what positions mean.
    pub fn set_oblique(&mut self, geometry: &Geometry, frame: Option<PlaneFrame>) {
        let other = self.oblique.is_some() != frame.is_some();
        self.oblique = frame;
        if other {
            self.refit(geometry);
        }
    }

    fn middle(&self, geometry: &Geometry) -> DVec2 {
        if self.oblique.is_some() { DVec2::ZERO } else { (self.extent(geometry) - DVec2::ONE) / 2.0 }
    }

    /// Number of slices along the axis through the screen.
    pub fn slice_count(&self, geometry: &Geometry) -> usize {
        PlaneAxes::of(geometry, self.plane).size(geometry)[2]
    }

    /// The slice drawn: the one nearest to [`Self::slice`].
    pub fn slice_index(&self, geometry: &Geometry) -> usize {
        let last = self.slice_count(geometry) - 1;
        // A cast of NaN or a negative number gives 0.
        ((self.slice + 0.5).floor() as usize).min(last)
    }

    /// Goes to a slice, clamped to the volume.
    pub fn set_slice(&mut self, geometry: &Geometry, slice: f64) {
        let last = (self.slice_count(geometry) - 1) as f64;
        self.slice = if slice.is_finite() { slice.clamp(0.0, last) } else { self.slice };
    }

    /// Goes on by a number of slices along the voxel axis, clamped to the volume.
    pub fn scroll(&mut self, geometry: &Geometry, slices: f64) {
        self.set_slice(geometry, self.slice + slices);
    }

    /// Screen pixels per voxel to the right and down; per mm on an oblique plane.
    pub fn pixels_per_voxel(&self, geometry: &Geometry) -> DVec2 {
        self.units(geometry) * self.zoom
    }

    /// Millimetres of one unit of plane positions.
    fn units(&self, geometry: &Geometry) -> DVec2 {
        let [x, y] = PlaneAxes::of(geometry, self.plane).pixel_spacing(geometry);
        if self.oblique.is_some() { DVec2::ONE } else { DVec2::new(x, y) }
    }

    /// Plane position in voxels of a screen pixel.
    fn plane_from_screen(&self, geometry: &Geometry, pixel: DVec2) -> DVec2 {
        self.center + (pixel - self.size / 2.0) / self.pixels_per_voxel(geometry)
    }

    /// Voxel position of a screen pixel; along the axis through the screen it is [`Self::slice`].
    pub fn voxel_from_screen(&self, geometry: &Geometry, pixel: DVec2) -> DVec3 {
        let p = self.plane_from_screen(geometry, pixel);
        if let Some(frame) = &self.oblique {
            let world = frame.origin + frame.right * p.x + frame.down * p.y;
            return geometry.voxel_from_world().transform_point3(world);
        }
        PlaneAxes::of(geometry, self.plane).voxel_from_plane(geometry, p.x, p.y, self.slice).into()
    }

    /// Screen pixel onto which a voxel position falls, looking along the axis through the screen.
    pub fn screen_from_voxel(&self, geometry: &Geometry, voxel: DVec3) -> DVec2 {
        (self.plane_from_voxel(geometry, voxel) - self.center) * self.pixels_per_voxel(geometry) + self.size / 2.0
    }

    fn plane_from_voxel(&self, geometry: &Geometry, voxel: DVec3) -> DVec2 {
        if let Some(frame) = &self.oblique {
            return frame.plane_from_world(geometry.world_from_voxel().transform_point3(voxel));
        }
        let [x, y, _] = PlaneAxes::of(geometry, self.plane).plane_from_voxel(geometry, voxel.to_array());
        DVec2::new(x, y)
    }

    /// Distance of a voxel position from the shown plane: in mm when oblique, else in slices.
    pub fn depth_of(&self, geometry: &Geometry, voxel: DVec3) -> f64 {
        match &self.oblique {
            Some(frame) => frame.normal().dot(geometry.world_from_voxel().transform_point3(voxel) - frame.origin),
            None => voxel[PlaneAxes::of(geometry, self.plane).through] - self.slice_index(geometry) as f64,
        }
    }

    /// One millimetre through the screen, away from the reader, in voxels; the steps of a slab follow it.
    pub fn depth_step(&self, geometry: &Geometry) -> DVec3 {
        match &self.oblique {
            Some(frame) => geometry.voxel_from_world().transform_vector3(frame.normal()),
            None => {
                let axis = PlaneAxes::of(geometry, self.plane).through;
                let mut step = DVec3::ZERO;
                step[axis] = 1.0 / geometry.spacing()[axis];
                step
            }
        }
    }

    /// The whole map from screen to voxels, for the shader and for tools that take many steps.
    pub fn voxel_from_pane(&self, geometry: &Geometry) -> VoxelFromPane {
        let origin = self.voxel_from_screen(geometry, DVec2::ZERO);
        VoxelFromPane {
            origin,
            right: self.voxel_from_screen(geometry, DVec2::X) - origin,
            down: self.voxel_from_screen(geometry, DVec2::Y) - origin,
            through: self.oblique.is_none().then(|| PlaneAxes::of(geometry, self.plane).through),
        }
    }

    /// Moves the picture by screen pixels, as if grabbed. Its middle cannot be pushed beyond the slice's edge.
    pub fn pan(&mut self, geometry: &Geometry, pixels: DVec2) {
        let wanted = self.center - pixels / self.pixels_per_voxel(geometry);
        // A middle that is already outside (after zooming at a pointer there) may stay, so nothing jumps.
        let low = (self.middle(geometry) - self.extent(geometry) / 2.0).min(self.center);
        let high = (self.middle(geometry) + self.extent(geometry) / 2.0).max(self.center);
        self.center = wanted.clamp(low, high);
    }

    /// Multiplies the zoom by `factor` and keeps the voxel under screen pixel `pointer` where it is.
    pub fn zoom_at(&mut self, geometry: &Geometry, pointer: DVec2, factor: f64) {
        if !(factor.is_finite() && factor > 0.0) {
            return;
        }
        let held = self.plane_from_screen(geometry, pointer);
        let voxel = PlaneAxes::of(geometry, self.plane).pixel_spacing(geometry);
        let smallest = self.fitting_zoom(geometry) * SMALLEST_ZOOM;
        self.zoom = (self.zoom * factor).clamp(smallest, (LARGEST_VOXEL / voxel[0].min(voxel[1])).max(smallest));
        self.center = held - (pointer - self.size / 2.0) / self.pixels_per_voxel(geometry);
    }

    /// Takes a new pane size. A whole slice stays a whole slice, as large as it can be; else the pane keeps showing
    /// the same part of the body.
    pub fn resize(&mut self, geometry: &Geometry, size: DVec2) {
        let (old, zoom) = (self.size, self.zoom);
        let (center, fitting) = (self.middle(geometry), self.fitting_zoom(geometry));
        let fitted = (zoom - fitting).abs() <= 1e-6 * fitting && (self.center - center).abs().max_element() < 1e-6;
        self.size = size;
        let factor = (size / old).min_element();
        if fitted {
            self.refit(geometry);
        } else if factor.is_finite() && factor > 0.0 {
            self.zoom_at(geometry, size / 2.0, factor);
        }
    }

    /// Brings a voxel to the middle of the pane and its slice to the front.
    pub fn look_at(&mut self, geometry: &Geometry, voxel: DVec3) {
        let axes = PlaneAxes::of(geometry, self.plane);
        let [.., slice] = axes.plane_from_voxel(geometry, voxel.to_array());
        self.center = self.plane_from_voxel(geometry, voxel);
        self.set_slice(geometry, slice);
    }

    /// Voxels of the slice to the right and down; of an oblique plane the mm that the whole volume takes on it.
    fn extent(&self, geometry: &Geometry) -> DVec2 {
        if let Some(frame) = &self.oblique {
            let edges = geometry.world_from_voxel().matrix3;
            let sides = geometry.dims().map(|n| n as f64);
            let along = |axis: DVec3| (0..3).map(|a| (edges.col(a).dot(axis) * sides[a]).abs()).sum();
            return DVec2::new(along(frame.right), along(frame.down));
        }
        let [x, y, _] = PlaneAxes::of(geometry, self.plane).size(geometry);
        DVec2::new(x as f64, y as f64)
    }

    fn fitting_zoom(&self, geometry: &Geometry) -> f64 {
        let mm = self.extent(geometry) * self.units(geometry);
        // A pane folded to nothing still gets a zoom one can divide by.
        (self.size.max(DVec2::ONE) / mm).min_element()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{DAffine3, DMat3};
    use proptest::prelude::*;

    /// Anisotropic, permuted and flipped: k runs to the right, i to anterior, j to the feet.
    fn odd_grid() -> Geometry {
        let m = DMat3::from_cols(DVec3::new(0.0, -0.7, 0.0), DVec3::new(0.0, 0.0, -2.5), DVec3::new(-1.3, 0.0, 0.0));
        Geometry::new([40, 30, 20], DAffine3 { matrix3: m, translation: DVec3::new(5.0, -3.0, 9.0) }).unwrap()
    }

    fn plain_grid() -> Geometry {
        Geometry::axis_aligned([64, 48, 12], DVec3::new(0.5, 0.8, 3.0), DVec3::ZERO).unwrap()
    }

    proptest! {
        #[test]
        fn screen_and_voxel_invert(
            plane in prop::sample::select(Plane::ALL.to_vec()), odd in any::<bool>(),
            x in -50.0..900.0f64, y in -50.0..700.0f64, zoom in 0.2..40.0f64,
            cx in 0.0..30.0f64, cy in 0.0..20.0f64, slice in 0.0..11.0f64,
        ) {
            let g = if odd { odd_grid() } else { plain_grid() };
            let size = DVec2::new(800.0, 600.0);
            let view = PaneView { plane, slice, center: DVec2::new(cx, cy), zoom, size, oblique: None };
            let pixel = DVec2::new(x, y);
            let voxel = view.voxel_from_screen(&g, pixel);
            prop_assert!((view.screen_from_voxel(&g, voxel) - pixel).length() < 1e-9);
            prop_assert!((view.voxel_from_pane(&g).voxel(pixel) - voxel).length() < 1e-9);
            prop_assert_eq!(voxel[view.voxel_from_pane(&g).through.unwrap()], slice);
        }

        #[test]
        fn zooming_holds_the_voxel_under_the_pointer(
            plane in prop::sample::select(Plane::ALL.to_vec()), odd in any::<bool>(),
            x in 0.0..800.0f64, y in 0.0..600.0f64, factors in prop::collection::vec(0.01..100.0f64, 1..6),
        ) {
            let g = if odd { odd_grid() } else { plain_grid() };
            let mut view = PaneView::fit(plane, &g, DVec2::new(800.0, 600.0));
            let pointer = DVec2::new(x, y);
            let before = view.voxel_from_screen(&g, pointer);
            for factor in factors {
                view.zoom_at(&g, pointer, factor);
                prop_assert!((view.voxel_from_screen(&g, pointer) - before).length() < 1e-6);
                prop_assert!(view.pixels_per_voxel(&g).min_element() <= LARGEST_VOXEL * (1.0 + 1e-9));
            }
        }
    }

    #[test]
    fn an_oblique_plane_holds_its_point_and_keeps_millimetres() {
        for g in [plain_grid(), odd_grid()] {
            let turn = glam::DQuat::from_euler(glam::EulerRot::XYZ, 0.4, -0.3, 0.9);
            let (right, down) = (turn * DVec3::X, turn * DVec3::Y);
            let voxel = DVec3::new(9.0, 11.0, 4.0);
            let point = g.world_from_voxel().transform_point3(voxel);
            let mut view = PaneView::fit(Plane::Coronal, &g, DVec2::new(400.0, 300.0));
            view.set_oblique(&g, Some(PlaneFrame::through(&g, right, down, point)));
            assert!(view.depth_of(&g, voxel).abs() < 1e-9, "the point lies on the plane");
            let pixel = view.screen_from_voxel(&g, voxel);
            assert!((view.voxel_from_screen(&g, pixel) - voxel).length() < 1e-9);
            assert!((view.voxel_from_pane(&g).voxel(pixel) - voxel).length() < 1e-9);
            assert_eq!(view.voxel_from_pane(&g).through, None);
            let at = |p: DVec2| g.world_from_voxel().transform_point3(view.voxel_from_screen(&g, p));
            let step = at(pixel + DVec2::new(0.0, 10.0)) - at(pixel);
            assert!((step - down * (10.0 / view.zoom)).length() < 1e-9);
            // A step through the screen is a millimetre along the normal, and does not move the picture.
            let ahead = voxel + view.depth_step(&g) * 2.0;
            assert!((view.depth_of(&g, ahead) - 2.0).abs() < 1e-9);
            assert!((view.screen_from_voxel(&g, ahead) - pixel).length() < 1e-9);
            let mut moved = view;
            let there = g.world_from_voxel().transform_point3(ahead);
            moved.set_oblique(&g, Some(PlaneFrame::through(&g, right, down, there)));
            assert!((moved.screen_from_voxel(&g, ahead) - pixel).length() < 1e-9);
            // Fitted, no corner of the volume lies outside.
            for n in 0..8 {
                let d = g.dims();
                let corner =
                    DVec3::from_array(std::array::from_fn(|a| if n >> a & 1 == 1 { d[a] as f64 - 0.5 } else { -0.5 }));
                let p = view.screen_from_voxel(&g, corner);
                assert!(p.min_element() > -1e-6 && (view.size - p).min_element() > -1e-6, "{p}");
            }
            view.set_oblique(&g, None);
            assert_eq!(view, PaneView::fit(Plane::Coronal, &g, DVec2::new(400.0, 300.0)));
        }
    }

    #[test]
    fn millimetres_are_square_on_screen() {
        for g in [plain_grid(), odd_grid()] {
            for plane in Plane::ALL {
                let view = PaneView::fit(plane, &g, DVec2::new(500.0, 300.0));
                let at = |p: DVec2| g.world_from_voxel().transform_point3(view.voxel_from_screen(&g, p));
                let o = at(DVec2::ZERO);
                let right = (at(DVec2::new(10.0, 0.0)) - o).length();
                let down = (at(DVec2::new(0.0, 10.0)) - o).length();
                assert!((right - down).abs() < 1e-9, "{plane:?}: {right} mm against {down} mm");
                assert!((right - 10.0 / view.zoom).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn fit_shows_every_voxel_whole_and_touches_the_pane() {
        for g in [plain_grid(), odd_grid()] {
            for plane in Plane::ALL {
                let size = DVec2::new(640.0, 360.0);
                let view = PaneView::fit(plane, &g, size);
                let n = view.extent(&g);
                let axes = PlaneAxes::of(&g, plane);
                let corner = |x: f64, y: f64| view.screen_from_voxel(&g, axes.voxel_from_plane(&g, x, y, 0.0).into());
                let (low, high) = (corner(-0.5, -0.5), corner(n.x - 0.5, n.y - 0.5));
                assert!(low.min_element() > -1e-9 && (size - high).min_element() > -1e-9, "{low} {high}");
                assert!(low.min_element() < 1e-9, "the slice leaves room on all sides: {low}");
                assert!(((low + high) / 2.0 - size / 2.0).length() < 1e-9);
            }
        }
    }

    #[test]
    fn a_pane_of_another_size_shows_the_same() {
        let g = plain_grid();
        let (small, large) = (DVec2::new(300.0, 200.0), DVec2::new(900.0, 500.0));
        let mut view = PaneView::fit(Plane::Axial, &g, small);
        view.resize(&g, large);
        assert_eq!(view, PaneView::fit(Plane::Axial, &g, large), "a whole slice uses all the room");
        view.zoom_at(&g, DVec2::new(100.0, 80.0), 2.0);
        let (center, zoom) = (view.center, view.zoom);
        view.resize(&g, large / 2.0);
        assert!((view.center - center).length() < 1e-9 && (view.zoom - zoom / 2.0).abs() < 1e-9);
        view.resize(&g, DVec2::ZERO);
        view.resize(&g, large);
        assert!(view.zoom.is_finite() && view.center.is_finite());
    }

    #[test]
    fn slices_stay_in_the_volume() {
        let g = plain_grid();
        let mut view = PaneView::fit(Plane::Axial, &g, DVec2::new(100.0, 100.0));
        assert_eq!((view.slice_count(&g), view.slice_index(&g)), (12, 5));
        view.scroll(&g, 100.0);
        assert_eq!(view.slice_index(&g), 11);
        view.scroll(&g, -1.5);
        assert_eq!(view.slice_index(&g), 10);
        view.scroll(&g, f64::NAN);
        assert_eq!(view.slice, 9.5);
        view.set_slice(&g, -3.0);
        assert_eq!(view.slice_index(&g), 0);
    }

    #[test]
    fn panning_follows_the_hand_until_the_edge() {
        let g = plain_grid();
        let mut view = PaneView::fit(Plane::Coronal, &g, DVec2::new(300.0, 300.0));
        let voxel = view.voxel_from_screen(&g, DVec2::new(100.0, 120.0));
        view.pan(&g, DVec2::new(7.0, -4.0));
        assert!((view.screen_from_voxel(&g, voxel) - DVec2::new(107.0, 116.0)).length() < 1e-9);
        view.pan(&g, DVec2::new(1e6, 1e6));
        assert_eq!(view.center, DVec2::splat(-0.5));
    }

    #[test]
    fn look_at_centres_and_a_folded_pane_is_harmless() {
        let g = odd_grid();
        for plane in Plane::ALL {
            let mut view = PaneView::fit(plane, &g, DVec2::new(300.0, 200.0));
            view.look_at(&g, DVec3::new(3.0, 4.0, 5.0));
            assert!((view.voxel_from_screen(&g, view.size / 2.0) - DVec3::new(3.0, 4.0, 5.0)).length() < 1e-9);
            let mut folded = PaneView::fit(plane, &g, DVec2::ZERO);
            folded.zoom_at(&g, DVec2::ZERO, 2.0);
            folded.pan(&g, DVec2::ONE);
            assert!(folded.zoom > 0.0 && folded.zoom.is_finite() && folded.center.is_finite());
        }
    }
}
