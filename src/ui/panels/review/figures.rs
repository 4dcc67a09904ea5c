//! One structure's figures, its slices, and how the two layers are shown against each other.

use super::{ACCURACY, distance, number};
use crate::core::Plane;
use crate::metrics::{Convention, SegmentRow, SliceRow, SurfaceDistances};
use crate::ui::keys::keys_of;
use crate::ui::panels::{framed, framed_value};
use crate::ui::shortcuts::Action;
use crate::ui::theme::DIFFERENCE_COLORS;
use crate::workspace::{Cause, Command, Comparing, Document, ReviewCommand, ViewCommand, Workspace};
use egui::{Color32, FontId, Grid, RichText, ScrollArea, Sense, Slider, Ui, Vec2};

/// The overlay's switch, and the ways of comparing while it is on.
pub fn difference_switch(ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
    let review = &workspace.review;
    if review.labels().is_none() {
        ui.weak("Only one of the layers has this segment: there is no difference to show.");
        return;
    }
    let mut on = review.difference;
    ui.horizontal_wrapped(|ui| {
        if ui.checkbox(&mut on, "Difference overlay").on_hover_text(keys_of(Action::ToggleDifference)).changed() {
            out.push(ReviewCommand::Difference(on).into());
        }
        for (color, name) in DIFFERENCE_COLORS.iter().zip(["only A", "only B", "both"]) {
            let (rect, _) = ui.allocate_exact_size(Vec2::splat(12.0), Sense::hover());
            ui.painter().rect_filled(rect, 2.0, Color32::from_rgb(color[0], color[1], color[2]));
            ui.label(RichText::new(name).small());
        }
    });
    if !on {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        for style in Comparing::ALL {
            let hint = match style {
                Comparing::Overlay => "What only A, only B and both have",
                Comparing::Swipe => "A at the left of the line, B at its right",
                Comparing::Flicker => "A and B in turn",
                Comparing::Distance => "How far B reaches beyond A or stays within, painted on its contour",
            };
            if framed(ui, review.style == style, style.name()).on_hover_text(hint).clicked() {
                out.push(ReviewCommand::Style(style).into());
            }
        }
    });
    if review.style == Comparing::Swipe {
        let mut at = review.swipe + 0.5;
        let slider = ui.add(Slider::new(&mut at, 0.0..=1.0).show_value(false).text("Swipe line"));
        if slider.changed() {
            out.push(ReviewCommand::Swipe(at).into());
        }
    }
}

/// Overlaps that follow the brush.
pub fn live(ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
    let review = &workspace.review;
    let mut on = review.live().is_some();
    let hint = "Overlap while you paint; distances when a stroke ends";
    if ui.checkbox(&mut on, "Follow the brush").on_hover_text(hint).changed() {
        out.push(ReviewCommand::Live(on).into());
    }
    let Some(overlaps) = review.live() else { return };
    for (n, (pair, overlap)) in overlaps.enumerate() {
        if n == review.row {
            let f = overlap.figures();
            let text = format!("Now: Dice {}, IoU {}", number(f.dice, 4), number(f.iou, 4));
            ui.label(RichText::new(text).strong()).on_hover_text(&pair.name);
        }
    }
}

/// The table of figures of one structure.
pub fn figures(ui: &mut Ui, row: &SegmentRow, convention: Convention, out: &mut Vec<Command>) {
    let f = &row.figures;
    Grid::new(("figures", &row.name)).num_columns(4).striped(true).spacing([12.0, 4.0]).show(ui, |ui| {
        let pairs = [
            [("Dice", number(f.dice, 4), ""), ("IoU", number(f.iou, 4), "")],
            [("Sensitivity", number(f.sensitivity, 4), "Recall"), ("Precision", number(f.precision, 4), "")],
            [("Specificity", number(f.specificity, 4), ""), ("Accuracy !", number(f.accuracy, 4), ACCURACY)],
            [("A", format!("{:.1} ml", row.volume_a_ml), ""), ("B", format!("{:.1} ml", row.volume_b_ml), "")],
        ];
        for pair in pairs {
            for (name, value, hint) in pair {
                let label = ui.label(name);
                if !hint.is_empty() {
                    label.on_hover_text(hint);
                }
                ui.monospace(value);
            }
            ui.end_row();
        }
        ui.label("B − A");
        ui.monospace(format!("{:+.1} ml", row.volume_difference_ml));
        ui.label("relative");
        ui.monospace(row.volume_difference_percent.map_or_else(|| "undefined".into(), |v| format!("{v:+.1} %")));
        ui.end_row();
        let d = row.distances.as_ref();
        ui.label("HD");
        worst(ui, d, out);
        ui.label("HD95");
        ui.monospace(format!("{} mm", distance(d.and_then(|d| d.hd95))));
        ui.end_row();
        ui.label("ASSD");
        ui.monospace(format!("{} mm", distance(d.map(|d| d.assd))));
        for (n, nsd) in d.iter().flat_map(|d| &d.surface_dice).enumerate() {
            if n % 2 == 1 {
                ui.end_row();
            }
            ui.label(format!("NSD {} mm", nsd.tolerance_mm));
            ui.monospace(format!("{:.4}", nsd.value));
        }
        ui.end_row();
    });
    ui.weak(RichText::new(format!("Distances: {}", convention.name())).small());
    if row.agreement.is_miss() {
        ui.label(RichText::new("Missed: only one of the masks has it.").color(ui.visuals().error_fg_color));
    }
}

