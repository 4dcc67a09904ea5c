//! What is written and drawn over a slice: orientation letters, scale bar, slice position, crosshair, brush.

use crate::core::{Geometry, Plane, PlaneAxes, PlaneDirections};
use crate::render::PaneView;
use crate::tools::Contour;
use crate::ui::theme::{PANE_TEXT, PLANE_COLORS, PROMPT_COLORS};
use egui::{Align2, Color32, FontId, Painter, Pos2, Rect, Stroke, Vec2};
use glam::{DVec2, DVec3};

/// Text with a dark rim, readable on bone and on air.
pub fn text(painter: &Painter, pos: Pos2, align: Align2, text: &str, size: f32, color: Color32) {
    let font = FontId::proportional(size);
    for offset in [Vec2::new(1.0, 1.0), Vec2::new(-1.0, 1.0), Vec2::new(1.0, -1.0), Vec2::new(-1.0, -1.0)] {
        painter.text(pos + offset, align, text, font.clone(), Color32::from_black_alpha(200));
    }
    painter.text(pos, align, text, font, color);
}

/// Letters at the four edges; of a turned plane those that are nearest.
pub fn letters(painter: &Painter, rect: Rect, geometry: &Geometry, view: &PaneView) {
    let [left, right, top, bottom] = match &view.oblique {
        None => PlaneAxes::of(geometry, view.plane).letters(geometry).map(String::from),
        Some(frame) => [-frame.right, frame.right, -frame.down, frame.down].map(direction_letters),
    };
    let inner = rect.shrink(6.0);
    for (pos, align, letter) in [
        (inner.left_center(), Align2::LEFT_CENTER, left),
        (inner.right_center() - Vec2::new(16.0, 0.0), Align2::RIGHT_CENTER, right),
        (inner.center_top(), Align2::CENTER_TOP, top),
        (inner.center_bottom(), Align2::CENTER_BOTTOM, bottom),
    ] {
        text(painter, pos, align, &letter, 15.0, PANE_TEXT);
    }
}

/// The patient's sides that a direction points to, the nearest first: DICOM PS3.3 C.7.6.1.1.1.
fn direction_letters(direction: DVec3) -> String {
    let mut parts = [(direction.x, ["R", "L"]), (direction.y, ["A", "P"]), (direction.z, ["F", "H"])];
    parts.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    // Half of a right angle's half: a side that is further off says nothing.
    parts.iter().filter(|(v, _)| v.abs() > 0.38).map(|(v, letters)| letters[usize::from(*v > 0.0)]).collect()
}

/// A bar of a round length near a quarter of the pane's width.
pub fn scale_bar(painter: &Painter, rect: Rect, points_per_mm: f64) {
    let Some((mm, points)) = round_length(f64::from(rect.width()) / 4.0, points_per_mm) else { return };
    let left = Pos2::new(rect.left() + 10.0, rect.bottom() - 12.0);
    let right = left + Vec2::new(points as f32, 0.0);
    for (width, color) in [(4.0, Color32::from_black_alpha(200)), (2.0, PANE_TEXT)] {
        let stroke = Stroke::new(width, color);
        painter.line_segment([left, right], stroke);
        painter.line_segment([left - Vec2::Y * 4.0, left + Vec2::Y * 4.0], stroke);
        painter.line_segment([right - Vec2::Y * 4.0, right + Vec2::Y * 4.0], stroke);
    }
    let label = if mm >= 10.0 { format!("{} cm", mm / 10.0) } else { format!("{mm} mm") };
    text(painter, right + Vec2::new(6.0, 0.0), Align2::LEFT_CENTER, &label, 11.5, PANE_TEXT);
}

/// The largest of 1, 2, 5 x 10^n mm that fits into `room` points, and its length in points.
fn round_length(room: f64, points_per_mm: f64) -> Option<(f64, f64)> {
    if !(room > 0.0 && points_per_mm > 0.0 && points_per_mm.is_finite()) {
        return None;
    }
    let limit = room / points_per_mm;
    let power = 10f64.powf(limit.log10().floor());
    let mm = [5.0, 2.0, 1.0].into_iter().map(|m| m * power).find(|&m| m <= limit)?;
    Some((mm, mm * points_per_mm))
}

