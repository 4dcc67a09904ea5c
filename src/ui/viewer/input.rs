//! Pointer and wheel over a pane: tools get voxel positions, the pane gets pan and zoom.

use super::annotations::pixel;
use super::measures;
use super::wire::WireHand;
use crate::core::{Geometry, Measurement, PlaneAxes, PlaneDirections, TurnedPlane, Volume, Window};
use crate::render::PaneView;
use crate::tools::{
    BrushTool, CrosshairTool, FillTool, IslandTool, LassoTool, MeasureTool, Phase, PointerEvent, PromptTool, PushTool,
    RegionTool, Tool, ToolKind, WindowLevelTool,
};
use crate::workspace::{Command, EditCommand};
use egui::{Event, MouseWheelUnit, PointerButton, Pos2, Rect, Ui, Vec2};
use glam::DVec2;

/// Points of smooth scrolling that count as one notch of a wheel.
const POINTS_PER_NOTCH: f32 = 40.0;
/// Points around the first corner of a polygon within which a click closes it.
const CLOSING_DISTANCE: f32 = 9.0;

/// The tools with their drag state, shared by all panes.
#[derive(Default)]
pub struct ToolBelt {
    current: ToolKind,
    previous: ToolKind,
    brush: BrushTool,
    crosshair: CrosshairTool,
    window_level: WindowLevelTool,
    pub lasso: LassoTool,
    pub region: RegionTool,
    pub island: IslandTool,
    fill: FillTool,
    push: PushTool,
    pub wire: WireHand,
    pub measure: MeasureTool,
    pub prompt: PromptTool,
    /// The secondary button's own window/level.
    side: WindowLevelTool,
    /// Pane in which a drag began, with its button.
    grab: Option<(egui::Id, PointerButton, Pos2)>,
}

impl ToolBelt {
    /// The tool in hand.
    pub fn current(&self) -> ToolKind {
        self.current
    }

    /// Takes another tool.
    pub fn choose(&mut self, tool: ToolKind) {
        if tool != self.current {
            self.drop_drafts();
            self.previous = self.current;
            self.current = tool;
        }
    }

    /// Swaps with the tool before.
    pub fn swap(&mut self) {
        self.drop_drafts();
        std::mem::swap(&mut self.current, &mut self.previous);
    }

    /// Forgets the contour that is being drawn.
    pub fn drop_contour(&mut self) {
        self.lasso.drop_contour();
        self.wire.forget();
    }

    /// Ends the contour that is being drawn and applies it.
    pub fn close_contour(&mut self) -> Vec<Command> {
        self.wire.finish(&mut self.lasso);
        self.wire.forget();
        self.lasso.close()
    }

    /// Whether a drag is going on.
    pub fn is_dragging(&self) -> bool {
        self.grab.is_some()
    }

    /// Whether a stroke is being made.
    pub fn is_painting(&self) -> bool {
        self.current.paints() && matches!(self.grab, Some((_, PointerButton::Primary, _)))
    }

    /// The button that is held in a pane.
    pub fn held_in(&self, pane: egui::Id) -> Option<PointerButton> {
        self.grab.filter(|(id, ..)| *id == pane).map(|(_, button, _)| button)
    }

    /// Forgets what was begun and is made by further clicks.
    fn drop_drafts(&mut self) {
        self.drop_contour();
        self.measure.drop_draft();
    }

    fn tool(&mut self, button: PointerButton) -> &mut dyn Tool {
        if button == PointerButton::Secondary {
            return &mut self.side;
        }
        match self.current {
            ToolKind::Crosshair => &mut self.crosshair,
            ToolKind::WindowLevel => &mut self.window_level,
            // The edge lasso's clicks are taken before: what is left for the lasso is to give up.
            ToolKind::Lasso | ToolKind::Wire => &mut self.lasso,
            ToolKind::Fill => &mut self.fill,
            ToolKind::Push => &mut self.push,
            ToolKind::Region => &mut self.region,
            ToolKind::Island => &mut self.island,
            ToolKind::Measure => &mut self.measure,
            ToolKind::Prompt => &mut self.prompt,
            ToolKind::Brush | ToolKind::Eraser => {
                self.brush.erase = self.current == ToolKind::Eraser;
                &mut self.brush
            }
        }
    }
}

