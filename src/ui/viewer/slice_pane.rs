//! One slice pane: its picture, its pointer and wheel.

use super::annotations::{self, pixel};
use super::comparing;
use super::gpu::SliceCallback;
use super::marks;
use super::pane_marks::Marks;
use super::{Hover, Shown, ToolBelt, Viewer, input};
use crate::core::{CaseId, Layer, LayerId, Plane, PlaneAxes, PlaneDirections, Window};
use crate::render::{Fusion, LabelColors, Overlay, PaneId, PaneView, PlaneFrame, Slab, SliceView};
use crate::tools::ToolKind;
use crate::ui::theme::{PANE_BACKGROUND, PREVIEW_COLORS, SOURCE_COLORS};
use crate::workspace::{
    Command, Document, EditCommand, LayerCommand, OpenCommand, PictureCommand, SourceKind, ViewCommand, Workspace,
};
use egui::{Rect, Sense, Slider, Ui, Vec2};
use glam::{DVec2, DVec3};

/// Width of the slice slider at the right of a pane.
const SLIDER_WIDTH: f32 = 18.0;
/// Samples of a slab to either side of its plane at most.
const MOST_SAMPLES: f64 = 200.0;

/// What a pane shows.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceSpec {
    /// 0 for the planes of the active case, 1 and above for panes side by side.
    pub slot: u8,
    pub case: CaseId,
    pub plane: Plane,
    pub shown: Shown,
    /// The layer that a hand in a pane side by side works on.
    pub layer: Option<LayerId>,
    /// Position and window, when they are those of another pane.
    pub linked: Option<Linked>,
}

/// What a pane takes over from the active case.
#[derive(Debug, Clone, PartialEq)]
pub struct Linked {
    /// In voxels of the pane's own case.
    pub crosshair: DVec3,
    pub window: Window,
    pub oblique: Option<[PlaneDirections; 3]>,
}

/// What a pane looks at, whether it is its own or taken over.
pub(super) struct Look {
    pub crosshair: DVec3,
    pub window: Window,
    /// The header's table is shown in place of the window.
    pub table: bool,
    /// How the three planes lie, when they are turned.
    pub oblique: Option<[PlaneDirections; 3]>,
}

impl Look {
    fn of(document: &Document, linked: Option<&Linked>) -> Self {
        match linked {
            None => Self {
                crosshair: document.view.crosshair,
                window: document.view.window,
                table: document.shown_table().is_some(),
                oblique: document.view.oblique,
            },
            Some(l) => Self { crosshair: l.crosshair, window: l.window, table: false, oblique: l.oblique },
        }
    }
}

