//! The three slice panes: our own WGSL draws the voxels, egui draws what is written over them.

mod annotations;
mod comparing;
mod gpu;
mod input;
mod marks;
mod wire;

pub use input::ToolBelt;
/// The texture format of the surface that slices are drawn to.
pub use wgpu::TextureFormat as TargetFormat;

use crate::core::{CaseId, LabelId, Layer, LayerId, PRESETS, Plane, PlaneAxes};
use crate::render::{Interpolation, LabelColors, Overlay, PaneId, PaneView, SliceView};
use crate::tools::ToolKind;
use crate::ui::theme::{PANE_BACKGROUND, PANE_TEXT, PLANE_COLORS, PREVIEW_COLORS, SOURCE_COLORS};
use crate::workspace::{Command, Dirty, Document, EditCommand, SourceKind, ViewCommand, Workspace};
use annotations::pixel;
use egui::{Align2, Color32, CursorIcon, Pos2, Rect, Sense, Slider, Stroke, StrokeKind, Ui, Vec2};
use glam::{DVec2, DVec3};
use gpu::{GpuFeed, SliceCallback, SliceLedger};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Slices per second of cine play.
const CINE_RATE: f64 = 12.0;
/// Width of the slice slider at the right of a pane.
const SLIDER_WIDTH: f32 = 18.0;

/// What is under the pointer.
#[derive(Debug, Clone)]
pub struct Hover {
    pub plane: Plane,
    pub voxel: [i64; 3],
    /// LPS millimetres.
    pub world: DVec3,
    /// `None` while the volume is still being read.
    pub hu: Option<i16>,
    pub segment: Option<String>,
}

/// Which layers are drawn: A alone in its colours, or A against B as a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Nothing,
    Layer(LayerId),
    Difference { a: (LayerId, LabelId), b: (LayerId, LabelId) },
}

/// State of the panes that is not part of the document.
pub struct Viewer {
    panes: HashMap<(CaseId, Plane), PaneView>,
    feed: GpuFeed,
    ledger: SliceLedger,
    target_format: TargetFormat,
    hover: Option<Hover>,
    /// The pane that keys act on: the one the pointer was over last.
    focus: Plane,
    cine: Option<(Plane, Instant)>,
    wheel_rest: f32,
    refit: bool,
}

impl Viewer {
    /// `target_format` is the format of the surface that egui draws to.
    pub fn new(target_format: TargetFormat) -> Self {
        Self {
            panes: HashMap::new(),
            feed: GpuFeed::default(),
            ledger: SliceLedger::default(),
            target_format,
            hover: None,
            focus: Plane::Axial,
            cine: None,
            wheel_rest: 0.0,
            refit: false,
        }
    }

    /// What is under the pointer in this frame.
    pub fn hover(&self) -> Option<&Hover> {
        self.hover.as_ref()
    }

    /// The pane that keys act on.
    pub fn focus(&self) -> Plane {
        self.focus
    }

    /// Makes keys act on a pane.
    pub fn set_focus(&mut self, plane: Plane) {
        self.focus = plane;
    }

    /// Fits all panes in the next frame.
    pub fn fit(&mut self) {
        self.refit = true;
    }

    /// Starts or stops playing the focused pane.
    pub fn toggle_cine(&mut self) {
        self.cine = if self.cine.is_some() { None } else { Some((self.focus, Instant::now())) };
    }

    /// Whether a pane is playing.
    pub fn is_playing(&self) -> bool {
        self.cine.is_some()
    }

    /// Errors of the graphics device since the last call.
    pub fn take_errors(&self) -> Vec<String> {
        self.feed.take_errors()
    }