/// What the wheel asked for over a pane.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct WheelRequest {
    /// Notches upwards.
    pub slices: f32,
    /// Factor of the zoom.
    pub zoom: f32,
    /// Factor of the brush.
    pub brush: f32,
}

impl WheelRequest {
    /// What a wheel asks for that stands still.
    pub const NOTHING: Self = Self { slices: 0.0, zoom: 1.0, brush: 1.0 };
}

/// Adds up the wheel events of this frame.
pub fn wheel(ui: &Ui) -> WheelRequest {
    let mut request = WheelRequest::NOTHING;
    ui.input(|input| {
        for event in &input.events {
            if let Event::MouseWheel { unit, delta, modifiers, .. } = event {
                let notches = match unit {
                    MouseWheelUnit::Point => delta.y / POINTS_PER_NOTCH,
                    MouseWheelUnit::Line => delta.y,
                    MouseWheelUnit::Page => delta.y * 10.0,
                };
                if modifiers.command || modifiers.ctrl {
                    request.zoom *= 1.15f32.powf(notches);
                } else if modifiers.shift {
                    // Some systems turn Shift + wheel sideways.
                    let notches = if notches == 0.0 { delta.x } else { notches };
                    request.brush *= 1.1f32.powf(notches.clamp(-5.0, 5.0));
                } else {
                    request.slices += notches;
                }
            }
        }
    });
    request
}

/// What a pane is to its pointer.
pub struct PaneInput<'a> {
    pub id: egui::Id,
    pub rect: Rect,
    pub geometry: &'a Geometry,
    pub window: Window,
    pub measurements: &'a [Measurement],
    /// Physical pixels per point.
    pub scale: f32,
    /// Whether the pointer is over this pane and nothing lies above it.
    pub hovered: bool,
    /// What the edge lasso follows; `None` while slices are still being read.
    pub image: Option<&'a Volume>,
}

/// Feeds this frame's pointer events to the tool in hand; pans with the middle button.
pub fn pointer(ui: &Ui, pane: &PaneInput<'_>, view: &mut PaneView, belt: &mut ToolBelt) -> Vec<Command> {
    let mut out = Vec::new();
    let events = ui.input(|i| i.events.clone());
    for event in &events {
        match event {
            Event::PointerButton { pos, button, pressed: true, modifiers }
                if belt.grab.is_none() && pane.hovered && pane.rect.contains(*pos) =>
            {
                belt.grab = Some((pane.id, *button, *pos));
                if *button != PointerButton::Middle {
                    let inverse = modifiers.ctrl || modifiers.command;
                    if *button == PointerButton::Primary && closes_contour(pane, view, belt, *pos) {
                        out.extend(belt.close_contour());
                        continue;
                    }
                    if *button == PointerButton::Primary && !may_begin(view, belt) {
                        belt.grab = None;
                        continue;
                    }
                    if belt.current == ToolKind::Measure {
                        belt.measure.under = point_under(pane, view, *pos);
                    }
                    let e = make(pane, view, Phase::Press, *pos, Vec2::ZERO, inverse);
                    if *button == PointerButton::Primary && belt.current == ToolKind::Wire {
                        if belt.wire.press(&mut belt.lasso, pane.image, &e) {
                            out.extend(belt.close_contour());
                        }
                        continue;
                    }
                    out.extend(belt.tool(*button).pointer(&e));
                }
            }
            Event::PointerMoved(pos) => {
                if let Some((id, button, last)) = belt.grab
                    && id == pane.id
                {
                    belt.grab = Some((id, button, *pos));
                    let delta = *pos - last;
                    if button == PointerButton::Middle {
                        let pixels = delta * pane.scale;
                        view.pan(pane.geometry, DVec2::new(f64::from(pixels.x), f64::from(pixels.y)));
                    } else {
                        let e = make(pane, view, Phase::Drag, *pos, delta, false);
                        if button == PointerButton::Secondary || belt.current != ToolKind::Wire {
                            out.extend(belt.tool(button).pointer(&e));
                        }
                    }
                }
                if pane.hovered && belt.current == ToolKind::Wire {
                    let e = make(pane, view, Phase::Drag, *pos, Vec2::ZERO, false);
                    belt.wire.follow(&belt.lasso, &e);
                }
            }
            Event::PointerButton { pos, button, pressed: false, .. } => {
                end(pane, view, belt, Phase::Release, Some((*button, *pos)), &mut out);
            }
            Event::PointerGone | Event::WindowFocused(false) => {
                // A stroke that leaves the window is finished where it left, not lost.
                end(pane, view, belt, Phase::Release, None, &mut out);
            }
            Event::Key { key: egui::Key::Escape, pressed: true, .. } => {
                if belt.grab.is_none() && !crate::ui::shortcuts::is_writing(ui.ctx()) {
                    belt.drop_drafts();
                    out.push(EditCommand::CancelPreview.into());
                }
                end(pane, view, belt, Phase::Cancel, None, &mut out);
            }
            _ => {}
        }
    }
    out
}

