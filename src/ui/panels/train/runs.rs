//! Runs side by side, and prediction of the open case with one of them or several together.

use super::curves::{COLORS, Curve, Quantity, plot};
use super::{device_choice, figure, heading};
use crate::nn::{DeviceChoice, Tiling};
use crate::predict::PredictOptions;
use crate::ui::shortcuts::{Action, keys_of};
use crate::workspace::{Command, ModelCommand, RunInfo, WorkCommand, Workspace};
use egui::{CollapsingHeader, ComboBox, DragValue, Grid, RichText, Ui};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What is chosen.
pub(super) struct RunsPart {
    /// Run chosen for prediction; the last one where none was.
    model: Option<PathBuf>,
    /// Runs in the plot, and in the ensemble where that is asked for.
    ticked: BTreeSet<PathBuf>,
    together: bool,
    quantity: Quantity,
    options: PredictOptions,
    window: usize,
    keep: usize,
}

impl Default for RunsPart {
    fn default() -> Self {
        Self {
            model: None,
            ticked: BTreeSet::new(),
            together: false,
            quantity: Quantity::Dice,
            options: PredictOptions::default(),
            window: 128,
            keep: 1,
        }
    }
}

impl RunsPart {
    /// The prediction that the button and the key ask for.
    pub fn predict(&self, workspace: &Workspace, device: DeviceChoice) -> Option<Command> {
        let runs = self.predicting(workspace)?;
        Some(ModelCommand::PredictWith { runs, options: self.options, device }.into())
    }

    /// The prediction that is then shown as what it would change in the active layer.
    pub fn predict_into(&self, workspace: &Workspace, device: DeviceChoice) -> Option<Command> {
        let runs = self.predicting(workspace)?;
        Some(WorkCommand::PredictInto { runs, options: self.options, device }.into())
    }

    fn predicting(&self, workspace: &Workspace) -> Option<Vec<PathBuf>> {
        let ensemble = self.ensemble(workspace);
        Some(if ensemble.len() > 1 { ensemble } else { vec![self.chosen(workspace)?] })
    }

    /// The ticked runs that can predict, where they are to predict together.
    fn ensemble(&self, workspace: &Workspace) -> Vec<PathBuf> {
        let ticked = |r: &&RunInfo| self.together && r.ready && self.ticked.contains(&r.folder);
        workspace.models.runs.iter().filter(ticked).map(|r| r.folder.clone()).collect()
    }

    fn chosen(&self, workspace: &Workspace) -> Option<PathBuf> {
        let ready = || workspace.models.runs.iter().filter(|r| r.ready);
        let found = ready().find(|r| Some(&r.folder) == self.model.as_ref()).or_else(|| ready().next_back());
        found.map(|r| r.folder.clone())
    }

    pub fn show(&mut self, ui: &mut Ui, workspace: &Workspace, device: &mut DeviceChoice, out: &mut Vec<Command>) {
        self.prediction(ui, workspace, device, out);
        ui.separator();
        self.table(ui, workspace, out);
    }

    fn prediction(&mut self, ui: &mut Ui, workspace: &Workspace, device: &mut DeviceChoice, out: &mut Vec<Command>) {
        heading(ui, "Predict the open case");
        let Some(chosen) = self.chosen(workspace) else {
            ui.weak("Train a model first; it then predicts the open case here.");
            return;
        };
        let together = self.ensemble(workspace).len();
        Grid::new("predict form").num_columns(2).spacing([10.0, 6.0]).show(ui, |ui| {
            let label = ui.label("Model");
            if together > 1 {
                ui.label(format!("{together} ticked runs together"));
            } else {
                ComboBox::from_id_salt("model")
                    .selected_text(super::file_name(&chosen))
                    .show_ui(ui, |ui| {
                        for run in workspace.models.runs.iter().filter(|r| r.ready) {
                            if ui.selectable_label(run.folder == chosen, &run.name).clicked() {
                                self.model = Some(run.folder.clone());
                            }
                        }
                    })
                    .response
                    .labelled_by(label.id);
            }
            ui.end_row();
            device_choice(ui, device);
            ui.end_row();
        });
        CollapsingHeader::new("Other than the recipe says").id_salt("inference").show(ui, |ui| self.options(ui));
        if workspace.models.is_predicting() {
            ui.spinner();
        } else if workspace.active_document().is_none() {
            ui.weak("Open a case to predict.");
        } else {
            if ui.button(RichText::new("Predict this case").strong()).clicked() {
                out.extend(self.predict(workspace, *device));
            }
            if workspace.active_document().is_some_and(|d| d.layer().is_some())
                && ui.button("Predict into the mask").on_hover_text(keys_of(Action::PredictInto)).clicked()
            {
                out.extend(self.predict_into(workspace, *device));
            }
        }
    }

