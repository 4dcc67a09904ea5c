//! How the image of the active case is seen: planes, slabs, colour maps, a second volume laid over it.

use super::{Document, Notice, Workspace};
use crate::core::{CaseId, ColorMap, Interpolation, Plane, PlaneAxes, PlaneDirections, SlabMode, TurnedPlane, Window};
use glam::{DQuat, DVec3};

/// The thickest slab in mm.
pub const THICKEST_SLAB: f64 = 200.0;

/// A thick slice; 0 mm is a single one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SlabChoice {
    pub mode: SlabMode,
    pub mm: f64,
}

/// Another open case laid over the image, by its place in the patient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FusionChoice {
    pub case: CaseId,
    /// Over the samples of that case, as windows of images are.
    pub window: Window,
    pub color_map: ColorMap,
    /// `0..=1`.
    pub opacity: f32,
}

/// What is asked of the picture of the active case.
#[derive(Debug, Clone)]
pub enum PictureCommand {
    Interpolation(Interpolation),
    ColorMap(ColorMap),
    Slab(SlabChoice),
    /// Turns the two other planes about the normal of this one, through the crosshair; as it is seen on this plane,
    /// positive is clockwise.
    Turn {
        plane: Plane,
        radians: f64,
    },
    /// Lays a plane through three voxel positions; the others follow.
    PlaneThrough {
        plane: Plane,
        points: [DVec3; 3],
    },
    /// All planes along the grid again.
    StraightPlanes,
    /// Lays another open case over the image, or takes it away.
    Fuse(Option<CaseId>),
    FusionWindow(Window),
    FusionColorMap(ColorMap),
    FusionOpacity(f32),
    /// A window that shows what lies in a rectangle of a slice: from its 1st to its 99th percentile.
    WindowOf {
        axis: usize,
        corners: [DVec3; 2],
    },
}

impl Workspace {
    pub(super) fn apply_picture(&mut self, command: PictureCommand) {
        match command {
            PictureCommand::Interpolation(way) => self.overlay.interpolation = way,
            PictureCommand::ColorMap(map) => self.with_view(|d| d.view.color_map = map),
            PictureCommand::Slab(slab) if slab.mm.is_finite() => {
                self.with_view(|d| d.view.slab = SlabChoice { mm: slab.mm.clamp(0.0, THICKEST_SLAB), ..slab });
            }
            PictureCommand::Slab(_) => {}
            PictureCommand::Turn { plane, radians } if radians.is_finite() => {
                self.with_view(|d| d.turn_planes(plane, radians));
            }
            PictureCommand::Turn { .. } => {}
            PictureCommand::PlaneThrough { plane, points } => self.plane_through(plane, points),
            PictureCommand::StraightPlanes => self.with_view(|d| d.view.oblique = None),
            PictureCommand::Fuse(case) => self.fuse(case),
            PictureCommand::FusionWindow(window) => self.with_fusion(|f| {
                if window.window_width.is_finite() && window.window_center.is_finite() {
                    f.window = Window::new(window.window_width.max(1.0), window.window_center);
                }
            }),
            PictureCommand::FusionColorMap(map) => self.with_fusion(|f| f.color_map = map),
            PictureCommand::FusionOpacity(opacity) if opacity.is_nan() => {}
            PictureCommand::FusionOpacity(opacity) => self.with_fusion(|f| f.opacity = opacity.clamp(0.0, 1.0)),
            PictureCommand::WindowOf { axis, corners } => self.window_of(axis, corners),
        }
    }

    fn with_view(&mut self, change: impl FnOnce(&mut Document)) {
        if let Some(document) = self.active_document_mut() {
            change(document);
        }
    }

    fn with_fusion(&mut self, change: impl FnOnce(&mut FusionChoice)) {
        if let Some(fusion) = self.active_document_mut().and_then(|d| d.view.fusion.as_mut()) {
            change(fusion);
        }
    }

    fn plane_through(&mut self, plane: Plane, points: [DVec3; 3]) {
        let Some(document) = self.active_document_mut() else { return };
        if !document.lay_plane(plane, points) {
            self.notify(Notice::warning("The three points lie on one line: choose a third beside it."));
        }
    }

    pub(super) fn fuse(&mut self, case: Option<CaseId>) {
        let Some(active) = self.active_document().map(|d| d.case.id) else { return };
        let Some(case) = case.filter(|c| *c != active) else {
            self.with_view(|d| d.view.fusion = None);
            return;
        };
        let Some(volume) = self.document(case).and_then(|d| d.case.volume.clone()) else {
            self.notify(Notice::warning("Wait until the other case is read, then lay it over."));
            return;
        };
        // The whole range of what is above nothing: a beginning for whatever does not know better.
        let [low, high] = volume.range().map(f64::from);
        let floor = low.max(0.0).min(high - 1.0);
        let window = match &volume.scale {
            Some(_) => volume.first_window(),
            None => Window::new((high - floor).max(1.0), f64::midpoint(high, floor)),
        };
        self.with_view(|d| {
            d.view.fusion = Some(FusionChoice { case, window, color_map: ColorMap::HotIron, opacity: 0.5 });
        });
    }