    /// Takes slices and dirty bricks of the active case over to the device. Call once a frame, before the panes.
    pub fn feed(&mut self, ctx: &egui::Context, workspace: &mut Workspace, shown: Shown) {
        self.hover = None;
        let Some(document) = workspace.active_document_mut() else { return };
        let id = document.case.id;
        let dims = document.case.geometry.dims();
        if self.feed.case() != Some(id) {
            self.feed.set_case(id, dims);
            self.ledger = SliceLedger::new(dims[2]);
        }
        let streamed = document.take_streamed();
        let shown_slice = document.slice_index(Plane::Axial);
        self.feed.push_slices(self.ledger.take(streamed, document.case.volume.as_ref(), shown_slice));
        let dirty = document.take_dirty();
        let wanted = match shown {
            Shown::Nothing => [None, None],
            Shown::Layer(a) => [Some(a), None],
            Shown::Difference { a, b } => [Some(a.0), Some(b.0)],
        };
        for (slot, layer) in wanted.into_iter().enumerate() {
            let layer = layer.and_then(|l| Some((l, document.drawn_labels(l)?)));
            match (layer, self.feed.layer(slot)) {
                (None, None) => {}
                (None, Some(_)) => self.feed.set_layer(slot, None),
                (Some((id, labels)), have) if have != Some(id) => self.feed.set_layer(slot, Some((id, labels))),
                (Some((id, labels)), _) => match dirty.get(&id) {
                    Some(Dirty::All) => {
                        let all = (0..labels.brick_count() as u32).collect();
                        self.feed.push_bricks(slot, labels, &all);
                    }
                    Some(Dirty::Bricks(bricks)) if !bricks.is_empty() => {
                        self.feed.push_bricks(slot, labels, bricks);
                    }
                    _ => {}
                },
            }
        }
        if self.feed.has_pending() {
            ctx.request_repaint();
        }
    }

    /// Advances cine play; gives back the command that turns the page.
    pub fn play(&mut self, ctx: &egui::Context, workspace: &Workspace) -> Option<Command> {
        let (plane, last) = self.cine?;
        let document = workspace.active_document()?;
        let period = Duration::from_secs_f64(1.0 / CINE_RATE);
        let elapsed = last.elapsed();
        if elapsed < period {
            ctx.request_repaint_after(period - elapsed);
            return None;
        }
        self.cine = Some((plane, Instant::now()));
        ctx.request_repaint_after(period);
        let count = PlaneAxes::of(&document.case.geometry, plane).size(&document.case.geometry)[2];
        Some(ViewCommand::Slice { plane, index: (document.slice_index(plane) + 1) % count }.into())
    }

    /// Draws one pane and reacts to its pointer. `maximise` is set by a double click.
    pub fn pane(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        plane: Plane,
        shown: Shown,
        belt: &mut ToolBelt,
        maximise: &mut bool,
    ) -> Vec<Command> {
        let mut out = Vec::new();
        let full = ui.available_rect_before_wrap();
        let Some(document) = workspace.active_document() else { return out };
        let geometry = document.case.geometry;
        let rect = Rect::from_min_max(full.min, full.max - Vec2::new(SLIDER_WIDTH, 0.0));
        slice_slider(ui, document, plane, Rect::from_min_max(rect.right_top(), full.max), &mut out);
        if rect.width() < 8.0 || rect.height() < 8.0 {
            return out;
        }
        let id = ui.make_persistent_id(("slice pane", plane.name()));
        let response = ui.interact(rect, id, Sense::click());
        response.widget_info(|| {
            let text = format!("{} slice {}", plane.name(), document.slice_index(plane) + 1);
            egui::WidgetInfo::labeled(egui::Role::Image, true, text)
        });
        let scale = ui.ctx().pixels_per_point();
        let size = DVec2::new(f64::from(rect.width() * scale).round(), f64::from(rect.height() * scale).round());
        let view = self.panes.entry((document.case.id, plane)).or_insert_with(|| PaneView::fit(plane, &geometry, size));
        if view.size != size {
            view.resize(&geometry, size);
        }
        if self.refit {
            view.refit(&geometry);
        }
        let axes = PlaneAxes::of(&geometry, plane);
        view.set_slice(&geometry, document.slice_index(plane) as f64);

        let hovered = response.contains_pointer() && ui.ui_contains_pointer();
        if hovered {
            self.focus = plane;
            let wheel = input::wheel(ui);
            if let Some(pos) = ui.input(|i| i.pointer.hover_pos()) {
                if wheel.zoom != 1.0 {
                    view.zoom_at(&geometry, pixel(rect, pos, scale), f64::from(wheel.zoom));
                }
                self.hover = Some(hover_at(document, view, axes, pixel(rect, pos, scale)));
            }
            if wheel.brush != 1.0 {
                let radius = workspace.brush.radius_mm * f64::from(wheel.brush);
                out.push(EditCommand::BrushRadius(radius).into());
            }
            self.wheel_rest += wheel.slices;
            let notches = self.wheel_rest.trunc();
            self.wheel_rest -= notches;
            if notches != 0.0 {
                out.push(ViewCommand::Scroll { plane, slices: notches as i64 * upwards(document, plane) }.into());
            }
        }
        let image = document.case.volume.as_deref();
        let window = document.view.window;
        let pane = input::PaneInput { id, rect, geometry: &geometry, window, scale, hovered, image };
        out.extend(input::pointer(ui, &pane, view, belt));
        if response.double_clicked() && !belt.current().edits() {
            *maximise = true;
        }
        let view = *view;
        self.paint(ui, workspace, document, &view, rect, shown);
        let painter = ui.painter().with_clip_rect(rect);
        if matches!(shown, Shown::Difference { .. }) && workspace.overlay.visible {
            comparing::annotate(ui, &painter, &workspace.review, rect, &view, &geometry);
        }
        if let Some(cause) = &workspace.review.cause {
            comparing::cause(&painter, cause, rect, &view, &geometry, scale);
        }
        annotate(ui, workspace, document, &view, rect, belt, hovered, self.focus == plane);
        out
    }

