//! Where the 3-D view looks from. Pure arithmetic.

use crate::core::Geometry;
use glam::{DMat3, DQuat, DVec2, DVec3};

/// The part of the pane that the whole volume fills at first.
const FILLED: f64 = 0.9;
/// Zoom stays within these factors of the zoom that fits.
const ZOOMS: [f64; 2] = [0.1, 60.0];

/// The six directions that a reader asks for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewFrom {
    Front,
    Back,
    Left,
    Right,
    Head,
    Feet,
}

impl ViewFrom {
    /// In the order of their buttons.
    pub const ALL: [Self; 6] = [Self::Front, Self::Back, Self::Left, Self::Right, Self::Head, Self::Feet];

    /// For buttons and screen readers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Front => "From the front",
            Self::Back => "From the back",
            Self::Left => "From the left",
            Self::Right => "From the right",
            Self::Head => "From the head",
            Self::Feet => "From the feet",
        }
    }

    /// The patient's side that is seen.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Front => "A",
            Self::Back => "P",
            Self::Left => "L",
            Self::Right => "R",
            Self::Head => "H",
            Self::Feet => "F",
        }
    }

    /// Right, down and away from the eye, in LPS.
    fn axes(self) -> [DVec3; 3] {
        let (l, p, h) = (DVec3::X, DVec3::Y, DVec3::Z);
        match self {
            Self::Front => [l, -h, p],
            Self::Back => [-l, -h, -p],
            Self::Left => [p, -h, -l],
            Self::Right => [-p, -h, l],
            // As an axial slice is read from the feet; from the head the patient's right is at the right.
            Self::Feet => [l, p, h],
            Self::Head => [-l, p, -h],
        }
    }
}

/// A parallel projection of the patient, turned about a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// From LPS to the screen's axes: right, down, away from the eye.
    pub screen_from_world: DQuat,
    /// LPS millimetres at the middle of the pane; turning goes about it.
    pub center: DVec3,
    /// Screen pixels per millimetre.
    pub zoom: f64,
    /// Pane size in physical pixels.
    pub size: DVec2,
}

impl Camera {
    /// From the front, the whole volume in view.
    pub fn fit(geometry: &Geometry, size: DVec2) -> Self {
        let mut camera =
            Self { screen_from_world: DQuat::IDENTITY, center: middle(geometry), zoom: fitting(geometry, size), size };
        camera.look(ViewFrom::Front);
        camera
    }

    /// Brings the whole volume into view; the direction stays.
    pub fn refit(&mut self, geometry: &Geometry) {
        self.center = middle(geometry);
        self.zoom = fitting(geometry, self.size);
    }

    /// Looks from one of the six sides.
    pub fn look(&mut self, from: ViewFrom) {
        let [right, down, away] = from.axes();
        self.screen_from_world = DQuat::from_mat3(&DMat3::from_cols(right, down, away)).inverse();
    }

    /// Right, down and away from the eye as unit vectors in LPS.
    pub fn axes(&self) -> [DVec3; 3] {
        let back = self.screen_from_world.inverse();
        [back * DVec3::X, back * DVec3::Y, back * DVec3::Z]
    }

    /// Turns as a hand on the front of the body would: to the right by `angle.x`, down by `angle.y` radians.
    pub fn turn(&mut self, angle: DVec2) {
        if angle.is_finite() {
            let by = DQuat::from_rotation_x(angle.y) * DQuat::from_rotation_y(-angle.x);
            self.screen_from_world = (by * self.screen_from_world).normalize();
        }
    }

    /// Moves the picture by screen pixels.
    pub fn pan(&mut self, pixels: DVec2) {
        let [right, down, _] = self.axes();
        self.center -= (right * pixels.x + down * pixels.y) / self.zoom;
    }

    /// Multiplies the zoom and keeps what is under `pointer` there.
    pub fn zoom_at(&mut self, geometry: &Geometry, pointer: DVec2, factor: f64) {
        if !(factor.is_finite() && factor > 0.0) {
            return;
        }
        let fitting = fitting(geometry, self.size);
        let zoom = (self.zoom * factor).clamp(fitting * ZOOMS[0], fitting * ZOOMS[1]);
        let [right, down, _] = self.axes();
        let off = pointer - self.size / 2.0;
        self.center += (right * off.x + down * off.y) * (1.0 / self.zoom - 1.0 / zoom);
        self.zoom = zoom;
    }

