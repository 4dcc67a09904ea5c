//! The 3-D pane: turned, moved, zoomed and cut open with the mouse; a click on a surface moves the crosshair there.

use super::annotations::{self, pixel};
use super::gpu::{SETTLED, VolumeCallback};
use super::{Shown, Viewer, input};
use crate::core::{CaseId, Geometry, LayerId};
use crate::render::{Camera, ClipBox, TransferPreset, ViewFrom, VolumeProgress, VolumeView, pick};
use crate::ui::theme::{ACCENT, PANE_TEXT, VOLUME_BACKGROUND, progress_fill};
use crate::workspace::{Command, Document, ViewCommand, Workspace};
use egui::{Align2, Button, Color32, CursorIcon, PointerButton, Pos2, Rect, Sense, Stroke, StrokeKind, Ui, Vec2};
use glam::{DVec2, DVec3};
use std::collections::HashMap;
use std::time::Duration;

/// Radians of a drag over one point.
const RADIANS_PER_POINT: f64 = 0.009;
/// HU of a drag over one point.
const HU_PER_POINT: f32 = 2.0;
/// How near to a handle of the clip box a press must be, in points.
const HANDLE: f32 = 11.0;
/// Work that takes no longer is not told of.
const QUIET: Duration = Duration::from_millis(100);
/// Limits of the shift of a preset in HU.
pub const SHIFTS: std::ops::RangeInclusive<f32> = -800.0..=800.0;

/// How the 3-D view looks, for all cases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VolumeOptions {
    /// The image itself, by its preset.
    pub image: bool,
    pub preset: TransferPreset,
    /// HU by which the preset's thresholds are moved.
    pub shift: f32,
    /// The segments as surfaces.
    pub surfaces: bool,
    /// Opacity of the surfaces in `0..=1`.
    pub opacity: f32,
    /// The clip box with its handles.
    pub clip: bool,
}

impl Default for VolumeOptions {
    fn default() -> Self {
        Self { image: true, preset: TransferPreset::Bone, shift: 0.0, surfaces: true, opacity: 1.0, clip: false }
    }
}

/// A face of the clip box: axis, and whether it is the upper one.
type Face = (usize, bool);

/// What the pane remembers.
#[derive(Default)]
pub(super) struct VolumeState {
    options: VolumeOptions,
    eyes: HashMap<CaseId, Eye>,
    /// The face of the clip box that is being dragged.
    face: Option<Face>,
    /// A direction asked for by a button or key.
    look: Option<ViewFrom>,
    turn: DVec2,
    /// The frame in which it was drawn last.
    pub drawn: u64,
}

/// Where a case is looked at from, and what is cut away.
#[derive(Clone, Copy)]
struct Eye {
    camera: Camera,
    clip: ClipBox,
}

impl VolumeState {
    pub fn options(&mut self) -> &mut VolumeOptions {
        &mut self.options
    }

    /// The clip box of a case, once the case was shown.
    pub fn clip(&mut self, case: CaseId) -> Option<&mut ClipBox> {
        self.eyes.get_mut(&case).map(|eye| &mut eye.clip)
    }

    pub fn look(&mut self, from: ViewFrom) {
        self.look = Some(from);
    }

    pub fn turn(&mut self, angle: DVec2) {
        self.turn += angle;
    }
}

