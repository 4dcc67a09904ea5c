//! Measurements over a slice: which are shown, how they are drawn, and what they say.

use super::annotations::text;
use crate::core::{Geometry, Measured, Measurement, PlaneAxes, Shape, Volume};
use crate::render::PaneView;
use crate::tools::{Draft, MeasureKind};
use egui::{Align2, Color32, Painter, Pos2, Rect, Stroke, Vec2};
use glam::DVec3;
use std::collections::HashMap;

/// Lines of measurements: yellow is far from tissue and from every segment's default colour.
const COLOR: Color32 = Color32::from_rgb(255, 235, 110);
/// How far in mm a point may lie from a turned plane to be drawn on it.
const NEAR_MM: f64 = 1.5;

/// Whether a measurement belongs to what a pane shows.
pub fn is_shown(measurement: &Measurement, view: &PaneView, geometry: &Geometry) -> bool {
    let points = measurement.shape.points();
    let depth = |p: &DVec3| view.depth_of(geometry, *p).abs();
    let region = matches!(measurement.shape, Shape::Ellipse(_) | Shape::Rectangle(_));
    if view.oblique.is_some() {
        return !region && points.iter().all(|p| depth(p) <= NEAR_MM);
    }
    if measurement.axis != PlaneAxes::of(geometry, view.plane).through {
        return false;
    }
    if region { points.first().is_some_and(|p| depth(p) <= 0.5) } else { points.iter().any(|p| depth(p) <= 0.5) }
}

/// Figures are computed again only when a shape changes, not in every frame.
#[derive(Default)]
pub struct Figures(HashMap<u32, (Shape, bool, Measured)>);

impl Figures {
    /// What a measurement says.
    pub fn of(&mut self, m: &Measurement, geometry: &Geometry, volume: Option<&Volume>) -> Measured {
        let known = self.0.get(&m.id).filter(|(shape, whole, _)| *shape == m.shape && *whole == volume.is_some());
        if let Some((.., measured)) = known {
            return *measured;
        }
        let measured = m.shape.measure(m.axis, geometry, volume);
        self.0.insert(m.id, (m.shape, volume.is_some(), measured));
        measured
    }

    /// Forgets all: for another case.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Where points of voxels are on a pane.
pub struct OnPane<'a> {
    pub painter: &'a Painter,
    pub rect: Rect,
    pub view: &'a PaneView,
    pub geometry: &'a Geometry,
    pub scale: f32,
}

impl OnPane<'_> {
    fn place(&self, voxel: DVec3) -> Pos2 {
        let at = self.view.screen_from_voxel(self.geometry, voxel);
        self.rect.min + Vec2::new(at.x as f32, at.y as f32) / self.scale
    }

    fn line(&self, voxels: &[DVec3], extra: Option<Pos2>) {
        let mut points: Vec<Pos2> = voxels.iter().map(|&v| self.place(v)).collect();
        points.extend(extra);
        for (width, color) in [(3.0, Color32::from_black_alpha(150)), (1.4, COLOR)] {
            self.painter.line(points.clone(), Stroke::new(width, color));
        }
    }

    fn dots(&self, voxels: &[DVec3]) {
        for &voxel in voxels {
            self.painter.circle(self.place(voxel), 3.0, Color32::from_black_alpha(150), Stroke::new(1.2, COLOR));
        }
    }

    /// A kept measurement with its number and what it says.
    pub fn measurement(&self, m: &Measurement, measured: &Measured) {
        self.line(&m.shape.outline(m.axis), None);
        self.dots(m.shape.points());
        let Some(&last) = m.shape.points().last() else { return };
        let note = if m.note.is_empty() { String::new() } else { format!("  {}", m.note) };
        let words = format!("{}{note}", measured.text());
        let at = self.place(last);
        // Towards the middle, so that words at the right edge are not cut off.
        let (side, align) = if at.x > self.rect.center().x {
            (Vec2::new(-8.0, 10.0), Align2::RIGHT_CENTER)
        } else {
            (Vec2::new(8.0, 10.0), Align2::LEFT_CENTER)
        };
        for (n, line) in words.split(", ").enumerate() {
            text(self.painter, at + side + Vec2::Y * 14.0 * n as f32, align, line, 12.0, COLOR);
        }
    }

    /// What is being drawn, to the pointer.
    pub fn draft(&self, draft: &Draft, pointer: Option<Pos2>) {
        let shape = match draft.kind {
            MeasureKind::Shape(kind) => kind.through(&draft.points),
            MeasureKind::Window => match draft.points.as_slice() {
                &[a, b] => Some(Shape::Rectangle([a, b])),
                _ => None,
            },
            MeasureKind::Plane => None,
        };
        match shape {
            Some(shape) => {
                self.line(&shape.outline(draft.axis), None);
                let words = shape.measure(draft.axis, self.geometry, None).text();
                let at = self.place(draft.points[draft.points.len() - 1]);
                text(self.painter, at + Vec2::new(8.0, 10.0), Align2::LEFT_CENTER, &words, 12.0, COLOR);
            }
            None => self.line(&draft.points, pointer),
        }
        self.dots(&draft.points);
    }
}
