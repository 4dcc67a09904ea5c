//! The review panel: two layers, their figures with definitions, and tables that lead to the slice.

use super::path_dialog::{PathDialog, Purpose};
use crate::core::{LayerId, Plane, PlaneAxes};
use crate::metrics::{MetricReport, SegmentRow, SurfaceDistances};
use crate::ui::actions::suggestion;
use crate::ui::theme::DIFFERENCE_COLORS;
use crate::ui::viewer::Shown;
use crate::workspace::{Command, Document, ReviewCommand, ViewCommand, Workspace};
use egui::{Color32, ComboBox, FontId, Grid, RichText, ScrollArea, Sense, Ui, Vec2};
use glam::DVec3;

/// Which layers are chosen; `None` follows the order of the layers.
#[derive(Default)]
pub struct ReviewPanel {
    truth: Option<LayerId>,
    prediction: Option<LayerId>,
    worst_first: bool,
}

impl ReviewPanel {
    /// What the panes draw: the difference while it is asked for, else the active layer.
    pub fn shown(&self, workspace: &Workspace) -> Shown {
        let Some(document) = workspace.active_document() else { return Shown::Nothing };
        let review = &workspace.review;
        if review.difference
            && let (Some((case, a, b)), Some((label_a, label_b))) = (review.layers, review.labels())
            && case == document.case.id
            && document.case.layer(a).is_some()
            && document.case.layer(b).is_some()
        {
            return Shown::Difference { a: (a, label_a), b: (b, label_b) };
        }
        document.active_layer.map_or(Shown::Nothing, Shown::Layer)
    }

    /// The comparison that the button and the key ask for.
    pub fn compare(&self, workspace: &Workspace) -> Option<Command> {
        let (truth, prediction) = self.chosen(workspace.active_document()?)?;
        Some(ReviewCommand::Compare { truth, prediction }.into())
    }

    /// Turns the difference overlay on or off, when there is a comparison.
    pub fn toggle_difference(&self, workspace: &Workspace) -> Option<Command> {
        workspace.review.report.as_ref()?;
        Some(ReviewCommand::Difference(!workspace.review.difference).into())
    }

    fn chosen(&self, document: &Document) -> Option<(LayerId, LayerId)> {
        let exists = |id: &LayerId| document.case.layer(*id).is_some();
        let truth = self.truth.filter(exists).or_else(|| document.case.layers.first().map(|l| l.id))?;
        let prediction = self
            .prediction
            .filter(exists)
            .or_else(|| document.case.layers.iter().rev().map(|l| l.id).find(|id| *id != truth))?;
        Some((truth, prediction))
    }

    /// The panel.
    pub fn show(&mut self, ui: &mut Ui, workspace: &Workspace, dialog: &mut PathDialog, out: &mut Vec<Command>) {
        let Some(document) = workspace.active_document() else {
            ui.weak("Open a case to review its layers.");
            return;
        };
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            let Some((truth, prediction)) = self.chosen(document) else {
                ui.weak("Two layers are needed: import a mask, predict, or duplicate a layer and correct it.");
                return;
            };
            Grid::new("review layers").num_columns(2).show(ui, |ui| {
                layer_choice(ui, document, "Truth (A)", truth, &mut self.truth);
                layer_choice(ui, document, "Judged (B)", prediction, &mut self.prediction);
            });
            ui.horizontal(|ui| {
                if workspace.review.running {
                    ui.spinner();
                } else if ui.button(RichText::new("Compare").strong()).clicked() {
                    out.push(ReviewCommand::Compare { truth, prediction }.into());
                }
                if workspace.review.report.is_some() && ui.button("Export report…").clicked() {
                    dialog.ask(Purpose::ExportReport, suggestion(&document.case.name, "html"));
                }
            });
            if let Some(report) = &workspace.review.report {
                self.report(ui, workspace, document, report, out);
            }
        });
    }

    fn report(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        document: &Document,
        report: &MetricReport,
        out: &mut Vec<Command>,
    ) {
        ui.separator();
        if workspace.review.revision != document.revision() {
            ui.label(
                RichText::new("The masks changed since: compare again.").color(super::patients::warning_color(ui)),
            );
        }
        difference_switch(ui, workspace, out);
        for (n, row) in report.rows.iter().enumerate() {
            let chosen = workspace.review.row == n;
            if ui.selectable_label(chosen, RichText::new(&row.name).strong()).clicked() {
                out.push(ReviewCommand::Row(n).into());
            }
            if chosen {
                figures(ui, row, out);
                self.slices(ui, document, row, out);
            }
        }
        ui.separator();
        ui.collapsing("Definitions", |ui| {
            for definition in &report.definitions {
                ui.label(RichText::new(format!("{}: {}", definition.figure, definition.text)).small());
            }
        });
    }

    fn slices(&mut self, ui: &mut Ui, document: &Document, row: &SegmentRow, out: &mut Vec<Command>) {
        ui.horizontal(|ui| {
            ui.label(RichText::new("Slices").strong());
            ui.checkbox(&mut self.worst_first, "worst first");
        });
        let mut order: Vec<usize> = (0..row.slices.len()).collect();
        if self.worst_first {
            let dice = |n: &usize| row.slices[*n].figures.dice.unwrap_or(2.0);
            order.sort_by(|a, b| dice(a).total_cmp(&dice(b)));
        }
        let plane = plane_through_k(document);
        let line = 20.0;
        header(ui);
        ScrollArea::vertical().id_salt("slice rows").max_height(260.0).show_rows(ui, line, order.len(), |ui, range| {
            for n in range {
                let slice = &row.slices[order[n]];
                let text = format!(
                    "{:>5} {:>7} {:>8} {:>8} {:>8}",
                    slice.k + 1,
                    number(slice.figures.dice, 3),
                    distance(slice.distances_mm.as_ref().map(|d| d.hd)),
                    distance(slice.distances_mm.as_ref().map(|d| d.hd95)),
                    distance(slice.distances_px.as_ref().map(|d| d.hd)),
                );
                let shown = document.slice_index(plane) == slice.k;
                let label = ui.selectable_label(shown, RichText::new(text).font(FontId::monospace(11.5)));
                label.widget_info(|| {
                    egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Go to slice {}", slice.k + 1))
                });
                if label.clicked() {
                    out.push(ViewCommand::Slice { plane, index: slice.k }.into());
                }
            }
        });
    }
}