/// Lines where two turned planes cut this one, through the crosshair; `directions` are those of the three planes.
/// Gives the handles by which they are turned further.
pub fn turned_crosshair(
    painter: &Painter,
    rect: Rect,
    view: &PaneView,
    geometry: &Geometry,
    voxel: DVec3,
    directions: &[PlaneDirections; 3],
    scale: f32,
) {
    let at = view.screen_from_voxel(geometry, voxel);
    let at = rect.min + Vec2::new(at.x as f32, at.y as f32) / scale;
    let gap = 12.0;
    for (line, color) in crosshair_lines(view, directions) {
        let reach = rect.width() + rect.height();
        for side in [line, -line] {
            painter.line_segment([at + side * gap, at + side * reach], Stroke::new(1.0, color.gamma_multiply(0.75)));
        }
    }
}

/// Points within which a press takes hold of a handle.
pub const TURN_HANDLE: f32 = 9.0;

/// Where the lines of the crosshair can be taken hold of to turn the other planes, inside the pane.
pub fn turn_handles(
    rect: Rect,
    crossing: Pos2,
    view: &PaneView,
    directions: &[PlaneDirections; 3],
) -> Vec<(Pos2, Color32)> {
    let reach = 0.38 * rect.width().min(rect.height());
    let both = crosshair_lines(view, directions)
        .into_iter()
        .flat_map(|(line, color)| [line, -line].map(|side| (crossing + side * reach, color)));
    both.filter(|(at, _)| reach > 40.0 && rect.shrink(6.0).contains(*at)).collect()
}

/// Directions on the screen in which the two other planes cut this one, with the planes' colours.
pub fn crosshair_lines(view: &PaneView, directions: &[PlaneDirections; 3]) -> Vec<(Vec2, Color32)> {
    let own = Plane::ALL.iter().position(|&p| p == view.plane).unwrap_or(0);
    let here = directions[own];
    let mut lines = Vec::new();
    for (n, other) in directions.iter().enumerate().filter(|(n, _)| *n != own) {
        let cut = here.normal().cross(other.normal());
        let line = Vec2::new(cut.dot(here.right) as f32, cut.dot(here.down) as f32);
        if line.length() > 1e-3 {
            lines.push((line.normalized(), PLANE_COLORS[n]));
        }
    }
    lines
}

/// Lines where the two other planes cut this one, in the colours of those planes, with a gap around the crossing.
pub fn crosshair(painter: &Painter, rect: Rect, view: &PaneView, geometry: &Geometry, voxel: DVec3, scale: f32) {
    let at = view.screen_from_voxel(geometry, voxel);
    let at = rect.min + Vec2::new(at.x as f32, at.y as f32) / scale;
    let axes = PlaneAxes::of(geometry, view.plane);
    let color_of = |axis: usize| {
        Plane::ALL
            .iter()
            .position(|&p| PlaneAxes::of(geometry, p).through == axis)
            .map_or(PANE_TEXT, |n| PLANE_COLORS[n])
            .gamma_multiply(0.75)
    };
    let gap = 12.0;
    let vertical = Stroke::new(1.0, color_of(axes.right));
    let horizontal = Stroke::new(1.0, color_of(axes.down));
    if rect.x_range().contains(at.x) {
        painter.line_segment([Pos2::new(at.x, rect.top()), Pos2::new(at.x, (at.y - gap).max(rect.top()))], vertical);
        painter
            .line_segment([Pos2::new(at.x, (at.y + gap).min(rect.bottom())), Pos2::new(at.x, rect.bottom())], vertical);
    }
    if rect.y_range().contains(at.y) {
        painter
            .line_segment([Pos2::new(rect.left(), at.y), Pos2::new((at.x - gap).max(rect.left()), at.y)], horizontal);
        painter
            .line_segment([Pos2::new((at.x + gap).min(rect.right()), at.y), Pos2::new(rect.right(), at.y)], horizontal);
    }
}