    fn window_of(&mut self, axis: usize, corners: [DVec3; 2]) {
        let Some(document) = self.active_document() else { return };
        let Some(volume) = document.case.volume.clone() else { return };
        let dims = volume.geometry().dims();
        let bounds = |n: usize| {
            let (low, high) = (corners[0][n].min(corners[1][n]), corners[0][n].max(corners[1][n]));
            let (low, high) =
                if n == axis { (corners[0][n].round(), corners[0][n].round()) } else { (low.round(), high.round()) };
            // Casts of negative numbers and of NaN give 0.
            (low as usize).min(dims[n] - 1)..=(high as usize).min(dims[n] - 1)
        };
        let mut values: Vec<i16> = Vec::new();
        for k in bounds(2) {
            for j in bounds(1) {
                for i in bounds(0) {
                    values.extend(volume.at([i, j, k].map(|v| v as i64)));
                }
            }
        }
        if values.is_empty() {
            return;
        }
        let mut percentile = |part: f64| {
            let at = ((values.len() - 1) as f64 * part).round() as usize;
            f64::from(*values.select_nth_unstable(at).1)
        };
        let (low, high) = (percentile(0.01), percentile(0.99));
        self.set_window(Window::new((high - low).max(1.0) + 1.0, f64::midpoint(low, high)));
    }
}

/// Place of a plane in a list of the three.
fn number(plane: Plane) -> usize {
    Plane::ALL.iter().position(|&p| p == plane).unwrap_or(0)
}

impl Document {
    /// How a plane lies in the patient.
    pub fn directions(&self, plane: Plane) -> PlaneDirections {
        match &self.view.oblique {
            Some(planes) => planes[number(plane)],
            None => PlaneDirections::straight(&self.case.geometry, plane),
        }
    }

    /// What is shown of a plane, when the planes are turned.
    pub fn turned_plane(&self, plane: Plane) -> Option<TurnedPlane> {
        let world = self.case.geometry.world_from_voxel().transform_point3(self.view.crosshair);
        self.view.oblique.is_some().then(|| TurnedPlane::through(self.directions(plane), world))
    }

    fn turn_planes(&mut self, plane: Plane, radians: f64) {
        let mut planes = Plane::ALL.map(|p| self.directions(p));
        let by = DQuat::from_axis_angle(planes[number(plane)].normal(), radians);
        for (n, directions) in planes.iter_mut().enumerate() {
            if n != number(plane) {
                *directions = directions.turned(by);
            }
        }
        self.view.oblique = Some(planes);
    }

    /// `false` when the points span no plane.
    fn lay_plane(&mut self, plane: Plane, points: [DVec3; 3]) -> bool {
        let [a, b, c] = points.map(|p| self.case.geometry.world_from_voxel().transform_point3(p));
        let normal = (b - a).cross(c - a);
        if !normal.is_finite() || normal.length() < 1e-3 * (b - a).length() * (c - a).length() || normal.length() < 1e-6
        {
            return false;
        }
        let mut planes = Plane::ALL.map(|p| self.directions(p));
        let before = planes[number(plane)].normal();
        // Either side of the plane may be looked at: the one that is nearer to how it was.
        let normal = normal.normalize() * if normal.dot(before) < 0.0 { -1.0 } else { 1.0 };
        let by = DQuat::from_rotation_arc(before, normal);
        for directions in &mut planes {
            *directions = directions.turned(by);
        }
        self.view.oblique = Some(planes);
        let middle = self.case.geometry.voxel_from_world().transform_point3((a + b + c) / 3.0);
        self.set_crosshair(middle);
        true
    }

    /// Moves the crosshair along the normal of a turned plane by the spacing of the slices that it replaces; positive is
    /// the side that the higher index was on.
    pub(super) fn scroll_oblique(&mut self, plane: Plane, slices: i64) {
        let geometry = self.case.geometry;
        let axis = PlaneAxes::of(&geometry, plane).through;
        let normal = self.directions(plane).normal();
        let straight = PlaneDirections::straight(&geometry, plane).normal();
        let along = geometry.direction().col(axis);
        let sign = if straight.dot(along) < 0.0 { -1.0 } else { 1.0 };
        let step = normal * (sign * geometry.spacing()[axis] * slices as f64);
        let voxel = self.view.crosshair + geometry.voxel_from_world().transform_vector3(step);
        self.set_crosshair(voxel);
    }
}
