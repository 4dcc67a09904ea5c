//! The train panel: recipe, data, start, pause, curves, and prediction with what was trained.

use super::path_dialog::{PathDialog, Purpose};
use crate::nn::DeviceChoice;
use crate::train;
use crate::ui::theme::ACCENT;
use crate::workspace::{Command, ModelCommand, TrainForm, TrainSource, TrainingState, TrainingView, Workspace};
use egui::{Color32, ComboBox, DragValue, Grid, ProgressBar, RichText, ScrollArea, Ui};
use egui_plot::{Legend, Line, Plot, PlotPoints};
use std::path::PathBuf;

/// What is being filled in.
pub struct TrainPanel {
    form: TrainForm,
    /// Data set folder, kept while "this case" is chosen.
    folder: Option<PathBuf>,
    /// Run chosen for prediction.
    run: Option<PathBuf>,
    loaded_recipe: String,
    error: Option<String>,
}

impl Default for TrainPanel {
    fn default() -> Self {
        let mut panel = Self {
            form: TrainForm {
                recipe: "demo".into(),
                source: TrainSource::ActiveCase,
                run: "run-1".into(),
                epochs: 1,
                learning_rate: 1e-3,
                batch_size: 4,
                device: DeviceChoice::Auto,
                resume: false,
            },
            folder: None,
            run: None,
            loaded_recipe: String::new(),
            error: None,
        };
        panel.take_recipe();
        panel
    }
}

impl TrainPanel {
    /// Takes a folder or recipe file from the path dialog.
    pub fn take_path(&mut self, purpose: Purpose, path: PathBuf) {
        if purpose == Purpose::Recipe {
            self.form.recipe = path.to_string_lossy().into_owned();
            self.take_recipe();
        } else {
            self.form.source = TrainSource::Folder(path.clone());
            self.folder = Some(path);
        }
    }

    /// The device to begin with; the form can still choose another.
    pub fn set_device(&mut self, device: DeviceChoice) {
        self.form.device = device;
    }

    /// The prediction that the button and the key ask for.
    pub fn predict(&self, workspace: &Workspace) -> Option<Command> {
        let run = self.chosen_run(workspace)?;
        Some(ModelCommand::Predict { run, device: self.form.device }.into())
    }

    fn chosen_run(&self, workspace: &Workspace) -> Option<PathBuf> {
        let ready = || workspace.models.runs.iter().filter(|r| r.ready);
        ready().find(|r| Some(&r.folder) == self.run.as_ref()).or_else(|| ready().next_back()).map(|r| r.folder.clone())
    }

    /// Fills the form with the recipe's own numbers.
    fn take_recipe(&mut self) {
        self.loaded_recipe.clone_from(&self.form.recipe);
        match train::Recipe::load(&self.form.recipe) {
            Ok(recipe) => {
                self.form.epochs = recipe.epochs;
                self.form.learning_rate = recipe.optimizer.lr;
                self.form.batch_size = recipe.batch_size;
                self.error = None;
            }
            Err(error) => self.error = Some(error.to_string()),
        }
    }