/// A prompt under way: light green inside, violet outside.
pub fn scribble(
    painter: &Painter,
    rect: Rect,
    view: &PaneView,
    geometry: &Geometry,
    points: &[DVec3],
    inside: bool,
    scale: f32,
) {
    let color = PROMPT_COLORS[usize::from(!inside)];
    let at = |voxel: &DVec3| {
        let at = view.screen_from_voxel(geometry, *voxel);
        rect.min + Vec2::new(at.x as f32, at.y as f32) / scale
    };
    let line: Vec<Pos2> = points.iter().map(at).collect();
    for pos in line.first().into_iter().chain(line.last()) {
        painter.circle_filled(*pos, 3.0, color);
    }
    painter.add(egui::Shape::line(line, Stroke::new(3.0, color)));
}

/// Outline of the brush under the pointer.
pub fn brush(painter: &Painter, at: Pos2, radius_points: f32, erase: bool, square: bool) {
    let color = if erase { Color32::from_rgb(255, 120, 110) } else { Color32::from_rgb(250, 250, 250) };
    let radius = radius_points.max(1.5);
    for stroke in [Stroke::new(2.5, Color32::from_black_alpha(140)), Stroke::new(1.0, color)] {
        if square {
            let rect = Rect::from_center_size(at, Vec2::splat(2.0 * radius));
            painter.rect_stroke(rect, 0.0, stroke, egui::StrokeKind::Middle);
        } else {
            painter.circle_stroke(at, radius, stroke);
        }
    }
}

/// The contour being drawn, along `way` to the pointer and back to its first corner.
#[expect(clippy::too_many_arguments, reason = "what a contour looks like depends on all of them")]
pub fn contour(
    painter: &Painter,
    rect: Rect,
    view: &PaneView,
    geometry: &Geometry,
    contour: &Contour,
    way: &[DVec3],
    pointer: Option<Pos2>,
    scale: f32,
) {
    let place = |voxel: DVec3| {
        let at = view.screen_from_voxel(geometry, voxel);
        rect.min + Vec2::new(at.x as f32, at.y as f32) / scale
    };
    let mut points: Vec<Pos2> = contour.corners.iter().chain(way).map(|&c| place(c)).collect();
    let Some(&first) = points.first() else { return };
    points.extend(pointer);
    let color = Color32::from_rgb(250, 250, 250);
    for (width, color) in [(3.0, Color32::from_black_alpha(150)), (1.2, color)] {
        painter.line(points.clone(), Stroke::new(width, color));
    }
    if let Some(&last) = points.last() {
        painter.line_segment([last, first], Stroke::new(1.0, color.gamma_multiply(0.5)));
    }
    painter.circle(first, 4.0, Color32::from_black_alpha(150), Stroke::new(1.2, color));
}

/// Physical pixels of a pane from a position in points.
pub fn pixel(rect: Rect, pos: Pos2, scale: f32) -> DVec2 {
    let p = (pos - rect.min) * scale;
    DVec2::new(f64::from(p.x), f64::from(p.y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_bars_are_round_and_fit() {
        for points_per_mm in [0.03, 0.4, 1.0, 2.7, 11.0, 90.0] {
            let (mm, points) = round_length(100.0, points_per_mm).unwrap();
            assert!(points <= 100.0 && points > 19.0, "{points_per_mm}: {mm} mm is {points} points");
            let mantissa = mm / 10f64.powf(mm.log10().floor());
            assert!([1.0, 2.0, 5.0].iter().any(|m| (m - mantissa).abs() < 1e-9), "{mm}");
        }
        assert_eq!(round_length(0.0, 1.0), None);
        assert_eq!(round_length(10.0, f64::NAN), None);
    }
}