impl Viewer {
    /// Draws the 3-D pane and reacts to its pointer. `maximise` is set by a double click.
    pub fn volume_pane(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        shown: Shown,
        maximise: &mut bool,
    ) -> Vec<Command> {
        let mut out = Vec::new();
        let rect = ui.available_rect_before_wrap();
        let Some(document) = workspace.active_document() else { return out };
        if rect.width() < 8.0 || rect.height() < 8.0 {
            return out;
        }
        let geometry = document.case.geometry;
        let id = ui.make_persistent_id("3-D pane");
        let response = ui.interact(rect, id, Sense::click_and_drag());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "3-D view"));
        self.take_keyboard(&response);
        let scale = ui.ctx().pixels_per_point();
        let size = DVec2::new(f64::from(rect.width() * scale).round(), f64::from(rect.height() * scale).round());
        let state = &mut self.volume;
        let drawn_before = state.drawn + 1 == self.frame;
        state.drawn = self.frame;
        let eye = state
            .eyes
            .entry(document.case.id)
            .or_insert_with(|| Eye { camera: Camera::fit(&geometry, size), clip: ClipBox::whole(&geometry) });
        if eye.camera.size != size {
            eye.camera.resize(size);
        }
        if self.refit {
            eye.camera.refit(&geometry);
        }
        if let Some(from) = state.look.take() {
            eye.camera.look(from);
        }
        eye.camera.turn(std::mem::take(&mut state.turn));

        let place = Place { rect, scale };
        let hovered = response.contains_pointer() && ui.rect_contains_pointer(rect);
        if hovered {
            let wheel = input::wheel(ui);
            let factor = f64::from(wheel.zoom * 1.15f32.powf(wheel.slices));
            if let Some(pos) = ui.input(|i| i.pointer.hover_pos()) {
                eye.camera.zoom_at(&geometry, pixel(rect, pos, scale), factor);
            }
        }
        drag(ui, &response, &place, &geometry, eye, &mut state.options, &mut state.face);
        let near = ui
            .input(|i| i.pointer.hover_pos())
            .filter(|_| hovered && state.options.clip)
            .and_then(|pos| handle_at(&place, &geometry, eye, pos));
        if hovered {
            let icon = if near.is_some() || state.face.is_some() { CursorIcon::Grab } else { CursorIcon::Default };
            ui.ctx().set_cursor_icon(icon);
        }

        let (layer, view) = view_of(document, workspace, shown, state.options, eye);
        if response.double_clicked() {
            *maximise = true;
        } else if response.clicked()
            && let Some(pos) = response.interact_pointer_pos()
        {
            let labels = layer.and_then(|l| document.drawn_labels(l));
            let hit = pick(&view, document.case.volume.as_deref(), labels, pixel(rect, pos, scale));
            out.extend(hit.map(|voxel| ViewCommand::Crosshair(voxel).into()));
        }
        let callback = VolumeCallback {
            feed: self.feed.clone(),
            frame: self.frame,
            rect,
            case: document.case.id,
            layer,
            volume: document.case.volume.clone(),
            view,
            target_format: self.target_format,
            ctx: ui.ctx().clone(),
        };
        ui.painter().add(eframe::egui_wgpu::Callback::new_paint_callback(rect, callback));
        if self.feed.inbox().uploaded.is_some_and(|at| at.elapsed() < SETTLED) {
            ui.ctx().request_repaint_after(SETTLED);
        }
        let lit = state.face.or(near);
        annotate(ui, workspace, document, &place, eye, &state.options, lit);
        side_buttons(ui, rect, state);
        let drawing = self.feed.inbox().drawing.filter(|_| drawn_before);
        if drawing.is_some_and(|progress| working(ui, rect, progress)) {
            self.feed.inbox().halt_drawing = true;
            ui.ctx().request_repaint();
        }
        out
    }
}

/// Where the pane is, in points, with physical pixels per point.
struct Place {
    rect: Rect,
    scale: f32,
}

impl Place {
    /// Position in points of a voxel.
    fn of(&self, geometry: &Geometry, camera: &Camera, voxel: DVec3) -> Pos2 {
        let at = camera.screen_from_point(geometry.world_from_voxel().transform_point3(voxel));
        self.rect.min + Vec2::new(at.x as f32, at.y as f32) / self.scale
    }
}

/// The handle of the clip box under the pointer.
fn handle_at(place: &Place, geometry: &Geometry, eye: &Eye, pos: Pos2) -> Option<Face> {
    let faces = (0..3).flat_map(|axis| [(axis, false), (axis, true)]);
    let distance = |(axis, upper): Face| (place.of(geometry, &eye.camera, eye.clip.face(axis, upper)) - pos).length();
    let nearest = faces.min_by(|a, b| distance(*a).total_cmp(&distance(*b)))?;
    (distance(nearest) <= HANDLE).then_some(nearest)
}