/// Regions are drawn, edges followed and prompts given on slices of the grid; on turned planes the other tools work.
pub fn may_begin(view: &PaneView, belt: &ToolBelt) -> bool {
    let region = belt.current == ToolKind::Measure && belt.measure.kind().is_region();
    view.oblique.is_none() || (belt.current.works_turned() && !region)
}

/// The plane of a pane, when it is none of the grid's.
pub fn turned(view: &PaneView) -> Option<TurnedPlane> {
    let frame = view.oblique.as_ref()?;
    Some(TurnedPlane::through(PlaneDirections { right: frame.right, down: frame.down }, frame.origin))
}

/// The point of a kept measurement that a press takes hold of.
fn point_under(pane: &PaneInput<'_>, view: &PaneView, pos: Pos2) -> Option<(Measurement, usize)> {
    let here = pixel(pane.rect, pos, pane.scale);
    let shown = pane.measurements.iter().filter(|m| measures::is_shown(m, view, pane.geometry));
    let points = shown.flat_map(|m| m.shape.points().iter().enumerate().map(move |(n, p)| (m, n, *p)));
    let distance = |p| (view.screen_from_voxel(pane.geometry, p) - here).length();
    let (measurement, n, point) = points.min_by(|a, b| distance(a.2).total_cmp(&distance(b.2)))?;
    (distance(point) <= f64::from(CLOSING_DISTANCE * pane.scale)).then(|| (measurement.clone(), n))
}

/// Whether a press lies on the first corner of the polygon that is being drawn in this pane.
fn closes_contour(pane: &PaneInput<'_>, view: &PaneView, belt: &ToolBelt, pos: Pos2) -> bool {
    let Some(contour) = belt.lasso.contour().filter(|_| belt.current.draws()) else { return false };
    let through = PlaneAxes::of(pane.geometry, view.plane).through;
    let here = contour.lies_on(through, view.slice_index(pane.geometry), turned(view).as_ref());
    if !here || contour.corners.len() < 3 {
        return false;
    }
    let first = view.screen_from_voxel(pane.geometry, contour.corners[0]);
    let here = pixel(pane.rect, pos, pane.scale);
    (first - here).length() <= f64::from(CLOSING_DISTANCE * pane.scale)
}

fn end(
    pane: &PaneInput<'_>,
    view: &PaneView,
    belt: &mut ToolBelt,
    phase: Phase,
    at: Option<(PointerButton, Pos2)>,
    out: &mut Vec<Command>,
) {
    let Some((id, held, last)) = belt.grab else { return };
    if id != pane.id || at.is_some_and(|(button, _)| button != held) {
        return;
    }
    belt.grab = None;
    let clicked = held == PointerButton::Primary && belt.current == ToolKind::Wire && phase == Phase::Release;
    if held != PointerButton::Middle && !clicked {
        let pos = at.map_or(last, |(_, pos)| pos);
        let e = make(pane, view, phase, pos, pos - last, false);
        out.extend(belt.tool(held).pointer(&e));
    }
}

fn make(pane: &PaneInput<'_>, view: &PaneView, phase: Phase, pos: Pos2, delta: Vec2, inverse: bool) -> PointerEvent {
    let axes = PlaneAxes::of(pane.geometry, view.plane);
    let mut voxel = view.voxel_from_screen(pane.geometry, pixel(pane.rect, pos, pane.scale));
    if view.oblique.is_none() {
        voxel[axes.through] = view.slice_index(pane.geometry) as f64;
    }
    PointerEvent {
        phase,
        plane: view.plane,
        through_axis: axes.through,
        turned: turned(view),
        voxel,
        delta: DVec2::new(f64::from(delta.x), f64::from(delta.y)),
        inverse,
        window: pane.window,
    }
}
