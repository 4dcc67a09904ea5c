//! Figures along the slices; a click goes to the slice.

use super::figures::go_to_slice;
use crate::core::Plane;
use crate::metrics::{SegmentRow, SliceRow};
use crate::ui::theme::ACCENT;
use crate::workspace::Command;
use egui::{Color32, RichText, Ui};
use egui_plot::{Line, Plot, PlotPoints, Points};

/// Dice and Hausdorff distance of each slice.
pub fn profile(ui: &mut Ui, row: &SegmentRow, plane: Plane, out: &mut Vec<Command>) {
    if row.slices.is_empty() {
        ui.weak("No slice has this segment.");
        return;
    }
    ui.label(RichText::new("Dice").small());
    along(ui, "dice profile", row, plane, |s| s.figures.dice, out);
    ui.label(RichText::new("Hausdorff distance (mm)").small());
    along(ui, "hd profile", row, plane, |s| s.distances_mm.as_ref().map(|d| d.hd), out);
    ui.weak(RichText::new("A click goes to the slice. Slices that only one mask has are red.").small());
}

fn along(
    ui: &mut Ui,
    id: &str,
    row: &SegmentRow,
    plane: Plane,
    value: impl Fn(&SliceRow) -> Option<f64>,
    out: &mut Vec<Command>,
) {
    let finite: Vec<[f64; 2]> = row
        .slices
        .iter()
        .filter(|s| !s.agreement.is_miss())
        .filter_map(|s| Some([(s.k + 1) as f64, value(s).filter(|v| v.is_finite())?]))
        .collect();
    let missed: Vec<[f64; 2]> =
        row.slices.iter().filter(|s| s.agreement.is_miss()).map(|s| [(s.k + 1) as f64, 0.0]).collect();
    let shown = Plot::new((id, &row.name))
        .height(150.0)
        .allow_scroll(false)
        .allow_drag(false)
        .allow_zoom(false)
        .include_y(0.0)
        .x_axis_label("slice")
        .show(ui, |plot| {
            plot.line(Line::new("figure", PlotPoints::from(finite.clone())).color(ACCENT).width(1.4));
            plot.points(Points::new("slices", PlotPoints::from(finite.clone())).color(ACCENT).radius(2.2));
            plot.points(Points::new("missed", PlotPoints::from(missed)).color(MISSED).radius(3.0));
            plot.pointer_coordinate()
        });
    if let (true, Some(at)) = (shown.response.clicked(), shown.inner) {
        let nearest = row.slices.iter().min_by(|a, b| {
            let away = |s: &SliceRow| ((s.k + 1) as f64 - at.x).abs();
            away(a).total_cmp(&away(b))
        });
        if let Some(slice) = nearest {
            go_to_slice(slice, plane, out);
        }
    }
}

/// Red of what only one mask has.
pub const MISSED: Color32 = Color32::from_rgb(214, 60, 60);