/// The Hausdorff distance; a click goes to the pair of voxels that cause it.
fn worst(ui: &mut Ui, d: Option<&SurfaceDistances>, out: &mut Vec<Command>) {
    let text = format!("{} mm", distance(d.map(|d| d.hd)));
    match d.and_then(cause) {
        Some(cause) => {
            let link = ui.link(RichText::new(text).monospace());
            if link
                .on_hover_text("Go to the voxel farthest from the other mask, and draw the line between them")
                .clicked()
            {
                out.push(ReviewCommand::Cause(cause).into());
            }
        }
        None => {
            ui.monospace(text);
        }
    }
}

/// The pair of voxels behind a Hausdorff distance.
pub fn cause(d: &SurfaceDistances) -> Option<Cause> {
    d.worst.map(|w| Cause { at: w.at, nearest: w.nearest, mm: d.hd })
}

/// Which figures of the slices are in front: all together are wider than the panel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SliceColumns {
    Overlap,
    #[default]
    Millimetres,
    Pixels,
}

const COLUMNS: [(SliceColumns, &str); 3] =
    [(SliceColumns::Overlap, "overlap"), (SliceColumns::Millimetres, "mm"), (SliceColumns::Pixels, "pixels")];

/// How the slices are listed.
#[derive(Debug, Default)]
pub struct SliceTable {
    worst_first: bool,
    columns: SliceColumns,
}

impl SliceColumns {
    fn heads(self) -> [&'static str; 4] {
        match self {
            Self::Overlap => ["Dice", "IoU", "sensit.", "precis."],
            Self::Millimetres => ["Dice", "HD mm", "HD95 mm", "ASSD mm"],
            Self::Pixels => ["Dice", "HD px", "HD95 px", "ASSD px"],
        }
    }

    fn cells(self, slice: &SliceRow) -> [String; 4] {
        let f = &slice.figures;
        let distances = |d: Option<&SurfaceDistances>| {
            let [hd, hd95, assd] = [d.map(|d| d.hd), d.and_then(|d| d.hd95), d.map(|d| d.assd)].map(distance);
            [share(f.dice), hd, hd95, assd]
        };
        match self {
            Self::Overlap => [f.dice, f.iou, f.sensitivity, f.precision].map(share),
            Self::Millimetres => distances(slice.distances_mm.as_ref()),
            Self::Pixels => distances(slice.distances_px.as_ref()),
        }
    }
}

/// A row for each slice; a click goes there, and to the pair of voxels behind its distance.
pub fn slices(
    ui: &mut Ui,
    document: &Document,
    row: &SegmentRow,
    plane: Plane,
    table: &mut SliceTable,
    out: &mut Vec<Command>,
) {
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new("Slices").strong());
        ui.checkbox(&mut table.worst_first, "worst first");
        for (columns, name) in COLUMNS {
            framed_value(ui, &mut table.columns, columns, name);
        }
    });
    let mut order: Vec<usize> = (0..row.slices.len()).collect();
    if table.worst_first {
        let dice = |n: &usize| row.slices[*n].figures.dice.unwrap_or(2.0);
        order.sort_by(|a, b| dice(a).total_cmp(&dice(b)));
    }
    header(ui, table.columns);
    ScrollArea::vertical().id_salt("slice rows").max_height(260.0).show_rows(ui, 20.0, order.len(), |ui, range| {
        for n in range {
            let slice = &row.slices[order[n]];
            let text = columns_of(&(slice.k + 1).to_string(), &table.columns.cells(slice));
            let shown = document.slice_index(plane) == slice.k;
            let label = ui.selectable_label(shown, RichText::new(text).font(FontId::monospace(11.5)));
            label.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Go to slice {}", slice.k + 1))
            });
            if label.clicked() {
                go_to_slice(slice, plane, out);
            }
        }
    });
}

/// To a slice and to the pair of voxels behind its distance.
pub fn go_to_slice(slice: &SliceRow, plane: Plane, out: &mut Vec<Command>) {
    out.push(ViewCommand::Slice { plane, index: slice.k }.into());
    if let Some(cause) = slice.distances_mm.as_ref().and_then(cause) {
        out.push(ReviewCommand::Cause(cause).into());
    }
}

/// A share in a cell, which has no room for a word where it is undefined.
fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |v| format!("{v:.3}"))
}

fn columns_of(first: &str, cells: &[String; 4]) -> String {
    let [a, b, c, d] = cells;
    format!("{first:>5} {a:>8} {b:>8} {c:>8} {d:>8}")
}

fn header(ui: &mut Ui, columns: SliceColumns) {
    let text = columns_of("slice", &columns.heads().map(str::to_owned));
    ui.add_space(2.0);
    ui.horizontal(|ui| {
        ui.add_space(ui.spacing().button_padding.x);
        ui.label(RichText::new(text).font(FontId::monospace(11.5)).weak());
    });
}