    /// Call after all panes of a frame.
    pub fn end_frame(&mut self) {
        self.refit = false;
    }

    fn paint(&self, ui: &Ui, workspace: &Workspace, document: &Document, view: &PaneView, rect: Rect, shown: Shown) {
        if let (Shown::Difference { a, b }, true) = (shown, workspace.overlay.visible) {
            for (n, part) in comparing::parts(ui, &workspace.review, rect).into_iter().enumerate() {
                let drawn = Overlay::Difference { a: a.1, b: b.1, colors: part.colors };
                let pane = PaneId(view.plane as u64 + 16 * n as u64);
                let painter = ui.painter().with_clip_rect(part.clip.intersect(ui.clip_rect()));
                self.slice(&painter, workspace, document, (view, rect, pane), drawn, part.outline);
            }
            return;
        }
        let overlay = &workspace.overlay;
        let visible = overlay.visible;
        let drawn = match shown {
            Shown::Layer(a) if visible => document
                .case
                .layer(a)
                .filter(|l| l.visible)
                .map_or(Overlay::None, |l| Overlay::Labels { colors: colors(document, l) }),
            _ => Overlay::None,
        };
        self.slice(ui.painter(), workspace, document, (view, rect, PaneId(view.plane as u64)), drawn, true);
    }

    /// Has the device draw the slice with one overlay.
    fn slice(
        &self,
        painter: &egui::Painter,
        workspace: &Workspace,
        document: &Document,
        (view, rect, pane): (&PaneView, Rect, PaneId),
        drawn: Overlay,
        outline: bool,
    ) {
        let overlay = &workspace.overlay;
        let slice_view = SliceView {
            placement: view.voxel_from_pane(&document.case.geometry),
            pane_size: [view.size.x as u32, view.size.y as u32],
            window: document.view.window,
            lut: document.shown_table().cloned(),
            invert: document.view.invert,
            interpolation: if overlay.smooth { Interpolation::Linear } else { Interpolation::Nearest },
            overlay: drawn,
            fill_opacity: if overlay.fill || !outline { overlay.opacity } else { 0.0 },
            outline_opacity: if overlay.outline && outline { 1.0 } else { 0.0 },
            background: PANE_BACKGROUND,
        };
        let callback =
            SliceCallback { feed: self.feed.clone(), pane, view: slice_view, target_format: self.target_format };
        painter.add(eframe::egui_wgpu::Callback::new_paint_callback(rect, callback));
    }
}

