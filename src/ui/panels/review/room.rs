//! The wide view of a cohort under the slices: what to compare, tables, plots, pairs; everything leads to its voxels.

use super::room_plots::{self, PlotChoice};
use super::{convention_choice, room_each, room_table, room_time};
use crate::metrics::Convention;
use crate::ui::actions::suggestion;
use crate::ui::panels::framed_value;
use crate::ui::panels::path_dialog::{PathDialog, Purpose};
use crate::workspace::{CohortCommand, CohortRequest, CohortRoom, Command, Judged, Workspace};
use egui::{ComboBox, Grid, Panel, RichText, ScrollArea, TextEdit, Ui, Vec2};
use std::path::PathBuf;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Tab {
    #[default]
    Compare,
    Cases,
    Summary,
    Plots,
    Pairs,
    Each,
    Time,
}

/// Width in points below which the two parts of what to compare stand one below the other.
const NARROW: f32 = 860.0;

/// What the name of a path and its button take beside its field, in points.
const BESIDE_PATH: f32 = 170.0;

const TABS: [(Tab, &str); 7] = [
    (Tab::Compare, "What to compare"),
    (Tab::Cases, "Cases"),
    (Tab::Summary, "Summary"),
    (Tab::Plots, "Plots"),
    (Tab::Pairs, "Paired"),
    (Tab::Each, "Each with each"),
    (Tab::Time, "Over time"),
];

/// What is typed and chosen in the wide view.
#[derive(Default)]
pub struct CohortPanel {
    tab: Tab,
    truth: String,
    judged: [String; 3],
    images: String,
    truth_layer: Option<String>,
    judged_layers: Vec<String>,
    convention: Convention,
    each: bool,
    table: room_table::TableState,
    plots: PlotChoice,
    time: room_time::TimeChoice,
    was_running: bool,
}

impl CohortPanel {
    /// Takes a path that was picked in the dialog.
    pub fn take_path(&mut self, purpose: Purpose, path: &std::path::Path) {
        let text = path.to_string_lossy().into_owned();
        match purpose {
            Purpose::CohortTruth => self.truth = text,
            Purpose::CohortJudged(n) => {
                if let Some(slot) = self.judged.get_mut(n) {
                    *slot = text;
                }
            }
            Purpose::CohortImages => self.images = text,
            _ => {}
        }
    }