    /// The panel.
    pub fn show(&mut self, ui: &mut Ui, workspace: &Workspace, dialog: &mut PathDialog, out: &mut Vec<Command>) {
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            if workspace.models.is_training() {
                if let Some(view) = &workspace.models.training {
                    running(ui, view, out);
                }
            } else {
                self.form(ui, workspace, dialog, out);
            }
            ui.separator();
            self.prediction(ui, workspace, out);
            if let Some(view) = &workspace.models.training {
                ui.separator();
                curves(ui, view);
            }
        });
    }

    fn form(&mut self, ui: &mut Ui, workspace: &Workspace, dialog: &mut PathDialog, out: &mut Vec<Command>) {
        ui.label(RichText::new("Train").strong());
        Grid::new("train form").num_columns(2).spacing([10.0, 6.0]).show(ui, |ui| {
            let label = ui.label("Recipe");
            ui.horizontal(|ui| {
                let shown = PathBuf::from(&self.form.recipe);
                let shown = shown.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                ComboBox::from_id_salt("recipe")
                    .selected_text(shown)
                    .width(130.0)
                    .show_ui(ui, |ui| {
                        for (name, _) in train::Recipe::built_in() {
                            ui.selectable_value(&mut self.form.recipe, name.to_owned(), name);
                        }
                    })
                    .response
                    .labelled_by(label.id);
                if ui.button("File…").on_hover_text("Use a recipe file of your own").clicked() {
                    dialog.ask(Purpose::Recipe, "");
                }
            });
            ui.end_row();
            if self.form.recipe != self.loaded_recipe {
                self.take_recipe();
            }
            ui.label("Data");
            ui.vertical(|ui| {
                ui.radio_value(&mut self.form.source, TrainSource::ActiveCase, "This case, active layer as truth");
                let folder = self.folder.clone();
                ui.horizontal(|ui| {
                    if let Some(folder) = folder {
                        let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                        let source = TrainSource::Folder(folder);
                        ui.radio_value(&mut self.form.source, source, name);
                    }
                    if ui.button("Folder…").on_hover_text("Train on a data set folder").clicked() {
                        dialog.ask(Purpose::TrainingData, "");
                    }
                });
            });
            ui.end_row();
            let label = ui.label("Run name");
            ui.add(egui::TextEdit::singleline(&mut self.form.run).desired_width(150.0)).labelled_by(label.id);
            ui.end_row();
            let label = ui.label("Epochs");
            ui.add(DragValue::new(&mut self.form.epochs).range(1..=100_000)).labelled_by(label.id);
            ui.end_row();
            let label = ui.label("Batch");
            ui.add(DragValue::new(&mut self.form.batch_size).range(1..=512)).labelled_by(label.id);
            ui.end_row();
            let label = ui.label("Learning rate");
            ui.add(DragValue::new(&mut self.form.learning_rate).speed(1e-5).range(1e-8..=1.0).max_decimals(7))
                .labelled_by(label.id);
            ui.end_row();
            let label = ui.label("Device");
            ComboBox::from_id_salt("device")
                .selected_text(device_name(self.form.device))
                .show_ui(ui, |ui| {
                    for device in [DeviceChoice::Auto, DeviceChoice::Gpu, DeviceChoice::Cpu] {
                        ui.selectable_value(&mut self.form.device, device, device_name(device));
                    }
                })
                .response
                .labelled_by(label.id);
            ui.end_row();
        });
        let exists = workspace.models.runs.iter().any(|r| r.name == self.form.run);
        if exists {
            ui.checkbox(&mut self.form.resume, "Go on with this run");
        } else {
            self.form.resume = false;
        }
        if let Some(error) = &self.error {
            ui.label(RichText::new(error).color(ui.visuals().error_fg_color));
        }
        if exists && !self.form.resume {
            ui.weak("A run of this name exists: go on with it, or choose another name.");
            if ui.button("Next free name").clicked() {
                self.form.run = free_name(workspace);
            }
        } else if self.error.is_none() && ui.button(RichText::new("Start training").strong()).clicked() {
            out.push(ModelCommand::Train(self.form.clone()).into());
        }
    }

    fn prediction(&mut self, ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
        ui.label(RichText::new("Predict").strong());
        let chosen = self.chosen_run(workspace);
        let Some(chosen) = chosen else {
            ui.weak("Train a model first; it then predicts the open case here.");
            return;
        };
        let name = |path: &PathBuf| path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        ui.horizontal(|ui| {
            let label = ui.label("Model");
            ComboBox::from_id_salt("model")
                .selected_text(name(&chosen))
                .show_ui(ui, |ui| {
                    for run in workspace.models.runs.iter().filter(|r| r.ready) {
                        if ui.selectable_label(run.folder == chosen, &run.name).clicked() {
                            self.run = Some(run.folder.clone());
                        }
                    }
                })
                .response
                .labelled_by(label.id);
            if workspace.models.is_predicting() {
                ui.spinner();
            } else if workspace.active_document().is_none() {
                ui.weak("Open a case to predict.");
            } else if ui.button("Predict this case").clicked()
                && let Some(command) = self.predict(workspace)
            {
                out.push(command);
            }
        });
    }
}