/// Colours of a layer's segments, and of what a preview would change in it.
fn colors(document: &Document, layer: &Layer) -> LabelColors {
    let colors = LabelColors::from_segments(&layer.segments);
    if document.preview().is_none() && document.active_layer == Some(layer.id) && document.source_view().is_some() {
        let mut table = [[0; 4]; 256];
        for (kind, [r, g, b]) in SourceKind::ALL.into_iter().zip(SOURCE_COLORS) {
            table[usize::from(kind.number())] = [r, g, b, 255];
        }
        return LabelColors::new(table);
    }
    let Some(preview) = document.preview().filter(|p| p.layer == layer.id) else { return colors };
    let mut table = *colors.table();
    for (mark, [r, g, b]) in preview.marks.iter().zip(PREVIEW_COLORS) {
        if let Some(label) = mark {
            table[usize::from(*label)] = [r, g, b, 255];
        }
    }
    LabelColors::new(table)
}

/// Which index direction "up" is: towards the head, the front or the patient's right.
pub fn upwards(document: &Document, plane: Plane) -> i64 {
    let geometry = &document.case.geometry;
    let axis = PlaneAxes::of(geometry, plane).through;
    let direction = geometry.direction().col(axis);
    let towards = match plane {
        Plane::Axial => direction.z,
        Plane::Coronal => -direction.y,
        Plane::Sagittal => -direction.x,
    };
    if towards < 0.0 { -1 } else { 1 }
}

fn slice_slider(ui: &mut Ui, document: &Document, plane: Plane, rect: Rect, out: &mut Vec<Command>) {
    let geometry = &document.case.geometry;
    let last = PlaneAxes::of(geometry, plane).size(geometry)[2] - 1;
    let mut index = document.slice_index(plane);
    if last == 0 || rect.height() < 60.0 {
        return;
    }
    marks::ticks(ui.painter(), rect, document, plane);
    ui.scope_builder(egui::UiBuilder::new().max_rect(rect), |ui| {
        ui.spacing_mut().slider_width = rect.height() - 8.0;
        ui.spacing_mut().interact_size.y = SLIDER_WIDTH - 4.0;
        let slider = Slider::new(&mut index, 0..=last).vertical().show_value(false);
        let response = ui.add(slider);
        response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::Slider, true, format!("{} slice slider", plane.name()))
        });
        if response.changed() {
            out.push(ViewCommand::Slice { plane, index }.into());
        }
    });
}

fn hover_at(document: &Document, view: &PaneView, axes: PlaneAxes, at: DVec2) -> Hover {
    let geometry = &document.case.geometry;
    let mut position = view.voxel_from_screen(geometry, at);
    position[axes.through] = view.slice_index(geometry) as f64;
    let voxel = position.round().to_array().map(|v| v as i64);
    let segment = document.layer().and_then(|l| l.segment(l.labels.at(voxel))).map(|s| s.name.clone());
    Hover {
        plane: view.plane,
        voxel,
        world: geometry.world_from_voxel().transform_point3(position),
        hu: document.case.volume.as_ref().and_then(|v| v.at(voxel)),
        segment,
    }
}