    fn options(&mut self, ui: &mut Ui) {
        let options = &mut self.options;
        let mut on = options.flip_ud.is_some();
        ui.checkbox(&mut on, "Average with the front-back mirror image");
        options.flip_ud = on.then_some(true);
        let mut on = options.flip_lr.is_some();
        ui.checkbox(&mut on, "Average with the left-right mirror image").on_hover_text("Not for left and right organs");
        options.flip_lr = on.then_some(true);
        ui.horizontal(|ui| {
            let mut on = options.tiling.is_some();
            ui.checkbox(&mut on, "Sliding window of");
            let size = DragValue::new(&mut self.window).range(16..=4096).speed(8).suffix(" pixels");
            ui.add(size).accessible_name("Size of the sliding window");
            options.tiling = on.then_some(Tiling::Sliding { size: self.window, overlap: 0.5 });
        });
        ui.horizontal(|ui| {
            let mut on = options.keep_largest.is_some();
            ui.checkbox(&mut on, "Keep the largest");
            let number = DragValue::new(&mut self.keep).range(1..=100);
            ui.add(number).accessible_name("Number of the largest parts");
            ui.label("parts of each class");
            options.keep_largest = on.then_some(Some(self.keep));
        });
        let mut on = options.fill_holes.is_some();
        ui.checkbox(&mut on, "Fill holes");
        options.fill_holes = on.then_some(true);
        ui.horizontal(|ui| {
            let mut on = options.threshold.is_some();
            ui.checkbox(&mut on, "Threshold").on_hover_text("Of one class: foreground is where the network is so sure");
            let mut value = options.threshold.unwrap_or(0.5);
            let limit = DragValue::new(&mut value).range(0.01..=0.99).speed(0.01).fixed_decimals(2);
            if ui.add(limit).accessible_name("Value of the threshold").changed() {
                on = true;
            }
            options.threshold = on.then_some(value);
        });
    }

    fn table(&mut self, ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
        ui.horizontal(|ui| {
            heading(ui, "Runs");
            if ui.button("Refresh").on_hover_text("Read the run folders again").clicked() {
                out.push(ModelCommand::RefreshRuns.into());
            }
        });
        let runs: Vec<&RunInfo> = workspace.models.runs.iter().filter(|r| !r.is_search).collect();
        if runs.is_empty() {
            ui.weak("No runs yet.");
            return;
        }
        Grid::new("runs").num_columns(4).striped(true).spacing([10.0, 4.0]).show(ui, |ui| {
            for name in ["Run", "Epochs", "Best Dice", "Test Dice"] {
                ui.label(RichText::new(name).weak());
            }
            ui.end_row();
            for (n, run) in runs.iter().enumerate() {
                let mut on = self.ticked.contains(&run.folder);
                let name = RichText::new(&run.name);
                let name = if on { name.color(COLORS[n % COLORS.len()]).strong() } else { name };
                if ui.checkbox(&mut on, name).changed() {
                    if on {
                        self.ticked.insert(run.folder.clone())
                    } else {
                        self.ticked.remove(&run.folder)
                    };
                }
                ui.label(run.curve.len().to_string());
                ui.label(run.best().map_or_else(|| "–".into(), |(epoch, dice)| format!("{dice:.4} in {epoch}")));
                ui.label(figure(run.test.map(|t| t.0)));
                ui.end_row();
            }
        });
        let ticked = || runs.iter().enumerate().filter(|(_, r)| self.ticked.contains(&r.folder));
        if ticked().next().is_none() {
            ui.weak("Tick runs to compare their curves.");
            return;
        }
        if ticked().filter(|(_, r)| r.ready).count() > 1 {
            ui.checkbox(&mut self.together, "Ticked runs predict together (mean of their probabilities)");
        }
        let label = ui.label("Compare");
        ComboBox::from_id_salt("quantity")
            .selected_text(self.quantity.name())
            .show_ui(ui, |ui| {
                for quantity in Quantity::ALL {
                    ui.selectable_value(&mut self.quantity, quantity, quantity.name());
                }
            })
            .response
            .labelled_by(label.id);
        let curve = |(n, run): (usize, &&RunInfo)| {
            Curve::new(&run.name, self.quantity.of(&run.curve), COLORS[n % COLORS.len()])
        };
        let curves = runs.iter().enumerate().filter(|(_, r)| self.ticked.contains(&r.folder)).map(curve).collect();
        plot(ui, "compare", self.quantity, curves, 220.0);
    }
}
