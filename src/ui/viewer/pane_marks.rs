//! What is written over a slice: names, position, window, crosshair, contours, measurements, the brush.

use super::annotations;
use super::input::{ToolBelt, may_begin, turned};
use super::marks;
use super::measures::{Figures, OnPane, is_shown};
use super::slice_pane::Look;
use crate::core::{PRESETS, Plane, PlaneAxes, PlaneDirections};
use crate::render::PaneView;
use crate::tools::{Growing, ToolKind};
use crate::ui::keys::{keys_of, with_keys};
use crate::ui::shortcuts::Action;
use crate::ui::theme::{PANE_TEXT, PLANE_COLORS, PROMPT_COLORS};
use crate::workspace::{Document, Workspace};
use egui::{Align2, Color32, CursorIcon, FontId, Pos2, Rect, Stroke, StrokeKind, Ui, Vec2};

/// Cosine above which two directions are one: a twentieth of a degree.
const STRAIGHT: f64 = 0.999_999_6;

/// One pane of a frame.
pub(super) struct Marks<'a> {
    pub workspace: &'a Workspace,
    pub document: &'a Document,
    pub look: &'a Look,
    pub view: &'a PaneView,
    pub rect: Rect,
    /// Physical pixels per point.
    pub scale: f32,
    pub hovered: bool,
}

