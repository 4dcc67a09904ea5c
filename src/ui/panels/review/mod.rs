//! The review panel: two layers, their figures with definitions, and tables and plots that lead to the slice and voxel.

mod classes;
mod figures;
mod plots;
mod quantities;
mod room;
mod room_boxes;
mod room_each;
mod room_plots;
mod room_table;
mod room_time;

pub use room::CohortPanel;

use super::path_dialog::{PathDialog, Purpose};
use crate::core::{LayerId, Plane, PlaneAxes};
use crate::metrics::{Convention, MetricReport};
use crate::ui::actions::suggestion;
use crate::ui::panels::{framed, framed_value};
use crate::ui::viewer::Shown;
use crate::workspace::{CohortCommand, Command, Document, ReviewCommand, Workspace};
use egui::{ComboBox, Grid, RichText, Ui};

/// Which part of the panel is in front.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum View {
    #[default]
    Figures,
    Profile,
    Classes,
    Quantities,
    Definitions,
}

/// Which layers are chosen; `None` follows the order of the layers.
#[derive(Default)]
pub struct ReviewPanel {
    truth: Option<LayerId>,
    prediction: Option<LayerId>,
    slices: figures::SliceTable,
    view: View,
    height_cm: String,
    /// Areas in the slice that is shown, not in the one with most muscle.
    shown_slice: bool,
}

impl ReviewPanel {
    /// What the panes draw: the difference while it is asked for, else the active layer.
    pub fn shown(&self, workspace: &Workspace) -> Shown {
        let Some(document) = workspace.active_document() else { return Shown::Nothing };
        let difference = Shown::difference(document, &workspace.review);
        difference.unwrap_or_else(|| document.active_layer.map_or(Shown::Nothing, Shown::Layer))
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
        cohort_switch(ui, workspace, out);
        let Some(document) = workspace.active_document() else {
            ui.weak("Open a case to review its layers.");
            return;
        };
        super::scrolled(ui, |ui| {
            match self.chosen(document) {
                Some((truth, prediction)) if truth != prediction => {
                    self.head(ui, workspace, document, (truth, prediction), dialog, out);
                }
                _ => {
                    ui.weak("Two layers are needed: import a mask, predict, or duplicate a layer and correct it.");
                    ui.separator();
                    self.quantities(ui, workspace, document, dialog, out);
                    return;
                }
            }
            if let Some(report) = &workspace.review.report {
                self.report(ui, workspace, document, report, dialog, out);
            }
        });
    }

    fn head(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        document: &Document,
        (truth, prediction): (LayerId, LayerId),
        dialog: &mut PathDialog,
        out: &mut Vec<Command>,
    ) {
        Grid::new("review layers").num_columns(2).show(ui, |ui| {
            layer_choice(ui, document, "Truth (A)", truth, &mut self.truth);
            layer_choice(ui, document, "Judged (B)", prediction, &mut self.prediction);
            convention_choice(ui, workspace.review.convention, |c| out.push(ReviewCommand::Convention(c).into()));
        });
        ui.horizontal_wrapped(|ui| {
            if workspace.review.running {
                ui.spinner();
            } else if ui.button(RichText::new("Compare").strong()).clicked() {
                out.push(ReviewCommand::Compare { truth, prediction }.into());
            }
            if workspace.review.report.is_some() && ui.button("Export report…").clicked() {
                dialog.ask(Purpose::ExportReport, suggestion(&document.case.name, "html"));
            }
        });
    }

    fn report(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        document: &Document,
        report: &MetricReport,
        dialog: &mut PathDialog,
        out: &mut Vec<Command>,
    ) {
        ui.separator();
        let review = &workspace.review;
        if review.revision != document.revision() && review.live().is_none() {
            ui.label(
                RichText::new("The masks changed since: compare again.").color(super::patients::warning_color(ui)),
            );
        }
        figures::difference_switch(ui, workspace, out);
        ui.horizontal_wrapped(|ui| {
            for (view, name) in [
                (View::Figures, "Figures"),
                (View::Profile, "Profile"),
                (View::Classes, "Classes"),
                (View::Quantities, "Quantities"),
                (View::Definitions, "Definitions"),
            ] {
                framed_value(ui, &mut self.view, view, name);
            }
        });
        match self.view {
            View::Figures => self.rows(ui, workspace, document, report, out),
            View::Profile => {
                if let Some(row) = report.rows.get(review.row) {
                    plots::profile(ui, row, plane_through_k(document), out);
                }
            }
            View::Classes => match &report.confusion {
                Some(counts) => classes::confusion(ui, "layers", counts),
                None => {
                    ui.weak("The segments of these layers are no classes: a label belongs to two of them.");
                }
            },
            View::Quantities => self.quantities(ui, workspace, document, dialog, out),
            View::Definitions => {
                for definition in &report.definitions {
                    ui.label(RichText::new(format!("{}: {}", definition.figure, definition.text)).small());
                }
            }
        }
    }

    fn rows(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        document: &Document,
        report: &MetricReport,
        out: &mut Vec<Command>,
    ) {
        figures::live(ui, workspace, out);
        for (n, row) in report.rows.iter().enumerate() {
            let chosen = workspace.review.row == n;
            if ui.selectable_label(chosen, RichText::new(&row.name).strong()).clicked() {
                out.push(ReviewCommand::Row(n).into());
            }
            if chosen {
                figures::figures(ui, row, report.convention, out);
                figures::slices(ui, document, row, plane_through_k(document), &mut self.slices, out);
            }
        }
    }
}

/// Opens and closes the wide view.
fn cohort_switch(ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
    let shown = workspace.cohort.shown;
    let hint = "Many cases, two or three models: tables and plots under the slices";
    if framed(ui, shown, "Cohort").on_hover_text(hint).clicked() {
        out.push(CohortCommand::Show(!shown).into());
    }
}

fn layer_choice(ui: &mut Ui, document: &Document, name: &str, now: LayerId, choice: &mut Option<LayerId>) {
    let label = ui.label(name);
    let text = document.case.layer(now).map_or("", |l| l.name.as_str());
    ComboBox::from_id_salt(name)
        .selected_text(text)
        .width(190.0)
        .truncate()
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

fn convention_choice(ui: &mut Ui, now: Convention, mut choose: impl FnMut(Convention)) {
    let label = ui.label("Distances");
    ComboBox::from_id_salt("distance definition")
        .selected_text(now.name())
        .width(190.0)
        .show_ui(ui, |ui| {
            for convention in Convention::ALL {
                if ui.selectable_label(convention == now, convention.name()).clicked() {
                    choose(convention);
                }
            }
        })
        .response
        .labelled_by(label.id)
        .on_hover_text("Whose definition of HD, HD95 and ASSD the next comparison uses");
    ui.end_row();
}

/// The plane whose slices are the stack's own (constant k).
fn plane_through_k(document: &Document) -> Plane {
    let geometry = &document.case.geometry;
    Plane::ALL.into_iter().find(|&p| PlaneAxes::of(geometry, p).through == 2).unwrap_or(Plane::Axial)
}

/// Why accuracy is marked wherever it stands.
const ACCURACY: &str = "Share of all voxels that are right: misleads, because nearly all of an image is background.";

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
