//! Areas, volumes and densities of the active layer.

use super::{ReviewPanel, plane_through_k};
use crate::metrics::quantities::QuantityOptions;
use crate::ui::actions::suggestion;
use crate::ui::panels::framed_value;
use crate::ui::panels::path_dialog::{PathDialog, Purpose};
use crate::workspace::{Command, Document, ReviewCommand, Workspace};
use egui::{Grid, RichText, TextEdit, Ui};

/// A typed height in cm, if it can be one.
pub(super) fn height(text: &str) -> Option<f64> {
    text.trim().replace(',', ".").parse::<f64>().ok().filter(|h| (30.0..=260.0).contains(h))
}

impl ReviewPanel {
    pub(super) fn quantities(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        document: &Document,
        dialog: &mut PathDialog,
        out: &mut Vec<Command>,
    ) {
        let Some(layer) = document.layer() else {
            ui.weak("Choose a layer to measure.");
            return;
        };
        ui.label(format!("Layer: {}", layer.name));
        let height = height(&self.height_cm);
        let slice = document.slice_index(plane_through_k(document));
        ui.horizontal_wrapped(|ui| {
            ui.label("Areas in");
            framed_value(ui, &mut self.shown_slice, false, "the slice with most muscle");
            let hint = "Usually at the third lumbar vertebra (L3): go there first";
            let text = format!("the shown slice ({})", slice + 1);
            framed_value(ui, &mut self.shown_slice, true, text).on_hover_text(hint);
        });
        ui.horizontal(|ui| {
            let label = ui.label("Height (cm)");
            ui.add(TextEdit::singleline(&mut self.height_cm).desired_width(56.0)).labelled_by(label.id);
            if ui.button("Measure layer").clicked() {
                let slice = self.shown_slice.then_some(slice);
                out.push(ReviewCommand::Measure(QuantityOptions { height_cm: height, slice }).into());
            }
        });
        if !self.height_cm.trim().is_empty() && height.is_none() {
            ui.label(RichText::new("Type the height in cm, for example 172.").color(ui.visuals().warn_fg_color));
        }
        let Some((of, revision, found)) = &workspace.review.quantities else {
            ui.weak(
                "Volumes and densities; muscle area and index, tumour burden, lung volumes by the segments' names.",
            );
            return;
        };
        if *of != layer.id || *revision != document.revision() {
            ui.label(
                RichText::new("The mask changed since: measure again.")
                    .color(super::super::patients::warning_color(ui)),
            );
        }
        Grid::new("quantities").num_columns(2).striped(true).spacing([12.0, 4.0]).show(ui, |ui| {
            for q in found {
                ui.label(&q.name).on_hover_text(&q.definition);
                let value = q.value.map_or_else(|| "undefined".into(), |v| format!("{v:.1} {}", q.unit));
                ui.monospace(value).on_hover_text(&q.definition);
                ui.end_row();
            }
        });
        ui.weak(RichText::new("Point at a row for its definition.").small());
        if workspace.review.report.is_none() && ui.button("Export measurements…").clicked() {
            dialog.ask(Purpose::ExportReport, suggestion(&document.case.name, "html"));
        }
    }
}