impl Viewer {
    /// Draws one pane and reacts to its pointer. `maximise` is set by a double click.
    pub fn pane(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        spec: &SliceSpec,
        belt: &mut ToolBelt,
        maximise: &mut bool,
    ) -> Vec<Command> {
        let mut out = Vec::new();
        let plane = spec.plane;
        let full = ui.available_rect_before_wrap();
        let Some(document) = workspace.document(spec.case) else { return out };
        let look = Look::of(document, spec.linked.as_ref());
        let geometry = document.case.geometry;
        let rect = Rect::from_min_max(full.min, full.max - Vec2::new(SLIDER_WIDTH, 0.0));
        let axes = PlaneAxes::of(&geometry, plane);
        let slice = look.crosshair[axes.through].round().clamp(0.0, geometry.dims()[axes.through] as f64 - 1.0);
        if look.oblique.is_none() {
            let place = Rect::from_min_max(rect.right_top(), full.max);
            if slice_slider(ui, document, spec, slice as usize, place, &mut out) {
                self.focus = plane;
            }
        }
        if rect.width() < 8.0 || rect.height() < 8.0 {
            return out;
        }
        let id = ui.make_persistent_id(("slice pane", spec.slot, plane.name()));
        let response = ui.interact(rect, id, Sense::click());
        self.take_keyboard(&response);
        if response.gained_focus() {
            self.focus = plane;
        }
        let has_keys = self.focus == plane && spec.slot == 0;
        response.widget_info(|| {
            let text = format!("{} slice {}", plane.name(), slice as usize + 1);
            let mut info = egui::WidgetInfo::labeled(egui::Role::Image, true, text);
            info.current_text_value = has_keys.then(|| "Keys act here".to_owned());
            info
        });
        let scale = ui.ctx().pixels_per_point();
        let size = DVec2::new(f64::from(rect.width() * scale).round(), f64::from(rect.height() * scale).round());
        let key = (spec.slot, document.case.id, plane);
        let mut view = *self.panes.entry(key).or_insert_with(|| PaneView::fit(plane, &geometry, size));
        if view.size != size {
            view.resize(&geometry, size);
        }
        let frame = look.oblique.as_ref().map(|planes| frame(&geometry, planes, plane, look.crosshair));
        view.set_oblique(&geometry, frame);
        if self.refit {
            view.refit(&geometry);
        }
        self.follow_linked_view(spec, workspace, &mut view);
        view.set_slice(&geometry, slice);

        let hovered = response.contains_pointer() && ui.rect_contains_pointer(rect);
        let before = view;
        if hovered {
            let wheel = input::wheel(ui);
            let (pos, pressed) = ui.input(|i| (i.pointer.hover_pos(), i.pointer.any_pressed()));
            let pointed = pos.map(|pos| (id, pos));
            if pressed || wheel != input::WheelRequest::NOTHING || pointed != self.pointed {
                self.focus = plane;
            }
            self.pointed = pointed;
            if let Some(pos) = pos {
                if wheel.zoom != 1.0 {
                    view.zoom_at(&geometry, pixel(rect, pos, scale), f64::from(wheel.zoom));
                }
                self.hover = Some(hover_at(workspace, document, spec.shown, &view, axes, pixel(rect, pos, scale)));
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
        let difference = matches!(spec.shown, Shown::Difference { .. }) && workspace.overlay.visible;
        let turning = self.turn_planes(ui, workspace, document, belt, &look, &view, rect, id, hovered, &mut out);
        let grip = (difference && !turning && !belt.is_dragging())
            .then(|| comparing::grip(ui, &workspace.review, rect, plane, id, belt.current().edits()))
            .flatten();
        let swiping = grip.as_ref().is_some_and(|g| comparing::swipe(g, rect, &mut out));
        if workspace.documents().iter().all(|d| d.preview().is_none() && !d.is_operating()) {
            belt.region.settle();
        }
        if !turning && !swiping {
            let pane = input::PaneInput {
                id,
                rect,
                geometry: &geometry,
                window: look.window,
                measurements: &document.measurements,
                scale,
                hovered,
                image: document.case.volume.as_deref(),
            };
            out.extend(input::pointer(ui, &pane, &mut view, belt));
        }
        if response.double_clicked() && !belt.current().edits() && belt.current() != ToolKind::Measure {
            *maximise = true;
        }
        if view.center != before.center || view.zoom != before.zoom {
            self.link_view(spec, &view, &geometry);
        }
        self.panes.insert(key, view);
        self.paint(ui, workspace, document, &look, &view, rect, spec, belt.is_painting());
        let marks = Marks { workspace, document, look: &look, view: &view, rect, scale, hovered };
        marks.draw(ui, belt, self.focus == plane && spec.slot == 0, &mut self.figures);
        let painter = ui.painter().with_clip_rect(rect);
        if difference {
            comparing::annotate(ui, &painter, &workspace.review, rect, &view, &geometry);
        }
        if grip.is_some_and(|g| g.hovered() || g.dragged()) {
            ui.ctx().set_cursor_icon(egui::CursorIcon::ResizeHorizontal);
        }
        let compared = workspace.review.layers.is_some_and(|(case, ..)| case == spec.case);
        if let Some(cause) = workspace.review.cause.filter(|_| compared && view.oblique.is_none()) {
            comparing::cause(&painter, &cause, rect, &view, &geometry, scale);
        }
        prefix_activation(workspace, spec, &mut out);
        out
    }

    /// Handles on the lines of the crosshair turn the other two planes; whether the pointer is taken by one.
    #[expect(clippy::too_many_arguments, reason = "everything a pane knows comes together here and nowhere else")]
    fn turn_planes(
        &mut self,
        ui: &Ui,
        workspace: &Workspace,
        document: &Document,
        belt: &ToolBelt,
        look: &Look,
        view: &PaneView,
        rect: Rect,
        id: egui::Id,
        hovered: bool,
        out: &mut Vec<Command>,
    ) -> bool {
        if belt.current() != ToolKind::Crosshair || belt.is_dragging() || !workspace.overlay.crosshair {
            self.turning = None;
            return false;
        }
        let geometry = &document.case.geometry;
        let directions = look.oblique.unwrap_or_else(|| Plane::ALL.map(|p| PlaneDirections::straight(geometry, p)));
        let scale = ui.ctx().pixels_per_point();
        let at = view.screen_from_voxel(geometry, look.crosshair);
        let at = rect.min + Vec2::new(at.x as f32, at.y as f32) / scale;
        let handles = annotations::turn_handles(rect, at, view, &directions);
        let (pointer, pressed, down) =
            ui.input(|i| (i.pointer.latest_pos(), i.pointer.primary_pressed(), i.pointer.primary_down()));
        let Some(pointer) = pointer else { return false };
        if pressed && hovered && handles.iter().any(|(h, _)| (*h - pointer).length() < annotations::TURN_HANDLE) {
            self.turning = Some((id, (pointer - at).angle()));
            return true;
        }
        let Some((pane, before)) = self.turning.filter(|(pane, _)| *pane == id) else { return false };
        if !down {
            self.turning = None;
            return true;
        }
        let now = (pointer - at).angle();
        if now != before {
            self.turning = Some((pane, now));
            out.push(PictureCommand::Turn { plane: view.plane, radians: f64::from(now - before) }.into());
        }
        true
    }

    #[expect(clippy::too_many_arguments, reason = "everything a pane shows comes together here and nowhere else")]
    fn paint(
        &self,
        ui: &Ui,
        workspace: &Workspace,
        document: &Document,
        look: &Look,
        view: &PaneView,
        rect: Rect,
        spec: &SliceSpec,
        painting: bool,
    ) {
        let overlay = &workspace.overlay;
        let visible = overlay.visible;
        let drawn = match spec.shown {
            Shown::Layer(a) if visible => document
                .case
                .layer(a)
                .filter(|l| l.visible || spec.slot > 0)
                .map_or(Overlay::None, |l| Overlay::Labels { colors: colors(document, l) }),
            _ => Overlay::None,
        };
        // Layers against each other may be drawn in parts; everything else is one.
        let parts: Vec<(Rect, Overlay, bool)> = match spec.shown {
            Shown::Difference { a, b } if visible => comparing::parts(ui, &workspace.review, rect)
                .into_iter()
                .map(|p| (p.clip, Overlay::Difference { a: a.1, b: b.1, colors: p.colors }, p.outline))
                .collect(),
            _ => vec![(rect, drawn, true)],
        };
        let outline_only = painting && overlay.outline_while_painting;
        let (fused, fusion) = fusion(workspace, document).unzip();
        for (n, (clip, drawn, outlined)) in parts.into_iter().enumerate() {
            let slice_view = SliceView {
                placement: view.voxel_from_pane(&document.case.geometry),
                pane_size: [view.size.x as u32, view.size.y as u32],
                window: look.window,
                lut: document.shown_table().filter(|_| look.table).cloned(),
                invert: document.view.invert,
                interpolation: overlay.interpolation,
                slab: slab(document, view),
                color_map: document.view.color_map,
                fusion,
                overlay: drawn,
                fill_opacity: if (overlay.fill || !outlined) && !outline_only { overlay.opacity } else { 0.0 },
                outline_opacity: if (overlay.outline || outline_only) && outlined { 1.0 } else { 0.0 },
                background: PANE_BACKGROUND,
            };
            let callback = SliceCallback {
                feed: self.feed.clone(),
                frame: self.frame,
                rect,
                pane: PaneId(u64::from(spec.slot) * 8 + 4 * n as u64 + view.plane as u64),
                case: document.case.id,
                layers: spec.shown.layers(),
                fused,
                view: slice_view,
                target_format: self.target_format,
            };
            let painter = ui.painter().with_clip_rect(clip.intersect(ui.clip_rect()));
            painter.add(eframe::egui_wgpu::Callback::new_paint_callback(rect, callback));
        }
    }
}

/// A turned plane through a voxel position.
fn frame(
    geometry: &crate::core::Geometry,
    planes: &[PlaneDirections; 3],
    plane: Plane,
    crosshair: DVec3,
) -> PlaneFrame {
    let n = Plane::ALL.iter().position(|&p| p == plane).unwrap_or(0);
    let point = geometry.world_from_voxel().transform_point3(crosshair);
    PlaneFrame::through(geometry, planes[n].right, planes[n].down, point)
}

/// A thick slice as samples: the slices within it, or on a turned plane samples a voxel apart.
fn slab(document: &Document, view: &PaneView) -> Option<Slab> {
    let choice = document.view.slab;
    let geometry = &document.case.geometry;
    let spacing = match view.oblique {
        Some(_) => geometry.spacing().min_element(),
        None => geometry.spacing()[PlaneAxes::of(geometry, view.plane).through],
    };
    let half = (choice.mm / 2.0 / spacing).floor().min(MOST_SAMPLES) as u32;
    (half > 0).then(|| Slab { mode: choice.mode, step: view.depth_step(geometry) * spacing, half })
}

/// The case laid over and how.
pub(super) fn fusion(workspace: &Workspace, document: &Document) -> Option<(CaseId, Fusion)> {
    let choice = document.view.fusion?;
    let other = workspace.document(choice.case)?;
    let fused_from_voxel = other.case.geometry.voxel_from_world() * document.case.geometry.world_from_voxel();
    let fusion =
        Fusion { fused_from_voxel, window: choice.window, color_map: choice.color_map, opacity: choice.opacity };
    Some((choice.case, fusion))
}

/// What a hand does in a pane of another case or layer is meant for these: they become the active ones first, with
/// position and window as they are seen.
fn prefix_activation(workspace: &Workspace, spec: &SliceSpec, out: &mut Vec<Command>) {
    let idle = |c: &Command| matches!(c, Command::Edit(EditCommand::CancelPreview | EditCommand::BrushRadius(_)));
    if spec.slot == 0 || out.iter().all(idle) {
        return;
    }
    let mut first: Vec<Command> = Vec::new();
    let active = workspace.active_document();
    if active.map(|d| d.case.id) != Some(spec.case) {
        first.push(OpenCommand::Activate(spec.case).into());
        if let Some(linked) = &spec.linked {
            first.push(ViewCommand::Window(linked.window).into());
            first.push(ViewCommand::Crosshair(linked.crosshair).into());
        }
    }
    if let Some(layer) = spec.layer
        && workspace.document(spec.case).is_some_and(|d| d.active_layer != Some(layer))
    {
        first.push(LayerCommand::Select(layer).into());
    }
    out.splice(0..0, first);
}

/// Colours of a layer's segments, and of what a preview would change in it.
pub(super) fn colors(document: &Document, layer: &Layer) -> LabelColors {
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

/// The slider of a pane; whether it was just reached by Tab.
fn slice_slider(
    ui: &mut Ui,
    document: &Document,
    spec: &SliceSpec,
    slice: usize,
    rect: Rect,
    out: &mut Vec<Command>,
) -> bool {
    let plane = spec.plane;
    let geometry = &document.case.geometry;
    let last = PlaneAxes::of(geometry, plane).size(geometry)[2] - 1;
    let mut index = slice;
    if last == 0 || rect.height() < 60.0 {
        return false;
    }
    marks::ticks(ui.painter(), rect, document, plane);
    let slider = ui.scope_builder(egui::UiBuilder::new().max_rect(rect), |ui| {
        ui.spacing_mut().slider_width = rect.height() - 8.0;
        // The strip is black in both themes: a bright rail beside the image would dazzle.
        if !ui.visuals().dark_mode {
            ui.visuals_mut().widgets = egui::Visuals::dark().widgets;
        }
        // All of the strip can be taken hold of.
        ui.spacing_mut().interact_size.y = SLIDER_WIDTH;
        let slider = Slider::new(&mut index, 0..=last).vertical().show_value(false);
        let response = ui.add(slider);
        response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::Slider, true, format!("{} slice slider", plane.name()))
        });
        if response.changed() {
            out.push(ViewCommand::Slice { plane, index }.into());
        }
        response.gained_focus()
    });
    slider.inner
}