    /// Takes a new pane size and keeps showing the same part of the body.
    pub fn resize(&mut self, size: DVec2) {
        let factor = (size / self.size).min_element();
        if factor.is_finite() && factor > 0.0 {
            self.zoom *= factor;
        }
        self.size = size;
    }

    /// World position of a screen pixel on the plane through the centre.
    pub fn world_from_screen(&self, pixel: DVec2) -> DVec3 {
        let [right, down, _] = self.axes();
        let off = (pixel - self.size / 2.0) / self.zoom;
        self.center + right * off.x + down * off.y
    }

    /// Screen pixel of a world position.
    pub fn screen_from_point(&self, world: DVec3) -> DVec2 {
        let at = self.screen_from_world * (world - self.center);
        self.size / 2.0 + at.truncate() * self.zoom
    }
}

fn corners(geometry: &Geometry) -> [DVec3; 2] {
    let last = DVec3::from_array(geometry.dims().map(|n| n as f64 - 0.5));
    [DVec3::splat(-0.5), last]
}

fn middle(geometry: &Geometry) -> DVec3 {
    let [low, high] = corners(geometry);
    geometry.world_from_voxel().transform_point3((low + high) / 2.0)
}

/// Length of the volume's diagonal in mm.
pub(super) fn diagonal(geometry: &Geometry) -> f64 {
    let [low, high] = corners(geometry);
    // The longest of the four, for grids whose axes are not at right angles.
    let size = high - low;
    [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)]
        .into_iter()
        .map(|(y, z)| geometry.world_from_voxel().transform_vector3(size * DVec3::new(1.0, y, z)).length())
        .fold(0.0, f64::max)
}

fn fitting(geometry: &Geometry, size: DVec2) -> f64 {
    let [low, high] = corners(geometry);
    let mm = (high - low) * geometry.spacing();
    // Seen from any side the longest edge fits; the diagonal would leave too much room.
    FILLED * size.max(DVec2::ONE).min_element() / mm.max_element().max(1e-6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Geometry {
        Geometry::axis_aligned([60, 50, 30], DVec3::new(0.8, 0.8, 2.5), DVec3::new(-20.0, 5.0, 100.0)).unwrap()
    }

    #[test]
    fn the_six_sides_are_where_a_reader_expects_them() {
        let mut camera = Camera::fit(&grid(), DVec2::new(400.0, 300.0));
        for from in ViewFrom::ALL {
            camera.look(from);
            let [right, down, away] = camera.axes();
            let wanted = from.axes();
            for (have, want) in [right, down, away].into_iter().zip(wanted) {
                assert!((have - want).length() < 1e-12, "{from:?}: {have} is not {want}");
            }
            assert!((right.cross(down) - away).length() < 1e-12, "{from:?} mirrors the patient");
        }
    }

    #[test]
    fn a_hand_takes_the_front_along() {
        let mut camera = Camera::fit(&grid(), DVec2::new(400.0, 300.0));
        let [.., away] = camera.axes();
        let front = camera.center - away * 20.0;
        let before = camera.screen_from_point(front);
        camera.turn(DVec2::new(0.3, 0.0));
        let after = camera.screen_from_point(front);
        assert!(after.x > before.x + 1.0 && (after.y - before.y).abs() < 1e-9);
        camera.turn(DVec2::new(-0.3, 0.2));
        let after = camera.screen_from_point(front);
        assert!(after.y > before.y + 1.0);
    }

    #[test]
    fn zoom_holds_the_pointer_and_pan_follows_it() {
        let g = grid();
        let mut camera = Camera::fit(&g, DVec2::new(400.0, 300.0));
        camera.turn(DVec2::new(0.7, -0.4));
        let pointer = DVec2::new(90.0, 250.0);
        let held = camera.world_from_screen(pointer);
        camera.zoom_at(&g, pointer, 2.5);
        assert!((camera.screen_from_point(held) - pointer).length() < 1e-9);
        camera.pan(DVec2::new(12.0, -7.0));
        assert!((camera.screen_from_point(held) - pointer - DVec2::new(12.0, -7.0)).length() < 1e-9);
        camera.zoom_at(&g, pointer, f64::NAN);
        assert!(camera.zoom.is_finite());
    }
}