impl Marks<'_> {
    pub fn draw(&self, ui: &Ui, belt: &ToolBelt, focused: bool, figures: &mut Figures) {
        let painter = ui.painter().with_clip_rect(self.rect);
        let geometry = &self.document.case.geometry;
        let number = Plane::ALL.iter().position(|&p| p == self.view.plane).unwrap_or(0);
        if self.workspace.overlay.crosshair {
            self.crosshair(&painter, belt);
        }
        annotations::letters(&painter, self.rect, geometry, self.view);
        annotations::scale_bar(&painter, self.rect, self.view.zoom / f64::from(self.scale));
        self.corners(&painter, number);
        if focused {
            let stroke = Stroke::new(1.0, PLANE_COLORS[number]);
            painter.rect_stroke(self.rect, 0.0, stroke, StrokeKind::Inside);
        }
        self.drawings(ui, &painter, belt, figures);
        self.cursor(ui, &painter, belt);
    }

    fn crosshair(&self, painter: &egui::Painter, belt: &ToolBelt) {
        let geometry = &self.document.case.geometry;
        match &self.look.oblique {
            None => {
                annotations::crosshair(painter, self.rect, self.view, geometry, self.look.crosshair, self.scale);
            }
            Some(directions) => annotations::turned_crosshair(
                painter,
                self.rect,
                self.view,
                geometry,
                self.look.crosshair,
                directions,
                self.scale,
            ),
        }
        if self.hovered && belt.current() == ToolKind::Crosshair {
            let directions = Plane::ALL.map(|p| self.document.directions(p));
            for (at, color) in annotations::turn_handles(self.rect, self.crossing(), self.view, &directions) {
                painter.circle(at, 5.0, Color32::from_black_alpha(160), Stroke::new(1.6, color));
            }
        }
    }

    /// Where the crosshair is on the pane.
    fn crossing(&self) -> Pos2 {
        let at = self.view.screen_from_voxel(&self.document.case.geometry, self.look.crosshair);
        self.rect.min + Vec2::new(at.x as f32, at.y as f32) / self.scale
    }

    /// Whether this plane itself lies turned: the one that the others were turned about does not.
    fn is_turned(&self) -> bool {
        let straight = PlaneDirections::straight(&self.document.case.geometry, self.view.plane);
        let Some(frame) = &self.view.oblique else { return false };
        frame.right.dot(straight.right) < STRAIGHT || frame.down.dot(straight.down) < STRAIGHT
    }

    /// Name, position and window.
    fn corners(&self, painter: &egui::Painter, number: usize) {
        let (rect, view, document) = (self.rect, self.view, self.document);
        let geometry = &document.case.geometry;
        let corner = rect.left_top() + Vec2::new(8.0, 6.0);
        let name = if self.is_turned() { format!("{} (turned)", view.plane.name()) } else { view.plane.name().into() };
        annotations::text(painter, corner, Align2::LEFT_TOP, &name, 14.0, PLANE_COLORS[number]);
        let axis = PlaneAxes::of(geometry, view.plane).through;
        let center = {
            let mut v = self.look.crosshair;
            if view.oblique.is_none() {
                v[axis] = view.slice;
            }
            geometry.world_from_voxel().transform_point3(v)
        };
        let (letter, mm) = match view.plane {
            Plane::Axial => (if center.z >= 0.0 { 'H' } else { 'F' }, center.z),
            Plane::Coronal => (if center.y >= 0.0 { 'P' } else { 'A' }, center.y),
            Plane::Sagittal => (if center.x >= 0.0 { 'L' } else { 'R' }, center.x),
        };
        let count = format!("{} / {}   ", view.slice_index(geometry) + 1, view.slice_count(geometry));
        let count = if view.oblique.is_some() { String::new() } else { count };
        let place = format!("{count}{letter} {:.1} mm", mm.abs());
        annotations::text(painter, corner + Vec2::Y * 18.0, Align2::LEFT_TOP, &place, 11.5, PANE_TEXT);
        let slab = document.view.slab;
        let mut below = corner + Vec2::Y * 34.0;
        if slab.mm > 0.0 {
            let text = format!("{} of {:.1} mm", slab.mode.name(), slab.mm);
            annotations::text(painter, below, Align2::LEFT_TOP, &text, 11.5, PANE_TEXT);
            below.y += 16.0;
        }
        if let Some((fusion, other)) = document.view.fusion.and_then(|f| Some((f, self.workspace.document(f.case)?))) {
            let text = format!("{} laid over, {:.0} %", other.case.name, fusion.opacity * 100.0);
            annotations::text(painter, below, Align2::LEFT_TOP, &text, 11.5, PANE_TEXT);
            below.y += 16.0;
        }
        if view.oblique.is_none() {
            // The first line is kept for the status, so that the mark of the loop does not jump.
            let next = marks::status(painter, below, document, view.plane);
            let learned = Pos2::new(below.x, next.y.max(below.y + 16.0));
            marks::learned(painter, learned, document, view.plane);
        }
        let window = self.look.window;
        let preset = PRESETS.iter().find(|p| p.window == window).map_or("", |p| p.name);
        // The preset's name where there is room beside the position.
        let preset = if rect.width() > 340.0 { preset } else { "" };
        let text = if self.look.table {
            "Header table".to_owned()
        } else {
            let values = document.values();
            let (shown, digits) = (values.of_values(window), values.decimals());
            let preset = if document.is_overlay() { values.unit() } else { preset };
            format!("W {:.digits$}  L {:.digits$}  {preset}", shown.window_width, shown.window_center)
        };
        // One line below the letter at the top, which it would meet in a narrow pane; in the corner at the bottom where
        // it would meet the position.
        let text = text.trim_end();
        let (right, align) = if 28.0 + width(painter, &place) + width(painter, text) <= rect.width() {
            (rect.right_top() + Vec2::new(-8.0, 24.0), Align2::RIGHT_TOP)
        } else {
            // In the narrowest panes the scale bar takes the last line.
            let up = if rect.width() > 180.0 { 5.0 } else { 24.0 };
            (rect.right_bottom() - Vec2::new(8.0, up), Align2::RIGHT_BOTTOM)
        };
        annotations::text(painter, right, align, text, 11.5, PANE_TEXT);
        if document.case.volume.is_none() {
            let reading = Color32::from_rgb(240, 200, 90);
            let corner = rect.right_top() + Vec2::new(-8.0, 6.0);
            annotations::text(painter, corner, Align2::RIGHT_TOP, "reading slices…", 11.5, reading);
        }
    }

    /// Contours, measurements and what is being drawn.
    fn drawings(&self, ui: &Ui, painter: &egui::Painter, belt: &ToolBelt, figures: &mut Figures) {
        let (rect, view, document) = (self.rect, self.view, self.document);
        let geometry = &document.case.geometry;
        let axis = PlaneAxes::of(geometry, view.plane).through;
        let pointer = ui.input(|i| i.pointer.hover_pos()).filter(|_| self.hovered);
        let here = view.oblique.is_none();
        let (index, plane) = (view.slice_index(geometry), turned(view));
        let contour = belt.lasso.contour().filter(|c| c.lies_on(axis, index, plane.as_ref()));
        if let Some(contour) = contour {
            let way = if belt.current() == ToolKind::Wire { belt.wire.way() } else { &[] };
            annotations::contour(painter, rect, view, geometry, contour, way, pointer, self.scale);
        }
        if let Some((points, inside)) = belt.prompt.scribble().filter(|_| here && self.hovered) {
            annotations::scribble(painter, rect, view, geometry, points, inside, self.scale);
        }
        let on_pane = OnPane { painter, rect, view, geometry, scale: self.scale };
        for measurement in document.measurements.iter().filter(|m| is_shown(m, view, geometry)) {
            let measured = figures.of(measurement, geometry, document.case.volume.as_deref());
            on_pane.measurement(measurement, &measured);
        }
        if let Some(draft) = belt.measure.draft().filter(|d| d.axis == axis) {
            on_pane.draft(draft, pointer);
        }
        let growing = belt.region.growing();
        let hint = if growing == Growing::UnderDrag {
            // Whether a preview is shown just now or the next one computed: the hand does the same.
            Some("Drag for the tolerance, release to keep, Esc drops it".to_owned())
        } else if growing == Growing::LetGo {
            None
        } else if document.preview().is_some() {
            Some(match keys_of(Action::Confirm) {
                keys if keys.is_empty() => "Preview: Esc drops it".to_owned(),
                keys => format!("Preview: {keys} applies, Esc drops it"),
            })
        } else if self.hovered && !may_begin(view, belt) {
            Some(with_keys("This tool works on straight planes", Action::StraightPlanes))
        } else {
            None
        };
        if let Some(hint) = hint {
            let place = rect.center_bottom() - Vec2::new(0.0, 30.0);
            annotations::text(painter, place, Align2::CENTER_BOTTOM, &hint, 12.5, PROMPT_COLORS[0]);
        }
    }

    fn cursor(&self, ui: &Ui, painter: &egui::Painter, belt: &ToolBelt) {
        if !self.hovered {
            return;
        }
        let position = ui.input(|i| i.pointer.hover_pos());
        let Some(pos) = position.filter(|_| belt.current().paints() && may_begin(self.view, belt)) else {
            ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
            return;
        };
        let ctrl = ui.input(|i| i.modifiers.command);
        let erase = (belt.current() == ToolKind::Eraser) != ctrl;
        let points_per_mm = self.view.zoom / f64::from(self.scale);
        let mm = self.document.stroke_radius().unwrap_or(self.workspace.brush.radius_mm);
        let radius = (mm * points_per_mm) as f32;
        let square = self.workspace.brush.square && belt.current() != ToolKind::Push;
        annotations::brush(painter, pos, radius, erase, square);
        ui.ctx().set_cursor_icon(if radius > 6.0 { CursorIcon::None } else { CursorIcon::Crosshair });
        // The very point the brush is centred on.
        painter.circle_filled(pos, 1.2, Color32::from_white_alpha(220));
    }
}

/// Width in points of a small text.
fn width(painter: &egui::Painter, text: &str) -> f32 {
    painter.layout_no_wrap(text.to_owned(), FontId::proportional(11.5), PANE_TEXT).size().x
}