fn hover_at(
    workspace: &Workspace,
    document: &Document,
    shown: Shown,
    view: &PaneView,
    axes: PlaneAxes,
    at: DVec2,
) -> Hover {
    let geometry = &document.case.geometry;
    let mut position = view.voxel_from_screen(geometry, at);
    if view.oblique.is_none() {
        position[axes.through] = view.slice_index(geometry) as f64;
    }
    let voxel = nearest(position);
    let layer = match shown {
        Shown::Layer(a) => document.case.layer(a),
        _ => document.layer(),
    };
    let segment = layer.and_then(|l| l.segment(l.labels.at(voxel))).map(|s| s.name.clone());
    let world = geometry.world_from_voxel().transform_point3(position);
    // The other case has a grid of its own: what lies over a point is found by its place in the patient.
    let over = document
        .view
        .fusion
        .and_then(|fusion| workspace.document(fusion.case))
        .and_then(|other| value_at(other, nearest(other.case.geometry.voxel_from_world().transform_point3(world))));
    Hover { plane: view.plane, voxel, world, value: value_at(document, voxel), over, segment }
}

/// The voxel that a position lies in.
fn nearest(position: DVec3) -> [i64; 3] {
    position.round().to_array().map(|v| v as i64)
}

/// A value with its unit, or that there is none; `None` while the image is still being read.
fn value_at(document: &Document, voxel: [i64; 3]) -> Option<String> {
    let volume = document.case.volume.as_ref()?;
    Some(volume.at(voxel).map_or_else(|| "outside".to_owned(), |value| document.values().text(value)))
}