#[expect(clippy::too_many_arguments, reason = "everything a pane shows comes together here and nowhere else")]
fn annotate(
    ui: &Ui,
    workspace: &Workspace,
    document: &Document,
    view: &PaneView,
    rect: Rect,
    belt: &ToolBelt,
    hovered: bool,
    focused: bool,
) {
    let painter = ui.painter().with_clip_rect(rect);
    let geometry = &document.case.geometry;
    let scale = ui.ctx().pixels_per_point();
    let points_per_mm = view.zoom / f64::from(scale);
    if workspace.overlay.crosshair {
        annotations::crosshair(&painter, rect, view, geometry, document.view.crosshair, scale);
    }
    annotations::letters(&painter, rect, geometry, view.plane);
    annotations::scale_bar(&painter, rect, points_per_mm);
    let number = Plane::ALL.iter().position(|&p| p == view.plane).unwrap_or(0);
    let corner = rect.left_top() + Vec2::new(8.0, 6.0);
    annotations::text(&painter, corner, Align2::LEFT_TOP, view.plane.name(), 14.0, PLANE_COLORS[number]);
    let axis = PlaneAxes::of(geometry, view.plane).through;
    let center = {
        let mut v = document.view.crosshair;
        v[axis] = view.slice;
        geometry.world_from_voxel().transform_point3(v)
    };
    let (letter, mm) = match view.plane {
        Plane::Axial => (if center.z >= 0.0 { 'H' } else { 'F' }, center.z),
        Plane::Coronal => (if center.y >= 0.0 { 'P' } else { 'A' }, center.y),
        Plane::Sagittal => (if center.x >= 0.0 { 'L' } else { 'R' }, center.x),
    };
    let place =
        format!("{} / {}   {letter} {:.1} mm", view.slice_index(geometry) + 1, view.slice_count(geometry), mm.abs());
    annotations::text(&painter, corner + Vec2::Y * 18.0, Align2::LEFT_TOP, &place, 11.5, PANE_TEXT);
    marks::status(&painter, corner + Vec2::Y * 34.0, document, view.plane);
    let window = document.view.window;
    let preset = PRESETS.iter().find(|p| p.window == window).map_or("", |p| p.name);
    // The preset's name where there is room beside the position.
    let preset = if rect.width() > 340.0 { preset } else { "" };
    let text = match document.shown_table() {
        Some(_) => "Header table".to_owned(),
        None => format!("W {:.0}  L {:.0}  {preset}", window.window_width, window.window_center),
    };
    // One line below the letter at the top, which it would meet in a narrow pane.
    let right = rect.right_top() + Vec2::new(-8.0, 24.0);
    annotations::text(&painter, right, Align2::RIGHT_TOP, text.trim_end(), 11.5, PANE_TEXT);
    if document.case.volume.is_none() {
        let reading = Color32::from_rgb(240, 200, 90);
        let corner = rect.right_top() + Vec2::new(-8.0, 6.0);
        annotations::text(&painter, corner, Align2::RIGHT_TOP, "reading slices…", 11.5, reading);
    }
    if focused {
        painter.rect_stroke(rect, 0.0, Stroke::new(1.0, PLANE_COLORS[number].gamma_multiply(0.6)), StrokeKind::Inside);
    }
    if let Some(contour) = belt.lasso.contour().filter(|c| c.axis == axis && c.index == view.slice_index(geometry)) {
        let pointer = ui.input(|i| i.pointer.hover_pos()).filter(|_| hovered);
        let way = if belt.current() == ToolKind::Wire { belt.wire.way() } else { &[] };
        annotations::contour(&painter, rect, view, geometry, contour, way, pointer, scale);
    }
    if document.preview().is_some() {
        let text = "Preview: Enter applies, Esc drops it";
        let place = rect.center_bottom() - Vec2::new(0.0, 30.0);
        annotations::text(&painter, place, Align2::CENTER_BOTTOM, text, 12.5, Color32::from_rgb(190, 255, 60));
    }
    if hovered && (belt.current().paints() || belt.current() == ToolKind::Push) {
        if let Some(pos) = ui.input(|i| i.pointer.hover_pos()) {
            let ctrl = ui.input(|i| i.modifiers.command);
            let erase = (belt.current() == ToolKind::Eraser) != ctrl;
            let mm = document.stroke_radius().unwrap_or(workspace.brush.radius_mm);
            let radius = (mm * points_per_mm) as f32;
            let square = workspace.brush.square && belt.current() != ToolKind::Push;
            annotations::brush(&painter, pos, radius, erase, square);
            ui.ctx().set_cursor_icon(if radius > 6.0 { CursorIcon::None } else { CursorIcon::Crosshair });
            paint_dot(&painter, pos);
        }
    } else if hovered {
        ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
    }
}

/// The very point the brush is centred on.
fn paint_dot(painter: &egui::Painter, pos: Pos2) {
    painter.circle_filled(pos, 1.2, Color32::from_white_alpha(220));
}