fn drag(
    ui: &Ui,
    response: &egui::Response,
    place: &Place,
    geometry: &Geometry,
    eye: &mut Eye,
    options: &mut VolumeOptions,
    face: &mut Option<Face>,
) {
    if response.drag_started_by(PointerButton::Primary) && options.clip {
        *face = ui.input(|i| i.pointer.press_origin()).and_then(|pos| handle_at(place, geometry, eye, pos));
    }
    if !response.dragged_by(PointerButton::Primary) {
        *face = None;
    }
    let delta = response.drag_delta();
    let delta = DVec2::new(f64::from(delta.x), f64::from(delta.y));
    if delta == DVec2::ZERO {
        return;
    }
    let pixels = delta * f64::from(place.scale);
    if let Some((axis, upper)) = *face {
        // Along the axis as it lies on the screen; an axis that points at the eye has no direction there.
        let middle = eye.clip.face(axis, upper);
        let ahead = middle + DVec3::from_array(std::array::from_fn(|a| f64::from(u8::from(a == axis))));
        let at = |voxel| eye.camera.screen_from_point(geometry.world_from_voxel().transform_point3(voxel));
        let along = at(ahead) - at(middle);
        let voxels = pixels.dot(along) / along.length_squared().max(1e-3);
        eye.clip.set_face(geometry, axis, upper, middle[axis] + voxels);
    } else if response.dragged_by(PointerButton::Primary) {
        eye.camera.turn(delta * RADIANS_PER_POINT);
    } else if response.dragged_by(PointerButton::Middle) {
        eye.camera.pan(pixels);
    } else if response.dragged_by(PointerButton::Secondary) {
        options.shift = (options.shift + delta.y as f32 * HU_PER_POINT).clamp(*SHIFTS.start(), *SHIFTS.end());
    }
}

fn view_of(
    document: &Document,
    workspace: &Workspace,
    shown: Shown,
    options: VolumeOptions,
    eye: &Eye,
) -> (Option<LayerId>, VolumeView) {
    let layer = match shown {
        Shown::Nothing => None,
        Shown::Layer(a) | Shown::Difference { a: (a, _), .. } => Some(a),
    };
    let drawn = layer
        .filter(|_| options.surfaces && workspace.overlay.visible)
        .and_then(|l| document.case.layer(l))
        .filter(|l| l.visible);
    let view = VolumeView {
        camera: eye.camera,
        geometry: document.case.geometry,
        transfer: (options.image && document.case.volume.is_some()).then(|| options.preset.function(options.shift)),
        surfaces: drawn.map(|l| super::slice_pane::colors(document, l)),
        surface_opacity: options.opacity,
        clip: eye.clip,
        background: VOLUME_BACKGROUND,
    };
    (layer, view)
}

fn annotate(
    ui: &Ui,
    workspace: &Workspace,
    document: &Document,
    place: &Place,
    eye: &Eye,
    options: &VolumeOptions,
    lit: Option<Face>,
) {
    let painter = ui.painter().with_clip_rect(place.rect);
    let geometry = &document.case.geometry;
    let corner = place.rect.left_top() + Vec2::new(8.0, 6.0);
    annotations::text(&painter, corner, Align2::LEFT_TOP, "3-D", 14.0, ACCENT);
    let shift = if options.shift == 0.0 { String::new() } else { format!("  {:+.0} HU", options.shift) };
    let what = match (options.image, options.surfaces) {
        (true, _) => format!("{}{shift}", options.preset.name()),
        (false, true) => "Segments".to_owned(),
        (false, false) => "Nothing is shown".to_owned(),
    };
    annotations::text(&painter, corner + Vec2::Y * 18.0, Align2::LEFT_TOP, &what, 11.5, PANE_TEXT);
    if document.case.volume.is_none() {
        let reading = Color32::from_rgb(240, 200, 90);
        annotations::text(&painter, corner + Vec2::Y * 34.0, Align2::LEFT_TOP, "reading slices…", 11.5, reading);
    }
    annotations::scale_bar(&painter, place.rect, eye.camera.zoom / f64::from(place.scale));
    axes(&painter, place.rect, &eye.camera);
    if workspace.overlay.crosshair {
        let at = place.of(geometry, &eye.camera, document.view.crosshair);
        for (width, color) in [(3.0, Color32::from_black_alpha(160)), (1.2, Color32::from_rgb(255, 230, 120))] {
            painter.circle_stroke(at, 5.0, Stroke::new(width, color));
            for to in [Vec2::X, -Vec2::X, Vec2::Y, -Vec2::Y] {
                painter.line_segment([at + to * 5.0, at + to * 11.0], Stroke::new(width, color));
            }
        }
    }
    if options.clip {
        for [from, to] in eye.clip.edges() {
            let line = [place.of(geometry, &eye.camera, from), place.of(geometry, &eye.camera, to)];
            painter.line_segment(line, Stroke::new(1.0, PANE_TEXT.gamma_multiply(0.6)));
        }
        for face in (0..3).flat_map(|axis| [(axis, false), (axis, true)]) {
            let at = place.of(geometry, &eye.camera, eye.clip.face(face.0, face.1));
            let fill = if lit == Some(face) { Color32::WHITE } else { ACCENT };
            let handle = Rect::from_center_size(at, Vec2::splat(9.0));
            painter.rect(handle, 2.0, fill, Stroke::new(1.0, Color32::from_black_alpha(200)), StrokeKind::Outside);
        }
    }
}