    /// Draws the view where it is wanted; call before the central panel.
    pub fn show(&mut self, ui: &mut Ui, workspace: &Workspace, dialog: &mut PathDialog, out: &mut Vec<Command>) {
        let room = &workspace.cohort;
        if !room.shown {
            return;
        }
        if room.running && !self.was_running {
            self.tab = Tab::Cases;
        }
        self.was_running = room.running;
        // A low window keeps some room for the slices.
        let most = (0.6 * ui.available_height()).max(80.0);
        let panel = Panel::bottom("cohort").resizable(true).default_size(most.min(300.0)).min_size(most.min(160.0));
        panel.show(ui, |ui| {
            // Else the panel would shrink to what a view holds, and grow again by hand alone.
            ui.take_available_height();
            ui.horizontal(|ui| {
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    if ui.button("Close").clicked() {
                        out.push(CohortCommand::Show(false).into());
                    }
                    if room.can_export() && ui.button("Export cohort report…").clicked() {
                        dialog.ask(Purpose::ExportCohort, suggestion("cohort", "html"));
                    }
                    ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                        ScrollArea::horizontal().id_salt("cohort tabs").show(ui, |ui| {
                            ui.horizontal(|ui| {
                                ui.label(RichText::new("Cohort").strong());
                                for (tab, name) in TABS {
                                    framed_value(ui, &mut self.tab, tab, name);
                                }
                                progress(ui, workspace, out);
                            });
                        });
                    });
                });
            });
            ui.separator();
            match self.tab {
                Tab::Compare => self.form(ui, workspace, dialog, out),
                Tab::Cases => room_table::cases(ui, room, &mut self.table, out),
                Tab::Summary => room_table::summary(ui, room),
                Tab::Plots => room_plots::show(ui, room, &mut self.plots, out),
                Tab::Pairs => room_table::pairs(ui, room, out),
                Tab::Each => room_each::show(ui, room, out),
                Tab::Time => room_time::show(ui, workspace, &mut self.time, out),
            }
        });
    }

    fn form(&mut self, ui: &mut Ui, workspace: &Workspace, dialog: &mut PathDialog, out: &mut Vec<Command>) {
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            if ui.available_width() < NARROW {
                self.files(ui, workspace, dialog, out);
                self.open_cases(ui, workspace, out);
                return;
            }
            ui.columns(2, |columns| {
                if let [left, right] = columns {
                    self.files(left, workspace, dialog, out);
                    self.open_cases(right, workspace, out);
                }
            });
        });
    }

    fn files(&mut self, ui: &mut Ui, workspace: &Workspace, dialog: &mut PathDialog, out: &mut Vec<Command>) {
        ui.label(RichText::new("Files, folders and runs").strong());
        let width = (ui.available_width() - BESIDE_PATH).max(190.0);
        Grid::new("cohort files").num_columns(3).show(ui, |ui| {
            path_row(ui, width, "Truth", &mut self.truth, Purpose::CohortTruth, dialog);
            for (n, text) in self.judged.iter_mut().enumerate() {
                path_row(ui, width, &format!("Judged {}", n + 1), text, Purpose::CohortJudged(n), dialog);
            }
            path_row(ui, width, "Images", &mut self.images, Purpose::CohortImages, dialog);
            convention_choice(ui, self.convention, |c| self.convention = c);
        });
        let hint = "Two or three readers or models: how far they agree among themselves";
        let judged: Vec<Judged> =
            self.judged.iter().map(|t| t.trim()).filter(|t| !t.is_empty()).map(|t| Judged::at(t.into())).collect();
        let ready = !self.truth.trim().is_empty() && !judged.is_empty() && !workspace.cohort.running;
        // Above the explanation, so that the button is seen without scrolling.
        let mut clicked = false;
        ui.horizontal_wrapped(|ui| {
            clicked = ui.add_enabled(ready, egui::Button::new(RichText::new("Compare files").strong())).clicked();
            ui.checkbox(&mut self.each, "Compare the judged masks with each other too").on_hover_text(hint);
        });
        if clicked {
            let images = Some(self.images.trim()).filter(|t| !t.is_empty()).map(PathBuf::from);
            let request = CohortRequest {
                images,
                convention: self.convention,
                each: self.each,
                ..CohortRequest::new(self.truth.trim().into(), judged)
            };
            out.push(CohortCommand::Files(Box::new(request)).into());
        }
        ui.weak(
            RichText::new(
                "Masks are matched by name, DICOM masks also by their series. A run folder predicts the cases it was \
                 tested on; the truth is then a data set. Images are needed for pictures alone.",
            )
            .small(),
        );
    }

    fn open_cases(&mut self, ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
        ui.label(RichText::new("Layers of the open cases").strong());
        let mut names: Vec<&str> = Vec::new();
        for layer in workspace.documents().iter().flat_map(|d| &d.case.layers) {
            if !names.contains(&layer.name.as_str()) {
                names.push(&layer.name);
            }
        }
        if names.len() < 2 {
            ui.weak("Open cases with two layers: a truth and what is judged, named alike in every case.");
            return;
        }
        let truth = self.truth_layer.clone().filter(|t| names.contains(&t.as_str())).unwrap_or_else(|| names[0].into());
        let label = ui.label("Truth");
        ComboBox::from_id_salt("cohort truth")
            .selected_text(&truth)
            .width(200.0)
            .truncate()
            .show_ui(ui, |ui| {
                for name in &names {
                    if ui.selectable_label(*name == truth, *name).clicked() {
                        self.truth_layer = Some((*name).to_owned());
                    }
                }
            })
            .response
            .labelled_by(label.id);
        ui.label("Judged, up to three");
        self.judged_layers.retain(|j| names.contains(&j.as_str()) && *j != truth);
        for name in names.iter().filter(|n| **n != truth) {
            let mut on = self.judged_layers.iter().any(|j| j == name);
            let room = self.judged_layers.len() < 3;
            if ui.add_enabled(on || room, egui::Checkbox::new(&mut on, *name)).changed() {
                if on {
                    self.judged_layers.push((*name).to_owned());
                } else {
                    self.judged_layers.retain(|j| j != name);
                }
            }
        }
        ui.checkbox(&mut self.each, "Compare the judged layers with each other too");
        let ready = !self.judged_layers.is_empty() && !workspace.cohort.running;
        if ui.add_enabled(ready, egui::Button::new(RichText::new("Compare layers").strong())).clicked() {
            let (judged, convention, each) = (self.judged_layers.clone(), self.convention, self.each);
            out.push(CohortCommand::OpenCases { truth, judged, convention, each }.into());
        }
    }
}

fn path_row(ui: &mut Ui, width: f32, name: &str, text: &mut String, purpose: Purpose, dialog: &mut PathDialog) {
    let label = ui.label(name);
    // The cell of a grid is as wide as the column was in the last frame: the width has to be asked for.
    let size = Vec2::new(width, ui.spacing().interact_size.y);
    ui.add_sized(size, TextEdit::singleline(text).desired_width(width)).labelled_by(label.id);
    if ui.button("Choose…").clicked() {
        dialog.ask(purpose, text.clone());
    }
    ui.end_row();
}

/// How far the job is, with a way to end it.
fn progress(ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
    let room: &CohortRoom = &workspace.cohort;
    if !room.running {
        return;
    }
    ui.spinner();
    let total = if room.total > 0 {
        format!("{} of {}", room.inputs.cases.len() + room.inputs.failed.len(), room.total)
    } else {
        "…".into()
    };
    ui.label(total);
    let task = workspace
        .tasks()
        .into_iter()
        .find(|t| t.name.starts_with("Comparing a cohort") || t.name == "Comparing open cases");
    if let Some(task) = task
        && ui.button("Cancel").clicked()
    {
        out.push(Command::CancelTask(task.id));
    }
}
