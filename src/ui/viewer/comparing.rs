//! Two layers against each other in a pane: swipe and flicker, distances painted on the contour with a colour bar, and the
//! line between the pair of voxels behind a Hausdorff distance.

use super::annotations::text;
use crate::core::{Geometry, Plane, PlaneAxes};
use crate::metrics::SignedSurface;
use crate::render::{DifferenceColors, PaneView};
use crate::ui::theme::{DIFFERENCE_COLORS, PANE_TEXT};
use crate::workspace::{Cause, Command, Comparing, ReviewCommand, ReviewRoom};
use egui::{Align2, Color32, Mesh, Painter, PointerButton, Pos2, Rect, Response, Sense, Shape, Stroke, Ui, Vec2};
use glam::DVec3;
use std::time::Duration;

/// Seconds that flicker shows one side.
const FLICKER: f64 = 0.7;

/// What is drawn within a part of the pane.
pub struct Part {
    pub clip: Rect,
    pub colors: DifferenceColors,
    /// Outlines lie between A, B and both; where one side is shown alone they would betray the other.
    pub outline: bool,
}

/// The parts of a pane and their colours, as the chosen way of comparing asks.
pub fn parts(ui: &Ui, review: &ReviewRoom, rect: Rect) -> Vec<Part> {
    let [a, b, both] = DIFFERENCE_COLORS.map(|[r, g, b]| [r, g, b, 255]);
    let clear = [0; 4];
    let side_a = DifferenceColors { only_a: a, only_b: clear, both: a };
    let side_b = DifferenceColors { only_a: clear, only_b: b, both: b };
    match review.style {
        Comparing::Overlay => {
            vec![Part { clip: rect, colors: DifferenceColors { only_a: a, only_b: b, both }, outline: true }]
        }
        Comparing::Swipe => {
            let x = swipe_line(review, rect);
            let left = Rect::from_min_max(rect.min, Pos2::new(x, rect.max.y));
            let right = Rect::from_min_max(Pos2::new(x, rect.min.y), rect.max);
            vec![
                Part { clip: left, colors: side_a, outline: false },
                Part { clip: right, colors: side_b, outline: false },
            ]
        }
        Comparing::Flicker => {
            let time = ui.input(|i| i.time);
            let rest = FLICKER - time.rem_euclid(FLICKER);
            ui.ctx().request_repaint_after(Duration::from_secs_f64(rest.max(0.02)));
            let colors = if shows_a(time) { side_a } else { side_b };
            vec![Part { clip: rect, colors, outline: false }]
        }
        Comparing::Distance => {
            let grey = [150, 150, 150, 110];
            let colors = DifferenceColors { only_a: grey, only_b: clear, both: grey };
            vec![Part { clip: rect, colors, outline: false }]
        }
    }
}

fn shows_a(time: f64) -> bool {
    (time / FLICKER).floor().rem_euclid(2.0) < 1.0
}

fn swipe_line(review: &ReviewRoom, rect: Rect) -> f32 {
    rect.left() + rect.width() * (review.swipe + 0.5)
}

/// How far the knob of the swipe line stands above the lower edge, and its size.
const KNOB_UP: f32 = 26.0;
const KNOB: f32 = 9.0;
/// Half the width in which the pointer takes the line.
const REACH: f32 = 6.0;

/// Where the pointer takes the swipe line: all along it, or at its knob alone while a tool `edits`, so that it does not lie
/// in the way of the brush. `None` where there is no line.
pub fn grip(ui: &Ui, review: &ReviewRoom, rect: Rect, plane: Plane, pane: egui::Id, edits: bool) -> Option<Response> {
    if review.style != Comparing::Swipe {
        return None;
    }
    let x = swipe_line(review, rect);
    let place = match edits {
        true => Rect::from_center_size(Pos2::new(x, rect.bottom() - KNOB_UP), Vec2::splat(2.0 * KNOB + 4.0)),
        false => Rect::from_x_y_ranges(x - REACH..=x + REACH, rect.y_range()),
    };
    let grip = ui.interact(place.intersect(rect), pane.with("swipe"), Sense::drag());
    let name = format!("Divider of the {} pane", plane.name());
    grip.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Slider, true, name.as_str()));
    Some(grip)
}

/// Moves the line to the pointer that holds it; whether one does.
pub fn swipe(grip: &Response, rect: Rect, out: &mut Vec<Command>) -> bool {
    let held = grip.dragged_by(PointerButton::Primary);
    if let Some(pos) = grip.interact_pointer_pos().filter(|_| held) {
        out.push(ReviewCommand::Swipe((pos.x - rect.left()) / rect.width()).into());
    }
    held || grip.drag_stopped_by(PointerButton::Primary)
}

/// What is written and drawn over the slice while layers are compared.
pub fn annotate(ui: &Ui, painter: &Painter, review: &ReviewRoom, rect: Rect, view: &PaneView, geometry: &Geometry) {
    let scale = ui.ctx().pixels_per_point();
    let names = review.report.as_ref().map_or(["A", "B"], |r| [r.name_a.as_str(), r.name_b.as_str()]);
    let color = |n: usize| {
        let [r, g, b] = DIFFERENCE_COLORS[n];
        Color32::from_rgb(r, g, b)
    };
    let top = rect.top() + 44.0;
    match review.style {
        Comparing::Overlay => {}
        Comparing::Swipe => {
            let x = swipe_line(review, rect);
            painter.vline(x, rect.y_range(), Stroke::new(1.5, PANE_TEXT));
            let knob = Pos2::new(x, rect.bottom() - KNOB_UP);
            painter.circle(knob, KNOB, Color32::from_black_alpha(160), Stroke::new(1.5, PANE_TEXT));
            text(painter, Pos2::new(x - 6.0, top), Align2::RIGHT_TOP, names[0], 12.0, color(0));
            text(painter, Pos2::new(x + 6.0, top), Align2::LEFT_TOP, names[1], 12.0, color(1));
        }
        Comparing::Flicker => {
            let n = usize::from(!shows_a(ui.input(|i| i.time)));
            text(painter, Pos2::new(rect.center().x, top), Align2::CENTER_TOP, names[n], 13.0, color(n));
        }
        Comparing::Distance => {
            if let Some(signed) = review.signed.as_ref().filter(|s| !s.voxels.is_empty()) {
                painter.add(contour(signed, rect, view, geometry, scale));
                color_bar(painter, rect, signed.largest);
            }
        }
    }
}

