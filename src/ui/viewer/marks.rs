//! Which slices are done, drawn beside the slider and said in the corner of a pane.

use super::annotations;
use crate::core::{Plane, PlaneAxes, SliceStatus};
use crate::ui::theme::STATUS_COLORS;
use crate::workspace::{Document, SliceMark};
use egui::{Align2, Color32, Painter, Pos2, Rect, Vec2};

/// Ticks along the slider of the plane whose slices are marked: one colour for corrected, another for approved.
pub fn ticks(painter: &Painter, slider: Rect, document: &Document, plane: Plane) {
    let geometry = &document.case.geometry;
    let Some(layer) = document.layer().filter(|_| PlaneAxes::of(geometry, plane).through == 2) else { return };
    let last = (geometry.dims()[2] - 1).max(1) as f32;
    let height = (slider.height() - 8.0).max(1.0);
    let step = (height / last).max(1.0);
    let tick = |k: usize, color: Color32| {
        let y = slider.bottom() - 4.0 - height * k as f32 / last;
        let rect = Rect::from_center_size(Pos2::new(slider.left() + 1.5, y), Vec2::new(3.0, step));
        painter.rect_filled(rect, 0.0, color);
    };
    for (k, status) in layer.work.slices.done() {
        tick(k, STATUS_COLORS[status as usize]);
    }
    for (k, _) in layer.work.slices.notes() {
        let y = slider.bottom() - 4.0 - height * k as f32 / last;
        painter.circle_filled(Pos2::new(slider.left() + 5.5, y), 2.0, Color32::from_rgb(240, 200, 90));
    }
}

/// Status and note of the shown slice, below its number; gives the place below them.
pub fn status(painter: &Painter, corner: Pos2, document: &Document, plane: Plane) -> Pos2 {
    if PlaneAxes::of(&document.case.geometry, plane).through != 2 {
        return corner;
    }
    let Some(layer) = document.layer() else { return corner };
    let slice = document.slice_index(plane);
    let status = layer.work.slices.status(slice);
    let mut at = corner;
    if status != SliceStatus::ToDo {
        annotations::text(painter, at, Align2::LEFT_TOP, status.name(), 11.5, STATUS_COLORS[status as usize]);
        at.y += 16.0;
    }
    let note = layer.work.slices.note(slice);
    if !note.is_empty() {
        annotations::text(painter, at, Align2::LEFT_TOP, note, 11.5, Color32::from_rgb(240, 200, 90));
        at.y += 16.0;
    }
    at
}

/// Whose work the shown slice of the learning loop's layer is: predictions in the colour of what can still change by
/// itself, a person's work in that of what cannot.
pub fn learned(painter: &Painter, corner: Pos2, document: &Document, plane: Plane) {
    let Some(mark) = document.shown_mark().filter(|_| plane == Plane::Axial) else { return };
    let color = match mark {
        SliceMark::Waiting | SliceMark::Predicted(_) => Color32::from_rgb(120, 190, 255),
        SliceMark::Touched => Color32::from_rgb(240, 200, 90),
        SliceMark::Done => Color32::from_rgb(130, 220, 130),
    };
    let words = crate::ui::panels::learn::in_words(mark);
    annotations::text(painter, corner, Align2::LEFT_TOP, &words, 11.5, color);
}