fn header(ui: &mut Ui) {
    let text = format!("{:>5} {:>7} {:>8} {:>8} {:>8}", "slice", "Dice", "HD mm", "HD95 mm", "HD px");
    ui.add_space(2.0);
    ui.horizontal(|ui| {
        ui.add_space(ui.spacing().button_padding.x);
        ui.label(RichText::new(text).font(FontId::monospace(11.5)).weak());
    });
}

fn layer_choice(ui: &mut Ui, document: &Document, name: &str, now: LayerId, choice: &mut Option<LayerId>) {
    let label = ui.label(name);
    let text = document.case.layer(now).map_or("", |l| l.name.as_str());
    ComboBox::from_id_salt(name)
        .selected_text(text)
        .width(190.0)
        .show_ui(ui, |ui| {
            for layer in &document.case.layers {
                if ui.selectable_label(layer.id == now, &layer.name).clicked() {
                    *choice = Some(layer.id);
                }
            }
        })
        .response
        .labelled_by(label.id);
    ui.end_row();
}

fn difference_switch(ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
    if workspace.review.labels().is_none() {
        ui.weak("Only one of the layers has this segment: there is no difference to show.");
        return;
    }
    let mut on = workspace.review.difference;
    ui.horizontal_wrapped(|ui| {
        if ui.checkbox(&mut on, "Difference overlay").on_hover_text("G").changed() {
            out.push(ReviewCommand::Difference(on).into());
        }
        for (color, name) in DIFFERENCE_COLORS.iter().zip(["only A", "only B", "both"]) {
            let (rect, _) = ui.allocate_exact_size(Vec2::splat(12.0), Sense::hover());
            ui.painter().rect_filled(rect, 2.0, Color32::from_rgb(color[0], color[1], color[2]));
            ui.label(RichText::new(name).small());
        }
    });
}

fn figures(ui: &mut Ui, row: &SegmentRow, out: &mut Vec<Command>) {
    let f = &row.figures;
    Grid::new(("figures", &row.name)).num_columns(4).striped(true).spacing([12.0, 4.0]).show(ui, |ui| {
        for pair in [
            [("Dice", number(f.dice, 4)), ("IoU", number(f.iou, 4))],
            [("Sensitivity", number(f.sensitivity, 4)), ("Precision", number(f.precision, 4))],
            [("A", format!("{:.1} ml", row.volume_a_ml)), ("B", format!("{:.1} ml", row.volume_b_ml))],
        ] {
            for (name, value) in pair {
                ui.label(name);
                ui.monospace(value);
            }
            ui.end_row();
        }
        let d = row.distances.as_ref();
        ui.label("HD");
        worst(ui, d, out);
        ui.label("HD95");
        ui.monospace(format!("{} mm", distance(d.map(|d| d.hd95))));
        ui.end_row();
        ui.label("ASSD");
        ui.monospace(format!("{} mm", distance(d.map(|d| d.assd))));
        ui.end_row();
    });
    if row.agreement.is_miss() {
        ui.label(RichText::new("Missed: only one of the masks has it.").color(ui.visuals().error_fg_color));
    }
}

/// The Hausdorff distance; a click goes to the voxel that causes it.
fn worst(ui: &mut Ui, d: Option<&SurfaceDistances>, out: &mut Vec<Command>) {
    let text = format!("{} mm", distance(d.map(|d| d.hd)));
    match d.and_then(|d| d.worst) {
        Some(point) => {
            let link =
                ui.link(RichText::new(text).monospace()).on_hover_text("Go to the voxel farthest from the other mask");
            if link.clicked() {
                let voxel = DVec3::from_array(point.at.map(|v| v as f64));
                out.push(ViewCommand::Crosshair(voxel).into());
            }
        }
        None => {
            ui.monospace(text);
        }
    }
}

/// The plane whose slices are the stack's own (constant k).
fn plane_through_k(document: &Document) -> Plane {
    let geometry = &document.case.geometry;
    Plane::ALL.into_iter().find(|&p| PlaneAxes::of(geometry, p).through == 2).unwrap_or(Plane::Axial)
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "undefined".into(), |v| format!("{v:.digits$}"))
}

fn distance(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(v) if v.is_infinite() => "∞".into(),
        Some(v) => format!("{v:.2}"),
    }
}