/// The surface voxels of B in this slice, each in the colour of its distance.
fn contour(signed: &SignedSurface, rect: Rect, view: &PaneView, geometry: &Geometry, scale: f32) -> Shape {
    let axes = PlaneAxes::of(geometry, view.plane);
    let slice = view.slice_index(geometry);
    let mut mesh = Mesh::default();
    let place = |v: DVec3| {
        let at = view.screen_from_voxel(geometry, v);
        rect.min + Vec2::new(at.x as f32, at.y as f32) / scale
    };
    for (voxel, distance) in signed.voxels.iter().filter(|(v, _)| usize::from(v[axes.through]) == slice) {
        let centre = DVec3::from_array(voxel.map(f64::from));
        let mut half = DVec3::splat(0.5);
        half[axes.through] = 0.0;
        let square = Rect::from_two_pos(place(centre - half), place(centre + half));
        mesh.add_colored_rect(square, diverging(distance / signed.largest.max(f32::MIN_POSITIVE)));
    }
    Shape::mesh(mesh)
}

/// Blue for within, white for none, red for beyond; told apart with the common forms of colour blindness.
fn diverging(share: f32) -> Color32 {
    let end = if share < 0.0 { [50.0, 110.0, 235.0] } else { [225.0, 45.0, 35.0] };
    // The square root lets small distances be seen.
    let part = share.abs().min(1.0).sqrt();
    let [r, g, b] = end.map(|c: f32| 245.0 + (c - 245.0) * part).map(|c| c as u8);
    Color32::from_rgb(r, g, b)
}

fn color_bar(painter: &Painter, rect: Rect, largest: f32) {
    let height = (rect.height() * 0.4).clamp(60.0, 180.0);
    let bar =
        Rect::from_min_size(Pos2::new(rect.left() + 12.0, rect.center().y - height / 2.0), Vec2::new(10.0, height));
    let steps = 40;
    for n in 0..steps {
        let share = 1.0 - 2.0 * (n as f32 + 0.5) / steps as f32;
        let y = bar.top() + height * n as f32 / steps as f32;
        let part = Rect::from_min_size(Pos2::new(bar.left(), y), Vec2::new(10.0, height / steps as f32 + 0.5));
        painter.rect_filled(part, 0.0, diverging(share));
    }
    for (y, label) in [
        (bar.top(), format!("+{largest:.1} mm")),
        (bar.center().y, "0".into()),
        (bar.bottom(), format!("−{largest:.1} mm")),
    ] {
        text(painter, Pos2::new(bar.right() + 5.0, y), Align2::LEFT_CENTER, &label, 11.0, PANE_TEXT);
    }
    text(painter, bar.center_top() - Vec2::new(5.0, 9.0), Align2::LEFT_BOTTOM, "B from A", 11.0, PANE_TEXT);
}

/// The line between the two voxels, in every plane whose slice lies between them.
pub fn cause(painter: &Painter, cause: &Cause, rect: Rect, view: &PaneView, geometry: &Geometry, scale: f32) {
    let through = PlaneAxes::of(geometry, view.plane).through;
    let slice = view.slice_index(geometry);
    let ends = [cause.at[through], cause.nearest[through]];
    if slice < ends[0].min(ends[1]) || slice > ends[0].max(ends[1]) {
        return;
    }
    let place = |v: [usize; 3]| {
        let at = view.screen_from_voxel(geometry, DVec3::from_array(v.map(|v| v as f64)));
        rect.min + Vec2::new(at.x as f32, at.y as f32) / scale
    };
    let (from, to) = (place(cause.at), place(cause.nearest));
    for (width, color) in [(4.0, Color32::from_black_alpha(180)), (1.8, LINE)] {
        painter.line_segment([from, to], Stroke::new(width, color));
    }
    for (at, is_end) in [(from, true), (to, false)] {
        painter.circle(at, if is_end { 4.5 } else { 3.5 }, Color32::from_black_alpha(120), Stroke::new(1.8, LINE));
    }
    let label = format!("{:.2} mm", cause.mm);
    text(painter, from + Vec2::new(8.0, -8.0), Align2::LEFT_BOTTOM, &label, 12.0, LINE);
}

/// Magenta: no segment and no plane has it.
const LINE: Color32 = Color32::from_rgb(255, 110, 230);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_white_in_the_middle_and_ends_in_two_colours() {
        let [r, g, b, _] = diverging(0.0).to_array();
        assert!(r == g && g == b && r > 240);
        assert!(diverging(-1.0).b() > 200 && diverging(-1.0).r() < 80);
        assert!(diverging(1.0).r() > 200 && diverging(1.0).b() < 80);
        assert_eq!(diverging(7.0), diverging(1.0));
    }
}