/// `run-N` with the lowest number that no run has.
fn free_name(workspace: &Workspace) -> String {
    let taken = |name: &String| workspace.models.runs.iter().any(|r| r.name == *name);
    (1..).map(|n: u32| format!("run-{n}")).find(|name| !taken(name)).unwrap_or_default()
}

fn device_name(device: DeviceChoice) -> &'static str {
    match device {
        DeviceChoice::Auto => "Automatic",
        DeviceChoice::Gpu => "GPU",
        DeviceChoice::Cpu => "CPU",
    }
}

fn running(ui: &mut Ui, view: &TrainingView, out: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        ui.label(RichText::new(format!("Training {}", view.run)).strong());
        let (word, command) = if view.state == TrainingState::Paused {
            ("Go on", ModelCommand::Resume)
        } else {
            ("Pause", ModelCommand::Pause)
        };
        if ui.button(word).clicked() {
            out.push(command.into());
        }
        if ui.button("Stop").on_hover_text("The last complete checkpoint is kept").clicked() {
            out.push(ModelCommand::Stop.into());
        }
    });
    ui.label(RichText::new(&view.plan).small());
    let total = (view.epochs * view.steps_per_epoch).max(1);
    let done = view.epoch.saturating_sub(1) * view.steps_per_epoch + view.step;
    ui.add(ProgressBar::new(done as f32 / total as f32).show_percentage());
    let state = if view.state == TrainingState::Paused { "paused" } else { "running" };
    ui.label(
        RichText::new(format!(
            "epoch {} of {}, step {} of {}, {:.2} s a step, {} left, {state}",
            view.epoch,
            view.epochs,
            view.step,
            view.steps_per_epoch,
            view.seconds_per_step,
            duration(view.seconds_left()),
        ))
        .small(),
    );
}

fn duration(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

fn curves(ui: &mut Ui, view: &TrainingView) {
    if let Some((epoch, dice)) = view.best {
        ui.label(format!("Best validation Dice {dice:.4} in epoch {epoch}"));
    }
    if !view.result.is_empty() {
        ui.label(RichText::new(&view.result).small());
    }
    let steps = view.steps_per_epoch.max(1) as f64;
    let per_epoch: Vec<[f64; 2]> = view.step_loss.iter().map(|[s, l]| [s / steps, *l]).collect();
    let of = |pick: &dyn Fn(&train::EpochRow) -> Option<f64>| -> Vec<[f64; 2]> {
        view.curve.iter().filter_map(|p| Some([p.epoch as f64, pick(p)?])).collect()
    };
    let training = of(&|p| Some(p.train_loss));
    let val = of(&|p| p.val_loss);
    let dice = of(&|p| p.val_dice);
    ui.label(RichText::new("Loss").small());
    plot(
        ui,
        "loss",
        &[("step", per_epoch, Color32::GRAY), ("train", training, ACCENT), ("validation", val, VALIDATION)],
    );
    ui.label(RichText::new("Validation Dice").small());
    plot(ui, "dice", &[("Dice", dice, VALIDATION)]);
}

/// Orange of the validation curves; apart from the accent for the common forms of colour blindness.
const VALIDATION: Color32 = Color32::from_rgb(230, 159, 0);

fn plot(ui: &mut Ui, name: &str, lines: &[(&str, Vec<[f64; 2]>, Color32)]) {
    Plot::new(name)
        .height(130.0)
        .legend(Legend::default())
        .allow_scroll(false)
        .allow_drag(false)
        .allow_zoom(false)
        .x_axis_label("epoch")
        .show(ui, |plot| {
            for (name, points, color) in lines {
                plot.line(Line::new(*name, PlotPoints::from(points.clone())).color(*color).width(1.6));
            }
        });
}