/// Where left, back and head are.
fn axes(painter: &egui::Painter, rect: Rect, camera: &Camera) {
    let middle = rect.right_bottom() - Vec2::new(38.0, 38.0);
    for (axis, letters) in [(DVec3::X, ["R", "L"]), (DVec3::Y, ["A", "P"]), (DVec3::Z, ["F", "H"])] {
        let on_screen = camera.screen_from_world * axis;
        // The end that points to the reader is written.
        let sign = if on_screen.z > 0.0 { -1.0 } else { 1.0 };
        let tip = Vec2::new((on_screen.x * sign) as f32, (on_screen.y * sign) as f32) * 22.0;
        painter.line_segment([middle, middle + tip], Stroke::new(1.5, PANE_TEXT));
        let letter = letters[usize::from(sign > 0.0)];
        annotations::text(painter, middle + tip * 1.35, Align2::CENTER_CENTER, letter, 12.0, PANE_TEXT);
    }
}

/// Says that a picture is being computed, once that has taken a moment; whether the user wants it no finer.
fn working(ui: &mut Ui, rect: Rect, progress: VolumeProgress) -> bool {
    const SIZE: Vec2 = Vec2::new(210.0, 24.0);
    const STOP: f32 = 56.0;
    let elapsed = progress.since.elapsed();
    let Some((part, text)) = told_of(progress, elapsed) else {
        ui.ctx().request_repaint_after(QUIET.saturating_sub(elapsed));
        return false;
    };
    if rect.width() < SIZE.x + STOP + 20.0 || rect.height() < 150.0 {
        return false;
    }
    // Above the letters of the axes, which it would meet in a narrow pane.
    let whole = Rect::from_center_size(rect.center_bottom() - Vec2::new(0.0, 92.0), SIZE + Vec2::new(STOP + 6.0, 0.0));
    let bar = Rect::from_min_size(whole.min, SIZE);
    let filled = crate::ui::panels::bar(part).text(text).desired_width(SIZE.x);
    ui.put(bar, if part > 0.0 { filled.fill(progress_fill()) } else { filled });
    let stop = Rect::from_min_max(Pos2::new(bar.right() + 6.0, whole.top()), whole.max);
    let button = ui.put(stop, Button::new("Stop"));
    button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Stop drawing the 3-D view"));
    button.on_hover_text("Leave the picture as it is").clicked()
}

/// Part and words for a picture that is being computed; `None` for work that is over before it would be read.
fn told_of(progress: VolumeProgress, elapsed: Duration) -> Option<(f32, String)> {
    let what = "Drawing the 3-D view…";
    (elapsed >= QUIET).then(|| match progress.part {
        None => (0.0, what.to_owned()),
        Some(part) => (part, format!("{what} {:.0} %", part * 100.0)),
    })
}

/// Buttons that look from one of the six sides.
fn side_buttons(ui: &mut Ui, rect: Rect, state: &mut VolumeState) {
    const SIZE: f32 = 24.0;
    if rect.width() < 7.0 * SIZE + 70.0 {
        return;
    }
    for (n, from) in ViewFrom::ALL.into_iter().enumerate() {
        let left = rect.right() - (6 - n) as f32 * (SIZE + 2.0) - 4.0;
        let place = Rect::from_min_size(Pos2::new(left, rect.top() + 5.0), Vec2::splat(SIZE));
        let button = ui.put(place, Button::new(from.letter()).small());
        button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, from.name()));
        if button.on_hover_text(from.name()).clicked() {
            state.look(from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn short_work_is_not_told_of_and_long_work_with_how_far_it_is() {
        let progress = |part| VolumeProgress { since: Instant::now(), part };
        assert_eq!(told_of(progress(Some(0.5)), Duration::from_millis(99)), None);
        let long = Duration::from_millis(100);
        assert_eq!(told_of(progress(None), long), Some((0.0, "Drawing the 3-D view…".to_owned())));
        assert_eq!(told_of(progress(Some(0.4)), long), Some((0.4, "Drawing the 3-D view… 40 %".to_owned())));
        assert_eq!(told_of(progress(Some(0.0)), long), Some((0.0, "Drawing the 3-D view… 0 %".to_owned())));
    }
}
