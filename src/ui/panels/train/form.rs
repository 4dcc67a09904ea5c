//! A new run: recipe, data, name, and everything that may be set before it starts.

use super::pictures::Picture;
use super::{device_choice, file_name};
use crate::nn::DeviceChoice;
use crate::train::{self, Recipe};
use crate::ui::panels::path_dialog::{PathDialog, Purpose};
use crate::workspace::{Command, ModelCommand, TrainForm, TrainSource, Workspace};
use egui::{CollapsingHeader, ComboBox, DragValue, Grid, RichText, TextEdit, Ui};
use std::path::{Path, PathBuf};

/// What is being filled in.
pub(super) struct FormPart {
    form: TrainForm,
    /// Data set folder, kept while "this case" is chosen.
    folder: Option<PathBuf>,
    loaded: String,
    /// The recipe as it stands, where it can be used.
    recipe: Option<Recipe>,
    /// Its text, edited or not.
    text: String,
    error: Option<String>,
    samples: Picture,
}

impl Default for FormPart {
    fn default() -> Self {
        let mut part = Self {
            form: TrainForm {
                recipe: "demo".into(),
                source: TrainSource::ActiveCase,
                run: "run-1".into(),
                epochs: 1,
                learning_rate: 1e-3,
                batch_size: 4,
                device: DeviceChoice::Auto,
                resume: false,
                text: None,
                init: None,
            },
            folder: None,
            loaded: String::new(),
            recipe: None,
            text: String::new(),
            error: None,
            samples: Picture::default(),
        };
        part.take_recipe();
        part
    }
}

impl FormPart {
    /// Takes a folder, recipe or weights from the path dialog.
    pub fn take_path(&mut self, purpose: Purpose, path: PathBuf) {
        match purpose {
            Purpose::Recipe => {
                self.form.recipe = path.to_string_lossy().into_owned();
                self.take_recipe();
            }
            Purpose::Weights => self.form.init = Some(path),
            _ => {
                self.form.source = TrainSource::Folder(path.clone());
                self.folder = Some(path);
            }
        }
    }

    /// Fills the form with the recipe's own numbers.
    fn take_recipe(&mut self) {
        self.loaded.clone_from(&self.form.recipe);
        self.form.text = None;
        match Recipe::load(&self.form.recipe).and_then(|recipe| Ok((recipe.to_ron()?, recipe))) {
            Ok((text, recipe)) => {
                self.text = text;
                self.take_numbers(recipe);
            }
            Err(error) => (self.recipe, self.error) = (None, Some(error.to_string())),
        }
    }

    fn take_numbers(&mut self, recipe: Recipe) {
        self.form.epochs = recipe.epochs;
        self.form.learning_rate = recipe.optimizer.lr;
        self.form.batch_size = recipe.batch_size;
        (self.recipe, self.error) = (Some(recipe), None);
    }

    /// Takes what was typed into the recipe's text.
    fn take_text(&mut self) {
        match Recipe::parse(&self.text, Path::new("as edited")) {
            Ok(recipe) => {
                self.form.text = Some(self.text.clone());
                self.take_numbers(recipe);
            }
            Err(error) => (self.recipe, self.error) = (None, Some(error.to_string())),
        }
    }

    /// Draws it; whether a training was asked for.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        dialog: &mut PathDialog,
        device: &mut DeviceChoice,
        out: &mut Vec<Command>,
    ) -> bool {
        Grid::new("train form").num_columns(2).spacing([10.0, 6.0]).show(ui, |ui| {
            self.recipe_row(ui, dialog);
            self.data_row(ui, dialog);
            let label = ui.label("Run name");
            ui.add(TextEdit::singleline(&mut self.form.run).desired_width(150.0)).labelled_by(label.id);
            ui.end_row();
            self.number_rows(ui);
            device_choice(ui, device);
            ui.end_row();
            self.weights_row(ui, dialog);
        });
        self.form.device = *device;
        self.settings(ui);
        if let Some(error) = &self.error {
            ui.label(RichText::new(error).color(ui.visuals().error_fg_color));
        }
        self.samples(ui, workspace, out);
        ui.separator();
        self.start(ui, workspace, out)
    }

    fn recipe_row(&mut self, ui: &mut Ui, dialog: &mut PathDialog) {
        let label = ui.label("Recipe");
        ui.vertical(|ui| {
            ui.horizontal(|ui| {
                let shown = file_name(Path::new(&self.form.recipe));
                let shown = if self.form.text.is_some() { format!("{shown} (edited)") } else { shown };
                ComboBox::from_id_salt("recipe")
                    .selected_text(shown)
                    .width(130.0)
                    .show_ui(ui, |ui| {
                        for (name, _) in Recipe::built_in() {
                            ui.selectable_value(&mut self.form.recipe, name.to_owned(), name);
                        }
                    })
                    .response
                    .labelled_by(label.id);
                if ui.button("File…").on_hover_text("Use a recipe file of your own").clicked() {
                    dialog.ask(Purpose::Recipe, "");
                }
            });
            if let Some(recipe) = &self.recipe {
                ui.label(RichText::new(&recipe.description).weak());
            }
        });
        ui.end_row();
        if self.form.recipe != self.loaded {
            self.take_recipe();
        }
    }

    fn data_row(&mut self, ui: &mut Ui, dialog: &mut PathDialog) {
        ui.label("Data");
        ui.vertical(|ui| {
            ui.radio_value(&mut self.form.source, TrainSource::ActiveCase, "This case, active layer as truth");
            let folder = self.folder.clone();
            ui.horizontal(|ui| {
                if let Some(folder) = folder {
                    let name = file_name(&folder);
                    let source = TrainSource::Folder(folder);
                    ui.radio_value(&mut self.form.source, source, name);
                }
                if ui.button("Folder…").on_hover_text("Train on a data set folder").clicked() {
                    dialog.ask(Purpose::TrainingData, "");
                }
            });
        });
        ui.end_row();
    }

    fn number_rows(&mut self, ui: &mut Ui) {
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
    }

    fn weights_row(&mut self, ui: &mut Ui, dialog: &mut PathDialog) {
        ui.label("Start from");
        ui.horizontal(|ui| {
            match &self.form.init {
                None => ui.label("random weights"),
                Some(path) => ui.label(file_name(path)),
            };
            if self.form.init.is_some() && ui.button("Random").clicked() {
                self.form.init = None;
            }
            let hover = "Weights of another run, of torchvision or of segmentation_models_pytorch (.safetensors, .pth)";
            if ui.button("Weights…").on_hover_text(hover).clicked() {
                dialog.ask(Purpose::Weights, "");
            }
        });
        ui.end_row();
    }

    /// The whole recipe as text.
    fn settings(&mut self, ui: &mut Ui) {
        CollapsingHeader::new("All settings").id_salt("all settings").show(ui, |ui| {
            ui.label(
                RichText::new("The recipe as it will run: network, loss, augmentation, split, inference. Mistakes are said below.")
                    .weak(),
            );
            let edit = TextEdit::multiline(&mut self.text).code_editor().desired_rows(16).desired_width(f32::INFINITY);
            if ui.add(edit).accessible_name("Text of the recipe").changed() {
                self.take_text();
            }
            if self.form.text.is_some() || self.error.is_some() {
                ui.horizontal(|ui| {
                    if ui.button("Back to the recipe's own").clicked() {
                        self.take_recipe();
                    }
                });
            }
        });
    }

    /// Augmented samples of the chosen data.
    fn samples(&mut self, ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
        CollapsingHeader::new("Augmentation").id_salt("augmentation").show(ui, |ui| {
            let Some(recipe) = &self.recipe else { return };
            ui.label(RichText::new(in_words(&recipe.augmentation)).weak());
            if workspace.models.previewing {
                ui.spinner();
            } else if self.can_start(workspace) {
                if ui.button("Show samples").clicked() {
                    out.push(ModelCommand::Preview(self.form.clone()).into());
                }
            } else {
                ui.weak("Open a case with a mask, or choose a data set folder, to see samples.");
            }
            if let Some(sheet) = &workspace.models.preview {
                ui.label(RichText::new("Left: slices as they are. Right of them: three samples each.").weak());
                self.samples.show(ui, sheet, "Slices and augmented samples of them");
            }
        });
    }

    /// Whether there is data to learn from.
    fn can_start(&self, workspace: &Workspace) -> bool {
        match self.form.source {
            TrainSource::Folder(_) => true,
            TrainSource::ActiveCase => workspace.active_document().is_some_and(|d| d.layer().is_some()),
        }
    }

    fn start(&mut self, ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) -> bool {
        let exists = workspace.models.runs.iter().any(|r| r.name == self.form.run);
        if exists {
            ui.checkbox(&mut self.form.resume, "Go on with this run");
        } else {
            self.form.resume = false;
        }
        if exists && !self.form.resume {
            ui.weak("A run of this name exists: go on with it, or choose another name.");
            if ui.button("Next free name").clicked() {
                self.form.run = free_name(workspace, "run");
            }
        } else if !self.can_start(workspace) {
            ui.weak("Open a case and draw or import a mask, or choose a data set folder above.");
        } else if self.error.is_none() && ui.button(RichText::new("Start training").strong()).clicked() {
            out.push(ModelCommand::Train(self.form.clone()).into());
            return true;
        }
        false
    }
}

/// `WORD-N` with the lowest number that no run has.
pub(super) fn free_name(workspace: &Workspace, word: &str) -> String {
    let taken = |name: &String| workspace.models.runs.iter().any(|r| r.name == *name);
    (1..).map(|n: u32| format!("{word}-{n}")).find(|name| !taken(name)).unwrap_or_default()
}

/// What augmentation does, in one sentence.
fn in_words(a: &train::AugmentConfig) -> String {
    let mut parts = Vec::new();
    let mut say = |on: bool, text: String| {
        if on {
            parts.push(text);
        }
    };
    say(a.flip_lr > 0.0, format!("left-right flip of {:.0} %", a.flip_lr * 100.0));
    say(a.flip_ud > 0.0, format!("front-back flip of {:.0} %", a.flip_ud * 100.0));
    say(a.rotate_degrees > 0.0, format!("rotation up to {}°", a.rotate_degrees));
    say(a.scale > 0.0, format!("scaling up to {:.0} %", a.scale * 100.0));
    say(a.elastic.is_some(), "elastic displacement".into());
    say(a.noise_hu > 0.0, format!("noise of {} HU", a.noise_hu));
    say(a.brightness_hu > 0.0, format!("brightness up to {} HU", a.brightness_hu));
    say(a.contrast > 0.0, format!("contrast up to {:.0} %", a.contrast * 100.0));
    if let Some(crop) = a.crop {
        say(true, format!("crops of {0} x {0}", crop.size));
    }
    if let Some(p) = a.pathology {
        say(true, format!("simulated pathology in {:.0} % of the slices", p.probability * 100.0));
    }
    if parts.is_empty() { "None: slices are learned as they are.".into() } else { format!("{}.", parts.join(", ")) }
}
